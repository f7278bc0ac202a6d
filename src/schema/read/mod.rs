//! Readers: turn one value of a record into one typed value, by the rules of its field.
//!
//! Each reader returns the value or notes what is wrong, never both; a value that contains others notes all
//! that is wrong in it. The rules are those of Pydantic 2.14 in JSON mode; the manual has a row for each
//! deliberate difference.

mod bool;
pub(super) mod clock;
mod constant;
mod date;
mod decimal;
mod digits;
mod epoch;
pub(super) mod exact;
mod float;
mod int;
mod ip;
mod json;
mod list;
mod number;
mod object;
mod repeats;
mod rfc3339;
pub(super) mod stamp;
mod steps;
pub(super) mod strptime;
mod syslog;
mod text;
mod time;
mod timestamp;
mod union;
mod uuid;

use std::fmt;

use bumpalo::Bump;

use self::int::Integer;
use super::{Altered, Field, Kind, Nul, Object, Value, Values};
use crate::format::Item;
use crate::reject::{Code, Faults, Path, code};

/// Reads `item` by the rules of `field`, into `value`. On failure the faults are noted and `value` is
/// unchanged.
///
/// It writes into `value` because this is the hot spot of the program: returning a value through memory in
/// small pieces and then copying it in large ones costs more than reading it.
#[inline(always)]
pub(super) fn read<'a>(
    field: &'a Field,
    item: Item<'a>,
    path: &Path<'_>,
    context: &mut Context<'a, '_>,
    value: &mut Value<'a>,
) {
    let (at, strict) = (At { item, path }, field.strict);
    // Each arm writes by itself: if they produced one common value first, it would be assembled in memory and
    // copied.
    macro_rules! put {
        ($variant:path, $read:expr) => {
            if let Some(read) = $read {
                *value = $variant(read);
            }
        };
    }
    match &field.kind {
        Kind::Text(rules) => put!(Value::Text, text::read(rules, at, context)),
        Kind::Int(bounds) => match int::read(bounds, strict, at, context) {
            Some(Integer::Small(number)) => *value = Value::Int(number),
            Some(Integer::Big(digits)) => *value = Value::BigInt(digits),
            None => {}
        },
        Kind::Float(rules) => put!(Value::Float, float::read(rules, strict, at, context)),
        Kind::Bool => put!(Value::Bool, bool::read(strict, at, context)),
        Kind::Timestamp(rules) => put!(Value::Timestamp, timestamp::read(rules, strict, at, context)),
        Kind::Uuid { version: None } => put!(Value::Uuid, uuid::read(at, context)),
        Kind::Enum(rules) => match &rules.values {
            Values::Texts(values) => put!(Value::Text, text::read_enum(rules, values, at, context)),
            _ => read_rarer(field, at, context, value),
        },
        Kind::Ip { version } => match ip::read_usual(*version, item) {
            Some(address) => *value = Value::Ip(address),
            None => read_rarer(field, at, context, value),
        },
        _ => read_rarer(field, at, context, value),
    }
}

/// The types that need more stack space, so that the others need not reserve it.
#[inline(never)]
fn read_rarer<'a>(field: &'a Field, at: At<'a, '_>, context: &mut Context<'a, '_>, value: &mut Value<'a>) {
    let strict = field.strict;
    let read = match &field.kind {
        Kind::Date => date::read(strict, at, context).map(Value::Date),
        Kind::Time => time::read(strict, at, context).map(Value::Time),
        Kind::Decimal(rules) => decimal::read(rules, strict, at, context).map(Value::Decimal),
        Kind::Uuid { version } => uuid::read_version(*version, at, context).map(Value::Uuid),
        Kind::Enum(rules) => constant::read(rules, strict, at, context),
        Kind::Json(rules) => json::read(rules, at, context).map(Value::Json),
        Kind::Ip { version } => ip::read(*version, strict, at, context).map(Value::Ip),
        Kind::Object(rules) => object::read(rules, at, context),
        Kind::List(rules) => list::read(rules, at, context),
        Kind::Union(rules) => union::read(rules, strict, at, context),
        Kind::Again(rules) => object::read_again(rules, at, context),
        _ => unreachable!("read by the caller"),
    };
    if let Some(read) = read {
        *value = read;
    }
}

pub(super) use json::storable;
pub(super) use repeats::keep_last;
pub(super) use text::read_any as read_any_text;

