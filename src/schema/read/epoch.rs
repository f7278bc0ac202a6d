//! Epoch numbers whose unit the job names.
//!
//! Exact: the digits are shifted, never multiplied as doubles. So `1698410096.789` is that
//! very millisecond, and what is finer than a microsecond is cut off, towards the past on
//! both sides of 1970.

use super::rfc3339::Stamp;
use super::timestamp::{BEYOND, Flaw};
use super::{Context, decimal};
use crate::format::{Item, Raw};
use crate::reject::code;

/// Reads a number of units since 1970, in UTC; a unit is `10^shift` microseconds.
#[inline(never)]
pub(super) fn read<'a>(
    item: Item<'a>,
    shift: i32,
    strict: bool,
    context: &Context<'a, '_>,
) -> Result<Stamp, Flaw> {
    let micros = match item.raw() {
        Raw::Int(number) => shifted(i128::from(number), shift),
        Raw::UInt(number) => shifted(i128::from(number), shift),
        Raw::BigInt(_) => return Err(BEYOND),
        // As it is written: a double has no more than sixteen digits.
        Raw::Float(number) if number.is_finite() => {
            let text = std::str::from_utf8(item.json()).map_err(|_| NOT_A_NUMBER)?;
            decimal::shift(text, shift, context).ok_or(NOT_A_NUMBER)?
        }
        Raw::Text(text) if !strict => decimal::shift(text, shift, context).ok_or(NOT_A_NUMBER)?,
        Raw::Float(_) => return Err(NOT_A_NUMBER),
        _ => return Err((code::DATETIME_TYPE, "not an epoch number")),
    };
    // Whether it is within the years is seen when it has its zone.
    let local_us = i64::try_from(micros).map_err(|_| BEYOND)?;
    Ok(Stamp { local_us, offset_s: Some(0) })
}

const NOT_A_NUMBER: Flaw = (code::DATETIME_PARSING, "text that is not an epoch number");

fn shifted(number: i128, shift: i32) -> i128 {
    let unit = 10_i128.pow(shift.unsigned_abs());
    if shift >= 0 { number * unit } else { number.div_euclid(unit) }
}
