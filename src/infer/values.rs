//! The keys of records and their values, summarised.
//!
//! Values that the same types would accept form a class. The classes show, for each type, how many values it
//! accepts and where the first of the others are.
//!
//! Every key of a chunk is tracked. The summaries of chunks are merged in file order, and a key that is new
//! when there are too many stays untracked: it is left to the column for the rest. So a key is tracked
//! everywhere or nowhere, the same ones whichever worker saw what, and what is proposed for one holds for all
//! of its values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bumpalo::Bump;

use super::traits::{self, Traits, VOIDS};
use super::unique::Unique;
use super::{Spot, widen};
use crate::format::{Item, Members, Raw, Unstorable, is_same};
use crate::sink::kinds::fits_jsonb;

/// Keys, in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) keys: Vec<Key>,
    by_name: HashMap<Box<str>, usize>,
    /// The number of objects that were observed.
    pub(super) objects: u64,
    /// Members whose keys were too many to be tracked.
    pub(super) untold: u64,
    /// The positions of an object's keys, kept for the next object.
    places: Vec<usize>,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: Box<str>,
    /// Where it was first seen: the record, and its place among the members.
    pub(super) first: (Spot, usize),
    /// The object in which it was last seen, and its place there: a key that occurs twice in one object
    /// counts once.
    last: (u64, usize),
    /// Objects that have it.
    pub(super) count: u64,
    pub(super) values: Values,
}

/// Beyond this many, keys are not tracked: such records use data as keys.
pub(super) const KEYS_MAX: usize = 4_096;

/// The same for objects within records.
const MEMBERS_MAX: usize = 64;

impl Keys {
    /// Observes the members of an object.
    pub(super) fn see(&mut self, spot: Spot, members: Members<'_>, arena: &Bump, depth: usize) {
        self.objects += 1;
        let mut places = std::mem::take(&mut self.places);
        let mut guess = 0;
        for (number, (name, _)) in members.clone().enumerate() {
            let index = self.find_or_add(guess, name, (spot, number));
            let key = &mut self.keys[index];
            if key.last.0 != self.objects {
                key.count += 1;
            }
            key.last = (self.objects, number);
            places.push(index);
            guess = index + 1;
        }
        // If a name occurs twice the record has the last value, and the others decide nothing.
        for ((number, (_, value)), &index) in members.enumerate().zip(&places) {
            let key = &mut self.keys[index];
            if key.last.1 == number {
                key.values.see(spot, value, arena, depth);
            }
        }
        places.clear();
        self.places = places;
    }

    /// The position of a key. Logs repeat their keys in the same order, so `guess` is usually right.
    fn find_or_add(&mut self, guess: usize, name: &str, first: (Spot, usize)) -> usize {
        match self.keys.get(guess) {
            Some(key) if is_same(key.name.as_bytes(), name.as_bytes()) => guess,
            _ => match self.by_name.get(name) {
                Some(&index) => index,
                None => self.add(Key {
                    name: name.into(),
                    first,
                    last: (0, 0),
                    count: 0,
                    values: Values::default(),
                }),
            },
        }
    }

    fn add(&mut self, key: Key) -> usize {
        self.by_name.insert(key.name.clone(), self.keys.len());
        self.keys.push(key);
        self.keys.len() - 1
    }

    /// Adds what was observed in later records. With more than `max` keys the new ones stay untracked.
    fn merge_at_most(&mut self, other: Keys, max: usize) {
        self.objects += other.objects;
        self.untold += other.untold;
        for mut key in other.keys {
            match self.by_name.get(&key.name) {
                Some(&index) => {
                    let known = &mut self.keys[index];
                    known.first = known.first.min(key.first);
                    known.count += key.count;
                    known.values.merge(key.values);
                }
                None if self.keys.len() < max => {
                    // Each observer numbers objects from the start.
                    key.last = (0, 0);
                    self.add(key);
                }
                None => self.untold += key.count,
            }
        }
    }

    /// Adds what was observed of the objects under one key.
    pub(super) fn merge(&mut self, other: Keys) {
        self.merge_at_most(other, MEMBERS_MAX);
    }

    /// Adds what was observed in later records.
    pub(super) fn append(&mut self, other: Keys) {
        self.merge_at_most(other, KEYS_MAX);
    }
}

