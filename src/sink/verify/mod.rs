//! Verification: compares the sources with what a destination keeps.
//!
//! The planner and the workers of a load read the sources again up to their checkpoints. Where a load would
//! commit, this module compares the records with the rows and the dead letters of their places, which come
//! from the destination in the same order, or with the rows of their keys. No stored counter is trusted, and
//! nothing is written.

mod aside;
mod cursor;
mod found;
mod kept;
mod letters;
mod mended;
mod source;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use aside::{Aside, Asides};
use cursor::{LetterCursor, RowCursor};
pub use found::{
    Difference, DifferenceCounts, DifferenceKind, Differences, InFile, InTable, NotLoaded, NotVerifiable,
    Verified, VerifiedSource,
};
pub(super) use kept::{
    HeldLetter, HeldRows, Kept, LETTER_BYTES, LetterState, NO_SOURCES, Pair, Place, of_sources,
};
use mended::Mended;
pub use source::Unread;
use source::{Read, digest};

use super::claim::signed;
use super::dead_letter::Evidence;
use super::{Answer, Asked, Batch, Committed, Counts, Ending, Key, OpenLetters, Remembered, Sink};
use crate::error::{ErrorKind, Result};
use crate::reject::Reject;
use crate::source::{Hash16, Known, Recognised, recognise};
use crate::span::Span;
use crate::work::{Parcel, Recipe, Work};

/// A destination that is open for comparison with the sources.
pub trait Verify: Sink {
    /// The names under which the sources were last seen.
    fn names(&mut self) -> Result<Vec<String>>;

    /// Ends a reading of the sources; `unread` could not be read. Returns whether all must be read once more.
    fn end_reading(&mut self, unread: &[Unread]) -> Result<bool>;

    /// The findings.
    fn found(&mut self) -> Verified;
}

/// What to verify, and how records become rows.
#[derive(Clone)]
pub struct Verifying {
    /// How to read the files, and the bytes that people have mended.
    pub recipe: Recipe,
    /// The names of the selected sources, if not all are: the others do not count as missing.
    pub only: Option<BTreeSet<String>>,
    /// The job has other sources, which are not verified now.
    pub is_part: bool,
    /// Looks for rows and letters under ids that no source has.
    pub reads_strays: bool,
}

/// How many bytes of pairs are compared in one go.
const PAIR_BYTES_MAX: usize = 8 << 20;

/// How many keys are looked up in one go.
const KEYS_MAX: usize = 5_000;

/// Compares the sources with the destination.
pub(super) struct Verifier<K> {
    kept: K,
    of: Verifying,
    mended: Mended,
    is_by_place: bool,
    is_by_content: bool,
    data_date: Option<NaiveDate>,
    /// The rules of the job, by which the sources are read.
    rules: Hash16,
    remembered: Option<Vec<Remembered>>,
    /// The sources that are read, by id.
    sources: BTreeMap<i32, Read>,
    /// The sources that are not read, by name, and why if known.
    absent: Vec<(String, Option<String>)>,
    rows: RowCursor,
    letters: LetterCursor,
    pairs: Vec<Pair>,
    pair_bytes: usize,
    /// Rows that may hold the values of another record with their key.
    asides: Asides,
    /// Everything was read; this reading only looks for the records of rows put aside.
    is_second: bool,
    differences: Differences,
    not_verifiable: Vec<NotVerifiable>,
    not_loaded: NotLoaded,
}

/// What must be in the place of a record.
enum Expected<'r> {
    Row(Cow<'r, [u8]>),
    /// A row made under other rules, or from unknown bytes.
    AnyRow,
    NoRow,
}

/// A record of a file, as it is read.
struct Met<'b> {
    parcel: &'b Parcel,
    span: Span,
    line: u64,
    /// The result of the rules.
    row: Option<&'b [u8]>,
    reject: Option<&'b Reject>,
}

impl<'b> Met<'b> {
    fn place(&self) -> Place {
        Place { source: self.parcel.split.source, offset: signed(self.span.start) }
    }

