//! The appearance of a file, judging by its first bytes.
//!
//! This check comes before any inference, so that a file of another kind is refused with one line that says
//! what it is, rather than loaded as a million rejects. It is a quick look, not a promise, and a job that
//! names its format skips it; `detect` determines the format of text.

use std::sync::LazyLock;

use bumpalo::Bump;
use regex::bytes::Regex;

use crate::format::{JsonScratch, Raw, Record, parse_json};
use crate::source::stranger_of_head;

/// The appearance of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// One JSON object per line, at least mostly.
    Ndjson,
    /// Nothing, or only blank lines.
    Empty,
    /// Text of another kind.
    Text {
        /// Its type, with an article: "an access log".
        what: &'static str,
        /// How to convert it to lines of JSON, if one command can.
        hint: Option<&'static str>,
    },
    /// Two values in each line. Prose with a comma can look like this too, and only a header distinguishes
    /// them.
    Pairs {
        /// The kind: "CSV".
        what: &'static str,
    },
    /// Something that no format can read.
    Other {
        /// Its type, with an article: "a binary file".
        what: &'static str,
        /// How to convert it to lines, if one command can.
        hint: Option<&'static str>,
    },
}

/// How many lines are examined.
const LINES_MAX: usize = 100;

/// Examines the first bytes of a file. `is_all` means that it has no more.
pub fn look(bytes: &[u8], is_all: bool) -> Looks {
    if let Some(what) = of_magic(bytes) {
        return Looks::Other { what, hint: None };
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A truncated last line says nothing.
    let end = match memchr::memrchr(b'\n', bytes) {
        Some(newline) if !is_all => newline,
        _ => bytes.len(),
    };
    let lines: Vec<&[u8]> = bytes[..end]
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .take(LINES_MAX)
        .collect();
    if lines.is_empty() {
        return Looks::Empty;
    }
    let objects = lines.iter().filter(|line| is_object(line)).count();
    if 2 * objects >= lines.len() {
        return Looks::Ndjson;
    }
    // One line that is longer than the given bytes.
    if lines.len() == 1 && !is_all && lines[0].starts_with(b"{\"") && !lines[0].contains(&b'\r') {
        return Looks::Ndjson;
    }
    if let Some((what, hint)) = of_bytes(&lines, bytes) {
        return Looks::Other { what, hint };
    }
    let (what, hint) = of_lines(&lines, bytes);
    match of_values(&lines) {
        Some((values, 2)) if values == what => Looks::Pairs { what },
        _ => Looks::Text { what, hint },
    }
}

fn is_object(line: &[u8]) -> bool {
    // Most lines that are not objects show it with their first byte.
    let (arena, mut scratch, mut record) = (Bump::new(), JsonScratch::default(), Record::default());
    line.first() == Some(&b'{')
        && parse_json(line, &arena, &mut scratch, &mut record).is_ok()
        && matches!(record.root().raw(), Raw::Object { .. })
}

/// A type whose first bytes identify it.
fn of_magic(bytes: &[u8]) -> Option<&'static str> {
    let compressed: [(&[u8], &str); 4] = [
        (b"\x1f\x8b", "a gzip file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"BZh", "a bzip2 file"),
        (b"\xfd7zXZ\0", "an xz file"),
    ];
    let of_compressed = compressed.iter().find(|(magic, _)| bytes.starts_with(magic));
    of_compressed.map(|(_, what)| *what).or_else(|| stranger_of_head(bytes))
}

/// A type whose bytes show that it cannot be cut into lines of text.
fn of_bytes(lines: &[&[u8]], bytes: &[u8]) -> Option<(&'static str, Option<&'static str>)> {
    if lines[0][0] == 0x1e {
        return Some(("a JSON text sequence (RFC 7464)", Some("tr -d '\\036'")));
    }
    if memchr::memchr(0, bytes).is_some() {
        return Some(("a binary file", None));
    }
    if !bytes.contains(&b'\n') && bytes.contains(&b'\r') {
        return Some(("text whose lines end in a carriage return alone", Some("tr '\\r' '\\n'")));
    }
    let is_text = lines.iter().filter(|line| std::str::from_utf8(line).is_ok()).count();
    if 2 * is_text < lines.len() {
        return Some(("text in another encoding than UTF-8", None));
    }
    None
}

fn of_lines(lines: &[&[u8]], bytes: &[u8]) -> (&'static str, Option<&'static str>) {
    let first = lines[0];
    let start = bytes.trim_ascii_start();
    let contains = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    let most =
        |is_so: &dyn Fn(&[u8]) -> bool| 2 * lines.iter().filter(|line| is_so(line)).count() > lines.len();
    if start.starts_with(b"[") && (first == b"[" || first.starts_with(b"[{") || first.starts_with(b"[ {")) {
        return ("a JSON array, not one object per line", Some("jq -c '.[]'"));
    }
    if start.starts_with(b"{") {
        return match () {
            () if contains(b"}{") || contains(b"} {") => {
                ("JSON objects without line ends between them", Some("jq -c ."))
            }
            () if first.ends_with(b"}") => ("lines in braces that are not JSON", None),
            () => ("a JSON object over several lines", Some("jq -c .")),
        };
    }
    if std::str::from_utf8(&bytes[..bytes.len().saturating_sub(4)]).is_err() {
        return ("text in another encoding than UTF-8", None);
    }
    if first.starts_with(b"#Version:") || first.starts_with(b"#Software:") || first.starts_with(b"#Fields:") {
        return ("a log in the extended format of the W3C", None);
    }
    if most(&|line| ACCESS.is_match(line)) {
        return ("an access log of a web server", None);
    }
    if most(&|line| SYSLOG.is_match(line)) {
        return ("syslog", None);
    }
    if most(&|line| LOGFMT.is_match(line)) {
        return ("logfmt", None);
    }
    if let Some((what, _)) = of_values(lines) {
        return (what, None);
    }
    if objects_behind_text(lines) {
        return ("JSON behind other text on each line", None);
    }
    ("plain text", None)
}

/// The delimiter between the values of most lines, if each has the same number, and that number.
fn of_values(lines: &[&[u8]]) -> Option<(&'static str, usize)> {
    [(b'\t', "TSV"), (b',', "CSV"), (b';', "CSV with semicolons")].into_iter().find_map(
        |(delimiter, what)| {
            let width = |line: &[u8]| 1 + line.iter().filter(|&&byte| byte == delimiter).count();
            let wanted = width(lines[0]);
            let alike = lines.iter().filter(|line| width(line) == wanted).count();
            (wanted > 1 && lines.len() > 1 && 2 * alike > lines.len()).then_some((what, wanted))
        },
    )
}

/// Whether most lines end in an object that does not start them: `web-1 | {"level":"info"}`.
fn objects_behind_text(lines: &[&[u8]]) -> bool {
    let is_so = |line: &&&[u8]| {
        let brace = memchr::memchr(b'{', line);
        line.ends_with(b"}") && brace.is_some_and(|brace| brace > 0 && is_object(&line[brace..]))
    };
    2 * lines.iter().filter(is_so).count() > lines.len()
}

static ACCESS: LazyLock<Regex> = LazyLock::new(|| regex(r#"^\S+ \S+ \S+ \[[^\]]+\] "[^"]*" [0-9]{3} "#));

static SYSLOG: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"^(<[0-9]{1,3}>|(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 0-9][0-9] [0-9:]{8} )")
});

