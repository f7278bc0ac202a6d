//! What flags and environment variables override in the job file.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;

use super::keys::{self, Takes};
use super::{Url, units};
use crate::error::{Error, Result};
use crate::sink::TableName;
use crate::sink::bar::Bar;

/// The values of flags and environment; each takes precedence over the job file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Files to read instead of those of the job. They are names, not patterns with placeholders.
    pub files: Option<Vec<PathBuf>>,
    /// Another destination. A relative path in it starts at the current directory.
    pub into: Option<Url>,
    /// Another table.
    pub table: Option<TableName>,
    /// The data date.
    pub date: Option<NaiveDate>,
    /// The number of threads that parse.
    pub threads: Option<u64>,
    /// The size of a chunk in bytes.
    pub chunk_size: Option<u64>,
    /// The number of rows in a batch.
    pub batch_rows: Option<u64>,
    /// The size of a batch in bytes.
    pub batch_bytes: Option<u64>,
    /// The number of concurrent connections.
    pub lanes: Option<u64>,
    /// How long to wait for a destination.
    pub retry_for: Option<Duration>,
    /// How long a connection may be silent.
    pub deadline: Option<Duration>,
    /// The limit of dead letters per source.
    pub stop_above: Option<Bar>,
}

impl Overrides {
    /// Checks the overrides against the limits of the keys in the job file.
    pub(super) fn check(&self) -> Result<()> {
        let ms = |duration: Option<Duration>| {
            duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
        };
        let given = [
            ("threads", self.threads),
            ("chunk_size", self.chunk_size),
            ("batch_rows", self.batch_rows),
            ("batch_bytes", self.batch_bytes),
            ("lanes", self.lanes),
            ("retry_for", ms(self.retry_for)),
            ("deadline", ms(self.deadline)),
        ];
        for (name, number) in given {
            let key = keys::PIPELINE.key(name);
            let Some(number) = number else { continue };
            let (min, max, shown) = match key.takes {
                Takes::Count { min, max } => (min, max, units::print_count(number)),
                Takes::Size { min, max } => (min, max, units::print_size(number)),
                Takes::Duration { min_ms, max_ms } => {
                    (min_ms, max_ms, units::print_duration(Duration::from_millis(number)))
                }
                _ => unreachable!("'{name}' is a quantity"),
            };
            if !(min..=max).contains(&number) {
                let flag = key.flag.expect("what can be overridden has a flag");
                return Err(Error::usage(format!("{flag} takes {}, not {shown}", key.takes.describe())));
            }
        }
        Ok(())
    }
}
