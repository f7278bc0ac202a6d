//! One batch, one transaction, in SQLite.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, params};

use super::encode::{Bound, Values};
use super::rebuild::savepoint;
use super::refusal::{Verdict, is_orphaned, orphaned, refused, verdict};
use super::replay;
use super::statements::Statements;
use super::{Settings, Trouble, immediate, pass};
use crate::error::{Error, ErrorKind};
use crate::sink::batch::Stored;
use crate::sink::claim::{lost_ownership, signed};
use crate::sink::commit::{Checkpoints, Letters, Marking, Moved, Rows, Touched, Written, commit};
use crate::sink::dead_letter::{Evidence, Letter, Refused};
use crate::sink::ledger::{Holding, Holdings};
use crate::sink::progress::Progress;
use crate::sink::rebuild::of_another_day;
use crate::sink::{Batch, Counts};
use crate::split::Split;

/// Commits `batch`, in a transaction of its own or within that of a rebuild. After an error nothing of it
/// remains.
pub(super) fn transaction(
    connection: &Connection,
    is_within: bool,
    settings: &Settings,
    statements: &Statements,
    batch: &Batch,
    owned: &Holdings,
) -> Result<Moved, Trouble> {
    pass("before-begin")?;
    let work = |orphan_sql| {
        let (refused, moved) = (Vec::new(), None);
        let days = statements.marks.are_wanted(connection)?.then(BTreeSet::new);
        let mut transaction = Transaction {
            connection,
            is_within,
            settings,
            statements,
            batch,
            owned,
            orphan_sql,
            refused,
            days,
            moved,
        };
        commit(&mut transaction, batch, settings.raw_max, pass)?;
        Ok(transaction.moved.expect("a commit ends with the checkpoints"))
    };
    let write = |orphan_sql| immediate(connection, || work(orphan_sql));
    let moved = match is_within {
        // A rebuild's COMMIT comes much later, and would name no row: each row is checked.
        true => savepoint(connection, || work(statements.any_orphan_sql.as_ref())),
        false => match write(statements.orphan_sql.as_ref()) {
            // A deferred foreign key of the target to itself fails at COMMIT and names no row. The batch is
            // written again with each row checked, as it is from the start for a parent in another table.
            Err(Trouble::Sqlite(error)) if is_orphaned(&error) && statements.any_orphan_sql.is_some() => {
                write(statements.any_orphan_sql.as_ref())
            }
            moved => moved,
        },
    }?;
    pass("after-commit")?;
    Ok(moved)
}

/// A transaction that writes a batch.
struct Transaction<'a> {
    connection: &'a Connection,
    /// It is part of a rebuild's transaction.
    is_within: bool,
    settings: &'a Settings,
    statements: &'a Statements,
    batch: &'a Batch,
    owned: &'a Holdings,
    /// Checks whether what a written row refers to exists.
    orphan_sql: Option<&'a String>,
    /// In a replay: the letters that were refused again, by id.
    refused: Vec<i64>,
    /// The dates to mark, if the target has metrics.
    days: Option<BTreeSet<NaiveDate>>,
    moved: Option<Moved>,
}

impl Checkpoints for Transaction<'_> {
    type Trouble = Trouble;

    fn fence(&mut self) -> Result<Vec<Stored>, Trouble> {
        let stored = match self.batch.is_replay() {
            true => replay::fence(self.connection, self.batch)?,
            false => fence(self.connection, self.batch, self.owned)?,
        };
        compare_target(self.connection, self.statements)?;
        Ok(stored)
    }

    fn advance(&mut self, deltas: &[Counts], moved: Moved) -> Result<(), Trouble> {
        match self.batch.is_replay() {
            true => {
                replay::move_letters(self.connection, self.batch, &self.refused, self.settings.rules_hash)?;
            }
            false => move_checkpoints(self.connection, self.batch, self.owned, deltas)?,
        }
        if let Some(progress) = &self.batch.progress {
            write_progress(self.connection, progress, moved.committed.refused.len())?;
        }
        self.moved = Some(moved);
        Ok(())
    }
}

