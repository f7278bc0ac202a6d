//! Which sources file names refer to, for commands about what was loaded.
//!
//! The files themselves may be gone, so the comparison uses the places that names lead to, and opens nothing.
//! A directory stands for everything that was loaded from below it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::sink::history::SourceStatus;
use crate::source::{Pattern, Places, Reach, Selection, discover, is_in_bucket, means};

/// The sources that `files` name, in the order in which they were first seen, and the files that name none.
pub(super) fn selected<'a>(
    files: &[PathBuf],
    sources: &'a [SourceStatus],
) -> Result<(Vec<&'a SourceStatus>, Vec<PathBuf>)> {
    let mut places = Places::default();
    let of_sources: Vec<PathBuf> = sources.iter().map(|source| places.of(Path::new(&source.name))).collect();
    let mut is_meant = vec![false; sources.len()];
    let mut unknown = Vec::new();
    for file in files {
        if is_in_bucket(file) {
            let meant: Vec<bool> = sources.iter().map(|source| means(file, &source.name)).collect();
            match meant.contains(&true) {
                true => is_meant.iter_mut().zip(meant).for_each(|(is_meant, also)| *is_meant |= also),
                false => unknown.push(file.clone()),
            }
            continue;
        }
        let pattern = Pattern::new(file, Path::new(""));
        let found = discover(&[pattern], &Selection::default(), &Reach::default())?.files;
        let names: HashSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        let named: HashSet<PathBuf> = found.iter().map(|found| places.of(&found.path)).collect();
        let folder = file.is_dir().then(|| places.of_folder(file));
        let mut is_known = false;
        for ((source, place), is_meant) in sources.iter().zip(&of_sources).zip(&mut is_meant) {
            let is_below = folder.as_ref().is_some_and(|folder| place.starts_with(folder));
            // A name with non-UTF-8 bytes is remembered as text, which leads to no place.
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
