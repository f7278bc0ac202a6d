//! Replays in PostgreSQL: open letters are read, and change state in the transaction of their rows.

use std::fmt::Write as _;

use postgres::{Client, GenericClient, Row};

use super::filter::{is_meant, meant};
use super::frame::Frame;
use super::link::Link;
use super::tables;
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use crate::sink::Batch;
use crate::sink::batch::Stored;
use crate::sink::claim::{signed, unsigned};
use crate::sink::dead_letter::Letter;
use crate::sink::history::Filter;
use crate::sink::replay::{
    OpenLetter, PAGE_BYTES, PAGE_LETTERS, Page, Stands, Tried, Verdicts, overtaken, preamble_of_letter,
};
use crate::source::{Hash16, Preamble};

/// A page of open letters of the table `target`, from logmill tables of this version.
pub(super) fn open_letters(
    client: &mut impl GenericClient,
    version: i32,
    target: &String,
    filter: &Filter,
    page: Page,
) -> Result<Vec<OpenLetter>, Trouble> {
    let (sources, checkpoints) = tables::of_version(version);
    // The condition that none is superseded makes the index of their places usable, which holds no others:
    // without it every page sorts all remaining letters.
    let is_meant = format!("d.state <> 'superseded' AND {}", is_meant(sources));
    let letters = tables::letters_of_version(version);
    let preamble = preamble_of_letter(checkpoints);
    let (order, behind) = if page.is_backwards { ("DESC", "<") } else { ("ASC", ">") };
    let sql = format!(
        "SELECT p.id, p.attempts, p.source_id, p.name, p.data_date, p.source_offset, p.length,
                d.raw, d.raw_hash, d.fixed, {preamble}
         FROM (
             SELECT q.*, sum(q.bytes) OVER w AS total, row_number() OVER w AS number
             FROM (
                 SELECT d.id, d.attempts, d.source_id, coalesce(s.name, '') AS name, s.data_date, d.source_offset,
                        d.length, coalesce(octet_length(coalesce(d.fixed, d.raw)), 0) AS bytes
                 FROM {letters} d LEFT JOIN {sources} s ON s.id = d.source_id
                 WHERE {is_meant} AND ($9::int IS NULL OR (d.source_id, d.source_offset) {behind} ($9, $10::bigint))
                 ORDER BY d.source_id {order}, d.source_offset {order} LIMIT {PAGE_LETTERS}
             ) q WINDOW w AS (ORDER BY q.source_id {order}, q.source_offset {order})
         ) p JOIN {letters} d ON d.id = p.id
         WHERE p.number = 1 OR p.total <= {PAGE_BYTES} ORDER BY p.number"
    );
    let source = page.after.map(|(source, _)| source);
    let offset = page.after.map(|(_, offset)| signed(offset));
    let parameters: Vec<_> = meant(filter, target).into_iter().chain([&source as _, &offset as _]).collect();
    let rows = at(Step::Look, client.query(&sql, &parameters))?;
    Ok(rows.iter().map(open_letter).collect())
}

fn open_letter(row: &Row) -> OpenLetter {
    OpenLetter {
        id: row.get(0),
        attempts: row.get(1),
        source_id: row.get(2),
        source: row.get(3),
        data_date: row.get(4),
        offset: unsigned(row.get(5)),
        length: unsigned(row.get(6)),
        raw: row.get(7),
        raw_hash: row.get(8),
        fixed: row.get(9),
        preamble: Preamble::new(row.get::<_, Option<&[u8]>>(10).unwrap_or_default()),
    }
}

/// The states of the letters, read under their locks: a COMMIT that was still running has ended then.
fn stands(client: &mut Client, tried: &[Tried]) -> Result<Vec<(i64, Stands)>, Trouble> {
    let ids: Vec<i64> = tried.iter().map(|tried| tried.id).collect();
    let rows = client.query(
        "SELECT d.id, d.state, d.attempts FROM logmill.dead_letters d WHERE d.id = ANY($1) ORDER BY d.id FOR UPDATE",
        &[&ids],
    );
    let rows = at(Step::DeadLetters, rows)?;
    let stands = tried.iter().map(|tried| {
        let found = rows.iter().find(|row| row.get::<_, i64>(0) == tried.id);
        let stands = found.map(|row| tried.stands(row.get(1), row.get(2)));
        (tried.id, stands.unwrap_or(Stands::Moved))
    });
    Ok(stands.collect())
}

