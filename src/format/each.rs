//! The records of a chunk, one after the other: the one loop over records, for everybody who
//! reads them. `load` and `check`, inference, benches and tests differ in what they do with one.

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
    /// That of the format whose chunk was last.
    scratch: Option<Box<dyn Any + Send>>,
    turns: Vec<Turn>,
}

/// From this byte of a chunk on, another preamble holds than before it.
pub type Turn = (usize, Preamble);

/// The preambles within one chunk have no more bytes than this in all. Behind it none is known, so
/// that nothing is read by a wrong one.
pub const TURNS_BYTES_MAX: usize = 1 << 20;

/// What was needed beyond this was for a record such as is rare, and is given back.
const ARENA_BYTES_KEPT: usize = 1 << 20;

/// A range of a source whose records are to be read.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'b> {
    /// Its bytes, which do not change.
    pub bytes: &'b [u8],
    /// What precedes it.
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

/// What a chunk consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Lines of any kind.
    pub lines: u32,
    /// Lines that are blank.
    pub blank: u32,
    /// Lines that the format has beside its records.
    pub skipped: u32,
    /// Records.
    pub records: u32,
    /// Lines that records have.
    pub record_lines: u32,
    /// Where in the chunk its last record or other piece starts.
    pub last: usize,
}

impl Memory {
    /// The scratch of `F`, as its last chunk has left it.
    fn scratch<F: Format>(&mut self) -> Box<F::Scratch> {
        let scratch = self.scratch.take().and_then(|scratch| scratch.downcast().ok());
        scratch.unwrap_or_default()
    }

    /// Where the preamble changed within the last chunk.
    pub fn turns(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.turns)
    }
}

/// What notes where the preamble changes within a chunk: for records that are read alone later.
struct Turns<'c, F> {
    format: &'c F,
    chunk: Chunk<'c>,
    list: Vec<Turn>,
    bytes: usize,
    /// Records before the last turn.
    records: u32,
}

impl<F: Format> Turns<'_, F> {
    /// Notes what a piece says that is no record.
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
        // Of a header of several lines only the whole matters.
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
    // The record's memory is handed from one to the next under another lifetime each time.
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

/// What is said of a record that is not parsed because of its length.
pub const TOO_LONG: Malformed = Malformed {
    stage: Stage::Decode,
    code: code::RECORD_TOO_LONG,
    what: "a record beyond max_record",
    at: 0,
};
