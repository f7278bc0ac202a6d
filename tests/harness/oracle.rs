//! What must be true of a destination at any moment, found out the slow and obvious way.
//!
//! [`check`] looks at everything that a job has written in one snapshot and compares it with
//! what its files say, read line by line by serde_json and chrono. It shares no code with the
//! program and believes nothing that the program says of itself, but for the one number that
//! the promises are about: the checkpoint. It may be asked at any time, and above all at the
//! moment of a crash: the upsert of a rerun hides rows that were applied twice, so a state
//! that is right at the end proves little.
//!
//! Checked are, in the words of the promises: the target is the fold of the valid records
//! before the checkpoint, the dead letters are the rejects before it with their bytes, and
//! nothing else is in either; counters add up; a checkpoint stands on a line boundary, and
//! its moves form one chain; every row was applied once; rows, dead letters and the move of
//! the checkpoint over them were written by one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use chrono::DateTime;
use postgres::{IsolationLevel, Transaction};
use serde_json::{Map, Value};

use super::load::{Field, Load, LogFile};

/// How far a load is.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct State {
    /// The checkpoint of every file that is known.
    pub(crate) positions: BTreeMap<String, u64>,
    /// Whether every file is loaded to its end.
    pub(crate) is_complete: bool,
    /// How many transactions have moved a checkpoint.
    pub(crate) batches: usize,
}

/// What a server makes of rows that are given to it one by one, each in a transaction of its
/// own: the rows as they are then, and the others by their SQLSTATE.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    rows: BTreeMap<Place, Value>,
    refused: BTreeMap<Place, String>,
}

/// A record, by its file and offset.
type Place = (String, u64);

/// A record as it stands in a file.
#[derive(Debug)]
struct Record {
    offset: u64,
    /// Counted from one.
    line: i64,
    /// Without its line end.
    raw: Vec<u8>,
    /// The values, if it is valid.
    row: Option<Map<String, Value>>,
}

/// A file, read to a position.
#[derive(Debug, Default)]
struct Reading {
    lines: i64,
    blank: i64,
    records: Vec<Record>,
}

/// Checks the destination of `load` as it is now.
#[track_caller]
pub(crate) fn check(load: &Load) -> State {
    check_against(load, &Verdicts::default())
}

/// Checks the destination, and demands that all of it is there.
#[track_caller]
pub(crate) fn check_complete(load: &Load) -> State {
    let state = check(load);
    assert!(state.is_complete, "not all is loaded: {state:?}");
    state
}

/// Checks the destination as it is now, where the server refuses rows.
#[track_caller]
pub(crate) fn check_against(load: &Load, verdicts: &Verdicts) -> State {
    let mut client = load.client();
    let mut transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .unwrap();
    transaction.batch_execute("SET LOCAL TimeZone = 'UTC'").unwrap();
    let snapshot = Snapshot::take(&mut transaction, load);
    if snapshot.sources.is_empty() {
        assert!(snapshot.rows.is_empty(), "rows of nobody: {:?}", snapshot.rows);
        assert!(snapshot.dead_letters.is_empty(), "dead letters of nobody: {:?}", snapshot.dead_letters);
        return State { is_complete: load.files().is_empty(), ..State::default() };
    }
    let mut state = State { batches: snapshot.batches(), ..State::default() };
    let mut fold = Fold::new(load);
    for file in load.files() {
        let Some(source) = snapshot.source_of(&file, load) else { continue };
        let content = content_at(&file, source.position);
        let reading = read(&content[..usize::try_from(source.position).unwrap()], load.fields());
        check_source(load, &snapshot, source, &file, content, &reading, verdicts);
        fold.add(&file, &reading, verdicts);
        state.positions.insert(file.name.clone(), source.position);
    }
    if !load.key_columns().is_empty() {
        fold.check(&snapshot);
    }
    let mut complete = load.files().into_iter().map(|file| {
        snapshot.source_of(&file, load).is_some_and(|source| {
            source.is_complete && source.position == file.versions.last().unwrap().len() as u64
        })
    });
    state.is_complete = complete.all(|is_complete| is_complete);
    state
}

/// The version of a file that was loaded up to `position`: the oldest that has a line
/// boundary there. A file that grew since was loaded as what it was.
#[track_caller]
fn content_at(file: &LogFile, position: u64) -> &[u8] {
    let position = usize::try_from(position).unwrap();
    let fits = |content: &&Vec<u8>| {
        position == 0
            || position == content.len()
            || position < content.len() && content[position - 1] == b'\n'
    };
    let Some(content) = file.versions.iter().find(fits) else {
        panic!("the checkpoint of {} is at {position}, which is no line boundary", file.name);
    };
    content
}

