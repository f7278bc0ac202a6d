//! What a run is doing and has done, in counters that can be read while it runs.
//!
//! The pipeline counts and does not print; the command reads these a few times a second.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::event::{CodeCount, Event, Observer};
use crate::reject::{Code, OTHER_FIELDS};
use crate::schema::Altered;
use crate::sink::dead_letter::Refused;
use crate::sink::history::{Line, ReasonCount};
use crate::sink::rebuild::Rebuilt;
use crate::sink::rollup::RolledUp;
use crate::sink::{Batch, Counts, OpenLetters, Setback, Task};
use crate::source::Candidate;
use crate::split::Split;

/// Counters of a run, updated as it goes.
#[derive(Debug, Default)]
pub struct Stats {
    /// Bytes of the files to be read in this run, compressed as they are.
    pub bytes_total: AtomicU64,
    /// Bytes of these that are committed.
    pub bytes_done: AtomicU64,
    /// Records that are committed, including rejects.
    pub records: AtomicU64,
    /// Rejects that are committed.
    pub rejected: AtomicU64,
    /// Nanoseconds that the writer waited for parcels.
    pub(super) waited_ns: AtomicU64,
    /// Nanoseconds that the destination worked.
    pub(super) commit_ns: AtomicU64,
    /// Nanoseconds that workers worked, in total.
    pub(super) work_ns: AtomicU64,
    /// Nanoseconds that the planner needed to find and cut chunks.
    pub(super) plan_ns: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}

/// A count of records, which is never negative.
pub(super) fn countable(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn less(counter: &AtomicU64, value: u64) {
    let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |had| Some(had.saturating_sub(value)));
}

pub(super) fn add_time(counter: &AtomicU64, time: Duration) {
    add(counter, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The outcomes of the records, over all sources.
    pub counts: Counts,
    /// Values that were stored in another form than in the record.
    pub altered: Altered,
    /// Bytes that were read and committed, decompressed.
    pub bytes: u64,
    /// The same in the files, in compressed size.
    pub raw_bytes: u64,
    pub batches: u64,
    /// Sources that were loaded to their end.
    pub loaded: u64,
    /// Those of them in which there was nothing new. Of a stream only its end tells that.
    pub known: u64,
    /// Splits that were loaded to their end, of sources that have several.
    pub splits: u64,
    /// Sources that were loaded up to a last line that is still being written.
    pub waiting: u64,
    /// Sources that were complete already.
    pub finished: u64,
    /// Those of them that were loaded under other rules than the present ones.
    pub other_rules: Option<OtherRules>,
    /// Files that were left out because another one has the same content, as (file, other).
    pub duplicates: Vec<(PathBuf, String)>,
    /// Files that could not be loaded, as (file, reason).
    pub failed: Vec<(PathBuf, String)>,
    /// Abandoned sources: too many of their records are dead letters.
    pub given_up: Vec<GivenUp>,
    /// Notices about files that were read, as (file, notice).
    pub notices: Vec<(PathBuf, String)>,
    /// How often the destination had lost acknowledged commits.
    pub setbacks: u32,
    /// What a rebuild did besides loading.
    pub rebuilt: Option<Rebuilt>,
    /// The reasons of rejects, the most frequent first.
    pub reasons: Vec<Reason>,
    /// The outcome for the metrics of dates.
    pub rolled_up: RolledUp,
    /// The signal that ended the run early.
    pub stopped: Option<i32>,
    /// Open dead letters, from this run or an earlier one; `None` if the run failed before it could ask.
    pub open_dead_letters: Option<OpenLetters>,
    /// The maximum number of lanes; 0 counts as one.
    pub lanes: usize,
    /// The number of lines of each completed split, for sources with several.
    pub lines: HashMap<Split, u64>,
    /// For compressed files that are committed but not complete: the bytes read of each file so far. A run
    /// that resumes one reads them again.
    pub begun: HashMap<Split, u64>,
    pub elapsed: Duration,
    pub times: Times,
}

/// The state of an outcome before a part of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    finished: u64,
    waiting: u64,
    duplicates: usize,
    failed: usize,
    given_up: usize,
    notices: usize,
}

