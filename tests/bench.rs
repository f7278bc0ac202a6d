//! `logmill bench`: data sets are the same everywhere, every figure comes from work that was done, and a
//! comparison finds exactly the stages that differ.

use std::io::read_to_string;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cli::{Place, Said};
use crate::harness::postgres::Server;
use crate::harness::run::{Process, needs_failpoints};
use crate::harness::skip;
use crate::harness::wait_until;

/// Arguments of the generator, and the beginning of the output's hash. The bytes are promised: changing a
/// hash invalidates comparisons with every earlier result.
const HASHES: &[(&str, &str)] = &[
    ("--records 1000", "734a4808f54aef1c"),
    ("--records 1000 --seed 7", "6e6526fdc711cffb"),
    ("--size 100kB", "38b34b63d2c2cfeb"),
    ("--records 1000 --shape github", "a7073146007e5900"),
    ("--records 1000 --shape github --bad 10% --format json", "e2e3925dfd457abb"),
    ("--records 1000 --bad 1% --duplicates 5%", "f999a51820d64df2"),
    ("--records 1000 --format csv", "527bda3df58d0873"),
    ("--records 1000 --format combined --bad 1%", "a0f3e6001f953194"),
    ("--records 1000 --format logfmt", "2d09e1bb3982542f"),
    ("--records 1000 --format syslog --duplicates 100%", "eb1c388e9a50ee75"),
];

