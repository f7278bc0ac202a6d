//! Verifying: what the sources hold, held against what a destination keeps.
//!
//! The sources are read again up to their checkpoints, by the planner and the workers of a load, and
//! here, where a load would commit, their records are compared: with the rows and the dead letters
//! of their places, which come from the destination in the same order, or with the rows of their
//! keys. No counter of ours is believed, and nothing is written.

mod aside;
mod cursor;
mod found;
mod kept;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;

use aside::{Aside, Asides};
use cursor::{LetterCursor, RowCursor};
pub use found::{
    Difference, DifferenceCounts, DifferenceKind, Differences, InFile, InTable, NotLoaded, NotVerifiable,
    Verified, VerifiedSource,
};
pub(super) use kept::{HeldLetter, HeldRows, Kept, LetterState, NO_SOURCES, Pair, Place, of_sources};
use source::Read;

use super::claim::signed;
use super::{Answer, Asked, Batch, Committed, Counts, Ending, Key, OpenLetters, Remembered, Sink};
use crate::error::{ErrorKind, Result};
use crate::source::{Hash16, Known, Recognised, recognise};
use crate::span::Span;
use crate::split::Split;
use crate::work::{Recipe, Work};

/// A destination that is open to be compared with the sources.
pub trait Verify: Sink {
    /// The names under which the sources were last seen.
    fn names(&mut self) -> Result<Vec<String>>;

    /// That rows under ids that no source has are looked for by another.
    fn leave_strays(&mut self);

    /// The sources were read. `failed` are the files of which that is not so, and why; `is_part`
    /// says that there are others, which nobody has named. Whether all is to be read once more.
    fn end_reading(&mut self, failed: &[(PathBuf, String)], is_part: bool) -> Result<bool>;

    /// What was found.
    fn found(&mut self) -> Verified;
}

/// What is held against each other in one go.
const PAIR_BYTES_MAX: usize = 8 << 20;

/// So many keys are asked for in one go.
const KEYS_MAX: usize = 5_000;

/// Compares the sources with what is kept.
pub(super) struct Verifier<K> {
    kept: K,
    is_by_place: bool,
    is_by_content: bool,
    data_date: Option<NaiveDate>,
    /// Rows under ids that no source has are looked for.
    reads_strays: bool,
    /// Those of the job, by which the sources are read.
    rules: Hash16,
    remembered: Option<Vec<Remembered>>,
    /// Those that are read, by their ids.
    sources: BTreeMap<i32, Read>,
    rows: RowCursor,
    letters: LetterCursor,
    pairs: Vec<Pair>,
    pair_bytes: usize,
    /// Rows that hold what another record of their key may have.
    asides: Asides,
    /// All was read, and it is looked only for what those hold.
    is_second: bool,
    differences: Differences,
    not_verifiable: Vec<NotVerifiable>,
    not_loaded: NotLoaded,
}

/// What there has to be in the place of a record.
enum Expected<'r> {
    Row(&'r [u8]),
    /// A row that was made of other bytes than the record's, or by other rules.
    AnyRow,
    NoRow,
}

impl<K: Kept> Verifier<K> {
    pub(super) fn new(kept: K, key: &Key, data_date: Option<NaiveDate>) -> Verifier<K> {
        let not_verifiable = kept.changes_values().map(|why| NotVerifiable {
            source: String::new(),
            why: format!("values were not compared: {why}"),
        });
        Verifier {
            kept,
            is_by_place: matches!(key, Key::Position | Key::None),
            is_by_content: *key == Key::Content,
            data_date,
            reads_strays: true,
            rules: Hash16([0; 16]),
            remembered: None,
            sources: BTreeMap::new(),
            rows: RowCursor::default(),
            letters: LetterCursor::of(Vec::new()),
            pairs: Vec::new(),
            pair_bytes: 0,
            asides: Asides::default(),
            is_second: false,
            differences: Differences::default(),
            not_verifiable: not_verifiable.into_iter().collect(),
            not_loaded: NotLoaded::default(),
        }
    }

