//! Forecasts: what a load would find at its destination, and what it would create there.
//!
//! They are for people, before they start the load. A forecast checks everything as a load would and writes
//! nothing; it collects the obstacles instead of stopping at the first.

use super::claim::{asks_for_others, refuse_sources_of_others};
use super::{Answer, Asked, Decision, Remembered, decide};
use crate::error::{ErrorKind, Result};

/// What a load would find and create.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    /// What it would do with each file, in order.
    pub answers: Vec<Answer>,
    /// Whether the target exists.
    pub has_target: bool,
    /// What it would create first, in words.
    pub makes: Vec<String>,
    /// The obstacles before its first row, each with a remedy.
    pub obstacles: Vec<String>,
    /// What to know, though it would not stop the load.
    pub warnings: Vec<String>,
    /// A source that a live run holds, with its holder.
    pub held: Option<String>,
    /// The statements that create what a load needs and grant what its role needs. Another user can run them,
    /// and they can be run twice.
    pub sql: String,
}

impl Forecast {
    /// Collects the findings of a step that would stop a load; other errors are returned.
    pub(super) fn pass<T>(&mut self, step: Result<T>) -> Result<Option<T>> {
        match step {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.kind() {
                ErrorKind::Unfit(findings) => {
                    self.obstacles.extend(findings.iter().cloned());
                    Ok(None)
                }
                ErrorKind::NewerTables { .. } => {
                    self.obstacles.push(error.to_string());
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// Decides about the files as a claim would, without assigning ids. `others` is asked for the sources of
    /// other jobs in the same table, if they matter.
    pub(super) fn decide(
        &mut self,
        asked: &Asked,
        remembered: &[Remembered],
        others: impl FnOnce() -> Result<Vec<Remembered>>,
    ) -> Result<Vec<Decision>> {
        let decisions = match decide(asked, remembered) {
            Err(error) if matches!(error.kind(), ErrorKind::RulesChanged { .. }) => {
                self.obstacles.push(error.to_string());
                decide(&Asked { accept_new_rules: true, ..asked.clone() }, remembered)?
            }
            decisions => decisions?,
        };
        if asks_for_others(asked, &decisions) {
            match refuse_sources_of_others(asked, &decisions, &others()?) {
                Err(error) if matches!(error.kind(), ErrorKind::OfAnotherJob { .. }) => {
                    self.obstacles.push(error.to_string())
                }
                result => result?,
            }
        }
        self.answers = decisions.iter().map(|decision| decision.answer.clone()).collect();
        Ok(decisions)
    }
}
