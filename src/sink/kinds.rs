//! The kinds of destinations. Nothing outside this folder knows which there are: a new one is a folder and a
//! line in `KINDS`.

use std::path::Path;

use super::destination::{Address, Destination, Settings};
use super::scratch::Scratch;
use crate::error::{Error, ErrorKind, Result};

struct Kind {
    /// Whether a text names one of this kind.
    is_named: fn(&str) -> bool,
    names: Names,
    make: fn(&Address, Settings) -> Result<Box<dyn Destination>>,
    /// Makes a place for a measurement, beside the one that a text names or in a folder.
    scratch: MakeScratch,
}

type MakeScratch = fn(Option<&str>, &Path) -> Result<Box<dyn Scratch>>;

/// Which names of tables and columns a kind accepts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names {
    /// Two names that differ only in the case of ASCII letters are the same.
    pub fold_case: bool,
    /// Reserved prefixes of table names, in lower case, and who reserves them.
    pub taken: &'static [(&'static str, &'static str)],
}

const POSTGRES_NAMES: Names = Names { fold_case: false, taken: &[] };

const SQLITE_NAMES: Names =
    Names { fold_case: true, taken: &[("sqlite_", "SQLite"), ("logmill_", "logmill")] };

/// A column is named like a member in JSON or a column in Parquet, and a table like a part of a key.
const OBJECT_NAMES: Names = Names { fold_case: false, taken: &[] };

const KINDS: &[Kind] = &[
    Kind {
        is_named: super::objects::is_named,
        names: OBJECT_NAMES,
        make: super::objects::make,
        scratch: |_, _| Err(ErrorKind::NotYet { what: "bench into a bucket".to_owned() }.into()),
    },
    Kind {
        is_named: super::postgres::is_named,
        names: POSTGRES_NAMES,
        make: super::postgres::make,
        scratch: |text, _| super::postgres::scratch(text.unwrap_or_default()),
    },
    #[cfg(feature = "sqlite")]
    Kind {
        is_named: super::sqlite::is_named,
        names: SQLITE_NAMES,
        make: super::sqlite::make,
        scratch: super::sqlite::scratch,
    },
    #[cfg(not(feature = "sqlite"))]
    Kind {
        is_named: |text| text.starts_with("sqlite:"),
        names: SQLITE_NAMES,
        make: |_, _| Err(not_compiled()),
        scratch: |_, _| Err(not_compiled()),
    },
];

#[cfg(not(feature = "sqlite"))]
fn not_compiled() -> Error {
    ErrorKind::NotCompiled { what: "SQLite", feature: "sqlite" }.into()
}

/// The destination of rows for which the job names none.
pub const DEFAULT: &str = "sqlite:logmill.db";

/// The forms of a destination, for a person who has named none.
pub const FORMS: &str = "a destination is a URL (postgres://HOST/DATABASE), a connection string (host=HOST dbname=DATABASE), sqlite:PATH or a bucket (s3://BUCKET/FOLDER)";

/// The same in a few words.
pub const FORMS_IN_SHORT: &str =
    "sqlite:PATH, a PostgreSQL URL or key=value string, or a bucket (s3://…, gs://…, az://…, file:///…)";

/// Whether a text names a destination of a known kind.
pub fn is_named(text: &str) -> bool {
    KINDS.iter().any(|kind| (kind.is_named)(text))
}

/// Which names the destination that a text names accepts.
pub fn names(text: &str) -> Names {
    KINDS.iter().find(|kind| (kind.is_named)(text)).map_or_else(Names::default, |kind| kind.names)
}

/// Whether the destination that a text names cannot hold NaN in any number. Infinities fit everywhere.
pub fn holds_no_nan(text: &str) -> bool {
    !super::postgres::is_named(text) && !super::objects::is_named(text)
}

/// Whether a text names a bucket, which has settings that no database has.
pub fn is_bucket(text: &str) -> bool {
    super::objects::is_named(text)
}

/// Whether the destination that a text names stores JSON as a PostgreSQL `jsonb`.
pub fn has_jsonb(text: &str) -> bool {
    super::postgres::is_named(text)
}

/// Whether a PostgreSQL `jsonb` can hold all numbers of a JSON text.
pub fn fits_jsonb(json: &[u8]) -> bool {
    super::postgres::jsonb::holds(json)
}

/// Whether a table name, in lower case, is free on every kind of destination.
pub fn is_free(table: &str) -> bool {
    KINDS.iter().flat_map(|kind| kind.names.taken).all(|(prefix, _)| !table.starts_with(prefix))
}

pub fn of(address: &Address, settings: Settings) -> Result<Box<dyn Destination>> {
    match KINDS.iter().find(|kind| (kind.is_named)(&address.text)) {
        Some(kind) => (kind.make)(address, settings),
        None => Err(Error::usage(FORMS)),
    }
}

/// A place for a measurement: beside the one that a text names, or else of the default kind, in a folder.
pub fn scratch(text: Option<&str>, folder: &Path) -> Result<Box<dyn Scratch>> {
    let named = text.unwrap_or(DEFAULT);
    match KINDS.iter().find(|kind| (kind.is_named)(named)) {
        Some(kind) => (kind.scratch)(text, folder),
        None => Err(Error::usage(FORMS)),
    }
}
