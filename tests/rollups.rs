//! Metrics per date: whatever happens, a metric equals its recomputation unless its date is marked.

use std::fs::File;
use std::process::Stdio;
use std::rc::Rc;

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::destination::{Cell, Destination, Kind};
use crate::harness::postgres::Server;
use crate::harness::run::{Process, needs_failpoints};
use crate::harness::wait_until;
use crate::stories::on_each_destination;

/// Metrics that are added and removed.
mod come_and_go;
/// Which day a record belongs to.
mod days;

on_each_destination! {
    every_load_computes_the_dates_it_touched
    a_row_that_moves_to_another_date_changes_both
    a_metric_that_fails_keeps_its_values_and_its_mark
    after_a_kill_a_stale_metric_is_marked
    every_way_of_changing_rows_marks_their_dates
    metrics_are_compared_and_nothing_is_written
}

const RULES: &str = "level = \"text\"\nn = \"int\"\n";

const METRICS: &str = "
[[rollup]]
metric = \"rows\"
of = \"rows\"
[[rollup]]
metric = \"total\"
of = \"sum(n)\"
[[rollup]]
metric = \"errors\"
sql = \"select count(*) from t where level = 'ERROR' and at >= {date} and at < {next_date}\"
[[rollup]]
metric = \"levels\"
of = \"rows\"
by = [\"level\"]
table = \"by_level\"
";

/// A job with metrics, its logs and its destination.
struct Job {
    place: Place,
    kind: Kind,
    destination: Destination,
    name: &'static str,
    source: String,
    record: String,
    /// The type of its `at` column.
    at: &'static str,
    target: String,
    metrics: String,
}

impl Job {
    fn new(kind: Kind) -> Job {
        let place = Place::new();
        let destination = match kind {
            Kind::Postgres => Destination::Postgres(Rc::new(Server::shared().database())),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite => Destination::Sqlite(place.path("rollups.db")),
        };
        Job::into(place, kind, destination, "a")
    }

    fn into(place: Place, kind: Kind, destination: Destination, name: &'static str) -> Job {
        Job {
            place,
            kind,
            destination,
            name,
            source: "files = [\"*.log\"]".to_owned(),
            record: "time = \"at\"".to_owned(),
            at: "\"timestamp\"",
            target: String::new(),
            metrics: METRICS.to_owned(),
        }
    }

    /// Another job on the same table, with its own logs and no metrics.
    fn beside(&self, name: &'static str) -> Job {
        let other = Job::into(Place::new(), self.kind, self.destination.clone(), name);
        Job { metrics: String::new(), ..other }
    }

    /// Writes a log of records, each with time, level and number.
    fn log(&self, name: &str, records: &[(&str, &str, i64)]) {
        let line = |(at, level, n): &(&str, &str, i64)| {
            format!("{{\"at\":\"{at}\",\"level\":\"{level}\",\"n\":{n}}}\n")
        };
        self.place.write(name, records.iter().map(line).collect::<String>());
    }

    fn write_job(&self) {
        let Job { destination, name, source, record, at, target, metrics, .. } = self;
        self.place.write(
            "job.toml",
            format!(
                "name = \"{name}\"\n[source]\nformat = \"ndjson\"\n{source}\n[record]\n{record}\n[record.fields]\nat = {at}\n{RULES}\
                 [destination]\nurl = \"{}\"\ntable = \"t\"\n{target}\n[pipeline]\nbatch_rows = 4\nchunk_size = 200\n\
                 retry_for = \"40s\"\n{metrics}",
                destination.url()
            ),
        );
    }

    fn run(&self, arguments: &str) -> Said {
        self.run_at(arguments, "")
    }

    /// The same with failpoints.
    fn run_at(&self, arguments: &str, failpoints: &str) -> Said {
        Said::of(&mut self.command(arguments, failpoints), b"")
    }

    fn command(&self, arguments: &str, failpoints: &str) -> std::process::Command {
        self.write_job();
        // `dead-letters` has subcommands.
        let words = if arguments.starts_with("dead-letters") { 2 } else { 1 };
        let end = arguments.match_indices(' ').nth(words - 1).map_or(arguments.len(), |(at, _)| at);
        let (command, rest) = arguments.split_at(end);
        let mut command = self.place.command(&format!("{command} -j job.toml {rest}"));
        if !failpoints.is_empty() {
            command.env("FAILPOINTS", failpoints);
        }
        command
    }

    /// Starts a load in the background.
    fn start(&self, failpoints: &str) -> Process {
        let mut command = self.command("load", failpoints);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Process::spawn(&mut command)
    }

    #[track_caller]
    fn json(&self, arguments: &str) -> (i32, Value) {
        let said = self.run(&format!("{arguments} --output json"));
        let result = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        (said.code, result)
    }

    /// Asserts that a load succeeds and computes this many dates.
    #[track_caller]
    fn loads(&self, dates: u64) {
        let (code, result) = self.json("load");
        assert_eq!((code, &result["rollups"]["dates"]), (0, &dates.into()), "{result}");
    }

    #[track_caller]
    fn query(&self, sql: &str) -> Vec<String> {
        let rows = self.destination.look(|snapshot| snapshot.query(sql));
        let shown = |cell: &Cell| match cell {
            Cell::Null => "null".to_owned(),
            Cell::Int(number) => number.to_string(),
            Cell::Text(text) => text.clone(),
            Cell::Bytes(bytes) => format!("{bytes:?}"),
        };
        rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("|")).collect()
    }

    /// The values of a metric, by date.
    #[track_caller]
    fn metric(&self, name: &str) -> Vec<String> {
        self.query(&format!(
            "SELECT CAST(date AS text), CAST(value AS text) FROM daily_metrics WHERE metric_id = '{name}' ORDER BY 1"
        ))
    }

    fn by_level(&self) -> Vec<String> {
        self.query("SELECT CAST(date AS text), level, CAST(value AS text) FROM by_level ORDER BY 1, 2")
    }

    /// The marked dates, with their jobs.
    fn marked(&self) -> Vec<String> {
        let marks = self.kind.table("logmill", "dirty_dates");
        self.query(&format!("SELECT job, CAST(date AS text) FROM {marks} ORDER BY 1, 2"))
    }

    /// Asserts that every metric equals its recomputation and nothing is marked.
    #[track_caller]
    fn is_computed(&self) {
        assert_eq!(self.marked(), Vec::<String>::new());
        let (code, result) = self.json("rollup --check");
        assert_eq!((code, &result["differences"]), (0, &Value::Array(Vec::new())), "{result}");
    }
}

