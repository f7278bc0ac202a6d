//! SQLite's stored state, for people.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::dates;
use super::filter::{as_stored, is_meant};
use super::look::{Look, moment, time};
use super::open_letters::reasons;
use super::replay;
use super::target::remembered;
use super::{Trouble, check_version, has_tables, letters_of_version, of_version, runs_of_version};
use crate::error::Result;
use crate::sink::claim::{hash, unsigned};
use crate::sink::history::{DeadLetter, Filter, History, Line, OwnerStatus, RunStatus, SourceStatus, Status};
use crate::sink::progress::LaneStatus;
use crate::sink::queries::Tables;
use crate::sink::replay::{OpenLetter, Page};
use crate::sink::{Counts, TableName};
use crate::source::Hash16;
use crate::split::Split;

/// An SQLite database that is only read.
pub(super) struct SqliteHistory {
    path: PathBuf,
    table: TableName,
    rules_hash: Hash16,
    look: Option<Look>,
}

/// What to read, and about which table.
struct Place {
    /// The name under which its sources are remembered.
    target: String,
    tables: Tables,
}

impl SqliteHistory {
    /// Opens the database, to ask what jobs have loaded into a table. A database that does not exist yet has
    /// no past.
    pub(super) fn open(path: &Path, table: &TableName, rules_hash: Hash16) -> Result<SqliteHistory> {
        let look = path.exists().then(|| Look::open(path)).transpose();
        let look = look.map_err(|trouble| trouble.into_error(path))?;
        Ok(SqliteHistory { path: path.to_owned(), table: table.clone(), rules_hash, look })
    }

    fn look<T>(&self, look: impl FnOnce(&Look, &Place) -> Result<T, Trouble>) -> Result<Option<T>> {
        let Some(at) = &self.look else { return Ok(None) };
        let connection = &at.connection;
        let result = (|| {
            if !has_tables(connection)? {
                return Ok(None);
            }
            let version = check_version(connection)?;
            let (sources, checkpoints) = of_version(version);
            let letters = letters_of_version(version);
            let (runs, progress) = runs_of_version(version);
            let tables = Tables { sources, checkpoints, letters, runs, progress, mark: '?' };
            let target = remembered(connection, &self.table)?;
            // A read transaction is one snapshot.
            connection.execute_batch("BEGIN")?;
            let found = look(at, &Place { target, tables });
            connection.execute_batch("ROLLBACK")?;
            found.map(Some)
        })();
        result.map_err(|trouble: Trouble| trouble.into_error(&self.path))
    }
}

impl History for SqliteHistory {
    fn status(&mut self, job: &str) -> Result<Option<Status>> {
        let rules_hash = self.rules_hash;
        self.look(|at, place| {
            let dates = dates::statuses(&at.connection, (job, &place.target), rules_hash)?;
            Ok(Status { dates, ..status(at, place, job)? })
        })
    }

    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>> {
        let found = self.look(|at, place| {
            let version = check_version(&at.connection)?;
            replay::open_letters(&at.connection, version, &place.target, filter, page)
        })?;
        Ok(found.unwrap_or_default())
    }

    fn dead_letters(
        &mut self,
        filter: &Filter,
        visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
    ) -> Result<()> {
        self.look(|at, place| dead_letters(&at.connection, place, filter, visit))?;
        Ok(())
    }
}

