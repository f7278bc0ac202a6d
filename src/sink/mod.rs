//! Sinks: rows to durable rows, and how far we are.
//!
//! A [`Destination`] is a place that a job names. Opened for a load it is a [`Sink`], which keeps
//! its promises in one transaction per batch: rows, dead letters, counters and checkpoint are there
//! together or not at all. Its other half, the encoder, lives in the workers and turns rows into
//! the destination's own bytes, so that the one serial writer only forwards them.
//!
//! Only this folder knows SQL.

pub mod bar;
mod batch;
mod claim;
mod commit;
mod constant;
mod cut;
pub mod dates;
pub mod dead_letter;
pub mod destination;
mod findings;
pub mod forecast;
pub mod history;
pub mod judge;
pub mod key;
pub mod kinds;
pub mod ledger;
pub mod objects;
pub mod outbox;
pub mod postgres;
pub mod progress;
mod queries;
pub mod rebuild;
pub mod rehearsal;
pub mod replay;
pub mod rollup;
pub mod scratch;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod statement;
mod table;
pub mod verify;
mod word;

use std::sync::Arc;
use std::time::Duration;

use bar::Standing;
pub use batch::{Advance, Again, Batch, RowPlace};
pub use claim::{
    Answer, Asked, Before, Checkpoint, Decision, HOLDER_WAIT, Owner, Rebuild, Remembered, Task, decide,
};
pub use constant::Constant;
pub use cut::Cut;
use dead_letter::Refused;
pub use destination::Destination;
use history::{Filter, ReasonCount};
pub use key::{Key, OnConflict};
pub use kinds::of;
use rebuild::{Mended, Rebuilt};
use replay::{OpenLetter, Page};
use rollup::{Dates, RolledUp};
pub use table::TableName;
pub(crate) use word::is_reserved;

pub use crate::counts::Counts;
use crate::error::{Error, Result};
use crate::event::Dataset;
use crate::split::Split;
use crate::work::{Recipe, Work};

/// A destination that is open for a load.
pub trait Sink: Send {
    /// What turns chunks into parcels for it.
    fn work(&self, recipe: Recipe) -> Arc<dyn Work>;

    /// Rows from here on have these in their constant columns: of dead letters, each can be of another
    /// day.
    fn set_constants(&mut self, _constants: &[Constant]) -> Result<()> {
        Ok(())
    }

    /// Where batches end.
    fn closes(&self) -> Closes {
        Closes::WhenFull
    }

    /// The id of the run, if runs are remembered.
    fn run_id(&self) -> Option<i64> {
        None
    }

    /// The table by the names that lineage knows it by, without secrets.
    fn dataset(&self) -> Dataset {
        Dataset::default()
    }

    /// Says which sources are known and which are new, makes the new ones, and takes
    /// ownership of all that are to be loaded, in one transaction.
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>>;

    /// Cuts splits that this run holds, in one transaction. Its parts are the run's too.
    fn cut(&mut self, cuts: &[Cut]) -> Result<()> {
        match cuts {
            [] => Ok(()),
            _ => Err(Error::usage("this destination keeps each source as one split")),
        }
    }

    /// Makes ready for so many writers side by side, this one among them, and says how many there can
    /// be. More than one is no use where only one can write at a time.
    fn open_lanes(&mut self, _lanes: usize) -> Result<usize> {
        Ok(1)
    }

    /// A writer beside this one, which gives these splits over to it. Of those that were made ready.
    fn lane(&mut self, _splits: &[Split]) -> Result<Box<dyn Sink>> {
        Err(Error::broken("a destination was asked for a lane that it has not"))
    }

    /// Tells the sink that this lane is one of what was committed here. Nothing is committed after that.
    fn leave(&mut self) {}

    /// Commits a batch: rows, dead letters, counters and checkpoints. In a rebuild it is durable with
    /// the last of them.
    ///
    /// `Ok` means that all of it is durable, and gives what became of the records, per
    /// advance. After an error nothing of it is durable, *except* where the error says that
    /// the outcome could not be found out (the destination did not come back): then all of
    /// it or nothing is, the checkpoint knows which, and the next run asks it. There is no
    /// third state: a batch is never half there, and never there twice.
    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed>;

