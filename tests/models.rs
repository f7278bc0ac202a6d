//! What Pydantic models can express: values for each kind of field, with Pydantic's verdict on each.
//!
//! `cases/models/make.py` generates the cases. The job's schema is the one that Pydantic emits for the
//! model, so a case connects that schema, our reading of it, and the behaviour of the model itself.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::corpus::check;
use crate::harness::destination::{Cell, Kind};
use crate::harness::load::Load;
use crate::harness::logmill;
use crate::stories::on_each_destination;

/// A kind of field: a model with one or a few such fields.
struct Model {
    name: &'static str,
    schema: Value,
    is_strict: bool,
    /// Unenforceable keywords are kept as JSON; only validity is compared.
    is_kept: bool,
    /// Records, with Pydantic's result for each.
    cases: Vec<(String, Value)>,
}

const NAMES: &[(&str, &str)] = &[
    ("int_enum", include_str!("cases/models/int_enum.ndjson")),
    ("int_enum_strict", include_str!("cases/models/int_enum_strict.ndjson")),
    ("mixed_enum", include_str!("cases/models/mixed_enum.ndjson")),
    ("literal_ints", include_str!("cases/models/literal_ints.ndjson")),
    ("literal_mixed", include_str!("cases/models/literal_mixed.ndjson")),
    ("union_int_text", include_str!("cases/models/union_int_text.ndjson")),
    ("union_text_int_strict", include_str!("cases/models/union_text_int_strict.ndjson")),
    ("union_numbers", include_str!("cases/models/union_numbers.ndjson")),
    ("union_float_int", include_str!("cases/models/union_float_int.ndjson")),
    ("union_texts", include_str!("cases/models/union_texts.ndjson")),
    ("union_stamp_int_text", include_str!("cases/models/union_stamp_int_text.ndjson")),
    ("union_times", include_str!("cases/models/union_times.ndjson")),
    ("union_uuid_text", include_str!("cases/models/union_uuid_text.ndjson")),
    ("union_literal_bool", include_str!("cases/models/union_literal_bool.ndjson")),
    ("union_enum_float", include_str!("cases/models/union_enum_float.ndjson")),
    ("dict_ints", include_str!("cases/models/dict_ints.ndjson")),
    ("dict_floats", include_str!("cases/models/dict_floats.ndjson")),
    ("dict_unions", include_str!("cases/models/dict_unions.ndjson")),
    ("dict_dicts", include_str!("cases/models/dict_dicts.ndjson")),
    ("model_with_extra_of_ints", include_str!("cases/models/model_with_extra_of_ints.ndjson")),
    ("uuid4", include_str!("cases/models/uuid4.ndjson")),
    ("uuid7", include_str!("cases/models/uuid7.ndjson")),
    ("uuid_list", include_str!("cases/models/uuid_list.ndjson")),
    ("recursive", include_str!("cases/models/recursive.ndjson")),
    ("recursive_pair", include_str!("cases/models/recursive_pair.ndjson")),
    ("extra", include_str!("cases/models/extra.ndjson")),
    ("extra_inner", include_str!("cases/models/extra_inner.ndjson")),
    ("aware", include_str!("cases/models/aware.ndjson")),
    ("naive", include_str!("cases/models/naive.ndjson")),
    ("flat", include_str!("cases/models/flat.ndjson")),
    ("union_nested", include_str!("cases/models/union_nested.ndjson")),
    ("union_nested_texts", include_str!("cases/models/union_nested_texts.ndjson")),
    ("bare", include_str!("cases/models/bare.ndjson")),
    ("json_model", include_str!("cases/models/json_model.ndjson")),
    ("json_ints", include_str!("cases/models/json_ints.ndjson")),
    ("json_dict", include_str!("cases/models/json_dict.ndjson")),
    ("kept_union", include_str!("cases/models/kept_union.ndjson")),
    ("kept_discriminated", include_str!("cases/models/kept_discriminated.ndjson")),
    ("kept_tree", include_str!("cases/models/kept_tree.ndjson")),
];

fn models() -> impl Iterator<Item = Model> {
    NAMES.iter().map(|(name, text)| {
        let mut lines = text.lines();
        let head: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let cases: Vec<_> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(cases.len(), 1000, "{name}");
        let (is_strict, is_kept) = (head["strict"] == true, head["kept"] == true);
        Model { name, schema: head["schema"].clone(), is_strict, is_kept, cases }
    })
}

impl Model {
    /// Writes the schema into `folder` and returns a `[record]` section that uses it.
    fn record(&self, folder: &Path) -> String {
        let path = folder.join(format!("{}.schema.json", self.name));
        std::fs::write(&path, self.schema.to_string()).unwrap();
        let mode = if self.is_strict { "strict" } else { "lax" };
        let kept = if self.is_kept { "on_unsupported = \"json\"\n" } else { "" };
        format!("schema = \"{}\"\nmode = \"{mode}\"\n{kept}", path.display())
    }

    fn records(&self) -> String {
        self.cases.iter().map(|(record, _)| format!("{record}\n")).collect()
    }

