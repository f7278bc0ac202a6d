//! A ledger in a map: an in-memory store of keys and values, and its failures.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use logmill::error::Result;
use logmill::sink::destination::Settings;
use logmill::sink::history::{OwnerStatus, SourceStatus};
use logmill::sink::ledger::{self, Entry, Failure, Heart, MapLedger, Store, Swap, Version};
use logmill::sink::{Answer, Asked, Batch, Committed, Counts, Ending, OpenLetters, Setback};

use super::place::{Kept, Run};

/// How a store fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    Never,
    /// It executes every request, but loses the answer to every other change.
    LosesAnswers,
    /// It fails every third request of a thread without executing it. No outage lasts as long as a lease,
    /// because a run whose heartbeat is silent for a lease is dead.
    IsAway,
}

/// The prefix of all keys.
pub(super) fn prefix() -> String {
    ledger::prefix("memory:", "t")
}

/// Values by key, each with the number of the change that wrote it.
type Entries = BTreeMap<String, (u64, Vec<u8>)>;

/// An in-memory store.
pub(super) struct InMemory {
    entries: Mutex<Entries>,
    /// A saved copy, for `put_back`.
    older: Mutex<Entries>,
    fault: Fault,
    /// The number of requests by thread.
    asked: Mutex<HashMap<ThreadId, u64>>,
    changed: AtomicU64,
}

impl InMemory {
    pub(super) fn new(fault: Fault) -> InMemory {
        let [entries, older] = [(); 2].map(|()| Mutex::default());
        InMemory { entries, older, fault, asked: Mutex::default(), changed: AtomicU64::new(0) }
    }

    fn ask(&self) -> Result<(), Failure> {
        let mut asked = self.asked.lock().unwrap();
        let asked = asked.entry(thread::current().id()).or_default();
        *asked += 1;
        match self.fault == Fault::IsAway && *asked % 3 == 2 {
            true => Err(Failure::Away("away".to_owned())),
            false => Ok(()),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of requests of this thread.
    pub(super) fn asked_here(&self) -> u64 {
        self.asked.lock().unwrap().get(&thread::current().id()).copied().unwrap_or(0)
    }

    /// The keys with this prefix.
    pub(super) fn keys(&self, begin: &str) -> Vec<String> {
        let begin = prefix() + begin;
        self.entries().keys().filter(|key| key.starts_with(&begin)).cloned().collect()
    }

    pub(super) fn value(&self, key: &str) -> serde_json::Value {
        serde_json::from_slice(&self.entries()[&(prefix() + key)].1).unwrap()
    }

    /// Removes all keys with this prefix.
    pub(super) fn remove(&self, begin: &str) {
        for key in self.keys(begin) {
            self.entries().remove(&key);
        }
    }

    pub(super) fn set_next_id(&self, id: i32) {
        let mut job = self.value("job");
        job["next_source_id"] = id.into();
        self.entries().get_mut(&(prefix() + "job")).unwrap().1 = job.to_string().into_bytes();
    }

    pub(super) fn keep(&self) {
        *self.older.lock().unwrap() = self.entries().clone();
    }

    pub(super) fn put_back(&self) {
        *self.entries() = self.older.lock().unwrap().clone();
    }

    /// Adds a second split to source 1.
    pub(super) fn cut(&self, at: u64) {
        let mut entries = self.entries();
        let [from, to] = [0, at].map(|start| format!("{}source/1/{start}", prefix()));
        let (version, value) = entries[&from].clone();
        let (first, second) = cut(&value, at);
        entries.insert(from, (version + 1000, first));
        entries.insert(to, (version + 1001, second));
    }
}

/// Cuts the checkpoint of a source into the checkpoints of its two splits.
pub(super) fn cut(value: &[u8], at: u64) -> (Vec<u8>, Vec<u8>) {
    let mut first: serde_json::Value = serde_json::from_slice(value).unwrap();
    let mut second = first.clone();
    first["end"] = at.into();
    second["position"] = at.into();
    second["owner"] = serde_json::Value::Null;
    (first.to_string().into_bytes(), second.to_string().into_bytes())
}

fn entry((version, value): &(u64, Vec<u8>)) -> Entry {
    Entry { version: Version(version.to_string()), value: value.clone() }
}

impl Store for InMemory {
    fn get(&self, key: &str) -> Result<Option<Entry>, Failure> {
        self.ask()?;
        Ok(self.entries().get(key).map(entry))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Entry)>, Failure> {
        self.ask()?;
        let entries = self.entries();
        let found = entries.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), entry(value))).collect())
    }

    fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&Version>,
        value: Option<&[u8]>,
    ) -> Result<Swap, Failure> {
        self.ask()?;
        let mut entries = self.entries();
        if entries.get(key).map(|(version, _)| version.to_string()) != expected.map(|it| it.0.clone()) {
            return Ok(Swap::Refused);
        }
        let changed = self.changed.fetch_add(1, Ordering::Relaxed);
        let version = changed + 1;
        match value {
            Some(value) => entries.insert(key.to_owned(), (version, value.to_vec())),
            None => entries.remove(key),
        };
        match self.fault == Fault::LosesAnswers && changed.is_multiple_of(2) {
            true => Err(Failure::Away("no answer".to_owned())),
            false => Ok(Swap::Done(value.map(|_| Version(version.to_string())))),
        }
    }
}

