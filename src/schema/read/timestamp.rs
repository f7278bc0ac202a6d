//! Points in time.
//!
//! By default every form that Pydantic accepts is accepted: the ISO forms, with or without a zone, a date
//! alone, and epoch numbers, which are seconds up to 2e10 and milliseconds beyond. speedate, Pydantic's own
//! reader, has the last word; before it comes a reader by position for the most common layouts.
//!
//! The result is microseconds in UTC, or without a zone if the field says so. Digits after the sixth of a
//! second are always cut off.

use std::ops::RangeInclusive;

use speedate::{
    Date, DateConfig, DateTime, DateTimeConfig, MicrosecondsPrecisionOverflowBehavior, TimeConfig,
    TimestampUnit,
};

use super::super::{StampFormat, Timestamp, Year, Zone};
use super::stamp::{BEYOND, DAY_US, Flaw, Stamp};
use super::{At, Context, epoch, rfc3339, syslog};
use crate::format::Raw;
use crate::reject::code;

#[inline]
pub(super) fn read<'a>(
    rules: &'a Timestamp,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<i64> {
    let stamp = match (&rules.format, at.item.raw()) {
        (StampFormat::Any | StampFormat::Rfc3339, Raw::Text(text)) => match rfc3339::read(text.as_bytes()) {
            Some(stamp) if matches!(rules.format, StampFormat::Any) || stamp.offset_s.is_some() => Ok(stamp),
            _ => read_slowly(rules, text, strict),
        },
        (StampFormat::Any, Raw::Int(number)) if !strict => of_int(number),
        (StampFormat::Any, Raw::Float(number)) if !strict => of_float(number),
        (StampFormat::Strptime(layout), Raw::Text(text)) => layout.read(text, rules.year),
        (StampFormat::Syslog, Raw::Text(text)) => of_syslog(text, rules.year, strict),
        (StampFormat::EpochS, _) => epoch::read(at.item, 6, strict, context),
        (StampFormat::EpochMs, _) => epoch::read(at.item, 3, strict, context),
        (StampFormat::EpochUs, _) => epoch::read(at.item, 0, strict, context),
        (StampFormat::EpochNs, _) => epoch::read(at.item, -3, strict, context),
        _ => Err((code::DATETIME_TYPE, "not a timestamp")),
    };
    match stamp.and_then(|stamp| settle(stamp, rules, &mut context.altered.unsure_stamps)) {
        Ok(micros) => Some(micros),
        Err((code, message)) => context.refuse(at, code, format_args!("{message}")),
    }
}

/// The years 1 to 9999, in microseconds. speedate has a year 0 and chrono a year 10000, Python neither.
const YEARS_US: RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// The microseconds to store. `unsure` counts the times that the clock showed twice, or never.
#[inline]
fn settle(stamp: Stamp, rules: &Timestamp, unsure: &mut u64) -> Result<i64, Flaw> {
    let offset_s = match (rules.zone, stamp.offset_s) {
        (Zone::Required, None) => return Err((code::TIMEZONE_AWARE, "a timestamp without a zone")),
        (Zone::Naive, Some(_)) if is_epoch(&rules.format) => 0,
        (Zone::Naive, Some(_)) => return Err((code::TIMEZONE_NAIVE, "a timestamp with a zone")),
        (Zone::Naive, None) => 0,
        (Zone::Any | Zone::Required, Some(offset_s)) => offset_s,
        (Zone::Any, None) => {
            let (ahead_s, is_sure) = rules.clock.ahead_at(stamp.local_us);
            *unsure += u64::from(!is_sure);
            ahead_s
        }
    };
    if !YEARS_US.contains(&stamp.local_us) {
        return Err(BEYOND);
    }
    Ok(stamp.local_us - i64::from(offset_s) * 1_000_000)
}

