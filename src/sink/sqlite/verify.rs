//! What an SQLite database keeps, read in one snapshot for comparison with the sources.
//!
//! Rows are read back into the form that the encoder writes, so that equal held and expected rows have equal
//! bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};

use super::encode::{Bound, Column, FLOAT, INT, NULL, SqliteEncoder, TEXT, Values};
use super::look::Look;
use super::ownership::remembered;
use super::target::{self, Target};
use super::{
    Settings, Trouble, check_version, has_tables, letters_of_version, of_version, past, refuse_lost_target,
    replaced, scope, unfit,
};
use crate::error::Result;
use crate::sink::claim::{Scope, Whose, hash, unsigned};
use crate::sink::constant::hash_key;
use crate::sink::findings::no_places;
use crate::sink::key::{SOURCE_ID, quote};
use crate::sink::replay::preamble_of_letter;
use crate::sink::verify::{
    HeldLetter, HeldRows, Kept, LETTER_BYTES, LetterState, NO_SOURCES, Pair, Place, Verifier, Verify,
    Verifying, of_sources,
};
use crate::sink::{Key, Remembered};
use crate::source::Preamble;
use crate::work::{self, Recipe, Work};

/// How many rows or letters are read in one go.
const PAGE: i64 = 10_000;

/// The tag of a value that the encoder never writes.
const BLOB: u8 = 4;

/// Opens the database for comparison with the sources.
pub(super) fn open(path: &Path, settings: &Settings, verifying: Verifying) -> Result<Box<dyn Verify>> {
    let kept = look(path, settings).map_err(|trouble| trouble.into_error(path))?;
    Ok(Box::new(Verifier::new(kept, verifying, &settings.key, settings.data_date)))
}

/// The ids of all remembered sources.
const ALL_SOURCES: &str =
    "SELECT id FROM logmill_sources INTERSECT SELECT source_id FROM logmill_checkpoints";

/// The database, unchanging while it is read.
struct SqliteKept {
    path: PathBuf,
    look: Look,
    has_tables: bool,
    scope: Scope,
    /// The table to compare, quoted.
    table: String,
    columns: Vec<Column>,
    key_columns: Vec<usize>,
    encoder: Arc<SqliteEncoder>,
    has_places: bool,
    equates_keys: bool,
    changes_values: Option<String>,
    /// The statement for the rows after a place, once it is known which are read.
    rows_sql: Option<String>,
    /// What was read last: a place or, if the rows were sorted first, a number.
    last: (i64, i64),
    find_sql: String,
    /// No index has the rows in their order.
    is_unsorted: bool,
}

fn look(path: &Path, settings: &Settings) -> Result<SqliteKept, Trouble> {
    if !path.exists() {
        let message = "there is no such file, and nothing to compare with; put it back, or name where it is with --into";
        return Err(Trouble::Ours(replaced(path, message)));
    }
    let mut kept = SqliteKept {
        path: path.to_owned(),
        look: Look::open(path)?,
        has_tables: false,
        scope: scope(settings, &settings.table.name),
        table: String::new(),
        columns: Vec::new(),
        key_columns: Vec::new(),
        encoder: Arc::new(SqliteEncoder::new(Vec::new(), None)),
        has_places: settings.key.extra_columns().contains(&SOURCE_ID),
        equates_keys: false,
        changes_values: None,
        rows_sql: None,
        last: (i64::MIN, i64::MIN),
        find_sql: String::new(),
        is_unsorted: settings.key == Key::None,
    };
    let connection = &kept.look.connection;
    // A read transaction is one snapshot, until the end.
    connection.execute_batch("BEGIN")?;
    kept.has_tables = has_tables(connection)?;
    let target = Target::find(connection, &settings.table.name)?;
    match target {
        Some(target) => {
            kept.scope = scope(settings, &target.name);
            kept.table = quote(&target.name);
            if kept.has_places && target.column(SOURCE_ID).is_none() {
                return Err(unfit(no_places(&target.name, "compared")));
            }
            let columns = target::fit(connection, &target, settings)?;
            kept.columns = columns.map_err(|findings| unfit(findings.join("; ")))?;
            kept.encoder = Arc::new(SqliteEncoder::new(kept.columns.clone(), hash_key(&settings.constants)));
            kept.equates_keys = target.definition.to_ascii_uppercase().contains("COLLATE");
            kept.changes_values = triggers(&kept.look, &target.name)?;
            kept.name_keys(&settings.key);
        }
        None if kept.has_tables => refuse_lost_target(&past(connection, settings)?, settings)?,
        None => {}
    }
    Ok(kept)
}

