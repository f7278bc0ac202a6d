//! The planner: tasks to chunks, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded};

use super::Handed;
use super::queue::Front;
use super::stats::{Stats, add_time};
use super::workers::Workers;
use crate::error::{Error, Result};
use crate::failpoint;
use crate::format::AnyFormat;
use crate::sink::Task;
use crate::source::{Candidate, Chunk, Chunks, Settings, Source};
use crate::stop::Stop;
use crate::work::Assignment;

/// Hands out the chunks of all tasks, in order.
pub(super) struct Planner<'env, 'scope> {
    pub(super) tasks: &'env [(Task, Candidate)],
    /// The tasks that the writer has abandoned.
    pub(super) given_up: &'env [AtomicBool],
    pub(super) settings: &'env super::Settings,
    pub(super) format: &'env AnyFormat,
    pub(super) workers: &'env Workers,
    pub(super) stop: &'env Stop,
    pub(super) stats: &'env Stats,
    pub(super) scope: &'scope Scope<'scope, 'env>,
}

/// At most this many archives and objects are begun ahead: each holds chunks and a window of its own, which
/// no seat in line counts.
const AHEAD_MAX: usize = 3;

/// The same for objects so small that they hold little, and arrive in one or two responses.
const SMALL_OBJECTS_AHEAD_MAX: usize = 8;

/// The maximum size of such an object.
const SMALL_OBJECT_BYTES: u64 = 256 << 10;

impl Planner<'_, '_> {
    /// Plans until everything is handed out, or continuing is pointless.
    pub(super) fn plan(&self, front: &Front<Handed>) {
        // Archives are inflated and objects fetched concurrently: the next few are begun while an earlier
        // source is handed out.
        let mut begun: VecDeque<Result<Cutting>> = VecDeque::new();
        let mut next = 0;
        for (index, (task, _)) in self.tasks.iter().enumerate() {
            while let Some((task, candidate)) = self.tasks.get(next)
                && (next == index || begun.len() <= self.ahead_max(candidate))
            {
                if Cutting::is_work(candidate) {
                    begun.push_back(Cutting::ahead(task, candidate, &self.settings.source, self.scope));
                } else if next == index {
                    begun.push_back(Cutting::here(task, candidate, &self.settings.source));
                } else {
                    break;
                }
                next += 1;
            }
            let cutting = begun.pop_front().expect("the task at hand was begun");
            if !self.hand_out(task, cutting, &self.given_up[index], front) {
                break;
            }
        }
    }

    /// How many others may be open when this one starts.
    fn ahead_max(&self, candidate: &Candidate) -> usize {
        match candidate.is_object() {
            true if candidate.fingerprint.container.is_some_and(|it| it.size <= SMALL_OBJECT_BYTES) => {
                SMALL_OBJECTS_AHEAD_MAX
            }
            true => AHEAD_MAX,
            false => self.settings.threads.min(AHEAD_MAX),
        }
    }

    /// Hands out the chunks of a split, until its end, until it is abandoned or until a stop is requested.
    /// Each chunk takes its seat in line first. False if continuing is pointless: the writer is gone, or a
    /// stop was requested.
    fn hand_out(
        &self,
        task: &Task,
        cutting: Result<Cutting>,
        is_given_up: &AtomicBool,
        front: &Front<Handed>,
    ) -> bool {
        let split = task.split;
        // When one lane fails, the others end.
        let is_over = || self.stop.asked().is_some() || self.stop.is_abandoned();
        let reserve = |bytes| front.reserve(bytes, &is_over);
        let fail = |error| match reserve(0) {
            Some(seat) => {
                seat.fill(Handed::Failed { split, error }, 0);
                true
            }
            None => false,
        };
        let mut cutting = match cutting {
            Ok(cutting) => cutting,
            Err(error) => return fail(error),
        };
        let (mut preamble, mut copy) = (task.preamble.clone(), Vec::new());
        while !is_given_up.load(Ordering::Relaxed) {
            let began = Instant::now();
            let chunk = cutting.next();
            add_time(&self.stats.plan_ns, began.elapsed());
            match chunk {
                Ok(Some((source, chunk))) => {
                    let Some(seat) = reserve(chunk.bytes()) else { return false };
                    let max = self.settings.source.record_bytes_max;
                    let behind = self.format.behind(&preamble, &chunk.body, max, &mut copy);
                    let before = std::mem::replace(&mut preamble, behind.clone());
                    self.workers.give(Assignment { source, split, chunk, before, behind }, seat);
                }
                Ok(None) => return true,
                Err(error) => return fail(error),
            }
        }
        true
    }
}

/// The chunks of a task's source, wherever they are cut.
enum Cutting {
    /// Cut in this thread, when they are asked for.
    Here(Arc<Source>, Chunks),
    /// Cut on a separate thread, a few chunks ahead.
    Ahead(Receiver<Result<(Arc<Source>, Chunk)>>),
}

/// How many chunks a separate thread may be ahead. Each is about a MiB.
const CHUNKS_AHEAD: usize = 2;

/// Smaller archives are inflated in place: a thread costs more.
const AHEAD_BYTES_MIN: u64 = 1 << 20;

impl Cutting {
    /// Whether cutting the file, or waiting for it, is enough work for a separate thread.
    fn is_work(candidate: &Candidate) -> bool {
        candidate.is_object()
            || candidate.fingerprint.container.is_some_and(|container| container.size >= AHEAD_BYTES_MIN)
    }

    fn here(task: &Task, candidate: &Candidate, settings: &Settings) -> Result<Cutting> {
        let source = open(candidate)?;
        let chunks = Chunks::new(&source, task.start, task.end, settings)?;
        Ok(Cutting::Here(source, chunks))
    }

    /// Begins to open and to cut, on a separate thread.
    fn ahead<'env: 'scope, 'scope>(
        task: &'env Task,
        candidate: &'env Candidate,
        settings: &'env Settings,
        scope: &'scope Scope<'scope, 'env>,
    ) -> Result<Cutting> {
        let (give, take) = bounded(CHUNKS_AHEAD);
        let thread = std::thread::Builder::new().name("inflater".into()).spawn_scoped(scope, move || {
            let mut cutting = match Cutting::here(task, candidate, settings) {
                Ok(cutting) => cutting,
                Err(error) => return drop(give.send(Err(error))),
            };
            while let Some(next) = cutting.next().transpose() {
                let is_last = next.is_err();
                // The receiver is gone if the run ends early.
                if give.send(next).is_err() || is_last {
                    break;
                }
            }
        });
        // The scope waits for the thread.
        thread.map_err(|cause| Error::no_thread("a thread", &cause))?;
        Ok(Cutting::Ahead(take))
    }

    fn next(&mut self) -> Result<Option<(Arc<Source>, Chunk)>> {
        match self {
            Cutting::Here(source, chunks) => {
                Ok(chunks.next_chunk()?.map(|chunk| (Arc::clone(source), chunk)))
            }
            Cutting::Ahead(take) => take.recv().ok().transpose(),
        }
    }
}

fn open(candidate: &Candidate) -> Result<Arc<Source>> {
    failpoint::reached("before-open");
    let source = candidate.reopen()?;
    failpoint::reached("after-open");
    Ok(source)
}
