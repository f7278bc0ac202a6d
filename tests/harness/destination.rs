//! A destination of a load: a private database on a PostgreSQL server, or a SQLite file.
//!
//! Tests query both through one small interface, so stories and the oracle are written once. They use SQL
//! that both understand, except for table names and a few words.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use postgres::types::Type;
use postgres::{IsolationLevel, Transaction};

use super::postgres::Database;

/// The kind of destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    #[cfg(feature = "sqlite")]
    Sqlite,
}

#[derive(Clone)]
pub(crate) enum Destination {
    Postgres(Rc<Database>),
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
}

/// A value read from a destination. Booleans are 1 or 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A consistent snapshot of a destination, for queries.
pub(crate) trait Snapshot {
    fn query(&mut self, sql: &str) -> Vec<Vec<Cell>>;

    fn has(&mut self, table: &str) -> bool;
}

impl Kind {
    pub(crate) fn all() -> Vec<Kind> {
        vec![
            Kind::Postgres,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite,
        ]
    }

    /// The name of one of the program's own tables, or of an audit table.
    pub(crate) fn table(self, schema: &str, name: &str) -> String {
        match self {
            Kind::Postgres => format!("{schema}.{name}"),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => format!("{schema}_{name}"),
        }
    }

    /// Picks the word for this destination where the two dialects differ.
    pub(crate) fn word(self, postgres: &'static str, sqlite: &'static str) -> &'static str {
        match self {
            Kind::Postgres => {
                let _ = sqlite;
                postgres
            }
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => sqlite,
        }
    }
}

impl Destination {
    pub(crate) fn url(&self) -> String {
        match self {
            Destination::Postgres(database) => database.url(),
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(path) => format!("sqlite:{}", path.display()),
        }
    }

    /// Executes SQL.
    #[track_caller]
    pub(crate) fn execute(&self, sql: &str) {
        match self {
            Destination::Postgres(database) => database.client().batch_execute(sql).unwrap(),
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.busy_timeout(super::PATIENCE).unwrap();
                connection.execute_batch(sql).unwrap();
            }
        }
    }

    /// Queries the destination as of one moment. If the file does not exist yet, returns the default.
    #[track_caller]
    pub(crate) fn look<T: Default>(&self, look: impl FnOnce(&mut dyn Snapshot) -> T) -> T {
        match self {
            Destination::Postgres(database) => {
                let mut client = database.client();
                let mut transaction = client
                    .build_transaction()
                    .isolation_level(IsolationLevel::RepeatableRead)
                    .read_only(true)
                    .start()
                    .unwrap();
                transaction.batch_execute("SET LOCAL TimeZone = 'UTC'").unwrap();
                look(&mut transaction)
            }
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(path) if !path.exists() => T::default(),
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(path) => {
                let mut connection = sqlite::open(path);
                let found = connection.query("PRAGMA integrity_check");
                assert_eq!(found, [[Cell::Text("ok".to_owned())]], "{} is damaged", path.display());
                connection.execute_batch("BEGIN").unwrap();
                look(&mut connection)
            }
        }
    }
}

impl Cell {
    #[track_caller]
    pub(crate) fn int(&self) -> i64 {
        match self {
            Cell::Int(value) => *value,
            other => panic!("{other:?} is no integer"),
        }
    }

    /// Reads an offset or a position.
    #[track_caller]
    pub(crate) fn place(&self) -> u64 {
        u64::try_from(self.int()).unwrap()
    }

    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        match self {
            Cell::Text(value) => value,
            other => panic!("{other:?} is no text"),
        }
    }

    #[track_caller]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Cell::Bytes(value) => value,
            other => panic!("{other:?} is no bytes"),
        }
    }

    /// The value, or `None` for null.
    pub(crate) fn known(&self) -> Option<&Cell> {
        Some(self).filter(|cell| **cell != Cell::Null)
    }
}

impl Snapshot for Transaction<'_> {
    #[track_caller]
    fn query(&mut self, sql: &str) -> Vec<Vec<Cell>> {
        let rows = Transaction::query(self, sql, &[]).unwrap_or_else(|error| panic!("{error}: {sql}"));
        rows.iter().map(|row| (0..row.len()).map(|column| cell(row, column)).collect()).collect()
    }

    fn has(&mut self, table: &str) -> bool {
        self.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).unwrap().get(0)
    }
}

fn cell(row: &postgres::Row, column: usize) -> Cell {
    let int = |value: Option<i64>| value.map_or(Cell::Null, Cell::Int);
    match *row.columns()[column].type_() {
        Type::BOOL => int(row.get::<_, Option<bool>>(column).map(i64::from)),
        Type::INT4 => int(row.get::<_, Option<i32>>(column).map(i64::from)),
        Type::INT8 => int(row.get(column)),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(column).map_or(Cell::Null, Cell::Bytes),
        _ => row.get::<_, Option<String>>(column).map_or(Cell::Null, Cell::Text),
    }
}

/// A SQLite file, opened as SQLite's own shell would.
#[cfg(feature = "sqlite")]
mod sqlite {
    use rusqlite::config::DbConfig;
    use rusqlite::types::ValueRef;
    use rusqlite::{Connection, OpenFlags};

    use super::{Cell, Path, Snapshot};

    /// Opens the file so that closing the last connection keeps the write-ahead log: the program, not the
    /// test, has to recover what a crash left.
    pub(super) fn open(path: &Path) -> Connection {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.busy_timeout(super::super::PATIENCE).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        connection
    }

    impl Snapshot for Connection {
        fn query(&mut self, sql: &str) -> Vec<Vec<Cell>> {
            let mut statement = self.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| {
                (0..columns)
                    .map(|column| Ok(cell(row.get_ref(column)?)))
                    .collect::<rusqlite::Result<Vec<_>>>()
            });
            rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
        }

        fn has(&mut self, table: &str) -> bool {
            let found =
                self.query_row("SELECT count(*) FROM sqlite_schema WHERE name = ?1", [table], |row| {
                    row.get(0)
                });
            found.map(|count: i64| count > 0).unwrap()
        }
    }

    fn cell(value: ValueRef<'_>) -> Cell {
        match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Int(value),
            ValueRef::Real(value) => Cell::Text(value.to_string()),
            ValueRef::Text(text) => Cell::Text(String::from_utf8(text.to_vec()).unwrap()),
            ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        }
    }
}
