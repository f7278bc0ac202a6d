//! The splits of a job, for people: of all sources, or only of those with dead letters.
//!
//! A table may remember hundreds of thousands of sources, and each load says how many dead letters are open. So a
//! source is recorded under `refused/{source}` before its first dead letter counts, and a count reads those
//! sources and no others.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use super::keys::{Keys, Settings, Snapshot};
use super::map::MapLedger;
use super::records::{CheckpointRecord, REFUSED, refused_key, source_key};
use super::store::Store;
use crate::error::Result;
use crate::sink::Counts;
use crate::source::Hash16;
use crate::split::Split;

/// A split, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitStatus {
    /// The split.
    pub split: Split,
    /// The name of its source.
    pub name: String,
    /// How far it is.
    pub position: u64,
    /// Whether that is its end.
    pub complete: bool,
    /// Whether its source is complete.
    pub source_is_complete: bool,
    /// What became of its records.
    pub counts: Counts,
    /// The run that owns it,
    pub owner: Option<i64>,
    /// and whether that has not ended: only its heart says whether it lives.
    pub is_held: bool,
    /// The day that its source belongs to.
    pub data_date: Option<NaiveDate>,
    /// What decided its rows.
    pub rules: Hash16,
    /// When its checkpoint moved last.
    pub moved_at: DateTime<Utc>,
    /// What its source is called in names of objects,
    pub label: String,
    /// and which generation these are of.
    pub generation: i32,
    /// Objects of other generations may be there.
    pub is_untidy: bool,
    /// How the names of the objects begin that it may have beyond its checkpoint.
    pub stems: Vec<String>,
}

impl Keys {
    /// What is remembered of these sources.
    pub(super) fn remembered_by_id(&self, ids: impl IntoIterator<Item = i32>) -> Result<Snapshot> {
        let mut found = Vec::new();
        for source in ids.into_iter().map(source_key) {
            if let Some(entry) = self.get(&source)? {
                let splits = self.list(&format!("{source}/"))?;
                found.push((source, entry));
                found.extend(splits);
            }
        }
        Snapshot::new(found)
    }

    /// What is remembered of the sources with dead letters, and perhaps of others.
    fn remembered_with_refused(&self) -> Result<Snapshot> {
        let (job, _) = self.job()?;
        if !job.marks_refused {
            return self.remembered();
        }
        let marked = self.list(REFUSED)?;
        let ids: Vec<i32> = marked.iter().filter_map(|(key, _)| key[REFUSED.len()..].parse().ok()).collect();
        // A listing takes fewer questions per source than to ask for each.
        let all = usize::try_from(job.next_source_id).unwrap_or(usize::MAX);
        match ids.len() >= all / 2 {
            true => self.remembered(),
            false => self.remembered_by_id(ids),
        }
    }

    fn status(&self, snapshot: &Snapshot) -> Result<Vec<SplitStatus>> {
        let mut status = Vec::new();
        for checkpoint in snapshot.remembered.iter().flat_map(|memory| &memory.checkpoints) {
            let source = &snapshot.sources[&checkpoint.split.source].0;
            let record = snapshot.checkpoint(checkpoint.split);
            let owner = checkpoint.owner.map(|owner| owner.run);
            let open = record.and_then(|record| record.open.as_ref());
            let stems = open.into_iter().flat_map(|range| &range.stems);
            status.push(SplitStatus {
                split: checkpoint.split,
                name: source.name.clone(),
                position: checkpoint.position,
                complete: checkpoint.complete,
                source_is_complete: source.complete,
                counts: record.map(CheckpointRecord::counts).unwrap_or_default(),
                owner,
                is_held: match owner {
                    Some(run) => self.heart(run)?.is_some(),
                    None => false,
                },
                data_date: source.data_date.as_deref().and_then(|date| date.parse().ok()),
                rules: checkpoint.rules_hash,
                moved_at: record
                    .and_then(|record| DateTime::from_timestamp_micros(record.moved_us))
                    .unwrap_or_default(),
                label: source.label.clone(),
                generation: source.generation,
                is_untidy: source.is_untidy,
                stems: stems
                    .chain(record.into_iter().flat_map(|record| &record.abandoned))
                    .cloned()
                    .collect(),
            });
        }
        Ok(status)
    }
}

impl MapLedger {
    /// Every split, in order. Writes nothing.
    pub fn status(store: Arc<dyn Store>, settings: Settings) -> Result<Vec<SplitStatus>> {
        let keys = Keys { store, settings };
        keys.status(&keys.remembered()?)
    }

    /// The splits of every source that has dead letters, in order; those of others may be among them.
    pub fn status_with_refused(&self) -> Result<Vec<SplitStatus>> {
        self.keys.status(&self.keys.remembered_with_refused()?)
    }

    /// Whether a run may have left a source in the middle of a range. Each run hands this on to the next; so
    /// only a load that comes after such a run looks for the source.
    pub fn may_have_left(&self) -> bool {
        self.heart.has_left()
    }

    /// Records before a checkpoint moves that its source has dead letters, if this batch has any.
    pub(super) fn note_refused(&mut self, source: i32, deltas: &Counts) -> Result<()> {
        if deltas.rejected > 0 && !self.with_refused.contains(&source) {
            // If it is there already, that is just as well.
            let _ = self.keys.set(&refused_key(source), None, &true)?;
            self.with_refused.insert(source);
        }
        Ok(())
    }
}
