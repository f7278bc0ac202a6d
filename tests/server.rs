//! The server dies, returns, hangs, ends our sessions or runs out of space: the program waits for the end of
//! an outage, never takes it for bad data, and writes nothing twice.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::harness::load::Load;
use crate::harness::log::{SCHEMA, good_log, log};
use crate::harness::oracle::{check, check_complete};
use crate::harness::postgres::{Options, Server};
use crate::harness::proxy::{At, Fault, Proxy, Rule};
use crate::harness::run::{Ended, Running, needs_failpoints};
use crate::harness::trials::trials;
use crate::harness::{skip_here, wait_for, wait_until};

fn two_files() -> Load {
    Load::empty()
        .file("a.ndjson", log(31, 40))
        .file("b.ndjson", log(32, 40))
        .schema(SCHEMA)
        .batches_of(15)
        .audited()
}

/// Points of a batch, in order.
const POINTS: [&str; 8] = [
    "before-begin",
    "after-fence",
    "mid-copy",
    "after-rows",
    "after-dead-letters",
    "before-commit",
    "after-commit",
    "between-batches",
];

/// The backend of the current run. A run looks for a pooler with a second connection, which is closed before
/// it holds a source.
#[track_caller]
fn backend(load: &Load) -> i32 {
    let backends = load.backends("true");
    assert_eq!(backends.len(), 1, "{backends:?}");
    backends[0]
}

/// Waits until a backend of the program waits for this event.
#[track_caller]
fn wait_for_backend_at(load: &Load, event: &str) -> i32 {
    let waits = format!("'{event}' IN (wait_event, wait_event_type)");
    wait_for(&format!("a backend to wait for {event}"), || load.backends(&waits).pop())
}

/// Asserts that the run resumes and finishes by itself.
#[track_caller]
fn goes_on(load: &Load, run: Running<'_>) {
    check(load);
    run.wake();
    run.wait().exit(3);
    check_complete(load);
}

#[test]
fn a_power_loss_of_the_server_at_any_step_is_waited_out() {
    let load = two_files().on(&Server::start(Options::default()));
    load.at_each(&POINTS, |_, run| {
        load.database().server().stop_immediate();
        load.database().server().restart();
        goes_on(&load, run);
    });
}

#[test]
fn a_server_that_loses_its_power_at_any_moment_is_waited_for() {
    let server = Server::start(Options::default());
    trials("server::a_server_that_loses_its_power_at_any_moment_is_waited_for", 2, |mut rng| {
        let load = Load::of(log(rng.u64(..), 2_000)).schema(SCHEMA).batches_of(100).on(&server);
        let load = if rng.bool() { load.audited() } else { load };
        let run = load.call().start();
        for _ in 0..rng.usize(1..4) {
            thread::sleep(Duration::from_micros(rng.u64(..200_000)));
            server.stop_immediate();
            server.restart();
            check(&load);
        }
        run.wait().exit(3);
        check_complete(&load);
    });
}

#[test]
fn a_killed_backend_takes_the_server_down_and_the_run_continues() {
    let load = two_files().on(&Server::start(Options::default()));
    load.at_each(&["mid-copy", "before-commit", "between-batches"], |_, run| {
        load.database().server().kill_backend(backend(&load));
        load.database().server().wait_ready();
        goes_on(&load, run);
    });
}

#[test]
fn a_session_ended_at_any_step_is_replaced() {
    let load = two_files();
    load.at_each(&POINTS, |_, run| {
        load.sql(&format!("SELECT pg_terminate_backend({})", backend(&load)));
        goes_on(&load, run);
    });
}

/// The server ends sessions that idle in a transaction, but not within a COPY.
#[test]
fn a_run_survives_a_server_that_ends_idle_sessions() {
    let load = two_files();
    let name = load.database().name();
    load.sql(&format!("ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '100ms'"));
    load.at_each(&["after-fence", "mid-copy", "before-commit"], |point, run| {
        if point == "mid-copy" {
            thread::sleep(Duration::from_millis(300));
            backend(&load);
        } else {
            wait_until("the session to be ended", || load.backends("true").is_empty());
        }
        goes_on(&load, run);
    });
}

