//! Directives: lines of a log that say how to read those behind them, as `#Fields:` does.
//!
//! They may come again in the middle of a file and say something else, so what is kept of them is
//! the last one of each kind. What a worker keeps as it meets them, and what the planner finds in a
//! chunk for those behind it, are made by the same function, so they are the same wherever chunks
//! end.

use memchr::memmem;

use super::{Chunk, Preamble};

/// Which kind of directive a line is. `None` if what it says changes nothing. One of kind 0 begins a
/// header, and what stood in the one before it is forgotten.
pub(super) type KindOf = fn(&[u8]) -> Option<u8>;

/// What every directive begins with.
pub(super) const MARK: u8 = b'#';

/// The last directive of each kind, each with a line end; the newest stands last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives(Vec<u8>);

impl Directives {
    /// Those that stand before a chunk.
    pub(super) fn before(preamble: &Preamble) -> Directives {
        Directives(preamble.bytes().to_vec())
    }

    /// Whether they are what precedes a chunk.
    pub(super) fn are(&self, preamble: &Preamble) -> bool {
        self.0 == preamble.bytes()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok())
    }

    /// Puts a line in the place of the one of its kind, and says whether it has one.
    pub(super) fn put(&mut self, line: &[u8], kind_of: KindOf) -> bool {
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

    /// What a chunk says of the next one.
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
