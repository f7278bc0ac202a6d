//! Workers: a chunk to a parcel. The hot loop.
//!
//! Bytes in a map can change while they are looked at, so a worker copies them once, into a
//! block of its own. It hashes what it has, so that the writer can tell before COMMIT
//! whether the file still holds what was parsed, and parses, binds and encodes each record
//! in one pass. It takes no locks, shares no state, never waits and never fails: a bad record
//! is a reject.

use std::sync::Arc;

use bumpalo::Bump;

use super::{Encoder, Parcel, Pass, Place, Rows};
use crate::failpoint;
use crate::format::{Format, Input, Malformed, Record};
use crate::reject::{Faults, Path, Rejects, Stage, code};
use crate::source::{Body, Bytes, Chunk, Lines, Source, TAIL_BYTES, hash16, is_blank};
use crate::span::Span;
use crate::split::Split;

/// A chunk, and whose it is.
pub struct Assignment {
    /// The source.
    pub source: Arc<Source>,
    /// The split of it that the chunk belongs to.
    pub split: Split,
    /// The chunk.
    pub chunk: Chunk,
}

/// What a worker needed beyond this was for a record such as is rare, and is given back.
const ARENA_BYTES_KEPT: usize = 1 << 20;
const BLOCK_BYTES_KEPT: usize = 4 << 20;

/// Rows are given no more room than this in advance, however much those before them needed.
const ROOM_BYTES_MAX: usize = 16 << 20;

/// The memory of one worker, reused from chunk to chunk.
#[derive(Default)]
pub struct Worker {
    block: Vec<u8>,
    arena: Bump,
    record: Record<'static>,
    faults: Faults,
    /// Bytes of rows per byte of chunk in the last chunk: how much room the next will need.
    growth: f64,
}

impl Worker {
    /// Makes a parcel of a chunk, in rows that are empty, and may have room from before.
    pub(super) fn work<F: Format, E: Encoder>(
        &mut self,
        pass: &Pass<F, E>,
        assignment: Assignment,
        rows: Rows,
    ) -> Parcel {
        failpoint::reached("before-chunk");
        let Assignment { source, split, chunk } = assignment;
        let mut parcel = Parcel {
            source,
            split,
            span: chunk.span,
            ends: chunk.ends,
            completes: chunk.is_last,
            raw: chunk.raw,
            kept: None,
            rows,
            rejects: Rejects::default(),
            first_line: 0,
            lines: 0,
            blank: 0,
            altered: 0,
            check: 0,
            tail: (0, hash16(b"")),
            unterminated: None,
            is_intact: true,
        };
        match chunk.body {
            Body::Records(bytes) => {
                self.parse(pass, &bytes, &mut parcel);
                // A row that is refused later is explained with its bytes.
                parcel.kept = (!parcel.source.can_be_read_again()).then_some(bytes);
            }
            Body::TooLong { length, hash, check, tail, is_terminated } => {
                self.faults.clear();
                too_long(&mut self.faults, length, pass.recipe.record_bytes_max);
                let span = Span::new(chunk.span.start, chunk.span.start + length);
                parcel.rejects.push_hashed(span, 0, Stage::Decode, &self.faults, &[], Some(hash));
                parcel.lines = 1;
                parcel.check = check;
                parcel.tail = (u32::try_from(tail.len()).expect("at most TAIL_BYTES"), hash16(&tail));
                parcel.unterminated = (!is_terminated).then_some(chunk.span.start);
            }
        }
        parcel
    }

    fn parse<F: Format, E: Encoder>(&mut self, pass: &Pass<F, E>, bytes: &Bytes, parcel: &mut Parcel) {
        let block = bytes.stable(&mut self.block);
        parcel.check = xxhash_rust::xxh3::xxh3_64(block);
        parcel.tail = match block.last_chunk::<TAIL_BYTES>() {
            Some(tail) => (TAIL_BYTES as u32, hash16(tail)),
            // It reaches back to before the chunk.
            None => bytes.tail(),
        };
        parcel.is_intact = bytes.is_intact();
        if block.last().is_some_and(|&byte| byte != b'\n') {
            let last = memchr::memrchr(b'\n', block).map_or(0, |newline| newline + 1);
            parcel.unterminated = Some(parcel.span.start + last as u64);
        }
        let room = (block.len() as f64 * self.growth * 1.05) as usize;
        parcel.rows.bytes.reserve(room.min(ROOM_BYTES_MAX));

        let mut number = 0_u32;
        // The record's memory is handed from line to line under another lifetime each time.
        let mut spare = std::mem::take(&mut self.record);
        for line in Lines::new(block) {
            let line_number = number;
            number += 1;
            if is_blank(line.bytes) {
                parcel.blank += 1;
                continue;
            }
            self.faults.clear();
            self.arena.reset();
            let raw = line.bytes;
            let length = raw.len();
            let offset = parcel.span.start + line.start as u64;
            let place = Place { source_id: parcel.split.source, offset, raw };
            let rows_end = parcel.rows.bytes.len();
            let mut record: Record<'_> = spare;
            let altered = if length > pass.recipe.record_bytes_max {
                too_long(&mut self.faults, length as u64, pass.recipe.record_bytes_max);
                Err(Stage::Decode)
            } else {
                let input = Input { raw, text: line.text, arena: &self.arena };
                row(pass, input, &mut record, place, &mut parcel.rows.bytes, &mut self.faults)
            };
            spare = record.reset();
            match altered {
                Ok(altered) => {
                    parcel.rows.end_row(line.start, length, line_number);
                    parcel.altered += u64::from(altered);
                }
                Err(stage) => {
                    parcel.rows.bytes.truncate(rows_end);
                    let span = Span::new(offset, offset + length as u64);
                    let raw_bytes_max = match length > pass.recipe.record_bytes_max {
                        true => 0,
                        false => pass.recipe.raw_bytes_max,
                    };
                    parcel.rejects.push(span, line_number, stage, &self.faults, raw, raw_bytes_max);
                }
            }
        }
        self.record = spare;
        parcel.lines = u64::from(number);
        self.growth = parcel.rows.bytes.len() as f64 / block.len().max(1) as f64;
        if self.arena.allocated_bytes() > ARENA_BYTES_KEPT {
            self.arena = Bump::new();
        }
        if self.block.capacity() > BLOCK_BYTES_KEPT {
            self.block = Vec::new();
        }
    }
}

/// One record to one encoded row, or the stage that refuses it. Says how many of its values are
/// not as they stand in the record.
#[inline]
fn row<'r, F: Format, E: Encoder>(
    pass: &Pass<F, E>,
    input: Input<'r>,
    record: &mut Record<'r>,
    place: Place<'_>,
    out: &mut Vec<u8>,
    faults: &mut Faults,
) -> Result<u32, Stage> {
    let arena = input.arena;
    if let Err(Malformed { stage, code, what, at }) = pass.format.parse(input, record) {
        faults.push(code, &Path::Record, format_args!("{what}, at byte {at} of the record"), None);
        return Err(stage);
    }
    let row = pass.recipe.schema.bind(record, arena, faults).ok_or(Stage::Schema)?;
    match pass.encoder.encode(&row, place, out, faults) {
        true => Ok(row.altered()),
        false => Err(Stage::Schema),
    }
}

#[cold]
fn too_long(faults: &mut Faults, length: u64, max: usize) {
    let message = format_args!("a record of {length} bytes, where max_record allows {max}");
    faults.push(code::RECORD_TOO_LONG, &Path::Record, message, None);
}
