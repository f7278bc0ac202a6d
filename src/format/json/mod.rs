//! JSON: one object per record; the framing determines the records.
//!
//! There are three readers of one grammar, each for what the one before it does not accept. The flat
//! reader reads an object of scalars in one pass. simd-json reads any JSON. The plain reader is slow and
//! simple, and has the last word: it accepts the few texts that simd-json cannot represent (numbers beyond
//! 64 bits or beyond a double, `NaN`), and explains what is wrong with all others. Tests check the rule
//! between them: what one reader accepts, the next reads as the same values.

mod flat;
mod plain;

use std::cell::Cell;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use simd_json::{Buffers, Node, Tape};

use self::flat::Pause;
use super::spelling::Spelling;
use super::{Extras, Format, Input, Malformed, Parsed, Record, Wanted};
use crate::reject::{Stage, code};
use crate::source::Framing;

/// Pydantic's limit on the depth of nested objects and lists, not counting an empty one.
const DEPTH_MAX: usize = 200;

/// A longer text is rare, and its memory is released.
const TEXT_BYTES_KEPT: usize = 1 << 20;

/// One JSON object per record.
#[derive(Clone, Debug)]
pub struct Json {
    wanted: Wanted,
    slots: usize,
    extras: Extras,
    framing: Framing,
}

/// Memory that the readers reuse from text to text.
pub struct Scratch {
    /// The buffers of simd-json.
    buffers: Buffers,
    /// Where the plain reader found each value of the tape.
    places: Vec<(u32, u32)>,
    /// How long the flat reader pauses.
    pause: Pause,
    /// The length of the last text.
    last: usize,
}

impl Default for Scratch {
    fn default() -> Scratch {
        let buffers = Buffers::with_max_depth(4096, DEPTH_MAX);
        Scratch { buffers, places: Vec::new(), pause: Pause::default(), last: 0 }
    }
}

impl Json {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(paths: &[Vec<S>], extras: Extras) -> Json {
        let framing = Framing::Lines;
        Json { wanted: Wanted::new(paths), slots: paths.len(), extras, framing }
    }

    /// The same for another framing.
    pub fn framed(self, framing: Framing) -> Json {
        Json { framing, ..self }
    }
}

impl Format for Json {
    type Scratch = Scratch;

    // Only an escape can stand for a NUL.
    const ASKS_FOR_NUL: bool = false;

    fn framing(&self) -> &Framing {
        &self.framing
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        scratch: &'r mut Scratch,
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        if let Framing::Objects(objects) = self.framing
            && objects.are_gaps(input.raw)
        {
            return Ok(Parsed::Skipped);
        }
        record.unmark(self.slots);
        if let Some(text) = input.text
            && flat::read(
                text,
                input.arena,
                &self.wanted,
                self.extras == Extras::Gathered,
                &mut scratch.pause,
                record,
            )
        {
            return Ok(Parsed::Record);
        }
        read(input, scratch, record)?;
        let Node::Object { .. } = record.tape.0[0] else {
            let what = "a JSON text that is not an object";
            return Err(Malformed { stage: Stage::Parse, code: code::MODEL_TYPE, what, at: 0 });
        };
        record.mark(&self.wanted, self.slots, self.extras);
        Ok(Parsed::Record)
    }
}

/// Reads any JSON text without marking values.
pub(crate) fn parse_json<'r>(
    text: &'r [u8],
    arena: &'r Bump,
    scratch: &'r mut Scratch,
    record: &mut Record<'r>,
) -> Result<(), Malformed> {
    read(Input::new(text, arena), scratch, record)
}

fn read<'r>(input: Input<'r>, scratch: &'r mut Scratch, record: &mut Record<'r>) -> Result<(), Malformed> {
    let text = input.raw;
    if scratch.last > TEXT_BYTES_KEPT {
        *scratch = Scratch { pause: scratch.pause, ..Scratch::default() };
    }
    scratch.last = text.len();
    record.may_hold_nul = true;
    if fill_tape(input, &mut scratch.buffers, &mut record.tape).is_ok() {
        let structurals = scratch.buffers.structural_indexes();
        record.spelling = Spelling::Structured { text, structurals, cursor: Cell::default() };
    } else {
        plain::read(input, &mut scratch.places, record)?;
        record.spelling = Spelling::Listed(text, &scratch.places);
    }
    Ok(())
}

