//! Generations: sources that are loaded anew, in a store of keys and values.
//!
//! In a bucket nothing is taken back, so what is loaded anew is written beside what is there, in objects of the next
//! generation. The run holds the splits meanwhile, and all that is said of the source stays as it was. At the end each
//! source moves as everything here moves: the checkpoint of its first split is replaced, and from then on the new objects
//! are its rows. What else changes with that stands in the new checkpoint until it is written, so that whoever looks in between
//! sees all of it. That objects of other generations may be there is taken down before the first of them.

use std::collections::BTreeMap;

use super::Anew;
use super::keys::{Keys, Snapshot};
use super::letters::{Known as KnownLetters, LettersId};
use super::map::{Called, MapLedger};
use super::records::{
    CheckpointRecord, SourceRecord, of_key, parse, source_key, split_key, stored, stored_inode,
};
use super::renewal::{Renewal, Untidy};
use super::store::Version;
use crate::error::Result;
use crate::failpoint;
use crate::sink::claim::lost_ownership;
use crate::sink::{Advance, Counts};
use crate::source::Hash16;
use crate::split::Split;

impl Snapshot {
    /// Sources that were moved by a run which died before all of it was written.
    pub(super) fn half_moved(&self) -> Vec<i32> {
        let moved = self.splits.iter().filter(|(_, (record, _))| record.next.is_some());
        moved.map(|(split, _)| split.source).collect()
    }

    /// Sources with objects of other generations, and the runs that hold them.
    pub(super) fn untidy(&self, date: Option<&str>) -> Vec<(Untidy, Vec<i64>)> {
        let untidy = self
            .sources
            .iter()
            .filter(|(_, (record, _))| record.is_untidy && record.data_date.as_deref() == date);
        let with_owners = |(&id, (record, _)): (&i32, &(SourceRecord, Version))| {
            let own = self.splits.iter().filter(|(split, _)| split.source == id);
            (Untidy::of(id, record), own.filter_map(|(_, (record, _))| record.owner).collect())
        };
        untidy.map(with_owners).collect()
    }
}

impl Keys {
    /// Writes what a source that has moved says of itself, once more if that was done already.
    pub(super) fn move_on(&self, id: i32) -> Result<()> {
        let first = split_key(Split::whole(id));
        let Some(entry) = self.get(&first)? else { return Ok(()) };
        let record: CheckpointRecord = parse(&first, &entry)?;
        let Some(next) = &record.next else { return Ok(()) };
        for (key, other) in self.list(&format!("{}/", source_key(id)))? {
            let is_first = matches!(of_key(&key), Some((_, Some(0))));
            // Only those that were held for it: another run can have made one since.
            if !is_first && parse::<CheckpointRecord>(&key, &other)?.owner == Some(record.written_by) {
                self.put(&key, Some(&other.version), None)?;
                failpoint::reached("mid-move");
            }
        }
        let key = source_key(id);
        if let Some(entry) = self.get(&key)?
            && parse::<SourceRecord>(&key, &entry)?.generation < next.generation
        {
            self.set(&key, Some(&entry.version), &**next)?;
        }
        self.name(&next.name, id)?;
        let moved = CheckpointRecord { next: None, ..record.clone() };
        // Whoever was faster has done the same.
        self.set(&first, Some(&entry.version), &moved)?;
        Ok(())
    }
}

impl MapLedger {
    /// Keeps what is untidy of which no living run may be at work.
    pub(super) fn find_untidy(&mut self, found: Vec<(Untidy, Vec<i64>)>) -> Result<()> {
        self.untidy.clear();
        for (untidy, owners) in found {
            let mut is_held = false;
            for owner in owners.into_iter().filter(|owner| *owner != self.run) {
                is_held = is_held || self.keys.lives(owner)?;
            }
            self.untidy.extend((!is_held).then_some(untidy));
        }
        Ok(())
    }

    /// Takes down that sources are loaded anew, before the first object.
    pub(super) fn begin_renewals(&mut self, anew: Vec<Anew>, rules: Hash16) -> Result<()> {
        (self.renewals, self.ends_renewals) = (BTreeMap::new(), false);
        for anew in anew {
            let key = source_key(anew.id);
            let entry = self.keys.get(&key)?.ok_or_else(lost_ownership)?;
            let mut source: SourceRecord = parse(&key, &entry)?;
            source.begun = source.begun.max(source.generation) + 1;
            source.is_untidy = true;
            let written = self.keys.set(&key, Some(&entry.version), &source)?;
            written.ok_or_else(lost_ownership)?;
            let before = std::mem::replace(&mut source.generation, source.begun);
            if let Some(file) = &anew.file {
                source.name.clone_from(&file.name);
                source.head = (file.fingerprint.head_len, file.fingerprint.head_hash.0);
                source.inode = stored_inode(file);
                if anew.has_other_containers {
                    source.containers = file.fingerprint.container.iter().map(stored).collect();
                }
                if let Some(line) = file.fingerprint.first_line
                    && source.first.is_none_or(|(known, _)| known != line.0)
                {
                    source.first = Some(self.keys.enter(anew.id, line)?.ok_or_else(lost_ownership)?);
                }
            }
            let called = Called::of(&source);
            self.labels.insert(anew.id, called);
            let checkpoint =
                CheckpointRecord { epoch: anew.epoch(), ..CheckpointRecord::new(self.run, rules) };
            self.renewals.insert(anew.id, Renewal { anew, before, source, checkpoint });
        }
        Ok(())
    }

