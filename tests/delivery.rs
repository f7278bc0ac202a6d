//! Delivery of dead letters to a folder, a bucket, a queue, and a stream of a real Redis server.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::redis::Redis;
use crate::harness::run::needs_failpoints;
use crate::stories::on_each_destination;

/// Buckets and queues.
#[cfg(feature = "buckets")]
mod cloud;

on_each_destination! {
    a_folder_holds_all_letters_of_a_stretch_and_follows_from_the_table
    a_folder_is_the_same_wherever_a_delivery_is_killed
    a_pipe_in_place_of_the_lock_is_reported_without_waiting
    a_stream_has_every_letter_once_and_in_order
    a_stream_lost_midway_gets_the_rest_later
    a_sent_but_unmarked_letter_is_sent_again_with_its_id
    a_letter_refused_again_is_sent_again
    letters_of_a_grown_line_differ_by_their_bytes
    a_mended_letter_refused_again_is_sent_with_its_mended_bytes
    delivered_files_are_not_loaded_as_logs
    nothing_is_delivered_to_another_users_folder
    a_load_delivers_however_it_ends
}

/// Every point at which a delivery to a folder can die, in order.
const POINTS: [&str; 6] = [
    "mid-letters-file",
    "before-letters-file",
    "after-letters-file",
    "before-mark",
    "before-mark-commit",
    "after-mark",
];

/// `count` lines, every third of which is no record.
fn lines(count: usize) -> String {
    (0..count)
        .map(|number| match number % 3 {
            0 => format!("{{\"n\":\"x{number}\"}}\n"),
            _ => format!("{{\"n\":{number}}}\n"),
        })
        .collect()
}

fn delivering(kind: Kind, to: &str) -> Load {
    Load::empty().to(kind).schema("n int").batches_of(20).pipeline(&format!("[dead_letters]\nto = \"{to}\""))
}

/// Every file of a folder except locks, by its path.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else if !path.ends_with(".lock") {
            found.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
    found
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The number of open letters without a delivery mark, as the table has it.
#[track_caller]
fn unmarked(load: &Load) -> i64 {
    let sql = format!(
        "SELECT count(*) FROM {} WHERE state = 'open' AND delivered_at IS NULL",
        load.ours("dead_letters")
    );
    load.made().look(|snapshot| snapshot.query(&sql))[0][0].int()
}

