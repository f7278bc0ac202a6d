//! SQLite as a destination: the operations on a file for one job.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::outbox::SqliteOutbox;
use super::{Sqlite, SqliteHistory};
use crate::error::{Error, Result};
use crate::event::Dataset;
use crate::sink::dates::Calendar;
use crate::sink::destination::{Address, Destination, Settings};
use crate::sink::forecast::Forecast;
use crate::sink::history::{Filter, Forgotten, History};
use crate::sink::outbox::Outbox;
use crate::sink::rollup::{CheckedRollups, Dates, StoredMetric};
use crate::sink::statement::shell_word;
use crate::sink::verify::{Verify, Verifying};
use crate::sink::{Asked, Sink};

struct SqliteDestination {
    path: PathBuf,
    is_found: bool,
    settings: Settings,
}

/// The path in `text`, if it names a database.
pub(super) fn path(text: &str) -> Option<&str> {
    // An in-memory database would be gone at the end of the run.
    text.strip_prefix("sqlite:").filter(|path| !path.is_empty() && *path != ":memory:")
}

/// Whether `text` names a database that is a file.
pub(in crate::sink) fn is_named(text: &str) -> bool {
    path(text).is_some()
}

pub(in crate::sink) fn make(address: &Address, settings: Settings) -> Result<Box<dyn Destination>> {
    let path = address.folder.join(path(&address.text).unwrap_or_default());
    if let Some(schema) = &settings.table.schema {
        return Err(Error::usage(format!(
            "'table' names the schema {schema:?}, and a file of SQLite has none; put a name with a dot in quotes"
        )));
    }
    Ok(Box::new(SqliteDestination { path, is_found: address.is_found, settings }))
}

impl Destination for SqliteDestination {
    fn open(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(Sqlite::open(&self.path, self.is_found, self.settings.clone())?))
    }

    fn dataset(&self) -> Dataset {
        super::dataset(&self.path, &self.settings.table)
    }

    fn forecast(&self, asked: &Asked) -> Result<Forecast> {
        super::forecast::forecast(&self.path, &self.settings, asked)
    }

    fn history(&self) -> Result<Box<dyn History>> {
        Ok(Box::new(SqliteHistory::open(&self.path, &self.settings.table, self.settings.rules_hash)?))
    }

    fn calendar(&self) -> Result<Calendar> {
        super::calendar::calendar(&self.path, &self.settings)
    }

    fn note_absent(&self, dates: &[NaiveDate]) -> Result<()> {
        super::dates::note_absent(&self.path, &self.settings, dates)
    }

    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        Ok(Box::new(SqliteOutbox::open(&self.path, &self.settings)?))
    }

    fn rows_of(&self, sources: &[i32], deletes_rows: bool) -> Result<Option<u64>> {
        super::forget::rows_of(&self.path, &self.settings, sources, deletes_rows)
    }

    fn forget(&self, sources: &[i32], deletes_rows: bool) -> Result<Forgotten> {
        super::forget::forget(&self.path, &self.settings, sources, deletes_rows)
    }

    fn discard(&self, filter: &Filter, note: Option<&str>) -> Result<u64> {
        let Settings { table, timeouts, .. } = &self.settings;
        super::discard::discard(&self.path, table, filter, note, timeouts.lock)
    }

    fn verify(&self, verifying: Verifying) -> Result<Box<dyn Verify>> {
        super::verify::open(&self.path, &self.settings, verifying)
    }

    fn check_rollups(&self, dates: &Dates) -> Result<CheckedRollups> {
        super::rollup::check(&self.path, &self.settings, dates)
    }

    fn metrics(&self) -> Result<Vec<StoredMetric>> {
        super::stored::metrics(&self.path, &self.settings)
    }

    fn describe(&self) -> String {
        format!("{} in {}", self.settings.table, self.path.display())
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn table(&self) -> String {
        self.settings.table.to_string()
    }

    fn shell(&self, sql: &str) -> String {
        format!("sqlite3 {} {}", shell_word(&self.path.to_string_lossy()), shell_word(sql))
    }

    fn rests_on(&self) -> &'static str {
        "one transaction per batch in WAL mode, and a file system with working locks. A power failure can \
         undo the last batches of an unfinished run, always together with their checkpoints"
    }
}
