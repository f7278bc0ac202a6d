//! The days of a job in SQLite.

use std::path::Path;

use chrono::NaiveDate;
use rusqlite::{Connection, params};

use super::target::remembered;
use super::{
    Trouble, VERSION, check_version, dates_of_version, has_tables, immediate, of_version, open_existing,
};
use crate::error::Result;
use crate::sink::claim::Scope;
use crate::sink::dates::{DateStatus, Stored, Tables, begin_sql, end_sql, forget_sql, status_sql};
use crate::sink::destination::Settings;
use crate::source::Hash16;

const DATES: &str = "logmill_dates";

/// The tables of `end_sql`.
const TABLES: Tables<'static> = Tables {
    dates: DATES,
    sources: "logmill_sources",
    checkpoints: "logmill_checkpoints",
    dead_letters: "logmill_dead_letters",
};

/// Records that a run has begun to load its day, if it has one.
pub(super) fn begin(connection: &Connection, scope: &Scope) -> Result<(), Trouble> {
    let Scope { job, target, data_date: Some(date) } = scope else { return Ok(()) };
    connection.execute(&begin_sql(DATES), params![job, target, date.to_string()])?;
    Ok(())
}

/// Records the state of a run's day at its end, if it has one.
pub(super) fn end(connection: &Connection, scope: &Scope, failure: Option<&str>) -> Result<(), Trouble> {
    let Scope { job, target, data_date: Some(date) } = scope else { return Ok(()) };
    let mut statement = connection.prepare_cached(&end_sql(&TABLES, "text"))?;
    statement.execute(params![job, target, date.to_string(), failure])?;
    Ok(())
}

/// Forgets the days whose sources, which are listed, are all about to be forgotten.
pub(super) fn forget(connection: &Connection, job: &str, sources: &str) -> Result<(), Trouble> {
    connection.execute(&forget_sql(&TABLES, &format!("IN ({sources})")), [job])?;
    Ok(())
}

/// The states of a job's days in a table.
pub(super) fn statuses(
    connection: &Connection,
    (job, target): (&str, &str),
    rules_hash: Hash16,
) -> Result<Vec<DateStatus>, Trouble> {
    let version = check_version(connection)?;
    let (sources, checkpoints) = of_version(version);
    let tables = Tables { dates: dates_of_version(version), sources, checkpoints, ..TABLES };
    let mut statement = connection.prepare(&status_sql(&tables))?;
    let mut rows = statement.query(params![job, target, rules_hash.0])?;
    let mut statuses = Vec::new();
    while let Some(row) = rows.next()? {
        let Ok(date) = row.get::<_, String>(0)?.parse() else { continue };
        let stored = Stored {
            date,
            state: row.get(1)?,
            reason: row.get(2)?,
            splits: row.get(3)?,
            open_splits: row.get(4)?,
            splits_of_other_rules: row.get(5)?,
            open_dead_letters: row.get(6)?,
        };
        statuses.extend(stored.status());
    }
    Ok(statuses)
}

/// Records that these days have no file.
pub(super) fn note_absent(path: &Path, settings: &Settings, dates: &[NaiveDate]) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let note = || -> Result<(), Trouble> {
        let connection = open_existing(path)?;
        connection.busy_timeout(settings.timeouts.lock)?;
        if !has_tables(&connection)? || check_version(&connection)? != VERSION {
            return Ok(());
        }
        let target = remembered(&connection, &settings.table)?;
        immediate(&connection, || {
            for date in dates {
                let (job, target) = (settings.job.clone(), target.clone());
                end(&connection, &Scope { job, target, data_date: Some(*date) }, None)?;
            }
            Ok(())
        })
    };
    note().map_err(|trouble| trouble.into_error(path))
}