/// A load long enough to notice a signal before it ends.
fn long_file() -> Load {
    Load::of(log(33, 2_000)).schema(SCHEMA).batches_of(10).audited()
}

#[test]
fn a_signal_at_any_step_ends_a_run_once_what_is_in_flight_is_committed() {
    let load = long_file();
    load.at_each(&POINTS, |_, run| {
        let before = check(&load).batches;
        run.signal("TERM");
        run.wake();
        run.wait().exit(143).says("stopping");
        // The committed batch may be the last.
        assert!(check(&load).batches > before);
        load.run().exit(3);
        check_complete(&load);
    });
}

#[test]
fn a_second_signal_ends_a_run_at_once_even_if_the_server_hangs() {
    let load = long_file().pipeline("deadline = \"10m\"");
    load.at_each(&["after-fence", "mid-copy", "before-commit"], |_, mut run| {
        let frozen = load.database().server().freeze_backend(backend(&load));
        run.wake();
        run.signal("TERM");
        run.wait_says("a second signal stops at once");
        run.signal("TERM");
        run.wait().exit(143);
        drop(frozen);
        load.wait_alone();
        assert!(!check(&load).is_complete);
        load.run().exit(3);
        check_complete(&load);
    });
}

/// A session that locks the target, so that a run waits for it.
fn hold_target(load: &Load) -> postgres::Client {
    let mut holder = load.client();
    // With a stronger lock, the oracle could not read the table either.
    holder.batch_execute("BEGIN; LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE").unwrap();
    holder
}

#[test]
fn a_cancelled_statement_is_sent_again() {
    needs_failpoints();
    let load = two_files();
    let run = load.call().stop_at("before-begin", 1).start().wait_stopped();
    let holder = hold_target(&load);
    run.wake();
    let pid = wait_for_backend_at(&load, "Lock");
    // The run must wait in a new transaction, not in the cancelled one.
    let begun: String = load.ask(&format!("SELECT xact_start::text FROM pg_stat_activity WHERE pid = {pid}"));
    let same = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND xact_start = '{begun}'");
    load.sql(&format!("SELECT pg_cancel_backend({pid})"));
    wait_until("the transaction to end", || load.ask::<i64>(&same) == 0);
    wait_for_backend_at(&load, "Lock");
    drop(holder);
    run.wait().exit(3);
    check_complete(&load);
}

#[test]
fn a_long_held_lock_is_waited_for() {
    needs_failpoints();
    let load = two_files().pipeline("lock_timeout = \"50ms\"");
    let mut run = load.call().stop_at("before-begin", 1).start().wait_stopped();
    let holder = hold_target(&load);
    run.wake();
    run.wait_says("canceling statement due to lock timeout; trying again for up to");
    check(&load);
    drop(holder);
    run.wait().exit(3);
    check_complete(&load);
}

/// The message says how far the load was, and how long it waits.
#[test]
fn a_server_that_is_lost_on_the_way_is_told_of_with_how_far_the_load_was() {
    needs_failpoints();
    let server = Server::start(Options::default());
    let load = two_files().on(&server);
    let mut run = load.call().stop_at("before-commit", 1).start().wait_stopped();
    server.stop_immediate();
    run.wake();
    run.wait_says("lost the server at ");
    server.restart();
    run.wait().exit(3).says(" %: cannot connect to ").says("trying again for up to 3");
    check_complete(&load);
}

#[test]
fn an_outage_beyond_retry_for_ends_the_run_and_loses_nothing() {
    needs_failpoints();
    let server = Server::start(Options::default());
    let load = two_files().on(&server).pipeline("retry_for = \"300ms\"");
    let run = load.call().stop_at("before-commit", 1).start().wait_stopped();
    server.stop_immediate();
    run.wake();
    run.wait().exit(1).says("gave up after");
    load.run().exit(1).says("gave up after");
    server.restart();
    assert!(!check(&load).is_complete);
    load.run().exit(3);
    check_complete(&load);
}

