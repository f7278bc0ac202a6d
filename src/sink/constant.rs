//! Constant columns: the same value in every row, for the records do not say it.

use crate::schema::{Field, Kind, Owned};

/// A column with the same value in every row.
#[derive(Clone, Debug)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// What it is where the table is made.
    pub kind: Kind,
    /// Its value, in the form in which a record would give it. None as long as it depends on a day
    /// that nobody has named: only definitions are asked for then.
    pub text: Option<String>,
}

impl Constant {
    /// The value in a column of this kind, if it is known, or why it can be none.
    pub(super) fn read(&self, kind: &Kind) -> Result<Option<Owned>, String> {
        let Some(text) = &self.text else { return Ok(None) };
        let json = serde_json::Value::from(text.as_str()).to_string();
        Field::new(self.name.clone(), kind.clone()).read_default(&json).map(Some)
    }
}

/// What rows take from these columns, for the hash of a record's content: none, if there are none.
pub(super) fn hash_key(constants: &[Constant]) -> Option<[u8; 32]> {
    if constants.is_empty() {
        return None;
    }
    let mut values: Vec<(&str, Option<&str>)> =
        constants.iter().map(|constant| (constant.name.as_str(), constant.text.as_deref())).collect();
    values.sort_unstable();
    Some(*blake3::hash(serde_json::json!(values).to_string().as_bytes()).as_bytes())
}
