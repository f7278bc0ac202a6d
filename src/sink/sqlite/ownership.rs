//! Ownership in SQLite: locks that end with their process, and epochs that only grow.
//!
//! A run locks its sources in the file (`lock`) and raises their epochs; every batch compares position and
//! epoch before it writes. `--take-over` does not end the other process: it raises the epoch, and the other
//! run detects that at its next batch and leaves.

use std::io;
use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::dates;
use super::lock::SourceLocks;
use super::{Trouble, check_version, immediate, of_version, pass};
use crate::error::{Error, Result};
use crate::sink::claim::{
    Scope, Whose, asks_for_others, hash, inode, lost_ownership, refuse_sources_of_others, signed,
    stored_inode, unsigned,
};
use crate::sink::ledger::{
    self, Claimed, Decided, Described, Grown, Holder, Holdings, Ledger, Taken, Wanted,
};
use crate::sink::{Asked, Checkpoint, Cut, Owner, Remembered, decide};
use crate::source::{Candidate, Container, Hash16, Preamble, hash16};
use crate::split::Split;

/// Claims the sources of a run in one transaction.
pub(super) fn claim(
    connection: &Connection,
    locks: &SourceLocks,
    path: &Path,
    scope: &Scope,
    asked: &Asked,
    run: i64,
) -> Result<Claimed, Trouble> {
    pass("before-claim")?;
    if asked.files.iter().any(|file| file.fingerprint.size.is_none()) {
        // Recognising an archive can mean inflating it. The result is kept with the candidates, so it is done
        // here once, and not while the database is locked.
        let own = remembered(connection, scope, Whose::Own)?;
        if let Ok(decisions) = decide(asked, &own)
            && asks_for_others(asked, &decisions)
        {
            let others = remembered(connection, scope, Whose::Others)?;
            let _ = refuse_sources_of_others(asked, &decisions, &others);
        }
    }
    let take_over = asked.take_over;
    let mut claiming = Claiming { connection, locks, path, scope, run, take_over };
    // If another run holds a source, nothing was written.
    let claimed = immediate(connection, || {
        let claimed = ledger::claim(&mut claiming, asked)?;
        if matches!(claimed, Claimed::Ours { .. }) {
            pass("before-claim-commit")?;
        }
        Ok(claimed)
    })?;
    if matches!(claimed, Claimed::Ours { .. }) {
        pass("after-claim")?;
    }
    Ok(claimed)
}

/// The transaction of a claim.
struct Claiming<'a> {
    connection: &'a Connection,
    locks: &'a SourceLocks,
    path: &'a Path,
    scope: &'a Scope,
    run: i64,
    take_over: bool,
}

