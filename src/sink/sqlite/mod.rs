//! SQLite: the same promises in one file, and no server.
//!
//! Rows, dead letters, counters and checkpoints are written in one IMMEDIATE transaction per batch. The
//! database is in WAL mode with `synchronous = NORMAL`, which keeps every transaction whole and in order
//! through any crash; after a power loss the last ones may be missing together with their checkpoints. The
//! last commit of a run is FULL, so that what the summary says is on the disk.
//!
//! Each row goes through one prepared statement: VALUES lists of many rows were never faster in measurements.
//! So a refused row is found where it is refused, and costs only itself.

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
mod prepare;
mod rebuild;
mod refusal;
mod replay;
mod rollup;
mod scratch;
mod state;
mod statements;
mod stored;
mod tables;
mod target;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};

use again::Run;
pub(in crate::sink) use destination::{is_named, make};
use encode::SqliteEncoder;
use history::SqliteHistory;
use lock::SourceLocks;
use marks::Marks;
use prepare::{
    begin_run, connect, look_at_past, open_existing, open_locks, past, prepare, refuse_files_of_others,
    refuse_lost_target, replaced, set_up,
};
use rebuild::Rebuilding;
use refusal::{Verdict, advice, message, verdict};
pub(in crate::sink) use scratch::scratch;
pub(in crate::sink) use state::SqliteState;
use statements::Statements;
use tables::{
    TABLES_SQL, VERSION, VERSION_OF_MARKS, check_present, check_version, dates_of_version, has_tables,
    letters_of_version, of_version, runs_of_version,
};
use target::Target;

use super::bar::Standing;
use super::claim::{Scope, is_free, unsigned};
use super::commit::Moved;
use super::constant::hash_key;
use super::destination::Settings;
use super::history::{Filter, ReasonCount, of_target};
use super::ledger::{Acknowledged, Claimed, Holdings, Look, went_back};
use super::rebuild::{Mended, Rebuilt};
use super::replay::{OpenLetter, Page};
use super::rollup::{Dates, FAILURES_MAX, RolledUp};
use super::{Answer, Asked, Batch, Committed, Constant, Cut, Ending, OpenLetters, Setback, Sink, TableName};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Dataset;
use crate::failpoint;
use crate::outage::Outage;
use crate::trust::make_private;
use crate::work::{self, Recipe, Work};

/// An SQLite database as a destination.
pub struct Sqlite {
    path: PathBuf,
    settings: Settings,
    // Declared before the locks, because these must be dropped after it.
    connection: Connection,
    locks: SourceLocks,
    /// The locks may still belong to a run that was taken over.
    has_taken_over: bool,
    scope: Scope,
    statements: Statements,
    /// The same for the letters of a rebuild.
    of_letters: Option<Statements>,
    encoder: Arc<SqliteEncoder>,
    run: Run,
    owned: Holdings,
    acknowledged: Acknowledged,
    /// The rebuild in progress: all batches are in its transaction.
    rebuild: Option<Rebuilding>,
    /// A rebuild that has not committed: its sources are as they were.
    is_as_it_was: bool,
}

/// How long SQLite itself waits for another writer before control returns.
const BUSY_WAIT: Duration = Duration::from_millis(500);

/// What went wrong, before it is judged.
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

/// Passes a failpoint. An injected failure is final: there is no connection to lose.
fn pass(point: &'static str) -> Result<(), Trouble> {
    match failpoint::reached(point) {
        true => Err(Trouble::Ours(Error::broken(format!("failpoint {point}")))),
        false => Ok(()),
    }
}

/// Tries `work` until it succeeds, or waiting is pointless.
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
    /// Opens the database, and prepares everything up to the first row. A database that was merely found is
    /// used only if no other user could have put it there.
    pub fn open(path: &Path, is_found: bool, settings: Settings) -> Result<Sqlite> {
        let connection = persist(path, &settings, || connect(path))?;
        let locks = open_locks(path, is_found)?;
        persist(path, &settings, || set_up(&connection))?;
        // Somebody may have put it there just before SQLite opened it.
        persist(path, &settings, || refuse_files_of_others(path))?;
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

/// Runs `work` in a transaction that excludes other writers. No failure, not even of COMMIT, leaves a
/// transaction behind in which the next one could not begin.
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

fn unfit(finding: String) -> Trouble {
    Trouble::Ours(ErrorKind::Unfit(vec![finding]).into())
}

/// The scope of the sources that a run asks for, in this table.
fn scope(settings: &Settings, table: &str) -> Scope {
    let table = TableName { schema: None, name: table.to_owned() };
    Scope { job: settings.job.clone(), target: table.remembered(), data_date: settings.data_date }
}

/// Releases what the run holds, and closes its row.
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
    /// Reads the checkpoints, with all writers that could move them kept out.
    fn look(&self, owned: &Holdings) -> Result<Look> {
        persist(&self.path, &self.settings, || {
            immediate(&self.connection, || {
                again::look(&self.connection, &self.settings.job, &self.run, owned, &self.acknowledged)
            })
        })
    }

    /// SQLite keeps writing to a file that has lost its name, where the rows would never be found.
    fn refuse_moved(&self) -> Result<()> {
        if self.locks.is_still(&self.path) {
            return Ok(());
        }
        Err(replaced(
            &self.path,
            "the database was moved, deleted or replaced while it was being written to. What was committed \
            is in the old file: put it back to resume, and run the same command again; without it, the command \
            loads everything from the start",
        ))
    }
}

/// The name of a file's table in lineage.
fn dataset(path: &Path, table: &TableName) -> Dataset {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Dataset { namespace: format!("sqlite:{}", path.display()), name: table.remembered() }
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
        dataset(&self.path, &self.settings.table)
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
        self.settings.observer.warn("SQLite allows only one writer at a time, so there is only one lane");
        Ok(1)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        if self.has_taken_over && !batch.is_replay() {
            // The other run leaves at its next batch. From then on the locks must show a third run that these
            // sources are held; until then it sees those of the other.
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
            // The fence can only say that a checkpoint is not in the expected state.
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
            // From here on, whatever is reported as done is on the disk.
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
