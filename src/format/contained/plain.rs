//! The plain reader of containers' lines: regular expressions and serde_json, line by line.

use ::regex::bytes::Regex;
use serde_json::{Map, Value};

use super::Runtime;

/// A line in its parts.
struct Line {
    /// The time, the stream and the service, if the line has them.
    of: [Option<String>; 3],
    payload: Payload,
    is_partial: bool,
}

/// The payload, or an invalid escape.
type Payload = Result<Vec<u8>, ()>;

fn line(runtime: Runtime, line: &[u8]) -> Option<Line> {
    let text = |bytes: &[u8]| Some(String::from_utf8(bytes.to_vec()).expect("ASCII"));
    let regex = |pattern: &str| Regex::new(pattern).expect("a pattern");
    match runtime {
        Runtime::Cri => {
            let found = regex(
                r"(?s-u)^([0-9].{3}-..-..T[0-9].:..:..[-0-9:.TZ+]*) (stdout|stderr) ([PF])(?::[^ ]*)?(?: (.*))?$",
            );
            let found = found.captures(line)?;
            let payload = found.get(4).map_or(Vec::new(), |payload| payload.as_bytes().to_vec());
            let of = [text(&found[1]), text(&found[2]), None];
            Some(Line { of, payload: Ok(payload), is_partial: &found[3] == b"P" })
        }
        Runtime::Compose => {
            let found = regex(
                r"(?s-u)^(?:\x1b\[[ -?]*[@-~])*([A-Za-z0-9._-]+)(?:\x1b\[[ -?]*[@-~])*[ ]*(?:\x1b\[[ -?]*[@-~])*\|(?:\x1b\[[ -?]*[@-~])*(?: (?:\x1b\[[ -?]*[@-~])*(.*))?$",
            );
            let found = found.captures(line)?;
            let payload = found.get(2).map_or(Vec::new(), |payload| payload.as_bytes().to_vec());
            Some(Line { of: [None, None, text(&found[1])], payload: Ok(payload), is_partial: false })
        }
        Runtime::Docker => docker(line),
    }
}

/// Whether serde_json refuses it only because of an invalid escape: without its escapes it is valid.
fn docker(line: &[u8]) -> Option<Line> {
    let string = r#""(?:[^"\\]|\\.)*""#;
    let member = format!(
        r#"(?:"log"\s*:\s*{string}|"(?:stream|time)"\s*:\s*"[^"\\]*"|"attrs"\s*:\s*\{{(?:[^"{{}}]|{string})*\}})"#
    );
    let shape =
        Regex::new(&format!(r#"(?s-u)^\s*\{{\s*{member}(?:\s*,\s*{member})*\s*\}}\s*$"#)).expect("a pattern");
    if !shape.is_match(line) {
        return None;
    }
    let last = |name: &str| {
        let member = Regex::new(&format!(r#"(?s-u)"{name}"\s*:\s*"((?:[^"\\]|\\.)*)""#)).expect("a pattern");
        member.captures_iter(line).last().map(|found| found[1].to_vec())
    };
    let log = last("log")?;
    let newline = Regex::new(r"(?s-u)^((?:[^\\]|\\.)*?)(?:\\r)?\\n$").expect("a pattern");
    let (payload, is_partial) = match newline.captures(&log) {
        Some(found) => (found[1].to_vec(), false),
        None => (log, true),
    };
    let of =
        ["stream", "time"].map(|name| last(name).map(|text| String::from_utf8_lossy(&text).into_owned()));
    let [stream, time] = of;
    Some(Line { of: [time, stream, None], payload: undone(&payload), is_partial })
}

/// The text of a JSON string; bytes that are no text stay as they are.
fn undone(text: &[u8]) -> Payload {
    let escape = Regex::new(r"(?s-u)\\u[dD][89abAB].{2}\\u.{4}|\\u.{4}|\\.").expect("a pattern");
    let (mut out, mut end) = (Vec::new(), 0);
    for found in escape.find_iter(text) {
        out.extend_from_slice(&text[end..found.start()]);
        let quoted = [b"\"", found.as_bytes(), b"\""].concat();
        out.extend_from_slice(serde_json::from_slice::<String>(&quoted).map_err(|_| ())?.as_bytes());
        end = found.end();
    }
    out.extend_from_slice(&text[end..]);
    Ok(out)
}

/// Each record as its members in JSON, or its fault.
pub(super) fn read(runtime: Runtime, start: Option<&str>, text: &[u8]) -> Vec<String> {
    let start = start.map(|start| Regex::new(start).expect("a pattern"));
    let mut records: Vec<Vec<Option<Line>>> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let raw = rest[..length].strip_suffix(b"\r").unwrap_or(&rest[..length]);
        rest = &rest[rest.len().min(length + 1)..];
        let next = line(runtime, raw);
        let before = records.last().and_then(|record| record.last()?.as_ref());
        let is_cut_off = rest.is_empty() && !text.ends_with(b"\n");
        let goes_on = match (before, &next) {
            (Some(before), None) => is_cut_off && before.is_partial,
            (Some(before), Some(next)) => {
                let starts = |start: &Regex| next.payload.as_ref().is_ok_and(|text| start.is_match(text));
                let is_within = start.as_ref().is_some_and(|start| !starts(start));
                before.of[1..] == next.of[1..] && (before.is_partial || is_within)
            }
            (None, _) => false,
        };
        if goes_on {
            records.last_mut().expect("there is one before").push(next);
            continue;
        }
        if next.is_none() && raw.iter().all(|byte| b" \t\r".contains(byte)) {
            // A blank line ends the record before it, and is not a record.
            records.push(Vec::new());
        } else {
            records.push(vec![next]);
        }
    }
    records.iter().filter(|record| !record.is_empty()).filter_map(|record| one(record)).collect()
}

/// A record, unless it is empty.
fn one(lines: &[Option<Line>]) -> Option<String> {
    let Some(first) = &lines[0] else { return Some("no_match".to_owned()) };
    let mut message = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(line) = line else { return Some("no_match".to_owned()) };
        let is_last = index + 1 == lines.len();
        // A single partial line is a fault before all others.
        if is_last && lines.len() == 1 && line.is_partial {
            return Some("partial_line".to_owned());
        }
        let Ok(payload) = &line.payload else { return Some("json_invalid".to_owned()) };
        message.extend_from_slice(payload);
        match (is_last, line.is_partial) {
            (true, true) => return Some("partial_line".to_owned()),
            (false, false) => message.push(b'\n'),
            _ => {}
        }
    }
    if message.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let Ok(message) = String::from_utf8(message) else { return Some("invalid_utf8".to_owned()) };
    let mut members = Map::new();
    members.insert("message".to_owned(), Value::String(message));
    for (name, value) in ["container_time", "container_stream", "container_service"].iter().zip(&first.of) {
        members.extend(value.clone().map(|value| ((*name).to_owned(), Value::String(value))));
    }
    // In the order in which they are put there.
    let written: Vec<String> = ["message", "container_time", "container_stream", "container_service"]
        .iter()
        .filter_map(|name| Some(format!("\"{name}\":{}", members.get(*name)?)))
        .collect();
    Some(format!("{{{}}}", written.join(",")))
}
