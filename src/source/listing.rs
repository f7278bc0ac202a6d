//! Listings: the objects that a URL names, with wildcards or without.
//!
//! A name with wildcards means what it means on a disk: `*` ends at a slash, `**/` is any folders, and a
//! name that begins with a dot is met only by a pattern that does. A bucket has no folders, only keys with
//! slashes in them, so what is below one is listed page by page and looked through.

use std::path::Path;
use std::sync::Arc;

use glob::MatchOptions;

use super::found::{Found, Selection, is_in_bucket, is_wild};
use super::object::{Object, Shelf};
use super::reach::{Listing, Reach, root_and_key};
use crate::bucket::{Bucket, Listed};
use crate::error::{Error, Result};

/// The objects that `url` names. One that is named by itself is found whether it exists or not: that
/// it does not is told when it is opened.
pub(super) fn list(url: &Path, selection: &Selection, reach: &Reach) -> Result<Vec<Found>> {
    let text = url.to_str().ok_or_else(|| Error::usage("the URL of an object is UTF-8"))?;
    let (bucket, key) = reach.bucket(text)?;
    if is_wild(bucket.describe().as_bytes()) {
        return Err(Error::usage(format!(
            "{text}: the name of a bucket stands for one, and has no wildcards"
        )));
    }
    let shelf = &Arc::new(Shelf { bucket, reach: reach.clone() });
    let found = |listed: Vec<Listed>| -> Vec<Found> {
        listed.into_iter().map(|listed| Found::of_object(Object::new(shelf, listed))).collect()
    };
    if is_wild(key.as_bytes()) {
        return matching(shelf, &key, selection, url).map(found);
    }
    if !key.is_empty()
        && !key.ends_with('/')
        && let Some(head) = reach.persist(url, || shelf.bucket.head(&key))?
    {
        return Ok(found(vec![Listed { key, head }]));
    }
    let folder = if key.is_empty() || key.ends_with('/') { key.clone() } else { format!("{key}/") };
    let below = below(shelf, &folder, selection, url)?;
    match below.is_empty() && folder != key {
        true => Ok(vec![Found::missing(shelf.bucket.url_of(&key))]),
        false => Ok(found(below)),
    }
}

/// The file of a path, or the object of a URL; neither is a pattern.
pub fn find(name: &Path, reach: &Reach) -> Result<Found> {
    if !is_in_bucket(name) {
        return Ok(Found::of_path(name));
    }
    let (bucket, key) = reach.bucket(name.to_str().unwrap_or_default())?;
    let head = reach.persist(name, || bucket.head(&key))?;
    let shelf = Arc::new(Shelf { bucket, reach: reach.clone() });
    Ok(match head {
        Some(head) => Found::of_object(Object::new(&shelf, Listed { key, head })),
        None => Found::missing(shelf.bucket.url_of(&key)),
    })
}

/// The objects whose keys match. A pattern can match folders too, and then means all below them.
fn matching(shelf: &Shelf, key: &str, selection: &Selection, url: &Path) -> Result<Vec<Listed>> {
    let pattern = Keys::new(key)?;
    let mut all = Vec::new();
    each(shelf, pattern.folder(), url, &mut |listed| {
        let is_meant = match pattern.matches(&listed.key) {
            Some("") => true,
            Some(below) => is_met(below, selection),
            None => false,
        };
        if is_meant {
            all.push(listed);
        }
    })?;
    Ok(all)
}

/// The objects below a folder.
fn below(shelf: &Shelf, folder: &str, selection: &Selection, url: &Path) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    each(shelf, folder, url, &mut |listed| {
        if is_met(&listed.key[folder.len()..], selection) {
            all.push(listed);
        }
    })?;
    Ok(all)
}

/// Whether an object that stands below a folder is loaded with it, by its name from there on.
fn is_met(below: &str, selection: &Selection) -> bool {
    let is_hidden = below.split('/').any(|part| part.starts_with('.'));
    let name = below.rsplit('/').next().unwrap_or(below);
    !is_hidden && selection.takes(name.as_ref())
}

/// Each object below a folder, but for those that only stand for a folder.
fn each(shelf: &Shelf, folder: &str, url: &Path, meet: &mut dyn FnMut(Listed)) -> Result<()> {
    let of_folder = shelf.bucket.url_of(folder);
    let is_kept = match shelf.reach.listing(&of_folder) {
        Listing::Known(listed) => {
            listed.iter().cloned().for_each(meet);
            return Ok(());
        }
        Listing::ToMake { is_kept } => is_kept,
    };
    let (mut pages, mut kept) = (shelf.bucket.list(folder), Vec::new());
    loop {
        // After a failure the same page is asked for again.
        let page = shelf.reach.persist(url, || pages.next().transpose())?;
        let Some(page) = page else { break };
        for listed in page.into_iter().filter(|listed| !listed.key.ends_with('/')) {
            if is_kept {
                kept.push(listed.clone());
            }
            meet(listed);
        }
    }
    if is_kept {
        shelf.reach.keep(of_folder, kept);
    }
    Ok(())
}

