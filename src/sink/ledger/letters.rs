//! The fate of dead letters that lie in objects, in a store of keys and values.
//!
//! An object of letters never changes: a replay or a discard writes a successor of the object, and records
//! under `letters/{source}/{object}` which of the two holds. Like a range of a source, a succession is
//! recorded as open before its first object, with the run and the names of its objects. So of two concurrent
//! runs one is refused, and a run that follows a dead one writes the same objects, or removes them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::keys::{Keys, Settings};
use super::map::MapLedger;
use super::records::parse;
use super::store::{Store, Version};
use crate::error::{ErrorKind, Result};

/// The prefix of these keys.
const LETTERS: &str = "letters/";

/// An object of letters, identified by what all its successors have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LettersId {
    /// The source of the letters.
    pub source: i32,
    /// The common beginning of the names of the object and its successors, without their folder.
    pub stem: String,
}

impl LettersId {
    /// The generation it belongs to.
    pub(super) fn generation(&self) -> i32 {
        self.stem.rsplit_once("-g").and_then(|(_, generation)| generation.parse().ok()).unwrap_or(0)
    }

    fn key(&self) -> String {
        format!("{LETTERS}{}/{}", self.source, self.stem)
    }
}

/// The fate of the letters of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LettersRecord {
    /// Which object holds: the one written with the rows, or this successor of it.
    pub number: u32,
    /// How many of them became rows.
    pub replayed: i64,
    /// How many were discarded.
    pub discarded: i64,
    /// The succession in progress, or the one that a dead run left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Succession>,
    /// The name prefixes of abandoned objects, which a fenced run may still write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<String>,
    /// The name prefixes of objects that hold until their source is loaded anew, and that a fenced run may still
    /// write: two runs worked on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<String>,
    /// The name prefixes of objects that no longer hold and may still exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
}

/// A successor that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// Its number.
    pub number: u32,
    /// The run that writes it.
    pub run: i64,
    /// A hash of everything that determines its objects.
    pub what: String,
    /// When it was begun, in microseconds since 1970: the time its letters give as last seen.
    pub at_us: i64,
    /// The name prefixes of its objects.
    pub stems: Vec<String>,
    /// Another run worked on it before.
    #[serde(default)]
    pub is_shared: bool,
}

/// A record, with its version if the store has it.
pub type Known = (LettersRecord, Option<Version>);

/// The fate of the letters of all objects that a replay or a discard has touched.
#[derive(Debug, Default)]
pub struct AllLetters(HashMap<LettersId, Known>);

impl AllLetters {
    /// The fate of the letters of one object.
    pub fn of(&self, id: &LettersId) -> Known {
        self.0.get(id).cloned().unwrap_or_default()
    }

    /// How many letters of a source, in the generation that counts, became rows.
    pub fn replayed_of(&self, source: i32, generation: i32) -> i64 {
        self.of_source(source, generation).map(|record| record.replayed).sum()
    }

    /// How many of them are no longer open.
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

    /// The fate of the letters of an object.
    pub(super) fn letters_of(&self, id: &LettersId) -> Result<Known> {
        let key = id.key();
        let Some(entry) = self.get(&key)? else { return Ok(Known::default()) };
        Ok((parse(&key, &entry)?, Some(entry.version)))
    }

    /// Refuses to forget sources whose letters a living run is replaying or discarding.
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

    /// Forgets the fate of a source's letters.
    pub(super) fn forget_letters(&self, letters: &AllLetters, source: i32) -> Result<()> {
        for (id, (_, version)) in letters.iter().filter(|(id, _)| id.source == source) {
            self.put(&id.key(), version.as_ref(), None)?;
        }
        Ok(())
    }
}

impl MapLedger {
    /// The fate of all letters. Writes nothing.
    pub fn letters(store: Arc<dyn Store>, settings: Settings) -> Result<AllLetters> {
        Keys { store, settings }.letters()
    }

    /// Records that a successor is being written, before its first object; `stems` returns the name prefixes
    /// of its objects, by its number. A succession that a dead run began is resumed if everything is the
    /// same, and abandoned otherwise. `None` if another run was faster, or has reloaded the source.
    pub fn open_letters(
        &self,
        id: &LettersId,
        (known, version): &Known,
        what: &str,
        stems: &dyn Fn(u32) -> Vec<String>,
    ) -> Result<Option<Known>> {
        let (mut record, mut is_shared) = (known.clone(), false);
        let (mut number, mut at_us) = (record.number + 1, chrono::Utc::now().timestamp_micros());
        if let Some(open) = record.open.take() {
            if open.run != self.run && self.lives(open.run)? {
                return Err(is_at_it(id, open.run));
            }
            match open.what == what {
                true => {
                    (number, at_us) = (open.number, open.at_us);
                    is_shared = open.is_shared || open.run != self.run;
                }
                false => {
                    number = open.number + 1;
                    record.abandoned.extend(open.stems);
                }
            }
        }
        let (run, what, stems) = (self.run, what.to_owned(), stems(number));
        record.open = Some(Succession { number, run, what, at_us, stems, is_shared });
        let Some(opened) = self.put_letters(id, record, version.as_ref())? else { return Ok(None) };
        Ok(self.stays(id)?.then_some(opened))
    }

    /// Makes the successor that was being written hold, in place of the object before it.
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
        record.shared.extend(open.stems.into_iter().filter(|_| open.is_shared));
        self.put_letters(id, record, version.as_ref())
    }

    /// Records that the objects that no longer hold are gone.
    pub fn tidy_letters(&self, id: &LettersId, (known, version): &Known) -> Result<Option<Known>> {
        let record = LettersRecord { gone: Vec::new(), ..known.clone() };
        self.put_letters(id, record, version.as_ref())
    }

    /// How the names of objects begin that a run which was fenced may have written once more, where they are of a
    /// generation that is gone.
    pub fn written_once_more<'r>(&self, id: &LettersId, (known, _): &'r Known) -> Result<&'r [String]> {
        match known.shared.is_empty() || self.holds(id)? {
            true => Ok(&[]),
            false => Ok(&known.shared),
        }
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

/// The error when a living run has begun a successor.
pub(super) fn is_at_it(id: &LettersId, run: i64) -> crate::error::Error {
    ErrorKind::Held {
        source_name: format!("dead letters of {}", id.stem),
        holder: format!("run {run} (its heart beats)"),
        then: "; it tries them again or discards them: wait until it ends, and run the same command again",
    }
    .into()
}