impl Rows for Transaction<'_> {
    fn write_rows(&mut self) -> Result<Written, Trouble> {
        let mut rows = RowWriter::new(self.connection, self.statements, self.batch)?;
        if let Some(sql) = self.orphan_sql {
            rows.orphan = Some(self.connection.prepare_cached(sql)?);
        }
        if let Some(sql) = self.statements.of_another_day_sql.as_ref().filter(|_| self.is_within) {
            rows.of_another_day = Some(self.connection.prepare_cached(sql)?);
        }
        if let (Some(_), Some(_), Some(sql)) = (&self.days, &rows.resolve, &self.statements.replaced_sql) {
            rows.replaced = Some((self.connection.prepare_cached(sql)?, BTreeSet::new()));
        }
        rows.write_all()?;
        if let (Some(days), Some((_, replaced))) = (&mut self.days, &rows.replaced) {
            days.extend(self.statements.marks.days_of(replaced));
        }
        Ok(Written { counts: rows.counts, refused: rows.refused })
    }

    fn forget_row(&mut self, source_id: i32, offset: u64) -> Result<(), Trouble> {
        if let Some(days) = &mut self.days {
            let is_it = format!("t.source_id = {source_id} AND t.source_offset = {}", signed(offset));
            let Statements { marks, target, .. } = self.statements;
            days.extend(marks.days_where(self.connection, &target.name, &is_it)?);
        }
        let mut forget = self.connection.prepare_cached(&self.statements.forget_sql)?;
        forget.execute(params![source_id, signed(offset)])?;
        Ok(())
    }
}

impl Marking for Transaction<'_> {
    fn mark_dates(&mut self, touched: &Touched) -> Result<(), Trouble> {
        let Some(mut days) = self.days.take() else { return Ok(()) };
        touched.add_days(self.batch, &mut days);
        let marks = &self.statements.marks;
        if touched.letters {
            let sources = self.batch.advances.iter().map(|advance| advance.split.source);
            days.extend(marks.days_of_letters(self.connection, sources)?);
        }
        marks.write(self.connection, None, &days)
    }
}

impl Letters for Transaction<'_> {
    fn supersede(&mut self, source_id: i32, offset: u64) -> Result<Option<i32>, Trouble> {
        let superseded = self.connection.query_row(
            "UPDATE logmill_dead_letters SET state = 'superseded', last_seen = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
             WHERE source_id = ?1 AND source_offset = ?2 AND state <> 'superseded'
             RETURNING attempts",
            params![source_id, signed(offset)],
            |row| row.get(0),
        );
        Ok(superseded.optional()?)
    }

    fn write_letters(&mut self, letters: &[Letter<'_>]) -> Result<(), Trouble> {
        if self.batch.is_replay() {
            self.refused = replay::refuse(self.connection, self.batch, letters, self.settings.rules_hash)?;
            return Ok(());
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO logmill_dead_letters (job, source_id, source_offset, line, length, raw, raw_hash, stage, reasons,
                                               rules_hash, preamble, attempts, generation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        for letter in letters {
            let (raw, hash) = match &letter.record {
                Evidence::Raw(raw) => (Some(&raw[..]), None),
                Evidence::Hash(hash) => (None, Some(&hash[..])),
            };
            statement.execute(params![
                self.settings.job,
                letter.source_id,
                signed(letter.span.start),
                signed(letter.line),
                signed(letter.span.len()),
                raw,
                hash,
                letter.stage.as_str(),
                letter.reasons,
                self.settings.rules_hash.0,
                letter.preamble,
                letter.attempts,
                self.owned.generation_of(letter.source_id, self.batch)
            ])?;
            pass("mid-dead-letters")?;
        }
        Ok(())
    }
}

/// Compares the checkpoints of the batch. The transaction already excludes other writers, so what is read
/// here stays true until COMMIT.
fn fence(connection: &Connection, batch: &Batch, owned: &Holdings) -> Result<Vec<Stored>, Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT position, epoch,
                ?3 AND EXISTS (SELECT 1 FROM logmill_checkpoints o
                               WHERE o.source_id = ?1 AND o.split_start <> ?2 AND NOT o.complete),
                lines, inserted, updated, unchanged, superseded, rejected, blank, skipped
         FROM logmill_checkpoints WHERE source_id = ?1 AND split_start = ?2",
    )?;
    let mut all = Vec::with_capacity(batch.advances.len());
    for advance in &batch.advances {
        let Split { source, start } = advance.split;
        let Holding { epoch, is_part, .. } = owned.get(advance.split);
        let found = statement
            .query_row(params![source, signed(start), advance.completes && is_part], |row| {
                let stored = Stored { has_open_siblings: row.get(2)?, counts: counts(row, 3)? };
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, stored))
            })
            .optional()?;
        match found {
            Some((position, stored_epoch, stored))
                if position == signed(advance.from) && stored_epoch == epoch =>
            {
                all.push(stored);
            }
            _ => return Err(Trouble::Ours(lost_ownership())),
        }
    }
    Ok(all)
}

