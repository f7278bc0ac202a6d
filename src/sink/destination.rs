//! Destinations: where rows go, found by the text that names one.
//!
//! A [`Destination`] is everything a job can ask of the place: to be opened for a load, what it
//! remembers, what a load would find, and how a person is told of it. Which kinds
//! there are stands in `kinds.rs`.

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

/// A place that rows can be loaded into, for one job. Nothing is connected to before it is asked for.
pub trait Destination {
    /// Opens it for a load, and prepares everything up to the first row.
    fn open(&self) -> Result<Box<dyn Sink>>;

    /// What lineage calls it, as far as that is known before it is opened.
    fn dataset(&self) -> Dataset;

    /// The same place for another load of the job, which may go on with what the one before has left open, such as
    /// a connection. None where nothing is to be gained by that.
    fn again(&self, settings: Settings) -> Option<Box<dyn Destination>> {
        let _ = settings;
        None
    }

    /// What a load of these files would find and make. Nothing is written.
    fn forecast(&self, asked: &Asked) -> Result<Forecast>;

    /// What it remembers of loads.
    fn history(&self) -> Result<Box<dyn History>>;

    /// Its dead letters that are to be delivered elsewhere. There is no waiting for a destination
    /// that is not there.
    fn outbox(&self) -> Result<Box<dyn Outbox>> {
        Err(Error::usage("this destination delivers no dead letters; leave out `to`"))
    }

    /// How the days of the job stand, and what is remembered of their sources.
    fn calendar(&self) -> Result<Calendar>;

    /// Takes down that there is no file of these days, unless something of them is loaded.
    fn note_absent(&self, dates: &[NaiveDate]) -> Result<()>;

    /// How many rows are of these sources; none if the table has no column that tells. Only asked where the key lets rows
    /// say which source they are of. Refused where they are to be deleted and cannot be found.
    fn rows_of(&self, sources: &[i32], deletes_rows: bool) -> Result<Option<u64>>;

    /// Forgets sources of the job, and deletes their rows where that is asked: all of them, or none
    /// if a living run holds one.
    fn forget(&self, sources: &[i32], deletes_rows: bool) -> Result<Forgotten>;

    /// Discards the open dead letters that the filter means, with a note, and says how many.
    fn discard(&self, filter: &Filter, note: Option<&str>) -> Result<u64>;

    /// Opens it to be compared with the sources. Nothing is written.
    fn verify(&self, verifying: Verifying) -> Result<Box<dyn Verify>>;

    /// Compares the metrics of dates with what computing them again would give. Nothing is written.
    fn check_rollups(&self, dates: &Dates) -> Result<CheckedRollups>;

    /// The values of the job's metrics, as they are stored.
    fn metrics(&self) -> Result<Vec<StoredMetric>> {
        Ok(Vec::new())
    }

    /// Table and place in words, without secrets.
    fn describe(&self) -> String;

    /// The file that it is, if it is one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Whether a statement can change rows that are there.
    fn takes_sql(&self) -> bool {
        true
    }

    /// The table as a statement names it.
    fn table(&self) -> String;

    /// The command for a shell that runs a statement.
    fn shell(&self, sql: &str) -> String;

    /// What its promises rest on: the last line of a plan's guarantees.
    fn rests_on(&self) -> &'static str;
}

/// What a destination is told by the job.
#[derive(Clone)]
pub struct Settings {
    /// The name of the job, under which sources are remembered.
    pub job: String,
    /// The day that the run is about.
    pub data_date: Option<NaiveDate>,
    /// The command line, for the run's row.
    pub command: String,
    /// The target, as the job names it.
    pub table: TableName,
    /// Whether a missing target is made.
    pub create: bool,
    /// What a row is known by.
    pub key: Key,
    /// What happens when a row meets one of the same key.
    pub on_conflict: OnConflict,
    /// Other loads of ours write the table meanwhile, rows of the same keys among them.
    pub has_company: bool,
    pub schema: Arc<Schema>,
    /// Columns with the same value in every row.
    pub constants: Vec<Constant>,
    /// Which metrics are kept of each day.
    pub rollups: Rollups,
    /// How objects are made of rows, where the place is a bucket.
    pub objects: Layout,
    /// Where the state is kept, where the place is a bucket.
    pub state: Chosen,
    /// What decides the rows, as one hash.
    pub rules_hash: Hash16,
    /// Rows that are there are taken away.
    pub is_rebuild: bool,
    /// A longer record is kept by hash and place when it is refused.
    pub raw_max: usize,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long single steps may take.
    pub timeouts: Timeouts,
    /// How long a destination is waited for that was not reached yet.
    pub reach_for: Duration,
    /// How long an outage is waited out.
    pub retry_for: Duration,
    /// How long the destination may be silent before it is given up.
    pub deadline: Duration,
    pub stop: Stop,
    pub observer: Observer,
}

impl Settings {
    /// How long to wait for what may come back, and whom to tell.
    pub(super) fn patience(&self) -> Patience<'_> {
        Patience { retry_for: self.retry_for, stop: &self.stop, observer: &self.observer }
    }

    /// Whether rows that are there can be changed.
    pub(super) fn changes_rows(&self) -> bool {
        self.key != Key::None && self.on_conflict != OnConflict::Keep
    }
}

/// How long single steps may take, where the destination can be told.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub statement: Duration,
    pub lock: Duration,
}

/// The text that names a destination.
#[derive(Clone)]
pub struct Address {
    /// As it was given, with its password.
    pub text: String,
    /// The same for people, without it.
    pub shown: String,
    /// Where a relative path in it starts.
    pub folder: PathBuf,
    /// Whether nobody named it. What is merely found may be another user's.
    pub is_found: bool,
}
