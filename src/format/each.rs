//! The loop over the records of a chunk. `load`, `check`, inference, benches and tests all use it, and
//! differ only in what they do with a record.

use std::any::Any;

use bumpalo::Bump;

use super::{Format, Input, Malformed, Parsed, Preamble, Record};
use crate::reject::{Stage, code};
use crate::source::is_blank;

/// The memory of one worker, reused from record to record and from chunk to chunk.
#[derive(Default)]
pub struct Memory {
    arena: Bump,
    record: Record<'static>,
    /// The scratch of the format that read the last chunk.
    scratch: Option<Box<dyn Any + Send>>,
    turns: Vec<Turn>,
}

/// From this byte of a chunk on, this preamble holds.
pub type Turn = (usize, Preamble);

/// The most bytes that the preambles within one chunk may have in all. Beyond it no preamble is kept, so
/// that no record is read by a wrong one.
pub const TURNS_BYTES_MAX: usize = 1 << 20;

/// A larger arena was needed for a rare record, and is released.
const ARENA_BYTES_KEPT: usize = 1 << 20;

/// A range of a source, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'b> {
    /// Its bytes, which must not change meanwhile.
    pub bytes: &'b [u8],
    /// The preamble before it.
    pub preamble: &'b Preamble,
    /// A longer record is not parsed.
    pub record_bytes_max: usize,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'r> {
    /// Its first byte in the chunk.
    pub start: usize,
    /// Lines of the chunk before it.
    pub line: u32,
    /// The record, without its line end.
    pub raw: &'r [u8],
}

/// What was found in a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Lines of any kind.
    pub lines: u32,
    /// Lines that are blank.
    pub blank: u32,
    /// Lines that are not records: headers, directives, comments.
    pub skipped: u32,
    /// Records.
    pub records: u32,
    /// Lines that records have.
    pub record_lines: u32,
    /// The start of the last record or skipped line in the chunk.
    pub last: usize,
}

impl Memory {
    /// The scratch of `F`, as the last chunk left it.
    fn scratch<F: Format>(&mut self) -> Box<F::Scratch> {
        let scratch = self.scratch.take().and_then(|scratch| scratch.downcast().ok());
        scratch.unwrap_or_default()
    }

    /// The places in the last chunk where the preamble changed.
    pub fn turns(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.turns)
    }
}

/// Notes where the preamble changes within a chunk, so that a single record can be read again later.
struct Turns<'c, F> {
    format: &'c F,
    chunk: Chunk<'c>,
    list: Vec<Turn>,
    bytes: usize,
    /// Records before the last turn.
    records: u32,
}

impl<F: Format> Turns<'_, F> {
    /// Notes the preamble after a piece that is not a record.
    #[cold]
    fn note(&mut self, start: usize, bytes: &[u8], records: u32) {
        let is_full = self.bytes > TURNS_BYTES_MAX;
        let before = self.list.last().map_or(self.chunk.preamble, |(_, preamble)| preamble);
        if is_full || self.format.is_settled(before) {
            return;
        }
        let behind = self.format.follow(Chunk { bytes, preamble: before, ..self.chunk });
        if behind == *before {
            return;
        }
        // A header of several lines counts only as a whole.
        if self.records == records
            && let Some((_, last)) = self.list.pop()
        {
            self.bytes -= last.bytes().len();
        }
        (self.bytes, self.records) = (self.bytes + behind.bytes().len(), records);
        let known = if self.bytes > TURNS_BYTES_MAX { Preamble::default() } else { behind };
        self.list.push((start, known));
    }
}

/// Shows every record of a chunk to `visit`, with memory that lives as long as the record.
pub fn each_record<F: Format>(
    format: &F,
    chunk: Chunk<'_>,
    memory: &mut Memory,
    mut visit: impl FnMut(Place<'_>, Result<&Record<'_>, Malformed>, &Bump),
) -> Counted {
    let (framing, mut scratch) = (format.framing(), memory.scratch::<F>());
    format.begin(chunk.preamble, &mut scratch);
    let mut counted = Counted::default();
    let mut turns = Turns { format, chunk, list: memory.turns(), bytes: 0, records: 0 };
    turns.list.clear();
    let has_nul = F::ASKS_FOR_NUL && memchr::memchr(0, chunk.bytes).is_some();
    // Each record takes over the memory of the last one, under another lifetime.
    let mut spare = std::mem::take(&mut memory.record);
    for framed in framing.records(chunk.bytes) {
        let place = Place { start: framed.start, line: counted.lines, raw: framed.bytes };
        counted.lines += framed.lines;
        counted.last = framed.start;
        if is_blank(framed.bytes) {
            counted.blank += framed.lines;
            continue;
        }
        memory.arena.reset();
        let mut record: Record<'_> = spare;
        let may_hold_nul = !F::ASKS_FOR_NUL || has_nul && memchr::memchr(0, framed.bytes).is_some();
        let input = Input { raw: framed.bytes, text: framed.text, arena: &memory.arena, may_hold_nul };
        let parsed = match framed.bytes.len() > chunk.record_bytes_max {
            false => format.parse(input, &mut scratch, &mut record),
            true => Err(TOO_LONG),
        };
        if parsed == Ok(Parsed::Skipped) {
            counted.skipped += framed.lines;
            turns.note(framed.start, framed.bytes, counted.records);
        } else {
            counted.records += 1;
            counted.record_lines += framed.lines;
            visit(place, parsed.map(|_| &record), &memory.arena);
        }
        spare = record.reset();
    }
    memory.record = spare;
    memory.scratch = Some(scratch);
    memory.turns = turns.list;
    if memory.arena.allocated_bytes() > ARENA_BYTES_KEPT {
        memory.arena = Bump::new();
    }
    counted
}

/// The fault of a record that is too long to be parsed.
pub const TOO_LONG: Malformed = Malformed {
    stage: Stage::Decode,
    code: code::RECORD_TOO_LONG,
    what: "a record beyond max_record",
    at: 0,
};
