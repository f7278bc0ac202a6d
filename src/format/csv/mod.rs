//! CSV and similar formats: values between delimiters, quoted or not. The names of the columns come from
//! a header or from the job.
//!
//! The rules are those of Python's `csv`: a quote opens only at the start of a value, a doubled quote
//! within quotes is a character, and text after the closing quote belongs to the value. A record with too
//! many or too few values is a `column_count`.

#[cfg(test)]
mod plain;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use bumpalo::Bump;
use bumpalo::collections::String as ArenaString;

use super::columns::{Columns, Wants};
use super::find::find;
use super::{Chunk, Extras, Format, Input, Malformed, Parsed, Preamble, Record};
use crate::source::{Framing, Quotes, is_blank};

/// How values are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The byte between values.
    pub delimiter: u8,
    /// The byte around values that contain delimiters, quotes or line ends, if they can.
    pub quote: Option<u8>,
    /// The byte that makes the next character an ordinary one.
    pub escape: Option<u8>,
    /// The first byte of lines that are comments.
    pub comment: Option<u8>,
    /// The names of the columns; otherwise the first record names them.
    pub columns: Option<Vec<String>>,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect { delimiter: b',', quote: Some(b'"'), escape: None, comment: None, columns: None }
    }
}

/// The form that is hashed: a line for each key.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Dialect { delimiter, quote, escape, comment, columns } = self;
        write!(f, "delimiter {delimiter}")?;
        for (name, byte) in [("quote", quote), ("escape", escape), ("comment", comment)] {
            if let Some(byte) = byte {
                write!(f, "\n{name} {byte}")?;
            }
        }
        match columns {
            Some(names) => write!(f, "\ncolumns {names:?}"),
            None => Ok(()),
        }
    }
}

impl Dialect {
    /// What separates records: only quotes can enclose a line end.
    pub(super) fn framing(&self) -> Framing {
        let Dialect { delimiter, quote, escape, comment, .. } = *self;
        match (quote, comment) {
            (Some(quote), _) => Framing::Quoted(Quotes { delimiter, quote, escape, comment }),
            (None, Some(comment)) => Framing::Commented(comment),
            (None, None) => Framing::Lines,
        }
    }
}

/// One record of values.
#[derive(Clone, Debug)]
pub struct Csv {
    dialect: Dialect,
    framing: Framing,
    wants: Wants,
}

/// The columns of the current header.
#[derive(Default)]
pub struct Scratch {
    /// The reader and the header that they were made for.
    of: Option<(Wants, Preamble)>,
    columns: Option<Columns>,
    /// The header, if it names the columns.
    header: Vec<u8>,
}

impl Csv {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(dialect: Dialect, paths: &[Vec<S>], extras: Extras) -> Csv {
        let framing = dialect.framing();
        Csv { dialect, framing, wants: Wants::new(paths, extras) }
    }

    /// The columns that a header names.
    fn columns_of(&self, header: &str) -> Result<Columns, Malformed> {
        let (arena, mut names) = (Bump::new(), Vec::new());
        let mut values = Values { dialect: &self.dialect, text: header, at: Some(0), arena: &arena };
        while let Some(name) = values.next()? {
            names.push(name);
        }
        Ok(self.wants.columns(&names_apart(&names)))
    }

    fn is_comment(&self, record: &[u8]) -> bool {
        self.dialect.comment.is_some() && record.first() == self.dialect.comment.as_ref()
    }
}

/// The names in a header, made unique: the second `a` is `a_2`, unless another column has that name.
fn names_apart<'h>(header: &[&'h str]) -> Vec<Cow<'h, str>> {
    let given: HashSet<&str> = header.iter().copied().collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let apart = header.iter().map(|&name| {
        let count = counts.entry(name).or_default();
        *count += 1;
        if *count == 1 {
            return Cow::Borrowed(name);
        }
        loop {
            let numbered = format!("{name}_{count}");
            if !given.contains(numbered.as_str()) {
                return Cow::Owned(numbered);
            }
            *count += 1;
        }
    });
    apart.collect()
}

impl Format for Csv {
    type Scratch = Scratch;

    fn framing(&self) -> &Framing {
        &self.framing
    }

    fn is_settled(&self, preamble: &Preamble) -> bool {
        self.dialect.columns.is_some() || !preamble.bytes().is_empty()
    }

    fn follow(&self, chunk: Chunk<'_>) -> Preamble {
        let mut records = self.framing.records(chunk.bytes).filter(|record| {
            !is_blank(record.bytes)
                && !self.is_comment(record.bytes)
                && record.bytes.len() <= chunk.record_bytes_max
        });
        let header = records.find_map(|record| record.text.filter(|text| self.columns_of(text).is_ok()));
        Preamble::new(header.unwrap_or_default().as_bytes())
    }

