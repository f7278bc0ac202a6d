//! The metrics of dates, for people.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::figure;
use crate::printable::one_line;
use crate::report::Rollup;
use crate::sink::rollup::{FailedMetric, MetricDifference};

/// How many differences are named; JSON contains them all.
const SHOWN: usize = 20;

pub(in crate::report) fn rollup(rollup: &Rollup) -> String {
    let (job, destination) = (one_line(rollup.head.job()), one_line(&rollup.destination));
    let (dates, time) =
        (figure::some(rollup.dates, "date"), figure::time(Duration::from_secs_f64(rollup.seconds)));
    let mut out = match (rollup.checked, rollup.differences.len()) {
        (false, _) => format!("{job}: metrics of {dates} of {destination} computed in {time}\n"),
        (true, 0) => {
            format!("{job}: metrics of {dates} of {destination} compared in {time}, no difference\n")
        }
        (true, differences) => format!(
            "{job}: metrics of {dates} of {destination} compared in {time}, {}\n",
            figure::some(differences, "difference")
        ),
    };
    for difference in rollup.differences.iter().take(SHOWN) {
        let _ = writeln!(out, "  {}", difference_line(difference));
    }
    if rollup.differences.len() > SHOWN {
        let _ = writeln!(out, "  and {} more (--output json names all)", rollup.differences.len() - SHOWN);
    }
    if !rollup.differences.is_empty() {
        out.push_str("  `logmill rollup` computes them again\n");
    }
    failed(&mut out, &rollup.failed);
    out
}

fn difference_line(difference: &MetricDifference) -> String {
    let MetricDifference { date, metric, by, stored, computed } = difference;
    let value = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => one_line(text),
        number => number.to_string(),
    };
    let groups =
        by.as_object().into_iter().flatten().map(|(name, group)| format!(" {name}={}", value(group)));
    format!(
        "{date} {}{}: {} is stored, and would be {}",
        one_line(metric),
        one_line(&groups.collect::<String>()),
        value(stored),
        value(computed)
    )
}

/// Metrics that could not be computed.
pub(in crate::report) fn failed(out: &mut String, failed: &[FailedMetric]) {
    if failed.is_empty() {
        return;
    }
    let dates = figure::some(failed.len(), "date");
    let _ = writeln!(
        out,
        "\n  not computed, metrics of {dates}; they keep what they had until a load or `logmill rollup` can"
    );
    for FailedMetric { date, metric, why } in failed.iter().take(SHOWN) {
        let _ = writeln!(out, "    {date} {}: {}", one_line(metric), one_line(why));
    }
}
