//! Parquet, read back by pyarrow, DuckDB and polars: the types that a job means, and the values of its records.

use std::process::Command;

use serde_json::{Value, json};

use super::story::{self, Story};
use crate::harness::local::tool;

const READ: &str = r#"
import sys, json, glob, pyarrow.parquet as pq, duckdb, polars
files = sorted(glob.glob(sys.argv[1] + "/t/**/*.parquet", recursive=True))
tables = [pq.ParquetFile(file) for file in files]
types = {field.name: str(field.type) for field in tables[0].schema_arrow}
rows = [row for table in tables for row in table.read().to_pylist()]
ducks = duckdb.sql("SELECT * EXCLUDE (day) FROM read_parquet('%s/t/**/*.parquet', hive_partitioning = true)" % sys.argv[1])
bears = polars.read_parquet(sys.argv[1] + "/t/**/*.parquet", hive_partitioning=False)
first = tables[0].metadata
print(json.dumps({
    "types": types, "rows": rows, "duck_types": dict(zip(ducks.columns, map(str, ducks.types))),
    "duck_rows": ducks.shape[0], "bear_types": {name: str(kind) for name, kind in bears.schema.items()},
    "bear_rows": bears.sort("source_id", "source_offset").to_dicts(), "created_by": first.created_by,
    "statistics": first.row_group(0).column(0).is_stats_set,
    "compression": first.row_group(0).column(0).compression}, default=str))
"#;

