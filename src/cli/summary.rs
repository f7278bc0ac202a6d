//! What a load did, for people and for machines.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::exit::Exit;
use super::speech::one_line;
use crate::figure;
use crate::pipeline::{Outcome, Times};

/// What a summary names besides the outcome.
pub(super) struct Subject<'a> {
    pub(super) job: &'a str,
    /// The job file.
    pub(super) job_file: String,
    /// Where the rows went, without secrets.
    pub(super) destination: String,
    /// What the job was inferred from, if it was just now.
    pub(super) inferred: Option<Value>,
    /// What to type to see the dead letters.
    pub(super) dead_letters: String,
    /// How to look at the rows, for somebody who has written no job.
    pub(super) query: Option<String>,
}

/// How many reasons are shown to people; a machine gets them all.
const REASONS_SHOWN: usize = 10;

/// How many files are named of a kind.
const FILES_SHOWN: usize = 10;

/// A shorter load shows more of how it began than of what limits it.
const LIMIT_AFTER: Duration = Duration::from_secs(2);

/// The outcome as a person likes to read it.
pub(super) fn text(subject: &Subject<'_>, outcome: &Outcome) -> String {
    let mut out = String::new();
    let counts = &outcome.counts;
    let has_read = outcome.loaded + outcome.waiting + outcome.batches > 0;
    let is_nothing_new = !has_read && outcome.failed.is_empty() && outcome.stopped.is_none();
    if is_nothing_new {
        let _ = writeln!(out, "{}: nothing new for {}", subject.job, subject.destination);
    } else {
        let _ = writeln!(
            out,
            "{}: {}, {} into {} in {}",
            subject.job,
            files_read(outcome),
            match outcome.raw_bytes < outcome.bytes {
                true => format!(
                    "{} ({} compressed)",
                    figure::bytes(outcome.bytes),
                    figure::bytes(outcome.raw_bytes)
                ),
                false => figure::bytes(outcome.bytes),
            },
            subject.destination,
            figure::time(outcome.elapsed)
        );
    }
    if counts.lines > 0 {
        let records = u64::try_from(counts.records).unwrap_or(0);
        let _ = writeln!(
            out,
            "\n  records      {:>14}   {}/s, {}/s",
            figure::count(counts.records),
            figure::count(figure::rate(records, outcome.elapsed)),
            figure::bytes(figure::rate(outcome.bytes, outcome.elapsed))
        );
        let rows = [
            ("inserted", counts.inserted, true),
            ("updated", counts.updated, false),
            ("unchanged", counts.unchanged, false),
            ("superseded", counts.superseded, false),
        ];
        for (name, number, always) in rows {
            if always || number != 0 {
                let _ = writeln!(out, "    {name:<10} {:>14}", figure::count(number));
            }
        }
        let rejected = u64::try_from(counts.rejected).unwrap_or(0);
        match rejected {
            0 => out.push_str("    rejected                0\n"),
            _ => {
                let share = figure::share(rejected, records);
                let _ = writeln!(out, "    rejected   {:>14}   {share}", figure::count(rejected));
            }
        }
        lines_beside(&mut out, outcome);
    }
    reasons(&mut out, outcome);
    let held = outcome.finished;
    if held > 0 {
        let _ = writeln!(
            out,
            "\n  {} {} loaded to the end before",
            figure::some(held, "file"),
            if held == 1 { "was" } else { "were" }
        );
    }
    files(&mut out, "left out, because another file holds the same", &outcome.duplicates, |name| {
        format!("same as {name}")
    });
    files(&mut out, "not loaded", &outcome.failed, str::to_owned);
    files(&mut out, "to look at", &outcome.notices, str::to_owned);
    if let Some(limit) = limit(&outcome.times, outcome) {
        let _ = writeln!(out, "\n  {limit}");
    }
    if outcome.open_dead_letters > 0 {
        let _ = writeln!(
            out,
            "\n  {} open: {}",
            figure::some(outcome.open_dead_letters, "dead letter"),
            subject.dead_letters
        );
    }
    if let Some(query) = &subject.query {
        let _ = writeln!(out, "\n  look at the rows: {query}");
    }
    out
}

/// The outcome of a check.
pub(super) fn check_text(job: &str, outcome: &Outcome) -> String {
    let mut out = String::new();
    let counts = &outcome.counts;
    let _ = writeln!(
        out,
        "{job}: {}, {} checked in {}",
        files_read(outcome),
        figure::bytes(outcome.bytes),
        figure::time(outcome.elapsed)
    );
    if counts.lines > 0 {
        let records = u64::try_from(counts.records).unwrap_or(0);
        let rejected = u64::try_from(counts.rejected).unwrap_or(0);
        let _ = writeln!(
            out,
            "\n  records      {:>14}   {}/s, {}/s",
            figure::count(counts.records),
            figure::count(figure::rate(records, outcome.elapsed)),
            figure::bytes(figure::rate(outcome.bytes, outcome.elapsed))
        );
        let _ = writeln!(out, "    valid      {:>14}", figure::count(counts.inserted));
        let share =
            if rejected > 0 { format!("   {}", figure::share(rejected, records)) } else { String::new() };
        let _ = writeln!(out, "    rejected   {:>14}{share}", figure::count(rejected));
        lines_beside(&mut out, outcome);
    }
    reasons(&mut out, outcome);
    files(&mut out, "not checked", &outcome.failed, str::to_owned);
    files(&mut out, "to look at", &outcome.notices, str::to_owned);
    out
}

