//! What a destination remembers, for people: sources, runs, dead letters.
//!
//! Read in one snapshot, so that the parts fit together, and never under a lock, so that looking disturbs no
//! run. Nothing that decides anything reads from here.
//!
//! The structs are parts of reports, so each field is a field of an object there.

use std::fmt;
use std::ops::ControlFlow;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::progress::LaneStatus;
use super::replay::{OpenLetter, Page};
use crate::error::Result;
use crate::printable::{name, source_file, source_name};
use crate::sink::Counts;
use crate::sink::claim::unsigned;
use crate::sink::dates::DateStatus;
use crate::source::Hash16;

/// A destination that can report the past of a table.
pub trait History: Send {
    /// Everything about what a job has loaded into it, in one snapshot. `None` if logmill has no tables there
    /// yet.
    fn status(&mut self, job: &str) -> Result<Option<Status>>;

    /// A page of the open dead letters that match the filter, as a replay would read them.
    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>>;

    /// Visits dead letters in the order of their ids.
    fn dead_letters(
        &mut self,
        filter: &Filter,
        visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
    ) -> Result<()>;
}

/// Whether a dead letter `d` belongs to a source in the table `target`. Letters of a forgotten source, and of
/// an older version, belong to every table.
pub(super) fn of_target(sources: &str, target: &str) -> String {
    format!("NOT EXISTS (SELECT 1 FROM {sources} o WHERE o.id = d.source_id AND o.target <> {target})")
}

/// Where the split of a dead letter `d` begins, and how many lines of its source precede it: null while one
/// of the preceding splits is open. A letter is stored with its line within its split.
pub(super) fn place_of_split(checkpoints: &str) -> String {
    let start = format!(
        "coalesce((SELECT max(o.split_start) FROM {checkpoints} o
                   WHERE o.source_id = d.source_id AND o.split_start <= d.source_offset), 0)"
    );
    format!(
        "{start},
         (SELECT CASE WHEN count(*) FILTER (WHERE NOT p.complete) = 0 THEN CAST(coalesce(sum(p.lines), 0) AS bigint) END
          FROM {checkpoints} p WHERE p.source_id = d.source_id AND p.split_start < {start})"
    )
}

/// The number of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The number of its first line in its source, counted from one. Absent while an earlier part of the
    /// source is not loaded.
    pub line: Option<u64>,
    /// The number in its split, if the number in the source is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_of_split: Option<u64>,
    /// The offset where that split begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split_start: Option<u64>,
}

impl Line {
    /// The line `line` of the split that begins at `start`, preceded by `lines_before` lines, if that is
    /// known.
    pub fn of(line: u64, start: u64, lines_before: Option<u64>) -> Line {
        match lines_before {
            Some(before) => Line { line: Some(before + line), line_of_split: None, split_start: None },
            None => Line { line: None, line_of_split: Some(line), split_start: Some(start) },
        }
    }

    /// The same, from its stored form.
    pub(super) fn of_stored(line: i64, start: i64, lines_before: Option<i64>) -> Line {
        Line::of(unsigned(line), unsigned(start), lines_before.map(unsigned))
    }
}

/// As shown after the name of a file and a colon.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Line { line: Some(line), .. } => write!(f, "{line}"),
            Line { line_of_split, split_start, .. } => write!(
                f,
                "{} of the split at byte {}",
                line_of_split.unwrap_or_default(),
                split_start.unwrap_or_default()
            ),
        }
    }
}

/// The effect of forgetting sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many sources were forgotten.
    pub sources: u64,
    /// How many of their rows were deleted.
    pub rows: u64,
    /// How many of their dead letters were superseded.
    pub dead_letters: u64,
}

/// The state of a job.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Its sources, in the order of their ids.
    pub sources: Vec<SourceStatus>,
    /// Why its open dead letters exist, the most frequent reason first.
    pub reasons: Vec<ReasonCount>,
    /// How many dead letters are open.
    pub open_dead_letters: u64,
    /// How many of the open ones have not been delivered elsewhere.
    pub undelivered: u64,
    /// Its data dates, in order.
    pub dates: Vec<DateStatus>,
    /// Whether it has loaded into other tables too. It is not known which of its runs loaded into which.
    pub has_other_tables: bool,
    /// Its last runs, the newest first.
    pub runs: Vec<RunStatus>,
    /// The last run that failed.
    pub last_failure: Option<RunStatus>,
    /// When a load last reached the end of its sources.
    pub last_success: Option<DateTime<Utc>>,
}

