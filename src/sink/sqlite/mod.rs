//! SQLite: the same promises in one file, and no server.
//!
//! Rows, dead letters, counters and checkpoints are written in one IMMEDIATE transaction per
//! batch. The database is in WAL mode with `synchronous = NORMAL`, which keeps every
//! transaction whole and in order through any crash; after a power loss the last ones may be
//! missing together with their checkpoints. The last commit of a run is FULL, so that what
//! the summary says is on the disk.
//!
//! Rows go through one prepared statement each: values lists of many rows were never faster
//! in measurements. So a refused row is found where it is refused, and costs only itself.

mod again;
mod calendar;
mod commit;
mod dates;
mod destination;
mod discard;
mod encode;
mod filter;
mod forecast;
mod forget;
mod history;
mod lock;
mod look;
mod marks;
mod metrics;
mod open_letters;
mod order;
mod outbox;
mod ownership;
mod rebuild;
mod refusal;
mod replay;
mod rollup;
mod scratch;
mod state;
mod statements;
mod stored;
mod target;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use again::Run;
pub(in crate::sink) use destination::{is_named, make};
use encode::SqliteEncoder;
use history::SqliteHistory;
use lock::SourceLocks;
use marks::Marks;
use rebuild::Rebuilding;
use refusal::{Verdict, advice, message, verdict};
pub(in crate::sink) use scratch::scratch;
pub(in crate::sink) use state::SqliteState;
use statements::Statements;
use target::Target;

use super::bar::Standing;
use super::claim::{Scope, is_free, unsigned};
use super::commit::Moved;
use super::constant::hash_key;
use super::destination::Settings;
use super::findings::{self, Loaded, Past};
use super::history::{Filter, ReasonCount, of_target};
use super::ledger::{Acknowledged, Claimed, Holdings, Look, went_back};
use super::rebuild::{Mended, Provenance, Rebuilt, conflict_of_letters};
use super::replay::{OpenLetter, Page};
use super::rollup::{Dates, FAILURES_MAX, RolledUp};
use super::{
    Answer, Asked, Batch, Committed, Constant, Cut, Ending, OnConflict, OpenLetters, Setback, Sink, TableName,
};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Dataset;
use crate::failpoint;
use crate::outage::Outage;
use crate::trust::make_private;
use crate::work::{self, Recipe, Work};

/// The statements that make the tables of ours. Also what `plan --print-sql` prints.
const TABLES_SQL: &str = include_str!("tables.sql");

/// The version that these statements make and this program reads.
const VERSION: i64 = 7;

/// The first that has marks of dates.
const VERSION_OF_MARKS: i64 = 6;

/// What each version has more than the one before: the first makes version 2 of version 1.
const MIGRATIONS: [&str; 6] = [
    "ALTER TABLE logmill_checkpoints ADD COLUMN preamble BLOB",
    // A source without a target is in the table that its job next loads into.
    "ALTER TABLE logmill_sources ADD COLUMN target TEXT;
     ALTER TABLE logmill_sources ADD COLUMN device INTEGER;
     ALTER TABLE logmill_sources ADD COLUMN inode INTEGER",
    // A letter without rules is of those of its checkpoint.
    "ALTER TABLE logmill_sources ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE logmill_checkpoints ADD COLUMN rules_since INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE logmill_dead_letters ADD COLUMN fixed BLOB;
     ALTER TABLE logmill_dead_letters ADD COLUMN preamble BLOB;
     ALTER TABLE logmill_dead_letters ADD COLUMN rules_hash BLOB;
     ALTER TABLE logmill_dead_letters ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE logmill_dead_letters ADD COLUMN delivered_at TEXT",
    // The days of a job: a table of its own, which is made with the others.
    "",
    // Rollups: the same.
    "",
    // How far lanes are: the same.
    "ALTER TABLE logmill_runs ADD COLUMN reason TEXT",
];

