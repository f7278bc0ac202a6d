//! Dead letters compared with their records, and the rows that replays made of them.

use super::*;

on_each_destination! {
    rows_of_mended_letters_are_counted
    a_replayed_row_equals_what_its_bytes_give
    a_mended_row_over_another_of_its_key_is_no_difference
    letters_replayed_under_other_rules_are_reported
    a_letter_holds_the_bytes_of_its_record
    a_letter_of_an_unknown_source_is_an_extra_letter
}

/// A text as bytes in SQL.
fn bytes(kind: Kind, text: &str) -> String {
    format!("CAST('{text}' AS {})", kind.word("bytea", "BLOB"))
}

fn rows_of_mended_letters_are_counted(kind: Kind) {
    let made = made(0, 20);
    let load = Load::of(&made.text).to(kind).schema("n int, s text");
    load.call().run().exit(3);
    let letters = load.ours("dead_letters");
    let bytes = bytes(kind, "{\"n\":3,\"s\":\"mended\"}");
    let (first, second) = (made.places[3].0, made.places[13].0);
    load.sql(&format!(
        "UPDATE {letters} SET state = 'replayed', fixed = {bytes} WHERE source_offset = {first};
         INSERT INTO t VALUES (3, 'mended', 1, {first});
         UPDATE {letters} SET state = 'discarded' WHERE source_offset = {second}"
    ));
    let ended = verify(&load, 0);
    assert_eq!(ended.result("/sources/0/table/mended"), json!(1));
    assert_eq!(ended.result("/sources/0/table/open_dead_letters"), json!(0));
    load.command("verify").arg("--strict").run().exit(0);
    // A replayed letter must have its row, and a discarded one must not.
    load.sql(&format!("UPDATE t SET source_offset = {second} WHERE source_offset = {first}"));
    let lost = [format!("extra_row 14 {second} -"), format!("missing_row 4 {first} -")];
    assert_eq!(differences(&verify(&load, 5)), lost);
}

/// Mends the letters with these raw bytes, in file order, and replays them.
#[track_caller]
fn replay_mended(load: &Load, flags: &[&str], mended: &[(&str, &str)]) {
    let path = load.path("letters.jsonl");
    let file = path.to_str().unwrap();
    let _ = std::fs::remove_file(&path);
    load.command("dead-letters export").arg("-o").arg(file).run().exit(0);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in mended {
        let (from, to) = (json!(from).to_string(), json!(to).to_string());
        assert!(text.contains(&from), "no {from} in {text}");
        text = text.replace(&from, &to);
    }
    std::fs::write(&path, text).unwrap();
    let call = load.command("dead-letters replay").arg("--from").arg(file);
    let ended = flags.iter().fold(call, |call, flag| call.arg(flag)).run();
    assert_eq!(ended.result("/counts/replayed"), json!(mended.len()));
}

/// A row, two records that no rules accept, and one that the destination refuses.
fn with_letters(kind: Kind) -> Load {
    let load =
        Load::of("{\"n\":1}\n{\"n\":\"x\"}\n{\"n\":\"y\"}\n{\"n\":4}\n").to(kind).schema("n int").given(
            "CREATE TABLE w (n bigint PRIMARY KEY); INSERT INTO w VALUES (1), (2);
         CREATE TABLE t (n bigint REFERENCES w (n), source_id integer, source_offset bigint,
                         PRIMARY KEY (source_id, source_offset))",
        );
    load.call().run().exit(3);
    load
}

fn a_replayed_row_equals_what_its_bytes_give(kind: Kind) {
    let load = with_letters(kind);
    let letters = load.ours("dead_letters");
    load.sql("INSERT INTO w VALUES (4)");
    replay_mended(&load, &[], &[("{\"n\":\"x\"}", "{\"n\":2}"), ("{\"n\":4}", "{\"n\":4}")]);
    load.command("dead-letters discard").arg("--all").run().exit(0);
    is_clean(&load);
    let ended = verify(&load, 0);
    let table = ended.result("/sources/0/table");
    assert_eq!(
        [&table["rows"], &table["mended"], &table["dead_letters"], &table["open_dead_letters"]],
        [&json!(3), &json!(1), &json!(1), &json!(0)]
    );
    load.command("verify").arg("--strict").run().exit(0);
    let text = for_people(&load);
    assert!(text.contains("1 row comes from the mended bytes of a dead letter"), "{text}");

    // The row of a replayed letter is compared like any other.
    load.sql("UPDATE t SET n = 1 WHERE source_offset > 0");
    assert_eq!(differences(&verify(&load, 5)), ["changed_value 2 8 n", "changed_value 4 28 n"]);
    load.sql("UPDATE t SET n = CASE source_offset WHEN 8 THEN 2 ELSE 4 END WHERE source_offset > 0");
    is_clean(&load);
    // The letter claims that its bytes are a row: the first bytes make another row, and the others make
    // none.
    for (fixed, difference) in
        [("{\"n\":1}", "changed_value 2 8 n"), ("{}", "changed_letter 2 8 -"), ("1", "changed_letter 2 8 -")]
    {
        load.sql(&format!("UPDATE {letters} SET fixed = {} WHERE source_offset = 8", bytes(kind, fixed)));
        assert_eq!(differences(&verify(&load, 5)), [difference], "{fixed}");
    }
    load.sql(&format!("UPDATE {letters} SET fixed = NULL WHERE source_offset = 8"));
    assert_eq!(differences(&verify(&load, 5)), ["changed_letter 2 8 -"]);
}

