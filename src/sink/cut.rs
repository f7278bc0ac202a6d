//! Cuts: one split made several, by the run that holds it.
//!
//! A split is cut where nothing of it is loaded yet, and once: who was told its parts can rely on
//! them. It ends at the first of the places then, and each part that begins at one has a
//! checkpoint of its own, under the same owner.

use super::ledger::{Holding, Holdings};
use super::{Before, Task};
use crate::source::{Preamble, Start, hash16};
use crate::split::Split;

/// A split to be cut, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The split.
    pub split: Split,
    /// Where the parts behind the first begin, in order. There is one at least.
    pub places: Vec<u64>,
    /// Where the split ended.
    pub end: Option<u64>,
}

impl Cut {
    /// The parts that begin at the places, each with its end.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Split, Option<u64>)> {
        let ends = self.places[1..].iter().copied().map(Some).chain([self.end]);
        self.places.iter().zip(ends).map(|(&start, end)| (Split { start, ..self.split }, end))
    }

    /// What is to be loaded of the split, as a task for each part.
    pub fn tasks(&self, task: Task) -> Vec<Task> {
        let mut before = task.before.clone();
        let mut tasks = vec![Task { end: self.places.first().copied(), ..task }];
        for (split, end) in self.parts() {
            before.open.push(tasks.last().expect("there is one").split);
            tasks.push(Task {
                split,
                start: Start { position: split.start, tail: (0, hash16(b"")), record: split.start },
                end,
                lines: 0,
                before: Before { lines: before.lines, open: before.open.clone() },
                again: None,
                preamble: Preamble::default(),
            });
        }
        tasks
    }
}

impl Holdings {
    /// What a run holds once it has made these cuts, whose parts have this epoch.
    pub(super) fn cut(&mut self, cuts: &[Cut], epoch: impl Fn(Split) -> i64) {
        for cut in cuts {
            let holding = Holding { is_part: true, ..self.get(cut.split) };
            self.set(cut.split, holding);
            for (part, _) in cut.parts() {
                let (epoch, position) = (epoch(part), part.start);
                self.set(part, Holding { epoch, position, is_complete: false, ..holding });
            }
        }
    }
}
