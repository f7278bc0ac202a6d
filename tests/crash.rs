//! Killed (SIGKILL) at every step, at any moment, and again while it recovers.
//!
//! The state is checked at the crash, not only at the end: an upsert forgives at the end
//! what was done twice in between. Several shapes of load go through the same steps, since
//! each takes another way: straight into the target, by the stage, row by row where the
//! server refuses some.

use std::time::Duration;

use fastrand::Rng;

use crate::harness::load::{Load, has_failpoints};
use crate::harness::log::{SCHEMA, log};
use crate::harness::oracle::{Verdicts, check, check_against};
use crate::harness::trials::{factor, trials};

/// Every point at which a run can die, in the order in which it comes by.
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

/// The points at the end of a run, which are passed once.
const LAST_POINTS: [&str; 2] = ["before-finish", "mid-finish"];

/// The points of a run that has lost its connection and takes again what is its own.
const RECLAIM_POINTS: [&str; 4] = ["before-reclaim", "mid-reclaim", "before-reclaim-commit", "after-reclaim"];

/// Three files, the middle one empty, in batches that span them.
fn three_files() -> Load {
    Load::empty()
        .file("a.ndjson", log(1, 60))
        .file("b.ndjson", "")
        .file("c.ndjson", log(2, 45))
        .schema(SCHEMA)
        .batches_of(20)
}

/// How often a point is passed before the kill.
#[derive(Clone, Copy)]
enum Passings {
    /// Never, once and twice, each in its turn.
    Each,
    /// One of these for each point; each in the long form.
    One,
}

/// Kills the load at each point; checks, runs it again and checks. `misses` are the points
/// that this load never comes by.
fn kill_everywhere(load: &Load, passings: Passings, misses: &[&str], prepare: impl Fn(&Load)) {
    let verdicts = match load.given_sql() {
        "" => Verdicts::default(),
        _ => Verdicts::of(load),
    };
    // Whether it came by so often.
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
    assert_eq!(missed, misses, "the load came by other points than it should");
}

#[test]
fn a_load_killed_at_any_step_is_whole_and_goes_on() {
    if has_failpoints() {
        kill_everywhere(
            &three_files(),
            Passings::Each,
            &["before-merge", "mid-merge", "after-refusal"],
            |_| {},
        );
    }
}

#[test]
fn each_row_is_applied_once_wherever_a_load_is_killed() {
    if has_failpoints() {
        kill_everywhere(
            &three_files().audited(),
            Passings::Each,
            &["before-merge", "mid-merge", "after-refusal"],
            |_| {},
        );
    }
}

#[test]
fn a_load_of_which_the_server_refuses_rows_can_be_killed_anywhere() {
    if has_failpoints() {
        let load = three_files()
            .given(
                "CREATE TABLE t (id bigint CHECK (id % 9 <> 4), level text, message text, ratio float, at timestamptz,
                                 UNIQUE (message, level, ratio), {key})",
            )
            .audited();
        let misses = ["before-target-commit", "after-target", "before-merge", "mid-merge"];
        kill_everywhere(&load, Passings::One, &misses, |_| {});
    }
}

/// Files as they are when they are loaded first. One ends within a record, one just before a
/// line end, one within a bad record; and two end in a row that grows by a blank, and by
/// something that makes it none.
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

fn growing_files() -> Load {
    let load = Load::empty().schema(SCHEMA).batches_of(10);
    young_files(&load);
    load
}

fn grow(load: &Load) {
    young_files(load);
    load.run().exit(3);
    assert!(check(load).is_complete);
    grown_files(load);
}

const NOT_THE_FIRST: [&str; 4] =
    ["before-tables-commit", "after-tables", "before-target-commit", "after-target"];

#[test]
fn a_line_that_grew_is_read_again_once_wherever_a_load_is_killed() {
    if has_failpoints() {
        let misses = [&NOT_THE_FIRST[..], &["after-refusal"]].concat();
        kill_everywhere(&growing_files(), Passings::One, &misses, grow);
    }
}

