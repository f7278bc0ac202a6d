//! A session: one connection on a thread of its own, that can be given up.
//!
//! The driver blocks and has no read timeout, so a server or a network that falls silent
//! would hold the writer for ever. Work is therefore sent to the session's thread, and the
//! writer waits for the answer with a watch on progress. Without progress for a deadline it
//! asks over a second connection whether the backend is at work; if it is not, the thread
//! and its connection are abandoned. That is safe because the fence is: whatever the old
//! backend may still do, it does under an epoch that is no longer the newest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use postgres::Client;
use postgres::error::SqlState;

use super::connect::{Cause, NotConnected, Target as Server};
use super::trouble::{Refusal, Trouble, at};
use super::verdict::Step;
use crate::error::{Error, Kind};

/// A connection and its thread.
#[derive(Debug)]
pub(super) struct Session {
    work: Sender<Work>,
    pulse: Arc<Pulse>,
    /// The backend, as pg_stat_activity knows it.
    pub(super) backend: Backend,
}

type Work = Box<dyn FnOnce(&mut Link) + Send>;

/// A backend process. The pid alone is not enough: pids come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: i32,
    /// When it began, in microseconds since 1970.
    pub(super) start_us: i64,
}

/// The connection, and what is remembered with it.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) pulse: Arc<Pulse>,
    /// Statements that are prepared on this connection, by name.
    pub(super) statements: super::commit::Statements,
}

/// Signs of life of a session, counted.
#[derive(Debug, Default)]
pub(super) struct Pulse(AtomicU64);

impl Pulse {
    /// Something went on.
    pub(super) fn beat(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long a session may be silent, and whether to go on waiting.
pub(super) struct Patience<'a> {
    /// Without a sign of life for this long, the backend is looked at.
    pub(super) deadline: Duration,
    /// Whether a second signal or the like ends the waiting.
    pub(super) give_up: &'a dyn Fn() -> bool,
}

impl Session {
    /// Connects. Waits no longer than the connection's own timeout allows.
    pub(super) fn open(server: &Arc<Server>, name: &str) -> Result<Session, Trouble> {
        let (work, queue) = bounded::<Work>(1);
        let (ready, opened) = bounded(1);
        let pulse = Arc::new(Pulse::default());
        let (server, name) = (Arc::clone(server), name.to_owned());
        let thread_pulse = Arc::clone(&pulse);
        std::thread::Builder::new()
            .name("session".into())
            .spawn(move || {
                let mut link = match connect(&server, &name) {
                    Ok((client, backend)) => {
                        let link = Link { client, pulse: thread_pulse, statements: Default::default() };
                        if ready.send(Ok(backend)).is_err() {
                            return;
                        }
                        link
                    }
                    Err(trouble) => {
                        let _ = ready.send(Err(trouble));
                        return;
                    }
                };
                // Ends when the session is dropped.
                for work in queue {
                    work(&mut link);
                }
            })
            .map_err(|cause| Trouble::Ours(Error::broken(format!("cannot start a thread: {cause}"))))?;
        let gone = || Trouble::Lost { step: Step::Prepare, what: "the connection's thread ended".into() };
        let backend = opened.recv().map_err(|_| gone())??;
        Ok(Session { work, pulse, backend })
    }

    /// Does `work` on the connection. If it falls silent for longer than the deadline and
    /// `is_at_work` says that the backend is not busy, the answer is `Lost` and this session
    /// must not be used again.
    pub(super) fn run<T: Send + 'static>(
        &self,
        step: Step,
        patience: &Patience<'_>,
        is_at_work: &dyn Fn(Backend) -> bool,
        work: impl FnOnce(&mut Link) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (answer, answered) = bounded(1);
        let work: Work = Box::new(move |link| {
            // A panic must not end the thread without a word: the writer waits for it.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(link)));
            let result = result.unwrap_or_else(|_| Err(Trouble::Ours(Error::broken("the writer panicked"))));
            let _ = answer.send(result);
        });
        let gone = || Trouble::Lost { step, what: "the connection's thread ended".into() };
        self.work.send(work).map_err(|_| gone())?;

        let mut beats = self.pulse.beats();
        let mut silent_since = Instant::now();
        loop {
            match answered.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if (patience.give_up)() {
                return Err(Trouble::Lost { step, what: "given up by a second signal".into() });
            }
            let now = self.pulse.beats();
            if now != beats {
                beats = now;
                silent_since = Instant::now();
            } else if silent_since.elapsed() >= patience.deadline {
                if !is_at_work(self.backend) {
                    let what = format!("no answer for {} s", silent_since.elapsed().as_secs());
                    return Err(Trouble::Lost { step, what });
                }
                silent_since = Instant::now();
            }
        }
    }
}

fn connect(server: &Server, name: &str) -> Result<(Client, Backend), Trouble> {
    let mut client = server.connect(name).map_err(|error| not_connected(&error))?;
    // Before the first temporary table, or never: a stage of a whole batch stays in memory.
    at(Step::Prepare, client.batch_execute("SET temp_buffers = '64MB'"))?;
    let row = client.query_one(
        "SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint
         FROM pg_stat_get_activity(pg_backend_pid())",
        &[],
    );
    let row = at(Step::Prepare, row)?;
    let backend = Backend { pid: row.get(0), start_us: row.get(1) };
    Ok((client, backend))
}

/// Why there is no connection, in the terms in which it is judged. With several hosts, one
/// that may come back counts for more than one that will not.
pub(super) fn not_connected(error: &NotConnected) -> Trouble {
    let what = error.to_string();
    let causes = || error.failures().iter().map(|failure| &failure.cause);
    let server = |code| Trouble::Server(Box::new(Refusal::at_connecting(code, what.clone())));
    if causes().any(|cause| matches!(cause, Cause::Unreached(_))) {
        return Trouble::Lost { step: Step::Prepare, what };
    }
    if causes().any(|cause| matches!(cause, Cause::ReadOnly(_))) {
        return server(SqlState::READ_ONLY_SQL_TRANSACTION);
    }
    match causes().next_back() {
        Some(Cause::Refused { sqlstate, .. }) => server(sqlstate.clone()),
        _ => Trouble::Ours(Kind::Unreachable(what).into()),
    }
}
