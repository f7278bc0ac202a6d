//! Ownership in SQLite: locks that end with their process, and epochs that only grow.
//!
//! A run locks its sources in the file (`lock`) and raises their epochs; every batch compares
//! position and epoch before it writes. `--take-over` does not end the other process: it
//! raises the epoch over its head, and the other finds out at its next batch and leaves.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, Row, params};

use super::lock::SourceLocks;
use super::{Settings, Trouble, check_version, immediate, pass};
use crate::error::{Error, Result};
use crate::sink::claim::{hash, signed, unsigned, wait_for};
use crate::sink::outage::Patience;
use crate::sink::{Checkpoint, Claim, Claims, Memory, Owner, decide};
use crate::source::{Candidate, Container, Hash16, Preamble, hash16};
use crate::split::Split;

/// What a run owns: for each split the epoch under which it does.
#[derive(Clone, Debug, Default)]
pub(super) struct Owned(HashMap<Split, Holding>);

/// One split that is ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holding {
    pub(super) epoch: i64,
    /// Its source has other splits.
    pub(super) is_part: bool,
}

impl Owned {
    pub(super) fn get(&self, split: Split) -> Holding {
        *self.0.get(&split).expect("a split of this run was claimed")
    }
}

pub(super) enum Claimed {
    Ours(Vec<Claim>, Owned),
    Busy(Holder),
}

/// Somebody who holds a source.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    source: String,
    run: i64,
    pid: i32,
}

impl Holder {
    /// Waits for it a moment, or gives up.
    pub(super) fn wait(&self, since: &mut Option<Instant>, patience: Patience<'_>) -> Result<()> {
        let Holder { source, run, pid } = self;
        wait_for(source, &format!("run {run} (process {pid})"), since, patience)
    }
}

/// Claims the sources of a run in one transaction.
pub(super) fn claim(
    connection: &Connection,
    locks: &SourceLocks,
    path: &Path,
    settings: &Settings,
    claims: &Claims,
    run: i64,
) -> Result<Claimed, Trouble> {
    pass("before-claim")?;
    if claims.files.iter().any(|file| file.fingerprint.size.is_none()) {
        // To recognise an archive can mean to inflate it. What is found is kept with the
        // candidates, so it is done here once, and not while we hold the database.
        let _ = decide(claims, &memories(connection, settings)?);
    }
    // Where somebody else holds a source, nothing was written.
    let claimed = immediate(connection, || {
        let claimed = claim_all(connection, locks, path, settings, claims, run)?;
        if matches!(claimed, Claimed::Ours(..)) {
            pass("before-claim-commit")?;
        }
        Ok(claimed)
    })?;
    if matches!(claimed, Claimed::Ours(..)) {
        pass("after-claim")?;
    }
    Ok(claimed)
}

