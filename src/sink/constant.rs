//! Constant columns: values that are the same in every row, because no record contains them.

use crate::schema::{Field, Kind, Owned};

/// A column with the same value in every row.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// Its type, where the table is created.
    pub kind: Kind,
    /// Its value, as a record would give it. `None` while it depends on a date that was not given; then only
    /// definitions are asked for.
    pub text: Option<String>,
}

impl Constant {
    /// The value for a column of this kind, if it is known, or why it does not fit.
    pub(super) fn read(&self, kind: &Kind) -> Result<Option<Owned>, String> {
        let Some(text) = &self.text else { return Ok(None) };
        let json = serde_json::Value::from(text.as_str()).to_string();
        Field::new(self.name.clone(), kind.clone()).read_default(&json).map(Some)
    }
}

/// What rows take from these columns, for the hash of a record's content; `None` without such columns.
pub(super) fn hash_key(constants: &[Constant]) -> Option<[u8; 32]> {
    if constants.is_empty() {
        return None;
    }
    let mut values: Vec<(&str, Option<&str>)> =
        constants.iter().map(|constant| (constant.name.as_str(), constant.text.as_deref())).collect();
    values.sort_unstable();
    Some(*blake3::hash(serde_json::json!(values).to_string().as_bytes()).as_bytes())
}
