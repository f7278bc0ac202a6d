//! Records that could not become rows, and why.
//!
//! A bad record is data, not an error: it is counted, kept with its bytes and its place, and the load
//! continues. While a record is read, its faults are collected in one [`Faults`] that each worker reuses from
//! record to record, so that a million bad records cost no allocation each. If the record turns out bad, they
//! become one entry of [`Rejects`], which travel in the same parcel, batch and transaction as the rows around
//! them.
//!
//! A fault's [`Code`] is stable and documented; if Pydantic has the same fault, it is Pydantic's own error
//! type, so that people can look it up.

use std::fmt::{self, Write as _};
use std::ops::Range;

use crate::span::Span;

mod words;

pub use words::reason;

/// How much of an offending value a reason quotes.
const INPUT_BYTES_MAX: usize = 200;

/// The message of a reason is logmill's own, and short, but may quote names from the record.
const MESSAGE_BYTES_MAX: usize = 1_000;

/// The approximate maximum length of one reject's reasons: some forty of the usual kind. Two bytes of a
/// record can be wrong in a thousand ways.
pub(crate) const REASONS_BYTES_MAX: usize = 4 << 10;

/// The length of a usual reason.
pub(crate) const REASON_BYTES: usize = 100;

/// The stable name of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// A code of the table below.
    Named(&'static str),
    /// The server refused the row with this SQLSTATE, or would have: then it was known before the row was
    /// sent.
    Server([u8; 5]),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Named(name) => f.write_str(name),
            Code::Server(state) => {
                f.write_str("server_")?;
                state.iter().try_for_each(|&byte| f.write_char(char::from(byte).to_ascii_lowercase()))
            }
        }
    }
}

/// The codes that a client-side check can give, as constants named like the codes.
pub mod code {
    use super::Code;