const FIRST: [(&str, &str, i64); 6] = [
    ("2024-03-01T10:00:00Z", "INFO", 1),
    ("2024-03-01T11:00:00Z", "ERROR", 2),
    ("2024-03-01T23:59:59.999999Z", "ERROR", 3),
    ("2024-03-02T00:00:00Z", "INFO", 4),
    ("2024-03-02T00:00:00.5Z", "INFO", 5),
    ("2024-03-04T12:00:00Z", "INFO", 6),
];

fn every_load_computes_the_dates_it_touched(kind: Kind) {
    let job = Job::new(kind);
    job.log("1.log", &FIRST);
    job.loads(3);
    assert_eq!(job.metric("rows"), ["2024-03-01|3", "2024-03-02|2", "2024-03-04|1"]);
    assert_eq!(job.metric("total"), ["2024-03-01|6", "2024-03-02|9", "2024-03-04|6"]);
    assert_eq!(job.metric("errors"), ["2024-03-01|2", "2024-03-02|0", "2024-03-04|0"]);
    assert_eq!(
        job.by_level(),
        ["2024-03-01|ERROR|2", "2024-03-01|INFO|1", "2024-03-02|INFO|2", "2024-03-04|INFO|1"]
    );
    job.is_computed();
    // Without new rows there is nothing to compute; then one known date changes and one is new.
    job.loads(0);
    job.log("2.log", &[("2024-03-02T09:00:00Z", "WARN", 7), ("2024-03-03T09:00:00Z", "WARN", 8)]);
    job.loads(2);
    assert_eq!(job.metric("rows"), ["2024-03-01|3", "2024-03-02|3", "2024-03-03|1", "2024-03-04|1"]);
    job.is_computed();
}

