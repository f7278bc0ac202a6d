//! Opening files: named ones, and those that were only found.
//!
//! A file that a person names is opened, wherever its links lead. A file found in a directory or by a pattern
//! may be a link that another user put there, to a file that only this user may read; so of the links after
//! the named part, only this user's and root's are followed. The path is followed one component at a time,
//! and each check examines what was opened, not what a name stood for a moment before.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

use super::Found;
use crate::trust::is_ours;

/// As many links as the kernel follows.
const LINKS_MAX: usize = 40;

/// Opens a file for reading. Opening a FIFO would wait for its writer, so it is opened non-blocking.
pub(super) fn open(file: &Found) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
    match file.path.strip_prefix(&file.named) {
        Ok(met) if !met.as_os_str().is_empty() => {
            let start = if file.named.as_os_str().is_empty() { Path::new(".") } else { &file.named };
            Ok(open_met(start, met, flags)?.into())
        }
        _ => Ok(nix::fcntl::open(&file.path, flags | OFlag::O_CLOEXEC, Mode::empty())?.into()),
    }
}

/// Opens the path `met` below `start`.
fn open_met(start: &Path, met: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let place = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let mut at = nix::fcntl::open(start, place | OFlag::O_CLOEXEC, Mode::empty())?;
    // The components left to follow, the next one last.
    let mut left = reversed(met);
    let mut links = 0;
    while let Some(name) = left.pop() {
        let flags = if left.is_empty() { flags } else { place };
        match openat(&at, name.as_os_str(), flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(next) => at = next,
            // It is a link, or not a directory where one was required.
            Err(error @ (Errno::ELOOP | Errno::ENOTDIR)) => {
                let Some(target) = target_of_ours(at.as_fd(), name.as_os_str(), error)? else {
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, OF_ANOTHER));
                };
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::ELOOP.into());
                }
                if target.is_absolute() {
                    at = nix::fcntl::open("/", place | OFlag::O_CLOEXEC, Mode::empty())?;
                }
                left.append(&mut reversed(&target));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(at)
}

/// The error for a link that is not followed.
const OF_ANOTHER: &str = "its path contains a link of another user, which is not followed";

/// Where a link leads; `None` if it is neither this user's nor root's. Anything that is not a link fails with
/// `otherwise`.
fn target_of_ours(at: impl AsFd + Copy, name: &OsStr, otherwise: Errno) -> io::Result<Option<PathBuf>> {
    let itself = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let link = File::from(openat(at, name, itself, Mode::empty())?);
    let metadata = link.metadata()?;
    if !metadata.is_symlink() {
        return Err(otherwise.into());
    }
    Ok(if is_ours(&metadata) { Some(readlinkat(&link, "")?.into()) } else { None })
}

fn reversed(path: &Path) -> Vec<PathBuf> {
    let names = path.components().filter(|component| *component != Component::RootDir);
    let mut names: Vec<PathBuf> = names.map(|component| component.as_os_str().into()).collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    /// The content of `met` below a folder with links of all kinds.
    fn read(folder: &Path, met: &str) -> io::Result<String> {
        let found =
            Found { path: folder.join(met), name: String::new(), named: folder.to_owned(), object: None };
        let mut text = String::new();
        open(&found)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn links_of_ours_are_followed_wherever_they_lead_and_others_nowhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        fs::create_dir_all(folder.join("logs/sub")).expect("made");
        fs::write(folder.join("secret"), "text").expect("written");
        let link =
            |target: &str, name: &str| symlink(target, folder.join("logs").join(name)).expect("linked");
        link("../secret", "file");
        link(folder.join("secret").to_str().expect("text"), "absolute");
        link("..", "up");
        link("file", "again");
        link("round", "round");
        link("nowhere", "broken");
        let logs = folder.join("logs");
        for met in ["file", "absolute", "again", "up/secret", "sub/../file", "up/logs/up/logs/again"] {
            assert_eq!(read(&logs, met).expect(met), "text", "{met}");
        }
        assert_eq!(read(&logs, "round").expect_err("a circle").raw_os_error(), Some(libc::ELOOP));
        assert_eq!(read(&logs, "broken").expect_err("nothing").kind(), io::ErrorKind::NotFound);
        assert_eq!(read(&logs, "file/x").expect_err("no folder").raw_os_error(), Some(libc::ENOTDIR));

        // Only root can change the owner of links.
        for name in ["file", "absolute", "up"] {
            if lchown(logs.join(name), Some(12_345), None).is_err() {
                return;
            }
        }
        for met in ["file", "absolute", "again", "up/secret", "sub/../file"] {
            let refused = read(&logs, met).expect_err(met);
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied, "{met}");
        }
        // If named, each is followed.
        let named =
            Found { path: logs.join("file"), name: String::new(), named: logs.join("file"), object: None };
        open(&named).expect("named");
    }

    #[test]
    fn a_file_that_hides_its_size_is_not_taken_for_an_empty_one() {
        let refused = crate::source::Source::open(Path::new("/proc/version")).expect_err("no size");
        assert!(refused.to_string().contains("logmill load -"), "{refused}");
        let empty = tempfile::NamedTempFile::new().expect("a file");
        assert_eq!(crate::source::Source::open(empty.path()).expect("empty").size(), Some(0));
    }
}
