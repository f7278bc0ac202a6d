//! Data dates: the state of each day of a job, and the statements that maintain it.
//!
//! Whatever the sources of a day show is derived from them. Only the rest is stored: that a day has no file,
//! and why it failed. That a run is working on a day is not stored, because it would not survive a crash; a
//! living owner shows it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Serialize, Serializer};

use super::Remembered;

/// The state of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateState {
    /// There is no file for it.
    Absent,
    /// Some of it is loaded.
    Partial,
    /// Everything known of it is loaded.
    Done,
    /// The last run for it failed.
    Failed,
}

impl DateState {
    /// The word for it in tables and reports.
    pub fn word(self) -> &'static str {
        match self {
            DateState::Absent => "absent",
            DateState::Partial => "partial",
            DateState::Done => "done",
            DateState::Failed => "failed",
        }
    }

    fn of_word(word: &str) -> Option<DateState> {
        let all = [DateState::Absent, DateState::Partial, DateState::Done, DateState::Failed];
        all.into_iter().find(|state| state.word() == word)
    }
}

/// A day of a job.
#[derive(Clone, Debug, Serialize)]
pub struct DateStatus {
    /// The day.
    #[serde(serialize_with = "day")]
    pub date: NaiveDate,
    /// `absent`, `partial`, `done` or `failed`.
    #[serde(serialize_with = "word")]
    pub state: DateState,
    /// How many dead letters of its sources are open.
    pub open_dead_letters: u64,
    /// Whether any of it was loaded under other rules than the job has now.
    pub other_rules: bool,
    /// Why it failed.
    pub reason: Option<String>,
    /// The stored state agrees. If a run is killed at its very end, the day stays as the run began it.
    #[serde(skip)]
    pub is_settled: bool,
}

/// A day of a job, with its remembered sources.
#[derive(Debug, Default)]
pub struct Day {
    /// Its state; `None` if no run was ever about it.
    pub status: Option<DateStatus>,
    /// Its sources.
    pub sources: Vec<Remembered>,
}

/// The days of a job.
pub type Calendar = BTreeMap<NaiveDate, Day>;

/// What a destination stores about a day: a row of [`status_sql`].
pub(super) struct Stored {
    pub(super) date: NaiveDate,
    pub(super) state: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) splits: i64,
    /// The splits among them that are not complete.
    pub(super) open_splits: i64,
    pub(super) splits_of_other_rules: i64,
    pub(super) open_dead_letters: i64,
}

impl Stored {
    /// A day about which nothing is known.
    pub(super) fn of(date: NaiveDate) -> Stored {
        Stored {
            date,
            state: None,
            reason: None,
            splits: 0,
            open_splits: 0,
            splits_of_other_rules: 0,
            open_dead_letters: 0,
        }
    }

    /// The state of the day. A day whose sources were all forgotten is no longer a day of the job.
    pub(super) fn status(self) -> Option<DateStatus> {
        let stored = self.state.as_deref().and_then(DateState::of_word);
        let state = match (stored, self.splits) {
            (Some(DateState::Failed), _) => DateState::Failed,
            (Some(DateState::Absent), 0) => DateState::Absent,
            (_, 0) => return None,
            _ if self.open_splits > 0 => DateState::Partial,
            _ => DateState::Done,
        };
        Some(DateStatus {
            date: self.date,
            state,
            open_dead_letters: u64::try_from(self.open_dead_letters).unwrap_or(0),
            other_rules: self.splits_of_other_rules > 0,
            reason: self.reason.filter(|_| state == DateState::Failed),
            is_settled: stored.is_none_or(|stored| stored == state),
        })
    }
}

/// The tables of the statements, under the destination's names.
pub(super) struct Tables<'a> {
    pub(super) dates: &'a str,
    pub(super) sources: &'a str,
    pub(super) checkpoints: &'a str,
    pub(super) dead_letters: &'a str,
}

