//! syslog: the messages of system daemons, in the forms of RFC 3164 and RFC 5424. One file may have both.
//!
//! RFC 3164 describes existing practice, and files lack its priority: a timestamp (`Aug  7 02:14:38`, with
//! a year or a fraction if the daemon writes them, or in ISO 8601), a host, a tag with a process id
//! (`sshd[22442]:`), and a message. The host and the tag are optional. A line that begins with neither a
//! priority nor a timestamp is a `no_match`.
//!
//! A record of RFC 5424 has a version after its priority. Its structured data becomes an object of
//! objects; a repeated parameter of an element becomes a list. `-` is null.

#[cfg(test)]
mod plain;
mod stamp;
mod structured;

use super::columns::Columns;
use super::find::find;
use super::usual::{Holds, Usual};
use super::{Extras, Format, Input, Malformed, Parsed, Record, Wanted};
use crate::source::Framing;

/// Its fields, in the order of a record.
const FIELDS: [Usual<'static>; 11] = [
    usual(PRIORITY, Holds::Int),
    usual(FACILITY, Holds::Int),
    usual(SEVERITY, Holds::Int),
    usual(VERSION, Holds::Int),
    usual(TIMESTAMP, Holds::Stamp(Some("syslog"))),
    usual(HOSTNAME, Holds::Text),
    usual(APPNAME, Holds::Text),
    usual(PROCID, Holds::Anything),
    usual(MSGID, Holds::Text),
    usual(STRUCTURED_DATA, Holds::Object),
    usual(MESSAGE, Holds::Text),
];
const NAMES: [&str; 11] = [
    "priority",
    "facility",
    "severity",
    "version",
    "timestamp",
    "hostname",
    "appname",
    "procid",
    "msgid",
    "structured_data",
    "message",
];
const PRIORITY: usize = 0;
const FACILITY: usize = 1;
const SEVERITY: usize = 2;
const VERSION: usize = 3;
const TIMESTAMP: usize = 4;
const HOSTNAME: usize = 5;
const APPNAME: usize = 6;
const PROCID: usize = 7;
const MSGID: usize = 8;
const STRUCTURED_DATA: usize = 9;
const MESSAGE: usize = 10;

const fn usual(column: usize, holds: Holds<'static>) -> Usual<'static> {
    Usual { name: NAMES[column], holds, is_required: column == MESSAGE }
}

/// The numbers of facilities and severities, as text.
const NUMBERS: [&str; 24] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18",
    "19", "20", "21", "22", "23",
];

/// The fields of its records.
pub(super) fn usual_fields() -> Vec<Usual<'static>> {
    FIELDS.to_vec()
}

/// One message per record.
#[derive(Clone, Debug)]
pub struct Syslog {
    columns: Columns,
}

impl Syslog {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(paths: &[Vec<S>], extras: Extras) -> Syslog {
        Syslog { columns: Columns::new(&NAMES, &Wanted::new(paths), paths.len(), extras) }
    }