/// Lets simd-json read a copy, because it unescapes in place and reads beyond the end.
fn fill_tape<'r>(input: Input<'r>, buffers: &mut Buffers, tape: &mut Tape<'r>) -> simd_json::Result<()> {
    let length = input.raw.len();
    let mut copy = ArenaVec::with_capacity_in(length + simd_json::INPUT_PADDING, input.arena);
    copy.extend_from_slice_copy(input.raw);
    copy.extend_from_slice_copy(&[b' '; simd_json::INPUT_PADDING]);
    let copy = copy.into_bump_slice_mut();
    simd_json::fill_tape_padded(copy, length, buffers, tape)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Raw;
    use super::*;

    /// Where the value at `index` stands in `text`.
    fn place_of(text: &[u8], record: &Record<'_>, index: usize) -> std::ops::Range<usize> {
        let json = record.spelling.of(&record.tape.0, index).expect("it stands there as JSON");
        let start = (json.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        if json.is_empty() { 0..0 } else { start..start + json.len() }
    }

    /// What either reader makes of `text`, in a form that can be compared: the values with
    /// their places in the text, or the fault.
    fn read(text: &[u8], plainly: bool) -> Result<Vec<String>, Malformed> {
        let arena = Bump::new();
        let input = Input::new(text, &arena);
        let (mut scratch, mut record) = (Scratch::default(), Record::default());
        if plainly {
            plain::read(input, &mut scratch.places, &mut record)?;
            record.spelling = Spelling::Listed(text, &scratch.places);
        } else {
            fill_tape(input, &mut scratch.buffers, &mut record.tape).map_err(|_| Malformed {
                stage: Stage::Parse,
                code: code::JSON_INVALID,
                what: "simd-json",
                at: 0,
            })?;
            let structurals = scratch.buffers.structural_indexes();
            record.spelling = Spelling::Structured { text, structurals, cursor: Cell::default() };
        }
        let describe = |(index, node): (usize, &Node<'_>)| {
            let place = place_of(text, &record, index);
            match node {
                // Told apart by their bits: -0.0 is not 0.0.
                Node::Static(simd_json::StaticNode::F64(number)) => {
                    format!("{place:?} float {:x}", number.to_bits())
                }
                Node::Static(simd_json::StaticNode::U64(number)) => format!("{place:?} int {number}"),
                Node::Static(simd_json::StaticNode::I64(number)) => format!("{place:?} int {number}"),
                node => format!("{place:?} {node:?}"),
            }
        };
        Ok(record.tape.0.iter().enumerate().map(describe).collect())
    }

    fn agree(text: &[u8]) {
        if let Ok(fast) = read(text, false) {
            let slow = read(text, true);
            assert_eq!(Ok(fast), slow, "on {:?}", String::from_utf8_lossy(text));
        }
        // The plain reader takes what serde_json takes, and beyond that only what it was
        // made for.
        let serde: Result<serde_json::Value, _> = serde_json::from_slice(text);
        match (read(text, true), serde) {
            (Err(fault), Ok(value)) => panic!("refused {value} at {} ({})", fault.at, fault.what),
            (Ok(_), Err(error)) => {
                let known = error.to_string().contains("number out of range")
                    || [&b"NaN"[..], b"Infinity"]
                        .iter()
                        .any(|word| memchr::memmem::find(text, word).is_some());
                assert!(known, "accepted {:?}: {error}", String::from_utf8_lossy(text));
            }
            _ => {}
        }
    }

    #[test]
    fn both_readers_agree_on_every_kind_of_value() {
        for text in [
            r#"{"a":1,"b":[true,false,null,-1.5e3,"x\n\u00e4\ud83d\ude00"],"c":{"d":{}, "e":[]}}"#,
            r#" { "a" : 1 , "a" : [ ] } "#,
            r#"{"big":18446744073709551615,"neg":-9223372036854775808,"zero":-0,"f":0.1}"#,
            "[1]",
            "\"text\"",
            "12",
            "-0.0",
            "true",
            "null",
            "1e308",
            "{\"\\u0061\\\\\":\"\\/\\b\\f\\r\\t\\\"\"}",
        ] {
            read(text.as_bytes(), false).expect(text);
            agree(text.as_bytes());
        }
    }

    #[test]
    fn neither_reader_takes_what_is_not_json() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "{]",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{a:1}",
            "{'a':1}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "tru",
            "nul",
            "truex",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"a\tb\"",
            "{}{}",
            "{} x",
            "1 2",
            "\u{feff}{}",
            "[1 2]",
            "{\"a\":}",
            "nan",
            "inf",
            "- 1",
            "--1",
            "1e+",
            "0x10",
            "// x",
        ] {
            assert!(read(text.as_bytes(), false).is_err(), "simd-json takes {text:?}");
            assert!(read(text.as_bytes(), true).is_err(), "the plain reader takes {text:?}");
        }
        assert!(read(b"\"\xff\"", true).is_err() && read(b"\"\xed\xa0\x80\"", true).is_err());
    }

    #[test]
    fn the_plain_reader_takes_numbers_that_no_machine_type_holds() {
        let arena = Bump::new();
        let text = br#"{"a":123456789012345678901234567890,"b":1e400,"c":NaN,"d":-Infinity,"e":18446744073709551616}"#;
        let json = Json::new(&[vec!["a"], vec!["b"], vec!["c"], vec!["d"], vec!["e"]], Extras::Ignored);
        let (mut scratch, mut record) = (Scratch::default(), Record::default());
        json.parse(Input::new(text, &arena), &mut scratch, &mut record).expect("accepted");
        let raw = |slot| record.get(slot).expect("present").raw();
        assert_eq!(raw(0), Raw::BigInt("123456789012345678901234567890"));
        assert_eq!(raw(1), Raw::Float(f64::INFINITY));
        assert!(matches!(raw(2), Raw::Float(number) if number.is_nan()));
        assert_eq!(raw(3), Raw::Float(f64::NEG_INFINITY));
        assert_eq!(raw(4), Raw::BigInt("18446744073709551616"));
    }

    #[test]
    fn nesting_ends_at_pydantics_limit() {
        // An empty list may be one deeper; simd-json leaves that to the plain reader.
        for (depth, inner, fast, slow) in [
            (200, "1", true, true),
            (200, "", true, true),
            (201, "", false, true),
            (201, "1", false, false),
            (202, "", false, false),
            (100_000, "", false, false),
        ] {
            let text = ["[".repeat(depth), inner.to_owned(), "]".repeat(depth)].concat();
            assert_eq!(read(text.as_bytes(), true).is_ok(), slow, "plain, {depth} levels around {inner:?}");
            assert_eq!(
                read(text.as_bytes(), false).is_ok(),
                fast,
                "simd-json, {depth} levels around {inner:?}"
            );
        }
    }

    #[test]
    fn a_number_has_no_more_digits_than_python_reads() {
        for (text, accepted) in [
            ("1".repeat(4300), true),
            ("1".repeat(4301), false),
            (format!("-{}", "1".repeat(4300)), true),
            (format!("{}.5", "1".repeat(4301)), false),
            (format!("0.{}", "1".repeat(5000)), true),
        ] {
            assert_eq!(read(text.as_bytes(), true).is_ok(), accepted, "{} bytes", text.len());
        }
    }

    #[test]
    fn places_are_found_in_any_order() {
        let arena = Bump::new();
        let text = br#" {"a":[1, {"b" : "}"}],"c":-2.5 ,"d":{}} "#;
        let (mut scratch, mut record) = (Scratch::default(), Record::default());
        parse_json(text, &arena, &mut scratch, &mut record).expect("JSON");
        let place = |index: usize| place_of(text, &record, index);
        let there: Vec<_> = (0..record.tape.0.len()).map(place).collect();
        let mut back: Vec<_> = (0..record.tape.0.len()).rev().map(place).collect();
        back.reverse();
        assert_eq!(there, back);
        assert_eq!(&text[place(2)], br#"[1, {"b" : "}"}]"#);
        assert_eq!(&text[place(8)], b"-2.5");
        assert_eq!(place(99), 0..0);
    }

    #[test]
    fn the_last_of_equal_keys_wins_below_a_pointer_too() {
        let arena = Bump::new();
        let json = Json::new(&[vec!["user", "id"], vec!["list", "1"], vec!["user"]], Extras::Gathered);
        let text = br#"{"user":{"id":1},"x":0,"list":[7,8],"user":{"name":"n"},"y":1}"#;
        let (mut scratch, mut record) = (Scratch::default(), Record::default());
        json.parse(Input::new(text, &arena), &mut scratch, &mut record).expect("accepted");
        assert!(record.get(0).is_none(), "the second user has no id");
        assert_eq!(record.get(1).expect("present").raw(), Raw::Int(8));
        assert_eq!(record.get(2).expect("present").json(&arena), br#"{"name":"n"}"#);
        let extras: Vec<_> = record.extras().map(|(key, item)| (key.to_owned(), item.raw())).collect();
        assert_eq!(extras, [("x".to_owned(), Raw::Int(0)), ("y".to_owned(), Raw::Int(1))]);
    }

    #[test]
    fn records_of_an_array_are_its_objects() {
        use super::super::testing::{shown, shown_in_chunks};
        use crate::source::Objects;
        let json = |list| Json::new::<&str>(&[], Extras::Gathered).framed(Framing::Objects(Objects { list }));
        let text = b"[\n  {\"a\": 1},\n  {\n    \"b\": [2]\n  }, {\"c\" 3},\n\n  null, {\"d\":\"\n{}]\n]";
        let found = shown(&json(None), text);
        assert_eq!(
            found.records,
            ["{\"a\": 1}", "{\n    \"b\": [2]\n  }", "json_invalid", "model_type", "json_invalid", "{}"]
        );
        let counted = found.counted;
        assert_eq!((counted.lines, counted.skipped, counted.blank, counted.record_lines), (8, 1, 1, 6));
        for bytes_max in 1..text.len() {
            assert_eq!(shown_in_chunks(&json(None), text, bytes_max), found, "{bytes_max}");
        }
        let trail = b"{\"Records\":[{\"eventName\":\"a\"},{\"eventName\":\"b\"}]}{\n\"Records\": [\n{}]\n}\n";
        let found = shown(&json(Some("Records")), trail);
        assert_eq!(found.records, ["{\"eventName\":\"a\"}", "{\"eventName\":\"b\"}", "{}"]);
        assert_eq!(found.counted.skipped, 2 + 1);
    }

    /// What is left of a record when it has been read and marked, with the flat reader or
    /// without, in a form that can be compared.
    fn parse(text: &[u8], json: &Json, flatly: bool) -> (bool, Result<String, Malformed>) {
        let arena = Bump::new();
        let (mut scratch, mut record) = (Scratch::default(), Record::default());
        scratch.pause.left = if flatly { 0 } else { 1 };
        let parsed = json.parse(Input::new(text, &arena), &mut scratch, &mut record);
        let is_flat = matches!(record.spelling, Spelling::Flat(_));
        let described = parsed.map(|_| {
            let item = |item: super::super::Item<'_>| match item.raw() {
                // Told apart by their bits: -0.0 is not 0.0.
                Raw::Float(number) => format!("{:x} {:?}", number.to_bits(), item.json(&arena)),
                raw => format!("{raw:?} {:?}", item.json(&arena)),
            };
            let slots: Vec<_> = (0..json.slots).map(|slot| record.get(slot).map(item)).collect();
            let extras: Vec<_> = record.extras().map(|(key, value)| (key.to_owned(), item(value))).collect();
            // What is neither wanted nor gathered, the flat reader does not keep.
            let is_whole = json.extras == Extras::Gathered;
            let all = record.root().members().map(|(key, value)| (key.to_owned(), item(value)));
            let all: Vec<_> = all.filter(|_| is_whole).collect();
            format!("{slots:?} {extras:?} {all:?}")
        });
        (is_flat, described)
    }

    /// Records as programs write them, mostly flat.
    fn records() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            8 => "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,20})?",
            8 => "\"[a-z :,{}ä\u{7f}]{0,12}\"",
            2 => "\"[a-z :,ä]{0,60}(\\\\([nrtbf/\"\\\\]|u[0-9a-fD-d]{4}|ud83d\\\\ude0[0-9a-f])[a-z ,}]{0,50}){0,4}\"",
            3 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
            1 => prop::sample::select(vec!["01", "-", "1.", "1e5", "tru", "\"\\x\"", "\"\\u+12f\"", "\"\\ud800\"", "\"\\u0000\"", "[1]", "{}", ""]).prop_map(str::to_owned),
        ];
        let key = prop::sample::select(vec!["a", "b", "long key", "ä", "", "d", "e", "q\"", "q\\\"", "\\n"]);
        let members =
            proptest::collection::vec((key, value, prop::sample::select(vec!["", " ", "  "])), 0..6);
        members.prop_map(|members| {
            let members: Vec<_> =
                members.into_iter().map(|(key, value, blank)| format!("\"{key}\":{blank}{value}")).collect();
            format!("{{{}}}", members.join(", "))
        })
    }

    #[test]
    fn a_flat_record_is_read_in_one_pass() {
        let json = Json::new(&[vec!["a"], vec!["b"], vec!["b"]], Extras::Gathered);
        for (text, expected) in [
            (r#"{"a":1,"b":"x"}"#, true),
            (r#"{"b": -0.5, "x": null, "a": true, "a": false}"#, true),
            (r#"{"a":"grün","":123456789012345678}"#, true),
            (r#"{"a":1234567890123456789}"#, false),
            (r#"{"a":1e5}"#, false),
            (r#"{"a":"\n\u00e4\ud83d\ude00\/","b":"\\\""}"#, true),
            (r#"{"x":"\n","b":"\u0000"}"#, true),
            (r#"{"\n":1}"#, false),
            (r#"{"a":[]}"#, false),
            (r#"{"a" :1}"#, false),
            (r#"{"q\"":1}"#, false),
            (r#"{"a":1} "#, false),
            ("{}", false),
        ] {
            let (is_flat, fast) = parse(text.as_bytes(), &json, true);
            assert_eq!(is_flat, expected, "{text}");
            assert_eq!(fast, parse(text.as_bytes(), &json, false).1, "{text}");
        }
        // Judged by its positions first, and by its bytes afterwards.
        assert!(parse(b"{\"a\":\"\xff\"}", &json, true).1.is_err());
        // A key that needs an escape is not found where the escape is missing.
        let json = Json::new(&[vec!["q\""]], Extras::Gathered);
        assert!(parse(br#"{"q"":1}"#, &json, true).1.is_err());
        assert!(parse(br#"{"q\"":1}"#, &json, true).1.is_ok());
    }

    #[test]
    fn records_that_are_not_flat_are_rarely_tried() {
        let json = Json::new(&[vec!["a"]], Extras::Ignored);
        let (mut scratch, mut record) = (Scratch::default(), Record::default());
        let mut tried = 0;
        for n in 0..700 {
            let text: &[u8] = if n < 64 { b"{\"a\":1}" } else { b"{\"a\":[1]}" };
            tried += u32::from(scratch.pause.left == 0);
            let arena = Bump::new();
            let mut parsed = record.reset();
            json.parse(Input::new(text, &arena), &mut scratch, &mut parsed).expect("an object");
            record = parsed.reset();
        }
        // All of the flat ones, and of the others seven among the first 64 and then one in 64.
        assert_eq!(tried, 64 + 7 + 8);
    }

    fn json_like() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_map(|n| format!("{n:e}")),
            "-?[0-9]{1,25}(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
            any::<String>().prop_map(|text| serde_json::to_string(&text).expect("JSON")),
            "\"(\\\\u[0-9a-fD-d]{4}|\\\\[nrt/\"\\\\]|[ -!#-\\[\\]-~])*\"",
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5)
                    .prop_map(|items| format!("[{}]", items.join(" ,\t"))),
                proptest::collection::vec(("[a-c\\\\\"]{0,3}", inner), 0..5).prop_map(|members| {
                    let members: Vec<_> = members
                        .into_iter()
                        .map(|(key, value)| {
                            format!("{}: {value}", serde_json::to_string(&key).expect("JSON"))
                        })
                        .collect();
                    format!("{{{}}}", members.join(", "))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn flat_records_are_read_as_any_other(
            text in records(),
            at in any::<prop::sample::Index>(),
            byte in prop::option::weighted(0.3, prop_oneof![Just(b'"'), Just(b','), Just(b':'), Just(b'}'), any::<u8>()]),
            gathered in any::<bool>(),
        ) {
            let mut text = text.into_bytes();
            if let Some(byte) = byte {
                let at = at.index(text.len());
                text[at] = byte;
            }
            let extras = if gathered { Extras::Gathered } else { Extras::Ignored };
            let json = Json::new(&[vec!["a"], vec!["b"], vec!["long key"], vec!["b"], vec!["d", "x"], vec!["q\""], vec!["\\n"]], extras);
            let (_, fast) = parse(&text, &json, true);
            let (_, slow) = parse(&text, &json, false);
            prop_assert_eq!(fast, slow, "of {}", String::from_utf8_lossy(&text));
        }

        #[test]
        fn the_readers_agree_on_json(text in json_like()) {
            agree(text.as_bytes());
        }

        #[test]
        fn the_readers_agree_on_damaged_json(text in json_like(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = text.into_bytes();
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = byte;
            }
            agree(&text);
        }

        #[test]
        fn the_readers_agree_on_noise(text in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b'\\'), Just(b'{'), Just(b'}'), Just(b','), Just(b':'), Just(b'1'), Just(b'e'), any::<u8>()],
            0..40,
        )) {
            agree(&text);
        }
    }
}
