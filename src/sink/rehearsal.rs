//! A rehearsal of a replay: the letters are read, and nothing is written.

use std::sync::Arc;

use super::history::{Filter, History};
use super::judge::Judge;
use super::replay::{OpenLetter, Page};
use super::{Answer, Asked, Batch, Committed, Ending, OpenLetters, Sink};
use crate::error::Result;
use crate::work::{Recipe, Work};

/// A replay that writes nothing: the format and the schema judge the letters.
pub struct Rehearsal {
    judge: Judge,
    history: Box<dyn History>,
    job: String,
}

impl Rehearsal {
    /// A rehearsal over what a destination remembers of a job.
    pub fn new(job: &str, judge: Judge, history: Box<dyn History>) -> Rehearsal {
        Rehearsal { judge, history, job: job.to_owned() }
    }
}

impl Sink for Rehearsal {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        self.judge.work(recipe)
    }

    fn claim(&mut self, _: &Asked) -> Result<Vec<Answer>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        let counts = batch.advances.iter().map(|advance| {
            let mut counts = advance.counts;
            counts.inserted = counts.records - counts.rejected;
            counts
        });
        Ok(Committed { counts: counts.collect(), refused: Vec::new(), completed: Vec::new() })
    }

    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>> {
        self.history.open_letters(filter, page)
    }

    fn open_dead_letters(&mut self, _: &[i32]) -> Result<OpenLetters> {
        let status = self.history.status(&self.job)?.unwrap_or_default();
        Ok(OpenLetters { selected: 0, job: status.open_dead_letters })
    }

    fn finish(&mut self, _: &Ending<'_>) -> Result<()> {
        Ok(())
    }
}
