//! Decimals: exact, as written.
//!
//! The grammar of a text is that of Python's `Decimal`, because Pydantic uses it: white space around it,
//! underscores anywhere, digits of any script, an exponent. A JSON number with a fraction or an exponent is a
//! double by then, and so the decimal is its shortest form: `0.10` is `0.1`, `1e2` is `100`.
//!
//! The result is digits with at most one point, however the value was written. What `numeric` cannot hold is
//! refused before it is written out.

use std::fmt;

use super::super::Decimal;
use super::exact::{Flaw, Number, as_i64};
use super::number::{is_within, refuse_multiple};
use super::{At, Context};
use crate::format::{Item, Raw};
use crate::reject::{Code, code};

pub(super) fn read<'a>(
    rules: &Decimal,
    strict: bool,
    at: At<'a, '_>,
    context: &mut Context<'a, '_>,
) -> Option<&'a str> {
    let number = match scan(at.item, strict, context) {
        Ok(number) => number,
        Err((code, message)) => return context.refuse(at, code, format_args!("{message}")),
    };
    if let Err((code, message)) = has_room(&number, rules) {
        return context.refuse(at, code, format_args!("{message}"));
    }
    // Whether a number of a million digits is a multiple is of no interest.
    if let Some(of) = &rules.bounds.multiple_of
        && number.is_storable()
        && !number.is_multiple(&of.0)
    {
        return refuse_multiple(of, at, context);
    }
    if !is_within(&rules.bounds, |bound| Some(number.cmp(&bound.0)), at, context) {
        return None;
    }
    if !number.is_storable() {
        return context.refuse(at, code::NOT_STORABLE, format_args!("more digits than a column can hold"));
    }
    context.spend(number.written_len(), at)?;
    Some(number.written(context.arena))
}

/// The number in a text times `10^shift`, rounded down. `None` if the text is not a number; beyond any
/// timestamp if the number is beyond 128 bits.
pub(super) fn shift<'a>(text: &'a str, shift: i32, context: &Context<'a, '_>) -> Option<i128> {
    let number = Number::parse(clean(text, context)?).ok()?;
    Some(number.floor(shift).unwrap_or(i128::MAX))
}

/// The number in a value of a record.
fn scan<'a>(
    item: Item<'a>,
    strict: bool,
    context: &Context<'a, '_>,
) -> Result<Number<'a>, (Code, &'static str)> {
    let parse = |text: &'a str| {
        Number::parse(text).map_err(|flaw| match flaw {
            Flaw::NotFinite => (code::FINITE_NUMBER, "not a finite number"),
            Flaw::NotANumber => (code::DECIMAL_PARSING, "text that is not a decimal number"),
        })
    };
    let not_a_decimal = (code::DECIMAL_TYPE, "neither a number nor text");
    match item.raw() {
        Raw::Text(text) => {
            let cleaned =
                clean(text, context).ok_or((code::DECIMAL_PARSING, "text that is not a decimal number"))?;
            parse(cleaned)
        }
        Raw::Int(number) => parse(context.write(format_args!("{number}"))),
        Raw::UInt(number) => parse(context.write(format_args!("{number}"))),
        Raw::BigInt(digits) => parse(digits),
        Raw::Float(number) if !number.is_finite() => Err((code::FINITE_NUMBER, "not a finite number")),
        // The shortest digits that produce this double, written out.
        Raw::Float(number) => parse(context.write(format_args!("{number}"))),
        Raw::List { len: 3 } if !strict => match of_parts(item, context).ok_or(not_a_decimal)? {
            Some(text) => parse(text).map_err(|_| not_a_decimal),
            None => Err((code::FINITE_NUMBER, "not a finite number")),
        },
        _ => Err(not_a_decimal),
    }
}