#[test]
fn a_server_without_a_free_connection_is_waited_for() {
    let settings =
        [("max_connections", "5"), ("max_wal_senders", "0"), ("superuser_reserved_connections", "1")];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    let server = Server::start(Options { settings, ..Options::default() });
    let load = two_files().on(&server);
    load.sql("CREATE ROLE loader LOGIN; GRANT ALL ON SCHEMA public TO loader; GRANT ALL ON ALL TABLES IN SCHEMA audit TO loader;
              GRANT USAGE ON SCHEMA audit TO loader; GRANT ALL ON ALL SEQUENCES IN SCHEMA audit TO loader");
    load.sql(&format!("GRANT CREATE ON DATABASE {} TO loader", load.database().name()));
    let url = load.database().url().replace("postgres@", "loader@");
    // The checks use the superuser, for whom the server reserves a connection.
    let guests: Vec<postgres::Client> = (0..4).map(|_| load.client()).collect();
    let mut run = load.call().into(&url).start();
    run.wait_says("trying again");
    drop(guests);
    run.wait().exit(3);
    check_complete(&load);
}

#[test]
fn a_temporarily_read_only_server_is_waited_for() {
    needs_failpoints();
    let load = two_files();
    let name = load.database().name().to_owned();
    let mut run = load.call().stop_at("between-batches", 0).start().wait_stopped();
    // New sessions are read-only, and the old one is ended.
    load.sql(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    load.sql(&format!("SELECT pg_terminate_backend({})", backend(&load)));
    run.wake();
    run.wait_says("trying again");
    check(&load);
    let mut client = load.database().server().client("postgres");
    client.batch_execute(&format!("ALTER DATABASE {name} RESET default_transaction_read_only")).unwrap();
    run.wait().exit(3);
    check_complete(&load);
}

/// A target with a trigger that runs this before a row is written.
fn meddling(body: &str) -> String {
    format!(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
         CREATE TABLE t (id bigint, {{key}});
         CREATE TRIGGER meddle BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION meddle()"
    )
}

#[test]
fn a_statement_that_takes_too_long_is_sent_in_smaller_pieces() {
    let load = Load::of(good_log(0, 60))
        .schema("id int")
        .given(&meddling("PERFORM pg_sleep(0.03);"))
        .pipeline("statement_timeout = \"700ms\"")
        .audited();
    load.run().exit(0).counts("60 inserted");
    check_complete(&load);
}

#[test]
fn a_single_row_that_takes_too_long_stops_the_run_and_is_no_reject() {
    let load = Load::of(good_log(0, 8))
        .schema("id int")
        .given(&meddling("IF NEW.id = 5 THEN PERFORM pg_sleep(30); END IF;"))
        .pipeline("statement_timeout = \"500ms\"");
    load.run().exit(1).says("57014").rejects([]);
    check(&load);
    load.sql("DROP TRIGGER meddle ON t");
    load.run().exit(0);
    check_complete(&load);
}

/// For each code, runs a load in which the server raises it when a row is written, and then again without
/// it.
fn for_each_code(load: Load, codes: &[&str], story: impl Fn(&str, &Ended<'_>)) {
    let raise = "IF NEW.id = 17 AND EXISTS (SELECT FROM trouble) THEN
                     RAISE EXCEPTION 'not now' USING ERRCODE = (SELECT code FROM trouble);
                 END IF;";
    let load = load.schema("id int").given("CREATE TABLE trouble (code text)").given(&meddling(raise));
    for code in codes {
        load.reset();
        load.sql(&format!("INSERT INTO trouble VALUES ('{code}')"));
        let ended = load.run();
        ended.exit(1).rejects([]);
        story(code, &ended);
        check(&load);
        load.sql("DELETE FROM trouble");
        load.run().exit(0);
        check_complete(&load);
    }
}

#[test]
fn an_outage_error_never_rejects_a_row() {
    let codes = [
        "53100", "53200", "53300", "53400", "57P01", "57P02", "57P03", "57014", "58000", "58030", "25006",
        "40001", "40P01", "55P03", "08006", "25P03",
    ];
    let load = Load::of(good_log(0, 30)).pipeline("retry_for = \"100ms\"");
    for_each_code(load, &codes, |_, _| {});
}

#[test]
fn an_error_of_ours_stops_the_run_and_is_no_reject() {
    let codes = [
        "22P03", "22P04", "21000", "25P02", "26000", "08P01", "42601", "42P01", "42P10", "42703", "55000",
        "0A000", "XX000", "28000", "3D000", "42501",
    ];
    for_each_code(Load::of(good_log(0, 30)), &codes, |code, ended| {
        ended.says(code).never_says("trying again");
    });
}

/// A small private file system that is soon full, unmounted when this is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts the file system, or skips the test if that is not permitted.
    fn new(size: &str) -> SmallDisk {
        let disk = SmallDisk(tempfile::Builder::new().prefix("lm").tempdir_in("/tmp").unwrap());
        if !disk.mount(size, "") {
            skip_here("this takes the right to mount a file system");
        }
        disk
    }

    fn mount(&self, size: &str, more: &str) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("{more}mode=777,size={size}"), "small"]).arg(self.path());
        command.output().is_ok_and(|output| output.status.success())
    }

    fn grow(&self, size: &str) {
        assert!(self.mount(size, "remount,"));
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

#[test]
fn a_full_disk_is_waited_for_and_rejects_nothing() {
    let disk = SmallDisk::new("1m");
    let place = disk.path().join("space");
    std::fs::create_dir(&place).unwrap();
    let server = Server::start(Options::default());
    server.adopt(&place);
    let load = Load::of(good_log(0, 20_000)).schema(SCHEMA).batches_of(2_000).on(&server).given(
        "CREATE TABLE t (id bigint, level text, message text, ratio float, at timestamptz, {key}) TABLESPACE small",
    );
    server
        .client("postgres")
        .batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", place.display()))
        .unwrap();
    let mut run = load.call().start();
    run.wait_says("trying again");
    assert!(!check(&load).is_complete);
    disk.grow("64m");
    run.wait().exit(0).rejects([]);
    check_complete(&load);
    drop(load);
    server.client("postgres").batch_execute("DROP TABLESPACE small").unwrap();
}

#[cfg(feature = "sqlite")]
#[test]
fn a_full_disk_under_a_file_is_waited_for_and_rejects_nothing() {
    let disk = SmallDisk::new("1m");
    let load = Load::of(good_log(0, 20_000)).schema(SCHEMA).batches_of(2_000);
    let load = load.into_file(disk.path().join("t.db"));
    let mut run = load.call().start();
    run.wait_says("trying again");
    assert!(!check(&load).is_complete);
    disk.grow("64m");
    run.wait().exit(0).rejects([]);
    check_complete(&load);
    // Longer than `retry_for`: nothing is lost either.
    load.reset();
    disk.grow("1m");
    let load = load.pipeline("retry_for = \"300ms\"");
    load.run().exit(1).says("gave up after");
    assert!(!check(&load).is_complete);
    disk.grow("64m");
    load.run().exit(0).rejects([]);
    check_complete(&load);
}

/// A server whose commits can be made to hang, waiting for a standby that does not exist.
struct Ghost(Server);

impl Ghost {
    fn new() -> Ghost {
        Ghost(Server::start(Options::default()))
    }

    fn hang_commits(&self) {
        let mut client = self.0.client("postgres");
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'ghost'").unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        // The setting is in force once a commit hangs.
        wait_until("commits to hang", || {
            let server = self.0.clone();
            let probe = thread::spawn(move || {
                let mut client = server.client("postgres");
                let _ = client.batch_execute("SET application_name = 'probe'; CREATE TABLE IF NOT EXISTS probe (n int); INSERT INTO probe VALUES (1)");
            });
            let hangs = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                         WHERE application_name = 'probe' AND wait_event = 'SyncRep'";
            let hangs =
                wait_for("a commit to end or to hang", || match client.execute(hangs, &[]).unwrap() {
                    0 => probe.is_finished().then_some(false),
                    _ => Some(true),
                });
            probe.join().unwrap();
            hangs
        });
    }

    fn let_commits_go(&self) {
        let mut client = self.0.client("postgres");
        client.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
    }
}

/// A run whose second batch is being committed, and its backend, which hangs in that commit.
fn committing<'l>(ghost: &Ghost, load: &'l Load, url: &str) -> (Running<'l>, i32) {
    let run = load.call().into(url).stop_at("before-commit", 1).start().wait_stopped();
    ghost.hang_commits();
    run.wake();
    let pid = wait_for_backend_at(load, "SyncRep");
    (run, pid)
}

