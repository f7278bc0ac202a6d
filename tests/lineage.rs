//! OpenLineage events of runs, and that no run waits for the receiver.
#![cfg(feature = "sqlite")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::local::tool;
use crate::harness::postgres::Server;

const JOB: &str = r#"
name = "app"
[source]
files  = ["logs/{date}.ndjson"]
format = "ndjson"
[record.fields]
n  = "int"
at = { type = "timestamp", required = false }
[destination]
url   = "sqlite:logmill.db"
table = "app"
"#;

/// Two days of a job; the second has a record that is none.
fn place() -> Place {
    let place = Place::new();
    place.write("job.toml", JOB);
    place.write("logs/2023-10-01.ndjson", "{\"n\":1}\n{\"n\":2}\n");
    place.write("logs/2023-10-02.ndjson", "{\"n\":3}\n{}\n");
    place
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_day_of_a_backfill_is_a_run() {
    let place = place();
    let backfill =
        "backfill -j job.toml --from 2023-10-01 --to 2023-10-03 --parallel 2 --lineage lineage.ndjson";
    place.run(backfill).ended(3, &[]);
    let told = events(&place.read("lineage.ndjson"));
    assert_eq!(told.len(), 4);
    for (day, rows) in [("2023-10-01", 2), ("2023-10-02", 1)] {
        let start = format!("{day}T00:00:00Z");
        let is_of_day =
            |event: &&Value| event["run"]["facets"]["nominalTime"]["nominalStartTime"] == start.as_str();
        let of_day: Vec<&Value> = told.iter().filter(is_of_day).collect();
        let [first, last] = of_day[..] else { panic!("{told:?}") };
        assert_eq!((&first["eventType"], &last["eventType"]), (&"START".into(), &"COMPLETE".into()));
        assert_eq!(first["run"]["runId"], last["run"]["runId"]);
        assert_eq!(last["job"]["name"], "app");
        let inputs = last["inputs"].as_array().unwrap();
        let file = place.path(&format!("logs/{day}.ndjson")).canonicalize().unwrap();
        assert_eq!(inputs.len(), 1);
        assert_eq!(inputs[0]["name"].as_str().map(std::path::Path::new), Some(&*file));
        let output = &last["outputs"][0];
        assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], rows);
        let fields = output["facets"]["schema"]["fields"].as_array().unwrap();
        assert_eq!(
            fields.iter().map(|field| field["type"].as_str().unwrap()).collect::<Vec<_>>(),
            ["int", "timestamp"]
        );
    }
    // A failed run gives its reason, and no event contains anything of a record.
    place.write(
        "logs/2023-10-03.ndjson",
        "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    );
    place.run("load -j job.toml --date 2023-10-03 --lineage lineage.ndjson").ended(1, &[]);
    let last = events(&place.read("lineage.ndjson")).pop().unwrap();
    assert_eq!(last["eventType"], "FAIL");
    assert!(
        last["run"]["facets"]["errorMessage"]["message"].as_str().is_some_and(|why| why.contains("UTF-16")),
        "{last}"
    );
    // So does a run that never opened its destination.
    place.write("broken.toml", JOB.replace("sqlite:logmill.db", "sqlite:broken.db"));
    place.write("broken.db", "no database, but long enough to be taken for the head of one ".repeat(20));
    place.run("load -j broken.toml --date 2023-10-01 --lineage broken.ndjson").ended(1, &["broken.db"]);
    let told = events(&place.read("broken.ndjson"));
    let [first, last] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&first["eventType"], &last["eventType"]), (&"START".into(), &"FAIL".into()));
    assert_eq!(first["run"]["runId"], last["run"]["runId"]);
    let output = &last["outputs"][0];
    assert!(output["namespace"].as_str().is_some_and(|name| name.ends_with("broken.db")), "{last}");
    assert_eq!(output["name"], "app");
    assert!(
        last["run"]["facets"]["errorMessage"]["message"]
            .as_str()
            .is_some_and(|why| why.contains("broken.db")),
        "{last}"
    );
    // A symbolic link could lead anywhere.
    std::os::unix::fs::symlink(place.path("job.toml"), place.path("link")).unwrap();
    let said =
        place.run("load -j job.toml --date 2023-10-01 --lineage link").ended(0, &["could not be delivered"]);
    assert_eq!(said.stderr.matches("could not be delivered").count(), 1);
    assert_eq!(place.read("job.toml"), JOB);
}

