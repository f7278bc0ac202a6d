//! Progress while a load runs: a bar on a terminal, a plain line now and then elsewhere.
//!
//! A thread of its own reads the counters a few times a second, so that the pipeline only
//! counts. The share done is of bytes committed, so it never runs ahead of what is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::speech::Speech;
use crate::engine::Stats;
use crate::event::Observer;
use crate::figure;

/// How often the bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(125);

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Rates are over this long: long enough to be calm, short enough to be true.
const RATE_OVER: Duration = Duration::from_secs(3);

/// A running display. Ends when it is dropped.
pub(super) struct Progress {
    end: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn start(speech: Speech, stats: &Arc<Stats>) -> Progress {
        if !speech.speaks() {
            return Progress { end: None, thread: None, bar: None };
        }
        let bar = speech.shows_bar().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let template = match speech.has_colour {
                true => "{bar:24.cyan/dim} {msg}",
                false => "{bar:24} {msg}",
            };
            bar.set_style(
                ProgressStyle::with_template(template).expect("a template of ours").progress_chars("━╸─"),
            );
            bar
        });
        let (end, ended) = bounded::<()>(0);
        let (stats, shown) = (Arc::clone(stats), bar.clone());
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || {
            let mut meter = Meter::default();
            let every = if shown.is_some() { BAR_EVERY } else { LINE_EVERY };
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(every) {
                let moment = meter.read(&stats);
                match &shown {
                    Some(bar) => {
                        bar.set_length(moment.total.max(1));
                        bar.set_position(moment.done);
                        bar.set_message(moment.line());
                    }
                    // Nothing has begun.
                    None if moment.total == 0 && moment.done == 0 => {}
                    None => speech.inform(&moment.line()),
                }
            }
        });
        // Without a thread there is no display, and the load goes on.
        Progress { end: Some(end), thread: thread.ok(), bar }
    }

    /// Lines about what happens, written without tearing the bar.
    pub(super) fn observer(&self, speech: Speech) -> Observer {
        let bar = self.bar.clone();
        Observer::new(move |event| match &bar {
            Some(bar) if speech.hears(event) => bar.suspend(|| speech.event(event)),
            _ => speech.event(event),
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The counters a moment ago and now.
#[derive(Default)]
struct Meter(VecDeque<(Instant, u64, u64)>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Moment {
    done: u64,
    total: u64,
    records: u64,
    rejected: u64,
    records_per_s: u64,
    bytes_per_s: u64,
}

impl Meter {
    fn read(&mut self, stats: &Stats) -> Moment {
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let (done, records) = (get(&stats.bytes_done), get(&stats.records));
        let now = Instant::now();
        self.0.push_back((now, done, records));
        while self.0.len() > 2 && now.duration_since(self.0[0].0) > RATE_OVER {
            self.0.pop_front();
        }
        let (since, done_then, records_then) = self.0[0];
        let time = now.duration_since(since);
        Moment {
            done,
            total: get(&stats.bytes_total),
            records,
            rejected: get(&stats.rejected),
            records_per_s: figure::rate(records - records_then, time),
            bytes_per_s: figure::rate(done - done_then, time),
        }
    }
}

impl Moment {
    fn line(&self) -> String {
        // Rounded down: 100 % is shown when it is true. How much a stream has, only its end tells.
        let done = match (100 * self.done).checked_div(self.total) {
            Some(share) => format!("{share:>3} % of {}", figure::bytes(self.total)),
            None => figure::bytes(self.done),
        };
        let mut line = format!(
            "{done}, {} records, {}/s, {}/s",
            figure::count(self.records),
            figure::count(self.records_per_s),
            figure::bytes(self.bytes_per_s)
        );
        if self.rejected > 0 {
            line.push_str(&format!(", {} rejected", figure::count(self.rejected)));
        }
        if self.bytes_per_s > 0 && self.done < self.total {
            let left = Duration::from_secs((self.total - self.done) / self.bytes_per_s);
            line.push_str(&format!(", {} left", figure::time(left.max(Duration::from_secs(1)))));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_how_fast_and_how_long() {
        let moment = Moment {
            done: 330_000_000,
            total: 1_000_000_000,
            records: 990_000,
            rejected: 12,
            records_per_s: 700_000,
            bytes_per_s: 233_000_000,
        };
        assert_eq!(
            moment.line(),
            " 33 % of 1.00 GB, 990,000 records, 700,000/s, 233 MB/s, 12 rejected, 2.0 s left"
        );
        let moment = Moment { done: 999_999_999, rejected: 0, ..moment };
        assert!(moment.line().starts_with(" 99 % "));
        let nothing = Moment { done: 0, total: 0, records: 0, rejected: 0, records_per_s: 0, bytes_per_s: 0 };
        assert_eq!(nothing.line(), "0 B, 0 records, 0/s, 0 B/s");
    }
}
