//! The structure of a job file: its tables, the texts in them, and their places.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Key, Table};

/// A range of bytes of the file.
pub(super) type TextRange = Range<usize>;

/// A table of the file, and the keys it may have.
pub(super) struct Scope<'d> {
    pub(super) keys: &'static Table,
    pub(super) values: Option<&'d DeTable<'d>>,
    /// Its header, or the end of the file if it has none.
    pub(super) place: Option<TextRange>,
}

/// A text of the file, before variables are expanded.
#[derive(Clone, Debug)]
pub(super) struct Written<'d> {
    pub(super) text: &'d str,
    pub(super) place: TextRange,
}

impl<'d> Scope<'d> {
    /// A table without any keys.
    pub(super) fn empty(keys: &'static Table, place: TextRange) -> Scope<'d> {
        Scope { keys, values: None, place: Some(place) }
    }

    /// Whether the key is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(self.keys.key(name)).is_some()
    }

    /// The value of the key, if the key is compiled in.
    pub(super) fn value(&self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.get(self.keys.key(name))
    }

    /// The place of the key.
    pub(super) fn place_of(&self, name: &str) -> Option<TextRange> {
        self.values?.get_key_value(name).map(|(key, _)| key.span())
    }

    /// The keys that are present, with their places.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static Key, TextRange)> + use<'d> {
        let keys = self.keys;
        self.values
            .into_iter()
            .flat_map(|values| values.keys())
            .filter_map(move |given| keys.find(given.get_ref()).map(|key| (key, given.span())))
    }

    pub(super) fn get(&self, key: &Key) -> Option<&'d Spanned<DeValue<'d>>> {
        self.values?.get(key.name)
    }
}

pub(super) fn as_text<'d>(value: &'d Spanned<DeValue<'d>>) -> Option<Written<'d>> {
    value.get_ref().as_str().map(|text| Written { text, place: value.span() })
}

/// An integer of 64 bits.
pub(super) fn as_integer(value: &Spanned<DeValue<'_>>) -> Option<i64> {
    let number = value.get_ref().as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