    fn remembered(&mut self) -> Result<&Vec<Remembered>> {
        match &mut self.remembered {
            Some(remembered) => Ok(remembered),
            none => Ok(none.insert(self.kept.remembered()?)),
        }
    }

    /// Takes a record: the dead letters and the rows before it have no record, and it should have
    /// what its rules make of it. `row` is nothing if they reject it.
    /// Says whether that is a row, which is to be found by its key.
    fn record(&mut self, split: Split, span: Span, line: u64, row: Option<&[u8]>) -> Result<bool> {
        let place = Place { source: split.source, offset: signed(span.start) };
        let read = self.sources.get_mut(&place.source).expect("a source that is read");
        read.reach(split, span.start);
        if !read.concerns(place) {
            return Ok(false);
        }
        read.file.records += 1;
        let letter = self.letter_at(place)?;
        let read = self.sources.get_mut(&place.source).expect("a source that is read");
        let expected = match (row, letter) {
            (Some(row), None) => Expected::Row(row),
            (Some(row), Some(HeldLetter { state: LetterState::Replayed, has_fixed: false, rules, .. }))
                if rules.is_none_or(|rules| rules == self.rules) =>
            {
                Expected::Row(row)
            }
            (_, Some(HeldLetter { state: LetterState::Replayed, .. })) => Expected::AnyRow,
            (Some(_), Some(HeldLetter { is_of_server: true, .. })) | (None, Some(_)) => Expected::NoRow,
            (Some(row), Some(_)) => {
                self.differences.add(read.difference(DifferenceKind::ExtraLetter, place, Some(line)));
                Expected::Row(row)
            }
            (None, None) => {
                self.differences.add(read.difference(DifferenceKind::MissingLetter, place, Some(line)));
                Expected::NoRow
            }
        };
        match expected {
            Expected::NoRow => read.file.dead_letters += 1,
            Expected::Row(_) | Expected::AnyRow => read.file.rows += 1,
        }
        if self.is_by_place {
            self.row_of(place, line, expected)?;
            return Ok(false);
        }
        // Which row mended bytes have become, the place does not say.
        Ok(matches!(expected, Expected::Row(_)))
    }

    /// The letter of a record; those before it have none.
    fn letter_at(&mut self, place: Place) -> Result<Option<HeldLetter>> {
        while let Some(letter) = self.letters.peek(&mut self.kept)? {
            if letter.place > place {
                break;
            }
            self.letters.pass();
            self.count(letter);
            if letter.place == place {
                return Ok(Some(letter));
            }
            self.extra_letter(letter);
        }
        Ok(None)
    }

    fn count(&mut self, letter: HeldLetter) {
        if let Some(read) = self.sources.get_mut(&letter.place.source)
            && read.concerns(letter.place)
        {
            read.table.dead_letters += 1;
            read.table.open_dead_letters += u64::from(letter.state == LetterState::Open);
        }
    }

    fn extra_letter(&mut self, letter: HeldLetter) {
        if let Some(read) = self.sources.get_mut(&letter.place.source)
            && read.has_read(letter.place)
        {
            let line = Some(letter.line);
            self.differences.add(read.difference(DifferenceKind::ExtraLetter, letter.place, line));
        }
    }

