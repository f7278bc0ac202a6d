//! Which sources are meant by the names of files, for commands that speak of what was loaded.
//!
//! The files themselves may be gone, so names are compared and nothing is opened. A directory
//! means all that was loaded from below it.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::sink::history::SourceStatus;
use crate::source::{Pattern, Selection, discover};

/// The sources that `files` name, in the order in which they were first seen, and the files
/// that name none.
pub(super) fn selected<'a>(
    files: &[PathBuf],
    sources: &'a [SourceStatus],
) -> Result<(Vec<&'a SourceStatus>, Vec<PathBuf>)> {
    let mut is_meant = vec![false; sources.len()];
    let mut unknown = Vec::new();
    for file in files {
        let pattern = Pattern { text: file.clone(), base: PathBuf::new() };
        let names: Vec<String> =
            discover(&[pattern], &Selection::default())?.files.into_iter().map(|found| found.name).collect();
        let folder = match file.is_dir() {
            true => {
                let path = std::path::absolute(file).map_err(|error| {
                    Error::usage(format!("cannot find the absolute path of {}: {error}", file.display()))
                })?;
                Some(format!("{}/", path.display()).replace("//", "/"))
            }
            false => None,
        };
        let mut is_known = false;
        for (source, is_meant) in sources.iter().zip(&mut is_meant) {
            let is_below = folder.as_ref().is_some_and(|folder| source.name.starts_with(folder));
            if is_below || names.contains(&source.name) {
                (*is_meant, is_known) = (true, true);
            }
        }
        if !is_known {
            unknown.push(file.clone());
        }
    }
    let meant = sources.iter().zip(is_meant).filter(|(_, is_meant)| *is_meant);
    Ok((meant.map(|(source, _)| source).collect(), unknown))
}
