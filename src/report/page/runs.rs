//! The last runs: how fast each was, and how each ended.

use std::time::Duration;

use super::course::course;
use super::head::{is_bad, is_success};
use super::html::Html;
use super::plot::{self, Bar, Words};
use super::table::{self, Column};
use super::{minute, moment};
use crate::figure;
use crate::report::Status;
use crate::sink::history::RunStatus;

/// How many runs are listed one by one.
const ROWS_MAX: usize = 20;

/// How long a run took, if it ended and took any time.
fn time(run: &RunStatus) -> Option<Duration> {
    let time = (run.ended_at? - run.started_at).to_std().ok()?;
    (!time.is_zero()).then_some(time)
}

/// How fast each of the last runs was.
pub(super) fn throughput(html: &mut Html, runs: &[RunStatus]) {
    let timed = runs.iter().rev().filter(|run| run.records() > 0).filter_map(|run| Some((run, time(run)?)));
    let timed: Vec<(&RunStatus, Duration)> = timed.collect();
    html.element("section", &[("aria-labelledby", &"throughput")], |html| {
        html.leaf("h2", &[("id", &"throughput")], "Throughput");
        course(html, runs);
        let (Some((first, _)), Some((last, _))) = (timed.first(), timed.last()) else {
            html.leaf("p", &[("class", &"lead")], "No run that is known has read records and ended.");
            return;
        };
        let lead = format!(
            "Records a second of the last {}, each over all of its time",
            figure::what(timed.len(), "run that read any", "runs that read any")
        );
        html.leaf("h3", &[], &lead);
        let bars: Vec<Bar> = timed.iter().map(|&(run, time)| bar(run, time)).collect();
        let ends = [minute(first.started_at), minute(last.started_at)];
        let description = format!("{lead}, from {} to {}", ends[0], ends[1]);
        let words = Words { title: "Throughput of runs", description: &description };
        plot::bars(html, &words, &bars, |rate| format!("{}/s", plot::short(rate)), [&ends[0], &ends[1]]);
        behind(html, &timed);
    });
}

fn bar(run: &RunStatus, time: Duration) -> Bar {
    let records = run.records();
    let title = format!(
        "run {} at {}: {} in {}, {}/s; {}",
        run.id,
        moment(run.started_at),
        figure::some(records, "record"),
        figure::time(time),
        figure::count(figure::rate(records, time)),
        run.outcome.as_deref().unwrap_or("running")
    );
    let class = match run {
        run if is_success(run) => "f1",
        run if is_bad(run) => "failed",
        _ => "partial",
    };
    Bar { value: records as f64 / time.as_secs_f64(), class, title }
}

fn behind(html: &mut Html, timed: &[(&RunStatus, Duration)]) {
    let columns = [
        Column::number("Run"),
        Column::when("Started (UTC)"),
        Column::number("Took"),
        Column::number("Records"),
        Column::number("Records/s"),
        Column::number("Bytes/s"),
    ];
    table::behind(html, "Throughput as a table", &columns, |html| {
        for &(run, time) in timed.iter().rev() {
            html.element("tr", &[], |html| {
                table::cell(html, &columns[0], run.id);
                table::cell(html, &columns[1], minute(run.started_at));
                table::cell(html, &columns[2], figure::time(time));
                table::cell(html, &columns[3], figure::count(run.records()));
                table::cell(html, &columns[4], figure::count(figure::rate(run.records(), time)));
                table::cell(html, &columns[5], format!("{}/s", figure::bytes(figure::rate(run.bytes, time))));
            });
        }
    });
}

/// The last runs, one by one.
pub(super) fn section(html: &mut Html, status: &Status) {
    let runs = &status.runs;
    html.element("section", &[("aria-labelledby", &"runs")], |html| {
        html.leaf("h2", &[("id", &"runs")], "Last runs");
        if runs.is_empty() {
            html.leaf("p", &[("class", &"lead")], "There was none.");
            return;
        }
        if status.other_tables {
            html.leaf("p", &[("class", &"lead")], "They are those of the job into all of its tables.");
        }
        let columns = [
            Column::number("Run"),
            Column::when("Started (UTC)"),
            Column::text("Command"),
            Column::text("Outcome"),
            Column::number("Took"),
            Column::number("Records"),
            Column::lesser("Inserted"),
            Column::number("Rejected"),
        ];
        table::table(html, "Last runs", &columns, |html| {
            for run in runs.iter().take(ROWS_MAX) {
                html.element("tr", &[], |html| row(html, &columns, run));
            }
        });
    });
}

fn row(html: &mut Html, columns: &[Column; 8], run: &RunStatus) {
    table::cell(html, &columns[0], run.id);
    table::cell(html, &columns[1], minute(run.started_at));
    table::cell(html, &columns[2], &run.command);
    table::cell_of(html, &columns[3], |html| {
        let (class, word) = match (&run.outcome, run.exit_code) {
            (Some(outcome), Some(0)) => ("badge good", outcome.as_str()),
            (Some(outcome), _) if is_bad(run) => ("badge bad", outcome.as_str()),
            (Some(outcome), _) => ("badge warn", outcome.as_str()),
            (None, _) => ("badge live", "no end yet"),
        };
        html.leaf("span", &[("class", &class)], word);
    });
    let took = (run.ended_at).and_then(|ended| (ended - run.started_at).to_std().ok());
    table::cell(html, &columns[4], took.map(figure::time).unwrap_or_default());
    // A killed run has not recorded what was committed in its last moments.
    let least = if run.ended_at.is_none() { "≥ " } else { "" };
    table::cell(html, &columns[5], format!("{least}{}", figure::count(run.records())));
    table::cell(html, &columns[6], figure::count(run.counts.inserted));
    table::cell(html, &columns[7], figure::count(run.rejected()));
}
