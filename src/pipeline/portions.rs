//! Portions: objects that are claimed and loaded before the next ones are looked at.
//!
//! To see which source an object is takes a question to its bucket, and a bucket can have a million of them;
//! so a run does not ask them all before it loads the first. Each portion is twice as large as the one before:
//! the first rows come soon, and the destination is asked what it remembers a few times only.

use std::collections::HashSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::Settings;
use crate::source::Found;

/// How many objects the first portion has.
const FIRST: usize = 1000;

/// What is loaded one after the other. Files of this machine are looked at all together, because who
/// one is can depend on where another one has gone; so are those of a rebuild, which is one transaction, and of
/// a run whose claims have their turn among others.
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

/// The names of all files, by their hashes: what is remembered of one is not another one's that comes in
/// another portion. None where there is one portion.
pub(super) fn names(portions: &[&[Found]]) -> Arc<HashSet<u64>> {
    let files = portions.iter().filter(|_| portions.len() > 1).flat_map(|portion| portion.iter());
    Arc::new(files.map(|file| xxh3_64(file.name.as_bytes())).collect())
}

/// The bytes of a portion that are to be read at most.
pub(super) fn bytes(portion: &[Found]) -> u64 {
    portion.iter().filter(|file| !file.is_finished()).map(Found::size).sum()
}
