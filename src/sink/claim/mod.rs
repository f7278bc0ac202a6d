//! Claims: what a run does with each of its files.
//!
//! A destination remembers its sources; [`decide`] compares them with the files of a run and decides about
//! each. It is the same for every destination and runs inside the destination's claiming transaction: when
//! two runs see the same new file, one creates the source and the other finds it. A run that finds a source
//! held by another uses the same words everywhere.

mod resume;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use resume::{is_of_other_rules, resume};

use super::Again;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::outage::{Patience, stopped};
use crate::source::{Candidate, Container, Framing, Hash16, Inode, Known, Preamble, Recognised, Start};
use crate::source::{hash16, recognise, recognise_beside};
use crate::split::Split;

/// The request of a run.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The files, in order.
    pub files: Vec<Candidate>,
    /// Load whole duplicates as sources of their own.
    pub allow_duplicates: bool,
    /// Resume sources that were begun under other rules.
    pub accept_new_rules: bool,
    /// End the run that holds a source instead of leaving.
    pub take_over: bool,
    /// Rows are identified by position, so a record can be read again.
    pub key_is_position: bool,
    /// What separates records.
    pub framing: Framing,
    /// A hash of everything that determines the rows.
    pub rules_hash: Hash16,
    /// Reload known sources in place of their rows.
    pub rebuild: Option<Rebuild>,
    /// How a changed file can be reloaded, where it can be.
    pub rebuild_advice: Option<String>,
    /// The only split asked for, if the run is about one.
    pub only: Option<Split>,
    /// Growth of a source becomes a split of its own, even if the source has been one split so far.
    pub grows_by_splits: bool,
    /// The hashed names of all files of the run, when `files` is only a part of them. A file that bears
    /// another file's remembered name does not take its place.
    pub beside: Arc<HashSet<u64>>,
    /// How long to wait for another run that holds a source; without a value, as long as it takes.
    pub wait: Option<Duration>,
}

/// What a rebuild may do beyond what the files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// The files are all the job has, so a source that matches none of them has lost its file.
    pub is_whole: bool,
    /// A source without a file is removed with its rows; otherwise it is refused.
    pub allow_missing: bool,
}

/// Whose sources a run asks for. The same content is a different source for another job, in another table, or
/// on another day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// The name of the job.
    pub(super) job: String,
    /// The full name of the table that holds the rows. A job that moves to another table has loaded nothing
    /// into that one.
    pub(super) target: String,
    /// The data date of the run.
    pub(super) data_date: Option<NaiveDate>,
}

/// Which sources of a table to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The job's own.
    Own,
    /// Those of other jobs.
    Others,
}

/// A source as stored in the destination.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Its id.
    pub source_id: i32,
    /// Its job.
    pub job: String,
    /// Its data date.
    pub data_date: Option<NaiveDate>,
    /// What identifies it.
    pub known: Known,
    /// The start of an unfinished last line.
    pub tail_start: Option<u64>,
    /// How often it was reloaded.
    pub generation: i32,
    /// The checkpoints of its splits, in order. There is at least one.
    pub checkpoints: Vec<Checkpoint>,
}

/// How far a split is, and who owns it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The split.
    pub split: Split,
    /// Its end. The last split of a source extends to the end of the source, wherever that is.
    pub end: Option<u64>,
    /// The position up to which it is committed.
    pub position: u64,
    /// Lines of the split up to the position.
    pub lines: u64,
    /// Length and hash of the bytes before the position.
    pub tail: (u32, Hash16),
    /// What precedes the position.
    pub preamble: Preamble,
    /// Whether it is committed to its end.
    pub complete: bool,
    /// The hash of the rules that produced the rows up to the position.
    pub rules_hash: Hash16,
    /// The offset from which these rules apply; other rules produced the rows before it.
    pub rules_since: u64,
    /// Raised each time the split is taken.
    pub epoch: i64,
    /// Its owner.
    pub owner: Option<Owner>,
}

