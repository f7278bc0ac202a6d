//! One batch, one transaction: how PostgreSQL takes the steps of a commit.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use postgres::SimpleQueryMessage;

use super::catalog::Signature;
use super::constants::Constants;
use super::dead_letters;
use super::frame::Frame;
use super::ledger::{end_sql, fence, lock_sources_sql};
use super::link::{Link, OUR_PATH};
use super::pieces::Refusals;
use super::probe::probe;
use super::replay;
use super::rows::RowWriter;
use super::strategy::{Manner, Route};
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use crate::error::ErrorKind;
use crate::sink::batch::Stored;
use crate::sink::claim::signed;
use crate::sink::commit::{Checkpoints, Letters, Marking, Moved, Rows, Touched, Written, commit};
use crate::sink::dead_letter::Letter;
use crate::sink::ledger::Holdings;
use crate::sink::{Batch, Counts};

/// What a batch became.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) moved: Moved,
    /// The way that the rows went.
    pub(super) route: Route,
    /// Rows were refused, and the next batch may begin with care.
    pub(super) refusals: Option<Refusals>,
    /// The dates that the end of a larger transaction is to mark.
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
    refusals: Option<Refusals>,
    /// Of a replay, the letters that were refused again, by their ids.
    refused: Vec<i64>,
    /// The dates to mark, where the target has metrics.
    days: Option<BTreeSet<NaiveDate>>,
}

/// Commits `batch`, or writes it where a rebuild is under way. Its splits move from the positions in
/// `owned`. What became of the batch is in `found` before COMMIT is sent.
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
    link.staging.begin();
    let days = begin(frame, link, constants, batch, owned)?.then(BTreeSet::new);
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
        refusals: None,
        refused: Vec::new(),
        days,
    };
    commit(&mut transaction, batch, constants.raw_max, |point| pass(step_of(point), point))?;
    pass(Step::End, "after-commit")
}

/// The step at which a point is passed.
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
        if self.batch.is_replay() {
            return replay::fence(self.link, self.batch);
        }
        fence(self.link, self.batch, self.owned)
    }

    fn advance(&mut self, deltas: &[Counts], moved: Moved) -> Result<(), Trouble> {
        let end_sql = match self.batch.is_replay() {
            true => {
                replay::keep_mended(self.link, self.batch, &self.refused)?;
                replay::end_sql(self.batch, &self.refused, self.constants.rules_hash, self.frame)
            }
            false => {
                let refused = moved.committed.refused.len();
                end_sql(self.batch, self.owned, deltas, refused, self.frame)
            }
        };
        let days = self.days.take().unwrap_or_default();
        let done = Done { moved, route: self.route, refusals: self.refusals, days };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        at(Step::End, self.link.client.batch_execute(&end_sql))?;
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
        self.route = match manner.route {
            Some(route) => route,
            None if probe(link, constants, batch, manner.probes_far)? => Route::Staged,
            None => Route::Direct,
        };
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
        // What comes now is ours alone, and looked up where only the server's own is.
        let end_of_rows = format!("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL search_path = {OUR_PATH}");
        at(Step::Constraints, self.link.client.batch_execute(&end_of_rows))
    }
}

impl Marking for Transaction<'_> {
    fn mark_dates(&mut self, touched: &Touched) -> Result<(), Trouble> {
        let Some(mut days) = self.days.take() else { return Ok(()) };
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
        if self.batch.is_replay() {
            self.refused = replay::refuse(self.link, self.batch, letters, self.constants.rules_hash)?;
            return Ok(());
        }
        dead_letters::write(self.link, self.constants, self.batch, self.owned, letters)
    }
}

/// Begins, and compares the target with what it was: a changed type, or another table of its name,
/// loads as garbage in COPY BINARY. All in one message, of which the lock comes before the look.
/// From here to the end of the rows, names are looked up as those who wrote the triggers of the
/// target meant them.
/// Says whether dates are to be marked.
fn begin(
    frame: Frame,
    link: &mut Link,
    constants: &Constants,
    batch: &Batch,
    owned: &Holdings,
) -> Result<bool, Trouble> {
    let begin_sql = format!(
        "{}{}; SET LOCAL search_path = {}",
        frame.begin_sql(constants),
        lock_sources_sql(batch, owned),
        constants.target_path
    );
    let said = at(Step::Begin, link.client.simple_query(&begin_sql))?;
    link.pulse.beat();
    let now = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) if row.len() == Signature::TEXTS => Some(row),
        _ => None,
    });
    let Some(difference) = constants.target.signature.difference(now, constants.key_index.oid) else {
        return constants.marks.are_wanted(&said);
    };
    Err(Trouble::Ours(
        ErrorKind::Server {
            doing: Step::Compare.doing().to_owned(),
            sqlstate: None,
            message: format!(
                "{} {difference}: it was changed during the run; what was committed is kept, run again to go on",
                constants.target.quoted()
            ),
        }
        .into(),
    ))
}
