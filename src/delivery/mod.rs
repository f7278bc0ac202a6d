//! Delivery: dead letters to the additional target of a job, `[dead_letters] to`.
//!
//! The destination stays the truth. What is due there ([`Outbox`]) is sent to a `Target` after the commit, in
//! order, and marked once the target has acknowledged it. So everything arrives at least once, under a stable
//! id, and a target that is down costs nothing but time. A new kind of target is a file beside these and a
//! line in `address`.

mod address;
mod bucket;
mod envelope;
mod folder;
#[cfg(feature = "buckets")]
mod queue;
mod redis;
mod stretches;

pub use address::Address;
use envelope::Envelope;

use crate::error::{ErrorKind, Result};
use crate::failpoint;
use crate::sink::outbox::{Delivered, Outbox};
use crate::stop::Stop;

/// A receiver of dead letters.
trait Target {
    /// Sends what is due, and marks what has arrived. An error or a request to stop ends it; what was marked
    /// before is delivered, and the rest stays due.
    fn take(&mut self, outbox: &mut dyn Outbox, envelope: &Envelope, stop: &Stop) -> Result<()>;
}

/// The outcome of a delivery.
#[derive(Debug)]
pub struct Outcome {
    /// How many letters have arrived.
    pub delivered: u64,
    /// How many letters are still due.
    pub undelivered: u64,
    /// Why they are.
    pub result: Result<()>,
}

/// Delivers what is due for a job. If nothing is, the target is not even contacted. The error is one of the
/// outbox.
pub fn deliver(to: &Address, job: &str, outbox: &mut dyn Outbox, stop: &Stop) -> Result<Outcome> {
    let due = outbox.due()?;
    if due == 0 {
        return Ok(Outcome { delivered: 0, undelivered: 0, result: Ok(()) });
    }
    let envelope = Envelope::new(job, outbox.table()?);
    let result = open(to).and_then(|mut target| target.take(outbox, &envelope, stop));
    let undelivered = outbox.due()?;
    Ok(Outcome { delivered: due.saturating_sub(undelivered), undelivered, result })
}

/// Connects to the target, in a single attempt.
fn open(to: &Address) -> Result<Box<dyn Target>> {
    Ok(match to {
        Address::Folder(path) => Box::new(folder::Folder::open(path)?),
        Address::Redis(stream) => Box::new(redis::Stream::open(stream)?),
        Address::Bucket(url) => Box::new(bucket::Letters::open(url.reveal())?),
        #[cfg(feature = "buckets")]
        Address::Queue(url) => Box::new(queue::Queue::open(url.reveal())?),
        #[cfg(not(feature = "buckets"))]
        Address::Queue(_) => {
            return Err(ErrorKind::NotCompiled { what: "SQS", feature: "buckets" }.into());
        }
    })
}

/// Marks letters that have arrived.
fn mark(outbox: &mut dyn Outbox, delivered: &Delivered) -> Result<()> {
    if delivered.is_empty() {
        return Ok(());
    }
    // A process that dies here sends them again, with the same ids.
    failpoint::reached("before-mark");
    outbox.mark(delivered)?;
    failpoint::reached("after-mark");
    Ok(())
}

/// The error when letters could not be delivered to `to`.
fn undelivered(to: impl std::fmt::Display, why: impl Into<String>) -> crate::error::Error {
    ErrorKind::Undelivered { to: to.to_string(), why: why.into() }.into()
}
