//! `rollup`: the metrics of dates.

use super::args::RollupArgs;
use super::speech::Speech;
use crate::engine::{self, Watch};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Exit;
use crate::sink::rollup::Dates;
use crate::stop::Stop;

pub(super) fn rollup(args: &RollupArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let watch = Watch { stop: stop.clone(), ..speech.watch() };
    let config = engine::read_job(&args.job.job, &args.job.destination.overrides(), &watch)?;
    let dates = dates(args)?;
    let report = match args.check {
        true => engine::check_rollups(&config, &dates, &watch)?,
        false => engine::rollup(&config, &dates, &watch)?,
    };
    speech.show_differences(&report)?;
    match (&report.error, report.head.exit) {
        (Some(error), _) => speech.error(error),
        (None, Exit::Stopped(signal)) => speech.inform(&ErrorKind::Stopped(signal).to_string()),
        (None, _) => {}
    }
    Ok(report.head.exit)
}

/// The selected dates.
fn dates(args: &RollupArgs) -> Result<Dates> {
    if let Some(date) = args.date {
        let next =
            date.succ_opt().ok_or_else(|| Error::usage(format!("--date {date} has no day after it")))?;
        return Ok(Dates::Within(date..next));
    }
    match (args.from, args.to) {
        (Some(from), Some(to)) if from > to => {
            Err(Error::usage(format!("--from {from} is after --to {to}, the day before which it ends")))
        }
        (Some(from), Some(to)) => Ok(Dates::Within(from..to)),
        _ => Ok(Dates::All),
    }
}
