//! Rebuilds of days while other runs work: which of them wait for each other, and which must not.

use super::*;
use crate::harness::run::{Process, needs_failpoints};
use crate::harness::wait_until;

const DAYS: [&str; 2] = ["2024-03-01", "2024-03-02"];
const BOTH: &str = "backfill --from 2024-03-01 --to 2024-03-03";

/// A job in small batches that counts its rows by the day of their timestamp.
fn counted() -> Days {
    let lines = "[record]\ntime = \"at\"\n[pipeline]\nbatch_rows = 2\nchunk_size = 80\nretry_for = \"30s\"\n\
                 [[rollup]]\nmetric = \"rows\"\nof = \"rows\"";
    let days = Days::new(Kind::Postgres).of_fields("n = \"int\"\nat = \"timestamp\"").lines(lines);
    for day in DAYS {
        days.happened(day, [9, 9]);
    }
    days.run(BOTH).ended(0, &[]);
    days
}

impl Days {
    /// Writes the log of a day, with two records for each of these days of the month.
    fn happened(&self, day: &str, on: impl IntoIterator<Item = u32>) {
        let record = |day: u32| format!("{{\"n\":{day},\"at\":\"2024-03-{day:02}T10:00:00Z\"}}\n").repeat(2);
        self.place.write(format!("logs/{day}.log"), on.into_iter().map(record).collect::<String>());
    }

    /// Asserts that every metric matches the rows and that no date is marked.
    #[track_caller]
    fn is_computed(&self) {
        assert_eq!(self.query("SELECT count(*) FROM logmill.dirty_dates"), ["0"]);
        self.run("rollup --check").ended(0, &[]);
    }
}

#[test]
fn rebuilds_that_mark_the_same_days_in_another_order_do_not_deadlock() {
    needs_failpoints();
    let days = counted();
    days.happened(DAYS[0], 10..20);
    days.happened(DAYS[1], (10..20).rev());
    let both = format!("{BOTH} --rebuild --parallel 2");
    days.run_with(&both, ("FAILPOINTS", "between-batches=sleep(100)")).ended(0, &[]);
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    // A backend publishes its statistics when it is idle or ends.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(days.query(deadlocks), ["0"]);
    assert_eq!(days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1"), ["1|20", "2|20"]);
    days.is_computed();
}

#[test]
fn a_load_does_not_wait_for_the_marks_of_a_rebuild() {
    needs_failpoints();
    let days = counted();
    days.happened(DAYS[0], [9, 9, 9, 9]);
    days.happened(DAYS[1], [9, 9, 9]);
    let mut rebuild = days.place.command(&format!("load --date {} --rebuild -j job.toml", DAYS[0]));
    let mut rebuild = rebuild.env("FAILPOINTS", "between-batches=sleep(6000)").spawn().unwrap();
    // It has written its first batch and waits with its transaction open.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND state = 'idle in transaction' AND query LIKE 'RELEASE SAVEPOINT%'";
    wait_until("it is between two batches", || days.query(waits) == ["1"]);
    days.run(&format!("load --date {}", DAYS[1])).ended(0, &[]);
    assert!(rebuild.try_wait().unwrap().is_none(), "the load came behind the rebuild");
    assert_eq!(days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1"), ["1|4", "2|6"]);
    assert!(rebuild.wait().unwrap().success());
    assert_eq!(days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1"), ["1|8", "2|6"]);
    days.is_computed();
}

#[test]
fn registering_a_metric_during_a_rebuild_names_what_it_waits_for() {
    needs_failpoints();
    let days = counted();
    days.happened(DAYS[0], [9, 9, 9]);
    let mut rebuild = days.place.command(&format!("load --date {} --rebuild -j job.toml", DAYS[0]));
    rebuild.env("FAILPOINTS", "between-batches=1*return(stop)");
    let mut rebuild = Process::spawn(&mut rebuild);
    assert!(rebuild.stops());
    let lines = format!("{}\n[[rollup]]\nmetric = \"sum\"\nof = \"sum(n)\"", days.lines);
    days.write_job_of(&lines);
    let mut load = days.place.command(&format!("load --date {} -j job.toml", DAYS[1]));
    let said = days.place.path("said");
    let mut load = Process::spawn(load.stderr(std::fs::File::create(&said).unwrap()));
    let says = |words: &str| std::fs::read_to_string(&said).unwrap().contains(words);
    wait_until("it says what it waits for", || says("a load or a rebuild of t is in progress"));
    assert!(says("for up to 30 s more") && load.status().is_none());
    rebuild.signal("CONT");
    wait_until("both end", || rebuild.status().is_some() && load.status().is_some());
    assert!(rebuild.status().unwrap().success() && load.status().unwrap().success());
    assert!(says("no longer waiting"));
    // The new metric includes the rebuilt rows.
    days.write_job_of(&lines);
    days.place.run("rollup --check -j job.toml").ended(0, &[]);
    assert_eq!(days.query("SELECT count(*) FROM daily_metrics WHERE metric_id = 'sum'"), ["1"]);
}

#[test]
fn a_rebuild_ended_by_a_deadlock_starts_over() {
    let days = counted();
    days.happened(DAYS[0], 10..14);
    // The third row is the victim, once.
    days.destination.execute(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('public.tries') = 3 THEN
                 RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER lose BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION lose()",
    );
    days.run(&format!("load --date {} --rebuild", DAYS[0])).ended(0, &["deadlock", "starts over"]);
    // Two rows of the first try, the victim, and all of the second.
    assert_eq!(days.query("SELECT last_value FROM tries"), ["11"]);
    assert_eq!(days.query("SELECT source_id, count(*) FROM t GROUP BY 1 ORDER BY 1"), ["1|8", "2|4"]);
    days.is_computed();
}
