//! Spelling: the exact text of a JSON value in its record, which a JSON column keeps unchanged.
//!
//! The readers of JSON only keep what they have anyway. A value's place is searched for on demand,
//! which for most records never happens.

use std::cell::Cell;
use std::io::{self, Write};
use std::ops::Range;

use simd_json::Node;

use super::find::find_end_of_string;

/// How a record writes its values, and what is needed to find one.
#[derive(Clone, Debug)]
pub(super) enum Spelling<'r> {
    /// As text that is not JSON.
    Text,
    /// As one JSON object of scalars: keys are borrowed from the text, and each value follows its key.
    Flat(&'r [u8]),
    /// As JSON, with the place of each value of the tape.
    Listed(&'r [u8], &'r [(u32, u32)]),
    /// As JSON, with its structural characters.
    Structured {
        /// The JSON.
        text: &'r [u8],
        /// Where its structural characters stand.
        structurals: &'r [u32],
        /// The value that was searched for last, and the structural character at which it starts.
        cursor: Cell<(usize, usize)>,
    },
}

impl<'r> Spelling<'r> {
    /// The JSON of the value at `index` of the tape, if the record is JSON.
    pub(super) fn of(&self, tape: &[Node<'r>], index: usize) -> Option<&'r [u8]> {
        let (text, place) = match self {
            Spelling::Text => return None,
            Spelling::Flat(text) => (*text, place_in_flat(text, tape, index)),
            Spelling::Listed(text, places) => {
                let &(start, end) = places.get(index)?;
                (*text, start as usize..end as usize)
            }
            Spelling::Structured { text, structurals, cursor } => {
                (*text, place_by_structurals(text, structurals, cursor, index))
            }
        };
        Some(text.get(place).unwrap_or_default())
    }
}

fn place_in_flat(text: &[u8], tape: &[Node<'_>], index: usize) -> Range<usize> {
    let start_of = |piece: &str| piece.as_ptr() as usize - text.as_ptr() as usize;
    let behind_key = || {
        let Node::String(key) = tape[index - 1] else { unreachable!("a member begins with its key") };
        let colon = start_of(key) + key.len() + 1;
        colon + 1 + usize::from(text[colon + 1] == b' ')
    };
    match tape[index] {
        // A key, at an odd place.
        Node::String(key) if index % 2 == 1 => start_of(key) - 1..start_of(key) + key.len() + 1,
        Node::String(_) => {
            let start = behind_key();
            let mut end = start + 1;
            while text[end] != b'"' {
                end += 1 + usize::from(text[end] == b'\\');
            }
            start..end + 1
        }
        Node::Static(_) => {
            let start = behind_key();
            let length = text[start..].iter().position(|byte| matches!(byte, b',' | b'}'));
            start..start + length.expect("a separator follows each value")
        }
        Node::Object { .. } | Node::Array { .. } => 0..text.len(),
    }
}

fn place_by_structurals(
    text: &[u8],
    structurals: &[u32],
    cursor: &Cell<(usize, usize)>,
    index: usize,
) -> Range<usize> {
    let byte = |place: usize| text.get(place).copied().unwrap_or(b' ');
    // Each key and value of the tape starts at a structural character other than these, in the
    // order of the tape. Values are searched for roughly in that order, so the last one is near.
    let is_start = |place: u32| !matches!(byte(place as usize), b',' | b':' | b'}' | b']');
    let (mut at, mut place) = cursor.get();
    while at < index {
        let Some(next) = structurals.get(place + 1..).and_then(|rest| rest.iter().position(|&p| is_start(p)))
        else {
            return 0..0;
        };
        (at, place) = (at + 1, place + 1 + next);
    }
    while at > index {
        let Some(before) = structurals.get(..place).and_then(|rest| rest.iter().rposition(|&p| is_start(p)))
        else {
            return 0..0;
        };
        (at, place) = (at - 1, before);
    }
    cursor.set((at, place));
    let mut rest = structurals.get(place..).unwrap_or_default().iter().map(|&place| place as usize);
    let Some(start) = rest.next() else { return 0..0 };
    let end = if matches!(byte(start), b'{' | b'[') {
        let mut depth = 1_usize;
        let close = rest.find(|&place| {
            match byte(place) {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        close.map_or(start, |place| place + 1)
    } else {
        // A scalar ends at the next structural character, without the white space before it.
        let next = rest.next().unwrap_or(text.len());
        start + text.get(start..next).unwrap_or_default().trim_ascii_end().len()
    };
    start..end
}

/// Writes text as a JSON string.
pub(crate) fn write_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut start = 0;
    while let Some(at) = find_end_of_string(text.as_bytes(), start) {
        out.write_all(&text.as_bytes()[start..at])?;
        match text.as_bytes()[at] {
            b'"' => out.write_all(b"\\\"")?,
            b'\\' => out.write_all(b"\\\\")?,
            b'\n' => out.write_all(b"\\n")?,
            b'\r' => out.write_all(b"\\r")?,
            b'\t' => out.write_all(b"\\t")?,
            control => write!(out, "\\u{control:04x}")?,
        }
        start = at + 1;
    }
    out.write_all(&text.as_bytes()[start..])?;
    out.write_all(b"\"")
}
