//! Splits: where sources are cut, and why some cannot be.
//!
//! A source is cut once, by the run that holds it, while it is one split and something of it is still to be
//! loaded. From then on its parts are in the destination, and every run that loads them, anywhere and in any
//! order, finds the same ones.

use super::Settings;
use super::claim::{Noted, asked, bytes_to_read, take_note};
use super::stats::Outcome;
use crate::error::Result;
use crate::format::AnyFormat;
use crate::sink::{Closes, Cut, Sink, Task};
use crate::source::{Candidate, Found, record_start_behind};
use crate::stop::Stop;

/// Why a file stays one split, if it must.
pub fn why_whole(file: &Candidate, format: &AnyFormat, settings: &Settings) -> Option<&'static str> {
    if settings.order_decides {
        return Some("with a key of named columns, the order of the records decides which row stays");
    }
    if file.stream.is_some() {
        return Some("a stream must be read from its beginning");
    }
    if file.fingerprint.is_compressed {
        return Some("an archive must be read from its beginning");
    }
    if !settings.source.framing.shows_starts() {
        return Some("the start of a record can only be found by reading everything before it");
    }
    (!format.settles()).then_some("directives anywhere in it can change how later lines are read")
}

/// Claims files, cuts those that are to be read into splits of about `bytes` each, and loads nothing.
pub fn split(
    files: &[Found],
    format: &AnyFormat,
    bytes: u64,
    sink: &mut dyn Sink,
    settings: &Settings,
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<()> {
    let (mut asked, unreadable) = asked(files, settings, stop)?;
    asked.grows_by_splits = true;
    for (path, why) in unreadable {
        outcome.refuse(path, why, &settings.observer);
    }
    let answers = sink.claim(&asked)?;
    let mut noted = take_note(asked.files, answers, &Default::default(), outcome, &settings.observer);
    cut(&mut noted, format, settings, sink, |task, file| {
        let length = bytes_to_read(task, file);
        let parts = (length.saturating_add(bytes / 2) / bytes.max(1)).max(1);
        (1..parts).map(|part| share(length, part, parts)).collect()
    })
}

/// The length of the first `part` of `parts` equal parts.
pub(super) fn share(length: u64, part: u64, parts: u64) -> u64 {
    let share = u128::from(length) * u128::from(part) / u128::from(parts);
    u64::try_from(share).expect("a part is no longer than the whole")
}

/// Cuts the tasks that can be cut. `behind` returns, in order, after how many bytes of what is to be read of
/// a task; each cut is at the next record start.
pub(super) fn cut(
    noted: &mut Noted,
    format: &AnyFormat,
    settings: &Settings,
    sink: &mut dyn Sink,
    mut behind: impl FnMut(&Task, &Candidate) -> Vec<u64>,
) -> Result<()> {
    let (mut cuts, mut parts) = (Vec::new(), Vec::with_capacity(noted.tasks.len()));
    let every = match sink.closes() {
        Closes::WhenFull => None,
        Closes::At(bytes) => Some(bytes),
    };
    for (task, file) in std::mem::take(&mut noted.tasks) {
        let behind = behind(&task, &file);
        // No caller knows yet of a split that this claim has created.
        let can_be_cut = task.is_new || !task.is_part();
        let is_cut = !behind.is_empty() && can_be_cut && why_whole(&file, format, settings).is_none();
        // A file that cannot be read is reported when it is to be loaded.
        let places = if is_cut {
            places(&task, &file, &behind, every, settings).unwrap_or_default()
        } else {
            Vec::new()
        };
        if places.is_empty() {
            parts.push((task, file));
            continue;
        }
        let cut = Cut { split: task.split, places, end: task.end };
        parts.extend(cut.tasks(task).into_iter().map(|task| (task, file.clone())));
        cuts.push(cut);
    }
    noted.tasks = parts;
    sink.cut(&cuts)
}

/// The record starts after these numbers of bytes of what is to be read of a task. If batches end at the
/// first record after each multiple of `every`, splits do too, so that the content of a batch does not depend
/// on where a source is cut.
fn places(
    task: &Task,
    file: &Candidate,
    behind: &[u64],
    every: Option<u64>,
    settings: &Settings,
) -> Result<Vec<u64>> {
    let source = file.reopen()?;
    let start = task.start.record.max(task.start.position);
    let end = task.end.or(file.fingerprint.size).unwrap_or(start);
    let mut places: Vec<u64> = Vec::new();
    for bytes in behind {
        let near = match every {
            None => (task.start.record + bytes).max(start + 1),
            Some(every) => (task.start.record + bytes + every / 2) / every * every,
        };
        if near <= start {
            continue;
        }
        // A single record may extend beyond both places.
        if places.last().is_some_and(|last| *last >= near) {
            continue;
        }
        let Some(place) = record_start_behind(&source, near - 1, end, &settings.source)? else { break };
        places.push(place);
    }
    Ok(places)
}
