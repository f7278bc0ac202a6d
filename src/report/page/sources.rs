//! The sources: the outcomes of their records, and how far each is.

use super::html::Html;
use super::minute;
use super::plot::{self, Part, Words};
use super::table::{self, Column};
use crate::figure;
use crate::sink::Counts;
use crate::sink::history::SourceStatus;

/// How many sources are listed one by one. Those that need attention come first.
const ROWS_MAX: usize = 50;

pub(super) fn section(html: &mut Html, sources: &[SourceStatus]) {
    html.element("section", &[("aria-labelledby", &"sources")], |html| {
        html.leaf("h2", &[("id", &"sources")], "Sources");
        if sources.is_empty() {
            html.leaf("p", &[("class", &"lead")], "There is none.");
            return;
        }
        let complete = sources.iter().filter(|source| source.complete).count();
        let (done, size) = sources.iter().fold((0, 0), |(done, size), source| {
            (done + source.position, size + source.size.max(source.position))
        });
        let lead = format!(
            "{} of {} complete, {} of {} read",
            figure::count(complete),
            figure::some(sources.len(), "source"),
            figure::bytes(done),
            figure::bytes(size)
        );
        html.leaf("p", &[("class", &"lead")], lead);
        records(html, sources);
        rows(html, sources);
    });
}

/// The outcomes of the records of all of them.
fn records(html: &mut Html, sources: &[SourceStatus]) {
    let mut counts = Counts::default();
    sources.iter().for_each(|source| counts.add(&source.counts));
    let parts = [
        ("inserted", "f2", counts.inserted),
        ("updated", "f1", counts.updated),
        ("unchanged", "f6", counts.unchanged),
        ("superseded", "f4", counts.superseded),
        ("rejected", "f5", counts.rejected),
    ];
    let parts: Vec<Part> = parts
        .into_iter()
        .filter(|(_, _, count)| *count > 0)
        .map(|(name, class, count)| Part { name, class, value: count.unsigned_abs() })
        .collect();
    if parts.is_empty() {
        return;
    }
    let description: Vec<String> =
        parts.iter().map(|part| format!("{} {}", figure::count(part.value), part.name)).collect();
    let words = Words { title: "What became of the records", description: &description.join(", ") };
    plot::shares(html, &words, &parts, figure::count);
}

fn rows(html: &mut Html, sources: &[SourceStatus]) {
    let is_notable = |source: &&SourceStatus| !source.complete || source.open_dead_letters > 0;
    let (notable, others): (Vec<&SourceStatus>, Vec<&SourceStatus>) = sources.iter().partition(is_notable);
    let shown: Vec<&SourceStatus> = notable.into_iter().chain(others).collect();
    let (shown, rest) = shown.split_at(shown.len().min(ROWS_MAX));
    let columns = [
        Column::number("Id"),
        Column::name("Source"),
        Column::picture("Read"),
        Column::number("Records"),
        Column::number("Rejected"),
        Column::number("Open"),
        Column::lesser_when("Updated (UTC)"),
    ];
    html.leaf("h3", &[], "One by one");
    table::table(html, "Sources one by one", &columns, |html| {
        for source in shown {
            html.element("tr", &[], |html| row(html, &columns, source));
        }
        if !rest.is_empty() {
            table::rest(html, &columns, &sum(rest));
        }
    });
}

fn row(html: &mut Html, columns: &[Column; 7], source: &SourceStatus) {
    table::cell(html, &columns[0], source.id);
    table::cell_of(html, &columns[1], |html| {
        html.text(&source.name);
        let mut more: Vec<String> = source.data_date.iter().map(|date| format!("of {date}")).collect();
        if let Some(owner) = &source.owner {
            let word = if owner.is_alive { "held by" } else { "left by" };
            more.push(format!("{word} run {}", owner.run));
        }
        if source.other_rules {
            more.push("loaded under other rules".to_owned());
        }
        if !more.is_empty() {
            html.text(" ");
            html.leaf("span", &[("class", &"soft")], more.join(", "));
        }
    });
    table::cell_of(html, &columns[2], |html| {
        let (position, size) = (source.position, source.size.max(source.position));
        let title = match source.complete {
            true => format!("complete, {}", figure::bytes(position)),
            false => format!("{} of {}", figure::bytes(position), figure::bytes(size)),
        };
        // A complete source may be empty, and an archive is longer than its file.
        match source.complete {
            true => plot::share(html, &title, "done", 1, 1),
            false => plot::share(html, &title, "partial", position, size),
        }
    });
    table::cell(html, &columns[3], figure::count(source.counts.records));
    table::cell(html, &columns[4], figure::count(source.counts.rejected));
    table::cell(html, &columns[5], figure::count(source.open_dead_letters));
    table::cell(html, &columns[6], minute(source.updated_at));
}

/// The sources that are not shown, in one line.
fn sum(rest: &[&SourceStatus]) -> String {
    let mut counts = Counts::default();
    rest.iter().for_each(|source| counts.add(&source.counts));
    let (open, incomplete) = rest.iter().fold((0, 0), |(open, incomplete), source| {
        (open + source.open_dead_letters, incomplete + usize::from(!source.complete))
    });
    format!(
        "and {} more with {}, {} rejected, {} open; {} of them not complete",
        figure::some(rest.len(), "source"),
        figure::some(counts.records, "record"),
        figure::count(counts.rejected),
        figure::some(open, "dead letter"),
        figure::count(incomplete)
    )
}
