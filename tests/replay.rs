//! `dead-letters replay`: letters become rows exactly once, whatever happens on the way.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::harness::destination::{Cell, Kind};
use crate::harness::load::Load;
use crate::harness::postgres::{Options, Server};
use crate::harness::reading::Shape;
use crate::harness::run::{Ended, needs_failpoints};
use crate::harness::trials::trials;
use crate::stories::on_each_destination;
use mended::fixed;
use model::{Deed, Files, REFUSED, Record, Rules, some_line};

/// Letters that a user mends.
mod mended;
/// The expected fate of each record.
mod model;

on_each_destination! {
    letters_valid_under_the_current_rules_become_rows
    killed_anywhere_a_replay_loses_and_doubles_nothing
    a_replay_of_mended_letters_killed_anywhere_loses_and_doubles_nothing
    a_killed_replay_of_several_pages_resumes
    one_of_two_replays_waits_or_leaves
    the_later_letter_of_a_key_wins_and_an_existing_row_stays
    a_letter_refused_again_stays_open_with_one_more_attempt
    a_record_too_long_to_keep_is_read_from_its_source
    a_letter_is_read_with_the_directives_before_its_record
    any_sequence_of_loads_replays_discards_and_kills_keeps_what_must_hold
}

/// A job whose rules refuse long words and nothing else.
const SHORT: &str = "max_length = 3";
const LONG: &str = "max_length = 30";

fn words(kind: Kind) -> Load {
    Load::empty()
        .to(kind)
        .schema("n int")
        .field("word = { type = \"text\", max_length = 3, required = false }")
}

/// Two files with six letters, four of which are valid under the other rules.
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

/// Switches to the more generous rules.
fn by_long_rules(load: &Load) -> &Load {
    let _ = load.call_with(&load.job().replace(SHORT, LONG));
    load
}

fn replay(load: &Load) -> Ended<'_> {
    load.command("dead-letters replay").run()
}

/// The numbers in the rows.
fn numbers(load: &Load) -> Vec<i64> {
    let rows = load.made().look(|snapshot| snapshot.query("SELECT n FROM t ORDER BY n"));
    rows.iter().map(|row| row[0].int()).collect()
}

/// The state and the attempts of each letter, in file order.
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

