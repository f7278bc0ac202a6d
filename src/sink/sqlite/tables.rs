//! logmill's own tables: the statements that create and migrate them, and how to read tables that have not
//! been migrated yet.

use rusqlite::Connection;

use super::{Trouble, unfit};
use crate::error::ErrorKind;

/// The statements that create logmill's tables. Also the output of `plan --print-sql`.
pub(super) const TABLES_SQL: &str = include_str!("tables.sql");

/// The version that these statements create and this program reads.
pub(super) const VERSION: i64 = 7;

/// The first version that has marks of dates.
pub(super) const VERSION_OF_MARKS: i64 = 6;

/// What each version adds to the one before: the first migrates version 1 to version 2.
const MIGRATIONS: [&str; 6] = [
    "ALTER TABLE logmill_checkpoints ADD COLUMN preamble BLOB",
    // A source without a target is in the table that its job loads into next.
    "ALTER TABLE logmill_sources ADD COLUMN target TEXT;
     ALTER TABLE logmill_sources ADD COLUMN device INTEGER;
     ALTER TABLE logmill_sources ADD COLUMN inode INTEGER",
    // A letter without rules was refused under those of its checkpoint.
    "ALTER TABLE logmill_sources ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE logmill_checkpoints ADD COLUMN rules_since INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE logmill_dead_letters ADD COLUMN fixed BLOB;
     ALTER TABLE logmill_dead_letters ADD COLUMN preamble BLOB;
     ALTER TABLE logmill_dead_letters ADD COLUMN rules_hash BLOB;
     ALTER TABLE logmill_dead_letters ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE logmill_dead_letters ADD COLUMN delivered_at TEXT",
    // The days of a job: a separate table, which is created with the others.
    "",
    // Rollups: likewise.
    "",
    // The progress of lanes: likewise.
    "ALTER TABLE logmill_runs ADD COLUMN reason TEXT",
];

/// What a statement reads of sources and of checkpoints, with the columns of the present version: a reader
/// does not migrate.
pub(super) fn of_version(version: i64) -> (&'static str, &'static str) {
    let sources = match version {
        ..3 => {
            "(SELECT *, NULL AS target, NULL AS device, NULL AS inode, 0 AS generation FROM logmill_sources)"
        }
        3 => "(SELECT *, 0 AS generation FROM logmill_sources)",
        _ => "logmill_sources",
    };
    let checkpoints = match version {
        ..2 => "(SELECT *, NULL AS preamble, 0 AS rules_since FROM logmill_checkpoints)",
        2 | 3 => "(SELECT *, 0 AS rules_since FROM logmill_checkpoints)",
        _ => "logmill_checkpoints",
    };
    (sources, checkpoints)
}

/// The same for runs, and for how far lanes are.
pub(super) fn runs_of_version(version: i64) -> (&'static str, &'static str) {
    match version {
        ..7 => (
            "(SELECT *, NULL AS reason FROM logmill_runs)",
            "(SELECT NULL AS run, NULL AS lane, NULL AS records, NULL AS rejected, NULL AS bytes, \
                     NULL AS bytes_total, NULL AS records_per_s, NULL AS bytes_per_s, NULL AS points WHERE false)",
        ),
        _ => ("logmill_runs", "logmill_progress"),
    }
}

/// The same for dates.
pub(super) fn dates_of_version(version: i64) -> &'static str {
    match version {
        ..5 => {
            "(SELECT NULL AS job, NULL AS target, NULL AS date, NULL AS state, NULL AS reason WHERE false)"
        }
        _ => "logmill_dates",
    }
}

/// The same for dead letters.
pub(super) fn letters_of_version(version: i64) -> &'static str {
    match version {
        ..4 => {
            "(SELECT *, NULL AS fixed, NULL AS preamble, NULL AS rules_hash, 0 AS generation, \
                     NULL AS delivered_at FROM logmill_dead_letters)"
        }
        _ => "logmill_dead_letters",
    }
}

/// Whether logmill's tables exist.
pub(super) fn has_tables(connection: &Connection) -> Result<bool, Trouble> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'logmill_meta'";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Migrates tables that an older program has created.
pub(super) fn migrate(connection: &Connection) -> Result<(), Trouble> {
    let version = check_version(connection)?;
    for (migration, from) in MIGRATIONS.iter().zip(1..).filter(|(_, from)| *from >= version) {
        connection.execute_batch(migration)?;
        connection.execute("UPDATE logmill_meta SET version = ?1", [from + 1])?;
    }
    Ok(())
}

/// Refuses tables that a load has yet to migrate.
pub(super) fn check_present(connection: &Connection) -> Result<(), Trouble> {
    let version = check_version(connection)?;
    if version == VERSION {
        return Ok(());
    }
    Err(unfit(format!(
        "the tables logmill_* are of version {version}; the next load brings them to version {VERSION}"
    )))
}

/// The version of the tables, which must not be newer than the program.
pub(super) fn check_version(connection: &Connection) -> Result<i64, Trouble> {
    let version: i64 = connection.query_row("SELECT version FROM logmill_meta", [], |row| row.get(0))?;
    if version <= VERSION {
        return Ok(version);
    }
    Err(Trouble::Ours(ErrorKind::NewerTables { tables: "logmill_*", version, known: VERSION }.into()))
}
