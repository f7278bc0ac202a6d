//! logmill's own tables: created by the first run, migrated by newer programs.

use postgres::Client;

use super::ask::{Answer, Ask as _, ask_all};
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

/// Selects the version, if the tables exist.
pub(super) const VERSION_QUESTION: &str = "SELECT version FROM logmill.meta";

/// Whether the schema exists, and the table with the version. Read from the catalog itself: a backend that
/// waited for the lock still has a cached answer that the name did not exist.
const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'logmill'),
            EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = 'logmill' AND c.relname = 'meta')";

/// Begins a transaction that holds the lock for definitions, and returns what creates the tables in it, or
/// migrates them to the present version.
pub(super) fn begin_making(client: &mut Client, begin_sql: &str) -> Result<String, Trouble> {
    let begin = format!("{begin_sql}; {DDL_LOCK}");
    let [_, exists] = ask_all(client, Step::Prepare, [begin, EXISTS.to_owned()])?;
    let exists = exists.only()?;
    if exists.get(1)? {
        match version_of(client)? {
            VERSION => return Ok(String::new()),
            version => check_version(version)?,
        }
    }
    // Even if the schema exists, creating it requires a right on the database.
    Ok(if exists.get(0)? { SQL.replacen(SCHEMA_SQL, "", 1) } else { SQL.to_owned() })
}

/// The version of the tables, if they exist.
pub(super) fn version(client: &mut Client) -> Result<Option<i32>, Trouble> {
    let [exists] = ask_all(client, Step::Prepare, [EXISTS.to_owned()])?;
    if exists.only()?.get(1)? { version_of(client).map(Some) } else { Ok(None) }
}

fn version_of(client: &mut Client) -> Result<i32, Trouble> {
    let version = client.ask_one(VERSION_QUESTION, &[]);
    Ok(at(Step::Prepare, version)?.get(0))
}

/// logmill's tables, as the catalog describes them.
#[derive(Debug)]
pub(super) struct Described(Vec<Table>);

#[derive(Debug)]
struct Table {
    name: String,
    is_unlogged: bool,
    /// This role lacks a right on it.
    is_closed: bool,
    /// This role cannot use the schema.
    is_hidden: bool,
}

/// Selects the tables, with what can be wrong with them.
pub(super) const DESCRIBED: &str = "SELECT c.relname::text, c.relpersistence <> 'p',
            NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
                 AND has_table_privilege(c.oid, 'UPDATE')),
            NOT has_schema_privilege(n.oid, 'USAGE')
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'logmill' AND c.relkind = 'r' ORDER BY 1";

impl Described {
    /// The tables that an answer describes.
    pub(super) fn of(answer: &Answer) -> Result<Described, Trouble> {
        let tables = answer.rows().map(|line| {
            let (name, is_unlogged) = (line.get(0)?, line.get(1)?);
            Ok(Table { name, is_unlogged, is_closed: line.get(2)?, is_hidden: line.get(3)? })
        });
        Ok(Described(tables.collect::<Result<_, Trouble>>()?))
    }

    /// Whether there are tables that have a version.
    pub(super) fn have_version(&self) -> bool {
        self.0.iter().any(|table| table.name == "meta")
    }

    /// Refuses tables whose rows a crash can undo without undoing the target's, which are worthless, and those
    /// that this role cannot write.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        let mut findings = Vec::new();
        for Table { name, .. } in self.0.iter().filter(|table| table.is_unlogged) {
            findings.push(format!(
                "logmill.{name} is UNLOGGED, and would be emptied by a crash while the target is not; \
                 ALTER TABLE logmill.{name} SET LOGGED"
            ));
        }
        if self.0.iter().any(|table| table.is_hidden) {
            findings.push(
                "this role may not use the schema logmill; GRANT USAGE ON SCHEMA logmill TO it".to_owned(),
            );
        }
        let closed = self.0.iter().filter(|table| table.is_closed);
        let closed: Vec<String> = closed.map(|table| format!("logmill.{}", table.name)).collect();
        if !closed.is_empty() {
            let are_all = closed.len() == self.0.len();
            let closed = if are_all { "ALL TABLES IN SCHEMA logmill".to_owned() } else { closed.join(", ") };
            findings.push(format!(
                "this role lacks rights on {closed}; GRANT SELECT, INSERT, UPDATE, DELETE ON {closed} TO it"
            ));
        }
        match findings.is_empty() {
            true => Ok(()),
            false => Err(Trouble::Ours(ErrorKind::Unfit(findings).into())),
        }
    }
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
