//! The extended log format of the W3C, as IIS, CloudFront and many proxies write it.
//!
//! A line that begins with `#` is a directive. The last `#Fields:` names the values of the lines
//! behind it, and a file may have many, each with other names. Values stand between single blanks,
//! or between tabs in a line that has one; one in quotes may hold either, and a doubled quote in it is
//! a character. They are kept as they are written (`+` for a blank, `%20`): what else `+` may mean
//! only the writer knows.
//!
//! Two fields are made where a schema asks for them and the log does not have them: `date`, out of
//! the last `#Date:`, which is all that some logs have of it, and `timestamp`, out of `date` and
//! `time`.

#[cfg(test)]
mod plain;

use std::sync::Arc;

use bumpalo::Bump;
use bumpalo::collections::String as ArenaString;
use memchr::memchr;

use super::columns::Columns;
use super::directives::{Directives, MARK};
use super::{Chunk, Extras, Format, Input, Malformed, Parsed, Preamble, Record, Wanted};
use crate::reject::{Stage, code};
use crate::source::Framing;

/// One line of values per record.
#[derive(Clone, Debug)]
pub struct W3c {
    wanted: Arc<Wanted>,
    slots: usize,
    extras: Extras,
    /// The fields that are made: the date and the stamp.
    made: Columns,
    framing: Framing,
}

/// What the directives say.
#[derive(Default)]
pub struct Scratch {
    /// For whom it was read.
    wanted: Option<Arc<Wanted>>,
    directives: Directives,
    columns: Columns,
    /// Which of them is the date, which the time, and which the two together.
    date: Option<usize>,
    time: Option<usize>,
    timestamp: Option<usize>,
    /// The day of the last `#Date:`.
    day: Option<String>,
    /// What of the directives decides a row.
    outside: Vec<u8>,
}

/// What of the directives is kept.
fn kind_of(line: &[u8]) -> Option<u8> {
    ["#fields:", "#date:"].iter().zip(1..).find_map(|(name, kind)| {
        let start = line.get(..name.len())?;
        start.eq_ignore_ascii_case(name.as_bytes()).then_some(kind)
    })
}

impl W3c {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(paths: &[Vec<S>], extras: Extras) -> W3c {
        let (wanted, slots, framing) = (Wanted::new(paths), paths.len(), Framing::Commented(MARK));
        let made = Columns::new(&["date", "timestamp"], &wanted, slots, Extras::Ignored);
        W3c { wanted: Arc::new(wanted), slots, extras, made, framing }
    }

    /// Reads what was kept of the directives.
    fn read(&self, directives: Directives) -> Scratch {
        let mut scratch = Scratch { wanted: Some(Arc::clone(&self.wanted)), ..Scratch::default() };
        for line in directives.lines() {
            let value = line.split_once(':').map_or("", |(_, value)| value);
            match kind_of(line.as_bytes()) {
                Some(1) => {
                    let names: Vec<&str> = value.split_ascii_whitespace().collect();
                    let place = |name: &str| names.iter().rposition(|&other| other == name);
                    scratch.date = place("date");
                    scratch.time = place("time");
                    scratch.timestamp = place("timestamp");
                    scratch.columns = Columns::new(&names, &self.wanted, self.slots, self.extras);
                }
                Some(2) => scratch.day = day(value.trim_ascii_start()).map(str::to_owned),
                _ => {}
            }
        }
        let names = directives.lines().filter(|line| kind_of(line.as_bytes()) == Some(1));
        // Every file has a day of its own, which matters only where its lines have none.
        let day = scratch.day.as_deref().filter(|_| scratch.date.is_none());
        scratch.outside = names.chain(day).collect::<Vec<_>>().join("\n").into_bytes();
        scratch.directives = directives;
        scratch
    }
}

/// The day that a `#Date:` begins with.
fn day(value: &str) -> Option<&str> {
    let day = value.get(..10)?;
    let is_digit = |place: usize| day.as_bytes()[place].is_ascii_digit();
    let is_day = (0..10).all(|place| match place {
        4 | 7 => day.as_bytes()[place] == b'-',
        _ => is_digit(place),
    });
    is_day.then_some(day)
}

impl Format for W3c {
    type Scratch = Scratch;

    fn framing(&self) -> &Framing {
        &self.framing
    }

    fn is_settled(&self, _: &Preamble) -> bool {
        false
    }

    fn follow(&self, chunk: Chunk<'_>) -> Preamble {
        Directives::behind(chunk, kind_of)
    }

