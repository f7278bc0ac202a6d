//! The values under the keys of a ledger in a store, and how the keys are made.

use serde::{Deserialize, Serialize};

use super::Found as FoundAgain;
use super::store::Entry;
use crate::error::{ErrorKind, Result};
use crate::sink::{Advance, Checkpoint, Counts, Owner};
use crate::source::{Candidate, Container, Hash16, Preamble, hash16};
use crate::split::Split;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct JobRecord {
    pub(super) name: String,
    /// The lowest id that a new source may get; no existing id is higher or equal.
    pub(super) next_source_id: i32,
    /// The last run that began, if recorded.
    #[serde(default)]
    pub(super) last_run: i64,
    /// All its sources with dead letters are recorded as such, and its runs what they left. States that were made
    /// before that was recorded are read whole.
    #[serde(default)]
    pub(super) marks_refused: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SourceRecord {
    pub(super) data_date: Option<String>,
    pub(super) name: String,
    pub(super) head: (u32, [u8; 16]),
    /// The hash of its first line, once that line has an end, and its number among the sources that begin
    /// with this line.
    pub(super) first: Option<([u8; 16], u32)>,
    pub(super) containers: Vec<(u64, [u8; 16], [u8; 16])>,
    /// Device and inode.
    pub(super) inode: Option<(u64, u64)>,
    /// The run that created it.
    pub(super) made_by: i64,
    /// All its splits are complete.
    pub(super) complete: bool,
    /// Its label in names of objects. It never changes, whatever becomes of the source.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) label: String,
    /// How often it was reloaded: the objects of this generation are its rows.
    #[serde(default)]
    pub(super) generation: i32,
    /// The last generation that was begun.
    #[serde(default)]
    pub(super) begun: i32,
    /// Objects of other generations may exist.
    #[serde(default)]
    pub(super) is_untidy: bool,
    /// The templates of object names when these were begun: the job may have another `path` by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) begun_paths: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CheckpointRecord {
    pub(super) end: Option<u64>,
    pub(super) position: u64,
    pub(super) lines: i64,
    pub(super) tail: (u32, [u8; 16]),
    /// The start of a last line that had no line end.
    pub(super) tail_start: Option<u64>,
    pub(super) preamble: Vec<u8>,
    pub(super) complete: bool,
    pub(super) rules: [u8; 16],
    /// Rows before this offset were loaded under other rules.
    #[serde(default)]
    pub(super) rules_since: u64,
    pub(super) epoch: i64,
    pub(super) owner: Option<i64>,
    /// The run that wrote it.
    pub(super) written_by: i64,
    pub(super) inserted: i64,
    pub(super) updated: i64,
    pub(super) unchanged: i64,
    pub(super) superseded: i64,
    pub(super) rejected: i64,
    pub(super) blank: i64,
    pub(super) skipped: i64,
    /// The range that is being written, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) open: Option<OpenRange>,
    /// The name prefixes of abandoned objects, which a fenced run may still write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) abandoned: Vec<String>,
    /// The name prefixes of objects that hold, and that a fenced run may still write: two runs worked on their
    /// range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) shared: Vec<String>,
    /// The source's record from this checkpoint on, until it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Box<SourceRecord>>,
    /// The parts it is being cut into, until each of them has a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parts: Option<Parts>,
    /// When it last moved, in microseconds since 1970. Nothing is decided by it.
    #[serde(default)]
    pub(super) moved_us: i64,
}

/// A range of a split whose objects may exist before the checkpoint has moved past it. The run that resumes
/// there writes the same objects again, or removes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRange {
    /// Where it begins.
    pub from: u64,
    /// Where its objects end: at the end that the source had each time the range was written, and finally at
    /// the end of the range.
    pub ends: Vec<u64>,
    /// A short hash of what determines the names and bytes of its objects.
    pub rules: String,
    /// The name prefixes of its objects.
    pub stems: Vec<String>,
    /// Another run worked on it before.
    #[serde(default)]
    pub is_shared: bool,
}

/// The parts of a split after the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// Where they begin, in order.
    pub(super) starts: Vec<u64>,
    /// Where the last of them ends: where the split ended.
    pub(super) end: Option<u64>,
}

impl CheckpointRecord {
    /// The checkpoint of a split that a run creates, with nothing committed.
    pub(super) fn new(run: i64, rules_hash: Hash16) -> CheckpointRecord {
        CheckpointRecord {
            end: None,
            position: 0,
            lines: 0,
            tail: (0, hash16(b"").0),
            tail_start: None,
            preamble: Vec::new(),
            complete: false,
            rules: rules_hash.0,
            rules_since: 0,
            epoch: 1,
            owner: Some(run),
            written_by: run,
            inserted: 0,
            updated: 0,
            unchanged: 0,
            superseded: 0,
            rejected: 0,
            blank: 0,
            skipped: 0,
            open: None,
            abandoned: Vec::new(),
            shared: Vec::new(),
            next: None,
            parts: None,
            moved_us: chrono::Utc::now().timestamp_micros(),
        }
    }

