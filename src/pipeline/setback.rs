//! A destination that has lost, by the end of a load, some of what it acknowledged during it.

use std::collections::HashSet;

use super::stats::{Mark, Outcome, Stats};
use crate::error::{ErrorKind, Result};
use crate::event::Observer;
use crate::sink::{Sink, Task};
use crate::source::Candidate;

/// The message about a destination that is not as far as it had acknowledged.
pub(super) const WENT_BACK: &str = "the destination has lost commits that it had acknowledged (a standby that lagged, or an \
    older copy of it); what is missing is loaded again";

/// The message about a file of which it has lost something.
const SET_BACK: &str =
    "the destination lost commits that it had acknowledged; what was missing was loaded again";

/// After more losses than this in one run, the load is not retried.
const SETBACKS_MAX: u32 = 5;

/// The part of a run that is claimed again.
pub(super) struct Part<'a> {
    pub(super) tasks: &'a [(Task, Candidate)],
    /// The sources of which it has begun to load something, in any attempt.
    pub(super) begun: &'a HashSet<i32>,
    /// The outcome of earlier parts.
    pub(super) mark: Mark,
}

/// Whether the destination has lost something of what was loaded, so that it must be claimed again. The
/// outcome then excludes the loss.
pub(super) fn is_set_back(
    loaded: Result<()>,
    part: &Part<'_>,
    sink: &mut dyn Sink,
    outcome: &mut Outcome,
    stats: &Stats,
    observer: &Observer,
) -> Result<bool> {
    let Part { tasks, begun, mark } = *part;
    let is_told = matches!(&loaded, Err(error) if matches!(error.kind(), ErrorKind::WentBack));
    if !is_told {
        loaded?;
    }
    let setbacks = sink.look_again()?;
    if setbacks.is_none() && !is_told {
        return Ok(false);
    }
    outcome.setbacks += 1;
    // A stream cannot be read again.
    let is_stream = |(_, file): &(Task, Candidate)| file.stream.is_some();
    if outcome.setbacks > SETBACKS_MAX || tasks.iter().any(is_stream) {
        return Err(ErrorKind::WentBack.into());
    }
    let setbacks = setbacks.unwrap_or_default();
    outcome.set_back(&setbacks, tasks, mark, stats, observer);
    // What another part of the run had loaded is loaded again by the next run.
    if setbacks.iter().any(|setback| !begun.contains(&setback.split.source)) {
        return Err(ErrorKind::WentBack.into());
    }
    let is_back = |task: &Task| setbacks.iter().any(|setback| setback.split == task.split);
    for (_, file) in tasks.iter().filter(|(task, _)| is_back(task)) {
        outcome.notices.push((file.path.clone(), SET_BACK.to_owned()));
    }
    Ok(true)
}
