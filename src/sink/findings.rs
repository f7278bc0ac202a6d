//! What to say of a target before the first row, in the same words for every destination.
//!
//! Much of it follows from [`Past`]: what the job has loaded before, and into which tables. The code that
//! judges it needs no SQL.

use super::TableName;
use super::key::quote;
use crate::error::Result;

/// What a job has loaded, table by table.
#[derive(Debug, Default)]
pub(super) struct Past(pub(super) Vec<Loaded>);

/// What a job has loaded into one table.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The table. For what an older program has loaded it is unknown, and taken to be the one asked about.
    pub(super) target: Option<String>,
    /// Sources with anything committed.
    pub(super) sources: i64,
    /// Rows that were new.
    pub(super) inserted: i64,
}

/// Why the rows of sources cannot be deleted from a table that was dropped or renamed.
pub(super) fn rows_not_there(table: &TableName) -> String {
    format!(
        "there is no table {table}, so nothing was forgotten: if it was renamed, give it its old name \
        back; if its rows were removed on purpose, forget without --delete-rows"
    )
}

/// Why an operation that finds rows by their source needs the columns for it. `done` names the operation.
pub(super) fn no_places(table: &str, done: &str) -> String {
    format!(
        "the rows of {table} do not record their source, so nothing was {done}: the job has no key, and the table \
         no column source_id; with source_id and source_offset (see \"A table that exists\" in the manual) \
         rows loaded from then on record it"
    )
}

/// The number in words.
fn some(count: i64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

impl Past {
    /// The query for the target, its sources and its inserted rows. `sources` and `checkpoints` are the
    /// tables to read; its parameter is the job.
    pub(super) fn sql(sources: &str, checkpoints: &str) -> String {
        format!(
            "SELECT s.target, count(DISTINCT s.id), CAST(sum(c.inserted) AS bigint)
             FROM {sources} s JOIN {checkpoints} c ON c.source_id = s.id
             WHERE s.job = $1 AND c.position > c.split_start GROUP BY s.target ORDER BY s.target"
        )
    }

    fn of<'a>(&'a self, target: &'a str) -> impl Iterator<Item = &'a Loaded> {
        self.0.iter().filter(move |loaded| loaded.target.as_deref().is_none_or(|it| it == target))
    }

    /// Refuses to create a target that existed when the job loaded into it.
    pub(super) fn lost(&self, target: &str, table: &TableName, job: &str) -> Option<String> {
        let loaded: i64 = self.of(target).map(|loaded| loaded.sources).sum();
        (loaded > 0).then(|| {
            format!(
                "there is no table {table}, but job {job} has loaded {} into it: was the table dropped or renamed? \
                 `logmill forget` what was loaded to load it anew, or give this job a name of its own",
                some(loaded, "source")
            )
        })
    }

    /// Warns of a target that has lost its rows while the checkpoints remain.
    pub(super) fn emptied(
        &self,
        target: &str,
        table: &str,
        job: &str,
        is_empty: impl FnOnce() -> bool,
    ) -> Option<String> {
        let inserted: i64 = self.of(target).map(|loaded| loaded.inserted).sum();
        (inserted > 0 && is_empty()).then(|| {
            format!(
                "{table} is empty, though job {job} has inserted {} before; loaded files are not loaded \
                again (use `logmill forget` for that)",
                some(inserted, "row")
            )
        })
    }

    /// Refuses a target that is new to the job if a table it has loaded into is gone: if that table was
    /// renamed, it would receive all its rows again.
    pub(super) fn renamed<E>(
        &self,
        target: &str,
        job: &str,
        ours: &str,
        mut is_there: impl FnMut(&TableName) -> Result<bool, E>,
    ) -> Result<Option<String>, E> {
        if self.of(target).next().is_some() {
            return Ok(None);
        }
        for Loaded { target: former, sources, .. } in &self.0 {
            let Some(former) = former else { continue };
            let Ok(table) = former.parse::<TableName>() else { continue };
            if is_there(&table)? {
                continue;
            }
            let literal = |text: &str| text.replace('\'', "''");
            return Ok(Some(format!(
                "job {job} has loaded {} into {former}, which is gone, and none into {target}. If it was renamed: \
                 UPDATE {ours} SET target = '{}' WHERE job = '{}' AND target = '{}'; if not, `logmill forget --table \
                 {former}`",
                some(*sources, "source"),
                literal(target),
                literal(job),
                literal(former)
            )));
        }
        Ok(None)
    }
}

/// A target that does not exist and may not be created.
pub(super) fn missing(table: &TableName) -> String {
    format!("there is no table {table}, and create = false; create the table, or leave 'create' out")
}

/// A target with metrics whose days can only be found by scanning the whole table.
pub(super) fn no_index_of_times(table: &str, time: &str, kind: &str) -> String {
    let time = quote(time);
    format!(
        "{table} has no index on {time}: computing a date reads all of its rows (CREATE INDEX ON {table} {kind}({time}))"
    )
}

/// A target whose rows can refer to each other.
pub(super) fn refers_to_itself(table: &str) -> String {
    format!(
        "{table} has a foreign key to itself: which of its rows are refused can depend on where batches end"
    )
}
