//! What a load or a check did, for people.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::delivery::delivery;
use super::rollup::failed as not_computed;
use super::rules::other_rules;
use super::table;
use crate::figure;
use crate::printable::{one_line, path};
use crate::reject::reason as reason_words;
use crate::report::{Check, Exit, FailedFile, Load, Notice, Reason};
use crate::sink::key::EXTRA;
use crate::sink::rebuild::Rebuilt;

/// How many reasons are shown to people; JSON contains them all.
const REASONS_SHOWN: usize = 10;

/// How many files of a kind are named.
const FILES_SHOWN: usize = 10;

/// How many reasons are shown for an abandoned file.
const GIVEN_UP_REASONS_SHOWN: usize = 3;

/// How to resume an abandoned file.
const GO_ON: &str = "    to continue, raise --stop-above; or mend the job, run `logmill dead-letters replay`, and load with\n    \
                     --accept-new-rules\n";

/// How to redo an abandoned rebuild.
const BEGIN_ANEW: &str =
    "    to rebuild, mend the job or the file, or raise --stop-above, and --rebuild again\n";

/// The message about a rebuild that did not finish.
const AS_IT_WAS: &str =
    "\n  nothing was rebuilt: the rows and dead letters that were there are as they were\n";

/// A shorter load shows more of its beginning than of what limits it.
const LIMIT_AFTER: Duration = Duration::from_secs(2);

pub(in crate::report) fn load(report: &Load) -> String {
    let mut out = headline(report);
    let counts = &report.counts;
    let tally = Tally {
        lines: counts.lines,
        records: counts.records,
        kinds: &[
            ("inserted", counts.inserted, true),
            ("updated", counts.updated, false),
            ("unchanged", counts.unchanged, false),
            ("superseded", counts.superseded, false),
        ],
        rejected: counts.rejected,
        beside: [counts.blank, counts.skipped, number(report.altered_values), number(report.unsure_stamps)],
        bytes: report.bytes,
        elapsed: elapsed(report.seconds),
    };
    tally.write(&mut out);
    reasons(&mut out, &report.reasons);
    match &report.rebuilt {
        Some(rebuilt) => {
            let _ = writeln!(out, "\n  {}", in_the_place(rebuilt));
        }
        None if report.is_rebuild => out.push_str(AS_IT_WAS),
        None => {}
    }
    let sources = &report.sources;
    if sources.finished_before > 0 {
        let was = if sources.finished_before == 1 { "was" } else { "were" };
        let files = figure::some(sources.finished_before, "file");
        let _ = writeln!(out, "\n  {files} {was} loaded to the end before");
    }
    if let Some(other) = sources.other_rules {
        out.push('\n');
        other_rules(&mut out, other);
    }
    let duplicates = sources.duplicates.iter().map(|file| (&file.file, format!("same as {}", file.same_as)));
    files(&mut out, "left out, because another file holds the same", duplicates);
    given_up(&mut out, report);
    files(&mut out, "not loaded", failed(&sources.failed));
    not_computed(&mut out, &report.rollups.failed);
    files(&mut out, "to look at", notices(&report.notices));
    if let Some(limit) = limit(report) {
        let _ = writeln!(out, "\n  {limit}");
    }
    open_letters(&mut out, report);
    if let Some(made) = &report.delivery {
        delivery(&mut out, made);
    }
    if let Some(query) = &report.next.query {
        let _ = writeln!(out, "\n  look at the rows: {}", one_line(query));
    }
    out
}

/// What a rebuild removed, and which of people's decisions it kept.
fn in_the_place(rebuilt: &Rebuilt) -> String {
    let mut text = format!(
        "in the place of {} and {}",
        figure::some(rebuilt.rows_removed, "row"),
        figure::some(rebuilt.dead_letters_superseded, "dead letter")
    );
    let more = [
        (
            rebuilt.sources_removed,
            "file",
            "that is gone went with its rows",
            "that are gone went with their rows",
        ),
        (rebuilt.discarded_again, "dead letter", "stays discarded", "stay discarded"),
        (rebuilt.mended_again, "mended record", "is a row again", "are rows again"),
        (
            rebuilt.undone,
            "decision about a dead letter",
            "does not hold any more",
            "about dead letters do not hold any more",
        ),
    ];
    for (count, what, one, many) in more.into_iter().filter(|(count, ..)| *count > 0) {
        let _ = match count {
            1 => write!(text, "; 1 {what} {one}"),
            _ => write!(
                text,
                "; {} {many}",
                figure::some(count, what.trim_end_matches(" about a dead letter"))
            ),
        };
    }
    text
}

