//! Cuts parcels at the records where a bar is judged, because a batch must end there.
//!
//! Only a parsed chunk shows its records, and only the writer knows how many precede them. So a parcel with
//! such a record in its middle is made again, in two or more pieces, from the same bytes: once per ten
//! thousand records, one chunk is parsed twice.

use std::sync::Arc;

use super::bar::to_next_point;
use super::workers::Workers;
use crate::error::{Error, Result};
use crate::format::AnyFormat;
use crate::source::{Chunk, Preamble};
use crate::work::{Assignment, Parcel, Worker};

/// Cuts parcels.
pub(super) struct Cutter<'a> {
    workers: &'a Workers,
    format: &'a AnyFormat,
    record_bytes_max: usize,
    worker: Worker,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(workers: &'a Workers, format: &'a AnyFormat, record_bytes_max: usize) -> Cutter<'a> {
        Cutter { workers, format, record_bytes_max, worker: Worker::default() }
    }

    /// Cuts the parcel into pieces that end at points at the latest. `preamble` precedes it, and so do
    /// `records` records of its split.
    pub(super) fn pieces(
        &mut self,
        parcel: Parcel,
        preamble: &Preamble,
        records: u64,
    ) -> Result<Vec<Parcel>> {
        if parcel.records <= to_next_point(records) {
            return Ok(vec![parcel]);
        }
        let ends = piece_ends(&parcel, records)?;
        let bytes = parcel.bytes_again()?;
        let (mut pieces, mut preamble, mut copy) =
            (Vec::with_capacity(ends.len()), preamble.clone(), Vec::new());
        let (mut start, mut before) = (parcel.span.start, records);
        for end in ends {
            let is_last = end == parcel.span.end;
            let place = |offset: u64| usize::try_from(offset - parcel.span.start).expect("within the chunk");
            let mut chunk = Chunk::of_records(start, bytes.part(place(start)..place(end)));
            let behind = match is_last {
                true => parcel.preamble.clone(),
                false => self.format.behind(&preamble, &chunk.body, self.record_bytes_max, &mut copy),
            };
            if is_last {
                (chunk.ends, chunk.is_last) = (parcel.ends, parcel.completes);
            }
            if start == parcel.span.start {
                chunk.raw = parcel.raw;
            }
            let (source, split) = (Arc::clone(&parcel.source), parcel.split);
            let assignment = Assignment { source, split, chunk, before: preamble, behind: behind.clone() };
            let piece = self.workers.work_here(&mut self.worker, assignment);
            let is_at_end = if is_last {
                before + piece.records == records + parcel.records
            } else {
                piece.records == to_next_point(before)
            };
            if !is_at_end {
                // The file was changed between the two readings, or this code is wrong.
                parcel.source.still_holds(parcel.span, parcel.check)?;
                let path = parcel.source.path().display();
                return Err(Error::broken(format!(
                    "a piece of {path} at byte {start} has other records than before"
                )));
            }
            (start, before, preamble) = (end, before + piece.records, behind);
            pieces.push(piece);
        }
        Ok(pieces)
    }
}

/// Where the pieces of a parcel end: before the first record after each point, and at the end of the parcel.
fn piece_ends(parcel: &Parcel, records: u64) -> Result<Vec<u64>> {
    let rows = (0..parcel.rows.len()).map(|row| parcel.place(row).0.start);
    let mut starts: Vec<u64> = rows.chain(parcel.rejects.iter().map(|reject| reject.span.start)).collect();
    starts.sort_unstable();
    if starts.len() as u64 != parcel.records {
        return Err(Error::broken("a parcel has other records than rows and rejects"));
    }
    let (mut ends, mut at) = (Vec::new(), to_next_point(records));
    while let Some(&start) = usize::try_from(at).ok().and_then(|at| starts.get(at)) {
        ends.push(start);
        at += to_next_point(records + at);
    }
    ends.push(parcel.span.end);
    Ok(ends)
}
