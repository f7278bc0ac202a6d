//! Sinks: rows to durable rows, and how far we are.
//!
//! A sink is a destination and keeps its promises in one transaction per batch: rows,
//! dead letters, counters and checkpoint are there together or not at all. Its other half,
//! the [`Encoder`], lives in the workers and turns rows into the destination's own bytes, so
//! that the one serial writer only forwards them.
//!
//! Only this folder knows SQL.

mod batch;
pub mod check;
mod claim;
pub mod dead_letter;
pub mod forecast;
pub mod history;
pub mod key;
mod outage;
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::sync::Arc;

pub use batch::{Advance, Again, Batch, Counts, Parcel, RowPlace, Rows};
pub use claim::{Claim, Claims, Decision, Memory, Task, decide};
use dead_letter::Refused;
pub use key::{Key, OnConflict};

use crate::error::Result;
use crate::reject::Faults;
use crate::schema::Row;

/// Turns rows into a destination's own bytes. Shared by all workers.
pub trait Encoder: Send + Sync {
    /// Appends a row to `out`. False if a value does not fit its column; `faults` then says
    /// what, and what was appended is cut off by the caller.
    fn encode(&self, row: &Row<'_>, place: Place<'_>, out: &mut Vec<u8>, faults: &mut Faults) -> bool;
}

/// Where a row comes from: what the key may be made of.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The source's id.
    pub source_id: i32,
    /// The offset of the record's first byte.
    pub offset: u64,
    /// The record, without its line end.
    pub raw: &'a [u8],
}

/// A destination.
pub trait Sink: Send {
    /// What turns rows into its bytes.
    type Encoder: Encoder + 'static;

    /// What turns rows into its bytes.
    fn encoder(&self) -> Arc<Self::Encoder>;

    /// Says which sources are known and which are new, makes the new ones, and takes
    /// ownership of all that are to be loaded, in one transaction.
    fn claim(&mut self, claims: &Claims) -> Result<Vec<Claim>>;

    /// Commits a batch: rows, dead letters, counters and checkpoints.
    ///
    /// `Ok` means that all of it is durable, and gives what became of the records, per
    /// advance. After an error nothing of it is durable, *except* where the error says that
    /// the outcome could not be found out (the destination did not come back): then all of
    /// it or nothing is, the checkpoint knows which, and the next run asks it. There is no
    /// third state: a batch is never half there, and never there twice.
    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed>;

    /// How many dead letters of these sources are open.
    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<u64>;

    /// Gives the sources back and closes the run's row. Not called after a crash, which is
    /// why nothing depends on it.
    fn finish(&mut self, ending: &Ending<'_>) -> Result<()>;
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Per advance, what became of its records.
    pub counts: Vec<Counts>,
    /// The rows that the destination refused, in order. They are dead letters already.
    pub refused: Vec<Refused>,
}

/// How a run ended, for its row.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// One word: `finished`, `rejects`, `failed`, `interrupted`, …
    pub outcome: &'a str,
    /// The exit code of the command.
    pub exit_code: u8,
    /// What became of the records of this run.
    pub counts: &'a Counts,
    /// Bytes of the sources that were read.
    pub bytes: u64,
}
