//! The pipeline: files in, durable rows out. The only place that starts threads that work on records.
//!
//! A planner thread finds and cuts, rayon workers parse, bind and encode, and the calling thread is the
//! writer: it collects parcels in file order into batches and commits them, one at a time. The planner takes
//! a seat in line before it hands a chunk out, and the writer gives it back after the commit, so memory is
//! bounded and no circular wait is possible (see `queue`).
//!
//! A panic in a worker, an error of the destination and a signal all end in the same way: what is committed
//! stays, what is not is forgotten, and a second run resumes from there.

mod bar;
#[cfg(test)]
mod bar_tests;
mod claim;
mod cut;
mod lanes;
mod pace;
mod plan;
mod portions;
mod queue;
#[cfg(test)]
mod ranges_tests;
mod rebuild;
mod replay;
mod setback;
#[cfg(test)]
mod setback_tests;
mod splits;
mod stats;
mod survey;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told_tests;
mod turn;
mod workers;
mod writer;

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::format::AnyFormat;
use crate::schema::Schema;
use crate::sink::bar::Bar;
use crate::sink::{Closes, Rebuild, Sink, Task};
use crate::source::{self, Candidate, Found, Hash16};
use crate::split::Split;
use crate::stop::Stop;
use crate::work::{Parcel, Recipe};
use bar::{Tallies, judge_known};
use claim::{Noted, find_preambles, take_note};
pub use claim::{asked, bytes_to_read};
use cut::Cutter;
use pace::Pace;
use plan::Planner;
use queue::queue;
pub use replay::{Mended, OfDay, OnDay, ReplaySettings, Replayed, replay};
use setback::{Part, is_set_back};
pub use splits::{split, why_whole};
pub use stats::{GivenUp, OtherRules, Outcome, Reason, Stats, Times};
pub use survey::{Survey, SurveySettings, Surveyed, survey};
pub use turn::{Turn, Turns, side_by_side};
use workers::Workers;
use writer::{Barrier, Writer};

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub threads: usize,
    pub source: source::Settings,
    /// A batch closes at this many rows.
    pub batch_rows: usize,
    /// A batch closes when its rows and rejects take this many bytes.
    pub batch_bytes: usize,
    /// Load whole duplicates as sources of their own.
    pub allow_duplicates: bool,
    /// Resume sources that were begun under other rules.
    pub accept_new_rules: bool,
    /// End the run that holds a source instead of leaving.
    pub take_over: bool,
    /// A source with more dead letters than this is abandoned.
    pub stop_above: Option<Bar>,
    /// Rows are identified by their position.
    pub key_is_position: bool,
    /// The order of the records decides which of two rows wins.
    pub order_decides: bool,
    /// The number of concurrent writers.
    pub lanes: usize,
    /// The only split to load, if the run is about one.
    pub only: Option<Split>,
    /// The hashed names of all files of the run, if they are not all claimed at once.
    pub beside: Arc<HashSet<u64>>,
    /// How long to wait for a run that holds a source; without a value, as long as it takes.
    pub wait: Option<Duration>,
    /// A hash of everything that determines the rows.
    pub rules_hash: Hash16,
    /// Reload known sources in place of their rows.
    pub rebuild: Option<Rebuild>,
    /// How a changed file can be reloaded, where it can be.
    pub rebuild_advice: Option<String>,
    /// When it may claim, if other runs are loading concurrently.
    pub turn: Option<Arc<Turn>>,
    pub observer: Observer,
}

/// The maximum lines of a chunk if a line can become a row of a hundred KiB.
const EXPANDING_LINES_MAX: usize = 256;

/// The maximum size of a chunk's reasons if each of its lines is a reject.
const REASONS_BYTES: usize = 16 << 20;

/// A chunk of fewer lines costs more than it is worth.
const SMALL_LINES_MAX: usize = 4 << 10;

/// A worker's message to the writer.
enum Handed {
    Parcel(Box<Parcel>),
    /// A split cannot be read any further.
    Failed {
        split: Split,
        error: Error,
    },
    /// A worker panicked over a chunk of this file.
    Panicked(String),
}

