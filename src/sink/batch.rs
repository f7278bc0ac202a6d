//! Batches: what commits together.
//!
//! A [`Batch`] is a run of parcels in file order, of one source or several, with one
//! [`Advance`] for each source that it moves. It is whole, in memory, before its transaction
//! begins: a client that stalls inside COPY holds its locks.

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
    /// The checkpoint from which it moves. The commit compares it with the stored one.
    pub from: u64,
    /// Where the first record of the batch stands. That is not the checkpoint where a last
    /// line without a line end has grown: its line end is passed over, or it is read again.
    /// From then on the source has no such line; whoever commits this says so.
    pub start: u64,
    /// The checkpoint to which it moves.
    pub to: u64,
    pub counts: Counts,
    /// Length and hash of the bytes before `to`.
    pub tail: (u32, Hash16),
    /// Set with the batch that reaches the end of the source: its size.
    pub ends: Option<u64>,
    /// The split is at its end.
    pub completes: bool,
    /// The start of a last line without a line end. Only at the end of a source.
    pub unterminated: Option<u64>,
    /// The last record of an earlier run has grown: it is read again from there, and no longer
    /// counts as what it was.
    pub again: Option<Again>,
    /// What stands before `to`, where the records behind it mean nothing without it.
    pub preamble: Preamble,
}

impl Advance {
    /// Whether it says something new of the end of its source: it reaches it, or the last line
    /// there was, is not any more.
    pub(super) fn has_news_of_the_end(&self) -> bool {
        self.ends.is_some() || self.start != self.from
    }

    /// Whether it says something new of a last line without a line end. Where nothing was read,
    /// the one that there was is still there.
    pub(super) fn has_news_of_the_last_line(&self) -> bool {
        self.start != self.from || self.ends.is_some() && self.to > self.start
    }
}

/// A last record that was open and is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    pub offset: u64,
    /// How many lines it had when it was read first.
    pub lines: u64,
    /// It was blank then.
    pub was_blank: bool,
    /// The format skipped it then.
    pub was_skipped: bool,
    /// Where behind it a line began that was cut off, and so was a reject of its own. It is read again
    /// too, and may belong to the record now.
    pub cut_off: Option<u64>,
}

impl Counts {
    /// As a checkpoint has them, which does not say how many records there are in all.
    pub(super) fn stored(counts: Counts) -> Counts {
        let Counts { inserted, updated, unchanged, superseded, rejected, .. } = counts;
        Counts { records: inserted + updated + unchanged + superseded + rejected, ..counts }
    }

    /// Takes back a line that is read again. It was a reject, or one of the rows that were
    /// `stored` for its source.
    ///
    /// What a row was counted as is not remembered; that it was counted is. The sum is right,
    /// and the parts are as right as the parts of a sum over batches can be.
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

/// What the checkpoint of a split says when a batch begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    /// What became of the records before the batch.
    pub(super) counts: Counts,
    /// Other splits of its source are not at their end. Only asked where the batch completes a
    /// split of several.
    pub(super) has_open_siblings: bool,
}

impl Stored {
    /// The counters once they have moved.
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
    /// How far each split moves, in their order, and at most one of a source. `counts` holds what the
    /// workers know; what the destination did with the rows is added by the commit.
    pub advances: Vec<Advance>,
    /// The dead letters that its parcels are, one each, where it is of a replay: these move then,
    /// and no checkpoint does.
    pub tried: Vec<Tried>,
    /// How far the lane is with it, if that is to be written down.
    pub progress: Option<Progress>,
    /// The number of the first row of each parcel, and of all rows at the end.
    starts: Vec<usize>,
}

/// One row of a batch, by the record that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// The parcel, by number.
    pub parcel: usize,
    /// Where the record stands in its source.
    pub span: Span,
    /// Lines of the chunk before it.
    pub line: u32,
}

