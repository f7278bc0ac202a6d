//! The outbox: the dead letters that are to be delivered elsewhere too, and the marks of those that
//! were.
//!
//! The table stays the truth, and delivery comes behind it: a letter is *due* while it is open and
//! unmarked. It is marked once whoever takes it has acknowledged it, so a crash in between lets it be
//! sent again, and never lets it be lost.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use super::history::Line;
use crate::error::Result;

/// The dead letters of a job in one table, as those who deliver them see them.
pub trait Outbox {
    /// The table, by the name under which its sources are remembered.
    fn table(&mut self) -> Result<String>;

    /// How many letters are due.
    fn due(&mut self) -> Result<u64>;

    /// The due letters behind the one with the id `after`, by their ids: the next few, so that no more
    /// than `PAGE_BYTES` of records are in memory, or one that is longer.
    fn next_due(&mut self, after: i64) -> Result<Vec<Outgoing>>;

    /// The stretches of sources in which letters are due.
    fn due_stretches(&mut self) -> Result<Vec<Stretch>>;

    /// Visits all letters of a stretch, whatever their state, in the order of the source. Stops at
    /// the first that `visit` fails at.
    fn letters_of(&mut self, stretch: Stretch, visit: &mut dyn FnMut(Outgoing) -> Result<()>) -> Result<()>;

    /// Marks letters as delivered. One that was tried again since it was read is another by now, and
    /// stays due.
    fn mark(&mut self, delivered: &Delivered) -> Result<()>;
}

/// So many letters are read at once, at most.
pub(super) const PAGE_LETTERS: i64 = 1_000;

/// So many bytes of records are read at once, at most.
pub(super) const PAGE_BYTES: i64 = 1 << 20;

/// A part of a source, the same whoever delivers it: the `number`th of `Stretch::BYTES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The id of the source.
    pub source_id: i32,
    /// Which part, counted from zero.
    pub number: i64,
}

impl Stretch {
    /// How many bytes of a source it has.
    pub const BYTES: i64 = 64 << 20;

    /// The offset of its first byte, and of the first behind it.
    pub(super) fn offsets(self) -> (i64, i64) {
        let start = self.number * Stretch::BYTES;
        (start, start + Stretch::BYTES)
    }
}

/// A dead letter on its way.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its id in the table.
    pub id: i64,
    /// The id of its source,
    pub source_id: i32,
    /// and its name.
    pub source: String,
    /// The day that the source belongs to.
    pub data_date: Option<NaiveDate>,
    /// How often its source was rebuilt before.
    pub generation: i64,
    /// The offset of its record.
    pub offset: u64,
    /// Where it stands.
    pub line: Line,
    /// Bytes of its record.
    pub length: u64,
    /// The record, unless it was too long.
    pub raw: Option<Vec<u8>>,
    /// BLAKE3 of the record, where it was too long.
    pub raw_hash: Option<Vec<u8>>,
    /// The record as a person has mended it: the reasons are about that.
    pub fixed: Option<Vec<u8>>,
    /// The step that refused it.
    pub stage: String,
    /// The reasons, as a list.
    pub reasons: Value,
    /// What became of it.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
    /// It is open and unmarked.
    pub is_due: bool,
}

/// Letters that have arrived. Millions of them are few runs: ids ascend with the places of records.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    runs: Vec<Run>,
}

/// Letters with ids one behind the other, which were tried as often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) attempts: i32,
}

impl Delivered {
    /// Adds a letter, if it is to be marked at all.
    pub fn add(&mut self, letter: &Outgoing) {
        if !letter.is_due {
            return;
        }
        let (id, attempts) = (letter.id, letter.attempts);
        match self.runs.last_mut() {
            Some(run) if run.last + 1 == id && run.attempts == attempts => run.last = id,
            _ => self.runs.push(Run { first: id, last: id, attempts }),
        }
    }

    /// How many they are.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.last.abs_diff(run.first) + 1).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }
}

/// Whether a dead letter `d` is due.
pub(super) const IS_DUE: &str = "d.state = 'open' AND d.delivered_at IS NULL";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_one_behind_the_other_are_one_run() {
        let letter = |id, attempts, is_due| Outgoing {
            id,
            source_id: 1,
            source: String::new(),
            data_date: None,
            generation: 0,
            offset: 0,
            line: Line::of(1, 0, Some(0)),
            length: 0,
            raw: None,
            raw_hash: None,
            fixed: None,
            stage: String::new(),
            reasons: Value::Null,
            state: "open".to_owned(),
            attempts,
            first_seen: DateTime::default(),
            is_due,
        };
        let mut delivered = Delivered::default();
        assert!(delivered.is_empty());
        for (id, attempts, is_due) in [
            (1, 1, true),
            (2, 1, true),
            (3, 2, true),
            (4, 2, false),
            (5, 2, true),
            (9, 1, true),
            (6, 1, true),
        ] {
            delivered.add(&letter(id, attempts, is_due));
        }
        let runs: Vec<_> = delivered.runs().iter().map(|run| (run.first, run.last, run.attempts)).collect();
        assert_eq!(runs, [(1, 2, 1), (3, 3, 2), (5, 5, 2), (9, 9, 1), (6, 6, 1)]);
        assert_eq!(delivered.len(), 6);
    }

    #[test]
    fn a_stretch_begins_where_the_one_before_ends() {
        let stretch = |number| Stretch { source_id: 1, number }.offsets();
        assert_eq!(stretch(0), (0, 64 << 20));
        assert_eq!(stretch(1), (64 << 20, 128 << 20));
    }
}
