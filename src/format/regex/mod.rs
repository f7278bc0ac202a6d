//! Records cut by a regular expression: its named groups are the fields.
//!
//! The pattern is searched for anywhere in the record unless it is anchored, like `re.search` in Python. A
//! record without a match is `no_match`; a group that did not take part in the match is an absent field.
//! `%{NAME:field}` stands for a pattern of the [`library`].

mod library;

use std::fmt;

use regex::{CaptureLocations, Regex};

use super::columns::Columns;
use super::usual::{Holds, Usual};
use super::{Extras, Format, Input, Malformed, Parsed, Preamble, Record, Wanted};
use crate::source::Framing;

/// A pattern whose named groups are fields.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
    /// The name of each field, and its group.
    groups: Vec<(String, usize)>,
}

impl Pattern {
    /// Reads a pattern; an error says what is wrong with it.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let regex = Regex::new(&library::expand(text)?).map_err(|error| error.to_string())?;
        let named = regex.capture_names().enumerate();
        let groups: Vec<_> = named.filter_map(|(group, name)| Some((name?.to_owned(), group))).collect();
        if groups.is_empty() {
            return Err(
                "it has no named group; a field is a group with its name, as in (?P<message>.*)".to_owned()
            );
        }
        Ok(Pattern { text: text.to_owned(), regex, groups })
    }

    /// The names of its fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(name, _)| name.as_str())
    }

    /// Its fields, of which only the names are known.
    pub(super) fn usual_fields(&self) -> Vec<Usual<'_>> {
        let usual = |name| Usual { name, holds: Holds::Anything, is_required: false };
        self.fields().map(usual).collect()
    }
}

/// As it is written.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One match per record.
#[derive(Clone, Debug)]
pub struct Matched {
    regex: Regex,
    /// The group of each column.
    groups: Vec<usize>,
    columns: Columns,
    framing: Framing,
}

/// The positions of the groups in the last match.
#[derive(Default)]
pub struct Scratch(Option<CaptureLocations>);

impl Matched {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(
        pattern: &Pattern,
        framing: Framing,
        paths: &[Vec<S>],
        extras: Extras,
    ) -> Matched {
        let names: Vec<&str> = pattern.fields().collect();
        let columns = Columns::new(&names, &Wanted::new(paths), paths.len(), extras);
        let groups = pattern.groups.iter().map(|(_, group)| *group).collect();
        Matched { regex: pattern.regex.clone(), groups, columns, framing }
    }
}

impl Format for Matched {
    type Scratch = Scratch;

    fn framing(&self) -> &Framing {
        &self.framing
    }

