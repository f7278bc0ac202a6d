//! The manual page about reports, made from the structs themselves.
//!
//! A field of an object is a field of a struct, and its description in the manual is the comment above it.
//! The page and the JSON Schema of the outputs are made from the same source. Both are kept in the source
//! tree; the tests below check that they match the structs. To rewrite them: `UPDATE_MANUAL=1 cargo test
//! --lib manual`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const PAGE: &str = "src/manual/reports.md";

const SCHEMA: &str = "src/manual/reports.schema.json";

const HEAD: &str = r"# Reports

<!-- Generated from src/report and src/event.rs; a test compares them. To regenerate: UPDATE_MANUAL=1 cargo test manual -->

With `--output json` a command writes one object on one line to stdout, even if it fails or the command line is invalid. With `--log-format json` every message on stderr is an object with `time`, `level`, `message`, and, if it reports a step of the run, an `event`. Within a `schema_version`, fields may be added, but none is removed or changes its meaning. Control characters and those that change the direction of writing are escaped. If a file name or record is not UTF-8, the invalid bytes are replaced, and a further field contains all bytes as base64. `load` and `backfill` write their summary for people to stderr.

`logmill config --output-schema` prints all of this as a JSON Schema (2020-12).
";

/// The objects, each with the command that writes it.
const OBJECTS: &[(&str, &str)] = &[
    ("`load`", "Load"),
    ("`backfill`", "Backfill"),
    ("`check`", "Check"),
    ("`plan`", "Plan"),
    ("`status`", "Status"),
    ("`status FILE…`", "SourcesStatus"),
    ("`dead-letters list`", "Letters"),
    ("`dead-letters show`", "ShownLetter"),
    ("`dead-letters deliver`", "Deliver"),
    ("`dead-letters replay`", "Replay"),
    ("`dead-letters discard`", "Discard"),
    ("`dead-letters export`", "Export"),
    ("`verify`", "Verify"),
    ("`rollup`", "Rollup"),
    ("`report`", "PageWritten"),
    ("`forget`", "Forget"),
    ("`infer`", "Infer"),
    ("`bench generate`", "BenchDataset"),
    ("`bench run`", "BenchRun"),
    ("`bench compare`", "BenchComparison"),
    ("A command that failed before there was anything else to report", "Bare"),
    ("Messages: `event`", "Event"),
    ("`--progress json`: a line", "ProgressLine"),
];

/// The files that contain the structs.
const FILES: &[&str] = &[
    "src/report/mod.rs",
    "src/report/load.rs",
    "src/report/backfill.rs",
    "src/report/check.rs",
    "src/report/plan.rs",
    "src/report/rules.rs",
    "src/report/status.rs",
    "src/report/letters.rs",
    "src/report/delivery.rs",
    "src/report/verify.rs",
    "src/report/forget.rs",
    "src/report/infer.rs",
    "src/report/rollup.rs",
    "src/report/page/mod.rs",
    "src/report/bench.rs",
    "src/report/progress.rs",
    "src/counts.rs",
    "src/sink/history.rs",
    "src/sink/progress.rs",
    "src/sink/dates.rs",
    "src/sink/rebuild.rs",
    "src/sink/rollup/mod.rs",
    "src/sink/verify/found.rs",
    "src/event.rs",
];

/// A struct, or an enum whose variants are distinguished by a field.
#[derive(Debug, Default)]
struct Shape {
    doc: String,
    /// The field that names the variant.
    tag: Option<String>,
    fields: Vec<Field>,
}

impl Shape {
    /// The names of its variants, in order.
    fn variants(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for variant in self.fields.iter().filter_map(|field| field.variant.as_deref()) {
            if !names.contains(&variant) {
                names.push(variant);
            }
        }
        names
    }
}

#[derive(Debug, Default)]
struct Field {
    /// The variant that has it.
    variant: Option<String>,
    name: String,
    doc: String,
    kind: String,
    is_flat: bool,
    /// It may be missing entirely.
    is_absent: bool,
}

