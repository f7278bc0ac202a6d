//! Framing: what separates records. The only module that knows.
//!
//! A line is the bytes up to a newline; a carriage return before the newline belongs to the line end. A
//! record is one line ([`Framing::Lines`], [`Framing::Commented`]), or a line that is recognised as a start
//! and the lines after it ([`Framing::Starts`]), or as many lines as its quotes hold together
//! ([`Framing::Quoted`]), or the lines that the runtime of a container made from one ([`Framing::Parts`]), or
//! an object of JSON wherever it begins and ends ([`Framing::Objects`]). A last piece without a line end is a
//! line if it is not empty.
//!
//! Chunks, splits and checkpoints lie on record starts, so the planner ([`Framing::cut`]), the worker
//! ([`Framing::records`]) and the next run ([`Framing::goes_on`]) must get the same answer: a record is the
//! same however its source is cut.

mod objects;
#[cfg(test)]
mod objects_tests;
mod quotes;
mod runtime;
#[cfg(test)]
mod tests;

use std::ops::Range;

use memchr::{memchr, memchr_iter, memrchr};
use regex::bytes::Regex;

pub use objects::Objects;
use objects::{Walk, Walked};
use quotes::QuoteState;
pub use quotes::Quotes;
use runtime::PartsWalk;
pub use runtime::{Parts, Runtime, RuntimeLine, unescape};

/// What separates the records of a source.
#[derive(Clone, Debug, Default)]
pub enum Framing {
    /// Nothing but line ends: each line is a record.
    #[default]
    Lines,
    /// The same; a line that begins with this byte is not a record, but a comment or a directive.
    Commented(u8),
    /// A record starts with a line that matches; the lines after it, up to the next match, belong to it.
    /// Lines before the first match are a record too.
    Starts(Regex),
    /// A line end within quotes belongs to the record.
    Quoted(Quotes),
    /// A record is what a program in a container wrote, put together from the lines of its runtime.
    Parts(Parts),
    /// Each JSON object is a record, and what is between them is not.
    Objects(Objects),
}

/// Whether a line starts a record is decided by this much of it, so that a reader need not wait for the end
/// of an endless line.
const START_BYTES_MAX: usize = 4096;

/// Up to this many newlines are found one by one rather than counted.
const COUNTED_LINES_MIN: usize = 4 << 10;