    /// Reads the priority at the start of a record, and returns the rest; `None` if there is none.
    fn priority<'r>(&'r self, text: &'r str, record: &mut Record<'r>) -> Result<Option<&'r str>, Malformed> {
        let Some(behind) = text.strip_prefix('<') else { return Ok(None) };
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = behind.split_at(digits);
        let number = digits.parse::<usize>().ok().filter(|_| digits == "0" || !digits.starts_with('0'));
        let (Some(number @ 0..192), Some(rest)) = (number, rest.strip_prefix('>')) else {
            return Err(Malformed::no_match("a priority that is none: <0> to <191> are", 0));
        };
        record.put(&self.columns, PRIORITY, digits);
        record.put(&self.columns, FACILITY, NUMBERS[number / 8]);
        record.put(&self.columns, SEVERITY, NUMBERS[number % 8]);
        Ok(Some(rest))
    }

    /// Reads a word of an RFC 5424 header and its blank, and returns the rest.
    fn word<'r>(
        &'r self,
        text: &'r str,
        column: usize,
        record: &mut Record<'r>,
    ) -> Result<&'r str, Malformed> {
        match split_word(text) {
            Some(("", _)) | None => Err(Malformed::no_match("a header of RFC 5424 that lacks a part", 0)),
            Some((word, rest)) => {
                self.put_or_null(word, column, record);
                Ok(rest)
            }
        }
    }

    fn put_or_null<'r>(&'r self, word: &'r str, column: usize, record: &mut Record<'r>) {
        match word {
            "-" => record.put_null(&self.columns, column),
            word => record.put(&self.columns, column, word),
        }
    }

    /// Reads what follows the priority in RFC 5424.
    fn rfc5424<'r>(
        &'r self,
        text: &'r str,
        input: Input<'r>,
        record: &mut Record<'r>,
    ) -> Result<(), Malformed> {
        let mut rest = text;
        for column in [VERSION, TIMESTAMP, HOSTNAME, APPNAME, PROCID, MSGID] {
            rest = self.word(rest, column, record)?;
        }
        let rest = match rest.strip_prefix('-') {
            Some(rest) => {
                record.put_null(&self.columns, STRUCTURED_DATA);
                rest
            }
            None => {
                let at = input.raw.len() - rest.len();
                let (elements, rest) = structured::read(rest, input.arena).ok_or_else(|| {
                    Malformed::no_match("structured data that does not have the shape of RFC 5424", at)
                })?;
                let len = structured::members(&elements);
                record.put_object(&self.columns, STRUCTURED_DATA, len, structured::nodes(&elements));
                rest
            }
        };
        match rest.strip_prefix(' ') {
            Some(message) => {
                let message = message.strip_prefix('\u{feff}').unwrap_or(message);
                record.put(&self.columns, MESSAGE, message);
                Ok(())
            }
            None if rest.is_empty() => Ok(()),
            None => Err(Malformed::no_match(
                "something directly behind structured data",
                input.raw.len() - rest.len(),
            )),
        }
    }

    /// Reads what follows the optional priority in RFC 3164.
    fn rfc3164<'r>(
        &'r self,
        text: &'r str,
        has_priority: bool,
        record: &mut Record<'r>,
    ) -> Result<(), Malformed> {
        let (rest, may_have_host) = match stamp::length_of(text.as_bytes()) {
            Some(length) => {
                record.put(&self.columns, TIMESTAMP, &text[..length]);
                let rest = &text[length..];
                // Cisco devices end their timestamp with a colon, and name no host.
                match rest.strip_prefix(':') {
                    Some(rest) => (rest.strip_prefix(' ').unwrap_or(rest), false),
                    None => (rest.trim_start_matches(' '), true),
                }
            }
            None if has_priority => (text, false),
            None => {
                return Err(Malformed::no_match("a line that begins with neither a priority nor a stamp", 0));
            }
        };
        let rest = match split_word(rest) {
            Some((host, behind)) if may_have_host && is_host(host) => {
                self.put_or_null(host, HOSTNAME, record);
                behind
            }
            _ => rest,
        };
        let message = match tag(rest) {
            Some(Tag { name, id, message }) => {
                record.put(&self.columns, APPNAME, name);
                if let Some(id) = id {
                    record.put(&self.columns, PROCID, id);
                }
                message
            }
            None => rest,
        };
        record.put(&self.columns, MESSAGE, message);
        Ok(())
    }
}

impl Format for Syslog {
    type Scratch = ();

    fn framing(&self) -> &Framing {
        &Framing::Lines
    }

    fn parse<'r>(
        &'r self,
        input: Input<'r>,
        (): &'r mut (),
        record: &mut Record<'r>,
    ) -> Result<Parsed, Malformed> {
        let text = input.utf8()?;
        if is_counted(text) {
            let what = "a frame with its length before it (RFC 6587): save the messages one per line";
            return Err(Malformed::no_match(what, 0));
        }
        record.begin_columns(&self.columns, &input);
        match self.priority(text, record)? {
            Some(rest) if has_version(rest) => self.rfc5424(rest, input, record)?,
            Some(rest) => self.rfc3164(rest, true, record)?,
            None => self.rfc3164(text, false, record)?,
        }
        record.end();
        Ok(Parsed::Record)
    }
}