static LOGFMT: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"^[\w.@-]+=("([^"\\]|\\.)*"|[^\s"]*)(\s+[\w.@-]+=("([^"\\]|\\.)*"|[^\s"]*))+$"#)
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &[u8]) -> &'static str {
        match look(text, true) {
            Looks::Ndjson => "NDJSON",
            Looks::Empty => "nothing",
            Looks::Text { what, .. } | Looks::Pairs { what } | Looks::Other { what, .. } => what,
        }
    }

    #[test]
    fn a_file_says_what_it_is() {
        let cases: [(&[u8], &str); 27] = [
            (b"", "nothing"),
            (b"\n \r\n\n", "nothing"),
            (b"\xef\xbb\xbf", "nothing"),
            (b"{\"a\":1}\n{\"a\":2}\n", "NDJSON"),
            (b"\xef\xbb\xbf{\"a\":1}", "NDJSON"),
            (b"{\"a\":1}\r\n\r\n{\"a\":2}", "NDJSON"),
            (b"{}\nstarted\n{}\n", "NDJSON"),
            (b"{\"a\":1}\n\0\0\0\0", "NDJSON"),
            (b"\x1f\x8b\x08\0", "a gzip file"),
            (b"\x28\xb5\x2f\xfd\0", "a zstd file"),
            (b"[{\"a\":1},\n{\"a\":2}]\n", "a JSON array, not one object per line"),
            (b"[\n {\"a\":1}\n]", "a JSON array, not one object per line"),
            (b"{\n  \"a\": 1\n}\n", "a JSON object over several lines"),
            (b"{'a': 1}\n{'a': 2}\n", "lines in braces that are not JSON"),
            (b"{\"a\":1}{\"a\":2}", "JSON objects without line ends between them"),
            (b"{\"a\":1}\r{\"a\":2}\r", "text whose lines end in a carriage return alone"),
            (b"\x1e{\"a\":1}\n\x1e{\"a\":2}\n", "a JSON text sequence (RFC 7464)"),
            (b"\x7fELF\x02\0\0\0", "a program"),
            (b"gr\xfc\xdfe\ngr\xfc\xdfe aus\n", "text in another encoding than UTF-8"),
            (
                b"1.2.3.4 - - [27/Oct/2023:12:34:56 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"x\"\n",
                "an access log of a web server",
            ),
            (b"#Version: 1.0\n#Fields: date time\n", "a log in the extended format of the W3C"),
            (b"Oct  7 12:34:56 host app[1]: x\n", "syslog"),
            (b"<34>1 2023-10-27T12:34:56Z host app - - - x\n", "syslog"),
            (b"level=info msg=\"a \\\"b\\\" c\" n=1\n", "logfmt"),
            (b"a,b,c\n1,2,3\n", "CSV"),
            (b"a\tb\n1\t2\n", "TSV"),
            (b"web | {\"a\":1}\nweb | {\"a\":2}\n", "JSON behind other text on each line"),
        ];
        for (text, expected) in cases {
            assert_eq!(what(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(what(b"started\nstopped\n"), "plain text");
    }

    #[test]
    fn what_is_cut_off_is_not_held_against_a_file() {
        assert_eq!(look(b"{\"a\":1}\n{\"a\":", false), Looks::Ndjson);
        assert_eq!(look(b"{\"a\":\"xxx", false), Looks::Ndjson);
        assert_ne!(look(b"{\"a\":\"xxx", true), Looks::Ndjson);
    }
}
