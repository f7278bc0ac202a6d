//! What can be typed: every flag and its help, and nothing else.
//!
//! The doc comment of a flag is its help: the first paragraph for `-h`, all of it for
//! `--help`. A flag that sets a key of the job has none: its help and its default are the key's.
//! What a flag means is decided in `config`, once.

mod bench;
mod letters;
mod load;
mod output;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgGroup, Args, CommandFactory as _, Parser, Subcommand, ValueHint};

pub(super) use bench::{BenchCommand, CompareArgs, GroundArgs, RunArgs, of_no_measurement, of_recipe};
pub(super) use letters::{
    DeadLettersCommand, DeliverArgs, DiscardArgs, ExportArgs, FilterArgs, ListArgs, ReplayArgs, ShowArgs,
};
pub(super) use load::{BackfillArgs, KnownArgs, LoadArgs, LoadingArgs, WorkArgs};
pub(super) use output::{Colour, LogFormat, Output, SpeechArgs};
pub(super) use watch::{ProgressArgs, ProgressForm, WatchArgs};

use super::completions;
use super::version::version;
use crate::config::{Url, flag_help, units};
use crate::sink::TableName;
use crate::sink::kinds::{DEFAULT, FORMS_IN_SHORT};

/// Loads years of logs into a database: every record once, at the speed of the server's own COPY.
#[derive(Debug, Parser)]
#[command(name = "logmill", version, long_version = version(), max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit status: 0 everything is loaded, 1 failed (run the same command again to resume), 2 the command line or the job is wrong, \
    3 some records were rejected, 4 a source had too many dead letters, 5 `verify`, `rollup --check` or `bench compare` found a difference, 6 another run holds the sources, 130/143 interrupted.\n\n\
    To begin: `logmill load FILE`. It writes a job file to edit, loads into logmill.db, and says what to type next."
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) speech: SpeechArgs,
}

/// The command line with all its help, for clap.
pub(super) fn command_line() -> clap::Command {
    described(CommandLine::command())
}

/// Gives each flag that sets a key the description from the table of keys.
fn described(command: clap::Command) -> clap::Command {
    let described_flag = |flag: clap::Arg| {
        let help = flag.get_long().filter(|_| flag.get_help().is_none()).and_then(flag_help);
        help.map_or(flag.clone(), |help| flag.help(help))
    };
    command.mut_args(described_flag).mut_subcommands(described)
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Load files into the destination of a job
    ///
    /// Files that are already loaded are skipped, and partly loaded ones continue where they stopped: to
    /// resume a load, run the same command again.
    ///
    /// Without a job, one is inferred from FILE, its format from samples and its fields from all values, and
    /// written to ./FILE.logmill.toml. The rows go into logmill.db. Later loads use this job.
    Load(LoadArgs),
    /// Load a job for many days
    ///
    /// Loads each day in turn: days that are done are skipped, unfinished ones continue, and failed ones
    /// are tried again. If a day fails, the others continue. Run the same command again to resume, and to
    /// load files that arrive late. It ends with a list of all days, and with the most severe exit code.
    Backfill(BackfillArgs),
    /// Write a job file inferred from files
    ///
    /// Reads every record, up to 256 MiB of all files together, and writes a job whose fields accept every
    /// value. It is yours to edit; later loads guess nothing.
    Infer(InferArgs),
    /// Parse and validate files, and write nothing
    ///
    /// Does what a load does, at full speed, without a destination: counts, reasons by code and field with
    /// their first places, and the first rows. Nothing is stored, so a file can be checked repeatedly.
    /// Rejects by the table itself are found only by a load. Without a job, the job beside the file is
    /// used, or one is inferred and not written.
    Check(CheckArgs),
    /// Show what a load would do, and its guarantees
    ///
    /// Which files would be read, skipped and refused, and why; all obstacles at once, such as missing
    /// rights, columns and indexes; what would be created; and the guarantees for these sources, this key
    /// and this destination. Writes nothing except with --split-size. Exits like a load that stops before
    /// the first record: 2 if there is an obstacle, 1 if a file cannot be loaded.
    Plan(PlanArgs),
    /// Show the state of a job: sources, dead letters by reason, last runs
    ///
    /// Works from any machine, because everything is in the destination. Writes nothing and takes no locks.
    Status(StatusArgs),
    /// Write a page about a job: dates, runs, dead letters, sources
    ///
    /// A self-contained file with charts, for browsers, e-mail and print. It contains samples of rejected
    /// records, so only its owner can read it. It replaces an older page of the same name.
    Report(ReportArgs),
    /// Inspect the records that did not become rows
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Compare the destination with the files
    ///
    /// Reads the loaded files again, up to their checkpoints, and compares them with the rows and the dead
    /// letters, value by value, without trusting any counter. Writes nothing. Exits with 5 if there is a
    /// difference; anything that cannot be compared is listed separately.
    Verify(VerifyArgs),
    /// Compute the metrics of dates, or compare them
    ///
    /// Every load computes the metrics of the dates that it touched. This computes all dates with rows or
    /// values: use it after a metric has changed, or other programs have written to the table. With --check
    /// it writes nothing, and exits with 5 if a value differs from a recomputed one.
    Rollup(RollupArgs),
    /// Forget files, so that they are loaded again
    ///
    /// Their rows stay, unless --delete-rows is given; what that means for the next load depends on the key
    /// of the job, and is reported. All of it is one transaction. Refused while a run holds one of the
    /// files. Their dead letters become superseded.
    Forget(ForgetArgs),
    /// Measure the speed of this program, and detect regressions
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print the JSON Schemas of job files and outputs
    #[command(group = ArgGroup::new("which").args(["json_schema", "output_schema"]).required(true))]
    Config {
        /// Print the JSON Schema (2020-12) of job files
        ///
        /// Editors use it to complete keys, explain them and underline mistakes: `logmill config
        /// --json-schema > logmill.schema.json`, and `#:schema ./logmill.schema.json` as the first line of
        /// a job (Even Better TOML, taplo).
        #[arg(long)]
        json_schema: bool,
        /// Print the JSON Schema (2020-12) of what `--output json` and `--log-format json` write
        ///
        /// Within a schema_version fields may be added, so programs should ignore unknown ones.
        #[arg(long)]
        output_schema: bool,
    },
    /// Print a completion script for a shell
    ///
    /// For example, for bash: `logmill completions bash > ~/.local/share/bash-completion/completions/logmill`.
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page of logmill, or of one command
    ///
    /// To read it: `logmill man load | man -l -`.
    Man {
        /// The command, as in `logmill man dead-letters list`
        command: Vec<String>,
    },
}

