//! A rebuild in PostgreSQL: one transaction around all batches.
//!
//! It takes its locks in the usual order: sources, checkpoints, letters, rows. An earlier transaction of its
//! own claimed the sources, so that any other run that wants one sees that it is held; readers see no change
//! from that claim.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use postgres::Client;

use super::compare::{refuse_row_security, unfit};
use super::constants::Constants;
use super::forget::delete_sources;
use super::ledger::{Run, prepare_fence};
use super::link::{Link, OUR_PATH};
use super::names::literal;
use super::ownership::{Sources, add_containers, end_idle};
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use super::{Postgres, Settings};
use crate::error::{ErrorKind, Result};
use crate::outage::Outage;
use crate::sink::claim::{lost_ownership, signed, unsigned};
use crate::sink::ledger::{Acknowledged, Anew};
use crate::sink::rebuild::{
    BEFORE, Mended, Provenance, Rebuilt, Words, carry_over_sql, day_column, decisions_sql, is_decided_sql,
    listed, mended_sql, not_alone,
};
use crate::source::{Container, hash16};

/// A rebuild in progress.
#[derive(Debug)]
pub(super) struct Rebuilding {
    pub(super) anew: Vec<Anew>,
    /// Its effects so far.
    pub(super) rebuilt: Rebuilt,
    /// What counts as acknowledged once it is committed.
    pub(super) acknowledged: Acknowledged,
    /// People had decided something about a letter that existed.
    pub(super) has_decisions: bool,
    /// The dates that it marks at its end.
    pub(super) days: BTreeSet<NaiveDate>,
}

const WORDS: Words<'static> = Words {
    letters: "logmill.dead_letters",
    before: "pg_temp.logmill_before",
    codes: "(SELECT array_agg(r.reason ->> 'code' ORDER BY r.reason ->> 'code')
             FROM jsonb_array_elements(d.reasons) r (reason))",
};

/// It lasts as long as it takes to read its files, and its statements as long as there are rows. Not every
/// server has all of these settings.
const PATIENT_SQL: &str = "SELECT set_config(name, '0', true) FROM pg_settings
     WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')";

/// Merges turn these off.
const JOINS_SQL: &str = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

impl Postgres {
    /// Begins the transaction of a rebuild, whose sources are held.
    pub(super) fn begin_rebuild(&mut self, anew: Vec<Anew>) -> Result<(), Trouble> {
        let (constants, settings) = (Arc::clone(&self.constants), self.settings.clone());
        let (run, for_thread) = (self.run, anew.clone());
        let (rebuilt, days) =
            self.run(Step::Rebuild, move |link| begin(link, &constants, &settings, &for_thread, run))?;
        let acknowledged = Acknowledged::default();
        self.rebuild = Some(Rebuilding { anew, rebuilt, acknowledged, has_decisions: false, days });
        Ok(())
    }

