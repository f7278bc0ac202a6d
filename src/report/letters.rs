//! The records that did not become rows.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::{Head, Report, moment, text};
use crate::sink::history::DeadLetter;

/// Some dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct Letters {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The letters, in the order of their ids.
    pub dead_letters: Vec<Letter>,
    /// How many more there are.
    pub more: u64,
}

/// One dead letter, with its record.
#[derive(Clone, Debug, Serialize)]
pub struct ShownLetter {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The letter.
    #[serde(flatten)]
    pub letter: Letter,
    /// The record, unless it was too long to be kept. What is no UTF-8 in it is replaced; `--raw`
    /// gives the bytes.
    #[serde(serialize_with = "lossy")]
    pub raw: Option<Vec<u8>>,
}

/// A dead letter.
#[derive(Clone, Debug, Serialize)]
pub struct Letter {
    /// Its id.
    pub id: i64,
    /// The name of its source.
    pub source: String,
    /// The number of its first line, counted from one.
    pub line: u64,
    /// The offset of its record.
    pub offset: u64,
    /// Bytes of its record.
    pub length: u64,
    /// The step that refused it: `decode`, `parse`, `schema`, `server`.
    pub stage: String,
    /// The reasons: a list of `{code, field, message, input}`.
    pub reasons: Value,
    /// `open`, `replayed`, `discarded` or `superseded`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was first seen.
    #[serde(serialize_with = "moment")]
    pub first_seen: DateTime<Utc>,
    /// When it was last seen.
    #[serde(serialize_with = "moment")]
    pub last_seen: DateTime<Utc>,
    /// What a person wrote about it.
    pub note: Option<String>,
}

impl From<DeadLetter> for Letter {
    fn from(letter: DeadLetter) -> Letter {
        Letter {
            id: letter.id,
            source: letter.source,
            line: letter.line,
            offset: letter.offset,
            length: letter.length,
            stage: letter.stage,
            reasons: letter.reasons,
            state: letter.state,
            attempts: letter.attempts,
            first_seen: letter.first_seen,
            last_seen: letter.last_seen,
            note: letter.note,
        }
    }
}

impl Letter {
    /// Why its record cannot be shown, where it was too long to be kept.
    pub fn not_kept(&self) -> String {
        text::not_kept(self)
    }
}

impl Report for Letters {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::letters(self)
    }
}

impl Report for ShownLetter {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::letter(self)
    }
}

fn lossy<S: serde::Serializer>(raw: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match raw {
        Some(raw) => serializer.serialize_str(&String::from_utf8_lossy(raw)),
        None => serializer.serialize_none(),
    }
}
