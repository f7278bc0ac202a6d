//! Workers: they turn a chunk into a parcel. The hot loop.
//!
//! Bytes in a map can change while they are read, so a worker copies them once, into a block of its own. It
//! hashes its copy, so that the writer can check before COMMIT whether the file still holds what was parsed,
//! and parses, binds and encodes each record in one pass. It takes no locks, shares no state, never waits and
//! never fails: a bad record is a reject.

use std::sync::Arc;

use bumpalo::Bump;

use super::{Encoder, Gather as _, Parcel, Place, Recipe, Rows, Work};
use crate::failpoint;
use crate::format::{self, Malformed, Memory, Record};
use crate::reject::{Faults, Path, Rejects, Stage, code};
use crate::schema::{Altered, Days};
use crate::source::{Body, Bytes, Chunk, Preamble, Source, TAIL_BYTES, hash16};
use crate::span::Span;
use crate::split::Split;

/// A chunk, and where it belongs.
pub struct Assignment {
    pub source: Arc<Source>,
    /// The split that the chunk belongs to.
    pub split: Split,
    pub chunk: Chunk,
    /// The preamble of the chunk.
    pub before: Preamble,
    /// What precedes the next chunk.
    pub behind: Preamble,
}

/// A longer block was for an exceptional record, and is released.
const BLOCK_BYTES_KEPT: usize = 4 << 20;

/// The most space that is reserved for rows in advance, however much earlier ones needed.
const ROOM_BYTES_MAX: usize = 16 << 20;

/// The memory of one worker, reused from chunk to chunk.
#[derive(Default)]
pub struct Worker {
    block: Vec<u8>,
    memory: Memory,
    faults: Faults,
    /// Bytes of rows per byte of chunk in the last chunk: predicts how much space the next needs.
    growth: f64,
}

/// The one pass over records, shared by all workers.
pub(super) struct Pass<E> {
    pub(super) recipe: Recipe,
    pub(super) encoder: Arc<E>,
}

impl<E: Encoder> Work for Pass<E> {
    fn work(&self, worker: &mut Worker, assignment: Assignment, rows: Rows) -> Parcel {
        failpoint::reached("before-chunk");
        let Assignment { source, split, chunk, before, behind } = assignment;
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
            skipped: 0,
            records: 0,
            record_lines: 0,
            days: Days::default(),
            altered: Altered::default(),
            check: 0,
            tail: (0, hash16(b"")),
            preamble: behind,
            before: (!self.recipe.format.is_settled(&Preamble::default())).then(|| before.clone()),
            turns: Vec::new(),
            unterminated: None,
            is_intact: true,
        };
        match chunk.body {
            Body::Records(bytes) => {
                worker.parse(self, &bytes, &before, &mut parcel);
                // If a row is refused later, its bytes are needed to explain it.
                parcel.kept = (!parcel.source.can_be_read_again()).then_some(bytes);
            }
            Body::TooLong { lead, length, lines, hash, check, tail, is_terminated } => {
                worker.faults.clear();
                too_long(&mut worker.faults, length, self.recipe.record_bytes_max);
                let start = chunk.span.start + lead;
                let span = Span::new(start, start + length);
                parcel.rejects.push_hashed(span, 0, Stage::Decode, &worker.faults, &[], Some(hash));
                (parcel.lines, parcel.record_lines, parcel.records) = (lines, lines, 1);
                parcel.check = check;
                parcel.tail = (u32::try_from(tail.len()).expect("at most TAIL_BYTES"), hash16(&tail));
                parcel.unterminated = (!is_terminated).then_some(chunk.span.start);
            }
        }
        parcel
    }
}