/// What there was besides records, and what was done to their values.
fn lines_beside(out: &mut String, outcome: &Outcome) {
    let altered = i64::try_from(outcome.altered).unwrap_or(i64::MAX);
    let (blank, skipped) = (outcome.counts.blank, outcome.counts.skipped);
    for (name, number) in [("blank lines", blank), ("skipped lines", skipped), ("without NULs", altered)] {
        if number != 0 {
            let _ = writeln!(out, "  {name:<12} {:>14}", figure::count(number));
        }
    }
}

/// How many files were read, whether to their end or to a line that is still being written.
fn files_read(outcome: &Outcome) -> String {
    match outcome.waiting {
        0 => figure::some(outcome.loaded, "file"),
        waiting => {
            let files = figure::some(outcome.loaded + waiting, "file");
            format!("{files} ({waiting} with an unfinished last line)")
        }
    }
}

fn reasons(out: &mut String, outcome: &Outcome) {
    if outcome.reasons.is_empty() {
        return;
    }
    out.push_str("\n  rejected because\n");
    let shown = &outcome.reasons[..outcome.reasons.len().min(REASONS_SHOWN)];
    let name = |index: usize| {
        let reason = &shown[index];
        match reason.field.as_str() {
            "" => reason.code.to_string(),
            field => format!("{} {}", reason.code, one_line(field)),
        }
    };
    let width = (0..shown.len()).map(|index| name(index).chars().count()).max().unwrap_or(0).min(48);
    for (index, reason) in shown.iter().enumerate() {
        let _ = writeln!(
            out,
            "    {:<width$} {:>12}   first at {}:{} (byte {})",
            name(index),
            figure::count(reason.count),
            one_line(&reason.path.to_string_lossy()),
            reason.line,
            figure::count(reason.offset)
        );
    }
    if outcome.reasons.len() > shown.len() {
        let _ = writeln!(out, "    and {} more reasons", outcome.reasons.len() - shown.len());
    }
}

fn files(out: &mut String, what: &str, files: &[(std::path::PathBuf, String)], why: impl Fn(&str) -> String) {
    if files.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  {} {what}", figure::some(files.len(), "file"));
    for (path, text) in files.iter().take(FILES_SHOWN) {
        let _ = writeln!(out, "    {}: {}", one_line(&path.to_string_lossy()), one_line(&why(text)));
    }
    if files.len() > FILES_SHOWN {
        let _ = writeln!(out, "    and {} more", files.len() - FILES_SHOWN);
    }
}

/// What kept the load from being faster.
fn limit(times: &Times, outcome: &Outcome) -> Option<String> {
    if outcome.batches == 0 || outcome.elapsed < LIMIT_AFTER {
        return None;
    }
    let all = outcome.elapsed.as_secs_f64().max(1e-6);
    let percent = |time: Duration| (100.0 * time.as_secs_f64() / all).round().min(100.0);
    let commit = percent(times.commit);
    let waited = percent(times.waited);
    Some(match commit >= waited {
        true => format!(
            "limited by the destination: it was at work {commit} % of the time, and waited {waited} % for us"
        ),
        false if times.plan > times.work => {
            format!("limited by reading: the destination waited {waited} % of the time for rows")
        }
        false => format!(
            "limited by parsing: the destination waited {waited} % of the time for rows (more --threads may help)"
        ),
    })
}

/// The outcome for a machine.
pub(super) fn json(subject: &Subject<'_>, outcome: &Outcome, exit: Exit) -> Value {
    let counts = &outcome.counts;
    let file = |path: &Path| path.to_string_lossy().into_owned();
    json!({
        "schema_version": 1,
        "command": "load",
        "job": subject.job,
        "job_file": subject.job_file,
        "inferred": subject.inferred,
        "destination": subject.destination,
        "outcome": exit.outcome(),
        "exit_code": exit.code(),
        "sources": {
            "loaded": outcome.loaded,
            "waiting": outcome.waiting,
            "finished_before": outcome.finished,
            "duplicates": outcome.duplicates.iter()
                .map(|(path, of)| json!({"file": file(path), "same_as": of})).collect::<Vec<_>>(),
            "failed": outcome.failed.iter()
                .map(|(path, why)| json!({"file": file(path), "why": why})).collect::<Vec<_>>(),
        },
        "notices": notices_json(outcome),
        "counts": counts_json(counts),
        "altered_values": outcome.altered,
        "bytes": outcome.bytes,
        "raw_bytes": outcome.raw_bytes,
        "batches": outcome.batches,
        "open_dead_letters": outcome.open_dead_letters,
        "reasons": reasons_json(outcome),
        "seconds": outcome.elapsed.as_secs_f64(),
        "times": {
            "writer_waited": outcome.times.waited.as_secs_f64(),
            "commit": outcome.times.commit.as_secs_f64(),
            "work": outcome.times.work.as_secs_f64(),
            "plan": outcome.times.plan.as_secs_f64(),
        },
    })
}

/// What there is to know about files, for a machine.
pub(super) fn notices_json(outcome: &Outcome) -> Value {
    let notices = outcome
        .notices
        .iter()
        .map(|(path, notice)| json!({"file": path.to_string_lossy(), "notice": notice}));
    notices.collect()
}

/// Why records were rejected, for a machine.
pub(super) fn reasons_json(outcome: &Outcome) -> Value {
    let reasons = outcome.reasons.iter().map(|reason| {
        json!({
            "code": reason.code.to_string(),
            "field": reason.field,
            "count": reason.count,
            "first": {"file": reason.path.to_string_lossy(), "line": reason.line, "offset": reason.offset},
        })
    });
    reasons.collect()
}

/// What became of records, for a machine.
pub(super) fn counts_json(counts: &crate::sink::Counts) -> Value {
    json!({
        "lines": counts.lines,
        "blank": counts.blank,
        "skipped": counts.skipped,
        "records": counts.records,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "superseded": counts.superseded,
        "rejected": counts.rejected,
    })
}
