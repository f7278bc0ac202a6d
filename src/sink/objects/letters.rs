//! Dead letters beside the objects: one line each, with all that is known of a record that became no row.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::sink::dead_letter::{Evidence, Letter};

/// What is the same in all letters of a source.
pub(super) struct Envelope<'a> {
    pub(super) job: &'a str,
    pub(super) table: &'a str,
    pub(super) data_date: Option<String>,
    /// What the source is called in names of objects.
    pub(super) label: &'a str,
    /// The name under which it was seen last.
    pub(super) source: &'a str,
    pub(super) generation: i32,
}

/// Where the letters of a table are.
pub(super) fn folder(table: &str) -> String {
    format!("dead-letters/{table}/")
}

impl Envelope<'_> {
    /// A letter as a line.
    pub(super) fn line(&self, letter: &Letter<'_>) -> Vec<u8> {
        let Envelope { job, table, data_date, label, source, generation } = self;
        let reasons: Value = serde_json::from_str(&letter.reasons).unwrap_or_default();
        let mut line = json!({
            "id": format!("{}/{label}/{}/{generation}", super::layout::encoded(job), letter.span.start),
            "job": job,
            "table": table,
            "data_date": data_date,
            "source": source,
            "line": letter.line,
            "offset": letter.span.start,
            "length": letter.span.len(),
        });
        match &letter.record {
            Evidence::Raw(raw) => put_bytes(&mut line, "raw", raw),
            Evidence::Hash(hash) => {
                line["raw"] = Value::Null;
                line["raw_blake3"] = blake3::Hash::from_bytes(*hash).to_hex().as_str().into();
            }
        }
        if let Some(preamble) = letter.preamble {
            put_bytes(&mut line, "preamble", preamble);
        }
        line["reasons"] = reasons;
        line["stage"] = letter.stage.as_str().into();
        line["state"] = "open".into();
        let mut line = line.to_string().into_bytes();
        line.push(b'\n');
        line
    }
}

/// Puts bytes in as text, or as base64 where they are none.
fn put_bytes(line: &mut Value, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => line[name] = text.into(),
        Err(_) => line[format!("{name}_base64")] = STANDARD.encode(bytes).into(),
    }
}
