//! The open dead letters: in which splits, and why.

use postgres::types::ToSql;
use postgres::{GenericClient, Row};

use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::sink::bar::Standing;
use crate::sink::claim::unsigned;
use crate::sink::history::{FirstLetter, Line, ReasonCount, place_of_split};
use crate::split::Split;

/// The states of the splits of sources.
pub(super) fn standing(client: &mut impl GenericClient, sources: &[i32]) -> Result<Vec<Standing>, Trouble> {
    let rows = client.query(
        "SELECT c.source_id, c.split_start, c.inserted + c.updated + c.unchanged + c.superseded + c.rejected,
                count(d.id), max(d.source_offset), c.complete
         FROM logmill.checkpoints c LEFT JOIN logmill.dead_letters d
             ON d.source_id = c.source_id AND d.state = 'open' AND d.state <> 'superseded'
             AND d.source_offset >= c.split_start AND (c.split_end IS NULL OR d.source_offset < c.split_end)
         WHERE c.source_id = ANY($1) GROUP BY c.source_id, c.split_start ORDER BY c.source_id, c.split_start",
        &[&sources],
    );
    let standing = |row: &Row| Standing {
        split: Split { source: row.get(0), start: unsigned(row.get(1)) },
        records: unsigned(row.get(2)),
        letters: unsigned(row.get(3)),
        last_letter: row.get::<_, Option<i64>>(4).map(unsigned),
        is_complete: row.get(5),
    };
    Ok(at(Step::Look, rows)?.iter().map(standing).collect())
}

/// Why the dead letters `d` that satisfy `whose` are open. `checkpoints` are those of their splits. The first
/// letter is determined by place, because splits that load concurrently assign ids in any order.
pub(super) fn reasons(
    client: &mut impl GenericClient,
    checkpoints: &str,
    whose: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<ReasonCount>, Trouble> {
    let place = place_of_split(checkpoints);
    let rows = client.query(
        &format!("WITH reason AS (
             SELECT r ->> 'code' AS code, r ->> 'field' AS field, count(DISTINCT d.id) AS count,
                    (min(ARRAY[d.source_id, d.source_offset, d.id]))[3] AS first,
                    min(d.first_seen) AS oldest, max(d.first_seen) AS newest
             FROM logmill.dead_letters d, jsonb_array_elements(d.reasons) r
             WHERE d.state = 'open' AND {whose}
             GROUP BY 1, 2
         )
         SELECT r.code, coalesce(r.field, ''), r.count, r.first, coalesce(s.name, ''), d.line, {place}, r.oldest, r.newest
         FROM reason r JOIN logmill.dead_letters d ON d.id = r.first LEFT JOIN logmill.sources s ON s.id = d.source_id
         ORDER BY r.count DESC, r.code, r.field"),
        parameters,
    );
    let reason = |row: &Row| ReasonCount {
        code: row.get(0),
        field: row.get(1),
        count: unsigned(row.get(2)),
        oldest: row.get(8),
        newest: row.get(9),
        first: FirstLetter {
            id: row.get(3),
            file: row.get(4),
            line: Line::of_stored(row.get(5), row.get(6), row.get(7)),
        },
    };
    Ok(at(Step::Look, rows)?.iter().map(reason).collect())
}
