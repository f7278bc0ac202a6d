//! A job inferred from files.

use serde::Serialize;

use super::{Exit, Head, Report, text};

/// An inferred job.
#[derive(Clone, Debug, Serialize)]
pub struct Infer {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The job file that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_file: Option<String>,
    /// Its contents, if it was not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it was inferred from.
    pub inferred: Inferred,
}

/// What a job was inferred from.
#[derive(Clone, Debug, Serialize)]
pub struct Inferred {
    /// Records that were seen.
    pub records: u64,
    /// Lines that are not records.
    pub malformed: u64,
    /// Bytes that were read, in compressed size.
    pub bytes_read: u64,
    /// Bytes of all files, in compressed size; 0 if only reading will tell.
    pub bytes: u64,
    /// Whether everything was read.
    pub all: bool,
    /// The number of files with records.
    pub files: usize,
    /// The formats that were tried, with how much of the samples each explains; the chosen one first.
    pub candidates: Vec<CandidateShare>,
    /// The fields.
    pub fields: Vec<InferredField>,
    /// Notices.
    pub warnings: Vec<String>,
    /// The files in one word, for people.
    #[serde(skip)]
    pub what: String,
    /// Bytes that were read, decompressed.
    #[serde(skip)]
    pub inflated: u64,
}

/// A format that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct CandidateShare {
    /// Its name.
    pub format: String,
    /// Lines of the samples that it explains.
    pub explained: u64,
    /// The number of sampled lines.
    pub lines: u64,
}

/// An inferred field.
#[derive(Clone, Debug, Serialize)]
pub struct InferredField {
    /// Its name.
    pub name: String,
    /// The keys that lead to it in a record.
    pub from: Vec<String>,
    /// The name of its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether every record has it.
    pub required: bool,
    /// Whether it may be null.
    pub nullable: bool,
    /// The evidence.
    pub note: String,
}

impl Infer {
    /// The report on a job named `job`.
    pub fn new(job: &str, job_file: Option<String>, text: Option<String>, inferred: Inferred) -> Infer {
        Infer { head: Head::new("infer", Some(job), Exit::Success), job_file, text, inferred }
    }
}

impl Inferred {
    /// What was read, in one sentence.
    pub fn sentence(&self) -> String {
        text::inferred_from(self)
    }

    /// The format and the evidence for it, in one sentence.
    pub fn choice(&self) -> String {
        text::inferred_format(self)
    }

    /// The fields as a table for people.
    pub fn table(&self) -> String {
        text::inferred_fields(self)
    }
}

impl Report for Infer {
    fn head(&self) -> &Head {
        &self.head
    }

    /// The job file itself, which is what was requested.
    fn text(&self, _: usize) -> String {
        self.text.clone().unwrap_or_default()
    }
}
