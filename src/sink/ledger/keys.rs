//! The keys of a ledger in a store; every read and write is retried until the store answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use serde::Serialize;

use super::records::{
    CheckpointRecord, JobRecord, SourceRecord, first_key, hex, name_key, of_key, parse, refused_key, run_key,
    source_key,
};
use super::run_record::{KEPT, RunRecord};
use super::store::{Entry, Failure, Store, Swap, Version};
use super::{Holder, Wanted};
use crate::error::{ErrorKind, Result};
use crate::event::Observer;
use crate::outage::{Outage, Patience, stopped};
use crate::sink::Remembered;
use crate::source::{Candidate, Container, Hash16, Inode, hash16};
use crate::split::Split;
use crate::stop::Stop;

/// The settings of a ledger in a store.
#[derive(Clone)]
pub struct Settings {
    /// The job. No other job has a ledger under these keys.
    pub job: String,
    /// The prefix of all its keys; see [`prefix`].
    pub prefix: String,
    /// What the run is for: its command line.
    pub command: String,
    /// The data date of the run.
    pub data_date: Option<NaiveDate>,
    /// The template of the job's object names, if it has any.
    pub path: String,
    /// A run whose heart has been still for this long is dead.
    pub lease: Duration,
    /// How long to wait for a store that does not answer.
    pub retry_for: Duration,
    /// When to stop waiting.
    pub stop: Stop,
    /// The observer of what happens.
    pub observer: Observer,
}

impl Settings {
    pub(super) fn patience(&self) -> Patience<'_> {
        Patience { retry_for: self.retry_for, stop: &self.stop, observer: &self.observer }
    }
}

/// The prefix of a table's keys in a store that keeps other ledgers as well.
pub fn prefix(destination: &str, table: &str) -> String {
    format!("{}/{table}/", hex(&hash16(destination.as_bytes()).0))
}

/// A run, and its record as last written.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) run: i64,
    pub(super) record: RunRecord,
    pub(super) version: Version,
}

/// Everything remembered, and the values it was read from.
pub(super) struct Snapshot {
    pub(super) remembered: Vec<Remembered>,
    pub(super) sources: HashMap<i32, (SourceRecord, Version)>,
    pub(super) splits: HashMap<Split, (CheckpointRecord, Version)>,
    /// The parts of splits being cut that have no key yet.
    pub(super) parts: HashMap<Split, CheckpointRecord>,
}

/// The ids of the sources that begin with a line, by number. Entering a source here comes first, so a listed
/// source may never have been created, or may have become another.
pub(super) type SameLine = BTreeMap<u32, i32>;