/// The parts of `text` before and after its first blank.
#[inline]
fn split_word(text: &str) -> Option<(&str, &str)> {
    let blank = find([b' '], text.as_bytes(), 0)?;
    Some((&text[..blank], &text[blank + 1..]))
}

/// Whether the record is a frame of octet counting, as syslog is sent over TCP.
fn is_counted(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let is_priority = |rest: &str| {
        rest.strip_prefix(" <").is_some_and(|rest| rest.starts_with(|ch: char| ch.is_ascii_digit()))
    };
    digits > 0 && is_priority(&text[digits..])
}

/// Whether a version of RFC 5424 and a timestamp follow the priority: a message of RFC 3164 may begin with
/// a number too.
fn has_version(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    matches!(digits, 1..=3)
        && bytes[0] != b'0'
        && match &bytes[digits..] {
            [b' ', b'-', b' ', ..] => true,
            [b' ', rest @ ..] => stamp::begins_with_year(rest),
            _ => false,
        }
}

/// The name of a program, its process id, and its message.
struct Tag<'r> {
    name: &'r str,
    id: Option<&'r str>,
    message: &'r str,
}

/// Whether the first word after a timestamp is a host. It is not if it is a tag (a host may have colons
/// too) or the dashes of syslog's own messages (`-- MARK --`).
fn is_host(word: &str) -> bool {
    let is_tag = match word.strip_suffix(':') {
        Some(name) => !name.ends_with(':'),
        None => word.ends_with(']') && !word.starts_with('['),
    };
    !is_tag && (word == "-" || word.contains(|ch: char| ch.is_alphanumeric()))
}

/// The tag at the start of `text`, if there is one: `name:`, `name[id]:` or `name[id]`.
fn tag(text: &str) -> Option<Tag<'_>> {
    let behind = |at: usize| text[at..].strip_prefix(' ').unwrap_or(&text[at..]);
    let mut at = 0;
    loop {
        at = find([b' ', b':', b'['], text.as_bytes(), at)?;
        match text.as_bytes()[at] {
            b' ' => return None,
            // Names of Perl and Ruby modules contain two colons.
            b':' if text[at + 1..].starts_with(':') => at += 2,
            b':' if at == 0 => return None,
            b':' => return Some(Tag { name: &text[..at], id: None, message: behind(at + 1) }),
            _ if at == 0 => return None,
            _ => return tag_with_id(text, at),
        }
    }
}

/// A longer text is not a tag: RFC 3164 allows 32 bytes.
const TAG_BYTES_MAX: usize = 1000;

