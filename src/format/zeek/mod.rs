//! The logs of Zeek (formerly Bro), in its default format.
//!
//! Its directives describe everything: the separators of values and of set items, the texts for an empty
//! and for an absent value, the names of the fields and their types. The last directive of each kind
//! counts, so concatenated logs are read correctly. A field of type `set[…]` or `vector[…]` is a list. All
//! other values are texts that the schema interprets: `time` is seconds since 1970, `T` and `F` are
//! booleans.

#[cfg(test)]
mod plain;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use memchr::{memchr, memmem};

use super::columns::{Columns, Wants};
use super::directives::{Directed, Directives, KindOf, Known, MARK};
use super::{Chunk, Extras, Format, Input, Malformed, Parsed, Preamble, Record};
use crate::source::Framing;

/// One line of values per record.
#[derive(Clone, Debug)]
pub struct Zeek {
    wants: Wants,
}

/// What the directives say.
pub struct Said {
    columns: Columns,
    /// Which columns are lists. Columns beyond its end are not.
    are_lists: Vec<bool>,
    separator: String,
    set_separator: String,
    empty: String,
    unset: String,
}

impl Default for Said {
    fn default() -> Said {
        Said {
            columns: Columns::default(),
            are_lists: Vec::new(),
            separator: "\t".to_owned(),
            set_separator: ",".to_owned(),
            empty: "(empty)".to_owned(),
            unset: "-".to_owned(),
        }
    }
}

/// The directives that are kept. A header begins with the separator, which the others need.
const KINDS: [&str; 6] =
    ["#separator", "#set_separator", "#empty_field", "#unset_field", "#fields", "#types"];

fn kind_of(line: &[u8]) -> Option<u8> {
    KINDS.iter().zip(0..).find_map(|(name, kind)| {
        let rest = line.strip_prefix(name.as_bytes())?;
        // Any separator may follow the name.
        rest.first().is_some_and(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').then_some(kind)
    })
}

impl Zeek {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(paths: &[Vec<S>], extras: Extras) -> Zeek {
        Zeek { wants: Wants::new(paths, extras) }
    }
}

impl Directed for Zeek {
    type Said = Said;

    const KIND_OF: KindOf = kind_of;

    fn wants(&self) -> &Wants {
        &self.wants
    }

    fn read(&self, directives: &Directives) -> Said {
        let mut said = Said::default();
        for (name, kind) in KINDS.iter().zip(0..) {
            let Some(line) = directives.lines().find(|line| kind_of(line.as_bytes()) == Some(kind)) else {
                continue;
            };
            let rest = &line[name.len()..];
            if kind == 0 {
                // A blank precedes it, because the separator is not known yet.
                let separator = unescaped(rest.strip_prefix(' ').unwrap_or(rest));
                if !separator.is_empty() {
                    said.separator = separator;
                }
                continue;
            }
            let rest = rest.strip_prefix(&*said.separator).unwrap_or(rest);
            match kind {
                1 if !rest.is_empty() => said.set_separator = unescaped(rest),
                1 => {}
                2 => rest.clone_into(&mut said.empty),
                3 => rest.clone_into(&mut said.unset),
                4 => {
                    let names: Vec<&str> = split(rest, &said.separator).collect();
                    said.columns = self.wants.columns(&names);
                }
                _ => {
                    let is_list = |kind: &str| kind.starts_with("set[") || kind.starts_with("vector[");
                    said.are_lists = split(rest, &said.separator).map(is_list).collect();
                }
            }
        }
        said
    }
}

impl Format for Zeek {
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
        let Said { columns, are_lists, separator, set_separator, empty, unset } = &known.said;
        if columns.len() == 0 {
            return Err(Malformed::no_match("values that no #fields names", 0));
        }
        record.begin_columns(columns, &input);
        record.outside = known.bytes();
        let has_escapes = memchr(b'\\', input.raw).is_some();
        let plain = |value: &'r str| if has_escapes { unescape(value, input.arena) } else { value };
        let mut count = 0;
        for value in split(text, separator) {
            if count >= columns.len() {
            } else if value == unset {
                record.put_null(columns, count);
            } else if are_lists.get(count) == Some(&true) {
                let items = split(value, set_separator).filter(|_| value != empty);
                let item = |item| if item == unset { None } else { Some(plain(item)) };
                record.put_list(columns, count, items.map(item));
            } else {
                record.put(columns, count, if value == empty { "" } else { plain(value) });
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

/// The pieces of a text between separators.
fn split<'t>(text: &'t str, separator: &str) -> impl Iterator<Item = &'t str> {
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let start = at?;
        let rest = text.get(start..)?;
        let end = match separator.as_bytes() {
            [byte] => memchr(*byte, rest.as_bytes()),
            separator => memmem::find(rest.as_bytes(), separator),
        };
        at = end.map(|end| start + end + separator.len());
        rest.get(..end.unwrap_or(rest.len()))
    })
}

/// A value without its escapes: `\x09` is a byte, a doubled backslash is a backslash. If the result is not
/// UTF-8, the value stays as written.
fn unescape<'r>(value: &'r str, arena: &'r Bump) -> &'r str {
    if memchr(b'\\', value.as_bytes()).is_none() {
        return value;
    }
    let mut bytes = ArenaVec::with_capacity_in(value.len(), arena);
    let mut rest = value.as_bytes();
    while let Some(at) = memchr(b'\\', rest) {
        bytes.extend_from_slice(&rest[..at]);
        let (byte, length) = escaped(&rest[at..]);
        bytes.push(byte);
        rest = &rest[at + length..];
    }
    bytes.extend_from_slice(rest);
    std::str::from_utf8(bytes.into_bump_slice()).unwrap_or(value)
}

