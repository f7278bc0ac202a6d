//! The result of a load.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::delivery::Delivery;
use super::infer::Inferred;
use super::rollup::LoadRollups;
use super::rules::{OldRows, OtherRules};
use super::{Exit, Head, Report, text};
use crate::error::{Error, ErrorKind, rebuild_stopped};
use crate::pipeline::Outcome;
use crate::printable::file_name;
use crate::sink::Counts;
use crate::sink::bar::Bar;
use crate::sink::history::{Line, ReasonCount};
use crate::sink::rebuild::Rebuilt;

/// The result of a load.
#[derive(Clone, Debug, Serialize)]
pub struct Load {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The job file.
    pub job_file: String,
    /// What the job was inferred from, if this command inferred it.
    pub inferred: Option<Inferred>,
    /// The destination, without secrets.
    pub destination: String,
    /// The limit of dead letters above which a source was given up, as `1000` or `5%`.
    pub stop_above: Option<String>,
    /// The results of the sources.
    pub sources: LoadSources,
    /// Notices about files that were read.
    pub notices: Vec<Notice>,
    /// The results of this run's records.
    pub counts: Counts,
    /// The other effects of a rebuild; null if this was not one, or if nothing was changed.
    pub rebuilt: Option<Rebuilt>,
    /// Whether a rebuild was requested.
    #[serde(skip)]
    pub is_rebuild: bool,
    /// How many of the sources that were loaded to their end had nothing new.
    #[serde(skip)]
    pub known: u64,
    /// Values that were stored without a NUL that the record has.
    pub altered_values: u64,
    /// Timestamps without a zone that occurred twice or not at all in `timezone`.
    pub unsure_stamps: u64,
    /// Bytes that were read and committed, decompressed.
    pub bytes: u64,
    /// The same in the files, in compressed size.
    pub raw_bytes: u64,
    /// The number of committed batches.
    pub batches: u64,
    /// The number of lanes.
    pub lanes: u64,
    /// Open dead letters of the selected sources, from this run or an earlier one; null if the run failed
    /// before it could look them up.
    pub open_dead_letters: Option<u64>,
    /// Open dead letters of the whole job.
    pub open_dead_letters_of_job: Option<u64>,
    /// Open dead letters of the job that are not delivered; null if the job delivers none, or if they could
    /// not be counted.
    pub undelivered: Option<u64>,
    /// The result of the delivery at the end, if there was one.
    pub delivery: Option<Delivery>,
    /// The results of the metrics of dates, if the job has any.
    pub rollups: LoadRollups,
    /// The reasons of rejects, the most frequent first.
    pub reasons: Vec<Reason>,
    /// How long it took.
    pub seconds: f64,
    /// How the time was spent.
    pub times: Times,
    /// The error that ended the run, if any. Everything committed before is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The kind of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<&'static str>,
    /// Why its data date failed, if it did.
    #[serde(skip)]
    pub failure: Option<String>,
    /// Suggested next commands.
    #[serde(skip)]
    pub next: Next,
}

/// The results of the sources of a load.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LoadSources {
    /// Loaded to their end.
    pub loaded: u64,
    /// Splits that were loaded to their end, of sources with several splits.
    pub splits: u64,
    /// Loaded up to a last line that is still being written.
    pub waiting: u64,
    /// Finished before.
    pub finished_before: u64,
    /// Those of them that were loaded under other rules than the current ones.
    pub other_rules: Option<OtherRules>,
    /// Skipped, because another file has the same content.
    pub duplicates: Vec<Duplicate>,
    /// Given up, because they have too many dead letters.
    pub given_up: Vec<GivenUpFile>,
    /// Not loaded.
    pub failed: Vec<FailedFile>,
}

/// A file with more dead letters than `stop_above` allows. Nothing after the place where that was
/// determined is loaded.
#[derive(Clone, Debug, Serialize)]
pub struct GivenUpFile {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// Its loaded records, including dead letters; in a rebuild, those before it was undone.
    pub records: u64,
    /// Its open dead letters, from this run or an earlier one; in a rebuild, those that it would have had.
    pub open_dead_letters: u64,
    /// Their reasons, the most frequent first; only for the first ten such files.
    pub reasons: Vec<ReasonCount>,
}

/// A file with the same content as another.
#[derive(Clone, Debug, Serialize)]
pub struct Duplicate {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// The other.
    pub same_as: String,
}

/// A file that could not be read or loaded.
#[derive(Clone, Debug, Serialize)]
pub struct FailedFile {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// The reason, and what to do.
    pub why: String,
}

impl FailedFile {
    /// The file and the reason in one line.
    pub(super) fn line(&self) -> String {
        format!("{}: {}", self.file.display(), self.why)
    }
}

/// A notice about a file.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    /// The file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// The notice.
    pub notice: String,
}

/// A reason of rejects.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    /// The code of the reason.
    pub code: String,
    /// The field; empty for the record as a whole.
    pub field: String,
    /// The number of records with this reason.
    pub count: u64,
    /// The first of them.
    pub first: Place,
}

/// The place of a record.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Its file.
    #[serde(flatten, serialize_with = "file_name")]
    pub file: PathBuf,
    /// Its line.
    #[serde(flatten)]
    pub line: Line,
    /// The offset of its first byte.
    pub offset: u64,
}

/// How the time was spent, in seconds. Each value belongs to one thread, or to the average of several
/// lanes; they overlap.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Times {
    /// The writer waited for workers.
    pub writer_waited: f64,
    /// The destination worked.
    pub commit: f64,
    /// The workers worked, in total.
    pub work: f64,
    /// The planner read and cut.
    pub plan: f64,
}

