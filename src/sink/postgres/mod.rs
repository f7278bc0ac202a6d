//! PostgreSQL: the promises, kept by one local transaction per batch.
//!
//! No two-phase commit, no superuser, no extension, no session-level lock. This file holds the loop around
//! the transaction: what is retried, and how. The transaction itself is in `transaction`; `recover` handles
//! lost connections, and finds out the outcome of a lost COMMIT.

mod again;
mod apart;
mod ask;
mod calendar;
mod catalog;
mod check;
mod compare;
pub mod connect;
mod constants;
mod cut;
mod dates;
mod dead_letters;
mod destination;
mod discard;
mod encode;
mod filter;
mod fit;
mod forecast;
mod forget;
mod frame;
mod history;
pub(super) mod jsonb;
mod key_index;
mod lanes;
mod ledger;
mod link;
mod look;
mod marks;
mod memories;
mod merge;
mod metrics;
mod names;
mod narrow;
mod numeric;
mod open_letters;
mod outbox;
mod ownership;
mod pieces;
mod pooler;
mod prepare;
mod probe;
mod rebuild;
mod recover;
mod replay;
mod role;
mod rollup;
mod rows;
mod scratch;
mod session;
mod spares;
mod staging;
mod state;
mod stored;
mod strategy;
mod tables;
mod transaction;
mod trouble;
mod verdict;
mod verify;
mod wire;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ask::Ask as _;
use connect::Server;
use constants::Constants;
pub(in crate::sink) use destination::{is_named, make};
pub use encode::CopyEncoder;
use frame::Frame;
use history::PostgresHistory;
use lanes::{Left, Told};
use ledger::Run;
use link::{Backend, Link};
use rebuild::Rebuilding;
use recover::{never_reached, wait_out};
pub(in crate::sink) use scratch::scratch;
use session::Session;
pub(in crate::sink) use session::is_of_answer;
use spares::Spares;
pub(in crate::sink) use state::PostgresState;
use strategy::Strategy;
use tables::SQL as TABLES_SQL;
use transaction::{Done, transaction};
use trouble::{Trouble, at, pass};
use verdict::{Step, Verdict};

use crate::error::{ErrorKind, Result};
use crate::event::Dataset;
use crate::outage::{Outage, Patience};
use crate::sink::bar::Standing;
use crate::sink::claim::{Whose, asks_for_others, is_free, refuse_sources_of_others, signed, unsigned};
use crate::sink::commit::Moved;
use crate::sink::destination::{Settings, Timeouts};
use crate::sink::history::{Filter, ReasonCount, of_target};
use crate::sink::ledger::{Claimed, Holder, Holding, Holdings, went_back};
use crate::sink::rebuild::{Mended, Rebuilt};
use crate::sink::replay::{OpenLetter, Page};
use crate::sink::rollup::{Dates, FAILURES_MAX, RolledUp};
use crate::sink::{
    Answer, Asked, Batch, Committed, Constant, Cut, Ending, Key, OpenLetters, Remembered, Setback, Sink,
    decide,
};
use crate::split::Split;
use crate::work::{self, Recipe, Work};

/// A PostgreSQL database as a destination.
pub struct Postgres {
    server: Arc<Server>,
    settings: Settings,
    session: Session,
    /// Where the connection is left for the next load, if there is one.
    spares: Option<Spares>,
    constants: Arc<Constants>,
    encoder: Arc<CopyEncoder>,
    run: Run,
    owned: Holdings,
    strategy: Strategy,
    /// The rebuild in progress: all batches are in its transaction.
    rebuild: Option<Rebuilding>,
    /// A rebuild that has not committed: its day and its sources are as they were.
    is_as_it_was: bool,
    /// The backend of a lost connection, which may still hold locks.
    left: Option<Backend>,
    told: Told,
    /// What was acknowledged to its lanes or, for a lane, to those beside it.
    told_by_lanes: Left,
    /// Connections for lanes.
    ready: Vec<Session>,
}

