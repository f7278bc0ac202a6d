//! The time of records: the field that holds it, and the days that a run of records belongs to.
//!
//! A day is a local day, from its midnight to the next. Its bounds, and which day an instant belongs to, are
//! computed here and nowhere else: a metric of a day must be made from the rows whose day was marked, on
//! every destination, whatever zones a server knows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days as Ahead, NaiveDate};

use super::read::stamp::DAY_US;
use super::{Clock, Kind, Schema, Value, Zone};

/// The field that says when a record happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Its index.
    pub field: usize,
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: TimeKind,
    /// The clock whose days count.
    pub clock: Clock,
}

/// What the values of such a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeKind {
    /// An instant, whichever clock it was read on.
    Instant,
    /// A local time.
    Local,
    /// A calendar day.
    Day,
}

impl Time {
    /// The field with this name, if it can say when a record happened.
    pub fn of(schema: &Schema, name: &str, clock: Clock) -> Option<Time> {
        let field = schema.fields.iter().position(|field| field.name == name)?;
        let kind = match &schema.fields[field].kind {
            Kind::Timestamp(rules) if rules.zone == Zone::Naive => TimeKind::Local,
            Kind::Timestamp(_) => TimeKind::Instant,
            Kind::Date => TimeKind::Day,
            _ => return None,
        };
        Some(Time { field, name: name.to_owned(), kind, clock })
    }

    /// When a day begins: microseconds since 1970, in UTC or local time.
    pub fn start_us(&self, day: NaiveDate) -> i64 {
        let local_us = day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
        match self.kind {
            TimeKind::Instant => {
                let (ahead_s, _) = self.clock.ahead_at(local_us);
                local_us - i64::from(ahead_s) * 1_000_000
            }
            TimeKind::Local | TimeKind::Day => local_us,
        }
    }

    /// The day that contains `us`, with its beginning and its end.
    fn day_at(&self, us: i64) -> Option<(NaiveDate, i64, i64)> {
        // A clock is less than a day ahead of UTC, or behind it.
        let near = DateTime::from_timestamp_micros(us)?.date_naive();
        let first = near.checked_sub_days(Ahead::new(1))?;
        first.iter_days().take(3).find_map(|day| {
            let (start, end) = (self.start_us(day), self.start_us(day.succ_opt()?));
            (start..end).contains(&us).then_some((day, start, end))
        })
    }

    /// The days that can contain an instant of this UTC day; for other kinds, the day itself.
    pub fn days_of(&self, utc: NaiveDate) -> impl Iterator<Item = NaiveDate> {
        let (start, kind) = (utc.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros(), self.kind);
        let ends = [start, start + DAY_US - 1].map(|us| self.day_at(us).map(|(day, ..)| day));
        let (first, last) = match (kind, ends) {
            (TimeKind::Instant, [Some(first), Some(last)]) => (first, last),
            _ => (utc, utc),
        };
        first.iter_days().take_while(move |day| *day <= last)
    }
}

/// The days of a run of rows. Adding a row of a known day takes one comparison.
#[derive(Clone, Debug, Default)]
pub struct Days {
    /// The day of the previous row, from its beginning to its end.
    last: (i64, i64),
    /// All of them by their beginnings, with their ends.
    all: BTreeMap<i64, (i64, NaiveDate)>,
}

impl Days {
    /// Adds the day of a value, if it has one.
    #[inline]
    pub fn note(&mut self, time: &Time, value: Value<'_>) {
        if let Some(us) = us_of(value) {
            self.note_us(time, us);
        }
    }

    /// Adds the day of a value, and returns it.
    #[inline]
    pub fn day_of(&mut self, time: &Time, value: Value<'_>) -> Option<NaiveDate> {
        let us = us_of(value)?;
        self.note_us(time, us);
        let (day, (start, end)) = (self.all.get(&self.last.0), self.last);
        day.filter(|_| (start..end).contains(&us)).map(|&(_, day)| day)
    }

    #[inline]
    fn note_us(&mut self, time: &Time, us: i64) {
        if us < self.last.0 || us >= self.last.1 {
            self.note_other(time, us);
        }
    }