/// Reads records as NDJSON has them.
fn read(content: &[u8], fields: &[Field]) -> Reading {
    let mut reading = Reading::default();
    let mut offset = if content.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    for line in content[offset..].split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        reading.lines += 1;
        if text.iter().all(|byte| b" \t\r".contains(byte)) {
            reading.blank += 1;
        } else {
            let row = serde_json::from_slice(text).ok().and_then(|value| bind(value, fields));
            let record = Record { offset: offset as u64, line: reading.lines, raw: text.to_vec(), row };
            reading.records.push(record);
        }
        offset += line.len();
    }
    reading
}

/// The values of the fields, if all of them are what they should be.
fn bind(value: Value, fields: &[Field]) -> Option<Map<String, Value>> {
    let object = value.as_object()?;
    let mut row = Map::new();
    for field in fields {
        let value = match object.get(&field.name) {
            None | Some(Value::Null) if field.is_optional => Value::Null,
            found => bind_value(found?, field)?,
        };
        row.insert(field.name.clone(), value);
    }
    Some(row)
}

fn bind_value(value: &Value, field: &Field) -> Option<Value> {
    let text = || value.as_str().filter(|text| !text.contains('\0'));
    Some(match field.kind.as_str() {
        "int" => value.as_i64()?.into(),
        "float" => value.as_f64()?.into(),
        "bool" => value.as_bool()?.into(),
        "text" => text()?.into(),
        "enum" => text().filter(|text| field.values.iter().any(|value| value == text))?.into(),
        "timestamp" => DateTime::parse_from_rfc3339(text()?).ok()?.timestamp_micros().into(),
        kind => panic!("the oracle does not know the type {kind}"),
    })
}

/// A value of the target as the oracle has it: instants as microseconds, numbers of a float
/// as floats.
fn canonical(stored: &Value, fields: &[Field]) -> Value {
    let mut row = stored.as_object().unwrap().clone();
    for field in fields {
        let value = row.get_mut(&field.name).unwrap();
        match (field.kind.as_str(), &value) {
            ("timestamp", Value::String(text)) => {
                *value = DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros().into();
            }
            ("float", Value::Number(number)) => *value = number.as_f64().into(),
            _ => {}
        }
    }
    Value::Object(row)
}

