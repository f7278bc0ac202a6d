//! The progress of a run, as a line for programs that show it themselves.

use serde::Serialize;

/// A line of `--progress json` or `--progress-fd`. The first is written at once, the last at the end, and
/// about one per second in between.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProgressLine {
    /// `progress`.
    pub kind: &'static str,
    /// The time, in the form of RFC 3339.
    pub time: String,
    /// Records that are committed, including rejects.
    pub records: u64,
    /// Rejects that are committed.
    pub rejected: u64,
    /// Bytes of the files that are committed, in compressed size.
    pub bytes: u64,
    /// Bytes of the files to be read; null while unknown, and for a stream.
    pub bytes_total: Option<u64>,
    /// Records per second, over the last few seconds.
    pub records_per_second: u64,
    /// Bytes of the files per second, over the last few seconds.
    pub bytes_per_second: u64,
    /// Seconds until the end at this rate, if that can be estimated.
    pub eta_seconds: Option<u64>,
    /// What the run is waiting for.
    pub waiting: Option<String>,
    /// Whether it is the last line.
    pub ended: bool,
}
