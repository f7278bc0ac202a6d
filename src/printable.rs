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

/// The name of a file, as the source of something, for JSON.
pub(crate) fn source_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    bytes("source", "source_base64", path.as_os_str().as_bytes(), serializer)
}

/// A path as the text under which it is remembered. A byte that is not UTF-8 is written as `\xNN`, and so is a
/// backslash that would be read as the beginning of one: no two paths become the same text.
pub(crate) fn remembered(path: &Path) -> String {
    let mut name = String::new();
    for piece in path.as_os_str().as_bytes().utf8_chunks() {
        name.push_str(&piece.valid().replace("\\x", "\\x5cx"));
        for byte in piece.invalid() {
            let _ = write!(name, "\\x{byte:02x}");
        }
    }
    name
}

/// The bytes of the path that is remembered as this text, if they are not UTF-8. The name of an object in a bucket
/// is text, and is remembered unchanged.
fn no_text(name: &str) -> Option<Vec<u8>> {
    let mut pieces = name.starts_with('/').then(|| name.split("\\x"))?;
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    std::str::from_utf8(&bytes).is_err().then_some(bytes)
}

/// The name of a source for JSON,
pub(crate) fn name<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    told("name", "name_base64", name, no_text(name), serializer)
}

/// the same for a field called `source`,
pub(crate) fn source_name<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    told("source", "source_base64", name, no_text(name), serializer)
}

/// and for one called `file`.
pub(crate) fn source_file<S: Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    told("file", "file_base64", name, no_text(name), serializer)
}

/// Bytes for JSON, in place of one field: invalid UTF-8 is replaced, and then all the bytes are added as
/// base64, so that nothing is lost.
pub(crate) fn bytes<S: Serializer>(
    name: &'static str,
    name_base64: &'static str,
    bytes: &[u8],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let no_text = std::str::from_utf8(bytes).is_err().then_some(bytes);
    told(name, name_base64, &String::from_utf8_lossy(bytes), no_text, serializer)
}

/// A text, and beside it the bytes that it stands for, if they are none.
fn told<S: Serializer>(
    name: &'static str,
    name_base64: &'static str,
    text: &str,
    no_text: Option<impl AsRef<[u8]>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct(name, 1 + usize::from(no_text.is_some()))?;
    fields.serialize_field(name, text)?;
    if let Some(bytes) = no_text {
        fields.serialize_field(name_base64, &STANDARD.encode(bytes))?;
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
    fn a_remembered_name_is_that_of_one_path() {
        use std::ffi::OsStr;

        for (path, text, is_text) in [
            (&b"/a/b.log"[..], "/a/b.log", true),
            (&b"/a/\xff.log"[..], "/a/\\xff.log", false),
            (&b"/\xc3(\xe2\x82"[..], "/\\xc3(\\xe2\\x82", false),
            // What looks like it is nothing but a name.
            (&b"/a\\xff"[..], "/a\\x5cxff", true),
            (&b"/a\\x\xff\\y"[..], "/a\\x5cx\\xff\\y", false),
            ("/ä\\".as_bytes(), "/ä\\", true),
        ] {
            assert_eq!(remembered(Path::new(OsStr::from_bytes(path))), text);
            assert_eq!(no_text(text).as_deref(), (!is_text).then_some(path), "{text}");
        }
        // These were remembered by other means.
        for text in ["/a\\x", "/a\\xzz", "/a\\xffb\\x+1", "s3://logs/\\xff"] {
            assert_eq!(no_text(text), None, "{text}");
        }
    }

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