#[track_caller]
fn check_source(
    load: &Load,
    snapshot: &Snapshot,
    source: &Source,
    file: &LogFile,
    content: &[u8],
    reading: &Reading,
    verdicts: &Verdicts,
) {
    let name = &file.name;
    let place = |record: &Record| (name.clone(), record.offset);
    let is_refused = |record: &Record| verdicts.refused.contains_key(&place(record));

    // I1: the target. With a key of columns it is compared as a whole, see `Fold`.
    if load.key_columns().is_empty() {
        let valid = reading.records.iter().filter(|record| record.row.is_some() && !is_refused(record));
        let expected: Vec<(u64, Value)> = valid
            .map(|record| {
                let row = verdicts.rows.get(&place(record)).cloned();
                (record.offset, row.unwrap_or_else(|| record.row.clone().unwrap().into()))
            })
            .collect();
        let found: Vec<(u64, Value)> =
            snapshot.rows_of(source).map(|row| (row.offset, canonical(&row.value, load.fields()))).collect();
        same(&format!("rows of {name}"), &expected, &found);
    }

    // I1, I14: the dead letters, with their bytes.
    let refused = reading.records.iter().filter(|record| record.row.is_none() || is_refused(record));
    let expected: Vec<(u64, i64, String, String)> = refused
        .map(|record| {
            let sqlstate = verdicts.refused.get(&place(record)).filter(|_| record.row.is_some());
            let stage = sqlstate.map_or("ours".to_owned(), |sqlstate| format!("server_{sqlstate}"));
            (record.offset, record.line, stage, String::from_utf8_lossy(&record.raw).into_owned())
        })
        .collect();
    let letters = snapshot.letters_of(source);
    let found: Vec<(u64, i64, String, String)> = letters
        .iter()
        .map(|letter| {
            let stage = match letter.stage.as_str() {
                "server" => letter.code.to_ascii_lowercase(),
                "decode" | "parse" | "schema" => "ours".to_owned(),
                stage => stage.to_owned(),
            };
            (letter.offset, letter.line, stage, String::from_utf8_lossy(&letter.raw).into_owned())
        })
        .collect();
    let lower = |mut letters: Vec<(u64, i64, String, String)>| {
        letters.iter_mut().for_each(|letter| letter.2.make_ascii_lowercase());
        letters
    };
    same(&format!("dead letters of {name}"), &lower(expected), &found);
    for (letter, record) in
        letters.iter().zip(reading.records.iter().filter(|record| record.row.is_none() || is_refused(record)))
    {
        // As bytes: what is shown above is made readable.
        assert_eq!(letter.raw, record.raw, "the bytes of {name}, line {}", record.line);
        assert_eq!(letter.length, record.raw.len() as i64);
    }

    // I5: the counters are those of the file, and add up.
    let counts = &source.counts;
    let records = reading.records.len() as i64;
    let rejected = letters.len() as i64;
    assert_eq!((source.lines, counts["blank"]), (reading.lines, reading.blank), "lines and blanks of {name}");
    assert_eq!(counts["rejected"], rejected, "rejected of {name}");
    let kept = counts["inserted"] + counts["updated"] + counts["unchanged"] + counts["superseded"];
    assert_eq!(kept, records - rejected, "records of {name}: {counts:?}");
    assert_eq!(source.lines, records + counts["blank"] + counts["skipped"], "lines of {name}");
    assert!(counts.values().all(|&count| count >= 0), "{name}: {counts:?}");
    if source.is_complete {
        assert_eq!(source.position, content.len() as u64, "{name} is called complete");
    }

    // I3: the checkpoint has come here in one chain of moves.
    let moves: Vec<&Move> = snapshot.moves.iter().filter(|it| it.source_id == source.id).collect();
    let mut position = 0;
    for step in &moves {
        assert_eq!(step.before, position, "{name}: a gap or a jump in {moves:?}");
        assert!(step.after > step.before, "{name}: a step back in {moves:?}");
        position = step.after;
    }
    assert_eq!(position, source.position, "{name}: the checkpoint was moved by somebody else: {moves:?}");

    // I4: what lies between two positions was written by the transaction that moved it. Rows
    // written under a savepoint carry the savepoint's number, so where the server refuses rows
    // or is too slow, only dead letters and the audit tell. A line that is read again is
    // written later.
    let is_read_again = file.versions.len() > 1;
    let writer =
        |offset: u64| moves.iter().find(|step| step.before <= offset && offset < step.after).unwrap().xid;
    if !is_read_again {
        for letter in &letters {
            assert_eq!(letter.xid, writer(letter.offset), "{name}: the dead letter at {}", letter.offset);
        }
        if verdicts.refused.is_empty() && load.key_columns().is_empty() && !load.is_audited() {
            for row in snapshot.rows_of(source) {
                assert_eq!(row.xid, writer(row.offset), "{name}: the row at {}", row.offset);
            }
        }
    }

    // I2: each row was applied once, by that transaction.
    if load.is_audited() {
        let applied: Vec<&Applied> = snapshot.applied.iter().filter(|it| it.source_id == source.id).collect();
        let offsets: Vec<u64> = applied.iter().map(|it| it.offset).collect();
        let rows: Vec<u64> = snapshot.rows_of(source).map(|row| row.offset).collect();
        if !is_read_again {
            same(&format!("applications of rows of {name}"), &rows, &offsets);
            for it in applied {
                assert_eq!(
                    it.xid,
                    writer(it.offset),
                    "{name}: the row at {} was applied by another",
                    it.offset
                );
            }
        }
    }
}

/// The target where the key is made of columns: every file up to its checkpoint, in order.
struct Fold<'l> {
    load: &'l Load,
    key: Vec<String>,
    rows: BTreeMap<String, Value>,
}