/// The text as Python's `Decimal` normalises it first: without surrounding white space and underscores, and
/// with ASCII digits. `None` if anything else is in it.
fn clean<'a>(text: &'a str, context: &Context<'a, '_>) -> Option<&'a str> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'_') {
        return Some(text);
    }
    let is_space = |ch: char| ch.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&ch);
    let mut cleaned = bumpalo::collections::String::with_capacity_in(text.len(), context.arena);
    for ch in text.trim_matches(is_space).chars() {
        match ch {
            '_' => {}
            '!'..='~' => cleaned.push(ch),
            _ => cleaned.push(digit(ch)?),
        }
    }
    Some(cleaned.into_bump_str())
}

/// The ASCII digit for a decimal digit of any script.
fn digit(ch: char) -> Option<char> {
    let after = ZEROS.partition_point(|&zero| zero <= u32::from(ch));
    let value = u32::from(ch) - ZEROS.get(after.checked_sub(1)?)?;
    char::from_digit(value, 10)
}

/// Python's own parts of a decimal as JSON: sign, digits, exponent. `Some(None)` if it is
/// not finite, which the exponent then says.
fn of_parts<'a>(item: Item<'a>, context: &Context<'a, '_>) -> Option<Option<&'a str>> {
    let mut parts = item.items();
    let (sign, digits, exponent) = (parts.next()?, parts.next()?, parts.next()?);
    let sign = match small_int(sign)? {
        0 => "",
        1 => "-",
        _ => return None,
    };
    let Raw::List { .. } = digits.raw() else { return None };
    let mut text = bumpalo::collections::String::from_str_in(sign, context.arena);
    let empty = text.len();
    for digit in digits.items() {
        let digit = u32::try_from(small_int(digit)?).ok()?;
        text.push(char::from_digit(digit, 10)?);
    }
    if text.len() == empty {
        text.push('0');
    }
    match exponent.raw() {
        Raw::Text("F" | "n" | "N") => Some(None),
        _ => {
            let exponent = small_int(exponent)?;
            let _ = fmt::Write::write_fmt(&mut text, format_args!("e{exponent}"));
            Some(Some(text.into_bump_str()))
        }
    }
}

/// An integer; as in Python, booleans count too.
fn small_int(item: Item<'_>) -> Option<i64> {
    match item.raw() {
        Raw::Int(number) => Some(number),
        Raw::Bool(value) => Some(i64::from(value)),
        _ => None,
    }
}

/// Whether a number fits `max_digits` and `decimal_places`, as it is written or, if that is less, without
/// trailing zeros.
fn has_room(number: &Number<'_>, rules: &Decimal) -> Result<(), (Code, &'static str)> {
    if rules.max_digits.is_none() && rules.decimal_places.is_none() {
        return Ok(());
    }
    let counts = |digits: i64, exponent: i64| {
        let places = (-exponent).max(0);
        (places, if exponent >= 0 { digits.saturating_add(exponent) } else { digits.max(places) })
    };
    let (digits, exponent) = (number.digits_count(), number.last_exponent());
    let written = counts(digits, exponent);
    let shortest = if number.is_zero() {
        (0, 1)
    } else if exponent >= 0 {
        written
    } else {
        let zeros = as_i64(number.digits().rev().take_while(|&digit| digit == b'0').count());
        counts(digits - zeros, exponent + zeros)
    };
    let exceeds = |of: fn((i64, i64)) -> i64, max: i64| of(written) > max && of(shortest) > max;
    if let Some(max) = rules.max_digits
        && exceeds(|(_, digits)| digits, i64::from(max))
    {
        return Err((code::DECIMAL_MAX_DIGITS, "more digits than max_digits"));
    }
    if let Some(places) = rules.decimal_places {
        if exceeds(|(places, _)| places, i64::from(places)) {
            return Err((code::DECIMAL_MAX_PLACES, "more digits after the point than decimal_places"));
        }
        if let Some(max) = rules.max_digits
            && exceeds(|(places, digits)| digits - places, i64::from(max.saturating_sub(places)))
        {
            return Err((
                code::DECIMAL_WHOLE_DIGITS,
                "more digits before the point than max_digits and decimal_places leave",
            ));
        }
    }
    Ok(())
}

