//! Values as JSON: how an object is stored, and a list in a JSON column.
//!
//! The output is that of Pydantic's `model_dump(mode="json")`: decimals, UUIDs, dates and addresses as text,
//! integers of any size as numbers. Points in time are in UTC with six digits and `Z`, whatever zone they
//! were read in.

use std::io::{self, Write};

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};

use super::{Kind, Value, Zone};
use crate::format::write_text;

impl Kind {
    /// Writes a value of this kind as JSON. Non-finite doubles, which JSON does not have, become null.
    pub fn write_json(&self, value: Value<'_>, out: &mut impl Write) -> io::Result<()> {
        match value {
            Value::Null => out.write_all(b"null"),
            Value::Bool(true) => out.write_all(b"true"),
            Value::Bool(false) => out.write_all(b"false"),
            Value::Int(number) => write!(out, "{number}"),
            Value::BigInt(digits) => out.write_all(digits.as_bytes()),
            Value::Float(number) if !number.is_finite() => out.write_all(b"null"),
            // The shortest digits that produce this double, with an exponent if they are many.
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
    // Writing to a vector cannot fail.
    let _ = write_text(out, key);
    out.push(b':');
    let _ = value(out);
}

fn write_timestamp(out: &mut impl Write, micros: i64, zone: &str) -> io::Result<()> {
    let stamp = DateTime::from_timestamp_micros(micros).expect("within the years of a timestamp").naive_utc();
    let (date, time) = (stamp.date(), stamp.time());
    let mut text = *b"\"0000-00-00T00:00:00.000000";
    put_day(&mut text[1..11], date);
    put_digits(&mut text[12..14], time.hour());
    put_digits(&mut text[15..17], time.minute());
    put_digits(&mut text[18..20], time.second());
    put_digits(&mut text[21..27], time.nanosecond() / 1000);
    out.write_all(&text)?;
    out.write_all(zone.as_bytes())?;
    out.write_all(b"\"")
}

fn write_date(out: &mut impl Write, days: i32) -> io::Result<()> {
    let mut text = *b"\"0000-00-00\"";
    put_day(&mut text[1..11], NaiveDate::from_epoch_days(days).expect("within the years of a date"));
    out.write_all(&text)
}

/// Writes a day over `0000-00-00`.
fn put_day(text: &mut [u8], date: NaiveDate) {
    put_digits(&mut text[..4], date.year().unsigned_abs());
    put_digits(&mut text[5..7], date.month());
    put_digits(&mut text[8..10], date.day());
}

/// Writes a number over zeros. Formatting a timestamp took longer than reading it.
fn put_digits(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_and_days_are_written_as_chrono_formats_them() {
        let last_day = NaiveDate::from_ymd_opt(9999, 12, 31).expect("a day");
        let micros = [-62_135_596_800_000_000, -1, 0, 1, 951_782_399_999_999, 253_402_300_799_999_999];
        for micros in micros {
            let mut written = Vec::new();
            write_timestamp(&mut written, micros, "Z").expect("a vector takes everything");
            let stamp = DateTime::from_timestamp_micros(micros).expect("a stamp");
            assert_eq!(written, stamp.format("\"%Y-%m-%dT%H:%M:%S%.6fZ\"").to_string().into_bytes());
        }
        for days in [-719_162, 0, 11_016, last_day.to_epoch_days()] {
            let mut written = Vec::new();
            write_date(&mut written, days).expect("a vector takes everything");
            let day = NaiveDate::from_epoch_days(days).expect("a day");
            assert_eq!(written, day.format("\"%Y-%m-%d\"").to_string().into_bytes());
        }
    }
}
