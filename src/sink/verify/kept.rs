//! What a destination keeps, in the form in which it is compared with the sources: rows as the encoder writes
//! them, dead letters by their places.

use std::sync::Arc;

use crate::error::Result;
use crate::sink::Remembered;
use crate::sink::dead_letter::Evidence;
use crate::source::{Hash16, Preamble};
use crate::work::{Recipe, Work};

/// The place of a record, in the order in which rows and letters are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sink) struct Place {
    pub(in crate::sink) source: i32,
    /// As stored. A value in a user's own column can be negative.
    pub(in crate::sink) offset: i64,
}

/// A query for the ids of remembered sources when no job has any.
pub(in crate::sink) const NO_SOURCES: &str = "SELECT 0 WHERE false";

/// A condition on `id`, the column of the source's id: whether a row belongs to one of these sources or, with
/// a query `all` for the ids of all remembered sources, to none of them.
pub(in crate::sink) fn of_sources(id: &str, sources: &str, all: Option<&str>) -> String {
    match all {
        Some(all) => format!("({id} {sources} OR {id} NOT IN ({all}))"),
        None => format!("{id} {sources}"),
    }
}

/// At most this many bytes of letters are in memory at a time, or those of one letter.
pub(in crate::sink) const LETTER_BYTES: usize = 16 << 20;

/// A destination read in one snapshot. Nothing is written.
pub(in crate::sink) trait Kept: Send {
    /// The part that turns chunks into rows in the destination's own form.
    fn work(&self, recipe: Recipe) -> Arc<dyn Work>;

    /// The job's remembered sources.
    fn remembered(&mut self) -> Result<Vec<Remembered>>;

    /// Why stored values may differ from the ones that were sent, if so.
    fn changes_values(&self) -> Option<&str>;

    /// Begins to read the rows of these sources, in the order of their places, and strays if asked for: rows
    /// with an id that no source of any job has.
    fn begin(&mut self, sources: &[i32], reads_strays: bool) -> Result<()>;

    /// Returns more rows; none at the end.
    fn more_rows(&mut self, rows: &mut HeldRows) -> Result<()>;

    /// The letters of these sources after a place, and the job's strays if asked for: letters with an id that
    /// no source of any job has. In order, limited in number and bytes; none at the end. Superseded letters
    /// are left out.
    fn letters_behind(
        &mut self,
        sources: &[i32],
        reads_strays: bool,
        behind: Place,
    ) -> Result<Vec<HeldLetter>>;

    /// The rows that have the keys of the given rows, in the same order.
    fn find(&mut self, rows: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>>;

    /// A hash of the key of a row.
    fn key_hash(&self, row: &[u8]) -> u128;

    /// Whether keys with different bytes can be equal.
    fn equates_keys(&self) -> bool;

    /// For each pair, the index of the first column in which the held row differs from what the column makes
    /// of the expected value.
    fn differing(&mut self, pairs: Vec<Pair>) -> Result<(Vec<Pair>, Vec<Option<usize>>)>;

    /// The name of a column.
    fn column(&self, number: usize) -> &str;

    /// A row without the id of its source, which differs from database to database.
    fn without_source<'r>(&self, row: &'r [u8]) -> (&'r [u8], &'r [u8]);
}

/// Consecutive rows of a destination.
#[derive(Debug, Default)]
pub(in crate::sink) struct HeldRows {
    pub(in crate::sink) bytes: Vec<u8>,
    /// The place of each row, and where it ends in the bytes.
    pub(in crate::sink) ends: Vec<(Place, usize)>,
}

impl HeldRows {
    pub(in crate::sink) fn row(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before].1);
        &self.bytes[start..self.ends[number].1]
    }
}

/// A dead letter of a destination.
#[derive(Clone, Debug)]
pub(in crate::sink) struct HeldLetter {
    pub(in crate::sink) place: Place,
    pub(in crate::sink) line: u64,
    pub(in crate::sink) state: LetterState,
    /// The destination refused the record, not the rules.
    pub(in crate::sink) is_of_server: bool,
    /// The rules under which it was last tried, if known; otherwise those of its source apply.
    pub(in crate::sink) rules: Option<Hash16>,
    /// The record, unless it was too long.
    pub(in crate::sink) raw: Option<Vec<u8>>,
    /// Its BLAKE3, if it was too long.
    pub(in crate::sink) raw_hash: Option<Vec<u8>>,
    /// The record as a person has mended it, and what precedes it then.
    pub(in crate::sink) fixed: Option<Vec<u8>>,
    pub(in crate::sink) preamble: Preamble,
}

impl HeldLetter {
    /// Whether it contains this record.
    pub(super) fn holds(&self, record: &Evidence<'_>) -> bool {
        let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        match (record, &self.raw, &self.raw_hash) {
            (Evidence::Raw(record), Some(raw), _) => raw == record.as_ref(),
            (Evidence::Hash(record), Some(raw), _) => hash(raw) == *record,
            (Evidence::Raw(record), None, Some(kept)) => hash(record) == **kept,
            (Evidence::Hash(record), None, Some(kept)) => *record == **kept,
            (_, None, None) => false,
        }
    }

    /// Whether it was last tried under other rules than these.
    pub(super) fn is_by_other_rules(&self, rules: Hash16) -> bool {
        self.rules.is_some_and(|of_letter| of_letter != rules)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink) enum LetterState {
    Open,
    Replayed,
    Discarded,
}

impl LetterState {
    pub(in crate::sink) fn of(word: &str) -> LetterState {
        match word {
            "replayed" => LetterState::Replayed,
            "discarded" => LetterState::Discarded,
            _ => LetterState::Open,
        }
    }
}

/// The row of a record from the encoder, and the held row, where their bytes differ.
#[derive(Debug)]
pub(in crate::sink) struct Pair {
    pub(in crate::sink) place: Place,
    pub(in crate::sink) line: u64,
    pub(in crate::sink) expected: Vec<u8>,
    pub(in crate::sink) held: Vec<u8>,
}
