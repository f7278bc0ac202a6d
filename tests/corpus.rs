//! JSON from the field: the conformance suite, and logs of real programs.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use bumpalo::Bump;
use logmill::format::{Extras, Format, Input, Json, JsonScratch, Raw, Record, pointer_steps};
use logmill::reject::code;
use serde_json::{Value, json};

use crate::harness::{logmill, skip_here};

/// A file of the corpus, which is not part of the repository. Without it the test is skipped.
pub(crate) fn corpus(name: &str) -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let file = std::env::var_os("LOGMILL_CORPUS").map_or(beside, PathBuf::from).join(name);
    if !file.exists() {
        skip_here(&format!("there is no {}", file.display()));
    }
    file
}

/// The lines of a corpus file, without their newlines.
pub(crate) fn lines(name: &str) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(corpus(name)).expect("readable");
    let mut lines: Vec<_> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.pop_if(|last| last.is_empty());
    lines
}

#[test]
fn the_conformance_suite_gets_the_verdicts_it_asks_for() {
    let cases = lines("jsontestsuite/manifest.ndjson");
    let format = Json::new(&[vec!["a"]], Extras::Gathered);
    for case in cases {
        let case: Value = serde_json::from_slice(&case).expect("JSON");
        let bytes = match case["b64"].as_str() {
            Some(bytes) => base64::engine::general_purpose::STANDARD.decode(bytes).expect("base64"),
            // The largest case is only described: this many opening brackets.
            None => vec![b'['; usize::try_from(case["bytes"].as_u64().expect("a number")).expect("small")],
        };
        let arena = Bump::new();
        let (mut scratch, mut record) = (JsonScratch::default(), Record::default());
        let parsed = format.parse(Input::new(&bytes, &arena), &mut scratch, &mut record);
        // A record is an object. Other JSON text is told apart from text that is not JSON.
        let is_json = !matches!(&parsed, Err(malformed) if malformed.code == code::JSON_INVALID);
        match case["expect"].as_str().expect("text") {
            "y" => assert!(is_json, "refused {}", case["name"]),
            // `[NaN]` and `[Infinity]` are JSON to Pydantic and so to us, but no records.
            "n" => assert!(parsed.is_err(), "accepted {}", case["name"]),
            _ => {}
        }
        assert_eq!(is_json, case["pydantic_core"]["ok"], "{}", case["name"]);
        assert_eq!(parsed.is_ok(), case["pydantic_core"]["top"] == "dict", "{}", case["name"]);
    }
}

#[test]
fn values_of_real_logs_are_found_at_their_pointers() {
    for name in ["json/gharchive.ndjson", "json/traefik.ndjson"] {
        let (lines, verdicts) = (lines(name), lines(&format!("{name}.verdict.ndjson")));
        assert_eq!(lines.len(), verdicts.len());
        for (line, verdict) in lines.iter().zip(verdicts) {
            let verdict: Value = serde_json::from_slice(&verdict).expect("JSON");
            let fields = verdict["fields"].as_object().expect("an object");
            let paths: Vec<_> =
                fields.keys().map(|pointer| pointer_steps(pointer).expect("a pointer")).collect();
            let format = Json::new(&paths, Extras::Ignored);
            let arena = Bump::new();
            let (mut scratch, mut record) = (JsonScratch::default(), Record::default());
            format.parse(Input::new(line, &arena), &mut scratch, &mut record).expect("an object");
            for (slot, (pointer, expected)) in fields.iter().enumerate() {
                let found = record.get(slot).map_or(Raw::Null, |item| item.raw());
                let found = match found {
                    Raw::Null => Value::Null,
                    Raw::Bool(value) => value.into(),
                    Raw::Int(number) => number.into(),
                    Raw::Float(number) => number.into(),
                    Raw::Text(text) => text.into(),
                    other => panic!("{name} {pointer}: {other:?}"),
                };
                assert_eq!(found, *expected, "{name} line {} {pointer}", verdict["n"]);
            }
        }
    }
}

/// The output of `check` for a file: its counts, and the verdict on each record.
pub(crate) fn check(file: &Path, record: &str) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let job = format!(
        "name = \"corpus\"\n[source]\nfiles = [\"{}\"]\nformat = \"ndjson\"\n[record]\n{record}
         [destination]\nurl = \"postgres://localhost/none\"\ntable = \"none\"\n",
        file.display()
    );
    std::fs::write(folder.path().join("job.toml"), job).expect("written");
    let mut command = logmill();
    command.current_dir(folder.path());
    let output = command.args(["check", "-j", "job.toml", "--output", "json", "--verdicts", "out"]).output();
    let output = output.expect("it ran");
    let said = serde_json::from_slice(&output.stdout);
    let said: Value = said.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let verdicts = std::fs::read_to_string(folder.path().join("out")).expect("readable");
    let verdicts = verdicts.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (said, verdicts)
}

