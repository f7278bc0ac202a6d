//! Parts of a source, each with its own key: how a split is cut into several, and how these move to the lanes
//! of a run.
//!
//! A cut changes several keys and must exist whole or not at all. So the split that is cut lists its parts,
//! in one move; from then on every reader sees them, with a key or without. Then each part gets its key, and
//! the list is removed. A run that dies in between leaves a list, which is just as valid.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::map::MapLedger;
use super::records::{CheckpointRecord, Parts, split_key};
use super::{Acknowledged, Version};
use crate::error::Result;
use crate::failpoint;
use crate::sink::Cut;
use crate::sink::claim::lost_ownership;
use crate::split::Split;

impl MapLedger {
    /// Cuts splits that this run owns. Each cut exists whole or not at all; of several, only some may exist.
    pub fn cut(&mut self, cuts: &[Cut]) -> Result<()> {
        for cut in cuts {
            let (record, _) = self.owned.get(&cut.split).ok_or_else(lost_ownership)?;
            let listed = CheckpointRecord {
                end: cut.places.first().copied(),
                parts: Some(Parts { starts: cut.places.clone(), end: cut.end }),
                written_by: self.run,
                ..record.clone()
            };
            let parts: Vec<_> = listed.parts_of(cut.split).collect();
            let made = CheckpointRecord { parts: None, ..listed.clone() };
            self.put_own(cut.split, listed)?;
            for (part, record) in parts {
                failpoint::reached("mid-cut");
                self.put_own(part, record)?;
            }
            self.put_own(cut.split, made)?;
        }
        Ok(())
    }

    /// Writes the checkpoint of a split that this run owns or is about to own.
    fn put_own(&mut self, split: Split, record: CheckpointRecord) -> Result<()> {
        let known = self.owned.get(&split).map(|(_, version)| version);
        let version = self.keys.set(&split_key(split), known, &record)?;
        let Some(version) = version else { return Err(self.objection()?) };
        self.owned.insert(split, (record, version));
        Ok(())
    }

    /// The ledger of a lane of this run, which takes over these splits.
    pub fn lane(&mut self, splits: &[Split]) -> MapLedger {
        let owned: HashMap<Split, (CheckpointRecord, Version)> =
            splits.iter().filter_map(|split| self.owned.remove_entry(split)).collect();
        let labels = owned.keys().filter_map(|split| self.labels.get_key_value(&split.source));
        MapLedger {
            keys: Arc::clone(&self.keys),
            run: self.run,
            heart: Arc::clone(&self.heart),
            labels: labels.map(|(source, label)| (*source, label.clone())).collect(),
            owned,
            with_abandoned: Arc::clone(&self.with_abandoned),
            acknowledged: Acknowledged::default(),
            // Days and generations stay with the run.
            claimed: BTreeSet::new(),
            renewals: BTreeMap::new(),
            ends_renewals: false,
            untidy: Vec::new(),
            with_refused: self.with_refused.clone(),
            dead: Arc::clone(&self.dead),
        }
    }

    /// What a lane still owns and what was acknowledged to it, for the run that it belongs to.
    pub fn leave(&mut self) -> MapLedger {
        let splits: Vec<Split> = self.owned.keys().copied().collect();
        let acknowledged = std::mem::take(&mut self.acknowledged);
        MapLedger { acknowledged, ..self.lane(&splits) }
    }

    /// Takes back what a lane has left.
    pub fn join(&mut self, left: MapLedger) {
        self.owned.extend(left.owned);
        self.acknowledged.add_all(&left.acknowledged);
    }
}
