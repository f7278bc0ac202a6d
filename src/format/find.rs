//! Where a byte stands that is most likely near: the delimiter behind a value, the quote at its
//! end.
//!
//! Values of a log are short, and for those a call of a vectorised search takes longer than a look
//! at eight bytes at a time. What is not found soon is left to that search.

/// How many words of eight bytes are looked at before a vectorised search is called.
const NEAR_WORDS: usize = 5;

const ONES: u64 = u64::MAX / 255;

/// Where in `text` the first of `needles` stands, at `start` or behind it.
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

/// Where a JSON string ends that goes on at `start`: at a quote, a backslash, or a control character,
/// which must not stand in one.
#[inline(always)]
pub(super) fn find_end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let (words, _) = text.get(start..)?.as_chunks::<8>();
    let mut at = start;
    for word in words.iter().take(NEAR_WORDS) {
        let word = u64::from_le_bytes(*word);
        let found = marks([b'"', b'\\'], word) | marks_below::<b' '>(word);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    find_far_end_of_string(text, at)
}

/// The same, in whole vectors.
#[inline(never)]
fn find_far_end_of_string(text: &[u8], mut at: usize) -> Option<usize> {
    let ends = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    let (vectors, _) = text[at..].as_chunks::<32>();
    for vector in vectors {
        // Without a branch, so that it becomes a vector.
        if vector.iter().fold(false, |found, byte| found | ends(byte)) {
            break;
        }
        at += 32;
    }
    Some(at + text[at..].iter().position(ends)?)
}

/// The uppermost bit of each byte of `word` that is below `BELOW`, which is at most 0x80; only the lowest
/// such bit is certain to be right.
#[inline(always)]
fn marks_below<const BELOW: u8>(word: u64) -> u64 {
    // A byte below the bound borrows from its uppermost bit, and one above 0x7f has that.
    word.wrapping_sub(ONES * u64::from(BELOW)) & !word & (ONES << 7)
}

/// The uppermost bit of each byte of `word` that is one of `needles`; only the lowest such bit is
/// certain to be right.
#[inline(always)]
fn marks<const N: usize>(needles: [u8; N], word: u64) -> u64 {
    needles.into_iter().fold(0, |found, needle| {
        // A byte that is the needle becomes zero, and a zero borrows from the byte above it.
        let word = word ^ (ONES * u64::from(needle));
        found | (word.wrapping_sub(ONES) & !word & (ONES << 7))
    })
}

/// Where in `text` the first of `needles` stands, at `start` or behind it, all of which are bytes below
/// `BELOW`: one look finds whatever is below it, and of what a log has that is little else.
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

/// The same for what is less than a word.
#[inline]
fn find_in_last_word<const N: usize>(needles: [u8; N], text: &[u8], start: usize) -> Option<usize> {
    let Some(word) = text.last_chunk::<8>() else {
        let rest = text.get(start..)?;
        return Some(start + rest.iter().position(|byte| needles.contains(byte))?);
    };
    let left = text.len().checked_sub(start).filter(|left| *left > 0)?;
    let found = marks(needles, u64::from_le_bytes(*word) >> (8 * (8 - left)));
    let length = found.trailing_zeros() as usize / 8;
    // What was shifted in is a needle too, if that is a NUL.
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