/// The owner of a split: a run, and the process that keeps it alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The run.
    pub run: i64,
    /// The server process or, where there is none, the program's own process.
    pub pid: i32,
    /// When the process started, in microseconds since 1970, if known.
    pub start_us: Option<i64>,
}

impl Asked {
    /// Whether to wait for a living run that holds what is asked for: yes for a single split, and whenever
    /// the user set a wait. Otherwise the claim waits only for a holder that may merely be outliving its
    /// client, when that cannot be determined at once.
    pub(super) fn waits(&self) -> bool {
        self.only.is_some() || self.wait != Some(HOLDER_WAIT)
    }
}

impl Remembered {
    /// A source, before its splits are known.
    pub fn new(
        source_id: i32,
        job: String,
        name: String,
        head: (u32, Hash16),
        tail_start: Option<u64>,
    ) -> Remembered {
        let known = Known {
            name,
            head_len: head.0,
            head_hash: head.1,
            position: 0,
            tail_len: 0,
            tail_hash: hash16(b""),
            complete: true,
            containers: Vec::new(),
            inode: None,
        };
        let (data_date, checkpoints) = (None, Vec::new());
        Remembered { source_id, job, data_date, known, tail_start, generation: 0, checkpoints }
    }

    /// Adds the next split. A file is this source if it holds everything that was committed, which the bytes
    /// before the farthest position prove; so the source is as far as the farthest of its splits.
    pub fn push(&mut self, checkpoint: Checkpoint) {
        let known = &mut self.known;
        if checkpoint.position > checkpoint.split.start {
            known.position = checkpoint.position;
            (known.tail_len, known.tail_hash) = checkpoint.tail;
        }
        known.complete &= checkpoint.complete;
        self.checkpoints.push(checkpoint);
    }

    /// The checkpoint of one of its splits.
    pub fn checkpoint(&self, split: Split) -> Option<&Checkpoint> {
        let place = self.checkpoints.binary_search_by_key(&split, |checkpoint| checkpoint.split);
        place.ok().map(|place| &self.checkpoints[place])
    }

    /// Its last split.
    pub fn last(&self) -> &Checkpoint {
        self.checkpoints.last().expect("a source has a checkpoint")
    }

    /// The checkpoint a task resumes from: that of its split or, for a split the source has just grown by,
    /// that of the split before.
    pub(super) fn behind(&self, task: &Task) -> &Checkpoint {
        self.checkpoint(task.split).unwrap_or_else(|| self.last())
    }
}

/// What to do with a file that a run asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Load each of its open splits.
    Load {
        /// The source's id; 0 until the destination has assigned one to a new source.
        source_id: i32,
        /// Its open splits, in order.
        tasks: Vec<Task>,
    },
    /// It is loaded to its end.
    Finished {
        /// The source's id.
        source_id: i32,
        /// Whether some of it was loaded under other rules than the present ones.
        has_other_rules: bool,
    },
    /// All of its content is known under this other name.
    Duplicate(String),
    /// Its content is not what was loaded: why, and what to do.
    Changed(String),
    /// The run asks for a split of another file.
    Beside,
}

/// A split to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The split.
    pub split: Split,
    /// Where reading starts: at the checkpoint, or slightly before or after it if the last line had no line
    /// end.
    pub start: Start,
    /// Where the split ends; without a value, where its source does.
    pub end: Option<u64>,
    /// Lines of the split before the first record to be read.
    pub lines: u64,
    /// What precedes the split.
    pub before: Before,
    /// The record that is read again.
    pub again: Option<Again>,
    /// What precedes the first record to be read, as far as it is known.
    pub preamble: Preamble,
    /// This claim creates the split for what its source has grown by; no caller knows of it yet.
    pub is_new: bool,
}

/// What precedes a split in its source.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The lines of the preceding splits that are complete.
    pub lines: u64,
    /// The open splits of the source, in order: one shared list, however many splits there are.
    of_source: Arc<[Split]>,
    /// How many of them precede this one.
    open: usize,
}