impl Framing {
    /// Where to cut `bytes`, which start on a record start: the length of the next chunk, of about
    /// `bytes_max` and at most `lines_max` lines, or of one record. `None` if no record is known to end here.
    /// At the end of a source (`is_end`) the rest is a record.
    pub fn cut(&self, bytes: &[u8], bytes_max: usize, lines_max: usize, is_end: bool) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        let length = self.cut_where_a_record_ends(bytes, bytes_max, lines_max, is_end)?;
        match self {
            // The chunk must include what its cut-off last line may belong to.
            Framing::Parts(parts) if is_end && parts.are_cut_off(&bytes[length..]) => Some(bytes.len()),
            _ => Some(length),
        }
    }

    fn cut_where_a_record_ends(
        &self,
        bytes: &[u8],
        bytes_max: usize,
        lines_max: usize,
        is_end: bool,
    ) -> Option<usize> {
        let length = self.cut_by_bytes(bytes, bytes_max.max(1) - 1, is_end)?;
        let lines_max = lines_max.max(1);
        // Counting newlines is cheap, finding each one is not, unless there are few to find.
        let are_counted = length > lines_max && lines_max >= COUNTED_LINES_MIN;
        if length <= lines_max || are_counted && memchr_iter(b'\n', &bytes[..length]).count() <= lines_max {
            return Some(length);
        }
        let mut newlines = memchr_iter(b'\n', &bytes[..length]);
        match self {
            Framing::Lines | Framing::Commented(_) => {
                Some(newlines.nth(lines_max - 1).map_or(length, |newline| newline + 1))
            }
            // The records that end before the bound, or the record that contains it.
            _ => {
                let bound = newlines.nth(lines_max - 1).map_or(length, |newline| newline + 1);
                let ends = self.records(&bytes[..length]).scan(0, |end, record| {
                    *end = record.end;
                    Some(*end)
                });
                let mut last = None;
                for end in ends {
                    if end > bound && last.is_some() {
                        break;
                    }
                    last = Some(end);
                    if end >= bound {
                        break;
                    }
                }
                last
            }
        }
    }

    /// The end of the record that contains `from`, or else of the last one that is known to end before it.
    fn cut_by_bytes(&self, bytes: &[u8], from: usize, is_end: bool) -> Option<usize> {
        let rest = is_end.then_some(bytes.len());
        match self {
            Framing::Lines | Framing::Commented(_) => {
                if from < bytes.len()
                    && let Some(newline) = memchr(b'\n', &bytes[from..])
                {
                    return Some(from + newline + 1);
                }
                rest.or_else(|| memrchr(b'\n', &bytes[..from.min(bytes.len())]).map(|newline| newline + 1))
            }
            Framing::Starts(_) | Framing::Parts(_) => {
                let starts = |newline: &usize| self.begins_behind(*newline, bytes, is_end) == Some(true);
                let ahead = memchr_iter(b'\n', bytes.get(from..).unwrap_or_default());
                let ahead = ahead.map(|newline| from + newline).find(starts);
                let before = || memchr::memrchr_iter(b'\n', &bytes[..from.min(bytes.len())]).find(starts);
                ahead.map(|newline| newline + 1).or(rest).or_else(|| before().map(|newline| newline + 1))
            }
            Framing::Quoted(quotes) => quotes
                .end_behind(bytes, from)
                .or_else(|| walk_to(from, |start| quotes.record_end(bytes, start), rest)),
            Framing::Objects(objects) => {
                let end = |start: usize| {
                    let walked = Walk::new(*objects).go_on(&bytes[start..], is_end);
                    walked.is_end.then_some(start + walked.taken)
                };
                walk_to(from, end, rest)
            }
        }
    }

    /// Whether a record begins after a newline of `bytes`, which start on a record start; `None` if that
    /// cannot be known yet.
    fn begins_behind(&self, newline: usize, bytes: &[u8], is_end: bool) -> Option<bool> {
        let rest = &bytes[newline + 1..];
        match self {
            Framing::Starts(pattern) => starts(pattern, rest, is_end),
            Framing::Parts(parts) => {
                let line = memrchr(b'\n', &bytes[..newline]).map_or(0, |before| before + 1);
                parts.begins(&bytes[line..newline], rest, is_end)
            }
            _ => Some(true),
        }
    }

    /// Whether a record start can be recognised without everything that precedes it, so that one can be
    /// searched for from anywhere.
    pub fn shows_starts(&self) -> bool {
        match self {
            Framing::Lines | Framing::Commented(_) | Framing::Starts(_) | Framing::Parts(_) => true,
            Framing::Quoted(_) | Framing::Objects(_) => false,
        }
    }

    /// How far beyond the end of a record one has to look to know that it is its end.
    pub(super) fn look_ahead(&self) -> usize {
        match self {
            Framing::Lines | Framing::Commented(_) | Framing::Quoted(_) => 0,
            Framing::Starts(_) => START_BYTES_MAX,
            Framing::Parts(_) => runtime::LOOK_AHEAD,
            Framing::Objects(_) => objects::LOOK_AHEAD,
        }
    }

    /// The records of a chunk.
    pub fn records<'b>(&'b self, bytes: &'b [u8]) -> Records<'b> {
        Records { framing: self, bytes, text: std::str::from_utf8(bytes).ok(), next: 0 }
    }

    /// Whether a record, given with its line end, may continue after it. `ends` means that the source ends
    /// with it.
    pub fn is_open(&self, record: &[u8], ends: bool) -> bool {
        let has_no_end = record.last().is_some_and(|&byte| byte != b'\n');
        match self {
            Framing::Lines | Framing::Commented(_) => has_no_end,
            // Only the start of the next one would show the end.
            Framing::Starts(_) => ends && !record.is_empty(),
            Framing::Parts(parts) => ends && (has_no_end || parts.may_go_on(record)),
            Framing::Quoted(quotes) => {
                has_no_end || quotes.record_end(record, 0).is_none() && !record.is_empty()
            }
            // One line can hold many of them.
            Framing::Objects(objects) => ends && (has_no_end || Walk::new(*objects).goes_on_behind(record)),
        }
    }

    /// Where in `bytes`, a chunk whose last record starts at `last`, the part begins that may continue after
    /// them. A container line that was cut off may belong to the record before it.
    pub fn open_from(&self, bytes: &[u8], last: usize, ends: bool) -> Option<usize> {
        if !self.is_open(&bytes[last..], ends) {
            return None;
        }
        let Framing::Parts(parts) = self else { return Some(last) };
        let before = parts.are_cut_off(&bytes[last..]).then(|| self.records(&bytes[..last]).last()).flatten();
        let before = before.filter(|before| parts.may_go_on(&bytes[before.start..last]));
        Some(before.map_or(last, |before| before.start))
    }

    /// Whether `open`, the last record of what a source held, continues in `next`, which was appended since:
    /// `None` if so, otherwise the number of bytes of `next` that are only its line end. `is_end` means that
    /// nothing follows `next`.
    pub fn goes_on(&self, open: &[u8], next: &[u8], is_end: bool) -> Option<usize> {
        let line_end = match next {
            _ if open.last() == Some(&b'\n') => Some(0),
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        };
        match self {
            _ if next.is_empty() => Some(0),
            Framing::Lines | Framing::Commented(_) => line_end,
            Framing::Starts(pattern) => {
                line_end.filter(|&length| starts(pattern, &next[length..], is_end) == Some(true))
            }
            Framing::Parts(parts) => {
                let open = open.strip_suffix(b"\n").unwrap_or(open);
                let line = &open[memrchr(b'\n', open).map_or(0, |newline| newline + 1)..];
                line_end.filter(|&length| parts.begins(line, &next[length..], is_end) == Some(true))
            }
            Framing::Quoted(quotes) => {
                let is_within_quotes = quotes.record_end(&[open, b"\n"].concat(), 0).is_none();
                line_end.filter(|_| !is_within_quotes)
            }
            Framing::Objects(objects) => {
                let both = [open, next].concat();
                let Walked { taken, is_end, content } = Walk::new(*objects).go_on(&both, is_end);
                let line_end = line_end.unwrap_or(0);
                let is_whole = content.end <= open.len() || is_end && taken <= open.len() + line_end;
                is_whole.then_some(line_end)
            }
        }
    }

    /// Whether the last line of a source, at whose end `bytes` are, remains uncounted: if many records share
    /// a line, lines are counted by their ends.
    pub fn leaves_a_line(&self, bytes: &[u8]) -> bool {
        matches!(self, Framing::Objects(_)) && bytes.last().is_some_and(|&byte| byte != b'\n')
    }

    /// Whether a record is a line that holds no fields.
    pub fn is_comment(&self, record: &[u8]) -> bool {
        match self {
            Framing::Lines | Framing::Starts(_) => false,
            Framing::Parts(parts) => parts.hold_nothing(record),
            Framing::Commented(comment) => record.first() == Some(comment),
            Framing::Quoted(quotes) => quotes.is_comment(record),
            Framing::Objects(objects) => objects.are_gaps(record),
        }
    }

    /// How many bytes after a position [`Framing::goes_on`] needs to see.
    pub fn next_bytes(&self) -> usize {
        2 + self.look_ahead()
    }
}

