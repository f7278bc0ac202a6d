//! The keys of a ledger in a store, read and written until the store answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use serde::Serialize;

use super::records::{CheckpointRecord, JobRecord, RunRecord, SourceRecord, of_key, parse, run_key};
use super::store::{Entry, Failure, Store, Swap, Version};
use super::{Holder, Wanted};
use crate::error::{ErrorKind, Result};
use crate::event::Observer;
use crate::sink::Remembered;
use crate::sink::outage::{Outage, Patience, stopped};
use crate::source::{Container, Hash16, Inode};
use crate::split::Split;
use crate::stop::Stop;

/// What a ledger in a store is told.
#[derive(Clone)]
pub struct Settings {
    /// The day that the run is about.
    pub data_date: Option<NaiveDate>,
    /// A run whose heart has stood still for this long is dead.
    pub lease: Duration,
    /// How long a store that does not answer is waited for.
    pub retry_for: Duration,
    /// When to stop waiting.
    pub stop: Stop,
    /// Is told what happens.
    pub observer: Observer,
}

impl Settings {
    fn patience(&self) -> Patience<'_> {
        Patience { retry_for: self.retry_for, stop: &self.stop, observer: &self.observer }
    }
}

/// A run, and its row as it was written last.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) run: i64,
    pub(super) record: RunRecord,
    pub(super) version: Version,
}

/// What is remembered, and the values that say so.
pub(super) struct Snapshot {
    pub(super) remembered: Vec<Remembered>,
    pub(super) sources: HashMap<i32, (SourceRecord, Version)>,
    pub(super) splits: HashMap<Split, (CheckpointRecord, Version)>,
}

/// The store, asked until it answers.
pub(super) struct Keys {
    pub(super) store: Arc<dyn Store>,
    pub(super) settings: Settings,
}

impl Keys {
    pub(super) fn ask<T>(&self, ask: impl Fn(&dyn Store) -> Result<T, Failure>) -> Result<T> {
        let mut outage = Outage::new(self.settings.patience());
        loop {
            match ask(&*self.store) {
                Ok(answer) => return Ok(answer),
                Err(Failure(what)) => {
                    let what = format!("the ledger's store: {what}");
                    outage
                        .wait(&what, || ErrorKind::Unreachable { what: what.clone(), waited: None }.into())?;
                }
            }
        }
    }

    pub(super) fn begin_run(&self) -> Result<Life> {
        let record = RunRecord { nonce: fastrand::u64(..), beat: 0, outcome: None, exit_code: None };
        loop {
            let runs = self.list("run/")?;
            let last = runs.iter().filter_map(|(key, _)| key["run/".len()..].parse().ok()).max();
            let run: i64 = last.unwrap_or(0) + 1;
            if let Some(version) = self.set(&run_key(run), None, &record)? {
                return Ok(Life { run, record, version });
            }
        }
    }

    pub(super) fn date(&self) -> Option<String> {
        self.settings.data_date.map(|date| date.to_string())
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.ask(|store| store.get(key))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        self.ask(|store| store.list(prefix))
    }

    /// Puts a value, if what stands there is of the version that is expected. `None` if it is not.
    pub(super) fn set<T: Serialize>(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: &T,
    ) -> Result<Option<Version>> {
        let value = serde_json::to_vec(value).expect("a record is numbers and texts");
        Ok(self.put(key, expected, Some(&value))?.flatten())
    }

