//! logmill
#![deny(unsafe_code)]
pub mod cli;
pub mod config;
pub mod error;
mod failpoint;
pub mod format;
pub mod pipeline;
pub mod reject;
pub mod schema;
pub mod sink;
pub mod source;
pub mod span;
pub mod stop;
