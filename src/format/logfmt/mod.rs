//! logfmt: `key=value` pairs, separated by blanks.
//!
//! A value is either bare and ends at a blank, or in double quotes with escapes. A key without `=` is
//! null, `key=` is an empty text, and of equal keys the last counts. A record without any value, or with
//! a quote in a wrong place, is a `no_match`.

#[cfg(test)]
mod plain;

use bumpalo::Bump;
use simd_json::{Node, StaticNode};

use super::find::{find, find_below};
use super::wanted::Entry;
use super::{Extras, Format, Input, Malformed, Parsed, Record, Wanted, escape, is_same};
use crate::source::Framing;

/// One line of pairs per record.
#[derive(Clone, Debug)]
pub struct Logfmt {
    wanted: Wanted,
    /// Whether each wanted key can occur in a line.
    are_keys: bool,
    slots: usize,
    extras: Extras,
}

impl Logfmt {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(paths: &[Vec<S>], extras: Extras) -> Logfmt {
        let is_key = |path: &Vec<S>| {
            path.first().is_some_and(|key| {
                !key.as_ref().is_empty() && !key.as_ref().bytes().any(|byte| ENDS.contains(&byte))
            })
        };
        let are_keys = paths.iter().all(is_key);
        Logfmt { wanted: Wanted::new(paths), are_keys, slots: paths.len(), extras }
    }

    /// The expected next key, if `rest` begins with it.
    #[inline(always)]
    fn guessed(&self, guess: usize, rest: &[u8]) -> Option<&Entry> {
        let entry = self.wanted.guess(guess).filter(|_| self.are_keys)?;
        let key = entry.key.as_bytes();
        let is_it = rest.get(key.len()) == Some(&b'=') && is_same(&rest[..key.len()], key);
        is_it.then_some(entry)
    }
}

/// The bytes that end a key.
const ENDS: [u8; 4] = [b'=', b' ', b'\t', b'"'];

impl Format for Logfmt {
    type Scratch = ();

    fn framing(&self) -> &Framing {
        &Framing::Lines
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        (): &'r mut (),
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        let text = input.utf8()?;
        let bytes = text.as_bytes();
        record.begin(self.slots, self.extras, &input);
        let (mut at, mut guess, mut has_value) = (0, 0, false);
        loop {
            while bytes.get(at).copied().is_some_and(is_blank) {
                at += 1;
            }
            if at == bytes.len() {
                break;
            }
            if let Some(entry) = self.guessed(guess, &bytes[at..]) {
                guess += 1;
                has_value = true;
                let (value, end) = value(text, at + entry.key.len() + 1, input.arena)?;
                at = end;
                record.put_entry(entry, Node::String(value));
                continue;
            }
            let start = at;
            at = find(ENDS, bytes, at).unwrap_or(bytes.len());
            let key = &text[start..at];
            let mut put = |value| record.put_member(&self.wanted, &mut guess, self.extras, key, value);
            match bytes.get(at) {
                Some(b'=') if key.is_empty() => return Err(Malformed::no_match("a value without a key", at)),
                Some(b'=') => {
                    has_value = true;
                    let (value, end) = value(text, at + 1, input.arena)?;
                    at = end;
                    put(Node::String(value));
                }
                Some(b'"') => return Err(Malformed::no_match(STRAY_QUOTE, at)),
                _ => put(Node::Static(StaticNode::Null)),
            }
        }
        if !has_value {
            return Err(Malformed::no_match("a line without a key=value pair", 0));
        }
        record.end();
        Ok(Parsed::Record)
    }
}

const STRAY_QUOTE: &str = "a quote that neither begins nor ends a value";

/// The value at `start` without its quotes and escapes, and the position after it.
#[inline(always)]
fn value<'r>(text: &'r str, start: usize, arena: &'r Bump) -> Result<(&'r str, usize), Malformed> {
    let bytes = text.as_bytes();
    if bytes.get(start) != Some(&b'"') {
        let end = find_below::<{ b'"' + 1 }>(b" \t\"", bytes, start).unwrap_or(bytes.len());
        return match bytes.get(end) {
            Some(b'"') => Err(Malformed::no_match(STRAY_QUOTE, end)),
            _ => Ok((&text[start..end], end)),
        };
    }
    // Most quoted values have no escape, and are followed by a blank or the end.
    if let Some(end) = find([b'"', b'\\'], bytes, start + 1)
        && bytes[end] == b'"'
        && bytes.get(end + 1).is_none_or(|&byte| is_blank(byte))
    {
        return Ok((&text[start + 1..end], end + 1));
    }
    quoted(text, start, arena)
}

