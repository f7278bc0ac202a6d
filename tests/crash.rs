//! Loads killed with SIGKILL at every step, at random moments, and again during recovery.
//!
//! The tests check the state at the crash, not only at the end: an upsert hides at the end what was done
//! twice in between. Several shapes of load go through the same steps, because each takes another path
//! (straight into the target, through the stage, row by row where the server refuses some), and each goes to
//! every destination.

use std::time::Instant;

use fastrand::Rng;

use crate::bar::two_files;
use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{
    CSV_SCHEMA, SCHEMA, array_log, csv_log, docker_log, log, logfmt_log, noisy_log, pretty_log, w3c_log,
    zeek_log,
};
use crate::harness::oracle::{check, check_against};
use crate::harness::reading::{Shape, Values};
use crate::harness::run::{Ended, needs_failpoints};
use crate::harness::trials::{factor, trials};
use crate::harness::twin::Verdicts;
use crate::harness::wait_until;
use crate::stories::on_each_destination;

on_each_destination! {
    a_load_killed_at_any_step_is_whole_and_resumes
    a_file_that_is_mapped_is_whole_wherever_a_load_is_killed
    each_row_is_applied_once_wherever_a_load_is_killed
    a_load_with_refused_rows_can_be_killed_anywhere
    a_grown_line_is_read_again_once_wherever_a_load_is_killed
    a_grown_line_is_read_again_once_into_a_target_with_triggers
    records_of_several_lines_are_whole_wherever_a_load_is_killed
    values_with_line_ends_are_whole_wherever_a_load_is_killed
    pairs_of_logfmt_are_whole_wherever_a_load_is_killed
    values_behind_directives_are_whole_wherever_a_load_is_killed
    values_behind_headers_of_zeek_are_whole_wherever_a_load_is_killed
    objects_of_an_array_are_whole_wherever_a_load_is_killed
    split_lines_are_whole_wherever_a_load_is_killed
    a_grown_line_in_parts_is_read_again_once
    a_grown_directive_or_object_is_read_again_once
    a_grown_record_of_several_lines_is_read_again_once
    the_last_row_of_a_key_wins_wherever_a_load_is_killed
    the_first_row_of_a_key_wins_wherever_a_load_is_killed
    the_newest_row_of_a_key_wins_wherever_a_load_is_killed
    the_same_line_twice_is_one_row_wherever_a_load_is_killed
    each_row_is_inserted_once_without_a_key_too
    a_load_resumes_anywhere_inside_an_archive
    a_load_resumes_anywhere_inside_a_large_archive
    a_source_is_abandoned_at_the_same_place_wherever_a_load_is_killed
    a_load_killed_again_and_again_while_it_recovers_comes_to_its_end
    a_load_killed_at_any_moment_is_whole_and_goes_on
}

/// Every point at which a run can die, in the order in which it reaches them.
const POINTS: [&str; 25] = [
    "before-prepare",
    "before-tables-commit",
    "after-tables",
    "before-target-commit",
    "after-target",
    "after-prepare",
    "before-claim",
    "after-memories",
    "before-claim-commit",
    "after-claim",
    "before-open",
    "before-chunk",
    "before-begin",
    "before-fence",
    "after-fence",
    "mid-copy",
    "before-merge",
    "mid-merge",
    "after-refusal",
    "after-rows",
    "mid-dead-letters",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "between-batches",
];

/// The points that SQLite lacks: it makes its tables and the target in one transaction, and has no stage to
/// merge from.
const NOT_IN_SQLITE: [&str; 4] = ["before-target-commit", "after-target", "before-merge", "mid-merge"];

/// The points that a run reaches only if it makes the tables. SQLite checks them in a transaction that it
/// commits in any case.
const MAKING_TABLES: [&str; 2] = ["before-tables-commit", "after-tables"];

/// The points that a run reaches only if it makes the target.
const MAKING_THE_TARGET: [&str; 2] = ["before-target-commit", "after-target"];

/// The points of a merge, and of a refused row.
const MERGING: [&str; 2] = ["before-merge", "mid-merge"];
const REFUSING: [&str; 1] = ["after-refusal"];

