//! A rebuild: a load that happens completely or not at all.

use super::bar;
use super::replay::{OfDay, ReplaySettings, Replayed, replay};
use super::stats::{Mark, Outcome, Stats};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Observer;
use crate::sink::rebuild::{Mended, Rebuilt};
use crate::sink::{Asked, Sink};
use crate::source::Reach;
use crate::stop::Stop;
use crate::work::Recipe;

/// The message after an interrupted rebuild.
pub(super) const INTERRUPTED: &str = "the connection was lost, or the server ended a deadlock, before the \
    rebuild was finished, so it was rolled back; it starts over";

/// After more interruptions than this by the server, the rebuild is not retried.
const INTERRUPTIONS_MAX: u32 = 5;

/// Refuses a rebuild if one of its files cannot be read, because the file's rows would be removed as if it
/// did not exist; and streams, because they may have to be read twice.
pub(super) fn refuse(asked: &Asked, outcome: &Outcome) -> Result<()> {
    if let Some((file, why)) = outcome.failed.first() {
        return Err(ErrorKind::NotRebuilt(format!("{}: {why}", file.display())).into());
    }
    let Some(stream) = asked.files.iter().find(|file| file.stream.is_some()) else { return Ok(()) };
    Err(Error::usage(format!(
        "--rebuild: {} is a stream, and a rebuild may have to start over, which needs a file; load it without --rebuild, \
         after `logmill forget --delete-rows`",
        stream.path.display()
    )))
}

/// Ends a rebuild whose batches are all in, or abandons it if one of its files is incomplete: then everything
/// is as it was before, and nothing was loaded.
pub(super) fn settle(
    loaded: Result<()>,
    recipe: &Recipe,
    sink: &mut dyn Sink,
    stop: &Stop,
    outcome: &mut Outcome,
    stats: &Stats,
    observer: &Observer,
) -> Result<()> {
    let is_whole = outcome.failed.is_empty() && outcome.given_up.is_empty() && stop.asked().is_none();
    let ended = match loaded {
        Ok(()) if is_whole => end(recipe, sink, stop).map(Some),
        Ok(()) => bar::explain(&mut outcome.given_up, sink).map(|()| None),
        Err(error) => Err(error),
    };
    if let Ok(Some(rebuilt)) = ended {
        outcome.rebuilt = Some(rebuilt);
        return Ok(());
    }
    sink.abandon()?;
    outcome.unload(stats, observer);
    if let Some(signal) = stop.asked() {
        outcome.stopped = Some(signal);
    }
    ended.map(|_| ())
}

/// Retries the mended letters, and ends.
fn end(recipe: &Recipe, sink: &mut dyn Sink, stop: &Stop) -> Result<Rebuilt> {
    if let Some(Mended { filter, is_backwards }) = sink.carry_over()? {
        // No count of the run includes the outcome of these.
        let settings =
            ReplaySettings { filter, reach: Reach::default(), is_backwards, observer: Observer::default() };
        replay(
            &settings,
            &|_| Ok(OfDay { recipe: recipe.clone(), constants: None }),
            None,
            sink,
            stop,
            &mut Replayed::default(),
        )?;
    }
    sink.end_rebuild()
}

/// Whether a rebuild was interrupted, and must begin anew.
pub(super) fn begins_anew(
    loaded: &Result<()>,
    mark: Mark,
    outcome: &mut Outcome,
    stats: &Stats,
    observer: &Observer,
) -> bool {
    let is_interrupted = matches!(loaded, Err(error) if matches!(error.kind(), ErrorKind::Interrupted));
    if is_interrupted {
        outcome.setbacks += 1;
        outcome.set_back(&[], &[], mark, stats, observer);
    }
    is_interrupted && outcome.setbacks <= INTERRUPTIONS_MAX
}
