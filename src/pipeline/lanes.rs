//! Lanes: concurrent writers, each with its own connection and splits.
//!
//! The tasks are divided before the first record is read. Each lane gets about the same number of
//! bytes, all of them contiguous; small files go to one lane or another, and a large file that crosses a
//! border is cut there. So there are no more cuts than borders, and each lane writes in the order of files
//! and records, as a load without lanes does: an index grows in as many places as there are lanes, and
//! nowhere else. Each lane has its own line and a share of the memory; all lanes share the workers.

use std::collections::HashMap;
use std::path::Path;

use super::Settings;
use super::claim::{Noted, bytes_to_read};
use super::splits::{cut, share};
use super::stats::Outcome;
use crate::error::{Error, Result};
use crate::format::AnyFormat;
use crate::sink::history::Line;
use crate::sink::{Before, Sink, Task};
use crate::source::Candidate;

/// No file is cut for less than this many chunks.
const CHUNKS_MIN: u64 = 8;

/// The message if lanes were requested but would decide which row stays.
const ORDER_DECIDES: &str = "with a key of named columns, the order of the records decides which row \
    stays, so there is only one lane; write on_conflict = \"newest(…)\" to have more";

/// The message if lanes were requested for a rebuild, which is one transaction.
const ONE_TRANSACTION: &str = "a rebuild is one transaction, so there is only one lane";

/// How many lanes a load has: as many as are asked for, if the job allows them and the destination has room
/// for them.
pub(super) fn open(sink: &mut dyn Sink, settings: &Settings) -> Result<usize> {
    match settings.lanes {
        0 | 1 => Ok(1),
        _ if settings.rebuild.is_some() => {
            settings.observer.warn(ONE_TRANSACTION);
            Ok(1)
        }
        // A single split is not cut again.
        _ if settings.only.is_some() => Ok(1),
        _ if settings.order_decides => {
            settings.observer.warn(ORDER_DECIDES);
            Ok(1)
        }
        lanes => sink.open_lanes(lanes),
    }
}

/// Cuts files at the borders of lanes.
pub(super) fn cut_at_borders(
    noted: &mut Noted,
    lanes: usize,
    format: &AnyFormat,
    settings: &Settings,
    sink: &mut dyn Sink,
) -> Result<()> {
    let total = noted.tasks.iter().map(|(task, file)| bytes_to_read(task, file)).sum();
    let least = CHUNKS_MIN * settings.source.chunk_bytes as u64;
    let (lanes, mut before) = (lanes as u64, 0);
    cut(noted, format, settings, sink, |task, file| {
        let (start, length) = (before, bytes_to_read(task, file));
        before += length;
        let borders = (1..lanes).map(|lane| share(total, lane, lanes)).filter(|border| *border > start);
        borders.map(|border| border - start).filter(|at| *at >= least && at + least <= length).collect()
    })
}

/// The contiguous tasks of each lane. A task belongs to the lane that contains its middle.
pub(super) fn shared_out(tasks: &[(Task, Candidate)], lanes: usize) -> Vec<&[(Task, Candidate)]> {
    let lengths: Vec<u64> = tasks.iter().map(|(task, file)| bytes_to_read(task, file)).collect();
    let lanes_of = lanes_of(&lengths, lanes);
    let (mut shares, mut rest) = (Vec::new(), tasks);
    for lane in lanes_of.chunk_by(|one, other| one == other) {
        let (share, others) = rest.split_at(lane.len());
        shares.push(share);
        rest = others;
    }
    shares
}

/// The lane of each of these lengths.
fn lanes_of(lengths: &[u64], lanes: usize) -> Vec<usize> {
    let total = u128::from(lengths.iter().sum::<u64>().max(1));
    let mut before = 0_u128;
    let lane_of = |length: &u64| {
        let middle = before + u128::from(*length) / 2;
        before += u128::from(*length);
        usize::try_from(middle * lanes as u128 / total).unwrap_or(usize::MAX).min(lanes - 1)
    };
    lengths.iter().map(lane_of).collect()
}

/// The settings of one of `lanes` lanes: its share of the common memory.
pub(super) fn settings_of_one(settings: &Settings, lanes: usize) -> Settings {
    let batch_bytes =
        (settings.batch_bytes / lanes).max(settings.source.chunk_bytes.min(settings.batch_bytes));
    Settings { batch_bytes, ..settings.clone() }
}

/// Joins the outcomes of all lanes; the error is that of the first lane that failed.
pub(super) fn join(outcome: &mut Outcome, ended: Vec<(Outcome, Result<()>)>) -> Result<()> {
    let mut result = Ok(());
    for (of_lane, written) in ended {
        outcome.join(of_lane);
        result = result.and(written);
    }
    result
}

/// The outcome of a lane's thread.
pub(super) fn joined(ended: std::thread::Result<(Outcome, Result<()>)>) -> (Outcome, Result<()>) {
    ended.unwrap_or_else(|_| (Outcome::default(), Err(Error::broken("a lane panicked"))))
}

/// Replaces the lines of reasons by their numbers in the files, where the preceding splits have completed
/// meanwhile.
pub(super) fn number_lines(outcome: &mut Outcome, tasks: &[(Task, Candidate)]) {
    let parts = tasks.iter().filter(|(task, _)| task.split.start > 0);
    let before: HashMap<(&Path, u64), &Before> =
        parts.map(|(task, file)| ((file.path.as_path(), task.split.start), &task.before)).collect();
    let lines = &outcome.lines;
    for reason in &mut outcome.reasons {
        let (Some(line), Some(start)) = (reason.line.line_of_split, reason.line.split_start) else {
            continue;
        };
        let Some(before) = before.get(&(reason.path.as_path(), start)) else { continue };
        let open = before.open().iter().map(|split| lines.get(split));
        if let Some(since) = open.sum::<Option<u64>>() {
            reason.line = Line::of(line, start, Some(before.lines + since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_gets_as_many_bytes_that_stand_behind_each_other() {
        assert_eq!(lanes_of(&[10, 10, 10, 10], 2), [0, 0, 1, 1]);
        assert_eq!(lanes_of(&[1; 9], 3), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
        // A file that is larger than a lane's share; and streams, whose length is unknown.
        assert_eq!(lanes_of(&[100, 1, 1, 0], 2), [0, 1, 1, 1]);
        assert_eq!(lanes_of(&[0, 0], 4), [0, 0]);
        assert_eq!(lanes_of(&[1 << 62, 1 << 62], 64), [16, 48]);
        for lanes in 1..6 {
            let lengths: Vec<u64> = (0..50).map(|number| number * 7 % 13).collect();
            assert!(lanes_of(&lengths, lanes).is_sorted());
        }
    }
}
