//! `check`: the verdict on every record, without a destination.

use std::sync::Arc;
use std::time::Instant;

use super::Watch;
use super::files::notice_of_links;
use super::run::{Ended, cores, recipe, settings};
use crate::config::Config;
use crate::error::Result;
use crate::pipeline::{self, Outcome, Settings};
use crate::report::Check;
use crate::sink::judge::{Judge, Verdicts};
use crate::source::Discovered;

/// Judges the records of `files`, which are those of the job, as a load would, and writes the
/// verdict on each where it is wanted.
pub fn check(
    config: &Config,
    files: &Discovered,
    verdicts: Option<Verdicts>,
    watch: &Watch,
) -> Result<Check> {
    let mut judge = Judge::new(Arc::new(config.record.schema.clone()), verdicts);
    // There is no destination to leave a core to.
    let threads = config.pipeline.threads.unwrap_or_else(cores);
    let settings = Settings { threads, ..settings(config, watch) };
    let (began, mut outcome) = (Instant::now(), Outcome::default());
    let (stop, stats) = (&watch.stop, &watch.stats);
    let result =
        pipeline::run(&files.files, recipe(config), &mut judge, &settings, stop, stats, &mut outcome);
    let mut ended = Ended::closed(&mut judge, outcome, result, began.elapsed(), false, watch);
    ended.outcome.notices.extend(notice_of_links(&files.passed_over));
    match ended.error {
        Some(error) => Err(error),
        None => Ok(Check::new(&config.name, None, None, &ended.outcome, ended.exit, judge.sample())),
    }
}
