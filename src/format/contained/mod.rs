//! The output of programs in containers: records of another format within the lines of the runtime.
//!
//! The framing decides which lines belong together, and this module joins them. The time, the stream and
//! the service that the runtime adds become fields of the record, under our own names. A record of several
//! lines has those of its first line.

#[cfg(test)]
mod plain;

use std::ops::Range;

use bumpalo::collections::Vec as ArenaVec;
use memchr::memchr;

use super::columns::Columns;
use super::usual::{Holds, Usual};
use super::{
    Access, Extras, Format, Input, Json, JsonScratch, Logfmt, Malformed, Matched, Parsed, Preamble, Record,
    Syslog, Wanted, regex,
};
use crate::reject::{Stage, code};
use crate::source::{Framing, Runtime, RuntimeLine, is_blank, unescape};

/// The fields of the runtime's lines. The payload cannot have fields with these names.
const FIELDS: [&str; 4] = ["container_time", "container_stream", "container_service", "container_attrs"];

/// The format of the programs' output: one that needs no preamble.
#[derive(Clone, Debug)]
pub enum Payload {
    /// One JSON object.
    Ndjson(Json),
    /// What a pattern finds.
    Regex(Matched),
    /// What a web server wrote.
    Access(Access),
    /// `key=value` pairs.
    Logfmt(Logfmt),
    /// What a daemon of the system wrote.
    Syslog(Syslog),
}

/// Records within the lines of a runtime.
#[derive(Clone, Debug)]
pub struct Contained {
    runtime: Runtime,
    payload: Payload,
    columns: Columns,
    framing: Framing,
}

/// The scratch of the payload's format.
#[derive(Default)]
pub struct Scratch {
    json: JsonScratch,
    regex: regex::Scratch,
    none: (),
}

/// The payload of a record, and where it begins.
struct Within<'r> {
    first: RuntimeLine<'r>,
    bytes: &'r [u8],
    text: Option<&'r str>,
    at: usize,
    /// Whether it is borrowed from the record.
    is_borrowed: bool,
}

impl Contained {
    /// A reader for the values at `paths`; path `n` goes to slot `n`. `payload` reads the same paths.
    pub fn new<S: AsRef<str>>(
        runtime: Runtime,
        payload: Payload,
        framing: Framing,
        paths: &[Vec<S>],
    ) -> Contained {
        // The runtime's own fields are neither forbidden nor kept as extras.
        let columns = Columns::new(&FIELDS, &Wanted::new(paths), paths.len(), Extras::Ignored);
        Contained { runtime, payload, columns, framing }
    }

    /// Splits the lines of a record, and joins their payload.
    fn within<'r>(&self, input: Input<'r>) -> Result<Within<'r>, Malformed> {
        let raw = input.raw;
        let is_one = memchr(b'\n', raw).is_none();
        let first = self.line(raw, 0..if is_one { raw.len() } else { memchr(b'\n', raw).unwrap_or(0) })?;
        let at = first.payload.as_ptr() as usize - raw.as_ptr() as usize;
        let is_escaped = self.runtime == Runtime::Docker && memchr(b'\\', first.payload).is_some();
        if is_one && first.is_partial {
            return Err(partial(at));
        }
        if is_one && !is_escaped {
            let bytes = first.payload;
            let text = match input.text {
                Some(text) => text.get(at..at + bytes.len()),
                None => std::str::from_utf8(bytes).ok(),
            };
            return Ok(Within { first, bytes, text, at, is_borrowed: true });
        }
        let mut out = ArenaVec::with_capacity_in(raw.len(), input.arena);
        let (mut start, mut line, mut is_last) = (0, first, is_one);
        loop {
            if self.runtime != Runtime::Docker {
                out.extend_from_slice(line.payload);
            } else if !unescape(line.payload, &mut |bytes| out.extend_from_slice(bytes)) {
                let what = "an escape that is none";
                return Err(Malformed { stage: Stage::Parse, code: code::JSON_INVALID, what, at: start });
            }
            if is_last {
                break;
            }
            if !line.is_partial {
                out.push(b'\n');
            }
            start += memchr(b'\n', &raw[start..]).map_or(raw.len() - start, |newline| newline + 1);
            let end = memchr(b'\n', &raw[start..]).map(|newline| start + newline);
            is_last = end.is_none();
            line = self.line(raw, start..end.unwrap_or(raw.len()))?;
        }
        if line.is_partial {
            return Err(partial(start));
        }
        let bytes: &[u8] = out.into_bump_slice();
        Ok(Within { first, bytes, text: std::str::from_utf8(bytes).ok(), at, is_borrowed: false })
    }

    /// Splits the line at `range` of a record.
    fn line<'r>(&self, raw: &'r [u8], range: Range<usize>) -> Result<RuntimeLine<'r>, Malformed> {
        let at = range.start;
        let line = &raw[range];
        self.runtime.line(line.strip_suffix(b"\r").unwrap_or(line)).ok_or_else(|| {
            let what = match self.runtime {
                Runtime::Cri => "a line that is not <time> <stream> <tag> <what was written>",
                Runtime::Docker => "a line that is not {\"log\":…,\"stream\":…,\"time\":…}",
                Runtime::Compose => "a line that is not <service> | <what was written>",
            };
            Malformed::no_match(what, at)
        })
    }
}