/// The byte that an escape stands for, and the length of the escape.
fn escaped(rest: &[u8]) -> (u8, usize) {
    let digit = |place: usize| rest.get(place).and_then(|&byte| char::from(byte).to_digit(16));
    match (rest.get(1), digit(2), digit(3)) {
        (Some(b'x'), Some(high), Some(low)) => (u8::try_from(16 * high + low).unwrap_or(b'?'), 4),
        (Some(b'\\'), ..) => (b'\\', 2),
        _ => (b'\\', 1),
    }
}

/// The same for a directive.
fn unescaped(text: &str) -> String {
    unescape(text, &Bump::new()).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Shown, shown, shown_in_chunks, text_of};
    use super::*;

    fn all() -> Zeek {
        Zeek::new::<&str>(&[], Extras::Gathered)
    }

    const CONN: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
        #open\t2023-10-27-00-00-00\n#fields\tts\tuid\tid.orig_h\ttunnel_parents\n#types\ttime\tstring\taddr\tset[string]\n\
        1698364800.000001\tCx1\t::1\t(empty)\n1698364801.5\t-\t10.0.0.1\ta,-,b\\x2cc\n#close\t2023-10-27-01-00-00\n";

    #[test]
    fn the_directives_say_how_a_line_is_read() {
        let Shown { records, counted } = shown(&all(), CONN.as_bytes());
        assert_eq!(
            records,
            [
                r#"{"ts":"1698364800.000001","uid":"Cx1","id.orig_h":"::1","tunnel_parents":[]}"#,
                r#"{"ts":"1698364801.5","uid":null,"id.orig_h":"10.0.0.1","tunnel_parents":["a",null,"b,c"]}"#,
            ]
        );
        assert_eq!((counted.lines, counted.skipped, counted.records), (11, 9, 2));
    }

    #[test]
    fn logs_one_behind_the_other_have_their_own_directives() {
        let other = "#separator \\x7c\n#set_separator|;\n#unset_field|?\n#fields|a|b\n#types|vector[int]|string\n1;?|(empty)\n?|-\n";
        let both = format!("{CONN}{other}");
        assert_eq!(
            shown(&all(), both.as_bytes()).records[2..],
            [r#"{"a":["1",null],"b":""}"#, r#"{"a":null,"b":"-"}"#]
        );
    }

    #[test]
    fn what_no_directive_describes_is_a_reject() {
        assert_eq!(
            shown(&all(), b"a\n#fields\tx\na\tb\n\xff\n").records,
            ["no_match", "column_count", "invalid_utf8"]
        );
    }

    #[test]
    fn escapes_are_undone_where_that_gives_text() {
        let text = b"#fields\tx\n\\x41\\x09\\\\\\x5c\\q\\x4\n\\xff\n\\xc3\\xa4\n";
        assert_eq!(
            shown(&all(), text).records,
            [r#"{"x":"A\t\\\\\\q\\x4"}"#, r#"{"x":"\\xff"}"#, r#"{"x":"ä"}"#]
        );
    }

    #[test]
    fn lists_are_marked_and_gathered_as_other_values() {
        let format = Zeek::new(&[vec!["uid"], vec!["nope"]], Extras::Gathered);
        let (arena, mut scratch) = (Bump::new(), Known::default());
        format.begin(
            &Preamble::new(b"#fields\ta\tuid\tb\n#types\tset[int]\tstring\tvector[int]"),
            &mut scratch,
        );
        let mut record = Record::default();
        format.parse(Input::new(b"1,2\tC\t3", &arena), &mut scratch, &mut record).expect("a record");
        assert_eq!(record.get(0).expect("there").json(&arena), b"\"C\"");
        assert!(record.get(1).is_none());
        let extras: Vec<_> = record.extras().map(|(name, item)| (name, item.json(&arena))).collect();
        assert_eq!(extras, [("a", &b"[\"1\",\"2\"]"[..]), ("b", b"[\"3\"]")]);
        assert_eq!(record.root().json(&arena), br#"{"a":["1","2"],"uid":"C","b":["3"]}"#);
    }

    const PIECES: [&[u8]; 30] = [
        b"\n",
        b"\n",
        b"\n",
        b"\r\n",
        b"\t",
        b"\t",
        b"\t",
        b"\t",
        b",",
        b",",
        b"-",
        b"(empty)",
        b"\n#separator \\x09",
        b"\n#separator ,",
        b"\n#set_separator\t|",
        b"\n#unset_field\tx",
        b"\n#empty_field\t-",
        b"\n#fields\ta\tb",
        b"\n#fields\ta\tb",
        b"\n#types\tset[string]\tstring",
        b"\n#types\tset[string]\tstring",
        b"|",
        b"x",
        b"x",
        b"\\x2",
        b"c",
        b"\\",
        b"\xc3\xa4",
        b"\xff",
        b"#",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_reads_what_the_plain_reader_reads(
            text in text_of(&PIECES),
            bytes_max in 1_usize..40,
        ) {
            let format = Zeek::new(&[vec!["a"]], Extras::Gathered);
            prop_assert_eq!(&shown(&format, &text).records, &plain::read(&text));
            prop_assert_eq!(shown_in_chunks(&format, &text, bytes_max), shown(&format, &text));
        }
    }
}
