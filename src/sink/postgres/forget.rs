//! Forgetting in PostgreSQL: removes sources from a job's memory, and their rows if asked to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use postgres::Client;

use super::catalog::Target;
use super::compare::{refuse_row_security, unfit};
use super::connect::Server;
use super::link::{Link, OUR_PATH, begin_sql, path_of_target};
use super::marks::Marks;
use super::session::Session;
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use super::{Settings, Timeouts, dates, tables};
use crate::error::{ErrorKind, Result};
use crate::sink::claim::unsigned;
use crate::sink::findings::{no_places, rows_not_there};
use crate::sink::history::Forgotten;
use crate::sink::key::SOURCE_ID;

/// How many rows belong to these sources, whether or not they are to be deleted.
pub(super) fn rows_of(
    server: &Arc<Server>,
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
) -> Result<Option<u64>> {
    let (settings, sources) = (settings.clone(), sources.to_vec());
    let session = Session::visit(server, patient(settings.timeouts))?;
    let counted = session.run(Step::Look, move |Link { client, schemas, .. }| {
        let Some(target) = Target::find(client, schemas, &settings.table)? else {
            return if deletes_rows {
                Err(unfit(vec![rows_not_there(&settings.table)]))
            } else {
                Ok(Some(0))
            };
        };
        if target.column(SOURCE_ID).is_none() {
            let finding = no_places(&target.name, "forgotten");
            return if deletes_rows { Err(unfit(vec![finding])) } else { Ok(None) };
        }
        refuse_row_security(client, &target, Step::Look)?;
        let sql = format!("SELECT count(*) FROM {} WHERE source_id = ANY($1)", target.quoted());
        Ok(Some(unsigned(at(Step::Look, client.query_one(&sql, &[&sources]))?.get(0))))
    });
    counted.map_err(Trouble::into_error)
}

/// Scanning a table takes as long as it takes.
fn patient(timeouts: Timeouts) -> Timeouts {
    Timeouts { statement: Duration::ZERO, ..timeouts }
}

/// Forgets sources of a job: all of them, or none if a living run holds one. Their description is kept with
/// their dead letters, which become superseded.
pub(super) fn forget(
    server: &Arc<Server>,
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
) -> Result<Forgotten> {
    let (settings, sources) = (settings.clone(), sources.to_vec());
    let session = Session::visit(server, patient(settings.timeouts))?;
    let forgotten =
        session.run(Step::Forget, move |link| forget_all(link, &settings, &sources, deletes_rows));
    forgotten.map_err(Trouble::into_error)
}

