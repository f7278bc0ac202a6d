//! A session: one connection on its own thread, which can be abandoned.
//!
//! The driver blocks and has no read timeout, so a silent server or network would block the writer forever.
//! So work is sent to the session's thread, and the writer waits for the answer while it watches for
//! progress. After a deadline without progress it asks over a second connection whether the backend is at
//! work; if it is not, the thread and its connection are abandoned. That is safe because of the fence:
//! whatever the old backend may still do, it does under an epoch that is no longer the newest.

use std::any::Any;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};
use postgres::Client;
use postgres::error::SqlState;
use postgres::types::ToSql;

use super::ask::ask_all;
use super::connect::{Cause, NotConnected, Pulse, Server};
use super::link::{APPLICATION_NAME, Backend, Link, leave_path_sql};
use super::trouble::{Refusal, Trouble, odd_answer};
use super::verdict::Step;
use crate::error::{Error, ErrorKind};
use crate::sink::destination::Timeouts;

/// How long a read-only command tolerates silence.
const VISIT_DEADLINE: Duration = Duration::from_secs(60);

/// A backend that cannot be checked, because there is no second connection, may be silent for this many
/// deadlines.
const BLIND_DEADLINES: u32 = 5;

/// How long to wait until a connection that was left is closed.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// At most this many values of a stream wait for the visitor.
const STREAM_MAX: usize = 64;

/// At most this many blocks wait to be pulled.
const PULL_MAX: usize = 4;

/// A connection and its thread.
#[derive(Debug)]
pub(super) struct Session {
    server: Arc<Server>,
    /// After this long without a sign of life, the backend is checked.
    deadline: Duration,
    /// `None` once the session was left.
    work: Option<Sender<Work>>,
    /// Closed when the thread ends, and its connection with it.
    ended: Receiver<()>,
    pulse: Arc<Pulse>,
    /// The backend, as in pg_stat_activity.
    pub(super) backend: Backend,
    /// It fell silent: its thread may be stuck, and accepts no more work.
    is_given_up: Cell<bool>,
}

type Work = Box<dyn FnOnce(&mut Link) + Send>;

impl Session {
    /// Connects. Waits at most the connection's own timeout, and then at most `deadline` for the first
    /// answer.
    pub(super) fn open(
        server: &Arc<Server>,
        deadline: Duration,
        timeouts: Timeouts,
    ) -> Result<Session, Trouble> {
        let (work, queue) = bounded::<Work>(1);
        let (end, ended) = bounded::<()>(0);
        let (ready, opened) = bounded::<Result<Option<Backend>, Trouble>>(2);
        let pulse = Arc::new(Pulse::default());
        let (server, server_there) = (Arc::clone(server), Arc::clone(server));
        let thread_pulse = Arc::clone(&pulse);
        std::thread::Builder::new()
            .name("session".into())
            .spawn(move || {
                let _end = end;
                let mut client = match server_there.connect_watched(APPLICATION_NAME, &thread_pulse) {
                    Ok(client) => client,
                    Err(error) => {
                        let _ = ready.send(Err(not_connected(&error)));
                        return;
                    }
                };
                // From here on the caller measures the time.
                let _ = ready.send(Ok(None));
                let (backend, schemas) = match greet(&mut client, timeouts) {
                    Ok(greeted) => greeted,
                    Err(trouble) => {
                        let _ = ready.send(Err(trouble));
                        return;
                    }
                };
                if ready.send(Ok(Some(backend))).is_err() {
                    return;
                }
                let mut link = Link {
                    client,
                    backend,
                    pulse: thread_pulse,
                    schemas,
                    statements: Default::default(),
                    fence: Default::default(),
                    staging: Default::default(),
                };
                // Ends when the session is dropped.
                for work in queue {
                    work(&mut link);
                }
            })
            .map_err(|cause| Trouble::Ours(Error::no_thread("a thread", &cause)))?;
        let lost = |what: &str| Trouble::Lost { step: Step::Prepare, what: what.to_owned() };
        let mut backend = opened.recv().map_err(|_| lost("the connection's thread ended"))??;
        if backend.is_none() {
            backend =
                opened.recv_timeout(deadline).map_err(|_| lost("no answer to the first question"))??;
        }
        let backend = backend.ok_or_else(|| lost("the connection's thread ended"))?;
        Ok(Session {
            server,
            deadline,
            work: Some(work),
            ended,
            pulse,
            backend,
            is_given_up: Cell::new(false),
        })
    }

    /// A session for a command that only reads, or does one thing: it does not wait for a server that is
    /// away, and not long for a silent one.
    pub(super) fn visit(server: &Arc<Server>, timeouts: Timeouts) -> Result<Session, Error> {
        Session::open(server, VISIT_DEADLINE, timeouts).map_err(|trouble| match trouble {
            Trouble::Lost { what, .. } => ErrorKind::Unreachable { what, waited: None }.into(),
            trouble => trouble.into_error(),
        })
    }

