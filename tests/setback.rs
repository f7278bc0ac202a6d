//! A destination loses acknowledged commits, because a lagging standby takes over or a backup is restored.
//! Rows, dead letters and checkpoints go back together; the run that was told of them notices and loads them
//! again.

use crate::harness::destination::Kind;
use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, log};
use crate::harness::oracle::{check, check_complete};
use crate::harness::postgres::{Options, Server};
use crate::harness::run::{Call, Ended, Running};

/// Two files, in batches smaller than either.
fn two_files() -> Load {
    Load::empty().file("a.ndjson", log(51, 60)).file("b.ndjson", log(52, 60)).schema(SCHEMA).batches_of(15)
}

/// Where the backup is made and where it is restored, by the passes of each point.
struct Story {
    name: &'static str,
    stops: fn(Call<'_>) -> Call<'_>,
}

const STORIES: [Story; 7] = [
    Story { name: "the last batch", stops: |call| call.stop_twice_at("before-begin", 2, 1) },
    Story { name: "several batches", stops: |call| call.stop_twice_at("before-begin", 1, 3) },
    Story {
        name: "the end of one file, while another is loaded",
        stops: |call| call.stop_twice_at("before-begin", 2, 3),
    },
    Story {
        name: "the sources themselves",
        stops: |call| call.stop_at("after-prepare", 0).stop_at("before-begin", 3),
    },
    Story {
        name: "the claim alone",
        stops: |call| call.stop_at("after-prepare", 0).stop_at("before-begin", 0),
    },
    Story {
        name: "the row of the run, and all that came after",
        stops: |call| call.stop_at("after-target", 0).stop_at("before-begin", 4),
    },
    Story {
        name: "what the COMMIT that is on its way comes after",
        stops: |call| call.stop_at("between-batches", 1).stop_at("after-commit", 4),
    },
];

/// Asserts that the reported counts match the tables.
#[track_caller]
fn tells_the_truth(load: &Load, ended: &Ended<'_>) {
    let counted = |name: &str| ended.result(&format!("/counts/{name}")).as_i64().unwrap();
    let stored = |what: &str, from: &str| {
        let sql = format!("SELECT CAST({what} AS bigint) FROM {from}");
        load.made().look(|snapshot| snapshot.query(&sql)).remove(0).remove(0).int()
    };
    for name in ["inserted", "rejected", "unchanged", "blank"] {
        assert_eq!(counted(name), stored(&format!("sum({name})"), &load.ours("checkpoints")), "{name}");
    }
    assert_eq!(counted("inserted"), stored("count(*)", "t"));
    assert_eq!(counted("rejected"), stored("count(*)", &load.ours("dead_letters")));
    let run = stored("max(id)", &load.ours("runs"));
    assert_eq!(ended.result("/run").as_i64(), Some(run));
    let of_run = format!("{} WHERE id = {run}", load.ours("runs"));
    assert_eq!(counted("records"), stored("records", &of_run));
    assert_eq!(stored("exit_code", &of_run), 3);
    assert_eq!(ended.result("/sources/loaded"), 2);
}

/// Acts while a run is stopped, and resumes it to its next stop.
fn go_on<'l>(run: Running<'l>, meanwhile: impl FnOnce()) -> Running<'l> {
    meanwhile();
    run.wake();
    run
}

#[test]
fn commits_lost_by_a_server_are_loaded_again_in_the_same_run() {
    let load = two_files().on(&Server::start(Options::default())).audited();
    for story in &STORIES {
        eprintln!("{}", story.name);
        load.reset();
        let server = load.database().server();
        let run = go_on((story.stops)(load.call()).start().wait_stopped(), || server.back_up());
        let run = go_on(run.wait_stopped(), || {
            server.put_back();
            check(&load);
        });
        let ended = run.wait();
        ended.exit(3).says("the destination has lost commits that it had acknowledged");
        check_complete(&load);
        tells_the_truth(&load, &ended);
    }
}

#[test]
fn a_loss_after_the_last_look_is_reported_and_loaded_by_the_next_run() {
    let load = two_files().on(&Server::start(Options::default())).audited();
    let server = load.database().server();
    let call = load.call().stop_at("before-begin", 3).stop_at("before-finish", 0);
    let run = go_on(call.start().wait_stopped(), || server.back_up());
    let run = go_on(run.wait_stopped(), || server.put_back());
    run.wait().exit(1).says("To load what is missing, run the same command again").never_says("another run");
    check(&load);
    load.run().exit(3);
    check_complete(&load);
}

#[test]
fn a_faster_run_after_a_setback_continues_instead() {
    let load = two_files().on(&Server::start(Options::default())).audited();
    let server = load.database().server();
    let run = load.call().stop_twice_at("before-begin", 2, 1).start().wait_stopped();
    let run = go_on(run, || server.back_up()).wait_stopped();
    server.put_back();
    // It has claimed the sources and is loading them.
    let other = load.call().stop_at("before-begin", 1).start().wait_stopped();
    run.wake();
    run.wait().exit(6);
    other.wake();
    other.wait().exit(3);
    check_complete(&load);
}

#[cfg(feature = "sqlite")]
mod in_a_file {
    use std::path::PathBuf;

    use super::*;

    fn path(load: &Load) -> PathBuf {
        PathBuf::from(load.made().url().strip_prefix("sqlite:").unwrap())
    }

    fn older(load: &Load) -> PathBuf {
        path(load).with_extension("older")
    }

    fn back_up(load: &Load) {
        let _ = std::fs::remove_file(older(load));
        load.sql(&format!("VACUUM INTO '{}'", older(load).display()));
    }

    /// Restores the backup as SQLite's own `.restore` does: into the same file, in a transaction.
    fn put_back(load: &Load) {
        let tables = load.made().look(|snapshot| {
            snapshot
                .query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'")
        });
        let copies = tables.iter().map(|row| {
            let table = row[0].text();
            format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM older.{table};")
        });
        load.sql(&format!(
            "ATTACH '{}' AS older; BEGIN IMMEDIATE; {} COMMIT",
            older(load).display(),
            copies.collect::<String>()
        ));
    }

    #[test]
    fn commits_lost_by_a_file_are_loaded_again_in_the_same_run() {
        for story in STORIES.iter().filter(|story| !story.name.contains("row of the run")) {
            eprintln!("{}", story.name);
            let load = two_files().to(Kind::Sqlite);
            let run = go_on((story.stops)(load.call()).start().wait_stopped(), || back_up(&load));
            let run = go_on(run.wait_stopped(), || put_back(&load));
            let ended = run.wait();
            ended.exit(3).says("the destination has lost commits that it had acknowledged");
            check_complete(&load);
            tells_the_truth(&load, &ended);
        }
    }

    #[test]
    fn a_files_loss_after_the_last_look_is_reported() {
        let load = two_files().to(Kind::Sqlite);
        let call = load.call().stop_at("before-begin", 3).stop_at("before-finish", 0);
        let run = go_on(call.start().wait_stopped(), || back_up(&load));
        let run = go_on(run.wait_stopped(), || put_back(&load));
        run.wait().exit(1).says("To load what is missing, run the same command again");
        load.run().exit(3);
        check_complete(&load);
    }
}
