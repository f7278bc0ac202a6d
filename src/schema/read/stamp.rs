//! A date and time as it was read, and the reasons for failure: the common part of all timestamp readers.

use crate::reject::{Code, code};

/// A date and time, before the zone is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Microseconds since 1970-01-01 00:00 on the clock that the timestamp was read from.
    pub(super) local_us: i64,
    /// How far that clock is ahead of UTC, in seconds, if the timestamp says so.
    pub(super) offset_s: Option<i32>,
}

/// Why there is no timestamp.
pub(super) type Flaw = (Code, &'static str);

/// The flaw of a timestamp outside of those years.
pub(super) const BEYOND: Flaw = (code::DATETIME_PARSING, "a timestamp outside of the years 1 to 9999");

/// A day in microseconds.
pub(in crate::schema) const DAY_US: i64 = 86_400_000_000;
