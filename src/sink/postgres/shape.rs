//! What does not change during a run: the target, the columns, the statements.

use chrono::NaiveDate;

use super::Timeouts;
use super::copy::{Column, EPOCH_DAYS, EPOCH_US, Wire};
use super::merge::Merge;
use super::target::{IndexName, Target};
use crate::sink::key::quote;
use crate::sink::{Batch, Key};

/// Everything a transaction needs to know besides the batch.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) job: String,
    pub(super) data_date: Option<NaiveDate>,
    pub(super) target: Target,
    pub(super) key: Key,
    /// The unique index of the key, and its parts.
    pub(super) key_index: Vec<IndexName>,
    /// BEGIN with all our settings.
    pub(super) begin_sql: String,
    /// The same, the lock on the target, and a look at its columns.
    pub(super) begin_batch_sql: String,
    pub(super) copy_sql: String,
    /// Rows can only go by the stage: a column is staged as text and cast.
    pub(super) must_stage: bool,
    pub(super) merge: Merge,
    /// A longer record is kept by hash and place when it is refused.
    pub(super) raw_max: usize,
    /// The written columns.
    pub(super) columns: Vec<Column>,
    /// The numbers of those that make the key.
    pub(super) key_columns: Vec<usize>,
    /// Keys of different bytes can be equal to the server.
    pub(super) server_equates_keys: bool,
}

impl Shape {
    /// A condition that leaves out the partitions in which no row of the batch can be; empty
    /// on other targets. (To ask 200 empty partitions costs 5 ms a batch.)
    pub(super) fn partition_range(&self, batch: &Batch) -> String {
        let [Some(name)] = self.target.partition_columns.as_slice() else { return String::new() };
        let Some(column) = self.columns.iter().position(|column| column.name == *name) else {
            return String::new();
        };
        let literal: fn(i64) -> Option<String> = match self.columns[column].wire {
            Wire::Timestamp => stamp_literal,
            Wire::Date => date_literal,
            Wire::Int2 | Wire::Int4 | Wire::Int8 => |number| Some(number.to_string()),
            _ => return String::new(),
        };
        let mut range: Option<(i64, i64)> = None;
        for row in 0..batch.rows() {
            // A null goes to the default partition, which no range leaves out.
            let Some(value) = whole_number(field(batch.row(row), column)) else { return String::new() };
            let (low, high) = range.unwrap_or((value, value));
            range = Some((low.min(value), high.max(value)));
        }
        let literals = range.and_then(|(low, high)| Some((literal(low)?, literal(high)?)));
        literals.map_or(String::new(), |(low, high)| format!(" AND {} BETWEEN {low} AND {high}", quote(name)))
    }

    /// The hash of a row's key, from its encoded bytes.
    pub(super) fn key_hash(&self, tuple: &[u8]) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        // Two bytes for the number of fields; then each field's length and bytes.
        let mut at = 2;
        let mut column = 0;
        while at + 4 <= tuple.len() {
            let length = i32::from_be_bytes(*tuple[at..].first_chunk().expect("four bytes are left"));
            let end = at + 4 + usize::try_from(length).unwrap_or(0);
            if self.key_columns.contains(&column) {
                hasher.update(&tuple[at..end]);
            }
            at = end;
            column += 1;
        }
        hasher.digest128()
    }
}

/// The bytes of a field of an encoded row; nothing for null.
fn field(tuple: &[u8], column: usize) -> Option<&[u8]> {
    let mut rest = &tuple[2..];
    for number in 0.. {
        let (length, after) = rest.split_first_chunk()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).ok();
        if number == column {
            return length.map(|length| &after[..length]);
        }
        rest = &after[length.unwrap_or(0)..];
    }
    None
}

/// An integer of any width, as it is on the wire.
fn whole_number(bytes: Option<&[u8]>) -> Option<i64> {
    let bytes = bytes?;
    Some(match bytes.len() {
        2 => i64::from(i16::from_be_bytes(bytes.try_into().ok()?)),
        4 => i64::from(i32::from_be_bytes(bytes.try_into().ok()?)),
        8 => i64::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// Microseconds since 2000 as a literal that the planner can compare with partition bounds.
fn stamp_literal(us: i64) -> Option<String> {
    let stamp = chrono::DateTime::from_timestamp_micros(us + EPOCH_US)?;
    Some(format!("'{}'", stamp.format("%Y-%m-%d %H:%M:%S%.6f+00")))
}

fn date_literal(days: i64) -> Option<String> {
    let date = NaiveDate::from_epoch_days(i32::try_from(days).ok()? + EPOCH_DAYS)?;
    Some(format!("'{date}'"))
}

/// BEGIN, and every setting that a result could depend on. `path` is the role's own.
pub(super) fn begin_sql(schema: Option<&str>, path: &str, timeouts: Timeouts) -> String {
    let path = match (schema, path) {
        (None, "") => "pg_temp".to_owned(),
        (None, path) => format!("{path}, pg_temp"),
        (Some(schema), "") => format!("{}, pg_temp", quote(schema)),
        (Some(schema), path) => format!("{}, {path}, pg_temp", quote(schema)),
    };
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED;
         SET LOCAL client_encoding = 'UTF8';
         SET LOCAL standard_conforming_strings = on;
         SET LOCAL TimeZone = 'UTC';
         SET LOCAL DateStyle = 'ISO, YMD';
         SET LOCAL extra_float_digits = 3;
         SET LOCAL synchronous_commit = on;
         SET LOCAL client_min_messages = warning;
         SET LOCAL statement_timeout = {};
         SET LOCAL lock_timeout = {};
         SET LOCAL search_path = {path}",
        timeouts.statement.as_millis(),
        timeouts.lock.as_millis(),
    )
}

/// The statement that copies into the target.
pub(super) fn copy_sql(target: &Target, columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
    format!("COPY {} ({}) FROM STDIN BINARY", target.quoted(), names.join(", "))
}

/// Whether any column can only be written by the stage.
pub(super) fn must_stage(columns: &[Column]) -> bool {
    columns.iter().any(|column| column.wire == Wire::Cast)
}
