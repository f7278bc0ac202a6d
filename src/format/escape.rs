//! Escapes for characters that would break a line: `\"`, `\n`, `\x16`, `\u00e4`.
//!
//! Apache, nginx, JSON and Go have different sets of escapes, but those that they share have the same
//! meaning, so one reader serves all.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use memchr::memchr;

/// `text` with its escapes undone. A backslash before anything else stays. If the result is not UTF-8, or
/// contains a NUL, which no database accepts, the whole text stays as written.
pub(super) fn undo<'r>(text: &'r str, arena: &'r Bump) -> &'r str {
    match memchr(b'\\', text.as_bytes()) {
        None => text,
        Some(first) => undone(text, first, arena).unwrap_or(text),
    }
}

fn undone<'r>(text: &'r str, first: usize, arena: &'r Bump) -> Option<&'r str> {
    let bytes = text.as_bytes();
    let mut out = ArenaVec::with_capacity_in(bytes.len(), arena);
    out.extend_from_slice(&bytes[..first]);
    let mut at = first;
    while at < bytes.len() {
        let letter = bytes.get(at + 1).copied().unwrap_or_default();
        let behind = bytes.get(at + 2..).unwrap_or_default();
        at += if let Some(byte) = control(letter) {
            out.push(byte);
            2
        } else if letter == b'x'
            && let Some(byte) = number(behind, 2).and_then(|number| u8::try_from(number).ok())
        {
            out.push(byte);
            4
        } else if let Some((length, ch)) = character(letter, behind) {
            out.extend_from_slice(ch?.encode_utf8(&mut [0; 4]).as_bytes());
            length
        } else {
            out.push(b'\\');
            1
        };
        let plain = memchr(b'\\', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        out.extend_from_slice(&bytes[at..plain]);
        at = plain;
    }
    let is_storable = memchr(0, &out).is_none();
    std::str::from_utf8(out.into_bump_slice()).ok().filter(|_| is_storable)
}

/// The byte that a backslash and one letter stand for.
fn control(letter: u8) -> Option<u8> {
    match letter {
        b'a' => Some(0x07),
        b'b' => Some(0x08),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        b'v' => Some(0x0b),
        b'f' => Some(0x0c),
        b'r' => Some(b'\r'),
        b'"' | b'\'' | b'\\' | b'/' => Some(letter),
        _ => None,
    }
}

/// The character of `\u` and four digits (twice for a pair of surrogates) or of `\U` and eight, and its
/// length; no character for half of a pair.
fn character(letter: u8, behind: &[u8]) -> Option<(usize, Option<char>)> {
    match letter {
        b'U' => Some((10, char::from_u32(number(behind, 8)?))),
        b'u' => {
            let unit = number(behind, 4)?;
            let low = behind[4..].strip_prefix(br"\u").and_then(|digits| number(digits, 4));
            match (unit, low) {
                (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
                    Some((12, char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))))
                }
                _ => Some((6, char::from_u32(unit))),
            }
        }
        _ => None,
    }
}

/// The number of these hexadecimal digits.
fn number(bytes: &[u8], digits: usize) -> Option<u32> {
    bytes
        .get(..digits)?
        .iter()
        .try_fold(0_u32, |number, &digit| Some((number << 4) | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        let arena = Bump::new();
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            (r#"a \"b\" \\ \/ \'"#, "a \"b\" \\ / '"),
            (r"\a\b\t\n\v\f\r", "\x07\x08\t\n\x0b\x0c\r"),
            (r"\x16\x03\x01", "\x16\x03\x01"),
            (r"\xc3\xa4 \u00e4 \U000000e4 \ud83e\udd80", "ä ä ä 🦀"),
            // No escapes.
            (r"C:\Users \x1 \u00 \U0000000 \", r"C:\Users \x1 \u00 \U0000000 \"),
            // No text, or none that can be stored.
            (r"\n\xe4", r"\n\xe4"),
            (r"\n\x00", r"\n\x00"),
            (r"\n\ud83e\u0041", r"\n\ud83e\u0041"),
            (r"\n\udd80", r"\n\udd80"),
            (r"\n\U00110000", r"\n\U00110000"),
            (r"\xc3ä", r"\xc3ä"),
        ] {
            assert_eq!(undo(text, &arena), expected, "{text}");
        }
    }
}
