//! Generations: sources that are reloaded, in a store of keys and values.
//!
//! A bucket cannot roll anything back, so a reload writes objects of the next generation beside the existing
//! ones. Meanwhile the run holds the splits, and the source's records stay as they are. At the end each
//! source moves in the usual way: the checkpoint of its first split is replaced, and from then on the new
//! objects are its rows. Everything else that changes with it is kept in the new checkpoint until it is
//! written, so a reader in between sees the whole change. That objects of other generations may exist is
//! recorded before the first of them is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Anew;
use super::keys::{Keys, Settings, Snapshot};
use super::letters::{Known as KnownLetters, LettersId};
use super::map::{Called, MapLedger};
use super::records::{
    CheckpointRecord, SourceRecord, of_key, parse, source_key, split_key, stored, stored_inode,
};
use super::renewal::{Hold, Renewal, Untidy};
use super::store::{Store, Version};
use crate::error::Result;
use crate::failpoint;
use crate::sink::claim::lost_ownership;
use crate::sink::{Advance, Counts};
use crate::source::Hash16;
use crate::split::Split;

impl Snapshot {
    /// Sources that a run moved before it died without writing all of the change.
    pub(super) fn half_moved(&self) -> Vec<i32> {
        let moved = self.splits.iter().filter(|(_, (record, _))| record.next.is_some());
        moved.map(|(split, _)| split.source).collect()
    }

    /// The selected sources that have objects of other generations, with the splits that runs hold of them.
    pub(super) fn untidy(&self, is_meant: impl Fn(i32, &SourceRecord) -> bool) -> Vec<(Untidy, Vec<Hold>)> {
        let untidy =
            self.sources.iter().filter(|(id, (record, _))| record.is_untidy && is_meant(**id, record));
        let with_holds = |(&id, (record, _)): (&i32, &(SourceRecord, Version))| {
            let own = self
                .splits
                .iter()
                .filter(|(split, (record, _))| split.source == id && record.owner.is_some());
            let holds = own.map(|(split, (record, version))| (*split, record.clone(), version.clone()));
            (Untidy::of(id, record), holds.collect())
        };
        untidy.map(with_holds).collect()
    }
}

impl Keys {
    /// Everything remembered, after the half-written moves of dead runs are finished.
    pub(super) fn remembered_on(&self) -> Result<Snapshot> {
        let snapshot = self.remembered()?;
        let half_moved = snapshot.half_moved();
        if half_moved.is_empty() {
            return Ok(snapshot);
        }
        half_moved.into_iter().try_for_each(|source| self.move_on(source))?;
        self.remembered()
    }