fn read(story: &Story) -> Value {
    let mut command = Command::new(tool("columns", "python3"));
    let output = command.args(["-c", READ]).arg(story.bucket()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn parquet() -> Story {
    Story::new().destination("as = \"parquet\"")
}

#[test]
fn types_and_values_are_those_of_the_job() {
    let fields = "big = { type = \"decimal\", max_digits = 30, decimal_places = 2 }\n\
                  cost = { type = \"decimal\", max_digits = 10, decimal_places = 2 }\nfree = \"decimal\"\n\
                  on = \"bool\"\nratio = \"float\"\nkey = \"uuid\"\nwhen = \"date\"\nclock = \"time\"\nmore = \"json\"\n\
                  host = \"ip\"\nlocal = { type = \"timestamp\", zone = \"naive\" }";
    let story = parquet().fields(fields);
    story.write(
        "a.ndjson",
        "{\"id\":7,\"at\":\"2024-02-29T12:00:00.25Z\",\"note\":\"\u{fc}\",\"big\":\"-1234567890123456789012345678.9\",\
         \"cost\":\"-0.05\",\"free\":\"1.500\",\"on\":true,\"ratio\":0.25,\"key\":\"00112233-4455-6677-8899-aabbccddeeff\",\
         \"when\":\"1969-12-31\",\"clock\":\"01:02:03.5\",\"more\":{\"a\":[1]},\"host\":\"::1\",\
         \"local\":\"2024-02-29T12:00:00\"}\n",
    );
    story.run(&[]).exit(0);
    let found = read(&story);
    let types = [
        ("id", "int64"),
        ("at", "timestamp[us, tz=UTC]"),
        ("note", "string"),
        ("big", "decimal128(30, 2)"),
        ("cost", "decimal128(10, 2)"),
        ("free", "string"),
        ("on", "bool"),
        ("ratio", "double"),
        ("when", "date32[day]"),
        ("clock", "time64[us]"),
        ("host", "string"),
        ("local", "timestamp[us]"),
        ("source_id", "string"),
        ("source_offset", "int64"),
    ];
    for (name, expected) in types {
        assert_eq!(found["types"][name], expected, "{name}: {}", found["types"]);
    }
    let row = &found["rows"][0];
    for (name, expected) in [
        ("id", json!(7)),
        ("at", json!("2024-02-29 12:00:00.250000+00:00")),
        ("note", json!("\u{fc}")),
        ("big", json!("-1234567890123456789012345678.90")),
        ("cost", json!("-0.05")),
        ("free", json!("1.500")),
        ("on", json!(true)),
        ("ratio", json!(0.25)),
        ("when", json!("1969-12-31")),
        ("clock", json!("01:02:03.500000")),
        ("host", json!("::1")),
        ("local", json!("2024-02-29 12:00:00")),
        ("source_offset", json!(0)),
    ] {
        assert_eq!(row[name], expected, "{name}: {row}");
    }
    let ducks = &found["duck_types"];
    assert_eq!(
        (&ducks["at"], &ducks["key"]),
        (&json!("TIMESTAMP WITH TIME ZONE"), &json!("UUID")),
        "{ducks}"
    );
    for (name, expected) in [
        ("id", "Int64"),
        ("at", "Datetime(time_unit='us', time_zone='UTC')"),
        ("note", "String"),
        ("big", "Decimal(precision=30, scale=2)"),
        ("on", "Boolean"),
        ("ratio", "Float64"),
        ("when", "Date"),
        ("clock", "Time"),
        ("local", "Datetime(time_unit='us', time_zone=None)"),
    ] {
        assert_eq!(found["bear_types"][name], expected, "{name}: {}", found["bear_types"]);
    }
    let bear = &found["bear_rows"][0];
    for name in ["id", "at", "note", "big", "cost", "on", "ratio", "when", "clock", "local", "source_offset"]
    {
        assert_eq!(bear[name], row[name], "{name}: {bear}");
    }
    assert_eq!((&found["created_by"], &found["compression"]), (&json!("logmill"), &json!("ZSTD")));
    assert_eq!(found["statistics"], true);
}

#[test]
fn every_record_is_there_once_and_the_bytes_are_the_same() {
    let files = |story: &Story| {
        story.write("a.ndjson", &story::lines(0, 600));
        story.write("b.ndjson", &story::lines(5000, 60));
    };
    let story = parquet();
    files(&story);
    story.run(&[]).exit(3);
    let found = read(&story);
    let mut ids: Vec<i64> =
        found["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids.len(), story.expected().len());
    assert!(ids.windows(2).all(|two| two[0] < two[1]), "an id is there twice");
    assert_eq!(found["duck_rows"], ids.len());
    let bears = found["bear_rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap());
    let mut bears: Vec<i64> = bears.collect();
    bears.sort_unstable();
    assert_eq!(bears, ids);
    let other = parquet().pipeline("threads = 8\nchunk_size = \"100B\"");
    files(&other);
    assert!(other.is_killed_at("after-object", 3));
    other.run(&["--take-over"]).exit(3);
    assert_eq!(other.objects(), story.objects());
}

/// Larger than a frame and a group, so an object is put together of what several threads have encoded.
#[test]
fn an_object_of_several_pieces_is_whole() {
    const ROWS: usize = 140_000;
    let lines: String =
        (0..ROWS).map(|id| format!("{{\"id\":{id},\"note\":\"{}\"}}\n", "n".repeat(id % 5))).collect();
    let read = |form: &str, script: &str| {
        let form = format!(
            "as = \"{form}\"\nobject_size = \"64MiB\"\npath = \"{{table}}/{{source}}-{{start}}-{{end}}-{{rules}}[-g{{generation}}][.{{part}}].{{ext}}\""
        );
        let story = form.lines().fold(Story::new(), Story::destination).pipeline("chunk_size = \"64KiB\"");
        story.write("a.ndjson", &lines);
        story.run(&[]).exit(0);
        let mut command = Command::new(tool("columns", "python3"));
        let output = command.args(["-c", script]).arg(story.bucket()).output().unwrap();
        assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (sum, bytes) = (ROWS * (ROWS - 1) / 2, ROWS * 2);
    let expected = format!("1 {ROWS} {sum} {bytes}\n");
    let ducks = |reader: &str| {
        format!(
            "import sys, glob, duckdb\nfiles = glob.glob(sys.argv[1] + '/t/*')\n\
             print(len(files), *duckdb.sql(f\"SELECT count(*), sum(id)::BIGINT, sum(length(note))::BIGINT FROM {reader}('{{files[0]}}')\").fetchall()[0])"
        )
    };
    for form in ["ndjson", "ndjson.gz", "ndjson.zst"] {
        assert_eq!(read(form, &ducks("read_json")), expected, "{form}");
    }
    assert_eq!(read("parquet", &ducks("read_parquet")), expected);
    let arrow = "import sys, glob, pyarrow.parquet as pq, pyarrow.compute as pc\nfile = pq.ParquetFile(glob.glob(sys.argv[1] + '/t/*')[0])\n\
                 table = file.read()\nprint(file.num_row_groups, table.num_rows, pc.sum(table['id']), pc.sum(pc.utf8_length(table['note'])))";
    assert_eq!(read("parquet", arrow), format!("2 {ROWS} {sum} {bytes}\n"));
}

#[test]
fn a_number_that_no_column_can_hold_is_a_dead_letter() {
    let story = parquet();
    story.write("a.ndjson", "{\"id\":123456789012345678901234567890}\n{\"id\":1}\n");
    story.run(&[]).exit(3);
    assert_eq!(read(&story)["duck_rows"], 1);
    assert_eq!(story.letters().len(), 1);
}