impl Postgres {
    /// Connects, prepares everything up to the first row, and opens the run's row. Waits out an outage.
    pub fn open(server: Arc<Server>, settings: Settings) -> Result<Postgres> {
        Postgres::open_with(server, settings, None)
    }

    /// The same on a connection that an earlier load has left in `spares`, if there is one.
    fn open_with(server: Arc<Server>, settings: Settings, spares: Option<Spares>) -> Result<Postgres> {
        let mut outage = Outage::new(settings.patience());
        // A server that was never reached is more often misspelt than down.
        let mut search = Outage::new(Patience { retry_for: settings.reach_for, ..settings.patience() });
        let mut left = None;
        let mut postgres = loop {
            match Postgres::try_open(&server, &settings, spares.as_ref(), &mut left) {
                Ok(postgres) => break postgres,
                Err(trouble) if left.is_none() && trouble.is_unreached() => {
                    let is_short = settings.reach_for < settings.retry_for;
                    wait_out(&mut search, trouble).map_err(|error| never_reached(error, is_short))?;
                }
                Err(trouble) => wait_out(&mut outage, trouble)?,
            }
        };
        drop(search);
        postgres.begin_run()?;
        postgres.spares = spares;
        Ok(postgres)
    }

    fn begin_run(&mut self) -> Result<()> {
        let settings = self.settings.clone();
        self.run = self.persist(settings.retry_for, move |link| ledger::begin_run(link, &settings))?;
        Ok(())
    }

    /// `left` is the backend of an earlier attempt, and then of this one, which may still hold locks.
    fn try_open(
        server: &Arc<Server>,
        settings: &Settings,
        spares: Option<&Spares>,
        left: &mut Option<Backend>,
    ) -> Result<Postgres, Trouble> {
        let spare = spares.and_then(Spares::take);
        let is_new = spare.is_none();
        let session = match spare {
            Some(session) => session,
            None => Session::open(server, settings.deadline, settings.timeouts)?,
        };
        let old = left.replace(session.backend);
        let (to, for_thread) = (Arc::clone(server), settings.clone());
        let prepared = session.run(Step::Prepare, move |link| {
            if let Some(old) = old {
                ownership::end_idle(&mut link.client, old)?;
            }
            link.forget();
            Frame::Transaction.hold(link, |link| prepare::prepare(link, is_new.then_some(&*to), &for_thread))
        })?;
        for warning in prepared.warnings {
            settings.observer.warn(warning);
        }
        Ok(Postgres {
            server: Arc::clone(server),
            settings: settings.clone(),
            session,
            spares: None,
            constants: Arc::new(prepared.constants),
            encoder: Arc::new(prepared.encoder),
            run: Run::default(),
            owned: Holdings::default(),
            strategy: Strategy::default(),
            rebuild: None,
            is_as_it_was: settings.is_rebuild,
            left: None,
            told: Told::default(),
            told_by_lanes: Left::default(),
            ready: Vec::new(),
        })
    }

    /// The encoder from rows to the bytes of COPY, for its benchmark.
    #[doc(hidden)]
    pub fn encoder(&self) -> Arc<CopyEncoder> {
        Arc::clone(&self.encoder)
    }

    /// Runs `work` on the session's thread. After an error the transaction is rolled back, or in a rebuild
    /// what this work did in its transaction.
    fn run<T: Send + 'static>(
        &self,
        step: Step,
        work: impl FnOnce(&mut Link) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let frame = self.frame();
        self.session.run(step, move |link| frame.hold(link, work))
    }

    /// The frame for what is written.
    fn frame(&self) -> Frame {
        if self.rebuild.is_some() { Frame::Savepoint } else { Frame::Transaction }
    }

    /// Runs `work`, which is safe to repeat, until it succeeds or waiting is pointless; on a new connection
    /// if the old one is lost.
    fn persist<T: Send + 'static>(
        &mut self,
        retry_for: Duration,
        work: impl Fn(&mut Link) -> Result<T, Trouble> + Clone + Send + 'static,
    ) -> Result<T> {
        let settings = self.settings.clone();
        let mut outage = Outage::new(Patience { retry_for, ..settings.patience() });
        loop {
            match self.run(Step::Claim, work.clone()) {
                Ok(value) => return Ok(value),
                Err(trouble) => self.mend(&mut outage, trouble)?,
            };
        }
    }
}