    /// After its COMMIT failed: determines whether the rebuild took effect. If not, it must be begun again.
    fn resolve_rebuild(&mut self, rebuild: &Rebuilding, mut trouble: Trouble) -> Result<()> {
        let settings = self.settings.clone();
        let mut outage = Outage::new(settings.patience());
        let mut old = self.session.backend;
        loop {
            old = self.mend(&mut outage, trouble)?.unwrap_or(old);
            let (constants, run, anew) = (Arc::clone(&self.constants), self.run, rebuild.anew.clone());
            let looked = self.run(Step::Claim, move |link| {
                end_idle(&mut link.client, old)?;
                is_there(link, &constants, &anew, run)
            });
            match looked {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    self.left = Some(old);
                    return Err(ErrorKind::Interrupted.into());
                }
                Err(another) => trouble = another,
            }
        }
    }

    /// The result of [`Sink::carry_over`](crate::sink::Sink::carry_over).
    pub(super) fn carry_letters_over(&mut self) -> Result<Option<Mended>> {
        let sources: Vec<i32> = self.rebuild.iter().flat_map(|it| &it.anew).map(|it| it.id).collect();
        let ids = self.persist(self.settings.retry_for, move |link| carry_over(link, &sources))?;
        let (Some(ids), Some(rebuild)) = (ids, &mut self.rebuild) else { return Ok(None) };
        rebuild.has_decisions = true;
        Ok(Mended::of(&self.settings, ids))
    }

    /// Commits all of it. If the answer is lost, the outcome is determined.
    pub(super) fn commit_rebuild(&mut self) -> Result<Rebuilt> {
        let Some(rebuild) = &self.rebuild else { return Ok(Rebuilt::default()) };
        let mut rebuilt = rebuild.rebuilt;
        if rebuild.has_decisions {
            let sources: Vec<i32> = rebuild.anew.iter().map(|it| it.id).collect();
            rebuilt =
                self.persist(self.settings.retry_for, move |link| decisions(link, &sources, rebuilt))?;
        }
        self.mark_rebuilt()?;
        let Some(rebuild) = self.rebuild.take() else { return Err(ErrorKind::Interrupted.into()) };
        let ended = self.run(Step::End, end);
        if let Err(trouble) = ended {
            self.resolve_rebuild(&rebuild, trouble)?;
        }
        self.told.acknowledged = Arc::new(rebuild.acknowledged);
        self.is_as_it_was = false;
        Ok(rebuilt)
    }

    /// Marks the dates of all removed and added rows at once: others wait for the locks until the COMMIT, and
    /// two rebuilds that took them one by one could wait for each other.
    fn mark_rebuilt(&mut self) -> Result<()> {
        let Some(rebuild) = &mut self.rebuild else { return Ok(()) };
        let (days, constants) = (std::mem::take(&mut rebuild.days), Arc::clone(&self.constants));
        self.persist(self.settings.retry_for, move |link| constants.marks.write(link, &days))
    }

    /// Rolls all of it back, if one is in progress.
    pub(super) fn roll_rebuild_back(&mut self) {
        if self.rebuild.take().is_none() {
            return;
        }
        self.told.written.clear();
        let rolled_back = self.session.run(Step::Claim, |link| {
            link.staging.forget();
            at(Step::Claim, link.client.batch_execute("ROLLBACK"))
        });
        // A lost connection has rolled back, and its next use reports the loss.
        let _ = rolled_back;
    }
}

/// The ids of all sources of a rebuild.
fn ids(anew: &[Anew]) -> Vec<i32> {
    anew.iter().map(|it| it.id).collect()
}

/// Begins the transaction, and removes what the sources had.
fn begin(
    link: &mut Link,
    constants: &Constants,
    settings: &Settings,
    anew: &[Anew],
    run: Run,
) -> Result<(Rebuilt, BTreeSet<NaiveDate>), Trouble> {
    pass(Step::Rebuild, "before-rebuild")?;
    prepare_fence(link)?;
    link.staging.forget();
    let client = &mut link.client;
    at(Step::Rebuild, client.batch_execute(&format!("{}; {PATIENT_SQL}", constants.begin_sql)))?;
    lock(client, anew, run)?;
    refuse_others(client, constants)?;
    let dead_letters_superseded = supersede(client, anew)?;
    pass(Step::Rebuild, "after-superseded")?;
    let (rows_removed, days) = remove_rows(client, constants, anew)?;
    pass(Step::Rebuild, "after-rows-deleted")?;
    let sources_removed = remove_sources(client, &settings.job, anew)?;
    set_back(client, constants, anew)?;
    at(Step::Claim, client.batch_execute(&super::dates::begin(&constants.scope)))?;
    let timeout = settings.timeouts.statement.as_millis();
    at(Step::Rebuild, client.batch_execute(&format!("SET LOCAL statement_timeout = {timeout}")))?;
    pass(Step::Rebuild, "after-set-back")?;
    Ok((Rebuilt { rows_removed, dead_letters_superseded, sources_removed, ..Rebuilt::default() }, days))
}

