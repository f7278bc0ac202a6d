//! The owners of a target's metrics, and what a job registers before it loads.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use postgres::Client;

use super::Settings;
use super::ask::{Answer, Ask as _, Line, ask_all, with_values};
use super::catalog::Target;
use super::compare::unfit;
use super::link::begin_sql;
use super::marks::Marks;
use super::names::literal;
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use crate::event::Event;
use crate::sink::TableName;
use crate::sink::destination::Timeouts;
use crate::sink::key::quote;
use crate::sink::rollup::{Changes, Dates, Known, KnownMetric, Metric, Whose};

/// The full name of a metric's table: in the schema of its target, unless it names another.
pub(super) fn table_of(metric: &Metric, target: &Target) -> TableName {
    let schema = metric.table.schema.clone().unwrap_or_else(|| target.schema.clone());
    TableName { schema: Some(schema), name: metric.table.name.clone() }
}

/// The table of a metric, if it exists.
pub(super) fn found_table(
    client: &mut Client,
    metric: &Metric,
    target: &Target,
) -> Result<Option<Target>, Trouble> {
    Target::find(client, &[], &table_of(metric, target))
}

/// The dates for which the job's metrics have values.
fn stored_dates(
    client: &mut Client,
    settings: &Settings,
    target: &Target,
) -> Result<Vec<NaiveDate>, Trouble> {
    let mut dates = Vec::new();
    for metric in settings.rollups.metrics.iter() {
        let table = found_table(client, metric, target)?;
        let is_ours = |table: &Target| table.column("date").and(table.column("metric_id")).is_some();
        let Some(table) = table.filter(is_ours) else { continue };
        let sql = format!("SELECT DISTINCT date FROM {} WHERE metric_id = $1", table.quoted());
        let stored = at(Step::RollUp, client.ask(&sql, &[&metric.name]))?;
        // In another program's table it may have another type.
        dates.extend(stored.iter().filter_map(|row| row.try_get::<_, NaiveDate>(0).ok()));
    }
    Ok(dates)
}

/// The selected ones among the dates that have rows, values or a mark, or rejects if these are counted.
pub(super) fn known_dates(
    client: &mut Client,
    settings: &Settings,
    target: &Target,
    marks: &Marks,
    meant: &Dates,
) -> Result<BTreeSet<NaiveDate>, Trouble> {
    let mut dates = marks.days_where(client, &target.quoted(), &marks.are_on(meant))?;
    let more = client.ask(
        "SELECT date FROM logmill.dirty_dates WHERE target = $1 AND job = $2
         UNION SELECT data_date FROM logmill.sources
         WHERE $3 AND target = $1 AND job = $2 AND data_date IS NOT NULL",
        &[&target.remembered(), &settings.job, &settings.rollups.counts_rejects()],
    );
    dates.extend(at(Step::RollUp, more)?.iter().map(|row| row.get::<_, NaiveDate>(0)));
    dates.extend(stored_dates(client, settings, target)?);
    dates.retain(|date| meant.has(*date));
    Ok(dates)
}

/// What is asked about the metrics of a target: the clock of its days, and what is registered for it, and for
/// others in the tables of the job's metrics.
pub(super) fn questions(settings: &Settings, target: &Target) -> [String; 2] {
    let remembered = target.remembered();
    let tables: Vec<String> =
        settings.rollups.metrics.iter().map(|metric| table_of(metric, target).remembered()).collect();
    [
        with_values("SELECT time, zone FROM logmill.rollups WHERE target = $1", &[&remembered]),
        with_values(
            "SELECT rollup_table, metric, target, job, encode(sql_hash, 'hex') FROM logmill.metrics
             WHERE target = $1 OR rollup_table = ANY($2) ORDER BY rollup_table, metric",
            &[&remembered, &tables],
        ),
    ]
}

/// What is registered, by the answers.
pub(super) fn known_of(days: &Answer, registered: &Answer) -> Result<Known, Trouble> {
    let days = days.first();
    let metrics = registered.rows().map(|line| {
        Ok(KnownMetric {
            table: line.get(0)?,
            name: line.get(1)?,
            target: line.get(2)?,
            job: line.get(3)?,
            hash: line.get(4)?,
        })
    });
    let metrics = metrics.collect::<Result<_, Trouble>>()?;
    let days_of = |line: Line<'_>| Ok::<_, Trouble>(line.get::<Option<String>>(0)?.zip(line.get(1)?));
    Ok(Known { has_row: days.is_some(), days: days.map(days_of).transpose()?.flatten(), metrics })
}

fn known(client: &mut Client, settings: &Settings, target: &Target) -> Result<Known, Trouble> {
    let [days, registered] = ask_all(client, Step::Prepare, questions(settings, target))?;
    known_of(&days, &registered)
}

/// What the job would have to register, or why it may not load.
pub(super) fn changes(settings: &Settings, target: &Target, known: &Known) -> Result<Changes, Trouble> {
    let (job, remembered) = (&settings.job, target.remembered());
    let table_of = |metric: &Metric| table_of(metric, target).remembered();
    let whose = Whose { job, target: &remembered, taken_down_in: "logmill.metrics" };
    let changes = settings.rollups.changes(whose, known, &table_of).map_err(unfit)?;
    let has_days = changes.days.as_ref().unwrap_or(&known.days).is_some();
    match rounded(settings, target).filter(|_| has_days) {
        Some(finding) => Err(unfit(vec![finding])),
        None => Ok(changes),
    }
}

