//! Access logs of web servers, in the log format of the server's configuration.
//!
//! A log format is a sequence of values and the literals between them. A value ends at the first
//! occurrence of the literal after it; a quoted value also ends at no other place than a quote. So a user
//! name may contain blanks, and no user agent can shift the values after it. Escapes are undone. The
//! request line is kept as `request` and is also split into `method`, `target` and `protocol`, which are
//! null if it has another form.

mod log_format;
mod names;
#[cfg(test)]
mod plain;

use bumpalo::Bump;
use memchr::{memchr, memrchr};

use super::columns::Columns;
use super::find::find;
use super::usual::{Holds, Usual};
use super::{Extras, Format, Input, Malformed, Parsed, Record, Wanted, escape};
use crate::source::Framing;

pub use log_format::LogFormat;
use log_format::{End, Escape, Piece};
use names::Kind;

/// The field of the request line.
const REQUEST: &str = "request";
/// The fields of its parts.
const PARTS: [&str; 3] = ["method", "target", "protocol"];

impl LogFormat {
    /// The fields that its lines have.
    pub(super) fn usual_fields(&self) -> Vec<Usual<'_>> {
        let mut fields = Vec::new();
        for (name, holds) in self.fields() {
            let is_required = matches!(name, "client" | "timestamp" | "request" | "status");
            fields.push(Usual { name, holds: holds.holds(), is_required });
            if name == REQUEST {
                let part = |name| Usual { name, holds: Holds::Text, is_required: false };
                fields.extend(self.parts().into_iter().flatten().map(part));
            }
        }
        fields
    }

    /// The parts that the request line is split into: those that the log format does not have itself.
    fn parts(&self) -> [Option<&'static str>; 3] {
        PARTS.map(|part| self.fields().all(|(name, _)| name != part).then_some(part))
    }
}

/// One line of an access log per record.
#[derive(Clone, Debug)]
pub struct Access {
    log_format: LogFormat,
    /// The usual end of each value.
    ends: Vec<UsualEnd>,
    columns: Columns,
    /// The column of the request line, if a part of it is wanted.
    request: Option<usize>,
    /// The columns of its parts.
    parts: [Option<usize>; 3],
}

impl Access {
    /// A reader for the values at `paths`; path `n` goes to slot `n`.
    pub fn new<S: AsRef<str>>(log_format: LogFormat, paths: &[Vec<S>], extras: Extras) -> Access {
        let mut names: Vec<&str> = log_format.fields().map(|(name, _)| name).collect();
        let request = names.iter().position(|name| *name == REQUEST);
        let mut parts = log_format.parts().map(|part| {
            names.extend(part);
            part.map(|_| names.len() - 1)
        });
        let columns = Columns::new(&names, &Wanted::new(paths), paths.len(), extras);
        for part in &mut parts {
            *part = part.filter(|column| columns.is_wanted(*column));
        }
        let request = request.filter(|_| parts.iter().any(Option::is_some));
        let pieces = &log_format.pieces;
        let ends = (0..pieces.len()).map(|place| UsualEnd::of(&pieces[place], place + 1 == pieces.len()));
        Access { ends: ends.collect(), log_format, columns, request, parts }
    }

    /// The end of any value that starts at `start`.
    #[inline(never)]
    fn cut(&self, line: &[u8], start: usize, column: usize) -> Result<Cut, Malformed> {
        let (piece, behind) = (&self.log_format.pieces[column], &self.log_format.pieces[column + 1..]);
        cut(line, start, piece, behind).ok_or_else(|| no_match(start))
    }

    /// Puts the parts of a request into the record.
    #[inline(never)]
    fn put_parts<'r>(&'r self, request: Option<&'r str>, record: &mut Record<'r>) {
        for (column, value) in self.parts.into_iter().zip(parts(request)) {
            match (column, value) {
                (Some(column), Some(value)) => record.put(&self.columns, column, value),
                (Some(column), None) => record.put_null(&self.columns, column),
                (None, _) => {}
            }
        }
    }

    /// The value before the server escaped it, if there was one. The hyphen that most servers write for an
    /// absent value is an ordinary text here: the job declares it to mean null.
    #[inline(never)]
    fn value<'r>(&self, text: &'r str, has_escapes: bool, arena: &'r Bump) -> Option<&'r str> {
        match self.log_format.escape {
            Escape::Json | Escape::None if text.is_empty() => None,
            Escape::Default | Escape::Json if has_escapes => Some(escape::undo(text, arena)),
            _ => Some(text),
        }
    }
}

