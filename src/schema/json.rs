//! Values as JSON: how an object is stored, and how a list is where the column is JSON.
//!
//! As Pydantic's `model_dump(mode="json")` would write them: decimals, UUIDs, dates and
//! addresses as text, integers of any size as numbers. Points in time are in UTC with six
//! digits and `Z`, whatever zone they were read in.

use std::io::{self, Write};

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};

use super::{Kind, Value, Zone};
use crate::format::write_text;

impl Kind {
    /// Writes a value of this kind as JSON. Doubles that are not finite, which JSON does not
    /// have, are written as null.
    pub fn write_json(&self, value: Value<'_>, out: &mut impl Write) -> io::Result<()> {
        match value {
            Value::Null => out.write_all(b"null"),
            Value::Bool(true) => out.write_all(b"true"),
            Value::Bool(false) => out.write_all(b"false"),
            Value::Int(number) => write!(out, "{number}"),
            Value::BigInt(digits) => out.write_all(digits.as_bytes()),
            Value::Float(number) if !number.is_finite() => out.write_all(b"null"),
            // The shortest digits that give this double, with an exponent where they are many.
            Value::Float(number) => write!(out, "{number:?}"),
            Value::Text(text) => write_text(out, text),
            Value::Timestamp(micros) => {
                let zone = match self {
                    Kind::Timestamp(rules) if rules.zone == Zone::Naive => "",
                    _ => "Z",
                };
                write_timestamp(out, micros, zone)
            }
            Value::Date(days) => write_date(out, days),
            Value::Time(micros) => {
                let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
                let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                write!(out, "\"{hour:02}:{minute:02}:{second:02}.{micros:06}\"")
            }
            Value::Uuid(bytes) => write!(out, "\"{}\"", uuid::Uuid::from_bytes(bytes)),
            Value::Decimal(digits) => write!(out, "\"{digits}\""),
            Value::Json(json) => out.write_all(json),
            Value::Ip(address) => write!(out, "\"{address}\""),
            Value::List(items) => {
                let kind = match self {
                    Kind::List(rules) => &rules.items.kind,
                    _ => self,
                };
                out.write_all(b"[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.write_all(b",")?;
                    }
                    kind.write_json(*item, out)?;
                }
                out.write_all(b"]")
            }
        }
    }
}

/// Writes one member of an object that has been opened, with the comma before it.
pub(super) fn write_member<'a>(
    out: &mut bumpalo::collections::Vec<'a, u8>,
    key: &str,
    value: impl FnOnce(&mut bumpalo::collections::Vec<'a, u8>) -> io::Result<()>,
) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    // A vector takes everything that is written to it.
    let _ = write_text(out, key);
    out.push(b':');
    let _ = value(out);
}

fn write_timestamp(out: &mut impl Write, micros: i64, zone: &str) -> io::Result<()> {
    let stamp = DateTime::from_timestamp_micros(micros).expect("within the years of a timestamp").naive_utc();
    let (date, time) = (stamp.date(), stamp.time());
    out.write_all(b"\"")?;
    write_day(out, date)?;
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    write!(out, "T{hour:02}:{minute:02}:{second:02}.{:06}{zone}\"", time.nanosecond() / 1000)
}

fn write_date(out: &mut impl Write, days: i32) -> io::Result<()> {
    out.write_all(b"\"")?;
    write_day(out, NaiveDate::from_epoch_days(days).expect("within the years of a date"))?;
    out.write_all(b"\"")
}

fn write_day(out: &mut impl Write, date: NaiveDate) -> io::Result<()> {
    write!(out, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}