    /// Compares the row of a record with the one that is held at its place.
    fn row_of(&mut self, place: Place, line: u64, expected: Expected<'_>) -> Result<()> {
        self.pass_rows_before(Some(place))?;
        let held = match self.rows.peek(&mut self.kept)? {
            Some(of) if of == place => Some(self.rows.take()),
            _ => None,
        };
        let read = self.sources.get_mut(&place.source).expect("a source that is read");
        read.table.rows += u64::from(held.is_some());
        let differs = |read: &mut Read, kind| read.difference(kind, place, Some(line));
        match (expected, held) {
            (Expected::NoRow, None) => {}
            (Expected::NoRow, Some(held)) => {
                read.holds(self.kept.without_source(held));
                self.differences.add(differs(read, DifferenceKind::ExtraRow));
            }
            (expected, None) => {
                if let Expected::Row(row) = expected {
                    read.expects(self.kept.without_source(row));
                }
                self.differences.add(differs(read, DifferenceKind::MissingRow));
            }
            (Expected::AnyRow, Some(_)) => read.table.mended += 1,
            (Expected::Row(_), Some(held)) if self.kept.changes_values().is_some() => {
                read.holds(self.kept.without_source(held));
            }
            (Expected::Row(row), Some(held)) if row == held => read.agrees(self.kept.without_source(held)),
            (Expected::Row(row), Some(held)) => {
                let pair = Pair { place, line, expected: row.to_vec(), held: held.to_vec() };
                self.push(pair)?;
            }
        }
        Ok(())
    }

    /// Passes over the rows before a place, or all that are left. None of them has a record.
    fn pass_rows_before(&mut self, place: Option<Place>) -> Result<()> {
        while let Some(at) = self.rows.peek(&mut self.kept)? {
            if place.is_some_and(|place| at >= place) {
                break;
            }
            let held = self.rows.take();
            match self.sources.get_mut(&at.source) {
                Some(read) if !read.has_read(at) => {}
                Some(read) => {
                    read.holds(self.kept.without_source(held));
                    read.table.rows += 1;
                    self.differences.add(read.difference(DifferenceKind::ExtraRow, at, None));
                }
                None => self.differences.add(source::of_nobody(at)),
            }
        }
        Ok(())
    }

    fn push(&mut self, pair: Pair) -> Result<()> {
        self.pair_bytes += pair.expected.len() + pair.held.len();
        self.pairs.push(pair);
        match self.pair_bytes >= PAIR_BYTES_MAX {
            true => self.settle(),
            false => Ok(()),
        }
    }

