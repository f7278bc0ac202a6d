//! Setbacks: acknowledged commits that a destination has lost.
//!
//! A lagging standby that takes over, or a restored older copy, has lost the last commits: rows, dead letters
//! and checkpoints together, so what is left is consistent. Only the run that received the acknowledgements
//! can know that the commits are missing. So it remembers them and looks at the checkpoints again after a
//! lost connection and before it reports success. That shows whether its sources are where they were, went
//! back, or now belong to another run.

use std::collections::{BTreeMap, HashMap};

use super::Holdings;
use crate::error::{Error, ErrorKind};
use crate::sink::claim::lost_ownership;
use crate::sink::{Advance, Batch, Counts, Setback};
use crate::split::Split;

/// What was acknowledged to a run, by split.
#[derive(Clone, Debug, Default)]
pub(in crate::sink) struct Acknowledged(BTreeMap<Split, Told>);

#[derive(Clone, Copy, Debug)]
struct Told {
    /// Where the first batch began.
    from: u64,
    position: u64,
    is_complete: bool,
    epoch: i64,
    /// What the run counted.
    counted: Counts,
    /// The counters of the checkpoint without it.
    others: Counts,
}

impl Acknowledged {
    /// Records a batch. `after` are the counters of the checkpoints from then on, per advance.
    pub(in crate::sink) fn note(
        &mut self,
        batch: &Batch,
        counts: &[Counts],
        after: &[Counts],
        owned: &Holdings,
    ) {
        for ((advance, counts), after) in batch.advances.iter().zip(counts).zip(after) {
            self.add(advance, counts, after, owned.get(advance.split).epoch);
        }
    }

    pub(super) fn add(&mut self, advance: &Advance, counts: &Counts, after: &Counts, epoch: i64) {
        let told = self.0.entry(advance.split).or_insert_with(|| Told {
            from: advance.from,
            position: advance.from,
            is_complete: false,
            epoch,
            counted: Counts::default(),
            others: after.minus(counts),
        });
        (told.position, told.is_complete, told.epoch) = (advance.to, advance.completes, epoch);
        told.counted.add(counts);
    }

    /// The splits of which something was committed, in order.
    pub(in crate::sink) fn splits(&self) -> impl Iterator<Item = Split> {
        self.0.keys().copied()
    }

    /// Adds what was acknowledged to others, for splits of their own.
    pub(in crate::sink) fn add_all(&mut self, others: &Acknowledged) {
        for (split, told) in &others.0 {
            let known = self.0.entry(*split).or_insert(Told { counted: Counts::default(), ..*told });
            (known.position, known.is_complete, known.epoch) = (told.position, told.is_complete, told.epoch);
            known.counted.add(&told.counted);
        }
    }

    /// Drops what went back, as if it had never been acknowledged.
    pub(in crate::sink) fn forget(&mut self, setbacks: &[Setback]) {
        for setback in setbacks {
            self.0.remove(&setback.split);
        }
    }
}

/// What a checkpoint holds when it is read again.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Found {
    pub(in crate::sink) epoch: i64,
    pub(in crate::sink) owner: Option<i64>,
    pub(in crate::sink) position: u64,
    pub(in crate::sink) is_complete: bool,
    pub(in crate::sink) counts: Counts,
}

/// The state when a run checks again.
#[derive(Clone, Debug, Default)]
pub(in crate::sink) struct Look {
    /// The checkpoints of its job that exist.
    pub(in crate::sink) splits: HashMap<Split, Found>,
    /// The id of the next source. A missing source with a lower id was created and then forgotten; any other
    /// was never created.
    pub(in crate::sink) next_id: i32,
    /// Whether the run's own row exists.
    pub(in crate::sink) has_run: bool,
}

impl Look {
    /// What is missing of what was acknowledged. `None` means that nothing is; an empty list means that only
    /// the run's own row is missing.
    pub(in crate::sink) fn setbacks(&self, acknowledged: &Acknowledged) -> Option<Vec<Setback>> {
        let setbacks = acknowledged.0.iter().filter_map(|(&split, told)| self.setback(split, told));
        let setbacks: Vec<Setback> = setbacks.collect();
        (!self.has_run || !setbacks.is_empty()).then_some(setbacks)
    }

    fn setback(&self, split: Split, told: &Told) -> Option<Setback> {
        let position = match self.splits.get(&split) {
            None if split.source < self.next_id => return None,
            None => told.from,
            // It is from before the run took the split. After a rebuild it can be as far as now.
            Some(found) if found.epoch < told.epoch && found.position >= told.position => told.from,
            // A run that has resumed from the end of a source has a higher epoch.
            Some(found) if found.position >= told.position => {
                let is_open_again = told.is_complete && !found.is_complete && found.epoch <= told.epoch;
                if !is_open_again {
                    return None;
                }
                found.position
            }
            Some(found) => found.position.max(told.from),
        };
        let kept = match self.splits.get(&split) {
            Some(found) if position > told.from => found.counts.minus(&told.others),
            _ => Counts::default(),
        };
        Some(Setback {
            split,
            position,
            lost: told.counted.minus(&kept),
            bytes: told.position - position,
            was_complete: told.is_complete,
        })
    }