    fn begin(&self, preamble: &Preamble, scratch: &mut Scratch) {
        let is_same = scratch.wanted.as_ref().is_some_and(|wanted| Arc::ptr_eq(wanted, &self.wanted));
        if !is_same || !scratch.directives.are(preamble) {
            *scratch = self.read(Directives::before(preamble));
        }
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        scratch: &'r mut Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        if input.raw.first() == Some(&MARK) {
            if scratch.directives.put(input.raw, kind_of) {
                *scratch = self.read(std::mem::take(&mut scratch.directives));
            }
            return Ok(Parsed::Skipped);
        }
        let text = input.utf8()?;
        let Scratch { columns, date, time, timestamp, day, outside, .. } = &*scratch;
        if columns.len() == 0 {
            let what = "values that no #Fields: names";
            return Err(Malformed { stage: Stage::Parse, code: code::NO_MATCH, what, at: 0 });
        }
        record.begin_columns(columns, &input);
        record.outside = outside;
        let (mut found_date, mut found_time) = (day.as_deref(), None);
        let mut values = Values::new(text, input.arena);
        let mut count = 0;
        while let Some(value) = values.next() {
            // Some writers put a blank behind the last value too.
            if count == columns.len() && value.is_empty() && values.at.is_none() {
                break;
            }
            if count < columns.len() {
                record.put(columns, count, value);
                if Some(count) == *time {
                    found_time = Some(value);
                }
                if Some(count) == *date {
                    found_date = Some(value);
                }
            }
            count += 1;
        }
        if count != columns.len() {
            return Err(Malformed::column_count(count, columns.len()));
        }
        if let Some(found) = found_date {
            if date.is_none() {
                record.put(&self.made, 0, found);
            }
            if let Some(time) = found_time.filter(|_| timestamp.is_none() && self.made.is_wanted(1))
                && let Some(stamp) = stamp(found, time, input.arena)
            {
                record.put(&self.made, 1, stamp);
            }
        }
        record.end();
        Ok(Parsed::Record)
    }
}

/// A date and a time as one, if they are given.
fn stamp<'r>(date: &str, time: &str, arena: &'r Bump) -> Option<&'r str> {
    if [date, time].iter().any(|text| matches!(*text, "" | "-")) {
        return None;
    }
    let mut stamp = ArenaString::with_capacity_in(date.len() + 1 + time.len(), arena);
    stamp.push_str(date);
    stamp.push(' ');
    stamp.push_str(time);
    Some(stamp.into_bump_str())
}

/// The values of a line. One is borrowed from it unless it holds a doubled quote.
struct Values<'r> {
    text: &'r str,
    delimiter: u8,
    /// Where the next one starts, if there is one.
    at: Option<usize>,
    arena: &'r Bump,
}