impl Format for Access {
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
        let (text, line) = (input.utf8()?, input.raw);
        if !begins_with(line, 0, self.log_format.head.as_bytes()) {
            return Err(no_match(0));
        }
        record.begin_columns(&self.columns, &input);
        // Most lines have no escape, so that no value needs to be searched for one.
        let is_plain = memchr(b'\\', line).is_none();
        let mut start = self.log_format.head.len();
        for (column, usual) in self.ends.iter().enumerate() {
            let Cut { end, has_escapes } = match usual.find(line, start, is_plain) {
                Some(end) => Cut { end, has_escapes: false },
                None => self.cut(line, start, column)?,
            };
            let Some(written) = text.get(start..end) else { return Err(no_match(start)) };
            let value = match has_escapes || written.is_empty() {
                true => self.value(written, has_escapes, input.arena),
                false => Some(written),
            };
            match value {
                Some(value) => record.put(&self.columns, column, value),
                None => record.put_null(&self.columns, column),
            }
            if self.request == Some(column) {
                self.put_parts(value, record);
            }
            start = end + usual.length;
        }
        record.end();
        Ok(Parsed::Record)
    }
}

#[cold]
fn no_match(at: usize) -> Malformed {
    Malformed::no_match("a line that the log format does not fit", at)
}

/// Whether the line has `literal` at `at`.
#[inline(always)]
fn begins_with(line: &[u8], at: usize, literal: &[u8]) -> bool {
    match *literal {
        [one] => line.get(at) == Some(&one),
        [one, two] => line.get(at..at + 2) == Some(&[one, two]),
        [one, two, three] => line.get(at..at + 3) == Some(&[one, two, three]),
        _ => line.get(at..at + literal.len()) == Some(literal),
    }
}

/// The end of a value.
struct Cut {
    end: usize,
    /// Whether it contains a backslash.
    has_escapes: bool,
}

/// How a value ends in nearly every line: at the first occurrence of its literal, without an escape before
/// it. It is compiled once, so that each line needs few checks; [`cut`] handles all other cases.
#[derive(Clone, Copy, Debug)]
struct UsualEnd {
    first: u8,
    /// The literal as a number, and the bits of it that are compared: none if the value can end in another
    /// way.
    literal: u32,
    mask: u32,
    length: usize,
    is_last: bool,
}

impl UsualEnd {
    fn of(piece: &Piece, is_last: bool) -> UsualEnd {
        let literal = piece.literal.as_bytes();
        let first = literal.first().copied().unwrap_or(b'\\');
        let is_usual = piece.end == End::First
            && literal.len() <= 4
            && first != b'\\'
            && (first == b'"' || !piece.is_quoted);
        let number = |byte_at: &dyn Fn(usize) -> u8| u32::from_le_bytes(std::array::from_fn(byte_at));
        UsualEnd {
            first,
            literal: number(&|at| literal.get(at).copied().unwrap_or(0)),
            mask: number(&|at| if is_usual && at < literal.len() { 0xff } else { 0 }),
            length: literal.len(),
            is_last,
        }
    }

    /// The end of the value. `is_plain` means that the line has no backslash.
    #[inline(always)]
    fn find(&self, line: &[u8], start: usize, is_plain: bool) -> Option<usize> {
        if self.mask == 0 {
            return None;
        }
        let end = match is_plain {
            true => find([self.first], line, start)?,
            false => find([self.first, b'\\'], line, start)?,
        };
        let is_literal = match line.get(end..)?.first_chunk() {
            Some(bytes) => u32::from_le_bytes(*bytes) & self.mask == self.literal,
            None => self.length == 1 && line[end] == self.first,
        };
        let is_end = is_literal && (!self.is_last || end + self.length == line.len());
        is_end.then_some(end)
    }
}

