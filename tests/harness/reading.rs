//! Reads files record by record with serde_json and chrono.
//!
//! This is the independent implementation that the program is compared with: slow, obvious, and sharing no
//! line of code.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::field::Field;

/// The values of a record's fields.
pub(crate) type Values = Map<String, Value>;

/// A record as written in a file.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) offset: u64,
    /// The number of its first line, counted from one.
    pub(super) line: i64,
    /// The number of its lines.
    pub(super) lines: i64,
    /// Its bytes without the line end.
    pub(super) raw: Vec<u8>,
    /// The values, if the record is valid.
    pub(super) row: Option<Values>,
}

/// A file, read up to a position.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) lines: i64,
    pub(super) blank: i64,
    pub(super) skipped: i64,
    pub(super) records: Vec<Record>,
}

/// How a file writes its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One JSON object per line.
    Lines,
    /// JSON objects, each from a line that begins with a brace up to the next such line.
    Braces,
    /// Comma-separated values after a header.
    Csv,
    /// `key=value` pairs.
    Logfmt,
    /// Space-separated values after directives.
    W3c,
    /// Tab-separated values after directives.
    Zeek,
    /// JSON objects inside the lines of Docker.
    Docker,
    /// JSON objects in an array.
    Json,
}

impl Shape {
    /// The job's lines for this shape.
    pub(super) fn toml(self) -> &'static str {
        match self {
            Shape::Lines => "format = \"ndjson\"",
            Shape::Braces => "format = \"ndjson\"\nrecord_start = \"^[{]\"",
            Shape::Csv => "format = \"csv\"",
            Shape::Logfmt => "format = \"logfmt\"",
            Shape::W3c => "format = \"w3c\"",
            Shape::Zeek => "format = \"zeek\"",
            Shape::Docker => "format = \"docker\"\npayload = \"ndjson\"",
            Shape::Json => "format = \"json\"",
        }
    }

    /// Whether a record, or the text between two records, can end here.
    pub(super) fn may_end(self, before: &[u8]) -> bool {
        before.ends_with(b"\n")
            || self == Shape::Json && before.last().is_some_and(|last| b"}, \r".contains(last))
    }

    /// The first record of `rest`, with its line end.
    pub(crate) fn first(self, rest: &[u8]) -> &[u8] {
        let lines = rest.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::len);
        let length = match self {
            Shape::Lines | Shape::Logfmt | Shape::W3c | Shape::Zeek => lines.take(1).sum(),
            // A message without a line end continues in the next line of its stream.
            Shape::Docker => {
                let (mut end, mut before) = (0, None);
                for line in lines {
                    let next: Option<Value> = serde_json::from_slice(&rest[end..end + line]).ok();
                    let is_cut_off = !rest[end..end + line].ends_with(b"\n");
                    let goes_on = before.as_ref().is_some_and(|before: &Value| {
                        let is_of_it = match &next {
                            Some(next) => before["stream"] == next["stream"],
                            // A torn line is judged once the file grows.
                            None => is_cut_off,
                        };
                        is_of_it && !before["log"].as_str().unwrap().ends_with('\n')
                    });
                    if end > 0 && !goes_on {
                        break;
                    }
                    (end, before) = (end + line, next);
                }
                end
            }
            Shape::Json => panic!("an object is no matter of lines"),
            Shape::Braces => {
                let mut end = 0;
                for line in lines {
                    if end > 0 && rest[end] == b'{' {
                        break;
                    }
                    end += line;
                }
                end
            }
            // In these logs quotes occur only in pairs, and only around values.
            Shape::Csv => {
                let mut end = 0;
                for line in lines {
                    end += line;
                    if rest[..end].iter().filter(|&&byte| byte == b'"').count() % 2 == 0 {
                        break;
                    }
                }
                end
            }
        };
        &rest[..length]
    }
}

/// Reads records as written. `is_all` says that the file ends with `content`.
pub(super) fn read(content: &[u8], is_all: bool, shape: Shape, fields: &[Field]) -> Reading {
    if shape == Shape::Json {
        return read_objects(content, is_all, fields);
    }
    let mut reading = Reading::default();
    let mut offset = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut header = None;
    while offset < content.len() {
        let whole = shape.first(&content[offset..]);
        let text = whole.strip_suffix(b"\n").unwrap_or(whole);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let lines = 1 + text.iter().filter(|&&byte| byte == b'\n').count() as i64;
        let line = reading.lines + 1;
        reading.lines += lines;
        if text.iter().all(|byte| b" \t\r\n".contains(byte)) {
            reading.blank += lines;
        } else if shape == Shape::Csv && header.is_none() {
            header = Some(values(text, ','));
            reading.skipped += lines;
        } else if matches!(shape, Shape::W3c | Shape::Zeek) && text.starts_with(b"#") {
            if let Some(names) = text.strip_prefix(b"#Fields: ") {
                header = Some(values(names, ' '));
            } else if let Some(names) = text.strip_prefix(b"#fields\t") {
                header = Some(values(names, '\t'));
            }
            reading.skipped += lines;
        } else if shape == Shape::Docker && logged(text).is_some_and(|text| text.trim().is_empty()) {
            reading.skipped += lines;
        } else {
            let value = match &header {
                Some(names) => {
                    let delimiter = match shape {
                        Shape::W3c => ' ',
                        Shape::Zeek => '\t',
                        _ => ',',
                    };
                    object(names.as_deref(), text, delimiter)
                }
                None if shape == Shape::Docker => {
                    logged(text).and_then(|text| serde_json::from_str(&text).ok())
                }
                None if shape == Shape::Logfmt => pairs(text),
                None => serde_json::from_slice(text).ok(),
            };
            let row = value.and_then(|value| bind(value, fields));
            reading.records.push(Record { offset: offset as u64, line, lines, raw: text.to_vec(), row });
        }
        offset += whole.len();
    }
    reading
}

