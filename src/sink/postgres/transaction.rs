//! One batch, one transaction.
//!
//! The order of the steps is the argument for exactly-once, so it is kept in one function,
//! [`transaction`], to be read from top to bottom: fence, rows, constraints, dead letters,
//! then checkpoints and COMMIT in one message. Whatever fails before the end leaves nothing;
//! a failure at the end leaves all or nothing, and the checkpoint knows which.

use std::sync::{Mutex, PoisonError};

use postgres::SimpleQueryMessage;

use super::dead_letters;
use super::ledger::{end_sql, fence, lock_sources_sql};
use super::link::{Link, OUR_PATH};
use super::own::Owned;
use super::pieces::Seen;
use super::probe::probe;
use super::rows::RowWriter;
use super::shape::Shape;
use super::strategy::{Manner, Route};
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use crate::error::Kind;
use crate::sink::claim::signed;
use crate::sink::dead_letter::Refused;
use crate::sink::{Batch, Counts};

/// What a batch became.
#[derive(Debug)]
pub(super) struct Done {
    /// Per advance, what became of its records.
    pub(super) counts: Vec<Counts>,
    /// The rows that the server refused, in order.
    pub(super) refused: Vec<Refused>,
    /// The way that the rows went.
    pub(super) route: Route,
    /// Rows were refused, and the next batch may begin with care.
    pub(super) seen: Option<Seen>,
    /// The sources of which it committed the last that was left.
    pub(super) completed: Vec<i32>,
}

/// Commits `batch`. Its sources move from the positions in `owned`. What became of the batch
/// is in `found` before COMMIT is sent.
pub(super) fn transaction(
    link: &mut Link,
    shape: &Shape,
    batch: &Batch,
    owned: &Owned,
    manner: &Manner,
    found: &Mutex<Option<Done>>,
) -> Result<(), Trouble> {
    pass(Step::Begin, "before-begin")?;
    link.stage.begin();
    begin(link, shape, batch, owned)?;
    pass(Step::Fence, "before-fence")?;
    let stored = fence(link, batch, owned)?;
    pass(Step::Fence, "after-fence")?;

    let route = match manner.route {
        Some(route) => route,
        None if probe(link, shape, batch, manner.probes_far)? => Route::Staged,
        None => Route::Direct,
    };
    let mut rows = RowWriter::new(link, shape, batch, route, manner);
    rows.write_all()?;
    let (refused, mut counts, seen) = (rows.refused, rows.counts, rows.seen);
    pass(Step::DeadLetters, "after-rows")?;

    for (advance, counts) in batch.advances.iter().zip(&mut counts) {
        counts.add(&advance.counts);
    }
    for row in &refused {
        let advance = batch.advance_of(batch.parcels[batch.place(row.row).parcel].split);
        counts[advance].rejected += 1;
    }
    // What the checkpoint's counters change by: what became of the records, but for lines
    // that were counted in an earlier run and are read again.
    let mut deltas = counts.clone();
    for ((advance, stored), deltas) in batch.advances.iter().zip(&stored).zip(&mut deltas) {
        if let Some(again) = advance.again {
            dead_letters::forget_tail(link, advance, again, *stored, deltas)?;
            // A blank line left no row; only then can the key be one without a position.
            if !again.was_blank && !batch.has_row_at(&refused, advance.split, again.offset) {
                forget_row(link, shape, advance.split.source, again.offset)?;
            }
        }
    }
    // What comes now is ours alone, and looked up where only the server's own is.
    let end_of_rows = format!("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL search_path = {OUR_PATH}");
    at(Step::Constraints, link.client.batch_execute(&end_of_rows))?;
    dead_letters::write(link, shape, batch, &refused)?;
    pass(Step::DeadLetters, "after-dead-letters")?;

    batch.still_holds().map_err(Trouble::Ours)?;
    pass(Step::End, "before-commit")?;
    let completed = batch.completed(&stored);
    let end_sql = end_sql(batch, owned, &deltas);
    *found.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Done { counts, refused, route, seen, completed });
    at(Step::End, link.client.batch_execute(&end_sql))?;
    link.stage.committed();
    pass(Step::End, "after-commit")
}

/// Begins, and compares the target with what it was: a changed type, or another table of its name,
/// loads as garbage in COPY BINARY. All in one message, of which the lock comes before the look.
/// From here to the end of the rows, names are looked up as those who wrote the triggers of the
/// target meant them.
fn begin(link: &mut Link, shape: &Shape, batch: &Batch, owned: &Owned) -> Result<(), Trouble> {
    let begin_sql = format!(
        "{}{}; SET LOCAL search_path = {}",
        shape.begin_batch_sql,
        lock_sources_sql(batch, owned),
        shape.target_path
    );
    let said = at(Step::Begin, link.client.simple_query(&begin_sql))?;
    link.pulse.beat();
    let now = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(difference) = shape.target.signature.difference(now, shape.key_index.oid) else { return Ok(()) };
    Err(Trouble::Ours(
        Kind::Server {
            doing: Step::Compare.doing().to_owned(),
            sqlstate: None,
            message: format!(
                "{} {difference}: it was changed during the run; what was committed is kept, run again to go on",
                shape.target.quoted()
            ),
        }
        .into(),
    ))
}

/// A line that is read again and is now refused leaves no row of what it was.
fn forget_row(link: &mut Link, shape: &Shape, source_id: i32, offset: u64) -> Result<(), Trouble> {
    let table = shape.target.quoted();
    let sql = format!(
        "DELETE FROM {table} WHERE source_id OPERATOR(pg_catalog.=) $1 AND source_offset OPERATOR(pg_catalog.=) $2"
    );
    at(Step::Merge, link.client.execute(&sql, &[&source_id, &signed(offset)]))?;
    Ok(())
}