    /// Why the run may not continue with what it owns, if it may not.
    pub(in crate::sink) fn objection(
        &self,
        owned: &Holdings,
        acknowledged: &Acknowledged,
        run: i64,
    ) -> Option<Error> {
        if self.setbacks(acknowledged).is_some() {
            return Some(went_back());
        }
        let (mut is_forgotten, mut is_anothers) = (false, false);
        for (split, held) in owned.iter() {
            match self.splits.get(&split) {
                None if split.source < self.next_id => is_forgotten = true,
                None => return Some(went_back()),
                Some(found) if found.position < held.position => return Some(went_back()),
                // Under any epoch: if an answer was lost, it is higher than this run knows.
                Some(found) if found.owner == Some(run) => {}
                // Its end was committed just now, and the acknowledgement was lost.
                Some(found) if found.is_complete && found.epoch == held.epoch => {}
                // Every take raises the epoch, so this is from before this run took it.
                Some(found) if found.epoch < held.epoch => return Some(went_back()),
                Some(_) => is_anothers = true,
            }
        }
        match (is_anothers, is_forgotten) {
            (true, _) => Some(lost_ownership()),
            (false, true) => Some(forgotten()),
            (false, false) => None,
        }
    }
}

/// The error of a run that finds commits missing.
pub(in crate::sink) fn went_back() -> Error {
    ErrorKind::WentBack.into()
}

fn forgotten() -> Error {
    ErrorKind::Server {
        doing: "looking at the checkpoints".to_owned(),
        sqlstate: None,
        message: "a source of this run was forgotten meanwhile (`logmill forget`), and nothing more was \
                  written. To load it again, run the same command again"
            .to_owned(),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::super::Holding;
    use super::*;
    use crate::sink::Task;
    use crate::source::{Preamble, Start, hash16};

    const RUN: i64 = 3;

    fn counts(inserted: i64) -> Counts {
        Counts { lines: inserted, records: inserted, inserted, ..Counts::default() }
    }

    /// A run that resumed at 100 and reached 300 in two batches of ten rows, after ten rows by others.
    fn told(source: i32, is_complete: bool) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        for (from, after) in [(100, 20), (200, 30)] {
            let advance = Advance {
                split: Split::whole(source),
                from,
                start: from,
                to: from + 100,
                counts: Counts::default(),
                tail: (0, hash16(b"")),
                ends: None,
                completes: is_complete && from == 200,
                unterminated: None,
                again: None,
                preamble: Preamble::default(),
            };
            acknowledged.add(&advance, &counts(10), &counts(after), 5);
        }
        acknowledged
    }

    fn found(epoch: i64, owner: Option<i64>, position: u64, rows: i64) -> Found {
        Found { epoch, owner, position, is_complete: false, counts: counts(rows) }
    }

    fn look(found: Option<Found>) -> Look {
        let splits = found.map(|found| (Split::whole(1), found)).into_iter().collect();
        Look { splits, next_id: 2, has_run: true }
    }

    #[test]
    fn what_is_missing_is_told_with_what_it_counted() {
        let lost = |look: &Look, told: &Acknowledged| {
            look.setbacks(told)
                .map(|all| all.iter().map(|it| (it.position, it.lost.inserted, it.bytes)).collect())
        };
        let (open, done) = (told(1, false), told(1, true));
        let at = |position, rows| look(Some(found(5, Some(RUN), position, rows)));
        assert_eq!(lost(&at(300, 30), &open), None);
        // A batch whose acknowledgement was lost, and a source that another run has resumed.
        assert_eq!(lost(&at(400, 40), &open), None);
        assert_eq!(lost(&look(Some(found(6, Some(9), 300, 30))), &done), None);
        assert_eq!(lost(&at(200, 20), &open), Some(vec![(200, 10, 100)]));
        assert_eq!(lost(&at(300, 30), &done), Some(vec![(300, 0, 0)]), "its end alone");
        assert_eq!(lost(&at(100, 10), &done), Some(vec![(100, 20, 200)]));
        // Further back than where the run began: that part was another run's.
        assert_eq!(lost(&at(50, 5), &done), Some(vec![(100, 20, 200)]));
        // As it was before a rebuild, which was just as far.
        assert_eq!(lost(&look(Some(found(4, None, 300, 30))), &done), Some(vec![(100, 20, 200)]));
        // Never created, or created and forgotten.
        assert_eq!(lost(&Look { next_id: 1, ..look(None) }, &done), Some(vec![(100, 20, 200)]));
        assert_eq!(lost(&look(None), &done), None);
        assert_eq!(lost(&Look { has_run: false, ..at(300, 30) }, &open), Some(vec![]), "the run's own row");
    }

    #[test]
    fn another_run_has_taken_over_only_where_one_has() {
        let task = Task { start: Start { position: 300, ..Start::zero() }, ..Task::whole(1) };
        let mut owned = Holdings::default();
        owned.set(Split::whole(1), Holding::open(5, &task));
        let told = told(1, false);
        let objection = |look: Look| look.objection(&owned, &told, RUN).map(|error| error.kind().code());
        for (found, expected) in [
            (found(5, Some(RUN), 300, 30), None),
            (found(7, Some(RUN), 300, 30), None),
            (Found { is_complete: true, ..found(5, None, 400, 40) }, None),
            (found(6, Some(9), 300, 30), Some("taken_over")),
            (found(6, None, 300, 30), Some("taken_over")),
            (found(6, Some(9), 200, 20), Some("went_back")),
            (found(4, Some(2), 300, 30), Some("went_back")),
            (found(4, None, 300, 30), Some("went_back")),
            (found(5, Some(RUN), 200, 20), Some("went_back")),
        ] {
            assert_eq!(objection(look(Some(found))), expected, "{found:?}");
        }
        assert_eq!(objection(look(None)), Some("server"), "forgotten");
        assert_eq!(objection(Look { next_id: 1, ..look(None) }), Some("went_back"));
    }
}
