//! A sink that keeps nothing: records are judged at full speed, and only the verdicts remain.
//!
//! It ends the same pipeline as a database does, so a check parses, binds and counts as a load would, in the
//! same order. It does not know what a *column* can hold; only a destination does.
//!
//! When verdicts are wanted, the workers write values out as JSON; the writer prepends the place and keeps
//! them in order. Otherwise only the first rows are written out, as a sample for a person.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::reject::{Faults, write_json_string};
use crate::schema::{Extra, Kind, Row, Schema, Value};
use crate::sink::key::EXTRA;
use crate::sink::{Answer, Asked, Batch, Committed, Counts, Ending, OpenLetters, Sink, Task};
use crate::work::{self, Encoder, Place, Recipe, Work};

/// Validates records and stores nothing.
pub struct Judge {
    encoder: Arc<JudgeEncoder>,
    verdicts: Option<Verdicts>,
    /// The names of the sources as JSON, indexed by id from 1 on.
    names: Vec<String>,
    sample: Vec<String>,
    rejected: u64,
}

/// The output for verdicts.
pub struct Verdicts {
    pub path: PathBuf,
    pub out: Box<dyn Write + Send>,
}

/// The number of rows in a sample.
const SAMPLE_ROWS: usize = 10;

/// The rows of a sample begin within this many bytes of a file: workers cannot know which rows are the first,
/// only which may be.
const SAMPLE_BYTES: u64 = 256 << 10;

/// A text or JSON value of a sample is cut after this many bytes: it is only there to be looked at.
const SAMPLE_VALUE_BYTES: usize = 1 << 10;

impl Judge {
    /// A check against `schema`.
    pub fn new(schema: Arc<Schema>, verdicts: Option<Verdicts>) -> Judge {
        let encoder = JudgeEncoder {
            columns: columns(&schema),
            writes_all: verdicts.is_some(),
            has_sample: AtomicBool::new(false),
        };
        Judge { encoder: Arc::new(encoder), verdicts, names: Vec::new(), sample: Vec::new(), rejected: 0 }
    }

    /// The first valid rows, each as a JSON object of its values.
    pub fn sample(&self) -> &[String] {
        &self.sample
    }

