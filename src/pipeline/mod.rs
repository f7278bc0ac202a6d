//! The pipeline: files in, durable rows out. The only place that starts threads.
//!
//! A planner thread finds and cuts, rayon workers parse, bind and encode, and the calling
//! thread is the writer: it collects parcels in file order into batches and commits them,
//! one at a time. The planner takes a place in line before it hands a chunk out and the
//! writer gives it back after the commit, so memory is bounded and nobody waits for anybody
//! in a circle (see `queue`).
//!
//! A panic in a worker, an error of the destination and a signal all end in the same way:
//! what is committed stays, what is not is forgotten, and a second run goes on from there.

mod plan;
mod queue;
mod stats;
mod survey;
#[cfg(test)]
mod tests;
mod worker;
mod writer;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::bounded;

use crate::error::{Error, Kind, Result};
use crate::event::{Event, Observer};
use crate::format::Format;
use crate::schema::Schema;
use crate::sink::{Claim, Claims, Parcel, Rows, Sink, Task};
use crate::source::{self, Candidate, Found, Hash16};
use crate::stop::Stop;
use plan::{Cutting, Planned};
use queue::queue;
pub use stats::{Outcome, Reason, Stats, Times};
pub use survey::{Survey, SurveySettings, Surveyed, survey};
use worker::{Rules, Worker};
use writer::{Spent, Writer};

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Worker threads.
    pub threads: usize,
    /// How sources are read.
    pub source: source::Settings,
    /// A batch closes at this many rows,
    pub batch_rows: usize,
    /// or when its rows and rejects are this many bytes.
    pub batch_bytes: usize,
    /// Of a longer reject only hash and place are kept.
    pub raw_bytes_max: usize,
    /// Load whole duplicates as sources of their own.
    pub allow_duplicates: bool,
    /// Go on with sources that were begun under other rules.
    pub accept_new_rules: bool,
    /// End the run that holds a source, rather than leave.
    pub take_over: bool,
    /// The rows are known by their position.
    pub key_is_position: bool,
    /// What decides the rows, as one hash.
    pub rules_hash: Hash16,
    /// Is told what happens.
    pub observer: Observer,
}

/// No more rows' rooms are kept than this, however small the chunks.
const SPARES_MAX: usize = 64;

/// So many archives are begun ahead at most: each holds chunks and a window of its own, which
/// no permit counts.
const ARCHIVES_AHEAD_MAX: usize = 3;

/// The lines of a chunk, where a line can become a row of a hundred KiB.
const EXPANDING_LINES_MAX: usize = 256;

/// What a worker hands to the writer.
enum Handed {
    Parcel(Box<Parcel>),
    /// A source cannot be read on.
    Failed {
        source_id: i32,
        error: Error,
    },
    /// A worker panicked over a chunk of this file.
    Panicked(String),
}

/// What is said of a file without a newline but with carriage returns.
const ONLY_RETURNS: &str = "it looks like lines end with CR only (classic Mac OS), and a line here ends with LF, so it is \
    one record; convert it first (tr '\\r' '\\n')";

/// Loads `files` into `sink`.
///
/// `Ok` says what came of it, also where it ended early by a signal or where single files
/// failed. `Err` means that the run could not go on; what was committed before is whole.
pub fn run<F, S>(
    files: &[Found],
    format: F,
    schema: Arc<Schema>,
    sink: &mut S,
    settings: &Settings,
    stop: &Stop,
    stats: &Arc<Stats>,
) -> Result<Outcome>
where
    F: Format + 'static,
    S: Sink,
{
    let began = Instant::now();
    let mut outcome = Outcome::default();
    let mut settings = settings.clone();
    if schema.can_expand() {
        settings.source.lines_max = EXPANDING_LINES_MAX;
    }
    let settings = &settings;
    // Whoever waits for a stream to go on is told when the run has failed meanwhile.
    let stop = &stop.branch();
    let (claims, unreadable) = claims(files, settings, stop)?;
    for (path, why) in unreadable {
        outcome.refuse(path, why, &settings.observer);
    }
    let claimed = sink.claim(&claims)?;
    let mut selected = Vec::new();
    let mut tasks = Vec::new();
    for (file, claim) in claims.files.into_iter().zip(claimed) {
        match claim {
            Claim::Load(task) => {
                selected.push(task.source_id);
                if file.fingerprint.has_only_returns {
                    outcome.notices.push((file.path.clone(), ONLY_RETURNS.to_owned()));
                }
                tasks.push((task, file));
            }
            Claim::Finished { source_id } => {
                selected.push(source_id);
                outcome.finished += 1;
            }
            Claim::Duplicate(of) => outcome.duplicates.push((file.path, of)),
            Claim::Changed(why) => outcome.refuse(file.path, why, &settings.observer),
        }
    }
    let to_read = tasks.iter().map(|(task, file)| bytes_to_read(task, file)).sum();
    stats::add(&stats.bytes_total, to_read);
    settings.observer.tell(&Event::Claimed { sources: tasks.len(), bytes: to_read });

    if !tasks.is_empty() {
        let rules = Arc::new(Rules {
            format,
            schema,
            encoder: sink.encoder(),
            record_bytes_max: settings.source.record_bytes_max,
            raw_bytes_max: settings.raw_bytes_max,
        });
        load(&tasks, &rules, sink, settings, stop, stats, &mut outcome)?;
    }
    outcome.open_dead_letters = sink.open_dead_letters(&selected)?;
    outcome.times = stats.times();
    outcome.elapsed = began.elapsed();
    Ok(outcome)
}

