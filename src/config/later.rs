//! What is designed and not built yet: one list.
//!
//! A job that uses any of it is refused with the words "not yet": passing over it would do something
//! else than was asked. The reader of jobs, the JSON Schema for editors and the manual look here. When
//! something is built, its line leaves this list for the table of keys.

use std::fmt;

/// One thing that is not built.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) what: What,
    /// What it will be, in one sentence.
    pub(crate) doc: &'static str,
}

/// Where one would write it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A key, in the table that is called so.
    #[expect(dead_code, reason = "every key of the design is built; the next one stands here until it is")]
    Key(&'static str, &'static str),
    /// A key of `[record.fields.X]`, for fields of this type.
    Rule(&'static str, &'static str),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key(table, name) => write!(f, "'{name}' of {table}"),
            Rule(key, name) => write!(f, "'{key}' for '{name}'"),
        }
    }
}

use What::{Key, Rule};

// One line each.
#[rustfmt::skip]
pub(crate) static LATER: &[Later] = &[
    later(Rule("json_text", "object"), "An object that is given as a text that holds JSON."),
    later(Rule("json_text", "list"), "A list that is given as a text that holds JSON."),
];

const fn later(what: What, doc: &'static str) -> Later {
    Later { what, doc }
}

/// The keys that a table will have, with what they mean.
pub(super) fn keys(table: &str) -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    LATER.iter().filter_map(move |later| match later.what {
        Key(of, name) if of == table => Some((name, later.doc)),
        _ => None,
    })
}

/// The types of fields for which a key is not built, though it is for others.
pub(super) fn types(key: &str) -> impl Iterator<Item = &'static str> {
    LATER.iter().filter_map(move |later| match later.what {
        Rule(of, kind) if of == key => Some(kind),
        _ => None,
    })
}