/// The number of committed batches that a plain read sees.
fn batches(load: &Load) -> i64 {
    load.ask("SELECT count(DISTINCT xid) FROM audit.moves")
}

#[test]
fn a_commit_still_running_after_a_reconnect_is_waited_for() {
    needs_failpoints();
    let ghost = Ghost::new();
    let load = two_files().on(&ghost.0);
    // The answer to the end of the second batch never arrives; later connections are honest.
    for ended_by_hand in [false, true] {
        load.reset();
        let rule = Rule { at: At::Query("with moved as", 1), fault: Fault::CutAfter };
        let proxy = Proxy::on_tcp(load.database(), vec![rule]);
        let (run, pid) = committing(&ghost, &load, proxy.url());
        proxy.wait_struck(0);
        // The run has reconnected and waits for the lock on the checkpoint, whose old value a plain read
        // would still show.
        wait_for_backend_at(&load, "Lock");
        assert_eq!(batches(&load), 1, "a plain read shows the old checkpoint");
        check(&load);
        if ended_by_hand {
            load.sql(&format!("SELECT pg_terminate_backend({pid})"));
            wait_until("the commit to end", || batches(&load) == 2);
        }
        ghost.let_commits_go();
        run.wait().exit(3);
        check_complete(&load);
    }
}

