//! The plain reader of logfmt: a regular expression finds one pair after the other.

use bumpalo::Bump;
use regex::Regex;

use super::super::escape;

/// The members of a line, as the tests of the fast reader tell them, or the code of the fault.
pub(super) fn read(line: &[u8]) -> String {
    let Ok(mut rest) = std::str::from_utf8(line) else { return "invalid_utf8".to_owned() };
    let pair = r#"(?s)^[ \t]*([^ \t="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^ \t"]*)))?(?:[ \t]+|$)"#;
    let pair = Regex::new(pair).expect("a pattern");
    let (mut field, mut members, mut has_value) = ("none".to_owned(), Vec::new(), false);
    rest = rest.trim_start_matches([' ', '\t']);
    while !rest.is_empty() {
        let Some(found) = pair.captures(rest) else { return "no_match".to_owned() };
        rest = &rest[found[0].len()..];
        let arena = Bump::new();
        let quoted = found.get(2).map(|value| escape::undo(value.as_str(), &arena));
        let value = quoted.or(found.get(3).map(|value| value.as_str()));
        let value = value.map_or(String::new(), |value| format!("={value}"));
        has_value |= !value.is_empty();
        if &found[1] == "a" {
            field.clone_from(&value);
        }
        members.push(format!("{}{value}", &found[1]));
    }
    match has_value {
        true => format!("{field}: {}", members.join("|")),
        false => "no_match".to_owned(),
    }
}