fn a_row_that_moves_to_another_date_changes_both(kind: Kind) {
    for by_trigger in [false, true] {
        let job = Job { target: "key = [\"n\"]".to_owned(), ..Job::new(kind) };
        if by_trigger {
            if kind != Kind::Postgres {
                continue;
            }
            // The trigger makes the load insert or update rows in one statement.
            job.destination.execute(
                "CREATE TABLE t (at timestamptz, level text, n bigint PRIMARY KEY);
                 CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                 CREATE TRIGGER same BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION same()",
            );
        }
        job.log("1.log", &FIRST);
        job.loads(3);
        // The only row of its date, and one of several.
        job.log("2.log", &[("2024-03-09T00:00:00Z", "INFO", 6), ("2024-03-02T03:00:00Z", "INFO", 1)]);
        job.loads(4);
        assert_eq!(job.metric("rows"), ["2024-03-01|2", "2024-03-02|3", "2024-03-09|1"]);
        assert_eq!(job.metric("total"), ["2024-03-01|5", "2024-03-02|10", "2024-03-09|6"]);
        job.is_computed();
        // A load that changes nothing marks nothing.
        job.log("3.log", &[("2024-03-09T00:00:00Z", "INFO", 6)]);
        job.loads(0);
        job.is_computed();
    }
}

fn a_metric_that_fails_keeps_its_values_and_its_mark(kind: Kind) {
    let job = Job::new(kind);
    job.log("1.log", &FIRST);
    job.loads(3);
    let broken = METRICS.replace("from t where level", "from nowhere where level");
    let job = Job { metrics: broken, ..job };
    job.log("2.log", &[("2024-03-02T09:00:00Z", "ERROR", 7)]);
    let said = job.run("load").ended(1, &[]);
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains("2024-03-02 errors: ") && all.contains("nowhere"), "{said:?}");
    let (code, result) = job.json("load");
    assert_eq!(code, 1);
    let failed = &result["rollups"]["failed"][0];
    assert_eq!((&failed["date"], &failed["metric"]), (&"2024-03-02".into(), &"errors".into()), "{result}");
    // The rows are in, and the metrics are as before.
    assert_eq!(job.query("SELECT count(*) FROM t"), ["7"]);
    assert_eq!(job.metric("rows"), ["2024-03-01|3", "2024-03-02|2", "2024-03-04|1"]);
    assert_eq!(job.marked(), ["a|2024-03-02"]);
    let job = Job { metrics: METRICS.to_owned(), ..job };
    job.loads(1);
    assert_eq!(job.metric("errors"), ["2024-03-01|2", "2024-03-02|1", "2024-03-04|0"]);
    job.is_computed();
    // A query that returns several values is reported as such.
    for (sql, why) in [
        ("select at, n from t where at >= {date}", "returns the columns at, n"),
        ("select n from t where at >= {date} and at < {next_date}", "several values"),
    ] {
        let wrong = format!("{METRICS}[[rollup]]\nmetric = \"x\"\nsql = \"{sql}\"\n");
        let job = Job { metrics: wrong, ..Job::into(Place::new(), kind, job.destination.clone(), "a") };
        let said = job.run("rollup").ended(1, &[]);
        assert!(said.stdout.contains("2024-03-01 x: ") && said.stdout.contains(why), "{said:?}");
    }
}

/// Points at which a load can die between its rows and its marks.
const POINTS: [(&str, usize); 16] = [
    ("before-register-commit", 0),
    ("mid-copy", 1),
    ("after-rows", 0),
    ("before-commit", 0),
    ("before-commit", 1),
    ("after-commit", 0),
    ("after-commit", 1),
    ("between-batches", 0),
    ("before-rollup", 0),
    ("mid-rollup", 0),
    ("mid-rollup", 3),
    ("mid-rollup", 5),
    ("before-rollup-commit", 1),
    ("after-rollup", 0),
    ("after-rollup", 1),
    ("mid-finish", 0),
];