    macro_rules! codes {
        ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
            $($(#[$doc])* pub const $name: Code = Code::Named($text);)+
            /// Every code that a client-side check can give.
            pub const ALL: &[Code] = &[$($name),+];
        };
    }

    codes! {
        /// The record is not one JSON text.
        JSON_INVALID = "json_invalid",
        /// A field that holds JSON in a string does not.
        JSON_TYPE = "json_type",
        /// The record is JSON, but not an object.
        MODEL_TYPE = "model_type",
        /// The bytes are not UTF-8.
        INVALID_UTF8 = "invalid_utf8",
        /// A NUL character, which the destination cannot hold.
        NUL = "nul",
        /// The value is valid, but its column cannot hold it.
        NOT_STORABLE = "not_storable",
        /// The record is longer than `max_record`.
        RECORD_TOO_LONG = "record_too_long",
        /// A required field is absent.
        MISSING = "missing",
        /// A field that the schema does not know, where `extra = "forbid"`.
        EXTRA_FORBIDDEN = "extra_forbidden",
        /// Not text.
        STRING_TYPE = "string_type",
        /// Text shorter than `min_length`.
        STRING_TOO_SHORT = "string_too_short",
        /// Text longer than `max_length`.
        STRING_TOO_LONG = "string_too_long",
        /// Text that does not match `pattern`.
        STRING_PATTERN_MISMATCH = "string_pattern_mismatch",
        /// Not an integer.
        INT_TYPE = "int_type",
        /// Text that is not an integer.
        INT_PARSING = "int_parsing",
        /// An integer of absurd length.
        INT_PARSING_SIZE = "int_parsing_size",
        /// A number with a fraction, where an integer is asked for.
        INT_FROM_FLOAT = "int_from_float",
        /// Not a number.
        FLOAT_TYPE = "float_type",
        /// Text that is not a number.
        FLOAT_PARSING = "float_parsing",
        /// NaN or infinite, where `finite = true`.
        FINITE_NUMBER = "finite_number",
        /// Not a boolean.
        BOOL_TYPE = "bool_type",
        /// Text that is not a boolean.
        BOOL_PARSING = "bool_parsing",
        /// Not a date with a time.
        DATETIME_TYPE = "datetime_type",
        /// Text that is not a date with a time.
        DATETIME_PARSING = "datetime_parsing",
        /// Text that is neither a date with a time nor a date.
        DATETIME_FROM_DATE_PARSING = "datetime_from_date_parsing",
        /// A date with a time out of range.
        DATETIME_OBJECT_INVALID = "datetime_object_invalid",
        /// A timestamp without a zone, where one is required.
        TIMEZONE_AWARE = "timezone_aware",
        /// A timestamp with a zone, where none is allowed.
        TIMEZONE_NAIVE = "timezone_naive",
        /// Not a date.
        DATE_TYPE = "date_type",
        /// Text that is not a date.
        DATE_PARSING = "date_parsing",
        /// Text that is neither a date nor a date with a time.
        DATE_FROM_DATETIME_PARSING = "date_from_datetime_parsing",
        /// A date with a time other than midnight, where a date is asked for.
        DATE_FROM_DATETIME_INEXACT = "date_from_datetime_inexact",
        /// Not a time of day.
        TIME_TYPE = "time_type",
        /// Text that is not a time of day.
        TIME_PARSING = "time_parsing",
        /// Not a UUID.
        UUID_TYPE = "uuid_type",
        /// Text that is not a UUID.
        UUID_PARSING = "uuid_parsing",
        /// A UUID of another version.
        UUID_VERSION = "uuid_version",
        /// Not a decimal number.
        DECIMAL_TYPE = "decimal_type",
        /// Text that is not a decimal number.
        DECIMAL_PARSING = "decimal_parsing",
        /// More digits than `max_digits`.
        DECIMAL_MAX_DIGITS = "decimal_max_digits",
        /// More digits after the point than `decimal_places`.
        DECIMAL_MAX_PLACES = "decimal_max_places",
        /// More digits before the point than the two leave room for.
        DECIMAL_WHOLE_DIGITS = "decimal_whole_digits",
        /// None of the values of an enum.
        ENUM = "enum",
        /// None of the values of a JSON Schema `const` or `enum`.
        LITERAL_ERROR = "literal_error",
        /// Not greater than `gt`.
        GREATER_THAN = "greater_than",
        /// Less than `ge`.
        GREATER_THAN_EQUAL = "greater_than_equal",
        /// Not less than `lt`.
        LESS_THAN = "less_than",
        /// Greater than `le`.
        LESS_THAN_EQUAL = "less_than_equal",
        /// Not a multiple of `multiple_of`.
        MULTIPLE_OF = "multiple_of",
        /// Not a list.
        LIST_TYPE = "list_type",
        /// Not an object.
        DICT_TYPE = "dict_type",
        /// A list with too few items.
        TOO_SHORT = "too_short",
        /// A list with too many items.
        TOO_LONG = "too_long",
        /// Not an IP address.
        IP_ANY_ADDRESS = "ip_any_address",
        /// Not an IPv4 address.
        IP_V4_ADDRESS = "ip_v4_address",
        /// Not an IPv6 address.
        IP_V6_ADDRESS = "ip_v6_address",
        /// The record does not have the shape of the format.
        NO_MATCH = "no_match",
        /// A part of a line that its container cut, without the part that should follow.
        PARTIAL_LINE = "partial_line",
        /// More or fewer columns than the header names.
        COLUMN_COUNT = "column_count",
        /// There are more reasons than are listed; the message says how many.
        MORE_REASONS = "more_reasons",
    }
}

/// The place of a fault in a record: `ctx.tags.3`. Built on the stack while values are bound, and only
/// written out if there is a fault.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The record as a whole.
    Record,
    /// A named field of its parent.
    Field(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent = match self {
            Path::Record => return Ok(()),
            Path::Field(parent, _) | Path::Item(parent, _) => parent,
        };
        if !matches!(parent, Path::Record) {
            parent.fmt(f)?;
            f.write_char('.')?;
        }
        match self {
            Path::Record => Ok(()),
            Path::Field(_, name) => f.write_str(name),
            Path::Item(_, index) => index.fmt(f),
        }
    }
}

/// All faults of the current record. One per worker, reused.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    text: String,
}

#[derive(Debug)]
struct Fault {
    code: Code,
    field: Range<usize>,
    message: Range<usize>,
    input: Option<Range<usize>>,
    constraint: Option<Range<usize>>,
}