fn letters_valid_under_the_current_rules_become_rows(kind: Kind) {
    let load = two_files(kind);
    load.run().exit(3);
    assert_eq!(numbers(&load), [1, 5, 13]);
    // Under the same rules no letter is valid, and every attempt is counted.
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
    // The rows have the positions of their records.
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

/// The points that a replay reaches.
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
        // The answer is lost, and the replay finds out what happened.
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

fn a_replay_of_mended_letters_killed_anywhere_loses_and_doubles_nothing(kind: Kind) {
    needs_failpoints();
    let load = two_files(kind);
    let file = load.path("mended");
    let replay = || load.command("dead-letters replay").arg("--from").arg(file.to_str().unwrap());
    let mut killed = 0;
    for point in POINTS.iter().chain(&["between-batches", "before-finish", "mid-finish"]) {
        load.reset();
        load.run().exit(3);
        // One is valid, one is bad in another way, and one is unchanged.
        let mended = ids(&load).into_iter().zip(["{\"n\":2}", "worse", "{\"n\":4,\"word\":\"longer\"}"]);
        let mended = mended.map(|(id, raw)| format!("{}\n", json!({"id": id, "raw": raw})));
        fs::write(&file, mended.collect::<String>()).unwrap();
        let ended = replay().kill_at(point, 0).run();
        killed += u32::from(ended.is_killed());
        load.wait_alone();
        let open = |attempts| ("open".to_owned(), attempts);
        let tried = [("replayed".to_owned(), 1), open(2), open(2)];
        let [before, after] = [[open(1), open(1), open(1)], tried.clone()];
        let kept = ["{\"n\":2,\"word\":\"long\"} -> {\"n\":2}", "no -> worse"];
        let found = &letters(&load)[..3];
        match numbers(&load)[..] {
            [1, 5, 13] => {
                assert!(*found == before && fixed(&load).is_empty(), "{point}: {found:?} {:?}", fixed(&load))
            }
            [1, 2, 5, 13] => {
                assert!(*found == after && fixed(&load) == kept, "{point}: {found:?} {:?}", fixed(&load))
            }
            ref rows => panic!("{point}: {rows:?}"),
        }
        replay().run().exit(3);
        assert_eq!(numbers(&load), [1, 2, 5, 13], "{point}");
        assert_eq!(fixed(&load), kept, "{point}");
        assert_eq!(letters(&load)[0], tried[0], "{point}");
    }
    assert!(killed >= 10, "only {killed} points were come by");
}

/// More letters than one page holds. Each key has one letter on the first page and one on the last.
fn a_killed_replay_of_several_pages_resumes(kind: Kind) {
    needs_failpoints();
    const KEYS: usize = 1_100;
    let lines = |word: &str| -> String {
        (0..KEYS).map(|n| format!("{{\"n\":{n},\"word\":\"{word}\"}}\n")).collect()
    };
    for (key, flag, word) in
        [("position", "", None), ("[\"n\"]", "", Some("later")), ("[\"n\"]", "--overwrite", Some("later"))]
    {
        let load = words(kind).key(key).file("a.ndjson", lines("early")).file("b.ndjson", lines("later"));
        let replay = || {
            let call = load.command("dead-letters replay");
            if flag.is_empty() { call } else { call.arg(flag) }
        };
        for (point, passed) in [("between-batches", 0), ("before-commit", 1)] {
            load.reset();
            load.run().exit(3);
            by_long_rules(&load);
            replay().kill_at(point, passed).run().killed();
            load.wait_alone();
            let done = states(&load).iter().filter(|state| *state == "replayed").count();
            assert!(done > 0 && done < 2 * KEYS, "{point}: {done}");
            let ended = replay().run();
            ended.exit(0);
            assert_eq!(counts(&ended)["replayed"], json!(2 * KEYS - done), "{point}");
            let rows = load.made().look(|snapshot| snapshot.query("SELECT word, count(*) FROM t GROUP BY 1"));
            let rows: Vec<_> = rows.iter().map(|row| (row[0].text(), row[1].int())).collect();
            match word {
                Some(word) => assert_eq!(rows, [(word, 1_100)], "{point} {flag}"),
                None => assert_eq!(
                    rows.iter().map(|(_, count)| count).collect::<Vec<_>>(),
                    [&1_100, &1_100],
                    "{point}"
                ),
            }
        }
    }
}

/// The server dies during a replay and returns only after the replay has tried to reach it for a while.
#[test]
fn a_replay_survives_a_long_outage_of_the_server() {
    needs_failpoints();
    let server = Server::start(Options::default());
    let load = two_files(Kind::Postgres).on(&server);
    let replay = || load.command("dead-letters replay");
    for point in
        ["before-begin", "after-fence", "mid-copy", "mid-dead-letters", "before-commit", "after-commit"]
    {
        load.reset();
        load.run().exit(3);
        by_long_rules(&load);
        let mut running = replay().stop_at(point, 0).start().wait_stopped();
        server.stop_immediate();
        running.wake();
        running.wait_says("trying again");
        std::thread::sleep(Duration::from_secs(2));
        server.restart();
        let ended = running.wait();
        ended.exit(3);
        assert_eq!(counts(&ended), json!({"replayed": 4, "again_bad": 2, "not_replayable": 0}), "{point}");
        assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14], "{point}");
        let is_once = |(state, attempts): &(String, i64)| *attempts == if state == "open" { 2 } else { 1 };
        assert!(letters(&load).iter().all(is_once), "{point}: {:?}", letters(&load));
    }
    // Longer than `retry_for`: the replay gives up with a message, and the next one resumes.
    let load = two_files(Kind::Postgres).on(&server).pipeline("retry_for = \"300ms\"");
    let replay = || load.command("dead-letters replay");
    load.run().exit(3);
    by_long_rules(&load);
    let running = replay().stop_at("before-commit", 0).start().wait_stopped();
    server.stop_immediate();
    running.wake();
    let ended = running.wait();
    ended.exit(1).says("gave up after");
    assert_eq!(counts(&ended)["replayed"], json!(0));
    server.restart();
    assert_eq!(numbers(&load), [1, 5, 13]);
    replay().run().exit(3);
    assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14]);
}

