//! The claim: turns files into what a run asks for, and the answers into tasks.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Settings;
use super::bar::Tallies;
use super::stats::Outcome;
use super::turn::side_by_side;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::format::AnyFormat;
use crate::sink::{Answer, Asked, Task};
use crate::source::{Candidate, Chunks, Found, Preamble, Start};
use crate::stop::Stop;

/// The message about a file that has carriage returns and no newline.
const ONLY_RETURNS: &str = "it looks like lines end with CR only (classic Mac OS), and a line here ends with LF, so it is \
    one record; convert it first (tr '\\r' '\\n')";

/// Files that cannot be read, with the reasons.
type Unreadable = Vec<(PathBuf, String)>;

/// What a run asks for, and the files it cannot read.
pub fn asked(files: &[Found], settings: &Settings, stop: &Stop) -> Result<(Asked, Unreadable)> {
    files.iter().for_each(|file| file.watch(&settings.observer));
    let (files, failed) = fingerprint(files, stop)?;
    let asked = Asked {
        files,
        allow_duplicates: settings.allow_duplicates,
        accept_new_rules: settings.accept_new_rules,
        take_over: settings.take_over,
        key_is_position: settings.key_is_position,
        framing: settings.source.framing.clone(),
        rules_hash: settings.rules_hash,
        rebuild: settings.rebuild,
        rebuild_advice: settings.rebuild_advice.clone(),
        only: settings.only,
        grows_by_splits: settings.only.is_some(),
        beside: Arc::clone(&settings.beside),
        wait: settings.wait,
    };
    Ok((asked, failed))
}

