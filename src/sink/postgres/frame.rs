//! The frame of a batch: its own transaction, or its place in that of a rebuild.

use super::constants::Constants;
use super::link::{Link, OUR_PATH};
use super::trouble::{Trouble, at};
use super::verdict::Step;

/// How the writes of a batch are begun and ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A transaction of its own.
    Transaction,
    /// A savepoint in a larger transaction.
    Savepoint,
}

impl Frame {
    /// What begins a batch, up to reading the target. A transaction begins with it; a savepoint exists
    /// already, and the settings of the previous batch are reset.
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

    /// What ends a batch, in one message with its last write. A savepoint is released after it.
    pub(super) fn end_sql(self) -> &'static str {
        match self {
            Frame::Transaction => "COMMIT",
            Frame::Savepoint => "",
        }
    }

    /// Runs `work` in it. After an error nothing of it remains, and the connection is usable again; if that
    /// fails too, the next use reports it.
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
