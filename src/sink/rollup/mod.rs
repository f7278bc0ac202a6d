//! Rollups: a metric per date, recomputed for every date that a load touched.
//!
//! Each batch marks the dates of its rows in its own transaction, so a stale date is known after any crash. A
//! marked date is computed and unmarked in one transaction, which locks the mark before it reads: a
//! concurrent batch waits, and marks the date again. So the metrics of an unmarked date equal what computing
//! them again would give.
//!
//! This file holds a job's metrics; the statements that any destination accepts are beside it.

mod ready;
mod register;
mod sql;
mod statement;
mod stored;

use std::ops::Range;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

pub use ready::{FORMS, Ready};
pub(in crate::sink) use register::{Changes, Known, KnownMetric, Whose};
pub use sql::Sql;
pub(in crate::sink) use statement::{Dialect, Place, Shape, start};
pub(in crate::sink) use stored::stored_sql;
pub use stored::{StoredGroup, StoredMetric};

use super::TableName;
use crate::schema::Time;
use crate::source::Hash16;

/// The table of a metric that names none.
pub const TABLE: &str = "daily_metrics";

/// The columns that such a table has besides those that a metric is grouped by.
pub const COLUMNS: [&str; 3] = ["date", "metric_id", "value"];

/// The metrics that a job asks for.
#[derive(Clone, Debug, Default)]
pub struct Rollups {
    /// The time of a record, if the job names it.
    pub time: Option<Time>,
    pub metrics: Arc<[Metric]>,
}

/// A metric per date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, unique within its table.
    pub name: String,
    pub of: Of,
    /// The columns it is grouped by, with one value per group.
    pub by: Vec<String>,
    /// Its table, as the job names it.
    pub table: TableName,
}

/// The definition of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    Sql(Sql),
    Ready(Ready),
}

impl Rollups {
    /// The column that finds the rows of a day, if there are metrics of days.
    pub(in crate::sink) fn indexed(&self) -> Option<&str> {
        self.time.as_ref().map(|time| time.name.as_str()).filter(|_| !self.metrics.is_empty())
    }

    /// Whether any metric counts dead letters.
    pub(in crate::sink) fn counts_rejects(&self) -> bool {
        self.metrics.iter().any(|metric| metric.of == Of::Ready(Ready::Rejects))
    }
}

impl Metric {
    /// A hash of everything that determines its values.
    pub fn hash(&self) -> Hash16 {
        let of = match &self.of {
            Of::Sql(sql) => format!("sql {}", sql.text()),
            Of::Ready(ready) => format!("of {ready}"),
        };
        let text = serde_json::json!([of, self.by]).to_string();
        let hash = blake3::hash(text.as_bytes());
        Hash16(*hash.as_bytes().first_chunk().expect("32 bytes have a first 16"))
    }
}

/// Which dates to compute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dates {
    /// The marked dates.
    Marked,
    /// All that have rows, values or a mark, including those that no load has touched since.
    All,
    /// Those of them from one day up to, but excluding, another.
    Within(Range<NaiveDate>),
}

impl Dates {
    /// Whether a date with rows, values or a mark is selected.
    pub(in crate::sink) fn has(&self, date: NaiveDate) -> bool {
        match self {
            Dates::Marked | Dates::All => true,
            Dates::Within(range) => range.contains(&date),
        }
    }
}

/// The outcome of computing dates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// The dates whose metrics are correct now.
    pub dates: Vec<NaiveDate>,
    /// Those that keep their old values and marks.
    pub failed: Vec<FailedMetric>,
}

/// The error of a query that returns more than it should.
pub(in crate::sink) const SEVERAL_ROWS: &str =
    "its query returns several values for one group; without 'by' it may return only one";

/// After this many failed dates, no more are tried.
pub(in crate::sink) const FAILURES_MAX: usize = 20;

/// A metric that could not be computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedMetric {
    /// Its date.
    pub date: String,
    /// Its name.
    pub metric: String,
    /// The error from the destination.
    pub why: String,
}

/// A stored value that differs from a recomputed one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricDifference {
    /// Its date.
    pub date: String,
    /// Its metric.
    pub metric: String,
    /// The group, as an object, if the metric has `by`.
    pub by: Value,
    /// The stored value; null if there is none.
    pub stored: Value,
    /// The correct value; null if there should be none.
    pub computed: Value,
}

/// A value in a report: a number, unless that would lose digits.
pub(in crate::sink) fn number(text: Option<String>) -> Value {
    let Some(text) = text else { return Value::Null };
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number.to_string() == text => number.into(),
        _ => text.into(),
    }
}

/// The outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedRollups {
    /// The number of compared dates.
    pub dates: u64,
    pub differences: Vec<MetricDifference>,
    /// Metrics that could not be computed.
    pub failed: Vec<FailedMetric>,
}
