//! Rows for objects, encoded by the workers: the day of each row, and its values.
//!
//! The label of the source and the offset of the record are added later, when the object is written: the ledger assigns
//! the label, and the offsets are known from the bounds of the rows.

use chrono::{Datelike as _, NaiveDate};

use super::layout::DayPart;
use crate::reject::{Faults, write_json_string};
use crate::schema::{Days, Kind, Row, Time};
use crate::sink::Constant;
use crate::sink::destination::Settings;
use crate::sink::judge::write_value;
use crate::sink::key::{Origin, columns_of};
use crate::work::{Encoder, Gather, Gathered, Place};

/// Consecutive rows of one object, with the offsets of their records.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// For each row, its end in `bytes` and the offset of its record in the source.
    pub(super) rows: Vec<(usize, u64)>,
}

impl Piece {
    pub(super) fn push(&mut self, row: &[u8], offset: u64) {
        self.bytes.extend_from_slice(row);
        self.rows.push((self.bytes.len(), offset));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether it has reached this number of rows or of bytes.
    pub(super) fn is_whole(&self, rows_max: usize, bytes_max: usize) -> bool {
        self.rows.len() >= rows_max || self.bytes.len() >= bytes_max
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut start = 0;
        self.rows
            .iter()
            .map(move |&(end, offset)| (&self.bytes[std::mem::replace(&mut start, end)..end], offset))
    }
}

/// The rows of a chunk, each preceded by its day.
#[derive(Debug, Default)]
pub(super) struct DatedRows {
    pub(super) bytes: Vec<u8>,
    /// A cache of the days met in this chunk.
    days: Days,
}

/// The day of a row that has none.
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

/// Splits a row into its day and its values.
pub(super) fn apart(row: &[u8]) -> (DayPart, &[u8]) {
    let (day, rest) = row.split_first_chunk().expect("a row begins with its day");
    let day = NaiveDate::from_num_days_from_ce_opt(i32::from_le_bytes(*day));
    (day.map_or(DayPart::Null, DayPart::Day), rest)
}

/// Writes rows as JSON objects without the closing brace, which follows the place of the record.
#[derive(Debug)]
pub(super) struct JsonEncoder {
    columns: Vec<Column>,
    time: Option<Time>,
}

#[derive(Debug)]
struct Column {
    /// The text before the value: `,"name":`.
    before: Vec<u8>,
    value: Written,
}

#[derive(Debug)]
enum Written {
    /// A field, by its number.
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

/// The text between a row and the offset of its record, in jobs that write places.
pub(super) fn before_offset(source: &str) -> Vec<u8> {
    format!(",\"source_id\":\"{source}\",\"source_offset\":").into_bytes()
}

/// Completes a row, with its place if the job writes places.
pub(super) fn close(row: &[u8], place: Option<(&[u8], u64)>, out: &mut Vec<u8>) {
    if row.is_empty() {
        out.push(b'{');
    }
    out.extend_from_slice(row);
    if let Some((before, offset)) = place {
        out.extend_from_slice(&before[usize::from(row.is_empty())..]);
        put_number(offset, out);
    }
    out.extend_from_slice(b"}\n");
}

/// Writes a number in decimal. The standard formatter would take a quarter of the time of a row.
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let (mut digits, mut start) = ([0; 20], 20);
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_closed_with_its_place_or_without() {
        let before = before_offset("ab12n0");
        let closed = |row: &[u8], place: Option<u64>| {
            let mut out = Vec::new();
            close(row, place.map(|offset| (&before[..], offset)), &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(closed(b"{\"a\":1", Some(0)), "{\"a\":1,\"source_id\":\"ab12n0\",\"source_offset\":0}\n");
        let largest = format!("{{\"source_id\":\"ab12n0\",\"source_offset\":{}}}\n", u64::MAX);
        assert_eq!(closed(b"", Some(u64::MAX)), largest);
        assert_eq!(closed(b"{\"a\":1", None), "{\"a\":1}\n");
        assert_eq!(closed(b"", None), "{}\n");
    }

    #[test]
    fn a_piece_is_whole_with_so_many_rows_or_bytes() {
        let mut piece = Piece::default();
        assert!(piece.is_empty());
        piece.push(b"abc", 7);
        piece.push(b"", 11);
        assert!(!piece.is_whole(3, 4));
        assert!(piece.is_whole(2, 4) && piece.is_whole(3, 3));
        assert_eq!(piece.iter().collect::<Vec<_>>(), [(&b"abc"[..], 7), (b"", 11)]);
    }
}
