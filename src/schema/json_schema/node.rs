//! A place in a JSON Schema, which remembers the keywords that were read.
//!
//! So it can report the unread ones at the end: they would not be enforced.

use super::{Fault, Result};
use crate::format::{Item, Raw, pointer_steps};

/// A value of the schema, and the pointer to it.
#[derive(Clone, Debug)]
pub(super) struct Node<'s> {
    pub(super) item: Item<'s>,
    pub(super) path: String,
    taken: Vec<&'static str>,
}

/// Keywords that say nothing about values.
const ANNOTATIONS: [&str; 13] = [
    "title",
    "description",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "default",
    "$comment",
    "$schema",
    "$id",
    "$defs",
    "definitions",
];

impl<'s> Node<'s> {
    pub(super) fn new(item: Item<'s>, path: String) -> Node<'s> {
        Node { item, path, taken: Vec::new() }
    }

    /// The value of a keyword, if it is there.
    pub(super) fn take(&mut self, keyword: &'static str) -> Option<Node<'s>> {
        self.taken.push(keyword);
        let item = member(self.item, keyword)?;
        Some(Node::new(item, format!("{}/{keyword}", self.path)))
    }

    /// The unread keywords that constrain values.
    pub(super) fn left(&self) -> impl Iterator<Item = Fault> {
        let is_known =
            |key: &str| self.taken.contains(&key) || ANNOTATIONS.contains(&key) || key.starts_with("x-");
        let left = self.item.members().map(|(key, _)| key).filter(move |key| !is_known(key));
        left.map(|key| Fault {
            path: format!("{}/{}", self.path, escaped(key)),
            message: "this keyword is not enforced".to_owned(),
            is_unsupported: true,
        })
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), message: message.into(), is_unsupported: false }
    }

    /// The fault of a keyword that is understood and not enforced.
    pub(super) fn unsupported(&self, message: impl Into<String>) -> Fault {
        Fault { is_unsupported: true, ..self.error(message) }
    }

    pub(super) fn text(&self) -> Result<&'s str> {
        std::str::from_utf8(self.item.spelled().unwrap_or_default()).map_err(|_| self.error("not UTF-8"))
    }

    /// The items of a value that should be a list.
    pub(super) fn items(&self, what: &str) -> Result<Vec<Node<'s>>> {
        let Raw::List { .. } = self.item.raw() else { return Err(self.error(format!("not {what}"))) };
        let node = |(index, item)| Node::new(item, format!("{}/{index}", self.path));
        Ok(self.item.items().enumerate().map(node).collect())
    }

    /// The members of a value that should be an object.
    pub(super) fn members(&self, what: &str) -> Result<Vec<(&'s str, Node<'s>)>> {
        let Raw::Object { .. } = self.item.raw() else { return Err(self.error(format!("not {what}"))) };
        let node = |(key, item)| (key, Node::new(item, format!("{}/{}", self.path, escaped(key))));
        Ok(self.item.members().map(node).collect())
    }

    pub(super) fn count(&self) -> Result<usize> {
        match self.item.raw() {
            Raw::Int(number) => usize::try_from(number).map_err(|_| self.error("not a count")),
            _ => Err(self.error("not a count")),
        }
    }
}

/// The target of `reference` within the document of `root`: a pointer after `#`.
pub(super) fn find<'s>(root: Item<'s>, reference: &str) -> Option<Item<'s>> {
    let pointer = unquoted(reference.strip_prefix('#')?)?;
    let steps = if pointer.is_empty() { Vec::new() } else { pointer_steps(&pointer)? };
    steps.iter().try_fold(root, |item, step| match item.raw() {
        Raw::List { .. } => item.items().nth(step.parse().ok()?),
        _ => member(item, step),
    })
}

/// Whether it describes an object itself, not through another reference.
pub(super) fn is_object(item: Item<'_>) -> bool {
    let is_elsewhere =
        ["$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter().any(|key| member(item, key).is_some());
    let is_of_type = member(item, "type").is_none_or(|name| name.raw() == Raw::Text("object"));
    !is_elsewhere && is_of_type && (member(item, "properties").is_some() || member(item, "type").is_some())
}

/// The last member with that name.
fn member<'s>(item: Item<'s>, key: &str) -> Option<Item<'s>> {
    item.members().filter(|(name, _)| *name == key).last().map(|(_, item)| item)
}

/// A key as a step of a pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A URL fragment, percent-decoded.
fn unquoted(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