/// The message about a file whose rows were removed while it was loaded.
const LOST: &str = "rows of it that this run committed are not in the table any more: somebody has removed them meanwhile; \
    what is loaded is not loaded again (`logmill forget` for that)";

/// Loads `files` into `sink`, portion by portion, and asks the destination for its final state.
///
/// `outcome` is what was committed, which is complete however the run ends. `Ok` also covers a run that a
/// signal ended early and files that failed by themselves; `Err` means that it could not continue.
pub fn run(
    files: &[Found],
    recipe: Recipe,
    sink: &mut dyn Sink,
    settings: &Settings,
    stop: &Stop,
    stats: &Arc<Stats>,
    outcome: &mut Outcome,
) -> Result<()> {
    let settings = &adjusted(settings, &recipe.schema, sink.closes());
    let (mut of_other_rules, mut selected) = (Vec::new(), Vec::new());
    let portions = portions::portions(files, settings);
    let settings = &Settings { beside: portions::names(&portions), ..settings.clone() };
    if portions.len() > 1 {
        stats.foresee(portions.iter().map(|portion| portions::bytes(portion)).sum());
    }
    for (number, portion) in portions.iter().enumerate() {
        if number > 0 && stop.asked().is_some() {
            break;
        }
        if portions.len() > 1 {
            stats.foresaw(portions::bytes(portion));
        }
        let noted = load_portion(portion, &recipe, sink, settings, stop, stats, outcome)?;
        of_other_rules.extend(noted.of_other_rules);
        selected.extend(noted.selected);
    }

    // In an abandoned rebuild this was done already, before what it had loaded was removed.
    if settings.rebuild.is_none() {
        bar::explain(&mut outcome.given_up, sink)?;
    }
    if !of_other_rules.is_empty() {
        let letters = sink.open_dead_letters(&of_other_rules)?.selected;
        outcome.other_rules = Some(OtherRules { files: of_other_rules.len(), letters });
    }
    outcome.open_dead_letters = Some(sink.open_dead_letters(&selected)?);
    Ok(())
}

/// Claims files, then plans, works and writes what is new in them. If the destination has lost some of what
/// it had acknowledged, that is claimed and loaded again.
fn load_portion(
    files: &[Found],
    recipe: &Recipe,
    sink: &mut dyn Sink,
    settings: &Settings,
    stop: &Stop,
    stats: &Arc<Stats>,
    outcome: &mut Outcome,
) -> Result<Noted> {
    let (mark, mut begun, mut unread) = (outcome.mark(), HashSet::new(), 0);
    let noted = loop {
        // A reader blocked on a stream is woken when the run fails.
        let stop = &stop.branch();
        let (asked, unreadable) = asked(files, settings, stop)?;
        for (path, why) in unreadable {
            outcome.refuse(path, why, &settings.observer);
        }
        if settings.rebuild.is_some() {
            rebuild::refuse(&asked, outcome)?;
        }
        if let Some(turn) = &settings.turn {
            turn.wait(stop)?;
        }
        let answers = sink.claim(&asked)?;
        if let Some(turn) = &settings.turn {
            turn.pass();
        }
        let mut noted = take_note(asked.files, answers, &begun, outcome, &settings.observer);
        let lanes = lanes::open(sink, settings)?;
        if lanes > 1 {
            lanes::cut_at_borders(&mut noted, lanes, &recipe.format, settings, sink)?;
        }
        let Noted { tasks, finished, .. } = &mut noted;
        find_preambles(tasks, &recipe.format, settings, stop, outcome);
        begun.extend(tasks.iter().map(|(task, _)| task.split.source));
        let claimed = tell_claimed(tasks, unread, &settings.observer);
        stats.claim(claimed, unread);
        let whole = outcome.raw_bytes + claimed;

        if let Some(bar) = settings.stop_above {
            noted.tallies = judge_known(bar, tasks, finished, sink, outcome, &settings.observer)?;
        }
        let mut loaded = load(&noted, recipe, sink, lanes, settings, stop, stats, outcome);
        if settings.rebuild.is_some() {
            loaded = rebuild::settle(loaded, recipe, sink, stop, outcome, stats, &settings.observer);
            if rebuild::begins_anew(&loaded, mark, outcome, stats, &settings.observer) {
                settings.observer.warn(rebuild::INTERRUPTED);
                unread = whole.saturating_sub(outcome.raw_bytes);
                continue;
            }
        }
        let part = Part { tasks: &noted.tasks, begun: &begun, mark };
        match is_set_back(loaded, &part, sink, outcome, stats, &settings.observer)? {
            true if stop.asked().is_none() => settings.observer.warn(setback::WENT_BACK),
            _ => break noted,
        }
        unread = whole.saturating_sub(outcome.raw_bytes);
    };

    let lost = sink.lost()?;
    for (_, file) in noted.tasks.iter().filter(|(task, _)| lost.contains(&task.split.source)) {
        outcome.notices.push((file.path.clone(), LOST.to_owned()));
    }
    Ok(noted)
}

