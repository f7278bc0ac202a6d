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
    /// Generate a log file of any size, with the same bytes on every machine
    ///
    /// Prints its hash. Never overwrites an existing file.
    Generate(GenerateArgs),
    /// Measure the speed of this program here, stage by stage
    ///
    /// Each stage includes the ones before it: `scan` finds records, `parse` reads their fields, `bind`
    /// makes rows, `encode` does all of a worker's work, `load` is a load. Each is measured beside a floor,
    /// the minimum work for the same result. A load goes into a temporary database or file, never into the
    /// job's, and its rows are counted there.
    Run(RunArgs),
    /// Compare two results, or this program with another
    ///
    /// Exits with 0 if no stage is slower, with 5 if one is, with 1 if the machine is too noisy to decide,
    /// and with 2 if the two cannot be compared.
    Compare(CompareArgs),
}

/// The generated data, if no file is given.
#[derive(Debug, Args)]
pub(in crate::cli) struct RecipeArgs {
    /// The format of the records
    #[arg(long, value_parser = FORMATS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), default_value = "ndjson", help_heading = "What is made")]
    pub(in crate::cli) format: String,
    /// The kind of records: those of a service, or nested events of a forge (JSON only)
    #[arg(long, value_parser = SHAPES.iter().map(|(name, _)| *name).collect::<Vec<_>>(), default_value = "app", help_heading = "What is made")]
    pub(in crate::cli) shape: String,
    /// The number of records
    #[arg(long, value_parser = |text: &str| some(units::parse_count(text)), conflicts_with = "size", help_heading = "What is made")]
    pub(in crate::cli) records: Option<u64>,
    /// The number of bytes, rounded up to a whole record [default: 64MiB]
    #[arg(long, value_parser = |text: &str| some(units::parse_size(text)), help_heading = "What is made")]
    pub(in crate::cli) size: Option<u64>,
    /// The seed of the random numbers
    #[arg(long, default_value_t = 1, help_heading = "What is made")]
    pub(in crate::cli) seed: u64,
    /// The day over which the records are spread [default: close together, from 2024-01-01 on]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = units::parse_date, requires = "records", help_heading = "What is made")]
    pub(in crate::cli) day: Option<NaiveDate>,
    /// The share of bad records, such as `0.1%`
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0%", help_heading = "What is made")]
    pub(in crate::cli) bad: u64,
    /// The share of repeated records, such as `5%`
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
    /// The file, which must not exist
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) out: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) recipe: RecipeArgs,
}

/// The data to measure with.
#[derive(Debug, Args)]
pub(in crate::cli) struct GroundArgs {
    /// The job file [default: the one beside FILE, or inferred]
    #[arg(short, long, value_name = "JOB", env = "LOGMILL_JOB", hide_env_values = true, value_parser = name_of_file(), add = completions::jobs())]
    pub(in crate::cli) job: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) date: DateArg,
    #[command(flatten)]
    pub(in crate::cli) work: WorkArgs,
    #[command(flatten)]
    pub(in crate::cli) recipe: RecipeArgs,
    /// The stages, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = stage, default_values_t = ALL.map(Stage::name).map(str::to_owned))]
    pub(in crate::cli) stages: Vec<String>,
    /// Load next to this destination: into a new database on the same server, or a file in the same folder
    ///
    /// On PostgreSQL the role must be allowed to create databases. Without it, a temporary file is used
    /// (TMPDIR).
    #[arg(long, value_name = "URL", env = "LOGMILL_INTO", hide_env_values = true)]
    pub(in crate::cli) into: Option<Url>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// Files to measure with [default: those of the job; without a job, generated data]
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath, conflicts_with = "RecipeArgs")]
    pub(in crate::cli) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) ground: GroundArgs,
    /// The number of runs of each stage that count
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(in crate::cli) runs: u16,
    /// The number of warm-up runs before them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub(in crate::cli) warm_up: u16,
    /// The number of passes through the data per run [default: enough for a tenth of a second]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(in crate::cli) passes: Option<u64>,
    /// Measure no floors
    #[arg(long)]
    pub(in crate::cli) no_floors: bool,
    /// Write the result to this file, for `bench compare`; it must not exist
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CompareArgs {
    /// Two results of `bench run -o`, the old one first; with --against, files to measure with
    #[arg(value_name = "FILE", value_parser = name_of_file(), value_hint = ValueHint::AnyPath, conflicts_with = "RecipeArgs")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Measure this program against another one, in pairs, instead of comparing results
    #[arg(long, value_name = "PROGRAM", value_hint = ValueHint::ExecutablePath)]
    pub(in crate::cli) against: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) ground: GroundArgs,
    /// The failure threshold, as a fraction of the old speed
    #[arg(long, value_name = "RATIO", value_parser = part, default_value = "0.95")]
    pub(in crate::cli) fail_below: f64,
    /// The maximum number of pairs; at least 12 are run, and no more than necessary
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=10_000), requires = "against")]
    pub(in crate::cli) pairs: u16,
    /// Also count instructions under valgrind: they decide if time is too noisy
    #[arg(long, requires = "against")]
    pub(in crate::cli) instructions: bool,
}

/// The flag after `bench run` or `bench compare` that describes generated data, and whether a job was given
/// as well. Flags from the environment are meant for other commands.
pub(in crate::cli) fn of_recipe(matches: &ArgMatches) -> Option<(String, bool)> {
    let (_, measuring) =
        matches.subcommand_matches("bench")?.subcommand().filter(|(name, _)| *name != "generate")?;
    let is_typed = |id: &str| measuring.value_source(id) == Some(ValueSource::CommandLine);
    let of_recipe = RecipeArgs::augment_args(clap::Command::new("recipe"));
    let flag = of_recipe.get_arguments().find(|flag| is_typed(flag.get_id().as_str()))?;
    Some((format!("--{}", flag.get_long()?), is_typed("job")))
}

impl BenchCommand {
    /// Without a job.
    pub(in crate::cli) fn leave_job_out(&mut self) {
        match self {
            BenchCommand::Generate(_) => {}
            BenchCommand::Run(args) => args.ground.job = None,
            BenchCommand::Compare(args) => args.ground.job = None,
        }
    }
}

/// The first flag that describes how to measure, given although two results are compared and nothing is
/// measured. Flags from the environment are meant for other commands.
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

/// An empty data set is refused.
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