/// Commands that a person may type after a load.
#[derive(Clone, Debug, Default)]
pub struct Next {
    /// Shows the dead letters.
    pub dead_letters: String,
    /// Shows the rows, if no job was written.
    pub query: Option<String>,
}

/// The subject of a load.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The name of the job.
    pub job: &'a str,
    /// The job file.
    pub job_file: String,
    /// What the job was inferred from, if it was just inferred.
    pub inferred: Option<Inferred>,
    /// The destination, without secrets.
    pub destination: String,
    /// What happens to rows whose files are loaded again.
    pub old_rows: OldRows,
    /// The limit of dead letters per source.
    pub stop_above: Option<Bar>,
    /// Whether the load was a rebuild.
    pub is_rebuild: bool,
    /// The id of the run.
    pub run: Option<i64>,
    /// The outcome of the delivery of dead letters.
    pub delivery: Option<Delivery>,
    /// Suggested next commands.
    pub next: Next,
}

impl Load {
    /// The report on `outcome`; if the run ended with `error`, up to that.
    pub fn new(subject: Subject<'_>, outcome: &Outcome, exit: Exit, error: Option<&Error>) -> Load {
        Load {
            head: Head { run: subject.run, ..Head::new("load", Some(subject.job), exit) },
            job_file: subject.job_file,
            inferred: subject.inferred,
            destination: subject.destination,
            stop_above: subject.stop_above.map(|bar| bar.to_string()),
            sources: LoadSources {
                loaded: outcome.loaded,
                splits: outcome.splits,
                waiting: outcome.waiting,
                finished_before: outcome.finished,
                other_rules: outcome.other_rules.map(|other| OtherRules {
                    files: other.files,
                    open_dead_letters: other.letters,
                    rows: subject.old_rows,
                }),
                duplicates: outcome
                    .duplicates
                    .iter()
                    .map(|(path, of)| Duplicate { file: path.clone(), same_as: of.clone() })
                    .collect(),
                given_up: given_up(outcome),
                failed: failed(outcome),
            },
            notices: notices(outcome),
            counts: outcome.counts,
            rebuilt: outcome.rebuilt,
            is_rebuild: subject.is_rebuild,
            known: outcome.known,
            altered_values: outcome.altered.nuls,
            unsure_stamps: outcome.altered.unsure_stamps,
            bytes: outcome.bytes,
            raw_bytes: outcome.raw_bytes,
            batches: outcome.batches,
            lanes: outcome.lanes.max(1) as u64,
            open_dead_letters: outcome.open_dead_letters.map(|open| open.selected),
            open_dead_letters_of_job: outcome.open_dead_letters.map(|open| open.job),
            undelivered: subject.delivery.as_ref().and_then(|delivery| delivery.undelivered),
            delivery: subject.delivery,
            rollups: LoadRollups::of(&outcome.rolled_up),
            reasons: reasons(outcome),
            seconds: outcome.elapsed.as_secs_f64(),
            times: Times {
                writer_waited: outcome.times.waited.as_secs_f64(),
                commit: outcome.times.commit.as_secs_f64(),
                work: outcome.times.work.as_secs_f64(),
                plan: outcome.times.plan.as_secs_f64(),
            },
            error: error.map(|error| match error.kind() {
                ErrorKind::Stopped(signal) if subject.is_rebuild && outcome.rebuilt.is_none() => {
                    rebuild_stopped(*signal)
                }
                _ => error.to_string(),
            }),
            error_kind: error.map(|error| error.kind().code()),
            failure: None,
            next: subject.next,
        }
    }
}

impl Load {
    /// The message about the signal that stopped it.
    pub fn stopped(&self, signal: i32) -> String {
        match self.is_rebuild && self.rebuilt.is_none() {
            true => rebuild_stopped(signal),
            false => ErrorKind::Stopped(signal).to_string(),
        }
    }

    /// Whether there is more to report than the error that ended it.
    pub fn has_begun(&self) -> bool {
        let LoadSources { failed, given_up, .. } = &self.sources;
        self.batches > 0 || !failed.is_empty() || !given_up.is_empty()
    }
}

impl Report for Load {
    fn head(&self) -> &Head {
        &self.head
    }

    fn failures(&self) -> Vec<String> {
        self.sources.failed.iter().map(FailedFile::line).collect()
    }

    fn text(&self, _: usize) -> String {
        text::load(self)
    }
}

fn given_up(outcome: &Outcome) -> Vec<GivenUpFile> {
    let files = outcome.given_up.iter().map(|given_up| GivenUpFile {
        file: given_up.path.clone(),
        records: given_up.records,
        open_dead_letters: given_up.letters,
        reasons: given_up.reasons.clone(),
    });
    files.collect()
}

pub(super) fn failed(outcome: &Outcome) -> Vec<FailedFile> {
    outcome.failed.iter().map(|(path, why)| FailedFile { file: path.clone(), why: why.clone() }).collect()
}

pub(super) fn notices(outcome: &Outcome) -> Vec<Notice> {
    outcome.notices.iter().map(|(path, text)| Notice { file: path.clone(), notice: text.clone() }).collect()
}

pub(super) fn reasons(outcome: &Outcome) -> Vec<Reason> {
    let reasons = outcome.reasons.iter().map(|reason| Reason {
        code: reason.code.to_string(),
        field: reason.field.clone(),
        count: reason.count,
        first: Place { file: reason.path.clone(), line: reason.line, offset: reason.offset },
    });
    reasons.collect()
}
