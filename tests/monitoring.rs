//! Watching a run: events, progress, and metrics for Prometheus.
//!
//! Every report must match what was done, and a watcher must not delay anything.
#![cfg(feature = "sqlite")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::destination::{Destination, Kind};
use crate::harness::postgres::Server;
use crate::harness::run::needs_failpoints;
use crate::harness::schema::assert_described;
use crate::harness::{skip, wait_until};
use crate::stories::on_each_destination;

on_each_destination! {
    after_a_kill_metrics_report_status_and_tables_agree
}

const JOB: &str = r#"
name = "app"
[source]
files  = ["logs"]
format = "ndjson"
[record.fields]
n    = "int"
word = { type = "text", required = false, max_length = 3 }
[destination]
url   = "sqlite:logmill.db"
table = "app"
"#;

/// A thousand records in two files: thirty with a word that is too long, ten without a number, and five with
/// neither.
fn place() -> Place {
    let place = Place::new();
    place.write("job.toml", JOB);
    for file in 0..2 {
        let first = file + 1;
        let record = |n: usize| match n {
            0..15 => format!("{{\"n\":{first}{n:03},\"word\":\"long\"}}\n"),
            15..20 => "{}\n".to_owned(),
            20 => "{\"word\":\"long\"}\n".to_owned(),
            _ => format!("{{\"n\":{first}{n:03}}}\n"),
        };
        place.write(format!("logs/{file}.ndjson"), (0..500).map(record).collect::<String>());
    }
    place
}

/// Parses the samples of a metrics file.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let sample =
        |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    lines.map(|line| sample(line).unwrap()).collect()
}

fn events(stderr: &str) -> Vec<Value> {
    let lines = stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.inspect(assert_described);
    lines.filter_map(|mut line| line.get_mut("event").map(Value::take)).collect()
}

/// Asserts that metrics match a report.
#[track_caller]
fn assert_equal(figures: &str, report: &Value) {
    let figures = samples(figures);
    let counts = &report["counts"];
    let of = |name: &str| figures.get(name).copied();
    let expected = |name: &str, value: &Value| {
        assert_eq!(of(&name.replace('}', "job_name=\"app\"}")).or(of(name)), value.as_f64(), "{name}");
    };
    let job = r#"{job_name="app"}"#;
    expected(&format!("logmill_records_total{job}"), &counts["records"]);
    expected(&format!("logmill_rejected_records_total{job}"), &counts["rejected"]);
    for result in ["inserted", "updated", "unchanged", "superseded"] {
        let name = format!("logmill_rows_total{{job_name=\"app\",result=\"{result}\"}}");
        expected(&name, &counts[result]);
    }
    expected(&format!("logmill_bytes_total{job}"), &report["bytes"]);
    expected(&format!("logmill_source_bytes_total{job}"), &report["raw_bytes"]);
    expected(&format!("logmill_batches_total{job}"), &report["batches"]);
    expected(&format!("logmill_open_dead_letters{job}"), &report["open_dead_letters_of_job"]);
    expected(&format!("logmill_run_exit_code{job}"), &report["exit_code"]);
    let mut reasons = BTreeMap::new();
    for reason in report["reasons"].as_array().unwrap() {
        *reasons.entry(reason["code"].as_str().unwrap()).or_insert(0.0) += reason["count"].as_f64().unwrap();
    }
    for (code, count) in reasons {
        assert_eq!(
            of(&format!("logmill_rejects_total{{job_name=\"app\",code=\"{code}\"}}")),
            Some(count),
            "{code}"
        );
    }
    let state =
        format!("logmill_run_state{{job_name=\"app\",state=\"{}\"}}", report["outcome"].as_str().unwrap());
    assert_eq!(of(&state), Some(1.0));
}

#[test]
fn metrics_equal_the_report() {
    let place = place();
    let (code, report) = place.json("load -j job.toml --chunk-size 1KiB --batch-rows 100 --metrics app.prom");
    assert_eq!(code, 3);
    let figures = place.read("app.prom");
    assert_equal(&figures, &report);
    assert_eq!(report["counts"]["rejected"], 42);
    let names = samples(&figures);
    assert_eq!(
        names["logmill_commit_duration_seconds_count{job_name=\"app\"}"],
        report["batches"].as_f64().unwrap()
    );
    assert_eq!(names["logmill_lag_bytes{job_name=\"app\"}"], 0.0);
    assert_eq!(names["logmill_sources_total{job_name=\"app\",result=\"finished\"}"], 2.0);
    // A second run has nothing to do, and the letters are still open.
    let (_, report) = place.json("load -j job.toml --metrics app.prom");
    assert_equal(&place.read("app.prom"), &report);
}

