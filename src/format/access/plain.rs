//! The plain reader of access logs: it tries every position at which a value could end, and checks each
//! one separately.

use regex::Regex;

use super::log_format::{End, Escape, LogFormat, Piece};
use super::names::Kind;

/// The values of a line, as `name=value|name`, or the code of the fault.
pub(super) fn read(format: &LogFormat, line: &[u8]) -> String {
    let Ok(line) = std::str::from_utf8(line) else { return "invalid_utf8".to_owned() };
    values(format, line).map_or("no_match".to_owned(), |values| values.join("|"))
}

fn values(format: &LogFormat, line: &str) -> Option<Vec<String>> {
    let mut rest = line.strip_prefix(&*format.head)?;
    let mut found = Vec::new();
    let mut tell = |name: &str, value: Option<&str>| {
        found.push(value.map_or(name.to_owned(), |value| format!("{name}={value}")));
    };
    for (index, piece) in format.pieces.iter().enumerate() {
        let end = end(rest, &format.pieces[index..])?;
        let value = match &rest[..end] {
            "" if format.escape != Escape::Default => None,
            text if format.escape == Escape::None => Some(text.to_owned()),
            text => Some(undone(text).unwrap_or(text.to_owned())),
        };
        tell(&piece.name, value.as_deref());
        if piece.name == "request" {
            let shape = r"(?s)^([-!#$%&'*+.^_`|~0-9A-Za-z]+) (?:(.*) (HTTP/[^ ]*)|(/.*))$";
            let shape = Regex::new(shape).expect("a pattern");
            let parts = value.as_deref().and_then(|value| shape.captures(value));
            let part = |group| parts.as_ref().and_then(|parts| parts.get(group)).map(|part| part.as_str());
            let values = [("method", part(1)), ("target", part(2).or(part(4))), ("protocol", part(3))];
            let is_cut = |name: &str| format.pieces.iter().all(|piece| piece.name != name);
            values.into_iter().filter(|(name, _)| is_cut(name)).for_each(|(name, part)| tell(name, part));
        }
        rest = &rest[end + piece.literal.len()..];
    }
    Some(found)
}

fn end(rest: &str, pieces: &[Piece]) -> Option<usize> {
    let (piece, behind) = pieces.split_first()?;
    match piece.end {
        End::Before(byte) => {
            let end = end(rest, behind)?;
            Some(rest[..end].find(char::from(byte)).unwrap_or(end))
        }
        End::LastColon => rest[..end(rest, behind)?].rfind(':'),
        _ => {
            let mut places = (0..=rest.len()).filter(|at| rest.is_char_boundary(*at));
            places.find(|&at| ends(&rest[..at], &rest[at..], piece, behind.is_empty()))
        }
    }
}

fn ends(value: &str, rest: &str, piece: &Piece, is_last: bool) -> bool {
    let literal = &*piece.literal;
    if literal.is_empty() {
        return rest.is_empty() && !(matches!(piece.holds, Kind::Int | Kind::Float) && value.contains(' '));
    }
    let is_there = if is_last { rest == literal } else { rest.starts_with(literal) };
    let is_open =
        !piece.is_quoted || Regex::new(r#"(?s)^(?:[^"\\]|\\.)*$"#).expect("a pattern").is_match(value);
    let is_between = match piece.end {
        End::List => value.ends_with(',') || value.ends_with(" :") || rest.starts_with(" : "),
        End::Behind(count) => {
            // As many pieces as the timestamp has, apart from an empty one before the first.
            let runs =
                value.match_indices(literal).filter(|(at, _)| *at > 0 && !value[..*at].ends_with(literal));
            value.len() > 100 || runs.count() < count
        }
        _ => false,
    };
    is_there && is_open && !is_between
}

/// `text` without escapes, if that is a text without a NUL.
fn undone(text: &str) -> Option<String> {
    let escape =
        Regex::new(r#"(?s)^\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abtnvfr"'\\/]))"#);
    let escape = escape.expect("a pattern");
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(ch) = rest.chars().next() {
        let Some(found) = escape.captures(rest) else {
            out.extend_from_slice(ch.to_string().as_bytes());
            rest = &rest[ch.len_utf8()..];
            continue;
        };
        rest = &rest[found[0].len()..];
        let number =
            |group| found.get(group).map(|digits| u32::from_str_radix(digits.as_str(), 16).expect("hex"));
        match (number(1), number(2).or(number(3)), found.get(4).map(|letter| letter.as_str())) {
            (Some(byte), ..) => out.push(u8::try_from(byte).expect("two digits")),
            (_, Some(high @ 0xd800..0xdc00), _) if found.get(2).is_some() => {
                let low = escape.captures(rest)?;
                let low_unit = u32::from_str_radix(low.get(2)?.as_str(), 16).expect("hex");
                rest = &rest[low[0].len()..];
                let units = [u16::try_from(high).ok()?, u16::try_from(low_unit).ok()?];
                out.extend_from_slice(String::from_utf16(&units).ok()?.as_bytes());
            }
            (_, Some(unit), _) => out.extend_from_slice(char::from_u32(unit)?.to_string().as_bytes()),
            (.., Some(letter)) => {
                let letters = "abtnvfr";
                let meant = b"\x07\x08\t\n\x0b\x0c\r";
                out.push(letters.find(letter).map_or(letter.as_bytes()[0], |at| meant[at]));
            }
            _ => {}
        }
    }
    String::from_utf8(out).ok().filter(|text| !text.contains('\0'))
}