    fn is_valid(verdict: &Value) -> bool {
        verdict.is_object()
    }
}

/// Whether a verdict on values kept as JSON matches the model's: the same validity, and the same stored
/// values where those are stored unchanged.
fn is_kept(ours: &Value, theirs: &Value) -> bool {
    let mut stored = theirs.as_object().into_iter().flatten();
    ours["valid"] == Model::is_valid(theirs) && stored.all(|(name, value)| ours["values"][name] == *value)
}

/// The faults of a verdict, as `field code`.
fn told(verdict: &Value) -> BTreeSet<String> {
    let word = |reason: &Value, key: &str| reason[key].as_str().unwrap_or_default().to_owned();
    let reasons = verdict["reasons"].as_array().into_iter().flatten();
    reasons.map(|reason| word(reason, "field") + " " + &word(reason, "code")).collect()
}

#[test]
fn every_kind_of_model_gets_pydantics_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.ndjson");
    for model in models() {
        std::fs::write(&file, model.records()).unwrap();
        let verdicts = check(&file, &model.record(folder.path())).1;
        assert_eq!(verdicts.len(), model.cases.len(), "{}", model.name);
        let mut differences = Vec::new();
        for ((record, theirs), ours) in model.cases.iter().zip(&verdicts) {
            let is_same = match theirs {
                _ if model.is_kept => is_kept(ours, theirs),
                Value::Array(faults) => {
                    told(ours) == faults.iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
                }
                values => ours["values"] == *values,
            };
            if !is_same {
                differences.push(format!("{record}\n    theirs {theirs}\n    ours {ours}"));
            }
        }
        let shown = differences.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(differences.is_empty(), "{}: {} differ\n{shown}", model.name, differences.len());
    }
}

/// The rows in a destination equal Pydantic's results.
fn rows_equal_pydantics_results(kind: Kind) {
    // Verdicts do not say what is stored for values kept as JSON inside an object.
    for model in models().filter(|model| model.name != "kept_tree") {
        let load = Load::of(model.records()).to(kind);
        let record = model.record(load.path("x").parent().unwrap());
        let job = load.job().replace("[record]\n\n[record.fields]\n", &format!("[record]\n{record}"));
        let has_rejects = model.cases.iter().any(|(_, verdict)| !Model::is_valid(verdict));
        load.call_with(&job).run().exit(if has_rejects { 3 } else { 0 });
        let shown =
            kind.word("coalesce(to_jsonb({})::text, 'null')", "iif(typeof({}) = 'text', {}, json_quote({}))");
        let first = model.cases.iter().find_map(|(_, verdict)| verdict.as_object()).unwrap();
        let names: Vec<&String> = first.keys().collect();
        let columns: Vec<String> = names.iter().map(|name| shown.replace("{}", name)).collect();
        let rows = load.made().look(|snapshot| {
            snapshot.query(&format!("SELECT {} FROM t ORDER BY source_offset", columns.join(", ")))
        });
        let valid: Vec<_> = model.cases.iter().filter(|(_, verdict)| Model::is_valid(verdict)).collect();
        assert_eq!(rows.len(), valid.len(), "{}", model.name);
        for (row, (record, theirs)) in rows.iter().zip(valid) {
            for (name, cell) in names.iter().zip(row) {
                let held = serde_json::from_str(cell.text()).unwrap_or_else(|_| json!(cell.text()));
                let theirs = &theirs[name.as_str()];
                assert!(is_same(&held, theirs), "{}: {record}: {held} and not {theirs}", model.name);
            }
        }
    }
}

/// Whether two values are equal, however a destination stores numbers and timestamps.
fn is_same(held: &Value, theirs: &Value) -> bool {
    match (held, theirs) {
        (Value::Number(held), Value::Number(theirs)) => held.as_f64() == theirs.as_f64(),
        (Value::String(held), Value::String(theirs)) => held == theirs || stamp(held) == stamp(theirs),
        // SQLite stores a text unchanged, so it may look like a number.
        (Value::Number(_) | Value::Bool(_) | Value::Null, Value::String(theirs)) => {
            serde_json::from_str(theirs).is_ok_and(|theirs| is_same(held, &theirs))
        }
        (Value::Array(held), Value::Array(theirs)) => {
            held.len() == theirs.len() && held.iter().zip(theirs).all(|(held, theirs)| is_same(held, theirs))
        }
        (Value::Object(held), Value::Object(theirs)) => {
            held.len() == theirs.len()
                && held.iter().all(|(key, held)| theirs.get(key).is_some_and(|theirs| is_same(held, theirs)))
        }
        (held, theirs) => held == theirs,
    }
}

