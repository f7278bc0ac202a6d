//! Keys and conflict rules: when two rows are the same row, and which one wins. Every key and rule is tested
//! on every destination and along every path of the rows, and compared with a fold that knows nothing of
//! those paths.

use fastrand::Rng;

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::oracle::check_in_order;
use crate::harness::reading::{Shape, Values};
use crate::harness::trials::{factor, trials};
use crate::harness::twin::Verdicts;
use crate::harness::wait_until;

/// The path that rows take, as far as the target decides it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// By COPY, until keys meet.
    Direct,
    /// Always through the stage, because a column has no binary form that we know.
    Staged,
    /// By one statement that inserts or updates, because the target has a trigger.
    Upserted,
    #[cfg(feature = "sqlite")]
    Sqlite,
}

impl Way {
    fn kind(self) -> Kind {
        match self {
            #[cfg(feature = "sqlite")]
            Way::Sqlite => Kind::Sqlite,
            _ => Kind::Postgres,
        }
    }
}

const KEYS: [&str; 5] = ["content", r#"["id"]"#, r#"["word", "id"]"#, "position", "none"];

const CONFLICTS: [&str; 3] = ["update", "keep", "newest(seen)"];

/// Every key with every rule that it accepts.
fn keys_and_conflicts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = KEYS.into_iter().flat_map(|key| CONFLICTS.map(|on_conflict| (key, on_conflict)));
    all.filter(|(key, on_conflict)| *key != "none" || *on_conflict == "update")
}

/// A load whose target refuses rows in a way that cannot be predicted.
fn load(key: &str, on_conflict: &str, way: Way, refuses: &str) -> Load {
    let columns = match key {
        "content" => "record_hash {uuid} PRIMARY KEY".replace("{uuid}", way.kind().word("uuid", "TEXT")),
        "position" => "{key}".to_owned(),
        "none" => "source_id integer, source_offset bigint".to_owned(),
        list => format!("PRIMARY KEY ({})", list.trim_matches(['[', ']']).replace('"', "")),
    };
    // Records never have this field; it only decides the path.
    let (kind, field) = match way {
        Way::Staged => ("kind bytea,", "kind = { type = \"text\", required = false }"),
        _ => ("", ""),
    };
    let mut load = Load::empty()
        .to(way.kind())
        .schema("id int, word text, seen int?, note text?")
        .field(field)
        .key(key)
        .given(&format!(
            "CREATE TABLE t (id bigint, word text, seen bigint, {kind}
                             note text CONSTRAINT note_is_liked CHECK (note IS NULL OR {refuses}), {columns})"
        ));
    if key != "none" {
        load = load.destination(&format!("on_conflict = \"{on_conflict}\""));
    }
    if way == Way::Upserted {
        load = load.given(
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER nothing AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION nothing()",
        );
    }
    load
}

/// Records with few keys: repeated in one batch, in several and in both files; equal and different; with
/// ties; without the column that decides; and refused when they would have won.
const A: &str = r#"{"id":1,"word":"a","seen":5,"note":"first"}
{"id":2,"word":"a","seen":1,"note":"same"}
{"id":1,"word":"a","seen":3,"note":"older"}
{"id":1,"word":"b","seen":5,"note":"of another word"}
{"id":1,"word":"a","seen":5,"note":"a tie"}
{"id":3,"word":"a","note":"of no age"}