impl Status {
    /// Completes the runs with what is known of each: its lanes, by its id; whether it holds something and
    /// its owner lives; and what the destination reports that it is doing.
    pub(super) fn describe_runs(
        &mut self,
        lanes: impl IntoIterator<Item = (i64, LaneStatus)>,
        activities: impl IntoIterator<Item = (i64, Activity)>,
    ) {
        for (run, lane) in lanes {
            self.runs.iter_mut().filter(|it| it.id == run).for_each(|it| it.lanes.push(lane.clone()));
        }
        for (run, activity) in activities {
            self.runs.iter_mut().filter(|it| it.id == run).for_each(|it| it.activity.push(activity.clone()));
        }
        for run in self.runs.iter_mut().filter(|run| run.ended_at.is_none()) {
            let owned = self.sources.iter().filter(|source| {
                source.owner.as_ref().is_some_and(|owner| owner.run == run.id && owner.is_alive)
            });
            let moved = owned.map(|source| source.updated_at).max();
            run.is_alive = moved.is_some();
            run.updated_at = moved;
        }
    }
}

/// The state of a source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceStatus {
    /// Its id.
    pub id: i32,
    /// The name under which it was last seen.
    #[serde(flatten, serialize_with = "name")]
    pub name: String,
    /// Its data date.
    #[serde(serialize_with = "maybe_day")]
    pub data_date: Option<NaiveDate>,
    /// Its size when it was last seen.
    pub size: u64,
    /// How many of its bytes are committed.
    pub position: u64,
    /// Whether that is its end.
    pub complete: bool,
    /// The compressed sizes of the archives in which it was seen.
    pub containers: Vec<u64>,
    /// What became of its records.
    pub counts: Counts,
    /// Its open dead letters.
    pub open_dead_letters: u64,
    /// Whether part of it was loaded under other rules (format, fields, key) than those of the job.
    pub other_rules: bool,
    /// The hashes of the rules under which its splits were loaded.
    #[serde(skip)]
    pub rules: Vec<Hash16>,
    /// The owner, and whether it is alive.
    pub owner: Option<OwnerStatus>,
    /// When its checkpoint last moved.
    #[serde(serialize_with = "moment")]
    pub updated_at: DateTime<Utc>,
}

impl SourceStatus {
    /// Builds sources from their stored splits; the splits of a source are consecutive.
    pub(super) fn of_splits(splits: impl IntoIterator<Item = SourceStatus>) -> Vec<SourceStatus> {
        let mut sources: Vec<SourceStatus> = Vec::new();
        for split in splits {
            match sources.last_mut().filter(|source| source.id == split.id) {
                Some(source) => source.add(split),
                None => sources.push(split),
            }
        }
        sources
    }

    fn add(&mut self, other: SourceStatus) {
        self.position += other.position;
        self.complete &= other.complete;
        self.rules.extend(other.rules);
        self.counts.add(&other.counts);
        self.updated_at = self.updated_at.max(other.updated_at);
        // Of several owners, the living one matters.
        if other.owner.as_ref().is_some_and(|owner| owner.is_alive) || self.owner.is_none() {
            self.owner = other.owner;
        }
    }
}

/// The owner of a source.
#[derive(Clone, Debug, Serialize)]
pub struct OwnerStatus {
    /// The run.
    pub run: i64,
    /// The server process, or the process on this machine.
    pub pid: i32,
    /// Whether it is still alive.
    #[serde(rename = "alive")]
    pub is_alive: bool,
}

/// A reason of open dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct ReasonCount {
    /// The code.
    pub code: String,
    /// The field it is about; empty for the record as a whole.
    pub field: String,
    /// The number of open dead letters with this reason.
    pub count: u64,
    /// When the oldest of them was first seen.
    #[serde(serialize_with = "moment")]
    pub oldest: DateTime<Utc>,
    /// When the newest of them was first seen.
    #[serde(serialize_with = "moment")]
    pub newest: DateTime<Utc>,
    /// The first of them.
    pub first: FirstLetter,
}