/// The counters of a checkpoint, from this column of a row on.
pub(super) fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    Ok(Counts::stored(Counts {
        lines: row.get(first)?,
        inserted: row.get(first + 1)?,
        updated: row.get(first + 2)?,
        unchanged: row.get(first + 3)?,
        superseded: row.get(first + 4)?,
        rejected: row.get(first + 5)?,
        blank: row.get(first + 6)?,
        skipped: row.get(first + 7)?,
        ..Counts::default()
    }))
}

fn compare_target(connection: &Connection, statements: &Statements) -> Result<(), Trouble> {
    let mut statement =
        connection.prepare_cached("SELECT sql FROM sqlite_schema WHERE name = ?1 AND type = 'table'")?;
    let definition: Option<String> =
        statement.query_row([&statements.target.name], |row| row.get(0)).optional()?;
    if definition.as_deref() == Some(&statements.target.definition) {
        return Ok(());
    }
    Err(Trouble::Ours(
        ErrorKind::DatabaseFile {
            doing: "looking at the target's columns".to_owned(),
            code: None,
            message: format!(
                "{} was changed during the run. What was committed is kept. To resume, run the same command again",
                statements.target.name
            ),
        }
        .into(),
    ))
}

/// Writes the rows of a batch, one by one.
struct RowWriter<'c> {
    connection: &'c Connection,
    statements: &'c Statements,
    batch: &'c Batch,
    /// Inserts; if the key may exist already, only if it does not.
    insert: CachedStatement<'c>,
    /// What to do if the key exists.
    resolve: Option<Resolve<'c>>,
    /// Checks the references of each written row.
    orphan: Option<CachedStatement<'c>>,
    /// Asks whether the row with a key belongs to another day, which a rebuild does not change.
    of_another_day: Option<CachedStatement<'c>>,
    /// Selects the dates of rows about to be replaced; and the dates found.
    replaced: Option<(CachedStatement<'c>, BTreeSet<String>)>,
    counts: Vec<Counts>,
    refused: Vec<Refused>,
}

struct Resolve<'c> {
    update: Option<CachedStatement<'c>>,
    compare: CachedStatement<'c>,
}

/// The outcome of a row.
enum Fate {
    Inserted,
    Updated,
    Unchanged,
    Superseded,
}

impl<'c> RowWriter<'c> {
    fn new(
        connection: &'c Connection,
        statements: &'c Statements,
        batch: &'c Batch,
    ) -> Result<Self, Trouble> {
        let meets = meets_rows(connection, statements, batch)?;
        let (insert, resolve) = match (&statements.insert_absent_sql, &statements.compare_sql) {
            (Some(insert_absent), Some(compare)) if meets => {
                let update =
                    statements.update_sql.as_ref().map(|sql| connection.prepare_cached(sql)).transpose()?;
                let compare = connection.prepare_cached(compare)?;
                (connection.prepare_cached(insert_absent)?, Some(Resolve { update, compare }))
            }
            _ => (connection.prepare_cached(&statements.insert_sql)?, None),
        };
        let counts = vec![Counts::default(); batch.advances.len()];
        Ok(RowWriter {
            connection,
            statements,
            batch,
            insert,
            resolve,
            orphan: None,
            of_another_day: None,
            replaced: None,
            counts,
            refused: Vec::new(),
        })
    }

    fn write_all(&mut self) -> Result<(), Trouble> {
        let batch = self.batch;
        for (split, rows) in batch.runs(0..batch.rows()) {
            let advance = batch.advance_of(split);
            for row in rows {
                let bytes = batch.row(row);
                match self.write_or_refuse(bytes) {
                    Ok(fate) => {
                        let counts = &mut self.counts[advance];
                        match fate {
                            Fate::Inserted => counts.inserted += 1,
                            Fate::Updated => counts.updated += 1,
                            Fate::Unchanged => counts.unchanged += 1,
                            Fate::Superseded => counts.superseded += 1,
                        }
                    }
                    Err(Trouble::Sqlite(error)) if verdict(&error, true) == Verdict::Isolate => {
                        if self.connection.is_autocommit() {
                            return Err(Trouble::Ours(rolled_back(&self.statements.target.name)));
                        }
                        pass("after-refusal")?;
                        self.refused.push(refused(row, &error));
                    }
                    Err(trouble) => return Err(trouble),
                }
                if row == 0 {
                    pass("mid-copy")?;
                }
            }
        }
        Ok(())
    }

