//! Stopping: one flag that everybody who waits or works in pieces looks at.
//!
//! The first signal asks for a clean stop: what is in flight is committed, then we leave. A
//! second one ends the process at once, which is safe too, because a crash is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// Whether to stop, and by which signal. Cheap to clone and to ask.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    signal: Arc<AtomicI32>,
    is_abandoned: Arc<AtomicBool>,
}

impl Stop {
    /// Asks for a clean stop.
    pub fn ask(&self, signal: i32) {
        self.signal.store(signal, Ordering::Relaxed);
    }

    /// The signal that asked, if one did.
    pub fn asked(&self) -> Option<i32> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// The same request, for work that can also be abandoned by itself.
    pub fn branch(&self) -> Stop {
        Stop { signal: Arc::clone(&self.signal), is_abandoned: Arc::default() }
    }

    /// What is being waited for is wanted as long as this is kept, and not when it is dropped, by
    /// whatever way.
    pub fn awaited(&self) -> Awaited<'_> {
        Awaited(&self.is_abandoned)
    }

    /// Whether it is no longer wanted.
    pub fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// Sleeps, but not through a request to stop. False if there was one.
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

/// A guard: what is being waited for is wanted as long as it lives.
#[derive(Debug)]
pub struct Awaited<'s>(&'s AtomicBool);

impl Awaited<'_> {
    /// What was waited for has come; others may still wait for what is theirs.
    pub fn has_come(self) {
        std::mem::forget(self);
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