impl Before {
    /// What precedes the split at this index among the open ones.
    pub(super) fn at(place: usize, open: &Arc<[Split]>, lines: u64) -> Before {
        Before { lines, of_source: Arc::clone(open), open: place }
    }

    /// The preceding splits whose number of lines is not known yet.
    pub fn open(&self) -> &[Split] {
        &self.of_source[..self.open]
    }
}

impl PartialEq for Before {
    fn eq(&self, other: &Before) -> bool {
        (self.lines, self.open()) == (other.lines, other.open())
    }
}

impl Eq for Before {}

impl Task {
    /// All of a source of which nothing has been loaded.
    pub fn whole(source_id: i32) -> Task {
        Task {
            split: Split::whole(source_id),
            start: Start::zero(),
            end: None,
            lines: 0,
            before: Before::default(),
            again: None,
            preamble: Preamble::default(),
            is_new: false,
        }
    }

    /// Whether its source has other splits.
    pub fn is_part(&self) -> bool {
        self.split.start > 0 || self.end.is_some()
    }
}

impl Answer {
    /// The source the file belongs to, if it is one.
    pub(super) fn source_id(&self) -> Option<i32> {
        match self {
            Answer::Load { source_id, .. } | Answer::Finished { source_id, .. } => Some(*source_id),
            Answer::Duplicate(_) | Answer::Changed(_) | Answer::Beside => None,
        }
    }

    /// Assigns its id to a new source.
    pub(crate) fn give_id(&mut self, id: i32) {
        if let Answer::Load { source_id, tasks } = self {
            *source_id = id;
            tasks.iter_mut().for_each(|task| task.split.source = id);
        }
    }
}

/// An answer, and what the destination must store for it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The answer.
    pub answer: Answer,
    /// The index of the remembered source that the file is, if it is one.
    pub memory: Option<usize>,
    /// The archive, if the source was not seen in it before.
    pub new_container: Option<Container>,
}

impl Decision {
    fn alone(answer: Answer) -> Decision {
        Decision { answer, memory: None, new_container: None }
    }
}

/// Decides what to do with each file. A file that cannot be read does not keep the others from loading. An
/// error means that nothing may be loaded: the rules have changed in the middle of a source.
pub fn decide(asked: &Asked, remembered: &[Remembered]) -> Result<Vec<Decision>> {
    let known: Vec<Known> = remembered.iter().map(|memory| memory.known.clone()).collect();
    let recognised = recognise_beside(&asked.files, &known, &asked.beside, asked.allow_duplicates);
    let decisions: Vec<Decision> = asked
        .files
        .iter()
        .zip(recognised)
        .map(|(file, recognised)| {
            let decision = recognised.and_then(|recognised| decide_one(file, recognised, asked, remembered));
            decision.or_else(|error| match error.kind() {
                ErrorKind::Stopped(_) => Err(error),
                _ => Ok(Decision::alone(Answer::Changed(error.without_path(&file.path)))),
            })
        })
        .collect::<Result<_>>()?;
    let decisions = match asked.only {
        Some(split) => only(split, asked, decisions, remembered)?,
        None => decisions,
    };
    refuse_other_rules(asked, remembered, &decisions)?;
    Ok(decisions)
}

fn decide_one(
    file: &Candidate,
    recognised: Recognised,
    asked: &Asked,
    remembered: &[Remembered],
) -> Result<Decision> {
    Ok(match recognised {
        Recognised::New => Decision {
            new_container: file.fingerprint.container,
            ..Decision::alone(Answer::Load { source_id: 0, tasks: vec![Task::whole(0)] })
        },
        Recognised::Known(index) => {
            let memory = &remembered[index];
            let container = file.fingerprint.container.filter(|own| !memory.known.containers.contains(own));
            let answer = resume(file, memory, asked)?;
            Decision { answer, memory: Some(index), new_container: container }
        }
        Recognised::DuplicateOf(name) => Decision::alone(Answer::Duplicate(name)),
        Recognised::Changed(how) => Decision::alone(changed(file, how, asked)),
    })
}

