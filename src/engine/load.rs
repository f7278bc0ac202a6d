//! `load`: loads the files of a job into its destination.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::deliver;
use super::files::{note_finished, notice_of_links, notices_of_absent};
use super::run::{Ended, opened, recipe, settings};
use super::status::old_rows;
use super::{Watch, address_and_settings, destination_among};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::pipeline::{self, Outcome, Settings, Turn};
use crate::report::{Load, Next, Subject};
use crate::sink::destination::Destination;
use crate::sink::rebuild::refuse_unknowable;
use crate::sink::statement::first_rows;
use crate::sink::{HOLDER_WAIT, Rebuild};
use crate::source::Discovered;
use crate::split::Split;

/// What a load may do beyond its job.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Open dead letters do not affect the exit code.
    pub allow_rejects: bool,
    /// Load whole duplicates as sources of their own.
    pub allow_duplicates: bool,
    /// Resume sources that were begun under other rules.
    pub accept_new_rules: bool,
    /// End the run that holds a source instead of leaving.
    pub take_over: bool,
    /// Reload known sources in place of their rows.
    pub rebuild: Option<Rebuild>,
    /// Load only this split.
    pub split: Option<Split>,
    /// How long to wait for a run that holds a source, if given.
    pub wait: Option<Duration>,
}

impl LoadOptions {
    /// How long to wait for a run that holds a source. A single split is waited for as long as it takes.
    fn wait(&self) -> Option<Duration> {
        self.wait.or(match self.split {
            Some(_) => None,
            None => Some(HOLDER_WAIT),
        })
    }
}

/// Loads the new parts of `files`, which are those of the job.
///
/// The report also covers a run that a signal ended early, in which single files failed, or that could not
/// continue: what was committed until then is complete, and a second load resumes from there. `Err` means
/// that nothing was begun.
pub fn load(config: &Config, files: &Discovered, options: LoadOptions, watch: &Watch) -> Result<Load> {
    config.record.warnings().into_iter().for_each(|warning| watch.observer.warn(warning));
    load_beside(config, files, options, Share::default(), watch)
}

/// The share of one load among concurrent ones.
pub(super) struct Share<'a> {
    /// How many loads run at a time, this one included: they share threads and memory.
    pub(super) of: usize,
    /// When it may claim.
    pub(super) turn: Option<Arc<Turn>>,
    /// The destination used by earlier loads.
    pub(super) place: Option<&'a dyn Destination>,
    /// Whether it computes the metrics of the marked dates, or another load does so at the end.
    pub(super) rolls_up: bool,
}

impl Default for Share<'_> {
    fn default() -> Self {
        Share { of: 1, turn: None, place: None, rolls_up: true }
    }
}

/// The same beside concurrent loads.
pub(super) fn load_beside(
    config: &Config,
    files: &Discovered,
    options: LoadOptions,
    share: Share<'_>,
    watch: &Watch,
) -> Result<Load> {
    // In a backfill, each day is a run.
    let watch = &Watch { observer: watch.observer.of_run(), ..watch.clone() };
    let all = settings(config, watch);
    let settings = Settings {
        threads: all.threads.div_ceil(share.of),
        batch_bytes: all.batch_bytes / share.of,
        allow_duplicates: options.allow_duplicates,
        accept_new_rules: options.accept_new_rules,
        take_over: options.take_over,
        stop_above: config.dead_letters.stop_above,
        rebuild: options.rebuild,
        only: options.split,
        wait: options.wait(),
        turn: share.turn,
        ..all
    };
    let destination = match options.rebuild {
        Some(rebuild) => to_be_rebuilt(config, rebuild, watch)?,
        None => destination_among(config, watch, share.place, share.of > 1)?,
    };
    let mut files_to_load = files.files.clone();
    if options.rebuild.is_none() {
        note_finished(&mut files_to_load, config, watch);
    }
    let command = if options.rebuild.is_some() { REBUILD } else { "load" };
    let mut sink = opened(&*destination, command, &config.name, config.date, watch)?;
    watch.observer.tell(&Event::RunStarted {
        run: sink.run_id(),
        command: command.to_owned(),
        job: config.name.clone(),
        date: config.date.map(|date| date.to_string()),
        destination: destination.describe(),
        dataset: sink.dataset(),
    });
    let (began, mut outcome) = (Instant::now(), Outcome::default());
    let (stop, stats) = (&watch.stop, &watch.stats);
    let result =
        pipeline::run(&files_to_load, recipe(config), &mut *sink, &settings, stop, stats, &mut outcome);
    let mut ended = Ended::closed(
        &mut *sink,
        outcome,
        result,
        began.elapsed(),
        options.allow_rejects,
        share.rolls_up,
        watch,
    );
    ended.outcome.notices.extend(notice_of_links(&files.passed_over));
    ended.outcome.notices.extend(notices_of_absent(&files.absent));
    let run = sink.run_id();
    watch.observer.tell(&ended_event(run, &ended));
    // A role may have room for only one connection.
    drop(sink);
    let delivery = deliver::at_end(config, &*destination, ended.exit, watch);
    let query = Some(first_rows(&*destination, &config.record.schema));
    let subject = Subject {
        job: &config.name,
        run,
        destination: destination.describe(),
        old_rows: old_rows(config),
        stop_above: config.dead_letters.stop_above,
        is_rebuild: options.rebuild.is_some(),
        delivery,
        next: Next { query, ..Next::default() },
        ..Subject::default()
    };
    let load = Load::new(subject, &ended.outcome, ended.exit, ended.error.as_ref());
    Ok(Load { failure: ended.failure, ..load })
}

/// The event of a run that has ended.
fn ended_event(run: Option<i64>, ended: &Ended) -> Event {
    let Ended { outcome, exit, error, .. } = ended;
    Event::RunEnded {
        run,
        outcome: exit.outcome(),
        exit_code: exit.code(),
        counts: outcome.counts,
        bytes: outcome.bytes,
        raw_bytes: outcome.raw_bytes,
        batches: outcome.batches,
        open_dead_letters_of_job: outcome.open_dead_letters.map(|open| open.job),
        took: outcome.elapsed,
        error: error.as_ref().map(Error::to_string),
    }
}

/// The command of a run that reloads.
const REBUILD: &str = "load --rebuild";

/// The destination of a job, for a rebuild. Refuses a job whose rows cannot be distinguished from others.
pub(super) fn to_be_rebuilt(
    config: &Config,
    rebuild: Rebuild,
    watch: &Watch,
) -> Result<Box<dyn Destination>> {
    let (address, mut settings) = address_and_settings(config, watch);
    refuse_unknowable(&settings, rebuild.is_whole)?;
    settings.is_rebuild = true;
    REBUILD.clone_into(&mut settings.command);
    crate::sink::of(&address, settings)
}