#[test]
fn data_sets_are_the_same_bytes_everywhere() {
    let place = Place::new();
    let mut wrong = Vec::new();
    for (number, (flags, expected)) in HASHES.iter().enumerate() {
        let said = place.run(&format!("bench generate -o {number}.log --output json {flags}")).ended(0, &[]);
        let made: Value = serde_json::from_str(&said.stdout).unwrap();
        let bytes = std::fs::read(place.path(&format!("{number}.log"))).unwrap();
        assert_eq!(made["bytes"], bytes.len(), "{flags}");
        assert_eq!(made["blake3"], blake3::hash(&bytes).to_hex().as_str(), "{flags}");
        let found = made["blake3"].as_str().unwrap()[..16].to_owned();
        if found != *expected {
            wrong.push(format!("{flags}: {found}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_data_set_has_the_requested_number_of_records_and_share_of_bad_ones() {
    let place = Place::new();
    let said = place.run("bench generate -o a.log --records 20000 --bad 10% --duplicates 20% --output json");
    let made: Value = serde_json::from_str(&said.ended(0, &[]).stdout).unwrap();
    let text = place.read("a.log");
    assert_eq!((made["records"].as_u64(), text.lines().count()), (Some(20_000), 20_000));
    let (bad, again) = (made["bad"].as_u64().unwrap(), made["duplicates"].as_u64().unwrap());
    assert!((1_800..2_200).contains(&bad) && (3_600..4_400).contains(&again), "{bad} {again}");
    let lines: std::collections::HashSet<&str> = text.lines().collect();
    // A repeated record can be spoiled, which makes it a different one.
    let fewer = 20_000 - lines.len() as u64;
    assert!(fewer <= again && fewer >= again * 8 / 10, "{fewer} of {again}");
}

#[test]
fn existing_files_are_not_overwritten() {
    let place = Place::new();
    place.write("a", "mine");
    place.run("bench generate -o a").ended(2, &["already exists"]);
    place.run("bench run --records 10 -o a").ended(2, &["already exists"]);
    assert_eq!(place.read("a"), "mine");
}

/// Small, so that the tests are quick.
const SMALL: &str = "--records 500 --runs 2 --warm-up 0 --passes 1";

fn measured(said: &str) -> Value {
    serde_json::from_str(said).unwrap()
}

#[test]
fn every_stage_is_compared_with_its_floor_and_the_rows_are_counted() {
    let place = Place::new();
    for format in ["ndjson", "csv", "logfmt", "combined", "syslog", "json", "ndjson --shape github"] {
        let said = place.run(&format!("bench run {SMALL} --bad 2% --format {format} --output json"));
        let run = measured(&said.ended(0, &[]).stdout);
        assert_eq!(run["data"]["records"], 500, "{format}");
        let stages = run["stages"].as_array().unwrap();
        let names: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
        assert_eq!(names, ["scan", "parse", "bind", "encode", "load"]);
        for stage in stages {
            assert_eq!(stage["seconds"]["runs"].as_array().unwrap().len(), 2, "{format} {stage}");
            assert!(stage["floor"]["ratio"].as_f64().unwrap() > 0.0, "{format} {stage}");
        }
        // Some of the bad ones become rows: a record that is bad for one schema can fit the inferred one.
        let rows = stages[4]["rows"].as_u64().unwrap();
        assert!((450..=500).contains(&rows), "{format}: {rows}");
    }
    let said =
        place.run(&format!("bench run {SMALL} --stages load,parse")).ended(0, &["not a release build"]);
    assert!(said.stdout.contains("of simd-json's tape"), "{}", said.stdout);
    assert!(said.stdout.contains("500 rows counted in the table"), "{}", said.stdout);
    // The load leaves nothing behind, and no result is written.
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0);
}

#[test]
fn a_job_is_measured_beside_its_target_and_never_in_it() {
    let place = Place::new();
    let database = Server::shared().database();
    place.write("app.log", "{\"n\":1}\n{\"n\":\"x\"}\n{\"n\":3}\n");
    place.write(
        "job.toml",
        format!(
            "name = \"app\"\n[source]\nfiles = [\"app.log\"]\nformat = \"ndjson\"\n[record]\ntime = \"at\"\n\
             [record.fields]\nn = \"int\"\nat = {{ type = \"timestamp\", required = false }}\n\
             [[rollup]]\nmetric = \"n\"\nsql = \"select count(*) from logs.app where at >= {{date}} and at < {{next_date}}\"\n\
             [destination]\nurl = \"{}\"\ntable = \"logs.app\"\nkey = [\"n\"]\ncreate = false\n[dead_letters]\nto = \"letters\"\nstop_above = 0\n",
            database.url()
        ),
    );
    for into in ["", &format!(" --into {}", database.url()), " --into sqlite:mine.db"] {
        let run = format!("bench run -j job.toml --runs 1 --warm-up 0 --passes 1 --output json{into}");
        let run = measured(&place.run(&run).ended(0, &[]).stdout);
        assert_eq!(run["stages"][4]["rows"], 2, "{run}");
        let product = if into.contains("postgres") { "PostgreSQL " } else { "SQLite " };
        assert!(run["settings"]["destination"].as_str().unwrap().starts_with(product), "{run}");
        assert_eq!(run["settings"]["key"], "n");
        let server = &run["settings"]["server"];
        match into.contains("postgres") {
            // Identifies the server, so that another one of the same version is told apart.
            true => assert!(server["host"].is_string() && server["fsync"].is_string(), "{run}"),
            false => assert!(server["filesystem"].is_string(), "{run}"),
        }
    }
    let tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                  WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";
    assert_eq!(database.client().query_one(tables, &[]).unwrap().get::<_, i64>(0), 0);
    let made = "SELECT count(*) FROM pg_database WHERE datname LIKE 'logmill\\_bench\\_%'";
    assert_eq!(
        database.client().query_one(made, &[]).unwrap().get::<_, i64>(0),
        0,
        "what was made is dropped"
    );
    let mut here: Vec<_> =
        std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    here.sort();
    assert_eq!(here, ["app.log", "job.toml"]);
}

#[test]
fn an_incomplete_measurement_is_an_error() {
    let place = Place::new();
    place.write("gone.toml", "name = \"a\"\n[source]\nfiles = [\"gone.log\"]\nformat = \"ndjson\"\n[record.fields]\nn = \"int\"\n[destination]\nurl = \"sqlite:a.db\"\ntable = \"t\"\n");
    place.run("bench run -j gone.toml").ended(1, &["cannot read gone.log"]);
    place.run("bench run -").ended(2, &["can be read only once"]);
    let nowhere = "bench run --records 10 --into postgres://localhost:1/x";
    place.run(nowhere).ended(1, &[]);
    // A load that rolls back.
    needs_failpoints();
    let mut command = place.command("bench run --records 100 --stages load");
    let said = Said::of(command.env("FAILPOINTS", "before-commit=return"), b"");
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "no figure of it is told");
    assert!(said.stderr.contains("the measured load did not finish"), "{}", said.stderr);
}

/// A stopped load commits what it has and ends normally. Its measurement has no figure and reports no error.
#[test]
fn a_signal_ends_a_measurement() {
    needs_failpoints();
    let place = Place::new();
    let mut command = place.command(
        "bench run --records 2000 --runs 1000 --warm-up 0 --no-floors --into sqlite:here.db --stages load -o a.json \
         --output json",
    );
    command.env("FAILPOINTS", "between-batches=1*return(stop)").stdin(Stdio::null());
    let mut process = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (stdout, stderr) = process.pipes();
    assert!(process.stops());
    process.signal("INT");
    process.signal("CONT");
    wait_until("the measurement to end", || process.status().is_some());
    let (out, said) = (read_to_string(stdout).unwrap(), read_to_string(stderr).unwrap());
    assert_eq!(process.status().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("stopped by SIGINT"), "{said}");
    assert_eq!(measured(&out)["error_kind"], "stopped", "{out}");
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0, "something stays");
}

#[test]
fn flags_without_effect_are_refused() {
    let place = Place::new();
    place.write("app.log", "{\"n\":1}\n");
    place.run(&format!("bench run {SMALL} --no-floors --stages load -o a.json")).ended(0, &[]);
    for (line, said) in [
        ("bench run app.log --records 5", "cannot be used with"),
        ("bench run app.log --format csv", "cannot be used with"),
        ("bench run -j job.toml --seed 3", "cannot be used with"),
        ("bench compare --against ./old app.log --shape github", "cannot be used with"),
        ("bench compare a.json a.json --stages load", "--stages says how to measure"),
        ("bench compare a.json a.json --into sqlite:x.db", "--into says how to measure"),
        ("bench compare a.json a.json --threads 2", "--threads says how to measure"),
        ("bench compare --against ./old --pairs 0", "--pairs 0 measures nothing"),
        ("bench run --records 0", "0 is no data set"),
        ("bench run --size 0", "0 is no data set"),
        ("bench generate -o b.log --records 0", "0 is no data set"),
    ] {
        let said = place.run(line).ended(2, &[said]);
        assert_eq!(said.stdout, "", "{line}");
    }
    // Explicit arguments win over a job that only the environment names.
    let mut command = place.command(&format!("bench run {SMALL} --no-floors --stages scan"));
    Said::of(command.env("LOGMILL_JOB", "gone.toml"), b"").ended(0, &[]);
    // The variables apply only to commands that measure.
    let mut command = place.command("bench compare a.json a.json");
    Said::of(command.env("LOGMILL_INTO", "sqlite:x.db").env("LOGMILL_THREADS", "2"), b"").ended(1, &[]);
}

/// A result file that cannot be written is found before anything is measured.
#[test]
fn an_unwritable_result_file_is_found_first() {
    let place = Place::new();
    let measure = "bench run --size 1GiB --runs 1000 -o nowhere/a.json";
    place.run(measure).ended(1, &["cannot write the result to nowhere/a.json"]);
    place.run("bench run -j gone.toml -o a.json").ended(2, &["gone.toml"]);
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 0, "what was tried goes again");
}

