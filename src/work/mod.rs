//! Work: a chunk to a parcel.
//!
//! A [`Worker`] parses, binds and encodes each record in one pass. That loop is made once for each
//! format and each encoder, so that it can be compiled as one piece; everybody else sees it as
//! [`Work`], one call per chunk. A sink knows its encoder and a recipe its format; here the two
//! meet.

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

/// How records become rows, as far as the destination has no say in it.
#[derive(Clone)]
pub struct Recipe {
    pub format: AnyFormat,
    pub schema: Arc<Schema>,
    /// When records happened, where the days of rows are to be known.
    pub time: Option<Time>,
    /// A longer record is a reject.
    pub record_bytes_max: usize,
    /// Of a longer reject only hash and place are kept.
    pub raw_bytes_max: usize,
}

/// Turns chunks into parcels, for one recipe and one destination.
pub trait Work: Send + Sync {
    /// Makes a parcel of a chunk, with the memory of a worker, in rows that are empty, and may have
    /// room from before.
    fn work(&self, worker: &mut Worker, assignment: Assignment, rows: Rows) -> Parcel;
}

/// The work of a recipe for a destination that encodes with `encoder`.
pub fn with<E: Encoder + 'static>(recipe: Recipe, encoder: Arc<E>) -> Arc<dyn Work> {
    Arc::new(Pass { recipe, encoder })
}
