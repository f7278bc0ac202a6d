//! The frame of a batch: the transaction that it is, or its place in the one that a rebuild is.

use super::constants::Constants;
use super::link::{Link, OUR_PATH};
use super::trouble::{Trouble, at};
use super::verdict::Step;

/// How what a batch writes is begun and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A transaction of its own.
    Transaction,
    /// A savepoint in a transaction that is larger.
    Savepoint,
}

impl Frame {
    /// What begins a batch, up to the look at the target. A transaction begins with it; a savepoint is
    /// there, and what the batch before has set is set back.
    pub(super) fn begin_sql(self, constants: &Constants) -> String {
        match self {
            Frame::Transaction => format!("{}; {}", constants.begin_sql, constants.look_sql),
            Frame::Savepoint => {
                format!(
                    "SET CONSTRAINTS ALL DEFERRED; SET LOCAL search_path = {OUR_PATH}; {}",
                    constants.look_sql
                )
            }
        }
    }

    /// What ends it, in one message with the last that it writes. A savepoint is released behind it.
    pub(super) fn end_sql(self) -> &'static str {
        match self {
            Frame::Transaction => "COMMIT",
            Frame::Savepoint => "",
        }
    }

    /// Does `work` in it. After an error nothing of it is there, and the connection can be used again;
    /// where that fails too, its next use says so.
    pub(super) fn hold<T>(
        self,
        link: &mut Link,
        work: impl FnOnce(&mut Link) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        if self == Frame::Savepoint {
            at(Step::Begin, link.client.batch_execute("SAVEPOINT batch"))?;
        }
        let result = work(link);
        match (self, &result) {
            (Frame::Transaction, Ok(_)) => {}
            (Frame::Transaction, Err(_)) => {
                let _ = link.client.batch_execute("ROLLBACK");
            }
            (Frame::Savepoint, Ok(_)) => {
                at(Step::Begin, link.client.batch_execute("RELEASE SAVEPOINT batch"))?;
            }
            (Frame::Savepoint, Err(_)) => {
                let undo = "ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch";
                let _ = link.client.batch_execute(undo);
            }
        }
        result
    }
}
