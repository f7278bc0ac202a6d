//! The local clock: what a timestamp that names no zone refers to.
//!
//! An offset from UTC is the same all year. The clock of a place is set forward and back: an hour occurs
//! twice, another not at all. In the hour that occurs twice the earlier time is taken, and a time that never
//! occurred is moved later by as much as the clock was set forward. Both are what Python's `zoneinfo` does,
//! and both are counted, because no log says which time it was.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

use super::stamp::DAY_US;

/// The clock that timestamps without a zone were read from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Clock(Of);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The number of seconds ahead of UTC.
    Offset(i32),
    /// A place of the IANA database.
    Place(Tz),
}

/// UTC.
impl Default for Clock {
    fn default() -> Clock {
        Clock::ahead(0)
    }
}

impl Clock {
    /// A clock that is always this many seconds ahead of UTC.
    pub fn ahead(seconds: i32) -> Clock {
        Clock(Of::Offset(seconds))
    }

    /// The clock of a place, by its name in the IANA database.
    pub fn of_place(name: &str) -> Option<Clock> {
        name.parse().ok().map(|place| Clock(Of::Place(place)))
    }

    /// Its lead over UTC in seconds, if that is constant.
    pub fn offset_s(self) -> Option<i32> {
        match self.0 {
            Of::Offset(seconds) => Some(seconds),
            Of::Place(_) => None,
        }
    }

    /// The name of its place, if it has one.
    pub fn place(self) -> Option<&'static str> {
        match self.0 {
            Of::Offset(_) => None,
            Of::Place(place) => Some(place.name()),
        }
    }

    /// Its lead over UTC in seconds when it shows `local_us`, and whether it shows that time exactly once.
    #[inline]
    pub(in crate::schema) fn ahead_at(self, local_us: i64) -> (i32, bool) {
        match self.0 {
            Of::Offset(seconds) => (seconds, true),
            Of::Place(place) => ahead_in(place, local_us),
        }
    }
}

#[inline(never)]
fn ahead_in(place: Tz, local_us: i64) -> (i32, bool) {
    let Some(local) = naive(local_us) else { return (0, true) };
    match place.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) => (offset.fix().local_minus_utc(), true),
        MappedLocalTime::Ambiguous(earlier, _) => (earlier.fix().local_minus_utc(), false),
        MappedLocalTime::None => {
            // A day earlier in any zone is before the clock was set, and by that offset the time is one that
            // did occur.
            let before = naive(local_us.saturating_sub(DAY_US)).unwrap_or(local);
            (place.offset_from_utc_datetime(&before).fix().local_minus_utc(), false)
        }
    }
}

fn naive(local_us: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(local_us).map(|stamp| stamp.naive_utc())
}

/// As a job says it.
impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Of::Offset(0) => f.write_str("UTC"),
            Of::Offset(seconds) => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.unsigned_abs() / 60;
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Of::Place(place) => f.write_str(place.name()),
        }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(place: &str, local: &str) -> (String, bool) {
        let clock = Clock::of_place(place).expect("a place");
        let local: NaiveDateTime = local.parse().expect("a time");
        let local_us = local.and_utc().timestamp_micros();
        let (ahead, is_once) = clock.ahead_at(local_us);
        let instant = DateTime::from_timestamp_micros(local_us - i64::from(ahead) * 1_000_000);
        (instant.expect("in range").naive_utc().to_string(), is_once)
    }

    #[test]
    fn a_clock_is_set_forward_and_back() {
        for (place, local, expected, is_once) in [
            ("Europe/Berlin", "2023-07-01T12:00:00", "2023-07-01 10:00:00", true),
            ("Europe/Berlin", "2023-01-01T12:00:00", "2023-01-01 11:00:00", true),
            // 02:00 to 03:00 never occurred: it was 03:30 when the clock would have shown 02:30.
            ("Europe/Berlin", "2023-03-26T01:59:59", "2023-03-26 00:59:59", true),
            ("Europe/Berlin", "2023-03-26T02:30:00", "2023-03-26 01:30:00", false),
            ("Europe/Berlin", "2023-03-26T03:00:00", "2023-03-26 01:00:00", true),
            // 02:00 to 03:00 occurred twice.
            ("Europe/Berlin", "2023-10-29T02:30:00", "2023-10-29 00:30:00", false),
            ("Europe/Berlin", "2023-10-29T03:00:00", "2023-10-29 02:00:00", true),
            ("America/New_York", "2023-03-12T02:30:00", "2023-03-12 07:30:00", false),
            ("America/New_York", "2023-11-05T01:30:00", "2023-11-05 05:30:00", false),
            ("Australia/Lord_Howe", "2023-10-01T02:15:00", "2023-09-30 15:45:00", false),
            // A whole day that never occurred.
            ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30 22:00:00", false),
            ("Asia/Kolkata", "2023-07-01T12:00:00", "2023-07-01 06:30:00", true),
            ("UTC", "2023-07-01T12:00:00", "2023-07-01 12:00:00", true),
            // Zones have rules for the future.
            ("Europe/Berlin", "2060-07-01T12:00:00", "2060-07-01 10:00:00", true),
        ] {
            assert_eq!(instant(place, local), (expected.to_owned(), is_once), "{local} in {place}");
        }
    }

    #[test]
    fn a_clock_is_written_as_a_job_says_it() {
        for (clock, written) in [
            (Clock::default(), "UTC"),
            (Clock::ahead(7200), "+02:00"),
            (Clock::ahead(-12_600), "-03:30"),
            (Clock::of_place("America/New_York").expect("a place"), "America/New_York"),
        ] {
            assert_eq!(clock.to_string(), written);
        }
        assert_eq!(Clock::of_place("Europe/Atlantis"), None);
    }
}