#[test]
fn prometheus_accepts_the_metrics_and_the_rules() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/monitoring/alerts.yml");
    let Ok(checked) = Command::new("promtool").args(["check", "rules", rules]).output() else {
        skip("promtool is missing: install prometheus")
    };
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    // A job that never succeeded raises the same alert as one that succeeded long ago. A job that succeeds
    // raises none.
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/alerts.yml");
    let tested = Command::new("promtool").args(["test", "rules", cases]).output().unwrap();
    let said =
        String::from_utf8_lossy(&tested.stdout).into_owned() + &String::from_utf8_lossy(&tested.stderr);
    assert!(tested.status.success() && said.contains("SUCCESS"), "{said}");
    let place = place();
    place.run("load -j job.toml --metrics app.prom").ended(3, &[]);
    let said =
        Said::of(Command::new("promtool").args(["check", "metrics"]), place.read("app.prom").as_bytes());
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""));
}

fn after_a_kill_metrics_report_status_and_tables_agree(kind: Kind) {
    needs_failpoints();
    let place = place();
    let database = match kind {
        Kind::Postgres => Destination::Postgres(Rc::new(Server::shared().database())),
        Kind::Sqlite => Destination::Sqlite(place.path("logmill.db")),
    };
    place.write("job.toml", JOB.replace("sqlite:logmill.db", &database.url()));
    let load = "load -j job.toml --chunk-size 1KiB --batch-rows 100 --metrics app.prom";
    let mut killed = place.command(load);
    let said = Said::of(killed.env("FAILPOINTS", "between-batches=3*off->return(kill)"), b"");
    assert_ne!(said.code, 3, "{said:?}");
    // The killed run never reported an end, or anything it had not done.
    let names = samples(&place.read("app.prom"));
    assert_eq!(names["logmill_run_state{job_name=\"app\",state=\"finished\"}"], 0.0);
    assert!(names["logmill_records_total{job_name=\"app\"}"] < 1000.0);
    let (code, report) = place.json(load);
    assert_eq!(code, 3);
    assert_equal(&place.read("app.prom"), &report);
    let (_, status) = place.json("status -j job.toml --all");
    let all = |of: &str| {
        status["sources"].as_array().unwrap().iter().map(|it| it["counts"][of].as_i64().unwrap()).sum::<i64>()
    };
    let count = |table: &str| {
        let counted = database.look(|it| it.query(&format!("SELECT count(*) FROM {table}")));
        counted[0][0].int()
    };
    let (rows, letters) = (count("app"), count(&kind.table("logmill", "dead_letters")));
    assert_eq!((all("records"), all("inserted"), all("rejected")), (1000, rows, letters));
    let of_rerun = report["counts"]["records"].as_i64().unwrap();
    assert!(of_rerun > 0 && of_rerun < 1000, "{of_rerun}");
    let sources = status["sources"].as_array().unwrap();
    assert!(sources.iter().all(|source| source["complete"] == true));
    // The lane's record shows what the killed run committed.
    let [last, killed] = &status["runs"].as_array().unwrap()[..] else { panic!("{status}") };
    assert_eq!((&last["counts"], &killed["ended_at"]), (&report["counts"], &Value::Null));
    let of_lane = |of: &str| killed["lanes"][0][of].as_i64().unwrap();
    // A lane writes its record only a few times a second, so it may lag behind.
    let of_killed = ["records", "rejected"].map(|of| all(of) - report["counts"][of].as_i64().unwrap());
    let told = ["records", "rejected"].map(of_lane);
    assert!(told[0] > 0 && told[0] <= of_killed[0] && told[1] <= of_killed[1], "{told:?} of {of_killed:?}");
    // The terminal and the page show the same.
    let [records, rejected] = told;
    let told = format!("killed, or holds nothing at the moment, at least {records} records");
    assert!(rejected > 0);
    let text = place.run("status -j job.toml").stdout;
    assert!(text.contains(&told), "{told}\n{text}");
    let page = place.run("report -j job.toml -o -").ended(0, &[]).stdout;
    let row = format!("<td class=\"n\">≥ {records}</td><td class=\"n less\">");
    assert!(page.contains(&row), "{row}\n{page}");
    // Another load changes nothing except the list of runs.
    let (_, again) = place.json(load);
    assert_eq!(
        (&again["counts"]["records"], &again["open_dead_letters_of_job"]),
        (&0.into(), &letters.into())
    );
    assert_equal(&place.read("app.prom"), &again);
    let (_, later) = place.json("status -j job.toml --all");
    assert_eq!(later["sources"], status["sources"]);
}

