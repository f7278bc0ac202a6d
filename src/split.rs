//! Splits: what has a checkpoint.
//!
//! A source is one split unless it was cut. Each split has a position, an owner and counters of
//! its own, so that different runs can load different splits of one source at the same time.
//! A record belongs to the split that holds its first byte.

use std::fmt;

/// A range of a source with a checkpoint of its own; the unit of distribution. Known by where
/// it starts: where it ends may not be known before its source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Split {
    /// The source's id in the destination.
    pub source: i32,
    /// The offset of its first byte.
    pub start: u64,
}

impl Split {
    /// All of a source that was not cut.
    pub fn whole(source: i32) -> Split {
        Split { source, start: 0 }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.start)
    }
}
