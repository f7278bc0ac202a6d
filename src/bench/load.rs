//! The last stage: a load into a place of its own, whose rows are counted.

use std::time::Duration;

use nix::sys::resource::UsageWho;

use super::gauge::{self, Cost};
use super::ground::Ground;
use crate::config::{Config, Url};
use crate::engine::{self, LoadOptions, Watch};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Exit, Times};
use crate::sink::kinds;
use crate::sink::scratch::Scratch;
use crate::stop::Stop;

/// The table of a measurement.
const TABLE: &str = "bench_rows";

/// The cost of a load, and its outcome.
pub(super) struct Loaded {
    pub(super) cost: Cost,
    pub(super) rows: u64,
    pub(super) times: Times,
    pub(super) peak_mib: Option<f64>,
    /// How long the same rows took by the fastest way, if that was requested.
    pub(super) floor: Option<Duration>,
}

/// An empty place, and the job of a ground redirected to it.
pub(super) fn place(ground: &Ground, into: Option<&Url>) -> Result<(Box<dyn Scratch>, Config)> {
    let scratch = kinds::scratch(into.map(Url::reveal), ground.folder.path())?;
    let mut config = ground.config.clone();
    let destination = &mut config.destination;
    destination.url = scratch.address().parse().map_err(|why| Error::usage(format!("{why}")))?;
    destination.table = TABLE.parse().map_err(|why| Error::usage(format!("{why}")))?;
    destination.create = true;
    // A measurement delivers nothing, and runs to the end.
    config.dead_letters.to = None;
    config.dead_letters.stop_above = None;
    Ok((scratch, config))
}

/// Loads all files once.
pub(super) fn load(ground: &Ground, into: Option<&Url>, with_floor: bool, stop: &Stop) -> Result<Loaded> {
    let (mut scratch, config) = place(ground, into)?;
    let options = LoadOptions { allow_rejects: true, allow_duplicates: true, ..LoadOptions::default() };
    let watch = Watch { stop: stop.clone(), ..Watch::default() };
    gauge::forget_peak();
    let (cost, report) =
        Cost::of(UsageWho::RUSAGE_SELF, || engine::load(&config, &ground.files, options, &watch));
    let (report, peak_mib) = (report?, gauge::peak_mib());
    if let Exit::Stopped(signal) = report.head.exit {
        return Err(ErrorKind::Stopped(signal).into());
    }
    if report.head.exit != Exit::Success {
        let why = report.error.or(report.failure).unwrap_or_else(|| report.head.outcome.to_owned());
        return Err(Error::usage(format!(
            "the measured load did not finish: {why}; run `logmill load` with the same job and files for \
            details"
        )));
    }
    let rows = scratch.rows(&config.destination.table)?;
    if i64::try_from(rows) != Ok(report.counts.inserted) {
        return Err(Error::broken(format!(
            "the load reports {} inserted rows, but there are {rows}, so this is not a measurement",
            report.counts.inserted
        )));
    }
    let floor = match with_floor {
        true => Some(scratch.copy_ready(&config.destination.table, config.pipeline.batch_rows)?.time),
        false => None,
    };
    Ok(Loaded { cost, rows, times: report.times, peak_mib, floor })
}