fn a_folder_holds_all_letters_of_a_stretch_and_follows_from_the_table(kind: Kind) {
    let load = delivering(kind, "out")
        .file("a.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\nno\u{202e}\n")
        .file("b.ndjson", "{\"n\":2}\n")
        .file("c.ndjson", [&b"{\"n\":3}\n\xff\n"[..], lines(7).as_bytes()].concat());
    let ended = load.run();
    ended.exit(3);
    assert_eq!((ended.result("/undelivered"), ended.result("/delivery/delivered")), (json!(0), json!(6)));
    assert_eq!(ended.result("/delivery/error"), Value::Null);
    assert_eq!(unmarked(&load), 0);

    let table = kind.word("public.t", "t");
    let folder = load.path("out").join("dead-letters/job").join(table);
    let first = tree(&load.path("out"));
    let names: Vec<_> = first.keys().map(|path| path.strip_prefix(&folder).unwrap().to_owned()).collect();
    assert_eq!(names, [PathBuf::from("1-0.ndjson"), PathBuf::from("3-0.ndjson")]);
    let mode = fs::metadata(folder.join("1-0.ndjson")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let letters = objects(&first[&folder.join("1-0.ndjson")]);
    let reasons = &letters[0]["reasons"];
    assert_eq!(reasons[0]["code"], "int_parsing");
    assert_eq!(
        letters[0],
        json!({
            "id": "job/1/8/0", "job": "job", "table": table, "data_date": null,
            "source": load.path("a.ndjson").to_str().unwrap(), "line": 2, "offset": 8, "length": 9,
            "raw": "{\"n\":\"x\"}", "reasons": reasons, "stage": "schema", "state": "open",
        })
    );
    assert_eq!((&letters[1]["id"], &letters[1]["raw"]), (&json!("job/1/18/0"), &json!("no\u{202e}")));
    assert!(!first[&folder.join("1-0.ndjson")].contains('\u{202e}'), "it turns the direction of writing");
    assert_eq!(objects(&first[&folder.join("3-0.ndjson")])[0]["raw_base64"], "/w==");

    // Nothing is due, so nothing is written.
    fs::write(folder.join("1-0.ndjson"), "mine").unwrap();
    load.run().exit(3);
    load.command("dead-letters deliver").run().exit(0);
    assert_eq!(fs::read_to_string(folder.join("1-0.ndjson")).unwrap(), "mine");

    // One more letter: the file holds all of them again, whatever the state of the earlier ones.
    let ours = load.ours("dead_letters");
    load.sql(&format!("UPDATE {ours} SET state = 'discarded' WHERE source_id = 1 AND source_offset = 8"));
    load.write("a.ndjson", "{\"n\":1}\n{\"n\":\"x\"}\nno\u{202e}\nyes\n");
    let ended = load.run();
    ended.exit(3);
    assert_eq!(ended.result("/delivery/delivered"), json!(1));
    let second = tree(&load.path("out"));
    let states: Vec<_> = objects(&second[&folder.join("1-0.ndjson")])
        .iter()
        .map(|letter| format!("{} {}", letter["raw"].as_str().unwrap(), letter["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, ["{\"n\":\"x\"} discarded", "no\u{202e} open", "yes open"]);

    // A new target gets the unmarked letters, and the bytes follow from the table.
    load.sql(&format!("UPDATE {ours} SET delivered_at = NULL"));
    fs::remove_dir_all(load.path("out")).unwrap();
    let ended = load.command("dead-letters deliver").run();
    ended.exit(0);
    assert_eq!((ended.result("/delivered"), ended.result("/undelivered")), (json!(6), json!(0)));
    assert_eq!(tree(&load.path("out")), second);
}

fn a_folder_is_the_same_wherever_a_delivery_is_killed(kind: Kind) {
    needs_failpoints();
    let load = delivering(kind, "out").file("a.ndjson", lines(60)).file("b.ndjson", lines(45));
    load.run().exit(3);
    let whole = tree(&load.path("out"));
    assert_eq!(whole.len(), 2);
    for point in POINTS {
        let mut came_by = 0;
        for passed in 0..2 {
            load.reset();
            fs::remove_dir_all(load.path("out")).unwrap();
            let ended = load.call().kill_at(point, passed).run();
            if !ended.is_killed() {
                continue;
            }
            came_by += 1;
            load.wait_alone();
            // A reader sees only whole files.
            for (path, text) in tree(&load.path("out")) {
                assert!(whole.get(&path).is_none_or(|whole| *whole == text), "{}", path.display());
            }
            // The next load delivers the rest, or the command, which may die too.
            match passed {
                0 => load.run().exit(3).is_killed(),
                _ => {
                    load.command("dead-letters deliver").kill_at(point, 0).run();
                    load.wait_alone();
                    load.command("dead-letters deliver").run().exit(0).is_killed()
                }
            };
            assert_eq!(tree(&load.path("out")), whole, "{point} after {passed}");
            assert_eq!(unmarked(&load), 0);
        }
        assert!(came_by > 0, "no delivery comes by {point}");
    }
}

fn a_pipe_in_place_of_the_lock_is_reported_without_waiting(kind: Kind) {
    let load = delivering(kind, "out").file("a.ndjson", lines(9));
    let folder = load.path("out").join("dead-letters/job").join(kind.word("public.t", "t"));
    let lock = folder.join(".lock");
    fs::create_dir_all(&folder).unwrap();
    nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let said = format!("{}: it is not a plain file; remove it", lock.display());
    let ended = load.run();
    ended.exit(3);
    assert!(ended.result("/delivery/error").as_str().unwrap().contains(&said));
    // This holds for a pipe with a reader too.
    let reader = fs::File::options().read(true).write(true).open(&lock).unwrap();
    load.command("dead-letters deliver").run().exit(1).says(&said);
    assert_eq!(unmarked(&load), 3);
    drop(reader);
    fs::remove_file(&lock).unwrap();
    load.command("dead-letters deliver").run().exit(0);
    assert_eq!(unmarked(&load), 0);
}

fn a_stream_has_every_letter_once_and_in_order(kind: Kind) {
    let redis = Redis::start();
    let load = delivering(kind, &redis.url("", "3/dead")).file("a.ndjson", lines(9)).file("b.ndjson", "no\n");
    redis.stop();
    let begun = Instant::now();
    let ended = load.run();
    ended.exit(3);
    assert!(begun.elapsed() < Duration::from_secs(20), "a target that is down delays a load");
    assert_eq!((ended.result("/undelivered"), ended.result("/delivery/delivered")), (json!(4), json!(0)));
    assert!(ended.result("/delivery/error").as_str().unwrap().contains("/3/dead"));
    assert_eq!(load.command("status").run().exit(0).result("/undelivered"), json!(4));
    let ended = load.command("dead-letters deliver").run();
    ended.exit(1).says("`logmill dead-letters deliver` tries again");
    assert_eq!(ended.result("/undelivered"), json!(4));

    redis.again();
    let ended = load.command("dead-letters deliver").run();
    ended.exit(0);
    assert_eq!((ended.result("/delivered"), ended.result("/undelivered")), (json!(4), json!(0)));
    load.command("dead-letters deliver").run().exit(0);
    load.run().exit(3);
    assert_eq!(load.command("status").run().exit(0).result("/undelivered"), json!(0));
    assert_eq!(redis.entries("dead"), []);
    assert_eq!(redis.ask(&["-n", "3", "XLEN", "dead"]).trim(), "4");
    let entries = entries_of(&redis, 3);
    let ids: Vec<&str> = entries.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["job/1/0/0", "job/1/27/0", "job/1/54/0", "job/2/0/0"]);
    let letter = &entries[0].1;
    assert_eq!((&letter["raw"], &letter["attempts"]), (&json!("{\"n\":\"x0\"}"), &json!(1)));
    assert!(letter["first_seen"].as_str().unwrap().ends_with('Z') && letter["logmill"].is_string());
}

/// The entries of `dead` in a database of the server.
fn entries_of(redis: &Redis, database: u32) -> Vec<(String, Value)> {
    redis.ask(&["-n", &database.to_string(), "COPY", "dead", "dead", "DB", "0"]);
    redis.entries("dead")
}

fn a_stream_lost_midway_gets_the_rest_later(kind: Kind) {
    needs_failpoints();
    // Three pages of letters.
    let redis = Redis::start();
    let load = delivering(kind, &redis.url("", "dead")).file("a.ndjson", "no\n".repeat(2_500));
    let running = load.call().stop_at("before-mark", 1).start().wait_stopped();
    redis.stop();
    running.wake();
    let ended = running.wait();
    ended.exit(3);
    assert_eq!(
        (ended.result("/undelivered"), ended.result("/delivery/delivered")),
        (json!(500), json!(2_000))
    );
    assert_eq!(unmarked(&load), 500);
    redis.again();
    let ended = load.command("dead-letters deliver").run();
    ended.exit(0);
    assert_eq!(ended.result("/delivered"), json!(500));
    let ids: Vec<String> = redis.entries("dead").into_iter().map(|(id, _)| id).collect();
    let expected: Vec<String> = (0..2_500).map(|line| format!("job/1/{}/0", line * 3)).collect();
    assert!(ids == expected, "{} entries", ids.len());
}

fn a_sent_but_unmarked_letter_is_sent_again_with_its_id(kind: Kind) {
    needs_failpoints();
    let redis = Redis::start();
    let load = delivering(kind, &redis.url("", "dead")).file("a.ndjson", "no\n{\"n\":1}\nno\n");
    for point in ["before-mark", "before-mark-commit"] {
        load.reset();
        redis.ask(&["DEL", "dead"]);
        load.call().kill_at(point, 0).run().killed();
        load.wait_alone();
        assert_eq!(unmarked(&load), 2);
        load.run().exit(3);
        let ids: Vec<String> = redis.entries("dead").into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["job/1/0/0", "job/1/11/0", "job/1/0/0", "job/1/11/0"], "{point}");
        load.run().exit(3);
        assert_eq!(redis.entries("dead").len(), 4);
    }
    // A marked letter is not sent again.
    load.reset();
    redis.ask(&["DEL", "dead"]);
    load.call().kill_at("after-mark", 0).run().killed();
    load.wait_alone();
    load.run().exit(3);
    assert_eq!(redis.entries("dead").len(), 2);
}

fn a_letter_refused_again_is_sent_again(kind: Kind) {
    needs_failpoints();
    let redis = Redis::start();
    let load = delivering(kind, &redis.url("", "dead")).file("a.ndjson", "no\nno\nno\n");
    let ours = load.ours("dead_letters");
    // A letter is retried and refused while it is being delivered: the delivered one is the earlier version.
    let running = load.call().stop_at("before-mark", 0).start().wait_stopped();
    load.sql(&format!("UPDATE {ours} SET attempts = 2 WHERE line = 2"));
    load.sql(&format!("UPDATE {ours} SET state = 'replayed' WHERE line = 3"));
    running.wake();
    let ended = running.wait();
    ended.exit(3);
    assert_eq!(ended.result("/undelivered"), json!(1));
    load.run().exit(3);
    let sent: Vec<String> =
        redis.entries("dead").iter().map(|(id, letter)| format!("{id} {}", letter["attempts"])).collect();
    assert_eq!(sent, ["job/1/0/0 1", "job/1/3/0 1", "job/1/6/0 1", "job/1/3/0 2"]);
}

/// The same record refused again: its letter keeps its id and counts both attempts.
fn letters_of_a_grown_line_differ_by_their_bytes(kind: Kind) {
    let load = delivering(kind, "out").file("a.ndjson", "{\"n\":1}\nn");
    load.run().exit(3);
    load.write("a.ndjson", "{\"n\":1}\nno");
    load.run().exit(3);
    load.write("a.ndjson", "{\"n\":1}\nno record\n{\"n\":\"x\"}\n");
    load.run().exit(3);
    let files = tree(&load.path("out"));
    let letters = objects(files.values().next().unwrap());
    let told = |letter: &Value| {
        ["id", "raw", "state"].map(|name| letter[name].as_str().unwrap().to_owned()).join(" ")
    };
    let told: Vec<String> = letters.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "job/1/8/0 n superseded",
            "job/1/8/0 no superseded",
            "job/1/8/0 no record open",
            "job/1/18/0 {\"n\":\"x\"} open"
        ]
    );
    let ours = load.ours("dead_letters");
    let sql = format!("SELECT attempts, delivered_at IS NULL FROM {ours} ORDER BY source_offset, id");
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    let attempts: Vec<i64> = rows.iter().map(|row| row[0].int()).collect();
    assert_eq!(attempts, [1, 2, 3, 1]);
    assert_eq!(unmarked(&load), 0);
}

