//! The ledger in PostgreSQL: how far each source is, moved in the transaction of its rows.
//!
//! A batch begins with the fence and ends with the move of its checkpoints and COMMIT in one
//! message. Both compare on the server, so they hold even for messages that no client waits for.

use std::fmt::Write as _;

use super::own::Owned;
use super::session::{Link, prepared};
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::sink::batch::Stored;
use crate::sink::claim::signed;
use crate::sink::{Advance, Batch, Counts};

/// Locks the checkpoints, and raises where one is not as we believe.
const FENCE_SQL: &str = "WITH locked AS MATERIALIZED (
         SELECT c.source_id, c.position, c.epoch, c.owner_pid, c.inserted, c.updated
         FROM logmill.checkpoints c
         WHERE c.source_id = ANY($1) AND c.split_start = 0
         ORDER BY c.source_id, c.split_start FOR UPDATE
     )
     SELECT CASE WHEN l.position = n.position AND l.epoch = n.epoch AND l.owner_pid = pg_backend_pid() THEN 0
                 ELSE ('logmill: the checkpoint of source ' || n.id || ' is not ours')::int END,
            l.inserted, l.updated
     FROM unnest($1::int[], $2::bigint[], $3::bigint[]) WITH ORDINALITY n (id, position, epoch, place)
     LEFT JOIN locked l ON l.source_id = n.id
     ORDER BY n.place";

/// Locks the checkpoints of the batch, in the order of their key, and compares them. A
/// zombie, a twin or a late message finds out here that it is none of its business, before
/// it has written anything; and the comparison fails *on the server*, so that it holds even
/// for messages that nobody waits for any more.
pub(super) fn fence(link: &mut Link, batch: &Batch, owned: &Owned) -> Result<Vec<Stored>, Trouble> {
    let ids: Vec<i32> = batch.advances.iter().map(|advance| advance.source_id).collect();
    let positions: Vec<i64> = batch.advances.iter().map(|advance| signed(advance.from)).collect();
    let epochs: Vec<i64> = batch.advances.iter().map(|advance| owned.get(advance.source_id).epoch).collect();
    let statement = prepared(&mut link.client, &mut link.statements.fence, Step::Fence, FENCE_SQL)?;
    let rows = link.client.query(&statement, &[&ids, &positions, &epochs]);
    let rows = at(Step::Fence, rows)?;
    link.pulse.beat();
    Ok(rows.iter().map(|row| Stored { inserted: row.get(1), updated: row.get(2) }).collect())
}

/// The checkpoints and COMMIT, as one message. On a transaction that has failed, the first
/// statement fails too: a lone COMMIT would be answered without an error.
pub(super) fn end_sql(batch: &Batch, owned: &Owned, deltas: &[Counts]) -> String {
    let mut sql = String::from(
        "WITH moved AS (
             UPDATE logmill.checkpoints c SET
                 position = n.after, lines = c.lines + n.lines, tail_len = n.tail_len, tail_hash = n.tail_hash,
                 complete = n.complete,
                 owner_run = CASE WHEN n.complete THEN NULL ELSE c.owner_run END,
                 owner_pid = CASE WHEN n.complete THEN NULL ELSE c.owner_pid END,
                 owner_start = CASE WHEN n.complete THEN NULL ELSE c.owner_start END,
                 inserted = c.inserted + n.inserted, updated = c.updated + n.updated,
                 unchanged = c.unchanged + n.unchanged, superseded = c.superseded + n.superseded,
                 rejected = c.rejected + n.rejected, blank = c.blank + n.blank, skipped = c.skipped + n.skipped,
                 updated_at = now()
             FROM (VALUES ",
    );
    for (index, (advance, deltas)) in batch.advances.iter().zip(deltas).enumerate() {
        if index > 0 {
            sql.push(',');
        }
        let _ = write!(
            sql,
            "({}, {}::bigint, {}::bigint, {}::bigint, {}, '\\x{}'::bytea, {}, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint)",
            advance.source_id,
            owned.get(advance.source_id).epoch,
            advance.from,
            advance.to,
            advance.tail.0,
            hex(&advance.tail.1.0),
            advance.ends.is_some(),
            deltas.lines,
            deltas.inserted,
            deltas.updated,
            deltas.unchanged,
            deltas.superseded,
            deltas.rejected,
            deltas.blank,
            deltas.skipped,
        );
    }
    let _ = write!(
        sql,
        ") n (source_id, epoch, before, after, tail_len, tail_hash, complete, lines, inserted, updated, unchanged, superseded, rejected, blank, skipped)
             WHERE c.source_id = n.source_id AND c.split_start = 0 AND c.epoch = n.epoch AND c.position = n.before
             RETURNING 1
         )
         SELECT CASE WHEN count(*) = {} THEN 0 ELSE ('logmill: only ' || count(*) || ' checkpoints moved')::int END FROM moved;",
        batch.advances.len()
    );
    write_ends(&mut sql, &batch.advances);
    sql.push_str("COMMIT");
    sql
}

/// What a source's own row says of its end: once it is reached, and once it no longer is
/// where it was.
fn write_ends(sql: &mut String, advances: &[Advance]) {
    let has_news = |advance: &&Advance| advance.ends.is_some() || advance.start != advance.from;
    let mut ends = advances.iter().filter(has_news).peekable();
    if ends.peek().is_none() {
        return;
    }
    sql.push_str("UPDATE logmill.sources s SET size = coalesce(n.size, s.size), tail_start = n.tail_start FROM (VALUES ");
    let mut comma = "";
    for advance in ends {
        let _ = match advance.ends {
            Some(size) => write!(sql, "{comma}({}, {size}::bigint, ", advance.source_id),
            None => write!(sql, "{comma}({}, NULL::bigint, ", advance.source_id),
        };
        let _ = match advance.unterminated {
            Some(start) => write!(sql, "{start}::bigint)"),
            None => write!(sql, "NULL::bigint)"),
        };
        comma = ",";
    }
    sql.push_str(
        ") n (id, size, tail_start) WHERE s.id = n.id
             AND (s.size, s.tail_start) IS DISTINCT FROM (coalesce(n.size, s.size), n.tail_start);",
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