#[test]
fn a_run_reports_every_event_in_order_and_the_sums_match() {
    let place = place();
    let said =
        place.run("load -j job.toml --chunk-size 1KiB --batch-rows 100 --log-format json").ended(3, &[]);
    let told = events(&said.stderr);
    let mut kinds: Vec<&str> = told.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..5], ["run_started", "source_claimed", "source_claimed", "claimed", "committed"]);
    assert_eq!(kinds.last(), Some(&"run_ended"));
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["claimed", "committed", "finished", "run_ended", "run_started", "source_claimed"]);
    let committed = told.iter().filter(|event| event["kind"] == "committed");
    let sum = |of: &str| committed.clone().map(|event| event[of].as_i64().unwrap()).sum::<i64>();
    let end = told.last().unwrap();
    for of in ["records", "inserted", "rejected", "bytes", "raw_bytes"] {
        assert_eq!(end[of], sum(of), "{of}");
    }
    assert_eq!((&end["batches"], &end["exit_code"]), (&committed.clone().count().into(), &3.into()));
    assert_eq!(end["open_dead_letters_of_job"], 42);
    let claimed: u64 =
        told.iter().filter(|it| it["kind"] == "source_claimed").map(|it| it["bytes"].as_u64().unwrap()).sum();
    assert_eq!(end["raw_bytes"], claimed);
    // No event contains a row.
    assert!(!said.stderr.contains("\"long\""), "{}", said.stderr);
}

#[test]
fn a_replay_and_a_backfill_are_watched_too() {
    let place = place();
    place.run("load -j job.toml").ended(3, &[]);
    place.write("job.toml", JOB.replace("max_length = 3", "max_length = 4"));
    let said = place.run("dead-letters replay -j job.toml --metrics app.prom --log-format json");
    let told = events(&said.stderr);
    assert_eq!(
        (&told[0]["kind"], &told[0]["command"]),
        (&"run_started".into(), &"dead-letters replay".into())
    );
    assert_eq!(told.last().unwrap()["kind"], "run_ended");
    let names = samples(&place.read("app.prom"));
    assert_eq!(names["logmill_rows_total{job_name=\"app\",result=\"inserted\"}"], 30.0);
    assert_eq!(names["logmill_rejects_total{job_name=\"app\",code=\"missing\"}"], 12.0);
    assert_eq!(names["logmill_open_dead_letters{job_name=\"app\"}"], 12.0);

    let days = Place::new();
    days.write("job.toml", JOB.replace("logs", "logs/{date}.ndjson"));
    for day in 1..=3 {
        days.write(format!("logs/2023-10-0{day}.ndjson"), format!("{{\"n\":{day}}}\n"));
    }
    days.run("backfill -j job.toml --from 2023-10-01 --to 2023-10-04 --parallel 2 --metrics app.prom")
        .ended(0, &[]);
    let names = samples(&days.read("app.prom"));
    assert_eq!(names["logmill_dates_total{job_name=\"app\",state=\"done\"}"], 3.0);
    assert_eq!(names["logmill_records_total{job_name=\"app\"}"], 3.0);
    assert_eq!(names["logmill_run_state{job_name=\"app\",state=\"finished\"}"], 1.0);
}

#[test]
fn unwritable_metrics_are_reported_once_and_delay_nothing() {
    let place = place();
    // Nobody can create a file there.
    let said = place
        .run("load -j job.toml --chunk-size 1KiB --batch-rows 10 --metrics /proc/app.prom")
        .ended(3, &["the run continues"]);
    assert_eq!(said.stderr.matches("cannot write the file").count(), 1, "{}", said.stderr);
    assert_eq!(place.query("SELECT count(*) FROM app"), ["958"]);
    // An unsuitable path is refused before anything is touched.
    std::os::unix::fs::symlink(place.path("job.toml"), place.path("link.prom")).unwrap();
    for (file, why) in [
        ("link.prom", "it is a link"),
        ("logs", "it is not a plain file"),
        ("no/app.prom", "its folder"),
        ("job.toml", "it contains something other"),
    ] {
        place.run(&format!("load -j job.toml --metrics {file}")).ended(2, &[why]);
    }
    assert_eq!(place.read("job.toml"), JOB);
}

