//! `dead-letters replay`: applies the present rules to letters again.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;

use super::letters::refuse_unknown;
use super::mended::MendedFile;
use super::run::{opened, recipe};
use super::{Watch, address_and_settings, destination};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::{Event, Observer};
use crate::pipeline::{Mended, OfDay, ReplaySettings, Replayed, replay as run};
use crate::report::{Exit, Head, LoadRollups, Replay, ReplayCounts, Unplayed};
use crate::sink::history::Filter;
use crate::sink::judge::Judge;
use crate::sink::rehearsal::Rehearsal;
use crate::sink::rollup::{Dates, RolledUp};
use crate::sink::{Ending, Key, OnConflict, Sink};

/// The options of a replay besides its job.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayOptions<'a> {
    /// Exported letters that were then mended.
    pub from: Option<&'a Path>,
    /// Existing rows give way.
    pub overwrite: bool,
    /// Only report what would come of it.
    pub dry_run: bool,
}

/// The command.
const REPLAY: &str = "dead-letters replay";

/// Retries the job's open dead letters that match the filter.
///
/// The report also covers a replay that could not continue: what was committed until then stays. `Err` means
/// that nothing was begun.
pub fn replay(config: &Config, filter: Filter, options: ReplayOptions<'_>, watch: &Watch) -> Result<Replay> {
    let mut filter = Filter { job: config.name.clone(), state: Some("open".to_owned()), ..filter };
    refuse_unknown(config, &filter.ids, watch)?;
    let mut mended = options.from.map(MendedFile::open).transpose()?;
    if let Some(mended) = &mended {
        filter.ids = mended.among(&filter.ids)?;
    }
    let (began, mut outcome) = (Instant::now(), Replayed::default());
    let leaves = leaves(config, options.overwrite);
    let mut sink = open(config, leaves, options.dry_run, watch)?;
    if !options.dry_run {
        watch.observer.tell(&Event::RunStarted {
            run: sink.run_id(),
            command: REPLAY.to_owned(),
            job: config.name.clone(),
            date: None,
            destination: destination(config, watch)?.describe(),
            dataset: sink.dataset(),
        });
    }
    let result = match mended.is_some() && filter.ids.is_empty() {
        true => Ok(()),
        false => {
            let settings = ReplaySettings {
                // If existing rows win, the last letter comes first, so that for each key the last one is in.
                is_backwards: leaves && matches!(config.destination.key, Key::Columns(_)),
                filter: filter.clone(),
                reach: watch.reach(config),
                observer: if options.dry_run { Observer::default() } else { watch.observer.clone() },
            };
            let on_day = |day| of_day(config, day);
            let mended = mended.as_mut().map(|mended| mended as &mut dyn Mended);
            run(&settings, &on_day, mended, &mut *sink, &watch.stop, &mut outcome)
        }
    };
    let result = result.and_then(|()| explain_unmet(config, &filter.ids, &mut outcome, watch));
    let mut rolled_up = RolledUp::default();
    let result = result.and_then(|()| {
        if !options.dry_run {
            rolled_up = sink.roll_up(&Dates::Marked)?;
        }
        Ok(())
    });
    let (open, result) = match result.and_then(|()| sink.open_dead_letters(&[])) {
        Ok(open) => (Some(open.job), Ok(())),
        Err(error) => (None, Err(error)),
    };
    let exit = match (&result, open) {
        (Err(error), _) => Exit::of_error(error),
        _ if outcome.not_replayable > 0 || !rolled_up.failed.is_empty() => Exit::Failed,
        (_, Some(1..)) => Exit::Rejects,
        _ => Exit::Success,
    };
    let closed = sink.finish(&Ending {
        failure: None,
        outcome: exit.outcome(),
        exit_code: exit.code(),
        counts: &outcome.counts,
        bytes: outcome.bytes,
    });
    let error = result.and(closed).err();
    let exit = error.as_ref().map_or(exit, Exit::of_error);
    if !options.dry_run {
        watch.observer.tell(&Event::RunEnded {
            run: sink.run_id(),
            outcome: exit.outcome(),
            exit_code: exit.code(),
            counts: outcome.counts,
            bytes: outcome.bytes,
            raw_bytes: 0,
            batches: outcome.batches,
            open_dead_letters_of_job: open,
            took: began.elapsed(),
            error: error.as_ref().map(ToString::to_string),
        });
    }
    let mut head = Head::new(REPLAY, Some(&config.name), exit);
    head.run = sink.run_id();
    let reported = report(head, options.dry_run, &outcome, open, error.as_ref(), began);
    Ok(Replay { rollups: LoadRollups::of(&rolled_up), ..reported })
}

