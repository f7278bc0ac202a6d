//! Dead letters in objects: one line for each record that did not become a row, with everything known about it.
//!
//! A load writes letters as open and tried once. A later attempt is recorded in the line of the successor.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::sink::dead_letter::{Evidence, Letter};
use crate::sink::history::{DeadLetter, Filter, Line};
use crate::sink::replay::Tried;
use crate::source::{Hash16, Preamble};

/// The fields that all letters of a source share.
pub(super) struct Envelope<'a> {
    pub(super) job: &'a str,
    pub(super) table: &'a str,
    pub(super) data_date: Option<String>,
    /// The label of the source in names of objects.
    pub(super) label: &'a str,
    /// The name under which it was seen last.
    pub(super) source: &'a str,
    /// The start of the split, from which lines are counted.
    pub(super) split_start: u64,
    pub(super) generation: i32,
}

/// Where the letters of a table are.
pub(super) fn folder(table: &str) -> String {
    format!("dead-letters/{table}/")
}

impl Envelope<'_> {
    /// A letter as a line.
    pub(super) fn line(&self, letter: &Letter<'_>) -> Vec<u8> {
        let Envelope { job, table, data_date, label, source, split_start, generation } = self;
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
        if *split_start > 0 {
            line["split_start"] = (*split_start).into();
        }
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

/// Adds bytes as text, or as base64 if they are not UTF-8.
fn put_bytes(line: &mut Value, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => line[name] = text.into(),
        Err(_) => line[format!("{name}_base64")] = STANDARD.encode(bytes).into(),
    }
}

/// A letter as it lies in an object.
pub(super) struct KeptLetter(Value);

impl KeptLetter {
    /// A letter from its line, if it is one.
    pub(super) fn parse(line: &[u8]) -> Option<KeptLetter> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let is_whole = ["id", "source", "stage", "state"].iter().all(|name| value[*name].is_string())
            && ["line", "offset", "length"].iter().all(|name| value[*name].is_u64());
        is_whole.then_some(KeptLetter(value))
    }

    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = self.0.to_string().into_bytes();
        line.push(b'\n');
        line
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_default()
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let text = self.0[name].as_str().map(|text| text.as_bytes().to_vec());
        text.or_else(|| STANDARD.decode(self.0[format!("{name}_base64")].as_str()?).ok())
    }

    fn moment(&self, name: &str) -> Option<DateTime<Utc>> {
        let moment = DateTime::parse_from_rfc3339(self.0[name].as_str()?).ok()?;
        Some(moment.to_utc())
    }

    /// An id by which a person can name it. It is a hash, because a bucket has no counter.
    pub(super) fn id(&self) -> i64 {
        let hash = blake3::hash(self.text("id").as_bytes());
        let bytes = *hash.as_bytes().first_chunk().expect("32 bytes have a first 8");
        // Short enough to type, and exact as a number in JSON.
        i64::try_from(u64::from_le_bytes(bytes) >> 16).expect("48 bits")
    }

    pub(super) fn source(&self) -> &str {
        self.text("source")
    }

    pub(super) fn offset(&self) -> u64 {
        self.number("offset")
    }

    pub(super) fn length(&self) -> u64 {
        self.number("length")
    }

    pub(super) fn line(&self) -> u64 {
        self.number("line")
    }

    pub(super) fn state(&self) -> &str {
        self.text("state")
    }

    pub(super) fn stage(&self) -> &str {
        self.text("stage")
    }

    pub(super) fn attempts(&self) -> i32 {
        self.0["attempts"].as_i64().and_then(|attempts| i32::try_from(attempts).ok()).unwrap_or(1)
    }

    pub(super) fn raw(&self) -> Option<Vec<u8>> {
        self.bytes("raw")
    }

    pub(super) fn raw_hash(&self) -> Option<Vec<u8>> {
        let hash = blake3::Hash::from_hex(self.0["raw_blake3"].as_str()?).ok()?;
        Some(hash.as_bytes().to_vec())
    }

    /// What is known of the bytes of its record: they themselves, or their hash.
    pub(super) fn evidence(&self) -> Vec<u8> {
        self.raw().or_else(|| self.raw_hash()).unwrap_or_default()
    }

    /// The codes of its reasons, in an order of their own.
    pub(super) fn codes(&self) -> Vec<String> {
        let reasons = self.0["reasons"].as_array().into_iter().flatten();
        let mut codes: Vec<String> =
            reasons.filter_map(|reason| reason["code"].as_str().map(str::to_owned)).collect();
        codes.sort();
        codes
    }

    pub(super) fn note(&self) -> Option<&str> {
        self.0["note"].as_str()
    }

    /// The rules by which it was last tried, where that was after its load.
    pub(super) fn rules(&self) -> Option<Hash16> {
        let hex = self.0["rules"].as_str().filter(|hex| hex.len() == 32)?;
        let byte = |at: usize| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok();
        let mut rules = [0; 16];
        for (at, rule) in rules.iter_mut().enumerate() {
            *rule = byte(at)?;
        }
        Some(Hash16(rules))
    }

    pub(super) fn fixed(&self) -> Option<Vec<u8>> {
        self.bytes("fixed")
    }

    pub(super) fn preamble(&self) -> Preamble {
        Preamble::new(&self.bytes("preamble").unwrap_or_default())
    }

    /// Whether one of its reasons has this code, or is about this field: `name` says which.
    fn has_reason(&self, name: &str, wanted: &str) -> bool {
        let mut reasons = self.0["reasons"].as_array().into_iter().flatten();
        reasons.any(|reason| reason[name].as_str() == Some(wanted))
    }

    /// Whether a filter means it.
    pub(super) fn is_meant(&self, written: DateTime<Utc>, filter: &Filter) -> bool {
        let Filter { job: _, ids, state, code, field, source, since, has_raw: _ } = filter;
        let has = |name: &str, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| self.has_reason(name, wanted))
        };
        (ids.is_empty() || ids.contains(&self.id()))
            && state.as_deref().is_none_or(|state| state == self.state())
            && has("code", code)
            && has("field", field)
            && source.as_deref().is_none_or(|end| self.source().ends_with(end))
            && since.is_none_or(|since| self.last_seen(written) >= since)
    }

    /// When it was last seen; `written` is when its object was.
    pub(super) fn last_seen(&self, written: DateTime<Utc>) -> DateTime<Utc> {
        self.moment("last_seen").unwrap_or(written)
    }

    /// The letter for people, with its record on request. `lines_before` is the number of lines before its split.
    pub(super) fn dead_letter(
        &self,
        written: DateTime<Utc>,
        lines_before: Option<u64>,
        has_raw: bool,
    ) -> DeadLetter {
        DeadLetter {
            id: self.id(),
            source: self.source().to_owned(),
            offset: self.offset(),
            line: Line::of(self.line(), self.number("split_start"), lines_before),
            length: self.length(),
            raw: self.raw().filter(|_| has_raw),
            raw_hash: self.raw_hash(),
            fixed: self.fixed().filter(|_| has_raw),
            stage: self.stage().to_owned(),
            reasons: self.0["reasons"].clone(),
            state: self.state().to_owned(),
            attempts: self.attempts(),
            first_seen: self.moment("first_seen").unwrap_or(written),
            last_seen: self.last_seen(written),
            note: self.0["note"].as_str().map(str::to_owned),
        }
    }
}