fn status(Look { connection, locks, .. }: &Look, place: &Place, job: &str) -> Result<Status, Trouble> {
    let Place { target, tables } = place;
    let mut found = connection.prepare(&tables.splits(
        "(SELECT json_group_array(k.raw_size) FROM logmill_containers k WHERE k.source_id = s.id), c.split_start",
    ))?;
    let is_held = |split: Split| locks.is_held(split).unwrap_or(false);
    let found = found.query_map([job, target], |row| source_status(row, &is_held))?;
    let reasons = reasons(connection, tables.checkpoints, &tables.is_of_job(), &[&job, target])?;
    let (open, undelivered) =
        connection.query_row(&tables.open_letters(), [job, target], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut runs = connection.prepare(&tables.last_runs())?;
    let runs = runs.query_map([job], run_status)?;
    let failure = connection.query_row(&tables.last_failure(), [job], run_status).optional()?;
    let success: Option<String> = connection.query_row(&tables.last_success(), [job], |row| row.get(0))?;
    let has_other_tables = connection.query_row(&tables.other_targets(), [job, target], |row| row.get(0))?;
    let mut lanes = connection.prepare(&tables.lanes())?;
    let lanes = lanes.query_map([job], lane_status)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut status = Status {
        sources: SourceStatus::of_splits(found.collect::<rusqlite::Result<Vec<_>>>()?),
        reasons,
        open_dead_letters: unsigned(open),
        undelivered: unsigned(undelivered),
        dates: Vec::new(),
        has_other_tables,
        runs: runs.collect::<rusqlite::Result<_>>()?,
        last_failure: failure,
        last_success: success.as_deref().map(moment),
    };
    status.describe_runs(lanes, []);
    Ok(status)
}

/// A lane, with the run it belongs to.
fn lane_status(row: &Row<'_>) -> rusqlite::Result<(i64, LaneStatus)> {
    let lane = LaneStatus {
        lane: row.get(1)?,
        records: unsigned(row.get(2)?),
        rejected: unsigned(row.get(3)?),
        bytes: unsigned(row.get(4)?),
        bytes_total: unsigned(row.get(5)?),
        records_per_second: unsigned(row.get(6)?),
        bytes_per_second: unsigned(row.get(7)?),
        points: serde_json::from_str(&row.get::<_, String>(8)?).unwrap_or_default(),
    };
    Ok((row.get(0)?, lane))
}

fn source_status(row: &Row<'_>, is_held: &dyn Fn(Split) -> bool) -> rusqlite::Result<SourceStatus> {
    let (inserted, updated, unchanged, superseded, rejected) =
        (row.get(9)?, row.get(10)?, row.get(11)?, row.get(12)?, row.get(13)?);
    let id = row.get(0)?;
    let owner_run: Option<i64> = row.get(15)?;
    Ok(SourceStatus {
        id,
        name: row.get(1)?,
        data_date: row.get::<_, Option<String>>(2)?.and_then(|date| date.parse().ok()),
        size: unsigned(row.get(3)?),
        position: unsigned(row.get(4)?),
        complete: row.get(5)?,
        containers: serde_json::from_str(&row.get::<_, String>(19)?).unwrap_or_default(),
        counts: Counts {
            lines: row.get(6)?,
            blank: row.get(7)?,
            skipped: row.get(8)?,
            records: inserted + updated + unchanged + superseded + rejected,
            inserted,
            updated,
            unchanged,
            superseded,
            rejected,
        },
        open_dead_letters: unsigned(row.get(14)?),
        other_rules: false,
        rules: row.get::<_, Option<Vec<u8>>>(18)?.map(|rules| hash(&rules)).into_iter().collect(),
        owner: match owner_run {
            Some(run) => Some(OwnerStatus {
                run,
                pid: row.get::<_, Option<i32>>(16)?.unwrap_or(0),
                is_alive: is_held(Split { source: id, start: unsigned(row.get(20)?) }),
            }),
            None => None,
        },
        updated_at: time(row, 17)?,
    })
}

fn run_status(row: &Row<'_>) -> rusqlite::Result<RunStatus> {
    let (records, blank, skipped): (i64, i64, i64) = (row.get(6)?, row.get(12)?, row.get(13)?);
    Ok(RunStatus {
        id: row.get(0)?,
        command: row.get(1)?,
        started_at: time(row, 2)?,
        ended_at: match row.get::<_, Option<String>>(3)? {
            Some(_) => Some(time(row, 3)?),
            None => None,
        },
        outcome: row.get(4)?,
        exit_code: row.get(5)?,
        counts: Counts {
            records,
            inserted: row.get(7)?,
            updated: row.get(8)?,
            unchanged: row.get(9)?,
            superseded: row.get(10)?,
            rejected: row.get(11)?,
            blank,
            skipped,
            lines: records + blank + skipped,
        },
        bytes: unsigned(row.get(14)?),
        reason: row.get(15)?,
        is_alive: false,
        updated_at: None,
        lanes: Vec::new(),
        activity: Vec::new(),
    })
}

fn dead_letters(
    connection: &Connection,
    place: &Place,
    filter: &Filter,
    visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let is_meant = is_meant(place.tables.sources);
    let mut statement = connection.prepare(&place.tables.letters(&is_meant, filter.has_raw))?;
    let (ids, since) = as_stored(filter);
    let Filter { job, state, code, field, source, .. } = filter;
    let mut rows = statement.query(params![job, ids, state, code, field, source, since, place.target])?;
    while let Some(row) = rows.next()? {
        let letter = DeadLetter {
            id: row.get(0)?,
            source: row.get(1)?,
            offset: unsigned(row.get(2)?),
            line: Line::of_stored(row.get(3)?, row.get(13)?, row.get(14)?),
            length: unsigned(row.get(4)?),
            raw: row.get(15)?,
            fixed: row.get(16)?,
            raw_hash: row.get(5)?,
            stage: row.get(6)?,
            reasons: serde_json::from_str(&row.get::<_, String>(7)?).unwrap_or_default(),
            state: row.get(8)?,
            attempts: row.get(9)?,
            first_seen: time(row, 10)?,
            last_seen: time(row, 11)?,
            note: row.get(12)?,
        };
        if visit(letter).is_break() {
            break;
        }
    }
    Ok(())
}
