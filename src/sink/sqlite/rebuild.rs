//! A rebuild in SQLite: one IMMEDIATE transaction around all batches.
//!
//! Readers of a database in WAL mode see the old content until it ends; other writers wait for it.

use rusqlite::{Connection, params};

use super::forget::{delete_all, delete_source, of_sources};
use super::statements::Statements;
use super::{Scope, Sqlite, Trouble, dates, pass, persist, unfit};
use crate::error::Result;
use crate::sink::claim::{lost_ownership, signed, stored_inode, unsigned};
use crate::sink::ledger::{Acknowledged, Anew};
use crate::sink::rebuild::{
    BEFORE, Mended, Provenance, Rebuilt, Words, carry_over_sql, day_column, decisions_sql, is_decided_sql,
    listed, mended_sql, not_alone,
};
use crate::source::{Container, Hash16, hash16};

/// A rebuild in progress.
#[derive(Debug)]
pub(super) struct Rebuilding {
    pub(super) anew: Vec<Anew>,
    /// Its effects so far.
    pub(super) rebuilt: Rebuilt,
    /// What counts as acknowledged once it is committed.
    pub(super) acknowledged: Acknowledged,
    /// People had decided something about a letter that existed.
    pub(super) has_decisions: bool,
}

const WORDS: Words<'static> = Words {
    letters: "logmill_dead_letters",
    before: "temp.logmill_before",
    codes: "(SELECT group_concat(r.code) FROM (SELECT json_extract(value, '$.code') AS code
                                              FROM json_each(d.reasons) ORDER BY 1) r)",
};

impl Sqlite {
    /// Begins the transaction of a rebuild, whose sources are held.
    pub(super) fn begin_rebuild(&mut self, anew: Vec<Anew>) -> Result<()> {
        let told = Told {
            scope: &self.scope,
            statements: &self.statements,
            provenance: Provenance::of(&self.settings),
            rules_hash: self.settings.rules_hash,
            run: self.run.id,
        };
        let begun = persist(&self.path, &self.settings, || {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            let begun = begin(&self.connection, &told, &anew);
            if begun.is_err() && !self.connection.is_autocommit() {
                let _ = self.connection.execute_batch("ROLLBACK");
            }
            begun
        });
        let acknowledged = Acknowledged::default();
        self.rebuild = Some(Rebuilding { anew, rebuilt: begun?, acknowledged, has_decisions: false });
        Ok(())
    }

    /// The result of [`Sink::carry_over`](crate::sink::Sink::carry_over).
    pub(super) fn carry_letters_over(&mut self) -> Result<Option<Mended>> {
        let Some(rebuild) = &mut self.rebuild else { return Ok(None) };
        let ids = carry_over(&self.connection, &rebuild.anew);
        let ids = ids.map_err(|trouble| trouble.into_error(&self.path))?;
        rebuild.has_decisions = ids.is_some();
        Ok(Mended::of(&self.settings, ids.unwrap_or_default()))
    }

    /// Commits all of it.
    pub(super) fn commit_rebuild(&mut self) -> Result<Rebuilt> {
        let Some(rebuild) = &self.rebuild else { return Ok(Rebuilt::default()) };
        let mut rebuilt = rebuild.rebuilt;
        if rebuild.has_decisions {
            let decided = decisions(&self.connection, &rebuild.anew, rebuilt);
            rebuilt = decided.map_err(|trouble| trouble.into_error(&self.path))?;
        }
        persist(&self.path, &self.settings, || end(&self.connection))?;
        self.refuse_moved()?;
        if let Some(rebuild) = self.rebuild.take() {
            self.acknowledged = rebuild.acknowledged;
        }
        self.is_as_it_was = false;
        Ok(rebuilt)
    }

    /// Rolls all of it back, if one is in progress.
    pub(super) fn roll_rebuild_back(&mut self) -> Result<()> {
        if self.rebuild.take().is_some() && !self.connection.is_autocommit() {
            let rolled_back = self.connection.execute_batch("ROLLBACK");
            rolled_back.map_err(|error| Trouble::Sqlite(error).into_error(&self.path))?;
        }
        Ok(())
    }
}

/// Runs `work` within a larger transaction; after an error nothing of the work remains.
pub(super) fn savepoint<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    connection.execute_batch("SAVEPOINT batch")?;
    let result = work();
    // A trigger may have rolled back the whole transaction.
    if !connection.is_autocommit() {
        let undo = if result.is_err() { "ROLLBACK TO batch; " } else { "" };
        connection.execute_batch(&format!("{undo}RELEASE batch"))?;
    }
    result
}

