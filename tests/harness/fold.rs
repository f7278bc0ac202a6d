//! What a key makes of records, found out one record after the other.
//!
//! The program loads in batches, by COPY, by way of a stage, by several workers and in several
//! runs. Here there is a list: each record in the order of the loads meets the row of its key,
//! if there is one, and the rule for conflicts is applied as it is written in the manual. What
//! the destination refuses, it refuses whichever row it would have met, so that the dead
//! letters do not depend on where batches end either.
//!
//! Only integers and texts are known, and where `newest` has to tell rows of the same age
//! apart, only columns whose images every destination orders alike.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::destination::Cell;
use super::load::{Field, Load, LogFile};

/// A record with the values of its fields.
pub(crate) type Row = Map<String, Value>;

/// What must be in a destination.
#[derive(Debug, Default, PartialEq)]
struct Fold {
    /// By their identity: a place, a hash, or the values of the key.
    rows: BTreeMap<String, Vec<String>>,
    /// File and line, the code if it is the destination's, and the bytes.
    dead_letters: Vec<(String, i64, String, String)>,
    /// Per file: records, rejects, lines, blank lines.
    counts: BTreeMap<String, [i64; 4]>,
    /// Each key is inserted once.
    inserted: i64,
}

/// Checks that `files`, loaded to their ends in this order, have become what they must.
/// `is_refused` says which valid rows the destination does not take.
#[track_caller]
pub(crate) fn check(load: &Load, files: &[&str], is_refused: &dyn Fn(&Row) -> bool) {
    let expected = expected(load, files, is_refused);
    let found = found(load, files);
    assert_eq!(found.rows, expected.rows, "rows");
    assert_eq!(found.dead_letters, expected.dead_letters, "dead letters");
    assert_eq!(found, expected, "counts");
}

fn expected(load: &Load, names: &[&str], is_refused: &dyn Fn(&Row) -> bool) -> Fold {
    let mut fold = Fold::default();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let files = load.files();
    for name in names {
        let file = files.iter().find(|file| file.name == *name).unwrap();
        let mut counts = [0; 4];
        for line in lines(file) {
            counts[2] += 1;
            if line.text.trim().is_empty() {
                counts[3] += 1;
                continue;
            }
            counts[0] += 1;
            let row = values(line.text, load.fields());
            let code = match &row {
                None => "ours",
                Some(row) if is_refused(row) => "server_23514",
                Some(row) => {
                    meet(load, &mut rows, identity(load, &line, row), row);
                    continue;
                }
            };
            counts[1] += 1;
            fold.dead_letters.push((file.name.clone(), line.number, code.to_owned(), line.text.to_owned()));
        }
        fold.counts.insert(file.name.clone(), counts);
    }
    fold.inserted = i64::try_from(rows.len()).unwrap();
    fold.dead_letters.sort();
    fold.rows = rows.iter().map(|(identity, row)| (identity.clone(), shown(row, load.fields()))).collect();
    fold
}

/// A row comes to where one of its key may be.
fn meet(load: &Load, rows: &mut BTreeMap<String, Row>, identity: String, row: &Row) {
    let wins = match rows.get(&identity) {
        None => true,
        Some(_) if load.keeps() => false,
        Some(old) => match load.newest() {
            None => true,
            Some(column) => is_newer(load, row, old, &column),
        },
    };
    if wins {
        rows.insert(identity, row.clone());
    }
}

/// A null loses, the greater wins, and of two of one age the one with the greater image.
fn is_newer(load: &Load, new: &Row, old: &Row, column: &str) -> bool {
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
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_i64().cmp(&other.as_i64()),
        (Value::String(one), Value::String(other)) => one.as_bytes().cmp(other.as_bytes()),
        other => panic!("{other:?} have no order here"),
    }
}

/// A line of a file.
struct Line<'f> {
    file: &'f str,
    offset: usize,
    /// Counted from one.
    number: i64,
    /// Without its end.
    text: &'f str,
}

fn lines(file: &LogFile) -> Vec<Line<'_>> {
    let content = std::str::from_utf8(file.versions.last().unwrap()).unwrap();
    let mut offset = 0;
    let lines = content.split_inclusive('\n').zip(1..).map(|(line, number)| {
        let text = line.strip_suffix('\n').unwrap_or(line);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let start = offset;
        offset += line.len();
        Line { file: &file.name, offset: start, number, text }
    });
    lines.collect()
}