fn one_of_two_replays_waits_or_leaves(kind: Kind) {
    needs_failpoints();
    let load = two_files(kind);
    load.run().exit(3);
    by_long_rules(&load);
    // One has read its letters, and the other overtakes it.
    let slow = load.command("dead-letters replay").stop_at("before-begin", 0).start().wait_stopped();
    replay(&load).exit(3);
    slow.signal("CONT");
    slow.wait().exit(6);
    assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14]);
    assert!(letters(&load).iter().all(|(_, attempts)| *attempts <= 2), "{:?}", letters(&load));
    // This also holds if the letters were only tried.
    load.reset();
    load.run().exit(3);
    let slow = load.command("dead-letters replay").stop_at("before-begin", 0).start().wait_stopped();
    replay(&load).exit(3);
    slow.signal("CONT");
    slow.wait().exit(6);
    assert!(letters(&load).iter().all(|letter| *letter == ("open".to_owned(), 2)), "{:?}", letters(&load));
}

/// Two keys with rows and two without, each with two letters.
fn the_later_letter_of_a_key_wins_and_an_existing_row_stays(kind: Kind) {
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

fn a_letter_refused_again_stays_open_with_one_more_attempt(kind: Kind) {
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
    // The foreign key now has this word.
    load.sql("INSERT INTO w VALUES ('large')");
    assert_eq!(counts(&replay(&load))["replayed"], json!(1));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 11, 13, 14]);
}

fn a_record_too_long_to_keep_is_read_from_its_source(kind: Kind) {
    let load = two_files(kind).record("\n[dead_letters]\nmax_raw = \"0B\"\n");
    load.run().exit(3);
    by_long_rules(&load);
    fs::remove_file(load.path("b.ndjson")).unwrap();
    let ended = replay(&load);
    ended.exit(1);
    assert_eq!(counts(&ended), json!({"replayed": 2, "again_bad": 1, "not_replayable": 3}));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 13]);
    // Other bytes at the same place are not the record's bytes.
    load.write(
        "b.ndjson",
        "{\"n\":99,\"word\":\"large\"}\n{\"n\":\"x\"}\n{\"n\":13}\n{\"n\":14,\"word\":\"grind\"}\n",
    );
    let ended = replay(&load);
    ended.exit(1);
    assert_eq!(counts(&ended), json!({"replayed": 0, "again_bad": 2, "not_replayable": 2}));
    assert_eq!(numbers(&load), [1, 2, 4, 5, 13]);
}

fn a_letter_is_read_with_the_directives_before_its_record(kind: Kind) {
    // Two columns in one order, in the other, and in the first again.
    let text = "long 0\n#Fields: n word other\n1 long x\n2 a x\n#Date: 2024-01-01\n#Fields: other word n\n\
                #Remark: the other way\nx long 3\nx a 4\n#Fields: n word other\n5 long x\n#Fields: other word n\n\
                x long 7\nx a 8\n";
    // One chunk that holds all directives, and chunks that end between them.
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
        // A line before any directive is no record in a replay either.
        assert_eq!(counts(&ended), json!({"replayed": 4, "again_bad": 1, "not_replayable": 0}));
        let rows =
            load.made().look(|snapshot| snapshot.query("SELECT n, word FROM t WHERE other = 'x' ORDER BY n"));
        let rows: Vec<_> = rows.iter().map(|row| (row[0].int(), row[1].text().to_owned())).collect();
        let expected = [(1, "long"), (2, "a"), (3, "long"), (4, "a"), (5, "long"), (7, "long"), (8, "a")];
        assert_eq!(rows, expected.map(|(n, word)| (n, word.to_owned())), "chunks of {chunk_size}");
    }
}

/// Two growing files, and every operation on their records in random order, with kills.
fn any_sequence_of_loads_replays_discards_and_kills_keeps_what_must_hold(kind: Kind) {
    needs_failpoints();
    let module = kind.word("postgres", "sqlite");
    let test =
        format!("replay::{module}::any_sequence_of_loads_replays_discards_and_kills_keeps_what_must_hold");
    trials(&test, 3, |mut rng| {
        let load = words(kind)
            .given(&format!(
                "CREATE TABLE t (n bigint NOT NULL, word text CHECK (word <> '{REFUSED}'), {{key}})"
            ))
            .file("a.ndjson", "")
            .file("b.ndjson", "");
        let mut files: Files = vec![Vec::new(), Vec::new()];
        for step in 0..24 {
            let rules = if rng.bool() { Rules::Short } else { Rules::Long };
            let deed = if step == 0 { Deed::Load } else { some_deed(&load, &files, &mut rng) };
            if matches!(deed, Deed::Load) {
                grow(&load, &mut files, &mut rng);
            }
            step_by(&load, &mut files, &deed, rules, &mut rng);
        }
    });
}