/// What a statement reads of sources and of checkpoints, with the columns of the present version:
/// who only looks does not migrate.
fn of_version(version: i64) -> (&'static str, &'static str) {
    let sources = match version {
        ..3 => {
            "(SELECT *, NULL AS target, NULL AS device, NULL AS inode, 0 AS generation FROM logmill_sources)"
        }
        3 => "(SELECT *, 0 AS generation FROM logmill_sources)",
        _ => "logmill_sources",
    };
    let checkpoints = match version {
        ..2 => "(SELECT *, NULL AS preamble, 0 AS rules_since FROM logmill_checkpoints)",
        2 | 3 => "(SELECT *, 0 AS rules_since FROM logmill_checkpoints)",
        _ => "logmill_checkpoints",
    };
    (sources, checkpoints)
}

/// The same of runs, and of how far lanes are.
fn runs_of_version(version: i64) -> (&'static str, &'static str) {
    match version {
        ..7 => (
            "(SELECT *, NULL AS reason FROM logmill_runs)",
            "(SELECT NULL AS run, NULL AS lane, NULL AS records, NULL AS rejected, NULL AS bytes, \
                     NULL AS bytes_total, NULL AS records_per_s, NULL AS bytes_per_s, NULL AS points WHERE false)",
        ),
        _ => ("logmill_runs", "logmill_progress"),
    }
}

/// The same of dates.
fn dates_of_version(version: i64) -> &'static str {
    match version {
        ..5 => {
            "(SELECT NULL AS job, NULL AS target, NULL AS date, NULL AS state, NULL AS reason WHERE false)"
        }
        _ => "logmill_dates",
    }
}

/// The same of dead letters.
fn letters_of_version(version: i64) -> &'static str {
    match version {
        ..4 => {
            "(SELECT *, NULL AS fixed, NULL AS preamble, NULL AS rules_hash, 0 AS generation, \
                     NULL AS delivered_at FROM logmill_dead_letters)"
        }
        _ => "logmill_dead_letters",
    }
}

/// An SQLite database as a destination.
pub struct Sqlite {
    path: PathBuf,
    settings: Settings,
    // Before the locks, because these must be dropped after it.
    connection: Connection,
    locks: SourceLocks,
    /// The locks may still be those of a run that was taken over.
    has_taken_over: bool,
    scope: Scope,
    statements: Statements,
    /// The same for the letters of a rebuild.
    of_letters: Option<Statements>,
    encoder: Arc<SqliteEncoder>,
    run: Run,
    owned: Holdings,
    acknowledged: Acknowledged,
    /// The rebuild that is under way: all batches are in its transaction.
    rebuild: Option<Rebuilding>,
    /// What a rebuild is about was not rebuilt: it stands as it did.
    is_as_it_was: bool,
}

/// How long SQLite itself waits for another writer, before we look around.
const BUSY_WAIT: Duration = Duration::from_millis(500);

