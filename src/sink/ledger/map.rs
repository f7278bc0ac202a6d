//! A ledger in a store of keys and values, which knows compare-and-set and no transactions.
//!
//! Each split has a key of its own, and a run moves its checkpoint by replacing exactly the value
//! that it knows. So the fence needs no lock: whoever takes a split changes its value, and the
//! last owner's next move is refused. An answer that is lost is settled by trying again and, once
//! refused, reading what is there: values name their run, so its own value is its own doing.
//!
//! | key | value |
//! |---|---|
//! | `job` | the lowest id that a new source may have, raised when one is forgotten |
//! | `source/{id}` | what a source is recognised by |
//! | `source/{id}/{start}` | the checkpoint of a split |
//! | `run/{id}` | a run, and its heartbeat |
//!
//! Sources are made in the order of their ids, each under a key at which nothing may stand, by a
//! run that has read all before it. Of two runs with the same new file one so makes the source,
//! and the other is refused, reads again, and finds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::store::{Entry, Failure, Store, Swap, Version};
use super::{
    Acknowledged, Claimed, Decided, Found as FoundAgain, Holder, Holding, Holdings, Ledger, Look, Wanted,
    went_back,
};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Observer;
use crate::sink::claim::{held, lost_ownership};
use crate::sink::outage::{Outage, Patience, stopped};
use crate::sink::{Advance, Answer, Asked, Checkpoint, Counts, Ending, Owner, Remembered, Setback};
use crate::source::{Candidate, Container, Hash16, Inode, Preamble, hash16};
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

