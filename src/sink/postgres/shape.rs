//! What does not change during a run: the target, the columns, the statements.

use std::time::Duration;

use chrono::NaiveDate;

use super::copy::{Column, EPOCH_DAYS, EPOCH_US, Wire};
use super::target::{Target, quote};
use crate::sink::{Batch, Key, OnConflict};

/// Everything a transaction needs to know besides the batch.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) job: String,
    pub(super) data_date: Option<NaiveDate>,
    pub(super) target: Target,
    pub(super) key: Key,
    /// The names of the unique index of the key, and of its parts.
    pub(super) key_index: Vec<String>,
    /// BEGIN with all our settings.
    pub(super) begin_sql: String,
    pub(super) lock_sql: String,
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

/// The statements of the staged path.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) create_sql: String,
    pub(super) copy_sql: String,
    /// Drops all but one row of each key from the stage.
    pub(super) dedupe_sql: Option<String>,
    /// Removes rows that stand at a position of the stage in another partition: other rules
    /// have given the record another date.
    pub(super) remove_moved_sql: Option<String>,
    /// How many rows of the stage are there already, are equal, would win.
    pub(super) compare_sql: Option<String>,
    pub(super) update_sql: Option<String>,
    /// Inserts all, where none is there.
    pub(super) insert_sql: String,
    /// Inserts those that are not there.
    pub(super) insert_absent_sql: Option<String>,
    /// Inserts or updates in one statement: for targets whose triggers write too, and where
    /// somebody else writes the same keys.
    pub(super) upsert_sql: Option<String>,
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

/// The limits of statements on the server.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One statement.
    pub statement: Duration,
    /// One lock.
    pub lock: Duration,
}

/// The name of the temporary table.
pub(super) const STAGE: &str = "logmill_stage";

/// The column by which rows of a stage keep their order.
const STAGE_ROW: &str = "logmill_row";

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

impl Merge {
    pub(super) fn new(target: &Target, columns: &[Column], key: &Key, on_conflict: &OnConflict) -> Merge {
        let words = Words { columns, key_columns: target.identity(key), on_conflict };
        let table = target.quoted();
        let names = words.list(columns, |column| quote(&column.name));
        let staged = words.list(columns, |column| match column.wire {
            // What the server casts is staged as text; everything else has the target's type.
            Wire::Cast => format!("NULL::text AS {}", quote(&column.name)),
            _ => format!("t.{}", quote(&column.name)),
        });
        let rest = words.rest();
        let has_key = !words.key_columns.is_empty();
        let can_change = has_key && !rest.is_empty() && *on_conflict != OnConflict::Keep;
        let join = words.join();
        let keys = words.key_columns.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let insert = |alias: &str| {
            let values = words.list(columns, |column| words.value("s", column));
            format!("INSERT INTO {table}{alias} ({names}) SELECT {values} FROM pg_temp.{STAGE} s")
        };
        let set = |from: &str| {
            words.list(&rest, |column| format!("{} = {}", quote(&column.name), words.value(from, column)))
        };
        Merge {
            create_sql: format!(
                "CREATE TEMPORARY TABLE {STAGE} ON COMMIT DELETE ROWS AS
                     SELECT {staged} FROM ONLY {table} t WITH NO DATA;
                 ALTER TABLE pg_temp.{STAGE} ADD COLUMN {STAGE_ROW} bigint GENERATED ALWAYS AS IDENTITY"
            ),
            copy_sql: format!("COPY pg_temp.{STAGE} ({names}) FROM STDIN BINARY"),
            dedupe_sql: has_key.then(|| {
                format!(
                    "DELETE FROM pg_temp.{STAGE} d USING (
                         SELECT {STAGE_ROW}, row_number() OVER (PARTITION BY {keys} ORDER BY {}) AS place
                         FROM pg_temp.{STAGE} s
                     ) l WHERE d.{STAGE_ROW} = l.{STAGE_ROW} AND l.place > 1",
                    words.first_is_best()
                )
            }),
            remove_moved_sql: (*key == Key::Position && target.kind == 'p').then(|| {
                let is_position = |name: &&String| key.columns().contains(&name.as_str());
                let (position, parts): (Vec<&String>, Vec<&String>) =
                    words.key_columns.iter().partition(is_position);
                let same = position.iter().map(|name| format!("t.{0} = s.{0}", quote(name)));
                let other = parts.iter().map(|name| format!("t.{0} IS DISTINCT FROM s.{0}", quote(name)));
                format!(
                    "DELETE FROM {table} t USING pg_temp.{STAGE} s WHERE {} AND ({})",
                    same.collect::<Vec<_>>().join(" AND "),
                    other.collect::<Vec<_>>().join(" OR ")
                )
            }),
            compare_sql: has_key.then(|| {
                format!(
                    "SELECT count(*), count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {})
                     FROM pg_temp.{STAGE} s JOIN {table} t ON {join}",
                    words.equal("s"),
                    words.wins("s")
                )
            }),
            update_sql: can_change.then(|| {
                format!(
                    "UPDATE {table} t SET {} FROM pg_temp.{STAGE} s WHERE {join} AND {}",
                    set("s"),
                    words.wins("s")
                )
            }),
            insert_sql: insert(""),
            insert_absent_sql: has_key
                .then(|| format!("{} WHERE NOT EXISTS (SELECT FROM {table} t WHERE {join})", insert(""))),
            upsert_sql: has_key.then(|| {
                let action = match can_change {
                    true => format!("UPDATE SET {} WHERE {}", set("excluded"), words.wins("excluded")),
                    false => "NOTHING".to_owned(),
                };
                format!("{} ON CONFLICT ({keys}) DO {action}", insert(" AS t"))
            }),
        }
    }
}

