//! Connections that a load has left for the next one of the same job: connecting, and letting a backend read
//! the catalog for the first time, takes longer than a small load.

use std::sync::{Arc, Mutex, PoisonError};

use super::session::Session;

/// The connections left at a place. Dropping it closes them.
#[derive(Clone, Debug, Default)]
pub(super) struct Spares(Arc<Left>);

#[derive(Debug, Default)]
struct Left(Mutex<Vec<Session>>);

impl Spares {
    pub(super) fn take(&self) -> Option<Session> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    pub(super) fn keep(&self, session: Session) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let sessions = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        sessions.iter_mut().for_each(Session::leave);
    }
}
