//! Reads the checkpoints again: after a lost connection, and before a run reports success.
//!
//! A server that comes back may not be the one from before: a lagging standby or an older copy may have taken
//! its place. What it says under the locks of the rows is what counts.

use std::collections::BTreeSet;

use postgres::Client;

use super::ask::Ask as _;
use super::constants::Constants;
use super::ledger::{Run, counts};
use super::link::Link;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::sink::claim::{signed, unsigned};
use crate::sink::ledger::{Acknowledged, Found, Holdings, Look};
use crate::split::Split;

/// Splits, as array parameters of statements.
pub(super) struct Splits {
    pub(super) ids: Vec<i32>,
    pub(super) starts: Vec<i64>,
}

impl Splits {
    /// All splits that a run owns or had acknowledged, each once.
    pub(super) fn of(owned: &Holdings, acknowledged: &Acknowledged) -> Splits {
        let splits = owned.iter().map(|(split, _)| split).chain(acknowledged.splits());
        let splits: BTreeSet<Split> = splits.collect();
        Splits {
            ids: splits.iter().map(|split| split.source).collect(),
            starts: splits.iter().map(|split| signed(split.start)).collect(),
        }
    }
}

/// Locks the existing checkpoints of these splits, in the order of their key. Once locked, any concurrent
/// move has either committed or not.
pub(super) fn lock(client: &mut Client, splits: &Splits) -> Result<(), Trouble> {
    let locked = client.ask(
        "SELECT FROM unnest($1::int[], $2::bigint[]) m (id, start)
         JOIN logmill.checkpoints c ON c.source_id = m.id AND c.split_start = m.start
         ORDER BY c.source_id, c.split_start FOR UPDATE OF c",
        &[&splits.ids, &splits.starts],
    );
    at(Step::Claim, locked)?;
    Ok(())
}

/// Reads the checkpoints of these splits. This is a statement of its own, so that it sees what was committed
/// while it waited for the locks.
pub(super) fn look(client: &mut Client, job: &str, run: Run, splits: &Splits) -> Result<Look, Trouble> {
    let whole = client.ask_one(
        "SELECT next_source_id, EXISTS (SELECT FROM logmill.runs r WHERE r.id = $1
                                        AND (extract(epoch FROM r.started_at) * 1000000)::bigint = $2)
         FROM logmill.meta",
        &[&run.id, &run.start_us],
    );
    let whole = at(Step::Claim, whole)?;
    let mut look = Look { next_id: whole.get(0), has_run: whole.get(1), ..Look::default() };
    // The id of a lost source may by now belong to another job.
    let rows = client.ask(
        "SELECT c.source_id, c.split_start, c.epoch, c.owner_run, c.position, c.complete,
                c.lines, c.inserted, c.updated, c.unchanged, c.superseded, c.rejected, c.blank, c.skipped
         FROM unnest($1::int[], $2::bigint[]) m (id, start)
         JOIN logmill.checkpoints c ON c.source_id = m.id AND c.split_start = m.start
         JOIN logmill.sources s ON s.id = m.id AND s.job = $3",
        &[&splits.ids, &splits.starts, &job],
    );
    for row in at(Step::Claim, rows)? {
        let split = Split { source: row.get(0), start: unsigned(row.get(1)) };
        let found = Found {
            epoch: row.get(2),
            owner: row.get(3),
            position: unsigned(row.get(4)),
            is_complete: row.get(5),
            counts: counts(&row, 6),
        };
        look.splits.insert(split, found);
    }
    Ok(look)
}

/// The same in a transaction that has begun and keeps the locks.
pub(super) fn look_under_lock(
    client: &mut Client,
    constants: &Constants,
    run: Run,
    acknowledged: &Acknowledged,
) -> Result<Look, Trouble> {
    let splits = Splits::of(&Holdings::default(), acknowledged);
    lock(client, &splits)?;
    look(client, &constants.scope.job, run, &splits)
}

/// Reads the checkpoints of everything acknowledged, in a transaction of its own.
pub(super) fn look_again(
    link: &mut Link,
    constants: &Constants,
    run: Run,
    acknowledged: &Acknowledged,
) -> Result<Look, Trouble> {
    let client = &mut link.client;
    at(Step::Claim, client.batch_execute(&constants.begin_sql))?;
    let look = look_under_lock(client, constants, run, acknowledged)?;
    at(Step::Claim, client.batch_execute("COMMIT"))?;
    Ok(look)
}
