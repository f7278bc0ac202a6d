//! `numeric` on the wire: digits in groups of four, exact at any length.
//!
//! The server rounds what does not fit the scale of a column (1.005 becomes 1.01), and so would silently
//! store another value. Such a value is refused here instead.

/// The limits of `numeric(precision, scale)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) precision: u32,
    /// Can be negative, or greater than the precision, since PostgreSQL 15.
    pub(super) scale: i32,
}

impl Limits {
    /// The limits in a type modifier, if there is one.
    pub(super) fn of_modifier(typmod: i32) -> Option<Limits> {
        // As numeric.c packs it: precision in the upper half, scale in the lower 11 bits, with a sign.
        let packed = typmod.checked_sub(4).filter(|&packed| packed >= 0)?;
        let scale = packed & 0x7ff;
        Some(Limits {
            precision: u32::try_from(packed >> 16).expect("not negative"),
            scale: (scale ^ 1024) - 1024,
        })
    }
}

/// The server's own limits.
const WHOLE_DIGITS_MAX: usize = 131_072;
pub(super) const FRACTION_DIGITS_MAX: usize = 16_383;

/// Appends the wire form of `text`, which is digits with at most one point and a sign, or `NaN`. The error
/// says why the column cannot hold it.
pub(super) fn put(text: &str, limits: Option<Limits>, out: &mut Vec<u8>) -> Result<(), &'static str> {
    const NEGATIVE: u16 = 0x4000;
    const NAN: u16 = 0xc000;
    if text == "NaN" {
        put_header(0, 0, NAN, 0, out);
        return Ok(());
    }
    let (sign, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (NEGATIVE, digits),
        [b'+', digits @ ..] | digits => (0, digits),
    };
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let whole = &digits[..point];
    let fraction = digits.get(point + 1..).unwrap_or_default();
    let whole = &whole[whole.iter().position(|&digit| digit != b'0').unwrap_or(whole.len())..];
    if whole.len() > WHOLE_DIGITS_MAX || fraction.len() > FRACTION_DIGITS_MAX {
        return Err("a number with more digits than numeric can hold");
    }
    if let Some(limits) = limits {
        check(whole, fraction, limits)?;
    }
    // Trailing zeros are kept in the display scale, not in the digits.
    let shown = match limits {
        Some(limits) => fraction.len().min(usize::try_from(limits.scale.max(0)).expect("not negative")),
        None => fraction.len(),
    };
    let significant = fraction.len() - fraction.iter().rev().take_while(|&&digit| digit == b'0').count();
    let fraction = &fraction[..significant];
    let dscale = u16::try_from(shown).expect("at most FRACTION_DIGITS_MAX");

    let groups_start = out.len() + 8;
    put_header(0, 0, sign, dscale, out);
    let whole_groups = whole.len().div_ceil(4);
    let at = |index: usize| -> u16 {
        // Digits by their position in groups: leading zeros before the whole part.
        let lead = whole_groups * 4 - whole.len();
        let digit = match index.checked_sub(lead) {
            None => b'0',
            Some(index) if index < whole.len() => whole[index],
            Some(index) => fraction.get(index - whole.len()).copied().unwrap_or(b'0'),
        };
        u16::from(digit - b'0')
    };
    let groups = whole_groups + fraction.len().div_ceil(4);
    let mut first = None;
    let mut last = 0;
    for group in 0..groups {
        let value = (0..4).fold(0, |value, digit| value * 10 + at(group * 4 + digit));
        if value != 0 {
            first.get_or_insert(group);
            last = group + 1;
        }
        if first.is_some() {
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
    let Some(first) = first else {
        // Zero has no digits and no sign.
        out.truncate(groups_start - 8);
        put_header(0, 0, 0, dscale, out);
        return Ok(());
    };
    out.truncate(groups_start + 2 * (last - first));
    let ndigits = u16::try_from(last - first).expect("bounded by the digits");
    let groups_before_point = i32::try_from(whole_groups).expect("bounded by the digits");
    let weight = groups_before_point - i32::try_from(first).expect("bounded by the digits") - 1;
    let weight = i16::try_from(weight).expect("bounded by the digits");
    out[groups_start - 8..groups_start - 6].copy_from_slice(&ndigits.to_be_bytes());
    out[groups_start - 6..groups_start - 4].copy_from_slice(&weight.to_be_bytes());
    Ok(())
}

fn put_header(ndigits: u16, weight: i16, sign: u16, dscale: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&ndigits.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&dscale.to_be_bytes());
}

