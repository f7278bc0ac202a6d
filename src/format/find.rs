//! Finds a byte that is most likely near: the delimiter after a value, the quote at its end.
//!
//! Most values of a log are short. For these, comparing eight bytes at a time in line is faster than
//! calling a vectorised search, which takes over for long values.

/// How many words of eight bytes are compared before the vectorised search is called.
const NEAR_WORDS: usize = 5;

const ONES: u64 = u64::MAX / 255;

/// The position of the first of `needles` in `text`, from `start` on.
#[inline(always)]
pub(super) fn find<const N: usize>(needles: [u8; N], text: &[u8], start: usize) -> Option<usize> {
    let (words, _) = text.get(start..)?.as_chunks::<8>();
    let mut at = start;
    for word in words.iter().take(NEAR_WORDS) {
        let found = marks(needles, u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    match words.len() < NEAR_WORDS {
        true => find_in_last_word(needles, text, at),
        false => find_far(needles, text, at),
    }
}

/// The end of the plain part of a JSON string that continues at `start`: a quote, a backslash, or a control
/// character, which a string must not contain.
#[inline(always)]
pub(super) fn find_end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let (vectors, rest) = text.get(start..)?.as_chunks::<16>();
    let mut at = start;
    for vector in vectors {
        // Without branches the compiler makes vectors of it. With three conditions they are faster than
        // words, with one they are slower.
        let found = vector.map(|byte| if ends_string(byte) { 0xff } else { 0 });
        let found = u128::from_le_bytes(found);
        let (low, high) = (found as u64, (found >> 64) as u64);
        if low != 0 {
            return Some(at + low.trailing_zeros() as usize / 8);
        }
        if high != 0 {
            return Some(at + 8 + high.trailing_zeros() as usize / 8);
        }
        at += vector.len();
    }
    Some(at + rest.iter().position(|byte| ends_string(*byte))?)
}

#[inline(always)]
fn ends_string(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// The top bit of each byte of `word` that is below `BELOW`, which is at most 0x80. Only the lowest bit
/// that is set is certain.
#[inline(always)]
fn marks_below<const BELOW: u8>(word: u64) -> u64 {
    // A byte below the bound borrows from its top bit; a byte above 0x7f has that bit set.
    word.wrapping_sub(ONES * u64::from(BELOW)) & !word & (ONES << 7)
}

/// The top bit of each byte of `word` that is one of `needles`. Only the lowest bit that is set is
/// certain.
#[inline(always)]
fn marks<const N: usize>(needles: [u8; N], word: u64) -> u64 {
    needles.into_iter().fold(0, |found, needle| {
        // A byte equal to the needle becomes zero, and borrows from the byte above it.
        let word = word ^ (ONES * u64::from(needle));
        found | (word.wrapping_sub(ONES) & !word & (ONES << 7))
    })
}

/// The same for needles that are all below `BELOW`. One comparison finds every byte below it, and few other
/// bytes of a log are.
#[inline(always)]
pub(super) fn find_below<const BELOW: u8>(needles: &[u8], text: &[u8], start: usize) -> Option<usize> {
    let (words, rest) = text.get(start..)?.as_chunks::<8>();
    let mut at = start;
    for word in words {
        let mut found = marks_below::<BELOW>(u64::from_le_bytes(*word));
        while found != 0 {
            let place = at + found.trailing_zeros() as usize / 8;
            if needles.contains(&text[place]) {
                return Some(place);
            }
            found &= found - 1;
        }
        at += 8;
    }
    Some(at + rest.iter().position(|byte| needles.contains(byte))?)
}

/// The same for the last bytes, fewer than a word.
#[inline]
fn find_in_last_word<const N: usize>(needles: [u8; N], text: &[u8], start: usize) -> Option<usize> {
    let Some(word) = text.last_chunk::<8>() else {
        let rest = text.get(start..)?;
        return Some(start + rest.iter().position(|byte| needles.contains(byte))?);
    };
    let left = text.len().checked_sub(start).filter(|left| *left > 0)?;
    let found = marks(needles, u64::from_le_bytes(*word) >> (8 * (8 - left)));
    let length = found.trailing_zeros() as usize / 8;
    // If the needle is a NUL, the zeros that were shifted in match too.
    (length < left).then_some(start + length)
}

#[inline(never)]
fn find_far<const N: usize>(needles: [u8; N], text: &[u8], start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let length = match needles.as_slice() {
        &[one] => memchr::memchr(one, rest),
        &[one, two] => memchr::memchr2(one, two, rest),
        &[one, two, three] => memchr::memchr3(one, two, three, rest),
        needles => rest.iter().position(|byte| needles.contains(byte)),
    };
    Some(start + length?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plainly(needles: &[u8], text: &[u8], start: usize) -> Option<usize> {
        (start..text.len()).find(|&at| needles.contains(&text[at]))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn it_finds_what_a_loop_finds(
            text in proptest::collection::vec(
                prop_oneof![20 => Just(b'x'), 1 => Just(b','), 1 => Just(b'"'), 1 => Just(0), 1 => Just(b'-'), 1 => any::<u8>()],
                0..150,
            ),
            start in 0_usize..150,
        ) {
            for start in [start, start.min(text.len())] {
                prop_assert_eq!(find([b','], &text, start), plainly(b",", &text, start));
                prop_assert_eq!(find([0], &text, start), plainly(b"\0", &text, start));
                prop_assert_eq!(find([b',', b'"'], &text, start), plainly(b",\"", &text, start));
                prop_assert_eq!(find([b',', b'"', 0xff], &text, start), plainly(b",\"\xff", &text, start));
                prop_assert_eq!(find([b',', b'"', 0, b'-'], &text, start), plainly(b",\"\0-", &text, start));
                prop_assert_eq!(find_below::<0x2d>(b",\"\0", &text, start), plainly(b",\"\0", &text, start));
                let ends: Vec<u8> = (0..b' ').chain(*b"\"\\").collect();
                prop_assert_eq!(find_end_of_string(&text, start), plainly(&ends, &text, start));
            }
        }
    }
}