/// The points at the end of a run, passed once.
const LAST_POINTS: [&str; 2] = ["before-finish", "mid-finish"];

/// The points of a run that lost its connection and reclaims its sources.
const RECLAIM_POINTS: [&str; 4] = ["before-reclaim", "mid-reclaim", "before-reclaim-commit", "after-reclaim"];

/// Three files, the middle one empty, in batches that span them.
fn three_files(kind: Kind) -> Load {
    Load::empty()
        .to(kind)
        .file("a.ndjson", log(1, 60))
        .file("b.ndjson", "")
        .file("c.ndjson", log(2, 45))
        .schema(SCHEMA)
        .batches_of(20)
}

/// How often a point is passed before the kill.
#[derive(Clone, Copy)]
enum Passings {
    /// Zero, one and two times, each in turn.
    Each,
    /// One of these per point; all of them in a long run.
    One,
}

/// Kills the load at each point, checks, runs it again and checks. `misses` lists the points that this load
/// never reaches.
fn kill_everywhere(load: &Load, passings: Passings, misses: &[&[&str]], prepare: impl Fn(&Load)) {
    needs_failpoints();
    let verdicts = match load.given_sql() {
        "" => Verdicts::default(),
        _ => Verdicts::of(load),
    };
    // Returns whether the run passed the point that often.
    let kill = |point: &str, passed: usize| {
        load.reset();
        prepare(load);
        let ended = load.call().kill_at(point, passed).run();
        let state = check_against(load, &verdicts);
        if !ended.is_killed() {
            ended.exit(3);
            assert!(state.is_complete);
            return false;
        }
        load.wait_alone();
        load.run().exit(3);
        let state = check_against(load, &verdicts);
        assert!(state.is_complete, "{point} after {passed}: {state:?}");
        true
    };
    let mut missed = Vec::new();
    for (index, point) in POINTS.iter().chain(&LAST_POINTS).enumerate() {
        let came_by = match passings {
            Passings::One if factor() == 1 => kill(point, index % 3) || kill(point, 0),
            _ => (0..3).take_while(|&passed| kill(point, passed)).count() > 0,
        };
        if !came_by {
            missed.push(*point);
        }
    }
    let is_missed = |point: &&&str| match load.kind() {
        Kind::Postgres => misses.concat().contains(point),
        #[cfg(feature = "sqlite")]
        Kind::Sqlite => {
            NOT_IN_SQLITE.contains(point) || misses.concat().contains(point) && !MAKING_TABLES.contains(point)
        }
    };
    let expected: Vec<&str> = POINTS.iter().filter(is_missed).copied().collect();
    assert_eq!(missed, expected, "the load came by other points than it should");
}

fn a_load_killed_at_any_step_is_whole_and_resumes(kind: Kind) {
    kill_everywhere(&three_files(kind), Passings::Each, &[&MERGING, &REFUSING], |_| {});
}

/// With `--stop-above`. The decision depends on the data alone: a killed run and its successor abandon the
/// same source at the same record, with the same dead letters, as an undisturbed run.
fn a_source_is_abandoned_at_the_same_place_wherever_a_load_is_killed(kind: Kind) {
    needs_failpoints();
    let load = two_files(kind).pipeline("batch_rows = 4000\nchunk_size = 20000");
    let call = || load.call().arg("--stop-above").arg("10%");
    let decided = |ended: &Ended<'_>| {
        let rows = load.made().look(|snapshot| {
            snapshot.query(
                "SELECT count(*), CAST(sum(n) AS bigint), max(source_offset) FROM t WHERE source_id = 1",
            )
        });
        let place = ["records", "open_dead_letters"]
            .map(|name| ended.result(&format!("/sources/given_up/0/{name}")).as_u64());
        (place, format!("{rows:?}"), load.rejects())
    };
    let whole = call().run();
    whole.exit(4);
    let expected = decided(&whole);
    assert_eq!(expected.0, [Some(20_000), Some(5_100)]);
    let mut killed = 0;
    for (index, point) in POINTS.iter().chain(&LAST_POINTS).enumerate() {
        load.reset();
        let ended = call().kill_at(point, index % 3).run();
        check(&load);
        if !ended.is_killed() {
            ended.exit(4);
            continue;
        }
        killed += 1;
        load.wait_alone();
        let ended = call().run();
        ended.exit(4);
        check(&load);
        let found = decided(&ended);
        assert!(found == expected, "{point} after {}: {:?}, not {:?}", index % 3, found.0, expected.0);
    }
    assert!(killed > 12, "it came by {killed} points only");
}

