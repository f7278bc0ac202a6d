//! The hash of the rules: what it covers, and that it never changes for existing jobs.

use super::super::Overrides;
use super::super::tests::{SMALL, config, small_with};
use super::*;

fn hash(text: &str) -> String {
    config(text).rules_hash().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A job in which every rule is used.
const LARGE: &str = r#"
    name = "large"
    [source]
    files = ["a"]
    format = "ndjson"
    max_record = "1MiB"
    timezone = "+02:00"
    [record]
    extra = "forbid"
    nul = "strip"
    [record.fields]
    z = { type = "text", from = "/x/y", min_length = 1, max_length = 9, trim = true, lower = true, default = "q\"" }
    a = { type = "int", ge = -5, lt = 7, required = false, strict = true }
    f = { type = "float", gt = 0, le = 0.1, finite = true, multiple_of = 0.1, default = 0.1 }
    t = "timestamp"
    n = { type = "timestamp", zone = "naive" }
    d = { type = "date", default = 2024-02-29 }
    e = { type = "enum", values = ["b", "a"] }
    m = { type = "decimal", max_digits = 10, decimal_places = 2 }
    j = { type = "json", json_text = true, nullable = true }
    i = { type = "ip", version = 6 }
    l = { type = "list", items = { type = "bool", nullable = true }, min_items = 1, max_items = 2 }
    u = "uuid"
    [record.fields.o]
    type = "object"
    extra = "ignore"
    fields.y = "time"
    fields.x = "int"
    [destination]
    table = "t"
    key = ["t", "u"]
    on_conflict = "newest(a)"
"#;

// The next two tests pin what is stored with the checkpoints of every existing job. If one fails, all
// runs that are in the middle of a source will stop: read the comment at the top of `rules.rs` before you
// change the numbers.

#[test]
fn the_hash_of_a_job_never_changes() {
    assert_eq!(hash(SMALL), "112aeffef824a3c2ca468a89875d3f30");
    assert_eq!(hash(LARGE), "d4c17e3290a685342c71630f961ea8e1");
}

#[test]
fn the_text_that_is_hashed_never_changes() {
    assert_eq!(
        canonical(&config(LARGE)),
        r#"rules 1
format ndjson
max_record 1048576
key ["t","u"]
on_conflict newest "a"
nul strip
extra forbid
field "a" from ["a"] nullable strict: int ge -5 lt 7
field "d" from ["d"] default date 19782: date
field "e" from ["e"] required: enum ["a","b"]
field "f" from ["f"] default float 0.1: float gt 0.0 le 0.1 multiple_of 0.1 finite
field "i" from ["i"] required: ip version 6
field "j" from ["j"] required nullable: json json_text
field "l" from ["l"] required: list min_items 1 max_items 2 [field "items" from [] required nullable: bool]
field "m" from ["m"] required: decimal max_digits 10 decimal_places 2
field "n" from ["n"] required: timestamp zone naive
field "o" from ["o"] required: object {
field "y" from ["y"] required: time
field "x" from ["x"] required: int
}
field "t" from ["t"] required: timestamp offset_s 7200
field "u" from ["u"] required: uuid
field "z" from ["x","y"] default text "q\"": text min_length 1 max_length 9 trim lower
"#
    );
}

/// Further settings of fields, and the hash that is stored for them.
const STORED: &[(&str, &str, &str)] = &[
    (
        "record.fields",
        "a = { type = \"text\", min_length = 0, max_length = 1000, pattern = '^\\d+\"$', trim = true }",
        "9c17f6ca55f1869df69c090e2e5f2270",
    ),
    (
        "record.fields",
        "a = { type = \"text\", lower = true, nullable = true, from = \"ä b\" }",
        "0502f0a276287be3ac26249f13f00716",
    ),
    (
        "record.fields",
        "a = { type = \"int\", gt = -9223372036854775808, le = 0, multiple_of = 3 }",
        "3447ec810151ad359113c6fc13ae292f",
    ),
    (
        "record.fields",
        "a = { type = \"float\", ge = 1e300, le = 1e301, multiple_of = 2 }",
        "3573c54b1ea5d3038b7c2cf0b5ace8b6",
    ),
    (
        "record.fields",
        "a = { type = \"float\", default = inf, gt = -0.5 }",
        "f0ced17e48031c92f91e869b68d36cea",
    ),
    (
        "record.fields",
        "a = { type = \"timestamp\", format = \"%d/%b/%Y:%H:%M:%S %z\" }",
        "5016d49ff1e37f94a89c5af8fd422168",
    ),
    (
        "record.fields",
        "a = { type = \"timestamp\", format = \"epoch_us\", zone = \"required\", strict = true }",
        "de613f9b0549089efabddd7583c750e7",
    ),
    (
        "record.fields",
        "a = { type = \"timestamp\", format = \"%F %T\", zone = \"naive\" }",
        "06a85d0882560ab0f39158dc34df6198",
    ),
    (
        "record.fields",
        "a = { type = \"decimal\", max_digits = 12, decimal_places = 3, ge = 0.10, lt = 1e3, multiple_of = 0.5, default = 1.50 }",
        "495ad49c077fe29c303e81c4ac629daf",
    ),
    ("record.fields", "a = { type = \"decimal\", gt = -1, le = 10 }", "8cfe79c27a67c44573103eda55d724cb"),
    (
        "record.fields",
        "a = { type = \"ip\", version = 4, required = false }",
        "c1c08887b78ffd79e86fc74c9a00fbb7",
    ),
    (
        "record.fields",
        "a = { type = \"enum\", values = [\"warn\", \"info\", \"ä\"], trim = true, lower = true, default = \"warn\" }",
        "1999faf1d8c20551ff2af4b4002b11de",
    ),
    (
        "record.fields",
        "a = { type = \"list\", items = { type = \"object\", extra = \"keep\", fields = { y = \"uuid\", b = { type = \"list\", items = \"date\" } } }, max_items = 7 }",
        "6a51185320fad6aa09daa3672d7a5878",
    ),
    (
        "record.fields",
        "a = { type = \"object\", fields = { z = { type = \"json\", json_text = true, default = \"[1]\" }, b = { type = \"time\", from = \"/c/d~1e\", required = false } } }",
        "f0f5ff7c00c5542727f01586249c3f97",
    ),
    ("record", "mode = \"strict\"\nextra = \"keep\"\nnul = \"replace\"", "2ae967f4cbd3dbaca41700f13afff08e"),
    ("source", "max_record = \"64KiB\"\ntimezone = \"-03:30\"", "f4f4b28693e26288840718cb073b25e7"),
    ("destination", "key = \"content\"\non_conflict = \"keep\"", "f5eb57a50e84f42b039686cd4f3a7165"),
    ("destination", "key = [\"id\"]\non_conflict = \"newest(id)\"", "f18a42471f9da6904b6858a06ef1c932"),
    ("destination", "key = \"none\"", "ee6c9626f7d9b7e15284167249910589"),
];

#[test]
fn the_hash_of_no_rule_ever_changes() {
    let hashes: Vec<String> = STORED.iter().map(|(table, line, _)| hash(&small_with(table, line))).collect();
    let stored: Vec<&str> = STORED.iter().map(|(.., stored)| *stored).collect();
    assert_eq!(hashes, stored);
}

#[test]
fn the_hash_of_a_job_with_a_json_schema_never_changes() {
    let folder = tempfile::tempdir().expect("a directory");
    let schema = r##"{"properties": {
        "level": {"enum": ["b", "a"]}, "kind": {"$ref": "#/$defs/Kind", "default": "x"},
        "n": {"type": "integer", "format": "uint8", "exclusiveMinimum": 1.5},
        "cost": {"anyOf": [{"type": "number", "multipleOf": 0.01}, {"type": "string"}, {"type": "null"}], "default": null},
        "at": {"type": "string", "format": "date-time"}, "tags": {"type": "array", "items": {"type": "string", "maxLength": 9}},
        "any": {}, "meta": {"type": "object"}, "host": {"type": "string", "pattern": "^[a-z]+$"}},
        "required": ["n", "at"], "additionalProperties": false, "$defs": {"Kind": {"enum": ["y", "x"], "type": "string"}}}"##;
    std::fs::write(folder.path().join("s.json"), schema).expect("written");
    let text = SMALL.replace("[record.fields]\nid = \"int\"", "[record]\nschema = \"s.json\"");
    let config = Config::of_text(&folder.path().join("job.toml"), &text, &Overrides::default());
    let hash = config.expect("a job").rules_hash();
    assert_eq!(
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "22cd2c2306a8caabd7eb711d1ab70fd8"
    );
}

