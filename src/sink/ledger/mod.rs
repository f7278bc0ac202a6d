//! Ledgers: the memory of sources, and the decisions about them.
//!
//! A ledger keeps the sources of a job, how far each of their splits is, and who owns it. This module decides
//! what to do with a file, once, for every place that can keep a ledger; the places only say how they
//! remember. A database keeps its ledger beside the rows, in its own transaction, and implements `Ledger` in
//! SQL. Stores that only know compare-and-set share one ledger, [`MapLedger`].

mod anew;
mod days;
mod generations;
mod heart;
mod keys;
mod letters;
mod map;
mod parts;
mod ranges;
mod records;
mod renewal;
mod rivals;
mod run_record;
mod runs;
mod setback;
mod status;
mod store;
pub mod stores;

use std::collections::HashMap;
use std::time::{Duration, Instant};

pub(super) use anew::Anew;
use anew::{decide_anew, wanted_anew, without_file};
pub use heart::Heart;
pub use keys::{Settings, prefix};
pub use letters::{AllLetters, Known as KnownLetters, LettersId, LettersRecord};
pub use map::MapLedger;
pub use records::OpenRange;
pub use renewal::Untidy;
pub use runs::LastRuns;
pub(super) use setback::{Acknowledged, Found, Look, went_back};
pub use status::SplitStatus;
pub use store::{Entry, Failure, Store, Swap, Version, behind};

use super::Batch;
use super::claim::{Answer, Asked, Checkpoint, Decision, Owner, Remembered, Task, decide, wait_for};
use super::claim::{asks_for_others, refuse_sources_of_others};
use crate::error::{Error, Result};
use crate::outage::Patience;
use crate::source::{Candidate, Container, Hash16};
use crate::split::Split;

/// The storage of sources, within the transaction that claims them.
pub(super) trait Ledger {
    /// What can go wrong, before it is classified.
    type Trouble: From<Error>;

    /// The job's remembered sources, ordered by id, and the next free id. If two runs read this at
    /// once, one of them fails to write its decision.
    fn remembered(&mut self) -> Result<(Vec<Remembered>, i32), Self::Trouble>;

    /// The remembered sources of other jobs in the same table.
    fn of_others(&mut self) -> Result<Vec<Remembered>, Self::Trouble>;

    /// A live owner of one of these splits, other than this run.
    fn holder(&mut self, wanted: &[Wanted<'_>]) -> Result<Option<Holder>, Self::Trouble>;

    /// Writes what was decided.
    fn write(&mut self, decided: &Decided<'_>) -> Result<(), Self::Trouble>;
}

/// A split that a run wants, with the name of its source.
pub(super) type Wanted<'m> = (&'m str, &'m Checkpoint);

/// Claims the sources of a run: all that are to be loaded, or none.
pub(super) fn claim<L: Ledger>(ledger: &mut L, asked: &Asked) -> Result<Claimed, L::Trouble> {
    let (remembered, next_id) = ledger.remembered()?;
    let decisions = match asked.rebuild {
        Some(rebuild) => decide_anew(rebuild, asked, &remembered)?,
        None => decide(asked, &remembered)?,
    };
    if asks_for_others(asked, &decisions) {
        refuse_sources_of_others(asked, &decisions, &ledger.of_others()?)?;
    }
    let lost = match asked.rebuild {
        Some(rebuild) => without_file(rebuild, &decisions, &remembered)?,
        None => Vec::new(),
    };
    let wanted = match asked.rebuild {
        Some(_) => wanted_anew(&decisions, &remembered, &lost),
        None => wanted(&decisions, &remembered),
    };
    if let Some(holder) = ledger.holder(&wanted)? {
        return Ok(Claimed::Busy(holder));
    }
    let mut decided = Decided::new(asked.rules_hash, next_id);
    let mut answers = Vec::with_capacity(asked.files.len());
    for (file, decision) in asked.files.iter().zip(decisions) {
        answers.push(match asked.rebuild {
            Some(_) => decided.note_anew(file, decision, &remembered),
            None => decided.note(file, decision, &remembered),
        });
    }
    lost.into_iter().for_each(|memory| decided.hold(memory, None));
    ledger.write(&decided)?;
    Ok(Claimed::Ours { answers, owned: decided.owned, anew: decided.anew })
}

/// The known splits that are to be loaded.
pub(super) fn wanted<'m>(decisions: &[Decision], remembered: &'m [Remembered]) -> Vec<Wanted<'m>> {
    let mut wanted = Vec::new();
    for decision in decisions {
        let (Answer::Load { tasks, .. }, Some(index)) = (&decision.answer, decision.memory) else { continue };
        let memory = &remembered[index];
        // A split that this claim creates has no owner yet.
        let checkpoints = tasks.iter().filter_map(|task| memory.checkpoint(task.split));
        wanted.extend(checkpoints.map(|checkpoint| (memory.known.name.as_str(), checkpoint)));
    }
    wanted
}

/// The outcome of an attempt to claim.
pub(super) enum Claimed {
    /// This run owns everything that is to be loaded.
    Ours {
        answers: Vec<Answer>,
        owned: Holdings,
        /// The sources of a rebuild.
        anew: Vec<Anew>,
    },
    /// A live run holds a source.
    Busy(Holder),
}

/// The holder of a source.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) source: String,
    pub(super) owner: Owner,
    /// Its process, in words.
    pub(super) who: String,
}

