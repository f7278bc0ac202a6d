//! The JSON Schema of the job file, for editors.
//!
//! It is made from the table of keys. An editor that knows it completes keys, shows what they mean and
//! underlines what the program would refuse. Rules that involve several keys are left to the program.

use serde_json::{Map, Value, json};

use super::keys::{self, Fallback, Key, Table, Takes, Word};

/// The JSON Schema (2020-12) of a job file.
pub fn json_schema() -> Value {
    let mut schema = table(&keys::JOB);
    let root = schema.as_object_mut().expect("a table is an object");
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".to_owned(), json!("A job of logmill"));
    root.insert("$defs".to_owned(), json!({ "field": field() }));
    schema
}

/// A field: a table with all its keys, each only beside the types that accept it.
fn field() -> Value {
    let mut full = table(&keys::FIELD);
    let mut dependent = Map::new();
    for key in keys::FIELD.keys {
        let types = keys::types(key.name);
        if !types.is_empty() {
            dependent.insert(key.name.to_owned(), json!({ "properties": { "type": { "enum": types } } }));
        }
    }
    full["dependentSchemas"] = Value::Object(dependent);
    json!({ "anyOf": [one_of(keys::TYPES), full] })
}

fn table(table: &Table) -> Value {
    let properties: Map<String, Value> =
        table.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> =
        table.keys.iter().filter(|key| key.default == Fallback::Required).map(|key| key.name).collect();
    let mut schema = json!({
        "description": table.doc,
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut description = key.doc.to_owned();
    if let Takes::Word(words) = key.takes {
        for word in words {
            description.push_str(&format!("\n- `{}`: {}", word.name, word.doc));
        }
    }
    if let Fallback::Said(words) = key.default {
        description.push_str(&format!("\n\nDefault: {words}."));
    }
    let mut schema = value(&key.takes);
    schema["description"] = json!(description);
    if let Some(default) = key.default_text() {
        schema["default"] = match key.takes {
            Takes::Flag => json!(default == "true"),
            Takes::Count { .. } => json!(super::units::parse_count(default).expect("a default that fits")),
            _ => json!(default),
        };
    }
    schema
}

fn value(takes: &Takes) -> Value {
    match takes {
        Takes::Text => json!({ "type": "string" }),
        Takes::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Takes::Flag => json!({ "type": "boolean" }),
        Takes::Word(words) => one_of(words),
        Takes::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Takes::Size { max, min } => json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": pattern("[0-9]+(([KkMmGg][Ii]?)?[Bb])?") },
        ] }),
        Takes::Duration { .. } => json!({
            "type": "string",
            "pattern": pattern("(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?"),
        }),
        Takes::Zone => json!({
            "type": "string",
            "pattern": pattern("[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*|[+-]([01][0-9]|2[0-3]):[0-5][0-9]"),
        }),
        Takes::Number => json!({ "type": "number" }),
        Takes::Value => json!({}),
        Takes::Version => json!({ "type": "integer", "minimum": 1, "maximum": 8 }),
        Takes::Constants => json!({ "type": "array", "items": { "anyOf": [
            { "type": "string" },
            { "type": "integer" },
            { "type": "boolean" },
        ] } }),
        Takes::Kinds => json!({ "type": "array", "items": { "$ref": "#/$defs/field" }, "minItems": 1 }),
        Takes::Bar => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": pattern(r"[0-9]+(_[0-9]+)*|[0-9]{1,3}(\.[0-9]{1,4})?%") },
        ] }),
        Takes::Identity => json!({ "anyOf": [
            { "enum": ["position", "content", "none"] },
            { "type": "array", "items": { "type": "string" }, "minItems": 1, "uniqueItems": true },
            { "type": "string", "description": "The name of a field." },
        ] }),
        Takes::Conflict => json!({
            "type": "string",
            "pattern": pattern(r"update|keep|newest\(.+\)"),
        }),
        Takes::Field => json!({ "$ref": "#/$defs/field" }),
        Takes::Fields => json!({
            "type": "object",
            "additionalProperties": { "$ref": "#/$defs/field" },
            "minProperties": 1,
        }),
        Takes::Columns => json!({
            "type": "object",
            "additionalProperties": { "anyOf": [
                { "type": "string" },
                { "type": "integer" },
                { "type": "boolean" },
            ] },
        }),
        Takes::Table(inner) => table(inner),
        Takes::Tables(inner) => json!({ "type": "array", "items": table(inner) }),
    }
}

/// One of these words.
fn one_of(words: &[Word]) -> Value {
    json!({ "enum": words.iter().map(|word| word.name).collect::<Vec<_>>() })
}

