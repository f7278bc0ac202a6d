//! `dead-letters replay`: letters become rows once, and only once, whatever happens on the way.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::harness::destination::{Cell, Kind};
use crate::harness::load::Load;
use crate::harness::reading::Shape;
use crate::harness::run::{Ended, needs_failpoints};
use crate::stories::on_each_destination;

on_each_destination! {
    letters_that_are_good_by_the_present_rules_become_rows_and_a_load_is_well_again
    killed_anywhere_a_replay_loses_and_doubles_nothing
    of_two_replays_one_waits_or_leaves
    what_was_mended_is_kept_and_becomes_the_row
    records_are_mended_as_they_are_with_their_ids_beside
    an_export_overwrites_nothing_and_leaves_nothing_when_it_fails
    of_a_key_the_later_letter_wins_and_a_row_that_is_there_stays
    what_the_destination_refuses_again_stays_open_with_one_attempt_more
    a_record_that_was_too_long_to_be_kept_is_read_from_its_source
    a_letter_is_read_by_the_directives_that_stand_before_its_record
    any_sequence_of_loads_replays_discards_and_kills_keeps_what_must_hold
}

/// A job by whose rules long words are refused, and no others.
const SHORT: &str = "max_length = 3";
const LONG: &str = "max_length = 30";

fn words(kind: Kind) -> Load {
    Load::empty()
        .to(kind)
        .schema("n int")
        .field("word = { type = \"text\", max_length = 3, required = false }")
}

/// Two files with six letters, four of which are good by the other rules.
fn two_files(kind: Kind) -> Load {
    words(kind)
        .file(
            "a.ndjson",
            "{\"n\":1}\n{\"n\":2,\"word\":\"long\"}\nno\n{\"n\":4,\"word\":\"longer\"}\n{\"n\":5}\n",
        )
        .file(
            "b.ndjson",
            "{\"n\":11,\"word\":\"large\"}\n{\"n\":\"x\"}\n{\"n\":13}\n{\"n\":14,\"word\":\"grand\"}\n",
        )
}

/// Goes over to the rules that are more generous.
fn by_long_rules(load: &Load) -> &Load {
    let _ = load.call_with(&load.job().replace(SHORT, LONG));
    load
}

fn replay(load: &Load) -> Ended<'_> {
    load.command("dead-letters replay").run()
}

/// The numbers of the rows.
fn numbers(load: &Load) -> Vec<i64> {
    let rows = load.made().look(|snapshot| snapshot.query("SELECT n FROM t ORDER BY n"));
    rows.iter().map(|row| row[0].int()).collect()
}

/// Each letter as its state and its attempts, by line of the files in their order.
fn letters(load: &Load) -> Vec<(String, i64)> {
    let sql = format!(
        "SELECT state, attempts FROM {} WHERE state <> 'superseded' ORDER BY source_id, source_offset",
        load.ours("dead_letters")
    );
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    rows.iter().map(|row| (row[0].text().to_owned(), row[1].int())).collect()
}

fn states(load: &Load) -> Vec<String> {
    letters(load).into_iter().map(|(state, _)| state).collect()
}

fn counts(ended: &Ended<'_>) -> Value {
    ended.result("/counts")
}

fn ids(load: &Load) -> Vec<i64> {
    let sql = format!("SELECT id FROM {} ORDER BY source_id, source_offset", load.ours("dead_letters"));
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    rows.iter().map(|row| row[0].int()).collect()
}

fn letters_that_are_good_by_the_present_rules_become_rows_and_a_load_is_well_again(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    assert_eq!(numbers(&load), [1, 5, 13]);
    // By the same rules nothing is good, and every try is counted.
    let again = replay(&load);
    again.exit(3);
    assert_eq!(counts(&again), json!({"replayed": 0, "again_bad": 6, "not_replayable": 0}));
    assert!(letters(&load).iter().all(|letter| *letter == ("open".to_owned(), 2)), "{:?}", letters(&load));

    by_long_rules(&load);
    let rehearsed = load.command("dead-letters replay").arg("--dry-run").run();
    rehearsed.exit(3);
    assert_eq!(counts(&rehearsed), json!({"replayed": 4, "again_bad": 2, "not_replayable": 0}));
    assert_eq!(numbers(&load), [1, 5, 13], "a rehearsal wrote rows");
    // One of them, and then the rest.
    let one = load.command("dead-letters replay").arg("--id").arg(&ids(&load)[0].to_string()).run();
    one.exit(3);
    assert_eq!(numbers(&load), [1, 2, 5, 13]);
    let rest = replay(&load);
    rest.exit(3);
    assert_eq!(counts(&rest), json!({"replayed": 3, "again_bad": 2, "not_replayable": 0}));
    assert_eq!(rest.result("/open_dead_letters"), json!(2));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14]);
    let open = ("open".to_owned(), 3);
    let replayed = ("replayed".to_owned(), 2);
    let all = letters(&load);
    assert_eq!([&all[1], &all[4]], [&open, &open]);
    assert!([0, 2, 3, 5].iter().all(|&at| all[at] == replayed), "{all:?}");
    // The rows stand at the places of their records.
    let places = load.made().look(|snapshot| {
        snapshot.query(&format!(
            "SELECT count(*) FROM t JOIN {} d ON d.source_id = t.source_id AND d.source_offset = t.source_offset",
            load.ours("dead_letters")
        ))
    });
    assert_eq!(places[0][0].int(), 4);

    load.call_with(&load.job().replace(SHORT, LONG)).run().exit(3);
    load.command("dead-letters discard").arg("--all").run().exit(0);
    load.call_with(&load.job().replace(SHORT, LONG)).run().exit(0);
    replay(&load).exit(0);
    assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14]);
}

