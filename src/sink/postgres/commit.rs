//! One batch, one transaction.
//!
//! The order of the steps is the argument for exactly-once, so it is kept in one function,
//! [`transaction`], to be read from top to bottom: fence, rows, constraints, dead letters,
//! then checkpoints and COMMIT in one message. Whatever fails before the end leaves nothing;
//! a failure at the end leaves all or nothing, and the checkpoint knows which.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use postgres::{SimpleQueryMessage, Statement};

use super::copy::{HEADER, TRAILER};
use super::dead_letters;
use super::ledger::{end_sql, fence, lock_sources_sql};
use super::merge::{MERGE_SETTINGS_SQL, NUMBER_ROWS_SQL, STAGE, Staged, count_of};
use super::own::Owned;
use super::pieces::{Pieces, Seen};
use super::session::{Link, prepared};
use super::shape::Shape;
use super::trouble::{Refusal, Trouble, at, pass};
use super::verdict::{Step, Verdict};
use crate::error::{Error, Kind};
use crate::sink::claim::signed;
use crate::sink::dead_letter::Refused;
use crate::sink::{Batch, Counts, Key};

/// What a connection knows from one batch to the next.
#[derive(Default)]
pub(super) struct Statements {
    pub(super) fence: Option<Statement>,
    copy: Option<Statement>,
    copy_to_stage: Option<Statement>,
    stage: Stage,
}

/// What is known of the connection's temporary table before a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing. One of its name may be there: of another job, where a pool gives connections
    /// on; or one whose rows are numbered, which costs at every COPY.
    #[default]
    Unknown,
    /// It is ours, and holds nothing.
    Empty,
    /// It is ours, and what a transaction wrote that was rolled back may take room in it.
    Littered,
}

/// How a batch is written.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// Which way the rows go; without one, whatever a probe finds.
    pub(super) path: Option<Path>,
    /// Rows are written in pieces under savepoints, so that a refused one costs only itself.
    pub(super) care: Option<Care>,
    /// The probe looks into all partitions, and behind the batch.
    pub(super) probes_far: bool,
    /// Rows are inserted or updated in one statement, because somebody else writes the same
    /// keys or a trigger does.
    pub(super) upsert: bool,
    /// At most so many rows in a statement.
    pub(super) rows_max: usize,
}

/// What is known of the rows that the server refuses.
#[derive(Clone, Debug, Default)]
pub(super) struct Care {
    /// One of these was refused when they were written together.
    pub(super) suspects: Range<usize>,
    /// How often rows were refused in the batch before.
    pub(super) seen: Seen,
    /// Deferred constraints are checked with each piece: one was violated.
    pub(super) checks_deferred: bool,
}

impl Manner {
    /// After a refusal in a batch of so many rows: it is written in pieces. False if that will
    /// not find more than it did.
    pub(super) fn be_careful(&mut self, trouble: &Trouble, rows: usize) -> bool {
        let Trouble::Server(refusal) = trouble else { return false };
        let is_deferred = refusal.step == Step::Constraints;
        match &mut self.care {
            Some(care) if care.checks_deferred || !is_deferred => return false,
            care => {
                let suspects = refusal.row.map_or(0..rows, |row| row..row + 1);
                *care =
                    Some(Care { suspects, checks_deferred: is_deferred, ..care.take().unwrap_or_default() });
            }
        }
        true
    }

    /// After a statement that took too long in a batch of so many rows: half as many at a time.
    /// False if that is not possible.
    pub(super) fn halve(&mut self, rows: usize) -> bool {
        if self.rows_max.min(rows) <= 1 {
            return false;
        }
        self.rows_max = self.rows_max.min(rows).div_ceil(2);
        // No row was refused: pieces may be as long as they can.
        let seen = Seen { rows: rows * 2, refused: 0 };
        self.care.get_or_insert(Care { seen, ..Care::default() });
        true
    }
}

/// The way of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// COPY into the target.
    Direct,
    /// COPY into the stage, then merge.
    Staged,
}

/// What a batch became.
#[derive(Debug)]
pub(super) struct Done {
    /// Per advance, what became of its records.
    pub(super) counts: Vec<Counts>,
    /// The rows that the server refused, in order.
    pub(super) refused: Vec<Refused>,
    /// The way that the rows went.
    pub(super) path: Path,
    /// Rows were refused, and the next batch may begin with care.
    pub(super) seen: Option<Seen>,
    /// The sources of which it committed the last that was left.
    pub(super) completed: Vec<i32>,
}