    /// Takes a source from dead runs. A run that was only stalled can then no longer move the source to
    /// objects that are removed now. False if another run was faster.
    pub(super) fn take_from_dead(&self, holds: &[Hold]) -> Result<bool> {
        for (split, record, version) in holds {
            let freed = CheckpointRecord { owner: None, epoch: record.epoch + 1, ..record.clone() };
            if self.set(&split_key(*split), Some(version), &freed)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes the records of a source that has moved; harmless if that was done already.
    pub(super) fn move_on(&self, id: i32) -> Result<()> {
        let first = split_key(Split::whole(id));
        let Some(entry) = self.get(&first)? else { return Ok(()) };
        let record: CheckpointRecord = parse(&first, &entry)?;
        let Some(next) = &record.next else { return Ok(()) };
        for (key, other) in self.list(&format!("{}/", source_key(id)))? {
            let is_first = matches!(of_key(&key), Some((_, Some(0))));
            // Only splits that were held for the move: another run may have created one since.
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
        self.name(next, id)?;
        let moved = CheckpointRecord { next: None, ..record.clone() };
        // A faster run has written the same.
        self.set(&first, Some(&entry.version), &moved)?;
        Ok(())
    }
}

impl MapLedger {
    /// Keeps the untidy sources on which no living run may be at work, and which no run that wakes can
    /// resume.
    pub(super) fn find_untidy(&mut self, found: Vec<(Untidy, Vec<Hold>)>) -> Result<()> {
        self.untidy.clear();
        for (untidy, mut holds) in found {
            let mut is_held = false;
            for owner in holds.iter().filter_map(|(_, record, _)| record.owner).filter(|run| *run != self.run)
            {
                is_held = is_held || self.lives(owner)?;
            }
            // This run's claim has taken its own splits already.
            holds.retain(|(split, ..)| !self.owned.contains_key(split));
            let is_ours = !is_held && (untidy.has_moved() || self.keys.take_from_dead(&holds)?);
            self.untidy.extend(is_ours.then_some(untidy));
        }
        Ok(())
    }

    /// Records that sources are being reloaded, before the first object.
    pub(super) fn begin_renewals(&mut self, anew: Vec<Anew>, rules: Hash16) -> Result<()> {
        (self.renewals, self.ends_renewals) = (BTreeMap::new(), false);
        for anew in anew {
            let key = source_key(anew.id);
            let entry = self.keys.get(&key)?.ok_or_else(lost_ownership)?;
            let mut source: SourceRecord = parse(&key, &entry)?;
            source.begun = source.begun.max(source.generation) + 1;
            source.is_untidy = true;
            let path = &self.keys.settings.path;
            if !source.begun_paths.contains(path) {
                source.begun_paths.push(path.clone());
            }
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
        self.close_letters()
    }

    /// Whether a source is being reloaded.
    pub fn renews(&self, source: i32) -> bool {
        self.renewals.contains_key(&source)
    }

    /// The sources that are being reloaded.
    pub fn renewed(&self) -> Vec<i32> {
        self.renewals.keys().copied().collect()
    }

    /// Compares the checkpoints of a source with the claimed ones: another run may have taken them since.
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

    /// Moves a source forward in the generation that is being written, none of which counts yet.
    pub fn advance_renewal(&mut self, advance: &Advance, deltas: &Counts) -> Result<Vec<i32>> {
        let source = advance.split.source;
        let renewal = self.renewals.get_mut(&source).ok_or_else(lost_ownership)?;
        if renewal.checkpoint.position != advance.from {
            return Err(lost_ownership());
        }
        renewal.checkpoint.move_on(advance, deltas);
        self.note_refused(source, deltas)?;
        Ok(advance.completes.then_some(source).into_iter().collect())
    }

    /// Makes the new generation of each source count. That of a source without a file is empty and stays held
    /// until the source is forgotten, so a run that comes after this one finds nothing of it loaded. After an
    /// error, the sources before the failed one count already.
    pub fn end_renewals(&mut self) -> Result<()> {
        let held = self.renewals.keys().copied().collect::<Vec<_>>();
        held.iter().try_for_each(|source| self.fence_renewal(*source))?;
        self.ends_renewals = true;
        for (id, renewal) in &self.renewals {
            let mut checkpoint = renewal.checkpoint.clone();
            let source = SourceRecord { complete: checkpoint.complete, ..renewal.source.clone() };
            checkpoint.next = Some(Box::new(source));
            // A run that this one fenced may wake and write objects of the old generation.
            checkpoint.abandoned = self.left_behind(*id);
            self.with_abandoned().extend((!checkpoint.abandoned.is_empty()).then_some(Split::whole(*id)));
            let is_lost = renewal.anew.file.is_none();
            (checkpoint.owner, checkpoint.written_by) = (is_lost.then_some(self.run), self.run);
            let first = Split::whole(*id);
            let (_, version) = self.owned.get(&first).ok_or_else(lost_ownership)?;
            let moved = self.keys.set(&split_key(first), Some(version), &checkpoint)?;
            moved.ok_or_else(lost_ownership)?;
            failpoint::reached("half-moved");
            self.keys.move_on(*id)?;
            self.owned.retain(|split, _| split.source != *id);
            if is_lost && let Some(entry) = self.keys.get(&split_key(first))? {
                let record: CheckpointRecord = parse(&split_key(first), &entry)?;
                let is_ours = record.owner == Some(self.run);
                self.owned.extend(is_ours.then_some((first, (record, entry.version))));
            }
        }
        Ok(())
    }

    /// The sources that no longer have a file.
    pub fn without_file(&self) -> Vec<i32> {
        let lost = self.renewals.iter().filter(|(_, renewal)| renewal.anew.file.is_none());
        lost.map(|(id, _)| *id).collect()
    }

    /// Forgets a source that no longer has a file, unless the file has come back and another run has taken
    /// the source.
    pub fn forget_renewal(&mut self, source: i32) -> Result<()> {
        let Some(renewal) = self.renewals.get(&source) else { return Ok(()) };
        let first = Split::whole(source);
        let now = self.keys.get(&split_key(first))?.map(|entry| entry.version);
        if now.is_none() || now.as_ref() != self.owned.get(&first).map(|(_, version)| version) {
            return Ok(());
        }
        let letters = self.keys.letters()?;
        self.keys.forget_letters(&letters, source)?;
        self.keys.forget(source, &renewal.source)?;
        self.owned.retain(|split, _| split.source != source);
        Ok(())
    }

    /// What to tidy up of the reloaded sources, once they have moved.
    pub fn moved(&self) -> Vec<Untidy> {
        self.renewals.iter().map(|(id, renewal)| Untidy::of(*id, &renewal.source)).collect()
    }

    /// What to tidy up when the reload is abandoned; nothing once a source may have moved.
    pub fn given_up(&self) -> Vec<Untidy> {
        let all = self.renewals.iter().filter(|_| !self.ends_renewals);
        all.map(|(id, renewal)| Untidy { generation: renewal.before, ..Untidy::of(*id, &renewal.source) })
            .collect()
    }

    /// Stores the record of letters that were just written.
    pub fn note_letters(&self, id: &LettersId, (record, version): KnownLetters) -> Result<()> {
        let known = self.put_letters(id, record, version.as_ref())?;
        known.map(drop).ok_or_else(lost_ownership)
    }

    /// The untidy sources the claim has found on which no living run is at work.
    pub fn untidy(&self) -> &[Untidy] {
        &self.untidy
    }

    /// Records that a source has objects of its own generation only.
    pub fn mark_tidy(&self, of: &Untidy) -> Result<()> {
        let key = source_key(of.source);
        while let Some(entry) = self.keys.get(&key)? {
            let record: SourceRecord = parse(&key, &entry)?;
            let tidy = SourceRecord { is_untidy: false, begun_paths: Vec::new(), ..record.clone() };
            if !of.is_still(&record) || self.keys.set(&key, Some(&entry.version), &tidy)?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Whether the source has neither been tidied up since nor begun another generation. A run that claims a
    /// source marks it tidy before it writes anything more of it.
    pub fn is_still_untidy(store: Arc<dyn Store>, settings: Settings, of: &Untidy) -> Result<bool> {
        let (keys, key) = (Keys { store, settings }, source_key(of.source));
        let Some(entry) = keys.get(&key)? else { return Ok(false) };
        Ok(of.is_still(&parse(&key, &entry)?))
    }
}