    fn begin(&self, preamble: &Preamble, scratch: &mut Scratch) {
        let is_same = |(wants, header): &(Wants, Preamble)| wants.are(&self.wants) && header == preamble;
        if scratch.of.as_ref().is_some_and(is_same) && scratch.columns.is_some() {
            return;
        }
        scratch.of = Some((self.wants.clone(), preamble.clone()));
        let header = preamble.bytes();
        scratch.header.clear();
        if self.dialect.columns.is_none() {
            scratch.header.extend_from_slice(header);
        }
        scratch.columns = match &self.dialect.columns {
            Some(names) => Some(self.wants.columns(names)),
            None if header.is_empty() => None,
            None => Some(self.columns_of(&String::from_utf8_lossy(header)).unwrap_or_default()),
        };
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        scratch: &'r mut Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        if self.is_comment(input.raw) {
            return Ok(Parsed::Skipped);
        }
        let text = input.utf8()?;
        if scratch.columns.is_none() {
            scratch.of = None;
            scratch.columns = Some(self.columns_of(text)?);
            scratch.header = text.as_bytes().to_vec();
            return Ok(Parsed::Skipped);
        }
        let columns = scratch.columns.as_ref().expect("just looked at");
        record.begin_columns(columns, &input);
        record.outside = &scratch.header;
        let mut values = Values { dialect: &self.dialect, text, at: Some(0), arena: input.arena };
        let mut count = 0;
        while let Some(value) = values.next()? {
            if count < columns.len() {
                record.put(columns, count, value);
            }
            count += 1;
        }
        if count != columns.len() {
            return Err(Malformed::column_count(count, columns.len()));
        }
        record.end();
        Ok(Parsed::Record)
    }
}

/// The initial memory of a value that is assembled.
const MADE_BYTES: usize = 64;

/// The values of a record, borrowed from it unless they must be assembled.
struct Values<'d, 'r> {
    dialect: &'d Dialect,
    text: &'r str,
    /// The start of the next value, if there is one.
    at: Option<usize>,
    arena: &'r Bump,
}

