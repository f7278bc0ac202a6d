//! Turns: concurrent runs claim their sources one after the other.
//!
//! Claims assign the ids of sources, which must not depend on how many runs there are at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::stop::Stop;

/// How often a waiting run checks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Hands out turns.
#[derive(Debug, Default)]
pub struct Turns {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    passed: Mutex<Passed>,
    changed: Condvar,
}

/// All turns below the first pending one, and single ones after it.
#[derive(Debug, Default)]
struct Passed {
    below: usize,
    others: BTreeSet<usize>,
}

/// Runs `work` on this many threads, the calling one included, until each has returned.
pub fn side_by_side(threads: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(&work);
        }
        work();
    });
}

/// The turn of one run. Dropping it passes the turn on, however the run ends.
#[derive(Debug)]
pub struct Turn {
    shared: Arc<Shared>,
    place: usize,
}

impl Turns {
    /// The turn at this place. Each is handed out once.
    pub fn turn(&self, place: usize) -> Turn {
        Turn { shared: Arc::clone(&self.shared), place }
    }
}

impl Turn {
    /// Waits until the earlier ones have passed.
    pub(super) fn wait(&self, stop: &Stop) -> Result<()> {
        let mut passed = self.shared.passed.lock().unwrap_or_else(PoisonError::into_inner);
        while passed.below < self.place {
            if let Some(signal) = stop.asked() {
                return Err(ErrorKind::Stopped(signal).into());
            }
            let waited = self.shared.changed.wait_timeout(passed, LOOK_EVERY);
            passed = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Lets the next one proceed.
    pub(super) fn pass(&self) {
        let mut passed = self.shared.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let Passed { below, others } = &mut *passed;
        if self.place >= *below {
            others.insert(self.place);
        }
        while others.remove(below) {
            *below += 1;
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pass();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_their_order_whoever_is_first() {
        let turns = Turns::default();
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for place in [2, 0, 3, 1] {
                let (turn, order) = (turns.turn(place), &order);
                scope.spawn(move || {
                    // The second one fails before its turn.
                    if place != 1 {
                        turn.wait(&Stop::default()).expect("not stopped");
                        order.lock().expect("no panic").push(place);
                        turn.pass();
                    }
                });
            }
        });
        assert_eq!(order.into_inner().expect("no panic"), [0, 2, 3]);
    }

    #[test]
    fn one_who_is_asked_to_stop_does_not_wait_for_its_turn() {
        let (turns, stop) = (Turns::default(), Stop::default());
        let _first = turns.turn(0);
        stop.ask(2);
        assert!(turns.turn(1).wait(&stop).is_err());
    }
}