/// Whether it is an epoch number, which names no zone: if none is wanted, it is taken as it is.
fn is_epoch(format: &StampFormat) -> bool {
    matches!(format, StampFormat::EpochS | StampFormat::EpochMs | StampFormat::EpochUs | StampFormat::EpochNs)
}

#[cold]
fn read_slowly(rules: &Timestamp, text: &str, strict: bool) -> Result<Stamp, Flaw> {
    match rules.format {
        StampFormat::Rfc3339 => of_rfc3339(text),
        _ => of_text(text.as_bytes(), strict),
    }
}

#[inline(never)]
fn of_syslog(text: &str, year: Option<Year>, strict: bool) -> Result<Stamp, Flaw> {
    let stamp = rfc3339::read(text.as_bytes()).or_else(|| syslog::read(text.as_bytes(), year));
    stamp.map_or_else(|| of_text(text.as_bytes(), strict), Ok)
}

/// Every form that Pydantic accepts.
fn of_text(text: &[u8], strict: bool) -> Result<Stamp, Flaw> {
    match DateTime::parse_bytes_with_config(text, &config()) {
        Ok(stamp) => Ok(convert(stamp)),
        Err(_) if strict => Err((code::DATETIME_PARSING, "text that is not a timestamp")),
        Err(_) => match parse_date(text) {
            Some(days) => Ok(Stamp { local_us: i64::from(days) * DAY_US, offset_s: None }),
            None => Err((code::DATETIME_FROM_DATE_PARSING, "text that is neither a timestamp nor a date")),
        },
    }
}

fn of_rfc3339(text: &str) -> Result<Stamp, Flaw> {
    use chrono::{Datelike as _, Timelike as _};
    // chrono accepts U+2212 as a minus, but RFC 3339 is ASCII; and it keeps a leap second as a second with
    // more nanoseconds.
    let is_fit = |stamp: &chrono::DateTime<_>| {
        text.is_ascii() && stamp.nanosecond() < 1_000_000_000 && (1..=9999).contains(&stamp.year())
    };
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(stamp) if is_fit(&stamp) => Ok(Stamp {
            local_us: stamp.naive_local().and_utc().timestamp_micros(),
            offset_s: Some(stamp.offset().local_minus_utc()),
        }),
        _ => Err((code::DATETIME_PARSING, "text that is not a timestamp of RFC 3339")),
    }
}

/// Seconds or milliseconds since 1970, with Pydantic's distinction.
#[inline(never)]
pub(super) fn of_int(number: i64) -> Result<Stamp, Flaw> {
    DateTime::from_timestamp_with_config(number, 0, &config()).map(convert).map_err(|_| BEYOND)
}

/// The same, with a fraction.
#[inline(never)]
pub(super) fn of_float(number: f64) -> Result<Stamp, Flaw> {
    if number.is_nan() {
        return Err((code::DATETIME_PARSING, "not a number, so not a timestamp"));
    }
    DateTime::from_float_with_config(number, &config()).map(convert).map_err(|_| BEYOND)
}

/// Pydantic's settings: digits after the sixth are cut off, epoch numbers are in UTC.
fn config() -> DateTimeConfig {
    DateTimeConfig {
        timestamp_unit: TimestampUnit::Infer,
        time_config: TimeConfig {
            microseconds_precision_overflow_behavior: MicrosecondsPrecisionOverflowBehavior::Truncate,
            unix_timestamp_offset: Some(0),
        },
    }
}

/// A date with a time, in any form except a date alone. For dates that are written this way.
pub(super) fn parse(text: &[u8]) -> Option<Stamp> {
    DateTime::parse_bytes_with_config(text, &config()).ok().map(convert)
}

/// What speedate accepts as a date, as days since 1970-01-01.
pub(super) fn parse_date(text: &[u8]) -> Option<i32> {
    let date = Date::parse_bytes_with_config(text, &DateConfig::default()).ok()?;
    Some(as_days(date.timestamp() / 86_400))
}

