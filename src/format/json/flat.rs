//! The record that most records are: one object of scalars, without an escape in it.
//!
//! simd-json first finds every structural character and then builds its tape from them. A
//! log line that looks like the one before it needs neither: its keys are where they are
//! expected, and each value ends at the next quote or comma. So this reader goes through
//! the line once, and takes it only if every byte is as it expects; what it does not take
//! it leaves as it was, for simd-json.
//!
//! What it takes, simd-json takes too and reads as the same values with the same places; a
//! property test holds it to that on arbitrary bytes. It judges positions only. Text is
//! made of the bytes afterwards, when they have been found to be UTF-8.

use simd_json::{Node, StaticNode};

use super::super::Wanted;
use super::super::record::{Record, as_index};
use super::super::wanted::is_same;

/// At most so many records are not tried after one that was not flat. The pause doubles with
/// each attempt that fails: an escape now and then costs nothing, and a source of nested
/// records pays for one attempt in sixty-four.
const PAUSE_MAX: u8 = 63;

/// How long this reader is not to be tried.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Pause {
    /// So many records from now.
    pub(super) left: u8,
    /// So many the next time.
    next: u8,
}

/// Finds the values of `text` and marks those that are wanted. If this is false, `text` is
/// for others to read.
pub(super) fn scan(text: &[u8], wanted: &Wanted, gather: bool, record: &mut Record<'_>) -> bool {
    record.places.clear();
    if record.pause.left > 0 {
        record.pause.left -= 1;
        return false;
    }
    let is_flat = has_no_escapes(text) && members(text, wanted, gather, record).is_some();
    if is_flat {
        record.pause = Pause::default();
    } else {
        record.places.clear();
        record.pause.left = record.pause.next;
        record.pause.next = (record.pause.next * 2 + 1).min(PAUSE_MAX);
    }
    is_flat
}

/// Puts the values that were found on the tape.
pub(super) fn fill<'r>(text: &'r str, record: &mut Record<'r>) {
    record.may_hold_nul = false;
    record.exact.clear();
    let tape = &mut record.tape.0;
    tape.clear();
    let count = record.places.len() - 1;
    tape.push(Node::Object { len: count / 2, count });
    for &(start, end) in &record.places[1..] {
        let (start, end) = (start as usize, end as usize);
        tape.push(match text.as_bytes()[start] {
            b'"' => Node::String(&text[start + 1..end - 1]),
            b't' => Node::Static(StaticNode::Bool(true)),
            b'f' => Node::Static(StaticNode::Bool(false)),
            b'n' => Node::Static(StaticNode::Null),
            _ => Node::Static(number_of(&text[start..end])),
        });
    }
}

/// A number that [`number`] has passed.
fn number_of(text: &str) -> StaticNode {
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let mut value = 0;
    for &byte in digits {
        if byte == b'.' {
            return StaticNode::F64(text.parse().expect("a JSON number is a number"));
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    StaticNode::I64(if is_negative { -value } else { value })
}

/// Whether every string in `text` is what it looks like: no backslash, no control character.
fn has_no_escapes(text: &[u8]) -> bool {
    !text.iter().fold(false, |found, &byte| found | (byte < b' ') | (byte == b'\\'))
}

/// Goes through the members of the object that is all of `text`.
fn members(text: &[u8], wanted: &Wanted, gather: bool, record: &mut Record<'_>) -> Option<()> {
    let mut guess = 0;
    let mut at = 1;
    if *text.first()? != b'{' {
        return None;
    }
    record.places.push((0, as_index(text.len())));
    loop {
        let key = at;
        let entry = match wanted.guess(guess) {
            Some(entry) if is_key(&text[at..], &entry.key) => {
                guess += 1;
                at += entry.key.len() + 2;
                Some(entry)
            }
            _ => {
                string(text, &mut at)?;
                let name = std::str::from_utf8(&text[key + 1..at - 1]).ok()?;
                wanted.find(name, &mut guess)
            }
        };
        record.places.push((as_index(key), as_index(at)));
        pass(text, &mut at, b':')?;
        let value = at;
        match text.get(at)? {
            b'"' => string(text, &mut at)?,
            b'-' | b'0'..=b'9' => number(text, &mut at)?,
            b't' => word(text, &mut at, b"true")?,
            b'f' => word(text, &mut at, b"false")?,
            b'n' => word(text, &mut at, b"null")?,
            _ => return None,
        }
        let index = as_index(record.places.len());
        record.places.push((as_index(value), as_index(at)));
        match entry {
            // What is wanted below a scalar is absent, which simd-json's way sorts out.
            Some(entry) if entry.below.is_some() => return None,
            Some(entry) => entry.slots.iter().for_each(|&slot| record.slots[slot as usize] = index),
            None if gather => record.extras.push(index - 1),
            None => {}
        }
        if text.get(at) == Some(&b'}') {
            return (at + 1 == text.len()).then_some(());
        }
        pass(text, &mut at, b',')?;
    }
}

/// Whether `text` begins with this key.
#[inline]
fn is_key(text: &[u8], key: &str) -> bool {
    let Some([b'"', name @ .., b'"']) = text.get(..key.len() + 2) else { return false };
    is_same(name, key.as_bytes())
}

/// Steps over a separator and the blank that many programs write behind it.
#[inline]
fn pass(text: &[u8], at: &mut usize, separator: u8) -> Option<()> {
    let is_there = *text.get(*at)? == separator;
    *at += 1 + usize::from(text.get(*at + 1) == Some(&b' '));
    is_there.then_some(())
}

/// Steps over a string, of which it is known that it has no escapes.
#[inline]
fn string(text: &[u8], at: &mut usize) -> Option<()> {
    if *text.get(*at)? != b'"' {
        return None;
    }
    *at += 2 + find_quote(&text[*at + 1..])?;
    Some(())
}

/// Where the first quote is. Most strings are short, and for those a call of a vectorised
/// search takes longer than a look at eight bytes at a time.
#[inline]
fn find_quote(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().take(5).enumerate() {
        // A byte that is a quote becomes zero, and only in the lowest such byte is the
        // uppermost bit then certain to be right.
        let word = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'"'));
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return Some(index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let looked = words.len().min(5) * 8;
    Some(looked + memchr::memchr(b'"', &text[looked..])?)
}

/// Steps over a number without an exponent whose digits before the point fit 64 bits.
#[inline]
fn number(text: &[u8], at: &mut usize) -> Option<()> {
    let digits = |at: &mut usize| {
        let start = *at;
        while text.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        *at - start
    };
    *at += usize::from(text[*at] == b'-');
    let is_zero = text.get(*at) == Some(&b'0');
    match digits(at) {
        1 => {}
        2..=18 if !is_zero => {}
        _ => return None,
    }
    if text.get(*at) == Some(&b'.') {
        *at += 1;
        if digits(at) == 0 {
            return None;
        }
    }
    // An exponent is no separator, and so is left to others by whoever comes next.
    Some(())
}

#[inline]
fn word(text: &[u8], at: &mut usize, word: &[u8]) -> Option<()> {
    let is_there = text[*at..].starts_with(word);
    *at += word.len();
    is_there.then_some(())
}