/// Matches if the whole text does, or if it contains an environment variable.
fn pattern(regex: &str) -> String {
    format!(r"^({regex})$|\$\{{")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{SMALL, complaint, config, small_with};
    use super::*;

    /// Whether `value` fits `schema`, by the keywords that are used here. Any other keyword is a mistake:
    /// editors would evaluate it and this test would not.
    fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
        let schema = schema.as_object().expect("a schema is an object");
        schema.iter().all(|(keyword, rule)| match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "pattern" => true,
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local pointer");
                fits(value, root.pointer(pointer).expect("a definition"), root)
            }
            "type" => match rule.as_str().expect("a type") {
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64() || value.is_u64(),
                "number" => value.is_number(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                other => panic!("no type: {other}"),
            },
            "enum" => rule.as_array().expect("a list").contains(value),
            "anyOf" => rule.as_array().expect("a list").iter().any(|schema| fits(value, schema, root)),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("a number")),
            "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(item, rule, root))),
            "minItems" => {
                value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().expect("a count"))
            }
            "uniqueItems" => value.as_array().is_none_or(|items| {
                items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
            }),
            "minProperties" => value
                .as_object()
                .is_none_or(|members| members.len() as u64 >= rule.as_u64().expect("a count")),
            "required" => value.as_object().is_none_or(|members| {
                rule.as_array()
                    .expect("a list")
                    .iter()
                    .all(|name| members.contains_key(name.as_str().expect("a name")))
            }),
            "properties" => value.as_object().is_none_or(|members| {
                members
                    .iter()
                    .all(|(name, member)| rule.get(name).is_none_or(|schema| fits(member, schema, root)))
            }),
            "additionalProperties" => value.as_object().is_none_or(|members| {
                let known = schema.get("properties");
                let is_known = |name: &str| known.is_some_and(|known| known.get(name).is_some());
                let mut others = members.iter().filter(|(name, _)| !is_known(name));
                others.all(|(_, member)| rule != &Value::Bool(false) && fits(member, rule, root))
            }),
            "dependentSchemas" => value.as_object().is_none_or(|members| {
                let mut rules = rule.as_object().expect("an object").iter();
                rules.all(|(name, schema)| !members.contains_key(name) || fits(value, schema, root))
            }),
            other => panic!("a keyword that this test does not know: {other}"),
        })
    }

    pub(in crate::config) fn is_accepted(job: &str) -> bool {
        let job: toml::Table = job.parse().expect("TOML");
        let schema = json_schema();
        fits(&serde_json::to_value(job).expect("JSON"), &schema, &schema)
    }

    #[test]
    fn editors_accept_what_the_program_accepts() {
        for (table, lines) in [
            ("source", "files = [\"a\"]\nmax_record = 1024\ntimezone = \"+02:00\"\norder = \"name-reverse\""),
            ("source", "max_record = \"1KiB\"\nmmap = false"),
            ("source", "year = 2023\ntimezone = \"America/Argentina/Buenos_Aires\""),
            ("record", "mode = \"strict\"\nextra = \"keep\"\nnul = \"replace\""),
            ("record.fields", "a = { type = \"text\", min_length = 1, default = \"x\" }"),
            (
                "record.fields",
                "a = { type = \"int\", ge = 1, from = \"/a\", required = false, strict = true }",
            ),
            ("record.fields", "a = { type = \"float\", lt = 0.5, finite = true }"),
            ("record.fields", "a = { type = \"ip\", version = 6 }"),
            (
                "record.fields",
                "a = { type = \"list\", items = { type = \"object\", fields = { b = \"uuid\" } } }",
            ),
            ("destination", "url = \"postgres://host/db\"\nkey = \"content\"\non_conflict = \"keep\""),
            ("destination", "key = [\"id\"]\non_conflict = \"newest(id)\"\ncreate = false"),
            ("dead_letters", "max_raw = \"0B\""),
            ("dead_letters", "stop_above = 1000"),
            ("dead_letters", "stop_above = \"0.5%\""),
            ("pipeline", "threads = 1\nlanes = 4\nretry_for = \"1h30m\""),
        ] {
            let job = small_with(table, lines);
            config(&job);
            assert!(is_accepted(&job), "{job}");
        }
    }

    #[test]
    fn editors_refuse_what_the_program_refuses() {
        for (table, lines) in [
            ("source", "fils = [\"a\"]"),
            ("source", "files = \"a\""),
            ("source", "log_format = [\"x\"]"),
            ("source", "preset = \"x\""),
            ("source", "nulls = \"-\""),
            ("source", "year = 0"),
            ("record", "mode = \"strikt\""),
            ("record.fields", "a = {}"),
            ("record.fields", "a = \"str\""),
            ("record.fields", "a = { type = \"int\", min_length = 1 }"),
            ("record.fields", "a = { type = \"text\", json_text = true }"),
            ("record.fields", "a = { type = \"object\", fields = {} }"),
            ("record.fields", "a = { type = \"object\", fields = { b = { type = \"text\", ge = 1 } } }"),
            ("dead_letters", "stop_above = 0.05"),
            ("dead_letters", "stop_above = -1"),
            ("destination", "key = []"),
            ("destination", "key = [\"id\", \"id\"]"),
            ("destination", "columns = { a = 1.5 }"),
            ("pipeline", "threads = 0"),
            ("pipeline", "lanes = 0"),
            ("pipelines", ""),
        ] {
            let job = small_with(table, lines);
            complaint(&job);
            assert!(!is_accepted(&job), "{job}");
        }
        for line in [
            "name = \"small\"\n",
            "format = \"ndjson\"\n",
            "table = \"t\"\n",
            "[record.fields]\nid = \"int\"\n",
        ] {
            assert!(!is_accepted(&SMALL.replace(line, "")), "{line}");
        }
    }

    #[test]
    fn every_key_is_explained() {
        fn walk(table: &Table, schema: &Value) {
            for key in table.keys {
                let property = &schema["properties"][key.name];
                let description = property["description"].as_str().unwrap_or_default();
                assert!(description.contains(key.doc), "{}: {property}", key.name);
                match key.takes {
                    Takes::Table(inner) => walk(inner, property),
                    Takes::Tables(inner) => walk(inner, &property["items"]),
                    _ => {}
                }
            }
        }
        let schema = json_schema();
        walk(&keys::JOB, &schema);
        walk(&keys::FIELD, &schema["$defs"]["field"]["anyOf"][1]);
    }
}
