//! The merge: rows in a temporary table become rows of the target.
//!
//! Two statements do it, an UPDATE of what exists and differs, and an INSERT of what does not exist. That is
//! as fast as `ON CONFLICT DO UPDATE`, counts exactly, and writes no WAL for equal rows. A sample of a few
//! rows decides which comes first: if nothing changed, one comparison is all there is to do; if everything
//! did, the UPDATE alone shows it.
//!
//! Every join probes the target's key index once per row of the stage, as `ON CONFLICT` does. The planner
//! does not choose: it knows nothing about the stage, and would read the whole target to hash it (measured:
//! twice the time at 300,000 rows, and worse with every further row). And each statement is planned anew: a
//! cached plan would stem from when the target was small.

use std::collections::HashMap;

use chrono::NaiveDate;
use postgres::SimpleQueryMessage;

use super::catalog::Target;
use super::link::Link;
use super::marks::Marks;
use super::names::literal;
use super::staging::STAGE;
use super::trouble::{Refusal, Trouble, at, pass};
use super::verdict::Step;
use super::wire::{Column, Wire};
use super::words::{Operators, Words};
use crate::error::Error;
use crate::sink::claim::signed;
use crate::sink::key::quote;
use crate::sink::rebuild::DATA_DATE;
use crate::sink::{Counts, Key, OnConflict};

/// Settings for the statements of a merge, for its transaction.
pub(super) const MERGE_SETTINGS_SQL: &str =
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off";

/// Removing moved rows scans a range of every partition, and needs no order of rows.
const BY_RANGE_SQL: &str = "SET LOCAL enable_hashjoin = on";
const BY_KEY_SQL: &str = "SET LOCAL enable_hashjoin = off";

/// How many rows are sampled for differences from the existing ones.
const SAMPLE_ROWS: i64 = 64;

/// What to make of a stage, besides its rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged {
    /// The number of its rows.
    pub(super) rows: i64,
    /// Two of them may have the same key.
    pub(super) may_repeat_keys: bool,
    /// Insert or update in one statement.
    pub(super) upsert: bool,
    /// The source of all rows, and their first and last offsets.
    pub(super) range: (i32, u64, u64),
}

/// The statements for staged rows.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) create_sql: String,
    pub(super) copy_sql: String,
    /// Drops all but one row of each key from the stage.
    pub(super) dedupe_sql: Option<String>,
    /// Removes rows that are at a position of the stage but in another partition: other rules have given the
    /// record another date.
    pub(super) remove_moved_sql: Option<String>,
    /// Asks whether one of them exists with another day, if rows name their day.
    pub(super) of_another_day_sql: Option<String>,
    /// How many rows of the stage exist already, are equal, would win.
    pub(super) compare_sql: Option<String>,
    /// The same for its first rows.
    sample_sql: Option<String>,
    /// The same by source, if the stage knows the source of a row.
    compare_sources_sql: Option<String>,
    pub(super) update_sql: Option<String>,
    /// Inserts all rows, if none exists.
    pub(super) insert_sql: String,
    /// Inserts the rows that do not exist.
    pub(super) insert_absent_sql: Option<String>,
    /// The dates of the rows that those of the stage replace.
    pub(super) replaced_sql: Option<String>,
    /// Inserts or updates in one statement: for targets whose triggers write too, and where other sessions
    /// write the same keys.
    pub(super) upsert_sql: Option<String>,
}

impl Merge {
    /// Moves the staged rows into the target, and counts the outcomes.
    pub(super) fn run(&self, link: &mut Link, staged: Staged) -> Result<Counts, Trouble> {
        let mut counts = Counts::default();
        let Some(compare_sql) = &self.compare_sql else {
            counts.inserted = execute(link, &self.insert_sql)?;
            return Ok(counts);
        };
        if let Some(dedupe_sql) = self.dedupe_sql.as_ref().filter(|_| staged.may_repeat_keys) {
            counts.superseded = execute(link, dedupe_sql)?;
        }
        let moved = self.remove_moved(link, staged.range)?;
        let unique = staged.rows - counts.superseded;
        let changed = match (&self.update_sql, &self.upsert_sql) {
            (_, Some(upsert_sql)) if staged.upsert => upsert(link, upsert_sql, compare_sql)?,
            (Some(update_sql), _) if self.is_changing(link, unique)? => {
                self.change_first(link, update_sql, compare_sql, unique)?
            }
            _ => self.compare_first(link, compare_sql, unique)?,
        };
        if changed.sum() != unique && !staged.upsert {
            return Err(Trouble::Server(Box::new(Refusal::raced())));
        }
        // A row that moved to another partition was not new.
        counts.inserted = changed.inserted - moved;
        counts.updated = changed.updated + moved;
        counts.unchanged = changed.unchanged;
        counts.superseded += changed.lost;
        Ok(counts)
    }