fn a_mended_letter_refused_again_is_sent_with_its_mended_bytes(kind: Kind) {
    let redis = Redis::start();
    for to in ["out".to_owned(), redis.url("", "dead")] {
        let load = delivering(kind, &to).file("a.ndjson", "no\n");
        load.run().exit(3);
        let file = load.path("letters");
        fs::write(&file, "{\"id\":1,\"raw\":\"{\\\"n\\\":\\\"x\\\"}\"}\n").unwrap();
        load.command("dead-letters replay").arg("--from").arg(file.to_str().unwrap()).run().exit(3);
        load.command("dead-letters deliver").run().exit(0);
        let sent = match to.as_str() {
            "out" => objects(tree(&load.path("out")).values().next().unwrap()).remove(0),
            _ => redis.entries("dead").pop().unwrap().1,
        };
        assert_eq!((&sent["raw"], &sent["fixed"]), (&json!("no"), &json!("{\"n\":\"x\"}")), "{to}");
        assert_eq!(sent["reasons"][0]["code"], "int_parsing");
    }
}

fn delivered_files_are_not_loaded_as_logs(kind: Kind) {
    let load = delivering(kind, "out").file("a.ndjson", lines(9));
    let table = kind.word("public.t", "t");
    for files in ["**/*.ndjson", "."] {
        load.reset();
        let _ = fs::remove_dir_all(load.path("out"));
        let source = format!("{files}\"]\ninclude = [\"*.ndjson");
        let job = load.job().replace("*.ndjson*", &source);
        for _ in 0..3 {
            let ended = load.call_with(&job).run();
            ended.exit(3);
            assert_eq!(ended.result("/open_dead_letters"), json!(3), "{files}");
        }
        let status = load.command("status").run().exit(0).result("/sources");
        assert_eq!(status.as_array().unwrap().len(), 1, "{files}");
        load.command("verify").run().exit(0);
    }
    // A user who names them gets them, with a warning.
    let before = load.versions();
    let named = format!("out/dead-letters/job/{table}/1-0.ndjson");
    for files in [
        named.clone(),
        format!("out/../out/dead-letters/*/{table}/*"),
        format!("out/dead-letters/job/{table}"),
    ] {
        let ended = load.call_with(&load.job().replace("*.ndjson*", &files)).run();
        ended
            .exit(2)
            .says("is one of the dead letters that this job delivers to")
            .says("let 'to' name another");
    }
    load.call().arg(load.path(&named).to_str().unwrap()).run().exit(2).says("is one of the dead letters");
    assert_eq!(load.versions(), before);
}

