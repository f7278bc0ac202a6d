//! Coordinates: places in a source.
//!
//! Offsets are bytes of the *decompressed* source, half-open and counted from zero, everywhere. Only text for
//! people counts lines, from one. Nothing here knows about files, records or databases, so that everything
//! else can use it.

/// A range of bytes of a source: `start` belongs to it, `end` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

impl Span {
    /// The range `[start, end)`.
    ///
    /// # Panics
    ///
    /// If `end` is before `start`: no caller may make such a range.
    pub fn new(start: u64, end: u64) -> Span {
        assert!(start <= end, "a span ends before it starts: {start}..{end}");
        Span { start, end }
    }

    /// How many bytes it covers.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether it covers nothing.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}
