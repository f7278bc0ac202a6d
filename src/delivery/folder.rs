//! A folder as a target: one file per stretch of a source.
//!
//! A file is written under another name and then renamed, so a reader never sees half of one. Below the
//! folder that the job names no link is followed.

use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::envelope::Envelope;
use super::{Target, mark, stretches, undelivered};
use crate::error::{Result, unnumbered};
use crate::failpoint;
use crate::sink::outbox::{Delivered, Outbox, Stretch};
use crate::source::LETTERS_LOCK;
use crate::stop::Stop;
use crate::trust::is_ours;

/// An open folder.
pub(super) struct Folder {
    root: OwnedFd,
    path: PathBuf,
}

/// How long to wait for another delivery.
const LOCK_WAIT: Duration = Duration::from_secs(10);

const PRIVATE_FOLDER: Mode = Mode::S_IRWXU;
const PRIVATE_FILE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

const AS_FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);
/// Non-blocking: opening a pipe in place of a file would wait for a reader forever.
const AS_FILE: OFlag = OFlag::O_WRONLY
    .union(OFlag::O_CREAT)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_CLOEXEC);

impl Folder {
    /// Opens it, and creates it if only the last component is missing: if a mount is missing, nothing is
    /// written in its place.
    pub(super) fn open(path: &Path) -> Result<Folder> {
        match DirBuilder::new().mode(PRIVATE_FOLDER.bits()).create(path) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
                return Err(undelivered(
                    path.display(),
                    format!("the folder cannot be made: {}", unnumbered(&cause)),
                ));
            }
            _ => {}
        }
        match nix::fcntl::open(path, AS_FOLDER, Mode::empty()) {
            Ok(root) => Ok(Folder { root, path: path.to_owned() }),
            Err(errno) => Err(undelivered(path.display(), why(errno))),
        }
    }

    /// The folder of a job's table, under a lock.
    fn of_table(&self, envelope: &Envelope, stop: &Stop) -> Result<Option<(OwnedFd, File)>> {
        let [letters, inner @ ..] = stretches::folders(envelope);
        let mut path = self.path.join(&letters);
        let mut folder = below(&self.root, &letters, &path)?;
        for name in inner {
            path.push(&name);
            folder = below(&folder, &name, &path)?;
        }
        // If two deliveries write there, the one that read the table earlier must not overwrite the other's.
        path.push(LETTERS_LOCK);
        let lock = match openat(&folder, LETTERS_LOCK, AS_FILE, PRIVATE_FILE).map(File::from) {
            Ok(lock) if lock.metadata().is_ok_and(|found| found.is_file()) => lock,
            // ENXIO: a pipe without a reader.
            Ok(_) | Err(Errno::ENXIO) => {
                return Err(undelivered(path.display(), "it is not a plain file; remove it"));
            }
            Err(errno) => return Err(undelivered(path.display(), why(errno))),
        };
        let since = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some((folder, lock))),
                Err(_) if since.elapsed() >= LOCK_WAIT => {
                    return Err(undelivered(self.path.display(), "another run is delivering there"));
                }
                Err(_) if !stop.sleep(Duration::from_millis(100)) => return Ok(None),
                Err(_) => {}
            }
        }
    }
}

impl Target for Folder {
    fn take(&mut self, outbox: &mut dyn Outbox, envelope: &Envelope, stop: &Stop) -> Result<()> {
        let Some((folder, _lock)) = self.of_table(envelope, stop)? else { return Ok(()) };
        // Queried only now: the previous holder of the lock has marked what it wrote.
        for stretch in outbox.due_stretches()? {
            if stop.asked().is_some() {
                break;
            }
            let delivered = self.write(&folder, stretch, outbox, envelope)?;
            mark(outbox, &delivered)?;
        }
        Ok(())
    }
}

impl Folder {
    /// Rewrites the file of a stretch. It is on the disk when this returns.
    fn write(
        &self,
        folder: &OwnedFd,
        stretch: Stretch,
        outbox: &mut dyn Outbox,
        envelope: &Envelope,
    ) -> Result<Delivered> {
        let name = stretches::name(stretch);
        let draft = format!(".{name}.tmp");
        let failed = |cause: io::Error| undelivered(self.path.join(&name).display(), cause.to_string());
        // Left behind by a killed run: no other process writes here.
        let _ = unlinkat(folder, draft.as_str(), UnlinkatFlags::NoRemoveDir);
        let file = openat(folder, draft.as_str(), AS_FILE | OFlag::O_EXCL, PRIVATE_FILE);
        let mut file =
            BufWriter::with_capacity(64 << 10, File::from(file.map_err(|errno| failed(errno.into()))?));
        let written = stretches::write(stretch, outbox, envelope, &mut file, failed);
        let named = written.and_then(|delivered| {
            let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
            file.sync_all().map_err(failed)?;
            failpoint::reached("before-letters-file");
            renameat(folder, draft.as_str(), folder, name.as_str()).map_err(|errno| failed(errno.into()))?;
            File::from(folder.try_clone().map_err(failed)?).sync_all().map_err(failed)?;
            Ok(delivered)
        });
        if named.is_err() {
            let _ = unlinkat(folder, draft.as_str(), UnlinkatFlags::NoRemoveDir);
        } else {
            failpoint::reached("after-letters-file");
        }
        named
    }
}

/// Opens a folder below another one, and creates it if it is missing. A folder of another user is refused:
/// its owner could read everything that is delivered there, and replace it.
fn below(folder: &OwnedFd, name: &str, path: &Path) -> Result<OwnedFd> {
    let open = || {
        match mkdirat(folder, name, PRIVATE_FOLDER) {
            Ok(()) => nix::unistd::fsync(folder.as_fd())?,
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        openat(folder, name, AS_FOLDER | OFlag::O_NOFOLLOW, Mode::empty())
    };
    let opened = File::from(open().map_err(|errno| undelivered(path.display(), why(errno)))?);
    match opened.metadata() {
        Ok(found) if is_ours(&found) => Ok(opened.into()),
        Ok(found) => {
            let why = format!(
                "the folder belongs to another user (uid {}); remove it, or name another 'to'",
                found.uid()
            );
            Err(undelivered(path.display(), why))
        }
        Err(cause) => Err(undelivered(path.display(), cause.to_string())),
    }
}

fn why(errno: Errno) -> String {
    match errno {
        Errno::ELOOP | Errno::ENOTDIR => "there is a link, or something that is not a folder".to_owned(),
        errno => io::Error::from(errno).to_string(),
    }
}
