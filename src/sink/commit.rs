//! The steps of a commit, in the order that makes it exactly-once.
//!
//! Fence, rows, constraints, dead letters, the look at the files, marks of dates, then the checkpoints. The
//! fence detects a run that has lost ownership before it has written anything. No checkpoint moves before
//! everything it stands for is written, and moving the checkpoints makes the rest durable. A failure before
//! that leaves nothing behind. The order is the argument, so it is written once, in this file; each kind of
//! destination implements the steps.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::batch::Stored;
use super::dead_letter::{Letter, Refused};
use super::{Batch, Committed, Counts};
use crate::error::Error;

/// The ledger's part: how far sources are.
pub(super) trait Checkpoints {
    /// What can go wrong, before it is classified.
    type Trouble: From<Error>;

    /// Locks the checkpoints of the batch, compares them with what this run owns, and returns what they hold,
    /// per advance.
    fn fence(&mut self) -> Result<Vec<Stored>, Self::Trouble>;

    /// Moves the checkpoints, adds `deltas` to their counters, and makes everything that was written durable.
    /// The outcome of the batch is handed over before that begins, because the answer may be lost.
    fn advance(&mut self, deltas: &[Counts], moved: Moved) -> Result<(), Self::Trouble>;
}

/// The rows: the part of the job's own table.
pub(super) trait Rows: Checkpoints {
    /// Writes the rows of the batch.
    fn write_rows(&mut self) -> Result<Written, Self::Trouble>;

    /// Removes the row of a record that is read again and no longer becomes a row.
    fn forget_row(&mut self, source_id: i32, offset: u64) -> Result<(), Self::Trouble>;

    /// Forces deferred refusals to surface here, or makes the next statement that is sent surface them.
    fn check_constraints(&mut self) -> Result<(), Self::Trouble> {
        Ok(())
    }
}

/// The marks of dates whose metrics must be computed.
pub(super) trait Marking: Checkpoints {
    /// Marks the dates of what a batch has written and removed, if any job keeps metrics of them.
    fn mark_dates(&mut self, touched: &Touched) -> Result<(), Self::Trouble>;
}

/// What a batch has changed.
pub(super) struct Touched {
    /// Rows were written.
    rows: bool,
    /// Letters were added, removed or changed.
    pub(super) letters: bool,
}

impl Touched {
    fn of(batch: &Batch, counts: &[Counts], has_letters: bool) -> Touched {
        let is_again = batch.advances.iter().any(|advance| advance.again.is_some());
        Touched {
            rows: counts.iter().any(|counts| counts.inserted + counts.updated > 0),
            letters: has_letters || is_again || batch.is_replay(),
        }
    }

    /// Adds the days of the batch's rows.
    pub(super) fn add_days(&self, batch: &Batch, days: &mut BTreeSet<NaiveDate>) {
        if self.rows {
            batch.parcels.iter().for_each(|parcel| parcel.days.add_to(days));
        }
    }
}

/// The dead letters.
pub(super) trait Letters: Checkpoints {
    /// Supersedes the letter of a record that is read again, and returns how often it was tried; `None` if
    /// there is no letter.
    fn supersede(&mut self, source_id: i32, offset: u64) -> Result<Option<i32>, Self::Trouble>;

