//! A date and time as it was read, and why there is none: what all readers of stamps share.

use crate::reject::{Code, code};

/// A date and time, before the zone is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Microseconds since 1970-01-01 00:00 on the clock that the stamp was read from.
    pub(super) local_us: i64,
    /// How far that clock is ahead of UTC, in seconds, if the stamp says so.
    pub(super) offset_s: Option<i32>,
}

/// Why there is no stamp.
pub(super) type Flaw = (Code, &'static str);

/// What a stamp outside of those years is.
pub(super) const BEYOND: Flaw = (code::DATETIME_PARSING, "a timestamp outside of the years 1 to 9999");

/// A day in microseconds.
pub(in crate::schema) const DAY_US: i64 = 86_400_000_000;
