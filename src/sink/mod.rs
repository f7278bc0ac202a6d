//! Sinks: they make rows durable and record how far a load is.
//!
//! A [`Destination`] is a place that a job names. Opened for a load it is a [`Sink`], which keeps its
//! promises in one transaction per batch: rows, dead letters, counters and checkpoint commit together or not
//! at all. Its other half, the encoder, lives in the workers and turns rows into the destination's own bytes,
//! so the one serial writer only forwards them.
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
use crate::work::{Parcel, Recipe, Work};

/// A destination that is open for a load.
pub trait Sink: Send {
    /// The work that turns chunks into parcels for it.
    fn work(&self, recipe: Recipe) -> Arc<dyn Work>;

    /// Sets the constant columns of the rows from here on: the dead letters of a replay can belong to
    /// different days.
    fn set_constants(&mut self, _constants: &[Constant]) -> Result<()> {
        Ok(())
    }

    /// Where batches end.
    fn closes(&self) -> Closes {
        Closes::WhenFull
    }

    /// The id of the run, if runs are stored.
    fn run_id(&self) -> Option<i64> {
        None
    }

    /// The table's name in lineage, without secrets.
    fn dataset(&self) -> Dataset {
        Dataset::default()
    }

    /// Determines which sources are known and which are new, creates the new ones, and takes ownership of all
    /// that are to be loaded, in one transaction.
    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>>;

    /// Cuts splits that this run holds, in one transaction. The run also holds their parts.
    fn cut(&mut self, cuts: &[Cut]) -> Result<()> {
        match cuts {
            [] => Ok(()),
            _ => Err(Error::usage("this destination keeps each source as one split")),
        }
    }

    /// Prepares for this many concurrent writers, this one included, and returns how many there can be. More
    /// than one is useless if the destination lets only one write at a time.
    fn open_lanes(&mut self, _lanes: usize) -> Result<usize> {
        Ok(1)
    }

    /// One of the prepared writers beside this one, which takes over these splits.
    fn lane(&mut self, _splits: &[Split]) -> Result<Box<dyn Sink>> {
        Err(Error::broken("a destination was asked for a lane that it has not"))
    }

    /// Hands over to this lane's run what was committed in it. The lane commits nothing after that.
    fn leave(&mut self) {}

    /// Takes the rows of the next parcel of the batch that is being collected, if the destination starts on rows at
    /// once. None of them count before the batch is committed, and none stay if it is not.
    fn take_ahead(&mut self, _parcel: &Parcel) -> bool {
        false
    }

    /// Discards what was taken ahead: it belongs to no batch, and will be read again.
    fn forget_ahead(&mut self) {}

    /// Commits a batch: rows, dead letters, counters and checkpoints. In a rebuild it becomes durable
    /// together with the last batch.
    ///
    /// `Ok` means that all of it is durable, and returns the outcomes of the records, per advance. After an
    /// error nothing of it is durable, *except* where the error says that the outcome is unknown (the
    /// destination did not come back): then all of it or nothing is, the checkpoint knows which, and the next
    /// run reads it there. There is no third state: a batch is never half there, and never there twice.
    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed>;

    /// In a rebuild, once all batches are in: carries over people's decisions about letters that came again,
    /// and returns the letters to retry with their mended bytes.
    fn carry_over(&mut self) -> Result<Option<Mended>> {
        Ok(None)
    }

    /// Ends a rebuild: from here on all that was committed since the claim is durable, and what it replaces
    /// is gone. After an error it is as if it had never begun.
    fn end_rebuild(&mut self) -> Result<Rebuilt> {
        Ok(Rebuilt::default())
    }

    /// Abandons a rebuild in progress: everything stays as it was.
    fn abandon(&mut self) -> Result<()> {
        Ok(())
    }

    /// Reads again, under lock, everything that was acknowledged to this run as committed. The destination
    /// has lost whatever is missing, for example after a failover or when an older copy was restored. The run
    /// then owns nothing, and claims its sources anew.
    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        Ok(None)
    }

    /// A page of the open dead letters that match the filter, to be retried.
    fn open_letters(&mut self, _filter: &Filter, _page: Page) -> Result<Vec<OpenLetter>> {
        Ok(Vec::new())
    }

    /// The number of open dead letters, of these sources and of the whole job.
    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters>;

    /// The states of these sources' splits. Called only if there is a bar.
    fn standing(&mut self, _sources: &[i32]) -> Result<Vec<Standing>> {
        Ok(Vec::new())
    }

    /// The reasons of the open dead letters of a source, the most frequent first.
    fn open_reasons(&mut self, _source: i32) -> Result<Vec<ReasonCount>> {
        Ok(Vec::new())
    }

    /// The sources whose rows, committed by this run, are gone because they were removed meanwhile; as far as
    /// a quick look shows.
    fn lost(&mut self) -> Result<Vec<i32>> {
        Ok(Vec::new())
    }

    /// Computes the metrics of dates, if the job has any. A date that cannot be computed keeps its mark.
    fn roll_up(&mut self, _dates: &Dates) -> Result<RolledUp> {
        Ok(RolledUp::default())
    }

    /// Releases the sources and closes the run's row. Not called after a crash, so nothing depends on it.
    fn finish(&mut self, ending: &Ending<'_>) -> Result<()>;
}

/// Where batches end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// When there are enough rows, or when no more input is coming; this depends on settings and timing.
    WhenFull,
    /// At fixed places of the source: a batch is all records that begin in one range of this many bytes,
    /// counted from the start of the source, or in the part of the range that the source has when it ends.
    /// Chunk sizes, the number of workers and their speed make no difference.
    At(u64),
}

/// Whether a panic is due to an answer that no destination gives. The destination turns it into an error, and
/// the panic itself is not reported.
pub fn is_of_answer(panic: &(dyn std::any::Any + Send)) -> bool {
    postgres::is_of_answer(panic)
}

/// The outcome of a batch.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The outcomes of its records, per advance.
    pub counts: Vec<Counts>,
    /// The rows that the destination refused, in order. They are dead letters already.
    pub refused: Vec<Refused>,
    /// The sources whose last part this batch committed, in order.
    pub completed: Vec<i32>,
}

/// A split that is not as far as the destination had acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setback {
    /// The split.
    pub split: Split,
    /// Its actual position.
    pub position: u64,
    /// What this run had counted beyond that.
    pub lost: Counts,
    /// How many bytes that was.
    pub bytes: u64,
    /// Whether it had reached the end.
    pub was_complete: bool,
}

/// Numbers of open dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenLetters {
    /// Those of the run's sources.
    pub selected: u64,
    /// Those of the job.
    pub job: u64,
}

/// The end of a run, for its row.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// One word: `finished`, `rejects`, `failed`, `interrupted`, …
    pub outcome: &'a str,
    /// The exit code of the command.
    pub exit_code: u8,
    /// The outcomes of this run's records.
    pub counts: &'a Counts,
    /// Bytes read from the sources.
    pub bytes: u64,
    /// Why the run's day failed, if it did.
    pub failure: Option<&'a str>,
}

impl Ending<'_> {
    /// How long to wait out an outage to record the end: only a run that reached its end waits for it; one
    /// that gave up has waited.
    fn retry_for(&self, retry_for: Duration) -> Duration {
        if matches!(self.exit_code, 0 | 3 | 4) { retry_for } else { Duration::ZERO }
    }
}
