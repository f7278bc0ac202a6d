//! What was loaded under rules that the job no longer has.

use serde::Serialize;

use crate::sink::history::SourceStatus;
use crate::sink::{Key, OnConflict};

/// Files that were loaded under other rules (format, fields, key) than the current ones.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OtherRules {
    /// Their number.
    pub files: usize,
    /// Their open dead letters.
    pub open_dead_letters: u64,
    /// What happens to their rows if they are loaded again.
    #[serde(skip)]
    pub rows: OldRows,
}

/// What happens to the rows of files that are forgotten and loaded again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldRows {
    /// They name their source, and can be deleted with it.
    Deletable,
    /// The load finds them by their key, and replaces them.
    #[default]
    Replaced,
    /// The load finds them by their key and leaves them as they are, because of `on_conflict`.
    Kept,
}

impl OldRows {
    /// The variant for this key and this rule.
    pub fn of(key: &Key, on_conflict: &OnConflict) -> OldRows {
        match on_conflict {
            _ if key.has_places() => OldRows::Deletable,
            OnConflict::Update => OldRows::Replaced,
            // If rows are equally new, the old one can win.
            OnConflict::Keep | OnConflict::Newest(_) => OldRows::Kept,
        }
    }
}

impl OtherRules {
    /// Those among these sources; `None` if there are none.
    pub fn of<'a>(sources: impl IntoIterator<Item = &'a SourceStatus>, rows: OldRows) -> Option<OtherRules> {
        let mut other = OtherRules { files: 0, open_dead_letters: 0, rows };
        for source in sources.into_iter().filter(|source| source.other_rules) {
            other.files += 1;
            other.open_dead_letters += source.open_dead_letters;
        }
        (other.files > 0).then_some(other)
    }
}
