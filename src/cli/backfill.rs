//! `backfill`: one job for many days.

use chrono::NaiveDate;

use super::args::{BackfillArgs, Output};
use super::next::next_command;
use super::speech::Speech;
use super::watchers::{Watchers, exit_of};
use crate::config::Config;
use crate::engine::{self, BackfillOptions, Watch};
use crate::error::{Error, ErrorKind, Result, rebuild_stopped};
use crate::report::{Backfill, Exit};
use crate::stop::Stop;

pub(super) fn backfill(args: &BackfillArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let overrides = args.overrides();
    let mut watch = Watch { stop: stop.clone(), ..speech.watch() };
    let config = engine::read_job(&args.job.job, &overrides, &watch)?;
    let options = BackfillOptions {
        load: args.loading.options(true),
        parallel: args.parallel.into(),
        fail_fast: args.fail_fast,
    };
    let dates = dates(args, &config, &watch)?;
    let plan = engine::plan_backfill(&config, &dates, options, &watch)?;
    let show_letters = next_command(
        "dead-letters list",
        &args.job.job,
        args.job.destination.into.as_ref(),
        args.job.destination.table.as_ref(),
    );
    if args.dry_run {
        speech.show_unless_quiet(&Backfill { show_letters, ..plan.report() })?;
        return Ok(Exit::Success);
    }
    speech.inform(&plan.report().plan());
    let watchers = Watchers::start(&args.loading.watch, speech, &config, &watch.stats)?;
    watch.observer = watchers.observer();
    let done = engine::backfill(&plan, &watch);
    watchers.end(exit_of(&done, |backfill| backfill.head.exit));
    let report = Backfill { show_letters, ..done? };
    if report.error.is_none() || report.counts.records > 0 || speech.output == Output::Json {
        speech.summarize(&report)?;
    }
    match (&report.error, report.head.exit) {
        (Some(error), _) => speech.error(error),
        (None, Exit::Stopped(signal)) if args.loading.rebuild => speech.inform(&rebuild_stopped(signal)),
        (None, Exit::Stopped(signal)) => speech.inform(&ErrorKind::Stopped(signal).to_string()),
        (None, _) => {}
    }
    Ok(report.head.exit)
}

/// The selected days, in order.
fn dates(args: &BackfillArgs, config: &Config, watch: &Watch) -> Result<Vec<NaiveDate>> {
    let (Some(from), Some(to)) = (args.from, args.to) else { return engine::found_dates(config, watch) };
    if from > to {
        return Err(Error::usage(format!("--from {from} is after --to {to}, the day before which it ends")));
    }
    Ok(from.iter_days().take_while(|date| *date < to).collect())
}
