//! What a command is doing and has done, as metrics for Prometheus.
//!
//! The metrics are sums of events and nothing else, so they agree with the report, whose counters come from
//! the same events. A reader of the text gets a copy, so it never delays the code that causes events.

mod text;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::counts::Counts;
use crate::event::{CodeCount, Event};

/// The metrics of one command.
#[derive(Debug)]
pub struct Metrics {
    job: String,
    figures: Mutex<Figures>,
}

/// The end of a command.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Its outcome, in one word.
    pub outcome: &'static str,
    /// Its exit code.
    pub exit_code: u8,
    /// It reached the end of its sources.
    pub is_success: bool,
}

#[derive(Clone, Debug, Default)]
struct Figures {
    /// Increases with every change of the text.
    changes: u64,
    began: Option<Duration>,
    command: String,
    destination: String,
    counts: Counts,
    rejects: BTreeMap<String, u64>,
    bytes: u64,
    raw_bytes: u64,
    batches: u64,
    commits: Histogram,
    retries: BTreeMap<&'static str, u64>,
    /// Completed waits, by what was waited for.
    waited: BTreeMap<&'static str, Duration>,
    /// What is being waited for, and since when.
    waiting: BTreeMap<&'static str, Instant>,
    /// Bytes of the claimed sources; the committed ones are `raw_bytes`.
    claimed: u64,
    open_dead_letters: Option<u64>,
    sources: BTreeMap<&'static str, u64>,
    dates: BTreeMap<&'static str, u64>,
    is_running: bool,
    last_success: Option<Duration>,
    end: Option<End>,
}

/// The bounds of the buckets for a commit, in seconds: from ten rows to a batch on a busy server.
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

#[derive(Clone, Debug, Default)]
struct Histogram {
    /// The number in each single bucket; the last has no upper bound.
    buckets: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        self.sum += time;
    }
}

/// The words for the outcomes of a source.
const FINISHED: &str = "finished";
const REFUSED: &str = "refused";
const GIVEN_UP: &str = "given_up";

/// The word for a wait for another run.
const HELD: &str = "held";

impl Metrics {
    /// The metrics of a job before anything has happened. `previous` is the text left by an earlier command:
    /// its last success and number of open dead letters hold until newer figures are known.
    pub fn new(job: &str, previous: Option<&str>) -> Metrics {
        let told = previous.map(|text| text::Previous::read(text, job)).unwrap_or_default();
        let figures = Figures {
            began: Some(now()),
            last_success: told.last_success.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            open_dead_letters: told.open_dead_letters,
            ..Figures::default()
        };
        Metrics { job: job.to_owned(), figures: Mutex::new(figures) }
    }

    /// Adds an event.
    pub fn see(&self, event: &Event) {
        let mut figures = self.figures();
        figures.changes += 1;
        figures.see(event);
    }

    /// Records the end of the command.
    pub fn end(&self, end: End) {
        let mut figures = self.figures();
        figures.changes += 1;
        for (trouble, since) in std::mem::take(&mut figures.waiting) {
            *figures.waited.entry(trouble).or_default() += since.elapsed();
        }
        figures.is_running = false;
        figures.end = Some(end);
        if end.is_success {
            figures.last_success = Some(now());
        }
    }

    /// The text in the Prometheus exposition format.
    pub fn text(&self) -> String {
        // A copy, so that no one waits while the text is written.
        let figures = self.figures().clone();
        text::of(&self.job, &figures)
    }

    /// Whether the text has changed since the last look, which is marked in `seen`.
    pub fn has_changed(&self, seen: &mut Option<u64>) -> bool {
        let figures = self.figures();
        // An ongoing wait is longer at every look.
        seen.replace(figures.changes) != Some(figures.changes) || !figures.waiting.is_empty()
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    fn see(&mut self, event: &Event) {
        match event {
            Event::RunStarted { command, destination, .. } => {
                self.is_running = true;
                self.command.clone_from(command);
                self.destination.clone_from(destination);
            }
            Event::RunEnded { open_dead_letters_of_job: open, .. } => {
                self.open_dead_letters = open.or(self.open_dead_letters);
            }
            Event::Retried { trouble, .. } => *self.retries.entry(trouble).or_default() += 1,
            Event::Waiting { trouble, .. } => self.wait(trouble),
            Event::Held { .. } => self.wait(HELD),
            Event::Resumed { trouble, after } => {
                self.waiting.remove(trouble);
                *self.waited.entry(trouble).or_default() += *after;
            }
            Event::Claimed { bytes, again_bytes, .. } => {
                self.claimed = self.claimed.saturating_sub(*again_bytes) + bytes;
            }
            Event::Committed { counts, reasons, bytes, raw_bytes, took } => {
                self.counts.add(counts);
                for CodeCount { code, count } in reasons {
                    *self.rejects.entry(code.clone()).or_default() += count;
                }
                self.bytes += bytes;
                self.raw_bytes += raw_bytes;
                self.batches += 1;
                self.commits.add(*took);
            }
            Event::TakenBack { counts, reasons, bytes, raw_bytes, batches, finished, refused, given_up } => {
                self.counts = self.counts.minus(counts);
                for CodeCount { code, count } in reasons {
                    self.rejects.entry(code.clone()).and_modify(|had| *had = had.saturating_sub(*count));
                }
                self.bytes = self.bytes.saturating_sub(*bytes);
                self.raw_bytes = self.raw_bytes.saturating_sub(*raw_bytes);
                self.batches = self.batches.saturating_sub(*batches);
                for (result, count) in [(FINISHED, finished), (REFUSED, refused), (GIVEN_UP, given_up)] {
                    self.sources.entry(result).and_modify(|had| *had = had.saturating_sub(*count));
                }
            }
            Event::Finished { .. } => self.count_source(FINISHED),
            Event::Refused { .. } => self.count_source(REFUSED),
            Event::GivenUp { .. } => self.count_source(GIVEN_UP),
            Event::DayEnded { state, .. } => *self.dates.entry(state).or_default() += 1,
            Event::SourceClaimed { .. }
            | Event::JobFound { .. }
            | Event::LeftOut { .. }
            | Event::PassedOver { .. }
            | Event::Listening { .. }
            | Event::Warning { .. }
            | Event::Unsafe { .. } => {}
        }
    }

    fn wait(&mut self, trouble: &'static str) {
        self.waiting.entry(trouble).or_insert_with(Instant::now);
    }

    /// Bytes that are claimed and not committed.
    fn lag(&self) -> u64 {
        self.claimed.saturating_sub(self.raw_bytes)
    }

    fn count_source(&mut self, result: &'static str) {
        *self.sources.entry(result).or_default() += 1;
    }

    /// One word for the current activity.
    fn state(&self) -> &'static str {
        match (&self.end, self.waiting.is_empty(), self.is_running) {
            (Some(end), ..) => end.outcome,
            (None, false, _) => "waiting",
            (None, true, true) => "running",
            (None, true, false) => "starting",
        }
    }
}

/// The time, since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
