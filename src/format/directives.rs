//! Directives: lines of a log that say how to read the lines after them, such as `#Fields:`.
//!
//! A directive can be repeated in the middle of a file with another content, so the last one of each
//! kind counts. Workers collect them line by line, the planner collects them chunk by chunk. Both use
//! the same function, so the result does not depend on where chunks end.

use memchr::memmem;

use super::columns::Wants;
use super::{Chunk, Preamble};

/// The kind of a directive; `None` if it has no effect. Kind 0 begins a header and discards the previous
/// one.
pub(super) type KindOf = fn(&[u8]) -> Option<u8>;

/// The first byte of every directive.
pub(super) const MARK: u8 = b'#';

/// A format whose lines are read as its directives say.
pub(super) trait Directed {
    /// What they say.
    type Said: Default;

    /// Which kind of directive a line is.
    const KIND_OF: KindOf;

    /// What its schema wants.
    fn wants(&self) -> &Wants;

    /// Reads what was kept of the directives.
    fn read(&self, directives: &Directives) -> Self::Said;
}

/// The directives before a line, read for one reader. What a worker keeps from line to line.
#[derive(Default)]
pub struct Known<T> {
    /// The reader.
    wants: Option<Wants>,
    directives: Directives,
    pub(super) said: T,
}

impl<T: Default> Known<T> {
    /// Begins a chunk behind `preamble`.
    pub(super) fn begin<F: Directed<Said = T>>(&mut self, format: &F, preamble: &Preamble) {
        let is_same = self.wants.as_ref().is_some_and(|wants| wants.are(format.wants()));
        if !is_same || self.directives.0 != preamble.bytes() {
            let directives = Directives::before(preamble);
            *self = Known { wants: Some(format.wants().clone()), said: format.read(&directives), directives };
        }
    }

    /// Takes a line, if it is a directive.
    pub(super) fn take<F: Directed<Said = T>>(&mut self, format: &F, line: &[u8]) -> bool {
        let is_directive = line.first() == Some(&MARK);
        if is_directive && self.directives.put(line, F::KIND_OF) {
            self.said = format.read(&self.directives);
        }
        is_directive
    }

    /// The directives themselves.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.directives.0
    }
}

/// The last directive of each kind, one per line; the newest is the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives(Vec<u8>);

impl Directives {
    /// The directives before a chunk.
    fn before(preamble: &Preamble) -> Directives {
        Directives(preamble.bytes().to_vec())
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
    }

    /// Replaces the directive of the same kind by this one. False if the line has no kind.
    fn put(&mut self, line: &[u8], kind_of: KindOf) -> bool {
        if std::str::from_utf8(line).is_err() {
            return false;
        }
        let Some(kind) = kind_of(line) else { return false };
        let mut lines: Vec<&[u8]> = self.0.split(|&byte| byte == b'\n').collect();
        lines.retain(|line| kind > 0 && !line.is_empty() && kind_of(line) != Some(kind));
        lines.push(line);
        self.0 = lines.join(&b'\n');
        true
    }

    /// The preamble of the chunk after this one.
    pub(super) fn behind(chunk: Chunk<'_>, kind_of: KindOf) -> Preamble {
        let Chunk { bytes, preamble, record_bytes_max } = chunk;
        let mut found = Directives::before(preamble);
        let first = bytes.first().filter(|&&byte| byte == MARK).map(|_| 0);
        let others = memmem::find_iter(bytes, b"\n#").map(|newline| newline + 1);
        for start in first.into_iter().chain(others) {
            let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length);
            let line = &bytes[start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() <= record_bytes_max {
                found.put(line, kind_of);
            }
        }
        Preamble::new(&found.0)
    }
}
