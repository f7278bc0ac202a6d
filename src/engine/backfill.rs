//! `backfill`: one job for many days.
//!
//! A day is a load like any other, with its own run and its own checkpoints. A single look at the destination
//! first determines what is due, so that a completed year costs next to nothing. Days may be loaded
//! concurrently; their claims are still made in the order of the days, so that ids do not depend on
//! concurrency.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::NaiveDate;

use super::load::{Share, load_beside, to_be_rebuilt};
use super::run::settings;
use super::{LoadOptions, Watch, destination, files, rollup};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::pipeline::{self, Settings, Turn, Turns, bytes_to_read, side_by_side};
use crate::report::{Backfill, BackfillDate, Exit, Head, Load, LoadRollups};
use crate::sink::dates::{DateState, Day};
use crate::sink::destination::Destination;
use crate::sink::{Answer, Counts, Task, decide};
use crate::source::{Discovered, Found};

/// How a backfill proceeds.
#[derive(Clone, Copy, Debug)]
pub struct BackfillOptions {
    /// What the load of each day may do.
    pub load: LoadOptions,
    /// How many days are loaded at a time.
    pub parallel: usize,
    /// The first failed day ends it.
    pub fail_fast: bool,
}

/// What to do: the days, in order.
#[derive(Debug)]
pub struct BackfillPlan<'c> {
    config: &'c Config,
    options: BackfillOptions,
    destination: String,
    days: Vec<PlannedDay>,
}

/// A day, and what to do for it.
#[derive(Debug)]
struct PlannedDay {
    date: NaiveDate,
    files: Discovered,
    fate: Fate,
    /// Its open dead letters.
    open_dead_letters: u64,
    /// Some of it was loaded under other rules.
    other_rules: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It has no file.
    Absent,
    /// All of it is loaded.
    Done,
    /// Bytes of it to read.
    Due(u64),
}

/// Determines what is due. Writes nothing.
pub fn plan_backfill<'c>(
    config: &'c Config,
    dates: &[NaiveDate],
    options: BackfillOptions,
    watch: &Watch,
) -> Result<BackfillPlan<'c>> {
    refuse_undated(config)?;
    refuse_order(config, options.parallel)?;
    if let (Some(rebuild), Some(date)) = (options.load.rebuild, dates.first()) {
        to_be_rebuilt(&config.on(*date), rebuild, watch)?;
    }
    let destination = destination(config, watch)?;
    let options = match options.load.rebuild {
        // A day that is being rebuilt locks the file until it is complete.
        Some(_) if destination.file().is_some() => BackfillOptions { parallel: 1, ..options },
        _ => options,
    };
    let mut calendar = destination.calendar()?;
    let mut days = Vec::with_capacity(dates.len());
    for &date in dates {
        days.push(plan_day(&config.on(date), date, calendar.remove(&date), options, watch)?);
    }
    Ok(BackfillPlan { config, options, destination: destination.describe(), days })
}

/// Refuses a job whose files are the same on every day: it would load them again for each.
fn refuse_undated(config: &Config) -> Result<()> {
    if config.source.is_dated() {
        return Ok(());
    }
    Err(Error::usage(
        "no name in `files` of the job has a placeholder for the data date, so each day would load the same files again; \
         put {date} into it",
    ))
}

/// Refuses concurrent days if the order of records matters.
fn refuse_order(config: &Config, parallel: usize) -> Result<()> {
    let destination = &config.destination;
    if parallel < 2 || !destination.on_conflict.is_decided_by_order(&destination.key) {
        return Ok(());
    }
    Err(Error::usage(
        "with a key of named columns, the order of the days decides which row stays, and under --parallel there is none; \
         leave it out, or write on_conflict = \"newest(…)\"",
    ))
}

