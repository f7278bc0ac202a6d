//! Ownership: of all runs, only one may move a source's checkpoint.
//!
//! The checkpoint row names its owner by run, backend and the backend's start, under an epoch that only
//! grows. Taking a source raises its epoch; every batch compares epoch and backend under the row's lock
//! before it writes anything. So an owner that was wrongly believed dead cannot do harm: its next fence
//! refuses it.
//!
//! An owner is dead when its backend is no longer in pg_stat_activity. A backend outlives a killed client for
//! a moment, so a newcomer waits a little before it gives up.

use std::fmt::Write as _;

use postgres::Client;

use super::again::{Splits, lock, look};
use super::ask::{Ask as _, ask_all, with_values};
use super::constants::Constants;
use super::dates;
use super::ledger::Run;
use super::link::{Backend, Link};
use super::memories::{questions, remembered, remembered_by};
use super::names::literal;
use super::tables;
use super::trouble::{Refusal, Trouble, at, pass};
use super::verdict::Step;
use crate::error::{Error, ErrorKind};
use crate::sink::claim::{Scope, Whose, lost_ownership, signed, stored_inode, unsigned};
use crate::sink::ledger::{
    self, Acknowledged, Claimed, Decided, Described, Grown, Holder, Holding, Holdings, Ledger, Taken, Wanted,
};
use crate::sink::{Asked, Remembered};
use crate::source::{Candidate, Container, Hash16, hash16};
use crate::split::Split;

/// Claims the sources of a run in one transaction.
pub(super) fn claim(
    link: &mut Link,
    constants: &Constants,
    asked: &Asked,
    run: i64,
    old: Option<Backend>,
    backend: Backend,
) -> Result<Claimed, Trouble> {
    let client = &mut link.client;
    pass(Step::Claim, "before-claim")?;
    if let Some(old) = old {
        end_old(client, run, old, None)?;
    }
    let end_sql = String::new();
    let mut claiming = Claiming { client, constants, run, backend, end_sql };
    let claimed = ledger::claim(&mut claiming, asked)?;
    let end_sql = claiming.end_sql;
    if let Claimed::Busy(_) = claimed {
        at(Step::Claim, client.batch_execute("ROLLBACK"))?;
        return Ok(claimed);
    }
    pass(Step::Claim, "before-claim-commit")?;
    // Never a lone COMMIT: on a failed transaction it is answered without an error.
    let end_sql = format!("{end_sql}SET CONSTRAINTS ALL IMMEDIATE; COMMIT");
    at(Step::Claim, client.batch_execute(&end_sql))?;
    pass(Step::Claim, "after-claim")?;
    Ok(claimed)
}

/// The transaction of a claim.
struct Claiming<'a> {
    client: &'a mut Client,
    constants: &'a Constants,
    run: i64,
    backend: Backend,
    /// The statements that are sent with COMMIT: those that cannot find a claim overtaken.
    end_sql: String,
}