/// The value of an attribute of serde: `x` of `rename = "x"`.
fn named<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = attributes.split_once(&format!("{name} = \""))?;
    rest.split('"').next()
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for ch in name.chars() {
        if ch.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(ch.to_lowercase());
    }
    out
}

/// Everything serialised in a file formatted by rustfmt, by name.
fn shapes(text: &str, found: &mut BTreeMap<String, Shape>) {
    let (mut doc, mut attributes) = (String::new(), String::new());
    let (mut name, mut variant): (Option<String>, Option<String>) = (None, None);
    for line in text.lines() {
        let code = line.trim();
        if let Some(words) = code.strip_prefix("///") {
            if !doc.is_empty() {
                doc.push(' ');
            }
            doc.push_str(words.trim());
            continue;
        }
        if code.starts_with("#[") {
            attributes.push_str(code);
            continue;
        }
        let item = code.strip_prefix("pub struct ").or_else(|| code.strip_prefix("pub enum "));
        if let Some(rest) = item.filter(|_| code.ends_with('{')) {
            let called = rest.split([' ', '<']).next().unwrap_or_default().to_owned();
            if attributes.contains("Serialize") {
                let tag = named(&attributes, "tag").map(str::to_owned);
                found.insert(called.clone(), Shape { doc: doc.clone(), tag, fields: Vec::new() });
                name = Some(called);
            }
        } else if line == "}" {
            name = None;
        } else if code == "}," {
            variant = None;
        } else if let Some(called) = code.strip_suffix(" {").filter(|_| name.is_some()) {
            variant = Some(snake(called));
        } else if let (Some(shape), Some((field, kind))) =
            (name.as_ref().and_then(|name| found.get_mut(name)), code.trim_end_matches(',').split_once(": "))
            && !attributes.contains("serde(skip)")
        {
            let is_flat = attributes.contains("flatten");
            let bytes = named(&attributes, "serialize_with").filter(|_| is_flat);
            if bytes.is_some() {
                // Bytes are text, accompanied by base64 if they are not valid UTF-8.
                let name = field.trim_start_matches("pub ");
                let is_optional = kind.starts_with("Option");
                let kind = if is_optional { "Option<String>" } else { "String" };
                let of = |name: String, doc: String, kind: &str, is_absent: bool| Field {
                    variant: variant.clone(),
                    name,
                    doc,
                    kind: kind.to_owned(),
                    is_flat: false,
                    is_absent,
                };
                let beside = format!("The bytes of `{name}` as base64, where they are not all UTF-8.");
                shape.fields.push(of(name.to_owned(), doc.clone(), kind, is_optional));
                shape.fields.push(of(format!("{name}_base64"), beside, "String", true));
                doc.clear();
                attributes.clear();
                continue;
            }
            let kind = match named(&attributes, "serialize_with") {
                Some("seconds") => "f64".to_owned(),
                Some(_) if kind.starts_with("Option") => "Option<String>".to_owned(),
                Some(_) => "String".to_owned(),
                None => kind.to_owned(),
            };
            shape.fields.push(Field {
                variant: variant.clone(),
                name: named(&attributes, "rename")
                    .unwrap_or_else(|| field.trim_start_matches("pub "))
                    .to_owned(),
                doc: doc.clone(),
                kind,
                is_flat,
                is_absent: attributes.contains("skip_serializing_if"),
            });
        }
        doc.clear();
        attributes.clear();
    }
}

/// A type in the terms of a JSON reader.
fn kind(kind: &str, parts: &mut Vec<String>) -> String {
    let inner = |outer: &str| kind.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return format!("{} or null", self::kind(inner, parts));
    }
    if let Some(inner) = inner("Vec<") {
        return format!("list of {}", self::kind(inner, parts));
    }
    match kind {
        "String" | "&'static str" => "text".to_owned(),
        "bool" => "boolean".to_owned(),
        "f64" => "number".to_owned(),
        "Value" => "any".to_owned(),
        "BTreeMap<String, String>" => "object of texts".to_owned(),
        "u8" | "u32" | "u64" | "i32" | "i64" | "usize" => "integer".to_owned(),
        part => {
            if !parts.iter().any(|known| known == part) {
                parts.push(part.to_owned());
            }
            format!("[{part}](#{})", part.to_lowercase())
        }
    }
}

