//! A slow oracle: what loads, replays and discards do to records, one at a time.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::Value;

use crate::harness::destination::Cell;
use crate::harness::load::Load;

/// A record and its expected state.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) line: String,
    pub(super) fate: Fate,
    /// The number of refused attempts.
    attempts: i64,
    /// The mended bytes.
    fixed: Option<String>,
    row: Option<(i64, Option<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Unread,
    Row,
    Open,
    Replayed,
    Discarded,
}

/// Which of the two jobs: the one for short words, or the one for long words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rules {
    Short,
    Long,
}

/// The place of a record: its file, and its number in that file.
pub(super) type Place = (usize, usize);

/// One operation.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Load,
    Replay,
    Rehearse,
    /// Replays these letters with these bytes.
    ReplayMended(BTreeMap<Place, String>),
    Discard(Place),
}

/// The records of each file.
pub(super) type Files = Vec<Vec<Record>>;

impl Record {
    pub(super) fn new(line: String) -> Record {
        Record { line, fate: Fate::Unread, attempts: 0, fixed: None, row: None }
    }

    fn is_letter(&self) -> bool {
        matches!(self.fate, Fate::Open | Fate::Replayed | Fate::Discarded)
    }

    /// Tries bytes in place of this record.
    fn attempt(&mut self, bytes: &str, rules: Rules, good: Fate) {
        match row_of(bytes, rules) {
            Some(row) => (self.fate, self.row) = (good, Some(row)),
            None => (self.fate, self.attempts) = (Fate::Open, self.attempts + 1),
        }
    }
}

/// The row that the bytes become, unless the rules or the table refuse them.
fn row_of(bytes: &str, rules: Rules) -> Option<(i64, Option<String>)> {
    let object: Value = serde_json::from_str(bytes).ok()?;
    let longest = if rules == Rules::Short { 3 } else { 30 };
    let word = object.get("word").map(|word| word.as_str().unwrap().to_owned());
    let is_good = word.as_ref().is_none_or(|word| word.len() <= longest && word != REFUSED);
    is_good.then(|| (object["n"].as_i64().unwrap(), word))
}

/// The word that the table refuses.
pub(super) const REFUSED: &str = "no";

/// A random record with a unique number.
pub(super) fn some_line(number: usize, rng: &mut Rng) -> String {
    let word = ["a", "long", "longer", REFUSED, "", "bad"][rng.usize(..6)];
    match word {
        "bad" => format!("bad {number}"),
        "" => format!("{{\"n\":{number}}}"),
        word => format!("{{\"n\":{number},\"word\":\"{word}\"}}"),
    }
}

/// A random edit of a record, which may produce anything.
pub(super) fn some_mended(line: &str, number: usize, rng: &mut Rng) -> String {
    match rng.u8(..6) {
        0 => line.to_owned(),
        1 => format!("{{\"n\":{number}}}\n{{\"n\":{number}}}"),
        _ => some_line(number, rng),
    }
}

/// Applies an operation. Returns whether some letter could not be tried.
pub(super) fn done(files: &mut Files, deed: &Deed, rules: Rules) -> bool {
    let mut is_left = false;
    for (file, records) in files.iter_mut().enumerate() {
        for (number, record) in records.iter_mut().enumerate() {
            match (deed, record.fate) {
                (Deed::Load, Fate::Unread) => record.attempt(&record.line.clone(), rules, Fate::Row),
                (Deed::Replay, Fate::Open) => {
                    let bytes = record.fixed.as_ref().unwrap_or(&record.line).clone();
                    record.attempt(&bytes, rules, Fate::Replayed);
                }
                (Deed::ReplayMended(mended), fate) => match (mended.get(&(file, number)), fate) {
                    (Some(_), Fate::Discarded) => is_left = true,
                    (Some(bytes), Fate::Open) if bytes.contains('\n') => is_left = true,
                    (Some(bytes), Fate::Open) => {
                        record.fixed = Some(bytes.clone()).filter(|bytes| *bytes != record.line);
                        record.attempt(bytes, rules, Fate::Replayed);
                    }
                    _ => {}
                },
                (Deed::Discard(place), Fate::Open) if *place == (file, number) => {
                    record.fate = Fate::Discarded
                }
                _ => {}
            }
        }
    }
    is_left
}