impl Sink for Postgres {
    fn work(&self, recipe: Recipe) -> Arc<dyn Work> {
        work::with(recipe, Arc::clone(&self.encoder))
    }

    fn set_constants(&mut self, constants: &[Constant]) -> Result<()> {
        self.encoder = Arc::new(self.encoder.with(constants).map_err(ErrorKind::Unfit)?);
        Ok(())
    }

    fn run_id(&self) -> Option<i64> {
        Some(self.run.id)
    }

    fn dataset(&self) -> Dataset {
        destination::dataset(&self.server, &self.constants.target.remembered())
    }

    fn claim(&mut self, asked: &Asked) -> Result<Vec<Answer>> {
        let settings = self.settings.clone();
        let mut outage = Outage::new(settings.patience());
        let mut holder_since: Option<Instant> = None;
        let mut old = self.left.take();
        self.told.written.clear();
        if asked.files.iter().any(|file| file.fingerprint.size.is_none()) {
            // Recognising an archive can mean inflating it. The result is kept with the candidates, so it is
            // done here once: neither while the lock is held nor where silence is taken for a dead line.
            let remembered = self.remember(Whose::Own)?;
            if let Ok(decisions) = decide(asked, &remembered)
                && asks_for_others(asked, &decisions)
            {
                let _ = refuse_sources_of_others(asked, &decisions, &self.remember(Whose::Others)?);
            }
        }
        let asked = Arc::new(asked.clone());
        loop {
            let (constants, run, backend, for_thread) =
                (Arc::clone(&self.constants), self.run.id, self.session.backend, Arc::clone(&asked));
            let claimed = self.run(Step::Claim, move |link| {
                ownership::claim(link, &constants, &for_thread, run, old, backend)
            });
            let trouble = match claimed {
                Ok(Claimed::Ours { answers, owned, anew }) => {
                    is_free(holder_since.take(), &settings.observer);
                    self.strategy = Strategy::new(owned.clone());
                    self.owned = owned;
                    match asked.rebuild.map_or(Ok(()), |_| self.begin_rebuild(anew)) {
                        Ok(()) => return Ok(answers),
                        Err(trouble) => trouble,
                    }
                }
                Ok(Claimed::Busy(holder)) if asked.take_over => match self.take_over(&holder) {
                    Ok(()) => continue,
                    // Its backend does not end, and holds the locks.
                    Err(trouble) if trouble.verdict(&[]) == Verdict::Retry => {
                        holder.wait(&mut holder_since, asked.wait, settings.patience())?;
                        continue;
                    }
                    Err(trouble) => trouble,
                },
                Ok(Claimed::Busy(holder)) => {
                    holder.wait(&mut holder_since, asked.wait, settings.patience())?;
                    continue;
                }
                Err(trouble) => trouble,
            };
            old = self.mend(&mut outage, trouble)?.or(old);
        }
    }