    /// The part of it that a dead letter stores.
    fn evidence(&self) -> Result<Evidence<'b>> {
        match self.reject {
            Some(reject) => Ok(Evidence::of(self.parcel, reject)),
            None => self.parcel.read(self.span).map(Evidence::Raw),
        }
    }
}

/// A row to be found by its key.
struct Keyed<'b> {
    place: Place,
    line: u64,
    row: Cow<'b, [u8]>,
}

impl<K: Kept> Verifier<K> {
    pub(super) fn new(kept: K, of: Verifying, key: &Key, data_date: Option<NaiveDate>) -> Verifier<K> {
        let not_verifiable = kept.changes_values().map(|why| NotVerifiable {
            source: String::new(),
            why: format!("values were not compared: {why}"),
        });
        Verifier {
            mended: Mended::new(&kept, &of.recipe),
            kept,
            of,
            is_by_place: matches!(key, Key::Position | Key::None),
            is_by_content: *key == Key::Content,
            data_date,
            rules: Hash16([0; 16]),
            remembered: None,
            sources: BTreeMap::new(),
            absent: Vec::new(),
            rows: RowCursor::default(),
            letters: LetterCursor::of(Vec::new(), false),
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

    /// The source of a place, which is being read.
    fn read(&mut self, place: Place) -> &mut Read {
        self.sources.get_mut(&place.source).expect("a source that is read")
    }

    /// Takes a record. The dead letters and rows before it have no record. The record should have the row
    /// that its rules make of it, or of the mended bytes of its letter. Returns the row to be found by its
    /// key, if any.
    fn record<'b>(&mut self, met: &Met<'b>) -> Result<Option<Keyed<'b>>> {
        let (place, line) = (met.place(), met.line);
        let read = self.read(place);
        read.reach(met.parcel.split, met.span.start);
        if !read.concerns(place) {
            return Ok(None);
        }
        read.file.records += 1;
        let expected = match (self.letter_at(place)?, met.row) {
            (Some(letter), _) => self.beside(met, &letter)?,
            (None, Some(row)) => Expected::Row(row.into()),
            (None, None) => {
                let missing = self.read(place).difference(DifferenceKind::MissingLetter, place, Some(line));
                self.differences.add(missing);
                Expected::NoRow
            }
        };
        let file = &mut self.read(place).file;
        match expected {
            Expected::NoRow => file.dead_letters += 1,
            Expected::Row(_) | Expected::AnyRow => file.rows += 1,
        }
        match (expected, self.is_by_place) {
            (expected, true) => self.row_of(place, line, &expected).map(|()| None),
            (Expected::Row(row), false) => Ok(Some(Keyed { place, line, row })),
            // The place does not tell which row it is.
            (Expected::AnyRow | Expected::NoRow, false) => Ok(None),
        }
    }

    /// Compares the row of a record with the one held at its place.
    fn row_of(&mut self, place: Place, line: u64, expected: &Expected<'_>) -> Result<()> {
        self.pass_rows_before(Some(place))?;
        let held = match self.rows.peek(&mut self.kept)? {
            Some(of) if of == place => Some(self.rows.take()),
            _ => None,
        };
        let read = self.sources.get_mut(&place.source).expect("a source that is read");
        read.table.rows += u64::from(held.is_some());
        let differs = |read: &mut Read, kind| read.difference(kind, place, Some(line));
        let digest = |row| digest(self.kept.without_source(row));
        match (expected, held) {
            (Expected::NoRow, None) | (Expected::AnyRow, Some(_)) => {}
            (Expected::NoRow, Some(held)) => {
                read.holds(digest(held));
                self.differences.add(differs(read, DifferenceKind::ExtraRow));
            }
            (expected, None) => {
                if let Expected::Row(row) = expected {
                    read.expects(digest(row));
                }
                self.differences.add(differs(read, DifferenceKind::MissingRow));
            }
            (Expected::Row(row), Some(held)) if self.kept.changes_values().is_some() => {
                read.expects(digest(row));
                read.holds(digest(held));
            }
            (Expected::Row(row), Some(held)) if **row == *held => read.agrees(digest(held)),
            (Expected::Row(row), Some(held)) => {
                let pair = Pair { place, line, expected: row.to_vec(), held: held.to_vec() };
                self.push(pair)?;
            }
        }
        Ok(())
    }