/// A file large enough to be mapped rather than read.
fn a_file_that_is_mapped_is_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::of(log(6, 3_000)).to(kind).schema(SCHEMA);
    let load = load.pipeline("batch_rows = 700").pipeline("chunk_size = \"16KiB\"");
    assert!(load.path("log.ndjson").metadata().unwrap().len() > 256 << 10, "it is too small");
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

fn each_row_is_applied_once_wherever_a_load_is_killed(kind: Kind) {
    kill_everywhere(&three_files(kind).audited(), Passings::One, &[&MERGING, &REFUSING], |_| {});
}

fn a_load_with_refused_rows_can_be_killed_anywhere(kind: Kind) {
    let load = three_files(kind)
        .given(
            "CREATE TABLE t (id bigint CHECK (id % 9 <> 4), level text, message text, ratio double precision,
                             at {timestamp}, {key}, UNIQUE (message, level, ratio))",
        )
        .audited();
    kill_everywhere(&load, Passings::One, &[&MAKING_THE_TARGET, &MERGING], |_| {});
}

fn records_of_several_lines_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::empty()
        .to(kind)
        .shaped(Shape::Braces)
        .file("a.ndjson", pretty_log(1, 60))
        .file("b.ndjson", pretty_log(2, 45))
        .schema(SCHEMA)
        .batches_of(20);
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

fn values_with_line_ends_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::empty()
        .to(kind)
        .shaped(Shape::Csv)
        .file("a.ndjson", csv_log(1, 60))
        .file("b.ndjson", "")
        .file("c.ndjson", csv_log(2, 45))
        .schema(CSV_SCHEMA)
        .batches_of(20);
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

fn pairs_of_logfmt_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::empty()
        .to(kind)
        .shaped(Shape::Logfmt)
        .file("a.ndjson", logfmt_log(1, 60))
        .file("b.ndjson", logfmt_log(2, 45))
        .schema(SCHEMA)
        .batches_of(20);
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

fn values_behind_directives_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::empty()
        .to(kind)
        .shaped(Shape::W3c)
        .file("a.ndjson", w3c_log(1, 60))
        .file("b.ndjson", "#Fields: id")
        .file("c.ndjson", w3c_log(2, 45))
        .schema(CSV_SCHEMA)
        .batches_of(20);
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

fn values_behind_headers_of_zeek_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::empty()
        .to(kind)
        .shaped(Shape::Zeek)
        .file("a.ndjson", zeek_log(1, 60))
        .file("b.ndjson", "#separator \\x09\n#fields\tid")
        .file("c.ndjson", zeek_log(2, 45))
        .schema(CSV_SCHEMA)
        .batches_of(20);
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

fn split_lines_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::empty()
        .to(kind)
        .shaped(Shape::Docker)
        .file("a.ndjson", docker_log(1, 60))
        .file("b.ndjson", "")
        .file("c.ndjson", docker_log(2, 45))
        .schema(SCHEMA)
        .batches_of(20);
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