/// A timestamp without its zone, which is UTC, and without trailing zeros.
fn stamp(text: &str) -> &str {
    let text = text.trim_end_matches('Z').trim_end_matches("+00:00");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// The `[record]` section that `infer --from-schema` writes.
fn written_record(schema: &Path) -> String {
    let output = logmill().args(["infer", "-o", "-", "--from-schema"]).arg(schema).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let job = String::from_utf8(output.stdout).unwrap();
    let (_, record) = job.split_once("[record]\n").unwrap();
    record.split_once("[destination]").unwrap().0.to_owned()
}

/// Translates a fault's path and code into those of a written job, where the nullable value is a whole union.
fn as_a_job_says(fault: &str) -> String {
    fault.replace("nullable[union[bool,time]]", "union[bool,time]")
}

#[test]
fn a_job_written_from_a_schema_gives_its_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.ndjson");
    for model in models().filter(|model| !model.is_strict) {
        std::fs::write(&file, model.records()).unwrap();
        model.record(folder.path());
        let record = written_record(&folder.path().join(format!("{}.schema.json", model.name)));
        let verdicts = check(&file, &record).1;
        for ((record, theirs), ours) in model.cases.iter().zip(&verdicts) {
            if model.is_kept {
                assert!(is_kept(ours, theirs), "{}: {record}: {ours}", model.name);
                continue;
            }
            let Value::Array(faults) = theirs else {
                assert_eq!(ours["values"], *theirs, "{}: {record}", model.name);
                continue;
            };
            let theirs: BTreeSet<String> =
                faults.iter().map(|fault| as_a_job_says(fault.as_str().unwrap())).collect();
            assert_eq!(told(ours), theirs, "{}: {record}", model.name);
        }
    }
}

/// Differences between a model and its schema, and unenforced keywords, are reported once by every command
/// that reads records by the schema.
#[test]
fn gaps_of_a_schema_are_reported() {
    let load = Load::of("{\"at\":\"2024-01-01T00:00:00Z\",\"tags\":[1]}\n").to(Kind::Sqlite);
    let record = "[record]\nschema = \"x.schema.json\"\non_unsupported = \"json\"\n";
    let job = load.job().replace("[record]\n\n[record.fields]\n", record);
    let write = |at: Value| {
        let tags = json!({ "type": "array", "uniqueItems": true });
        load.write("x.schema.json", json!({ "properties": { "at": at, "tags": tags } }).to_string());
    };
    let (zone, kept) = (
        "#/properties/at (a zone may be missing",
        "#/properties/tags/uniqueItems (this keyword is not enforced)",
    );
    write(json!({ "type": "string", "format": "date-time" }));
    let loaded = load.call_with(&job).run();
    let (checked, planned) = (load.command("check").run(), load.command("plan").run());
    for ended in [&loaded, &checked] {
        ended.exit(0).says_once(zone).says_once(kept);
    }
    let warnings = planned.exit(0).result("/warnings").to_string();
    assert!(warnings.contains(zone) && warnings.contains(kept), "{warnings}");
    // No warning about a missing zone if the schema explicitly allows it.
    write(json!({ "type": "string", "format": "date-time", "x-logmill": { "zone": "any" } }));
    load.call_with(&job).run().exit(0).never_says(zone).says(kept);
}

/// A model that refers to itself is read as deep as JSON goes.
fn a_recursive_model_nests_as_deep_as_json(kind: Kind) {
    let nested = |depth: usize| format!("{{\"n\":{}null{}}}\n", "{\"n\":".repeat(depth), "}".repeat(depth));
    let load = Load::of([nested(1), nested(198), nested(300)].concat())
        .to(kind)
        .field("n = { type = \"object\", fields = { n = { type = \"again\", required = false } } }");
    load.run().exit(3).rejects([(3, "json_invalid")]);
    let rows = load.made().look(|snapshot| snapshot.query("SELECT source_offset FROM t"));
    assert_eq!(rows.len(), 2);
}

/// The printed plan adds the columns that a table lacks.
fn a_plan_adds_missing_columns(kind: Kind) {
    let load = Load::of("{\"a\":1,\"b\":{\"c\":true},\"d\":[1,2],\"e\":3}\n").to(kind);
    let with =
        |fields: &str| load.job().replace("[record.fields]\n", &format!("[record.fields]\n{fields}\n"));
    load.call_with(&with("a = \"int\"")).run().exit(0);
    let more = with(
        "a = \"int\"\nb = { type = \"object\", members = \"bool\" }\nd = { type = \"list\", items = \"int\" }\n\
         e = { type = \"enum\", values = [3, 4] }",
    );
    load.write("more.ndjson", "{\"a\":2,\"b\":{\"c\":true},\"d\":[1,2],\"e\":3}\n");
    load.call_with(&more).run().exit(2);
    let plan = load.command("plan --print-sql").run();
    let sql = plan.result("/sql");
    let sql = sql.as_str().unwrap();
    let statements: Vec<&str> = sql.lines().filter(|line| line.contains("\"t\" ADD COLUMN")).collect();
    assert_eq!(statements.len(), 3, "{sql}");
    load.sql(&statements.join("\n"));
    load.call_with(&more).run().exit(0);
    let rows = load.made().look(|snapshot| snapshot.query("SELECT a, e FROM t ORDER BY a"));
    assert_eq!(rows.last().unwrap(), &[Cell::Int(2), Cell::Int(3)]);
}

on_each_destination! {
    rows_equal_pydantics_results
    a_plan_adds_missing_columns
    a_recursive_model_nests_as_deep_as_json
}
