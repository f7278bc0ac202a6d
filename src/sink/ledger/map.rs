//! A ledger in a store of keys and values, which knows compare-and-set and no transactions.
//!
//! Each split has a key of its own, and a run moves its checkpoint by replacing exactly the value that it
//! knows. So the fence needs no lock: whoever takes a split changes its value, and the last owner's next move
//! is refused. If an answer is lost, the run tries again and, once refused, reads which run the value names.
//!
//! | key | value |
//! |---|---|
//! | `job` | whose this is, and the lowest id that a new source may have |
//! | `first/{line}/{number}` | the id of a source, by the hash of its first line; the number tells those with the same one apart |
//! | `name/{name}` | the id of the source that had a name last, by its hash |
//! | `source/{id}` | what a source is recognised by |
//! | `source/{id}/{start}` | the checkpoint of a split |
//! | `run/{id}` | a run, its heartbeat, and how far it is: the last few |
//! | `day/{date}` | how a day of the job stands, as far as its sources do not say it |
//! | `letters/{source}/{object}` | what became of dead letters that were tried again or discarded |
//! | `refused/{source}` | that records of a source were refused |
//!
//! A claim looks up what its files may be, never all that was ever loaded. A source is made after the keys
//! that lead to it, by order of ids, at a key where nothing may be: of two runs with the same new file one
//! makes it; the other is refused, reads again, and finds it. Names are hints, except for files whose first
//! line may still grow.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::heart::Heart;
use super::keys::{Keys, Settings, Snapshot};
use super::records::{
    CheckpointRecord, SourceRecord, label, parse, source_key, split_key, stored, stored_inode,
};
use super::renewal::{Renewal, Untidy};
use super::store::{Store, Version};
use super::{
    Acknowledged, Claimed, Decided, Grown, Holder, Holding, Holdings, Ledger, Look, Wanted, went_back,
};
use crate::error::{Error, ErrorKind, Result};
use crate::sink::claim::{held, is_free, lost_ownership};
use crate::sink::{Advance, Answer, Asked, Counts, Ending, Remembered, Setback};
use crate::source::Candidate;
use crate::split::Split;

/// The ledger of a run, in a store.
pub struct MapLedger {
    pub(super) keys: Arc<Keys>,
    pub(super) run: i64,
    pub(super) heart: Arc<Heart>,
    /// The sources that the files of the run are.
    pub(super) claimed: BTreeSet<i32>,
    /// The checkpoints of what this run owns, as it knows them.
    pub(super) owned: HashMap<Split, (CheckpointRecord, Version)>,
    /// What the sources of these are called.
    pub(super) labels: HashMap<i32, Called>,
    /// The splits of which ranges were given up, of all sources that were asked for. The lanes of a run have one list.
    pub(super) with_abandoned: Arc<Mutex<BTreeSet<Split>>>,
    pub(super) acknowledged: Acknowledged,
    /// What is loaded anew,
    pub(super) renewals: BTreeMap<i32, Renewal>,
    /// and whether it may count already.
    pub(super) ends_renewals: bool,
    /// Sources with objects of other generations, of which the run that made them is dead.
    pub(super) untidy: Vec<Untidy>,
    /// The sources that this run has recorded as ones with dead letters.
    pub(super) with_refused: BTreeSet<i32>,
    /// Runs that were found dead.
    pub(super) dead: Arc<Mutex<BTreeSet<i64>>>,
}

/// What a source is called.
#[derive(Clone, Debug)]
pub(super) struct Called {
    /// In names of objects,
    label: String,
    /// and otherwise.
    name: String,
    /// Which generation its objects are of.
    generation: i32,
}

