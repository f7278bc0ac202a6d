//! What the runtime of a container writes around the lines of its programs, and which of these lines belong
//! together.
//!
//! A runtime cuts a line that is too long for it into parts, and marks all but the last. Parts that follow
//! each other directly are one record; with a `record_start` for the inner text, further lines of the same
//! stream belong to it too. Whether a line begins a record depends on it and the line before, and on nothing
//! else.

use std::borrow::Cow;

use memchr::{memchr, memchr2};
use regex::bytes::Regex;

use super::is_blank;

/// The program that wrote a line around another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// containerd and CRI-O, in the format of Kubernetes: `<time> stdout F <line>`.
    Cri,
    /// Docker's `json-file`: `{"log":"<line>\n","stream":"stdout","time":"<time>"}`.
    Docker,
    /// `docker compose logs`: `web-1  | <line>`.
    Compose,
}

/// A parsed line of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuntimeLine<'l> {
    /// When it was written.
    pub time: Option<&'l [u8]>,
    /// Its stream: `stdout` or `stderr`.
    pub stream: Option<&'l [u8]>,
    /// The service that it belongs to.
    pub service: Option<&'l [u8]>,
    /// Other attributes that the runtime was configured to write, as JSON.
    pub attrs: Option<&'l [u8]>,
    /// What the program wrote, as in the line.
    pub payload: &'l [u8],
    /// Whether the program's line continues in the next one.
    pub is_partial: bool,
}

/// Records made from lines that the runtime of a container wrote.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The runtime that wrote them.
    pub runtime: Runtime,
    /// Matches the first line of what a program writes as one record.
    pub record_start: Option<Regex>,
}

/// A line is recognised by this much of it. Docker cuts lines at 16 KiB, which escapes can make six times as
/// long, and may write a page of labels after each; related runtimes cut at greater lengths.
pub(super) const LOOK_AHEAD: usize = 1 << 20;

/// Whether a program's output starts a record is decided by this much of it.
const START_BYTES_MAX: usize = 4096;

impl Parts {
    /// Whether the line at the start of `rest`, preceded by the line `before`, begins a record; `None` if
    /// that cannot be known yet.
    pub(super) fn begins(&self, before: &[u8], rest: &[u8], is_end: bool) -> Option<bool> {
        let before = without_return(&before[..before.len().min(LOOK_AHEAD)]);
        let Some(before) = self.runtime.line(before) else { return Some(true) };
        if !before.is_partial && self.record_start.is_none() {
            return Some(true);
        }
        let head = &rest[..rest.len().min(LOOK_AHEAD)];
        let newline = memchr(b'\n', head);
        let is_unfinished = newline.is_none() && head.len() < LOOK_AHEAD;
        if is_unfinished && !is_end {
            return None;
        }
        if rest.is_empty() {
            return Some(false);
        }
        let next = self.runtime.line(without_return(&head[..newline.unwrap_or(head.len())]));
        // A line that is cut off may continue when the file grows, and may then be the next part. After a
        // complete line it is a piece of its own, which costs nothing before it.
        let Some(next) = next else { return Some(!(is_unfinished && before.is_partial)) };
        if (before.stream, before.service) != (next.stream, next.service) {
            return Some(true);
        }
        if before.is_partial {
            return Some(false);
        }
        let start = &next.payload[..next.payload.len().min(START_BYTES_MAX)];
        Some(match (&self.record_start, self.runtime) {
            (None, _) => true,
            (Some(pattern), Runtime::Docker) => pattern.is_match(&unescaped_start(start)),
            (Some(pattern), _) => pattern.is_match(start),
        })
    }

    /// Whether these bytes, the last of a source, are the start of an incomplete line. Once complete, it may
    /// belong to the record before.
    pub(super) fn are_cut_off(&self, bytes: &[u8]) -> bool {
        !is_blank(bytes) && memchr(b'\n', bytes).is_none() && self.runtime.line(bytes).is_none()
    }

    /// Whether the programs wrote nothing in a record, which then has no fields.
    pub(super) fn hold_nothing(&self, record: &[u8]) -> bool {
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let (mut is_partial, mut written) = (false, Vec::new());
        for line in record.split(|&byte| byte == b'\n') {
            let Some(line) = self.runtime.line(without_return(line)) else { return false };
            let is_text = match self.runtime {
                Runtime::Docker => unescape(line.payload, &mut |bytes| written.extend_from_slice(bytes)),
                Runtime::Cri | Runtime::Compose => {
                    written.extend_from_slice(line.payload);
                    true
                }
            };
            if !is_text || !is_blank(&written) {
                return false;
            }
            is_partial = line.is_partial;
        }
        !is_partial
    }