fn after_a_kill_a_stale_metric_is_marked(kind: Kind) {
    needs_failpoints();
    for (point, passed) in POINTS {
        let job = Job { target: "key = [\"n\"]".to_owned(), ..Job::new(kind) };
        job.log("1.log", &FIRST);
        if point != "before-register-commit" {
            job.loads(3);
        }
        job.log(
            "2.log",
            &[
                ("2024-03-09T00:00:00Z", "INFO", 6),
                ("2024-03-02T03:00:00Z", "INFO", 1),
                ("2024-03-02T04:00:00Z", "INFO", 11),
                ("2024-03-07T04:00:00Z", "ERROR", 12),
                ("2024-03-08T04:00:00Z", "ERROR", 2),
                ("2024-03-08T04:00:00Z", "ERROR", 13),
            ],
        );
        let point_of_kind =
            if point == "mid-copy" && kind == Kind::Postgres { "before-merge" } else { point };
        let said = job.run_at("load", &format!("{point_of_kind}={passed}*off->return(kill)"));
        assert_eq!(said.code, -1, "{point} {passed}: {said:?}");
        // Every metric that differs is marked. Before the metrics are registered, there is nothing to check.
        if point != "before-register-commit" {
            let marked = job.marked();
            let (_, result) = job.json("rollup --check");
            for difference in result["differences"].as_array().unwrap() {
                let date = difference["date"].as_str().unwrap();
                assert!(marked.contains(&format!("a|{date}")), "{point} {passed}: {difference}, {marked:?}");
            }
        }
        job.run("load").ended(0, &[]);
        assert_eq!(
            job.metric("rows"),
            ["2024-03-01|1", "2024-03-02|4", "2024-03-07|1", "2024-03-08|2", "2024-03-09|1"],
            "{point} {passed}"
        );
        job.is_computed();
    }
}

fn every_way_of_changing_rows_marks_their_dates(kind: Kind) {
    let job = Job::new(kind);
    job.log("1.log", &FIRST);
    // The last lines will grow: one moves its row to another date, the other becomes invalid.
    let open = "{\"at\":\"2024-03-05T00:00:00Z\",\"level\":\"INFO\",\"n\":7}";
    let other = open.replace('7', "17");
    job.place.write("2.log", open);
    job.place.write("3.log", &other);
    job.loads(4);
    assert_eq!(job.metric("rows")[3], "2024-03-05|2");
    job.place.write("2.log", format!("{open} \n"));
    job.place.write("3.log", format!("{other} no\n"));
    let (code, _) = job.json("load");
    assert_eq!(code, 3);
    assert_eq!(job.metric("rows")[3], "2024-03-05|1");
    job.is_computed();
    // A replayed letter adds its row.
    job.place.write("4.log", "{\"at\":\"2024-03-06T00:00:00Z\",\"level\":\"INFO\",\"n\":\"many\"}\n");
    job.run("load").ended(3, &[]);
    let export = job.run("dead-letters export -o letters.ndjson");
    assert_eq!(export.code, 0, "{export:?}");
    let letters = job.place.read("letters.ndjson").replace("\\\"many\\\"", "8").replace("} no", "}");
    job.place.write("letters.ndjson", letters);
    let said = job.run("dead-letters replay --from letters.ndjson");
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(job.metric("rows")[3..], ["2024-03-05|2", "2024-03-06|1"]);
    job.is_computed();
    // A rebuild under new rules moves rows to other dates.
    job.place.write("2.log", format!("{}\n", open.replace("03-05", "03-08")));
    job.run("load --rebuild").ended(0, &[]);
    assert_eq!(job.metric("rows")[3..], ["2024-03-05|1", "2024-03-06|1", "2024-03-08|1"]);
    job.is_computed();
    job.place.write("2.log", format!("{open}\n"));
    job.run("load --rebuild").ended(0, &[]);
    assert_eq!(job.metric("rows")[3..], ["2024-03-05|2", "2024-03-06|1"]);
    // Deleted rows leave their dates for the next load to compute.
    job.run("forget --delete-rows --yes 1.log 2.log").ended(0, &[]);
    assert_eq!(job.marked(), ["a|2024-03-01", "a|2024-03-02", "a|2024-03-04", "a|2024-03-05"]);
    let (code, result) = job.json("rollup");
    assert_eq!(code, 0, "{result}");
    assert_eq!(job.metric("rows"), ["2024-03-05|1", "2024-03-06|1"]);
    job.is_computed();
    job.run("load").ended(0, &[]);
    assert_eq!(job.metric("rows").len(), 5);
    job.is_computed();
}