/// Commits `batch`. Its sources move from the positions in `owned`. What became of the batch
/// is in `found` before COMMIT is sent.
pub(super) fn transaction(
    link: &mut Link,
    shape: &Shape,
    batch: &Batch,
    owned: &Owned,
    manner: &Manner,
    found: &Mutex<Option<Done>>,
) -> Result<(), Trouble> {
    pass(Step::Begin, "before-begin")?;
    begin(link, shape, batch, owned)?;
    pass(Step::Fence, "before-fence")?;
    let stored = fence(link, batch, owned)?;
    pass(Step::Fence, "after-fence")?;

    let path = match manner.path {
        Some(path) => path,
        None if probe(link, shape, batch, manner.probes_far)? => Path::Staged,
        None => Path::Direct,
    };
    let mut rows = RowWriter::new(link, shape, batch, path, manner);
    rows.write_all()?;
    let (refused, mut counts, stage, seen) = (rows.refused, rows.counts, rows.stage_after, rows.seen);
    pass(Step::DeadLetters, "after-rows")?;

    for (advance, counts) in batch.advances.iter().zip(&mut counts) {
        counts.add(&advance.counts);
    }
    for row in &refused {
        let advance = batch.advance_of(batch.parcels[batch.place(row.row).parcel].split);
        counts[advance].rejected += 1;
    }
    // What the checkpoint's counters change by: what became of the records, but for lines
    // that were counted in an earlier run and are read again.
    let mut deltas = counts.clone();
    for ((advance, stored), deltas) in batch.advances.iter().zip(&stored).zip(&mut deltas) {
        if let Some(again) = advance.again {
            dead_letters::forget_tail(link, advance, again, *stored, deltas)?;
            // A blank line left no row; only then can the key be one without a position.
            if !again.was_blank && !batch.has_row_at(&refused, advance.split, again.offset) {
                forget_row(link, shape, advance.split.source, again.offset)?;
            }
        }
    }
    at(Step::Constraints, link.client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE"))?;
    dead_letters::write(link, shape, batch, &refused)?;
    pass(Step::DeadLetters, "after-dead-letters")?;

    batch.still_holds().map_err(Trouble::Ours)?;
    pass(Step::End, "before-commit")?;
    let completed = batch.completed(&stored);
    let end_sql = end_sql(batch, owned, &deltas);
    *found.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Done { counts, refused, path, seen, completed });
    at(Step::End, link.client.batch_execute(&end_sql))?;
    link.statements.stage = stage;
    pass(Step::End, "after-commit")
}

/// Begins, and compares the target with what it was: a changed type loads as garbage in COPY
/// BINARY. All in one message, of which the lock comes before the look.
fn begin(link: &mut Link, shape: &Shape, batch: &Batch, owned: &Owned) -> Result<(), Trouble> {
    let begin_sql = format!("{}{}", shape.begin_batch_sql, lock_sources_sql(batch, owned));
    let said = at(Step::Begin, link.client.simple_query(&begin_sql))?;
    link.pulse.beat();
    let signature = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    if signature == Some(&*shape.target.signature) {
        return Ok(());
    }
    Err(Trouble::Ours(
        Kind::Server {
            doing: Step::Compare.doing().to_owned(),
            sqlstate: None,
            message: format!(
                "the columns of {} were changed during the run; what was committed is kept, run again to go on",
                shape.target.quoted()
            ),
        }
        .into(),
    ))
}

/// A line that is read again and is now refused leaves no row of what it was.
fn forget_row(link: &mut Link, shape: &Shape, source_id: i32, offset: u64) -> Result<(), Trouble> {
    let table = shape.target.quoted();
    let sql = format!("DELETE FROM {table} WHERE source_id = $1 AND source_offset = $2");
    at(Step::Merge, link.client.execute(&sql, &[&source_id, &signed(offset)]))?;
    Ok(())
}

