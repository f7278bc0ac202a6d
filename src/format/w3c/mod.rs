//! The extended log format of the W3C, as IIS, CloudFront and many proxies write it.
//!
//! A line that begins with `#` is a directive. `#Fields:` names the values of the lines after it, and
//! can be repeated with other names. Values are separated by single blanks, or by tabs if the line has
//! any. A quoted value may contain both, and a doubled quote in it is a character. Values are kept as
//! written (`+` for a blank, `%20`): only the writer knows what else `+` may mean.
//!
//! Two fields are derived if the schema wants them and the log lacks them: `date` from the last `#Date:`,
//! where some logs name the day only there, and `timestamp` from `date` and `time`.

#[cfg(test)]
mod plain;

use bumpalo::Bump;
use bumpalo::collections::String as ArenaString;
use memchr::memchr;

use super::columns::{Columns, Wants};
use super::directives::{Directed, Directives, KindOf, Known, MARK};
use super::{Chunk, Extras, Format, Input, Malformed, Parsed, Preamble, Record};
use crate::source::Framing;

/// One line of values per record.
#[derive(Clone, Debug)]
pub struct W3c {
    wants: Wants,
    /// The derived fields: `date` and `timestamp`.
    made: Columns,
}

/// What the directives say.
#[derive(Default)]
pub struct Said {
    columns: Columns,
    /// The columns that hold the date, the time, and both.
    date: Option<usize>,
    time: Option<usize>,
    timestamp: Option<usize>,
    /// The day of the last `#Date:`.
    day: Option<String>,
    /// The part of the directives that affects rows.
    outside: Vec<u8>,
}

/// The directives that are kept.
fn kind_of(line: &[u8]) -> Option<u8> {
    ["#fields:", "#date:"].iter().zip(1..).find_map(|(name, kind)| {
        let start = line.get(..name.len())?;
        start.eq_ignore_ascii_case(name.as_bytes()).then_some(kind)
    })
}

impl W3c {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(paths: &[Vec<S>], extras: Extras) -> W3c {
        let wants = Wants::new(paths, extras);
        W3c { made: wants.columns_without_extras(&["date", "timestamp"]), wants }
    }
}

impl Directed for W3c {
    type Said = Said;

    const KIND_OF: KindOf = kind_of;

    fn wants(&self) -> &Wants {
        &self.wants
    }

    fn read(&self, directives: &Directives) -> Said {
        let mut said = Said::default();
        for line in directives.lines() {
            let value = line.split_once(':').map_or("", |(_, value)| value);
            match kind_of(line.as_bytes()) {
                Some(1) => {
                    let names: Vec<&str> = value.split_ascii_whitespace().collect();
                    let place = |name: &str| names.iter().rposition(|&other| other == name);
                    said.date = place("date");
                    said.time = place("time");
                    said.timestamp = place("timestamp");
                    said.columns = self.wants.columns(&names);
                }
                Some(2) => said.day = day(value.trim_ascii_start()).map(str::to_owned),
                _ => {}
            }
        }
        let names = directives.lines().filter(|line| kind_of(line.as_bytes()) == Some(1));
        // The day of the directive only matters if the lines have no date.
        let day = said.day.as_deref().filter(|_| said.date.is_none());
        said.outside = names.chain(day).collect::<Vec<_>>().join("\n").into_bytes();
        said
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
    type Scratch = Known<Said>;

    fn framing(&self) -> &Framing {
        &Framing::Commented(MARK)
    }

    fn is_settled(&self, _: &Preamble) -> bool {
        false
    }

    fn follow(&self, chunk: Chunk<'_>) -> Preamble {
        Directives::behind(chunk, kind_of)
    }

    fn begin(&self, preamble: &Preamble, known: &mut Known<Said>) {
        known.begin(self, preamble);
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        known: &'r mut Known<Said>,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        if known.take(self, input.raw) {
            return Ok(Parsed::Skipped);
        }
        let text = input.utf8()?;
        let Said { columns, date, time, timestamp, day, outside } = &known.said;
        if columns.len() == 0 {
            return Err(Malformed::no_match("values that no #Fields: names", 0));
        }
        record.begin_columns(columns, &input);
        record.outside = outside;
        let (mut found_date, mut found_time) = (day.as_deref(), None);
        let mut values = Values::new(text, input.arena);
        let mut count = 0;
        while let Some(value) = values.next() {
            // Some writers put a blank after the last value too.
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

/// A date and a time in one text, if both are there.
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

/// The values of a line, borrowed from it unless they contain a doubled quote.
struct Values<'r> {
    text: &'r str,
    delimiter: u8,
    /// The start of the next value, if there is one.
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

    /// The quoted value whose content begins at `start`, if a delimiter follows its closing quote.
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
