//! `[pipeline]`: speed and patience.

use std::time::Duration;

use super::reader::Reader;
use super::scope::Scope;
use super::{Overrides, as_usize};

/// Speed and patience. Nothing here affects the resulting rows.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// The number of parsing threads, if given.
    pub threads: Option<usize>,
    /// Rows after which a batch is full.
    pub batch_rows: usize,
    /// Bytes after which a batch is full.
    pub batch_bytes: usize,
    /// The number of concurrent connections.
    pub lanes: usize,
    /// How long to wait for a destination that has not been reached yet. By default this is short, so that a
    /// typo in its name does not cost minutes.
    pub reach_for: Duration,
    /// How long to wait for a destination that has become unreachable.
    pub retry_for: Duration,
    /// How long a connection may be silent before it counts as lost.
    pub deadline: Duration,
    /// How long the server may work on one statement.
    pub statement_timeout: Duration,
    /// How long the server may wait for a lock.
    pub lock_timeout: Duration,
    /// The maximum duration of one attempt to connect.
    pub connect_timeout: Duration,
}

/// The default for how long to wait for a destination that has not been reached yet.
const REACH_FOR: Duration = Duration::from_secs(30);

impl Pipeline {
    pub(super) fn read(reader: &mut Reader<'_>, scope: &Scope<'_>, overrides: &Overrides) -> Pipeline {
        // Each key is read whether it is overridden or not: the job file must be valid as a whole.
        let threads = reader.count_given(scope, "threads");
        let batch_rows = reader.count(scope, "batch_rows");
        let batch_bytes = reader.size(scope, "batch_bytes");
        let lanes = reader.count(scope, "lanes");
        let is_patience_given = overrides.retry_for.is_some() || scope.has("retry_for");
        let retry_for = overrides.retry_for.unwrap_or(reader.duration(scope, "retry_for"));
        let deadline = reader.duration(scope, "deadline");
        Pipeline {
            threads: overrides.threads.or(threads).map(as_usize),
            batch_rows: as_usize(overrides.batch_rows.unwrap_or(batch_rows)),
            batch_bytes: as_usize(overrides.batch_bytes.unwrap_or(batch_bytes)),
            lanes: as_usize(overrides.lanes.unwrap_or(lanes)),
            reach_for: if is_patience_given { retry_for } else { retry_for.min(REACH_FOR) },
            retry_for,
            deadline: overrides.deadline.unwrap_or(deadline),
            statement_timeout: reader.duration(scope, "statement_timeout"),
            lock_timeout: reader.duration(scope, "lock_timeout"),
            connect_timeout: reader.duration(scope, "connect_timeout"),
        }
    }
}

/// How much of a file one thread parses at a time; used by the cutter, not by the pool.
pub(super) fn chunk_bytes(reader: &mut Reader<'_>, scope: &Scope<'_>, overrides: &Overrides) -> usize {
    let given = reader.size(scope, "chunk_size");
    as_usize(overrides.chunk_size.unwrap_or(given))
}
