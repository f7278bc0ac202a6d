//! The manual: guarantees, job files, operation, and the reasons behind the design.
//!
//! - [`tutorial`]: the first hour, from a folder of logs to tables, repairs, a month and its metrics.
//! - [`installing`]: the first build, editors, the environment, and uninstalling.
//! - [`guarantees`]: what is guaranteed for each key and destination, and what it depends on.
//! - [`mod@bench`]: benchmarks, and a gate against slower builds.
//! - [`buckets`]: objects as a destination, their names and guarantees.
//! - [`configuration`]: every key of a job file.
//! - [`formats`]: the formats of records, and the names of their fields.
//! - [`schema`]: the types of fields, the codes of reasons, and the differences from Pydantic.
//! - [`security`]: every security property, with its tests.
//! - [`faults`]: what can go wrong, and which test causes it.
//! - [`monitoring`]: events, progress, metrics for Prometheus.
//! - [`operations`]: exit codes, files and their identity, dead letters, rights.
//! - [`repairing`]: how to correct missing, wrong or unwanted rows.
//! - [`recipes`]: cron, systemd, Docker, Kubernetes, Airflow, Dagster, Spark; and scaling.
//! - [`tables`]: the columns and tables that logmill creates, existing tables, and common queries.
//! - [`rollups`]: metrics per date, and their guarantees.
//! - [`sources_in_buckets`]: loading logs from S3, GCS or Azure.
//! - [`reports`]: every field of the JSON output.
//! - [`state`]: the stores for the state of loads into buckets, and their guarantees.
//! - [`architecture`]: the path of a line, the code map, and the case analysis.
//! - [`changes`]: the changelog.

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
