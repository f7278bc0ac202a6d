//! The job file as a person wrote it: TOML, read with the table of keys.
//!
//! The tree keeps the place of every key and value, so that whatever turns out to be wrong, in the syntax or
//! in the meaning of a value, can be shown at its place. Reading continues after a finding, with the key's
//! default instead of the faulty value, so that one run reports everything; nothing that was read is used
//! once there is a finding.
//!
//! Every text may name environment variables (see `variables`). A text's expansion is never shown: a message
//! quotes what was written.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Table, Takes, Word};
use super::nearest::nearest;
use super::quote::quoted;
use super::scope::{Scope, TextRange, Written, as_integer, as_text};
use super::variables::{Environment, Fault, expand};
use super::{hide, units};
use crate::error::{Complaint, secret};
use crate::sink::bar::Bar;

/// Reads one job file and collects its faults.
pub(super) struct Reader<'d> {
    path: &'d Path,
    source: &'d str,
    environment: Environment<'d>,
    findings: Vec<(String, Option<TextRange>)>,
    /// The parts of the file that must not be shown.
    hidden: Vec<TextRange>,
}

/// Parses `source` as TOML. Syntax errors are reported alone: after them, the meaning of the rest is a guess.
pub(super) fn parse<'d>(path: &Path, source: &'d str) -> Result<Spanned<DeTable<'d>>, Complaint> {
    let (tree, errors) = DeTable::parse_recoverable(source);
    if errors.is_empty() {
        return Ok(tree);
    }
    let findings = errors.iter().map(|error| {
        let place = error.span();
        let message = match (error.message(), &place) {
            ("duplicate key", Some(place)) => {
                format!("the key {} is given twice", quoted(source.get(place.clone()).unwrap_or_default()))
            }
            (message, _) => format!("not valid TOML: {message}"),
        };
        (message, place)
    });
    let hidden = [hide::of_tree(source, tree.get_ref()), hide::of_broken(source)].concat();
    Err(Complaint::new(path, source, findings.collect(), &hidden))
}