pub(super) fn as_days(days: i64) -> i32 {
    i32::try_from(days).expect("within the years 0 to 9999")
}

fn convert(stamp: DateTime) -> Stamp {
    let local_us = stamp.timestamp() * 1_000_000 + i64::from(stamp.time.microsecond);
    Stamp { local_us, offset_s: stamp.time.tz_offset }
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::check;
    use super::super::super::{Clock, Field, Kind, Strptime};
    use super::*;

    fn stamp(rules: Timestamp) -> Field {
        Field::new("f", Kind::Timestamp(rules))
    }

    #[test]
    fn every_form_that_pydantic_takes() {
        check(
            &stamp(Timestamp::default()),
            &[
                (r#""2023-10-27T12:34:56.7891234Z""#, r#""2023-10-27T12:34:56.789123Z""#),
                (r#""2023-10-27 12:34+0230""#, r#""2023-10-27T10:04:00.000000Z""#),
                (r#""2023-10-27_12:34:56,5""#, r#""2023-10-27T12:34:56.500000Z""#),
                (r#""2023-10-27""#, r#""2023-10-27T00:00:00.000000Z""#),
                (r#""2023-10-27T00:00:00+23:59""#, r#""2023-10-26T00:01:00.000000Z""#),
                ("1698410096", r#""2023-10-27T12:34:56.000000Z""#),
                ("1698410096789", r#""2023-10-27T12:34:56.789000Z""#),
                (r#""1698410096.5""#, r#""2023-10-27T12:34:56.500000Z""#),
                ("1698410096.5", r#""2023-10-27T12:34:56.500000Z""#),
                ("-1.5", r#""1969-12-31T23:59:58.500000Z""#),
                ("20000000000", r#""2603-10-11T11:33:20.000000Z""#),
                ("20000000001", r#""1970-08-20T11:33:20.001000Z""#),
                ("253402300800000", "datetime_parsing"),
                ("9223372036854775808", "datetime_type"),
                ("NaN", "datetime_parsing"),
                (r#""2023-10-27T23:59:60Z""#, "datetime_from_date_parsing"),
                (r#""2023-10-27T24:00:00Z""#, "datetime_from_date_parsing"),
                (r#""now""#, "datetime_from_date_parsing"),
                (r#""0000-01-01T00:00:00Z""#, "datetime_parsing"),
                (r#""0000-01-01""#, "datetime_parsing"),
                ("true", "datetime_type"),
                ("null", "datetime_type"),
            ],
        );
    }

    #[test]
    fn strict_mode_takes_text_only() {
        check(
            &Field { strict: true, ..stamp(Timestamp::default()) },
            &[
                ("1698410096", "datetime_type"),
                (r#""1698410096""#, r#""2023-10-27T12:34:56.000000Z""#),
                (r#""2023-10-27""#, "datetime_parsing"),
            ],
        );
    }

    #[test]
    fn a_zone_is_required_refused_or_supplied() {
        check(
            &stamp(Timestamp { zone: Zone::Required, ..Timestamp::default() }),
            &[
                (r#""2023-10-27T12:00:00""#, "timezone_aware"),
                (r#""0000-10-27T12:00:00""#, "timezone_aware"),
                ("0", r#""1970-01-01T00:00:00.000000Z""#),
            ],
        );
        check(
            &stamp(Timestamp { zone: Zone::Naive, ..Timestamp::default() }),
            &[
                (r#""2023-10-27T12:00:00""#, r#""2023-10-27T12:00:00.000000""#),
                (r#""2023-10-27T12:00:00Z""#, "timezone_naive"),
                ("0", "timezone_naive"),
            ],
        );
        check(
            &stamp(Timestamp { clock: Clock::ahead(7200), ..Timestamp::default() }),
            &[
                (r#""2023-10-27T12:00:00""#, r#""2023-10-27T10:00:00.000000Z""#),
                (r#""2023-10-27T12:00:00+00:00""#, r#""2023-10-27T12:00:00.000000Z""#),
            ],
        );
    }

    #[test]
    fn rfc_3339_and_nothing_else() {
        check(
            &stamp(Timestamp { format: StampFormat::Rfc3339, ..Timestamp::default() }),
            &[
                (r#""2023-10-27T12:34:56Z""#, r#""2023-10-27T12:34:56.000000Z""#),
                (r#""2023-10-27T12:34:56""#, "datetime_parsing"),
                (r#""2023-10-27T12:34Z""#, "datetime_parsing"),
                (r#""2023-10-27T23:59:60Z""#, "datetime_parsing"),
                (r#""2023-10-27T12:34:56+0200""#, "datetime_parsing"),
                ("\"2023-10-27T12:34:56\u{2212}02:00\"", "datetime_parsing"),
                (r#""2023-10-27T12:34:56-02:00""#, r#""2023-10-27T14:34:56.000000Z""#),
                (r#""0000-10-27T12:34:56Z""#, "datetime_parsing"),
                (r#""1698410096""#, "datetime_parsing"),
                ("1698410096", "datetime_type"),
            ],
        );
    }

    #[test]
    fn a_layout_reads_no_year_that_others_do_not() {
        let format = StampFormat::Strptime(Strptime::new("%Y-%m-%d").expect("a layout"));
        check(
            &stamp(Timestamp { format, ..Timestamp::default() }),
            &[
                (r#""9999-12-31""#, r#""9999-12-31T00:00:00.000000Z""#),
                (r#""+10000-01-01""#, "datetime_parsing"),
                (r#""0000-12-31""#, "datetime_parsing"),
                ("20231027", "datetime_type"),
            ],
        );
    }

    #[test]
    fn epoch_numbers_of_a_named_unit_are_exact() {
        let of = |format| stamp(Timestamp { format, ..Timestamp::default() });
        check(
            &of(StampFormat::EpochS),
            &[
                ("20000000001", r#""2603-10-11T11:33:21.000000Z""#),
                ("1698410096.1234569", r#""2023-10-27T12:34:56.123456Z""#),
                ("1.698410096e9", r#""2023-10-27T12:34:56.000000Z""#),
                (r#"" 1698410096.1234569 ""#, r#""2023-10-27T12:34:56.123456Z""#),
                (r#""-0.0000001""#, r#""1969-12-31T23:59:59.999999Z""#),
                ("253402300800", "datetime_parsing"),
                (r#""1e400000""#, "datetime_parsing"),
                (r#""x""#, "datetime_parsing"),
                ("NaN", "datetime_parsing"),
                ("123456789012345678901234567890", "datetime_parsing"),
                ("null", "datetime_type"),
                ("true", "datetime_type"),
            ],
        );
        check(&of(StampFormat::EpochMs), &[("1698410096789", r#""2023-10-27T12:34:56.789000Z""#)]);
        check(&of(StampFormat::EpochUs), &[("-1", r#""1969-12-31T23:59:59.999999Z""#)]);
        check(
            &of(StampFormat::EpochNs),
            &[
                ("1698410096789123456", r#""2023-10-27T12:34:56.789123Z""#),
                ("18446744073709551615", r#""2554-07-21T23:34:33.709551Z""#),
                ("-1", r#""1969-12-31T23:59:59.999999Z""#),
                (r#""1999""#, r#""1970-01-01T00:00:00.000001Z""#),
            ],
        );
        let strict = Field { strict: true, ..of(StampFormat::EpochS) };
        check(&strict, &[("0", r#""1970-01-01T00:00:00.000000Z""#), (r#""0""#, "datetime_type")]);
        let naive = Timestamp { format: StampFormat::EpochS, zone: Zone::Naive, ..Timestamp::default() };
        check(&stamp(naive), &[("0", r#""1970-01-01T00:00:00.000000""#)]);
    }
}
