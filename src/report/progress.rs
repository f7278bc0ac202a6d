//! How far a run is, as a line for programs that show progress of their own.

use serde::Serialize;

/// A line of `--progress json` or `--progress-fd`. The first is written at once, the last at the end,
/// and about one a second between them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProgressLine {
    /// `progress`.
    pub kind: &'static str,
    /// When, as RFC 3339 has it.
    pub time: String,
    /// Records that are committed, rejects included.
    pub records: u64,
    /// Rejects that are committed.
    pub rejected: u64,
    /// Bytes of the files that are committed, compressed as they are.
    pub bytes: u64,
    /// Bytes of the files that are to be read; nothing as long as nobody knows, and of a stream.
    pub bytes_total: Option<u64>,
    /// Records each second, over the last few.
    pub records_per_second: u64,
    /// Bytes of the files each second, over the last few.
    pub bytes_per_second: u64,
    /// Seconds until the end at this rate, if that can be told.
    pub eta_seconds: Option<u64>,
    /// What is waited for.
    pub waiting: Option<String>,
    /// Whether it is the last line.
    pub ended: bool,
}
