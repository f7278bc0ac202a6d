//! The plain reader of the logs of AWS: line by line, character by character, into lists.

use super::layouts::{Entry, Layout, is_vpc_field};

/// Each line as JSON, or the code of its fault.
pub(super) fn read(layout: &Layout, text: &[u8]) -> Vec<String> {
    let mut header: Option<Vec<String>> = None;
    let mut found = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(|byte| b" \t\r".contains(byte)) {
            continue;
        }
        match std::str::from_utf8(line) {
            Err(_) => found.push("invalid_utf8".to_owned()),
            Ok(line) if layout.has_header && line.split(' ').all(is_vpc_field) => {
                header = Some(line.split(' ').map(|name| name.replace('-', "_")).collect());
            }
            Ok(line) => found.push(match &header {
                Some(names) => named(names, line),
                None => known(layout, line),
            }),
        }
    }
    found
}

fn named(names: &[String], line: &str) -> String {
    match values(line, &[]) {
        None => "no_match".to_owned(),
        Some(values) if values.len() != names.len() => "column_count".to_owned(),
        Some(values) => json(names.iter().cloned().zip(values).collect()),
    }
}

fn known(layout: &Layout, line: &str) -> String {
    let stamps: Vec<usize> = (0..layout.entries.len())
        .filter(|&place| matches!(layout.entries[place], Entry::Bracketed(..)))
        .collect();
    // Unknown values are not checked.
    let looked_at = if layout.has_header { layout.entries.len() + 1 } else { layout.entries.len() };
    let mut rest: Vec<char> = line.chars().collect();
    let mut found = Vec::new();
    while found.len() < looked_at {
        let is_more = found.len() == layout.entries.len();
        if is_more {
            found.push(String::new());
            break;
        }
        let is_stamp = stamps.contains(&found.len());
        if is_stamp && rest.first() != Some(&'[') {
            // An unclosed quote is the same fault.
            return "no_match".to_owned();
        }
        let Some((value, behind)) = value(&rest, is_stamp) else { return "no_match".to_owned() };
        found.push(value);
        match behind {
            Some(behind) => rest = rest[behind..].to_vec(),
            None => break,
        }
    }
    if found.len() < layout.entries_min || found.len() > layout.entries.len() {
        return "column_count".to_owned();
    }
    let mut members = Vec::new();
    for (entry, value) in layout.entries.iter().zip(found) {
        match entry {
            Entry::Value(name, _) | Entry::Bracketed(name, _) => members.push(((*name).to_owned(), value)),
            Entry::Address(address, port) => {
                let colon = value.rfind(':');
                let pair = colon.map_or((&*value, "-"), |colon| (&value[..colon], &value[colon + 1..]));
                members.push(((*address).to_owned(), pair.0.to_owned()));
                members.push(((*port).to_owned(), pair.1.to_owned()));
            }
            Entry::Request(names) => {
                let (first, last) = (value.find(' '), value.rfind(' '));
                let parts = match (first, last) {
                    (Some(first), Some(last)) if first < last => {
                        [&value[..first], &value[first + 1..last], &value[last + 1..]]
                    }
                    _ => ["-"; 3],
                };
                members.push((names[0].to_owned(), value.clone()));
                members
                    .extend(names[1..].iter().map(|name| (*name).to_owned()).zip(parts.map(str::to_owned)));
            }
        }
    }
    json(members)
}

fn values(line: &str, stamps: &[usize]) -> Option<Vec<String>> {
    let mut rest: Vec<char> = line.chars().collect();
    let mut found = Vec::new();
    loop {
        let (value, behind) = value(&rest, stamps.contains(&found.len()))?;
        found.push(value);
        match behind {
            Some(behind) => rest = rest[behind..].to_vec(),
            None => return Some(found),
        }
    }
}

/// The first value, and the start of the next one, if there is one.
fn value(chars: &[char], is_stamp: bool) -> Option<(String, Option<usize>)> {
    let closing = match chars.first() {
        Some('"') => '"',
        Some('[') if is_stamp => ']',
        _ => {
            let end = chars.iter().position(|&ch| ch == ' ');
            return Some((chars[..end.unwrap_or(chars.len())].iter().collect(), end.map(|end| end + 1)));
        }
    };
    let end = (1..chars.len())
        .find(|&end| chars[end] == closing && chars.get(end + 1).is_none_or(|&next| next == ' '))?;
    let behind = if end + 1 < chars.len() { Some(end + 2) } else { None };
    Some((chars[1..end].iter().collect(), behind))
}

fn json(members: Vec<(String, String)>) -> String {
    let text = |text: &str| serde_json::to_string(text).expect("a text");
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("{}:{}", text(name), text(value))).collect();
    format!("{{{}}}", members.join(","))
}
