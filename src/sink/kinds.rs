//! The kinds of destinations. Nothing outside this folder knows which there are: a new one is a
//! folder and a line in [`KINDS`].

use super::destination::{Address, Destination, Settings};
use crate::error::{Error, Result};

/// A kind of destination.
struct Kind {
    /// Whether a text names one of this kind.
    is_named: fn(&str) -> bool,
    make: fn(&Address, Settings) -> Result<Box<dyn Destination>>,
}

const KINDS: &[Kind] = &[
    Kind { is_named: super::postgres::is_named, make: super::postgres::make },
    #[cfg(feature = "sqlite")]
    Kind { is_named: super::sqlite::is_named, make: super::sqlite::make },
    #[cfg(not(feature = "sqlite"))]
    Kind { is_named: |text| text.starts_with("sqlite:"), make: |_, _| Err(not_compiled("SQLite", "sqlite")) },
];

#[cfg(not(feature = "sqlite"))]
fn not_compiled(what: &str, feature: &str) -> Error {
    Error::usage(format!("this logmill was built without {what}; build it with the feature `{feature}`"))
}

/// Where rows go that nobody has named a place for.
pub const DEFAULT: &str = "sqlite:logmill.db";

/// How destinations are named, for a person who has named none.
pub const FORMS: &str = "a destination is a URL (postgres://HOST/DATABASE), a connection string (host=HOST dbname=DATABASE) or sqlite:PATH";

/// Whether a text names a destination of a known kind.
pub fn is_named(text: &str) -> bool {
    KINDS.iter().any(|kind| (kind.is_named)(text))
}

/// The destination of a job.
pub fn of(address: &Address, settings: Settings) -> Result<Box<dyn Destination>> {
    match KINDS.iter().find(|kind| (kind.is_named)(&address.text)) {
        Some(kind) => (kind.make)(address, settings),
        None => Err(Error::usage(FORMS)),
    }
}
