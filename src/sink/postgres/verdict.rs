//! What a server's error means: the one function that decides.
//!
//! The same SQLSTATE means different things at different steps. A unique violation while a row is written is
//! that row's fault; at any other step it is logmill's. So the verdict depends on the step, the code, and
//! whether the constraint is the key's own; never on the text of a message, which is translated and changes.

use postgres::error::SqlState;

/// The steps of a commit, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Connecting.
    Connect,
    /// Reading or creating something before the first row.
    Prepare,
    /// Reading the remembered sources and letters.
    Look,
    /// Forgetting sources.
    Forget,
    /// Marking dead letters as delivered.
    Mark,
    /// Discarding dead letters.
    Discard,
    /// Computing the metrics of dates.
    RollUp,
    /// Keeping the state of a load whose destination is elsewhere.
    State,
    /// Claiming sources.
    Claim,
    /// Removing what a rebuild replaces.
    Rebuild,
    /// Savepoints; and BEGIN without the fence.
    Begin,
    /// Comparing the target with what the rows were encoded for.
    Compare,
    /// BEGIN, the settings, the lock on the target, locking and comparing the checkpoints, and probing for
    /// rows of this batch.
    Fence,
    /// COPY into the target.
    Copy,
    /// COPY into the temporary table.
    Stage,
    /// The statements that move the stage into the target.
    Merge,
    /// SET CONSTRAINTS ALL IMMEDIATE, unless it is part of the last message.
    Constraints,
    /// COPY of the dead letters.
    DeadLetters,
    /// Marking the dates whose metrics must be computed.
    Marks,
    /// The checkpoints and COMMIT. From here on the outcome can be unknown.
    End,
}

impl Step {
    /// What was being done, for a message.
    pub(super) fn doing(self) -> &'static str {
        match self {
            Step::Connect => "connecting",
            Step::Prepare => "preparing the destination",
            Step::Look => "looking at what is remembered",
            Step::Forget => "forgetting sources",
            Step::Mark => "marking dead letters as delivered",
            Step::Discard => "discarding dead letters",
            Step::RollUp => "computing metrics",
            Step::State => "keeping the state",
            Step::Claim => "claiming the sources",
            Step::Rebuild => "taking away what is loaded anew",
            Step::Begin | Step::Fence => "beginning a batch",
            Step::Compare => "looking at the target's columns",
            Step::Copy => "copying rows into the target",
            Step::Stage => "copying rows into the stage",
            Step::Merge => "merging the stage into the target",
            Step::Constraints => "checking deferred constraints",
            Step::DeadLetters => "writing dead letters",
            Step::Marks => "marking dates",
            Step::End => "committing",
        }
    }

    /// Whether a row can be at fault here.
    fn writes_rows(self) -> bool {
        matches!(self, Step::Copy | Step::Stage | Step::Merge | Step::Constraints)
    }
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A row is at fault: find it and set it aside.
    Isolate,
    /// A row with this key exists: go through the stage.
    Conflict,
    /// Another run holds these sources.
    Held,
    /// Roll back and send the batch again on the same connection.
    Retry,
    /// Reconnect, determine what was committed, and continue.
    Reconnect,
    /// The statement took longer than allowed: send less at a time.
    Halve,
    /// Wait until it resolves or the time is up, then stop.
    Wait,
    /// Stop: it will not resolve by itself.
    Stop,
}

