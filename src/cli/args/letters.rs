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
    /// List them: place, reasons, state
    ///
    /// In the order in which they were met. Several conditions must all hold, and --code and
    /// --field of the same reason.
    List(ListArgs),
    /// Show one whole: its bytes, its place and every reason
    Show(ShowArgs),
    /// Deliver those that are open to where the job says besides, and were not delivered yet
    ///
    /// Every load does this at its end. Each arrives at least once, and one that arrives twice has
    /// the same id. Ends with 1 if they cannot all be delivered.
    Deliver(DeliverArgs),
    /// Mark open ones that nobody wants: they count as open no more, and are kept
    ///
    /// A load ends with 0 again once none is open.
    Discard(DiscardArgs),
    /// Write them to a file, to be looked at and mended
    ///
    /// An object on each line, with the record as `raw`, or as `raw_base64` where it is no text.
    Export(ExportArgs),
    /// Try open ones again, by the present rules of the job
    ///
    /// Records that are good now become rows, each once, and their letters are replayed; the others stay
    /// open, with why they were refused this time. Ends with 3 while one of the job is open.
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// Only those in this state; `any` for all
    #[arg(long, value_parser = ["open", "replayed", "discarded", "superseded", "any"], default_value = "open")]
    pub(in crate::cli) state: String,
    /// At most so many; 0 for all
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
    pub(in crate::cli) limit: u64,
    /// Only count them: each code and field, the most frequent first, with a sample
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
    /// All open ones of the job
    #[arg(long, conflicts_with_all = ["code", "field", "source", "since", "id"], help_heading = "Which")]
    pub(in crate::cli) all: bool,
    /// Why, for whoever looks at them later
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// Only those in this state; `any` for all
    #[arg(long, value_parser = ["open", "replayed", "discarded", "superseded", "any"], default_value = "open")]
    pub(in crate::cli) state: String,
    /// The file, which must be new or empty; nobody else may read it, and links are not followed. `-` is
    /// stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) out: PathBuf,
    /// Write the records as they are, one on each line, and their ids to FILE.ids
    #[arg(long)]
    pub(in crate::cli) raw: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    #[command(flatten)]
    pub(in crate::cli) job: JobArgs,
    #[command(flatten)]
    pub(in crate::cli) filter: FilterArgs,
    /// Try the letters of this file, which `export` wrote, with their records as they stand in it
    ///
    /// Objects in any order; or records, where FILE.ids stands beside. What was mended is kept with the
    /// letter, and its source's record too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) from: Option<PathBuf>,
    /// With a key of columns: let rows that are there give way to those of the letters
    #[arg(long)]
    pub(in crate::cli) overwrite: bool,
    /// Only say what would come of it; what the server would refuse is not known then
    #[arg(short = 'n', long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(in crate::cli) watch: WatchArgs,
}

/// Which dead letters are meant. All conditions must hold.
#[derive(Debug, Args)]
pub(in crate::cli) struct FilterArgs {
    /// Only those with a reason of this code
    #[arg(long, value_parser = NonEmptyStringValueParser::new(), help_heading = "Which")]
    pub(in crate::cli) code: Option<String>,
    /// Only those with a reason about this field
    #[arg(long, help_heading = "Which")]
    pub(in crate::cli) field: Option<String>,
    /// Only those of sources whose name ends like this
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), help_heading = "Which")]
    pub(in crate::cli) source: Option<String>,
    /// Only those last seen since then: a date, a moment (RFC 3339), or so long ago, as in 2d; in UTC
    #[arg(long, value_name = "TIME", value_parser = units::parse_since, help_heading = "Which")]
    pub(in crate::cli) since: Option<DateTime<Utc>>,
    /// Only those with these ids
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
    /// The id, as `dead-letters list` shows it
    #[arg(value_parser = units::parse_id, add = completions::letters())]
    pub(in crate::cli) id: i64,
    /// Write the record's bytes to stdout as they are, and nothing else, whatever --output says
    #[arg(long)]
    pub(in crate::cli) raw: bool,
}
