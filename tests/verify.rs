//! `verify`: a change to a table or to its dead letters is found where it was made, and nothing else is
//! reported.

use serde_json::{Value, json};

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, log, pretty_log};
use crate::harness::logmill;
use crate::harness::oracle::check_complete;
use crate::harness::reading::Shape;
use crate::harness::run::{Ended, needs_failpoints};
use crate::harness::trials::trials;
use crate::stories::on_each_destination;

/// Rows that are found by their keys.
mod keys;
/// Dead letters, and the rows of replayed letters.
mod letters;

on_each_destination! {
    a_fresh_load_verifies_cleanly
    whatever_is_done_to_a_table_is_found_where_it_was_done
    counters_are_not_trusted
    an_older_state_of_the_table_is_found
    a_row_of_an_unknown_source_is_an_extra_row
    sources_that_cannot_be_compared_are_reported_and_are_no_difference
    the_part_loaded_under_old_rules_is_not_compared
    only_named_files_are_reported_as_missing
    the_reason_why_a_file_cannot_be_read_is_reported
    without_any_comparison_no_command_claims_no_difference
    a_named_missing_file_is_reported
    every_day_is_verified
    a_partial_load_is_verified_up_to_its_checkpoint
    rows_without_a_key_are_counted_one_by_one
    records_that_the_destination_refused_are_dead_letters
    archives_and_records_of_many_lines_are_read_again
    nothing_is_written
}

/// A file, with the offset of each record and whether it becomes a row.
struct Made {
    text: String,
    places: Vec<(usize, bool)>,
}

/// A file of `lines` lines, one in ten of which is rejected.
fn made(first: usize, lines: usize) -> Made {
    let (mut text, mut places) = (String::new(), Vec::new());
    for number in first..first + lines {
        let is_row = number % 10 != 3;
        places.push((text.len(), is_row));
        let n = if is_row { number.to_string() } else { "\"x\"".to_owned() };
        text += &format!("{{\"n\":{n},\"s\":\"word {number}\"}}\n");
    }
    Made { text, places }
}

impl Made {
    fn rows(&self) -> usize {
        self.places.iter().filter(|(_, is_row)| *is_row).count()
    }
}

/// Runs `verify`, which must exit with this code.
#[track_caller]
fn verify<'l>(load: &'l Load, code: i32) -> Ended<'l> {
    let ended = load.command("verify").run();
    ended.exit(code);
    ended
}

