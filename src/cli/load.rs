//! `load`: files into a destination.

use std::sync::Arc;

use super::args::{LoadArgs, Output};
use super::destination::{destination, next_command};
use super::files;
use super::inferred::Inferred;
use super::job::{self, Job};
use super::progress::Progress;
use super::run::{nothing_to_do, run, settings};
use super::speech::Speech;
use crate::error::Kind;
use crate::pipeline::{Settings, Stats};
use crate::report::{Exit, Load, Next, Subject};
use crate::sink::statement::first_rows;
use crate::source::Discovered;
use crate::stop::Stop;

/// Loads, and says what came of it.
pub(super) fn load(args: &LoadArgs, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let given = files::given(&args.files)?;
    if args.job.job.is_none() && given.as_ref().is_some_and(Vec::is_empty) {
        return nothing_to_do("load", speech);
    }
    let overrides = args.overrides(given);
    let Job { config, path: job_path, is_found, inferred } =
        job::choose(args.job.job.as_deref(), &overrides, speech, stop)?;
    let Discovered { files, passed_over } = files::of(&config)?;
    if is_found {
        job::refuse_found_database(&config, &overrides)?;
    }
    if let Some(inferred) = &inferred {
        job::write(&job_path, &inferred.text)?;
        inferred.tell_written(&job_path, speech);
    }
    let stats = Arc::new(Stats::default());
    let progress = Progress::start(speech, &stats);
    let observer = progress.observer(speech);
    let pace = Settings {
        allow_duplicates: args.allow_duplicates,
        accept_new_rules: args.accept_new_rules,
        take_over: args.take_over,
        observer: observer.clone(),
        ..settings(&config)
    };
    let destination = destination(&config, stop, observer)?;
    let mut sink = destination.open()?;
    let mut ended = run(&mut *sink, &config, &files, &pace, args.allow_rejects, stop, &stats);
    drop(progress);
    ended.outcome.notices.extend(files::notice_of_links(&passed_over));
    let subject = Subject {
        job: &config.name,
        job_file: job_path.display().to_string(),
        inferred: inferred.as_ref().map(Inferred::report),
        destination: destination.describe(),
        run: None,
        next: Next {
            dead_letters: next_command("dead-letters list", &job_path, overrides.into.as_ref()),
            query: is_found.then(|| first_rows(&*destination, &config.record.schema)),
        },
    };
    let report = Load::new(subject, &ended.outcome, ended.exit, ended.error.as_ref());
    // Before the first batch, an error is all there is to tell.
    if report.error.is_none() || report.has_begun() || speech.output == Output::Json {
        speech.summarize(&report)?;
    }
    match (&ended.error, ended.exit) {
        (Some(error), _) => speech.error(&error.to_string()),
        (None, Exit::Stopped(signal)) => speech.inform(&Kind::Stopped(signal).to_string()),
        (None, _) => {}
    }
    Ok(ended.exit)
}