/// The points that a replay comes by.
const POINTS: [&str; 12] = [
    "before-begin",
    "before-fence",
    "after-fence",
    "mid-copy",
    "before-merge",
    "mid-merge",
    "after-rows",
    "mid-dead-letters",
    "after-dead-letters",
    "before-commit",
    "mid-replay",
    "after-commit",
];

fn killed_anywhere_a_replay_loses_and_doubles_nothing(kind: Kind) {
    needs_failpoints();
    let load = two_files(kind);
    let mut killed = 0;
    for point in POINTS.iter().chain(&["between-batches", "before-finish", "mid-finish"]) {
        load.reset();
        load.run().exit(3);
        by_long_rules(&load);
        let ended = load.command("dead-letters replay").kill_at(point, 0).run();
        killed += u32::from(ended.is_killed());
        load.wait_alone();
        // All of it, or nothing.
        match numbers(&load).len() {
            3 => assert!(states(&load).iter().all(|state| state == "open"), "{point}: {:?}", letters(&load)),
            7 => assert_eq!(states(&load).iter().filter(|state| *state == "replayed").count(), 4, "{point}"),
            rows => panic!("{point}: {rows} rows"),
        }
        replay(&load).exit(3);
        assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14], "{point}");
        assert_eq!(states(&load).iter().filter(|state| *state == "open").count(), 2, "{point}");
    }
    assert!(killed >= 10, "only {killed} points were come by");
    if kind == Kind::Postgres {
        // The answer is lost, and what became of it is found out.
        for point in ["before-commit", "after-commit", "after-fence", "mid-dead-letters"] {
            load.reset();
            load.run().exit(3);
            by_long_rules(&load);
            let ended = load.command("dead-letters replay").lose_at(point, 0).run();
            ended.exit(3);
            assert_eq!(
                counts(&ended),
                json!({"replayed": 4, "again_bad": 2, "not_replayable": 0}),
                "{point}"
            );
            assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14], "{point}");
            assert!(
                letters(&load)
                    .iter()
                    .all(|(state, attempts)| *attempts == if state == "open" { 2 } else { 1 })
            );
        }
    }
}

fn of_two_replays_one_waits_or_leaves(kind: Kind) {
    needs_failpoints();
    let load = two_files(kind);
    load.run().exit(3);
    by_long_rules(&load);
    // One has read its letters, and the other is faster.
    let slow = load.command("dead-letters replay").stop_at("before-begin", 0).start().wait_stopped();
    replay(&load).exit(3);
    slow.signal("CONT");
    slow.wait().exit(6);
    assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14]);
    assert!(letters(&load).iter().all(|(_, attempts)| *attempts <= 2), "{:?}", letters(&load));
}

/// Exports, lets a person mend, and gives the name of the file.
fn exported(load: &Load, flags: &[&str], mend: impl Fn(&str) -> String) -> String {
    let path = load.path("letters.jsonl");
    let file = path.to_str().unwrap();
    let call = load.command("dead-letters export").arg("-o").arg(file);
    flags.iter().fold(call, |call, flag| call.arg(flag)).run().exit(0);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, mend(&text)).unwrap();
    file.to_owned()
}

fn fixed(load: &Load) -> Vec<String> {
    let sql = format!(
        "SELECT raw, fixed FROM {} WHERE fixed IS NOT NULL ORDER BY source_id, source_offset",
        load.ours("dead_letters")
    );
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    let text = |cell: &Cell| match cell {
        Cell::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("no bytes: {other:?}"),
    };
    rows.iter().map(|row| format!("{} -> {}", text(&row[0]), text(&row[1]))).collect()
}

