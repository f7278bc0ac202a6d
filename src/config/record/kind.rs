//! The rules of a type: what a value of a field must be.
//!
//! A rule is read into the place that the kind of the field has for it. Rules that leave no
//! value, such as a minimum above the maximum, are told.

use regex::Regex;
use toml::Spanned;
use toml::de::DeValue;

use super::super::keys;
use super::super::reader::{Place, Reader, Scope, as_integer, describe, first_repeated};
use super::{Common, Part, field, fields};
use crate::schema::{
    Bounds, Decimal, Enum, Exact, Extra, Float, Json, Kind, List, Object, Schema, StampFormat, Strptime,
    Text, Timestamp, Zone,
};

/// Reads what a value of the type `kind_name` must be. `None` if that cannot be known, which has
/// then been told.
pub(super) fn kind(
    reader: &mut Reader<'_>,
    scope: &Scope<'_>,
    kind_name: &str,
    path: &str,
    called: &str,
    place: &Place,
    common: &Common,
) -> Option<Kind> {
    Some(match kind_name {
        "text" => {
            let (min_length, max_length) = lengths(reader, scope, "min_length", "max_length");
            let (trim, lower) = (reader.flag(scope, "trim"), reader.flag(scope, "lower"));
            let pattern =
                reader.text(scope, "pattern").and_then(|(text, place)| pattern(reader, &text, &place));
            Kind::Text(Text { trim, min_length, max_length, pattern, lower })
        }
        "int" => {
            let read =
                |value: &Spanned<DeValue<'_>>| as_integer(value).map(i128::from).ok_or("a whole number");
            Kind::Int(bounds(reader, scope, &0, read))
        }
        "float" => {
            let bounds = bounds(reader, scope, &0.0, |value| as_double(value).ok_or("a number"));
            Kind::Float(Float { bounds, finite: reader.flag(scope, "finite") })
        }
        "bool" => Kind::Bool,
        "timestamp" => {
            let zone = match reader.word(scope, "zone") {
                "required" => Zone::Required,
                "naive" => Zone::Naive,
                _ => Zone::Any,
            };
            let format = match reader.text(scope, "format") {
                Some((text, place)) => stamp_format(reader, &text, &place),
                None => StampFormat::Any,
            };
            Kind::Timestamp(Timestamp { format, zone, offset_s: common.offset_s, year: None })
        }
        "date" => Kind::Date,
        "time" => Kind::Time,
        "uuid" => Kind::Uuid,
        "decimal" => {
            let digits = |count| u32::try_from(count).expect("at most a thousand");
            let max_digits = reader.count_given(scope, "max_digits").map(digits);
            let decimal_places = reader.count_given(scope, "decimal_places").map(digits);
            if let (Some(max), Some(places)) = (max_digits, decimal_places)
                && places > max
            {
                let place = scope.place_of("decimal_places").expect("it is given");
                reader.find(format!("'decimal_places' is {places}, but there are only {max} digits"), &place);
            }
            let bounds = bounds(reader, scope, &Exact::from(0), |value| as_exact(value).ok_or("a number"));
            Kind::Decimal(Decimal { max_digits, decimal_places, bounds })
        }
        "json" => Kind::Json(Json { text: reader.flag(scope, "json_text") }),
        "ip" => Kind::Ip { version: version(reader, scope) },
        "enum" => {
            let values = values(reader, scope, called, place);
            let (trim, lower) = (reader.flag(scope, "trim"), reader.flag(scope, "lower"));
            Kind::Enum(Enum { trim, lower, ..Enum::new(values) })
        }
        "object" => {
            let extra =
                reader.word_given(scope, "extra").map_or(common.extra, |(word, _)| Extra::from_word(word));
            let Some(value) = scope.value("fields") else {
                reader.find(format!("{called} is an object and needs its own 'fields'"), place);
                return None;
            };
            let fields = fields(reader, value, &format!("{path}."), common);
            Kind::Object(Box::new(Object::new(Schema { fields, extra, nul: common.nul })))
        }
        "list" => {
            let (min_items, max_items) = lengths(reader, scope, "min_items", "max_items");
            let Some(value) = scope.value("items") else {
                reader.find(format!("{called} is a list and needs 'items', as in items = \"text\""), place);
                return None;
            };
            let items = field(reader, "items", path, place, value, common, Part::Items)?;
            Kind::List(Box::new(List { items, min_items, max_items }))
        }
        other => unreachable!("'{other}' is a type of the table of keys"),
    })
}