fn metrics_are_compared_and_nothing_is_written(kind: Kind) {
    let job = Job::new(kind);
    job.log("1.log", &FIRST);
    job.loads(3);
    job.destination.execute(
        "UPDATE daily_metrics SET value = 9 WHERE metric_id = 'rows' AND date = '2024-03-01';
         DELETE FROM daily_metrics WHERE metric_id = 'total' AND date = '2024-03-02';
         INSERT INTO by_level (date, metric_id, level, value) VALUES ('2024-03-04', 'levels', 'DEBUG', 1);
         INSERT INTO daily_metrics (date, metric_id, value) VALUES ('2024-05-01', 'rows', 1)",
    );
    let (code, result) = job.json("rollup --check");
    let differences = result["differences"].as_array().unwrap().iter().map(Value::to_string);
    assert_eq!(code, 5, "{result}");
    assert_eq!(
        differences.collect::<Vec<_>>(),
        [
            r#"{"date":"2024-03-01","metric":"rows","by":{},"stored":9,"computed":3}"#,
            r#"{"date":"2024-03-02","metric":"total","by":{},"stored":null,"computed":9}"#,
            r#"{"date":"2024-03-04","metric":"levels","by":{"level":"DEBUG"},"stored":1,"computed":null}"#,
            r#"{"date":"2024-05-01","metric":"rows","by":{},"stored":1,"computed":null}"#,
        ]
    );
    let said = job.run("rollup --check --date 2024-03-04").ended(5, &[]);
    assert!(
        said.stdout.contains("2024-03-04 levels level=DEBUG: 1 is stored, and would be nothing"),
        "{said:?}"
    );
    job.run("rollup --check --from 2024-03-03 --to 2024-03-04").ended(0, &[]);
    let (code, result) = job.json("rollup --date 2024-03-01");
    assert_eq!((code, &result["dates"]), (0, &1.into()), "{result}");
    job.run("rollup --check --date 2024-03-01").ended(0, &[]);
    job.run("rollup").ended(0, &[]);
    job.is_computed();
    // A job without metrics says so.
    let none = Job { metrics: String::new(), ..job };
    none.run("rollup").ended(2, &["no rollups"]);
}

/// Waits until a backend of the database waits for a lock, or the process ends.
fn waits_or_ends(job: &Job, process: &mut Process) {
    wait_until("a load to wait for a lock, or to end", || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        process.status().is_some() || job.query(waiting) != ["0"]
    });
}