/// The parameters of a rebuild.
struct Told<'a> {
    scope: &'a Scope,
    statements: &'a Statements,
    provenance: Option<Provenance>,
    rules_hash: Hash16,
    run: i64,
}

/// Removes what the sources had, in a transaction that has begun.
fn begin(connection: &Connection, told: &Told<'_>, anew: &[Anew]) -> Result<Rebuilt, Trouble> {
    pass("before-rebuild")?;
    compare(connection, anew, told.run)?;
    let day = told.provenance.and_then(Provenance::day);
    if day.is_some() {
        refuse_others(connection, told)?;
    }
    let sources = listed(anew.iter().map(|it| it.id));
    let dead_letters_superseded = supersede(connection, &sources)?;
    pass("after-superseded")?;
    let of_rebuild = match day {
        Some(date) => format!("{} = '{date}'", day_column()),
        None => of_sources(&sources),
    };
    refuse_cascades(connection, &told.statements.target.name)?;
    let Statements { marks, target, .. } = told.statements;
    if marks.are_wanted(connection)? {
        let mut days = marks.days_where(connection, &target.name, &of_rebuild)?;
        days.extend(marks.days_of_letters(connection, anew.iter().map(|it| it.id))?);
        marks.write(connection, None, &days)?;
    }
    let rows_removed = delete_all(connection, &told.statements.target, &of_rebuild, "rebuilt")?;
    pass("after-rows-deleted")?;
    let mut rebuilt = Rebuilt { rows_removed, dead_letters_superseded, ..Rebuilt::default() };
    for it in anew {
        match &it.file {
            Some(_) => set_back(connection, it, told.rules_hash)?,
            None => {
                remove(connection, it)?;
                rebuilt.sources_removed += 1;
            }
        }
    }
    dates::begin(connection, told.scope)?;
    pass("after-set-back")?;
    Ok(rebuilt)
}

/// Compares the checkpoints with the claimed ones: another run may have taken them since.
fn compare(connection: &Connection, anew: &[Anew], run: i64) -> Result<(), Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM logmill_checkpoints
         WHERE source_id = ?1 AND split_start = ?2 AND epoch = ?3 AND owner_run = ?4",
    )?;
    for (split, epoch) in anew.iter().flat_map(|it| &it.splits) {
        let found: i64 =
            statement.query_row(params![split.source, signed(split.start), epoch, run], |row| row.get(0))?;
        if found != 1 {
            return Err(Trouble::Ours(lost_ownership()));
        }
    }
    Ok(())
}

/// If rows name only their day, those of another job would be removed too.
fn refuse_others(connection: &Connection, told: &Told<'_>) -> Result<(), Trouble> {
    let mut statement = connection.prepare(
        "SELECT s.job FROM logmill_sources s WHERE s.target = ?2 AND s.job <> ?1 ORDER BY s.job LIMIT 1",
    )?;
    let mut others = statement.query(params![told.scope.job, told.scope.target])?;
    match others.next()? {
        Some(row) => Err(Trouble::Ours(not_alone(&told.statements.target.name, &row.get::<_, String>(0)?))),
        None => Ok(()),
    }
}