/// What went wrong, before anybody has judged it.
#[derive(Debug)]
enum Trouble {
    Sqlite(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sqlite(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Ours(error)
    }
}

impl Trouble {
    fn into_error(self, path: &Path) -> Error {
        match self {
            Trouble::Ours(error) => error,
            Trouble::Sqlite(error) => ErrorKind::DatabaseFile {
                doing: path.display().to_string(),
                code: error.sqlite_error().map(|error| error.extended_code),
                message: format!("{}; {}", message(&error), advice(&error)),
            }
            .into(),
        }
    }
}

/// Passes a failpoint. What is to fail there fails for good: there is no connection to lose.
fn pass(point: &'static str) -> Result<(), Trouble> {
    match failpoint::reached(point) {
        true => Err(Trouble::Ours(Error::broken(format!("failpoint {point}")))),
        false => Ok(()),
    }
}

/// Tries `work` until it succeeds, or waiting is no use.
fn persist<T>(path: &Path, settings: &Settings, mut work: impl FnMut() -> Result<T, Trouble>) -> Result<T> {
    let mut outage = Outage::new(settings.patience());
    loop {
        match work() {
            Ok(value) => return Ok(value),
            Err(Trouble::Sqlite(error)) if verdict(&error, false) == Verdict::Wait => {
                let what = format!("{}: {}", path.display(), message(&error));
                outage.wait("database_file", &what, || Trouble::Sqlite(error).into_error(path))?;
            }
            Err(trouble) => return Err(trouble.into_error(path)),
        }
    }
}

impl Sqlite {
    /// Opens the database, and prepares everything up to the first row. One that was merely found
    /// is used only if nobody else could have put it there.
    pub fn open(path: &Path, is_found: bool, settings: Settings) -> Result<Sqlite> {
        let connection = persist(path, &settings, || connect(path))?;
        let locks = open_locks(path, is_found)?;
        persist(path, &settings, || set_up(&connection))?;
        let ((statements, of_letters), encoder, warnings) =
            persist(path, &settings, || prepare(&connection, &settings))?;
        for warning in warnings {
            settings.observer.warn(warning);
        }
        let run = persist(path, &settings, || begin_run(&connection, &settings))?;
        Ok(Sqlite {
            path: path.to_owned(),
            connection,
            locks,
            has_taken_over: false,
            scope: scope(&settings, &statements.target.name),
            statements,
            of_letters,
            encoder: Arc::new(encoder),
            run,
            owned: Holdings::default(),
            acknowledged: Acknowledged::default(),
            rebuild: None,
            is_as_it_was: settings.is_rebuild,
            settings,
        })
    }
}

/// Opens the file, and neither reads nor writes it yet.
fn connect(path: &Path) -> Result<Connection, Trouble> {
    pass("before-database")?;
    // SQLite would let others read it, and gives its own files the permissions of this one.
    make_private(path);
    let connection = open_existing(path)?;
    pass("after-database")?;
    Ok(connection)
}

/// Opens the file once more, for the locks, and sees to it that it is the one that was opened
/// before: the path may lead elsewhere by now.
fn open_locks(path: &Path, is_found: bool) -> Result<SourceLocks> {
    let lock = |cause| Error::file("lock", path, cause);
    let locks = match is_found {
        true => SourceLocks::open_found(path).map_err(|why| {
            let address = format!("sqlite:{}", path.display());
            Error::found_database(path, why, &address)
        })?,
        false => Some(SourceLocks::open(path).map_err(lock)?),
    };
    match locks {
        Some(locks) if locks.is_what_was_opened().map_err(lock)? => Ok(locks),
        _ => Err(replaced(
            path,
            "the database was replaced while it was being opened, and nothing was written to it; run again",
        )),
    }
}

/// The database is no longer, or not yet, the file that we have.
fn replaced(path: &Path, message: &str) -> Error {
    ErrorKind::DatabaseFile { doing: path.display().to_string(), code: None, message: message.to_owned() }
        .into()
}

/// Says how the database is to be kept.
fn set_up(connection: &Connection) -> Result<(), Trouble> {
    connection.set_prepared_statement_cache_capacity(32);
    // Only asked of a database that has no pages yet.
    connection.pragma_update(None, "page_size", 8192)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    // Without a WAL, NORMAL can corrupt a database on power loss.
    let synchronous = if mode.eq_ignore_ascii_case("wal") { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    order::register(connection)?;
    Ok(())
}

/// Opens a database that is there. Not read-only: to look into a WAL, its index may have to be
/// made.
fn open_existing(path: &Path) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    Ok(connection)
}

/// Whether tables of ours are there.
fn has_tables(connection: &Connection) -> Result<bool, Trouble> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'logmill_meta'";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// What writes the rows of a run, and of a rebuild those of its letters.
type Writing = (Statements, Option<Statements>);

/// Makes what is missing, and compares what is there with the job.
fn prepare(
    connection: &Connection,
    settings: &Settings,
) -> Result<(Writing, SqliteEncoder, Vec<String>), Trouble> {
    let unfit = |findings| Trouble::Ours(ErrorKind::Unfit(findings).into());
    pass("before-prepare")?;
    // One writer at a time: of ten first runs, one makes the tables and nine find them.
    let prepared = immediate(connection, || {
        connection.execute_batch(TABLES_SQL)?;
        migrate(connection)?;
        let mut warnings = Vec::new();
        let past = past(connection, settings)?;
        let target = match Target::find(connection, &settings.table.name)? {
            Some(target) => {
                look_at_past(connection, &past, &target, settings, &mut warnings)?;
                target
            }
            None => make_target(connection, &past, settings)?,
        };
        let columns = target::fit(connection, &target, settings)?.map_err(unfit)?;
        if target.foreign_keys.iter().any(|key| target.is_own(key)) {
            warnings.push(findings::refers_to_itself(&target.name));
        }
        let marks = Marks::new(scope(settings, &target.name).target, &settings.rollups);
        warnings.extend(metrics::register(connection, settings, &marks, &target.name)?);
        let day = Provenance::of(settings).and_then(Provenance::day);
        let writing = |on_conflict: &OnConflict| {
            Statements::new(target.clone(), &columns, &settings.key, on_conflict, day, marks.clone())
        };
        let of_letters = settings.is_rebuild.then(|| writing(&conflict_of_letters(settings)));
        let statements = (writing(&settings.on_conflict), of_letters);
        pass("before-tables-commit")?;
        Ok((statements, SqliteEncoder::new(columns, hash_key(&settings.constants)), warnings))
    })?;
    pass("after-tables")?;
    Ok(prepared)
}

/// Does `work` in a transaction that keeps other writers out. Whatever fails, and be it COMMIT,
/// leaves no transaction behind, within which the next one could not begin.
fn immediate<T>(connection: &Connection, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let result = work().and_then(|value| {
        connection.execute_batch("COMMIT")?;
        Ok(value)
    });
    if result.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    result
}

/// Brings tables that an older program has made up to date.
fn migrate(connection: &Connection) -> Result<(), Trouble> {
    let version = check_version(connection)?;
    for (migration, from) in MIGRATIONS.iter().zip(1..).filter(|(_, from)| *from >= version) {
        connection.execute_batch(migration)?;
        connection.execute("UPDATE logmill_meta SET version = ?1", [from + 1])?;
    }
    Ok(())
}

/// Refuses tables that a load has yet to bring up to date.
fn check_present(connection: &Connection) -> Result<(), Trouble> {
    let version = check_version(connection)?;
    if version == VERSION {
        return Ok(());
    }
    Err(unfit(format!(
        "the tables logmill_* are of version {version}; the next load brings them to version {VERSION}"
    )))
}

/// The version of the tables, which must not be newer than the program.
fn check_version(connection: &Connection) -> Result<i64, Trouble> {
    let version: i64 = connection.query_row("SELECT version FROM logmill_meta", [], |row| row.get(0))?;
    if version <= VERSION {
        return Ok(version);
    }
    Err(Trouble::Ours(ErrorKind::NewerTables { tables: "logmill_*", version, known: VERSION }.into()))
}

fn make_target(connection: &Connection, past: &Past, settings: &Settings) -> Result<Target, Trouble> {
    let table = &settings.table;
    if !settings.create {
        return Err(unfit(findings::missing(table)));
    }
    refuse_lost_target(past, settings)?;
    connection.execute_batch(&target::create_table(settings))?;
    Target::find(connection, &table.name)?
        .ok_or_else(|| unfit(format!("the table {table} was made, and is not found")))
}

fn unfit(finding: String) -> Trouble {
    Trouble::Ours(ErrorKind::Unfit(vec![finding]).into())
}

/// Whose sources a run asks for, in this table.
fn scope(settings: &Settings, table: &str) -> Scope {
    let table = TableName { schema: None, name: table.to_owned() };
    Scope { job: settings.job.clone(), target: table.remembered(), data_date: settings.data_date }
}

/// What the job has loaded before.
fn past(connection: &Connection, settings: &Settings) -> Result<Past, Trouble> {
    let (sources, checkpoints) = of_version(check_version(connection)?);
    let mut statement = connection.prepare(&Past::sql(sources, checkpoints))?;
    let loaded = statement.query_map([&settings.job], |row| {
        Ok(Loaded { target: row.get(0)?, sources: row.get(1)?, inserted: row.get(2)? })
    })?;
    Ok(Past(loaded.collect::<rusqlite::Result<_>>()?))
}

/// Refuses to make a target for a job that has loaded rows into it before.
fn refuse_lost_target(past: &Past, settings: &Settings) -> Result<(), Trouble> {
    let table = &settings.table;
    match past.lost(&table.remembered(), table, &settings.job) {
        Some(finding) => Err(unfit(finding)),
        None => Ok(()),
    }
}

/// What the target is to a job that has loaded before, and where it seems to be a mistake.
fn look_at_past(
    connection: &Connection,
    past: &Past,
    target: &Target,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(), Trouble> {
    let Scope { job, target: remembered, .. } = scope(settings, &target.name);
    warnings.extend(past.emptied(&remembered, &target.name, &job, || {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", super::key::quote(&target.name));
        connection.query_row(&sql, [], |row| row.get(0)).unwrap_or(false)
    }));
    let renamed = past.renamed(&remembered, &job, "logmill_sources", |table| {
        Ok::<_, Trouble>(Target::find(connection, &table.name)?.is_some())
    })?;
    match renamed {
        Some(finding) => Err(unfit(finding)),
        None => Ok(()),
    }
}

fn begin_run(connection: &Connection, settings: &Settings) -> Result<Run, Trouble> {
    let run = connection.query_row(
        "INSERT INTO logmill_runs (job, data_date, command, version, rules_hash) VALUES (?1, ?2, ?3, ?4, ?5)
         RETURNING id, started_at",
        params![
            settings.job,
            settings.data_date.map(|date| date.to_string()),
            settings.command,
            env!("CARGO_PKG_VERSION"),
            settings.rules_hash.0
        ],
        |row| Ok(Run { id: row.get(0)?, started_at: row.get(1)? }),
    )?;
    pass("after-prepare")?;
    Ok(run)
}

/// Gives back what the run holds, and closes its row.
fn end_run(connection: &Connection, run: i64, ending: &Ending<'_>) -> Result<(), Trouble> {
    connection.execute(
        "UPDATE logmill_checkpoints SET owner_run = NULL, owner_pid = NULL, owner_start = NULL WHERE owner_run = ?1",
        [run],
    )?;
    pass("mid-finish")?;
    let counts = ending.counts;
    connection.execute(
        "UPDATE logmill_runs
         SET ended_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), outcome = ?2, exit_code = ?3, records = ?4,
             inserted = ?5, updated = ?6, unchanged = ?7, superseded = ?8, rejected = ?9, blank = ?10,
             skipped = ?11, bytes = ?12, reason = ?13
         WHERE id = ?1",
        params![
            run,
            ending.outcome,
            ending.exit_code,
            counts.records,
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.superseded,
            counts.rejected,
            counts.blank,
            counts.skipped,
            i64::try_from(ending.bytes).unwrap_or(i64::MAX),
            ending.failure
        ],
    )?;
    Ok(())
}

impl Sqlite {
    /// What the checkpoints say, with all that has moved them kept out.
    fn look(&self, owned: &Holdings) -> Result<Look> {
        persist(&self.path, &self.settings, || {
            immediate(&self.connection, || {
                again::look(&self.connection, &self.settings.job, &self.run, owned, &self.acknowledged)
            })
        })
    }

