//! The lock on a source, in a database that is a file.
//!
//! A run locks one byte for each split that it loads, far beyond the end of the file and the bytes that
//! SQLite locks itself. The kernel releases the lock when the process ends, however it ends: that is how a
//! dead owner is recognised, without trusting any pid. The owner columns name the owner for people.
//!
//! These are locks of an open file description, not of the process: SQLite's own belong to the process, and
//! vanish as soon as any descriptor of the file is closed. So this descriptor must outlive the connection,
//! and [`super::Sqlite`] drops it last.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::split::Split;
use crate::trust::{is_open_twice, open_found};

#[derive(Debug)]
pub(super) struct SourceLocks(File);

/// The byte of source 0. SQLite's own lock bytes are at 1 GiB.
const BASE: i64 = 1 << 61;

/// From here on are the bytes of splits that do not begin with their source, chosen by a hash.
const PARTS: i64 = 1 << 62;

impl SourceLocks {
    pub(super) fn open(database: &Path) -> io::Result<SourceLocks> {
        Ok(SourceLocks(OpenOptions::new().read(true).write(true).open(database)?))
    }

    /// The same for a database that was not named by the user. `None` if it is gone; `Err` says why it must
    /// not be used.
    pub(super) fn open_found(database: &Path) -> Result<Option<SourceLocks>, String> {
        let opened = open_found(database, OpenOptions::new().read(true).write(true));
        opened.map(|file| file.map(SourceLocks))
    }

    /// Whether the database that was opened a moment ago is the same file as this one.
    pub(super) fn is_what_was_opened(&self) -> io::Result<bool> {
        is_open_twice(&self.0)
    }

    /// Whether `database` still names the file that was opened.
    pub(super) fn is_still(&self, database: &Path) -> bool {
        let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let opened = self.0.metadata().map(id);
        opened.is_ok_and(|opened| std::fs::metadata(database).map(id).is_ok_and(|now| now == opened))
    }

    /// Opens it only to ask who holds which split, which takes no right to write.
    pub(super) fn open_to_look(database: &Path) -> io::Result<SourceLocks> {
        Ok(SourceLocks(File::open(database)?))
    }

    /// Takes the lock of a split. False if another run holds it.
    pub(super) fn take(&self, split: Split) -> io::Result<bool> {
        match fcntl(&self.0, FcntlArg::F_OFD_SETLK(&region(split, libc::F_WRLCK))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Releases the lock of a split.
    pub(super) fn give_back(&self, split: Split) -> io::Result<()> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&region(split, libc::F_UNLCK)))?;
        Ok(())
    }

    /// Whether another run holds the lock of a split.
    pub(super) fn is_held(&self, split: Split) -> io::Result<bool> {
        let mut region = region(split, libc::F_WRLCK);
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut region))?;
        Ok(i32::from(region.l_type) != libc::F_UNLCK)
    }
}

fn region(split: Split, kind: i32) -> libc::flock {
    let l_start = match split.start {
        0 => BASE + i64::from(split.source),
        start => {
            let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&split.source.to_le_bytes(), start);
            PARTS | i64::try_from(hash >> 2).expect("62 bits")
        }
    };
    libc::flock {
        l_type: i16::try_from(kind).expect("a small number"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("a small number"),
        l_start,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_has_one_holder_and_is_free_when_that_is_gone() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let (seven, eight) = (Split::whole(7), Split::whole(8));
        let one = SourceLocks::open(file.path()).expect("opened");
        let other = SourceLocks::open(file.path()).expect("opened");
        assert!(one.take(seven).expect("asked") && one.take(seven).expect("asked again"));
        assert!(!other.take(seven).expect("asked") && other.is_held(seven).expect("asked"));
        assert!(other.take(eight).expect("another source"));
        one.give_back(seven).expect("given");
        assert!(other.take(seven).expect("asked") && !other.is_held(seven).expect("its own does not count"));
        drop(other);
        assert!(one.take(eight).expect("the holder is gone"));
        let part = Split { start: 9, ..seven };
        assert!(one.take(part).expect("another split") && one.take(seven).expect("its sibling"));
    }
}
