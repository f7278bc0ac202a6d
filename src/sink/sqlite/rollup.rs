//! Rollups in SQLite: each marked date is computed and unmarked in one transaction.

use std::path::Path;

use chrono::NaiveDate;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::look::Look;
use super::marks::{Marks, day, moment};
use super::metrics::{compare, known_dates, table_of, take_down};
use super::refusal::{Verdict, message, verdict};
use super::target::Target;
use super::{Settings, Trouble, check_present, has_tables, immediate, pass, scope, unfit};
use crate::error::{Error, Result};
use crate::sink::claim::Scope;
use crate::sink::findings::missing;
use crate::sink::key::quote;
use crate::sink::rollup::{
    COLUMNS, CheckedRollups, Dates, Dialect, FAILURES_MAX, FailedMetric, Metric, MetricDifference, Place,
    SEVERAL_ROWS, Shape, number,
};

/// A file has no search path.
const DIALECT: Dialect = Dialect { equal: "=", at_least: ">=", less: "<", functions: "" };

/// What to compute, and from what.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) settings: &'a Settings,
    pub(super) marks: &'a Marks,
    pub(super) scope: &'a Scope,
    /// The name of the target.
    pub(super) target: &'a str,
}

/// Marks the selected dates besides those already marked, and returns all marked dates.
pub(super) fn mark(connection: &Connection, job: Job<'_>, dates: &Dates) -> Result<Vec<NaiveDate>, Trouble> {
    let Scope { job: name, target, .. } = job.scope;
    if *dates != Dates::Marked {
        immediate(connection, || {
            let known = known_dates(connection, job.settings, job.marks, job.target, dates)?;
            job.marks.write(connection, Some(name), &known)?;
            if *dates == Dates::All {
                take_down(connection, &compare(connection, job.settings, job.marks)?)?;
            }
            Ok(())
        })?;
        pass("after-rollup-marks")?;
    }
    let mut statement = connection.prepare_cached(
        "SELECT date FROM logmill_dirty_dates WHERE target = ?1 AND job = ?2 ORDER BY date",
    )?;
    let marked = statement.query_map([target, name], |row| row.get(0))?;
    let marked = marked.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(marked.iter().filter_map(|date| date.parse().ok()).filter(|date| dates.has(*date)).collect())
}

/// Computes a date and removes its mark; `None` if it has none. A failure is reported, and leaves everything
/// as it was.
pub(super) fn compute(
    connection: &Connection,
    job: Job<'_>,
    date: NaiveDate,
) -> Result<Option<FailedMetric>, Trouble> {
    let mut failing = None;
    let Scope { job: name, target, .. } = job.scope;
    let mark = params![target, name, date.to_string()];
    let computed = immediate(connection, || {
        let sql = "SELECT seq FROM logmill_dirty_dates WHERE target = ?1 AND job = ?2 AND date = ?3";
        if connection.query_row(sql, mark, |row| row.get::<_, i64>(0)).optional()?.is_none() {
            return Ok(());
        }
        pass("before-rollup")?;
        for metric in job.settings.rollups.metrics.iter() {
            failing = Some(metric);
            store(connection, job, metric, date)?;
            failing = None;
            pass("mid-rollup")?;
        }
        let sql = "DELETE FROM logmill_dirty_dates WHERE target = ?1 AND job = ?2 AND date = ?3";
        connection.execute(sql, mark)?;
        pass("before-rollup-commit")
    });
    match (computed, failing) {
        (Err(trouble), Some(metric)) => Ok(Some(failed(trouble, metric, date)?)),
        (computed, _) => {
            computed?;
            pass("after-rollup")?;
            Ok(None)
        }
    }
}

/// A failure that recurs however often it is computed. Other troubles are returned as they are.
fn failed(trouble: Trouble, metric: &Metric, date: NaiveDate) -> Result<FailedMetric, Trouble> {
    let why = match &trouble {
        Trouble::Sqlite(error) if verdict(error, false) == Verdict::Wait => return Err(trouble),
        Trouble::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            SEVERAL_ROWS.to_owned()
        }
        Trouble::Sqlite(error) => message(error),
        Trouble::Ours(error) => error.to_string(),
    };
    Ok(FailedMetric { date: date.to_string(), metric: metric.name.clone(), why })
}

/// Stores the values of a metric on a date: differing values are changed, obsolete ones deleted.
fn store(connection: &Connection, job: Job<'_>, metric: &Metric, date: NaiveDate) -> Result<(), Trouble> {
    let (whose, target) = (whose(job.scope), quote(job.target));
    let place = place(job, &target, &whose)?;
    let shape = shape(connection, metric, &place, date)?;
    if Target::find(connection, &table_of(metric).name)?.is_none() {
        if !job.settings.create {
            return Err(unfit(missing(&table_of(metric))));
        }
        connection.execute_batch(&shape.create_sql(&shape.table, "text"))?;
    }
    let computed = place.computed(metric, &shape, date);
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS temp.logmill_computed; CREATE TEMPORARY TABLE logmill_computed AS {computed}"
    ))?;
    let rows: i64 =
        connection.query_row("SELECT count(*) FROM temp.logmill_computed", [], |row| row.get(0))?;
    if metric.by.is_empty() && rows > 1 {
        return Err(unfit(SEVERAL_ROWS.to_owned()));
    }
    let (table, is_same, columns) = (&shape.table, shape.is_same(), shape.by_list(""));
    let of_metric = "t.date = ?1 AND t.metric_id = ?2";
    let computed = "temp.logmill_computed c";
    for sql in [
        format!(
            "DELETE FROM {table} AS t WHERE {of_metric} AND NOT EXISTS (SELECT 1 FROM {computed} WHERE {is_same})"
        ),
        format!(
            "UPDATE {table} AS t SET value = c.value FROM {computed}
             WHERE {of_metric} AND {is_same} AND t.value IS NOT c.value"
        ),
        format!(
            "INSERT INTO {table} (date, metric_id, {columns}value) SELECT ?1, ?2, {}c.value FROM {computed}
             WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {of_metric} AND {is_same})",
            shape.by_list("c.")
        ),
    ] {
        connection.execute(&sql, params![date.to_string(), metric.name])?;
    }
    connection.execute_batch("DROP TABLE temp.logmill_computed")?;
    Ok(())
}

