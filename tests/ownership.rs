//! Several runs of one job: one loads, the others leave, and a run that was wrongly taken for dead changes
//! nothing.

use serde_json::{Value, json};

#[cfg(feature = "sqlite")]
use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, good_log, log};
use crate::harness::oracle::{check, check_complete};
use crate::harness::run::needs_failpoints;
use crate::harness::wait_until;

fn two_files() -> Load {
    Load::empty()
        .file("a.ndjson", log(11, 50))
        .file("b.ndjson", log(12, 50))
        .schema(SCHEMA)
        .batches_of(15)
        .audited()
}

/// The points at which a run holds its sources.
const HOLDING: [&str; 11] = [
    "after-claim",
    "before-chunk",
    "before-begin",
    "before-fence",
    "after-fence",
    "mid-copy",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "between-batches",
];

#[test]
fn a_run_that_wakes_after_a_take_over_changes_nothing_and_says_so() {
    wake_after_take_over(&two_files(), &HOLDING);
}

fn wake_after_take_over(load: &Load, points: &[&'static str]) {
    load.at_each(points, |point, zombie| {
        check(load);
        load.call().arg("--take-over").run().exit(3);
        check_complete(load);
        let before = load.versions();
        zombie.wake();
        zombie.wait().exit(6).says("another run has taken over");
        assert_eq!(load.versions(), before, "{point}");
        check_complete(load);
    });
}

#[test]
fn a_run_that_wakes_in_the_middle_of_its_successor_changes_nothing() {
    let load = two_files();
    load.at_each(&HOLDING, |_, zombie| {
        let successor = load.call().arg("--take-over").stop_at("before-commit", 1).start().wait_stopped();
        zombie.wake();
        zombie.wait().exit(6);
        check(&load);
        successor.wake();
        successor.wait().exit(3);
        check_complete(&load);
    });
}

/// A successor terminates the backend of its predecessor. Where it cannot, the epoch alone must suffice.
#[test]
fn a_run_that_kept_its_connection_is_stopped_by_the_epoch() {
    needs_failpoints();
    let load = two_files();
    for point in ["before-begin", "before-fence", "between-batches"] {
        load.reset();
        let zombie = load.call().stop_at(point, 1).start().wait_stopped();
        load.sql("UPDATE logmill.checkpoints SET epoch = epoch + 1, owner_run = 99");
        let before = load.versions();
        zombie.wake();
        zombie.wait().exit(6).says("another run has taken over");
        assert_eq!(load.versions(), before, "{point}");
        check(&load);
    }
}

#[test]
fn a_run_that_wakes_before_its_claim_finds_the_work_done() {
    needs_failpoints();
    let load = two_files();
    for point in ["before-prepare", "after-prepare", "before-claim"] {
        load.reset();
        let late = load.call().stop_at(point, 0).start().wait_stopped();
        load.run().exit(3);
        let before = load.versions();
        late.wake();
        late.wait().exit(3);
        assert_eq!(load.versions(), before, "{point}");
    }
}

#[test]
fn a_run_that_reconnects_during_a_take_over_still_loses() {
    needs_failpoints();
    let load = two_files();
    let owner = load.call().stop_at("before-commit", 1).stop_at("after-reclaim", 0).start().wait_stopped();
    let successor = load.call().arg("--take-over").stop_at("mid-take-over", 0).start().wait_stopped();
    // Its backend was terminated. It notices, reconnects and reclaims everything.
    owner.wake();
    let owner = owner.wait_stopped();
    successor.wake();
    successor.wait().exit(3);
    check_complete(&load);
    owner.wake();
    owner.wait().exit(6).says("another run has taken over");
    check_complete(&load);
}

#[test]
fn a_run_in_full_swing_is_taken_over() {
    let load = Load::of(good_log(0, 30_000))
        .schema(SCHEMA)
        .pipeline("batch_rows = 100")
        .pipeline("chunk_size = 3000");
    let owner = load.call().start();
    wait_until("the first batch", || {
        load.client().query_one("SELECT count(*) FROM audit.moves", &[]).unwrap().get::<_, i64>(0) > 0
    });
    load.call().arg("--take-over").run().exit(0);
    check_complete(&load);
    // On a very slow machine it may have finished before the take-over.
    let code = owner.wait().code();
    assert!(code == Some(6) || code == Some(0), "{code:?}");
}

#[test]
fn a_run_reports_its_commits_however_it_ends() {
    tells_what_it_committed(&long_file());
}

#[cfg(feature = "sqlite")]
#[test]
fn a_run_into_a_file_reports_its_commits_however_it_ends() {
    tells_what_it_committed(&long_file().to(Kind::Sqlite));
}

fn long_file() -> Load {
    let content = [log(11, 400), b"\n".to_vec(), good_log(400, 400)].concat();
    Load::of(content).schema(SCHEMA).batches_of(10)
}

fn tells_what_it_committed(load: &Load) {
    needs_failpoints();
    let numbers = |sql: &str| -> Vec<i64> {
        load.made().look(|snapshot| snapshot.query(sql)).remove(0).iter().map(|cell| cell.int()).collect()
    };
    let committed = || {
        let all = "CAST(sum(inserted + updated + unchanged + superseded + rejected) AS bigint)";
        numbers(&format!("SELECT {all}, CAST(sum(rejected) AS bigint) FROM {}", load.ours("checkpoints")))
    };
    let told =
        |run: i64| numbers(&format!("SELECT records, rejected FROM {} WHERE id = {run}", load.ours("runs")));

    // A worker's panic ends the run after everything before its chunk is committed.
    let failed = load.call().panic_at("before-chunk", 60).run();
    failed.exit(1).says("panicked");
    let counts = committed();
    assert!(counts[0] > 100 && counts[1] > 0, "{counts:?}");
    assert_eq!(told(1), counts);
    let found = ["/counts/records", "/counts/rejected", "/outcome", "/open_dead_letters"];
    let found = found.map(|pointer| failed.result(pointer));
    assert_eq!(found, [json!(counts[0]), json!(counts[1]), json!("failed"), Value::Null]);
    assert!(failed.result("/error").as_str().is_some_and(|error| error.contains("panicked")));

    load.reset();
    let overtaken = load.call().stop_at("between-batches", 3).start().wait_stopped();
    let counts = committed();
    assert!(counts[0] > 0, "{counts:?}");
    load.call().arg("--take-over").run().done();
    overtaken.wake();
    let overtaken = overtaken.wait();
    overtaken.exit(6);
    let found = ["/counts/records", "/counts/rejected", "/outcome"].map(|pointer| overtaken.result(pointer));
    assert_eq!(found, [json!(counts[0]), json!(counts[1]), json!("held")]);
    assert_eq!(told(1), counts);
    check_complete(load);
}

#[test]
fn a_take_over_replaces_every_owner_of_a_job() {
    needs_failpoints();
    let load = two_files();
    let path = |name| load.path(name).display().to_string();
    let one = load.call().arg(&path("a.ndjson")).stop_at("before-commit", 0).start().wait_stopped();
    let other = load.call().arg(&path("b.ndjson")).stop_at("after-fence", 1).start().wait_stopped();
    load.call().arg("--take-over").run().exit(3);
    check_complete(&load);
    for zombie in [one, other] {
        zombie.wake();
        zombie.wait().exit(6);
    }
    check_complete(&load);
}

#[test]
fn one_of_ten_concurrent_runs_loads_and_nine_leave() {
    needs_failpoints();
    let load = two_files();
    let owner = load.call().stop_at("before-commit", 1).start().wait_stopped();
    let others: Vec<_> = (0..9).map(|_| load.call().start()).collect();
    for other in others {
        other.wait().exit(6).says("is held by run 1").says("--take-over");
    }
    check(&load);
    owner.wake();
    owner.wait().exit(3);
    check_complete(&load);
}

#[test]
fn ten_simultaneous_runs_load_a_job_once() {
    let load = two_files();
    for _ in 0..3 {
        load.reset();
        let runs: Vec<_> = (0..10).map(|_| load.call().start()).collect();
        let codes: Vec<Option<i32>> = runs.into_iter().map(|run| run.wait().code()).collect();
        // A run that starts after the first has finished finds everything done.
        assert!(codes.iter().all(|code| matches!(code, Some(3 | 6))), "{codes:?}");
        assert!(codes.contains(&Some(3)), "{codes:?}");
        check_complete(&load);
    }
}

#[test]
fn ten_simultaneous_first_runs_create_the_tables_without_a_race() {
    let first = Load::of(log(20, 30)).schema(SCHEMA).named("job0").batches_of(7).audited();
    let others = (1..10).map(|number| {
        let load = Load::of(log(20 + number, 30)).schema(SCHEMA).named(&format!("job{number}"));
        load.batches_of(7).audited().beside(&first)
    });
    let others: Vec<Load> = others.collect();
    for _ in 0..3 {
        first.reset();
        let runs: Vec<_> = std::iter::once(&first).chain(&others).map(|load| load.call().start()).collect();
        for run in runs {
            run.wait().exit(3);
        }
        for load in others.iter().chain([&first]) {
            check_complete(load);
        }
    }
}

#[test]
fn an_owner_that_finishes_during_a_claim_is_not_mistaken() {
    needs_failpoints();
    let load = two_files();
    let owner = load.call().stop_at("before-commit", 1).start().wait_stopped();
    // It has read how far the sources are, but not yet who holds them.
    let newcomer = load.call().stop_at("after-memories", 0).start().wait_stopped();
    owner.wake();
    owner.wait().exit(3);
    newcomer.wake();
    newcomer.wait().exit(3);
    check_complete(&load);
}

#[test]
fn an_owner_that_dies_during_a_claim_is_succeeded() {
    needs_failpoints();
    let load = two_files();
    let owner = load.call().stop_at("before-commit", 1).kill_at("after-rows", 2).start().wait_stopped();
    let newcomer = load.call().stop_at("after-memories", 0).start().wait_stopped();
    owner.wake();
    owner.wait().killed();
    check(&load);
    newcomer.wake();
    newcomer.wait().exit(3);
    check_complete(&load);
}

/// A role that can do everything a load needs, but cannot see other sessions.
fn plain_role(load: &Load, name: &str) -> String {
    load.sql(&format!(
        "CREATE ROLE {name} LOGIN; GRANT ALL ON SCHEMA public, logmill TO {name};
         GRANT ALL ON ALL TABLES IN SCHEMA public, logmill, audit TO {name};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA logmill, audit TO {name}; GRANT USAGE ON SCHEMA audit TO {name}"
    ));
    load.database().url().replace("postgres@", &format!("{name}@"))
}

#[test]
fn an_owner_of_another_role_counts_as_alive_and_is_not_ended_without_the_right() {
    needs_failpoints();
    let load = two_files();
    // The tables exist and are empty.
    load.call().kill_at("before-claim", 0).run().killed();
    load.wait_alone();
    let stranger = plain_role(&load, &format!("{}_stranger", load.database().name()));
    let owner = load.call().stop_at("before-commit", 1).start().wait_stopped();
    let waits = load.call().into(&stranger).start();
    let takes = load.call().into(&stranger).arg("--take-over").run();
    takes.exit(6).says("GRANT pg_signal_backend");
    waits.wait().exit(6).says("is held by run");
    check(&load);
    owner.wake();
    owner.wait().exit(3);
    check_complete(&load);
    // Once the owner is gone, anyone may resume: no process has that id any more.
    load.wait_alone();
    load.write("b.ndjson", [log(12, 50), b"\n".to_vec(), good_log(100, 5)].concat());
    load.call().into(&stranger).run().exit(3);
    assert!(check(&load).is_complete);
}

/// A run that is stopped within a transaction on a SQLite file blocks all others; these points are outside
/// of transactions.
#[cfg(feature = "sqlite")]
#[test]
fn a_run_that_wakes_after_a_take_over_changes_nothing_in_a_file() {
    let points = ["after-claim", "before-chunk", "before-begin", "after-commit", "between-batches"];
    wake_after_take_over(&two_files().to(Kind::Sqlite), &points);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_run_stopped_within_a_file_transaction_is_waited_for() {
    needs_failpoints();
    let load = two_files().to(Kind::Sqlite);
    for point in ["after-fence", "mid-copy", "before-commit"] {
        load.reset();
        let owner = load.call().stop_at(point, 1).start().wait_stopped();
        check(&load);
        let mut successor = load.call().arg("--take-over").start();
        successor.wait_says("database is locked");
        owner.wake();
        // Either of the two may be the next to write.
        let code = owner.wait().code();
        assert!(code == Some(6) || code == Some(3), "{point}: {code:?}");
        successor.wait().exit(3);
        check_complete(&load);
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn one_of_two_runs_into_a_file_loads_and_the_other_waits() {
    needs_failpoints();
    let load = two_files().to(Kind::Sqlite);
    let owner = load.call().stop_at("between-batches", 1).start().wait_stopped();
    let mut other = load.call().start();
    other.wait_says("is held by run 1");
    owner.wake();
    owner.wait().exit(3);
    other.wait().exit(3);
    check_complete(&load);
}

#[cfg(feature = "sqlite")]
#[test]
fn a_take_over_of_a_file_holds_after_the_old_owner_is_gone() {
    needs_failpoints();
    let load = two_files().to(Kind::Sqlite);
    let owner = load.call().stop_at("between-batches", 0).start().wait_stopped();
    let successor = load.call().arg("--take-over").stop_at("before-begin", 0).stop_at("after-commit", 1);
    let successor = successor.start().wait_stopped();
    owner.wake();
    owner.wait().exit(6);
    successor.wake();
    let successor = successor.wait_stopped();
    let mut third = load.call().start();
    third.wait_says("is held by run 2");
    successor.wake();
    successor.wait().exit(3);
    third.wait().exit(3);
    check_complete(&load);
}