/// The dead letters, by source and offset.
pub(super) type Letters = Arc<Mutex<BTreeSet<(i32, u64)>>>;

/// A destination with its ledger in a map: it writes data before the checkpoint covers it, and may write it
/// twice.
pub(super) struct Mapped {
    pub(super) store: Arc<dyn Store>,
    pub(super) prefix: String,
    pub(super) lease: Duration,
    pub(super) letters: Letters,
    pub(super) settings: Settings,
}

/// A run whose heartbeat is silent for this long is dead.
pub(super) const LEASE: Duration = Duration::from_millis(300);

impl Mapped {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn settings(&self) -> ledger::Settings {
        let (prefix, lease) = (self.prefix.clone(), self.lease);
        ledger::Settings { prefix, lease, ..settings_of(self.settings.job.clone(), &self.settings) }
    }
}

pub(super) fn settings_of(job: String, settings: &Settings) -> ledger::Settings {
    let Settings { data_date, command, retry_for, stop, observer, .. } = settings.clone();
    let (prefix, path, lease) = (prefix(), String::new(), LEASE);
    ledger::Settings { job, prefix, command, data_date, path, lease, retry_for, stop, observer }
}

impl Kept for Mapped {
    fn open(&self) -> Result<Box<dyn Run>> {
        let ledger = MapLedger::begin(self.store(), self.settings())?;
        let pulse = Pulse::of(ledger.heart(), self.lease);
        Ok(Box::new(MappedRun { ledger, letters: Arc::clone(&self.letters), _pulse: pulse }))
    }

    fn sources(&self) -> Result<Vec<SourceStatus>> {
        let mut sources: BTreeMap<i32, SourceStatus> = BTreeMap::new();
        for split in MapLedger::status(self.store(), self.settings())? {
            let source = sources.entry(split.split.source).or_insert_with(|| SourceStatus {
                id: split.split.source,
                name: split.name.clone(),
                data_date: None,
                size: 0,
                position: 0,
                complete: split.source_is_complete,
                containers: Vec::new(),
                counts: Counts::default(),
                open_dead_letters: 0,
                other_rules: false,
                rules: Vec::new(),
                owner: None,
                updated_at: chrono::Utc::now(),
            });
            source.position += split.position - split.split.start;
            source.counts.add(&split.counts);
            source.owner =
                split.owner.map(|run| OwnerStatus { run, pid: 0, is_alive: true }).or(source.owner.take());
        }
        Ok(sources.into_values().collect())
    }

    fn forget(&self, sources: &[i32]) -> Result<u64> {
        MapLedger::forget(self.store(), self.settings(), sources, &|_| Ok(()))
    }
}

struct MappedRun {
    ledger: MapLedger,
    letters: Letters,
    _pulse: Pulse,
}

impl Run for MappedRun {
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        self.ledger.claim(asked)
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        self.ledger.fence(&batch.advances)?;
        for letter in batch.dead_letters(&[], usize::MAX)? {
            self.letters.lock().unwrap().insert((letter.source_id, letter.span.start));
        }
        batch.still_holds()?;
        let counts: Vec<Counts> = batch.advances.iter().map(|advance| advance.counts).collect();
        let completed = self.ledger.advance(&batch.advances, &counts)?;
        Ok(Committed { counts, refused: Vec::new(), completed })
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        self.ledger.look_again()
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        let letters = self.letters.lock().unwrap();
        let selected = letters.iter().filter(|(source, _)| sources.contains(source)).count();
        Ok(OpenLetters { selected: selected as u64, job: letters.len() as u64 })
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        self.ledger.finish(ending)
    }
}

/// A heartbeat on its own thread. Dropping this stops the heart, as the death of a process does: one more
/// beat would be a sign of life.
struct Pulse {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    fn of(heart: Arc<Heart>, lease: Duration) -> Pulse {
        let (stop, stopped) = channel::<()>();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(lease / 4) == Err(RecvTimeoutError::Timeout) {
                let _ = heart.beat();
            }
        });
        Pulse { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
