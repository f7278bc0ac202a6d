//! Destinations: the places that rows go to, found by a text that names one.
//!
//! A [`Destination`] is everything a job can ask of the place: to open for a load, what it remembers, what a
//! load would find, and how to describe it to a person. `kinds.rs` lists the kinds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;

use super::dates::Calendar;
use super::forecast::Forecast;
use super::history::{Filter, Forgotten, History};
use super::key::{Key, OnConflict};
use super::ledger::stores::Chosen;
use super::objects::layout::Layout;
use super::outbox::Outbox;
use super::rollup::{CheckedRollups, Dates, Rollups, StoredMetric};
use super::verify::{Verify, Verifying};
use super::{Asked, Constant, Sink, TableName};
use crate::error::{Error, Result};
use crate::event::{Dataset, Observer};
use crate::outage::Patience;
use crate::schema::Schema;
use crate::source::Hash16;
use crate::stop::Stop;

/// A place that rows can be loaded into, for one job. It connects only when something is asked of it.
pub trait Destination {
    /// Opens it for a load, and prepares everything up to the first row.
    fn open(&self) -> Result<Box<dyn Sink>>;

    /// Its name in lineage, as far as it is known before it is opened.
    fn dataset(&self) -> Dataset;

    /// The same place for another load of the job, which may reuse what the load before has left open, such
    /// as a connection. `None` if nothing is gained by that.
    fn again(&self, settings: Settings) -> Option<Box<dyn Destination>> {
        let _ = settings;
        None
    }

    /// What a load of these files would find and create. Writes nothing.
    fn forecast(&self, asked: &Asked) -> Result<Forecast>;

    /// Its stored state of loads.
    fn history(&self) -> Result<Box<dyn History>>;

    /// Its dead letters that are to be delivered elsewhere. It does not wait for a destination that is away.
    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        Err(Error::usage("this destination delivers no dead letters; leave out `to`"))
    }

    /// The states of the job's days, and their remembered sources.
    fn calendar(&self) -> Result<Calendar>;

    /// Records that these days have no file, unless something of them is loaded.
    fn note_absent(&self, dates: &[NaiveDate]) -> Result<()>;

    /// How many rows belong to these sources; `None` if the table has no column for it. Called only if the
    /// key lets rows name their source. Refused if the rows are to be deleted and cannot be found.
    fn rows_of(&self, sources: &[i32], deletes_rows: bool) -> Result<Option<u64>>;

    /// Forgets sources of the job, and deletes their rows if asked to: all of them, or none if a living run
    /// holds one.
    fn forget(&self, sources: &[i32], deletes_rows: bool) -> Result<Forgotten>;

    /// Discards the open dead letters that match the filter, with a note, and returns how many.
    fn discard(&self, filter: &Filter, note: Option<&str>) -> Result<u64>;

    /// Opens it for comparison with the sources. Writes nothing.
    fn verify(&self, verifying: Verifying) -> Result<Box<dyn Verify>>;

    /// Compares the metrics of dates with freshly computed ones. Writes nothing.
    fn check_rollups(&self, dates: &Dates) -> Result<CheckedRollups>;

    /// The stored values of the job's metrics.
    fn metrics(&self) -> Result<Vec<StoredMetric>> {
        Ok(Vec::new())
    }

    /// Table and place in words, without secrets.
    fn describe(&self) -> String;

    /// Its file, if it is one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Whether a statement can change its rows.
    fn takes_sql(&self) -> bool {
        true
    }

    /// The name of the table in a statement.
    fn table(&self) -> String;

    /// The shell command that runs a statement.
    fn shell(&self, sql: &str) -> String;

    /// What its promises depend on: the last line of a plan's guarantees.
    fn rests_on(&self) -> &'static str;
}

/// What the job tells a destination.
#[derive(Clone)]
pub struct Settings {
    /// The name of the job, under which sources are stored.
    pub job: String,
    /// The data date of the run.
    pub data_date: Option<NaiveDate>,
    /// The command line, for the row of the run.
    pub command: String,
    /// The target, as the job names it.
    pub table: TableName,
    /// Whether a missing target is created.
    pub create: bool,
    /// What identifies a row.
    pub key: Key,
    /// What happens when a row meets one with the same key.
    pub on_conflict: OnConflict,
    /// Other loads of the same job write the table meanwhile, including rows with the same keys.
    pub has_company: bool,
    pub schema: Arc<Schema>,
    /// Columns with the same value in every row.
    pub constants: Vec<Constant>,
    /// Which metrics are kept for each day.
    pub rollups: Rollups,
    /// How objects are made of rows, if the place is a bucket.
    pub objects: Layout,
    /// Where the state is kept, if the place is a bucket.
    pub state: Chosen,
    /// A hash of everything that determines the rows.
    pub rules_hash: Hash16,
    /// Existing rows are removed.
    pub is_rebuild: bool,
    /// A refused record longer than this is kept by hash and place.
    pub raw_max: usize,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// The limits of single steps.
    pub timeouts: Timeouts,
    /// How long to wait for a destination that has not been reached yet.
    pub reach_for: Duration,
    /// How long to wait out an outage.
    pub retry_for: Duration,
    /// How long the destination may be silent before the connection is abandoned.
    pub deadline: Duration,
    pub stop: Stop,
    pub observer: Observer,
}

impl Settings {
    /// How long to wait out an outage, and which observer to notify.
    pub(super) fn patience(&self) -> Patience<'_> {
        Patience { retry_for: self.retry_for, stop: &self.stop, observer: &self.observer }
    }

    /// Whether existing rows can be changed.
    pub(super) fn changes_rows(&self) -> bool {
        self.key != Key::None && self.on_conflict != OnConflict::Keep
    }
}

/// The time limits of single steps, where the destination accepts them.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub statement: Duration,
    pub lock: Duration,
}

/// A text that names a destination.
#[derive(Clone)]
pub struct Address {
    /// As given, with its password.
    pub text: String,
    /// The same for display, without the password.
    pub shown: String,
    /// Whether a message may quote a part of it. What came from an environment variable is never shown.
    pub is_shown: bool,
    /// The folder that relative paths in it start from.
    pub folder: PathBuf,
    /// Whether it was found rather than named. What is merely found may be another user's.
    pub is_found: bool,
}
