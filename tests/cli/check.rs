//! `check`: validating records without a destination.

use super::*;

const JOB: &str = r#"
name = "app"
[source]
files  = ["app.ndjson"]
format = "ndjson"
[record.fields]
at    = { type = "timestamp" }
level = { type = "enum", values = ["INFO", "WARN"] }
user  = { type = "int", from = "/user/id", required = false }
ratio = { type = "float", required = false }
cost  = { type = "decimal", required = false }
[destination]
url   = "postgres://nobody@nowhere.invalid/nothing"
table = "app"
"#;

const LINES: &str = r#"{"at":"2023-10-27T12:34:56.789Z","level":"INFO","user":{"id":7},"ratio":"NaN","cost":1.5}

{"at":"2023-10-27 14:34:56+02:00","level":"LOUD"}
no JSON
{"at":0,"level":"WARN","user":{"id":"x"}}
{"at":0,"level":"WARN","user":{"id":18446744073709551616}}
{"at":0,"level":"WARN","cost":"0.10"}"#;

fn place() -> Place {
    let place = Place::new();
    place.write("app.toml", JOB);
    place.write("app.ndjson", LINES);
    place
}

#[test]
fn a_check_counts_explains_and_shows_rows_without_a_destination() {
    let place = place();
    place.play(
        r"
        $ logmill check -j app.toml
        ? 3
        app: 1 file, 287 B checked in [..]

          records                   6   [..]/s, [..]/s
            valid                   3
            rejected                3   50 %
          blank lines               1

          rejected because
                      1  level: not one of the allowed values (enum)  first at app.ndjson:3
                      1  user: not an integer (int_parsing)           first at app.ndjson:5
                      1  not valid JSON (json_invalid)                first at app.ndjson:4

          the first valid records
            at                           level  user                  ratio  cost
            2023-10-27T12:34:56.789000Z  INFO   7                     NaN    1.5
            1970-01-01T00:00:00.000000Z  WARN   18446744073709551616  null   null
            1970-01-01T00:00:00.000000Z  WARN   null                  null   0.10
        ",
    );
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 2);
}

#[test]
fn verdicts_are_one_object_per_record_in_file_order() {
    let place = place();
    let said =
        place.run("check -j app.toml --verdicts -").ended(3, &["app: 1 file", "the first valid records"]);
    let verdicts: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        said.stdout.lines().next(),
        Some(
            "{\"source\":\"app.ndjson\",\"line\":1,\"offset\":0,\"valid\":true,\"values\":{\"at\":\"2023-10-27T12:34:56.789000Z\",\
             \"level\":\"INFO\",\"user\":7,\"ratio\":\"NaN\",\"cost\":\"1.5\"}}"
        )
    );
    let places = |name: &str| verdicts.iter().map(|verdict| verdict[name].clone()).collect::<Vec<_>>();
    assert_eq!(places("line"), [1, 3, 4, 5, 6, 7]);
    assert_eq!(places("offset"), [0, 91, 141, 149, 191, 250]);
    assert_eq!(places("valid"), [true, false, false, false, true, true]);
    assert_eq!(verdicts[1]["reasons"][0]["code"], "enum");
    assert_eq!(verdicts[1]["reasons"][0]["field"], "level");
    assert!(verdicts[1]["reasons"][0]["message"].is_string());

    // The same verdicts in a file, however the work is divided.
    place.run("check -j app.toml --verdicts out --chunk-size 10 --threads 3").ended(3, &[]);
    assert_eq!(place.read("out"), said.stdout);
    place
        .run("check -j app.toml --verdicts app.ndjson")
        .ended(2, &["--verdicts app.ndjson would overwrite app.ndjson, which is to be checked"]);
    assert_eq!(place.read("app.ndjson"), LINES);
    place.run("check -j app.toml --verdicts no/where").ended(1, &["cannot write verdicts to no/where"]);
    let verdicts = "check -j app.toml --verdicts -";
    place.run(&format!("{verdicts} --output json")).ended(2, &["--output json both use stdout"]);
    Said::of(place.command(verdicts).env("LOGMILL_OUTPUT", "json"), b"")
        .ended(2, &["LOGMILL_OUTPUT=json both use stdout"]);
}

#[test]
fn verdicts_never_empty_an_existing_file() {
    let place = place();
    place.write("other.ndjson", "precious");
    let check = |out: &str| place.run(&format!("check -j app.toml --verdicts {out}"));
    check("other.ndjson").ended(2, &["other.ndjson exists; name another file"]);
    assert_eq!(place.read("other.ndjson"), "precious");
    place.write("empty", "");
    check("empty").ended(3, &[]);
    assert_eq!(place.read("empty").lines().count(), 6);
    check("empty").ended(2, &["empty exists; name another file"]);
    check("/dev/null").ended(3, &[]);
}