/// The pieces that the statements of a merge are made of. `t` is the row that is there; the
/// new one is `s` (the stage) or `excluded`.
struct Words<'a> {
    columns: &'a [Column],
    key_columns: Vec<String>,
    on_conflict: &'a OnConflict,
}

impl<'a> Words<'a> {
    fn list<'c>(
        &self,
        columns: impl IntoIterator<Item = &'c Column>,
        word: impl Fn(&Column) -> String,
    ) -> String {
        columns.into_iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// The columns besides the key.
    fn rest(&self) -> Vec<Column> {
        let is_key = |column: &&Column| self.key_columns.contains(&column.name);
        self.columns.iter().filter(|column| !is_key(column)).cloned().collect()
    }

    /// A column's new value. The stage's text is cast; `excluded` has the target's own type.
    fn value(&self, from: &str, column: &Column) -> String {
        match column.wire {
            Wire::Cast if from == "s" => format!("s.{}::{}", quote(&column.name), column.type_name),
            _ => format!("{from}.{}", quote(&column.name)),
        }
    }

    /// The columns besides the key as one value, compared byte by byte: two rows of the same
    /// image are the same row, whatever `=` thinks of their types.
    fn image(&self, from: &str) -> String {
        let rest = self.rest();
        format!("ROW({})::record", self.list(&rest, |column| self.value(from, column)))
    }

    fn join(&self) -> String {
        let equal = self.key_columns.iter().map(|name| format!("t.{0} = s.{0}", quote(name)));
        equal.collect::<Vec<_>>().join(" AND ")
    }

    fn equal(&self, new: &str) -> String {
        if self.rest().is_empty() || *self.on_conflict == OnConflict::Keep {
            return "true".to_owned();
        }
        format!("{} OPERATOR(pg_catalog.*=) {}", self.image("t"), self.image(new))
    }

    /// Whether the new row takes the place of the one that is there.
    fn wins(&self, new: &str) -> String {
        if self.rest().is_empty() {
            return "false".to_owned();
        }
        let (old_image, new_image) = (self.image("t"), self.image(new));
        match self.on_conflict {
            OnConflict::Update => format!("{old_image} OPERATOR(pg_catalog.*<>) {new_image}"),
            OnConflict::Keep => "false".to_owned(),
            OnConflict::Newest(column) => {
                let (old, new) = (format!("t.{}", quote(column)), format!("{new}.{}", quote(column)));
                format!(
                    "({new} IS NOT NULL AND ({old} IS NULL OR {new} > {old})
                      OR ({new} = {old} OR {new} IS NULL AND {old} IS NULL)
                         AND {new_image} OPERATOR(pg_catalog.*>) {old_image})"
                )
            }
        }
    }

    /// The order in which, of rows with the same key, the one that stays comes first.
    fn first_is_best(&self) -> String {
        match self.on_conflict {
            OnConflict::Update => format!("{STAGE_ROW} DESC"),
            OnConflict::Keep => STAGE_ROW.to_owned(),
            OnConflict::Newest(column) => format!(
                "s.{} DESC NULLS LAST, {} USING OPERATOR(pg_catalog.*>), {STAGE_ROW} DESC",
                quote(column),
                self.image("s")
            ),
        }
    }
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