/// Selects the states of a job's days: the fields of [`Stored`], in their order. Its parameters are the job,
/// the table, and the hash of the rules.
pub(super) fn status_sql(tables: &Tables<'_>) -> String {
    let Tables { dates, sources, checkpoints, dead_letters } = tables;
    format!(
        "WITH own AS (
             SELECT s.id, s.data_date FROM {sources} s
             WHERE s.job = $1 AND coalesce(s.target, $2) = $2 AND s.data_date IS NOT NULL
         ), noted AS (SELECT d.date, d.state, d.reason FROM {dates} d WHERE d.job = $1 AND d.target = $2),
         days AS (SELECT date FROM noted UNION SELECT data_date FROM own),
         split AS (
             SELECT o.data_date, count(*) AS splits, sum(CASE WHEN c.complete THEN 0 ELSE 1 END) AS open,
                    sum(CASE WHEN c.rules_hash = $3 THEN 0 ELSE 1 END) AS other
             FROM own o JOIN {checkpoints} c ON c.source_id = o.id GROUP BY o.data_date
         ), letter AS (
             SELECT o.data_date, count(*) AS open FROM own o JOIN {dead_letters} l ON l.source_id = o.id
             WHERE l.state = 'open' GROUP BY o.data_date
         )
         SELECT days.date, noted.state, noted.reason, coalesce(split.splits, 0), coalesce(split.open, 0),
                coalesce(split.other, 0), coalesce(letter.open, 0)
         FROM days LEFT JOIN noted ON noted.date = days.date LEFT JOIN split ON split.data_date = days.date
              LEFT JOIN letter ON letter.data_date = days.date
         ORDER BY days.date"
    )
}

/// Records that a run has begun to load a day. Parameters: job, table, day.
pub(super) fn begin_sql(dates: &str) -> String {
    format!(
        "INSERT INTO {dates} AS d (job, target, date, state) VALUES ($1, $2, $3, 'partial')
         ON CONFLICT (job, target, date) DO UPDATE SET state = 'partial', reason = NULL
         WHERE d.state <> 'partial' OR d.reason IS NOT NULL"
    )
}

/// Records the state of a day at the end of a run, and why it failed, if it did. A second run that changes
/// nothing writes nothing. Parameters: job, table, day, reason.
pub(super) fn end_sql(tables: &Tables<'_>, date_type: &str) -> String {
    let Tables { dates, sources, checkpoints, .. } = tables;
    format!(
        "INSERT INTO {dates} AS d (job, target, date, state, reason)
         SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS {date_type}),
                CASE WHEN CAST($4 AS text) IS NOT NULL THEN 'failed' WHEN count(*) = 0 THEN 'absent'
                     WHEN sum(CASE WHEN c.complete THEN 0 ELSE 1 END) = 0 THEN 'done' ELSE 'partial' END,
                CAST($4 AS text)
         FROM {sources} s JOIN {checkpoints} c ON c.source_id = s.id
         WHERE s.job = $1 AND s.target = $2 AND s.data_date = $3
         ON CONFLICT (job, target, date) DO UPDATE SET state = excluded.state, reason = excluded.reason
         WHERE d.state <> excluded.state OR coalesce(d.reason, '') <> coalesce(excluded.reason, '')"
    )
}

/// Forgets the days whose sources are all about to be forgotten. Parameter: job. `ids` is the condition on
/// the id of a source to be forgotten.
pub(super) fn forget_sql(tables: &Tables<'_>, ids: &str) -> String {
    let Tables { dates, sources, .. } = tables;
    let of_day = format!(
        "SELECT 1 FROM {sources} s WHERE s.job = d.job AND s.target = d.target AND s.data_date = d.date"
    );
    format!(
        "DELETE FROM {dates} AS d
         WHERE d.job = $1 AND EXISTS ({of_day} AND s.id {ids}) AND NOT EXISTS ({of_day} AND NOT s.id {ids})"
    )
}

fn day<S: Serializer>(date: &NaiveDate, serializer: S) -> Result<S::Ok, S::Error> {
    date.to_string().serialize(serializer)
}

fn word<S: Serializer>(state: &DateState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(state.word())
}