#[test]
fn a_commit_still_running_after_its_client_died_is_waited_for() {
    needs_failpoints();
    let ghost = Ghost::new();
    let load = two_files().on(&ghost.0);
    for take_over in [false, true] {
        load.reset();
        let (run, mut next) = with_waiting_successor(&load, take_over);
        ghost.hang_commits();
        run.wake();
        wait_for_backend_at(&load, "SyncRep");
        run.kill();
        check(&load);
        next.wake();
        if take_over {
            // Terminating the backend also ends its wait for the standby, and the commit takes effect.
            wait_until("the commit to end", || batches(&load) == 2);
        } else {
            next.wait_says("is held by run 1");
            assert_eq!(batches(&load), 1);
        }
        check(&load);
        ghost.let_commits_go();
        next.wait().exit(3);
        check_complete(&load);
    }
}

/// A run that is about to commit its second batch, and one that is about to claim. The second wrote its own
/// row before commits began to hang.
fn with_waiting_successor(load: &Load, take_over: bool) -> (Running<'_>, Running<'_>) {
    let run = load.call().stop_at("before-commit", 1).start().wait_stopped();
    let next = load.call().stop_at("before-claim", 0);
    let next = if take_over { next.arg("--take-over") } else { next };
    (run, next.start().wait_stopped())
}