    /// Whether a record may continue after its last line, which has a line end.
    pub(super) fn may_go_on(&self, record: &[u8]) -> bool {
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let last = &record[memchr::memrchr(b'\n', record).map_or(0, |newline| newline + 1)..];
        // Nothing can follow a line that the runtime did not write.
        self.begins(last, b"", true) == Some(false)
    }
}

/// The start of a JSON text, unescaped as far as patterns need it.
fn unescaped_start(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', text) else { return Cow::Borrowed(text) };
    // A text that is cut off within an escape is complete up to there.
    let mut out = text[..first].to_vec();
    unescape(&text[first..], &mut |bytes| out.extend_from_slice(bytes));
    Cow::Owned(out)
}

/// Passes the text of a JSON string, given without its quotes, to `push` in pieces. False, after passing only
/// what precedes it, if there is an invalid escape.
pub fn unescape(text: &[u8], push: &mut impl FnMut(&[u8])) -> bool {
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        push(&rest[..at]);
        let letter = rest.get(at + 1).copied().unwrap_or_default();
        let plain = match letter {
            b'"' | b'\\' | b'/' => Some(letter),
            b'b' => Some(8),
            b'f' => Some(12),
            b'n' => Some(b'\n'),
            b'r' => Some(b'\r'),
            b't' => Some(b'\t'),
            _ => None,
        };
        let length = match (plain, letter) {
            (Some(byte), _) => {
                push(&[byte]);
                2
            }
            (None, b'u') => match character(&rest[at + 2..]) {
                Some((ch, length)) => {
                    push(ch.encode_utf8(&mut [0; 4]).as_bytes());
                    2 + length
                }
                None => return false,
            },
            _ => return false,
        };
        rest = &rest[at + length..];
    }
    push(rest);
    true
}

/// The character that the digits after a `\u` stand for, twice four for a pair of surrogates, and the number
/// of bytes they take.
fn character(digits: &[u8]) -> Option<(char, usize)> {
    let unit = |digits: &[u8]| {
        let digits = digits.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let first = unit(digits)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 4));
    }
    let second = unit(digits[4..].strip_prefix(br"\u")?).filter(|unit| (0xdc00..0xe000).contains(unit))?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 10))
}

impl Runtime {
    /// Its name in a job.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Cri => "cri",
            Runtime::Docker => "docker",
            Runtime::Compose => "compose",
        }
    }

    /// The runtime with this name in a job.
    pub fn named(name: &str) -> Option<Runtime> {
        let all = [Runtime::Cri, Runtime::Docker, Runtime::Compose];
        all.into_iter().find(|runtime| runtime.name() == name)
    }

    /// Takes apart a line, given without its line end; `None` if this runtime did not write it.
    pub fn line(self, line: &[u8]) -> Option<RuntimeLine<'_>> {
        match self {
            Runtime::Cri => cri(line),
            Runtime::Docker => docker(line),
            Runtime::Compose => compose(line),
        }
    }
}

/// `2023-10-27T12:34:56.789012345Z stdout F <line>`. The P of a part or the F of a whole line may be followed
/// by other tags, separated by colons.
fn cri(line: &[u8]) -> Option<RuntimeLine<'_>> {
    let (time, rest) = split_once(line, b' ')?;
    let (stream, rest) = split_once(rest, b' ')?;
    // Some runtimes omit the last blank of an empty line.
    let (tags, payload) = split_once(rest, b' ').unwrap_or(rest.split_at(rest.len()));
    let is_partial = match tags {
        [b'P'] | [b'P', b':', ..] => true,
        [b'F'] | [b'F', b':', ..] => false,
        _ => return None,
    };
    if !is_stamp(time) || !matches!(stream, b"stdout" | b"stderr") {
        return None;
    }
    Some(RuntimeLine { time: Some(time), stream: Some(stream), payload, is_partial, ..Default::default() })
}

