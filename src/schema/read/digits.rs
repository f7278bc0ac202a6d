//! Numbers in text as programs write them: digits, possibly with a leading minus and a point, and nothing
//! else.
//!
//! These readers decide nothing about any other text, nor about one with more digits than they can handle:
//! the readers after them have the last word.

use crate::format::quotient;

/// An integer of up to sixteen digits.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = unsigned(text);
    let number = natural(digits)?;
    Some(if is_negative { -number } else { number })
}

/// The powers of ten that fifteen digits and a point can have behind them.
const POWERS_OF_TEN: [i64; 16] = {
    let mut powers = [1; 16];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// A double of up to fifteen digits.
#[inline]
pub(super) fn double(text: &[u8]) -> Option<f64> {
    let (is_negative, digits) = unsigned(text);
    // Fifteen digits and a point.
    if digits.len() > 16 {
        return None;
    }
    let number = match digits.iter().position(|&byte| byte == b'.') {
        None => natural(digits).filter(|_| digits.len() <= 15)? as f64,
        Some(point) => {
            let (whole, fraction) = (&digits[..point], &digits[point + 1..]);
            let number = natural(whole)? * POWERS_OF_TEN.get(fraction.len())? + natural(fraction)?;
            quotient(number, whole.len() + fraction.len(), fraction.len())?
        }
    };
    Some(if is_negative { -number } else { number })
}

#[inline]
fn unsigned(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    }
}

#[inline]
fn natural(digits: &[u8]) -> Option<i64> {
    match digits.split_last_chunk::<8>() {
        Some((upper @ [_, ..], lower)) => Some(few(upper)? * 100_000_000 + few(lower)?),
        _ => few(digits),
    }
}

/// The number in one to eight digits, all at once.
#[inline]
fn few(digits: &[u8]) -> Option<i64> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    /// How much can be added to a digit before the top bit of its byte is set.
    const ROOM: u64 = u64::from_le_bytes([0x7f - 9; 8]);
    let length = digits.len();
    let word = match (digits.first_chunk::<4>(), digits.last_chunk::<4>()) {
        // The two overlap, and agree where they do.
        (Some(first), Some(last)) if length <= 8 => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4))
        }
        _ => match *digits {
            [one] => u64::from(one),
            [one, two] => u64::from(u16::from_le_bytes([one, two])),
            [one, two, three] => u64::from(u32::from_le_bytes([one, two, three, 0])),
            _ => return None,
        },
    };
    // The first digit is the lowest byte; below it come the zeros that a number may begin with.
    let shift = 64 - 8 * length;
    let digits = (word << shift) ^ (ZEROS << shift);
    if (digits | digits.wrapping_add(ROOM)) & (0x80 * (u64::MAX / 255)) != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours * 10_000 + (fours >> 32)) & 0xffff_ffff) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_as_programs_write_them_are_read() {
        for (text, number) in [
            ("0", 0),
            ("-7", -7),
            ("007", 7),
            ("12345678", 12_345_678),
            ("-9999999999999999", -9_999_999_999_999_999),
        ] {
            assert_eq!(integer(text.as_bytes()), Some(number), "{text}");
            assert_eq!(double(text.as_bytes()).is_some(), text.len() < 16, "{text}");
        }
        assert_eq!(double(b"-0"), Some(-0.0));
        assert!(double(b"-0.0").is_some_and(f64::is_sign_negative));
        for text in ["", "-", "+1", "1 ", " 1", "1_0", "1.", ".1", "1e3", "--1", "1.2.3", "12345678901234567"]
        {
            assert_eq!(integer(text.as_bytes()), None, "{text}");
            assert_eq!(double(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn they_are_those_of_the_standard_library(text in "-?[0-9]{0,18}(\\.[0-9]{0,18})?|[-0-9./:]{0,9}") {
            if let Some(number) = integer(text.as_bytes()) {
                prop_assert_eq!(Ok(number), text.parse());
            }
            if let Some(number) = double(text.as_bytes()) {
                prop_assert_eq!(Ok(number.to_bits()), text.parse::<f64>().map(f64::to_bits));
            }
            let digits = text.strip_prefix('-').unwrap_or(&text);
            let are_few = (1..=15).contains(&digits.len());
            prop_assert!(!are_few || !digits.bytes().all(|byte| byte.is_ascii_digit()) || double(text.as_bytes()).is_some());
        }
    }
}
