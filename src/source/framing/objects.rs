//! JSON objects, one behind the other: in an array or not, on many lines or many on one.
//!
//! Between objects stand blanks, line ends, commas and the brackets of arrays around them: the
//! *gaps*. A piece is an object with the gaps before it on its line and behind it up to the line
//! end; a line of nothing but gaps is a piece of its own.
//!
//! What is no object costs itself, where it is a number or a word such as `null`, or else its
//! line. An object that cannot go on (a brace where a key must stand, a bracket that closes a
//! brace, a line end within a string) is *broken*, and costs what follows up to a line that is
//! indented no further than its own and begins with `{`, where the next record starts, or with `}`,
//! with which it ends. So one that was cut off costs nothing behind it, and what stands within one
//! is never taken for a record.
//!
//! The walk over a piece looks at each byte once, in order, and takes the piece in parts of any
//! size: whoever cuts, reads or follows a piece sees it end at the same byte.

use std::ops::Range;

use memchr::{memchr, memchr3};

/// Which objects are records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Each file is an object that has the records in a list of this name.
    pub list: Option<&'static str>,
}

/// A longer gap is taken in parts, so that one need not see its end to know what stands before.
const GAP_BYTES_MAX: usize = 256;

/// To know where a piece ends one must see a gap behind it, and the start of a line.
pub(super) const LOOK_AHEAD: usize = 4 * GAP_BYTES_MAX;

/// Levels of which it is known what opened them. JSON of more is refused by its reader.
const LEVELS_MAX: u32 = 128;

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

impl Objects {
    /// Whether a byte can stand between records. (A text sequence, RFC 7464, has its own mark.)
    fn is_gap(self, byte: u8) -> bool {
        is_blank(byte) || matches!(byte, b',' | b'[' | b']' | 0x1e) || self.list.is_some() && byte == b'}'
    }

    /// Whether nothing but gaps stands in a piece.
    pub fn are_gaps(self, piece: &[u8]) -> bool {
        let mut rest = piece;
        while let Some(&byte) = rest.first() {
            let length = match byte {
                b'\n' => 1,
                b'{' => match self.opening(rest) {
                    Opening::Whole(length) => length,
                    Opening::Part | Opening::None => return false,
                },
                byte if self.is_gap(byte) => 1,
                _ => return false,
            };
            rest = &rest[length..];
        }
        true
    }

    /// Whether `rest`, which begins with a brace, opens the list of records.
    fn opening(self, rest: &[u8]) -> Opening {
        let Some(name) = self.list else { return Opening::None };
        let quoted = name.bytes().chain([b'"', b':', b'[']);
        let mut wanted = [b'{', b'"'].into_iter().chain(quoted).peekable();
        let mut at = 0;
        while let Some(&next) = wanted.peek() {
            match rest.get(at) {
                None => return Opening::Part,
                Some(&byte) if byte == next => drop(wanted.next()),
                // Anywhere but in the name.
                Some(&byte) if matches!(next, b'"' | b':' | b'[') && (is_blank(byte) || byte == b'\n') => {}
                Some(_) => return Opening::None,
            }
            at += 1;
            if at > GAP_BYTES_MAX {
                return Opening::None;
            }
        }
        Opening::Whole(at)
    }
}

/// What begins with a brace.
enum Opening {
    /// The opening of the list of records, of this length.
    Whole(usize),
    /// What may become one.
    Part,
    /// Something else.
    None,
}

/// Where in a piece the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In the gaps before the record.
    Before,
    /// In the object.
    Object,
    /// In a string of the object.
    String,
    /// Behind a backslash in a string.
    Escaped,
    /// In an object that cannot go on, within a line.
    Broken,
    /// The same, before a line.
    BrokenLine,
    /// In something that is no object.
    Other,
    /// The same, and it may be a word or number.
    Word,
    /// In the gaps behind the record.
    Behind,
}

/// Follows one piece to its end.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    objects: Objects,
    phase: Phase,
    /// Bytes of the gap at hand.
    gap: usize,
    /// Blanks before the record on its line.
    indent: usize,
    is_indent: bool,
    depth: u32,
    /// For each level a bit that says whether it is a list.
    lists: u128,
    /// The last byte of the object that was no blank; any letter for a value that is a word.
    last: u8,
    /// The line at hand begins with the bytes that are to come,
    at_line_start: bool,
    /// and this is what was known of the object there.
    at_line: (u32, u128, u8),
}

/// How far a walk came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// Bytes that belong to the piece. Those that are left must be shown again, with more behind.
    pub(super) taken: usize,
    /// Whether the piece ends behind them.
    pub(super) is_end: bool,
    /// Which of them belong to the record. It may have a line end, which does not.
    pub(super) content: Range<usize>,
}

impl Walk {
    pub(super) fn new(objects: Objects) -> Walk {
        Walk {
            objects,
            phase: Phase::Before,
            gap: 0,
            indent: 0,
            is_indent: true,
            depth: 0,
            lists: 0,
            last: 0,
            at_line_start: false,
            at_line: (0, 0, 0),
        }
    }

