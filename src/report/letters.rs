//! Dead letters: records that did not become rows.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::rollup::LoadRollups;
use super::{Head, Report, text};
use crate::printable::{bytes, printable_json};
use crate::sink::history::{DeadLetter, FirstLetter};

/// Some dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct Letters {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The letters, in the order of their ids.
    pub dead_letters: Vec<DeadLetter>,
    /// The number of further letters.
    pub more: u64,
    /// The reasons of all of them, including those not shown, the most frequent first.
    pub reasons: Vec<LetterCount>,
    #[serde(skip)]
    kinds: BTreeMap<(String, String), LetterCount>,
    /// The number of letters that were already written out in pieces.
    #[serde(skip)]
    taken: u64,
}

/// The number of dead letters with a reason, and the first of them.
#[derive(Clone, Debug, Serialize)]
pub struct LetterCount {
    /// The code.
    pub code: String,
    /// The field; empty for the record as a whole.
    pub field: String,
    /// The number of dead letters with this reason.
    pub count: u64,
    /// The message of the first of them.
    pub message: String,
    /// The offending value of the first of them.
    pub input: Option<String>,
    /// The first of them.
    pub first: FirstLetter,
}

/// The place of a reason within a record.
#[derive(Clone, Debug, Serialize)]
pub struct ReasonPlace {
    /// The index of the reason, from zero.
    pub reason: usize,
    /// The offset in the record.
    pub offset: usize,
    /// The number of bytes.
    pub length: usize,
}

/// Names of fields can be data, so only this many kinds of reasons are distinguished.
const KINDS_MAX: usize = 1_000;

/// Stands for the kinds beyond that limit.
const MORE_KINDS: &str = "more_reasons";

/// One dead letter, with its record.
#[derive(Clone, Debug, Serialize)]
pub struct ShownLetter {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The record, unless it was too long to be kept. Invalid UTF-8 in it is replaced.
    #[serde(flatten, serialize_with = "raw")]
    pub raw: Option<Vec<u8>>,
    /// The record as a person has mended it, if so; the reasons refer to this version.
    #[serde(flatten, serialize_with = "fixed")]
    pub fixed: Option<Vec<u8>>,
    /// The places of the reasons in the record, or in its mended version, as far as known.
    pub places: Vec<ReasonPlace>,
}

/// The result of a discard.
#[derive(Clone, Debug, Serialize)]
pub struct Discard {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The number of dead letters that were open and are now discarded.
    pub discarded: u64,
    /// The number of letters of the job that are still open.
    pub open_dead_letters: u64,
}

/// The result of an export.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The file, or `stdout`.
    pub file: String,
    /// The number of dead letters in it.
    pub exported: u64,
    /// The number of records that were too long to be kept: their letters are in the file without them, or
    /// with `--raw` not at all.
    pub not_kept: u64,
}

/// The result of a replay.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// Whether nothing was written: then the counts are a forecast, without refusals by the server.
    pub dry_run: bool,
    /// The results of the letters.
    pub counts: ReplayCounts,
    /// The first of those that could not be tried.
    pub not_replayable: Vec<Unplayed>,
    /// The number of open letters of the job; null if the command failed before it could look them up.
    pub open_dead_letters: Option<u64>,
    /// The results of the metrics of dates, if the job has any.
    pub rollups: LoadRollups,
    /// How long it took.
    pub seconds: f64,
    /// The error that ended it, if any.
    pub error: Option<String>,
    /// The kind of the error.
    pub error_kind: Option<&'static str>,
}

/// The results of replayed letters.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReplayCounts {
    /// Their records are rows now.
    pub replayed: u64,
    /// They were rejected again, and stay open.
    pub again_bad: u64,
    /// They could not be tried, and are unchanged.
    pub not_replayable: u64,
}

/// A dead letter that could not be tried.
#[derive(Clone, Debug, Serialize)]
pub struct Unplayed {
    /// Its id.
    pub id: i64,
    /// The reason.
    pub why: String,
}

impl Report for Export {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::export(self)
    }
}

impl Report for Replay {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::replay(self)
    }
}

impl ShownLetter {
    /// A letter that was read with its record.
    pub fn new(head: Head, mut letter: DeadLetter) -> ShownLetter {
        let (raw, fixed) = (letter.raw.take(), letter.fixed.take());
        let mut shown = ShownLetter { head, letter, raw, fixed, places: Vec::new() };
        let mut places = Vec::new();
        for (index, reason) in shown.letter.reasons.as_array().into_iter().flatten().enumerate() {
            if let Some(place) = shown.tried().and_then(|tried| place(reason, tried)) {
                places.push(ReasonPlace { reason: index, offset: place.start, length: place.len() });
            }
        }
        shown.places = places;
        shown
    }

