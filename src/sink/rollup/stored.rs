//! The stored values of metrics, for a picture: those of the last dates, and of the largest groups.

use chrono::NaiveDate;

use super::Metric;
use crate::sink::key::quote;

/// How many dates of a metric are read.
const DATES_MAX: usize = 366;

/// How many groups of a metric are read.
const GROUPS_MAX: usize = 6;

/// A metric of a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredMetric {
    /// Its name.
    pub metric: String,
    /// The columns it is grouped by.
    pub by: Vec<String>,
    /// The largest groups first; a metric without groups has one.
    pub groups: Vec<StoredGroup>,
}

/// The values of a group, by date.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredGroup {
    /// The values of the columns that the metric is grouped by.
    pub by: Vec<Option<String>>,
    /// The values, in the order of their dates.
    pub values: Vec<(NaiveDate, f64)>,
}

impl StoredMetric {
    pub(in crate::sink) fn new(metric: &Metric) -> StoredMetric {
        StoredMetric { metric: metric.name.clone(), by: metric.by.clone(), groups: Vec::new() }
    }

    /// Adds a value. The values of a group come one after the other.
    pub(in crate::sink) fn add(&mut self, by: Vec<Option<String>>, date: NaiveDate, value: f64) {
        match self.groups.last_mut().filter(|group| group.by == by) {
            Some(group) => group.values.push((date, value)),
            None => self.groups.push(StoredGroup { by, values: vec![(date, value)] }),
        }
    }
}

/// The query for the values of a metric: the date as a text, the value, and the columns it is grouped by as
/// texts, ordered by group. Its parameter, after `mark`, is the name of the metric.
pub(in crate::sink) fn stored_sql(metric: &Metric, table: &str, mark: char) -> String {
    let names: Vec<String> = (0..metric.by.len()).map(|index| format!("b{index}")).collect();
    let listed = |before: &str| names.iter().map(|name| format!("{before}{name}")).collect::<String>();
    let own: String = (metric.by.iter().zip(&names))
        .map(|(column, name)| format!(", CAST({} AS text) AS {name}", quote(column)))
        .collect();
    format!(
        "WITH own AS (
             SELECT date, CAST(value AS double precision) AS value{own} FROM {table}
             WHERE metric_id = {mark}1 AND value IS NOT NULL AND date IN (
                 SELECT DISTINCT date FROM {table} WHERE metric_id = {mark}1 ORDER BY date DESC LIMIT {DATES_MAX})
         ), weighed AS (SELECT own.*, sum(abs(value)) OVER (PARTITION BY 1{}) AS weight FROM own),
         ranked AS (SELECT weighed.*, dense_rank() OVER (ORDER BY weight DESC{}) AS rank FROM weighed)
         SELECT CAST(date AS text), value{} FROM ranked WHERE rank <= {GROUPS_MAX} ORDER BY rank, date",
        listed(", "),
        listed(", "),
        listed(", ")
    )
}
