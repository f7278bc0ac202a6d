//! Ranges that are being written, and abandoned ones.
//!
//! A range is recorded as open before its first object. A run that follows a dead one writes the same
//! objects, or abandons them by name: a run that was only believed dead may write them when it wakes, so each
//! later run removes them again.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use super::map::MapLedger;
use super::records::{CheckpointRecord, OpenRange, parse, split_key};
use crate::error::Result;
use crate::sink::Advance;
use crate::split::Split;

impl MapLedger {
    /// The range of a split that was being written when its last owner left it.
    pub fn open_range(&self, split: Split) -> Option<&OpenRange> {
        self.owned.get(&split)?.0.open.as_ref()
    }

    /// The ends of the objects in a split's open range, if it was opened under these rules.
    pub fn known_ends(&self, split: Split, rules: &str) -> Vec<u64> {
        let Some((record, _)) = self.owned.get(&split) else { return Vec::new() };
        let known = record.open.as_ref().filter(|open| open.from == record.position && open.rules == rules);
        known.map(|open| open.ends.clone()).unwrap_or_default()
    }

    /// The name prefixes of the abandoned objects of this run's sources: a fenced run may have written them
    /// since. Read from the store now, and only where no other run can be about to write them after all.
    pub fn abandoned(&self) -> Result<Vec<String>> {
        let (splits, mut stems) = (self.with_abandoned().clone(), Vec::new());
        for key in splits.into_iter().map(split_key) {
            let Some(entry) = self.keys.get(&key)? else { continue };
            let record: CheckpointRecord = parse(&key, &entry)?;
            if record.complete || record.owner == Some(self.run) {
                stems.extend(record.abandoned);
            }
        }
        Ok(stems)
    }

    /// The splits in which a range was abandoned.
    pub(super) fn with_abandoned(&self) -> MutexGuard<'_, BTreeSet<Split>> {
        self.with_abandoned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records which range of a split is being written, before its first object; and what the last owner
    /// began to write and this one does not.
    pub fn open(&mut self, advance: &Advance, range: OpenRange, abandoned: &[String]) -> Result<()> {
        let (mut record, version) = self.held(advance)?.clone();
        let is_shared = record.open.as_ref().is_some_and(|open| open.is_shared);
        let range = OpenRange { is_shared, ..range };
        if record.open.as_ref() == Some(&range) {
            return Ok(());
        }
        // A run that returns to the rules of an abandoned range writes it again.
        record.abandoned.retain(|stem| !range.stems.contains(stem));
        record.abandoned.extend_from_slice(abandoned);
        self.with_abandoned().extend((!record.abandoned.is_empty()).then_some(advance.split));
        record.open = Some(range);
        record.written_by = self.run;
        let version = self.keys.set(&split_key(advance.split), Some(&version), &record)?;
        let Some(version) = version else { return Err(self.objection()?) };
        self.owned.insert(advance.split, (record, version));
        Ok(())
    }

    /// The name prefixes of the objects that a fenced run may still write for the splits this run holds of a
    /// source.
    pub(super) fn left_behind(&self, source: i32) -> Vec<String> {
        let held = self.owned.iter().filter(|(split, _)| split.source == source);
        let stems = held.flat_map(|(_, (record, _))| {
            let open = record.open.iter().flat_map(|open| &open.stems);
            record.abandoned.iter().chain(&record.shared).chain(open)
        });
        let stems: BTreeSet<&String> = stems.collect();
        stems.into_iter().cloned().collect()
    }
}