/// Four files that grow: one ends with a part of a line, one within a line of the runtime, one with a part
/// that another stream follows, and one in a row whose line grows by a blank.
fn a_grown_line_in_parts_is_read_again_once(kind: Kind) {
    let load = Load::empty().to(kind).shaped(Shape::Docker).schema(SCHEMA).batches_of(10);
    let whole = docker_log(3, 40);
    let part = r#"{"log":"{\"id\":1,\"level\":\"INFO\",","stream":"stdout"}"#;
    let rest = r#"{"log":"\"message\":\"it\"}\n","stream":"stdout"}"#;
    let other = r#"{"log":"{\"id\":2,\"level\":\"WARN\",\"message\":\"x\"}\n","stream":"stderr"}"#;
    let young = |load: &Load| {
        load.write("a.ndjson", &whole[..whole.len() * 2 / 3]);
        load.write("b.ndjson", format!("{other}\n{part}\n"));
        load.write("c.ndjson", format!("{part}\n{}", &rest[..20]));
        load.write("d.ndjson", format!("{other}\n{part}"));
        load.write("e.ndjson", other);
    };
    young(&load);
    let grow = |load: &Load| {
        young(load);
        load.run().exit(3);
        load.write("a.ndjson", &whole);
        load.write("b.ndjson", format!("{other}\n{part}\n{rest}\n{other}\n"));
        load.write("c.ndjson", format!("{part}\n{rest}\n{other}"));
        load.write("d.ndjson", format!("{other}\n{part}\n{other}\n{rest}\n"));
        load.write("e.ndjson", format!("{other} \n{other}\n"));
    };
    let misses: [&[&str]; 3] = [&MAKING_TABLES, &MAKING_THE_TARGET, &REFUSING];
    kill_everywhere(&load, Passings::One, &misses, grow);
}

fn objects_of_an_array_are_whole_wherever_a_load_is_killed(kind: Kind) {
    let load = Load::empty()
        .to(kind)
        .shaped(Shape::Json)
        .file("a.ndjson", array_log(1, 60))
        .file("b.ndjson", "[]")
        .file("c.ndjson", array_log(2, 45))
        .schema(SCHEMA)
        .batches_of(20);
    kill_everywhere(&load, Passings::One, &[&MERGING, &REFUSING], |_| {});
}

/// Files that grow: one ends within a directive, one within an object.
fn a_grown_directive_or_object_is_read_again_once(kind: Kind) {
    let directives = Load::empty().to(kind).shaped(Shape::W3c).schema(CSV_SCHEMA).batches_of(10);
    let whole = w3c_log(3, 40);
    let young = |load: &Load| {
        load.write("a.ndjson", "#Software: none");
        load.write("b.ndjson", "#Fields: id level mess");
        load.write("c.ndjson", "#Fields: x id level\n#Fields: id level message ratio");
    };
    let grow = |load: &Load| {
        young(load);
        load.run().exit(0);
        load.write("a.ndjson", [b"#Software: none at all\n", &whole[..]].concat());
        load.write("b.ndjson", "#Fields: id level message ratio more\n1 INFO x 0.5 y\nx INFO y 0.5 z\n#Re");
        load.write("c.ndjson", "#Fields: x id level\n#Fields: id level message ratio\n1 INFO x 0.5");
    };
    young(&directives);
    let misses: [&[&str]; 4] = [&MAKING_TABLES, &MAKING_THE_TARGET, &MERGING, &REFUSING];
    kill_everywhere(&directives, Passings::One, &misses, grow);

    let objects = Load::empty().to(kind).shaped(Shape::Json).schema(SCHEMA).batches_of(10);
    let record = r#"{"id":1,"level":"INFO","message":"it"}"#;
    let young = |load: &Load| {
        load.write("a.ndjson", format!("[{record},\n  {}", &record[..20]));
        load.write("b.ndjson", record);
    };
    let grow = |load: &Load| {
        young(load);
        load.run().exit(3);
        load.write("a.ndjson", format!("[{record},\n  {record},{{\"id\":\"x\"}}]\n"));
        load.write("b.ndjson", format!("{record}\n{record}{record}\n\n"));
    };
    young(&objects);
    kill_everywhere(&objects, Passings::One, &misses, grow);
}

/// Files that grow: one ends within a record, one with the first line of a record, and one with a whole
/// record that continues all the same.
fn a_grown_record_of_several_lines_is_read_again_once(kind: Kind) {
    let load = Load::empty().to(kind).shaped(Shape::Braces).schema(SCHEMA).batches_of(10);
    let whole = pretty_log(3, 40);
    let record = "{\n \"id\": 1,\n \"level\": \"INFO\",\n \"message\": \"it\"\n}\n";
    let young = |load: &Load| {
        load.write("a.ndjson", &whole[..whole.len() * 2 / 3]);
        load.write("b.ndjson", record);
        load.write("c.ndjson", format!("{record}{{\n"));
    };
    young(&load);
    let grow = |load: &Load| {
        young(load);
        load.run().exit(3);
        assert!(check(load).is_complete);
        load.write("a.ndjson", &whole);
        load.write("b.ndjson", format!("{record}it goes on\n{record}{record}"));
        load.write("c.ndjson", format!("{record}{record}{record}"));
    };
    let misses: [&[&str]; 3] = [&MAKING_TABLES, &MAKING_THE_TARGET, &REFUSING];
    kill_everywhere(&load, Passings::One, &misses, grow);
}