    /// The bytes that were last tried.
    pub(super) fn tried(&self) -> Option<&[u8]> {
        self.fixed.as_deref().or(self.raw.as_deref())
    }

    /// Why its record cannot be shown, if it was too long to be kept.
    pub fn not_kept(&self) -> String {
        text::not_kept(&self.letter)
    }
}

impl Letters {
    /// A report without letters so far.
    pub fn new(head: Head) -> Letters {
        Letters {
            head,
            dead_letters: Vec::new(),
            more: 0,
            reasons: Vec::new(),
            kinds: BTreeMap::new(),
            taken: 0,
        }
    }

    /// Counts a letter for each kind of its reasons.
    pub fn count(&mut self, letter: &DeadLetter) {
        let mut counted: Vec<(String, String)> = Vec::new();
        for reason in letter.reasons.as_array().into_iter().flatten() {
            let text = |name: &str| reason[name].as_str().unwrap_or_default().to_owned();
            let mut kind = (text("code"), text("field"));
            if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
                kind = (MORE_KINDS.to_owned(), String::new());
            }
            if counted.contains(&kind) {
                continue;
            }
            let new = || LetterCount {
                code: kind.0.clone(),
                field: kind.1.clone(),
                count: 0,
                message: text("message"),
                input: reason["input"].as_str().map(str::to_owned),
                first: FirstLetter { id: Some(letter.id), file: letter.source.clone(), line: letter.line },
            };
            self.kinds.entry(kind.clone()).or_insert_with(new).count += 1;
            counted.push(kind);
        }
    }

    /// Sorts what was counted, the most frequent first.
    pub fn rank(&mut self) {
        self.reasons = std::mem::take(&mut self.kinds).into_values().collect();
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.count));
    }

    /// Takes out the current letters, in the form they have within the full report.
    pub fn take_piece(&mut self, is_json: bool) -> String {
        let letters = std::mem::take(&mut self.dead_letters);
        let mut piece = match (is_json, self.taken) {
            (true, 0) => self.frame().0,
            _ => String::new(),
        };
        for letter in letters {
            match is_json {
                true => {
                    piece.push_str(if self.taken > 0 { "," } else { "" });
                    piece.push_str(&printable_json(&json!(letter).to_string()));
                }
                false => text::listed(&letter, &mut piece),
            }
            self.taken += 1;
        }
        piece
    }

    /// Only the reasons, for people.
    pub fn counts(&self) -> String {
        text::letter_counts(self)
    }

    /// What follows the last piece.
    pub fn end(&self, is_json: bool) -> String {
        match (is_json, self.taken) {
            (true, _) => self.frame().1,
            (false, 0) => text::letters(self),
            (false, _) => String::new(),
        }
    }

    /// The JSON of the report, before and after its letters.
    fn frame(&self) -> (String, String) {
        const LETTERS: &str = "\"dead_letters\":[";
        let empty = self.json();
        let at = empty.find(LETTERS).map_or(empty.len(), |at| at + LETTERS.len());
        (empty[..at].to_owned(), empty[at..].to_owned())
    }
}

/// The part of the record that a reason is about, if it is certain enough to point at.
fn place(reason: &Value, raw: &[u8]) -> Option<Range<usize>> {
    let text = |name: &str| reason[name].as_str().unwrap_or_default();
    // A record that could not be parsed has no fields; the message says where its reader stopped.
    if let Some((_, at)) = text("message").rsplit_once(", at byte ").filter(|_| text("field").is_empty()) {
        let at: usize = at.strip_suffix(" of the record")?.parse().ok()?;
        return (at <= raw.len()).then(|| at..(at + 1).min(raw.len()));
    }
    let input = text("input").as_bytes();
    if input.is_empty() {
        return None;
    }
    let found: Vec<usize> = memchr::memmem::find_iter(raw, input).collect();
    let field = text("field").rsplit('.').next().unwrap_or_default().as_bytes();
    let is_named = |at: usize| {
        let before = raw[..at].trim_ascii_end();
        let quote = before.strip_suffix(b"\"").unwrap_or(before).trim_ascii_end();
        let Some(name) = quote.strip_suffix(b":").or_else(|| quote.strip_suffix(b"=")) else { return false };
        let name = name.trim_ascii_end();
        name.strip_suffix(b"\"").unwrap_or(name).ends_with(field)
    };
    let is_word = |at: usize| {
        let joins = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        !joins(at.checked_sub(1).and_then(|at| raw.get(at))) && !joins(raw.get(at + input.len()))
    };
    let named: Vec<usize> = found.iter().copied().filter(|&at| !field.is_empty() && is_named(at)).collect();
    let at = match (&named[..], &found[..]) {
        ([at], _) => *at,
        ([], [at]) if is_word(*at) => *at,
        _ => return None,
    };
    Some(at..at + input.len())
}

impl Report for Letters {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::letters(self)
    }
}

