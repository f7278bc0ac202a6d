//! Which dead letters match a filter.

use chrono::SecondsFormat;

use crate::sink::history::{Filter, of_target};

/// The condition that the dead letter `d` of the source `s` matches a filter.
pub(super) fn is_meant(sources: &str) -> String {
    format!(
        "d.job = ?1 AND (json_array_length(?2) = 0 OR d.id IN (SELECT value FROM json_each(?2)))
           AND (?3 IS NULL OR d.state = ?3)
           AND ((?4 IS NULL AND ?5 IS NULL) OR EXISTS (
                SELECT 1 FROM json_each(d.reasons) r
                WHERE (?4 IS NULL OR r.value ->> 'code' = ?4) AND (?5 IS NULL OR r.value ->> 'field' = ?5)))
           AND (?6 IS NULL OR substr(s.name, -length(?6)) = ?6)
           AND (?7 IS NULL OR d.last_seen >= ?7) AND {}",
        of_target(sources, "?8")
    )
}

/// The ids of a filter as a JSON list, and its time in the stored form, which sorts as text.
pub(super) fn as_stored(filter: &Filter) -> (String, Option<String>) {
    let since = filter.since.map(|since| since.to_rfc3339_opts(SecondsFormat::Millis, true));
    (serde_json::json!(filter.ids).to_string(), since)
}