/// The answer for a file whose content is not what was loaded. A stream can never be reloaded.
fn changed(file: &Candidate, how: String, asked: &Asked) -> Answer {
    Answer::Changed(match asked.rebuild_advice.as_ref().filter(|_| file.stream.is_none()) {
        Some(advice) => format!("{how}; {}", advice.replace("FILE", &file.path.display().to_string())),
        None => how,
    })
}

/// The decisions, reduced to one split. A split that is complete stays complete, whatever has been appended
/// after it.
fn only(
    split: Split,
    asked: &Asked,
    mut decisions: Vec<Decision>,
    remembered: &[Remembered],
) -> Result<Vec<Decision>> {
    let index = remembered.iter().position(|memory| memory.source_id == split.source);
    let is_known = index.is_some_and(|index| {
        // A split that the source has grown by is created by the run that asks for it.
        remembered[index].checkpoint(split).is_some() || has_task(&decisions, split)
    });
    let Some(memory) = index.filter(|_| is_known).map(|index| &remembered[index]) else {
        return Err(Error::usage(format!(
            "the job has no split {split} here; `logmill plan` prints the ids of those that are open, and \
             `logmill plan --split-size SIZE` makes them"
        )));
    };
    let mut is_there = false;
    for decision in &mut decisions {
        if decision.memory != index {
            *decision = Decision::alone(Answer::Beside);
            continue;
        }
        is_there = true;
        let Answer::Load { source_id, tasks } = &mut decision.answer else { continue };
        tasks.retain(|task| task.split == split);
        if tasks.is_empty() {
            let has_other_rules =
                memory.checkpoint(split).is_some_and(|checkpoint| is_of_other_rules(checkpoint, asked));
            decision.answer = Answer::Finished { source_id: *source_id, has_other_rules };
        }
    }
    match is_there {
        true => Ok(decisions),
        false => Err(Error::usage(format!(
            "split {split} is of {}, which is not among the files of the job; give it, or a copy, as FILE",
            memory.known.name
        ))),
    }
}

/// Whether a split is among those to load.
fn has_task(decisions: &[Decision], split: Split) -> bool {
    decisions.iter().any(|decision| match &decision.answer {
        Answer::Load { tasks, .. } => tasks.iter().any(|task| task.split == split),
        _ => false,
    })
}

/// Whether some files are new to the job and so may belong to another job.
pub(super) fn asks_for_others(asked: &Asked, decisions: &[Decision]) -> bool {
    !asked.allow_duplicates && new_files(asked, decisions).next().is_some()
}

/// The files that the job has never seen. Empty files are left out: they belong to no job.
fn new_files<'a>(asked: &'a Asked, decisions: &'a [Decision]) -> impl Iterator<Item = &'a Candidate> {
    let files = asked.files.iter().zip(decisions);
    let new = files.filter(|(file, decision)| {
        let is_new = matches!(decision.answer, Answer::Load { .. }) && decision.memory.is_none();
        is_new && file.fingerprint.size != Some(0)
    });
    new.map(|(file, _)| file)
}

/// Refuses files that another job has loaded into the same table on the same day: most likely that is this
/// job under its former name.
pub(super) fn refuse_sources_of_others(
    asked: &Asked,
    decisions: &[Decision],
    others: &[Remembered],
) -> Result<()> {
    let files: Vec<Candidate> = new_files(asked, decisions).cloned().collect();
    let known: Vec<Known> = others.iter().map(|memory| memory.known.clone()).collect();
    let mut met: Vec<(&Candidate, &str)> = Vec::new();
    for (file, recognised) in files.iter().zip(recognise(&files, &known, false)) {
        let other = match recognised {
            Ok(Recognised::Known(index)) if known[index].position > 0 => Some(index),
            Ok(Recognised::DuplicateOf(name)) => known.iter().position(|known| known.name == name),
            // A file that cannot be read is reported when it is to be loaded.
            _ => None,
        };
        met.extend(other.map(|index| (file, others[index].job.as_str())));
    }
    let Some(((first, job), more)) = met.split_first() else { return Ok(()) };
    let (source_name, job) = (first.path.display().to_string(), (*job).to_owned());
    Err(ErrorKind::OfAnotherJob { source_name, more: more.len(), job }.into())
}