    /// Whether the record is still to begin.
    pub(super) fn is_before(&self) -> bool {
        self.phase == Phase::Before
    }

    /// Whether the record has begun and its end was not seen.
    pub(super) fn is_within(&self) -> bool {
        !matches!(self.phase, Phase::Before | Phase::Behind)
    }

    /// Whether the record in `piece`, which is all that there is, may go on behind it.
    pub(super) fn goes_on_behind(&mut self, piece: &[u8]) -> bool {
        self.go_on(piece, true);
        self.is_within()
    }

    /// Goes on over the next bytes of the piece. `is_last` says that there are no more.
    pub(super) fn go_on(&mut self, bytes: &[u8], is_last: bool) -> Walked {
        let mut at = 0;
        self.at_line = (self.depth, self.lists, self.last);
        // The record goes on from before, unless it has ended there.
        let mut content = if self.is_within() { 0..usize::MAX } else { 0..0 };
        let is_end = loop {
            let Some(&byte) = bytes.get(at) else { break false };
            match self.phase {
                Phase::Before => match byte {
                    b'\n' => {
                        at += 1;
                        content = 0..at;
                        break true;
                    }
                    b'{' => match self.objects.opening(&bytes[at..]) {
                        Opening::Whole(length) => {
                            self.is_indent = false;
                            at += length;
                        }
                        Opening::Part if !is_last => break false,
                        _ => {
                            (self.phase, content) = (Phase::Object, at..usize::MAX);
                        }
                    },
                    byte if self.objects.is_gap(byte) => {
                        self.is_indent &= is_blank(byte);
                        self.indent += usize::from(self.is_indent);
                        self.gap += 1;
                        at += 1;
                        if self.gap == GAP_BYTES_MAX {
                            content = 0..at;
                            break true;
                        }
                    }
                    _ => (self.phase, content) = (Phase::Word, at..usize::MAX),
                },
                Phase::Behind => match byte {
                    b'\n' => {
                        at += 1;
                        break true;
                    }
                    byte if self.objects.is_gap(byte) && self.gap < GAP_BYTES_MAX => {
                        self.gap += 1;
                        at += 1;
                    }
                    _ => break true,
                },
                Phase::Word => match byte {
                    b',' | b']' => {
                        content.end = at;
                        self.end_record();
                    }
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.' => at += 1,
                    _ => self.phase = Phase::Other,
                },
                Phase::Other => match memchr(b'\n', &bytes[at..]) {
                    Some(newline) => {
                        at += newline + 1;
                        break true;
                    }
                    None => at = bytes.len(),
                },
                Phase::Escaped => {
                    self.phase = Phase::String;
                    // A line end is one, escaped or not.
                    at += usize::from(byte != b'\n');
                }
                Phase::String => match memchr3(b'"', b'\\', b'\n', &bytes[at..]) {
                    None => at = bytes.len(),
                    Some(length) => {
                        at += length;
                        self.phase = match bytes[at] {
                            b'"' => Phase::Object,
                            b'\\' => Phase::Escaped,
                            _ => Phase::Broken,
                        };
                        at += usize::from(self.phase != Phase::Broken);
                        self.last = b'"';
                    }
                },
                Phase::Object => {
                    at = self.object(bytes, at);
                    match self.phase {
                        Phase::Behind => content.end = at,
                        // A line that is begun is needed whole, should the object break in it.
                        Phase::Object if at == bytes.len() && !is_last => {
                            if let Some(start) = self.line_start(bytes, at) {
                                (self.depth, self.lists, self.last) = self.at_line;
                                at = start;
                            }
                            break false;
                        }
                        _ => {}
                    }
                }
                Phase::Broken => match memchr(b'\n', &bytes[at..]) {
                    Some(newline) => (self.phase, at) = (Phase::BrokenLine, at + newline + 1),
                    None => at = bytes.len(),
                },
                Phase::BrokenLine => match self.resumes(&bytes[at..], is_last) {
                    None => break false,
                    Some(Resumes::Not) => self.phase = Phase::Broken,
                    Some(Resumes::Here) => break true,
                    Some(Resumes::Behind(length)) => {
                        at += length;
                        content.end = at;
                        self.end_record();
                    }
                },
            }
        };
        // Whether what comes begins a line is known by what was taken.
        if let Some(before) = at.checked_sub(1) {
            self.at_line_start = bytes[before] == b'\n';
        }
        Walked { taken: at, is_end, content: content.start.min(at)..content.end.min(at) }
    }

    fn end_record(&mut self) {
        (self.phase, self.gap) = (Phase::Behind, 0);
    }