/// The fingerprint of each file. A file that cannot be read is returned separately, and does not keep the
/// others from loading.
fn fingerprint(files: &[Found], stop: &Stop) -> Result<(Vec<Candidate>, Unreadable)> {
    let ahead = open_objects(files, stop);
    let mut candidates = Vec::with_capacity(files.len());
    let mut failed = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let opened =
            ahead.get(number).and_then(|opened| opened.lock().unwrap_or_else(PoisonError::into_inner).take());
        let opened = opened.unwrap_or_else(|| Candidate::open(file, stop));
        if let Some(signal) = stop.asked() {
            return Err(ErrorKind::Stopped(signal).into());
        }
        match opened {
            Ok(candidate) => candidates.push(candidate),
            Err(error) if error.is_about_one_source() => {
                failed.push((file.path.clone(), error.without_path(&file.path)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((candidates, failed))
}

/// How many objects are opened concurrently: each takes one short query whose answer is slow.
const OBJECTS_AT_ONCE: usize = 16;

/// Opens the files that are objects.
fn open_objects(files: &[Found], stop: &Stop) -> Vec<Mutex<Option<Result<Candidate>>>> {
    let objects: Vec<usize> =
        (0..files.len()).filter(|&number| files[number].container().is_some()).collect();
    if objects.is_empty() {
        return Vec::new();
    }
    let opened: Vec<Mutex<Option<Result<Candidate>>>> = files.iter().map(|_| Mutex::default()).collect();
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    side_by_side(OBJECTS_AT_ONCE.min(objects.len()), || {
        while let Some(&number) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop.asked().is_some() || is_over.load(Ordering::Relaxed) {
                return;
            }
            let candidate = Candidate::open(&files[number], stop);
            // If a bucket is down, it is down for all of them.
            if candidate.as_ref().is_err_and(|error| !error.is_about_one_source()) {
                is_over.store(true, Ordering::Relaxed);
            }
            *opened[number].lock().unwrap_or_else(PoisonError::into_inner) = Some(candidate);
        }
    });
    opened
}

/// The sources of a run.
pub(super) struct Noted {
    /// The tasks to load.
    pub(super) tasks: Vec<(Task, Candidate)>,
    /// The sources of which nothing is to be loaded.
    pub(super) finished: Vec<(i32, PathBuf)>,
    /// The ids of sources loaded under other rules.
    pub(super) of_other_rules: Vec<i32>,
    /// The ids of all of them.
    pub(super) selected: Vec<i32>,
    /// The figures that the sources are judged by, if there is a bar.
    pub(super) tallies: Tallies,
}

/// The sources of the run; the outcome of the other files goes into `outcome`.
pub(super) fn take_note(
    files: Vec<Candidate>,
    answers: Vec<Answer>,
    begun: &HashSet<i32>,
    outcome: &mut Outcome,
    observer: &Observer,
) -> Noted {
    let (mut tasks, mut finished, mut selected) = (Vec::new(), Vec::new(), Vec::new());
    let mut of_other_rules = Vec::new();
    for (file, answer) in files.into_iter().zip(answers) {
        match answer {
            Answer::Load { source_id, tasks: splits } => {
                selected.push(source_id);
                if file.fingerprint.has_only_returns {
                    outcome.notices.push((file.path.clone(), ONLY_RETURNS.to_owned()));
                }
                tasks.extend(splits.into_iter().map(|task| (task, file.clone())));
            }
            Answer::Finished { source_id, has_other_rules } => {
                selected.push(source_id);
                if has_other_rules {
                    of_other_rules.push(source_id);
                }
                // A source that this run itself has finished is not reported as finished before.
                if !begun.contains(&source_id) {
                    outcome.finished += 1;
                    let why = "it was loaded to the end before".to_owned();
                    observer.tell(&Event::LeftOut { file: file.path.clone(), why });
                }
                finished.push((source_id, file.path));
            }
            Answer::Duplicate(of) => {
                let why = format!("it holds the same as {of}");
                observer.tell(&Event::LeftOut { file: file.path.clone(), why });
                outcome.duplicates.push((file.path, of));
            }
            Answer::Changed(why) => outcome.refuse(file.path, why, observer),
            Answer::Beside => {}
        }
    }
    Noted { tasks, finished, of_other_rules, selected, tallies: Tallies::default() }
}

/// Finds what precedes the first record of each task, if it is not known: the source was begun under other
/// rules, by which those lines were records, or meant nothing. The source is then read from its start. A task
/// for which that fails is left out.
pub(super) fn find_preambles(
    tasks: &mut Vec<(Task, Candidate)>,
    format: &AnyFormat,
    settings: &Settings,
    stop: &Stop,
    outcome: &mut Outcome,
) {
    tasks.retain_mut(|(task, file)| {
        if task.start.record == 0 || !task.preamble.bytes().is_empty() || format.is_settled(&task.preamble) {
            return true;
        }
        let found = preamble_before(task.start.record, file, format, settings, stop);
        found
            .map(|preamble| task.preamble = preamble)
            .map_err(|error| {
                outcome.refuse(file.path.clone(), error.without_path(&file.path), &settings.observer);
            })
            .is_ok()
    });
}

/// What precedes the record at `place`. If a stop is requested the result may be incomplete; nothing is read
/// with it then.
fn preamble_before(
    place: u64,
    file: &Candidate,
    format: &AnyFormat,
    settings: &Settings,
    stop: &Stop,
) -> Result<Preamble> {
    if file.stream.is_some() {
        return Err(Error::source(
            &file.path,
            "it was partly loaded under other rules, and the new ones need its first lines again: load it \
            as a file, which can be read twice, or `logmill forget` it",
        ));
    }
    let source = file.reopen()?;
    let mut chunks = Chunks::new(&source, Start::zero(), Some(place), &settings.source)?;
    let (mut preamble, mut copy) = (Preamble::default(), Vec::new());
    while !format.is_settled(&preamble) && stop.asked().is_none() {
        let Some(chunk) = chunks.next_chunk()? else { break };
        preamble = format.behind(&preamble, &chunk.body, settings.source.record_bytes_max, &mut copy);
    }
    Ok(preamble)
}

/// Bytes of the file to be read, compressed as they are.
pub fn bytes_to_read(task: &Task, file: &Candidate) -> u64 {
    let fingerprint = &file.fingerprint;
    match (fingerprint.container, fingerprint.size) {
        (Some(container), _) if fingerprint.is_compressed => container.size,
        (_, Some(size)) => task.end.unwrap_or(size).saturating_sub(task.start.record),
        // Only reading a stream will tell.
        (_, None) => 0,
    }
}
