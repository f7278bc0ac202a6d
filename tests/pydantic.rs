//! Agreement with Pydantic: whether a line is valid, its values, and which faults it has where.
//!
//! The corpus holds adversarial lines with the verdicts of Pydantic 2.14. The models are built here by hand,
//! following `models.py` of the corpus. Lines on which versions of Pydantic differ are compared and printed,
//! but do not count.

use std::collections::BTreeSet;

use bumpalo::Bump;
use logmill::format::{Extras, Format, Input, Item, Json, JsonScratch, Raw, Record};
use logmill::reject::Faults;
use logmill::schema::{self, Bounds, Decimal, Enum, Exact, Extra, Field, Float, Kind, List, Object, Schema};
use logmill::schema::{Clock, Text, Timestamp, Zone, from_json_schema};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::corpus::{check, lines};

/// The share of lines that must agree: all. Another corpus, set by `LOGMILL_CORPUS`, may contain lines that
/// hit one of the differences for which the manual argues; `LOGMILL_AGREEMENT=0.998` tolerates them.
fn agreement_min() -> f64 {
    std::env::var("LOGMILL_AGREEMENT").map_or(1.0, |share| share.parse().expect("a share"))
}

#[test]
fn log_entries_get_pydantics_verdicts() {
    agree("LogEntry", &log_entry(), "logentry", Value::clone);
}

#[test]
fn rich_records_get_pydantics_verdicts() {
    agree("RichLax", &rich(Extra::Ignore, false), "rich", |verdict| of_model(verdict, "lax"));
}

#[test]
fn unknown_members_get_pydantics_verdicts() {
    agree("RichForbid", &rich(Extra::Forbid, false), "rich", |verdict| of_model(verdict, "forbid"));
}

#[test]
fn strict_records_get_pydantics_verdicts() {
    agree("RichStrict", &rich(Extra::Forbid, true), "rich", |verdict| of_model(verdict, "strict"));
}

#[test]
fn a_schema_that_pydantic_emits_gives_the_verdicts_of_its_model() {
    agree("LogEntry by JSON Schema", &emitted("LogEntry", false), "logentry", Value::clone);
    for (model, name, strict) in
        [("RichLax", "lax", false), ("RichForbid", "forbid", false), ("RichStrict", "strict", true)]
    {
        let mut schema = emitted(model, strict);
        // Rules that JSON Schema cannot express, or that Pydantic no longer writes into it.
        for field in &mut schema.fields {
            match &mut field.kind {
                Kind::Timestamp(rules) if field.name == "at" => rules.zone = Zone::Required,
                Kind::Float(rules) if field.name == "pct" => rules.finite = true,
                Kind::Decimal(rules) if field.name == "cost" => {
                    (rules.max_digits, rules.decimal_places) = (Some(10), Some(2));
                }
                _ => {}
            }
        }
        agree(&format!("{model} by JSON Schema"), &schema, "rich", |verdict| of_model(verdict, name));
    }
}

/// Our own values of every type, with the verdict of Pydantic 2.14.4 on each in a field `f`: its JSON or,
/// after a `!`, the faults and their places. They need no corpus, and all of them agree. `cases/judge.py`
/// generates the verdicts.
#[test]
fn values_of_every_type_and_rule_get_pydantics_verdicts() {
    for line in include_str!("cases/pydantic.ndjson").lines() {
        let group: Value = serde_json::from_str(line).expect("JSON");
        let (field, strict) = (group["field"].as_str().expect("text"), group["strict"] == true);
        let cases: Vec<(String, String)> = serde_json::from_value(group["cases"].clone()).expect("pairs");
        let records: String = cases.iter().map(|(value, _)| format!("{{\"f\":{value}}}\n")).collect();
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        std::io::Write::write_all(&mut file, records.as_bytes()).expect("written");
        let mode = if strict { "strict" } else { "lax" };
        let verdicts = check(file.path(), &format!("mode = \"{mode}\"\nfields.f = {{ {field} }}")).1;
        assert_eq!(verdicts.len(), cases.len());
        for ((value, theirs), ours) in cases.iter().zip(verdicts) {
            let place = format!("{value} as {field}, {mode}");
            if let Some(faults) = theirs.strip_prefix('!') {
                let told = ours["reasons"].as_array().unwrap_or_else(|| panic!("{place}: {ours}"));
                let word = |reason: &Value, key: &str| reason[key].as_str().expect("text").to_owned();
                let told = told.iter().map(|reason| word(reason, "field") + " " + &word(reason, "code"));
                let told: BTreeSet<String> = told.collect();
                assert_eq!(told, faults.split(", ").map(str::to_owned).collect(), "{place}");
            } else {
                let theirs: Value = serde_json::from_str(theirs).expect("JSON");
                assert_eq!(ours["values"]["f"], theirs, "{place}");
            }
        }
    }
}

