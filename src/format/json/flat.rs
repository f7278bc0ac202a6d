//! The flat reader: for the most common record, one object of scalars.
//!
//! simd-json first finds every structural character and then builds its tape. A log line that looks like
//! the one before it needs neither: its keys are where they are expected, and each value ends at the next
//! quote or comma. So this reader reads the line in one pass, and accepts it only if every byte is as
//! expected. It leaves any other line to simd-json.
//!
//! A property test on arbitrary bytes checks that simd-json reads everything that it accepts as the same
//! values at the same places.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use simd_json::{Node, StaticNode};

use super::super::Wanted;
use super::super::find::find_end_of_string;
use super::super::number::quotient;
use super::super::record::{Record, as_index};
use super::super::spelling::Spelling;
use super::super::wanted::is_same;

/// The longest pause, in records, after one that was not flat. The pause doubles with each failed attempt:
/// an occasional nested record costs nothing, and a source of nested records costs one attempt in
/// sixty-four.
const PAUSE_MAX: u8 = 63;

/// How long this reader pauses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pause {
    /// Records to skip.
    pub(super) left: u8,
    /// Records to skip the next time.
    next: u8,
}

/// Reads `text` and marks the wanted values. False means that another reader must read it.
pub(super) fn read<'r>(
    text: &'r str,
    arena: &'r Bump,
    wanted: &Wanted,
    gather: bool,
    pause: &mut Pause,
    record: &mut Record<'r>,
) -> bool {
    if pause.left > 0 {
        pause.left -= 1;
        return false;
    }
    let mut flat = Flat { text, arena, at: 0, has_escapes: false };
    let is_flat = flat.members(wanted, gather, record).is_some();
    if is_flat {
        record.spelling = Spelling::Flat(text.as_bytes());
        // Only an escape can stand for a NUL.
        record.may_hold_nul = flat.has_escapes;
        *pause = Pause::default();
    } else {
        pause.left = pause.next;
        pause.next = (pause.next * 2 + 1).min(PAUSE_MAX);
    }
    is_flat
}

/// A text, and the position in it. Every step returns `None` at a byte that it does not expect.
struct Flat<'r> {
    text: &'r str,
    /// Memory for strings with escapes.
    arena: &'r Bump,
    at: usize,
    has_escapes: bool,
}

