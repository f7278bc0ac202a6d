//! The plain JSON reader: one byte after the other, RFC 8259 to the letter.
//!
//! It accepts what Pydantic's reader accepts: besides RFC 8259 the words `NaN`, `Infinity` and
//! `-Infinity`, and numbers of any size. It only runs after simd-json gave up, so it is written for
//! clarity, not for speed.

use bumpalo::Bump;
use simd_json::{Node, StaticNode};

use super::super::{Input, Malformed, Record};
use super::DEPTH_MAX;
use crate::reject::{Code, Stage, code};

/// Reads a text into `record`, and notes in `places` where each value stands.
pub(super) fn read<'r>(
    input: Input<'r>,
    places: &mut Vec<(u32, u32)>,
    record: &mut Record<'r>,
) -> Result<(), Malformed> {
    let Input { raw, arena, .. } = input;
    let text = match std::str::from_utf8(raw) {
        Ok(text) => text,
        Err(error) => return Err(fault(code::JSON_INVALID, "a byte that is not UTF-8", error.valid_up_to())),
    };
    record.tape.0.clear();
    record.exact.clear();
    places.clear();
    let mut reader = Reader { text, at: 0, depth: 0, arena, places, record };
    reader.space();
    reader.value()?;
    reader.space();
    match reader.peek() {
        None => Ok(()),
        Some(_) => Err(reader.fault("more text after the end of the JSON value")),
    }
}

fn fault(code: Code, what: &'static str, at: usize) -> Malformed {
    Malformed { stage: Stage::Parse, code, what, at }
}

/// How many digits a number may have before its point.
const DIGITS_MAX: usize = 4300;

struct Reader<'t, 'r> {
    text: &'r str,
    at: usize,
    depth: usize,
    arena: &'r Bump,
    places: &'t mut Vec<(u32, u32)>,
    record: &'t mut Record<'r>,
}