/// What was observed of the values of one key.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) nulls: u64,
    classes: Vec<Class>,
    /// The class that was last seen: logs repeat themselves.
    last: usize,
    /// The smallest and the greatest integer of 64 bits.
    pub(super) int_range: Option<(i64, i64)>,
    pub(super) float_range: Option<(f64, f64)>,
    /// Microseconds since 1970, of ISO timestamps.
    pub(super) stamps: Option<(i64, i64)>,
    /// The same for timestamps in each layout.
    pub(super) laid: BTreeMap<usize, (i64, i64)>,
    /// Days since 1970.
    pub(super) days: Option<(i32, i32)>,
    /// Timestamps with more than six fractional digits.
    pub(super) cut: u64,
    pub(super) chars_max: usize,
    pub(super) distinct: Distinct,
    pub(super) unique: Unique,
    /// The items of all lists.
    pub(super) items: Option<Box<Values>>,
    /// The members of all objects.
    pub(super) members: Option<Box<Keys>>,
    /// Values that contain a NUL.
    pub(super) nul: Met,
    /// Numbers that are NaN.
    pub(super) nan: Met,
    /// Infinite numbers, and lists and objects that contain infinities or NaN.
    pub(super) not_finite: Met,
    /// Values with a number that a `jsonb` cannot hold.
    pub(super) beyond_jsonb: Met,
}

/// Values with the same possible types.
#[derive(Debug)]
struct Class {
    traits: Traits,
    met: Met,
}

/// How many there were, and the first of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Met {
    pub(super) count: u64,
    pub(super) first: Vec<(Spot, Box<str>)>,
}

/// At most this many are named.
const NAMED_MAX: usize = 3;

/// A longer example is cut.
const EXAMPLE_BYTES_MAX: usize = 40;

impl Met {
    pub(super) fn see(&mut self, spot: Spot, value: Item<'_>) {
        self.count += 1;
        if self.first.len() < NAMED_MAX || self.first.last().is_some_and(|(last, _)| spot < *last) {
            let shown = value.to_string();
            let cut = &shown[..shown.floor_char_boundary(EXAMPLE_BYTES_MAX)];
            self.first.push((spot, cut.into()));
            self.settle();
        }
    }

    pub(super) fn merge(&mut self, other: &Met) {
        self.count += other.count;
        self.first.extend(other.first.iter().cloned());
        self.settle();
    }

    fn settle(&mut self) {
        self.first.sort();
        self.first.truncate(NAMED_MAX);
    }
}

/// The distinct texts, while they are few and short.
#[derive(Debug)]
pub(super) struct Distinct(Option<BTreeSet<Box<str>>>);

impl Default for Distinct {
    fn default() -> Distinct {
        Distinct(Some(BTreeSet::new()))
    }
}

/// At most this many distinct texts are named in a note.
const DISTINCT_MAX: usize = 5;

/// A longer text is not named.
const NAMED_CHARS_MAX: usize = 20;

impl Distinct {
    fn see(&mut self, text: &str) {
        if let Some(distinct) = &mut self.0
            && !distinct.contains(text)
        {
            distinct.insert(text.into());
            if distinct.len() > DISTINCT_MAX || text.chars().nth(NAMED_CHARS_MAX).is_some() {
                self.0 = None;
            }
        }
    }

    fn merge(&mut self, other: Distinct) {
        self.0 = match (self.0.take(), other.0) {
            (Some(mut one), Some(other)) => {
                one.extend(other);
                (one.len() <= DISTINCT_MAX).then_some(one)
            }
            _ => None,
        };
    }

    /// The texts, if they are few.
    pub(super) fn texts(&self) -> Option<&BTreeSet<Box<str>>> {
        self.0.as_ref()
    }
}

/// How deep objects and lists are examined.
const DEPTH_MAX: usize = 4;

