//! Reads the checkpoints again: after a lost connection, and before a run reports success.
//!
//! A server that comes back may not be the one from before: a lagging standby or an older copy may have taken
//! its place. What it says under the locks of the rows is what counts.

use std::collections::BTreeSet;

use postgres::Client;

use super::ask::{Answer, Line, ask_all, with_values};
use super::constants::Constants;
use super::ledger::Run;
use super::link::Link;
use super::trouble::Trouble;
use super::verdict::Step;
use crate::sink::Counts;
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
    ask_all(client, Step::Claim, [lock_question(splits)]).map(drop)
}

fn lock_question(splits: &Splits) -> String {
    with_values(
        "SELECT FROM unnest($1::int[], $2::bigint[]) m (id, start)
         JOIN logmill.checkpoints c ON c.source_id = m.id AND c.split_start = m.start
         ORDER BY c.source_id, c.split_start FOR UPDATE OF c",
        &[&splits.ids, &splits.starts],
    )
}

/// Reads the checkpoints of these splits.
pub(super) fn look(client: &mut Client, job: &str, run: Run, splits: &Splits) -> Result<Look, Trouble> {
    let [whole, found] = ask_all(client, Step::Claim, look_questions(job, run, splits))?;
    look_of(&whole, &found)
}

/// What is asked for a look. The statements see what was committed while an earlier one waited for locks.
fn look_questions(job: &str, run: Run, splits: &Splits) -> [String; 2] {
    [
        with_values(
            "SELECT next_source_id, EXISTS (SELECT FROM logmill.runs r WHERE r.id = $1
                                            AND (extract(epoch FROM r.started_at) * 1000000)::bigint = $2)
             FROM logmill.meta",
            &[&run.id, &run.start_us],
        ),
        // The id of a lost source may by now belong to another job.
        with_values(
            "SELECT c.source_id, c.split_start, c.epoch, c.owner_run, c.position, c.complete,
                    c.lines, c.inserted, c.updated, c.unchanged, c.superseded, c.rejected, c.blank, c.skipped
             FROM unnest($1::int[], $2::bigint[]) m (id, start)
             JOIN logmill.checkpoints c ON c.source_id = m.id AND c.split_start = m.start
             JOIN logmill.sources s ON s.id = m.id AND s.job = $3",
            &[&splits.ids, &splits.starts, &job],
        ),
    ]
}

fn look_of(whole: &Answer, found: &Answer) -> Result<Look, Trouble> {
    let whole = whole.only()?;
    let mut look = Look { next_id: whole.get(0)?, has_run: whole.get(1)?, ..Look::default() };
    for line in found.rows() {
        let split = Split { source: line.get(0)?, start: unsigned(line.get(1)?) };
        let found = Found {
            epoch: line.get(2)?,
            owner: line.get(3)?,
            position: unsigned(line.get(4)?),
            is_complete: line.get(5)?,
            counts: counts(line)?,
        };
        look.splits.insert(split, found);
    }
    Ok(look)
}

/// The counters in a row of such an answer.
fn counts(line: Line<'_>) -> Result<Counts, Trouble> {
    Ok(Counts::stored(Counts {
        lines: line.get(6)?,
        inserted: line.get(7)?,
        updated: line.get(8)?,
        unchanged: line.get(9)?,
        superseded: line.get(10)?,
        rejected: line.get(11)?,
        blank: line.get(12)?,
        skipped: line.get(13)?,
        ..Counts::default()
    }))
}

/// Begins a transaction with `begin_sql`, reads the checkpoints of everything acknowledged under locks, and ends it
/// with `end_sql`; without that, the transaction keeps the locks.
pub(super) fn look_under_lock(
    client: &mut Client,
    (begin_sql, end_sql): (&str, &str),
    job: &str,
    run: Run,
    acknowledged: &Acknowledged,
) -> Result<Look, Trouble> {
    let splits = Splits::of(&Holdings::default(), acknowledged);
    let [whole, found] = look_questions(job, run, &splits);
    let begin = format!("{begin_sql}; {}", lock_question(&splits));
    let [_, whole, found] = ask_all(client, Step::Claim, [begin, whole, format!("{found}; {end_sql}")])?;
    look_of(&whole, &found)
}

/// Reads the checkpoints of everything acknowledged, in a transaction of its own.
pub(super) fn look_again(
    link: &mut Link,
    constants: &Constants,
    run: Run,
    acknowledged: &Acknowledged,
) -> Result<Look, Trouble> {
    let sql = (constants.begin_sql.as_str(), "COMMIT");
    look_under_lock(&mut link.client, sql, &constants.scope.job, run, acknowledged)
}
