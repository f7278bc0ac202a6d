//! Formats: the bytes of a record to named fields. Pure: no I/O, and no allocation per
//! record once the buffers are warm.
//!
//! A format is told once which keys are wanted ([`Wanted`]) and leaves, for every record, a
//! flat tree of values ([`Record`]) in which the wanted ones are marked. It judges whether
//! the bytes have the shape of the format and nothing else; what the values mean is the
//! schema's business.

mod any;
mod each;
mod json;
mod preamble;
mod record;
mod spelling;
mod wanted;

use bumpalo::Bump;

pub use any::AnyFormat;
pub use each::{Chunk, Counted, Memory, Place, TOO_LONG, each_record};
pub(crate) use json::parse_json;
pub use json::{Json, Scratch as JsonScratch};
pub use preamble::Preamble;
pub use record::{Extras, Item, Items, Members, Raw, Record, Unstorable};
pub(crate) use spelling::write_text;
pub(crate) use wanted::is_same;
pub use wanted::{Wanted, pointer_steps};

use crate::reject::{Code, Stage};
use crate::source::Framing;

/// The bytes of one record.
#[derive(Clone, Copy, Debug)]
pub struct Input<'r> {
    /// The record as it stands in the source, without its line end.
    pub raw: &'r [u8],
    /// The same as text, if it is UTF-8.
    pub text: Option<&'r str>,
    /// Memory that lives as long as the record.
    pub arena: &'r Bump,
}

impl<'r> Input<'r> {
    /// A record of which nothing is known yet.
    pub fn new(raw: &'r [u8], arena: &'r Bump) -> Input<'r> {
        Input { raw, text: std::str::from_utf8(raw).ok(), arena }
    }
}

/// A record that does not have the shape of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The step that refuses it.
    pub stage: Stage,
    /// The stable name of the fault.
    pub code: Code,
    /// What was met.
    pub what: &'static str,
    /// Where in the record, counted from zero.
    pub at: usize,
}

/// What the bytes of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A record.
    Record,
    /// Something that the format has beside its records: a header, a directive, a comment.
    Skipped,
}

/// Bytes to fields. Shared by all workers.
pub trait Format: Send + Sync {
    /// What a worker reuses from record to record, beside the [`Record`].
    type Scratch: Default + Send + 'static;

    /// What separates its records.
    fn framing(&self) -> &Framing {
        static LINES: Framing = Framing::Lines;
        &LINES
    }

    /// Moves `preamble` on over the bytes of a chunk that stands behind it. Asked by the planner
    /// for each chunk in turn, so a format that has none, or has it already, looks at nothing.
    fn follow(&self, preamble: &mut Preamble, chunk: &[u8]) {
        let _ = (preamble, chunk);
    }

    /// Makes `scratch` ready for a chunk that stands behind `preamble`.
    fn begin(&self, preamble: &Preamble, scratch: &mut Self::Scratch) {
        let _ = (preamble, scratch);
    }

    /// Reads one record. On an error the record's content means nothing.
    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        scratch: &'r mut Self::Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed>;
}
