//! The result of a `forget`, or its plan.

use serde::Serialize;

use super::{Exit, Head, Report, text};
use crate::printable::name;
use crate::sink::history::{Forgotten, SourceStatus};

/// The result of a `forget`, or its plan.
#[derive(Clone, Debug, Serialize)]
pub struct Forget {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The destination, without secrets.
    pub destination: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The selected sources.
    pub sources: Vec<ForgottenSource>,
    /// The number of sources that were forgotten.
    pub forgotten: u64,
    /// The number of their rows before anything was done; null if rows do not record their source.
    pub rows: Option<u64>,
    /// The number of rows that were deleted.
    pub deleted_rows: u64,
    /// The number of their dead letters that are now superseded: the open ones and, if the rows were
    /// deleted, all others.
    pub superseded_dead_letters: u64,
    /// The statement that deletes their rows, if these can be told apart.
    pub delete_rows: Option<String>,
    /// What happens to the rows if the sources are loaded again.
    #[serde(skip)]
    pub rows_left: RowsLeft,
}

/// A selected source.
#[derive(Clone, Debug, Serialize)]
pub struct ForgottenSource {
    /// Its id.
    pub id: i32,
    /// The name under which it was last seen.
    #[serde(flatten, serialize_with = "name")]
    pub name: String,
    /// Its data date.
    pub data_date: Option<String>,
    /// The number of its records.
    pub records: i64,
    /// The number of its open dead letters, before the command.
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
    /// They are deleted, too.
    Deleted,
}

impl Forget {
    /// The plan for `sources`.
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

    /// The plan, in one line.
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
