//! The value under the key of a run: its heartbeat, and what it reports of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::sink::history::RunStatus;
use crate::sink::progress::{LaneStatus, Progress};
use crate::sink::{Counts, Ending};

/// How many runs are kept and read.
pub(super) const KEPT: i64 = 60;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunRecord {
    /// Lets a run recognise its own record when the answer was lost.
    pub(super) nonce: u64,
    pub(super) beat: u64,
    pub(super) outcome: Option<String>,
    pub(super) exit_code: Option<u8>,
    #[serde(default)]
    told: Told,
}

/// What a run reports of itself. Times are microseconds since 1970, by its own clock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Told {
    command: String,
    began_us: i64,
    /// When this was written.
    heard_us: i64,
    ended_us: Option<i64>,
    counts: Counts,
    bytes: u64,
    /// Why it failed, if it did.
    reason: Option<String>,
    lanes: Lanes,
    /// When a load before it last reached the end of its sources.
    success_us: Option<i64>,
    /// A run before it, or this one at its end, may have left a source in the middle of a range.
    has_left: bool,
}

/// How far the lanes of a run are, by lane number.
pub(super) type Lanes = BTreeMap<i32, Lane>;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Lane {
    records: u64,
    rejected: u64,
    bytes: u64,
    bytes_total: u64,
    records_per_second: u64,
    bytes_per_second: u64,
    points: String,
}

impl RunRecord {
    /// The record of a run that begins after another.
    pub(super) fn after(command: &str, last: Option<&RunRecord>) -> RunRecord {
        let now = now_us();
        let command = command.to_owned();
        let success_us = last.and_then(RunRecord::success_us);
        // One that has not ended is dead, or still at work.
        let has_left = last.is_some_and(|last| last.told.has_left || last.outcome.is_none());
        let told = Told { command, began_us: now, heard_us: now, success_us, has_left, ..Told::default() };
        RunRecord { nonce: fastrand::u64(..), beat: 0, outcome: None, exit_code: None, told }
    }

    pub(super) fn has_left(&self) -> bool {
        self.told.has_left
    }

    /// Records whether a run may have left a source in the middle of a range.
    pub(super) fn note_left(&mut self, has_left: bool) {
        self.told.has_left = has_left;
    }

    /// Records how far it is.
    pub(super) fn tell(&mut self, lanes: &Lanes) {
        self.told.heard_us = now_us();
        self.told.lanes.clone_from(lanes);
    }

    /// Records how it ended.
    pub(super) fn end(&mut self, ending: &Ending<'_>) {
        self.outcome = Some(ending.outcome.to_owned());
        self.exit_code = Some(ending.exit_code);
        let told = &mut self.told;
        told.ended_us = Some(now_us());
        (told.counts, told.bytes) = (*ending.counts, ending.bytes);
        told.reason = ending.failure.map(str::to_owned);
    }

    /// When a load last reached the end of its sources, as far as this run knows.
    pub(super) fn success_us(&self) -> Option<i64> {
        let is_success = self.told.command.starts_with("load") && matches!(self.exit_code, Some(0 | 3));
        if is_success { self.told.ended_us } else { self.told.success_us }
    }

    /// The run for people. Whether an unfinished run lives is judged by its last report, which is as good as
    /// the clocks of two machines; a run that wants its sources checks its heart.
    pub(super) fn status(self, id: i64, lease: Duration) -> RunStatus {
        let RunRecord { outcome, exit_code, told, .. } = self;
        let heard = moment(told.heard_us);
        let lease = TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX);
        RunStatus {
            id,
            command: told.command,
            started_at: moment(told.began_us),
            ended_at: told.ended_us.map(moment),
            is_alive: outcome.is_none() && Utc::now().signed_duration_since(heard) < lease,
            outcome,
            exit_code: exit_code.map(i32::from),
            counts: told.counts,
            bytes: told.bytes,
            reason: told.reason,
            updated_at: None,
            lanes: told.lanes.into_iter().map(|(number, lane)| lane.status(number)).collect(),
            activity: Vec::new(),
        }
    }
}

impl Lane {
    pub(super) fn of(progress: &Progress) -> Lane {
        Lane {
            records: progress.records,
            rejected: progress.rejected,
            bytes: progress.bytes,
            bytes_total: progress.bytes_total,
            records_per_second: progress.records_per_second,
            bytes_per_second: progress.bytes_per_second,
            points: progress.stored_points(),
        }
    }

    fn status(self, lane: i32) -> LaneStatus {
        LaneStatus {
            lane,
            records: self.records,
            rejected: self.rejected,
            bytes: self.bytes,
            bytes_total: self.bytes_total,
            records_per_second: self.records_per_second,
            bytes_per_second: self.bytes_per_second,
            points: serde_json::from_str(&self.points).unwrap_or_default(),
        }
    }
}

fn now_us() -> i64 {
    Utc::now().timestamp_micros()
}

pub(super) fn moment(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap_or_default()
}