/// The output for people.
fn for_people(load: &Load) -> String {
    let output = logmill().args(["verify", "-j"]).arg(load.path("job.toml")).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The differences as `kind line offset column`.
fn differences(ended: &Ended<'_>) -> Vec<String> {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let list = ended.result("/differences");
    let lines =
        list.as_array().unwrap().iter().map(|difference| {
            ["kind", "line", "offset", "column"].map(|name| word(&difference[name])).join(" ")
        });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

#[track_caller]
fn is_clean(load: &Load) {
    let ended = verify(load, 0);
    assert_eq!(differences(&ended), Vec::<String>::new());
    for source in ended.result("/sources").as_array().unwrap() {
        let (file, table) = (&source["file"], &source["table"]);
        assert_eq!((&file["digest"], &file["rows"]), (&table["digest"], &table["rows"]), "{source}");
        assert_eq!(file["dead_letters"], table["dead_letters"], "{source}");
    }
}

fn a_fresh_load_verifies_cleanly(kind: Kind) {
    let one = made(0, 500);
    let load = Load::of(&one.text)
        .file("more.ndjson", "\n\n{\"n\":1,\"s\":\"\"}\n")
        .to(kind)
        .schema("n int, s text");
    load.call().run().exit(3);
    check_complete(&load);
    is_clean(&load);
    let ended = verify(&load, 0);
    assert_eq!(ended.result("/outcome"), json!("finished"));
    let source = ended.result("/sources/0");
    assert_eq!(source["file"]["records"], json!(500));
    assert_eq!(source["table"]["rows"], json!(one.rows()));
    assert_eq!(source["table"]["open_dead_letters"], json!(500 - one.rows()));
    assert_eq!(ended.result("/sources/1/file/records"), json!(1));
    assert_eq!(ended.result("/not_loaded"), json!({ "files": 0, "bytes": 0 }));
    // Open dead letters are a state, not a difference.
    load.command("verify").arg("--strict").run().exit(1);
}

fn whatever_is_done_to_a_table_is_found_where_it_was_done(kind: Kind) {
    let name = format!(
        "verify::{}::whatever_is_done_to_a_table_is_found_where_it_was_done",
        kind.word("postgres", "sqlite")
    );
    trials(&name, 4, |mut rng| {
        let made = made(0, 200);
        let load = Load::of(&made.text).to(kind).schema("n int, s text").batches_of(30);
        load.call().run().exit(3);
        let letters = load.ours("dead_letters");
        let mut expected = Vec::new();
        let mut changes = String::new();
        for (index, &(offset, is_row)) in made.places.iter().enumerate() {
            if rng.u8(..10) > 0 {
                continue;
            }
            let line = index + 1;
            changes += &match (is_row, rng.u8(..4)) {
                (true, 0) => {
                    expected.push(format!("missing_row {line} {offset} -"));
                    format!("DELETE FROM t WHERE source_offset = {offset};")
                }
                (true, 1) => {
                    expected.push(format!("changed_value {line} {offset} n"));
                    format!("UPDATE t SET n = n + 1, s = 'other' WHERE source_offset = {offset};")
                }
                (true, 2) => {
                    expected.push(format!("changed_value {line} {offset} s"));
                    format!("UPDATE t SET s = s || ' ' WHERE source_offset = {offset};")
                }
                // An offset within the record, where no record begins.
                (true, _) => {
                    expected.push(format!("extra_row - {} -", offset + 1));
                    format!(
                        "INSERT INTO t SELECT n, s, source_id, source_offset + 1 FROM t WHERE source_offset = {offset};"
                    )
                }
                (false, 0..2) => {
                    expected.push(format!("missing_letter {line} {offset} -"));
                    format!("DELETE FROM {letters} WHERE source_offset = {offset};")
                }
                (false, 2) => {
                    expected.push(format!("extra_row {line} {offset} -"));
                    format!("INSERT INTO t VALUES (1, 'x', 1, {offset});")
                }
                (false, _) => {
                    expected.push(format!("extra_letter {line} {} -", offset + 1));
                    expected.push(format!("missing_letter {line} {offset} -"));
                    format!(
                        "UPDATE {letters} SET source_offset = source_offset + 1 WHERE source_offset = {offset};"
                    )
                }
            };
        }
        load.sql(&changes);
        expected.sort();
        let ended = verify(&load, if expected.is_empty() { 0 } else { 5 });
        assert_eq!(differences(&ended), expected);
        let counts = ended.result("/counts");
        let sum: i64 = counts.as_object().unwrap().values().map(|count| count.as_i64().unwrap()).sum();
        assert_eq!(sum, i64::try_from(expected.len()).unwrap());
        let source = ended.result("/sources/0");
        let is_other = expected.iter().any(|it| it.starts_with("changed"));
        assert_eq!(is_other, counts["changed_values"] != json!(0));
        if is_other || expected.iter().any(|it| it.contains("_row")) {
            assert_ne!(source["file"]["digest"], source["table"]["digest"]);
        }
    });
}

fn counters_are_not_trusted(kind: Kind) {
    let made = made(0, 100);
    let load = Load::of(&made.text).to(kind).schema("n int, s text");
    load.call().run().exit(3);
    let before = verify(&load, 0).result("/sources");
    load.sql(&format!(
        "UPDATE {} SET inserted = 5, updated = 7, unchanged = 1, superseded = 2, rejected = 0, blank = 9, skipped = 3, lines = 1;
         DELETE FROM {}",
        load.ours("checkpoints"),
        load.ours("runs")
    ));
    let after = verify(&load, 0);
    assert_eq!(after.result("/sources"), before);
    // The counters of a load without this row.
    load.sql("DELETE FROM t WHERE n = 5");
    load.sql(&format!("UPDATE {} SET inserted = 89, rejected = 10", load.ours("checkpoints")));
    let ended = verify(&load, 5);
    assert_eq!(differences(&ended), [format!("missing_row 6 {} -", made.places[5].0)]);
    assert_eq!(ended.result("/sources/0/table/rows"), json!(89));
}

fn an_older_state_of_the_table_is_found(kind: Kind) {
    let (one, other) = (made(0, 50), made(50, 20));
    let load = Load::of(&one.text).to(kind).schema("n int, s text");
    load.call().run().exit(3);
    load.sql("CREATE TABLE yesterday AS SELECT * FROM t");
    load.write("log.ndjson", format!("{}{}", one.text, other.text));
    load.write("new.ndjson", "{\"n\":1,\"s\":\"a\"}\n");
    load.call().run().exit(3);
    is_clean(&load);
    // The table is restored to an older state, and the checkpoints are not.
    load.sql("DELETE FROM t; INSERT INTO t SELECT * FROM yesterday");
    let ended = verify(&load, 5);
    assert_eq!(ended.result("/counts/missing_rows"), json!(other.rows() + 1));
    assert_eq!(ended.result("/differences/0/offset"), json!(one.text.len()));
    assert_eq!(ended.result("/differences/0/line"), json!(51));
    // The checkpoints are restored to an older state, and the table is not.
    load.call().run();
    let load = Load::of(&one.text).to(kind).schema("n int, s text");
    load.call().run().exit(3);
    let tables = ["sources", "checkpoints", "dead_letters", "meta"].map(|table| load.ours(table));
    for table in &tables {
        load.sql(&format!("CREATE TABLE kept_{} AS SELECT * FROM {table}", table.replace('.', "_")));
    }
    load.write("log.ndjson", format!("{}{}", one.text, other.text));
    load.write("new.ndjson", "{\"n\":1,\"s\":\"a\"}\n");
    load.call().run().exit(3);
    for table in &tables {
        let overriding =
            if table.ends_with("letters") { kind.word("OVERRIDING SYSTEM VALUE", "") } else { "" };
        load.sql(&format!(
            "DELETE FROM {table}; INSERT INTO {table} {overriding} SELECT * FROM kept_{}",
            table.replace('.', "_")
        ));
    }
    let ended = verify(&load, 5);
    assert_eq!(ended.result("/counts/extra_rows"), json!(other.rows() + 1));
    assert_eq!(ended.result("/not_loaded/files"), json!(1));
}

fn a_row_of_an_unknown_source_is_an_extra_row(kind: Kind) {
    let load = Load::of("{\"n\":1}\n").to(kind).schema("n int");
    load.call().run().exit(0);
    load.sql("INSERT INTO t VALUES (2, 77, 0), (3, 1, 5000), (4, 0, 0)");
    let ended = verify(&load, 5);
    assert_eq!(differences(&ended), ["extra_row - 0 -", "extra_row - 0 -", "extra_row - 5000 -"]);
    let ids = ended.result("/differences");
    let ids: Vec<i64> = ids.as_array().unwrap().iter().map(|it| it["source_id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 77]);
    // The id was once given to a source that is no longer remembered.
    load.sql("DELETE FROM t WHERE n > 1");
    for table in ["checkpoints", "sources"] {
        load.sql(&format!("DELETE FROM {}", load.ours(table)));
        assert_eq!(differences(&verify(&load, 5)), ["extra_row - 0 -"], "{table}");
    }
}

fn sources_that_cannot_be_compared_are_reported_and_are_no_difference(kind: Kind) {
    let load = Load::empty()
        .file("a.ndjson", "{\"n\":1}\n")
        .file("b.ndjson", "{\"n\":2}\n")
        .file("c.ndjson", "{\"n\":3}\n")
        .to(kind)
        .schema("n int");
    load.call().run().exit(0);
    std::fs::remove_file(load.path("a.ndjson")).unwrap();
    load.write("b.ndjson", "{\"n\":7}\n");
    load.sql("DELETE FROM t WHERE n = 1");
    let ended = verify(&load, 0);
    let not = ended.result("/not_verifiable");
    let not: Vec<(String, String)> = not
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["source"].as_str().unwrap().to_owned(), it["why"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(not.len(), 2, "{not:?}");
    assert!(
        not[0].0.ends_with("/a.ndjson") && not[0].1.starts_with("none of the files is this source any more")
    );
    assert!(not[1].0.ends_with("/b.ndjson") && not[1].1.contains("does not contain what was loaded"));
    assert_eq!(ended.result("/sources").as_array().unwrap().len(), 1);
    load.command("verify").arg("--strict").run().exit(1);
    // A difference elsewhere is still reported.
    load.sql("UPDATE t SET n = 4 WHERE n = 3");
    assert_eq!(differences(&verify(&load, 5)), ["changed_value 1 0 n"]);
    // Under other rules the records would differ.
    let other = load.job().replace("n = {", "n = { ge = 0,");
    assert_ne!(other, load.job());
    std::fs::write(load.path("job.toml"), other).unwrap();
    let ended = load.command("verify").run();
    ended.exit(0).tells("loaded under other rules");
    assert_eq!(ended.result("/sources"), json!([]));
}

fn the_part_loaded_under_old_rules_is_not_compared(kind: Kind) {
    let (one, other) = (made(0, 40), made(40, 40));
    let load = Load::of(&one.text).to(kind).schema("n int, s text");
    load.call().run().exit(3);
    load.write("log.ndjson", format!("{}{}", one.text, other.text));
    // Under these rules, none of the loaded records would be a row as it is.
    let rules = load.job().replace("n = { type = \"int\"", "n = { type = \"int\", ge = 40");
    assert_ne!(rules, load.job());
    load.call_with(&rules).arg("--accept-new-rules").run().exit(3);
    let ended = verify(&load, 0);
    ended.tells(&format!("what stands before byte {} was loaded under other rules", one.text.len()));
    let source = ended.result("/sources/0");
    assert_eq!((&source["file"]["records"], &source["table"]["rows"]), (&json!(40), &json!(other.rows())));
    assert_eq!(source["file"]["digest"], source["table"]["digest"]);
    // A change before that position is not seen; one after it is, with its line in the file.
    load.sql("UPDATE t SET s = 'x' WHERE n = 7; UPDATE t SET s = 'x' WHERE n = 47");
    let offset = one.text.len() + other.places[7].0;
    assert_eq!(differences(&verify(&load, 5)), [format!("changed_value 48 {offset} s")]);
}

fn every_day_is_verified(kind: Kind) {
    let made = made(0, 30);
    let load = Load::empty()
        .file("2024-02-29.ndjson", &made.text)
        .file("2024-03-01.ndjson", &made.text)
        .to(kind)
        .schema("n int, s text");
    let job = load.job().replace("*.ndjson*", "{date}.ndjson");
    for day in ["2024-02-29", "2024-03-01"] {
        load.call_with(&job).arg("--date").arg(day).run().exit(3);
    }
    let ended = verify(&load, 0);
    let days = |ended: &Ended<'_>| -> Vec<String> {
        let sources = ended.result("/sources");
        sources.as_array().unwrap().iter().map(|it| it["data_date"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(days(&ended), ["2024-02-29", "2024-03-01"]);
    load.sql("DELETE FROM t WHERE source_id = 2 AND n = 5; INSERT INTO t VALUES (1, '', 99, 0)");
    let missing = format!("missing_row 6 {} -", made.places[5].0);
    assert_eq!(differences(&verify(&load, 5)), ["extra_row - 0 -".to_owned(), missing.clone()]);
    let one = load.command("verify").arg("--date").arg("2024-03-01").run();
    assert_eq!(days(&one), ["2024-03-01"]);
    assert!(differences(&one).contains(&missing));
}

fn only_named_files_are_reported_as_missing(kind: Kind) {
    let load = Load::empty().to(kind).schema("n int");
    for (number, name) in ["a", "b", "c"].iter().enumerate() {
        load.write(&format!("{name}.ndjson"), format!("{{\"n\":{number}}}\n"));
    }
    load.call().run().exit(0);
    std::fs::remove_file(load.path("b.ndjson")).unwrap();
    std::fs::remove_file(load.path("c.ndjson")).unwrap();
    load.sql("INSERT INTO t VALUES (9, 77, 0)");
    let named = |name: &str| load.command("verify").arg(load.path(name).to_str().unwrap()).run();
    let not = |ended: &Ended<'_>| ended.result("/not_verifiable").as_array().unwrap().len();
    let one = named("a.ndjson");
    one.exit(0);
    assert_eq!((one.result("/sources").as_array().unwrap().len(), not(&one)), (1, 0));
    let gone = named("b.ndjson");
    gone.exit(0).tells("none of the files is this source any more");
    assert_eq!(not(&gone), 1);
    // Every source that was loaded from a folder.
    assert_eq!(not(&named("")), 2);
    load.write("new.ndjson", "{\"n\":7}\n");
    assert_eq!(named("new.ndjson").exit(0).result("/not_loaded/files"), json!(1));
    for name in ["nowhere.ndjson", "*.nowhere"] {
        named(name).exit(2).says("has loaded no").says(name);
    }
}

fn a_named_missing_file_is_reported(kind: Kind) {
    let load = Load::of("{\"n\":1}\n").to(kind).schema("n int");
    let job = |files: &str| load.job().replace("\"*.ndjson*\"", files);
    // Nothing was loaded, so there would be nothing to compare.
    for (files, code) in [("\"gone.ndjson\"", 1), ("\"gone*\"", 2)] {
        let _ = load.call_with(&job(files));
        let ended = load.command("verify").run();
        ended.exit(code).says("gone");
    }
    load.run().exit(0);
    // Beside another file, it is reported as not verifiable.
    let _ = load.call_with(&job("\"log.ndjson\", \"gone.ndjson\""));
    let ended = verify(&load, 0);
    let not = ended.result("/not_verifiable");
    assert_eq!(not.as_array().map(Vec::len), Some(1), "{not}");
    assert!(not[0]["source"].as_str().unwrap().ends_with("gone.ndjson"), "{not}");
    assert!(not[0]["why"].as_str().unwrap().contains("no such file"), "{not}");
    load.command("verify").arg("--strict").run().exit(1);
}

fn the_reason_why_a_file_cannot_be_read_is_reported(kind: Kind) {
    let load = Load::of("{\"n\":1}\n").file("z.ndjson", "{\"n\":2}\n").to(kind).schema("n int").batches_of(1);
    load.call().run().exit(0);
    std::fs::remove_file(load.path("log.ndjson")).unwrap();
    std::os::unix::fs::symlink("log.ndjson", load.path("log.ndjson")).unwrap();
    // Whether or not the job still names it.
    for job in [load.job(), load.job().replace("*.ndjson*", "z.ndjson")] {
        let _ = load.call_with(&job);
        let ended = verify(&load, 0);
        let why = ended.result("/not_verifiable/0/why");
        assert!(why.as_str().unwrap().contains("symbolic link"), "{why}");
        assert_eq!(ended.result("/sources").as_array().unwrap().len(), 1);
    }
}

fn without_any_comparison_no_command_claims_no_difference(kind: Kind) {
    let load = Load::of("{\"n\":1}\n").to(kind).schema("n int");
    load.call().run().exit(0);
    std::fs::remove_file(load.path("log.ndjson")).unwrap();
    verify(&load, 0);
    let said = for_people(&load);
    assert!(said.contains("nothing was compared with"), "{said}");
    assert!(said.contains("because 1 source cannot be read again"), "{said}");
    load.command("verify").arg("--strict").run().exit(1);
}

fn a_partial_load_is_verified_up_to_its_checkpoint(kind: Kind) {
    needs_failpoints();
    let made = made(0, 300);
    let load = Load::of(&made.text)
        .file("z.ndjson", "{\"n\":1,\"s\":\"\"}\n")
        .to(kind)
        .schema("n int, s text")
        .batches_of(50);
    load.call().kill_at("between-batches", 2).run().killed();
    load.wait_alone();
    is_clean(&load);
    let ended = verify(&load, 0);
    let (position, records) = (ended.result("/sources/0/position"), ended.result("/sources/0/file/records"));
    let position = usize::try_from(position.as_u64().unwrap()).unwrap();
    assert!(position > 0 && position < made.text.len());
    assert_eq!(records, json!(made.places.iter().filter(|(offset, _)| *offset < position).count()));
    assert!(ended.result("/not_loaded/bytes").as_u64().unwrap() >= (made.text.len() - position) as u64);
    load.call().run().exit(3);
    is_clean(&load);
}

fn rows_without_a_key_are_counted_one_by_one(kind: Kind) {
    let made = made(0, 100);
    let load = Load::of(&made.text)
        .file("z.ndjson", "{\"n\":0,\"s\":\"z\"}\n")
        .to(kind)
        .schema("n int, s text")
        .key("none")
        .batches_of(20);
    load.call().run().exit(3);
    is_clean(&load);
    load.sql("INSERT INTO t SELECT * FROM t WHERE n = 7; DELETE FROM t WHERE n = 8");
    let ended = verify(&load, 5);
    let (seven, eight) = (made.places[7].0, made.places[8].0);
    assert_eq!(differences(&ended), [format!("extra_row - {seven} -"), format!("missing_row 9 {eight} -")]);
}

fn records_that_the_destination_refused_are_dead_letters(kind: Kind) {
    let load = Load::of("{\"n\":1}\n{\"n\":2}\n{\"n\":1}\n").to(kind).schema("n int").given(&format!(
        "CREATE TABLE t (n bigint UNIQUE, {})",
        kind.word(
            "{key}",
            "source_id integer, source_offset integer, PRIMARY KEY (source_id, source_offset)"
        )
    ));
    load.call().run().exit(3);
    is_clean(&load);
    assert_eq!(verify(&load, 0).result("/sources/0/file/dead_letters"), json!(1));
    load.sql(&format!("DELETE FROM {}", load.ours("dead_letters")));
    assert_eq!(differences(&verify(&load, 5)), ["missing_row 3 16 -"]);
}

fn archives_and_records_of_many_lines_are_read_again(kind: Kind) {
    let load = Load::of(pretty_log(3, 300)).shaped(Shape::Braces).to(kind).schema(SCHEMA).batches_of(40);
    load.call().run().done();
    is_clean(&load);
    let load =
        Load::empty().file("a.ndjson.gz", log(4, 3000)).file("b.ndjson", log(5, 50)).to(kind).schema(SCHEMA);
    load.call().run().done();
    is_clean(&load);
    load.sql("DELETE FROM t WHERE source_id = 1 AND source_offset = (SELECT max(source_offset) FROM t WHERE source_id = 1)");
    assert_eq!(verify(&load, 5).result("/counts/missing_rows"), json!(1));
}

fn nothing_is_written(kind: Kind) {
    let load = Load::of(made(0, 100).text).to(kind).schema("n int, s text");
    load.call().run().exit(3);
    load.sql("DELETE FROM t WHERE n = 5");
    let before = load.versions();
    let runs = || {
        load.made().look(|snapshot| snapshot.query(&format!("SELECT count(*) FROM {}", load.ours("runs"))))
    };
    let runs_before = runs();
    verify(&load, 5);
    assert_eq!(load.versions(), before);
    assert_eq!(runs(), runs_before);
}

#[test]
fn values_are_compared_as_their_columns_hold_them() {
    let lines = [
        r#"{"small":1,"price":"1.5","free":"1.50","short":"ab","second":"2023-10-27T12:34:56.789Z","doc":{"b":1,"a":[1.0, 2]},"tags":["x",null],"span":"[2020-01-01,2020-02-01)","ratio":0.1,"mood":"glad"}"#,
        r#"{"small":-2,"price":"0","free":"7","short":"","second":"1999-12-31T23:59:59.5Z","doc":[],"tags":[],"span":"empty","ratio":-0.0,"mood":"sad"}"#,
        r#"{}"#,
        r#"{"small":5}"#,
    ];
    let field = |line: &str| format!("{line}, required = false }}");
    let load = Load::of(lines.join("\n") + "\n")
        .field(&field("small = { type = \"int\""))
        .field(&field("price = { type = \"decimal\""))
        .field(&field("free = { type = \"decimal\""))
        .field(&field("short = { type = \"text\""))
        .field(&field("second = { type = \"timestamp\""))
        .field(&field("doc = { type = \"json\""))
        .field(&field("tags = { type = \"list\", items = { type = \"text\", nullable = true }"))
        .field(&field("span = { type = \"text\""))
        .field(&field("ratio = { type = \"float\""))
        .field(&field("mood = { type = \"text\""))
        .given(
            "CREATE TYPE mood AS ENUM ('glad', 'sad');
             CREATE DOMAIN little AS smallint;
             CREATE TABLE t (small little, price numeric(10,2), free numeric, short char(4), second timestamptz(0),
                 doc jsonb, tags text[], span daterange, ratio real, mood mood, extra integer DEFAULT 7, {key})",
        );
    load.call().run().exit(0);
    is_clean(&load);
    for (column, change) in [
        ("small", "small = 2"),
        ("price", "price = 1.51"),
        ("free", "free = 1.5"),
        ("short", "short = 'abc'"),
        ("second", "second = second + interval '1 second'"),
        ("doc", "doc = '{\"b\":1,\"a\":[1, 2]}'"),
        ("tags", "tags = '{x,y}'"),
        ("span", "span = '[2020-01-01,2020-02-02)'"),
        ("ratio", "ratio = 0.2"),
        ("mood", "mood = 'sad'"),
        ("mood", "mood = NULL"),
    ] {
        load.sql(&format!(
            "CREATE TABLE kept AS SELECT * FROM t; UPDATE t SET {change} WHERE source_offset = 0"
        ));
        let ended = verify(&load, 5);
        assert_eq!(differences(&ended), [format!("changed_value 1 0 {column}")], "{change}");
        let digests = ["file", "table"].map(|side| ended.result(&format!("/sources/0/{side}/digest")));
        assert_ne!(digests[0], digests[1], "{change}");
        load.sql("DELETE FROM t; INSERT INTO t SELECT * FROM kept; DROP TABLE kept");
    }
    // The changed value is as long as the original, in a row stored as it was sent.
    let offset = lines[..3].iter().map(|line| line.len() + 1).sum::<usize>();
    load.sql("UPDATE t SET small = 6 WHERE small = 5");
    assert_eq!(differences(&verify(&load, 5)), [format!("changed_value 4 {offset} small")]);
    load.sql("UPDATE t SET small = 5 WHERE small = 6");
    // A column that the job does not write does not count.
    load.sql("UPDATE t SET extra = 8");
    is_clean(&load);
}

#[test]
fn a_column_may_be_called_rowid() {
    let load = Load::of("{\"rowid\":\"x\",\"n\":1}\n{\"rowid\":\"a\",\"n\":2}\n")
        .to(Kind::Sqlite)
        .schema("rowid text, n int")
        .key("none");
    load.call().run().exit(0);
    is_clean(&load);
    load.sql("UPDATE t SET n = 3 WHERE n = 2");
    assert_eq!(differences(&verify(&load, 5)).len(), 1);
}

#[test]
fn values_that_a_trigger_may_have_changed_are_not_compared() {
    let load = Load::of("{\"n\":1}\n{\"n\":2}\n").schema("n int").given(
        "CREATE TABLE t (n bigint, {key});
         CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.n := 2 * NEW.n; RETURN NEW; END $$;
         CREATE TRIGGER twice BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION twice()",
    );
    load.call().run().exit(0);
    verify(&load, 0).tells("values were not compared");
    load.command("verify").arg("--strict").run().exit(1);
    load.sql("DELETE FROM t WHERE n = 4");
    assert_eq!(differences(&verify(&load, 5)), ["missing_row 2 8 -"]);
}

#[test]
fn a_job_that_has_loaded_nothing_differs_in_nothing() {
    for kind in Kind::all() {
        let load = Load::of("{\"n\":1}\n").to(kind).schema("n int").given("CREATE TABLE others (n integer)");
        load.call();
        let ended = verify(&load, 0);
        assert_eq!(ended.result("/not_loaded"), json!({ "files": 1, "bytes": 8 }));
    }
}

#[test]
fn with_a_missing_file_nothing_can_be_compared() {
    let load = Load::of("{\"n\":1}\n").to(Kind::Sqlite).schema("n int");
    load.call().run().exit(0);
    std::fs::remove_file(load.path("t.db")).unwrap();
    load.command("verify").run().exit(1).says("t.db: there is no such file, and nothing to compare with");
    assert!(!load.path("t.db").exists());
}
