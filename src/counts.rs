//! The outcomes of records, as sums: over a batch, a source, a run.

use serde::{Deserialize, Serialize};

/// The results of the lines and records of a source. Signed, because a checkpoint's counters can also
/// decrease, when a line is read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines of any kind.
    pub lines: i64,
    /// Lines that are blank.
    pub blank: i64,
    /// Lines that are not records in their format: headers, directives.
    pub skipped: i64,
    /// Records, whatever their result.
    pub records: i64,
    /// New rows.
    pub inserted: i64,
    /// Rows that replaced an existing row.
    pub updated: i64,
    /// Rows that already existed.
    pub unchanged: i64,
    /// Rows that lost to a later row with the same key.
    pub superseded: i64,
    /// Records that did not become rows.
    pub rejected: i64,
}

impl Counts {
    /// Adds `other`.
    pub fn add(&mut self, other: &Counts) {
        self.lines += other.lines;
        self.blank += other.blank;
        self.skipped += other.skipped;
        self.records += other.records;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.superseded += other.superseded;
        self.rejected += other.rejected;
    }

    /// The difference, without `other`.
    pub fn minus(&self, other: &Counts) -> Counts {
        Counts {
            lines: self.lines - other.lines,
            blank: self.blank - other.blank,
            skipped: self.skipped - other.skipped,
            records: self.records - other.records,
            inserted: self.inserted - other.inserted,
            updated: self.updated - other.updated,
            unchanged: self.unchanged - other.unchanged,
            superseded: self.superseded - other.superseded,
            rejected: self.rejected - other.rejected,
        }
    }

    /// Whether every record is accounted for (I5).
    pub fn is_conserved(&self) -> bool {
        self.records == self.inserted + self.updated + self.unchanged + self.superseded + self.rejected
    }
}
