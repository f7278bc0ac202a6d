//! One key of the records: every value that it had, summed up, and the field that these make.

use bumpalo::Bump;

use super::text::Texts;
use super::{Inferred, Spot, widen};
use crate::figure::count;
use crate::format::{Item, Raw, is_same};
use crate::schema::{Bounds, Decimal, Field, Float, Json, Kind, Text, Timestamp};

/// What was seen of one key.
#[derive(Debug)]
pub(super) struct Key {
    name: Box<str>,
    /// Where it was met first: the record, and its place among the members.
    first: (Spot, usize),
    /// The record in which it was met last, so that a key that a record has twice counts once.
    last: Option<Spot>,
    /// Records that have it.
    count: u64,
    nulls: u64,
    bools: u64,
    ints: u64,
    floats: u64,
    lists: u64,
    objects: u64,
    texts: Texts,
    /// The least and the greatest integer of 64 bits.
    int_range: Option<(i64, i64)>,
    float_range: Option<(f64, f64)>,
    /// Integers that 64 bits do not hold.
    big_ints: u64,
    /// Integers that no double holds.
    inexact_ints: u64,
}

/// Up to here every integer is a double too.
const EXACT_MAX: u64 = 1 << 53;

impl Key {
    pub(super) fn new(name: &str, spot: Spot, number: usize) -> Key {
        Key {
            name: name.into(),
            first: (spot, number),
            last: None,
            count: 0,
            nulls: 0,
            bools: 0,
            ints: 0,
            floats: 0,
            lists: 0,
            objects: 0,
            texts: Texts::default(),
            int_range: None,
            float_range: None,
            big_ints: 0,
            inexact_ints: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    #[inline]
    pub(super) fn is_called(&self, name: &str) -> bool {
        is_same(self.name.as_bytes(), name.as_bytes())
    }

    pub(super) fn first(&self) -> (Spot, usize) {
        self.first
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn see(&mut self, spot: Spot, value: Item<'_>, arena: &Bump) {
        if self.last != Some(spot) {
            self.last = Some(spot);
            self.count += 1;
        }
        match value.raw() {
            Raw::Null => self.nulls += 1,
            Raw::Bool(_) => self.bools += 1,
            Raw::Int(number) => {
                self.ints += 1;
                self.inexact_ints += u64::from(number.unsigned_abs() > EXACT_MAX);
                self.int_range = widen(self.int_range, (number, number));
            }
            Raw::UInt(_) | Raw::BigInt(_) => {
                self.ints += 1;
                self.big_ints += 1;
                self.inexact_ints += 1;
            }
            Raw::Float(number) => {
                self.floats += 1;
                if number.is_finite() {
                    self.float_range = widen(self.float_range, (number, number));
                }
            }
            Raw::Text(text) => self.texts.see(text, value, arena),
            Raw::List { .. } => self.lists += 1,
            Raw::Object { .. } => self.objects += 1,
        }
    }

    pub(super) fn merge(&mut self, other: Key) {
        self.first = self.first.min(other.first);
        self.count += other.count;
        self.nulls += other.nulls;
        self.bools += other.bools;
        self.ints += other.ints;
        self.floats += other.floats;
        self.lists += other.lists;
        self.objects += other.objects;
        self.texts.merge(other.texts);
        self.int_range = other.int_range.map_or(self.int_range, |range| widen(self.int_range, range));
        self.float_range = other.float_range.map_or(self.float_range, |range| widen(self.float_range, range));
        self.big_ints += other.big_ints;
        self.inexact_ints += other.inexact_ints;
    }

    /// The field for a column called `name`, inferred from `records` records.
    pub(super) fn propose(&self, name: String, records: u64) -> Inferred {
        let (kind, what) = self.kind();
        let is_only_null = self.nulls > 0 && what.is_empty() && matches!(kind, Kind::Json(_));
        let mut notes = vec![what];
        if self.count < records {
            notes.push(format!("absent in {} of {} records", count(records - self.count), count(records)));
        }
        if is_only_null {
            notes.push("never anything but null".to_owned());
        } else if self.nulls > 0 {
            notes.push(format!("null in {}", count(self.nulls)));
        }
        notes.retain(|note| !note.is_empty());
        let field = Field {
            from: vec![self.name.to_string()],
            required: self.count == records,
            nullable: self.count < records || self.nulls > 0,
            strict: true,
            ..Field::new(name, kind)
        };
        Inferred { field, note: notes.join("; ") }
    }

    /// The type that takes every value that was seen, and a remark on it.
    fn kind(&self) -> (Kind, String) {
        let texts = self.texts.count();
        let numbers = self.ints + self.floats;
        let met = [
            (texts, "texts"),
            (numbers, "numbers"),
            (self.bools, "truth values"),
            (self.lists, "lists"),
            (self.objects, "objects"),
        ];
        let mut met: Vec<(u64, &str)> = met.into_iter().filter(|(count, _)| *count > 0).collect();
        // A person who sees that three of a million are texts may rather have those as dead letters.
        met.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let json = Kind::Json(Json::default());
        match met.as_slice() {
            [] => (json, String::new()),
            [(_, "texts")] => self.text_kind(),
            [(_, "numbers")] => self.number_kind(),
            [(_, "truth values")] => (Kind::Bool, String::new()),
            [(_, only)] => (json, (*only).to_owned()),
            met => {
                let met: Vec<String> =
                    met.iter().map(|(number, what)| format!("{what} in {}", count(*number))).collect();
                (json, met.join(", "))
            }
        }
    }

    fn text_kind(&self) -> (Kind, String) {
        // What is a version number in one file is one in the next, also if all of it looks
        // like an address.
        let is_version = ["version", "release", "build"].iter().any(|word| {
            let name = self.name.to_ascii_lowercase();
            name.contains(word)
        });
        match self.texts.form() {
            Some(super::text::Form::Timestamp) => {
                (Kind::Timestamp(Timestamp::default()), self.texts.stamp_note())
            }
            Some(super::text::Form::Date) => (Kind::Date, self.texts.date_note()),
            Some(super::text::Form::Uuid) => (Kind::Uuid, String::new()),
            Some(super::text::Form::Ip) if !is_version => (Kind::Ip { version: None }, String::new()),
            _ => (Kind::Text(Text::default()), self.texts.note()),
        }
    }

    fn number_kind(&self) -> (Kind, String) {
        let range = |low: String, high: String| match low == high {
            true => format!("always {low}"),
            false => format!("{low} to {high}"),
        };
        if self.floats == 0 {
            return match self.int_range {
                Some((low, high)) if self.big_ints == 0 => {
                    (Kind::Int(Bounds::default()), range(low.to_string(), high.to_string()))
                }
                _ => (Kind::Decimal(Decimal::default()), "integers beyond 64 bits".to_owned()),
            };
        }
        if self.inexact_ints > 0 {
            let note = "fractions, and integers that a float does not hold exactly";
            return (Kind::Decimal(Decimal::default()), note.to_owned());
        }
        let ints = self.int_range.map(|(low, high)| (low as f64, high as f64));
        let all = match (self.float_range, ints) {
            (Some(floats), Some(ints)) => widen(Some(floats), ints),
            (floats, ints) => floats.or(ints),
        };
        let note = all.map_or_else(String::new, |(low, high)| range(low.to_string(), high.to_string()));
        (Kind::Float(Float::default()), note)
    }
}
