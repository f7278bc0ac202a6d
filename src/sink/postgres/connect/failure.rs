//! Why there is no connection.
//!
//! Whether waiting helps is decided elsewhere, from the cause and the SQLSTATE; this file distinguishes the
//! causes, because the driver's own error only says "db error".

use std::error::Error as StdError;
use std::fmt;
use std::io;

use postgres::error::SqlState;

use super::line::Unacceptable;

/// A hint for a host that is reachable but accepts no connection.
pub(super) const IS_IT_RUNNING: &str = " (is a server running there?)";

/// No host gave a connection.
#[derive(Debug)]
pub struct NotConnected {
    server: String,
    failures: Vec<Failure>,
}

/// The outcome for one host.
#[derive(Debug)]
pub struct Failure {
    /// The host and port, or the socket.
    pub place: String,
    /// What went wrong there.
    pub cause: Cause,
}

/// What prevented a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// No answer came in time, or the connection broke. An outage: it may pass.
    Unreached(String),
    /// The server refused, with its code and message.
    Refused {
        /// The code; only this is to be judged.
        sqlstate: SqlState,
        /// The server's message, its detail and hint.
        message: String,
    },
    /// The server is there but accepts no writes, which `target_session_attrs` requires. A failover can fix
    /// it.
    ReadOnly(String),
    /// The peer is not what was asked for: no TLS, a certificate that does not verify, an unsupported
    /// authentication method. Retrying does not help.
    Unfit(String),
    /// The peer sends what no server sends, or asks for what no server should.
    Hostile(String),
}

impl NotConnected {
    pub(super) fn new(server: String, failures: Vec<Failure>) -> NotConnected {
        NotConnected { server, failures }
    }

    /// What could not be done.
    pub(in super::super) fn what(&self) -> String {
        format!("cannot connect to {}", self.server)
    }

    /// Why not: with several hosts, one line each.
    pub(in super::super) fn why(&self) -> String {
        match self.failures.as_slice() {
            [only] => only.cause.to_string(),
            failures => {
                let line = |failure: &Failure| format!("\n  - {}: {}", failure.place, failure.cause);
                failures.iter().map(line).collect()
            }
        }
    }

    /// The outcomes of the attempts, in the order in which they were made.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Whether a server was reached that had no connection left.
    pub fn is_for_want_of_room(&self) -> bool {
        let is_full = |failure: &Failure| matches!(&failure.cause, Cause::Refused { sqlstate, .. } if *sqlstate == SqlState::TOO_MANY_CONNECTIONS);
        self.failures.iter().any(is_full)
    }

    /// The same, by value.
    pub fn into_failures(self) -> Vec<Failure> {
        self.failures
    }
}

impl Cause {
    /// The same, with the message removed if it repeats a secret.
    pub(super) fn without(mut self, secret: &str) -> Cause {
        let (Cause::Unreached(told)
        | Cause::Refused { message: told, .. }
        | Cause::ReadOnly(told)
        | Cause::Unfit(told)
        | Cause::Hostile(told)) = &mut self;
        if !secret.is_empty() {
            *told = told.replace(secret, "***");
        }
        self
    }

    /// Classifies an error of the driver. `explain` knows the errors of TLS.
    pub(super) fn of(error: &postgres::Error, explain: impl FnOnce(&io::Error) -> Option<String>) -> Cause {
        if let Some(refusal) = error.as_db_error() {
            let mut message = refusal.message().to_owned();
            for more in [refusal.detail(), refusal.hint()].into_iter().flatten() {
                message.push_str("; ");
                message.push_str(more);
            }
            return Cause::Refused { sqlstate: refusal.code().clone(), message };
        }
        let Some(source) = error.source() else {
            return Cause::Unreached(format!("{error}; is it a PostgreSQL server?"));
        };
        let Some(io) = source.downcast_ref::<io::Error>() else {
            // The driver's own words: no TLS, no password given, an unknown method. The common ones are
            // worded better here; if the driver changes its words, they are still shown.
            return Cause::Unfit(match source.to_string().as_str() {
                "password missing" => {
                    "the server wants a password and there is none; give it by PGPASSWORD or in ~/.pgpass"
                        .to_owned()
                }
                words => words.to_owned(),
            });
        };
        match unacceptable(io) {
            Some(Unacceptable::Plain) => return Cause::Unfit(io.to_string()),
            Some(Unacceptable::Hostile(why)) => return Cause::Hostile(why.clone()),
            None => {}
        }
        match explain(io) {
            Some(explanation) => Cause::Unfit(explanation),
            None if io.kind() == io::ErrorKind::ConnectionRefused => {
                Cause::Unreached(format!("{}{IS_IT_RUNNING}", said(io)))
            }
            None => Cause::Unreached(said(io)),
        }
    }

    /// This cause, after an attempt with TLS at the same address failed with another.
    pub(super) fn after(mut self, first: &Cause) -> Cause {
        let first = first.to_string();
        let (Cause::Unreached(what)
        | Cause::ReadOnly(what)
        | Cause::Unfit(what)
        | Cause::Hostile(what)
        | Cause::Refused { message: what, .. }) = &mut self;
        if *what != first {
            what.push_str("; before that, with TLS: ");
            what.push_str(&first);
        }
        self
    }

    /// Whether the server rejected the identity, or does not let this user in.
    pub(super) fn is_about_us(&self) -> bool {
        matches!(self, Cause::Refused { sqlstate, .. }
            if sqlstate.code().starts_with("28") || *sqlstate == SqlState::UNDEFINED_DATABASE)
    }
}

/// The system's message, without its number, as part of a sentence.
pub(super) fn said(error: &io::Error) -> String {
    let words = error.to_string();
    let words = words.split(" (os error ").next().unwrap_or_default();
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// Why logmill broke off a connection, if it did: the peer sent something that no server should. A new
/// connection does not help then.
pub fn hostility(error: &postgres::Error) -> Option<String> {
    let io = error.source()?.downcast_ref::<io::Error>()?;
    unacceptable(io).map(Unacceptable::to_string)
}

fn unacceptable(error: &io::Error) -> Option<&Unacceptable> {
    error.get_ref()?.downcast_ref::<Unacceptable>()
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Unreached(what) | Cause::ReadOnly(what) | Cause::Unfit(what) | Cause::Hostile(what) => {
                f.write_str(what)
            }
            Cause::Refused { sqlstate, message } => write!(f, "{message} ({})", sqlstate.code()),
        }
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what())?;
        match self.failures.as_slice() {
            [_] => write!(f, ": {}", self.why()),
            _ => f.write_str(&self.why()),
        }
    }
}

impl StdError for NotConnected {}
