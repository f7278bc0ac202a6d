//! The plain reader of Zeek's logs: the whole text, line by line, with maps and copies.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Each line except directives as JSON, or the code of its fault.
pub(super) fn read(text: &[u8]) -> Vec<String> {
    let mut said: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(|byte| b" \t\r".contains(byte)) {
            continue;
        }
        let is_directive = line[0] == b'#';
        match std::str::from_utf8(line) {
            Err(_) if is_directive => {}
            Err(_) => found.push("invalid_utf8".to_owned()),
            Ok(line) if is_directive => {
                let name_end =
                    line[1..].find(|ch: char| ch.is_ascii() && !ch.is_ascii_alphanumeric() && ch != '_');
                // A letter beyond ASCII ends a name too.
                let other = line[1..].find(|ch: char| !ch.is_ascii());
                if let Some(end) = name_end.into_iter().chain(other).min() {
                    if &line[1..=end] == "separator" {
                        said.clear();
                    }
                    said.insert(&line[1..=end], &line[1 + end..]);
                }
            }
            Ok(line) => found.push(record(line, &said)),
        }
    }
    found
}

fn record(line: &str, said: &BTreeMap<&str, &str>) -> String {
    let separator = said.get("separator").map(|text| unescape(text.strip_prefix(' ').unwrap_or(text)));
    let separator = separator.filter(|text| !text.is_empty()).unwrap_or("\t".to_owned());
    let value_of = |name: &str| {
        let rest = said.get(name)?;
        Some(rest.strip_prefix(&*separator).unwrap_or(rest).to_owned())
    };
    let Some(fields) = value_of("fields") else { return "no_match".to_owned() };
    let names: Vec<&str> = fields.split(&*separator).collect();
    let types = value_of("types").unwrap_or_default();
    let types: Vec<&str> = types.split(&*separator).collect();
    let set_separator = value_of("set_separator").filter(|text| !text.is_empty());
    let set_separator = set_separator.map_or(",".to_owned(), |text| unescape(&text));
    let empty = value_of("empty_field").unwrap_or("(empty)".to_owned());
    let unset = value_of("unset_field").unwrap_or("-".to_owned());
    let values: Vec<&str> = line.split(&*separator).collect();
    if names.len() != values.len() {
        return "column_count".to_owned();
    }
    let members = names.iter().zip(values).enumerate().map(|(place, (name, text))| {
        let kind = types.get(place).unwrap_or(&"");
        let item = |text: &str| if text == unset { Value::Null } else { unescape(text).into() };
        let value = match text {
            _ if text == unset => Value::Null,
            _ if kind.starts_with("set[") || kind.starts_with("vector[") => match text == empty {
                true => Value::Array(Vec::new()),
                false => text.split(&*set_separator).map(item).collect(),
            },
            _ if text == empty => "".into(),
            _ => unescape(text).into(),
        };
        ((*name).to_owned(), value)
    });
    // Equal names would be one member of a map; the text has both.
    let members: Vec<String> = members
        .map(|member| Value::Object(Map::from_iter([member])).to_string())
        .map(|object| object[1..object.len() - 1].to_owned())
        .collect();
    format!("{{{}}}", members.join(","))
}

fn unescape(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some(ch) = rest.chars().next() {
        let code = rest.strip_prefix("\\x").and_then(|digits| digits.get(..2));
        let code = code.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &rest[4..];
        } else if rest.starts_with("\\\\") {
            bytes.push(b'\\');
            rest = &rest[2..];
        } else {
            bytes.extend(ch.to_string().bytes());
            rest = &rest[ch.len_utf8()..];
        }
    }
    String::from_utf8(bytes).unwrap_or(text.to_owned())
}