impl Values {
    pub(super) fn see(&mut self, spot: Spot, value: Item<'_>, arena: &Bump, depth: usize) {
        if value.raw() == Raw::Null {
            self.nulls += 1;
            return;
        }
        let (traits, facts) = traits::of(value, arena);
        self.class(traits).see(spot, value);
        if let Some(int) = facts.int {
            self.int_range = widen(self.int_range, (int, int));
        }
        if let Some(float) = facts.float {
            self.float_range = widen(self.float_range, (float, float));
        }
        if let Some(micros) = facts.micros {
            self.stamps = widen(self.stamps, (micros, micros));
        }
        for (number, micros) in facts.laid.into_iter().flatten() {
            self.see_laid(number, (micros, micros));
        }
        if let Some(days) = facts.days {
            self.days = widen(self.days, (days, days));
        }
        self.cut += u64::from(facts.is_cut);
        match value.raw() {
            Raw::Text(text) => {
                // Bytes first: counting characters pays off only if there may be more of them.
                if text.len() > self.chars_max {
                    self.chars_max = self.chars_max.max(text.chars().count());
                }
                self.distinct.see(text);
                self.unique.see(text.as_bytes());
                if value.may_hold_nul() && memchr::memchr(0, text.as_bytes()).is_some() {
                    self.nul.see(spot, value);
                }
            }
            Raw::Int(number) => self.unique.see(&number.to_le_bytes()),
            Raw::Float(number) if number.is_nan() => self.nan.see(spot, value),
            Raw::Float(number) if number.is_infinite() => self.not_finite.see(spot, value),
            Raw::List { .. } => {
                self.see_storable(spot, value);
                if depth < DEPTH_MAX {
                    let items = self.items.get_or_insert_default();
                    value.items().for_each(|item| items.see(spot, item, arena, depth + 1));
                }
            }
            Raw::Object { .. } => {
                self.see_storable(spot, value);
                if depth < DEPTH_MAX {
                    let members = self.members.get_or_insert_default();
                    members.see(spot, value.members(), arena, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn see_laid(&mut self, number: usize, range: (i64, i64)) {
        let known = self.laid.get(&number).copied();
        self.laid.extend(widen(known, range).map(|range| (number, range)));
    }

    /// Finds what no JSON column can hold.
    fn see_storable(&mut self, spot: Spot, value: Item<'_>) {
        match value.find_unstorable() {
            Some(Unstorable::Nul) => self.nul.see(spot, value),
            Some(Unstorable::NotFinite) => self.not_finite.see(spot, value),
            None if value.spelled().is_some_and(|json| !fits_jsonb(json)) => {
                self.beyond_jsonb.see(spot, value);
            }
            None => {}
        }
    }

    fn class(&mut self, traits: Traits) -> &mut Met {
        let is_last = self.classes.get(self.last).is_some_and(|class| class.traits == traits);
        if !is_last {
            let found = self.classes.iter().position(|class| class.traits == traits);
            self.last = found.unwrap_or_else(|| {
                self.classes.push(Class { traits, met: Met::default() });
                self.classes.len() - 1
            });
        }
        &mut self.classes[self.last].met
    }

    pub(super) fn merge(&mut self, other: Values) {
        self.nulls += other.nulls;
        for Class { traits, met } in other.classes {
            self.class(traits).merge(&met);
        }
        self.int_range = other.int_range.map_or(self.int_range, |range| widen(self.int_range, range));
        self.float_range = other.float_range.map_or(self.float_range, |range| widen(self.float_range, range));
        self.stamps = other.stamps.map_or(self.stamps, |range| widen(self.stamps, range));
        other.laid.into_iter().for_each(|(number, range)| self.see_laid(number, range));
        self.days = other.days.map_or(self.days, |range| widen(self.days, range));
        self.cut += other.cut;
        self.chars_max = self.chars_max.max(other.chars_max);
        self.distinct.merge(other.distinct);
        self.unique.merge(other.unique);
        match (&mut self.items, other.items) {
            (Some(items), Some(others)) => items.merge(*others),
            (items, others) => *items = items.take().or(others),
        }
        match (&mut self.members, other.members) {
            (Some(members), Some(others)) => members.merge(*others),
            (members, others) => *members = members.take().or(others),
        }
        self.nul.merge(&other.nul);
        self.nan.merge(&other.nan);
        self.not_finite.merge(&other.not_finite);
        self.beyond_jsonb.merge(&other.beyond_jsonb);
    }

    /// How many of the meaningful values have some of these types.
    pub(super) fn count(&self, traits: Traits, voids: &[&str]) -> u64 {
        self.told(voids).filter(|class| class.traits.has(traits)).map(|class| class.met.count).sum()
    }

    /// The values with none of these types.
    pub(super) fn others(&self, is_fit: impl Fn(Traits) -> bool, voids: &[&str]) -> Met {
        let mut others = Met::default();
        for class in self.told(voids).filter(|class| !is_fit(class.traits)) {
            others.merge(&class.met);
        }
        others
    }

    /// How many meaningful values there are.
    pub(super) fn total(&self, voids: &[&str]) -> u64 {
        self.told(voids).map(|class| class.met.count).sum()
    }

    /// How many texts mean null.
    pub(super) fn voided(&self, voids: &[&str]) -> u64 {
        self.classes.iter().map(|class| class.met.count).sum::<u64>() - self.total(voids)
    }

    fn told<'s>(&'s self, voids: &'s [&str]) -> impl Iterator<Item = &'s Class> {
        let is_void = |traits: Traits| traits.void().is_some_and(|void| voids.contains(&VOIDS[void]));
        self.classes.iter().filter(move |class| !is_void(class.traits))
    }

    /// The texts among the values that may mean null.
    pub(super) fn voids(&self) -> impl Iterator<Item = &'static str> {
        self.classes.iter().filter_map(|class| class.traits.void()).map(|void| VOIDS[void])
    }
}