fn claim_all(
    connection: &Connection,
    locks: &SourceLocks,
    path: &Path,
    settings: &Settings,
    claims: &Claims,
    run: i64,
) -> Result<Claimed, Trouble> {
    let memories = memories(connection, settings)?;
    pass("after-memories")?;
    let decisions = decide(claims, &memories)?;
    let failed = |cause| Trouble::Ours(Error::file("lock", path, cause));

    let mut taken: Vec<Split> = Vec::new();
    for decision in &decisions {
        let (Claim::Load { tasks, .. }, Some(index)) = (&decision.claim, decision.memory) else { continue };
        let memory = &memories[index];
        for task in tasks {
            if locks.take(task.split).map_err(failed)? {
                taken.push(task.split);
            } else if !claims.take_over {
                for split in taken {
                    locks.give_back(split).map_err(failed)?;
                }
                let owner = memory.checkpoint(task.split).and_then(|checkpoint| checkpoint.owner);
                let (run, pid) = owner.map_or((0, 0), |owner| (owner.run, owner.pid));
                return Ok(Claimed::Busy(Holder { source: memory.known.name.clone(), run, pid }));
            }
        }
    }

    let first_id: i32 =
        connection.query_row("SELECT next_source_id FROM logmill_meta", [], |row| row.get(0))?;
    let mut next_id = first_id;
    let mut owned = Owned::default();
    let mut result = Vec::with_capacity(decisions.len());
    let owner = Taker { run, pid: std::process::id(), rules_hash: claims.rules_hash };
    for (file, decision) in claims.files.iter().zip(decisions) {
        let mut claim = decision.claim;
        let mut source_id = decision.memory.map(|index| memories[index].source_id);
        match (&mut claim, decision.memory) {
            (Claim::Load { source_id, tasks }, Some(index)) => {
                for task in tasks {
                    let epoch = memories[index].checkpoint(task.split).map_or(0, |it| it.epoch) + 1;
                    owner.resume(connection, task.split, epoch)?;
                    owned.0.insert(task.split, Holding { epoch, is_part: task.is_part() });
                }
                describe(connection, *source_id, file, &memories[index])?;
            }
            (claim @ Claim::Load { .. }, None) => {
                claim.give_id(next_id);
                source_id = Some(next_id);
                owner.create(connection, settings, next_id, file)?;
                let split = Split::whole(next_id);
                locks.take(split).map_err(failed)?;
                owned.0.insert(split, Holding { epoch: 1, is_part: false });
                next_id += 1;
            }
            (Claim::Finished { source_id }, Some(index)) if file.name != memories[index].known.name => {
                describe(connection, *source_id, file, &memories[index])?;
            }
            _ => {}
        }
        if let (Some(source_id), Some(container)) = (source_id, decision.new_container) {
            let mut seen = connection.prepare_cached(
                "INSERT INTO logmill_containers VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            seen.execute(params![
                source_id,
                signed(container.size),
                container.head_hash.0,
                container.tail_hash.0
            ])?;
        }
        result.push(claim);
    }
    if next_id != first_id {
        connection.execute("UPDATE logmill_meta SET next_source_id = ?1", [next_id])?;
    }
    Ok(Claimed::Ours(result, owned))
}

/// What is remembered of the job's sources.
pub(super) fn memories(connection: &Connection, settings: &Settings) -> Result<Vec<Memory>, Trouble> {
    // Tables of version 1, which `plan` only looks at, have none.
    let preamble = if check_version(connection)? > 1 { "c.preamble" } else { "NULL" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT s.id, s.name, s.head_len, s.head_hash, s.tail_start,
                c.split_start, c.split_end, c.position, c.lines, c.tail_len, c.tail_hash, c.complete,
                c.rules_hash, c.epoch, c.owner_run, c.owner_pid, {preamble}
         FROM logmill_sources s JOIN logmill_checkpoints c ON c.source_id = s.id
         WHERE s.job = ?1 AND s.data_date IS ?2
         ORDER BY s.id, c.split_start",
    ))?;
    let date = settings.data_date.map(|date| date.to_string());
    let mut rows = statement.query(params![settings.job, date])?;
    let mut memories: Vec<Memory> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if memories.last().is_none_or(|memory| memory.source_id != id) {
            let head = (row.get(2)?, hash(&row.get::<_, Vec<u8>>(3)?));
            let tail_start = row.get::<_, Option<i64>>(4)?.map(unsigned);
            memories.push(Memory::new(id, row.get(1)?, head, tail_start));
        }
        let memory = memories.last_mut().expect("just pushed");
        memory.push(checkpoint(row)?);
    }
    let mut statement = connection.prepare_cached(
        "SELECT k.source_id, k.raw_size, k.raw_head_hash, k.raw_tail_hash
         FROM logmill_containers k JOIN logmill_sources s ON s.id = k.source_id
         WHERE s.job = ?1 AND s.data_date IS ?2",
    )?;
    let mut rows = statement.query(params![settings.job, date])?;
    while let Some(row) = rows.next()? {
        let container = Container {
            size: unsigned(row.get(1)?),
            head_hash: hash(&row.get::<_, Vec<u8>>(2)?),
            tail_hash: hash(&row.get::<_, Vec<u8>>(3)?),
        };
        // They come by id, as the sources do.
        if let Ok(index) = memories.binary_search_by_key(&row.get(0)?, |memory| memory.source_id) {
            memories[index].known.containers.push(container);
        }
    }
    Ok(memories)
}