/// The schema of a model as Pydantic 2.14 emits it with `model_json_schema()`.
fn emitted(model: &str, strict: bool) -> Schema {
    let file = format!("{}/tests/cases/schema/{model}.schema.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).expect("readable");
    from_json_schema(&text, strict, Clock::default()).expect("a schema that can be enforced")
}

fn log_entry() -> Schema {
    let at_least_one = Text { min_length: Some(1), ..Text::default() };
    Schema {
        fields: vec![
            Field::new("timestamp", Kind::Timestamp(Timestamp::default())),
            Field::new("severity", Kind::Enum(Enum::new(["INFO", "WARN", "ERROR"]))),
            Field::new("module", Kind::Text(at_least_one)),
            Field::new("message", Kind::Text(Text::default())),
        ],
        ..Schema::default()
    }
}

fn rich(extra: Extra, strict: bool) -> Schema {
    let at_least_one = Text { min_length: Some(1), ..Text::default() };
    let tags = List { max_items: Some(3), ..List::of(field("", Kind::Text(Text::default()), strict)) };
    let ctx = vec![
        field("user", Kind::Text(at_least_one), strict),
        default(field("tags", Kind::List(Box::new(tags)), strict), "[]"),
        field("depth", Kind::Int(bounds(Some(0), Some(5))), strict).optional(),
    ];
    let ctx = Object::new(Schema { fields: ctx, extra, ..Schema::default() });
    let pct = Float { bounds: Bounds { ge: Some(0.0), le: Some(100.0), ..Bounds::default() }, finite: true };
    let host = regex::Regex::new("^[a-z][a-z0-9.-]{0,15}$").expect("a pattern");
    let cost = Decimal { max_digits: Some(10), decimal_places: Some(2), ..Decimal::default() };
    let aware = Timestamp { zone: Zone::Required, ..Timestamp::default() };
    let proto = Enum { literal: true, ..Enum::new(["tcp", "udp", "icmp"]) };
    let fields = vec![
        field("id", Kind::Int(bounds(Some(0), None)), strict),
        field("code", Kind::Int(bounds(Some(100), Some(599))), strict),
        field("n", Kind::Int(Bounds::default()), strict).optional(),
        default(field("ratio", Kind::Float(Float::default()), strict), "0.0"),
        default(field("pct", Kind::Float(pct), strict), "0.0"),
        field("ok", Kind::Bool, strict),
        field("uid", Kind::Uuid { version: None }, strict),
        field("note", Kind::Text(Text { max_length: Some(8), ..Text::default() }), strict).optional(),
        field("host", Kind::Text(Text { pattern: Some(host), ..Text::default() }), strict),
        field("proto", Kind::Enum(proto), strict),
        field("day", Kind::Date, strict),
        field("at", Kind::Timestamp(aware), strict),
        field("ts", Kind::Timestamp(Timestamp::default()), strict).optional(),
        field("cost", Kind::Decimal(cost), strict),
        field("amt", Kind::Decimal(Decimal::default()), strict).optional(),
        field("ctx", Kind::Object(Box::new(ctx)), strict),
        field("raw", Kind::Json(schema::Json { text: true, like: None }), strict).optional(),
        field("any", Kind::Json(schema::Json::default()), strict).optional(),
    ];
    Schema { fields, extra, ..Schema::default() }
}

fn field(name: &str, kind: Kind, strict: bool) -> Field {
    Field { strict, ..Field::new(name, kind) }
}

fn default(field: Field, json: &str) -> Field {
    field.with_default(json).expect("a value of the field")
}

fn bounds(ge: Option<i128>, le: Option<i128>) -> Bounds<i128> {
    Bounds { ge, le, ..Bounds::default() }
}

/// The verdict of a model on a line: its own, or that of the lax model.
fn of_model(verdict: &Value, model: &str) -> Value {
    let own = &verdict[model];
    if own == "=lax" { verdict["lax"].clone() } else { own.clone() }
}

/// A verdict on a line, by either side.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// The values by field, in the notation of the corpus.
    Valid(Vec<(String, Value)>),
    /// The fields with the codes of their faults.
    Invalid(BTreeSet<(String, String)>),
}