impl<'r> Values<'r> {
    fn new(text: &'r str, arena: &'r Bump) -> Values<'r> {
        let delimiter = if memchr(b'\t', text.as_bytes()).is_some() { b'\t' } else { b' ' };
        Values { text, delimiter, at: Some(0), arena }
    }

    fn next(&mut self) -> Option<&'r str> {
        let start = self.at?;
        let rest = self.text.get(start..)?;
        if rest.starts_with('"')
            && let Some(value) = self.quoted(start + 1)
        {
            return Some(value);
        }
        let end = memchr(self.delimiter, rest.as_bytes());
        self.at = end.map(|end| start + end + 1);
        rest.get(..end.unwrap_or(rest.len()))
    }

    /// The value whose quotes open before `start`, if they close before a delimiter.
    fn quoted(&mut self, start: usize) -> Option<&'r str> {
        let bytes = self.text.as_bytes();
        let (mut at, mut is_doubled) = (start, false);
        let end = loop {
            at += memchr(b'"', &bytes[at..])?;
            match bytes.get(at + 1) {
                Some(b'"') => (at, is_doubled) = (at + 2, true),
                Some(&byte) if byte != self.delimiter => return None,
                _ => break at,
            }
        };
        self.at = (end + 1 < bytes.len()).then_some(end + 2);
        let value = self.text.get(start..end)?;
        if !is_doubled {
            return Some(value);
        }
        let mut single = ArenaString::with_capacity_in(value.len(), self.arena);
        let mut rest = value;
        while let Some(quote) = memchr(b'"', rest.as_bytes()) {
            single.push_str(&rest[..=quote]);
            rest = &rest[quote + 2..];
        }
        single.push_str(rest);
        Some(single.into_bump_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Shown, shown, shown_in_chunks, text_of};
    use super::*;

    fn all() -> W3c {
        W3c::new::<&str>(&[], Extras::Gathered)
    }

    const IIS: &str = "#Software: Microsoft Internet Information Services 10.0\r\n#Version: 1.0\r\n\
        #Date: 2023-10-27 00:00:05\r\n#Fields: time c-ip cs-uri-query\r\n00:00:05 ::1 a=1+2\r\n\
        #Fields: c-ip cs(User-Agent)\r\n::1 Mozilla/5.0+(X11)\r\n\r\n::1 a b\r\n";

    #[test]
    fn the_last_fields_name_the_values() {
        let Shown { records, counted } = shown(&all(), IIS.as_bytes());
        assert_eq!(
            records,
            [
                r#"{"time":"00:00:05","c-ip":"::1","cs-uri-query":"a=1+2"}"#,
                r#"{"c-ip":"::1","cs(User-Agent)":"Mozilla/5.0+(X11)"}"#,
                "column_count",
            ]
        );
        assert_eq!((counted.lines, counted.skipped, counted.blank, counted.records), (9, 5, 1, 3));
    }

    #[test]
    fn values_before_any_fields_match_nothing() {
        assert_eq!(shown(&all(), b"a b\n#Fields: x\na\n").records, ["no_match", r#"{"x":"a"}"#]);
    }

    #[test]
    fn values_stand_between_blanks_tabs_or_quotes() {
        for (line, expected) in [
            ("a - c", r#"{"x":"a","y":"-","z":"c"}"#),
            ("a\tb b\t%20", r#"{"x":"a","y":"b b","z":"%20"}"#),
            ("a  c", r#"{"x":"a","y":"","z":"c"}"#),
            ("a b c ", r#"{"x":"a","y":"b","z":"c"}"#),
            ("a b c  ", "column_count"),
            (r#""a b" "say ""no""" "#, r#"{"x":"a b","y":"say \"no\"","z":""}"#),
            (r#"" "a" ""#, r#"{"x":"\"","y":"a","z":"\""}"#),
            (r#""a"b c d"#, r#"{"x":"\"a\"b","y":"c","z":"d"}"#),
            ("a b", "column_count"),
        ] {
            let text = format!("#fields:  x y\tz\n{line}\n");
            assert_eq!(shown(&all(), text.as_bytes()).records, [expected], "{line}");
        }
    }

    #[test]
    fn a_date_and_a_stamp_are_made_where_they_are_wanted() {
        let of = |text: &str| {
            let format = W3c::new(&[vec!["timestamp"], vec!["date"]], Extras::Gathered);
            shown(&format, text.as_bytes()).records
        };
        let dated = "#Date: 2002-05-02 17:42:15 // comment\n#Fields: time x\n17:43:00 a\n";
        assert_eq!(
            of(dated),
            [r#"{"time":"17:43:00","x":"a","date":"2002-05-02","timestamp":"2002-05-02 17:43:00"}"#]
        );
        assert_eq!(
            of("#Date: 2002-05-02\n#Fields: date time\n2023-10-27 01:02:03\n- 01:02:03\n"),
            [
                r#"{"date":"2023-10-27","time":"01:02:03","timestamp":"2023-10-27 01:02:03"}"#,
                r#"{"date":"-","time":"01:02:03"}"#,
            ]
        );
        assert_eq!(of("#Date: soon\n#Fields: time\n01:02:03\n"), [r#"{"time":"01:02:03"}"#]);
        assert_eq!(
            of("#Date: 2002-05-02\n#Fields: timestamp\nx\n"),
            [r#"{"timestamp":"x","date":"2002-05-02"}"#]
        );
    }

    const PIECES: [&[u8]; 20] = [
        b"\n",
        b"\n",
        b"\n",
        b"\r\n",
        b" ",
        b" ",
        b" ",
        b"\t",
        b"\"",
        b"\"",
        b"#",
        b"\n#Fields: a b",
        b"\n#Fields: a b",
        b"#fields:date time",
        b"\n#Date: 2023-10-27",
        b"x",
        b"x",
        b"-",
        b"\xc3\xa4",
        b"\xff",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_reads_what_the_plain_reader_reads(
            text in text_of(&PIECES),
            bytes_max in 1_usize..40,
        ) {
            let format = W3c::new(&[vec!["timestamp"], vec!["date"], vec!["a"]], Extras::Gathered);
            let expected = plain::read(&text);
            prop_assert_eq!(&shown(&format, &text).records, &expected);
            prop_assert_eq!(shown_in_chunks(&format, &text, bytes_max), shown(&format, &text));
        }
    }
}