/// Locks the letters of the batch, in the order of their ids, and compares them: of two replays of the same
/// letters one waits here, and leaves.
pub(super) fn fence(link: &mut Link, batch: &Batch) -> Result<Vec<Stored>, Trouble> {
    let stands = stands(&mut link.client, &batch.tried)?;
    link.pulse.beat();
    match stands.iter().find(|(_, stands)| *stands == Stands::Moved) {
        Some((id, _)) => Err(Trouble::Ours(overtaken(*id))),
        None => Ok(vec![Stored::default(); batch.advances.len()]),
    }
}

/// After a lost COMMIT: whether the batch took effect.
pub(super) fn is_committed(link: &mut Link, begin_sql: &str, tried: &[Tried]) -> Result<bool, Trouble> {
    at(Step::DeadLetters, link.client.batch_execute(begin_sql))?;
    let stands = stands(&mut link.client, tried)?;
    at(Step::DeadLetters, link.client.batch_execute("ROLLBACK"))?;
    let moved = stands.iter().filter(|(_, stands)| *stands == Stands::Moved).count();
    match stands.iter().find(|(_, stands)| *stands == Stands::Moved) {
        None => Ok(false),
        Some(_) if moved == stands.len() => Ok(true),
        // Others may have changed some of the letters, but not all of them.
        Some((id, _)) => Err(Trouble::Ours(overtaken(*id))),
    }
}

/// Records why letters were refused again, and returns their ids.
pub(super) fn refuse(
    link: &mut Link,
    batch: &Batch,
    letters: &[Letter<'_>],
    rules_hash: Hash16,
) -> Result<Vec<i64>, Trouble> {
    let (mut ids, mut stages, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for letter in letters {
        let Some(tried) = batch.tried_at(letter.source_id, letter.span.start) else { continue };
        ids.push(tried.id);
        stages.push(letter.stage.as_str());
        reasons.push(&*letter.reasons);
    }
    let updated = link.client.execute(
        "UPDATE logmill.dead_letters d
         SET stage = n.stage, reasons = n.reasons::jsonb, attempts = d.attempts + 1, rules_hash = $4,
             delivered_at = NULL, last_seen = now()
         FROM unnest($1::bigint[], $2::text[], $3::text[]) n (id, stage, reasons) WHERE d.id = n.id",
        &[&ids, &stages, &reasons, &&rules_hash.0[..]],
    );
    at(Step::DeadLetters, updated)?;
    pass(Step::DeadLetters, "mid-dead-letters")?;
    Ok(ids)
}

/// Stores the mended bytes.
pub(super) fn keep_mended(link: &mut Link, batch: &Batch, refused: &[i64]) -> Result<(), Trouble> {
    let Verdicts { mended, .. } = Verdicts::of(&batch.tried, refused);
    if mended.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = mended.iter().map(|tried| tried.id).collect();
    let fixed: Vec<Option<&[u8]>> =
        mended.iter().map(|tried| tried.fixed.as_ref().and_then(|fixed| fixed.as_deref())).collect();
    let updated = link.client.execute(
        "UPDATE logmill.dead_letters d SET fixed = n.fixed
         FROM unnest($1::bigint[], $2::bytea[]) n (id, fixed) WHERE d.id = n.id",
        &[&ids, &fixed],
    );
    at(Step::DeadLetters, updated)?;
    pass(Step::DeadLetters, "mid-replay")
}

/// Marks the letters whose records are rows now, and ends the batch, in one message that fails as a whole.
pub(super) fn end_sql(batch: &Batch, refused: &[i64], rules_hash: Hash16, frame: Frame) -> String {
    let Verdicts { accepted, .. } = Verdicts::of(&batch.tried, refused);
    let mut ids = String::new();
    for tried in &accepted {
        let comma = if ids.is_empty() { "" } else { "," };
        let _ = write!(ids, "{comma}{}", tried.id);
    }
    let rules = rules_hash.0.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!(
        "WITH moved AS (
             UPDATE logmill.dead_letters SET state = 'replayed', rules_hash = '\\x{rules}'::bytea
             WHERE id = ANY('{{{ids}}}'::bigint[]) AND state = 'open' RETURNING 1
         )
         SELECT CASE WHEN count(*) = {} THEN 0 ELSE concat('logmill: only ', count(*), ' letters moved')::int END FROM moved;
         {}",
        accepted.len(),
        frame.end_sql()
    )
}
