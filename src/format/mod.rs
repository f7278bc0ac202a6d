//! Formats: the bytes of a record to named fields. Pure: no I/O, and no allocation per
//! record once the buffers are warm.
//!
//! A format is told once which keys are wanted ([`Wanted`]) and leaves, for every record, a
//! flat tree of values ([`Record`]) in which the wanted ones are marked. It judges whether
//! the bytes have the shape of the format and nothing else; what the values mean is the
//! schema's business.

mod json;
mod record;
mod wanted;

use bumpalo::Bump;

pub use json::Json;
pub(crate) use json::parse_json;
pub use record::{Extras, Item, Items, Members, Raw, Record, Unstorable};
pub(crate) use wanted::is_same;
pub use wanted::{Wanted, pointer_steps};

use crate::reject::{Code, Stage};

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

/// Bytes to fields. Shared by all workers; what is reused from record to record is in the
/// [`Record`].
pub trait Format: Send + Sync {
    /// Reads one record. On an error the record's content means nothing.
    fn parse<'r>(&self, input: Input<'r>, record: &mut Record<'r>) -> Result<(), Malformed>;
}

/// The format of a job: one arm for each.
#[derive(Clone, Debug)]
pub enum AnyFormat {
    /// One JSON object per line.
    Ndjson(Json),
}
