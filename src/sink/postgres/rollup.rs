//! Rollups in PostgreSQL: each marked date is computed and unmarked in one transaction.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use chrono::NaiveDate;
use postgres::Client;
use postgres::error::SqlState;

use super::catalog::Target;
use super::compare::unfit;
use super::connect::Server;
use super::constants::Constants;
use super::link::{Link, OUR_PATH, begin_sql, path_of_target};
use super::marks::{Marks, day, moment, no_time};
use super::metrics::{compare, found_table, known_dates, table_of, take_down};
use super::names::literal;
use super::session::Session;
use super::trouble::{Trouble, at, pass};
use super::verdict::{Step, Verdict};
use super::{Settings, tables};
use crate::error::Result;
use crate::schema::Time;
use crate::sink::TableName;
use crate::sink::claim::Scope;
use crate::sink::findings::missing;
use crate::sink::key::quote;
use crate::sink::rollup::{
    CheckedRollups, Dates, Dialect, FAILURES_MAX, FailedMetric, Metric, MetricDifference, Place, Rollups,
    SEVERAL_ROWS, Shape, number,
};

/// The server's own operators and functions, whatever is on the path of the job's queries.
const DIALECT: Dialect = Dialect {
    equal: "OPERATOR(pg_catalog.=)",
    at_least: "OPERATOR(pg_catalog.>=)",
    less: "OPERATOR(pg_catalog.<)",
    functions: "pg_catalog.",
};

/// What to compute, and from what.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) rollups: &'a Rollups,
    pub(super) target: &'a Target,
    pub(super) scope: &'a Scope,
    /// The search path of the job's queries.
    pub(super) path: &'a str,
    /// Missing tables are created.
    pub(super) create: bool,
}

/// The shapes of metrics, by index: each is looked up once.
pub(super) type Shapes = HashMap<usize, Shape>;

/// Marks the selected dates besides those already marked, and returns all marked dates.
pub(super) fn mark(
    link: &mut Link,
    constants: &Constants,
    settings: &Settings,
    dates: &Dates,
) -> Result<Vec<NaiveDate>, Trouble> {
    let Scope { job, target, .. } = &constants.scope;
    if *dates != Dates::Marked {
        at(Step::RollUp, link.client.batch_execute(&constants.begin_sql))?;
        let known = known_dates(&mut link.client, settings, &constants.target, &constants.marks, dates)?;
        let whose = format!("m.job = {}", literal(job));
        constants.marks.write_for(&mut link.client, &whose, &known)?;
        if *dates == Dates::All {
            let changes = compare(&mut link.client, settings, &constants.target)?;
            take_down(&mut link.client, &changes)?;
        }
        at(Step::RollUp, link.client.batch_execute("COMMIT"))?;
        pass(Step::RollUp, "after-rollup-marks")?;
    }
    let marked = link.client.query(
        "SELECT date FROM logmill.dirty_dates WHERE target = $1 AND job = $2 ORDER BY date",
        &[target, job],
    );
    let marked = at(Step::RollUp, marked)?;
    Ok(marked.iter().map(|row| row.get(0)).filter(|date| dates.has(*date)).collect())
}