fn section(
    page: &mut String,
    title: &str,
    name: &str,
    shapes: &BTreeMap<String, Shape>,
    parts: &mut Vec<String>,
) {
    let shape = shapes.get(name).unwrap_or_else(|| panic!("no {name} is serialised"));
    let _ = writeln!(page, "\n## {title}\n\n{}\n\n| field | type | meaning |\n|---|---|---|", shape.doc);
    rows(page, shape, None, shapes, parts);
}

/// The fields of a shape, which are in `variant` of another.
fn rows(
    page: &mut String,
    shape: &Shape,
    variant: Option<&str>,
    shapes: &BTreeMap<String, Shape>,
    parts: &mut Vec<String>,
) {
    if let Some(tag) = &shape.tag {
        let names =
            shape.variants().into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "| `{tag}` | text | One of {names}. |");
    }
    for field in &shape.fields {
        // Every object begins with it, and it has a section of its own.
        if field.kind == "Head" {
            continue;
        }
        let variant = field.variant.as_deref().or(variant);
        if field.is_flat {
            rows(page, &shapes[&field.kind], variant, shapes, parts);
            continue;
        }
        let of = variant.map(|name| format!("Of `{name}`: ")).unwrap_or_default();
        let kind = kind(&field.kind, parts);
        let _ = writeln!(page, "| `{}` | {kind} | {of}{} |", field.name, field.doc.replace('|', "\\|"));
    }
}

/// Everything serialised.
fn found() -> BTreeMap<String, Shape> {
    let mut found = BTreeMap::new();
    for file in FILES {
        let text = std::fs::read_to_string(format!("{ROOT}/{file}")).expect("a file of ours");
        shapes(&text, &mut found);
    }
    found
}

/// A type as JSON Schema.
fn schema_of(kind: &str, parts: &mut Vec<String>) -> Value {
    let inner = |outer: &str| kind.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inner("Option<") {
        return json!({"anyOf": [schema_of(inner, parts), {"type": "null"}]});
    }
    if let Some(inner) = inner("Vec<") {
        return json!({"type": "array", "items": schema_of(inner, parts)});
    }
    match kind {
        "String" | "&'static str" => json!({"type": "string"}),
        "bool" => json!({"type": "boolean"}),
        "f64" => json!({"type": "number"}),
        "Value" => json!({}),
        "BTreeMap<String, String>" => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        "u8" | "u32" | "u64" | "i32" | "i64" | "usize" => json!({"type": "integer"}),
        part => {
            if !parts.iter().any(|known| known == part) {
                parts.push(part.to_owned());
            }
            json!({"$ref": format!("#/$defs/{part}")})
        }
    }
}

/// Adds the fields of a shape, or of one of its variants, to an object.
fn properties(
    shape: &Shape,
    variant: Option<&str>,
    found: &BTreeMap<String, Shape>,
    parts: &mut Vec<String>,
    object: &mut (Map<String, Value>, Vec<Value>),
) {
    for field in shape.fields.iter().filter(|field| field.variant.as_deref() == variant) {
        if field.is_flat && found[&field.kind].tag.is_none() {
            properties(&found[&field.kind], None, found, parts, object);
            continue;
        }
        if field.is_flat {
            continue;
        }
        let mut schema = schema_of(&field.kind, parts);
        schema["description"] = json!(field.doc);
        object.0.insert(field.name.clone(), schema);
        if !field.is_absent {
            object.1.push(json!(field.name));
        }
    }
}

