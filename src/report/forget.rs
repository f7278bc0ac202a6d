//! What was forgotten, or would be.

use serde::Serialize;

use super::{Exit, Head, Report, text};
use crate::printable::name;
use crate::sink::history::{Forgotten, SourceStatus};

/// What was forgotten, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct Forget {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// Where the rows are, without secrets.
    pub destination: String,
    /// Nothing was done.
    pub dry_run: bool,
    /// The sources that are meant.
    pub sources: Vec<ForgottenSource>,
    /// How many of them were forgotten.
    pub forgotten: u64,
    /// How many rows are of them, before anything was done; nothing where rows do not say of which
    /// source they are.
    pub rows: Option<u64>,
    /// How many of these were deleted.
    pub deleted_rows: u64,
    /// How many dead letters of theirs are superseded now: those that were open and, where the rows
    /// were deleted, all others too.
    pub superseded_dead_letters: u64,
    /// The statement that deletes their rows, where these can be told apart.
    pub delete_rows: Option<String>,
    /// What a person has to know about the rows, who will load the sources again.
    #[serde(skip)]
    pub rows_left: RowsLeft,
}

/// A source that is meant.
#[derive(Clone, Debug, Serialize)]
pub struct ForgottenSource {
    /// Its id.
    pub id: i32,
    /// The name under which it was last seen.
    #[serde(flatten, serialize_with = "name")]
    pub name: String,
    /// The day it belongs to.
    pub data_date: Option<String>,
    /// How many records it has.
    pub records: i64,
    /// How many open dead letters it has, or had.
    #[serde(skip)]
    pub open_dead_letters: u64,
}

/// What happens to rows whose source is loaded again.
#[derive(Clone, Debug)]
pub enum RowsLeft {
    /// They are found by their key.
    Found {
        /// They stay as they are, whatever is loaded.
        stay: bool,
    },
    /// They would be duplicated.
    Doubled {
        /// Why they are not found.
        because: &'static str,
        /// The command that deletes them.
        command: String,
    },
    /// They are deleted too.
    Deleted,
}

impl Forget {
    /// What would be done about `sources`.
    pub fn new(
        job: &str,
        destination: String,
        sources: &[&SourceStatus],
        rows: Option<u64>,
        delete_rows: Option<String>,
        rows_left: RowsLeft,
    ) -> Forget {
        let sources = sources.iter().map(|source| ForgottenSource {
            id: source.id,
            name: source.name.clone(),
            data_date: source.data_date.map(|date| date.to_string()),
            records: source.counts.records,
            open_dead_letters: source.open_dead_letters,
        });
        Forget {
            head: Head::new("forget", Some(job), Exit::Success),
            destination,
            dry_run: true,
            sources: sources.collect(),
            forgotten: 0,
            rows,
            deleted_rows: 0,
            superseded_dead_letters: 0,
            delete_rows,
            rows_left,
        }
    }

    /// Records that it was done.
    pub fn done(&mut self, forgotten: Forgotten) {
        self.dry_run = false;
        self.forgotten = forgotten.sources;
        self.deleted_rows = forgotten.rows;
        self.superseded_dead_letters = forgotten.dead_letters;
    }

    /// What is about to be done, in one line.
    pub fn intent(&self) -> String {
        text::forget_intent(self)
    }
}

impl Report for Forget {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::forget(self)
    }
}