/// The values of the fields, if all of them are what they should be.
fn values(line: &str, fields: &[Field]) -> Option<Row> {
    let value: Value = serde_json::from_str(line).ok()?;
    let object = value.as_object()?;
    let values = fields.iter().map(|field| {
        let value = object.get(&field.name).unwrap_or(&Value::Null);
        let fits = match field.kind.as_str() {
            _ if value.is_null() => field.is_optional,
            "int" => value.is_i64(),
            "text" => value.is_string(),
            kind => panic!("the fold does not know the type {kind}"),
        };
        fits.then(|| (field.name.clone(), value.clone()))
    });
    values.collect()
}

/// What makes two rows the same row.
fn identity(load: &Load, line: &Line<'_>, row: &Row) -> String {
    if load.rows_have_places() {
        return format!("{} {}", line.file, line.offset);
    }
    if load.is_by_content() {
        let hash = blake3::hash(line.text.as_bytes()).to_hex();
        return hash[..32].to_owned();
    }
    let values = load.key_columns().into_iter().map(|column| as_text(&row[&column]));
    values.collect::<Vec<_>>().join(" ")
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shown(row: &Row, fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| as_text(&row[&field.name])).collect()
}

/// What is there.
fn found(load: &Load, files: &[&str]) -> Fold {
    let ours = |table: &str| load.ours(table);
    let columns: Vec<String> =
        load.fields().iter().map(|field| format!("CAST({} AS text)", field.name)).collect();
    let identity = if load.rows_have_places() {
        format!("(SELECT name FROM {} s WHERE s.id = t.source_id), t.source_offset", ours("sources"))
    } else if load.is_by_content() {
        "replace(CAST(record_hash AS text), '-', '')".to_owned()
    } else {
        load.key_columns()
            .iter()
            .map(|column| format!("CAST({column} AS text)"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let sql = format!("SELECT {}, {identity} FROM t", columns.join(", "));
    let mut fold = Fold::default();
    load.made().look(|snapshot| {
        for row in snapshot.query(&sql) {
            let (values, identity) = row.split_at(columns.len());
            let identity: Vec<String> = identity.iter().map(|cell| file_name(&text(cell))).collect();
            let before = fold.rows.insert(identity.join(" "), values.iter().map(text).collect());
            assert!(before.is_none(), "two rows of one key: {identity:?}");
        }
        let letters = snapshot.query(&format!(
            "SELECT s.name, d.line, d.stage, CAST(d.reasons AS text), d.raw FROM {} d JOIN {} s ON s.id = d.source_id
             WHERE d.state = 'open'",
            ours("dead_letters"),
            ours("sources")
        ));
        for letter in letters {
            let reasons: Value = serde_json::from_str(letter[3].text()).unwrap();
            let code = match letter[2].text() {
                "server" => reasons[0]["code"].as_str().unwrap().to_ascii_lowercase(),
                _ => "ours".to_owned(),
            };
            let raw = String::from_utf8(letter[4].bytes().to_vec()).unwrap();
            fold.dead_letters.push((file_name(letter[0].text()), letter[1].int(), code, raw));
        }
        fold.dead_letters.sort();
        let checkpoints = snapshot.query(&format!(
            "SELECT s.name, c.inserted + c.updated + c.unchanged + c.superseded + c.rejected, c.rejected, c.lines, c.blank,
                    c.inserted, c.complete
             FROM {} c JOIN {} s ON s.id = c.source_id",
            ours("checkpoints"),
            ours("sources")
        ));
        for row in checkpoints {
            let name = file_name(row[0].text());
            assert_eq!(row[6].int(), 1, "{name} is not complete");
            assert!(files.contains(&name.as_str()), "{name} was not to be loaded");
            let counts = [1, 2, 3, 4].map(|column: usize| row[column].int());
            fold.counts.insert(name, counts);
            fold.inserted += row[5].int();
        }
    });
    fold
}

/// The name of a file without its folder; any other text stays.
fn file_name(text: &str) -> String {
    match text.starts_with('/') {
        true => text.rsplit('/').next().unwrap_or(text).to_owned(),
        false => text.to_owned(),
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Int(value) => value.to_string(),
        other => other.text().to_owned(),
    }
}
