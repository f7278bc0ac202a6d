//! The most common layouts of timestamps, read by position: `2023-10-27T12:34:56.789Z`.
//!
//! This reader accepts a timestamp only if each byte is where it expects it, and decides nothing about any
//! other text: the slow readers have the last word. What it accepts, they read as the same value, which a
//! property test checks.

use super::stamp::Stamp;

/// `YYYY-MM-DD`, one of `T`, `t` and a blank, `HH:MM:SS`, optionally a point and digits, optionally `Z`, `z`
/// or `±HH:MM`.
#[inline]
pub(super) fn read(text: &[u8]) -> Option<Stamp> {
    let (date, rest) = text.split_first_chunk::<8>()?;
    let (clock, rest) = rest.split_first_chunk::<8>()?;
    let ([b':', seconds @ ..], mut rest) = rest.split_first_chunk::<3>()? else { return None };
    let mut clock = *clock;
    if !matches!(clock[2], b'T' | b't' | b' ') {
        return None;
    }
    clock[2] = b'T';
    let [century, _, year, _, _, month, ..] = DATE.numbers(*date)?;
    let [day, _, _, hour, _, _, minute, _] = CLOCK.numbers(clock)?;
    let days = days(century * 100 + year, month, day)?;
    let second = two(seconds, 0);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = 0;
    if let [b'.', digits @ ..] = rest {
        let mut count = 0;
        while let Some(digit @ 0..=9) = digits.get(count).map(|byte| byte.wrapping_sub(b'0')) {
            // Digits after the sixth are cut off.
            if count < 6 {
                micros = micros * 10 + i64::from(digit);
            }
            count += 1;
        }
        if count == 0 {
            return None;
        }
        micros *= [0, 100_000, 10_000, 1_000, 100, 10, 1][count.min(6)];
        rest = &digits[count..];
    }
    let offset_s = match *rest {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (two(rest, 1), two(rest, 4));
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = i32::try_from(hours * 3600 + minutes * 60).expect("less than a day");
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => return None,
    };
    let seconds = i64::from(days) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    Some(Stamp { local_us: seconds * 1_000_000 + micros, offset_s })
}

/// `YYYY-MM-DD` as days since 1970-01-01. There is no year 0.
#[inline]
pub(super) fn read_date(text: &[u8; 10]) -> Option<i32> {
    let (date, day) = text.split_first_chunk::<8>()?;
    let [century, _, year, _, _, month, ..] = DATE.numbers(*date)?;
    days(century * 100 + year, month, two(day, 0))
}

const DATE: Layout = Layout::new(*b"0000-00-");
const CLOCK: Layout = Layout::new(*b"00T00:00");

/// Eight bytes, some of which are digits and the others fixed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    bytes: u64,
    /// What may be added to each byte's difference from the layout before its top bit is set: a digit may
    /// differ from `0` by nine, any other byte not at all.
    room: u64,
}

impl Layout {
    /// The room of a fixed byte.
    pub(super) const EXACT: u8 = 0x7f;
    /// The room of a digit, where the layout has a `0`.
    pub(super) const DIGIT: u8 = 0x7f - 9;
    /// The room of any ASCII byte, where it has a NUL.
    pub(super) const ASCII: u8 = 0;

    const fn new(bytes: [u8; 8]) -> Layout {
        let mut room = [Layout::EXACT; 8];
        let mut at = 0;
        while at < 8 {
            if bytes[at] == b'0' {
                room[at] = Layout::DIGIT;
            }
            at += 1;
        }
        Layout { bytes: u64::from_le_bytes(bytes), room: u64::from_le_bytes(room) }
    }

    /// The layout of these bytes, each with its room.
    pub(super) fn of(bytes: [(u8, u8); 8]) -> Layout {
        let [room, bytes] = [bytes.map(|(_, room)| room), bytes.map(|(byte, _)| byte)];
        Layout { bytes: u64::from_le_bytes(bytes), room: u64::from_le_bytes(room) }
    }

    /// Whether each byte is allowed.
    #[inline]
    pub(super) fn fits(&self, text: [u8; 8]) -> bool {
        self.differences(text).is_some()
    }

    /// How much each byte differs from the layout, if none differs more than it may.
    #[inline]
    fn differences(&self, text: [u8; 8]) -> Option<u64> {
        let digits = u64::from_le_bytes(text) ^ self.bytes;
        // A byte of 0x80 and more is not a digit; below that no sum carries into the next byte.
        let beyond = digits | digits.wrapping_add(self.room);
        (beyond & 0x8080_8080_8080_8080 == 0).then_some(digits)
    }

