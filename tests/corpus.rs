//! JSON as it is found: the conformance suite, and logs of real programs.

use std::path::PathBuf;

use base64::Engine as _;
use bumpalo::Bump;
use logmill::format::{Extras, Format, Input, Json, PADDING_BYTES, Raw, Record, pointer_steps};
use logmill::reject::code;
use serde_json::Value;

/// A file of the corpus, which is not part of the repository. Without it a test says so
/// and passes.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let file = std::env::var_os("LOGMILL_CORPUS").map_or(beside, PathBuf::from).join(name);
    if !file.exists() {
        eprintln!("skipped: there is no {}", file.display());
        return None;
    }
    Some(file)
}

/// The lines of a file of the corpus, without their newlines.
pub(crate) fn lines(name: &str) -> Option<Vec<Vec<u8>>> {
    let bytes = std::fs::read(corpus(name)?).expect("readable");
    let mut lines: Vec<_> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.pop_if(|last| last.is_empty());
    Some(lines)
}

#[test]
fn the_conformance_suite_is_judged_as_it_asks() {
    let Some(cases) = lines("jsontestsuite/manifest.ndjson") else { return };
    let format = Json::new(&[vec!["a"]], Extras::Gathered);
    for case in cases {
        let case: Value = serde_json::from_slice(&case).expect("JSON");
        let bytes = match case["b64"].as_str() {
            Some(bytes) => base64::engine::general_purpose::STANDARD.decode(bytes).expect("base64"),
            // The largest case is described: so many opening brackets.
            None => vec![b'['; usize::try_from(case["bytes"].as_u64().expect("a number")).expect("small")],
        };
        let mut copy = [&bytes[..], &[0; PADDING_BYTES]].concat();
        let arena = Bump::new();
        let mut record = Record::default();
        let parsed = format.parse(Input { raw: &bytes, copy: &mut copy, arena: &arena }, &mut record);
        // A record is an object; any other JSON text is told apart from what is none.
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
        let (Some(lines), Some(verdicts)) = (lines(name), lines(&format!("{name}.verdict.ndjson"))) else {
            return;
        };
        assert_eq!(lines.len(), verdicts.len());
        for (line, verdict) in lines.iter().zip(verdicts) {
            let verdict: Value = serde_json::from_slice(&verdict).expect("JSON");
            let fields = verdict["fields"].as_object().expect("an object");
            let paths: Vec<_> =
                fields.keys().map(|pointer| pointer_steps(pointer).expect("a pointer")).collect();
            let format = Json::new(&paths, Extras::Ignored);
            let arena = Bump::new();
            let mut copy = [&line[..], &[0; PADDING_BYTES]].concat();
            let mut record = Record::default();
            format
                .parse(Input { raw: line, copy: &mut copy, arena: &arena }, &mut record)
                .expect("an object");
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
