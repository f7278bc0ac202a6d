//! Forecasts: what a load would find at its destination, and what it would make there.
//!
//! For people, before they let it. Everything is looked at as a load would, and nothing is
//! written; what stands in a load's way is gathered rather than told one by one.

use super::claim::{asks_for_others, refuse_sources_of_others};
use super::{Answer, Asked, Decision, Remembered, decide};
use crate::error::{ErrorKind, Result};

/// What a load would find and make.
#[derive(Clone, Debug, Default)]
pub struct Forecast {
    /// What it would do with each file, in order.
    pub answers: Vec<Answer>,
    /// Whether the target is there.
    pub has_target: bool,
    /// What it would make first, in words.
    pub makes: Vec<String>,
    /// What would keep it from its first row, each with what to do.
    pub obstacles: Vec<String>,
    /// What to know, though it would not stop it.
    pub warnings: Vec<String>,
    /// A source that a living run holds, and by whom.
    pub held: Option<String>,
    /// The statements that make what a load needs, and grant what its role needs. They can be
    /// run by somebody else, and twice.
    pub sql: String,
}

impl Forecast {
    /// Takes the findings of a step that a load would not pass; other errors are errors.
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

    /// Decides about the files as a claim would, without giving ids. `others` is asked for the
    /// sources of other jobs in the same table, if they matter.
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