fn grow(load: &Load, files: &mut Files, rng: &mut Rng) {
    for (file, name) in ["a.ndjson", "b.ndjson"].into_iter().enumerate() {
        for _ in 0..rng.usize(1..4) {
            let number = 1_000 * file + files[file].len();
            files[file].push(Record::new(some_line(number, rng)));
        }
        let text: String = files[file].iter().map(|record| format!("{}\n", record.line)).collect();
        load.write(name, text);
    }
}

fn some_deed(load: &Load, files: &Files, rng: &mut Rng) -> Deed {
    let letters = model::letters(load, files);
    match rng.u8(..9) {
        0..3 => Deed::Load,
        3 | 4 => Deed::Replay,
        5 => Deed::Rehearse,
        6 if !letters.is_empty() => Deed::Discard(letters[rng.usize(..letters.len())].0),
        _ => {
            let mended =
                letters.into_iter().filter(|_| rng.bool()).map(|(place, _)| place).collect::<Vec<_>>();
            let mended = mended.into_iter().map(|(file, number)| {
                let line = &files[file][number].line;
                ((file, number), model::some_mended(line, 1_000 * file + number, rng))
            });
            Deed::ReplayMended(mended.collect())
        }
    }
}

/// Takes a step, perhaps killed on the way, and checks the destination against the oracle.
fn step_by(load: &Load, files: &mut Files, deed: &Deed, rules: Rules, rng: &mut Rng) {
    let job = if rules == Rules::Long { load.job().replace(SHORT, LONG) } else { load.job() };
    let call = load.call_with(&job);
    let call = match deed {
        Deed::Load => call.arg("--accept-new-rules"),
        Deed::Replay => load.command("dead-letters replay"),
        Deed::Rehearse => load.command("dead-letters replay").arg("--dry-run"),
        Deed::Discard(place) => {
            let letters = model::letters(load, files);
            let (_, id) = letters.iter().find(|(found, _)| found == place).unwrap();
            load.command("dead-letters discard").arg("--id").arg(&id.to_string())
        }
        Deed::ReplayMended(mended) => {
            let ids: BTreeMap<_, _> = model::letters(load, files).into_iter().collect();
            let lines =
                mended.iter().map(|(place, raw)| format!("{}\n", json!({"id": ids[place], "raw": raw})));
            let path = load.path("mended");
            // From last to first, so that the order is not that of the file.
            fs::write(&path, lines.rev().collect::<String>()).unwrap();
            load.command("dead-letters replay").arg("--from").arg(path.to_str().unwrap())
        }
    };
    let points: Vec<&str> =
        POINTS.into_iter().chain(["between-batches", "before-finish", "mid-finish"]).collect();
    let (point, passed) = (points[rng.usize(..points.len())], rng.usize(..2));
    let call = match rng.u8(..6) {
        0 | 1 => call.kill_at(point, passed),
        // The answer is lost, and the program finds out what happened.
        2 if load.kind() == Kind::Postgres && point != "between-batches" => call.lose_at(point, passed),
        _ => call,
    };
    let ended = call.run();
    load.wait_alone();
    let mut after = files.clone();
    let is_left = model::done(&mut after, deed, rules);
    let found = model::observed(load, files);
    if ended.is_killed() {
        // A load is atomic per file; every other operation is atomic as a whole.
        let is_one = |before: &[Vec<Record>], after: &[Vec<Record>], found: &[Vec<Record>]| {
            assert!(
                found == before || found == after,
                "{deed:?} by {rules:?}, killed at {point}: {found:#?}"
            );
        };
        match deed {
            Deed::Load => {
                (0..2).for_each(|file| is_one(&files[file..=file], &after[file..=file], &found[file..=file]))
            }
            _ => is_one(files, &after, &found),
        }
    } else {
        assert_eq!(found, after, "{deed:?} by {rules:?}");
        let exit = match deed {
            Deed::Discard(_) => 0,
            _ if is_left => 1,
            _ if model::are_open(&after) => 3,
            _ => 0,
        };
        ended.exit(exit);
    }
    *files = found;
}
