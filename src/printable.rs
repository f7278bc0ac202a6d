//! What may be written to a terminal, and what is escaped.
//!
//! Text from logs, from a server or from the command line can contain sequences that forge or erase what a
//! terminal shows. Piped text obeys the same rule: it may end up on a terminal later.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serializer;
use serde::ser::SerializeStruct as _;

/// The text without anything that affects a terminal: control characters other than the newline, characters
/// that change the writing direction, and line separators other than the newline.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '\n' => out.push('\n'),
            '\t' => out.push_str("\\t"),
            ch if is_unsafe(ch) => {
                let _ = write!(out, "{}", ch.escape_default());
            }
            ch => out.push(ch),
        }
    }
    out
}

/// The name of a file or a field on one line, whatever it contains.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// The name of a file for a person, on one line.
pub(crate) fn path(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// The name of a file for JSON.
pub(crate) fn file_name<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    bytes("file", "file_base64", path.as_os_str().as_bytes(), serializer)
}

/// Bytes for JSON, in place of one field: invalid UTF-8 is replaced, and then all the bytes are added as
/// base64, so that nothing is lost.
pub(crate) fn bytes<S: Serializer>(
    name: &'static str,
    name_base64: &'static str,
    bytes: &[u8],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let encoded = std::str::from_utf8(bytes).is_err().then(|| STANDARD.encode(bytes));
    let mut fields = serializer.serialize_struct(name, 1 + usize::from(encoded.is_some()))?;
    fields.serialize_field(name, &String::from_utf8_lossy(bytes))?;
    if let Some(encoded) = encoded {
        fields.serialize_field(name_base64, &encoded)?;
    }
    fields.end()
}

/// JSON with the same characters escaped. JSON itself allows all of them unescaped except C0. They can only
/// occur inside strings, where `\u` is valid, so this works on finished text.
pub(crate) fn printable_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(|ch| ch > '\u{7e}' && is_unsafe(ch)) {
        let ch = rest[at..].chars().next().unwrap_or_default();
        out.push_str(&rest[..at]);
        let _ = write!(out, "\\u{:04x}", u32::from(ch));
        rest = &rest[at + ch.len_utf8()..];
    }
    out.push_str(rest);
    out
}

/// A writer of JSON that receives complete pieces of it, and lets nothing pass that affects a terminal.
pub(crate) struct PrintableJson<W>(pub(crate) W);

impl<W: Write> Write for PrintableJson<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        // The bytes with which the characters in question begin; they are rare in logs.
        let is_suspect =
            memchr::memchr3(0x7f, 0xc2, 0xe2, piece).is_some() || memchr::memchr(0xd8, piece).is_some();
        match std::str::from_utf8(piece) {
            Ok(json) if is_suspect => self.0.write_all(printable_json(json).as_bytes())?,
            _ => self.0.write_all(piece)?,
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a character affects a terminal, or the direction of the text around it.
///
/// None of these is above U+FFFF, so that a single `\u` of JSON suffices.
pub(crate) fn is_unsafe(ch: char) -> bool {
    ch.is_control()
        || matches!(
            ch,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_upon_goes_out() {
        assert_eq!(
            printable("a\x1b[2Jb\r\u{9b}c\u{202e}d\te\x7ff\u{2028}g"),
            "a\\u{1b}[2Jb\\r\\u{9b}c\\u{202e}d\\te\\u{7f}f\\u{2028}g"
        );
        assert_eq!(printable("ä\n日本"), "ä\n日本");
        assert_eq!(one_line("ä\n日本\r"), "ä\\n日本\\r");
    }

    #[test]
    fn all_of_unicode_is_either_safe_or_escaped_and_json_means_the_same() {
        for ch in (0..=0x10_ffff).filter_map(char::from_u32) {
            let once = printable(&ch.to_string());
            assert!(!once.chars().any(|ch| ch != '\n' && is_unsafe(ch)), "{ch:?}");
            assert_eq!(printable(&once), once, "what is escaped is not escaped again");
            let json = serde_json::to_string(&ch).expect("a string");
            let mut shown = PrintableJson(Vec::new());
            shown.write_all(json.as_bytes()).expect("a vector takes everything");
            let shown = String::from_utf8(shown.0).expect("text");
            assert_eq!(shown, printable_json(&json));
            assert!(!shown.chars().any(is_unsafe), "{ch:?}");
            assert_eq!(serde_json::from_str::<char>(&shown).ok(), Some(ch));
        }
    }
}
