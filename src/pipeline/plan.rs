//! The planner: files to claims, and claims to chunks, in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Scope;
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded};

use super::queue::{Entrance, Place};
use super::stats::{Stats, add_time};
use super::worker::Assignment;
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::sink::Task;
use crate::source::{Candidate, Chunk, Chunks, Found, Settings, Source};
use crate::stop::Stop;

/// Files that cannot be read, and why.
pub(super) type Unreadable = Vec<(PathBuf, String)>;

/// What each of the files is recognised by. A file that cannot be read is told apart, and is
/// no reason to lose the others.
pub(super) fn fingerprint(files: &[Found], stop: &Stop) -> Result<(Vec<Candidate>, Unreadable)> {
    let mut candidates = Vec::with_capacity(files.len());
    let mut failed = Vec::new();
    for file in files {
        let opened = Candidate::open(&file.path, &file.name, stop);
        if let Some(signal) = stop.asked() {
            return Err(Kind::Stopped(signal).into());
        }
        match opened {
            Ok(candidate) => candidates.push(candidate),
            Err(error) => failed.push((file.path.clone(), error.without_path(&file.path))),
        }
    }
    Ok((candidates, failed))
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

/// The chunks of a task's source, wherever they are cut.
pub(super) enum Cutting {
    /// Here, when they are asked for.
    Here(Arc<Source>, Chunks),
    /// On a thread of its own, a few ahead of where they are taken.
    Ahead(Arc<Source>, Receiver<Result<Chunk>>),
}

/// Chunks that a thread of its own may be ahead. Each is about a MiB.
const CHUNKS_AHEAD: usize = 2;

/// Smaller archives are inflated where they are: a thread costs more.
const AHEAD_BYTES_MIN: u64 = 1 << 20;

impl Cutting {
    /// Whether cutting the file is work enough for a thread of its own.
    pub(super) fn is_work(candidate: &Candidate) -> bool {
        candidate.fingerprint.container.is_some_and(|container| container.size >= AHEAD_BYTES_MIN)
    }

    /// Begins to cut, here.
    pub(super) fn here(task: &Task, candidate: &Candidate, settings: &Settings) -> Result<Cutting> {
        let source = open(candidate)?;
        let chunks = Chunks::new(&source, task.start, settings)?;
        Ok(Cutting::Here(source, chunks))
    }

    /// Begins to cut, on a thread of its own.
    pub(super) fn ahead<'scope>(
        task: &Task,
        candidate: &Candidate,
        settings: &Settings,
        scope: &'scope Scope<'scope, '_>,
    ) -> Result<Cutting> {
        let source = open(candidate)?;
        let mut chunks = Chunks::new(&source, task.start, settings)?;
        let (give, take) = bounded(CHUNKS_AHEAD);
        let thread = std::thread::Builder::new().name("inflater".into()).spawn_scoped(scope, move || {
            while let Some(next) = chunks.next_chunk().transpose() {
                let is_last = next.is_err();
                // Nobody takes them when the run ends early.
                if give.send(next).is_err() || is_last {
                    break;
                }
            }
        });
        // The scope waits for it.
        thread.map_err(|cause| Error::broken(format!("cannot start a thread: {cause}")))?;
        Ok(Cutting::Ahead(source, take))
    }

    fn source(&self) -> &Arc<Source> {
        match self {
            Cutting::Here(source, _) | Cutting::Ahead(source, _) => source,
        }
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        match self {
            Cutting::Here(_, chunks) => chunks.next_chunk(),
            Cutting::Ahead(_, take) => take.recv().ok().transpose(),
        }
    }
}

fn open(candidate: &Candidate) -> Result<Arc<Source>> {
    failpoint::reached("before-open");
    let source = candidate.reopen()?;
    failpoint::reached("after-open");
    Ok(source)
}

/// Hands out the chunks of a source, until its end or until the stop.
///
/// Each chunk takes its place in line before it is handed out. Returns false when there is
/// no use in going on: the writer is gone, or a stop was asked for.
pub(super) fn cut<T>(
    task: &Task,
    cutting: Result<Cutting>,
    entrance: &Entrance<T>,
    stop: &Stop,
    stats: &Stats,
    hand_out: &mut dyn FnMut(Place<T>, Planned),
) -> bool {
    let is_stopped = || stop.asked().is_some();
    let source_id = task.source_id;
    let mut send = |bytes, planned| match entrance.reserve(bytes, &is_stopped) {
        Some(place) => {
            hand_out(place, planned);
            true
        }
        None => false,
    };
    let mut cutting = match cutting {
        Ok(cutting) => cutting,
        Err(error) => return send(0, Planned::Failed { source_id, error }),
    };
    loop {
        let began = Instant::now();
        let chunk = cutting.next();
        add_time(&stats.plan_ns, began.elapsed());
        match chunk {
            Ok(Some(chunk)) => {
                let source = Arc::clone(cutting.source());
                if !send(chunk.bytes(), Planned::Chunk(Assignment { source, source_id, chunk })) {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(error) => return send(0, Planned::Failed { source_id, error }),
        }
    }
}
