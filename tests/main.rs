//! The one test binary: a module per subject.
//!
//! A test is a function under `#[test]`, as ever, in the file of its subject; its name is a
//! sentence. It passes if it returns and fails if it panics. One that needs what is not
//! everywhere says so where it finds out, and ends there: [`harness::skip`] and its like
//! (`needs_failpoints`, `Authority::new`) leave it out with a reason, and the closing lines
//! count it as ignored. With `LOGMILL_NO_SKIPS=1` what could have been installed or built must
//! be there. `runner.rs` does this, and `attribute/` is the `#[test]` that hands tests to it.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

// `#[test]` in all modules is ours.
#[macro_use]
extern crate logmill_test;

/// What a test says is held back until it fails.
macro_rules! eprintln {
    ($($said:tt)*) => { $crate::runner::say(format_args!($($said)*)) };
}

use std::process::ExitCode;

/// The server refuses nearly everything.
mod apart;
/// Sources with too many dead letters.
mod bar;
/// Measuring, and comparing what was measured.
#[cfg(feature = "sqlite")]
mod bench;
/// A bucket as destination.
mod buckets;
/// The commands as a person types them.
mod cli;
/// Connecting, with every kind of server, certificate and password.
mod connect;
/// What each place that remembers sources has to keep.
mod contract;
/// The JSON of the corpus: the conformance suite, and real logs.
mod corpus;
/// Killed at every step, at any moment, and again while it recovers.
mod crash;
/// Tables of hostile values, as Python reads them.
mod csv;
/// The files in `datasets/`.
#[cfg(feature = "sqlite")]
mod datasets;
/// The data's own clock: constant columns, and a job that runs for many dates.
#[cfg(feature = "sqlite")]
mod days;
/// Dead letters that go elsewhere too.
mod delivery;
/// What format a file is in, without being told.
#[cfg(feature = "sqlite")]
mod detect;
/// What the target demands, and who finds out.
mod edge;
/// The library, without the command.
#[cfg(feature = "sqlite")]
mod engine;
/// Sources that are forgotten with their rows.
mod forget;
/// Formats of text, on the corpus and on the samples.
mod formats;
/// What is fuzzed, for a moment.
mod fuzz;
/// Private servers, a proxy that misbehaves, the program: what the tests below stand on.
mod harness;
/// What makes two rows the same row, and which of them stays.
mod keys;
/// What lineage is told of runs.
mod lineage;
/// Loads as people run them.
mod load;
/// What models of Pydantic can say, kind by kind.
mod models;
/// Runs that are watched: events, progress, figures.
mod monitoring;
/// Several runs of one job.
mod ownership;
/// What is handed out: a tarball, a package, a wheel.
mod packages;
/// What the pages for people show, run as it is written.
#[cfg(feature = "sqlite")]
mod pages;
/// Partitioned targets.
mod partitions;
/// Names, and who decides what they mean.
mod path;
/// Verdicts on adversarial lines, compared with Pydantic's.
mod pydantic;
/// The package for Python.
mod python;
/// Dead letters that are tried again.
mod replay;
/// A page about a job, in a browser.
#[cfg(feature = "sqlite")]
mod report;
/// What a role must be granted.
#[cfg(feature = "sqlite")]
mod rights;
/// Metrics per date.
#[cfg(feature = "sqlite")]
mod rollups;
/// What runs all of these.
mod runner;
/// What must hold, and which test says so.
mod security;
/// The server dies, comes back, hangs, has no room.
mod server;
/// What a session finds already decided.
mod session;
/// The destination loses what it had acknowledged.
mod setback;
/// The files that people really have.
mod sources;
/// One source in several splits.
mod splits;
/// Tables in SQLite that are there before we are.
#[cfg(feature = "sqlite")]
mod sqlite_tables;
/// What every destination lives through.
mod stories;
/// Tables that are there before we are.
mod tables;
/// Text formats, compared with Pydantic's strings.
#[cfg(feature = "gzip")]
mod text;
/// The shape of the code.
mod tidy;
/// How often a batch waits for the server.
mod trips;
/// Files of others, and what others may read of ours.
mod trust;
/// What columns hold, held against what the server reads from text.
mod types;
/// What earlier programs have left goes on.
#[cfg(all(feature = "sqlite", feature = "gzip"))]
mod upgrade;
/// Files and destination, held against each other.
mod verify;
/// The connection breaks or falls silent at any message.
mod wire;
/// The messages of the program, and what it asks the environment.
mod words;

fn main() -> ExitCode {
    runner::main()
}
