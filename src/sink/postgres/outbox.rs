//! The outbox in PostgreSQL.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::ToSql;
use postgres::{Client, Row};

use super::catalog;
use super::connect::Server;
use super::frame::Frame;
use super::link::begin_sql;
use super::session::Session;
use super::tables;
use super::trouble::{Trouble, at, pass};
use super::verdict::Step;
use crate::error::{Error, ErrorKind, Result};
use crate::sink::claim::unsigned;
use crate::sink::destination::Settings;
use crate::sink::history::{Line, of_target, place_of_split};
use crate::sink::outbox::{Delivered, IS_DUE, Outbox, Outgoing, PAGE_BYTES, PAGE_LETTERS, Stretch};

pub(super) struct PostgresOutbox {
    session: Session,
    settings: Settings,
    /// The name under which the sources of the table are remembered.
    target: String,
    /// logmill has no tables there yet.
    is_new: bool,
}

impl PostgresOutbox {
    /// Connects, and does not wait for a server that is away.
    pub(super) fn open(server: &Arc<Server>, settings: &Settings) -> Result<PostgresOutbox> {
        let since = Instant::now();
        let session = loop {
            match Session::visit(server, settings.timeouts) {
                Err(error) if is_for_want_of_room(&error) && since.elapsed() < ROOM_WAIT => {
                    settings.stop.sleep(Duration::from_millis(50));
                }
                session => break session?,
            }
        };
        let table = settings.table.clone();
        let found = session.run(Step::Look, move |link| {
            let version = tables::version(&mut link.client)?;
            version.map(tables::check_present).transpose()?;
            Ok((catalog::remembered(&mut link.client, &link.schemas, &table)?, version.is_none()))
        });
        let (target, is_new) = found.map_err(Trouble::into_error)?;
        Ok(PostgresOutbox { session, settings: settings.clone(), target, is_new })
    }

    /// The rows of a query about the letters `d` of the job in the table, which are its first two parameters.
    fn ask<T: Send + 'static>(
        &self,
        sql: String,
        after: Option<i64>,
        read: impl Fn(&Row) -> T + Send + 'static,
    ) -> Result<Vec<T>> {
        if self.is_new {
            return Ok(Vec::new());
        }
        let (job, target) = (self.settings.job.clone(), self.target.clone());
        let rows = self.session.run(Step::Look, move |link| {
            let parameters: [&(dyn ToSql + Sync); 3] = [&job, &target, &after];
            let parameters = &parameters[..if after.is_some() { 3 } else { 2 }];
            Ok(at(Step::Look, link.client.query(&sql, parameters))?.iter().map(read).collect())
        });
        rows.map_err(Trouble::into_error)
    }
}

/// The backend of a load that has just ended occupies its slot for a moment, and a role may have only one.
const ROOM_WAIT: Duration = Duration::from_secs(2);

fn is_for_want_of_room(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Server { sqlstate: Some(code), .. } if code.starts_with("53"))
}

/// The condition that a letter is due and belongs to the job and the table.
fn is_ours_and_due() -> String {
    format!("{IS_DUE} AND d.job = $1 AND {}", of_target("logmill.sources", "$2"))
}

/// The columns that are read of a letter `d` of a source `s`.
fn columns() -> String {
    format!(
        "d.id, d.source_id, coalesce(s.name, ''), s.data_date, d.generation::bigint, d.source_offset, d.line,
     d.length, d.raw, d.raw_hash, d.stage, d.reasons::text, d.state, d.attempts, d.first_seen, d.delivered_at IS NULL,
         d.fixed, {}",
        place_of_split("logmill.checkpoints")
    )
}

fn outgoing(row: &Row) -> Outgoing {
    let reasons: String = row.get(11);
    let state: String = row.get(12);
    Outgoing {
        id: row.get(0),
        source_id: row.get(1),
        source: row.get(2),
        data_date: row.get(3),
        generation: row.get(4),
        offset: unsigned(row.get(5)),
        line: Line::of_stored(row.get(6), row.get(17), row.get(18)),
        length: unsigned(row.get(7)),
        raw: row.get(8),
        raw_hash: row.get(9),
        fixed: row.get(16),
        stage: row.get(10),
        reasons: serde_json::from_str(&reasons).unwrap_or_default(),
        is_due: state == "open" && row.get(15),
        state,
        attempts: row.get(13),
        first_seen: row.get(14),
    }
}

