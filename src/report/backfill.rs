//! The result of a backfill, or its plan.

use serde::Serialize;

use super::rollup::LoadRollups;
use super::{Exit, Head, Report, text};
use crate::sink::Counts;

/// The result of a backfill; with `--dry-run`, its plan.
#[derive(Clone, Debug, Serialize)]
pub struct Backfill {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The destination, without secrets.
    pub destination: String,
    /// Whether this is only a plan.
    pub dry_run: bool,
    /// The days, in order.
    pub dates: Vec<BackfillDate>,
    /// The results of the records of all days.
    pub counts: Counts,
    /// The results of the metrics of dates, if the job has any.
    pub rollups: LoadRollups,
    /// How long it took.
    pub seconds: f64,
    /// The error that ended it, if any.
    pub error: Option<String>,
    /// The kind of the error.
    pub error_kind: Option<&'static str>,
    /// The command that shows the dead letters, for people.
    #[serde(skip)]
    pub show_letters: String,
}

/// A day of a backfill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BackfillDate {
    /// The day.
    pub date: String,
    /// Its state: `absent`, `partial`, `done` or `failed`; `due` if it is to be loaded.
    pub state: &'static str,
    /// Whether it was due, and not done before.
    pub was_due: bool,
    /// The number of its files.
    pub files: u64,
    /// The bytes to read according to the plan, in compressed size.
    pub bytes: u64,
    /// The id of its run.
    pub run: Option<i64>,
    /// The exit code of a load of this day.
    pub exit_code: Option<u8>,
    /// The results of that run's records.
    pub counts: Counts,
    /// Open dead letters of its sources.
    pub open_dead_letters: u64,
    /// Whether any of it was loaded under other rules than the job has now.
    pub other_rules: bool,
    /// How long its run took.
    pub seconds: f64,
    /// Why it is not done.
    pub reason: Option<String>,
    /// Its outcome.
    #[serde(skip)]
    pub exit: Option<Exit>,
}

impl Backfill {
    /// The days that were due, or still are.
    pub(super) fn due(&self) -> impl Iterator<Item = &BackfillDate> {
        self.dates.iter().filter(|date| date.was_due)
    }

    /// The plan in one sentence.
    pub fn plan(&self) -> String {
        text::backfill_plan(self)
    }
}

impl Report for Backfill {
    fn head(&self) -> &Head {
        &self.head
    }

    fn failures(&self) -> Vec<String> {
        // The error that ended it is reported by itself.
        let failed = self.dates.iter().filter(|date| date.state == "failed" && date.reason != self.error);
        failed.map(|date| format!("{}: {}", date.date, date.reason.as_deref().unwrap_or("failed"))).collect()
    }

    fn text(&self, width: usize) -> String {
        text::backfill(self, width)
    }
}
