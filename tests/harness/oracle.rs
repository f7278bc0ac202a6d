//! Checks what must be true of a destination at any moment, the slow and obvious way.
//!
//! [`check`] reads everything that a job has written in one snapshot and compares it with the files, read
//! line by line with serde_json and chrono. It shares no code with the program and takes only one number
//! from it: the checkpoint, which is what the promises are about. It may run at any time, above all at the
//! moment of a crash: the upsert of a rerun hides rows that were applied twice, so a correct final state
//! proves little.
//!
//! The oracle checks these promises: the target is the fold of the valid records before the checkpoint; the
//! dead letters are the rejects before it, with their bytes; neither holds anything else; counters add up; a
//! checkpoint lies on a line boundary, and its moves form one chain; every row was applied once; and one
//! transaction wrote the rows, the dead letters and the checkpoint move over them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::destination::Kind;
use super::fold::Fold;
use super::found::{Applied, DeadLetter, Found, Move, Source};
use super::load::{Load, LogFile};
use super::reading::{Reading, Record, Shape, Values, canonical, read};
use super::twin::Verdicts;

/// How far a load has come.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct State {
    /// The checkpoint of every known file.
    pub(crate) positions: BTreeMap<String, u64>,
    /// Whether every file is loaded to its end.
    pub(crate) is_complete: bool,
    /// How many transactions moved a checkpoint.
    pub(crate) batches: usize,
}

impl State {
    /// Whether the load has begun and not finished.
    pub(crate) fn is_underway(&self) -> bool {
        !self.is_complete && self.positions.values().any(|&position| position > 0)
    }
}

/// Checks the current state of the destination of `load`.
#[track_caller]
pub(crate) fn check(load: &Load) -> State {
    check_against(load, &Verdicts::default())
}

/// Checks the destination and requires the load to be complete.
#[track_caller]
pub(crate) fn check_complete(load: &Load) -> State {
    let state = check(load);
    assert!(state.is_complete, "not all is loaded: {state:?}");
    state
}

/// Like [`check`], for a server that refuses rows.
#[track_caller]
pub(crate) fn check_against(load: &Load, verdicts: &Verdicts) -> State {
    check_files(load, &load.files(), verdicts)
}

/// Like [`check_against`], for files that were not loaded in the order of their names.
#[track_caller]
pub(crate) fn check_in_order(load: &Load, names: &[&str], verdicts: &Verdicts) -> State {
    let mut files = load.files();
    files.sort_by_key(|file| names.iter().position(|name| *name == file.name));
    check_files(load, &files, verdicts)
}

#[track_caller]
fn check_files(load: &Load, files: &[LogFile], verdicts: &Verdicts) -> State {
    let found = load.made().look(|snapshot| Found::take(snapshot, load));
    if found.sources.is_empty() {
        assert!(found.rows.is_empty(), "rows of nobody: {:?}", found.rows);
        assert!(found.dead_letters.is_empty(), "dead letters of nobody: {:?}", found.dead_letters);
        return State { is_complete: files.is_empty(), ..State::default() };
    }
    let mut state = State { batches: found.batches(), ..State::default() };
    let mut fold = Fold::new(load);
    for file in files {
        let Some(source) = found.source_of(file, load) else { continue };
        let content = content_at(file, source, load.shape());
        let position = usize::try_from(source.position).unwrap();
        let reading = read(&content[..position], position == content.len(), load.shape(), load.fields());
        let letters = found.letters_of(source);
        let moves = found.moves.iter().filter(|it| it.source_id == source.id).collect();
        let snapshot = &found;
        Judged { load, snapshot, source, file, content, reading: &reading, verdicts, letters, moves }.check();
        fold.add(file, &reading, verdicts);
        state.positions.insert(file.name.clone(), source.position);
    }
    assert_eq!(state.positions.len(), found.sources.len(), "a source that was not to be loaded");
    if !load.rows_have_places() {
        fold.check(&found);
    }
    state.is_complete = files.iter().all(|file| {
        found.source_of(file, load).is_some_and(|source| {
            source.is_complete && source.position == file.versions.last().unwrap().len() as u64
        })
    });
    state
}