/// Files as first loaded. One ends within a record, one just before a line end, and one within a bad record.
/// Two end in a row that grows: by a blank, and by something that makes it invalid.
fn young_files(load: &Load) {
    let whole = log(3, 40);
    load.write("a.ndjson", &whole[..whole.len() * 2 / 3]);
    load.write("b.ndjson", r#"{"id":1,"level":"INFO","message":"its line end is to come"}"#);
    load.write("c.ndjson", "{\"id\":1,\"level\":\"INFO\",\"message\":\"first\"}\n[\"no object\"");
    load.write("d.ndjson", r#"{"id":1,"level":"INFO","message":"grows by a blank"}"#);
    load.write("e.ndjson", r#"{"id":1,"level":"INFO","message":"grows by another object"}"#);
}

/// The same files, grown.
fn grown_files(load: &Load) {
    load.write("a.ndjson", log(3, 40));
    let more = r#"{"id":2,"level":"WARN","message":"and more"}"#;
    let more = [more, more, more].join("\n");
    for (index, growth) in
        [(1, format!("\n{more}")), (2, ",1]".to_owned()), (3, format!(" \n{more}")), (4, more)]
    {
        let file = &load.files()[index];
        load.write(&file.name, [&file.versions.last().unwrap()[..], growth.as_bytes()].concat());
    }
}

fn growing_files(kind: Kind) -> Load {
    let load = Load::empty().to(kind).schema(SCHEMA).batches_of(10);
    young_files(&load);
    load
}

fn grow(load: &Load) {
    young_files(load);
    load.run().exit(3);
    assert!(check(load).is_complete);
    grown_files(load);
}

fn a_grown_line_is_read_again_once_wherever_a_load_is_killed(kind: Kind) {
    let misses: [&[&str]; 3] = [&MAKING_TABLES, &MAKING_THE_TARGET, &REFUSING];
    kill_everywhere(&growing_files(kind), Passings::One, &misses, grow);
}

fn a_grown_line_is_read_again_once_into_a_target_with_triggers(kind: Kind) {
    let misses: [&[&str]; 4] = [&MAKING_TABLES, &MAKING_THE_TARGET, &["mid-merge"], &REFUSING];
    kill_everywhere(&growing_files(kind).audited(), Passings::One, &misses, grow);
}

fn the_last_row_of_a_key_wins_wherever_a_load_is_killed(kind: Kind) {
    kill_everywhere(&three_files(kind).key("[\"id\"]"), Passings::One, &[&REFUSING], |_| {});
}

fn the_first_row_of_a_key_wins_wherever_a_load_is_killed(kind: Kind) {
    let load = three_files(kind).key("[\"id\"]").destination("on_conflict = \"keep\"");
    kill_everywhere(&load, Passings::One, &[&REFUSING], |_| {});
}

/// Fields whose images every destination orders alike, so that the oracle knows which of two rows of one age
/// wins.
const ORDERED: &str = "id int, level text, message text";

fn the_newest_row_of_a_key_wins_wherever_a_load_is_killed(kind: Kind) {
    let load =
        three_files(kind).schema(ORDERED).key("[\"level\"]").destination("on_conflict = \"newest(id)\"");
    kill_everywhere(&load, Passings::One, &[&REFUSING], |_| {});
}

fn the_same_line_twice_is_one_row_wherever_a_load_is_killed(kind: Kind) {
    let load =
        three_files(kind).key("content").file("d.ndjson", [log(2, 45), b"\n".to_vec(), log(1, 60)].concat());
    kill_everywhere(&load, Passings::One, &[&REFUSING], |_| {});
}

fn each_row_is_inserted_once_without_a_key_too(kind: Kind) {
    kill_everywhere(&three_files(kind).key("none"), Passings::One, &[&MERGING, &REFUSING], |_| {});
}

/// Kills the load of one file after parts of its batches, and resumes it.
fn kill_after_parts(load: &Load) {
    let batches = load.run().exit(3).result("/batches").as_u64().unwrap();
    assert!(batches >= 10, "{batches} batches are too few to tell their parts apart");
    for percent in [10, 50, 99] {
        load.reset();
        let passed = usize::try_from(batches * percent / 100 - 1).unwrap();
        load.call().kill_at("between-batches", passed).run().killed();
        assert!(!check(load).is_complete);
        load.wait_alone();
        load.run().exit(3);
        assert!(check(load).is_complete, "killed at {percent} %");
    }
}

fn a_load_resumes_anywhere_inside_an_archive(kind: Kind) {
    needs_failpoints();
    for name in ["a.ndjson.gz", "a.ndjson.zst"] {
        kill_after_parts(
            &Load::empty().to(kind).file(name, log(4, 300)).schema(SCHEMA).batches_of(3).audited(),
        );
    }
}

/// Large enough to be decompressed on its own thread.
fn a_load_resumes_anywhere_inside_a_large_archive(kind: Kind) {
    needs_failpoints();
    for name in ["a.ndjson.gz", "a.ndjson.zst"] {
        let load = Load::empty().to(kind).file(name, noisy_log(5, 5_000)).schema(SCHEMA);
        let load = load.pipeline("batch_rows = 200").pipeline("chunk_size = \"16KiB\"");
        assert!(load.path(name).metadata().unwrap().len() > 1 << 20, "it is too small");
        kill_after_parts(&load);
    }
}

#[test]
fn a_run_reclaiming_its_sources_can_be_killed_at_any_step() {
    needs_failpoints();
    let load = three_files(Kind::Postgres).audited();
    for lost in ["after-fence", "mid-copy", "after-dead-letters", "before-commit", "after-commit"] {
        for point in RECLAIM_POINTS {
            for passed in 0..2 {
                load.reset();
                load.call().lose_at(lost, passed).kill_at(point, 0).run().killed();
                check(&load);
                load.wait_alone();
                load.run().exit(3);
                assert!(check(&load).is_complete, "{lost} after {passed}, then {point}");
            }
        }
    }
}

/// The points at which no message is under way, so no connection can be lost there.
const NOT_ON_THE_LINE: [&str; 3] = ["before-open", "before-chunk", "between-batches"];

#[test]
fn a_run_that_loses_its_connection_at_any_step_continues_by_itself() {
    needs_failpoints();
    let makes_the_target = three_files(Kind::Postgres).audited();
    lose_everywhere(&makes_the_target, &Verdicts::default(), &[&MERGING, &REFUSING]);
    let merges_and_refuses = three_files(Kind::Postgres).key("[\"id\"]").given(
        "CREATE TABLE t (id bigint PRIMARY KEY CHECK (id % 9 <> 4), level text, message text,
                         ratio double precision, at {timestamp})",
    );
    let is_refused = |row: &Values| row["id"].as_i64().unwrap() % 9 == 4;
    let verdicts = Verdicts::refusing(&merges_and_refuses, "23514", &is_refused);
    lose_everywhere(&merges_and_refuses, &verdicts, &[&MAKING_THE_TARGET]);
}

/// Loses the connection at each point. `misses` lists the points that this load never reaches.
fn lose_everywhere(load: &Load, verdicts: &Verdicts, misses: &[&[&str]]) {
    let mut missed = Vec::new();
    for &point in POINTS.iter().chain(&LAST_POINTS).chain(&RECLAIM_POINTS) {
        if NOT_ON_THE_LINE.contains(&point) {
            continue;
        }
        let call = || match RECLAIM_POINTS.contains(&point) {
            true => load.call().lose_at("after-fence", 1),
            false => load.call(),
        };
        // A run does not report a single short loss, so kill one first to see whether it reaches the point
        // at all.
        load.reset();
        if !call().kill_at(point, 0).run().is_killed() {
            missed.push(point);
            continue;
        }
        for passed in 0..2 {
            load.reset();
            call().lose_at(point, passed).run().exit(3);
            let state = check_against(load, verdicts);
            assert!(state.is_complete, "{point} after {passed}: {state:?}");
        }
    }
    assert_eq!(missed, misses.concat(), "the load came by other points than it should");
}

fn a_load_killed_again_and_again_while_it_recovers_comes_to_its_end(kind: Kind) {
    needs_failpoints();
    let test = "a_load_killed_again_and_again_while_it_recovers_comes_to_its_end";
    trials(&named(kind, test), 15, |mut rng| {
        let load = random_load(kind, &mut rng);
        for _ in 0..rng.usize(1..=5) {
            let (point, passed) = (rng.choice(POINTS).unwrap(), rng.usize(..6));
            let call = load.call().kill_at(point, passed);
            let lost = ["after-fence", "mid-copy", "before-commit", "after-commit"];
            // Only PostgreSQL has a connection to lose.
            let call = match rng.u8(..3) {
                _ if kind != Kind::Postgres => call,
                0 => call.lose_at(rng.choice(lost).unwrap(), rng.usize(..3)),
                1 => call
                    .lose_at(rng.choice(lost).unwrap(), rng.usize(..3))
                    .kill_at(rng.choice(RECLAIM_POINTS).unwrap(), 0),
                _ => call,
            };
            call.run();
            check(&load);
            load.wait_alone();
        }
        load.run().done();
        assert!(check(&load).is_complete);
    });
}

fn a_load_killed_at_any_moment_is_whole_and_goes_on(kind: Kind) {
    let (mut told, mut underway) = (0, 0);
    trials(&named(kind, "a_load_killed_at_any_moment_is_whole_and_goes_on"), 25, |mut rng| {
        // One in four is long enough that a kill must fall among its batches.
        let load = match rng.u8(..4) {
            0 => Load::of(log(rng.u64(..), 1_500)).to(kind).schema(SCHEMA).batches_of(10),
            _ => random_load(kind, &mut rng),
        };
        let began = Instant::now();
        load.run().done();
        let whole = began.elapsed();
        load.reset();
        // The seed fixes the whole story except where in its work each kill falls.
        for _ in 0..rng.usize(1..=4) {
            let mut run = load.call().start();
            // A run begins with preparations and a small load has few batches, so half of the kills wait for
            // the first batch.
            let mut part = rng.f64();
            if rng.bool() {
                wait_until("the first batch", || run.has_ended() || check(&load).is_underway());
                part /= 50.0;
            }
            std::thread::sleep(whole.mul_f64(part));
            run.kill();
            underway += usize::from(check(&load).is_underway());
            // In half of the cases, the next run meets the backend of the last.
            if rng.bool() {
                load.wait_alone();
            }
        }
        load.run().done();
        assert!(check(&load).is_complete);
        told += 1;
    });
    // A single trial that is repeated alone may miss.
    assert!(underway > 0 || told == 1, "no kill fell between the first batch and the last");
}

/// The test name of a story.
fn named(kind: Kind, story: &str) -> String {
    format!("crash::{}::{story}", kind.word("postgres", "sqlite"))
}

/// A load of random shape.
fn random_load(kind: Kind, rng: &mut Rng) -> Load {
    let mut load = Load::empty().to(kind).schema(SCHEMA);
    for name in ["a", "b", "c", "d"].iter().take(rng.usize(1..=4)) {
        let end = ["", "", ".gz", ".zst"][rng.usize(..4)];
        load = load.file(&format!("{name}.ndjson{end}"), log(rng.u64(..), rng.usize(..200)));
    }
    load = load
        .batches_of(rng.usize(1..80))
        .pipeline(&format!("chunk_size = {}", rng.usize(1..4000)))
        .pipeline(&format!("threads = {}", rng.usize(1..4)));
    match rng.u8(..8) {
        0 | 1 => load,
        2 | 3 => load.audited(),
        4 => load.key("none"),
        5 => load.key("content"),
        6 => load.schema(ORDERED).key("[\"level\"]").destination("on_conflict = \"newest(id)\""),
        _ => load.key("[\"id\"]"),
    }
}
