//! `status`: how far a job is, as its destination remembers it.

use std::path::PathBuf;

use super::selected::selected;
use super::{Watch, destination};
use crate::config::Config;
use crate::error::Result;
use crate::printable::remembered;
use crate::report::{Exit, Head, OldRows, SourcesStatus, Status};
use crate::sink::Destination;
use crate::sink::history::{History, SourceStatus};
use crate::source::Hash16;

/// How many runs are reported.
const RUNS_MAX: usize = 10;

/// How far the job is.
pub fn status(config: &Config, watch: &Watch) -> Result<Status> {
    let destination = destination(config, watch)?;
    let mut status = status_at(config, &*destination, &mut *destination.history()?)?;
    status.runs.truncate(RUNS_MAX);
    Ok(status)
}

/// The same with all runs that are remembered for people.
pub(super) fn status_at(
    config: &Config,
    destination: &dyn Destination,
    history: &mut dyn History,
) -> Result<Status> {
    let mut found = history.status(&config.name)?;
    found.iter_mut().for_each(|found| compare_rules(config, &mut found.sources));
    let undelivered = found.as_ref().map_or(0, |found| found.undelivered);
    let rows = old_rows(config);
    let mut status = Status::new(&config.name, destination.describe(), found, rows, false);
    status.undelivered = config.dead_letters.to.is_some().then_some(undelivered);
    Ok(status)
}

/// What happens to rows whose files are forgotten and loaded again.
pub(super) fn old_rows(config: &Config) -> OldRows {
    OldRows::of(&config.destination.key, &config.destination.on_conflict)
}

/// How far some of its files are. They may be gone.
pub fn status_of(config: &Config, files: &[PathBuf], watch: &Watch) -> Result<SourcesStatus> {
    let destination = destination(config, watch)?;
    let mut known = destination.history()?.status(&config.name)?.unwrap_or_default().sources;
    compare_rules(config, &mut known);
    let (sources, unknown) = selected(files, &known)?;
    Ok(SourcesStatus {
        head: Head::new("status", Some(&config.name), Exit::Success),
        sources: sources.into_iter().cloned().collect(),
        unknown: unknown.iter().map(|file| remembered(file)).collect(),
    })
}

/// Records which sources were loaded under other rules than those of the job.
pub(super) fn compare_rules(config: &Config, sources: &mut [SourceStatus]) {
    let rules = Hash16(config.rules_hash());
    for source in sources {
        source.other_rules = source.rules.iter().any(|of_split| *of_split != rules);
    }
}
