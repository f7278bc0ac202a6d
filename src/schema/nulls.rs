//! Texts that mean null: `-` in an access log, `NULL` in a dump.
//!
//! A text format has no other way to express a missing value. Such a text is treated like a null in JSON: as
//! the null of a nullable field, and in any other as a value of the wrong type. It is checked for before the
//! rules of the field.

use bumpalo::Bump;

use super::read::{Context, read};
use super::{Field, Value};
use crate::format::{Item, JsonScratch, Raw, Record, is_same, parse_json};
use crate::reject::Path;

/// Texts that mean null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nulls(Box<[Box<str>]>);

impl Nulls {
    /// These texts.
    pub fn new<S: Into<Box<str>>>(texts: impl IntoIterator<Item = S>) -> Nulls {
        Nulls(texts.into_iter().map(Into::into).collect())
    }

    /// The texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|text| &**text)
    }

    /// Whether a value is one of these texts.
    #[inline]
    pub fn hold(&self, item: Item<'_>) -> bool {
        !self.0.is_empty() && self.find(item)
    }

    #[inline]
    fn find(&self, item: Item<'_>) -> bool {
        let Raw::Text(text) = item.raw() else { return false };
        self.0.iter().any(|null| is_same(null.as_bytes(), text.as_bytes()))
    }
}

/// Reads a null as a field that is not nullable would: as a fault, or as JSON.
#[cold]
pub(super) fn read_null<'a>(
    field: &'a Field,
    path: &Path<'_>,
    context: &mut Context<'a, '_>,
    value: &mut Value<'a>,
) {
    let (arena, mut scratch, mut record) = (Bump::new(), JsonScratch::default(), Record::default());
    parse_json(b"null", &arena, &mut scratch, &mut record).expect("null is JSON");
    let (mut faults, mut read_value) = (std::mem::take(context.faults), Value::Null);
    let mut inner = Context::new(&arena, &mut faults, context.nul);
    read(field, record.root(), path, &mut inner, &mut read_value);
    if let Value::Json(_) = read_value {
        *value = Value::Json(b"null");
    }
    context.found += inner.found;
    *context.faults = faults;
}

#[cfg(test)]
mod tests {
    use super::super::{Bounds, Extra, Json, Kind, Schema, Text};
    use super::*;
    use crate::format::{Chunk, Extras, Memory, Pattern, Preamble, Spec, of};
    use crate::reject::Faults;

    /// The result of binding a record of three texts.
    fn bind(schema: &Schema, line: &str) -> String {
        let pattern = Pattern::new(r"^(?P<a>\S+) (?P<b>\S+) (?P<c>\S+)$").expect("a pattern");
        let format = of(&Spec::Regex { pattern, record_start: None }, &schema.paths(), Extras::Gathered);
        let (preamble, mut found) = (Preamble::default(), String::new());
        let chunk = Chunk { bytes: line.as_bytes(), preamble: &preamble, record_bytes_max: 100 };
        format.each_record(chunk, &mut Memory::default(), |_, record, arena| {
            let mut faults = Faults::default();
            let record = record.expect("it matches");
            found = match schema.bind(record, arena, &mut faults) {
                Some(row) => format!("{:?}", row.values()),
                None => faults.iter().map(|(code, field)| format!("{field}: {code} ")).collect(),
            };
        });
        found
    }

    #[test]
    fn a_text_that_means_null_is_one() {
        let int = || Kind::Int(Bounds::default());
        let schema = Schema {
            fields: vec![
                Field { nullable: true, ..Field::new("a", int()) },
                Field { nullable: true, ..Field::new("b", Kind::Text(Text::default())) },
            ],
            extra: Extra::Keep,
            nulls: Nulls::new(["-", "NULL"]),
            ..Schema::default()
        };
        assert_eq!(bind(&schema, "- NULL -"), format!("[Null, Null, {:?}]", Value::Json(br#"{"c":null}"#)));
        assert_eq!(
            bind(&schema, "1 x null"),
            format!("[Int(1), Text(\"x\"), {:?}]", Value::Json(br#"{"c":"null"}"#))
        );
        let none = Schema { nulls: Nulls::default(), extra: Extra::Ignore, ..schema };
        assert_eq!(bind(&none, "- - -"), "a: int_parsing ");
    }

    #[test]
    fn to_a_field_that_must_have_a_value_it_is_a_fault() {
        let schema = Schema {
            fields: vec![
                Field::new("a", Kind::Int(Bounds::default())),
                Field::new("b", Kind::Text(Text::default())),
                Field::new("c", Kind::Json(Json::default())),
            ],
            nulls: Nulls::new(["-"]),
            ..Schema::default()
        };
        assert_eq!(bind(&schema, "- - -"), "a: int_type b: string_type ");
        assert_eq!(bind(&schema, "1 x -"), format!("[Int(1), Text(\"x\"), {:?}]", Value::Json(b"null")));
    }
}
