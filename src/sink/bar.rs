//! The bar: the limit of dead letters per source.
//!
//! Only the open dead letters of a source count, whichever run wrote them; its records are those its
//! checkpoint counts. The destination reports the state of a source ([`Standing`]), and the loader judges it.

use std::fmt;

use super::Again;
use crate::split::Split;

/// The limit of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// More than this number of letters.
    Count(u64),
    /// A larger share of the records than this, in millionths.
    Share(u32),
}

impl Bar {
    /// Whether this many dead letters among this many records exceed the bar.
    pub fn is_exceeded(self, letters: u64, records: u64) -> bool {
        match self {
            Bar::Count(count) => letters > count,
            Bar::Share(millionths) => {
                u128::from(letters) * 1_000_000 > u128::from(records) * u128::from(millionths)
            }
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Bar::Count(count) => write!(f, "{count}"),
            Bar::Share(millionths) => {
                let fraction = format!("{:04}", millionths % 10_000);
                let fraction = fraction.trim_end_matches('0');
                let point = if fraction.is_empty() { "" } else { "." };
                write!(f, "{}{point}{fraction}%", millionths / 10_000)
            }
        }
    }
}

/// The state of a split, from its checkpoint and its dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The split.
    pub split: Split,
    /// Records up to its checkpoint.
    pub records: u64,
    /// Its open dead letters.
    pub letters: u64,
    /// The offset of the last of them.
    pub last_letter: Option<u64>,
    /// Whether the checkpoint has reached its end.
    pub is_complete: bool,
}

impl Standing {
    /// The same without its last record, which is about to be read again.
    pub fn without(self, again: Again) -> Standing {
        if again.was_blank || again.was_skipped {
            return self;
        }
        let last = again.cut_off.unwrap_or(again.offset);
        let was_rejected = self.last_letter == Some(last);
        Standing {
            records: self.records.saturating_sub(1 + u64::from(again.cut_off.is_some())),
            letters: self.letters - u64::from(was_rejected),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_reached_before_it_is_exceeded() {
        assert!(!Bar::Count(3).is_exceeded(3, 3));
        assert!(Bar::Count(3).is_exceeded(4, 1_000_000));
        assert!(Bar::Count(0).is_exceeded(1, 1));
        let five = Bar::Share(50_000);
        assert!(!five.is_exceeded(500, 10_000));
        assert!(five.is_exceeded(501, 10_000));
        assert!(!five.is_exceeded(0, 0));
        assert!(!Bar::Share(1_000_000).is_exceeded(u64::MAX, u64::MAX));
        assert!(Bar::Share(0).is_exceeded(1, u64::MAX));
    }

    #[test]
    fn a_bar_is_shown_as_it_is_written() {
        for (bar, text) in [
            (Bar::Count(1000), "1000"),
            (Bar::Share(50_000), "5%"),
            (Bar::Share(5_000), "0.5%"),
            (Bar::Share(123_401), "12.3401%"),
            (Bar::Share(1_000_000), "100%"),
            (Bar::Share(0), "0%"),
        ] {
            assert_eq!(bar.to_string(), text);
        }
    }

    #[test]
    fn a_last_record_that_is_read_again_no_longer_counts_as_what_it_was() {
        let split = Split::whole(1);
        let stands = Standing { split, records: 10, letters: 2, last_letter: Some(90), is_complete: true };
        let again = |offset| Again { offset, lines: 1, was_blank: false, was_skipped: false, cut_off: None };
        let counts = |standing: Standing| (standing.records, standing.letters);
        assert_eq!(counts(stands.without(again(90))), (9, 1));
        assert_eq!(counts(stands.without(again(95))), (9, 2));
        assert_eq!(counts(stands.without(Again { cut_off: Some(90), ..again(80) })), (8, 1));
        assert_eq!(counts(stands.without(Again { was_blank: true, ..again(90) })), (10, 2));
    }
}