fn a_mended_row_over_another_of_its_key_is_no_difference(kind: Kind) {
    let load = Load::of(
        "{\"k\":1,\"s\":\"a\"}\n{\"k\":1,\"s\":5}\n{\"k\":2,\"s\":\"b\"}\n{\"k\":2,\"s\":6}\n{\"k\":3,\"s\":7}\n",
    )
    .to(kind)
    .schema("k int, s text")
    .record("mode = \"strict\"")
    .key("[\"k\"]");
    load.call().run().exit(3);
    replay_mended(&load, &["--overwrite"], &[("{\"k\":1,\"s\":5}", "{\"k\":1,\"s\":\"mended\"}")]);
    // One loses to the existing row of its key, and one is new.
    let more =
        [("{\"k\":2,\"s\":6}", "{\"k\":2,\"s\":\"late\"}"), ("{\"k\":3,\"s\":7}", "{\"k\":3,\"s\":\"new\"}")];
    replay_mended(&load, &[], &more);
    let rows = load.made().look(|snapshot| snapshot.query("SELECT s FROM t ORDER BY k"));
    let rows: Vec<&str> = rows.iter().map(|row| row[0].text()).collect();
    assert_eq!(rows, ["mended", "b", "new"]);
    is_clean(&load);
    let ended = verify(&load, 0);
    let table = ended.result("/sources/0/table");
    assert_eq!([&table["mended"], &table["replaced"]], [&json!(3), &json!(2)]);
    // A value that no bytes explain is reported, even in the row of a mended letter.
    load.sql("UPDATE t SET s = 'other' WHERE k <> 2");
    let ended = verify(&load, 5);
    assert_eq!(differences(&ended), ["changed_value 1 0 s", "changed_value 5 60 s"]);
    let source = ended.result("/sources/0");
    assert_ne!(source["file"]["digest"], source["table"]["digest"]);
}

fn letters_replayed_under_other_rules_are_reported(kind: Kind) {
    for key in ["position", "[\"n\"]"] {
        let load = Load::of("{\"n\":1}\n{\"n\":-2}\n{\"n\":3}\n").to(kind).schema("n int").key(key);
        let strict = load.job().replace("type = \"int\"", "type = \"int\", ge = 0");
        assert_ne!(strict, load.job());
        load.call_with(&strict).run().exit(3);
        let _ = load.call();
        load.command("dead-letters replay").run().exit(0);
        let _ = load.call_with(&strict);
        verify(&load, 0).tells("1 dead letter was replayed under other rules; its row was not compared");
        load.command("verify").arg("--strict").run().exit(1);
        load.sql("DELETE FROM t WHERE n = 3");
        let missing = verify(&load, 5);
        assert_eq!(differences(&missing), ["missing_row 3 17 -"]);
    }
}

fn a_letter_holds_the_bytes_of_its_record(kind: Kind) {
    // As bytes, and as a hash.
    for max_raw in ["1MiB", "5B"] {
        let load = with_letters(kind).record(&format!("\n[dead_letters]\nmax_raw = \"{max_raw}\""));
        load.reset();
        load.call().run().exit(3);
        is_clean(&load);
        let column = if max_raw == "5B" { "raw_hash" } else { "raw" };
        let letters = load.ours("dead_letters");
        load.sql(&format!(
            "UPDATE {letters} SET {column} = {} WHERE source_offset IN (8, 28)",
            bytes(kind, "{\"n\":\"z\"}")
        ));
        let changed = verify(&load, 5);
        assert_eq!(differences(&changed), ["changed_letter 2 8 -", "changed_letter 4 28 -"], "{max_raw}");
        assert_eq!(changed.result("/counts/changed_letters"), json!(2));
        load.sql(&format!("UPDATE {letters} SET {column} = NULL WHERE source_offset = 18"));
        assert_eq!(verify(&load, 5).result("/counts/changed_letters"), json!(3));
    }
}

fn a_letter_of_an_unknown_source_is_an_extra_letter(kind: Kind) {
    let load = Load::of("{\"n\":1}\n{\"n\":\"x\"}\n").to(kind).schema("n int");
    load.call().run().exit(3);
    let letters = load.ours("dead_letters");
    let insert = |job: &str, offset: u64| {
        let raw = bytes(kind, "{}");
        load.sql(&format!(
            "INSERT INTO {letters} (job, source_id, source_offset, line, length, raw, stage, reasons)
             VALUES ({job}, 77, {offset}, 3, 2, {raw}, 'schema', '[]')"
        ));
    };
    // A letter of another job is ignored.
    insert("'another'", 0);
    verify(&load, 0);
    insert(&format!("(SELECT min(job) FROM {})", load.ours("sources")), 5);
    let ended = verify(&load, 5);
    assert_eq!(differences(&ended), ["extra_letter 3 5 -"]);
    assert_eq!(ended.result("/differences/0/source_id"), json!(77));
    assert_eq!(ended.result("/counts/extra_letters"), json!(1));
    // The id was once given to a source that is no longer remembered.
    load.sql(&format!("DELETE FROM {letters} WHERE source_id = 77; DELETE FROM t"));
    for table in ["checkpoints", "sources"] {
        load.sql(&format!("DELETE FROM {}", load.ours(table)));
        assert_eq!(differences(&verify(&load, 5)), ["extra_letter 2 8 -"], "{table}");
    }
}