impl Ledger for Claiming<'_> {
    type Trouble = Trouble;

    /// Begins, and takes the lock on ids first: if two runs see the same new file, only one creates the
    /// source.
    fn remembered(&mut self) -> Result<(Vec<Remembered>, i32), Trouble> {
        let Claiming { client, constants, .. } = self;
        let (job, target) = (literal(&constants.scope.job), literal(&constants.scope.target));
        let begin = format!(
            "{}; SELECT next_source_id FROM logmill.meta FOR UPDATE;
             UPDATE logmill.sources SET target = {target} WHERE job = {job} AND target IS NULL",
            constants.begin_sql
        );
        let [sources, containers] = questions(&constants.scope, Whose::Own, tables::VERSION);
        let [next_id, sources, containers] = ask_all(*client, Step::Claim, [begin, sources, containers])?;
        let next_id = next_id.first().ok_or_else(|| Error::broken("logmill.meta has no row"))?.get(0)?;
        pass(Step::Claim, "after-memories")?;
        Ok((remembered_by(&sources, &containers)?, next_id))
    }

    fn of_others(&mut self) -> Result<Vec<Remembered>, Trouble> {
        remembered(self.client, &self.constants.scope, Whose::Others, tables::VERSION)
    }

    fn holder(&mut self, wanted: &[Wanted<'_>]) -> Result<Option<Holder>, Trouble> {
        find_holder(self.client, wanted, self.run)
    }

    fn write(&mut self, decided: &Decided<'_>) -> Result<(), Trouble> {
        self.take(&decided.taken, decided.rules_hash)?;
        self.grow(&decided.grown, decided.rules_hash)?;
        self.hold(&decided.held)?;
        self.create(&decided.new, decided.rules_hash);
        if !decided.new.is_empty() {
            let _ = write!(self.end_sql, "UPDATE logmill.meta SET next_source_id = {}; ", decided.next_id);
        }
        if decided.begins_any() {
            self.end_sql.push_str(&dates::begin(&self.constants.scope));
        }
        self.describe(&decided.described);
        self.end_sql.push_str(&add_containers(&decided.containers));
        Ok(())
    }
}

/// A live owner of one of these splits, other than this run.
pub(super) fn find_holder(
    client: &mut Client,
    wanted: &[Wanted<'_>],
    run: i64,
) -> Result<Option<Holder>, Trouble> {
    // A claim whose answer was lost still belongs to this run.
    let others = wanted.iter().filter_map(|(name, checkpoint)| {
        let owner = checkpoint.owner.filter(|owner| owner.run != run)?;
        Some((name, owner, owner.start_us?))
    });
    let pids: Vec<i32> = others.clone().map(|(_, owner, _)| owner.pid).collect();
    if pids.is_empty() {
        return Ok(None);
    }
    // If the start time is hidden from this role, the owner counts as alive: waiting is better than loading
    // twice.
    let alive = client.ask(
        "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint,
                concat_ws(', ', nullif(application_name, ''), 'as ' || usename, 'from ' || coalesce(host(client_addr), 'this machine'))
         FROM pg_stat_activity WHERE pid = ANY($1) AND pid <> pg_backend_pid()",
        &[&pids],
    );
    let alive = at(Step::Claim, alive)?;
    for (name, owner, owner_start) in others {
        let found = alive.iter().find(|alive| {
            let start_us: Option<i64> = alive.get(1);
            alive.get::<_, i32>(0) == owner.pid && start_us.is_none_or(|start_us| start_us == owner_start)
        });
        if let Some(found) = found {
            let who = format!("{}, backend {}", found.get::<_, String>(2), owner.pid);
            return Ok(Some(Holder { source: name.to_string(), owner, who }));
        }
    }
    Ok(None)
}

/// Sources, as array parameters of statements.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) ids: Vec<i32>,
    pub(super) names: Vec<String>,
    pub(super) sizes: Vec<Option<i64>>,
    pub(super) head_lens: Vec<i32>,
    pub(super) head_hashes: Vec<Vec<u8>>,
    pub(super) devices: Vec<Option<i64>>,
    pub(super) inodes: Vec<Option<i64>>,
}

impl Sources {
    pub(super) fn push(&mut self, id: i32, file: &Candidate, head: (u32, Hash16)) {
        self.ids.push(id);
        self.names.push(file.name.clone());
        self.sizes.push(file.fingerprint.size.map(signed));
        self.head_lens.push(i32::try_from(head.0).expect("at most HEAD_BYTES"));
        self.head_hashes.push(head.1.0.to_vec());
        let (device, inode) = stored_inode(file.fingerprint.inode);
        self.devices.push(device);
        self.inodes.push(inode);
    }
}