fn what_was_mended_is_kept_and_becomes_the_row(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let file = exported(&load, &[], |text| {
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(
            (
                &lines[1]["raw"],
                &lines[1]["valid"],
                &lines[1]["line"],
                &lines[1]["stage"],
                &lines[1]["attempts"]
            ),
            (&json!("no"), &json!(false), &json!(3), &json!("parse"), &json!(1))
        );
        // From the last to the first, one left out, one still bad.
        let mended = lines.iter().rev().filter(|line| line["raw"] != json!("{\"n\":\"x\"}"));
        let mended = mended.map(|line| {
            let mut line = line.clone();
            line["raw"] = match line["raw"].as_str().unwrap() {
                "no" => json!("{\"n\":3}"),
                raw => json!(raw.replace("longer", "lgr").replace("long", "lng").replace("large", "lrg")),
            };
            format!("{line}\n")
        });
        mended.collect()
    });
    let ended = load.command("dead-letters replay").arg("--from").arg(&file).run();
    ended.exit(3);
    assert_eq!(counts(&ended), json!({"replayed": 4, "again_bad": 1, "not_replayable": 0}));
    assert_eq!(numbers(&load), [1, 2, 3, 4, 5, 11, 13]);
    let kept = fixed(&load);
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept.contains(&"no -> {\"n\":3}".to_owned()), "{kept:?}");
    // What is done is found done, and nothing comes twice.
    let again = load.command("dead-letters replay").arg("--from").arg(&file).run();
    again.exit(3);
    assert_eq!(counts(&again), json!({"replayed": 0, "again_bad": 1, "not_replayable": 0}));
    // Two records where one was, and a letter that nobody has.
    let two = format!(
        "{}\n{{\"id\":9999,\"raw\":\"{{}}\"}}\n",
        json!({"id": ids(&load)[4], "raw": "{\"n\":12}\n{\"n\":13}"})
    );
    fs::write(&file, two).unwrap();
    let several = load.command("dead-letters replay").arg("--from").arg(&file).run();
    several.exit(1);
    assert_eq!(counts(&several)["not_replayable"], json!(2));
    assert_eq!(numbers(&load), [1, 2, 3, 4, 5, 11, 13]);
    fs::write(&file, "{\"raw\":\"no id\"}\n").unwrap();
    load.command("dead-letters replay").arg("--from").arg(&file).run().exit(2);
}

fn records_are_mended_as_they_are_with_their_ids_beside(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let file = exported(&load, &["--raw"], |text| {
        assert_eq!(text.lines().nth(1), Some("no"));
        text.replace("no\n", "{\"n\":3}\n").replace("{\"n\":\"x\"}", "{\"n\":12}")
    });
    let ended = load.command("dead-letters replay").arg("--from").arg(&file).run();
    ended.exit(3);
    assert_eq!(counts(&ended), json!({"replayed": 2, "again_bad": 4, "not_replayable": 0}));
    assert_eq!(numbers(&load), [1, 3, 5, 12, 13]);
    // A line more: nothing is touched.
    let before = load.versions();
    fs::write(&file, fs::read_to_string(&file).unwrap() + "{\"n\":99}\n").unwrap();
    load.command("dead-letters replay").arg("--from").arg(&file).run().exit(2);
    assert!(before == load.versions(), "something was written");
}

fn an_export_overwrites_nothing_and_leaves_nothing_when_it_fails(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    let export = |file: &str, flag: &str| {
        let path = load.path(file);
        load.command("dead-letters export").arg(flag).arg("-o").arg(path.to_str().unwrap()).run()
    };
    let folder = load.path("");
    let names = || {
        let names =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> =
            names.filter(|name| name.contains("letters") || name.contains(".tmp")).collect();
        names.sort();
        names
    };
    // The source itself, and for SQLite the destination.
    let before = fs::read(load.path("a.ndjson")).unwrap();
    export("a.ndjson", "--state=any").exit(2).says("a.ndjson exists; name another file");
    assert_eq!(fs::read(load.path("a.ndjson")).unwrap(), before);
    if let Some(database) = load.made().url().strip_prefix("sqlite:") {
        load.command("dead-letters export").arg("-o").arg(database).run().exit(2).says("name another file");
    }
    assert_eq!(ids(&load).len(), 6);

    // Ids that are there: the records are not written either.
    fs::write(load.path("letters.ids"), "1\n").unwrap();
    export("letters", "--raw").exit(2).says("letters.ids exists; name another file");
    assert_eq!(names(), ["letters.ids"]);
    fs::remove_file(load.path("letters.ids")).unwrap();
    // A record of several lines is found out only on the way.
    let ours = load.ours("dead_letters");
    let last = ids(&load)[5];
    let bytes = kind.word("'\\x610a62'::bytea", "X'610a62'");
    load.sql(&format!("UPDATE {ours} SET fixed = {bytes} WHERE id = {last}"));
    export("letters", "--raw").exit(2).says("has several lines");
    assert!(names().is_empty(), "{:?}", names());
    export("letters", "--state=open").exit(0);
    assert_eq!(names(), ["letters"]);
    load.command("dead-letters export").arg("-o").arg("/dev/null").run().exit(0);
}

