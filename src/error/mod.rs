//! Everything outside the program that can fail, as one error type.
//!
//! A record that cannot be a row is *data* and never comes here (see `reject`). A broken invariant is a
//! panic. The rest are failures of the environment: a file that vanished, a server that is gone, a job file
//! that asks for the impossible. Each kind holds what a person needs to act, and `report::Exit` turns it into
//! an exit code.
//!
//! There is one type because a caller of `pipeline::run` can do only one thing with any of these: report it
//! and set the exit code. It is boxed, so that `Result` stays one word wide on the hot path.

mod complaint;
pub(crate) mod secret;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;

pub use complaint::{Complaint, Excerpt, Finding};

/// The result of everything that can fail for a reason outside a record.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure outside the records.
pub struct Error(Box<ErrorKind>);

/// What failed. The text of a kind says what happened, where, and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line asks for something that cannot be done. Nothing was touched.
    #[error("{0}")]
    Usage(String),

    /// It is designed, and comes later.
    #[error("{what} is planned and not built yet")]
    NotYet {
        /// A command, flag, key or word.
        what: String,
    },

    /// The program was built without it.
    #[error("this logmill was built without {what}; build it with the feature `{feature}`")]
    NotCompiled {
        /// What the job needs.
        what: &'static str,
        /// The feature that has it.
        feature: &'static str,
    },

    /// The connection string, or a substitute for a part of it, asks for something impossible.
    #[error("{0}")]
    Connection(String),

    /// The job file cannot be understood. Nothing was touched.
    #[error("{0}")]
    Job(#[from] Complaint),

    /// The job file cannot be read. Nothing was touched.
    #[error("cannot read the job file {}: {}", path.display(), unnumbered(cause))]
    JobFile {
        /// The file, as the user named it.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },

    /// A job was to be written where one exists.
    #[error(
        "{} already exists and may have been edited, so it is not overwritten; name another file with -o, \
        or remove it", path.display()
    )]
    JobExists {
        /// The file of the existing job.
        path: PathBuf,
    },

    /// A job or database that was not named exists, and may be another user's.
    #[error("{} was not named, but exists, and {why}; if it is the right {what}, name it with {flag}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What it is used as: a job, a database.
        what: &'static str,
        /// The reason for the distrust.
        why: String,
        /// The flag that names it.
        flag: String,
    },

    /// No file exists under the names given.
    #[error("{}", no_files(names, *are_folders, passed_over.as_ref(), *not_selected))]
    NoFiles {
        /// The names.
        names: Vec<PathBuf>,
        /// All of these are folders.
        are_folders: bool,
        /// An existing file that was skipped, and why.
        passed_over: Option<(PathBuf, String)>,
        /// Existing files that `include` and `exclude` leave out.
        not_selected: usize,
    },

    /// Sources were begun under other rules. Nothing was touched.
    #[error(
        "{source_name}{}: loaded in part, and the job's format, fields or key have changed since; \
         --accept-new-rules loads the rest by the new rules, `load --rebuild` loads all of it again \
         and replaces its rows, `logmill forget` starts over",
        and_more(*more)
    )]
    RulesChanged {
        /// The first of them.
        source_name: String,
        /// How many more there are.
        more: usize,
    },

    /// Another job has loaded the sources into the same table. Nothing was touched.
    #[error(
        "{source_name}{}: job {job} has loaded it into this table. If this is that job, give it its name back; \
         --allow-duplicates loads it once more",
        and_more(*more)
    )]
    OfAnotherJob {
        /// The first of them.
        source_name: String,
        /// How many more there are.
        more: usize,
        /// The job.
        job: String,
    },

    /// It is not clear which sources are meant. Nothing was touched.
    #[error("{0}")]
    Unclear(#[from] Unclear),

    /// A file or directory could not be used.
    #[error("cannot {doing} {}: {}", path.display(), unnumbered(cause))]
    File {
        /// The attempted action, as a verb: "open", "read".
        doing: &'static str,
        /// The file, as the user named it.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },

    /// A source is not what it was: it shrank, was overwritten, or is not the known file.
    #[error("{}: {what}", path.display())]
    Source {
        /// The file, as the user named it.
        path: PathBuf,
        /// The decompressed offset, if known.
        offset: Option<u64>,
        /// The finding, its place, and what to do about it.
        what: String,
    },

    /// The destination does not fit the job. Found before the first row.
    #[error("{}", list(.0))]
    Unfit(Vec<String>),

    /// A newer program has created logmill's tables. Nothing was touched.
    #[error(
        "the tables {tables} are of version {version}, and this logmill knows {known}; use the version that \
         made them, or a newer one"
    )]
    NewerTables {
        /// The tables, in words.
        tables: &'static str,
        /// Their version.
        version: i64,
        /// The newest that this program knows.
        known: i64,
    },

    /// The destination refused to work, in a way that retrying does not fix.
    #[error("{doing}: {message}")]
    Server {
        /// The step at which it happened.
        doing: String,
        /// The server's own code, if it gave one.
        sqlstate: Option<String>,
        /// The server's message and what to do next. Never the values of a row.
        message: String,
    },

    /// The destination is a file, and the library that writes it returned an error.
    #[error("{doing}: {message}")]
    DatabaseFile {
        /// The step at which it happened, or the file.
        doing: String,
        /// The library's own code, if it gave one.
        code: Option<i32>,
        /// Its message and what to do next. Never the values of a row.
        message: String,
    },

    /// The destination did not come back in the time that the job allows.
    #[error("{what}{}", gave_up(.waited.as_ref()))]
    Unreachable {
        /// The last attempt, and its outcome.
        what: String,
        /// How long it waited before giving up, if at all.
        waited: Option<Duration>,
    },

    /// Dead letters could not be delivered to the additional target of the job.
    #[error(
        "cannot deliver dead letters to {to}: {why}; what is not delivered stays due, and the next load or \
         `logmill dead-letters deliver` tries again"
    )]
    Undelivered {
        /// The target, without secrets.
        to: String,
        /// The reason.
        why: String,
    },

    /// Another run holds the sources.
    #[error("{source_name} is held by {holder}{then}")]
    Held {
        /// One source that it holds.
        source_name: String,
        /// The run and its backend or process.
        holder: String,
        /// What happened to it and what to do about it.
        then: &'static str,
    },

    /// Another run has taken over the sources of this one.
    #[error(
        "another run has taken over the sources of this one; nothing more was written. \
         `logmill status` shows who has them"
    )]
    TakenOver,

    /// The destination is not as far as it had acknowledged. What is there is consistent.
    #[error(
        "the destination has lost commits that it had acknowledged: has a standby that lagged taken over, or \
        was an older copy restored? The rows there are consistent. To load what is missing, run the same command again"
    )]
    WentBack,

    /// A rebuild would not produce what was asked for. Everything is as it was.
    #[error("{0}; nothing was changed")]
    NotRebuilt(String),

    /// The connection was lost in the middle of a rebuild, which is one transaction, or the rebuild and
    /// another transaction waited for each other.
    #[error(
        "the connection was lost, or the server ended a deadlock, before the rebuild was finished, so \
        nothing was changed. To start over, run the same command again"
    )]
    Interrupted,

    /// A signal requested a stop, and the run stopped cleanly.
    #[error("stopped by {}; everything committed so far is kept. To resume, run the same command again", signal_name(*.0))]
    Stopped(i32),

    /// The system cannot start a thread.
    #[error("cannot start {what}: {}", unnumbered(cause))]
    NoThread {
        /// What was to be started.
        what: String,
        /// What the system said.
        cause: String,
    },

    /// A part of the program broke one of its own rules. Nothing was left half done.
    #[error(
        "{0} (this is a bug in logmill; what was committed is consistent, and another run resumes from \
        there)"
    )]
    Broken(String),
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// A complaint about the command line or about a combination of settings.
    pub fn usage(message: impl Into<String>) -> Error {
        ErrorKind::Usage(message.into()).into()
    }

    /// A complaint about a connection string, or a substitute for a part of it.
    pub(crate) fn connection(message: impl Into<String>) -> Error {
        ErrorKind::Connection(message.into()).into()
    }

    pub(crate) fn no_thread(what: impl Into<String>, cause: &dyn fmt::Display) -> Error {
        ErrorKind::NoThread { what: what.into(), cause: cause.to_string() }.into()
    }

    pub(crate) fn file(doing: &'static str, path: &Path, cause: io::Error) -> Error {
        ErrorKind::File { doing, path: path.to_owned(), cause }.into()
    }

    /// A file that could not be created: an existing file is never overwritten.
    pub(crate) fn new_file(doing: &'static str, path: &Path, cause: io::Error) -> Error {
        match cause.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::usage(format!("{} exists; name another file", path.display()))
            }
            _ => Error::file(doing, path, cause),
        }
    }

    /// A database that was not named and may be another user's; `address` is what to name it by.
    pub(crate) fn found_database(path: &Path, why: String, address: &str) -> Error {
        let flag = format!("--into {address}");
        ErrorKind::Untrusted { path: path.to_owned(), what: "database", why, flag }.into()
    }

    pub(crate) fn source(path: &Path, what: impl Into<String>) -> Error {
        ErrorKind::Source { path: path.to_owned(), offset: None, what: what.into() }.into()
    }

    /// The same, at a place in it.
    pub(crate) fn source_at(path: &Path, offset: u64, what: impl Into<String>) -> Error {
        ErrorKind::Source { path: path.to_owned(), offset: Some(offset), what: what.into() }.into()
    }

    pub(crate) fn broken(what: impl Into<String>) -> Error {
        ErrorKind::Broken(what.into()).into()
    }

    /// The text without the name of the file it is about, for use beside that name.
    pub(crate) fn without_path(&self, path: &Path) -> String {
        match self.kind() {
            ErrorKind::File { doing, path: of, cause } if of == path => {
                format!("cannot {doing} it: {}", unnumbered(cause))
            }
            ErrorKind::Source { path: of, what, .. } if of == path => what.clone(),
            kind => kind.to_string(),
        }
    }

    /// Whether this concerns only one source, so that the others can still be loaded.
    pub(crate) fn is_about_one_source(&self) -> bool {
        matches!(*self.0, ErrorKind::File { .. } | ErrorKind::Source { .. })
    }
}

