//! Forgetting in SQLite: removes sources from a job's memory, and their rows if asked to.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::NaiveDate;
use rusqlite::{Connection, params};

use super::lock::SourceLocks;
use super::look::Look;
use super::marks::Marks;
use super::target::Target;
use super::{
    Settings, Trouble, VERSION_OF_MARKS, check_version, dates, has_tables, immediate, open_existing, pass,
    scope, unfit,
};
use crate::error::{Error, ErrorKind, Result};
use crate::sink::claim::unsigned;
use crate::sink::findings::{no_places, rows_not_there};
use crate::sink::history::Forgotten;
use crate::sink::key::{SOURCE_ID, quote};
use crate::sink::rebuild::listed;
use crate::split::Split;

/// How many rows belong to these sources, whether or not they are to be deleted.
pub(super) fn rows_of(
    path: &Path,
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
) -> Result<Option<u64>> {
    if !path.exists() {
        return Ok(Some(0));
    }
    let counted =
        Look::open(path).and_then(|look| match Target::find(&look.connection, &settings.table.name)? {
            Some(target) if target.column(SOURCE_ID).is_some() => {
                let sources = listed(sources.iter().copied());
                Ok(Some(count(&look.connection, &target, &of_sources(&sources))?))
            }
            Some(target) if deletes_rows => Err(unfit(no_places(&target.name, "forgotten"))),
            Some(_) => Ok(None),
            None if deletes_rows => Err(unfit(rows_not_there(&settings.table))),
            None => Ok(Some(0)),
        });
    counted.map_err(|trouble| trouble.into_error(path))
}

fn count(connection: &Connection, target: &Target, condition: &str) -> Result<u64, Trouble> {
    let sql = format!("SELECT count(*) FROM {} WHERE {condition}", quote(&target.name));
    Ok(unsigned(connection.query_row(&sql, [], |row| row.get(0))?))
}

/// The condition that a row belongs to one of the listed sources.
pub(super) fn of_sources(sources: &str) -> String {
    format!("source_id IN ({sources})")
}

/// Forgets sources of a job: all of them, or none if a living run holds one. Their description is kept with
/// their dead letters, which become superseded.
pub(super) fn forget(
    path: &Path,
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
) -> Result<Forgotten> {
    let failed = |cause| Error::file("open", path, cause);
    // Opened before the connection, because they must be dropped after it.
    let locks = SourceLocks::open(path).map_err(failed)?;
    let connection = open_existing(path).map_err(|trouble| trouble.into_error(path))?;
    let forgotten = (|| {
        connection.busy_timeout(settings.timeouts.lock)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        if !has_tables(&connection)? {
            return Ok(Forgotten::default());
        }
        check_version(&connection)?;
        // A run claims within such a transaction too, so none can begin meanwhile.
        let forgotten =
            immediate(&connection, || forget_all(&connection, &locks, settings, sources, deletes_rows))?;
        pass("after-forget")?;
        Ok(forgotten)
    })();
    forgotten.map_err(|trouble: Trouble| trouble.into_error(path))
}