#[test]
fn a_metrics_file_replaced_during_a_run_is_left_alone() {
    needs_failpoints();
    let place = place();
    let mut command = place.command("load -j job.toml --chunk-size 1KiB --batch-rows 100 --metrics app.prom");
    command.env("FAILPOINTS", "between-batches=1*off->1*sleep(3000)->off");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("there are figures", || place.path("app.prom").exists());
    place.write("precious", "precious");
    std::fs::rename(place.path("precious"), place.path("app.prom")).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(
        (ended.status.code(), said.matches("it contains something other").count()),
        (Some(3), 1),
        "{said}"
    );
    assert_eq!(place.read("app.prom"), "precious");
}

#[test]
fn an_unread_stderr_delays_no_row() {
    let place = place();
    let mut command = place.command("load -j job.toml --chunk-size 1KiB --batch-rows 1 --log-format json");
    // The messages of each batch exceed the capacity of a pipe.
    for file in 2..60 {
        place.write(
            format!("logs/{file}.ndjson"),
            (0..500).map(|n| format!("{{\"n\":{}{n:03}}}\n", file + 1)).collect::<String>(),
        );
    }
    let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    wait_until("the sources are loaded", || {
        place.path("logmill.db").exists()
            && rusqlite::Connection::open(place.path("logmill.db"))
                .and_then(|it| {
                    it.query_row("SELECT count(*) FROM logmill_runs WHERE ended_at IS NOT NULL", [], |row| {
                        row.get(0)
                    })
                })
                .is_ok_and(|ended: i64| ended == 1)
    });
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(place.query("SELECT count(*) FROM app"), ["29958"]);
    assert!(said.len() > 1 << 16, "the pipe was never full");
}

/// Parses the lines of a progress file.
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn shell(place: &Place, script: &str) -> Said {
    let logmill = place.command("").get_program().to_owned();
    let mut command = Command::new("bash");
    command.current_dir(place.path("")).args(["-c", script]).env("logmill", logmill);
    Said::of(&mut command, b"")
}

#[test]
fn progress_is_machine_readable_and_a_slow_reader_delays_nothing() {
    let place = place();
    let said = shell(&place, "$logmill load -q -j job.toml --progress-fd 3 3>progress.ndjson");
    assert_eq!((said.code, said.stderr.as_str()), (3, ""));
    let told = lines(&place.read("progress.ndjson"));
    let (first, last) = (&told[0], told.last().unwrap());
    assert_eq!(
        (&first["kind"], &first["records"], &first["ended"]),
        (&"progress".into(), &0.into(), &false.into())
    );
    assert_eq!(
        (&last["records"], &last["rejected"], &last["ended"]),
        (&1000.into(), &42.into(), &true.into())
    );
    assert_eq!((&last["bytes"], &last["eta_seconds"]), (&last["bytes_total"], &Value::Null));

    // On stderr, with nothing else on it.
    let said = place.run("load -q -j job.toml --progress json").ended(3, &[]);
    assert_eq!(lines(&said.stderr).last().unwrap()["ended"], true);
    let said = place.run("load -j job.toml --progress json --log-format json").ended(3, &[]);
    assert_eq!(said.stderr.lines().count(), lines(&said.stderr).len());

    // A full pipe that nobody reads.
    let script = "mkfifo full && exec 3<>full && dd if=/dev/zero bs=65536 count=1 of=full 2>/dev/null && $logmill load -q -j job.toml --progress-fd 3";
    let began = Instant::now();
    assert_eq!(shell(&place, script).code, 3);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // A reader that went away is reported once.
    let said = shell(&place, "set +o posix; $logmill load -j job.toml --progress-fd 3 3> >(true)");
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.stderr.matches("nobody reads progress any more").count() <= 1);
    // A descriptor that is not open.
    place.run("load -j job.toml --progress-fd 77").ended(2, &["--progress-fd 77", "must be open"]);
}

