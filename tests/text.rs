//! Text that a pattern splits, compared with Pydantic's verdicts on the groups of `re`.
//!
//! `tests/cases/regex/make.py` generated the records and Pydantic's verdicts, lax and strict.

use std::collections::BTreeMap;
use std::io::Read as _;

use logmill::format::{AnyFormat, Chunk, Memory, Pattern, Preamble, Spec, of};
use logmill::reject::Faults;
use logmill::schema::{Bounds, Decimal, Enum, Field, Float, Kind, Schema, Text, Timestamp};
use serde_json::{Value, json};

const LOG_ENTRY: &str =
    r"^(?P<timestamp>\S+(?: [0-9:.,]+)?) +\[?(?P<severity>[A-Za-z]+)\]? (?P<module>[\w.]*): (?P<message>.*)$";

const VALUES: &str =
    r"^(?P<count>[^|]*)\|(?P<ratio>[^|]*)\|(?P<flag>[^|]*)\|(?P<day>[^|]*)\|(?P<cost>[^|]*)\|(?P<id>[^|]*)$";

#[test]
fn a_log_entry_split_by_a_pattern_gets_pydantics_verdict() {
    let text = |min_length| Kind::Text(Text { min_length, ..Text::default() });
    let fields = vec![
        Field::new("timestamp", Kind::Timestamp(Timestamp::default())),
        Field::new("severity", Kind::Enum(Enum::new(["INFO", "WARN", "ERROR"]))),
        Field::new("module", text(Some(1))),
        Field::new("message", text(None)),
    ];
    agree("log_entry", LOG_ENTRY, fields);
}

#[test]
fn texts_are_as_strict_as_pydantics_strings() {
    let fields = vec![
        Field::new("count", Kind::Int(Bounds::default())),
        Field::new("ratio", Kind::Float(Float::default())),
        Field::new("flag", Kind::Bool),
        Field::new("day", Kind::Date),
        Field::new("cost", Kind::Decimal(Decimal::default())),
        Field::new("id", Kind::Uuid { version: None }),
    ];
    agree("values", VALUES, fields);
}

fn agree(name: &str, pattern: &str, fields: Vec<Field>) {
    let path = format!("{}/tests/cases/regex/{name}.ndjson.gz", env!("CARGO_MANIFEST_DIR"));
    let (file, mut cases) = (std::fs::File::open(path).expect("there"), String::new());
    flate2::read::GzDecoder::new(file).read_to_string(&mut cases).expect("text");
    let cases: Vec<Value> = cases.lines().map(|case| serde_json::from_str(case).expect("JSON")).collect();
    assert_eq!(cases.len(), 20_000);
    let text = cases.iter().map(|case| case[0].as_str().expect("a record")).collect::<Vec<_>>().join("\n");
    for (strict, column) in [(false, 1), (true, 2)] {
        let fields = fields.iter().map(|field| Field { strict, ..field.clone() }).collect();
        let schema = Schema { fields, ..Schema::default() };
        let spec = Spec::Regex { pattern: Pattern::new(pattern).expect("a pattern"), record_start: None };
        let verdicts = judge(&of(&spec, &schema.paths(), schema.extras()), &schema, text.as_bytes());
        assert_eq!(verdicts.len(), cases.len());
        for (case, verdict) in cases.iter().zip(verdicts) {
            assert_eq!(verdict, case[column], "of {}, strict: {strict}", case[0]);
        }
    }
}

/// The verdict on each record, in the notation of the script.
fn judge(format: &AnyFormat, schema: &Schema, text: &[u8]) -> Vec<Value> {
    let (preamble, mut verdicts) = (Preamble::default(), Vec::new());
    let chunk = Chunk { bytes: text, preamble: &preamble, record_bytes_max: 1 << 20 };
    format.each_record(chunk, &mut Memory::default(), |_, record, arena| {
        let Ok(record) = record else { return verdicts.push(Value::Null) };
        let mut faults = Faults::default();
        let Some(row) = schema.bind(record, arena, &mut faults) else {
            let mut codes: Vec<_> =
                faults.iter().map(|(code, field)| [field.to_owned(), code.to_string()]).collect();
            codes.sort();
            return verdicts.push(json!({ "codes": codes }));
        };
        let value = |(field, value): (&Field, _)| {
            let mut out = Vec::new();
            field.kind.write_json(value, &mut out).expect("written to memory");
            (field.name.clone(), plain(&field.kind, &out))
        };
        let values: BTreeMap<_, _> =
            schema.fields.iter().zip(row.values().iter().copied()).map(value).collect();
        verdicts.push(json!({ "values": values }));
    });
    verdicts
}

/// A value in the notation of the script.
fn plain(kind: &Kind, written: &[u8]) -> Value {
    let text = std::str::from_utf8(written).expect("JSON");
    match kind {
        // A double as Python writes it.
        Kind::Float(_) => python(text).into(),
        _ => serde_json::from_str(text).expect("JSON"),
    }
}

/// A double from JSON, as Python writes it.
fn python(text: &str) -> String {
    match text {
        "null" => "inf".to_owned(),
        _ => text.to_owned(),
    }
}
