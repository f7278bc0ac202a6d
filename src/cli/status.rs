//! `status`: how far a job is, from any machine.

use super::args::StatusArgs;
use super::destination::looked_at;
use super::job;
use super::selected::selected;
use super::speech::Speech;
use crate::report::{Exit, Head, Source, SourcesStatus, Status};

pub(super) fn status(args: &StatusArgs, speech: Speech) -> anyhow::Result<Exit> {
    let config = job::read(&args.job.job, &args.job.destination.overrides(), speech)?;
    let destination = looked_at(&config, speech.observer())?;
    let found = destination.history()?.status(&config.name)?;
    if args.files.is_empty() {
        speech.show(&Status::new(&config.name, destination.describe(), found, args.all))?;
        return Ok(Exit::Success);
    }
    let known = found.unwrap_or_default().sources;
    let (sources, unknown) = selected(&args.files, &known)?;
    speech.show(&SourcesStatus {
        head: Head::new("status", Some(&config.name), Exit::Success),
        sources: sources.into_iter().map(Source::from).collect(),
        unknown: unknown.iter().map(|file| file.to_string_lossy().into_owned()).collect(),
    })?;
    Ok(Exit::Success)
}