/// The end of the value of `piece` that starts at `start`. `behind` are the pieces after it.
#[inline(never)]
fn cut(line: &[u8], start: usize, piece: &Piece, behind: &[Piece]) -> Option<Cut> {
    if let End::Before(_) | End::LastColon = piece.end
        && let Some((next, behind)) = behind.split_first()
    {
        return cut_within(line, start, piece, (next, behind));
    }
    let literal = piece.literal.as_bytes();
    let Some(&first) = literal.first() else { return cut_last(line, start, piece) };
    let (mut at, mut has_escapes) = (start, false);
    loop {
        at = match piece.is_quoted && first != b'"' {
            false => find([first, b'\\'], line, at)?,
            true => find([first, b'\\', b'"'], line, at)?,
        };
        if line[at] == b'\\' && (piece.is_quoted || first != b'\\') {
            has_escapes = true;
            at += 1 + usize::from(piece.is_quoted);
            continue;
        }
        let is_end = begins_with(line, at, literal)
            && (!behind.is_empty() || at + literal.len() == line.len())
            && (piece.end == End::First || can_end(&line[start..at], &line[at..], piece));
        if is_end {
            return Some(Cut { end: at, has_escapes });
        }
        if piece.is_quoted && line[at] == b'"' {
            return None;
        }
        has_escapes |= line[at] == b'\\';
        at += 1;
    }
}

/// The same for a value whose end only a byte of the next value shows.
#[inline(never)]
fn cut_within(line: &[u8], start: usize, piece: &Piece, (next, behind): (&Piece, &[Piece])) -> Option<Cut> {
    let value = &line[start..cut(line, start, next, behind)?.end];
    let length = match piece.end {
        End::Before(byte) => memchr(byte, value).unwrap_or(value.len()),
        _ => memrchr(b':', value)?,
    };
    Some(Cut { end: start + length, has_escapes: memchr(b'\\', &value[..length]).is_some() })
}

/// The same for a value at the end of the line.
#[inline(never)]
fn cut_last(line: &[u8], start: usize, piece: &Piece) -> Option<Cut> {
    let value = &line[start..];
    // A number with more text after it is not the last value.
    let is_more = matches!(piece.holds, Kind::Int | Kind::Float) && value.contains(&b' ');
    let has_escapes = memchr(b'\\', value).is_some();
    (!is_more).then_some(Cut { end: line.len(), has_escapes })
}

/// The maximum length of a timestamp. It bounds the time that a long line takes.
const STAMP_BYTES_MAX: usize = 100;

/// Whether a value can end at this occurrence of its literal.
#[inline(never)]
fn can_end(value: &[u8], rest: &[u8], piece: &Piece) -> bool {
    match piece.end {
        End::List => !value.ends_with(b",") && !value.ends_with(b" :") && !rest.starts_with(b" : "),
        End::Behind(count) => {
            let literal = piece.literal.as_bytes();
            // Two blanks precede a day of one digit.
            let starts =
                |at: &usize| *at > 0 && value[*at..].starts_with(literal) && !value[..*at].ends_with(literal);
            value.len() <= STAMP_BYTES_MAX && (0..value.len()).filter(starts).count() >= count
        }
        _ => true,
    }
}

/// Method, target and protocol of a request line, if it is one. HTTP/0.9 requests have no protocol, and a
/// target may contain blanks.
fn parts(request: Option<&str>) -> [Option<&str>; 3] {
    let Some(request) = request else { return [None; 3] };
    let Some(blank) = find([b' '], request.as_bytes(), 0) else { return [None; 3] };
    let (method, rest) = (&request[..blank], &request[blank + 1..]);
    let is_method = !method.is_empty() && method.bytes().all(is_of_token);
    let (target, protocol) = match last_blank(rest.as_bytes()) {
        Some(blank) if rest[blank + 1..].starts_with("HTTP/") => (&rest[..blank], Some(&rest[blank + 1..])),
        _ => (rest, None),
    };
    match is_method && (protocol.is_some() || target.starts_with('/')) {
        true => [Some(method), Some(target), protocol],
        false => [None; 3],
    }
}

/// The position of the last blank: nearly always before `HTTP/1.1`.
#[inline]
fn last_blank(rest: &[u8]) -> Option<usize> {
    match rest.last_chunk::<9>() {
        Some([b' ', b'H', b'T', b'T', b'P', b'/', version @ ..]) if !version.contains(&b' ') => {
            Some(rest.len() - 9)
        }
        _ => memrchr(b' ', rest),
    }
}