fn forget_all(
    connection: &Connection,
    locks: &SourceLocks,
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
) -> Result<Forgotten, Trouble> {
    let job = &settings.job;
    let mut forgotten = Forgotten::default();
    // Older tables do not have it.
    if check_version(connection)? >= 5 {
        dates::forget(connection, job, &listed(sources.iter().copied()))?;
    }
    let marked = touched_days(connection, settings, sources, deletes_rows)?;
    // A letter whose row is gone no longer stands for anything, whatever became of it.
    let state = if deletes_rows { "state <> 'superseded'" } else { "state = 'open'" };
    for &source in sources {
        let mut splits = connection.prepare_cached(
            "SELECT s.name, c.split_start, coalesce(c.owner_run, 0), coalesce(c.owner_pid, 0)
             FROM logmill_sources s JOIN logmill_checkpoints c ON c.source_id = s.id
             WHERE s.id = ?1 AND s.job = ?2",
        )?;
        let mut splits = splits.query(params![source, job])?;
        let mut name = None;
        while let Some(row) = splits.next()? {
            let name: &String = name.insert(row.get(0)?);
            if locks.is_held(Split { source, start: unsigned(row.get(1)?) }).unwrap_or(true) {
                let (run, pid): (i64, i64) = (row.get(2)?, row.get(3)?);
                return Err(Trouble::Ours(
                    ErrorKind::Held {
                        source_name: name.clone(),
                        holder: format!("run {run} (process {pid})"),
                        then: ", so nothing was forgotten; wait for it, or end it",
                    }
                    .into(),
                ));
            }
        }
        let Some(name) = name else { continue };
        let superseded = connection.execute(
            &format!(
                "UPDATE logmill_dead_letters
                 SET state = 'superseded', note = concat_ws('; ', note, ?2)
                 WHERE source_id = ?1 AND {state}"
            ),
            params![source, format!("of {name}, which was forgotten")],
        )?;
        delete_source(connection, source)?;
        forgotten.sources += 1;
        forgotten.dead_letters += superseded as u64;
    }
    if deletes_rows {
        let target = Target::find(connection, &settings.table.name)?;
        let target = target.ok_or_else(|| unfit(rows_not_there(&settings.table)))?;
        let of_sources = of_sources(&listed(sources.iter().copied()));
        forgotten.rows = delete_all(connection, &target, &of_sources, "forgotten")?;
    }
    pass("after-rows-deleted")?;
    if let Some((marks, days)) = marked {
        marks.write(connection, None, &days)?;
    }
    pass("before-forget-commit")?;
    Ok(forgotten)
}

/// Deletes what is recorded of a source.
pub(super) fn delete_source(connection: &Connection, source: i32) -> Result<(), Trouble> {
    for table in ["logmill_containers", "logmill_checkpoints"] {
        connection.execute(&format!("DELETE FROM {table} WHERE source_id = ?1"), [source])?;
    }
    connection.execute("DELETE FROM logmill_sources WHERE id = ?1", [source])?;
    Ok(())
}

/// The dates whose metrics change when sources are forgotten, and what marks them; `None` if the target has
/// no metrics.
fn touched_days(
    connection: &Connection,
    settings: &Settings,
    sources: &[i32],
    deletes_rows: bool,
) -> Result<Option<(Marks, BTreeSet<NaiveDate>)>, Trouble> {
    if check_version(connection)? < VERSION_OF_MARKS {
        return Ok(None);
    }
    let Some(target) = Target::find(connection, &settings.table.name)? else { return Ok(None) };
    let marks = Marks::new(scope(settings, &target.name).target, &settings.rollups);
    if !marks.are_wanted(connection)? {
        return Ok(None);
    }
    let mut days: BTreeSet<NaiveDate> =
        marks.days_of_letters(connection, sources.iter().copied())?.into_iter().collect();
    if deletes_rows {
        let of_sources = of_sources(&listed(sources.iter().copied()));
        days.extend(marks.days_where(connection, &target.name, &of_sources)?);
    }
    Ok(Some((marks, days)))
}

/// Deletes all rows that satisfy a condition, and returns how many. `done` names the operation.
pub(super) fn delete_all(
    connection: &Connection,
    target: &Target,
    condition: &str,
    done: &str,
) -> Result<u64, Trouble> {
    let sql = format!("DELETE FROM {} WHERE {condition}", quote(&target.name));
    let deleted = connection.execute(&sql, [])?;
    // A trigger can silently keep a row.
    match count(connection, target, condition)? {
        0 => Ok(deleted as u64),
        _ => Err(unfit(format!(
            "a trigger of {} keeps rows that are deleted, so nothing was {done}; drop it for that",
            target.name
        ))),
    }
}