pub(super) fn are_open(files: &Files) -> bool {
    files.iter().flatten().any(|record| record.fate == Fate::Open)
}

/// The letters in the destination, with their ids.
pub(super) fn letters(load: &Load, files: &Files) -> Vec<(Place, i64)> {
    let sql = format!(
        "SELECT source_id, source_offset, id FROM {} WHERE state <> 'superseded' ORDER BY 1, 2",
        load.ours("dead_letters")
    );
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    rows.iter().map(|row| (place(files, row[0].int(), row[1].int()), row[2].int())).collect()
}

/// The record at an offset of a source.
fn place(files: &Files, source: i64, offset: i64) -> Place {
    let file = usize::try_from(source).unwrap() - 1;
    let number = starts(&files[file]).iter().position(|start| *start == offset);
    (file, number.unwrap_or_else(|| panic!("no record begins at {offset} of source {source}")))
}

/// Where records begin, and where the last one ends.
fn starts(records: &[Record]) -> Vec<i64> {
    let mut starts = vec![0];
    for record in records {
        starts.push(starts.last().unwrap() + i64::try_from(record.line.len()).unwrap() + 1);
    }
    starts
}

/// The same records as the destination has them. Also asserts what holds of any destination: counters equal
/// what they count.
#[track_caller]
pub(super) fn observed(load: &Load, files: &Files) -> Files {
    let (checkpoints, letters) = (load.ours("checkpoints"), load.ours("dead_letters"));
    let [positions, states, rows] = load.made().look(|snapshot| {
        [
            format!("SELECT source_id, position, rejected, inserted FROM {checkpoints}"),
            format!(
                "SELECT source_id, source_offset, state, attempts, fixed FROM {letters} WHERE state <> 'superseded'"
            ),
            "SELECT source_id, source_offset, n, word FROM t".to_owned(),
        ]
        .map(|sql| snapshot.query(&sql))
    });
    let mut found: Files = files
        .iter()
        .map(|records| records.iter().map(|record| Record::new(record.line.clone())).collect())
        .collect();
    for row in &positions {
        let file = usize::try_from(row[0].int()).unwrap() - 1;
        let starts = starts(&files[file]);
        let read =
            starts.iter().position(|start| *start == row[1].int()).expect("a checkpoint between records");
        found[file][..read].iter_mut().for_each(|record| record.fate = Fate::Row);
    }
    for row in &states {
        let (file, number) = place(files, row[0].int(), row[1].int());
        let record = &mut found[file][number];
        assert_eq!(record.fate, Fate::Row, "a letter twice, or of a record that was not read: {record:?}");
        record.fate = match row[2].text() {
            "open" => Fate::Open,
            "replayed" => Fate::Replayed,
            "discarded" => Fate::Discarded,
            state => panic!("{state}"),
        };
        record.attempts = row[3].int();
        record.fixed = match &row[4] {
            Cell::Null => None,
            Cell::Bytes(bytes) => Some(String::from_utf8(bytes.clone()).unwrap()),
            other => panic!("{other:?}"),
        };
    }
    for row in &rows {
        let (file, number) = place(files, row[0].int(), row[1].int());
        let word = if row[3] == Cell::Null { None } else { Some(row[3].text().to_owned()) };
        let before = found[file][number].row.replace((row[2].int(), word));
        assert_eq!(before, None, "a row twice");
    }
    for row in &positions {
        let records = &found[usize::try_from(row[0].int()).unwrap() - 1];
        let count = |is: &dyn Fn(&Record) -> bool| records.iter().filter(|record| is(record)).count();
        let counted = [count(&Record::is_letter), count(&|record| record.fate == Fate::Row)];
        assert_eq!(
            counted.map(|count| i64::try_from(count).unwrap()),
            [row[2].int(), row[3].int()],
            "rejected and inserted of source {:?}",
            row[0]
        );
    }
    found
}
