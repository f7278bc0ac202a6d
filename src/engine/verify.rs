//! `verify`: compares the content of the files with that of the destination.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::NaiveDate;

use super::files::{files, files_or_none};
use super::run::{recipe, settings};
use super::selected::selected;
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result, Unclear};
use crate::pipeline::{self, Outcome};
use crate::printable::remembered;
use crate::report::{Compared, Verify};
use crate::sink::Sink;
use crate::sink::history::SourceStatus;
use crate::sink::verify::{NotVerifiable, Unread, Verified, Verifying};
use crate::source::{Discovered, Found, Pattern, Places, Reach, Selection, discover, find, is_in_bucket};

/// The options of a verification.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// The selected day; without one, all that were loaded.
    pub date: Option<NaiveDate>,
    /// Open dead letters, and what cannot be compared, count as a failure.
    pub strict: bool,
    /// Only the given files are selected, not everything that was loaded.
    pub is_part: bool,
}

/// Reads again what was loaded, up to the checkpoints, and compares it with the destination. Writes nothing.
/// `job` returns the job on a day, or without one.
pub fn verify(
    job: &dyn Fn(Option<NaiveDate>) -> Result<Config>,
    options: VerifyOptions,
    watch: &Watch,
) -> Result<Verify> {
    let began = Instant::now();
    let config = job(options.date)?;
    if let Some(date) = options.date.filter(|_| !config.source.depends_on_date()) {
        return Err(Error::usage(format!(
            "nothing in the job depends on a data date, so it has no day {date} to verify; leave out --date"
        )));
    }
    let status = destination(&config, watch)?.history()?.status(&config.name)?.unwrap_or_default();
    let only = options.is_part.then(|| given(&config, &status.sources, watch)).transpose()?;
    let days = days(&config, &status.sources);
    let days = if options.date.is_some() || options.is_part { vec![options.date] } else { days };
    let (mut verified, mut bytes) = (Verified::default(), 0);
    for (number, &day) in days.iter().enumerate() {
        // A job whose files have a day in their names has no files without a day.
        let is_left_over = day.is_none() && days.len() > 1;
        let config = job(day)?;
        let files =
            if is_left_over { Discovered::default() } else { files_of(&config, &status.sources, watch)? };
        let missing = missing(&files, &status.sources);
        let verifying = Verifying {
            recipe: recipe(&config),
            reads_strays: number == 0 && only.is_none(),
            is_part: only.is_some() || days.len() > 1,
            only: only.clone(),
        };
        let (found, read) = verify_day(&config, files, verifying, watch)?;
        verified.add(found);
        verified.not_verifiable.extend(missing);
        bytes += read;
    }
    let destination = destination(&config, watch)?.describe();
    let compared = Compared { destination, bytes, elapsed: began.elapsed(), strict: options.strict };
    Ok(Verify::new(&config.name, compared, verified))
}

/// The days of the sources, in order.
fn days(config: &Config, sources: &[SourceStatus]) -> Vec<Option<NaiveDate>> {
    let days: BTreeSet<Option<NaiveDate>> = sources.iter().map(|source| source.data_date).collect();
    if days.is_empty() { vec![config.date] } else { days.into_iter().collect() }
}

/// The files of the job. If the job has loaded nothing, at least one file must exist: otherwise nothing would
/// be compared with nothing.
fn files_of(config: &Config, sources: &[SourceStatus], watch: &Watch) -> Result<Discovered> {
    if !sources.is_empty() {
        return files_or_none(config, watch);
    }
    let found = files(config, watch)?;
    let named: Vec<&Found> =
        found.files.iter().filter(|file| !file.is_stream() && !is_in_bucket(&file.path)).collect();
    match named.first().map(|file| (file, fs::metadata(&file.path))) {
        Some((file, Err(cause))) if named.iter().all(|file| is_gone(&file.path)) => {
            Err(Error::file("read", &file.path, cause))
        }
        _ => Ok(found),
    }
}

/// Named files that neither exist nor are sources that have lost their file.
fn missing(files: &Discovered, sources: &[SourceStatus]) -> Vec<NotVerifiable> {
    let names: HashSet<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let missing = files.files.iter().filter(|file| {
        !is_in_bucket(&file.path) && is_gone(&file.path) && !names.contains(file.name.as_str())
    });
    let missing = missing.map(|file| NotVerifiable {
        source: remembered(&file.path),
        why: "there is no such file, and the job has loaded none of this name".to_owned(),
    });
    missing.collect()
}

