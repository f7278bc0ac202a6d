//! Runs, as a ledger in a store keeps them: each in a value of its own, which its heart updates.
//!
//! Everything else a run reports of itself is for people, and nothing is decided by it. It is written along
//! with the beats and the end. A fixed number of runs is kept.

use std::sync::{Arc, PoisonError};

use chrono::{DateTime, Utc};

use super::heart::Heart;
use super::keys::{Keys, Settings};
use super::map::MapLedger;
use super::records::{parse, run_key};
use super::run_record::{KEPT, Lane, RunRecord, moment};
use super::store::Store;
use crate::error::Result;
use crate::sink::history::RunStatus;
use crate::sink::progress::Progress;

/// The last runs, the newest first.
#[derive(Debug, Default)]
pub struct LastRuns {
    /// The runs.
    pub runs: Vec<RunStatus>,
    /// When a load last reached the end of its sources.
    pub last_success: Option<DateTime<Utc>>,
}

impl Heart {
    /// Records how far a lane is. The next beat writes it.
    pub fn tell(&self, progress: &Progress) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(progress.lane, Lane::of(progress));
    }
}

impl Keys {
    pub(super) fn run_record(&self, run: i64) -> Result<Option<RunRecord>> {
        let key = run_key(run);
        self.get(&key)?.map(|entry| parse(&key, &entry)).transpose()
    }
}

impl MapLedger {
    /// The last runs. Writes nothing.
    pub fn runs(store: Arc<dyn Store>, settings: Settings) -> Result<LastRuns> {
        let lease = settings.lease;
        let keys = Keys { store, settings };
        let last = keys.last_run()?;
        let (mut found, mut success_us) = (LastRuns::default(), None);
        for run in (1.max(last - KEPT + 1)..=last).rev() {
            let Some(record) = keys.run_record(run)? else { continue };
            success_us = success_us.max(record.success_us());
            found.runs.push(record.status(run, lease));
        }
        found.last_success = success_us.map(moment);
        Ok(found)
    }
}
