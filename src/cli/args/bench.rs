//! What can be typed behind `bench`.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand, ValueHint};

use super::super::completions;
use super::{DateArg, WorkArgs, name_of_file};
use crate::bench::dataset::{Amount, FORMATS, Format, Recipe, SHAPES, Shape};
use crate::bench::{ALL, Stage};
use crate::config::{Url, units};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BenchCommand {
    /// Make a log file of any size, the same bytes on every machine
    ///
    /// Its hash is printed. A file that is there is never written over.
    Generate(GenerateArgs),
    /// Measure how fast this program is here, stage by stage
    ///
    /// Each stage holds those before it: `scan` finds records, `parse` reads their fields, `bind`
    /// makes rows, `encode` does all that a worker does, `load` is a load. Each is measured beside a
    /// floor, the least that anybody would have to do. A load goes into a database or a file that is made for it
    /// and thrown away, never into the job's; what came of it is counted there.
    Run(RunArgs),
    /// Compare two results, or this program with another
    ///
    /// Ends with 0 if no stage is slower, with 5 if one is, with 1 if that cannot be told because the
    /// machine is too noisy, and with 2 if the two cannot be compared.
    Compare(CompareArgs),
}

/// What is made, where no file is given.
#[derive(Debug, Args)]
pub(in crate::cli) struct RecipeArgs {
    /// How records are written
    #[arg(long, value_parser = FORMATS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), default_value = "ndjson", help_heading = "What is made")]
    pub(in crate::cli) format: String,
    /// What they are about: a service, or events of a forge, nested (JSON alone)
    #[arg(long, value_parser = SHAPES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), default_value = "app", help_heading = "What is made")]
    pub(in crate::cli) shape: String,
    /// So many records
    #[arg(long, value_parser = |text: &str| some(units::parse_count(text)), conflicts_with = "size", help_heading = "What is made")]
    pub(in crate::cli) records: Option<u64>,
    /// So many bytes, and the rest of a record [default: 64MiB]
    #[arg(long, value_parser = |text: &str| some(units::parse_size(text)), help_heading = "What is made")]
    pub(in crate::cli) size: Option<u64>,
    /// What the randomness begins with
    #[arg(long, default_value_t = 1, help_heading = "What is made")]
    pub(in crate::cli) seed: u64,
    /// The day that the records are of, spread over it [default: close together, from 2024-01-01 on]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "records", help_heading = "What is made")]
    pub(in crate::cli) day: Option<NaiveDate>,
    /// The share of records that are bad, as `0.1%`
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0%", help_heading = "What is made")]
    pub(in crate::cli) bad: u64,
    /// The share of records that come again, as `5%`
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0%", help_heading = "What is made")]
    pub(in crate::cli) duplicates: u64,
}

impl RecipeArgs {
    pub(in crate::cli) fn recipe(&self) -> Recipe {
        let format = FORMATS.iter().find(|(name, _)| *name == self.format);
        let shape = SHAPES.iter().find(|(name, _)| *name == self.shape);
        let usual = Recipe::to_measure();
        Recipe {
            format: format.map_or(Format::Ndjson, |(_, format)| *format),
            shape: shape.map_or(Shape::App, |(_, shape)| *shape),
            amount: match (self.records, self.size) {
                (Some(records), _) => Amount::Records(records),
                (_, Some(bytes)) => Amount::Bytes(bytes),
                _ => usual.amount,
            },
            seed: self.seed,
            day: self.day.and_then(|day| u64::try_from(day.to_epoch_days()).ok()),
            bad_per_million: self.bad,
            duplicates_per_million: self.duplicates,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct GenerateArgs {
    /// The file, which must not be there yet
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) out: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) recipe: RecipeArgs,
}

/// What is measured on.
#[derive(Debug, Args)]
pub(in crate::cli) struct GroundArgs {
    /// The job file [default: the one beside FILE, or what is inferred]
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(in crate::cli) job: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) date: DateArg,
    #[command(flatten)]
    pub(in crate::cli) work: WorkArgs,
    #[command(flatten)]
    pub(in crate::cli) recipe: RecipeArgs,
    /// The stages, with commas between them
    #[arg(long, value_delimiter = ',', value_parser = stage, default_values_t = ALL.map(Stage::name).map(str::to_owned))]
    pub(in crate::cli) stages: Vec<String>,
    /// Load beside this destination: a database of its own on the same server, or a file in the same folder
    ///
    /// On PostgreSQL the role must be allowed to make databases. Without it, a file among the temporary
    /// ones (TMPDIR).
    #[arg(long, value_name = "URL", env = "LOGMILL_INTO", hide_env_values = true)]
    pub(in crate::cli) into: Option<Url>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// Files to measure on [default: those of the job; without one, what is made]
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath, conflicts_with = "RecipeArgs")]
    pub(in crate::cli) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) ground: GroundArgs,
    /// So many runs of each stage count
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(in crate::cli) runs: u16,
    /// So many runs before them do not
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(in crate::cli) warm_up: u16,
    /// Go through the data so often in a run [default: as often as takes a tenth of a second]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(in crate::cli) passes: Option<u64>,
    /// Measure no floors
    #[arg(long)]
    pub(in crate::cli) no_floors: bool,
    /// Write the result here, for `bench compare`; the file must not be there yet
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// Two results of `bench run -o`, the old one first; with --against, files to measure on
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath, conflicts_with = "RecipeArgs")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Measure this program against another, in pairs, and do not read results
    #[arg(long, value_name = "PROGRAM", value_hint = ValueHint::ExecutablePath)]
    pub(in crate::cli) against: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) ground: GroundArgs,
    /// A stage that has less than this part of the old speed is a failure
    #[arg(long, value_name = "RATIO", value_parser = part, default_value = "0.95")]
    pub(in crate::cli) fail_below: f64,
    /// Make no more pairs than this; as few as tell, at least 12
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=10_000), requires = "against")]
    pub(in crate::cli) pairs: u16,
    /// Count instructions too, under valgrind: they decide where time is too noisy to
    #[arg(long, requires = "against")]
    pub(in crate::cli) instructions: bool,
}