/// Computes a date and removes its mark; `None` if it has none. A failure is reported, and leaves everything
/// as it was.
pub(super) fn compute(
    link: &mut Link,
    begin_sql: &str,
    job: Job<'_>,
    date: NaiveDate,
    shapes: &mut Shapes,
) -> Result<Option<FailedMetric>, Trouble> {
    let client = &mut link.client;
    at(Step::RollUp, client.batch_execute(begin_sql))?;
    let Scope { job: name, target, .. } = job.scope;
    let mark = client.query_opt(
        "SELECT seq FROM logmill.dirty_dates WHERE target = $1 AND job = $2 AND date = $3 FOR UPDATE",
        &[target, name, &date],
    );
    if at(Step::RollUp, mark)?.is_none() {
        at(Step::RollUp, client.batch_execute("ROLLBACK"))?;
        return Ok(None);
    }
    pass(Step::RollUp, "before-rollup")?;
    for (number, metric) in job.rollups.metrics.iter().enumerate() {
        match store(client, job, (number, metric), date, shapes) {
            Ok(()) => link.pulse.beat(),
            Err(trouble) => {
                // The tables created for them are rolled back too.
                shapes.clear();
                let failed = failed(trouble, metric, date)?;
                at(Step::RollUp, client.batch_execute("ROLLBACK"))?;
                return Ok(Some(failed));
            }
        }
        pass(Step::RollUp, "mid-rollup")?;
    }
    let unmark = client.execute(
        "DELETE FROM logmill.dirty_dates WHERE target = $1 AND job = $2 AND date = $3",
        &[target, name, &date],
    );
    at(Step::RollUp, unmark)?;
    pass(Step::RollUp, "before-rollup-commit")?;
    at(Step::RollUp, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    pass(Step::RollUp, "after-rollup")?;
    Ok(None)
}

/// An error that the server will repeat however often it is asked. Other troubles are returned as they are.
fn failed(trouble: Trouble, metric: &Metric, date: NaiveDate) -> Result<FailedMetric, Trouble> {
    let is_timeout = matches!(&trouble, Trouble::Server(refusal) if refusal.code.code() == "57014");
    if !is_timeout && trouble.verdict(&[]) != Verdict::Stop {
        return Err(trouble);
    }
    let why = match &trouble {
        Trouble::Server(refusal) if refusal.code == SqlState::UNIQUE_VIOLATION => SEVERAL_ROWS.to_owned(),
        trouble => trouble.summary(),
    };
    Ok(FailedMetric { date: date.to_string(), metric: metric.name.clone(), why })
}

/// Stores the values of a metric on a date: differing values are changed, obsolete ones deleted.
fn store(
    client: &mut Client,
    job: Job<'_>,
    (number, metric): (usize, &Metric),
    date: NaiveDate,
    shapes: &mut Shapes,
) -> Result<(), Trouble> {
    let whose = whose(job.scope);
    let place = place(job, &whose)?;
    let shape = match shapes.entry(number) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert(shape(client, job, metric, &place, date)?),
    };
    let (table, is_same, columns) = (&shape.table, shape.is_same(), shape.by_list(""));
    let equal = DIALECT.equal;
    let is_of_metric = format!("t.date {equal} $1 AND t.metric_id {equal} $2");
    let sql = format!(
        "WITH computed AS MATERIALIZED ({}), gone AS (
             DELETE FROM {table} t WHERE {is_of_metric} AND NOT EXISTS (SELECT FROM computed c WHERE {is_same})
         ), changed AS (
             UPDATE {table} t SET value = c.value FROM computed c
             WHERE {is_of_metric} AND {is_same} AND (t.value {equal} c.value) IS NOT TRUE
         )
         INSERT INTO {table} (date, metric_id, {columns}value)
         SELECT $1, $2, {}c.value FROM computed c
         WHERE NOT EXISTS (SELECT FROM {table} t WHERE {is_of_metric} AND {is_same})",
        place.computed(metric, shape, date),
        shape.by_list("c."),
    );
    on_path(client, job, |client| {
        at(Step::RollUp, client.execute(&sql, &[&date, &metric.name]))?;
        // Triggers of the table of values may be deferred.
        at(Step::RollUp, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE"))
    })
}

/// Runs a statement with the job's query, or one that writes the table of values, on the path of the target. Only
/// there do the names of the query, and those of the table's triggers, mean what their author meant; and there
/// anyone may have created what would be a better match for a name of ours. After an error the path stays as it is:
/// the caller rolls back.
fn on_path<T>(
    client: &mut Client,
    job: Job<'_>,
    work: impl FnOnce(&mut Client) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    at(Step::RollUp, client.batch_execute(&format!("SET LOCAL search_path = {}", job.path)))?;
    let done = work(client)?;
    at(Step::RollUp, client.batch_execute(&format!("SET LOCAL search_path = {OUR_PATH}")))?;
    Ok(done)
}

fn whose(scope: &Scope) -> (String, String) {
    (literal(&scope.job), literal(&scope.target))
}

fn place<'a>(job: Job<'a>, whose: &'a (String, String)) -> Result<PlaceOf<'a>, Trouble> {
    let time = job.rollups.time.as_ref().ok_or_else(no_time)?;
    Ok(PlaceOf { target: job.target.quoted(), time, whose })
}

/// A [`Place`] with the name that it borrows.
struct PlaceOf<'a> {
    target: String,
    time: &'a Time,
    whose: &'a (String, String),
}

impl PlaceOf<'_> {
    fn place(&self) -> Place<'_> {
        Place {
            dialect: DIALECT,
            target: &self.target,
            time: self.time,
            moment,
            date: day,
            letters: "logmill.dead_letters",
            sources: "logmill.sources",
            whose: self.whose,
        }
    }

    fn computed(&self, metric: &Metric, shape: &Shape, date: NaiveDate) -> String {
        self.place().computed(metric, shape, date)
    }
}

/// The shape of a metric's values. A missing table is created.
fn shape(
    client: &mut Client,
    job: Job<'_>,
    metric: &Metric,
    place: &PlaceOf<'_>,
    date: NaiveDate,
) -> Result<Shape, Trouble> {
    // Wrapped in a query, so that it can be nothing but a query.
    let asked = format!("SELECT * FROM ({}\n) q", place.place().asked(metric, date));
    let statement = on_path(client, job, |client| at(Step::RollUp, client.prepare(&asked)))?;
    let columns: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
    let value = Shape::value_of(metric, &columns).map_err(|why| unfit(vec![why]))?;
    let name = table_of(metric, job.target);
    if let Some(table) = Target::find(client, &[], &name)? {
        return found_shape(metric, &table, value);
    }
    let mut by = Vec::new();
    for column in &metric.by {
        let of_query =
            statement.columns().iter().find(|of_query| of_query.name().eq_ignore_ascii_case(column));
        let oid = of_query.map_or(0, |of_query| of_query.type_().oid());
        let row = at(Step::RollUp, client.query_one("SELECT pg_catalog.format_type($1, NULL)", &[&oid]))?;
        by.push((column.clone(), Some(row.get(0))));
    }
    let shape = Shape { table: name.quoted(), by, value, value_type: Some("numeric".to_owned()) };
    if job.create {
        make(client, &name, &shape)?;
    }
    Ok(shape)
}

