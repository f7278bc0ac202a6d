//! What a check found.

use serde::Serialize;
use serde_json::Value;

use super::infer::Inferred;
use super::load::{FailedFile, Notice, Reason, failed, notices, reasons};
use super::{Exit, Head, Report, text};
use crate::pipeline::Outcome;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The job file, if there is one.
    pub job_file: Option<String>,
    /// What the job was inferred from, if it was just now.
    pub inferred: Option<Inferred>,
    /// What became of the sources.
    pub sources: CheckSources,
    /// What there is to know about files that were read.
    pub notices: Vec<Notice>,
    /// What became of the records.
    pub counts: CheckCounts,
    /// Values that a load would store without a NUL that the record has.
    pub altered_values: u64,
    /// Stamps without a zone of an hour that the clock of `timezone` showed twice, or not at all.
    pub unsure_stamps: u64,
    /// Bytes that were read, decompressed.
    pub bytes: u64,
    /// Why records were rejected, the most frequent reason first.
    pub reasons: Vec<Reason>,
    /// The first valid records, as a load would have them.
    pub sample: Vec<Value>,
    /// How long it took.
    pub seconds: f64,
}

/// What became of the sources of a check.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CheckSources {
    /// Checked to their end.
    pub checked: u64,
    /// Checked up to a last line that is still being written.
    pub waiting: u64,
    /// Not checked.
    pub failed: Vec<FailedFile>,
}

/// What became of records that were checked.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CheckCounts {
    /// Lines, all of them.
    pub lines: i64,
    /// Lines without anything.
    pub blank: i64,
    /// Lines that are no records: headers, comments.
    pub skipped: i64,
    /// Records.
    pub records: i64,
    /// Those that would become rows, or be refused by the destination.
    pub valid: i64,
    /// Those that would become dead letters.
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

    fn failures(&self) -> &[FailedFile] {
        &self.sources.failed
    }

    fn text(&self, width: usize) -> String {
        text::check(self, width)
    }
}