fn nothing_is_delivered_to_another_users_folder(kind: Kind) {
    let load = delivering(kind, "out").file("a.ndjson", "no\n");
    let table = kind.word("public.t", "t");
    for name in ["dead-letters", "dead-letters/job", &format!("dead-letters/job/{table}")] {
        load.reset();
        let _ = fs::remove_dir_all(load.path("out"));
        let folder = load.path("out").join(name);
        fs::create_dir_all(&folder).unwrap();
        // Only root can give folders away.
        if chown(&folder, Some(12_345), None).is_err() {
            return;
        }
        let ended = load.run();
        ended.exit(3);
        let why = format!("{}: the folder belongs to another user (uid 12345)", folder.display());
        assert!(
            ended.result("/delivery/error").as_str().unwrap().contains(&why),
            "{:?}",
            ended.result("/delivery")
        );
        assert_eq!((tree(&load.path("out")).len(), unmarked(&load)), (0, 1));
    }
}

fn a_load_delivers_however_it_ends(kind: Kind) {
    let load = delivering(kind, "out").file("a.ndjson", "no\n").file("b.ndjson", "nay\n");
    load.call().arg("--stop-above").arg("0").run().exit(4);
    assert_eq!(tree(&load.path("out")).len(), 2);
    let load = delivering(kind, "out").file("a.ndjson", "no\n").file("b.ndjson.gz", "nay\n");
    fs::write(load.path("b.ndjson.gz"), b"\x1f\x8bno").unwrap();
    let ended = load.run();
    ended.exit(1);
    assert_eq!(ended.result("/delivery/delivered"), json!(1));
}