impl<'l> Fold<'l> {
    fn new(load: &'l Load) -> Fold<'l> {
        Fold { load, key: load.key_columns(), rows: BTreeMap::new() }
    }

    fn key_of(&self, row: &Value) -> String {
        let values: Vec<&Value> = self.key.iter().map(|column| &row[column.as_str()]).collect();
        serde_json::to_string(&values).unwrap()
    }

    fn add(&mut self, file: &LogFile, reading: &Reading, verdicts: &Verdicts) {
        for record in &reading.records {
            let Some(row) = &record.row else { continue };
            if verdicts.refused.contains_key(&(file.name.clone(), record.offset)) {
                continue;
            }
            let row = Value::Object(row.clone());
            let key = self.key_of(&row);
            if !self.load.keeps() || !self.rows.contains_key(&key) {
                self.rows.insert(key, row);
            }
        }
    }

    #[track_caller]
    fn check(&self, snapshot: &Snapshot) {
        let expected: Vec<(String, Value)> =
            self.rows.iter().map(|(key, row)| (key.clone(), row.clone())).collect();
        let canonical = |row: &Row| canonical(&row.value, self.load.fields());
        let mut found: Vec<(String, Value)> =
            snapshot.rows.iter().map(|row| (self.key_of(&canonical(row)), canonical(row))).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        same("rows", &expected, &found);
        let inserted: i64 = snapshot.sources.iter().map(|source| source.counts["inserted"]).sum();
        assert_eq!(inserted, expected.len() as i64, "every key is inserted once");
    }
}

/// Compares two lists, and tells the first difference.
#[track_caller]
fn same<T: PartialEq + Debug>(what: &str, expected: &[T], found: &[T]) {
    let place = expected.iter().zip(found).position(|(one, other)| one != other);
    let place = place.or((expected.len() != found.len()).then(|| expected.len().min(found.len())));
    if let Some(place) = place {
        panic!(
            "{what}: {} expected and {} found, and they differ at number {place}:\n expected {:?}\n    found {:?}",
            expected.len(),
            found.len(),
            expected.get(place),
            found.get(place)
        );
    }
}

/// Everything that a job has written, as of one moment.
#[derive(Default)]
struct Snapshot {
    sources: Vec<Source>,
    rows: Vec<Row>,
    dead_letters: Vec<DeadLetter>,
    moves: Vec<Move>,
    applied: Vec<Applied>,
}

struct Source {
    id: i32,
    name: String,
    position: u64,
    lines: i64,
    is_complete: bool,
    counts: BTreeMap<&'static str, i64>,
}

#[derive(Debug)]
struct Row {
    /// Of the position key; none where the key is made of columns.
    source_id: Option<i32>,
    offset: u64,
    xid: i64,
    value: Value,
}

#[derive(Debug)]
struct DeadLetter {
    source_id: i32,
    offset: u64,
    line: i64,
    length: i64,
    raw: Vec<u8>,
    stage: String,
    /// Of the first reason.
    code: String,
    xid: i64,
}

#[derive(Debug)]
struct Move {
    source_id: i32,
    before: u64,
    after: u64,
    xid: i64,
}

#[derive(Debug)]
struct Applied {
    source_id: i32,
    offset: u64,
    xid: i64,
}

const COUNTERS: [&str; 7] =
    ["inserted", "updated", "unchanged", "superseded", "rejected", "blank", "skipped"];

impl Snapshot {
    #[track_caller]
    fn take(transaction: &mut Transaction<'_>, load: &Load) -> Snapshot {
        let mut exists = |table: &str| -> bool {
            transaction.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).unwrap().get(0)
        };
        let (has_ours, has_target) = (exists("logmill.checkpoints"), exists("public.t"));
        let mut snapshot = Snapshot::default();
        if has_target {
            snapshot.take_rows(transaction, load);
        }
        if !has_ours {
            return snapshot;
        }
        let unsigned = |stored: i64| u64::try_from(stored).unwrap();
        let counters = COUNTERS.map(|name| format!("c.{name}")).join(", ");
        let sources = transaction.query(
            &format!(
                "SELECT s.id, s.name, c.position, c.lines, c.complete, {counters}
                 FROM logmill.sources s JOIN logmill.checkpoints c ON c.source_id = s.id
                 WHERE s.job = $1 ORDER BY s.id"
            ),
            &[&load.name()],
        );
        for row in sources.unwrap() {
            let counts = COUNTERS.iter().enumerate().map(|(index, name)| (*name, row.get(5 + index)));
            snapshot.sources.push(Source {
                id: row.get(0),
                name: row.get(1),
                position: unsigned(row.get(2)),
                lines: row.get(3),
                is_complete: row.get(4),
                counts: counts.collect(),
            });
        }
        let names: BTreeSet<&str> = snapshot.sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names.len(), snapshot.sources.len(), "a file is two sources: {names:?}");

