//! The days of a job in PostgreSQL.

use std::sync::Arc;

use chrono::NaiveDate;
use postgres::{Client, GenericClient};

use super::ask::{Ask as _, with_values};
use super::catalog;
use super::connect::Server;
use super::session::Session;
use super::tables;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::error::Result;
use crate::sink::claim::Scope;
use crate::sink::dates::{DateStatus, Stored, Tables, begin_sql, end_sql, forget_sql, status_sql};
use crate::sink::destination::Settings;
use crate::source::Hash16;

const DATES: &str = "logmill.dates";

/// The tables of `end_sql`.
const TABLES: Tables<'static> = Tables {
    dates: DATES,
    sources: "logmill.sources",
    checkpoints: "logmill.checkpoints",
    dead_letters: "logmill.dead_letters",
};

/// The statement that records that a run has begun to load its day; empty if it has none.
pub(super) fn begin(scope: &Scope) -> String {
    let Scope { job, target, data_date: Some(date) } = scope else { return String::new() };
    with_values(&begin_sql(DATES), &[job, target, date]) + "; "
}

/// The statement that records the state of a run's day at its end; empty if it has none.
pub(super) fn end(scope: &Scope, failure: Option<&str>) -> String {
    let Scope { job, target, data_date: Some(date) } = scope else { return String::new() };
    with_values(&end_sql(&TABLES, "date"), &[job, target, date, &failure]) + "; "
}

/// Forgets the days whose sources are all about to be forgotten.
pub(super) fn forget(client: &mut Client, job: &str, sources: &[i32]) -> Result<(), postgres::Error> {
    client.tell(&forget_sql(&TABLES, "= ANY($2)"), &[&job, &sources]).map(drop)
}

/// The states of a job's days in a table.
pub(super) fn statuses(
    client: &mut impl GenericClient,
    (job, target): (&str, &str),
    rules_hash: Hash16,
    version: i32,
) -> Result<Vec<DateStatus>, Trouble> {
    let (sources, checkpoints) = tables::of_version(version);
    let tables = Tables { dates: tables::dates_of_version(version), sources, checkpoints, ..TABLES };
    let rows = client.ask(&status_sql(&tables), &[&job, &target, &&rules_hash.0[..]]);
    let rows = at(Step::Look, rows)?;
    let stored = rows.iter().map(|row| Stored {
        date: row.get(0),
        state: row.get(1),
        reason: row.get(2),
        splits: row.get(3),
        open_splits: row.get(4),
        splits_of_other_rules: row.get(5),
        open_dead_letters: row.get(6),
    });
    Ok(stored.filter_map(Stored::status).collect())
}

/// Records that these days have no file.
pub(super) fn note_absent(server: &Arc<Server>, settings: &Settings, dates: &[NaiveDate]) -> Result<()> {
    let session = Session::visit(server, settings.timeouts)?;
    let (settings, dates) = (settings.clone(), dates.to_vec());
    let noted = session.run(Step::Claim, move |link| {
        if tables::version(&mut link.client)? != Some(tables::VERSION) {
            return Ok(());
        }
        let target = catalog::remembered(&mut link.client, &link.schemas, &settings.table)?;
        at(Step::Claim, link.client.batch_execute("BEGIN"))?;
        for date in dates {
            let scope = Scope { job: settings.job.clone(), target: target.clone(), data_date: Some(date) };
            at(Step::Claim, link.client.batch_execute(&end(&scope, None)))?;
        }
        at(Step::Claim, link.client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))
    });
    noted.map_err(Trouble::into_error)
}
