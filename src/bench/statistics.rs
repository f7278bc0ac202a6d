//! Medians, and their confidence intervals.
//!
//! Nothing here assumes a distribution of times: disturbances make them longer, occasionally by much. So
//! figures are medians, and intervals come from ranks or from resampling.

use crate::report::BenchSeries;

/// The confidence of an interval. Five stages are checked several times each, and a false alarm costs a
/// person's time.
const CONFIDENCE: f64 = 0.99;

/// The number of resamplings.
const DRAWS: usize = 4_000;

/// A median, and its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The median of some figures; NaN if there are none.
pub(super) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Some figures with their median, minimum and maximum.
pub(super) fn series(runs: Vec<f64>) -> BenchSeries {
    BenchSeries {
        median: median(&runs),
        least: runs.iter().copied().fold(f64::INFINITY, f64::min),
        most: runs.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        runs,
    }
}

/// The median of the ratios of pairs, each measured at one time. Its interval follows from ranks alone (the
/// sign test), whatever the distribution. A few pairs say nothing.
pub(super) fn of_pairs(ratios: &[f64]) -> Estimate {
    let mut sorted = ratios.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = match rank(sorted.len()) {
        Some(rank) => (sorted[rank], sorted[sorted.len() - 1 - rank]),
        None => (0.0, f64::INFINITY),
    };
    Estimate { median: median(ratios), low, high }
}

/// How many of `count` sorted figures can be dropped at each end so that the median still lies within the
/// rest.
fn rank(count: usize) -> Option<usize> {
    // The probability that this few of `count` coin tosses are heads.
    let (mut chance, mut below, mut best) = (0.5_f64.powi(i32::try_from(count).ok()?), 0.0, None);
    for heads in 0..count / 2 {
        below += chance;
        if below > (1.0 - CONFIDENCE) / 2.0 {
            break;
        }
        best = Some(heads);
        chance *= (count - heads) as f64 / (heads + 1) as f64;
    }
    best
}

/// The ratio of the medians of two series that were measured separately. Its interval is found by resampling
/// both, with the same random draws every time.
pub(super) fn of_series(old: &[f64], new: &[f64]) -> Estimate {
    let mut random = fastrand::Rng::with_seed(1);
    let mut drawn = |figures: &[f64]| {
        let again: Vec<f64> = (0..figures.len()).map(|_| figures[random.usize(..figures.len())]).collect();
        median(&again)
    };
    let mut ratios: Vec<f64> = (0..DRAWS).map(|_| drawn(old) / drawn(new)).collect();
    ratios.sort_by(f64::total_cmp);
    let cut = ((1.0 - CONFIDENCE) / 2.0 * DRAWS as f64) as usize;
    Estimate { median: median(old) / median(new), low: ratios[cut], high: ratios[DRAWS - 1 - cut] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    /// The table of the sign test: 8 figures for 99 %, all of them; from 12 on one may be an outlier.
    #[test]
    fn ranks_are_those_of_the_sign_test() {
        let table =
            [(1, None), (7, None), (8, Some(0)), (11, Some(0)), (12, Some(1)), (20, Some(3)), (40, Some(11))];
        for (count, expected) in table {
            assert_eq!(rank(count), expected, "of {count}");
        }
    }

    #[test]
    fn one_odd_pair_of_twelve_moves_nothing() {
        let mut ratios = vec![1.0; 12];
        ratios[3] = 0.1;
        assert_eq!(of_pairs(&ratios), Estimate { median: 1.0, low: 1.0, high: 1.0 });
        assert_eq!(of_pairs(&[0.5; 4]).high, f64::INFINITY);
    }

    /// How often the interval misses, with noise typical of machines: skewed to one side.
    #[test]
    fn intervals_hold_what_they_promise() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut noisy = |count: usize| -> Vec<f64> {
            (0..count).map(|_| 1.0 + 0.05 * -(1.0 - random.f64()).ln()).collect()
        };
        let (mut of_pairs_missed, mut of_series_missed) = (0, 0);
        for _ in 0..500 {
            let (old, new) = (noisy(20), noisy(20));
            let ratios: Vec<f64> = old.iter().zip(&new).map(|(old, new)| old / new).collect();
            let (pairs, series) = (of_pairs(&ratios), of_series(&old, &new));
            of_pairs_missed += i32::from(pairs.low > 1.0 || pairs.high < 1.0);
            of_series_missed += i32::from(series.low > 1.0 || series.high < 1.0);
        }
        assert!(of_pairs_missed <= 10, "{of_pairs_missed} of 500");
        assert!(of_series_missed <= 10, "{of_series_missed} of 500");
    }

    #[test]
    fn a_tenth_is_seen_through_noise_of_a_twentieth() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut noisy =
            |middle: f64| -> Vec<f64> { (0..20).map(|_| middle * (0.95 + 0.1 * random.f64())).collect() };
        let estimate = of_series(&noisy(1.0), &noisy(1.1));
        assert!(estimate.high < 0.95 && estimate.low > 0.87, "{estimate:?}");
        assert_eq!(of_series(&[1.0, 2.0, 3.0], &[1.0]), of_series(&[1.0, 2.0, 3.0], &[1.0]));
    }
}
