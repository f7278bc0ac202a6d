//! Discarding in SQLite: marks open dead letters as unwanted, and changes nothing else.

use std::path::Path;
use std::time::Duration;

use rusqlite::params;

use super::filter::{as_stored, is_meant};
use super::target::remembered;
use super::{Trouble, check_version, has_tables, immediate, of_version, open_existing};
use crate::error::Result;
use crate::sink::TableName;
use crate::sink::history::Filter;

/// Marks the open dead letters that match the filter, all in one transaction, and returns how many there
/// were.
pub(super) fn discard(
    path: &Path,
    table: &TableName,
    filter: &Filter,
    note: Option<&str>,
    patience: Duration,
) -> Result<u64> {
    if !path.exists() {
        return Ok(0);
    }
    let discarded = (|| {
        let connection = open_existing(path)?;
        connection.busy_timeout(patience)?;
        if !has_tables(&connection)? {
            return Ok(0);
        }
        let (sources, _) = of_version(check_version(&connection)?);
        let target = remembered(&connection, table)?;
        let (ids, since) = as_stored(filter);
        let Filter { job, state, code, field, source, .. } = filter;
        let parameters = params![job, ids, state, code, field, source, since, target, note];
        let sql = format!(
            "UPDATE logmill_dead_letters AS l
             SET state = 'discarded', note = nullif(concat_ws('; ', l.note, ?9), '')
             WHERE l.state = 'open' AND l.id IN (
                 SELECT d.id FROM logmill_dead_letters d LEFT JOIN {sources} s ON s.id = d.source_id WHERE {})",
            is_meant(sources)
        );
        immediate(&connection, || Ok(connection.execute(&sql, parameters)? as u64))
    })();
    discarded.map_err(|trouble: Trouble| trouble.into_error(path))
}
