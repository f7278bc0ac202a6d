//! The writer: parcels to batches, batches to commits. The only serial part.

mod account;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::bar::{Tallies, Tally, is_point};
use super::cut::Cutter;
use super::pace::Pace;
use super::queue::{Back, Next};
use super::stats::{Outcome, Reasons, Stats, add, add_time, reasons_of};
use super::workers::Workers;
use super::{Handed, Settings};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::failpoint;
use crate::sink::bar::Bar;
use crate::sink::{Advance, Again, Batch, Closes, Committed, Counts, Sink, Task};
use crate::source::{Candidate, Preamble};
use crate::split::Split;
use crate::stop::Stop;
use crate::work::Parcel;

/// The maximum length of the first batch.
const FIRST_BATCH_ROWS: usize = 10_000;
const FIRST_BATCH_BYTES: usize = 4 << 20;

/// Collects and commits.
pub(super) struct Writer<'a> {
    sink: &'a mut dyn Sink,
    closes: Closes,
    settings: &'a Settings,
    stop: &'a Stop,
    stats: &'a Stats,
    workers: &'a Workers,
    barrier: Option<Barrier<'a>>,
    outcome: &'a mut Outcome,
    pace: Pace,
    splits: HashMap<Split, Progress>,
    /// The figures that its sources are judged by, if there is a bar.
    tallies: HashMap<i32, Tally>,
    reasons: Reasons,
    /// The parcels of the batch that is being collected.
    parcels: Vec<Parcel>,
    /// The number of rows in them.
    rows: usize,
    /// The memory that they hold, in bytes.
    bytes: usize,
    /// The weight of their seats in line.
    weight: usize,
}

/// The count as the counters have it.
fn counted(count: u64) -> i64 {
    i64::try_from(count).expect("what is in memory is countable")
}

/// The bar, if there is one.
pub(super) struct Barrier<'a> {
    pub(super) bar: Bar,
    pub(super) cutter: Cutter<'a>,
    /// By task: set when the task is abandoned, for the planner.
    pub(super) given_up: &'a [AtomicBool],
    /// The sources for which that was reported, by this lane or another.
    pub(super) told: &'a Mutex<HashSet<i32>>,
}

/// The state of a split in this run.
struct Progress {
    /// The index of its task.
    task: usize,
    path: PathBuf,
    /// Where this run resumed.
    began: u64,
    /// The checkpoint after all collected batches.
    position: u64,
    /// Lines before the next parcel.
    lines: u64,
    /// Records before it, of all runs.
    records: u64,
    /// How many of these are committed.
    committed: u64,
    /// What precedes the next parcel.
    preamble: Preamble,
    /// The lines before the split, if all preceding splits were complete.
    lines_before: Option<u64>,
    again: Option<Again>,
    /// The outcomes of its records in this run.
    counts: Counts,
    /// The number of lines of these records.
    record_lines: i64,
    /// Its source has other splits.
    is_part: bool,
    /// Its file is read from the start, however far the split is.
    is_compressed: bool,
    /// Its last parcel was committed.
    is_complete: bool,
    has_failed: bool,
    /// It has too many dead letters: the rest is not loaded.
    is_given_up: bool,
}

impl<'a> Writer<'a> {
    #[expect(clippy::too_many_arguments, reason = "what a lane has, handed on as it is")]
    pub(super) fn new(
        tasks: &[(Task, Candidate)],
        sink: &'a mut dyn Sink,
        workers: &'a Workers,
        settings: &'a Settings,
        stop: &'a Stop,
        stats: &'a Stats,
        outcome: &'a mut Outcome,
        pace: Pace,
    ) -> Self {
        let splits = tasks.iter().enumerate().map(|(number, (task, candidate))| {
            let progress = Progress {
                task: number,
                path: candidate.path.clone(),
                began: task.start.position,
                position: task.start.position,
                lines: task.lines,
                records: 0,
                committed: 0,
                preamble: task.preamble.clone(),
                lines_before: task.before.open().is_empty().then_some(task.before.lines),
                again: task.again,
                counts: Counts::default(),
                record_lines: 0,
                is_part: task.is_part(),
                is_compressed: candidate.fingerprint.is_compressed,
                is_complete: false,
                has_failed: false,
                is_given_up: false,
            };
            (task.split, progress)
        });
        let reasons = std::mem::take(&mut outcome.reasons);
        Writer {
            closes: sink.closes(),
            sink,
            settings,
            stop,
            stats,
            workers,
            barrier: None,
            outcome,
            pace,
            splits: splits.collect(),
            tallies: HashMap::new(),
            reasons: Reasons::of(reasons),
            parcels: Vec::new(),
            rows: 0,
            bytes: 0,
            weight: 0,
        }
    }

