//! The type of a field, from the observed values.
//!
//! The narrowest type that accepts every value is proposed. If none does, but one accepts nearly all of very
//! many values, the others are dirt: that type is proposed, along with what it costs. Text accepts every text
//! and JSON everything.

use super::stamps::{self, DAY_FIRST, LAYOUTS, MONTH_FIRST, SYSLOG};
use super::traits::Traits;
use super::values::{Met, Values};
use super::widen;
use crate::figure::{count, share, some};
use crate::schema::{Bounds, Decimal, Field, Float, Json, Kind, List, StampFormat, Text, Timestamp};
use chrono::{DateTime, NaiveDate};

/// A type, with remarks.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) kind: Kind,
    /// What was observed, in a few words; may be empty.
    pub(super) note: String,
    /// The values that the type does not accept, if any, and the total.
    pub(super) odd: Option<(Met, u64)>,
    /// Whether timestamps name no zone.
    pub(super) lacks_zone: bool,
    /// A type that a person must decide on, with what that takes.
    pub(super) ask: Option<(Kind, &'static str)>,
}

impl Choice {
    fn new(kind: Kind, note: impl Into<String>) -> Choice {
        Choice { kind, note: note.into(), odd: None, lacks_zone: false, ask: None }
    }
}

/// A candidate type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Bool,
    Int,
    Float,
    Decimal,
    Stamp,
    Layout(usize),
    Date,
    Time,
    Uuid,
    Ip,
    List,
    Text,
}

/// Values are dirt if they are at most one in this many.
const CLEAN_PER_ODD: u64 = 1_000;
/// At least this many values are needed for that.
const CLEAN_MIN: u64 = 1_000;

impl Try {
    fn all() -> impl Iterator<Item = Try> {
        let numbers = [Try::Bool, Try::Int, Try::Float, Try::Decimal, Try::Stamp];
        let layouts = (0..LAYOUTS.len()).map(Try::Layout);
        let others = [Try::Date, Try::Time, Try::Uuid, Try::Ip, Try::List, Try::Text];
        numbers.into_iter().chain(layouts).chain(others)
    }

    fn takes(self, traits: Traits) -> bool {
        match self {
            Try::Bool => traits.has(Traits::BOOL),
            Try::Int => traits.has(Traits::INT),
            Try::Float => {
                traits.has(Traits::FLOAT) || traits.has(Traits::INT) && !traits.has(Traits::INEXACT)
            }
            Try::Decimal => traits.has(Traits::INT.and(Traits::BIG).and(Traits::FLOAT)),
            Try::Stamp => traits.has(Traits::STAMP),
            Try::Layout(number @ SYSLOG) => traits.has(Traits::layout(number).and(Traits::STAMP)),
            Try::Layout(number) => traits.has(Traits::layout(number)),
            Try::Date => traits.has(Traits::DATE),
            Try::Time => traits.has(Traits::TIME),
            Try::Uuid => traits.has(Traits::UUID),
            Try::Ip => traits.has(Traits::IP),
            Try::List => traits.has(Traits::LIST),
            Try::Text => traits.has(Traits::TEXT),
        }
    }
}

