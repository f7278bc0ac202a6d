//! A source while it is being reloaded, and what it leaves to tidy up.

use super::Anew;
use super::records::{CheckpointRecord, SourceRecord};
use super::store::Version;
use crate::split::Split;

/// A source that is being reloaded.
pub(super) struct Renewal {
    pub(super) anew: Anew,
    /// The generation that counts until the source has moved.
    pub(super) before: i32,
    /// The source's record once it has moved.
    pub(super) source: SourceRecord,
    /// How far the reload is, in objects that do not count yet.
    pub(super) checkpoint: CheckpointRecord,
}

/// A split that a run holds, as read.
pub(super) type Hold = (Split, CheckpointRecord, Version);

/// A source that may have objects of generations other than its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untidy {
    /// The source.
    pub source: i32,
    /// Its label in names of objects.
    pub label: String,
    /// The generation that counts.
    pub generation: i32,
    /// The last generation that was begun. If it is the same, earlier objects no longer hold.
    pub begun: i32,
    /// The `path` of the job at the beginning of each generation.
    pub paths: Vec<String>,
}

impl Untidy {
    pub(super) fn of(source: i32, record: &SourceRecord) -> Untidy {
        let SourceRecord { generation, begun, label, begun_paths, .. } = record.clone();
        Untidy { source, label, generation, begun, paths: begun_paths }
    }

    /// Whether a source is still as it was when this was found.
    pub(super) fn is_still(&self, record: &SourceRecord) -> bool {
        record.is_untidy && (record.generation, record.begun) == (self.generation, self.begun)
    }

    /// The last generation that was begun counts.
    pub fn has_moved(&self) -> bool {
        self.generation == self.begun
    }
}