    /// In a rebuild, once all batches are in: carries over what people had decided about letters that
    /// came again, and says which of them are to be tried by what was mended.
    fn carry_over(&mut self) -> Result<Option<Mended>> {
        Ok(None)
    }

    /// Ends a rebuild: from here on all that was committed since the claim is durable, and what it
    /// takes the place of is gone. After an error it is as if it had never begun.
    fn end_rebuild(&mut self) -> Result<Rebuilt> {
        Ok(Rebuilt::default())
    }

    /// Gives a rebuild up that is under way: what was there is there.
    fn abandon(&mut self) -> Result<()> {
        Ok(())
    }

    /// Looks again, under lock, at everything that this run was told is committed. What is missing
    /// the destination has lost, after a failover say, or where an older copy was put back. The run
    /// owns nothing then, and claims its sources anew.
    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        Ok(None)
    }

    /// Open dead letters that the filter means, a page of them, to be tried again.
    fn open_letters(&mut self, _filter: &Filter, _page: Page) -> Result<Vec<OpenLetter>> {
        Ok(Vec::new())
    }

    /// How many dead letters are open, of these sources and of the whole job.
    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters>;

    /// How the splits of these sources stand. Asked only where there is a bar.
    fn standing(&mut self, _sources: &[i32]) -> Result<Vec<Standing>> {
        Ok(Vec::new())
    }

    /// Why dead letters of a source are open, the most frequent reason first.
    fn open_reasons(&mut self, _source: i32) -> Result<Vec<ReasonCount>> {
        Ok(Vec::new())
    }

    /// The sources whose rows, committed by this run, are there no more: somebody has taken them
    /// away meanwhile. As far as that shows at a glance.
    fn lost(&mut self) -> Result<Vec<i32>> {
        Ok(Vec::new())
    }

    /// Computes the metrics of dates, if the job has any. What cannot be computed keeps its mark.
    fn roll_up(&mut self, _dates: &Dates) -> Result<RolledUp> {
        Ok(RolledUp::default())
    }

    /// Gives the sources back and closes the run's row. Not called after a crash, which is
    /// why nothing depends on it.
    fn finish(&mut self, ending: &Ending<'_>) -> Result<()>;
}

/// Where batches end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// When there are rows enough, or when nothing more comes: it depends on settings and time.
    WhenFull,
    /// At fixed places of the source: a batch is all records that begin in one range of this many
    /// bytes, counted from the beginning of the source, or in what the source has of the range
    /// when it ends. How it is cut, by how many workers, and how fast, makes no difference.
    At(u64),
}

/// Whether a panic is over an answer that no destination gives. The destination makes an error of
/// it, and nothing is to be said of the panic.
pub fn is_of_answer(panic: &(dyn std::any::Any + Send)) -> bool {
    postgres::is_of_answer(panic)
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Per advance, what became of its records.
    pub counts: Vec<Counts>,
    /// The rows that the destination refused, in order. They are dead letters already.
    pub refused: Vec<Refused>,
    /// The sources of which this batch committed the last that was left, in their order.
    pub completed: Vec<i32>,
}

/// A split that is not as far as the destination had said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setback {
    /// The split.
    pub split: Split,
    /// How far it is.
    pub position: u64,
    /// What this run had counted behind that,
    pub lost: Counts,
    /// how many bytes that was,
    pub bytes: u64,
    /// and whether it had come to the end.
    pub was_complete: bool,
}

/// How many dead letters are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenLetters {
    /// Those of the sources that a run is about.
    pub selected: u64,
    /// Those of the job.
    pub job: u64,
}

/// How a run ended, for its row.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// One word: `finished`, `rejects`, `failed`, `interrupted`, …
    pub outcome: &'a str,
    /// The exit code of the command.
    pub exit_code: u8,
    /// What became of the records of this run.
    pub counts: &'a Counts,
    /// Bytes of the sources that were read.
    pub bytes: u64,
    /// Why the day that it was about failed, if it did.
    pub failure: Option<&'a str>,
}

impl Ending<'_> {
    /// How long an outage is waited out to write the end down: only a run that got there waits for
    /// it; one that gave up has waited.
    fn retry_for(&self, retry_for: Duration) -> Duration {
        if matches!(self.exit_code, 0 | 3 | 4) { retry_for } else { Duration::ZERO }
    }
}