/// Locks sources and checkpoints, and compares these with the claimed ones.
fn lock(client: &mut Client, anew: &[Anew], run: Run) -> Result<(), Trouble> {
    let locked =
        client.query("SELECT FROM logmill.sources WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&ids(anew)]);
    at(Step::Rebuild, locked)?;
    let splits: Vec<_> = anew.iter().flat_map(|it| &it.splits).collect();
    let of: Vec<i32> = splits.iter().map(|(split, _)| split.source).collect();
    let starts: Vec<i64> = splits.iter().map(|(split, _)| signed(split.start)).collect();
    let epochs: Vec<i64> = splits.iter().map(|(_, epoch)| *epoch).collect();
    let ours = client.query(
        "SELECT FROM unnest($1::int[], $2::bigint[], $3::bigint[]) n (id, start, epoch)
         JOIN logmill.checkpoints c ON c.source_id = n.id AND c.split_start = n.start
         WHERE c.epoch = n.epoch AND c.owner_run = $4 AND c.owner_pid = pg_backend_pid()
         ORDER BY c.source_id, c.split_start FOR UPDATE OF c",
        &[&of, &starts, &epochs, &run.id],
    );
    match at(Step::Rebuild, ours)?.len() == splits.len() {
        true => Ok(()),
        false => Err(Trouble::Ours(lost_ownership())),
    }
}

/// If rows name only their day, those of another job would be removed too.
fn refuse_others(client: &mut Client, constants: &Constants) -> Result<(), Trouble> {
    if constants.provenance.and_then(Provenance::day).is_none() {
        return Ok(());
    }
    let other = client.query_opt(
        "SELECT s.job FROM logmill.sources s WHERE s.target = $2 AND s.job <> $1 ORDER BY s.job LIMIT 1",
        &[&constants.scope.job, &constants.scope.target],
    );
    match at(Step::Rebuild, other)? {
        Some(row) => Err(Trouble::Ours(not_alone(&constants.target.name, row.get(0)))),
        None => Ok(()),
    }
}

/// Supersedes the letters, and remembers what they were. Comes before the rows are removed: a replay of one
/// of them has ended then, and its row exists.
fn supersede(client: &mut Client, anew: &[Anew]) -> Result<u64, Trouble> {
    let sources = listed(ids(anew));
    let is_live = format!("d.source_id IN ({sources}) AND d.state <> 'superseded'");
    let sql = format!(
        "SELECT count(*) FROM (SELECT FROM logmill.dead_letters d WHERE {is_live} ORDER BY d.id FOR UPDATE) l"
    );
    at(Step::Rebuild, client.query_one(&sql, &[]))?;
    let sql = format!(
        "CREATE TEMPORARY TABLE {BEFORE} ON COMMIT DROP AS SELECT d.id, d.state FROM logmill.dead_letters d WHERE {is_live}"
    );
    at(Step::Rebuild, client.batch_execute(&sql))?;
    let superseded = client.execute(
        &format!(
            "UPDATE logmill.dead_letters d SET state = 'superseded', last_seen = now()
             FROM {} b WHERE b.id = d.id",
            WORDS.before
        ),
        &[],
    );
    at(Step::Rebuild, superseded)
}

/// Deletes the rows that the sources had, counts them, and returns the affected dates.
fn remove_rows(
    client: &mut Client,
    constants: &Constants,
    anew: &[Anew],
) -> Result<(u64, BTreeSet<NaiveDate>), Trouble> {
    let target = &constants.target;
    refuse_row_security(client, target, Step::Rebuild)?;
    refuse_cascades(client, constants)?;
    let table = target.quoted();
    let of_rebuild = match constants.provenance.and_then(Provenance::day) {
        Some(date) => {
            format!("{} OPERATOR(pg_catalog.=) {}", day_column(), literal(&date.to_string()))
        }
        // An array, so that the same plan serves one source and ten thousand.
        None => {
            format!("source_id OPERATOR(pg_catalog.=) ANY('{{{}}}'::pg_catalog.int4[])", listed(ids(anew)))
        }
    };
    let days = touched_days(client, constants, &of_rebuild, anew)?;
    let path = format!("SET LOCAL search_path = {}", constants.target_path);
    at(Step::Rebuild, client.batch_execute(&path))?;
    let deleted = client.execute(&format!("DELETE FROM {table} WHERE {of_rebuild}"), &[]);
    let deleted = at(Step::Rebuild, deleted)?;
    // A trigger can silently keep a row.
    let left = client.query_one(&format!("SELECT EXISTS (SELECT FROM {table} WHERE {of_rebuild})"), &[]);
    if at(Step::Rebuild, left)?.get(0) {
        return Err(unfit(vec![format!(
            "a trigger or rule of {} keeps rows that are deleted, so nothing was rebuilt; disable it for that",
            target.name
        )]));
    }
    let end = format!("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL search_path = {OUR_PATH}");
    at(Step::Rebuild, client.batch_execute(&end))?;
    Ok((deleted, days))
}

/// The dates of the removed rows, and of the superseded letters.
fn touched_days(
    client: &mut Client,
    constants: &Constants,
    of_rebuild: &str,
    anew: &[Anew],
) -> Result<BTreeSet<NaiveDate>, Trouble> {
    let marks = &constants.marks;
    if !marks.are_wanted(&at(Step::Rebuild, client.simple_query(&marks.lock_sql))?)? {
        return Ok(BTreeSet::new());
    }
    let mut days = marks.days_where(client, &constants.target.quoted(), of_rebuild)?;
    days.extend(marks.days_of_letters(client, ids(anew))?);
    Ok(days)
}

/// Refuses a target whose rows, when they are deleted, delete or change rows of other tables: the new rows
/// would not restore them.
fn refuse_cascades(client: &mut Client, constants: &Constants) -> Result<(), Trouble> {
    let cascade = client.query_opt(
        "SELECT c.conrelid::regclass::text, c.conname::text FROM pg_constraint c
         WHERE c.confrelid = $1 AND c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd') ORDER BY c.conname LIMIT 1",
        &[&constants.target.oid],
    );
    match at(Step::Rebuild, cascade)? {
        Some(row) => {
            let (table, constraint): (String, String) = (row.get(0), row.get(1));
            Err(unfit(vec![format!(
                "rows of {table} go or change with those that they refer to ({constraint}), and a rebuild would not bring \
                 them back; drop that constraint for it"
            )]))
        }
        None => Ok(()),
    }
}

/// Removes the sources that no longer have a file.
fn remove_sources(client: &mut Client, job: &str, anew: &[Anew]) -> Result<u64, Trouble> {
    let gone: Vec<&Anew> = anew.iter().filter(|it| it.file.is_none()).collect();
    if gone.is_empty() {
        return Ok(0);
    }
    let (ids, names): (Vec<i32>, Vec<&str>) = gone.iter().map(|it| (it.id, it.name.as_str())).unzip();
    let noted = client.execute(
        &format!(
            "UPDATE logmill.dead_letters d SET note = concat_ws('; ', d.note, 'of ' || n.name || ', which has no file any more')
             FROM {} b, unnest($1::int[], $2::text[]) n (id, name) WHERE b.id = d.id AND n.id = d.source_id",
            WORDS.before
        ),
        &[&ids, &names],
    );
    at(Step::Rebuild, noted)?;
    may_delete(at(Step::Rebuild, delete_sources(client, job, &ids)))
}

fn may_delete<T>(deleted: Result<T, Trouble>) -> Result<T, Trouble> {
    match deleted {
        Err(Trouble::Server(refusal)) if refusal.code.code() == "42501" => Err(unfit(vec![
            "this role may not delete from the tables of logmill, which this rebuild does; \
             GRANT DELETE ON logmill.sources, logmill.checkpoints, logmill.containers TO it"
                .to_owned(),
        ])),
        deleted => deleted,
    }
}

/// Resets the sources to their start, as the files are now, each as one split.
fn set_back(client: &mut Client, constants: &Constants, anew: &[Anew]) -> Result<(), Trouble> {
    let (mut sources, mut generations, mut epochs) = (Sources::default(), Vec::new(), Vec::new());
    let (mut containers, mut of_others, mut parted): (Vec<(i32, Container)>, Vec<i32>, Vec<i32>) =
        Default::default();
    for it in anew {
        let Some(file) = &it.file else { continue };
        sources.push(it.id, file, (file.fingerprint.head_len, file.fingerprint.head_hash));
        generations.push(it.generation);
        epochs.push(it.epoch());
        if it.has_other_containers {
            of_others.push(it.id);
            containers.extend(file.fingerprint.container.map(|container| (it.id, container)));
        }
        if it.splits.len() > 1 {
            parted.push(it.id);
        }
    }
    let Sources { ids, names, sizes, head_lens, head_hashes, devices, inodes } = &sources;
    let described = client.execute(
        "UPDATE logmill.sources s
         SET generation = n.generation, name = n.name, size = coalesce(n.size, 0), head_len = n.head_len,
             head_hash = n.head_hash, device = n.device, inode = n.inode, tail_start = NULL
         FROM unnest($1::int[], $2::text[], $3::bigint[], $4::int[], $5::bytea[], $6::bigint[], $7::bigint[], $8::int[])
              n (id, name, size, head_len, head_hash, device, inode, generation)
         WHERE s.id = n.id",
        &[ids, names, sizes, head_lens, head_hashes, devices, inodes, &generations],
    );
    at(Step::Rebuild, described)?;
    for (table, condition, of) in
        [("containers", "", &of_others), ("checkpoints", " AND split_start <> 0", &parted)]
    {
        if !of.is_empty() {
            let sql = format!("DELETE FROM logmill.{table} WHERE source_id = ANY($1){condition}");
            may_delete(at(Step::Rebuild, client.execute(&sql, &[of])))?;
        }
    }
    at(Step::Claim, client.batch_execute(&add_containers(&containers)))?;
    let set_back = client.execute(
        "UPDATE logmill.checkpoints c
         SET split_end = NULL, position = 0, lines = 0, tail_len = 0, tail_hash = $3, complete = false, preamble = NULL,
             epoch = n.epoch, rules_hash = $4, rules_since = 0, inserted = 0, updated = 0, unchanged = 0, superseded = 0,
             rejected = 0, blank = 0, skipped = 0, updated_at = now()
         FROM unnest($1::int[], $2::bigint[]) n (id, epoch) WHERE c.source_id = n.id AND c.split_start = 0",
        &[ids, &epochs, &&hash16(b"").0[..], &&constants.rules_hash.0[..]],
    );
    at(Step::Rebuild, set_back)?;
    Ok(())
}

/// Carries over decisions about letters, and returns the letters to retry with their mended bytes. `None` if
/// nothing was decided.
fn carry_over(link: &mut Link, sources: &[i32]) -> Result<Option<Vec<i64>>, Trouble> {
    let client = &mut link.client;
    at(Step::Rebuild, client.batch_execute(JOINS_SQL))?;
    let is_decided = at(Step::Rebuild, client.query_one(&is_decided_sql(&WORDS), &[]))?;
    if !is_decided.get::<_, bool>(0) {
        return Ok(None);
    }
    let sources = listed(sources.iter().copied());
    at(Step::Rebuild, client.batch_execute(&carry_over_sql(&WORDS, &sources)))?;
    let mended = at(Step::Rebuild, client.query(&mended_sql(&WORDS, &sources), &[]))?;
    pass(Step::Rebuild, "after-carried-over")?;
    Ok(Some(mended.iter().map(|row| row.get(0)).collect()))
}

/// The outcome of the decisions.
fn decisions(link: &mut Link, sources: &[i32], rebuilt: Rebuilt) -> Result<Rebuilt, Trouble> {
    let client = &mut link.client;
    at(Step::Rebuild, client.batch_execute(JOINS_SQL))?;
    let sources = listed(sources.iter().copied());
    let row = at(Step::Rebuild, client.query_one(&decisions_sql(&WORDS, &sources), &[]))?;
    let count = |place| unsigned(row.get(place));
    Ok(Rebuilt { discarded_again: count(0), mended_again: count(1), undone: count(2), ..rebuilt })
}

/// Ends the transaction: from here on the rebuild has taken effect.
fn end(link: &mut Link) -> Result<(), Trouble> {
    pass(Step::End, "before-rebuild-commit")?;
    at(Step::End, link.client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    link.staging.forget();
    pass(Step::End, "after-rebuild-commit")
}

/// After a lost COMMIT: whether the rebuild took effect. Checked under the locks of the checkpoints, so that
/// a COMMIT that was still running has ended.
fn is_there(link: &mut Link, constants: &Constants, anew: &[Anew], run: Run) -> Result<bool, Trouble> {
    let client = &mut link.client;
    at(Step::Claim, client.batch_execute(&constants.begin_sql))?;
    let of = |it: &&Anew| it.file.is_some();
    let held: Vec<i32> = anew.iter().filter(of).map(|it| it.id).collect();
    let generations: Vec<i32> = anew.iter().filter(of).map(|it| it.generation).collect();
    let epochs: Vec<i64> = anew.iter().filter(of).map(Anew::epoch).collect();
    let locked = client.query(
        "SELECT FROM logmill.checkpoints WHERE source_id = ANY($1) ORDER BY source_id, split_start FOR UPDATE",
        &[&ids(anew)],
    );
    at(Step::Claim, locked)?;
    let found = client.query_one(
        "SELECT count(*), (SELECT count(*) FROM logmill.sources s WHERE s.id = ANY($5))
         FROM unnest($1::int[], $2::int[], $3::bigint[]) n (id, generation, epoch)
         JOIN logmill.sources s ON s.id = n.id AND s.generation = n.generation
         JOIN logmill.checkpoints c ON c.source_id = n.id AND c.split_start = 0 AND c.epoch = n.epoch
              AND (c.complete OR c.owner_run = $4)",
        &[&held, &generations, &epochs, &run.id, &ids(anew)],
    );
    let found = at(Step::Claim, found)?;
    at(Step::Claim, client.batch_execute("ROLLBACK"))?;
    let (there, sources): (i64, i64) = (found.get(0), found.get(1));
    // A rebuild without any file is recognised by the sources it has removed.
    Ok(unsigned(there) == held.len() as u64 && unsigned(sources) == held.len() as u64)
}
