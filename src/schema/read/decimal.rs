//! Decimals: exact, as written.
//!
//! The grammar of a text is that of Python's `Decimal`, because that is what Pydantic makes
//! of it: white space around it, underscores anywhere, digits of any script, an exponent.
//! A JSON number with a fraction or an exponent is a double by then, and so is the decimal
//! its shortest form: `0.10` is `0.1`, `1e2` is `100`.
//!
//! A value leaves here as digits with at most one point, however it was written. `1E+400000`
//! would be many digits, so what `numeric` cannot hold is refused here, before it is written.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use bumpalo::Bump;

use super::super::Decimal;
use super::number::{is_within, refuse_multiple};
use super::{At, Context};
use crate::format::{Item, Raw};
use crate::reject::{Code, code};

/// What `numeric` holds: digits before the point, and after it.
const WHOLE_DIGITS_MAX: i64 = 131_072;
const PLACES_MAX: i64 = 16_383;

/// The greatest and the least exponent of Python's `Decimal`.
const EXPONENT_MAX: i64 = 999_999_999_999_999_999;
const EXPONENT_MIN: i64 = -1_999_999_999_999_999_997;

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
    // Whether a number of a million digits is a multiple is nobody's question.
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

/// The number in a text times `10^shift`, down to the integer below. `None` if the text is no
/// number; beyond any timestamp if the number is beyond 128 bits.
pub(super) fn shift<'a>(text: &'a str, shift: i32, context: &Context<'a, '_>) -> Option<i128> {
    let number = Number::parse(clean(text, context)?).ok()?;
    Some(number.floor(shift).unwrap_or(i128::MAX))
}

/// A decimal that stands by itself: a limit. Two are equal if they are as numbers.
#[derive(Clone, Debug)]
pub struct Exact(Number<'static>);

impl Exact {
    /// The number that `text` says, with a point or without, with an exponent or without.
    pub fn parse(text: &str) -> Option<Exact> {
        let number = Number::parse(text).ok()?;
        Some(Exact(Number {
            whole: Cow::Owned(number.whole.into_owned()),
            fraction: Cow::Owned(number.fraction.into_owned()),
            ..number
        }))
    }

    /// The integer that it is, or the one below; `None` beyond 36 digits.
    pub fn floor(&self) -> Option<i128> {
        self.0.floor(0)
    }

    /// The integer that it is, or the one above; `None` beyond 36 digits.
    pub fn ceil(&self) -> Option<i128> {
        let negated = Number { is_negative: !self.0.is_negative, ..self.0.clone() };
        Some(-negated.floor(0)?)
    }

    /// How it stands to the number that `text` says, if it says one. Nothing is allocated.
    pub fn compare_to(&self, text: &str) -> Option<Ordering> {
        Some(self.0.cmp(&Number::parse(text).ok()?))
    }

    /// Whether it is more than zero.
    pub fn is_positive(&self) -> bool {
        !self.0.is_negative && !self.0.is_zero()
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Exact) -> bool {
        self.0.cmp(&other.0).is_eq()
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Exact) -> Option<Ordering> {
        Some(self.0.cmp(&other.0))
    }
}

impl From<i64> for Exact {
    fn from(number: i64) -> Exact {
        Exact::parse(&number.to_string()).expect("an integer is a decimal")
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = &self.0;
        f.write_str(if number.is_negative { "-" } else { "" })?;
        f.write_str(if number.whole.is_empty() { "0" } else { &number.whole })?;
        if !number.fraction.is_empty() {
            write!(f, ".{}", number.fraction)?;
        }
        match number.exponent {
            0 => Ok(()),
            exponent => write!(f, "e{exponent}"),
        }
    }
}

/// A number as written: `whole.fraction × 10^exponent`.
#[derive(Clone, Debug)]
pub(super) struct Number<'a> {
    is_negative: bool,
    /// Without leading zeros.
    whole: Cow<'a, str>,
    fraction: Cow<'a, str>,
    exponent: i64,
}

/// Why a text is no decimal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    /// It is infinite or no number at all.
    NotFinite,
    /// It is something else.
    NotANumber,
}

