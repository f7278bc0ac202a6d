//! Discarding in PostgreSQL: marks open dead letters as unwanted, and changes nothing else.

use std::sync::Arc;

use postgres::types::ToSql;

use super::connect::Server;
use super::filter::{is_meant, meant};
use super::link::{Link, begin_sql};
use super::session::Session;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use super::{Timeouts, catalog, tables};
use crate::error::Result;
use crate::sink::TableName;
use crate::sink::history::Filter;

/// Marks the open dead letters that match the filter, all in one transaction, and returns how many there
/// were.
pub(super) fn discard(
    server: &Arc<Server>,
    table: &TableName,
    filter: &Filter,
    note: Option<&str>,
    timeouts: Timeouts,
) -> Result<u64> {
    let (table, filter, note) = (table.clone(), filter.clone(), note.map(str::to_owned));
    let session = Session::visit(server, timeouts)?;
    let discarded =
        session.run(Step::Discard, move |link| discard_all(link, &table, &filter, note.as_ref(), timeouts));
    discarded.map_err(Trouble::into_error)
}

fn discard_all(
    link: &mut Link,
    table: &TableName,
    filter: &Filter,
    note: Option<&String>,
    timeouts: Timeouts,
) -> Result<u64, Trouble> {
    let Some(version) = tables::version(&mut link.client)? else { return Ok(0) };
    tables::check_version(version)?;
    let (sources, _) = tables::of_version(version);
    let target = catalog::remembered(&mut link.client, &link.schemas, table)?;
    let client = &mut link.client;
    // Closing without a COMMIT rolls back.
    at(Step::Discard, client.batch_execute(&begin_sql(timeouts)))?;
    let parameters: Vec<&(dyn ToSql + Sync)> =
        meant(filter, &target).into_iter().chain([&note as _]).collect();
    // A concurrent load may supersede one: its state is checked again under the row's lock.
    let discarded = client.execute(
        &format!(
            "UPDATE logmill.dead_letters l
             SET state = 'discarded', note = nullif(concat_ws('; ', l.note, $9::text), '')
             WHERE l.state = 'open' AND l.id IN (
                 SELECT d.id FROM logmill.dead_letters d LEFT JOIN {sources} s ON s.id = d.source_id WHERE {})",
            is_meant(sources)
        ),
        &parameters,
    );
    let discarded = at(Step::Discard, discarded)?;
    at(Step::Discard, client.batch_execute("COMMIT"))?;
    Ok(discarded)
}