/// Reads what was loaded of `files` once more, up to where it was, and gives it to a sink that compares it.
/// In the order of the sources, in which a destination can return their rows.
pub fn read_again(
    files: &[Found],
    recipe: &Recipe,
    sink: &mut dyn Sink,
    settings: &Settings,
    stop: &Stop,
    stats: &Arc<Stats>,
    outcome: &mut Outcome,
) -> Result<()> {
    let settings = &adjusted(settings, &recipe.schema, sink.closes());
    let stop = &stop.branch();
    let (asked, unreadable) = asked(files, settings, stop)?;
    outcome.failed.extend(unreadable);
    let answers = sink.claim(&asked)?;
    let mut noted = take_note(asked.files, answers, &HashSet::new(), outcome, &settings.observer);
    noted.tasks.sort_by_key(|(task, _)| task.split);
    let bytes = noted.tasks.iter().map(|(task, file)| bytes_to_read(task, file)).sum();
    stats::add(&stats.bytes_total, bytes);
    load(&noted, recipe, sink, 1, settings, stop, stats, outcome)
}

/// Reports what a run has claimed, and returns the bytes to be read. `again_bytes` of them were already
/// counted as unread by an earlier claim.
fn tell_claimed(tasks: &[(Task, Candidate)], again_bytes: u64, observer: &Observer) -> u64 {
    let claimed = tasks.iter().map(|(task, file)| Event::SourceClaimed {
        file: file.path.clone(),
        source: task.split.source,
        start: task.split.start,
        position: task.start.position,
        bytes: bytes_to_read(task, file),
    });
    claimed.for_each(|event| observer.tell(&event));
    let bytes = tasks.iter().map(|(task, file)| bytes_to_read(task, file)).sum();
    observer.tell(&Event::Claimed { sources: tasks.len(), bytes, again_bytes });
    bytes
}

/// Plans, works and writes, each on its own threads; in several lanes, if there are.
#[expect(clippy::too_many_arguments, reason = "what a run is, handed on as it is")]
fn load(
    noted: &Noted,
    recipe: &Recipe,
    sink: &mut dyn Sink,
    lanes: usize,
    settings: &Settings,
    stop: &Stop,
    stats: &Arc<Stats>,
    outcome: &mut Outcome,
) -> Result<()> {
    let shares = lanes::shared_out(&noted.tasks, lanes);
    let Some((first, others)) = shares.split_first() else { return Ok(()) };
    outcome.lanes = outcome.lanes.max(shares.len());
    let splits = |tasks: &[(Task, Candidate)]| tasks.iter().map(|(task, _)| task.split).collect::<Vec<_>>();
    let mut sinks = others.iter().map(|tasks| sink.lane(&splits(tasks))).collect::<Result<Vec<_>>>()?;
    let workers = &Workers::start(sink.work(recipe.clone()), settings, stats)?;
    let settings = &lanes::settings_of_one(settings, shares.len());
    let threads = settings.threads.div_ceil(shares.len());
    let (tallies, format, given_up) = (&noted.tallies, &recipe.format, &Mutex::default());
    let lane = Lane { number: 0, tallies, given_up, format, workers, threads, settings, stop, stats };
    let ended = std::thread::scope(|scope| {
        let beside = sinks.iter_mut().zip(others).zip(1..).map(|((sink, tasks), number)| {
            let lane = Lane { number, ..lane };
            let thread = std::thread::Builder::new().name("lane".into());
            thread.spawn_scoped(scope, move || {
                let mut outcome = Outcome::default();
                let loaded = lane.load(tasks, &mut **sink, &mut outcome);
                (outcome, loaded)
            })
        });
        let beside: Vec<_> = beside.collect();
        let loaded = lane.load(first, sink, outcome);
        let beside = beside.into_iter().map(|thread| match thread {
            Ok(thread) => lanes::joined(thread.join()),
            Err(cause) => (Outcome::default(), Err(Error::no_thread("a thread", &cause))),
        });
        let beside: Vec<_> = beside.collect();
        lanes::join(outcome, beside).and(loaded)
    });
    sinks.iter_mut().for_each(|sink| sink.leave());
    lanes::number_lines(outcome, &noted.tasks);
    ended
}