    /// Finds out which pairs differ in more than their bytes.
    fn settle(&mut self) -> Result<()> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        self.pair_bytes = 0;
        let (pairs, columns) = self.kept.differing(std::mem::take(&mut self.pairs))?;
        for (pair, column) in pairs.iter().zip(columns) {
            match column {
                None => self.same(pair),
                Some(column) => self.changed(pair, column),
            }
        }
        Ok(())
    }

    /// A row that holds what it should.
    fn same(&mut self, pair: &Pair) {
        if self.is_second {
            return self.asides.note(self.kept.key_hash(&pair.held));
        }
        let read = self.sources.get_mut(&pair.place.source).expect("a source that is read");
        read.agrees(self.kept.without_source(&pair.held));
    }

    /// A row that holds something else.
    fn changed(&mut self, pair: &Pair, column: usize) {
        if self.is_second {
            return;
        }
        let Pair { place, line, ref expected, ref held } = *pair;
        let read = self.sources.get_mut(&place.source).expect("a source that is read");
        if self.is_by_place {
            read.expects(self.kept.without_source(expected));
            read.holds(self.kept.without_source(held));
            self.differences.add(read.changed(place, line, self.kept.column(column)));
        } else {
            // Another record of its key may have it.
            let aside = Aside { place, line, column, is_settled: false };
            read.is_beyond_aside |= !self.asides.put(self.kept.key_hash(held), aside);
        }
    }

    /// Compares the rows of a batch with those of their keys.
    fn rows_of_keys(&mut self, batch: &Batch, asked: Vec<(Place, u64, usize)>) -> Result<()> {
        for asked in asked.chunks(KEYS_MAX) {
            let rows = asked.iter().map(|(_, _, row)| batch.row(*row).to_vec()).collect();
            let found = self.kept.find(rows)?;
            for (&(place, line, row), held) in asked.iter().zip(found) {
                let (row, read) = (batch.row(row), self.sources.get_mut(&place.source));
                let read = read.expect("a source that is read");
                match held {
                    None if self.is_second => {}
                    // Whatever was loaded later, it left a row of the key.
                    None => {
                        read.expects(self.kept.without_source(row));
                        let missing = read.difference(DifferenceKind::MissingRow, place, Some(line));
                        self.differences.add(missing);
                    }
                    Some(held) => {
                        read.table.rows += u64::from(!self.is_second);
                        let pair = Pair { place, line, expected: row.to_vec(), held };
                        match (self.kept.changes_values(), row == pair.held) {
                            (Some(_), _) | (_, true) => self.same(&pair),
                            _ => self.push(pair)?,
                        }
                    }
                }
            }
        }
        self.settle()
    }

    /// All records of a batch in the order of the file.
    fn records(&mut self, batch: &Batch) -> Result<()> {
        let mut row = 0;
        let mut asked = Vec::new();
        for parcel in &batch.parcels {
            let mut rejects = parcel.rejects.iter().peekable();
            let (first, last) = (row, row + parcel.rows.len());
            let split = parcel.split;
            let lines = self.sources.get(&split.source).map_or(0, |read| read.lines);
            let line_of = |line: u32| lines + u64::from(line) + 1;
            loop {
                let next = (row < last).then(|| parcel.place(row - first));
                let reject =
                    rejects.next_if(|reject| next.is_none_or(|(span, _)| reject.span.start < span.start));
                match (reject, next) {
                    (Some(reject), _) if !self.is_second => {
                        self.record(split, reject.span, line_of(reject.line), None)?;
                    }
                    (Some(_), _) => {}
                    (None, Some((span, line))) => {
                        let (line, bytes) = (line_of(line), batch.row(row));
                        let is_asked_for = match self.is_second {
                            true => self.asides.wants(self.kept.key_hash(bytes), self.kept.equates_keys()),
                            false => self.record(split, span, line, Some(bytes))?,
                        };
                        if is_asked_for {
                            let place = Place { source: split.source, offset: signed(span.start) };
                            asked.push((place, line, row));
                        }
                        row += 1;
                    }
                    (None, None) => break,
                }
            }
            if let Some(read) = self.sources.get_mut(&split.source) {
                read.reach(split, parcel.span.end);
                read.lines += parcel.lines;
            }
        }
        match self.is_by_place {
            true => self.settle(),
            false => self.rows_of_keys(batch, asked),
        }
    }
}

