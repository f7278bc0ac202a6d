//! The workers: a pool of threads, and the memory that circulates between them and the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::queue::Seat;
use super::stats::{Stats, add_time};
use super::{Handed, Settings};
use crate::error::{Error, Result};
use crate::sink::Batch;
use crate::work::{Assignment, Parcel, Rows, Work, Worker};

/// Threads for work on records.
pub(super) fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("worker-{index}"))
        .build()
        .map_err(|cause| Error::no_thread(format!("{threads} workers"), &cause))
}

/// At most this many row buffers are kept for reuse, however small the chunks.
const SPARES_MAX: usize = 64;

/// The threads that turn chunks into parcels.
pub(super) struct Workers {
    pool: rayon::ThreadPool,
    work: Arc<dyn Work>,
    /// The memory of each worker. There is one per thread, so taking one never waits.
    idle: (Sender<Worker>, Receiver<Worker>),
    /// Row buffers for reuse: allocating them afresh cost a tenth of a worker's time.
    spares: (Sender<Rows>, Receiver<Rows>),
    /// Larger buffers than this are not kept.
    spare_bytes_max: usize,
    stats: Arc<Stats>,
}

impl Workers {
    pub(super) fn start(work: Arc<dyn Work>, settings: &Settings, stats: &Arc<Stats>) -> Result<Workers> {
        let idle = bounded(settings.threads);
        for _ in 0..settings.threads {
            idle.0.send(Worker::default()).expect("there is room for each");
        }
        // As many as a batch is made of, at most.
        let chunk_bytes = settings.source.chunk_bytes;
        let spares = settings.batch_bytes / chunk_bytes.max(1) + settings.threads;
        Ok(Workers {
            pool: pool(settings.threads)?,
            work,
            idle,
            spares: bounded(spares.min(SPARES_MAX)),
            spare_bytes_max: 2 * chunk_bytes,
            stats: Arc::clone(stats),
        })
    }

    /// Lets a worker make a parcel from a chunk and put it into `seat`.
    pub(super) fn give(&self, assignment: Assignment, seat: Seat<Handed>) {
        let (work, stats) = (Arc::clone(&self.work), Arc::clone(&self.stats));
        let (give_back, idle) = self.idle.clone();
        let spares = self.spares.1.clone();
        self.pool.spawn_fifo(move || {
            let began = Instant::now();
            let mut worker = idle.recv().unwrap_or_default();
            let path = assignment.source.path().to_owned();
            let span = assignment.chunk.span;
            let rows = spares.try_recv().unwrap_or_default();
            let result = catch_unwind(AssertUnwindSafe(|| work.work(&mut worker, assignment, rows)));
            let (handed, bytes) = match result {
                Ok(parcel) => {
                    let bytes = parcel.bytes();
                    let _ = give_back.send(worker);
                    (Handed::Parcel(Box::new(parcel)), bytes)
                }
                Err(_) => {
                    // The memory of a worker that panicked is abandoned.
                    let _ = give_back.send(Worker::default());
                    let path = path.display();
                    let what = format!("a worker panicked over bytes {}..{} of {path}", span.start, span.end);
                    (Handed::Panicked(what), 0)
                }
            };
            add_time(&stats.work_ns, began.elapsed());
            seat.fill(handed, bytes);
        });
    }

    /// Lets `worker` make a parcel from a chunk in this thread.
    pub(super) fn work_here(&self, worker: &mut Worker, assignment: Assignment) -> Parcel {
        let rows = self.spares.1.try_recv().unwrap_or_default();
        self.work.work(worker, assignment, rows)
    }

    /// Takes back the memory of rows that are no longer needed.
    pub(super) fn reuse(&self, mut rows: Rows) {
        if rows.clear(self.spare_bytes_max) {
            let _ = self.spares.0.try_send(rows);
        }
    }

    /// Takes the memory of a committed batch back, and frees its seats in line. Returning it to the system
    /// takes as long as a commit, so a worker does it, because the destination waits for the writer.
    pub(super) fn recycle(&self, batch: Arc<Batch>, free: impl FnOnce() + Send + 'static) {
        let (spares, bytes_max) = (self.spares.0.clone(), self.spare_bytes_max);
        self.pool.spawn_fifo(move || {
            for mut parcel in Arc::into_inner(batch).into_iter().flat_map(|batch| batch.parcels) {
                if parcel.rows.clear(bytes_max) {
                    // A buffer for which there is no room is dropped.
                    let _ = spares.try_send(parcel.rows);
                }
            }
            free();
        });
    }
}