{"id":3,"word":"a","seen":0,"note":"of some age"}
{"id":3,"word":"a","seen":null,"note":"of no age again"}
{"id":null,"word":"a","seen":9,"note":"without a key"}
{"word":"a","seen":9}
{"id":4,"word":"a","seen":1,"note":"refused, the first"}
{"id":4,"word":"a","seen":2,"note":"good"}
{"id":4,"word":"a","seen":1,"note":"refused, a loser"}
{"id":5,"word":"a","seen":1,"note":"good"}
{"id":5,"word":"a","seen":9,"note":"refused, a winner"}
{"id":6,"word":"a","seen":1,"note":"refused, alone"}
{"id":2,"word":"a","seen":1,"note":"same"}
{"id":7,"word":null,"note":"half a key"}
{"id":7,"word":"","seen":7}
"#;
const B: &str = r#"{"id":7,"word":"","seen":7,"note":"more than nothing"}
{"id":2,"word":"a","seen":1,"note":"same"}
{"id":1,"word":"a","seen":5,"note":"a tie"}
{"id":1,"word":"a","seen":5,"note":"x wins every tie"}
not JSON
{"id":4,"word":"a","seen":3,"note":"refused, later"}
{"id":6,"word":"a","seen":0,"note":"good at last"}
{"id":3,"word":"a","seen":1,"note":"of an age"}
{"id":1,"word":"b","seen":4,"note":"older"}
{"id":8,"word":"new","seen":1}"#;

/// The CHECK that refuses these records, for each destination.
fn refuses(way: Way) -> &'static str {
    way.kind().word("strpos(note, 'refused') = 0", "instr(note, 'refused') = 0")
}

fn is_refused(row: &Values) -> bool {
    row["note"].as_str().is_some_and(|note| note.contains("refused"))
}

/// Asserts that everything is loaded in this order, except what the target's CHECK refuses.
#[track_caller]
fn check(load: &Load, order: &[&str], is_refused: &dyn Fn(&Values) -> bool) {
    let state = check_in_order(load, order, &Verdicts::refusing(load, "23514", is_refused));
    assert!(state.is_complete, "{state:?}");
    // The oracle compares this for column keys. A position is inserted once too, unless the rules changed in
    // between.
    let inserted =
        format!("SELECT CAST(coalesce(sum(inserted), 0) AS bigint) FROM {}", load.ours("checkpoints"));
    let inserted = load.made().look(|snapshot| snapshot.query(&inserted))[0][0].int();
    assert_eq!(inserted, load.rows().len() as i64);
}

/// The order in which the files are loaded, and the pieces.
const STORIES: [&str; 7] =
    ["one run", "a then b", "b then a", "rerun", "batches of one", "batches of three", "threads"];

/// Runs a story from the beginning.
fn tell(load: &Load, story: &str) {
    let path = |name| load.path(name).display().to_string();
    load.write("a.ndjson", A);
    load.write("b.ndjson", B);
    let mut order = ["a.ndjson", "b.ndjson"];
    match story {
        "a then b" | "b then a" => {
            if story == "b then a" {
                order.reverse();
            }
            for name in order {
                load.call().arg(&path(name)).run().exit(3);
            }
        }
        _ => {
            load.run().exit(3);
        }
    }
    check(load, &order, &is_refused);
    if story == "rerun" {
        let before = load.versions();
        load.run().exit(3);
        assert_eq!(load.versions(), before);
    }
}

/// Runs every `each`-th story of every key and rule; all of them in a long run.
fn tell_all(way: Way, each: usize) {
    let each = if factor() > 1 { 1 } else { each };
    for (number, (key, on_conflict)) in keys_and_conflicts().enumerate() {
        let mut load = load(key, on_conflict, way, refuses(way));
        for story in STORIES.iter().skip(number % each).step_by(each) {
            load = match *story {
                "batches of one" => load.batches_of(1).pipeline("chunk_size = 1"),
                "batches of three" => load.batches_of(3).pipeline("chunk_size = 100"),
                "threads" => load.pipeline("threads = 4").pipeline("chunk_size = 64"),
                _ => load,
            };
            eprintln!("{way:?}, key {key}, {on_conflict}, {story}");
            tell(&load, story);
            load.reset();
        }
    }
}

#[test]
fn every_key_and_rule_works_on_the_direct_path() {
    tell_all(Way::Direct, 2);
}

#[test]
fn every_key_and_rule_works_on_the_staged_path() {
    tell_all(Way::Staged, 3);
}

