//! JSON Schemas: arbitrary text is either a schema or gives an error with its place.

use logmill::schema::{Clock, from_json_schema};

pub const SEEDS: &[&[u8]] = &[
    br##"{"type":"object","properties":{"a":{"type":"integer","minimum":0,"multipleOf":2},"b":{"anyOf":[{"type":"string","format":"date-time"},{"type":"null"}],"default":null}},"required":["a"],"additionalProperties":false}"##,
    br##"{"$defs":{"E":{"enum":["x","y"],"type":"string"},"O":{"type":"object","properties":{"e":{"$ref":"#/$defs/E"}}}},"type":"object","properties":{"o":{"$ref":"#/$defs/O"},"l":{"type":"array","items":{"$ref":"#/$defs/E"},"maxItems":3}}}"##,
    br##"{"$ref":"#/$defs/R","$defs":{"R":{"type":"object","properties":{"r":{"allOf":[{"$ref":"#/$defs/R"}]}}}}}"##,
    br##"{"type":"object","properties":{"d":{"anyOf":[{"type":"number"},{"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}]},"c":{"const":"k"},"n":{"type":"number","exclusiveMinimum":1e-3,"maximum":100.5}}}"##,
];

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for strict in [false, true] {
        match from_json_schema(text, strict, Clock::default()) {
            Ok(schema) => assert!(!schema.paths().iter().any(Vec::is_empty)),
            Err(error) => {
                let is_placed =
                    error.faults.iter().all(|fault| fault.path.starts_with('#') && !fault.message.is_empty());
                assert!(is_placed && !error.faults.is_empty(), "{error:?}");
            }
        }
    }
}