impl<'r> Reader<'_, 'r> {
    fn fault(&self, what: &'static str) -> Malformed {
        fault(code::JSON_INVALID, what, self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, word: &str) -> bool {
        let eaten = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if eaten {
            self.at += word.len();
        }
        eaten
    }

    /// Puts a value on the tape; its place in the text is known when it ends.
    fn push(&mut self, node: Node<'r>, start: usize) -> usize {
        self.record.tape.0.push(node);
        let start = u32::try_from(start).expect("a record is shorter than 4 GiB");
        let end = u32::try_from(self.at).expect("a record is shorter than 4 GiB");
        self.places.push((start, end));
        self.record.tape.0.len() - 1
    }

    fn value(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        match self.peek() {
            None => Err(self.fault("the end of the record, where a value is expected")),
            Some(b'{') => self.object(),
            Some(b'[') => self.list(),
            Some(b'"') => {
                let text = self.string()?;
                self.push(Node::String(text), start);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => {
                let node = if self.eat("true") {
                    StaticNode::Bool(true)
                } else if self.eat("false") {
                    StaticNode::Bool(false)
                } else if self.eat("null") {
                    StaticNode::Null
                } else if self.eat("NaN") {
                    StaticNode::F64(f64::NAN)
                } else if self.eat("Infinity") {
                    StaticNode::F64(f64::INFINITY)
                } else {
                    return Err(self.fault("something that is not a JSON value"));
                };
                self.push(Node::Static(node), start);
                Ok(())
            }
        }
    }

    /// Enters an object or list that is not empty.
    fn enter(&mut self) -> Result<(), Malformed> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("nesting over 200 levels"));
        }
        Ok(())
    }

    fn object(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.at += 1;
        let header = self.push(Node::Object { len: 0, count: 0 }, start);
        let mut len = 0;
        self.space();
        if !self.eat("}") {
            self.enter()?;
            loop {
                self.space();
                let key_start = self.at;
                if self.peek() != Some(b'"') {
                    return Err(self.fault("something that is not a key in double quotes"));
                }
                let key = self.string()?;
                self.push(Node::String(key), key_start);
                self.space();
                if !self.eat(":") {
                    return Err(self.fault("something else, where ':' is expected"));
                }
                self.space();
                self.value()?;
                len += 1;
                self.space();
                if self.eat("}") {
                    break;
                }
                if !self.eat(",") {
                    return Err(self.fault("something else, where ',' or '}' is expected"));
                }
            }
            self.depth -= 1;
        }
        let count = self.record.tape.0.len() - header - 1;
        self.leave(header, Node::Object { len, count });
        Ok(())
    }

    fn list(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.at += 1;
        let header = self.push(Node::Array { len: 0, count: 0 }, start);
        let mut len = 0;
        self.space();
        if !self.eat("]") {
            self.enter()?;
            loop {
                self.space();
                self.value()?;
                len += 1;
                self.space();
                if self.eat("]") {
                    break;
                }
                if !self.eat(",") {
                    return Err(self.fault("something else, where ',' or ']' is expected"));
                }
            }
            self.depth -= 1;
        }
        let count = self.record.tape.0.len() - header - 1;
        self.leave(header, Node::Array { len, count });
        Ok(())
    }

    fn leave(&mut self, header: usize, node: Node<'r>) {
        self.record.tape.0[header] = node;
        self.places[header].1 = u32::try_from(self.at).expect("a record is shorter than 4 GiB");
    }

    fn string(&mut self) -> Result<&'r str, Malformed> {
        self.at += 1;
        let start = self.at;
        // The part without escapes is borrowed; an escape moves all of it into the arena.
        loop {
            match self.peek() {
                None => return Err(self.fault("the end of the record inside a string")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                Some(b'\\') => break,
                Some(0..=0x1f) => return Err(self.fault("a control character inside a string")),
                Some(_) => self.at += 1,
            }
        }
        let mut text = bumpalo::collections::String::from_str_in(&self.text[start..self.at], self.arena);
        loop {
            match self.peek() {
                None => return Err(self.fault("the end of the record inside a string")),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into_bump_str());
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(0..=0x1f) => return Err(self.fault("a control character inside a string")),
                Some(_) => {
                    let ch = self.text[self.at..].chars().next().expect("not at the end");
                    text.push(ch);
                    self.at += ch.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        self.at += 1;
        let ch = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.fault("an escape that JSON does not have")),
        };
        self.at += 1;
        Ok(ch)
    }

    fn unicode_escape(&mut self) -> Result<char, Malformed> {
        let first = self.hex4()?;
        let scalar = match first {
            0xd800..=0xdbff => {
                if !self.eat("\\") || self.peek() != Some(b'u') {
                    return Err(self.fault("half of a surrogate pair"));
                }
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.fault("half of a surrogate pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            scalar => scalar,
        };
        char::from_u32(scalar).ok_or_else(|| self.fault("half of a surrogate pair"))
    }

    /// The four digits after the `u` at hand.
    fn hex4(&mut self) -> Result<u32, Malformed> {
        self.at += 1;
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            value =
                value * 16 + digit.ok_or_else(|| self.fault("an escape without four hexadecimal digits"))?;
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.fault("something else, where a digit is expected"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        if self.eat("-") && self.eat("Infinity") {
            self.push(Node::Static(StaticNode::F64(f64::NEG_INFINITY)), start);
            return Ok(());
        }
        if self.eat("0") {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.fault("a number with a leading zero"));
            }
        } else {
            self.digits()?;
        }
        let digits = self.text[start..self.at].trim_start_matches('-').len();
        let mut is_integer = true;
        if self.eat(".") {
            is_integer = false;
            self.digits()?;
        }
        if self.eat("e") || self.eat("E") {
            is_integer = false;
            if !self.eat("+") {
                self.eat("-");
            }
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let float = || text.parse().expect("a JSON number is a number");
        let node = if !is_integer {
            StaticNode::F64(float())
        } else if let Ok(number) = text.parse::<i64>() {
            StaticNode::I64(number)
        } else if let Ok(number) = text.parse::<u64>() {
            StaticNode::U64(number)
        } else {
            StaticNode::F64(float())
        };
        // Pydantic's limit, which is Python's: to read more digits takes quadratic time. A
        // double that simd-json has taken, however it was written, never comes here.
        if digits > DIGITS_MAX && !matches!(node, StaticNode::F64(number) if number.is_finite()) {
            return Err(self.fault("a number with more than 4300 digits"));
        }
        let index = self.push(Node::Static(node), start);
        if is_integer && matches!(node, StaticNode::F64(_)) {
            let index = u32::try_from(index).expect("a record is shorter than 4 GiB");
            self.record.exact.push((index, text));
        }
        Ok(())
    }
}
