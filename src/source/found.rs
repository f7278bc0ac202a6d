//! What is loaded, before it is opened: what a person named, and what was found of it.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use super::STDIN;
use super::object::Object;
use crate::bucket::Bucket;
use crate::event::Observer;

/// One entry of the list of files: a file, a directory, or a glob; or the URL of an object, a folder or a
/// glob in a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As the person wrote it.
    pub text: PathBuf,
    /// What a relative pattern is relative to.
    pub base: PathBuf,
}

impl Pattern {
    /// What a person wrote, relative to `base`. A URL is relative to nothing, and one of this machine is
    /// the path in it.
    pub fn new(text: impl Into<PathBuf>, base: &Path) -> Pattern {
        let text = text.into();
        match on_disk(&text) {
            Some(path) => Pattern { text: path.to_owned(), base: PathBuf::new() },
            None if is_in_bucket(&text) => Pattern { text, base: PathBuf::new() },
            None => Pattern { text, base: base.to_owned() },
        }
    }
}

/// The order of files within one pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name; numbers in it by their value.
    #[default]
    Name,
    /// The reverse of it, for logs that are rotated by number: the oldest has the greatest.
    NameReverse,
}

/// Which of the files that are found are loaded, and in what order.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The order of files within one pattern.
    pub order: Order,
    /// Of the files in directories, those whose name matches one of these; all, if there
    /// are none.
    pub include: Vec<glob::Pattern>,
    /// Of the files in directories, none whose name matches one of these.
    pub exclude: Vec<glob::Pattern>,
}

impl Selection {
    /// Whether a file of a directory is loaded, by its name within it.
    pub(super) fn takes(&self, name: &std::ffi::OsStr) -> bool {
        let name = name.to_string_lossy();
        let any = |patterns: &[glob::Pattern]| patterns.iter().any(|pattern| pattern.matches(&name));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Those of `include` that match this name.
    pub(super) fn includes(&self, name: &std::ffi::OsStr) -> impl Iterator<Item = &glob::Pattern> {
        let name = name.to_string_lossy();
        self.include.iter().filter(move |pattern| pattern.matches(&name))
    }
}

/// A file to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its absolute path as text, under which it is remembered. Bytes that are not UTF-8
    /// are written as `\xNN`.
    pub name: String,
    /// The beginning of the path that a person named. Of the links behind it only ours are
    /// followed.
    pub(super) named: PathBuf,
    /// What it is, if it is an object that is there.
    pub(super) object: Option<Object>,
}

impl Found {
    /// A file that was named by its path.
    pub(super) fn of_path(path: &Path) -> Found {
        Found { path: path.to_owned(), name: String::new(), named: path.to_owned(), object: None }
    }

    /// An object that was listed.
    pub(super) fn of_object(object: Object) -> Found {
        let name = object.url();
        let path = PathBuf::from(&name);
        Found { named: PathBuf::new(), object: Some(object), name, path }
    }

    /// An object that is not there.
    pub(super) fn missing(url: String) -> Found {
        let path = PathBuf::from(&url);
        Found { named: PathBuf::new(), object: None, name: url, path }
    }

    /// Whether a person named it, and not a folder or a pattern that leads to it.
    pub(super) fn is_named(&self) -> bool {
        self.path == self.named
    }

    /// Whether there is anything of its name.
    pub fn is_there(&self) -> bool {
        self.object.is_some() || !is_in_bucket(&self.path) && self.path.symlink_metadata().is_ok()
    }

    /// Its size, compressed as it is, as far as that is known.
    pub fn size(&self) -> u64 {
        let of_file = || std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        self.object.as_ref().map_or_else(of_file, Object::size)
    }

    /// Takes down that its destination remembers all of it as loaded: it then need not be read.
    pub fn set_finished(&mut self) {
        if let Some(object) = &mut self.object {
            object.is_finished = true;
        }
    }

    /// Whether that was taken down.
    pub fn is_finished(&self) -> bool {
        self.object.as_ref().is_some_and(|object| object.is_finished)
    }

    /// Has what happens on the way to it told to this observer from now on.
    pub fn watch(&self, observer: &Observer) {
        if let Some(object) = &self.object {
            object.reach().tell(observer);
        }
    }

    /// Whether it can be read only once.
    pub fn is_stream(&self) -> bool {
        let kind = || std::fs::metadata(&self.path).map(|metadata| metadata.file_type());
        self.path == Path::new(STDIN) || kind().is_ok_and(|kind| kind.is_fifo() || kind.is_char_device())
    }
}

pub(super) fn is_wild(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether a name is that of objects.
pub fn is_in_bucket(name: &Path) -> bool {
    name.to_str().is_some_and(|text| Bucket::is_named(text) && !text.starts_with(ON_DISK))
}

/// A folder of this machine, named as a URL.
const ON_DISK: &str = "file://";

/// The path that a URL of a file of this machine stands for.
pub(super) fn on_disk(name: &Path) -> Option<&Path> {
    let name = name.to_str()?;
    Some(apart(name).0).filter(|path| path.len() < name.len() && name.starts_with(ON_DISK)).map(Path::new)
}

/// A name as the paths begin of what it names: without the scheme of a file of this machine, and without the
/// settings of a URL, which are given besides.
pub fn apart(name: &str) -> (&str, &str) {
    match name.strip_prefix(ON_DISK).filter(|path| path.starts_with('/')) {
        Some(path) => (path, ""),
        None if is_in_bucket(Path::new(name)) => Bucket::apart(name),
        None => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_objects_and_of_files_are_told_apart() {
        assert!(is_in_bucket(Path::new("s3://b/x")) && is_in_bucket(Path::new("az://b")));
        assert!(!is_in_bucket(Path::new("file:///x")) && !is_in_bucket(Path::new("s3:/b/x")));
        assert_eq!(on_disk(Path::new("file:///a/*.gz")), Some(Path::new("/a/*.gz")));
        assert_eq!(on_disk(Path::new("file://host/a")), None);
    }
}
