//! The rows of a batch on their way into the target, piece by piece if necessary.

use std::collections::{BTreeSet, HashSet};
use std::io::Write as _;
use std::ops::Range;

use chrono::NaiveDate;
use postgres::Statement;

use super::apart::{self, Apart};
use super::constants::Constants;
use super::link::{Link, OUR_PATH, prepared};
use super::merge::{MERGE_SETTINGS_SQL, Merge, Staged, count_of};
use super::pieces::{Pieces, Refusals};
use super::staging::STAGE;
use super::strategy::{Care, Manner, Route};
use super::trouble::{Refusal, Trouble, at, pass};
use super::verdict::{Step, Verdict};
use super::wire::{HEADER, TRAILER};
use crate::error::{Error, ErrorKind};
use crate::sink::dead_letter::Refused;
use crate::sink::rebuild::{Provenance, of_another_day};
use crate::sink::{Batch, Counts, Key};

/// Sources with fewer rows in a piece than this are merged together.
const SMALL_SOURCE_ROWS: usize = 1000;

/// Writes the rows of a batch, piece by piece if necessary.
pub(super) struct RowWriter<'a> {
    link: &'a mut Link,
    constants: &'a Constants,
    merge: &'a Merge,
    apart: &'a Apart,
    batch: &'a Batch,
    route: Route,
    manner: &'a Manner,
    pub(super) refused: Vec<Refused>,
    pub(super) counts: Vec<Counts>,
    pub(super) refusals: Option<Refusals>,
    /// The dates of replaced rows, if they must be marked.
    pub(super) replaced: Option<BTreeSet<NaiveDate>>,
}

