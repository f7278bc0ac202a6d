//! The heartbeat of a run, in a key-value store.

use std::sync::{Arc, Mutex, PoisonError};

use super::keys::{Keys, Life};
use super::records::{parse, run_key};
use super::run_record::{Lanes, RunRecord};
use crate::error::Result;
use crate::sink::claim::lost_ownership;

/// The heart of a run: the run counts as alive while it beats.
pub struct Heart {
    pub(super) keys: Arc<Keys>,
    pub(super) life: Mutex<Life>,
    /// The progress of the run's lanes.
    pub(super) lanes: Mutex<Lanes>,
}

impl Heart {
    /// Shows that the run is alive.
    pub fn beat(&self) -> Result<()> {
        self.change(|record| record.beat += 1)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut RunRecord)) -> Result<()> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let Life { run, mut record, version } = life.clone();
        record.tell(&self.lanes.lock().unwrap_or_else(PoisonError::into_inner));
        change(&mut record);
        let version = self.keys.set(&run_key(run), Some(&version), &record)?;
        *life = Life { run, record, version: version.ok_or_else(lost_ownership)? };
        Ok(())
    }

    /// Whether a run before this one may have left a source in the middle of a range.
    pub(super) fn has_left(&self) -> bool {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).record.has_left()
    }

    /// Records that no run before this one has left a source in the middle of a range.
    pub fn nothing_is_left(&self) -> Result<()> {
        self.change(|record| record.note_left(false))
    }

    /// Whether the store still has the run. If its record went back some beats, the heart beats on from
    /// there.
    pub(super) fn is_there(&self) -> Result<bool> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        let key = run_key(life.run);
        let Some(entry) = self.keys.get(&key)? else { return Ok(false) };
        let is_there = parse::<RunRecord>(&key, &entry)?.nonce == life.record.nonce;
        if is_there {
            life.version = entry.version;
        }
        Ok(is_there)
    }

    /// Begins another run in its place, with its own heartbeat.
    pub(super) fn begin_anew(&self) -> Result<i64> {
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        *life = self.keys.begin_run()?;
        Ok(life.run)
    }
}