    /// Whether a staged row has the key of a row of another day.
    pub(super) fn meets_another_day(&self, link: &mut Link) -> Result<bool, Trouble> {
        let Some(sql) = &self.of_another_day_sql else { return Ok(false) };
        Ok(numbers(ask(link, sql)?)?.iter().any(|[met, ..]| *met > 0))
    }

    /// Whether rows of several sources can be merged at once, and counted for each.
    pub(super) fn tells_sources(&self) -> bool {
        self.compare_sources_sql.is_some()
    }

    /// The same for several sources, with this many rows each.
    pub(super) fn run_all(&self, link: &mut Link, sources: &[(i32, i64)]) -> Result<Vec<Counts>, Trouble> {
        let sql = self.compare_sources_sql.as_ref().expect("asked for where sources are told");
        let found = compare_sources(link, sql)?;
        let mut all = Standing::default();
        for found in found.values() {
            all.existing += found.existing;
            all.equal += found.equal;
            all.wins += found.wins;
        }
        let changed = self.change_found(link, &all, sources.iter().map(|(_, rows)| rows).sum())?;
        if (changed.updated, changed.sum()) != (all.wins, sources.iter().map(|(_, rows)| rows).sum()) {
            return Err(Trouble::Server(Box::new(Refusal::raced())));
        }
        let counts = sources.iter().map(|(source_id, rows)| {
            let found = found.get(source_id).copied().unwrap_or_default();
            let to_be = found.to_be();
            Counts {
                inserted: rows - found.existing,
                updated: found.wins,
                unchanged: to_be.unchanged,
                superseded: to_be.lost,
                ..Counts::default()
            }
        });
        Ok(counts.collect())
    }

    /// Whether existing rows differ, judged by a sample. For few rows the sample would be all of them.
    fn is_changing(&self, link: &mut Link, unique: i64) -> Result<bool, Trouble> {
        match &self.sample_sql {
            Some(sql) if unique > SAMPLE_ROWS => Ok(compare(link, sql)?.wins > 0),
            _ => Ok(false),
        }
    }

    /// For rows that mostly differ: if all of them were updated, nothing else needs to be asked.
    fn change_first(
        &self,
        link: &mut Link,
        update_sql: &str,
        compare_sql: &str,
        unique: i64,
    ) -> Result<Changed, Trouble> {
        let updated = execute(link, update_sql)?;
        pass(Step::Merge, "mid-merge")?;
        let inserted = if updated < unique { execute(link, self.insert_absent())? } else { 0 };
        if updated + inserted == unique {
            return Ok(Changed { inserted, updated, ..Changed::default() });
        }
        // Rows that were just written are equal now.
        let found = compare(link, compare_sql)?;
        let lost = found.existing - found.equal - found.wins;
        Ok(Changed { inserted, updated, unchanged: found.equal - updated - inserted, lost })
    }

    /// For rows that are mostly equal: the comparison is all there is to do.
    fn compare_first(&self, link: &mut Link, compare_sql: &str, unique: i64) -> Result<Changed, Trouble> {
        let found = compare(link, compare_sql)?;
        self.change_found(link, &found, unique)
    }

    /// Writes what a comparison has found.
    fn change_found(&self, link: &mut Link, found: &Standing, unique: i64) -> Result<Changed, Trouble> {
        let mut changed = found.to_be();
        if found.wins > 0 {
            let update_sql = self.update_sql.as_ref().expect("rows that win can be updated");
            changed.updated = execute(link, update_sql)?;
        }
        pass(Step::Merge, "mid-merge")?;
        if found.existing == 0 {
            changed.inserted = execute(link, &self.insert_sql)?;
        } else if found.existing < unique {
            changed.inserted = execute(link, self.insert_absent())?;
        }
        Ok(changed)
    }

    fn insert_absent(&self) -> &str {
        self.insert_absent_sql.as_ref().expect("a key tells what is absent")
    }