/// Steps from end to end, to the first one after `from`, or else to the last one.
fn walk_to(from: usize, end: impl Fn(usize) -> Option<usize>, rest: Option<usize>) -> Option<usize> {
    let mut last = None;
    while let Some(end) = end(last.unwrap_or(0)) {
        last = Some(end);
        if end > from {
            return last;
        }
    }
    rest.or(last)
}

/// Whether the first line of `rest` starts a record; `None` if that cannot be known yet.
fn starts(pattern: &Regex, rest: &[u8], is_end: bool) -> Option<bool> {
    let head = &rest[..rest.len().min(START_BYTES_MAX)];
    let line = match memchr(b'\n', head) {
        Some(newline) => &head[..newline],
        None if is_end || head.len() == START_BYTES_MAX => head,
        None => return None,
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(!rest.is_empty() && pattern.is_match(line))
}

/// The records of a buffer that does not change.
#[derive(Clone, Debug)]
pub struct Records<'b> {
    framing: &'b Framing,
    bytes: &'b [u8],
    /// The whole buffer, if it is UTF-8: one check is faster than many.
    text: Option<&'b str>,
    next: usize,
}

/// One record, without its line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'b> {
    /// The position of its first byte in the buffer.
    pub start: usize,
    /// The start of the next record in the buffer.
    pub end: usize,
    pub bytes: &'b [u8],
    /// The same as text, if they are UTF-8.
    pub text: Option<&'b str>,
    pub lines: u32,
}

