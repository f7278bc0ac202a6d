//! Readers: one value of a record to one typed value, by the rules of its field.
//!
//! Each reader gives the value or notes one fault, never both. The rules are those of
//! Pydantic in JSON mode; where we differ on purpose, the manual has a row for it.

use bumpalo::Bump;

use super::{Field, Kind, Value, Zone};
use crate::format::{Item, Raw};
use crate::reject::{Code, Faults, Path, code};

/// What a reader may use besides the value.
pub(super) struct Context<'a, 'f> {
    /// Memory that lives as long as the record.
    pub(super) arena: &'a Bump,
    /// Where faults go.
    pub(super) faults: &'f mut Faults,
}

/// Reads `item` as `field` asks. `None` if it cannot be; the fault is then noted.
pub(super) fn read<'a>(
    field: &'a Field,
    item: Item<'a>,
    path: &Path<'_>,
    context: &mut Context<'a, '_>,
) -> Option<Value<'a>> {
    let _ = context.arena;
    let result: Result<Value<'a>, (Code, &'static str)> = match (&field.kind, item.raw()) {
        (Kind::Text(rules), Raw::Text(text)) => {
            if rules.min_length.is_some_and(|min| text.chars().count() < min) {
                Err((code::STRING_TOO_SHORT, "too short"))
            } else if memchr::memchr(0, text.as_bytes()).is_some() {
                Err((code::NUL, "a NUL character, which no column can hold"))
            } else {
                Ok(Value::Text(text))
            }
        }
        (Kind::Text(_), _) => Err((code::STRING_TYPE, "not text")),
        (Kind::Enum(values), Raw::Text(text)) if values.iter().any(|value| value == text) => {
            Ok(Value::Text(text))
        }
        (Kind::Enum(_), _) => Err((code::ENUM, "none of the allowed values")),
        (Kind::Int(bounds), Raw::Int(number)) => {
            if bounds.ge.is_some_and(|ge| number < ge) {
                Err((code::GREATER_THAN_EQUAL, "too small"))
            } else if bounds.le.is_some_and(|le| number > le) {
                Err((code::LESS_THAN_EQUAL, "too great"))
            } else {
                Ok(Value::Int(number))
            }
        }
        (Kind::Int(_), Raw::Text(text)) => match text.trim().parse() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => Err((code::INT_PARSING, "not an integer")),
        },
        (Kind::Int(_), _) => Err((code::INT_TYPE, "not an integer")),
        (Kind::Float(_), Raw::Float(number)) => Ok(Value::Float(number)),
        (Kind::Float(_), Raw::Int(number)) => Ok(Value::Float(number as f64)),
        (Kind::Float(_), _) => Err((code::FLOAT_TYPE, "not a number")),
        (Kind::Bool, Raw::Bool(value)) => Ok(Value::Bool(value)),
        (Kind::Bool, _) => Err((code::BOOL_TYPE, "not a truth value")),
        (Kind::Timestamp(rules), Raw::Text(text)) => {
            debug_assert!(rules.zone != Zone::Naive, "not yet");
            match chrono::DateTime::parse_from_rfc3339(text) {
                Ok(stamp) => Ok(Value::Timestamp(stamp.timestamp_micros())),
                Err(_) => Err((code::DATETIME_FROM_DATE_PARSING, "not a timestamp")),
            }
        }
        (Kind::Timestamp(_), _) => Err((code::DATETIME_TYPE, "not a timestamp")),
        (Kind::Date, Raw::Text(text)) => match text.parse::<chrono::NaiveDate>() {
            Ok(date) => Ok(Value::Date(date.to_epoch_days())),
            Err(_) => Err((code::DATE_FROM_DATETIME_PARSING, "not a date")),
        },
        (Kind::Date, _) => Err((code::DATE_TYPE, "not a date")),
        (Kind::Uuid, Raw::Text(text)) => match uuid::Uuid::try_parse(text) {
            Ok(uuid) => Ok(Value::Uuid(*uuid.as_bytes())),
            Err(_) => Err((code::UUID_PARSING, "not a UUID")),
        },
        (Kind::Uuid, _) => Err((code::UUID_TYPE, "not a UUID")),
        (Kind::Json(_), _) => match item.find_unstorable() {
            None => Ok(Value::Json(item.json())),
            Some(_) => Err((code::NOT_STORABLE, "a value that a JSON column cannot hold")),
        },
        _ => Err((code::NOT_STORABLE, "not yet")),
    };
    match result {
        Ok(value) => Some(value),
        Err((code, message)) => {
            context.faults.push(code, path, message, Some(&item));
            None
        }
    }
}
