//! Integers of any size: never through a double, unless the record contains one.
//!
//! In lax mode a text is read as Python writes integers: surrounding white space, a plus, leading zeros,
//! single underscores between digits, and a fraction of only zeros. Numbers beyond 64 bits stay digits;
//! whether a column can hold one is the encoder's business.

use std::cmp::Ordering;

use super::super::Bounds;
use super::number::{is_within, refuse_multiple};
use super::{At, Context, digits};
use crate::format::Raw;
use crate::reject::{Code, code};

/// Pydantic's limit, which is Python's, against texts that take quadratic time.
const DIGITS_MAX: usize = 4300;

#[inline]
pub(super) fn read<'a>(
    bounds: &Bounds<i128>,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<Integer<'a>> {
    let number = match at.item.raw() {
        Raw::Int(number) => Ok(Integer::Small(number)),
        Raw::UInt(number) => Ok(Integer::Big(context.write(format_args!("{number}")))),
        Raw::BigInt(digits) => Ok(Integer::Big(digits)),
        Raw::Bool(value) if !strict => Ok(Integer::Small(i64::from(value))),
        Raw::Float(number) if !strict => of_float(number),
        Raw::Text(text) if !strict || at.item.is_text() => match digits::integer(text.as_bytes()) {
            Some(number) => Ok(Integer::Small(number)),
            None => of_text(text, context),
        },
        _ => Err((code::INT_TYPE, "not an integer")),
    };
    match number {
        Ok(number) => is_allowed(number, bounds, at, context).then_some(number),
        Err((code, message)) => context.refuse(at, code, format_args!("{message}")),
    }
}

/// An integer, in the smallest form that holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Integer<'a> {
    /// One of 64 bits.
    Small(i64),
    /// Digits without leading zeros, perhaps with a minus; beyond 64 bits.
    Big(&'a str),
}

#[inline]
fn is_allowed(
    number: Integer<'_>,
    bounds: &Bounds<i128>,
    at: At<'_, '_>,
    context: &mut Context<'_, '_>,
) -> bool {
    if let Some(of) = bounds.multiple_of
        && !is_multiple(number, of)
    {
        return refuse_multiple::<()>(of, at, context).is_some();
    }
    match number {
        Integer::Small(number) => is_within(bounds, |bound| Some(i128::from(number).cmp(bound)), at, context),
        Integer::Big(digits) => is_within(bounds, |&bound| Some(compare(digits, bound)), at, context),
    }
}

/// How a number beyond 64 bits compares with a bound.
fn compare(digits: &str, bound: i128) -> Ordering {
    match digits.parse::<i128>() {
        Ok(number) => number.cmp(&bound),
        // Beyond 128 bits, the sign decides.
        Err(_) if digits.starts_with('-') => Ordering::Less,
        Err(_) => Ordering::Greater,
    }
}

fn is_multiple(number: Integer<'_>, of: i128) -> bool {
    let of = of.unsigned_abs();
    match number {
        Integer::Small(number) => u128::from(number.unsigned_abs()).checked_rem(of) == Some(0),
        Integer::Big(digits) => {
            // Long division, digit by digit. A divisor so great that the step overflows can only be written
            // in a JSON Schema; no number there was ever meant to be its multiple.
            let digits = digits.bytes().filter(u8::is_ascii_digit);
            let rest = digits
                .map(|digit| u128::from(digit - b'0'))
                .try_fold(0_u128, |rest, digit| rest.checked_mul(10)?.checked_add(digit)?.checked_rem(of));
            rest == Some(0)
        }
    }
}

/// A double that is an integer of 64 bits.
fn of_float(number: f64) -> Result<Integer<'static>, (Code, &'static str)> {
    if !number.is_finite() {
        Err((code::FINITE_NUMBER, "not a finite number"))
    } else if number.fract() != 0.0 {
        Err((code::INT_FROM_FLOAT, "a number with a fraction, not an integer"))
    } else if number.abs() < 2_f64.powi(63) {
        Ok(Integer::Small(number as i64))
    } else {
        Err((code::INT_PARSING_SIZE, "too great for a number with a point or an exponent to be exact"))
    }
}

/// A text as Python writes integers.
#[inline(never)]
fn of_text<'a>(text: &'a str, context: &Context<'a, '_>) -> Result<Integer<'a>, (Code, &'static str)> {
    if let Ok(number) = text.parse::<i64>() {
        // Rust accepts a subset of what Python accepts.
        return Ok(Integer::Small(number));
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits > DIGITS_MAX && !unsigned.starts_with('0') {
        return Err((code::INT_PARSING_SIZE, "more digits than any integer has (4300)"));
    }
    clean(text, context).ok_or((code::INT_PARSING, "text that is not an integer"))
}

/// The integer in a text, after removing everything that Python allows around it.
fn clean<'a>(text: &'a str, context: &Context<'a, '_>) -> Option<Integer<'a>> {
    let text = text.trim();
    let (is_negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = without_zero_fraction(without_leading_zeros(text)?);
    if digits.starts_with('_') || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if !is_number || count == 0 || count > DIGITS_MAX {
        return None;
    }
    let sign = if is_negative { "-" } else { "" };
    let kept = sign.chars().chain(digits.chars().filter(|&ch| ch != '_'));
    let digits = bumpalo::collections::String::from_iter_in(kept, context.arena).into_bump_str();
    Some(digits.parse().map_or(Integer::Big(digits), Integer::Small))
}

