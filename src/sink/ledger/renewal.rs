//! A source that is loaded anew, while that lasts; and what it leaves to be tidied up.

use super::Anew;
use super::records::{CheckpointRecord, SourceRecord};

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
}

impl Untidy {
    pub(super) fn of(source: i32, record: &SourceRecord) -> Untidy {
        let &SourceRecord { generation, begun, ref label, .. } = record;
        Untidy { source, label: label.clone(), generation, begun }
    }
}
