//! How far a job is, as its destination remembers it.

use serde::Serialize;

use super::{Exit, Head, OldRows, OtherRules, Report, text};
use crate::sink::dates::DateStatus;
use crate::sink::history::{self, ReasonCount, RunStatus, SourceStatus};

/// How far a job is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// Where the rows are, without secrets.
    pub destination: String,
    /// The sources, in the order of their ids.
    pub sources: Vec<SourceStatus>,
    /// Those of them that were loaded under other rules than those of now.
    pub other_rules: Option<OtherRules>,
    /// How many dead letters are open.
    pub open_dead_letters: u64,
    /// How many of them are not delivered; nothing if they are to be delivered nowhere.
    pub undelivered: Option<u64>,
    /// Why they are there, the most frequent reason first.
    pub reasons: Vec<ReasonCount>,
    /// The data dates, in their order.
    pub dates: Vec<DateStatus>,
    /// The last runs, the newest first.
    pub runs: Vec<RunStatus>,
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
    pub sources: Vec<SourceStatus>,
    /// Files that were asked for, and that the job has never loaded.
    pub unknown: Vec<String>,
}

impl Status {
    /// The report on what the destination remembers of a job; nothing if it has nothing of ours.
    pub fn new(
        job: &str,
        destination: String,
        found: Option<history::Status>,
        rows: OldRows,
        shows_all: bool,
    ) -> Status {
        let is_new = found.is_none();
        let found = found.unwrap_or_default();
        Status {
            head: Head::new("status", Some(job), Exit::Success),
            destination,
            other_rules: OtherRules::of(&found.sources, rows),
            sources: found.sources,
            open_dead_letters: found.open_dead_letters,
            undelivered: None,
            reasons: found.reasons,
            dates: found.dates,
            runs: found.runs,
            is_new,
            shows_all,
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
