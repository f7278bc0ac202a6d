//! The schema: turns named fields into typed values, or into a list of all that is wrong.
//!
//! A [`Schema`] is made once from the job. For every record, [`Schema::bind`] reads each field's value by the
//! field's rules and returns either a [`Row`], whose existence proves that every rule holds, or nothing, with
//! all the faults noted. In mode `lax` values are coerced as by Pydantic in JSON mode, in mode `strict` they
//! are not.
//!
//! Nothing here knows where records come from or where rows go: what a *column* can hold is the encoder's
//! business (`sink`), and is refused there in the same way.

mod bind;
mod constant;
mod default;
mod flatten;
mod json;
mod json_schema;
mod kind;
mod nulls;
#[cfg(test)]
mod probe;
mod read;
mod rules;
mod time;
mod union;
mod value;

pub use bind::Row;
pub use flatten::Group;
pub use json_schema::{
    Fault, ImportTerms, Imported, JsonSchemaError, from_json_schema, import_json_schema, unsaid,
};
pub use kind::{
    Again, Bounds, Branch, Clock, Constant, Decimal, Enum, Exact, Float, Json, Kind, List, Object,
    StampFormat, Strptime, Text, Timestamp, Union, Values, Year, Zone, pattern,
};
pub use nulls::Nulls;
pub use rules::{OfSource, Rule, Visit};
pub use time::{Days, Time, TimeKind};
pub use union::branch_name;
pub use value::{Altered, Owned, Value};

use chrono::NaiveDate;

use crate::format::Extras;
use crate::reject::{REASON_BYTES, REASONS_BYTES_MAX};

/// What every record must be.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// The fields, in the order of the job, which is the order of a row's values.
    pub fields: Vec<Field>,
    /// What happens to members that no field names.
    pub extra: Extra,
    /// What happens to a NUL, which no destination can hold. The record's schema also decides for the objects
    /// in it.
    pub nul: Nul,
    /// Texts that mean null. Objects in a record have none: they are JSON, which has its own nulls.
    pub nulls: Nulls,
    /// The indexes of fields whose timestamps take a year or a zone from the source, if it has one.
    pub lacking: Vec<usize>,
    /// The objects that were flattened, in order.
    pub groups: Vec<Group>,
}

/// What happens to members that no field names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extra {
    /// They are skipped.
    #[default]
    Ignore,
    /// They are faults.
    Forbid,
    /// They are stored together, as one JSON object, in the last value of the row.
    Keep,
}

impl Extra {
    /// The word for it in a job.
    pub fn word(self) -> &'static str {
        match self {
            Extra::Ignore => "ignore",
            Extra::Forbid => "forbid",
            Extra::Keep => "keep",
        }
    }

    /// The meaning of a word in a job; the default if it is none of these.
    pub fn from_word(word: &str) -> Extra {
        let all = [Extra::Ignore, Extra::Forbid, Extra::Keep];
        all.into_iter().find(|extra| extra.word() == word).unwrap_or_default()
    }
}

/// What happens to a NUL character in a text or JSON value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Nul {
    /// It is a fault.
    #[default]
    Reject,
    /// It is removed.
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
    /// Whether it must be present.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its value when it is absent.
    pub default: Option<Owned>,
    /// Whether values are accepted only as they are, without coercion.
    pub strict: bool,
    /// Whether it was flattened from an object that may be absent: its column accepts nulls then.
    pub may_be_absent: bool,
    /// What it must be.
    pub kind: Kind,
}

impl Schema {
    /// The paths of the fields, for the format to mark, and those of the flattened objects.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let groups = self.groups.iter().map(|group| &group.field);
        self.fields.iter().chain(groups).map(|field| field.from.clone()).collect()
    }

    /// Whether the format must collect the members that no field names.
    pub fn extras(&self) -> Extras {
        match self.extra {
            Extra::Ignore => Extras::Ignored,
            Extra::Forbid | Extra::Keep => Extras::Gathered,
        }
    }
}

impl Schema {
    /// The maximum number of bytes of a record's reasons.
    pub fn reasons_bytes_max(&self) -> usize {
        let is_simple = |field: &Field| {
            !matches!(field.kind, Kind::Object(_) | Kind::List(_) | Kind::Union(_) | Kind::Again(_))
                && !matches!(&field.kind, Kind::Json(rules) if rules.like.is_some())
        };
        let is_closed = self.extra == Extra::Forbid || !self.groups.is_empty();
        match !is_closed && self.fields.iter().all(is_simple) {
            true => (self.fields.len() * REASON_BYTES).min(REASONS_BYTES_MAX),
            // As many as the record has members and items.
            false => REASONS_BYTES_MAX,
        }
    }

    /// Finds the fields whose timestamps take a year or a zone from the source.
    pub fn with_lacking(mut self) -> Schema {
        let fields = self.fields.iter().enumerate();
        self.lacking =
            fields.filter(|(_, field)| field.takes_from_source()).map(|(index, _)| index).collect();
        self
    }

