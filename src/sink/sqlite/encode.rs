//! Rows for SQLite: a tag and a payload for each value, encoded in the workers.
//!
//! SQLite has no wire format, so this one is logmill's own. It holds just enough for the writer to bind
//! values without looking at types, and texts (times, UUIDs, lists) are written by the workers, of which
//! there are many.

use std::io::Write as _;

use crate::reject::{Code, Faults, Path, code};
use crate::schema::{Kind, Row, Value};
use crate::sink::key::{Origin, record_hash};
use crate::work::{Encoder, Place};

#[derive(Clone, Debug)]
pub(super) struct SqliteEncoder {
    columns: Vec<Column>,
    /// The job's contribution to the hash of a record.
    hash_key: Option<[u8; 32]>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) origin: Origin,
    /// The kind of its values, unless logmill writes them.
    pub(super) kind: Option<Kind>,
    pub(super) not_null: bool,
    /// The content of a constant column, as it is bound.
    pub(super) constant: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound<'a> {
    Null,
    Int(i64),
    Float(f64),
    Text(&'a [u8]),
}

pub(super) const NULL: u8 = 0;
pub(super) const INT: u8 = 1;
pub(super) const FLOAT: u8 = 2;
pub(super) const TEXT: u8 = 3;

impl SqliteEncoder {
    pub(super) fn new(columns: Vec<Column>, hash_key: Option<[u8; 32]>) -> SqliteEncoder {
        SqliteEncoder { columns, hash_key }
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }
}

impl Encoder for SqliteEncoder {
    type Rows = Vec<u8>;

    fn encode(&self, row: &Row<'_>, place: Place<'_>, out: &mut Vec<u8>, faults: &mut Faults) -> bool {
        let before = faults.len();
        for column in &self.columns {
            let result = match column.origin {
                Origin::Field(index) => {
                    let kind = column.kind.as_ref().expect("a field has a kind");
                    put(kind, row.values()[index], column.not_null, out)
                }
                Origin::Extra(index) => match row.values()[index] {
                    Value::Json(json) => {
                        put_text(out, json);
                        Ok(())
                    }
                    _ => {
                        out.push(NULL);
                        Ok(())
                    }
                },
                Origin::Constant(_) => {
                    out.extend_from_slice(&column.constant);
                    Ok(())
                }
                Origin::SourceId => {
                    put_int(out, i64::from(place.source_id));
                    Ok(())
                }
                Origin::SourceOffset => {
                    put_int(out, i64::try_from(place.offset).expect("a file is shorter than 8 EiB"));
                    Ok(())
                }
                Origin::RecordHash => {
                    let hash = record_hash(place.raw, row, self.hash_key.as_ref());
                    put_written(out, |out| write!(out, "{}", uuid::Uuid::from_bytes(hash)));
                    Ok(())
                }
            };
            if let Err((code, why)) = result {
                let path = Path::Field(&Path::Record, &column.name);
                faults.push(code, &path, format_args!("{why} (column {})", column.name), None);
            }
        }
        faults.len() == before
    }
}

pub(super) fn put(
    kind: &Kind,
    value: Value<'_>,
    not_null: bool,
    out: &mut Vec<u8>,
) -> Result<(), (Code, &'static str)> {
    match value {
        Value::Null if not_null => {
            return Err((code::NOT_STORABLE, "null, where there must be a value"));
        }
        Value::Null => out.push(NULL),
        Value::Bool(value) => put_int(out, i64::from(value)),
        Value::Int(value) => put_int(out, value),
        Value::BigInt(_) => return Err((code::NOT_STORABLE, "a number out of the range of 64 bits")),
        // SQLite silently stores NaN as null.
        Value::Float(value) if value.is_nan() => {
            return Err((code::NOT_STORABLE, "NaN, which SQLite cannot hold"));
        }
        Value::Float(value) => {
            out.push(FLOAT);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Text(text) => {
            if memchr::memchr(0, text.as_bytes()).is_some() {
                return Err((code::NUL, "a NUL character, at which SQLite's own functions end a text"));
            }
            put_text(out, text.as_bytes());
        }
        Value::Json(json) => put_text(out, json),
        Value::Decimal(digits) => put_text(out, digits.as_bytes()),
        Value::List(_) => put_written(out, |out| kind.write_json(value, out)),
        // As in JSON, without the quotes.
        Value::Timestamp(_) | Value::Date(_) | Value::Time(_) | Value::Uuid(_) | Value::Ip(_) => {
            put_written(out, |out| {
                let start = out.len();
                kind.write_json(value, out)?;
                out.pop();
                out.remove(start);
                Ok(())
            });
        }
    }
    Ok(())
}

fn put_int(out: &mut Vec<u8>, value: i64) {
    out.push(INT);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(TEXT);
    out.extend_from_slice(&length(text.len()));
    out.extend_from_slice(text);
}

fn put_written(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
    out.push(TEXT);
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out).expect("a vector takes everything");
    let written = length(out.len() - start - 4);
    out[start..start + 4].copy_from_slice(&written);
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("a value is shorter than 4 GiB").to_le_bytes()
}

/// The values of an encoded row.
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = Bound<'a>;

    #[inline]
    fn next(&mut self) -> Option<Bound<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (bound, rest) = match tag {
            NULL => (Bound::Null, rest),
            TEXT => {
                let (length, rest) = rest.split_first_chunk().expect("a text has a length");
                let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
                (Bound::Text(text), rest)
            }
            tag => {
                let (bytes, rest) = rest.split_first_chunk().expect("a number has eight bytes");
                let bound = match tag {
                    INT => Bound::Int(i64::from_le_bytes(*bytes)),
                    _ => Bound::Float(f64::from_le_bytes(*bytes)),
                };
                (bound, rest)
            }
        };
        self.0 = rest;
        Some(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_bound() {
        let mut out = Vec::new();
        put_int(&mut out, -5);
        put_text(&mut out, b"text");
        out.push(NULL);
        put(&Kind::Float(Default::default()), Value::Float(0.5), true, &mut out).expect("fits");
        put(&Kind::Date, Value::Date(19_657), true, &mut out).expect("fits");
        put(&Kind::Timestamp(Default::default()), Value::Timestamp(1), true, &mut out).expect("fits");
        put(&Kind::Bool, Value::Bool(true), true, &mut out).expect("fits");
        let bound: Vec<_> = Values(&out).collect();
        assert_eq!(
            bound,
            [
                Bound::Int(-5),
                Bound::Text(b"text"),
                Bound::Null,
                Bound::Float(0.5),
                Bound::Text(b"2023-10-27"),
                Bound::Text(b"1970-01-01T00:00:00.000001Z"),
                Bound::Int(1),
            ]
        );
    }

    #[test]
    fn what_sqlite_would_turn_into_something_else_is_refused() {
        let refused = |value| put(&Kind::Bool, value, true, &mut Vec::new()).expect_err("refused").0;
        assert_eq!(refused(Value::Float(f64::NAN)), code::NOT_STORABLE);
        assert_eq!(refused(Value::BigInt("18446744073709551616")), code::NOT_STORABLE);
        assert_eq!(refused(Value::Text("a\0b")), code::NUL);
        assert_eq!(refused(Value::Null), code::NOT_STORABLE);
        assert!(put(&Kind::Bool, Value::Float(f64::INFINITY), true, &mut Vec::new()).is_ok());
    }
}
