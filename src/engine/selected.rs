//! Which sources are meant by the names of files, for commands that speak of what was loaded.
//!
//! The files themselves may be gone, so it is compared where names lead, and nothing is opened. A
//! directory means all that was loaded from below it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::sink::history::SourceStatus;
use crate::source::{Pattern, Places, Selection, discover};

/// The sources that `files` name, in the order in which they were first seen, and the files
/// that name none.
pub(super) fn selected<'a>(
    files: &[PathBuf],
    sources: &'a [SourceStatus],
) -> Result<(Vec<&'a SourceStatus>, Vec<PathBuf>)> {
    let mut places = Places::default();
    let of_sources: Vec<PathBuf> = sources.iter().map(|source| places.of(Path::new(&source.name))).collect();
    let mut is_meant = vec![false; sources.len()];
    let mut unknown = Vec::new();
    for file in files {
        let pattern = Pattern { text: file.clone(), base: PathBuf::new() };
        let found = discover(&[pattern], &Selection::default())?.files;
        let names: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let named: HashSet<PathBuf> = found.iter().map(|found| places.of(&found.path)).collect();
        let folder = file.is_dir().then(|| places.of_folder(file));
        let mut is_known = false;
        for ((source, place), is_meant) in sources.iter().zip(&of_sources).zip(&mut is_meant) {
            let is_below = folder.as_ref().is_some_and(|folder| place.starts_with(folder));
            // A name with bytes that are no UTF-8 is remembered as text, which leads to no place.
            if is_below || named.contains(place) || names.contains(source.name.as_str()) {
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
