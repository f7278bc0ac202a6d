//! Epoch numbers whose unit the job specifies.
//!
//! They are exact: digits are shifted, never multiplied as doubles. So `1698410096.789` is exactly that
//! millisecond, and anything finer than a microsecond is cut off, towards the past on both sides of 1970.

use super::stamp::{BEYOND, Flaw, Stamp};
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
        Raw::BigInt(digits) => decimal::shift(digits, shift, context).ok_or(NOT_A_NUMBER)?,
        // As it is written: a double has no more than sixteen digits.
        Raw::Float(number) if number.is_finite() => {
            let text = std::str::from_utf8(item.json(context.arena)).map_err(|_| NOT_A_NUMBER)?;
            decimal::shift(text, shift, context).ok_or(NOT_A_NUMBER)?
        }
        Raw::Text(text) if !strict || item.is_text() => {
            decimal::shift(text, shift, context).ok_or(NOT_A_NUMBER)?
        }
        Raw::Float(_) => return Err(NOT_A_NUMBER),
        _ => return Err((code::DATETIME_TYPE, "not an epoch number")),
    };
    // Whether it is within the valid years is checked once it has its zone.
    let local_us = i64::try_from(micros).map_err(|_| BEYOND)?;
    Ok(Stamp { local_us, offset_s: Some(0) })
}

const NOT_A_NUMBER: Flaw = (code::DATETIME_PARSING, "text that is not an epoch number");

fn shifted(number: i128, shift: i32) -> i128 {
    let unit = 10_i128.pow(shift.unsigned_abs());
    if shift >= 0 { number * unit } else { number.div_euclid(unit) }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::super::super::probe::{given, quoted};
    use super::super::super::{Field, Kind, StampFormat, Timestamp};

    /// The microseconds of a number of units, rounded down: `digits / 10^places * 10^shift`.
    fn micros(digits: &str, places: usize, shift: i32) -> BigInt {
        let number: BigInt = digits.parse().expect("digits");
        let ten = |power: u32| BigInt::from(10).pow(power);
        let power = shift - i32::try_from(places).expect("few");
        let (number, unit) = match power >= 0 {
            true => (number * ten(power.unsigned_abs()), BigInt::from(1)),
            false => (number, ten(power.unsigned_abs())),
        };
        let down = &number / &unit;
        if &down * &unit > number { down - 1 } else { down }
    }

    #[test]
    fn nanoseconds_reach_beyond_64_bits() {
        let rules = Timestamp { format: StampFormat::EpochNs, ..Timestamp::default() };
        let field = Field::new("f", Kind::Timestamp(rules));
        for (number, expected) in [
            ("-9230000000000000000", "\"1677-07-06T07:06:40.000000Z\""),
            ("20000000000000000000", "\"2603-10-11T11:33:20.000000Z\""),
            ("999999999999999999999", "datetime_parsing"),
        ] {
            assert_eq!(given(&field, number), expected);
            assert_eq!(given(&field, &quoted(number)), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn epoch_numbers_are_those_of_exact_arithmetic(
            whole in "-?[1-9][0-9]{0,18}",
            fraction in "[0-9]{0,12}",
            unit in 0_usize..4,
            as_text in any::<bool>(),
        ) {
            let (format, shift) = [
                (StampFormat::EpochS, 6), (StampFormat::EpochMs, 3), (StampFormat::EpochUs, 0), (StampFormat::EpochNs, -3),
            ][unit].clone();
            let field = Field::new("f", Kind::Timestamp(Timestamp { format, ..Timestamp::default() }));
            let text = if fraction.is_empty() { whole.clone() } else { format!("{whole}.{fraction}") };
            let found = given(&field, &if as_text { quoted(&text) } else { text });
            let exact = micros(&format!("{whole}{fraction}"), fraction.len(), shift);
            let years = BigInt::from(-62_135_596_800_000_000_i64)..=BigInt::from(253_402_300_799_999_999_i64);
            let expected = match years.contains(&exact) {
                true => {
                    let micros = i64::try_from(exact).expect("within the years");
                    let stamp = chrono::DateTime::from_timestamp_micros(micros).expect("within the years");
                    stamp.format("\"%Y-%m-%dT%H:%M:%S%.6fZ\"").to_string()
                }
                false => "datetime_parsing".to_owned(),
            };
            prop_assert_eq!(found, expected);
        }
    }
}
