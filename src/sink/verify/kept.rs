//! What a destination keeps, as it is held against the sources: rows in the form in which the
//! encoder writes them, dead letters by their places.

use std::sync::Arc;

use crate::error::Result;
use crate::sink::Remembered;
use crate::sink::dead_letter::Evidence;
use crate::source::{Hash16, Preamble};
use crate::work::{Recipe, Work};

/// Where a record stands, in the order in which rows and letters are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sink) struct Place {
    pub(in crate::sink) source: i32,
    /// As it is stored. What stands in a column of the user's can be negative.
    pub(in crate::sink) offset: i64,
}

/// Where no source of any job is remembered.
pub(in crate::sink) const NO_SOURCES: &str = "SELECT 0 WHERE false";

/// Whether a row is of one of these sources or, with a query for the ids of all that are remembered,
/// of none: a condition on `id`, the column of the source's id.
pub(in crate::sink) fn of_sources(id: &str, sources: &str, all: Option<&str>) -> String {
    match all {
        Some(all) => format!("({id} {sources} OR {id} NOT IN ({all}))"),
        None => format!("{id} {sources}"),
    }
}

/// Of the bytes of letters, so many are in memory at a time, or those of one letter.
pub(in crate::sink) const LETTER_BYTES: usize = 16 << 20;

/// A destination that is looked at, all of it in one snapshot. Nothing is written.
pub(in crate::sink) trait Kept: Send {
    /// What turns chunks into rows in the destination's own form.
    fn work(&self, recipe: Recipe) -> Arc<dyn Work>;

    /// What is remembered of the job's sources.
    fn remembered(&mut self) -> Result<Vec<Remembered>>;

    /// Why the values of rows need not be those that were sent, if so.
    fn changes_values(&self) -> Option<&str>;

    /// Begins to read the rows of these sources and, if asked for, strays: those of ids that no source
    /// of any job has. In the order of their places.
    fn begin(&mut self, sources: &[i32], reads_strays: bool) -> Result<()>;

    /// Gives more rows; none at the end.
    fn more_rows(&mut self, rows: &mut HeldRows) -> Result<()>;

    /// The letters of these sources behind a place and, if asked for, the job's strays: those of ids that
    /// no source of any job has. In order, up to a number and some bytes; none at the end. Those that are
    /// superseded are left out.
    fn letters_behind(
        &mut self,
        sources: &[i32],
        reads_strays: bool,
        behind: Place,
    ) -> Result<Vec<HeldLetter>>;

    /// The rows that have the keys of these, in their order.
    fn find(&mut self, rows: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>>;

    /// A hash of the key of a row.
    fn key_hash(&self, row: &[u8]) -> u128;

    /// Whether keys of different bytes can be one key.
    fn equates_keys(&self) -> bool;

    /// Of each pair, the number of the first column in which the row that is held is not what the
    /// column makes of the value that is expected.
    fn differing(&mut self, pairs: Vec<Pair>) -> Result<(Vec<Pair>, Vec<Option<usize>>)>;

    /// The name of a column.
    fn column(&self, number: usize) -> &str;

    /// A row without the id of its source, which is another in another database.
    fn without_source<'r>(&self, row: &'r [u8]) -> (&'r [u8], &'r [u8]);
}

/// Rows that a destination holds, one after the other.
#[derive(Debug, Default)]
pub(in crate::sink) struct HeldRows {
    pub(in crate::sink) bytes: Vec<u8>,
    /// The place of each, and where it ends in the bytes.
    pub(in crate::sink) ends: Vec<(Place, usize)>,
}

impl HeldRows {
    pub(in crate::sink) fn row(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before].1);
        &self.bytes[start..self.ends[number].1]
    }
}

/// A dead letter that a destination holds.
#[derive(Clone, Debug)]
pub(in crate::sink) struct HeldLetter {
    pub(in crate::sink) place: Place,
    pub(in crate::sink) line: u64,
    pub(in crate::sink) state: LetterState,
    /// The destination refused the record, and not the rules.
    pub(in crate::sink) is_of_server: bool,
    /// By which rules it was last tried, if that is known: else by those of its source.
    pub(in crate::sink) rules: Option<Hash16>,
    /// The record, unless it was too long,
    pub(in crate::sink) raw: Option<Vec<u8>>,
    /// or else its BLAKE3.
    pub(in crate::sink) raw_hash: Option<Vec<u8>>,
    /// The record as a person has mended it, and what stands before it then.
    pub(in crate::sink) fixed: Option<Vec<u8>>,
    pub(in crate::sink) preamble: Preamble,
}

impl HeldLetter {
    /// Whether it keeps this record.
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

    /// Whether it was last tried by other rules than these.
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

/// The row of a record as the encoder has it, and as it is held, where their bytes differ.
#[derive(Debug)]
pub(in crate::sink) struct Pair {
    pub(in crate::sink) place: Place,
    pub(in crate::sink) line: u64,
    pub(in crate::sink) expected: Vec<u8>,
    pub(in crate::sink) held: Vec<u8>,
}
