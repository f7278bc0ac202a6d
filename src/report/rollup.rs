//! What became of the metrics of dates.

use serde::Serialize;

use super::{Head, Report, text};
use crate::sink::rollup::{FailedMetric, MetricDifference, RolledUp};

/// What became of the metrics of dates, or how they were found.
#[derive(Clone, Debug, Serialize)]
pub struct Rollup {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// Where the rows are, without secrets.
    pub destination: String,
    /// Whether they were only compared.
    pub checked: bool,
    /// How many dates were computed, or compared.
    pub dates: u64,
    /// Values that are not what computing them again gives.
    pub differences: Vec<MetricDifference>,
    /// What could not be computed.
    pub failed: Vec<FailedMetric>,
    /// How long it took.
    pub seconds: f64,
    /// Why it could not go on, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The word for that kind of error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<&'static str>,
}

impl Report for Rollup {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::rollup(self)
    }
}

/// What became of metrics at the end of a load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadRollups {
    /// How many dates were computed.
    pub dates: u64,
    /// What could not be computed.
    pub failed: Vec<FailedMetric>,
}

impl LoadRollups {
    /// Their outcome.
    pub fn of(rolled_up: &RolledUp) -> LoadRollups {
        LoadRollups { dates: rolled_up.dates.len() as u64, failed: rolled_up.failed.clone() }
    }
}