/// The ledger of a run, in a store.
pub struct MapLedger {
    keys: Arc<Keys>,
    run: i64,
    heart: Arc<Heart>,
    /// The checkpoints of what this run owns, as it knows them.
    owned: HashMap<Split, (CheckpointRecord, Version)>,
    acknowledged: Acknowledged,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct JobRecord {
    next_source_id: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SourceRecord {
    data_date: Option<String>,
    name: String,
    head: (u32, [u8; 16]),
    containers: Vec<(u64, [u8; 16], [u8; 16])>,
    /// Device and inode.
    inode: Option<(u64, u64)>,
    /// The run that made it.
    made_by: i64,
    /// All its splits are at their end.
    complete: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct CheckpointRecord {
    end: Option<u64>,
    position: u64,
    lines: i64,
    tail: (u32, [u8; 16]),
    /// The start of a last line that had no line end.
    tail_start: Option<u64>,
    preamble: Vec<u8>,
    complete: bool,
    rules: [u8; 16],
    epoch: i64,
    owner: Option<i64>,
    /// The run that wrote it.
    written_by: i64,
    inserted: i64,
    updated: i64,
    unchanged: i64,
    superseded: i64,
    rejected: i64,
    blank: i64,
    skipped: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RunRecord {
    /// By which a run knows its own record where the answer was lost.
    nonce: u64,
    beat: u64,
    outcome: Option<String>,
    exit_code: Option<u8>,
}

/// A split as people are told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitStatus {
    /// The split.
    pub split: Split,
    /// The name of its source.
    pub name: String,
    /// How far it is.
    pub position: u64,
    /// Whether that is its end.
    pub complete: bool,
    /// Whether its source is complete.
    pub source_is_complete: bool,
    /// What became of its records.
    pub counts: Counts,
    /// The run that owns it.
    pub owner: Option<i64>,
}

enum Trouble {
    /// Another run was faster: what was read is no longer so.
    Overtaken,
    Ours(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Ours(error)
    }
}

/// How often a claim begins anew before it gives up: each time another run has got ahead.
const CLAIMS_MAX: usize = 100;

impl MapLedger {
    /// Begins a run.
    pub fn begin(store: Arc<dyn Store>, settings: Settings) -> Result<MapLedger> {
        let keys = Arc::new(Keys { store, settings });
        let life = keys.begin_run()?;
        let run = life.run;
        let heart = Heart { keys: Arc::clone(&keys), life: Mutex::new(life) };
        let acknowledged = Acknowledged::default();
        Ok(MapLedger { keys, run, heart: Arc::new(heart), owned: HashMap::new(), acknowledged })
    }

    /// What shows that the run lives. It is to beat at least each third of the lease, whatever the
    /// run is doing: whoever keeps the ledger has a thread for that.
    pub fn heart(&self) -> Arc<Heart> {
        Arc::clone(&self.heart)
    }

    /// Claims the sources of the run, as [`crate::sink::Sink::claim`] does.
    pub fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        for _ in 0..CLAIMS_MAX {
            let mut claiming = Claiming::new(&self.keys, self.run, asked.take_over);
            match super::claim(&mut claiming, asked) {
                Ok(Claimed::Ours(answers, _)) => {
                    self.owned = claiming.taken;
                    return Ok(answers);
                }
                // It has shown that it lives: there is nothing to wait for.
                Ok(Claimed::Busy(holder)) => return Err(held(&holder.source, &holder.in_words())),
                Err(Trouble::Overtaken) => {}
                Err(Trouble::Ours(error)) => return Err(error),
            }
        }
        let what = "other runs of this job claim its sources over and over; run again".to_owned();
        Err(ErrorKind::Unreachable { what, waited: None }.into())
    }

    /// Compares the checkpoints of a batch with what this run owns. Nothing is locked: what is
    /// found out here for the sake of time is found out for certain when the checkpoints move.
    pub fn fence(&self, advances: &[Advance]) -> Result<()> {
        for advance in advances {
            let (known, version) = self.held(advance)?;
            let entry = self.keys.get(&split_key(advance.split))?;
            if known.position != advance.from || entry.is_none_or(|entry| entry.version != *version) {
                return Err(self.objection()?);
            }
        }
        Ok(())
    }

    /// Moves checkpoints, their counters by `deltas`, one after the other: what they stand for is
    /// written already, and can be written again. Gives the sources that are complete with it.
    pub fn advance(&mut self, advances: &[Advance], deltas: &[Counts]) -> Result<Vec<i32>> {
        let mut completed = Vec::new();
        for (advance, deltas) in advances.iter().zip(deltas) {
            let (mut record, version) = self.held(advance)?.clone();
            if record.position != advance.from {
                return Err(lost_ownership());
            }
            record.move_on(advance, deltas);
            record.written_by = self.run;
            let version = self.keys.set(&split_key(advance.split), Some(&version), &record)?;
            let Some(version) = version else { return Err(self.objection()?) };
            self.acknowledged.add(advance, deltas, &record.counts(), record.epoch);
            if !advance.completes {
                self.owned.insert(advance.split, (record, version));
                continue;
            }
            // It is nobody's now.
            self.owned.remove(&advance.split);
            if self.complete(advance.split.source)? {
                completed.push(advance.split.source);
            }
        }
        Ok(completed)
    }

    /// Looks again at all that was acknowledged, as [`crate::sink::Sink::look_again`] does.
    pub fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        let look = self.look()?;
        let Some(setbacks) = look.setbacks(&self.acknowledged) else { return Ok(None) };
        self.acknowledged.forget(&setbacks);
        self.owned.clear();
        if !look.has_run {
            self.run = self.heart.begin_anew()?;
        }
        Ok(Some(setbacks))
    }

    fn look(&self) -> Result<Look> {
        let (mut splits, has_run) = (HashMap::new(), self.heart.is_there()?);
        let mut last = 0;
        for (key, entry) in self.keys.list("source/")? {
            match of_key(&key) {
                Some((source, Some(start))) => {
                    splits.insert(Split { source, start }, parse::<CheckpointRecord>(&key, &entry)?.found());
                }
                Some((source, None)) => last = last.max(source),
                None => {}
            }
        }
        // After the list: what is not in it any more has raised the number before it went.
        let next_id = self.keys.job()?.0.next_source_id.max(last + 1);
        Ok(Look { splits, next_id, has_run })
    }

    /// Why a checkpoint is not as this run knows it.
    fn objection(&self) -> Result<Error> {
        let mut owned = Holdings::default();
        for (split, (record, _)) in &self.owned {
            let CheckpointRecord { epoch, position, .. } = *record;
            owned.set(*split, Holding { epoch, position, is_complete: false, is_part: record.end.is_some() });
        }
        let objection = self.look()?.objection(&owned, &self.acknowledged, self.run);
        Ok(objection.unwrap_or_else(lost_ownership))
    }

    fn held(&self, advance: &Advance) -> Result<&(CheckpointRecord, Version)> {
        self.owned.get(&advance.split).ok_or_else(lost_ownership)
    }

    /// Notes that a source is complete if all its splits are. Asked after a split was moved to its
    /// end, so that of the last two at least one sees the other there; and told once.
    fn complete(&self, source: i32) -> Result<bool> {
        let splits = self.keys.list(&format!("{}/", source_key(source)))?;
        for (key, entry) in &splits {
            if !parse::<CheckpointRecord>(key, entry)?.complete {
                return Ok(false);
            }
        }
        let key = source_key(source);
        loop {
            let entry = self.keys.get(&key)?.ok_or_else(lost_ownership)?;
            let mut record: SourceRecord = parse(&key, &entry)?;
            if std::mem::replace(&mut record.complete, true) {
                return Ok(false);
            }
            if self.keys.set(&key, Some(&entry.version), &record)?.is_some() {
                return Ok(true);
            }
        }
    }

    /// Gives back what is not complete, and ends the run.
    pub fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        if self.look()?.setbacks(&self.acknowledged).is_some() {
            return Err(went_back());
        }
        for (split, (mut record, version)) in std::mem::take(&mut self.owned) {
            record.owner = None;
            // One that was taken over is not ours to give back.
            let _ = self.keys.set(&split_key(split), Some(&version), &record)?;
        }
        self.heart.change(|record| {
            record.outcome = Some(ending.outcome.to_owned());
            record.exit_code = Some(ending.exit_code);
        })
    }

