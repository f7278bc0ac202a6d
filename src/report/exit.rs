//! Exit codes, for the shell and the scheduler: the manual's table, as one enum.

use std::process::ExitCode;

use crate::error::{Error, ErrorKind};
use crate::pipeline::Outcome;
use crate::sink::OpenLetters;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every record is accounted for, and no dead letter is open.
    Success,
    /// It failed. Nothing is lost; another run resumes.
    Failed,
    /// The command line or the job is wrong. Nothing was touched.
    Usage,
    /// It finished, and some records were rejected.
    Rejects,
    /// A source was abandoned because it had too many dead letters.
    GivenUp,
    /// The destination does not match the files.
    Differs,
    /// Another run holds this, or took it over.
    Held,
    /// A signal ended it, after a clean stop.
    Stopped(i32),
}

impl Exit {
    /// The table, for people.
    pub const TABLE: [(&str, &str); 8] = [
        ("0", "Every record is accounted for, and no dead letter is open."),
        ("1", "It failed, and nothing is lost. To resume, run the same command again."),
        ("2", "The command line or the job is wrong. Nothing was touched."),
        ("3", "It finished, and some records were rejected: `logmill dead-letters list`."),
        ("4", "A source has more dead letters than stop_above allows, and was given up."),
        ("5", "`verify`, `rollup --check` or `bench compare` found a difference."),
        ("6", "Another run holds the sources, or took them over."),
        ("130, 143", "A signal ended it, after a clean stop. A second one stops at once."),
    ];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Rejects => 3,
            Exit::GivenUp => 4,
            Exit::Differs => 5,
            Exit::Held => 6,
            Exit::Stopped(signal) => 128 + u8::try_from(signal).unwrap_or(0),
        }
    }

    /// Of two, the one to report.
    pub fn graver(self, other: Exit) -> Exit {
        let rank = |exit: Exit| match exit {
            Exit::Stopped(_) => 0,
            Exit::Usage => 1,
            Exit::Held => 2,
            Exit::Failed => 3,
            Exit::Differs => 4,
            Exit::GivenUp => 5,
            Exit::Rejects => 6,
            Exit::Success => 7,
        };
        if rank(other) < rank(self) { other } else { self }
    }

    /// The word in the table of runs.
    pub fn outcome(self) -> &'static str {
        match self {
            Exit::Success => "finished",
            Exit::Failed => "failed",
            Exit::Usage => "refused",
            Exit::Rejects => "rejects",
            Exit::GivenUp => "given_up",
            Exit::Differs => "differs",
            Exit::Held => "held",
            Exit::Stopped(_) => "interrupted",
        }
    }

    /// The code of an error.
    pub fn of_error(error: &Error) -> Exit {
        match error.kind() {
            ErrorKind::Usage(_)
            | ErrorKind::NotYet { .. }
            | ErrorKind::NotCompiled { .. }
            | ErrorKind::Connection(_)
            | ErrorKind::Job(_)
            | ErrorKind::JobFile { .. }
            | ErrorKind::JobExists { .. }
            | ErrorKind::Untrusted { .. }
            | ErrorKind::NoFiles { .. }
            | ErrorKind::RulesChanged { .. }
            | ErrorKind::OfAnotherJob { .. }
            | ErrorKind::Unclear(_)
            | ErrorKind::Unfit(_)
            | ErrorKind::NewerTables { .. } => Exit::Usage,
            ErrorKind::Held { .. } | ErrorKind::TakenOver => Exit::Held,
            ErrorKind::Stopped(signal) => Exit::Stopped(*signal),
            _ => Exit::Failed,
        }
    }

    /// The code of a load that ran to its end, or to a clean stop. It reflects the state of the selected
    /// sources, so a second load over open dead letters returns the same.
    pub fn of_outcome(outcome: &Outcome, allow_rejects: bool) -> Exit {
        match outcome {
            Outcome { stopped: Some(signal), .. } => Exit::Stopped(*signal),
            Outcome { failed, rolled_up, .. } if !failed.is_empty() || !rolled_up.failed.is_empty() => {
                Exit::Failed
            }
            Outcome { given_up, .. } if !given_up.is_empty() => Exit::GivenUp,
            Outcome { open_dead_letters: Some(OpenLetters { selected: 1.., .. }), .. } if !allow_rejects => {
                Exit::Rejects
            }
            _ => Exit::Success,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_manual() {
        let table = [
            (Exit::Success, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Rejects, 3),
            (Exit::GivenUp, 4),
            (Exit::Differs, 5),
            (Exit::Held, 6),
            (Exit::Stopped(libc::SIGINT), 130),
            (Exit::Stopped(libc::SIGTERM), 143),
        ];
        for (exit, code) in table {
            assert_eq!(exit.code(), code, "{exit:?}");
            let told = Exit::TABLE.iter().flat_map(|(codes, _)| codes.split(", "));
            assert_eq!(told.filter(|told| **told == *code.to_string()).count(), 1, "{code}");
        }
    }

    #[test]
    fn a_failed_file_weighs_more_than_too_many_rejects_and_a_signal_more_than_both() {
        let mut outcome =
            Outcome { open_dead_letters: Some(OpenLetters { selected: 3, job: 4 }), ..Outcome::default() };
        assert_eq!(Exit::of_outcome(&outcome, false), Exit::Rejects);
        assert_eq!(Exit::of_outcome(&outcome, true), Exit::Success);
        outcome.given_up.push(crate::pipeline::GivenUp {
            source: 1,
            is_cut: false,
            path: "a".into(),
            records: 3,
            letters: 3,
            reasons: Vec::new(),
            is_undone: false,
        });
        assert_eq!(Exit::of_outcome(&outcome, true), Exit::GivenUp);
        outcome.failed.push(("a".into(), "gone".into()));
        assert_eq!(Exit::of_outcome(&outcome, true), Exit::Failed);
        outcome.stopped = Some(libc::SIGTERM);
        assert_eq!(Exit::of_outcome(&outcome, false), Exit::Stopped(libc::SIGTERM));
    }
}