/// The limits of a number; `read` says what such a number is if a value is not one.
fn bounds<T: PartialOrd + std::fmt::Display>(
    reader: &mut Reader<'_>,
    scope: &Scope<'_>,
    zero: &T,
    read: impl Fn(&Spanned<DeValue<'_>>) -> Result<T, &'static str>,
) -> Bounds<T> {
    let mut bound = |name| {
        let value = scope.value(name)?;
        match read(value) {
            Ok(number) => Some(number),
            Err(expected) => {
                let given = describe(value);
                reader.find(format!("'{name}' takes {expected}, not {given}"), &value.span());
                None
            }
        }
    };
    let bounds = Bounds {
        ge: bound("ge"),
        gt: bound("gt"),
        le: bound("le"),
        lt: bound("lt"),
        multiple_of: bound("multiple_of"),
    };
    for (low_name, low, high_name, high) in [
        ("ge", &bounds.ge, "le", &bounds.le),
        ("ge", &bounds.ge, "lt", &bounds.lt),
        ("gt", &bounds.gt, "le", &bounds.le),
        ("gt", &bounds.gt, "lt", &bounds.lt),
    ] {
        let (Some(low), Some(high)) = (low, high) else { continue };
        let may_be_equal = low_name == "ge" && high_name == "le";
        if low > high || low == high && !may_be_equal {
            let place = scope.place_of(high_name).expect("it is given");
            reader.find(format!("no number fits: '{low_name}' is {low} and '{high_name}' is {high}"), &place);
        }
    }
    if let Some(step) = &bounds.multiple_of
        && step <= zero
    {
        let place = scope.place_of("multiple_of").expect("it is given");
        reader.find("'multiple_of' takes a number above zero", &place);
    }
    bounds
}

/// The limits of a length, which must leave room for something.
fn lengths(
    reader: &mut Reader<'_>,
    scope: &Scope<'_>,
    min_name: &str,
    max_name: &str,
) -> (Option<usize>, Option<usize>) {
    let length = |count| usize::try_from(count).expect("at most a GiB");
    let min = reader.count_given(scope, min_name).map(length);
    let max = reader.count_given(scope, max_name).map(length);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let place = scope.place_of(max_name).expect("it is given");
        reader.find(format!("nothing fits: '{min_name}' is {min} and '{max_name}' is {max}"), &place);
    }
    (min, max)
}

fn version(reader: &mut Reader<'_>, scope: &Scope<'_>) -> Option<u8> {
    let value = scope.value("version")?;
    match as_integer(value) {
        Some(4) => Some(4),
        Some(6) => Some(6),
        _ => {
            reader.mismatch(keys::FIELD.key("version"), value);
            None
        }
    }
}

fn values(reader: &mut Reader<'_>, scope: &Scope<'_>, called: &str, place: &Place) -> Vec<String> {
    if !scope.has("values") {
        reader.find(
            format!("{called} is an enum and needs its 'values', as in values = [\"on\", \"off\"]"),
            place,
        );
        return Vec::new();
    }
    let Some(values) = reader.texts(scope, "values") else { return Vec::new() };
    if values.is_empty() {
        let place = scope.value("values").expect("it is given").span();
        reader.find("an enum needs at least one value", &place);
    }
    if let Some((_, place)) = values.iter().find(|(value, _)| value.contains('\0')) {
        reader.find("a NUL character, which no column can hold", &place.clone());
    }
    if let Some(index) = first_repeated(values.iter().map(|(value, _)| value.as_str())) {
        reader.find("this value stands in the list already", &values[index].1.clone());
    }
    values.into_iter().map(|(value, _)| value).collect()
}

/// The pattern of a text.
fn pattern(reader: &mut Reader<'_>, text: &str, place: &Place) -> Option<Regex> {
    match Regex::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            // The crate draws the pattern over several lines; the last says what is wrong.
            let error = error.to_string();
            let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            reader.find(format!("'pattern' cannot be read as a regular expression: {what}"), place);
            None
        }
    }
}