    fn begin(&self, _: &Preamble, Scratch(locations): &mut Scratch) {
        // Those of another pattern serve as well, if the number is the same.
        if locations.as_ref().is_none_or(|locations| locations.len() != self.regex.captures_len()) {
            *locations = Some(self.regex.capture_locations());
        }
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        Scratch(locations): &'r mut Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        let text = input.utf8()?;
        let locations = locations.as_mut().expect("made for the chunk");
        if self.regex.captures_read(locations, text).is_none() {
            return Err(Malformed::no_match("a record in which the pattern is not found", 0));
        }
        record.begin_columns(&self.columns, &input);
        for (column, &group) in self.groups.iter().enumerate() {
            if let Some((start, end)) = locations.get(group) {
                record.put(&self.columns, column, &text[start..end]);
            }
        }
        record.end();
        Ok(Parsed::Record)
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;
    use proptest::prelude::*;

    use super::super::{Memory, Raw, each_record};
    use super::*;

    const LOG_ENTRY: &str = r"^(?P<timestamp>\S+) (?P<severity>[A-Z]+) (?P<module>\S*): (?P<message>.*)$";

    fn paths() -> [Vec<&'static str>; 3] {
        [vec!["severity"], vec!["message"], vec!["nope"]]
    }

    /// The slots and the extras of each record, or its fault.
    fn read(format: &Matched, text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let preamble = Preamble::default();
        let chunk = super::super::Chunk { bytes: text, preamble: &preamble, record_bytes_max: 1000 };
        each_record(format, chunk, &mut Memory::default(), |_, record, _| {
            found.push(match record {
                Ok(record) => {
                    let slots: Vec<_> = (0..3).map(|slot| record.get(slot).map(|item| item.raw())).collect();
                    let extras: Vec<_> = record.extras().map(|(key, item)| (key, item.raw())).collect();
                    format!("{slots:?} {extras:?}")
                }
                Err(fault) => fault.code.to_string(),
            });
        });
        found
    }

    /// The same, by captures as the crate hands them out.
    fn read_plainly(pattern: &Pattern, record: &[u8], extras: Extras) -> String {
        let Ok(text) = std::str::from_utf8(record) else { return "invalid_utf8".to_owned() };
        let Some(captures) = pattern.regex.captures(text) else { return "no_match".to_owned() };
        let value = |name: &str| captures.name(name).map(|group| Raw::Text(group.as_str()));
        let slots = [value("severity"), value("message"), None];
        let others = pattern.fields().filter(|name| !["severity", "message"].contains(name));
        let gathered: Vec<_> = match extras {
            Extras::Gathered => others.filter_map(|name| Some((name, value(name)?))).collect(),
            Extras::Ignored => Vec::new(),
        };
        format!("{:?} {gathered:?}", slots.as_slice())
    }

    #[test]
    fn groups_are_fields() {
        let pattern = Pattern::new(LOG_ENTRY).expect("a pattern");
        let format = Matched::new(&pattern, Framing::Lines, &paths(), Extras::Gathered);
        assert_eq!(
            read(&format, b"2023-10-27 INFO db: it is up\nno\n\xff\n2023-10-27 WARN : \n"),
            [
                r#"[Some(Text("INFO")), Some(Text("it is up")), None] [("timestamp", Text("2023-10-27")), ("module", Text("db"))]"#,
                "no_match",
                "invalid_utf8",
                r#"[Some(Text("WARN")), Some(Text("")), None] [("timestamp", Text("2023-10-27")), ("module", Text(""))]"#,
            ]
        );
    }

    #[test]
    fn a_group_that_took_no_part_is_absent() {
        let pattern = Pattern::new(r"(?P<message>a)|(?P<severity>b)").expect("a pattern");
        let format = Matched::new(&pattern, Framing::Lines, &paths(), Extras::Ignored);
        assert_eq!(
            read(&format, b"b\nxa"),
            ["[Some(Text(\"b\")), None, None] []", "[None, Some(Text(\"a\")), None] []"]
        );
    }

    #[test]
    fn a_stack_trace_is_one_record() {
        let pattern = Pattern::new(r"(?s)^\d+ (?P<severity>\w+) (?P<message>.*)$").expect("a pattern");
        let starts = Framing::Starts(regex::bytes::Regex::new(r"^\d").expect("a pattern"));
        let format = Matched::new(&pattern, starts, &paths(), Extras::Ignored);
        assert_eq!(
            read(&format, b"1 ERROR it\n  at a\n  at b\n2 INFO x\n"),
            [
                r#"[Some(Text("ERROR")), Some(Text("it\n  at a\n  at b")), None] []"#,
                r#"[Some(Text("INFO")), Some(Text("x")), None] []"#,
            ]
        );
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        assert!(Pattern::new("(").expect_err("unclosed").contains("unclosed group"));
        assert!(Pattern::new("a").expect_err("no group").contains("no named group"));
        assert!(Pattern::new("%{NOPE:x}").expect_err("unknown").contains("NOPE"));
    }

    proptest! {
        #[test]
        fn it_reads_what_the_crate_captures(
            records in proptest::collection::vec("(2023-10-27|x) ?(INFO|warn|ä)? ?[a-z.]{0,3}:? [a-z ü\"]{0,8}", 1..20),
            noise in proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n' && *byte != b'\r'), 1..20),
            gathered in any::<bool>(),
        ) {
            let extras = if gathered { Extras::Gathered } else { Extras::Ignored };
            let pattern = Pattern::new(LOG_ENTRY).expect("a pattern");
            let format = Matched::new(&pattern, Framing::Lines, &paths(), extras);
            let mut lines: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
            lines.push(&noise);
            let lines: Vec<&[u8]> = lines.into_iter().filter(|line| !crate::source::is_blank(line)).collect();
            let expected: Vec<_> = lines.iter().map(|line| read_plainly(&pattern, line, extras)).collect();
            prop_assert_eq!(read(&format, &lines.join(&b'\n')), expected);
        }
    }

    #[test]
    fn values_live_as_long_as_their_record() {
        // The names are the format's, the texts the record's, and the places are reused.
        let pattern = Pattern::new(r"(?P<message>.+)").expect("a pattern");
        let format = Matched::new(&pattern, Framing::Lines, &paths(), Extras::Ignored);
        let (arena, mut scratch) = (Bump::new(), Scratch::default());
        format.begin(&Preamble::default(), &mut scratch);
        let mut spare = Record::default();
        for line in [&b"one"[..], b"two"] {
            let mut record = spare.reset();
            format.parse(Input::new(line, &arena), &mut scratch, &mut record).expect("a record");
            assert_eq!(record.get(1).expect("present").to_string().as_bytes(), line);
            spare = record.reset();
        }
    }
}
