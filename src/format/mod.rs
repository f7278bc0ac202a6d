//! Formats: the bytes of a record to named fields. Pure: no I/O, and no allocation per
//! record once the buffers are warm.
//!
//! A format is told once which keys are wanted ([`Wanted`]) and leaves, for every record, a
//! flat tree of values ([`Record`]) in which the wanted ones are marked. It judges whether
//! the bytes have the shape of the format and nothing else; what the values mean is the
//! schema's business.
//!
//! # How to add a format
//!
//! 1. A folder with a type that implements [`Format`]. `framing` says what separates its records.
//!    `parse` reads one: a text format calls `Input::utf8`, then `Record::begin_columns`,
//!    `Record::put` for each value and `Record::end` (see `columns`; `regex` is the smallest
//!    example), and answers [`Parsed::Skipped`] for what is none of its records. What it reuses
//!    from record to record is its `Scratch`.
//! 2. If records mean nothing without something that stands before them (`csv` and its header):
//!    `is_settled`, `follow` and `begin`. What `parse` learns from a header and what `follow` finds
//!    in a chunk must be the same, wherever the chunks end.
//! 3. An arm of [`Spec`], of [`AnyFormat`] and of its macro, all in `any`, and there nothing else.
//!    `Spec` says what is hashed as a rule of the job.
//! 4. If it knows its fields before it has seen a record (`access`): an arm of
//!    [`Spec::usual_fields`], which tells inference and presets their names, what they hold, and the
//!    letters of their stamps.
//! 5. Its word and its keys in `config/keys.rs`, read in `config/format.rs`.
//! 6. Under `cfg(test)` a plain second implementation that agrees with it on arbitrary bytes, and a
//!    case in `tests/allocation.rs`.

mod access;
mod any;
mod aws;
mod columns;
mod contained;
mod csv;
mod directives;
mod each;
mod escape;
mod find;
mod json;
mod logfmt;
mod number;
mod preset;
mod record;
mod regex;
mod spelling;
mod syslog;
#[cfg(test)]
mod testing;
mod usual;
mod w3c;
mod wanted;
mod zeek;

use bumpalo::Bump;

pub use access::{Access, LogFormat};
pub use any::{AnyFormat, Spec, of};
pub use aws::{Aws, AwsLog};
pub use contained::{Contained, Payload};
pub use csv::{Csv, Dialect};
pub use each::{Chunk, Counted, Memory, Place, TOO_LONG, TURNS_BYTES_MAX, Turn, each_record};
pub(crate) use json::parse_json;
pub use json::{Json, Scratch as JsonScratch};
pub use logfmt::Logfmt;
pub(crate) use number::quotient;
pub use preset::{PRESETS, Preset, preset};
pub use record::{Extras, Item, Items, Members, Raw, Record, Unstorable};
pub use regex::{Matched, Pattern};
pub(crate) use spelling::write_text;
pub use syslog::Syslog;
pub use usual::{Holds, Usual};
pub use w3c::W3c;
pub(crate) use wanted::is_same;
pub use wanted::{Wanted, pointer_steps};
pub use zeek::Zeek;

use crate::reject::{Code, Stage, code};
use crate::source::Framing;
pub use crate::source::Preamble;

/// The bytes of one record.
#[derive(Clone, Copy, Debug)]
pub struct Input<'r> {
    /// The record as it stands in the source, without its line end.
    pub raw: &'r [u8],
    /// The same as text, if it is UTF-8.
    pub text: Option<&'r str>,
    /// Memory that lives as long as the record.
    pub arena: &'r Bump,
    /// Whether there may be a NUL in it. Most chunks hold none, which is asked once for all of their records.
    pub may_hold_nul: bool,
}

impl<'r> Input<'r> {
    /// The record as text, which it must be: a text format reads nothing else.
    pub(crate) fn utf8(&self) -> Result<&'r str, Malformed> {
        self.text.ok_or_else(|| {
            let at = std::str::from_utf8(self.raw).map_or_else(|error| error.valid_up_to(), str::len);
            let what = "a byte that is not UTF-8";
            Malformed { stage: Stage::Decode, code: code::INVALID_UTF8, what, at }
        })
    }

    /// A record of which nothing is known yet.
    pub fn new(raw: &'r [u8], arena: &'r Bump) -> Input<'r> {
        Input { raw, text: std::str::from_utf8(raw).ok(), arena, may_hold_nul: true }
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

impl Malformed {
    /// A record that has not as many values as there are columns.
    pub(crate) fn column_count(values: usize, columns: usize) -> Malformed {
        let what = match values < columns {
            true => "fewer values than columns",
            false => "more values than columns",
        };
        Malformed { stage: Stage::Parse, code: code::COLUMN_COUNT, what, at: 0 }
    }
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

    /// Whether it asks if there may be a NUL in a record; if not, it is told that there may be.
    const ASKS_FOR_NUL: bool = true;

    /// What separates its records.
    fn framing(&self) -> &Framing;

    /// Whether nothing that comes can change what precedes a chunk: this preamble stays.
    fn is_settled(&self, preamble: &Preamble) -> bool {
        let _ = preamble;
        true
    }

    /// What precedes the chunk that comes behind this one. Asked by the planner for each
    /// chunk in turn, until it is settled.
    fn follow(&self, chunk: Chunk<'_>) -> Preamble {
        chunk.preamble.clone()
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
