//! The interpretation of SQLite's errors.
//!
//! Each gets the SQLSTATE that PostgreSQL would have given, so that a reject has the same code wherever it
//! was refused.

use rusqlite::ffi;
use rusqlite::{Error, ErrorCode};

use crate::reject::Code;
use crate::sink::dead_letter::Refused;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The row is at fault; the transaction continues without it.
    Isolate,
    /// Another process has the database, or its disk is full: wait, within bounds.
    Wait,
    /// It will not resolve by itself.
    Stop,
}

/// Decides. Only statements that write rows can isolate; the caller says whether this was one.
pub(super) fn verdict(error: &Error, writes_a_row: bool) -> Verdict {
    let Some(code) = error.sqlite_error_code() else { return Verdict::Stop };
    match code {
        ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch if writes_a_row => {
            Verdict::Isolate
        }
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::FileLockingProtocolFailed => Verdict::Wait,
        _ => Verdict::Stop,
    }
}

/// Whether a row refers to one that does not exist.
pub(super) fn is_orphaned(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(failure, _) if failure.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}

/// SQLite's error for such a row, if its foreign key is not deferred.
pub(super) fn orphaned() -> Error {
    let failure = ffi::Error::new(ffi::SQLITE_CONSTRAINT_FOREIGNKEY);
    Error::SqliteFailure(failure, Some("FOREIGN KEY constraint failed".to_owned()))
}

pub(super) fn refused(row: usize, error: &Error) -> Refused {
    let extended = match error {
        Error::SqliteFailure(failure, _) => failure.extended_code,
        _ => 0,
    };
    let state: &[u8; 5] = match extended {
        ffi::SQLITE_CONSTRAINT_NOTNULL => b"23502",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => b"23503",
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            b"23505"
        }
        ffi::SQLITE_CONSTRAINT_CHECK => b"23514",
        ffi::SQLITE_CONSTRAINT_DATATYPE => b"22018",
        ffi::SQLITE_CONSTRAINT_TRIGGER => b"P0001",
        ffi::SQLITE_TOOBIG => b"54000",
        _ => b"23000",
    };
    let message = message(error);
    // "CHECK constraint failed: positive": after the colon is a constraint, or the columns of one.
    let subject = message.rsplit_once(": ").map(|(_, subject)| subject.to_owned());
    let (column, constraint) = match extended {
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            (subject.and_then(|name| name.rsplit('.').next().map(str::to_owned)), None)
        }
        ffi::SQLITE_CONSTRAINT_TRIGGER | ffi::SQLITE_TOOBIG => (None, None),
        _ => (None, subject),
    };
    Refused { row, code: Code::Server(*state), column, constraint, message, detail: None }
}

/// What to do about an error that ends a run.
pub(super) fn advice(error: &Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "name another file, or remove this one",
        Some(ErrorCode::CannotOpen) => "its directory must be there, and writable",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the file and its directory must be writable"
        }
        _ => "what was committed is kept. To resume, run the same command again",
    }
}

/// SQLite's own message.
pub(super) fn message(error: &Error) -> String {
    match error {
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
