//! The texts of one key: whether all of them are of one well-known form.
//!
//! A form has two judges. The shape is cheap, and narrower than what a field of that type
//! takes: `"1698364800"` is a point in time to a timestamp, but nobody wrote it as one. The
//! field itself has the last word, so what is proposed takes what was seen.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bumpalo::Bump;
use chrono::{DateTime, NaiveDate};

use super::widen;
use crate::figure::count;
use crate::format::Item;
use crate::schema::{Field, Kind, Timestamp, Value};

/// A form that texts can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A day and a time, as ISO 8601 and RFC 3339 write them.
    Timestamp,
    /// `YYYY-MM-DD`.
    Date,
    /// A UUID with its hyphens. 32 digits without are a hash as often.
    Uuid,
    /// An address of either version.
    Ip,
}

/// The forms, in the order of the flags.
const FORMS: [Form; 4] = [Form::Timestamp, Form::Date, Form::Uuid, Form::Ip];

static FIELDS: LazyLock<[Field; 4]> = LazyLock::new(|| {
    FORMS.map(|form| {
        let kind = match form {
            Form::Timestamp => Kind::Timestamp(Timestamp::default()),
            Form::Date => Kind::Date,
            Form::Uuid => Kind::Uuid,
            Form::Ip => Kind::Ip { version: None },
        };
        Field { strict: true, ..Field::new("", kind) }
    })
});

/// So few different texts are named in a note.
const DISTINCT_MAX: usize = 5;

/// A longer text is not named.
const NAMED_CHARS_MAX: usize = 20;

/// What was seen of the texts of one key.
#[derive(Debug)]
pub(super) struct Texts {
    count: u64,
    /// Whether all of them are of this form, in the order of [`FORMS`].
    is_all: [bool; 4],
    /// Microseconds since 1970.
    stamps: Option<(i64, i64)>,
    /// Days since 1970.
    days: Option<(i32, i32)>,
    /// Stamps that name no zone.
    zoneless: u64,
    /// Stamps with more than six digits of a second.
    cut: u64,
    chars_max: usize,
    /// The different texts, while they are few and short.
    distinct: Option<BTreeSet<Box<str>>>,
}

impl Default for Texts {
    fn default() -> Texts {
        Texts {
            count: 0,
            is_all: [true; 4],
            stamps: None,
            days: None,
            zoneless: 0,
            cut: 0,
            chars_max: 0,
            distinct: Some(BTreeSet::new()),
        }
    }
}

impl Texts {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn see(&mut self, text: &str, value: Item<'_>, arena: &Bump) {
        self.count += 1;
        // Bytes first: counting characters is only worth it where there may be more of them.
        if text.len() > self.chars_max {
            self.chars_max = self.chars_max.max(text.chars().count());
        }
        if let Some(distinct) = &mut self.distinct
            && !distinct.contains(text)
        {
            distinct.insert(text.into());
            if distinct.len() > DISTINCT_MAX || text.chars().nth(NAMED_CHARS_MAX).is_some() {
                self.distinct = None;
            }
        }
        if self.is_all == [false; 4] {
            return;
        }
        for (index, form) in FORMS.into_iter().enumerate() {
            if self.is_all[index] {
                let value = if form.has_shape(text) { FIELDS[index].value_of(value, arena) } else { None };
                self.is_all[index] = value.is_some();
                match value {
                    Some(Value::Timestamp(micros)) => {
                        self.stamps = widen(self.stamps, (micros, micros));
                        let (zoneless, cut) = facts(text);
                        self.zoneless += u64::from(zoneless);
                        self.cut += u64::from(cut);
                    }
                    Some(Value::Date(days)) => self.days = widen(self.days, (days, days)),
                    _ => {}
                }
            }
        }
    }