#[test]
fn a_watchers_file_at_the_limit_of_its_size_does_not_end_the_load() {
    let place = place();
    let script = "truncate -s 64M events && ulimit -f 65536 && $logmill load -j job.toml --lineage events";
    let said = shell(&place, script);
    assert_eq!(said.code, 3, "{said:?}");
    assert_eq!(said.stderr.matches("File too large").count(), 1, "{said:?}");
}

/// A load that pauses for long after its first batch, and the address at which it listens.
fn listening(place: &Place) -> (Child, String) {
    needs_failpoints();
    let mut command = place.command("load -j job.toml --metrics-listen 0 --log-format json");
    command.env("FAILPOINTS", "between-batches=sleep(600000)");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended");
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["event"]["kind"] == "listening" {
            let url = event["event"]["url"].as_str().unwrap().to_owned();
            break url.trim_start_matches("http://").trim_end_matches("/metrics").to_owned();
        }
    };
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    (child, address)
}

/// The answer to a request.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn metrics_are_served_and_a_slow_client_blocks_nobody() {
    let place = place();
    let (mut child, address) = listening(&place);
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let get = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    // Clients that send nothing.
    let _silent: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(&address).unwrap()).collect();
    wait_until("the records are committed", || {
        ask(&address, get).contains("logmill_records_total{job_name=\"app\"} 1000")
    });
    let answer = ask(&address, get);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{head}"
    );
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("logmill_run_state{job_name=\"app\",state=\"running\"} 1"), "{body}");
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405"),
        ("hello\r\n\r\n", "400"),
        (&format!("GET /metrics HTTP/1.1\r\nx: {}", "x".repeat(9 << 10)), "431"),
    ] {
        let answer = ask(&address, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:.40}: {answer:.80}");
    }
    // A second run cannot have the address, and loads all the same.
    place
        .run(&format!("load -j job.toml --into sqlite:other.db --metrics-listen {address}"))
        .ended(3, &["cannot listen at"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The runs in a status, newest first.
fn runs(place: &Place, job: &str) -> Vec<Value> {
    place.json(&format!("status -j {job}")).1["runs"].as_array().unwrap().clone()
}

#[test]
fn a_status_shows_running_loads_and_their_progress() {
    needs_failpoints();
    let place = place();
    let mut command = place.command("load -q -j job.toml --chunk-size 1KiB --batch-rows 100");
    command.env("FAILPOINTS", "between-batches=1*off->sleep(600000)");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let at_work = || {
        place.path("logmill.db").exists()
            && runs(&place, "job.toml").first().is_some_and(|run| {
                run["alive"] == true
                    && run["counts"]["records"] == 0
                    && run["lanes"][0]["records"].as_u64() > Some(0)
            })
    };
    wait_until("the records are committed", at_work);
    let run = runs(&place, "job.toml").remove(0);
    let lane = &run["lanes"][0];
    assert!(
        lane["records"].as_u64() < Some(1000) && lane["bytes"].as_u64() < lane["bytes_total"].as_u64(),
        "{run}"
    );
    assert!(run["updated_at"].is_string());
    let text = place.run("status -j job.toml").stdout;
    assert!(text.contains("\nrunning\n     1  load  ") && text.contains(" records, "), "{text}");
    // A killed run is not shown as running.
    child.kill().unwrap();
    child.wait().unwrap();
    let run = runs(&place, "job.toml").remove(0);
    assert_eq!((&run["alive"], &run["ended_at"]), (&false.into(), &Value::Null));
    let text = place.run("status -j job.toml").stdout;
    assert!(!text.contains("running\n") && text.contains("load  no end recorded"), "{text}");
    // The last record of a lane equals what it had done at its end.
    let (_, report) = place.json("load -j job.toml --chunk-size 1KiB --batch-rows 50");
    let run = runs(&place, "job.toml").remove(0);
    let lane = &run["lanes"][0];
    for of in ["records", "rejected"] {
        assert_eq!((&lane[of], &run["counts"][of]), (&report["counts"][of], &report["counts"][of]), "{of}");
    }
    assert_eq!(lane["bytes"], report["raw_bytes"]);
    let points: Value =
        serde_json::from_str(&place.query("SELECT points FROM logmill_progress WHERE run = 2")[0]).unwrap();
    let last = points.as_array().unwrap().last().unwrap();
    assert_eq!((&last[1], &last[2]), (&lane["records"], &lane["bytes"]));
}

#[test]
fn a_status_exits_with_codes_for_monitoring() {
    let place = place();
    place.run("status -j job.toml --fail-if-older 1d").ended(1, &["no load has ever finished its sources"]);
    place.run("status -j job.toml --fail-if-open").ended(0, &[]);
    place.run("load -j job.toml").ended(3, &[]);
    place.run("status -j job.toml --fail-if-open").ended(3, &["42 dead letters open"]);
    place.run("status -j job.toml --fail-if-older 1d").ended(0, &[]);
    let (code, status) = place.json("status -j job.toml --fail-if-open --fail-if-older 1d");
    assert_eq!((code, &status["exit_code"], &status["outcome"]), (3, &3.into(), &"rejects".into()));
    rusqlite::Connection::open(place.path("logmill.db"))
        .unwrap()
        .execute("UPDATE logmill_runs SET ended_at = '2023-01-01T00:00:00.000Z'", [])
        .unwrap();
    // The more severe of the two decides.
    place
        .run("status -j job.toml --fail-if-open --fail-if-older 36h")
        .ended(1, &["42 dead letters open", "ago, more than"]);
    place.run("dead-letters discard -j job.toml --all").ended(0, &[]);
    place.run("status -j job.toml --fail-if-open").ended(0, &[]);
    place.run("status -j job.toml logs --fail-if-open").ended(2, &[]);
}

#[test]
fn a_status_shows_the_last_failure_and_the_age_of_letters() {
    let place = place();
    place.write(
        "logs/2.ndjson",
        "\u{feff}".encode_utf16().chain("{}".encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    );
    place.run("load -j job.toml").ended(1, &[]);
    std::fs::remove_file(place.path("logs/2.ndjson")).unwrap();
    place.run("load -j job.toml").ended(3, &[]);
    let (_, status) = place.json("status -j job.toml");
    let failure = &status["last_failure"];
    assert_eq!((&failure["id"], &failure["exit_code"]), (&1.into(), &1.into()));
    assert!(failure["reason"].as_str().unwrap().contains("2.ndjson: "), "{failure}");
    assert_eq!(status["runs"][0]["reason"], Value::Null);
    assert_eq!(status["last_success"], status["runs"][0]["ended_at"]);
    for reason in status["reasons"].as_array().unwrap() {
        assert!(reason["oldest"].as_str().unwrap() <= reason["newest"].as_str().unwrap(), "{reason}");
    }
    let text = place.run("status -j job.toml").stdout;
    assert!(text.contains("\nlast failure  1  ") && text.contains("2.ndjson: "), "{text}");
}

#[test]
fn a_status_shows_which_lock_a_run_waits_for() {
    let (place, database) = (place(), Server::shared().database());
    place.write("job.toml", JOB.replace("sqlite:logmill.db", &database.url()));
    place.run("load -j job.toml -q logs/0.ndjson").ended(3, &[]);
    let mut holder = database.client();
    holder.batch_execute("BEGIN; LOCK TABLE app IN SHARE ROW EXCLUSIVE MODE").unwrap();
    let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let mut child = place.command("load -q -j job.toml logs/1.ndjson").stderr(Stdio::null()).spawn().unwrap();
    let mut said = Value::Null;
    wait_until("it waits for the lock", || {
        said = runs(&place, "job.toml").remove(0);
        said["activity"][0]["state"] == "lock"
    });
    assert_eq!(
        (&said["alive"], &said["activity"][0]["blocked_by"]),
        (&true.into(), &vec![pid].into()),
        "{said}"
    );
    assert!(
        said["activity"][0]["since"].is_string() && said["activity"][0]["wait_event"] == "Lock:relation",
        "{said}"
    );
    let text = place.run("status -j job.toml").stdout;
    assert!(text.contains(&format!("waits for a lock that process {pid} holds, since ")), "{text}");
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    // Each lane has its own row.
    let lanes =
        database.client().query("SELECT lane, records FROM logmill.progress ORDER BY run", &[]).unwrap();
    assert_eq!(
        lanes.iter().map(|row| (row.get(0), row.get(1))).collect::<Vec<(i32, i64)>>(),
        [(0, 500), (0, 500)]
    );
    assert_eq!(runs(&place, "job.toml")[0]["lanes"][0]["rejected"], 21);
}