/// The files with too many dead letters, why they have them, and how to resume.
fn given_up(out: &mut String, report: &Load) {
    let given_up = &report.sources.given_up;
    if given_up.is_empty() {
        return;
    }
    let bar = report.stop_above.as_deref().unwrap_or_default();
    let _ = writeln!(
        out,
        "\n  {} given up, with more dead letters than stop_above = {bar} allows",
        figure::some(given_up.len(), "file")
    );
    for file in given_up.iter().take(FILES_SHOWN) {
        let (letters, records) = (file.open_dead_letters, file.records);
        let _ = writeln!(
            out,
            "    {}: {} of {}, {}",
            path(&file.file),
            figure::count(letters),
            figure::some(records, "record"),
            figure::share(letters, records)
        );
        for reason in file.reasons.iter().take(GIVEN_UP_REASONS_SHOWN) {
            let name = one_line(&reason_words(&reason.field, &reason.code));
            let (count, first) = (figure::count(reason.count), &reason.first);
            let _ = write!(out, "      {name}: {count}, first at line {}", first.line);
            if let Some(id) = first.id {
                let _ = write!(out, " (dead letter {id})");
            }
            out.push('\n');
        }
    }
    if given_up.len() > FILES_SHOWN {
        let _ = writeln!(out, "    and {} more", given_up.len() - FILES_SHOWN);
    }
    out.push_str(if report.is_rebuild { BEGIN_ANEW } else { GO_ON });
}

/// The outcome of a check, with the first rows.
pub(in crate::report) fn check(report: &Check, width: usize) -> String {
    let counts = &report.counts;
    let elapsed = elapsed(report.seconds);
    let mut out = format!(
        "{}: {}, {} checked in {}\n",
        one_line(report.head.job()),
        files_read(report.sources.checked, report.sources.waiting),
        figure::bytes(report.bytes),
        figure::time(elapsed)
    );
    let tally = Tally {
        lines: counts.lines,
        records: counts.records,
        kinds: &[("valid", counts.valid, true)],
        rejected: counts.rejected,
        beside: [counts.blank, counts.skipped, number(report.altered_values), number(report.unsure_stamps)],
        bytes: report.bytes,
        elapsed,
    };
    tally.write(&mut out);
    reasons(&mut out, &report.reasons);
    files(&mut out, "not checked", failed(&report.sources.failed));
    files(&mut out, "to look at", notices(&report.notices));
    sample(&mut out, report, width);
    out
}

/// How many dead letters are open. The command beside it shows those of the whole job.
fn open_letters(out: &mut String, report: &Load) {
    let (selected, job) =
        (report.open_dead_letters.unwrap_or(0), report.open_dead_letters_of_job.unwrap_or(0));
    if job == 0 {
        return;
    }
    let open = figure::some(job, "dead letter");
    let _ = write!(out, "\n  {open} open");
    if selected != job {
        let _ = write!(out, ", {} of them from these files", figure::count(selected));
    }
    let _ = writeln!(out, ": {}", one_line(&report.next.dead_letters));
}

