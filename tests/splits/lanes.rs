//! Lanes: several connections that write in parallel produce what one produces, wherever they are killed,
//! cut, taken over or refused.

use serde_json::Value;

use super::{Left, left, loads};
use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, good_log, log};
use crate::harness::run::needs_failpoints;

/// Files of all sizes: some are distributed to lanes, and one is cut.
fn many_files() -> Load {
    let load = Load::empty().schema(SCHEMA).file("b.ndjson", log(7, 400)).batches_of(60);
    for number in 0..8 {
        load.write(&format!("a{number}.ndjson"), log(20 + number, 10));
        load.write(&format!("c{number}.ndjson"), log(40 + number, 10));
    }
    load
}

/// The result of a load with one lane; then the destination is emptied.
fn of_one_lane(load: &Load) -> (Left, Value) {
    let ended = load.run();
    ended.exit(3);
    assert_eq!(ended.result("/lanes"), 1);
    let whole = left(load);
    load.reset();
    (whole, ended.result("/reasons"))
}

/// The number of splits of those sources that have several.
fn parts(load: &Load) -> i64 {
    load.ask(
        "SELECT count(*) FROM logmill.checkpoints c
         WHERE EXISTS (SELECT FROM logmill.checkpoints o WHERE o.source_id = c.source_id AND o.split_start > 0)",
    )
}

#[test]
fn lanes_leave_what_one_lane_leaves() {
    let shapes = loads(Kind::Postgres).into_iter().map(|load| load.pipeline("chunk_size = \"100B\""));
    for load in shapes.chain([many_files()]) {
        let (whole, reasons) = of_one_lane(&load);
        let ended = load.call().arg("--lanes").arg("3").run();
        ended.exit(3);
        assert_eq!(ended.result("/lanes"), 3);
        assert_eq!(ended.result("/sources/loaded"), load.files().len());
        assert_eq!(left(&load), whole);
        // With the lines of the files, whichever lane met the records.
        assert_eq!(ended.result("/reasons"), reasons);
        assert!((2..=3).contains(&parts(&load)), "one file is cut, at the borders");
        let before = load.versions();
        load.call().arg("--lanes").arg("2").run().exit(3);
        assert_eq!(load.versions(), before, "a second run changes nothing");
    }
}

/// Points at which a run with several lanes can die.
const POINTS: [&str; 19] = [
    "before-cut",
    "before-cut-commit",
    "after-cut",
    "after-claim",
    "before-reclaim",
    "mid-reclaim",
    "before-reclaim-commit",
    "after-reclaim",
    "before-open",
    "before-chunk",
    "before-begin",
    "before-fence",
    "mid-copy",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "between-batches",
    "before-finish",
];

#[test]
fn lanes_that_are_killed_at_any_step_are_gone_on_with() {
    needs_failpoints();
    let load = many_files();
    let (whole, _) = of_one_lane(&load);
    for (number, point) in POINTS.iter().enumerate() {
        for passed in [0, number % 4 + 1] {
            let ended = load.call().arg("--lanes").arg("3").kill_at(point, passed).run();
            assert!(ended.is_killed() || passed > 0, "{point} was not passed");
            load.wait_alone();
            // With more, fewer or no lanes, existing splits stay as they are.
            load.call().arg("--lanes").arg(["1", "2", "5"][number % 3]).run().exit(3);
            assert_eq!(left(&load), whole, "killed at {point} after {passed}");
            load.reset();
        }
    }
}

#[test]
fn lanes_that_lose_a_connection_at_any_step_continue_by_themselves() {
    needs_failpoints();
    let load = many_files();
    let (whole, _) = of_one_lane(&load);
    for (number, point) in POINTS.iter().enumerate().filter(|(_, point)| !point.ends_with("-open")) {
        let ended = load.call().arg("--lanes").arg("3").lose_at(point, number % 3).run();
        ended.exit(3);
        assert_eq!(left(&load), whole, "lost at {point}");
        load.reset();
    }
}

