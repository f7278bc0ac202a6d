//! The ledger in PostgreSQL: the progress of each source, moved in the transaction of its rows.
//!
//! A batch begins with the fence, in the message of its BEGIN, and ends with the move of its checkpoints, in
//! that of its COMMIT. Both compare on the server, so they hold even for messages that no client waits for.

use std::fmt::{Display, Write as _};

use postgres::error::SqlState;
use postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::Settings;
use super::ask::{Answer, ask_all, hex, with_values};
use super::frame::Frame;
use super::link::{Fence, Link};
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use crate::sink::batch::Stored;
use crate::sink::ledger::Holdings;
use crate::sink::progress::Progress;
use crate::sink::{Advance, Batch, Counts, Ending};
use crate::source::{Preamble, hash16};

/// A run, identified by its row. The id alone is not enough: a server that has lost the row assigns it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) id: i64,
    /// When it began, in microseconds since 1970.
    pub(super) start_us: i64,
}

/// Opens the row of a run, which all its connections share. The fence is prepared on the way.
///
/// The row is on disk before anything refers to it, whatever the role's defaults are: a server that crashed and
/// has forgotten a run would seem to have lost what the run committed.
pub(super) fn begin_run(link: &mut Link, settings: &Settings) -> Result<Run, Trouble> {
    let fence = match link.fence {
        Fence::Missing => format!("{};", prepare_fence_sql()),
        Fence::Unknown | Fence::Prepared => String::new(),
    };
    let insert = with_values(
        "INSERT INTO logmill.runs (job, data_date, command, version, rules_hash) VALUES ($1, $2, $3, $4, $5)
         RETURNING id, (extract(epoch FROM started_at) * 1000000)::bigint",
        &[
            &settings.job,
            &settings.data_date,
            &settings.command,
            &env!("CARGO_PKG_VERSION"),
            &&settings.rules_hash.0[..],
        ],
    );
    let question = format!("{fence} BEGIN; SET LOCAL synchronous_commit = on; {insert}; COMMIT");
    let [run] = ask_all(&mut link.client, Step::Prepare, [question])?;
    if link.fence == Fence::Missing {
        link.fence = Fence::Prepared;
    }
    pass(Step::Prepare, "after-prepare")?;
    let run = run.only()?;
    Ok(Run { id: run.get(0)?, start_us: run.get(1)? })
}

/// Releases all that a run holds.
pub(super) fn release_sql(run: Run) -> String {
    format!(
        "UPDATE logmill.checkpoints SET owner_run = NULL, owner_pid = NULL, owner_start = NULL
         WHERE owner_run = {}",
        run.id
    )
}

/// Records how a run ended, and commits.
pub(super) fn close_sql(run: Run, ending: &Ending<'_>) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\0', "").replace('\'', "''"));
    let Counts { records, inserted, updated, unchanged, superseded, rejected, blank, skipped, .. } =
        *ending.counts;
    format!(
        "UPDATE logmill.runs
         SET ended_at = clock_timestamp(), outcome = {}, exit_code = {}, bytes = {}, records = {records},
             inserted = {inserted}, updated = {updated}, unchanged = {unchanged}, superseded = {superseded},
             rejected = {rejected}, blank = {blank}, skipped = {skipped}, reason = {}
         WHERE id = {};
         COMMIT",
        text(ending.outcome),
        ending.exit_code,
        ending.bytes,
        ending.failure.map_or("NULL".to_owned(), text),
        run.id
    )
}

/// Locks the sources with several splits of which the batch completes one. Of the last two open splits, the
/// later one then sees the other complete, and knows that it completes the source. Sent with the message that
/// begins the batch.
pub(super) fn lock_sources_sql(batch: &Batch, owned: &Holdings) -> String {
    let mut sql = String::new();
    for advance in &batch.advances {
        if advance.completes && owned.get(advance.split).is_part {
            let start = if sql.is_empty() { "; SELECT FROM logmill.sources WHERE id IN (" } else { ", " };
            let _ = write!(sql, "{start}{}", advance.split.source);
        }
    }
    if !sql.is_empty() {
        sql.push_str(") ORDER BY id FOR UPDATE");
    }
    sql
}