    fn remove_moved(&self, link: &mut Link, range: (i32, u64, u64)) -> Result<i64, Trouble> {
        let Some(sql) = &self.remove_moved_sql else { return Ok(0) };
        let (source_id, first, last) = range;
        at(Step::Merge, link.client.batch_execute(BY_RANGE_SQL))?;
        let removed = link.client.execute(sql, &[&source_id, &signed(first), &signed(last)]);
        let removed = count_of(at(Step::Merge, removed)?);
        at(Step::Merge, link.client.batch_execute(BY_KEY_SQL))?;
        Ok(removed)
    }
}

/// How the rows of a stage compare with those of the target.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// Their key exists there.
    existing: i64,
    /// They are the same there.
    equal: i64,
    /// They are to replace the existing rows.
    wins: i64,
}

impl Standing {
    /// The outcome once the winning rows and the new ones are written.
    fn to_be(self) -> Changed {
        let lost = self.existing - self.equal - self.wins;
        Changed { unchanged: self.equal, lost, ..Changed::default() }
    }
}

/// The outcome of the rows of a stage.
#[derive(Default)]
struct Changed {
    inserted: i64,
    updated: i64,
    unchanged: i64,
    /// Their key exists with a better row.
    lost: i64,
}

impl Changed {
    fn sum(&self) -> i64 {
        self.inserted + self.updated + self.unchanged + self.lost
    }
}

fn compare(link: &mut Link, compare_sql: &str) -> Result<Standing, Trouble> {
    let rows = numbers(ask(link, compare_sql)?)?;
    match rows[..] {
        [[existing, equal, wins, ..]] => Ok(Standing { existing, equal, wins }),
        _ => Err(no_numbers()),
    }
}

fn compare_sources(link: &mut Link, sql: &str) -> Result<HashMap<i32, Standing>, Trouble> {
    let found = numbers(ask(link, sql)?)?.into_iter().map(|[existing, equal, wins, source_id]| {
        let source_id = i32::try_from(source_id).map_err(|_| no_numbers())?;
        Ok((source_id, Standing { existing, equal, wins }))
    });
    found.collect()
}

/// The rows of an answer, with up to four numbers each.
fn numbers(answer: Vec<SimpleQueryMessage>) -> Result<Vec<[i64; 4]>, Trouble> {
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let rows = rows.map(|row| {
        let mut numbers = [0; 4];
        for (place, number) in numbers.iter_mut().enumerate().take(row.len()) {
            *number = row.get(place).and_then(|text| text.parse().ok()).ok_or_else(no_numbers)?;
        }
        Ok(numbers)
    });
    rows.collect()
}

fn no_numbers() -> Trouble {
    Trouble::Ours(Error::broken("the server answered a count without a number"))
}

/// Uses the simple protocol, which takes one round trip.
fn ask(link: &mut Link, sql: &str) -> Result<Vec<SimpleQueryMessage>, Trouble> {
    let answer = at(Step::Merge, link.client.simple_query(sql))?;
    link.pulse.beat();
    Ok(answer)
}

/// Inserts or updates, and counts the outcome again by key. A trigger may have changed a row into what exists
/// already, so that nothing was written; or it has suppressed the row, so that its key is still missing, and
/// the sum shows it.
fn upsert(link: &mut Link, upsert_sql: &str, compare_sql: &str) -> Result<Changed, Trouble> {
    let before = compare(link, compare_sql)?;
    let affected = execute(link, upsert_sql)?;
    let after = compare(link, compare_sql)?;
    let inserted = affected.min(after.existing - before.existing);
    let lost = before.to_be().lost;
    let changed =
        Changed { inserted, updated: affected - inserted, unchanged: after.existing - affected - lost, lost };
    match inserted < 0 || changed.unchanged < 0 {
        true => Err(Trouble::Server(Box::new(Refusal::raced()))),
        false => Ok(changed),
    }
}

fn execute(link: &mut Link, sql: &str) -> Result<i64, Trouble> {
    let answer = ask(link, sql)?;
    let affected = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
        _ => None,
    });
    Ok(count_of(affected.unwrap_or(0)))
}

pub(super) fn count_of(rows: u64) -> i64 {
    i64::try_from(rows).expect("rows of one statement are countable")
}

