//! Encoders: turn rows into the form that a destination takes.

use super::rows::Gather;
use crate::reject::Faults;
use crate::schema::Row;

/// Turns rows into the form that a destination takes. Shared by all workers.
pub trait Encoder: Send + Sync {
    /// The container for the rows of a chunk: bytes, or columns of the destination's own.
    type Rows: Gather;

    /// Appends a row to `out`. False if a value does not fit its column; `faults` then says which, and the
    /// caller cuts off what was appended.
    fn encode(&self, row: &Row<'_>, place: Place<'_>, out: &mut Self::Rows, faults: &mut Faults) -> bool;
}

/// The origin of a row, from which the key may be made.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub source_id: i32,
    /// The offset of the record's first byte.
    pub offset: u64,
    /// The record, without its line end.
    pub raw: &'a [u8],
}
