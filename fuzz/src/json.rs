//! Records: for arbitrary bytes, the reader of flat records, the one on simd-json and serde_json agree on
//! whether they are an object, and on its values.

use bumpalo::Bump;
use logmill::format::{Extras, Format, Input, Item, Json, JsonScratch, Raw, Record};
use serde_json::Value;

pub const SEEDS: &[&[u8]] = &[
    br#"{"a":1,"b":"text","c":null}"#,
    br#"{"a":-0.5,"b":true,"c":[1,2.5e-3,{"a":"\u00e4\ud83d\ude00\n"}]}"#,
    br#"{"b":{"c":"deep"},"a":12345678901234567890,"":"","a":-9223372036854775809}"#,
    br#" { "a" : 1e308 , "b" : "\"\\\/\b\f\t" , "c" : [ ] , "d" : { } } "#,
    "{\"ä\":\"grün\",\"a\":123456789012345678,\"b\":0.1}".as_bytes(),
];

pub fn run(data: &[u8]) {
    let json = Json::new(&[vec!["a"], vec!["b"], vec!["b", "c"], vec!["c", "1"]], Extras::Gathered);
    // A reader that has met only flat records tries to read the next in one pass; a reader that has met
    // others does not.
    let flat = read(&json, &[], data);
    let taped = read(&json, &[&br#"{"a":"\n"}"#[..]; 2], data);
    assert_eq!(flat, taped, "read in one pass, and by the tape");
    match (serde_json::from_slice::<Value>(data), flat) {
        (Ok(Value::Object(theirs)), Ok(_)) => {
            let ours = with(&json, &[], data, |record| value_of(record.root()));
            assert!(same(&Value::Object(theirs), &ours.expect("it was read")), "read by serde_json");
        }
        (Ok(Value::Object(_)), Err(code)) => panic!("{code}, where serde_json reads an object"),
        (Ok(_), Ok(_)) => panic!("an object, where serde_json reads something else"),
        (Err(error), Ok(_)) => {
            // Input that Pydantic accepts and serde_json does not.
            let message = error.to_string();
            let is_known = message.starts_with("number out of range")
                || message.starts_with("recursion limit")
                || [&b"NaN"[..], b"Infinity"]
                    .iter()
                    .any(|word| data.windows(word.len()).any(|at| at == *word));
            assert!(is_known, "an object, where serde_json says: {message}");
        }
        (_, Err(_)) => {}
    }
}

/// Everything that the schema sees of `data`, from a reader that has already read `before`.
fn read(json: &Json, before: &[&[u8]], data: &[u8]) -> Result<String, String> {
    with(json, before, data, |record| {
        let arena = Bump::new();
        let shown = |item: Item<'_>| format!("{} {:?}", value_of(item), item.json(&arena));
        let slots: Vec<_> = (0..4).map(|slot| record.get(slot).map(shown)).collect();
        let extras: Vec<_> = record.extras().map(|(key, item)| (key.to_owned(), shown(item))).collect();
        format!("{slots:?} {extras:?} {}", shown(record.root()))
    })
}

fn with<T>(
    json: &Json,
    before: &[&[u8]],
    data: &[u8],
    look: impl FnOnce(&Record<'_>) -> T,
) -> Result<T, String> {
    let (mut scratch, mut spare) = (JsonScratch::default(), Record::default());
    for line in before {
        let arena = Bump::new();
        let mut record = spare.reset();
        json.parse(Input::new(line, &arena), &mut scratch, &mut record).expect("an object");
        spare = record.reset();
    }
    let arena = Bump::new();
    let mut record = spare.reset();
    json.parse(Input::new(data, &arena), &mut scratch, &mut record)
        .map_err(|malformed| malformed.code.to_string())?;
    Ok(look(&record))
}

/// A value as serde_json represents it; a number that it cannot represent becomes text.
fn value_of(item: Item<'_>) -> Value {
    match item.raw() {
        Raw::Null => Value::Null,
        Raw::Bool(value) => value.into(),
        Raw::Int(number) => number.into(),
        Raw::UInt(number) => number.into(),
        Raw::BigInt(digits) => digits.parse::<f64>().map_or(Value::Null, Value::from),
        Raw::Float(number) if !number.is_finite() => format!("{number}").into(),
        Raw::Float(number) => number.into(),
        Raw::Text(text) => text.into(),
        Raw::List { .. } => item.items().map(value_of).collect(),
        Raw::Object { .. } => {
            Value::Object(item.members().map(|(key, item)| (key.to_owned(), value_of(item))).collect())
        }
    }
}

/// Numbers are the same if their doubles are. serde_json reads `-0` as a double, and we read it as an
/// integer.
fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Number(one), Value::Number(two)) => one == two || one.as_f64() == two.as_f64(),
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Object(one), Value::Object(two)) => {
            one.len() == two.len()
                && one.iter().all(|(key, value)| two.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == two,
    }
}
