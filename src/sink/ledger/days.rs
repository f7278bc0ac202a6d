//! The days of a job, in a key-value store.
//!
//! As in a database, whatever the sources of a day show is derived from them. Only the rest is kept under
//! `day/{date}`: that a day has no file, why it failed, and that a run began it and has not ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::keys::{Keys, Settings, Snapshot};
use super::map::MapLedger;
use super::records::{SourceRecord, parse, source_key};
use super::store::Store;
use crate::error::Result;
use crate::sink::dates::{Calendar, DateState, Stored};
use crate::source::Hash16;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DayRecord {
    state: String,
    reason: Option<String>,
}

impl DayRecord {
    fn new(state: DateState, reason: Option<&str>) -> DayRecord {
        DayRecord { state: state.word().to_owned(), reason: reason.map(str::to_owned) }
    }
}

/// The prefix of the days' keys.
const DAYS: &str = "day/";

fn day_key(date: &str) -> String {
    format!("{DAYS}{date}")
}

impl Keys {
    /// Stores the state of a day. A second run that changes nothing writes nothing; of two concurrent runs,
    /// the later one is right.
    fn set_day(&self, date: &str, state: DateState, reason: Option<&str>) -> Result<()> {
        let (key, day) = (day_key(date), DayRecord::new(state, reason));
        loop {
            let entry = self.get(&key)?;
            let is_so = match &entry {
                Some(entry) => parse::<DayRecord>(&key, entry)? == day,
                None => false,
            };
            if is_so || self.set(&key, entry.map(|entry| entry.version).as_ref(), &day)?.is_some() {
                return Ok(());
            }
        }
    }

    /// Forgets the days whose sources, those of `snapshot`, were all forgotten.
    pub(super) fn forget_days(&self, snapshot: &Snapshot, forgotten: &[i32]) -> Result<()> {
        let of_day = |(id, (record, _)): (&i32, &(SourceRecord, _))| {
            record.data_date.clone().map(|date| (forgotten.contains(id), date))
        };
        let days: Vec<(bool, String)> = snapshot.sources.iter().filter_map(of_day).collect();
        let left: BTreeSet<&str> =
            days.iter().filter(|(is_gone, _)| !is_gone).map(|(_, date)| date.as_str()).collect();
        let gone: BTreeSet<&str> = days.iter().map(|(_, date)| date.as_str()).collect();
        for date in gone.difference(&left) {
            let key = day_key(date);
            if let Some(entry) = self.get(&key)? {
                self.put(&key, Some(&entry.version), None)?;
            }
        }
        Ok(())
    }

    /// Whether a source is complete.
    fn is_complete(&self, source: i32) -> Result<bool> {
        let key = source_key(source);
        let Some(entry) = self.get(&key)? else { return Ok(true) };
        Ok(parse::<SourceRecord>(&key, &entry)?.complete)
    }
}

impl Snapshot {
    /// The state of a day that no run is working on.
    fn day_state(&self, date: &str) -> DateState {
        let mut state = DateState::Absent;
        for (record, _) in
            self.sources.values().filter(|(record, _)| record.data_date.as_deref() == Some(date))
        {
            if !record.complete || record.is_untidy {
                return DateState::Partial;
            }
            state = DateState::Done;
        }
        state
    }
}

impl MapLedger {
    /// Records that the run has begun to load its day, if it has one.
    pub(super) fn begin_day(&self) -> Result<()> {
        match self.keys.date().filter(|_| !self.owned.is_empty()) {
            Some(date) => self.keys.set_day(&date, DateState::Partial, None),
            None => Ok(()),
        }
    }

    /// Records the state of the run's day, if it has one, at the end of the run, and why it failed, if it
    /// did.
    pub(super) fn end_day(&self, failure: Option<&str>) -> Result<()> {
        let Some(date) = self.keys.date() else { return Ok(()) };
        let state = match failure {
            Some(_) => DateState::Failed,
            // This run found no file for the day, but other runs may have.
            None if self.claimed.is_empty() => self.keys.remembered()?.day_state(&date),
            None => {
                let mut state = DateState::Done;
                for &source in &self.claimed {
                    if !self.keys.is_complete(source)? {
                        state = DateState::Partial;
                        break;
                    }
                }
                state
            }
        };
        self.keys.set_day(&date, state, failure)
    }

    /// Records that these days have no file, unless something of them is loaded. Does not create a ledger
    /// just for this.
    pub fn note_absent(store: Arc<dyn Store>, settings: Settings, dates: &[NaiveDate]) -> Result<()> {
        let keys = Keys { store, settings };
        if dates.is_empty() || keys.get("job")?.is_none() {
            return Ok(());
        }
        let snapshot = keys.remembered()?;
        for date in dates.iter().map(NaiveDate::to_string) {
            keys.set_day(&date, snapshot.day_state(&date), None)?;
        }
        Ok(())
    }

    /// The states of the job's days under its present rules, and their remembered sources. Writes
    /// nothing.
    pub fn calendar(store: Arc<dyn Store>, settings: Settings, rules: Hash16) -> Result<Calendar> {
        let keys = Keys { store, settings };
        let (snapshot, letters) = (keys.remembered()?, keys.letters()?);
        let mut days: BTreeMap<NaiveDate, Stored> = BTreeMap::new();
        for (key, entry) in keys.list(DAYS)? {
            let Ok(date) = key[DAYS.len()..].parse() else { continue };
            let DayRecord { state, reason } = parse(&key, &entry)?;
            days.insert(date, Stored { state: Some(state), reason, ..Stored::of(date) });
        }
        let mut calendar = Calendar::default();
        for mut memory in snapshot.remembered {
            let (source, _) = &snapshot.sources[&memory.source_id];
            let Some(date) = source.data_date.as_deref().and_then(|date| date.parse().ok()) else { continue };
            let day = days.entry(date).or_insert_with(|| Stored::of(date));
            // A rebuild of the source has not finished.
            day.open_splits += i64::from(source.is_untidy);
            for checkpoint in &memory.checkpoints {
                day.splits += 1;
                day.open_splits += i64::from(!checkpoint.complete);
                day.splits_of_other_rules += i64::from(checkpoint.rules_hash != rules);
                let record = snapshot.splits.get(&checkpoint.split);
                day.open_dead_letters += record.map_or(0, |(record, _)| record.counts().rejected);
            }
            day.open_dead_letters -= letters.closed_of(memory.source_id, source.generation);
            memory.data_date = Some(date);
            calendar.entry(date).or_default().sources.push(memory);
        }
        for (date, stored) in days {
            calendar.entry(date).or_default().status = stored.status();
        }
        // A day whose sources were all forgotten is no longer a day of the job.
        calendar.retain(|_, day| day.status.is_some());
        Ok(calendar)
    }
}