fn check(whole: &[u8], fraction: &[u8], limits: Limits) -> Result<(), &'static str> {
    let significant = fraction.len() - fraction.iter().rev().take_while(|&&digit| digit == b'0').count();
    let scale = usize::try_from(limits.scale).unwrap_or(0);
    let zeros = whole.iter().rev().take_while(|&&digit| digit == b'0').count();
    let rounded = usize::try_from(-i64::from(limits.scale)).unwrap_or(0);
    if significant > scale
        || !whole.is_empty() && zeros < rounded.min(whole.len())
        || rounded > 0 && significant > 0
    {
        return Err("a number with more digits after the point than the column keeps");
    }
    // Digits before the point; for a number below one, minus one for each leading zero.
    let lead = fraction[..significant].iter().take_while(|&&digit| digit == b'0').count();
    let before_point = match whole.len() {
        0 if significant == 0 => return Ok(()),
        0 => -i64::try_from(lead).expect("bounded by the digits"),
        digits => i64::try_from(digits).expect("bounded by the digits"),
    };
    if before_point > i64::from(limits.precision) - i64::from(limits.scale) {
        return Err("a number with more digits before the point than the column keeps");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::*;

    /// The value on the wire, as digits, weight, sign and display scale.
    fn wire(text: &str) -> (Vec<u16>, i16, u16, u16) {
        let mut out = Vec::new();
        put(text, None, &mut out).expect(text);
        let half = |at: usize| u16::from_be_bytes([out[at], out[at + 1]]);
        assert_eq!(out.len(), 8 + 2 * usize::from(half(0)));
        let digits = (0..usize::from(half(0))).map(|index| half(8 + 2 * index)).collect();
        (digits, half(2) as i16, half(4), half(6))
    }

    #[test]
    fn digits_are_grouped_around_the_point() {
        assert_eq!(wire("0"), (vec![], 0, 0, 0));
        assert_eq!(wire("-0.00"), (vec![], 0, 0, 2));
        assert_eq!(wire("1"), (vec![1], 0, 0, 0));
        assert_eq!(wire("10000"), (vec![1], 1, 0, 0));
        assert_eq!(wire("-12345.678"), (vec![1, 2345, 6780], 1, 0x4000, 3));
        assert_eq!(wire("0.0001"), (vec![1], -1, 0, 4));
        assert_eq!(wire("0.00001"), (vec![1000], -2, 0, 5));
        assert_eq!(wire("1.50"), (vec![1, 5000], 0, 0, 2));
        assert_eq!(wire("NaN"), (vec![], 0, 0xc000, 0));
    }

    #[test]
    fn a_modifier_holds_precision_and_scale() {
        let modifier = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(Limits::of_modifier(-1), None);
        assert_eq!(Limits::of_modifier(modifier(10, 2)), Some(Limits { precision: 10, scale: 2 }));
        assert_eq!(Limits::of_modifier(modifier(3, -2)), Some(Limits { precision: 3, scale: -2 }));
    }

    #[test]
    fn what_would_be_rounded_or_overflow_is_refused() {
        let fits = |text: &str, precision, scale| {
            put(text, Some(Limits { precision, scale }), &mut Vec::new()).is_ok()
        };
        assert!(fits("99999999.99", 10, 2) && fits("-1.5", 10, 2) && fits("1.500000", 10, 2));
        assert!(!fits("1.005", 10, 2) && !fits("100000000", 10, 2) && !fits("100000000.00", 10, 2));
        assert!(fits("1200", 3, -2) && fits("99900", 3, -2));
        assert!(!fits("1250", 3, -2) && !fits("100000", 3, -2) && !fits("50", 3, -2));
        assert!(fits("0.00123", 3, 5) && fits("0", 3, 5));
        assert!(!fits("0.0123", 3, 5) && !fits("1", 3, 5));
        assert!(put(&"9".repeat(131_073), None, &mut Vec::new()).is_err());
        assert!(put(&"9".repeat(131_072), None, &mut Vec::new()).is_ok());
    }

    /// The number on the wire, times `10^60`.
    fn value(text: &str) -> BigInt {
        let (digits, weight, sign, _) = wire(text);
        let groups = digits.iter().enumerate().map(|(index, &group)| {
            let power = 60 + 4 * (i32::from(weight) - i32::try_from(index).expect("few"));
            BigInt::from(group) * BigInt::from(10).pow(u32::try_from(power).expect("few places"))
        });
        let value: BigInt = groups.sum();
        if sign == 0 { value } else { -value }
    }

    /// The number in a text, times `10^60`.
    fn exact(text: &str) -> BigInt {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<60}").parse().expect("digits")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn a_number_on_the_wire_is_the_number_in_the_text(text in "-?[0-9]{1,30}(\\.[0-9]{1,30})?") {
            prop_assert_eq!(value(&text), exact(&text));
            let (digits, _, _, shown) = wire(&text);
            prop_assert_eq!(usize::from(shown), text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
            prop_assert!(digits.first() != Some(&0) && digits.last() != Some(&0), "{:?}", digits);
        }

        #[test]
        fn a_column_takes_what_it_can_hold_without_rounding(
            text in "-?[0-9]{1,8}(\\.[0-9]{1,8})?",
            precision in 1_u32..10,
            scale in -4_i32..10,
        ) {
            let unit = BigInt::from(10).pow(u32::try_from(60 - scale).expect("not beyond"));
            let limit = &unit * BigInt::from(10).pow(precision);
            let number = exact(&text);
            let expected = &number % &unit == BigInt::ZERO && number < limit && -number < limit;
            let limits = Limits { precision, scale };
            prop_assert_eq!(put(&text, Some(limits), &mut Vec::new()).is_ok(), expected);
        }
    }
}
