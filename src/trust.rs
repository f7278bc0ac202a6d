//! Files that other users could plant, or read afterwards.
//!
//! Logs are often in places where another user may write, and the person who loads them can often read more
//! than that user. So a file that was merely found is used only if no other user could have put it there, and
//! a file that holds rows is readable only by its owner.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

/// The permissions of a file that holds rows.
const PRIVATE: u32 = 0o600;

/// The permissions of a file for watchers.
const PUBLIC: u32 = 0o644;

/// Whether this user or root owns it. Root could do anyway whatever its files could.
pub(crate) fn is_ours(metadata: &Metadata) -> bool {
    let owner = Uid::from_raw(metadata.uid());
    owner.is_root() || owner == geteuid()
}

/// Whether any user besides its owner and root may read it.
pub(crate) fn others_may_read(metadata: &Metadata) -> bool {
    others_may(metadata, 0o4)
}

fn others_may(metadata: &Metadata, permission: u32) -> bool {
    let granted = |class: u32| metadata.mode() & (permission << class) != 0;
    granted(0) || granted(3) && !is_private_group(metadata)
}

/// Whether its group is the private one that many systems give to each user.
fn is_private_group(metadata: &Metadata) -> bool {
    let gid = Gid::from_raw(metadata.gid());
    let user = User::from_uid(Uid::from_raw(metadata.uid()));
    let (Ok(Some(user)), Ok(Some(group))) = (user, Group::from_gid(gid)) else { return false };
    user.gid == gid && group.name == user.name && group.mem.iter().all(|member| *member == user.name)
}

/// Opens a file that was not named, if it exists. `Err` says why it must not be used.
pub(crate) fn open_found(path: &Path, options: &mut OpenOptions) -> Result<Option<File>, String> {
    let file = match options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err("is a link".to_owned()),
        Err(error) => return Err(format!("cannot be opened: {error}")),
    };
    let metadata = file.metadata().map_err(|error| format!("cannot be looked at: {error}"))?;
    if !metadata.is_file() {
        Err("is not a plain file".to_owned())
    } else if !is_ours(&metadata) {
        Err(format!("belongs to another user (uid {})", metadata.uid()))
    } else if others_may(&metadata, 0o2) {
        Err(format!("can be written by others (mode {:o})", metadata.mode() & 0o777))
    } else {
        Ok(Some(file))
    }
}

/// Refuses a file beside `path`, such as the log of a database, that another user could have put there: whoever
/// writes it writes the database, and whoever has made it can read what is put into it.
#[cfg(feature = "sqlite")]
pub(crate) fn refuse_beside(path: &Path, beside: &Path) -> Result<(), String> {
    let (Ok(own), Ok(found)) = (path.metadata(), beside.symlink_metadata()) else { return Ok(()) };
    let is_trusted = is_ours(&found) || found.uid() == own.uid();
    let what = if !found.is_file() {
        "is not a plain file".to_owned()
    } else if others_may(&own, 0o2) {
        // They could as well write the file itself.
        return Ok(());
    } else if !is_trusted {
        format!("belongs to another user (uid {})", found.uid())
    } else if others_may(&found, 0o2) {
        format!("can be written by others (mode {:o})", found.mode() & 0o777)
    } else {
        return Ok(());
    };
    let name = beside.file_name().unwrap_or_default().to_string_lossy();
    Err(format!("has a file beside it, {name}, that {what}"))
}

/// Creates a file for rows, or empties the existing one. Never follows a link, except to a pipe or a
/// terminal, such as `/dev/stdout`.
fn create_private(path: &Path) -> io::Result<File> {
    // A link or a pipe of another user would hand the rows to them; `/dev/stdout` is root's.
    if let Ok(named) = path.symlink_metadata()
        && !is_ours(&named)
    {
        return Err(of_another(&named));
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(PRIVATE);
    let made = options.clone().create(true).custom_flags(libc::O_NOFOLLOW).truncate(false).open(path);
    let file = match made {
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            let led_to =
                options.open(path).ok().filter(|file| file.metadata().is_ok_and(|found| !found.is_file()));
            return led_to.ok_or_else(|| io::Error::other("it is a link; name the file that it leads to"));
        }
        made => made?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(file);
    }
    if !is_ours(&metadata) {
        return Err(of_another(&metadata));
    }
    file.set_permissions(Permissions::from_mode(PRIVATE))?;
    file.set_len(0)?;
    Ok(file)
}

