//! Rows for objects, made in the workers: which day a row is of, and what stands in it.
//!
//! What a worker cannot know is added when the object is written: the name of the source, which the
//! ledger gives, and where the record stands, which the bounds of the rows say anyway.

use std::io::Write as _;

use chrono::{Datelike as _, NaiveDate};

use super::layout::DayPart;
use crate::reject::{Faults, write_json_string};
use crate::schema::{Days, Kind, Row, Time};
use crate::sink::Constant;
use crate::sink::destination::Settings;
use crate::sink::judge::write_value;
use crate::sink::key::{Origin, columns_of};
use crate::work::{Encoder, Gather, Gathered, Place};

/// A row, and where its record stands.
pub(super) type Placed<'r> = (&'r [u8], u64);

/// Rows in pieces of so many rows, or of so many bytes, but for the last row of each. Where one ends follows from the
/// rows alone.
pub(super) fn pieces<'p, 'r>(
    rows: &'p [Placed<'r>],
    rows_max: usize,
    bytes_max: usize,
) -> Vec<&'p [Placed<'r>]> {
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, (row, _)) in rows.iter().enumerate() {
        bytes += row.len();
        let end = at + 1;
        if end - start == rows_max || bytes >= bytes_max || end == rows.len() {
            pieces.push(&rows[start..end]);
            (start, bytes) = (end, 0);
        }
    }
    pieces
}

/// The rows of a chunk: each begins with its day.
#[derive(Debug, Default)]
pub(super) struct DatedRows {
    pub(super) bytes: Vec<u8>,
    /// Those that were met in this chunk.
    days: Days,
}

/// How a row without a day begins.
pub(super) const NO_DAY: i32 = i32::MIN;

impl Gather for DatedRows {
    #[inline]
    fn end(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    fn cut(&mut self, end: usize) {
        self.bytes.truncate(end);
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    fn out_of(gathered: Gathered) -> Option<DatedRows> {
        Vec::out_of(gathered).map(|bytes| DatedRows { bytes, days: Days::default() })
    }

    fn into_gathered(self) -> Gathered {
        Gathered::Bytes(self.bytes)
    }
}

impl DatedRows {
    /// Begins a row.
    #[inline]
    pub(super) fn begin(&mut self, time: Option<&Time>, row: &Row<'_>) {
        let day = time.and_then(|time| self.days.day_of(time, row.values()[time.field]));
        let day = day.map_or(NO_DAY, |day| day.num_days_from_ce());
        self.bytes.extend_from_slice(&day.to_le_bytes());
    }
}

/// A row, taken apart: its day, where its time is known at all, and the rest of it.
pub(super) fn apart(row: &[u8]) -> (DayPart, &[u8]) {
    let (day, rest) = row.split_first_chunk().expect("a row begins with its day");
    let day = NaiveDate::from_num_days_from_ce_opt(i32::from_le_bytes(*day));
    (day.map_or(DayPart::Null, DayPart::Day), rest)
}

/// Writes rows as JSON objects, which are closed when they are written.
#[derive(Debug)]
pub(super) struct JsonEncoder {
    columns: Vec<Column>,
    time: Option<Time>,
}

#[derive(Debug)]
struct Column {
    /// What stands before the value: `,"name":`.
    before: Vec<u8>,
    value: Written,
}

#[derive(Debug)]
enum Written {
    /// The value of a field, by number.
    Field(usize, Box<Kind>),
    /// The same in every row.
    Constant(Vec<u8>),
}

impl JsonEncoder {
    /// An encoder for a job, with the constants of a run.
    pub(super) fn new(
        settings: &Settings,
        constants: &[Constant],
        time: Option<Time>,
    ) -> Result<JsonEncoder, String> {
        let mut columns: Vec<Column> = Vec::new();
        for (name, origin) in columns_of(&settings.schema, constants, &settings.key) {
            let value = match origin {
                Origin::Field(index) => {
                    Written::Field(index, Box::new(settings.schema.fields[index].kind.clone()))
                }
                Origin::Extra(index) => Written::Field(index, Box::new(Kind::Json(Default::default()))),
                Origin::Constant(index) => Written::Constant(constant(&constants[index])?),
                // Added when the object is written.
                Origin::SourceId | Origin::SourceOffset | Origin::RecordHash => continue,
            };
            let mut before = if columns.is_empty() { "{".to_owned() } else { ",".to_owned() };
            write_json_string(&mut before, &name);
            before.push(':');
            columns.push(Column { before: before.into_bytes(), value });
        }
        Ok(JsonEncoder { columns, time })
    }
}

/// A constant as JSON.
fn constant(constant: &Constant) -> Result<Vec<u8>, String> {
    let mut json = Vec::new();
    let (value, arena) = (constant.read(&constant.kind)?, bumpalo::Bump::new());
    if let Some(value) = &value {
        write_value(&constant.kind, value.value(&arena), &mut json).expect("a vector takes everything");
    }
    Ok(json)
}

impl Encoder for JsonEncoder {
    type Rows = DatedRows;

    fn encode(&self, row: &Row<'_>, _: Place<'_>, out: &mut DatedRows, _: &mut Faults) -> bool {
        out.begin(self.time.as_ref(), row);
        for column in &self.columns {
            out.bytes.extend_from_slice(&column.before);
            match &column.value {
                Written::Field(index, kind) => {
                    write_value(kind, row.values()[*index], &mut out.bytes)
                        .expect("a vector takes everything");
                }
                Written::Constant(json) => out.bytes.extend_from_slice(json),
            }
        }
        true
    }
}

/// Closes a row, with its place if that is a part of it.
pub(super) fn close(row: &[u8], place: Option<(&str, u64)>, out: &mut Vec<u8>) {
    if row.is_empty() {
        out.push(b'{');
    }
    out.extend_from_slice(row);
    if let Some((source, offset)) = place {
        let comma = if row.is_empty() { "" } else { "," };
        write!(out, "{comma}\"source_id\":\"{source}\",\"source_offset\":{offset}")
            .expect("a vector takes everything");
    }
    out.extend_from_slice(b"}\n");
}