    /// Runs `work` on the connection. If it stays silent for longer than the deadline and a second connection
    /// sees that the backend is not busy, the answer is `Lost`, now and on every later call: no caller waits
    /// twice for a stuck thread.
    pub(super) fn run<T: Send + 'static>(
        &self,
        step: Step,
        work: impl FnOnce(&mut Link) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (answer, answered) = bounded(1);
        let work: Work = Box::new(move |link| {
            // A panic must not end the thread silently: the writer waits for it.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(link)));
            let result = result.unwrap_or_else(|panic| {
                let _ = link.client.batch_execute("ROLLBACK");
                Err(Trouble::Ours(match is_of_answer(&*panic) {
                    true => odd_answer(step),
                    false => Error::broken("the writer panicked"),
                }))
            });
            let _ = answer.send(result);
        });
        let lost = |what: &str| Trouble::Lost { step, what: what.to_owned() };
        if self.is_given_up.get() {
            return Err(lost("the connection was given up"));
        }
        let gone = || lost("the connection's thread ended");
        self.work.as_ref().ok_or_else(gone)?.try_send(work).map_err(|_| gone())?;

        let mut beats = self.pulse.beats();
        let mut silent_since = Instant::now();
        let mut last_beat = silent_since;
        loop {
            match answered.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.pulse.beats();
            if now != beats {
                beats = now;
                silent_since = Instant::now();
                last_beat = silent_since;
            } else if silent_since.elapsed() >= self.deadline {
                let bears = match self.is_at_work() {
                    Some(is_at_work) => is_at_work,
                    None => last_beat.elapsed() < self.deadline * BLIND_DEADLINES,
                };
                if !bears {
                    self.is_given_up.set(true);
                    return Err(lost(&format!("no answer for {} s", last_beat.elapsed().as_secs())));
                }
                silent_since = Instant::now();
            }
        }
    }

    /// Gives its slot on the server back, as far as possible: a role or a pool may have only one. If no
    /// answer comes, it hangs up.
    pub(super) fn leave(&mut self) {
        if self.is_given_up.replace(true) {
            self.pulse.hang_up();
        }
        self.work = None;
        let _ = self.ended.recv_timeout(LEAVING_MAX);
    }

    /// The connection for another load; `None` if it fell silent. Whatever is asked of this session
    /// afterwards is lost.
    pub(super) fn hand_on(&mut self) -> Option<Session> {
        let work = self.work.take().filter(|_| !self.is_given_up.get())?;
        Some(Session {
            server: Arc::clone(&self.server),
            deadline: self.deadline,
            work: Some(work),
            ended: self.ended.clone(),
            pulse: Arc::clone(&self.pulse),
            backend: self.backend,
            is_given_up: Cell::new(false),
        })
    }

    /// The same for work that produces values, which are passed to `visit` until it has seen enough.
    pub(super) fn stream<T: Send + 'static, R: Send + 'static>(
        &mut self,
        step: Step,
        work: impl FnOnce(&mut Link, &mut dyn FnMut(T) -> ControlFlow<()>) -> Result<R, Trouble> + Send + 'static,
        visit: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<R, Trouble> {
        let (give, values) = bounded(STREAM_MAX);
        let work = move |link: &mut Link| {
            let pulse = Arc::clone(&link.pulse);
            work(link, &mut |value| hand_over(&give, value, &pulse))
        };
        // Watched from another thread, because the visitor is busy in this one.
        std::thread::scope(|scope| {
            let watch = scope.spawn(move || self.run(step, work));
            loop {
                // Checked first: the last value is sent before the thread ends. An abandoned session keeps
                // its end of the queue.
                let is_over = watch.is_finished();
                match values.recv_timeout(Duration::from_millis(100)) {
                    Ok(value) => {
                        if visit(value).is_break() {
                            break;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) if !is_over => {}
                    Err(_) => break,
                }
            }
            drop(values);
            watch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The same for a caller that takes the values when it wants them, and does nothing else with this
    /// session.
    pub(super) fn pull<T: Send + 'static>(
        self,
        step: Step,
        work: impl FnOnce(&mut Link, &mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), Trouble> + Send + 'static,
    ) -> Result<Pull<T>, Trouble> {
        let (give, values) = bounded(PULL_MAX);
        let work = move |link: &mut Link| {
            let pulse = Arc::clone(&link.pulse);
            work(link, &mut |value| hand_over(&give, value, &pulse))
        };
        let watch = std::thread::Builder::new().name("watch".into()).spawn(move || self.run(step, work));
        let watch = watch.map_err(|cause| Trouble::Ours(Error::no_thread("a thread", &cause)))?;
        Ok(Pull { values, watch: Some(watch) })
    }

    /// Whether the backend is doing something for this session, as a second connection sees it: it is at work
    /// or waits for a lock, and does not wait for its client. No answer in time counts as no. `None` if there
    /// is no room for a second connection.
    fn is_at_work(&self) -> Option<bool> {
        let (server, backend) = (Arc::clone(&self.server), self.backend);
        let ask = move || -> Result<Option<bool>, postgres::Error> {
            let mut client = match server.connect(APPLICATION_NAME) {
                Ok(client) => client,
                Err(error) if error.is_for_want_of_room() => return Ok(None),
                Err(_) => return Ok(Some(false)),
            };
            client.batch_execute(&leave_path_sql())?;
            let known: [&(dyn ToSql + Sync); 2] = [&backend.pid, &backend.start_us];
            let row = client.query_one(
                "SELECT count(*) > 0 FROM pg_stat_activity
                 WHERE pid = $1 AND (extract(epoch FROM backend_start) * 1000000)::bigint = $2
                   AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'",
                &known,
            )?;
            row.try_get(0).map(Some)
        };
        match within(self.deadline, ask) {
            Some(Ok(answer)) => answer,
            _ => Some(false),
        }
    }
}

/// The values of a session that produces nothing else.
pub(super) struct Pull<T> {
    values: Receiver<T>,
    /// `None` once its end was reported.
    watch: Option<JoinHandle<Result<(), Trouble>>>,
}

impl<T> Pull<T> {
    /// The next value; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<T>, Trouble> {
        loop {
            // Checked first: the last value is sent before the thread ends.
            let is_over = self.watch.as_ref().is_none_or(JoinHandle::is_finished);
            match self.values.recv_timeout(Duration::from_millis(100)) {
                Ok(value) => return Ok(Some(value)),
                Err(RecvTimeoutError::Timeout) if !is_over => {}
                Err(_) => break,
            }
        }
        let Some(watch) = self.watch.take() else { return Ok(None) };
        watch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map(|()| None)
    }
}

/// Passes a value to the visitor, who may take as long as it likes: waiting for it does not count as being
/// stuck.
fn hand_over<T>(visitor: &Sender<T>, mut value: T, pulse: &Pulse) -> ControlFlow<()> {
    pulse.let_go();
    loop {
        pulse.beat();
        match visitor.send_timeout(value, Duration::from_millis(100)) {
            Ok(()) => return ControlFlow::Continue(()),
            Err(SendTimeoutError::Timeout(back)) => value = back,
            Err(SendTimeoutError::Disconnected(_)) => return ControlFlow::Break(()),
        }
    }
}

/// The first statements on a new connection. Returns its backend, and the schemas on its role's search path.
fn greet(client: &mut Client, timeouts: Timeouts) -> Result<(Backend, Vec<String>), Trouble> {
    let mut ask = |then: &str| {
        // These limits apply outside of transactions; a batch sets them too.
        let question = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; {then}
             SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint
             FROM pg_stat_get_activity(pg_backend_pid())",
            timeouts.statement.as_millis(),
            timeouts.lock.as_millis()
        );
        ask_all(client, Step::Prepare, [leave_path_sql(), question])
    };
    // Must come before the first temporary table: a stage of a whole batch then stays in memory. A pool may
    // hand out a session that has had one; then it is only slower.
    let [schemas, backend] = match ask("SET temp_buffers = '64MB';") {
        Err(Trouble::Server(refusal)) if refusal.code == SqlState::INVALID_PARAMETER_VALUE => ask("")?,
        said => said?,
    };
    let schemas: Vec<Option<String>> = schemas.only()?.get(0)?;
    let schemas = schemas.into_iter().flatten().filter(|schema| !schema.starts_with("pg_")).collect();
    let backend = backend.only()?;
    Ok((Backend { pid: backend.get(0)?, start_us: backend.get(1)? }, schemas))
}

/// Whether a panic comes from the driver, over an answer with other columns than were asked for. No real
/// server gives one; an impostor may, and that is an error like others.
pub(in crate::sink) fn is_of_answer(panic: &(dyn Any + Send)) -> bool {
    panic.downcast_ref::<String>().is_some_and(|text| text.starts_with("error retrieving column"))
}

/// The result of `question`, unless it takes too long or its thread cannot be started.
fn within<T: Send + 'static>(limit: Duration, question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (give, take) = bounded(1);
    let asked = std::thread::Builder::new().name("question".into()).spawn(move || {
        let _ = give.send(question());
    });
    asked.ok().and_then(|_| take.recv_timeout(limit).ok())
}

/// Why there is no connection, in the terms that the verdict needs. With several hosts, one that may come
/// back outweighs one that will not.
fn not_connected(error: &NotConnected) -> Trouble {
    let causes = || error.failures().iter().map(|failure| &failure.cause);
    let server = |code| Trouble::Server(Box::new(Refusal::at_connecting(code, error.what(), error.why())));
    if causes().any(|cause| matches!(cause, Cause::Unreached(_))) {
        return Trouble::Lost { step: Step::Connect, what: error.to_string() };
    }
    if causes().any(|cause| matches!(cause, Cause::ReadOnly(_))) {
        return server(SqlState::READ_ONLY_SQL_TRANSACTION);
    }
    match causes().next_back() {
        Some(Cause::Refused { sqlstate, .. }) => server(sqlstate.clone()),
        _ => Trouble::Ours(ErrorKind::Unreachable { what: error.to_string(), waited: None }.into()),
    }
}