impl Ledger for Claiming<'_> {
    type Trouble = Trouble;

    fn remembered(&mut self) -> Result<(Vec<Remembered>, i32), Trouble> {
        self.connection.execute(
            "UPDATE logmill_sources SET target = ?2 WHERE job = ?1 AND target IS NULL",
            [&self.scope.job, &self.scope.target],
        )?;
        let remembered = remembered(self.connection, self.scope, Whose::Own)?;
        pass("after-memories")?;
        let next_id = "SELECT next_source_id FROM logmill_meta";
        Ok((remembered, self.connection.query_row(next_id, [], |row| row.get(0))?))
    }

    fn of_others(&mut self) -> Result<Vec<Remembered>, Trouble> {
        remembered(self.connection, self.scope, Whose::Others)
    }

    /// Takes the locks of all wanted splits, or of none.
    fn holder(&mut self, wanted: &[Wanted<'_>]) -> Result<Option<Holder>, Trouble> {
        for (index, (source, checkpoint)) in wanted.iter().enumerate() {
            if self.lock(checkpoint.split)? || self.take_over {
                continue;
            }
            for (_, before) in &wanted[..index] {
                self.locks.give_back(before.split).map_err(|cause| self.failed(cause))?;
            }
            let owner = checkpoint.owner.unwrap_or(Owner { run: 0, pid: 0, start_us: None });
            let who = format!("process {}", owner.pid);
            return Ok(Some(Holder { source: (*source).to_owned(), owner, who }));
        }
        Ok(None)
    }

    fn write(&mut self, decided: &Decided<'_>) -> Result<(), Trouble> {
        for (id, file) in &decided.new {
            self.create(*id, file, decided.rules_hash)?;
        }
        for taken in &decided.taken {
            self.take(taken, decided.rules_hash)?;
        }
        for grown in &decided.grown {
            self.grow(grown, decided.rules_hash)?;
        }
        for held in &decided.held {
            self.hold(held)?;
        }
        if decided.begins_any() {
            dates::begin(self.connection, self.scope)?;
        }
        for described in &decided.described {
            self.describe(described)?;
        }
        let mut seen = self.connection.prepare_cached(
            "INSERT INTO logmill_containers VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?;
        for (id, Container { size, head_hash, tail_hash }) in &decided.containers {
            seen.execute(params![id, signed(*size), head_hash.0, tail_hash.0])?;
        }
        if !decided.new.is_empty() {
            self.connection.execute("UPDATE logmill_meta SET next_source_id = ?1", [decided.next_id])?;
        }
        Ok(())
    }
}

impl Claiming<'_> {
    fn failed(&self, cause: io::Error) -> Trouble {
        Trouble::Ours(Error::file("lock", self.path, cause))
    }

    fn lock(&self, split: Split) -> Result<bool, Trouble> {
        self.locks.take(split).map_err(|cause| self.failed(cause))
    }

    fn create(&self, id: i32, file: &Candidate, rules_hash: Hash16) -> Result<(), Trouble> {
        let mut source = self.connection.prepare_cached(
            "INSERT INTO logmill_sources (id, job, target, data_date, name, size, head_len, head_hash, device, inode)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        let Scope { job, target, data_date } = self.scope;
        let (device, inode) = stored_inode(file.fingerprint.inode);
        source.execute(params![
            id,
            job,
            target,
            data_date.map(|date| date.to_string()),
            file.name,
            file.fingerprint.size.map_or(0, signed),
            file.fingerprint.head_len,
            file.fingerprint.head_hash.0,
            device,
            inode
        ])?;
        let mut checkpoint = self.connection.prepare_cached(
            "INSERT INTO logmill_checkpoints
                 (source_id, split_start, position, tail_hash, epoch, owner_run, owner_pid, owner_start, rules_hash)
             VALUES (?1, 0, 0, ?2, 1, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?5)",
        )?;
        checkpoint.execute(params![id, hash16(b"").0, self.run, std::process::id(), rules_hash.0])?;
        self.lock(Split::whole(id))?;
        Ok(())
    }

    fn take(&self, taken: &Taken, rules_hash: Hash16) -> Result<(), Trouble> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE logmill_checkpoints
             SET epoch = ?3, complete = 0, owner_run = ?4, owner_pid = ?5,
                 owner_start = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                 rules_since = CASE WHEN rules_hash = ?6 THEN rules_since ELSE position END,
                 preamble = CASE WHEN rules_hash = ?6 THEN preamble END, rules_hash = ?6
             WHERE source_id = ?1 AND split_start = ?2",
        )?;
        let Split { source, start } = taken.split;
        let pid = std::process::id();
        statement.execute(params![source, signed(start), taken.epoch, self.run, pid, rules_hash.0])?;
        Ok(())
    }

    /// Creates the split for what a source has grown by.
    fn grow(&self, grown: &Grown, rules_hash: Hash16) -> Result<(), Trouble> {
        let (Split { source, start }, end) = (grown.last, signed(grown.end));
        let mut ended = self.connection.prepare_cached(
            "UPDATE logmill_checkpoints SET split_end = ?3 WHERE source_id = ?1 AND split_start = ?2",
        )?;
        ended.execute(params![source, signed(start), end])?;
        let mut made = self.connection.prepare_cached(
            "INSERT INTO logmill_checkpoints (source_id, split_start, position, tail_hash, epoch, owner_run, owner_pid,
                 owner_start, rules_hash, preamble)
             SELECT source_id, ?3, ?3, ?4, 1, ?5, ?6, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?7,
                    CASE WHEN rules_hash = ?7 THEN preamble END
             FROM logmill_checkpoints WHERE source_id = ?1 AND split_start = ?2",
        )?;
        let (nothing, pid) = (hash16(b"").0, std::process::id());
        made.execute(params![source, signed(start), end, nothing, self.run, pid, rules_hash.0])?;
        self.lock(grown.split())?;
        Ok(())
    }

    /// Holds a split as it is: a complete one stays complete.
    fn hold(&self, held: &Taken) -> Result<(), Trouble> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE logmill_checkpoints
             SET epoch = ?3, owner_run = ?4, owner_pid = ?5, owner_start = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
             WHERE source_id = ?1 AND split_start = ?2",
        )?;
        let Split { source, start } = held.split;
        statement.execute(params![source, signed(start), held.epoch, self.run, std::process::id()])?;
        Ok(())
    }

    fn describe(&self, described: &Described<'_>) -> Result<(), Trouble> {
        let Described { id, file, head } = described;
        let mut statement = self.connection.prepare_cached(
            "UPDATE logmill_sources SET name = ?2, size = coalesce(?3, size), head_len = ?4, head_hash = ?5,
                 device = coalesce(?6, device), inode = coalesce(?7, inode)
             WHERE id = ?1 AND (name, size, head_len, head_hash, device, inode)
                 IS NOT (?2, coalesce(?3, size), ?4, ?5, coalesce(?6, device), coalesce(?7, inode))",
        )?;
        let (device, inode) = stored_inode(file.fingerprint.inode);
        let size = file.fingerprint.size.map(signed);
        statement.execute(params![id, file.name, size, head.0, head.1.0, device, inode])?;
        Ok(())
    }
}