#[test]
fn an_unresponsive_stream_delays_a_load_only_briefly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("redis://{}/dead", listener.local_addr().unwrap());
    let load = delivering(Kind::Postgres, &to).file("a.ndjson", "no\n");
    let begun = Instant::now();
    let ended = load.run();
    ended.exit(3);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(ended.result("/delivery/error").as_str().unwrap().contains("it does not answer in time"));
}

#[test]
fn a_streams_password_works_and_is_never_shown() {
    let redis = Redis::with_password("geheim");
    let load = |login: &str, stream: &str| {
        delivering(Kind::Postgres, &redis.url(login, stream)).file("a.ndjson", "no\n")
    };
    load(":geheim@", "dead").run().exit(3).never_says("geheim");
    load("default:geheim@", "dead").run().exit(3).never_says("geheim");
    assert_eq!(redis.entries("dead").len(), 2);
    for (login, why) in [
        ("", "it asks for a password (NOAUTH)"),
        (":geheimer@", "it does not take the user or the password (WRONGPASS)"),
        ("ada:geheim@", "it does not take the user or the password (WRONGPASS)"),
    ] {
        let load = load(login, "dead");
        load.call().arg("-v").run().exit(3).tells(why).never_says("geheim");
        let ended = load.command("dead-letters deliver").run();
        ended.exit(1).says(why).never_says("geheim");
    }
    // Not known to be loopback by its name.
    let open = delivering(Kind::Postgres, &redis.url(":geheim@", "dead").replace("127.0.0.1", "0.0.0.0"));
    let open = open.file("a.ndjson", "no\n");
    open.call().arg("-q").run().exit(3).says("is not encrypted").never_says("geheim");
    redis.ask(&["SET", "text", "x"]);
    load(":geheim@", "text")
        .run()
        .exit(3)
        .tells("the key of that name is not a stream (WRONGTYPE)")
        .never_says("geheim");
}