    pub(super) fn merge(&mut self, other: Texts) {
        self.count += other.count;
        for (is_all, others) in self.is_all.iter_mut().zip(other.is_all) {
            *is_all &= others;
        }
        self.stamps = other.stamps.map_or(self.stamps, |range| widen(self.stamps, range));
        self.days = other.days.map_or(self.days, |range| widen(self.days, range));
        self.zoneless += other.zoneless;
        self.cut += other.cut;
        self.chars_max = self.chars_max.max(other.chars_max);
        self.distinct = match (self.distinct.take(), other.distinct) {
            (Some(mut one), Some(other)) => {
                one.extend(other);
                (one.len() <= DISTINCT_MAX).then_some(one)
            }
            _ => None,
        };
    }

    /// The form that all of them have.
    pub(super) fn form(&self) -> Option<Form> {
        let found = FORMS.into_iter().zip(self.is_all).find(|(_, is_all)| *is_all);
        found.filter(|_| self.count > 0).map(|(form, _)| form)
    }

    /// What there is to say about texts of no form.
    pub(super) fn note(&self) -> String {
        match &self.distinct {
            // Said of many texts, this is a remark; of few, it is the data itself.
            Some(distinct) if self.count >= 20 * distinct.len() as u64 => {
                let named: Vec<String> = distinct.iter().map(|text| format!("{text:?}")).collect();
                format!("only {}", named.join(", "))
            }
            _ if self.chars_max == 0 => "always empty".to_owned(),
            _ => format!("up to {} characters", count(self.chars_max as u64)),
        }
    }

    /// What there is to say about points in time.
    pub(super) fn stamp_note(&self) -> String {
        let day = |micros: i64| DateTime::from_timestamp_micros(micros).map(|stamp| stamp.date_naive());
        let mut note = match self.stamps.map(|(first, last)| (day(first), day(last))) {
            Some((Some(first), Some(last))) => range(first, last),
            _ => String::new(),
        };
        if self.zoneless == self.count {
            note.push_str("; no zone is given, read as UTC (timezone under [source] changes that)");
        } else if self.zoneless > 0 {
            note.push_str(&format!(
                "; {} of {} name no zone, read as UTC (timezone under [source] changes that)",
                count(self.zoneless),
                count(self.count)
            ));
        }
        if self.cut > 0 {
            note.push_str("; cut to microseconds");
        }
        note
    }

    /// What there is to say about days.
    pub(super) fn date_note(&self) -> String {
        let day = NaiveDate::from_epoch_days;
        match self.days.map(|(first, last)| (day(first), day(last))) {
            Some((Some(first), Some(last))) => range(first, last),
            _ => String::new(),
        }
    }
}

fn range(first: NaiveDate, last: NaiveDate) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

impl Form {
    /// Whether a text looks like one. Whether it is one, its field decides.
    fn has_shape(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let is_day = |bytes: &[u8]| {
            bytes.len() >= 10
                && bytes[4] == b'-'
                && bytes[7] == b'-'
                && [0, 1, 2, 3, 5, 6, 8, 9].iter().all(|&index| bytes[index].is_ascii_digit())
        };
        match self {
            Form::Timestamp => {
                bytes.len() >= 16 && is_day(bytes) && matches!(bytes[10], b'T' | b't' | b' ' | b'_')
            }
            Form::Date => bytes.len() == 10 && is_day(bytes),
            Form::Uuid => bytes.len() == 36 && [8, 13, 18, 23].iter().all(|&index| bytes[index] == b'-'),
            Form::Ip => {
                (2..=45).contains(&bytes.len()) && bytes.iter().any(|byte| matches!(byte, b'.' | b':'))
            }
        }
    }
}

/// Whether a stamp names no zone, and whether it has more than six digits of a second.
fn facts(stamp: &str) -> (bool, bool) {
    let time = stamp.as_bytes().get(11..).unwrap_or_default();
    let zone = time.iter().position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let clock = &time[..zone.unwrap_or(time.len())];
    let fraction = clock.iter().position(|byte| matches!(byte, b'.' | b',')).map(|point| &clock[point + 1..]);
    // Zeros that are cut off are no loss.
    let is_cut = fraction.is_some_and(|digits| digits.iter().skip(6).any(|&digit| digit != b'0'));
    (zone.is_none(), is_cut)
}
