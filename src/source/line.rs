//! The lines of a chunk.
//!
//! A line is the bytes up to a newline; a carriage return before the newline belongs to
//! the line end. The last piece without a newline is a line if it is not empty. This is
//! the only place that says so.

use memchr::memchr;

/// The lines of a buffer that does not change.
#[derive(Clone, Debug)]
pub struct Lines<'b> {
    bytes: &'b [u8],
    /// All of the buffer, if it is UTF-8: to find that out in one go is faster than line by line.
    text: Option<&'b str>,
    next: usize,
}

/// One line, without its line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'b> {
    /// Where in the buffer its first byte stands.
    pub start: usize,
    /// Its bytes.
    pub bytes: &'b [u8],
    /// The same as text, if they are UTF-8.
    pub text: Option<&'b str>,
}

impl<'b> Lines<'b> {
    /// The lines of `bytes`.
    pub fn new(bytes: &'b [u8]) -> Lines<'b> {
        Lines { bytes, text: std::str::from_utf8(bytes).ok(), next: 0 }
    }
}

impl<'b> Iterator for Lines<'b> {
    type Item = Line<'b>;

    #[inline]
    fn next(&mut self) -> Option<Line<'b>> {
        let start = self.next;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr(b'\n', rest).unwrap_or(rest.len());
        self.next = start + length + 1;
        let bytes = &rest[..length];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = match self.text {
            Some(text) => text.get(start..start + bytes.len()),
            None => std::str::from_utf8(bytes).ok(),
        };
        Some(Line { start, bytes, text })
    }
}

/// Whether a line holds nothing but white space, and so is no record.
#[inline]
pub fn is_blank(line: &[u8]) -> bool {
    // Nearly every line begins with something else, and then nothing more is looked at.
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        Lines::new(text.as_bytes()).map(|line| line.text.expect("text")).collect()
    }

    #[test]
    fn a_carriage_return_belongs_to_the_line_end() {
        assert_eq!(lines("a\r\nb\r\r\nc\rd\n"), ["a", "b\r", "c\rd"]);
    }

    #[test]
    fn the_last_piece_is_a_line_if_it_is_not_empty() {
        assert_eq!(lines("a\nb"), ["a", "b"]);
        assert_eq!(lines("a\n"), ["a"]);
        assert_eq!(lines("\n\r\n"), ["", ""]);
        assert_eq!(lines("\n\r"), ["", ""]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn a_line_that_is_not_text_spoils_no_other() {
        let bytes = b"gr\xc3\xbcn\r\n\xc3\n\xbc\nb";
        let found: Vec<_> = Lines::new(bytes).map(|line| (line.start, line.bytes, line.text)).collect();
        assert_eq!(
            found,
            [
                (0, &b"gr\xc3\xbcn"[..], Some("gr\u{fc}n")),
                (7, b"\xc3", None),
                (9, b"\xbc", None),
                (11, b"b", Some("b"))
            ]
        );
    }

    #[test]
    fn blank_is_white_space_only() {
        assert!(is_blank(b"") && is_blank(b" \t\r"));
        assert!(!is_blank(b"\0") && !is_blank(b" {"));
    }
}