fn partial(at: usize) -> Malformed {
    let what = "a part of a line, behind which the rest does not follow";
    Malformed { stage: Stage::Parse, code: code::PARTIAL_LINE, what, at }
}

/// The fields of the runtime, in addition to those of the payload.
pub(super) fn usual_fields(runtime: Runtime) -> Vec<Usual<'static>> {
    let fields: &[usize] = match runtime {
        Runtime::Cri => &[0, 1],
        Runtime::Docker => &[0, 1, 3],
        Runtime::Compose => &[2],
    };
    let usual = |&field: &usize| Usual {
        name: FIELDS[field],
        holds: if field == 0 { Holds::Stamp(None) } else { Holds::Text },
        is_required: runtime == Runtime::Cri,
    };
    fields.iter().map(usual).collect()
}

impl Format for Contained {
    type Scratch = Scratch;

    fn framing(&self) -> &Framing {
        &self.framing
    }

    fn begin(&self, preamble: &Preamble, scratch: &mut Scratch) {
        if let Payload::Regex(format) = &self.payload {
            format.begin(preamble, &mut scratch.regex);
        }
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        scratch: &'r mut Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        let Within { first, bytes, text, at, is_borrowed } = self.within(input)?;
        if is_blank(bytes) {
            return Ok(Parsed::Skipped);
        }
        let may_hold_nul = match is_borrowed {
            true => input.may_hold_nul,
            // A JSON escape can stand for a NUL.
            false => memchr(0, bytes).is_some(),
        };
        let within = Input { raw: bytes, text, may_hold_nul, ..input };
        let parsed = match &self.payload {
            Payload::Ndjson(format) => format.parse(within, &mut scratch.json, record),
            Payload::Regex(format) => format.parse(within, &mut scratch.regex, record),
            Payload::Access(format) => format.parse(within, &mut scratch.none, record),
            Payload::Logfmt(format) => format.parse(within, &mut scratch.none, record),
            Payload::Syslog(format) => format.parse(within, &mut scratch.none, record),
        };
        let parsed = parsed.map_err(|fault| {
            // A joined payload has no position of its own in the record.
            let place = if is_borrowed { at + fault.at } else { at };
            Malformed { at: place, ..fault }
        })?;
        let values = [first.time, first.stream, first.service, first.attrs];
        for (column, value) in values.into_iter().enumerate() {
            let Some(value) = value.filter(|_| self.columns.is_wanted(column)) else { continue };
            record.put_beside(&self.columns, column, Input::new(value, input.arena).utf8()?);
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{shown, shown_in_chunks, text_of};
    use super::super::{Chunk, Memory, Pattern, Raw, each_record};
    use super::*;
    use crate::source::Parts;

    const PATHS: [&str; 3] = ["container_time", "container_stream", "container_service"];

    fn contained(runtime: Runtime, record_start: Option<&str>) -> Contained {
        let paths: Vec<Vec<&str>> = PATHS.iter().map(|name| vec![*name]).collect();
        let pattern = Pattern::new("^(?P<message>(?s:.*))$").expect("a pattern");
        let payload = Payload::Regex(Matched::new(&pattern, Framing::Lines, &paths, Extras::Gathered));
        let record_start = record_start.map(|start| ::regex::bytes::Regex::new(start).expect("a pattern"));
        let framing = Framing::Parts(Parts { runtime, record_start });
        Contained::new(runtime, payload, framing, &paths)
    }

    /// Each record as its members in JSON, or its fault.
    fn read(format: &Contained, text: &[u8]) -> Vec<String> {
        shown(format, text).records
    }

    #[test]
    fn lines_of_a_pod_are_records() {
        let text = "2023-10-27T12:34:56.7Z stdout F it is up\n\
                    2023-10-27T12:34:56.8+02:00 stderr P one \n\
                    2023-10-27T12:34:56.9Z stderr P:x two \n\
                    2023-10-27T12:34:57Z stderr F three\r\n\
                    2023-10-27T12:34:57Z stdout F \n\
                    2023-10-27T12:34:57Z stdout F\n\
                    nonsense\n\
                    2023-10-27T12:34:58Z stdout P lost\n\
                    2023-10-27T12:34:59Z stderr F other\n\
                    2023-10-27T12:34:59Z stdout P end";
        let format = contained(Runtime::Cri, None);
        assert_eq!(
            read(&format, text.as_bytes()),
            [
                r#"{"message":"it is up","container_time":"2023-10-27T12:34:56.7Z","container_stream":"stdout"}"#,
                r#"{"message":"one two three","container_time":"2023-10-27T12:34:56.8+02:00","container_stream":"stderr"}"#,
                "no_match",
                "partial_line",
                r#"{"message":"other","container_time":"2023-10-27T12:34:59Z","container_stream":"stderr"}"#,
                "partial_line",
            ]
        );
        let counted = shown(&format, text.as_bytes()).counted;
        assert_eq!((counted.lines, counted.skipped, counted.record_lines), (10, 2, 8));
    }

    #[test]
    fn lines_of_docker_are_records() {
        let text = concat!(
            r#"{"log":"it \"is\" \u00e4\ud83e\udd80\n","stream":"stdout","time":"2023-10-27T12:34:56.7Z"}"#,
            "\n",
            r#"{"log":"one ","stream":"stdout","attrs":{"a":"}\""},"time":"t1"}"#,
            "\n",
            r#"{"log":"two\\n","stream":"stdout","time":"t2"}"#,
            "\n",
            r#"{ "log" : "end\n" , "stream" : "stdout" }"#,
            "\n",
            r#"{"log":"part","stream":"stdout"}"#,
            "\n",
            r#"{"log":"x\n","stream":"stderr"}"#,
            "\n",
            r#"{"log":"\n","stream":"stderr"}"#,
            "\n",
            r#"{"log":"\ud800\n"}"#,
            "\n",
            r#"{"log":"x\n","level":"info"}"#,
            "\n",
            r#"{"log":"a \r terminal\r\n","stream":"stdout"}"#,
            "\n",
            r#"{"log":"no return\\r\n","stream":"stdout"}"#,
            "\n",
            r#"{"log":"\r\n","stream":"stdout"}"#,
        );
        assert_eq!(
            read(&contained(Runtime::Docker, None), text.as_bytes()),
            [
                r#"{"message":"it \"is\" ä🦀","container_time":"2023-10-27T12:34:56.7Z","container_stream":"stdout"}"#,
                r#"{"message":"one two\\nend","container_time":"t1","container_stream":"stdout"}"#,
                "partial_line",
                r#"{"message":"x","container_stream":"stderr"}"#,
                "json_invalid",
                "no_match",
                r#"{"message":"a \r terminal","container_stream":"stdout"}"#,
                r#"{"message":"no return\\r","container_stream":"stdout"}"#,
            ]
        );
    }

    #[test]
    fn lines_of_compose_are_records() {
        let text = b"web-1    |  * up\n\x1b[2K\x1b[36mdb_1 | \x1b[0m\x1b[33mready\nweb-1    |\nno bar\na|b\n";
        assert_eq!(
            read(&contained(Runtime::Compose, None), text),
            [
                r#"{"message":" * up","container_service":"web-1"}"#,
                r#"{"message":"ready","container_service":"db_1"}"#,
                "no_match",
                "no_match",
            ]
        );
    }

    #[test]
    fn a_record_of_several_lines_is_of_one_stream() {
        let text = "2023-10-27T12:34:56Z stderr F 1 failed\n\
                    2023-10-27T12:34:56Z stderr P \tat \n\
                    2023-10-27T12:34:56Z stderr F a.b\n\
                    2023-10-27T12:34:57Z stderr F \n\
                    2023-10-27T12:34:57Z stdout F  no start\n\
                    2023-10-27T12:34:58Z stdout F 2 fine\n";
        let found = read(&contained(Runtime::Cri, Some(r"^\d")), text.as_bytes());
        let messages: Vec<_> = found.iter().filter_map(|record| record.split('"').nth(3)).collect();
        assert_eq!(messages, [r"1 failed\n\tat a.b\n", " no start", "2 fine"]);
        let docker = concat!(
            r#"{"log":"1 failed\n","stream":"stderr"}"#,
            "\n",
            r#"{"log":"\tat a\n","stream":"stderr"}"#,
            "\n",
            r#"{"log":"\u0032 fine\n","stream":"stderr"}"#,
        );
        let found = read(&contained(Runtime::Docker, Some(r"^\d")), docker.as_bytes());
        let messages: Vec<_> = found.iter().filter_map(|record| record.split('"').nth(3)).collect();
        assert_eq!(messages, [r"1 failed\n\tat a", "2 fine"]);
    }

    /// What an escaped backslash and an n come to is no line end.
    #[test]
    fn whether_a_record_starts_shows_in_what_was_written() {
        let docker = concat!(
            r#"{"log":"C:\\n\n","stream":"stdout"}"#,
            "\n",
            r#"{"log":"D:\\n\n","stream":"stdout"}"#,
            "\n",
            r#"{"log":" at\n","stream":"stdout"}"#,
            "\n",
        );
        let found = read(&contained(Runtime::Docker, Some(r"^[CD]:\\n")), docker.as_bytes());
        assert_eq!(found.len(), 2, "{found:?}");
        let found = read(&contained(Runtime::Docker, Some("n$")), docker.as_bytes());
        assert_eq!(found.len(), 2, "{found:?}");
    }

    /// A line that was cut off is a reject, and the record before it stands.
    #[test]
    fn what_is_cut_off_costs_nothing_before_it() {
        let cri =
            "2023-10-27T12:34:56Z stderr F 1 failed\n2023-10-27T12:34:56Z stderr F \tat a\n2023-10-27T12";
        let good = r#"{"message":"1 failed\n\tat a","container_time":"2023-10-27T12:34:56Z","container_stream":"stderr"}"#;
        assert_eq!(read(&contained(Runtime::Cri, Some(r"^\d")), cri.as_bytes()), [good, "no_match"]);
        let docker = "{\"log\":\"1 up\\n\",\"stream\":\"stdout\"}\n{\"log\":\"2 do";
        let good = r#"{"message":"1 up","container_stream":"stdout"}"#;
        for start in [None, Some(r"^\d")] {
            assert_eq!(read(&contained(Runtime::Docker, start), docker.as_bytes()), [good, "no_match"]);
        }
        // Behind a part it may be the next one.
        let parts = "2023-10-27T12:34:56Z stderr P one\n2023-10-27T12";
        assert_eq!(read(&contained(Runtime::Cri, Some(r"^\d")), parts.as_bytes()), ["no_match"]);
    }

    /// Labels make lines of Docker's long, which are joined all the same.
    #[test]
    fn parts_in_long_lines_are_joined() {
        let line = |end: &str| {
            let (log, label) = ("\\u00e4".repeat(16 << 10), "x".repeat(60 << 10));
            format!(
                "{{\"log\":\"{log}{end}\",\"stream\":\"stdout\",\"attrs\":{{\"l\":\"{label}\"}},\"time\":\"t\"}}\n"
            )
        };
        let text = line("") + &line("") + &line("\\n") + &line("\\n");
        assert!(line("").len() > 150 << 10);
        let framing = contained(Runtime::Docker, None).framing;
        let records: Vec<_> = framing.records(text.as_bytes()).map(|record| record.lines).collect();
        assert_eq!(records, [3, 1]);
        let chunk =
            Chunk { bytes: text.as_bytes(), preamble: &Preamble::default(), record_bytes_max: 1 << 20 };
        let mut lengths = Vec::new();
        each_record(&contained(Runtime::Docker, None), chunk, &mut Memory::default(), |_, record, _| {
            let Some(Raw::Text(text)) =
                record.expect("whole").root().members().next().map(|(_, item)| item.raw())
            else {
                panic!("a text")
            };
            lengths.push(text.chars().count());
        });
        assert_eq!(lengths, [3 * (16 << 10), 16 << 10]);
    }

    /// What the runtime says stands beside values that are kept as the payload spells them.
    #[test]
    fn json_within_is_kept_as_it_is_written() {
        let paths = vec![vec!["container_time"], vec!["a"], vec!["n"]];
        let payload = Payload::Ndjson(Json::new(&paths, Extras::Gathered));
        let framing = Framing::Parts(Parts { runtime: Runtime::Cri, record_start: None });
        let format = Contained::new(Runtime::Cri, payload, framing, &paths);
        let preamble = Preamble::default();
        for within in [r#"{"n":1.50,"container_time":"x"}"#, r#"{"a":{"b": 1.50},"n":1.50,"x":[ ]}"#] {
            let text = format!("2023-10-27T12:34:56Z stdout F {within}");
            let chunk = Chunk { bytes: text.as_bytes(), preamble: &preamble, record_bytes_max: 1000 };
            each_record(&format, chunk, &mut Memory::default(), |_, record, arena| {
                let record = record.expect("a record");
                let json = |slot: usize| {
                    record.get(slot).map(|item| String::from_utf8_lossy(item.json(arena)).into_owned())
                };
                assert_eq!(json(0).as_deref(), Some(r#""2023-10-27T12:34:56Z""#));
                assert_eq!(json(2).as_deref(), Some("1.50"));
                assert!(json(1).is_none_or(|object| object == r#"{"b": 1.50}"#));
                let names: Vec<_> = record.root().members().map(|(name, _)| name).collect();
                assert_eq!(names.last(), Some(&"container_time"));
            });
        }
    }

    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        text_of(&[
            b"2023-10-27T12:34:56Z stdout F ",
            b"2023-10-27T12:34:56Z stdout P ",
            b"2023-10-27T12:34:56Z stderr P:a ",
            b"2023-10-27T12:34:56Z stderr F",
            b"{\"log\":\"",
            b"\\n\",\"stream\":\"stdout\"}",
            b"\",\"stream\":\"stdout\"}",
            b"\\n\",\"stream\":\"stderr\",\"time\":\"t\"}",
            b"\\r\\n\",\"stream\":\"stdout\"}",
            b"\\r",
            b"\\\\n\", \"attrs\":{\"a\":[\"}\"]}}",
            b"web-1 | ",
            b"db_1|",
            b"\x1b[2K",
            b"\x1b[0m ",
            b"1 start",
            b"at",
            b" ",
            b"\\u00e4",
            b"\\t",
            b"\"",
            b"\n",
            b"\n",
            b"\n",
            b"\r\n",
            b"\xc3",
            b"\xa4",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn records_are_those_of_the_plain_reader_however_they_are_cut(text in pieces(), bytes_max in 1_usize..80) {
            for runtime in [Runtime::Cri, Runtime::Docker, Runtime::Compose] {
                for start in [None, Some("^[0-9]"), Some("[n0-9]$")] {
                    let format = contained(runtime, start);
                    let whole = shown(&format, &text);
                    prop_assert_eq!(&plain::read(runtime, start, &text), &whole.records, "{:?}", runtime);
                    prop_assert_eq!(&shown_in_chunks(&format, &text, bytes_max), &whole, "{:?}", runtime);
                }
            }
        }
    }
}