/// The same for a tag whose first bracket is at `at`. The first brackets after which the tag can end
/// contain its process id.
fn tag_with_id(text: &str, at: usize) -> Option<Tag<'_>> {
    // Nearly always the process id is a number.
    let digits = text.as_bytes()[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let end = at + 1 + digits;
    if end < TAG_BYTES_MAX
        && digits > 0
        && let Some(message) = text[end..].strip_prefix("]:")
    {
        let message = message.strip_prefix(' ').unwrap_or(message);
        return Some(Tag { name: &text[..at], id: Some(&text[at + 1..end]), message });
    }
    let word_end = text[at..].find(' ').map_or(text.len(), |length| at + length);
    let closing = text[at..word_end].match_indices(']').map(|(length, _)| at + length);
    for end in closing.take_while(|end| *end < TAG_BYTES_MAX) {
        let start = at + text[at..end].rfind('[')?;
        let (id, behind) = (&text[start + 1..end], &text[end + 1..]);
        let message = match behind.strip_prefix(':') {
            Some(message) => message,
            None if end + 1 == word_end => behind,
            None => continue,
        };
        if !id.contains(']') {
            let message = message.strip_prefix(' ').unwrap_or(message);
            return Some(Tag { name: &text[..start], id: Some(id), message });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, Memory, Preamble, each_record};
    use super::*;

    /// The members of each line, as `name=value` with values as JSON has them.
    fn read(text: &[u8]) -> Vec<String> {
        let format = Syslog::new::<&str>(&[], Extras::Gathered);
        let mut found = Vec::new();
        let preamble = Preamble::default();
        let chunk = Chunk { bytes: text, preamble: &preamble, record_bytes_max: 1000 };
        each_record(&format, chunk, &mut Memory::default(), |_, record, arena| {
            found.push(match record {
                Ok(record) => {
                    let members = record.root().members().map(|(name, item)| {
                        let value: serde_json::Value =
                            serde_json::from_slice(item.json(arena)).expect("JSON");
                        format!("{name}={value}")
                    });
                    members.collect::<Vec<_>>().join("|")
                }
                Err(fault) => fault.code.to_string(),
            });
        });
        found
    }

    #[test]
    fn rfc_3164_is_read_as_it_is_found() {
        for (line, expected) in [
            (
                "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
                r#"priority="34"|facility="4"|severity="2"|timestamp="Oct 11 22:14:15"|hostname="mymachine"|appname="su"|message="'su root' failed""#,
            ),
            (
                "Aug  9 02:14:38 upload postfix/smtpd[22442]:connect",
                r#"timestamp="Aug  9 02:14:38"|hostname="upload"|appname="postfix/smtpd"|procid="22442"|message="connect""#,
            ),
            (
                "2023-10-27T12:34:56.789+02:00 2001:db8::1 sshd(pam_unix)[19939]: a: b",
                r#"timestamp="2023-10-27T12:34:56.789+02:00"|hostname="2001:db8::1"|appname="sshd(pam_unix)"|procid="19939"|message="a: b""#,
            ),
            (
                "Aug 19 02:14:38 mac com.apple.launchd[1] (com.apple.x[12]): exited",
                r#"timestamp="Aug 19 02:14:38"|hostname="mac"|appname="com.apple.launchd"|procid="1"|message="(com.apple.x[12]): exited""#,
            ),
            (
                "Aug 19 02:14:38 CRON[7]: x",
                r#"timestamp="Aug 19 02:14:38"|appname="CRON"|procid="7"|message="x""#,
            ),
            (
                "Aug 19 02:14:38 h Foo::Bar[a]: x",
                r#"timestamp="Aug 19 02:14:38"|hostname="h"|appname="Foo::Bar"|procid="a"|message="x""#,
            ),
            (
                "Aug 19 02:14:38 h a[b][12]: x",
                r#"timestamp="Aug 19 02:14:38"|hostname="h"|appname="a[b]"|procid="12"|message="x""#,
            ),
            (
                "Aug 19 02:14:38 h -- MARK --",
                r#"timestamp="Aug 19 02:14:38"|hostname="h"|message="-- MARK --""#,
            ),
            (
                "Aug 19 02:14:38 h kernel: [1.5] x",
                r#"timestamp="Aug 19 02:14:38"|hostname="h"|appname="kernel"|message="[1.5] x""#,
            ),
            (
                "Aug 19 02:14:38 --- last message repeated 2 times ---",
                r#"timestamp="Aug 19 02:14:38"|message="--- last message repeated 2 times ---""#,
            ),
            (
                "Aug 19 02:14:38 2023 - su: x",
                r#"timestamp="Aug 19 02:14:38 2023"|hostname=null|appname="su"|message="x""#,
            ),
            ("Aug 19 02:14:38", r#"timestamp="Aug 19 02:14:38"|message="""#),
            (
                "<166>Aug 19 2023 02:14:38: %ASA-6-302013: Built",
                r#"priority="166"|facility="20"|severity="6"|timestamp="Aug 19 2023 02:14:38"|appname="%ASA-6-302013"|message="Built""#,
            ),
            ("<13>1 message", r#"priority="13"|facility="1"|severity="5"|message="1 message""#),
            ("<0>", r#"priority="0"|facility="0"|severity="0"|message="""#),
            ("<192>x", "no_match"),
            ("<013>x", "no_match"),
            ("<>x", "no_match"),
            ("no syslog at all", "no_match"),
            ("52 <34>Oct 11 22:14:15 mymachine su: 'su root' failed", "no_match"),
        ] {
            assert_eq!(read(line.as_bytes()), [expected], "{line}");
        }
    }

    #[test]
    fn rfc_5424_is_read_with_its_structure() {
        for (line, expected) in [
            (
                "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed",
                r#"priority="34"|facility="4"|severity="2"|version="1"|timestamp="2003-10-11T22:14:15.003Z"|hostname="mymachine.example.com"|appname="su"|procid=null|msgid="ID47"|structured_data=null|message="'su root' failed""#,
            ),
            (
                r#"<165>1 - - - - - [b@1 k="v\"\]\\\n"][a ip="1" x="" ip="2"][b@1][c] - x"#,
                r#"priority="165"|facility="20"|severity="5"|version="1"|timestamp=null|hostname=null|appname=null|procid=null|msgid=null|structured_data={"a":{"ip":["1","2"],"x":""},"b@1":{"k":"v\"]\\\\n"},"c":{}}|message="- x""#,
            ),
            (
                "<0>1 - - - - - [a]",
                r#"priority="0"|facility="0"|severity="0"|version="1"|timestamp=null|hostname=null|appname=null|procid=null|msgid=null|structured_data={"a":{}}"#,
            ),
            ("<0>1 - - - - - [a]x", "no_match"),
            ("<0>1 - - - - - -x", "no_match"),
            ("<0>1 - - - - - [a", "no_match"),
            ("<0>1 - - - - - [a b]", "no_match"),
            ("<0>1 - - - - - [a b=\"]", "no_match"),
            ("<0>1 - - - - - x", "no_match"),
            ("<0>1 - - - -", "no_match"),
            ("<0>1 -  - - - -", "no_match"),
        ] {
            assert_eq!(read(line.as_bytes()), [expected], "{line}");
        }
    }

    #[test]
    fn a_frame_with_its_length_is_named() {
        let format = Syslog::new::<&str>(&[], Extras::Gathered);
        let arena = bumpalo::Bump::new();
        let mut record = Record::default();
        let fault =
            format.parse(Input::new(b"7 <34>abc", &arena), &mut (), &mut record).expect_err("a frame");
        assert!(fault.what.contains("RFC 6587"), "{}", fault.what);
    }

    #[test]
    fn a_field_may_lie_in_the_structured_data() {
        let paths =
            [vec!["structured_data", "a", "x"], vec!["message"], vec!["structured_data", "a", "ip", "1"]];
        let format = Syslog::new(&paths, Extras::Gathered);
        let (arena, mut record, mut scratch) = (bumpalo::Bump::new(), Record::default(), ());
        let line = br#"<0>1 - - - - - [a x="1" ip="2" ip="3"] m"#;
        format.parse(Input::new(line, &arena), &mut scratch, &mut record).expect("a record");
        let found: Vec<_> = (0..3).map(|slot| record.get(slot).map(|item| item.to_string())).collect();
        assert_eq!(found, ["1", "m", "3"].map(|text| Some(text.to_owned())));
        assert!(record.extras().all(|(name, _)| name != "structured_data"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn it_reads_what_the_plain_reader_reads(
            line in prop_oneof![
                r#"(<[0-9]{0,3}>)?(1 ?)?((Aug|Xyz) [ 1]?[2 ](2023 )?[ 0-2]?1:02:03([.,]1?)?:? ?|2023-10-27[T ]12:34:56(Z|\.7[+:-]?)?:? ?|- )?([a-b\[\]: ü-]{0,6} ){0,5}(\[[ab] ?([xy]="[\]\\"1ü]{0,3}" ?){0,3}\]){0,3}[a: \[\]12-]{0,12}"#,
                r#"<(0|34|191)>1 (-|2023-10-27T12:34:56Z) ([ab]|-) a{0,2} (7|-) - ?(-|(\[[ab\[]( [xy]=?"([\]"1ü]|\\.){0,3}"){0,3}\]){0,3})(x| \u{feff}?[a -]{0,3})?"#,
            ],
            noise in any::<(bool, usize, u8)>(),
        ) {
            let mut line = line.into_bytes();
            let (is_noisy, at, byte) = noise;
            if is_noisy && !line.is_empty() {
                let at = at % line.len();
                line[at] = byte;
            }
            let lines = line.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            let lines: Vec<&[u8]> = lines.filter(|line| !crate::source::is_blank(line)).collect();
            let expected: Vec<_> = lines.iter().map(|line| plain::read(line)).collect();
            prop_assert_eq!(read(&line), expected);
        }
    }
}