impl<'d> Reader<'d> {
    pub(super) fn new(path: &'d Path, source: &'d str, environment: Environment<'d>) -> Reader<'d> {
        Reader { path, source, environment, findings: Vec::new(), hidden: Vec::new() }
    }

    /// Adds the finding that something at `place` is wrong.
    pub(super) fn find(&mut self, message: impl Into<String>, place: &TextRange) {
        self.findings.push((message.into(), Some(place.clone())));
    }

    /// Adds the finding that something is missing from `scope`.
    pub(super) fn find_absent(&mut self, message: impl Into<String>, scope: &Scope<'_>) {
        self.findings.push((message.into(), scope.place.clone()));
    }

    /// The number of findings so far.
    pub(super) fn findings(&self) -> usize {
        self.findings.len()
    }

    /// Fails if there are findings.
    pub(super) fn finish(self) -> Result<(), Complaint> {
        match self.findings.is_empty() {
            true => Ok(()),
            false => Err(Complaint::new(self.path, self.source, self.findings, &self.hidden)),
        }
    }

    /// The scope of the whole file.
    pub(super) fn root<'s>(&mut self, tree: &'s Spanned<DeTable<'s>>) -> Scope<'s> {
        self.hidden = hide::of_tree(self.source, tree.get_ref());
        let scope = Scope { keys: &keys::JOB, values: Some(tree.get_ref()), place: None };
        self.check_keys(&scope, "the job file");
        scope
    }

    /// A table in `scope`; unknown keys in it are findings. A table that is not given is empty.
    pub(super) fn table<'s>(&mut self, scope: &Scope<'s>, name: &str) -> Scope<'s> {
        let key = scope.keys.key(name);
        let Takes::Table(keys) = key.takes else { unreachable!("'{name}' is a table") };
        let mut inner = Scope { keys, values: None, place: None };
        if let Some(value) = scope.get(key) {
            inner.place = Some(value.span());
            match value.get_ref() {
                DeValue::Table(values) => inner.values = Some(values),
                _ => self.mismatch(key, value),
            }
        }
        self.check_keys(&inner, inner.keys.called);
        inner
    }

    /// The tables of a key that accepts any number of them.
    pub(super) fn tables<'s>(&mut self, scope: &Scope<'s>, name: &str) -> Vec<Scope<'s>> {
        let key = scope.keys.key(name);
        let Takes::Tables(keys) = key.takes else { unreachable!("'{name}' is a list of tables") };
        let Some(value) = scope.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.mismatch(key, value);
            return Vec::new();
        };
        let mut found = Vec::with_capacity(items.len());
        for item in items {
            match item.get_ref() {
                DeValue::Table(values) => found.push(self.table_of(keys, values, item.span(), keys.called)),
                _ => self.mismatch(key, item),
            }
        }
        found
    }

    /// The table that `value` is, with these keys. `called` is its name in messages.
    pub(super) fn table_of<'s>(
        &mut self,
        keys: &'static Table,
        values: &'s DeTable<'s>,
        place: TextRange,
        called: &str,
    ) -> Scope<'s> {
        let scope = Scope { keys, values: Some(values), place: Some(place) };
        self.check_keys(&scope, called);
        scope
    }

    fn check_keys(&mut self, scope: &Scope<'_>, called: &str) {
        for given in scope.values.into_iter().flat_map(|values| values.keys()) {
            match scope.keys.find(given.get_ref()) {
                Some(_) => {}
                None => self.find(unknown_key(given.get_ref(), scope.keys, called), &given.span()),
            }
        }
    }

    /// A text, as written.
    pub(super) fn written<'s>(&mut self, scope: &Scope<'s>, name: &str) -> Option<Written<'s>> {
        let key = scope.keys.key(name);
        let value = scope.get(key)?;
        let written = as_text(value);
        if written.is_none() {
            self.mismatch(key, value);
        }
        written
    }

    /// A text with its variables expanded.
    pub(super) fn text(&mut self, scope: &Scope<'_>, name: &str) -> Option<(String, TextRange)> {
        let written = self.written(scope, name)?;
        Some((self.expand(&written)?, written.place))
    }

    /// A list of texts, as written.
    pub(super) fn written_list<'s>(&mut self, scope: &Scope<'s>, name: &str) -> Option<Vec<Written<'s>>> {
        let key = scope.keys.key(name);
        let value = scope.get(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.mismatch(key, value);
            return None;
        };
        let texts: Option<Vec<_>> = items.iter().map(as_text).collect();
        if texts.is_none() {
            let odd = items.iter().find(|item| as_text(item).is_none()).expect("one that is not a text");
            self.mismatch(key, odd);
        }
        texts
    }

    /// A list of texts with their variables expanded.
    pub(super) fn texts(&mut self, scope: &Scope<'_>, name: &str) -> Option<Vec<(String, TextRange)>> {
        let written = self.written_list(scope, name)?;
        // A text with an unset variable has been reported; the others may have faults of their own.
        let expand = |text: Written<'_>| self.expand(&text).map(|expanded| (expanded, text.place));
        Some(written.into_iter().filter_map(expand).collect())
    }

    /// A boolean; the default if it is not given.
    pub(super) fn flag(&mut self, scope: &Scope<'_>, name: &str) -> bool {
        let default = scope.keys.key(name).default_text() == Some("true");
        self.flag_given(scope, name).unwrap_or(default)
    }

    /// A boolean, if it is given.
    pub(super) fn flag_given(&mut self, scope: &Scope<'_>, name: &str) -> Option<bool> {
        let key = scope.keys.key(name);
        let value = scope.get(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.mismatch(key, value);
        }
        flag
    }

    /// One of a key's words; the default if none is given.
    pub(super) fn word(&mut self, scope: &Scope<'_>, name: &str) -> &'static str {
        let default = scope.keys.key(name).default_text().unwrap_or_default();
        self.word_given(scope, name).map_or(default, |(word, _)| word)
    }

    /// One of a key's words, if one is given.
    pub(super) fn word_given(&mut self, scope: &Scope<'_>, name: &str) -> Option<(&'static str, TextRange)> {
        let key = scope.keys.key(name);
        let Takes::Word(words) = key.takes else { unreachable!("'{name}' takes a word") };
        let written = self.written(scope, name)?;
        Some((self.word_of(words, name, &written)?, written.place))
    }

    /// The word of `words` that `written` is; `what` is its name in messages.
    pub(super) fn word_of(
        &mut self,
        words: &'static [Word],
        what: &str,
        written: &Written<'_>,
    ) -> Option<&'static str> {
        let text = self.expand(written)?;
        match words.iter().find(|word| word.name == text) {
            Some(word) => Some(word.name),
            None => {
                let given = self.quoted(written);
                let message = match nearest(&text, words.iter().map(|word| word.name)) {
                    Some(nearest) => format!("unknown {what} {given}; did you mean '{nearest}'?"),
                    None => format!("unknown {what} {given}; it is {}", keys::any_word(words)),
                };
                self.find(message, &written.place);
                None
            }
        }
    }

    /// A whole number; the default if it is not given.
    pub(super) fn count(&mut self, scope: &Scope<'_>, name: &str) -> u64 {
        let default = scope.keys.key(name).default_text();
        let default = || units::parse_count(default.expect("a default")).expect("a count");
        self.count_given(scope, name).unwrap_or_else(default)
    }

    /// A whole number, if it is given.
    pub(super) fn count_given(&mut self, scope: &Scope<'_>, name: &str) -> Option<u64> {
        let key = scope.keys.key(name);
        let Takes::Count { min, max } = key.takes else { unreachable!("'{name}' takes a count") };
        let value = scope.get(key)?;
        let count = as_integer(value).and_then(|number| u64::try_from(number).ok());
        self.within(key, value, count, min, max)
    }

    /// A number of bytes; the default if it is not given.
    pub(super) fn size(&mut self, scope: &Scope<'_>, name: &str) -> u64 {
        let key = scope.keys.key(name);
        let Takes::Size { min, max } = key.takes else { unreachable!("'{name}' takes a size") };
        let default = || units::parse_size(key.default_text().expect("a default")).expect("a size");
        let Some(value) = scope.get(key) else { return default() };
        let bytes = match as_text(value) {
            Some(written) => match self.expand(&written) {
                Some(text) => units::parse_size(&text).ok(),
                None => return default(),
            },
            None => as_integer(value).and_then(|number| u64::try_from(number).ok()),
        };
        self.within(key, value, bytes, min, max).unwrap_or_else(default)
    }

    /// A time span; the default if it is not given.
    pub(super) fn duration(&mut self, scope: &Scope<'_>, name: &str) -> Duration {
        let key = scope.keys.key(name);
        let Takes::Duration { min_ms, max_ms } = key.takes else { unreachable!("'{name}' takes a duration") };
        let default = || units::parse_duration(key.default_text().expect("a default")).expect("a duration");
        let Some(value) = scope.get(key) else { return default() };
        let ms = match as_text(value).map(|written| self.expand(&written)) {
            Some(None) => return default(),
            Some(Some(text)) => units::parse_duration(&text)
                .ok()
                .map(|duration| u64::try_from(duration.as_millis()).expect("read from as many")),
            None => None,
        };
        self.within(key, value, ms, min_ms, max_ms).map_or_else(default, Duration::from_millis)
    }

    /// A count or a share, if it is given.
    pub(super) fn bar(&mut self, scope: &Scope<'_>, name: &str) -> Option<Bar> {
        let key = scope.keys.key(name);
        let value = scope.get(key)?;
        let bar = match as_text(value) {
            Some(written) => units::parse_bar(&self.expand(&written)?).ok(),
            None => as_integer(value).and_then(|number| u64::try_from(number).ok()).map(Bar::Count),
        };
        if bar.is_none() {
            self.mismatch(key, value);
        }
        bar
    }

    fn within(
        &mut self,
        key: &Key,
        value: &Spanned<DeValue<'_>>,
        number: Option<u64>,
        min: u64,
        max: u64,
    ) -> Option<u64> {
        let fit = number.filter(|number| (min..=max).contains(number));
        if fit.is_none() {
            self.mismatch(key, value);
        }
        fit
    }

    /// Adds the finding that the key's value is not acceptable.
    pub(super) fn refuse(&mut self, scope: &Scope<'_>, name: &str) {
        let key = scope.keys.key(name);
        if let Some(value) = scope.get(key) {
            self.mismatch(key, value);
        }
    }

    /// Adds the finding that `value` is not acceptable for `key`.
    pub(super) fn mismatch(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        let message = format!("'{}' takes {}, not {}", key.name, key.takes.describe(), self.describe(value));
        self.find(message, &value.span());
    }

    /// A text, quoted for a message.
    pub(super) fn quoted(&self, written: &Written<'_>) -> String {
        if self.is_hidden(&written.place) { quoted(secret::MASK) } else { quoted(written.text) }
    }

    /// A part of the text at `place`, quoted for a message: itself if it is in the file, else the whole
    /// written text, because the part came from a variable.
    pub(super) fn quoted_part(&self, part: &str, place: &TextRange) -> String {
        match self.source.get(place.clone()) {
            _ if self.is_hidden(place) => quoted(secret::MASK),
            Some(written) if !written.contains(part) => quoted(written.trim_matches(['"', '\''])),
            _ => quoted(part),
        }
    }

    /// A value as an object in a sentence: itself if that is short, else its type.
    pub(super) fn describe(&self, value: &Spanned<DeValue<'_>>) -> String {
        match value.get_ref() {
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
            _ if self.is_hidden(&value.span()) => quoted(secret::MASK),
            DeValue::String(text) => quoted(text),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(stamp) => stamp.to_string(),
        }
    }

    /// Whether the value at `place` must be hidden entirely.
    fn is_hidden(&self, place: &TextRange) -> bool {
        let inside = hide::inside(self.source, place.clone());
        self.hidden.iter().any(|hidden| hidden.start <= inside.start && inside.end <= hidden.end)
    }

    /// Whether the text at `place` contains an environment variable.
    pub(super) fn has_variable(&self, place: &TextRange) -> bool {
        self.source.get(place.clone()).is_some_and(|written| written.contains("${"))
    }

    /// Whether a value in `scope` contains a variable.
    pub(super) fn has_variables(&self, scope: &Scope<'_>) -> bool {
        let values = scope.values.into_iter().flat_map(|values| values.values());
        values.into_iter().any(|value| self.has_variable(&value.span()))
    }

    /// Expands the variables of a text, and adds findings for those that fail.
    pub(super) fn expand(&mut self, written: &Written<'_>) -> Option<String> {
        let (text, faults) = expand(written.text, self.environment);
        for Fault { message, piece } in &faults {
            let place = self.place_within(&written.place, piece);
            self.find(message, &place);
        }
        faults.is_empty().then_some(text)
    }

    /// The place of `piece` in the text at `place`; that of the whole text if it is written with escapes.
    fn place_within(&self, place: &TextRange, piece: &str) -> TextRange {
        match self.source.get(place.clone()).and_then(|source| source.find(piece)) {
            Some(index) => place.start + index..place.start + index + piece.len() + "}".len(),
            None => place.clone(),
        }
    }
}

fn unknown_key(given: &str, table: &'static Table, called: &str) -> String {
    let start = format!("unknown key {} in {called}", quoted(given));
    if let Some(nearest) = nearest(given, table.keys.iter().map(|key| key.name)) {
        return format!("{start}; did you mean '{nearest}'?");
    }
    let elsewhere = keys::tables().into_iter().find(|other| other.find(given).is_some());
    if let Some(other) = elsewhere {
        return format!("{start}; it belongs to {}", other.called);
    }
    let known: Vec<&str> = table.keys.iter().map(|key| key.name).collect();
    format!("{start}; known are {}", known.join(", "))
}

/// The index of the first of `texts` that occurs a second time.
pub(super) fn first_repeated<'t>(texts: impl Iterator<Item = &'t str>) -> Option<usize> {
    let mut seen = HashSet::new();
    texts.enumerate().find(|(_, text)| !seen.insert(*text)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests;
