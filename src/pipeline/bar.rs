//! When sources are judged by the bar, and what is known then.
//!
//! A source is judged whenever one of its splits has a multiple of a fixed number of records or reaches its
//! end, and at no other time. So the decision depends on the data alone, not on where batches or chunks end,
//! nor on how often the load was stopped. If a run begins at such a point, it judges before it begins,
//! because the run before may have died on the way to it. An end only counts as one while nothing follows it.
//!
//! A source is judged by all of it, whichever run loaded it and in however many splits. Of what others load
//! at the same time, a lane or a run knows only what was committed when it began.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::stats::{GivenUp, Outcome};
use crate::error::Result;
use crate::event::Observer;
use crate::sink::bar::{Bar, Standing};
use crate::sink::{Again, Counts, Sink, Task};
use crate::source::Candidate;
use crate::split::Split;

/// A source is judged after this many records, and after each further multiple.
const POINT_RECORDS: u64 = 10_000;

/// For at most this many abandoned sources the reasons of their dead letters are queried.
const EXPLAINED_MAX: usize = 10;

/// The number of records from `records` to the next point.
pub(super) fn to_next_point(records: u64) -> u64 {
    POINT_RECORDS - records % POINT_RECORDS
}

/// Whether a split with this many records is at a point.
pub(super) fn is_point(records: u64) -> bool {
    records > 0 && records.is_multiple_of(POINT_RECORDS)
}

/// The state of a run's sources before anything of them is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    /// The committed records of each split.
    pub(super) records: HashMap<Split, u64>,
    /// The figures that each source is judged by.
    pub(super) sources: HashMap<i32, Tally>,
}

/// The figures that a source is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Its committed records, of all runs.
    pub(super) records: u64,
    /// Its open dead letters.
    pub(super) letters: u64,
}

impl Tally {
    /// Adds the present state of a split.
    fn add_split(&mut self, standing: &Standing) {
        self.records += standing.records;
        self.letters += standing.letters;
    }

    /// Adds what was committed.
    pub(super) fn add(&mut self, counts: &Counts) {
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        self.records += count(counts.records);
        self.letters += count(counts.rejected);
    }

    pub(super) fn is_above(self, bar: Bar) -> bool {
        bar.is_exceeded(self.letters, self.records)
    }

    /// Describes an abandoned source, in its present state.
    pub(super) fn given_up(self, source: i32, path: &Path, is_cut: bool) -> GivenUp {
        let Tally { records, letters } = self;
        GivenUp {
            source,
            path: path.to_owned(),
            is_cut,
            records,
            letters,
            reasons: Vec::new(),
            is_undone: false,
        }
    }
}

/// Judges the splits that are at a point or at their end before anything is read. Removes the tasks of
/// sources above the bar, and returns the state of the others. `finished` are the sources of which nothing is
/// to be loaded.
pub(super) fn judge_known(
    bar: Bar,
    tasks: &mut Vec<(Task, Candidate)>,
    finished: &[(i32, PathBuf)],
    sink: &mut dyn Sink,
    outcome: &mut Outcome,
    observer: &Observer,
) -> Result<Tallies> {
    let ids = tasks.iter().map(|(task, _)| task.split.source).chain(finished.iter().map(|(id, _)| *id));
    let ids: BTreeSet<i32> = ids.collect();
    let again: HashMap<Split, Again> =
        tasks.iter().filter_map(|(task, _)| Some((task.split, task.again?))).collect();
    let (mut tallies, mut ended, mut splits) = (Tallies::default(), HashSet::new(), HashMap::new());
    for standing in sink.standing(&ids.into_iter().collect::<Vec<_>>())? {
        let split = standing.split;
        if standing.is_complete {
            ended.insert(split.source);
        }
        let standing = again.get(&split).map_or(standing, |again| standing.without(*again));
        tallies.records.insert(split, standing.records);
        tallies.sources.entry(split.source).or_default().add_split(&standing);
        *splits.entry(split.source).or_insert(0) += 1;
    }
    let mut give_up = |source: i32, path: &Path| {
        let is_cut = splits.get(&source).is_some_and(|splits| *splits > 1);
        outcome.give_up(tallies.sources[&source].given_up(source, path, is_cut), observer);
    };
    let is_above = |source: &i32| tallies.sources.get(source).is_some_and(|tally| tally.is_above(bar));
    for (source, path) in finished.iter().filter(|(source, _)| ended.contains(source) && is_above(source)) {
        give_up(*source, path);
    }
    let stands_at_point = |task: &Task| tallies.records.get(&task.split).is_some_and(|it| is_point(*it));
    let at_points = tasks.iter().filter(|(task, _)| stands_at_point(task));
    let at_points = at_points.map(|(task, _)| task.split.source).filter(is_above);
    let at_points: HashSet<i32> = at_points.collect();
    let mut told = HashSet::new();
    tasks.retain(|(Task { split, .. }, candidate)| {
        let is_given_up = at_points.contains(&split.source);
        if is_given_up && told.insert(split.source) {
            give_up(split.source, &candidate.path);
        }
        !is_given_up
    });
    Ok(tallies)
}

/// Determines why the dead letters of abandoned sources are open, and the present state of each source whose
/// splits were judged concurrently.
pub(super) fn explain(given_up: &mut [GivenUp], sink: &mut dyn Sink) -> Result<()> {
    for given_up in given_up.iter_mut().take(EXPLAINED_MAX) {
        given_up.reasons = sink.open_reasons(given_up.source)?;
    }
    let cut: Vec<i32> = given_up.iter().filter(|it| it.is_cut).map(|it| it.source).collect();
    if cut.is_empty() {
        return Ok(());
    }
    let mut sources: HashMap<i32, Tally> = HashMap::new();
    for standing in sink.standing(&cut)? {
        sources.entry(standing.split.source).or_default().add_split(&standing);
    }
    for given_up in given_up.iter_mut().filter(|it| it.is_cut) {
        if let Some(&Tally { records, letters }) = sources.get(&given_up.source) {
            (given_up.records, given_up.letters) = (records, letters);
        }
    }
    Ok(())
}
