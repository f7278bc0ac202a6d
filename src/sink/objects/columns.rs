//! Rows as columns of Parquet: which types they have, and the values of a row in the order of its columns.
//!
//! A worker writes values out as the file wants them; what encodes a column only puts them together.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{Type, TypePtr};

use super::encode::DatedRows;
use crate::reject::{Code, Faults, Path, code};
use crate::schema::{Kind, Row, Time, Value, Zone};
use crate::sink::Constant;
use crate::sink::Key;
use crate::sink::destination::Settings;
use crate::sink::key::{Origin, columns_of};
use crate::work::{Encoder, Place};

/// The columns of a job.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    pub(super) schema: TypePtr,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    kind: Kind,
    pub(super) physical: Physical,
    pub(super) origin: From,
}

/// Where a value comes from.
#[derive(Debug)]
pub(super) enum From {
    /// A field, by number, and which value of a row it is.
    Field {
        index: usize,
        stands: usize,
    },
    /// The same in every row, as it is encoded.
    Constant(Vec<u8>),
    /// Added when the object is written.
    SourceId,
    SourceOffset,
}

/// A value that is not there, and one that is.
pub(super) const NULL: u8 = 0;
pub(super) const VALUE: u8 = 1;

/// How many bytes the length of a text has, which stands before it.
pub(super) const LENGTH: usize = 4;

/// How many bytes a UUID and a large decimal have.
pub(super) const FIXED: usize = 16;

impl Columns {
    pub(super) fn new(settings: &Settings, constants: &[Constant]) -> Result<Columns, String> {
        let (mut columns, mut stands) = (Vec::new(), 0..);
        let mut field = |index| From::Field { index, stands: stands.next().expect("it has no end") };
        for (name, origin) in columns_of(&settings.schema, constants, &settings.key) {
            let (kind, origin) = match origin {
                Origin::Field(index) => {
                    let kind = settings.schema.fields[index].kind.column().into_owned();
                    (kind, field(index))
                }
                Origin::Extra(index) => (Kind::Json(Default::default()), field(index)),
                Origin::Constant(index) => {
                    let constant = &constants[index];
                    (constant.kind.clone(), From::Constant(encoded(constant)?))
                }
                Origin::SourceId if settings.key == Key::Position => {
                    (Kind::Text(Default::default()), From::SourceId)
                }
                Origin::SourceOffset if settings.key == Key::Position => {
                    (Kind::Int(Default::default()), From::SourceOffset)
                }
                Origin::SourceId | Origin::SourceOffset | Origin::RecordHash => continue,
            };
            columns.push(Column { physical: types(&kind).0, name, kind, origin });
        }
        let fields = columns.iter().map(|column| column.field().map(Arc::new)).collect::<Result<_, _>>()?;
        let schema = Type::group_type_builder("row").with_fields(fields).build();
        Ok(Columns { columns, schema: Arc::new(schema.map_err(|error| error.to_string())?) })
    }
}

impl Column {
    /// Its definition in the file.
    fn field(&self) -> Result<Type, String> {
        let (physical, logical) = types(&self.kind);
        let is_ours = matches!(self.origin, From::SourceId | From::SourceOffset);
        let repetition = if is_ours { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let mut builder = Type::primitive_type_builder(&self.name, physical)
            .with_repetition(repetition)
            .with_logical_type(logical.clone());
        if physical == Physical::FIXED_LEN_BYTE_ARRAY {
            builder = builder.with_length(i32::try_from(FIXED).expect("a small number"));
        }
        if let Some(LogicalType::Decimal(decimal)) = logical {
            builder = builder.with_precision(decimal.precision).with_scale(decimal.scale);
        }
        builder.build().map_err(|error| format!("column {} cannot be one of Parquet: {error}", self.name))
    }

    /// Whether its value stands in each row, as a worker has written it.
    pub(super) fn is_of_row(&self) -> bool {
        matches!(self.origin, From::Field { .. })
    }

    /// Whether its values grow from row to row, as nearly all stamps of a log do.
    pub(super) fn grows(&self) -> bool {
        matches!(
            (&self.origin, &self.kind),
            (From::SourceOffset, _) | (From::Field { .. }, Kind::Timestamp(_))
        )
    }

    /// How many bytes its value has in a row that begins with it.
    pub(super) fn size(&self, row: &[u8]) -> usize {
        if row[0] == NULL {
            return 1;
        }
        1 + match self.physical {
            Physical::BOOLEAN => 1,
            Physical::INT32 => 4,
            Physical::FIXED_LEN_BYTE_ARRAY => FIXED,
            Physical::BYTE_ARRAY => {
                let length = row[1..].first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
                LENGTH + length as usize
            }
            _ => 8,
        }
    }

    /// Takes the value of the column, with what stands before it, off the front of a row.
    pub(super) fn split<'r>(&self, row: &mut &'r [u8]) -> &'r [u8] {
        let length = if row.is_empty() { 0 } else { self.size(row).min(row.len()) };
        let (value, rest) = row.split_at(length);
        *row = rest;
        value
    }

    /// Whether it has a value in every row.
    pub(super) fn is_required(&self) -> bool {
        matches!(self.origin, From::SourceId | From::SourceOffset)
    }
}