fn found_shape(metric: &Metric, table: &Target, value: String) -> Result<Shape, Trouble> {
    let type_of = |name: &String| {
        let column = table.column(name).map(|column| column.type_name.clone());
        column.ok_or_else(|| {
            let name = quote(name);
            unfit(vec![format!(
                "the table {} has no column {name}; add it, or name another table",
                table.quoted()
            )])
        })
    };
    for name in ["date", "metric_id"] {
        type_of(&name.to_owned())?;
    }
    let by: Result<Vec<_>, Trouble> =
        metric.by.iter().map(|name| Ok((name.clone(), Some(type_of(name)?)))).collect();
    Ok(Shape { table: table.quoted(), by: by?, value, value_type: Some(type_of(&"value".to_owned())?) })
}

/// Creates the table of values.
fn make(client: &mut Client, name: &TableName, shape: &Shape) -> Result<(), Trouble> {
    at(Step::RollUp, client.batch_execute(tables::DDL_LOCK))?;
    at(Step::RollUp, client.batch_execute(&shape.create_sql(&name.quoted(), "date")))
}

/// Compares stored with freshly computed values, in one snapshot. Writes nothing.
pub(super) fn check(server: &Arc<Server>, settings: &Settings, dates: &Dates) -> Result<CheckedRollups> {
    let session = Session::visit(server, settings.timeouts)?;
    let (settings, dates) = (settings.clone(), dates.clone());
    let checked = session.run(Step::RollUp, move |Link { client, schemas, .. }| {
        let Some(version) = tables::version(client)? else { return Ok(CheckedRollups::default()) };
        tables::check_present(version)?;
        let Some(target) = Target::find(client, schemas, &settings.table)? else {
            return Err(unfit(vec![missing(&settings.table)]));
        };
        compare(client, &settings, &target)?;
        let begin = begin_sql(settings.timeouts).replacen("READ COMMITTED", "REPEATABLE READ READ ONLY", 1);
        at(Step::RollUp, client.batch_execute(&begin))?;
        let path = path_of_target(&target.schema, schemas);
        let scope = Scope { job: settings.job.clone(), target: target.remembered(), data_date: None };
        let marks = Marks::new(&target, &settings.rollups);
        let known = known_dates(client, &settings, &target, &marks, &dates)?;
        let job =
            Job { rollups: &settings.rollups, target: &target, scope: &scope, path: &path, create: false };
        let (mut checked, mut shapes) = (CheckedRollups::default(), Shapes::new());
        for date in known {
            checked.dates += 1;
            check_date(client, job, date, &mut shapes, &mut checked)?;
            if checked.failed.len() >= FAILURES_MAX {
                break;
            }
        }
        Ok(checked)
    });
    checked.map_err(Trouble::into_error)
}

fn check_date(
    client: &mut Client,
    job: Job<'_>,
    date: NaiveDate,
    shapes: &mut Shapes,
    checked: &mut CheckedRollups,
) -> Result<(), Trouble> {
    for (number, metric) in job.rollups.metrics.iter().enumerate() {
        at(Step::RollUp, client.batch_execute("SAVEPOINT metric"))?;
        match differences(client, job, (number, metric), date, shapes) {
            Ok(found) => {
                checked.differences.extend(found);
                at(Step::RollUp, client.batch_execute("RELEASE SAVEPOINT metric"))?;
            }
            Err(trouble) => {
                checked.failed.push(failed(trouble, metric, date)?);
                at(
                    Step::RollUp,
                    client.batch_execute("ROLLBACK TO SAVEPOINT metric; RELEASE SAVEPOINT metric"),
                )?;
            }
        }
    }
    Ok(())
}

/// Where stored and computed values of a metric differ.
fn differences(
    client: &mut Client,
    job: Job<'_>,
    (index, metric): (usize, &Metric),
    date: NaiveDate,
    shapes: &mut Shapes,
) -> Result<Vec<MetricDifference>, Trouble> {
    let whose = whose(job.scope);
    let place = place(job, &whose)?;
    let shape = match shapes.entry(index) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(unknown) => unknown.insert(shape(client, job, metric, &place, date)?),
    };
    let is_there = found_table(client, metric, job.target)?.is_some();
    let sql = place.place().differences(metric, shape, date, is_there);
    let rows = on_path(client, job, |client| at(Step::RollUp, client.query(&sql, &[])))?;
    let differences = rows.iter().map(|row| {
        let columns = shape.by.iter().enumerate();
        let by: serde_json::Map<_, _> =
            columns.map(|(at, (name, _))| (name.clone(), row.get::<_, Option<String>>(at).into())).collect();
        MetricDifference {
            date: date.to_string(),
            metric: metric.name.clone(),
            stored: number(row.get(by.len())),
            computed: number(row.get(by.len() + 1)),
            by: by.into(),
        }
    });
    Ok(differences.collect())
}