/// The zero of every script that has decimal digits; the other nine follow it. From Unicode 14, which Python
/// 3.11 uses.
const ZEROS: &[u32] = &[
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
    0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
    0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::super::super::probe::{check, given, quoted};
    use super::super::super::{Bounds, Exact, Field, Kind};
    use super::*;

    fn decimal(rules: Decimal) -> Field {
        Field::new("f", Kind::Decimal(rules))
    }

    fn exact(text: &str) -> Option<Exact> {
        Some(Exact::parse(text).expect("a decimal"))
    }

    #[test]
    fn decimals_are_written_out() {
        check(
            &decimal(Decimal::default()),
            &[
                (r#""12.50""#, r#""12.50""#),
                (r#""+007.""#, r#""7""#),
                (r#"".5""#, r#""0.5""#),
                (r#""-0.00""#, r#""0.00""#),
                (r#""1.5e3""#, r#""1500""#),
                (r#""1.5E-3""#, r#""0.0015""#),
                (r#""0E+5""#, r#""0""#),
                (r#""0E-3""#, r#""0.000""#),
                (r#""1_e_2""#, r#""100""#),
                (r#""\u0661\u0662.\uff15""#, r#""12.5""#),
                (r#""\u001c 1\u3000""#, r#""1""#),
                ("123456789012345678901234567890", r#""123456789012345678901234567890""#),
                ("0.10", r#""0.1""#),
                ("1e2", r#""100""#),
                ("1e-7", r#""0.0000001""#),
                ("-0.0", r#""0""#),
                ("[1, [1, 2], -1]", r#""-1.2""#),
                ("[false, [], true]", r#""0""#),
            ],
        );
    }

    #[test]
    fn what_is_no_decimal() {
        check(
            &decimal(Decimal::default()),
            &[
                (r#""""#, "decimal_parsing"),
                (r#"".""#, "decimal_parsing"),
                (r#""1 0""#, "decimal_parsing"),
                (r#""1e""#, "decimal_parsing"),
                (r#""1e5.0""#, "decimal_parsing"),
                (r#""+-1""#, "decimal_parsing"),
                (r#""1\u0000""#, "decimal_parsing"),
                (r#""nanx""#, "decimal_parsing"),
                (r#""1e1000000000000000000""#, "decimal_parsing"),
                (r#""0e99999999999999999999""#, "decimal_parsing"),
                (r#""NaN123""#, "finite_number"),
                (r#""-sNaN""#, "finite_number"),
                (r#""i_n_f""#, "finite_number"),
                ("NaN", "finite_number"),
                ("1e400", "finite_number"),
                (r#"[0, [1], "F"]"#, "finite_number"),
                ("[0, [10], 0]", "decimal_type"),
                ("[2, [1], 0]", "decimal_type"),
                ("[0, [1]]", "decimal_type"),
                ("true", "decimal_type"),
                ("null", "decimal_type"),
            ],
        );
        let strict = Field { strict: true, ..decimal(Decimal::default()) };
        check(&strict, &[("[0, [1], 0]", "decimal_type"), (r#""1""#, r#""1""#), ("1.5", r#""1.5""#)]);
    }

    #[test]
    fn what_no_column_holds_is_refused_before_it_is_written() {
        let field = decimal(Decimal::default());
        assert_eq!(given(&field, r#""1E+131071""#).len(), 131_072 + 2);
        assert_eq!(given(&field, r#""1E-16383""#).len(), 16_383 + 4);
        check(
            &field,
            &[
                (r#""1E+131072""#, "not_storable"),
                (r#""1E-16384""#, "not_storable"),
                (r#""0E-16384""#, "not_storable"),
                (r#""0E+999999""#, r#""0""#),
                (r#""1E+999999999999999999""#, "not_storable"),
            ],
        );
        let bounds = Bounds { multiple_of: exact("3"), ..Bounds::default() };
        check(
            &decimal(Decimal { bounds, ..Decimal::default() }),
            &[(r#""1E+999999999999999999""#, "not_storable")],
        );
    }

    #[test]
    fn digits_are_counted_with_and_without_zeros_at_the_end() {
        let field = decimal(Decimal { max_digits: Some(10), decimal_places: Some(2), ..Decimal::default() });
        check(
            &field,
            &[
                (r#""99999999.99""#, r#""99999999.99""#),
                (r#""1.000""#, r#""1.000""#),
                (r#""99999999.990""#, r#""99999999.990""#),
                (r#""0E-100""#, &quoted(&format!("0.{}", "0".repeat(100)))),
                ("1e7", r#""10000000""#),
                ("1e8", "decimal_whole_digits"),
                (r#""123456789.0""#, "decimal_whole_digits"),
                (r#""1E+100""#, "decimal_max_digits"),
                (r#""1.0000000000000000000000000000000000000001""#, "decimal_max_digits"),
                ("0.001", "decimal_max_places"),
            ],
        );
    }

    #[test]
    fn limits_are_compared_exactly() {
        let bounds =
            Bounds { ge: exact("-0.5"), lt: exact("1e2"), multiple_of: exact("0.25"), ..Bounds::default() };
        check(
            &decimal(Decimal { bounds, ..Decimal::default() }),
            &[
                (r#""-0.50""#, r#""-0.50""#),
                (r#""-0.75""#, "greater_than_equal"),
                (r#""99.75""#, r#""99.75""#),
                (r#""100""#, "less_than"),
                (r#""0.1""#, "multiple_of"),
                (r#""0""#, r#""0""#),
            ],
        );
        assert_eq!(Exact::parse("1.50"), exact("15e-1"));
        assert_eq!(Exact::parse("-12.5e3").map(|exact| exact.to_string()), Some("-12.5e3".to_owned()));
        assert!(Exact::parse("").is_none() && Exact::parse("nan").is_none());
        assert!(
            Exact::from(3).is_positive() && !Exact::from(0).is_positive() && !Exact::from(-3).is_positive()
        );
    }

    /// The number as an integer of units of `10^-80`.
    fn scaled(text: &str) -> BigInt {
        let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let shift = 80 + exponent.parse::<i64>().expect("an exponent") - fraction.len() as i64;
        let unit = BigInt::from(10).pow(u32::try_from(shift).expect("small"));
        format!("{whole}{fraction}").parse::<BigInt>().expect("digits") * unit
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?[0-9]{1,20}(\\.[0-9]{1,20})?(e-?[0-9])?",
            "-?0\\.0{0,5}[0-9]{0,3}(e[0-9])?",
            "-?[0-9]{1,2}"
        ]
        .prop_filter("digits after a point", |text| !text.contains(".e") && !text.ends_with('.'))
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_exact_arithmetic(one in number(), other in number(), of in 1_i64..50) {
            let field = decimal(Decimal::default());
            let written = given(&field, &quoted(&one));
            let written: String = serde_json::from_str(&written).expect("text");
            prop_assert!(!written.contains('e'));
            prop_assert_eq!(scaled(&written), scaled(&one));

            let limit = |bounds| decimal(Decimal { bounds, ..Decimal::default() });
            let le = limit(Bounds { le: exact(&other), ..Bounds::default() });
            let is_le = scaled(&one) <= scaled(&other);
            prop_assert_eq!(given(&le, &quoted(&one)) == quoted(&written), is_le);
            prop_assert_eq!(Exact::parse(&one) == Exact::parse(&other), scaled(&one) == scaled(&other));

            let step = format!("{of}e-2");
            let multiple = limit(Bounds { multiple_of: exact(&step), ..Bounds::default() });
            let is_multiple = scaled(&one) % scaled(&step) == BigInt::ZERO;
            prop_assert_eq!(given(&multiple, &quoted(&one)) == quoted(&written), is_multiple);
        }

        #[test]
        fn a_json_number_is_the_shortest_form_of_its_double(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let written = given(&decimal(Decimal::default()), &format!("{number:e}"));
            let written: String = serde_json::from_str(&written).expect("text");
            prop_assert_eq!(written.parse::<f64>().expect("a number"), number);
            prop_assert_eq!(written.trim_start_matches('-'), number.abs().to_string());
        }
    }
}
