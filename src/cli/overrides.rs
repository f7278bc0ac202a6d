//! The overrides of a job that the flags of a command contain.

use std::path::PathBuf;

use super::args::{DestinationArgs, LoadArgs};
use crate::config::Overrides;

impl LoadArgs {
    /// What overrides the job file.
    pub(super) fn overrides(&self, files: Option<Vec<PathBuf>>) -> Overrides {
        Overrides {
            files,
            date: self.date.date,
            threads: self.limits.work.threads,
            chunk_size: self.limits.work.chunk_size,
            batch_rows: self.limits.batch_rows,
            batch_bytes: self.limits.batch_bytes,
            lanes: self.limits.lanes,
            retry_for: self.limits.retry_for,
            deadline: self.limits.deadline,
            stop_above: self.stop_above,
            ..self.job.destination.overrides()
        }
    }
}

impl DestinationArgs {
    /// What overrides the job file, or goes into one that is written.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides { into: self.into.clone(), table: self.table.clone(), ..Overrides::default() }
    }
}