/// The type for the values of the key `name`, if the texts in `voids` mean null.
pub(super) fn choose(name: &str, values: &Values, voids: &[&str]) -> Choice {
    let total = values.total(voids);
    if total == 0 {
        return match values.voided(voids) {
            0 => Choice::new(Kind::Json(Json::default()), ""),
            _ => Choice::new(Kind::Text(Text::default()), ""),
        };
    }
    let is_unfit = |tried: Try| tried == Try::Ip && is_version(name) || is_ambiguous(tried, values, voids);
    let fit = |tried: &Try| !is_unfit(*tried);
    let odd = |tried: Try| values.others(|traits| tried.takes(traits), voids);
    let exact = Try::all().filter(fit).find(|&tried| odd(tried).count == 0);
    let nearly = || {
        let few = |tried: &Try| {
            let odd = odd(*tried).count;
            total >= CLEAN_MIN && odd * CLEAN_PER_ODD <= total
        };
        Try::all().filter(fit).filter(few).min_by_key(|&tried| (tried == Try::Text, odd(tried).count))
    };
    match exact {
        Some(Try::Text) | None => match nearly() {
            Some(tried) if exact.is_none() || tried != Try::Text => {
                let mut choice = tried.choice(name, values, voids);
                choice.odd = Some((odd(tried), total));
                choice
            }
            _ if exact.is_some() => Try::Text.choice(name, values, voids),
            _ => Choice::new(Kind::Json(Json::default()), mixture(values, voids)),
        },
        Some(tried) => tried.choice(name, values, voids),
    }
}

/// A version number in one file is a version number in the next, even if all of them look like addresses.
fn is_version(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["version", "release", "build"].iter().any(|word| name.contains(word))
}

/// Whether nothing distinguishes day and month in these timestamps.
fn is_ambiguous(tried: Try, values: &Values, voids: &[&str]) -> bool {
    let count = |number| values.count(Traits::layout(number), voids);
    matches!(tried, Try::Layout(MONTH_FIRST | DAY_FIRST)) && count(MONTH_FIRST) == count(DAY_FIRST)
}

/// Describes values of several kinds.
fn mixture(values: &Values, voids: &[&str]) -> String {
    let kinds = [
        (Traits::TEXT, "texts"),
        (Traits::INT.and(Traits::BIG).and(Traits::FLOAT), "numbers"),
        (Traits::BOOL, "booleans"),
        (Traits::LIST, "lists"),
        (Traits::OBJECT, "objects"),
    ];
    let met = kinds.map(|(traits, what)| (values.count(traits, voids), what));
    let mut met: Vec<_> = met.into_iter().filter(|(number, _)| *number > 0).collect();
    if let [(_, only)] = met.as_slice() {
        return (*only).to_owned();
    }
    // A person who sees that three of a million are texts may prefer those as dead letters.
    met.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let met: Vec<String> = met.iter().map(|(number, what)| format!("{what} in {}", count(*number))).collect();
    met.join(", ")
}

impl Try {
    fn choice(self, name: &str, values: &Values, voids: &[&str]) -> Choice {
        match self {
            Try::Bool => Choice::new(Kind::Bool, ""),
            Try::Int => int(name, values),
            Try::Float => float(name, values),
            Try::Decimal => {
                let what = match values.count(Traits::FLOAT, voids) {
                    0 => "integers beyond 64 bits",
                    _ => "fractions, and integers that a float does not hold exactly",
                };
                Choice::new(Kind::Decimal(Decimal::default()), what)
            }
            Try::Stamp => {
                let zoneless = values.count(Traits::ZONELESS, voids);
                stamp(Timestamp::default(), values.stamps, zoneless, values, values.total(voids))
            }

            Try::Layout(number) => layout(number, values, voids),
            Try::Date => Choice::new(Kind::Date, days(values)),
            Try::Time => Choice::new(Kind::Time, ""),
            Try::Uuid => Choice::new(Kind::Uuid { version: None }, ""),
            Try::Ip => Choice::new(Kind::Ip { version: None }, ""),
            Try::List => list(values),
            Try::Text => text(values, voids),
        }
    }
}

fn int(name: &str, values: &Values) -> Choice {
    let Some((low, high)) = values.int_range else { return Choice::new(Kind::Int(Bounds::default()), "") };
    match epoch(name, low as f64, high as f64) {
        Some(choice) => choice,
        None => Choice::new(Kind::Int(Bounds::default()), range(low.to_string(), high.to_string())),
    }
}

