//! The connection, with what is remembered from one transaction on it to the next.

use std::sync::Arc;

use postgres::{Client, Statement};

use super::connect::Pulse;
use super::stage::Stage;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::sink::destination::Timeouts;
use crate::sink::key::quote;

/// What `pg_stat_activity` calls us.
pub(super) const APPLICATION_NAME: &str = "logmill";

/// A backend process. The pid alone is not enough: pids come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    /// When it began, in microseconds since 1970.
    pub(super) start_us: i64,
}

/// The connection, and what is remembered with it.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) pulse: Arc<Pulse>,
    /// Statements that are prepared on this connection.
    pub(super) statements: Statements,
    pub(super) stage: Stage,
}

/// A statement that is prepared once per connection: each round trip is a time in which the
/// server has nothing to do.
pub(super) fn prepared(
    client: &mut Client,
    slot: &mut Option<Statement>,
    step: Step,
    sql: &str,
) -> Result<Statement, Trouble> {
    match slot {
        Some(statement) => Ok(statement.clone()),
        None => Ok(slot.insert(at(step, client.prepare(sql))?).clone()),
    }
}

/// Statements that are prepared once.
#[derive(Default)]
pub(super) struct Statements {
    pub(super) fence: Option<Statement>,
    pub(super) copy: Option<Statement>,
    pub(super) copy_to_stage: Option<Statement>,
}

/// BEGIN, and every setting that a result could depend on. `path` is the role's own.
pub(super) fn begin_sql(schema: Option<&str>, path: &str, timeouts: Timeouts) -> String {
    let path = match (schema, path) {
        (None, "") => "pg_temp".to_owned(),
        (None, path) => format!("{path}, pg_temp"),
        (Some(schema), "") => format!("{}, pg_temp", quote(schema)),
        (Some(schema), path) => format!("{}, {path}, pg_temp", quote(schema)),
    };
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED;
         SET LOCAL client_encoding = 'UTF8';
         SET LOCAL standard_conforming_strings = on;
         SET LOCAL TimeZone = 'UTC';
         SET LOCAL DateStyle = 'ISO, YMD';
         SET LOCAL extra_float_digits = 3;
         SET LOCAL synchronous_commit = on;
         SET LOCAL client_min_messages = warning;
         SET LOCAL statement_timeout = {};
         SET LOCAL lock_timeout = {};
         SET LOCAL search_path = {path}",
        timeouts.statement.as_millis(),
        timeouts.lock.as_millis(),
    )
}
