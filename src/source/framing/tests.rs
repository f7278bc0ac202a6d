//! Records, and where a source may be cut, for each framing.

use proptest::prelude::*;

use super::*;

fn starting(pattern: &str) -> Framing {
    Framing::Starts(Regex::new(pattern).expect("a pattern"))
}

fn quoted() -> Framing {
    Framing::Quoted(Quotes { delimiter: b',', quote: b'"', escape: None, comment: None })
}

fn records<'b>(framing: &'b Framing, text: &'b str) -> Vec<&'b str> {
    framing.records(text.as_bytes()).map(|record| record.text.expect("text")).collect()
}

#[test]
fn a_carriage_return_belongs_to_the_line_end() {
    assert_eq!(records(&Framing::Lines, "a\r\nb\r\r\nc\rd\n"), ["a", "b\r", "c\rd"]);
}

#[test]
fn the_last_piece_is_a_line_if_it_is_not_empty() {
    let lines = |text| records(&Framing::Lines, text);
    assert_eq!(lines("a\nb"), ["a", "b"]);
    assert_eq!(lines("a\n"), ["a"]);
    assert_eq!(lines("\n\r\n"), ["", ""]);
    assert_eq!(lines("\n\r"), ["", ""]);
    assert_eq!(lines(""), [""; 0]);
}

#[test]
fn a_line_that_is_not_text_spoils_no_other() {
    let bytes = b"gr\xc3\xbcn\r\n\xc3\n\xbc\nb";
    let found: Vec<_> =
        Framing::Lines.records(bytes).map(|line| (line.start, line.bytes, line.text)).collect();
    assert_eq!(
        found,
        [
            (0, "grün".as_bytes(), Some("grün")),
            (7, &b"\xc3"[..], None),
            (9, b"\xbc", None),
            (11, b"b", Some("b")),
        ]
    );
}

#[test]
fn white_space_is_blank() {
    assert!(is_blank(b"") && is_blank(b" \t\r") && !is_blank(b" x") && !is_blank(b"\x0b"));
}

#[test]
fn a_record_goes_on_until_the_next_one_starts() {
    let framing = starting(r"^\d");
    assert_eq!(records(&framing, "1\n at\r\n\n2\r\n3\n at"), ["1\n at\r\n", "2", "3\n at"]);
    assert_eq!(records(&framing, " at\n1\n"), [" at", "1"]);
    let lines: Vec<u32> = framing.records(b"1\n at\n\n2\r\n3\n at").map(|record| record.lines).collect();
    assert_eq!(lines, [3, 1, 2]);
}

