//! Reports: the results of commands, as values.
//!
//! A report is plain data that can be shown in any way. Here it becomes JSON (by `serde`, so a field of a
//! struct is a field of the object) and text for people (in `text`); nothing is printed here, and nothing
//! decides anything by reading a report.
//!
//! Every object begins with the same [`Head`].

mod backfill;
mod bench;
mod check;
mod dates;
mod delivery;
mod exit;
mod forget;
mod infer;
mod letters;
mod load;
#[cfg(test)]
mod manual;
mod page;
mod plan;
mod progress;
mod rollup;
mod rules;
mod status;
mod text;
mod verify;

use serde::Serialize;

use crate::printable::printable_json;

pub use backfill::{Backfill, BackfillDate};
pub use bench::{
    BenchBuild, BenchCompared, BenchComparison, BenchData, BenchDataset, BenchFloor, BenchHost, BenchRun,
    BenchSeries, BenchSettings, BenchStage,
};
pub use check::{Check, CheckCounts, CheckSources};
pub use delivery::{Deliver, Delivery};
pub use exit::Exit;
pub use forget::{Forget, ForgottenSource, RowsLeft};
pub use infer::{CandidateShare, Infer, Inferred, InferredField};
pub use letters::{
    Discard, Export, LetterCount, Letters, ReasonPlace, Replay, ReplayCounts, ShownLetter, Unplayed,
};
pub use load::{
    Duplicate, FailedFile, GivenUpFile, Load, LoadSources, Next, Notice, Place, Reason, Subject, Times,
};
pub use page::{Page, PageWritten};
pub use plan::{Fate, Guarantee, Pace, Plan, PlannedFile, PlannedSplit, WholeFile};
pub use progress::ProgressLine;
pub use rollup::{LoadRollups, Rollup};
pub use rules::{OldRows, OtherRules};
pub use status::{Alarm, SourcesStatus, Status};
pub use text::{folded, folded_under};
pub use verify::{Compared, Verify};

/// The version of these objects. Fields may be added; none is removed or changes its meaning without a new
/// version.
pub const SCHEMA_VERSION: u32 = 1;

/// The JSON Schema (2020-12) of all of them, and of the messages.
pub const JSON_SCHEMA: &str = include_str!("../manual/reports.schema.json");

/// The fields that every report begins with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Head {
    /// The version of the object.
    pub schema_version: u32,
    /// The command.
    pub command: String,
    /// The name of the job, if there was one.
    pub job: Option<String>,
    /// The id of the run, if the destination was written to.
    pub run: Option<i64>,
    /// One word for its outcome.
    pub outcome: &'static str,
    /// The exit code.
    pub exit_code: u8,
    /// The outcome and the exit code as one value.
    #[serde(skip)]
    pub exit: Exit,
}

impl Head {
    /// The head of a command that ended with `exit`.
    pub fn new(command: &str, job: Option<&str>, exit: Exit) -> Head {
        Head {
            schema_version: SCHEMA_VERSION,
            command: command.to_owned(),
            job: job.map(str::to_owned),
            run: None,
            outcome: exit.outcome(),
            exit_code: exit.code(),
            exit,
        }
    }

    /// The name of the job in text.
    fn job(&self) -> &str {
        self.job.as_deref().unwrap_or_default()
    }
}

/// A report that can be shown in every form.
pub trait Report: Serialize {
    /// Its head.
    fn head(&self) -> &Head;

    /// What failed, for users who want to see nothing else.
    fn failures(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether its lines must not be folded, because they contain a record.
    fn is_verbatim(&self) -> bool {
        false
    }

    /// The report as text for people, in lines of about `width` characters.
    fn text(&self, width: usize) -> String;

    /// The report as one line of JSON, without anything that affects a terminal.
    fn json(&self) -> String {
        let json = serde_json::to_string(self).expect("names are strings, and nothing else fails");
        printable_json(&json) + "\n"
    }
}

/// The result of a command that had nothing to do, or that failed before there was anything else to report.
#[derive(Clone, Debug, Serialize)]
pub struct Bare {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The error, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The kind of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<&'static str>,
}

impl Report for Bare {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        self.error.as_ref().map(|error| format!("{error}\n")).unwrap_or_default()
    }
}
