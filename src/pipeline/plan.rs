//! The planner: files to claims, and claims to chunks, in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::queue::Entrance;
use super::stats::{Stats, add_time};
use super::worker::Assignment;
use crate::error::{Error, Result};
use crate::sink::Task;
use crate::source::{Candidate, Chunks, Found, Settings, Source};
use crate::stop::Stop;

/// What each of the files is recognised by. A file that cannot be read is told apart, and is
/// no reason to lose the others.
pub(super) fn fingerprint(files: &[Found]) -> (Vec<Candidate>, Vec<(PathBuf, String)>) {
    let mut candidates = Vec::with_capacity(files.len());
    let mut failed = Vec::new();
    for file in files {
        let fingerprint = Source::open(&file.path).and_then(|source| source.fingerprint());
        match fingerprint {
            Ok(fingerprint) => {
                candidates.push(Candidate { path: file.path.clone(), name: file.name.clone(), fingerprint });
            }
            Err(error) => failed.push((file.path.clone(), error.without_path(&file.path))),
        }
    }
    (candidates, failed)
}

/// What the planner hands to the writer, by way of a worker or past it.
pub(super) enum Planned {
    /// A chunk, for a worker.
    Chunk(Assignment),
    /// A source cannot be read on: what there is of it is complete as far as it goes.
    Failed {
        /// The source's id.
        source_id: i32,
        /// Why.
        error: Error,
    },
}

/// Cuts a source and hands out its chunks, until its end or until the stop.
///
/// Each chunk takes its place in line before it is handed out. Returns false when there is
/// no use in going on: the writer is gone, or a stop was asked for.
pub(super) fn cut<T>(
    task: &Task,
    candidate: &Candidate,
    settings: &Settings,
    entrance: &Entrance<T>,
    stop: &Stop,
    stats: &Stats,
    hand_out: &mut dyn FnMut(super::queue::Place<T>, Planned),
) -> bool {
    let is_stopped = || stop.asked().is_some();
    let result = try_cut(task, candidate, settings, stats, &mut |bytes, planned| match entrance
        .reserve(bytes, &is_stopped)
    {
        Some(place) => {
            hand_out(place, planned);
            true
        }
        None => false,
    });
    match result {
        Ok(go_on) => go_on,
        Err(error) => match entrance.reserve(0, &is_stopped) {
            Some(place) => {
                hand_out(place, Planned::Failed { source_id: task.source_id, error });
                true
            }
            None => false,
        },
    }
}

fn try_cut(
    task: &Task,
    candidate: &Candidate,
    settings: &Settings,
    stats: &Stats,
    send: &mut dyn FnMut(usize, Planned) -> bool,
) -> Result<bool> {
    let source = Arc::new(Source::open(&task.path)?);
    // Between the claim and now the name may have come to stand for another file.
    if source.size() < task.start || !source.begins_like(&candidate.fingerprint)? {
        return Err(Error::source(
            &task.path,
            "the file was replaced just now; run again to load what stands there",
        ));
    }
    stats.bytes_total.fetch_add(source.size().saturating_sub(candidate.fingerprint.size), Ordering::Relaxed);
    let start = match task.start {
        0 => source.first_record()?,
        start => start,
    };
    let mut chunks = Chunks::new(&source, start, settings);
    let mut sent = false;
    loop {
        let began = Instant::now();
        let chunk = chunks.next_chunk()?;
        add_time(&stats.plan_ns, began.elapsed());
        let assignment = match chunk {
            Some(chunk) => {
                let ends = chunk.span.end == source.size();
                Assignment { source: Arc::clone(&source), source_id: task.source_id, chunk, ends }
            }
            // An empty file, or one that ends where the checkpoint is: complete as it is.
            None if !sent => {
                let chunk = source.nothing_at(start.max(task.position))?;
                Assignment { source: Arc::clone(&source), source_id: task.source_id, chunk, ends: true }
            }
            None => return Ok(true),
        };
        let ends = assignment.ends;
        if !send(assignment.chunk.bytes(), Planned::Chunk(assignment)) {
            return Ok(false);
        }
        sent = true;
        if ends {
            return Ok(true);
        }
    }
}