/// The rows of two keys that are there and of two that are not, each with two letters.
fn of_a_key_the_later_letter_wins_and_a_row_that_is_there_stays(kind: Kind) {
    let file = "{\"n\":1,\"word\":\"old\"}\n{\"n\":1,\"word\":\"first\"}\n{\"n\":2,\"word\":\"first\"}\n\
                {\"n\":2,\"word\":\"second\"}\n{\"n\":1,\"word\":\"second\"}\n";
    let load =
        words(kind).key("[\"n\"]").file("a.ndjson", file).file("b.ndjson", "{\"n\":2,\"word\":\"third\"}\n");
    let rows = || -> BTreeMap<i64, String> {
        let rows = load.made().look(|snapshot| snapshot.query("SELECT n, word FROM t"));
        rows.iter().map(|row| (row[0].int(), row[1].text().to_owned())).collect()
    };
    load.run().exit(3);
    by_long_rules(&load);
    replay(&load).exit(0);
    assert_eq!(rows(), [(1, "old".to_owned()), (2, "third".to_owned())].into());
    assert!(states(&load).iter().all(|state| state == "replayed"));
    load.reset();
    load.run().exit(3);
    by_long_rules(&load);
    load.command("dead-letters replay").arg("--overwrite").run().exit(0);
    assert_eq!(rows(), [(1, "second".to_owned()), (2, "third".to_owned())].into());
}

fn what_the_destination_refuses_again_stays_open_with_one_attempt_more(kind: Kind) {
    let load = two_files(kind).given(
        "CREATE TABLE w (word text PRIMARY KEY); INSERT INTO w VALUES ('long'), ('longer'), ('grand');
         CREATE TABLE t (n bigint NOT NULL, word text REFERENCES w (word), source_id integer NOT NULL,
                         source_offset bigint NOT NULL, PRIMARY KEY (source_id, source_offset))",
    );
    load.run().exit(3);
    by_long_rules(&load);
    let ended = replay(&load);
    ended.exit(3);
    assert_eq!(counts(&ended), json!({"replayed": 3, "again_bad": 3, "not_replayable": 0}));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 13, 14]);
    assert_eq!(letters(&load)[3], ("open".to_owned(), 2));
    let stage = format!("SELECT count(*) FROM {} WHERE stage = 'server'", load.ours("dead_letters"));
    let refused = load.made().look(|snapshot| snapshot.query(&stage));
    assert_eq!(refused[0][0].int(), 1);
    // The word is known now.
    load.sql("INSERT INTO w VALUES ('large')");
    assert_eq!(counts(&replay(&load))["replayed"], json!(1));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14]);
}

fn a_record_that_was_too_long_to_be_kept_is_read_from_its_source(kind: Kind) {
    let load = two_files(kind).record("\n[dead_letters]\nmax_raw = \"0B\"\n");
    load.run().exit(3);
    by_long_rules(&load);
    fs::remove_file(load.path("b.ndjson")).unwrap();
    let ended = replay(&load);
    ended.exit(1);
    assert_eq!(counts(&ended), json!({"replayed": 2, "again_bad": 1, "not_replayable": 3}));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 13]);
    // Other bytes at its place are not its bytes.
    load.write(
        "b.ndjson",
        "{\"n\":99,\"word\":\"large\"}\n{\"n\":\"x\"}\n{\"n\":13}\n{\"n\":14,\"word\":\"grind\"}\n",
    );
    let ended = replay(&load);
    ended.exit(1);
    assert_eq!(counts(&ended), json!({"replayed": 0, "again_bad": 2, "not_replayable": 2}));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 13]);
}