impl Worker {
    /// Parses, binds and encodes each record of a chunk.
    fn parse<E: Encoder>(&mut self, pass: &Pass<E>, bytes: &Bytes, preamble: &Preamble, parcel: &mut Parcel) {
        let block = bytes.stable(&mut self.block);
        parcel.check = xxhash_rust::xxh3::xxh3_64(block);
        parcel.tail = match block.last_chunk::<TAIL_BYTES>() {
            Some(tail) => (TAIL_BYTES as u32, hash16(tail)),
            // The tail reaches back to before the chunk.
            None => bytes.tail(),
        };
        parcel.is_intact = bytes.is_intact();
        let room = (block.len() as f64 * self.growth * 1.05) as usize;
        let mut out: E::Rows = parcel.rows.take();
        out.reserve(room.min(ROOM_BYTES_MAX));

        let Worker { memory, faults, .. } = self;
        let Parcel { rows, rejects, days, altered, .. } = parcel;
        let (first, source_id) = (parcel.span.start, parcel.split.source);
        let chunk = format::Chunk { bytes: block, preamble, record_bytes_max: pass.recipe.record_bytes_max };
        let counted = pass.recipe.format.each_record(chunk, memory, |place, record, arena| {
            faults.clear();
            let format::Place { start, line, raw } = place;
            let (offset, end) = (first + start as u64, out.end());
            let place = Place { source_id, offset, raw };
            match row(pass, record, place, arena, &mut out, days, faults) {
                Ok(changed) => {
                    rows.end_row(out.end(), start, raw.len(), line);
                    *altered += changed;
                }
                Err(stage) => {
                    out.cut(end);
                    let span = Span::new(offset, offset + raw.len() as u64);
                    let raw_bytes_max = match raw.len() > pass.recipe.record_bytes_max {
                        true => 0,
                        false => pass.recipe.raw_bytes_max,
                    };
                    rejects.push(span, line, stage, faults, raw, raw_bytes_max);
                }
            }
        });
        parcel.lines = u64::from(counted.lines);
        parcel.blank = u64::from(counted.blank);
        parcel.skipped = u64::from(counted.skipped);
        parcel.records = u64::from(counted.records);
        parcel.record_lines = u64::from(counted.record_lines);
        parcel.turns = memory.turns();
        let framing = pass.recipe.format.framing();
        if parcel.ends.is_some() && framing.leaves_a_line(block) {
            parcel.lines += 1;
            match framing.is_comment(&block[counted.last..]) {
                true => parcel.skipped += 1,
                false => parcel.record_lines += 1,
            }
        }
        let open_from = framing.open_from(block, counted.last, parcel.ends.is_some());
        parcel.unterminated = open_from.map(|open_from| first + open_from as u64);
        self.growth = out.bytes() as f64 / block.len().max(1) as f64;
        parcel.rows.put(out);
        if self.block.capacity() > BLOCK_BYTES_KEPT {
            self.block = Vec::new();
        }
    }
}

/// Turns one record into one encoded row, or returns the stage that refuses it. Also returns how many of its
/// values are stored in another form than in the record.
#[inline]
fn row<E: Encoder>(
    pass: &Pass<E>,
    record: Result<&Record<'_>, Malformed>,
    place: Place<'_>,
    arena: &Bump,
    out: &mut E::Rows,
    days: &mut Days,
    faults: &mut Faults,
) -> Result<Altered, Stage> {
    let record = match record {
        Ok(record) => record,
        Err(Malformed { stage, code: code::RECORD_TOO_LONG, .. }) => {
            too_long(faults, place.raw.len() as u64, pass.recipe.record_bytes_max);
            return Err(stage);
        }
        Err(Malformed { stage, code, what, at }) => {
            faults.push(code, &Path::Record, format_args!("{what}, at byte {at} of the record"), None);
            return Err(stage);
        }
    };
    let row = pass.recipe.schema.bind(record, arena, faults).ok_or(Stage::Schema)?;
    if !pass.encoder.encode(&row, place, out, faults) {
        return Err(Stage::Schema);
    }
    if let Some(time) = &pass.recipe.time {
        days.note(time, row.values()[time.field]);
    }
    Ok(row.altered())
}

#[cold]
fn too_long(faults: &mut Faults, length: u64, max: usize) {
    let message = format_args!("a record of {length} bytes, where max_record allows {max}");
    faults.push(code::RECORD_TOO_LONG, &Path::Record, message, None);
}