    /// Forgets sources: all of them, or none if a living run holds one.
    pub fn forget(&self, sources: &[i32]) -> Result<u64> {
        let Snapshot { remembered, .. } = self.keys.remembered()?;
        let found: Vec<&Remembered> =
            remembered.iter().filter(|memory| sources.contains(&memory.source_id)).collect();
        let wanted = found.iter().flat_map(|memory| {
            memory.checkpoints.iter().map(|checkpoint| (memory.known.name.as_str(), checkpoint))
        });
        if let Some(holder) = self.keys.holder(&wanted.collect::<Vec<_>>(), self.run)? {
            return Err(held(&holder.source, &holder.in_words()));
        }
        for memory in &found {
            // First, so that its id is never given again.
            self.keys.raise_next_id(memory.source_id + 1)?;
            let source = source_key(memory.source_id);
            let splits = self.keys.list(&format!("{source}/"))?;
            let all = [(source.clone(), self.keys.get(&source)?)];
            let all = all.into_iter().chain(splits.into_iter().map(|(key, entry)| (key, Some(entry))));
            for (key, entry) in all {
                if let Some(entry) = entry {
                    self.keys.put(&key, Some(&entry.version), None)?;
                }
            }
        }
        Ok(found.len() as u64)
    }

    /// Every split, in their order.
    pub fn status(&self) -> Result<Vec<SplitStatus>> {
        let Snapshot { remembered, sources, splits } = self.keys.remembered()?;
        let all = remembered.iter().flat_map(|memory| &memory.checkpoints);
        let status = all.map(|checkpoint| {
            let source = &sources[&checkpoint.split.source].0;
            SplitStatus {
                split: checkpoint.split,
                name: source.name.clone(),
                position: checkpoint.position,
                complete: checkpoint.complete,
                source_is_complete: source.complete,
                counts: splits.get(&checkpoint.split).map(|(record, _)| record.counts()).unwrap_or_default(),
                owner: checkpoint.owner.map(|owner| owner.run),
            }
        });
        Ok(status.collect())
    }
}

/// The heart of a run: it lives as long as this beats.
pub struct Heart {
    keys: Arc<Keys>,
    life: Mutex<Life>,
}

/// A run, and its row as it was written last.
#[derive(Clone)]
struct Life {
    run: i64,
    record: RunRecord,
    version: Version,
}

