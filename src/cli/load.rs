//! `load`: files into a destination.

use super::args::{LoadArgs, Output};
use super::files::{self, EMPTY_LIST, is_allowed_to_be_empty, nothing_to_do};
use super::inferred::tell_written;
use super::next::{next_command, with_job};
use super::speech::Speech;
use super::watchers::{Watchers, exit_of};
use crate::config::Config;
use crate::engine::{self, Job, LoadOptions, Watch};
use crate::report::Exit;
use crate::stop::Stop;

/// Loads, and reports the outcome.
pub(super) fn load(args: &LoadArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let given = files::given(&args.files)?;
    if args.job.job.is_none() && given.as_ref().is_some_and(Vec::is_empty) {
        return nothing_to_do("load", EMPTY_LIST, speech);
    }
    let options = LoadOptions { split: args.split, wait: args.wait, ..args.loading.options(given.is_none()) };
    let overrides = args.overrides(given);
    let mut watch = Watch { stop: stop.clone(), ..speech.watch() };
    let files = |config: &Config| match options.rebuild {
        Some(rebuild) => engine::files_to_rebuild(config, rebuild, &watch),
        None => engine::files(config, &watch),
    };
    let job = engine::choose_job(args.job.job.as_deref(), &overrides, &watch)
        .and_then(|job| Ok((files(&job.config)?, job)));
    let (files, job) = match job {
        Err(error) if is_allowed_to_be_empty(&error, args.allow_empty) => {
            return nothing_to_do("load", &error.to_string(), speech);
        }
        job => job?,
    };
    let Job { config, path, is_found, inferred } = &job;
    engine::refuse_found_database(config)?;
    let watchers = Watchers::start(&args.loading.watch, speech, config, &watch.stats)?;
    if let Some(inferred) = inferred {
        engine::write_job(path, &inferred.text)?;
        tell_written(&inferred.report, path, speech);
    }
    watch.observer = watchers.observer();
    let loaded = engine::load(config, &files, options, &watch);
    watchers.end(exit_of(&loaded, |load| load.head.exit));
    let mut report = loaded?;
    report.job_file = path.display().to_string();
    report.inferred = inferred.as_ref().map(|inferred| inferred.report.clone());
    report.next.dead_letters =
        next_command("dead-letters list", path, overrides.into.as_ref(), overrides.table.as_ref());
    for failed in &mut report.sources.failed {
        failed.why = with_job(&failed.why, path, overrides.into.as_ref(), overrides.table.as_ref());
    }
    // The author of a job knows the table.
    report.next.query.take_if(|_| !is_found);
    // Before the first batch, an error is all there is to report.
    if report.error.is_none() || report.has_begun() || speech.output == Output::Json {
        speech.summarize(&report)?;
    }
    match (&report.error, report.head.exit) {
        (Some(error), _) => speech.error(error),
        (None, Exit::Stopped(signal)) => speech.inform(&report.stopped(signal)),
        (None, _) => {}
    }
    Ok(report.head.exit)
}
