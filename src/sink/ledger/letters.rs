//! What became of dead letters that lie in objects, in a store of keys and values.
//!
//! An object of letters is never changed: whoever tries letters again, or discards them, writes a successor of their
//! object, and says under `letters/{source}/{object}` which of the two holds. Before the first object of such a
//! succession it is taken down as open, with who is at it and how its objects are called, just as a range of a source is: so
//! of two at once one is refused, and whoever comes after one that died writes the same objects, or removes them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::keys::{Keys, Settings};
use super::map::MapLedger;
use super::records::parse;
use super::store::{Store, Version};
use crate::error::{ErrorKind, Result};

/// Where these values are.
const LETTERS: &str = "letters/";

/// An object of letters, by what all its successors have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LettersId {
    /// Their source.
    pub source: i32,
    /// How the names of the object and its successors begin, without their folder.
    pub stem: String,
}

impl LettersId {
    /// The generation that it is of.
    pub(super) fn generation(&self) -> i32 {
        self.stem.rsplit_once("-g").and_then(|(_, generation)| generation.parse().ok()).unwrap_or(0)
    }

    fn key(&self) -> String {
        format!("{LETTERS}{}/{}", self.source, self.stem)
    }
}

/// What became of the letters of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LettersRecord {
    /// Which object holds: the one that was written with the rows, or this successor of it.
    pub number: u32,
    /// How many of them became rows,
    pub replayed: i64,
    /// and how many nobody wants.
    pub discarded: i64,
    /// The succession that is under way, or was when its run died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Succession>,
    /// How the names of objects begin that were given up, and that a run which was fenced may still write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<String>,
    /// How the names of objects begin that hold no more, and may still be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
}

/// A successor that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// Its number.
    pub number: u32,
    /// Who is at it.
    pub run: i64,
    /// All that decides its objects, as a hash.
    pub what: String,
    /// When it was begun, in microseconds since 1970: what its letters say of when they were last seen.
    pub at_us: i64,
    /// How the names of its objects begin.
    pub stems: Vec<String>,
}

/// A record, and its version if it stands in the store.
pub type Known = (LettersRecord, Option<Version>);

/// What became of the letters of all objects of which any were tried again or discarded.
#[derive(Debug, Default)]
pub struct AllLetters(HashMap<LettersId, Known>);

impl AllLetters {
    /// What became of those of an object.
    pub fn of(&self, id: &LettersId) -> Known {
        self.0.get(id).cloned().unwrap_or_default()
    }

    /// How many letters of a source, in the generation that counts, became rows.
    pub fn replayed_of(&self, source: i32, generation: i32) -> i64 {
        self.of_source(source, generation).map(|record| record.replayed).sum()
    }

    /// How many of them are not open any more.
    pub fn closed_of(&self, source: i32, generation: i32) -> i64 {
        self.of_source(source, generation).map(|record| record.replayed + record.discarded).sum()
    }

    fn of_source(&self, source: i32, generation: i32) -> impl Iterator<Item = &LettersRecord> {
        let own = self.0.iter().filter(move |(id, _)| (id.source, id.generation()) == (source, generation));
        own.map(|(_, (record, _))| record)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its object.
    pub fn iter(&self) -> impl Iterator<Item = (&LettersId, &Known)> {
        self.0.iter()
    }
}

impl Keys {
    pub(super) fn letters(&self) -> Result<AllLetters> {
        let mut all = HashMap::new();
        for (key, entry) in self.list(LETTERS)? {
            let Some((source, stem)) = key[LETTERS.len()..].split_once('/') else { continue };
            let Ok(source) = source.parse() else { continue };
            all.insert(
                LettersId { source, stem: stem.to_owned() },
                (parse(&key, &entry)?, Some(entry.version)),
            );
        }
        Ok(AllLetters(all))
    }