/// How a stamp is written.
fn stamp_format(reader: &mut Reader<'_>, text: &str, place: &Place) -> StampFormat {
    if let Some(format) = StampFormat::from_word(text) {
        return format;
    }
    if !text.contains('%') {
        let known = StampFormat::NAMED.iter().filter_map(StampFormat::word).collect::<Vec<_>>().join(", ");
        reader.find(
            format!("not a format; it is one of {known}, or letters such as %d/%b/%Y:%H:%M:%S %z"),
            place,
        );
        return StampFormat::Any;
    }
    match Strptime::new(text) {
        Ok(letters) if letters.names_year() => StampFormat::Strptime(letters),
        Ok(_) => {
            reader.find("the format names no year, which is not built yet; leave it out until a later version takes it", place);
            StampFormat::Any
        }
        Err(what) => {
            reader.find(format!("the format cannot be read: {what}"), place);
            StampFormat::Any
        }
    }
}

/// A number, exact; integers are numbers too.
fn as_exact(value: &Spanned<DeValue<'_>>) -> Option<Exact> {
    match value.get_ref() {
        DeValue::Integer(_) => Some(Exact::from(as_integer(value)?)),
        DeValue::Float(number) => Exact::parse(number.as_str()),
        _ => None,
    }
}

/// A number as a double; integers are numbers too.
fn as_double(value: &Spanned<DeValue<'_>>) -> Option<f64> {
    let number = match value.get_ref() {
        DeValue::Integer(_) => as_integer(value)? as f64,
        DeValue::Float(number) => number.as_str().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{assert_wrong, config, small_with};
    use super::super::tests::field_of;
    use super::*;

    fn kind_of(line: &str) -> String {
        format!("{:?}", field_of(line).kind)
    }

    #[test]
    fn rules_come_into_the_schema() {
        for (line, expected) in [
            (
                "a = { type = \"text\", min_length = 1, max_length = 9, trim = true, lower = true }",
                "Text(Text { trim: true, min_length: Some(1), max_length: Some(9), pattern: None, lower: true })",
            ),
            (
                "a = { type = \"int\", ge = -5, lt = 0x10, multiple_of = 5 }",
                "Int(Bounds { ge: Some(-5), gt: None, le: None, lt: Some(16), multiple_of: Some(5) })",
            ),
            (
                "a = { type = \"float\", gt = 0, le = 1e3, finite = true }",
                "Float(Float { bounds: Bounds { ge: None, gt: Some(0.0), le: Some(1000.0), lt: None, multiple_of: None }, finite: true })",
            ),
            (
                "a = { type = \"text\", pattern = \"^[a-z]+$\" }",
                "Text(Text { trim: false, min_length: None, max_length: None, pattern: Some(Regex(\"^[a-z]+$\")), lower: false })",
            ),
            (
                "a = { type = \"timestamp\", zone = \"naive\", format = \"epoch_ms\" }",
                "Timestamp(Timestamp { format: EpochMs, zone: Naive, offset_s: 0, year: None })",
            ),
            (
                "a = { type = \"decimal\", max_digits = 10, decimal_places = 2 }",
                "Decimal(Decimal { max_digits: Some(10), decimal_places: Some(2), bounds: Bounds { ge: None, gt: None, le: None, lt: None, multiple_of: None } })",
            ),
            ("a = { type = \"json\", json_text = true }", "Json(Json { text: true })"),
            ("a = { type = \"ip\", version = 4 }", "Ip { version: Some(4) }"),
            (
                "a = { type = \"enum\", values = [\"x\", \"y\"], lower = true }",
                "Enum(Enum { values: [\"x\", \"y\"], literal: false, trim: false, lower: true })",
            ),
        ] {
            assert_eq!(kind_of(line), expected);
        }
    }

    #[test]
    fn patterns_and_formats_that_cannot_be_read_are_refused() {
        for (line, message, marked) in [
            (
                "a = { type = \"text\", pattern = \"a(\" }",
                "'pattern' cannot be read as a regular expression: unclosed group",
                "\"a(\"",
            ),
            (
                "a = { type = \"timestamp\", format = \"iso\" }",
                "not a format; it is one of rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns, or letters such as %d/%b/%Y:%H:%M:%S %z",
                "\"iso\"",
            ),
            (
                "a = { type = \"timestamp\", format = \"%b %d %H:%M:%S\" }",
                "the format names no year, which is not built yet; leave it out until a later version takes it",
                "\"%b %d %H:%M:%S\"",
            ),
            (
                "a = { type = \"decimal\", ge = 2.5, le = 2.25 }",
                "no number fits: 'ge' is 2.5 and 'le' is 2.25",
                "le",
            ),
        ] {
            assert_wrong("record.fields", line, message, marked);
        }
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        for (line, message, marked) in [
            (
                "a = \"enum\"",
                "field 'a' is an enum and needs its 'values', as in values = [\"on\", \"off\"]",
                "a",
            ),
            ("a = { type = \"enum\", values = [] }", "an enum needs at least one value", "[]"),
            (
                "a = { type = \"enum\", values = [\"x\", \"\\u0000\"] }",
                "a NUL character, which no column can hold",
                "\"\\u0000\"",
            ),
            (
                "a = { type = \"enum\", values = [\"x\", 'y', 'x'] }",
                "this value stands in the list already",
                "'x'",
            ),
            ("a = \"object\"", "field 'a' is an object and needs its own 'fields'", "a"),
            (
                "a = { type = \"object\", fields = {} }",
                "there is no field here; name at least one, as in message = \"text\"",
                "{}",
            ),
            ("a = { type = \"object\", fields = [] }", "'fields' takes a table of fields, not a list", "[]"),
            (
                "a = { type = \"object\", fields = { b = { type = \"list\" } } }",
                "field 'a.b' is a list and needs 'items', as in items = \"text\"",
                "b",
            ),
            (
                "a = { type = \"text\", min_length = 3, max_length = 2 }",
                "nothing fits: 'min_length' is 3 and 'max_length' is 2",
                "max_length",
            ),
            ("a = { type = \"int\", ge = 3, lt = 3 }", "no number fits: 'ge' is 3 and 'lt' is 3", "lt"),
            ("a = { type = \"int\", ge = 0.5 }", "'ge' takes a whole number, not 0.5", "0.5"),
            ("a = { type = \"float\", ge = nan }", "'ge' takes a number, not nan", "nan"),
            (
                "a = { type = \"int\", multiple_of = 0 }",
                "'multiple_of' takes a number above zero",
                "multiple_of",
            ),
            (
                "a = { type = \"decimal\", max_digits = 2, decimal_places = 3 }",
                "'decimal_places' is 3, but there are only 2 digits",
                "decimal_places",
            ),
            ("a = { type = \"ip\", version = 5 }", "'version' takes 4 or 6, not 5", "5"),
        ] {
            assert_wrong("record.fields", line, message, marked);
        }
        // Equal bounds leave one number.
        field_of("a = { type = \"int\", ge = 3, le = 3 }");
    }

    #[test]
    fn objects_and_lists_have_fields_of_their_own() {
        let field = field_of(
            "a = { type = \"object\", extra = \"forbid\", fields = { b = { type = \"list\", items = { type = \"int\", nullable = true }, min_items = 1 }, c = { type = \"text\", from = \"/x/y\" } } }",
        );
        let Kind::Object(object) = field.kind else { panic!("an object") };
        assert_eq!(object.schema.extra, Extra::Forbid);
        assert_eq!(object.schema.paths(), [vec!["b".to_owned()], vec!["x".to_owned(), "y".to_owned()]]);
        let Kind::List(list) = &object.schema.fields[0].kind else { panic!("a list") };
        assert_eq!((list.min_items, list.max_items, list.items.nullable), (Some(1), None, true));
        assert!(matches!(list.items.kind, Kind::Int(_)));
        // What the record says of members that no field asks for holds below it too.
        let text = small_with(
            "record",
            "extra = \"forbid\"\n[record.fields.o]\ntype = \"object\"\nfields.x = \"int\"",
        );
        let fields = config(&text).record.schema.fields;
        let object = fields.iter().find(|field| field.name == "o").expect("a field");
        assert!(matches!(&object.kind, Kind::Object(object) if object.schema.extra == Extra::Forbid));
    }
}