    /// Passes over the rows before a place, or over all that are left. None of them has a record.
    fn pass_rows_before(&mut self, place: Option<Place>) -> Result<()> {
        while let Some(at) = self.rows.peek(&mut self.kept)? {
            if place.is_some_and(|place| at >= place) {
                break;
            }
            let held = self.rows.take();
            match self.sources.get_mut(&at.source) {
                Some(read) if !read.has_read(at) => {}
                Some(read) => {
                    read.holds(digest(self.kept.without_source(held)));
                    read.table.rows += 1;
                    self.differences.add(read.difference(DifferenceKind::ExtraRow, at, None));
                }
                None => self.differences.add(source::of_nobody(DifferenceKind::ExtraRow, at, None)),
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

    /// Determines which pairs differ in more than their bytes.
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

    /// A row with the expected values.
    fn same(&mut self, pair: &Pair) {
        if self.is_second {
            return self.asides.note(self.kept.key_hash(&pair.held));
        }
        let digest = digest(self.kept.without_source(&pair.held));
        self.read(pair.place).agrees(digest);
    }

    /// A row with other values.
    fn changed(&mut self, pair: &Pair, column: usize) {
        if self.is_second {
            return;
        }
        let &Pair { place, line, ref expected, ref held } = pair;
        let [expects, holds] = [expected, held].map(|row| digest(self.kept.without_source(row)));
        let aside = Aside { place, line, column, digests: (expects, holds), is_settled: false };
        match self.is_by_place {
            true => self.differs(&aside),
            // Another record with its key may have produced it.
            false => {
                let has_room = self.asides.put(self.kept.key_hash(held), aside);
                self.read(place).is_beyond_aside |= !has_room;
            }
        }
    }

    /// A row with values that no record has.
    fn differs(&mut self, aside: &Aside) {
        let &Aside { place, line, column, digests: (expected, held), .. } = aside;
        let column = self.kept.column(column).to_owned();
        let read = self.read(place);
        read.expects(expected);
        read.holds(held);
        let changed = read.changed(place, line, &column);
        self.differences.add(changed);
    }

    /// Compares rows with those of their keys.
    fn rows_of_keys(&mut self, asked: &[Keyed<'_>]) -> Result<()> {
        for asked in asked.chunks(KEYS_MAX) {
            let rows = asked.iter().map(|keyed| keyed.row.to_vec()).collect();
            let found = self.kept.find(rows)?;
            for (&Keyed { place, line, ref row }, held) in asked.iter().zip(found) {
                match held {
                    None if self.is_second => {}
                    // Any later load still left a row with the key.
                    None => {
                        let digest = digest(self.kept.without_source(row));
                        let read = self.read(place);
                        read.expects(digest);
                        let missing = read.difference(DifferenceKind::MissingRow, place, Some(line));
                        self.differences.add(missing);
                    }
                    Some(held) => {
                        self.read(place).table.rows += u64::from(!self.is_second);
                        let pair = Pair { place, line, expected: row.to_vec(), held };
                        match (self.kept.changes_values(), **row == pair.held) {
                            (Some(_), _) | (_, true) => self.same(&pair),
                            _ => self.push(pair)?,
                        }
                    }
                }
            }
        }
        self.settle()
    }

    /// All records of a batch, in file order.
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
                let met = match (reject, next) {
                    (Some(reject), _) => {
                        let line = line_of(reject.line);
                        Met { parcel, span: reject.span, line, row: None, reject: Some(reject) }
                    }
                    (None, Some((span, line))) => {
                        row += 1;
                        let bytes = batch.row(row - 1);
                        Met { parcel, span, line: line_of(line), row: Some(bytes), reject: None }
                    }
                    (None, None) => break,
                };
                asked.extend(match self.is_second {
                    true => self.wanted(&met),
                    false => self.record(&met)?,
                });
            }
            if let Some(read) = self.sources.get_mut(&split.source) {
                read.reach(split, parcel.span.end);
                read.lines += parcel.lines;
            }
        }
        match self.is_by_place {
            true => self.settle(),
            false => self.rows_of_keys(&asked),
        }
    }

    /// In the second reading: a row that may match one put aside under its key.
    fn wanted<'b>(&self, met: &Met<'b>) -> Option<Keyed<'b>> {
        let row = met.row?;
        let is_wanted = self.asides.wants(self.kept.key_hash(row), self.kept.equates_keys());
        is_wanted.then(|| Keyed { place: met.place(), line: met.line, row: row.into() })
    }
}