impl Report for Discard {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::discard(self)
    }
}

impl Report for ShownLetter {
    fn head(&self) -> &Head {
        &self.head
    }

    fn is_verbatim(&self) -> bool {
        true
    }

    fn text(&self, width: usize) -> String {
        text::letter(self, width)
    }
}

fn raw<S: Serializer>(raw: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(raw) = raw {
        return bytes("raw", "raw_base64", raw, serializer);
    }
    let mut fields = serializer.serialize_struct("raw", 1)?;
    fields.serialize_field("raw", &None::<&str>)?;
    fields.end()
}

fn fixed<S: Serializer>(fixed: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match fixed {
        Some(fixed) => bytes("fixed", "fixed_base64", fixed, serializer),
        None => serializer.serialize_struct("fixed", 0)?.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::history::Line;

    #[test]
    fn a_place_is_told_where_it_is_certain() {
        let at = |code: &str, field: &str, message: &str, input: Value, raw: &[u8]| {
            place(&json!({"code": code, "field": field, "message": message, "input": input}), raw)
        };
        let raw = br#"{"a": "7x", "b": 7, "c":"7x"}"#;
        assert_eq!(at("int_parsing", "c", "no integer", "7x".into(), raw), Some(25..27));
        assert_eq!(at("int_parsing", "o.c", "no integer", "7x".into(), raw), Some(25..27));
        assert_eq!(at("int_parsing", "z", "no integer", "7x".into(), raw), None);
        assert_eq!(at("missing", "z", "not there", Value::Null, raw), None);
        assert_eq!(at("json_invalid", "", "no key, at byte 3 of the record", Value::Null, raw), Some(3..4));
        assert_eq!(
            at("json_invalid", "", "it ends, at byte 29 of the record", Value::Null, raw),
            Some(29..29)
        );
        assert_eq!(at("json_invalid", "", "no key, at byte 30 of the record", Value::Null, raw), None);
        // Found by its text, which occurs once and not inside another word.
        assert_eq!(at("enum", "level", "none of them", "WARM".into(), b"1 WARM x"), Some(2..6));
        assert_eq!(at("enum", "level", "none of them", "WARM".into(), b"1 WARMER x"), None);
    }

    #[test]
    fn places_are_those_of_the_bytes_that_were_tried() {
        let shown = |fixed: Option<&[u8]>| {
            let letter = DeadLetter {
                raw: Some(b"no".to_vec()),
                fixed: fixed.map(<[u8]>::to_vec),
                reasons: json!([{"code": "int_parsing", "field": "n", "message": "no integer", "input": "y"}]),
                ..letter()
            };
            ShownLetter::new(Head::new("dead-letters show", None, super::super::Exit::Success), letter)
        };
        assert!(shown(None).places.is_empty());
        let mended = shown(Some(b"{\"n\":\"y\"}"));
        assert_eq!((mended.places[0].offset, mended.places[0].length), (6, 1));
        assert_eq!((&json!(mended)["raw"], &json!(mended)["fixed"]), (&json!("no"), &json!("{\"n\":\"y\"}")));
        assert_eq!(json!(shown(None)).get("fixed"), None);
        let text = mended.text(80);
        assert!(text.contains("\n      {\"n\":\"y\"}\n            ^\n"), "{text}");
        assert!(text.ends_with("  record\n    no\n  mended\n    {\"n\":\"y\"}\n"), "{text}");
    }

    fn letter() -> DeadLetter {
        DeadLetter {
            id: 1,
            source: "a".into(),
            offset: 0,
            line: Line::of(1, 0, Some(0)),
            length: 1,
            raw: None,
            raw_hash: None,
            fixed: None,
            stage: "schema".into(),
            reasons: json!([]),
            state: "open".into(),
            attempts: 1,
            first_seen: Default::default(),
            last_seen: Default::default(),
            note: None,
        }
    }

    #[test]
    fn kinds_of_reasons_are_counted_up_to_a_bound() {
        let mut letters = Letters::new(Head::new("dead-letters list", None, super::super::Exit::Success));
        let letter = |id: i64, field: &str| {
            let reason = json!({"code": "extra_forbidden", "field": field, "message": "unknown"});
            DeadLetter { id, reasons: json!([reason, reason]), ..letter() }
        };
        (0..2_000).for_each(|id| letters.count(&letter(id, &format!("f{id}"))));
        letters.count(&letter(2_000, "f7"));
        letters.rank();
        let count = |at: usize| (letters.reasons[at].code.as_str(), letters.reasons[at].count);
        assert_eq!(letters.reasons.len(), KINDS_MAX + 1);
        assert_eq!(
            [count(0), count(1), count(2)],
            [("more_reasons", 1_000), ("extra_forbidden", 2), ("extra_forbidden", 1)]
        );
    }
}