/// Cuts splits of this run in one transaction, and locks their parts.
pub(super) fn cut(
    connection: &Connection,
    locks: &SourceLocks,
    path: &Path,
    cuts: &[Cut],
    owned: &mut Holdings,
    run: i64,
) -> Result<(), Trouble> {
    pass("before-cut")?;
    immediate(connection, || {
        let mut end = connection.prepare_cached(
            "UPDATE logmill_checkpoints SET split_end = ?4
             WHERE source_id = ?1 AND split_start = ?2 AND epoch = ?3 AND owner_run = ?5 AND NOT complete
               AND position < ?4",
        )?;
        let mut make = connection.prepare_cached(
            "INSERT INTO logmill_checkpoints
                 (source_id, split_start, split_end, position, tail_hash, epoch, owner_run, owner_pid, owner_start, rules_hash)
             SELECT source_id, ?3, ?4, ?3, ?5, 1, owner_run, owner_pid, owner_start, rules_hash
             FROM logmill_checkpoints WHERE source_id = ?1 AND split_start = ?2",
        )?;
        for cut in cuts {
            let Split { source, start } = cut.split;
            let (epoch, place) = (owned.get(cut.split).epoch, signed(cut.places[0]));
            if end.execute(params![source, signed(start), epoch, place, run])? != 1 {
                return Err(Trouble::Ours(lost_ownership()));
            }
            for (part, end) in cut.parts() {
                let (begin, end) = (signed(part.start), end.map(signed));
                make.execute(params![source, signed(start), begin, end, hash16(b"").0])?;
                locks.take(part).map_err(|cause| Trouble::Ours(Error::file("lock", path, cause)))?;
            }
        }
        pass("before-cut-commit")
    })?;
    owned.cut(cuts, |_| 1);
    pass("after-cut")
}

/// The remembered sources.
pub(super) fn remembered(
    connection: &Connection,
    scope: &Scope,
    whose: Whose,
) -> Result<Vec<Remembered>, Trouble> {
    remembered_of(connection, scope, whose, "s.data_date IS ?3")
}

/// The same for the sources of all days; the day of the scope is ignored.
pub(super) fn remembered_of_days(connection: &Connection, scope: &Scope) -> Result<Vec<Remembered>, Trouble> {
    remembered_of(connection, scope, Whose::Own, "s.data_date IS NOT ?3")
}

fn remembered_of(
    connection: &Connection,
    scope: &Scope,
    whose: Whose,
    of_days: &str,
) -> Result<Vec<Remembered>, Trouble> {
    let (sources, checkpoints) = of_version(check_version(connection)?);
    let is_asked_for = match whose {
        // Sources from an older version have no table yet, and are taken to be in the job's.
        Whose::Own => "s.job = ?1 AND coalesce(s.target, ?2) = ?2",
        Whose::Others => "s.job <> ?1 AND s.target = ?2",
    };
    let sources = format!("{sources} s WHERE {is_asked_for} AND {of_days}");
    let mut statement = connection.prepare_cached(&format!(
        "SELECT s.id, s.name, s.head_len, s.head_hash, s.tail_start,
                c.split_start, c.split_end, c.position, c.lines, c.tail_len, c.tail_hash, c.complete,
                c.rules_hash, c.epoch, c.owner_run, c.owner_pid, c.preamble, s.job, s.device, s.inode, c.rules_since, s.data_date,
                s.generation
         FROM (SELECT s.* FROM {sources}) s JOIN {checkpoints} c ON c.source_id = s.id
         ORDER BY s.id, c.split_start",
    ))?;
    let date = scope.data_date.map(|date| date.to_string());
    let mut rows = statement.query(params![scope.job, scope.target, date])?;
    let mut remembered: Vec<Remembered> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if remembered.last().is_none_or(|memory| memory.source_id != id) {
            let head = (row.get(2)?, hash(&row.get::<_, Vec<u8>>(3)?));
            let tail_start = row.get::<_, Option<i64>>(4)?.map(unsigned);
            let mut memory = Remembered::new(id, row.get(17)?, row.get(1)?, head, tail_start);
            memory.known.inode = inode(row.get(18)?, row.get(19)?);
            memory.generation = row.get(22)?;
            memory.data_date = row.get::<_, Option<String>>(21)?.and_then(|date| date.parse().ok());
            remembered.push(memory);
        }
        let memory = remembered.last_mut().expect("just pushed");
        memory.push(checkpoint(row)?);
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT k.source_id, k.raw_size, k.raw_head_hash, k.raw_tail_hash
         FROM logmill_containers k JOIN (SELECT s.id FROM {sources}) s ON s.id = k.source_id",
    ))?;
    let mut rows = statement.query(params![scope.job, scope.target, date])?;
    while let Some(row) = rows.next()? {
        let container = Container {
            size: unsigned(row.get(1)?),
            head_hash: hash(&row.get::<_, Vec<u8>>(2)?),
            tail_hash: hash(&row.get::<_, Vec<u8>>(3)?),
        };
        // `remembered` is sorted by id.
        if let Ok(index) = remembered.binary_search_by_key(&row.get(0)?, |memory| memory.source_id) {
            remembered[index].known.containers.push(container);
        }
    }
    Ok(remembered)
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
        rules_since: unsigned(row.get(20)?),
        epoch: row.get(13)?,
        owner,
    })
}
