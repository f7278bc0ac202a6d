//! logmill's own tables: created by the first run, migrated by newer programs.

use postgres::Client;

use super::ask::Ask as _;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::error::{Error, ErrorKind};

/// The statements that create them. Also the output of `plan --print-sql`.
pub(super) const SQL: &str = include_str!("tables.sql");

/// The oldest version.
const SCHEMA_SQL: &str = "CREATE SCHEMA IF NOT EXISTS logmill;";

/// The version that these statements create and this program reads.
pub(super) const VERSION: i32 = 7;

/// The first version that has marks of dates.
pub(super) const VERSION_OF_MARKS: i32 = 6;

/// The only advisory lock: it keeps the first runs of ten jobs from creating the same tables at once. It is
/// held for a transaction, and bounded by lock_timeout.
pub(super) const DDL_LOCK: &str = "SELECT pg_advisory_xact_lock(6021020241109)";

/// Creates the tables, or migrates them to the present version. Must run in a transaction that holds the lock
/// for definitions.
pub(super) fn make(client: &mut Client) -> Result<(), Trouble> {
    match version(client)? {
        Some(VERSION) => Ok(()),
        Some(version) if version > VERSION => check_version(version),
        _ => {
            // Even if the schema exists, this requires a right on the database.
            let exists = client.ask_one("SELECT to_regnamespace('logmill') IS NOT NULL", &[]);
            let exists = at(Step::Prepare, exists)?.get(0);
            let sql = if exists { SQL.replacen(SCHEMA_SQL, "", 1) } else { SQL.to_owned() };
            at(Step::Prepare, client.batch_execute(&sql))
        }
    }
}

/// The version of the tables, if they exist.
pub(super) fn version(client: &mut Client) -> Result<Option<i32>, Trouble> {
    // Read from the catalog itself: a backend that waited for the lock still has a cached answer that the
    // name did not exist.
    let exists = client.ask_one(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                        WHERE n.nspname = 'logmill' AND c.relname = 'meta')",
        &[],
    );
    if !at(Step::Prepare, exists)?.get::<_, bool>(0) {
        return Ok(None);
    }
    let version = client.ask_one("SELECT version FROM logmill.meta", &[]);
    Ok(Some(at(Step::Prepare, version)?.get(0)))
}

/// What a statement reads of sources and of checkpoints, with the columns of the present version: a reader
/// does not migrate.
pub(super) fn of_version(version: i32) -> (&'static str, &'static str) {
    let sources = match version {
        ..3 => {
            "(SELECT *, NULL::text AS target, NULL::bigint AS device, NULL::bigint AS inode, 0 AS generation \
              FROM logmill.sources)"
        }
        3 => "(SELECT *, 0 AS generation FROM logmill.sources)",
        _ => "logmill.sources",
    };
    let checkpoints = match version {
        ..2 => "(SELECT *, NULL::bytea AS preamble, 0::bigint AS rules_since FROM logmill.checkpoints)",
        2 | 3 => "(SELECT *, 0::bigint AS rules_since FROM logmill.checkpoints)",
        _ => "logmill.checkpoints",
    };
    (sources, checkpoints)
}

/// The same for dead letters.
pub(super) fn letters_of_version(version: i32) -> &'static str {
    match version {
        ..4 => {
            "(SELECT *, NULL::bytea AS fixed, NULL::bytea AS preamble, NULL::bytea AS rules_hash, \
                     0 AS generation, NULL::timestamptz AS delivered_at FROM logmill.dead_letters)"
        }
        _ => "logmill.dead_letters",
    }
}

/// Refuses tables that a load has yet to migrate.
pub(super) fn check_present(version: i32) -> Result<(), Trouble> {
    check_version(version)?;
    if version == VERSION {
        return Ok(());
    }
    let error: Error = ErrorKind::Unfit(vec![format!(
        "the tables in schema logmill are of version {version}; the next load brings them to version {VERSION}"
    )])
    .into();
    Err(Trouble::Ours(error))
}

/// The same for runs, and for how far lanes are.
pub(super) fn runs_of_version(version: i32) -> (&'static str, &'static str) {
    match version {
        ..7 => (
            "(SELECT *, NULL::text AS reason FROM logmill.runs)",
            "(SELECT NULL::bigint AS run, NULL::integer AS lane, NULL::bigint AS records, NULL::bigint AS rejected, \
                     NULL::bigint AS bytes, NULL::bigint AS bytes_total, NULL::bigint AS records_per_s, \
                     NULL::bigint AS bytes_per_s, NULL::jsonb AS points WHERE false)",
        ),
        _ => ("logmill.runs", "logmill.progress"),
    }
}

/// The same for dates.
pub(super) fn dates_of_version(version: i32) -> &'static str {
    match version {
        ..5 => {
            "(SELECT NULL::text AS job, NULL::text AS target, NULL::date AS date, NULL::text AS state, \
                     NULL::text AS reason WHERE false)"
        }
        _ => "logmill.dates",
    }
}

/// Refuses tables that a newer program created.
pub(super) fn check_version(version: i32) -> Result<(), Trouble> {
    if version <= VERSION {
        return Ok(());
    }
    let (version, known) = (version.into(), VERSION.into());
    Err(Trouble::Ours(ErrorKind::NewerTables { tables: "in schema logmill", version, known }.into()))
}
