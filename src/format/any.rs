//! The format of a job, whichever it is: the one place that tells formats apart.
//!
//! Which one it is is asked once per chunk; the loop over the records of a chunk is compiled for
//! each.

use bumpalo::Bump;

use super::each::{Chunk, Counted, Memory, Place, each_record};
use super::{Format, Json, Malformed, Record};
use crate::source::Framing;

/// The format of a job: one arm for each.
#[derive(Clone, Debug)]
pub enum AnyFormat {
    /// One JSON object per line.
    Ndjson(Json),
}

/// The same for each format: `$body`, with the format called `$format`.
macro_rules! with {
    ($any:expr, $format:ident => $body:expr) => {
        match $any {
            AnyFormat::Ndjson($format) => $body,
        }
    };
}

impl AnyFormat {
    /// What separates its records.
    pub fn framing(&self) -> &Framing {
        with!(self, format => format.framing())
    }

    /// Shows every record of a chunk to `visit`, with memory that lives as long as the record.
    #[inline]
    pub fn each_record(
        &self,
        chunk: Chunk<'_>,
        memory: &mut Memory,
        visit: impl FnMut(Place<'_>, Result<&Record<'_>, Malformed>, &Bump),
    ) -> Counted {
        with!(self, format => each_record(format, chunk, memory, visit))
    }
}