impl Faults {
    /// Clears everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.text.clear();
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many faults there are so far.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Keeps only the first `len`.
    pub fn truncate(&mut self, len: usize) {
        if let Some(first) = self.list.get(len) {
            self.text.truncate(first.field.start);
            self.list.truncate(len);
        }
    }

    /// Adds a fault. `input` is the offending value in a recognisable form; at most 200 bytes of it are
    /// quoted.
    pub fn push(
        &mut self,
        code: Code,
        path: &Path<'_>,
        message: impl fmt::Display,
        input: Option<&dyn fmt::Display>,
    ) {
        let field = self.append(path, FIELD_BYTES_MAX);
        let message = self.append(&message, MESSAGE_BYTES_MAX);
        let input = input.map(|input| self.append(input, INPUT_BYTES_MAX));
        self.list.push(Fault { code, field, message, input, constraint: None });
    }

    /// Adds the violation of a named constraint of the destination.
    pub fn push_constraint(
        &mut self,
        code: Code,
        path: &Path<'_>,
        message: impl fmt::Display,
        constraint: &str,
    ) {
        let field = self.append(path, FIELD_BYTES_MAX);
        let message = self.append(&message, MESSAGE_BYTES_MAX);
        let constraint = Some(self.append(constraint, MESSAGE_BYTES_MAX));
        self.list.push(Fault { code, field, message, input: None, constraint });
    }

    /// The faults so far, each as code and field.
    pub fn iter(&self) -> impl Iterator<Item = (Code, &str)> {
        self.list.iter().map(|fault| (fault.code, &self.text[fault.field.clone()]))
    }

    /// The message of each fault.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|fault| &self.text[fault.message.clone()])
    }

    /// Writes the faults as a JSON list of `{code, field, message, input, constraint}`. If there are very
    /// many, the last entry says how many more there are.
    pub fn write_json(&self, out: &mut String) {
        out.push('[');
        let start = out.len();
        for (index, fault) in self.list.iter().enumerate() {
            let before = out.len();
            if index > 0 {
                out.push(',');
            }
            let _ = write!(out, "{{\"code\":\"{}\",\"field\":", fault.code);
            write_json_string(out, &self.text[fault.field.clone()]);
            out.push_str(",\"message\":");
            write_json_string(out, &self.text[fault.message.clone()]);
            if let Some(input) = &fault.input {
                out.push_str(",\"input\":");
                write_json_string(out, &self.text[input.clone()]);
            }
            if let Some(constraint) = &fault.constraint {
                out.push_str(",\"constraint\":");
                write_json_string(out, &self.text[constraint.clone()]);
            }
            out.push('}');
            if index > 0 && out.len() - start > REASONS_BYTES_MAX {
                out.truncate(before);
                let (code, more) = (code::MORE_REASONS, self.list.len() - index);
                let _ = write!(out, ",{{\"code\":\"{code}\",\"field\":\"\",\"message\":\"{more} more\"}}");
                break;
            }
        }
        out.push(']');
    }

    fn append(&mut self, text: &(impl fmt::Display + ?Sized), bytes_max: usize) -> Range<usize> {
        let start = self.text.len();
        // Writing to a String cannot fail; a Display that reports an error is cut off there.
        let _ = write!(self.text, "{text}");
        self.text.truncate(floor_char_boundary(&self.text, start, bytes_max));
        start..self.text.len()
    }
}

/// The end of at most `max` bytes of text from `start`, at a character boundary.
fn floor_char_boundary(text: &str, start: usize, max: usize) -> usize {
    let mut end = text.len().min(start + max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// Writes `text` as a JSON string. NUL becomes U+FFFD: a reason must be storable in `jsonb`.
pub(crate) fn write_json_string(out: &mut String, text: &str) {
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push('\u{fffd}'),
            ch if (ch as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", ch as u32);
            }
            ch => out.push(ch),
        }
    }
    out.push('"');
}

/// The step that refused a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Decoding its bytes: too long, or not text.
    Decode,
    /// Parsing its shape: not that of the format.
    Parse,
    /// Checking its values: not those of the schema.
    Schema,
    /// The destination.
    Server,
}

impl Stage {
    /// The word in the table of dead letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Decode => "decode",
            Stage::Parse => "parse",
            Stage::Schema => "schema",
            Stage::Server => "server",
        }
    }
}

