//! Batches: what commits together.
//!
//! A [`Batch`] is a run of parcels in file order, from one source or several, with one [`Advance`] for each
//! source it moves. It is complete in memory before its transaction begins, because a client that stalls
//! inside COPY holds its locks.

use std::ops::Range;

use super::progress::Progress;
use super::replay::Tried;
use crate::counts::Counts;
use crate::error::{Error, Result};
use crate::reject::Code;
use crate::source::{Hash16, Preamble, hash16};
use crate::span::Span;
use crate::split::Split;
use crate::work::Parcel;

/// How far a batch moves one split, and what it found there.
#[derive(Clone, Debug)]
pub struct Advance {
    pub split: Split,
    /// The checkpoint it moves from. The commit compares it with the stored one.
    pub from: u64,
    /// Where the first record of the batch starts. This differs from the checkpoint when a last line without
    /// a line end has grown: its line end is then skipped, or the line is read again. From then on the source
    /// has no such line, and the commit records that.
    pub start: u64,
    /// The checkpoint it moves to.
    pub to: u64,
    pub counts: Counts,
    /// Length and hash of the bytes before `to`.
    pub tail: (u32, Hash16),
    /// The size of the source; set by the batch that reaches its end.
    pub ends: Option<u64>,
    /// The batch reaches the end of the split.
    pub completes: bool,
    /// The start of a last line without a line end. Set only at the end of a source.
    pub unterminated: Option<u64>,
    /// The last record of an earlier run has grown: it is read again from here, and its old outcome no longer
    /// counts.
    pub again: Option<Again>,
    /// What precedes `to`, if the records after it depend on it.
    pub preamble: Preamble,
}

impl Advance {
    /// Whether it changes what is known about the end of its source: it reaches the end, or the old last line
    /// is no longer the last.
    pub(super) fn has_news_of_the_end(&self) -> bool {
        self.ends.is_some() || self.start != self.from
    }

    /// Whether it changes what is known about a last line without a line end. If nothing was read, the old
    /// one is still there.
    pub(super) fn has_news_of_the_last_line(&self) -> bool {
        self.start != self.from || self.ends.is_some() && self.to > self.start
    }
}

/// A last record that was unterminated and is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    pub offset: u64,
    /// How many lines it had when it was first read.
    pub lines: u64,
    /// Whether it was blank then.
    pub was_blank: bool,
    /// Whether the format skipped it then.
    pub was_skipped: bool,
    /// Where a line that was cut off, and so became a reject of its own, began after it. That line is read
    /// again too, and may now belong to the record.
    pub cut_off: Option<u64>,
}

impl Counts {
    /// The counts in a checkpoint's form, which leaves out the total of records.
    pub(super) fn stored(counts: Counts) -> Counts {
        let Counts { inserted, updated, unchanged, superseded, rejected, .. } = counts;
        Counts { records: inserted + updated + unchanged + superseded + rejected, ..counts }
    }

    /// Takes back a line that is read again. It was a reject, or one of the rows that were `stored` for its
    /// source.
    ///
    /// Only the sum of a source's rows is remembered, not how each row was counted. So the sum stays right,
    /// and the parts are as right as those of any sum over batches.
    pub(super) fn take_back(&mut self, again: Again, was_rejected: bool, stored: Stored) {
        let lines = i64::try_from(again.lines).expect("the lines of a record are countable");
        self.lines -= lines;
        self.rejected -= i64::from(again.cut_off.is_some());
        match stored {
            _ if again.was_blank => self.blank -= lines,
            _ if again.was_skipped => self.skipped -= lines,
            _ if was_rejected => self.rejected -= 1,
            Stored { counts: Counts { inserted: 1.., .. }, .. } => self.inserted -= 1,
            Stored { counts: Counts { updated: 1.., .. }, .. } => self.updated -= 1,
            _ => self.unchanged -= 1,
        }
    }
}

/// What the checkpoint of a split holds when a batch begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    /// The outcomes of the records before the batch.
    pub(super) counts: Counts,
    /// Other splits of its source are not finished. Queried only when the batch completes one split of
    /// several.
    pub(super) has_open_siblings: bool,
}

impl Stored {
    /// The counters after the move.
    pub(super) fn after(&self, deltas: &Counts) -> Counts {
        let mut counts = self.counts;
        counts.add(deltas);
        Counts::stored(counts)
    }
}

/// Consecutive parcels that commit together.
#[derive(Debug, Default)]
pub struct Batch {
    pub parcels: Vec<Parcel>,
    /// How far each split moves, in their order, at most one per source. `counts` holds what the workers
    /// know; the commit adds what the destination did with the rows.
    pub advances: Vec<Advance>,
    /// In a replay, the dead letters that the parcels were made from, one each. Their states move, and no
    /// checkpoint does.
    pub tried: Vec<Tried>,
    /// The progress of the lane up to this batch, if it is to be stored.
    pub progress: Option<Progress>,
    /// The index of the first row of each parcel, and the total at the end.
    starts: Vec<usize>,
}