impl Outcome {
    /// Takes back what the destination has lost, and everything since `mark` that another claim of the files
    /// will find again. It is not known which reasons were lost, so they stay counted.
    pub(super) fn set_back(
        &mut self,
        setbacks: &[Setback],
        tasks: &[(Task, Candidate)],
        mark: Mark,
        stats: &Stats,
        observer: &Observer,
    ) {
        let mut counts = Counts::default();
        setbacks.iter().for_each(|setback| counts.add(&setback.lost));
        let bytes = setbacks.iter().map(|setback| setback.bytes).sum::<u64>().min(self.bytes);
        let raw_bytes = self.take_for_again(setbacks, tasks).min(self.raw_bytes);
        let complete = setbacks.iter().filter(|setback| setback.was_complete);
        let complete: HashSet<i32> = complete.map(|setback| setback.split.source).collect();
        let taken_back = Event::TakenBack {
            counts,
            reasons: Vec::new(),
            bytes,
            raw_bytes,
            batches: 0,
            finished: complete.len() as u64,
            refused: (self.failed.len() - mark.failed) as u64,
            given_up: (self.given_up.len() - mark.given_up) as u64,
        };
        if !setbacks.is_empty() || self.failed.len() > mark.failed || self.given_up.len() > mark.given_up {
            observer.tell(&taken_back);
        }
        stats.take_back(&counts, raw_bytes);
        self.counts = self.counts.minus(&counts);
        (self.bytes, self.raw_bytes) = (self.bytes - bytes, self.raw_bytes - raw_bytes);
        self.loaded = self.loaded.saturating_sub(complete.len() as u64);
        self.splits = self.splits.saturating_sub(setbacks.iter().filter(|it| it.was_complete).count() as u64);
        (self.finished, self.waiting) = (mark.finished, mark.waiting);
        self.duplicates.truncate(mark.duplicates);
        self.failed.truncate(mark.failed);
        self.given_up.truncate(mark.given_up);
        self.notices.truncate(mark.notices);
    }

    /// Bytes in the files that were committed and are read again after these setbacks. A compressed file is
    /// read from its start, even if nothing of it went back.
    fn take_for_again(&mut self, setbacks: &[Setback], tasks: &[(Task, Candidate)]) -> u64 {
        let files: HashMap<Split, &Candidate> = tasks.iter().map(|(task, file)| (task.split, file)).collect();
        let begun = |split: &Split| self.begun.contains_key(split);
        let lost = setbacks.iter().filter(|setback| !begun(&setback.split)).map(|setback| {
            let fingerprint = files.get(&setback.split).map(|file| &file.fingerprint);
            let archive = fingerprint.filter(|it| it.is_compressed).and_then(|it| it.container);
            archive.map_or(setback.bytes, |archive| archive.size)
        });
        let lost = lost.sum::<u64>();
        let again = self.begun.extract_if(|split, _| files.contains_key(split)).map(|(_, raw)| raw);
        lost + again.sum::<u64>()
    }