/// Compares our verdicts with those of the corpus.
fn agree(model: &str, schema: &Schema, file: &str, judge: impl Fn(&Value) -> Value) {
    let (lines, verdicts) =
        (lines(&format!("pydantic/{file}.ndjson")), lines(&format!("pydantic/{file}.verdict.ndjson")));
    assert_eq!(lines.len(), verdicts.len());
    let mut subject = Subject::new(schema);
    let (mut compared, mut agreeing, mut disputed) = (0_u32, 0_u32, Vec::new());
    for (line, verdict) in lines.iter().zip(verdicts) {
        let verdict: Value = serde_json::from_slice(&verdict).expect("JSON");
        let theirs = judge(&verdict);
        let counts = verdict.get("ver_diff").is_none();
        compared += u32::from(counts);
        match compare(&subject.judge(line), &theirs, schema) {
            Ok(()) => agreeing += u32::from(counts),
            Err(difference) => {
                let line = String::from_utf8_lossy(&line[..line.len().min(300)]).into_owned();
                disputed.push(format!("{} (counts: {counts}): {difference}\n    {line}", verdict["n"]));
            }
        }
    }
    for dispute in &disputed {
        eprintln!("{model}, line {dispute}");
    }
    let share = f64::from(agreeing) / f64::from(compared);
    eprintln!("{model}: {agreeing} of {compared} lines agree, {} differ in all", disputed.len());
    assert!(share >= agreement_min(), "{model}: only {share} of the lines agree");
}

/// The program under test: bytes in, a verdict out.
struct Subject<'s> {
    schema: &'s Schema,
    format: Json,
    faults: Faults,
}