fn forget_all(
    link: &mut Link,
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
) -> Result<Forgotten, Trouble> {
    let Link { client, schemas, .. } = link;
    let job = &settings.job;
    let Some(version) = tables::version(client)? else { return Ok(Forgotten::default()) };
    tables::check_version(version)?;
    // Closing without a COMMIT rolls back.
    at(Step::Forget, client.batch_execute(&begin_sql(patient(settings.timeouts))))?;
    // The lock on ids: no run can claim meanwhile.
    at(Step::Forget, client.query_one("SELECT next_source_id FROM logmill.meta FOR UPDATE", &[]))?;
    // If the start time is hidden from this role, the owner counts as alive.
    let held = client.query_opt(
        "SELECT s.name, coalesce(c.owner_run, 0), c.owner_pid
         FROM logmill.sources s JOIN logmill.checkpoints c ON c.source_id = s.id
         JOIN pg_stat_activity a ON a.pid = c.owner_pid AND coalesce(a.backend_start, c.owner_start) = c.owner_start
         WHERE s.job = $1 AND s.id = ANY($2) ORDER BY s.id LIMIT 1",
        &[&job, &sources],
    );
    if let Some(row) = at(Step::Forget, held)? {
        let (name, run, pid): (String, i64, i32) = (row.get(0), row.get(1), row.get(2));
        let holder = format!("run {run} (backend {pid})");
        let then = ", so nothing was forgotten; wait for it, or end it";
        return Err(Trouble::Ours(ErrorKind::Held { source_name: name, holder, then }.into()));
    }
    // Before the rows: a replay in progress has locked its letters, and this waits for it, so that it sees
    // the rows the replay adds; a later replay finds here that its letters have changed. A letter whose row
    // is gone no longer stands for anything, whatever became of it.
    let state = if deletes_rows { "d.state <> 'superseded'" } else { "d.state = 'open'" };
    let superseded = client.execute(
        &format!(
            "UPDATE logmill.dead_letters d
             SET state = 'superseded', note = concat_ws('; ', d.note, 'of ' || s.name || ', which was forgotten')
             FROM logmill.sources s
             WHERE s.id = d.source_id AND s.job = $1 AND s.id = ANY($2) AND {state}"
        ),
        &[&job, &sources],
    );
    let dead_letters = at(Step::Forget, superseded)?;
    let marked = touched_days(client, schemas, settings, sources, deletes_rows, version)?;
    let rows = match deletes_rows {
        true => delete_rows(client, schemas, settings, sources)?,
        false => 0,
    };
    pass(Step::Forget, "after-rows-deleted")?;
    // Older tables do not have it.
    let deleted = if version >= 5 { dates::forget(client, job, sources) } else { Ok(()) };
    let deleted = deleted.and_then(|()| delete_sources(client, job, sources));
    let deleted = match at(Step::Forget, deleted) {
        Err(Trouble::Server(refusal)) if refusal.code.code() == "42501" => {
            return Err(unfit(vec![
                "this role may not delete from the tables of logmill; \
                 GRANT DELETE ON logmill.sources, logmill.checkpoints, logmill.containers, logmill.dates TO it"
                    .to_owned(),
            ]));
        }
        deleted => deleted?,
    };
    if let Some((marks, days)) = marked {
        marks.write_for(client, "true", &days)?;
    }
    pass(Step::Forget, "before-forget-commit")?;
    at(Step::Forget, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    pass(Step::Forget, "after-forget")?;
    Ok(Forgotten { sources: deleted, rows, dead_letters })
}

/// Deletes what is recorded of sources of a job, and returns how many there were.
pub(super) fn delete_sources(
    client: &mut Client,
    job: &str,
    sources: &[i32],
) -> Result<u64, postgres::Error> {
    let deleted = client.query_one(
        "WITH source AS (DELETE FROM logmill.sources WHERE job = $1 AND id = ANY($2) RETURNING id),
              checkpoint AS (DELETE FROM logmill.checkpoints WHERE source_id IN (SELECT id FROM source)),
              container AS (DELETE FROM logmill.containers WHERE source_id IN (SELECT id FROM source))
         SELECT count(*) FROM source",
        &[&job, &sources],
    );
    Ok(unsigned(deleted?.get(0)))
}

/// The dates whose metrics change when sources are forgotten, and what marks them; `None` if the target has
/// no metrics.
fn touched_days(
    client: &mut Client,
    schemas: &[String],
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
    version: i32,
) -> Result<Option<(Marks, BTreeSet<NaiveDate>)>, Trouble> {
    if version < tables::VERSION_OF_MARKS {
        return Ok(None);
    }
    let Some(target) = Target::find(client, schemas, &settings.table)? else { return Ok(None) };
    let marks = Marks::new(&target, &settings.rollups);
    if !marks.are_wanted(&at(Step::Forget, client.simple_query(&marks.lock_sql))?)? {
        return Ok(None);
    }
    let mut days: BTreeSet<NaiveDate> =
        marks.days_of_letters(client, sources.to_vec())?.into_iter().collect();
    if deletes_rows {
        let ids = sources.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let are_theirs = format!("t.source_id = ANY('{{{ids}}}'::int[])");
        days.extend(marks.days_where(client, &target.quoted(), &are_theirs)?);
    }
    Ok(Some((marks, days)))
}

/// Deletes the rows of sources, and returns how many.
fn delete_rows(
    client: &mut Client,
    schemas: &[String],
    settings: &Settings,
    sources: &[i32],
) -> Result<u64, Trouble> {
    let Some(target) = Target::find(client, schemas, &settings.table)? else {
        return Err(unfit(vec![rows_not_there(&settings.table)]));
    };
    refuse_row_security(client, &target, Step::Forget)?;
    let table = target.quoted();
    let of_sources = "source_id OPERATOR(pg_catalog.=) ANY($1)";
    let path = format!("SET LOCAL search_path = {}", path_of_target(&target.schema, schemas));
    at(Step::Forget, client.batch_execute(&path))?;
    let deleted =
        at(Step::Forget, client.execute(&format!("DELETE FROM {table} WHERE {of_sources}"), &[&sources]));
    let deleted = match deleted {
        Err(Trouble::Server(refusal)) if refusal.code.code() == "42501" => {
            return Err(unfit(vec![format!(
                "this role may not delete from {}, so nothing was forgotten; GRANT DELETE ON {table} TO it",
                target.name
            )]));
        }
        deleted => deleted?,
    };
    // A trigger can silently keep a row.
    let left =
        client.query_one(&format!("SELECT EXISTS (SELECT FROM {table} WHERE {of_sources})"), &[&sources]);
    if at(Step::Forget, left)?.get(0) {
        return Err(unfit(vec![format!(
            "a trigger or rule of {} keeps rows that are deleted, so nothing was forgotten; disable it for that",
            target.name
        )]));
    }
    at(Step::Forget, client.batch_execute(&format!("SET LOCAL search_path = {OUR_PATH}")))?;
    Ok(deleted)
}