        let letters = transaction.query(
            "SELECT source_id, source_offset, line, length, coalesce(raw, ''), stage, coalesce(reasons -> 0 ->> 'code', ''),
                    xmin::text::bigint, state
             FROM logmill.dead_letters WHERE job = $1 AND state <> 'superseded' ORDER BY source_id, source_offset",
            &[&load.name()],
        );
        for row in letters.unwrap() {
            assert_eq!(row.get::<_, String>(8), "open");
            snapshot.dead_letters.push(DeadLetter {
                source_id: row.get(0),
                offset: unsigned(row.get(1)),
                line: row.get(2),
                length: row.get(3),
                raw: row.get(4),
                stage: row.get(5),
                code: row.get(6),
                xid: row.get(7),
            });
        }
        let moves =
            transaction.query("SELECT source_id, before, after, xid FROM audit.moves ORDER BY number", &[]);
        for row in moves.unwrap() {
            let (before, after) = (row.get(1), row.get(2));
            snapshot.moves.push(Move {
                source_id: row.get(0),
                // A step back is shown as one, and fails then.
                before: unsigned(before),
                after: unsigned(after),
                xid: row.get(3),
            });
        }
        let applied =
            transaction.query("SELECT source_id, source_offset, xid FROM audit.applied ORDER BY 1, 2", &[]);
        for row in applied.unwrap() {
            let offset = unsigned(row.get(1));
            snapshot.applied.push(Applied { source_id: row.get(0), offset, xid: row.get(2) });
        }
        snapshot
    }

    fn take_rows(&mut self, transaction: &mut Transaction<'_>, load: &Load) {
        let place = match load.key_columns().is_empty() {
            true => "source_id, source_offset",
            false => "NULL::integer, 0::bigint",
        };
        let values: Vec<String> =
            load.fields().iter().map(|field| format!("'{0}', \"{0}\"", field.name)).collect();
        let sql = format!(
            "SELECT {place}, xmin::text::bigint, jsonb_build_object({})::text FROM t ORDER BY 1, 2",
            values.join(", ")
        );
        for row in transaction.query(&sql, &[]).unwrap() {
            self.rows.push(Row {
                source_id: row.get(0),
                offset: u64::try_from(row.get::<_, i64>(1)).unwrap(),
                xid: row.get(2),
                value: serde_json::from_str(row.get(3)).unwrap(),
            });
        }
    }

    fn source_of(&self, file: &LogFile, load: &Load) -> Option<&Source> {
        let path = load.path(&file.name).display().to_string();
        self.sources.iter().find(|source| source.name == path)
    }

    fn rows_of(&self, source: &Source) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.source_id == Some(source.id))
    }

    fn letters_of(&self, source: &Source) -> Vec<&DeadLetter> {
        self.dead_letters.iter().filter(|letter| letter.source_id == source.id).collect()
    }

    fn batches(&self) -> usize {
        self.moves.iter().map(|step| step.xid).collect::<BTreeSet<_>>().len()
    }
}

impl Verdicts {
    /// Gives every valid record of a load to a twin of its target, alone and in file order.
    pub(crate) fn of(load: &Load) -> Verdicts {
        let mut client = load.client();
        client
            .batch_execute("DROP SCHEMA IF EXISTS twin CASCADE; CREATE SCHEMA twin; SET search_path = twin")
            .unwrap();
        client.batch_execute("SET TimeZone = 'UTC'").unwrap();
        client.batch_execute(load.given_sql()).unwrap();
        let names: Vec<String> = load.fields().iter().map(|field| format!("\"{}\"", field.name)).collect();
        let names = names.join(", ");
        let key = load.key_columns();
        let is_by_position = key.is_empty();
        let (place, place_values) =
            if is_by_position { (", source_id, source_offset", ", $2, $3") } else { ("", "") };
        let insert = format!(
            "INSERT INTO t ({names}{place}) SELECT {names}{place_values} FROM jsonb_populate_record(NULL::t, $1::text::jsonb)"
        );
        let mut verdicts = Verdicts::default();
        for (number, file) in (0_i32..).zip(load.files()) {
            for record in read(file.versions.last().unwrap(), load.fields()).records {
                let Some(row) = record.row else { continue };
                let text = as_written(&row, load.fields());
                let offset = i64::try_from(record.offset).unwrap();
                let place = (file.name.clone(), record.offset);
                // The transaction is the statement, so that what is deferred is checked too.
                let outcome = match is_by_position {
                    true => client.execute(&insert, &[&text, &number, &offset]),
                    false => client.execute(&insert, &[&text]),
                };
                match outcome {
                    Ok(1) => {}
                    Ok(count) => panic!("{count} rows of one: the server swallows {text}"),
                    Err(error) => {
                        let sqlstate = error.code().expect("an error of the server").code().to_owned();
                        verdicts.refused.insert(place, sqlstate);
                    }
                }
            }
        }
        if is_by_position {
            verdicts.read_twin(&mut client, load);
        }
        client.batch_execute("DROP SCHEMA twin CASCADE").unwrap();
        verdicts
    }