impl Heart {
    /// Shows that the run is alive.
    pub fn beat(&self) -> Result<()> {
        self.change(|record| record.beat += 1)
    }

    fn change(&self, change: impl FnOnce(&mut RunRecord)) -> Result<()> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let Life { run, mut record, version } = life.clone();
        change(&mut record);
        let version = self.keys.set(&run_key(run), Some(&version), &record)?;
        *life = Life { run, record, version: version.ok_or_else(lost_ownership)? };
        Ok(())
    }

    /// Whether the store still has the run. If that is as it was some beats ago, it beats on from
    /// there.
    fn is_there(&self) -> Result<bool> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let key = run_key(life.run);
        let Some(entry) = self.keys.get(&key)? else { return Ok(false) };
        let is_there = parse::<RunRecord>(&key, &entry)?.nonce == life.record.nonce;
        if is_there {
            life.version = entry.version;
        }
        Ok(is_there)
    }

    /// Begins another run in its place, which beats from now on.
    fn begin_anew(&self) -> Result<i64> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        *life = self.keys.begin_run()?;
        Ok(life.run)
    }
}

/// What is remembered, and the values that say so.
struct Snapshot {
    remembered: Vec<Remembered>,
    sources: HashMap<i32, (SourceRecord, Version)>,
    splits: HashMap<Split, (CheckpointRecord, Version)>,
}

/// A try to claim. What it has written stays where the try does not get to its end: the next one
/// finds it, and that it is its own.
struct Claiming<'a> {
    keys: &'a Keys,
    run: i64,
    take_over: bool,
    snapshot: Snapshot,
    taken: HashMap<Split, (CheckpointRecord, Version)>,
}

impl<'a> Claiming<'a> {
    fn new(keys: &'a Keys, run: i64, take_over: bool) -> Claiming<'a> {
        let snapshot = Snapshot { remembered: Vec::new(), sources: HashMap::new(), splits: HashMap::new() };
        Claiming { keys, run, take_over, snapshot, taken: HashMap::new() }
    }

    /// Puts a value where the one stands that was read, or none.
    fn put<T: Serialize>(&self, key: &str, read: Option<&Version>, value: &T) -> Result<Version, Trouble> {
        self.keys.set(key, read, value)?.ok_or(Trouble::Overtaken)
    }

    fn take(&mut self, split: Split, record: CheckpointRecord) -> Result<(), Trouble> {
        let read = self.snapshot.splits.get(&split).map(|(_, version)| version);
        let version = self.put(&split_key(split), read, &record)?;
        self.taken.insert(split, (record, version));
        Ok(())
    }
}

impl Ledger for Claiming<'_> {
    type Trouble = Trouble;

    fn remembered(&mut self) -> Result<(Vec<Remembered>, i32), Trouble> {
        self.snapshot = self.keys.remembered()?;
        let last = self.snapshot.remembered.last().map_or(0, |memory| memory.source_id);
        // After the list: what is not in it any more has raised the number before it went.
        let (job, _) = self.keys.job()?;
        let date = self.keys.date();
        let is_of_date = |memory: &&Remembered| self.snapshot.sources[&memory.source_id].0.data_date == date;
        let remembered = self.snapshot.remembered.iter().filter(is_of_date).cloned().collect();
        Ok((remembered, job.next_source_id.max(last + 1)))
    }

    /// There are none: such a table belongs to one job.
    fn of_others(&mut self) -> Result<Vec<Remembered>, Trouble> {
        Ok(Vec::new())
    }