/// The job and its destination.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// The job file
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(super) job: PathBuf,
    #[command(flatten)]
    pub(super) destination: DestinationArgs,
}

/// The job; without one, a job is inferred.
#[derive(Debug, Args)]
pub(super) struct ChosenJobArgs {
    /// The job file [default: ./FILE.logmill.toml, written if it does not exist]
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(super) job: Option<PathBuf>,
    #[command(flatten)]
    pub(super) destination: DestinationArgs,
}

/// Overrides of the destination.
#[derive(Debug, Args)]
pub(super) struct DestinationArgs {
    #[arg(long, value_name = "URL", help = format!("A destination that overrides the job's: {FORMS_IN_SHORT}"), env = "LOGMILL_INTO", hide_env_values = true)]
    pub(super) into: Option<Url>,
    /// A table that overrides the job's
    #[arg(long, env = "LOGMILL_TABLE", hide_env_values = true)]
    pub(super) table: Option<TableName>,
}

/// The day of the run.
#[derive(Debug, Args)]
pub(super) struct DateArg {
    /// The data date, which replaces {date} in the job
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, env = "LOGMILL_DATE", hide_env_values = true)]
    pub(super) date: Option<NaiveDate>,
}

/// Files that replace those of the job.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// Files, directories or patterns; `-` is stdin [default: those of the job]
    ///
    /// A directory stands for all files below it, except hidden ones. The files of a pattern are sorted by
    /// name, with numbers in natural order: app.log.10 comes after app.log.2.
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Read the names of more files from this file, one per line; `-` is stdin
    ///
    /// If the list contains a NUL, its names end with NUL, as written by `find -print0`; such names may
    /// contain line ends.
    #[arg(long, value_name = "LIST", value_hint = ValueHint::FilePath)]
    pub(super) files_from: Option<PathBuf>,
    /// The names in LIST end with NUL, even if it contains none
    #[arg(short = '0', long, requires = "files_from")]
    pub(super) null: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("files", |files| files.help("Files, directories or patterns; `-` is stdin")))]