/// A row of a batch, by its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// The index of the parcel.
    pub parcel: usize,
    /// The place of the record in its source.
    pub span: Span,
    /// Lines of the chunk before it.
    pub line: u32,
}

/// A row that the destination refused.
#[derive(Clone, Debug)]
pub struct Refused {
    pub row: usize,
    /// The destination's error code.
    pub code: Code,
    /// The column, if known.
    pub column: Option<String>,
    /// The constraint, if there is one.
    pub constraint: Option<String>,
    /// The destination's message. It may hold values of the row, so it goes into the dead letter and nowhere
    /// else.
    pub message: String,
    /// The destination's detail, such as the row in its own words.
    pub detail: Option<String>,
}

impl Batch {
    /// A batch of `parcels` that moves its sources by `advances`.
    pub fn new(parcels: Vec<Parcel>, mut advances: Vec<Advance>) -> Batch {
        advances.sort_by_key(|advance| advance.split);
        let mut starts = Vec::with_capacity(parcels.len() + 1);
        let mut rows = 0;
        for parcel in &parcels {
            starts.push(rows);
            rows += parcel.rows.len();
        }
        starts.push(rows);
        Batch { parcels, advances, tried: Vec::new(), progress: None, starts }
    }

    /// The same batch, with the progress of its lane.
    pub fn with(self, progress: Option<Progress>) -> Batch {
        Batch { progress, ..self }
    }

    /// A batch of dead letters, each a parcel of its own, ordered by source.
    pub fn of_letters(parcels: Vec<Parcel>, tried: Vec<Tried>) -> Batch {
        let mut advances: Vec<Advance> = Vec::new();
        for parcel in &parcels {
            let Span { start, .. } = parcel.span;
            if advances.last().is_none_or(|advance| advance.split != parcel.split) {
                advances.push(Advance {
                    split: parcel.split,
                    from: start,
                    start,
                    to: start,
                    counts: Counts::default(),
                    tail: (0, hash16(b"")),
                    ends: None,
                    completes: false,
                    unterminated: None,
                    again: None,
                    preamble: Preamble::default(),
                });
            }
            let advance = advances.last_mut().expect("just pushed");
            // The range in which its rows can lie.
            (advance.from, advance.to) = (advance.from.min(start), advance.to.max(start + 1));
            advance.counts.records += 1;
            advance.counts.rejected += i64::from(!parcel.rejects.is_empty());
        }
        Batch { tried, ..Batch::new(parcels, advances) }
    }

    /// The letter whose record is at this place.
    pub(super) fn tried_at(&self, source_id: i32, offset: u64) -> Option<&Tried> {
        self.tried.iter().find(|tried| (tried.source_id, tried.offset) == (source_id, offset))
    }

    /// Whether it belongs to a replay.
    pub(super) fn is_replay(&self) -> bool {
        !self.tried.is_empty()
    }

    pub fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The bytes of a run of rows, in pieces.
    pub fn slices(&self, rows: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let first = self.starts.partition_point(|&start| start <= rows.start).saturating_sub(1);
        let parcels = self.parcels.iter().zip(self.starts.windows(2)).skip(first);
        parcels.take_while(move |(_, range)| range[0] < rows.end).map(move |(parcel, range)| {
            let start = rows.start.max(range[0]) - range[0];
            let end = rows.end.min(range[1]) - range[0];
            parcel.rows.slice(start..end.max(start))
        })
    }

    /// The bytes of one row.
    #[inline]
    pub fn row(&self, row: usize) -> &[u8] {
        let parcel = self.starts.partition_point(|&start| start <= row) - 1;
        let number = row - self.starts[parcel];
        self.parcels[parcel].rows.slice(number..number + 1)
    }

    /// A run of rows, cut by parcel: each piece with its split.
    pub fn runs(&self, rows: Range<usize>) -> impl Iterator<Item = (Split, Range<usize>)> {
        let parcels = self.parcels.iter().zip(self.starts.windows(2));
        let parts = parcels
            .map(move |(parcel, range)| (parcel.split, rows.start.max(range[0])..rows.end.min(range[1])));
        parts.filter(|(_, part)| !part.is_empty())
    }

    /// The index of a split's advance.
    pub fn advance_of(&self, split: Split) -> usize {
        let found = self.advances.binary_search_by_key(&split, |advance| advance.split);
        found.expect("a parcel's split is moved by its batch")
    }

