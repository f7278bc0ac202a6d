//! Sets up a destination before the first run: given tables, and triggers that audit every change.

use super::destination::Destination;
use super::load::{KEY, Load};

/// Runs once per database on a PostgreSQL server.
pub(super) const SERVER: &str = include_str!("audit.sql");

#[cfg(feature = "sqlite")]
const SQLITE: &str =
    concat!(include_str!("../../src/sink/sqlite/tables.sql"), include_str!("audit_sqlite.sql"));

impl Load {
    /// Creates the given objects and the audit triggers.
    pub(super) fn give(&self, destination: &Destination) {
        match destination {
            Destination::Postgres(database) => {
                let rows = if self.is_audited() { "UPDATE audit.wanted SET rows = true;" } else { "" };
                database.client().batch_execute(&format!("{rows}\n{}", self.given_sql())).unwrap();
            }
            #[cfg(feature = "sqlite")]
            Destination::Sqlite(_) => {
                let target = match self.given_sql().contains("CREATE TABLE t ") {
                    true => String::new(),
                    false => self.target_in_sqlite(),
                };
                match self.is_audited() {
                    true => destination.execute(&format!("{}{target}{SQLITE}", self.given_sql())),
                    false if self.given_sql().is_empty() => {}
                    false => destination.execute(self.given_sql()),
                }
            }
        }
    }

    /// The target table as the program would create it, because a trigger needs an existing table.
    #[cfg(feature = "sqlite")]
    fn target_in_sqlite(&self) -> String {
        let columns = self.fields().iter().map(|field| {
            let kind = match field.kind.as_str() {
                "int" | "bool" => "INTEGER",
                "float" => "REAL",
                _ => "TEXT",
            };
            format!("{} {kind}, ", field.name)
        });
        format!("CREATE TABLE t ({}{KEY});\n", columns.collect::<String>())
    }
}