    /// The rows of the twin, with everything that defaults and triggers made of them.
    fn read_twin(&mut self, client: &mut postgres::Client, load: &Load) {
        let values: Vec<String> =
            load.fields().iter().map(|field| format!("'{0}', \"{0}\"", field.name)).collect();
        let sql = format!(
            "SELECT source_id, source_offset, jsonb_build_object({})::text FROM t",
            values.join(", ")
        );
        let files = load.files();
        for row in client.query(&sql, &[]).unwrap() {
            let file = &files[usize::try_from(row.get::<_, i32>(0)).unwrap()];
            let offset = u64::try_from(row.get::<_, i64>(1)).unwrap();
            let value: Value = serde_json::from_str(row.get(2)).unwrap();
            self.rows.insert((file.name.clone(), offset), canonical(&value, load.fields()));
        }
    }

    /// How many rows are refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.len()
    }
}

/// A row as JSON that a server reads: instants as text again.
fn as_written(row: &Map<String, Value>, fields: &[Field]) -> String {
    let mut row = row.clone();
    for field in fields.iter().filter(|field| field.kind == "timestamp") {
        let value = row.get_mut(&field.name).unwrap();
        if let Some(micros) = value.as_i64() {
            *value = DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339().into();
        }
    }
    Value::Object(row).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::load::Load;
    use super::*;

    fn loaded() -> Load {
        let load = Load::of("{\"n\":1}\n\n{\"n\":\"x\"}\n{\"n\":3}\n").schema("n int").audited();
        load.run().exit(3);
        check_complete(&load);
        load
    }

    /// What the oracle says of a destination in which something was changed by hand.
    fn objection(change: &str) -> String {
        let load = loaded();
        load.sql(change);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&load)));
        let panic = outcome.expect_err("the oracle has not noticed");
        panic.downcast_ref::<String>().expect("a message").clone()
    }

    #[test]
    fn it_objects_to_everything_that_a_crash_could_have_done() {
        for (change, expected) in [
            ("DELETE FROM t WHERE n = 3", "rows of log.ndjson: 2 expected and 1 found"),
            ("UPDATE t SET n = 4 WHERE n = 3", "rows of log.ndjson"),
            ("UPDATE t SET source_offset = 5 WHERE n = 3", "rows of log.ndjson"),
            ("INSERT INTO t VALUES (9, 1, 99)", "rows of log.ndjson"),
            ("UPDATE t SET n = n", "the row at 0"),
            ("DELETE FROM logmill.dead_letters", "dead letters of log.ndjson"),
            ("UPDATE logmill.dead_letters SET raw = 'x'", "dead letters of log.ndjson"),
            ("UPDATE logmill.dead_letters SET line = 2", "dead letters of log.ndjson"),
            ("UPDATE logmill.dead_letters SET note = 'x'", "the dead letter at 9"),
            ("UPDATE logmill.checkpoints SET position = 8", "log.ndjson"),
            ("UPDATE logmill.checkpoints SET position = 12", "which is no line boundary"),
            ("UPDATE logmill.checkpoints SET inserted = 3", "records of log.ndjson"),
            ("UPDATE logmill.checkpoints SET rejected = 0, inserted = 3", "rejected of log.ndjson"),
            ("UPDATE logmill.checkpoints SET lines = 5, blank = 2", "lines and blanks of log.ndjson"),
            ("DELETE FROM audit.applied WHERE source_offset = 0", "applications of rows of log.ndjson"),
            ("INSERT INTO audit.applied SELECT * FROM audit.applied", "applications of rows of log.ndjson"),
            ("UPDATE audit.moves SET xid = xid + 1", "the dead letter at 9"),
            ("DELETE FROM audit.moves", "moved by somebody else"),
        ] {
            let said = objection(change);
            assert!(said.contains(expected), "{change}: {said}");
        }
    }
}
