//! What was inferred from files that no job was written for.

use serde::Serialize;

use super::{Exit, Head, Report, text};

/// A job that was inferred.
#[derive(Clone, Debug, Serialize)]
pub struct Infer {
    /// What every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The job file that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_file: Option<String>,
    /// What would stand in it, where none was written.
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
    /// Lines that are none.
    pub malformed: u64,
    /// Bytes that were read, compressed as they are in the files.
    pub bytes_read: u64,
    /// Bytes of all files, compressed as they are; 0 if only reading will tell.
    pub bytes: u64,
    /// Whether that is all there is.
    pub all: bool,
    /// How many files have records.
    pub files: usize,
    /// What its records could be, with how much of the samples each explains; the one that was chosen
    /// first.
    pub candidates: Vec<CandidateShare>,
    /// The fields.
    pub fields: Vec<InferredField>,
    /// What there is to know besides them.
    pub warnings: Vec<String>,
    /// The files in a word, for people.
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
    /// Lines of the samples that it explains,
    pub explained: u64,
    /// out of so many.
    pub lines: u64,
}

/// A field that was inferred.
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
    /// What was seen.
    pub note: String,
}

impl Infer {
    /// The report on a job called `job`.
    pub fn new(job: &str, job_file: Option<String>, text: Option<String>, inferred: Inferred) -> Infer {
        Infer { head: Head::new("infer", Some(job), Exit::Success), job_file, text, inferred }
    }
}

impl Inferred {
    /// What was read, in one sentence.
    pub fn sentence(&self) -> String {
        text::inferred_from(self)
    }

    /// Which format it is and why, in one sentence.
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
