//! The metrics of dates, one line for each.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::html::Html;
use super::plot::{self, Line, Words};
use super::table::{self, Column};
use crate::figure;
use crate::sink::rollup::{StoredGroup, StoredMetric};

/// How many metrics are drawn.
const METRICS_MAX: usize = 24;

/// How many values the table of a picture has; the newest.
const ROWS_MAX: usize = 100;

pub(super) fn section(html: &mut Html, metrics: &[StoredMetric]) {
    if metrics.is_empty() {
        return;
    }
    html.element("section", &[("aria-labelledby", &"metrics")], |html| {
        html.leaf("h2", &[("id", &"metrics")], "Metrics of dates");
        let lead = "As they are stored. Of a metric that is taken by columns, the groups that weigh most.";
        html.leaf("p", &[("class", &"lead")], lead);
        html.element("div", &[("class", &"charts")], |html| {
            for metric in metrics.iter().take(METRICS_MAX) {
                html.element("div", &[], |html| self::metric(html, metric));
            }
        });
        if metrics.len() > METRICS_MAX {
            let more = figure::some(metrics.len() - METRICS_MAX, "metric");
            html.leaf("p", &[("class", &"soft")], format!("and {more} more"));
        }
    });
}

fn metric(html: &mut Html, metric: &StoredMetric) {
    html.element("h3", &[], |html| {
        html.leaf("bdi", &[], &metric.metric);
        if !metric.by.is_empty() {
            html.leaf("span", &[("class", &"soft")], format!(" by {}", metric.by.join(", ")));
        }
    });
    let dates = || metric.groups.iter().flat_map(|group| group.values.iter().map(|(date, _)| *date));
    let (Some(first), Some(last)) = (dates().min(), dates().max()) else {
        html.leaf("p", &[("class", &"soft")], "No date has a value.");
        return;
    };
    let lines: Vec<Line> = metric.groups.iter().map(|group| line(group, first, last)).collect();
    let description = format!("{} from {first} to {last}", figure::some(dates().count(), "value"));
    let words = Words { title: &metric.metric, description: &description };
    plot::lines(html, &words, &lines, plot::short, [&first.to_string(), &last.to_string()]);
    behind(html, metric);
}

/// A value for each day. Days without a value are gaps.
fn line(group: &StoredGroup, first: NaiveDate, last: NaiveDate) -> Line {
    let values: BTreeMap<NaiveDate, f64> = group.values.iter().copied().collect();
    // One date far from the others, such as 0001-01-01, would add years of nothing.
    let days = (last - first).num_days();
    let values = match days <= DAYS_MAX {
        true => {
            first.iter_days().take_while(|day| *day <= last).map(|day| values.get(&day).copied()).collect()
        }
        false => values.into_values().map(Some).collect(),
    };
    Line { name: name(group), values }
}

/// Over more days than this, a line connects values directly, whatever the gaps.
const DAYS_MAX: i64 = 4_000;

fn name(group: &StoredGroup) -> String {
    let by: Vec<&str> = group.by.iter().map(|value| value.as_deref().unwrap_or("null")).collect();
    by.join(", ")
}

fn behind(html: &mut Html, metric: &StoredMetric) {
    let mut rows: Vec<(NaiveDate, String, f64)> = Vec::new();
    for group in &metric.groups {
        rows.extend(group.values.iter().map(|&(date, value)| (date, name(group), value)));
    }
    // A stable sort: for each date the largest group stays first.
    rows.sort_by_key(|(date, ..)| std::cmp::Reverse(*date));
    let columns = [Column::when("Date"), Column::name("Group"), Column::number("Value")];
    table::behind(html, "The values as a table", &columns, |html| {
        for (date, group, value) in rows.iter().take(ROWS_MAX) {
            html.element("tr", &[], |html| {
                table::cell(html, &columns[0], date);
                table::cell(html, &columns[1], group);
                table::cell(html, &columns[2], value);
            });
        }
        if rows.len() > ROWS_MAX {
            let rest = figure::some(rows.len() - ROWS_MAX, "value");
            table::rest(html, &columns, &format!("and {rest} before"));
        }
    });
}