    /// SQLite goes on writing to a file that has lost its name, and nobody would find the rows.
    fn refuse_moved(&self) -> Result<()> {
        if self.locks.is_still(&self.path) {
            return Ok(());
        }
        Err(replaced(
            &self.path,
            "the database was moved, deleted or replaced while it was being written to. What was committed is in \
             the file that was there: put it back and run again to go on, or run again to load everything anew",
        ))
    }
}

impl Sink for Sqlite {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        work::with(recipe, Arc::clone(&self.encoder))
    }

    fn set_constants(&mut self, constants: &[Constant]) -> Result<()> {
        let mut columns = self.encoder.columns().to_vec();
        let findings = target::fill(&self.statements.target, &mut columns, constants);
        if !findings.is_empty() {
            return Err(ErrorKind::Unfit(findings).into());
        }
        self.encoder = Arc::new(SqliteEncoder::new(columns, hash_key(constants)));
        Ok(())
    }

    fn run_id(&self) -> Option<i64> {
        Some(self.run.id)
    }

    fn dataset(&self) -> Dataset {
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        let namespace = format!("sqlite:{}", path.display());
        Dataset { namespace, name: self.settings.table.remembered() }
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        self.has_taken_over = asked.take_over;
        let mut since = None;
        loop {
            let claimed = persist(&self.path, &self.settings, || {
                ownership::claim(&self.connection, &self.locks, &self.path, &self.scope, asked, self.run.id)
            })?;
            match claimed {
                Claimed::Ours { answers, owned, anew } => {
                    is_free(since, &self.settings.observer);
                    self.owned = owned;
                    if asked.rebuild.is_some() {
                        self.begin_rebuild(anew)?;
                    }
                    return Ok(answers);
                }
                Claimed::Busy(holder) => {
                    holder.wait(&mut since, asked.wait, self.settings.patience())?;
                }
            }
        }
    }

