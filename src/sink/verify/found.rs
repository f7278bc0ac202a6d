//! The findings of a verification.
//!
//! These structs are parts of its report, so each field is a field of an object there.

use serde::{Serialize, Serializer};

use crate::printable::{name, source_name};

/// The findings.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// The sources that were read again, in the order of their ids.
    pub sources: Vec<VerifiedSource>,
    /// The differences between file and table.
    pub differences: Differences,
    /// What could not be compared, with the reasons.
    pub not_verifiable: Vec<NotVerifiable>,
    /// What has not been loaded yet.
    pub not_loaded: NotLoaded,
}

impl Verified {
    /// Adds the findings about other sources.
    pub fn add(&mut self, other: Verified) {
        self.sources.extend(other.sources);
        self.differences.extend(other.differences);
        for not in other.not_verifiable {
            // What applies to the whole table is reported once.
            if !self.not_verifiable.contains(&not) {
                self.not_verifiable.push(not);
            }
        }
        self.not_loaded.files += other.not_loaded.files;
        self.not_loaded.bytes += other.not_loaded.bytes;
    }
}

/// A source that was read again, up to its checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedSource {
    /// Its id.
    pub id: i32,
    /// The name under which it was last seen.
    #[serde(flatten, serialize_with = "name")]
    pub name: String,
    /// Its data date.
    pub data_date: Option<String>,
    /// How far it was read, which is its checkpoint.
    pub position: u64,
    /// Its contents.
    pub file: InFile,
    /// The destination's contents for it.
    pub table: InTable,
    /// The number of differences between the two.
    pub differences: u64,
}

/// The contents of a source, up to its checkpoint.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InFile {
    /// Its records.
    pub records: u64,
    /// Records that are rows, by the rules or through a replayed dead letter.
    pub rows: u64,
    /// Records that are dead letters, by the rules or because the destination refused them, and were not
    /// replayed.
    pub dead_letters: u64,
    /// A digest of the values of its rows, whatever their order.
    pub digest: String,
}

/// The destination's contents for a source.
#[derive(Clone, Debug, Default, Serialize)]
pub struct InTable {
    /// Its rows; if rows do not record their source, those with the keys of its records.
    pub rows: u64,
    /// Rows with the values of another record that has the same key.
    pub replaced: u64,
    /// Replayed dead letters whose record was mended by hand: their rows are compared with the mended
    /// bytes.
    pub mended: u64,
    /// Its dead letters, open or discarded; replayed ones count as rows.
    pub dead_letters: u64,
    /// Those of them that are open.
    pub open_dead_letters: u64,
    /// The digest of the values of the rows, which equals that of the file if nothing differs.
    pub digest: String,
}

/// Differences: the number of each kind, and the first of them.
#[derive(Clone, Debug, Default)]
pub struct Differences {
    /// By kind.
    pub counts: DifferenceCounts,
    /// The first of them, in the order of the sources.
    pub first: Vec<Difference>,
}

/// The number of differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DifferenceCounts {
    /// Records without their row.
    pub missing_rows: u64,
    /// Rows with another value than their record.
    pub changed_values: u64,
    /// Rows without a record.
    pub extra_rows: u64,
    /// Rejected records without their dead letter.
    pub missing_letters: u64,
    /// Dead letters without a rejected record.
    pub extra_letters: u64,
    /// Dead letters whose bytes differ from their record, or do not produce their row.
    pub changed_letters: u64,
}

impl DifferenceCounts {
    /// All of them.
    pub fn sum(&self) -> u64 {
        let &DifferenceCounts {
            missing_rows,
            changed_values,
            extra_rows,
            missing_letters,
            extra_letters,
            changed_letters,
        } = self;
        missing_rows + changed_values + extra_rows + missing_letters + extra_letters + changed_letters
    }
}

/// A difference between file and table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The name of the source.
    #[serde(flatten, serialize_with = "source_name")]
    pub source: String,
    /// Its id; together with the offset, the position key of a row.
    pub source_id: i32,
    /// The number of the record's first line, counted from one, if there is a record.
    pub line: Option<u64>,
    /// The offset of the record, or where it should be.
    pub offset: Option<u64>,
    /// The kind: `missing_row`, `changed_value`, `extra_row`, `missing_letter`, `extra_letter` or
    /// `changed_letter`.
    #[serde(serialize_with = "word")]
    pub kind: DifferenceKind,
    /// The first column with a different value.
    pub column: Option<String>,
}

/// The kind of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// A record has no row.
    MissingRow,
    /// A row has another value than its record.
    ChangedValue,
    /// A row has no record.
    ExtraRow,
    /// A rejected record has no dead letter.
    MissingLetter,
    /// A dead letter has no rejected record.
    ExtraLetter,
    /// A dead letter holds other bytes than its record, or none of its bytes produce its row.
    ChangedLetter,
}

fn word<S: Serializer>(kind: &DifferenceKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match kind {
        DifferenceKind::MissingRow => "missing_row",
        DifferenceKind::ChangedValue => "changed_value",
        DifferenceKind::ExtraRow => "extra_row",
        DifferenceKind::MissingLetter => "missing_letter",
        DifferenceKind::ExtraLetter => "extra_letter",
        DifferenceKind::ChangedLetter => "changed_letter",
    })
}

/// Something that could not be compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotVerifiable {
    /// The name of the source.
    #[serde(flatten, serialize_with = "source_name")]
    pub source: String,
    /// The reason, and what to do about it.
    pub why: String,
}

/// Data that is not loaded yet: it was never promised, and is not a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotLoaded {
    /// Files that the job has never loaded.
    pub files: u64,
    /// Their bytes, plus those after the checkpoints of others.
    pub bytes: u64,
}

/// At most this many differences are reported one by one; the others are counted.
const FIRST_MAX: usize = 100;

impl Differences {
    pub(super) fn add(&mut self, difference: Difference) {
        let counts = &mut self.counts;
        *match difference.kind {
            DifferenceKind::MissingRow => &mut counts.missing_rows,
            DifferenceKind::ChangedValue => &mut counts.changed_values,
            DifferenceKind::ExtraRow => &mut counts.extra_rows,
            DifferenceKind::MissingLetter => &mut counts.missing_letters,
            DifferenceKind::ExtraLetter => &mut counts.extra_letters,
            DifferenceKind::ChangedLetter => &mut counts.changed_letters,
        } += 1;
        if self.first.len() < FIRST_MAX {
            self.first.push(difference);
        }
    }

    fn extend(&mut self, other: Differences) {
        let (counts, more) = (&mut self.counts, other.counts);
        counts.missing_rows += more.missing_rows;
        counts.changed_values += more.changed_values;
        counts.extra_rows += more.extra_rows;
        counts.missing_letters += more.missing_letters;
        counts.extra_letters += more.extra_letters;
        counts.changed_letters += more.changed_letters;
        self.first.extend(other.first);
        self.first.truncate(FIRST_MAX);
    }
}
