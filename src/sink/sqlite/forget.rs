//! Forgetting in SQLite: sources out of the memory of a job, and nothing else.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::lock::SourceLocks;
use super::{Trouble, check_version, has_tables, immediate, open_existing};
use crate::error::{Error, ErrorKind, Result};
use crate::sink::claim::unsigned;
use crate::sink::history::Forgotten;
use crate::split::Split;

/// Forgets sources of a job: all of them, or none if a living run holds one. What they were is
/// kept with their dead letters, which become superseded.
pub(super) fn forget(path: &Path, job: &str, sources: &[i32], patience: Duration) -> Result<Forgotten> {
    let failed = |cause| Error::file("open", path, cause);
    // Before the connection, because they must be dropped after it.
    let locks = SourceLocks::open(path).map_err(failed)?;
    let connection = open_existing(path).map_err(|trouble| trouble.into_error(path))?;
    let forgotten = (|| {
        connection.busy_timeout(patience)?;
        if !has_tables(&connection)? {
            return Ok(Forgotten::default());
        }
        check_version(&connection)?;
        // A run claims within such a transaction too, so none begins meanwhile.
        immediate(&connection, || forget_all(&connection, &locks, job, sources))
    })();
    forgotten.map_err(|trouble: Trouble| trouble.into_error(path))
}

fn forget_all(
    connection: &Connection,
    locks: &SourceLocks,
    job: &str,
    sources: &[i32],
) -> Result<Forgotten, Trouble> {
    let mut forgotten = Forgotten::default();
    for &source in sources {
        let mut splits = connection.prepare_cached(
            "SELECT s.name, c.split_start, coalesce(c.owner_run, 0), coalesce(c.owner_pid, 0)
             FROM logmill_sources s JOIN logmill_checkpoints c ON c.source_id = s.id
             WHERE s.id = ?1 AND s.job = ?2",
        )?;
        let mut splits = splits.query(params![source, job])?;
        let mut name = None;
        while let Some(row) = splits.next()? {
            let name: &String = name.insert(row.get(0)?);
            if locks.is_held(Split { source, start: unsigned(row.get(1)?) }).unwrap_or(true) {
                let (run, pid): (i64, i64) = (row.get(2)?, row.get(3)?);
                return Err(Trouble::Ours(
                    ErrorKind::Held {
                        source_name: name.clone(),
                        holder: format!("run {run} (process {pid})"),
                        then: ", so nothing was forgotten; wait for it, or end it",
                    }
                    .into(),
                ));
            }
        }
        let Some(name) = name else { continue };
        let superseded = connection.execute(
            "UPDATE logmill_dead_letters
             SET state = 'superseded', note = concat_ws('; ', note, ?2)
             WHERE source_id = ?1 AND state = 'open'",
            params![source, format!("of {name}, which was forgotten")],
        )?;
        for table in ["logmill_containers", "logmill_checkpoints"] {
            connection.execute(&format!("DELETE FROM {table} WHERE source_id = ?1"), [source])?;
        }
        connection.execute("DELETE FROM logmill_sources WHERE id = ?1", [source])?;
        forgotten.sources += 1;
        forgotten.dead_letters += superseded as u64;
    }
    Ok(forgotten)
}
