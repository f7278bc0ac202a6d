//! The dead letters beside the records: each is compared with the bytes of its record, and determines whether
//! there must be a row, and from which bytes.

use std::borrow::Cow;

use super::kept::{HeldLetter, Kept, LetterState, Place};
use super::{DifferenceKind, Expected, KEYS_MAX, Keyed, Met, Verifier, source};
use crate::error::Result;

impl<K: Kept> Verifier<K> {
    /// The letter of a record; the letters before it have no record.
    pub(super) fn letter_at(&mut self, place: Place) -> Result<Option<HeldLetter>> {
        while let Some(at) = self.letters.peek(&mut self.kept)?.filter(|at| *at <= place) {
            let letter = self.letters.take();
            self.count(&letter);
            if at == place {
                return Ok(Some(letter));
            }
            self.extra_letter(&letter);
        }
        Ok(None)
    }

    /// The letters after the last record.
    pub(super) fn letters_left(&mut self) -> Result<()> {
        while self.letters.peek(&mut self.kept)?.is_some() {
            let letter = self.letters.take();
            self.count(&letter);
            self.extra_letter(&letter);
        }
        Ok(())
    }

    fn count(&mut self, letter: &HeldLetter) {
        if let Some(read) = self.sources.get_mut(&letter.place.source)
            && read.concerns(letter.place)
        {
            read.table.dead_letters += u64::from(letter.state != LetterState::Replayed);
            read.table.open_dead_letters += u64::from(letter.state == LetterState::Open);
        }
    }

    fn extra_letter(&mut self, letter: &HeldLetter) {
        let (kind, place, line) = (DifferenceKind::ExtraLetter, letter.place, Some(letter.line));
        match self.sources.get_mut(&place.source) {
            Some(read) if !read.has_read(place) => {}
            Some(read) => self.differences.add(read.difference(kind, place, line)),
            None => self.differences.add(source::of_nobody(kind, place, line)),
        }
    }

    /// What must be in the place of a record that has a letter.
    pub(super) fn beside<'b>(&mut self, met: &Met<'b>, letter: &HeldLetter) -> Result<Expected<'b>> {
        let (place, line) = (met.place(), Some(met.line));
        let is_replayed = letter.state == LetterState::Replayed;
        if let Some(row) = met.row
            && !is_replayed
            && !letter.is_of_server
        {
            let extra = self.read(place).difference(DifferenceKind::ExtraLetter, place, line);
            self.differences.add(extra);
            return Ok(Expected::Row(row.into()));
        }
        let mut is_changed = !letter.holds(&met.evidence()?);
        let expected = match is_replayed {
            false => Expected::NoRow,
            true if letter.is_by_other_rules(self.rules) => {
                self.read(place).by_other_rules += 1;
                Expected::AnyRow
            }
            true => {
                self.read(place).table.mended += u64::from(letter.fixed.is_some());
                let row = match letter.fixed {
                    Some(_) => self.mended.row(letter).map(Cow::Owned),
                    None => met.row.map(Cow::Borrowed),
                };
                // None of the bytes that the letter holds can have become the row it claims.
                is_changed |= row.is_none();
                row.map_or(Expected::AnyRow, Expected::Row)
            }
        };
        if is_changed {
            let changed = self.read(place).difference(DifferenceKind::ChangedLetter, place, line);
            self.differences.add(changed);
        }
        Ok(expected)
    }

    /// Searches the mended bytes, which are in no file, for what the rows hold.
    pub(super) fn look_among_mended(&mut self) -> Result<()> {
        let mut asked: Vec<Keyed<'_>> = Vec::new();
        while self.letters.peek(&mut self.kept)?.is_some() {
            let letter = self.letters.take();
            if letter.state != LetterState::Replayed || letter.is_by_other_rules(self.rules) {
                continue;
            }
            let Some(row) = self.mended.row(&letter) else { continue };
            if self.asides.wants(self.kept.key_hash(&row), self.kept.equates_keys()) {
                asked.push(Keyed { place: letter.place, line: letter.line, row: row.into() });
            }
            if asked.len() == KEYS_MAX {
                self.rows_of_keys(&std::mem::take(&mut asked))?;
            }
        }
        self.rows_of_keys(&asked)
    }
}
