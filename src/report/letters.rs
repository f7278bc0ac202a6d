//! The records that did not become rows.

use serde::Serialize;
use serde_json::json;

use super::{Head, Report, text};
use crate::printable::printable_json;
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
    /// How many were taken out as pieces.
    #[serde(skip)]
    taken: u64,
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

impl Letters {
    /// A report on no letters so far.
    pub fn new(head: Head) -> Letters {
        Letters { head, dead_letters: Vec::new(), more: 0, taken: 0 }
    }

    /// Takes the letters at hand out, as they stand in the report of all.
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

    /// What stands behind the last piece.
    pub fn end(&self, is_json: bool) -> String {
        match (is_json, self.taken) {
            (true, _) => self.frame().1,
            (false, 0) => text::letters(self),
            (false, _) => String::new(),
        }
    }

    /// The report as JSON, before and behind its letters.
    fn frame(&self) -> (String, String) {
        const LETTERS: &str = "\"dead_letters\":[";
        let empty = self.json();
        let at = empty.find(LETTERS).map_or(empty.len(), |at| at + LETTERS.len());
        (empty[..at].to_owned(), empty[at..].to_owned())
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