    pub fn place(&self, row: usize) -> RowPlace {
        let parcel = self.starts.partition_point(|&start| start <= row) - 1;
        let (span, line) = self.parcels[parcel].place(row - self.starts[parcel]);
        RowPlace { parcel, span, line }
    }

    /// The first and last offset of each run of rows from one source, without the refused rows.
    pub fn ends(&self, refused: &[Refused]) -> Vec<(i32, u64, u64)> {
        let is_in = |row: &usize| refused.binary_search_by_key(row, |refused| refused.row).is_err();
        let runs = self.runs(0..self.rows()).filter_map(|(split, mut rows)| {
            let last = rows.clone().rev().find(is_in)?;
            let first = rows.find(is_in)?;
            Some((split.source, self.place(first).span.start, self.place(last).span.start))
        });
        runs.collect()
    }

    /// Whether the first record of a split in the batch is at `offset` and became a row. A line that is read
    /// again is always the first record of its split.
    pub fn has_row_at(&self, refused: &[Refused], split: Split, offset: u64) -> bool {
        let row = self.runs(0..self.rows()).find(|(of, _)| *of == split).map(|(_, rows)| rows.start);
        row.is_some_and(|row| {
            self.place(row).span.start == offset && refused.iter().all(|refused| refused.row != row)
        })
    }

    /// The sources that the batch completes, judged by what the ledger holds of their splits: a source is
    /// complete once its last split is.
    pub(super) fn completed(&self, stored: &[Stored]) -> Vec<i32> {
        let advances = self.advances.iter().zip(stored);
        let last = advances.filter(|(advance, stored)| advance.completes && !stored.has_open_siblings);
        last.map(|(advance, _)| advance.split.source).collect()
    }

    /// Checks that every parsed byte is still in its file, as it was when it was parsed. Called just before
    /// COMMIT; costs one system call per source while no file changes.
    pub fn still_holds(&self) -> Result<()> {
        self.parcels.iter().try_for_each(still_holds)
    }

    /// The first source whose bytes have changed, and how.
    pub fn changed(&self) -> Option<(i32, Error)> {
        let mut parcels = self.parcels.iter();
        parcels.find_map(|parcel| Some((parcel.split.source, still_holds(parcel).err()?)))
    }
}

fn still_holds(parcel: &Parcel) -> Result<()> {
    if !parcel.is_intact || parcel.source.may_have_moved()? {
        parcel.source.still_holds(parcel.span, parcel.check)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::reject::Rejects;
    use crate::schema::Altered;
    use crate::source::{Source, hash16};
    use crate::work::Rows;

    fn parcel(source: &Arc<Source>, start: u64, rows: &[&str]) -> Parcel {
        let (mut encoded, mut bytes) = (Rows::default(), Vec::new());
        let mut offset = 0;
        for (line, row) in rows.iter().enumerate() {
            bytes.extend_from_slice(row.as_bytes());
            encoded.end_row(bytes.len(), offset, row.len(), line as u32);
            offset += row.len() + 1;
        }
        encoded.put(bytes);
        Parcel {
            source: Arc::clone(source),
            split: Split::whole(1),
            span: Span::new(start, start + offset as u64),
            ends: None,
            completes: false,
            raw: 0,
            kept: None,
            rows: encoded,
            rejects: Rejects::default(),
            first_line: 0,
            lines: rows.len() as u64,
            blank: 0,
            skipped: 0,
            records: rows.len() as u64,
            record_lines: rows.len() as u64,
            days: Default::default(),
            altered: Altered::default(),
            check: 0,
            tail: (0, hash16(b"")),
            preamble: Preamble::default(),
            before: None,
            turns: Vec::new(),
            unterminated: None,
            is_intact: true,
        }
    }

    #[test]
    fn rows_are_numbered_through_all_parcels() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let source = Arc::new(Source::open(file.path()).expect("opened"));
        let parcels = vec![
            parcel(&source, 0, &["a", "bb"]),
            parcel(&source, 5, &[]),
            parcel(&source, 5, &["ccc"]),
            parcel(&source, 9, &["d", "e", "f"]),
        ];
        let batch = Batch::new(parcels, Vec::new());
        assert_eq!(batch.rows(), 6);
        let text = |rows| batch.slices(rows).flatten().map(|&byte| char::from(byte)).collect::<String>();
        assert_eq!(text(0..6), "abbcccdef");
        assert_eq!(text(1..4), "bbcccd");
        assert_eq!(text(2..3), "ccc");
        assert_eq!(text(3..3), "");
        assert_eq!(text(5..6), "f");
        assert_eq!(batch.place(2), RowPlace { parcel: 2, span: Span::new(5, 8), line: 0 });
        assert_eq!(batch.place(4), RowPlace { parcel: 3, span: Span::new(11, 12), line: 1 });
    }
}
