//! Replays: dead letters that are tried again.
//!
//! A replay is a source of records whose batches say which letters they are made of. They commit as
//! those of a load do, and in the place of a checkpoint they move the states of their letters.

use chrono::NaiveDate;

use crate::error::{Error, ErrorKind};
use crate::source::Preamble;

/// An open dead letter, with what a try needs.
#[derive(Clone, Debug)]
pub struct OpenLetter {
    /// Its id.
    pub id: i64,
    /// How often it was tried.
    pub attempts: i32,
    /// Its source, by id and by name,
    pub source_id: i32,
    pub source: String,
    /// the day of that,
    pub data_date: Option<NaiveDate>,
    /// and where the record stands in it.
    pub offset: u64,
    pub length: u64,
    /// The record, unless it was too long,
    pub raw: Option<Vec<u8>>,
    /// or else its BLAKE3.
    pub raw_hash: Option<Vec<u8>>,
    /// The record as a person has mended it.
    pub fixed: Option<Vec<u8>>,
    /// What stands before the record.
    pub preamble: Preamble,
}

/// Where the letters begin that are asked for, in the order of their sources and places.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// Behind this source and offset.
    pub after: Option<(i32, u64)>,
    /// From the last to the first.
    pub is_backwards: bool,
}

/// What stands before the record of a letter `d`, in SQL: kept with it, or with its split.
pub(super) fn preamble_of_letter(checkpoints: &str) -> String {
    format!(
        "coalesce(d.preamble,
             (SELECT c.preamble FROM {checkpoints} c
              WHERE c.source_id = d.source_id AND c.split_start <= d.source_offset
              ORDER BY c.split_start DESC LIMIT 1))"
    )
}

/// So many letters are asked for at a time,
pub(super) const PAGE_LETTERS: i64 = 1_000;

/// and no more bytes of records, unless one alone has more.
pub(super) const PAGE_BYTES: i64 = 16 << 20;

/// A letter that a batch tries: what it was, and what it is to be.
#[derive(Clone, Debug)]
pub struct Tried {
    pub id: i64,
    /// How often it was tried before. Whoever tries it meanwhile changes that, or the state.
    pub attempts: i32,
    pub source_id: i32,
    pub offset: u64,
    /// The bytes that were mended, where they change: those that are kept from now on.
    pub fixed: Option<Option<Vec<u8>>>,
}

/// What a batch does to its letters.
pub(super) struct Verdicts<'a> {
    pub(super) accepted: Vec<&'a Tried>,
    pub(super) mended: Vec<&'a Tried>,
}

impl<'a> Verdicts<'a> {
    /// Of all letters but those of `refused`, by their ids.
    pub(super) fn of(tried: &'a [Tried], refused: &[i64]) -> Verdicts<'a> {
        Verdicts {
            accepted: tried.iter().filter(|tried| !refused.contains(&tried.id)).collect(),
            mended: tried.iter().filter(|tried| tried.fixed.is_some()).collect(),
        }
    }
}

/// How a letter stands where it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// As it was when it was read.
    Untried,
    /// It was tried once more, or is open no longer.
    Moved,
}

impl Tried {
    pub(super) fn stands(&self, state: &str, attempts: i32) -> Stands {
        if state == "open" && attempts == self.attempts { Stands::Untried } else { Stands::Moved }
    }
}

/// What a replay says that finds a letter changed since it was read.
pub(super) fn overtaken(id: i64) -> Error {
    ErrorKind::Held {
        source_name: format!("dead letter {id}"),
        holder: "another replay, a discard or a load that changed it meanwhile".to_owned(),
        then: "; what this replay has committed stays, and `dead-letters replay` goes on",
    }
    .into()
}
