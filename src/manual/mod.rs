//! The manual: what is promised, how a job is written, and why it is built as it is.
//!
//! - [`tutorial`]: the first hour, from a folder of logs to tables, repairs, a month and its metrics.
//! - [`installing`]: the first build, editors, the environment, and taking it all away.
//! - [`guarantees`]: what holds, for which key and destination, and what it depends on.
//! - [`mod@bench`]: how fast it is, and a gate that keeps it so.
//! - [`buckets`]: objects as a destination, what they are called, and what holds of them.
//! - [`configuration`]: every key of a job file.
//! - [`formats`]: how records may be written, and the names of their fields.
//! - [`schema`]: the types of fields, the codes of reasons, and where verdicts differ from Pydantic's.
//! - [`security`]: what must hold against whom, and which test says so.
//! - [`faults`]: what can go wrong, and in which test it does.
//! - [`monitoring`]: events, progress, figures for Prometheus.
//! - [`operations`]: exit codes, files and their identity, rights, what to do when.
//! - [`repairing`]: what to do when what is in a table is not what should be there.
//! - [`recipes`]: cron, systemd, Docker, Kubernetes, Airflow, Dagster, Spark; and how far it goes.
//! - [`tables`]: the columns and tables that are made, tables that exist, and queries that people ask.
//! - [`rollups`]: metrics per date, and what holds of them.
//! - [`sources_in_buckets`]: logs that lie in S3, GCS or Azure.
//! - [`reports`]: every field of what a command tells as JSON.
//! - [`state`]: where a load into a bucket keeps how far it is, and what each place guarantees.
//! - [`architecture`]: the way of a line, the code map, the argument.
//! - [`changes`]: what is new.

#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[doc = include_str!("bench.md")]
pub mod bench {}
#[doc = include_str!("buckets.md")]
pub mod buckets {}
#[doc = include_str!("../../CHANGELOG.md")]
pub mod changes {}
#[doc = include_str!("configuration.md")]
pub mod configuration {}
#[doc = include_str!("faults.md")]
pub mod faults {}
#[doc = include_str!("formats.md")]
pub mod formats {}
#[doc = include_str!("guarantees.md")]
pub mod guarantees {}
#[doc = include_str!("installing.md")]
pub mod installing {}
#[doc = include_str!("monitoring.md")]
pub mod monitoring {}
#[doc = include_str!("operations.md")]
pub mod operations {}
#[doc = include_str!("recipes.md")]
pub mod recipes {}
#[doc = include_str!("repairing.md")]
pub mod repairing {}
#[doc = include_str!("reports.md")]
pub mod reports {}
#[doc = include_str!("rollups.md")]
pub mod rollups {}
#[doc = include_str!("schema.md")]
pub mod schema {}
#[doc = include_str!("security.md")]
pub mod security {}
#[doc = include_str!("sources-in-buckets.md")]
pub mod sources_in_buckets {}
#[doc = include_str!("state.md")]
pub mod state {}
#[doc = include_str!("tables.md")]
pub mod tables {}
#[doc = include_str!("tutorial.md")]
pub mod tutorial {}