impl Claiming<'_> {
    fn create(&mut self, new: &[(i32, &Candidate)], rules_hash: Hash16) {
        if new.is_empty() {
            return;
        }
        let Claiming { constants, run, backend, .. } = self;
        let mut sources = Sources::default();
        for (id, file) in new {
            sources.push(*id, file, (file.fingerprint.head_len, file.fingerprint.head_hash));
        }
        let Sources { ids, names, sizes, head_lens, head_hashes, devices, inodes } = &sources;
        let Scope { job, target, data_date } = &constants.scope;
        let sql = with_values(
            "INSERT INTO logmill.sources (id, job, target, data_date, name, size, head_len, head_hash, device, inode)
             SELECT id, $1, $2, $3, name, coalesce(size, 0), head_len, head_hash, device, inode
             FROM unnest($4::int[], $5::text[], $6::bigint[], $7::int[], $8::bytea[], $9::bigint[], $10::bigint[])
                  n (id, name, size, head_len, head_hash, device, inode); ",
            &[job, target, data_date, ids, names, sizes, head_lens, head_hashes, devices, inodes],
        );
        self.end_sql.push_str(&sql);
        let sql = with_values(
            "INSERT INTO logmill.checkpoints
                 (source_id, split_start, position, tail_hash, epoch, owner_run, owner_pid, owner_start, rules_hash)
             SELECT id, 0, 0, $5, 1, $2, $3, to_timestamp(0) + $4::bigint * interval '1 microsecond', $6
             FROM unnest($1::int[]) n (id); ",
            &[ids, run, &backend.pid, &backend.start_us, &&hash16(b"").0[..], &&rules_hash.0[..]],
        );
        self.end_sql.push_str(&sql);
    }

    fn take(&mut self, taken: &[Taken], rules_hash: Hash16) -> Result<(), Trouble> {
        if taken.is_empty() {
            return Ok(());
        }
        let Claiming { client, run, backend, .. } = self;
        let ids: Vec<i32> = taken.iter().map(|it| it.split.source).collect();
        let starts: Vec<i64> = taken.iter().map(|it| signed(it.split.start)).collect();
        let epochs: Vec<i64> = taken.iter().map(|it| it.epoch).collect();
        let positions: Vec<i64> = taken.iter().map(|it| signed(it.position)).collect();
        let updated = client.tell(
            "UPDATE logmill.checkpoints c
             SET epoch = n.epoch, complete = false, owner_run = $5, owner_pid = $6,
                 owner_start = to_timestamp(0) + $7::bigint * interval '1 microsecond',
                 rules_since = CASE WHEN c.rules_hash = $8 THEN c.rules_since ELSE c.position END,
                 preamble = CASE WHEN c.rules_hash = $8 THEN c.preamble END, rules_hash = $8
             FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) n (id, start, epoch, position)
             WHERE c.source_id = n.id AND c.split_start = n.start
               AND c.epoch = n.epoch - 1 AND c.position = n.position",
            &[&ids, &starts, &epochs, &positions, run, &backend.pid, &backend.start_us, &&rules_hash.0[..]],
        );
        // The decision was based on a plain read. A COMMIT of the last owner that was running has ended by
        // now, because this statement waited for its lock.
        match at(Step::Claim, updated)? == taken.len() as u64 {
            true => Ok(()),
            false => Err(Trouble::Server(Box::new(Refusal::overtaken()))),
        }
    }

    /// Creates the splits for what sources have grown by.
    fn grow(&mut self, grown: &[Grown], rules_hash: Hash16) -> Result<(), Trouble> {
        if grown.is_empty() {
            return Ok(());
        }
        let Claiming { client, run, backend, .. } = self;
        let ids: Vec<i32> = grown.iter().map(|it| it.last.source).collect();
        let starts: Vec<i64> = grown.iter().map(|it| signed(it.last.start)).collect();
        let epochs: Vec<i64> = grown.iter().map(|it| it.epoch).collect();
        let ends: Vec<i64> = grown.iter().map(|it| signed(it.end)).collect();
        let made = client.tell(
            "WITH ended AS (
                 UPDATE logmill.checkpoints c SET split_end = n.ends
                 FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) n (id, start, epoch, ends)
                 WHERE c.source_id = n.id AND c.split_start = n.start AND c.epoch = n.epoch
                   AND c.position = n.ends AND c.complete
                 RETURNING c.source_id, n.ends, c.rules_hash, c.preamble
             )
             INSERT INTO logmill.checkpoints (source_id, split_start, position, tail_hash, epoch, owner_run, owner_pid,
                 owner_start, rules_hash, preamble)
             SELECT e.source_id, e.ends, e.ends, $5, 1, $6, $7, to_timestamp(0) + $8::bigint * interval '1 microsecond',
                    $9, CASE WHEN e.rules_hash = $9 THEN e.preamble END
             FROM ended e",
            &[
                &ids,
                &starts,
                &epochs,
                &ends,
                &&hash16(b"").0[..],
                run,
                &backend.pid,
                &backend.start_us,
                &&rules_hash.0[..],
            ],
        );
        match at(Step::Claim, made)? == grown.len() as u64 {
            true => Ok(()),
            false => Err(Trouble::Server(Box::new(Refusal::overtaken()))),
        }
    }

    /// Holds splits as they are: a complete one stays complete.
    fn hold(&mut self, held: &[Taken]) -> Result<(), Trouble> {
        if held.is_empty() {
            return Ok(());
        }
        let Claiming { client, run, backend, .. } = self;
        let ids: Vec<i32> = held.iter().map(|it| it.split.source).collect();
        let starts: Vec<i64> = held.iter().map(|it| signed(it.split.start)).collect();
        let epochs: Vec<i64> = held.iter().map(|it| it.epoch).collect();
        let updated = client.tell(
            "UPDATE logmill.checkpoints c
             SET epoch = n.epoch, owner_run = $4, owner_pid = $5,
                 owner_start = to_timestamp(0) + $6::bigint * interval '1 microsecond'
             FROM unnest($1::int[], $2::bigint[], $3::bigint[]) n (id, start, epoch)
             WHERE c.source_id = n.id AND c.split_start = n.start AND c.epoch = n.epoch - 1",
            &[&ids, &starts, &epochs, run, &backend.pid, &backend.start_us],
        );
        match at(Step::Claim, updated)? == held.len() as u64 {
            true => Ok(()),
            false => Err(Trouble::Server(Box::new(Refusal::overtaken()))),
        }
    }

    fn describe(&mut self, described: &[Described<'_>]) {
        if described.is_empty() {
            return;
        }
        let mut sources = Sources::default();
        described.iter().for_each(|it| sources.push(it.id, it.file, it.head));
        let Sources { ids, names, sizes, head_lens, head_hashes, devices, inodes } = &sources;
        self.end_sql.push_str(&with_values(
            "UPDATE logmill.sources s
             SET name = n.name, size = coalesce(n.size, s.size), head_len = n.head_len, head_hash = n.head_hash,
                 device = coalesce(n.device, s.device), inode = coalesce(n.inode, s.inode)
             FROM unnest($1::int[], $2::text[], $3::bigint[], $4::int[], $5::bytea[], $6::bigint[], $7::bigint[])
                  n (id, name, size, head_len, head_hash, device, inode)
             WHERE s.id = n.id AND (s.name, s.size, s.head_len, s.head_hash, s.device, s.inode)
                 IS DISTINCT FROM (n.name, coalesce(n.size, s.size), n.head_len, n.head_hash,
                                   coalesce(n.device, s.device), coalesce(n.inode, s.inode)); ",
            &[ids, names, sizes, head_lens, head_hashes, devices, inodes],
        ));
    }
}

