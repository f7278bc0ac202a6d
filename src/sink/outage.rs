//! Outages, waited out: bounded, with growing pauses, and shown.

use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::stop::Stop;

/// How long to wait, and whom to tell.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) retry_for: Duration,
    pub(super) stop: &'a Stop,
    pub(super) notify: &'a (dyn Fn(&str) + Send + Sync),
}

/// One outage: from the first failure to the next success.
pub(super) struct Outage<'a> {
    patience: Patience<'a>,
    since: Option<Instant>,
    attempt: u32,
    /// What was told last, and when.
    told: Option<(String, Instant)>,
}

/// So often it is said again that it goes on.
const TELL_EVERY: Duration = Duration::from_secs(30);

impl<'a> Outage<'a> {
    pub(super) fn new(patience: Patience<'a>) -> Outage<'a> {
        Outage { patience, since: None, attempt: 0, told: None }
    }

    /// Waits before the next try. The error is given back when there will be none.
    pub(super) fn wait(&mut self, what: &str, error: impl FnOnce() -> Error) -> Result<()> {
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
        let Patience { retry_for, stop, notify } = self.patience;
        if waited >= retry_for {
            let error = error();
            return Err(Kind::Unreachable(format!("{error}; gave up after {} s", waited.as_secs())).into());
        }
        let pause = backoff(self.attempt);
        self.attempt += 1;
        // The first tries are a blink; nobody needs to be told of each.
        let is_told = |told: &(String, Instant)| told.0 == what && told.1.elapsed() < TELL_EVERY;
        if self.attempt > 3 && !self.told.as_ref().is_some_and(is_told) {
            self.told = Some((what.to_owned(), Instant::now()));
            let left = retry_for.saturating_sub(waited).as_secs();
            notify(&format!("{what}; trying again for up to {left} s more"));
        }
        match stop.sleep(pause) {
            true => Ok(()),
            false => Err(stopped(stop)),
        }
    }
}

/// The error of somebody who was waiting when a stop was asked for.
pub(super) fn stopped(stop: &Stop) -> Error {
    Kind::Stopped(stop.asked().unwrap_or(libc::SIGINT)).into()
}

/// How long to wait before the next try: doubling from 50 ms to 5 s, with jitter, so that
/// ten runs that failed together do not come back together.
fn backoff(attempt: u32) -> Duration {
    let ceiling = Duration::from_millis(50 << attempt.min(7)).min(Duration::from_secs(5));
    ceiling.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_is_bounded() {
        for attempt in 0..100 {
            let wait = backoff(attempt);
            assert!(wait >= Duration::from_millis(25) && wait <= Duration::from_secs(5));
        }
    }

    #[test]
    fn the_same_is_not_told_at_every_try() {
        let (stop, told) = (Stop::default(), std::sync::Mutex::new(Vec::new()));
        let notify = |text: &str| told.lock().expect("nobody panicked").push(text.to_owned());
        let mut outage =
            Outage::new(Patience { retry_for: Duration::from_secs(60), stop: &stop, notify: &notify });
        // The pauses are kept short.
        for what in ["full", "full", "full", "full", "full", "gone", "gone"] {
            outage.attempt = outage.attempt.min(3);
            outage.wait(what, || Error::broken(what)).expect("there is time left");
        }
        let told = told.into_inner().expect("nobody panicked");
        let words: Vec<&str> = told.iter().map(|text| &text[..4]).collect();
        assert_eq!(words, ["full", "gone"]);
    }

    #[test]
    fn an_outage_ends_with_its_error_or_with_a_stop() {
        let stop = Stop::default();
        let lost = || Error::broken("lost");
        let patience = Patience { retry_for: Duration::ZERO, stop: &stop, notify: &|_| {} };
        let error = Outage::new(patience).wait("lost", lost).expect_err("no time is left");
        assert!(matches!(error.kind(), Kind::Unreachable(_)));
        stop.ask(libc::SIGTERM);
        let patience = Patience { retry_for: Duration::from_secs(9), ..patience };
        let error = Outage::new(patience).wait("lost", lost).expect_err("stopped");
        assert!(matches!(error.kind(), Kind::Stopped(libc::SIGTERM)));
    }
}