/// The common part of a load's lanes.
#[derive(Clone, Copy)]
struct Lane<'a> {
    number: i32,
    tallies: &'a Tallies,
    /// The sources that any lane has abandoned and reported.
    given_up: &'a Mutex<HashSet<i32>>,
    format: &'a AnyFormat,
    workers: &'a Workers,
    /// The number of workers for each lane.
    threads: usize,
    settings: &'a Settings,
    stop: &'a Stop,
    stats: &'a Stats,
}

impl Lane<'_> {
    /// Loads the tasks of one lane.
    fn load(self, tasks: &[(Task, Candidate)], sink: &mut dyn Sink, outcome: &mut Outcome) -> Result<()> {
        let Lane { number, tallies, given_up: told, format, workers, threads, settings, stop, stats } = self;
        // Two batches, so that the workers prepare the next while the destination processes one, and a chunk
        // for each worker on top. A destination that takes rows ahead holds one of them itself.
        let batches = if sink.closes() == Closes::WhenFull { 2 } else { 1 };
        let budget = batches * settings.batch_bytes + threads * settings.source.chunk_bytes;
        let (front, back) = queue::<Handed>(budget, 2 * threads + 2);
        let given_up: &Vec<AtomicBool> = &tasks.iter().map(|_| AtomicBool::new(false)).collect();
        std::thread::scope(|scope| {
            // The planner, or another lane's, may be waiting for a silent stream when the writer fails or
            // panics.
            let awaited = stop.awaited();
            let planner = Planner { tasks, given_up, settings, format, workers, stop, stats, scope };
            let thread = std::thread::Builder::new().name("planner".into());
            let planned = thread.spawn_scoped(scope, move || planner.plan(&front));
            let planned = planned.map_err(|cause| Error::no_thread("a thread", &cause))?;
            let pace = Pace::new(sink.run_id(), number, tasks, outcome);
            let mut writer = Writer::new(tasks, sink, workers, settings, stop, stats, outcome, pace);
            if let Some(bar) = settings.stop_above {
                let cutter = Cutter::new(workers, format, settings.source.record_bytes_max);
                writer = writer.below(Barrier { bar, cutter, given_up, told }, tallies);
            }
            let written = writer.write(back);
            match &written {
                Ok(()) => awaited.has_come(),
                Err(_) => drop(awaited),
            }
            // To the writer, a planner that panicked has reached its end.
            planned.join().map_err(|_| Error::broken("the planner panicked"))?;
            written
        })
    }
}

/// The settings, with sources cut as the schema and the sink require.
fn adjusted(settings: &Settings, schema: &Schema, closes: Closes) -> Settings {
    let mut settings = settings.clone();
    settings.source.lines_max = match schema.can_expand() {
        true => EXPANDING_LINES_MAX,
        false => (REASONS_BYTES / schema.reasons_bytes_max().max(1))
            .max(SMALL_LINES_MAX)
            .min(settings.source.lines_max),
    };
    if let Closes::At(bytes) = closes {
        settings.source.border_bytes = Some(bytes);
    }
    settings
}
