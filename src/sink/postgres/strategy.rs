//! How a batch is written, and what earlier batches and failures say of that.

use std::ops::Range;

use super::constants::Constants;
use super::pieces::Refusals;
use super::trouble::Trouble;
use super::verdict::{Step, Verdict};
use crate::sink::ledger::Holdings;
use crate::sink::{Advance, Batch, Key};

/// How a batch is written.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// Which way the rows go; without one, whatever a probe finds.
    pub(super) route: Option<Route>,
    /// Rows are written in pieces under savepoints, so that a refused one costs only itself.
    pub(super) care: Option<Care>,
    /// The probe looks into all partitions, and behind the batch.
    pub(super) probes_far: bool,
    /// Rows are inserted or updated in one statement, because somebody else writes the same
    /// keys or a trigger does.
    pub(super) upsert: bool,
    /// At most so many rows in a statement.
    pub(super) rows_max: usize,
    /// No row of another day may change.
    pub(super) keeps_other_days: bool,
    /// Constraints that are deferred are checked by a message of their own, so that an error of theirs is known
    /// for one.
    pub(super) checks_apart: bool,
}

/// What is known of the rows that the server refuses.
#[derive(Clone, Debug, Default)]
pub(super) struct Care {
    /// One of these was refused when they were written together.
    pub(super) suspects: Range<usize>,
    /// How often rows were refused in the batch before.
    pub(super) refusals: Refusals,
    /// Deferred constraints are checked with each piece: one was violated.
    pub(super) checks_deferred: bool,
}

impl Manner {
    /// After a refusal in a batch of so many rows: it is written in pieces. False if that will
    /// not find more than it did.
    fn be_careful(&mut self, trouble: &Trouble, rows: usize) -> bool {
        let Trouble::Server(refusal) = trouble else { return false };
        let is_deferred = refusal.step == Step::Constraints;
        match &mut self.care {
            Some(care) if care.checks_deferred || !is_deferred => return false,
            care => {
                let suspects = refusal.row.map_or(0..rows, |row| row..row + 1);
                *care =
                    Some(Care { suspects, checks_deferred: is_deferred, ..care.take().unwrap_or_default() });
            }
        }
        true
    }

    /// After a statement that took too long in a batch of so many rows: half as many at a time.
    /// False if that is not possible.
    fn halve(&mut self, rows: usize) -> bool {
        if self.rows_max.min(rows) <= 1 {
            return false;
        }
        self.rows_max = self.rows_max.min(rows).div_ceil(2);
        // No row was refused: pieces may be as long as they can.
        let refusals = Refusals { rows: rows * 2, refused: 0 };
        self.care.get_or_insert(Care { refusals, ..Care::default() });
        true
    }
}

/// The way of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// COPY into the target.
    Direct,
    /// COPY into the stage, then merge.
    Staged,
}

/// After a conflict, so many batches go by the stage before the direct way is tried again.
const STAGED_BATCHES: u32 = 16;

/// What is remembered from batch to batch.
#[derive(Default)]
pub(super) struct Strategy {
    /// How far each source was when it was claimed.
    claimed: Holdings,
    /// Rows of ours were there before their batch.
    is_rerun: bool,
    /// Batches that still go by the stage.
    staged_left: u32,
    /// How often rows were refused in the last batch, if any were.
    refusals: Option<Refusals>,
    /// Something was refused at the end of a batch.
    checks_apart: bool,
}

impl Strategy {
    /// For a run that begins with these sources.
    pub(super) fn new(claimed: Holdings) -> Strategy {
        Strategy { claimed, ..Strategy::default() }
    }

    /// How a batch is written first.
    pub(super) fn first(&self, constants: &Constants, batch: &Batch) -> Manner {
        let (upsert, checks_apart) = (constants.upserts, self.checks_apart);
        let (rows_max, keeps_other_days) = (usize::MAX, false);
        if batch.is_replay() {
            // Rows of the same sources stand around those that are missing.
            let route = Some(Route::Staged);
            let (care, probes_far) = (None, false);
            return Manner { route, care, probes_far, upsert, rows_max, keeps_other_days, checks_apart };
        }
        let route = match constants.key {
            _ if constants.must_stage || self.staged_left > 0 => Some(Route::Staged),
            Key::Position => None,
            _ => Some(Route::Direct),
        };
        // Where rows were refused, others are likely to be: the batch is not sent twice then.
        let care = self.refusals.map(|refusals| Care { refusals, ..Care::default() });
        let is_first = |advance: &Advance| self.claimed.get(advance.split).position == advance.from;
        let probes_far =
            constants.target.kind == 'p' && (self.is_rerun || batch.advances.iter().any(is_first));
        Manner { route, care, probes_far, upsert, rows_max, keeps_other_days, checks_apart }
    }

    /// Whether there is another manner for a batch of so many rows, after this trouble.
    pub(super) fn after(
        &mut self,
        manner: &mut Manner,
        trouble: &Trouble,
        verdict: Verdict,
        rows: usize,
    ) -> bool {
        // The last message checks what was deferred and moves the checkpoints. Which of them was refused
        // shows where each goes by itself; nothing of it is there.
        let may_be_deferred = matches!(verdict, Verdict::Stop | Verdict::Wait);
        if may_be_deferred && !manner.checks_apart && trouble.is_refusal_at(Step::End) {
            (manner.checks_apart, self.checks_apart) = (true, true);
            return true;
        }
        match verdict {
            Verdict::Isolate => manner.be_careful(trouble, rows),
            Verdict::Halve => manner.halve(rows),
            // Two that copy the same keys in another order wait for each other.
            Verdict::Retry if manner.route == Some(Route::Direct) && trouble.is_deadlock() => {
                manner.route = Some(Route::Staged);
                self.staged_left = STAGED_BATCHES;
                true
            }
            Verdict::Conflict if manner.route == Some(Route::Direct) => {
                manner.route = Some(Route::Staged);
                self.staged_left = STAGED_BATCHES;
                true
            }
            Verdict::Conflict if !manner.upsert => {
                manner.upsert = true;
                true
            }
            _ => false,
        }
    }

    /// A batch of rows that went this way is committed.
    pub(super) fn done(&mut self, constants: &Constants, route: Route, refusals: Option<Refusals>) {
        self.refusals = refusals;
        if route == Route::Staged {
            self.is_rerun |= constants.key == Key::Position;
            self.staged_left = self.staged_left.saturating_sub(1);
        }
    }
}
