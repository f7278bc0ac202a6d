//! The owners of a target's metrics, in SQLite: what a job registers before it loads.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::marks::Marks;
use super::target::Target;
use super::{Settings, Trouble};
use crate::error::ErrorKind;
use crate::sink::TableName;
use crate::sink::key::quote;
use crate::sink::rollup::{Changes, Dates, Known, KnownMetric, Metric, Whose};

/// The full name of a metric's table. A file has no schemas.
pub(super) fn table_of(metric: &Metric) -> TableName {
    TableName { schema: None, name: metric.table.name.clone() }
}

/// The dates for which the job's metrics have values.
fn stored_dates(connection: &Connection, settings: &Settings) -> Result<BTreeSet<NaiveDate>, Trouble> {
    let mut dates = BTreeSet::new();
    for metric in settings.rollups.metrics.iter() {
        let table = Target::find(connection, &table_of(metric).name)?;
        let is_ours = |table: &Target| table.column("date").and(table.column("metric_id")).is_some();
        let Some(table) = table.filter(is_ours) else { continue };
        let sql = format!("SELECT DISTINCT date FROM {} WHERE metric_id = ?1", quote(&table.name));
        let mut statement = connection.prepare(&sql)?;
        for date in statement.query_map([&metric.name], |row| Ok(row.get::<_, String>(0).ok()))? {
            // In another program's table it may have another type.
            dates.extend(date?.and_then(|date| date.parse::<NaiveDate>().ok()));
        }
    }
    Ok(dates)
}

/// The selected ones among the dates that have rows, values or a mark, or rejects if these are counted.
pub(super) fn known_dates(
    connection: &Connection,
    settings: &Settings,
    marks: &Marks,
    table: &str,
    meant: &Dates,
) -> Result<BTreeSet<NaiveDate>, Trouble> {
    let mut dates = marks.days_where(connection, table, &marks.are_on(meant))?;
    let mut add = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<(), Trouble> {
        let mut statement = connection.prepare(sql)?;
        let found = statement.query_map(parameters, |row| row.get::<_, Option<String>>(0))?;
        for date in found {
            dates.extend(date?.and_then(|date| date.parse::<NaiveDate>().ok()));
        }
        Ok(())
    };
    let whose: [&dyn rusqlite::ToSql; 2] = [&marks.target, &settings.job];
    add("SELECT date FROM logmill_dirty_dates WHERE target = ?1 AND job = ?2", &whose)?;
    if settings.rollups.counts_rejects() {
        add("SELECT DISTINCT data_date FROM logmill_sources WHERE target = ?1 AND job = ?2", &whose)?;
    }
    dates.extend(stored_dates(connection, settings)?);
    dates.retain(|date| meant.has(*date));
    Ok(dates)
}

/// What is registered for the target. Includes the metrics of other targets in the same tables.
fn known(connection: &Connection, target: &str) -> Result<Known, Trouble> {
    let row = connection
        .query_row("SELECT time, zone FROM logmill_rollups WHERE target = ?1", [target], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?))
        })
        .optional()?;
    let mut statement = connection.prepare(
        "SELECT rollup_table, metric, target, job, sql_hash FROM logmill_metrics ORDER BY rollup_table, metric",
    )?;
    let metrics = statement.query_map([], |row| {
        Ok(KnownMetric {
            table: row.get(0)?,
            name: row.get(1)?,
            target: row.get(2)?,
            job: row.get(3)?,
            hash: row.get(4)?,
        })
    })?;
    let metrics = metrics.collect::<rusqlite::Result<_>>()?;
    Ok(Known { has_row: row.is_some(), days: row.and_then(|(time, zone)| time.zip(zone)), metrics })
}

/// What the job would have to register, or why it may not load. Writes nothing.
pub(super) fn compare(
    connection: &Connection,
    settings: &Settings,
    marks: &Marks,
) -> Result<Changes, Trouble> {
    let known = known(connection, &marks.target)?;
    let whose = Whose { job: &settings.job, target: &marks.target, taken_down_in: "logmill_metrics" };
    let changes = settings.rollups.changes(whose, &known, &|metric| table_of(metric).remembered());
    changes.map_err(|findings| Trouble::Ours(ErrorKind::Unfit(findings).into()))
}

/// Registers the metrics of the job, and returns what to report.
pub(super) fn register(
    connection: &Connection,
    settings: &Settings,
    marks: &Marks,
    table: &str,
) -> Result<Vec<String>, Trouble> {
    if let Some(metric) = settings.rollups.metrics.iter().find(|metric| metric.table.schema.is_some()) {
        return Err(super::unfit(format!(
            "the metric {} names the table {}, and a file of SQLite has no schemas; put a name with a dot in quotes",
            metric.name, metric.table
        )));
    }
    let changes = compare(connection, settings, marks)?;
    let (target, warnings) = (&marks.target, changes.warnings());
    if changes.is_empty() {
        return Ok(warnings);
    }
    for (table, name) in &changes.gone {
        let sql = "DELETE FROM logmill_metrics WHERE rollup_table = ?1 AND metric = ?2";
        connection.execute(sql, params![table, name])?;
    }
    for (table, name, hash) in &changes.new {
        connection.execute(
            "INSERT INTO logmill_metrics (rollup_table, metric, target, job, sql_hash) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![table, name, target, settings.job, hash.0],
        )?;
    }
    if let Some(days) = &changes.days {
        let (time, zone) = days.clone().unzip();
        connection.execute(
            "INSERT INTO logmill_rollups (target, time, zone) VALUES (?1, ?2, ?3)
             ON CONFLICT (target) DO UPDATE SET time = excluded.time, zone = excluded.zone",
            params![target, time, zone],
        )?;
        if days.is_none() {
            // No job would compute them.
            connection.execute("DELETE FROM logmill_dirty_dates WHERE target = ?1", [target])?;
        }
    }
    if changes.marks_all {
        let days = known_dates(connection, settings, marks, table, &Dates::All)?;
        marks.write(connection, Some(&settings.job), &days)?;
    }
    super::pass("before-register-commit")?;
    Ok(warnings)
}

/// Registers the new definitions of changed metrics, in a transaction that marks all their dates.
pub(super) fn take_down(connection: &Connection, changes: &Changes) -> Result<(), Trouble> {
    for (table, name, hash) in &changes.changed {
        let sql = "UPDATE logmill_metrics SET sql_hash = ?3 WHERE rollup_table = ?1 AND metric = ?2";
        connection.execute(sql, params![table, name, hash.0])?;
    }
    Ok(())
}