/// The flag, typed behind `bench run` or `bench compare`, that says what is to be made to measure on, and
/// whether a job was typed beside it. One that the environment names is for other commands.
pub(in crate::cli) fn of_recipe(matches: &ArgMatches) -> Option<(String, bool)> {
    let (_, measuring) =
        matches.subcommand_matches("bench")?.subcommand().filter(|(name, _)| *name != "generate")?;
    let is_typed = |id: &str| measuring.value_source(id) == Some(ValueSource::CommandLine);
    let of_recipe = RecipeArgs::augment_args(clap::Command::new("recipe"));
    let flag = of_recipe.get_arguments().find(|flag| is_typed(flag.get_id().as_str()))?;
    Some((format!("--{}", flag.get_long()?), is_typed("job")))
}

impl BenchCommand {
    /// Measures on no job.
    pub(in crate::cli) fn leave_job_out(&mut self) {
        match self {
            BenchCommand::Generate(_) => {}
            BenchCommand::Run(args) => args.ground.job = None,
            BenchCommand::Compare(args) => args.ground.job = None,
        }
    }
}

/// The first flag that says how to measure, typed where two results are compared and nothing is measured. One that
/// comes from the environment is for other commands.
pub(in crate::cli) fn of_no_measurement(matches: &ArgMatches) -> Option<String> {
    let (_, compare) =
        matches.subcommand_matches("bench")?.subcommand().filter(|(name, _)| *name == "compare")?;
    if compare.value_source("against").is_some() {
        return None;
    }
    let of_ground = GroundArgs::augment_args(clap::Command::new("ground"));
    let mut flags = of_ground.get_arguments();
    let typed =
        flags.find(|flag| compare.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine))?;
    typed.get_long().map(|long| format!("--{long}"))
}

/// Nothing is no data set.
fn some<E: std::fmt::Display>(read: Result<u64, E>) -> Result<u64, String> {
    match read {
        Ok(0) => Err("0 is no data set; take 1 or more".to_owned()),
        Ok(count) => Ok(count),
        Err(misread) => Err(misread.to_string()),
    }
}

/// A stage by its name.
fn stage(text: &str) -> Result<String, String> {
    match Stage::named(text) {
        Some(stage) => Ok(stage.name().to_owned()),
        None => Err(format!("no such stage; there are {}", ALL.map(Stage::name).join(", "))),
    }
}

/// A share, in millionths.
fn share(text: &str) -> Result<u64, String> {
    let wrong = || "a share is written as 0.1%, up to 100%".to_owned();
    let percent: f64 = text.strip_suffix('%').and_then(|text| text.trim().parse().ok()).ok_or_else(wrong)?;
    if (0.0..=100.0).contains(&percent) { Ok((percent * 1e4).round() as u64) } else { Err(wrong()) }
}

/// A part of one.
fn part(text: &str) -> Result<f64, String> {
    let wrong = || "a part is written as 0.95, and is more than 0 and at most 1".to_owned();
    text.parse().ok().filter(|part| *part > 0.0 && *part <= 1.0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_to_the_millionth() {
        assert_eq!(share("0.1%"), Ok(1_000));
        assert_eq!(share("100 %"), Ok(1_000_000));
        for text in ["", "1", "101%", "-1%", "x%", "nan%"] {
            assert!(share(text).is_err(), "{text}");
        }
        assert!(part("0").is_err() && part("1.01").is_err() && part("nan").is_err());
    }
}
