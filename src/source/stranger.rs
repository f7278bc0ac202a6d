//! What lies among logs and is none: job files, databases with what belongs to them, archives, binaries.
//!
//! Naming a folder means the logs in it. A file that is named itself is read, whatever it is.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// How much of a file is looked at.
const HEAD: usize = 512;

/// What begins so is no log. What is compressed is not here: a log can be.
const MAGICS: &[(&[u8], &str)] = &[
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x37\x7f\x06\x82", "the log of a database"),
    (b"\x37\x7f\x06\x83", "the log of a database"),
    (b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", "the journal of a database"),
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x7fELF", "a program"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"%PDF-", "a PDF"),
];

/// What a database leaves beside it, by the end of the name.
const BESIDE: &[&[u8]] = &[b"-shm", b"-wal", b"-journal"];

/// What the file is, if it is no log.
pub(super) fn stranger(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.as_bytes();
    if name.ends_with(b".toml") {
        return Some("a job file");
    }
    if name.ends_with(b".lock") || name.ends_with(b".pid") {
        return Some("a lock");
    }
    if let Some(database) = BESIDE.iter().find_map(|end| name.strip_suffix(*end)) {
        let database = path.with_file_name(std::ffi::OsStr::from_bytes(database));
        if head(&database).is_some_and(|head| head.starts_with(MAGICS[0].0)) {
            return Some("what belongs to a database");
        }
    }
    of_head(&head(path)?)
}

/// What says with its first bytes that it is no log.
pub fn of_head(head: &[u8]) -> Option<&'static str> {
    MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what)
}

/// How it begins; none if that cannot be read, which is said when it is opened.
fn head(path: &Path) -> Option<Vec<u8>> {
    let is_plain = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut head = Vec::with_capacity(HEAD);
    let file = is_plain.then(|| File::open(path).ok()).flatten()?;
    file.take(HEAD as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

/// A file of a folder that is no log, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Where it is.
    pub path: PathBuf,
    /// What, with its article.
    pub what: &'static str,
}