    pub(super) fn move_on(&mut self, advance: &Advance, deltas: &Counts) {
        self.position = advance.to;
        let open = self.open.take().filter(|open| open.is_shared);
        self.shared.extend(open.into_iter().flat_map(|open| open.stems));
        self.moved_us = chrono::Utc::now().timestamp_micros();
        self.tail = (advance.tail.0, advance.tail.1.0);
        self.preamble = advance.preamble.bytes().to_vec();
        if advance.has_news_of_the_last_line() {
            self.tail_start = advance.unterminated;
        }
        self.complete = advance.completes;
        self.owner = self.owner.filter(|_| !advance.completes);
        self.lines += deltas.lines;
        self.inserted += deltas.inserted;
        self.updated += deltas.updated;
        self.unchanged += deltas.unchanged;
        self.superseded += deltas.superseded;
        self.rejected += deltas.rejected;
        self.blank += deltas.blank;
        self.skipped += deltas.skipped;
    }

    /// The parts that a split is being cut into, in their state until they first move. Every run that writes
    /// one writes the same.
    pub(super) fn parts_of(&self, split: Split) -> impl Iterator<Item = (Split, CheckpointRecord)> {
        let starts = self.parts.iter().flat_map(|parts| {
            let ends = parts.starts.iter().skip(1).copied().map(Some).chain([parts.end]);
            parts.starts.iter().copied().zip(ends)
        });
        starts.map(move |(start, end)| {
            let made = CheckpointRecord::new(self.written_by, Hash16(self.rules));
            let CheckpointRecord { owner, moved_us, .. } = *self;
            (Split { start, ..split }, CheckpointRecord { end, position: start, owner, moved_us, ..made })
        })
    }

    pub(super) fn counts(&self) -> Counts {
        let &CheckpointRecord {
            lines,
            inserted,
            updated,
            unchanged,
            superseded,
            rejected,
            blank,
            skipped,
            ..
        } = self;
        let records = inserted + updated + unchanged + superseded + rejected;
        Counts { lines, blank, skipped, records, inserted, updated, unchanged, superseded, rejected }
    }

    pub(super) fn found(&self) -> FoundAgain {
        FoundAgain {
            epoch: self.epoch,
            owner: self.owner,
            position: self.position,
            is_complete: self.complete,
            counts: self.counts(),
        }
    }

    pub(super) fn checkpoint(&self, split: Split) -> Checkpoint {
        Checkpoint {
            split,
            end: self.end,
            position: self.position,
            lines: u64::try_from(self.lines).unwrap_or(0),
            tail: (self.tail.0, Hash16(self.tail.1)),
            preamble: Preamble::new(&self.preamble),
            complete: self.complete,
            rules_hash: Hash16(self.rules),
            rules_since: self.rules_since,
            epoch: self.epoch,
            owner: self.owner.map(|run| Owner { run, pid: 0, start_us: None }),
        }
    }
}

pub(super) fn stored(container: &Container) -> (u64, [u8; 16], [u8; 16]) {
    (container.size, container.head_hash.0, container.tail_hash.0)
}

pub(super) fn stored_inode(file: &Candidate) -> Option<(u64, u64)> {
    file.fingerprint.inode.map(|inode| (inode.device, inode.number))
}

/// A source's label in names of objects: derived from its first line, if that has an end.
pub(super) fn label(first: Option<([u8; 16], u32)>, name: &str, date: Option<&str>, id: i32) -> String {
    match first {
        Some((line, number)) => format!("{}n{number}", hex(&line[..8])),
        // Another file with just as little in it may have had the same name.
        None => format!("{}i{id}", hex(&of_day(name, date).0[..8])),
    }
}

pub(super) fn run_key(run: i64) -> String {
    format!("run/{run}")
}

/// The prefix of the keys of sources that begin with a line, each under its number.
pub(super) fn first_key(line: Hash16) -> String {
    format!("first/{}/", hex(&line.0[..8]))
}

/// The key of the source last seen under a name, on a day.
pub(super) fn name_key(name: &str, date: Option<&str>) -> String {
    format!("name/{}", hex(&of_day(name, date).0))
}

fn of_day(name: &str, date: Option<&str>) -> Hash16 {
    hash16(format!("{}\n{name}", date.unwrap_or_default()).as_bytes())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn source_key(source: i32) -> String {
    format!("source/{source}")
}

/// The prefix of the keys of sources with dead letters.
pub(super) const REFUSED: &str = "refused/";

/// The key that records that a source has dead letters.
pub(super) fn refused_key(source: i32) -> String {
    format!("{REFUSED}{source}")
}

pub(super) fn split_key(split: Split) -> String {
    format!("source/{}/{}", split.source, split.start)
}

/// The source of a key, and the start of the split if the key is one of a split.
pub(super) fn of_key(key: &str) -> Option<(i32, Option<u64>)> {
    let rest = key.strip_prefix("source/")?;
    match rest.split_once('/') {
        Some((source, start)) => Some((source.parse().ok()?, Some(start.parse().ok()?))),
        None => Some((rest.parse().ok()?, None)),
    }
}

pub(super) fn parse<T: for<'v> Deserialize<'v>>(key: &str, entry: &Entry) -> Result<T> {
    serde_json::from_slice(&entry.value).map_err(|cause| {
        ErrorKind::Unfit(vec![format!(
            "the ledger's value under {key} is not one of this program ({cause}); was it changed by hand?"
        )])
        .into()
    })
}
