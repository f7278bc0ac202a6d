//! Timestamps in syslog's form: `Oct  7 12:34:56`, since 1980.
//!
//! RFC 3164 describes what was in use, and practice has more variants: a day without its blank, a fraction of
//! a second, a year before the time or after it. A timestamp with a year needs none from outside. The ISO
//! forms of RFC 5424 and of rsyslog are read elsewhere.

use super::super::Year;
use super::rfc3339::days;
use super::stamp::{DAY_US, Stamp};
use super::steps;

/// Reads such a timestamp; `given` is the year of one that names none.
pub(super) fn read(text: &[u8], given: Option<Year>) -> Option<Stamp> {
    let (name, rest) = text.split_first_chunk::<3>()?;
    let month = steps::month(name)?;
    let rest = rest.strip_prefix(b" ")?;
    let (day, rest) = digits(rest.strip_prefix(b" ").unwrap_or(rest), 1, 2)?;
    let mut rest = rest.strip_prefix(b" ")?;
    let mut year = None;
    if let Some((before, behind)) = digits(rest, 4, 4) {
        (year, rest) = (Some(before), behind.strip_prefix(b" ")?);
    }
    let (hour, rest) = digits(rest, 2, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(b":")?, 2, 2)?;
    let (second, mut rest) = digits(rest.strip_prefix(b":")?, 2, 2)?;
    let mut micros = 0;
    if let [b'.' | b',', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Anything finer than a microsecond is cut off.
        let kept = length.min(6);
        micros =
            digits(fraction, kept, kept).filter(|_| kept > 0)?.0 * 10_u32.pow(6 - u32::try_from(kept).ok()?);
        rest = &fraction[length..];
    }
    if let (None, [b' ', behind @ ..]) = (year, rest) {
        let (number, after) = digits(behind, 4, 4)?;
        (year, rest) = (Some(number), after);
    }
    if !rest.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day_of = |year: i32| days(u32::try_from(year).ok()?, month, day);
    let day = match year {
        Some(year) => day_of(i32::try_from(year).ok()?)?,
        None => given?.settle(day_of)?,
    };
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let local_us = i64::from(day) * DAY_US + seconds * 1_000_000 + i64::from(micros);
    Some(Stamp { local_us, offset_s: None })
}

/// The number in the leading digits of `text`, of which there are `least` to `most`, and what follows them.
fn digits(text: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let length = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let number = text[..length].iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    (length >= least).then_some((number, &text[length..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::probe::{check, given};
    use super::super::super::{Clock, Field, Kind, StampFormat, Strptime, Timestamp};
    use super::*;

    fn field(year: Option<Year>) -> Field {
        let clock = Clock::of_place("Europe/Berlin").expect("a place");
        Field::new(
            "f",
            Kind::Timestamp(Timestamp { format: StampFormat::Syslog, year, clock, ..Timestamp::default() }),
        )
    }

    #[test]
    fn stamps_of_syslog() {
        check(
            &field(Some(Year::Fixed(2023))),
            &[
                (r#""Oct  7 12:34:56""#, r#""2023-10-07T10:34:56.000000Z""#),
                (r#""Dec 27 12:34:56""#, r#""2023-12-27T11:34:56.000000Z""#),
                (r#""Oct 7 12:34:56""#, r#""2023-10-07T10:34:56.000000Z""#),
                (r#""Oct 27 12:34:56.7891234""#, r#""2023-10-27T10:34:56.789123Z""#),
                (r#""Oct 27 12:34:56,5""#, r#""2023-10-27T10:34:56.500000Z""#),
                (r#""Oct  7 2021 12:34:56""#, r#""2021-10-07T10:34:56.000000Z""#),
                (r#""Oct  7 12:34:56 2021""#, r#""2021-10-07T10:34:56.000000Z""#),
                // RFC 5424, rsyslog and systemd.
                (r#""2021-10-07T12:34:56.789+03:00""#, r#""2021-10-07T09:34:56.789000Z""#),
                (r#""2021-10-07T12:34:56+0300""#, r#""2021-10-07T09:34:56.000000Z""#),
                (r#""Feb 29 12:34:56""#, "datetime_from_date_parsing"),
                (r#""Oct  7 12:34:60""#, "datetime_from_date_parsing"),
                (r#""Oct  7 24:00:00""#, "datetime_from_date_parsing"),
                (r#""Oct  7 12:34:56.""#, "datetime_from_date_parsing"),
                (r#""Oct  7 12:34:56 x""#, "datetime_from_date_parsing"),
                (r#""Oct  7 2021 12:34:56 2021""#, "datetime_from_date_parsing"),
                (r#""Okt  7 12:34:56""#, "datetime_from_date_parsing"),
                (r#""Oct 123 12:34:56""#, "datetime_from_date_parsing"),
                ("1696682096", "datetime_type"),
            ],
        );
        assert_eq!(given(&field(None), r#""Oct  7 12:34:56""#), "datetime_from_date_parsing");
    }

    proptest! {
        #[test]
        fn they_are_those_of_chrono(text in "(Jan|Feb|Jun|Dec) [ 0-3][0-9] [0-2][0-9]:[0-6][0-9]:[0-6][0-9]") {
            let year = Some(Year::Fixed(2023));
            let letters = Strptime::new("%b %e %H:%M:%S").expect("a layout");
            prop_assert_eq!(read(text.as_bytes(), year), letters.read(&text, year).ok());
        }
    }
}
