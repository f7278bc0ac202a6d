//! Claims: what a run is to do with each of its files.
//!
//! A destination remembers its sources; [`decide`] compares these memories with the files
//! of a run and says for each what is to be done. It is the same for every destination and
//! runs inside the destination's claiming transaction, so that of two runs with the same
//! new file one makes the source and the other finds it.

use std::path::PathBuf;

use super::Again;
use crate::error::{Error, Result};
use crate::source::{Candidate, Hash16, Known, Recognised, Source, is_blank, recognise};

/// What a run asks for.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The files, in order.
    pub files: Vec<Candidate>,
    /// Load whole duplicates as sources of their own.
    pub allow_duplicates: bool,
    /// Go on with sources that were begun under other rules.
    pub accept_new_rules: bool,
    /// End the run that holds a source, rather than leave.
    pub take_over: bool,
    /// The rows are known by their position, so a line can be read again.
    pub key_is_position: bool,
    /// What decides the rows, as one hash.
    pub rules_hash: Hash16,
}

/// A source as the destination remembers it.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Its id.
    pub source_id: i32,
    /// What it is recognised by, and how far it is.
    pub known: Known,
    /// Lines up to the position.
    pub lines: u64,
    /// The start of a last line that had no line end.
    pub tail_start: Option<u64>,
    /// What decided the rows up to the position.
    pub rules_hash: Hash16,
}

/// What is to be done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Load it, from where the task says.
    Load(Task),
    /// It is loaded to its end.
    Finished {
        /// The source's id.
        source_id: i32,
    },
    /// All of it is known under this other name.
    Duplicate(String),
    /// It is not what was loaded; why, and what to do.
    Changed(String),
}

/// A source to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The source's id. 0 until the destination has given one to a new source.
    pub source_id: i32,
    /// Where it is.
    pub path: PathBuf,
    /// The checkpoint.
    pub position: u64,
    /// Where reading starts: the checkpoint, or a little before or behind it where the last
    /// line had no line end.
    pub start: u64,
    /// Lines before `start`.
    pub lines: u64,
    /// The line that is read again.
    pub again: Option<Again>,
}

/// A claim, and what the destination has to write down for it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is to be done.
    pub claim: Claim,
    /// The memory that this is, if it is one.
    pub memory: Option<usize>,
}

/// Decides what to do with each file. One that cannot be read is no reason to lose the
/// others. An error means that nothing is to be done at all: the rules have changed in the
/// middle of a source.
pub fn decide(claims: &Claims, memories: &[Memory]) -> Result<Vec<Decision>> {
    let known: Vec<Known> = memories.iter().map(|memory| memory.known.clone()).collect();
    let recognised = recognise(&claims.files, &known, claims.allow_duplicates);
    let decisions: Vec<Decision> = claims
        .files
        .iter()
        .zip(recognised)
        .map(|(file, recognised)| {
            let decision = recognised.and_then(|recognised| decide_one(file, recognised, claims, memories));
            decision.unwrap_or_else(|error| Decision {
                claim: Claim::Changed(error.without_path(&file.path)),
                memory: None,
            })
        })
        .collect();
    refuse_other_rules(claims, memories, &decisions)?;
    Ok(decisions)
}

fn decide_one(
    file: &Candidate,
    recognised: Recognised,
    claims: &Claims,
    memories: &[Memory],
) -> Result<Decision> {
    Ok(match recognised {
        Recognised::New => Decision { claim: Claim::Load(new_task(file)), memory: None },
        Recognised::Known(index) => {
            let claim = resume(file, &memories[index], claims.key_is_position)?;
            Decision { claim, memory: Some(index) }
        }
        Recognised::DuplicateOf(name) => Decision { claim: Claim::Duplicate(name), memory: None },
        Recognised::Changed(how) => Decision { claim: Claim::Changed(how), memory: None },
    })
}

/// Refuses to go on with sources that were begun under other rules.
fn refuse_other_rules(claims: &Claims, memories: &[Memory], decisions: &[Decision]) -> Result<()> {
    if claims.accept_new_rules {
        return Ok(());
    }
    let begun = claims.files.iter().zip(decisions).filter(|(_, decision)| {
        let Claim::Load(task) = &decision.claim else { return false };
        decision
            .memory
            .is_some_and(|index| task.position > 0 && memories[index].rules_hash != claims.rules_hash)
    });
    let names: Vec<String> = begun.map(|(file, _)| file.path.display().to_string()).collect();
    let Some((first, more)) = names.split_first() else { return Ok(()) };
    let others = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    Err(Error::usage(format!(
        "{first}{others}: loaded in part, and the job's format, fields or key have changed since; \
         --accept-new-rules goes on from there by the new rules, `logmill forget` begins anew"
    )))
}

fn new_task(file: &Candidate) -> Task {
    Task { source_id: 0, path: file.path.clone(), position: 0, start: 0, lines: 0, again: None }
}

/// How to go on with a known source.
fn resume(file: &Candidate, memory: &Memory, key_is_position: bool) -> Result<Claim> {
    let size = file.fingerprint.size;
    let position = memory.known.position;
    if memory.known.complete && size == position {
        return Ok(Claim::Finished { source_id: memory.source_id });
    }
    let mut task = Task {
        source_id: memory.source_id,
        path: file.path.clone(),
        position,
        start: position,
        lines: memory.lines,
        again: None,
    };
    let Some(tail_start) = memory.tail_start.filter(|_| size > position) else {
        return Ok(Claim::Load(task));
    };
    // The last line had no line end, and the file has grown.
    let source = Source::open(&file.path)?;
    let mut next = [0; 2];
    let next = &mut next[..usize::try_from(size - position).map_or(2, |more| more.min(2))];
    source.read_into(position, next)?;
    let line_end = match next {
        [b'\n', ..] => 1,
        [b'\r', b'\n'] => 2,
        _ => 0,
    };
    if line_end > 0 {
        // Only its line end was missing: the line is what it was.
        task.start = position + line_end;
        return Ok(Claim::Load(task));
    }
    let was = source.read(crate::span::Span::new(tail_start, position))?;
    let was_blank = is_blank(&was);
    if !key_is_position && !was_blank {
        return Ok(Claim::Changed(format!(
            "its last line, at byte {tail_start}, had no line end when it was loaded, and has grown since. \
             Only with key = \"position\" can a line be loaded again; give the file a line end, or `logmill forget` it"
        )));
    }
    task.start = tail_start;
    task.lines -= 1;
    task.again = Some(Again { offset: tail_start, was_blank });
    Ok(Claim::Load(task))
}