#[test]
fn incomparable_results_are_refused_with_the_reason() {
    let place = Place::new();
    for (name, flags) in [
        ("a", "--stages scan,bind"),
        ("b", "--stages scan,bind"),
        ("seed", "--stages scan,bind --seed 2"),
        ("threads", "--stages scan,bind --threads 2"),
        ("stages", "--stages scan"),
    ] {
        place.run(&format!("bench run {SMALL} --no-floors {flags} -o {name}.json")).ended(0, &[]);
    }
    // Two runs are too few for a verdict.
    place.run("bench compare a.json b.json").ended(1, &[]);
    for (other, named) in [
        ("seed.json", "data.blake3 is"),
        ("threads.json", "settings.threads is 1 and 2"),
        ("stages.json", "stages: scan, bind and scan"),
    ] {
        place.run(&format!("bench compare a.json {other}")).ended(2, &[named, "measure both on one machine"]);
    }
    let mut foreign = measured(&place.read("a.json"));
    foreign["host"]["cpu"] = "another".into();
    place.write("host.json", foreign.to_string());
    let mut foreign = measured(&place.read("a.json"));
    foreign["settings"]["server"]["filesystem"] = "another".into();
    place.write("filesystem.json", foreign.to_string());
    place
        .run("bench compare a.json filesystem.json")
        .ended(2, &["settings.server.filesystem is", "\"another\""]);
    // An older result does not say where it was measured. It is compared, with a warning.
    let mut silent = measured(&place.read("a.json"));
    silent["settings"].as_object_mut().unwrap().remove("server").unwrap();
    place.write("silent.json", silent.to_string());
    let said = place.run("bench compare silent.json a.json").ended(1, &[]);
    assert!(said.stdout.contains("silent.json does not say which server"), "{}", said.stdout);
    place.run(&format!("bench run {SMALL} --no-floors --stages load -o load.json")).ended(0, &[]);
    let mut fewer = measured(&place.read("load.json"));
    fewer["stages"][0]["rows"] = 499.into();
    place.write("rows.json", fewer.to_string());
    place.run("bench compare load.json rows.json").ended(2, &["the rows of load are 500 and 499"]);
    place.run("bench compare a.json host.json").ended(2, &["host.cpu is", "\"another\""]);
    place.write("none.json", "{}");
    place.run("bench compare a.json none.json").ended(2, &["is not a result of"]);
}

