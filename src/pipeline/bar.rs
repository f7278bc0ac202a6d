//! When the bar is looked at, and what is known then.
//!
//! A source is judged after every so many records and at its end, and never elsewhere, so that
//! what is decided depends on the data alone: not on where batches or chunks end, nor on how often
//! the load was stopped. Where a run begins at such a point, it is judged before it begins: the
//! run before may have died on the way to it. An end is only one while nothing stands behind it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::stats::{GivenUp, Outcome};
use crate::error::Result;
use crate::event::Observer;
use crate::sink::bar::{Bar, Standing};
use crate::sink::{Counts, Sink, Task};
use crate::source::Candidate;
use crate::split::Split;

/// After so many records of a source it is judged, and after as many again.
pub(super) const POINT_RECORDS: u64 = 10_000;

/// Of so many sources that are given up it is asked why their dead letters are open.
const EXPLAINED_MAX: usize = 10;

/// How many records there are from `records` to the next point.
pub(super) fn to_next_point(records: u64) -> u64 {
    POINT_RECORDS - records % POINT_RECORDS
}

/// What a split is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Its records that are committed, of all runs.
    pub(super) records: u64,
    /// Its dead letters that are open.
    pub(super) letters: u64,
}

impl Tally {
    fn of(standing: Standing) -> Tally {
        Tally { records: standing.records, letters: standing.letters }
    }

    /// Adds what was committed.
    pub(super) fn add(&mut self, counts: &Counts) {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        self.records += count(counts.records);
        self.letters += count(counts.rejected);
    }

    pub(super) fn is_at_point(self) -> bool {
        self.records > 0 && self.records.is_multiple_of(POINT_RECORDS)
    }

    pub(super) fn is_above(self, bar: Bar) -> bool {
        bar.is_exceeded(self.letters, self.records)
    }

    /// That a split is given up, as it stands.
    pub(super) fn given_up(self, split: Split, path: &Path) -> GivenUp {
        let Tally { records, letters } = self;
        GivenUp { split, path: path.to_owned(), records, letters, reasons: Vec::new() }
    }
}

/// Judges what stands at a point or at an end before anything is read. Tasks that are above the
/// bar are taken out; of the others it says how they stand. `finished` are the sources of which
/// nothing is to be loaded.
pub(super) fn judge_known(
    bar: Bar,
    tasks: &mut Vec<(Task, Candidate)>,
    finished: &[(i32, PathBuf)],
    sink: &mut dyn Sink,
    outcome: &mut Outcome,
    observer: &Observer,
) -> Result<HashMap<Split, Tally>> {
    let ids: Vec<i32> =
        tasks.iter().map(|(task, _)| task.split.source).chain(finished.iter().map(|(id, _)| *id)).collect();
    let standings = sink.standing(&ids)?;
    let paths: HashMap<i32, &Path> = finished.iter().map(|(id, path)| (*id, path.as_path())).collect();
    for standing in standings.iter().filter(|standing| standing.is_complete) {
        let tally = Tally::of(*standing);
        if let Some(path) = paths.get(&standing.split.source).filter(|_| tally.is_above(bar)) {
            outcome.give_up(tally.given_up(standing.split, path), observer);
        }
    }
    let standings: HashMap<Split, Standing> =
        standings.into_iter().map(|standing| (standing.split, standing)).collect();
    let mut tallies = HashMap::new();
    tasks.retain(|(task, candidate)| {
        let standing = standings.get(&task.split).copied();
        let standing = standing.map(|standing| match task.again {
            Some(again) => standing.without(again),
            None => standing,
        });
        let tally = standing.map(Tally::of).unwrap_or_default();
        let is_given_up = tally.is_at_point() && tally.is_above(bar);
        if is_given_up {
            outcome.give_up(tally.given_up(task.split, &candidate.path), observer);
        }
        tallies.insert(task.split, tally);
        !is_given_up
    });
    Ok(tallies)
}

/// Finds out why the dead letters of what was given up are open.
pub(super) fn explain(given_up: &mut [GivenUp], sink: &mut dyn Sink) -> Result<()> {
    for given_up in given_up.iter_mut().take(EXPLAINED_MAX) {
        given_up.reasons = sink.open_reasons(given_up.split.source)?;
    }
    Ok(())
}
