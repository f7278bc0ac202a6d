//! The memory of a destination: status, dead letters, and forgetting. Both destinations behave alike.

use super::*;
use crate::harness::postgres::Server;

/// Runs a test on SQLite and on PostgreSQL, in a folder with a job and three files.
#[track_caller]
fn on_both(key: &str, test: impl Fn(&Place, bool)) {
    let database = Server::shared().database();
    for (url, is_sqlite) in [("sqlite:logmill.db", true), (database.url().as_str(), false)] {
        let place = Place::new();
        place.write("job.toml", JOB.replace("URL", url) + &format!("key = {key}\n"));
        place.write("logs/a.ndjson", "{\"n\":1}\n{\"n\":\"x\",\"word\":\"long\"}\n\n{\"n\":3}\n");
        place.write("logs/b.ndjson", "{\"n\":4}\n{\"n\":5,\"word\":\"long\"}\nno");
        let gz = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(b"{\"n\":6}\n").unwrap();
            encoder.finish().unwrap()
        };
        place.write("logs/c.ndjson.gz", gz);
        test(&place, is_sqlite);
    }
}

#[test]
fn status_shows_everything_known_about_each_source() {
    on_both("\"position\"", |place, _| {
        let said = place.run("status -j job.toml").ended(0, &[]);
        assert!(said.stdout.starts_with("app: nothing was loaded into app"), "{}", said.stdout);
        place.run("load -j job.toml").ended(3, &[]);
        place.play(
            r"
            $ logmill status -j job.toml logs/a.ndjson logs/c.ndjson.gz elsewhere
            [..]/logs/a.ndjson
              id            1
              state         complete, 41 bytes
              updated       [..] UTC
              records       3
                inserted    2
                rejected    1
              blank lines   1
              dead letters  1 open

            [..]/logs/c.ndjson.gz
              id            3
              state         complete, 8 bytes
              updated       [..] UTC
              records       1
                inserted    1
              archives      1 ([..] B)

            elsewhere
              never loaded by job app
            $ logmill status -j job.toml
            app → app [..]

            sources       3 of 3 complete, [..]
                 1  [..]/logs/a.ndjson  complete, 41 bytes, 3 records, 1 dead letter open
                 2  [..]/logs/b.ndjson  complete, 32 bytes, 3 records, 2 dead letters open

            dead letters  3 open
                         2  word: too long (string_too_long)  first is 1 at [..]/logs/a.ndjson:2, seen [..]
                         1  n: not an integer (int_parsing)  first is 1 at [..]/logs/a.ndjson:2, seen [..]
                         1  not valid JSON (json_invalid)  first is 3 at [..]/logs/b.ndjson:3, seen [..]

            runs
                 1  [..] UTC  load  rejects (3) after [..], 7 records, 3 rejected
            ",
        );
        let (_, object) = place.json("status -j job.toml logs");
        let sizes = object["sources"].as_array().unwrap().iter().map(|source| source["position"].clone());
        assert_eq!(sizes.collect::<Vec<_>>(), [41, 32, 8]);
        assert_eq!(object["sources"][2]["containers"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn dead_letters_are_found_by_code_field_and_source() {
    on_both("\"position\"", |place, _| {
        place.run("load -j job.toml").ended(3, &[]);
        let ids = |filter: &str| {
            let (code, object) = place.json(&format!("dead-letters list -j job.toml {filter}"));
            assert_eq!(code, 0);
            let letters = object["dead_letters"].as_array().unwrap().iter();
            letters.map(|letter| letter["id"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        for (filter, expected) in [
            ("", &[1, 2, 3][..]),
            ("--code string_too_long", &[1, 2]),
            ("--code json_invalid", &[3]),
            ("--field n", &[1]),
            ("--field word", &[1, 2]),
            ("--code int_parsing --field word", &[]),
            ("--source b.ndjson", &[2, 3]),
            ("--source b.ndjson --code string_too_long", &[2]),
            ("--state replayed", &[]),
            ("--state any -n 2", &[1, 2]),
            ("--id 3,1", &[1, 3]),
            ("--id 3 --code string_too_long", &[]),
            ("--since 1h --field n", &[1]),
            ("--since 2020-01-01", &[1, 2, 3]),
            ("--since 2999-12-31T00:00:00Z", &[]),
            ("--counts", &[]),
        ] {
            assert_eq!(ids(filter), expected, "{filter}");
        }
        place.play(
            r#"
            $ logmill dead-letters list -j job.toml --source a.ndjson
                   1  [..]/logs/a.ndjson:2  n: not an integer (int_parsing); word: too long (string_too_long)
            $ logmill dead-letters list -j job.toml -n 1
                   1  [..]/logs/a.ndjson:2  n: not an integer (int_parsing); word: too long (string_too_long)
            ! logmill: 2 more; -n 0 lists all
            $ logmill dead-letters list -j job.toml --counts
                   2  word: [..] (string_too_long), got long  (first is 1 at [..]/logs/a.ndjson:2)
                   1  n: [..] (int_parsing), got x  (first is 1 at [..]/logs/a.ndjson:2)
                   1  [..] of the record (json_invalid)  (first is 3 at [..]/logs/b.ndjson:3)
            $ logmill dead-letters list -j job.toml --counts --source b.ndjson --field word
                   1  word: [..] (string_too_long), got long  (first is 2 at [..]/logs/b.ndjson:2)
            $ logmill dead-letters list -j job.toml --counts --id 1 --field none
            no dead letters
            $ logmill dead-letters list -j job.toml --counts --id 99
            ? 2
            ! logmill: job app has no dead letter 99; `logmill dead-letters list -j job.toml` shows them
            $ logmill dead-letters show -j job.toml 1
            dead letter 1  (open, 1 attempt so far)
              source   [..]/logs/a.ndjson
              place    line 2, byte 8, 23 bytes
              refused  by the schema: its values
              seen     [..] UTC
              reasons
                n: [..] (int_parsing), got x
                  {"n":"x","word":"long"}
                        ^
                word: [..] (string_too_long), got long
                  {"n":"x","word":"long"}
                                   ^^^^
              record
                {"n":"x","word":"long"}
            $ logmill dead-letters show -j job.toml 99
            ? 2
            ! logmill: job app has no dead letter 99; `logmill dead-letters list -j job.toml` shows them
            $ logmill dead-letters show -j job.toml 3 --raw
            no
            "#,
        );
        let mut raw = place.command("dead-letters show -j job.toml 3 --raw");
        assert_eq!(Said::of(raw.env("LOGMILL_OUTPUT", "json"), b"").ended(0, &[]).stdout, "no");
        // A command that writes raw bytes writes no JSON error either.
        let mut gone = place.command("dead-letters show -j job.toml 99 --raw");
        assert_eq!(Said::of(gone.env("LOGMILL_OUTPUT", "json"), b"").ended(2, &["99"]).stdout, "");
        let (_, object) = place.json("dead-letters show -j job.toml 3");
        assert_eq!((&object["raw"], &object["stage"]), (&"no".into(), &"parse".into()));
        assert_eq!((&object["line"], &object["offset"]), (&3.into(), &30.into()));
    });
}

#[test]
fn discarded_letters_are_no_longer_open_and_a_load_says_so() {
    on_both("\"position\"", |place, _| {
        let said = place.run("dead-letters discard -j job.toml --all").ended(0, &[]);
        assert_eq!(said.stdout, "app: 0 dead letters discarded, 0 open\n");
        place.run("load -j job.toml").ended(3, &[]);
        place.play(
            r"
            $ logmill dead-letters discard -j job.toml --field n --source b.ndjson
            app: 0 dead letters discarded, 3 open
            $ logmill dead-letters discard -j job.toml --code string_too_long --source b.ndjson --note a-test
            app: 1 dead letter discarded, 2 open
            $ logmill dead-letters discard -j job.toml --id 2 --note again
            app: 0 dead letters discarded, 2 open
            $ logmill dead-letters list -j job.toml --state discarded
                   2  [..]/logs/b.ndjson:2  word: too long (string_too_long)  (discarded)
            ",
        );
        let (_, object) = place.json("dead-letters show -j job.toml 2");
        assert_eq!((&object["note"], &object["attempts"]), (&"a-test".into(), &1.into()));
        place.run("load -j job.toml").ended(3, &["2 dead letters open"]);
        let (code, object) = place.json("dead-letters discard -j job.toml --all");
        assert_eq!((code, &object["discarded"], &object["open_dead_letters"]), (0, &2.into(), &0.into()));
        place.run("load -j job.toml").ended(0, &[]);
        assert_eq!(
            place.json("dead-letters list -j job.toml").1["dead_letters"].as_array().unwrap().len(),
            0
        );
        // Discarding a letter keeps its evidence.
        assert_eq!(place.run("dead-letters show -j job.toml 3 --raw").stdout, "no");
    });
}

#[test]
fn every_command_counts_open_dead_letters_alike() {
    on_both("\"position\"", |place, _| {
        let of = |command: &str, pointer: &str| place.json(command).1.pointer(pointer).cloned().unwrap();
        assert_eq!(of("load -j job.toml", "/open_dead_letters"), 3);
        // A load of some files exits by the state of those files.
        let said = place.run("load -j job.toml logs/a.ndjson").ended(3, &[]);
        let list = "logmill dead-letters list -j job.toml";
        let line = format!("\n  3 dead letters open, 1 of them from these files: {list}\n");
        assert!(said.stderr.ends_with(&line), "{}", said.stderr);
        let said = place.run("load -j job.toml logs/c.ndjson.gz").ended(0, &[]);
        assert!(said.stderr.contains("3 dead letters open, 0 of them from these files"), "{}", said.stderr);
        for (files, open) in [("", 3), ("logs/a.ndjson", 1), ("logs/b.ndjson", 2), ("logs/c.ndjson.gz", 0)] {
            let load = format!("load -j job.toml {files}");
            assert_eq!(of(&load, "/open_dead_letters"), open, "{files}");
            assert_eq!(of(&load, "/open_dead_letters_of_job"), 3, "{files}");
        }
        assert_eq!(of("status -j job.toml", "/open_dead_letters"), 3);
        let sources = of("status -j job.toml", "/sources");
        let open = sources.as_array().unwrap().iter().map(|source| source["open_dead_letters"].clone());
        assert_eq!(open.collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(of("dead-letters list -j job.toml -n 1", "/more"), 2);
        place.run("forget -j job.toml logs/a.ndjson").ended(0, &[]);
        assert_eq!(of("status -j job.toml", "/open_dead_letters"), 2);
        assert_eq!(of("load -j job.toml logs/b.ndjson", "/open_dead_letters_of_job"), 2);
        assert_eq!(of("dead-letters list -j job.toml -n 0", "/dead_letters").as_array().unwrap().len(), 2);
    });
}

#[test]
fn sources_loaded_under_other_rules_are_reported() {
    on_both("\"position\"", |place, _| {
        place.run("load -j job.toml logs/a.ndjson logs/b.ndjson").ended(3, &[]);
        let said = place.run("load -j job.toml").ended(3, &[]);
        assert!(!said.stdout.contains("other rules") && !said.stderr.contains("other rules"));
        for command in ["plan", "status"] {
            let (_, object) = place.json(&format!("{command} -j job.toml"));
            assert_eq!(object["other_rules"], serde_json::Value::Null, "{command}");
        }

        place.write("job.toml", place.read("job.toml").replace("max_length = 3", "max_length = 4"));
        let told = "2 files were loaded under other rules; 3 dead letters are open under the old ones\n";
        place.run("load -j job.toml logs/a.ndjson logs/b.ndjson").ended(3, &[told]);
        let (_, object) = place.json("load -j job.toml logs/b.ndjson");
        assert_eq!(object["sources"]["other_rules"], serde_json::json!({"files": 1, "open_dead_letters": 2}));
        let plan = place.run("plan -j job.toml").stdout;
        assert!(plan.contains("loaded to the end before, under other rules"), "{plan}");
        let all = serde_json::json!({"files": 3, "open_dead_letters": 3});
        let told_of_all = told.replace('2', "3");
        let status = place.run("status -j job.toml").stdout;
        for (text, command) in [(plan, "plan"), (status, "status")] {
            assert!(text.contains(&told_of_all) && text.contains("`logmill forget` the files"), "{text}");
            let (_, object) = place.json(&format!("{command} -j job.toml"));
            assert_eq!(object["other_rules"], all, "{command}");
        }
        let (_, object) = place.json("plan -j job.toml logs/b.ndjson");
        assert_eq!(object["other_rules"], serde_json::json!({"files": 1, "open_dead_letters": 2}));
        let (_, object) = place.json("status -j job.toml logs/a.ndjson");
        assert_eq!(object["sources"][0]["other_rules"], true);
        let shown = place.run("status -j job.toml logs/a.ndjson").stdout;
        assert!(shown.contains("rules         loaded under others than those of the job now"), "{shown}");

        // The suggested way out works.
        place.run("forget -j job.toml logs/a.ndjson logs/b.ndjson").ended(0, &[]);
        let (_, object) = place.json("load -j job.toml logs/a.ndjson logs/b.ndjson");
        assert_eq!(object["sources"]["other_rules"], serde_json::Value::Null);
    });
}

#[test]
fn forgetting_rows_is_offered_only_where_it_is_possible() {
    for (key, can_go) in
        [("\"position\"", true), ("\"none\"", true), ("\"content\"", false), ("[\"n\"]", false)]
    {
        on_both(key, |place, _| {
            place.run("load -j job.toml").ended(3, &[]);
            place.write("job.toml", place.read("job.toml").replace("max_length = 3", "max_length = 4"));
            for command in ["load", "plan", "status"] {
                let said = place.run(&format!("{command} -j job.toml"));
                let text = format!("{}{}", said.stdout, said.stderr);
                let hint =
                    text.lines().find(|line| line.contains("`logmill forget` the files")).expect("a hint");
                assert_eq!(hint.contains("--delete-rows"), can_go, "{command} {key}: {hint}");
                assert!(hint.len() <= 100, "{hint}");
            }
            let exit = if can_go { 0 } else { 2 };
            place.run("forget -j job.toml --delete-rows --dry-run --id 1").ended(exit, &[]);
        });
    }
}

#[test]
fn a_name_with_a_line_end_forges_no_line() {
    let place = Place::new();
    place.write("job.toml", JOB.replace("URL", "sqlite:logmill.db").replace("word ", "\"a\\n2  b\" "));
    place.write("logs/x\n2  y", "{\"n\":1,\"a\\n2  b\":\"long\"}\n");
    place.run("load -j job.toml").ended(3, &["a\\n2  b: too long (string_too_long)"]);
    let list = place.run("dead-letters list -j job.toml").stdout;
    assert!(list.ends_with("/logs/x\\n2  y:1  a\\n2  b: too long (string_too_long)\n"), "{list}");
    assert_eq!(list.lines().count(), 1);
    let shown = place.run("dead-letters show -j job.toml 1").stdout;
    assert!(shown.contains("/logs/x\\n2  y\n  place"), "{shown}");
    assert!(shown.contains("\n    a\\n2  b: longer than 3 characters (string_too_long)"), "{shown}");
    let status = place.run("status -j job.toml").stdout;
    assert!(status.contains("a\\n2  b: too long (string_too_long)  first is 1 at "), "{status}");
}

#[test]
fn a_forgotten_source_is_loaded_again() {
    on_both("\"content\"", |place, _| {
        place.run("load -j job.toml").ended(3, &[]);
        let said = place.run("forget -j job.toml logs/a.ndjson --dry-run").ended(0, &[]);
        assert!(said.stdout.contains("1 source of app"), "{}", said.stdout);
        place.play(
            r"
            $ logmill forget -j job.toml logs/nothing
            ? 2
            ! logmill: job app has loaded no logs/nothing; `logmill status --all -j job.toml` shows what there is
            $ logmill forget -j job.toml --id 77
            ? 2
            ! logmill: job app has no source 77; `logmill status --all -j job.toml` shows what there is
            $ logmill forget -j job.toml logs/a.ndjson --id 3
            app: forgot 2 sources of app [..]
                   1  [..]/logs/a.ndjson, 3 records
                   3  [..]/logs/c.ndjson.gz, 1 record

            1 open dead letter of theirs became superseded: a load will make new ones.

            The rows stay, and a load finds them by their key: none of them will be there twice.
            ! logmill: this makes app forget 2 sources with 4 records, leaves the rows, and supersedes 1 open dead letter
            ",
        );
        place
            .run("load -j job.toml")
            .ended(3, &["unchanged               3", "1 file was loaded to the end before"]);
        let (_, object) = place.json("status -j job.toml");
        let ids = object["sources"].as_array().unwrap().iter().map(|source| source["id"].clone());
        assert_eq!(ids.collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(object["open_dead_letters"], 3);
        let (_, object) = place.json("dead-letters list -j job.toml --state superseded");
        let note = object["dead_letters"][0]["note"].as_str().unwrap();
        assert!(note.ends_with("logs/a.ndjson, which was forgotten"), "{note}");
    });
}

#[test]
fn forget_shows_how_to_delete_rows_before_they_are_loaded_twice() {
    on_both("\"position\"", |place, is_sqlite| {
        place.run("load -j job.toml").ended(3, &[]);
        std::fs::remove_file(place.path("logs/b.ndjson")).unwrap();
        let (code, object) = place.json("forget -j job.toml logs/b.ndjson");
        assert_eq!((code, &object["forgotten"]), (0, &1.into()));
        assert_eq!(object["delete_rows"], "delete from app where source_id in (2)");
        let said = place.run("forget -j job.toml logs/a.ndjson").ended(0, &[]);
        let command = if is_sqlite { "sqlite3 " } else { "psql " };
        assert!(
            said.stdout
                .contains("their key is the source and the place in it; delete the old ones first:\n  ")
                && said.stdout.contains(command)
                && said.stdout.contains("'delete from app where source_id in (1)'"),
            "{}",
            said.stdout
        );
        place.run("load -j job.toml").ended(3, &["inserted                2"]);
    });
}

#[test]
fn reading_commands_accept_the_table_that_a_load_was_given() {
    on_both("\"position\"", |place, _| {
        place.run("load -j job.toml --table other").ended(3, &["into other "]);
        for arguments in ["plan -j job.toml", "status -j job.toml"] {
            let said = place.run(&format!("{arguments} --table other")).ended(0, &[]);
            assert!(said.stdout.starts_with("app → other "), "{}", said.stdout);
            let said = Said::of(place.command(arguments).env("LOGMILL_TABLE", "other"), b"").ended(0, &[]);
            assert!(said.stdout.starts_with("app → other "), "{}", said.stdout);
        }
        let (_, object) = place.json("forget -j job.toml logs/a.ndjson --table other");
        assert_eq!(object["delete_rows"], "delete from other where source_id in (1)");
    });
}

#[test]
fn sources_of_a_live_run_cannot_be_forgotten() {
    on_both("\"position\"", |place, is_sqlite| {
        let fifo = place.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut child =
            place.command("load -j job.toml fifo logs/a.ndjson").stderr(Stdio::null()).spawn().unwrap();
        let mut writer = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        writer.write_all(&b"{\"n\":1}\n".repeat(20_000)).unwrap();
        crate::harness::wait_until("the claim", || {
            let (_, object) = place.json("status -j job.toml");
            object["sources"][0]["owner"]["alive"] == true
        });
        let who = if is_sqlite { "(process " } else { "(backend " };
        place
            .run("forget -j job.toml fifo")
            .ended(6, &["fifo is held by run 1 ", who, "so nothing was forgotten; wait for it, or end it"]);
        drop(writer);
        assert_eq!(child.wait().unwrap().code(), Some(3));
        place.run("forget -j job.toml fifo logs/a.ndjson").ended(0, &[]);
        assert_eq!(place.json("status -j job.toml").1["sources"].as_array().unwrap().len(), 0);
    });
}

#[test]
fn all_dead_letters_are_listed_however_many() {
    let place = Place::new();
    place.write("job.toml", JOB.replace("URL", "sqlite:logmill.db"));
    place.write("logs/a.ndjson", "x\n".repeat(2_500));
    place.run("load -j job.toml logs/a.ndjson").ended(3, &[]);
    let listed = |limit: u64| {
        let text = place.run(&format!("dead-letters list -j job.toml -n {limit}")).ended(0, &[]);
        let (_, object) = place.json(&format!("dead-letters list -j job.toml -n {limit}"));
        let letters = object["dead_letters"].as_array().unwrap();
        let ids: Vec<i64> = letters.iter().map(|letter| letter["id"].as_i64().unwrap()).collect();
        assert!(ids.is_sorted() && text.stdout.lines().count() == ids.len(), "{}", text.stdout);
        (ids.len(), object["more"].as_u64().unwrap())
    };
    assert_eq!([listed(0), listed(1_000), listed(2_499)], [(2_500, 0), (1_000, 1_500), (2_499, 1)]);
}

#[test]
fn a_servers_words_about_a_row_are_shown_only_with_its_letter() {
    let database = Server::shared().database();
    // Two refusals: one by a constraint, and one in a trigger's own words.
    database
        .client()
        .batch_execute(
            "CREATE TABLE known (n bigint PRIMARY KEY);
             CREATE TABLE app (n bigint REFERENCES known, word text,
                               source_id int, source_offset bigint, PRIMARY KEY (source_id, source_offset));
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'no' USING DETAIL = E'line\\n\\u001b[2Jof ' || NEW.n || repeat('!', 100000);
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON app FOR EACH ROW WHEN (NEW.n > 9) EXECUTE FUNCTION refuse()",
        )
        .unwrap();
    let place = Place::new();
    place.write("job.toml", JOB.replace("URL", &database.url()));
    place.write("logs/a.ndjson", "{\"n\":7}\n{\"n\":4711}\n");
    let said = place.run("load -v -j job.toml").ended(3, &[]);
    assert!(!format!("{said:?}").contains("(n)=(7)"), "{said:?}");
    assert!(!format!("{said:?}").contains("4711"), "{said:?}");
    let shown = place.run("dead-letters show -j job.toml 1").ended(0, &[]).stdout;
    assert!(shown.contains("\n      Key (n)=(7) is not present in table \"known\".\n"), "{shown}");
    let shown = place.run("dead-letters show -j job.toml 2").ended(0, &[]).stdout;
    assert!(shown.contains(r"      line\n\u{1b}[2Jof 4711!!!!"), "{shown}");
    assert!(shown.len() < 6_000, "{} bytes", shown.len());
    let (_, shown) = place.json("dead-letters show -j job.toml 1");
    assert_eq!(shown["reasons"][0]["detail"], "Key (n)=(7) is not present in table \"known\".");
}

#[test]
fn a_status_mentions_that_its_runs_include_another_tables() {
    on_both("\"position\"", |place, _| {
        place.run("load -j job.toml").ended(3, &[]);
        let status =
            |arguments: &str| place.run(&format!("status -j job.toml {arguments}")).ended(0, &[]).stdout;
        assert!(status("").contains("\nruns\n"), "{}", status(""));
        place.run("load -j job.toml --table other").ended(3, &[]);
        for arguments in ["", "--table other"] {
            let said = status(arguments);
            assert!(
                said.contains("\nruns, into all tables of the job\n") && said.contains("\n     2  "),
                "{said}"
            );
        }
        let (_, object) = place.json("status -j job.toml");
        assert_eq!(
            (&object["other_tables"], &object["sources"].as_array().unwrap().len()),
            (&true.into(), &3)
        );
    });
}
