//! The thread that keeps the heart of a run beating, whatever the run is doing.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::sink::ledger::Heart;

/// Beats until it is dropped.
pub(super) struct Pulse {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Beats several times per lease.
    pub(super) fn of(heart: Arc<Heart>, lease: Duration) -> Result<Pulse> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("heart".to_owned()).spawn(move || {
            while stopped.recv_timeout(lease / 3) == Err(RecvTimeoutError::Timeout) {
                // If no beat arrives, the run counts as dead. It notices when another run has moved its
                // checkpoints.
                let _ = heart.beat();
            }
        });
        let thread = thread.map_err(|cause| Error::no_thread("the thread of a run's heart", &cause))?;
        Ok(Pulse { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The thread may be waiting for the store; it is not joined.
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}
