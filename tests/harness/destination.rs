//! Where a load goes: a database of its own on a PostgreSQL server, or a file of SQLite.
//!
//! The two are looked at through the same few questions, so that a story and the oracle are
//! written once. What is asked is SQL that both understand, but for the names of tables and
//! a word here and there.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use postgres::types::Type;
use postgres::{IsolationLevel, Transaction};

use super::postgres::Database;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    #[cfg(feature = "sqlite")]
    Sqlite,
}

/// One of them, with what is in it.
#[derive(Clone)]
pub(crate) enum Destination {
    Postgres(Rc<Database>),
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
}

/// A value that was read. What is true or false is 1 or 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One snapshot of a destination, and the questions to it.
pub(crate) trait Snapshot {
    fn query(&mut self, sql: &str) -> Vec<Vec<Cell>>;

    /// Whether a table exists.
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

    /// The name of one of the program's own tables, or of the audit's.
    pub(crate) fn table(self, schema: &str, name: &str) -> String {
        match self {
            Kind::Postgres => format!("{schema}.{name}"),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => format!("{schema}_{name}"),
        }
    }

    /// A name of this destination for what is otherwise the same in SQL.
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

    /// Does something to it.
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

    /// Looks at it as it is at one moment. A file that is not there yet is nothing to look at.
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

    /// An offset or a position.
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

    /// Nothing, if it is null.
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

/// A file, as SQLite's own shell would open it.
#[cfg(feature = "sqlite")]
mod sqlite {
    use rusqlite::config::DbConfig;
    use rusqlite::types::ValueRef;
    use rusqlite::{Connection, OpenFlags};

    use super::{Cell, Path, Snapshot};

    /// Opens it so that the last one to close it leaves its log where it is: what a crash has
    /// left is to be met by the program, not by us.
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