/// Refuses a target whose rows, when they are deleted, delete or change rows of other tables: the new rows
/// would not restore them.
fn refuse_cascades(connection: &Connection, target: &str) -> Result<(), Trouble> {
    let mut statement = connection.prepare(
        "SELECT m.name FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
         WHERE m.type = 'table' AND lower(f.\"table\") = lower(?1)
           AND f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT') ORDER BY m.name LIMIT 1",
    )?;
    let mut cascades = statement.query([target])?;
    match cascades.next()? {
        Some(row) => Err(unfit(format!(
            "rows of {} go or change with those that they refer to, and a rebuild would not bring them back; drop that \
             foreign key for it",
            row.get::<_, String>(0)?
        ))),
        None => Ok(()),
    }
}

/// Supersedes the letters, and remembers what they were.
fn supersede(connection: &Connection, sources: &str) -> Result<u64, Trouble> {
    let before = WORDS.before;
    connection.execute_batch(&format!(
        "CREATE TEMPORARY TABLE {BEFORE} AS SELECT d.id, d.state FROM logmill_dead_letters d
         WHERE d.source_id IN ({sources}) AND d.state <> 'superseded'"
    ))?;
    let superseded = connection.execute(
        &format!(
            "UPDATE logmill_dead_letters SET state = 'superseded', last_seen = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
             WHERE id IN (SELECT id FROM {before})"
        ),
        [],
    )?;
    Ok(superseded as u64)
}

/// Removes a source that no longer has a file.
fn remove(connection: &Connection, gone: &Anew) -> Result<(), Trouble> {
    connection.execute(
        &format!(
            "UPDATE logmill_dead_letters SET note = concat_ws('; ', note, ?2)
             WHERE source_id = ?1 AND id IN (SELECT id FROM {})",
            WORDS.before
        ),
        params![gone.id, format!("of {}, which has no file any more", gone.name)],
    )?;
    delete_source(connection, gone.id)
}

/// Resets a source to its start, as its file is now, as one split.
fn set_back(connection: &Connection, anew: &Anew, rules_hash: Hash16) -> Result<(), Trouble> {
    let Some(file) = &anew.file else { return Ok(()) };
    let print = &file.fingerprint;
    let (device, inode) = stored_inode(print.inode);
    let mut source = connection.prepare_cached(
        "UPDATE logmill_sources SET generation = ?2, name = ?3, size = ?4, head_len = ?5, head_hash = ?6, device = ?7,
             inode = ?8, tail_start = NULL
         WHERE id = ?1",
    )?;
    source.execute(params![
        anew.id,
        anew.generation,
        file.name,
        print.size.map_or(0, signed),
        print.head_len,
        print.head_hash.0,
        device,
        inode
    ])?;
    if anew.has_other_containers {
        connection.execute("DELETE FROM logmill_containers WHERE source_id = ?1", [anew.id])?;
        if let Some(Container { size, head_hash, tail_hash }) = print.container {
            let seen = params![anew.id, signed(size), head_hash.0, tail_hash.0];
            connection.execute("INSERT INTO logmill_containers VALUES (?1, ?2, ?3, ?4)", seen)?;
        }
    }
    connection
        .execute("DELETE FROM logmill_checkpoints WHERE source_id = ?1 AND split_start <> 0", [anew.id])?;
    let mut checkpoint = connection.prepare_cached(
        "UPDATE logmill_checkpoints
         SET split_end = NULL, position = 0, lines = 0, tail_len = 0, tail_hash = ?2, complete = 0, preamble = NULL,
             epoch = ?3, rules_hash = ?4, rules_since = 0, inserted = 0, updated = 0, unchanged = 0, superseded = 0,
             rejected = 0, blank = 0, skipped = 0, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
         WHERE source_id = ?1 AND split_start = 0",
    )?;
    checkpoint.execute(params![anew.id, hash16(b"").0, anew.epoch(), rules_hash.0])?;
    Ok(())
}

/// Carries over decisions about letters, and returns the letters to retry with their mended bytes. `None` if
/// nothing was decided.
fn carry_over(connection: &Connection, anew: &[Anew]) -> Result<Option<Vec<i64>>, Trouble> {
    if !connection.query_row(&is_decided_sql(&WORDS), [], |row| row.get::<_, bool>(0))? {
        return Ok(None);
    }
    let sources = listed(anew.iter().map(|it| it.id));
    connection.execute_batch(&carry_over_sql(&WORDS, &sources))?;
    let mut mended = connection.prepare(&mended_sql(&WORDS, &sources))?;
    let ids = mended.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    pass("after-carried-over")?;
    Ok(Some(ids))
}

/// The outcome of the decisions.
fn decisions(connection: &Connection, anew: &[Anew], rebuilt: Rebuilt) -> Result<Rebuilt, Trouble> {
    let sources = listed(anew.iter().map(|it| it.id));
    Ok(connection.query_row(&decisions_sql(&WORDS, &sources), [], |row| {
        Ok(Rebuilt {
            discarded_again: unsigned(row.get(0)?),
            mended_again: unsigned(row.get(1)?),
            undone: unsigned(row.get(2)?),
            ..rebuilt
        })
    })?)
}

/// Ends the transaction: from here on the rebuild has taken effect. Can be retried.
fn end(connection: &Connection) -> Result<(), Trouble> {
    pass("before-rebuild-commit")?;
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {}; COMMIT", WORDS.before))?;
    pass("after-rebuild-commit")
}