#[test]
fn a_column_that_rounds_a_row_into_the_next_day_is_refused() {
    let job = Job { metrics: String::new(), ..Job::new(Kind::Postgres) };
    job.log("1.log", &FIRST[..1]);
    job.loads(0);
    for (rounding, whole) in [
        ("timestamp(0) with time zone", "timestamp with time zone"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
    ] {
        job.destination.execute(&format!("ALTER TABLE t ALTER COLUMN at TYPE {rounding}"));
        // Without metrics it does not matter.
        job.loads(0);
        let job = Job { metrics: METRICS.to_owned(), ..job.beside("a") };
        job.log("1.log", &[("2024-03-01T23:59:59.9996Z", "INFO", 1)]);
        let mend = format!("ALTER TABLE \"public\".\"t\" ALTER COLUMN \"at\" TYPE {whole}");
        let why = format!("the column at of t is {rounding}");
        job.run("load").ended(2, &[&why, &mend]);
        let said = job.run("plan");
        let told = [&why, &mend].iter().all(|words| said.stdout.contains(*words));
        assert!(said.code == 2 && told, "{said:?}");
        job.destination.execute(&mend);
        job.run("load").ended(0, &[]);
        job.is_computed();
        // The last metric can be removed, whatever the column's type is by then.
        job.destination.execute(&format!("ALTER TABLE t ALTER COLUMN at TYPE {rounding}"));
        let job = Job { metrics: String::new(), ..job };
        job.loads(0);
    }
}

#[test]
fn a_wait_for_a_locked_mark_names_it() {
    let job = Job { metrics: format!("lock_timeout = \"50ms\"\n{METRICS}"), ..Job::new(Kind::Postgres) };
    job.log("1.log", &FIRST[..1]);
    job.loads(1);
    let Destination::Postgres(database) = &job.destination else { unreachable!("it is in PostgreSQL") };
    let mut holder = database.client();
    let mark = "BEGIN; INSERT INTO logmill.dirty_dates (target, job, date, seq) VALUES ('public.t', 'a', '2024-03-01', 1)";
    holder.batch_execute(mark).unwrap();
    job.log("2.log", &FIRST[1..2]);
    let mut command = job.command("load", "");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(job.place.path("said")).unwrap());
    let mut loading = Process::spawn(&mut command);
    let said = || job.place.read("said");
    wait_until("the load to say what it waits for", || {
        said().contains("trying again") || loading.status().is_some()
    });
    assert!(said().contains("lock not available") && said().contains("dirty_dates"), "{}", said());
    assert!(!said().contains("trigger"), "{}", said());
    holder.batch_execute("ROLLBACK").unwrap();
    wait_until("the load to end", || loading.status().is_some());
    job.loads(0);
    assert_eq!(job.metric("rows"), ["2024-03-01|2"]);
    job.is_computed();
}

#[test]
fn a_load_during_a_computation_marks_its_date_again() {
    needs_failpoints();
    // It has read the rows of its date, and has locked the mark; or it has removed the mark, not yet visibly.
    for point in ["mid-rollup", "before-rollup-commit"] {
        let job = Job::new(Kind::Postgres);
        job.log("1.log", &FIRST);
        job.loads(3);
        let other = job.beside("b");
        other.log("1.log", &[("2024-03-02T09:00:00Z", "ERROR", 7)]);
        job.log("2.log", &[("2024-03-02T10:00:00Z", "ERROR", 8)]);
        let mut computing = job.start(&format!("{point}=1*return(stop)"));
        assert!(computing.stops());
        let mut loading = other.start("");
        waits_or_ends(&job, &mut loading);
        computing.signal("CONT");
        wait_until("both to end", || computing.status().is_some() && loading.status().is_some());
        job.run("load").ended(0, &[]);
        assert_eq!(job.metric("rows"), ["2024-03-01|3", "2024-03-02|4", "2024-03-04|1"], "{point}");
        job.is_computed();
    }
}

#[test]
fn a_metric_registered_during_another_load_misses_no_row() {
    needs_failpoints();
    for has_row in [false, true] {
        let job = Job::new(Kind::Postgres);
        job.log("0.log", &[]);
        let other = job.beside("b");
        other.log("0.log", &FIRST[..1]);
        other.run("load").ended(0, &[]);
        if has_row {
            // The target already has metrics of a third job.
            let third =
                Job { metrics: "[[rollup]]\nmetric = \"c\"\nof = \"rows\"\n".to_owned(), ..job.beside("c") };
            third.log("0.log", &[]);
            third.run("load").ended(0, &[]);
        }
        other.log("1.log", &[("2024-03-05T09:00:00Z", "ERROR", 7)]);
        let mut loading = other.start("after-rows=1*return(stop)");
        assert!(loading.stops());
        let mut registering = job.start("");
        waits_or_ends(&job, &mut registering);
        loading.signal("CONT");
        wait_until("both to end", || registering.status().is_some() && loading.status().is_some());
        job.run("load").ended(0, &[]);
        assert_eq!(job.metric("rows"), ["2024-03-01|1", "2024-03-05|1"], "{has_row}");
        job.run("rollup --check").ended(0, &[]);
        assert!(job.marked().iter().all(|mark| mark.starts_with("c|")), "{:?}", job.marked());
    }
}