    fn holder(&mut self, wanted: &[Wanted<'_>]) -> Result<Option<Holder>, Trouble> {
        match self.take_over {
            true => Ok(None),
            false => Ok(self.keys.holder(wanted, self.run)?),
        }
    }

    fn write(&mut self, decided: &Decided<'_>) -> Result<(), Trouble> {
        let seen = |id: i32| decided.containers.iter().filter(move |(of, _)| *of == id);
        for (id, file) in &decided.new {
            let record = SourceRecord {
                data_date: self.keys.date(),
                name: file.name.clone(),
                head: (file.fingerprint.head_len, file.fingerprint.head_hash.0),
                containers: seen(*id).map(|(_, container)| stored(container)).collect(),
                inode: stored_inode(file),
                made_by: self.run,
                complete: false,
            };
            self.put(&source_key(*id), None, &record)?;
            self.take(Split::whole(*id), CheckpointRecord::new(self.run, decided.rules_hash))?;
        }
        for taken in &decided.taken {
            let known = self.snapshot.splits.get(&taken.split).map(|(record, _)| record.clone());
            let mut record = known.unwrap_or_else(|| CheckpointRecord::new(self.run, decided.rules_hash));
            record.epoch = taken.epoch;
            (record.owner, record.written_by) = (Some(self.run), self.run);
            record.rules = decided.rules_hash.0;
            record.complete = false;
            self.take(taken.split, record)?;
        }
        let is_taken = |id: i32| decided.taken.iter().any(|taken| taken.split.source == id);
        for (id, (record, version)) in &self.snapshot.sources {
            let mut now = record.clone();
            if let Some(described) = decided.described.iter().find(|described| described.id == *id) {
                now.name.clone_from(&described.file.name);
                now.head = (described.head.0, described.head.1.0);
                now.inode = stored_inode(described.file).or(now.inode);
            }
            now.containers.extend(seen(*id).map(|(_, container)| stored(container)));
            now.complete &= !is_taken(*id);
            if now != *record {
                self.put(&source_key(*id), Some(version), &now)?;
            }
        }
        Ok(())
    }
}

impl CheckpointRecord {
    /// That of a split which a run makes, and of which nothing is committed.
    fn new(run: i64, rules_hash: Hash16) -> CheckpointRecord {
        CheckpointRecord {
            end: None,
            position: 0,
            lines: 0,
            tail: (0, hash16(b"").0),
            tail_start: None,
            preamble: Vec::new(),
            complete: false,
            rules: rules_hash.0,
            epoch: 1,
            owner: Some(run),
            written_by: run,
            inserted: 0,
            updated: 0,
            unchanged: 0,
            superseded: 0,
            rejected: 0,
            blank: 0,
            skipped: 0,
        }
    }

    fn move_on(&mut self, advance: &Advance, deltas: &Counts) {
        self.position = advance.to;
        self.tail = (advance.tail.0, advance.tail.1.0);
        self.preamble = advance.preamble.bytes().to_vec();
        if advance.ends.is_some() || advance.start != advance.from {
            self.tail_start = advance.unterminated;
        }
        self.complete = advance.completes;
        self.owner = self.owner.filter(|_| !advance.completes);
        self.lines += deltas.lines;
        self.inserted += deltas.inserted;
        self.updated += deltas.updated;
        self.unchanged += deltas.unchanged;
        self.superseded += deltas.superseded;
        self.rejected += deltas.rejected;
        self.blank += deltas.blank;
        self.skipped += deltas.skipped;
    }

    fn counts(&self) -> Counts {
        let &CheckpointRecord {
            lines,
            inserted,
            updated,
            unchanged,
            superseded,
            rejected,
            blank,
            skipped,
            ..
        } = self;
        let records = inserted + updated + unchanged + superseded + rejected;
        Counts { lines, blank, skipped, records, inserted, updated, unchanged, superseded, rejected }
    }

    fn found(&self) -> FoundAgain {
        FoundAgain {
            epoch: self.epoch,
            owner: self.owner,
            position: self.position,
            is_complete: self.complete,
            counts: self.counts(),
        }
    }

