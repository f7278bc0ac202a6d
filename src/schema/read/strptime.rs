//! Timestamps in a layout of the job's own, described with chrono's letters.
//!
//! chrono reads any layout, but takes as long for one timestamp as simd-json for a whole line. So a layout
//! that is made of the usual letters is compiled into steps that read it by position. Like the RFC 3339
//! reader, the steps accept a timestamp only if each byte is where they expect it, chrono has the last word,
//! and a property test compares the two.

use std::fmt::{self, Write as _};

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems};
use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveTime};

use super::super::Year;
use super::stamp::{Flaw, Stamp};
use super::steps::Steps;
use crate::reject::code;

/// A layout, ready for reading.
#[derive(Clone)]
pub struct Strptime {
    letters: String,
    items: Vec<Item<'static>>,
    steps: Option<Steps>,
    names_year: bool,
    names_time: bool,
}

impl Strptime {
    /// The layout that `letters` describe, or what is wrong with them.
    pub fn new(letters: &str) -> Result<Strptime, String> {
        let items = StrftimeItems::new(letters)
            .parse_to_owned()
            .map_err(|_| format!("{letters:?} has a letter that chrono does not know"))?;
        for item in &items {
            match item {
                // chrono skips the name of a zone and so would accept any zone as the right one.
                Item::Fixed(Fixed::TimezoneName) => {
                    return Err(format!(
                        "{letters:?} has %Z: the name of a zone does not tell its offset; write the name \
                         as it stands in the timestamps, and set timezone"
                    ));
                }
                // chrono reads `,789` as 789 nanoseconds.
                Item::Numeric(Numeric::Nanosecond, _) => {
                    return Err(format!(
                        "{letters:?} has %f, which counts nanoseconds; write %.f for a point and any digits, or \
                         %3f, %6f, %9f for that number of digits"
                    ));
                }
                _ => {}
            }
        }
        let names = |wanted: fn(&Item<'_>) -> bool| items.iter().any(wanted);
        let names_year = names(|item| {
            use Numeric::{IsoYear, IsoYearMod100, Timestamp, Year, YearMod100};
            matches!(
                item,
                Item::Numeric(Year | YearMod100 | IsoYear | IsoYearMod100 | Timestamp, _)
                    | Item::Fixed(Fixed::RFC2822 | Fixed::RFC3339)
            )
        });
        let names_time = names(|item| {
            use Numeric::{Hour, Hour12, Minute, Second, Timestamp};
            matches!(
                item,
                Item::Numeric(Hour | Hour12 | Minute | Second | Timestamp, _)
                    | Item::Fixed(Fixed::RFC2822 | Fixed::RFC3339)
            )
        });
        let steps = Steps::new(&items);
        let layout = Strptime { letters: letters.to_owned(), items, steps, names_year, names_time };
        // A layout that cannot read what it writes is not specific enough.
        let sample = DateTime::from_timestamp(1_000_000_000, 0).expect("in range");
        let mut written = String::new();
        // chrono reads `%#z` and cannot write it; what it reads, `%z` writes.
        if write!(written, "{}", sample.format_with_items(layout.items.iter())).is_err() {
            written.clear();
            let items =
                StrftimeItems::new(&letters.replace("%#z", "%z")).parse_to_owned().unwrap_or_default();
            if write!(written, "{}", sample.format_with_items(items.iter())).is_err() {
                return Err(format!("{letters:?} has letters that cannot be written, only read"));
            }
        }
        match layout.read_slowly(&written, Some(Year::Fixed(sample.year()))) {
            Some(_) => Ok(layout),
            None => Err(format!("{letters:?} does not say enough to tell a day, or a time of that day")),
        }
    }

    /// The letters that describe it.
    pub fn letters(&self) -> &str {
        &self.letters
    }

    /// Whether timestamps in this layout include their year.
    pub fn names_year(&self) -> bool {
        self.names_year
    }

    /// Reads a timestamp; `year` is the year of one that names none.
    #[inline(never)]
    pub(super) fn read(&self, text: &str, year: Option<Year>) -> Result<Stamp, Flaw> {
        let fast = self.steps.as_ref().and_then(|steps| steps.read(text.as_bytes(), year));
        fast.or_else(|| self.read_slowly(text, year))
            .ok_or((code::DATETIME_PARSING, "text that is not a timestamp in the layout of the field"))
    }

    #[cold]
    fn read_slowly(&self, text: &str, year: Option<Year>) -> Option<Stamp> {
        let mut parsed = Parsed::new();
        chrono::format::parse(&mut parsed, text, self.items.iter()).ok()?;
        // A leap second does not exist on the clocks that databases have.
        if parsed.second() == Some(60) {
            return None;
        }
        let offset_s = parsed.offset();
        // chrono parses +8200 too; no clock is a day ahead.
        if offset_s.is_some_and(|offset_s| FixedOffset::east_opt(offset_s).is_none()) {
            return None;
        }
        if parsed.timestamp().is_some() {
            let offset_s = offset_s.unwrap_or(0);
            let local = parsed.to_naive_datetime_with_offset(offset_s).ok()?;
            return Some(Stamp { local_us: local.and_utc().timestamp_micros(), offset_s: Some(offset_s) });
        }
        let date = if self.names_year {
            parsed.to_naive_date().ok()?
        } else {
            let day = year?.settle(|year| {
                let mut parsed = parsed.clone();
                parsed.set_year(i64::from(year)).ok()?;
                Some(parsed.to_naive_date().ok()?.to_epoch_days())
            });
            day.and_then(NaiveDate::from_epoch_days)?
        };
        let time = if self.names_time { parsed.to_naive_time().ok()? } else { NaiveTime::MIN };
        Some(Stamp { local_us: date.and_time(time).and_utc().timestamp_micros(), offset_s })
    }
}

impl fmt::Debug for Strptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Strptime").field(&self.letters).finish()
    }
}