/// Decides. `own_key` says whether the violated constraint is the index of the job's key.
pub(super) fn verdict(step: Step, code: &SqlState, own_key: bool) -> Verdict {
    let code = code.code();
    let class = &code[..2];
    match code {
        // It is unknown whether it was done, or another server may do it: a server that accepts no writes may
        // be the old primary after a failover (25006).
        "40003" | "25006" | "25P03" | "25P04" => return Verdict::Reconnect,
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" => return Verdict::Reconnect,
        "55P03" | "55006" => return Verdict::Retry,
        // A cancelled statement of a batch: by logmill's own statement_timeout (the message would tell, but
        // is translated) or by a person. Sending less resolves the first, and ends at one row for the second.
        "57014" if step >= Step::Copy && step <= Step::Constraints => return Verdict::Halve,
        "08P01" => return Verdict::Stop,
        _ => {}
    }
    match class {
        "08" => return Verdict::Reconnect,
        // Conflicting transactions; a snapshot that is too old.
        "40" | "72" => return Verdict::Retry,
        // No space, an administrator's intervention, a disk; the server behind a foreign table.
        "53" | "57" | "58" | "HV" => return Verdict::Wait,
        "28" => return Verdict::Stop,
        _ => {}
    }
    // The fence raises whatever code is convenient; only the fact that it raises counts. Nothing else in the
    // same message can raise such a code.
    if step == Step::Fence && matches!(class, "22") {
        return Verdict::Held;
    }
    if !step.writes_rows() {
        return Verdict::Stop;
    }
    match code {
        "23505" if own_key => Verdict::Conflict,
        "22P03" | "22P04" | "21000" | "0A000" | "3D000" => Verdict::Stop,
        // A statement that cannot be understood, or comes in the wrong state, is wrong for every row.
        _ if matches!(class, "25" | "26" | "42" | "55" | "XX") => Verdict::Stop,
        // 22, 23, 44, 54, P0001, and whatever a user's trigger or function raises.
        _ => Verdict::Isolate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(step: Step, code: &str) -> Verdict {
        verdict(step, &SqlState::from_code(code), false)
    }

    #[test]
    fn a_row_is_at_fault_only_where_rows_are_written() {
        for code in [
            "23514", "23502", "23503", "23505", "22001", "22021", "44000", "P0001", "54000", "38000", "ZZ123",
        ] {
            for step in [Step::Copy, Step::Stage, Step::Merge, Step::Constraints] {
                assert_eq!(of(step, code), Verdict::Isolate, "{code} at {step:?}");
            }
            for step in [Step::Begin, Step::DeadLetters, Step::Marks, Step::End] {
                assert_eq!(of(step, code), Verdict::Stop, "{code} at {step:?}");
            }
        }
    }

    #[test]
    fn an_outage_is_never_a_bad_row() {
        for step in [Step::Copy, Step::Stage, Step::Merge, Step::Constraints, Step::DeadLetters, Step::End] {
            for code in ["57P01", "57P02", "57P03", "08006", "25P03", "25P04", "25006", "40003"] {
                assert_eq!(of(step, code), Verdict::Reconnect, "{code} at {step:?}");
            }
            for code in ["53100", "53200", "53300", "58030", "57000", "HV000", "HV00N"] {
                assert_eq!(of(step, code), Verdict::Wait, "{code} at {step:?}");
            }
            for code in ["40000", "40001", "40002", "40P01", "55P03", "55006", "72000"] {
                assert_eq!(of(step, code), Verdict::Retry, "{code} at {step:?}");
            }
            for code in [
                "28000", "42501", "42P01", "42703", "42883", "42804", "0A000", "XX000", "22P04", "21000",
                "25P02", "25001", "55000", "55P02", "08P01",
            ] {
                assert_eq!(of(step, code), Verdict::Stop, "{code} at {step:?}");
            }
        }
    }

    #[test]
    fn every_step_says_what_was_being_done() {
        assert_eq!((Step::Fence.doing(), Step::Begin.doing()), ("beginning a batch", "beginning a batch"));
        assert_eq!((Step::Copy.doing(), Step::End.doing()), ("copying rows into the target", "committing"));
    }

    #[test]
    fn what_takes_too_long_is_sent_in_halves_only_where_rows_are_written() {
        for step in [Step::Copy, Step::Stage, Step::Merge, Step::Constraints] {
            assert_eq!(of(step, "57014"), Verdict::Halve, "{step:?}");
        }
        for step in [Step::Prepare, Step::Compare, Step::Fence, Step::DeadLetters, Step::End] {
            assert_eq!(of(step, "57014"), Verdict::Wait, "{step:?}");
        }
    }

    #[test]
    fn the_fence_is_told_by_its_step() {
        assert_eq!(of(Step::Fence, "22P02"), Verdict::Held);
        assert_eq!(of(Step::Fence, "22012"), Verdict::Held);
        assert_eq!(of(Step::Fence, "42P01"), Verdict::Stop);
    }

    #[test]
    fn the_keys_own_index_never_makes_a_reject() {
        assert_eq!(verdict(Step::Copy, &SqlState::UNIQUE_VIOLATION, true), Verdict::Conflict);
        assert_eq!(verdict(Step::Merge, &SqlState::UNIQUE_VIOLATION, true), Verdict::Conflict);
        // Whatever else is violated is no matter of the key.
        assert_eq!(verdict(Step::Copy, &SqlState::CHECK_VIOLATION, true), Verdict::Isolate);
        assert_eq!(verdict(Step::DeadLetters, &SqlState::UNIQUE_VIOLATION, true), Verdict::Stop);
    }
}
