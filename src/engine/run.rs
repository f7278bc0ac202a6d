//! A run of the pipeline, as `load` and `check` make it and `plan` foretells it.

use std::sync::Arc;

use super::Watch;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::format;
use crate::pipeline::{self, Outcome, Settings};
use crate::report::Exit;
use crate::sink::{Ending, Key, Sink};
use crate::source::{Found, Hash16};

/// How a run ended.
pub(super) struct Ended {
    /// What was committed.
    pub(super) outcome: Outcome,
    pub(super) exit: Exit,
    /// Why it could not go on, if it could not.
    pub(super) error: Option<Error>,
}

/// Runs the pipeline into `sink`, and closes the run whatever came of it.
pub(super) fn run(
    sink: &mut dyn Sink,
    config: &Config,
    files: &[Found],
    settings: &Settings,
    allow_rejects: bool,
    watch: &Watch,
) -> Ended {
    let schema = Arc::new(config.record.schema.clone());
    let format = format::of(&config.source.format, &schema.paths(), schema.extras());
    let (outcome, result) = pipeline::run(files, format, schema, sink, settings, &watch.stop, &watch.stats);
    let exit_of = |result: &Result<()>| match result {
        Ok(()) => Exit::of_outcome(&outcome, allow_rejects),
        Err(error) => Exit::of_error(error),
    };
    let exit = exit_of(&result);
    let closed = sink.finish(&Ending {
        outcome: exit.outcome(),
        exit_code: exit.code(),
        counts: &outcome.counts,
        bytes: outcome.bytes,
    });
    // Of a run that failed, its own error is the one to tell.
    let result = result.and(closed);
    Ended { exit: exit_of(&result), error: result.err(), outcome }
}

/// What the job says of the pipeline.
pub(super) fn settings(config: &Config, watch: &Watch) -> Settings {
    // The destination is the limit, and often on this machine. Workers that are ahead of it
    // anyway only take its core away (measured on 2 cores: 5 % of a load).
    let all_but_one = || cores().saturating_sub(1).max(1);
    Settings {
        threads: config.pipeline.threads.unwrap_or_else(all_but_one),
        source: config.source.settings.clone(),
        batch_rows: config.pipeline.batch_rows,
        batch_bytes: config.pipeline.batch_bytes,
        raw_bytes_max: config.dead_letters.raw_bytes_max,
        allow_duplicates: false,
        accept_new_rules: false,
        take_over: false,
        key_is_position: config.destination.key == Key::Position,
        observer: watch.observer.clone(),
        rules_hash: Hash16(config.rules_hash()),
    }
}

/// How many threads can run at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