    fn cut(&mut self, cuts: &[Cut]) -> Result<()> {
        let Sqlite { path, settings, connection, locks, owned, run, .. } = self;
        persist(path, settings, || ownership::cut(connection, locks, path, cuts, owned, run.id))
    }

    fn open_lanes(&mut self, _lanes: usize) -> Result<usize> {
        self.settings
            .observer
            .warn("only one can write to a file of SQLite at a time, so it is loaded by one lane");
        Ok(1)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        if self.has_taken_over && !batch.is_replay() {
            // The other run leaves at its next batch. From then on a third one has to see
            // that these sources are held; until then it sees that of the other.
            for advance in &batch.advances {
                let taken = self.locks.take(advance.split);
                taken.map_err(|cause| Error::file("lock", &self.path, cause))?;
            }
        }
        self.refuse_moved()?;
        let moved = persist(&self.path, &self.settings, || {
            let is_within = self.rebuild.is_some();
            let settings = &self.settings;
            let of_letters = self.of_letters.as_ref().filter(|_| batch.is_replay());
            let statements = of_letters.unwrap_or(&self.statements);
            commit::transaction(&self.connection, is_within, settings, statements, batch, &self.owned)
        });
        let Moved { committed, after } = match moved {
            // That a checkpoint is not as we know it is all that the fence can say.
            Err(error) if matches!(error.kind(), ErrorKind::TakenOver) && self.rebuild.is_none() => {
                let look = self.look(&self.owned)?;
                let objection = look.objection(&self.owned, &self.acknowledged, self.run.id);
                return Err(objection.unwrap_or(error));
            }
            moved => moved?,
        };
        self.refuse_moved()?;
        if !batch.is_replay() {
            let acknowledged = match &mut self.rebuild {
                Some(rebuild) => &mut rebuild.acknowledged,
                None => &mut self.acknowledged,
            };
            acknowledged.note(batch, &committed.counts, &after, &self.owned);
        }
        Ok(committed)
    }

