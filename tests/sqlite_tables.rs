//! SQLite tables that existed before the first run: strict and not, with columns of their own, and tables
//! that would turn values into others.

use std::fs;
use std::path::Path;

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::tables::{lines, select};

fn load(log: impl AsRef<[u8]>) -> Load {
    Load::of(log).to(Kind::Sqlite)
}

#[test]
fn columns_without_a_field_keep_their_own_values() {
    for strict in ["", "STRICT"] {
        let load = load(lines([1, 2])).schema("n int").given(&format!(
            "CREATE TABLE t (n INTEGER, twice INTEGER GENERATED ALWAYS AS (n * 2) STORED, thrice INTEGER AS (n * 3),
                             level TEXT NOT NULL DEFAULT 'INFO', note TEXT, source_id INTEGER, source_offset INTEGER,
                             PRIMARY KEY (source_id, source_offset)) {strict}"
        ));
        load.run().exit(0);
        assert_eq!(
            select(&load, "SELECT n, twice, thrice, level, note FROM t ORDER BY n"),
            ["1 2 3 INFO null", "2 4 6 INFO null"]
        );
    }
}

#[test]
fn a_table_without_rowids_and_one_whose_rowid_is_the_key_take_rows() {
    let log = "{\"k\":1,\"w\":\"a\"}\n{\"k\":2,\"w\":\"b\"}\n{\"k\":1,\"w\":\"c\"}\n";
    for table in [
        "CREATE TABLE t (k INTEGER PRIMARY KEY, w TEXT)",
        "CREATE TABLE t (k INT PRIMARY KEY, w TEXT) WITHOUT ROWID",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, k INT UNIQUE, w TEXT)",
        "CREATE TABLE t (k, w)  ; CREATE UNIQUE INDEX i ON t (k DESC)",
        "CREATE TABLE t (K BIGINT, W VARCHAR(1), UNIQUE (k))",
    ] {
        for (on_conflict, expected) in
            [("update", ["1 c", "2 b"]), ("keep", ["1 a", "2 b"]), ("newest(w)", ["1 c", "2 b"])]
        {
            load(log)
                .schema("k int, w text")
                .key(r#"["k"]"#)
                .destination(&format!("on_conflict = \"{on_conflict}\""))
                .given(table)
                .run()
                .exit(0)
                .rows(expected);
        }
    }
}