impl<'b> Iterator for Records<'b> {
    type Item = Framed<'b>;

    #[inline]
    fn next(&mut self) -> Option<Framed<'b>> {
        let first = self.next;
        let rest = self.bytes.get(first..).filter(|rest| !rest.is_empty())?;
        let (content, is_line) = match self.framing {
            Framing::Lines | Framing::Commented(_) => {
                self.next = memchr(b'\n', rest).map_or(self.bytes.len(), |newline| first + newline + 1);
                (first..self.next, true)
            }
            _ => self.of_lines(first),
        };
        let (start, end) = (content.start, self.next);
        let bytes = without_line_end(&self.bytes[content]);
        let text = match self.text {
            Some(text) => text.get(start..start + bytes.len()),
            None => std::str::from_utf8(bytes).ok(),
        };
        let lines = match self.framing {
            _ if is_line => 1,
            Framing::Objects(_) => lines(&self.bytes[first..end]) - 1,
            _ => lines(bytes),
        };
        Some(Framed { start, end, bytes, text, lines })
    }
}

impl Records<'_> {
    /// The range of the record that begins at or after `first`, and whether it is known to be one line.
    /// Advances past it.
    fn of_lines(&mut self, first: usize) -> (Range<usize>, bool) {
        let (bytes, mut is_line) = (self.bytes, false);
        let end = match self.framing {
            Framing::Lines | Framing::Commented(_) => None,
            Framing::Starts(_) | Framing::Parts(_) => memchr_iter(b'\n', &bytes[first..])
                .find(|&newline| self.framing.begins_behind(newline, &bytes[first..], true) == Some(true))
                .map(|newline| first + newline + 1),
            Framing::Quoted(quotes) => quotes.record(bytes, first).map(|(end, has_quotes)| {
                is_line = !has_quotes;
                end
            }),
            Framing::Objects(objects) => {
                let Walked { taken, content, .. } = Walk::new(*objects).go_on(&bytes[first..], true);
                self.next = first + taken;
                return (first + content.start..first + content.end, false);
            }
        };
        self.next = end.unwrap_or(bytes.len());
        (first..self.next, is_line)
    }
}

fn lines(record: &[u8]) -> u32 {
    let newlines = memchr_iter(b'\n', record).count();
    u32::try_from(newlines + 1).expect("a chunk is shorter than 4 GiB")
}