/// What a run asks for, and the files that it cannot read.
pub fn claims(files: &[Found], settings: &Settings, stop: &Stop) -> Result<(Claims, Vec<(PathBuf, String)>)> {
    let (files, failed) = plan::fingerprint(files, stop)?;
    let claims = Claims {
        files,
        allow_duplicates: settings.allow_duplicates,
        accept_new_rules: settings.accept_new_rules,
        take_over: settings.take_over,
        key_is_position: settings.key_is_position,
        rules_hash: settings.rules_hash,
    };
    Ok((claims, failed))
}

/// Bytes of the file that are to be read, compressed as they are.
pub fn bytes_to_read(task: &Task, file: &Candidate) -> u64 {
    let fingerprint = &file.fingerprint;
    match (fingerprint.container, fingerprint.size) {
        (Some(container), _) => container.size,
        (None, Some(size)) => size.saturating_sub(task.start.record),
        // Only reading a stream will tell.
        (None, None) => 0,
    }
}

/// The threads that parse.
fn workers(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("worker-{index}"))
        .build()
        .map_err(|cause| Error::usage(format!("cannot start {threads} workers: {cause}")))
}

fn load<F, S>(
    tasks: &[(Task, Candidate)],
    rules: &Arc<Rules<F, S::Encoder>>,
    sink: &mut S,
    settings: &Settings,
    stop: &Stop,
    stats: &Arc<Stats>,
    outcome: &mut Outcome,
) -> Result<()>
where
    F: Format + 'static,
    S: Sink,
{
    let pool = workers(settings.threads)?;
    // The memory of the workers. There is one for each thread, so taking one never waits.
    let (give_back, idle) = bounded::<Worker>(settings.threads);
    for _ in 0..settings.threads {
        give_back.send(Worker::default()).expect("there is room for each");
    }
    // The room of rows that were committed is used again: to ask the system for it anew was a
    // tenth of a worker's time. No more is kept than a batch is made of.
    let spares_max = settings.batch_bytes / settings.source.chunk_bytes.max(1) + settings.threads;
    let (spares, room) = bounded::<Rows>(spares_max.min(SPARES_MAX));
    // Two batches, so that the workers prepare the next while the destination digests one,
    // and a chunk for each worker on top.
    let budget = 2 * settings.batch_bytes + settings.threads * settings.source.chunk_bytes;
    let (entrance, exit) = queue::<Handed>(budget, 2 * settings.threads + 2);

    std::thread::scope(|scope| {
        let planner = std::thread::Builder::new().name("planner".into());
        let plan = planner.spawn_scoped(scope, || {
            let entrance = entrance;
            let mut hand_out = |place: queue::Place<Handed>, planned: Planned| match planned {
                Planned::Failed { source_id, error } => place.fill(Handed::Failed { source_id, error }, 0),
                Planned::Chunk(assignment) => {
                    let (rules, idle, give_back) = (Arc::clone(rules), idle.clone(), give_back.clone());
                    let room = room.clone();
                    let stats = Arc::clone(stats);
                    pool.spawn_fifo(move || {
                        let began = Instant::now();
                        let mut worker = idle.recv().unwrap_or_default();
                        let path = assignment.source.path().to_owned();
                        let span = assignment.chunk.span;
                        let result = catch_unwind(AssertUnwindSafe(|| {
                            worker.work(&rules, assignment, room.try_recv().unwrap_or_default())
                        }));
                        let (handed, bytes) = match result {
                            Ok(parcel) => {
                                let bytes = parcel.bytes();
                                // A panicked worker's memory is left behind instead.
                                let _ = give_back.send(worker);
                                (Handed::Parcel(Box::new(parcel)), bytes)
                            }
                            Err(_) => {
                                let _ = give_back.send(Worker::default());
                                let what = format!(
                                    "a worker panicked over bytes {}..{} of {}",
                                    span.start,
                                    span.end,
                                    path.display()
                                );
                                (Handed::Panicked(what), 0)
                            }
                        };
                        stats::add_time(&stats.work_ns, began.elapsed());
                        place.fill(handed, bytes);
                    });
                }
            };
            // What is inflated is inflated side by side: the next few archives are begun
            // while an earlier source is handed out.
            let mut begun: VecDeque<Result<Cutting>> = VecDeque::new();
            let mut next = 0;
            for index in 0..tasks.len() {
                while next < tasks.len()
                    && (next == index || begun.len() <= settings.threads.min(ARCHIVES_AHEAD_MAX))
                {
                    let (task, candidate) = &tasks[next];
                    if Cutting::is_work(candidate) {
                        begun.push_back(Cutting::ahead(task, candidate, &settings.source, scope));
                    } else if next == index {
                        begun.push_back(Cutting::here(task, candidate, &settings.source));
                    } else {
                        break;
                    }
                    next += 1;
                }
                let cutting = begun.pop_front().expect("the task at hand was begun");
                if !plan::cut(&tasks[index].0, cutting, &entrance, stop, stats, &mut hand_out) {
                    break;
                }
            }
        });
        let plan =
            plan.map_err(|error| Error::from(Kind::Usage(format!("cannot start a thread: {error}"))))?;
        // The planner may be waiting for a silent stream when the writer fails, or panics.
        let awaited = stop.awaited();
        let written =
            Writer::new(tasks, sink, settings, stop, stats, &Spent { pool: &pool, spares }, outcome)
                .write(exit);
        drop(awaited);
        // To the writer, a planner that panicked has come to its end.
        plan.join().map_err(|_| Error::broken("the planner panicked"))?;
        written
    })
}