impl ErrorKind {
    /// Its code, which programs may rely on.
    pub fn code(&self) -> &'static str {
        match self {
            ErrorKind::Usage(_) => "usage",
            ErrorKind::NotYet { .. } => "not_yet",
            ErrorKind::NotCompiled { .. } => "not_compiled",
            ErrorKind::Connection(_) => "connection",
            ErrorKind::Job(_) => "job",
            ErrorKind::JobFile { .. } => "job_file",
            ErrorKind::JobExists { .. } => "job_exists",
            ErrorKind::Untrusted { .. } => "untrusted",
            ErrorKind::NoFiles { .. } => "no_files",
            ErrorKind::RulesChanged { .. } => "rules_changed",
            ErrorKind::OfAnotherJob { .. } => "of_another_job",
            ErrorKind::Unclear(_) => "unclear",
            ErrorKind::File { .. } => "file",
            ErrorKind::Source { .. } => "source",
            ErrorKind::Unfit(_) => "unfit",
            ErrorKind::NewerTables { .. } => "newer_tables",
            ErrorKind::Server { .. } => "server",
            ErrorKind::DatabaseFile { .. } => "database_file",
            ErrorKind::Unreachable { .. } => "unreachable",
            ErrorKind::Undelivered { .. } => "undelivered",
            ErrorKind::Held { .. } => "held",
            ErrorKind::TakenOver => "taken_over",
            ErrorKind::WentBack => "went_back",
            ErrorKind::NotRebuilt(_) => "not_rebuilt",
            ErrorKind::Interrupted => "interrupted",
            ErrorKind::Stopped(_) => "stopped",
            ErrorKind::NoThread { .. } => "no_thread",
            ErrorKind::Broken(_) => "broken",
        }
    }
}