impl fmt::Display for Strptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.letters)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The result of the layout, in the form that chrono shows.
    fn read(letters: &str, text: &str, year: Option<Year>) -> Option<String> {
        let layout = Strptime::new(letters).expect("a layout");
        let stamp = layout.read(text, year).ok()?;
        let local = DateTime::from_timestamp_micros(stamp.local_us)?.naive_utc();
        Some(match stamp.offset_s {
            Some(offset_s) => format!("{local} {offset_s:+}"),
            None => local.to_string(),
        })
    }

    #[test]
    fn layouts_of_logs() {
        for (letters, text, expected) in [
            ("%d/%b/%Y:%H:%M:%S %z", "27/Oct/2023:12:34:56 +0200", "2023-10-27 12:34:56 +7200"),
            ("%Y-%m-%d %H:%M:%S,%3f", "2023-10-27 12:34:56,789", "2023-10-27 12:34:56.789"),
            ("%Y/%m/%d %H:%M:%S", "2023/10/27 12:34:56", "2023-10-27 12:34:56"),
            ("%a %b %d %H:%M:%S%.f %Y", "Fri Oct 27 12:34:56.7891234 2023", "2023-10-27 12:34:56.789123"),
            ("%Y-%m-%d", "2023-10-27", "2023-10-27 00:00:00"),
            ("%s", "1698410096", "2023-10-27 12:34:56 +0"),
            ("%y%m%d %H%M%S", "231027 123456", "2023-10-27 12:34:56"),
            ("%d.%m.%Y %I:%M:%S %p", "27.10.2023 01:02:03 PM", "2023-10-27 13:02:03"),
            // An offset that may lack its minutes, which chrono reads and cannot write.
            ("%Y-%m-%d %H:%M:%S %#z", "2023-10-27 12:34:56 +02", "2023-10-27 12:34:56 +7200"),
        ] {
            assert_eq!(read(letters, text, None).as_deref(), Some(expected), "{letters}");
        }
        for (letters, text) in [
            ("%Y-%m-%d %H:%M:%S", "2023-10-27 12:34:60"),
            ("%Y-%m-%d %H:%M:%S", "2023-10-27 12:34:56 x"),
            ("%a %Y-%m-%d %H:%M:%S", "Mon 2023-10-27 12:34:56"),
            ("%b %e %H:%M:%S", "Oct 27 12:34:56"),
            ("%d/%b/%Y:%H:%M:%S %z", "27/Oct/2023:12:34:56 +8200"),
            ("%d/%b/%Y:%H:%M:%S %z", "27/Oct/2023:12:34:56 -2400"),
        ] {
            assert_eq!(read(letters, text, None), None, "{letters}");
        }
    }

    #[test]
    fn a_year_is_given_or_that_of_the_data_date() {
        let of_date = |text: &str| Some(Year::OfDate(text.parse().expect("a date")));
        for (text, year, expected) in [
            ("Oct  7 12:34:56", Some(Year::Fixed(2021)), "2021-10-07 12:34:56"),
            ("Dec 31 23:59:59", of_date("2024-01-01"), "2023-12-31 23:59:59"),
            ("Jan  1 00:00:00", of_date("2023-12-31"), "2023-01-01 00:00:00"),
            ("Jul  1 00:00:00", of_date("2023-07-02"), "2023-07-01 00:00:00"),
            // The 180th day after it is still after it.
            ("Jun 29 00:00:00", of_date("2023-12-31"), "2023-06-29 00:00:00"),
            ("Jul  1 23:59:59", of_date("2023-01-02"), "2023-07-01 23:59:59"),
            ("Jul  2 00:00:00", of_date("2023-01-02"), "2022-07-02 00:00:00"),
            ("Feb 29 00:00:00", of_date("2024-03-01"), "2024-02-29 00:00:00"),
        ] {
            assert_eq!(read("%b %e %H:%M:%S", text, year).as_deref(), Some(expected), "{text}");
            // The same when chrono reads it.
            assert_eq!(read("%b  %e %k:%M:%S", text, year).as_deref(), Some(expected), "{text}");
        }
        for year in [Some(Year::Fixed(2023)), of_date("2023-03-01"), of_date("2025-01-01")] {
            assert_eq!(read("%b %e %H:%M:%S", "Feb 29 00:00:00", year), None);
        }
    }

    #[test]
    fn a_layout_that_would_mislead_is_refused() {
        for (letters, reason) in [
            ("%Q", "does not know"),
            ("%Y-%m-%d %H:%M:%S %Z", "%Z"),
            ("%Y-%m-%d %H:%M:%S,%f", "%.f"),
            ("%Y", "does not say enough"),
            ("%H:%M", "does not say enough"),
            ("%Y-%m-%d %H", "does not say enough"),
            ("", "does not say enough"),
        ] {
            let error = Strptime::new(letters).expect_err(letters);
            assert!(error.contains(reason), "{error}");
        }
        assert!(!Strptime::new("%b %e %H:%M:%S").expect("a layout").names_year());
        assert!(Strptime::new("%+").expect("a layout").names_year());
    }

    const LAYOUTS: [&str; 8] = [
        "%d/%b/%Y:%H:%M:%S %z",
        "%b %e %H:%M:%S",
        "%a %b %e %H:%M:%S%.f %Y",
        "%Y-%m-%d %H:%M:%S%.f%:z",
        "%Y%m%d%H%M%S",
        "%Y-%m-%d %H:%M:%S,%3f",
        "%b %d %H:%M:%S.%9f",
        "[%e %b %Y] %H.%M.%S",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_steps_read_what_chrono_reads(
            layout in prop::sample::select(&LAYOUTS[..]),
            micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000,
            offset_s in (-1439_i32..1440).prop_map(|minutes| minutes * 60),
            at in any::<prop::sample::Index>(),
            byte in prop::option::weighted(0.3, "[0-9: +.a-z-]"),
        ) {
            let layout = Strptime::new(layout).expect("a layout");
            let offset = chrono::FixedOffset::east_opt(offset_s).expect("less than a day");
            let stamp = DateTime::from_timestamp_micros(micros).expect("in range").with_timezone(&offset);
            let mut text = stamp.format_with_items(layout.items.iter()).to_string();
            if let Some(byte) = &byte {
                let at = at.index(text.len());
                text.replace_range(at..=at, byte);
            }
            let year = Some(Year::Fixed(stamp.year()));
            let steps = layout.steps.as_ref().expect("a usual layout");
            let (fast, slow) = (steps.read(text.as_bytes(), year), layout.read_slowly(&text, year));
            if byte.is_none() && (1..=9999).contains(&stamp.year()) {
                prop_assert!(fast.is_some(), "the steps do not read {}", text);
            }
            prop_assert!(fast.is_none() || fast == slow, "{}: {:?} and {:?}", text, fast, slow);
        }
    }
}