impl<'r> Values<'_, 'r> {
    #[inline(always)]
    fn next(&mut self) -> Result<Option<&'r str>, Malformed> {
        let Some(start) = self.at else { return Ok(None) };
        let bytes = self.text.as_bytes();
        let Dialect { delimiter, quote, escape, .. } = *self.dialect;
        let opening = quote.filter(|quote| bytes.get(start) == Some(quote));
        if opening.is_none() && escape.is_none() {
            let end = find([delimiter], bytes, start);
            self.at = end.map(|end| end + 1);
            return Ok(self.text.get(start..end.unwrap_or(bytes.len())));
        }
        // Most quoted values contain no quote.
        if let Some(quote) = opening
            && let Some(end) = find([quote, escape.unwrap_or(quote)], bytes, start + 1)
            && bytes[end] == quote
            && bytes.get(end + 1).is_none_or(|&byte| byte == delimiter)
        {
            self.at = (end + 1 < bytes.len()).then_some(end + 2);
            return Ok(self.text.get(start + 1..end));
        }
        self.put_together(start, opening).map(Some)
    }

    /// A value with escapes, with doubled quotes, or with text after its quotes.
    #[inline(never)]
    fn put_together(&mut self, start: usize, opening: Option<u8>) -> Result<&'r str, Malformed> {
        let Dialect { delimiter, escape, .. } = *self.dialect;
        let (text, mut at) = (self.text, start + usize::from(opening.is_some()));
        let mut out = ArenaString::with_capacity_in(MADE_BYTES, self.arena);
        // Directly after quotes an escape is a character.
        let (mut open, mut is_behind) = (opening, false);
        self.at = None;
        loop {
            let ends = open.unwrap_or(delimiter);
            let from =
                at + usize::from(is_behind && escape.is_some() && text.as_bytes().get(at) == escape.as_ref());
            is_behind = false;
            let Some(end) = find([ends, escape.unwrap_or(ends)], text.as_bytes(), from) else {
                out.push_str(&text[at..]);
                break;
            };
            out.push_str(&text[at..end]);
            at = end + 1;
            if escape == Some(text.as_bytes()[end]) {
                if let Some(escaped) = text[at..].chars().next() {
                    out.push(escaped);
                    at += escaped.len_utf8();
                }
            } else if open.is_none() {
                self.at = Some(at);
                break;
            } else if text.as_bytes().get(at) == Some(&ends) {
                out.push(char::from(ends));
                at += 1;
            } else {
                (open, is_behind) = (None, true);
            }
        }
        if open.is_some() {
            return Err(Malformed::no_match("a quote that is not closed", start));
        }
        Ok(out.into_bump_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Counted, Memory, Raw, each_record};
    use super::*;

    /// What a source comes to, read in chunks that end behind these records.
    fn read(csv: &Csv, text: &[u8], bytes_max: usize) -> (Vec<String>, Counted) {
        let (mut found, mut all, mut memory) = (Vec::new(), Counted::default(), Memory::default());
        let (mut preamble, mut start) = (Preamble::default(), 0);
        while start < text.len() {
            let ends = csv.framing.records(&text[start..]).map(|record| record.end);
            let length = ends.into_iter().find(|&end| end >= bytes_max).unwrap_or(text.len() - start);
            let bytes = &text[start..start + length];
            let chunk = Chunk { bytes, preamble: &preamble, record_bytes_max: 1000 };
            let counted = each_record(csv, chunk, &mut memory, |_, record, _| {
                found.push(match record {
                    Ok(record) => {
                        let members = record.root().members().map(|(name, item)| match item.raw() {
                            Raw::Text(text) => format!("{name}={text}"),
                            other => panic!("{other:?} is no text"),
                        });
                        members.collect::<Vec<_>>().join("|")
                    }
                    Err(fault) => fault.code.to_string(),
                });
            });
            all.lines += counted.lines;
            all.blank += counted.blank;
            all.skipped += counted.skipped;
            all.records += counted.records;
            all.record_lines += counted.record_lines;
            if !csv.is_settled(&preamble) {
                preamble = csv.follow(chunk);
            }
            start += length;
        }
        (found, all)
    }

    fn all_of(dialect: Dialect) -> Csv {
        Csv::new::<&str>(dialect, &[], Extras::Gathered)
    }

    #[test]
    fn a_header_names_the_values() {
        let csv = all_of(Dialect { comment: Some(b'#'), ..Dialect::default() });
        let text =
            b"# made by hand\r\n\r\na,\"b \"\"c\"\"\"\r\n1,\"x\r\ny\"\r\n2\n#,\n3,4,5\n,\"\"\"\"\n\"6\"7,8";
        for bytes_max in 1..text.len() {
            let (found, counted) = read(&csv, text, bytes_max);
            assert_eq!(
                found,
                ["a=1|b \"c\"=x\r\ny", "column_count", "column_count", "a=|b \"c\"=\"", "a=67|b \"c\"=8"]
            );
            assert_eq!(
                counted,
                Counted {
                    lines: 10,
                    blank: 1,
                    skipped: 3,
                    records: 5,
                    record_lines: 6,
                    ..Counted::default()
                },
                "in chunks of {bytes_max} bytes"
            );
        }
    }

    #[test]
    fn columns_of_one_name_are_told_apart() {
        let csv = all_of(Dialect::default());
        assert_eq!(read(&csv, b"a,a,,b,a_2,,a\n1,2,3,4,5,6,7\n", 1).0, ["a=1|a_3=2|=3|b=4|a_2=5|_2=6|a_4=7"]);
        let header = ["a"; 3000];
        assert_eq!(names_apart(&header).iter().collect::<HashSet<_>>().len(), header.len());
    }

    #[test]
    fn a_job_may_name_the_columns() {
        let columns = Some(vec!["x".to_owned(), "y".to_owned()]);
        let csv = all_of(Dialect { delimiter: b'\t', quote: None, columns, ..Dialect::default() });
        assert_eq!(read(&csv, b"a\t\"b\nc\td", 1).0, ["x=a|y=\"b", "x=c|y=d"]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_a_reject() {
        let csv = all_of(Dialect::default());
        assert_eq!(read(&csv, b"a\n\"1\n2\n", 100).0, ["no_match"]);
        assert_eq!(read(&csv, b"a\n1\n\xff\n", 100).0, ["a=1", "invalid_utf8"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_reads_what_the_plain_reader_reads(
            text in proptest::collection::vec(
                prop_oneof![3 => Just(b'"'), 3 => Just(b','), 2 => Just(b'\n'), 1 => Just(b'\\'), 2 => Just(b'x'), 1 => Just(b' '), 1 => any::<u8>()],
                0..50,
            ),
            has_escape in any::<bool>(),
            bytes_max in 1_usize..40,
        ) {
            let dialect = Dialect { escape: has_escape.then_some(b'\\'), ..Dialect::default() };
            let csv = all_of(dialect.clone());
            let expected = plain::read(&dialect, &text);
            prop_assert_eq!(read(&csv, &text, bytes_max).0, expected);
        }
    }
}