#[test]
fn quotes_hold_lines_together() {
    assert_eq!(records(&quoted(), "a,\"b\n\",c\nd\n"), ["a,\"b\n\",c", "d"]);
    assert_eq!(records(&quoted(), "\"a\"\"\n\"\n\"b"), ["\"a\"\"\n\"", "\"b"]);
    // A quote that does not start a field opens nothing.
    assert_eq!(records(&quoted(), "5\" disk,a\nb,\"c\"d\"\ne\n"), ["5\" disk,a", "b,\"c\"d\"", "e"]);
    let escaped =
        Framing::Quoted(Quotes { delimiter: b';', quote: b'\'', escape: Some(b'\\'), comment: Some(b'#') });
    assert_eq!(records(&escaped, "'a\\'\n';b\\\nc\n# it's\nd\n"), ["'a\\'\n';b\\\nc", "# it's", "d"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn where_only_quotes_are_stopped_at_the_end_is_that_of_a_walk(
        bytes in proptest::collection::vec(
            prop_oneof![3 => Just(b'"'), 2 => Just(b','), 3 => Just(b'\n'), 1 => Just(b'\r'), 3 => Just(b'x')],
            0..40,
        ),
        from in 0_usize..45,
    ) {
        let quotes = Quotes { delimiter: b',', quote: b'"', escape: None, comment: None };
        let walked = walk_to(from, |start| quotes.record_end(&bytes, start), None);
        let ahead = walked.filter(|end| *end > from);
        prop_assert_eq!(quotes.end_behind(&bytes, from), ahead);
    }
}

#[test]
fn a_cut_moves_forward_to_the_next_record() {
    let cut = |text: &[u8], bytes_max, is_end| Framing::Lines.cut(text, bytes_max, usize::MAX, is_end);
    assert_eq!(cut(b"ab\ncd\nef", 1, false), Some(3));
    assert_eq!(cut(b"ab\ncd\nef", 3, false), Some(3));
    assert_eq!(cut(b"ab\ncd\nef", 4, false), Some(6));
    // If there is none ahead, it goes back.
    assert_eq!(cut(b"ab\ncd\nef", 7, false), Some(6));
    assert_eq!(cut(b"abcdef", 2, false), None);
    assert_eq!(cut(b"ab\ncd\nef", 7, true), Some(8));
    assert_eq!(cut(b"", 7, true), None);
}

#[test]
fn a_chunk_of_short_lines_is_shorter() {
    let text = b"x\n".repeat(100_000);
    assert_eq!(Framing::Lines.cut(&text, 1 << 20, 1_000, true), Some(2_000));
    assert_eq!(Framing::Lines.cut(&text[..2_000], 1 << 20, 1_000, true), Some(2_000));
    assert_eq!(quoted().cut(&text, 1 << 20, 1_000, true), Some(2_000));
    assert_eq!(starting("z").cut(&text, 1 << 20, 1_000, true), Some(200_000));
}

#[test]
fn an_open_record_goes_on_or_does_not() {
    let (lines, starts, quotes) = (Framing::Lines, starting(r"^\d"), quoted());
    assert!(lines.is_open(b"a", true) && !lines.is_open(b"a\n", true) && !lines.is_open(b"", true));
    assert!(starts.is_open(b"1\n", true) && !starts.is_open(b"1\n", false));
    assert!(quotes.is_open(b"\"\n", true) && quotes.is_open(b"a", true) && !quotes.is_open(b"\"a\"\n", true));
    for (framing, open, next, expected) in [
        (&lines, "a", "\nb", Some(1)),
        (&lines, "a", "\r\nb", Some(2)),
        (&lines, "a", "b", None),
        (&lines, "a", "", Some(0)),
        (&starts, "1\n", "2\n", Some(0)),
        (&starts, "1\n", " at\n", None),
        (&starts, "1", "\n2", Some(1)),
        (&starts, "1", "\n", None),
        (&starts, "1", "2", None),
        (&quotes, "\"a", "\n", None),
        (&quotes, "\"a\n", "b\"\n", None),
        (&quotes, "\"a\"", "\nb", Some(1)),
        (&quotes, "\"a\"", "\"\nb", None),
    ] {
        let goes_on = framing.goes_on(open.as_bytes(), next.as_bytes(), true);
        assert_eq!(goes_on, expected, "{open:?} and then {next:?}");
    }
}

/// The records of `text`, cut into chunks first.
fn cut_records(framing: &Framing, text: &[u8], bytes_max: usize, lines_max: usize) -> Vec<(usize, Vec<u8>)> {
    let (mut found, mut start) = (Vec::new(), 0);
    while start < text.len() {
        // Like a block that happens to reach this far, or to the end.
        let reach = text.len().min(start + 2 * bytes_max);
        let is_end = reach == text.len();
        let length = framing.cut(&text[start..reach], bytes_max, lines_max, is_end);
        let length = length.or_else(|| framing.cut(&text[start..], bytes_max, lines_max, true));
        let length = length.expect("a record ends at the end");
        let records = framing.records(&text[start..start + length]);
        found.extend(records.map(|record| (start + record.start, record.bytes.to_vec())));
        start += length;
    }
    found
}

/// The same, with every record followed in pieces as if it were too long.
fn followed_records(framing: &Framing, text: &[u8], piece: usize) -> Vec<(usize, Vec<u8>, u64)> {
    let (mut found, mut start) = (Vec::new(), 0);
    while start < text.len() {
        let (mut follower, mut record, mut at, mut length) =
            (Follower::new(framing), Vec::new(), start, piece);
        loop {
            let end = text.len().min(at + length);
            let (taken, ended) = follower.find_end(&text[at..end], end == text.len());
            follower.content(&text[at..at + taken], |content| record.extend_from_slice(content));
            at += taken;
            if ended || at == text.len() {
                break;
            }
            length = if taken == 0 { 2 * length } else { piece };
        }
        found.push((start, record, follower.lines()));
        start = at;
    }
    found
}

/// One byte after the other, in quotes or not.
fn plain_quoted(quotes: &Quotes, text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let (mut found, mut start, mut state) = (Vec::new(), 0, QuoteState::Record);
    for (at, &byte) in text.iter().enumerate() {
        if state.step(byte, quotes) {
            found.push((start, without_line_end(&text[start..=at]).to_vec()));
            (start, state) = (at + 1, QuoteState::Record);
        }
    }
    if start < text.len() {
        found.push((start, without_line_end(&text[start..]).to_vec()));
    }
    found
}

/// The records of `text`, which are the same in chunks and in pieces.
fn is_the_same_however_it_is_cut(
    framing: &Framing,
    text: &[u8],
    bytes_max: usize,
    lines_max: usize,
    piece: usize,
) -> Result<Vec<(usize, Vec<u8>)>, TestCaseError> {
    let all: Vec<_> = framing.records(text).map(|record| (record.start, record.bytes.to_vec())).collect();
    prop_assert_eq!(&cut_records(framing, text, bytes_max, lines_max), &all, "{:?}", framing);
    let lines: Vec<_> = framing.records(text).map(|record| u64::from(record.lines)).collect();
    let followed = followed_records(framing, text, piece);
    let followed_lines: Vec<_> = followed.iter().map(|(_, _, lines)| *lines).collect();
    let followed: Vec<_> = followed.into_iter().map(|(start, record, _)| (start, record)).collect();
    prop_assert_eq!(&followed, &all, "{:?}", framing);
    prop_assert_eq!(followed_lines, lines, "{:?}", framing);
    // Asks whether a record continues at a place where it does not.
    for pair in all.windows(2) {
        let (open, next) = text.split_at(pair[1].0);
        let goes_on = framing.goes_on(&open[pair[0].0..], next, true);
        prop_assert_eq!(goes_on, Some(0), "{:?}: {:?}", framing, pair);
    }
    Ok(all)
}

/// What lines of containers consist of.
const PIECES: [&str; 15] = [
    "2023-10-27T12:34:56Z stdout F ",
    "2023-10-27T12:34:56Z stdout P ",
    "2023-10-27T12:34:56Z stderr P ",
    "{\"log\":\"",
    "\\n\",\"stream\":\"stdout\"}\n",
    "\",\"stream\":\"stdout\"}\n",
    "\",\"stream\":\"stderr\"}\r\n",
    "web-1 | ",
    "db_1 | ",
    "1",
    "at",
    "\\u0031",
    "\n",
    "\n",
    "\r\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_a_container_wrote_is_the_same_however_its_source_is_cut(
        pieces in proptest::collection::vec(prop::sample::select(&PIECES[..]), 0..25),
        bytes_max in 1_usize..90,
        lines_max in 1_usize..8,
        piece in 1_usize..70,
        has_start in any::<bool>(),
    ) {
        let text = pieces.concat();
        let start = has_start.then(|| Regex::new("^[0-9]").expect("a pattern"));
        for runtime in [Runtime::Cri, Runtime::Docker, Runtime::Compose] {
            let framing = Framing::Parts(Parts { runtime, record_start: start.clone() });
            is_the_same_however_it_is_cut(&framing, text.as_bytes(), bytes_max, lines_max, piece)?;
        }
    }

    #[test]
    fn a_record_is_the_same_however_its_source_is_cut(
        text in proptest::collection::vec(
            prop_oneof![3 => Just(b'\n'), 1 => Just(b'\r'), 2 => Just(b'"'), 2 => Just(b','), 1 => Just(b'1'), 1 => Just(b'\\'), 1 => Just(b'#'), 1 => Just(b'x'), 1 => Just(b' ')],
            0..60,
        ),
        bytes_max in 1_usize..30,
        lines_max in 1_usize..8,
        piece in 1_usize..12,
        has_escape in any::<bool>(),
    ) {
        let mut quotes = Quotes { delimiter: b',', quote: b'"', escape: None, comment: None };
        if has_escape {
            quotes = Quotes { escape: Some(b'\\'), comment: Some(b'#'), ..quotes };
        }
        for framing in [Framing::Lines, Framing::Commented(b'#'), starting(r"^\d"), starting("x$"), Framing::Quoted(quotes)] {
            let all = is_the_same_however_it_is_cut(&framing, &text, bytes_max, lines_max, piece)?;
            if let Framing::Quoted(quotes) = &framing {
                prop_assert_eq!(&plain_quoted(quotes, &text), &all);
            }
        }
    }
}