impl<'r> Flat<'r> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn rest(&self) -> &'r [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Reads the members of the object, which must be the whole text.
    fn members(&mut self, wanted: &Wanted, gather: bool, record: &mut Record<'r>) -> Option<()> {
        let Record { tape, slots, extras, .. } = record;
        let tape = &mut tape.0;
        tape.clear();
        if self.peek() != Some(b'{') {
            return None;
        }
        self.at = 1;
        tape.push(Node::Object { len: 0, count: 0 });
        let mut guess = 0;
        loop {
            let (key, entry) = match wanted.guess(guess) {
                Some(entry) if begins_with(self.rest(), &entry.start) => {
                    guess += 1;
                    let start = self.at + 1;
                    self.at += entry.start.len();
                    (self.text.get(start..start + entry.key.len())?, Some(entry))
                }
                _ => {
                    // The spelling of a value is found after its key, so the key must be borrowed.
                    let key = self.plain_string()?;
                    if self.peek() != Some(b':') {
                        return None;
                    }
                    self.at += 1;
                    (key, wanted.find(key, &mut guess))
                }
            };
            self.blank();
            let is_kept = gather || entry.is_some();
            let value = match self.peek()? {
                b'"' if is_kept => Node::String(self.string()?),
                b'"' => {
                    self.pass_string()?;
                    Node::Static(StaticNode::Null)
                }
                b'-' | b'0'..=b'9' => Node::Static(self.number()?),
                b't' => Node::Static(self.word(b"true", StaticNode::Bool(true))?),
                b'f' => Node::Static(self.word(b"false", StaticNode::Bool(false))?),
                b'n' => Node::Static(self.word(b"null", StaticNode::Null)?),
                _ => return None,
            };
            if is_kept {
                let index = as_index(tape.len() + 1);
                tape.extend([Node::String(key), value]);
                match entry {
                    // Values wanted below a scalar are absent; the general way handles this.
                    Some(entry) if entry.below.is_some() => return None,
                    Some(entry) => entry.slots.iter().for_each(|&slot| slots[slot as usize] = index),
                    None => extras.push(index - 1),
                }
            }
            match self.peek()? {
                b',' => self.at += 1,
                b'}' if self.at + 1 == self.text.len() => {
                    let count = tape.len() - 1;
                    tape[0] = Node::Object { len: count / 2, count };
                    return Some(());
                }
                _ => return None,
            }
            self.blank();
        }
    }

    /// Skips the blank that many programs write after a separator.
    #[inline]
    fn blank(&mut self) {
        self.at += usize::from(self.peek() == Some(b' '));
    }

    /// A string without escapes.
    #[inline]
    fn plain_string(&mut self) -> Option<&'r str> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = find_end_of_string(self.text.as_bytes(), start)?;
        self.at = end + 1;
        if self.text.as_bytes()[end] == b'"' { self.text.get(start..end) } else { None }
    }

    /// A string.
    #[inline]
    fn string(&mut self) -> Option<&'r str> {
        let start = self.at + 1;
        let end = find_end_of_string(self.text.as_bytes(), start)?;
        self.at = end + 1;
        match self.text.as_bytes()[end] {
            b'"' => self.text.get(start..end),
            b'\\' => self.escaped_string(start, end),
            _ => None,
        }
    }

    /// A string whose first escape is at `escape`, without its escapes.
    #[inline(never)]
    fn escaped_string(&mut self, start: usize, mut escape: usize) -> Option<&'r str> {
        self.has_escapes = true;
        let text = self.text.as_bytes();
        // The result is never longer than the text.
        let mut out = ArenaVec::with_capacity_in(2 * (escape - start) + 64, self.arena);
        let mut from = start;
        loop {
            out.extend_from_slice_copy(&text[from..escape]);
            from = self.escape(escape, &mut out)?;
            escape = find_end_of_string(text, from)?;
            match text[escape] {
                b'\\' => {}
                b'"' => break,
                _ => return None,
            }
        }
        out.extend_from_slice_copy(&text[from..escape]);
        self.at = escape + 1;
        std::str::from_utf8(out.into_bump_slice()).ok()
    }

    /// Writes what the escape at `at` stands for, and returns where it ends.
    fn escape(&self, at: usize, out: &mut ArenaVec<'r, u8>) -> Option<usize> {
        let text = self.text.as_bytes();
        let plain = match text.get(at + 1)? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            &byte @ (b'"' | b'\\' | b'/') => byte,
            b'u' => {
                let (mut character, mut end) = (u32::from(unit(text, at)?), at + 6);
                // The first half of a pair needs its second.
                if (0xd800..0xdc00).contains(&character) {
                    let second =
                        u32::from(unit(text, end)?).checked_sub(0xdc00).filter(|&low| low < 0x400)?;
                    (character, end) = (0x10000 + ((character - 0xd800) << 10) + second, end + 6);
                }
                let character = char::from_u32(character)?;
                out.extend_from_slice_copy(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(end);
            }
            _ => return None,
        };
        out.push(plain);
        Some(at + 2)
    }

    /// Steps over a string that no field asks for; an escape in it must be one all the same.
    #[inline]
    fn pass_string(&mut self) -> Option<()> {
        let start = self.at + 1;
        let end = find_end_of_string(self.text.as_bytes(), start)?;
        self.at = end + 1;
        match self.text.as_bytes()[end] {
            b'"' => Some(()),
            b'\\' => self.escaped_string(start, end).map(drop),
            _ => None,
        }
    }

    /// A number without an exponent, whose digits before the point fit 64 bits.
    #[inline]
    fn number(&mut self) -> Option<StaticNode> {
        let start = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let is_zero = self.peek() == Some(b'0');
        let mut value = 0;
        let whole = self.digits(&mut value);
        match whole {
            1 => {}
            2..=18 if !is_zero => {}
            _ => return None,
        }
        // An exponent is not a separator, so the next step leaves it to the other readers.
        if self.peek() != Some(b'.') {
            return Some(StaticNode::I64(if is_negative { -value } else { value }));
        }
        self.at += 1;
        let fraction = self.digits(&mut value);
        if fraction == 0 {
            return None;
        }
        Some(StaticNode::F64(match quotient(value, whole + fraction, fraction) {
            Some(number) if is_negative => -number,
            Some(number) => number,
            None => self.text.get(start..self.at)?.parse().ok()?,
        }))
    }

    /// Steps over digits and appends them to `value`, which is of use if they are few.
    #[inline]
    fn digits(&mut self, value: &mut i64) -> usize {
        let start = self.at;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            *value = value.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
            self.at += 1;
        }
        self.at - start
    }

    #[inline]
    fn word(&mut self, word: &[u8], value: StaticNode) -> Option<StaticNode> {
        let is_there = self.rest().starts_with(word);
        self.at += word.len();
        is_there.then_some(value)
    }
}

/// The number of the escape `\uXXXX` at `at`.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    // A sign would pass for a number.
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

#[inline]
fn begins_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| is_same(text, start))
}
