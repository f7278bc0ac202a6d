//! Forgetting in PostgreSQL: sources out of the memory of a job, and nothing else.

use std::sync::Arc;

use postgres::Client;

use super::Timeouts;
use super::connect::Server;
use super::link::begin_sql;
use super::session::Session;
use super::tables;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::error::{ErrorKind, Result};
use crate::sink::claim::unsigned;
use crate::sink::history::Forgotten;

/// Forgets sources of a job: all of them, or none if a living run holds one. What they were is
/// kept with their dead letters, which become superseded.
pub(super) fn forget(
    server: &Arc<Server>,
    job: &str,
    sources: &[i32],
    timeouts: Timeouts,
) -> Result<Forgotten> {
    let (job, sources) = (job.to_owned(), sources.to_vec());
    let session = Session::visit(server, timeouts)?;
    let forgotten =
        session.run(Step::Forget, move |link| forget_all(&mut link.client, &job, &sources, timeouts));
    forgotten.map_err(Trouble::into_error)
}

fn forget_all(
    client: &mut Client,
    job: &str,
    sources: &[i32],
    timeouts: Timeouts,
) -> Result<Forgotten, Trouble> {
    let Some(version) = tables::version(client)? else { return Ok(Forgotten::default()) };
    tables::check_version(version)?;
    // To be closed without a COMMIT is to be rolled back.
    at(Step::Forget, client.batch_execute(&begin_sql(timeouts)))?;
    // The lock on ids: no run claims meanwhile.
    at(Step::Forget, client.query_one("SELECT next_source_id FROM logmill.meta FOR UPDATE", &[]))?;
    // A start that we may not see counts as alive.
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
    let superseded = client.execute(
        "UPDATE logmill.dead_letters d
         SET state = 'superseded', note = concat_ws('; ', d.note, 'of ' || s.name || ', which was forgotten')
         FROM logmill.sources s
         WHERE s.id = d.source_id AND s.job = $1 AND s.id = ANY($2) AND d.state = 'open'",
        &[&job, &sources],
    );
    let dead_letters = at(Step::Forget, superseded)?;
    let deleted = client.query_one(
        "WITH source AS (DELETE FROM logmill.sources WHERE job = $1 AND id = ANY($2) RETURNING id),
              checkpoint AS (DELETE FROM logmill.checkpoints WHERE source_id IN (SELECT id FROM source)),
              container AS (DELETE FROM logmill.containers WHERE source_id IN (SELECT id FROM source))
         SELECT count(*) FROM source",
        &[&job, &sources],
    );
    let deleted = match at(Step::Forget, deleted) {
        Err(Trouble::Server(refusal)) if refusal.code.code() == "42501" => {
            return Err(Trouble::Ours(
                ErrorKind::Unfit(vec![
                    "this role may not delete from the tables of logmill; \
                     GRANT DELETE ON logmill.sources, logmill.checkpoints, logmill.containers TO it"
                        .to_owned(),
                ])
                .into(),
            ));
        }
        deleted => deleted?,
    };
    at(Step::Forget, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    Ok(Forgotten { sources: unsigned(deleted.get(0)), dead_letters })
}
