//! The top of the page: the state of the job, in a word, in large figures, and in what needs attention.

use std::fmt::Display;

use super::html::Html;
use super::{minute, moment};
use crate::figure;
use crate::report::Status;
use crate::sink::Counts;
use crate::sink::dates::{DateState, DateStatus};
use crate::sink::history::{RunStatus, SourceStatus};

/// The state of a job.
pub(super) struct State {
    pub(super) word: &'static str,
    pub(super) class: &'static str,
}

/// At most this many things of a kind are named in what needs attention.
const NAMED_MAX: usize = 5;

pub(super) fn state(status: &Status) -> State {
    let state = |word, class| State { word, class };
    let has_failed = |date: &DateStatus| date.state == DateState::Failed;
    if status.is_new {
        state("nothing was loaded yet", "")
    } else if status.sources.iter().any(is_running) {
        state("a run is loading", "live")
    } else if last_ended(status).is_some_and(is_bad) || status.dates.iter().any(has_failed) {
        state("failed", "bad")
    } else if status.sources.iter().any(|source| !source.complete) {
        state("not complete", "warn")
    } else if status.open_dead_letters > 0 {
        state("dead letters open", "warn")
    } else {
        state("all is in", "good")
    }
}

fn is_running(source: &SourceStatus) -> bool {
    source.owner.as_ref().is_some_and(|owner| owner.is_alive)
}

/// Whether a run ended in a way that needs attention.
pub(super) fn is_bad(run: &RunStatus) -> bool {
    matches!(run.exit_code, Some(1 | 2 | 4 | 5))
}

/// Whether a run did everything it was meant to do.
pub(super) fn is_success(run: &RunStatus) -> bool {
    matches!(run.exit_code, Some(0 | 3))
}

fn last_ended(status: &Status) -> Option<&RunStatus> {
    status.runs.iter().find(|run| run.ended_at.is_some())
}

pub(super) fn header(html: &mut Html, status: &Status, has_metrics: bool) {
    html.element("header", &[], |html| {
        html.element("div", &[("class", &"title")], |html| {
            html.leaf("h1", &[("class", &"name")], status.head.job());
            let State { word, class } = state(status);
            html.leaf("span", &[("class", &format!("badge {class}"))], word);
        });
        html.element("p", &[("class", &"soft")], |html| {
            html.text("into ");
            html.leaf("bdi", &[], &status.destination);
        });
        html.element("nav", &[("aria-label", &"Sections")], |html| {
            let sections = [
                ("#dates", "Dates", !status.dates.is_empty()),
                ("#throughput", "Throughput", true),
                ("#letters", "Dead letters", true),
                ("#metrics", "Metrics", has_metrics),
                ("#sources", "Sources", true),
                ("#runs", "Runs", true),
                ("#job", "Promises", true),
            ];
            for (to, name, _) in sections.into_iter().filter(|(_, _, is_there)| *is_there) {
                html.leaf("a", &[("href", &to)], name);
            }
        });
    });
}