    /// Takes rows into the sample until it is full.
    fn take_sample(&mut self, batch: &Batch) {
        for row in 0..batch.rows() {
            let json = batch.row(row);
            // Without verdicts, later rows have no bytes.
            if json.is_empty() {
                return;
            }
            self.sample.push(String::from_utf8_lossy(json).into_owned());
            if self.sample.len() == SAMPLE_ROWS {
                self.encoder.has_sample.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
}

impl Verdicts {
    fn write(&mut self, batch: &Batch, names: &[String]) -> Result<()> {
        write_verdicts(&mut self.out, batch, names).map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: io::Error) -> Error {
        match cause.kind() {
            // The reader of the output has seen enough.
            io::ErrorKind::BrokenPipe => ErrorKind::Stopped(libc::SIGPIPE).into(),
            _ => Error::file("write verdicts to", &self.path, cause),
        }
    }
}

/// Writes one line per record, in file order.
fn write_verdicts(out: &mut dyn Write, batch: &Batch, names: &[String]) -> io::Result<()> {
    let mut row = 0;
    for (number, parcel) in batch.parcels.iter().enumerate() {
        let name = &names[usize::try_from(parcel.split.source).expect("ids begin with 1") - 1];
        let mut rejects = parcel.rejects.iter().peekable();
        let last = row + parcel.rows.len();
        loop {
            let place = (row < last).then(|| batch.place(row));
            let reject =
                rejects.next_if(|reject| place.is_none_or(|place| reject.span.start < place.span.start));
            match (reject, place) {
                (Some(reject), _) => {
                    let line = parcel.first_line + u64::from(reject.line) + 1;
                    write!(
                        out,
                        "{{\"source\":{name},\"line\":{line},\"offset\":{},\"valid\":false,\"reasons\":",
                        reject.span.start
                    )?;
                    out.write_all(parcel.rejects.reasons(reject).as_bytes())?;
                }
                (None, Some(place)) => {
                    debug_assert_eq!(place.parcel, number);
                    let line = parcel.first_line + u64::from(place.line) + 1;
                    write!(
                        out,
                        "{{\"source\":{name},\"line\":{line},\"offset\":{},\"valid\":true,\"values\":",
                        place.span.start
                    )?;
                    out.write_all(batch.row(row))?;
                    row += 1;
                }
                (None, None) => break,
            }
            out.write_all(b"}\n")?;
        }
    }
    Ok(())
}

impl Sink for Judge {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        work::with(recipe, Arc::clone(&self.encoder))
    }

    /// Every file is new, because nothing is stored.
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        let first = i32::try_from(self.names.len()).expect("fewer files than ids") + 1;
        let mut result = Vec::with_capacity(asked.files.len());
        for (source_id, file) in (first..).zip(&asked.files) {
            let mut name = String::new();
            write_json_string(&mut name, file.path.to_str().unwrap_or(&file.name));
            self.names.push(name);
            result.push(Answer::Load { source_id, tasks: vec![Task::whole(source_id)] });
        }
        Ok(result)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        batch.still_holds()?;
        if self.sample.len() < SAMPLE_ROWS {
            self.take_sample(batch);
        }
        if let Some(verdicts) = &mut self.verdicts {
            verdicts.write(batch, &self.names)?;
        }
        let counts: Vec<Counts> = batch
            .advances
            .iter()
            .map(|advance| {
                let counts = advance.counts;
                self.rejected += u64::try_from(counts.rejected).unwrap_or(0);
                Counts { inserted: counts.records - counts.rejected, ..counts }
            })
            .collect();
        let complete = batch.advances.iter().filter(|advance| advance.completes);
        let completed = complete.map(|advance| advance.split.source).collect();
        Ok(Committed { counts, refused: Vec::new(), completed })
    }

    /// How many records would be dead letters.
    fn open_dead_letters(&mut self, _: &[i32]) -> Result<OpenLetters> {
        Ok(OpenLetters { selected: self.rejected, job: self.rejected })
    }

    fn finish(&mut self, _: &Ending<'_>) -> Result<()> {
        match &mut self.verdicts {
            Some(verdicts) => verdicts.out.flush().map_err(|cause| verdicts.failed(cause)),
            None => Ok(()),
        }
    }
}

/// Writes rows as JSON objects, if anyone will see them.
#[derive(Debug)]
pub struct JudgeEncoder {
    columns: Vec<Column>,
    writes_all: bool,
    /// The sample has enough rows.
    has_sample: AtomicBool,
}

#[derive(Debug)]
struct Column {
    /// The name as JSON, with its separators: `,"name":`.
    name: String,
    kind: Kind,
}

fn columns(schema: &Schema) -> Vec<Column> {
    let mut columns: Vec<(&str, Kind)> =
        schema.fields.iter().map(|field| (field.name.as_str(), field.kind.clone())).collect();
    if schema.extra == Extra::Keep {
        columns.push((EXTRA, Kind::Json(Default::default())));
    }
    let columns = columns.into_iter().enumerate().map(|(index, (name, kind))| {
        let mut json = if index == 0 { "{".to_owned() } else { ",".to_owned() };
        write_json_string(&mut json, name);
        json.push(':');
        Column { name: json, kind }
    });
    columns.collect()
}

impl Encoder for JudgeEncoder {
    type Rows = Vec<u8>;

