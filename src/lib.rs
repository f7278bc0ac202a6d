//! logmill
#![deny(unsafe_code)]
pub mod error;
pub mod format;
pub mod reject;
pub mod schema;
pub mod source;
pub mod span;
pub mod config {
    #[derive(Debug, thiserror::Error)]
    #[error("x")]
    pub struct Complaint;
}