impl<'a> Number<'a> {
    /// Reads ASCII text without white space or underscores.
    fn parse(text: &'a str) -> Result<Number<'a>, Flaw> {
        let (is_negative, text) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        if text.starts_with(|ch: char| ch.is_ascii_alphabetic()) {
            return Err(if is_special(text) { Flaw::NotFinite } else { Flaw::NotANumber });
        }
        let (digits, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], exponent(&text[at + 1..]).ok_or(Flaw::NotANumber)?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
            return Err(Flaw::NotANumber);
        }
        let number = Number {
            is_negative,
            whole: Cow::Borrowed(whole.trim_start_matches('0')),
            fraction: Cow::Borrowed(fraction),
            exponent,
        };
        // Where Python's own limits end the matter.
        let last = number.last_exponent();
        let first = last + number.digits_count() - 1;
        if last < EXPONENT_MIN || first > EXPONENT_MAX { Err(Flaw::NotANumber) } else { Ok(number) }
    }

    /// The digits from the first that is not zero.
    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> + Clone + '_ {
        let (whole, fraction) = self.significant();
        whole.bytes().chain(fraction.bytes())
    }

    fn significant(&self) -> (&str, &str) {
        if self.whole.is_empty() {
            ("", self.fraction.trim_start_matches('0'))
        } else {
            (&self.whole, &self.fraction)
        }
    }

    /// How many digits Python would say it has; zero has one.
    fn digits_count(&self) -> i64 {
        let (whole, fraction) = self.significant();
        as_i64(whole.len() + fraction.len()).max(1)
    }

    /// The exponent of its last digit.
    fn last_exponent(&self) -> i64 {
        self.exponent - as_i64(self.fraction.len())
    }

    /// The exponent of its first digit that is not zero.
    fn first_exponent(&self) -> i64 {
        self.last_exponent() + self.digits_count() - 1
    }

    fn is_zero(&self) -> bool {
        let (whole, fraction) = self.significant();
        whole.is_empty() && fraction.is_empty()
    }

    fn cmp(&self, other: &Number<'_>) -> Ordering {
        let sign = |number: &Number<'_>| match (number.is_zero(), number.is_negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let magnitude = || {
            self.first_exponent().cmp(&other.first_exponent()).then_with(|| {
                let (mut one, mut two) = (self.digits(), other.digits());
                loop {
                    let (one, two) = (one.next(), two.next());
                    let order = one.unwrap_or(b'0').cmp(&two.unwrap_or(b'0'));
                    if order.is_ne() || (one.is_none() && two.is_none()) {
                        return order;
                    }
                }
            })
        };
        match sign(self).cmp(&sign(other)) {
            Ordering::Equal if self.is_zero() => Ordering::Equal,
            Ordering::Equal if self.is_negative => magnitude().reverse(),
            Ordering::Equal => magnitude(),
            order => order,
        }
    }

    /// The integer below it times `10^shift`, if it has no more than 36 digits.
    fn floor(&self, shift: i32) -> Option<i128> {
        if self.is_zero() {
            return Some(0);
        }
        let wholes = usize::try_from(self.first_exponent() + i64::from(shift) + 1).unwrap_or(0);
        if wholes > 36 {
            return None;
        }
        let digits = self.digits().chain(std::iter::repeat_n(b'0', wholes)).take(wholes);
        let whole = digits.fold(0, |value, digit| value * 10 + i128::from(digit - b'0'));
        let is_cut = self.digits().skip(wholes).any(|digit| digit != b'0');
        Some(if self.is_negative { -whole - i128::from(is_cut) } else { whole })
    }

    /// Whether it is a whole number of times `of`, exactly.
    fn is_multiple(&self, of: &Number<'_>) -> bool {
        // Both as integers of the same unit: the digits of the one, then as many zeros as its
        // last digit stands above the other's. The rest is found digit by digit; a divisor
        // beyond 36 digits is none that anybody wrote.
        let unit = self.last_exponent().min(of.last_exponent());
        let zeros = |number: &Number<'_>| number.last_exponent() - unit;
        let push = |value: u128, digit: u8| value.checked_mul(10)?.checked_add(u128::from(digit - b'0'));
        let Some(divisor) = with_zeros(of.digits(), zeros(of)).try_fold(0, push) else {
            return self.is_zero();
        };
        let rest = with_zeros(self.digits(), zeros(self))
            .try_fold(0, |rest, digit| push(rest, digit)?.checked_rem(divisor));
        self.is_zero() || rest == Some(0)
    }

    /// How many digits it has before the point, written out.
    fn wholes(&self) -> i64 {
        if self.is_zero() { 0 } else { (self.first_exponent() + 1).max(0) }
    }

    /// How many digits it has after the point, written out.
    fn places(&self) -> i64 {
        (-self.last_exponent()).max(0)
    }

    fn is_storable(&self) -> bool {
        self.wholes() <= WHOLE_DIGITS_MAX && self.places() <= PLACES_MAX
    }

    /// How many bytes it has written out, at most.
    fn written_len(&self) -> usize {
        count(self.wholes()) + count(self.places()) + "-0.".len()
    }

    /// The number with at most one point and no exponent. It must be storable.
    fn written(&self, arena: &'a Bump) -> &'a str {
        let is_zero = self.is_zero();
        let (wholes, places) = (count(self.wholes()), count(self.places()));
        let mut out = bumpalo::collections::String::with_capacity_in(self.written_len(), arena);
        if self.is_negative && !is_zero {
            out.push('-');
        }
        if wholes == 0 {
            out.push('0');
        }
        let leading = if is_zero { places } else { count((-self.first_exponent() - 1).max(0)) };
        let digits = self.digits().map(char::from);
        let mut all = std::iter::repeat_n('0', leading).chain(digits).chain(std::iter::repeat('0'));
        out.extend(all.by_ref().take(wholes));
        if places > 0 {
            out.push('.');
            out.extend(all.take(places));
        }
        out.into_bump_str()
    }
}

