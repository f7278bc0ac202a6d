//! Everything before the first row: opens the file, and creates what is missing in it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::lock::SourceLocks;
use super::tables::{TABLES_SQL, check_version, migrate, of_version};
use super::{
    BUSY_WAIT, Marks, Run, SqliteEncoder, Statements, Target, Trouble, immediate, metrics, order, pass,
    scope, target, unfit,
};
use crate::error::{Error, ErrorKind, Result};
use crate::sink::OnConflict;
use crate::sink::claim::Scope;
use crate::sink::constant::hash_key;
use crate::sink::destination::Settings;
use crate::sink::findings::{self, Loaded, Past};
use crate::sink::key::quote;
use crate::sink::rebuild::{Provenance, conflict_of_letters};
use crate::trust::{make_private, refuse_beside};

/// Opens the file; does not read or write it yet.
pub(super) fn connect(path: &Path) -> Result<Connection, Trouble> {
    pass("before-database")?;
    // SQLite would create it readable by others, and gives its auxiliary files the permissions of this one.
    make_private(path);
    let connection = open_existing(path)?;
    pass("after-database")?;
    Ok(connection)
}

/// Opens the file once more, for the locks, and ensures that it is the one that was opened before: the path
/// may lead elsewhere by now.
pub(super) fn open_locks(path: &Path, is_found: bool) -> Result<SourceLocks> {
    let lock = |cause| Error::file("lock", path, cause);
    let locks = match is_found {
        true => SourceLocks::open_found(path).map_err(|why| {
            let address = format!("sqlite:{}", path.display());
            Error::found_database(path, why, &address)
        })?,
        false => Some(SourceLocks::open(path).map_err(lock)?),
    };
    match locks {
        Some(locks) if locks.is_what_was_opened().map_err(lock)? => Ok(locks),
        _ => Err(replaced(
            path,
            "the database was replaced while it was being opened, and nothing was written to it. Run the same command again",
        )),
    }
}

/// The database is no longer, or not yet, the file that was opened.
pub(super) fn replaced(path: &Path, message: &str) -> Error {
    ErrorKind::DatabaseFile { doing: path.display().to_string(), code: None, message: message.to_owned() }
        .into()
}

/// Sets how the database is stored and synced.
pub(super) fn set_up(connection: &Connection) -> Result<(), Trouble> {
    connection.set_prepared_statement_cache_capacity(32);
    // Only takes effect on a database that has no pages yet.
    connection.pragma_update(None, "page_size", 8192)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    // Without a WAL, NORMAL can corrupt a database on power loss.
    let synchronous = if mode.eq_ignore_ascii_case("wal") { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    order::register(connection)?;
    Ok(())
}

/// Refuses a database with a file beside it that another user could have put there. SQLite would take the rows
/// of a log from it, and write ours to it.
pub(super) fn refuse_files_of_others(path: &Path) -> Result<(), Trouble> {
    // SQLite looks beside the file that a link leads to.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for end in ["-wal", "-shm", "-journal"] {
        refuse_beside(&path, &beside(&path, end)).map_err(|why| {
            let message = format!("{why}; look where it comes from, and remove it if it is not yours");
            replaced(&path, &message)
        })?;
    }
    Ok(())
}

