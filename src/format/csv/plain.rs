//! The plain reader of CSV: one character after the other, like Python's `csv`. It finds records and
//! values together, and so checks the framing too.

use super::super::super::source::is_blank;
use super::Dialect;

/// The records after the header, as `name=value|name=value`, or the code of the fault.
pub(super) fn read(dialect: &Dialect, text: &[u8]) -> Vec<String> {
    let mut header: Option<Vec<Vec<u8>>> = None;
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (raw, values, is_open) = record(dialect, &mut rest);
        if is_blank(raw) {
            continue;
        }
        let fault = match () {
            () if std::str::from_utf8(raw).is_err() => Some("invalid_utf8"),
            () if is_open => Some("no_match"),
            () if header.as_ref().is_some_and(|names| names.len() != values.len()) => Some("column_count"),
            () => None,
        };
        match (fault, &header) {
            (Some(fault), _) => found.push(fault.to_owned()),
            (None, None) => header = Some(apart(&values)),
            (None, Some(names)) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("looked at");
                let pairs = names.iter().zip(&values);
                let pairs: Vec<_> =
                    pairs.map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
                found.push(pairs.join("|"));
            }
        }
    }
    found
}

/// Makes names unique: a repeated name gets the next number that gives an unused name.
fn apart(names: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for name in names {
        let numbered = (2..).map(|number| [name, format!("_{number}").as_bytes()].concat());
        let mut choices = [name.clone()].into_iter().chain(numbered);
        let is_first = !found.contains(name);
        let free = choices.find(|choice| !found.contains(choice) && (is_first || !names.contains(choice)));
        found.extend(free);
    }
    found
}

/// The next record: its bytes without the line end, its values, and whether a quote is open.
fn record<'t>(dialect: &Dialect, rest: &mut &'t [u8]) -> (&'t [u8], Vec<Vec<u8>>, bool) {
    #[derive(PartialEq)]
    enum State {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let (mut state, mut values, mut value) = (State::Start, Vec::new(), Vec::new());
    let mut at = 0;
    let end = loop {
        let Some(&byte) = rest.get(at) else { break at };
        at += 1;
        if dialect.escape == Some(byte) && state != State::Closed {
            // A line end at the very end does not belong to the record, escaped or not.
            if rest.get(at..) != Some(b"\n") {
                value.extend(rest.get(at));
            }
            at += 1;
            state = if state == State::Quoted { State::Quoted } else { State::Plain };
        } else if state == State::Quoted {
            if dialect.quote == Some(byte) {
                state = State::Closed;
            } else {
                value.push(byte);
            }
        } else if state == State::Start && dialect.quote == Some(byte) {
            state = State::Quoted;
        } else if state == State::Closed && dialect.quote == Some(byte) {
            value.push(byte);
            state = State::Quoted;
        } else if byte == b'\n' {
            break at - 1;
        } else if byte == dialect.delimiter {
            values.push(std::mem::take(&mut value));
            state = State::Start;
        } else {
            value.push(byte);
            state = State::Plain;
        }
    };
    let end = end.min(rest.len());
    let raw = &rest[..end];
    *rest = &rest[at.min(rest.len())..];
    let raw_end = raw.strip_suffix(b"\r").unwrap_or(raw);
    if raw_end.len() < raw.len() && state != State::Quoted && state != State::Closed {
        value.pop();
    }
    values.push(value);
    (raw_end, values, state == State::Quoted)
}