impl<'s> Subject<'s> {
    fn new(schema: &'s Schema) -> Subject<'s> {
        let format = Json::new(&schema.paths(), schema.extras());
        Subject { schema, format, faults: Faults::default() }
    }

    fn judge(&mut self, line: &[u8]) -> Verdict {
        let arena = Bump::new();
        let (mut scratch, mut record) = (JsonScratch::default(), Record::default());
        let input = Input::new(line, &arena);
        if let Err(malformed) = self.format.parse(input, &mut scratch, &mut record) {
            return Verdict::Invalid(BTreeSet::from([(String::new(), malformed.code.to_string())]));
        }
        self.faults.clear();
        match self.schema.bind(&record, &arena, &mut self.faults) {
            Some(row) => {
                assert!(self.faults.is_empty());
                let values = self.schema.fields.iter().zip(row.values());
                Verdict::Valid(values.map(|(field, value)| (field.name.clone(), normal(*value))).collect())
            }
            None => {
                let faults = self.faults.iter();
                Verdict::Invalid(faults.map(|(code, field)| (field.to_owned(), code.to_string())).collect())
            }
        }
    }
}

/// Compares our verdict with theirs. The error says how they differ.
fn compare(ours: &Verdict, theirs: &Value, schema: &Schema) -> Result<(), String> {
    if theirs["valid"] == true {
        let values = theirs["values"].as_object().expect("an object");
        let unstorable = theirs["pg_unstorable"].as_array().map_or(&[][..], Vec::as_slice);
        if let Verdict::Invalid(faults) = ours {
            // A value that Pydantic accepts and PostgreSQL cannot store is a reject for that reason.
            let expected: BTreeSet<_> = unstorable
                .iter()
                .map(|entry| {
                    let is_nul = entry["why"].as_str().expect("text").contains("NUL");
                    let code = if is_nul { "nul" } else { "not_storable" };
                    (entry["field"].as_str().expect("text").to_owned(), code.to_owned())
                })
                .collect();
            let is_same = faults.len() == expected.len()
                && faults.iter().zip(&expected).all(|((field, code), (within, expected))| {
                    let field = field.split('.').next().expect("one piece");
                    field == within && code == expected
                });
            return if is_same { Ok(()) } else { Err(format!("ours {faults:?}, theirs valid {expected:?}")) };
        }
        let Verdict::Valid(ours) = ours else { unreachable!("invalid is dealt with above") };
        // The ranges of columns are the encoder's business.
        if unstorable.iter().any(|entry| !entry["why"].as_str().expect("text").contains("out of range")) {
            return Err(format!("ours valid, theirs {unstorable:?}"));
        }
        for (name, ours) in ours {
            let kind = &schema.fields.iter().find(|field| field.name == *name).expect("a field").kind;
            if !is_same(kind, ours, &values[name]) {
                return Err(format!("{name}: ours {ours}, theirs {}", values[name]));
            }
        }
        return Ok(());
    }
    let theirs: BTreeSet<_> = theirs["errors"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| {
            let steps = error["loc"].as_array().expect("a list").iter();
            let steps: Vec<_> =
                steps.map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect();
            (steps.join("."), error["type"].as_str().expect("text").to_owned())
        })
        .collect();
    // We report all faults of a record at once, including values that no column can hold; Pydantic knows no
    // columns.
    match ours {
        Verdict::Invalid(ours) if without_unstorable(ours) == theirs => Ok(()),
        ours => Err(format!("ours {ours:?}, theirs {theirs:?}")),
    }
}

fn without_unstorable(faults: &BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    faults.iter().filter(|(_, code)| code != "nul" && code != "not_storable").cloned().collect()
}

/// Whether two values of a field are the same.
fn is_same(kind: &Kind, ours: &Value, theirs: &Value) -> bool {
    match kind {
        Kind::Timestamp(_) if theirs.is_object() => *ours == theirs["us"],
        Kind::Decimal(_) if theirs.is_string() => {
            let exact = |value: &Value| Exact::parse(value.as_str().expect("text")).expect("a decimal");
            exact(ours) == exact(theirs)
        }
        Kind::Float(_) => ours == theirs || (ours.as_f64().is_some() && ours.as_f64() == theirs.as_f64()),
        _ => ours == theirs,
    }
}

/// A value in the notation of the corpus, with timestamps in microseconds.
fn normal(value: schema::Value<'_>) -> Value {
    use schema::Value as V;
    match value {
        V::Null => Value::Null,
        V::Bool(value) => value.into(),
        V::Int(number) => number.into(),
        V::BigInt(digits) => json!({ "$int": digits }),
        V::Float(number) => float(number),
        V::Text(text) => text_of(text),
        V::Timestamp(micros) => micros.into(),
        V::Date(days) => {
            chrono::NaiveDate::from_epoch_days(days).expect("a date").format("%Y-%m-%d").to_string().into()
        }
        V::Time(micros) => micros.into(),
        V::Uuid(bytes) => uuid::Uuid::from_bytes(bytes).to_string().into(),
        V::Decimal(digits) => digits.into(),
        V::Json(text) => json_of(text),
        V::Ip(address) => address.to_string().into(),
        V::List(items) => items.iter().map(|&item| normal(item)).collect(),
    }
}

/// Parses JSON text with our own reader, the only one that keeps integers of any size.
fn json_of(text: &[u8]) -> Value {
    // Containers deeper than this are only measured.
    let depth = depth(text);
    if depth > 60 {
        return json!({ "$deep": depth });
    }
    let line = [b"{\"v\":", text, b"}"].concat();
    let arena = Bump::new();
    let (mut scratch, mut record) = (JsonScratch::default(), Record::default());
    let format = Json::new(&[vec!["v"]], Extras::Ignored);
    format.parse(Input::new(&line, &arena), &mut scratch, &mut record).expect("JSON");
    value_of(record.get(0).expect("present"))
}

fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn value_of(item: Item<'_>) -> Value {
    match item.raw() {
        Raw::Null => Value::Null,
        Raw::Bool(value) => value.into(),
        Raw::Int(number) => number.into(),
        Raw::UInt(number) => json!({ "$int": number.to_string() }),
        Raw::BigInt(digits) => json!({ "$int": digits }),
        Raw::Float(number) => float(number),
        Raw::Text(text) => text_of(text),
        Raw::List { .. } => item.items().map(value_of).collect(),
        Raw::Object { .. } => {
            Value::Object(item.members().map(|(key, item)| (key.to_owned(), value_of(item))).collect())
        }
    }
}

fn float(number: f64) -> Value {
    if number.is_nan() {
        json!({ "$float": "NaN" })
    } else if number.is_infinite() {
        json!({ "$float": if number > 0.0 { "Infinity" } else { "-Infinity" } })
    } else {
        number.into()
    }
}

fn text_of(text: &str) -> Value {
    let chars = text.chars().count();
    if chars <= 300 {
        return text.into();
    }
    let hash: String = sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "$str": { "chars": chars, "sha256": hash } })
}
