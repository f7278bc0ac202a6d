//! Times of day.
//!
//! As in Pydantic: `HH:MM` with or without seconds, and in lax mode a number of seconds since midnight. A
//! column for times of day has no zone: an offset of zero is dropped, any other would be lost and is refused.

use speedate::{MicrosecondsPrecisionOverflowBehavior, Time, TimeConfig};

use super::{At, Context};
use crate::format::Raw;
use crate::reject::code;

pub(super) fn read<'a>(strict: bool, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<i64> {
    let config = TimeConfig {
        microseconds_precision_overflow_behavior: MicrosecondsPrecisionOverflowBehavior::Truncate,
        unix_timestamp_offset: Some(0),
    };
    let time = match at.item.raw() {
        Raw::Text(text) => Time::parse_bytes_with_config(text.as_bytes(), &config).ok(),
        Raw::Int(seconds) if !strict => of_seconds(seconds, 0, &config),
        Raw::Float(seconds) if !strict && !seconds.is_nan() => {
            // Rounded to the nearest microsecond, because the double was rounded too.
            let micros = (seconds.fract().abs() * 1_000_000.0).round() as u32;
            of_seconds(seconds.floor() as i64, micros, &config)
        }
        Raw::Float(_) | Raw::UInt(_) | Raw::BigInt(_) if !strict => None,
        _ => return context.refuse(at, code::TIME_TYPE, format_args!("not a time of day")),
    };
    let Some(time) = time else {
        return context.refuse(at, code::TIME_PARSING, format_args!("not a time of day that exists"));
    };
    if time.tz_offset.unwrap_or(0) != 0 {
        let message = format_args!("a time of day with a zone, which a column for times cannot hold");
        return context.refuse(at, code::NOT_STORABLE, message);
    }
    Some(i64::from(time.total_seconds()) * 1_000_000 + i64::from(time.microsecond))
}

fn of_seconds(seconds: i64, micros: u32, config: &TimeConfig) -> Option<Time> {
    Time::from_timestamp_with_config(u32::try_from(seconds).ok()?, micros, config).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::check;
    use super::super::super::{Field, Kind};

    #[test]
    fn times_and_seconds_since_midnight() {
        check(
            &Field::new("f", Kind::Time),
            &[
                (r#""12:34""#, r#""12:34:00.000000""#),
                (r#""12:34:56.7891234""#, r#""12:34:56.789123""#),
                (r#""12:34:56Z""#, r#""12:34:56.000000""#),
                ("12", r#""00:00:12.000000""#),
                ("86399.5", r#""23:59:59.500000""#),
                ("0.0000005", r#""00:00:00.000001""#),
                ("86400", "time_parsing"),
                ("-1", "time_parsing"),
                ("-0.5", "time_parsing"),
                ("NaN", "time_parsing"),
                ("99999999999999999999", "time_parsing"),
                (r#""24:00""#, "time_parsing"),
                (r#""12:34:60""#, "time_parsing"),
                (r#""12""#, "time_parsing"),
                (r#""12:34+02:00""#, "not_storable"),
                ("true", "time_type"),
            ],
        );
        let strict = Field { strict: true, ..Field::new("f", Kind::Time) };
        check(&strict, &[(r#""12:34""#, r#""12:34:00.000000""#), ("12", "time_type")]);
    }
}
