//! What a key makes of records, found out one record after the other.
//!
//! The program loads in batches, by COPY, by way of a stage, by several workers and in several
//! runs. Here there is a list: each record in the order of the loads meets the row of its key,
//! if there is one, and the rule for conflicts is applied as it is written in the manual. What
//! the destination refuses, it refuses whichever row it would have met, so that the dead
//! letters do not depend on where batches end either.
//!
//! Where `newest` has to tell rows of the same age apart, only integers and texts are known:
//! their images every destination orders alike.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::found::Found;
use super::load::{Load, LogFile};
use super::oracle::same;
use super::reading::{Reading, Values, canonical};
use super::twin::Verdicts;

/// The target where rows do not say where they come from, but are known by columns or by the
/// hash of their record.
pub(super) struct Fold<'l> {
    load: &'l Load,
    rows: BTreeMap<String, Values>,
}

impl<'l> Fold<'l> {
    pub(super) fn new(load: &'l Load) -> Fold<'l> {
        Fold { load, rows: BTreeMap::new() }
    }

    /// Adds a file, as far as it was read.
    pub(super) fn add(&mut self, file: &LogFile, reading: &Reading, verdicts: &Verdicts) {
        for record in &reading.records {
            if let Some(row) = &record.row
                && !verdicts.refused.contains_key(&(file.name.clone(), record.offset))
            {
                self.meet(self.identity(row, &hash_of(&record.raw)), row);
            }
        }
    }

    /// What makes two rows the same row.
    fn identity(&self, row: &Values, hash: &str) -> String {
        if self.load.is_by_content() {
            return hash.to_owned();
        }
        let values: Vec<&Value> = self.load.key_columns().iter().map(|column| &row[column]).collect();
        serde_json::to_string(&values).unwrap()
    }

    /// A row comes to where one of its key may be.
    fn meet(&mut self, identity: String, row: &Values) {
        let wins = match (self.rows.get(&identity), self.load.newest()) {
            (None, _) => true,
            (Some(_), _) if self.load.keeps() => false,
            (Some(_), None) => true,
            (Some(old), Some(column)) => is_newer(self.load, row, old, &column),
        };
        if wins {
            self.rows.insert(identity, row.clone());
        }
    }

    #[track_caller]
    pub(super) fn check(&self, found: &Found) {
        let expected: Vec<(String, Values)> =
            self.rows.iter().map(|(identity, row)| (identity.clone(), row.clone())).collect();
        let rows = found.rows.iter().map(|row| {
            let values = canonical(&row.value, self.load.fields());
            (self.identity(&values, &row.hash), values)
        });
        let mut rows: Vec<(String, Values)> = rows.collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        same("rows", &expected, &rows);
        let inserted: i64 = found.sources.iter().map(|source| source.counts["inserted"]).sum();
        assert_eq!(inserted, expected.len() as i64, "every key is inserted once");
    }
}

/// What a record is known by: the first half of its BLAKE3, written as a UUID.
fn hash_of(raw: &[u8]) -> String {
    let hash = *blake3::hash(raw).as_bytes().first_chunk().unwrap();
    uuid::Uuid::from_bytes(hash).to_string()
}

/// A null loses, the greater wins, and of two of one age the one with the greater image.
fn is_newer(load: &Load, new: &Values, old: &Values, column: &str) -> bool {
    let by_age = match (&new[column], &old[column]) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (new, old) => order(new, old),
    };
    let key = load.key_columns();
    let rest = load.fields().iter().filter(|field| !key.contains(&field.name));
    let by_image = rest.map(|field| match (&new[&field.name], &old[&field.name]) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (new, old) => order(new, old),
    });
    by_image.fold(by_age, Ordering::then) == Ordering::Greater
}

fn order(one: &Value, other: &Value) -> Ordering {
    let int = |number: &serde_json::Number| number.as_i64().expect("the order of floats is not known here");
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => int(one).cmp(&int(other)),
        (Value::String(one), Value::String(other)) => one.as_bytes().cmp(other.as_bytes()),
        other => panic!("{other:?} have no order here"),
    }
}