    /// Takes the year that timestamps lack from another data date, if it comes from one.
    pub fn set_date(&mut self, date: NaiveDate) {
        fn set(kind: &mut Kind, date: NaiveDate) {
            kind.rules(&mut |_, rule| match rule {
                Rule::OfSource(OfSource::Year(year)) if !matches!(year, Some(Year::Fixed(_))) => {
                    *year = Some(Year::OfDate(date));
                }
                Rule::Fields(object) => object.schema.set_date(date),
                Rule::Items(field) => set(&mut field.kind, date),
                Rule::Members(Some(field)) | Rule::Like(Some(field)) => set(&mut field.kind, date),
                Rule::Branches(rules) => rules.each_kind(|kind| set(kind, date)),
                _ => {}
            });
        }
        self.fields.iter_mut().for_each(|field| set(&mut field.kind, date));
    }

    /// The first field whose timestamps can lack their year and take it from the data date.
    pub fn lacks_year(&self) -> Option<&str> {
        self.fields.iter().find(|field| field.lacks_year()).map(|field| field.name.as_str())
    }

    /// The first field that should be like an object around it when there is none.
    pub fn stands_alone(&self) -> Option<&str> {
        fn reaches_out(kind: &Kind, depth: usize) -> bool {
            let depth_within = depth + usize::from(matches!(kind, Kind::Object(_)));
            match kind {
                Kind::Again(rules) => rules.up.unwrap_or(0) >= depth,
                _ => kind.fields().iter().any(|field| reaches_out(&field.kind, depth_within)),
            }
        }
        self.fields.iter().find(|field| reaches_out(&field.kind, 0)).map(|field| field.name.as_str())
    }

    /// Whether a record of a few bytes can become a row of very many: `1E+131071`.
    pub fn can_expand(&self) -> bool {
        fn expands(field: &Field) -> bool {
            match &field.kind {
                Kind::Decimal(rules) => rules.max_digits.is_none(),
                Kind::Object(object) => {
                    object.schema.can_expand() || object.members.as_deref().is_some_and(expands)
                }
                Kind::Union(rules) => rules.fields().any(expands),
                Kind::List(list) => expands(&list.items),
                _ => false,
            }
        }
        self.fields.iter().any(expands)
    }
}

impl Field {
    /// A field that is required, not nullable, coerced, and found under its own name.
    pub fn new(name: impl Into<String>, kind: Kind) -> Field {
        let name = name.into();
        Field {
            from: vec![name.clone()],
            name,
            required: true,
            nullable: false,
            default: None,
            strict: false,
            may_be_absent: false,
            kind,
        }
    }

    fn lacks_year(&self) -> bool {
        match &self.kind {
            Kind::Timestamp(rules) => {
                rules.format.may_lack_year() && !matches!(rules.year, Some(Year::Fixed(_)))
            }
            Kind::Object(object) => {
                let members = object.members.as_deref();
                object.schema.lacks_year().is_some() || members.is_some_and(Field::lacks_year)
            }
            Kind::Json(rules) => rules.like.as_deref().is_some_and(Field::lacks_year),
            Kind::Union(rules) => rules.fields().any(Field::lacks_year),
            Kind::List(list) => list.items.lacks_year(),
            _ => false,
        }
    }

    /// Whether the same text can be another timestamp if the source has another year or zone.
    fn takes_from_source(&self) -> bool {
        match &self.kind {
            Kind::Timestamp(Timestamp { year, clock, zone, .. }) => {
                year.is_some() || *zone == Zone::Any && *clock != Clock::default()
            }
            _ => false,
        }
    }

    /// The same field, but it may be absent and may be null.
    pub fn optional(self) -> Field {
        Field { required: false, nullable: true, ..self }
    }

    /// Whether a row can have a null in it: its column must allow it.
    pub fn may_be_null(&self) -> bool {
        let may_be_null = match &self.default {
            Some(default) => self.nullable || *default == Owned::Plain(Value::Null),
            None => self.nullable || !self.required,
        };
        may_be_null || self.may_be_absent
    }

    /// The same field, with a value for records that lack it. The default is given as JSON and read by the
    /// rules of the field, so that it is a value the field could have had.
    pub fn with_default(self, json: &str) -> Result<Field, String> {
        let default = self.read_default(json)?;
        Ok(Field { required: false, default: Some(default), ..self })
    }
}

#[cfg(test)]
mod tests {
    use crate::reject::code;

    #[test]
    fn a_schema_is_shared_by_all_workers() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<super::Schema>();
    }

    #[test]
    fn the_manual_knows_every_code() {
        let manual = include_str!("../manual/schema.md");
        for code in code::ALL {
            assert!(manual.contains(&format!("`{code}`")), "{code} is not in the manual");
        }
    }
}