/// Creates a file for rows if there is none, or an empty one. `AlreadyExists` means that a file with content
/// has the name.
pub(crate) fn create_new_private(path: &Path) -> io::Result<File> {
    is_free(path)?;
    create_private(path)
}

/// A file for rows that gets its name only when it is complete. Until then it is a draft beside it, and an
/// abandoned draft leaves nothing. Anything but a plain file, such as `/dev/stdout`, is written directly.
pub(crate) struct Draft {
    file: BufWriter<File>,
    path: PathBuf,
    beside: Option<PathBuf>,
    /// The beginning by which an existing file is recognised as replaceable.
    older: Option<&'static [u8]>,
}

impl Draft {
    /// Begins it. `AlreadyExists` means that a file with content has the name.
    pub(crate) fn begin(path: &Path) -> io::Result<Draft> {
        Draft::in_place_of(path, None)
    }

    /// The same, but a file that begins with these bytes is replaced.
    pub(crate) fn renew(path: &Path, older: &'static [u8]) -> io::Result<Draft> {
        Draft::in_place_of(path, Some(older))
    }

    fn in_place_of(path: &Path, older: Option<&'static [u8]>) -> io::Result<Draft> {
        let draft = |file, beside| Draft { file: BufWriter::new(file), path: path.to_owned(), beside, older };
        if !may_take(path, older)? {
            return Ok(draft(create_private(path)?, None));
        }
        let beside = path.with_file_name(format!(".logmill-{:016x}.tmp", fastrand::u64(..)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(PRIVATE).custom_flags(libc::O_NOFOLLOW);
        Ok(draft(options.open(&beside)?, Some(beside)))
    }

    /// Renames it, once it is on disk.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        let Some(beside) = &self.beside else { return Ok(()) };
        self.file.get_ref().sync_all()?;
        if !may_take(&self.path, self.older)? {
            return Err(io::Error::other("something else has taken its name meanwhile"));
        }
        std::fs::rename(beside, &self.path)?;
        self.beside = None;
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            let _ = std::fs::remove_file(beside);
        }
    }
}

/// Whether the name is available for a file that is rewritten repeatedly. `Err` says why not.
pub(crate) fn refuse_to_publish(path: &Path) -> Result<(), &'static str> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match path.symlink_metadata() {
        _ if !folder.is_dir() => Err("its folder is not there"),
        _ if path.file_name().is_none() => Err("it names no file"),
        Ok(found) if found.is_symlink() => Err("it is a link"),
        Ok(found) if !found.is_file() => Err("it is not a plain file"),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Replaces the file with this name by one that others may read: its reader finds the old one or the new one,
