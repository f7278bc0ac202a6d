//! Ranges that are being written, and those that were given up.
//!
//! A range is taken down as open before its first object. Whoever comes after a run that died in it writes the same
//! objects, or gives them up by name: a run that was only thought dead may write them when it wakes, so each run that
//! comes by removes them again.

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

    /// How the names of objects begin that were given up, of the sources of this run: one that was fenced may have
    /// written them since. As it is said now, and only where nobody else can be about to write them after all.
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

    /// Which splits those are that were given up in the middle of a range.
    pub(super) fn with_abandoned(&self) -> MutexGuard<'_, BTreeSet<Split>> {
        self.with_abandoned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down which range of a split is being written, before its first object; and what the last owner
    /// began to write and this one does not.
    pub fn open(&mut self, advance: &Advance, range: OpenRange, abandoned: &[String]) -> Result<()> {
        let (mut record, version) = self.held(advance)?.clone();
        if record.open.as_ref() == Some(&range) {
            return Ok(());
        }
        // Who returns to rules under which it was given up writes it once more.
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

    /// How the names of objects begin that a fenced run may still write of the splits of a source that this run holds.
    pub(super) fn left_behind(&self, source: i32) -> Vec<String> {
        let held = self.owned.iter().filter(|(split, _)| split.source == source);
        let stems = held.flat_map(|(_, (record, _))| {
            record.abandoned.iter().chain(record.open.iter().flat_map(|open| &open.stems))
        });
        let stems: BTreeSet<&String> = stems.collect();
        stems.into_iter().cloned().collect()
    }
}