    /// Puts bytes, or removes what is there. Refused after a failure, it looks whether the try that
    /// failed was done after all. Gives the version, if that was done; `None` outside if not.
    pub(super) fn put(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Option<Option<Version>>> {
        let answer = self.ask(|store| store.compare_and_set(key, expected, value))?;
        if let Swap::Done(version) = answer {
            return Ok(Some(version));
        }
        let entry = self.get(key)?;
        let is_ours = entry.as_ref().map(|entry| &entry.value[..]) == value;
        Ok(is_ours.then(|| entry.map(|entry| entry.version)))
    }

    pub(super) fn job(&self) -> Result<(JobRecord, Option<Version>)> {
        match self.get("job")? {
            Some(entry) => Ok((parse("job", &entry)?, Some(entry.version))),
            None => Ok((JobRecord::default(), None)),
        }
    }

    /// No source gets an id below this from now on.
    pub(super) fn raise_next_id(&self, next_source_id: i32) -> Result<()> {
        loop {
            let (job, version) = self.job()?;
            if job.next_source_id >= next_source_id
                || self.set("job", version.as_ref(), &JobRecord { next_source_id })?.is_some()
            {
                return Ok(());
            }
        }
    }

    /// All sources, in the order of their ids, each with its splits in theirs.
    pub(super) fn remembered(&self) -> Result<Snapshot> {
        let (mut sources, mut splits) = (HashMap::new(), HashMap::new());
        for (key, entry) in self.list("source/")? {
            match of_key(&key) {
                Some((source, Some(start))) => {
                    splits.insert(Split { source, start }, (parse(&key, &entry)?, entry.version));
                }
                Some((source, None)) => {
                    sources.insert(source, (parse(&key, &entry)?, entry.version));
                }
                None => {}
            }
        }
        let mut remembered: Vec<Remembered> = Vec::with_capacity(sources.len());
        let mut ids: Vec<i32> = sources.keys().copied().collect();
        ids.sort_unstable();
        let mut starts: Vec<Split> = splits.keys().copied().collect();
        starts.sort_unstable();
        for id in ids {
            let record: &SourceRecord = &sources[&id].0;
            let head = (record.head.0, Hash16(record.head.1));
            let mut memory = Remembered::new(id, String::new(), record.name.clone(), head, None);
            memory.known.inode = record.inode.map(|(device, number)| Inode { device, number });
            let containers = record.containers.iter().map(|&(size, head, tail)| Container {
                size,
                head_hash: Hash16(head),
                tail_hash: Hash16(tail),
            });
            memory.known.containers.extend(containers);
            let own = &starts[starts.partition_point(|split| split.source < id)..];
            for &split in own.iter().take_while(|split| split.source == id) {
                let record: &CheckpointRecord = &splits[&split].0;
                memory.tail_start = record.tail_start;
                memory.push(record.checkpoint(split));
            }
            if memory.checkpoints.is_empty() {
                // Its run died before it had one.
                let nobody = CheckpointRecord {
                    epoch: 0,
                    owner: None,
                    ..CheckpointRecord::new(record.made_by, Hash16([0; 16]))
                };
                memory.push(nobody.checkpoint(Split::whole(id)));
            }
            remembered.push(memory);
        }
        Ok(Snapshot { remembered, sources, splits })
    }

    /// A living owner of one of these splits, other than `run`. One whose heart stands still for a
    /// lease is dead, by the clock of this machine alone. The lease is waited out look by look: what
    /// holds us up may hold up the other as well, and must not count as its silence.
    pub(super) fn holder(&self, wanted: &[Wanted<'_>], run: Option<i64>) -> Result<Option<Holder>> {
        let mut hearts: HashMap<i64, Version> = HashMap::new();
        for owner in wanted.iter().filter_map(|(_, checkpoint)| checkpoint.owner) {
            if Some(owner.run) != run
                && !hearts.contains_key(&owner.run)
                && let Some(heart) = self.heart(owner.run)?
            {
                hearts.insert(owner.run, heart);
            }
        }
        for _ in 0..LOOKS {
            if hearts.is_empty() {
                break;
            }
            if !self.settings.stop.sleep(self.settings.lease / LOOKS) {
                return Err(stopped(&self.settings.stop));
            }
            for (run, before) in std::mem::take(&mut hearts) {
                // One that has ended meanwhile holds nothing.
                let Some(now) = self.heart(run)? else { continue };
                if now != before {
                    return Ok(holder(wanted, run));
                }
                hearts.insert(run, before);
            }
        }
        Ok(None)
    }

    /// How the record of a run stands that has not ended: another version is a sign of life.
    fn heart(&self, run: i64) -> Result<Option<Version>> {
        let key = run_key(run);
        let Some(entry) = self.get(&key)? else { return Ok(None) };
        let has_ended = parse::<RunRecord>(&key, &entry)?.outcome.is_some();
        Ok((!has_ended).then_some(entry.version))
    }
}

/// How often a heart is looked at within a lease: more often than it is to beat.
const LOOKS: u32 = 6;

/// The first split that a run holds.
fn holder(wanted: &[Wanted<'_>], run: i64) -> Option<Holder> {
    wanted.iter().find_map(|(name, checkpoint)| {
        let owner = checkpoint.owner.filter(|owner| owner.run == run)?;
        Some(Holder { source: (*name).to_owned(), owner, who: "its heart beats".to_owned() })
    })
}