    fn carry_over(&mut self) -> Result<Option<Mended>> {
        self.carry_letters_over()
    }

    fn end_rebuild(&mut self) -> Result<Rebuilt> {
        self.commit_rebuild()
    }

    fn abandon(&mut self) -> Result<()> {
        self.roll_rebuild_back()
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        self.refuse_moved()?;
        let look = self.look(&Holdings::default())?;
        let Some(setbacks) = look.setbacks(&self.acknowledged) else { return Ok(None) };
        self.acknowledged.forget(&setbacks);
        self.owned = Holdings::default();
        if !look.has_run {
            self.run = persist(&self.path, &self.settings, || begin_run(&self.connection, &self.settings))?;
        }
        Ok(Some(setbacks))
    }

    fn standing(&mut self, sources: &[i32]) -> Result<Vec<Standing>> {
        persist(&self.path, &self.settings, || open_letters::standing(&self.connection, sources))
    }

    fn open_reasons(&mut self, source: i32) -> Result<Vec<ReasonCount>> {
        persist(&self.path, &self.settings, || {
            open_letters::reasons(&self.connection, "logmill_checkpoints", "d.source_id = ?1", &[&source])
        })
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        let sources = serde_json::json!(sources).to_string();
        let sql = format!(
            "SELECT count(*) FILTER (WHERE d.source_id IN (SELECT value FROM json_each(?1))), count(*)
             FROM logmill_dead_letters d WHERE d.job = ?2 AND d.state = 'open' AND {}",
            of_target("logmill_sources", "?3")
        );
        persist(&self.path, &self.settings, || {
            let open =
                self.connection.query_row(&sql, [&sources, &self.scope.job, &self.scope.target], |row| {
                    Ok(OpenLetters { selected: unsigned(row.get(0)?), job: unsigned(row.get(1)?) })
                })?;
            Ok(open)
        })
    }

    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>> {
        persist(&self.path, &self.settings, || {
            replay::open_letters(&self.connection, VERSION, &self.scope.target, filter, page)
        })
    }