fn a_letter_is_read_by_the_directives_that_stand_before_its_record(kind: Kind) {
    // Two columns in one order, in the other, and in the first again.
    let text = "long 0\n#Fields: n word other\n1 long x\n2 a x\n#Date: 2024-01-01\n#Fields: other word n\n\
                #Remark: the other way\nx long 3\nx a 4\n#Fields: n word other\n5 long x\n#Fields: other word n\n\
                x long 7\nx a 8\n";
    // One chunk that holds them all, and chunks that end between them.
    for chunk_size in ["4KiB", "20B"] {
        let load = Load::empty()
            .to(kind)
            .shaped(Shape::W3c)
            .schema("n int")
            .field("word = { type = \"text\", max_length = 3 }")
            .field("other = { type = \"text\", max_length = 3 }")
            .pipeline(&format!("chunk_size = \"{chunk_size}\""))
            .file("a.ndjson", text);
        load.run().exit(3);
        assert_eq!(numbers(&load), [2, 4, 8]);
        by_long_rules(&load);
        let ended = replay(&load);
        ended.exit(3);
        // What stands before any directive is no record then either.
        assert_eq!(counts(&ended), json!({"replayed": 4, "again_bad": 1, "not_replayable": 0}));
        let rows =
            load.made().look(|snapshot| snapshot.query("SELECT n, word FROM t WHERE other = 'x' ORDER BY n"));
        let rows: Vec<_> = rows.iter().map(|row| (row[0].int(), row[1].text().to_owned())).collect();
        let expected = [(1, "long"), (2, "a"), (3, "long"), (4, "a"), (5, "long"), (7, "long"), (8, "a")];
        assert_eq!(rows, expected.map(|(n, word)| (n, word.to_owned())), "chunks of {chunk_size}");
    }
}

/// A slow oracle: each record is a row or a letter; a letter of the job in any state is a reject; the
/// rows are those that were good at once and those that were replayed.
fn any_sequence_of_loads_replays_discards_and_kills_keeps_what_must_hold(kind: Kind) {
    needs_failpoints();
    let mut seed = 0x5eed_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let load = words(kind).file("a.ndjson", "");
    load.run().exit(0);
    let (mut lines, mut text) = (0, String::new());
    for step in 0..24 {
        let is_generous = next(3) == 0;
        let job = if is_generous { load.job().replace(SHORT, LONG) } else { load.job() };
        let kill = next(4) == 0;
        let point = POINTS[usize::try_from(next(POINTS.len() as u64)).unwrap()];
        let call = match next(4) {
            0 | 1 => {
                for _ in 0..=next(4) {
                    lines += 1;
                    let word = ["a", "long", "bad"][usize::try_from(next(3)).unwrap()];
                    match word {
                        "bad" => text.push_str("bad\n"),
                        word => text.push_str(&format!("{{\"n\":{lines},\"word\":\"{word}\"}}\n")),
                    }
                }
                load.write("a.ndjson", &text);
                load.call_with(&job).arg("--accept-new-rules")
            }
            2 => {
                let _ = load.call_with(&job);
                load.command("dead-letters replay")
            }
            _ => {
                let one = ids(&load).first().copied().unwrap_or(1).to_string();
                load.command("dead-letters discard").arg("--id").arg(&one)
            }
        };
        let ended = if kill { call.kill_at(point, 0).run() } else { call.run() };
        load.wait_alone();
        if !ended.is_killed() && step > 0 {
            must_hold(&load, step);
        }
    }
    load.call_with(&load.job().replace(SHORT, LONG)).arg("--accept-new-rules").run();
    replay(&load);
    must_hold(&load, 99);
    let told = text.lines().enumerate().filter(|(_, line)| *line != "bad").count();
    let discarded = states(&load).iter().filter(|state| *state == "discarded").count();
    assert!(numbers(&load).len() + discarded >= told, "records were lost");
}

#[track_caller]
fn must_hold(load: &Load, step: u32) {
    let (checkpoints, letters) = (load.ours("checkpoints"), load.ours("dead_letters"));
    let rows = load.made().look(|snapshot| {
        snapshot.query(&format!(
            "SELECT CAST(coalesce(sum(c.rejected), 0) AS bigint), CAST(coalesce(sum(c.inserted), 0) AS bigint),
                    (SELECT count(*) FROM {letters} WHERE state <> 'superseded'),
                    (SELECT count(*) FROM {letters} WHERE state = 'replayed'),
                    (SELECT count(*) FROM t), (SELECT count(DISTINCT n) FROM t)
             FROM {checkpoints} c"
        ))
    });
    let [rejected, inserted, all, replayed, rows, distinct] = [0, 1, 2, 3, 4, 5].map(|at| rows[0][at].int());
    assert_eq!(rejected, all, "step {step}: rejects and letters");
    assert_eq!(rows, inserted + replayed, "step {step}: rows and what they came from");
    assert_eq!(rows, distinct, "step {step}: a record is there twice");
}