    /// Judges the sources by a bar. `tallies` are their states so far.
    pub(super) fn below(mut self, barrier: Barrier<'a>, tallies: &Tallies) -> Self {
        for (split, progress) in &mut self.splits {
            progress.records = tallies.records.get(split).copied().unwrap_or_default();
            progress.committed = progress.records;
            let of_source = tallies.sources.get(&split.source).copied().unwrap_or_default();
            self.tallies.insert(split.source, of_source);
        }
        self.barrier = Some(barrier);
        self
    }

    /// Takes everything out of the line and commits it, until the end or a stop.
    pub(super) fn write(mut self, back: Back<Handed>) -> Result<()> {
        let result = self.take_all(back);
        // A failed run has committed something too, and reports why records were rejected.
        self.outcome.reasons = std::mem::take(&mut self.reasons).sorted();
        let ends = self.splits.iter().filter(|(_, progress)| progress.is_part && progress.is_complete);
        self.outcome.lines.extend(ends.map(|(split, progress)| (*split, progress.lines)));
        result?;
        self.conclude()
    }

    fn take_all(&mut self, mut back: Back<Handed>) -> Result<()> {
        loop {
            let began = Instant::now();
            let next = back.next(self.weight > 0);
            let waited = began.elapsed();
            add_time(&self.stats.waited_ns, waited);
            self.pace.waited += waited;
            match next {
                Next::Filling(Handed::Parcel(parcel), weight) => self.take(*parcel, weight, &back)?,
                Next::Filling(Handed::Failed { split, error }, weight) => {
                    back.free(weight);
                    self.fail(split, error)?;
                }
                Next::Filling(Handed::Panicked(what), _) => return Err(Error::broken(what)),
                Next::Lost => return Err(Error::broken("a worker panicked")),
                Next::Starved => match self.closes {
                    Closes::WhenFull => self.commit(&back)?,
                    // A range is collected whatever it takes, so it does not count against the budget.
                    Closes::At(_) => back.free(std::mem::take(&mut self.weight)),
                },
                // A source that is slow to read may send nothing for a long time.
                Next::Quiet if self.closes == Closes::WhenFull => self.commit(&back)?,
                Next::Quiet => {}
                Next::Ended if self.is_whole() => return self.commit(&back),
                Next::Ended => {
                    self.forget(&back);
                    return Ok(());
                }
            }
        }
    }

    /// Takes a parcel into the batch, and commits the batch when it is full.
    fn take(&mut self, parcel: Parcel, weight: usize, back: &Back<Handed>) -> Result<()> {
        self.close_before(&parcel, back)?;
        let split = parcel.split;
        let progress = &self.splits[&split];
        // Chunks of a failed split that were in progress may still arrive.
        let is_given_up = progress.is_given_up || progress.has_failed;
        let pieces = match &mut self.barrier {
            Some(_) if is_given_up => Vec::new(),
            Some(barrier) => barrier.cutter.pieces(parcel, &progress.preamble, progress.records)?,
            None if is_given_up => Vec::new(),
            None => vec![parcel],
        };
        // The last piece carries the weight of the seat.
        let mut left = pieces.len();
        for piece in pieces {
            if self.splits[&split].is_given_up || self.splits[&split].has_failed {
                break;
            }
            left -= 1;
            self.collect(piece, if left == 0 { weight } else { 0 }, back);
            if self.is_full() || self.is_at_point(split) {
                self.commit(back)?;
            }
        }
        if left > 0 || is_given_up {
            back.free(weight);
        }
        Ok(())
    }

    /// Commits what was collected, if `parcel` must not be in the same batch.
    fn close_before(&mut self, parcel: &Parcel, back: &Back<Handed>) -> Result<()> {
        let Some(first) = self.parcels.first() else { return Ok(()) };
        let closes = match self.closes {
            // Destinations count rows by source, so a batch moves at most one split of each.
            Closes::WhenFull => self
                .parcels
                .last()
                .is_some_and(|last| last.split.source == parcel.split.source && last.split != parcel.split),
            // An empty chunk means that the source ended with the one before it.
            Closes::At(bytes) => {
                let is_next = parcel.span.start / bytes != first.span.start / bytes;
                parcel.split != first.split || is_next && !parcel.span.is_empty()
            }
        };
        match closes {
            true if self.is_whole() => self.commit(back),
            true => {
                self.forget(back);
                Ok(())
            }
            false => Ok(()),
        }
    }

