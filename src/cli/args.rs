//! What can be typed: every flag and its help, and nothing else.
//!
//! The doc comment of a flag is its help: the first paragraph for `-h`, all of it for
//! `--help`. A flag that sets a key of the job has none: its help and its default are the key's.
//! What a flag means is decided in `config`, once.

mod bench;
mod letters;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgAction, ArgGroup, Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};

pub(super) use bench::{BenchCommand, CompareArgs, GroundArgs, RunArgs, of_no_measurement, of_recipe};
pub(super) use letters::{
    DeadLettersCommand, DeliverArgs, DiscardArgs, ExportArgs, FilterArgs, ListArgs, ReplayArgs, ShowArgs,
};
pub(super) use watch::{ProgressArgs, ProgressForm, WatchArgs};

use super::completions;
use super::version::version;
use crate::config::{Url, flag_help, units};
use crate::sink::TableName;
use crate::sink::bar::Bar;
use crate::sink::kinds::{DEFAULT, FORMS_IN_SHORT};
use crate::split::Split;

/// Years of logs into a database: every record once, at the speed of the server's own COPY.
#[derive(Debug, Parser)]
#[command(name = "logmill", version, long_version = version(), max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit status: 0 all is in, 1 failed (run again to go on), 2 the command line or the job is wrong, \
    3 some records were rejected, 4 a source had too many dead letters, 5 `verify`, `rollup --check` or `bench compare` found a difference, 6 another run holds the sources, 130/143 interrupted.\n\n\
    To begin: `logmill load FILE`. It writes a job file to edit, loads into logmill.db, and says what to type next."
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) speech: SpeechArgs,
}

/// The command line with all its help: what clap is to be asked for.
pub(super) fn command_line() -> clap::Command {
    described(CommandLine::command())
}

/// Gives each flag that sets a key what the table of keys says of it.
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
    /// What was loaded before is left out, and what was loaded in part goes on where it
    /// stopped: running the same command again is how a load is resumed.
    ///
    /// Without a job, one is inferred from FILE, its format from samples and
    /// its fields from all values, and written to ./FILE.logmill.toml; the rows go into
    /// logmill.db. The job is used from then on.
    Load(LoadArgs),
    /// Load a job for many days
    ///
    /// The same as a load for each day, one after the other: days that are done are left out,
    /// those that were begun go on, those that failed are tried again. A day that fails does not
    /// end it. Running the same command again is how it is resumed, and how a file that came late
    /// is loaded. At the end it tells of every day, and ends as the worst of them.
    Backfill(BackfillArgs),
    /// Write a job file from what is found in files
    ///
    /// Reads every record, up to 256 MiB of all files together, and writes a job whose fields
    /// take every value that was seen. It is yours to edit: from then on nothing is guessed.
    Infer(InferArgs),
    /// Parse and validate files, and write nothing
    ///
    /// Does what a load does, at full speed, without a destination: counts, reasons by code and
    /// field with their first places, and the first rows. Nothing is remembered, so a file can
    /// be checked again and again. What only a table can refuse is found by a load. Without a
    /// job, the job beside the file is used, or one is inferred and not written.
    Check(CheckArgs),
    /// Show what a load would do, and what it promises, and write nothing but splits
    ///
    /// Which files would be read, left out and refused, and why; what stands in the way, all at
    /// once: rights, columns, indexes; what would be made; and what is guaranteed for these
    /// sources, this key and this destination. Only with --split-size something is written. Ends as a load would that stops before the first
    /// record: 2 if something stands in its way, 1 if a file cannot be loaded.
    Plan(PlanArgs),
    /// Show how far a job is: sources, dead letters by reason, last runs
    ///
    /// From any machine: it is all in the destination. Nothing is written, and nothing waits.
    Status(StatusArgs),
    /// Write one page with pictures of a job: dates, runs, dead letters, sources
    ///
    /// A file of its own that asks for nothing else: it opens from a mail, by day and by night, and prints. It
    /// holds samples of refused records, so nobody else may read it. An older page of the same name gives way.
    Report(ReportArgs),
    /// Look at the records that did not become rows
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Prove that what is in the destination is what was in the files
    ///
    /// Reads again what was loaded, up to where it was, and compares it with the rows and the dead
    /// letters, value by value, whatever the counters say. Nothing is written. Ends with 5 if there
    /// is a difference; what cannot be compared is told, and is none.
    Verify(VerifyArgs),
    /// Compute the metrics of dates, or compare them
    ///
    /// Every load computes those of the dates that it touched. This computes all that have rows or
    /// values: after a metric was changed, or others have written to the table. With --check it
    /// writes nothing, and ends with 5 if a value is not what computing it again would give.
    Rollup(RollupArgs),
    /// Remove files from the memory of a job, so that they are loaded again
    ///
    /// Their rows stay, unless --delete-rows; what that means for the next load is said, and depends
    /// on the key of the job. All is done in one transaction. Refused while a run holds one of
    /// them. Their dead letters become superseded.
    Forget(ForgetArgs),
    /// Measure how fast this program is, and whether it got slower
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print what job files and outputs are, as JSON Schemas
    #[command(group = ArgGroup::new("which").args(["json_schema", "output_schema"]).required(true))]
    Config {
        /// Print the JSON Schema (2020-12) of job files
        ///
        /// An editor that is given it completes keys, says what they mean and underlines what
        /// would be refused: `logmill config --json-schema > logmill.schema.json`, and
        /// `#:schema ./logmill.schema.json` as the first line of a job (Even Better TOML, taplo).
        #[arg(long)]
        json_schema: bool,
        /// Print the JSON Schema (2020-12) of what `--output json` and `--log-format json` write
        ///
        /// Within a schema_version fields may come, so a program takes what it knows and leaves the rest.
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
    /// Print the manual page of everything, or of one command
    ///
    /// To read it: `logmill man load | man -l -`.
    Man {
        /// The command, as in `logmill man dead-letters list`
        command: Vec<String>,
    },
}