    fn cut(&mut self, cuts: &[Cut]) -> Result<()> {
        if cuts.is_empty() {
            return Ok(());
        }
        let settings = self.settings.clone();
        let mut outage = Outage::new(settings.patience());
        let cuts: Arc<[Cut]> = cuts.into();
        loop {
            let (constants, owned, for_thread) =
                (Arc::clone(&self.constants), self.owned.clone(), Arc::clone(&cuts));
            let (run, backend) = (self.run.id, self.session.backend);
            let cut = self
                .run(Step::Claim, move |link| cut::cut(link, &constants, &for_thread, &owned, run, backend));
            match cut {
                Ok(owned) => {
                    self.strategy = Strategy::new(owned.clone());
                    self.owned = owned;
                    return Ok(());
                }
                Err(trouble) if trouble.verdict(&[]) == Verdict::Reconnect => {
                    self.regain(&mut outage, trouble)?;
                }
                Err(trouble) => wait_out(&mut outage, trouble)?,
            }
        }
    }

    fn open_lanes(&mut self, lanes: usize) -> Result<usize> {
        self.open_connections(lanes)
    }

    fn lane(&mut self, splits: &[Split]) -> Result<Box<dyn Sink>> {
        Ok(Box::new(self.lane_of(splits)?))
    }

    fn leave(&mut self) {
        self.leave_told();
    }

    fn commit(&mut self, batch: &Arc<Batch>) -> Result<Committed> {
        let settings = self.settings.clone();
        let mut outage = Outage::new(settings.patience());
        let mut manner = self.strategy.first(&self.constants, batch);
        manner.keeps_other_days = self.rebuild.is_some();
        let frame = self.frame();
        loop {
            // The outcome found in the transaction is stored here before COMMIT is sent, so that it is known
            // even if the answer is lost.
            let found = Arc::new(Mutex::new(None));
            let (constants, for_thread, owned, found_there) =
                (Arc::clone(&self.constants), Arc::clone(batch), self.owned.clone(), Arc::clone(&found));
            let manner_there = manner.clone();
            let result = self.run(Step::Begin, move |link| {
                transaction(frame, link, &constants, &for_thread, &owned, &manner_there, &found_there)
            });
            let trouble = match result {
                Ok(()) => return Ok(self.committed(batch, &found)),
                Err(trouble) => trouble,
            };
            self.refuse_deadlock(&trouble)?;
            let verdict = trouble.verdict(&self.constants.key_index.names);
            if self.strategy.after(&mut manner, &trouble, verdict, batch.rows()) {
                continue;
            }
            match verdict {
                Verdict::Conflict | Verdict::Retry | Verdict::Wait => {
                    wait_out(&mut outage, trouble.retryable())?
                }
                Verdict::Reconnect => {
                    let is_there = match batch.is_replay() {
                        true => self.resolve_replay(batch, &mut outage, trouble)?,
                        false => self.resolve(batch, &mut outage, trouble)?,
                    };
                    if is_there {
                        return Ok(self.committed(batch, &found));
                    }
                }
                Verdict::Held => return Err(self.objection()?),
                Verdict::Isolate | Verdict::Halve | Verdict::Stop => return Err(trouble.into_error()),
            }
        }
    }

    fn open_letters(&mut self, filter: &Filter, page: Page) -> Result<Vec<OpenLetter>> {
        let (filter, constants) = (filter.clone(), Arc::clone(&self.constants));
        self.persist(self.settings.retry_for, move |link| {
            replay::open_letters(&mut link.client, tables::VERSION, &constants.scope.target, &filter, page)
        })
    }

    fn open_dead_letters(&mut self, sources: &[i32]) -> Result<OpenLetters> {
        let (sources, constants) = (sources.to_vec(), Arc::clone(&self.constants));
        let sql = format!(
            "SELECT count(*) FILTER (WHERE d.source_id = ANY($1)), count(*) FROM logmill.dead_letters d
             WHERE d.job = $2 AND d.state = 'open' AND {}",
            of_target("logmill.sources", "$3")
        );
        self.persist(self.settings.retry_for, move |link| {
            let row = link.client.ask_one(&sql, &[&sources, &constants.scope.job, &constants.scope.target]);
            let row = at(Step::Claim, row)?;
            Ok(OpenLetters { selected: unsigned(row.get(0)), job: unsigned(row.get(1)) })
        })
    }