/// Why it is not clear which sources of a job are meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The file is not one of its sources.
    #[error("job {job} has loaded no {}", file.display())]
    NoFile {
        /// The job.
        job: String,
        /// The file.
        file: PathBuf,
    },
    /// The files are not among its sources of that day.
    #[error("job {job} has loaded no such file for {date}")]
    NoFileOn {
        /// The job.
        job: String,
        /// The day.
        date: NaiveDate,
    },
    /// Several sources have the name.
    #[error("{name} was loaded more than once")]
    Several {
        /// The name.
        name: String,
    },
    /// No dead letter has the id.
    #[error("job {job} has no dead letter {id}")]
    NoLetter {
        /// The job.
        job: String,
        /// The id.
        id: i64,
    },
    /// No source has the id.
    #[error("job {job} has no source {id}")]
    NoId {
        /// The job.
        job: String,
        /// The id.
        id: i32,
    },
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
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

/// The system's message without its error number, which tells a person nothing.
pub(crate) fn unnumbered(cause: &impl fmt::Display) -> String {
    let words = cause.to_string();
    let end = words.find(" (os error ").unwrap_or(words.len());
    words[..end].to_owned()
}

/// Several findings in one message: a single one by itself, more as a list.
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

fn no_files(
    names: &[PathBuf],
    are_folders: bool,
    passed_over: Option<&(PathBuf, String)>,
    not_selected: usize,
) -> String {
    if let Some((file, why)) = passed_over {
        return format!("no file was found, but {}: {why}", file.display());
    }
    let names: Vec<String> = names.iter().map(|name| name.display().to_string()).collect();
    let names = names.join(", ");
    match are_folders {
        _ if not_selected > 0 => format!(
            "no file in {names} is selected: `include` and `exclude` of the job leave out {}",
            match not_selected {
                1 => "the only file".to_owned(),
                files => format!("all {files} files"),
            }
        ),
        true => format!(
            "there is no log in {names} (hidden files, job files, databases and archives are left out)"
        ),
        false => format!("no file matches {names}"),
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" and {more} more") }
}

fn gave_up(waited: Option<&Duration>) -> String {
    waited.map_or(String::new(), |waited| format!("; gave up after {} s", waited.as_secs()))
}

/// The message about a signal that came before a rebuild was complete.
pub fn rebuild_stopped(signal: i32) -> String {
    format!(
        "stopped by {}; whatever was not completely rebuilt is as it was before. To start over, run the same command again",
        signal_name(signal)
    )
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGTERM => "SIGTERM",
        _ => "a signal",
    }
}