fn plan_day(
    config: &Config,
    date: NaiveDate,
    known: Option<Day>,
    options: BackfillOptions,
    watch: &Watch,
) -> Result<PlannedDay> {
    let mut files = files(config, watch)?;
    let Day { status, sources } = known.unwrap_or_default();
    let (open_dead_letters, other_rules) =
        status.as_ref().map_or((0, false), |status| (status.open_dead_letters, status.other_rules));
    let planned = |files, fate| PlannedDay { date, files, fate, open_dead_letters, other_rules };
    if options.load.rebuild.is_some() && !(files.files.is_empty() && sources.is_empty()) {
        // Regardless of its earlier state.
        let bytes = bytes_of(&files, &settings(config, watch), watch)?;
        return Ok(planned(files, Fate::Due(bytes)));
    }
    if files.files.is_empty() {
        // Loaded data stays loaded when its files are gone.
        let fate = match status.map(|status| status.state) {
            Some(DateState::Done) => Fate::Done,
            _ => Fate::Absent,
        };
        return Ok(planned(files, fate));
    }
    let is_loaded = |file: &Found| {
        let own = file.container();
        let mut loaded = sources.iter().filter(|source| source.known.complete);
        own.is_some_and(|own| loaded.any(|source| source.known.containers.contains(&own)))
    };
    files.files.iter_mut().filter(|file| is_loaded(file)).for_each(Found::set_finished);
    let settings = Settings {
        allow_duplicates: options.load.allow_duplicates,
        accept_new_rules: options.load.accept_new_rules,
        ..settings(config, watch)
    };
    let (asked, unreadable) = pipeline::asked(&files.files, &settings, &watch.stop)?;
    let is_done = status.is_some_and(|status| status.state == DateState::Done && status.is_settled)
        && unreadable.is_empty();
    // If this cannot be decided, the load will report why.
    let Ok(decisions) = decide(&asked, &sources) else { return Ok(planned(files, Fate::Due(0))) };
    let mut bytes = 0;
    let mut is_due = !is_done;
    for (decision, file) in decisions.iter().zip(&asked.files) {
        match &decision.answer {
            Answer::Load { tasks, .. } => {
                bytes += tasks.iter().map(|task| bytes_to_read(task, file)).sum::<u64>();
                is_due = true;
            }
            Answer::Changed(_) => is_due = true,
            Answer::Finished { .. } | Answer::Duplicate(_) | Answer::Beside => {}
        }
    }
    Ok(planned(files, if is_due { Fate::Due(bytes) } else { Fate::Done }))
}

/// The bytes of files, compressed as they are. Unreadable files are reported by the load.
fn bytes_of(files: &Discovered, settings: &Settings, watch: &Watch) -> Result<u64> {
    let (asked, _) = pipeline::asked(&files.files, settings, &watch.stop)?;
    Ok(asked.files.iter().map(|file| bytes_to_read(&Task::whole(0), file)).sum())
}

impl BackfillPlan<'_> {
    /// What would be done.
    pub fn report(&self) -> Backfill {
        let dates = self.days.iter().map(PlannedDay::report).collect();
        self.reported(dates, Exit::Success, Duration::ZERO, true)
    }

    fn reported(&self, dates: Vec<BackfillDate>, exit: Exit, elapsed: Duration, dry_run: bool) -> Backfill {
        let mut counts = Counts::default();
        dates.iter().for_each(|date| counts.add(&date.counts));
        Backfill {
            head: Head::new("backfill", Some(&self.config.name), exit),
            destination: self.destination.clone(),
            dry_run,
            dates,
            counts,
            rollups: LoadRollups::default(),
            seconds: elapsed.as_secs_f64(),
            error: None,
            error_kind: None,
            show_letters: "logmill dead-letters list".to_owned(),
        }
    }

    fn due(&self) -> impl Iterator<Item = (usize, u64)> {
        self.days.iter().enumerate().filter_map(|(place, day)| match day.fate {
            Fate::Due(bytes) => Some((place, bytes)),
            _ => None,
        })
    }
}

impl PlannedDay {
    fn report(&self) -> BackfillDate {
        let (state, bytes) = match self.fate {
            Fate::Absent => ("absent", 0),
            Fate::Done => ("done", 0),
            Fate::Due(bytes) => ("due", bytes),
        };
        BackfillDate {
            date: self.date.to_string(),
            state,
            was_due: state == "due",
            files: self.files.files.len() as u64,
            bytes,
            open_dead_letters: self.open_dead_letters,
            other_rules: self.other_rules,
            ..BackfillDate::default()
        }
    }
}

/// Loads the days that are due.
///
/// A day that fails does not end it, unless that was requested. If a day cannot even begin, the others are
/// skipped: a destination that is down is down for all of them.
pub fn backfill(plan: &BackfillPlan<'_>, watch: &Watch) -> Result<Backfill> {
    let began = Instant::now();
    plan.config.record.warnings().into_iter().for_each(|warning| watch.observer.warn(warning));
    let due: Vec<(usize, u64)> = plan.due().collect();
    watch.stats.foresee(due.iter().map(|(_, bytes)| bytes).sum());
    let beside = plan.options.parallel.min(due.len()).max(1);
    let running = Running {
        plan,
        beside,
        watch,
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        dates: Mutex::new(plan.days.iter().map(PlannedDay::report).collect()),
        error: Mutex::new(None),
    };
    let turns = Turns::default();
    // All turns are handed out before the first wait, because a turn that no load holds is never passed on.
    let turns: Vec<Arc<Turn>> = (0..due.len()).map(|place| Arc::new(turns.turn(place))).collect();
    let turns = Mutex::new(turns.into_iter().map(Some).collect::<Vec<_>>());
    side_by_side(beside, || running.run(&due, &turns));
    let absent: Vec<NaiveDate> =
        plan.days.iter().filter(|day| day.fate == Fate::Absent).map(|day| day.date).collect();
    let mut error = running.error.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !absent.is_empty() && error.is_none() {
        error = destination(plan.config, watch)?.note_absent(&absent).err();
    }
    let mut rollups = LoadRollups::default();
    if error.is_none() && watch.stop.asked().is_none() {
        // All marked dates: the days of files are not the days of records.
        match rollup::of_marked(plan.config, watch) {
            Ok(done) => rollups = done,
            Err(failed) => error = Some(failed),
        }
    }
    let dates = running.dates.into_inner().unwrap_or_else(PoisonError::into_inner);
    let exits = dates.iter().filter_map(|date| match date.exit {
        Some(exit) => Some(exit),
        None if date.state == "done" && date.open_dead_letters > 0 && !plan.options.load.allow_rejects => {
            Some(Exit::Rejects)
        }
        None => None,
    });
    let stopped = watch.stop.asked().map(Exit::Stopped);
    let failed = error.as_ref().map(Exit::of_error);
    let failed = failed.or((!rollups.failed.is_empty()).then_some(Exit::Failed));
    let exit = exits.chain(stopped).chain(failed).fold(Exit::Success, Exit::graver);
    let reported = plan.reported(dates, exit, began.elapsed(), false);
    Ok(Backfill {
        rollups,
        error: error.as_ref().map(Error::to_string),
        error_kind: error.as_ref().map(|error| error.kind().code()),
        ..reported
    })
}