impl Outbox for PostgresOutbox {
    fn table(&mut self) -> Result<String> {
        Ok(self.target.clone())
    }

    fn due(&mut self) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM logmill.dead_letters d WHERE {}", is_ours_and_due());
        let counts = self.ask(sql, None, |row| unsigned(row.get(0)))?;
        Ok(counts.into_iter().sum())
    }

    fn next_due(&mut self, after: i64) -> Result<Vec<Outgoing>> {
        let columns = columns();
        let sql = format!(
            "SELECT {columns} FROM (
                 SELECT d.*, row_number() OVER (ORDER BY d.id) AS place,
                        sum(coalesce(length(d.raw), 0) + coalesce(length(d.fixed), 0)) OVER (ORDER BY d.id) AS bytes
                 FROM (SELECT * FROM logmill.dead_letters d WHERE {} AND d.id > $3
                       ORDER BY d.id LIMIT {PAGE_LETTERS}) d
             ) d LEFT JOIN logmill.sources s ON s.id = d.source_id
             WHERE d.place = 1 OR d.bytes <= {PAGE_BYTES} ORDER BY d.id",
            is_ours_and_due()
        );
        self.ask(sql, Some(after), outgoing)
    }

    fn due_stretches(&mut self) -> Result<Vec<Stretch>> {
        let sql = format!(
            "SELECT d.source_id, d.source_offset / {} FROM logmill.dead_letters d WHERE {}
             GROUP BY 1, 2 ORDER BY min(d.id)",
            Stretch::BYTES,
            is_ours_and_due()
        );
        self.ask(sql, None, |row| Stretch { source_id: row.get(0), number: row.get(1) })
    }

    fn letters_of(&mut self, stretch: Stretch, visit: &mut dyn FnMut(Outgoing) -> Result<()>) -> Result<()> {
        let ((start, end), job) = (stretch.offsets(), self.settings.job.clone());
        // Each half has an index: the one of places holds no superseded letters.
        let columns = columns();
        let half = |state: &str| {
            format!(
                "SELECT {columns} FROM logmill.dead_letters d LEFT JOIN logmill.sources s ON s.id = d.source_id
                 WHERE d.job = $1 AND d.source_id = $2 AND d.source_offset >= $3 AND d.source_offset < $4 AND d.state {state}"
            )
        };
        let sql = format!("{} UNION ALL {} ORDER BY 6, 1", half("<> 'superseded'"), half("= 'superseded'"));
        let letters = move |link: &mut super::link::Link,
                            give: &mut dyn FnMut(Outgoing) -> ControlFlow<()>| {
            let parameters: [&(dyn ToSql + Sync); 4] = [&job, &stretch.source_id, &start, &end];
            let mut rows = at(Step::Look, link.client.query_raw(&sql, parameters))?;
            while let Some(row) = at(Step::Look, rows.next())? {
                if give(outgoing(&row)).is_break() {
                    break;
                }
            }
            Ok(())
        };
        let mut visited = Ok(());
        let streamed = self.session.stream(Step::Look, letters, &mut |letter| {
            visited = visit(letter);
            if visited.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        visited.and(streamed.map_err(Trouble::into_error))
    }

    fn mark(&mut self, delivered: &Delivered) -> Result<()> {
        let (runs, timeouts) = (delivered.runs().to_vec(), self.settings.timeouts);
        let job = self.settings.job.clone();
        let mark = move |client: &mut Client| {
            at(Step::Mark, client.batch_execute(&begin_sql(timeouts)))?;
            for run in &runs {
                let update = client.execute(
                    &format!(
                        "UPDATE logmill.dead_letters d SET delivered_at = now()
                         WHERE d.id BETWEEN $1 AND $2 AND d.attempts = $3 AND d.job = $4 AND {IS_DUE}"
                    ),
                    &[&run.first, &run.last, &run.attempts, &job],
                );
                at(Step::Mark, update)?;
            }
            pass(Step::Mark, "before-mark-commit")?;
            at(Step::Mark, client.batch_execute("COMMIT"))
        };
        let marked = self
            .session
            .run(Step::Mark, move |link| Frame::Transaction.hold(link, |link| mark(&mut link.client)));
        marked.map_err(Trouble::into_error)
    }
}
