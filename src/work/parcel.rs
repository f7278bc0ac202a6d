//! Parcels: the result of a worker on one chunk.
//!
//! The rows in the destination's own form, with the bounds of each so that any of them can be left out later,
//! and the rejects.

use std::borrow::Cow;
use std::sync::Arc;

use super::rows::Rows;
use crate::error::Result;
use crate::format::{TURNS_BYTES_MAX, Turn};
use crate::reject::Rejects;
use crate::schema::{Altered, Days};
use crate::source::{Bytes, Hash16, Preamble, Source, TAIL_BYTES};
use crate::span::Span;
use crate::split::Split;

/// The result of a worker on one chunk.
#[derive(Debug)]
pub struct Parcel {
    pub source: Arc<Source>,
    /// The split that the chunk belongs to.
    pub split: Split,
    /// The place of the chunk in the source.
    pub span: Span,
    /// The size of the source, if it ends with this chunk.
    pub ends: Option<u64>,
    /// The split ends with this chunk.
    pub completes: bool,
    /// Bytes of the file that were read for it, in compressed size.
    pub raw: u64,
    /// The chunk's own bytes, if they cannot be read again from the source.
    pub kept: Option<Bytes>,
    pub rows: Rows,
    pub rejects: Rejects,
    /// Lines of the split before the chunk. Filled in by the writer, which knows them.
    pub first_line: u64,
    /// Lines of the chunk, of any kind.
    pub lines: u64,
    /// Lines that are blank.
    pub blank: u64,
    /// Lines that are not records by their format.
    pub skipped: u64,
    pub records: u64,
    /// The number of lines that the records have.
    pub record_lines: u64,
    /// The days of its rows, if they must be known.
    pub days: Days,
    /// Values that are stored in another form than in their records.
    pub altered: Altered,
    /// XXH3 of the bytes that were parsed.
    pub check: u64,
    /// Length and hash of the last bytes before the end of the chunk.
    pub tail: (u32, Hash16),
    /// What precedes the end of the chunk, for the chunk that follows.
    pub preamble: Preamble,
    /// What precedes the chunk, if the format has such a thing.
    pub before: Option<Preamble>,
    /// Where that changes within the chunk.
    pub turns: Vec<Turn>,
    /// The start of the last line, if it has no line end.
    pub unterminated: Option<u64>,
    /// Whether every parsed byte was in the file: it was not truncated under its map.
    pub is_intact: bool,
}

impl Parcel {
    pub fn bytes(&self) -> usize {
        let kept = self.kept.as_ref().map_or(0, Bytes::memory);
        let turns: usize = self.turns.iter().map(|(_, preamble)| preamble.bytes().len()).sum();
        self.rows.bytes() + self.rejects.bytes() + kept + turns
    }

    /// The place of a row's record in its source, and how many lines of the chunk precede it.
    pub fn place(&self, row: usize) -> (Span, u32) {
        let (offset, length, line) = self.rows.record(row);
        let start = self.span.start + u64::from(offset);
        (Span::new(start, start + u64::from(length)), line)
    }

    /// What precedes the record at an offset, if the format has such a thing. Empty if it is too long to be
    /// kept with every letter; the record means nothing without it.
    pub fn preamble_of(&self, offset: u64) -> Option<&[u8]> {
        let before = self.before.as_ref()?;
        let turns = self.turns.partition_point(|&(start, _)| self.span.start + start as u64 <= offset);
        let preamble = turns.checked_sub(1).map_or(before, |last| &self.turns[last].1);
        Some(preamble.bytes()).map(|bytes| if bytes.len() > TURNS_BYTES_MAX { &[] } else { bytes })
    }

    /// The bytes of the chunk again, with some before them, because a tail may reach back.
    pub fn bytes_again(&self) -> Result<Bytes> {
        if let Some(kept) = &self.kept {
            return Ok(kept.clone());
        }
        let Span { start, end } = self.span;
        let from = start.saturating_sub(TAIL_BYTES as u64);
        let block = self.source.read(Span::new(from, end))?;
        let before = usize::try_from(start - from).expect("a tail");
        let end = block.len();
        Ok(Bytes::of_block(Arc::new(block), before, end))
    }

    /// The bytes of a record of the chunk.
    pub fn read(&self, span: Span) -> Result<Cow<'_, [u8]>> {
        match &self.kept {
            Some(bytes) => {
                let place =
                    |offset: u64| usize::try_from(offset - self.span.start).expect("within the chunk");
                Ok(Cow::Borrowed(&bytes[place(span.start)..place(span.end)]))
            }
            None => self.source.read(span).map(Cow::Owned),
        }
    }
}