    /// Whether a source is loaded anew.
    pub fn renews(&self, source: i32) -> bool {
        self.renewals.contains_key(&source)
    }

    /// The sources that are loaded anew.
    pub fn renewed(&self) -> Vec<i32> {
        self.renewals.keys().copied().collect()
    }

    /// Compares the checkpoints of a source with what was claimed: another run may have taken them since.
    pub fn fence_renewal(&self, source: i32) -> Result<()> {
        let Some(renewal) = self.renewals.get(&source) else { return Err(lost_ownership()) };
        for (split, _) in &renewal.anew.splits {
            let (_, version) = self.owned.get(split).ok_or_else(lost_ownership)?;
            if self.keys.get(&split_key(*split))?.is_none_or(|entry| entry.version != *version) {
                return Err(lost_ownership());
            }
        }
        Ok(())
    }

    /// Moves a source on in the generation that is written, of which nothing counts yet.
    pub fn advance_renewal(&mut self, advance: &Advance, deltas: &Counts) -> Result<Vec<i32>> {
        let source = advance.split.source;
        let renewal = self.renewals.get_mut(&source).ok_or_else(lost_ownership)?;
        if renewal.checkpoint.position != advance.from {
            return Err(lost_ownership());
        }
        renewal.checkpoint.move_on(advance, deltas);
        Ok(advance.completes.then_some(source).into_iter().collect())
    }

    /// Lets the new generation of each source count which has a file. After an error those before count already.
    pub fn end_renewals(&mut self) -> Result<()> {
        let held = self.renewals.keys().copied().collect::<Vec<_>>();
        held.iter().try_for_each(|source| self.fence_renewal(*source))?;
        self.ends_renewals = true;
        for (id, renewal) in &self.renewals {
            if renewal.anew.file.is_none() {
                continue;
            }
            let mut checkpoint = renewal.checkpoint.clone();
            let source = SourceRecord { complete: checkpoint.complete, ..renewal.source.clone() };
            checkpoint.next = Some(Box::new(source));
            // A run that was fenced by this one may wake, and write objects of the generation that goes.
            checkpoint.abandoned = self.left_behind(*id);
            self.with_abandoned().extend((!checkpoint.abandoned.is_empty()).then_some(Split::whole(*id)));
            (checkpoint.owner, checkpoint.written_by) = (None, self.run);
            let first = Split::whole(*id);
            let (_, version) = self.owned.get(&first).ok_or_else(lost_ownership)?;
            let moved = self.keys.set(&split_key(first), Some(version), &checkpoint)?;
            moved.ok_or_else(lost_ownership)?;
            self.keys.move_on(*id)?;
            self.owned.retain(|split, _| split.source != *id);
        }
        Ok(())
    }

    /// The sources that have no file any more; their objects go first.
    pub fn without_file(&self) -> Vec<i32> {
        let lost = self.renewals.iter().filter(|(_, renewal)| renewal.anew.file.is_none());
        lost.map(|(id, _)| *id).collect()
    }

    /// Forgets a source that has no file any more.
    pub fn forget_renewal(&mut self, source: i32) -> Result<()> {
        let Some(renewal) = self.renewals.get(&source) else { return Ok(()) };
        let letters = self.keys.letters()?;
        self.keys.forget_letters(&letters, source)?;
        self.keys.forget(source, &renewal.source)?;
        self.owned.retain(|split, _| split.source != source);
        Ok(())
    }

    /// What is to be tidied up of the sources that were loaded anew, once they have moved.
    pub fn moved(&self) -> Vec<Untidy> {
        self.renewals.iter().map(|(id, renewal)| Untidy::of(*id, &renewal.source)).collect()
    }

    /// What is to be tidied up where they are given up. Nothing once it may be that one has moved.
    pub fn given_up(&self) -> Vec<Untidy> {
        let all = self.renewals.iter().filter(|_| !self.ends_renewals);
        all.map(|(id, renewal)| Untidy { generation: renewal.before, ..Untidy::of(*id, &renewal.source) })
            .collect()
    }

    /// Says what is known of letters that were just written.
    pub fn note_letters(&self, id: &LettersId, (record, version): KnownLetters) -> Result<()> {
        let known = self.put_letters(id, record, version.as_ref())?;
        known.map(drop).ok_or_else(lost_ownership)
    }

    /// What the claim has found untidy that no living run is at.
    pub fn untidy(&self) -> &[Untidy] {
        &self.untidy
    }

    /// Says that only objects of its own generation are there of a source.
    pub fn mark_tidy(&self, of: &Untidy) -> Result<()> {
        let key = source_key(of.source);
        let Some(entry) = self.keys.get(&key)? else { return Ok(()) };
        let record: SourceRecord = parse(&key, &entry)?;
        if record.is_untidy && (record.generation, record.begun) == (of.generation, of.begun) {
            let tidy = SourceRecord { is_untidy: false, ..record };
            // Whoever has changed it meanwhile leaves it as it is.
            self.keys.set(&key, Some(&entry.version), &tidy)?;
        }
        Ok(())
    }
}