/// How the command speaks.
#[derive(Debug, Args)]
pub(super) struct SpeechArgs {
    /// How results are printed: for people, or as one JSON object on stdout
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        global = true,
        default_value_t,
        env = "LOGMILL_OUTPUT",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(super) output: Output,
    /// Say nothing but errors and failures
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(super) quiet: bool,
    /// Say more: what is done with every file; twice (-vv), every step
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(super) verbose: u8,
    /// Whether what is for people has colours; a terminal has, unless NO_COLOR is set
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        global = true,
        default_value_t,
        env = "LOGMILL_COLOR",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(super) color: Colour,
    /// How messages on stderr are written
    #[arg(
        long,
        value_name = "FORM",
        value_enum,
        global = true,
        default_value_t,
        env = "LOGMILL_LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(super) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Text,
    /// One object, with a `schema_version`.
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal.
    #[default]
    Auto,
    /// Wherever it goes.
    Always,
    /// Nowhere.
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// The job, and where it goes.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// The job file
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(super) job: PathBuf,
    #[command(flatten)]
    pub(super) destination: DestinationArgs,
}

/// The job, or none: then it is inferred.
#[derive(Debug, Args)]
pub(super) struct ChosenJobArgs {
    /// The job file [default: ./FILE.logmill.toml, written if it is not there]
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(super) job: Option<PathBuf>,
    #[command(flatten)]
    pub(super) destination: DestinationArgs,
}

/// Where rows go, if not where the job says.
#[derive(Debug, Args)]
pub(super) struct DestinationArgs {
    #[arg(long, value_name = "URL", help = format!("Another destination than the job's: {FORMS_IN_SHORT}"), env = "LOGMILL_INTO", hide_env_values = true)]
    pub(super) into: Option<Url>,
    /// Another table than the job's
    #[arg(long, env = "LOGMILL_TABLE", hide_env_values = true)]
    pub(super) table: Option<TableName>,
}

/// What the run is about.
#[derive(Debug, Args)]
pub(super) struct DateArg {
    /// The data date: the day that the run is about, put in for {date} in the job
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, env = "LOGMILL_DATE", hide_env_values = true)]
    pub(super) date: Option<NaiveDate>,
}

/// How the work is divided.
#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    #[arg(long, value_parser = units::parse_count, env = "LOGMILL_THREADS", hide_env_values = true, help_heading = "Limits")]
    pub(super) threads: Option<u64>,
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size, env = "LOGMILL_CHUNK_SIZE", hide_env_values = true, help_heading = "Limits")]
    pub(super) chunk_size: Option<u64>,
}