#[test]
fn a_tables_own_conflict_clause_is_not_applied() {
    // By themselves these rules would remove other rows, or leave the new one out.
    let log = "{\"k\":1,\"w\":\"a\"}\n{\"k\":2,\"w\":\"a\"}\n{\"k\":1,\"w\":\"b\"}\n{\"k\":3}\n";
    for rule in ["REPLACE", "IGNORE", "ROLLBACK", "FAIL", "ABORT"] {
        for (on_conflict, expected) in [("update", "1 b"), ("keep", "1 a")] {
            load(log)
                .schema("k int, w text?")
                .key(r#"["k"]"#)
                .destination(&format!("on_conflict = \"{on_conflict}\""))
                .given(&format!(
                    "CREATE TABLE t (k INTEGER PRIMARY KEY ON CONFLICT {rule}, w TEXT UNIQUE ON CONFLICT {rule} CHECK (w IS NOT NULL))"
                ))
                .run()
                .exit(3)
                .rows([expected])
                .rejects([(2, "server_23505"), (4, "server_23514")]);
        }
    }
}

#[test]
fn texts_are_compared_by_their_bytes_and_keys_by_their_collation() {
    let log = "{\"k\":\"a\",\"w\":\"x\"}\n{\"k\":\"A\",\"w\":\"X\"}\n";
    let load = load(log)
        .schema("k text, w text")
        .key(r#"["k"]"#)
        .given("CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, w TEXT COLLATE NOCASE)");
    load.run().exit(0).rows(["a X"]).counts("1 inserted, 1 updated");
}

#[test]
fn a_unique_index_of_another_collation_is_no_key() {
    let log = "{\"k\":\"a\",\"w\":\"x\"}\n{\"k\":\"A\",\"w\":\"X\"}\n";
    for table in [
        "CREATE TABLE t (k TEXT NOT NULL, w TEXT); CREATE UNIQUE INDEX i ON t (k COLLATE NOCASE)",
        "CREATE TABLE t (k TEXT COLLATE RTRIM NOT NULL, w TEXT); CREATE UNIQUE INDEX i ON t (k COLLATE BINARY)",
        "CREATE TABLE t (k TEXT NOT NULL, w TEXT, PRIMARY KEY (k COLLATE NOCASE))",
    ] {
        let load = load(log).schema("k text, w text").key(r#"["k"]"#).given(table);
        load.run().exit(2).says("calls other texts equal").rows([""; 0]);
    }
    let load = load(log).schema("k text, w text").key(r#"["k"]"#).given(
        "CREATE TABLE t (k TEXT COLLATE NOCASE, w TEXT); CREATE UNIQUE INDEX i ON t (k COLLATE nocase)",
    );
    load.run().exit(0).rows(["a X"]);
}

#[test]
fn every_mismatch_in_sqlite_is_reported_in_one_message() {
    let load = load("{}")
        .schema("a int, b text, c float, d decimal, e bool, g text, missing date")
        .key(r#"["a"]"#)
        .given(
            "CREATE TABLE t (a TEXT, b INTEGER, c NUMERIC, d DECIMAL(10, 2), e BLOB, g TEXT AS (1), must TEXT NOT NULL)",
        );
    let ended = load.run();
    ended.exit(2);
    for finding in [
        "column a is TEXT, which turns values into others, and should be INTEGER",
        "column b is INTEGER, which turns values into others, and should be TEXT",
        "column c is NUMERIC, which turns values into others, and should be REAL",
        "column d is DECIMAL(10, 2), which turns values into others, and should be TEXT",
        "column g is generated and takes no values; leave the field out",
        "column missing is missing from t; add it (ALTER TABLE \"t\" ADD COLUMN \"missing\" TEXT)",
        "column must takes no null, has no default, and no field is written to it",
        "no unique index on (\"a\")",
    ] {
        ended.says(finding);
    }
    ended.says("8 things stand in the way");
}

#[test]
fn a_strict_table_takes_exactly_its_types() {
    let load = load("{}").schema("a int, b text, c bool, d date").given(
        "CREATE TABLE t (a REAL, b ANY, c INT, d BLOB, source_id INTEGER, source_offset INTEGER,
                         PRIMARY KEY (source_id, source_offset)) STRICT",
    );
    load.run()
        .exit(2)
        .says("column a is REAL, which turns values into others, and should be INTEGER")
        .says("column d is BLOB, which turns values into others, and should be TEXT")
        .says("2 things stand in the way");
}

#[test]
fn other_things_than_tables_in_sqlite_are_refused() {
    for (what, given) in [
        ("t is a view", "CREATE VIEW t AS SELECT 1 AS n"),
        ("t is a virtual", "CREATE VIRTUAL TABLE t USING fts5(n)"),
    ] {
        load(lines([1])).schema("n int").given(given).run().exit(2).says(what);
    }
}

#[test]
fn an_index_of_sqlite_that_cannot_tell_rows_apart_is_refused() {
    for index in [
        "CREATE INDEX i ON t (k)",
        "CREATE UNIQUE INDEX i ON t (k) WHERE n > 0",
        "CREATE UNIQUE INDEX i ON t (k + 1)",
        "CREATE UNIQUE INDEX i ON t (k, n)",
    ] {
        load("{\"k\":\"a\",\"n\":1}\n")
            .schema("k text, n int")
            .key(r#"["k"]"#)
            .given(&format!("CREATE TABLE t (k TEXT, n INTEGER); {index}"))
            .run()
            .exit(2)
            .says("no unique index on (\"k\")");
    }
}

#[test]
fn a_key_column_without_a_field_is_reported() {
    for table in [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER UNIQUE) WITHOUT ROWID",
        "CREATE TABLE t (id INTEGER NOT NULL, n INTEGER UNIQUE, PRIMARY KEY (id, n))",
    ] {
        load(lines([1]))
            .schema("n int")
            .key(r#"["n"]"#)
            .given(table)
            .run()
            .exit(2)
            .says("column id takes no null");
    }
    load(lines([1]))
        .schema("n int")
        .key(r#"["n"]"#)
        .given("CREATE TABLE t (id INTEGER PRIMARY KEY NOT NULL, n INTEGER UNIQUE)")
        .run()
        .exit(0)
        .rows(["1"]);
}

#[test]
fn sqlite_triggers_may_change_and_refuse_rows_but_not_swallow_them() {
    let table = "CREATE TABLE t (k INTEGER PRIMARY KEY, w TEXT)";
    let log = "{\"k\":1,\"w\":\"a\"}\n{\"k\":2,\"w\":\"b\"}\n{\"k\":1,\"w\":\"c\"}\n";
    let load = |trigger: &str| {
        load(log).schema("k int, w text").key(r#"["k"]"#).given(&format!("{table}; {trigger}"))
    };
    load("CREATE TRIGGER up AFTER INSERT ON t BEGIN UPDATE t SET w = upper(w) WHERE k = NEW.k; END")
        .run()
        .exit(0)
        .rows(["1 c", "2 B"]);
    load("CREATE TRIGGER refuse BEFORE INSERT ON t WHEN NEW.k = 2 BEGIN SELECT RAISE(ABORT, 'not two'); END")
        .run()
        .exit(3)
        .rows(["1 c"])
        .rejects([(2, "server_p0001")]);
    let left_out =
        load("CREATE TRIGGER ignore BEFORE INSERT ON t WHEN NEW.k = 2 BEGIN SELECT RAISE(IGNORE); END");
    left_out.run().exit(1).says("a trigger drops rows without an error").rows([]);
    let rolled = load(
        "CREATE TRIGGER roll BEFORE INSERT ON t WHEN NEW.k = 2 BEGIN SELECT RAISE(ROLLBACK, 'all'); END",
    );
    rolled.run().exit(1).says("rolls the whole transaction back").rows([]);
}

#[test]
fn a_foreign_key_refuses_its_row() {
    for deferred in ["", "DEFERRABLE INITIALLY IMMEDIATE", "DEFERRABLE INITIALLY DEFERRED"] {
        let load = load(lines([1, 2, 3])).schema("n int").given(&format!(
            "CREATE TABLE numbers (n INTEGER PRIMARY KEY); INSERT INTO numbers VALUES (1), (3);
             CREATE TABLE t (n INTEGER REFERENCES numbers {deferred}, source_id INTEGER, source_offset INTEGER,
                             PRIMARY KEY (source_id, source_offset))"
        ));
        load.run().exit(3).rows(["1", "3"]).rejects([(2, "server_23503")]);
    }
}

/// A row is refused even if a later row with its key would mend it: refusals must depend neither on where
/// batches end nor on what else is in them.
#[test]
fn a_deferred_foreign_key_refuses_the_same_rows_wherever_batches_end() {
    for (rows, last) in [(100, 1), (100, 9), (1, 1), (1, 9)] {
        let log = format!("{{\"k\":1,\"n\":9}}\n{{\"k\":1,\"n\":1}}\n{{\"k\":2,\"n\":{last}}}\n");
        let load = load(log).schema("k int, n int").key(r#"["k"]"#).batches_of(rows).given(
            "CREATE TABLE numbers (n INTEGER PRIMARY KEY); INSERT INTO numbers VALUES (1);
             CREATE TABLE t (k INTEGER PRIMARY KEY, n INTEGER REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)",
        );
        let run = load.run();
        run.exit(3);
        match last {
            1 => run.rejects([(1, "server_23503")]),
            _ => run.rejects([(1, "server_23503"), (3, "server_23503")]),
        };
    }
}

#[test]
fn a_deferred_self_reference_is_checked_per_row_only_if_it_fails() {
    let table = |columns: &str| {
        format!(
            "CREATE TABLE p (a INTEGER, b TEXT COLLATE NOCASE, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 'x'), (2, 'y');
             CREATE TABLE t (n INTEGER PRIMARY KEY, a INTEGER, b TEXT, up INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED,
                             {columns} FOREIGN KEY (a, b) REFERENCES p DEFERRABLE INITIALLY DEFERRED)"
        )
    };
    let log = |last: &str| {
        format!(
            "{}\n{}\n{}\n{last}\n",
            r#"{"n":1,"a":1,"b":"X","up":2}"#, r#"{"n":2,"a":2,"b":null,"up":2}"#, r#"{"n":3,"a":2,"b":"y"}"#
        )
    };
    let load = |last: &str, columns: &str| {
        load(log(last)).schema("n int, a int?, b text?, up int?").key(r#"["n"]"#).given(&table(columns))
    };
    // All is well at COMMIT: row 1 refers to a row after it.
    load(r#"{"n":4,"up":1}"#, "").run().exit(0).counts("4 inserted");
    // Row 4 has no parent in the other table, which costs no other row.
    load(r#"{"n":4,"a":1,"b":"y"}"#, "").run().exit(3).rejects([(4, "server_23503")]);
    // Row 4 refers to a missing row; row 1 also does when it is inserted.
    load(r#"{"n":4,"up":99}"#, "").run().exit(3).rejects([(1, "server_23503"), (4, "server_23503")]);
    // A column without a field cannot be checked in advance.
    load(r#"{"n":4}"#, "d INTEGER DEFAULT 7 REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED,")
        .run()
        .exit(1)
        .says("FOREIGN KEY constraint failed");
}

#[test]
fn a_database_renamed_during_a_load_is_a_reported_failure() {
    type Change = fn(&Path);
    let changes: [Change; 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::rename(path, path.with_extension("moved")).unwrap(),
        |path| {
            fs::rename(path, path.with_extension("moved")).unwrap();
            fs::copy(path.with_extension("moved"), path).unwrap();
        },
    ];
    for change in changes {
        for point in ["between-batches", "before-finish"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.db");
            let load = load(lines(1..=40)).into_file(path.clone()).schema("n int").batches_of(10);
            let running = load.call().stop_at(point, 0).start().wait_stopped();
            change(&path);
            running.wake();
            running.wait().exit(1).says("was moved, deleted or replaced while it was being written to");
        }
    }
}

/// A run that has waited in vain for a lock does not wait as long again to record its end.
#[test]
fn a_locked_database_is_waited_for_once() {
    let load = Load::of(lines([1, 2, 3])).schema("n int").to(Kind::Sqlite).pipeline("retry_for = \"6s\"");
    let run = load.call().stop_at("before-begin", 0).start().wait_stopped();
    let path = load.made().url();
    let holder = rusqlite::Connection::open(path.strip_prefix("sqlite:").unwrap()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = std::time::Instant::now();
    run.wake();
    run.wait().exit(1).says("locked");
    let waited = began.elapsed().as_secs();
    assert!((6..12).contains(&waited), "{waited} s");
    holder.execute_batch("ROLLBACK").unwrap();
    load.run().exit(0).rows(["1", "2", "3"]);
}