/// The types of a kind: how it is stored, and what it means.
fn types(kind: &Kind) -> (Physical, Option<LogicalType>) {
    match kind {
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Int(_) => (Physical::INT64, Some(LogicalType::integer(64, true))),
        Kind::Float(_) => (Physical::DOUBLE, None),
        Kind::Timestamp(rules) => {
            let is_instant = rules.zone != Zone::Naive;
            (Physical::INT64, Some(LogicalType::timestamp(is_instant, TimeUnit::MICROS)))
        }
        Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
        Kind::Time => (Physical::INT64, Some(LogicalType::time(false, TimeUnit::MICROS))),
        Kind::Uuid { .. } => (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)),
        Kind::Decimal(_) => match scaled(kind) {
            Some((digits, places)) => {
                let physical = if digits <= 18 { Physical::INT64 } else { Physical::FIXED_LEN_BYTE_ARRAY };
                (physical, Some(LogicalType::decimal(places, digits)))
            }
            None => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        },
        Kind::Json(_) | Kind::Object(_) | Kind::List(_) | Kind::Union(_) | Kind::Again(_) => {
            (Physical::BYTE_ARRAY, Some(LogicalType::Json))
        }
        Kind::Text(_) | Kind::Ip { .. } | Kind::Enum(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    }
}

/// Digits and places of a decimal whose rules bound both: it is a number then, and else a text.
fn scaled(kind: &Kind) -> Option<(i32, i32)> {
    let Kind::Decimal(rules) = kind else { return None };
    let (digits, places) = (rules.max_digits?, rules.decimal_places?);
    ((1..=38).contains(&digits) && places <= digits).then_some((digits as i32, places as i32))
}

/// A constant as its column takes it.
fn encoded(constant: &Constant) -> Result<Vec<u8>, String> {
    let (value, arena, mut out) = (constant.read(&constant.kind)?, bumpalo::Bump::new(), Vec::new());
    if let Some(value) = &value {
        put(&constant.kind, value.value(&arena), &mut out).map_err(|(_, why)| why.to_owned())?;
    }
    Ok(out)
}

/// Writes rows as values, one after the other.
#[derive(Debug)]
pub(super) struct ColumnEncoder {
    pub(super) columns: Arc<Columns>,
    pub(super) time: Option<Time>,
}

impl Encoder for ColumnEncoder {
    type Rows = DatedRows;

    fn encode(&self, row: &Row<'_>, _: Place<'_>, out: &mut DatedRows, faults: &mut Faults) -> bool {
        out.begin(self.time.as_ref(), row);
        let before = faults.len();
        for column in &self.columns.columns {
            let written = match &column.origin {
                From::Field { index, .. } => put(&column.kind, row.values()[*index], &mut out.bytes),
                From::Constant(_) | From::SourceId | From::SourceOffset => Ok(()),
            };
            if let Err((code, why)) = written {
                let path = Path::Field(&Path::Record, &column.name);
                faults.push(code, &path, format_args!("{why} (column {})", column.name), None);
            }
        }
        faults.len() == before
    }
}

fn put(kind: &Kind, value: Value<'_>, out: &mut Vec<u8>) -> Result<(), (Code, &'static str)> {
    if let Value::Null = value {
        out.push(NULL);
        return Ok(());
    }
    out.push(VALUE);
    match value {
        Value::Null => {}
        Value::Bool(value) => out.push(u8::from(value)),
        Value::Int(value) | Value::Timestamp(value) | Value::Time(value) => {
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::BigInt(_) => return Err((code::NOT_STORABLE, "a number out of the range of 64 bits")),
        Value::Float(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::Date(value) => out.extend_from_slice(&value.to_le_bytes()),
        Value::Uuid(value) => out.extend_from_slice(&value),
        Value::Decimal(digits) => match scaled(kind) {
            None => put_bytes(digits.as_bytes(), out),
            Some((precision, places)) => {
                let Some(unscaled) = unscaled(digits, places) else {
                    return Err((code::NOT_STORABLE, "a decimal of more digits than its column has"));
                };
                match i64::try_from(unscaled) {
                    Ok(narrow) if precision <= 18 => out.extend_from_slice(&narrow.to_le_bytes()),
                    _ => out.extend_from_slice(&unscaled.to_be_bytes()),
                }
            }
        },
        Value::Text(text) => put_bytes(text.as_bytes(), out),
        Value::Json(json) => put_bytes(json, out),
        Value::List(_) => put_written(out, |out| kind.write_json(value, out)),
        Value::Ip(address) => {
            put_written(out, |out| std::io::Write::write_fmt(out, format_args!("{address}")))
        }
    }
    Ok(())
}

/// The digits of a decimal without its point, with so many behind it.
fn unscaled(digits: &str, places: i32) -> Option<i128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = usize::try_from(places).ok()?.checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
}

fn put_written(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    write(out).expect("a vector takes everything");
    let written = length(out.len() - start - LENGTH);
    out[start..start + LENGTH].copy_from_slice(&written);
}

fn length(bytes: usize) -> [u8; LENGTH] {
    u32::try_from(bytes).expect("a value is shorter than 4 GiB").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_a_decimal_lose_their_point() {
        for (digits, places, expected) in [
            ("1.5", 2, Some(150)),
            ("-0.05", 2, Some(-5)),
            ("12", 0, Some(12)),
            ("0", 4, Some(0)),
            ("-12.3400", 4, Some(-123_400)),
            ("1.234", 2, None),
        ] {
            assert_eq!(unscaled(digits, places), expected, "{digits}");
        }
    }
}
