//! Output while a load runs: messages, and progress.
//!
//! A separate thread writes it. Code that causes an event puts it into a queue and continues, and the
//! pipeline only counts: a stderr that no one reads delays no batch. The displayed share is of committed
//! bytes, so it never runs ahead of what is durable.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::args::{ProgressArgs, ProgressForm};
use super::speech::{Speech, clear_line};
use crate::engine::Stats;
use crate::error::{Error, Result, unnumbered};
use crate::event::{Event, Level, Observer};
use crate::figure;
use crate::printable::printable_json;
use crate::report::ProgressLine;

/// How often the bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(125);

/// How often a line is written if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How often a line for programs is written.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// Rates are averaged over this time: long enough to be steady, short enough to be accurate.
const RATE_OVER: Duration = Duration::from_secs(3);

/// At most this many messages wait to be written; more are only counted.
const MESSAGES_MAX: usize = 4096;

/// If the reader of lines has not taken any for this long at the end, it gets no last one.
const LAST_LINE_WAIT: Duration = Duration::from_secs(1);

/// An active display. Ends when it is dropped.
pub(super) struct Progress {
    speech: Speech,
    end: Option<Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    events: Sender<Event>,
    missed: Arc<AtomicU64>,
    hears_waits: bool,
}

impl Progress {
    /// Shows the progress of the work counted in `stats`, and reports its events.
    pub(super) fn start(speech: Speech, args: ProgressArgs, stats: &Arc<Stats>) -> Result<Progress> {
        let form = match args.progress_fd {
            Some(number) => Form::Lines(Out::Descriptor(descriptor(number)?)),
            None => match args.progress {
                Some(ProgressForm::Json) => Form::Lines(Out::Messages),
                Some(ProgressForm::None) => Form::Nothing,
                _ if speech.shows_bar() => Form::Bar,
                _ if speech.speaks() => Form::Words,
                _ => Form::Nothing,
            },
        };
        let hears_waits = matches!(form, Form::Lines(_));
        let (end, ended) = bounded::<()>(0);
        let (events, told) = bounded(MESSAGES_MAX);
        let missed = Arc::new(AtomicU64::new(0));
        let display =
            Display { speech, form, stats: Arc::clone(stats), meter: Meter::default(), waiting: None };
        let of_display = Arc::clone(&missed);
        let thread = std::thread::Builder::new().name("progress".into());
        let thread = thread.spawn(move || display.run(&told, &ended, &of_display));
        // Without a thread nothing is shown, and the load continues.
        Ok(Progress { speech, end: Some(end), thread: thread.ok(), events, missed, hears_waits })
    }