/// The store, retried until it answers.
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
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Away(what)) => {
                    let what = format!("the ledger's store: {what}");
                    let error = || ErrorKind::Unreachable { what: what.clone(), waited: None }.into();
                    outage.wait("store", &what, error)?;
                }
            }
        }
    }

    /// Begins a run, and creates the ledger for the first one.
    pub(super) fn begin_run(&self) -> Result<Life> {
        self.ask(|store| store.check())?.into_iter().for_each(|doubt| self.settings.observer.warn(doubt));
        let job = self.open()?;
        let last = self.last_run()?;
        let before = self.run_record(last)?;
        let mut record = RunRecord::after(&self.settings.command, before.as_ref());
        if last > 0 && before.is_none() || !job.marks_refused {
            record.note_left(true);
        }
        let mut run = last + 1;
        let version = loop {
            match self.set(&run_key(run), None, &record)? {
                Some(version) => break version,
                // Another run has begun, or died before it recorded its number.
                None => {
                    run += 1;
                    record.note_left(true);
                }
            }
        };
        self.change_job(|job| job.last_run = job.last_run.max(run))?;
        self.forget_run(run - KEPT)?;
        Ok(Life { run, record, version })
    }

    /// The last run that began.
    pub(super) fn last_run(&self) -> Result<i64> {
        if let (JobRecord { last_run: last @ 1.., .. }, _) = self.job()? {
            return Ok(last);
        }
        let runs = self.list("run/")?;
        Ok(runs.iter().filter_map(|(key, _)| key["run/".len()..].parse().ok()).max().unwrap_or(0))
    }

    pub(super) fn date(&self) -> Option<String> {
        self.settings.data_date.map(|date| date.to_string())
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.settings.prefix)
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Entry>> {
        let key = self.full(key);
        self.ask(|store| store.get(&key))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        let prefix = self.full(prefix);
        let listed = self.ask(|store| store.list(&prefix))?;
        let own = self.settings.prefix.len();
        Ok(listed.into_iter().map(|(key, entry)| (key[own..].to_owned(), entry)).collect())
    }

    /// Writes a value if the present one has the expected version; `None` if it has not.
    pub(super) fn set<T: Serialize>(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: &T,
    ) -> Result<Option<Version>> {
        let value = serde_json::to_vec(value).expect("a record is numbers and texts");
        Ok(self.put(key, expected, Some(&value))?.flatten())
    }

    /// Writes bytes, or removes the present ones. A refusal is settled by reading back: the value may be this
    /// run's, from a try whose answer was lost; another run's; or unchanged, when a busy store refused the
    /// write. Returns the version if the write took effect, and an outer `None` if not.
    pub(super) fn put(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Option<Option<Version>>> {
        let full = self.full(key);
        self.ask(|store| {
            if let Swap::Done(version) = store.compare_and_set(&full, expected, value)? {
                return Ok(Some(version));
            }
            let entry = store.get(&full)?;
            if entry.as_ref().map(|entry| &entry.value[..]) == value {
                return Ok(Some(entry.map(|entry| entry.version)));
            }
            match entry.as_ref().map(|entry| &entry.version) == expected {
                true => Err(Failure::Away(format!("{full} was as expected, and the write was refused"))),
                false => Ok(None),
            }
        })
    }

    /// Creates the ledger if there is none, and refuses one that belongs to another job.
    fn open(&self) -> Result<JobRecord> {
        loop {
            let (job, version) = self.job()?;
            if job.name != self.settings.job {
                return Err(ErrorKind::Unfit(vec![format!(
                    "what is remembered of this table is job {:?}'s, and such a table belongs to one job; give {:?} a \
                     table of its own",
                    job.name, self.settings.job
                )])
                .into());
            }
            if version.is_some() || self.set("job", None, &job)?.is_some() {
                return Ok(job);
            }
        }
    }

    pub(super) fn job(&self) -> Result<(JobRecord, Option<Version>)> {
        match self.get("job")? {
            Some(entry) => Ok((parse("job", &entry)?, Some(entry.version))),
            None => {
                let name = self.settings.job.clone();
                Ok((JobRecord { name, next_source_id: 1, last_run: 0, marks_refused: true }, None))
            }
        }
    }

    /// Ensures that no new source gets an id below this.
    pub(super) fn raise_next_id(&self, next_source_id: i32) -> Result<()> {
        self.change_job(|job| job.next_source_id = job.next_source_id.max(next_source_id))
    }

    /// Changes the job's record, if the change makes a difference.
    fn change_job(&self, change: impl Fn(&mut JobRecord)) -> Result<()> {
        loop {
            let (known, version) = self.job()?;
            let mut job = known.clone();
            change(&mut job);
            if job == known || self.set("job", version.as_ref(), &job)?.is_some() {
                return Ok(());
            }
        }
    }

    /// Cleans up after a run that died after creating a source and before raising the next id.
    pub(super) fn pass_made_ids(&self) -> Result<()> {
        let made = self.list("source/")?;
        let last = made.iter().filter_map(|(key, _)| of_key(key)).map(|(source, _)| source).max();
        self.raise_next_id(last.unwrap_or(0) + 1)
    }

    /// The sources that begin with a line.
    pub(super) fn same_line(&self, line: Hash16) -> Result<SameLine> {
        let prefix = first_key(line);
        let mut same = SameLine::new();
        for (key, entry) in self.list(&prefix)? {
            if let Ok(number) = key[prefix.len()..].parse() {
                same.insert(number, parse(&key, &entry)?);
            }
        }
        Ok(same)
    }

    /// Enters a source among those that begin with a line, and returns line and number. `None` if another run
    /// was faster.
    pub(super) fn enter(&self, id: i32, line: Hash16) -> Result<Option<([u8; 16], u32)>> {
        let same = self.same_line(line)?;
        if let Some((&number, _)) = same.iter().find(|(_, other)| **other == id) {
            return Ok(Some((line.0, number)));
        }
        let number = same.keys().next_back().map_or(0, |last| last + 1);
        let entered = self.set(&format!("{}{number}", first_key(line)), None, &id)?;
        Ok(entered.map(|_| (line.0, number)))
    }

    fn named(&self, name: &str) -> Result<Option<Entry>> {
        self.get(&name_key(name, self.date().as_deref()))
    }

    /// Stores the name under which a source was seen, for its day. Of two concurrent runs, either is right.
    pub(super) fn name(&self, source: &SourceRecord, id: i32) -> Result<()> {
        let key = name_key(&source.name, source.data_date.as_deref());
        let entry = self.get(&key)?;
        let is_so = match &entry {
            Some(entry) => parse::<i32>(&key, entry)? == id,
            None => false,
        };
        if !is_so {
            self.set(&key, entry.map(|entry| entry.version).as_ref(), &id)?;
        }
        Ok(())
    }

    /// The remembered sources that these files may be: those that begin with the same line, and
    /// those that had their names.
    pub(super) fn remembered_of(&self, files: &[Candidate]) -> Result<Snapshot> {
        let (mut ids, mut lines) = (BTreeSet::new(), BTreeSet::new());
        for file in files {
            if let Some(entry) = self.named(&file.name)? {
                ids.insert(parse::<i32>("name", &entry)?);
            }
            if let Some(line) = file.fingerprint.first_line
                && lines.insert(line.0)
            {
                ids.extend(self.same_line(line)?.into_values());
            }
        }
        self.remembered_by_id(ids)
    }

    /// Everything remembered.
    pub(super) fn remembered(&self) -> Result<Snapshot> {
        Snapshot::new(self.list("source/")?)
    }

    /// Removes the records of a source, and then the keys that lead to it.
    pub(super) fn forget(&self, id: i32, record: &SourceRecord) -> Result<()> {
        // First, so that its id is never assigned again.
        self.raise_next_id(id + 1)?;
        let source = source_key(id);
        let splits = self.list(&format!("{source}/"))?;
        let entry = self.get(&source)?;
        for (key, entry) in entry.map(|entry| (source, entry)).into_iter().chain(splits) {
            self.put(&key, Some(&entry.version), None)?;
        }
        let first = record.first.map(|(line, number)| format!("{}{number}", first_key(Hash16(line))));
        for key in first.into_iter().chain([name_key(&record.name, record.data_date.as_deref())]) {
            if let Some(entry) = self.get(&key)?
                && parse::<i32>(&key, &entry)? == id
            {
                self.put(&key, Some(&entry.version), None)?;
            }
        }
        let refused = refused_key(id);
        if let Some(entry) = self.get(&refused)? {
            self.put(&refused, Some(&entry.version), None)?;
        }
        Ok(())
    }

    /// Removes the runs that have ended, except the last: the next run counts on from its number.
    pub(super) fn forget_ended_runs(&self) -> Result<()> {
        let mut runs = self.list("run/")?;
        runs.sort_by_key(|(key, _)| key["run/".len()..].parse::<i64>().unwrap_or(i64::MAX));
        runs.pop();
        runs.iter().try_for_each(|(key, entry)| self.forget_ended(key, entry))
    }

    /// Removes a run, if it exists and has ended.
    fn forget_run(&self, run: i64) -> Result<()> {
        let key = run_key(run);
        match if run > 0 { self.get(&key)? } else { None } {
            Some(entry) => self.forget_ended(&key, &entry),
            None => Ok(()),
        }
    }

    fn forget_ended(&self, key: &str, entry: &Entry) -> Result<()> {
        if parse::<RunRecord>(key, entry)?.outcome.is_some() {
            self.put(key, Some(&entry.version), None)?;
        }
        Ok(())
    }

    /// A living owner of one of these splits, other than `run`. A run whose heart stays still for a lease, by
    /// this machine's clock alone, is dead. The lease is waited out look by look: whatever stalls this
    /// process may stall the other as well, and must not count as its silence.
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
        Ok(self.beating(hearts)?.and_then(|run| holder(wanted, run)))
    }

    /// Whether another run lives. Finding out that it does not takes as long as in [`Keys::holder`].
    pub(super) fn lives(&self, run: i64) -> Result<bool> {
        let hearts = self.heart(run)?.map(|heart| (run, heart)).into_iter().collect();
        Ok(self.beating(hearts)?.is_some())
    }

    /// The first of these runs whose heartbeat changes within a lease.
    fn beating(&self, mut hearts: HashMap<i64, Version>) -> Result<Option<i64>> {
        for _ in 0..LOOKS {
            if hearts.is_empty() {
                break;
            }
            if !self.settings.stop.sleep(self.settings.lease / LOOKS) {
                return Err(stopped(&self.settings.stop));
            }
            for (run, before) in std::mem::take(&mut hearts) {
                // A run that has ended meanwhile holds nothing.
                let Some(now) = self.heart(run)? else { continue };
                if now != before {
                    return Ok(Some(run));
                }
                hearts.insert(run, before);
            }
        }
        Ok(None)
    }

    /// The version of a run's record, if the run has not ended: a new version is a sign of life.
    pub(super) fn heart(&self, run: i64) -> Result<Option<Version>> {
        let key = run_key(run);
        let Some(entry) = self.get(&key)? else { return Ok(None) };
        let has_ended = parse::<RunRecord>(&key, &entry)?.outcome.is_some();
        Ok((!has_ended).then_some(entry.version))
    }
}

