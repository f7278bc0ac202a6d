//! PostgreSQL's stored state, for people.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::ToSql;
use postgres::{IsolationLevel, Row, Transaction};

use super::Timeouts;
use super::catalog;
use super::connect::Server;
use super::dates;
use super::filter::{is_meant, meant};
use super::link::Link;
use super::open_letters::reasons;
use super::replay;
use super::session::Session;
use super::tables;
use super::trouble::{Trouble, at};
use super::verdict::Step;
use crate::error::Result;
use crate::sink::claim::{hash, unsigned};
use crate::sink::history::{
    Activity, DeadLetter, Filter, History, Line, OwnerStatus, RunStatus, SourceStatus, Status,
};
use crate::sink::progress::LaneStatus;
use crate::sink::queries::Tables;
use crate::sink::replay::{OpenLetter, Page};
use crate::sink::{Counts, TableName};
use crate::source::Hash16;

/// A PostgreSQL database that is only read.
pub(super) struct PostgresHistory {
    session: Session,
    table: TableName,
    rules_hash: Hash16,
}

/// A reader may take a long time; it does not cause the locks it waits for.
const TIMEOUTS: Timeouts = Timeouts { statement: Duration::ZERO, lock: Duration::from_secs(30) };

impl PostgresHistory {
    /// Connects, to ask what jobs have loaded into a table.
    pub(super) fn open(
        server: &Arc<Server>,
        table: &TableName,
        rules_hash: Hash16,
    ) -> Result<PostgresHistory> {
        Ok(PostgresHistory { session: Session::visit(server, TIMEOUTS)?, table: table.clone(), rules_hash })
    }
}

/// What to read, and about which table.
struct Place {
    /// The name under which its sources are remembered.
    target: String,
    version: i32,
    tables: Tables,
}

/// Runs `look` in one snapshot. `None` if logmill has no tables there.
fn in_snapshot<T>(
    link: &mut Link,
    table: &TableName,
    look: impl FnOnce(&mut Transaction<'_>, &Place) -> Result<T, Trouble>,
) -> Result<Option<T>, Trouble> {
    let Some(version) = tables::version(&mut link.client)? else { return Ok(None) };
    tables::check_version(version)?;
    let (sources, checkpoints) = tables::of_version(version);
    let letters = tables::letters_of_version(version);
    let (runs, progress) = tables::runs_of_version(version);
    let tables = Tables { sources, checkpoints, letters, runs, progress, mark: '$' };
    let target = catalog::remembered(&mut link.client, &link.schemas, table)?;
    let place = Place { target, version, tables };
    let transaction =
        link.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let mut transaction = at(Step::Look, transaction.start())?;
    at(Step::Look, transaction.batch_execute("SET LOCAL TimeZone = 'UTC'"))?;
    let found = look(&mut transaction, &place)?;
    at(Step::Look, transaction.rollback())?;
    Ok(Some(found))
}

impl History for PostgresHistory {
    fn status(&mut self, job: &str) -> Result<Option<Status>> {
        let (job, table, rules_hash) = (job.to_owned(), self.table.clone(), self.rules_hash);
        let status = move |link: &mut Link| {
            in_snapshot(link, &table, |transaction, place| {
                let dates = dates::statuses(transaction, (&job, &place.target), rules_hash, place.version)?;
                Ok(Status { dates, ..status(transaction, place, &job)? })
            })
        };
        self.session.run(Step::Look, status).map_err(Trouble::into_error)
    }

    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>> {
        let (filter, table) = (filter.clone(), self.table.clone());
        let letters = move |link: &mut Link| {
            in_snapshot(link, &table, |transaction, place| {
                replay::open_letters(transaction, place.version, &place.target, &filter, page)
            })
        };
        let letters = self.session.run(Step::Look, letters).map_err(Trouble::into_error)?;
        Ok(letters.unwrap_or_default())
    }

    fn dead_letters(
        &mut self,
        filter: &Filter,
        visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
    ) -> Result<()> {
        let (filter, table) = (filter.clone(), self.table.clone());
        let letters = move |link: &mut Link, give: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>| {
            in_snapshot(link, &table, |transaction, place| dead_letters(transaction, place, &filter, give))
        };
        self.session.stream(Step::Look, letters, visit).map_err(Trouble::into_error)?;
        Ok(())
    }
}

fn status(transaction: &mut Transaction<'_>, place: &Place, job: &str) -> Result<Status, Trouble> {
    let Place { target, tables, .. } = place;
    let of_job: [&(dyn ToSql + Sync); 2] = [&job, target];
    let found = transaction.query(
        &tables.splits(
            "ARRAY (SELECT k.raw_size FROM logmill.containers k WHERE k.source_id = s.id ORDER BY 1),
             EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = c.owner_pid
                     AND coalesce(a.backend_start, c.owner_start) = c.owner_start)",
        ),
        &of_job,
    );
    let reasons = reasons(transaction, tables.checkpoints, &tables.is_of_job(), &of_job)?;
    let open = transaction.query_one(&tables.open_letters(), &of_job);
    let runs = transaction.query(&tables.last_runs(), &[&job]);
    let open = at(Step::Look, open)?;
    let failure = at(Step::Look, transaction.query_opt(&tables.last_failure(), &[&job]))?;
    let success = at(Step::Look, transaction.query_one(&tables.last_success(), &[&job]))?;
    let others = at(Step::Look, transaction.query_one(&tables.other_targets(), &of_job))?;
    let lanes = at(Step::Look, transaction.query(&tables.lanes(), &[&job]))?;
    let activities = activities(transaction, tables, &of_job)?;
    let mut status = Status {
        sources: SourceStatus::of_splits(at(Step::Look, found)?.iter().map(source_status)),
        reasons,
        open_dead_letters: unsigned(open.get(0)),
        undelivered: unsigned(open.get(1)),
        dates: Vec::new(),
        has_other_tables: others.get(0),
        runs: at(Step::Look, runs)?.iter().map(run_status).collect(),
        last_failure: failure.as_ref().map(run_status),
        last_success: success.get(0),
    };
    status.describe_runs(lanes.iter().map(lane_status), activities);
    Ok(status)
}

