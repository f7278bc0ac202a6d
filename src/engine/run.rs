//! A run of the pipeline, as made by `load` and `check` and forecast by `plan`: how it begins, and how it
//! ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;

use super::Watch;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::figure;
use crate::format;
use crate::pipeline::{Outcome, Settings};
use crate::report::Exit;
use crate::sink::destination::Destination;
use crate::sink::kinds::is_bucket;
use crate::sink::rollup::{Dates, FailedMetric};
use crate::sink::{self, Counts, Ending, HOLDER_WAIT, Key, Sink};
use crate::source::Hash16;
use crate::work::Recipe;

/// How the job's records become rows.
pub(crate) fn recipe(config: &Config) -> Recipe {
    let schema = Arc::new(config.record.schema.clone());
    Recipe {
        format: format::of(&config.source.format, &schema.paths(), schema.extras()),
        schema,
        time: config.rollups.time.clone(),
        record_bytes_max: config.source.settings.record_bytes_max,
        raw_bytes_max: config.dead_letters.raw_bytes_max,
    }
}

/// The job's settings of the pipeline.
pub(crate) fn settings(config: &Config, watch: &Watch) -> Settings {
    // The destination is the limit, and often on this machine. Workers that outpace it anyway only take its
    // core away (measured on 2 cores: 5 % of a load). Objects are made here, and need no core elsewhere.
    let kept_free = usize::from(!is_bucket(config.destination.url.reveal()));
    let threads = || cores().saturating_sub(kept_free).max(1);
    Settings {
        threads: config.pipeline.threads.unwrap_or_else(threads),
        source: config.source.settings.clone(),
        batch_rows: config.pipeline.batch_rows,
        batch_bytes: config.pipeline.batch_bytes,
        allow_duplicates: false,
        accept_new_rules: false,
        take_over: false,
        stop_above: None,
        key_is_position: config.destination.key == Key::Position,
        rebuild: None,
        rebuild_advice: sink::rebuild::advice(&super::address_and_settings(config, watch).1),
        order_decides: config.destination.on_conflict.is_decided_by_order(&config.destination.key),
        lanes: config.pipeline.lanes,
        only: None,
        beside: Arc::default(),
        wait: Some(HOLDER_WAIT),
        turn: None,
        observer: watch.observer.clone(),
        rules_hash: Hash16(config.rules_hash()),
    }
}

/// Opens a destination for a run. If that fails, the watcher still gets the events of a run, and of how it
/// ended.
pub(super) fn opened(
    destination: &dyn Destination,
    command: &str,
    job: &str,
    date: Option<NaiveDate>,
    watch: &Watch,
) -> Result<Box<dyn Sink>> {
    let began = Instant::now();
    let error = match destination.open() {
        Ok(sink) => return Ok(sink),
        Err(error) => error,
    };
    watch.observer.tell(&Event::RunStarted {
        run: None,
        command: command.to_owned(),
        job: job.to_owned(),
        date: date.map(|date| date.to_string()),
        destination: destination.describe(),
        dataset: destination.dataset(),
    });
    let exit = Exit::of_error(&error);
    watch.observer.tell(&Event::RunEnded {
        run: None,
        outcome: exit.outcome(),
        exit_code: exit.code(),
        counts: Counts::default(),
        bytes: 0,
        raw_bytes: 0,
        batches: 0,
        open_dead_letters_of_job: None,
        took: began.elapsed(),
        error: Some(error.to_string()),
    });
    Err(error)
}

/// How many threads can run at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) exit: Exit,
    /// Why it could not continue, if it could not.
    pub(super) error: Option<Error>,
    /// Why its day failed, if it did.
    pub(super) failure: Option<String>,
}

impl Ended {
    /// Closes the run with this outcome, however it ended.
    pub(super) fn closed(
        sink: &mut dyn Sink,
        mut outcome: Outcome,
        result: Result<()>,
        elapsed: Duration,
        allow_rejects: bool,
        rolls_up: bool,
        watch: &Watch,
    ) -> Ended {
        outcome.elapsed = elapsed;
        outcome.times = watch.stats.times().of_one(outcome.lanes);
        let result = result.and_then(|()| {
            if rolls_up && outcome.stopped.is_none() {
                outcome.rolled_up = sink.roll_up(&Dates::Marked)?;
            }
            Ok(())
        });
        let exit_of = |result: &Result<()>| match result {
            Ok(()) => Exit::of_outcome(&outcome, allow_rejects),
            Err(error) => Exit::of_error(error),
        };
        let exit = exit_of(&result);
        let failure = failure(exit, &outcome, result.as_ref().err());
        let closed = sink.finish(&Ending {
            failure: failure.as_deref(),
            outcome: exit.outcome(),
            exit_code: exit.code(),
            counts: &outcome.counts,
            bytes: outcome.bytes,
        });
        // If the run failed, its own error is the one to report.
        let result = result.and(closed);
        Ended { exit: exit_of(&result), error: result.err(), outcome, failure }
    }
}

/// The maximum length of the reason why a day failed.
const FAILURE_CHARS_MAX: usize = 400;

/// Why the run's day failed, if it did: being held by another run, or stopped, is not a failure.
fn failure(exit: Exit, outcome: &Outcome, error: Option<&Error>) -> Option<String> {
    if !matches!(exit, Exit::Failed | Exit::Usage | Exit::GivenUp) {
        return None;
    }
    let more = |others: usize| if others > 0 { format!(" (and {others} more)") } else { String::new() };
    let text = match (error, &outcome.failed[..], &outcome.given_up[..]) {
        (Some(error), ..) => error.to_string(),
        (None, [(path, why), others @ ..], _) => format!("{}: {why}{}", path.display(), more(others.len())),
        (None, [], [given_up, others @ ..]) => {
            let letters = figure::some(given_up.letters, "dead letter");
            let path = given_up.path.display();
            match given_up.is_undone {
                true => format!("{path}: given up with {letters}, nothing was rebuilt{}", more(others.len())),
                false => format!("{path}: given up, {letters} open{}", more(others.len())),
            }
        }
        (None, [], []) => match &outcome.rolled_up.failed[..] {
            [FailedMetric { date, metric, why }, others @ ..] => {
                format!("the metric {metric} of {date}: {why}{}", more(others.len()))
            }
            [] => exit.outcome().to_owned(),
        },
    };
    Some(text.chars().take(FAILURE_CHARS_MAX).collect())
}
