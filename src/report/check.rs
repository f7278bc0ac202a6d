//! The result of a check.

use serde::Serialize;
use serde_json::Value;

use super::infer::Inferred;
use super::load::{FailedFile, Notice, Reason, failed, notices, reasons};
use super::{Exit, Head, Report, text};
use crate::pipeline::Outcome;

/// The result of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The job file, if there is one.
    pub job_file: Option<String>,
    /// What the job was inferred from, if this command inferred it.
    pub inferred: Option<Inferred>,
    /// The results of the sources.
    pub sources: CheckSources,
    /// Notices about files that were read.
    pub notices: Vec<Notice>,
    /// The results of the records.
    pub counts: CheckCounts,
    /// Values that a load would store without a NUL of the record.
    pub altered_values: u64,
    /// Timestamps without a zone that occurred twice or not at all in `timezone`.
    pub unsure_stamps: u64,
    /// Bytes that were read, decompressed.
    pub bytes: u64,
    /// The reasons of rejects, the most frequent first.
    pub reasons: Vec<Reason>,
    /// The first valid records, as a load would store them.
    pub sample: Vec<Value>,
    /// How long it took.
    pub seconds: f64,
}

/// The results of the sources of a check.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckSources {
    /// Checked to their end.
    pub checked: u64,
    /// Checked up to a last line that is still being written.
    pub waiting: u64,
    /// Not checked.
    pub failed: Vec<FailedFile>,
}

/// The results of checked records.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CheckCounts {
    /// All lines.
    pub lines: i64,
    /// Empty lines.
    pub blank: i64,
    /// Lines that are not records: headers, comments.
    pub skipped: i64,
    /// Records.
    pub records: i64,
    /// Records that would become rows, or be refused by the destination.
    pub valid: i64,
    /// Records that would become dead letters.
    pub rejected: i64,
}

impl Check {
    /// The report on `outcome`, with rows of it as JSON objects.
    pub fn new(
        job: &str,
        job_file: Option<String>,
        inferred: Option<Inferred>,
        outcome: &Outcome,
        exit: Exit,
        sample: &[String],
    ) -> Check {
        let counts = &outcome.counts;
        Check {
            head: Head::new("check", Some(job), exit),
            job_file,
            inferred,
            sources: CheckSources {
                checked: outcome.loaded,
                waiting: outcome.waiting,
                failed: failed(outcome),
            },
            notices: notices(outcome),
            counts: CheckCounts {
                lines: counts.lines,
                blank: counts.blank,
                skipped: counts.skipped,
                records: counts.records,
                valid: counts.inserted,
                rejected: counts.rejected,
            },
            altered_values: outcome.altered.nuls,
            unsure_stamps: outcome.altered.unsure_stamps,
            bytes: outcome.bytes,
            reasons: reasons(outcome),
            sample: sample.iter().filter_map(|json| serde_json::from_str(json).ok()).collect(),
            seconds: outcome.elapsed.as_secs_f64(),
        }
    }
}

impl Report for Check {
    fn head(&self) -> &Head {
        &self.head
    }

    fn failures(&self) -> Vec<String> {
        self.sources.failed.iter().map(FailedFile::line).collect()
    }

    fn text(&self, width: usize) -> String {
        text::check(self, width)
    }
}
