//! Validates output against the shipped JSON Schema, strictly.
//!
//! Consumers must accept unknown fields, so the schema allows them. In these tests an unknown field is a
//! fault: commands write exactly what the schema describes.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../src/manual/reports.schema.json")).unwrap());

/// Asserts that the schema describes this object as the output of a command.
#[track_caller]
pub(crate) fn assert_described(object: &Value) {
    let all = SCHEMA["anyOf"].as_array().expect("reports.schema.json");
    let faults: Vec<String> = all.iter().filter_map(|schema| fault(object, schema, "$").err()).collect();
    // Report the schema that matches deepest before it fails.
    let nearest = faults
        .iter()
        .max_by_key(|fault| fault.split(": ").next().map_or(0, |place| place.matches('.').count()));
    assert!(faults.len() < all.len(), "{}\n{object}", nearest.map_or("", String::as_str));
}

/// Validates a value against a schema. The error says where it fails and why.
fn fault(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    for (word, of) in schema.as_object().unwrap() {
        match word.as_str() {
            "description" | "required" => {}
            "$ref" => {
                let name = of.as_str().unwrap().strip_prefix("#").unwrap();
                fault(value, SCHEMA.pointer(name).unwrap_or_else(|| panic!("no {name}")), at)?;
            }
            "const" if value == of => {}
            "const" => return Err(format!("{at}: {value} is not {of}")),
            "enum" if of.as_array().unwrap().contains(value) => {}
            "enum" => return Err(format!("{at}: {value} is none of {of}")),
            "type" if is_a(value, of.as_str().unwrap()) => {}
            "type" => return Err(format!("{at}: {value} is no {of}")),
            "anyOf" | "oneOf" => {
                let tried: Vec<Result<(), String>> =
                    of.as_array().unwrap().iter().map(|schema| fault(value, schema, at)).collect();
                match (word.as_str(), tried.iter().filter(|tried| tried.is_ok()).count()) {
                    (_, 1) | ("anyOf", 1..) => {}
                    (_, count) => return Err(format!("{at}: fits {count}: {tried:?}")),
                }
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    fault(item, of, &format!("{at}.{number}"))?;
                }
            }
            "properties" => is_whole(value, of, &schema["required"], at)?,
            "additionalProperties" => {
                for (name, item) in value.as_object().into_iter().flatten() {
                    fault(item, of, &format!("{at}.{name}"))?;
                }
            }
            other => panic!("the schema says {other}, and nobody here knows what that is"),
        }
    }
    Ok(())
}

fn is_whole(value: &Value, properties: &Value, required: &Value, at: &str) -> Result<(), String> {
    for name in required.as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        if value.get(name).is_none() {
            return Err(format!("{at}: has no {name}"));
        }
    }
    for (name, item) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(schema) => fault(item, schema, &format!("{at}.{name}"))?,
            None => return Err(format!("{at}: nobody has described {name}")),
        }
    }
    Ok(())
}

fn is_a(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn undescribed_output_is_a_fault() {
        let head = json!({"schema_version": 1, "command": "x", "job": null, "run": null, "outcome": "failed", "exit_code": 1});
        assert_described(&head);
        for (name, value) in
            [("exit_code", json!("1")), ("more", json!(1)), ("error", json!(7)), ("run", json!(1.5))]
        {
            let mut object = head.clone();
            object[name] = value;
            let is_a_fault =
                SCHEMA["anyOf"].as_array().unwrap().iter().all(|schema| fault(&object, schema, "$").is_err());
            assert!(is_a_fault, "{object}");
        }
        assert!(
            fault(&json!([1, "a"]), &json!({"type": "array", "items": {"type": "integer"}}), "$").is_err()
        );
    }
}
