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
use serde_json::{Map, Value};

use super::destination::{Kind, Snapshot};
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

/// What a destination makes of rows that are given to it one by one, each in a transaction of its
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
    let snapshot = load.made().look(|snapshot| Found::take(snapshot, load));
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
    if !load.rows_have_places() {
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
    snapshot: &Found,
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
    if load.rows_have_places() {
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

    // I3: the checkpoint has come here in one chain of moves, where they are written down.
    let moves: Vec<&Move> = snapshot.moves.iter().filter(|it| it.source_id == source.id).collect();
    let mut position = 0;
    for step in &moves {
        assert_eq!(step.before, position, "{name}: a gap or a jump in {moves:?}");
        assert!(step.after > step.before, "{name}: a step back in {moves:?}");
        position = step.after;
    }
    if load.kind() == Kind::Postgres || load.is_audited() {
        assert_eq!(position, source.position, "{name}: the checkpoint was moved by somebody else: {moves:?}");
    }

    // I4: what lies between two positions was written by the transaction that moved it. Rows
    // written under a savepoint carry the savepoint's number, so where the server refuses rows
    // or is too slow, only dead letters and the audit tell. A line that is read again is
    // written later. SQLite does not say who wrote what.
    let is_read_again = file.versions.len() > 1;
    let writer =
        |offset: u64| moves.iter().find(|step| step.before <= offset && offset < step.after).unwrap().xid;
    let is_signed = load.kind() == Kind::Postgres;
    if !is_read_again && is_signed {
        for letter in &letters {
            assert_eq!(letter.xid, writer(letter.offset), "{name}: the dead letter at {}", letter.offset);
        }
        if verdicts.refused.is_empty() && load.rows_have_places() && !load.is_audited() {
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
            for it in applied.into_iter().filter(|_| is_signed) {
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

/// The target where rows do not say where they come from, but are known by columns or by the
/// hash of their record: every file up to its checkpoint, in order.
struct Fold<'l> {
    load: &'l Load,
    key: Vec<String>,
    rows: BTreeMap<String, Value>,
}

impl<'l> Fold<'l> {
    fn new(load: &'l Load) -> Fold<'l> {
        Fold { load, key: load.key_columns(), rows: BTreeMap::new() }
    }

    fn key_of(&self, row: &Value, hash: &str) -> String {
        if self.load.is_by_content() {
            return hash.to_owned();
        }
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
            let key = self.key_of(&row, &hash_of(&record.raw));
            if !self.load.keeps() || !self.rows.contains_key(&key) {
                self.rows.insert(key, row);
            }
        }
    }

    #[track_caller]
    fn check(&self, snapshot: &Found) {
        let expected: Vec<(String, Value)> =
            self.rows.iter().map(|(key, row)| (key.clone(), row.clone())).collect();
        let canonical = |row: &Row| canonical(&row.value, self.load.fields());
        let mut found: Vec<(String, Value)> = snapshot
            .rows
            .iter()
            .map(|row| (self.key_of(&canonical(row), &row.hash), canonical(row)))
            .collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        same("rows", &expected, &found);
        let inserted: i64 = snapshot.sources.iter().map(|source| source.counts["inserted"]).sum();
        assert_eq!(inserted, expected.len() as i64, "every key is inserted once");
    }
}

/// What a record is known by: the first half of its BLAKE3, written as a UUID.
fn hash_of(raw: &[u8]) -> String {
    let hash = *blake3::hash(raw).as_bytes().first_chunk().unwrap();
    uuid::Uuid::from_bytes(hash).to_string()
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
struct Found {
    sources: Vec<Source>,
    rows: Vec<Row>,
    dead_letters: Vec<DeadLetter>,
    moves: Vec<Move>,
    applied: Vec<Applied>,
}

struct Source {
    id: i64,
    name: String,
    position: u64,
    lines: i64,
    is_complete: bool,
    counts: BTreeMap<&'static str, i64>,
}

#[derive(Debug)]
struct Row {
    /// Where it comes from, if it says so.
    source_id: Option<i64>,
    offset: u64,
    /// Of its record, where that is its key.
    hash: String,
    xid: i64,
    value: Value,
}

#[derive(Debug)]
struct DeadLetter {
    source_id: i64,
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
    source_id: i64,
    before: u64,
    after: u64,
    xid: i64,
}

#[derive(Debug)]
struct Applied {
    source_id: i64,
    offset: u64,
    xid: i64,
}

const COUNTERS: [&str; 7] =
    ["inserted", "updated", "unchanged", "superseded", "rejected", "blank", "skipped"];

impl Found {
    #[track_caller]
    fn take(snapshot: &mut dyn Snapshot, load: &Load) -> Found {
        let mut found = Found::default();
        if snapshot.has(load.kind().word("public.t", "t")) {
            found.take_rows(snapshot, load);
        }
        if !snapshot.has(&load.ours("checkpoints")) {
            return found;
        }
        found.take_sources(snapshot, load);
        found.take_dead_letters(snapshot, load);
        let audit = |name| load.kind().table("audit", name);
        let xid = load.kind().word("xid", "0");
        if snapshot.has(&audit("moves")) {
            let sql =
                format!("SELECT source_id, before, after, {xid} FROM {} ORDER BY number", audit("moves"));
            for row in snapshot.query(&sql) {
                found.moves.push(Move {
                    source_id: row[0].int(),
                    before: row[1].place(),
                    after: row[2].place(),
                    xid: row[3].int(),
                });
            }
            let sql =
                format!("SELECT source_id, source_offset, {xid} FROM {} ORDER BY 1, 2", audit("applied"));
            for row in snapshot.query(&sql) {
                found.applied.push(Applied {
                    source_id: row[0].int(),
                    offset: row[1].place(),
                    xid: row[2].int(),
                });
            }
        }
        found
    }

    #[track_caller]
    fn take_sources(&mut self, snapshot: &mut dyn Snapshot, load: &Load) {
        let counters = COUNTERS.map(|name| format!("c.{name}")).join(", ");
        let sql = format!(
            "SELECT s.id, s.name, c.position, c.lines, c.complete, {counters}
             FROM {} s JOIN {} c ON c.source_id = s.id WHERE s.job = '{}' ORDER BY s.id",
            load.ours("sources"),
            load.ours("checkpoints"),
            load.name()
        );
        for row in snapshot.query(&sql) {
            let counts = COUNTERS.iter().enumerate().map(|(index, name)| (*name, row[5 + index].int()));
            self.sources.push(Source {
                id: row[0].int(),
                name: row[1].text().to_owned(),
                position: row[2].place(),
                lines: row[3].int(),
                is_complete: row[4].int() == 1,
                counts: counts.collect(),
            });
        }
        let names: BTreeSet<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names.len(), self.sources.len(), "a file is two sources: {names:?}");
    }

    #[track_caller]
    fn take_dead_letters(&mut self, snapshot: &mut dyn Snapshot, load: &Load) {
        let sql = format!(
            "SELECT source_id, source_offset, line, length, raw, stage, CAST(reasons AS text), state, {}
             FROM {} WHERE job = '{}' AND state <> 'superseded' ORDER BY source_id, source_offset",
            load.kind().word("xmin::text::bigint", "0"),
            load.ours("dead_letters"),
            load.name()
        );
        for row in snapshot.query(&sql) {
            assert_eq!(row[7].text(), "open");
            let reasons: Value = serde_json::from_str(row[6].text()).unwrap();
            self.dead_letters.push(DeadLetter {
                source_id: row[0].int(),
                offset: row[1].place(),
                line: row[2].int(),
                length: row[3].int(),
                raw: row[4].known().map(|raw| raw.bytes().to_vec()).unwrap_or_default(),
                stage: row[5].text().to_owned(),
                code: reasons[0]["code"].as_str().unwrap_or_default().to_owned(),
                xid: row[8].int(),
            });
        }
    }

    #[track_caller]
    fn take_rows(&mut self, snapshot: &mut dyn Snapshot, load: &Load) {
        let place = match load.rows_have_places() {
            true => "source_id, source_offset",
            false => "NULL, 0",
        };
        let hash = if load.is_by_content() { "CAST(record_hash AS text)" } else { "''" };
        let values: Vec<String> =
            load.fields().iter().map(|field| format!("'{0}', \"{0}\"", field.name)).collect();
        let sql = format!(
            "SELECT {place}, {hash}, {}, CAST({}({}) AS text) FROM t ORDER BY 1, 2",
            load.kind().word("xmin::text::bigint", "0"),
            load.kind().word("jsonb_build_object", "json_object"),
            values.join(", ")
        );
        for row in snapshot.query(&sql) {
            self.rows.push(Row {
                source_id: row[0].known().map(|id| id.int()),
                offset: row[1].place(),
                hash: row[2].text().to_owned(),
                xid: row[3].int(),
                value: serde_json::from_str(row[4].text()).unwrap(),
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
        match load.kind() {
            Kind::Postgres => Verdicts::of_server(load),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => Verdicts::of_sqlite(load),
        }
    }

    fn of_server(load: &Load) -> Verdicts {
        let mut client = load.client();
        client
            .batch_execute("DROP SCHEMA IF EXISTS twin CASCADE; CREATE SCHEMA twin; SET search_path = twin")
            .unwrap();
        client.batch_execute("SET TimeZone = 'UTC'").unwrap();
        client.batch_execute(load.given_sql()).unwrap();
        let names: Vec<String> = load.fields().iter().map(|field| format!("\"{}\"", field.name)).collect();
        let names = names.join(", ");
        let is_by_position = load.rows_have_places();
        let (place, place_values) =
            if is_by_position { (", source_id, source_offset", ", $2, $3") } else { ("", "") };
        let insert = format!(
            "INSERT INTO t ({names}{place}) SELECT {names}{place_values} FROM jsonb_populate_record(NULL::t, $1::text::jsonb)"
        );
        let mut verdicts = Verdicts::default();
        for (number, place, row) in valid_rows(load) {
            let text = as_written(&row, load.fields());
            let offset = i64::try_from(place.1).unwrap();
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
        if is_by_position {
            verdicts.read_twin(&mut client, load);
        }
        client.batch_execute("DROP SCHEMA twin CASCADE").unwrap();
        verdicts
    }

    /// Of a target whose refusals are all its constraints'. They are given the SQLSTATE that
    /// PostgreSQL has for them.
    #[cfg(feature = "sqlite")]
    fn of_sqlite(load: &Load) -> Verdicts {
        use rusqlite::ffi::{SQLITE_CONSTRAINT_CHECK, SQLITE_CONSTRAINT_UNIQUE};
        use rusqlite::types::Value as Sql;
        let twin = rusqlite::Connection::open_in_memory().unwrap();
        twin.execute_batch(load.given_sql()).unwrap();
        let names: Vec<String> = load.fields().iter().map(|field| format!("\"{}\"", field.name)).collect();
        let marks = vec!["?"; names.len() + 2].join(", ");
        let insert =
            format!("INSERT INTO t ({}, source_id, source_offset) VALUES ({marks})", names.join(", "));
        let mut verdicts = Verdicts::default();
        for (number, place, row) in valid_rows(load) {
            let values = load.fields().iter().map(|field| match &row[&field.name] {
                Value::Null => Sql::Null,
                Value::Number(number) => {
                    number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap()), Sql::Integer)
                }
                other => Sql::Text(other.as_str().unwrap().to_owned()),
            });
            let place_values = [Sql::Integer(number.into()), Sql::Integer(place.1.try_into().unwrap())];
            let outcome = twin.execute(&insert, rusqlite::params_from_iter(values.chain(place_values)));
            let Err(rusqlite::Error::SqliteFailure(failure, _)) = outcome else { continue };
            let sqlstate = match failure.extended_code {
                SQLITE_CONSTRAINT_CHECK => "23514",
                SQLITE_CONSTRAINT_UNIQUE => "23505",
                code => panic!("the oracle does not know the error {code}"),
            };
            verdicts.refused.insert(place, sqlstate.to_owned());
        }
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
}

/// The valid records of a load in order, with the number of their file.
fn valid_rows(load: &Load) -> Vec<(i32, Place, Map<String, Value>)> {
    let mut rows = Vec::new();
    for (number, file) in (0..).zip(load.files()) {
        for record in read(file.versions.last().unwrap(), load.fields()).records {
            rows.extend(record.row.map(|row| (number, (file.name.clone(), record.offset), row)));
        }
    }
    rows
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

    fn loaded(kind: Kind) -> Load {
        let load = Load::of("{\"n\":1}\n\n{\"n\":\"x\"}\n{\"n\":3}\n").to(kind).schema("n int").audited();
        load.run().exit(3);
        check_complete(&load);
        load
    }

    /// What the oracle says of a destination in which something was changed by hand.
    fn objection(kind: Kind, change: &str) -> String {
        let load = loaded(kind);
        load.sql(change);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&load)));
        let Err(panic) = outcome else { panic!("the oracle has not noticed: {change}") };
        panic.downcast_ref::<String>().expect("a message").clone()
    }

    fn objects_to<const N: usize>(kind: Kind, cases: [(&str, &str); N]) {
        for (change, expected) in cases {
            let ours = kind.word("logmill.", "logmill_");
            let audit = kind.word("audit.", "audit_");
            let change = change
                .replace("logmill.", ours)
                .replace("audit.", audit)
                .replace("{blob}", kind.word("bytea", "blob"));
            let said = objection(kind, &change);
            assert!(said.contains(expected), "{change}: {said}");
        }
    }

    /// What can be done to any destination.
    const CASES: [(&str, &str); 15] = [
        ("DELETE FROM t WHERE n = 3", "rows of log.ndjson: 2 expected and 1 found"),
        ("UPDATE t SET n = 4 WHERE n = 3", "rows of log.ndjson"),
        ("UPDATE t SET source_offset = 5 WHERE n = 3", "rows of log.ndjson"),
        ("INSERT INTO t VALUES (9, 1, 99)", "rows of log.ndjson"),
        ("UPDATE t SET n = n", "applications of rows of log.ndjson"),
        ("DELETE FROM logmill.dead_letters", "dead letters of log.ndjson"),
        ("UPDATE logmill.dead_letters SET raw = CAST('x' AS {blob})", "dead letters of log.ndjson"),
        ("UPDATE logmill.dead_letters SET line = 2", "dead letters of log.ndjson"),
        ("UPDATE logmill.checkpoints SET position = 8", "log.ndjson"),
        ("UPDATE logmill.checkpoints SET position = 12", "which is no line boundary"),
        ("UPDATE logmill.checkpoints SET inserted = 3", "records of log.ndjson"),
        ("UPDATE logmill.checkpoints SET rejected = 0, inserted = 3", "rejected of log.ndjson"),
        ("UPDATE logmill.checkpoints SET lines = 5, blank = 2", "lines and blanks of log.ndjson"),
        ("DELETE FROM audit.applied WHERE source_offset = 0", "applications of rows of log.ndjson"),
        ("INSERT INTO audit.applied SELECT * FROM audit.applied", "applications of rows of log.ndjson"),
    ];

    #[test]
    fn it_objects_to_everything_that_a_crash_could_have_done_to_a_server() {
        objects_to(Kind::Postgres, CASES);
        let more = [
            ("UPDATE logmill.dead_letters SET note = 'x'", "the dead letter at 9"),
            ("UPDATE audit.moves SET xid = xid + 1", "the dead letter at 9"),
            ("DELETE FROM audit.moves", "moved by somebody else"),
        ];
        objects_to(Kind::Postgres, more);
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn it_objects_to_everything_that_a_crash_could_have_done_to_a_file() {
        objects_to(Kind::Sqlite, CASES);
        objects_to(Kind::Sqlite, [("DELETE FROM audit.moves", "moved by somebody else")]);
    }
}