/// Files, in the place of those of the job.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// Files, directories or patterns; `-` is stdin [default: those of the job]
    ///
    /// A directory stands for all files below it, but for hidden ones. What a pattern finds comes
    /// in the order of names, in which app.log.10 is behind app.log.2.
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Read the names of more files from this file, one on each line; `-` is stdin
    ///
    /// A list that holds a NUL is taken as one of names that end with NUL, as `find -print0`
    /// writes it: such names may have line ends in them.
    #[arg(long, value_name = "LIST", value_hint = ValueHint::FilePath)]
    pub(super) files_from: Option<PathBuf>,
    /// The names in LIST end with NUL, even if none is found in it
    #[arg(short = '0', long, requires = "files_from")]
    pub(super) null: bool,
}

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    pub(super) job: ChosenJobArgs,
    #[command(flatten)]
    pub(super) files: FileArgs,
    #[command(flatten)]
    pub(super) date: DateArg,

    /// Go on with files that were begun under other rules (format, fields, key)
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) accept_new_rules: bool,
    /// End with 0, and not with 2, if there is no file to load
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) allow_empty: bool,
    /// Load a file even if another one with the same content was loaded
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) allow_duplicates: bool,
    /// End with 0 even if some records were rejected
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) allow_rejects: bool,
    /// End the run that holds the sources, and take its place
    ///
    /// Without it, the command waits ten seconds for a holder that may only be outliving its
    /// client, and then ends with 6.
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) take_over: bool,
    /// Load again what was loaded, in the place of its rows
    ///
    /// All of the job, or of the date, or of FILEs: its rows and dead letters go and those of the present
    /// rules and files come, in one transaction. A reader sees the old ones or the new ones, and whatever
    /// goes wrong leaves the old ones. Rows of other sources are not touched.
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) rebuild: bool,
    /// With --rebuild: what has no file any more goes, with its rows
    #[arg(long, requires = "rebuild", help_heading = "What counts as loaded")]
    pub(super) allow_missing: bool,
    /// Wait so long for another run that holds the sources, and then end with 6
    ///
    /// [default: 10s; with --split, until the other run is done with it or gone]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, conflicts_with = "take_over", help_heading = "What counts as loaded")]
    pub(super) wait: Option<Duration>,
    /// Load one split of a source, by its id as `plan` prints it
    ///
    /// Twice, late or at the same time elsewhere, it changes nothing: what counts is in the
    /// destination. If another run is at work on it, that is waited for.
    #[arg(
        long,
        value_name = "ID",
        requires = "job",
        conflicts_with = "rebuild",
        help_heading = "What counts as loaded"
    )]
    pub(super) split: Option<Split>,
    #[arg(long, value_name = "BAR", value_parser = units::parse_bar, env = "LOGMILL_STOP_ABOVE", hide_env_values = true, help_heading = "What counts as loaded")]
    pub(super) stop_above: Option<Bar>,

    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) watch: WatchArgs,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("days").required(true).args(["from", "found"])))]
pub(super) struct BackfillArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// The first day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "to")]
    pub(super) from: Option<NaiveDate>,
    /// The day before which it ends
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "from")]
    pub(super) to: Option<NaiveDate>,
    /// The days that the names of files tell
    #[arg(long)]
    pub(super) found: bool,
    /// Load so many days at a time; they share threads and memory
    #[arg(long, value_name = "DAYS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) parallel: u16,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Begin no further day once one has failed
    #[arg(long)]
    pub(super) fail_fast: bool,

    /// As for `load`
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) accept_new_rules: bool,
    /// As for `load`
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) allow_duplicates: bool,
    /// As for `load`
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) allow_rejects: bool,
    /// As for `load`
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) take_over: bool,
    /// Load again what was loaded, each day in the place of its rows
    ///
    /// Every day of those that are meant, whether it is done or not, and each in one transaction, as
    /// `load --rebuild` does it.
    #[arg(long, help_heading = "What counts as loaded")]
    pub(super) rebuild: bool,
    /// With --rebuild: what has no file any more goes, with its rows
    #[arg(long, requires = "rebuild", help_heading = "What counts as loaded")]
    pub(super) allow_missing: bool,
    #[arg(long, value_name = "BAR", value_parser = units::parse_bar, env = "LOGMILL_STOP_ABOVE", hide_env_values = true, help_heading = "What counts as loaded")]
    pub(super) stop_above: Option<Bar>,

    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) watch: WatchArgs,
}

/// Limits that a person wants to change on the spot.
#[derive(Debug, Args)]
pub(super) struct LimitArgs {
    #[command(flatten)]
    pub(super) work: WorkArgs,
    #[arg(long, value_name = "ROWS", value_parser = units::parse_count, env = "LOGMILL_BATCH_ROWS", hide_env_values = true, help_heading = "Limits")]
    pub(super) batch_rows: Option<u64>,
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size, env = "LOGMILL_BATCH_BYTES", hide_env_values = true, help_heading = "Limits")]
    pub(super) batch_bytes: Option<u64>,
    #[arg(long, value_name = "LANES", value_parser = units::parse_count, env = "LOGMILL_LANES", hide_env_values = true, help_heading = "Limits")]
    pub(super) lanes: Option<u64>,
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, env = "LOGMILL_RETRY_FOR", hide_env_values = true, help_heading = "Limits")]
    pub(super) retry_for: Option<Duration>,
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, env = "LOGMILL_DEADLINE", hide_env_values = true, help_heading = "Limits")]
    pub(super) deadline: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(mut_arg("files", |files| files.help("Files, directories or patterns; `-` is stdin")))]