/// The server's report on the connections that own splits of a job, each with its run. Without
/// pg_read_all_stats, a role only sees that the connections of others exist.
fn activities(
    transaction: &mut Transaction<'_>,
    tables: &Tables,
    of_job: &[&(dyn ToSql + Sync)],
) -> Result<Vec<(i64, Activity)>, Trouble> {
    let Tables { sources, checkpoints, .. } = tables;
    let rows = transaction.query(
        &format!(
            "SELECT DISTINCT ON (a.pid) c.owner_run, a.pid, a.state, a.wait_event_type, a.wait_event,
                    CASE WHEN a.state = 'active' THEN a.query_start ELSE a.state_change END, pg_blocking_pids(a.pid)
             FROM {sources} s JOIN {checkpoints} c ON c.source_id = s.id
             JOIN pg_stat_activity a ON a.pid = c.owner_pid AND coalesce(a.backend_start, c.owner_start) = c.owner_start
             WHERE s.job = $1 AND coalesce(s.target, $2) = $2 ORDER BY a.pid, c.owner_run"
        ),
        of_job,
    );
    Ok(at(Step::Look, rows)?.iter().map(activity).collect())
}

fn activity(row: &Row) -> (i64, Activity) {
    let (state, kind, event): (Option<&str>, Option<&str>, Option<&str>) =
        (row.get(2), row.get(3), row.get(4));
    let word = match (state, kind, event) {
        (None, ..) => "unknown",
        (Some("active"), Some("Lock"), _) => "lock",
        (Some("active"), Some("IPC"), Some("SyncRep")) => "standby",
        // It is in a COPY and waits for rows.
        (Some("active"), Some("Client"), _) => "client",
        (Some("active"), None, _) => "working",
        (Some("active"), Some(_), _) => "server",
        (Some(_), ..) => "client",
    };
    let activity = Activity {
        pid: row.get(1),
        state: word.to_owned(),
        since: row.get(5),
        wait_event: kind.zip(event).map(|(kind, event)| format!("{kind}:{event}")),
        blocked_by: row.get(6),
    };
    (row.get(0), activity)
}