/// Whether existing rows win. A letter is older than what came after it.
fn leaves(config: &Config, overwrite: bool) -> bool {
    config.destination.on_conflict == OnConflict::Update && !overwrite
}

/// The job as it was on the day of a source.
fn of_day(config: &Config, day: Option<NaiveDate>) -> Result<OfDay, String> {
    let config = &day.map_or_else(|| config.clone(), |day| config.on(day));
    match config.lacks_date() {
        Some(what) => Err(format!(
            "its source was loaded without a date, and {what} needs one; forget the source, and load it with --date"
        )),
        None => Ok(OfDay { recipe: recipe(config), constants: Some(config.constants()) }),
    }
}

fn report(
    head: Head,
    dry_run: bool,
    outcome: &Replayed,
    open_dead_letters: Option<u64>,
    error: Option<&Error>,
    began: Instant,
) -> Replay {
    let Replayed { replayed, again_bad, not_replayable, .. } = *outcome;
    let why = outcome.why.iter().map(|(id, why)| Unplayed { id: *id, why: why.clone() });
    Replay {
        head,
        dry_run,
        counts: ReplayCounts { replayed, again_bad, not_replayable },
        not_replayable: why.collect(),
        open_dead_letters,
        rollups: LoadRollups::default(),
        seconds: began.elapsed().as_secs_f64(),
        error: error.map(ToString::to_string),
        error_kind: error.map(|error| error.kind().code()),
    }
}

/// Opens the destination for a replay. If existing rows win, the destination gets that as its rule.
fn open(config: &Config, leaves: bool, dry_run: bool, watch: &Watch) -> Result<Box<dyn Sink>> {
    if dry_run {
        let judge = Judge::new(Arc::new(config.record.schema.clone()), None);
        let history = destination(config, watch)?.history()?;
        return Ok(Box::new(Rehearsal::new(&config.name, judge, history)));
    }
    let (address, mut settings) = address_and_settings(config, watch);
    REPLAY.clone_into(&mut settings.command);
    if leaves {
        settings.on_conflict = OnConflict::Keep;
    }
    opened(&*crate::sink::of(&address, settings)?, REPLAY, &config.name, None, watch)
}

/// Explains letters that were requested by id and are not open.
fn explain_unmet(config: &Config, asked: &[i64], outcome: &mut Replayed, watch: &Watch) -> Result<()> {
    let met: HashSet<i64> = outcome.met.iter().copied().collect();
    let unmet: Vec<i64> = asked.iter().copied().filter(|id| !met.contains(id)).collect();
    if unmet.is_empty() {
        return Ok(());
    }
    let filter = Filter { job: config.name.clone(), ids: unmet.clone(), ..Filter::default() };
    let mut states = HashMap::new();
    destination(config, watch)?.history()?.dead_letters(&filter, &mut |letter| {
        states.insert(letter.id, letter.state);
        ControlFlow::Continue(())
    })?;
    for id in unmet {
        match states.get(&id).map(String::as_str) {
            // A replayed one is done; an open one does not match the other conditions.
            Some("replayed" | "open") => {}
            Some(state) => outcome.leave(id, format!("it is {state}")),
            None => outcome.leave(id, format!("job {} has no dead letter of this id", config.name)),
        }
    }
    Ok(())
}
