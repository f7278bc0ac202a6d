//! JSON objects, one after the other: in an array or not, on many lines or several on one.
//!
//! Between objects are blanks, line ends, commas and the brackets of arrays around them: the *gaps*. A piece
//! is an object with the gaps before it on its line and after it up to the line end; a line of nothing but
//! gaps is a piece of its own.
//!
//! Anything that is not an object costs only itself, if it is a number or a word such as `null`, or else its
//! line. An object that cannot continue (a brace where a key must be, a bracket that closes a brace, a line
//! end within a string) is *broken*. It extends up to a line that is indented no further than its own and
//! begins with `{`, where the next record starts, or with `}`, with which it ends. So an object that was cut
//! off costs nothing after it, and the inside of one is never taken for a record.
//!
//! The walk over a piece reads each byte once, in order, and accepts the piece in parts of any size: every
//! reader of a piece sees it end at the same byte.

use std::ops::Range;

use memchr::{memchr, memchr3};

/// The objects that are records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Each file is an object that holds the records in a list of this name.
    pub list: Option<&'static str>,
}

/// A longer gap is taken in parts, so that its end need not be seen to know what precedes.
pub(super) const GAP_BYTES_MAX: usize = 256;

/// To know where a piece ends, a reader must see a gap after it, and the start of a line.
pub(super) const LOOK_AHEAD: usize = 4 * GAP_BYTES_MAX;

/// The depth up to which the opening bracket of each level is known. The reader of JSON refuses deeper
/// nesting.
const LEVELS_MAX: u32 = 128;

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

impl Objects {
    /// Whether a byte can be between records. (A text sequence, RFC 7464, has its own mark.)
    fn is_gap(self, byte: u8) -> bool {
        is_blank(byte) || matches!(byte, b',' | b'[' | b']' | 0x1e) || self.list.is_some() && byte == b'}'
    }

    /// Whether a piece consists of nothing but gaps.
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
                // White space is allowed anywhere except in the name.
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

/// What a brace begins.
enum Opening {
    /// The opening of the list of records, with its length.
    Whole(usize),
    /// Possibly the beginning of one.
    Part,
    /// Something else.
    None,
}

/// The position of the walk within a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In the gaps before the record.
    Before,
    /// In the object.
    Object,
    /// In a string of the object.
    String,
    /// After a backslash in a string.
    Escaped,
    /// Within a line of an object that cannot continue.
    Broken,
    /// The same, at the start of a line.
    BrokenLine,
    /// In something that is not an object.
    Other,
    /// The same, where it may still be a word or number.
    Word,
    /// In the gaps after the record.
    Behind,
}

/// Scans one piece to its end.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    objects: Objects,
    phase: Phase,
    /// The length of the current gap.
    gap: usize,
    /// Blanks before the record on its line.
    indent: usize,
    is_indent: bool,
    depth: u32,
    /// One bit per level: whether it is a list.
    lists: u128,
    /// The last non-blank byte of the object; any letter for a value that is a word.
    last: u8,
    /// The current line begins with the bytes to come.
    at_line_start: bool,
    /// The state of the object at the start of that line.
    at_line: (u32, u128, u8),
}

/// The result of a step.
enum Step {
    /// Continue at this byte.
    On(usize),
    /// The piece ends before this byte.
    End(usize),
    /// More must be seen from this byte on.
    More(usize),
}

