//! What makes two rows the same row, what happens when they meet, and which columns follow from that.

use super::Constant;
use crate::schema::{Extra, Row, Schema};

/// What identifies a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// Its place: source and offset.
    #[default]
    Position,
    /// The bytes of its record: the same line in two files is one row.
    Content,
    /// Named fields.
    Columns(Vec<String>),
    /// Nothing: rows are only appended.
    None,
}

/// What happens when a row meets one with the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// The later one wins, in the order of the files.
    #[default]
    Update,
    /// The existing row wins.
    Keep,
    /// The row with the greater value in this column wins.
    Newest(String),
}

impl Key {
    /// The columns that make up the key, where the destination has them.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Key::Position => vec![SOURCE_ID, SOURCE_OFFSET],
            Key::Content => vec![RECORD_HASH],
            Key::Columns(columns) => columns.iter().map(String::as_str).collect(),
            Key::None => Vec::new(),
        }
    }

    /// The columns of logmill's own that a table with this key has besides the fields.
    pub fn extra_columns(&self) -> &'static [&'static str] {
        match self {
            Key::Position | Key::None => &[SOURCE_ID, SOURCE_OFFSET],
            Key::Content => &[RECORD_HASH],
            Key::Columns(_) => &[],
        }
    }

    /// Whether rows name their source and their place in it.
    pub fn has_places(&self) -> bool {
        self.extra_columns().contains(&SOURCE_ID)
    }
}

impl OnConflict {
    /// Whether the order of the records decides which of two rows with this key wins.
    pub fn is_decided_by_order(&self, key: &Key) -> bool {
        matches!((self, key), (OnConflict::Update | OnConflict::Keep, Key::Columns(_)))
    }
}

/// The column of the source's id.
pub const SOURCE_ID: &str = "source_id";
/// The column of the record's offset in its source.
pub const SOURCE_OFFSET: &str = "source_offset";
/// The column of the record's hash.
pub const RECORD_HASH: &str = "record_hash";

/// What identifies a record if its content is the key: its bytes, and what its row takes from elsewhere: from
/// its source, and from the job, whose part is passed as a key.
pub(super) fn record_hash(record: &[u8], row: &Row<'_>, of_job: Option<&[u8; 32]>) -> [u8; 16] {
    let mut hasher = of_job.map_or_else(blake3::Hasher::new, blake3::Hasher::new_keyed);
    hasher.update(record);
    row.each_outside(|outside| {
        // No record contains a line end, so no other input hashes the same bytes.
        hasher.update(b"\n").update(outside);
    });
    *hasher.finalize().as_bytes().first_chunk().expect("32 bytes have a first 16")
}
/// The column for members that no field names, under `extra = "keep"`.
pub const EXTRA: &str = "extra";

/// The content of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The value of a field, by index.
    Field(usize),
    /// The members that no field names, as JSON; by index, like a field after the others.
    Extra(usize),
    /// The same in every row: a constant column, by index.
    Constant(usize),
    SourceId,
    /// The offset of the record.
    SourceOffset,
    /// BLAKE3 of the record, its first 128 bits.
    RecordHash,
}

/// The columns that a job writes, in order: the fields, the constant columns, then those of the key.
pub(super) fn columns_of(schema: &Schema, constants: &[Constant], key: &Key) -> Vec<(String, Origin)> {
    let fields = schema.fields.iter().enumerate();
    let mut columns: Vec<_> =
        fields.map(|(index, field)| (field.name.clone(), Origin::Field(index))).collect();
    if schema.extra == Extra::Keep {
        columns.push((EXTRA.to_owned(), Origin::Extra(schema.fields.len())));
    }
    let constants = constants.iter().enumerate();
    columns.extend(constants.map(|(index, constant)| (constant.name.clone(), Origin::Constant(index))));
    for &name in key.extra_columns() {
        let origin = match name {
            SOURCE_ID => Origin::SourceId,
            SOURCE_OFFSET => Origin::SourceOffset,
            RECORD_HASH => Origin::RecordHash,
            _ => unreachable!("the key has no other columns"),
        };
        columns.push((name.to_owned(), origin));
    }
    columns
}

/// The columns that a job writes into an existing table, which `has` these. Without a key nothing is found by
/// place, so the place only serves people: it is written if the table has columns for it. A rebuild finds
/// rows by it.
pub(super) fn columns_into(
    (schema, constants, key): (&Schema, &[Constant], &Key),
    is_rebuild: bool,
    has: impl Fn(&str) -> bool,
) -> Vec<(String, Origin)> {
    let mut columns = columns_of(schema, constants, key);
    if *key == Key::None && !is_rebuild && !has(SOURCE_ID) && !has(SOURCE_OFFSET) {
        columns.retain(|(_, origin)| !matches!(origin, Origin::SourceId | Origin::SourceOffset));
    }
    columns
}

/// An identifier, quoted. Every destination so far quotes as the standard does.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
