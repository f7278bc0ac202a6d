//! Why a bucket did not do what it was asked to.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why there is no answer, or not the one that was hoped for. In words, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The store is not there, or too busy: it may come back.
    Away(String),
    /// It refuses to: the bucket, the credentials, a right.
    Denied(String),
    /// There is no such object.
    Missing(String),
    /// The object is not of the version that was expected.
    Changed,
    /// It answered something that nobody can do anything about but a person.
    Broken(String),
}

impl Failure {
    /// Whether it may go by without anybody doing anything.
    pub fn is_outage(&self) -> bool {
        matches!(self, Failure::Away(_))
    }

    /// The error that it is for whoever waits no longer. `doing` says what was tried, and with what.
    pub fn into_error(self, doing: &str) -> Error {
        match self {
            Failure::Away(what) => {
                ErrorKind::Unreachable { what: format!("{doing}: {what}"), waited: None }.into()
            }
            other => {
                let message = other.to_string();
                ErrorKind::Server { doing: doing.to_owned(), sqlstate: None, message }.into()
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Away(what) | Failure::Denied(what) | Failure::Missing(what) | Failure::Broken(what) => {
                f.write_str(what)
            }
            Failure::Changed => f.write_str("the object was changed meanwhile"),
        }
    }
}
