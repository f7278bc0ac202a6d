//! How far a job is, as its destination remembers it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{Exit, Head, Report, moment, text};
use crate::sink::Counts;
use crate::sink::history;

/// How far a job is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// Where the rows are, without secrets.
    pub destination: String,
    /// The sources, in the order of their ids.
    pub sources: Vec<Source>,
    /// How many dead letters are open.
    pub open_dead_letters: u64,
    /// Why they are there, the most frequent reason first.
    pub reasons: Vec<OpenReason>,
    /// The last runs, the newest first.
    pub runs: Vec<Run>,
    /// Nothing of ours is there yet.
    #[serde(skip)]
    pub is_new: bool,
    /// A person asked for all sources.
    #[serde(skip)]
    pub shows_all: bool,
}

/// How far some sources are.
#[derive(Clone, Debug, Serialize)]
pub struct SourcesStatus {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The sources that were asked for.
    pub sources: Vec<Source>,
    /// Files that were asked for, and that the job has never loaded.
    pub unknown: Vec<String>,
}

/// How far a source is.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Its id.
    pub id: i32,
    /// The name under which it was last seen.
    pub name: String,
    /// The day it belongs to.
    pub data_date: Option<String>,
    /// Its size when it was last seen.
    pub size: u64,
    /// How far it is committed.
    pub position: u64,
    /// Whether that is its end.
    pub complete: bool,
    /// The sizes of the archives in which it was seen, compressed as they are.
    pub containers: Vec<u64>,
    /// What became of its records.
    pub counts: Counts,
    /// Dead letters of it that are open.
    pub open_dead_letters: u64,
    /// Who holds it.
    pub owner: Option<Owner>,
    /// When its checkpoint moved last.
    #[serde(serialize_with = "moment")]
    pub updated_at: DateTime<Utc>,
}

/// Who holds a source.
#[derive(Clone, Debug, Serialize)]
pub struct Owner {
    /// The run.
    pub run: i64,
    /// The server process, or the process on this machine.
    pub pid: i32,
    /// Whether it is still there.
    pub alive: bool,
}

/// Why dead letters are open.
#[derive(Clone, Debug, Serialize)]
pub struct OpenReason {
    /// The code of the reason.
    pub code: String,
    /// The field it is about; empty for the record as a whole.
    pub field: String,
    /// How many open dead letters have it.
    pub count: u64,
    /// The first of them.
    pub first: FirstLetter,
}

/// The first dead letter of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct FirstLetter {
    /// Its id.
    pub id: i64,
    /// The name of its source.
    pub file: String,
    /// The number of its first line, counted from one.
    pub line: u64,
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its id.
    pub id: i64,
    /// The command.
    pub command: String,
    /// When it began.
    #[serde(serialize_with = "moment")]
    pub started_at: DateTime<Utc>,
    /// When it ended; nothing if it still runs or was killed.
    #[serde(serialize_with = "maybe_moment")]
    pub ended_at: Option<DateTime<Utc>>,
    /// One word for how it ended.
    pub outcome: Option<String>,
    /// What the shell was told.
    pub exit_code: Option<i32>,
    /// What became of the records.
    pub counts: Counts,
}

impl Status {
    /// The report on what the destination remembers of a job; nothing if it has nothing of ours.
    pub fn new(job: &str, destination: String, found: Option<history::Status>, shows_all: bool) -> Status {
        let is_new = found.is_none();
        let found = found.unwrap_or_default();
        Status {
            head: Head::new("status", Some(job), Exit::Success),
            destination,
            sources: found.sources.iter().map(Source::from).collect(),
            open_dead_letters: found.open_dead_letters,
            reasons: found.reasons.into_iter().map(OpenReason::from).collect(),
            runs: found.runs.into_iter().map(Run::from).collect(),
            is_new,
            shows_all,
        }
    }
}

impl From<&history::SourceStatus> for Source {
    fn from(source: &history::SourceStatus) -> Source {
        Source {
            id: source.id,
            name: source.name.clone(),
            data_date: source.data_date.as_ref().map(NaiveDate::to_string),
            size: source.size,
            position: source.position,
            complete: source.complete,
            containers: source.containers.clone(),
            counts: source.counts,
            open_dead_letters: source.open_dead_letters,
            owner: source.owner.as_ref().map(|owner| Owner {
                run: owner.run,
                pid: owner.pid,
                alive: owner.is_alive,
            }),
            updated_at: source.updated_at,
        }
    }
}

impl From<history::ReasonCount> for OpenReason {
    fn from(reason: history::ReasonCount) -> OpenReason {
        let first = FirstLetter { id: reason.id, file: reason.source, line: reason.line };
        OpenReason { code: reason.code, field: reason.field, count: reason.count, first }
    }
}

impl From<history::RunStatus> for Run {
    fn from(run: history::RunStatus) -> Run {
        Run {
            id: run.id,
            command: run.command,
            started_at: run.started_at,
            ended_at: run.ended_at,
            outcome: run.outcome,
            exit_code: run.exit_code,
            counts: run.counts,
        }
    }
}

impl Report for Status {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::status(self)
    }
}

impl Report for SourcesStatus {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::sources(self)
    }
}

fn maybe_moment<S: serde::Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => moment(time, serializer),
        None => serializer.serialize_none(),
    }
}
