//! What a file says, read line by line by serde_json and chrono.
//!
//! It is the other implementation that the program is held against: slow, obvious, and
//! without a line in common.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::field::Field;

/// The values of a record's fields.
pub(crate) type Values = Map<String, Value>;

/// A record as it stands in a file.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) offset: u64,
    /// Counted from one.
    pub(super) line: i64,
    /// Without its line end.
    pub(super) raw: Vec<u8>,
    /// The values, if it is valid.
    pub(super) row: Option<Values>,
}

/// A file, read to a position.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) lines: i64,
    pub(super) blank: i64,
    pub(super) records: Vec<Record>,
}

/// Reads records as NDJSON has them.
pub(super) fn read(content: &[u8], fields: &[Field]) -> Reading {
    let mut reading = Reading::default();
    let mut offset = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    for line in content[offset..].split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        reading.lines += 1;
        if text.iter().all(|byte| b" \t\r".contains(byte)) {
            reading.blank += 1;
        } else {
            let row = serde_json::from_slice(text).ok().and_then(|value| bind(value, fields));
            let record = Record { offset: offset as u64, line: reading.lines, raw: text.to_vec(), row };
            reading.records.push(record);
        }
        offset += line.len();
    }
    reading
}

/// The values of the fields, if all of them are what they should be.
fn bind(value: Value, fields: &[Field]) -> Option<Values> {
    let object = value.as_object()?;
    let mut row = Map::new();
    for field in fields {
        let value = match object.get(&field.name) {
            None | Some(Value::Null) if field.is_optional => Value::Null,
            found => bind_value(found?, field)?,
        };
        row.insert(field.name.clone(), value);
    }
    Some(row)
}

fn bind_value(value: &Value, field: &Field) -> Option<Value> {
    let text = || value.as_str().filter(|text| !text.contains('\0'));
    Some(match field.kind.as_str() {
        "int" => value.as_i64()?.into(),
        "float" => value.as_f64()?.into(),
        "bool" => value.as_bool()?.into(),
        "text" => text()?.into(),
        "enum" => text().filter(|text| field.values.iter().any(|value| value == text))?.into(),
        "timestamp" => DateTime::parse_from_rfc3339(text()?).ok()?.timestamp_micros().into(),
        kind => panic!("the oracle does not know the type {kind}"),
    })
}

/// A value of the target as the oracle has it: instants as microseconds, numbers of a float
/// as floats.
pub(super) fn canonical(stored: &Value, fields: &[Field]) -> Values {
    let mut row = stored.as_object().unwrap().clone();
    for field in fields {
        let value = row.get_mut(&field.name).unwrap();
        match (field.kind.as_str(), &value) {
            ("timestamp", Value::String(text)) => {
                *value = DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros().into();
            }
            ("float", Value::Number(number)) => *value = number.as_f64().into(),
            _ => {}
        }
    }
    row
}

/// A row as JSON that a server reads: instants as text again.
pub(super) fn as_written(row: &Values, fields: &[Field]) -> String {
    let mut row = row.clone();
    for field in fields.iter().filter(|field| field.kind == "timestamp") {
        let value = row.get_mut(&field.name).unwrap();
        if let Some(micros) = value.as_i64() {
            *value = DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339().into();
        }
    }
    Value::Object(row).to_string()
}
