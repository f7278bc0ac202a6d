//! The stores that a ledger can be kept in, found by the text that names one: `[state] url`.
//!
//! A new kind is a file beside these and a line in `KINDS`. PostgreSQL and SQLite have theirs in their own folders,
//! where their SQL is.

pub mod bucket;
mod chosen;
#[cfg(feature = "buckets")]
mod dynamodb;
mod redis;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use chosen::Chosen;

use super::Store;
use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::redis::Address;
use crate::sink::postgres;
#[cfg(feature = "sqlite")]
use crate::sink::sqlite;

/// A store that a job names.
#[derive(Clone)]
pub struct State {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What it is called for people, without secrets.
    pub shown: String,
    /// What is to be told of it before it is asked, if anything is: that others could listen.
    pub warning: Option<String>,
}

/// How stores are named, for a person who has named none.
pub const FORMS: &str = "the state is kept in a bucket (s3://BUCKET/PREFIX, gs://…, az://…), postgres://HOST/DATABASE, \
                         sqlite:PATH, redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] or dynamodb://TABLE?region=NAME";

/// What a load into a bucket rests on, wherever its state is.
macro_rules! rests_on {
    ($state:literal) => {
        concat!(
            "object names and bytes that are determined by the source and the rules, a checkpoint that is \
             moved by compare-and-set after the objects are written, and ",
            $state,
            ". Until the checkpoint has moved, a listing may show records of the current batch, none of \
             them twice"
        )
    };
}

struct Kind {
    /// Whether a text names one of this kind.
    is_named: fn(&str) -> bool,
    /// What is wrong with the text, without asking anybody.
    check: fn(&str) -> Result<(), String>,
    open: fn(&Named<'_>) -> Result<State>,
    /// What the promises of a load rest on whose state is in it.
    rests_on: &'static str,
}

/// What is known where a store is opened.
struct Named<'a> {
    text: &'a str,
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only a file is looked for there"))]
    folder: &'a Path,
    connect: Duration,
}

const KINDS: &[Kind] = &[
    Kind {
        is_named: Bucket::is_named,
        check: |text| Bucket::check(text).map_err(|error| error.to_string()),
        open: in_bucket,
        rests_on: rests_on!(
            "a bucket for the state that honours If-Match and If-None-Match, which each load tries out first"
        ),
    },
    Kind {
        is_named: postgres::is_named,
        check: |_| Ok(()),
        open: in_postgres,
        rests_on: rests_on!(
            "transactions of the PostgreSQL that keeps the state, which may not be put back to an older copy"
        ),
    },
    Kind {
        is_named: |text| text.starts_with("sqlite:"),
        check: |text| match text {
            "sqlite:" | "sqlite::memory:" => Err("sqlite: names no file".to_owned()),
            _ => Ok(()),
        },
        open: in_sqlite,
        rests_on: rests_on!("transactions of the SQLite file that keeps the state, which all runs must see"),
    },
    Kind {
        is_named: |text| text.starts_with("redis://") || text.starts_with("rediss://"),
        check: |text| redis_address(text).map(drop),
        open: in_redis,
        rests_on: rests_on!(
            "a Redis for the state that writes down what it acknowledges (appendonly) and does not fail over to a \
             replica that lags: what it loses may be loaded again, or stops the next load"
        ),
    },
    Kind {
        is_named: |text| text.starts_with("dynamodb://"),
        check: dynamodb_is_named,
        open: in_dynamodb,
        rests_on: rests_on!(
            "conditional writes and consistent reads of the DynamoDB table that keeps the state"
        ),
    },
];

/// What is wrong with a text that is to name a store, without asking anybody. It quotes nothing of the text.
pub fn check(text: &str) -> Result<(), String> {
    match of(text) {
        Some(kind) => (kind.check)(text),
        None => Err(FORMS.to_owned()),
    }
}

/// What a load rests on whose state is in the store that a text names.
pub fn rests_on(text: &str) -> &'static str {
    of(text).map_or("", |kind| kind.rests_on)
}

/// The store that a text names. A relative path in it starts at `folder`. Nothing is asked of it yet.
pub fn open(text: &str, folder: &Path, connect: Duration) -> Result<State> {
    match of(text) {
        Some(kind) => (kind.open)(&Named { text, folder, connect }),
        None => Err(Error::usage(FORMS)),
    }
}

