//! The flags by which others watch a run.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::config::units;
use crate::lineage::Target;

#[derive(Debug, Args)]
pub(in crate::cli) struct WatchArgs {
    /// Keep figures for Prometheus in FILE, as the run goes
    ///
    /// For the node exporter's textfile collector: a file that ends with .prom in its folder. It is put in
    /// its place whole, never through a link, about once a second where something has changed, and stays
    /// as the run left it. What cannot be written is said once, and the run goes on.
    #[arg(long, value_name = "FILE", env = "LOGMILL_METRICS", hide_env_values = true, value_hint = ValueHint::FilePath, help_heading = "Watching")]
    pub(in crate::cli) metrics: Option<PathBuf>,
    /// Give the same figures to whoever asks at ADDR, as http://ADDR/metrics, while the run lasts
    ///
    /// A port, or an address and a port: 9464 is 127.0.0.1:9464, and only an address that says so is
    /// reached from elsewhere, as 0.0.0.0:9464. Port 0 is any that is free, and is told.
    #[arg(long, value_name = "ADDR", env = "LOGMILL_METRICS_LISTEN", hide_env_values = true, value_parser = units::parse_address, help_heading = "Watching")]
    pub(in crate::cli) metrics_listen: Option<SocketAddr>,
    /// Tell OpenLineage of each run: its files, its table, how many rows; to a file, or to an http or https address
    ///
    /// To a file events are appended, one on each line. Of an address that names only a server, the path is
    /// /api/v1/lineage; OPENLINEAGE_API_KEY is sent to it, OPENLINEAGE_NAMESPACE is the namespace of the job,
    /// and the run above this one is taken from OPENLINEAGE_PARENT_ID or Airflow's variables.
    #[arg(
        long,
        value_name = "TO",
        env = "LOGMILL_LINEAGE",
        hide_env_values = true,
        help_heading = "Watching"
    )]
    pub(in crate::cli) lineage: Option<Target>,
    #[command(flatten)]
    pub(in crate::cli) progress: ProgressArgs,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct ProgressArgs {
    /// How progress is shown: for people, or as a line of JSON a second on stderr
    ///
    /// [default: a bar on a terminal, a line now and then elsewhere]
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        env = "LOGMILL_PROGRESS",
        hide_env_values = true,
        help_heading = "Watching"
    )]
    pub(in crate::cli) progress: Option<ProgressForm>,
    /// Write the lines of JSON to this open file descriptor: a pipe, or a file, to which they are appended
    ///
    /// A reader that is too slow misses lines, and holds nothing up.
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(i32).range(1..),
        conflicts_with = "progress",
        help_heading = "Watching"
    )]
    pub(in crate::cli) progress_fd: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ProgressForm {
    /// For people.
    Text,
    /// An object on each line.
    Json,
    /// Not at all.
    None,
}