/// The shared state of a backfill's threads.
struct Running<'a> {
    plan: &'a BackfillPlan<'a>,
    /// How many days are loaded concurrently, and share the threads and the memory.
    beside: usize,
    watch: &'a Watch,
    next: AtomicUsize,
    is_over: AtomicBool,
    dates: Mutex<Vec<BackfillDate>>,
    /// Why no further day can be begun.
    error: Mutex<Option<Error>>,
}

impl Running<'_> {
    /// Takes one day after the other.
    fn run(&self, due: &[(usize, u64)], turns: &Mutex<Vec<Option<Arc<Turn>>>>) {
        let config = self.plan.config;
        // A delivery of letters connects too, and there may be room for only one connection.
        let place =
            if config.dead_letters.to.is_none() { destination(config, self.watch).ok() } else { None };
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(&(day, bytes)) = due.get(number) else { return };
            let turn = turns.lock().unwrap_or_else(PoisonError::into_inner)[number].take();
            if self.is_over.load(Ordering::Relaxed) || self.watch.stop.asked().is_some() {
                return;
            }
            let ended = self.load(&self.plan.days[day], bytes, turn, place.as_deref());
            if self.plan.options.fail_fast && ended.state == "failed" {
                self.is_over.store(true, Ordering::Relaxed);
            }
            self.dates.lock().unwrap_or_else(PoisonError::into_inner)[day] = ended;
        }
    }

    fn load(
        &self,
        day: &PlannedDay,
        bytes: u64,
        turn: Option<Arc<Turn>>,
        place: Option<&dyn Destination>,
    ) -> BackfillDate {
        let (plan, watch) = (self.plan, self.watch);
        let began = Instant::now();
        let config = plan.config.on(day.date);
        // Claimed bytes are counted by the claim.
        watch.stats.foresaw(bytes);
        let share = Share { of: self.beside, turn, place, rolls_up: false };
        let mut ended = day.report();
        match load_beside(&config, &day.files, plan.options.load, share, watch) {
            Ok(load) => note(&mut ended, load),
            Err(error) => {
                let exit = Exit::of_error(&error);
                let is_stopped = matches!(error.kind(), ErrorKind::Stopped(_));
                ended.state = if is_stopped { "due" } else { "failed" };
                ended.reason = Some(error.to_string());
                ended.exit = Some(exit);
                self.is_over.store(true, Ordering::Relaxed);
                self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
        ended.exit_code = ended.exit.map(Exit::code);
        ended.seconds = began.elapsed().as_secs_f64();
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        watch.observer.tell(&Event::DayEnded {
            date: ended.date.clone(),
            state: ended.state,
            records: count(ended.counts.records),
            rejected: count(ended.counts.rejected),
            took: began.elapsed(),
            reason: ended.reason.clone(),
        });
        ended
    }
}

/// Adds what the load of a day did.
fn note(day: &mut BackfillDate, load: Load) {
    let exit = load.head.exit;
    let has_lost_all = load.rebuilt.is_some_and(|rebuilt| rebuilt.sources_removed > 0)
        && load.sources.loaded + load.sources.waiting == 0;
    day.state = match exit {
        Exit::Success | Exit::Rejects if has_lost_all => DateState::Absent,
        Exit::Success | Exit::Rejects if load.sources.waiting == 0 => DateState::Done,
        Exit::Success | Exit::Rejects | Exit::Stopped(_) | Exit::Held => DateState::Partial,
        _ => DateState::Failed,
    }
    .word();
    day.run = load.head.run;
    day.exit = Some(exit);
    day.counts = load.counts;
    day.open_dead_letters = load.open_dead_letters.unwrap_or(day.open_dead_letters);
    // What a load goes on with under new rules was begun under the old ones.
    let is_anew = load.rebuilt.is_some() && day.state == DateState::Done.word();
    day.other_rules &= !is_anew;
    day.reason = load.failure.or(load.error);
}
