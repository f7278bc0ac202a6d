//! Splits: the units that have a checkpoint.
//!
//! A source is one split unless it was cut. Each split has a position, an owner and counters of its own, so
//! that different runs can load different splits of one source at the same time. A record belongs to the
//! split that contains its first byte.

use std::fmt;
use std::str::FromStr;

/// A range of a source with its own checkpoint; the unit of distribution. Identified by where it starts:
/// where it ends may be unknown until its source has been read.
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

impl FromStr for Split {
    type Err = String;

    fn from_str(text: &str) -> Result<Split, String> {
        let split = || {
            let (source, start) = text.split_once('-')?;
            Some(Split {
                source: source.parse().ok().filter(|&source| source > 0)?,
                start: start.parse().ok()?,
            })
        };
        split().ok_or_else(|| format!("a split is written SOURCE-START, as in 7-268435456, not {text:?}"))
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.source, self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_read_as_it_is_written() {
        for split in [Split::whole(7), Split { source: i32::MAX, start: u64::MAX }] {
            assert_eq!(split.to_string().parse(), Ok(split));
        }
        for text in ["", "7", "-", "7-", "-5", "0-5", "7-5-1", "a-1", "7--1"] {
            assert!(text.parse::<Split>().is_err(), "{text}");
        }
    }
}
