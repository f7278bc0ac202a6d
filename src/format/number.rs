//! Doubles that a single division gives exactly.

/// The powers of ten by which a number of fifteen digits can be divided.
const POWERS_OF_TEN: [f64; 15] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/// The double nearest to a number of `count` digits, `fraction` of them after the point, if they are few
/// enough: then both operands are exact, and the quotient is rounded only once.
#[inline]
pub(crate) fn quotient(digits: i64, count: usize, fraction: usize) -> Option<f64> {
    let power = POWERS_OF_TEN.get(fraction).filter(|_| count <= 15)?;
    Some(digits as f64 / power)
}
