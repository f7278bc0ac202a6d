//! What a load would do, and its guarantees.

use std::path::PathBuf;

use serde::Serialize;

use super::{Head, OtherRules, Report, text};
use crate::printable::{file_name, source_path};

/// What a load would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The fields that every report begins with. The exit code is that of a load that stops before it has
    /// read anything.
    #[serde(flatten)]
    pub head: Head,
    /// The destination, without secrets.
    pub destination: String,
    /// What would be done with each file.
    pub sources: Vec<PlannedFile>,
    /// Those of them that were loaded under other rules than the current ones.
    pub other_rules: Option<OtherRules>,
    /// The splits that remain to be loaded, of sources that the destination knows.
    pub splits: Vec<PlannedSplit>,
    /// The files that cannot be cut, if that was requested.
    pub whole: Vec<WholeFile>,
    /// Whether the target exists.
    pub target_exists: bool,
    /// What would be created first, in words.
    pub would_make: Vec<String>,
    /// The obstacles before the first row, each with a remedy.
    pub obstacles: Vec<String>,
    /// Warnings that would not stop it.
    pub warnings: Vec<String>,
    /// A source that a live run holds, with its holder.
    pub held: Option<String>,
    /// What identifies a row.
    pub key: String,
    /// The guarantees.
    pub guarantees: Vec<Guarantee>,
    /// Whether to show all guarantees.
    #[serde(skip)]
    pub shows_all: bool,
    /// The expected speed; null if less than 64 MiB remain to be read, or if no file can be measured.
    pub pace: Option<Pace>,
    /// The statements that would be run first, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

/// What would be done with a file.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedFile {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// What would be done.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What would be done with a file.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Fate {
    /// It is read.
    Read {
        /// The position where reading begins.
        position: u64,
        /// The number of bytes of the file; null if only reading will tell.
        bytes: Option<u64>,
    },
    /// It contains nothing new.
    LeaveOut {
        /// The reason.
        why: String,
    },
    /// It cannot be loaded.
    Refuse {
        /// The reason, and what to do.
        why: String,
    },
}

/// A split that remains to be loaded.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedSplit {
    /// Its id: `SOURCE-START`.
    pub id: String,
    /// The file of its source.
    #[serde(flatten, serialize_with = "source_path")]
    pub source: PathBuf,
    /// Where it begins in the source.
    pub start: u64,
    /// Where it ends; null if only reading will tell.
    pub end: Option<u64>,
    /// The number of bytes to read, in compressed size.
    pub bytes: u64,
}

/// A file that is always one split.
#[derive(Clone, Debug, Serialize)]
pub struct WholeFile {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// The reason.
    pub why: String,
}

/// A guarantee.
#[derive(Clone, Debug, Serialize)]
pub struct Guarantee {
    /// Its subject.
    pub what: &'static str,
    /// The guarantee.
    pub holds: String,
}

/// The expected speed of a load, from measurements of this job.
#[derive(Clone, Debug, Serialize)]
pub struct Pace {
    /// Bytes to read, decompressed, as far as known.
    pub bytes: u64,
    /// The file of which the beginning was parsed for this,
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// and so many bytes of it, decompressed.
    pub sample_bytes: u64,
    /// Bytes per second that a core parses and checks.
    pub parsed_per_second: u64,
    /// Bytes per second that the destination took in the best of the job's last loads; null if none was
    /// long enough to tell.
    pub stored_per_second: Option<u64>,
    /// The number of cores that keep the destination busy.
    pub cores: Option<f64>,
    /// The duration of a load, in seconds.
    pub seconds: Option<f64>,
    /// The conclusion, in words: whether more cores or machines help, and when a bucket is better.
    pub advice: String,
}

impl Report for Plan {
    fn head(&self) -> &Head {
        &self.head
    }

    fn failures(&self) -> Vec<String> {
        let refused = self.sources.iter().filter_map(|planned| match &planned.fate {
            Fate::Refuse { why } => Some(format!("{}: {why}", planned.file.display())),
            Fate::Read { .. } | Fate::LeaveOut { .. } => None,
        });
        self.obstacles.iter().cloned().chain(refused).collect()
    }

    fn text(&self, width: usize) -> String {
        text::plan(self, width)
    }
}
