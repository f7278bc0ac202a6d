//! The result of a verification.

use std::time::Duration;

use serde::Serialize;

use super::{Exit, Head, Report, text};
use crate::sink::verify::{Difference, DifferenceCounts, NotLoaded, NotVerifiable, Verified, VerifiedSource};

/// The result of a verification.
#[derive(Clone, Debug, Serialize)]
pub struct Verify {
    /// The fields that every report begins with.
    #[serde(flatten)]
    pub head: Head,
    /// The destination, without secrets.
    pub destination: String,
    /// The sources that were read again, in the order of their ids.
    pub sources: Vec<VerifiedSource>,
    /// The number of differences.
    pub counts: DifferenceCounts,
    /// The first of them, in the order of the sources.
    pub differences: Vec<Difference>,
    /// What could not be compared.
    pub not_verifiable: Vec<NotVerifiable>,
    /// Data that is not loaded yet, which is not a difference.
    pub not_loaded: NotLoaded,
    /// Open dead letters of the sources.
    pub open_dead_letters: u64,
    /// Bytes that were read, decompressed.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// The properties of a verification.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The destination, without secrets.
    pub destination: String,
    /// Bytes that were read, decompressed.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Open dead letters, and what cannot be compared, count as a failure.
    pub strict: bool,
}

impl Verify {
    /// The report on the findings.
    pub fn new(job: &str, compared: Compared, verified: Verified) -> Verify {
        let Verified { sources, differences, not_verifiable, not_loaded } = verified;
        let open_dead_letters = sources.iter().map(|source| source.table.open_dead_letters).sum();
        let is_doubtful = open_dead_letters > 0 || !not_verifiable.is_empty();
        let exit = match (compared.strict && is_doubtful, differences.counts.sum()) {
            (true, _) => Exit::Failed,
            (false, 0) => Exit::Success,
            (false, _) => Exit::Differs,
        };
        Verify {
            head: Head::new("verify", Some(job), exit),
            destination: compared.destination,
            sources,
            counts: differences.counts,
            differences: differences.first,
            not_verifiable,
            not_loaded,
            open_dead_letters,
            bytes: compared.bytes,
            seconds: compared.elapsed.as_secs_f64(),
        }
    }
}

impl Report for Verify {
    fn head(&self) -> &Head {
        &self.head
    }

    fn text(&self, _: usize) -> String {
        text::verify(self)
    }
}