    /// What became of those of an object.
    pub(super) fn letters_of(&self, id: &LettersId) -> Result<Known> {
        let key = id.key();
        let Some(entry) = self.get(&key)? else { return Ok(Known::default()) };
        Ok((parse(&key, &entry)?, Some(entry.version)))
    }

    /// Refuses to forget sources of which a living run tries letters again or discards them.
    pub(super) fn refuse_open_letters(&self, letters: &AllLetters, sources: &[i32]) -> Result<()> {
        let of_sources = letters.iter().filter(|(id, _)| sources.contains(&id.source));
        for (id, (record, _)) in of_sources {
            if let Some(open) = &record.open
                && self.lives(open.run)?
            {
                return Err(is_at_it(id, open.run));
            }
        }
        Ok(())
    }

    /// Forgets what became of the letters of a source.
    pub(super) fn forget_letters(&self, letters: &AllLetters, source: i32) -> Result<()> {
        for (id, (_, version)) in letters.iter().filter(|(id, _)| id.source == source) {
            self.put(&id.key(), version.as_ref(), None)?;
        }
        Ok(())
    }
}

impl MapLedger {
    /// What became of letters. Nothing is written.
    pub fn letters(store: Arc<dyn Store>, settings: Settings) -> Result<AllLetters> {
        Keys { store, settings }.letters()
    }

    /// Takes down that a successor is being written, before its first object; `stems` says how the names of its objects
    /// begin, by its number. One that was begun by a run that died is gone on with if all is the same, and else given
    /// up. `None` if somebody has been faster, or has loaded their source anew.
    pub fn open_letters(
        &self,
        id: &LettersId,
        (known, version): &Known,
        what: &str,
        stems: &dyn Fn(u32) -> Vec<String>,
    ) -> Result<Option<Known>> {
        let mut record = known.clone();
        let (mut number, mut at_us) = (record.number + 1, chrono::Utc::now().timestamp_micros());
        if let Some(open) = record.open.take() {
            if open.run != self.run && self.lives(open.run)? {
                return Err(is_at_it(id, open.run));
            }
            match open.what == what {
                true => (number, at_us) = (open.number, open.at_us),
                false => {
                    number = open.number + 1;
                    record.abandoned.extend(open.stems);
                }
            }
        }
        let (run, what, stems) = (self.run, what.to_owned(), stems(number));
        record.open = Some(Succession { number, run, what, at_us, stems });
        let Some(opened) = self.put_letters(id, record, version.as_ref())? else { return Ok(None) };
        Ok(self.stays(id)?.then_some(opened))
    }

    /// Says that the successor holds which was being written; the object before it does not any more.
    pub fn move_letters(
        &self,
        id: &LettersId,
        (known, version): &Known,
        (replayed, discarded): (i64, i64),
        predecessor: String,
    ) -> Result<Option<Known>> {
        let mut record = known.clone();
        let Some(open) = record.open.take() else { return Ok(None) };
        record.number = open.number;
        record.replayed += replayed;
        record.discarded += discarded;
        record.gone.push(predecessor);
        self.put_letters(id, record, version.as_ref())
    }

    /// Says that what holds no more is not there any more.
    pub fn tidy_letters(&self, id: &LettersId, (known, version): &Known) -> Result<Option<Known>> {
        let record = LettersRecord { gone: Vec::new(), ..known.clone() };
        self.put_letters(id, record, version.as_ref())
    }

    pub(super) fn put_letters(
        &self,
        id: &LettersId,
        record: LettersRecord,
        expected: Option<&Version>,
    ) -> Result<Option<Known>> {
        let version = self.keys.set(&id.key(), expected, &record)?;
        Ok(version.map(|version| (record, Some(version))))
    }
}

/// What is said where a living run has begun a successor.
pub(super) fn is_at_it(id: &LettersId, run: i64) -> crate::error::Error {
    ErrorKind::Held {
        source_name: format!("dead letters of {}", id.stem),
        holder: format!("run {run} (its heart beats)"),
        then: "; it tries them again or discards them: wait for it, and run again",
    }
    .into()
}
