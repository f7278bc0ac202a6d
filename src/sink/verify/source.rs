//! A source that is read again: how far to read, and what was found so far.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::found::{Difference, DifferenceKind, InFile, InTable, NotVerifiable, VerifiedSource};
use super::kept::Place;
use crate::sink::claim::{Before, unsigned};
use crate::sink::{Remembered, Task};
use crate::source::{Hash16, Preamble, Start, hash16};
use crate::split::Split;

/// Why a source without a file is not read.
pub(super) const GONE: &str =
    "none of the files is this source any more; put it back under its name, or give its new name";

/// Why a source whose file has changed is not read.
pub(super) const CHANGED: &str =
    "the file of this name does not contain what was loaded (truncated, rewritten or replaced?)";

const OTHER_RULES: &str = "it was loaded under other rules (format, fields, key) than those of the job now; verify it with the job as it was";

/// What to read of a source, all of it below its checkpoints; or why nothing can be read.
pub(super) fn tasks(memory: &Remembered, rules: Hash16) -> Result<Vec<Task>, &'static str> {
    let mut tasks = Vec::new();
    let (mut before, mut preamble) = (0, &Preamble::default());
    for checkpoint in &memory.checkpoints {
        let split = checkpoint.split;
        if checkpoint.position > split.start {
            if checkpoint.rules_hash != rules {
                return Err(OTHER_RULES);
            }
            if before != split.start {
                return Err("one of its earlier splits is not loaded yet; load that first");
            }
            let start = split.start;
            tasks.push(Task {
                split,
                start: Start { position: start, tail: (0, hash16(b"")), record: start },
                end: Some(checkpoint.position),
                lines: 0,
                before: Before::default(),
                again: None,
                preamble: preamble.clone(),
                is_new: false,
            });
        }
        (before, preamble) = (checkpoint.position, &checkpoint.preamble);
    }
    Ok(tasks)
}

/// A file that could not be read, or not to its end.
#[derive(Clone, Debug)]
pub struct Unread {
    /// Its path.
    pub path: PathBuf,
    /// The name under which it would be stored.
    pub name: String,
    /// The reason.
    pub why: String,
}

/// A source while it is read.
#[derive(Debug)]
pub(super) struct Read {
    id: i32,
    name: String,
    path: PathBuf,
    splits: Vec<Reach>,
    /// Lines that were read.
    pub(super) lines: u64,
    pub(super) file: InFile,
    pub(super) table: InTable,
    file_digest: u128,
    table_digest: u128,
    pub(super) differences: u64,
    /// Rows with other values, which may come from a source that was not read.
    pub(super) unsettled: u64,
    /// Rows of letters that were replayed under other rules.
    pub(super) by_other_rules: u64,
    /// More rows have other values than can be remembered.
    pub(super) is_beyond_aside: bool,
}

/// How far a split was read.
#[derive(Debug)]
struct Reach {
    split: Split,
    /// Everything before this offset was loaded under other rules.
    since: u64,
    position: u64,
    end: u64,
}

impl Read {
    pub(super) fn new(memory: &Remembered, path: &Path, tasks: &[Task]) -> Read {
        let since =
            |task: &Task| memory.checkpoint(task.split).map_or(0, |checkpoint| checkpoint.rules_since);
        let splits = tasks.iter().map(|task| Reach {
            split: task.split,
            since: since(task),
            position: task.start.position,
            end: task.end.unwrap_or(task.start.position),
        });
        Read {
            id: memory.source_id,
            name: memory.known.name.clone(),
            path: path.to_owned(),
            splits: splits.collect(),
            lines: 0,
            file: InFile::default(),
            table: InTable::default(),
            file_digest: 0,
            table_digest: 0,
            differences: 0,
            unsettled: 0,
            by_other_rules: 0,
            is_beyond_aside: false,
        }
    }

    /// Records how far a split was read.
    pub(super) fn reach(&mut self, split: Split, position: u64) {
        if let Some(reach) = self.splits.iter_mut().find(|reach| reach.split == split) {
            reach.position = reach.position.max(position);
        }
    }

    /// Whether the record at a place was loaded under the rules it is read by.
    pub(super) fn concerns(&self, place: Place) -> bool {
        let offset = unsigned(place.offset);
        self.splits.iter().all(|reach| !(reach.split.start..reach.since).contains(&offset))
    }

