//! Replays in SQLite: open letters are read, and change state in the transaction of their rows.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::filter::{as_stored, is_meant};
use super::{Trouble, letters_of_version, of_version, pass};
use crate::sink::Batch;
use crate::sink::batch::Stored;
use crate::sink::claim::unsigned;
use crate::sink::dead_letter::Letter;
use crate::sink::history::Filter;
use crate::sink::replay::{
    OpenLetter, PAGE_BYTES, PAGE_LETTERS, Page, Stands, Verdicts, overtaken, preamble_of_letter,
};
use crate::source::{Hash16, Preamble};

/// A page of open letters of the table `target`, from logmill tables of this version.
pub(super) fn open_letters(
    connection: &Connection,
    version: i64,
    target: &str,
    filter: &Filter,
    page: Page,
) -> Result<Vec<OpenLetter>, Trouble> {
    let (sources, checkpoints) = of_version(version);
    // The condition that none is superseded makes the index of their places usable, which holds no others:
    // without it every page sorts all remaining letters.
    let is_meant = format!("d.state <> 'superseded' AND {}", is_meant(sources));
    let letters = letters_of_version(version);
    let preamble = preamble_of_letter(checkpoints);
    let (order, behind) = if page.is_backwards { ("DESC", "<") } else { ("ASC", ">") };
    let mut statement = connection.prepare(&format!(
        "SELECT p.id, p.attempts, p.source_id, p.name, p.data_date, p.source_offset, p.length,
                d.raw, d.raw_hash, d.fixed, {preamble}
         FROM (
             SELECT q.*, sum(q.bytes) OVER w AS total, row_number() OVER w AS number
             FROM (
                 SELECT d.id, d.attempts, d.source_id, coalesce(s.name, '') AS name, s.data_date, d.source_offset,
                        d.length, coalesce(length(coalesce(d.fixed, d.raw)), 0) AS bytes
                 FROM {letters} d LEFT JOIN {sources} s ON s.id = d.source_id
                 WHERE {is_meant} AND (?9 IS NULL OR (d.source_id, d.source_offset) {behind} (?9, ?10))
                 ORDER BY d.source_id {order}, d.source_offset {order} LIMIT {PAGE_LETTERS}
             ) q WINDOW w AS (ORDER BY q.source_id {order}, q.source_offset {order})
         ) p JOIN {letters} d ON d.id = p.id
         WHERE p.number = 1 OR p.total <= {PAGE_BYTES} ORDER BY p.number"
    ))?;
    let (ids, since) = as_stored(filter);
    let Filter { job, state, code, field, source, .. } = filter;
    let after = page.after.map(|(source, offset)| (source, i64::try_from(offset).unwrap_or(i64::MAX)));
    let (source_id, offset) = (after.map(|(id, _)| id), after.map(|(_, offset)| offset));
    let found = statement.query_map(
        params![job, ids, state, code, field, source, since, target, source_id, offset],
        open_letter,
    )?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn open_letter(row: &Row<'_>) -> rusqlite::Result<OpenLetter> {
    Ok(OpenLetter {
        id: row.get(0)?,
        attempts: row.get(1)?,
        source_id: row.get(2)?,
        source: row.get(3)?,
        data_date: row.get::<_, Option<String>>(4)?.and_then(|date| date.parse().ok()),
        offset: unsigned(row.get(5)?),
        length: unsigned(row.get(6)?),
        raw: row.get(7)?,
        raw_hash: row.get(8)?,
        fixed: row.get(9)?,
        preamble: Preamble::new(&row.get::<_, Option<Vec<u8>>>(10)?.unwrap_or_default()),
    })
}

/// Compares the letters of the batch. The transaction already excludes other writers.
pub(super) fn fence(connection: &Connection, batch: &Batch) -> Result<Vec<Stored>, Trouble> {
    let mut statement =
        connection.prepare_cached("SELECT state, attempts FROM logmill_dead_letters WHERE id = ?1")?;
    for tried in &batch.tried {
        let found = statement.query_row([tried.id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)));
        match found.optional()? {
            Some((state, attempts)) if tried.stands(&state, attempts) == Stands::Untried => {}
            _ => return Err(Trouble::Ours(overtaken(tried.id))),
        }
    }
    Ok(vec![Stored::default(); batch.advances.len()])
}

/// Records why letters were refused again, and returns their ids.
pub(super) fn refuse(
    connection: &Connection,
    batch: &Batch,
    letters: &[Letter<'_>],
    rules_hash: Hash16,
) -> Result<Vec<i64>, Trouble> {
    let mut statement = connection.prepare_cached(
        "UPDATE logmill_dead_letters
         SET stage = ?2, reasons = ?3, attempts = attempts + 1, rules_hash = ?4, delivered_at = NULL,
             last_seen = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
         WHERE id = ?1",
    )?;
    let mut ids = Vec::with_capacity(letters.len());
    for letter in letters {
        let Some(tried) = batch.tried_at(letter.source_id, letter.span.start) else { continue };
        statement.execute(params![tried.id, letter.stage.as_str(), letter.reasons, rules_hash.0])?;
        ids.push(tried.id);
        pass("mid-dead-letters")?;
    }
    Ok(ids)
}

/// Changes the state of the letters whose records are rows now, and stores the mended bytes.
pub(super) fn move_letters(
    connection: &Connection,
    batch: &Batch,
    refused: &[i64],
    rules_hash: Hash16,
) -> Result<(), Trouble> {
    let Verdicts { accepted, mended } = Verdicts::of(&batch.tried, refused);
    let mut keep = connection.prepare_cached("UPDATE logmill_dead_letters SET fixed = ?2 WHERE id = ?1")?;
    for tried in mended {
        keep.execute(params![tried.id, tried.fixed.as_ref().and_then(Option::as_ref)])?;
    }
    let mut replayed = connection.prepare_cached(
        "UPDATE logmill_dead_letters SET state = 'replayed', rules_hash = ?2 WHERE id = ?1 AND state = 'open'",
    )?;
    for tried in accepted {
        if replayed.execute(params![tried.id, rules_hash.0])? != 1 {
            return Err(Trouble::Ours(overtaken(tried.id)));
        }
        pass("mid-replay")?;
    }
    Ok(())
}
