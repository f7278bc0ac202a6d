//! Readers: one value of a record to one typed value, by the rules of its field.
//!
//! Each reader gives the value or notes what is wrong, never both; a value that holds
//! others notes all that is wrong in it. The rules are those of Pydantic 2.14 in JSON mode;
//! where we differ on purpose, the manual has a row for it.

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

/// Reads `item` as `field` asks, into `value`. If it cannot be, the faults are noted and
/// `value` is left as it was.
///
/// Into, because it is the hot spot of the program: a value that is handed back through
/// memory in small pieces and then copied in large ones costs more than reading it.
#[inline(always)]
pub(super) fn read<'a>(
    field: &'a Field,
    item: Item<'a>,
    path: &Path<'_>,
    context: &mut Context<'a, '_>,
    value: &mut Value<'a>,
) {
    let (at, strict) = (At { item, path }, field.strict);
    // Each arm writes for itself: were they to agree on one value first, it would be put
    // together in memory and copied.
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
            Some(address) => *value = Value::Ip(address.into()),
            None => read_rarer(field, at, context, value),
        },
        _ => read_rarer(field, at, context, value),
    }
}

/// The types that need more room to be read, so that the others need not make it.
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

/// A value and where it stands.
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
    /// How many there were, those among them that are beyond what is kept.
    pub(super) found: usize,
    /// What happens to a NUL.
    pub(super) nul: Nul,
    /// Values that are not simply what stands in the record.
    pub(super) altered: Altered,
    /// How many bytes may still be made of this record.
    pub(super) budget: usize,
    /// The object that is being read, if it is one.
    pub(super) above: Option<&'a Above<'a>>,
}

/// A state of a [`Context`].
#[derive(Clone, Copy)]
pub(super) struct Mark {
    kept: usize,
    found: usize,
    altered: Altered,
}

/// An object that is being read, and the one that it stands in.
pub(super) struct Above<'a> {
    pub(super) object: &'a Object,
    pub(super) above: Option<&'a Above<'a>>,
}

/// How many bytes a record may become beyond its own: `1E+131071` is 131072 digits, and each
/// `{}` of a list may be an object full of defaults. Counted per record and never by what the
/// arena has at hand, so that the verdict is the same whatever came before.
const MADE_BYTES_MAX: usize = 64 << 20;

/// How many faults of one record are noted. A record of 16 MiB has room for two million
/// members that nobody knows; a person reads ten.
const FAULTS_MAX: usize = 1000;

impl<'a, 'f> Context<'a, 'f> {
    /// What the readers of one record share.
    pub(super) fn new(arena: &'a Bump, faults: &'f mut Faults, nul: Nul) -> Context<'a, 'f> {
        let (altered, budget) = (Altered::default(), MADE_BYTES_MAX);
        Context { arena, faults, found: 0, nul, altered, budget, above: None }
    }

    /// The state of what is found out about the record, to come back to.
    pub(super) fn mark(&self) -> Mark {
        Mark { kept: self.faults.len(), found: self.found, altered: self.altered }
    }

    /// Takes back what was found out since then.
    pub(super) fn go_back(&mut self, Mark { kept, found, altered }: Mark) {
        self.faults.truncate(kept);
        (self.found, self.altered) = (found, altered);
    }

    /// Reads within something that lives no longer than the call, as the text that JSON was parsed out of.
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

    /// Takes the room for `bytes` that are to be made, or notes that there is none.
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

    /// Notes a fault. Gives nothing, as its caller will.
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
        // A string in memory takes everything.
        let _ = fmt::Write::write_fmt(&mut out, text);
        out.into_bump_str()
    }
}