/// What a trigger may do to rows once they are stored.
fn triggers(look: &Look, table: &str) -> Result<Option<String>, Trouble> {
    let names: Option<String> = look.connection.query_row(
        "SELECT group_concat(name, ', ') FROM sqlite_schema
         WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE
           AND lower(substr(sql, instr(lower(sql), 'begin'))) LIKE '%update%'",
        [table],
        |row| row.get(0),
    )?;
    Ok(names.map(|names| format!("{table} has triggers ({names}) that may change a row once it is stored")))
}

impl SqliteKept {
    fn name_keys(&mut self, key: &Key) {
        let is_key = |name: &str| key.columns().iter().any(|column| column.eq_ignore_ascii_case(name));
        let columns = self.columns.iter().enumerate();
        self.key_columns =
            columns.filter(|(_, column)| is_key(&column.name)).map(|(number, _)| number).collect();
        let conditions: Vec<String> = self
            .key_columns
            .iter()
            .map(|&number| format!("{} = ?", quote(&self.columns[number].name)))
            .collect();
        self.find_sql =
            format!("SELECT {} FROM {} WHERE {}", self.names(), self.table, conditions.join(" AND "));
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| quote(&column.name)).collect();
        names.join(", ")
    }

    fn ask<T>(&self, question: impl FnOnce(&Look) -> Result<T, Trouble>) -> Result<Option<T>> {
        let answer = (!self.columns.is_empty()).then(|| question(&self.look)).transpose();
        answer.map_err(|trouble| trouble.into_error(&self.path))
    }
}

