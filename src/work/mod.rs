//! Work: turning a chunk into a parcel.
//!
//! A [`Worker`] parses, binds and encodes each record in one pass. That loop is instantiated for each format
//! and each encoder, so that it compiles as one piece; everything else sees it as [`Work`], one call per
//! chunk. A sink knows its encoder and a recipe its format; this module combines the two.

mod encode;
mod parcel;
mod rows;
mod worker;

use std::sync::Arc;

pub use encode::{Encoder, Place};
pub use parcel::Parcel;
pub use rows::{Gather, Gathered, Rows};
use worker::Pass;
pub use worker::{Assignment, Worker};

use crate::format::AnyFormat;
use crate::schema::{Schema, Time};

/// How records become rows, apart from the destination's part.
#[derive(Clone)]
pub struct Recipe {
    pub format: AnyFormat,
    pub schema: Arc<Schema>,
    /// The time of a record, if the days of rows must be known.
    pub time: Option<Time>,
    /// Longer records are rejects.
    pub record_bytes_max: usize,
    /// A reject longer than this is kept only by hash and place.
    pub raw_bytes_max: usize,
}

/// Turns chunks into parcels, for one recipe and one destination.
pub trait Work: Send + Sync {
    /// Makes a parcel from a chunk, using the memory of a worker and `rows`, which are empty but may have
    /// capacity from earlier use.
    fn work(&self, worker: &mut Worker, assignment: Assignment, rows: Rows) -> Parcel;
}

/// The work of a recipe for a destination with the encoder `encoder`.
pub fn with<E: Encoder + 'static>(recipe: Recipe, encoder: Arc<E>) -> Arc<dyn Work> {
    Arc::new(Pass { recipe, encoder })
}
