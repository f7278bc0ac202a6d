//! The flags by which others watch a run.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::config::units;
use crate::lineage::Target;

#[derive(Debug, Args)]
pub(in crate::cli) struct WatchArgs {
    /// Keep Prometheus metrics in FILE during the run
    ///
    /// For the node exporter's textfile collector: a .prom file in its folder. It is replaced atomically
    /// about once a second if something has changed, never through a link, and remains after the run. If it
    /// cannot be written, a message says so once, and the run continues.
    #[arg(long, value_name = "FILE", env = "LOGMILL_METRICS", hide_env_values = true, value_hint = ValueHint::FilePath, help_heading = "Watching")]
    pub(in crate::cli) metrics: Option<PathBuf>,
    /// Serve the same metrics at http://ADDR/metrics during the run
    ///
    /// A port, or an address and a port: 9464 means 127.0.0.1:9464; other machines can connect only with an
    /// address such as 0.0.0.0:9464. Port 0 is any free port, which is printed.
    #[arg(long, value_name = "ADDR", env = "LOGMILL_METRICS_LISTEN", hide_env_values = true, value_parser = units::parse_address, help_heading = "Watching")]
    pub(in crate::cli) metrics_listen: Option<SocketAddr>,
    /// Report each run to OpenLineage, in a file or at an http or https address
    ///
    /// Events are appended to a file, one per line. If an address names only a server, the path is
    /// /api/v1/lineage. OPENLINEAGE_API_KEY is sent to it, OPENLINEAGE_NAMESPACE is the namespace of the
    /// job, and the parent run comes from OPENLINEAGE_PARENT_ID or Airflow's variables.
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

/// Progress settings.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(in crate::cli) struct ProgressArgs {
    /// The form of progress: for people, or one line of JSON per second on stderr
    ///
    /// [default: a bar on a terminal, occasional lines elsewhere]
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
    /// A slow reader misses lines, and does not delay the run.
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
    /// One object per line.
    Json,
    /// None.
    None,
}
