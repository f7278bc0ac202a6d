//! Numbers within `jsonb`: PostgreSQL stores them as `numeric`, which has limits that JSON has not.
//!
//! A number that is too large for it is infinite for any other program too and was refused earlier; one with
//! too many decimal places, such as `1e-20000`, is an ordinary zero until the server stores all of them.

use super::numeric::FRACTION_DIGITS_MAX;

/// Whether all numbers in a JSON text can be stored. (`0e9999999999`, which no program writes, is left to the
/// server, which does not read such an exponent.)
#[inline]
pub(in crate::sink) fn holds(json: &[u8]) -> bool {
    // Without thousands of digits it takes a negative exponent of at least four digits. Almost nothing even
    // looks like one, and a `-` is rarer than an `e`.
    let is_suspect = json.len() > FRACTION_DIGITS_MAX
        || memchr::memchr_iter(b'-', json).any(|at| {
            matches!(json[..at], [.., b'0'..=b'9', b'e' | b'E']) && count_digits(&json[at + 1..]) >= 4
        });
    !is_suspect || all_numbers_fit(json)
}

#[cold]
fn all_numbers_fit(json: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        at += match byte {
            b'"' => match string_length(&json[at..]) {
                Some(length) => length,
                // Not JSON, and so not judged here.
                None => return true,
            },
            b'0'..=b'9' => {
                let (fits, length) = number(&json[at..]);
                if !fits {
                    return false;
                }
                length
            }
            _ => 1,
        };
    }
    true
}

/// The length of the string at the start of `json`, with its quotes.
fn string_length(json: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', &json[at..])?;
        match json[at] {
            b'"' => return Some(at + 1),
            // An escaped character does not end the string.
            _ => at += 2,
        }
        if at >= json.len() {
            return None;
        }
    }
}

/// Whether the number at the start of `json` fits, and its length.
fn number(json: &[u8]) -> (bool, usize) {
    let mut length = count_digits(json);
    let mut places = 0;
    if json.get(length) == Some(&b'.') {
        places = count_digits(&json[length + 1..]);
        length += 1 + places;
    }
    let mut exponent = 0;
    if let Some(b'e' | b'E') = json.get(length) {
        let sign = json.get(length + 1);
        length += if matches!(sign, Some(b'+' | b'-')) { 2 } else { 1 };
        let digits = &json[length..][..count_digits(&json[length..])];
        length += digits.len();
        let value = digits
            .iter()
            .fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add((digit - b'0').into()));
        exponent = if sign == Some(&b'-') { -value } else { value };
    }
    let places = i64::try_from(places).unwrap_or(i64::MAX).saturating_sub(exponent);
    (places <= i64::try_from(FRACTION_DIGITS_MAX).unwrap_or(i64::MAX), length)
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_judged_as_the_server_judges_them() {
        let places = |zeros: usize| format!("[-0.{}1]", "0".repeat(zeros));
        for fits in ["1e-16383", "[1.5E+100]", "-0", "0e-16383", "12.34e-16381", "0e1073741822", "{}"] {
            assert!(holds(fits.as_bytes()), "{fits}");
        }
        for too_fine in [
            "1e-16384",
            "[1e-20000]",
            "{\"a\":0e-99999}",
            "1e-2147483648",
            "-2.5E-99999999999999999999",
            "1.25e-16382",
        ] {
            assert!(!holds(too_fine.as_bytes()), "{too_fine}");
        }
        assert!(holds(places(16382).as_bytes()));
        assert!(!holds(places(16383).as_bytes()));
    }

    #[test]
    fn what_stands_in_a_text_is_no_number() {
        for text in [r#""1e-20000""#, r#"{"1e-20000":"\"1e-20000\\"}"#, r#"["\\",1,"1e-20000"]"#] {
            assert!(holds(text.as_bytes()), "{text}");
        }
        assert!(!holds(br#"["\\",1e-20000]"#));
        assert!(holds(br#""1e-20000"#) && holds(br#""1e-20000\"#));
    }
}