fn whose(scope: &Scope) -> (String, String) {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    (literal(&scope.job), literal(&scope.target))
}

fn place<'a>(job: Job<'a>, target: &'a str, whose: &'a (String, String)) -> Result<Place<'a>, Trouble> {
    let time = job.marks.time.as_ref();
    let time = time.ok_or_else(|| Error::broken("a job with rollups says when its records happened"))?;
    let (letters, sources) = ("logmill_dead_letters", "logmill_sources");
    Ok(Place { dialect: DIALECT, target, time, moment, date: day, letters, sources, whose })
}

/// The shape of a metric's values.
fn shape(
    connection: &Connection,
    metric: &Metric,
    place: &Place<'_>,
    date: NaiveDate,
) -> Result<Shape, Trouble> {
    // Wrapped in a query, so that it can be nothing but a query.
    let statement = connection.prepare(&format!("SELECT * FROM ({}\n) q", place.asked(metric, date)))?;
    if statement.parameter_count() > 0 {
        return Err(unfit("its query has a parameter; it takes none but {date} and {next_date}".to_owned()));
    }
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let value = Shape::value_of(metric, &columns).map_err(unfit)?;
    let name = quote(&table_of(metric).name);
    if let Some(table) = Target::find(connection, &table_of(metric).name)? {
        let mut needed = COLUMNS.into_iter().chain(metric.by.iter().map(String::as_str));
        if let Some(missing) = needed.find(|name| table.column(name).is_none()) {
            let missing = quote(missing);
            return Err(unfit(format!(
                "the table {name} has no column {missing}; add it, or name another table"
            )));
        }
    }
    let by = metric.by.iter().map(|name| (name.clone(), None)).collect();
    Ok(Shape { table: name, by, value, value_type: None })
}

/// Compares stored with freshly computed values, in one snapshot of the file. Writes nothing.
pub(super) fn check(path: &Path, settings: &Settings, dates: &Dates) -> Result<CheckedRollups> {
    if !path.exists() {
        return Ok(CheckedRollups::default());
    }
    let check = || -> Result<CheckedRollups, Trouble> {
        let look = Look::open(path)?;
        let connection = &look.connection;
        if !has_tables(connection)? {
            return Ok(CheckedRollups::default());
        }
        check_present(connection)?;
        let target = Target::find(connection, &settings.table.name)?;
        let target = target.ok_or_else(|| unfit(missing(&settings.table)))?;
        let scope = scope(settings, &target.name);
        let marks = Marks::new(scope.target.clone(), &settings.rollups);
        compare(connection, settings, &marks)?;
        let job = Job { settings, marks: &marks, scope: &scope, target: &target.name };
        let mut checked = CheckedRollups::default();
        for date in known_dates(connection, job.settings, job.marks, job.target, dates)? {
            checked.dates += 1;
            for metric in settings.rollups.metrics.iter() {
                match differences(connection, job, metric, date) {
                    Ok(found) => checked.differences.extend(found),
                    Err(trouble) => checked.failed.push(failed(trouble, metric, date)?),
                }
            }
            if checked.failed.len() >= FAILURES_MAX {
                break;
            }
        }
        Ok(checked)
    };
    check().map_err(|trouble| trouble.into_error(path))
}

/// Where stored and computed values of a metric differ.
fn differences(
    connection: &Connection,
    job: Job<'_>,
    metric: &Metric,
    date: NaiveDate,
) -> Result<Vec<MetricDifference>, Trouble> {
    let (whose, target) = (whose(job.scope), quote(job.target));
    let place = place(job, &target, &whose)?;
    let shape = shape(connection, metric, &place, date)?;
    let is_there = Target::find(connection, &table_of(metric).name)?.is_some();
    let mut statement = connection.prepare(&place.differences(metric, &shape, date, is_there))?;
    let mut rows = statement.query([])?;
    let mut differences = Vec::new();
    while let Some(row) = rows.next()? {
        let mut by = serde_json::Map::new();
        for (at, (name, _)) in shape.by.iter().enumerate() {
            by.insert(name.clone(), row.get::<_, Option<String>>(at)?.into());
        }
        let at = by.len();
        differences.push(MetricDifference {
            date: date.to_string(),
            metric: metric.name.clone(),
            by: by.into(),
            stored: number(row.get(at)?),
            computed: number(row.get(at + 1)?),
        });
    }
    Ok(differences)
}
