//! The default of a field: a TOML value, read as if a record had contained it.
//!
//! It is converted to JSON, which a field reads, so that it obeys the same rules as every other value of its
//! field.

use toml::Spanned;
use toml::de::DeValue;

use super::super::reader::Reader;
use super::super::scope::{Scope, Written};
use crate::schema::{Field, Owned};

/// Reads a default as the field would read it from a record, so that it obeys the same rules.
pub(super) fn default(
    reader: &mut Reader<'_>,
    scope: &Scope<'_>,
    field: &Field,
    called: &str,
    value: &Spanned<DeValue<'_>>,
) -> Option<Owned> {
    let mut json = String::new();
    write_json(reader, value, &mut json)?;
    match field.read_default(&json) {
        Ok(default) => Some(default),
        Err(reasons) => {
            // The reasons can quote a rule, and a rule can come from a variable.
            let reasons = match reader.has_variables(scope) {
                true => "one of its rules, or the default, has a variable in it".to_owned(),
                false => reasons,
            };
            reader.find(format!("the default of {called} does not fit: {reasons}"), &value.span());
            None
        }
    }
}

/// Writes a TOML value as JSON. Numbers keep their digits. `None` if one of its variables is not set, which
/// has been reported then.
fn write_json(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, out: &mut String) -> Option<()> {
    let string = |text: &str| serde_json::to_string(text).expect("a text can be written as JSON");
    match value.get_ref() {
        DeValue::String(text) => {
            out.push_str(&string(&reader.expand(&Written { text, place: value.span() })?));
        }
        DeValue::Integer(number) if number.radix() == 10 => {
            out.push_str(number.as_str().trim_start_matches('+'))
        }
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => out.push_str(&number.to_string()),
            Err(_) => {
                reader.find("this number has too many digits to be read", &value.span());
                return None;
            }
        },
        DeValue::Float(number) => out.push_str(match number.as_str().trim_start_matches('+') {
            "inf" => "Infinity",
            "-inf" => "-Infinity",
            "nan" | "-nan" => "NaN",
            digits => digits,
        }),
        DeValue::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
        DeValue::Datetime(stamp) => out.push_str(&string(&stamp.to_string())),
        DeValue::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(reader, item, out)?;
            }
            out.push(']');
        }
        DeValue::Table(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&string(key.get_ref()));
                out.push(':');
                write_json(reader, member, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{complaint, small_with};
    use super::super::tests::field_of;
    use super::*;

    #[test]
    fn a_default_is_read_as_the_field_reads_values() {
        let default = |line: &str| format!("{:?}", field_of(line).default.expect("a default"));
        for (line, expected) in [
            ("a = { type = \"text\", default = \"x\" }", "Text(\"x\")"),
            ("a = { type = \"text\", default = \"$${x}\\n\" }", "Text(\"${x}\\n\")"),
            ("a = { type = \"int\", default = 0xff }", "Plain(Int(255))"),
            ("a = { type = \"int\", default = +1_000 }", "Plain(Int(1000))"),
            ("a = { type = \"float\", default = 1e3 }", "Plain(Float(1000.0))"),
            ("a = { type = \"float\", default = -inf }", "Plain(Float(-inf))"),
            ("a = { type = \"bool\", default = false }", "Plain(Bool(false))"),
            ("a = { type = \"enum\", values = [\"x\"], default = \"x\" }", "Text(\"x\")"),
            ("a = { type = \"timestamp\", default = 1970-01-01T00:00:01Z }", "Plain(Timestamp(1000000))"),
            ("a = { type = \"date\", default = 1970-01-02 }", "Plain(Date(1))"),
        ] {
            assert_eq!(default(line), expected);
        }
        let Some(Owned::Json(json)) =
            field_of("a = { type = \"json\", default = { b = [1, \"ä\"], c = 0.10 } }").default
        else {
            panic!("JSON")
        };
        assert_eq!(String::from_utf8_lossy(&json), r#"{"b":[1,"ä"],"c":0.10}"#);
    }

    #[test]
    fn a_default_that_the_field_would_refuse_is_refused() {
        let line = "a = { type = \"int\", default = \"x\" }";
        let message = complaint(&small_with("record.fields", line));
        assert!(message.starts_with("the default of field 'a' does not fit: "), "{message}");
        assert!(
            message.ends_with(
                "5 | a = { type = \"int\", default = \"x\" }\n  |                               ^^^"
            ),
            "{message}"
        );
        for line in [
            "a = { type = \"text\", min_length = 2, default = \"x\" }",
            "a = { type = \"int\", ge = 1, default = 0 }",
            "a = { type = \"enum\", values = [\"x\"], default = \"y\" }",
        ] {
            let message = complaint(&small_with("record.fields", line));
            assert!(message.starts_with("the default of field 'a' does not fit: "), "{message}");
        }
    }
}