impl<K: Kept> Sink for Verifier<K> {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        self.kept.work(recipe)
    }

    /// Says who the files are. Whatever they are, what was loaded of them is read again.
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        let is_second = self.is_second;
        self.rules = asked.rules_hash;
        let remembered = self.remembered()?.clone();
        let known: Vec<Known> = remembered.iter().map(|memory| memory.known.clone()).collect();
        let mut answers = Vec::with_capacity(asked.files.len());
        let mut is_there = vec![false; remembered.len()];
        let mut objections: BTreeMap<&str, String> = BTreeMap::new();
        for (file, recognised) in asked.files.iter().zip(recognise(&asked.files, &known, false)) {
            let nothing = Answer::Finished { source_id: 0, has_other_rules: false };
            answers.push(match recognised {
                Ok(Recognised::Known(index)) => {
                    let memory = &remembered[index];
                    is_there[index] = true;
                    match source::tasks(memory, asked.rules_hash) {
                        Ok(tasks) => {
                            let behind =
                                file.fingerprint.size.unwrap_or(0).saturating_sub(memory.known.position);
                            self.not_loaded.bytes += if is_second { 0 } else { behind };
                            let read = Read::new(memory, &file.path, &tasks);
                            if !is_second {
                                self.sources.insert(memory.source_id, read);
                            }
                            Answer::Load { source_id: memory.source_id, tasks }
                        }
                        Err(why) => {
                            objections.insert(&memory.known.name, why.to_owned());
                            is_there[index] = false;
                            nothing
                        }
                    }
                }
                Ok(Recognised::New) => {
                    self.not_loaded.files += u64::from(!is_second);
                    self.not_loaded.bytes += if is_second { 0 } else { file.fingerprint.size.unwrap_or(0) };
                    nothing
                }
                Ok(Recognised::DuplicateOf(of)) => Answer::Duplicate(of),
                Ok(Recognised::Changed(_)) => {
                    objections.insert(&file.name, source::CHANGED.to_owned());
                    nothing
                }
                Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => return Err(error),
                Err(error) => {
                    objections.insert(&file.name, error.without_path(&file.path));
                    nothing
                }
            });
        }
        if !is_second {
            for (memory, _) in remembered.iter().zip(is_there).filter(|(_, is_there)| !is_there) {
                let name = &memory.known.name;
                let why = objections.remove(name.as_str()).unwrap_or_else(|| source::GONE.to_owned());
                self.not_verifiable.push(NotVerifiable { source: name.clone(), why });
            }
            let ids: Vec<i32> = self.sources.keys().copied().collect();
            if self.is_by_place {
                self.kept.begin(&ids, self.reads_strays)?;
            }
            self.letters = LetterCursor::of(ids);
        }
        Ok(answers)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        batch.still_holds()?;
        self.records(batch)?;
        let counts = batch.advances.iter().map(|advance| {
            let counts = advance.counts;
            Counts { unchanged: counts.records - counts.rejected, ..counts }
        });
        let counts = counts.collect();
        Ok(Committed { counts, refused: Vec::new(), completed: Vec::new() })
    }

    fn open_dead_letters(&mut self, _: &[i32]) -> Result<OpenLetters> {
        Ok(OpenLetters::default())
    }

    fn finish(&mut self, _: &Ending<'_>) -> Result<()> {
        Ok(())
    }
}

impl<K: Kept> Verify for Verifier<K> {
    fn names(&mut self) -> Result<Vec<String>> {
        Ok(self.remembered()?.iter().map(|memory| memory.known.name.clone()).collect())
    }

    fn leave_strays(&mut self) {
        self.reads_strays = false;
    }

    fn end_reading(&mut self, failed: &[(PathBuf, String)], is_part: bool) -> Result<bool> {
        if !self.is_second {
            while let Some(letter) = self.letters.peek(&mut self.kept)? {
                self.letters.pass();
                self.count(letter);
                self.extra_letter(letter);
            }
            if self.is_by_place {
                self.pass_rows_before(None)?;
            }
            for read in self.sources.values() {
                self.not_verifiable.extend(read.objection(failed));
                self.not_verifiable.extend(read.before_rules());
            }
            self.is_second = true;
            if !self.asides.is_empty() {
                return Ok(true);
            }
        }
        let is_whole = self.not_verifiable.is_empty() && failed.is_empty() && !is_part;
        // By the same rules, equal content is an equal row, whoever else has it.
        let has_old_rules = self.sources.values().any(|read| read.before_rules().is_some());
        let is_certain = is_whole || self.is_by_content && !has_old_rules;
        for Aside { place, line, column, is_settled } in std::mem::take(&mut self.asides).in_order() {
            let Some(read) = self.sources.get_mut(&place.source) else { continue };
            match (is_settled, is_certain) {
                (true, _) => read.table.replaced += 1,
                (false, true) => self.differences.add(read.changed(place, line, self.kept.column(column))),
                (false, false) => read.unsettled += 1,
            }
        }
        for read in self.sources.values_mut() {
            self.not_verifiable.extend(read.doubt());
        }
        Ok(false)
    }

    fn found(&mut self) -> Verified {
        let sources = std::mem::take(&mut self.sources).into_values();
        Verified {
            sources: sources.map(|read| read.verified(self.data_date)).collect(),
            differences: std::mem::take(&mut self.differences),
            not_verifiable: std::mem::take(&mut self.not_verifiable),
            not_loaded: self.not_loaded,
        }
    }
}
