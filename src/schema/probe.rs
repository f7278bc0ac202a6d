//! A helper for the tests of this folder: what a field makes of a JSON value.

use bumpalo::Bump;

use super::read::{Context, read};
use super::{Field, Nul, Value};
use crate::format::{JsonScratch, Raw, Record, parse_json};
use crate::reject::{Faults, Path};

/// The value as JSON, or the faults as `field: code`, one after the other.
pub(super) fn given(field: &Field, json: &str) -> String {
    given_with(field, json, Nul::Reject)
}

/// The same with another rule for NULs.
pub(super) fn given_with(field: &Field, json: &str, nul: Nul) -> String {
    let (arena, mut scratch) = (Bump::new(), JsonScratch::default());
    let (mut record, mut faults) = (Record::default(), Faults::default());
    parse_json(json.as_bytes(), &arena, &mut scratch, &mut record).expect("JSON");
    if field.nullable && record.root().raw() == Raw::Null {
        return "null".to_owned();
    }
    let mut context = Context::new(&arena, &mut faults, nul);
    // No reader produces this value.
    let unread = Value::Json(b"unread");
    let mut value = unread;
    read(field, record.root(), &Path::Record, &mut context, &mut value);
    assert_eq!(faults.is_empty(), value != unread, "neither a value nor a fault, or both, for {json}");
    if faults.is_empty() {
        let mut out = Vec::new();
        field.kind.write_json(value, &mut out).expect("written to memory");
        return String::from_utf8(out).expect("UTF-8");
    }
    let faults = faults.iter().map(|(code, field)| match field {
        "" => code.to_string(),
        field => format!("{field}: {code}"),
    });
    faults.collect::<Vec<_>>().join(", ")
}

/// Checks, for each of many values written as JSON, what the field makes of it.
pub(super) fn check(field: &Field, cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        assert_eq!(given(field, json), *expected, "of {json}");
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}