    /// Writes a row, and refuses it if it must be checked and has a dangling reference.
    fn write_or_refuse(&mut self, bytes: &[u8]) -> Result<Fate, Trouble> {
        if self.orphan.is_none() {
            return self.write(bytes);
        }
        self.connection.execute_batch("SAVEPOINT row")?;
        let fate = self.write(bytes).and_then(|fate| match self.is_orphan(bytes, &fate)? {
            true => Err(Trouble::Sqlite(orphaned())),
            false => Ok(fate),
        });
        if !self.connection.is_autocommit() {
            let undo = if fate.is_err() { "ROLLBACK TO row; " } else { "" };
            self.connection.execute_batch(&format!("{undo}RELEASE row"))?;
        }
        fate
    }

    /// Whether a written row refers to one that does not exist.
    fn is_orphan(&mut self, bytes: &[u8], fate: &Fate) -> Result<bool, Trouble> {
        let (Some(orphan), Fate::Inserted | Fate::Updated) = (&mut self.orphan, fate) else {
            return Ok(false);
        };
        bind(orphan, bytes)?;
        let mut rows = orphan.raw_query();
        Ok(rows.next()?.map(|row| row.get::<_, Option<bool>>(0)).transpose()?.flatten().unwrap_or(false))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<Fate, Trouble> {
        bind(&mut self.insert, bytes)?;
        if self.insert.raw_execute()? == 1 {
            return Ok(Fate::Inserted);
        }
        let Some(resolve) = &mut self.resolve else {
            return Err(Trouble::Ours(swallowed(&self.statements.target.name)));
        };
        if let (Some(asked), Some(day)) = (&mut self.of_another_day, self.statements.day) {
            bind(asked, bytes)?;
            if asked.raw_query().next()?.is_some() {
                return Err(Trouble::Ours(of_another_day(&self.statements.target.name, day)));
            }
        }
        if let Some(update) = &mut resolve.update {
            let mut date = None;
            if let Some((replaced, dates)) = &mut self.replaced {
                bind(replaced, bytes)?;
                let mut rows = replaced.raw_query();
                if let Some(row) = rows.next()?
                    && let ValueRef::Text(text) = row.get_ref(0)?
                    && let Ok(text) = std::str::from_utf8(text)
                {
                    date = (!dates.contains(text)).then(|| text.to_owned());
                }
            }
            bind(update, bytes)?;
            if update.raw_execute()? == 1 {
                if let Some((_, dates)) = &mut self.replaced {
                    dates.extend(date);
                }
                return Ok(Fate::Updated);
            }
        }
        bind(&mut resolve.compare, bytes)?;
        let mut rows = resolve.compare.raw_query();
        match rows.next()? {
            Some(row) if row.get(0)? => Ok(Fate::Unchanged),
            Some(_) => Ok(Fate::Superseded),
            None => Err(Trouble::Ours(swallowed(&self.statements.target.name))),
        }
    }
}

/// Binds the values of a row. A statement uses only the parameters that it names.
#[inline]
fn bind(statement: &mut CachedStatement<'_>, bytes: &[u8]) -> Result<(), Trouble> {
    let count = statement.parameter_count();
    for (index, value) in Values(bytes).enumerate().take(count) {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

impl rusqlite::ToSql for Bound<'_> {
    #[inline]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Bound::Null => ValueRef::Null,
            Bound::Int(value) => ValueRef::Integer(*value),
            Bound::Float(value) => ValueRef::Real(*value),
            Bound::Text(text) => ValueRef::Text(text),
        }))
    }
}

