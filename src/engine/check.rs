//! `check`: judges every record, without a destination.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::files::notice_of_links;
use super::run::{Ended, cores, recipe, settings};
use super::{Watch, destination};
use crate::config::Config;
use crate::error::Result;
use crate::pipeline::{self, Outcome, Settings};
use crate::report::Check;
use crate::sink::judge::{Judge, Verdicts};
use crate::source::{Discovered, Found};

/// Judges the records of `files`, which are those of the job, as a load would, and writes the verdict on each
/// if requested.
pub fn check(
    config: &Config,
    files: &Discovered,
    verdicts: Option<Verdicts>,
    watch: &Watch,
) -> Result<Check> {
    config.record.warnings().into_iter().for_each(|warning| watch.observer.warn(warning));
    let mut judge = Judge::new(Arc::new(config.record.schema.clone()), verdicts);
    // There is no destination that needs a core.
    let threads = config.pipeline.threads.unwrap_or_else(cores);
    let settings = Settings { threads, lanes: 1, ..settings(config, watch) };
    let (began, mut outcome) = (Instant::now(), Outcome::default());
    let (stop, stats) = (&watch.stop, &watch.stats);
    let result =
        pipeline::run(&files.files, recipe(config), &mut judge, &settings, stop, stats, &mut outcome);
    let mut ended = Ended::closed(&mut judge, outcome, result, began.elapsed(), false, false, watch);
    ended.outcome.notices.extend(notice_of_links(&files.passed_over));
    match ended.error {
        Some(error) => Err(error),
        None => Ok(Check::new(&config.name, None, None, &ended.outcome, ended.exit, judge.sample())),
    }
}

/// The input of a check that `path` also names, and what it is.
pub fn input_at(
    path: &Path,
    config: &Config,
    job: &Path,
    files: &[Found],
) -> Option<(PathBuf, &'static str)> {
    let there = std::fs::metadata(path).ok()?;
    let destination = destination(config, &Watch::default()).ok();
    let database = destination.as_ref().and_then(|destination| destination.file());
    let of_job = [
        (Some(job), "the job"),
        (config.record.schema_file.as_deref(), "the schema of the job"),
        (database, "the destination of the job"),
    ];
    let of_job = of_job.into_iter().filter_map(|(path, what)| Some((path?, what)));
    let inputs = files.iter().map(|file| (file.path.as_path(), "to be checked"));
    let is_there = |(path, _): &(&Path, &str)| {
        std::fs::metadata(path).is_ok_and(|file| (file.dev(), file.ino()) == (there.dev(), there.ino()))
    };
    of_job.chain(inputs).find(is_there).map(|(path, what)| (path.to_owned(), what))
}