/// Compares the counts of files with the known ones: records, rejects, blank lines.
#[track_caller]
fn counts(record: &str, files: &[(&str, [u64; 3])]) {
    for (name, [valid, rejected, blank]) in files {
        let file = corpus(name);
        let said = check(&file, record).0;
        assert_eq!(said["outcome"], if *rejected > 0 { "rejects" } else { "finished" }, "{name}");
        let counts = json!({
            "lines": valid + rejected + blank, "blank": blank, "skipped": 0, "records": valid + rejected,
            "valid": valid, "rejected": rejected,
        });
        assert_eq!(said["counts"], counts, "{name}");
    }
}

fn log_entry() -> String {
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/schema/LogEntry.schema.json");
    format!("schema = \"{schema}\"")
}

/// A schema that accepts any object, so that only its JSON is judged.
const ANYTHING: &str = "fields.a = { type = \"json\", required = false }";

#[test]
fn lines_are_framed_correctly() {
    counts(
        &log_entry(),
        &[
            ("framing/empty.ndjson", [0, 0, 0]),
            ("framing/only_newlines.ndjson", [0, 0, 3]),
            ("framing/no_final_newline.ndjson", [10, 0, 0]),
            ("framing/crlf.ndjson", [10, 0, 0]),
            ("framing/mixed_eol.ndjson", [10, 0, 0]),
            ("framing/bom.ndjson", [10, 0, 0]),
            ("framing/cr_only.ndjson", [0, 1, 0]),
            ("framing/blank_between.ndjson", [10, 0, 9]),
            ("framing/last_line_truncated.ndjson", [9, 1, 0]),
            ("framing/nul_tail.ndjson", [10, 1, 0]),
            ("framing/concatenated.ndjson", [0, 1, 0]),
            ("framing/json_array_file.json", [1, 11, 0]),
            ("framing/pretty_printed.json", [0, 6, 0]),
            ("framing/rs_json_seq.ndjson", [0, 3, 0]),
            ("framing/trailing_spaces.ndjson", [10, 0, 0]),
        ],
    );
}

#[test]
fn exactly_invalid_json_is_rejected() {
    counts(
        ANYTHING,
        &[
            ("json/lnav_json.json", [14, 0, 0]),
            ("json/lnav_invalid_json.json", [4, 1, 0]),
            ("json/lnav_json_invalid.json", [12, 1, 0]),
            ("json/lnav_mixed_json2.json", [13, 5, 0]),
            ("json/lnav_nested_json.json", [13, 0, 0]),
            ("json/lnav_rust_tracing.0", [5, 0, 0]),
            ("json/lnav_journald.json", [2, 0, 0]),
            ("json/lnav_mongodb.0", [3, 0, 0]),
            ("json/lnav_docker_compose.0", [0, 22, 0]),
            ("json/gharchive.ndjson", [49, 0, 0]),
            ("json/traefik.ndjson", [80, 0, 0]),
            ("json/fluentbit_docker_split.ndjson", [8, 0, 0]),
            ("json/fluentbit_multiline_java.ndjson", [6, 0, 0]),
            ("encoding/generic_enc_sjis.log", [0, 12, 0]),
            ("encoding/generic_enc_win1251.log", [0, 10, 0]),
            ("encoding/lnav_invalid_utf8.log", [0, 6, 0]),
            ("encoding/UTF-8-test.txt", [0, 291, 9]),
            ("encoding/blns.txt", [0, 665, 77]),
        ],
    );
}

#[test]
fn a_file_in_utf_16_is_refused_as_a_whole() {
    for name in ["framing/utf16le_bom.ndjson", "encoding/unicode_c.log", "encoding/unicode_be_j.log"] {
        let file = corpus(name);
        let said = check(&file, ANYTHING).0;
        assert_eq!(said["outcome"], "failed", "{name}");
        let why = said["sources"]["failed"][0]["why"].as_str().expect("a reason");
        assert!(why.contains("UTF-16"), "{name}: {why}");
    }
}

#[test]
fn naughty_strings_come_through_byte_for_byte() {
    for (name, others) in [("encoding/blns.txt", 0), ("encoding/UTF-8-test.txt", 69)] {
        let lines = lines(name);
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        for line in &lines {
            // The bytes as they are, except those that a JSON text must escape.
            let mut text = Vec::new();
            for &byte in line {
                match byte {
                    b'"' | b'\\' => text.extend([b'\\', byte]),
                    0..0x20 => text.extend(format!("\\u{byte:04x}").bytes()),
                    _ => text.push(byte),
                }
            }
            std::io::Write::write_all(&mut file, &[b"{\"a\":\"", &text[..], b"\"}\n"].concat())
                .expect("written");
        }
        let verdicts = check(file.path(), "fields.a = { type = \"text\" }").1;
        assert_eq!(verdicts.len(), lines.len());
        let mut refused = 0;
        for (line, verdict) in lines.iter().zip(verdicts) {
            let code = verdict["reasons"][0]["code"].as_str();
            match std::str::from_utf8(line) {
                Ok(text) if text.contains('\0') => assert_eq!(code, Some("nul"), "{text:?}"),
                Ok(text) => assert_eq!(verdict["values"]["a"], text),
                Err(_) => assert_eq!(code, Some("json_invalid"), "{}", line.escape_ascii()),
            }
            refused += u32::from(code.is_some());
        }
        assert_eq!(refused, others, "{name}");
    }
}