    fn roll_up(&mut self, dates: &Dates) -> Result<RolledUp> {
        let mut rolled_up = RolledUp::default();
        if self.settings.rollups.metrics.is_empty() {
            return Ok(rolled_up);
        }
        let job = rollup::Job {
            settings: &self.settings,
            marks: &self.statements.marks,
            scope: &self.scope,
            target: &self.statements.target.name,
        };
        let due = persist(&self.path, &self.settings, || rollup::mark(&self.connection, job, dates))?;
        for date in due {
            if self.settings.stop.asked().is_some() || rolled_up.failed.len() >= FAILURES_MAX {
                break;
            }
            let failed =
                persist(&self.path, &self.settings, || rollup::compute(&self.connection, job, date))?;
            match failed {
                None => rolled_up.dates.push(date),
                Some(failed) => rolled_up.failed.push(failed),
            }
        }
        Ok(rolled_up)
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        self.roll_rebuild_back()?;
        let settings =
            Settings { retry_for: ending.retry_for(self.settings.retry_for), ..self.settings.clone() };
        persist(&self.path, &settings, || {
            pass("before-finish")?;
            // From here on, what was said to be done is on the disk.
            self.connection.pragma_update(None, "synchronous", "FULL")?;
            immediate(&self.connection, || {
                let look = again::look(
                    &self.connection,
                    &settings.job,
                    &self.run,
                    &Holdings::default(),
                    &self.acknowledged,
                )?;
                match look.setbacks(&self.acknowledged) {
                    Some(_) => Err(Trouble::Ours(went_back())),
                    None => {
                        if !self.is_as_it_was {
                            dates::end(&self.connection, &self.scope, ending.failure)?;
                        }
                        end_run(&self.connection, self.run.id, ending)
                    }
                }
            })
        })?;
        for (split, _) in self.owned.iter() {
            self.locks.give_back(split).map_err(|cause| Error::file("unlock", &self.path, cause))?;
        }
        self.refuse_moved()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_cannot_be_committed_is_not_in_the_way_of_the_next() {
        let connection = Connection::open_in_memory().expect("memory");
        connection
            .execute_batch(
                "PRAGMA foreign_keys = on; CREATE TABLE p (n INTEGER PRIMARY KEY);
                 CREATE TABLE t (n INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
            )
            .expect("made");
        let insert = |sql: &str| immediate(&connection, || Ok(connection.execute_batch(sql)?));
        insert("INSERT INTO t VALUES (1)").expect_err("no parent");
        insert("INSERT INTO p VALUES (1); INSERT INTO t VALUES (1)").expect("a transaction of its own");
    }
}