    /// Events as lines written by the thread, so that they do not break the bar.
    pub(super) fn observer(&self) -> Observer {
        let (speech, events, missed) = (self.speech, self.events.clone(), Arc::clone(&self.missed));
        let hears_waits = self.hears_waits;
        Observer::new(move |event| {
            if !(speech.hears(event) || hears_waits && is_of_waits(event)) {
                return;
            }
            // A message that must not be missed is not queued.
            if event.level() == Level::Alarm {
                return speech.event(event);
            }
            match events.try_send(event.clone()) {
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    missed.fetch_add(1, Ordering::Relaxed);
                }
                // The display has ended.
                Err(_) => speech.event(event),
            }
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether an event announces a wait or its end.
fn is_of_waits(event: &Event) -> bool {
    matches!(
        event,
        Event::Waiting { .. }
            | Event::Held { .. }
            | Event::Resumed { .. }
            | Event::Claimed { .. }
            | Event::Committed { .. }
    )
}

/// How progress is shown.
enum Form {
    Nothing,
    Words,
    Bar,
    Lines(Out),
}

/// The target of lines for programs.
enum Out {
    /// The same as that of messages.
    Messages,
    Descriptor(File),
    /// Its reader is gone.
    Gone,
}

/// A descriptor that the command was started with. It is reopened, which makes no difference to a pipe;
/// existing content of a file is kept.
fn descriptor(number: i32) -> Result<File> {
    let path = PathBuf::from(format!("/dev/fd/{number}"));
    OpenOptions::new().append(true).open(path).map_err(|cause| {
        Error::usage(format!(
            "--progress-fd {number}: cannot write to that descriptor: {}; it must be open, and a pipe or a file",
            unnumbered(&cause)
        ))
    })
}

/// The state of the thread.
struct Display {
    speech: Speech,
    form: Form,
    stats: Arc<Stats>,
    meter: Meter,
    waiting: Option<String>,
}

impl Display {
    fn run(mut self, told: &Receiver<Event>, ended: &Receiver<()>, missed: &AtomicU64) {
        let every = match &self.form {
            Form::Bar => BAR_EVERY,
            Form::Lines(_) => JSON_EVERY,
            Form::Nothing | Form::Words => LINE_EVERY,
        };
        if let Form::Lines(_) = self.form {
            self.show(false);
        }
        let mut next = Instant::now() + every;
        loop {
            select! {
                recv(told) -> event => event.iter().for_each(|event| self.say(event)),
                recv(ended) -> _ => break,
                default(next.saturating_duration_since(Instant::now())) => {}
            }
            if Instant::now() >= next {
                self.show(false);
                self.tell_missed(missed);
                next = Instant::now() + every;
            }
        }
        told.try_iter().for_each(|event| self.say(&event));
        self.tell_missed(missed);
        match &self.form {
            Form::Bar => clear_line(),
            Form::Lines(_) => self.show(true),
            Form::Nothing | Form::Words => {}
        }
    }

    fn say(&mut self, event: &Event) {
        match event {
            Event::Waiting { .. } | Event::Held { .. } => self.waiting = Some(event.to_string()),
            Event::Resumed { .. } | Event::Claimed { .. } | Event::Committed { .. } => self.waiting = None,
            _ => {}
        }
        // A person whom a wait wakes wants to know how much is loaded already.
        let Event::Waiting { trouble, why, .. } = event else { return self.speech.event(event) };
        let lost =
            if *trouble == "connection" && !why.starts_with("lost ") { "lost the server " } else { "" };
        match self.meter.read(&self.stats).share() {
            Some(share) => self.speech.event_as(event, &format!("{lost}at {share} %: {event}")),
            None => self.speech.event(event),
        }
    }

    fn tell_missed(&self, missed: &AtomicU64) {
        match missed.swap(0, Ordering::Relaxed) {
            0 => {}
            count => self.speech.warn(&format!(
                "{} left out, because the reader of stderr was too slow",
                figure::what(count, "message was", "messages were")
            )),
        }
    }

    fn show(&mut self, is_last: bool) {
        let moment = self.meter.read(&self.stats);
        match &mut self.form {
            Form::Bar => self.speech.draw(|width, has_colour| moment.fitted(width, has_colour)),
            // Nothing has begun.
            Form::Words if moment.total == 0 && moment.done == 0 => {}
            Form::Words => self.speech.inform(&moment.parts().join(", ")),
            Form::Nothing => {}
            Form::Lines(out) => {
                let line = moment.of_program(self.waiting.clone(), is_last);
                let json = serde_json::to_string(&line).expect("plain fields");
                out.write(&printable_json(&format!("{json}\n")), is_last, self.speech);
            }
        }
    }
}

impl Out {
    /// Writes a whole line, or drops it if the reader is too slow. A writable pipe accepts a line shorter
    /// than a page at once.
    fn write(&mut self, line: &str, is_last: bool, speech: Speech) {
        let file = match self {
            Out::Messages => return speech.line(line),
            Out::Descriptor(file) => file,
            Out::Gone => return,
        };
        let wait = if is_last { LAST_LINE_WAIT } else { Duration::ZERO };
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::ZERO);
        let is_ready = poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLOUT)], wait);
        if !is_ready.is_ok_and(|ready| ready > 0) {
            return;
        }
        if let Err(cause) = file.write_all(line.as_bytes()) {
            speech.warn(&format!(
                "--progress-fd: the reader of progress is gone ({}); the run continues",
                unnumbered(&cause)
            ));
            *self = Out::Gone;
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
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
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
            records_per_s: figure::rate(records.saturating_sub(records_then), time),
            bytes_per_s: figure::rate(done.saturating_sub(done_then), time),
        }
    }
}

impl Moment {
    /// The share that is done, in percent, rounded down: 100 % appears only when it is true. The size of a stream is
    /// known only at its end.
    fn share(&self) -> Option<u64> {
        (100 * self.done).checked_div(self.total)
    }

    /// The parts of the display, in reading order.
    fn parts(&self) -> Vec<String> {
        let done = match self.share() {
            Some(share) => format!("{share:>3} % of {}", figure::bytes(self.total)),
            None => figure::bytes(self.done),
        };
        let mut parts = vec![
            done,
            format!("{} records", figure::count(self.records)),
            format!("{}/s", figure::count(self.records_per_s)),
            format!("{}/s", figure::bytes(self.bytes_per_s)),
        ];
        if self.rejected > 0 {
            parts.push(format!("{} rejected", figure::count(self.rejected)));
        }
        if let Some(left) = self.seconds_left() {
            parts.push(format!("{} left", figure::time(Duration::from_secs(left.max(1)))));
        }
        parts
    }

