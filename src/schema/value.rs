//! Typed values: the result of reading a field.

use bumpalo::Bump;

/// A value of a row, borrowed from its record, its arena or the schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer beyond 64 bits, in canonical decimal digits.
    BigInt(&'a str),
    /// A double.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Microseconds since 1970-01-01 00:00, in UTC or (`zone = "naive"`) without a zone.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// A UUID.
    Uuid([u8; 16]),
    /// A decimal, as digits with at most one point and, unless it is zero, possibly a leading minus.
    Decimal(&'a str),
    /// JSON text.
    Json(&'a [u8]),
    /// An IP address.
    Ip(std::net::IpAddr),
    /// A list.
    List(&'a [Value<'a>]),
}

impl Value<'_> {
    /// The same, borrowed from `arena` alone.
    pub(super) fn copied<'a>(self, arena: &'a Bump) -> Value<'a> {
        match self {
            Value::Text(text) => Value::Text(arena.alloc_str(text)),
            Value::BigInt(digits) => Value::BigInt(arena.alloc_str(digits)),
            Value::Decimal(digits) => Value::Decimal(arena.alloc_str(digits)),
            Value::Json(json) => Value::Json(arena.alloc_slice_copy(json)),
            Value::List(items) => {
                Value::List(arena.alloc_slice_fill_iter(items.iter().map(|item| item.copied(arena))))
            }
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::Float(value) => Value::Float(value),
            Value::Timestamp(value) => Value::Timestamp(value),
            Value::Date(value) => Value::Date(value),
            Value::Time(value) => Value::Time(value),
            Value::Uuid(value) => Value::Uuid(value),
            Value::Ip(value) => Value::Ip(value),
        }
    }
}

/// A standalone value, such as a default.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    /// A value that borrows nothing.
    Plain(Value<'static>),
    /// Text.
    Text(String),
    /// An integer beyond 64 bits.
    BigInt(String),
    /// A decimal.
    Decimal(String),
    /// JSON text.
    Json(Vec<u8>),
    /// A list.
    List(Vec<Owned>),
}

impl Owned {
    /// A copy of `value` that borrows nothing.
    pub fn new(value: Value<'_>) -> Owned {
        match value {
            Value::Text(text) => Owned::Text(text.to_owned()),
            Value::BigInt(digits) => Owned::BigInt(digits.to_owned()),
            Value::Decimal(digits) => Owned::Decimal(digits.to_owned()),
            Value::Json(json) => Owned::Json(json.to_vec()),
            Value::List(items) => Owned::List(items.iter().map(|&item| Owned::new(item)).collect()),
            Value::Null => Owned::Plain(Value::Null),
            Value::Bool(value) => Owned::Plain(Value::Bool(value)),
            Value::Int(value) => Owned::Plain(Value::Int(value)),
            Value::Float(value) => Owned::Plain(Value::Float(value)),
            Value::Timestamp(value) => Owned::Plain(Value::Timestamp(value)),
            Value::Date(value) => Owned::Plain(Value::Date(value)),
            Value::Time(value) => Owned::Plain(Value::Time(value)),
            Value::Uuid(value) => Owned::Plain(Value::Uuid(value)),
            Value::Ip(value) => Owned::Plain(Value::Ip(value)),
        }
    }

    /// The value, borrowed; the items of a list are put into `arena`.
    pub fn value<'a>(&'a self, arena: &'a Bump) -> Value<'a> {
        match self {
            Owned::Plain(value) => *value,
            Owned::Text(text) => Value::Text(text),
            Owned::BigInt(digits) => Value::BigInt(digits),
            Owned::Decimal(digits) => Value::Decimal(digits),
            Owned::Json(json) => Value::Json(json),
            Owned::List(items) => {
                Value::List(arena.alloc_slice_fill_iter(items.iter().map(|item| item.value(arena))))
            }
        }
    }
}

/// How many values of a record are stored in another form, for the run to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Altered {
    /// Values from which a NUL was removed or replaced.
    pub nuls: u64,
    /// Timestamps of an hour that the clock showed twice, or not at all.
    pub unsure_stamps: u64,
}

impl std::ops::AddAssign for Altered {
    fn add_assign(&mut self, other: Altered) {
        self.nuls += other.nuls;
        self.unsure_stamps += other.unsure_stamps;
    }
}
