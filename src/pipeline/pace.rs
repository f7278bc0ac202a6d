//! How far a lane is and how fast, for readers that ask the destination from elsewhere.
//!
//! It is written with a batch a few times a second at most, and with the last batch, if that can be foreseen.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::claim::bytes_to_read;
use super::stats::{Outcome, countable};
use crate::sink::progress::{Point, Progress, Series};
use crate::sink::{Advance, Task};
use crate::source::Candidate;
use crate::work::Parcel;

/// It is not written more often than this.
const EVERY: Duration = Duration::from_millis(250);

/// Rates are averaged over this time.
const RATE_OVER: Duration = Duration::from_secs(3);

pub(super) struct Pace {
    /// The run, if runs are remembered.
    run: Option<i64>,
    lane: i32,
    began: Instant,
    bytes_total: u64,
    /// Splits that are not complete.
    open: usize,
    pub(super) waited: Duration,
    pub(super) committing: Duration,
    /// How many records and bytes there were at recent times.
    recent: VecDeque<(Instant, u64, u64)>,
    series: Series,
    written: Option<Instant>,
}

impl Pace {
    /// The pace of a lane with these tasks ahead of it, after `outcome`.
    pub(super) fn new(run: Option<i64>, lane: i32, tasks: &[(Task, Candidate)], outcome: &Outcome) -> Pace {
        let (began, records, bytes) = (Instant::now(), countable(outcome.counts.records), outcome.raw_bytes);
        let to_read: u64 = tasks.iter().map(|(task, file)| bytes_to_read(task, file)).sum();
        let mut pace = Pace {
            run,
            lane,
            began,
            bytes_total: bytes + to_read,
            open: tasks.len(),
            waited: Duration::ZERO,
            committing: Duration::ZERO,
            recent: VecDeque::from([(began, records, bytes)]),
            series: Series::default(),
            written: None,
        };
        pace.series.add(Point { records, bytes, ..Point::default() });
        pace
    }

    /// What to write with a batch, if it is time. `outcome` is what was committed before it.
    pub(super) fn with_batch(
        &mut self,
        outcome: &Outcome,
        parcels: &[Parcel],
        advances: &[Advance],
    ) -> Option<Progress> {
        let sum = |of: fn(&Parcel) -> u64| parcels.iter().map(of).sum::<u64>();
        let records = countable(outcome.counts.records) + sum(|parcel| parcel.records);
        let rejected = countable(outcome.counts.rejected) + sum(|parcel| parcel.rejects.len() as u64);
        let bytes = outcome.raw_bytes + sum(|parcel| parcel.raw);
        let now = Instant::now();
        self.recent.push_back((now, records, bytes));
        while self.recent.len() > 2 && now.duration_since(self.recent[0].0) > RATE_OVER {
            self.recent.pop_front();
        }
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.series.add(Point {
            ms: ms(now.duration_since(self.began)),
            records,
            bytes,
            waited_ms: ms(self.waited),
            commit_ms: ms(self.committing),
        });
        self.open -= advances.iter().filter(|advance| advance.completes).count().min(self.open);
        let is_due = self.written.is_none_or(|written| now.duration_since(written) >= EVERY);
        if !is_due && self.open > 0 {
            return None;
        }
        self.written = Some(now);
        let (since, records_then, bytes_then) = self.recent[0];
        let seconds = now.duration_since(since).as_secs_f64().max(1e-3);
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds) as u64;
        Some(Progress {
            run: self.run?,
            lane: self.lane,
            records,
            rejected,
            bytes,
            bytes_total: self.bytes_total,
            records_per_second: rate(records, records_then),
            bytes_per_second: rate(bytes, bytes_then),
            series: self.series.clone(),
        })
    }
}