    /// As much of it as fits on one line, and a bar if there is room left.
    fn fitted(&self, width: usize, has_colour: bool) -> String {
        let chars = |parts: &[String]| parts.join(", ").chars().count();
        // The last column stays free: in some terminals, a cursor after it is on the next line.
        let room = width.saturating_sub(1);
        let mut parts = self.parts();
        // Bytes per second matter less than a bar, and are dropped first; progress, remaining time and
        // rejects are dropped last.
        for (index, beside) in [(3, BAR_CHARS_MIN + 1), (1, 0), (1, 0)] {
            if chars(&parts) + beside > room && parts.len() > index + 1 {
                parts.remove(index);
            }
        }
        while chars(&parts) > room && parts.len() > 1 {
            parts.pop();
        }
        let line: String = parts.join(", ").chars().take(room).collect();
        let left = room.saturating_sub(line.chars().count() + 1);
        match self.total {
            1.. if left >= BAR_CHARS_MIN => {
                let share = self.done as f64 / self.total as f64;
                format!("{} {line}", bar(share, left.min(BAR_CHARS_MAX), has_colour))
            }
            _ => line,
        }
    }

    /// The remaining time, if it can be estimated.
    fn seconds_left(&self) -> Option<u64> {
        self.total.checked_sub(self.done).filter(|left| *left > 0)?.checked_div(self.bytes_per_s)
    }

    fn of_program(&self, waiting: Option<String>, ended: bool) -> ProgressLine {
        ProgressLine {
            kind: "progress",
            time: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            records: self.records,
            rejected: self.rejected,
            bytes: self.done,
            bytes_total: Some(self.total).filter(|total| *total > 0),
            records_per_second: self.records_per_s,
            bytes_per_second: self.bytes_per_s,
            eta_seconds: self.seconds_left(),
            waiting,
            ended,
        }
    }
}

/// The minimum and maximum length of a bar.
const BAR_CHARS_MIN: usize = 8;
const BAR_CHARS_MAX: usize = 24;

fn bar(share: f64, chars: usize, has_colour: bool) -> String {
    let done = ((share * chars as f64) as usize).min(chars);
    let head = usize::from(done < chars);
    let (done, rest) = ("━".repeat(done) + &"╸".repeat(head), "─".repeat(chars - done - head));
    match has_colour {
        true => format!("\u{1b}[36m{done}\u{1b}[0;2m{rest}\u{1b}[0m"),
        false => done + &rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_never_longer_than_the_terminal() {
        let moment = Moment {
            done: 330_000_000,
            total: 1_000_000_000,
            records: 990_000,
            rejected: 12,
            records_per_s: 700_000,
            bytes_per_s: 233_000_000,
        };
        for width in 1..200 {
            let line = moment.fitted(width, false);
            assert!(line.chars().count() < width.max(2), "{width}: {line}");
        }
        let whole = " 33 % of 1.00 GB, 990,000 records, 700,000/s, 233 MB/s, 12 rejected, 2.0 s left";
        for (width, line) in [
            (20, " 33 % of 1.00 GB".to_owned()),
            (50, " 33 % of 1.00 GB, 12 rejected, 2.0 s left".to_owned()),
            (
                80,
                "━━╸────── ".to_owned()
                    + " 33 % of 1.00 GB, 990,000 records, 700,000/s, 12 rejected, 2.0 s left",
            ),
            (200, format!("{} {whole}", bar(0.33, 24, false))),
        ] {
            assert_eq!(moment.fitted(width, false), line, "at {width}");
        }
        assert_eq!(bar(0.0, 4, false), "╸───");
        assert_eq!(bar(1.0, 4, false), "━━━━");
        assert_eq!(bar(0.5, 4, true), "\u{1b}[36m━━╸\u{1b}[0;2m─\u{1b}[0m");
    }

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
            moment.parts().join(", "),
            " 33 % of 1.00 GB, 990,000 records, 700,000/s, 233 MB/s, 12 rejected, 2.0 s left"
        );
        let line = moment.of_program(Some("the server is gone".to_owned()), false);
        assert_eq!(
            (line.bytes, line.bytes_total, line.eta_seconds),
            (330_000_000, Some(1_000_000_000), Some(2))
        );
        let moment = Moment { done: 999_999_999, rejected: 0, ..moment };
        assert!(moment.parts()[0].starts_with(" 99 % "));
        let nothing = Moment { done: 0, total: 0, records: 0, rejected: 0, records_per_s: 0, bytes_per_s: 0 };
        assert_eq!(nothing.parts().join(", "), "0 B, 0 records, 0/s, 0 B/s");
        let line = nothing.of_program(None, false);
        assert_eq!((line.bytes_total, line.eta_seconds, line.waiting), (None, None, None));
    }
}