    /// For each byte the two-digit number that it forms with the next one, all at once. Only those at which
    /// two digits begin are meaningful.
    #[inline]
    fn numbers(&self, text: [u8; 8]) -> Option<[u32; 8]> {
        let digits = self.differences(text)?;
        Some((digits * 10 + (digits >> 8)).to_le_bytes().map(u32::from))
    }
}

/// The days from 1970-01-01 to an existing day of the years 1 to 9999.
#[inline]
pub(super) fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Counted in years that begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    // 719_468 days lie between 0000-03-01 and 1970-01-01.
    i32::try_from(days).ok()?.checked_sub(719_468)
}

/// The number in two bytes of `text`, or one beyond 99 if they are not two digits.
#[inline]
fn two(text: &[u8], at: usize) -> u32 {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { 100 } else { u32::from(tens) * 10 + u32::from(ones) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::timestamp;
    use super::*;

    #[test]
    fn the_common_layouts_are_read() {
        let stamp = |local_us, offset_s| Some(Stamp { local_us, offset_s });
        assert_eq!(read(b"1970-01-01T00:00:00Z"), stamp(0, Some(0)));
        assert_eq!(read(b"1969-12-31 23:59:59.9999999"), stamp(-1, None));
        assert_eq!(read(b"2023-10-27t12:34:56.789-02:30"), stamp(1_698_410_096_789_000, Some(-9000)),);
        assert_eq!(read(b"0001-01-01T00:00:00"), stamp(-62_135_596_800_000_000, None));
        assert_eq!(read(b"9999-12-31T23:59:59.999999z"), stamp(253_402_300_799_999_999, Some(0)));
    }

    #[test]
    fn anything_else_is_left_to_others() {
        for text in [
            "2023-10-27",
            "2023-10-27T12:34",
            "2023-10-27T12:34:5",
            "2023-10-27T12:34:60Z",
            "2023-10-27T24:00:00Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-10-00T00:00:00Z",
            "2023-10-27T12:34:56.",
            "2023-10-27T12:34:56.Z",
            "2023-10-27T12:34:56,789Z",
            "2023-10-27T12:34:56+0200",
            "2023-10-27T12:34:56+24:00",
            "2023-10-27T12:34:56+02:60",
            "2023-10-27T12:34:56 Z",
            "2023-10-27T12:34:56ZZ",
            "2023-10-27_12:34:56Z",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    /// Timestamps, nearly all of which this reader accepts, and some with a wrong byte.
    fn stamps() -> impl Strategy<Value = String> {
        let date = (0..=9999, 0..=13, 0..=32).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
        let time = (0..=24, 0..=60, 0..=60).prop_map(|(h, m, s)| format!("{h:02}:{m:02}:{s:02}"));
        let zone = prop_oneof!["|Z|z", "[+-][0-2][0-9]:[0-6][0-9]"];
        let stamp = (date, "[Tt ]", time, "|\\.[0-9]{1,12}", zone).prop_map(
            |(date, between, time, fraction, zone)| format!("{date}{between}{time}{fraction}{zone}"),
        );
        (stamp, any::<prop::sample::Index>(), prop::option::weighted(0.2, "[0-9:TZ.+ -]")).prop_map(
            |(mut stamp, at, byte)| {
                if let Some(byte) = byte {
                    let at = at.index(stamp.len());
                    stamp.replace_range(at..=at, &byte);
                }
                stamp
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_read_is_what_speedate_and_chrono_read(text in stamps()) {
            let fast = read(text.as_bytes());
            prop_assert!(fast.is_none() || fast == timestamp::parse(text.as_bytes()), "{:?}", fast);
            // chrono requires a zone, keeps nanoseconds, and knows a leap second and the year 0.
            if let Ok(stamp) = chrono::DateTime::parse_from_rfc3339(&text) {
                use chrono::{Datelike as _, Timelike as _};
                let is_ours = stamp.nanosecond() < 1_000_000_000 && stamp.year() != 0;
                let slow = is_ours.then(|| Stamp {
                    local_us: stamp.naive_local().and_utc().timestamp_micros(),
                    offset_s: Some(stamp.offset().local_minus_utc()),
                });
                prop_assert_eq!(fast, slow);
            } else if let Some(stamp) = fast {
                prop_assert_eq!(stamp.offset_s, None);
            }
        }

        #[test]
        fn days_are_those_of_chrono(year in 1_u32..10_000, month in 0_u32..14, day in 0_u32..33) {
            let chrono = chrono::NaiveDate::from_ymd_opt(year as i32, month, day);
            prop_assert_eq!(days(year, month, day), chrono.map(|date| date.to_epoch_days()));
        }
    }
}
