//! A source that is loaded anew, while that lasts; and what it leaves to be tidied up.

use super::Anew;
use super::records::{CheckpointRecord, SourceRecord};
use super::store::Version;
use crate::split::Split;

/// A source that is loaded anew.
pub(super) struct Renewal {
    pub(super) anew: Anew,
    /// The generation that counts until it has moved.
    pub(super) before: i32,
    /// What is to be said of it, once it has moved.
    pub(super) source: SourceRecord,
    /// How far it is, in objects that nobody counts yet.
    pub(super) checkpoint: CheckpointRecord,
}

/// A split that a run holds, as it was read.
pub(super) type Hold = (Split, CheckpointRecord, Version);

/// A source of which objects of other generations than its own may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untidy {
    /// The source.
    pub source: i32,
    /// What it is called in names of objects.
    pub label: String,
    /// The generation that counts,
    pub generation: i32,
    /// and the last that was begun. If it is the same, what is of before holds no more.
    pub begun: i32,
    /// The `path` of the job each time that one was begun.
    pub paths: Vec<String>,
}

impl Untidy {
    pub(super) fn of(source: i32, record: &SourceRecord) -> Untidy {
        let SourceRecord { generation, begun, label, begun_paths, .. } = record.clone();
        Untidy { source, label, generation, begun, paths: begun_paths }
    }

    /// Whether a source stands as it did when this was found.
    pub(super) fn is_still(&self, record: &SourceRecord) -> bool {
        record.is_untidy && (record.generation, record.begun) == (self.generation, self.begun)
    }

    /// The last generation that was begun counts.
    pub fn has_moved(&self) -> bool {
        self.generation == self.begun
    }
}