/// A shape as JSON Schema: an object, or one of several.
fn definition(shape: &Shape, found: &BTreeMap<String, Shape>, parts: &mut Vec<String>) -> Value {
    let one = |variant: Option<&str>, of: &Shape, parts: &mut Vec<String>| {
        let mut object = (Map::new(), Vec::new());
        properties(shape, None, found, parts, &mut object);
        if let (Some(variant), Some(tag)) = (variant, &of.tag) {
            object.0.insert(tag.clone(), json!({"const": variant}));
            object.1.push(json!(tag));
            properties(of, Some(variant), found, parts, &mut object);
        }
        json!({"type": "object", "properties": object.0, "required": object.1})
    };
    // Either the shape itself has variants, or a part of it does.
    let flat = shape.fields.iter().filter(|field| field.is_flat).map(|field| &found[&field.kind]);
    let tagged = std::iter::once(shape).chain(flat).find(|shape| shape.tag.is_some());
    let mut schema = match tagged {
        Some(tagged) => {
            let variants = tagged.variants();
            json!({"oneOf": variants.iter().map(|variant| one(Some(variant), tagged, parts)).collect::<Vec<_>>()})
        }
        None => one(None, shape, parts),
    };
    schema["description"] = json!(shape.doc);
    schema
}

/// The JSON Schema of all outputs.
fn schema() -> Value {
    let (found, mut parts, mut definitions) = (found(), Vec::new(), Map::new());
    let names: Vec<&str> = OBJECTS.iter().map(|(_, name)| *name).filter(|name| *name != "Event").collect();
    for (title, name) in OBJECTS {
        let mut object = definition(&found[*name], &found, &mut parts);
        // The output of a single command names that command.
        if let Some(command) = title.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
            let command = command.trim_end_matches(" FILE…");
            if object["properties"]["command"].is_object() {
                object["properties"]["command"]["const"] = json!(command);
            }
        }
        definitions.insert((*name).to_owned(), object);
    }
    let mut next = 0;
    while let Some(part) = parts.get(next).cloned() {
        if !definitions.contains_key(&part) {
            let object = definition(&found[&part], &found, &mut parts);
            definitions.insert(part, object);
        }
        next += 1;
    }
    definitions.insert("Message".to_owned(), message());
    let all = names.into_iter().chain(["Message"]).map(|name| json!({"$ref": format!("#/$defs/{name}")}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What logmill writes as JSON",
        "description": format!(
            "schema_version {}. Within a version fields may come, and none goes or changes its meaning.",
            super::SCHEMA_VERSION
        ),
        "anyOf": all.collect::<Vec<_>>(),
        "$defs": definitions,
    })
}

/// A message on stderr with `--log-format json`.
fn message() -> Value {
    let text = |words: &str| json!({"type": "string", "description": words});
    json!({
        "type": "object",
        "description": "A message on stderr with `--log-format json`.",
        "properties": {
            "time": text("When it was said, in RFC 3339."),
            "level": {"enum": ["error", "warning", "info", "debug"], "description": "How much it matters."},
            "message": text("It in words."),
            "event": {"$ref": "#/$defs/Event"},
            "summary": {"type": "object", "description": "What the command did, as `--output json` tells it."}
        },
        "required": ["time", "level", "message"]
    })
}

fn page() -> String {
    let found = found();
    let (mut page, mut parts) = (HEAD.to_owned(), Vec::new());
    section(&mut page, "How each begins", "Head", &found, &mut parts);
    for (title, name) in OBJECTS {
        section(&mut page, title, name, &found, &mut parts);
    }
    let mut next = 0;
    while let Some(part) = parts.get(next).cloned() {
        section(&mut page, &part, &part, &found, &mut parts);
        next += 1;
    }
    page
}

#[test]
fn the_manual_says_what_the_reports_say() {
    is_kept(PAGE, &page());
}

#[test]
fn the_schema_that_ships_says_what_the_reports_say() {
    is_kept(SCHEMA, &format!("{:#}\n", schema()));
}

#[track_caller]
fn is_kept(path: &str, page: &str) {
    let path = format!("{ROOT}/{path}");
    if std::env::var_os("UPDATE_MANUAL").is_some() {
        std::fs::write(&path, page).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = kept.lines().zip(page.lines()).find(|(kept, page)| kept != page);
    assert_eq!(differ, None, "write it anew: UPDATE_MANUAL=1 cargo test manual");
    assert_eq!(kept.len(), page.len(), "write it anew: UPDATE_MANUAL=1 cargo test manual");
}