/// A pattern of keys.
#[derive(Debug)]
pub(super) struct Keys<'p> {
    text: &'p str,
    pattern: glob::Pattern,
}

impl Keys<'_> {
    pub(super) fn new(text: &str) -> Result<Keys<'_>> {
        let pattern = glob::Pattern::new(text.trim_end_matches('/'))
            .map_err(|error| Error::usage(format!("the pattern '{text}' cannot be read: {error}")))?;
        Ok(Keys { text, pattern })
    }

    /// The folder that all keys are in which match.
    fn folder(&self) -> &str {
        let is_plain = |part: &&str| !is_wild(part.as_bytes());
        let parts = self.text.split_inclusive('/');
        let length = parts.take_while(is_plain).filter(|part| part.ends_with('/')).map(str::len).sum();
        &self.text[..length]
    }

    /// What of a key stands behind the part that matches: nothing, if all of it does.
    pub(super) fn matches<'k>(&self, key: &'k str) -> Option<&'k str> {
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: true,
        };
        if !self.text.ends_with('/') && self.pattern.matches_with(key, options) {
            return Some("");
        }
        let folders = key.match_indices('/').map(|(slash, _)| slash);
        let mut folders = folders.filter(|&slash| self.pattern.matches_with(&key[..slash], options));
        folders.next().map(|slash| &key[slash + 1..])
    }
}

/// Whether `name`, the URL of an object that was loaded, is meant by `named`: itself, one that a pattern
/// matches, or all below a folder. Nothing is asked of the bucket.
pub fn means(named: &Path, name: &str) -> bool {
    let Some((named, _)) = named.to_str().map(Bucket::apart) else { return false };
    let (root, key) = root_and_key(named);
    let Some(own) = name.strip_prefix(root).and_then(|own| own.strip_prefix('/')) else { return false };
    let is_below = |folder: &str| {
        folder.is_empty()
            || own.strip_prefix(folder.trim_end_matches('/')).is_some_and(|own| own.starts_with('/'))
    };
    own == key
        || match is_wild(key.as_bytes()) {
            true => Keys::new(key).is_ok_and(|keys| keys.matches(own).is_some()),
            false => is_below(key),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_as_paths_do() {
        let below =
            |pattern: &str, key: &str| Keys::new(pattern).expect("a pattern").matches(key).map(str::to_owned);
        for (pattern, key, expected) in [
            ("logs/*.gz", "logs/a.gz", Some("")),
            ("logs/*.gz", "logs/2023/a.gz", None),
            ("logs/**/*.gz", "logs/a.gz", Some("")),
            ("logs/**/*.gz", "logs/2023/01/a.gz", Some("")),
            ("logs/**/*.gz", "logs/.hidden/a.gz", None),
            ("logs/20??", "logs/2023/01/a.gz", Some("01/a.gz")),
            ("logs/20??", "logs/2023", Some("")),
            ("logs/*", "logs/.a", None),
            ("logs/*/", "logs/a", None),
            ("logs/*/", "logs/a/b", Some("b")),
            ("[ab]/x", "b/x", Some("")),
        ] {
            assert_eq!(below(pattern, key).as_deref(), expected, "{pattern} {key}");
        }
    }

    #[test]
    fn only_the_folder_that_a_pattern_names_is_listed() {
        for (pattern, folder) in
            [("logs/2023/*.gz", "logs/2023/"), ("*.gz", ""), ("logs/20*/x/y", "logs/"), ("a/b[c]", "a/")]
        {
            assert_eq!(Keys::new(pattern).expect("a pattern").folder(), folder);
        }
    }

    #[test]
    fn what_was_loaded_is_meant_by_name_pattern_and_folder() {
        let name = "s3://bucket/logs/2023/a.gz";
        for (named, is_meant) in [
            ("s3://bucket/logs/2023/a.gz", true),
            ("s3://bucket/logs/2023/a.gz?region=x", true),
            ("s3://bucket/logs/*/a.gz", true),
            ("s3://bucket/logs/", true),
            ("s3://bucket/logs", true),
            ("s3://bucket", true),
            ("s3://bucket/log", false),
            ("s3://bucke", false),
            ("gs://bucket/logs/2023/a.gz", false),
            ("s3://bucket/logs/2023/a", false),
            ("logs", false),
        ] {
            assert_eq!(means(Path::new(named), name), is_meant, "{named}");
        }
    }
}