/// What becomes of a letter. `written` is when the object was in which it lies.
impl KeptLetter {
    /// Its record is a row, by these rules and in the objects of this replay.
    pub(super) fn become_row(&mut self, tried: &Tried, rules: Hash16, replay: u32) {
        self.keep(tried);
        self.0["state"] = "replayed".into();
        self.0["replay"] = replay.into();
        self.0["rules"] = hex(rules).into();
    }

    /// Its record was refused once more.
    pub(super) fn be_refused(
        &mut self,
        tried: &Tried,
        letter: &Letter<'_>,
        rules: Hash16,
        (written, now): (DateTime<Utc>, DateTime<Utc>),
    ) {
        self.keep(tried);
        self.0["stage"] = letter.stage.as_str().into();
        self.0["reasons"] = serde_json::from_str(&letter.reasons).unwrap_or_default();
        self.0["attempts"] = (self.attempts() + 1).into();
        self.0["rules"] = hex(rules).into();
        let first = self.moment("first_seen").unwrap_or(written);
        self.0["first_seen"] = stored(first).into();
        self.0["last_seen"] = stored(now).into();
    }

    /// It keeps what a person has mended of the one that it was before. Whether that is anything.
    pub(super) fn keep_mended(&mut self, before: &KeptLetter) -> bool {
        let fixed = before.fixed();
        fixed.iter().for_each(|fixed| put_bytes(&mut self.0, "fixed", fixed));
        fixed.is_some()
    }

    /// A person has discarded it.
    pub(super) fn be_discarded(&mut self, note: Option<&str>) {
        self.0["state"] = "discarded".into();
        if let Some(note) = note {
            let before = self.0["note"].as_str().map(|before| format!("{before}; ")).unwrap_or_default();
            self.0["note"] = format!("{before}{note}").into();
        }
    }

    /// Keeps the bytes that a person has mended, where they change.
    fn keep(&mut self, tried: &Tried) {
        let Some(fixed) = &tried.fixed else { return };
        if let Some(object) = self.0.as_object_mut() {
            object.remove("fixed");
            object.remove("fixed_base64");
        }
        if let Some(fixed) = fixed {
            put_bytes(&mut self.0, "fixed", fixed);
        }
    }
}

fn hex(rules: Hash16) -> String {
    rules.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn stored(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}
