//! What a backfill did, or would do.

use serde::Serialize;

use super::rollup::LoadRollups;
use super::{Exit, Head, Report, text};
use crate::sink::Counts;

/// What a backfill did; with `--dry-run`, what it would do.
#[derive(Clone, Debug, Serialize)]
pub struct Backfill {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// Where the rows go, without secrets.
    pub destination: String,
    /// Whether it was only said what would be done.
    pub dry_run: bool,
    /// The days, in their order.
    pub dates: Vec<BackfillDate>,
    /// What became of the records of all of them.
    pub counts: Counts,
    /// What became of the metrics of dates, where the job has any.
    pub rollups: LoadRollups,
    /// How long it took.
    pub seconds: f64,
    /// Why it could not go on, if it could not.
    pub error: Option<String>,
    /// The word for that kind of error.
    pub error_kind: Option<&'static str>,
}

/// A day of a backfill.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BackfillDate {
    /// The day.
    pub date: String,
    /// How it stands: `absent`, `partial`, `done` or `failed`; `due` if it is to be loaded.
    pub state: &'static str,
    /// Whether it was due, and not done before.
    pub was_due: bool,
    /// Files that it has.
    pub files: u64,
    /// Bytes that are to be read, compressed as they are, by the plan.
    pub bytes: u64,
    /// The run that was about it.
    pub run: Option<i64>,
    /// What a load of it would have ended with.
    pub exit_code: Option<u8>,
    /// What became of the records of that run.
    pub counts: Counts,
    /// Dead letters of its sources that are open.
    pub open_dead_letters: u64,
    /// Whether any of it was loaded under other rules than the job has now.
    pub other_rules: bool,
    /// How long its run took.
    pub seconds: f64,
    /// Why it is not done.
    pub reason: Option<String>,
    /// How it ended.
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

    fn text(&self, width: usize) -> String {
        text::backfill(self, width)
    }
}