fn of(text: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| (kind.is_named)(text))
}

fn in_bucket(named: &Named<'_>) -> Result<State> {
    let bucket = Bucket::open(named.text)?;
    let shown = bucket.describe();
    Ok(State { store: Arc::new(bucket::InBucket::new(bucket)), shown, warning: None })
}

fn in_postgres(named: &Named<'_>) -> Result<State> {
    let state = postgres::PostgresState::new(named.text, named.connect)?;
    let shown = state.describe();
    let warning = state.is_unverified().then(|| {
        format!(
            "the connection to {shown} is not verified: others on the way could change the state (sslmode=verify-full)"
        )
    });
    Ok(State { store: Arc::new(state), shown, warning })
}

#[cfg(feature = "sqlite")]
fn in_sqlite(named: &Named<'_>) -> Result<State> {
    Ok(in_file(&named.folder.join(named.text.trim_start_matches("sqlite:"))))
}

/// The store in a file of SQLite.
#[cfg(feature = "sqlite")]
pub fn in_file(path: &Path) -> State {
    State {
        store: Arc::new(sqlite::SqliteState::new(path)),
        shown: format!("sqlite:{}", path.display()),
        warning: None,
    }
}

#[cfg(not(feature = "sqlite"))]
fn in_sqlite(_: &Named<'_>) -> Result<State> {
    Err(crate::error::ErrorKind::NotCompiled { what: "SQLite", feature: "sqlite" }.into())
}

fn redis_address(text: &str) -> Result<Address, String> {
    let (mut address, database) = Address::read(text)?;
    address.database = match database.filter(|database| !database.is_empty()) {
        Some(database) => Some(database.parse().map_err(|_| {
            "after the host of a Redis comes the number of a database, and nothing else".to_owned()
        })?),
        None => None,
    };
    Ok(address)
}

fn in_redis(named: &Named<'_>) -> Result<State> {
    let address = redis_address(named.text).map_err(Error::usage)?;
    let shown = address.to_string();
    let warning = address.is_open_to_others().then(|| {
        format!(
            "the connection to {shown} is not encrypted: others on the way could read the password and \
             change the state; use a tunnel that listens on this machine, and name its address"
        )
    });
    Ok(State { store: Arc::new(redis::RedisState::new(address)), shown, warning })
}

#[cfg(feature = "buckets")]
fn dynamodb_is_named(text: &str) -> Result<(), String> {
    use crate::bucket::aws::{Named, Service};
    Named::read(Service::DynamoDb, text).map(drop)
}

#[cfg(not(feature = "buckets"))]
fn dynamodb_is_named(_: &str) -> Result<(), String> {
    Ok(())
}

#[cfg(feature = "buckets")]
fn in_dynamodb(named: &Named<'_>) -> Result<State> {
    use crate::bucket::aws::{Named, Service};
    let table = Named::read(Service::DynamoDb, named.text).map_err(Error::usage)?;
    let shown = table.describe();
    Ok(State { store: Arc::new(dynamodb::DynamoState::open(table)?), shown, warning: None })
}

#[cfg(not(feature = "buckets"))]
fn in_dynamodb(_: &Named<'_>) -> Result<State> {
    Err(crate::error::ErrorKind::NotCompiled { what: "DynamoDB", feature: "buckets" }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_in_one_of_five_ways() {
        for text in [
            "s3://bucket",
            "file:///var/state",
            "gs://bucket/prefix",
            "postgres://h/d",
            "host=h dbname=d",
            "sqlite:state.db",
            "redis://h",
            "redis://ada:geheim@h:7/3",
            "dynamodb://table?region=eu-west-1",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
            assert_ne!(rests_on(text), "", "{text}");
        }
        for text in [
            "",
            "state.db",
            "file:state",
            "sqlite:",
            "redis://ada:geheim@h/stream",
            "rediss://ada:geheim@h",
            "mysql://ada:geheim@h",
        ] {
            let why = check(text).expect_err(text);
            assert!(!why.contains("geheim"), "{why}");
        }
    }
}