/// The first dead letter of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct FirstLetter {
    /// Its id; absent if it was part of a rebuild that was given up.
    pub id: Option<i64>,
    /// The name of its source.
    #[serde(flatten, serialize_with = "source_file")]
    pub file: String,
    /// Where it begins.
    #[serde(flatten)]
    pub line: Line,
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    /// Its id.
    pub id: i64,
    /// The command.
    pub command: String,
    /// When it began.
    #[serde(serialize_with = "moment")]
    pub started_at: DateTime<Utc>,
    /// When it ended; absent if it is still running or was killed.
    #[serde(serialize_with = "maybe_moment")]
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The exit code of the command.
    pub exit_code: Option<i32>,
    /// What became of the records. Stored at the end of the run; until then, and for a killed run, see
    /// `lanes`.
    pub counts: Counts,
    /// Bytes that it read and committed, decompressed; stored at the end.
    pub bytes: u64,
    /// Why it failed, if it did.
    pub reason: Option<String>,
    /// Whether it is active: it holds something, and its owner is alive.
    #[serde(rename = "alive")]
    pub is_alive: bool,
    /// When one of its checkpoints last moved, while it is active.
    #[serde(serialize_with = "maybe_moment")]
    pub updated_at: Option<DateTime<Utc>>,
    /// The progress of its lanes, as last stored.
    pub lanes: Vec<LaneStatus>,
    /// The server's view of it, while it is active.
    pub activity: Vec<Activity>,
}

impl RunStatus {
    /// The records that it committed, rejects included. A run stores its counts when it ends; for a running
    /// or killed run, its lanes give a lower bound.
    pub fn records(&self) -> u64 {
        self.told(self.counts.records, |lane| lane.records)
    }

    /// Rejects among them.
    pub fn rejected(&self) -> u64 {
        self.told(self.counts.rejected, |lane| lane.rejected)
    }

    fn told(&self, at_end: i64, of_lane: fn(&LaneStatus) -> u64) -> u64 {
        match self.ended_at {
            Some(_) => unsigned(at_end),
            None => self.lanes.iter().map(of_lane).sum(),
        }
    }
}

/// The server's view of a connection of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Activity {
    /// Its process on the server.
    pub pid: i32,
    /// One word: `working`; `lock`, `standby` or `server`, if it waits for one; `client`, if the server
    /// waits for the run; `unknown`, if this role may not see it.
    pub state: String,
    /// Since when.
    #[serde(serialize_with = "maybe_moment")]
    pub since: Option<DateTime<Utc>>,
    /// What it waits for, in the server's words: `Lock:transactionid`.
    pub wait_event: Option<String>,
    /// The processes that hold the lock.
    pub blocked_by: Vec<i32>,
}

/// A selection of dead letters.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of this job.
    pub job: String,
    /// Those with these ids; without ids, all.
    pub ids: Vec<i64>,
    /// Those in this state.
    pub state: Option<String>,
    /// Those with a reason that has this code.
    pub code: Option<String>,
    /// Those with a reason about this field.
    pub field: Option<String>,
    /// Those of sources whose names end with this.
    pub source: Option<String>,
    /// Those last seen then or later.
    pub since: Option<DateTime<Utc>>,
    /// Whether to include their records.
    pub has_raw: bool,
}

/// A dead letter. Its record is included only on request.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetter {
    /// Its id.
    pub id: i64,
    /// The name of its source.
    #[serde(flatten, serialize_with = "source_name")]
    pub source: String,
    /// The offset of its record.
    pub offset: u64,
    /// Where it begins.
    #[serde(flatten)]
    pub line: Line,
    /// Bytes of its record.
    pub length: u64,
    /// The record, unless it was too long.
    #[serde(skip)]
    pub raw: Option<Vec<u8>>,
    /// BLAKE3 of the record, if it was too long.
    #[serde(skip)]
    pub raw_hash: Option<Vec<u8>>,
    /// The record as a person has mended it.
    #[serde(skip)]
    pub fixed: Option<Vec<u8>>,
    /// The step that refused it: `decode`, `parse`, `schema`, `server`.
    pub stage: String,
    /// The reasons: a list of `{code, field, message, input}`.
    pub reasons: Value,
    /// `open`, `replayed`, `discarded` or `superseded`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first seen.
    #[serde(serialize_with = "moment")]
    pub first_seen: DateTime<Utc>,
    /// When it was last seen.
    #[serde(serialize_with = "moment")]
    pub last_seen: DateTime<Utc>,
    /// The note of a person.
    pub note: Option<String>,
}

/// A point in time, as RFC 3339.
fn moment<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, false))
}

pub(crate) fn maybe_moment<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => moment(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn maybe_day<S: Serializer>(day: &Option<NaiveDate>, serializer: S) -> Result<S::Ok, S::Error> {
    day.as_ref().map(NaiveDate::to_string).serialize(serializer)
}
