//! What the flags of a command mean for the job and the run.

use std::path::PathBuf;

use super::args::{BackfillArgs, DestinationArgs, LoadArgs, LoadingArgs};
use crate::config::Overrides;
use crate::engine::LoadOptions;
use crate::sink::Rebuild;

impl LoadArgs {
    /// What overrides the job file.
    pub(super) fn overrides(&self, files: Option<Vec<PathBuf>>) -> Overrides {
        let destination = self.job.destination.overrides();
        Overrides { files, date: self.date.date, ..self.loading.over(destination) }
    }
}

impl BackfillArgs {
    /// What overrides the job file.
    pub(super) fn overrides(&self) -> Overrides {
        self.loading.over(self.job.destination.overrides())
    }
}

impl LoadingArgs {
    /// What an engine is told besides the job. `is_whole`: a rebuild is of all that the job has loaded, or of
    /// a whole day.
    pub(super) fn options(&self, is_whole: bool) -> LoadOptions {
        LoadOptions {
            allow_rejects: self.allow_rejects,
            allow_duplicates: self.known.allow_duplicates,
            accept_new_rules: self.known.accept_new_rules,
            take_over: self.take_over,
            rebuild: self.rebuild.then_some(Rebuild { is_whole, allow_missing: self.allow_missing }),
            ..LoadOptions::default()
        }
    }

    /// The same overrides with those of these flags.
    fn over(&self, others: Overrides) -> Overrides {
        let limits = &self.limits;
        Overrides {
            threads: limits.work.threads,
            chunk_size: limits.work.chunk_size,
            batch_rows: limits.batch_rows,
            batch_bytes: limits.batch_bytes,
            lanes: limits.lanes,
            retry_for: limits.retry_for,
            deadline: limits.deadline,
            stop_above: self.stop_above,
            ..others
        }
    }
}

impl DestinationArgs {
    /// What overrides the job file, or goes into one that is written.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides { into: self.into.clone(), table: self.table.clone(), ..Overrides::default() }
    }
}