fn checkpoint(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    let owner = match (row.get(14)?, row.get(15)?) {
        (Some(run), Some(pid)) => Some(Owner { run, pid, start_us: None }),
        _ => None,
    };
    Ok(Checkpoint {
        split: Split { source: row.get(0)?, start: unsigned(row.get(5)?) },
        end: row.get::<_, Option<i64>>(6)?.map(unsigned),
        position: unsigned(row.get(7)?),
        lines: unsigned(row.get(8)?),
        tail: (row.get(9)?, hash(&row.get::<_, Vec<u8>>(10)?)),
        preamble: Preamble::new(&row.get::<_, Option<Vec<u8>>>(16)?.unwrap_or_default()),
        complete: row.get(11)?,
        rules_hash: hash(&row.get::<_, Vec<u8>>(12)?),
        epoch: row.get(13)?,
        owner,
    })
}

/// Who takes splits.
struct Taker {
    run: i64,
    pid: u32,
    rules_hash: Hash16,
}

impl Taker {
    fn create(
        &self,
        connection: &Connection,
        settings: &Settings,
        id: i32,
        file: &Candidate,
    ) -> Result<(), Trouble> {
        let mut source = connection.prepare_cached(
            "INSERT INTO logmill_sources (id, job, data_date, name, size, head_len, head_hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        source.execute(params![
            id,
            settings.job,
            settings.data_date.map(|date| date.to_string()),
            file.name,
            file.fingerprint.size.map_or(0, signed),
            file.fingerprint.head_len,
            file.fingerprint.head_hash.0
        ])?;
        let mut checkpoint = connection.prepare_cached(
            "INSERT INTO logmill_checkpoints
                 (source_id, split_start, position, tail_hash, epoch, owner_run, owner_pid, owner_start, rules_hash)
             VALUES (?1, 0, 0, ?2, 1, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?5)",
        )?;
        checkpoint.execute(params![id, hash16(b"").0, self.run, self.pid, self.rules_hash.0])?;
        Ok(())
    }

    fn resume(&self, connection: &Connection, split: Split, epoch: i64) -> Result<(), Trouble> {
        let mut statement = connection.prepare_cached(
            "UPDATE logmill_checkpoints
             SET epoch = ?2, complete = 0, owner_run = ?3, owner_pid = ?4,
                 owner_start = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), rules_hash = ?5
             WHERE source_id = ?1 AND split_start = ?6",
        )?;
        statement.execute(params![
            split.source,
            epoch,
            self.run,
            self.pid,
            self.rules_hash.0,
            signed(split.start)
        ])?;
        Ok(())
    }
}

fn describe(connection: &Connection, id: i32, file: &Candidate, memory: &Memory) -> Result<(), Trouble> {
    // As long as nothing is committed, the content is not the source's yet.
    let known = &memory.known;
    let (head_len, head_hash) = match known.position {
        0 => (file.fingerprint.head_len, file.fingerprint.head_hash),
        _ => (known.head_len, known.head_hash),
    };
    let mut statement = connection.prepare_cached(
        "UPDATE logmill_sources SET name = ?2, size = coalesce(?3, size), head_len = ?4, head_hash = ?5
         WHERE id = ?1 AND (name, size, head_len, head_hash) IS NOT (?2, coalesce(?3, size), ?4, ?5)",
    )?;
    statement.execute(params![id, file.name, file.fingerprint.size.map(signed), head_len, head_hash.0])?;
    Ok(())
}