    fn standing(&mut self, sources: &[i32]) -> Result<Vec<Standing>> {
        let sources = sources.to_vec();
        self.persist(self.settings.retry_for, move |link| open_letters::standing(&mut link.client, &sources))
    }

    fn open_reasons(&mut self, source: i32) -> Result<Vec<ReasonCount>> {
        self.persist(self.settings.retry_for, move |link| {
            open_letters::reasons(&mut link.client, "logmill.checkpoints", "d.source_id = $1", &[&source])
        })
    }

    fn look_again(&mut self) -> Result<Option<Vec<Setback>>> {
        self.take_left();
        let (constants, acknowledged) = (Arc::clone(&self.constants), Arc::clone(&self.told.acknowledged));
        let run = self.run;
        let look = self.persist(self.settings.retry_for, move |link| {
            again::look_again(link, &constants, run, &acknowledged)
        })?;
        let Some(setbacks) = look.setbacks(&self.told.acknowledged) else { return Ok(None) };
        Arc::make_mut(&mut self.told.acknowledged).forget(&setbacks);
        for setback in &setbacks {
            self.told.written.remove(&setback.split.source);
        }
        self.owned = Holdings::default();
        if !look.has_run {
            self.begin_run()?;
        }
        Ok(Some(setbacks))
    }

    fn carry_over(&mut self) -> Result<Option<Mended>> {
        self.carry_letters_over()
    }

    fn end_rebuild(&mut self) -> Result<Rebuilt> {
        self.commit_rebuild()
    }

    fn abandon(&mut self) -> Result<()> {
        self.roll_rebuild_back();
        Ok(())
    }