/// A lane, with the run it belongs to.
fn lane_status(row: &Row) -> (i64, LaneStatus) {
    let lane = LaneStatus {
        lane: row.get(1),
        records: unsigned(row.get(2)),
        rejected: unsigned(row.get(3)),
        bytes: unsigned(row.get(4)),
        bytes_total: unsigned(row.get(5)),
        records_per_second: unsigned(row.get(6)),
        bytes_per_second: unsigned(row.get(7)),
        points: serde_json::from_str(row.get(8)).unwrap_or_default(),
    };
    (row.get(0), lane)
}

fn source_status(row: &Row) -> SourceStatus {
    let (inserted, updated, unchanged, superseded, rejected) =
        (row.get(9), row.get(10), row.get(11), row.get(12), row.get(13));
    let owner_run: Option<i64> = row.get(15);
    SourceStatus {
        id: row.get(0),
        name: row.get(1),
        data_date: row.get(2),
        size: unsigned(row.get(3)),
        position: unsigned(row.get(4)),
        complete: row.get(5),
        containers: row.get::<_, Vec<i64>>(19).into_iter().map(unsigned).collect(),
        counts: Counts {
            lines: row.get(6),
            blank: row.get(7),
            skipped: row.get(8),
            records: inserted + updated + unchanged + superseded + rejected,
            inserted,
            updated,
            unchanged,
            superseded,
            rejected,
        },
        open_dead_letters: unsigned(row.get(14)),
        other_rules: false,
        rules: row.get::<_, Option<&[u8]>>(18).map(hash).into_iter().collect(),
        owner: owner_run.map(|run| OwnerStatus {
            run,
            pid: row.get::<_, Option<i32>>(16).unwrap_or(0),
            is_alive: row.get(20),
        }),
        updated_at: row.get(17),
    }
}

fn run_status(row: &Row) -> RunStatus {
    RunStatus {
        id: row.get(0),
        command: row.get(1),
        started_at: row.get(2),
        ended_at: row.get(3),
        outcome: row.get(4),
        exit_code: row.get(5),
        counts: Counts {
            records: row.get(6),
            inserted: row.get(7),
            updated: row.get(8),
            unchanged: row.get(9),
            superseded: row.get(10),
            rejected: row.get(11),
            blank: row.get(12),
            skipped: row.get(13),
            lines: row.get::<_, i64>(6) + row.get::<_, i64>(12) + row.get::<_, i64>(13),
        },
        bytes: unsigned(row.get(14)),
        reason: row.get(15),
        is_alive: false,
        updated_at: None,
        lanes: Vec::new(),
        activity: Vec::new(),
    }
}

fn dead_letters(
    transaction: &mut Transaction<'_>,
    place: &Place,
    filter: &Filter,
    visit: &mut dyn FnMut(DeadLetter) -> ControlFlow<()>,
) -> Result<(), Trouble> {
    let sql = place.tables.letters(&is_meant(place.tables.sources), filter.has_raw);
    let rows = transaction.query_raw(&sql, meant(filter, &place.target));
    let mut rows = at(Step::Look, rows)?;
    while let Some(row) = at(Step::Look, rows.next())? {
        let reasons: String = row.get(7);
        let letter = DeadLetter {
            id: row.get(0),
            source: row.get(1),
            offset: unsigned(row.get(2)),
            line: Line::of_stored(row.get(3), row.get(13), row.get(14)),
            length: unsigned(row.get(4)),
            raw: row.get(15),
            fixed: row.get(16),
            raw_hash: row.get(5),
            stage: row.get(6),
            reasons: serde_json::from_str(&reasons).unwrap_or_default(),
            state: row.get(8),
            attempts: row.get(9),
            first_seen: row.get(10),
            last_seen: row.get(11),
            note: row.get(12),
        };
        if visit(letter).is_break() {
            break;
        }
    }
    Ok(())
}