/// The number without its leading zeros (and the underscores between them); for zero, a single zero.
fn without_leading_zeros(text: &str) -> Option<&str> {
    if !text.starts_with('0') {
        return Some(text);
    }
    match text.find(|ch| ch != '0' && ch != '_') {
        Some(end) if text.as_bytes()[end].is_ascii_digit() => Some(&text[end..]),
        // The character before a point must be a digit, and it may be a zero.
        Some(end) if text.as_bytes()[end] == b'.' => Some(&text[end - 1..]),
        Some(_) => None,
        None => Some(&text[text.len() - 1..]),
    }
}

/// The part before a point that is followed by zeros only.
fn without_zero_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::super::super::probe::{check, given, quoted};
    use super::super::super::{Field, Kind};
    use super::*;

    fn int(bounds: Bounds<i128>) -> Field {
        Field::new("f", Kind::Int(bounds))
    }

    #[test]
    fn integers_of_any_size() {
        check(
            &int(Bounds::default()),
            &[
                ("9223372036854775807", "9223372036854775807"),
                ("9223372036854775808", "9223372036854775808"),
                ("-9223372036854775809", "-9223372036854775809"),
                ("-0", "0"),
                ("true", "1"),
                ("1.0", "1"),
                ("-1e3", "-1000"),
                ("1.5", "int_from_float"),
                ("1e19", "int_parsing_size"),
                ("9223372036854775807.0", "int_parsing_size"),
                ("NaN", "finite_number"),
                ("1e400", "finite_number"),
                ("null", "int_type"),
                ("{}", "int_type"),
            ],
        );
    }

    #[test]
    fn texts_are_read_as_python_reads_them() {
        check(
            &int(Bounds::default()),
            &[
                (r#""1""#, "1"),
                (r#"" \u00a01\u3000""#, "1"),
                (r#""+1""#, "1"),
                (r#""-01""#, "-1"),
                (r#""1_000""#, "1000"),
                (r#""1_000.00""#, "1000"),
                (r#""0__1""#, "1"),
                (r#""0_0""#, "0"),
                (r#""00.0""#, "0"),
                (r#""-0""#, "0"),
                (r#""9223372036854775808""#, "9223372036854775808"),
                (r#""-00009223372036854775809""#, "-9223372036854775809"),
                (r#""1_""#, "int_parsing"),
                (r#""_1""#, "int_parsing"),
                (r#""1__0""#, "int_parsing"),
                (r#""0_""#, "int_parsing"),
                (r#""0_.0""#, "int_parsing"),
                (r#""1.""#, "int_parsing"),
                (r#""1.5""#, "int_parsing"),
                (r#""1.0_0""#, "int_parsing"),
                (r#"".0""#, "int_parsing"),
                (r#""1e3""#, "int_parsing"),
                (r#""+-1""#, "int_parsing"),
                (r#""--1""#, "int_parsing"),
                (r#""- 1""#, "int_parsing"),
                (r#""""#, "int_parsing"),
                (r#""-""#, "int_parsing"),
                (r#""\uff11""#, "int_parsing"),
                (r#""0x10""#, "int_parsing"),
                // Pydantic reads -1 here.
                (r#""0-1""#, "int_parsing"),
            ],
        );
    }

    #[test]
    fn a_text_of_too_many_digits_is_refused_before_it_is_read() {
        let field = int(Bounds::default());
        assert_eq!(given(&field, &quoted(&"1".repeat(4300))), "1".repeat(4300));
        assert_eq!(given(&field, &quoted(&"1".repeat(4301))), "int_parsing_size");
        assert_eq!(given(&field, &quoted(&format!(" {}", "1".repeat(4301)))), "int_parsing");
        assert_eq!(given(&field, &quoted(&format!("{}7", "0".repeat(4301)))), "7");
    }

    #[test]
    fn strict_mode_takes_integers_only() {
        let strict = Field { strict: true, ..int(Bounds::default()) };
        check(&strict, &[("1", "1"), ("1.0", "int_type"), (r#""1""#, "int_type"), ("true", "int_type")]);
    }

    #[test]
    fn the_first_limit_that_is_broken_is_told() {
        let bounds = Bounds { ge: Some(0), lt: Some(100), multiple_of: Some(5), ..Bounds::default() };
        check(
            &int(bounds),
            &[
                ("95", "95"),
                ("-5", "greater_than_equal"),
                ("100", "less_than"),
                ("101", "multiple_of"),
                ("100000000000000000000000000000000000000000000000000", "less_than"),
                ("-100000000000000000000000000000000000000000000000000", "greater_than_equal"),
                ("100000000000000000000000000000000000000000000000001", "multiple_of"),
            ],
        );
        let bounds = Bounds { gt: Some(0), le: Some(i128::from(u64::MAX)), ..Bounds::default() };
        check(
            &int(bounds),
            &[
                ("0", "greater_than"),
                ("18446744073709551615", "18446744073709551615"),
                ("18446744073709551616", "less_than_equal"),
            ],
        );
    }

    proptest! {
        #[test]
        fn digits_are_kept_exactly(digits in "-?[1-9][0-9]{0,60}", zeros in "0{0,3}", of in 1_i128..1000) {
            let number: BigInt = digits.parse().expect("digits");
            let field = int(Bounds::default());
            prop_assert_eq!(given(&field, &digits), number.to_string());
            let (sign, rest) = digits.strip_prefix('-').map_or(("", &*digits), |rest| ("-", rest));
            prop_assert_eq!(given(&field, &quoted(&format!(" {sign}{zeros}{rest}.0 "))), number.to_string());
            let multiple = int(Bounds { multiple_of: Some(of), ..Bounds::default() });
            let is_multiple = &number % of == BigInt::ZERO;
            prop_assert_eq!(given(&multiple, &digits) == number.to_string(), is_multiple);
            let bound = int(Bounds { le: Some(of), ..Bounds::default() });
            prop_assert_eq!(given(&bound, &digits) == number.to_string(), number <= BigInt::from(of));
        }
    }
}