    /// The present state, before a part of the run that may have to be taken back.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            finished: self.finished,
            waiting: self.waiting,
            duplicates: self.duplicates.len(),
            failed: self.failed.len(),
            given_up: self.given_up.len(),
            notices: self.notices.len(),
        }
    }

    /// Takes back everything that an abandoned rebuild had loaded. The obstacles are kept.
    pub(super) fn unload(&mut self, stats: &Stats, observer: &Observer) {
        let Outcome { counts, bytes, raw_bytes, batches, loaded: finished, .. } = *self;
        let reasons = self.reasons.iter().map(|reason| (reason.code, reason.count));
        let reasons = by_code(reasons);
        observer.tell(&Event::TakenBack {
            counts,
            reasons,
            bytes,
            raw_bytes,
            batches,
            finished,
            refused: 0,
            given_up: 0,
        });
        stats.take_back(&counts, raw_bytes);
        self.counts = Counts::default();
        self.altered = Altered::default();
        (self.bytes, self.raw_bytes, self.batches) = (0, 0, 0);
        (self.loaded, self.known, self.splits, self.waiting) = (0, 0, 0, 0);
        self.begun.clear();
        self.reasons.clear();
        self.given_up.iter_mut().for_each(GivenUp::undo);
    }

    /// Adds the outcome of a lane.
    pub(super) fn join(&mut self, lane: Outcome) {
        self.counts.add(&lane.counts);
        self.altered += lane.altered;
        self.bytes += lane.bytes;
        self.raw_bytes += lane.raw_bytes;
        self.batches += lane.batches;
        self.loaded += lane.loaded;
        self.known += lane.known;
        self.splits += lane.splits;
        self.waiting += lane.waiting;
        // A file may have failed in several lanes.
        let is_new = |(path, _): &(PathBuf, String)| self.failed.iter().all(|(known, _)| known != path);
        let failed: Vec<_> = lane.failed.into_iter().filter(is_new).collect();
        self.failed.extend(failed);
        self.given_up.extend(lane.given_up);
        self.notices.extend(lane.notices);
        self.lines.extend(lane.lines);
        self.begun.extend(lane.begun);
        self.stopped = self.stopped.or(lane.stopped);
        let mut reasons = Reasons::of(std::mem::take(&mut self.reasons));
        lane.reasons.into_iter().for_each(|reason| reasons.add(reason));
        self.reasons = reasons.sorted();
    }

    /// Records that a source has too many dead letters.
    pub(super) fn give_up(&mut self, given_up: GivenUp, observer: &Observer) {
        let GivenUp { ref path, records, letters: dead_letters, .. } = given_up;
        observer.tell(&Event::GivenUp { file: path.clone(), dead_letters, records });
        self.given_up.push(given_up);
    }

    /// Records that a file cannot be loaded.
    pub(super) fn refuse(&mut self, file: PathBuf, why: String, observer: &Observer) {
        observer.tell(&Event::Refused { file: file.clone(), why: why.clone() });
        self.failed.push((file, why));
    }
}

/// Complete sources that were loaded under other rules.
#[derive(Clone, Copy, Debug)]
pub struct OtherRules {
    pub files: usize,
    /// Their open dead letters.
    pub letters: u64,
}

/// A source with too many dead letters.
#[derive(Clone, Debug)]
pub struct GivenUp {
    pub source: i32,
    pub path: PathBuf,
    /// It has several splits.
    pub is_cut: bool,
    /// Its loaded records, dead letters included.
    pub records: u64,
    /// Its open dead letters.
    pub letters: u64,
    /// Why they are open, the most frequent reason first; only for the first few such sources.
    pub reasons: Vec<ReasonCount>,
    /// All of it was rolled back with the rebuild that it prevented.
    pub is_undone: bool,
}

impl GivenUp {
    /// Its dead letters are gone: their ids lead nowhere, or to others.
    fn undo(&mut self) {
        self.is_undone = true;
        self.reasons.iter_mut().for_each(|reason| reason.first.id = None);
    }
}

/// Where the time went. Each figure is for one thread; they overlap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// The writer waited for parcels.
    pub waited: Duration,
    /// The destination worked.
    pub commit: Duration,
    /// The workers worked, in total.
    pub work: Duration,
    /// The planner read and cut.
    pub plan: Duration,
}

impl Stats {
    /// Adds bytes that will be read, though they are not claimed yet.
    pub fn foresee(&self, bytes: u64) {
        add(&self.bytes_total, bytes);
    }