/// The version of a file that was loaded up to `position`: the oldest with a line boundary there. If a file
/// grew later, the loaded version is the shorter one.
#[track_caller]
fn content_at<'f>(file: &'f LogFile, source: &Source, shape: Shape) -> &'f [u8] {
    let position = usize::try_from(source.position).unwrap();
    let fits = |content: &&Vec<u8>| {
        position == 0
            || position == content.len()
            || !source.is_complete && position < content.len() && shape.may_end(&content[..position])
    };
    let Some(content) = file.versions.iter().find(fits) else {
        panic!("the checkpoint of {} is at {position}, which is no line boundary", file.name);
    };
    content
}

/// One source: the content of its file, and what the snapshot holds for it.
struct Judged<'a> {
    load: &'a Load,
    snapshot: &'a Found,
    source: &'a Source,
    file: &'a LogFile,
    content: &'a [u8],
    reading: &'a Reading,
    verdicts: &'a Verdicts,
    letters: Vec<&'a DeadLetter>,
    moves: Vec<&'a Move>,
}

impl Judged<'_> {
    #[track_caller]
    fn check(&self) {
        self.the_rows_are_the_valid_records();
        self.the_dead_letters_are_the_rejects();
        self.the_counters_are_those_of_the_file();
        self.the_checkpoint_came_in_one_chain();
        self.each_part_was_written_by_the_transaction_that_moved_over_it();
        self.each_row_was_applied_once();
    }

    fn name(&self) -> &str {
        &self.file.name
    }

    fn place(&self, record: &Record) -> (String, u64) {
        (self.file.name.clone(), record.offset)
    }

    fn is_refused(&self, record: &Record) -> bool {
        self.verdicts.refused.contains_key(&self.place(record))
    }

    /// The records that did not become rows, whether logmill or the server refused them.
    fn rejects(&self) -> impl Iterator<Item = &Record> {
        self.reading.records.iter().filter(|record| record.row.is_none() || self.is_refused(record))
    }

    /// I1. With a column key, `Fold` compares the target as a whole instead.
    #[track_caller]
    fn the_rows_are_the_valid_records(&self) {
        if !self.load.rows_have_places() {
            return;
        }
        let valid =
            self.reading.records.iter().filter(|record| record.row.is_some() && !self.is_refused(record));
        let expected: Vec<(u64, Values)> = valid
            .map(|record| {
                let row = self.verdicts.rows.get(&self.place(record)).cloned();
                (record.offset, row.unwrap_or_else(|| record.row.clone().unwrap()))
            })
            .collect();
        let rows = self.snapshot.rows_of(self.source);
        let found: Vec<(u64, Values)> =
            rows.map(|row| (row.offset, canonical(&row.value, self.load.fields()))).collect();
        same(&format!("rows of {}", self.name()), &expected, &found);
    }

    /// I1 and I14: the dead letters are the rejects, with their bytes.
    #[track_caller]
    fn the_dead_letters_are_the_rejects(&self) {
        let name = self.name();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let expected: Vec<(u64, i64, String, String)> = self
            .rejects()
            .map(|record| {
                let refused = self.verdicts.refused.get(&self.place(record)).filter(|_| record.row.is_some());
                let stage = refused.map_or("ours".to_owned(), |sqlstate| format!("server_{sqlstate}"));
                (record.offset, record.line, stage.to_ascii_lowercase(), text(&record.raw))
            })
            .collect();
        let found: Vec<(u64, i64, String, String)> = self
            .letters
            .iter()
            .map(|letter| {
                let stage = match letter.stage.as_str() {
                    "server" => letter.code.to_ascii_lowercase(),
                    "decode" | "parse" | "schema" => "ours".to_owned(),
                    stage => stage.to_owned(),
                };
                (letter.offset, letter.line, stage, text(&letter.raw))
            })
            .collect();
        same(&format!("dead letters of {name}"), &expected, &found);
        for (letter, record) in self.letters.iter().zip(self.rejects()) {
            // Compared as bytes, because the text above is lossily decoded.
            assert_eq!(letter.raw, record.raw, "the bytes of {name}, line {}", record.line);
            assert_eq!(letter.length, record.raw.len() as i64);
        }
    }

    /// I5: the counters match the file, and they add up.
    #[track_caller]
    fn the_counters_are_those_of_the_file(&self) {
        let Judged { source, reading, .. } = self;
        let (name, counts) = (self.name(), &source.counts);
        let records = reading.records.len() as i64;
        let rejected = self.letters.len() as i64;
        let of_records = reading.records.iter().map(|record| record.lines).sum::<i64>();
        let counted = (source.lines, counts["blank"], counts["skipped"]);
        assert_eq!(counted, (reading.lines, reading.blank, reading.skipped), "lines and blanks of {name}");
        assert_eq!(counts["rejected"], rejected, "rejected of {name}");
        let kept = counts["inserted"] + counts["updated"] + counts["unchanged"] + counts["superseded"];
        assert_eq!(kept, records - rejected, "records of {name}: {counts:?}");
        assert_eq!(source.lines, of_records + counts["blank"] + counts["skipped"], "lines of {name}");
        assert!(counts.values().all(|&count| count >= 0), "{name}: {counts:?}");
        if source.is_complete {
            assert_eq!(source.position, self.content.len() as u64, "{name} is called complete");
        }
    }

    /// I3, on destinations that record the moves.
    #[track_caller]
    fn the_checkpoint_came_in_one_chain(&self) {
        let Judged { moves, .. } = self;
        let (name, mut position) = (self.name(), 0);
        for step in moves {
            assert_eq!(step.before, position, "{name}: a gap or a jump in {moves:?}");
            assert!(step.after > step.before, "{name}: a step back in {moves:?}");
            position = step.after;
        }
        if self.is_signed() || self.load.is_audited() {
            let other = "the checkpoint was moved by somebody else";
            assert_eq!(position, self.source.position, "{name}: {other}: {moves:?}");
        }
    }

    /// I4. Rows written under a savepoint carry the savepoint's transaction id, so where the server refuses
    /// rows or is too slow, only the dead letters and the audit can tell.
    #[track_caller]
    fn each_part_was_written_by_the_transaction_that_moved_over_it(&self) {
        if self.is_read_again() || !self.is_signed() {
            return;
        }
        let name = self.name();
        for letter in &self.letters {
            assert_eq!(
                letter.xid,
                self.writer(letter.offset),
                "{name}: the dead letter at {}",
                letter.offset
            );
        }
        if self.verdicts.refused.is_empty() && self.load.rows_have_places() && !self.load.is_audited() {
            for row in self.snapshot.rows_of(self.source) {
                assert_eq!(row.xid, self.writer(row.offset), "{name}: the row at {}", row.offset);
            }
        }
    }

    /// I2: each row was applied once, by the transaction that moved the checkpoint over it.
    #[track_caller]
    fn each_row_was_applied_once(&self) {
        if !self.load.is_audited() || self.is_read_again() {
            return;
        }
        let name = self.name();
        let applied = self.snapshot.applied.iter().filter(|it| it.source_id == self.source.id);
        let applied: Vec<&Applied> = applied.collect();
        let offsets: Vec<u64> = applied.iter().map(|it| it.offset).collect();
        let rows: Vec<u64> = self.snapshot.rows_of(self.source).map(|row| row.offset).collect();
        same(&format!("applications of rows of {name}"), &rows, &offsets);
        for it in applied.into_iter().filter(|_| self.is_signed()) {
            let offset = it.offset;
            assert_eq!(it.xid, self.writer(offset), "{name}: the row at {offset} was applied by another");
        }
    }

    /// Whether the file was rewritten. A line that is read again is written by a later transaction.
    fn is_read_again(&self) -> bool {
        self.file.versions.len() > 1
    }

    /// Whether the destination records which transaction wrote a row. SQLite does not.
    fn is_signed(&self) -> bool {
        self.load.kind() == Kind::Postgres
    }

    /// The transaction that moved the checkpoint over this offset.
    fn writer(&self, offset: u64) -> i64 {
        self.moves.iter().find(|step| step.before <= offset && offset < step.after).unwrap().xid
    }
}

/// Compares two lists and reports the first difference.
#[track_caller]
pub(super) fn same<T: PartialEq + Debug>(what: &str, expected: &[T], found: &[T]) {
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

    /// The oracle's objection after someone changed the destination by hand.
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

    /// Changes that any destination allows.
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
