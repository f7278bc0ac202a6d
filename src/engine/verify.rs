//! `verify`: what is in the files, held against what is in the destination.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::Instant;

use chrono::NaiveDate;

use super::files::files_or_none;
use super::run::{recipe, settings};
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::pipeline::{self, Outcome};
use crate::report::{Compared, Verify};
use crate::sink::Sink;
use crate::sink::verify::Verified;
use crate::source::{Discovered, Found, Pattern, Selection, discover};

/// What is asked of a verification.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// The day that is meant; without one, all that were loaded.
    pub date: Option<NaiveDate>,
    /// Open dead letters, and what cannot be compared, are a failure.
    pub strict: bool,
    /// Only the files that are given are meant, and not all that was loaded.
    pub is_part: bool,
}

/// Reads what was loaded again, up to the checkpoints, and compares it with the destination. Nothing
/// is written. `job` is the job on a day, or without one.
pub fn verify(
    job: &dyn Fn(Option<NaiveDate>) -> Result<Config>,
    options: VerifyOptions,
    watch: &Watch,
) -> Result<Verify> {
    let began = Instant::now();
    let config = job(options.date)?;
    let days = days(&config, watch)?;
    let days = if options.date.is_some() || options.is_part { vec![options.date] } else { days };
    let (mut verified, mut bytes) = (Verified::default(), 0);
    for (number, &day) in days.iter().enumerate() {
        // A job whose files have a day in their names has none without one.
        let is_left_over = day.is_none() && days.len() > 1;
        let config = job(day)?;
        let files = if is_left_over { Discovered::default() } else { files_or_none(&config)? };
        let part = Part { is_part: options.is_part || days.len() > 1, is_first: number == 0 };
        let (found, read) = verify_day(&config, files, options.is_part, part, watch)?;
        verified.add(found);
        bytes += read;
    }
    let destination = destination(&config, watch)?.describe();
    let compared = Compared { destination, bytes, elapsed: began.elapsed(), strict: options.strict };
    Ok(Verify::new(&config.name, compared, verified))
}

/// The days of the sources, in their order.
fn days(config: &Config, watch: &Watch) -> Result<Vec<Option<NaiveDate>>> {
    let status = destination(config, watch)?.history()?.status(&config.name)?.unwrap_or_default();
    let days: BTreeSet<Option<NaiveDate>> = status.sources.iter().map(|source| source.data_date).collect();
    Ok(if days.is_empty() { vec![config.date] } else { days.into_iter().collect() })
}

/// A part of what the job has loaded.
struct Part {
    /// There are others.
    is_part: bool,
    is_first: bool,
}

/// What there is of one day, and how many bytes were read.
fn verify_day(
    config: &Config,
    files: Discovered,
    are_given: bool,
    part: Part,
    watch: &Watch,
) -> Result<(Verified, u64)> {
    let settings = settings(config, watch);
    let mut verifying = destination(config, watch)?.verify()?;
    if !part.is_first {
        verifying.leave_strays();
    }
    // To look at a stream is to take from it.
    let mut files: Vec<Found> = files.files.into_iter().filter(|file| !file.is_stream()).collect();
    if !are_given {
        let names = verifying.names()?;
        files.extend(elsewhere(&files, &names)?);
    }
    let recipe = recipe(config);
    let mut outcome = Outcome::default();
    loop {
        let sink: &mut dyn Sink = &mut *verifying;
        pipeline::read_again(&files, &recipe, sink, &settings, &watch.stop, &watch.stats, &mut outcome)?;
        if let Some(signal) = outcome.stopped {
            return Err(ErrorKind::Stopped(signal).into());
        }
        if !verifying.end_reading(&outcome.failed, part.is_part)? {
            return Ok((verifying.found(), outcome.bytes));
        }
    }
}

/// The files of sources that the job does not name any more, where they still stand.
fn elsewhere(files: &[Found], names: &[String]) -> Result<Vec<Found>> {
    let named: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let others = names.iter().filter(|name| !named.contains(name.as_str())).map(PathBuf::from);
    let others = others.filter(|path| path.is_absolute() && path.is_file());
    let patterns: Vec<Pattern> = others.map(|text| Pattern { text, base: PathBuf::new() }).collect();
    Ok(discover(&patterns, &Selection::default())?.files)
}
