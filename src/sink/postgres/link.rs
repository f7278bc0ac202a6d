//! The connection, with the state that is kept for it from one transaction to the next.

use std::sync::Arc;

use postgres::{Client, Statement};

use super::connect::Pulse;
use super::staging::Staging;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::sink::destination::Timeouts;
use crate::sink::key::quote;

/// The name shown in `pg_stat_activity`.
pub(super) const APPLICATION_NAME: &str = "logmill";

/// A backend process. The pid alone is not enough: pids are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    /// When it started, in microseconds since 1970.
    pub(super) start_us: i64,
}

/// The connection, and the state kept for it.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) backend: Backend,
    pub(super) pulse: Arc<Pulse>,
    /// The schemas on its role's search path, which the session has left.
    pub(super) schemas: Vec<String>,
    /// The prepared statements of this connection.
    pub(super) statements: Statements,
    /// It is the same for all targets.
    pub(super) fence: Fence,
    pub(super) staging: Staging,
}

impl Link {
    /// Resets it for another load, whose target may be different.
    pub(super) fn forget(&mut self) {
        (self.statements, self.staging) = (Statements::default(), Staging::default());
    }
}

/// Whether the fence is prepared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fence {
    /// A pool may have handed out a session in which it is.
    #[default]
    Unknown,
    Missing,
    Prepared,
}

/// A statement that is prepared once per connection: during each round trip the server is idle.
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
    pub(super) copy: Option<Statement>,
    pub(super) copy_to_stage: Option<Statement>,
    pub(super) copy_dead_letters: Option<Statement>,
}

/// The search path for logmill's own statements: the server's built-ins, and then, so that it is not searched
/// first, the temporary schema. Operators, functions and types with these names that other users have created
/// are not visible.
pub(super) const OUR_PATH: &str = "pg_catalog, pg_temp";

/// Removes the role's search path from a session, and returns the schemas that were on it, as JSON. Begins with
/// the first statement of every session.
pub(super) fn leave_path_sql() -> String {
    format!(
        "SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(false)); SET search_path = {OUR_PATH}"
    )
}

/// The search path for statements that write the target: its triggers, its defaults and what these call
/// resolve names as their author intended. logmill's own names are not resolved on it.
pub(super) fn path_of_target(schema: &str, schemas: &[String]) -> String {
    let others = schemas.iter().map(String::as_str).filter(|other| *other != schema);
    let schemas: Vec<String> = std::iter::once(schema).chain(others).map(quote).collect();
    format!("pg_catalog, {}, pg_temp", schemas.join(", "))
}

/// BEGIN, and every setting that a result could depend on.
pub(super) fn begin_sql(timeouts: Timeouts) -> String {
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
         SET LOCAL search_path = {OUR_PATH}",
        timeouts.statement.as_millis(),
        timeouts.lock.as_millis(),
    )
}
