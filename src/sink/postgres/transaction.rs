//! One batch, one transaction: PostgreSQL's implementation of the steps of a commit.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use postgres::SimpleQueryMessage;

use super::catalog::Signature;
use super::constants::Constants;
use super::dead_letters;
use super::frame::Frame;
use super::ledger::{end_sql, fence_sql, lock_sources_sql, prepare_fence, stored};
use super::link::{Link, OUR_PATH};
use super::pieces::Refusals;
use super::probe::{are_there, probe_sql};
use super::replay;
use super::rows::RowWriter;
use super::strategy::{Manner, Route};
use super::trouble::{Trouble, at, odd_answer, pass};
use super::verdict::Step;
use crate::error::ErrorKind;
use crate::sink::batch::Stored;
use crate::sink::claim::signed;
use crate::sink::commit::{Checkpoints, Letters, Marking, Moved, Rows, Touched, Written, commit};
use crate::sink::dead_letter::Letter;
use crate::sink::ledger::Holdings;
use crate::sink::{Batch, Counts};

/// The outcome of a batch.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) moved: Moved,
    /// The route the rows took.
    pub(super) route: Route,
    /// Rows were refused, so the next batch may begin with care.
    pub(super) refusals: Option<Refusals>,
    /// The dates to mark at the end of a larger transaction.
    pub(super) days: BTreeSet<NaiveDate>,
}

/// A transaction that writes a batch.
struct Transaction<'a> {
    frame: Frame,
    link: &'a mut Link,
    constants: &'a Constants,
    batch: &'a Batch,
    owned: &'a Holdings,
    manner: &'a Manner,
    found: &'a Mutex<Option<Done>>,
    route: Route,
    /// The statements that force deferred refusals to surface once the rows are written. Sent with the next
    /// message.
    end_of_rows: Option<String>,
    refusals: Option<Refusals>,
    /// In a replay: the letters that were refused again, by id.
    refused: Vec<i64>,
    /// The dates to mark, if the target has metrics.
    days: Option<BTreeSet<NaiveDate>>,
}

/// Commits `batch`, or writes it within a rebuild in progress. Its splits move from the positions in `owned`.
/// The outcome of the batch is in `found` before COMMIT is sent.
pub(super) fn transaction(
    frame: Frame,
    link: &mut Link,
    constants: &Constants,
    batch: &Batch,
    owned: &Holdings,
    manner: &Manner,
    found: &Mutex<Option<Done>>,
) -> Result<(), Trouble> {
    pass(Step::Begin, "before-begin")?;
    if frame == Frame::Transaction {
        prepare_fence(link)?;
    }
    link.staging.begin();
    let route = Route::Direct;
    let mut transaction = Transaction {
        frame,
        link,
        constants,
        batch,
        owned,
        manner,
        found,
        route,
        end_of_rows: None,
        refusals: None,
        refused: Vec::new(),
        days: None,
    };
    commit(&mut transaction, batch, constants.raw_max, |point| pass(step_of(point), point))?;
    pass(Step::End, "after-commit")
}

/// The step that a failpoint belongs to.
fn step_of(point: &str) -> Step {
    match point {
        "before-fence" | "after-fence" => Step::Fence,
        "before-commit" => Step::End,
        _ => Step::DeadLetters,
    }
}

impl Checkpoints for Transaction<'_> {
    type Trouble = Trouble;

    fn fence(&mut self) -> Result<Vec<Stored>, Trouble> {
        let said = self.begin()?;
        if self.batch.is_replay() {
            return replay::fence(self.link, self.batch);
        }
        stored(&said, self.batch).ok_or_else(|| Trouble::Ours(odd_answer(Step::Fence)))
    }

    fn advance(&mut self, deltas: &[Counts], moved: Moved) -> Result<(), Trouble> {
        let end_sql = match self.batch.is_replay() {
            true => {
                self.end_rows()?;
                replay::keep_mended(self.link, self.batch, &self.refused)?;
                replay::end_sql(self.batch, &self.refused, self.constants.rules_hash, self.frame)
            }
            false => {
                let refused = moved.committed.refused.len();
                end_sql(self.batch, self.owned, deltas, refused, self.frame)
            }
        };
        let sql = self.end_of_rows.take().unwrap_or_default() + &end_sql;
        let days = self.days.take().unwrap_or_default();
        let done = Done { moved, route: self.route, refusals: self.refusals, days };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        at(Step::End, self.link.client.batch_execute(&sql))?;
        match self.frame {
            Frame::Transaction => self.link.staging.committed(),
            Frame::Savepoint => self.link.staging.released(),
        }
        Ok(())
    }
}

