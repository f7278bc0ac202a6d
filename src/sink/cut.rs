//! Cuts: one split divided into several by the run that holds it.
//!
//! A split is cut only while nothing of it is loaded, and only once, so that a caller that learned its parts
//! can rely on them. It then ends at the first of the places, and each part that begins at one has a
//! checkpoint of its own under the same owner.

use std::sync::Arc;

use super::ledger::{Holding, Holdings};
use super::{Before, Task};
use crate::source::{Preamble, Start, hash16};
use crate::split::Split;

/// A split, and where to cut it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The split.
    pub split: Split,
    /// Where the parts after the first begin, in order. There is at least one.
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

    /// The task of the split, divided into one for each part.
    pub fn tasks(&self, task: Task) -> Vec<Task> {
        let before = task.before.open();
        let (place, lines) = (before.len(), task.before.lines);
        let parts = self.parts().map(|(part, _)| part);
        let open: Arc<[Split]> = before.iter().copied().chain([task.split]).chain(parts).collect();
        let parts = self.parts().zip(place + 1..).map(|((split, end), place)| Task {
            split,
            start: Start { position: split.start, tail: (0, hash16(b"")), record: split.start },
            end,
            lines: 0,
            before: Before::at(place, &open, lines),
            again: None,
            preamble: Preamble::default(),
            is_new: false,
        });
        let parts: Vec<Task> = parts.collect();
        let first = Task { end: self.places.first().copied(), ..task };
        std::iter::once(first).chain(parts).collect()
    }
}

impl Holdings {
    /// What a run holds after these cuts, whose parts have this epoch.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_told_of_those_before_it() {
        let cut = Cut { split: Split::whole(1), places: vec![10, 20, 30], end: None };
        let tasks = cut.tasks(Task::whole(1));
        let told: Vec<(u64, Option<u64>, usize)> =
            tasks.iter().map(|task| (task.split.start, task.end, task.before.open().len())).collect();
        assert_eq!(told, [(0, Some(10), 0), (10, Some(20), 1), (20, Some(30), 2), (30, None, 3)]);
        let of_last = tasks[3].before.open();
        assert_eq!(of_last, [0, 10, 20].map(|start| Split { source: 1, start }));
        // All share one list.
        assert_eq!(of_last.as_ptr(), tasks[1].before.open().as_ptr());
    }
}