/// A value and its place.
#[derive(Clone, Copy)]
pub(super) struct At<'a, 'p> {
    pub(super) item: Item<'a>,
    pub(super) path: &'p Path<'p>,
}

/// What a reader may use besides the value.
pub(super) struct Context<'a, 'f> {
    /// Memory that lives as long as the record.
    pub(super) arena: &'a Bump,
    /// Where faults go.
    pub(super) faults: &'f mut Faults,
    /// How many there were, including those beyond the limit that is kept.
    pub(super) found: usize,
    /// What happens to a NUL.
    pub(super) nul: Nul,
    /// Values that are stored in another form than in the record.
    pub(super) altered: Altered,
    /// How many more bytes may be made from this record.
    pub(super) budget: usize,
    /// The object that is being read, if any.
    pub(super) above: Option<&'a Above<'a>>,
}

/// A state of a [`Context`].
#[derive(Clone, Copy)]
pub(super) struct Mark {
    kept: usize,
    found: usize,
    altered: Altered,
}

/// An object that is being read, and the one around it.
pub(super) struct Above<'a> {
    pub(super) object: &'a Object,
    pub(super) above: Option<&'a Above<'a>>,
}

/// How many bytes a record may expand to beyond its own: `1E+131071` is 131072 digits, and each `{}` of a
/// list may be an object full of defaults. Counted per record and not by the arena's capacity, so that the
/// verdict does not depend on earlier records.
const MADE_BYTES_MAX: usize = 64 << 20;

/// At most this many faults of one record are noted. A record of 16 MiB has room for two million unknown
/// members; a person reads ten.
const FAULTS_MAX: usize = 1000;

impl<'a, 'f> Context<'a, 'f> {
    /// What the readers of one record share.
    pub(super) fn new(arena: &'a Bump, faults: &'f mut Faults, nul: Nul) -> Context<'a, 'f> {
        let (altered, budget) = (Altered::default(), MADE_BYTES_MAX);
        Context { arena, faults, found: 0, nul, altered, budget, above: None }
    }

    /// The current state of the findings about the record, to return to.
    pub(super) fn mark(&self) -> Mark {
        Mark { kept: self.faults.len(), found: self.found, altered: self.altered }
    }

    /// Takes back the findings since then.
    pub(super) fn go_back(&mut self, Mark { kept, found, altered }: Mark) {
        self.faults.truncate(kept);
        (self.found, self.altered) = (found, altered);
    }

    /// Reads something that lives no longer than the call, such as the text that JSON was parsed from.
    pub(super) fn within<'s, T>(&'s mut self, read: impl FnOnce(&mut Context<'s, 's>) -> T) -> T
    where
        'a: 's,
    {
        let mut inner = Context {
            arena: self.arena,
            faults: &mut *self.faults,
            found: self.found,
            nul: self.nul,
            altered: self.altered,
            budget: self.budget,
            above: self.above,
        };
        let made = read(&mut inner);
        (self.found, self.altered, self.budget) = (inner.found, inner.altered, inner.budget);
        made
    }

    /// Reserves `bytes` of the budget, or notes that there is not enough.
    pub(super) fn spend(&mut self, bytes: usize, at: At<'_, '_>) -> Option<()> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Some(())
            }
            None => {
                let megabytes = MADE_BYTES_MAX >> 20;
                let message = format_args!("more than {megabytes} MiB once it is written out");
                self.refuse(at, code::NOT_STORABLE, message)
            }
        }
    }

    /// Notes a fault. Returns `None`, for the caller to return.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse<T>(&mut self, at: At<'_, '_>, code: Code, message: fmt::Arguments<'_>) -> Option<T> {
        self.note(code, at.path, message, Some(&at.item));
        None
    }

    #[cold]
    pub(super) fn note(
        &mut self,
        code: Code,
        path: &Path<'_>,
        message: fmt::Arguments<'_>,
        input: Option<&dyn fmt::Display>,
    ) {
        self.found += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(code, path, message, input);
        }
    }

    /// Text in the arena.
    pub(super) fn write(&self, text: fmt::Arguments<'_>) -> &'a str {
        let mut out = bumpalo::collections::String::new_in(self.arena);
        // Writing to a string in memory cannot fail.
        let _ = fmt::Write::write_fmt(&mut out, text);
        out.into_bump_str()
    }
}
