//! The files in `datasets/` equal the output of their generators, and loads have the results that their page
//! lists.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::logmill;

/// The generator of small hostile files; cargo can also run it by itself.
#[path = "../datasets/hostile.rs"]
mod hostile;

use logmill::bench::dataset::{self, Amount, Format, Recipe};

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets")
}

#[test]
fn the_hostile_files_are_what_their_generator_makes() {
    let mut kept: Vec<_> = std::fs::read_dir(datasets().join("hostile"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut made: Vec<_> = hostile::files().iter().map(|(name, _)| (*name).to_owned()).collect();
    kept.sort();
    made.sort();
    assert_eq!(kept, made);
    for (name, bytes) in hostile::files() {
        let kept = std::fs::read(datasets().join("hostile").join(name)).unwrap();
        assert!(kept == bytes, "{name} differs; cargo run --example hostile -- datasets/hostile");
    }
}

#[test]
fn the_samples_are_what_their_generator_makes() {
    let samples = [
        ("service.ndjson", Format::Ndjson, [1_000, 7, 0]),
        ("service-dirty.ndjson", Format::Ndjson, [400, 8, 20_000]),
        ("access.log", Format::Combined, [300, 9, 10_000]),
        ("service.logfmt", Format::Logfmt, [300, 10, 10_000]),
        ("messages.log", Format::Syslog, [300, 11, 10_000]),
        ("orders.csv", Format::Csv, [200, 12, 10_000]),
        ("iis.log", Format::W3c, [200, 13, 10_000]),
        ("conn.log", Format::Zeek, [200, 14, 10_000]),
        ("service.json", Format::Json, [100, 15, 20_000]),
        ("pod.log", Format::Cri, [200, 16, 10_000]),
        ("docker.log", Format::Docker, [200, 17, 20_000]),
        ("compose.log", Format::Compose, [200, 18, 10_000]),
    ];
    for (name, format, [lines, seed, bad_per_million]) in samples {
        let amount = Amount::Records(lines);
        let recipe = Recipe { format, amount, seed, bad_per_million, ..Recipe::default() };
        let mut made = Vec::new();
        dataset::write(recipe, &mut made).unwrap();
        assert!(std::fs::read(datasets().join("samples").join(name)).unwrap() == made, "{name}");
    }
}

/// The number of days since 1970.
fn day_number(text: &str) -> Option<u64> {
    text.parse::<chrono::NaiveDate>().ok().and_then(|day| u64::try_from(day.to_epoch_days()).ok())
}

#[test]
fn the_month_is_what_its_generator_makes() {
    let month = datasets().join("month");
    let first = day_number("2023-12-16").unwrap();
    let names = std::fs::read_dir(&month).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".log"));
    names.sort();
    let days = (first..first + 30).filter(|day| Some(*day) != day_number("2023-12-25"));
    assert_eq!(names.len(), 29);
    for (name, day) in names.iter().zip(days) {
        assert_eq!(day_number(name.trim_end_matches(".log")), Some(day));
        let recipe = Recipe {
            format: Format::Syslog,
            amount: Amount::Records(20),
            seed: day,
            day: Some(day),
            bad_per_million: 10_000,
            ..Recipe::default()
        };
        let mut made = Vec::new();
        dataset::write(recipe, &mut made).unwrap();
        assert!(std::fs::read(month.join(name)).unwrap() == made, "{name}");
    }
}

/// The result of a load: counts of lines, blank lines and rows, and rejects by code.
struct Verdict(&'static str, [i64; 3], &'static [(&'static str, i64)]);

const VERDICTS: &[Verdict] = &[
    Verdict("bom", [2, 0, 2], &[]),
    Verdict("crlf", [3, 1, 2], &[]),
    Verdict("cr-only", [1, 0, 0], &[("json_invalid", 1)]),
    Verdict("no-last-newline", [2, 0, 2], &[]),
    Verdict("blank-lines", [7, 5, 2], &[]),
    Verdict("empty", [0, 0, 0], &[]),
    Verdict("nul", [3, 0, 1], &[("json_invalid", 1), ("nul", 1)]),
    Verdict("nul-tail", [2, 0, 1], &[("json_invalid", 1)]),
    Verdict("invalid-utf8", [4, 0, 2], &[("json_invalid", 2)]),
    Verdict("lone-surrogate", [2, 0, 1], &[("json_invalid", 1)]),
    Verdict("long-line", [3, 0, 3], &[]),
    Verdict("deep", [3, 0, 2], &[("json_invalid", 1)]),
    Verdict("not-objects", [7, 0, 1], &[("json_invalid", 2), ("model_type", 4)]),
    Verdict("keys", [3, 0, 2], &[("missing", 1)]),
    Verdict(
        "numbers",
        [7, 0, 3],
        &[("finite_number", 1), ("int_from_float", 1), ("json_invalid", 1), ("not_storable", 1)],
    ),
];

const JOB: &str = r#"
name = "hostile"
[source]
format = "ndjson"
files = []
[record.fields]
n = "int"
s = "text"
[destination]
url = "sqlite:logmill.db"
table = "t"
[pipeline]
chunk_size = "4KiB"
"#;

/// Loads one file. Returns its report and its exit code.
fn load(name: &str) -> (Value, i32) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("job.toml"), JOB).unwrap();
    let mut command = logmill();
    command.current_dir(&directory).args(["load", "-j", "job.toml", "--output", "json"]);
    let output =
        command.arg(datasets().join("hostile").join(name).with_extension("ndjson")).output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn each_hostile_file_costs_only_its_bad_records() {
    for Verdict(name, [lines, blank, rows], codes) in VERDICTS {
        let (said, exit) = load(name);
        let counts = &said["counts"];
        let count = |name: &str| counts[name].as_i64().unwrap();
        let rejected: i64 = codes.iter().map(|(_, count)| count).sum();
        assert_eq!([count("lines"), count("blank"), count("inserted")], [*lines, *blank, *rows], "{name}");
        assert_eq!(count("rejected"), rejected, "{name}");
        let mut reasons: Vec<_> = said["reasons"].as_array().unwrap().iter().collect();
        reasons.sort_by_key(|reason| reason["code"].to_string());
        let reasons: Vec<_> = reasons
            .iter()
            .map(|reason| (reason["code"].as_str().unwrap(), reason["count"].as_i64().unwrap()))
            .collect();
        assert_eq!(reasons, *codes, "{name}");
        assert_eq!(exit, if rejected > 0 { 3 } else { 0 }, "{name}");
    }
    assert_eq!(VERDICTS.len() + 1, hostile::files().len(), "each file has a verdict, or a test of its own");
}

#[test]
fn utf16_is_recognised_by_name() {
    let (said, exit) = load("utf16");
    assert_eq!((exit, &said["counts"]["lines"]), (1, &Value::from(0)));
    let why = said["sources"]["failed"][0]["why"].as_str().unwrap();
    assert!(why.contains("it is UTF-16"), "{why}");
}