#[test]
fn every_key_and_rule_works_with_a_trigger() {
    tell_all(Way::Upserted, 3);
}

#[cfg(feature = "sqlite")]
#[test]
fn every_key_and_rule_works_in_sqlite() {
    tell_all(Way::Sqlite, 1);
}

/// Random records with few keys.
fn random_log(rng: &mut Rng) -> String {
    let mut log = String::new();
    for _ in 0..rng.usize(..60) {
        let id = match rng.u8(..20) {
            0 => "null".to_owned(),
            _ => rng.u8(1..6).to_string(),
        };
        let seen = match rng.u8(..6) {
            0 => "null".to_owned(),
            _ => rng.u8(..4).to_string(),
        };
        let note = match rng.u8(..8) {
            0 => "null".to_owned(),
            _ => format!("\"{}{}\"", rng.choice(["a", "b", "c"]).unwrap(), rng.u8(..9)),
        };
        let word = rng.choice(["", "a", "b"]).unwrap();
        log += &match rng.u8(..25) {
            0 => "\n".to_owned(),
            1 => format!("{{\"id\":{id}}}\n"),
            _ => format!("{{\"id\":{id},\"word\":\"{word}\",\"seen\":{seen},\"note\":{note}}}\n"),
        };
    }
    log
}

/// The possible notes that the destination's CHECK refuses. Only the destination itself can tell.
fn refused_notes(load: &Load, refuses: &str) -> Vec<String> {
    let letters = ["a", "b", "c"];
    let notes = letters.iter().flat_map(|letter| (0..9).map(move |digit| format!("{letter}{digit}")));
    let values: Vec<String> = notes.map(|note| format!("SELECT CAST('{note}' AS text) AS note")).collect();
    let sql = format!("SELECT note FROM ({}) n WHERE NOT ({refuses})", values.join(" UNION ALL "));
    // A SQLite file does not exist before the first write.
    load.sql("CREATE TABLE IF NOT EXISTS unused (n integer)");
    let rows = load.made().look(|snapshot| snapshot.query(&sql));
    rows.iter().map(|row| row[0].text().to_owned()).collect()
}