/// The statement that records in which archives sources were seen; empty if there are none.
pub(super) fn add_containers(containers: &[(i32, Container)]) -> String {
    if containers.is_empty() {
        return String::new();
    }
    let ids: Vec<i32> = containers.iter().map(|(id, _)| *id).collect();
    let sizes: Vec<i64> = containers.iter().map(|(_, container)| signed(container.size)).collect();
    let column = |of: fn(&Container) -> Hash16| -> Vec<Vec<u8>> {
        containers.iter().map(|(_, container)| of(container).0.to_vec()).collect()
    };
    let (heads, tails) = (column(|container| container.head_hash), column(|container| container.tail_hash));
    with_values(
        "INSERT INTO logmill.containers SELECT * FROM unnest($1::int[], $2::bigint[], $3::bytea[], $4::bytea[])
         ON CONFLICT DO NOTHING; ",
        &[&ids, &sizes, &heads, &tails],
    )
}

/// Ends an abandoned backend of this run that sits idle in a transaction and holds locks. A backend that is
/// at work is left alone.
pub(super) fn end_idle(client: &mut postgres::Client, old: Backend) -> Result<(), Trouble> {
    let ended = client.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE (state <> 'active' OR wait_event_type = 'Client')
           AND pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2",
        &[&old.pid, &old.start_us],
    );
    at(Step::Prepare, ended)?;
    Ok(())
}