impl Merge {
    pub(super) fn new(
        target: &Target,
        columns: &[Column],
        key: &Key,
        on_conflict: &OnConflict,
        operators: &Operators,
        day: Option<NaiveDate>,
        marks: &Marks,
    ) -> Merge {
        let words =
            Words { columns, key_columns: target.identity(key), on_conflict, operators, is_raw: false };
        let table = target.quoted();
        let staged = words.list(columns, |column| match column.wire {
            // Columns that the server casts are staged as text; all others have the target's type.
            Wire::Cast => format!("NULL::text AS {}", quote(&column.name)),
            _ => format!("t.{}", quote(&column.name)),
        });
        let (names, has_key, can_change) = (words.names(), !words.key_columns.is_empty(), words.can_change());
        let join = words.join();
        let new_keys =
            words.key_columns.iter().map(|name| words.value_of("s", name)).collect::<Vec<_>>().join(", ");
        let insert = |alias: &str| {
            format!("INSERT INTO {table}{alias} ({names}) SELECT {} FROM pg_temp.{STAGE} s", words.new_row())
        };
        let compare = |also: &str, stage: &str, group: &str| {
            format!(
                "SELECT pg_catalog.count(*), {}, pg_catalog.count(*) FILTER (WHERE {}){also} FROM {stage} s JOIN {table} t ON {join}{group}",
                words.count_equal(),
                words.wins("s")
            )
        };
        let stage = format!("pg_temp.{STAGE}");
        let has_moved = (*key == Key::Position).then(|| words.has_moved()).flatten();
        let remove_moved_sql = has_moved.map(|has_moved| {
            format!(
                "DELETE FROM {table} t USING pg_temp.{STAGE} s
                 WHERE t.source_id OPERATOR(pg_catalog.=) $1 AND t.source_offset OPERATOR(pg_catalog.>=) $2
                   AND t.source_offset OPERATOR(pg_catalog.<=) $3 AND {has_moved}"
            )
        });
        let replaced = words.replaced(*key == Key::Position);
        Merge {
            replaced_sql: replaced.and_then(|joined| marks.replaced_sql(&table, &stage, &joined)),
            create_sql: format!(
                "CREATE TEMPORARY TABLE {STAGE} ON COMMIT DELETE ROWS AS
                     SELECT {staged} FROM ONLY {table} t WITH NO DATA"
            ),
            copy_sql: format!("COPY pg_temp.{STAGE} ({names}) FROM STDIN BINARY"),
            dedupe_sql: has_key.then(|| {
                format!(
                    // By physical location, which needs no join: joins of whole stages are turned off.
                    "DELETE FROM pg_temp.{STAGE} d WHERE d.ctid = ANY (ARRAY(
                         SELECT l.lies FROM (
                             SELECT s.ctid AS lies, pg_catalog.row_number() OVER (PARTITION BY {new_keys} ORDER BY {}) AS place
                             FROM pg_temp.{STAGE} s
                         ) l WHERE l.place > 1))",
                    words.first_is_best()
                )
            }),
            compare_sources_sql: (*key == Key::Position && remove_moved_sql.is_none())
                .then(|| compare(", s.source_id", &stage, " GROUP BY s.source_id")),
            remove_moved_sql,
            of_another_day_sql: day.filter(|_| has_key).map(|day| {
                let (column, day) = (quote(DATA_DATE), literal(&day.to_string()));
                format!(
                    "SELECT pg_catalog.count(*) FROM pg_temp.{STAGE} s JOIN {table} t ON {join}
                     WHERE (t.{column} OPERATOR(pg_catalog.=) {day}) IS NOT TRUE"
                )
            }),
            compare_sql: has_key.then(|| compare("", &stage, "")),
            sample_sql: can_change
                .then(|| compare("", &format!("(SELECT * FROM {stage} LIMIT {SAMPLE_ROWS})"), "")),
            update_sql: can_change.then(|| {
                format!(
                    "UPDATE {table} t SET {} FROM pg_temp.{STAGE} s WHERE {join} AND {}",
                    words.set("s"),
                    words.wins("s")
                )
            }),
            insert_sql: insert(""),
            insert_absent_sql: has_key
                .then(|| format!("{} WHERE NOT EXISTS (SELECT FROM {table} t WHERE {join})", insert(""))),
            // Always in the same order: a session that waits for a key holds none that others wait for.
            upsert_sql: has_key
                .then(|| format!("{} ORDER BY {new_keys} {}", insert(" AS t"), words.instead())),
        }
    }
}