#[test]
fn lanes_are_taken_over_all_at_once_and_change_nothing_when_they_wake() {
    needs_failpoints();
    let load = many_files();
    let (whole, _) = of_one_lane(&load);
    for point in
        ["after-cut", "after-reclaim", "before-fence", "mid-copy", "before-commit", "between-batches"]
    {
        let zombie = load.call().arg("--lanes").arg("3").stop_at(point, 1).start();
        let mut zombie = zombie;
        if !zombie.stops() {
            // The run passes this point once.
            zombie.wait().exit(3);
            load.reset();
            zombie = load.call().arg("--lanes").arg("3").stop_at(point, 0).start().wait_stopped();
        }
        load.call().arg("--wait").arg("1s").run().exit(6).tells("is held by");
        load.call().arg("--take-over").arg("--lanes").arg("2").run().exit(3);
        assert_eq!(left(&load), whole, "{point}");
        let before = load.versions();
        zombie.wake();
        zombie.wait().exit(6).says("another run has taken over");
        assert_eq!(load.versions(), before, "{point}");
        load.reset();
    }
}

#[test]
fn if_one_lane_fails_the_others_end() {
    needs_failpoints();
    let load = many_files();
    let (whole, _) = of_one_lane(&load);
    for passed in 0..4 {
        load.call().arg("--lanes").arg("3").panic_at("after-rows", passed).run().exit(1);
        load.wait_alone();
        load.call().arg("--lanes").arg("3").run().exit(3);
        assert_eq!(left(&load), whole);
        load.reset();
    }
}

/// Forty thousand keys in one order and then in the other: lanes that merged rows as they arrive would wait
/// for each other in a deadlock.
#[test]
fn lanes_that_write_the_same_keys_do_not_wait_for_each_other() {
    let lines = |keys: &mut dyn Iterator<Item = u32>, age: u32| {
        let lines = keys.map(|key| format!("{{\"k\":{key},\"n\":{age},\"v\":\"{age} of {key}\"}}\n"));
        lines.collect::<String>()
    };
    let load = Load::empty()
        .file("a.ndjson", lines(&mut (0..40_000), 1))
        .file("b.ndjson", lines(&mut (0..40_000).rev(), 2))
        .file("c.ndjson", lines(&mut (0..40_000), 3))
        .file("d.ndjson", lines(&mut (0..40_000).rev(), 4))
        .schema("k int, n int, v text")
        .key("[\"k\"]")
        .destination("on_conflict = \"newest(n)\"");
    // Batches with existing rows go through the stage from the first one on.
    load.run().exit(0);
    let whole = load.rows();
    assert_eq!(whole.len(), 40_000);
    load.sql("DROP SCHEMA logmill CASCADE; UPDATE t SET n = 0, v = 'old'");
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let before: i64 = load.ask(deadlocks);
    let ended = load.call().arg("--lanes").arg("4").run();
    ended.exit(0);
    assert_eq!(ended.result("/lanes"), 4);
    assert_eq!(load.rows(), whole);
    load.wait_alone();
    assert_eq!(load.ask::<i64>(deadlocks) - before, 0, "deadlocks");
}

#[test]
fn if_the_order_matters_there_is_one_lane() {
    for on_conflict in ["update", "keep"] {
        let load = many_files().key("[\"id\"]").destination(&format!("on_conflict = \"{on_conflict}\""));
        load.run().exit(3);
        let whole = load.rows();
        load.reset();
        let ended = load.call().arg("--lanes").arg("3").run();
        ended.exit(3).says("the order of the records decides which row stays");
        assert_eq!((ended.result("/lanes"), parts(&load)), (1.into(), 0));
        assert_eq!(load.rows(), whole);
    }
}

#[test]
fn a_connection_limit_reduces_the_lanes() {
    let load = many_files();
    let (whole, _) = of_one_lane(&load);
    let (database, role) = (load.database().name().to_owned(), format!("{}_two", load.database().name()));
    load.sql(&format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT 2; GRANT CREATE ON DATABASE {database} TO {role};
         GRANT ALL ON SCHEMA public, audit TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA audit TO {role};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA audit TO {role}"
    ));
    let url = load.database().url().replace("postgres@", &format!("{role}@"));
    let ended = load.call().into(&url).arg("--lanes").arg("4").run();
    ended.exit(3).says("has room for only 2 of 4 lanes");
    assert_eq!(ended.result("/lanes"), 2);
    assert_eq!(left(&load), whole);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_has_one_lane() {
    let load = Load::of(good_log(1, 2000)).to(Kind::Sqlite).schema(SCHEMA).batches_of(300);
    let ended = load.call().arg("--lanes").arg("3").run();
    ended.exit(0).says("one lane");
    assert_eq!(ended.result("/lanes"), 1);
}
