//! Inference: the schema that a person would have written for these records.
//!
//! [`Seen`] is shown every value of every record, so what it proposes holds for all that was
//! read, and only the rest of the world can prove it wrong. It proposes little: what JSON
//! says by itself (integers, doubles, truth values), texts that are all of one well-known
//! form (points in time, days, UUIDs, addresses), and text and JSON for everything else. A
//! guess that a later value breaks makes dead letters, and text takes every text.
//!
//! So it never proposes an enum (the next value of a set that was closed so far would be a
//! dead letter; the note names the values instead), never takes an integer for an epoch or a
//! text for a number, and keeps objects and lists as JSON, whole: columns made of members
//! would lose the members that come later.
//!
//! Nothing depends on the order in which records are shown, so many workers can look at a
//! file at once and [`Seen::merge`] what they saw.

mod key;
mod looks;
mod name;
mod text;

use std::collections::HashMap;

use bumpalo::Bump;

use crate::format::{Malformed, Record};
use crate::reject::Code;
use crate::schema::Field;

use key::Key;
pub use looks::{Looks, look};
use name::Names;
pub use name::{job_name, job_name_of_directory, table_name};

/// What was seen in the records so far.
#[derive(Debug, Default)]
pub struct Seen {
    records: u64,
    malformed: u64,
    first_malformed: Option<(Spot, Code, &'static str)>,
    /// In the order in which this worker met them.
    keys: Vec<Key>,
    by_name: HashMap<Box<str>, usize>,
    /// Members whose keys were too many to be told apart.
    untold: u64,
}

/// Where a record stands among those that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The file, by number.
    pub file: usize,
    /// The offset of the record in it.
    pub offset: u64,
}

/// A field that is proposed.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// The field.
    pub field: Field,
    /// What it was inferred from, in a few words; may be empty.
    pub note: String,
}

/// What a job could say.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The fields, in the order in which the files have their keys.
    pub fields: Vec<Inferred>,
    /// How many records they were inferred from.
    pub records: u64,
    /// How many records are no JSON objects.
    pub malformed: u64,
    /// The first of those, and what it is.
    pub first_malformed: Option<(Spot, Code, &'static str)>,
    /// How many keys have no field, because they are too many.
    pub left_out: u64,
}

/// More keys than this are not told apart: a file that has them has data for keys.
const KEYS_MAX: usize = 4_096;

/// More columns than this nobody wants, and not every destination can have.
const FIELDS_MAX: usize = 500;

impl Seen {
    /// Looks at a record, which is an object.
    pub fn record(&mut self, spot: Spot, record: &Record<'_>, arena: &Bump) {
        self.records += 1;
        // Logs repeat their keys in the same order.
        let mut guess = 0;
        for (number, (name, value)) in record.root().members().enumerate() {
            let index = match self.keys.get(guess) {
                Some(key) if key.is_called(name) => Some(guess),
                _ => self.find(name, spot, number),
            };
            let Some(index) = index else {
                self.untold += 1;
                continue;
            };
            self.keys[index].see(spot, value, arena);
            guess = index + 1;
        }
    }

    /// Looks at a record that is no JSON object.
    pub fn malformed(&mut self, spot: Spot, malformed: &Malformed) {
        self.malformed += 1;
        let first = (spot, malformed.code, malformed.what);
        if self.first_malformed.is_none_or(|(known, ..)| spot < known) {
            self.first_malformed = Some(first);
        }
    }

    fn find(&mut self, name: &str, spot: Spot, number: usize) -> Option<usize> {
        if let Some(&index) = self.by_name.get(name) {
            return Some(index);
        }
        (self.keys.len() < KEYS_MAX).then(|| self.add(Key::new(name, spot, number)))
    }

    fn add(&mut self, key: Key) -> usize {
        self.by_name.insert(key.name().into(), self.keys.len());
        self.keys.push(key);
        self.keys.len() - 1
    }

    /// What both have seen.
    pub fn merge(mut self, other: Seen) -> Seen {
        self.records += other.records;
        self.malformed += other.malformed;
        self.untold += other.untold;
        self.first_malformed = match (self.first_malformed, other.first_malformed) {
            (Some(one), Some(other)) => Some(if one.0 <= other.0 { one } else { other }),
            (one, other) => one.or(other),
        };
        for key in other.keys {
            match self.by_name.get(key.name()) {
                Some(&index) => self.keys[index].merge(key),
                None if self.keys.len() < KEYS_MAX => {
                    self.add(key);
                }
                None => self.untold += key.count(),
            }
        }
        self
    }

    /// How many records were seen.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The fields that all these records have.
    pub fn propose(mut self) -> Proposal {
        // The most frequent ones, if they are too many, in the order of the files.
        self.keys.sort_by_key(|key| (std::cmp::Reverse(key.count()), key.first()));
        let left_out = self.keys.len().saturating_sub(FIELDS_MAX) as u64 + u64::from(self.untold > 0);
        self.keys.truncate(FIELDS_MAX);
        self.keys.sort_by_key(Key::first);
        let mut names = Names::default();
        let records = self.records;
        let fields = self.keys.into_iter().map(|key| {
            let name = names.column(key.name());
            key.propose(name, records)
        });
        Proposal {
            fields: fields.collect(),
            records,
            malformed: self.malformed,
            first_malformed: self.first_malformed,
            left_out,
        }
    }
}

/// The range that holds both.
fn widen<T: PartialOrd>(range: Option<(T, T)>, (low, high): (T, T)) -> Option<(T, T)> {
    Some(match range {
        Some((least, greatest)) => {
            (if low < least { low } else { least }, if high > greatest { high } else { greatest })
        }
        None => (low, high),
    })
}

#[cfg(test)]
mod tests;
