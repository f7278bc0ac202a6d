//! Recovery: waits, new connections, and finding out what was committed before the answer was lost.
//!
//! A lost connection tells nothing about the last message. So everything the run owns is taken again on the
//! new connection, under the locks of the checkpoints, which then show how far it got.

use std::sync::Arc;

use super::link::Backend;
use super::session::Session;
use super::trouble::Trouble;
use super::verdict::{Step, Verdict};
use super::{Postgres, again, ownership, replay};
use crate::error::{Error, ErrorKind, Result};
use crate::outage::Outage;
use crate::sink::claim::lost_ownership;
use crate::sink::{Advance, Batch};

impl Postgres {
    /// Waits before a retry after `trouble`; if the connection was lost, until there is a new one. Returns
    /// the backend of the lost connection, or an error if retrying is pointless.
    pub(super) fn mend(&mut self, outage: &mut Outage<'_>, trouble: Trouble) -> Result<Option<Backend>> {
        self.refuse_deadlock(&trouble)?;
        let is_lost = trouble.verdict(&[]) == Verdict::Reconnect;
        wait_out(outage, trouble)?;
        if !is_lost {
            return Ok(None);
        }
        // Before a new one is opened: a role or a pool may have room for only one.
        self.session.leave();
        let lost = loop {
            match Session::open(&self.server, self.settings.deadline, self.settings.timeouts) {
                Ok(session) => break std::mem::replace(&mut self.session, session).backend,
                Err(trouble) => wait_out(outage, trouble)?,
            }
        };
        match self.rebuild.take() {
            // Its transaction went with the connection.
            Some(_) => {
                self.left = Some(lost);
                Err(ErrorKind::Interrupted.into())
            }
            None => Ok(Some(lost)),
        }
    }

    /// A deadlock interrupts a rebuild: it waits in vain for a lock that another session gives up only once
    /// this rebuild releases one from an earlier batch, and it can release that only with everything else.
    pub(super) fn refuse_deadlock(&self, trouble: &Trouble) -> Result<()> {
        match self.rebuild.is_some() && trouble.is_deadlock() {
            true => Err(ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    }

    /// Takes what this run owns again, on the connection that replaced that of `old`. After that it is
    /// certain how far each source is.
    fn reclaim(&mut self, old: Backend) -> Result<(), Trouble> {
        let (constants, owned, acknowledged) =
            (Arc::clone(&self.constants), self.owned.clone(), Arc::clone(&self.told.acknowledged));
        let (run, backend) = (self.run, self.session.backend);
        self.owned = self.run(Step::Claim, move |link| {
            ownership::reclaim(link, &constants, &owned, &acknowledged, run, Some(old), backend)
        })?;
        Ok(())
    }

    /// After `trouble` lost the connection: reconnects until the run owns its splits on the new connection.
    pub(super) fn regain(&mut self, outage: &mut Outage<'_>, mut trouble: Trouble) -> Result<()> {
        let mut old = self.session.backend;
        loop {
            old = self.mend(outage, trouble)?.unwrap_or(old);
            match self.reclaim(old) {
                Ok(()) => return Ok(()),
                Err(another) => trouble = another,
            }
        }
    }

    /// After `trouble` lost the connection: reconnects until it is known whether `batch` was committed.
    pub(super) fn resolve(
        &mut self,
        batch: &Batch,
        outage: &mut Outage<'_>,
        trouble: Trouble,
    ) -> Result<bool> {
        self.regain(outage, trouble)?;
        let holding = |advance: &Advance| self.owned.get(advance.split);
        let is_there = |advance: &&Advance| {
            let holding = holding(advance);
            holding.position == advance.to && holding.is_complete == advance.completes
        };
        let is_not_there = |advance: &&Advance| {
            let holding = holding(advance);
            holding.position == advance.from && !holding.is_complete
        };
        let all = batch.advances.len();
        // An advance of nothing counts as both; a batch of only such advances can be sent again.
        match (
            batch.advances.iter().filter(is_not_there).count(),
            batch.advances.iter().filter(is_there).count(),
        ) {
            (before, _) if before == all => Ok(false),
            (_, after) if after == all => Ok(true),
            _ => Err(Error::broken("the checkpoints of a batch have moved in part")),
        }
    }

    /// The same for letters, which have no owner: their states show whether the batch was committed.
    pub(super) fn resolve_replay(
        &mut self,
        batch: &Arc<Batch>,
        outage: &mut Outage<'_>,
        mut trouble: Trouble,
    ) -> Result<bool> {
        let mut old = self.session.backend;
        loop {
            old = self.mend(outage, trouble)?.unwrap_or(old);
            let (constants, batch) = (Arc::clone(&self.constants), Arc::clone(batch));
            let looked = self.run(Step::DeadLetters, move |link| {
                ownership::end_idle(&mut link.client, old)?;
                replay::is_committed(link, &constants.begin_sql, &batch.tried)
            });
            match looked {
                Ok(is_there) => return Ok(is_there),
                Err(another) => trouble = another,
            }
        }
    }

    /// Why the fence refused a batch: another run has taken a source, it was forgotten, or the checkpoints
    /// went back.
    pub(super) fn objection(&mut self) -> Result<Error> {
        let (constants, owned, acknowledged) =
            (Arc::clone(&self.constants), self.owned.clone(), Arc::clone(&self.told.acknowledged));
        let run = self.run;
        let objection = self.persist(self.settings.retry_for, move |link| {
            let splits = again::Splits::of(&owned, &acknowledged);
            let look = again::look(&mut link.client, &constants.scope.job, run, &splits)?;
            Ok(look.objection(&owned, &acknowledged, run.id))
        })?;
        // The run that had taken it is gone by now.
        Ok(objection.unwrap_or_else(lost_ownership))
    }
}

/// Waits before a retry after `trouble`, or returns an error if retrying is pointless.
pub(super) fn wait_out(outage: &mut Outage<'_>, trouble: Trouble) -> Result<()> {
    let word = match trouble.verdict(&[]) {
        Verdict::Retry => "conflict",
        Verdict::Reconnect => "connection",
        Verdict::Wait => "server",
        Verdict::Held => return Err(lost_ownership()),
        _ => return Err(trouble.into_error()),
    };
    let what = trouble.summary();
    outage.wait(word, &what, || trouble.into_error())
}

/// Where a wait for a server that was never reached is short because nobody asked for a longer one, its end says so.
pub(super) fn never_reached(error: Error, is_short: bool) -> Error {
    match error.kind() {
        ErrorKind::Unreachable { what, waited } if is_short => {
            let what = format!("{what}; it was never reached (--retry-for waits longer)");
            ErrorKind::Unreachable { what, waited: *waited }.into()
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_short_wait_says_how_to_wait_longer() {
        let error = |is_short| {
            let waited = Some(Duration::from_secs(30));
            let error = ErrorKind::Unreachable { what: "nobody answers".to_owned(), waited }.into();
            never_reached(error, is_short).to_string()
        };
        assert_eq!(
            error(true),
            "nobody answers; it was never reached (--retry-for waits longer); gave up after 30 s"
        );
        assert_eq!(error(false), "nobody answers; gave up after 30 s");
    }
}
