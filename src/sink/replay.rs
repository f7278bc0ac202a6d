//! Replays: dead letters that are retried.
//!
//! A replay is a source of records whose batches say which letters they are made of. They commit like those
//! of a load, but move the states of their letters instead of a checkpoint.

use chrono::NaiveDate;

use crate::error::{Error, ErrorKind};
use crate::source::Preamble;

/// An open dead letter, with what a retry needs.
#[derive(Clone, Debug)]
pub struct OpenLetter {
    /// Its id.
    pub id: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// The id of its source.
    pub source_id: i32,
    pub source: String,
    /// The data date of its source.
    pub data_date: Option<NaiveDate>,
    /// The offset of the record in its source.
    pub offset: u64,
    pub length: u64,
    /// The record, unless it was too long.
    pub raw: Option<Vec<u8>>,
    /// Its BLAKE3, if it was too long.
    pub raw_hash: Option<Vec<u8>>,
    /// The record as a person has mended it.
    pub fixed: Option<Vec<u8>>,
    /// What precedes the record.
    pub preamble: Preamble,
}

/// Where a page of the selected letters begins, in the order of their sources and places.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// After this source and offset.
    pub after: Option<(i32, u64)>,
    /// From the last to the first.
    pub is_backwards: bool,
}

/// What precedes the record of a letter `d`, in SQL: stored with the letter, or with its split.
pub(super) fn preamble_of_letter(checkpoints: &str) -> String {
    format!(
        "coalesce(d.preamble,
             (SELECT c.preamble FROM {checkpoints} c
              WHERE c.source_id = d.source_id AND c.split_start <= d.source_offset
              ORDER BY c.split_start DESC LIMIT 1))"
    )
}

/// At most this many letters are read at a time.
pub(super) const PAGE_LETTERS: i64 = 1_000;

/// At most this many bytes of records are read at a time, unless a single record has more.
pub(super) const PAGE_BYTES: i64 = 16 << 20;

/// A letter that a batch retries: its old state, and its new one.
#[derive(Clone, Debug)]
pub struct Tried {
    pub id: i64,
    /// How often it was tried before. Any concurrent retry changes this or the state.
    pub attempts: i32,
    pub source_id: i32,
    pub offset: u64,
    /// The new mended bytes, if they change.
    pub fixed: Option<Option<Vec<u8>>>,
}

/// What a batch does to its letters.
pub(super) struct Verdicts<'a> {
    pub(super) accepted: Vec<&'a Tried>,
    pub(super) mended: Vec<&'a Tried>,
}

impl<'a> Verdicts<'a> {
    /// The verdicts on all letters except those of `refused`, by id.
    pub(super) fn of(tried: &'a [Tried], refused: &[i64]) -> Verdicts<'a> {
        Verdicts {
            accepted: tried.iter().filter(|tried| !refused.contains(&tried.id)).collect(),
            mended: tried.iter().filter(|tried| tried.fixed.is_some()).collect(),
        }
    }
}

/// The state of a letter when it is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// As it was when it was read.
    Untried,
    /// It was retried, or is no longer open.
    Moved,
}

impl Tried {
    pub(super) fn stands(&self, state: &str, attempts: i32) -> Stands {
        if state == "open" && attempts == self.attempts { Stands::Untried } else { Stands::Moved }
    }
}

/// The error of a replay that finds a letter changed since it was read.
pub(super) fn overtaken(id: i64) -> Error {
    ErrorKind::Held {
        source_name: format!("dead letter {id}"),
        holder: "another replay, a discard or a load that changed it meanwhile".to_owned(),
        then: "; what this replay has committed is kept, and `dead-letters replay` continues",
    }
    .into()
}