#[test]
fn a_table_has_the_name_that_other_tools_use() {
    let (place, server) = (place(), Server::shared());
    let database = server.database();
    let sql = format!("CREATE SCHEMA logs; ALTER DATABASE {} SET search_path = logs", database.name());
    database.client().batch_execute(&sql).unwrap();
    let mut command = place.command("load -j job.toml --date 2023-10-01 --lineage lineage.ndjson --into");
    Said::of(command.arg(database.url()), b"").ended(0, &[]);
    for told in events(&place.read("lineage.ndjson")) {
        let output = &told["outputs"][0];
        assert_eq!(output["name"], format!("{}.logs.app", database.name()));
        assert_eq!(output["namespace"], format!("postgres://localhost:{}", server.port()));
    }
}

/// Parses our events with OpenLineage's own client.
const CLIENT: &str = r#"
import json, sys
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import error_message_run, job_type_job, nominal_time_run, output_statistics_output_dataset, parent_run, schema_dataset

def facet(kind, fields):
    fields = {name: value for name, value in fields.items() if not name.startswith("_")}
    made = kind(**fields)
    return made

for line in sys.stdin:
    event = json.loads(line)
    facets = event["run"]["facets"]
    for name, kind in [("nominalTime", nominal_time_run.NominalTimeRunFacet), ("errorMessage", error_message_run.ErrorMessageRunFacet)]:
        if name in facets:
            made = facet(kind, facets[name])
            assert facets[name]["_schemaURL"] == made._get_schema(), (facets[name]["_schemaURL"], made._get_schema())
    if "parent" in facets:
        parent = facets["parent"]
        made = parent_run.ParentRunFacet(run=parent_run.Run(**parent["run"]), job=parent_run.Job(**parent["job"]))
        assert parent["_schemaURL"] == made._get_schema(), (parent["_schemaURL"], made._get_schema())
    made = facet(job_type_job.JobTypeJobFacet, event["job"]["facets"]["jobType"])
    assert event["job"]["facets"]["jobType"]["_schemaURL"] == made._get_schema(), made._get_schema()
    for output in event["outputs"]:
        schema = output["facets"]["schema"]
        made = schema_dataset.SchemaDatasetFacet(fields=[schema_dataset.SchemaDatasetFacetFields(**field) for field in schema["fields"]])
        assert schema["_schemaURL"] == made._get_schema(), made._get_schema()
        if "outputFacets" in output:
            stored = output["outputFacets"]["outputStatistics"]
            made = facet(output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet, stored)
            assert stored["_schemaURL"] == made._get_schema(), made._get_schema()
    made = RunEvent(
        eventType=RunState[event["eventType"]],
        eventTime=event["eventTime"],
        run=Run(runId=event["run"]["runId"]),
        job=Job(namespace=event["job"]["namespace"], name=event["job"]["name"]),
        inputs=[InputDataset(namespace=it["namespace"], name=it["name"]) for it in event["inputs"]],
        outputs=[OutputDataset(namespace=it["namespace"], name=it["name"]) for it in event["outputs"]],
        producer=event["producer"],
    )
    assert made.schemaURL == event["schemaURL"], made.schemaURL
    print(made.eventType.value)
"#;