impl Snapshot {
    pub(super) fn empty() -> Snapshot {
        let (sources, splits, parts) = (HashMap::new(), HashMap::new(), HashMap::new());
        Snapshot { remembered: Vec::new(), sources, splits, parts }
    }

    /// The checkpoint of a split, whether it has a key or not.
    pub(super) fn checkpoint(&self, split: Split) -> Option<&CheckpointRecord> {
        self.splits.get(&split).map(|(record, _)| record).or_else(|| self.parts.get(&split))
    }

    /// The remembered sources of a day, or those without one.
    pub(super) fn of_date(&self, date: Option<&str>) -> Vec<Remembered> {
        let is_of_date =
            |memory: &&Remembered| self.sources[&memory.source_id].0.data_date.as_deref() == date;
        self.remembered.iter().filter(is_of_date).cloned().collect()
    }

    /// The snapshot of these entries: sources ordered by id, each with its splits in order.
    pub(super) fn new(entries: Vec<(String, Entry)>) -> Result<Snapshot> {
        let mut sources: BTreeMap<i32, (SourceRecord, Version)> = BTreeMap::new();
        let mut splits: BTreeMap<Split, (CheckpointRecord, Version)> = BTreeMap::new();
        for (key, entry) in entries {
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
        for (id, (source, _)) in &mut sources {
            as_moved(*id, source, &mut splits);
        }
        let listed = splits.iter().flat_map(|(split, (record, _))| record.parts_of(*split));
        let parts: BTreeMap<Split, CheckpointRecord> =
            listed.filter(|(part, _)| !splits.contains_key(part)).collect();
        let made = splits.iter().map(|(split, (record, _))| (*split, record));
        let all: BTreeMap<Split, &CheckpointRecord> =
            made.chain(parts.iter().map(|(part, record)| (*part, record))).collect();
        let remembered = sources.iter().map(|(&id, (record, _))| {
            let own = all.range(Split { source: id, start: 0 }..=Split { source: id, start: u64::MAX });
            remembered(id, record, own.map(|(split, record)| (*split, *record)))
        });
        Ok(Snapshot {
            remembered: remembered.collect(),
            sources: sources.into_iter().collect(),
            splits: splits.into_iter().collect(),
            parts: parts.into_iter().collect(),
        })
    }
}

/// Shows a source in its final state if it has moved and its run died before writing all of the change.
fn as_moved(id: i32, source: &mut SourceRecord, splits: &mut BTreeMap<Split, (CheckpointRecord, Version)>) {
    let Some((first, _)) = splits.get(&Split::whole(id)) else { return };
    let Some(next) = &first.next else { return };
    let run = first.written_by;
    source.clone_from(next);
    splits.retain(|split, (record, _)| {
        (split.source, split.start == 0) != (id, false) || record.owner != Some(run)
    });
}

fn remembered<'r>(
    id: i32,
    record: &SourceRecord,
    splits: impl Iterator<Item = (Split, &'r CheckpointRecord)>,
) -> Remembered {
    let head = (record.head.0, Hash16(record.head.1));
    let mut memory = Remembered::new(id, String::new(), record.name.clone(), head, None);
    memory.generation = record.generation;
    memory.known.inode = record.inode.map(|(device, number)| Inode { device, number });
    let containers = record.containers.iter().map(|&(size, head, tail)| Container {
        size,
        head_hash: Hash16(head),
        tail_hash: Hash16(tail),
    });
    memory.known.containers.extend(containers);
    for (split, record) in splits {
        memory.tail_start = record.tail_start;
        memory.push(record.checkpoint(split));
    }
    if memory.checkpoints.is_empty() {
        // Its run died before it wrote a checkpoint.
        let nobody = CheckpointRecord {
            epoch: 0,
            owner: None,
            ..CheckpointRecord::new(record.made_by, Hash16([0; 16]))
        };
        memory.push(nobody.checkpoint(Split::whole(id)));
    }
    memory
}

/// How often a heart is checked within a lease: more often than it is meant to beat.
const LOOKS: u32 = 6;

/// The first of the splits that a run holds.
fn holder(wanted: &[Wanted<'_>], run: i64) -> Option<Holder> {
    wanted.iter().find_map(|(name, checkpoint)| {
        let owner = checkpoint.owner.filter(|owner| owner.run == run)?;
        Some(Holder { source: (*name).to_owned(), owner, who: "its heart beats".to_owned() })
    })
}
