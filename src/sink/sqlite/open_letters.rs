//! The open dead letters: in which splits, and why.

use rusqlite::{Connection, Row, ToSql};

use super::Trouble;
use super::look::time;
use crate::sink::bar::Standing;
use crate::sink::claim::unsigned;
use crate::sink::history::{FirstLetter, Line, ReasonCount, place_of_split};
use crate::split::Split;

/// The states of the splits of sources.
pub(super) fn standing(connection: &Connection, sources: &[i32]) -> Result<Vec<Standing>, Trouble> {
    // A partial index is only used if the query repeats its condition.
    let mut statement = connection.prepare(
        "SELECT c.source_id, c.split_start, c.inserted + c.updated + c.unchanged + c.superseded + c.rejected,
                count(d.id), max(d.source_offset), c.complete
         FROM logmill_checkpoints c LEFT JOIN logmill_dead_letters d
             ON d.source_id = c.source_id AND d.state = 'open' AND d.state <> 'superseded'
             AND d.source_offset >= c.split_start AND (c.split_end IS NULL OR d.source_offset < c.split_end)
         WHERE c.source_id IN (SELECT value FROM json_each(?1))
         GROUP BY c.source_id, c.split_start ORDER BY c.source_id, c.split_start",
    )?;
    let standing = |row: &Row<'_>| {
        Ok(Standing {
            split: Split { source: row.get(0)?, start: unsigned(row.get(1)?) },
            records: unsigned(row.get(2)?),
            letters: unsigned(row.get(3)?),
            last_letter: row.get::<_, Option<i64>>(4)?.map(unsigned),
            is_complete: row.get(5)?,
        })
    };
    let standings = statement.query_map([serde_json::json!(sources).to_string()], standing)?;
    Ok(standings.collect::<rusqlite::Result<_>>()?)
}

/// Why the dead letters `d` that satisfy `whose` are open. `checkpoints` are those of their splits. The first
/// letter is determined by place; its id follows the place.
pub(super) fn reasons(
    connection: &Connection,
    checkpoints: &str,
    whose: &str,
    parameters: &[&dyn ToSql],
) -> Result<Vec<ReasonCount>, Trouble> {
    let place = place_of_split(checkpoints);
    let mut statement = connection.prepare(&format!(
        "WITH reason AS (
             SELECT r.value ->> 'code' AS code, coalesce(r.value ->> 'field', '') AS field,
                    count(DISTINCT d.id) AS count,
                    CAST(substr(min(printf('%010d %019d %d', d.source_id, d.source_offset, d.id)), 32) AS INTEGER)
                        AS first,
                    min(d.first_seen) AS oldest, max(d.first_seen) AS newest
             FROM logmill_dead_letters d, json_each(d.reasons) r
             WHERE d.state = 'open' AND {whose} GROUP BY 1, 2
         )
         SELECT r.code, r.field, r.count, r.first, coalesce(s.name, ''), d.line, {place}, r.oldest, r.newest
         FROM reason r JOIN logmill_dead_letters d ON d.id = r.first LEFT JOIN logmill_sources s ON s.id = d.source_id
         ORDER BY r.count DESC, r.code, r.field",
    ))?;
    let reason = |row: &Row<'_>| {
        Ok(ReasonCount {
            code: row.get(0)?,
            field: row.get(1)?,
            count: unsigned(row.get(2)?),
            oldest: time(row, 8)?,
            newest: time(row, 9)?,
            first: FirstLetter {
                id: row.get(3)?,
                file: row.get(4)?,
                line: Line::of_stored(row.get(5)?, row.get(6)?, row.get(7)?),
            },
        })
    };
    let reasons = statement.query_map(parameters, reason)?;
    Ok(reasons.collect::<rusqlite::Result<_>>()?)
}