fn float(name: &str, values: &Values) -> Choice {
    let ints = values.int_range.map(|(low, high)| (low as f64, high as f64));
    let all = match (values.float_range, ints) {
        (Some(floats), Some(ints)) => widen(Some(floats), ints),
        (floats, ints) => floats.or(ints),
    };
    if let Some(choice) = all.and_then(|(low, high)| epoch(name, low, high)) {
        return choice;
    }
    let note = all.map_or_else(String::new, |(low, high)| range(low.to_string(), high.to_string()));
    Choice::new(Kind::Float(Float::default()), note)
}

fn range(low: String, high: String) -> String {
    if low == high { format!("always {low}") } else { format!("{low} to {high}") }
}

/// Seconds from 2001 to 2099. Before that there were few logs, and ten-digit numbers begin there.
const EPOCHS_S: (f64, f64) = (978_307_200.0, 4_102_444_800.0);

/// Numbers that are points in time, judged by the name of their key and by their range.
fn epoch(name: &str, low: f64, high: f64) -> Option<Choice> {
    if !is_time(name) {
        return None;
    }
    let units = [
        (1.0, StampFormat::EpochS, "seconds"),
        (1e3, StampFormat::EpochMs, "milliseconds"),
        (1e6, StampFormat::EpochUs, "microseconds"),
        (1e9, StampFormat::EpochNs, "nanoseconds"),
    ];
    let (unit, format, called) =
        units.into_iter().find(|(unit, ..)| low >= EPOCHS_S.0 * unit && high < EPOCHS_S.1 * unit)?;
    let day =
        |number: f64| DateTime::from_timestamp((number / unit) as i64, 0).map(|stamp| stamp.date_naive());
    let range = dates(day(low)?, day(high)?);
    let kind = Kind::Timestamp(Timestamp { format, ..Timestamp::default() });
    Some(Choice::new(kind, format!("{range}; {called} since 1970")))
}

/// Whether a key has a name typical of a point in time.
fn is_time(name: &str) -> bool {
    let words = super::name::words(name);
    let is_span = |word: &String| {
        ["taken", "elapsed", "duration", "spent", "up", "run", "response", "request", "timeout"]
            .contains(&word.as_str())
    };
    let is_point = |word: &String| {
        [
            "ts",
            "time",
            "timestamp",
            "date",
            "datetime",
            "at",
            "epoch",
            "when",
            "created",
            "updated",
            "utc",
            "unix",
        ]
        .contains(&word.as_str())
    };
    words.iter().any(is_point) && !words.iter().any(is_span)
}

fn stamp(rules: Timestamp, range: Option<(i64, i64)>, zoneless: u64, values: &Values, total: u64) -> Choice {
    let day = |micros: i64| DateTime::from_timestamp_micros(micros).map(|stamp| stamp.date_naive());
    let mut note = match range.map(|(first, last)| (day(first), day(last))) {
        Some((Some(first), Some(last))) => dates(first, last),
        _ => String::new(),
    };
    if zoneless == total {
        note.push_str("; no zone is given, read as UTC (timezone under [source] changes that)");
    } else if zoneless > 0 {
        note.push_str(&format!(
            "; {} of {} name no zone, read as UTC (timezone under [source] changes that)",
            count(zoneless),
            count(total)
        ));
    }
    if values.cut > 0 {
        note.push_str("; cut to microseconds");
    }
    Choice { lacks_zone: zoneless > 0, ..Choice::new(Kind::Timestamp(rules), note) }
}

