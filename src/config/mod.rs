//! What the job file, the flags and the environment ask for.

pub mod units;

/// A job file that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the job file cannot be understood")]
pub struct Complaint;
