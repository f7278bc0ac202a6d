//! The outbox: the dead letters to be delivered elsewhere too, and the marks of delivered ones.
//!
//! The table stays the truth, and delivery follows it: a letter is *due* while it is open and unmarked. It is
//! marked once its receiver has acknowledged it. A crash in between can send it twice, but never loses it.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use super::history::Line;
use crate::error::Result;

/// The dead letters of a job in one table, as delivery sees them.
pub trait Outbox {
    /// The table, under the name that its sources have in the ledger.
    fn table(&mut self) -> Result<String>;

    /// How many letters are due.
    fn due(&mut self) -> Result<u64>;

    /// The next due letters after the one with the id `after`, ordered by id. Their records hold at most
    /// `PAGE_BYTES` in memory, or are one record that is longer.
    fn next_due(&mut self, after: i64) -> Result<Vec<Outgoing>>;

    /// The stretches of sources that have due letters.
    fn due_stretches(&mut self) -> Result<Vec<Stretch>>;

    /// Visits all letters of a stretch, whatever their state, in the order of the source. Stops at the first
    /// error of `visit`.
    fn letters_of(&mut self, stretch: Stretch, visit: &mut dyn FnMut(Outgoing) -> Result<()>) -> Result<()>;

    /// Marks letters as delivered. A letter that was retried since it was read has changed, and stays due.
    fn mark(&mut self, delivered: &Delivered) -> Result<()>;
}

/// At most this many letters are read at once.
pub(super) const PAGE_LETTERS: i64 = 1_000;

/// At most this many bytes of records are read at once.
pub(super) const PAGE_BYTES: i64 = 1 << 20;

/// A part of a source, the same for every delivery: the `number`th of `Stretch::BYTES` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The id of the source.
    pub source_id: i32,
    /// Which part, counted from zero.
    pub number: i64,
}

impl Stretch {
    /// How many bytes of a source a stretch covers.
    pub const BYTES: i64 = 64 << 20;

    /// The offset of its first byte, and of the first byte after it.
    pub(super) fn offsets(self) -> (i64, i64) {
        let start = self.number * Stretch::BYTES;
        (start, start + Stretch::BYTES)
    }
}

/// A dead letter to be delivered.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its id in the table.
    pub id: i64,
    /// The id of its source.
    pub source_id: i32,
    /// The name of its source.
    pub source: String,
    /// The data date of its source.
    pub data_date: Option<NaiveDate>,
    /// How often its source had been rebuilt before.
    pub generation: i64,
    /// The offset of its record.
    pub offset: u64,
    /// The line of its record.
    pub line: Line,
    /// Bytes of its record.
    pub length: u64,
    /// The record, unless it was too long.
    pub raw: Option<Vec<u8>>,
    /// BLAKE3 of the record, if it was too long.
    pub raw_hash: Option<Vec<u8>>,
    /// The record as a person has mended it; the reasons are about this one.
    pub fixed: Option<Vec<u8>>,
    /// The step that refused it.
    pub stage: String,
    /// The reasons, as a JSON list.
    pub reasons: Value,
    /// Its state.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first seen.
    pub first_seen: DateTime<Utc>,
    /// It is open and unmarked.
    pub is_due: bool,
}

/// Delivered letters. Millions of them are a few runs, because ids ascend with the places of records.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    runs: Vec<Run>,
}

/// Letters with consecutive ids and the same number of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) attempts: i32,
}

impl Delivered {
    /// Adds a letter, unless it is not to be marked.
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

    /// How many letters there are.
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