fn layout(number: usize, values: &Values, voids: &[&str]) -> Choice {
    let rules = stamps::rules(number);
    if !LAYOUTS[number].names_year {
        // Only a person knows the year, and a job without it loads nothing.
        let ask = (Kind::Timestamp(rules), "with year = … under [source], or with --date");
        let note = "timestamps without a year, kept as text";
        return Choice { ask: Some(ask), lacks_zone: true, ..Choice::new(Kind::Text(Text::default()), note) };
    }
    if let Some(doubt) = LAYOUTS[number].doubt {
        let ask = (Kind::Timestamp(rules), doubt);
        let note = "timestamps whose parts could be in another order, kept as text";
        return Choice { ask: Some(ask), lacks_zone: true, ..Choice::new(Kind::Text(Text::default()), note) };
    }
    let zoneless = if LAYOUTS[number].names_zone { 0 } else { values.count(Traits::layout(number), voids) };
    let is_utc = LAYOUTS[number].format.ends_with(" UTC") || LAYOUTS[number].format.ends_with(" GMT");
    let range = values.laid.get(&number).copied();
    stamp(rules, range, if is_utc { 0 } else { zoneless }, values, values.total(voids))
}

fn dates(first: NaiveDate, last: NaiveDate) -> String {
    if first == last { first.to_string() } else { format!("{first} to {last}") }
}

fn days(values: &Values) -> String {
    let day = NaiveDate::from_epoch_days;
    match values.days.map(|(first, last)| (day(first), day(last))) {
        Some((Some(first), Some(last))) => dates(first, last),
        _ => String::new(),
    }
}

/// A list of scalars of one kind, otherwise JSON.
fn list(values: &Values) -> Choice {
    let json = |note: &str| Choice::new(Kind::Json(Json::default()), note);
    let Some(items) = &values.items else { return json("lists") };
    let total = items.total(&[]);
    if total == 0 {
        return json(if items.nulls > 0 { "lists of nulls" } else { "empty lists" });
    }
    let kinds = [
        (Try::Bool, Kind::Bool, "booleans"),
        (Try::Int, Kind::Int(Bounds::default()), "integers"),
        (Try::Float, Kind::Float(Float::default()), "numbers"),
        (Try::Text, Kind::Text(Text::default()), "texts"),
    ];
    let found =
        kinds.into_iter().find(|(tried, ..)| items.others(|traits| tried.takes(traits), &[]).count == 0);
    match found {
        Some((_, kind, what)) => {
            let items =
                Field { nullable: items.nulls > 0, strict: true, from: Vec::new(), ..Field::new("", kind) };
            Choice::new(Kind::List(Box::new(List::of(items))), format!("lists of {what}"))
        }
        None => json("lists"),
    }
}

/// Text, whatever the values look like.
pub(super) fn text(values: &Values, voids: &[&str]) -> Choice {
    let count_of = |number| values.count(Traits::layout(number), voids);
    let kind = Kind::Text(Text::default());
    let texts = values.total(voids);
    if texts > 0 && count_of(MONTH_FIRST) == texts {
        let ask = (Kind::Timestamp(stamps::rules(MONTH_FIRST)), "or %d/%m/%Y: no day is above the 12th");
        let note = "timestamps whose day and month cannot be told apart, kept as text";
        return Choice { ask: Some(ask), lacks_zone: true, ..Choice::new(kind, note) };
    }
    if texts == 0 {
        return Choice::new(kind, "");
    }
    let note = match values.distinct.texts() {
        // For many texts, this is a remark; for few, it would be the data itself.
        Some(distinct) if texts >= 20 * distinct.len() as u64 => {
            let named: Vec<String> = distinct.iter().map(|text| format!("{text:?}")).collect();
            format!("only {}", named.join(", "))
        }
        _ if values.chars_max == 0 => "always empty".to_owned(),
        _ => format!("up to {}", some(values.chars_max as u64, "character")),
    };
    Choice::new(kind, note)
}

/// The cost of a choice, in a few words.
pub(super) fn cost(odd: &Met, total: u64, instead: &str) -> String {
    let examples: Vec<String> = odd.first.iter().map(|(_, example)| format!("{example:?}")).collect();
    format!(
        "{} of {} ({}) are none, as {}, and would become dead letters; type = \"{instead}\" takes them all",
        count(odd.count),
        count(total),
        share(odd.count, total),
        examples.join(", ")
    )
}
