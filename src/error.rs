//! What the world can do to us, as one error type.
//!
//! A record that cannot be a row is *data* and never comes here (see `reject`). A broken
//! invariant is a panic. What is left is the world failing: a file that vanished, a server
//! that is gone, a job file that asks for the impossible. Each kind holds what a person
//! needs to act, and `report::Exit` turns it into an exit code; nothing else looks inside.
//!
//! There is one type because a caller of `pipeline::run` can do only one thing with any of
//! these: report it and tell the shell. It is boxed, so that `Result` stays one word wide
//! on the hot path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of everything that can fail for a reason outside a record.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something outside the records went wrong.
pub struct Error(Box<Kind>);

/// What went wrong. The text of a kind says what happened, where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// The command line asks for something that cannot be done. Nothing was touched.
    #[error("{0}")]
    Usage(String),

    /// The job file cannot be understood. Nothing was touched.
    #[error("{0}")]
    Job(#[from] crate::config::Complaint),

    /// A file or directory could not be used.
    #[error("cannot {doing} {}: {cause}", path.display())]
    File {
        /// What was being attempted, as a verb: "open", "read".
        doing: &'static str,
        /// The file, as the person named it.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },

    /// A source is not what it was: it shrank, was overwritten, or is not the file we know.
    #[error("{}: {what}", path.display())]
    Source {
        /// The file, as the person named it.
        path: PathBuf,
        /// What was found, where, and what to do about it.
        what: String,
    },

    /// The destination does not fit the job. Found before the first row.
    #[error("{}", list(.0))]
    Unfit(Vec<String>),

    /// The destination refused to work, in a way that trying again does not mend.
    #[error("{doing}: {message}")]
    Server {
        /// The step at which it happened.
        doing: String,
        /// The server's own code, where it gave one.
        sqlstate: Option<String>,
        /// The server's message and what to do next. Never the values of a row.
        message: String,
    },

    /// The destination did not come back in the time that the job allows.
    #[error("{0}")]
    Unreachable(String),

    /// Another run holds the sources, or took them over from us.
    #[error("{0}")]
    Held(String),

    /// A signal asked us to stop, and we did, cleanly.
    #[error("stopped by {}; everything committed so far is kept, run again to go on", signal_name(*.0))]
    Stopped(i32),

    /// A part of the program broke one of its own rules. Nothing was half done.
    #[error(
        "{0} (this is a bug in logmill; what was committed is whole, and a second run goes on from there)"
    )]
    Broken(String),
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.0
    }

    /// A complaint about the command line or about a combination of settings.
    pub fn usage(message: impl Into<String>) -> Error {
        Kind::Usage(message.into()).into()
    }

    pub(crate) fn file(doing: &'static str, path: &Path, cause: io::Error) -> Error {
        Kind::File { doing, path: path.to_owned(), cause }.into()
    }

    pub(crate) fn source(path: &Path, what: impl Into<String>) -> Error {
        Kind::Source { path: path.to_owned(), what: what.into() }.into()
    }

    pub(crate) fn broken(what: impl Into<String>) -> Error {
        Kind::Broken(what.into()).into()
    }

    /// The text without the name of the file that it is about, for where that stands beside.
    pub(crate) fn without_path(&self, path: &Path) -> String {
        if let Kind::File { doing, path: of, cause } = self.kind()
            && of == path
        {
            return format!("cannot {doing} it: {cause}");
        }
        let text = self.to_string();
        match text.strip_prefix(&format!("{}: ", path.display())) {
            Some(rest) => rest.to_owned(),
            None => text,
        }
    }

    /// Whether this concerns one source alone, so that the others can still be loaded.
    pub(crate) fn is_about_one_source(&self) -> bool {
        matches!(*self.0, Kind::File { .. } | Kind::Source { .. })
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Error {
        Error(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

/// Several findings in one message: one alone stands by itself, more become a list.
fn list(findings: &[String]) -> String {
    match findings {
        [one] => one.clone(),
        many => {
            let mut text = format!("{} things stand in the way:", many.len());
            for finding in many {
                text.push_str("\n  - ");
                text.push_str(finding);
            }
            text
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGTERM => "SIGTERM",
        _ => "a signal",
    }
}
