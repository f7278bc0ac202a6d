//! Decimal numbers as they are written, counted and compared by their digits.
//!
//! `1E+400000` would be many digits: nothing is written out before it is known that a column can hold it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use bumpalo::Bump;

/// The limits of `numeric`: digits before the point, and after it.
const WHOLE_DIGITS_MAX: i64 = 131_072;
const PLACES_MAX: i64 = 16_383;

/// The greatest and the least exponent of Python's `Decimal`.
const EXPONENT_MAX: i64 = 999_999_999_999_999_999;
const EXPONENT_MIN: i64 = -1_999_999_999_999_999_997;

/// A standalone decimal, such as a limit. Two are equal if they are equal as numbers.
#[derive(Clone, Debug)]
pub struct Exact(pub(super) Number<'static>);

impl Exact {
    /// The number written in `text`, with or without a point and an exponent.
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

    /// How it compares with the number written in `text`, if there is one. Does not allocate.
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

/// Why a text is not a decimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Flaw {
    /// It is infinite or NaN.
    NotFinite,
    /// It is something else.
    NotANumber,
}

impl<'a> Number<'a> {
    /// Reads ASCII text without white space or underscores.
    pub(super) fn parse(text: &'a str) -> Result<Number<'a>, Flaw> {
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
        // Python's own limits decide.
        let last = number.last_exponent();
        let first = last + number.digits_count() - 1;
        if last < EXPONENT_MIN || first > EXPONENT_MAX { Err(Flaw::NotANumber) } else { Ok(number) }
    }

    /// The digits from the first that is not zero.
    pub(super) fn digits(&self) -> impl DoubleEndedIterator<Item = u8> + Clone + '_ {
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

    /// How many digits it has by Python's count; zero has one.
    pub(super) fn digits_count(&self) -> i64 {
        let (whole, fraction) = self.significant();
        as_i64(whole.len() + fraction.len()).max(1)
    }

    /// The exponent of its last digit.
    pub(super) fn last_exponent(&self) -> i64 {
        self.exponent - as_i64(self.fraction.len())
    }

    /// The exponent of its first digit that is not zero.
    fn first_exponent(&self) -> i64 {
        self.last_exponent() + self.digits_count() - 1
    }

    pub(super) fn is_zero(&self) -> bool {
        let (whole, fraction) = self.significant();
        whole.is_empty() && fraction.is_empty()
    }

    pub(super) fn cmp(&self, other: &Number<'_>) -> Ordering {
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
    pub(super) fn floor(&self, shift: i32) -> Option<i128> {
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

    /// Whether it is a whole multiple of `of`, exactly.
    pub(super) fn is_multiple(&self, of: &Number<'_>) -> bool {
        // Both are treated as integers of the same unit: the digits of the one, then as many zeros as its
        // last digit is above the other's. The remainder is computed digit by digit; a divisor beyond 36
        // digits does not occur in practice.
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

    /// How many digits it has before the point, when written out.
    fn wholes(&self) -> i64 {
        if self.is_zero() { 0 } else { (self.first_exponent() + 1).max(0) }
    }

    /// How many digits it has after the point, when written out.
    fn places(&self) -> i64 {
        (-self.last_exponent()).max(0)
    }

    pub(super) fn is_storable(&self) -> bool {
        self.wholes() <= WHOLE_DIGITS_MAX && self.places() <= PLACES_MAX
    }

    /// The maximum number of bytes when written out.
    pub(super) fn written_len(&self) -> usize {
        count(self.wholes()) + count(self.places()) + "-0.".len()
    }

    /// The number with at most one point and no exponent. It must be storable.
    pub(super) fn written(&self, arena: &'a Bump) -> &'a str {
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

/// A number of digits that fits a column.
fn count(digits: i64) -> usize {
    usize::try_from(digits).expect("between zero and the limits of a column")
}

/// Digits followed by `zeros` zeros.
fn with_zeros(digits: impl Iterator<Item = u8>, zeros: i64) -> impl Iterator<Item = u8> {
    let zeros = usize::try_from(zeros).expect("counted from the lower of two exponents");
    digits.chain(std::iter::repeat_n(b'0', zeros))
}

pub(super) fn as_i64(len: usize) -> i64 {
    i64::try_from(len).expect("a record is shorter than 4 GiB")
}

/// Whether it is one of Python's words for something that is not finite.
fn is_special(text: &str) -> bool {
    if text.eq_ignore_ascii_case("inf") || text.eq_ignore_ascii_case("infinity") {
        return true;
    }
    let text = text.strip_prefix(['s', 'S']).unwrap_or(text);
    // What follows is a diagnostic payload, in digits.
    text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("nan"))
        && text[3..].bytes().all(|byte| byte.is_ascii_digit())
}

/// The number after the `e`. One beyond 64 bits becomes one that is still too great.
fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    const BEYOND: i64 = i64::MAX / 2;
    let magnitude = digits.parse().unwrap_or(BEYOND).min(BEYOND);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}