    fn lost(&mut self) -> Result<Vec<i32>> {
        self.take_left();
        let table = self.constants.target.quoted();
        let is_gone = match self.constants.key {
            // The run did not ask for the right to read the table.
            Key::None => return Ok(Vec::new()),
            Key::Position => {
                let gone = |place: &str| {
                    format!(
                        "NOT EXISTS (SELECT FROM {table} t WHERE t.source_id = w.id AND t.source_offset = {place})"
                    )
                };
                format!("{} OR {}", gone("w.first"), gone("w.last"))
            }
            _ => format!("NOT EXISTS (SELECT FROM {table})"),
        };
        let sql = format!(
            "SELECT w.id FROM unnest($1::int[], $2::bigint[], $3::bigint[]) w (id, first, last) WHERE {is_gone}"
        );
        let ids: Vec<i32> = self.told.written.keys().copied().collect();
        let (first, last): (Vec<i64>, Vec<i64>) =
            self.told.written.values().map(|&(first, last)| (signed(first), signed(last))).unzip();
        self.persist(self.settings.retry_for, move |link| {
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let rows = at(Step::Claim, link.client.ask(&sql, &[&ids, &first, &last]))?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }

    fn roll_up(&mut self, dates: &Dates) -> Result<RolledUp> {
        let mut rolled_up = RolledUp::default();
        let settings = self.settings.clone();
        if settings.rollups.metrics.is_empty() {
            return Ok(rolled_up);
        }
        let (constants, retry_for) = (Arc::clone(&self.constants), settings.retry_for);
        let (for_thread, dates) = (settings.clone(), dates.clone());
        let due = self.persist(retry_for, move |link| rollup::mark(link, &constants, &for_thread, &dates))?;
        let shapes = Arc::new(Mutex::new(rollup::Shapes::new()));
        for date in due {
            if settings.stop.asked().is_some() || rolled_up.failed.len() >= FAILURES_MAX {
                break;
            }
            let (constants, settings, shapes) =
                (Arc::clone(&self.constants), settings.clone(), Arc::clone(&shapes));
            let failed = self.persist(retry_for, move |link| {
                let job = rollup::Job {
                    rollups: &settings.rollups,
                    target: &constants.target,
                    scope: &constants.scope,
                    path: &constants.target_path,
                    create: settings.create,
                };
                let mut shapes = shapes.lock().unwrap_or_else(PoisonError::into_inner);
                let computed = rollup::compute(link, &constants.begin_sql, job, date, &mut shapes);
                if computed.is_err() {
                    // Whether a table that was created for them exists is unknown.
                    shapes.clear();
                }
                computed
            })?;
            match failed {
                None => rolled_up.dates.push(date),
                Some(failed) => rolled_up.failed.push(failed),
            }
        }
        Ok(rolled_up)
    }

    fn finish(&mut self, ending: &Ending<'_>) -> Result<()> {
        self.take_left();
        self.roll_rebuild_back();
        let (release_sql, close_sql) = (ledger::release_sql(self.run), ledger::close_sql(self.run, ending));
        let retry_for = ending.retry_for(self.settings.retry_for);
        let failure = ending.failure.map(str::to_owned);
        let is_as_it_was = self.is_as_it_was;
        let (constants, acknowledged) = (Arc::clone(&self.constants), Arc::clone(&self.told.acknowledged));
        let run = self.run;
        self.persist(retry_for, move |link| {
            pass(Step::Claim, "before-finish")?;
            let (client, Constants { begin_sql, scope, .. }) = (&mut link.client, &*constants);
            let look = again::look_under_lock(client, (begin_sql, ""), &scope.job, run, &acknowledged)?;
            if look.setbacks(&acknowledged).is_some() {
                return Err(Trouble::Ours(went_back()));
            }
            pass(Step::Claim, "mid-finish")?;
            let dates_sql = if is_as_it_was { String::new() } else { dates::end(scope, failure.as_deref()) };
            at(Step::Claim, client.batch_execute(&format!("{release_sql}; {dates_sql}{close_sql}")))
        })?;
        if let Some(spares) = self.spares.take()
            && let Some(session) = self.session.hand_on()
        {
            spares.keep(session);
        }
        Ok(())
    }
}

impl Postgres {
    /// The remembered sources.
    fn remember(&mut self, whose: Whose) -> Result<Vec<Remembered>> {
        let constants = Arc::clone(&self.constants);
        self.persist(self.settings.retry_for, move |link| {
            memories::remembered(&mut link.client, &constants.scope, whose, tables::VERSION)
        })
    }

    /// Takes from a holder what it holds.
    fn take_over(&mut self, holder: &Holder) -> Result<(), Trouble> {
        let (constants, holder) = (Arc::clone(&self.constants), holder.clone());
        self.run(Step::Claim, move |link| ownership::take_over(link, &constants, &holder))
    }

    /// Records that a batch is committed.
    fn committed(&mut self, batch: &Batch, found: &Mutex<Option<Done>>) -> Committed {
        let done = found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let done = done.expect("a transaction leaves what it found before it commits");
        if let Some(rebuild) = &mut self.rebuild {
            rebuild.days.extend(done.days);
        }
        let Moved { committed, after } = done.moved;
        if batch.is_replay() {
            return committed;
        }
        let acknowledged = match &mut self.rebuild {
            Some(rebuild) => &mut rebuild.acknowledged,
            None => Arc::make_mut(&mut self.told.acknowledged),
        };
        acknowledged.note(batch, &committed.counts, &after, &self.owned);
        for advance in &batch.advances {
            match advance.completes {
                // The split has no owner now, and no reconnect takes it again.
                true => self.owned.forget(advance.split),
                false => {
                    let holding = self.owned.get(advance.split);
                    self.owned.set(advance.split, Holding { position: advance.to, ..holding });
                }
            }
        }
        for (source, first, last) in batch.ends(&committed.refused) {
            self.told.written.entry(source).or_insert((first, last)).1 = last;
        }
        self.strategy.done(&self.constants, done.route, done.refusals);
        committed
    }
}
