//! Lanes: connections that write concurrently for one run.
//!
//! A run claims as one. Then it gives splits to its lanes: each takes them under its own backend, as after a
//! lost connection, so that the fence knows which lane may move which checkpoint. At its end a lane hands the
//! commits acknowledged to it over to its run's sink, which checks all of them at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::recover::wait_out;
use super::session::Session;
use super::strategy::Strategy;
use super::trouble::Trouble;
use super::verdict::{Step, Verdict};
use super::{Postgres, ownership};
use crate::error::{Error, Result};
use crate::outage::Outage;
use crate::sink::ledger::Acknowledged;
use crate::split::Split;

/// What was acknowledged to a run as committed.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) acknowledged: Arc<Acknowledged>,
    /// The first and the last row of each source, by offset.
    pub(super) written: BTreeMap<i32, (u64, u64)>,
}

/// What the lanes of a run have handed over.
pub(super) type Left = Arc<Mutex<Vec<Told>>>;

impl Told {
    fn add_all(&mut self, other: &Told) {
        Arc::make_mut(&mut self.acknowledged).add_all(&other.acknowledged);
        for (source, &(first, last)) in &other.written {
            let known = self.written.entry(*source).or_insert((first, last));
            *known = (known.0.min(first), known.1.max(last));
        }
    }
}

impl Postgres {
    /// Opens connections for this many lanes, or for as many as there is room for. The first lane uses this
    /// sink's own connection.
    pub(super) fn open_connections(&mut self, lanes: usize) -> Result<usize> {
        let settings = self.settings.clone();
        let mut outage = Outage::new(settings.patience());
        while self.ready.len() + 1 < lanes {
            match Session::open(&self.server, settings.deadline, settings.timeouts) {
                Ok(session) => self.ready.push(session),
                Err(Trouble::Server(refusal)) if is_for_want_of_room(refusal.code.code()) => {
                    settings.observer.warn(format!(
                        "the server has room for only {} of {lanes} lanes ({}); using these",
                        self.ready.len() + 1,
                        refusal.message
                    ));
                    break;
                }
                Err(trouble) => wait_out(&mut outage, trouble)?,
            }
        }
        Ok(self.ready.len() + 1)
    }

    /// A lane that takes over these splits.
    pub(super) fn lane_of(&mut self, splits: &[Split]) -> Result<Postgres> {
        let session = self.ready.pop().ok_or_else(|| Error::broken("a lane without a connection"))?;
        let owned = self.owned.give(splits);
        let mut lane = Postgres {
            server: Arc::clone(&self.server),
            settings: self.settings.clone(),
            session,
            spares: None,
            constants: Arc::clone(&self.constants),
            encoder: Arc::clone(&self.encoder),
            run: self.run,
            strategy: Strategy::new(owned.clone()),
            owned,
            told: Told::default(),
            told_by_lanes: Arc::clone(&self.told_by_lanes),
            rebuild: None,
            is_as_it_was: false,
            left: None,
            ready: Vec::new(),
        };
        lane.adopt()?;
        Ok(lane)
    }

    /// Takes over what the lane was given. It was this run's before, and the other connection is still open.
    fn adopt(&mut self) -> Result<()> {
        let settings = self.settings.clone();
        let mut outage = Outage::new(settings.patience());
        let mut old = None;
        loop {
            let (constants, owned, run) = (Arc::clone(&self.constants), self.owned.clone(), self.run);
            let (backend, gone) = (self.session.backend, old);
            let adopted = self.run(Step::Claim, move |link| {
                if let Some(gone) = gone {
                    ownership::end_idle(&mut link.client, gone)?;
                }
                ownership::reclaim(link, &constants, &owned, &Acknowledged::default(), run, None, backend)
            });
            let trouble = match adopted {
                Ok(owned) => {
                    self.owned = owned;
                    return Ok(());
                }
                Err(trouble) => trouble,
            };
            if trouble.verdict(&[]) == Verdict::Held {
                return Err(self.objection()?);
            }
            old = self.mend(&mut outage, trouble)?.or(old);
        }
    }

    /// Hands over what was acknowledged to this lane to the sink it belongs to.
    pub(super) fn leave_told(&mut self) {
        let told = std::mem::take(&mut self.told);
        self.told_by_lanes.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    /// Takes what its lanes have handed over.
    pub(super) fn take_left(&mut self) {
        let left = std::mem::take(&mut *self.told_by_lanes.lock().unwrap_or_else(PoisonError::into_inner));
        left.iter().for_each(|told| self.told.add_all(told));
    }
}

/// Whether a server, or a pool, refuses a connection because it has none left.
fn is_for_want_of_room(code: &str) -> bool {
    code.starts_with("53")
}