/// Whether a method can contain this byte.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Chunk, Memory, Preamble, Raw, each_record};
    use super::*;

    /// The values of each line, as `name=value|name` with nothing behind one that is null.
    fn read(format: &Access, text: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let preamble = Preamble::default();
        let chunk = Chunk { bytes: text, preamble: &preamble, record_bytes_max: 1000 };
        each_record(format, chunk, &mut Memory::default(), |_, record, _| {
            found.push(match record {
                Ok(record) => {
                    let members = record.root().members().map(|(name, item)| match item.raw() {
                        Raw::Text(text) => format!("{name}={text}"),
                        Raw::Null => name.to_owned(),
                        other => panic!("{other:?} is no text"),
                    });
                    members.collect::<Vec<_>>().join("|")
                }
                Err(fault) => fault.code.to_string(),
            });
        });
        found
    }

    fn access(log_format: &str) -> Access {
        let log_format = LogFormat::new(log_format).expect("a log format");
        Access::new::<&str>(log_format, &[], Extras::Gathered)
    }

    #[track_caller]
    fn assert_read(log_format: &str, line: &str, expected: &str) {
        assert_eq!(read(&access(log_format), line.as_bytes()), [expected], "{log_format}: {line}");
    }

    #[test]
    fn a_line_is_cut_into_its_values() {
        assert_read(
            "common",
            r#"::1 - Jane Doe [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326"#,
            "client=::1|ident=-|user=Jane Doe|timestamp=10/Oct/2000:13:55:36 -0700|request=GET /a HTTP/1.0|\
             method=GET|target=/a|protocol=HTTP/1.0|status=200|bytes=2326",
        );
        assert_read(
            "vhost_combined",
            r#"a.example:443 1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "" 400 - "-" "a \"b\" \\""#,
            "server_name=a.example|server_port=443|client=1.2.3.4|ident=-|user=-|timestamp=10/Oct/2000:13:55:36 -0700|\
             request=|method|target|protocol|status=400|bytes=-|referer=-|user_agent=a \"b\" \\",
        );
    }

    #[test]
    fn what_was_no_request_has_no_parts() {
        for (written, expected) in [
            (r"GET /a b HTTP/1.1", "request=GET /a b HTTP/1.1|method=GET|target=/a b|protocol=HTTP/1.1"),
            (r"GET /", "request=GET /|method=GET|target=/|protocol"),
            (r"OPTIONS * HTTP/1.1", "request=OPTIONS * HTTP/1.1|method=OPTIONS|target=*|protocol=HTTP/1.1"),
            (r"-", "request=-|method|target|protocol"),
            (r"\x16\x03\x01", "request=\x16\x03\x01|method|target|protocol"),
            (r"\x16\x03\x00\xee", r"request=\x16\x03\x00\xee|method|target|protocol"),
            (r"a b c", "request=a b c|method|target|protocol"),
            (r"\n / HTTP/1.1", "request=\n / HTTP/1.1|method|target|protocol"),
        ] {
            assert_read(r#""%r" %s"#, &format!("\"{written}\" 1"), &format!("{expected}|status=1"));
        }
    }

    #[test]
    fn a_part_that_stands_in_the_line_itself_is_not_cut_from_the_request() {
        assert_read(
            r#"log_format apm '"$time_local" client=$remote_addr method=$request_method request="$request" '
                              'referer=$http_referer user_agent="$http_user_agent" $pipe';"#,
            r#""10/Oct/2000:13:55:36 -0700" client=::1 method=POST request="GET / HTTP/1.1" referer=a, b user_agent="x" ."#,
            "timestamp=10/Oct/2000:13:55:36 -0700|client=::1|method=POST|request=GET / HTTP/1.1|target=/|\
             protocol=HTTP/1.1|referer=a, b|user_agent=x|pipe=.",
        );
    }

    #[test]
    fn lists_stamps_and_pairs_end_where_they_end() {
        let upstreams = r#"$upstream_addr $upstream_response_time "$http_x_forwarded_for" $pid"#;
        assert_read(
            upstreams,
            r#"1.2.3.4:80, unix:/a : [::1]:80 0.1, - : 0.2 "1.1.1.1, 2.2.2.2" 7"#,
            "upstream_addr=1.2.3.4:80, unix:/a : [::1]:80|upstream_response_time=0.1, - : 0.2|\
             http_x_forwarded_for=1.1.1.1, 2.2.2.2|pid=7",
        );
        assert_read(
            upstreams,
            r#"- - "-" 7"#,
            "upstream_addr=-|upstream_response_time=-|http_x_forwarded_for=-|pid=7",
        );
        assert_read(
            "$remote_addr:$remote_port $scheme://$host$uri$is_args$args",
            "2001:db8::1:4711 https://a.example/b?c=/d?e",
            "client=2001:db8::1|remote_port=4711|scheme=https|host=a.example|path=/b|query=?c=/d?e",
        );
        assert_read("%U%q %m", "/a GET", "path=/a|query=|method=GET");
        assert_read(
            "%{%c}t %h",
            "Fri Oct  6 12:00:00 2000 ::1",
            "timestamp=Fri Oct  6 12:00:00 2000|client=::1",
        );
        assert_read("%{%F %T}t %h", "2000-10-06 12:00:00 ::1", "timestamp=2000-10-06 12:00:00|client=::1");
    }

    #[test]
    fn escapes_are_those_of_the_log_format() {
        let json = r#"log_format x escape=json '{"a":"$http_a","b":$status,"c":"$http_c"}';"#;
        assert_read(json, r#"{"a":"\u00e4\",","b":200,"c":""}"#, r#"http_a=ä",|status=200|http_c"#);
        let none = r#"log_format x escape=none '"$http_user_agent" "$http_a"';"#;
        assert_read(none, r#""a "b" \n" """#, r#"user_agent=a "b" \n|http_a"#);
    }

    #[test]
    fn a_line_of_another_log_is_none() {
        let combined = access("combined");
        for line in [
            r#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326"#,
            r#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326 "-" "-" 0.01"#,
            r#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET "/" HTTP/1.0" 200 2326 "-" "-""#,
            r#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326 "-" "-\""#,
            "Oct 10 13:55:36 host sshd[1]: hello",
        ] {
            assert_eq!(read(&combined, line.as_bytes()), ["no_match"], "{line}");
        }
        let longer = br#"::1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 2326 "-" "-""#;
        assert_eq!(read(&access("common"), longer), ["no_match"]);
    }

    #[test]
    fn its_fields_are_told() {
        let format = LogFormat::new("combined").expect("a log format");
        let told = |usual: Usual<'_>| format!("{} {:?} {}", usual.name, usual.holds, usual.is_required);
        assert_eq!(
            format.usual_fields().into_iter().map(told).collect::<Vec<_>>(),
            [
                "client Anything true",
                "ident Text false",
                "user Text false",
                "timestamp Stamp(Some(\"%d/%b/%Y:%H:%M:%S %z\")) true",
                "request Text true",
                "method Text false",
                "target Text false",
                "protocol Text false",
                "status Int true",
                "bytes Int false",
                "referer Text false",
                "user_agent Text false",
            ]
        );
    }

    const LOG_FORMATS: [&str; 7] = [
        "combined",
        "common",
        "vhost_combined",
        r#"log_format x escape=json '{"a":"$http_a","r":"$request","b":$status}';"#,
        r#"log_format x escape=none '"$request" - $upstream_addr "$http_a" $msec';"#,
        "$remote_addr:$remote_port $upstream_status $host$uri$is_args$args [$time_local] -",
        "\"%m %U%q %H\" %{%e %b %T}t %h",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn it_reads_what_the_plain_reader_reads(
            which in 0..LOG_FORMATS.len(),
            values in proptest::collection::vec(
                prop_oneof![
                    r#"(-|[a1/:? ,"\\]{0,6}|GET /a b HTTP/1.1|\\x(16|c3)(\\xa4)?|\\u00e4|ä|a, b : c|1 Oct  2 3)"#,
                    "[a-z]{1,3}",
                ],
                12,
            ),
            noise in any::<(bool, usize, u8)>(),
        ) {
            let format = access(LOG_FORMATS[which]);
            let mut line = format.log_format.head.clone().into_bytes();
            for (piece, value) in format.log_format.pieces.iter().zip(values) {
                line.extend_from_slice(value.as_bytes());
                line.extend_from_slice(piece.literal.as_bytes());
            }
            let (is_noisy, at, byte) = noise;
            if is_noisy {
                let at = at % line.len();
                line[at] = byte;
            }
            let lines: Vec<&[u8]> = line.split(|&byte| byte == b'\n').collect();
            let lines = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            let lines: Vec<&[u8]> = lines.filter(|line| !crate::source::is_blank(line)).collect();
            let expected: Vec<_> = lines.iter().map(|line| plain::read(&format.log_format, line)).collect();
            prop_assert_eq!(read(&format, &line), expected);
        }
    }
}
