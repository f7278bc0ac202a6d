//! The outbox in SQLite.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, ToSql, params};

use super::look::time;
use super::target::remembered;
use super::{Trouble, check_present, has_tables, immediate, open_existing, pass};
use crate::error::Result;
use crate::sink::claim::unsigned;
use crate::sink::destination::Settings;
use crate::sink::history::{Line, of_target, place_of_split};
use crate::sink::outbox::{Delivered, IS_DUE, Outbox, Outgoing, PAGE_BYTES, PAGE_LETTERS, Stretch};

pub(super) struct SqliteOutbox {
    path: PathBuf,
    /// `None` if logmill has no tables there yet.
    connection: Option<Connection>,
    job: String,
    /// The name under which the sources of the table are remembered.
    target: String,
}

impl SqliteOutbox {
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<SqliteOutbox> {
        let opened = (|| {
            if !path.exists() {
                return Ok((None, settings.table.remembered()));
            }
            let connection = open_existing(path)?;
            connection.busy_timeout(settings.timeouts.lock)?;
            let target = remembered(&connection, &settings.table)?;
            if !has_tables(&connection)? {
                return Ok((None, target));
            }
            check_present(&connection)?;
            Ok((Some(connection), target))
        })();
        let (connection, target) = opened.map_err(|trouble: Trouble| trouble.into_error(path))?;
        Ok(SqliteOutbox { path: path.to_owned(), connection, job: settings.job.clone(), target })
    }

    fn with<T: Default>(&self, work: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T> {
        let Some(connection) = &self.connection else { return Ok(T::default()) };
        work(connection).map_err(|trouble| trouble.into_error(&self.path))
    }
}

/// The condition that a letter is due and belongs to the job and the table.
fn is_ours_and_due() -> String {
    format!("{IS_DUE} AND d.job = ?1 AND {}", of_target("logmill_sources", "?2"))
}

/// The columns that are read of a letter `d` of a source `s`.
fn columns() -> String {
    format!(
        "d.id, d.source_id, coalesce(s.name, ''), s.data_date, d.generation, d.source_offset, d.line,
     d.length, d.raw, d.raw_hash, d.stage, d.reasons, d.state, d.attempts, d.first_seen, d.delivered_at IS NULL,
         d.fixed, {}",
        place_of_split("logmill_checkpoints")
    )
}

fn outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    let state: String = row.get(12)?;
    let is_unmarked: bool = row.get(15)?;
    Ok(Outgoing {
        id: row.get(0)?,
        source_id: row.get(1)?,
        source: row.get(2)?,
        data_date: row.get::<_, Option<String>>(3)?.and_then(|date| date.parse().ok()),
        generation: row.get(4)?,
        offset: unsigned(row.get(5)?),
        line: Line::of_stored(row.get(6)?, row.get(17)?, row.get(18)?),
        length: unsigned(row.get(7)?),
        raw: row.get(8)?,
        raw_hash: row.get(9)?,
        fixed: row.get(16)?,
        stage: row.get(10)?,
        reasons: serde_json::from_str(&row.get::<_, String>(11)?).unwrap_or_default(),
        is_due: state == "open" && is_unmarked,
        state,
        attempts: row.get(13)?,
        first_seen: time(row, 14)?,
    })
}

impl Outbox for SqliteOutbox {
    fn table(&mut self) -> Result<String> {
        Ok(self.target.clone())
    }

    fn due(&mut self) -> Result<u64> {
        self.with(|connection| {
            let sql = format!("SELECT count(*) FROM logmill_dead_letters d WHERE {}", is_ours_and_due());
            Ok(unsigned(connection.query_row(&sql, [&self.job, &self.target], |row| row.get(0))?))
        })
    }

    fn next_due(&mut self, after: i64) -> Result<Vec<Outgoing>> {
        let columns = columns();
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {columns} FROM logmill_dead_letters d LEFT JOIN logmill_sources s ON s.id = d.source_id
                 WHERE {} AND d.id > ?3 ORDER BY d.id LIMIT {PAGE_LETTERS}",
                is_ours_and_due()
            ))?;
            let mut rows = statement.query(params![self.job, self.target, after])?;
            let (mut letters, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let letter = outgoing(row)?;
                bytes += [&letter.raw, &letter.fixed].into_iter().flatten().map(Vec::len).sum::<usize>();
                if !letters.is_empty() && bytes as i64 > PAGE_BYTES {
                    break;
                }
                letters.push(letter);
            }
            Ok(letters)
        })
    }

    fn due_stretches(&mut self) -> Result<Vec<Stretch>> {
        self.with(|connection| {
            let mut statement = connection.prepare(&format!(
                "SELECT d.source_id, d.source_offset / {} FROM logmill_dead_letters d WHERE {}
                 GROUP BY 1, 2 ORDER BY min(d.id)",
                Stretch::BYTES,
                is_ours_and_due()
            ))?;
            let stretch = |row: &Row<'_>| Ok(Stretch { source_id: row.get(0)?, number: row.get(1)? });
            let stretches = statement.query_map([&self.job, &self.target], stretch)?;
            Ok(stretches.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn letters_of(&mut self, stretch: Stretch, visit: &mut dyn FnMut(Outgoing) -> Result<()>) -> Result<()> {
        self.with(|connection| {
            let (start, end) = stretch.offsets();
            // Each half has an index: the one of places holds no superseded letters.
            let columns = columns();
            let half = |state: &str| {
                format!(
                    "SELECT {columns} FROM logmill_dead_letters d LEFT JOIN logmill_sources s ON s.id = d.source_id
                     WHERE d.job = ?1 AND d.source_id = ?2 AND d.source_offset >= ?3 AND d.source_offset < ?4
                       AND d.state {state}"
                )
            };
            let mut statement = connection.prepare(&format!(
                "{} UNION ALL {} ORDER BY 6, 1",
                half("<> 'superseded'"),
                half("= 'superseded'")
            ))?;
            let parameters: [&dyn ToSql; 4] = [&self.job, &stretch.source_id, &start, &end];
            let mut rows = statement.query(&parameters[..])?;
            while let Some(row) = rows.next()? {
                visit(outgoing(row)?)?;
            }
            Ok(())
        })
    }

    fn mark(&mut self, delivered: &Delivered) -> Result<()> {
        self.with(|connection| {
            immediate(connection, || {
                let mut statement = connection.prepare_cached(&format!(
                    "UPDATE logmill_dead_letters AS d SET delivered_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                     WHERE d.id BETWEEN ?1 AND ?2 AND d.attempts = ?3 AND d.job = ?4 AND {IS_DUE}"
                ))?;
                for run in delivered.runs() {
                    statement.execute(params![run.first, run.last, run.attempts, self.job])?;
                }
                pass("before-mark-commit")
            })
        })
    }
}
