//! Who holds a source, in a database that is a file.
//!
//! A run locks one byte for each source that it loads, far behind the end of the file and of
//! the bytes that SQLite locks itself. The kernel gives the lock back when the process ends,
//! however it ends: that is how a dead owner is recognised, and no pid has to be trusted.
//! The owner columns say who it is, for people.
//!
//! These are locks of an open file description, not of the process: those of SQLite are of
//! the process, and would vanish with any descriptor of the file that is closed. So this
//! descriptor must outlive the connection, and [`super::Sqlite`] drops it last.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// The locks of a run.
#[derive(Debug)]
pub(super) struct SourceLocks(File);

/// The byte of source 0. SQLite's own are at 1 GiB.
const BASE: i64 = 1 << 61;

impl SourceLocks {
    pub(super) fn open(database: &Path) -> io::Result<SourceLocks> {
        Ok(SourceLocks(OpenOptions::new().read(true).write(true).open(database)?))
    }

    /// Takes the lock of a source. False if another run has it.
    pub(super) fn take(&self, source_id: i32) -> io::Result<bool> {
        match fcntl(&self.0, FcntlArg::F_OFD_SETLK(&region(source_id, libc::F_WRLCK))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the lock of a source back.
    pub(super) fn give_back(&self, source_id: i32) -> io::Result<()> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&region(source_id, libc::F_UNLCK)))?;
        Ok(())
    }

    /// Whether another run has the lock of a source.
    pub(super) fn is_held(&self, source_id: i32) -> io::Result<bool> {
        let mut region = region(source_id, libc::F_WRLCK);
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut region))?;
        Ok(i32::from(region.l_type) != libc::F_UNLCK)
    }
}

fn region(source_id: i32, kind: i32) -> libc::flock {
    libc::flock {
        l_type: i16::try_from(kind).expect("a small number"),
        l_whence: i16::try_from(libc::SEEK_SET).expect("a small number"),
        l_start: BASE + i64::from(source_id),
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_one_holder_and_is_free_when_that_is_gone() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let one = SourceLocks::open(file.path()).expect("opened");
        let other = SourceLocks::open(file.path()).expect("opened");
        assert!(one.take(7).expect("asked") && one.take(7).expect("asked again"));
        assert!(!other.take(7).expect("asked") && other.is_held(7).expect("asked"));
        assert!(other.take(8).expect("another source"));
        one.give_back(7).expect("given");
        assert!(other.take(7).expect("asked") && !other.is_held(7).expect("its own does not count"));
        drop(other);
        assert!(one.take(8).expect("the holder is gone"));
    }
}