pub(super) fn tiles(html: &mut Html, status: &Status) {
    let mut counts = Counts::default();
    status.sources.iter().for_each(|source| counts.add(&source.counts));
    let all = status.sources.len();
    let complete = status.sources.iter().filter(|source| source.complete).count();
    let bytes: u64 = status.sources.iter().map(|source| source.position).sum();
    let changes =
        [("updated", counts.updated), ("unchanged", counts.unchanged), ("superseded", counts.superseded)];
    let changes: Vec<String> = changes
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{} {what}", figure::count(count)))
        .collect();
    let changes = if changes.is_empty() { "none updated".to_owned() } else { changes.join(", ") };
    let [records, rejected] = [counts.records, counts.rejected].map(|count| count.unsigned_abs());
    let open = status.open_dead_letters;
    let success = status.runs.iter().find(|run| is_success(run));
    html.element("div", &[("class", &"tiles")], |html| {
        let mut tile =
            |class: &'static str, label: &str, value: &dyn Display, is_small: bool, below: &str| {
                html.element("div", &[("class", &format!("tile {class}"))], |html| {
                    html.leaf("p", &[("class", &"label")], label);
                    html.leaf("p", &[("class", &if is_small { "figure small" } else { "figure" })], value);
                    html.leaf("p", &[("class", &"below")], below);
                });
            };
        tile("", "Records read", &figure::count(records), false, &figure::bytes(bytes));
        tile("", "Rows inserted", &figure::count(counts.inserted), false, &changes);
        let below = format!("{} rejected, {}", figure::count(rejected), figure::share(rejected, records));
        let class = if open > 0 { "warn" } else { "" };
        tile(class, "Dead letters open", &figure::count(open), false, &below);
        let class = if complete < all { "warn" } else { "" };
        let left = figure::some(all - complete, "source");
        let below =
            if complete < all { format!("{left} unfinished") } else { "nothing is left to read".to_owned() };
        let of_all = format!("{} of {}", figure::count(complete), figure::count(all));
        tile(class, "Sources complete", &of_all, false, &below);
        let last = success.and_then(|run| Some((run, run.ended_at?)));
        let below = match last {
            Some((run, _)) => format!("run {}, in UTC", run.id),
            None => format!("in the last {}", figure::some(status.runs.len(), "run")),
        };
        let last = last.map_or("none".to_owned(), |(_, ended)| minute(ended));
        tile("", "Last success", &last, true, &below);
    });
}

/// What needs attention, if anything.
pub(super) fn attention(html: &mut Html, status: &Status) {
    let lines = wanting(status);
    if lines.is_empty() {
        return;
    }
    let class = format!("attention {}", state(status).class);
    html.element("section", &[("class", &class), ("aria-labelledby", &"attention")], |html| {
        html.leaf("h2", &[("id", &"attention")], "To look at");
        html.element("ul", &[], |html| {
            lines.iter().for_each(|line| html.leaf("li", &[("class", &"name")], line));
        });
    });
}

fn wanting(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(run) = last_ended(status).filter(|run| is_bad(run)) {
        let (outcome, code) = (run.outcome.as_deref().unwrap_or_default(), run.exit_code.unwrap_or(0));
        let ended = run.ended_at.map(moment).unwrap_or_default();
        let said =
            format!("The last run ({}, {}) ended as {outcome} ({code}) at {ended}", run.id, run.command);
        lines.push(match &run.reason {
            Some(reason) => format!("{said}: {reason}"),
            None => said + ".",
        });
    }
    let failed = status.dates.iter().filter(|date| date.state == DateState::Failed);
    let failed: Vec<String> = failed
        .rev()
        .map(|date| {
            format!("Date {} failed: {}", date.date, date.reason.as_deref().unwrap_or("no reason is known"))
        })
        .collect();
    let unnamed = failed.len().saturating_sub(NAMED_MAX);
    lines.extend(failed.into_iter().take(NAMED_MAX));
    if unnamed > 0 {
        lines.push(format!("{} failed before.", figure::some(unnamed, "date")));
    }
    let left = status.sources.iter().filter(|source| !source.complete && !is_running(source)).count();
    if left > 0 {
        let left = figure::what(left, "source is not complete", "sources are not complete");
        lines.push(format!(
            "{left}, and no run is loading them: the next load resumes where they \
                            stopped."
        ));
    }
    if status.open_dead_letters > 0 {
        let open = figure::what(status.open_dead_letters, "dead letter is open", "dead letters are open");
        lines.push(format!(
            "{open}: `logmill dead-letters list` shows them; mend and replay them, or discard them."
        ));
    }
    if let Some(undelivered) = status.undelivered.filter(|count| *count > 0) {
        let undelivered = figure::what(undelivered, "of them is not delivered", "of them are not delivered");
        lines.push(format!("{undelivered}: `logmill dead-letters deliver` tries again."));
    }
    if let Some(other) = status.other_rules {
        let files = figure::what(other.files, "source was loaded", "sources were loaded");
        lines.push(format!("{files} under other rules (format, fields, key) than those of the job now."));
    }
    lines
}
