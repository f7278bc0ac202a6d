//! Computes what a key makes of records, one record after the other.
//!
//! The program loads in batches, by COPY or through a stage, with several workers and in several runs. This
//! file uses a list: each record, in the order of the loads, meets the row with its key, if there is one,
//! and the conflict rule of the manual decides. If the destination refuses a row, it refuses it whichever
//! row it would have met, so the dead letters do not depend on where batches end.
//!
//! Where `newest` has to order rows of the same age, the fold supports only integers and texts, whose images
//! every destination orders alike.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use super::found::Found;
use super::load::{Load, LogFile};
use super::oracle::same;
use super::reading::{Reading, Values, canonical};
use super::twin::Verdicts;

/// The target of a load whose rows carry no position and are identified by columns or by the hash of the
/// record.
pub(super) struct Fold<'l> {
    load: &'l Load,
    rows: BTreeMap<String, Values>,
}

impl<'l> Fold<'l> {
    pub(super) fn new(load: &'l Load) -> Fold<'l> {
        Fold { load, rows: BTreeMap::new() }
    }

    /// Adds the records of a file up to where it was read.
    pub(super) fn add(&mut self, file: &LogFile, reading: &Reading, verdicts: &Verdicts) {
        for record in &reading.records {
            if let Some(row) = &record.row
                && !verdicts.refused.contains_key(&(file.name.clone(), record.offset))
            {
                self.meet(self.identity(row, &hash_of(&record.raw)), row);
            }
        }
    }

    /// The identity of a row. Rows with equal identities are the same row.
    fn identity(&self, row: &Values, hash: &str) -> String {
        if self.load.is_by_content() {
            return hash.to_owned();
        }
        let values: Vec<&Value> = self.load.key_columns().iter().map(|column| &row[column]).collect();
        serde_json::to_string(&values).unwrap()
    }

    /// Merges a row with the existing row of its key, if there is one.
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

/// The content key of a record: the first half of its BLAKE3 hash, written as a UUID.
fn hash_of(raw: &[u8]) -> String {
    let hash = *blake3::hash(raw).as_bytes().first_chunk().unwrap();
    uuid::Uuid::from_bytes(hash).to_string()
}

/// A null loses and the greater value wins. At equal age, the row with the greater image wins.
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
