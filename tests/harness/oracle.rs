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

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::destination::Kind;
use super::fold::Fold;
use super::found::{Applied, Found, Move, Source};
use super::load::{Load, LogFile};
use super::reading::{Reading, Record, Values, canonical, read};
use super::twin::Verdicts;

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

impl State {
    /// Whether something is loaded, and not all.
    pub(crate) fn is_underway(&self) -> bool {
        !self.is_complete && self.positions.values().any(|&position| position > 0)
    }
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
    check_files(load, &load.files(), verdicts)
}

/// Checks the destination as it is now, where files were loaded in another order than that of
/// their names.
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
        let content = content_at(file, source);
        let reading =
            read(&content[..usize::try_from(source.position).unwrap()], load.shape(), load.fields());
        check_source(load, &found, source, file, content, &reading, verdicts);
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

/// The version of a file that was loaded up to `position`: the oldest that has a line
/// boundary there. A file that grew since was loaded as what it was.
#[track_caller]
fn content_at<'f>(file: &'f LogFile, source: &Source) -> &'f [u8] {
    let position = usize::try_from(source.position).unwrap();
    let fits = |content: &&Vec<u8>| {
        position == 0
            || position == content.len()
            || !source.is_complete && position < content.len() && content[position - 1] == b'\n'
    };
    let Some(content) = file.versions.iter().find(fits) else {
        panic!("the checkpoint of {} is at {position}, which is no line boundary", file.name);
    };
    content
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
        let expected: Vec<(u64, Values)> = valid
            .map(|record| {
                let row = verdicts.rows.get(&place(record)).cloned();
                (record.offset, row.unwrap_or_else(|| record.row.clone().unwrap()))
            })
            .collect();
        let found: Vec<(u64, Values)> =
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
    let of_records = reading.records.iter().map(|record| record.lines).sum::<i64>();
    let counted = (source.lines, counts["blank"], counts["skipped"]);
    assert_eq!(counted, (reading.lines, reading.blank, reading.skipped), "lines and blanks of {name}");
    assert_eq!(counts["rejected"], rejected, "rejected of {name}");
    let kept = counts["inserted"] + counts["updated"] + counts["unchanged"] + counts["superseded"];
    assert_eq!(kept, records - rejected, "records of {name}: {counts:?}");
    assert_eq!(source.lines, of_records + counts["blank"] + counts["skipped"], "lines of {name}");
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

/// Compares two lists, and tells the first difference.
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
