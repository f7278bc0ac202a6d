//! How far a job is, for people.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use super::letters::first_letter;
use super::rules::other_rules;
use crate::figure;
use crate::printable::one_line;
use crate::reject::reason as reason_words;
use crate::report::dates::{Stretch, stretches};
use crate::report::{SourcesStatus, Status};
use crate::sink::dates::DateState;
use crate::sink::history::{Activity, ReasonCount, RunStatus, SourceStatus};
use crate::sink::progress::LaneStatus;

/// How many lines of the calendar are shown unless all are requested.
const DATES_SHOWN: usize = 40;

/// How many sources are shown unless all are requested.
const SOURCES_SHOWN: usize = 20;

pub(in crate::report) fn status(status: &Status) -> String {
    let (job, destination) = (one_line(status.head.job()), one_line(&status.destination));
    if status.is_new {
        return format!("{job}: nothing was loaded into {destination} yet\n");
    }
    let mut out = format!("{job} → {destination}\n");
    let sources = &status.sources;
    let complete = sources.iter().filter(|source| source.complete).count();
    let (done, size) =
        sources.iter().fold((0, 0), |(done, size), source| (done + source.position, size + source.size));
    let _ = writeln!(
        out,
        "\nsources       {} of {} complete, {} of {}",
        figure::count(complete),
        figure::count(sources.len()),
        figure::bytes(done),
        figure::bytes(size)
    );
    let notable =
        |source: &&SourceStatus| status.shows_all || !source.complete || source.open_dead_letters > 0;
    let notable: Vec<&SourceStatus> = sources.iter().filter(notable).collect();
    let shown = if status.shows_all { notable.len() } else { notable.len().min(SOURCES_SHOWN) };
    for source in &notable[..shown] {
        let _ = writeln!(out, "  {}", source_line(source));
    }
    if notable.len() > shown {
        let _ = writeln!(out, "  and {} more (--all)", notable.len() - shown);
    }
    if let Some(other) = status.other_rules {
        other_rules(&mut out, other);
    }
    let undelivered = status.undelivered.filter(|&undelivered| undelivered > 0);
    let undelivered = undelivered.map(|count| format!(", {} of them not delivered", figure::count(count)));
    let open = figure::count(status.open_dead_letters);
    let _ = writeln!(out, "\ndead letters  {open} open{}", undelivered.unwrap_or_default());
    for reason in &status.reasons {
        let _ = writeln!(
            out,
            "  {:>12}  {}  first is {}, {}",
            figure::count(reason.count),
            one_line(&reason_words(&reason.field, &reason.code)),
            first_letter(&reason.first),
            seen(reason)
        );
    }
    dates(&mut out, status);
    running(&mut out, status);
    if let Some(failure) = &status.last_failure {
        let into = if status.other_tables { ", into any table of the job" } else { "" };
        let _ = writeln!(out, "\nlast failure{into}  {}", run_line(failure).trim_start());
        failure.reason.iter().for_each(|reason| {
            let _ = writeln!(out, "  {}", one_line(reason));
        });
    }
    out.push_str(if status.other_tables { "\nruns, into all tables of the job\n" } else { "\nruns\n" });
    for run in &status.runs {
        let _ = writeln!(out, "  {}", run_line(run));
    }
    out
}

/// Since when dead letters with a reason exist.
fn seen(reason: &ReasonCount) -> String {
    let day = |time: DateTime<Utc>| time.format("%Y-%m-%d").to_string();
    match (day(reason.oldest), day(reason.newest)) {
        (oldest, newest) if oldest == newest => format!("seen {oldest}"),
        (oldest, newest) => format!("seen {oldest} to {newest}"),
    }
}

/// The runs at work: how far, how fast, and what they wait for.
fn running(out: &mut String, status: &Status) {
    let mut title = "\nrunning\n";
    for run in status.runs.iter().filter(|run| run.is_alive) {
        let sum = |of: fn(&LaneStatus) -> u64| run.lanes.iter().map(of).sum::<u64>();
        let (done, total) = (sum(|lane| lane.bytes), sum(|lane| lane.bytes_total));
        let _ = write!(out, "{title}{:>6}  {}", run.id, one_line(&run.command));
        title = "";
        if let Some(share) = (100 * done).checked_div(total) {
            let _ = write!(out, "  {} % of {}", share.min(100), figure::bytes(total));
        }
        let records = figure::some(sum(|lane| lane.records), "record");
        let rate = figure::count(sum(|lane| lane.records_per_second));
        let _ = write!(out, ", {records}, {rate}/s");
        // The slowest lane finishes last.
        if let Some(left) = run.lanes.iter().filter_map(LaneStatus::left).max().filter(|left| !left.is_zero())
        {
            let _ = write!(out, ", {} left", figure::time(left));
        }
        if let Some(updated) = run.updated_at {
            let _ = write!(out, ", last commit {}", updated.format("%Y-%m-%d %H:%M:%S UTC"));
        }
        out.push('\n');
        for activity in &run.activity {
            let _ = writeln!(out, "          {}", activity_line(activity));
        }
    }
}

fn activity_line(activity: &Activity) -> String {
    let what = match activity.state.as_str() {
        "working" => "the server is at work".to_owned(),
        "lock" => {
            let holders: Vec<String> = activity.blocked_by.iter().map(i32::to_string).collect();
            format!("waits for a lock that process {} holds", holders.join(", "))
        }
        "standby" => "waits for a standby".to_owned(),
        "client" => "the server waits for the run".to_owned(),
        "server" => format!(
            "the server waits: {}",
            activity.wait_event.as_deref().unwrap_or("it does not say for what")
        ),
        _ => "this role may not see what the server does for it (pg_read_all_stats)".to_owned(),
    };
    let since = activity.since.map(|since| format!(", since {}", since.format("%Y-%m-%d %H:%M:%S UTC")));
    format!("process {}: {what}{}", activity.pid, since.unwrap_or_default())
}

