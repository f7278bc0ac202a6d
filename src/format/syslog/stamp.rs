//! The timestamps of RFC 3164, and those that daemons write instead.
//!
//! Only their shape is checked here; the field decides whether one is valid.

/// The length of the timestamp at the start of `text`, if there is one and a word ends after it.
pub(super) fn length_of(text: &[u8]) -> Option<usize> {
    let length = if begins_with_year(text) { iso(text) } else { month(text) }?;
    matches!(text.get(length), None | Some(b' ' | b':')).then_some(length)
}

/// Whether `text` begins as a date in ISO 8601 does.
pub(super) fn begins_with_year(text: &[u8]) -> bool {
    is_shape(text, b"dddd-")
}

/// `2023-10-27T12:34:56.789+02:00`, or with a blank between date and time.
fn iso(text: &[u8]) -> Option<usize> {
    let is_whole = is_shape(text, b"dddd-dd-ddTdd:dd:dd") || is_shape(text, b"dddd-dd-dd dd:dd:dd");
    let seconds = text.get(19..).filter(|_| is_whole)?;
    let is_part =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b',' | b'+' | b'-' | b':');
    let rest = seconds.iter().take_while(|byte| is_part(byte)).count();
    // Colons at the end do not belong to it.
    let colons = seconds[..rest].iter().rev().take_while(|byte| **byte == b':').count();
    Some(19 + rest - colons)
}

/// `Aug  7 02:14:38`, with a year behind the day or the time and a fraction of the second, or
/// without.
fn month(text: &[u8]) -> Option<usize> {
    let name = text.first_chunk::<3>().filter(|name| is_month(name))?;
    // Most timestamps have neither a year nor a fraction.
    if let [b' ', first, second, ..] = text[15.min(text.len())..]
        && ![[b'1', b'9'], [b'2', b'0']].contains(&[first, second])
        && (is_shape(&text[3..], b" dd dd:dd:dd") || is_shape(&text[3..], b"  d dd:dd:dd"))
    {
        return Some(15);
    }
    let day = match &text[name.len()..] {
        rest if is_shape(rest, b" dd ") || is_shape(rest, b"  d ") => 4,
        rest if is_shape(rest, b" d ") => 3,
        _ => return None,
    };
    let mut at = name.len() + day;
    if is_shape(&text[at..], b"dddd ") {
        at += 5;
    }
    if !is_shape(&text[at..], b"dd:dd:dd") {
        return None;
    }
    at += 8;
    if let Some([b'.' | b',', digits @ ..]) = text.get(at..) {
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        at += if digits > 0 { digits + 1 } else { 0 };
    }
    let is_year = |text: &[u8]| is_shape(text, b" 19dd") || is_shape(text, b" 20dd");
    let ends = |text: &[u8]| matches!(text.get(5), None | Some(b' ' | b':'));
    let has_year = text.get(at..).is_some_and(|rest| is_year(rest) && ends(rest));
    Some(if has_year { at + 5 } else { at })
}

fn is_month(name: &[u8; 3]) -> bool {
    matches!(
        name,
        b"Jan"
            | b"Feb"
            | b"Mar"
            | b"Apr"
            | b"May"
            | b"Jun"
            | b"Jul"
            | b"Aug"
            | b"Sep"
            | b"Oct"
            | b"Nov"
            | b"Dec"
    )
}

/// Whether `text` begins with this, where a `d` is any digit. Every byte is looked at, so that
/// nothing is asked of one after the other.
#[inline(always)]
fn is_shape<const N: usize>(text: &[u8], shape: &[u8; N]) -> bool {
    let is_like = |(byte, like): (&u8, &u8)| if *like == b'd' { byte.is_ascii_digit() } else { byte == like };
    text.first_chunk::<N>()
        .is_some_and(|text| text.iter().zip(shape).fold(true, |all, pair| all & is_like(pair)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found() {
        for (text, length) in [
            ("Aug 19 02:14:38 host", Some(15)),
            ("Aug  9 02:14:38", Some(15)),
            ("Aug 9 02:14:38 host", Some(14)),
            ("Aug 09 2023 02:14:38: %ASA", Some(20)),
            ("Aug 19 02:14:38.123456 host", Some(22)),
            ("Aug 19 02:14:38 2023 host", Some(20)),
            ("Aug 19 02:14:38.5 1999", Some(22)),
            ("Aug 19 02:14:38 20231 host", Some(15)),
            ("Aug 19 02:14:38 3000 host", Some(15)),
            ("Aug 19 02:14:38. host", None),
            ("Aug 19 02:14:38x", None),
            ("Aug 19 2:14:38 host", None),
            ("aug 19 02:14:38 host", None),
            ("2023-10-27T12:34:56.789+02:00 host", Some(29)),
            ("2023-10-27T12:34:56Z", Some(20)),
            ("2023-10-27 12:34:56,789 host", Some(23)),
            ("2023-10-27T12:34:56Z: host", Some(20)),
            ("2023-10-27T12:34 host", None),
            ("2023-10-27 host", None),
            ("", None),
        ] {
            assert_eq!(length_of(text.as_bytes()), length, "{text}");
        }
    }
}
