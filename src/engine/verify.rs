//! `verify`: what is in the files, held against what is in the destination.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use super::run::{recipe, settings};
use super::{Watch, destination};
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::pipeline::{self, Outcome};
use crate::report::{Compared, Verify};
use crate::source::{Discovered, Found, Pattern, Selection, discover};

/// What is asked of a verification.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Open dead letters, and what cannot be compared, are a failure.
    pub strict: bool,
    /// Only the files that are given are meant, and not all that was loaded.
    pub is_part: bool,
}

/// Reads what was loaded again, up to the checkpoints, and compares it with the destination. Nothing
/// is written.
pub fn verify(config: &Config, files: Discovered, options: VerifyOptions, watch: &Watch) -> Result<Verify> {
    let began = Instant::now();
    let settings = settings(config, watch);
    let destination = destination(config, watch)?;
    let mut verifying = destination.verify()?;
    // To look at a stream is to take from it.
    let mut files: Vec<Found> = files.files.into_iter().filter(|file| !file.is_stream()).collect();
    if !options.is_part {
        let names = verifying.names()?;
        files.extend(elsewhere(&files, &names)?);
    }
    let recipe = recipe(config);
    let mut outcome = Outcome::default();
    loop {
        let sink: &mut dyn crate::sink::Sink = &mut *verifying;
        pipeline::read_again(&files, &recipe, sink, &settings, &watch.stop, &watch.stats, &mut outcome)?;
        if let Some(signal) = outcome.stopped {
            return Err(ErrorKind::Stopped(signal).into());
        }
        if !verifying.end_reading(&outcome.failed, options.is_part)? {
            break;
        }
    }
    let compared = Compared {
        destination: destination.describe(),
        bytes: outcome.bytes,
        elapsed: began.elapsed(),
        strict: options.strict,
    };
    Ok(Verify::new(&config.name, compared, verifying.found()))
}

/// The files of sources that the job does not name any more, where they still stand.
fn elsewhere(files: &[Found], names: &[String]) -> Result<Vec<Found>> {
    let named: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let others = names.iter().filter(|name| !named.contains(name.as_str())).map(PathBuf::from);
    let others = others.filter(|path| path.is_absolute() && path.is_file());
    let patterns: Vec<Pattern> = others.map(|text| Pattern { text, base: PathBuf::new() }).collect();
    Ok(discover(&patterns, &Selection::default())?.files)
}