    /// Whether what was collected can be a batch. It cannot if it is part of a range of a source that failed
    /// or is still being written: the next run begins the range again.
    fn is_whole(&self) -> bool {
        match (self.closes, self.parcels.first(), self.parcels.last()) {
            (Closes::At(bytes), Some(first), Some(last)) => {
                self.is_at_point(last.split)
                    || last.completes
                    || last.span.end / bytes != first.span.start / bytes
            }
            _ => true,
        }
    }

    /// Drops what was collected, as if it had never been read.
    fn forget(&mut self, back: &Back<Handed>) {
        self.parcels.clear();
        self.sink.forget_ahead();
        (self.rows, self.bytes) = (0, 0);
        back.free(std::mem::take(&mut self.weight));
    }

    fn collect(&mut self, mut parcel: Parcel, mut weight: usize, back: &Back<Handed>) {
        let progress = self.splits.get_mut(&parcel.split).expect("a parcel is of a split of this run");
        parcel.first_line = progress.lines;
        progress.lines += parcel.lines;
        progress.records += parcel.records;
        progress.preamble.clone_from(&parcel.preamble);
        let began = Instant::now();
        if self.sink.take_ahead(&parcel) {
            let took = began.elapsed();
            add_time(&self.stats.commit_ns, took);
            self.pace.committing += took;
            self.workers.reuse(std::mem::take(&mut parcel.rows));
            back.free(std::mem::take(&mut weight));
        }
        self.rows += parcel.rows.len();
        self.bytes += parcel.bytes();
        self.weight += weight;
        self.parcels.push(parcel);
    }

    /// Whether to commit what was collected. The first batches are shorter, each twice as long as the one
    /// before, so that the destination begins sooner and reports sooner what is wrong with the rows.
    fn is_full(&self) -> bool {
        if self.closes != Closes::WhenFull {
            return self.parcels.last().is_some_and(|last| last.completes);
        }
        let first = |max: usize, first: usize| {
            let batches = u32::try_from(self.outcome.batches).unwrap_or(u32::MAX);
            max.min(first.saturating_mul(2_usize.saturating_pow(batches)))
        };
        self.rows >= first(self.settings.batch_rows, FIRST_BATCH_ROWS)
            || self.bytes >= first(self.settings.batch_bytes, FIRST_BATCH_BYTES)
    }

    /// Whether a batch ends here because the split is judged here.
    fn is_at_point(&self, split: Split) -> bool {
        self.barrier.is_some() && is_point(self.splits[&split].records)
    }

    /// Abandons the sources of a batch that have too many dead letters and a split at a point or at its end.
    fn judge(&mut self, batch: &Batch) {
        for advance in &batch.advances {
            if advance.completes || is_point(self.splits[&advance.split].committed) {
                self.judge_source_of(advance.split);
            }
        }
    }

    /// Abandons all splits of a source that is above the bar. Reported once.
    fn judge_source_of(&mut self, split: Split) {
        let Some(barrier) = &self.barrier else { return };
        let (source, tally) = (split.source, self.tallies[&split.source]);
        if !tally.is_above(barrier.bar) {
            return;
        }
        let is_cut = self.splits[&split].is_part;
        let give_up = |progress: &mut Progress| {
            progress.is_given_up = true;
            barrier.given_up[progress.task].store(true, Ordering::Relaxed);
        };
        match is_cut {
            true => {
                let of_source = self.splits.iter_mut().filter(|(split, _)| split.source == source);
                of_source.for_each(|(_, progress)| give_up(progress));
            }
            false => self.splits.get_mut(&split).into_iter().for_each(give_up),
        }
        if barrier.told.lock().unwrap_or_else(PoisonError::into_inner).insert(source) {
            let given_up = tally.given_up(source, &self.splits[&split].path, is_cut);
            self.outcome.give_up(given_up, &self.settings.observer);
        }
    }

    /// Commits what was collected, and frees its seats.
    fn commit(&mut self, back: &Back<Handed>) -> Result<()> {
        if self.parcels.is_empty() {
            return Ok(());
        }
        let parcels = std::mem::take(&mut self.parcels);
        let advances = self.advances(&parcels);
        let progress = self.pace.with_batch(self.outcome, &parcels, &advances);
        let began = Instant::now();
        let committed = self.commit_intact(Batch::new(parcels, advances).with(progress));
        let took = began.elapsed();
        add_time(&self.stats.commit_ns, took);
        self.pace.committing += took;
        let Some((batch, committed)) = committed? else {
            (self.rows, self.bytes) = (0, 0);
            back.free(std::mem::take(&mut self.weight));
            return Ok(());
        };

        let of_batch = self.account(&batch, &committed);
        self.note_begun(&batch);
        let raw = batch.parcels.iter().map(|parcel| parcel.raw).sum();
        add(&self.stats.bytes_done, raw);
        self.outcome.raw_bytes += raw;
        let bytes = batch.parcels.iter().map(|parcel| parcel.span.len()).sum::<u64>();
        self.outcome.bytes += bytes;
        batch.parcels.iter().for_each(|parcel| self.outcome.altered += parcel.altered);
        self.outcome.batches += 1;
        self.explain(&batch, &committed.refused);
        let (counts, reasons) = (of_batch, reasons_of(&batch, &committed.refused));
        self.settings.observer.tell(&Event::Committed { counts, reasons, bytes, raw_bytes: raw, took });
        self.finish(&batch, &committed.completed);
        self.judge(&batch);
        (self.rows, self.bytes) = (0, 0);
        failpoint::reached("between-batches");
        let free = back.free_later(std::mem::take(&mut self.weight));
        self.workers.recycle(batch, free);
        Ok(())
    }