/// Refuses to resume sources that were begun under other rules.
fn refuse_other_rules(asked: &Asked, remembered: &[Remembered], decisions: &[Decision]) -> Result<()> {
    if asked.accept_new_rules {
        return Ok(());
    }
    let begun = asked.files.iter().zip(decisions).filter(|(_, decision)| {
        let (Answer::Load { tasks, .. }, Some(index)) = (&decision.answer, decision.memory) else {
            return false;
        };
        tasks.iter().any(|task| is_of_other_rules(remembered[index].behind(task), asked))
    });
    let names: Vec<String> = begun.map(|(file, _)| file.path.display().to_string()).collect();
    let Some((first, more)) = names.split_first() else { return Ok(()) };
    Err(ErrorKind::RulesChanged { source_name: first.clone(), more: more.len() }.into())
}

/// How long a new run waits for a holder that may only be outliving its client.
pub const HOLDER_WAIT: Duration = Duration::from_secs(10);

/// How often it checks at first whether the holder is gone.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often it checks in the end: the holder is at work then.
const LOOK_EVERY_LATER: Duration = Duration::from_secs(1);

/// The pause before the next check, after so long a wait: as often as at first while the holder may only be
/// outliving its client, then less and less often.
fn pause(waited: Duration) -> Duration {
    (waited / 50).clamp(LOOK_EVERY, LOOK_EVERY_LATER)
}

/// Waits a moment for the holder of `source`, or gives up.
pub(super) fn wait_for(
    source: &str,
    holder: &str,
    since: &mut Option<Instant>,
    at_most: Option<Duration>,
    patience: Patience<'_>,
) -> Result<()> {
    let is_first = since.is_none();
    let waited = since.get_or_insert_with(Instant::now).elapsed();
    if at_most.is_some_and(|at_most| waited >= at_most) {
        return Err(held(source, holder));
    }
    if is_first {
        let (source, holder) = (source.to_owned(), holder.to_owned());
        patience.observer.tell(&Event::Held { source, holder, at_most });
    }
    match patience.stop.sleep(pause(waited)) {
        true => Ok(()),
        false => Err(stopped(patience.stop)),
    }
}

/// Reports the end of a wait for a source's holder, if there was a wait.
pub(super) fn is_free(since: Option<Instant>, observer: &Observer) {
    if let Some(since) = since {
        observer.tell(&Event::Resumed { trouble: "held", after: since.elapsed() });
    }
}

/// The error of a run that finds a source held by another living run.
pub(super) fn held(source: &str, holder: &str) -> Error {
    let then = "; wait for it, or take its place with --take-over";
    ErrorKind::Held { source_name: source.to_owned(), holder: holder.to_owned(), then }.into()
}

/// The error of a run that finds its sources taken by another.
pub(super) fn lost_ownership() -> Error {
    ErrorKind::TakenOver.into()
}

/// A file's device and inode as stored: both numbers or neither. All 64 bits of each are significant.
pub(super) fn stored_inode(inode: Option<Inode>) -> (Option<i64>, Option<i64>) {
    let both = inode.map(|inode| (inode.device.cast_signed(), inode.number.cast_signed()));
    (both.map(|(device, _)| device), both.map(|(_, number)| number))
}

/// A file's device and inode, from their stored form.
pub(super) fn inode(device: Option<i64>, number: Option<i64>) -> Option<Inode> {
    Some(Inode { device: device?.cast_unsigned(), number: number?.cast_unsigned() })
}

/// Reads a stored count or offset, which is never negative.
pub(super) fn unsigned(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// A count or an offset, to be stored.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).expect("a file is shorter than 8 EiB")
}

/// Reads a stored hash. One of another length comes from another version and matches nothing.
pub(super) fn hash(stored: &[u8]) -> Hash16 {
    Hash16(stored.try_into().unwrap_or([0; 16]))
}

#[cfg(test)]
mod tests;