impl Kept for SqliteKept {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        work::with(recipe, Arc::clone(&self.encoder))
    }

    fn remembered(&mut self) -> Result<Vec<Remembered>> {
        let remembered = self.ask(|look| {
            if !self.has_tables {
                return Ok(Vec::new());
            }
            check_version(&look.connection)?;
            remembered(&look.connection, &self.scope, Whose::Own)
        });
        Ok(remembered?.unwrap_or_default())
    }

    fn changes_values(&self) -> Option<&str> {
        self.changes_values.as_deref()
    }

    fn begin(&mut self, sources: &[i32], reads_strays: bool) -> Result<()> {
        let ids: Vec<String> = sources.iter().map(ToString::to_string).collect();
        let all = if self.has_tables { ALL_SOURCES } else { NO_SOURCES };
        let all = reads_strays.then_some(all);
        // The plus keeps this condition from choosing the index: rows must come in the order of the key.
        let is_read = of_sources("+source_id", &format!("IN ({})", ids.join(", ")), all);
        let (names, table) = (self.names(), &self.table);
        let sql = match self.is_unsorted {
            false => format!(
                "SELECT {names}, source_id, source_offset FROM {table}
                 WHERE (source_id, source_offset) > (?1, ?2) AND {is_read}
                 ORDER BY source_id, source_offset LIMIT {PAGE}"
            ),
            true => {
                // A user's column may have one of its names.
                let is_free = |name: &&str| self.columns.iter().all(|it| !it.name.eq_ignore_ascii_case(name));
                let Some(rowid) = ["rowid", "_rowid_", "oid"].into_iter().find(is_free) else {
                    let all_taken =
                        unfit(format!("{table} has columns rowid, _rowid_ and oid; rename one of them"));
                    return Err(all_taken.into_error(&self.path));
                };
                self.ask(|look| {
                    // Sorted once, on disk, outside of the database.
                    look.connection.execute_batch(&format!(
                        "PRAGMA query_only = false;
                         CREATE TEMP TABLE logmill_sorted AS SELECT {names} FROM {table} WHERE {is_read}
                             ORDER BY source_id, source_offset IS NULL, source_offset;
                         PRAGMA query_only = true"
                    ))?;
                    Ok(())
                })?;
                format!(
                    "SELECT *, 0, {rowid} FROM temp.logmill_sorted WHERE (0, {rowid}) > (?1, ?2)
                     ORDER BY {rowid} LIMIT {PAGE}"
                )
            }
        };
        self.rows_sql = Some(sql);
        Ok(())
    }

    fn more_rows(&mut self, rows: &mut HeldRows) -> Result<()> {
        let Some(sql) = &self.rows_sql else { return Ok(()) };
        let columns = self.columns.len();
        let last = self.ask(|look| {
            let mut statement = look.connection.prepare_cached(sql)?;
            let mut found = statement.query(params![self.last.0, self.last.1])?;
            let mut last = self.last;
            while let Some(row) = found.next()? {
                put_row(row, columns, &mut rows.bytes)?;
                // Source and offset are the last columns.
                let source = row.get::<_, Option<i64>>(columns - 2)?;
                let source = source.and_then(|source| i32::try_from(source).ok()).unwrap_or(i32::MAX);
                let offset = row.get::<_, Option<i64>>(columns - 1)?.unwrap_or(i64::MAX);
                rows.ends.push((Place { source, offset }, rows.bytes.len()));
                last = (row.get(columns)?, row.get(columns + 1)?);
            }
            Ok(last)
        })?;
        self.last = last.unwrap_or(self.last);
        Ok(())
    }

    fn letters_behind(
        &mut self,
        sources: &[i32],
        reads_strays: bool,
        behind: Place,
    ) -> Result<Vec<HeldLetter>> {
        let letters = self.ask(|look| {
            let ids: Vec<String> = sources.iter().map(ToString::to_string).collect();
            let version = check_version(&look.connection)?;
            let (letters, (_, checkpoints)) = (letters_of_version(version), of_version(version));
            let mut statement = look.connection.prepare(&format!(
                "SELECT d.source_id, d.source_offset, d.line, d.state, d.stage, d.rules_hash, d.raw, d.raw_hash, d.fixed,
                        CASE WHEN d.fixed IS NOT NULL THEN {} END
                 FROM {letters} d
                 WHERE d.state <> 'superseded' AND (d.source_id, d.source_offset) > (?1, ?2) 
                   AND (+d.source_id IN ({}) OR ?3 AND d.job = ?4 AND +d.source_id NOT IN ({ALL_SOURCES}))
                 ORDER BY d.source_id, d.source_offset LIMIT {PAGE}",
                preamble_of_letter(checkpoints),
                ids.join(", ")
            ))?;
            let mut found = statement.query(params![behind.source, behind.offset, reads_strays, self.scope.job])?;
            let (mut letters, mut bytes) = (Vec::new(), 0);
            while let Some(row) = found.next()?.filter(|_| bytes < LETTER_BYTES) {
                let letter = letter(row)?;
                bytes += [&letter.raw, &letter.fixed].into_iter().flatten().map(Vec::len).sum::<usize>();
                letters.push(letter);
            }
            Ok(letters)
        });
        match self.has_tables && (reads_strays || !sources.is_empty()) {
            true => Ok(letters?.unwrap_or_default()),
            false => Ok(Vec::new()),
        }
    }

    fn find(&mut self, rows: Vec<Vec<u8>>) -> Result<Vec<Option<Vec<u8>>>> {
        let found = self.ask(|look| {
            let mut statement = look.connection.prepare_cached(&self.find_sql)?;
            let mut found = Vec::with_capacity(rows.len());
            for row in &rows {
                let keys = Values(row).enumerate().filter(|(number, _)| self.key_columns.contains(number));
                let row = statement.query_row(params_from_iter(keys.map(|(_, value)| value)), |row| {
                    let mut bytes = Vec::new();
                    put_row(row, self.columns.len(), &mut bytes)?;
                    Ok(bytes)
                });
                found.push(row.optional()?);
            }
            Ok(found)
        });
        Ok(found?.unwrap_or_default())
    }

    fn key_hash(&self, row: &[u8]) -> u128 {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        for (number, value) in values(row).enumerate() {
            if self.key_columns.contains(&number) {
                hasher.update(value);
            }
        }
        hasher.digest128()
    }

    fn equates_keys(&self) -> bool {
        self.equates_keys
    }

    fn differing(&mut self, pairs: Vec<Pair>) -> Result<(Vec<Pair>, Vec<Option<usize>>)> {
        // The row was found by its key, of which it may keep another spelling.
        let is_equated = |number: usize| self.equates_keys && self.key_columns.contains(&number);
        let first = |pair: &Pair| {
            let both = values(&pair.expected).zip(values(&pair.held));
            both.enumerate()
                .position(|(number, (expected, held))| !is_equated(number) && !is_same(expected, held))
        };
        let columns = pairs.iter().map(first).collect();
        Ok((pairs, columns))
    }

    fn column(&self, number: usize) -> &str {
        &self.columns[number].name
    }

    fn without_source<'r>(&self, row: &'r [u8]) -> (&'r [u8], &'r [u8]) {
        // Source and offset are the last values, of nine bytes each.
        match row.len().checked_sub(18) {
            Some(end) if self.has_places => (&row[..end], &row[end + 9..]),
            _ => (row, &[]),
        }
    }
}

