//! How a batch is written, and what earlier batches and failures imply for that.

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
    /// The route of the rows; without one, the probe decides.
    pub(super) route: Option<Route>,
    /// Rows are written in pieces under savepoints, so a refused row costs only itself.
    pub(super) care: Option<Care>,
    /// The probe covers all partitions, and the range after the batch.
    pub(super) probes_far: bool,
    /// Rows are inserted or updated in one statement, because other sessions write the same keys or a trigger
    /// does.
    pub(super) upsert: bool,
    /// The maximum number of rows in a statement.
    pub(super) rows_max: usize,
    /// No row of another day may change.
    pub(super) keeps_other_days: bool,
    /// Deferred constraints are checked by a separate message, so that their errors can be identified.
    pub(super) checks_apart: bool,
}

/// Knowledge about the rows that the server refuses.
#[derive(Clone, Debug, Default)]
pub(super) struct Care {
    /// One of these was refused when they were written together.
    pub(super) suspects: Range<usize>,
    /// How often rows were refused in the previous batch.
    pub(super) refusals: Refusals,
    /// Deferred constraints are checked with each piece, because one was violated.
    pub(super) checks_deferred: bool,
}

impl Manner {
    /// After a refusal in a batch of `rows` rows: writes it in pieces. False if that would find no more than
    /// before.
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

    /// After a statement that took too long in a batch of `rows` rows: halves the number of rows at a time.
    /// False if that is not possible.
    fn halve(&mut self, rows: usize) -> bool {
        if self.rows_max.min(rows) <= 1 {
            return false;
        }
        self.rows_max = self.rows_max.min(rows).div_ceil(2);
        // No row was refused: pieces may be as long as possible.
        let refusals = Refusals { rows: rows * 2, refused: 0 };
        self.care.get_or_insert(Care { refusals, ..Care::default() });
        true
    }
}

/// The route of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// COPY into the target.
    Direct,
    /// COPY into the stage, then merge.
    Staged,
}

/// After a conflict, this many batches go through the stage before the direct route is tried again.
const STAGED_BATCHES: u32 = 16;

/// The state that is kept from batch to batch.
#[derive(Default)]
pub(super) struct Strategy {
    /// The progress of each source when it was claimed.
    claimed: Holdings,
    /// Rows of this run's sources existed before their batch.
    is_rerun: bool,
    /// How many more batches go through the stage.
    staged_left: u32,
    /// How often rows were refused in the last batch, if any were.
    refusals: Option<Refusals>,
    /// Something was refused at the end of a batch.
    checks_apart: bool,
}

impl Strategy {
    /// The strategy of a run that begins with these sources.
    pub(super) fn new(claimed: Holdings) -> Strategy {
        Strategy { claimed, ..Strategy::default() }
    }

    /// The first attempt at writing a batch.
    pub(super) fn first(&self, constants: &Constants, batch: &Batch) -> Manner {
        let (upsert, checks_apart) = (constants.upserts, self.checks_apart);
        let (rows_max, keeps_other_days) = (usize::MAX, false);
        if batch.is_replay() {
            // The rows of the same sources around the missing ones exist.
            let route = Some(Route::Staged);
            let (care, probes_far) = (None, false);
            return Manner { route, care, probes_far, upsert, rows_max, keeps_other_days, checks_apart };
        }
        let route = match constants.key {
            _ if constants.must_stage || self.staged_left > 0 => Some(Route::Staged),
            Key::Position => None,
            _ => Some(Route::Direct),
        };
        // Where rows were refused, more refusals are likely; this way the batch is not sent twice.
        let care = self.refusals.map(|refusals| Care { refusals, ..Care::default() });
        let is_first = |advance: &Advance| self.claimed.get(advance.split).position == advance.from;
        let probes_far =
            constants.target.kind == 'p' && (self.is_rerun || batch.advances.iter().any(is_first));
        Manner { route, care, probes_far, upsert, rows_max, keeps_other_days, checks_apart }
    }

    /// Whether there is another manner for a batch of `rows` rows, after this trouble.
    pub(super) fn after(
        &mut self,
        manner: &mut Manner,
        trouble: &Trouble,
        verdict: Verdict,
        rows: usize,
    ) -> bool {
        // The last message checks deferred constraints and moves the checkpoints. Sending them separately
        // shows which of them was refused; nothing of the batch is committed.
        let may_be_deferred = matches!(verdict, Verdict::Stop | Verdict::Wait);
        if may_be_deferred && !manner.checks_apart && trouble.is_refusal_at(Step::End) {
            (manner.checks_apart, self.checks_apart) = (true, true);
            return true;
        }
        match verdict {
            Verdict::Isolate => manner.be_careful(trouble, rows),
            Verdict::Halve => manner.halve(rows),
            // Two sessions that copy the same keys in different orders wait for each other.
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

    /// Records that a batch of rows that took this route is committed.
    pub(super) fn done(&mut self, constants: &Constants, route: Route, refusals: Option<Refusals>) {
        self.refusals = refusals;
        if route == Route::Staged {
            self.is_rerun |= constants.key == Key::Position;
            self.staged_left = self.staged_left.saturating_sub(1);
        }
    }
}
