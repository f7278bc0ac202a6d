//! `bench`: data sets, measurements, comparisons.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use clap::ArgMatches;

use super::args::{BenchCommand, Command, CompareArgs, GroundArgs, RunArgs, of_no_measurement, of_recipe};
use super::speech::Speech;
use crate::bench::{self, AgainstOptions, Ground, RunOptions, Stage};
use crate::config::Overrides;
use crate::engine::Watch;
use crate::error::{Error, Result};
use crate::report::{BenchComparison, Exit, Report as _};
use crate::stop::Stop;

pub(super) fn bench(command: &BenchCommand, speech: Speech, stop: &Stop) -> anyhow::Result<Exit> {
    let watch = Watch { stop: stop.clone(), ..speech.watch() };
    match command {
        BenchCommand::Generate(args) => {
            let made = bench::generate(args.recipe.recipe(), &args.out)?;
            speech.show(&made)?;
            Ok(made.head.exit)
        }
        BenchCommand::Run(args) => run(args, speech, &watch),
        BenchCommand::Compare(args) => {
            let comparison = compare(args, speech, &watch)?;
            speech.show(&comparison)?;
            Ok(comparison.head.exit)
        }
    }
}

fn run(args: &RunArgs, speech: Speech, watch: &Watch) -> anyhow::Result<Exit> {
    args.out.as_deref().map_or(Ok(()), try_out)?;
    warn_of_build(speech);
    let ground = ground(&args.ground, &args.files, watch)?;
    let options = RunOptions {
        stages: stages(&args.ground),
        runs: usize::from(args.runs),
        warm_up: usize::from(args.warm_up),
        passes: args.passes,
        into: args.ground.into.clone(),
        floors: !args.no_floors,
    };
    let measured = bench::run(&ground, &options, watch)?;
    if let Some(out) = &args.out {
        let written = new(out).and_then(|mut file| file.write_all(measured.json().as_bytes()));
        written.map_err(|cause| unwritten(out, cause))?;
    }
    speech.show(&measured)?;
    Ok(measured.head.exit)
}

fn compare(args: &CompareArgs, speech: Speech, watch: &Watch) -> Result<BenchComparison> {
    match (&args.against, &args.files[..]) {
        (Some(_), _) if args.pairs == 0 && !args.instructions => Err(Error::usage(
            "--pairs 0 measures nothing; leave it out, or count instructions instead (--instructions)",
        )),
        (Some(old), files) => {
            warn_of_build(speech);
            let options = AgainstOptions {
                old: old.clone(),
                stages: stages(&args.ground),
                into: args.ground.into.clone(),
                pairs_max: usize::from(args.pairs),
                fail_below: args.fail_below,
                instructions: args.instructions,
            };
            bench::against(&ground(&args.ground, files, watch)?, &options, watch)
        }
        (None, [old, new]) => {
            let name = |path: &Path| path.display().to_string();
            let (measured_old, measured_new) = (bench::read(old)?, bench::read(new)?);
            bench::compare((&name(old), &measured_old), (&name(new), &measured_new), args.fail_below)
        }
        _ => Err(Error::usage(
            "name two results of `logmill bench run -o`, the old one first; or a program, with --against",
        )),
    }
}

/// What to measure on: the given job and files, or generated data.
fn ground(args: &GroundArgs, files: &[std::path::PathBuf], watch: &Watch) -> Result<Ground> {
    let overrides = Overrides {
        files: (!files.is_empty()).then(|| files.to_vec()),
        date: args.date.date,
        threads: args.work.threads,
        chunk_size: args.work.chunk_size,
        ..Overrides::default()
    };
    match args.job.is_none() && files.is_empty() {
        true => Ground::generated(args.recipe.recipe(), &overrides, watch),
        false => Ground::given(args.job.as_deref(), &overrides, watch),
    }
}

fn stages(args: &GroundArgs) -> Vec<Stage> {
    bench::ALL.into_iter().filter(|stage| args.stages.iter().any(|name| name == stage.name())).collect()
}

/// Drops a job that only the environment names, if flags describe generated data to measure on.
pub(super) fn settle(command: &mut Command, matches: &ArgMatches) {
    if let Command::Bench(command) = command
        && of_recipe(matches).is_some()
    {
        command.leave_job_out();
    }
}

/// Refuses flags for measuring if nothing is measured, and flags for generated data if a job is named.
pub(super) fn refused(matches: &ArgMatches) -> Option<Error> {
    if let Some((flag, true)) = of_recipe(matches) {
        return Some(Error::usage(format!(
            "{flag} says what is made to measure on, and cannot be used with --job, which has files of its own"
        )));
    }
    let flag = of_no_measurement(matches)?;
    Some(Error::usage(format!(
        "{flag} says how to measure, and two results have been measured; leave it out, or name a program with --against"
    )))
}

/// Checks whether a result can be written here, before anything is measured for it. The file is removed
/// again, so that a killed command leaves none behind; besides, its folder may be part of the measurement.
fn try_out(out: &Path) -> Result<()> {
    let tried = new(out).and_then(|_| std::fs::remove_file(out));
    tried.map_err(|cause| unwritten(out, cause))
}

fn new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn unwritten(path: &Path, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::AlreadyExists => Error::usage(format!(
            "{} already exists and is not overwritten; name another file, or remove it",
            path.display()
        )),
        _ => Error::file("write the result to", path, cause),
    }
}

fn warn_of_build(speech: Speech) {
    if cfg!(debug_assertions) {
        speech.warn("this is not a release build, so its results mean nothing (cargo build --release)");
    }
}