#[test]
fn a_line_that_grew_is_read_again_once_into_a_target_with_triggers() {
    if has_failpoints() {
        let misses = [&NOT_THE_FIRST[..], &["mid-merge", "after-refusal"]].concat();
        kill_everywhere(&growing_files().audited(), Passings::One, &misses, grow);
    }
}

#[test]
fn the_last_of_a_key_stays_wherever_a_load_is_killed() {
    if has_failpoints() {
        kill_everywhere(&three_files().key("[\"id\"]"), Passings::One, &["after-refusal"], |_| {});
    }
}

#[test]
fn the_first_of_a_key_stays_wherever_a_load_is_killed() {
    if has_failpoints() {
        let load = three_files().key("[\"id\"]").destination("on_conflict = \"keep\"");
        kill_everywhere(&load, Passings::One, &["after-refusal"], |_| {});
    }
}

#[test]
fn without_a_key_too_each_row_is_there_once() {
    if has_failpoints() {
        kill_everywhere(
            &three_files().key("none"),
            Passings::One,
            &["before-merge", "mid-merge", "after-refusal"],
            |_| {},
        );
    }
}

#[test]
fn a_run_that_takes_back_its_own_can_be_killed_at_any_step_of_it() {
    if !has_failpoints() {
        return;
    }
    let load = three_files().audited();
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

#[test]
fn a_run_that_loses_its_connection_at_any_step_goes_on_by_itself() {
    if !has_failpoints() {
        return;
    }
    let load = three_files().audited();
    for point in POINTS.iter().chain(&RECLAIM_POINTS) {
        for passed in 0..2 {
            load.reset();
            let call = load.call().lose_at(point, passed);
            let call = if RECLAIM_POINTS.contains(point) { call.lose_at("after-fence", 1) } else { call };
            call.run().exit(3);
            assert!(check(&load).is_complete, "{point} after {passed}");
        }
    }
}

#[test]
fn a_load_killed_again_and_again_while_it_recovers_comes_to_its_end() {
    if !has_failpoints() {
        return;
    }
    trials("crash::a_load_killed_again_and_again_while_it_recovers_comes_to_its_end", 15, |mut rng| {
        let load = random_load(&mut rng);
        for _ in 0..rng.usize(1..=5) {
            let (point, passed) = (rng.choice(POINTS).unwrap(), rng.usize(..6));
            let call = load.call().kill_at(point, passed);
            let lost = ["after-fence", "mid-copy", "before-commit", "after-commit"];
            let call = match rng.u8(..3) {
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
        load.run();
        assert!(check(&load).is_complete);
    });
}

#[test]
fn a_load_killed_at_any_moment_is_whole_and_goes_on() {
    trials("crash::a_load_killed_at_any_moment_is_whole_and_goes_on", 25, |mut rng| {
        let load = random_load(&mut rng);
        // The work of a run is over in this time; where in it the kill falls is not ours to
        // say, so the same seed is the same story but for this.
        for _ in 0..rng.usize(1..=4) {
            let run = load.call().start();
            std::thread::sleep(Duration::from_micros(rng.u64(..80_000)));
            run.kill();
            check(&load);
            // Half the time the next run meets the backend of the last.
            if rng.bool() {
                load.wait_alone();
            }
        }
        load.run();
        assert!(check(&load).is_complete);
    });
}

/// A load of any shape.
fn random_load(rng: &mut Rng) -> Load {
    let mut load = Load::empty().schema(SCHEMA);
    for name in ["a", "b", "c", "d"].iter().take(rng.usize(1..=4)) {
        load = load.file(&format!("{name}.ndjson"), log(rng.u64(..), rng.usize(..200)));
    }
    load = load
        .batches_of(rng.usize(1..80))
        .pipeline(&format!("chunk_size = {}", rng.usize(1..4000)))
        .pipeline(&format!("threads = {}", rng.usize(1..4)));
    match rng.u8(..6) {
        0 | 1 => load,
        2 | 3 => load.audited(),
        4 => load.key("none"),
        _ => load.key("[\"id\"]"),
    }
}