    /// Writes letters, in file order.
    fn write_letters(&mut self, letters: &[Letter<'_>]) -> Result<(), Self::Trouble>;
}

/// The outcome of a batch whose checkpoints have moved.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) committed: Committed,
    /// The new counters of the checkpoints, per advance.
    pub(super) after: Vec<Counts>,
}

/// The outcome of a batch's rows.
pub(super) struct Written {
    pub(super) counts: Vec<Counts>,
    /// The rows that the destination refused, in order.
    pub(super) refused: Vec<Refused>,
}

/// Takes the steps of a commit in a transaction that has begun. `pass` is called between them; each call is a
/// point at which a run can die.
pub(super) fn commit<T: Rows + Letters + Marking>(
    transaction: &mut T,
    batch: &Batch,
    raw_max: usize,
    pass: impl Fn(&'static str) -> Result<(), T::Trouble>,
) -> Result<(), T::Trouble> {
    pass("before-fence")?;
    let stored = transaction.fence()?;
    pass("after-fence")?;

    let Written { mut counts, refused } = transaction.write_rows()?;
    pass("after-rows")?;
    for (advance, counts) in batch.advances.iter().zip(&mut counts) {
        counts.add(&advance.counts);
    }
    for row in &refused {
        let advance = batch.advance_of(batch.parcels[batch.place(row.row).parcel].split);
        counts[advance].rejected += 1;
    }
    let (deltas, tried) = read_again(transaction, batch, &stored, &counts, &refused)?;
    transaction.check_constraints()?;

    let mut letters = batch.dead_letters(&refused, raw_max)?;
    tried.iter().for_each(|tried| tried.count_in(&mut letters));
    if !letters.is_empty() {
        transaction.write_letters(&letters)?;
    }
    pass("after-dead-letters")?;

    batch.still_holds()?;
    // Last, because others wait for their locks.
    transaction.mark_dates(&Touched::of(batch, &counts, !letters.is_empty()))?;
    pass("before-commit")?;
    let completed = batch.completed(&stored);
    let after = stored.iter().zip(&deltas).map(|(stored, deltas)| stored.after(deltas)).collect();
    transaction.advance(&deltas, Moved { committed: Committed { counts, refused, completed }, after })
}

/// The changes to the checkpoints' counters: the outcomes of the records, minus those that an earlier run
/// counted and that are read again. Of these only the number of tries still counts.
fn read_again<T: Rows + Letters>(
    transaction: &mut T,
    batch: &Batch,
    stored: &[Stored],
    counts: &[Counts],
    refused: &[Refused],
) -> Result<(Vec<Counts>, Vec<Tried>), T::Trouble> {
    let (mut deltas, mut tried) = (counts.to_vec(), Vec::new());
    for ((advance, stored), deltas) in batch.advances.iter().zip(stored).zip(&mut deltas) {
        let Some(again) = advance.again else { continue };
        let source_id = advance.split.source;
        // A blank line left neither a letter nor a row. Under a key without positions, only a blank line is
        // ever read again.
        let whole = (!again.was_blank).then_some(again.offset);
        let mut was_rejected = false;
        for offset in whole.into_iter().chain(again.cut_off) {
            let Some(attempts) = transaction.supersede(source_id, offset)? else { continue };
            was_rejected |= Some(offset) == whole;
            tried.push(Tried { source_id, offset, attempts });
        }
        deltas.take_back(again, was_rejected, *stored);
        if !again.was_blank && !batch.has_row_at(refused, advance.split, again.offset) {
            transaction.forget_row(source_id, again.offset)?;
        }
    }
    Ok((deltas, tried))
}

/// A record that was refused before and is read again because it has grown.
struct Tried {
    source_id: i32,
    offset: u64,
    attempts: i32,
}

impl Tried {
    /// If it is refused again, its letter replaces the old one under the same id and counts its tries too, so
    /// a receiver of both can tell which is later.
    fn count_in(&self, letters: &mut [Letter<'_>]) {
        let is_its = |it: &&mut Letter<'_>| it.source_id == self.source_id && it.span.start == self.offset;
        if let Some(letter) = letters.iter_mut().find(is_its) {
            letter.attempts += self.attempts;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write as _;
    use std::sync::Arc;

    use xxhash_rust::xxh3::xxh3_64;

    use super::*;
    use crate::reject::{Rejects, code};
    use crate::sink::{Advance, Again};
    use crate::source::{Preamble, Source, hash16};
    use crate::span::Span;
    use crate::split::Split;
    use crate::work::{Parcel, Rows as Encoded};

    const WHOLE: Split = Split { source: 1, start: 0 };

    /// A batch of the records of `content`, each as its bytes.
    fn batch(content: &str, again: Option<Again>) -> Batch {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(content.as_bytes()).expect("written");
        let source = Arc::new(Source::open(file.path()).expect("opened"));
        let (mut rows, mut bytes, mut offset) = (Encoded::default(), Vec::new(), 0);
        for (line, record) in content.lines().enumerate() {
            bytes.extend_from_slice(record.as_bytes());
            rows.end_row(bytes.len(), offset, record.len(), line as u32);
            offset += record.len() + 1;
        }
        rows.put(bytes);
        let (to, lines) = (content.len() as u64, content.lines().count() as u64);
        let parcel = Parcel {
            source,
            split: WHOLE,
            span: Span::new(0, to),
            ends: Some(to),
            completes: true,
            raw: to,
            kept: None,
            rows,
            rejects: Rejects::default(),
            first_line: 0,
            lines,
            blank: 0,
            skipped: 0,
            records: lines,
            record_lines: lines,
            days: Default::default(),
            altered: Default::default(),
            check: xxh3_64(content.as_bytes()),
            tail: (0, hash16(b"")),
            preamble: Preamble::default(),
            before: None,
            turns: Vec::new(),
            unterminated: None,
            is_intact: true,
        };
        let advance = Advance {
            split: WHOLE,
            from: 0,
            start: 0,
            to,
            counts: Counts { lines: lines as i64, records: lines as i64, ..Counts::default() },
            tail: parcel.tail,
            ends: parcel.ends,
            completes: true,
            unterminated: None,
            again,
            preamble: Preamble::default(),
        };
        Batch::new(vec![parcel], vec![advance])
    }

    /// A destination that writes down which steps it is asked to take.
    struct Steps<'b> {
        batch: &'b Batch,
        log: &'b RefCell<Vec<String>>,
        stored: Stored,
        /// The rows that it refuses.
        refused: &'b [usize],
        /// The letters that there are, by their offsets, and how often they were tried.
        letters: &'b [(u64, i32)],
        /// Those that are written.
        written: Vec<(u64, i32)>,
        ended: Option<(Vec<Counts>, Moved)>,
    }

    impl Steps<'_> {
        fn step(&self, step: impl Into<String>) {
            self.log.borrow_mut().push(step.into());
        }
    }

    impl Checkpoints for Steps<'_> {
        type Trouble = Error;

        fn fence(&mut self) -> Result<Vec<Stored>, Error> {
            self.step("fence");
            Ok(vec![self.stored])
        }

        fn advance(&mut self, deltas: &[Counts], moved: Moved) -> Result<(), Error> {
            self.step("advance");
            self.ended = Some((deltas.to_vec(), moved));
            Ok(())
        }
    }

    impl Rows for Steps<'_> {
        fn write_rows(&mut self) -> Result<Written, Error> {
            self.step("rows");
            let refused = |&row: &usize| Refused {
                row,
                code: code::NOT_STORABLE,
                column: None,
                constraint: None,
                message: "no".to_owned(),
                detail: None,
            };
            let inserted = self.batch.rows() - self.refused.len();
            let counts = Counts { inserted: inserted as i64, ..Counts::default() };
            Ok(Written { counts: vec![counts], refused: self.refused.iter().map(refused).collect() })
        }

        fn forget_row(&mut self, source_id: i32, offset: u64) -> Result<(), Error> {
            self.step(format!("forget {source_id} {offset}"));
            Ok(())
        }

        fn check_constraints(&mut self) -> Result<(), Error> {
            self.step("constraints");
            Ok(())
        }
    }

    impl Letters for Steps<'_> {
        fn supersede(&mut self, source_id: i32, offset: u64) -> Result<Option<i32>, Error> {
            self.step(format!("supersede {source_id} {offset}"));
            let letter = self.letters.iter().find(|(at, _)| *at == offset);
            Ok(letter.map(|(_, attempts)| *attempts))
        }

        fn write_letters(&mut self, letters: &[Letter<'_>]) -> Result<(), Error> {
            self.step("letters");
            self.written = letters.iter().map(|letter| (letter.span.start, letter.attempts)).collect();
            Ok(())
        }
    }

    impl Marking for Steps<'_> {
        fn mark_dates(&mut self, touched: &Touched) -> Result<(), Error> {
            self.step(format!("marks {} {}", touched.rows, touched.letters));
            Ok(())
        }
    }

