//! Stopping: one flag that is checked by everything that waits or works in pieces.
//!
//! The first signal requests a clean stop: work in flight is committed, then the run ends. A second one ends
//! the process at once, which is safe too, because a crash is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// Whether to stop, and because of which signal. Cheap to clone and to check.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    signal: Arc<AtomicI32>,
    is_abandoned: Arc<AtomicBool>,
}

impl Stop {
    /// Requests a clean stop.
    pub fn ask(&self, signal: i32) {
        self.signal.store(signal, Ordering::Relaxed);
    }

    /// The signal that requested a stop, if any.
    pub fn asked(&self) -> Option<i32> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// The same request, for work that can also be abandoned separately.
    pub fn branch(&self) -> Stop {
        Stop { signal: Arc::clone(&self.signal), is_abandoned: Arc::default() }
    }

    /// A guard for something that is awaited: it is wanted while the guard lives, and abandoned when the
    /// guard is dropped, for whatever reason.
    pub fn awaited(&self) -> Awaited<'_> {
        Awaited(&self.is_abandoned)
    }

    /// Whether it is no longer wanted.
    pub fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// Sleeps, but returns early at a request to stop. False if there was one.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.asked().is_some() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// A guard: what is awaited is wanted while it lives.
#[derive(Debug)]
pub struct Awaited<'s>(&'s AtomicBool);

impl Awaited<'_> {
    /// What was awaited has arrived; others may still wait for their own.
    pub fn has_come(self) {
        std::mem::forget(self);
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
