//! The records that did not become rows.

use serde::Serialize;

use super::{Head, Report, text};
use crate::sink::history::DeadLetter;

/// Some dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct Letters {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The letters, in the order of their ids.
    pub dead_letters: Vec<DeadLetter>,
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
    pub letter: DeadLetter,
    /// The record, unless it was too long to be kept. What is no UTF-8 in it is replaced; `--raw`
    /// gives the bytes.
    #[serde(serialize_with = "lossy")]
    pub raw: Option<Vec<u8>>,
}

impl ShownLetter {
    /// Why its record cannot be shown, where it was too long to be kept.
    pub fn not_kept(&self) -> String {
        text::not_kept(&self.letter)
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