impl Rows for Transaction<'_> {
    fn write_rows(&mut self) -> Result<Written, Trouble> {
        let Transaction { link, constants, batch, manner, .. } = self;
        let mut rows = RowWriter::new(link, constants, batch, self.route, manner, self.days.is_some());
        rows.write_all()?;
        self.refusals = rows.refusals;
        if let (Some(days), Some(replaced)) = (&mut self.days, rows.replaced) {
            days.extend(replaced);
        }
        Ok(Written { counts: rows.counts, refused: rows.refused })
    }

    fn forget_row(&mut self, source_id: i32, offset: u64) -> Result<(), Trouble> {
        let table = self.constants.target.quoted();
        if let Some(days) = &mut self.days {
            let is_it = format!("t.source_id = {source_id} AND t.source_offset = {}", signed(offset));
            days.extend(self.constants.marks.days_where(&mut self.link.client, &table, &is_it)?);
        }
        let sql = format!(
            "DELETE FROM {table} WHERE source_id OPERATOR(pg_catalog.=) $1 AND source_offset OPERATOR(pg_catalog.=) $2"
        );
        at(Step::Merge, self.link.client.execute(&sql, &[&source_id, &signed(offset)]))?;
        Ok(())
    }

    fn check_constraints(&mut self) -> Result<(), Trouble> {
        // What follows concerns only logmill's own tables, and is resolved only among built-ins.
        let end_of_rows = format!("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL search_path = {OUR_PATH}; ");
        self.end_of_rows = Some(end_of_rows);
        if self.manner.checks_apart { self.end_rows() } else { Ok(()) }
    }
}

impl Marking for Transaction<'_> {
    fn mark_dates(&mut self, touched: &Touched) -> Result<(), Trouble> {
        let Some(mut days) = self.days.take() else { return Ok(()) };
        self.end_rows()?;
        touched.add_days(self.batch, &mut days);
        let marks = &self.constants.marks;
        if touched.letters {
            let sources = self.batch.advances.iter().map(|advance| advance.split.source).collect();
            days.extend(marks.days_of_letters(&mut self.link.client, sources)?);
        }
        match self.frame {
            Frame::Transaction => marks.write(self.link, &days),
            // Marks come last, and this is not the end yet.
            Frame::Savepoint => {
                self.days = Some(days);
                Ok(())
            }
        }
    }
}

impl Letters for Transaction<'_> {
    fn supersede(&mut self, source_id: i32, offset: u64) -> Result<Option<i32>, Trouble> {
        dead_letters::supersede(self.link, source_id, offset)
    }

    fn write_letters(&mut self, letters: &[Letter<'_>]) -> Result<(), Trouble> {
        self.end_rows()?;
        if self.batch.is_replay() {
            self.refused = replay::refuse(self.link, self.batch, letters, self.constants.rules_hash)?;
            return Ok(());
        }
        dead_letters::write(self.link, self.constants, self.batch, self.owned, letters)
    }
}

impl Transaction<'_> {
    /// Begins, in one message: the lock on the target comes before reading it, and the fence before the probe
    /// for its rows. With a changed type, or another table of the same name, COPY BINARY would load garbage,
    /// so the target is compared with its former state. From here to the end of the rows, names are resolved
    /// as the authors of the target's triggers intended.
    fn begin(&mut self) -> Result<Vec<SimpleQueryMessage>, Trouble> {
        let Transaction { frame, link, constants, batch, owned, manner, .. } = self;
        let (step, fence) = match batch.is_replay() {
            true => (Step::Begin, String::new()),
            false => (Step::Fence, lock_sources_sql(batch, owned) + &fence_sql(batch, owned)),
        };
        let probe = match manner.route {
            Some(_) => String::new(),
            None => probe_sql(constants, batch, manner.probes_far),
        };
        let sql = format!(
            "{}{fence}; SET LOCAL search_path = {}{probe}",
            frame.begin_sql(constants),
            constants.target_path
        );
        let said = at(step, link.client.simple_query(&sql))?;
        link.pulse.beat();
        refuse_other_target(constants, &said)?;
        self.days = constants.marks.are_wanted(&said)?.then(BTreeSet::new);
        let staged_if = if are_there(&said) { Route::Staged } else { Route::Direct };
        self.route = manner.route.unwrap_or(staged_if);
        Ok(said)
    }

    /// Checks deferred constraints by a separate message, if that is still to be done.
    fn end_rows(&mut self) -> Result<(), Trouble> {
        match self.end_of_rows.take() {
            Some(sql) => at(Step::Constraints, self.link.client.batch_execute(&sql)),
            None => Ok(()),
        }
    }
}

/// Refuses a target that differs from the one that the rows were encoded for.
fn refuse_other_target(constants: &Constants, said: &[SimpleQueryMessage]) -> Result<(), Trouble> {
    let now = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) if row.len() == Signature::TEXTS => Some(row),
        _ => None,
    });
    let Some(difference) = constants.target.signature.difference(now, constants.key_index.oid) else {
        return Ok(());
    };
    Err(Trouble::Ours(
        ErrorKind::Server {
            doing: Step::Compare.doing().to_owned(),
            sqlstate: None,
            message: format!(
                "{} {difference}: it was changed during the run. What was committed is kept. To resume, run the same command again",
                constants.target.quoted()
            ),
        }
        .into(),
    ))
}