/// The rejects of one chunk, in file order, in shared buffers.
#[derive(Debug, Default)]
pub struct Rejects {
    list: Vec<Reject>,
    raw: Vec<u8>,
    reasons: String,
    tally: Vec<Tally>,
}

/// One reject; its bytes and reasons are in the buffers of its [`Rejects`].
#[derive(Clone, Debug)]
pub struct Reject {
    /// The place of the record, without its line end.
    pub span: Span,
    /// Lines of the chunk before this record.
    pub line: u32,
    /// The step that refused it.
    pub stage: Stage,
    /// BLAKE3 of the record, if it has too many bytes to be kept.
    pub hash: Option<[u8; 32]>,
    raw: Range<usize>,
    reasons: Range<usize>,
}

/// How often one reason was given, and where first: the content of a summary.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The reason's code.
    pub code: Code,
    /// The field it is about; empty for the record as a whole.
    pub field: String,
    /// How many records have it.
    pub count: u64,
    /// The first such record.
    pub offset: u64,
    /// Lines of the chunk before that record.
    pub line: u32,
}

/// Field names can come from the data (`extra_forbidden`), so the tally must be bounded.
const TALLIES_MAX: usize = 256;

/// The field under which reasons beyond the bound are counted.
pub(crate) const OTHER_FIELDS: &str = "…";

/// At most this much of a field's name is kept.
const FIELD_BYTES_MAX: usize = 200;

impl Rejects {
    /// Adds a reject. A record with more than `raw_max` bytes in `raw` is kept by place and hash, so that it
    /// can be read again and recognised.
    pub fn push(&mut self, span: Span, line: u32, stage: Stage, faults: &Faults, raw: &[u8], raw_max: usize) {
        let kept = if raw.len() <= raw_max { raw } else { &[] };
        let hash = (raw.len() > raw_max).then(|| *blake3::hash(raw).as_bytes());
        self.push_hashed(span, line, stage, faults, kept, hash);
    }

    /// Adds a reject whose bytes were never in memory at once.
    pub fn push_hashed(
        &mut self,
        span: Span,
        line: u32,
        stage: Stage,
        faults: &Faults,
        kept: &[u8],
        hash: Option<[u8; 32]>,
    ) {
        let raw = self.raw.len()..self.raw.len() + kept.len();
        self.raw.extend_from_slice(kept);
        let start = self.reasons.len();
        faults.write_json(&mut self.reasons);
        for (code, field) in faults.iter() {
            add_to_tally(&mut self.tally, code, field, 1, span.start, line);
        }
        self.list.push(Reject { span, line, stage, hash, raw, reasons: start..self.reasons.len() });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The rejects in file order.
    pub fn iter(&self) -> impl Iterator<Item = &Reject> {
        self.list.iter()
    }

    /// The stored bytes of a reject of this list.
    pub fn raw(&self, reject: &Reject) -> &[u8] {
        &self.raw[reject.raw.clone()]
    }

    /// The reasons of a reject of this list, as a JSON list.
    pub fn reasons(&self, reject: &Reject) -> &str {
        &self.reasons[reject.reasons.clone()]
    }

    /// The reasons, counted.
    pub fn tally(&self) -> &[Tally] {
        &self.tally
    }

    /// The memory it holds.
    pub fn bytes(&self) -> usize {
        self.raw.capacity() + self.reasons.capacity() + self.list.capacity() * size_of::<Reject>()
    }
}

fn add_to_tally(tally: &mut Vec<Tally>, code: Code, field: &str, count: u64, offset: u64, line: u32) {
    let field = &field[..field.floor_char_boundary(FIELD_BYTES_MAX)];
    // Sorted: a record can lack hundreds of fields, and each is looked up.
    match tally.binary_search_by(|entry| (entry.code, entry.field.as_str()).cmp(&(code, field))) {
        Ok(index) => tally[index].count += count,
        Err(index) if tally.len() < TALLIES_MAX || field == OTHER_FIELDS => {
            tally.insert(index, Tally { code, field: field.to_owned(), count, offset, line });
        }
        // Beyond the bound, only the code is distinguished.
        Err(_) => add_to_tally(tally, code, OTHER_FIELDS, count, offset, line),
    }
}

#[cfg(test)]
mod tests;