#[test]
fn a_commit_that_hangs_when_the_server_dies_is_found_done() {
    needs_failpoints();
    let ghost = Ghost::new();
    let load = two_files().on(&ghost.0);
    let (run, _) = committing(&ghost, &load, &load.database().url());
    ghost.0.stop_immediate();
    ghost.0.restart();
    assert_eq!(batches(&load), 2, "it was in the log before it hung");
    ghost.let_commits_go();
    run.wait().exit(3);
    check_complete(&load);
}

/// The points at which a backend is frozen while the next statement arrives in its socket.
#[test]
fn a_backend_that_wakes_after_a_take_over_changes_nothing() {
    needs_failpoints();
    let load = two_files().pipeline("lock_timeout = \"100ms\"");
    for (point, holds_locks) in [
        ("before-begin", false),
        ("before-fence", false),
        ("after-fence", true),
        ("after-rows", true),
        ("before-commit", true),
    ] {
        for client_dies in [true, false] {
            load.reset();
            let proxy = Proxy::on_tcp(load.database(), vec![]);
            let run = load.call().into(proxy.url()).stop_at(point, 1).start().wait_stopped();
            let frozen = load.database().server().freeze_backend(backend(&load));
            // The next statement now waits in the socket of a backend that does not read it.
            let sent = || proxy.traffic()[0].client.len();
            let before = sent();
            run.wake();
            wait_until("the next statement", || sent() > before);
            let owner = match client_dies {
                true => {
                    run.kill();
                    None
                }
                false => Some(run),
            };
            let mut successor = load.call().arg("--take-over").start();
            if holds_locks {
                successor.wait_says("is held by run 1");
                check(&load);
                drop(frozen);
                successor.wait().exit(3);
            } else {
                successor.wait().exit(3);
                check_complete(&load);
                drop(frozen);
            }
            if let Some(owner) = owner {
                let code = owner.wait().code();
                // If the backend held locks, its run may resume before the successor looks again.
                assert!(code == Some(6) || holds_locks && code == Some(3), "{point}: {code:?}");
            }
            load.wait_alone();
            check_complete(&load);
        }
    }
}

#[test]
fn a_role_with_one_connection_loses_it_and_gets_another() {
    for point in ["after-fence", "after-commit", "before-finish"] {
        let load = Load::of(log(71, 40)).schema(SCHEMA).batches_of(20).pipeline("retry_for = \"20s\"");
        let (database, role) = (load.database().name().to_owned(), format!("{}_one", load.database().name()));
        load.sql(&format!("CREATE ROLE {role} LOGIN SUPERUSER CONNECTION LIMIT 1"));
        // A superuser has no connection limit.
        load.sql(&format!("ALTER ROLE {role} NOSUPERUSER; GRANT CREATE ON DATABASE {database} TO {role}; GRANT ALL ON SCHEMA public, audit TO {role};
                           GRANT ALL ON ALL TABLES IN SCHEMA audit TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA audit TO {role}"));
        let url = load.database().url().replace("postgres@", &format!("{role}@"));
        load.call().into(&url).lose_at(point, 0).run().exit(3);
        check_complete(&load);
        if point == "before-finish" {
            // It holds a snapshot in one session, and reads the rows in another. The connection of a command that
            // has ended counts for a moment longer.
            wait_until("verify to say that it needs two connections", || {
                let verified = load.command("verify").into(&url).run();
                verified.exit(1);
                verified
                    .result("/error")
                    .as_str()
                    .is_some_and(|said| said.contains("verify needs two connections"))
            });
        }
    }
}

#[test]
fn a_standby_is_waited_for_until_it_is_the_primary() {
    let server = Server::start(Options::default());
    let load = Load::of(log(72, 20)).schema(SCHEMA).on(&server);
    load.made();
    let signal = server.directory().join("data/standby.signal");
    std::fs::write(&signal, "").unwrap();
    server.adopt(&signal);
    server.restart();
    let mut run = load.call().start();
    run.wait_says("is a standby");
    server.client("postgres").batch_execute("SELECT pg_promote()").unwrap();
    run.wait().exit(3);
    check_complete(&load);
}
