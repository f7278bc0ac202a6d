//! The rules of a field's type, one by one: the only list of which type has which.
//!
//! Reading, writing and hashing a job, importing a JSON Schema and filling in the table of keys all go
//! through this list. A new rule is a field of its kind's struct, a line here and a line in the table of
//! keys; without the line here it does not compile.

use regex::Regex;

use super::kind::{
    Again, Bounds, Clock, Decimal, Enum, Exact, Float, Json, Kind, List, Object, StampFormat, Text,
    Timestamp, Union, Values, Year, Zone,
};
use super::{Extra, Field};

/// The place where a kind keeps one of its rules.
#[derive(Debug)]
pub enum Rule<'k> {
    /// A boolean rule.
    Flag(&'k mut bool),
    /// A number of characters or items.
    Length(&'k mut Option<usize>),
    /// A number of digits.
    Digits(&'k mut Option<u32>),
    /// What a text must match.
    Pattern(&'k mut Option<Regex>),
    /// A limit of integers.
    Int(&'k mut Option<i128>),
    /// A limit of doubles.
    Float(&'k mut Option<f64>),
    /// A limit of decimals.
    Decimal(&'k mut Option<Exact>),
    /// A name that nothing depends on but what people are told.
    Name(&'k mut Option<String>),
    /// A version, of IP or of UUIDs.
    Version(&'k mut Option<u8>),
    /// The values of an enum.
    Values(&'k mut Values),
    /// The format of a timestamp.
    Format(&'k mut StampFormat),
    /// How its zone is handled.
    Zone(&'k mut Zone),
    /// What happens to members that no field names.
    Extra(&'k mut Extra),
    /// The fields of an object.
    Fields(&'k mut Object),
    /// What the members of an object must be that no field names.
    Members(&'k mut Option<Box<Field>>),
    /// What the items of a list must be.
    Items(&'k mut Field),
    /// What a value must also satisfy, although it is stored unchanged.
    Like(&'k mut Option<Box<Field>>),
    /// The kinds that a value may be of.
    Branches(&'k mut Union),
    /// A setting of the whole source, not of a field.
    OfSource(OfSource<'k>),
}

/// What timestamps lack and their source provides.
#[derive(Debug)]
pub enum OfSource<'k> {
    /// The time zone of timestamps without one.
    Clock(&'k mut Clock),
    /// The year.
    Year(&'k mut Option<Year>),
}

impl Rule<'_> {
    /// Whether a job sets it on a field.
    pub fn is_of_job(&self) -> bool {
        !matches!(self, Rule::OfSource(_))
    }
}

/// Receives a rule's name and its place.
pub type Visit<'v> = &'v mut dyn FnMut(&'static str, Rule<'_>);

impl Kind {
    /// Visits the rules that such a value can have, given or not. The order is that in which they are hashed,
    /// and must not change.
    pub fn rules(&mut self, visit: Visit<'_>) {
        match self {
            Kind::Text(Text { min_length, max_length, trim, lower, pattern }) => {
                visit("min_length", Rule::Length(min_length));
                visit("max_length", Rule::Length(max_length));
                visit("trim", Rule::Flag(trim));
                visit("lower", Rule::Flag(lower));
                visit("pattern", Rule::Pattern(pattern));
            }
            Kind::Int(limits) => bounds(limits, Rule::Int, visit),
            Kind::Float(Float { bounds: limits, finite }) => {
                bounds(limits, Rule::Float, visit);
                visit("finite", Rule::Flag(finite));
            }
            Kind::Timestamp(Timestamp { format, zone, clock, year }) => {
                visit("format", Rule::Format(format));
                visit("year", Rule::OfSource(OfSource::Year(year)));
                visit("zone", Rule::Zone(zone));
                // With another zone setting there is no timestamp whose zone would have to be supplied.
                if *zone == Zone::Any {
                    visit("clock", Rule::OfSource(OfSource::Clock(clock)));
                }
            }
            Kind::Decimal(Decimal { max_digits, decimal_places, bounds: limits }) => {
                visit("max_digits", Rule::Digits(max_digits));
                visit("decimal_places", Rule::Digits(decimal_places));
                bounds(limits, Rule::Decimal, visit);
            }
            Kind::Json(Json { text, like }) => {
                visit("json_text", Rule::Flag(text));
                visit("like", Rule::Like(like));
            }
            Kind::Ip { version } | Kind::Uuid { version } => visit("version", Rule::Version(version)),
            Kind::Enum(Enum { values, literal, class, trim, lower }) => {
                visit("values", Rule::Values(values));
                visit("literal", Rule::Flag(literal));
                visit("class", Rule::Name(class));
                visit("trim", Rule::Flag(trim));
                visit("lower", Rule::Flag(lower));
            }
            Kind::Object(object) => {
                visit("flatten", Rule::Flag(&mut object.flatten));
                visit("json_text", Rule::Flag(&mut object.text));
                visit("extra", Rule::Extra(&mut object.schema.extra));
                visit("fields", Rule::Fields(object));
                visit("members", Rule::Members(&mut object.members));
            }
            Kind::List(list) => {
                let List { items, min_items, max_items, text } = &mut **list;
                visit("json_text", Rule::Flag(text));
                visit("min_items", Rule::Length(min_items));
                visit("max_items", Rule::Length(max_items));
                visit("items", Rule::Items(items));
            }
            Kind::Union(rules) => visit("of", Rule::Branches(rules)),
            Kind::Again(Again { up }) => visit("up", Rule::Length(up)),
            Kind::Bool | Kind::Date | Kind::Time => {}
        }
    }
}

fn bounds<'k, T>(limits: &'k mut Bounds<T>, rule: fn(&'k mut Option<T>) -> Rule<'k>, visit: Visit<'_>) {
    let Bounds { ge, gt, le, lt, multiple_of } = limits;
    visit("ge", rule(ge));
    visit("gt", rule(gt));
    visit("le", rule(le));
    visit("lt", rule(lt));
    visit("multiple_of", rule(multiple_of));
}

/// The JSON Schema keyword with the same meaning as a rule, if there is one.
pub(super) fn keyword(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "min_length" => "minLength",
        "max_length" => "maxLength",
        "pattern" => "pattern",
        "ge" => "minimum",
        "gt" => "exclusiveMinimum",
        "le" => "maximum",
        "lt" => "exclusiveMaximum",
        "multiple_of" => "multipleOf",
        "min_items" => "minItems",
        "max_items" => "maxItems",
        _ => return None,
    })
}
