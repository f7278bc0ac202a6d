//! The engine: it takes a job and returns a report.
//!
//! Everything the command does, without the command: it knows no flags, prints nothing, and queries no
//! terminal. A caller passes a [`Config`], observes progress through a [`Watch`], and gets a value of
//! [`report`](crate::report).

mod backfill;
mod check;
mod deliver;
mod detect;
mod export;
mod files;
mod forget;
mod found;
mod from_schema;
mod guarantees;
mod infer;
mod job;
mod letters;
mod listed;
mod load;
mod mended;
mod pace;
mod plan;
mod replay;
mod report;
mod rollup;
mod run;
mod selected;
mod status;
mod verify;

use std::sync::Arc;

pub use backfill::{BackfillOptions, BackfillPlan, backfill, plan_backfill};
pub use check::{check, input_at};
pub use deliver::deliver;
pub use export::{ExportTo, export};
pub use files::{files, files_or_none, files_to_rebuild};
pub use forget::{ForgetOptions, Meant, forget};
pub use found::found_dates;
pub use from_schema::UnwrittenSchema;
pub use infer::{Inferred, Unwritten};
pub use job::{Job, choose_job, job_name, read_job, refuse_found_database, write_job};
pub use letters::{dead_letter, dead_letters, discard};
pub use listed::listed;
pub use load::{LoadOptions, load};
pub use plan::{PlanOptions, plan};
pub use replay::{ReplayOptions, replay};
pub use report::{ReportOptions, ReportTo, report};
pub use rollup::{check_rollups, rollup};
pub(crate) use run::{recipe, settings};
pub use status::{status, status_of};
pub use verify::{VerifyOptions, verify};

pub use crate::pipeline::Stats;
pub use crate::sink::judge::Verdicts;
pub use crate::source::Discovered;

use crate::config::Config;
use crate::error::Result;
use crate::event::Observer;
use crate::sink::destination::{Address, Destination, Settings, Timeouts};
use crate::source::{Hash16, Opened, Reach};
use crate::stop::Stop;

/// A caller's handle on the engine's work: to stop it, and to observe it.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Requests a clean stop.
    pub stop: Stop,
    /// Receives the events.
    pub observer: Observer,
    /// Counts the work done.
    pub stats: Arc<Stats>,
    /// The open buckets.
    pub buckets: Opened,
}

impl Watch {
    /// How to reach the buckets that contain files of a job.
    pub(crate) fn reach(&self, config: &Config) -> Reach {
        let reach = Reach::new(config.pipeline.retry_for, &self.stop, &self.observer);
        let reach = reach.among(&self.buckets);
        config.source.urls().for_each(|url| reach.note(url));
        reach
    }
}

/// The destination of a job. Does not connect.
pub(crate) fn destination(config: &Config, watch: &Watch) -> Result<Box<dyn Destination>> {
    let (address, settings) = address_and_settings(config, watch);
    crate::sink::of(&address, settings)
}

/// The same for one of several loads, of which others have used `place` before, or run concurrently.
fn destination_among(
    config: &Config,
    watch: &Watch,
    place: Option<&dyn Destination>,
    has_company: bool,
) -> Result<Box<dyn Destination>> {
    let (address, settings) = address_and_settings(config, watch);
    let settings = Settings { has_company: has_company || settings.has_company, ..settings };
    match place.and_then(|place| place.again(settings.clone())) {
        Some(destination) => Ok(destination),
        None => crate::sink::of(&address, settings),
    }
}

/// The address of the destination, and its settings from the job.
fn address_and_settings(config: &Config, watch: &Watch) -> (Address, Settings) {
    let (destination, pipeline) = (&config.destination, &config.pipeline);
    let address = Address {
        text: destination.url.reveal().to_owned(),
        shown: destination.url.without_password(),
        is_shown: !destination.url.has_variable(),
        folder: destination.folder.clone(),
        is_found: destination.url.is_found(),
    };
    let settings = Settings {
        job: config.name.clone(),
        data_date: config.date,
        command: "load".to_owned(),
        table: destination.table.clone(),
        create: destination.create,
        key: destination.key.clone(),
        on_conflict: destination.on_conflict.clone(),
        has_company: pipeline.lanes > 1,
        schema: Arc::new(config.record.schema.clone()),
        constants: config.constants(),
        rollups: config.rollups.clone(),
        objects: destination.objects.clone(),
        state: config.state.chosen.clone(),
        rules_hash: Hash16(config.rules_hash()),
        is_rebuild: false,
        raw_max: config.dead_letters.raw_bytes_max,
        connect_timeout: pipeline.connect_timeout,
        timeouts: Timeouts { statement: pipeline.statement_timeout, lock: pipeline.lock_timeout },
        reach_for: pipeline.reach_for,
        retry_for: pipeline.retry_for,
        deadline: pipeline.deadline,
        stop: watch.stop.clone(),
        observer: watch.observer.clone(),
    };
    (address, settings)
}