/// The calendar: consecutive dates in the same state are one line.
fn dates(out: &mut String, status: &Status) {
    let stretches = stretches(&status.dates);
    if stretches.is_empty() {
        return;
    }
    let done = status.dates.iter().filter(|date| date.state == DateState::Done).count();
    let all = status.dates.len();
    let _ = writeln!(out, "\ndates         {} of {} done", figure::count(done), figure::count(all));
    // The newest are the most interesting.
    let shown = if status.shows_all { stretches.len() } else { stretches.len().min(DATES_SHOWN) };
    if stretches.len() > shown {
        let _ = writeln!(out, "  {} earlier ones (--all)", figure::count(stretches.len() - shown));
    }
    for Stretch { first, last, days, words } in &stretches[stretches.len() - shown..] {
        let days = if *days == 1 { first.to_string() } else { format!("{first} to {last}") };
        let _ = writeln!(out, "  {days:<24}  {}", one_line(words));
    }
}

/// Some sources, each on several lines.
pub(in crate::report) fn sources(status: &SourcesStatus) -> String {
    let mut blocks: Vec<String> = status.sources.iter().map(block).collect();
    let job = one_line(status.head.job());
    let unknown = status.unknown.iter();
    blocks.extend(unknown.map(|file| format!("{}\n  never loaded by job {job}\n", one_line(file))));
    blocks.join("\n")
}

fn block(source: &SourceStatus) -> String {
    let mut out = String::new();
    let counts = &source.counts;
    let _ = writeln!(out, "{}", one_line(&source.name));
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "  {name:<13} {text}");
    };
    line("id", source.id.to_string());
    if let Some(date) = &source.data_date {
        line("data date", date.to_string());
    }
    line("state", state(source));
    line("updated", source.updated_at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    line("records", figure::count(counts.records));
    let parts = [
        ("inserted", counts.inserted),
        ("updated", counts.updated),
        ("unchanged", counts.unchanged),
        ("superseded", counts.superseded),
        ("rejected", counts.rejected),
    ];
    for (name, count) in parts.into_iter().filter(|(_, count)| *count != 0) {
        line(&format!("  {name}"), figure::count(count));
    }
    for (name, count) in [("blank lines", counts.blank), ("skipped lines", counts.skipped)] {
        if count != 0 {
            line(name, figure::count(count));
        }
    }
    if counts.rejected != 0 || source.open_dead_letters != 0 {
        line("dead letters", format!("{} open", figure::count(source.open_dead_letters)));
    }
    if source.other_rules {
        line("rules", "loaded under others than those of the job now".to_owned());
    }
    if !source.containers.is_empty() {
        let sizes: Vec<String> = source.containers.iter().map(|&size| figure::bytes(size)).collect();
        line("archives", format!("{} ({})", sizes.len(), sizes.join(", ")));
    }
    if let Some(owner) = owner(source) {
        line("owner", owner);
    }
    out
}

/// How far it is.
fn state(source: &SourceStatus) -> String {
    let position = figure::count(source.position);
    match (source.complete, (100 * source.position).checked_div(source.size)) {
        (true, _) => format!("complete, {position} bytes"),
        // The size of an archive is known only at its end.
        (false, Some(share)) if source.size >= source.position => {
            format!("{share} %, at byte {position} of {}", figure::count(source.size))
        }
        (false, _) => format!("at byte {position}"),
    }
}

fn owner(source: &SourceStatus) -> Option<String> {
    let owner = source.owner.as_ref()?;
    Some(if owner.is_alive {
        format!("held by run {} (process {})", owner.run, owner.pid)
    } else {
        format!("left by run {}", owner.run)
    })
}

fn source_line(source: &SourceStatus) -> String {
    let mut line = format!("{:>4}  {}", source.id, one_line(&source.name));
    if let Some(date) = &source.data_date {
        let _ = write!(line, " ({date})");
    }
    let _ = write!(line, "  {}, {}", state(source), figure::some(source.counts.records, "record"));
    if source.open_dead_letters > 0 {
        let _ = write!(line, ", {} open", figure::some(source.open_dead_letters, "dead letter"));
    }
    if let Some(owner) = owner(source) {
        let _ = write!(line, ", {owner}");
    }
    line
}

fn run_line(run: &RunStatus) -> String {
    let started = run.started_at.format("%Y-%m-%d %H:%M:%S UTC");
    let mut line = format!("{:>4}  {started}  {}", run.id, one_line(&run.command));
    let (Some(outcome), Some(ended)) = (&run.outcome, run.ended_at) else {
        line.push_str(match run.is_alive {
            true => "  running",
            false => "  no end recorded: killed, or holds nothing at the moment",
        });
        committed(&mut line, run);
        return line;
    };
    let time = figure::time((ended - run.started_at).to_std().unwrap_or_default());
    let code = run.exit_code.unwrap_or(0);
    let _ = write!(line, "  {} ({code}) after {time}", one_line(outcome));
    committed(&mut line, run);
    line
}

/// What a run has committed.
fn committed(line: &mut String, run: &RunStatus) {
    // A killed run has not recorded what was committed in its last moments.
    let least = if run.ended_at.is_none() && !run.is_alive { "at least " } else { "" };
    let _ = write!(line, ", {least}{}", figure::some(run.records(), "record"));
    if run.rejected() > 0 {
        let _ = write!(line, ", {} rejected", figure::count(run.rejected()));
    }
}
