//! Objects, wherever a source is cut: the same pieces, and every valid object.

use proptest::prelude::*;

use super::objects::*;
use super::{Follower, Framing};

fn framing(list: Option<&'static str>) -> Framing {
    Framing::Objects(Objects { list })
}

/// The pieces of a text that are not gaps, and the line that each starts in.
fn pieces(list: Option<&'static str>, text: &str) -> Vec<(String, u32)> {
    let framing = framing(list);
    let (mut found, mut line) = (Vec::new(), 1);
    for record in framing.records(text.as_bytes()) {
        if !framing.is_comment(record.bytes) {
            found.push((record.text.expect("text").to_owned(), line));
        }
        line += record.lines;
    }
    found
}

#[track_caller]
fn assert_pieces(text: &str, expected: &[(&str, u32)]) {
    let found = pieces(None, text);
    let found: Vec<_> = found.iter().map(|(piece, line)| (piece.as_str(), *line)).collect();
    assert_eq!(found, expected);
}

#[test]
fn objects_stand_in_an_array_or_behind_each_other() {
    assert_pieces(r#"[{"a":1}, {"b":[{}]}]"#, &[(r#"{"a":1}"#, 1), (r#"{"b":[{}]}"#, 1)]);
    assert_pieces("[\n  {\n\"a\": 1\n  },\n\n  {}\n]\n", &[("{\n\"a\": 1\n  }", 2), ("{}", 6)]);
    assert_pieces("{}{}\r\n\x1e{}\n, {}", &[("{}", 1), ("{}", 1), ("{}", 2), ("{}", 3)]);
    assert_pieces(r#"{"a":"}\"{\\"}{"b":"[\u005d"}"#, &[(r#"{"a":"}\"{\\"}"#, 1), (r#"{"b":"[\u005d"}"#, 1)]);
    assert_pieces("", &[]);
}

#[test]
fn what_is_no_object_costs_itself_or_its_line() {
    assert_pieces("[1, null,{}, true]", &[("1", 1), ("null", 1), ("{}", 1), ("true", 1)]);
    assert_pieces("INFO it is up {}\r\n{}\n}\n", &[("INFO it is up {}", 1), ("{}", 2), ("}", 3)]);
    assert_pieces("\"a\", {}\n{}", &[("\"a\", {}", 1), ("{}", 2)]);
}

#[test]
fn a_broken_object_costs_what_is_indented_further() {
    // A missing brace, a string that is cut off, a crash within a line.
    for broken in
        ["{\"a\":{\"b\":1}", "{\"a\":\"x", "{\"a\":{\"b\":1},", "{\"a\":[1}", "{\"a\":1,\"b\":\"tr{\"c\":2}"]
    {
        assert_pieces(&format!("{{}}\n{broken}\n{{\"c\":2}}\n"), &[("{}", 1), (broken, 2), ("{\"c\":2}", 3)]);
    }
    let broken = "{\n    \"a\": \"x,\n    \"b\": [\n      {\n      }\n    ]\n  }";
    assert_pieces(&format!("[\n  {broken},\n  {{}}\n]\n"), &[(broken, 2), ("{}", 9)]);
    let broken = "{\n \"a\": 1\n \"b\": {{}\n}";
    assert_pieces(&format!("[{{}}, {broken}, {{\n}}]"), &[("{}", 1), (broken, 1), ("{\n}", 4)]);
    // A brace may begin a line wherever the grammar allows one.
    assert_pieces(
        "{\"a\":\n{\n}, \"b\": [\n{\n},\n{}\n]}\n",
        &[("{\"a\":\n{\n}, \"b\": [\n{\n},\n{}\n]}", 1)],
    );
    assert_pieces("{\"a\":1", &[("{\"a\":1", 1)]);
}

#[test]
fn a_list_of_records_has_a_name() {
    let found = |text: &str| {
        let found = pieces(Some("Records"), text).into_iter();
        found.map(|(piece, line)| format!("{line} {piece}")).collect::<Vec<_>>()
    };
    assert_eq!(found(r#"{"Records":[{"a":1},{"b":2}]}"#), ["1 {\"a\":1}", "1 {\"b\":2}"]);
    assert_eq!(found("{\n \"Records\" : [\n  {\n  }\n ]\n}\n{\"Records\":[]}"), ["3 {\n  }"]);
    assert_eq!(found(r#"{"Record":[{}]}"#), [r#"1 {"Record":[{}]}"#]);
    assert_eq!(found(r#"{"Records""#), [r#"1 {"Records""#]);
}

#[test]
fn an_object_at_the_end_goes_on_or_does_not() {
    let framing = framing(None);
    for (text, ends, expected) in [
        ("{}", true, true),
        ("{}\n", true, false),
        ("{}", false, false),
        ("{\n", true, true),
        ("", true, false),
    ] {
        assert_eq!(framing.is_open(text.as_bytes(), ends), expected, "{text:?}");
    }
    for (open, next, expected) in [
        ("{}", "\n{}", Some(1)),
        ("{}", "\r\n{}", Some(2)),
        ("{}", ",{}", Some(0)),
        ("{\n", "}\n", None),
        ("{\"a", "\n{}", Some(1)),
        ("{\"a", "\n x", None),
        ("x", "\ny", Some(1)),
        ("x", "y\n", None),
    ] {
        let goes_on = framing.goes_on(open.as_bytes(), next.as_bytes(), true);
        assert_eq!(goes_on, expected, "{open:?} and then {next:?}");
    }
}

#[test]
fn a_gap_of_any_length_is_taken_in_parts() {
    let gap = " ".repeat(3 * GAP_BYTES_MAX);
    let text = format!("{{}}{gap}{{}}{gap}\n");
    let framing = framing(None);
    assert_eq!(pieces(None, &text), [("{}".to_owned(), 1), ("{}".to_owned(), 1)]);
    let end = framing.cut(&text.as_bytes()[..2 + LOOK_AHEAD], 1, usize::MAX, false);
    assert_eq!(end, Some(2 + GAP_BYTES_MAX));
}

type Known = (usize, Vec<u8>);

/// Every piece, after cutting into chunks. A chunk is cut knowing no more than it reaches.
fn cut(framing: &Framing, text: &[u8], bytes_max: usize) -> (Vec<Known>, u32) {
    let (mut found, mut lines, mut start) = (Vec::new(), 0, 0);
    while start < text.len() {
        let mut reach = text.len().min(start + bytes_max);
        let length = loop {
            match framing.cut(&text[start..reach], bytes_max, usize::MAX, reach == text.len()) {
                Some(length) => break length,
                None => reach = text.len().min(reach + 1),
            }
        };
        for record in framing.records(&text[start..start + length]) {
            found.push((start + record.start, record.bytes.to_vec()));
            lines += record.lines;
        }
        start += length;
    }
    (found, lines)
}

/// The same, with each followed in parts as if it were too long.
fn followed(framing: &Framing, text: &[u8], part: usize) -> (Vec<Known>, u64) {
    let (mut found, mut lines, mut start) = (Vec::new(), 0, 0);
    while start < text.len() {
        let (mut follower, mut record, mut at, mut length) =
            (Follower::new(framing), Vec::new(), start, part);
        loop {
            let end = text.len().min(at + length);
            let (taken, ended) = follower.find_end(&text[at..end], end == text.len());
            follower.content(&text[at..at + taken], |content| record.extend_from_slice(content));
            at += taken;
            if ended || at == text.len() {
                break;
            }
            length = if taken == 0 { 2 * length } else { part };
        }
        found.push((start + usize::try_from(follower.lead()).expect("short"), record));
        lines += follower.lines();
        start = at;
    }
    (found, lines)
}

const PIECES: [&str; 26] = [
    "{",
    "{",
    "{",
    "}",
    "}",
    "}",
    "[",
    "]",
    ",",
    ",",
    ":",
    "\"",
    "\"",
    "\\",
    "\n",
    "\n",
    "\r\n",
    " ",
    "  ",
    "x",
    "1",
    "null",
    "{\"a\":1}",
    "\n  {",
    "\"Records\":",
    "\n}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn an_object_is_the_same_however_its_source_is_cut(
        text in proptest::collection::vec(prop::sample::select(&PIECES[..]), 0..40),
        bytes_max in 1_usize..30,
        part in 1_usize..12,
        has_list in any::<bool>(),
    ) {
        let text = text.concat().into_bytes();
        let framing = framing(has_list.then_some("Records"));
        let all: Vec<_> = framing.records(&text).map(|record| (record.start, record.bytes.to_vec())).collect();
        let lines: u32 = framing.records(&text).map(|record| record.lines).sum();
        prop_assert_eq!(lines as usize, text.iter().filter(|&&byte| byte == b'\n').count());
        prop_assert_eq!(cut(&framing, &text, bytes_max), (all.clone(), lines));
        // Pieces other than gaps are the same; gaps have no content to follow.
        let is_record = |(_, bytes): &Known| !framing.is_comment(bytes);
        let (followed, followed_lines) = followed(&framing, &text, part);
        let followed: Vec<_> = followed.into_iter().filter(is_record).collect();
        prop_assert_eq!(followed, all.into_iter().filter(is_record).collect::<Vec<_>>());
        let is_within_line = text.last().is_some_and(|&byte| byte != b'\n');
        prop_assert_eq!(followed_lines, u64::from(lines) + u64::from(is_within_line));
    }

    #[test]
    fn every_object_of_valid_json_is_a_record(
        values in proptest::collection::vec(value(), 0..6),
        joint in prop::sample::select(vec!["", ",", "\n", ",\n", " , ", "\n\n"]),
        pretty in any::<bool>(),
        wrapped in any::<bool>(),
    ) {
        let write = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let objects: Vec<String> = values.iter().map(|value| write(value).expect("JSON")).collect();
        let text = objects.join(joint);
        let text = if wrapped { format!("[{text}]\n") } else { text };
        let found: Vec<_> = pieces(None, &text).into_iter().map(|(piece, _)| piece).collect();
        prop_assert_eq!(found, objects);
    }
}

/// Any object.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i32>().prop_map(Into::into),
        "[a-z{}\\[\\]\",\\\\\n]{0,6}".prop_map(Into::into),
    ];
    let any = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("[a-c\"{]{0,2}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    });
    proptest::collection::btree_map("[a-c]{0,2}", any, 0..4)
        .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into())
}
