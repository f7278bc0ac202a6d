//! Rollups: a metric per date, computed again for every date that a load touched.
//!
//! Each batch marks the dates that its rows are of, in its own transaction, so a date whose metric
//! is stale is known whatever crashes. A marked date is computed and unmarked in one transaction,
//! which locks the mark before it looks: a batch that comes meanwhile waits, and marks it again.
//! So a date that is not marked has the metrics that computing it again would give.
//!
//! Here is what a job asks for, and the statements that any destination can take.

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
pub(in crate::sink) use statement::{Place, Shape, start};
pub(in crate::sink) use stored::stored_sql;
pub use stored::{StoredGroup, StoredMetric};

use super::TableName;
use crate::schema::Time;
use crate::source::Hash16;

/// Where a metric goes that names no table.
pub const TABLE: &str = "daily_metrics";

/// The columns that such a table has besides those that a metric is taken by.
pub const COLUMNS: [&str; 3] = ["date", "metric_id", "value"];

/// What a job asks for.
#[derive(Clone, Debug, Default)]
pub struct Rollups {
    /// When records happened, if the job says it.
    pub time: Option<Time>,
    pub metrics: Arc<[Metric]>,
}

/// A metric per date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, unique within its table.
    pub name: String,
    pub of: Of,
    /// The columns that it is taken by: one value for each group of them.
    pub by: Vec<String>,
    /// Where it goes, as the job names it.
    pub table: TableName,
}

/// What a metric is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    Sql(Sql),
    Ready(Ready),
}

impl Rollups {
    /// The column that finds the rows of a day, where there are metrics of days.
    pub(in crate::sink) fn indexed(&self) -> Option<&str> {
        self.time.as_ref().map(|time| time.name.as_str()).filter(|_| !self.metrics.is_empty())
    }

    /// Whether any metric is made of dead letters.
    pub(in crate::sink) fn counts_rejects(&self) -> bool {
        self.metrics.iter().any(|metric| metric.of == Of::Ready(Ready::Rejects))
    }
}

impl Metric {
    /// What decides its values, as one hash.
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

/// Which dates are meant to be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dates {
    /// Those that are marked.
    Marked,
    /// All that have rows, or values, or a mark: also what no load has touched since.
    All,
    /// Those of them from one day on and before another.
    Within(Range<NaiveDate>),
}

impl Dates {
    /// Whether a date is meant that has rows, or values, or a mark.
    pub(in crate::sink) fn has(&self, date: NaiveDate) -> bool {
        match self {
            Dates::Marked | Dates::All => true,
            Dates::Within(range) => range.contains(&date),
        }
    }
}

/// What came of computing dates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolledUp {
    /// The dates whose metrics are as they should be.
    pub dates: Vec<NaiveDate>,
    /// Those that keep what they had, and their marks.
    pub failed: Vec<FailedMetric>,
}

/// What is wrong with a query that gives more than it should.
pub(in crate::sink) const SEVERAL_ROWS: &str =
    "its query gives several values of one group; without 'by' it gives one at most";

/// After so many dates that failed, no more are tried.
pub(in crate::sink) const FAILURES_MAX: usize = 20;

/// A metric that could not be computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedMetric {
    /// Of which date,
    pub date: String,
    /// which one,
    pub metric: String,
    /// and what the destination said.
    pub why: String,
}

/// A value that is not what computing it again gives.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricDifference {
    /// Of which date,
    pub date: String,
    /// and of which metric it is.
    pub metric: String,
    /// The group, as an object, where the metric is taken by columns.
    pub by: Value,
    /// What is there; null if nothing is.
    pub stored: Value,
    /// What should be; null if nothing should.
    pub computed: Value,
}

/// A value as a report has it: a number, unless that would lose digits.
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

/// What a comparison has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedRollups {
    /// How many dates were compared.
    pub dates: u64,
    pub differences: Vec<MetricDifference>,
    /// What could not be computed.
    pub failed: Vec<FailedMetric>,
}
