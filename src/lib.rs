//! Years of logs into a database, every record once, at the speed of the server's own COPY.
//!
//! This is the library behind the command `logmill`. It maps log files, cuts them on line
//! boundaries across rayon workers that parse and validate, merges their results in file order
//! into a single writer, and commits each batch together with its dead letters and its
//! checkpoint in one transaction. The [`manual`] explains how and why.
//!
//! The parts can be used on their own. This example turns a line into a typed row, or into a list of
//! everything that is wrong with it:
//!
//! ```
//! use logmill::format::{Chunk, Json, Memory, Preamble, each_record};
//! use logmill::reject::Faults;
//! use logmill::schema::{Bounds, Field, Kind, Schema, Text};
//!
//! let schema = Schema {
//!     fields: vec![
//!         Field::new("module", Kind::Text(Text { min_length: Some(1), ..Text::default() })),
//!         Field::new("user_id", Kind::Int(Bounds { ge: Some(0), ..Bounds::default() })),
//!     ],
//!     ..Schema::default()
//! };
//! let json = Json::new(&schema.paths(), schema.extras());
//!
//! let line = br#"{"module": "", "user_id": "-7"}"#;
//! let chunk = Chunk { bytes: line, preamble: &Preamble::default(), record_bytes_max: 1 << 20 };
//! each_record(&json, chunk, &mut Memory::default(), |_, record, arena| {
//!     let mut faults = Faults::default();
//!     assert!(schema.bind(record.unwrap(), arena, &mut faults).is_none());
//!     let codes: Vec<_> = faults.iter().map(|(code, _)| code.to_string()).collect();
//!     assert_eq!(codes, ["string_too_short", "greater_than_equal"]);
//! });
//! ```
#![deny(unsafe_code)]

// The public interface: a job in, a report out, and the parts that can be used on their own.
pub mod config;
pub mod engine;
pub mod error;
pub mod event;
pub mod format;
pub mod manual;
pub mod reject;
pub mod report;
pub mod schema;
pub mod stop;

// For the command, the tests and the benches only.
#[doc(hidden)]
pub mod bench;
#[doc(hidden)]
pub mod bucket;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod delivery;
#[doc(hidden)]
pub mod infer;
#[doc(hidden)]
pub mod lineage;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod pipeline;
#[doc(hidden)]
pub mod redis;
#[doc(hidden)]
pub mod sink;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod span;
#[doc(hidden)]
pub mod split;
#[doc(hidden)]
pub mod work;

mod counts;
mod failpoint;
mod figure;
mod outage;
mod printable;
mod trust;