/// A row that the destination refused.
#[derive(Clone, Debug)]
pub struct Refused {
    pub row: usize,
    /// The destination's code.
    pub code: Code,
    /// The column, where it is known.
    pub column: Option<String>,
    /// The constraint, where there is one.
    pub constraint: Option<String>,
    /// What the destination said. May hold values of the row: it goes into the dead letter
    /// and nowhere else.
    pub message: String,
    /// What it told besides, as the row in its own words.
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

    /// The same, and how far its lane is with it.
    pub fn with(self, progress: Option<Progress>) -> Batch {
        Batch { progress, ..self }
    }

    /// A batch of dead letters, each a parcel of its own, source by source.
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
            // The range in which rows may be met.
            (advance.from, advance.to) = (advance.from.min(start), advance.to.max(start + 1));
            advance.counts.records += 1;
            advance.counts.rejected += i64::from(!parcel.rejects.is_empty());
        }
        Batch { tried, ..Batch::new(parcels, advances) }
    }

    /// The letter whose record stands at a place.
    pub(super) fn tried_at(&self, source_id: i32, offset: u64) -> Option<&Tried> {
        self.tried.iter().find(|tried| (tried.source_id, tried.offset) == (source_id, offset))
    }

    /// Whether it is of a replay.
    pub(super) fn is_replay(&self) -> bool {
        !self.tried.is_empty()
    }

    pub fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The bytes of a run of its rows, in pieces.
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

    /// A run of its rows, cut by parcel: the split, and the rows.
    pub fn runs(&self, rows: Range<usize>) -> impl Iterator<Item = (Split, Range<usize>)> {
        let parcels = self.parcels.iter().zip(self.starts.windows(2));
        let parts = parcels
            .map(move |(parcel, range)| (parcel.split, rows.start.max(range[0])..rows.end.min(range[1])));
        parts.filter(|(_, part)| !part.is_empty())
    }

    /// The number of the advance of a split.
    pub fn advance_of(&self, split: Split) -> usize {
        let found = self.advances.binary_search_by_key(&split, |advance| advance.split);
        found.expect("a parcel's split is moved by its batch")
    }

    pub fn place(&self, row: usize) -> RowPlace {
        let parcel = self.starts.partition_point(|&start| start <= row) - 1;
        let (span, line) = self.parcels[parcel].place(row - self.starts[parcel]);
        RowPlace { parcel, span, line }
    }

    /// Of each run of rows of one source, without the refused ones, the first and the last offset.
    pub fn ends(&self, refused: &[Refused]) -> Vec<(i32, u64, u64)> {
        let is_in = |row: &usize| refused.binary_search_by_key(row, |refused| refused.row).is_err();
        let runs = self.runs(0..self.rows()).filter_map(|(split, mut rows)| {
            let last = rows.clone().rev().find(is_in)?;
            let first = rows.find(is_in)?;
            Some((split.source, self.place(first).span.start, self.place(last).span.start))
        });
        runs.collect()
    }

    /// Whether the first record of a split in the batch stands at `offset` and became a row.
    /// A line that is read again is the first that there is of its split.
    pub fn has_row_at(&self, refused: &[Refused], split: Split, offset: u64) -> bool {
        let row = self.runs(0..self.rows()).find(|(of, _)| *of == split).map(|(_, rows)| rows.start);
        row.is_some_and(|row| {
            self.place(row).span.start == offset && refused.iter().all(|refused| refused.row != row)
        })
    }

    /// The sources that the batch completes, by what the ledger said of its splits: a source is
    /// complete with the last of its splits.
    pub(super) fn completed(&self, stored: &[Stored]) -> Vec<i32> {
        let advances = self.advances.iter().zip(stored);
        let last = advances.filter(|(advance, stored)| advance.completes && !stored.has_open_siblings);
        last.map(|(advance, _)| advance.split.source).collect()
    }

    /// Checks that every byte that was parsed is still in its file, and was when it was
    /// parsed. Asked just before COMMIT. Costs a system call per source while nothing moves.
    pub fn still_holds(&self) -> Result<()> {
        self.parcels.iter().try_for_each(still_holds)
    }

    /// The first source of which that is not so, and why.
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
