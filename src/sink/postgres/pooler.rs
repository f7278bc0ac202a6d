//! Detects a pooler that gives every transaction a different backend: locks and ownership would have no stable
//! holder.
//!
//! Such a pooler shows when a second connection comes in between: it hands the first one's backend to the
//! second.

use postgres::{Client, SimpleQueryMessage};

use super::compare::unfit;
use super::connect::Server;
use super::link::APPLICATION_NAME;
use super::trouble::{Trouble, at};
use super::verdict::Step;

/// A second connection, in a transaction.
pub(super) struct Between {
    client: Client,
    /// Its backend.
    pid: Option<i32>,
}

impl Between {
    /// Begins a transaction on a second connection; `None` if there is none to be had: a server with only one
    /// connection left can still be loaded.
    pub(super) fn begin(server: &Server) -> Result<Option<Between>, Trouble> {
        let Ok(mut client) = server.connect(APPLICATION_NAME) else { return Ok(None) };
        // Uses the simple protocol: a pooler may not know prepared statements.
        let said = client.simple_query("BEGIN; SELECT pg_catalog.pg_backend_pid()");
        let pid = at(Step::Prepare, said)?.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        Ok(Some(Between { client, pid }))
    }

    /// Ends it. Returns whether a pooler is at work: `before` and `after` are the backends of the first
    /// connection before this began, and since.
    pub(super) fn shows_pooler(mut self, before: i32, after: i32) -> Result<bool, Trouble> {
        at(Step::Prepare, self.client.batch_execute("ROLLBACK"))?;
        Ok(before != after || self.pid == Some(before))
    }
}

pub(super) fn refusal() -> Trouble {
    unfit(vec![
        "the connection goes through a transaction pooler, which gives every transaction another backend; \
         connect to the server itself, or to a pool in session mode"
            .to_owned(),
    ])
}