    fn checkpoint(&self, split: Split) -> Checkpoint {
        Checkpoint {
            split,
            end: self.end,
            position: self.position,
            lines: u64::try_from(self.lines).unwrap_or(0),
            tail: (self.tail.0, Hash16(self.tail.1)),
            preamble: Preamble::new(&self.preamble),
            complete: self.complete,
            rules_hash: Hash16(self.rules),
            epoch: self.epoch,
            owner: self.owner.map(|run| Owner { run, pid: 0, start_us: None }),
        }
    }
}

fn stored(container: &Container) -> (u64, [u8; 16], [u8; 16]) {
    (container.size, container.head_hash.0, container.tail_hash.0)
}

fn stored_inode(file: &Candidate) -> Option<(u64, u64)> {
    file.fingerprint.inode.map(|inode| (inode.device, inode.number))
}

fn run_key(run: i64) -> String {
    format!("run/{run}")
}

fn source_key(source: i32) -> String {
    format!("source/{source}")
}

fn split_key(split: Split) -> String {
    format!("source/{}/{}", split.source, split.start)
}

/// The source of a key, and the start of the split if it is that of one.
fn of_key(key: &str) -> Option<(i32, Option<u64>)> {
    let rest = key.strip_prefix("source/")?;
    match rest.split_once('/') {
        Some((source, start)) => Some((source.parse().ok()?, Some(start.parse().ok()?))),
        None => Some((rest.parse().ok()?, None)),
    }
}

fn parse<T: for<'v> Deserialize<'v>>(key: &str, entry: &Entry) -> Result<T> {
    serde_json::from_slice(&entry.value).map_err(|cause| {
        ErrorKind::Unfit(vec![format!(
            "the ledger's value under {key} is not one of this program ({cause}); was it changed by hand?"
        )])
        .into()
    })
}

/// The store, asked until it answers.
struct Keys {
    store: Arc<dyn Store>,
    settings: Settings,
}

impl Keys {
    fn ask<T>(&self, ask: impl Fn(&dyn Store) -> Result<T, Failure>) -> Result<T> {
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

    fn begin_run(&self) -> Result<Life> {
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

    fn date(&self) -> Option<String> {
        self.settings.data_date.map(|date| date.to_string())
    }

    fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.ask(|store| store.get(key))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>> {
        self.ask(|store| store.list(prefix))
    }

    /// Puts a value, if what stands there is of the version that is expected. `None` if it is not.
    fn set<T: Serialize>(&self, key: &str, expected: Option<&Version>, value: &T) -> Result<Option<Version>> {
        let value = serde_json::to_vec(value).expect("a record is numbers and texts");
        Ok(self.put(key, expected, Some(&value))?.flatten())
    }

    /// Puts bytes, or removes what is there. Refused after a failure, it looks whether the try that
    /// failed was done after all. Gives the version, if that was done; `None` outside if not.
    fn put(
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

    fn job(&self) -> Result<(JobRecord, Option<Version>)> {
        match self.get("job")? {
            Some(entry) => Ok((parse("job", &entry)?, Some(entry.version))),
            None => Ok((JobRecord::default(), None)),
        }
    }

    /// No source gets an id below this from now on.
    fn raise_next_id(&self, next_source_id: i32) -> Result<()> {
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
    fn remembered(&self) -> Result<Snapshot> {
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

    /// A living owner of one of these splits, other than `run`. One that does not show within a
    /// lease that it lives is dead, by the clock of this machine alone.
    fn holder(&self, wanted: &[Wanted<'_>], run: i64) -> Result<Option<Holder>> {
        let mut hearts: HashMap<i64, Entry> = HashMap::new();
        for (_, checkpoint) in wanted {
            let Some(owner) = checkpoint.owner.filter(|owner| owner.run != run) else { continue };
            if let (false, Some(entry)) = (hearts.contains_key(&owner.run), self.get(&run_key(owner.run))?)
                && parse::<RunRecord>(&run_key(owner.run), &entry)?.outcome.is_none()
            {
                hearts.insert(owner.run, entry);
            }
        }
        if hearts.is_empty() {
            return Ok(None);
        }
        if !self.settings.stop.sleep(self.settings.lease) {
            return Err(stopped(&self.settings.stop));
        }
        for (name, checkpoint) in wanted {
            let Some(owner) = checkpoint.owner else { continue };
            let Some(before) = hearts.get(&owner.run) else { continue };
            if self.get(&run_key(owner.run))?.is_some_and(|now| now.version != before.version) {
                let who = "its heart beats".to_owned();
                return Ok(Some(Holder { source: (*name).to_owned(), owner, who }));
            }
        }
        Ok(None)
    }
}
