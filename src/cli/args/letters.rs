//! The flags of `dead-letters`.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Subcommand, ValueHint};

use super::super::completions;
use super::{JobArgs, WatchArgs};
use crate::config::units;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DeadLettersCommand {
    /// List dead letters with place, reasons and state
    ///
    /// In the order in which they were found. All conditions must hold, and --code and --field must match
    /// the same reason.
    List(ListArgs),
    /// Show one dead letter completely: its bytes, its place and every reason
    Show(ShowArgs),
    /// Deliver open dead letters to the further place in the job
    ///
    /// Every load does this at its end. Each letter arrives at least once, and a repeated one has the same
    /// id. Exits with 1 if some cannot be delivered.
    Deliver(DeliverArgs),
    /// Mark open dead letters as not needed: they no longer count as open, but are kept
    ///
    /// A load exits with 0 again once none is open.
    Discard(DiscardArgs),
    /// Write dead letters to a file, to be inspected and mended
    ///
    /// One object per line, with the record as `raw`, or as `raw_base64` if it is not text.
    Export(ExportArgs),
    /// Try open dead letters again, by the current rules of the job
    ///
    /// Valid records become rows, each exactly once, and their letters are replayed. The others stay open,
    /// with their new reasons. Exits with 3 while a letter of the job is open.
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// Only letters in this state; `any` for all
    #[arg(long, value_parser = ["open", "replayed", "discarded", "superseded", "any"], default_value = "open")]
    pub(in crate::cli) state: String,
    /// The maximum number of letters; 0 for all
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    pub(in crate::cli) limit: u64,
    /// Only count reasons by code and field, the most frequent first, with a sample
    #[arg(long)]
    pub(in crate::cli) counts: bool,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").args(["code", "field", "source", "since", "id", "all"]).required(true).multiple(true))]
pub(in crate::cli) struct DiscardArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// All open letters of the job
    #[arg(long, conflicts_with_all = ["code", "field", "source", "since", "id"], help_heading = "Which")]
    pub(in crate::cli) all: bool,
    /// The reason, for later readers
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// Only letters in this state; `any` for all
    #[arg(long, value_parser = ["open", "replayed", "discarded", "superseded", "any"], default_value = "open")]
    pub(in crate::cli) state: String,
    /// The file, which must be new or empty; it is private to its owner, and links are not followed. `-` is
    /// stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) out: PathBuf,
    /// Write the records themselves, one per line, and their ids to FILE.ids
    #[arg(long)]
    pub(in crate::cli) raw: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// Try the letters in this file, which `export` wrote, with the records in it
    ///
    /// The objects may be in any order; records need FILE.ids beside them. Mended records are kept with the
    /// letter, in addition to the original.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) from: Option<PathBuf>,
    /// With a key of columns: existing rows are replaced by those of the letters
    #[arg(long)]
    pub(in crate::cli) overwrite: bool,
    /// Only show what would happen; refusals by the server are not known then
    #[arg(short = 'n', long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) watch: WatchArgs,
}

/// A selection of dead letters. All conditions must hold.
#[derive(Debug, Args)]
pub(in crate::cli) struct FilterArgs {
    /// Only letters with a reason of this code
    #[arg(long, value_parser = NonEmptyStringValueParser::new(), help_heading = "Which")]
    pub(in crate::cli) code: Option<String>,
    /// Only letters with a reason about this field
    #[arg(long, help_heading = "Which")]
    pub(in crate::cli) field: Option<String>,
    /// Only letters of sources whose name ends with this
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = "Which")]
    pub(in crate::cli) source: Option<String>,
    /// Only letters last seen since a date, a time (RFC 3339), or an age such as 2d; in UTC
    #[arg(long, value_name = "TIME", value_parser = units::parse_since, help_heading = "Which")]
    pub(in crate::cli) since: Option<DateTime<Utc>>,
    /// Only letters with these ids
    #[arg(long, value_delimiter = ',', value_parser = units::parse_id, add = completions::letters(), help_heading = "Which")]
    pub(in crate::cli) id: Vec<i64>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeliverArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    /// The id, as shown by `dead-letters list`
    #[arg(value_parser = units::parse_id, add = completions::letters())]
    pub(in crate::cli) id: i64,
    /// Write only the bytes of the record to stdout, whatever --output says
    #[arg(long)]
    pub(in crate::cli) raw: bool,
}