    /// Commits a batch. A source that changed meanwhile is refused alone, and the rest of the batch is
    /// committed; `None` if there is no rest.
    fn commit_intact(&mut self, batch: Batch) -> Result<Option<(Arc<Batch>, Committed)>> {
        let mut batch = Arc::new(batch);
        loop {
            let error = match self.sink.commit(&batch) {
                Ok(committed) => return Ok(Some((batch, committed))),
                Err(error) => error,
            };
            let changed = if error.is_about_one_source() { batch.changed() } else { None };
            let (source, why) = match (changed, &batch.advances[..]) {
                (Some(changed), _) => changed,
                // A destination whose batches have one source each can refuse that source.
                (None, [one]) if self.closes != Closes::WhenFull && error.is_about_one_source() => {
                    (one.split.source, error)
                }
                _ => return Err(error),
            };
            // The thread of an abandoned connection may hold it forever.
            let Some(mut whole) = Arc::into_inner(batch) else { return Err(why) };
            let (gone, parcels) = whole.parcels.drain(..).partition(|parcel| parcel.split.source == source);
            self.leave_out(gone, why)?;
            whole.advances.retain(|advance| advance.split.source != source);
            if whole.advances.is_empty() {
                return Ok(None);
            }
            batch = Arc::new(Batch::new(parcels, whole.advances).with(whole.progress));
        }
    }

    /// Abandons the source that these parcels belong to.
    fn leave_out(&mut self, parcels: Vec<Parcel>, why: Error) -> Result<()> {
        let Some(split) = parcels.first().map(|parcel| parcel.split) else { return Ok(()) };
        for parcel in parcels {
            let progress = self.splits.get_mut(&parcel.split).expect("a parcel is of a split of this run");
            progress.record_lines -= counted(parcel.record_lines);
        }
        self.fail(split, why)
    }

    /// How far each split moves, from its parcels in order.
    fn advances(&mut self, parcels: &[Parcel]) -> Vec<Advance> {
        let mut advances: Vec<Advance> = Vec::new();
        for parcel in parcels {
            let progress = self.splits.get_mut(&parcel.split).expect("a split of this run");
            let is_same = advances.last().is_some_and(|advance| advance.split == parcel.split);
            if !is_same {
                advances.push(Advance {
                    split: parcel.split,
                    from: progress.position,
                    start: parcel.span.start,
                    to: progress.position,
                    counts: Counts::default(),
                    tail: parcel.tail,
                    ends: None,
                    completes: false,
                    unterminated: None,
                    again: progress.again.take(),
                    preamble: parcel.preamble.clone(),
                });
            }
            let advance = advances.last_mut().expect("just pushed");
            advance.to = parcel.span.end;
            advance.tail = parcel.tail;
            advance.preamble.clone_from(&parcel.preamble);
            (advance.ends, advance.completes) = (parcel.ends, parcel.completes);
            advance.unterminated = parcel.unterminated;
            advance.counts.add(&Counts {
                lines: counted(parcel.lines),
                blank: counted(parcel.blank),
                skipped: counted(parcel.skipped),
                records: counted(parcel.records),
                rejected: counted(parcel.rejects.len() as u64),
                ..Counts::default()
            });
            progress.record_lines += counted(parcel.record_lines);
            progress.position = parcel.span.end;
        }
        advances
    }

    fn fail(&mut self, split: Split, error: Error) -> Result<()> {
        let progress = self.splits.get_mut(&split).expect("a split of this run");
        if progress.is_given_up || progress.has_failed {
            return Ok(());
        }
        if !error.is_about_one_source() {
            return Err(error);
        }
        progress.has_failed = true;
        let why = error.without_path(&progress.path);
        self.outcome.refuse(progress.path.clone(), why, &self.settings.observer);
        Ok(())
    }
}