    /// Removes foreseen bytes that are claimed now, because the claim counts them.
    pub fn foresaw(&self, bytes: u64) {
        self.bytes_total.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Adds claimed bytes, of which `again` had been claimed before.
    pub(super) fn claim(&self, bytes: u64, again: u64) {
        add(&self.bytes_total, bytes);
        less(&self.bytes_total, again);
    }

    /// Removes what was committed and is gone.
    fn take_back(&self, counts: &Counts, raw_bytes: u64) {
        less(&self.bytes_done, raw_bytes);
        less(&self.records, countable(counts.records));
        less(&self.rejected, countable(counts.rejected));
    }

    /// How the time has been spent so far.
    pub fn times(&self) -> Times {
        let time = |counter: &AtomicU64| Duration::from_nanos(counter.load(Ordering::Relaxed));
        Times {
            waited: time(&self.waited_ns),
            commit: time(&self.commit_ns),
            work: time(&self.work_ns),
            plan: time(&self.plan_ns),
        }
    }
}

impl Times {
    /// The average of one of `lanes` lanes. All lanes share the workers.
    pub fn of_one(self, lanes: usize) -> Times {
        let lanes = u32::try_from(lanes.max(1)).unwrap_or(u32::MAX);
        let Times { waited, commit, work, plan } = self;
        Times { waited: waited / lanes, commit: commit / lanes, work, plan: plan / lanes }
    }
}

/// One reason of rejects.
#[derive(Clone, Debug)]
pub struct Reason {
    pub code: Code,
    /// The field; empty for the record as a whole.
    pub field: String,
    pub count: u64,
    /// The file of the first such record.
    pub path: PathBuf,
    /// The line of that record.
    pub line: Line,
    pub offset: u64,
}

/// The reasons of a run, collected from its batches.
#[derive(Debug, Default)]
pub(super) struct Reasons(HashMap<(Code, String), Reason>);

/// The reasons of a batch's rejects, by code.
pub(super) fn reasons_of(batch: &Batch, refused: &[Refused]) -> Vec<CodeCount> {
    let tallies = batch.parcels.iter().flat_map(|parcel| parcel.rejects.tally());
    let tallied = tallies.map(|tally| (tally.code, tally.count));
    by_code(tallied.chain(refused.iter().map(|refused| (refused.code, 1))))
}

/// The sums by code, in the order of the codes.
fn by_code(counts: impl Iterator<Item = (Code, u64)>) -> Vec<CodeCount> {
    let mut sums = BTreeMap::new();
    counts.for_each(|(code, count)| *sums.entry(code).or_insert(0) += count);
    sums.into_iter().map(|(code, count)| CodeCount { code: code.to_string(), count }).collect()
}

/// At most this many are distinguished, and beyond that only the codes: a field's name can come from the
/// data.
const REASONS_MAX: usize = 1000;

impl Reasons {
    /// Continues from the reasons of an earlier part of the run.
    pub(super) fn of(reasons: Vec<Reason>) -> Reasons {
        let mut all = Reasons::default();
        reasons.into_iter().for_each(|reason| all.add(reason));
        all
    }

    pub(super) fn add(&mut self, mut reason: Reason) {
        let mut key = (reason.code, reason.field.clone());
        if self.0.len() >= REASONS_MAX && !self.0.contains_key(&key) {
            OTHER_FIELDS.clone_into(&mut reason.field);
            OTHER_FIELDS.clone_into(&mut key.1);
        }
        self.0.entry(key).and_modify(|known| known.count += reason.count).or_insert(reason);
    }

    /// The most frequent first; equal ones by name.
    pub(super) fn sorted(self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.0.into_values().collect();
        reasons.sort_by(|one, other| {
            let names = |reason: &Reason| (reason.code, reason.field.clone());
            other.count.cmp(&one.count).then_with(|| names(one).cmp(&names(other)))
        });
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::code;

    #[test]
    fn however_many_fields_there_are_the_reasons_are_bounded_and_all_counted() {
        let mut reasons = Reasons::default();
        for number in 0..10_000 {
            let field = number.to_string();
            let path = PathBuf::new();
            reasons.add(Reason {
                code: code::EXTRA_FORBIDDEN,
                field,
                count: 2,
                path,
                line: Line::of(1, 0, Some(0)),
                offset: 0,
            });
        }
        let reasons = reasons.sorted();
        assert_eq!(reasons.len(), REASONS_MAX + 1);
        assert_eq!((reasons[0].field.as_str(), reasons[0].count), (OTHER_FIELDS, 2 * 9_000));
        assert_eq!(reasons.iter().map(|reason| reason.count).sum::<u64>(), 20_000);
    }
}
