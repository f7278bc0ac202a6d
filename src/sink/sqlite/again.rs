//! Reads the checkpoints again: when the fence refuses, and before a run reports success.
//!
//! A file that has been renamed or replaced is noticed by its name (`lock`). One whose content was restored
//! to an older state (`.restore`, the backup API) is noticed here.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Trouble;
use super::commit::counts;
use crate::sink::claim::{signed, unsigned};
use crate::sink::ledger::{Acknowledged, Found, Holdings, Look};
use crate::split::Split;

/// A run, identified by its row. The id alone is not enough: a file that has lost the row assigns it again.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: i64,
    pub(super) started_at: String,
}

/// Reads the checkpoints of a run: of the splits it owns, and of those acknowledged to it.
pub(super) fn look(
    connection: &Connection,
    job: &str,
    run: &Run,
    owned: &Holdings,
    acknowledged: &Acknowledged,
) -> Result<Look, Trouble> {
    let mut look = connection.query_row(
        "SELECT next_source_id, EXISTS (SELECT 1 FROM logmill_runs WHERE id = ?1 AND started_at = ?2) FROM logmill_meta",
        params![run.id, run.started_at],
        |row| Ok(Look { next_id: row.get(0)?, has_run: row.get(1)?, ..Look::default() }),
    )?;
    // The id of a lost source may by now belong to another job.
    let mut checkpoint = connection.prepare_cached(
        "SELECT c.epoch, c.owner_run, c.position, c.complete,
                c.lines, c.inserted, c.updated, c.unchanged, c.superseded, c.rejected, c.blank, c.skipped
         FROM logmill_checkpoints c JOIN logmill_sources s ON s.id = c.source_id
         WHERE c.source_id = ?1 AND c.split_start = ?2 AND s.job = ?3",
    )?;
    let splits: BTreeSet<Split> = owned.iter().map(|(split, _)| split).chain(acknowledged.splits()).collect();
    for split in splits {
        let found = checkpoint.query_row(params![split.source, signed(split.start), job], |row| {
            Ok(Found {
                epoch: row.get(0)?,
                owner: row.get(1)?,
                position: unsigned(row.get(2)?),
                is_complete: row.get(3)?,
                counts: counts(row, 4)?,
            })
        });
        if let Some(found) = found.optional()? {
            look.splits.insert(split, found);
        }
    }
    Ok(look)
}
