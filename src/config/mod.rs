//! What a run is asked to do: the job file, and the flags and variables that override it.

mod secret;
pub mod units;
mod url;

pub use url::Url;

/// A job file that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the job file cannot be understood")]
pub struct Complaint;
