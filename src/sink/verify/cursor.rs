//! Reads what a destination holds in the order of places, with little of it in memory at a time.

use std::collections::VecDeque;

use super::kept::{HeldLetter, HeldRows, Kept, Place};
use crate::error::{Error, Result};

/// The rows.
#[derive(Debug, Default)]
pub(super) struct RowCursor {
    rows: HeldRows,
    next: usize,
    last: Option<Place>,
    has_ended: bool,
}

impl RowCursor {
    /// The place of the next row.
    pub(super) fn peek<K: Kept>(&mut self, kept: &mut K) -> Result<Option<Place>> {
        if self.next == self.rows.ends.len() && !self.has_ended {
            self.rows.bytes.clear();
            self.rows.ends.clear();
            self.next = 0;
            kept.more_rows(&mut self.rows)?;
            self.has_ended = self.rows.ends.is_empty();
        }
        let place = self.rows.ends.get(self.next).map(|(place, _)| *place);
        if place < self.last && place.is_some() {
            return Err(Error::broken("the destination gave rows out of their order"));
        }
        Ok(place)
    }

    /// Takes the next row, after a peek.
    pub(super) fn take(&mut self) -> &[u8] {
        let row = self.next;
        self.last = Some(self.rows.ends[row].0);
        self.next += 1;
        self.rows.row(row)
    }
}

/// The dead letters.
#[derive(Debug)]
pub(super) struct LetterCursor {
    sources: Vec<i32>,
    reads_strays: bool,
    letters: VecDeque<HeldLetter>,
    last: Place,
    has_ended: bool,
}

impl LetterCursor {
    /// The letters of some sources and, if asked for, those that belong to no source.
    pub(super) fn of(sources: Vec<i32>, reads_strays: bool) -> LetterCursor {
        let before_all = Place { source: i32::MIN, offset: i64::MIN };
        LetterCursor { sources, reads_strays, letters: VecDeque::new(), last: before_all, has_ended: false }
    }

    /// The place of the next letter.
    pub(super) fn peek<K: Kept>(&mut self, kept: &mut K) -> Result<Option<Place>> {
        if self.letters.is_empty() && !self.has_ended {
            self.letters.extend(kept.letters_behind(&self.sources, self.reads_strays, self.last)?);
            self.has_ended = self.letters.is_empty();
        }
        Ok(self.letters.front().map(|letter| letter.place))
    }

    /// Takes the next letter, after a peek.
    pub(super) fn take(&mut self) -> HeldLetter {
        let letter = self.letters.pop_front().expect("it was peeked at");
        self.last = letter.place;
        letter
    }
}
