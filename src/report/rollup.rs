//! The results of the metrics of dates.

use serde::Serialize;

use super::{Head, Report, text};
use crate::sink::rollup::{FailedMetric, MetricDifference, RolledUp};

/// The results of computing or comparing the metrics of dates.
#[derive(Clone, Debug, Serialize)]
pub struct Rollup {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The destination, without secrets.
    pub destination: String,
    /// Whether they were only compared.
    pub checked: bool,
    /// The number of dates that were computed, or compared.
    pub dates: u64,
    /// Stored values that differ from recomputed ones.
    pub differences: Vec<MetricDifference>,
    /// Metrics that could not be computed.
    pub failed: Vec<FailedMetric>,
    /// How long it took.
    pub seconds: f64,
    /// The error that ended it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The kind of the error.
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

/// The results of metrics at the end of a load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadRollups {
    /// The number of computed dates.
    pub dates: u64,
    /// Metrics that could not be computed.
    pub failed: Vec<FailedMetric>,
}

impl LoadRollups {
    /// Their outcome.
    pub fn of(rolled_up: &RolledUp) -> LoadRollups {
        LoadRollups { dates: rolled_up.dates.len() as u64, failed: rolled_up.failed.clone() }
    }
}
