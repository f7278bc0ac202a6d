//! The flags of `load` and `backfill`.

use std::time::Duration;

use chrono::NaiveDate;
use clap::Args;

use super::{ChosenJobArgs, DateArg, FileArgs, JobArgs, WatchArgs};
use crate::config::units;
use crate::sink::bar::Bar;
use crate::split::Split;

#[derive(Debug, Args)]
pub(in crate::cli) struct LoadArgs {
    #[command(flatten)]
    pub(in crate::cli) job: ChosenJobArgs,
    #[command(flatten)]
    pub(in crate::cli) files: FileArgs,
    #[command(flatten)]
    pub(in crate::cli) date: DateArg,

    /// Exit with 0 instead of 2 if there is no file to load
    #[arg(long, help_heading = "What counts as loaded")]
    pub(in crate::cli) allow_empty: bool,
    /// How long to wait for another run that holds the sources, before exiting with 6
    ///
    /// [default: 10s; with --split, until the other run is done with it or gone]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, conflicts_with = "take_over", help_heading = "What counts as loaded")]
    pub(in crate::cli) wait: Option<Duration>,
    /// Load one split of a source, by its id from `plan`
    ///
    /// Loading it twice, late or at the same time elsewhere changes nothing: the state in the destination
    /// decides. If another run holds it, the command waits.
    #[arg(
        long,
        value_name = "ID",
        requires = "job",
        conflicts_with = "rebuild",
        help_heading = "What counts as loaded"
    )]
    pub(in crate::cli) split: Option<Split>,

    #[command(flatten)]
    pub(in crate::cli) loading: LoadingArgs,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("days").required(true).args(["from", "found"])))]
#[command(mut_arg("rebuild", |rebuild| rebuild.help("Load the days again, and replace their rows").long_help(
    "Load the days again, and replace their rows\n\nRebuilds every selected day, done or not, each in one \
     transaction, like `load --rebuild`.")))]
pub(in crate::cli) struct BackfillArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    /// The first day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "to")]
    pub(in crate::cli) from: Option<NaiveDate>,
    /// The day after the last
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "from")]
    pub(in crate::cli) to: Option<NaiveDate>,
    /// The days in the names of files
    #[arg(long)]
    pub(in crate::cli) found: bool,
    /// Load this many days at a time; they share threads and memory
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(in crate::cli) parallel: u16,
    /// Only show what would be done
    #[arg(short = 'n', long)]
    pub(in crate::cli) dry_run: bool,
    /// Start no further day once one has failed
    #[arg(long)]
    pub(in crate::cli) fail_fast: bool,

    #[command(flatten)]
    pub(in crate::cli) loading: LoadingArgs,
}

/// How sources are loaded, in a run or in each of many.
#[derive(Debug, Args)]
pub(in crate::cli) struct LoadingArgs {
    #[command(flatten)]
    pub(in crate::cli) known: KnownArgs,
    /// Exit with 0 even if some records were rejected
    #[arg(long, help_heading = "What counts as loaded")]
    pub(in crate::cli) allow_rejects: bool,
    /// End the run that holds the sources, and take its place
    ///
    /// Without it, the command waits ten seconds for a holder that may only be outliving its client, and
    /// then exits with 6.
    #[arg(long, help_heading = "What counts as loaded")]
    pub(in crate::cli) take_over: bool,
    /// Load sources again, and replace their rows
    ///
    /// Replaces the rows and dead letters of the job, of the date, or of FILEs by those of the current
    /// rules and files, in one transaction. A reader sees the old ones or the new ones, and any failure
    /// leaves the old ones. Rows of other sources are not touched.
    #[arg(long, help_heading = "What counts as loaded")]
    pub(in crate::cli) rebuild: bool,
    /// With --rebuild: remove sources without a file, and their rows
    #[arg(long, requires = "rebuild", help_heading = "What counts as loaded")]
    pub(in crate::cli) allow_missing: bool,
    #[arg(long, value_name = "BAR", value_parser = units::parse_bar, env = "LOGMILL_STOP_ABOVE", hide_env_values = true, help_heading = "What counts as loaded")]
    pub(in crate::cli) stop_above: Option<Bar>,

    #[command(flatten)]
    pub(in crate::cli) limits: LimitArgs,
    #[command(flatten)]
    pub(in crate::cli) watch: WatchArgs,
}

/// What is done with files that the destination knows.
#[derive(Debug, Args)]
pub(in crate::cli) struct KnownArgs {
    /// Continue files that were begun under other rules (format, fields, key)
    #[arg(long, help_heading = "What counts as loaded")]
    pub(in crate::cli) accept_new_rules: bool,
    /// Load a file even if another one with the same content was loaded
    #[arg(long, help_heading = "What counts as loaded")]
    pub(in crate::cli) allow_duplicates: bool,
}

/// Limits that are often changed for a single run.
#[derive(Debug, Args)]
pub(in crate::cli) struct LimitArgs {
    #[command(flatten)]
    pub(in crate::cli) work: WorkArgs,
    #[arg(long, value_name = "ROWS", value_parser = units::parse_count, env = "LOGMILL_BATCH_ROWS", hide_env_values = true, help_heading = "Limits")]
    pub(in crate::cli) batch_rows: Option<u64>,
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size, env = "LOGMILL_BATCH_BYTES", hide_env_values = true, help_heading = "Limits")]
    pub(in crate::cli) batch_bytes: Option<u64>,
    #[arg(long, value_name = "LANES", value_parser = units::parse_count, env = "LOGMILL_LANES", hide_env_values = true, help_heading = "Limits")]
    pub(in crate::cli) lanes: Option<u64>,
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, env = "LOGMILL_RETRY_FOR", hide_env_values = true, help_heading = "Limits")]
    pub(in crate::cli) retry_for: Option<Duration>,
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, env = "LOGMILL_DEADLINE", hide_env_values = true, help_heading = "Limits")]
    pub(in crate::cli) deadline: Option<Duration>,
}

/// The division of the work.
#[derive(Debug, Args)]
pub(in crate::cli) struct WorkArgs {
    #[arg(long, value_parser = units::parse_count, env = "LOGMILL_THREADS", hide_env_values = true, help_heading = "Limits")]
    pub(in crate::cli) threads: Option<u64>,
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size, env = "LOGMILL_CHUNK_SIZE", hide_env_values = true, help_heading = "Limits")]
    pub(in crate::cli) chunk_size: Option<u64>,
}