/// Rejects a column of times that rounds: the last moments of a day would become rows of the next, while the
/// record's own day is marked.
fn rounded(settings: &Settings, target: &Target) -> Option<String> {
    let column = target.column(&settings.rollups.time.as_ref()?.name).filter(|column| column.rounds())?;
    Some(format!(
        "the column {} of {} is {}, which rounds a time, so that a row can be of the day after its record, and rollups \
         need the very day; ALTER TABLE {} ALTER COLUMN {} TYPE {}",
        column.name,
        target.name,
        column.type_name,
        target.quoted(),
        quote(&column.name),
        column.base_type
    ))
}

/// Rejects faulty rollups of the job. Writes nothing.
pub(super) fn compare(client: &mut Client, settings: &Settings, target: &Target) -> Result<Changes, Trouble> {
    let known = known(client, settings, target)?;
    changes(settings, target, &known)
}

/// Registers the metrics of the job, beside those registered by now, and returns what to report.
pub(super) fn register(
    client: &mut Client,
    settings: &Settings,
    target: &Target,
    marks: &Marks,
    now: &Known,
) -> Result<Vec<String>, Trouble> {
    let wanted = changes(settings, target, now)?;
    if wanted.is_empty() {
        return Ok(wanted.warnings());
    }
    let remembered = literal(&target.remembered());
    if !now.has_row {
        // After this, no batch is in progress that has not seen this row.
        begin_alone(client, settings, target, "SELECT FROM logmill.rollups WHERE target = '' FOR UPDATE")?;
        let sql = format!(
            "INSERT INTO logmill.rollups (target) VALUES ({remembered}) ON CONFLICT DO NOTHING;
             SET CONSTRAINTS ALL IMMEDIATE; COMMIT"
        );
        at(Step::Prepare, client.batch_execute(&sql))?;
        pass(Step::Prepare, "mid-register")?;
    }
    let lock = format!("SELECT FROM logmill.rollups WHERE target = {remembered} FOR UPDATE");
    begin_alone(client, settings, target, &lock)?;
    let now = known(client, settings, target)?;
    let wanted = changes(settings, target, &now)?;
    write(client, settings, target, &wanted)?;
    if wanted.marks_all {
        let days = known_dates(client, settings, target, marks, &Dates::All)?;
        let whose = format!("m.job = {}", literal(&settings.job));
        marks.write_for(client, &whose, &days)?;
    }
    pass(Step::Prepare, "before-register-commit")?;
    at(Step::Prepare, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    pass(Step::Prepare, "after-register")?;
    Ok(wanted.warnings())
}

/// A batch in progress ends sooner than this.
const QUIET: Duration = Duration::from_secs(1);

/// Begins a transaction with the lock that all writers of the target share. A rebuild holds it as long as it
/// takes to read its files, so anyone who waits for that is told why, and how long at most.
fn begin_alone(client: &mut Client, settings: &Settings, target: &Target, lock: &str) -> Result<(), Trouble> {
    let begin = |timeout: Duration| begin_sql(Timeouts { lock: timeout, ..settings.timeouts });
    let quick = at(Step::Prepare, client.batch_execute(&format!("{}; {lock}", begin(QUIET))));
    let timeout = settings.timeouts.lock;
    match quick {
        Ok(()) => {
            let sql = format!("SET LOCAL lock_timeout = {}", timeout.as_millis());
            return at(Step::Prepare, client.batch_execute(&sql));
        }
        Err(trouble) if !trouble.is_lock_timeout() => return Err(trouble),
        Err(_) => at(Step::Prepare, client.batch_execute("ROLLBACK"))?,
    }
    let (since, target) = (Instant::now(), &target.name);
    settings.observer.tell(&Event::Waiting {
        trouble: "conflict",
        why: format!(
            "a load or a rebuild of {target} is in progress, and metrics are registered between two of \
            them"
        ),
        at_most: settings.retry_for.max(timeout),
    });
    at(Step::Prepare, client.batch_execute(&format!("{}; {lock}", begin(timeout))))?;
    settings.observer.tell(&Event::Resumed { trouble: "conflict", after: since.elapsed() });
    Ok(())
}

fn write(client: &mut Client, settings: &Settings, target: &Target, wanted: &Changes) -> Result<(), Trouble> {
    let remembered = target.remembered();
    for (table, name) in &wanted.gone {
        let sql = "DELETE FROM logmill.metrics WHERE rollup_table = $1 AND metric = $2";
        at(Step::Prepare, client.tell(sql, &[table, name]))?;
    }
    for (table, name, hash) in &wanted.new {
        let inserted = client.tell(
            "INSERT INTO logmill.metrics (rollup_table, metric, target, job, sql_hash) VALUES ($1, $2, $3, $4, $5)",
            &[table, name, &remembered, &settings.job, &&hash.0[..]],
        );
        at(Step::Prepare, inserted)?;
    }
    if let Some(days) = &wanted.days {
        let (time, zone) = days.clone().unzip();
        let sql = "UPDATE logmill.rollups SET time = $2, zone = $3 WHERE target = $1";
        at(Step::Prepare, client.tell(sql, &[&remembered, &time, &zone]))?;
        if days.is_none() {
            // No job would compute them.
            let sql = "DELETE FROM logmill.dirty_dates WHERE target = $1";
            at(Step::Prepare, client.tell(sql, &[&remembered]))?;
        }
    }
    Ok(())
}

/// Registers the new definitions of changed metrics, in a transaction that marks all their dates.
pub(super) fn take_down(client: &mut Client, changes: &Changes) -> Result<(), Trouble> {
    for (table, name, hash) in &changes.changed {
        let sql = "UPDATE logmill.metrics SET sql_hash = $3 WHERE rollup_table = $1 AND metric = $2";
        at(Step::RollUp, client.tell(sql, &[table, name, &&hash.0[..]]))?;
    }
    Ok(())
}
