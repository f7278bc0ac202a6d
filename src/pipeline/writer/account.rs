//! What the commits of a writer come to: the counts of splits and of the run, reasons, complete sources.

use super::super::stats::{Reason, add, countable};
use super::{Progress, Writer};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::sink::dead_letter::Refused;
use crate::sink::history::Line;
use crate::sink::{Advance, Batch, Committed, Counts};
use crate::split::Split;

impl Writer<'_> {
    /// Adds the outcomes of a batch's records to its splits, and returns the sum.
    pub(super) fn account(&mut self, batch: &Batch, committed: &Committed) -> Counts {
        let mut of_batch = Counts::default();
        for (advance, counts) in batch.advances.iter().zip(&committed.counts) {
            let progress = self.splits.get_mut(&advance.split).expect("a split of this run");
            progress.counts.add(counts);
            progress.committed += countable(counts.records);
            if let Some(tally) = self.tallies.get_mut(&advance.split.source) {
                tally.add(counts);
            }
            of_batch.add(counts);
            progress.is_complete |= advance.completes;
            self.outcome.splits += u64::from(advance.completes && progress.is_part);
        }
        self.outcome.counts.add(&of_batch);
        add(&self.stats.records, countable(of_batch.records));
        add(&self.stats.rejected, countable(of_batch.rejected));
        of_batch
    }

    /// Records how much was read of compressed files that are not complete.
    pub(super) fn note_begun(&mut self, batch: &Batch) {
        for parcel in batch.parcels.iter().filter(|parcel| self.splits[&parcel.split].is_compressed) {
            *self.outcome.begun.entry(parcel.split).or_insert(0) += parcel.raw;
        }
        for advance in batch.advances.iter().filter(|advance| advance.completes) {
            self.outcome.begun.remove(&advance.split);
        }
    }

    /// Counts and reports the sources that a batch has completed.
    pub(super) fn finish(&mut self, batch: &Batch, completed: &[i32]) {
        let is_completed = |advance: &&Advance| completed.binary_search(&advance.split.source).is_ok();
        for advance in batch.advances.iter().filter(is_completed) {
            let progress = &self.splits[&advance.split];
            self.outcome.loaded += 1;
            let has_nothing_new = advance.to > 0 && advance.to == progress.began;
            self.outcome.known += u64::from(has_nothing_new);
            let (file, records) = (progress.path.clone(), countable(progress.counts.records));
            self.settings.observer.tell(&Event::Finished { file, records });
        }
    }

    /// A line of a split, by its number in the split. If the preceding splits complete in this run, it gets
    /// its number in the file at the end.
    fn line(&self, split: Split, line: u64) -> Line {
        Line::of(line, split.start, self.splits[&split].lines_before)
    }

    /// Counts the reasons of a batch's rejects.
    pub(super) fn explain(&mut self, batch: &Batch, refused: &[Refused]) {
        for parcel in &batch.parcels {
            for tally in parcel.rejects.tally() {
                let line = self.line(parcel.split, parcel.first_line + u64::from(tally.line) + 1);
                self.reasons.add(Reason {
                    code: tally.code,
                    field: tally.field.clone(),
                    count: tally.count,
                    path: parcel.source.path().to_owned(),
                    line,
                    offset: tally.offset,
                });
            }
        }
        for refused in refused {
            let place = batch.place(refused.row);
            let parcel = &batch.parcels[place.parcel];
            let line = self.line(parcel.split, parcel.first_line + u64::from(place.line) + 1);
            self.reasons.add(Reason {
                code: refused.code,
                field: refused.column.clone().or_else(|| refused.constraint.clone()).unwrap_or_default(),
                count: 1,
                path: parcel.source.path().to_owned(),
                line,
                offset: place.span.start,
            });
        }
    }

    /// Checks that every record is accounted for, and determines how the run ended.
    pub(super) fn conclude(mut self) -> Result<()> {
        for progress in self.splits.values() {
            let counts = &progress.counts;
            if !counts.is_conserved() || counts.lines != progress.record_lines + counts.blank + counts.skipped
            {
                return Err(Error::broken(format!(
                    "{}: the records do not add up: {counts:?}",
                    progress.path.display()
                )));
            }
        }
        if self.stop.asked().is_none() && !self.stop.is_abandoned() {
            // A source that is still being written ends, for now, with what there is.
            let is_waiting =
                |progress: &Progress| !progress.is_complete && !progress.has_failed && !progress.is_given_up;
            let waiting = self.splits.iter().filter(|(_, progress)| is_waiting(progress));
            let mut waiting: Vec<Split> = waiting.map(|(split, _)| *split).collect();
            waiting.sort_unstable();
            for split in waiting {
                self.judge_source_of(split);
                self.outcome.waiting += u64::from(!self.splits[&split].is_given_up);
            }
        }
        self.outcome.stopped = self.stop.asked();
        Ok(())
    }
}
