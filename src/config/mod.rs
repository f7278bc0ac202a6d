//! What a run is asked to do: the job file, and the flags and variables that override it.

#[cfg_attr(not(test), expect(dead_code, reason = "the reader of job files comes next"))]
mod complaint;
#[allow(dead_code, reason = "the reader of job files and its JSON Schema come next")]
mod keys;
mod secret;
pub mod units;
mod url;

pub use complaint::{Complaint, Finding, Place};
pub use url::Url;