    /// Whether it is known that there is no record at a place: where the file could not be read, there may be
    /// one.
    pub(super) fn has_read(&self, place: Place) -> bool {
        let offset = unsigned(place.offset);
        let is_unread = |reach: &Reach| (reach.position..reach.end).contains(&offset);
        self.concerns(place) && !self.splits.iter().any(is_unread)
    }

    /// Counts a difference.
    pub(super) fn difference(&mut self, kind: DifferenceKind, place: Place, line: Option<u64>) -> Difference {
        self.differences += 1;
        Difference { source: self.name.clone(), ..of_nobody(kind, place, line) }
    }

    /// Counts a row with another value in a column.
    pub(super) fn changed(&mut self, place: Place, line: u64, column: &str) -> Difference {
        let difference = self.difference(DifferenceKind::ChangedValue, place, Some(line));
        Difference { column: Some(column.to_owned()), ..difference }
    }

    /// A row that is in the table as in the file.
    pub(super) fn agrees(&mut self, digest: u128) {
        self.expects(digest);
        self.holds(digest);
    }

    /// A row of the file.
    pub(super) fn expects(&mut self, digest: u128) {
        self.file_digest = self.file_digest.wrapping_add(digest);
    }

    /// A row of the table.
    pub(super) fn holds(&mut self, digest: u128) {
        self.table_digest = self.table_digest.wrapping_add(digest);
    }

    /// Why it was not read up to its checkpoint, if it was not.
    pub(super) fn objection(&self, failed: &[Unread]) -> Option<NotVerifiable> {
        let reach = self.splits.iter().find(|reach| reach.position < reach.end)?;
        let why = failed.iter().find(|unread| unread.path == self.path).map(|unread| unread.why.as_str());
        let why = why.unwrap_or("the rest of it could not be read");
        let why = format!("it was read up to byte {} of {}: {why}", reach.position, reach.end);
        Some(NotVerifiable { source: self.name.clone(), why })
    }

    /// What part of it was loaded under other rules, if any.
    pub(super) fn before_rules(&self) -> Option<NotVerifiable> {
        let reach = self.splits.iter().find(|reach| reach.since > reach.split.start)?;
        let why = format!("what stands before byte {} was loaded under other rules", reach.since);
        Some(NotVerifiable { source: self.name.clone(), why })
    }

    /// Whether any of its rows were made under other rules.
    pub(super) fn has_other_rules(&self) -> bool {
        self.by_other_rules > 0 || self.before_rules().is_some()
    }

    /// How many of its rows were replayed under other rules, if any.
    pub(super) fn replayed_otherwise(&self) -> Option<NotVerifiable> {
        let why = match self.by_other_rules {
            0 => return None,
            1 => "1 dead letter was replayed under other rules; its row was not compared".to_owned(),
            letters => {
                format!(
                    "{letters} dead letters were replayed under other rules; their rows were not compared"
                )
            }
        };
        Some(NotVerifiable { source: self.name.clone(), why })
    }

    /// What is left in doubt after everything was read.
    pub(super) fn doubt(&self) -> Option<NotVerifiable> {
        let why = match (self.is_beyond_aside, self.unsettled) {
            (true, _) => {
                "too many of its rows hold other values, which later records may have given them".to_owned()
            }
            (false, 0) => return None,
            (false, 1) => {
                "1 of its rows holds other values, which a source that was not read may have given it"
                    .to_owned()
            }
            (false, rows) => format!(
                "{rows} of its rows hold other values, which a source that was not read may have given them"
            ),
        };
        Some(NotVerifiable { source: self.name.clone(), why })
    }

    pub(super) fn verified(self, data_date: Option<NaiveDate>) -> VerifiedSource {
        VerifiedSource {
            id: self.id,
            name: self.name,
            data_date: data_date.map(|date| date.to_string()),
            position: self.splits.iter().map(|reach| reach.end).max().unwrap_or(0),
            file: InFile { digest: format!("{:032x}", self.file_digest), ..self.file },
            table: InTable { digest: format!("{:032x}", self.table_digest), ..self.table },
            differences: self.differences,
        }
    }
}

/// A row or letter under the id of a source that is not remembered.
pub(super) fn of_nobody(kind: DifferenceKind, place: Place, line: Option<u64>) -> Difference {
    Difference {
        source: String::new(),
        source_id: place.source,
        line,
        offset: u64::try_from(place.offset).ok(),
        kind,
        column: None,
    }
}

/// The digest of the values of a row, in two pieces.
pub(super) fn digest((one, other): (&[u8], &[u8])) -> u128 {
    let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
    hasher.update(one);
    hasher.update(other);
    hasher.digest128()
}
