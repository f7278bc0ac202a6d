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
    /// The counters of the checkpoints from then on, per advance.
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