/// A number of digits that a column holds.
fn count(digits: i64) -> usize {
    usize::try_from(digits).expect("between zero and the limits of a column")
}

/// Digits with `zeros` zeros behind them.
fn with_zeros(digits: impl Iterator<Item = u8>, zeros: i64) -> impl Iterator<Item = u8> {
    let zeros = usize::try_from(zeros).expect("counted from the lower of two exponents");
    digits.chain(std::iter::repeat_n(b'0', zeros))
}

fn as_i64(len: usize) -> i64 {
    i64::try_from(len).expect("a record is shorter than 4 GiB")
}

/// Whether it is Python's word for something that is not finite.
fn is_special(text: &str) -> bool {
    if text.eq_ignore_ascii_case("inf") || text.eq_ignore_ascii_case("infinity") {
        return true;
    }
    let text = text.strip_prefix(['s', 'S']).unwrap_or(text);
    // What follows is a diagnosis, as digits.
    text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("nan"))
        && text[3..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The number after the `e`. One beyond 64 bits becomes one that is too great all the same.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    const BEYOND: i64 = i64::MAX / 2;
    let magnitude = digits.parse().unwrap_or(BEYOND).min(BEYOND);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
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
        // The shortest digits that give this double, written out.
        Raw::Float(number) => parse(context.write(format_args!("{number}"))),
        Raw::List { len: 3 } if !strict => match of_parts(item, context).ok_or(not_a_decimal)? {
            Some(text) => parse(text).map_err(|_| not_a_decimal),
            None => Err((code::FINITE_NUMBER, "not a finite number")),
        },
        _ => Err(not_a_decimal),
    }
}

/// What Python's `Decimal` makes of a text before it looks for a number: no white space
/// around it, no underscores, every digit an ASCII one. `None` if anything else is in it.
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

/// An integer, as Python counts truth values among them.
fn small_int(item: Item<'_>) -> Option<i64> {
    match item.raw() {
        Raw::Int(number) => Some(number),
        Raw::Bool(value) => Some(i64::from(value)),
        _ => None,
    }
}

/// Whether a number fits `max_digits` and `decimal_places`, as it is written or, if that is
/// less, without the zeros at its end.
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

/// The zero of every script that has decimal digits; the other nine follow it. From Unicode 14,
/// which Python 3.11 has.
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
    use super::super::super::{Bounds, Field, Kind};
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
