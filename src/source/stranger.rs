//! Files among logs that are not logs: job files, databases with their auxiliary files, archives, binaries.
//!
//! Naming a folder means the logs in it. A file that is named itself is always read.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// How much of a file is examined.
const HEAD: usize = 512;

/// A file that begins with one of these is not a log. Compressed formats are not listed: a log can be
/// compressed.
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

/// The suffixes of a database's auxiliary files.
const BESIDE: &[&[u8]] = &[b"-shm", b"-wal", b"-journal"];

/// The type of the file, if it is not a log.
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
            return Some("a file of a database");
        }
    }
    of_head(&head(path)?)
}

/// The type of what is no file, if it is there.
pub(super) fn not_a_file(path: &Path) -> Option<&'static str> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    let kinds = [
        (kind.is_fifo(), "a pipe"),
        (kind.is_socket(), "a socket"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    kinds.into_iter().find(|(is_it, _)| *is_it).map(|(_, what)| what)
}

/// The type of a file whose first bytes show that it is not a log.
pub fn of_head(head: &[u8]) -> Option<&'static str> {
    MAGICS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what)
}

/// Its first bytes; `None` if they cannot be read, which is reported when it is opened.
fn head(path: &Path) -> Option<Vec<u8>> {
    let is_plain = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let mut head = Vec::with_capacity(HEAD);
    let file = is_plain.then(|| File::open(path).ok()).flatten()?;
    file.take(HEAD as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

/// A file in a folder that is not a log, and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Where it is.
    pub path: PathBuf,
    /// Its type, with an article.
    pub what: &'static str,
}