/// Whether it has the form of RFC 3339, as far as its first characters show.
fn is_stamp(text: &[u8]) -> bool {
    matches!(text, [y, _, _, _, b'-', _, _, b'-', _, _, b'T', h, _, b':', _, _, b':', _, _, ..]
        if y.is_ascii_digit() && h.is_ascii_digit())
        && text.iter().all(|byte| byte.is_ascii_digit() || b"-:.TZ+".contains(byte))
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(separator, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// An object with a `log`; any other member must be `stream`, `time` or `attrs`.
fn docker(line: &[u8]) -> Option<RuntimeLine<'_>> {
    let mut found = RuntimeLine::default();
    let mut rest = line.trim_ascii().strip_prefix(b"{")?;
    let mut log = None;
    loop {
        let (key, behind) = string(rest.trim_ascii_start())?;
        let value = behind.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        rest = match key {
            b"attrs" => {
                let (object, behind) = object(value)?;
                found.attrs = Some(object);
                behind
            }
            _ => {
                let (text, behind) = string(value)?;
                match key {
                    b"log" => log = Some(text),
                    // These have no escapes.
                    _ if memchr(b'\\', text).is_some() => return None,
                    b"stream" => found.stream = Some(text),
                    b"time" => found.time = Some(text),
                    _ => return None,
                }
                behind
            }
        };
        rest = rest.trim_ascii_start();
        match rest.split_first()? {
            (b',', behind) => rest = behind,
            (b'}', b"") => break,
            _ => return None,
        }
    }
    let log = log?;
    let ends = without_escape(log, b'n');
    // A terminal also adds a carriage return to its lines.
    let payload = ends.map_or(log, |text| without_escape(text, b'r').unwrap_or(text));
    Some(RuntimeLine { payload, is_partial: ends.is_none(), ..found })
}

/// What precedes the escape at the end of a JSON text, unless it is an escaped backslash and a letter.
fn without_escape(text: &[u8], letter: u8) -> Option<&[u8]> {
    let rest = text.strip_suffix(&[b'\\', letter])?;
    (rest.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 0).then_some(rest)
}

/// The JSON string at the start of `text`, without its quotes, and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        match text[at] {
            b'"' => return Some((&text[..at], &text[at + 1..])),
            _ => at += 2,
        }
    }
}

/// The JSON object at the start of `text`, and what follows it. Only its strings and braces are examined.
fn object(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => at = text.len() - string(&text[at..])?.1.len(),
            byte => {
                match byte {
                    b'{' => depth += 1,
                    b'}' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                at += 1;
            }
        }
        if depth == 0 {
            return (at > 0 && text.starts_with(b"{")).then(|| (&text[..at], &text[at..]));
        }
    }
}

/// `web-1  | <line>`, with colours around the name if it was written to a terminal.
fn compose(line: &[u8]) -> Option<RuntimeLine<'_>> {
    let line = without_colours(line);
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let length = line.iter().take_while(|byte| is_of_name(byte)).count();
    let (service, rest) = line.split_at(length);
    let rest = without_colours(without_colours(rest).trim_ascii_start());
    let rest = without_colours(rest.strip_prefix(b"|")?);
    let payload = match rest.strip_prefix(b" ") {
        Some(payload) => without_colours(payload),
        None if rest.is_empty() => rest,
        None => return None,
    };
    (!service.is_empty()).then(|| RuntimeLine { service: Some(service), payload, ..Default::default() })
}

/// What follows the terminal sequences for colours and cursor movements.
fn without_colours(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(b"\x1b[") {
        let length = rest.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
        match rest.get(length) {
            Some(0x40..=0x7e) => text = &rest[length + 1..],
            _ => break,
        }
    }
    text
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The progress of a reader of pieces within a record.
#[derive(Debug)]
pub(super) struct PartsWalk {
    parts: Parts,
    /// The line in which the last piece ended, as much of it as is needed to recognise it.
    line: Vec<u8>,
}

impl PartsWalk {
    pub(super) fn new(parts: Parts) -> PartsWalk {
        PartsWalk { parts, line: Vec::new() }
    }

    /// How much of a piece belongs to the record, and whether the record ends there.
    pub(super) fn find_end(&mut self, piece: &[u8], is_last: bool) -> (usize, bool) {
        let mut start = 0;
        while let Some(length) = memchr(b'\n', &piece[start..]) {
            self.keep(&piece[start..start + length]);
            match self.parts.begins(&self.line, &piece[start + length + 1..], is_last) {
                Some(true) => return (start + length + 1, true),
                Some(false) => self.line.clear(),
                // It is called again when there are more bytes.
                None => return (start + length, false),
            }
            start += length + 1;
        }
        self.keep(&piece[start..]);
        (piece.len(), false)
    }

    fn keep(&mut self, more: &[u8]) {
        let room = LOOK_AHEAD + 1 - self.line.len().min(LOOK_AHEAD + 1);
        self.line.extend_from_slice(&more[..more.len().min(room)]);
    }
}