    #[inline(never)]
    fn note_other(&mut self, time: &Time, us: i64) {
        if let Some((&start, &(end, _))) = self.all.range(..=us).next_back()
            && us < end
        {
            self.last = (start, end);
        } else if let Some((day, start, end)) = time.day_at(us) {
            self.last = (start, end);
            self.all.insert(start, (end, day));
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = NaiveDate> {
        self.all.values().map(|&(_, day)| day)
    }

    /// Adds them to others.
    pub fn add_to(&self, days: &mut BTreeSet<NaiveDate>) {
        days.extend(self.iter());
    }
}

/// The time of a value, if it has one: microseconds since 1970.
#[inline]
fn us_of(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Timestamp(us) => Some(us),
        Value::Date(days) => Some(i64::from(days) * DAY_US),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(kind: TimeKind, clock: Clock) -> Time {
        Time { field: 0, name: "at".to_owned(), kind, clock }
    }

    fn place(name: &str) -> Time {
        time(TimeKind::Instant, Clock::of_place(name).expect("a place"))
    }

    fn us(stamp: &str) -> i64 {
        stamp.parse::<DateTime<chrono::Utc>>().expect("a stamp").timestamp_micros()
    }

    fn days(time: &Time, stamps: &[&str]) -> Vec<String> {
        let mut days = Days::default();
        stamps.iter().for_each(|stamp| days.note(time, Value::Timestamp(us(stamp))));
        days.iter().map(|day| day.to_string()).collect()
    }

    #[test]
    fn a_day_is_one_of_the_clock_on_the_wall() {
        let berlin = place("Europe/Berlin");
        let stamps = ["2023-10-28T21:59:59.999999Z", "2023-10-28T22:00:00Z", "2023-10-29T22:59:59Z"];
        assert_eq!(days(&berlin, &stamps), ["2023-10-28", "2023-10-29"]);
        assert_eq!(days(&berlin, &["2023-10-29T23:00:00Z"]), ["2023-10-30"]);
        let utc = time(TimeKind::Instant, Clock::default());
        assert_eq!(days(&utc, &stamps), ["2023-10-28", "2023-10-29"]);
        // A local time has no zone.
        let wall = time(TimeKind::Local, Clock::of_place("Pacific/Apia").expect("a place"));
        assert_eq!(days(&wall, &stamps), ["2023-10-28", "2023-10-29"]);
    }

    #[test]
    fn days_follow_one_another_without_a_gap() {
        for name in ["Europe/Berlin", "Pacific/Apia", "America/St_Johns", "America/Sao_Paulo", "Asia/Beirut"]
        {
            let time = place(name);
            let mut us = us("2010-12-31T00:00:00Z");
            let mut before: Option<(NaiveDate, i64)> = None;
            while us < self::us("2012-02-01T00:00:00Z") {
                let (day, start, end) = time.day_at(us).unwrap_or_else(|| panic!("{name} at {us}"));
                if let Some((last, last_end)) = before {
                    assert_eq!(last_end, start, "{name}, {last} and {day}");
                }
                let utc = DateTime::from_timestamp_micros(us).expect("in range").date_naive();
                assert!(time.days_of(utc).any(|one| one == day), "{name}, {utc}: {day}");
                before = Some((day, end));
                us = end;
            }
        }
    }

    #[test]
    fn a_day_that_never_was_has_no_instant() {
        let apia = place("Pacific/Apia");
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert_eq!(apia.start_us(day("2011-12-30")), apia.start_us(day("2011-12-31")));
        assert_eq!(
            days(&apia, &["2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"]),
            ["2011-12-29", "2011-12-31"]
        );
    }

    #[test]
    fn what_is_no_time_is_of_no_day() {
        let mut days = Days::default();
        let of = time(TimeKind::Day, Clock::default());
        days.note(&of, Value::Null);
        days.note(&of, Value::Date(19_657));
        days.note(&of, Value::Timestamp(i64::MAX));
        assert_eq!(days.iter().map(|day| day.to_string()).collect::<Vec<_>>(), ["2023-10-27"]);
    }
}
