//! Calendar days.
//!
//! As in Pydantic: `YYYY-MM-DD`, an epoch number in text that is a midnight, and in lax mode anything that is
//! a timestamp at midnight, in whatever zone.

use super::stamp::{DAY_US, Flaw, Stamp};
use super::timestamp::{self, as_days};
use super::{At, Context, rfc3339};
use crate::format::Raw;
use crate::reject::code;

pub(super) fn read<'a>(strict: bool, at: At<'a, '_>, context: &mut Context<'a, '_>) -> Option<i32> {
    let days = match at.item.raw() {
        Raw::Text(text) => match text.as_bytes().as_array().and_then(rfc3339::read_date) {
            Some(days) => Ok(days),
            None => of_text(text.as_bytes(), strict),
        },
        Raw::Int(number) if !strict => of_stamp(timestamp::of_int(number).ok()),
        Raw::Float(number) if !strict => of_stamp(timestamp::of_float(number).ok()),
        _ => Err((code::DATE_TYPE, "not a date")),
    };
    match days {
        Ok(days) if days >= YEAR_1 => Some(days),
        Ok(_) => context.refuse(at, code::DATE_PARSING, format_args!("a date before the year 1")),
        Err((code, message)) => context.refuse(at, code, format_args!("{message}")),
    }
}

/// The first day of the year 1. speedate knows a year 0, Python does not.
const YEAR_1: i32 = -719_162;

fn of_text(text: &[u8], strict: bool) -> Result<i32, Flaw> {
    match timestamp::parse_date(text) {
        Some(days) => Ok(days),
        None if strict => Err((code::DATE_PARSING, "text that is not a date")),
        None => of_stamp(timestamp::parse(text)),
    }
}

/// The day of a timestamp at midnight.
fn of_stamp(stamp: Option<Stamp>) -> Result<i32, Flaw> {
    let Some(stamp) = stamp else {
        return Err((code::DATE_FROM_DATETIME_PARSING, "neither a date nor a timestamp"));
    };
    if stamp.local_us % DAY_US != 0 {
        return Err((code::DATE_FROM_DATETIME_INEXACT, "a timestamp that is not at midnight, not a date"));
    }
    Ok(as_days(stamp.local_us / DAY_US))
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::check;
    use super::super::super::{Field, Kind};

    #[test]
    fn days_and_whatever_is_a_midnight() {
        check(
            &Field::new("f", Kind::Date),
            &[
                (r#""2024-02-29""#, r#""2024-02-29""#),
                (r#""0001-01-01""#, r#""0001-01-01""#),
                (r#""1698364800""#, r#""2023-10-27""#),
                (r#""2023-10-27T00:00:00+02:00""#, r#""2023-10-27""#),
                ("1698364800", r#""2023-10-27""#),
                ("-86400000.0", r#""1967-04-07""#),
                ("1698364801", "date_from_datetime_inexact"),
                (r#""2023-10-27T00:00:01""#, "date_from_datetime_inexact"),
                (r#""2023-02-29""#, "date_from_datetime_parsing"),
                (r#""20231027""#, "date_from_datetime_inexact"),
                (r#"" 2023-10-27""#, "date_from_datetime_parsing"),
                (r#""x""#, "date_from_datetime_parsing"),
                ("1e300", "date_from_datetime_parsing"),
                ("NaN", "date_from_datetime_parsing"),
                (r#""0000-01-01""#, "date_parsing"),
                (r#""0000-01-01T00:00:00""#, "date_parsing"),
                ("123456789012345678901234567890", "date_type"),
                ("null", "date_type"),
            ],
        );
        check(
            &Field { strict: true, ..Field::new("f", Kind::Date) },
            &[
                (r#""2024-02-29""#, r#""2024-02-29""#),
                (r#""1698364800""#, r#""2023-10-27""#),
                (r#""2023-10-27T00:00:00""#, "date_parsing"),
                ("1698364800", "date_type"),
            ],
        );
    }
}
