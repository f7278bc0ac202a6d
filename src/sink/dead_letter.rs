//! Dead letters: the rejects of a batch in file order, refused by the rules or by the destination.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Batch;
pub use super::batch::Refused;
use crate::error::Result;
use crate::reject::{REASONS_BYTES_MAX, Reject, Stage, write_json_string};
use crate::span::Span;
use crate::work::Parcel;

/// A reject as it is stored.
#[derive(Debug)]
pub struct Letter<'a> {
    pub source_id: i32,
    /// The place of the record in its source.
    pub span: Span,
    /// The number of its first line, counted from one.
    pub line: u64,
    pub stage: Stage,
    /// How often it was refused, this time included.
    pub attempts: i32,
    /// Its bytes, or their hash if there are too many.
    pub record: Evidence<'a>,
    /// What precedes the record, if its format has such a thing.
    pub preamble: Option<&'a [u8]>,
    /// The reasons, as a JSON list.
    pub reasons: Cow<'a, str>,
}

/// The stored form of a record.
#[derive(Debug)]
pub enum Evidence<'a> {
    /// All of it.
    Raw(Cow<'a, [u8]>),
    /// Its BLAKE3; its place says where to read it again.
    Hash([u8; 32]),
}

impl<'a> Evidence<'a> {
    /// What a worker has kept of a reject.
    pub(super) fn of(parcel: &'a Parcel, reject: &Reject) -> Evidence<'a> {
        match reject.hash {
            Some(hash) => Evidence::Hash(hash),
            None => Evidence::Raw(parcel.rejects.raw(reject).into()),
        }
    }
}

impl Batch {
    /// The dead letters of the batch, in file order: the rejects of the workers, and the rows that the
    /// destination refused, whose bytes are read again from their source.
    pub fn dead_letters<'a>(&'a self, refused: &[Refused], raw_max: usize) -> Result<Vec<Letter<'a>>> {
        let mut letters = Vec::new();
        for (index, parcel) in self.parcels.iter().enumerate() {
            for reject in parcel.rejects.iter() {
                let letter = Letter {
                    source_id: parcel.split.source,
                    span: reject.span,
                    line: parcel.first_line + u64::from(reject.line) + 1,
                    stage: reject.stage,
                    attempts: 1,
                    record: Evidence::of(parcel, reject),
                    preamble: parcel.preamble_of(reject.span.start),
                    reasons: parcel.rejects.reasons(reject).into(),
                };
                letters.push((index, letter));
            }
        }
        for refused in refused {
            let place = self.place(refused.row);
            let parcel = &self.parcels[place.parcel];
            let raw = parcel.read(place.span)?;
            let letter = Letter {
                source_id: parcel.split.source,
                span: place.span,
                line: parcel.first_line + u64::from(place.line) + 1,
                stage: Stage::Server,
                attempts: 1,
                record: match raw.len() > raw_max {
                    true => Evidence::Hash(*blake3::hash(&raw).as_bytes()),
                    false => Evidence::Raw(raw),
                },
                preamble: parcel.preamble_of(place.span.start),
                reasons: refused.reasons().into(),
            };
            letters.push((place.parcel, letter));
        }
        letters.sort_by_key(|(parcel, letter)| (*parcel, letter.span.start));
        Ok(letters.into_iter().map(|(_, letter)| letter).collect())
    }
}

impl Refused {
    fn reasons(&self) -> String {
        let mut json = format!("[{{\"code\":\"{}\",\"field\":", self.code);
        write_json_string(&mut json, self.column.as_deref().unwrap_or(""));
        // A trigger can raise a message of any length.
        let bounded = |text: &str| text[..text.floor_char_boundary(REASONS_BYTES_MAX)].to_owned();
        json.push_str(",\"message\":");
        write_json_string(&mut json, &bounded(&self.message));
        if let Some(detail) = &self.detail {
            json.push_str(",\"detail\":");
            write_json_string(&mut json, &bounded(detail));
        }
        if let Some(constraint) = &self.constraint {
            let _ = write!(json, ",\"constraint\":");
            write_json_string(&mut json, constraint);
        }
        json.push_str("}]");
        json
    }
}
