//! Names as the server gives them: fully qualified, so that nothing in another schema is mistaken for them.

use std::fmt;

use crate::sink::key::quote;

/// An index by its full name: a trigger can write to a table in another schema that has an index of the same
/// name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexName {
    pub(super) schema: String,
    pub(super) name: String,
}

/// An operator by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) schema: String,
    pub(super) name: String,
}

impl Operator {
    /// A built-in operator.
    pub(super) fn own(name: &str) -> Operator {
        Operator { schema: "pg_catalog".to_owned(), name: name.to_owned() }
    }
}

/// For a statement, whatever the search path is. An operator's name needs no quotes.
impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OPERATOR({}.{})", quote(&self.schema), self.name)
    }
}

/// How the values of a type are ordered. A built-in type has built-in operators; another type can define its
/// own.
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

/// A text literal.
pub(super) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    match doubled.contains('\\') {
        // Independent of standard_conforming_strings.
        true => format!("E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}
