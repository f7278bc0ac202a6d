//! What a value must be: the types and their rules, as a job or a JSON Schema gives them.
//!
//! Plain data, created once. Anything that can be computed in advance (a pattern, the layout of a timestamp,
//! the keys of an object) is computed here, so that reading a value only uses it.

use std::borrow::Cow;

use chrono::{Datelike as _, NaiveDate};
use regex::Regex;

use super::{Extra, Field, Schema};
use crate::format::Wanted;

pub use super::constant::{Constant, Enum, Values};
pub use super::read::clock::Clock;
pub use super::read::exact::Exact;
pub use super::read::strptime::Strptime;

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text.
    Text(Text),
    /// An integer.
    Int(Bounds<i128>),
    /// A double.
    Float(Float),
    /// A boolean.
    Bool,
    /// A point in time, or a date and time without a zone.
    Timestamp(Timestamp),
    /// A calendar day.
    Date,
    /// A time of day.
    Time,
    /// A UUID.
    Uuid {
        /// 1 to 8; any if not given.
        version: Option<u8>,
    },
    /// A decimal number.
    Decimal(Decimal),
    /// Any JSON value.
    Json(Json),
    /// An IP address.
    Ip {
        /// 4 or 6; both if not given.
        version: Option<u8>,
    },
    /// One of several values.
    Enum(Enum),
    /// An object with its own fields, stored as JSON.
    Object(Box<Object>),
    /// A list of values of one kind.
    List(Box<List>),
    /// One of several kinds.
    Union(Union),
    /// An object like one of those around it.
    Again(Again),
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
    /// A multiple of this, which is more than zero.
    pub multiple_of: Option<T>,
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Bounds { ge: None, gt: None, le: None, lt: None, multiple_of: None }
    }
}

/// The rules of a text, in the order in which they are applied.
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// White space at both ends is removed before anything else is checked.
    pub trim: bool,
    /// At least this many characters.
    pub min_length: Option<usize>,
    /// At most this many characters.
    pub max_length: Option<usize>,
    /// A pattern that must match somewhere in it, unless it is anchored.
    pub pattern: Option<Regex>,
    /// Upper case is stored as lower case.
    pub lower: bool,
}

impl Text {
    /// Whether any text is accepted as it is.
    #[inline]
    pub(super) fn takes_all(&self) -> bool {
        let Text { trim, min_length, max_length, pattern, lower } = self;
        // Without branches: it is asked for each value.
        !(*trim | *lower | min_length.is_some() | max_length.is_some() | pattern.is_some())
    }
}

/// The maximum memory of a compiled pattern.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Compiles a pattern of a text, or says what is wrong with it.
pub fn pattern(text: &str) -> Result<Regex, String> {
    let pattern = regex::RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
    pattern.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it becomes larger than 1 MiB; shorten what repeats".to_owned(),
        // The crate draws the pattern over several lines; the last line says what is wrong.
        error => {
            let error = error.to_string();
            error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    })
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
    /// How it is written.
    pub format: StampFormat,
    /// How the zone is handled.
    pub zone: Zone,
    /// The time zone of timestamps without one.
    pub clock: Clock,
    /// The year of timestamps that name none; `None` if all name theirs, or if it is not known yet.
    pub year: Option<Year>,
}

/// The format of a timestamp.
#[derive(Clone, Debug, Default)]
pub enum StampFormat {
    /// Every ISO form, and epoch numbers: seconds up to 2e10, milliseconds beyond, with Pydantic's
    /// distinction.
    #[default]
    Any,
    /// RFC 3339 and nothing else.
    Rfc3339,
    /// A number of seconds since 1970.
    EpochS,
    /// A number of milliseconds since 1970.
    EpochMs,
    /// A number of microseconds since 1970.
    EpochUs,
    /// A number of nanoseconds since 1970.
    EpochNs,
    /// As in syslog: `Oct  7 12:34:56`, or an ISO form.
    Syslog,
    /// As described with chrono's letters.
    Strptime(Strptime),
}

impl StampFormat {
    /// The formats that have a word of their own in a job.
    pub const NAMED: [StampFormat; 6] = [
        StampFormat::Rfc3339,
        StampFormat::EpochS,
        StampFormat::EpochMs,
        StampFormat::EpochUs,
        StampFormat::EpochNs,
        StampFormat::Syslog,
    ];

    /// Its spelling in a job; `None` if any form will do.
    pub fn word(&self) -> Option<&str> {
        match self {
            StampFormat::Any => None,
            StampFormat::Rfc3339 => Some("rfc3339"),
            StampFormat::EpochS => Some("epoch_s"),
            StampFormat::EpochMs => Some("epoch_ms"),
            StampFormat::EpochUs => Some("epoch_us"),
            StampFormat::EpochNs => Some("epoch_ns"),
            StampFormat::Syslog => Some("syslog"),
            StampFormat::Strptime(letters) => Some(letters.letters()),
        }
    }