/// Locks the checkpoints, and raises an error if one is not in the expected state.
const FENCE_SQL: &str = "WITH locked AS MATERIALIZED (
         SELECT c.source_id, c.split_start, c.position, c.epoch, c.owner_pid,
                c.lines, c.inserted, c.updated, c.unchanged, c.superseded, c.rejected, c.blank, c.skipped
         FROM unnest($1::int[], $2::bigint[]) m (id, start)
         JOIN logmill.checkpoints c ON c.source_id = m.id AND c.split_start = m.start
         ORDER BY c.source_id, c.split_start FOR UPDATE OF c
     )
     SELECT CASE WHEN l.position = n.position AND l.epoch = n.epoch AND l.owner_pid = pg_catalog.pg_backend_pid() THEN 0
                 ELSE pg_catalog.concat('logmill: the checkpoint of split ', n.id, '-', n.start, ' is not ours')::int END,
            n.asks AND EXISTS (SELECT FROM logmill.checkpoints o
                               WHERE o.source_id = n.id AND o.split_start <> n.start AND NOT o.complete),
            l.lines, l.inserted, l.updated, l.unchanged, l.superseded, l.rejected, l.blank, l.skipped
     FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bool[])
          WITH ORDINALITY n (id, start, position, epoch, asks, place)
     LEFT JOIN locked l ON l.source_id = n.id AND l.split_start = n.start
     ORDER BY n.place";

/// The number of columns in an answer of the fence.
const FENCE_COLUMNS: usize = 10;

/// The name it is prepared under. A pool may hand out a session in which another version of logmill has
/// prepared its own.
fn fence_name() -> String {
    format!("logmill_fence_{}", hex(&hash16(FENCE_SQL.as_bytes()).0[..8]))
}

/// Asks whether a session has it prepared.
pub(super) fn fence_question() -> String {
    format!("SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = '{}')", fence_name())
}

/// Whether it is, by the answer.
pub(super) fn fence_of(answer: &Answer) -> Result<Fence, Trouble> {
    Ok(if answer.only()?.get(0)? { Fence::Prepared } else { Fence::Missing })
}

/// Prepares the fence for a connection under a name, so that it can be part of the message that begins a
/// batch and is still planned only once.
fn prepare_fence_sql() -> String {
    format!("PREPARE {} (int[], bigint[], bigint[], bigint[], bool[]) AS {FENCE_SQL}", fence_name())
}

/// The same by itself, if it is not done. Not within a transaction: if the pool's session has it already, that
/// is an error.
pub(super) fn prepare_fence(link: &mut Link) -> Result<(), Trouble> {
    if link.fence == Fence::Prepared {
        return Ok(());
    }
    match link.client.batch_execute(&prepare_fence_sql()) {
        Err(error) if error.code() == Some(&SqlState::DUPLICATE_PSTATEMENT) => {}
        prepared => at(Step::Begin, prepared)?,
    }
    link.fence = Fence::Prepared;
    Ok(())
}

/// Locks the checkpoints of the batch, in the order of their key, and compares them. A zombie, a twin or a
/// late message detects here that it has lost ownership, before it has written anything. The comparison fails
/// *on the server*, so it holds even for messages that no client waits for any more. Sent with the message
/// that begins the batch.
pub(super) fn fence_sql(batch: &Batch, owned: &Holdings) -> String {
    let advances = &batch.advances;
    let holds = |advance: &Advance| owned.get(advance.split);
    format!(
        "; EXECUTE {} ({}, {}, {}, {}, {})",
        fence_name(),
        array(advances.iter().map(|advance| advance.split.source)),
        array(advances.iter().map(|advance| advance.split.start)),
        array(advances.iter().map(|advance| advance.from)),
        array(advances.iter().map(|advance| holds(advance).epoch)),
        array(advances.iter().map(|advance| advance.completes && holds(advance).is_part)),
    )
}

/// An array literal.
fn array<T: Display>(values: impl Iterator<Item = T>) -> String {
    let mut literal = String::from("'{");
    for (index, value) in values.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(literal, "{comma}{value}");
    }
    literal.push_str("}'");
    literal
}

/// The fence's answer, per advance; `None` if this is not an answer of the fence.
pub(super) fn stored(said: &[SimpleQueryMessage], batch: &Batch) -> Option<Vec<Stored>> {
    let rows = said.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) if row.len() == FENCE_COLUMNS => Some(row),
        _ => None,
    });
    let stored: Vec<Stored> = rows.map(stored_of).collect::<Option<_>>()?;
    (stored.len() == batch.advances.len()).then_some(stored)
}

fn stored_of(row: &SimpleQueryRow) -> Option<Stored> {
    let count = |column: usize| row.get(column)?.parse().ok();
    let counts = Counts {
        lines: count(2)?,
        inserted: count(3)?,
        updated: count(4)?,
        unchanged: count(5)?,
        superseded: count(6)?,
        rejected: count(7)?,
        blank: count(8)?,
        skipped: count(9)?,
        ..Counts::default()
    };
    Some(Stored { has_open_siblings: row.get(1)? == "t", counts: Counts::stored(counts) })
}

