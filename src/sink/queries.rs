//! Queries about logmill's own tables for people, in the SQL that all databases share.
//!
//! Each database names its tables and marks its parameters in its own way, and adds what only it can report.

use super::history::{of_target, place_of_split};

/// How many runs are read: enough for a picture of them.
const RUNS_MAX: usize = 60;

/// The tables, with the columns of the present version whatever version they have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    pub(super) sources: &'static str,
    pub(super) checkpoints: &'static str,
    pub(super) letters: &'static str,
    pub(super) runs: &'static str,
    /// The progress of the lanes of runs.
    pub(super) progress: &'static str,
    /// What precedes the number of a parameter.
    pub(super) mark: char,
}

impl Tables {
    /// The splits of a job's sources in a target, with these additional columns. Parameters: job, target.
    pub(super) fn splits(&self, more: &str) -> String {
        let &Tables { sources, checkpoints, letters, mark, .. } = self;
        format!(
            "SELECT s.id, s.name, s.data_date, s.size, c.position - c.split_start, c.complete, c.lines, c.blank,
                    c.skipped, c.inserted, c.updated, c.unchanged, c.superseded, c.rejected,
                    (SELECT count(*) FROM {letters} d WHERE d.source_id = s.id AND d.state = 'open'),
                    c.owner_run, c.owner_pid, c.updated_at,
                    CASE WHEN c.position > c.split_start THEN c.rules_hash END, {more}
             FROM {sources} s JOIN {checkpoints} c ON c.source_id = s.id
             WHERE s.job = {mark}1 AND coalesce(s.target, {mark}2) = {mark}2 ORDER BY s.id, c.split_start"
        )
    }

    /// Whether a dead letter `d` belongs to a job in a target. Parameters: job, target.
    pub(super) fn is_of_job(&self) -> String {
        let mark = self.mark;
        format!("d.job = {mark}1 AND {}", of_target(self.sources, &format!("{mark}2")))
    }

    /// How many dead letters of a job in a target are open, and how many of those are undelivered.
    pub(super) fn open_letters(&self) -> String {
        format!(
            "SELECT count(*), count(*) FILTER (WHERE d.delivered_at IS NULL) FROM {} d WHERE d.state = 'open' AND {}",
            self.letters,
            self.is_of_job()
        )
    }

    /// Whether a job has sources in other targets than this one. Parameters: job, target.
    pub(super) fn other_targets(&self) -> String {
        let &Tables { sources, mark, .. } = self;
        format!("SELECT EXISTS (SELECT 1 FROM {sources} s WHERE s.job = {mark}1 AND s.target <> {mark}2)")
    }

    /// The last runs of a job. Parameter: job.
    pub(super) fn last_runs(&self) -> String {
        self.runs_where("true", RUNS_MAX)
    }

    /// The last of them that failed. A run that a signal ended did not fail, nor did one that left because
    /// another run was at work.
    pub(super) fn last_failure(&self) -> String {
        self.runs_where("exit_code IN (1, 2, 4)", 1)
    }

    fn runs_where(&self, is_meant: &str, limit: usize) -> String {
        format!(
            "SELECT id, command, started_at, ended_at, outcome, exit_code, records, inserted, updated, unchanged,
                    superseded, rejected, blank, skipped, bytes, reason
             FROM {} r WHERE job = {}1 AND {is_meant} ORDER BY id DESC LIMIT {limit}",
            self.runs, self.mark
        )
    }

    /// When a load of a job last reached the end of its sources. Parameter: job.
    pub(super) fn last_success(&self) -> String {
        format!(
            "SELECT max(ended_at) FROM {} r WHERE job = {}1 AND exit_code IN (0, 3) AND command LIKE 'load%'",
            self.runs, self.mark
        )
    }

    /// How far the lanes of a job's last runs are. Parameter: job.
    pub(super) fn lanes(&self) -> String {
        format!(
            "SELECT run, lane, records, rejected, bytes, bytes_total, records_per_s, bytes_per_s, CAST(points AS text)
             FROM {} p WHERE run IN (SELECT id FROM {} r WHERE job = {}1 ORDER BY id DESC LIMIT {RUNS_MAX})
             ORDER BY run, lane",
            self.progress, self.runs, self.mark
        )
    }

    /// The dead letters for which `is_meant` is true. A record can be a megabyte, so it is only sent if the
    /// caller wants it.
    pub(super) fn letters(&self, is_meant: &str, has_raw: bool) -> String {
        let &Tables { sources, letters, .. } = self;
        let raw = if has_raw { "d.raw, d.fixed" } else { "CAST(NULL AS bytea), CAST(NULL AS bytea)" };
        format!(
            "SELECT d.id, coalesce(s.name, ''), d.source_offset, d.line, d.length, d.raw_hash, d.stage,
                    CAST(d.reasons AS text), d.state, d.attempts, d.first_seen, d.last_seen, d.note, {}, {raw}
             FROM {letters} d LEFT JOIN {sources} s ON s.id = d.source_id
             WHERE {is_meant} ORDER BY d.id",
            place_of_split(self.checkpoints)
        )
    }
}