/// complete. A link with the name is replaced, not followed.
pub(crate) fn publish(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_file_name(format!(".logmill-{:016x}.tmp", fastrand::u64(..)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(PUBLIC).custom_flags(libc::O_NOFOLLOW);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // Regardless of the umask: metrics of a machine are collected by another user.
        file.set_permissions(Permissions::from_mode(PUBLIC))?;
        std::fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Whether a file may take the name, if it is unused or belongs to an empty file; anything but a plain file
/// is kept.
fn is_free(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        Ok(found) if !found.is_file() => Ok(false),
        Ok(found) if found.len() > 0 => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(found) if !is_ours(&found) => Err(of_another(&found)),
        Ok(_) => Ok(true),
    }
}

/// The same, or if it belongs to a file that begins with `older`.
fn may_take(path: &Path, older: Option<&'static [u8]>) -> io::Result<bool> {
    let found = match (is_free(path), older) {
        (Err(error), Some(older)) if error.kind() == io::ErrorKind::AlreadyExists => older,
        (is_free, _) => return is_free,
    };
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let metadata = file.metadata()?;
    if !is_ours(&metadata) {
        return Err(of_another(&metadata));
    }
    let mut first = vec![0; found.len()];
    match file.read_exact(&mut first) {
        Ok(()) if first == found => Ok(true),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

fn of_another(metadata: &Metadata) -> io::Error {
    io::Error::other(format!("it belongs to another user (uid {})", metadata.uid()))
}

/// Whether this process has the file open a second time. A path can lead to another file a moment later; an
/// open file stays the same.
#[cfg(feature = "sqlite")]
pub(crate) fn is_open_twice(file: &File) -> io::Result<bool> {
    use std::fs;
    use std::os::fd::AsRawFd as _;

    let id = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    let (own, wanted) = (file.as_raw_fd().to_string(), id(&file.metadata()?));
    // If the system does not list open files, for example without /proc, only the path can be trusted.
    let Ok(entries) = fs::read_dir("/dev/fd") else { return Ok(true) };
    for entry in entries {
        let entry = entry?;
        // A descriptor that was closed meanwhile does not count.
        if entry.file_name() != *own && fs::metadata(entry.path()).is_ok_and(|other| id(&other) == wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Creates an empty file for a database, unless one exists. If that fails, opening it will report why.
#[cfg(feature = "sqlite")]
pub(crate) fn make_private(path: &Path) {
    let _ = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, lchown, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").mode() & 0o777
    }

    #[test]
    fn what_holds_rows_is_private_and_never_written_through_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("rows"), folder.path().join("link"));
        drop(create_private(&path).expect("made"));
        assert_eq!(mode(&path), 0o600);
        fs::write(&path, "old").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("opened up");
        symlink(&path, &link).expect("linked");
        create_private(&link).expect_err("a link");
        assert_eq!(fs::read(&path).expect("there"), b"old");
        drop(create_private(&path).expect("emptied"));
        assert_eq!((mode(&path), fs::read(&path).expect("there").len()), (0o600, 0));
        // A dangling link creates nothing.
        fs::remove_file(&path).expect("removed");
        create_private(&link).expect_err("a link");
        assert!(!path.exists());
        create_private(Path::new("/dev/null")).expect("no file");
    }

    #[test]
    fn a_draft_takes_its_name_when_it_is_whole_and_leaves_nothing_otherwise() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows");
        let names = || fs::read_dir(folder.path()).expect("there").count();
        let begun = |path: &Path| {
            let mut draft = Draft::begin(path).expect("begun");
            draft.write_all(b"row").expect("written");
            draft
        };
        let draft = begun(&path);
        assert!(!path.exists() && names() == 1);
        drop(draft);
        assert_eq!(names(), 0);
        // From an empty file that others may read.
        fs::write(&path, "").expect("made");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("opened up");
        begun(&path).finish().expect("whole");
        assert_eq!((mode(&path), fs::read(&path).expect("there"), names()), (0o600, b"row".to_vec(), 1));
        let error = Draft::begin(&path).err().expect("there is one");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        // A file that appears meanwhile is kept.
        let other = folder.path().join("other");
        let draft = begun(&other);
        fs::write(&other, "precious").expect("written");
        draft.finish().expect_err("there is one");
        assert_eq!((fs::read(&other).expect("there"), names()), (b"precious".to_vec(), 2));
        begun(Path::new("/dev/null")).finish().expect("no file");
    }

    #[test]
    fn a_draft_takes_the_place_of_an_older_one_and_of_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("page"), folder.path().join("link"));
        let renewed = |path: &Path, text: &str| -> io::Result<()> {
            let mut draft = Draft::renew(path, b"page:")?;
            draft.write_all(text.as_bytes())?;
            draft.finish()
        };
        renewed(&path, "page: 1").expect("free");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("opened up");
        renewed(&path, "page: 2").expect("an older one");
        assert_eq!((mode(&path), fs::read(&path).expect("there")), (0o600, b"page: 2".to_vec()));
        symlink(&path, &link).expect("linked");
        renewed(&link, "page: 3").expect_err("a link");
        for precious in ["precious", "page", "p"] {
            fs::write(&path, precious).expect("written");
            let error = renewed(&path, "page: 3").expect_err("something else");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&path).expect("there"), precious.as_bytes());
        }
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 2);
    }

    #[test]
    fn what_is_published_takes_a_name_whole_and_follows_no_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("a.prom"), folder.path().join("precious"));
        let names = || fs::read_dir(folder.path()).expect("there").count();
        publish(&path, "one").expect("published");
        publish(&path, "two").expect("published");
        assert_eq!((mode(&path), fs::read(&path).expect("there"), names()), (0o644, b"two".to_vec(), 1));
        fs::write(&other, "precious").expect("written");
        fs::remove_file(&path).expect("removed");
        symlink(&other, &path).expect("linked");
        assert_eq!(refuse_to_publish(&path), Err("it is a link"));
        publish(&path, "three").expect("published");
        assert!(path.symlink_metadata().expect("there").is_file());
        assert_eq!(fs::read(&other).expect("there"), b"precious");
        assert_eq!(refuse_to_publish(&path), Ok(()));
        assert_eq!(refuse_to_publish(folder.path()), Err("it is not a plain file"));
        assert_eq!(refuse_to_publish(&folder.path().join("no/a.prom")), Err("its folder is not there"));
        publish(folder.path(), "four").expect_err("a folder");
        assert_eq!(names(), 2);
    }

    #[test]
    fn what_is_made_anew_empties_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows");
        drop(create_new_private(&path).expect("made"));
        create_new_private(&path).expect("still empty").write_all(b"precious").expect("written");
        let error = create_new_private(&path).expect_err("there is something in it");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("there"), b"precious");
        create_new_private(Path::new("/dev/null")).expect("no file");
    }

    #[test]
    fn what_holds_rows_goes_into_no_pipe_of_another_user() {
        let folder = tempfile::tempdir().expect("a folder");
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("made");
        symlink(&pipe, &link).expect("linked");
        // Only root can give files away.
        if lchown(&link, Some(12_345), None).is_ok() {
            let error = create_private(&link).expect_err("a link of another user");
            assert!(error.to_string().contains("uid 12345"), "{error}");
            lchown(&pipe, Some(12_345), None).expect("given away");
            let error = create_private(&pipe).expect_err("a pipe of another user");
            assert!(error.to_string().contains("uid 12345"), "{error}");
        }
    }

    fn found(path: &Path) -> Result<Option<File>, String> {
        open_found(path, OpenOptions::new().read(true))
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_file_is_open_twice_by_whatever_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("rows"), folder.path().join("other"));
        let file = create_private(&path).expect("made");
        let unlike = create_private(&other).expect("made");
        assert!(!is_open_twice(&file).expect("looked"));
        fs::rename(&path, folder.path().join("moved")).expect("moved");
        fs::rename(&other, &path).expect("put in its place");
        let again = File::open(&path).expect("there");
        assert!(!is_open_twice(&file).expect("looked"));
        assert!(is_open_twice(&unlike).expect("looked") && is_open_twice(&again).expect("looked"));
    }

    #[test]
    fn what_is_found_is_used_only_if_nobody_else_could_have_made_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("job"), folder.path().join("link"));
        assert!(found(&path).expect("not there").is_none());
        fs::write(&path, "job").expect("written");
        symlink(&path, &link).expect("linked");
        assert_eq!(found(&link).expect_err("a link"), "is a link");
        assert_eq!(found(folder.path()).expect_err("a folder"), "is not a plain file");
        for (mode, is_used) in [(0o644, true), (0o600, true), (0o646, false), (0o666, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            assert_eq!(found(&path).is_ok(), is_used, "{mode:o}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("set");
        // Only root can change the owner of files.
        if chown(&path, Some(12_345), Some(12_345)).is_ok() {
            assert!(found(&path).expect_err("of another").contains("uid 12345"));
            assert!(others_may_read(&fs::metadata(&path).expect("there")));
            chown(&path, Some(0), Some(12_345)).expect("given back");
            fs::set_permissions(&path, Permissions::from_mode(0o660)).expect("set");
            assert!(found(&path).expect_err("its group").contains("mode 660"));
        }
    }
}
