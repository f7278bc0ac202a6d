//! Names as the server gives them: whole, so that nothing of another schema is taken for them.

use std::fmt;

use crate::sink::key::quote;

/// An index by its whole name: a trigger can write to a table of another schema, which has one
/// of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexName {
    pub(super) schema: String,
    pub(super) name: String,
}

/// An operator by its whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Operator {
    /// One of the server's own.
    pub(super) fn own(name: &str) -> Operator {
        Operator { schema: "pg_catalog".to_owned(), name: name.to_owned() }
    }
}

/// As a statement has it, whatever the path is. The name of an operator needs no quotes.
impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OPERATOR({}.{})", quote(&self.schema), self.name)
    }
}

/// How the values of a type are ordered. A type of the server's own has the server's operators;
/// another can bring its own.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) equal: Operator,
    pub(super) greater: Operator,
}

impl Default for Order {
    fn default() -> Order {
        Order { equal: Operator::own("="), greater: Operator::own(">") }
    }
}

/// A text as a statement has it.
pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    match doubled.contains('\\') {
        // Whatever standard_conforming_strings says.
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}
