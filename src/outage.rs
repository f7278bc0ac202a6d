//! Waits out outages: bounded, with growing pauses, and reported. Destinations have outages, and so do the
//! buckets that sources are in.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::stop::Stop;

/// How long to wait, and which observer to notify.
#[derive(Clone, Copy)]
pub(crate) struct Patience<'a> {
    pub(crate) retry_for: Duration,
    pub(crate) stop: &'a Stop,
    pub(crate) observer: &'a Observer,
}

/// One outage: from the first failure to the next success.
pub(crate) struct Outage<'a> {
    patience: Patience<'a>,
    since: Option<Instant>,
    attempt: u32,
    /// The last report: its code, its text, and when.
    told: Option<(&'static str, String, Instant)>,
}

/// How often an ongoing wait is reported again.
const TELL_EVERY: Duration = Duration::from_secs(30);

impl<'a> Outage<'a> {
    pub(crate) fn new(patience: Patience<'a>) -> Outage<'a> {
        Outage { patience, since: None, attempt: 0, told: None }
    }

    /// Waits before the next attempt; `trouble` is the code of the cause for programs. Returns the error if
    /// there will be no further attempt.
    pub(crate) fn wait(
        &mut self,
        trouble: &'static str,
        what: &str,
        error: impl FnOnce() -> Error,
    ) -> Result<()> {
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
        let Patience { retry_for, stop, observer } = self.patience;
        if waited >= retry_for {
            self.told = None;
            let error = error();
            return Err(ErrorKind::Unreachable { what: error.to_string(), waited: Some(waited) }.into());
        }
        let pause = backoff(self.attempt, retry_for - waited);
        self.attempt += 1;
        observer.tell(&Event::Retried { trouble, cause: what.to_owned(), attempt: self.attempt });
        // The first attempts take only a blink, and are not worth reporting.
        let is_told = |(_, told, when): &(_, String, Instant)| told == what && when.elapsed() < TELL_EVERY;
        if self.attempt > 3 && !self.told.as_ref().is_some_and(is_told) {
            self.told = Some((trouble, what.to_owned(), Instant::now()));
            let at_most = retry_for.saturating_sub(waited);
            observer.tell(&Event::Waiting { trouble, why: what.to_owned(), at_most });
        }
        if stop.sleep(pause) {
            return Ok(());
        }
        self.told = None;
        Err(stopped(stop))
    }
}

impl Drop for Outage<'_> {
    /// The end of a reported wait is reported too, unless it ends by giving up.
    fn drop(&mut self) {
        if let (Some(since), Some((trouble, ..))) = (self.since, &self.told) {
            self.patience.observer.tell(&Event::Resumed { trouble, after: since.elapsed() });
        }
    }
}

/// The error of a wait that was cut short by a stop.
pub(crate) fn stopped(stop: &Stop) -> Error {
    ErrorKind::Stopped(stop.asked().unwrap_or(libc::SIGINT)).into()
}

/// How long to wait before the next attempt: doubling from 50 ms to 5 s, with jitter, so that ten runs that
/// failed together do not retry together. The last attempt is made when the time that is `left` is up.
fn backoff(attempt: u32, left: Duration) -> Duration {
    let ceiling = Duration::from_millis(50 << attempt.min(7)).min(Duration::from_secs(5));
    ceiling.mul_f64(0.5 + fastrand::f64() / 2.0).min(left)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn waiting_grows_and_is_bounded() {
        for attempt in 0..100 {
            let wait = backoff(attempt, Duration::MAX);
            assert!(wait >= Duration::from_millis(25) && wait <= Duration::from_secs(5));
            // It never ends after the remaining time.
            assert!(backoff(attempt, Duration::from_millis(20)) == Duration::from_millis(20));
        }
    }

    #[test]
    fn the_same_is_not_told_at_every_try() {
        let (stop, (observer, told)) = (Stop::default(), watched());
        let retry_for = Duration::from_secs(60);
        let mut outage = Outage::new(Patience { retry_for, stop: &stop, observer: &observer });
        // Keeps the pauses short.
        for what in ["full", "full", "full", "full", "full", "gone", "gone"] {
            outage.attempt = outage.attempt.min(3);
            outage.wait("server", what, || Error::broken(what)).expect("there is time left");
        }
        drop(outage);
        let told = told.lock().expect("nobody panicked");
        assert_eq!(told.iter().filter(|event| matches!(event, Event::Retried { .. })).count(), 7);
        let words = told.iter().filter(|event| !matches!(event, Event::Retried { .. }));
        let words: Vec<String> = words.map(|event| event.to_string()[..4].to_owned()).collect();
        assert_eq!(words, ["full", "gone", "no l"]);
    }

    /// An observer that records what happened.
    fn watched() -> (Observer, Arc<Mutex<Vec<Event>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&told);
        (Observer::new(move |event| seen.lock().expect("nobody panicked").push(event.clone())), told)
    }

    #[test]
    fn an_outage_ends_with_its_error_or_with_a_stop() {
        let (stop, (observer, told)) = (Stop::default(), watched());
        let lost = || Error::broken("lost");
        let patience = Patience { retry_for: Duration::ZERO, stop: &stop, observer: &observer };
        let error = Outage::new(patience).wait("server", "lost", lost).expect_err("no time is left");
        assert!(matches!(error.kind(), ErrorKind::Unreachable { .. }));
        stop.ask(libc::SIGTERM);
        let patience = Patience { retry_for: Duration::from_secs(9), ..patience };
        let error = Outage::new(patience).wait("server", "lost", lost).expect_err("stopped");
        assert!(matches!(error.kind(), ErrorKind::Stopped(libc::SIGTERM)));
        let told = told.lock().expect("nobody panicked");
        assert!(!told.iter().any(|event| matches!(event, Event::Resumed { .. })), "{told:?}");
    }
}