#[command(mut_arg("into", |into| into.help(format!("The destination of the job [default: {DEFAULT}]"))))]
#[command(mut_arg("table", |table| table.help("The table of the job [default: after FILE]")))]
pub(super) struct InferArgs {
    #[command(flatten)]
    pub(super) files: FileArgs,
    /// Take the fields from this JSON Schema instead of FILEs
    ///
    /// Rules of the schema that are not enforced are noted beside their field, which is stored as JSON.
    #[arg(long, value_name = "SCHEMA", conflicts_with_all = ["files", "files_from"], value_hint = ValueHint::FilePath)]
    pub(super) from_schema: Option<PathBuf>,
    /// The file for the job; `-` is stdout [default: ./FILE.logmill.toml]
    #[arg(short = 'o', long = "out", value_name = "JOB", value_hint = ValueHint::FilePath)]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) destination: DestinationArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The job file [default: ./FILE.logmill.toml, or inferred from FILE]
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(super) job: Option<PathBuf>,
    #[command(flatten)]
    pub(super) files: FileArgs,
    /// Exit with 0 instead of 2 if there is no file to check
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// Write one JSON object per record to OUT: its place, and its values or all reasons
    ///
    /// OUT must be new or empty; `-` is stdout, and the report then goes to stderr.
    #[arg(long, value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(super) verdicts: Option<PathBuf>,
    #[command(flatten)]
    pub(super) date: DateArg,
    #[command(flatten)]
    pub(super) work: WorkArgs,
    #[command(flatten)]
    pub(super) progress: ProgressArgs,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    #[command(flatten)]
    pub(super) files: FileArgs,
    #[command(flatten)]
    pub(super) date: DateArg,
    /// Print only the statements that create and grant what a load needs
    ///
    /// For a person with the rights that the role of the job lacks. The statements can be run twice.
    #[arg(long)]
    pub(super) print_sql: bool,
    /// Cut the files into splits of about this size, and record them
    ///
    /// Each split can then be loaded separately, on any machine: `logmill load --split ID`. A file is cut
    /// only once, so later plans agree. Splits begin at record starts; files that cannot be cut stay one
    /// split, with the reason.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size, conflicts_with = "print_sql")]
    pub(super) split_size: Option<u64>,
    #[command(flatten)]
    pub(super) known: KnownArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Show these files in detail; a directory means all files below it
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Show every source, not only those that are unfinished or have dead letters
    #[arg(short, long)]
    pub(super) all: bool,
    /// Exit with 3 if a dead letter of the job is open
    #[arg(long, conflicts_with = "files")]
    pub(super) fail_if_open: bool,
    /// Exit with 1 if no load has finished its sources in this time: 1d, 36h
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, conflicts_with = "files")]
    pub(super) fail_if_older: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// The file, which appears under its name when it is complete; `-` is stdout
    #[arg(short, long, value_name = "FILE.html", value_hint = ValueHint::FilePath)]
    pub(super) out: PathBuf,
    /// Omit samples of rejected records
    #[arg(long)]
    pub(super) no_samples: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("files", |files| files.help("Only these files, directories or patterns [default: everything that was loaded]")))]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    #[command(flatten)]
    pub(super) files: FileArgs,
    #[command(flatten)]
    pub(super) date: DateArg,
    /// Exit with 1 if a dead letter is open, or something cannot be compared
    #[arg(long)]
    pub(super) strict: bool,
    #[command(flatten)]
    pub(super) work: WorkArgs,
    #[command(flatten)]
    pub(super) progress: ProgressArgs,
}

#[derive(Debug, Args)]
pub(super) struct RollupArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Only this date
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, conflicts_with_all = ["from", "to"])]
    pub(super) date: Option<NaiveDate>,
    /// The first date
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "to")]
    pub(super) from: Option<NaiveDate>,
    /// The date after the last
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "from")]
    pub(super) to: Option<NaiveDate>,
    /// Only compare, and exit with 5 if there is a difference
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["files", "id"]).required(true).multiple(true))]
pub(super) struct ForgetArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Files, or directories for all files below them; they need not exist any more
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Sources by id, as shown by `logmill status --all`
    #[arg(long, value_delimiter = ',')]
    pub(super) id: Vec<i32>,
    /// Only the sources of this data date
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date)]
    pub(super) date: Option<NaiveDate>,
    /// Only show what would be forgotten
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Delete their rows, too, if rows record their source (key `position` or `none`)
    ///
    /// Asks for confirmation on a terminal. Other loads wait meanwhile.
    #[arg(long)]
    pub(super) delete_rows: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(super) yes: bool,
}

/// A file name. The URL of a server is a destination whose `--into` was forgotten; as a file, it would be
/// quoted with its password.
fn name_of_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        let is_server = |text: &str| text.starts_with("postgres://") || text.starts_with("postgresql://");
        match path.to_str().is_some_and(is_server) {
            true => Err("a destination goes after --into"),
            false => Ok(path),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_flag_has_help() {
        command_line().debug_assert();
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command_line());
    }

    #[test]
    fn every_flag_that_sets_a_key_says_what_the_key_means() {
        let load = command_line().find_subcommand("load").expect("a command").clone();
        for (flag, default) in [
            ("threads", "one per core"),
            ("chunk-size", "1MiB"),
            ("batch-rows", "100000"),
            ("batch-bytes", "24MiB"),
            ("retry-for", "10m"),
            ("deadline", "60s"),
        ] {
            let flag =
                load.get_arguments().find(|argument| argument.get_long() == Some(flag)).expect("a flag");
            let help = flag.get_help().expect("help").to_string();
            assert!(help.contains(&format!("[default: {default}")), "{help}");
        }
    }
}