fn letter(row: &Row<'_>) -> rusqlite::Result<HeldLetter> {
    Ok(HeldLetter {
        place: Place { source: row.get(0)?, offset: row.get(1)? },
        line: unsigned(row.get(2)?),
        state: LetterState::of(row.get_ref(3)?.as_str()?),
        is_of_server: row.get_ref(4)?.as_str()? == "server",
        rules: row.get::<_, Option<Vec<u8>>>(5)?.map(|rules| hash(&rules)),
        raw: row.get(6)?,
        raw_hash: row.get(7)?,
        fixed: row.get(8)?,
        preamble: Preamble::new(&row.get::<_, Option<Vec<u8>>>(9)?.unwrap_or_default()),
    })
}

/// Appends a row in the encoder's form.
fn put_row(row: &Row<'_>, columns: usize, out: &mut Vec<u8>) -> rusqlite::Result<()> {
    let mut put = |tag: u8, length: Option<usize>, bytes: &[u8]| {
        out.push(tag);
        if let Some(length) = length {
            let length = u32::try_from(length).expect("SQLite has no value of 4 GiB");
            out.extend_from_slice(&length.to_le_bytes());
        }
        out.extend_from_slice(bytes);
    };
    for number in 0..columns {
        match row.get_ref(number)? {
            ValueRef::Null => put(NULL, None, &[]),
            ValueRef::Integer(value) => put(INT, None, &value.to_le_bytes()),
            ValueRef::Real(value) => put(FLOAT, None, &value.to_le_bytes()),
            ValueRef::Text(text) => put(TEXT, Some(text.len()), text),
            ValueRef::Blob(blob) => put(BLOB, Some(blob.len()), blob),
        }
    }
    Ok(())
}

/// The values of a row, each with its tag.
fn values(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = row;
    std::iter::from_fn(move || {
        let length = match *rest.first()? {
            NULL => 1,
            TEXT | BLOB => 5 + u32::from_le_bytes(*rest.get(1..)?.first_chunk()?) as usize,
            _ => 9,
        };
        let (value, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(value)
    })
}

/// Whether two values are the same to SQLite, which does not keep the sign of a zero.
fn is_same(expected: &[u8], held: &[u8]) -> bool {
    let float = |value| match Values(value).next() {
        Some(Bound::Float(number)) => Some(number),
        _ => None,
    };
    expected == held || float(expected).zip(float(held)).is_some_and(|(expected, held)| expected == held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_the_same_and_types_are_not() {
        let float = |value: f64| [&[FLOAT][..], &value.to_le_bytes()].concat();
        let int = |value: i64| [&[INT][..], &value.to_le_bytes()].concat();
        assert!(is_same(&float(0.0), &float(-0.0)));
        assert!(!is_same(&float(1.0), &float(2.0)));
        assert!(!is_same(&float(1.0), &int(1)));
        assert!(is_same(&[NULL], &[NULL]));
        let row = [float(1.0), vec![NULL], int(7)].concat();
        assert_eq!(values(&row).collect::<Vec<_>>(), [&float(1.0)[..], &[NULL], &int(7)]);
    }
}