#[inline]
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Whether a record contains nothing but white space, and so does not count.
#[inline]
pub fn is_blank(record: &[u8]) -> bool {
    // Almost every record begins with something else, which ends the check at once.
    record.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Follows one record of any length to its end, in pieces.
pub(super) struct Follower {
    way: Way,
    /// Bytes that may be its line end: at most a carriage return and a newline.
    held: Vec<u8>,
    lines: u64,
    /// The range of the record within the current piece.
    content: Range<usize>,
    /// Bytes before the record.
    lead: u64,
}

/// How the end of a record is found, with the progress within it.
enum Way {
    Lines,
    Starts(Regex),
    Quoted(Quotes, QuoteState),
    Parts(PartsWalk),
    Objects(Walk),
}

impl Follower {
    pub(super) fn new(framing: &Framing) -> Follower {
        let way = match framing {
            Framing::Lines | Framing::Commented(_) => Way::Lines,
            Framing::Starts(pattern) => Way::Starts(pattern.clone()),
            Framing::Quoted(quotes) => Way::Quoted(*quotes, QuoteState::Record),
            Framing::Parts(parts) => Way::Parts(PartsWalk::new(parts.clone())),
            Framing::Objects(objects) => Way::Objects(Walk::new(*objects)),
        };
        let lines = if let Way::Objects(_) = way { 0 } else { 1 };
        Follower { way, held: Vec::new(), lines, content: 0..0, lead: 0 }
    }

    /// Inspects the next piece: how much of it belongs to the record, and whether the record ends there. The
    /// remainder is part of the next piece, which must then be longer, unless this one `is_last`.
    pub(super) fn find_end(&mut self, piece: &[u8], is_last: bool) -> (usize, bool) {
        let (taken, is_end) = match &mut self.way {
            Way::Lines => match memchr(b'\n', piece) {
                Some(newline) => (newline + 1, true),
                None => (piece.len(), false),
            },
            Way::Starts(pattern) => start_behind(pattern, piece, is_last),
            Way::Parts(walk) => walk.find_end(piece, is_last),
            Way::Quoted(quotes, state) => match piece.iter().position(|&byte| state.step(byte, quotes)) {
                Some(newline) => (newline + 1, true),
                None => (piece.len(), false),
            },
            Way::Objects(walk) => {
                let was_before = walk.is_before();
                let Walked { taken, is_end, content } = walk.go_on(piece, is_last);
                let newlines = memchr_iter(b'\n', &piece[..taken]).count() as u64;
                // The source ends within its last line.
                let is_within_line = is_last && taken == piece.len() && !piece.ends_with(b"\n");
                self.lines += newlines + u64::from(is_within_line);
                if was_before {
                    self.lead += if walk.is_before() { taken } else { content.start } as u64;
                }
                self.content = content;
                return (taken, is_end);
            }
        };
        self.content = 0..taken;
        (taken, is_end)
    }

    /// Passes the part of the last inspected piece that belongs to the record, without its line end, to
    /// `push`.
    pub(super) fn content(&mut self, piece: &[u8], mut push: impl FnMut(&[u8])) {
        let counts = !matches!(self.way, Way::Objects(_));
        let piece = &piece[self.content.clone()];
        let mut push = |content: &[u8]| {
            if counts {
                self.lines += memchr_iter(b'\n', content).count() as u64;
            }
            push(content);
        };
        let joined;
        let whole = if piece.len() < 2 {
            joined = [&self.held, piece].concat();
            &joined
        } else {
            // The held bytes were not the line end, or not the last one.
            push(&self.held);
            piece
        };
        let content = without_line_end(whole);
        push(content);
        self.held = whole[content.len()..].to_vec();
    }

    /// How many lines the record has.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// How many bytes precede it.
    pub(super) fn lead(&self) -> u64 {
        self.lead
    }
}

/// Where in a piece the next record starts, and whether one does.
fn start_behind(pattern: &Regex, piece: &[u8], is_last: bool) -> (usize, bool) {
    for newline in memchr_iter(b'\n', piece) {
        match starts(pattern, &piece[newline + 1..], is_last) {
            Some(true) => return (newline + 1, true),
            Some(false) => {}
            // It is called again when there are more bytes.
            None => return (newline, false),
        }
    }
    (piece.len(), false)
}
