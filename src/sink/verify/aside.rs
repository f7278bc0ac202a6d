//! Rows that differ from their record where the key holds no place: another record with the same key may have
//! produced them. A second reading looks for that record.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::kept::Place;

/// At most this many keys are remembered.
const KEYS_MAX: usize = 1_000_000;

/// Records whose row holds something else, by the hash of their key.
#[derive(Debug, Default)]
pub(super) struct Asides(HashMap<u128, Aside>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    pub(super) place: Place,
    pub(super) line: u64,
    /// The index of the first column that differs.
    pub(super) column: usize,
    /// The digests of the expected row and of the held one.
    pub(super) digests: (u128, u128),
    /// A record with the content of the row was found.
    pub(super) is_settled: bool,
}

impl Asides {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a record aside. False if there is no more room.
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

    /// Whether a record with this key may match a row put aside. If the destination equates keys of different
    /// bytes, any record may.
    pub(super) fn wants(&self, key: u128, equates: bool) -> bool {
        equates || self.0.get(&key).is_some_and(|aside| !aside.is_settled)
    }

    /// Notes that a record with this key matches the row.
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