/// The move of the checkpoints and the end of the batch, as one message. On a failed transaction the first
/// statement fails too; a lone COMMIT would be answered without an error.
pub(super) fn end_sql(
    batch: &Batch,
    owned: &Holdings,
    deltas: &[Counts],
    refused: usize,
    frame: Frame,
) -> String {
    let mut sql = String::from(
        "WITH moved AS (
             UPDATE logmill.checkpoints c SET
                 position = n.after, lines = c.lines + n.lines, tail_len = n.tail_len, tail_hash = n.tail_hash,
                 preamble = n.preamble,
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
            "({}, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}, '\\x{}'::bytea, {}, {}, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint, {}::bigint)",
            advance.split.source,
            advance.split.start,
            owned.get(advance.split).epoch,
            advance.from,
            advance.to,
            advance.tail.0,
            hex(&advance.tail.1.0),
            stored_preamble(&advance.preamble),
            advance.completes,
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
        ") n (source_id, split_start, epoch, before, after, tail_len, tail_hash, preamble, complete, lines, inserted, updated, unchanged, superseded, rejected, blank, skipped)
             WHERE c.source_id = n.source_id AND c.split_start = n.split_start AND c.epoch = n.epoch AND c.position = n.before
             RETURNING 1
         )
         SELECT CASE WHEN count(*) = {} THEN 0 ELSE concat('logmill: only ', count(*), ' checkpoints moved')::int END FROM moved;",
        batch.advances.len()
    );
    write_ends(&mut sql, &batch.advances);
    if let Some(progress) = &batch.progress {
        write_progress(&mut sql, progress, refused);
    }
    sql.push_str(frame.end_sql());
    sql
}

/// Updates the end in a source's own row: when it is reached, and when it is no longer where it was.
fn write_ends(sql: &mut String, advances: &[Advance]) {
    let mut ends = advances.iter().filter(|advance| advance.has_news_of_the_end()).peekable();
    if ends.peek().is_none() {
        return;
    }
    sql.push_str(
        "UPDATE logmill.sources s SET size = coalesce(n.size, s.size),
             tail_start = CASE WHEN n.is_read THEN n.tail_start ELSE s.tail_start END FROM (VALUES ",
    );
    let mut comma = "";
    for advance in ends {
        let _ = match advance.ends {
            Some(size) => write!(sql, "{comma}({}, {size}::bigint, ", advance.split.source),
            None => write!(sql, "{comma}({}, NULL::bigint, ", advance.split.source),
        };
        let _ = match advance.unterminated {
            Some(start) => write!(sql, "{start}::bigint, "),
            None => write!(sql, "NULL::bigint, "),
        };
        let _ = write!(sql, "{})", advance.has_news_of_the_last_line());
        comma = ",";
    }
    sql.push_str(
        ") n (id, size, tail_start, is_read) WHERE s.id = n.id
             AND (s.size, s.tail_start) IS DISTINCT FROM
                 (coalesce(n.size, s.size), CASE WHEN n.is_read THEN n.tail_start ELSE s.tail_start END);",
    );
}

/// How far the lane is, for people. A lane has its own row, and waits for no other lane.
fn write_progress(sql: &mut String, progress: &Progress, refused: usize) {
    let Progress { run, lane, records, bytes, bytes_total, records_per_second, bytes_per_second, .. } =
        progress;
    let rejected = progress.rejected + refused as u64;
    let _ = write!(
        sql,
        "INSERT INTO logmill.progress AS p
             (run, lane, records, rejected, bytes, bytes_total, records_per_s, bytes_per_s, points)
         VALUES ({run}, {lane}, {records}, {rejected}, {bytes}, {bytes_total}, {records_per_second}, {bytes_per_second},
                 '{}'::jsonb)
         ON CONFLICT (run, lane) DO UPDATE SET
             records = excluded.records, rejected = excluded.rejected, bytes = excluded.bytes,
             bytes_total = excluded.bytes_total, records_per_s = excluded.records_per_s,
             bytes_per_s = excluded.bytes_per_s, points = excluded.points, updated_at = excluded.updated_at;",
        progress.stored_points()
    );
}

fn stored_preamble(preamble: &Preamble) -> String {
    match preamble.bytes() {
        [] => "NULL::bytea".to_owned(),
        bytes => format!("'\\x{}'::bytea", hex(bytes)),
    }
}
