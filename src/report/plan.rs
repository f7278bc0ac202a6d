//! What a load would do, and what it promises.

use std::path::PathBuf;

use serde::Serialize;

use super::{Head, OtherRules, Report, text};
use crate::printable::{file_name, source_path};

/// What a load would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// What every report begins with. It ends as a load would before it has read anything.
    #[serde(flatten)]
    pub head: Head,
    /// Where the rows would go, without secrets.
    pub destination: String,
    /// What would be done with each file.
    pub sources: Vec<PlannedFile>,
    /// Those of them that were loaded under other rules than those of now.
    pub other_rules: Option<OtherRules>,
    /// The splits that are still to be loaded, of sources that the destination knows.
    pub splits: Vec<PlannedSplit>,
    /// The files that cannot be cut, where that was asked for.
    pub whole: Vec<WholeFile>,
    /// Whether the target is there.
    pub target_exists: bool,
    /// What would be made first, in words.
    pub would_make: Vec<String>,
    /// What would keep a load from its first row, each with what to do.
    pub obstacles: Vec<String>,
    /// What to know, though it stops nothing.
    pub warnings: Vec<String>,
    /// A source that a living run holds, and by whom.
    pub held: Option<String>,
    /// What a row is known by.
    pub key: String,
    /// What is promised.
    pub guarantees: Vec<Guarantee>,
    /// A person asked for all promises.
    #[serde(skip)]
    pub shows_all: bool,
    /// How fast it would be; nothing if less than 64 MiB are to be read, or if no file shows it.
    pub pace: Option<Pace>,
    /// The statements that would be run first, where they are asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

/// What would be done with a file.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedFile {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// What.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What would be done with a file.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Fate {
    /// It is read.
    Read {
        /// From this position on.
        position: u64,
        /// This many bytes of the file; nothing if only reading will tell.
        bytes: Option<u64>,
    },
    /// There is nothing new in it.
    LeaveOut {
        /// Why.
        why: String,
    },
    /// It cannot be loaded.
    Refuse {
        /// Why, and what to do.
        why: String,
    },
}

/// A split that is still to be loaded.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedSplit {
    /// What it is called: `SOURCE-START`.
    pub id: String,
    /// The file of its source.
    #[serde(flatten, serialize_with = "source_path")]
    pub source: PathBuf,
    /// Where it begins in the source.
    pub start: u64,
    /// Where it ends; nothing if only reading will tell.
    pub end: Option<u64>,
    /// This many bytes of it are to be read, compressed as they are.
    pub bytes: u64,
}

/// A file that is one split, whatever is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct WholeFile {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// A promise.
#[derive(Clone, Debug, Serialize)]
pub struct Guarantee {
    /// What it is about.
    pub what: &'static str,
    /// What holds.
    pub holds: String,
}

/// How fast a load would be, by figures measured on this job.
#[derive(Clone, Debug, Serialize)]
pub struct Pace {
    /// Bytes that are to be read, decompressed, as far as that can be told.
    pub bytes: u64,
    /// The file of which the beginning was parsed for this,
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// and so many bytes of it, decompressed.
    pub sample_bytes: u64,
    /// Bytes that a core parses and checks each second.
    pub parsed_per_second: u64,
    /// Bytes that the destination took each second in the best of the last loads of the job; nothing if none was long enough to tell.
    pub stored_per_second: Option<u64>,
    /// So many cores keep the destination busy.
    pub cores: Option<f64>,
    /// So many seconds a load takes.
    pub seconds: Option<f64>,
    /// What follows, in words: whether more cores or machines help, and when to go to a bucket instead.
    pub advice: String,
}

impl Report for Plan {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, width: usize) -> String {
        text::plan(self, width)
    }
}
