//! Portions: objects that are claimed and loaded before the next ones are examined.
//!
//! Identifying an object takes a request to its bucket, and a bucket can hold a million of them; so a run
//! does not look at all of them before it loads the first. Each portion is twice as large as the one before:
//! the first rows come soon, and the destination is asked what it remembers only a few times.

use std::collections::HashSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::Settings;
use crate::source::Found;

/// The number of objects in the first portion.
const FIRST: usize = 1000;

/// The portions that are loaded one after the other. Local files are looked at all together, because
/// identifying one can depend on where another has moved. The same holds for the files of a rebuild, which is
/// one transaction, and of a run that takes turns to claim.
pub(super) fn portions<'f>(files: &'f [Found], settings: &Settings) -> Vec<&'f [Found]> {
    let is_one = settings.rebuild.is_some()
        || settings.turn.is_some()
        || settings.only.is_some()
        || files.iter().any(|file| file.container().is_none());
    let (mut left, mut portions, mut size) = (files, Vec::new(), FIRST);
    while !is_one && left.len() > size {
        let (portion, others) = left.split_at(size);
        portions.push(portion);
        (left, size) = (others, 2 * size);
    }
    portions.push(left);
    portions
}

/// The hashed names of all files: what is remembered under one of these names does not belong to a file of
/// another portion. Empty if there is only one portion.
pub(super) fn names(portions: &[&[Found]]) -> Arc<HashSet<u64>> {
    let files = portions.iter().filter(|_| portions.len() > 1).flat_map(|portion| portion.iter());
    Arc::new(files.map(|file| xxh3_64(file.name.as_bytes())).collect())
}

/// The maximum number of bytes to be read of a portion.
pub(super) fn bytes(portion: &[Found]) -> u64 {
    portion.iter().filter(|file| !file.is_finished()).map(Found::size).sum()
}
