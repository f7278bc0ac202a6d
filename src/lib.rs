//! logmill
#![deny(unsafe_code)]
pub mod config;
pub mod error;
pub mod format;
pub mod reject;
pub mod schema;
pub mod sink;
pub mod source;
pub mod span;
