//! Whether each value seems to occur only once.
//!
//! The values with the smallest hashes are kept and counted: equal values have equal hashes, so a sample
//! without duplicates is evidence for the whole, whichever worker saw what.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

/// A sample of values, by their hashes.
#[derive(Debug, Default)]
pub(super) struct Unique(BTreeMap<u64, u32>);

/// How many hashes are kept.
const KEPT: usize = 256;

impl Unique {
    pub(super) fn see(&mut self, value: &[u8]) {
        self.add(xxh3_64(value), 1);
    }

    fn add(&mut self, hash: u64, count: u32) {
        let is_full = self.0.len() == KEPT;
        if is_full && self.0.last_key_value().is_some_and(|(&greatest, _)| hash > greatest) {
            return;
        }
        let known = self.0.entry(hash).or_default();
        *known = known.saturating_add(count);
        if self.0.len() > KEPT {
            self.0.pop_last();
        }
    }

    pub(super) fn merge(&mut self, other: Unique) {
        other.0.into_iter().for_each(|(hash, count)| self.add(hash, count));
    }

    /// Whether no value of the sample occurred twice.
    pub(super) fn looks_unique(&self) -> bool {
        self.0.values().all(|&count| count == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u32>) -> Unique {
        let mut unique = Unique::default();
        values.into_iter().for_each(|value| unique.see(&value.to_le_bytes()));
        unique
    }

    #[test]
    fn what_is_there_twice_is_found_whoever_saw_it() {
        assert!(of(0..10_000).looks_unique());
        assert!(!of((0..10_000).map(|n| n / 2)).looks_unique());
        let (mut one, other) = (of(0..5_000), of(2_500..7_500));
        assert!(one.looks_unique() && other.looks_unique());
        one.merge(other);
        assert!(!one.looks_unique());
        let mut apart = of(0..5_000);
        apart.merge(of(5_000..10_000));
        assert_eq!(apart.0, of(0..10_000).0);
    }
}