/// Whether rows of this batch are in the target already. Only a position key can be asked:
/// its rows are a range of the index.
///
/// By other rules a record can have another date, so that its row stands in a partition where
/// none of the batch will be. `far` is for batches that may find such a row: the first of each
/// source, and once a row was found, all.
fn probe(link: &mut Link, shape: &Shape, batch: &Batch, far: bool) -> Result<bool, Trouble> {
    if shape.key != Key::Position || batch.rows() == 0 {
        return Ok(false);
    }
    let table = shape.target.quoted();
    // A line that is read again may have moved to another partition with its new content.
    let is_again = batch.advances.iter().any(|advance| advance.again.is_some());
    let within = if far || is_again { String::new() } else { shape.partition_range(batch) };
    let mut sql = String::from("SELECT false");
    // Sources that begin with this batch are asked for together, by the range of their ids:
    // a batch can hold thousands.
    let mut advances = batch.advances.iter().peekable();
    while let Some(advance) = advances.next() {
        let (first, mut last) = (advance.split.source, advance.split.source);
        if advance.from == 0 {
            while let Some(next) = advances.next_if(|next| next.from == 0 && next.split.source == last + 1) {
                last = next.split.source;
            }
        }
        let from = advance.again.map_or(advance.from, |again| again.offset.min(advance.from));
        let place = match first == last {
            true if far => format!("source_id = {first} AND source_offset >= {from}"),
            true => {
                format!("source_id = {first} AND source_offset >= {from} AND source_offset < {}", advance.to)
            }
            false => format!("source_id BETWEEN {first} AND {last}"),
        };
        let _ = write!(sql, " OR EXISTS (SELECT FROM {table} WHERE {place}{within})");
    }
    // By the simple protocol, which asks and answers in one round trip.
    let answer = at(Step::Probe, link.client.simple_query(&sql))?;
    Ok(answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some("t"),
        _ => false,
    }))
}

/// Sources with fewer rows in a piece than this are merged together.
const SMALL_SOURCE_ROWS: usize = 1000;

/// Writes the rows of a batch, piece by piece if need be.
struct RowWriter<'a> {
    link: &'a mut Link,
    shape: &'a Shape,
    batch: &'a Batch,
    path: Path,
    manner: &'a Manner,
    refused: Vec<Refused>,
    counts: Vec<Counts>,
    seen: Option<Seen>,
    /// Rows were copied to the stage in this transaction.
    is_staged: bool,
    /// What the stage will be when the transaction is committed, which empties it.
    stage_after: Stage,
}

