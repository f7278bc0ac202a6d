//! Rows of mended bytes: a replay makes them from what a person put in place of a record, by the rules of the
//! job and with the encoder of the destination.

use std::path::Path;
use std::sync::Arc;

use super::kept::{HeldLetter, Kept};
use crate::sink::claim::unsigned;
use crate::source::{Chunk, Source};
use crate::split::Split;
use crate::work::{Assignment, Recipe, Rows, Work, Worker};

pub(super) struct Mended {
    work: Arc<dyn Work>,
    worker: Worker,
    record_bytes_max: usize,
    source: Arc<Source>,
}

impl Mended {
    pub(super) fn new<K: Kept>(kept: &K, recipe: &Recipe) -> Mended {
        Mended {
            work: kept.work(recipe.clone()),
            worker: Worker::default(),
            record_bytes_max: recipe.record_bytes_max,
            // Nothing is read from it: the bytes come from the letter.
            source: Arc::new(Source::was_read(Path::new(""))),
        }
    }

    /// The row made from the mended bytes of a letter. `None` if they are not exactly one record that the
    /// rules accept.
    pub(super) fn row(&mut self, letter: &HeldLetter) -> Option<Vec<u8>> {
        let chunk =
            Chunk::of_record(unsigned(letter.place.offset), letter.fixed.clone()?, self.record_bytes_max);
        let assignment = Assignment {
            source: Arc::clone(&self.source),
            split: Split::whole(letter.place.source),
            chunk,
            before: letter.preamble.clone(),
            behind: letter.preamble.clone(),
        };
        let parcel = self.work.work(&mut self.worker, assignment, Rows::default());
        let is_row = parcel.records == 1 && parcel.rows.len() == 1;
        is_row.then(|| parcel.rows.slice(0..1).to_vec())
    }
}
