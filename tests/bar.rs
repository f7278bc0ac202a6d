//! `stop_above`: a source with too many dead letters is abandoned, and the other sources go on.

use serde_json::json;

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{CSV_SCHEMA, SCHEMA, array_log, csv_log, log, pretty_log, w3c_log};
use crate::harness::oracle::{check, check_against, check_complete};
use crate::harness::reading::Shape;
use crate::harness::run::{Ended, needs_failpoints};
use crate::harness::twin::Verdicts;
use crate::stories::on_each_destination;

on_each_destination! {
    a_source_above_the_limit_is_abandoned_and_the_others_continue
    a_killed_load_reaches_the_same_decision
    rows_refused_by_the_destination_count_too
    the_limit_counts_all_splits_and_a_source_is_reported_once
    the_limit_never_cuts_a_record_of_any_shape
    the_flag_overrides_the_limit_in_the_job
}

/// A file of `records` records. One in a hundred of the first ten thousand is bad, and every second one
/// after that.
fn worsening(records: usize) -> String {
    let line = |number: usize| match number % if number < 10_000 { 100 } else { 2 } {
        0 => "{\"n\":\"x\"}\n".to_owned(),
        _ => format!("{{\"n\":{number}}}\n"),
    };
    (0..records).map(line).collect()
}

/// Two files, of which the first exceeds a limit of one tenth at its 20,000th record.
pub(crate) fn two_files(kind: Kind) -> Load {
    Load::empty().to(kind).file("a.ndjson", worsening(25_000)).file("b.ndjson", "{\"n\":1}\n").schema("n int")
}

#[track_caller]
fn load<'l>(load: &'l Load, bar: &str) -> Ended<'l> {
    load.call().arg("--stop-above").arg(bar).run()
}

fn a_source_above_the_limit_is_abandoned_and_the_others_continue(kind: Kind) {
    let files = two_files(kind);
    let ended = load(&files, "10%");
    ended.exit(4).tells("a.ndjson").counts("14901 inserted, 5100 rejected");
    assert_eq!(ended.result("/outcome"), json!("given_up"));
    assert_eq!(ended.result("/stop_above"), json!("10%"));
    assert_eq!(ended.result("/sources/loaded"), json!(1));
    assert_eq!(ended.result("/sources/waiting"), json!(0));
    let given_up = ended.result("/sources/given_up");
    assert_eq!(given_up.as_array().map(Vec::len), Some(1));
    assert_eq!((&given_up[0]["records"], &given_up[0]["open_dead_letters"]), (&json!(20_000), &json!(5_100)));
    let reason = &given_up[0]["reasons"][0];
    assert_eq!(
        (&reason["code"], &reason["field"], &reason["count"]),
        (&json!("int_parsing"), &json!("n"), &json!(5_100))
    );
    assert_eq!(reason["first"]["line"], json!(1));
    assert!(!check(&files).is_complete);

    // Run again: nothing of the source is loaded. `--allow-rejects` tolerates rejects, but not too many of them.
    let written = || -> Vec<String> {
        // Claiming a source changes its checkpoint's epoch.
        files.versions().into_iter().filter(|version| !version.contains("checkpoints")).collect()
    };
    let before = written();
    let again = files.call().arg("--stop-above").arg("10%").arg("--allow-rejects").run();
    again.exit(4);
    assert_eq!(again.result("/sources/given_up/0"), given_up[0]);
    assert!(written() == before, "rows or dead letters were written");

    // Closed dead letters do not count, whichever run wrote them.
    files.sql(&format!("UPDATE {} SET state = 'discarded'", files.ours("dead_letters")));
    let rest = load(&files, "15%");
    rest.exit(3).counts("17401 inserted, 7600 rejected");
    assert_eq!(rest.result("/sources/given_up"), json!([]));
    // A lower limit also reports a source that is loaded to its end.
    load(&files, "2499").exit(4);
    load(&files, "2500").exit(3);
}

fn a_killed_load_reaches_the_same_decision(kind: Kind) {
    needs_failpoints();
    let files = two_files(kind).pipeline("batch_rows = 3000\nchunk_size = 20000");
    for (point, passed) in [
        ("before-commit", 0),
        ("between-batches", 2),
        ("after-rows", 3),
        ("between-batches", 5),
        ("before-finish", 0),
    ] {
        files.reset();
        files.call().arg("--stop-above").arg("10%").kill_at(point, passed).run().killed();
        check(&files);
        files.wait_alone();
        let ended = load(&files, "10%");
        ended.exit(4).counts("14901 inserted, 5100 rejected");
        assert_eq!(ended.result("/sources/given_up/0/records"), json!(20_000), "{point} after {passed}");
        check(&files);
    }
}