fn headline(report: &Load) -> String {
    let sources = &report.sources;
    let job = one_line(report.head.job());
    let destination = one_line(&report.destination);
    let mut head = format!("{job}: ");
    let is_nothing_new = sources.loaded + sources.waiting + report.batches == 0
        && sources.failed.is_empty()
        && sources.given_up.is_empty()
        && report.rebuilt.is_none()
        && matches!(report.head.exit_code, 0 | 3);
    if is_nothing_new {
        return format!("{job}: nothing new for {destination}\n");
    }
    // Only reading a stream shows whether it is known.
    let is_known_stream = report.bytes == 0 && report.known > 0 && report.known == sources.loaded;
    if is_known_stream && sources.failed.is_empty() && matches!(report.head.exit_code, 0 | 3) {
        return format!("{job}: nothing new for {destination}: the stream holds what was loaded before\n");
    }
    let failed = sources.failed.len() as u64;
    if failed > 0 && report.error.is_none() {
        let beside = sources.given_up.len() + sources.duplicates.len();
        let all = sources.loaded + sources.waiting + sources.finished_before + failed + beside as u64;
        let (files, were) = (figure::some(all, "file"), if failed == 1 { "was" } else { "were" });
        let _ = write!(head, "FAILED, {} of {files} {were} not loaded", figure::count(failed));
        if sources.loaded + sources.waiting + sources.splits + report.bytes == 0 {
            return format!("{head} into {destination}\n");
        }
        head.push_str("; ");
    }
    let mut bytes = figure::bytes(report.bytes);
    if report.raw_bytes < report.bytes {
        let _ = write!(bytes, " ({} compressed)", figure::bytes(report.raw_bytes));
    }
    let files = match sources.loaded + sources.waiting {
        // A file that was begun is not counted, but its bytes are.
        0 if report.error.is_some() || !sources.given_up.is_empty() => String::new(),
        0 if sources.splits > 0 => figure::some(sources.splits, "split") + ", ",
        _ => files_read(sources.loaded, sources.waiting) + ", ",
    };
    let ended = match (&report.error, report.head.exit) {
        (None, _) => "",
        (Some(_), Exit::Held) => "overtaken after ",
        (Some(_), Exit::Stopped(_)) => "stopped after ",
        (Some(_), _) => "failed after ",
    };
    let time = figure::time(elapsed(report.seconds));
    format!("{head}{ended}{files}{bytes} into {destination} in {time}\n")
}

/// How many files were read, whether to their end or to a line that is still being written.
fn files_read(to_end: u64, waiting: u64) -> String {
    let files = figure::some(to_end + waiting, "file");
    match waiting {
        0 => files,
        _ => format!("{files} ({waiting} with an unfinished last line)"),
    }
}

/// The outcomes of records.
struct Tally<'a> {
    lines: i64,
    records: i64,
    /// A name, its number, and whether it is shown even if that is zero.
    kinds: &'a [(&'a str, i64, bool)],
    rejected: i64,
    /// Blank lines, skipped lines, values without their NULs, and timestamps that the clock showed twice or
    /// never.
    beside: [i64; 4],
    bytes: u64,
    elapsed: Duration,
}

impl Tally<'_> {
    fn write(&self, out: &mut String) {
        if self.lines == 0 {
            return;
        }
        let records = u64::try_from(self.records).unwrap_or(0);
        let _ = writeln!(
            out,
            "\n  records      {:>14}   {}/s, {}/s",
            figure::count(self.records),
            figure::count(figure::rate(records, self.elapsed)),
            figure::bytes(figure::rate(self.bytes, self.elapsed))
        );
        for &(name, number, always) in self.kinds {
            if always || number != 0 {
                let _ = writeln!(out, "    {name:<10} {:>14}", figure::count(number));
            }
        }
        let _ = write!(out, "    rejected   {:>14}", figure::count(self.rejected));
        if let Ok(rejected @ 1..) = u64::try_from(self.rejected) {
            let _ = write!(out, "   {}", figure::share(rejected, records));
        }
        out.push('\n');
        let names = ["blank lines", "skipped lines", "NULs removed", "unsure times"];
        for (name, number) in names.into_iter().zip(self.beside) {
            if number != 0 {
                let _ = writeln!(out, "  {name:<12} {:>14}", figure::count(number));
            }
        }
    }
}

fn reasons(out: &mut String, reasons: &[Reason]) {
    if reasons.is_empty() {
        return;
    }
    out.push_str("\n  rejected because\n");
    let shown = &reasons[..reasons.len().min(REASONS_SHOWN)];
    let names: Vec<String> =
        shown.iter().map(|reason| one_line(&reason_words(&reason.field, &reason.code))).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(44);
    for (reason, name) in shown.iter().zip(names) {
        let _ = writeln!(
            out,
            "    {:>11}  {name:<width$}  first at {}:{}",
            figure::count(reason.count),
            path(&reason.first.file),
            reason.first.line,
        );
    }
    if reasons.len() > shown.len() {
        let _ = writeln!(out, "    and {} more reasons", reasons.len() - shown.len());
    }
}

fn failed(files: &[FailedFile]) -> impl ExactSizeIterator<Item = (&PathBuf, String)> {
    files.iter().map(|file| (&file.file, file.why.clone()))
}

fn notices(files: &[Notice]) -> impl ExactSizeIterator<Item = (&PathBuf, String)> {
    files.iter().map(|file| (&file.file, file.notice.clone()))
}

