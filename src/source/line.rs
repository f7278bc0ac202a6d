//! The lines of a chunk.
//!
//! A line is the bytes up to a newline; a carriage return before the newline belongs to
//! the line end. The last piece without a newline is a line if it is not empty. This is
//! the only place that says so.

use memchr::memchr;

/// Steps through the lines of a buffer without holding it, so that the caller may write
/// into the line at hand (simd-json unescapes in place).
#[derive(Clone, Debug, Default)]
pub struct Lines {
    next: usize,
}

/// One line, as positions in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The first byte.
    pub start: usize,
    /// The byte after the last, without the line end.
    pub end: usize,
}

impl Lines {
    /// The next line of the `len` bytes at the start of `buffer`.
    pub fn next(&mut self, buffer: &[u8], len: usize) -> Option<Line> {
        let start = self.next;
        if start >= len {
            return None;
        }
        let mut end = match memchr(b'\n', &buffer[start..len]) {
            Some(newline) => {
                self.next = start + newline + 1;
                start + newline
            }
            None => {
                self.next = len;
                len
            }
        };
        if end > start && buffer[end - 1] == b'\r' {
            end -= 1;
        }
        Some(Line { start, end })
    }
}

/// Whether a line holds nothing but white space, and so is no record.
pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        while let Some(line) = lines.next(text.as_bytes(), text.len()) {
            found.push(&text[line.start..line.end]);
        }
        found
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
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn blank_is_white_space_only() {
        assert!(is_blank(b"") && is_blank(b" \t\r"));
        assert!(!is_blank(b"\0") && !is_blank(b" {"));
    }
}
