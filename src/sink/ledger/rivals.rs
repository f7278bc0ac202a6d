//! A rebuild of a source, and its rivals: runs that replay or discard its letters, and the load that tidies
//! up.
//!
//! A store cannot change two keys at once. So each side first records that it is at work, and then looks for
//! the other: a rebuild in its source's record, a replay in the record of the letters. Of two living runs at
//! least one sees the other, and leaves. What a dead run has begun is taken from it: the value that its last
//! move expects changes, so if the run wakes, it moves nothing.

use std::sync::{Arc, PoisonError};

use super::keys::{Keys, Settings};
use super::letters::{Known, LettersId, Succession, is_at_it};
use super::map::MapLedger;
use super::records::{CheckpointRecord, SourceRecord, parse, source_key, split_key};
use super::renewal::Hold;
use super::store::Store;
use crate::error::{ErrorKind, Result};
use crate::split::Split;

/// What a rebuild records as its succession of letters: it writes none.
const REBUILD: &str = "rebuild";

impl Keys {
    /// A source and its first split, as moved. The split is read first, so a rebuild that held it then and
    /// has moved since shows in the source.
    fn standing(&self, source: i32) -> Result<Option<(SourceRecord, Hold)>> {
        let (first, of) = (Split::whole(source), source_key(source));
        let Some(held) = self.get(&split_key(first))? else { return Ok(None) };
        let checkpoint: CheckpointRecord = parse(&split_key(first), &held)?;
        let Some(entry) = self.get(&of)? else { return Ok(None) };
        let source = match &checkpoint.next {
            Some(next) => (**next).clone(),
            None => parse(&of, &entry)?,
        };
        Ok(Some((source, (first, checkpoint, held.version))))
    }
}

impl MapLedger {
    /// Which object of letters holds now. `None` if their source was reloaded or forgotten.
    pub fn letters_now(store: Arc<dyn Store>, settings: Settings, id: &LettersId) -> Result<Option<u32>> {
        let keys = Keys { store, settings };
        let (record, _) = keys.letters_of(id)?;
        let standing = keys.standing(id.source)?;
        Ok(standing.filter(|(source, _)| source.generation == id.generation()).map(|_| record.number))
    }

    /// Whether another run lives. A run that was found dead stays so: finding out takes a lease.
    pub(super) fn lives(&self, run: i64) -> Result<bool> {
        let dead = || self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = dead().contains(&run);
        if is_known {
            return Ok(false);
        }
        let lives = self.keys.lives(run)?;
        if !lives {
            dead().insert(run);
        }
        Ok(lives)
    }

    /// Whether letters belong to the generation that counts.
    pub(super) fn holds(&self, id: &LettersId) -> Result<bool> {
        let standing = self.keys.standing(id.source)?;
        Ok(standing.is_some_and(|(source, _)| source.generation == id.generation()))
    }

    /// Whether letters whose successor was just recorded as open belong to the generation that counts, and
    /// will until the successor holds. Refused while a living run reloads their source.
    pub(super) fn stays(&self, id: &LettersId) -> Result<bool> {
        loop {
            let Some((source, first)) = self.keys.standing(id.source)? else { return Ok(false) };
            if source.generation != id.generation() {
                return Ok(false);
            }
            let is_renewed = source.is_untidy && source.begun > source.generation;
            let Some(run) = first.1.owner.filter(|owner| is_renewed && *owner != self.run) else {
                return Ok(true);
            };
            if self.lives(run)? {
                return Err(ErrorKind::Held {
                    source_name: format!("dead letters of {}", id.stem),
                    holder: format!("run {run} (its heart beats)"),
                    then: "; it is rebuilding their source: wait until it ends, and run the same command again",
                }
                .into());
            }
            // Whether or not another run was faster, the next read decides.
            self.keys.take_from_dead(&[first])?;
        }
    }

    /// Closes what dead runs have begun with letters of the reloaded sources. Refused while one of them
    /// lives.
    pub(super) fn close_letters(&self) -> Result<()> {
        if self.renewals.is_empty() {
            return Ok(());
        }
        let all = self.keys.letters()?;
        let mut own = all.iter().filter(|(id, _)| self.renewals.contains_key(&id.source));
        own.try_for_each(|(id, known)| self.close(id, known.clone()))
    }

    fn close(&self, id: &LettersId, mut known: Known) -> Result<()> {
        loop {
            let (mut record, version) = known;
            let Some(open) = record.open.take().filter(|open| open.run != self.run) else { return Ok(()) };
            if self.lives(open.run)? {
                return Err(is_at_it(id, open.run));
            }
            // It gets a number of its own: none is assigned twice.
            let (number, at_us) = (open.number + 1, chrono::Utc::now().timestamp_micros());
            let what = REBUILD.to_owned();
            record.abandoned.extend(open.stems);
            let (run, stems) = (self.run, Vec::new());
            record.open = Some(Succession { number, run, what, at_us, stems, is_shared: false });
            if self.put_letters(id, record, version.as_ref())?.is_some() {
                return Ok(());
            }
            known = self.keys.letters_of(id)?;
        }
    }
}