    /// Goes through an object outside of its strings, from `at`, until something changes the phase.
    fn object(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    self.phase = Phase::String;
                    return at + 1;
                }
                b'{' | b'[' => {
                    let is_in_list = self.is_list();
                    let fits = match self.last {
                        _ if self.depth == 0 || self.depth > LEVELS_MAX => true,
                        b':' => !is_in_list,
                        b',' | b'[' => is_in_list,
                        _ => false,
                    };
                    if !fits {
                        return self.breaks(bytes, at);
                    }
                    self.depth += 1;
                    if self.depth <= LEVELS_MAX {
                        let bit = 1 << (self.depth - 1);
                        self.lists = if byte == b'[' { self.lists | bit } else { self.lists & !bit };
                    }
                    self.last = byte;
                }
                b'}' | b']' => {
                    if self.depth <= LEVELS_MAX && self.is_list() != (byte == b']') {
                        return self.breaks(bytes, at);
                    }
                    self.depth -= 1;
                    self.last = byte;
                    if self.depth == 0 {
                        self.end_record();
                        return at + 1;
                    }
                }
                b'\n' => self.at_line = (self.depth, self.lists, self.last),
                b' ' | b'\t' | b'\r' => {}
                byte => self.last = byte,
            }
            at += 1;
        }
        at
    }

    /// Whether the innermost level is a list.
    fn is_list(&self) -> bool {
        matches!(self.depth, 1..=LEVELS_MAX) && self.lists >> (self.depth - 1) & 1 == 1
    }

    /// The object cannot go on at `at`: where to look for its end.
    fn breaks(&mut self, bytes: &[u8], at: usize) -> usize {
        match self.line_start(bytes, at) {
            // It may be the line that the next record starts in.
            Some(start) => {
                self.phase = Phase::BrokenLine;
                start
            }
            None => {
                self.phase = Phase::Broken;
                at
            }
        }
    }

    /// Where the line of `at` starts, if only gaps stand between.
    fn line_start(&self, bytes: &[u8], at: usize) -> Option<usize> {
        // A brace may be what the object ends with.
        let is_gap = |byte: u8| byte != b'}' && self.objects.is_gap(byte);
        let gap = bytes[..at].iter().rev().take_while(|&&byte| is_gap(byte)).take(GAP_BYTES_MAX).count();
        if gap == GAP_BYTES_MAX {
            return None;
        }
        let start = at - gap;
        match start.checked_sub(1) {
            Some(before) => bytes[before] == b'\n',
            None => self.at_line_start,
        }
        .then_some(start)
    }

    /// Whether a broken object ends with this line; `None` if that cannot be known yet.
    fn resumes(&self, line: &[u8], is_last: bool) -> Option<Resumes> {
        let undecided = if is_last { Some(Resumes::Not) } else { None };
        let blanks = line.iter().take(self.indent + 1).take_while(|&&byte| is_blank(byte)).count();
        if blanks > self.indent {
            return Some(Resumes::Not);
        }
        let Some(&first) = line.get(blanks) else { return undecided };
        if first == b'}' {
            return Some(Resumes::Behind(blanks + 1));
        }
        let rest = &line[blanks..line.len().min(blanks + GAP_BYTES_MAX)];
        match rest.iter().find(|&&byte| !self.objects.is_gap(byte)) {
            Some(b'{') => Some(Resumes::Here),
            None if rest.len() < GAP_BYTES_MAX => undecided,
            _ => Some(Resumes::Not),
        }
    }
}

/// What a line says of a broken object before it.
enum Resumes {
    /// It goes on.
    Not,
    /// It ends before the line.
    Here,
    /// It ends with so many bytes of the line.
    Behind(usize),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Follower, Framing};
    use super::*;

    fn framing(list: Option<&'static str>) -> Framing {
        Framing::Objects(Objects { list })
    }

    /// What is no gap in a text, and the line that each starts in.
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
        assert_pieces(
            r#"{"a":"}\"{\\"}{"b":"[\u005d"}"#,
            &[(r#"{"a":"}\"{\\"}"#, 1), (r#"{"b":"[\u005d"}"#, 1)],
        );
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
        // A brace that is missing, a string that is cut off, a crash within a line.
        for broken in [
            "{\"a\":{\"b\":1}",
            "{\"a\":\"x",
            "{\"a\":{\"b\":1},",
            "{\"a\":[1}",
            "{\"a\":1,\"b\":\"tr{\"c\":2}",
        ] {
            assert_pieces(
                &format!("{{}}\n{broken}\n{{\"c\":2}}\n"),
                &[("{}", 1), (broken, 2), ("{\"c\":2}", 3)],
            );
        }
        let broken = "{\n    \"a\": \"x,\n    \"b\": [\n      {\n      }\n    ]\n  }";
        assert_pieces(&format!("[\n  {broken},\n  {{}}\n]\n"), &[(broken, 2), ("{}", 9)]);
        let broken = "{\n \"a\": 1\n \"b\": {{}\n}";
        assert_pieces(&format!("[{{}}, {broken}, {{\n}}]"), &[("{}", 1), (broken, 1), ("{\n}", 4)]);
        // Nothing is wrong with a brace that begins a line where one may stand.
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

    /// Every piece, cut into chunks first. What is known of a chunk is no more than it reaches.
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

    /// The same, with each followed as if it were too long, in parts.
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
            // What is no gap is the same; gaps have no content to follow.
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
}
