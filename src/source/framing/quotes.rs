//! Quotes, which keep line ends within a record.

use memchr::{memchr, memchr2, memchr3};

/// How fields are quoted, as in Python's `csv`: only a quote at the start of a field opens, and a doubled one
/// within quotes is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotes {
    /// What separates fields.
    pub delimiter: u8,
    /// The byte that opens and closes.
    pub quote: u8,
    /// The byte that escapes the next byte, in quotes and outside.
    pub escape: Option<u8>,
    /// The byte that begins a line without fields, and so without quotes.
    pub comment: Option<u8>,
}

impl Quotes {
    pub(super) fn is_comment(&self, record: &[u8]) -> bool {
        self.comment.is_some() && record.first() == self.comment.as_ref()
    }

    /// The end of the record that starts at `start`, after its newline; `None` if it is not in `bytes`.
    pub(super) fn record_end(&self, bytes: &[u8], start: usize) -> Option<usize> {
        self.record(bytes, start).map(|(end, _)| end)
    }

    /// The same, and whether the record has quotes or escapes: without them it is one line.
    #[inline]
    pub(super) fn record(&self, bytes: &[u8], start: usize) -> Option<(usize, bool)> {
        let (mut at, mut field, mut is_plain) = (start, start, true);
        if self.is_comment(&bytes[start..]) {
            return memchr(b'\n', &bytes[at..]).map(|newline| (at + newline + 1, false));
        }
        loop {
            let rest = &bytes[at.min(bytes.len())..];
            at += match self.escape {
                None => memchr2(self.quote, b'\n', rest)?,
                Some(escape) => memchr3(self.quote, b'\n', escape, rest)?,
            };
            match bytes[at] {
                b'\n' => return Some((at + 1, !is_plain)),
                byte if byte == self.quote => {
                    // An escaped delimiter does not begin a field.
                    let opens = at == start || at > field && bytes[at - 1] == self.delimiter;
                    at = if opens { self.close(bytes, at + 1)? } else { at + 1 };
                    // Directly after quotes an escape is a character.
                    at +=
                        usize::from(opens && self.escape.is_some() && bytes.get(at) == self.escape.as_ref());
                }
                _ => (at, field) = (at + 2, at + 2),
            }
            is_plain = false;
        }
    }

    /// The end of the record that contains `from`, for records from the start of `bytes` on; `None` if this
    /// method cannot tell. If neither escapes nor comments change what a quote means, it stops only at
    /// quotes, and searches for line ends from `from` on.
    pub(super) fn end_behind(&self, bytes: &[u8], from: usize) -> Option<usize> {
        if self.escape.is_some() || self.comment.is_some() {
            return None;
        }
        let mut at = 0;
        loop {
            let quote = memchr(self.quote, bytes.get(at..)?).map(|length| at + length);
            let unquoted = bytes.get(at.max(from)..quote.unwrap_or(bytes.len())).unwrap_or_default();
            if let Some(newline) = memchr(b'\n', unquoted) {
                return Some(at.max(from) + newline + 1);
            }
            let quote = quote?;
            let opens =
                quote == 0 || matches!(bytes[quote - 1], byte if byte == self.delimiter || byte == b'\n');
            at = if opens { self.close(bytes, quote + 1)? } else { quote + 1 };
        }
    }

    /// The byte after the quote that closes what was opened before `at`.
    fn close(&self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let rest = bytes.get(at..)?;
            at += match self.escape {
                None => memchr(self.quote, rest)?,
                Some(escape) => memchr2(self.quote, escape, rest)?,
            };
            match bytes.get(at + 1) {
                Some(&next) if bytes[at] != self.quote || next == self.quote => at += 2,
                Some(_) => return Some(at + 1),
                None => return None,
            }
        }
    }
}

/// The position within a record with quotes. Byte by byte, as in Python's reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QuoteState {
    /// Before its first byte.
    Record,
    Comment,
    /// Before the first byte of a field.
    Field,
    Unquoted,
    Quoted,
    /// After a quote within quotes.
    Closed,
    /// After an escape.
    Escaped {
        is_quoted: bool,
    },
}

impl QuoteState {
    /// Processes the next byte; true if the record ends with it.
    pub(super) fn step(&mut self, byte: u8, quotes: &Quotes) -> bool {
        use QuoteState::{Closed, Comment, Escaped, Field, Quoted, Record, Unquoted};
        *self = match *self {
            Escaped { is_quoted: true } => Quoted,
            Escaped { is_quoted: false } => Unquoted,
            Record if quotes.comment == Some(byte) => Comment,
            Record | Field if byte == quotes.quote => Quoted,
            Quoted if quotes.escape == Some(byte) => Escaped { is_quoted: true },
            Quoted if byte == quotes.quote => Closed,
            Closed if byte == quotes.quote => Quoted,
            Quoted => Quoted,
            _ if byte == b'\n' => return true,
            Comment => Comment,
            Closed if quotes.escape == Some(byte) => Unquoted,
            _ if quotes.escape == Some(byte) => Escaped { is_quoted: false },
            _ if byte == quotes.delimiter => Field,
            _ => Unquoted,
        };
        false
    }
}