impl<K: Kept> Verifier<K> {
    /// Counts what is left in the table as having no record, and reports what was not read.
    fn end_first_reading(&mut self, unread: &[Unread]) -> Result<()> {
        self.letters_left()?;
        if self.is_by_place {
            self.pass_rows_before(None)?;
        }
        for (source, why) in std::mem::take(&mut self.absent) {
            let failed =
                || unread.iter().find(|unread| unread.name == source).map(|unread| unread.why.clone());
            let why = why.or_else(failed).unwrap_or_else(|| source::GONE.to_owned());
            self.not_verifiable.push(NotVerifiable { source, why });
        }
        for read in self.sources.values() {
            self.not_verifiable.extend(read.objection(unread));
            self.not_verifiable.extend(read.before_rules());
            self.not_verifiable.extend(read.replayed_otherwise());
        }
        self.letters = LetterCursor::of(self.sources.keys().copied().collect(), false);
        self.is_second = true;
        Ok(())
    }
}

impl<K: Kept> Sink for Verifier<K> {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        self.kept.work(recipe)
    }

    /// Identifies the files. Whatever they are, everything loaded from them is read again.
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        let is_second = self.is_second;
        self.rules = asked.rules_hash;
        let remembered = self.remembered()?.clone();
        let known: Vec<Known> = remembered.iter().map(|memory| memory.known.clone()).collect();
        let mut answers = Vec::with_capacity(asked.files.len());
        let mut is_there = vec![false; remembered.len()];
        let mut objections: BTreeMap<String, String> = BTreeMap::new();
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
                            objections.insert(memory.known.name.clone(), why.to_owned());
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
                    objections.insert(file.name.clone(), source::CHANGED.to_owned());
                    nothing
                }
                Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => return Err(error),
                Err(error) => {
                    objections.insert(file.name.clone(), error.without_path(&file.path));
                    nothing
                }
            });
        }
        if !is_second {
            let absent = remembered.iter().zip(is_there).filter(|(_, is_there)| !is_there);
            let absent = absent.map(|(memory, _)| memory.known.name.clone());
            let meant = absent.filter(|name| self.of.only.as_ref().is_none_or(|only| only.contains(name)));
            self.absent = meant
                .map(|name| {
                    let why = objections.get(&name).cloned();
                    (name, why)
                })
                .collect();
            let ids: Vec<i32> = self.sources.keys().copied().collect();
            if self.is_by_place {
                self.kept.begin(&ids, self.of.reads_strays)?;
            }
            self.letters = LetterCursor::of(ids, self.of.reads_strays);
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

    fn end_reading(&mut self, unread: &[Unread]) -> Result<bool> {
        match self.is_second {
            true => self.look_among_mended()?,
            false => {
                self.end_first_reading(unread)?;
                if !self.asides.is_empty() {
                    return Ok(true);
                }
            }
        }
        let is_whole = self.not_verifiable.is_empty() && unread.is_empty() && !self.of.is_part;
        // Under the same rules equal content makes an equal row, whichever source has it.
        let has_old_rules = self.sources.values().any(Read::has_other_rules);
        let is_certain = is_whole || self.is_by_content && !has_old_rules;
        for aside in std::mem::take(&mut self.asides).in_order() {
            match (aside.is_settled, is_certain) {
                (true, _) => self.read(aside.place).table.replaced += 1,
                (false, true) => self.differs(&aside),
                (false, false) => self.read(aside.place).unsettled += 1,
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
