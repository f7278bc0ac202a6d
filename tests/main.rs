//! The one integration-test binary, with one module per subject.
//!
//! A test is an ordinary `#[test]` function in the file of its subject, and its name is a sentence. It
//! passes if it returns and fails if it panics. A test that needs something not every machine has skips
//! itself with a reason: [`harness::skip`] and its relatives (`needs_failpoints`, `Authority::new`) end it,
//! and the closing lines count it as ignored. With `LOGMILL_NO_SKIPS=1`, a missing program or feature that
//! could have been installed or built fails the test instead. `runner.rs` implements this; `attribute/` is
//! the `#[test]` attribute that registers tests with it.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

// Every module uses our `#[test]`, not the standard one.
#[macro_use]
extern crate logmill_test;

/// Output of a test is held back and shown only if the test fails.
macro_rules! eprintln {
    ($($said:tt)*) => { $crate::runner::say(format_args!($($said)*)) };
}

use std::process::ExitCode;

/// Servers that refuse nearly every row.
mod apart;
/// Sources with too many dead letters.
mod bar;
/// `logmill bench`: measuring, and comparing measurements.
#[cfg(feature = "sqlite")]
mod bench;
/// Buckets as destinations.
mod buckets;
/// The commands, as a user types them.
mod cli;
/// Connections to every kind of server, with every kind of certificate and password.
mod connect;
/// The contract that every ledger store must keep.
mod contract;
/// The JSON of the corpus: the conformance suite, and real logs.
mod corpus;
/// Kills at every step, at random moments, and during recovery.
mod crash;
/// CSV files of hostile values, compared with Python's reader.
mod csv;
/// The files in `datasets/`.
#[cfg(feature = "sqlite")]
mod datasets;
/// The data's own clock: constant columns, and one job run for many dates.
#[cfg(feature = "sqlite")]
mod days;
/// Delivery of dead letters to additional targets.
mod delivery;
/// Format detection.
#[cfg(feature = "sqlite")]
mod detect;
/// Constraints of the target, and which layer detects a violation.
mod edge;
/// The library without the command.
#[cfg(feature = "sqlite")]
mod engine;
/// `forget`: removing sources together with their rows.
mod forget;
/// Text formats, on the corpus and on the samples.
mod formats;
/// The fuzz targets, each run for a moment.
mod fuzz;
/// The ground the tests stand on: private servers, a misbehaving proxy, and the program itself.
mod harness;
/// Keys: when two rows are the same row, and which of them wins.
mod keys;
/// The lineage events of a run.
mod lineage;
/// Loads as people run them.
mod load;
/// What Pydantic models can express, kind by kind.
mod models;
/// Watching a run: events, progress and metrics.
mod monitoring;
/// Several concurrent runs of one job.
mod ownership;
/// What a release ships: a tarball, a package, a wheel.
mod packages;
/// The examples of the README and the manual, run as written.
#[cfg(feature = "sqlite")]
mod pages;
/// Partitioned targets.
mod partitions;
/// Names, and how the search path resolves them.
mod path;
/// Verdicts on adversarial lines, compared with Pydantic's.
mod pydantic;
/// The Python package.
mod python;
/// Replay: retrying dead letters.
mod replay;
/// The report page of a job, in a browser.
#[cfg(feature = "sqlite")]
mod report;
/// The privileges that a role must be granted.
#[cfg(feature = "sqlite")]
mod rights;
/// Metrics per date.
#[cfg(feature = "sqlite")]
mod rollups;
/// The runner of all of these tests.
mod runner;
/// The promises and faults listed in the manual, and the tests that cover them.
mod security;
/// A server that dies, returns, hangs or runs out of space.
mod server;
/// Session settings that were made before the program connects.
mod session;
/// A destination that loses commits it had acknowledged.
mod setback;
/// Files as they occur in practice.
mod sources;
/// One source in several splits.
mod splits;
/// SQLite tables that existed before the first run.
#[cfg(feature = "sqlite")]
mod sqlite_tables;
/// The stories that every destination must survive.
mod stories;
/// Tables that existed before the first run.
mod tables;
/// Text formats, compared with Pydantic's strings.
#[cfg(feature = "gzip")]
mod text;
/// Rules about the structure of the code.
mod tidy;
/// How often a batch waits for the server.
mod trips;
/// Files that belong to other users, and what other users may read of ours.
mod trust;
/// What each column stores, compared with how the server reads the same text.
mod types;
/// Upgrades: state left by earlier versions still works.
#[cfg(all(feature = "sqlite", feature = "gzip"))]
mod upgrade;
/// `verify`: comparing the files with the destination.
mod verify;
/// Connections that break or fall silent at any message.
mod wire;
/// The program's messages, and the environment variables it reads.
mod words;

fn main() -> ExitCode {
    runner::main()
}
