//! Formats: the bytes of a record to named fields. Pure: no I/O, and no allocation per
//! record once the buffers are warm.
//!
//! A format learns once which keys the schema wants ([`Wanted`]). For every record it fills a flat
//! tree of values ([`Record`]) and marks the wanted ones. It checks that the bytes have the shape of
//! the format, and nothing else: the schema decides what the values mean.
//!
//! # How to add a format
//!
//! 1. A folder with a type that implements [`Format`]. `framing` says what separates its records.
//!    `parse` reads one: a text format calls `Input::utf8`, then `Record::begin_columns`,
//!    `Record::put` for each value and `Record::end` (see `columns`; `regex` is the smallest
//!    example). It returns [`Parsed::Skipped`] for a line that is not a record. Memory that it reuses
//!    from record to record goes into its `Scratch`.
//! 2. If a record can only be read with lines before it (`csv` and its header): `is_settled`,
//!    `follow` and `begin`. `parse` and `follow` must find the same header, wherever chunks end. A
//!    format with directives (`w3c`, `zeek`) implements `Directed` instead (see `directives`).
//! 3. An arm of [`Spec`], of [`AnyFormat`] and of its macro, all in `any`. `Spec` also determines what
//!    is hashed as a rule of the job.
//! 4. If its fields are known before the first record (`access`): an arm of [`Spec::usual_fields`],
//!    from which inference and presets take names, types and the letters of timestamps.
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
    /// Whether it may hold a NUL. Most chunks hold none, so one search serves all records of a chunk.
    pub may_hold_nul: bool,
}

impl<'r> Input<'r> {
    /// The record as text. Anything but UTF-8 is a fault in a text format.
    pub(crate) fn utf8(&self) -> Result<&'r str, Malformed> {
        self.text.ok_or_else(|| {
            let at = std::str::from_utf8(self.raw).map_or_else(|error| error.valid_up_to(), str::len);
            let what = "a byte that is not UTF-8";
            Malformed { stage: Stage::Decode, code: code::INVALID_UTF8, what, at }
        })
    }

    /// A record that has not been checked for UTF-8 or NULs.
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
    /// A record that does not match its format: `what` was met at `at`.
    #[cold]
    pub(crate) fn no_match(what: &'static str, at: usize) -> Malformed {
        Malformed { stage: Stage::Parse, code: code::NO_MATCH, what, at }
    }

    /// A record whose number of values differs from the number of columns.
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
    /// A line that is not a record: a header, a directive, a comment.
    Skipped,
}

/// Bytes to fields. Shared by all workers.
pub trait Format: Send + Sync {
    /// What a worker reuses from record to record, beside the [`Record`].
    type Scratch: Default + Send + 'static;

    /// Whether records are searched for NULs. Otherwise every record counts as one that may hold some.
    const ASKS_FOR_NUL: bool = true;

    /// What separates its records.
    fn framing(&self) -> &Framing;

    /// Whether this preamble is final: nothing later in the source can change it.
    fn is_settled(&self, preamble: &Preamble) -> bool {
        let _ = preamble;
        true
    }

    /// The preamble of the next chunk. The planner asks for it chunk by chunk, until it is settled.
    fn follow(&self, chunk: Chunk<'_>) -> Preamble {
        chunk.preamble.clone()
    }

    /// Prepares `scratch` for a chunk that follows `preamble`.
    fn begin(&self, preamble: &Preamble, scratch: &mut Self::Scratch) {
        let _ = (preamble, scratch);
    }

    /// Reads one record. After an error the content of `record` is undefined.
    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        scratch: &'r mut Self::Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed>;
}