/// The file that SQLite keeps beside a database.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Opens an existing database. Not read-only: reading a WAL may require its index to be created.
pub(super) fn open_existing(path: &Path) -> Result<Connection, Trouble> {
    refuse_files_of_others(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    Ok(connection)
}

/// The statements that write the rows of a run, and in a rebuild those of its letters.
pub(super) type Writing = (Statements, Option<Statements>);

/// Creates what is missing, and compares what exists with the job.
pub(super) fn prepare(
    connection: &Connection,
    settings: &Settings,
) -> Result<(Writing, SqliteEncoder, Vec<String>), Trouble> {
    let unfit = |findings| Trouble::Ours(ErrorKind::Unfit(findings).into());
    pass("before-prepare")?;
    // One writer at a time: of ten first runs, one creates the tables and nine find them.
    let prepared = immediate(connection, || {
        connection.execute_batch(TABLES_SQL)?;
        migrate(connection)?;
        let mut warnings = Vec::new();
        let past = past(connection, settings)?;
        let target = match Target::find(connection, &settings.table.name)? {
            Some(target) => {
                look_at_past(connection, &past, &target, settings, &mut warnings)?;
                target
            }
            None => make_target(connection, &past, settings)?,
        };
        let columns = target::fit(connection, &target, settings)?.map_err(unfit)?;
        if target.foreign_keys.iter().any(|key| target.is_own(key)) {
            warnings.push(findings::refers_to_itself(&target.name));
        }
        let marks = Marks::new(scope(settings, &target.name).target, &settings.rollups);
        warnings.extend(metrics::register(connection, settings, &marks, &target.name)?);
        let day = Provenance::of(settings).and_then(Provenance::day);
        let writing = |on_conflict: &OnConflict| {
            Statements::new(target.clone(), &columns, &settings.key, on_conflict, day, marks.clone())
        };
        let of_letters = settings.is_rebuild.then(|| writing(&conflict_of_letters(settings)));
        let statements = (writing(&settings.on_conflict), of_letters);
        pass("before-tables-commit")?;
        Ok((statements, SqliteEncoder::new(columns, hash_key(&settings.constants)), warnings))
    })?;
    pass("after-tables")?;
    Ok(prepared)
}

fn make_target(connection: &Connection, past: &Past, settings: &Settings) -> Result<Target, Trouble> {
    let table = &settings.table;
    if !settings.create {
        return Err(unfit(findings::missing(table)));
    }
    refuse_lost_target(past, settings)?;
    connection.execute_batch(&target::create_table(settings))?;
    Target::find(connection, &table.name)?
        .ok_or_else(|| unfit(format!("the table {table} was created, but then not found")))
}

/// What the job has loaded before.
pub(super) fn past(connection: &Connection, settings: &Settings) -> Result<Past, Trouble> {
    let (sources, checkpoints) = of_version(check_version(connection)?);
    let mut statement = connection.prepare(&Past::sql(sources, checkpoints))?;
    let loaded = statement.query_map([&settings.job], |row| {
        Ok(Loaded { target: row.get(0)?, sources: row.get(1)?, inserted: row.get(2)? })
    })?;
    Ok(Past(loaded.collect::<rusqlite::Result<_>>()?))
}

/// Refuses to create a target for a job that has loaded rows into it before.
pub(super) fn refuse_lost_target(past: &Past, settings: &Settings) -> Result<(), Trouble> {
    let table = &settings.table;
    match past.lost(&table.remembered(), table, &settings.job) {
        Some(finding) => Err(unfit(finding)),
        None => Ok(()),
    }
}

/// What earlier loads of the job imply about the target, and where it seems to be a mistake.
pub(super) fn look_at_past(
    connection: &Connection,
    past: &Past,
    target: &Target,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Trouble> {
    let Scope { job, target: remembered, .. } = scope(settings, &target.name);
    warnings.extend(past.emptied(&remembered, &target.name, &job, || {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", quote(&target.name));
        connection.query_row(&sql, [], |row| row.get(0)).unwrap_or(false)
    }));
    let renamed = past.renamed(&remembered, &job, "logmill_sources", |table| {
        Ok::<_, Trouble>(Target::find(connection, &table.name)?.is_some())
    })?;
    match renamed {
        Some(finding) => Err(unfit(finding)),
        None => Ok(()),
    }
}

pub(super) fn begin_run(connection: &Connection, settings: &Settings) -> Result<Run, Trouble> {
    let run = connection.query_row(
        "INSERT INTO logmill_runs (job, data_date, command, version, rules_hash) VALUES (?1, ?2, ?3, ?4, ?5)
         RETURNING id, started_at",
        params![
            settings.job,
            settings.data_date.map(|date| date.to_string()),
            settings.command,
            env!("CARGO_PKG_VERSION"),
            settings.rules_hash.0
        ],
        |row| Ok(Run { id: row.get(0)?, started_at: row.get(1)? }),
    )?;
    pass("after-prepare")?;
    Ok(run)
}