/// Ends abandoned backends of this run: `old`, and those that the checkpoints of these splits name. They may
/// sit in a transaction, waiting for a client that is gone, and hold the locks. A backend that is at work is
/// left alone: it may be committing. The run's other lanes have other splits.
fn end_old(
    client: &mut postgres::Client,
    run: i64,
    old: Backend,
    splits: Option<&Splits>,
) -> Result<(), Trouble> {
    let (ids, starts) = splits.map(|splits| (&splits.ids, &splits.starts)).unzip();
    let ended = client.execute(
        "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
         WHERE (a.state <> 'active' OR a.wait_event_type = 'Client') AND a.pid <> pg_backend_pid()
           AND (a.pid = $1 AND (extract(epoch FROM a.backend_start) * 1000000)::bigint = $2
                OR EXISTS (SELECT FROM logmill.checkpoints c
                           WHERE c.owner_run = $3 AND c.owner_pid = a.pid AND c.owner_start = a.backend_start
                             AND ($4::int[] IS NULL
                                  OR (c.source_id, c.split_start) IN (SELECT * FROM unnest($4::int[], $5::bigint[])))))",
        &[&old.pid, &old.start_us, &run, &ids, &starts],
    );
    at(Step::Claim, ended)?;
    Ok(())
}

/// Takes everything this run owns again after a lost connection, or the splits given to a lane, under new
/// epochs, and returns how far each source is. That is read under the lock of its row, so that a COMMIT that
/// was still running has ended one way or the other.
pub(super) fn reclaim(
    link: &mut Link,
    constants: &Constants,
    owned: &Holdings,
    acknowledged: &Acknowledged,
    run: Run,
    old: Option<Backend>,
    backend: Backend,
) -> Result<Holdings, Trouble> {
    let client = &mut link.client;
    pass(Step::Claim, "before-reclaim")?;
    let splits = Splits::of(owned, acknowledged);
    if let Some(old) = old {
        end_old(client, run.id, old, Some(&splits))?;
    }
    at(Step::Claim, client.batch_execute(&constants.begin_sql))?;
    let look_at = |client: &mut Client| {
        let look = look(client, &constants.scope.job, run, &splits)?;
        look.objection(owned, acknowledged, run.id).map_or(Ok(()), |error| Err(Trouble::Ours(error)))
    };
    // Another run can take this run's splits a moment later; splits that are taken or lost do not come back,
    // so their state can be read without waiting for their locks.
    look_at(client)?;
    lock(client, &splits)?;
    look_at(client)?;
    let mut arrays: (Vec<i32>, Vec<i64>, Vec<i64>) = Default::default();
    arrays.extend(owned.iter().map(|(split, held)| (split.source, signed(split.start), held.epoch)));
    let (ids, starts, epochs) = arrays;
    pass(Step::Claim, "mid-reclaim")?;
    // A complete source has no owner and passes no fence; it is identified by its epoch. Any other source
    // belongs to this run if its row names this run, whatever the epoch: that is higher than known here if
    // the answer to an earlier attempt was lost.
    let rows = client.ask(
        "UPDATE logmill.checkpoints c
         SET epoch = CASE WHEN c.complete THEN c.epoch ELSE c.epoch + 1 END,
             owner_pid = CASE WHEN c.complete THEN NULL ELSE $4::int END,
             owner_start = CASE WHEN c.complete THEN NULL
                                ELSE to_timestamp(0) + $5::bigint * interval '1 microsecond' END
         FROM unnest($1::int[], $6::bigint[], $2::bigint[]) n (id, start, epoch)
         WHERE c.source_id = n.id AND c.split_start = n.start
           AND CASE WHEN c.complete THEN c.epoch = n.epoch ELSE c.owner_run = $3 END
         RETURNING c.source_id, c.split_start, c.epoch, c.position, c.complete",
        &[&ids, &epochs, &run.id, &backend.pid, &backend.start_us, &starts],
    );
    let rows = at(Step::Claim, rows)?;
    if rows.len() != ids.len() {
        return Err(Trouble::Ours(lost_ownership()));
    }
    let mut again = Holdings::default();
    for row in &rows {
        let split = Split { source: row.get(0), start: unsigned(row.get(1)) };
        let is_part = owned.get(split).is_part;
        let (epoch, position, is_complete) = (row.get(2), unsigned(row.get(3)), row.get(4));
        let generation = owned.get(split).generation;
        again.set(split, Holding { epoch, position, is_complete, is_part, generation });
    }
    pass(Step::Claim, "before-reclaim-commit")?;
    at(Step::Claim, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))?;
    pass(Step::Claim, "after-reclaim")?;
    Ok(again)
}