impl Holder {
    /// Waits a moment for the holder, or gives up.
    pub(super) fn wait(
        &self,
        since: &mut Option<Instant>,
        at_most: Option<Duration>,
        patience: Patience<'_>,
    ) -> Result<()> {
        wait_for(&self.source, &self.in_words(), since, at_most, patience)
    }

    fn in_words(&self) -> String {
        format!("run {} ({})", self.owner.run, self.who)
    }
}

/// The decisions of a claim, collected so that 50,000 files take a handful of statements.
pub(super) struct Decided<'a> {
    /// Sources to create, ordered by id; each is one split that this run owns.
    pub(super) new: Vec<(i32, &'a Candidate)>,
    /// Splits to take.
    pub(super) taken: Vec<Taken>,
    /// Splits to create for sources that have grown; this run owns each of them.
    pub(super) grown: Vec<Grown>,
    /// Splits to hold as they are.
    pub(super) held: Vec<Taken>,
    /// Sources with a new description.
    pub(super) described: Vec<Described<'a>>,
    /// Archives in which sources were seen for the first time.
    pub(super) containers: Vec<(i32, Container)>,
    /// What determines the rows from here on.
    pub(super) rules_hash: Hash16,
    /// The id after the last assigned one.
    pub(super) next_id: i32,
    owned: Holdings,
    anew: Vec<Anew>,
}

/// A split that a run takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) split: Split,
    /// The epoch from now on: one more than the remembered one.
    pub(super) epoch: i64,
    /// The remembered position.
    pub(super) position: u64,
}

/// A split that a run creates for what was appended after the old end of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grown {
    /// The last split so far; it is complete, and now ends there for good.
    pub(super) last: Split,
    /// Its epoch.
    pub(super) epoch: i64,
    /// Its end, where the new split starts.
    pub(super) end: u64,
}

impl Grown {
    /// The split to create.
    pub(super) fn split(&self) -> Split {
        Split { start: self.end, ..self.last }
    }
}

/// The present description of a known source.
pub(super) struct Described<'a> {
    pub(super) id: i32,
    pub(super) file: &'a Candidate,
    /// Length and hash of its first bytes.
    pub(super) head: (u32, Hash16),
}