#[test]
fn rows_of_few_keys_meet_as_they_should_whatever_their_order_and_way() {
    trials("keys::rows_of_few_keys_meet_as_they_should_whatever_their_order_and_way", 40, |mut rng| {
        let ways = [
            Way::Direct,
            Way::Staged,
            Way::Upserted,
            #[cfg(feature = "sqlite")]
            Way::Sqlite,
        ];
        let way = rng.choice(ways).unwrap();
        let (key, on_conflict) = rng.choice(keys_and_conflicts().collect::<Vec<_>>()).unwrap();
        let refuses =
            way.kind().word("hashtext(note) % 5 <> 0", "(unicode(note) + unicode(substr(note, 2))) % 5 <> 0");
        let refuses = if rng.bool() { refuses } else { "true" };
        let mut load = load(key, on_conflict, way, refuses)
            .batches_of(rng.usize(1..30))
            .pipeline(&format!("chunk_size = {}", rng.usize(1..1000)))
            .pipeline(&format!("threads = {}", rng.usize(1..4)));
        let mut names: Vec<String> = ["a", "b", "c"].map(|name| format!("{name}.ndjson")).into();
        names.truncate(rng.usize(1..=3));
        for name in &names {
            load = load.file(name, random_log(&mut rng));
        }
        let refused = refused_notes(&load, refuses);
        if rng.bool() {
            load.run().done();
        } else {
            rng.shuffle(&mut names);
            for name in &names {
                load.call().arg(&load.path(name).display().to_string()).run().done();
            }
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        check(&load, &names, &|row| {
            row["note"].as_str().is_some_and(|note| refused.iter().any(|it| it == note))
        });
    });
}

#[test]
fn a_missing_key_value_is_rejected_and_never_filled_in() {
    for kind in Kind::all() {
        Load::of("{\"id\":1,\"w\":\"a\"}\n{\"id\":null,\"w\":\"a\"}\n{\"w\":\"a\"}\n{\"id\":2}\n{\"id\":2,\"w\":null}\n")
            .to(kind)
            .schema("id int, w text")
            .key(r#"["id", "w"]"#)
            .run()
            .exit(3)
            .rows(["1 a"])
            .rejects([(2, "int_type id"), (3, "missing id"), (4, "missing w"), (5, "string_type w")])
            .counts("1 inserted, 4 rejected");
    }
}

/// Two values of each type, and a last field that tells rows apart.
const TYPES_OF_KEYS: [(&str, &str, &str); 6] = [
    ("int", "-9223372036854775808", "9223372036854775807"),
    ("text", "\"\"", "\"a'b\\\"c \""),
    ("uuid", "\"00000000-0000-0000-0000-000000000000\"", "\"FFFFFFFF-ffff-4fff-8fff-ffffffffffff\""),
    ("date", "\"0001-01-01\"", "\"9999-12-31\""),
    ("timestamp", "\"1969-12-31T23:59:59.999999Z\"", "\"2023-10-27T14:34:56.5+02:00\""),
    ("bool", "true", "false"),
];

#[test]
fn a_key_can_be_of_every_type_that_has_one_form_for_each_value() {
    for kind in Kind::all() {
        for (name, one, other) in TYPES_OF_KEYS {
            let line = |key: &str, n: i32| format!("{{\"k\":{key},\"n\":{n}}}\n");
            let load = Load::of([line(one, 1), line(other, 2), line(one, 3), line(other, 2)].concat())
                .to(kind)
                .schema(&format!("k {name}, n int"))
                .key(r#"["k"]"#);
            load.run().exit(0);
            load.write("more.ndjson", [line(other, 2), line(one, 4)].concat());
            load.run().exit(0);
            let mut numbers: Vec<String> =
                load.rows().iter().map(|row| row.rsplit(' ').next().unwrap().to_owned()).collect();
            numbers.sort();
            assert_eq!(numbers, ["2", "4"], "{name}");
        }
    }
}

#[test]
fn newest_compares_values_and_not_their_texts() {
    let cases = [
        ("int", "9", "10"),
        ("int", "-1", "0"),
        ("float", "9.5", "10.25"),
        ("decimal", "\"9.50\"", "\"10.25\""),
        ("decimal", "\"-10\"", "\"-9.5\""),
        ("decimal", "\"0.0000000000000000000001\"", "\"0.000000000000000000001\""),
        ("bool", "false", "true"),
        ("date", "\"0987-01-01\"", "\"1987-01-01\""),
        ("timestamp", "\"2023-10-27T12:00:00+02:00\"", "\"2023-10-27T11:00:00Z\""),
        ("time", "\"09:00:00\"", "\"10:00:00.000001\""),
        ("text", "\"a\"", "\"b\""),
        ("ip", "\"9.0.0.1\"", "\"10.0.0.1\""),
        ("ip", "\"255.0.0.1\"", "\"::1\""),
    ];
    for kind in Kind::all() {
        for (name, less, more) in cases {
            // The older row would win a tie.
            let line = |value: &str, n: i32| format!("{{\"k\":1,\"v\":{value},\"n\":{n}}}\n");
            let stories = [
                ([line(less, 9), line(more, 1)], 1),
                ([line(more, 1), line(less, 9)], 1),
                ([line(more, 1), line(less, 9)], 2),
            ];
            for (lines, rows) in stories {
                let load = Load::of(lines.concat())
                    .to(kind)
                    .schema(&format!("k int, v {name}, n int"))
                    .key(r#"["k"]"#)
                    .destination("on_conflict = \"newest(v)\"")
                    .batches_of(rows)
                    .pipeline("chunk_size = 1");
                load.run().exit(0);
                let rows = load.rows();
                assert!(rows[0].ends_with(" 1") && rows.len() == 1, "{kind:?} {name}: {less} won: {rows:?}");
            }
        }
    }
}

#[test]
fn a_line_is_the_same_row_in_every_file_however_it_ends() {
    for kind in Kind::all() {
        let load = Load::empty()
            .to(kind)
            .schema("n int")
            .key("content")
            .file("a.ndjson", "{\"n\":1}\n{\"n\": 1}\r\n{\"n\":1}\r\n")
            .file("b.ndjson", "\u{feff}{\"n\":1}\n\n{\"n\": 1}");
        load.run().exit(0);
        let hash = load.made().look(|snapshot| {
            snapshot.query("SELECT replace(CAST(record_hash AS text), '-', '') FROM t ORDER BY 1")
        });
        let mut expected =
            [r#"{"n":1}"#, r#"{"n": 1}"#].map(|line| blake3::hash(line.as_bytes()).to_hex()[..32].to_owned());
        expected.sort();
        assert_eq!([hash[0][0].text(), hash[1][0].text()], [expected[0].as_str(), expected[1].as_str()]);
    }
}

/// The same line with another year or zone is another row. NDJSON is identified by its bytes alone.
#[test]
fn equal_lines_of_other_years_and_zones_are_other_rows() {
    for kind in Kind::all() {
        let stamped = |shape, line: &str| {
            Load::empty()
                .to(kind)
                .shaped(shape)
                .schema("n int")
                .field("at = { type = \"timestamp\", format = \"%b %d %H:%M:%S\" }")
                .key("content")
                .file("a.ndjson", line)
        };
        let with = |load: &Load, lines: &str| {
            let job = load.job().replace("[source]\n", &format!("[source]\n{lines}\n"));
            load.call_with(&job).run().exit(0);
        };
        let text = "n=1 at=\"Oct 27 12:34:56\"\n";
        let load = stamped(Shape::Logfmt, text);
        let copies = ["year = 2022", "year = 2023", "year = 2023", "year = 2023\ntimezone = \"+01:00\""];
        for (number, lines) in copies.iter().enumerate() {
            // A different number of blank lines makes each file a different source.
            load.write(&format!("{number}.ndjson"), "\n".repeat(number + 1) + text);
            with(&load, lines);
        }
        let stamps =
            load.made().look(|snapshot| snapshot.query("SELECT count(*), count(DISTINCT at) FROM t"));
        assert_eq!((stamps[0][0].int(), stamps[0][1].int()), (3, 3), "{kind:?}");

        let line = r#"{"n":1,"at":"Oct 27 12:34:56"}"#;
        let load = stamped(Shape::Lines, line);
        with(&load, "year = 2023\ntimezone = \"+01:00\"");
        let hash = load
            .made()
            .look(|snapshot| snapshot.query("SELECT replace(CAST(record_hash AS text), '-', '') FROM t"));
        assert_eq!(hash[0][0].text(), &blake3::hash(line.as_bytes()).to_hex()[..32], "{kind:?}");
    }
}

/// Header names are no part of a line, but the names of its values are part of the row.
#[test]
fn equal_lines_under_other_headers_are_other_rows() {
    for kind in Kind::all() {
        for (shape, files, rows) in [
            (Shape::Csv, ["a,b\n1,2\n", "b,a\n1,2\n1,2\n", "a,b\n1,2\n3,4\n"], ["1 2", "2 1", "3 4"]),
            (
                Shape::W3c,
                [
                    "#Fields: a b\n1 2\n#Fields: b a\n1 2\n",
                    "#Date: 2023-10-27\n#Fields: b a\n",
                    "#Fields: a b\n3 4\n1 2",
                ],
                ["1 2", "2 1", "3 4"],
            ),
        ] {
            let mut load = Load::empty().to(kind).shaped(shape).schema("a int, b int").key("content");
            for (name, content) in ["a", "b", "c"].iter().zip(files) {
                load = load.file(&format!("{name}.ndjson"), content);
            }
            load.run().exit(0);
            let mut found = load.rows();
            found.sort();
            assert_eq!(found, rows, "{kind:?} {shape:?}");
        }
    }
}

#[test]
fn existing_rows_are_merged_like_others() {
    for kind in Kind::all() {
        for (on_conflict, rows, counts) in [
            ("update", ["1 9 new", "2 1 same", "3 1 theirs"], "1 updated, 1 unchanged"),
            ("keep", ["1 1 old", "2 1 same", "3 1 theirs"], "2 unchanged"),
            ("newest(v)", ["1 9 new", "2 1 same", "3 1 theirs"], "1 updated, 1 unchanged"),
        ] {
            Load::of("{\"k\":1,\"v\":9,\"w\":\"new\"}\n{\"k\":2,\"v\":1,\"w\":\"same\"}\n")
                .to(kind)
                .schema("k int, v int, w text")
                .key(r#"["k"]"#)
                .destination(&format!("on_conflict = \"{on_conflict}\""))
                .given(
                    "CREATE TABLE t (k bigint PRIMARY KEY, v bigint, w text);
                     INSERT INTO t VALUES (1, 1, 'old'), (2, 1, 'same'), (3, 1, 'theirs')",
                )
                .run()
                .exit(0)
                .rows(rows)
                .counts(counts);
        }
    }
}

/// Records the path of each batch: a statement trigger sees which statement brought the rows.
const WAYS: &str = "CREATE TABLE ways (number serial, way text);
    CREATE FUNCTION note_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO ways (way) VALUES (split_part(current_query(), ' ', 1)); RETURN NULL;
    END $$;
    CREATE TRIGGER note_way AFTER INSERT ON t EXECUTE FUNCTION note_way()";

#[test]
fn after_a_key_conflict_rows_are_staged_for_a_while() {
    let line = |k: i32, n: i32| format!("{{\"k\":{k},\"n\":{n}}}\n");
    let mut log = line(0, 0) + &line(0, 1);
    log.extend((1..=20).map(|k| line(k, k)));
    let load = Load::of(&log)
        .schema("k int, n int")
        .key(r#"["k"]"#)
        .given(&format!("CREATE TABLE t (k bigint PRIMARY KEY, n bigint); {WAYS}"))
        .pipeline("batch_rows = 1")
        .pipeline("chunk_size = 1");
    load.run().exit(0).counts("21 inserted, 1 updated");
    let ways = load
        .made()
        .look(|snapshot| snapshot.query("SELECT string_agg(left(way, 1), '' ORDER BY number) FROM ways"));
    // The first batch by COPY; the second met its row and was an update; then 15 more through the stage.
    assert_eq!(ways[0][0].text(), format!("C{}{}", "I".repeat(15), "C".repeat(5)));
}

/// Targets that refuse a row of key 5, and no other, only when it is written.
const REFUSALS: [(&str, &str); 4] = [
    (
        "an AFTER trigger",
        "CREATE TABLE t (k bigint PRIMARY KEY, n bigint);
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.n = 5 THEN RAISE EXCEPTION 'not five'; END IF; RETURN NULL;
         END $$;
         CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    (
        "a foreign key",
        "CREATE TABLE numbers (n bigint PRIMARY KEY); INSERT INTO numbers VALUES (1), (2), (3);
         CREATE TABLE t (k bigint PRIMARY KEY, n bigint REFERENCES numbers)",
    ),
    (
        "a deferred foreign key",
        "CREATE TABLE numbers (n bigint PRIMARY KEY); INSERT INTO numbers VALUES (1), (2), (3);
         CREATE TABLE t (k bigint PRIMARY KEY, n bigint REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)",
    ),
    (
        "another unique index",
        "CREATE TABLE t (k bigint PRIMARY KEY, n bigint UNIQUE); INSERT INTO t VALUES (99, 5)",
    ),
];

#[test]
fn the_loser_to_a_refused_row_is_tried_after_all() {
    for (what, given) in REFUSALS {
        for on_conflict in ["update", "keep", "newest(n)"] {
            // For key 1 the winning row is refused; for key 2 none is.
            let winner = "{\"k\":1,\"n\":5}\n";
            let others = "{\"k\":1,\"n\":3}\n{\"k\":2,\"n\":2}\n";
            let log =
                if on_conflict == "keep" { [winner, others].concat() } else { [others, winner].concat() };
            for rows in [1, 100] {
                let load = Load::of(&log)
                    .schema("k int, n int")
                    .key(r#"["k"]"#)
                    .destination(&format!("on_conflict = \"{on_conflict}\""))
                    .given(given)
                    .pipeline(&format!("batch_rows = {rows}"))
                    .pipeline("chunk_size = 1");
                let ended = load.run();
                ended.exit(3).counts("2 inserted, 1 rejected");
                assert_eq!(load.rows()[..2], ["1 3", "2 2"], "{what}, {on_conflict}, batches of {rows}");
            }
        }
    }
}

#[test]
fn concurrent_rows_of_other_writers_are_merged_too() {
    for (on_conflict, expected) in [("update", "1 9 ours"), ("keep", "1 5 theirs"), ("newest(n)", "1 9 ours")]
    {
        for way in ["", "kind bytea,"] {
            let load = Load::of("{\"k\":1,\"n\":9,\"w\":\"ours\"}\n{\"k\":2,\"n\":1,\"w\":\"ours\"}\n")
                .schema("k int, n int, w text")
                .field(if way.is_empty() { "" } else { "kind = { type = \"text\", required = false }" })
                .key(r#"["k"]"#)
                .destination(&format!("on_conflict = \"{on_conflict}\""))
                .given(&format!("CREATE TABLE t ({way} k bigint PRIMARY KEY, n bigint, w text)"));
            let mut other = load.client();
            other.batch_execute("BEGIN; INSERT INTO t (k, n, w) VALUES (1, 5, 'theirs')").unwrap();
            let run = load.call().start();
            // The run has reached the uncommitted row and waits for its outcome.
            wait_until("the run to wait for the other", || {
                load.backends("wait_event = 'transactionid'").len() == 1
            });
            other.batch_execute("COMMIT").unwrap();
            run.wait().exit(0).rows([expected, "2 1 ours"]);
        }
    }
}

/// A row that loses its key within a batch is still validated by the schema and the CHECKs, so that the ends
/// of batches change neither the rows nor the dead letters nor the exit code.
#[test]
fn which_rows_are_refused_does_not_depend_on_where_batches_end() {
    // Each key four times. One in seven breaks a CHECK, one in eleven is no integer.
    let log: String = (0..200)
        .map(|n| match n {
            _ if n % 11 == 5 => format!("{{\"k\":\"k{}\",\"v\":\"x\"}}\n", n % 50),
            _ if n % 7 == 3 => format!("{{\"k\":\"k{}\",\"v\":-1}}\n", n % 50),
            _ => format!("{{\"k\":\"k{}\",\"v\":{n}}}\n", n % 50),
        })
        .collect();
    for kind in Kind::all() {
        let ends: Vec<_> = [1, 2, 7, 30, 1000]
            .into_iter()
            .map(|rows| {
                let load = Load::of(&log)
                    .to(kind)
                    .schema("k text, v int")
                    .key(r#"["k"]"#)
                    .given("CREATE TABLE t (k text PRIMARY KEY, v bigint NOT NULL CONSTRAINT low CHECK (v % 1000 >= 0))")
                    .batches_of(rows);
                let code = load.run().code();
                (code, load.rows(), load.rejects())
            })
            .collect();
        assert_eq!(ends[0].0, Some(3));
        assert!(ends[0].2.len() > 40);
        assert!(ends.iter().all(|end| *end == ends[0]), "{kind:?}: {ends:?}");
    }
}