    fn encode(&self, row: &Row<'_>, place: Place<'_>, out: &mut Vec<u8>, _: &mut Faults) -> bool {
        let is_seen =
            self.writes_all || place.offset < SAMPLE_BYTES && !self.has_sample.load(Ordering::Relaxed);
        if is_seen {
            for (column, &value) in self.columns.iter().zip(row.values()) {
                out.extend_from_slice(column.name.as_bytes());
                let written = match value {
                    Value::Text(text) if !self.writes_all && text.len() > SAMPLE_VALUE_BYTES => {
                        write_beginning(text.as_bytes(), out)
                    }
                    Value::Json(json) if !self.writes_all && json.len() > SAMPLE_VALUE_BYTES => {
                        write_beginning(json, out)
                    }
                    value => write_value(&column.kind, value, out),
                };
                written.expect("a vector takes everything");
            }
            out.extend_from_slice(if self.columns.is_empty() { b"{}" } else { b"}" });
        }
        true
    }
}

/// The beginning of a long value, as a JSON string.
fn write_beginning(value: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let beginning = String::from_utf8_lossy(&value[..SAMPLE_VALUE_BYTES]);
    let mut json = String::new();
    // The last character may have been cut in two.
    write_json_string(&mut json, &format!("{}…", beginning.trim_end_matches(char::REPLACEMENT_CHARACTER)));
    out.write_all(json.as_bytes())
}

/// Writes a value as verdicts show it: as JSON, and as text where a JSON reader would damage it.
pub(super) fn write_value(kind: &Kind, value: Value<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match value {
        Value::BigInt(digits) => write!(out, "\"{digits}\""),
        Value::Float(number) if number.is_nan() => out.write_all(b"\"NaN\""),
        Value::Float(f64::INFINITY) => out.write_all(b"\"Infinity\""),
        Value::Float(f64::NEG_INFINITY) => out.write_all(b"\"-Infinity\""),
        Value::List(items) => {
            let kind = match kind {
                Kind::List(rules) => &rules.items.kind,
                kind => kind,
            };
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(kind, *item, out)?;
            }
            out.push(b']');
            Ok(())
        }
        // One line is one verdict. In JSON a line end is white space, never part of a string.
        Value::Json(json) if memchr::memchr2(b'\n', b'\r', json).is_some() => {
            out.extend(json.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
            Ok(())
        }
        value => kind.write_json(value, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Bounds, Field};
    use crate::schema::{List, Timestamp};

    fn written(kind: &Kind, value: Value<'_>) -> String {
        let mut out = Vec::new();
        write_value(kind, value, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_sample_shows_how_a_long_value_begins() {
        let beginning = |value: &str| {
            let mut out = Vec::new();
            write_beginning(value.as_bytes(), &mut out).expect("a vector takes everything");
            serde_json::from_slice::<String>(&out).expect("a JSON string")
        };
        assert_eq!(beginning(&"\"".repeat(2000)), "\"".repeat(SAMPLE_VALUE_BYTES) + "…");
        assert_eq!(beginning(&"€".repeat(1000)), "€".repeat(SAMPLE_VALUE_BYTES / 3) + "…");
    }

    #[test]
    fn values_are_written_so_that_no_reader_spoils_them() {
        let float = Kind::Float(Default::default());
        let list = Kind::List(Box::new(List::of(Field::new("", float.clone()))));
        let int = Kind::Int(Bounds::default());
        for (kind, value, expected) in [
            (&int, Value::Int(-7), "-7"),
            (&int, Value::BigInt("18446744073709551616"), "\"18446744073709551616\""),
            (&float, Value::Float(0.25), "0.25"),
            (&float, Value::Float(f64::NAN), "\"NaN\""),
            (&float, Value::Float(f64::NEG_INFINITY), "\"-Infinity\""),
            (
                &list,
                Value::List(&[Value::Float(1.0), Value::Float(f64::INFINITY), Value::Null]),
                "[1.0,\"Infinity\",null]",
            ),
            (&Kind::Timestamp(Timestamp::default()), Value::Timestamp(1), "\"1970-01-01T00:00:00.000001Z\""),
            (&Kind::Decimal(Default::default()), Value::Decimal("1.50"), "\"1.50\""),
            (&Kind::Json(Default::default()), Value::Json(b"{\n\"a\": 1}"), "{ \"a\": 1}"),
            (&Kind::Text(Default::default()), Value::Text("a\n\"b\""), r#""a\n\"b\"""#),
            (&Kind::Bool, Value::Null, "null"),
        ] {
            assert_eq!(written(kind, value), expected);
        }
    }
}
