//! Claims: what a run is to do with each of its files.
//!
//! A destination remembers its sources; [`decide`] compares these memories with the files
//! of a run and says for each what is to be done. It is the same for every destination and
//! runs inside the destination's claiming transaction, so that of two runs with the same
//! new file one makes the source and the other finds it. Whoever finds a source in other hands
//! says so in the same words everywhere.

use std::time::{Duration, Instant};

use super::Again;
use super::outage::{Patience, stopped};
use crate::error::{Error, Kind, Result};
use crate::event::Event;
use crate::source::{Candidate, Container, Hash16, Known, Recognised, Start, is_blank, recognise};

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
    /// Where reading starts: the checkpoint, or a little before or behind it where the last
    /// line had no line end.
    pub start: Start,
    /// Lines before the first record that is read.
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
    /// The archive that the source was not seen in before.
    pub new_container: Option<Container>,
}

impl Decision {
    fn alone(claim: Claim) -> Decision {
        Decision { claim, memory: None, new_container: None }
    }
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
            decision.unwrap_or_else(|error| Decision::alone(Claim::Changed(error.without_path(&file.path))))
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
        Recognised::New => Decision {
            new_container: file.fingerprint.container,
            ..Decision::alone(Claim::Load(Task { source_id: 0, start: Start::zero(), lines: 0, again: None }))
        },
        Recognised::Known(index) => {
            let memory = &memories[index];
            let container = file.fingerprint.container.filter(|own| !memory.known.containers.contains(own));
            let claim = resume(file, memory, claims.key_is_position)?;
            Decision { claim, memory: Some(index), new_container: container }
        }
        Recognised::DuplicateOf(name) => Decision::alone(Claim::Duplicate(name)),
        Recognised::Changed(how) => Decision::alone(Claim::Changed(how)),
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
            .is_some_and(|index| task.start.position > 0 && memories[index].rules_hash != claims.rules_hash)
    });
    let names: Vec<String> = begun.map(|(file, _)| file.path.display().to_string()).collect();
    let Some((first, more)) = names.split_first() else { return Ok(()) };
    let others = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    Err(Error::usage(format!(
        "{first}{others}: loaded in part, and the job's format, fields or key have changed since; \
         --accept-new-rules goes on from there by the new rules, `logmill forget` begins anew"
    )))
}

/// How to go on with a known source.
fn resume(file: &Candidate, memory: &Memory, key_is_position: bool) -> Result<Claim> {
    let known = &memory.known;
    let position = known.position;
    // A stream has to be read to see whether it is all there; what was loaded is compared.
    let is_stream = file.stream.is_some();
    let is_known_archive = file.fingerprint.container.is_some_and(|own| known.containers.contains(&own));
    if known.complete && !is_stream && (is_known_archive || file.ends_at(position)?) {
        return Ok(Claim::Finished { source_id: memory.source_id });
    }
    let mut task = Task {
        source_id: memory.source_id,
        start: Start {
            position,
            tail: (known.tail_len, known.tail_hash),
            record: position,
            follows_open_line: memory.tail_start.is_some(),
        },
        lines: memory.lines,
        again: None,
    };
    let Some(tail_start) = memory.tail_start.filter(|_| !is_stream) else { return Ok(Claim::Load(task)) };
    task.start.follows_open_line = false;
    // The last line had no line end, and the file may have grown.
    let Some(probe) = file.probe(position)? else { return Ok(Claim::Load(task)) };
    match probe.next.as_slice() {
        [] => return Ok(Claim::Load(task)),
        // Only its line end was missing: the line is what it was.
        [b'\n', ..] => task.start.record = position + 1,
        [b'\r', b'\n'] => task.start.record = position + 2,
        _ => {
            let was_blank = probe.last(position - tail_start).is_some_and(is_blank);
            if !key_is_position && !was_blank {
                return Ok(Claim::Changed(grew_inside_a_line(tail_start)));
            }
            task.start.record = tail_start;
            task.lines -= 1;
            task.again = Some(Again { offset: tail_start, was_blank });
        }
    }
    Ok(Claim::Load(task))
}

fn grew_inside_a_line(tail_start: u64) -> String {
    format!(
        "its last line, at byte {tail_start}, had no line end when it was loaded, and has grown since. \
         Only with key = \"position\" can a line be loaded again; give the file a line end, or `logmill forget` it"
    )
}

/// How long a newcomer waits for a holder that may only be outliving its client.
const HOLDER_WAIT: Duration = Duration::from_secs(10);

/// Waits a moment for whoever holds `source`, or gives up.
pub(super) fn wait_for(
    source: &str,
    holder: &str,
    since: &mut Option<Instant>,
    patience: Patience<'_>,
) -> Result<()> {
    let is_first = since.is_none();
    let waited = since.get_or_insert_with(Instant::now).elapsed();
    if waited >= HOLDER_WAIT {
        let message =
            format!("{source} is held by {holder}; wait for it, or take its place with --take-over");
        return Err(Kind::Held(message).into());
    }
    if is_first {
        let (source, holder) = (source.to_owned(), holder.to_owned());
        patience.observer.tell(&Event::Held { source, holder, at_most: HOLDER_WAIT });
    }
    match patience.stop.sleep(Duration::from_millis(200)) {
        true => Ok(()),
        false => Err(stopped(patience.stop)),
    }
}

/// What a run says that finds its sources taken.
pub(super) fn lost_ownership() -> Error {
    Kind::Held(
        "another run has taken over the sources of this one; nothing more was written. \
         `logmill status` shows who has them"
            .to_owned(),
    )
    .into()
}

/// A count or an offset as it is stored. Ours are never negative.
pub(super) fn unsigned(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// A count or an offset to be stored.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).expect("a file is shorter than 8 EiB")
}

/// A hash as it is stored. One of another length is from another version and matches nothing.
pub(super) fn hash(stored: &[u8]) -> Hash16 {
    Hash16(stored.try_into().unwrap_or([0; 16]))
}