#[test]
fn openlineages_client_parses_the_events() {
    let python = tool("openlineage", "python");
    let place = place();
    let mut command = place.command("load -j job.toml --date 2023-10-01 --lineage lineage.ndjson");
    for (name, value) in [
        ("AIRFLOW_CTX_DAG_ID", "dag"),
        ("AIRFLOW_CTX_TASK_ID", "task"),
        ("AIRFLOW_CTX_LOGICAL_DATE", "2023-10-01T00:00:00+00:00"),
    ] {
        command.env(name, value);
    }
    Said::of(&mut command, b"").ended(0, &[]);
    place.write(
        "logs/2023-10-03.ndjson",
        "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    );
    place.run("load -j job.toml --date 2023-10-03 --lineage lineage.ndjson").ended(1, &[]);
    let told = place.read("lineage.ndjson");
    assert!(told.contains("\"dag.task\""), "{told}");
    let said = Said::of(Command::new(python).args(["-c", CLIENT]), told.as_bytes());
    assert_eq!((said.code, said.stdout.as_str()), (0, "START\nCOMPLETE\nSTART\nFAIL\n"), "{}", said.stderr);
}

/// A server that gives every request the same answer, and a log of what it received.
fn server(answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let requests = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() <= 2 {
                    break;
                }
                if let Some(bytes) = line.strip_prefix("Content-Length: ") {
                    length = bytes.trim().parse().unwrap();
                }
                request.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            request.push_str(&String::from_utf8(body).unwrap());
            requests.lock().unwrap().push(request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (format!("http://{address}"), seen)
}

fn load(place: &Place, to: &str) -> Said {
    let mut command = place.command("load -j job.toml --date 2023-10-01 --lineage");
    command.arg(to).env("OPENLINEAGE_API_KEY", "sesame").env("OPENLINEAGE_NAMESPACE", "night");
    Said::of(&mut command, b"")
}

#[test]
fn events_are_posted_with_the_key_and_no_redirect_is_followed() {
    let (place, (url, seen)) = (place(), server("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
    let said = load(&place, &url).ended(0, &[]);
    assert!(!said.stderr.contains("lineage") && !said.stderr.contains("sesame"), "{}", said.stderr);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(seen.len(), 2);
    for (request, kind) in seen.iter().zip(["START", "COMPLETE"]) {
        assert!(request.starts_with("POST /api/v1/lineage HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer sesame\r\n"), "{request}");
        let body: Value = serde_json::from_str(&request[request.find('{').unwrap()..]).unwrap();
        assert_eq!((&body["eventType"], &body["job"]["namespace"]), (&kind.into(), &"night".into()));
    }
    let (elsewhere, unseen) = server("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let redirect =
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let (url, _) = server(redirect.leak());
    let said = load(&place, &url).ended(0, &["none is followed"]);
    assert_eq!(said.stderr.matches("could not be delivered").count(), 1, "{}", said.stderr);
    assert!(unseen.lock().unwrap().is_empty());
}

#[test]
fn a_failing_receiver_delays_no_row_and_is_reported_once() {
    let place = place();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = load(&place, &format!("http://{closed}")).ended(0, &["the run continues"]);
    assert_eq!(said.stderr.matches("could not be delivered").count(), 1, "{}", said.stderr);
    assert_eq!(place.query("SELECT count(*) FROM app"), ["2"]);
    // Accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let said = load(&place, &format!("http://{}", silent.local_addr().unwrap())).ended(0, &["--lineage: "]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(said.stderr.matches("could not be delivered").count() <= 1, "{}", said.stderr);
    for (to, why) in [("ftp://x", "http or https"), ("http://u:p@x", "no password")] {
        let said = load(&place, to).ended(2, &[why]);
        assert!(!said.stderr.contains("u:p"), "{}", said.stderr);
    }
}

/// A TLS server, which reports what it received once it has been verified.
#[cfg(feature = "tls")]
#[test]
fn over_tls_the_system_must_trust_the_server() {
    use std::process::Stdio;

    use crate::harness::authority::Authority;
    use crate::harness::wait_until;

    let (place, authority) = (place(), Authority::new());
    let certificate = authority.sign("server", "IP:127.0.0.1");
    for (date, is_trusted) in [("2023-10-01", true), ("2023-10-02", false)] {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new("openssl");
        server.args([
            "s_server",
            "-quiet",
            "-naccept",
            "1",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
        ]);
        server.arg(&certificate.file).arg("-key").arg(&certificate.key);
        let mut server =
            server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (mut answers, mut sent) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
        let seen = std::thread::spawn(move || {
            let (mut all, mut piece) = (Vec::new(), [0; 4096]);
            while let Ok(read @ 1..) = sent.read(&mut piece) {
                all.extend_from_slice(&piece[..read]);
                if all.ends_with(b"}") {
                    let _ = answers.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
            }
            String::from_utf8_lossy(&all).into_owned()
        });
        wait_until("it listens", || TcpListener::bind(("127.0.0.1", port)).is_err());
        let mut command = place.command("load -j job.toml --allow-rejects --date");
        command.args([date, "--lineage", &format!("https://127.0.0.1:{port}/events")]);
        if is_trusted {
            command.env("SSL_CERT_FILE", authority.file());
        }
        let said = Said::of(command.env("OPENLINEAGE_API_KEY", "sesame"), b"").ended(0, &[]);
        let _ = server.kill();
        server.wait().unwrap();
        let seen = seen.join().unwrap();
        // Only the first event is verified: there is one connection.
        assert_eq!(
            seen.starts_with("POST /events HTTP/1.1\r\n") && seen.contains("sesame"),
            is_trusted,
            "{seen}"
        );
        assert_eq!(said.stderr.contains("certificate"), !is_trusted, "{}", said.stderr);
    }
}