#[test]
fn what_decides_no_row_is_not_hashed() {
    let known = hash(SMALL);
    for (table, line) in [
        ("source", "files = [\"a\", \"b\"]\ninclude = [\"*\"]\nexclude = [\"*.x\"]"),
        ("source", "order = \"name-reverse\"\ngrowing = true\nmmap = false"),
        // No field is a timestamp.
        ("source", "timezone = \"+02:00\""),
        ("destination", "url = \"postgres://localhost/x\"\ncreate = false"),
        ("dead_letters", "max_raw = 0\nstop_above = \"5%\""),
        ("pipeline", "threads = 3\nbatch_rows = 7\nretry_for = \"1s\""),
        // Writing a default out changes nothing.
        ("record", "mode = \"lax\"\nextra = \"ignore\"\nnul = \"reject\""),
        ("destination", "key = \"position\"\non_conflict = \"update\""),
    ] {
        assert_eq!(hash(&small_with(table, line)), known, "{line}");
    }
    assert_eq!(hash(&SMALL.replace("small", "other").replace("\"t\"", "\"u\"")), known);
    assert_eq!(hash(&SMALL.replace("\"int\"", "{ type = \"int\", from = \"/id\", required = true }")), known);
    let fields = |lines: &str| hash(&SMALL.replace("id = \"int\"", lines));
    assert_eq!(fields("a = \"int\"\nb = \"text\""), fields("b = \"text\"\na = \"int\""));
}