#[test]
fn verdicts_never_empty_a_file_of_the_job() {
    let place = Place::new();
    let job = r#"
name = "app"
[source]
format = "ndjson"
[record]
schema = "app.schema.json"
[destination]
table = "app"
"#;
    let schema = r#"{"properties":{"n":{"type":"integer"}}}"#;
    place.write("app.toml", job);
    place.write("app.schema.json", schema);
    place.write("logmill.db", "rows");
    place.write("app.ndjson", "{\"n\":1}\n");
    std::os::unix::fs::symlink("app.toml", place.path("link.toml")).unwrap();
    for (out, said) in [
        ("app.toml", "would overwrite app.toml, which is the job;"),
        ("link.toml", "would overwrite app.toml, which is the job;"),
        ("app.schema.json", "would overwrite app.schema.json, which is the schema of the job;"),
        ("logmill.db", "would overwrite logmill.db, which is the destination of the job;"),
        ("app.ndjson", "would overwrite app.ndjson, which is to be checked;"),
    ] {
        place.run(&format!("check -j app.toml app.ndjson --verdicts {out}")).ended(2, &[said]);
    }
    assert_eq!((place.read("app.toml"), place.read("app.schema.json")), (job.to_owned(), schema.to_owned()));
    assert_eq!(place.read("logmill.db"), "rows");
    place.run("check -j app.toml app.ndjson --verdicts out").ended(0, &[]);
}

#[test]
fn json_output_is_one_object() {
    let (code, object) = place().json("check -j app.toml");
    assert_eq!(code, 3);
    assert_eq!(object["counts"]["valid"], 3);
    assert_eq!(object["counts"]["blank"], 1);
    assert_eq!(object["reasons"].as_array().unwrap().len(), 3);
    assert_eq!(object["sample"][2]["cost"], "0.10");
    assert_eq!(object["outcome"], "rejects");
}

#[test]
fn without_a_job_records_are_checked_against_the_inferred_one() {
    let place = Place::new();
    let lines = "{\"n\":1,\"t\":\"a\"}\n{\"n\":2}\nno\n";
    place.write("app.ndjson", lines);
    let gzipped = |text: &str| {
        // Stored uncompressed, so that a large input makes a large archive.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    place.write("app.ndjson.gz", gzipped(lines));
    place.write("app.ndjson.zst", zstd::encode_all(lines.as_bytes(), 1).unwrap());
    for name in ["app.ndjson", "app.ndjson.gz", "app.ndjson.zst"] {
        let said = place.run(&format!("check {name}")).ended(
            3,
            &[
                "there is no job, so the records are checked against what was inferred from all 2 records of",
                "1 of 3 lines is not a JSON object",
            ],
        );
        assert!(said.stdout.contains("valid                   2\n"), "{}", said.stdout);
        assert!(said.stdout.ends_with("    n  t\n    1  a\n    2  null\n"), "{}", said.stdout);
    }
    assert!(!place.path("app.logmill.toml").exists());
    for input in [lines.as_bytes().to_vec(), gzipped(lines)] {
        let said = Said::of(&mut place.command("check -"), &input).ended(3, &["2 records of stdin"]);
        assert!(said.stdout.contains("stdin: 1 file, 27 B checked"), "{}", said.stdout);
    }
    // Input beyond the inferred part is still checked, and the cut at its end is not mistaken for damage.
    let many = "{\"n\":1,\"text\":\"abcdefghijklmnopqrstuvwxyz\"}\n".repeat(300_000);
    for input in [many.as_bytes().to_vec(), gzipped(&(many.clone() + "{\"n\":true}\n"))] {
        let said = Said::of(&mut place.command("check - --output json -q"), &input);
        let object: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(
            (&object["counts"]["valid"], &object["inferred"]["all"]),
            (&300_000.into(), &false.into())
        );
    }
    assert_eq!(place.json("check app.ndjson").1["job_file"], Value::Null);
    // A job file beside the log is used and named.
    place.run("infer app.ndjson").ended(0, &[]);
    place.run("check app.ndjson").ended(3, &["app.logmill.toml exists, and is used as it is"]);
    assert_eq!(place.json("check app.ndjson").1["job_file"], "app.logmill.toml");
}

#[test]
fn the_report_is_the_result_however_messages_are_written() {
    let place = place();
    let said = place.run("check -j app.toml --log-format json").ended(3, &[]);
    assert!(said.stdout.contains("valid                   3\n"), "{}", said.stdout);
    assert_eq!(said.stderr, "");
    // With `-q` a user still has the exit code, and a program the JSON object.
    for flags in ["-q", "-q --log-format json"] {
        let said = place.run(&format!("check -j app.toml {flags}")).ended(3, &[]);
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("", ""), "{flags}");
        let (_, object) = place.json(&format!("check -j app.toml {flags}"));
        assert_eq!(object["counts"]["valid"], 3, "{flags}");
    }
    assert_eq!(place.run("check -j app.toml -q --verdicts -").ended(3, &[]).stderr, "");
    let said = place.run("check -j app.toml --log-format json --verdicts -").ended(3, &[]);
    let message: Value = serde_json::from_str(&said.stderr).unwrap();
    assert_eq!(message["summary"]["counts"]["valid"], 3);
}

#[test]
fn an_unreadable_file_does_not_affect_the_others() {
    let place = place();
    let said = place.run("check -j app.toml nothing app.ndjson").ended(1, &[]);
    assert!(said.stdout.contains("1 file not checked\n    nothing: cannot open"), "{}", said.stdout);
    assert!(said.stdout.contains("valid                   3\n"), "{}", said.stdout);
}
