//! An SQLite file as a store of keys: one table, `logmill_state`, and one statement per move.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Trouble, Verdict, advice, make_private, message, open_existing, verdict};
use crate::error::{Error, ErrorKind};
use crate::sink::ledger::{Entry, Failure, Store, Swap, Version, behind};

/// The table for the state of loads whose destination has no transactions.
const TABLE_SQL: &str = "CREATE TABLE IF NOT EXISTS logmill_state (
    key TEXT NOT NULL PRIMARY KEY,
    version TEXT NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID";

/// A store in a file. Nothing is created before there is something to keep.
pub(in crate::sink) struct SqliteState {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl SqliteState {
    pub(in crate::sink) fn new(path: &Path) -> SqliteState {
        SqliteState { path: path.to_owned(), connection: Mutex::default() }
    }

    /// Queries the database. A connection that failed is not used again.
    fn with<T>(&self, ask: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Failure> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match slot.take() {
            Some(connection) => ask(&connection).map(|answer| (answer, connection)),
            None => self.connect().and_then(|connection| Ok((ask(&connection)?, connection))),
        };
        let (answer, connection) = answer.map_err(|trouble| self.failure(trouble))?;
        *slot = Some(connection);
        Ok(answer)
    }

    /// The same if nothing is to be created.
    fn look<T: Default>(&self, ask: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, Failure> {
        if !self.path.exists() {
            return Ok(T::default());
        }
        self.with(|connection| match has_table(connection)? {
            true => ask(connection),
            false => Ok(T::default()),
        })
    }

    fn connect(&self) -> Result<Connection, Trouble> {
        let connection = open_existing(&self.path)?;
        let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        // Whatever is acknowledged is on the disk: objects are written and removed in reliance on it.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    }

    fn failure(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Sqlite(error) if verdict(&error, false) == Verdict::Wait => {
                Failure::Away(format!("{}: {}", self.path.display(), message(&error)))
            }
            Trouble::Sqlite(error) => Failure::Final(
                ErrorKind::DatabaseFile {
                    doing: format!("keeping the state in {}", self.path.display()),
                    code: error.sqlite_error().map(|error| error.extended_code),
                    message: format!("{}; {}", message(&error), advice(&error)),
                }
                .into(),
            ),
            Trouble::Ours(error) => Failure::Final(error),
        }
    }
}

impl Store for SqliteState {
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        self.look(|connection| {
            let sql = "SELECT version, value FROM logmill_state WHERE key = ?1";
            let found = connection
                .prepare_cached(sql)?
                .query_row([key], |row| Ok(Entry { version: Version(row.get(0)?), value: row.get(1)? }));
            Ok(found.optional()?)
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        self.look(|connection| {
            let sql =
                "SELECT key, version, value FROM logmill_state WHERE key >= ?1 AND key < ?2 ORDER BY key";
            let mut statement = connection.prepare_cached(sql)?;
            let found = statement.query_map([prefix, &behind(prefix)], |row| {
                Ok((row.get(0)?, Entry { version: Version(row.get(1)?), value: row.get(2)? }))
            });
            Ok(found?.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        make_private(&self.path);
        let fresh = Version::fresh();
        let changed = self.with(|connection| {
            if !has_table(connection)? {
                connection.execute_batch(TABLE_SQL)?;
            }
            let (key, new) = (&key, &fresh.0);
            let changed = match (expected, value) {
                (None, Some(value)) => connection
                    .prepare_cached("INSERT INTO logmill_state VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
                    .execute(params![key, new, value])?,
                (Some(Version(old)), Some(value)) => connection
                    .prepare_cached(
                        "UPDATE logmill_state SET version = ?2, value = ?3 WHERE key = ?1 AND version = ?4",
                    )?
                    .execute(params![key, new, value, old])?,
                (Some(Version(old)), None) => connection
                    .prepare_cached("DELETE FROM logmill_state WHERE key = ?1 AND version = ?2")?
                    .execute(params![key, old])?,
                (None, None) => return Err(Error::broken("nothing was to be put where nothing is").into()),
            };
            Ok(changed)
        })?;
        Ok(match changed {
            0 => Swap::Refused,
            _ => Swap::Done(value.map(|_| fresh)),
        })
    }
}

fn has_table(connection: &Connection) -> Result<bool, Trouble> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'logmill_state'";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