#[test]
fn no_name_leads_out_of_the_folder_and_no_link_is_followed() {
    let load = Load::of("no\n").named("../../x").schema("n int").pipeline("[dead_letters]\nto = \"out\"");
    load.call().arg("--table").arg("\"../a b/t\"").run().exit(3);
    let files: Vec<PathBuf> = tree(&load.path("out")).into_keys().collect();
    let expected = "out/dead-letters/%2E.%2F..%2Fx/public.%22..%2Fa%20b%2Ft%22/1-0.ndjson";
    assert_eq!(files, [load.path(expected)]);

    // Anyone who may write in the folder can plant links.
    let elsewhere = tempfile::tempdir().unwrap();
    for link in
        ["dead-letters", "dead-letters/job", "dead-letters/job/public.t", "dead-letters/job/public.t/.lock"]
    {
        let load = delivering(Kind::Postgres, "out").file("a.ndjson", "no\n");
        let path = load.path("out").join(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(elsewhere.path(), &path).unwrap();
        let ended = load.run();
        ended.exit(3);
        assert_eq!(ended.result("/undelivered"), json!(1), "{link}");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "{link}");
        ended.tells("there is a link");
    }
    // A link in place of the file itself is replaced.
    let load = delivering(Kind::Postgres, "out").file("a.ndjson", "no\n");
    let folder = load.path("out/dead-letters/job/public.t");
    fs::create_dir_all(&folder).unwrap();
    fs::write(elsewhere.path().join("precious"), "mine").unwrap();
    for name in ["1-0.ndjson", ".1-0.ndjson.tmp"] {
        symlink(elsewhere.path().join("precious"), folder.join(name)).unwrap();
    }
    load.run().exit(3);
    assert_eq!(fs::read_to_string(elsewhere.path().join("precious")).unwrap(), "mine");
    assert!(fs::symlink_metadata(folder.join("1-0.ndjson")).unwrap().is_file());
}

#[test]
fn letters_stay_due_if_the_folder_is_full_or_missing() {
    let load = delivering(Kind::Postgres, "away/out").file("a.ndjson", lines(9));
    let ended = load.run();
    ended.exit(3).tells("the folder cannot be made");
    assert_eq!(ended.result("/undelivered"), json!(3));
    fs::create_dir(load.path("away")).unwrap();
    needs_failpoints();
    let ended = load.command("dead-letters deliver").lose_at("mid-letters-file", 2).run();
    ended.exit(1).says("1-0.ndjson: no storage space");
    assert_eq!(tree(&load.path("away")), BTreeMap::new());
    load.command("dead-letters deliver").run().exit(0);
    assert_eq!(unmarked(&load), 0);
}

#[test]
fn simultaneous_deliveries_run_one_after_the_other() {
    needs_failpoints();
    let load = delivering(Kind::Postgres, "out").file("a.ndjson", "no\n");
    let early = load.call().stop_at("before-letters-file", 0).start().wait_stopped();
    // Meanwhile another letter is added to the same stretch.
    load.write("a.ndjson", "no\nyes\n");
    let late = load.command("load --take-over").start();
    let ours = load.ours("dead_letters");
    crate::harness::wait_until("the second letter", || {
        load.ask::<i64>(&format!("SELECT count(*) FROM {ours}")) == 2
    });
    early.wake();
    early.wait();
    late.wait().exit(3);
    let files = tree(&load.path("out"));
    assert_eq!(files.len(), 1);
    assert_eq!(files.values().map(|text| objects(text).len()).collect::<Vec<_>>(), [2]);
    assert_eq!(unmarked(&load), 0);
}

#[test]
fn a_role_with_one_connection_delivers_too() {
    let load = delivering(Kind::Postgres, "out").file("a.ndjson", "no\n");
    let (database, role) = (load.database().name().to_owned(), format!("{}_one", load.database().name()));
    load.sql(&format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 1; GRANT CREATE ON DATABASE {database} TO {role};
         GRANT ALL ON SCHEMA public, audit TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA audit TO {role};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA audit TO {role}"
    ));
    let ended = load.call().into(&load.database().url().replace("postgres@", &format!("{role}@"))).run();
    ended.exit(3);
    assert_eq!((ended.result("/undelivered"), ended.result("/delivery/error")), (json!(0), Value::Null));
}

#[test]
fn delivering_without_a_target_is_explained() {
    let load = Load::of("no\n").schema("n int");
    let ended = load.run();
    ended.exit(3);
    assert_eq!((ended.result("/undelivered"), ended.result("/delivery")), (Value::Null, Value::Null));
    load.command("dead-letters deliver").run().exit(2).says("add a 'to' to [dead_letters]");
    assert_eq!(load.command("status").run().exit(0).result("/undelivered"), Value::Null);
    // A destination without loads has nothing to deliver.
    let new = delivering(Kind::Postgres, "out");
    let _ = new.call();
    new.command("dead-letters deliver").run().exit(0);
    assert!(!new.path("out").exists());
    for to in ["kafka://bucket/x", "s3://", "sqs://dead", "rediss://h/x", "redis://h", "ftp://h/x", ""] {
        delivering(Kind::Postgres, to).file("a.ndjson", "no\n").run().exit(2).says("to = ");
    }
}
