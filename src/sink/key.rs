//! What makes two rows the same row, and what happens when they meet.

/// What a row is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// Its place: source and offset.
    #[default]
    Position,
    /// The bytes of its record: the same line in two files is one row.
    Content,
    /// Fields of its own.
    Columns(Vec<String>),
    /// Nothing: rows are only ever appended.
    None,
}

/// What happens when a row meets one of the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// The later one wins, in the order of the files.
    #[default]
    Update,
    /// The one that is there stays.
    Keep,
    /// The one with the greater value in this column wins.
    Newest(String),
}

impl Key {
    /// The columns that make the key, where the destination has them.
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Key::Position => vec![SOURCE_ID, SOURCE_OFFSET],
            Key::Content => vec![RECORD_HASH],
            Key::Columns(columns) => columns.iter().map(String::as_str).collect(),
            Key::None => Vec::new(),
        }
    }

    /// The columns of ours that a table of this key has besides the fields.
    pub fn extra_columns(&self) -> &'static [&'static str] {
        match self {
            Key::Position | Key::None => &[SOURCE_ID, SOURCE_OFFSET],
            Key::Content => &[RECORD_HASH],
            Key::Columns(_) => &[],
        }
    }
}

/// The column of the source's id.
pub const SOURCE_ID: &str = "source_id";
/// The column of the record's offset in its source.
pub const SOURCE_OFFSET: &str = "source_offset";
/// The column of the record's hash.
pub const RECORD_HASH: &str = "record_hash";
/// The column of the members that no field asks for, under `extra = "keep"`.
pub const EXTRA: &str = "extra";