    /// The format that has this word.
    pub fn from_word(word: &str) -> Option<StampFormat> {
        StampFormat::NAMED.into_iter().find(|format| format.word() == Some(word))
    }

    /// Whether such timestamps can lack a year.
    pub fn may_lack_year(&self) -> bool {
        match self {
            StampFormat::Syslog => true,
            StampFormat::Strptime(letters) => !letters.names_year(),
            _ => false,
        }
    }
}

/// How the zone of a timestamp is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// A timestamp without a zone is in the zone of the source.
    #[default]
    Any,
    /// A timestamp without a zone is a fault.
    Required,
    /// Timestamps have no zone and are stored without one.
    Naive,
}

impl Zone {
    /// The word for it in a job.
    pub fn word(self) -> &'static str {
        match self {
            Zone::Any => "any",
            Zone::Required => "required",
            Zone::Naive => "naive",
        }
    }

    /// The meaning of a word in a job; the default if it is none of these.
    pub fn from_word(word: &str) -> Zone {
        let all = [Zone::Any, Zone::Required, Zone::Naive];
        all.into_iter().find(|zone| zone.word() == word).unwrap_or_default()
    }
}

/// The year of timestamps that name none. Never taken from the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Year {
    /// This one.
    Fixed(i32),
    /// The year of the data date. The last lines of December are in the files of January, so a time that
    /// would be long after that day belongs to the year before.
    OfDate(NaiveDate),
}

/// A time more than this many days after the data date is moved to the year before.
const DAYS_AFTER_MAX: i32 = 180;

impl Year {
    /// The day in this year, if it exists; `day_of` returns it for a year, as days since 1970.
    pub(super) fn settle(self, day_of: impl Fn(i32) -> Option<i32>) -> Option<i32> {
        match self {
            Year::Fixed(year) => day_of(year),
            Year::OfDate(date) => {
                let day = day_of(date.year())?;
                let is_long_after = day > date.to_epoch_days() + DAYS_AFTER_MAX;
                if is_long_after { day_of(date.year() - 1) } else { Some(day) }
            }
        }
    }
}

/// The rules of a decimal.
#[derive(Clone, Debug, Default)]
pub struct Decimal {
    /// At most this many digits.
    pub max_digits: Option<u32>,
    /// At most this many of them after the point.
    pub decimal_places: Option<u32>,
    /// Its limits.
    pub bounds: Bounds<Exact>,
}

/// The rules of a JSON value.
#[derive(Clone, Debug, Default)]
pub struct Json {
    /// The input is a text that contains JSON, rather than the JSON itself.
    pub text: bool,
    /// What the value must also satisfy, although it is stored unchanged.
    pub like: Option<Box<Field>>,
}

/// An object with its own fields.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its fields, and what happens to others.
    pub schema: Schema,
    /// What each member that no field names must be; all of them are stored then.
    pub members: Option<Box<Field>>,
    /// Whether its fields become columns, if it is a field of the record.
    pub flatten: bool,
    /// Whether it is given as a text that contains JSON.
    pub text: bool,
    /// Where the fields are found.
    pub wanted: Wanted,
}

impl Object {
    /// An object that must match `schema`.
    pub fn new(schema: Schema) -> Object {
        let wanted = Wanted::new(&schema.paths());
        Object { wanted, members: None, flatten: false, text: false, schema }
    }

    /// Whether it has its own fields or refuses others. If not, it is a dictionary to Pydantic.
    pub fn is_model(&self) -> bool {
        !self.schema.fields.is_empty() || self.schema.extra != Extra::Keep
    }

    /// An object with any members, each of which must match `members`.
    pub fn of(members: Field) -> Object {
        let any = Schema { extra: Extra::Keep, ..Schema::default() };
        Object { members: Some(Box::new(members)), ..Object::new(any) }
    }
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
    /// Whether it is given as a text that contains JSON.
    pub text: bool,
}

impl List {
    /// A list of any length.
    pub fn of(items: Field) -> List {
        List { items, min_items: None, max_items: None, text: false }
    }
}

/// One of several kinds: the first that accepts a value as it is, otherwise the first that accepts it at all,
/// as in Pydantic's smart mode.
#[derive(Clone, Debug, Default)]
pub struct Union {
    branches: Vec<Branch>,
}

/// A kind that a value may be of.
#[derive(Clone, Debug)]
pub struct Branch {
    /// The kind, with the name used in faults.
    pub field: Field,
    /// The same, accepting only values as they are.
    pub(super) strictly: Field,
}

impl Union {
    /// One of these kinds, each with the name used in faults.
    pub fn new(branches: impl IntoIterator<Item = Field>) -> Union {
        let branch = |field: Field| Branch { strictly: Field { strict: true, ..field.clone() }, field };
        Union { branches: branches.into_iter().map(branch).collect() }
    }

