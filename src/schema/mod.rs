//! The schema: named fields to typed values, or a list of all that is wrong.
//!
//! A [`Schema`] is made once from the job. For every record, [`Schema::bind`] reads each
//! field's value by the field's rules and gives either a [`Row`], whose existence is the
//! proof that every rule holds, or nothing, with all the faults noted. In mode `lax` values
//! are coerced as Pydantic does in JSON mode, in mode `strict` they are not.
//!
//! Nothing here knows where records come from or where rows go: what a *column* can hold
//! is the encoder's business (`sink`), and is refused there in the same manner.

mod bind;
mod read;
mod value;

pub use bind::Row;
pub use value::{Owned, Value};

use crate::format::{Extras, Wanted};

/// What every record must be.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The fields, in the order of the job, which is the order of a row's values.
    pub fields: Vec<Field>,
    /// What becomes of members that no field asks for.
    pub extra: Extra,
}

/// What becomes of members that no field asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extra {
    /// They are passed over.
    #[default]
    Ignore,
    /// They are faults.
    Forbid,
    /// They are stored together, as one JSON object, in the last value of the row.
    Keep,
}

/// What happens to a NUL character in text, which no destination can hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Nul {
    /// It is a fault.
    #[default]
    Reject,
    /// It is left out.
    Strip,
    /// It becomes U+FFFD.
    Replace,
}

/// One field: where its value is found, and what it must be.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name of the field and of its column.
    pub name: String,
    /// The steps to its value in the record: a key, or a pointer's keys.
    pub from: Vec<String>,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it is when it is not there.
    pub default: Option<Owned>,
    /// Whether values are taken as they are, without coercion.
    pub strict: bool,
    /// What it must be.
    pub kind: Kind,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text.
    Text(Text),
    /// An integer.
    Int(Bounds<i64>),
    /// A double.
    Float(Float),
    /// A truth value.
    Bool,
    /// A point in time, or a date and time of no zone.
    Timestamp(Timestamp),
    /// A calendar day.
    Date,
    /// A time of day.
    Time,
    /// A UUID.
    Uuid,
    /// A decimal number of any size.
    Decimal(Decimal),
    /// Any JSON value.
    Json(Json),
    /// An IP address.
    Ip {
        /// 4 or 6; both if not given.
        version: Option<u8>,
    },
    /// One of these texts.
    Enum(Vec<String>),
    /// An object with fields of its own, stored as JSON.
    Object(Box<Object>),
    /// A list of values of one kind.
    List(Box<List>),
}

/// The limits of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<T> {
    /// At least this.
    pub ge: Option<T>,
    /// More than this.
    pub gt: Option<T>,
    /// At most this.
    pub le: Option<T>,
    /// Less than this.
    pub lt: Option<T>,
    /// A multiple of this.
    pub multiple_of: Option<T>,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Bounds { ge: None, gt: None, le: None, lt: None, multiple_of: None }
    }
}

/// The rules of a text.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// At least this many characters.
    pub min_length: Option<usize>,
    /// At most this many characters.
    pub max_length: Option<usize>,
    /// White space at both ends is left out before anything else is looked at.
    pub trim: bool,
    /// Upper case becomes lower case.
    pub lower: bool,
    /// What happens to a NUL.
    pub nul: Nul,
}

/// The rules of a double.
#[derive(Clone, Debug, Default)]
pub struct Float {
    /// Its limits.
    pub bounds: Bounds<f64>,
    /// Whether NaN and the infinities are faults.
    pub finite: bool,
}

/// The rules of a timestamp.
#[derive(Clone, Debug, Default)]
pub struct Timestamp {
    /// What is known about the zone.
    pub zone: Zone,
    /// The offset from UTC, in seconds, of stamps that name no zone.
    pub offset_s: i32,
}

/// What is known about the zone of a stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// A stamp without a zone is in the zone of the source.
    #[default]
    Any,
    /// A stamp without a zone is a fault.
    Required,
    /// Stamps have no zone and are stored without one.
    Naive,
}

/// The rules of a decimal.
#[derive(Clone, Debug, Default)]
pub struct Decimal {
    /// At most this many digits.
    pub max_digits: Option<u32>,
    /// At most this many of them after the point.
    pub decimal_places: Option<u32>,
}

/// The rules of a JSON value.
#[derive(Clone, Debug, Default)]
pub struct Json {
    /// The input is a text that holds JSON, rather than the JSON itself.
    pub text: bool,
}

/// An object with fields of its own.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its fields, and what becomes of others.
    pub schema: Schema,
    /// Where the fields are found.
    pub wanted: Wanted,
}

/// A list of values of one kind.
#[derive(Clone, Debug)]
pub struct List {
    /// What each item must be.
    pub items: Field,
    /// At least this many.
    pub min_items: Option<usize>,
    /// At most this many.
    pub max_items: Option<usize>,
}

impl Schema {
    /// The paths of the fields, for the format to mark.
    pub fn paths(&self) -> Vec<Vec<String>> {
        self.fields.iter().map(|field| field.from.clone()).collect()
    }

    /// Whether the format must gather the members that no field asks for.
    pub fn extras(&self) -> Extras {
        match self.extra {
            Extra::Ignore => Extras::Ignored,
            Extra::Forbid | Extra::Keep => Extras::Gathered,
        }
    }
}
