//! Rows that are found by their keys: by columns of the record, or by its hash.

use super::*;

on_each_destination! {
    a_row_replaced_by_a_later_record_is_no_difference
    a_row_without_a_record_is_a_difference
    rows_by_content_are_compared
}

/// Two files of records; the later one decides `k = 2`.
fn with_names(kind: Kind) -> Load {
    Load::empty()
        .file("a.ndjson", "{\"k\":1,\"s\":\"a\"}\n{\"k\":2,\"s\":\"old\"}\n{\"k\":3,\"s\":\"c\"}\n")
        .file("b.ndjson", "{\"k\":2,\"s\":\"new\"}\n{\"k\":4,\"s\":\"d\"}\n{\"k\":4,\"s\":\"e\"}\n")
        .to(kind)
        .schema("k int, s text")
        .key("[\"k\"]")
}

fn a_row_replaced_by_a_later_record_is_no_difference(kind: Kind) {
    let load = with_names(kind);
    load.call().run().exit(0);
    let ended = verify(&load, 0);
    assert_eq!(differences(&ended), Vec::<String>::new());
    assert_eq!(ended.result("/sources/0/table/rows"), json!(3));
    let replaced = ["/sources/0/table/replaced", "/sources/1/table/replaced"].map(|it| ended.result(it));
    assert_eq!(replaced, [json!(1), json!(1)]);
    assert_eq!(ended.result("/not_verifiable"), json!([]));
    let text = for_people(&load);
    assert!(text.contains("2 rows hold what another record of their key has"), "{text}");
    // The file of the winning record is gone.
    std::fs::remove_file(load.path("b.ndjson")).unwrap();
    let ended = verify(&load, 0);
    ended.tells("1 of its rows holds other values, which a source that was not read may have given it");
    load.command("verify").arg("--strict").run().exit(1);
}

fn a_row_without_a_record_is_a_difference(kind: Kind) {
    let load = with_names(kind);
    load.call().run().exit(0);
    load.sql("UPDATE t SET s = 'other' WHERE k = 2");
    let ended = verify(&load, 5);
    assert_eq!(differences(&ended), ["changed_value 2 16 s"]);
    let digests = ["file", "table"].map(|side| ended.result(&format!("/sources/0/{side}/digest")));
    assert_ne!(digests[0], digests[1]);
    load.sql("DELETE FROM t WHERE k = 3; INSERT INTO t VALUES (9, 'another''s')");
    let ended = verify(&load, 5);
    // A row with another key is somebody else's.
    assert_eq!(differences(&ended), ["changed_value 2 16 s", "missing_row 3 34 -"]);
    load.sql("UPDATE t SET s = 'new' WHERE k = 2; INSERT INTO t VALUES (3, 'c')");
    for source in verify(&load, 0).result("/sources").as_array().unwrap() {
        assert_eq!(source["file"]["digest"], source["table"]["digest"]);
    }
}

fn rows_by_content_are_compared(kind: Kind) {
    let load = Load::of("{\"n\":1}\n{\"n\":2}\nno\n{\"n\":1}\n")
        .file("z.ndjson", "{\"n\":2}\n{\"n\":3}\n")
        .to(kind)
        .schema("n int")
        .key("content");
    load.call().run().exit(3);
    let ended = verify(&load, 0);
    assert_eq!(ended.result("/sources/0/table/rows"), json!(3));
    load.sql("UPDATE t SET n = 9 WHERE n = 2; DELETE FROM t WHERE n = 3");
    let ended = verify(&load, 5);
    let digests = ["file", "table"].map(|side| ended.result(&format!("/sources/0/{side}/digest")));
    assert_ne!(digests[0], digests[1]);
    assert_eq!(differences(&ended), ["changed_value 2 8 n", "missing_row 2 8 -"]);
    // No unread record can have given the row another value.
    std::fs::remove_file(load.path("z.ndjson")).unwrap();
    assert_eq!(differences(&verify(&load, 5)), ["changed_value 2 8 n"]);
}

#[test]
fn keys_equated_by_the_server_are_one_key() {
    let load = Load::of(
        "{\"k\":\"A\",\"s\":\"one\"}\n{\"k\":\"a \",\"s\":\"two\"}\n{\"k\":\"A\",\"s\":\"three\"}\n",
    )
    .schema("k text, s text")
    .key("[\"k\"]")
    .given("CREATE TABLE t (k char(3) PRIMARY KEY, s text)")
    .batches_of(1);
    load.call().run().exit(0);
    assert_eq!(differences(&verify(&load, 0)), Vec::<String>::new());
    load.sql("UPDATE t SET s = 'four' WHERE k = 'a'");
    assert_eq!(differences(&verify(&load, 5)), ["changed_value 2 20 s"]);
}

#[test]
fn keys_are_found_after_rounding_by_their_column() {
    let load = Load::of("{\"at\":\"2023-10-27T12:34:56.789Z\",\"s\":\"one\"}\n")
        .schema("at timestamp, s text")
        .key("[\"at\"]")
        .given("CREATE TABLE t (at timestamptz(0) PRIMARY KEY, s text)");
    load.call().run().exit(0);
    assert_eq!(differences(&verify(&load, 0)), Vec::<String>::new());
    load.sql("UPDATE t SET s = 'two'");
    assert_eq!(differences(&verify(&load, 5)), ["changed_value 1 0 s"]);
}

#[test]
fn keys_equated_by_sqlite_are_one_key() {
    let load = Load::of("{\"k\":\"A\",\"v\":1}\n{\"k\":\"a\",\"v\":2}\n")
        .to(Kind::Sqlite)
        .schema("k text, v int")
        .key("[\"k\"]")
        .given("CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v INTEGER)");
    load.call().run().exit(0);
    load.sql("UPDATE t SET k = 'A'");
    assert_eq!(differences(&verify(&load, 0)), Vec::<String>::new());
    load.sql("UPDATE t SET v = 3");
    assert_eq!(verify(&load, 5).result("/counts/changed_values"), json!(1));
}