impl<'a> Decided<'a> {
    fn new(rules_hash: Hash16, next_id: i32) -> Decided<'a> {
        Decided {
            new: Vec::new(),
            taken: Vec::new(),
            grown: Vec::new(),
            held: Vec::new(),
            described: Vec::new(),
            containers: Vec::new(),
            rules_hash,
            next_id,
            owned: Holdings::default(),
            anew: Vec::new(),
        }
    }

    /// Whether anything is to be loaded.
    pub(super) fn begins_any(&self) -> bool {
        !self.new.is_empty() || !self.taken.is_empty() || !self.grown.is_empty()
    }

    /// Records what was decided about a file, and returns the answer for the run.
    fn note(&mut self, file: &'a Candidate, decision: Decision, remembered: &[Remembered]) -> Answer {
        let Decision { mut answer, memory, new_container } = decision;
        let memory = memory.map(|index| &remembered[index]);
        let mut id = memory.map(|memory| memory.source_id);
        match (&mut answer, memory) {
            (Answer::Load { tasks, .. }, Some(memory)) => {
                for task in tasks {
                    let (behind, position) = (memory.behind(task), task.start.position);
                    let epoch = if task.is_new { 1 } else { behind.epoch + 1 };
                    match task.is_new {
                        true => {
                            let Checkpoint { split: last, epoch, .. } = *behind;
                            self.grown.push(Grown { last, epoch, end: position });
                        }
                        false => self.taken.push(Taken { split: task.split, epoch, position }),
                    }
                    let holding = Holding { generation: memory.generation, ..Holding::open(epoch, task) };
                    self.owned.set(task.split, holding);
                }
                self.describe(file, memory);
            }
            (answer @ Answer::Load { .. }, None) => {
                id = Some(self.next_id);
                answer.give_id(self.next_id);
                self.new.push((self.next_id, file));
                let task = Task::whole(self.next_id);
                self.owned.set(task.split, Holding::open(1, &task));
                self.next_id += 1;
            }
            (Answer::Finished { .. }, Some(memory)) if has_moved(file, memory) => self.describe(file, memory),
            _ => {}
        }
        self.containers.extend(id.zip(new_container));
        answer
    }

    fn describe(&mut self, file: &'a Candidate, memory: &Remembered) {
        // A stream is only how a file was delivered this time, not a name to find it by.
        if file.stream.is_some() && file.name != memory.known.name {
            return;
        }
        // Until something is committed, the source does not own any content.
        let (known, now) = (&memory.known, &file.fingerprint);
        let head = match known.position {
            0 => (now.head_len, now.head_hash),
            _ => (known.head_len, known.head_hash),
        };
        self.described.push(Described { id: memory.source_id, file, head });
    }
}

/// Whether a file has another name or location than its source is remembered with.
fn has_moved(file: &Candidate, memory: &Remembered) -> bool {
    let inode = file.fingerprint.inode;
    file.name != memory.known.name || inode.is_some() && inode != memory.known.inode
}

/// The splits that a run holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Holdings(HashMap<Split, Holding>);

/// A split that this run owns: under which epoch, and how far it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding {
    pub(super) epoch: i64,
    pub(super) position: u64,
    /// Its end is committed. A new claim resets this.
    pub(super) is_complete: bool,
    /// Its source has other splits.
    pub(super) is_part: bool,
    /// How often its source was reloaded.
    pub(super) generation: i32,
}

impl Holding {
    /// A split that this run owns and that is not complete.
    pub(super) fn open(epoch: i64, task: &Task) -> Holding {
        let position = task.start.position;
        Holding { epoch, position, is_complete: false, is_part: task.is_part(), generation: 0 }
    }
}

impl Holdings {
    pub(super) fn get(&self, split: Split) -> Holding {
        *self.0.get(&split).expect("a split of this run was claimed")
    }

    /// How often a source of a batch was reloaded.
    pub(super) fn generation_of(&self, source: i32, batch: &Batch) -> i32 {
        let advance = batch.advances.binary_search_by_key(&source, |advance| advance.split.source);
        advance.map_or(0, |place| self.get(batch.advances[place].split).generation)
    }

    pub(super) fn set(&mut self, split: Split, holding: Holding) {
        self.0.insert(split, holding);
    }

    /// Moves some of them out.
    pub(super) fn give(&mut self, splits: &[Split]) -> Holdings {
        Holdings(splits.iter().filter_map(|split| self.0.remove_entry(split)).collect())
    }

    pub(super) fn forget(&mut self, split: Split) {
        self.0.remove(&split);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Split, Holding)> {
        self.0.iter().map(|(split, holding)| (*split, *holding))
    }
}