impl<'a> RowWriter<'a> {
    pub(super) fn new(
        link: &'a mut Link,
        constants: &'a Constants,
        batch: &'a Batch,
        route: Route,
        manner: &'a Manner,
        marks_dates: bool,
    ) -> RowWriter<'a> {
        let counts = vec![Counts::default(); batch.advances.len()];
        let (merge, apart) = constants.writers(batch);
        let replaced = marks_dates.then(BTreeSet::new);
        RowWriter {
            link,
            constants,
            merge,
            apart,
            batch,
            route,
            manner,
            refused: Vec::new(),
            counts,
            refusals: None,
            replaced,
        }
    }

    /// Records the dates of existing rows that are about to be replaced.
    fn note_replaced(&mut self, sql: Option<&String>) -> Result<(), Trouble> {
        if let (Some(replaced), Some(sql)) = (&mut self.replaced, sql) {
            replaced.extend(self.constants.marks.days_of(&mut self.link.client, sql)?);
        }
        Ok(())
    }

    pub(super) fn write_all(&mut self) -> Result<(), Trouble> {
        let rows = self.batch.rows();
        if rows == 0 {
            return Ok(());
        }
        if self.route == Route::Staged {
            self.make_stage()?;
        }
        match &self.manner.care {
            Some(care) => self.write_in_pieces(care),
            None => self.write(0..rows),
        }
    }

    fn write_in_pieces(&mut self, care: &Care) -> Result<(), Trouble> {
        let mut pieces =
            Pieces::new(self.batch.rows(), self.manner.rows_max, care.suspects.clone(), care.refusals);
        let checks = if care.checks_deferred { "SET CONSTRAINTS ALL IMMEDIATE; " } else { "" };
        at(Step::Constraints, self.link.client.batch_execute(&format!("{checks}SAVEPOINT piece")))?;
        // The server function cannot see to whom the rows it meets belong.
        let names_day = self.constants.provenance.and_then(Provenance::day).is_some();
        let mut can_be_taken_apart = !(self.manner.keeps_other_days && names_day);
        while let Some(piece) = pieces.next() {
            if can_be_taken_apart && pieces.is_hopeless() {
                match self.take_apart(pieces.rest())? {
                    true => break,
                    false => can_be_taken_apart = false,
                }
            }
            let before = self.counts.clone();
            let next = match self.write(piece.clone()) {
                Ok(()) => {
                    pieces.passed(&piece);
                    "RELEASE SAVEPOINT piece; SAVEPOINT piece"
                }
                Err(trouble) => {
                    let refusal = self.isolated(trouble)?;
                    pass(Step::Begin, "after-refusal")?;
                    self.counts = before;
                    if pieces.failed(piece.clone(), refusal.row) {
                        self.refused.push(refusal.of_row(piece.start));
                    }
                    // It still exists then, and is not nested deeper.
                    "ROLLBACK TO SAVEPOINT piece"
                }
            };
            at(Step::Begin, self.link.client.batch_execute(next))?;
        }
        // A batch that needed its deferred constraints early says nothing about the next: whether a row is
        // refused early can depend on the rows after it.
        if !self.refused.is_empty() && !care.checks_deferred {
            self.refusals = Some(Refusals { rows: self.batch.rows(), refused: self.refused.len() });
        }
        at(Step::Begin, self.link.client.batch_execute("RELEASE SAVEPOINT piece"))
    }

    /// Lets the server try each of these rows by itself. False if that is not possible here.
    fn take_apart(&mut self, rows: Range<usize>) -> Result<bool, Trouble> {
        let (counts, refused) = (self.counts.clone(), self.refused.len());
        match self.try_each(&rows) {
            Ok(()) => Ok(true),
            Err(Trouble::Server(refusal)) if refusal.step != Step::Merge => {
                self.counts = counts;
                self.refused.truncate(refused);
                at(Step::Begin, self.link.client.batch_execute("ROLLBACK TO SAVEPOINT piece"))?;
                self.link.staging.forget();
                Ok(false)
            }
            Err(trouble) => Err(trouble),
        }
    }

    fn try_each(&mut self, rows: &Range<usize>) -> Result<(), Trouble> {
        match self.route {
            Route::Direct => self.make_stage()?,
            Route::Staged => self.empty_stage(false)?,
        }
        let apart = self.apart;
        apart.make(self.link, &self.constants.target_path)?;
        let (statement, step) = (at(Step::Stage, self.link.client.prepare(&apart.copy_sql))?, Step::Stage);
        self.send_by(&statement, step, rows)?;
        self.note_replaced(apart.replaced_sql.as_ref())?;
        for (index, part) in self.by_source(rows.clone()) {
            let mut next = part.start;
            while next < part.end {
                let end = part.end.min(next + self.manner.rows_max.min(apart::ROWS_MAX));
                let tried = apart.run(self.link, next - rows.start + 1, end - rows.start)?;
                let counts = &mut self.counts[index];
                counts.inserted += tried.inserted;
                counts.updated += tried.updated;
                counts.unchanged += tried.unchanged;
                counts.superseded += tried.superseded;
                for (number, refusal) in tried.refused {
                    let refusal = self.isolated(Trouble::Server(Box::new(refusal)))?;
                    self.refused.push(refusal.of_row(rows.start + number - 1));
                }
                if tried.swallowed > 0 {
                    let sent = count(end - next);
                    return Err(Trouble::Ours(swallowed(
                        &self.constants.target.name,
                        sent,
                        sent - tried.swallowed,
                    )));
                }
                next = rows.start + tried.last;
            }
        }
        Ok(())
    }

    /// The refusal of a row; any other trouble is returned as it is.
    fn isolated(&self, trouble: Trouble) -> Result<Box<Refusal>, Trouble> {
        match (trouble.verdict(&self.constants.key_index.names), trouble) {
            (Verdict::Isolate, Trouble::Server(refusal)) => Ok(refusal),
            (_, trouble) => Err(trouble),
        }
    }

    /// Ensures that there is a stage for this transaction, and its settings.
    fn make_stage(&mut self) -> Result<(), Trouble> {
        let make = self.link.staging.make(&self.merge.create_sql);
        // The CHECKs that are copied to it were printed for logmill's own search path.
        let sql = format!(
            "SET LOCAL search_path = {OUR_PATH}; {make}{MERGE_SETTINGS_SQL}; SET LOCAL search_path = {}",
            self.constants.target_path
        );
        at(Step::Stage, self.link.client.batch_execute(&sql))
    }

    /// Writes a run of rows, and counts them for their sources.
    fn write(&mut self, rows: Range<usize>) -> Result<(), Trouble> {
        match self.route {
            Route::Direct => {
                self.copy(rows.clone(), false)?;
                for (index, rows) in self.by_source(rows) {
                    self.counts[index].inserted += count(rows.len());
                }
            }
            Route::Staged => {
                let parts = self.by_source(rows.clone());
                // Large sources are better merged one by one: some may need no comparison.
                let are_small = parts.len() > 1 && rows.len() / parts.len() < SMALL_SOURCE_ROWS;
                if are_small && self.merge.tells_sources() && !self.manner.upsert {
                    return self.merge_all(rows, &parts);
                }
                for (index, rows) in parts {
                    let counts = self.merge(self.batch.advances[index].split.source, rows)?;
                    self.counts[index].add(&counts);
                }
            }
        }
        Ok(())
    }

    /// The rows of a run, by source: the index of the advance, and its rows.
    fn by_source(&self, rows: Range<usize>) -> Vec<(usize, Range<usize>)> {
        let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
        for (split, part) in self.batch.runs(rows) {
            let index = self.batch.advance_of(split);
            match runs.last_mut() {
                Some((last, run)) if *last == index => run.end = part.end,
                _ => runs.push((index, part)),
            }
        }
        runs
    }

    /// Sends rows by COPY, and compares how many arrived. A refusal names the row it is about, if the server
    /// does, and the target, whichever table it was.
    fn copy(&mut self, rows: Range<usize>, to_stage: bool) -> Result<(), Trouble> {
        let target = &self.constants.target.name;
        let table = if to_stage { STAGE } else { target };
        let arrived =
            self.send(&rows, to_stage).map_err(|trouble| trouble.in_copy(table, target, rows.start))?;
        if arrived == rows.len() as u64 {
            return Ok(());
        }
        Err(Trouble::Ours(swallowed(target, count(rows.len()), count_of(arrived))))
    }

    fn send(&mut self, rows: &Range<usize>, to_stage: bool) -> Result<u64, Trouble> {
        let step = if to_stage { Step::Stage } else { Step::Copy };
        let (sql, slot) = match to_stage {
            true => (&self.merge.copy_sql, &mut self.link.statements.copy_to_stage),
            false => (&self.constants.copy_sql, &mut self.link.statements.copy),
        };
        let statement = prepared(&mut self.link.client, slot, step, sql)?;
        self.send_by(&statement, step, rows)
    }

    fn send_by(&mut self, statement: &Statement, step: Step, rows: &Range<usize>) -> Result<u64, Trouble> {
        let mut writer = at(step, self.link.client.copy_in(statement))?;
        let fail = |error| Trouble::of_write(step, error);
        writer.write_all(HEADER).map_err(fail)?;
        for (index, slice) in self.batch.slices(rows.clone()).enumerate() {
            // 64 KiB at a time: larger writes are copied twice by the driver and leave the cache (measured:
            // 1.60 against 1.25 million rows/s at 1 MiB).
            for piece in slice.chunks(64 << 10) {
                writer.write_all(piece).map_err(fail)?;
                self.link.pulse.beat();
            }
            if index == 0 {
                pass(step, "mid-copy")?;
            }
        }
        writer.write_all(TRAILER).map_err(fail)?;
        let arrived = at(step, writer.finish())?;
        self.link.pulse.beat();
        Ok(arrived)
    }

    /// Merges rows of one source through the stage.
    fn merge(&mut self, source_id: i32, rows: Range<usize>) -> Result<Counts, Trouble> {
        let (first, last) = (self.batch.place(rows.start), self.batch.place(rows.end - 1));
        let staged = Staged {
            rows: count(rows.len()),
            may_repeat_keys: self.may_repeat_keys(rows.clone()),
            upsert: self.manner.upsert,
            range: (source_id, first.span.start, last.span.start),
        };
        self.empty_stage(staged.may_repeat_keys)?;
        self.copy(rows, true)?;
        self.note_replaced(self.merge.replaced_sql.as_ref())?;
        pass(Step::Merge, "before-merge")?;
        self.keep_other_days()?;
        let counts = self.merge.run(self.link, staged)?;
        let sum = counts.inserted + counts.updated + counts.unchanged + counts.superseded;
        if sum == staged.rows {
            return Ok(counts);
        }
        Err(Trouble::Ours(swallowed(&self.constants.target.name, staged.rows, sum)))
    }

    /// Merges rows of many small sources at once: each alone would cost as much as all of them.
    fn merge_all(&mut self, rows: Range<usize>, parts: &[(usize, Range<usize>)]) -> Result<(), Trouble> {
        self.empty_stage(false)?;
        self.copy(rows, true)?;
        self.note_replaced(self.merge.replaced_sql.as_ref())?;
        pass(Step::Merge, "before-merge")?;
        let sources: Vec<(i32, i64)> = parts
            .iter()
            .map(|(index, rows)| (self.batch.advances[*index].split.source, count(rows.len())))
            .collect();
        let counts = self.merge.run_all(self.link, &sources)?;
        for ((index, _), counts) in parts.iter().zip(&counts) {
            self.counts[*index].add(counts);
        }
        Ok(())
    }

    /// A rebuild must not change rows of another day.
    fn keep_other_days(&mut self) -> Result<(), Trouble> {
        let constants = self.constants;
        let Some(date) = constants.provenance.and_then(Provenance::day) else { return Ok(()) };
        if self.manner.keeps_other_days && self.merge.meets_another_day(self.link)? {
            return Err(Trouble::Ours(of_another_day(&constants.target.name, date)));
        }
        Ok(())
    }

    /// Empties the stage for the next rows. For the first rows of a transaction, the previous COMMIT did
    /// that.
    fn empty_stage(&mut self, must_number: bool) -> Result<(), Trouble> {
        let sql = self.link.staging.clear(must_number);
        if sql.is_empty() { Ok(()) } else { at(Step::Stage, self.link.client.batch_execute(&sql)) }
    }

    /// Whether two rows of the run can have the same key. Positions cannot; others are compared by hash, so
    /// the server sorts only if there are duplicates.
    fn may_repeat_keys(&self, rows: Range<usize>) -> bool {
        if matches!(self.constants.key, Key::Position | Key::None) {
            return false;
        }
        if self.constants.server_equates_keys {
            return true;
        }
        let mut seen = HashSet::with_capacity(rows.len());
        for row in rows {
            let bytes = self.batch.slices(row..row + 1).next().unwrap_or_default();
            if !seen.insert(self.constants.key_hash(bytes)) {
                return true;
            }
        }
        false
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).expect("rows in memory are countable")
}

fn swallowed(table: &str, sent: i64, stored: i64) -> Error {
    ErrorKind::Server {
        doing: format!("writing to {table}"),
        sqlstate: None,
        message: format!(
            "{sent} rows were sent and the server stored {stored}: a trigger drops rows without an error. \
            The batch was rolled back; disable the trigger for the load, or let it raise an error"
        ),
    }
    .into()
}