impl<'a> RowWriter<'a> {
    fn new(
        link: &'a mut Link,
        shape: &'a Shape,
        batch: &'a Batch,
        path: Path,
        manner: &'a Manner,
    ) -> RowWriter<'a> {
        let counts = vec![Counts::default(); batch.advances.len()];
        let stage_after = link.statements.stage;
        RowWriter {
            link,
            shape,
            batch,
            path,
            manner,
            refused: Vec::new(),
            counts,
            seen: None,
            is_staged: false,
            stage_after,
        }
    }

    fn write_all(&mut self) -> Result<(), Trouble> {
        let rows = self.batch.rows();
        if rows == 0 {
            return Ok(());
        }
        if self.path == Path::Staged {
            self.make_stage()?;
        }
        match &self.manner.care {
            Some(care) => self.write_in_pieces(care),
            None => self.write(0..rows),
        }
    }

    fn write_in_pieces(&mut self, care: &Care) -> Result<(), Trouble> {
        let mut pieces =
            Pieces::new(self.batch.rows(), self.manner.rows_max, care.suspects.clone(), care.seen);
        let checks = if care.checks_deferred { "SET CONSTRAINTS ALL IMMEDIATE; " } else { "" };
        at(Step::Constraints, self.link.client.batch_execute(&format!("{checks}SAVEPOINT piece")))?;
        while let Some(piece) = pieces.next() {
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
                    // It is still there then, and no deeper.
                    "ROLLBACK TO SAVEPOINT piece"
                }
            };
            at(Step::Begin, self.link.client.batch_execute(next))?;
        }
        // A batch that needed its deferred constraints early says nothing of the next: whether
        // a row is refused early can depend on the rows behind it.
        if !self.refused.is_empty() && !care.checks_deferred {
            self.seen = Some(Seen { rows: self.batch.rows(), refused: self.refused.len() });
        }
        at(Step::Begin, self.link.client.batch_execute("RELEASE SAVEPOINT piece"))
    }

    /// The refusal of a row; any other trouble is passed on.
    fn isolated(&self, trouble: Trouble) -> Result<Box<Refusal>, Trouble> {
        match (trouble.verdict(&self.shape.key_index), trouble) {
            (Verdict::Isolate, Trouble::Server(refusal)) => Ok(refusal),
            (_, trouble) => Err(trouble),
        }
    }

    /// Sees to it that there is a stage, for this transaction and its settings.
    fn make_stage(&mut self) -> Result<(), Trouble> {
        let stage = &mut self.link.statements.stage;
        let make = match *stage {
            Stage::Unknown => {
                format!("DROP TABLE IF EXISTS pg_temp.{STAGE}; {}; ", self.shape.merge.create_sql)
            }
            Stage::Empty => String::new(),
            Stage::Littered => format!("TRUNCATE pg_temp.{STAGE}; "),
        };
        // What a rollback leaves.
        if *stage == Stage::Empty {
            *stage = Stage::Littered;
        }
        self.stage_after = Stage::Empty;
        at(Step::Stage, self.link.client.batch_execute(&format!("{make}{MERGE_SETTINGS_SQL}")))
    }

    /// Writes a run of rows, and counts them for their sources.
    fn write(&mut self, rows: Range<usize>) -> Result<(), Trouble> {
        match self.path {
            Path::Direct => {
                self.copy(rows.clone(), false)?;
                for (index, rows) in self.by_source(rows) {
                    self.counts[index].inserted += count(rows.len());
                }
            }
            Path::Staged => {
                let parts = self.by_source(rows.clone());
                // Of large sources each is better merged alone: it may need no comparison.
                let are_small = parts.len() > 1 && rows.len() / parts.len() < SMALL_SOURCE_ROWS;
                if are_small && self.shape.merge.tells_sources() && !self.manner.upsert {
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

    /// The rows of a run, by source: the number of the advance, and its rows.
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

    /// Sends rows by COPY, and compares how many arrived. A refusal says which of them it is
    /// about, if the server does, and names the target, whichever table it was.
    fn copy(&mut self, rows: Range<usize>, to_stage: bool) -> Result<(), Trouble> {
        let target = &self.shape.target.name;
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
            true => (&self.shape.merge.copy_sql, &mut self.link.statements.copy_to_stage),
            false => (&self.shape.copy_sql, &mut self.link.statements.copy),
        };
        let statement = prepared(&mut self.link.client, slot, step, sql)?;
        let mut writer = at(step, self.link.client.copy_in(&statement))?;
        let fail = |error| Trouble::of_write(step, error);
        writer.write_all(HEADER).map_err(fail)?;
        for (index, slice) in self.batch.slices(rows.clone()).enumerate() {
            // 64 KiB at a time: larger writes are copied twice by the driver and leave the
            // cache (measured: 1.60 against 1.25 million rows/s at 1 MiB).
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

    /// Merges rows of one source by way of the stage.
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
        pass(Step::Merge, "before-merge")?;
        let counts = self.shape.merge.run(self.link, staged)?;
        let sum = counts.inserted + counts.updated + counts.unchanged + counts.superseded;
        if sum == staged.rows {
            return Ok(counts);
        }
        Err(Trouble::Ours(swallowed(&self.shape.target.name, staged.rows, sum)))
    }

    /// Merges rows of many small sources at once: for each it would cost as much as for all.
    fn merge_all(&mut self, rows: Range<usize>, parts: &[(usize, Range<usize>)]) -> Result<(), Trouble> {
        self.empty_stage(false)?;
        self.copy(rows, true)?;
        pass(Step::Merge, "before-merge")?;
        let sources: Vec<(i32, i64)> = parts
            .iter()
            .map(|(index, rows)| (self.batch.advances[*index].split.source, count(rows.len())))
            .collect();
        let counts = self.shape.merge.run_all(self.link, &sources)?;
        for ((index, _), counts) in parts.iter().zip(&counts) {
            self.counts[*index].add(counts);
        }
        Ok(())
    }

    /// Makes room for the next rows. COMMIT did that already for the first of a transaction.
    fn empty_stage(&mut self, must_number: bool) -> Result<(), Trouble> {
        let mut sql = String::new();
        if self.is_staged {
            let _ = write!(sql, "TRUNCATE pg_temp.{STAGE}; ");
        }
        if must_number {
            sql.push_str(NUMBER_ROWS_SQL);
            self.stage_after = Stage::Unknown;
        }
        self.is_staged = true;
        if sql.is_empty() { Ok(()) } else { at(Step::Stage, self.link.client.batch_execute(&sql)) }
    }

    /// Whether two rows of the run can have the same key. Positions cannot; others are
    /// compared by hash, so the server sorts only where there is something to sort out.
    fn may_repeat_keys(&self, rows: Range<usize>) -> bool {
        if matches!(self.shape.key, Key::Position | Key::None) {
            return false;
        }
        if self.shape.server_equates_keys {
            return true;
        }
        let mut seen = HashSet::with_capacity(rows.len());
        for row in rows {
            let bytes = self.batch.slices(row..row + 1).next().unwrap_or_default();
            if !seen.insert(self.shape.key_hash(bytes)) {
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
    Kind::Server {
        doing: format!("writing to {table}"),
        sqlstate: None,
        message: format!(
            "{sent} rows were sent and the server stored {stored}: a trigger leaves rows out without an error. \
             Nothing of the batch was kept; disable the trigger for the load, or let it raise"
        ),
    }
    .into()
}
