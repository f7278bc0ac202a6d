//! PostgreSQL as a store of keys: one table, `logmill.state`, and one transaction per move.
//!
//! A move that is still running when its answer is lost holds the lock of its row, or of its key. A retry
//! waits for that lock, and so learns the outcome.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postgres::Client;
use postgres::types::ToSql;

use super::connect::{Limits, Server};
use super::link::{Link, begin_sql};
use super::session::Session;
use super::tables::DDL_LOCK;
use super::trouble::{Trouble, at};
use super::verdict::{Step, Verdict};
use crate::error::{Error, ErrorKind, Result as Done};
use crate::sink::destination::Timeouts;
use crate::sink::ledger::{Entry, Failure, Store, Swap, Version, behind};

/// The table for the state of loads whose destination has no transactions. Keys are compared byte by byte.
const TABLE_SQL: &str = r#"CREATE TABLE IF NOT EXISTS logmill.state (
    key text COLLATE "C" NOT NULL PRIMARY KEY,
    version text NOT NULL,
    value bytea NOT NULL
)"#;

/// A statement touches one row, or is a list that blocks no one.
const TIMEOUTS: Timeouts = Timeouts { statement: Duration::from_secs(60), lock: Duration::from_secs(30) };

/// How long the server may be silent.
const DEADLINE: Duration = Duration::from_secs(60);

/// A store in a database.
pub(in crate::sink) struct PostgresState {
    server: Arc<Server>,
    session: Mutex<Option<Session>>,
}

impl PostgresState {
    /// Does not connect yet.
    pub(in crate::sink) fn new(url: &str, connect: Duration) -> Done<PostgresState> {
        let environment = |name: &str| std::env::var(name).ok();
        let server = Server::new(url, false, &environment, Limits { connect, ..Limits::default() })?;
        Ok(PostgresState { server: Arc::new(server), session: Mutex::default() })
    }

    /// The database, for display.
    pub(in crate::sink) fn describe(&self) -> String {
        self.server.describe()
    }

    /// Whether a connection would cross a network to a host whose identity is not verified.
    pub(in crate::sink) fn is_unverified(&self) -> bool {
        self.server.is_unverified()
    }

    /// Queries the server. A connection on which anything failed is not used again.
    fn with<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Client) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        let mut slot = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match slot.take() {
            Some(session) => Ok(session),
            None => Session::open(&self.server, DEADLINE, TIMEOUTS),
        }
        .and_then(|session| {
            let answer = session.run(Step::State, move |link: &mut Link| ask(&mut link.client))?;
            Ok((answer, session))
        });
        let (answer, session) = answer.map_err(failure)?;
        *slot = Some(session);
        Ok(answer)
    }

    /// The same if nothing is to be created.
    fn look<T: Default + Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Client) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Failure> {
        self.with(|client| match is_there(client)? {
            true => ask(client),
            false => Ok(T::default()),
        })
    }
}

impl Store for PostgresState {
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        let key = key.to_owned();
        self.look(move |client| {
            let sql = "SELECT version, value FROM logmill.state WHERE key = $1";
            let row = at(Step::State, client.query_opt(sql, &[&key]))?;
            at(Step::State, row.map(|row| entry(&row, 0)).transpose())
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        let (prefix, behind) = (prefix.to_owned(), behind(prefix));
        self.look(move |client| {
            let sql =
                "SELECT key, version, value FROM logmill.state WHERE key >= $1 AND key < $2 ORDER BY key";
            let rows = at(Step::State, client.query(sql, &[&prefix, &behind]))?;
            let entries = rows.iter().map(|row| Ok((row.try_get(0)?, entry(row, 1)?)));
            at(Step::State, entries.collect())
        })
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        let fresh = Version::fresh();
        let (key, new) = (key.to_owned(), fresh.0.clone());
        let (old, bytes) = (expected.map(|version| version.0.clone()), value.map(<[u8]>::to_vec));
        let changed = self.with(move |client| {
            make(client)?;
            at(Step::State, client.batch_execute(&begin_sql(TIMEOUTS)))?;
            let (sql, parameters): (_, Vec<&(dyn ToSql + Sync)>) = match (&old, &bytes) {
                (None, Some(bytes)) => (
                    "INSERT INTO logmill.state VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING",
                    vec![&key, &new, bytes],
                ),
                (Some(old), Some(bytes)) => (
                    "UPDATE logmill.state SET version = $2, value = $3 WHERE key = $1 AND version = $4",
                    vec![&key, &new, bytes, old],
                ),
                (Some(old), None) => {
                    ("DELETE FROM logmill.state WHERE key = $1 AND version = $2", vec![&key, old])
                }
                (None, None) => return Err(Error::broken("nothing was to be put where nothing is").into()),
            };
            let changed = at(Step::State, client.execute(sql, &parameters))?;
            at(Step::State, client.batch_execute("COMMIT"))?;
            Ok(changed)
        })?;
        Ok(match changed {
            0 => Swap::Refused,
            _ => Swap::Done(value.map(|_| fresh)),
        })
    }
}

/// The version and the value in a row, from a column on.
fn entry(row: &postgres::Row, from: usize) -> Result<Entry, postgres::Error> {
    Ok(Entry { version: Version(row.try_get(from)?), value: row.try_get(from + 1)? })
}

/// Whether the table exists and is reliable.
fn is_there(client: &mut Client) -> Result<bool, Trouble> {
    let sql = "SELECT pg_is_in_recovery(), (
                   SELECT c.relpersistence::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = 'logmill' AND c.relname = 'state')";
    let row = at(Step::State, client.query_one(sql, &[]))?;
    let (is_standby, persistence) =
        at(Step::State, (|| Ok((row.try_get::<_, bool>(0)?, row.try_get::<_, Option<String>>(1)?)))())?;
    if is_standby {
        let what = "this server is a standby, which may not have the newest".to_owned();
        return Err(Trouble::Lost { step: Step::State, what });
    }
    match persistence.as_deref() {
        None => Ok(false),
        Some("p") => Ok(true),
        Some(_) => Err(Trouble::Ours(
            ErrorKind::Unfit(vec![
                "logmill.state is UNLOGGED, and a crash of the server would empty it; ALTER TABLE logmill.state SET LOGGED"
                    .to_owned(),
            ])
            .into(),
        )),
    }
}

/// Creates the table if it is missing. Of several concurrent attempts, one does it.
fn make(client: &mut Client) -> Result<(), Trouble> {
    if is_there(client)? {
        return Ok(());
    }
    at(Step::State, client.batch_execute(&begin_sql(TIMEOUTS)))?;
    at(Step::State, client.batch_execute(DDL_LOCK))?;
    let schema = client.query_one("SELECT to_regnamespace('logmill') IS NULL", &[]);
    // Even if the schema exists, this requires a right on the database.
    if at(Step::State, schema.and_then(|row| row.try_get(0)))? {
        at(Step::State, client.batch_execute("CREATE SCHEMA logmill"))?;
    }
    at(Step::State, client.batch_execute(TABLE_SQL))?;
    at(Step::State, client.batch_execute("COMMIT"))
}

fn failure(trouble: Trouble) -> Failure {
    match trouble.verdict(&[]) {
        Verdict::Stop => Failure::Final(trouble.into_error()),
        _ => Failure::Away(trouble.summary()),
    }
}