/// The same for any value in quotes.
#[inline(never)]
fn quoted<'r>(text: &'r str, start: usize, arena: &'r Bump) -> Result<(&'r str, usize), Malformed> {
    let bytes = text.as_bytes();
    let (mut at, mut has_escapes) = (start + 1, false);
    loop {
        let Some(found) = find([b'"', b'\\'], bytes, at) else {
            return Err(Malformed::no_match("a quote that is not closed", start));
        };
        at = found;
        if bytes[at] == b'"' {
            break;
        }
        has_escapes = true;
        at += 2;
    }
    let value = &text[start + 1..at];
    match bytes.get(at + 1) {
        Some(&byte) if !is_blank(byte) => {
            Err(Malformed::no_match("something directly behind a quoted value", at + 1))
        }
        _ if has_escapes => Ok((escape::undo(value, arena), at + 1)),
        _ => Ok((value, at + 1)),
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, Memory, Preamble, Raw, each_record};
    use super::*;

    /// The members of each line, as `key=value|key` with nothing behind one that is null; the
    /// value of the field `a` stands in front.
    fn read(text: &[u8]) -> Vec<String> {
        let format = Logfmt::new(&[vec!["a"]], Extras::Gathered);
        let mut found = Vec::new();
        let preamble = Preamble::default();
        let chunk = Chunk { bytes: text, preamble: &preamble, record_bytes_max: 1000 };
        let told = |name: &str, raw: Raw<'_>| match raw {
            Raw::Text(text) => format!("{name}={text}"),
            Raw::Null => name.to_owned(),
            other => panic!("{other:?} is no text"),
        };
        each_record(&format, chunk, &mut Memory::default(), |_, record, _| {
            found.push(match record {
                Ok(record) => {
                    let field = record.get(0).map_or("none".to_owned(), |item| told("", item.raw()));
                    let members: Vec<_> =
                        record.root().members().map(|(name, item)| told(name, item.raw())).collect();
                    let extras: Vec<_> = record.extras().map(|(name, item)| told(name, item.raw())).collect();
                    let others = members.iter().filter(|member| *member != "a" && !member.starts_with("a="));
                    assert!(others.eq(&extras), "what no field asks for is gathered");
                    format!("{field}: {}", members.join("|"))
                }
                Err(fault) => fault.code.to_string(),
            });
        });
        found
    }

    #[test]
    fn pairs_are_read() {
        for (line, expected) in [
            ("a=1 b.c=x", "=1: a=1|b.c=x"),
            (" \ta=\tb= ", "=: a=|b="),
            (r#"a="it is \"up\"\n" b="""#, "=it is \"up\"\n: a=it is \"up\"\n|b="),
            ("bare a=x=y?z=1 more", "=x=y?z=1: bare|a=x=y?z=1|more"),
            ("a=1 a=2 b=1 b=2", "=2: a=1|a=2|b=1|b=2"),
            ("a=1 a", ": a=1|a"),
            ("b=größe", "none: b=größe"),
            (r"b=C:\temp", r"none: b=C:\temp"),
            ("level", "no_match"),
            ("it is up", "no_match"),
            ("=1", "no_match"),
            (r#"a="1"#, "no_match"),
            (r#"a="1\"#, "no_match"),
            (r#"a=1" b=2"#, "no_match"),
            (r#"a="1"b=2"#, "no_match"),
            (r#"a"=1"#, "no_match"),
        ] {
            assert_eq!(read(line.as_bytes()), [expected], "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_reads_what_the_plain_reader_reads(
            text in proptest::collection::vec(
                prop_oneof![
                    3 => Just(b'='), 3 => Just(b' '), 2 => Just(b'"'), 1 => Just(b'\\'), 1 => Just(b'\t'),
                    1 => Just(b'n'), 3 => Just(b'a'), 2 => Just(b'b'), 1 => any::<u8>(),
                ],
                0..30,
            ),
        ) {
            let lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            let lines: Vec<&[u8]> = lines.filter(|line| !crate::source::is_blank(line)).collect();
            let expected: Vec<_> = lines.iter().map(|line| plain::read(line)).collect();
            prop_assert_eq!(read(&text), expected);
        }
    }
}
