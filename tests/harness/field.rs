//! The fields of a load, parsed from the short notation that tests use.

use std::fmt::Write as _;

/// One field of a load's schema.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// `int`, `text`, `float`, `bool`, `timestamp`, …, or `enum` with its values.
    pub(crate) kind: String,
    pub(crate) values: Vec<String>,
    pub(crate) is_optional: bool,
}

impl Field {
    pub(super) fn of(text: &str) -> Field {
        let (name, kind) = text.split_once(' ').expect("a field is a name and a type");
        let (kind, is_optional) = match kind.trim().strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (kind.trim(), false),
        };
        let (kind, values) = match kind.split_once('(') {
            Some((kind, values)) => {
                (kind, values.trim_end_matches(')').split('|').map(str::to_owned).collect())
            }
            None => (kind, Vec::new()),
        };
        Field { name: name.to_owned(), kind: kind.to_owned(), values, is_optional }
    }

    pub(super) fn toml(&self) -> String {
        let mut toml = format!("{{ type = \"{}\"", self.kind);
        if !self.values.is_empty() {
            let _ = write!(toml, ", values = {:?}", self.values);
        }
        if self.is_optional {
            toml.push_str(", required = false");
        }
        toml + " }"
    }
}
