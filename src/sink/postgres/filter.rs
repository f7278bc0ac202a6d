//! Which dead letters match a filter.

use postgres::types::ToSql;

use crate::sink::history::{Filter, of_target};

/// The condition that the dead letter `d` of the source `s` matches a filter.
pub(super) fn is_meant(sources: &str) -> String {
    format!(
        "d.job = $1 AND (cardinality($2::bigint[]) = 0 OR d.id = ANY($2)) AND ($3::text IS NULL OR d.state = $3)
           AND (($4::text IS NULL AND $5::text IS NULL) OR EXISTS (
                SELECT FROM jsonb_array_elements(d.reasons) r
                WHERE ($4 IS NULL OR r ->> 'code' = $4) AND ($5 IS NULL OR r ->> 'field' = $5)))
           AND ($6::text IS NULL OR right(s.name, length($6)) = $6)
           AND ($7::timestamptz IS NULL OR d.last_seen >= $7) AND {}",
        of_target(sources, "$8")
    )
}

/// The parameters of that condition.
pub(super) fn meant<'a>(filter: &'a Filter, target: &'a String) -> [&'a (dyn ToSql + Sync); 8] {
    let Filter { job, ids, state, code, field, source, since, has_raw: _ } = filter;
    [job, ids, state, code, field, source, since, target]
}