/// The result of a walk over some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// Bytes that belong to the piece. The remaining ones must be passed again, followed by more.
    pub(super) taken: usize,
    /// Whether the piece ends after them.
    pub(super) is_end: bool,
    /// Which of them belong to the record. The range may include a line end that does not.
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

    /// Whether the record in `piece`, which is all there is, may continue after it.
    pub(super) fn goes_on_behind(&mut self, piece: &[u8]) -> bool {
        self.go_on(piece, true);
        self.is_within()
    }

    /// Continues over the next bytes of the piece. `is_last` means that there are no more.
    pub(super) fn go_on(&mut self, bytes: &[u8], is_last: bool) -> Walked {
        let mut at = 0;
        self.at_line = (self.depth, self.lists, self.last);
        // The record continues from before, unless it has ended there.
        let mut content = if self.is_within() { 0..usize::MAX } else { 0..0 };
        let is_end = loop {
            let Some(&byte) = bytes.get(at) else { break false };
            let was = self.phase;
            match self.step(byte, bytes, at, is_last) {
                Step::On(next) => at = next,
                Step::End(end) => {
                    at = end;
                    if was == Phase::Before {
                        content = 0..at;
                    }
                    break true;
                }
                Step::More(next) => {
                    at = next;
                    break false;
                }
            }
            match (was, self.phase) {
                (Phase::Before, Phase::Object | Phase::Word) => content = at..usize::MAX,
                (Phase::Object | Phase::Word | Phase::BrokenLine, Phase::Behind) => content.end = at,
                _ => {}
            }
        };
        // The last byte taken determines whether the next bytes begin a line.
        if let Some(before) = at.checked_sub(1) {
            self.at_line_start = bytes[before] == b'\n';
        }
        Walked { taken: at, is_end, content: content.start.min(at)..content.end.min(at) }
    }

    /// A step of the walk from `at`, where `byte` is.
    #[inline]
    fn step(&mut self, byte: u8, bytes: &[u8], at: usize, is_last: bool) -> Step {
        let rest = &bytes[at..];
        match self.phase {
            Phase::Before => return self.before(byte, rest, at, is_last),
            Phase::Behind => match byte {
                b'\n' => return Step::End(at + 1),
                byte if self.objects.is_gap(byte) && self.gap < GAP_BYTES_MAX => self.gap += 1,
                _ => return Step::End(at),
            },
            Phase::Word => match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b'.' => {}
                b',' | b']' => {
                    self.end_record();
                    return Step::On(at);
                }
                _ => {
                    self.phase = Phase::Other;
                    return Step::On(at);
                }
            },
            Phase::Other => match memchr(b'\n', rest) {
                Some(newline) => return Step::End(at + newline + 1),
                None => return Step::On(bytes.len()),
            },
            Phase::Escaped => {
                self.phase = Phase::String;
                // A line end is a line end, escaped or not.
                return Step::On(at + usize::from(byte != b'\n'));
            }
            Phase::String => {
                let Some(length) = memchr3(b'"', b'\\', b'\n', rest) else { return Step::On(bytes.len()) };
                self.phase = match rest[length] {
                    b'"' => Phase::Object,
                    b'\\' => Phase::Escaped,
                    _ => Phase::Broken,
                };
                self.last = b'"';
                return Step::On(at + length + usize::from(self.phase != Phase::Broken));
            }
            Phase::Object => {
                let next = self.object(bytes, at);
                // The current line is needed as a whole, in case the object breaks in it.
                let is_begun = self.phase == Phase::Object && next == bytes.len() && !is_last;
                return if is_begun { Step::More(self.line_begun(bytes, next)) } else { Step::On(next) };
            }
            Phase::Broken => {
                let Some(newline) = memchr(b'\n', rest) else { return Step::On(bytes.len()) };
                self.phase = Phase::BrokenLine;
                return Step::On(at + newline + 1);
            }
            Phase::BrokenLine => match self.resumes(rest, is_last) {
                None => return Step::More(at),
                Some(Resumes::Not) => {
                    self.phase = Phase::Broken;
                    return Step::On(at);
                }
                Some(Resumes::Here) => return Step::End(at),
                Some(Resumes::Behind(length)) => {
                    self.end_record();
                    return Step::On(at + length);
                }
            },
        }
        Step::On(at + 1)
    }

    /// A step through the gaps before the record.
    fn before(&mut self, byte: u8, rest: &[u8], at: usize, is_last: bool) -> Step {
        match byte {
            b'\n' => Step::End(at + 1),
            b'{' => match self.objects.opening(rest) {
                Opening::Whole(length) => {
                    self.is_indent = false;
                    Step::On(at + length)
                }
                Opening::Part if !is_last => Step::More(at),
                _ => {
                    self.phase = Phase::Object;
                    Step::On(at)
                }
            },
            byte if self.objects.is_gap(byte) => {
                self.is_indent &= is_blank(byte);
                self.indent += usize::from(self.is_indent);
                self.gap += 1;
                if self.gap == GAP_BYTES_MAX { Step::End(at + 1) } else { Step::On(at + 1) }
            }
            _ => {
                self.phase = Phase::Word;
                Step::On(at)
            }
        }
    }

    /// Goes back to the start of the line of `at`, if only gaps are in between.
    fn line_begun(&mut self, bytes: &[u8], at: usize) -> usize {
        let Some(start) = self.line_start(bytes, at) else { return at };
        (self.depth, self.lists, self.last) = self.at_line;
        start
    }

    fn end_record(&mut self) {
        (self.phase, self.gap) = (Phase::Behind, 0);
    }

    /// Walks through an object outside of its strings, from `at`, until the phase changes.
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

    /// The object cannot continue at `at`: returns where to search for its end.
    fn breaks(&mut self, bytes: &[u8], at: usize) -> usize {
        match self.line_start(bytes, at) {
            // This may be the line in which the next record starts.
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

    /// The start of the line of `at`, if only gaps are in between.
    fn line_start(&self, bytes: &[u8], at: usize) -> Option<usize> {
        // A brace may be the end of the object.
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

/// The effect of a line on the broken object before it.
enum Resumes {
    /// The object continues.
    Not,
    /// It ends before the line.
    Here,
    /// It ends with this many bytes of the line.
    Behind(usize),
}
