//! Trials: the same story many times with random choices, each reproducible.
//!
//! Every trial has a seed from which all its random choices come. The seeds are the same in every run, so
//! two runs of all tests do the same. With `LOGMILL_TRIALS=100` there are a hundred times as many trials,
//! with fresh seeds. A failing trial prints how to run it alone.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;

/// Runs `count` trials, or a multiple of that if `LOGMILL_TRIALS` is set.
pub(crate) fn trials(test: &str, count: usize, mut trial: impl FnMut(Rng)) {
    let began = Instant::now();
    let seeds = seeds(test, count * factor());
    for &seed in &seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| trial(Rng::with_seed(seed))));
        if let Err(panic) = outcome {
            eprintln!(
                "the trial fails again with:\n  LOGMILL_SEED={seed} cargo test --features failpoints,buckets -- --exact {test}"
            );
            resume_unwind(panic);
        }
    }
    eprintln!("{test}: {} trials in {:.1} s", seeds.len(), began.elapsed().as_secs_f64());
}

/// The multiple of trials that `LOGMILL_TRIALS` asks for. Above one, tests that usually sample their cases
/// run all of them.
pub(crate) fn factor() -> usize {
    number("LOGMILL_TRIALS").map_or(1, |factor| usize::try_from(factor).unwrap().max(1))
}

/// The cases for this run: all of them in a long run, otherwise `count` of them, spread over the whole list.
pub(crate) fn some_of<T>(cases: Vec<T>, count: usize) -> Vec<T> {
    if factor() > 1 || cases.len() <= count {
        return cases;
    }
    let length = cases.len();
    let picked = cases.into_iter().enumerate().filter(|(index, _)| index * count % length < count);
    picked.map(|(_, case)| case).collect()
}

fn seeds(test: &str, count: usize) -> Vec<u64> {
    if let Some(seed) = number("LOGMILL_SEED") {
        return vec![seed];
    }
    // A long run gains nothing from seeds that were tried before.
    let day = match factor() {
        1 => 0,
        _ => u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap(),
    };
    let mut rng = Rng::with_seed(test.bytes().fold(day, |sum, byte| sum.wrapping_mul(31) + u64::from(byte)));
    (0..count).map(|_| rng.u64(..1 << 48)).collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, which is no number")))
}