    /// What a commit does, and what it counts.
    struct Done {
        steps: Vec<String>,
        written: Vec<(u64, i32)>,
        deltas: Counts,
        moved: Moved,
    }

    fn committed(batch: &Batch, stored: Stored, refused: &[usize], letters: &[(u64, i32)]) -> Done {
        let log = RefCell::default();
        let mut steps =
            Steps { batch, log: &log, stored, refused, letters, written: Vec::new(), ended: None };
        let pass = |point: &'static str| {
            log.borrow_mut().push(point.to_owned());
            Ok(())
        };
        commit(&mut steps, batch, 100, pass).expect("a commit");
        let (deltas, moved) = steps.ended.take().expect("it has advanced");
        Done { steps: log.take(), written: steps.written, deltas: deltas[0], moved }
    }

    fn stored(inserted: i64) -> Stored {
        Stored { counts: Counts { inserted, ..Counts::default() }, has_open_siblings: false }
    }

    const AGAIN: Again = Again { offset: 0, lines: 1, was_blank: false, was_skipped: false, cut_off: None };

    #[test]
    fn the_steps_are_taken_in_their_order() {
        let batch = batch("a\nbb\n", None);
        let done = committed(&batch, stored(5), &[1], &[]);
        let steps = [
            "before-fence",
            "fence",
            "after-fence",
            "rows",
            "after-rows",
            "constraints",
            "letters",
            "after-dead-letters",
            "marks true true",
            "before-commit",
            "advance",
        ];
        assert_eq!(done.steps, steps);
        assert_eq!(done.written, [(2, 1)]);
        let expected = Counts { lines: 2, records: 2, inserted: 1, rejected: 1, ..Counts::default() };
        assert_eq!((done.deltas, done.moved.committed.counts), (expected, vec![expected]));
        let after = done.moved.after[0];
        assert_eq!((after.inserted, after.rejected, after.records), (6, 1, 7));
        assert_eq!((done.moved.committed.completed, done.moved.committed.refused.len()), (vec![1], 1));
        // Where nothing is refused, nothing is said of letters.
        let done = committed(&batch, stored(0), &[], &[]);
        assert!(!done.steps.contains(&"letters".to_owned()), "{:?}", done.steps);
        assert!(done.steps.contains(&"marks true false".to_owned()), "{:?}", done.steps);
    }

    #[test]
    fn a_record_that_is_read_again_counts_once() {
        // It was a row, and is one again.
        let grown = batch("a\nbb\n", Some(AGAIN));
        let done = committed(&grown, stored(1), &[], &[]);
        assert_eq!((done.deltas.lines, done.deltas.inserted, done.deltas.rejected), (1, 1, 0));
        assert!(
            done.steps.contains(&"supersede 1 0".to_owned())
                && !done.steps.contains(&"forget 1 0".to_owned())
        );
        // It was a row, and is none.
        let done = committed(&grown, stored(1), &[0], &[]);
        assert_eq!((done.deltas.inserted, done.deltas.rejected), (0, 1));
        assert!(done.steps.contains(&"forget 1 0".to_owned()), "{:?}", done.steps);
        assert_eq!(done.written, [(0, 1)]);
        // It was refused twice, and is again: the letter counts all of its tries.
        let done = committed(&grown, stored(1), &[0, 1], &[(0, 2)]);
        assert_eq!((done.deltas.inserted, done.deltas.rejected), (0, 1));
        assert_eq!(done.written, [(0, 3), (2, 1)]);
    }

    #[test]
    fn a_blank_line_that_has_grown_left_nothing() {
        let grown = batch("a\n", Some(Again { was_blank: true, ..AGAIN }));
        for refused in [&[][..], &[0]] {
            let done = committed(&grown, stored(0), refused, &[(0, 2)]);
            let touches = |step: &String| step.starts_with("supersede") || step.starts_with("forget");
            assert!(!done.steps.iter().any(touches), "{:?}", done.steps);
            assert_eq!(done.deltas.blank, -1);
        }
    }

    #[test]
    fn what_was_cut_off_was_a_reject_of_its_own() {
        let grown = batch("a\nbb\n", Some(Again { cut_off: Some(2), ..AGAIN }));
        let done = committed(&grown, stored(1), &[0, 1], &[(2, 4)]);
        assert!(done.steps.contains(&"supersede 1 2".to_owned()), "{:?}", done.steps);
        // The row before it is taken back as a row, and the letter of the rest as a letter.
        assert_eq!((done.deltas.inserted, done.deltas.rejected), (-1, 1));
        assert_eq!(done.written, [(0, 1), (2, 5)]);
    }

    #[test]
    fn what_a_batch_touches_is_told_by_each_that_can_touch() {
        let plain = batch("a\n", None);
        let rows = |inserted, updated| {
            let counts = [Counts { inserted, updated, unchanged: 3, ..Counts::default() }];
            Touched::of(&plain, &counts, false).rows
        };
        assert_eq!([rows(0, 0), rows(1, 0), rows(0, 1), rows(1, 1)], [false, true, true, true]);
        let letters = |batch: &Batch, has_letters| Touched::of(batch, &[], has_letters).letters;
        assert!(!letters(&plain, false) && letters(&plain, true));
        assert!(letters(&batch("a\n", Some(AGAIN)), false));
        let mut replay = batch("a\n", None);
        replay.tried.push(crate::sink::replay::Tried {
            id: 1,
            attempts: 1,
            source_id: 1,
            offset: 0,
            fixed: None,
        });
        assert!(letters(&replay, false));
    }
}