/// The names of the sources that the given files refer to. A file that neither exists nor is a source is more
/// likely a mistake than intended.
fn given(config: &Config, sources: &[SourceStatus], watch: &Watch) -> Result<BTreeSet<String>> {
    let patterns = config.patterns()?;
    let files: Vec<PathBuf> = patterns.iter().map(|pattern| pattern.base.join(&pattern.text)).collect();
    let (meant, unknown) = selected(&files, sources)?;
    for file in unknown {
        let pattern = Pattern::new(&file, Path::new(""));
        if discover(&[pattern], &Selection::default(), &watch.reach(config))?.is_none_there() {
            return Err(ErrorKind::from(Unclear::NoFile { job: config.name.clone(), file }).into());
        }
    }
    Ok(meant.into_iter().map(|source| source.name.clone()).collect())
}

/// The findings for one day, and how many bytes were read.
fn verify_day(
    config: &Config,
    files: Discovered,
    verifying: Verifying,
    watch: &Watch,
) -> Result<(Verified, u64)> {
    let (settings, recipe) = (settings(config, watch), verifying.recipe.clone());
    let are_given = verifying.only.is_some();
    let mut verifying = destination(config, watch)?.verify(verifying)?;
    // Previewing a stream would consume part of it.
    let mut files: Vec<Found> = files.files.into_iter().filter(|file| !file.is_stream()).collect();
    if !are_given {
        let names = verifying.names()?;
        files.extend(elsewhere(&files, &names, &watch.reach(config))?);
    }
    let mut outcome = Outcome::default();
    loop {
        let sink: &mut dyn Sink = &mut *verifying;
        pipeline::read_again(&files, &recipe, sink, &settings, &watch.stop, &watch.stats, &mut outcome)?;
        if let Some(signal) = outcome.stopped {
            return Err(ErrorKind::Stopped(signal).into());
        }
        if !verifying.end_reading(&unread(&outcome.failed, &files))? {
            return Ok((verifying.found(), outcome.bytes));
        }
    }
}

/// The files of sources that the job no longer names, if they still exist.
fn elsewhere(files: &[Found], names: &[String], reach: &Reach) -> Result<Vec<Found>> {
    let mut places = Places::default();
    let named: HashSet<PathBuf> = files.iter().map(|file| places.of(&file.path)).collect();
    let others = names.iter().map(PathBuf::from);
    // Opening a file that cannot be examined reports the reason.
    let is_there = |path: &PathBuf| fs::metadata(path).map_or(!is_gone(path), |metadata| metadata.is_file());
    let mut is_other = |path: &PathBuf| match is_in_bucket(path) {
        true => !files.iter().any(|file| file.path == *path),
        false => path.is_absolute() && is_there(path) && !named.contains(&places.of(path)),
    };
    let (objects, others): (Vec<PathBuf>, Vec<PathBuf>) =
        others.filter(|path| is_other(path)).partition(|path| is_in_bucket(path));
    let patterns: Vec<Pattern> = others.into_iter().map(|text| Pattern::new(text, Path::new(""))).collect();
    let mut found = discover(&patterns, &Selection::default(), reach)?.files;
    // A remembered name is not a pattern.
    for object in objects {
        match find(&object, reach) {
            Ok(object) => found.extend(Some(object).filter(Found::is_there)),
            Err(error) if error.is_about_one_source() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether nothing with this name exists.
fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// The files that could not be read although they exist.
fn unread(failed: &[(PathBuf, String)], files: &[Found]) -> Vec<Unread> {
    let name_of = |path: &Path| files.iter().find(|file| file.path == path).map(|file| file.name.clone());
    let is_there = |path: &Path| match is_in_bucket(path) {
        true => files.iter().any(|file| file.path == path && file.is_there()),
        false => !is_gone(path),
    };
    let there = failed.iter().filter(|(path, _)| is_there(path));
    let unread = there.map(|(path, why)| Unread {
        path: path.clone(),
        name: name_of(path).unwrap_or_default(),
        why: why.clone(),
    });
    unread.collect()
}