impl Called {
    pub(super) fn of(source: &SourceRecord) -> Called {
        let SourceRecord { label, name, generation, .. } = source;
        Called { label: label.clone(), name: name.clone(), generation: *generation }
    }
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
        let heart = Heart { keys: Arc::clone(&keys), life: Mutex::new(life), lanes: Mutex::default() };
        let (acknowledged, claimed) = (Acknowledged::default(), BTreeSet::new());
        let (owned, labels) = (HashMap::new(), HashMap::new());
        Ok(MapLedger {
            keys,
            run,
            heart: Arc::new(heart),
            claimed,
            owned,
            labels,
            with_abandoned: Arc::default(),
            acknowledged,
            renewals: BTreeMap::new(),
            ends_renewals: false,
            untidy: Vec::new(),
            with_refused: BTreeSet::new(),
            dead: Arc::default(),
        })
    }

    /// What shows that the run lives. It is to beat at least each third of the lease, whatever the
    /// run is doing: whoever keeps the ledger has a thread for that.
    pub fn heart(&self) -> Arc<Heart> {
        Arc::clone(&self.heart)
    }

    /// Claims the sources of the run, as [`crate::sink::Sink::claim`] does.
    pub fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        let (mut since, mut overtaken) = (None, 0);
        while overtaken < CLAIMS_MAX {
            let mut claiming = Claiming::new(&self.keys, self.run, asked);
            match super::claim(&mut claiming, asked) {
                Ok(Claimed::Ours { answers, anew, .. }) => {
                    is_free(since, &self.keys.settings.observer);
                    let date = self.keys.date();
                    let untidy = claiming.snapshot.untidy(|_, source| source.data_date == date);
                    self.labels.extend(claiming.labels);
                    let known = claiming.snapshot.splits.iter();
                    let with_abandoned = known.filter(|(_, (record, _))| !record.abandoned.is_empty());
                    self.with_abandoned().extend(with_abandoned.map(|(split, _)| *split));
                    self.owned = claiming.taken;
                    self.claimed.extend(answers.iter().filter_map(Answer::source_id));
                    self.find_untidy(untidy)?;
                    self.begin_renewals(anew, asked.rules_hash)?;
                    self.begin_day()?;
                    return Ok(answers);
                }
                // It has shown that it lives: who waits for the work to be done goes on waiting.
                Ok(Claimed::Busy(holder)) if asked.waits() => {
                    holder.wait(&mut since, asked.wait, self.keys.settings.patience())?;
                }
                Ok(Claimed::Busy(holder)) => return Err(held(&holder.source, &holder.in_words())),
                Err(Trouble::Overtaken) => overtaken += 1,
                Err(Trouble::Ours(error)) => return Err(error),
            }
        }
        let what = "other runs of this job keep claiming its sources; run the same command again when they have ended".to_owned();
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

    /// The run.
    pub fn run(&self) -> i64 {
        self.run
    }

    /// Whether a file of this run is this source.
    pub fn is_claimed(&self, source: i32) -> bool {
        self.claimed.contains(&source)
    }

    /// What a source of this run is called in names of objects.
    pub fn label(&self, source: i32) -> &str {
        self.labels.get(&source).map(|called| called.label.as_str()).unwrap_or_default()
    }

    /// The name under which a source of this run was seen last.
    pub fn name(&self, source: i32) -> &str {
        self.labels.get(&source).map(|called| called.name.as_str()).unwrap_or_default()
    }

    /// Which generation the objects of a source of this run are of.
    pub fn generation(&self, source: i32) -> i32 {
        self.labels.get(&source).map_or(0, |called| called.generation)
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
            self.note_refused(advance.split.source, deltas)?;
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
        self.with_refused.clear();
        if !look.has_run {
            self.run = self.heart.begin_anew()?;
        }
        Ok(Some(setbacks))
    }

    fn look(&self) -> Result<Look> {
        let (mut splits, has_run) = (HashMap::new(), self.heart.is_there()?);
        for split in self.owned.keys().copied().chain(self.acknowledged.splits()) {
            let key = split_key(split);
            if let Some(entry) = self.keys.get(&key)? {
                splits.insert(split, parse::<CheckpointRecord>(&key, &entry)?.found());
            }
        }
        // After these: what is not there any more has raised the number before it went.
        Ok(Look { splits, next_id: self.keys.job()?.0.next_source_id, has_run })
    }

    /// Why a checkpoint is not as this run knows it.
    pub(super) fn objection(&self) -> Result<Error> {
        let mut owned = Holdings::default();
        for (split, (record, _)) in &self.owned {
            let CheckpointRecord { epoch, position, .. } = *record;
            let is_part = record.end.is_some();
            owned.set(*split, Holding { epoch, position, is_complete: false, is_part, generation: 0 });
        }
        let objection = self.look()?.objection(&owned, &self.acknowledged, self.run);
        Ok(objection.unwrap_or_else(lost_ownership))
    }

    pub(super) fn held(&self, advance: &Advance) -> Result<&(CheckpointRecord, Version)> {
        self.owned.get(&advance.split).ok_or_else(lost_ownership)
    }

    /// Notes that a source is complete if all its splits are. Asked after a split was moved to its
    /// end, so that of the last two at least one sees the other there; and told once.
    fn complete(&self, source: i32) -> Result<bool> {
        let splits = self.keys.list(&format!("{}/", source_key(source)))?;
        let Snapshot { splits, parts, .. } = Snapshot::new(splits)?;
        if !parts.is_empty() || splits.values().any(|(record, _)| !record.complete) {
            return Ok(false);
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
        let mut has_left = false;
        for (split, (mut record, version)) in std::mem::take(&mut self.owned) {
            has_left |= record.open.is_some() || !record.abandoned.is_empty();
            record.owner = None;
            // One that was taken over is not ours to give back.
            let _ = self.keys.set(&split_key(split), Some(&version), &record)?;
        }
        self.end_day(ending.failure)?;
        self.heart.change(|record| {
            record.end(ending);
            record.note_left(record.has_left() || has_left);
        })
    }

    /// Forgets sources: all of them, or none if a living run holds one. Before, `tidy` removes what is there of
    /// generations that do not count: afterwards nobody can tell it from what does.
    pub fn forget(
        store: Arc<dyn Store>,
        settings: Settings,
        sources: &[i32],
        tidy: &dyn Fn(&[Untidy]) -> Result<()>,
    ) -> Result<u64> {
        let keys = Keys { store, settings };
        let (snapshot, letters) = (keys.remembered_on()?, keys.letters()?);
        let found: Vec<&Remembered> =
            snapshot.remembered.iter().filter(|memory| sources.contains(&memory.source_id)).collect();
        let wanted = found.iter().flat_map(|memory| {
            memory.checkpoints.iter().map(|checkpoint| (memory.known.name.as_str(), checkpoint))
        });
        if let Some(holder) = keys.holder(&wanted.collect::<Vec<_>>(), None)? {
            return Err(held(&holder.source, &holder.in_words()));
        }
        keys.refuse_open_letters(&letters, sources)?;
        let mut untidy = Vec::new();
        for (of, holds) in snapshot.untidy(|id, _| sources.contains(&id)) {
            if !of.has_moved() && !keys.take_from_dead(&holds)? {
                return Err(lost_ownership());
            }
            untidy.push(of);
        }
        tidy(&untidy)?;
        for memory in &found {
            keys.forget_letters(&letters, memory.source_id)?;
            keys.forget(memory.source_id, &snapshot.sources[&memory.source_id].0)?;
        }
        keys.forget_days(&snapshot, sources)?;
        keys.forget_ended_runs()?;
        Ok(found.len() as u64)
    }

    /// Whether there is one. Nothing is written.
    pub fn is_there(store: Arc<dyn Store>, settings: Settings) -> Result<bool> {
        Ok(Keys { store, settings }.get("job")?.is_some())
    }

    /// What is remembered of all sources of the day, or of those without one. Nothing is written.
    pub fn remembered_of_day(store: Arc<dyn Store>, settings: Settings) -> Result<Vec<Remembered>> {
        let keys = Keys { store, settings };
        Ok(keys.remembered()?.of_date(keys.date().as_deref()))
    }

    /// What is remembered of the sources that these files may be. Nothing is written.
    pub fn remembered(store: Arc<dyn Store>, settings: Settings, asked: &Asked) -> Result<Vec<Remembered>> {
        let keys = Keys { store, settings };
        Ok(keys.remembered_of(&asked.files)?.of_date(keys.date().as_deref()))
    }
}

