//! The thread that delivers lineage events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::speech::Speech;
use crate::config::Config;
use crate::error::unnumbered;
use crate::event::{Event, Scope};
use crate::lineage::{Lineage, Target, send};

/// At most this many events wait for delivery; more are left out, which is reported.
const EVENTS_MAX: usize = 256;

/// How long the end of the command waits for the last events: as long as one delivery may take.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Events being delivered.
pub(super) struct Telling {
    teller: Teller,
    /// Closed when all are delivered or abandoned.
    delivered: Receiver<()>,
    speech: Speech,
}

/// Passes events of runs to the delivery.
#[derive(Clone)]
pub(super) struct Teller {
    lineage: Arc<Lineage>,
    events: Sender<Option<String>>,
    /// How many found the queue full.
    left_out: Arc<AtomicU64>,
}

impl Telling {
    /// Begins to report the runs of a job to `to`.
    pub(super) fn start(to: Target, config: &Config, speech: Speech) -> Telling {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // A key read from a file may end with a newline, which would end the headers.
        let key = variable("OPENLINEAGE_API_KEY").map(|key| key.trim().to_owned()).filter(|_| {
            if to.is_open() {
                speech.warn("--lineage: OPENLINEAGE_API_KEY is not sent over http, where others could read it; name an https address");
            }
            !to.is_open()
        });
        let lineage = Arc::new(Lineage::new(&config.record.schema, &variable));
        let (events, waiting) = bounded::<Option<String>>(EVENTS_MAX);
        let (done, delivered) = bounded::<()>(0);
        let thread = std::thread::Builder::new().name("lineage".into()).spawn(move || {
            let _done = done;
            let mut is_told = false;
            for event in waiting {
                // The senders outlive the command, so the end is reported too.
                let Some(event) = event else { return };
                if let Err(cause) = send(&to, &event, key.as_deref())
                    && !std::mem::replace(&mut is_told, true)
                {
                    speech.warn(&format!(
                        "--lineage: an event could not be delivered ({}); the run continues without reporting this again",
 unnumbered(&cause)
                    ));
                }
            }
        });
        if let Err(cause) = thread {
            speech.warn(&format!(
                "--lineage: cannot start a thread ({}); no events are sent",
                unnumbered(&cause)
            ));
        }
        let teller = Teller { lineage, events, left_out: Arc::default() };
        Telling { teller, delivered, speech }
    }

    pub(super) fn teller(&self) -> Teller {
        self.teller.clone()
    }

    /// Waits a moment for pending events.
    pub(super) fn end(self) {
        let _ = self.teller.events.try_send(None);
        let is_late = self.delivered.recv_timeout(LAST_WAIT) == Err(RecvTimeoutError::Timeout);
        match self.teller.left_out.load(Ordering::Relaxed) {
            0 if is_late => {
                self.speech.warn("--lineage: the receiver is too slow, so the last events were not delivered");
            }
            0 => {}
            left_out => self.speech.warn(&format!(
                "--lineage: the receiver is too slow, so {left_out} events were left out, and the last may be lost"
            )),
        }
    }
}

impl Teller {
    /// Queues the report of an event. If the queue is full, the event is left out.
    pub(super) fn tell(&self, run: Scope, event: &Event) {
        if let Some(told) = self.lineage.of(run, event) {
            let sent = self.events.try_send(Some(told.to_string()));
            if matches!(sent, Err(TrySendError::Full(_))) {
                self.left_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