/// The results are made up, so the expected comparison is known.
#[test]
fn results_differ_only_where_their_figures_do() {
    let place = Place::new();
    place.run(&format!("bench run {SMALL} --no-floors --stages scan,bind,load -o a.json")).ended(0, &[]);
    let scaled = |name: &str, stage: usize, by: f64| {
        let mut run = measured(&place.read("a.json"));
        for (number, stage_of) in run["stages"].as_array_mut().unwrap().iter_mut().enumerate() {
            let factor = if number == stage { by } else { 1.0 };
            let runs: Vec<f64> = [1.0, 1.01, 0.99, 1.005, 0.995, 1.0, 1.0].map(|run| run * factor).to_vec();
            for series in ["seconds", "cpu_seconds"] {
                stage_of[series]["runs"] = runs.clone().into();
            }
        }
        place.write(name, run.to_string());
    };
    scaled("old.json", 0, 1.0);
    scaled("same.json", 0, 1.0);
    scaled("bind.json", 1, 1.1);
    scaled("load.json", 2, 0.8);
    place.run("bench compare old.json same.json").ended(0, &[]);
    let slower = place.run("bench compare old.json bind.json").ended(5, &[]);
    assert!(
        slower.stdout.contains("bind got slower: 9.1 % less speed, and 5.0 % are tolerated"),
        "{}",
        slower.stdout
    );
    place.run("bench compare old.json bind.json --fail-below 0.9").ended(1, &[]);
    place.run("bench compare old.json bind.json --fail-below 0.85").ended(0, &[]);
    let faster = place.run("bench compare old.json load.json --output json").ended(0, &[]);
    let verdicts: Vec<Value> = measured(&faster.stdout)["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["verdict"].clone())
        .collect();
    assert_eq!(verdicts, ["same", "same", "faster"]);
}

/// The program itself, optionally with a variable that slows down a stage.
fn program(place: &Place, name: &str, slower: &str) {
    let text = format!("#!/bin/sh\nLOGMILL_SLOWER={slower} exec {} \"$@\"\n", env!("CARGO_BIN_EXE_logmill"));
    place.write(name, text);
    std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Compares instruction counts, which have no noise: a stage that does its work twice is reported by name,
/// and an unchanged stage is the same.
#[test]
fn a_planted_slowdown_is_caught_and_nothing_else_is() {
    needs_failpoints();
    if Command::new("valgrind").arg("--version").output().is_err() {
        skip("valgrind is not installed");
    }
    let place = Place::new();
    program(&place, "plain", "");
    let compare =
        "bench compare --pairs 0 --instructions --records 300 --stages parse,bind --output json --against";
    let mut slower = place.command(&format!("{compare} ./plain"));
    let slower = Said::of(slower.env("LOGMILL_SLOWER", "bind=1"), b"").ended(5, &[]);
    let compared = measured(&slower.stdout);
    let found = |stage: usize| compared["stages"][stage].clone();
    assert_eq!(
        (&found(0)["verdict"], &found(1)["verdict"]),
        (&"same".into(), &"slower".into()),
        "{compared}"
    );
    assert_eq!(found(1)["by"], "instructions");
    // Twice the work is half the speed, except for the opening of so small a file.
    let ratio = found(1)["ratio"].as_f64().unwrap();
    assert!((0.45..0.85).contains(&ratio), "{ratio}");
}

#[test]
fn a_program_that_cannot_measure_itself_is_refused() {
    let place = Place::new();
    let compare = "bench compare --records 50 --stages scan --against";
    place.run(&format!("{compare} ./nothing")).ended(1, &["cannot run ./nothing"]);
    place.run(&format!("{compare} /bin/false")).ended(2, &["/bin/false could not measure itself"]);
    program(&place, "itself", "");
    // Too few pairs give no verdict, and no false alarm either.
    let said = place.run(&format!("{compare} ./itself --pairs 2")).ended(1, &[]);
    assert!(said.stdout.contains("cannot be told"), "{}", said.stdout);
}
