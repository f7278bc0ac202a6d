//! The probe: whether rows of a batch are already in the target.

use std::fmt::Write as _;

use chrono::{Datelike as _, NaiveDate};
use postgres::SimpleQueryMessage;

use super::constants::Constants;
use super::wire::{EPOCH_DAYS, EPOCH_US, Wire};
use crate::sink::key::quote;
use crate::sink::{Batch, Key};

// The search path is that of the target's triggers here, where any user may have created an operator.
const EQUAL: &str = "OPERATOR(pg_catalog.=)";
const AT_LEAST: &str = "OPERATOR(pg_catalog.>=)";
const AT_MOST: &str = "OPERATOR(pg_catalog.<=)";

/// Asks whether rows of this batch are already in the target; empty if the question does not apply. Only a
/// position key can be probed: its rows are a range of the index. Sent with the message that begins the
/// batch.
///
/// Under other rules a record can have another date, so that its row is in a partition that no row of the
/// batch goes to. `far` is for batches that may meet such a row: the first of each source, and after one was
/// found, all.
pub(super) fn probe_sql(constants: &Constants, batch: &Batch, far: bool) -> String {
    if constants.key != Key::Position || batch.rows() == 0 {
        return String::new();
    }
    let table = constants.target.quoted();
    // A line that is read again may have moved to another partition because of its new content.
    let is_again = batch.advances.iter().any(|advance| advance.again.is_some());
    let within = if far || is_again { String::new() } else { partition_range(constants, batch) };
    let mut sql = String::from("; SELECT false");
    // Sources that begin with this batch are probed together, by the range of their ids: a batch can hold
    // thousands.
    let mut advances = batch.advances.iter().peekable();
    while let Some(advance) = advances.next() {
        let (first, mut last) = (advance.split.source, advance.split.source);
        if advance.from == 0 {
            while let Some(next) = advances.next_if(|next| next.from == 0 && next.split.source == last + 1) {
                last = next.split.source;
            }
        }
        let from = advance.again.map_or(advance.from, |again| again.offset.min(advance.from));
        let place = match first == last {
            true if far => format!("source_id {EQUAL} {first} AND source_offset {AT_LEAST} {from}"),
            true => {
                format!(
                    "source_id {EQUAL} {first} AND source_offset {AT_LEAST} {from} AND source_offset OPERATOR(pg_catalog.<) {}",
                    advance.to
                )
            }
            false => format!("source_id {AT_LEAST} {first} AND source_id {AT_MOST} {last}"),
        };
        let _ = write!(sql, " OR EXISTS (SELECT FROM {table} WHERE {place}{within})");
    }
    sql
}

/// Whether the answer is yes: a row of one column, which no other statement at the start of a batch returns.
pub(super) fn are_there(said: &[SimpleQueryMessage]) -> bool {
    said.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.len() == 1 && row.get(0) == Some("t"),
        _ => false,
    })
}

/// A condition that excludes the partitions in which no row of the batch can be; empty on other targets.
/// (Probing 200 empty partitions costs 5 ms a batch.)
fn partition_range(constants: &Constants, batch: &Batch) -> String {
    let [Some(name)] = constants.target.partition_columns.as_slice() else { return String::new() };
    let Some(column) = constants.columns.iter().position(|column| column.name == *name) else {
        return String::new();
    };
    let literal: fn(i64) -> Option<String> = match constants.columns[column].wire {
        Wire::Timestamp => stamp_literal,
        Wire::Date => date_literal,
        Wire::Int2 | Wire::Int4 | Wire::Int8 => |number| Some(number.to_string()),
        _ => return String::new(),
    };
    let mut range: Option<(i64, i64)> = None;
    for row in 0..batch.rows() {
        // A null goes to the default partition, which no range excludes.
        let Some(value) = whole_number(field(batch.row(row), column)) else { return String::new() };
        let (low, high) = range.unwrap_or((value, value));
        range = Some((low.min(value), high.max(value)));
    }
    let literals = range.and_then(|(low, high)| Some((literal(low)?, literal(high)?)));
    literals.map_or(String::new(), |(low, high)| {
        format!(" AND {0} {AT_LEAST} {low} AND {0} {AT_MOST} {high}", quote(name))
    })
}

/// The bytes of a field of an encoded row; `None` for null.
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

/// An integer of any width, in its wire form.
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
    let stamp = chrono::DateTime::from_timestamp_micros(us.checked_add(EPOCH_US)?)?;
    is_plain(stamp.year()).then(|| format!("'{}'", stamp.format("%Y-%m-%d %H:%M:%S%.6f+00")))
}

fn date_literal(days: i64) -> Option<String> {
    let date = NaiveDate::from_epoch_days(i32::try_from(days).ok()?.checked_add(EPOCH_DAYS)?)?;
    is_plain(date.year()).then(|| format!("'{date}'"))
}

/// Whether a year is written as it is counted. The server's error about a year it cannot read would be
/// mistaken for an objection of the fence, which is in the same message.
fn is_plain(year: i32) -> bool {
    (1..=9999).contains(&year)
}