/// Three splits, each with a third of the file's dead letters.
fn the_limit_counts_all_splits_and_a_source_is_reported_once(kind: Kind) {
    let line = |number: usize| match number % 20 {
        0 => "{\"n\":\"x\"}\n".to_owned(),
        _ => format!("{{\"n\":{number}}}\n"),
    };
    let lines: String = (100_000..103_000).map(line).collect();
    let size = format!("{}B", lines.len() / 3);
    let files = Load::empty().to(kind).file("a.ndjson", lines).schema("n int").pipeline("chunk_size = 1000");
    let plan = || {
        files.reset();
        let _ = files.call();
        let planned = files.command("plan").arg("--split-size").arg(&size).run();
        let splits = planned.exit(0).result("/splits").as_array().unwrap().clone();
        assert_eq!(splits.len(), 3);
        splits.iter().map(|split| split["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let is_told_once = |ended: &Ended<'_>| {
        let given_up = ended.result("/sources/given_up");
        assert_eq!(given_up.as_array().map(Vec::len), Some(1), "{given_up}");
        let counts = format!(
            "SELECT CAST(sum(inserted + rejected) AS bigint), CAST(sum(rejected) AS bigint) FROM {}",
            files.ours("checkpoints")
        );
        let counts = files.made().look(|snapshot| snapshot.query(&counts)).remove(0);
        let told = ["records", "open_dead_letters"].map(|name| given_up[0][name].as_i64().unwrap());
        assert_eq!(told, [counts[0].int(), counts[1].int()]);
        assert_eq!(given_up[0]["reasons"][0]["count"].as_i64(), Some(told[1]));
        assert_eq!(given_up[0]["reasons"][0]["first"]["line"], json!(1));
    };
    // No single split exceeds the limit, but all of them together do.
    plan();
    let ended = load(&files, "120");
    is_told_once(ended.exit(4));
    plan();
    load(&files, "150").exit(3);
    // One split at a time, the last one first, so that its dead letters have the lowest ids.
    let ids = plan();
    let split = |id: &str| files.call().arg("--stop-above").arg("120").arg("--split").arg(id).run();
    split(&ids[2]).exit(3);
    split(&ids[1]).exit(3);
    is_told_once(split(&ids[0]).exit(4));
    // Every split exceeds the limit.
    plan();
    is_told_once(files.call().arg("--stop-above").arg("9").arg("--lanes").arg("3").run().exit(4));
    plan();
    let lanes = files.call().arg("--stop-above").arg("9").arg("--lanes").arg("3").for_people().run();
    lanes.exit(4).tells("1 file given up");
}

fn rows_refused_by_the_destination_count_too(kind: Kind) {
    let lines: String = (0..12_000).map(|number| format!("{{\"n\":{number}}}\n")).collect();
    let given = format!(
        "CREATE TABLE t (n bigint CHECK (n % 100 <> 7), {})",
        kind.word(
            "{key}",
            "source_id integer, source_offset integer, PRIMARY KEY (source_id, source_offset)"
        )
    );
    let refused = Load::of(lines).to(kind).schema("n int").given(&given);
    load(&refused, "99").exit(4).counts("9900 inserted, 100 rejected");
    check_against(&refused, &Verdicts::of(&refused));
    load(&refused, "119").exit(4).counts("11880 inserted, 120 rejected");
    load(&refused, "120").exit(3);
}

fn the_limit_never_cuts_a_record_of_any_shape(kind: Kind) {
    let shapes = [
        (Shape::Lines, SCHEMA, "a.ndjson", log(1, 12_000)),
        (Shape::Csv, CSV_SCHEMA, "a.ndjson", csv_log(2, 12_000)),
        (Shape::Json, SCHEMA, "a.ndjson", array_log(3, 12_000)),
        (Shape::Braces, SCHEMA, "a.ndjson", pretty_log(4, 12_000)),
        (Shape::W3c, CSV_SCHEMA, "a.ndjson", w3c_log(5, 14_000)),
        #[cfg(feature = "gzip")]
        (Shape::Lines, SCHEMA, "a.ndjson.gz", log(6, 12_000)),
    ];
    for (shape, schema, name, content) in shapes {
        let whole = Load::empty().to(kind).shaped(shape).file(name, content).schema(schema);
        let ended = load(&whole, "99%");
        ended.exit(3);
        check_complete(&whole);
        assert!(ended.result("/batches").as_u64() > Some(1), "{name} is not cut");
    }
}

fn the_flag_overrides_the_limit_in_the_job(kind: Kind) {
    let job = |bar: &str| {
        let load = Load::of("{\"n\":1}\n{\"n\":\"x\"}\n").to(kind).schema("n int");
        load.pipeline(&format!("[dead_letters]\nstop_above = {bar}"))
    };
    job("0").run().exit(4).counts("1 inserted, 1 rejected");
    job("\"49.9%\"").run().exit(4);
    job("\"50%\"").run().exit(3);
    let low = job("0");
    load(&low, "1").exit(3);
    low.call().arg("--allow-rejects").run().exit(4);
}
