//! What was loaded under rules that are no longer those of the job.

use serde::Serialize;

use crate::sink::history::SourceStatus;

/// Files that were loaded under other rules (format, fields, key) than those of the job now.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OtherRules {
    /// How many.
    pub files: usize,
    /// Their dead letters that are open.
    pub open_dead_letters: u64,
    /// Whether their rows can be told from others, to be deleted.
    #[serde(skip)]
    pub has_places: bool,
}

impl OtherRules {
    /// Those among these sources; none if there are none.
    pub fn of<'a>(
        sources: impl IntoIterator<Item = &'a SourceStatus>,
        has_places: bool,
    ) -> Option<OtherRules> {
        let mut other = OtherRules { files: 0, open_dead_letters: 0, has_places };
        for source in sources.into_iter().filter(|source| source.other_rules) {
            other.files += 1;
            other.open_dead_letters += source.open_dead_letters;
        }
        (other.files > 0).then_some(other)
    }
}