/// A try to claim. What it has written stays where the try does not get to its end: the next one
/// finds it, and that it is its own.
struct Claiming<'a> {
    keys: &'a Keys,
    run: i64,
    files: &'a [Candidate],
    take_over: bool,
    is_rebuild: bool,
    snapshot: Snapshot,
    taken: HashMap<Split, (CheckpointRecord, Version)>,
    labels: HashMap<i32, Called>,
}

impl<'a> Claiming<'a> {
    fn new(keys: &'a Keys, run: i64, asked: &'a Asked) -> Claiming<'a> {
        let (files, take_over) = (&asked.files[..], asked.take_over);
        let (taken, labels) = (HashMap::new(), HashMap::new());
        let (is_rebuild, snapshot) = (asked.rebuild.is_some(), Snapshot::empty());
        Claiming { keys, run, files, take_over, is_rebuild, snapshot, taken, labels }
    }

    /// Enters a source among those that begin with the same line, and gives line and number.
    fn enter(&self, id: i32, file: &Candidate) -> Result<Option<([u8; 16], u32)>, Trouble> {
        let Some(line) = file.fingerprint.first_line else { return Ok(None) };
        self.keys.enter(id, line)?.map(Some).ok_or(Trouble::Overtaken)
    }

    /// Makes a source where there is none.
    fn make(&mut self, id: i32, file: &Candidate, decided: &Decided<'_>) -> Result<(), Trouble> {
        let seen = decided.containers.iter().filter(|(of, _)| *of == id);
        let first = self.enter(id, file)?;
        let record = SourceRecord {
            data_date: self.keys.date(),
            name: file.name.clone(),
            head: (file.fingerprint.head_len, file.fingerprint.head_hash.0),
            first,
            containers: seen.map(|(_, container)| stored(container)).collect(),
            inode: stored_inode(file),
            made_by: self.run,
            complete: false,
            label: label(first, &file.name, self.keys.date().as_deref(), id),
            generation: 0,
            begun: 0,
            is_untidy: false,
            begun_paths: Vec::new(),
        };
        self.keys.name(&record, id)?;
        self.labels.insert(id, Called::of(&record));
        if self.keys.set(&source_key(id), None, &record)?.is_none() {
            self.keys.pass_made_ids()?;
            return Err(Trouble::Overtaken);
        }
        self.take(Split::whole(id), CheckpointRecord::new(self.run, decided.rules_hash))
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
        // The number first: whoever made a source below it has entered it before.
        let (job, _) = self.keys.job()?;
        let read = || match self.is_rebuild {
            // One that has no file is asked for too.
            true => self.keys.remembered(),
            false => self.keys.remembered_of(self.files),
        };
        let mut snapshot = read()?;
        let half_moved = snapshot.half_moved();
        if !half_moved.is_empty() {
            half_moved.into_iter().try_for_each(|source| self.keys.move_on(source))?;
            snapshot = read()?;
        }
        self.snapshot = snapshot;
        // Whoever has made these may not have said so yet. With an id of theirs a new source would be entered in vain,
        // and get another name.
        let behind = self.snapshot.sources.keys().max().map_or(0, |last| last + 1);
        Ok((self.snapshot.of_date(self.keys.date().as_deref()), job.next_source_id.max(behind)))
    }

    /// There are none: such a table belongs to one job.
    fn of_others(&mut self) -> Result<Vec<Remembered>, Trouble> {
        Ok(Vec::new())
    }

    fn holder(&mut self, wanted: &[Wanted<'_>]) -> Result<Option<Holder>, Trouble> {
        match self.take_over {
            true => Ok(None),
            false => Ok(self.keys.holder(wanted, Some(self.run))?),
        }
    }

    fn write(&mut self, decided: &Decided<'_>) -> Result<(), Trouble> {
        for (id, file) in &decided.new {
            self.make(*id, file, decided)?;
        }
        if !decided.new.is_empty() {
            self.keys.raise_next_id(decided.next_id)?;
        }
        for taken in &decided.taken {
            let known = self.snapshot.checkpoint(taken.split).cloned();
            let mut record = known.unwrap_or_else(|| CheckpointRecord::new(self.run, decided.rules_hash));
            record.epoch = taken.epoch;
            (record.owner, record.written_by) = (Some(self.run), self.run);
            if record.rules != decided.rules_hash.0 {
                record.preamble.clear();
                record.rules_since = record.position;
            }
            record.rules = decided.rules_hash.0;
            record.complete = false;
            record.open.iter_mut().for_each(|open| open.is_shared = true);
            self.take(taken.split, record)?;
        }
        for held in &decided.held {
            let known = self.snapshot.checkpoint(held.split).cloned();
            let mut record = known.unwrap_or_else(|| CheckpointRecord::new(self.run, decided.rules_hash));
            record.epoch = held.epoch;
            (record.owner, record.written_by) = (Some(self.run), self.run);
            self.take(held.split, record)?;
        }
        for grown in &decided.grown {
            // Its predecessor ends first. A claim that dies in between is made again: what has grown is
            // still behind its end.
            let (last, version) = self.snapshot.splits.get(&grown.last).ok_or(Trouble::Overtaken)?;
            let mut made = CheckpointRecord::new(self.run, decided.rules_hash);
            made.position = grown.end;
            if last.rules == made.rules {
                made.preamble.clone_from(&last.preamble);
            }
            let ended = CheckpointRecord { end: Some(grown.end), written_by: self.run, ..last.clone() };
            self.put(&split_key(grown.last), Some(version), &ended)?;
            self.take(grown.split(), made)?;
        }
        let seen = |id: i32| decided.containers.iter().filter(move |(of, _)| *of == id);
        let begun =
            decided.taken.iter().map(|taken| taken.split).chain(decided.grown.iter().map(Grown::split));
        let begun: HashSet<i32> = begun.map(|split| split.source).collect();
        for (id, (record, version)) in &self.snapshot.sources {
            let mut now = record.clone();
            if let Some(described) = decided.described.iter().find(|described| described.id == *id) {
                now.name.clone_from(&described.file.name);
                now.head = (described.head.0, described.head.1.0);
                now.inode = stored_inode(described.file).or(now.inode);
                if now.first.is_none() {
                    now.first = self.enter(*id, described.file)?;
                }
                self.keys.name(&now, *id)?;
            }
            self.labels.insert(*id, Called::of(&now));
            now.containers.extend(seen(*id).map(|(_, container)| stored(container)));
            now.complete &= !begun.contains(id);
            if now != *record {
                self.put(&source_key(*id), Some(version), &now)?;
            }
        }
        Ok(())
    }
}
