//! Rows that hold other values than their record: where the key says nothing of places, another
//! record of the same key may have given them these. They are looked for in a second reading.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::kept::Place;

/// So many keys are remembered at most.
const KEYS_MAX: usize = 1_000_000;

/// By the hash of its key, a record whose row holds something else.
#[derive(Debug, Default)]
pub(super) struct Asides(HashMap<u128, Aside>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    pub(super) place: Place,
    pub(super) line: u64,
    /// The number of the first column that is different.
    pub(super) column: usize,
    /// The digests of what is expected, and of what is held.
    pub(super) digests: (u128, u128),
    /// A record has what the row holds.
    pub(super) is_settled: bool,
}

impl Asides {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a record aside. False if there is no room for more.
    pub(super) fn put(&mut self, key: u128, aside: Aside) -> bool {
        let has_room = self.0.len() < KEYS_MAX;
        match self.0.entry(key) {
            Entry::Occupied(_) => true,
            Entry::Vacant(vacant) if has_room => {
                vacant.insert(aside);
                true
            }
            Entry::Vacant(_) => false,
        }
    }

    /// Whether a record of this key may have what a row holds. Where the destination equates keys,
    /// its own does not say.
    pub(super) fn wants(&self, key: u128, equates: bool) -> bool {
        equates || self.0.get(&key).is_some_and(|aside| !aside.is_settled)
    }

    /// Notes that a record has what the row of this key holds.
    pub(super) fn note(&mut self, key: u128) {
        if let Some(aside) = self.0.get_mut(&key) {
            aside.is_settled = true;
        }
    }

    /// All of them, in the order of the sources.
    pub(super) fn in_order(self) -> Vec<Aside> {
        let mut all: Vec<Aside> = self.0.into_values().collect();
        all.sort_by_key(|aside| aside.place);
        all
    }
}