    /// The kinds, in order.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The kinds, each as a field.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.branches.iter().map(|branch| &branch.field)
    }

    /// Passes each kind to `change`, once for each copy.
    pub(super) fn each_kind(&mut self, mut change: impl FnMut(&mut Kind)) {
        for branch in &mut self.branches {
            change(&mut branch.field.kind);
            change(&mut branch.strictly.kind);
        }
    }

    /// Whether every value is a text, and is stored as one.
    pub fn is_text(&self) -> bool {
        self.fields().all(|field| match &field.kind {
            Kind::Text(_) => true,
            Kind::Enum(rules) => matches!(rules.values, Values::Texts(_)),
            Kind::Union(rules) => rules.is_text(),
            _ => false,
        })
    }
}

/// An object like one of those around it.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// How many objects further out that one is; `None` means the one around this field.
    pub up: Option<usize>,
}

impl Kind {
    /// Whether a list of such values is a list of scalars, rather than JSON.
    pub fn is_scalar(&self) -> bool {
        match self {
            Kind::Json(_) | Kind::Object(_) | Kind::List(_) | Kind::Again(_) => false,
            Kind::Union(rules) => rules.is_text(),
            Kind::Enum(rules) => !matches!(rules.values, Values::Mixed(_)),
            _ => true,
        }
    }

    /// Whether such a value is given as a text that contains JSON.
    pub fn is_in_text(&self) -> bool {
        match self {
            Kind::Json(rules) => rules.text,
            Kind::Object(rules) => rules.text,
            Kind::List(rules) => rules.text,
            _ => false,
        }
    }

    /// Whether such values contain no others, so that a union of such kinds can be stored.
    pub fn is_single(&self) -> bool {
        match self {
            Kind::Union(rules) => rules.fields().all(|field| field.kind.is_single()),
            Kind::Enum(_) => true,
            kind => kind.is_scalar(),
        }
    }

    /// The kind whose columns hold such values: several kinds are stored like another one.
    pub fn column(&self) -> Cow<'_, Kind> {
        match self {
            Kind::Enum(Enum { values: Values::Ints(numbers), .. }) => {
                let limit = |number: Option<&i64>| number.map(|number| i128::from(*number));
                let (ge, le) = (limit(numbers.iter().min()), limit(numbers.iter().max()));
                Cow::Owned(Kind::Int(Bounds { ge, le, ..Bounds::default() }))
            }
            Kind::Union(rules) if rules.is_text() => Cow::Owned(Kind::Text(Text::default())),
            Kind::Enum(Enum { values: Values::Mixed(_), .. }) | Kind::Union(_) | Kind::Again(_) => {
                Cow::Owned(Kind::Json(Json::default()))
            }
            Kind::List(list) => match list.items.kind.column() {
                Cow::Borrowed(_) => Cow::Borrowed(self),
                Cow::Owned(kind) => {
                    let items = Field { kind, ..list.items.clone() };
                    Cow::Owned(Kind::List(Box::new(List { items, ..(**list).clone() })))
                }
            },
            _ => Cow::Borrowed(self),
        }
    }

    /// The fields for the values within such a value.
    pub fn fields(&self) -> Vec<&Field> {
        match self {
            Kind::Object(object) => object.schema.fields.iter().chain(object.members.as_deref()).collect(),
            Kind::List(list) => vec![&list.items],
            Kind::Json(rules) => rules.like.as_deref().into_iter().collect(),
            Kind::Union(rules) => rules.fields().collect(),
            _ => Vec::new(),
        }
    }

    /// Every kind, without a rule.
    pub fn all() -> [Kind; 16] {
        [
            Kind::Text(Text::default()),
            Kind::Int(Bounds::default()),
            Kind::Float(Float::default()),
            Kind::Bool,
            Kind::Timestamp(Timestamp::default()),
            Kind::Date,
            Kind::Time,
            Kind::Uuid { version: None },
            Kind::Decimal(Decimal::default()),
            Kind::Json(Json::default()),
            Kind::Ip { version: None },
            Kind::Enum(Enum::new::<String>([])),
            Kind::Object(Box::new(Object::new(Schema::default()))),
            Kind::List(Box::new(List::of(Field::new("", Kind::Json(Json::default()))))),
            Kind::Union(Union::default()),
            Kind::Again(Again::default()),
        ]
    }

    /// The kind with this name, without a rule.
    pub fn named(name: &str) -> Option<Kind> {
        Kind::all().into_iter().find(|kind| kind.name() == name)
    }

    /// The word for it in a job.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text(_) => "text",
            Kind::Int(_) => "int",
            Kind::Float(_) => "float",
            Kind::Bool => "bool",
            Kind::Timestamp(_) => "timestamp",
            Kind::Date => "date",
            Kind::Time => "time",
            Kind::Uuid { .. } => "uuid",
            Kind::Decimal(_) => "decimal",
            Kind::Json(_) => "json",
            Kind::Ip { .. } => "ip",
            Kind::Enum(_) => "enum",
            Kind::Object(_) => "object",
            Kind::List(_) => "list",
            Kind::Union(_) => "union",
            Kind::Again(_) => "again",
        }
    }
}