/// Whether rows of the batch can meet existing rows. For a position key this is queried; with other keys they
/// always can.
fn meets_rows(connection: &Connection, statements: &Statements, batch: &Batch) -> Result<bool, Trouble> {
    let Some(probe_sql) = &statements.probe_sql else { return Ok(true) };
    let mut probe = connection.prepare_cached(probe_sql)?;
    for advance in &batch.advances {
        let from = advance.again.map_or(advance.from, |again| again.offset.min(advance.from));
        if probe
            .query_row(params![advance.split.source, signed(from), signed(advance.to)], |row| row.get(0))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn swallowed(table: &str) -> Error {
    ErrorKind::DatabaseFile {
        doing: format!("writing to {table}"),
        code: None,
        message: "a trigger drops rows without an error. The batch was rolled back; drop the trigger for \
                  the load, or let it raise an error"
            .to_owned(),
    }
    .into()
}

fn rolled_back(table: &str) -> Error {
    ErrorKind::DatabaseFile {
        doing: format!("writing to {table}"),
        code: None,
        message: "a constraint or trigger of the table rolls the whole transaction back, so that one bad row would cost \
                  all others; let it abort instead"
            .to_owned(),
    }
    .into()
}

/// The progress of the lane, for people.
fn write_progress(connection: &Connection, progress: &Progress, refused: usize) -> Result<(), Trouble> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO logmill_progress
             (run, lane, records, rejected, bytes, bytes_total, records_per_s, bytes_per_s, points)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        progress.run,
        progress.lane,
        signed(progress.records),
        signed(progress.rejected + refused as u64),
        signed(progress.bytes),
        signed(progress.bytes_total),
        signed(progress.records_per_second),
        signed(progress.bytes_per_second),
        progress.stored_points()
    ])?;
    Ok(())
}

fn move_checkpoints(
    connection: &Connection,
    batch: &Batch,
    owned: &Holdings,
    deltas: &[Counts],
) -> Result<(), Trouble> {
    let mut checkpoint = connection.prepare_cached(
        "UPDATE logmill_checkpoints SET
             position = ?4, lines = lines + ?5, tail_len = ?6, tail_hash = ?7, complete = ?8,
             owner_run = CASE WHEN ?8 THEN NULL ELSE owner_run END,
             owner_pid = CASE WHEN ?8 THEN NULL ELSE owner_pid END,
             owner_start = CASE WHEN ?8 THEN NULL ELSE owner_start END,
             inserted = inserted + ?9, updated = updated + ?10, unchanged = unchanged + ?11,
             superseded = superseded + ?12, rejected = rejected + ?13, blank = blank + ?14, skipped = skipped + ?15,
             updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), preamble = ?17
         WHERE source_id = ?1 AND split_start = ?16 AND epoch = ?2 AND position = ?3",
    )?;
    let mut source = connection.prepare_cached(
        "UPDATE logmill_sources
         SET size = coalesce(?2, size), tail_start = CASE WHEN ?4 THEN ?3 ELSE tail_start END
         WHERE id = ?1 AND (size, tail_start)
               IS NOT (coalesce(?2, size), CASE WHEN ?4 THEN ?3 ELSE tail_start END)",
    )?;
    for (advance, deltas) in batch.advances.iter().zip(deltas) {
        let moved = checkpoint.execute(params![
            advance.split.source,
            owned.get(advance.split).epoch,
            signed(advance.from),
            signed(advance.to),
            deltas.lines,
            advance.tail.0,
            advance.tail.1.0,
            advance.completes,
            deltas.inserted,
            deltas.updated,
            deltas.unchanged,
            deltas.superseded,
            deltas.rejected,
            deltas.blank,
            deltas.skipped,
            signed(advance.split.start),
            Some(advance.preamble.bytes()).filter(|bytes| !bytes.is_empty())
        ])?;
        if moved != 1 {
            return Err(Trouble::Ours(lost_ownership()));
        }
        // At its end, and when the last line has received its missing line end.
        if advance.has_news_of_the_end() {
            let (size, tail_start) = (advance.ends.map(signed), advance.unterminated.map(signed));
            let is_read = advance.has_news_of_the_last_line();
            source.execute(params![advance.split.source, size, tail_start, is_read])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `status` shows them, and a record that is read again is taken back from the one that counted it.
    #[test]
    fn each_counter_is_read_from_its_column() {
        let connection = Connection::open_in_memory().expect("a database");
        let read = connection.query_row("SELECT 'a', 1, 2, 3, 4, 5, 6, 7, 8", [], |row| counts(row, 1));
        let found = read.expect("counters");
        let outcomes = [found.inserted, found.updated, found.unchanged, found.superseded, found.rejected];
        assert_eq!((found.lines, outcomes, found.blank, found.skipped), (1, [2, 3, 4, 5, 6], 7, 8));
    }
}