/// Joins the Docker lines of one logged line, if all of them are there.
fn logged(record: &[u8]) -> Option<String> {
    let mut text = String::new();
    for line in record.split(|&byte| byte == b'\n') {
        text += serde_json::from_slice::<Value>(line).ok()?["log"].as_str()?;
    }
    text.strip_suffix('\n').map(str::to_owned)
}

/// Reads the objects of a file, separated only by white space, commas and brackets.
fn read_objects(content: &[u8], is_all: bool, fields: &[Field]) -> Reading {
    let mut reading = Reading::default();
    let mut rest = content;
    while !rest.is_empty() {
        let offset = content.len() - rest.len();
        let gap = rest.iter().take_while(|byte| b" \t\r,[]".contains(byte)).count();
        let line = reading.lines + 1;
        if rest.get(gap).is_none_or(|&byte| byte == b'\n') {
            reading.lines += 1;
            match rest[..gap].iter().all(u8::is_ascii_whitespace) {
                true => reading.blank += 1,
                false => reading.skipped += 1,
            }
            rest = rest.get(gap + 1..).unwrap_or_default();
            continue;
        }
        let mut objects = serde_json::Deserializer::from_slice(&rest[gap..]).into_iter::<Value>();
        // A torn object is the last one and takes all that is left.
        let value = objects.next().unwrap().ok();
        let length = if value.is_some() { objects.byte_offset() } else { rest.len() - gap };
        let raw = rest[gap..gap + length].trim_ascii_end().to_vec();
        rest = &rest[gap + length..];
        let behind = rest.iter().take_while(|byte| b" \t\r,[]".contains(byte)).count();
        let ends_line = rest.get(behind).map_or(is_all, |&byte| byte == b'\n');
        rest = rest.get(behind + usize::from(ends_line)..).unwrap_or_default();
        let lines = raw.iter().filter(|&&byte| byte == b'\n').count() as i64 + i64::from(ends_line);
        reading.lines += lines;
        let row = value.and_then(|value| bind(value, fields));
        reading.records.push(Record { offset: (offset + gap) as u64, line, lines, raw, row });
    }
    reading
}

/// Splits a record into values, unless a quote is left open.
fn values(record: &[u8], delimiter: char) -> Option<Vec<String>> {
    let text = std::str::from_utf8(record).ok()?;
    let (mut values, mut is_quoted) = (vec![String::new()], false);
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '"' if is_quoted && chars.next_if_eq(&'"').is_some() => values.last_mut().unwrap().push('"'),
            '"' => is_quoted = !is_quoted,
            ch if ch == delimiter && !is_quoted => values.push(String::new()),
            ch => values.last_mut().unwrap().push(ch),
        }
    }
    (!is_quoted).then_some(values)
}

/// Pairs names with values as an object, if there are as many values as names. Text that looks like a number
/// becomes one.
fn object(names: Option<&[String]>, record: &[u8], delimiter: char) -> Option<Value> {
    let (names, values) = (names?, values(record, delimiter)?);
    let member = |(name, text): (&String, String)| match text.as_str() {
        "-" if delimiter != ',' => (name.clone(), Value::Null),
        _ => (name.clone(), scalar(name, text)),
    };
    (names.len() == values.len()).then(|| Value::Object(names.iter().zip(values).map(member).collect()))
}

/// A value of a text format.
fn scalar(name: &str, text: String) -> Value {
    let is_number = matches!(name, "id" | "ratio");
    let number = is_number.then(|| serde_json::from_str(&text).ok()).flatten();
    number.unwrap_or(Value::String(text))
}

/// The pairs of a logfmt record, whose quoted values are JSON strings. A record without any pair must not
/// have a misplaced quote either.
fn pairs(record: &[u8]) -> Option<Value> {
    let mut rest = std::str::from_utf8(record).ok()?.trim_matches([' ', '\t']);
    let mut members = Map::new();
    while !rest.is_empty() {
        let length = rest.find([' ', '=']).unwrap_or(rest.len());
        let key = &rest[..length];
        rest = &rest[length..];
        let value = match rest.strip_prefix('=') {
            None => Value::Null,
            Some(quoted) if quoted.starts_with('"') => {
                let mut texts = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
                let text = texts.next()?.ok()?;
                rest = &quoted[texts.byte_offset()..];
                scalar(key, text)
            }
            Some(bare) => {
                let length = bare.find(' ').unwrap_or(bare.len());
                rest = &bare[length..];
                scalar(key, bare[..length].to_owned())
            }
        };
        if key.is_empty() || key.contains('"') || !(rest.is_empty() || rest.starts_with(' ')) {
            return None;
        }
        members.insert(key.to_owned(), value);
        rest = rest.trim_start_matches(' ');
    }
    members.values().any(|value| !value.is_null()).then_some(Value::Object(members))
}

/// The values of the fields, if all of them are valid.
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

/// Converts a stored row to the oracle's form: instants as microseconds, float numbers as floats.
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

/// Formats a row as JSON that a server can read, with instants as text.
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