/// The files with one fate, with a remark on each.
fn files<'a>(out: &mut String, what: &str, files: impl ExactSizeIterator<Item = (&'a PathBuf, String)>) {
    let number = files.len();
    if number == 0 {
        return;
    }
    let _ = writeln!(out, "\n  {} {what}", figure::some(number, "file"));
    for (file, text) in files.take(FILES_SHOWN) {
        let _ = writeln!(out, "    {}: {}", path(file), one_line(&text));
    }
    if number > FILES_SHOWN {
        let _ = writeln!(out, "    and {} more", number - FILES_SHOWN);
    }
}

/// What kept the load from being faster.
fn limit(report: &Load) -> Option<String> {
    if report.batches == 0 || elapsed(report.seconds) < LIMIT_AFTER {
        return None;
    }
    let all = report.seconds.max(1e-6);
    let percent = |seconds: f64| (100.0 * seconds / all).round().min(100.0);
    let (commit, waited) = (percent(report.times.commit), percent(report.times.writer_waited));
    Some(if commit >= waited {
        format!("the database was the limit: busy {commit} %, idle {waited} %")
    } else if report.times.plan > report.times.work {
        format!("reading was the limit: the database was idle {waited} %")
    } else {
        format!("parsing was the limit: the database was idle {waited} %; more --threads may help")
    })
}

/// The first rows, as a table.
fn sample(out: &mut String, report: &Check, width: usize) {
    let Some(first) = report.sample.first().and_then(|row| row.as_object()) else { return };
    let is_empty = |row: &serde_json::Value| row[EXTRA].as_object().is_some_and(serde_json::Map::is_empty);
    // The column of unnamed members is shown only if there are any.
    let is_shown = |name: &str| name != EXTRA || !report.sample.iter().all(is_empty);
    let names: Vec<String> = first.keys().filter(|name| is_shown(name)).cloned().collect();
    let rows = report.sample.iter().map(|row| names.iter().map(|name| row[name].clone()).collect());
    let rows: Vec<Vec<serde_json::Value>> = rows.collect();
    let _ = write!(out, "\n  the first valid records\n{}", table::table(&names, &rows, width));
}

fn elapsed(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::pipeline::{GivenUp, Outcome};
    use crate::report::Subject;

    #[test]
    fn the_first_line_says_how_a_load_ended_and_how_much_it_committed() {
        let elapsed = Duration::from_secs(2);
        let begun = Outcome { batches: 2, bytes: 2000, raw_bytes: 2000, elapsed, ..Outcome::default() };
        let loaded = Outcome { loaded: 1, ..begun.clone() };
        let nothing = Outcome { elapsed, ..Outcome::default() };
        let known = Outcome { bytes: 0, known: 1, ..loaded.clone() };
        let plain = Outcome { raw_bytes: 0, ..known.clone() };
        let empty = Outcome { bytes: 0, raw_bytes: 0, ..loaded.clone() };
        let (source, path) = (1, "a".into());
        let too_bad = GivenUp {
            source,
            path,
            is_cut: false,
            records: 9,
            letters: 9,
            reasons: Vec::new(),
            is_undone: false,
        };
        let given_up = Outcome { given_up: vec![too_bad], ..begun.clone() };
        for (outcome, exit, fails, line) in [
            (&loaded, Exit::Success, false, "app: 1 file, 2.00 kB into t in 2.0 s"),
            (&nothing, Exit::Rejects, false, "app: nothing new for t"),
            (&known, Exit::Success, false, "app: nothing new for t: the stream holds what was loaded before"),
            (&plain, Exit::Success, false, "app: nothing new for t: the stream holds what was loaded before"),
            (&empty, Exit::Success, false, "app: 1 file, 0 B into t in 2.0 s"),
            (&loaded, Exit::Failed, true, "app: failed after 1 file, 2.00 kB into t in 2.0 s"),
            (&given_up, Exit::GivenUp, false, "app: 2.00 kB into t in 2.0 s"),
            (&begun, Exit::Held, true, "app: overtaken after 2.00 kB into t in 2.0 s"),
            (&begun, Exit::Stopped(2), true, "app: stopped after 2.00 kB into t in 2.0 s"),
        ] {
            let error = Error::broken("it broke");
            let subject = Subject { job: "app", destination: "t".to_owned(), ..Subject::default() };
            let report = Load::new(subject, outcome, exit, fails.then_some(&error));
            assert_eq!(load(&report).lines().next(), Some(line));
        }
    }
}