#[command(mut_arg("into", |into| into.help(format!("The destination that the job names [default: {DEFAULT}]"))))]
#[command(mut_arg("table", |table| table.help("The table that the job names [default: after FILE]")))]
pub(super) struct InferArgs {
    #[command(flatten)]
    pub(super) files: FileArgs,
    /// Take the fields of this JSON Schema rather than those of FILEs
    ///
    /// What the schema asks for and is not enforced is told, beside its field, which is stored as JSON.
    #[arg(long, value_name = "SCHEMA", conflicts_with_all = ["files", "files_from"], value_hint = ValueHint::FilePath)]
    pub(super) from_schema: Option<PathBuf>,
    /// Where the job is written; `-` is stdout [default: ./FILE.logmill.toml]
    #[arg(short = 'o', long = "out", value_name = "JOB", value_hint = ValueHint::FilePath)]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) destination: DestinationArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The job file [default: ./FILE.logmill.toml, or what is inferred from FILE]
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(super) job: Option<PathBuf>,
    #[command(flatten)]
    pub(super) files: FileArgs,
    /// End with 0, and not with 2, if there is no file to check
    #[arg(long)]
    pub(super) allow_empty: bool,
    /// Write one JSON object per record to OUT: its place, and its values or every reason
    ///
    /// It must be new or empty; `-` is stdout, and the report then goes to stderr.
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
    /// Print the statements that make and grant what a load needs, and nothing else
    ///
    /// For somebody who has the rights that the role of the job lacks. They can be run twice.
    #[arg(long)]
    pub(super) print_sql: bool,
    /// Cut the files into splits of about this size, and write them down
    ///
    /// Each can then be loaded by itself, anywhere: `logmill load --split ID`. A file that is cut
    /// is cut for good, so that no later plan disagrees with this one. The first record of a
    /// split is where a record starts; what cannot be cut stays one split, and is told why.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size, conflicts_with = "print_sql")]
    pub(super) split_size: Option<u64>,
    /// As for `load`
    #[arg(long)]
    pub(super) accept_new_rules: bool,
    /// As for `load`
    #[arg(long)]
    pub(super) allow_duplicates: bool,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Show these files, with all that is known of them; a directory means all below it
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Show every source, not only those that are unfinished or have dead letters
    #[arg(short, long)]
    pub(super) all: bool,
    /// End with 3 if a dead letter of the job is open
    #[arg(long, conflicts_with = "files")]
    pub(super) fail_if_open: bool,
    /// End with 1 if no load came to the end of its sources for so long: 1d, 36h
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration, conflicts_with = "files")]
    pub(super) fail_if_older: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// The file, which takes its name when it is whole; `-` is stdout
    #[arg(short, long, value_name = "FILE.html", value_hint = ValueHint::FilePath)]
    pub(super) out: PathBuf,
    /// Show nothing of refused records
    #[arg(long)]
    pub(super) no_samples: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("files", |files| files.help("Only these files, directories or patterns [default: all that was loaded]")))]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    #[command(flatten)]
    pub(super) files: FileArgs,
    #[command(flatten)]
    pub(super) date: DateArg,
    /// End with 1 if a dead letter is open, or something cannot be compared
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
    /// Only the dates from this one on
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "to")]
    pub(super) from: Option<NaiveDate>,
    /// and before this one
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "from")]
    pub(super) to: Option<NaiveDate>,
    /// Compare only, and end with 5 if there is a difference
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["files", "id"]).required(true).multiple(true))]
pub(super) struct ForgetArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Files, or directories for all below them; they need not be there any more
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath)]
    pub(super) files: Vec<PathBuf>,
    /// Sources by their ids, as `logmill status --all` shows them
    #[arg(long, value_delimiter = ',')]
    pub(super) id: Vec<i32>,
    /// Of files that were loaded for several days, those of this data date
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date)]
    pub(super) date: Option<NaiveDate>,
    /// Only say what would be forgotten
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Delete their rows too, where rows say which source they are of (key `position` or `none`)
    ///
    /// On a terminal it is asked first. Other loads wait meanwhile.
    #[arg(long)]
    pub(super) delete_rows: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(super) yes: bool,
}

/// The name of a file. A URL of a server there is a destination whose `--into` was forgotten,
/// and what cannot be opened would be quoted with its password.
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
