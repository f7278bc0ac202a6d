//! The plain reader of syslog: regular expressions for the shapes that the RFCs and the wild
//! have.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

/// The members of a line, as the tests of the fast reader tell them, or the code of the fault.
pub(super) fn read(line: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(line) else { return "invalid_utf8".to_owned() };
    let Some(members) = members(text) else { return "no_match".to_owned() };
    members.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("|")
}

type Members = Vec<(&'static str, Value)>;

fn members(text: &str) -> Option<Members> {
    if regex(r"^[0-9]+ <[0-9]").is_match(text) {
        return None;
    }
    let mut found: Members = Vec::new();
    if !text.starts_with('<') {
        return rfc3164(text, false, found);
    }
    let priority = regex(r"(?s)^<(0|[1-9][0-9]{0,2})>(.*)$").captures(text)?;
    let number: u16 = priority[1].parse().ok().filter(|number| *number < 192)?;
    let rest = priority.get(2)?.as_str();
    found.push(("priority", priority[1].into()));
    found.push(("facility", (number / 8).to_string().into()));
    found.push(("severity", (number % 8).to_string().into()));
    match regex(r"^[1-9][0-9]{0,2} (?:- |[0-9]{4}-)").is_match(rest) {
        true => rfc5424(rest, found),
        false => rfc3164(rest, true, found),
    }
}

fn rfc5424(text: &str, mut found: Members) -> Option<Members> {
    let shape = r#"(?s)^([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) (-|(?:\[NAME(?: NAME="(?:[^"\\]|\\.)*")*\])+)(?: (.*))?$"#;
    let name = r#"[!#-<>-\\^-~]+"#;
    let whole = regex(&shape.replace("NAME", name)).captures(text)?;
    let names = ["version", "timestamp", "hostname", "appname", "procid", "msgid"];
    for (group, name) in names.into_iter().enumerate() {
        found.push((name, nil(&whole[group + 1])));
    }
    found.push(("structured_data", structured(&whole[7], name)));
    if let Some(message) = whole.get(8) {
        let message = message.as_str();
        found.push(("message", message.strip_prefix('\u{feff}').unwrap_or(message).into()));
    }
    Some(found)
}

fn nil(word: &str) -> Value {
    if word == "-" { Value::Null } else { word.into() }
}

fn structured(text: &str, name: &str) -> Value {
    if text == "-" {
        return Value::Null;
    }
    let piece = regex(&format!(r#"(?s)\[({name})| ({name})="((?:[^"\\]|\\.)*)""#));
    let mut elements: BTreeMap<String, BTreeMap<String, Vec<Value>>> = BTreeMap::new();
    let mut id = String::new();
    for found in piece.captures_iter(text) {
        if let Some(start) = found.get(1) {
            start.as_str().clone_into(&mut id);
            elements.entry(id.clone()).or_default();
        } else {
            let value = regex(r#"\\(["\\\]])"#).replace_all(&found[3], "$1").into_owned();
            let parameters = elements.entry(id.clone()).or_default();
            parameters.entry(found[2].to_owned()).or_default().push(value.into());
        }
    }
    let value = |values: Vec<Value>| match <[Value; 1]>::try_from(values) {
        Ok([value]) => value,
        Err(values) => Value::Array(values),
    };
    let parameters = |parameters: BTreeMap<String, Vec<Value>>| {
        Value::Object(parameters.into_iter().map(|(name, values)| (name, value(values))).collect())
    };
    Value::Object(elements.into_iter().map(|(id, found)| (id, parameters(found))).collect::<Map<_, _>>())
}

fn rfc3164(text: &str, has_priority: bool, mut found: Members) -> Option<Members> {
    let old = regex(
        r"(?s)^((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (?:[0-9][0-9]?| [0-9]) (?:[0-9]{4} )?[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?(?: (?:19|20)[0-9]{2})??)(|[ :].*)$",
    );
    let iso = regex(
        r"(?s)^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[0-9A-Za-z.,+:-]*[0-9A-Za-z.,+-])?)(| .*|:+(?:[^0-9A-Za-z.,+:-].*)?)$",
    );
    let (mut rest, mut may_have_host) = (text, false);
    match old.captures(text).or(iso.captures(text)) {
        Some(shape) => {
            found.push(("timestamp", shape[1].into()));
            let behind = shape.get(2)?.as_str();
            may_have_host = !behind.starts_with(':');
            rest = match behind.strip_prefix(':') {
                Some(behind) => behind.strip_prefix(' ').unwrap_or(behind),
                None => behind.trim_start_matches(' '),
            };
        }
        None if !has_priority => return None,
        None => {}
    }
    let host = regex(r"(?s)^([^ ]*) (.*)$");
    let is_tag = regex(r"^(?:[^ ]*[^ :]:|:|\]|[^\[ ][^ ]*\])$");
    let is_name = regex(r"^-$|[\p{Alphabetic}\p{N}]");
    let is_host = |word: &str| !is_tag.is_match(word) && is_name.is_match(word);
    if let Some(shape) = host.captures(rest).filter(|shape| may_have_host && is_host(&shape[1])) {
        found.push(("hostname", nil(&shape[1])));
        rest = shape.get(2)?.as_str();
    }
    let plain_tag = regex(r"(?s)^((?:[^ :\[]|::)+):(?: (.*)|([^: ].*)|)$");
    let tag_with_id = regex(r"(?s)^((?:[^ :\[]|::)+(?:\[[^ ]*?)??)\[([^ \[\]]*)\](?:: ?(.*)|( .*)|)$");
    if let Some(shape) = plain_tag.captures(rest) {
        found.push(("appname", shape[1].into()));
        let message = shape.get(2).or(shape.get(3)).map_or("", |message| message.as_str());
        found.push(("message", message.into()));
    } else if let Some(shape) = tag_with_id.captures(rest) {
        found.push(("appname", shape[1].into()));
        found.push(("procid", shape[2].into()));
        // One blank is left out, be it behind a colon or behind the tag itself.
        let message = shape.get(3).map(|message| message.as_str());
        let bare = shape.get(4).map_or("", |message| &message.as_str()[1..]);
        found.push(("message", message.unwrap_or(bare).into()));
    } else {
        found.push(("message", rest.into()));
    }
    Some(found)
}