/// Ends the backends of a holder, and takes from its run what it holds. The error names the missing right.
pub(super) fn take_over(link: &mut Link, constants: &Constants, holder: &Holder) -> Result<(), Trouble> {
    // Its lanes have backends of their own.
    let ended = link.client.execute(
        "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a
         WHERE a.pid = $1 AND coalesce((extract(epoch FROM a.backend_start) * 1000000)::bigint, $2) = $2
            OR EXISTS (SELECT FROM logmill.checkpoints c
                       WHERE c.owner_run = $3 AND c.owner_pid = a.pid AND c.owner_start = a.backend_start)",
        &[&holder.owner.pid, &holder.owner.start_us, &holder.owner.run],
    );
    match at(Step::Claim, ended) {
        Ok(_) => {}
        Err(Trouble::Server(refusal)) if refusal.code.code() == "42501" => {
            return Err(Trouble::Ours(
                ErrorKind::Held {
                    source_name: holder.source.clone(),
                    holder: format!("run {} ({})", holder.owner.run, holder.who),
                    then: ", and ending it takes a right that this role lacks: GRANT pg_signal_backend, or \
                           connect as its role",
                }
                .into(),
            ));
        }
        Err(trouble) => return Err(trouble),
    }
    pass(Step::Claim, "mid-take-over")?;
    // A living run reconnects at once, and would have its sources back before this run claims them. From here
    // on they have no owner, under an epoch that the holder does not know.
    let client = &mut link.client;
    at(Step::Claim, client.batch_execute(&constants.begin_sql))?;
    let taken = client.tell(
        "UPDATE logmill.checkpoints
         SET epoch = epoch + 1, owner_run = NULL, owner_pid = NULL, owner_start = NULL WHERE owner_run = $1",
        &[&holder.owner.run],
    );
    if at(Step::Claim, taken)? == 0 {
        return Err(Trouble::Server(Box::new(Refusal::overtaken())));
    }
    at(Step::Claim, client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE; COMMIT"))
}