#[test]
fn whatever_decides_rows_is_hashed() {
    let mut hashes = vec![hash(SMALL)];
    for (table, line) in [
        ("source", "max_record = \"1MiB\""),
        ("record", "mode = \"strict\""),
        ("record", "extra = \"forbid\""),
        ("record", "extra = \"keep\""),
        ("record.fields", "a = \"int\""),
        ("record.fields", "a = \"text\""),
        ("record.fields", "a = { type = \"text\", from = \"b\" }"),
        ("record.fields", "a = { type = \"text\", from = \"/b/c\" }"),
        ("record.fields", "a = { type = \"text\", nullable = true }"),
        ("record.fields", "a = { type = \"text\", required = false }"),
        ("record.fields", "a = { type = \"text\", default = \"x\" }"),
        ("record.fields", "a = { type = \"text\", default = \"y\" }"),
        ("record.fields", "a = { type = \"text\", min_length = 1 }"),
        ("record.fields", "a = { type = \"text\", max_length = 1 }"),
        ("record.fields", "a = { type = \"text\", trim = true }"),
        ("record.fields", "a = { type = \"text\", lower = true }"),
        ("record.fields", "a = { type = \"int\", ge = 1 }"),
        ("record.fields", "a = { type = \"int\", gt = 1 }"),
        ("record.fields", "a = { type = \"float\", gt = 1 }"),
        ("record.fields", "a = { type = \"timestamp\", zone = \"required\" }"),
        ("record.fields", "a = { type = \"enum\", values = [\"x\"] }"),
        ("record.fields", "a = { type = \"list\", items = \"int\" }"),
        ("record.fields", "a = { type = \"list\", items = \"text\" }"),
        ("record.fields", "a = { type = \"object\", fields = { b = \"int\" } }"),
        ("record.fields", "a = { type = \"object\", fields = { b = \"text\" } }"),
        ("destination", "key = \"content\""),
        ("destination", "key = \"none\""),
        ("destination", "key = [\"id\"]"),
        ("destination", "on_conflict = \"keep\""),
        ("destination", "on_conflict = \"newest(id)\""),
    ] {
        let next = hash(&small_with(table, line));
        assert!(!hashes.contains(&next), "{line}");
        hashes.push(next);
    }
    let with_stamp = SMALL.replace("id = \"int\"", "id = \"timestamp\"");
    let elsewhere = with_stamp.replace("[source]", "[source]\ntimezone = \"+02:00\"");
    assert_ne!(hash(&with_stamp), hash(&elsewhere));
    let with_text = SMALL.replace("id = \"int\"", "id = \"text\"");
    assert_ne!(
        hash(&with_text),
        hash(&small_with("record", "nul = \"strip\"").replace("\"int\"", "\"text\""))
    );
}

#[test]
fn the_words_that_are_hashed_never_change() {
    for (table, line, expected) in [
        ("record.fields", "a = { type = \"timestamp\", format = \"rfc3339\" }", "timestamp format rfc3339\n"),
        ("record.fields", "a = { type = \"timestamp\", format = \"epoch_s\" }", "timestamp format epoch_s\n"),
        (
            "record.fields",
            "a = { type = \"timestamp\", format = \"epoch_ms\" }",
            "timestamp format epoch_ms\n",
        ),
        (
            "record.fields",
            "a = { type = \"timestamp\", format = \"epoch_us\" }",
            "timestamp format epoch_us\n",
        ),
        (
            "record.fields",
            "a = { type = \"timestamp\", format = \"epoch_ns\" }",
            "timestamp format epoch_ns\n",
        ),
        ("record.fields", "a = { type = \"timestamp\", format = \"%F %T\" }", "timestamp format \"%F %T\"\n"),
        ("record.fields", "a = \"timestamp\"", "timestamp\n"),
        ("record", "extra = \"keep\"", "\nextra keep\n"),
        ("record", "extra = \"forbid\"", "\nextra forbid\n"),
    ] {
        let text = canonical(&config(&small_with(table, line)));
        assert!(text.contains(expected), "{line}: {text}");
    }
}

#[test]
fn a_name_cannot_look_like_a_rule() {
    let fields = |lines: &str| hash(&SMALL.replace("id = \"int\"", lines));
    assert_ne!(
        fields("\"a\\\" from [\\\"a\\\"] required: int\\nfield \\\"b\" = \"int\""),
        fields("a = \"int\"\nb = \"int\"")
    );
}
