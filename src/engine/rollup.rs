//! `rollup`: computes or compares the metrics of dates.

use std::time::Instant;

use super::{Watch, address_and_settings, destination};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::report::{Exit, Head, LoadRollups, Rollup};
use crate::sink::rollup::{Dates, RolledUp};
use crate::sink::{Counts, Destination, Ending, Sink};

/// Computes the metrics of dates. A metric that cannot be computed keeps its old value, and is named.
pub fn rollup(config: &Config, dates: &Dates, watch: &Watch) -> Result<Rollup> {
    refuse_none(config)?;
    let began = Instant::now();
    let (destination, mut sink) = opened(config, watch)?;
    let (rolled_up, result) = roll_up(&mut *sink, dates);
    let (exit, result) = finish(&mut *sink, &rolled_up, result, watch);
    let error = result.err();
    Ok(Rollup {
        head: Head { run: sink.run_id(), ..Head::new("rollup", Some(&config.name), exit) },
        destination: destination.describe(),
        checked: false,
        dates: rolled_up.dates.len() as u64,
        differences: Vec::new(),
        failed: rolled_up.failed,
        seconds: began.elapsed().as_secs_f64(),
        error: error.as_ref().map(Error::to_string),
        error_kind: error.map(|error| error.kind().code()),
    })
}

/// Opens the destination for a separate run.
fn opened(config: &Config, watch: &Watch) -> Result<(Box<dyn Destination>, Box<dyn Sink>)> {
    let (address, mut settings) = address_and_settings(config, watch);
    "rollup".clone_into(&mut settings.command);
    let destination = crate::sink::of(&address, settings)?;
    let sink = destination.open()?;
    Ok((destination, sink))
}

fn roll_up(sink: &mut dyn Sink, dates: &Dates) -> (RolledUp, Result<()>) {
    match sink.roll_up(dates) {
        Ok(rolled_up) => (rolled_up, Ok(())),
        Err(error) => (RolledUp::default(), Err(error)),
    }
}

/// Closes the run, and determines how it ended.
fn finish(
    sink: &mut dyn Sink,
    rolled_up: &RolledUp,
    result: Result<()>,
    watch: &Watch,
) -> (Exit, Result<()>) {
    let exit = match &result {
        Err(error) => Exit::of_error(error),
        Ok(()) if !rolled_up.failed.is_empty() => Exit::Failed,
        Ok(()) => watch.stop.asked().map_or(Exit::Success, Exit::Stopped),
    };
    let closed = sink.finish(&Ending {
        outcome: exit.outcome(),
        exit_code: exit.code(),
        counts: &Counts::default(),
        bytes: 0,
        failure: None,
    });
    let result = result.and(closed);
    (result.as_ref().err().map_or(exit, Exit::of_error), result)
}

/// Compares the metrics of dates with freshly computed ones. Writes nothing.
pub fn check_rollups(config: &Config, dates: &Dates, watch: &Watch) -> Result<Rollup> {
    refuse_none(config)?;
    let began = Instant::now();
    let destination = destination(config, watch)?;
    let checked = destination.check_rollups(dates)?;
    let exit = match (checked.failed.is_empty(), checked.differences.is_empty()) {
        (false, _) => Exit::Failed,
        (true, false) => Exit::Differs,
        (true, true) => Exit::Success,
    };
    Ok(Rollup {
        head: Head::new("rollup", Some(&config.name), exit),
        destination: destination.describe(),
        checked: true,
        dates: checked.dates,
        differences: checked.differences,
        failed: checked.failed,
        seconds: began.elapsed().as_secs_f64(),
        error: None,
        error_kind: None,
    })
}

/// Computes the metrics of the marked dates, if the job has any.
pub(super) fn of_marked(config: &Config, watch: &Watch) -> Result<LoadRollups> {
    if config.rollups.metrics.is_empty() {
        return Ok(LoadRollups::default());
    }
    let mut sink = opened(config, watch)?.1;
    let (rolled_up, result) = roll_up(&mut *sink, &Dates::Marked);
    finish(&mut *sink, &rolled_up, result, watch).1?;
    Ok(LoadRollups::of(&rolled_up))
}

fn refuse_none(config: &Config) -> Result<()> {
    match config.rollups.metrics.is_empty() {
        true => Err(Error::usage("the job has no rollups; add one under [[rollup]]")),
        false => Ok(()),
    }
}
