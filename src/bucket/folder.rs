//! A folder as a bucket: keys are names of files below it.
//!
//! An object is written as a draft beside its place, is on the disk, and then gets its name, so that who
//! reads never sees half of one. The draft's name follows from the object's: what a killed process
//! left is used up by the next one that writes the object, and of two at once one waits for the other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::{Failure, Head, Listed, Object, PAGE, PageOf, Swap, Version};
use crate::error::unnumbered;

#[derive(Clone)]
pub(super) struct Folder(Arc<PathBuf>);

/// What names of drafts begin and end with. No object has such a name.
const DRAFT: (&str, &str) = (".", ".draft");

impl Folder {
    pub(super) fn new(root: &Path) -> Folder {
        Folder(Arc::new(root.to_owned()))
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Object>, Failure> {
        let Some((mut file, head)) = self.open(key)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(usize::try_from(head.size).unwrap_or(0));
        file.read_to_end(&mut bytes).map_err(|cause| self.failure("read", key, &cause))?;
        Ok(Some(Object { bytes: bytes.into(), version: head.version }))
    }

    pub(super) fn head(&self, key: &str) -> Result<Option<Head>, Failure> {
        match fs::metadata(self.path(key)?) {
            Ok(found) if found.is_file() => Ok(Some(head(&found))),
            Ok(_) => Ok(None),
            Err(cause) if is_missing(&cause) => Ok(None),
            Err(cause) => Err(self.failure("look at", key, &cause)),
        }
    }

    pub(super) fn read(
        &self,
        key: &str,
        range: Range<u64>,
        expected: Option<&Version>,
    ) -> Result<Bytes, Failure> {
        let missing = || Failure::Missing("there is no such file".to_owned());
        let (file, head) = self.open(key)?.ok_or_else(missing)?;
        if expected.is_some_and(|expected| *expected != head.version) {
            return Err(Failure::Changed);
        }
        let size = range.end.min(head.size).saturating_sub(range.start);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        match file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => {}
            Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Err(Failure::Changed),
            Err(cause) => return Err(self.failure("read", key, &cause)),
        }
        // Written over in its place, a file changes under an open handle.
        let now = file.metadata().map_err(|cause| self.failure("look at", key, &cause))?;
        match self::head(&now) == head {
            true => Ok(bytes.into()),
            false => Err(Failure::Changed),
        }
    }

    pub(super) fn put(&self, key: &str, pieces: &[Bytes]) -> Result<(), Failure> {
        self.write(key, pieces, |draft, path| {
            fs::rename(draft, path)?;
            Ok(true)
        })
        .map(|_| ())
        .map_err(|cause| self.failure("write", key, &cause))
    }

    pub(super) fn put_if(
        &self,
        key: &str,
        bytes: Bytes,
        expected: Option<&Version>,
    ) -> Result<Swap, Failure> {
        let written = self.write(key, &[bytes], |draft, path| match expected {
            None => match fs::hard_link(draft, path) {
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
                linked => {
                    linked?;
                    fs::remove_file(draft)?;
                    Ok(true)
                }
            },
            Some(expected) => match fs::metadata(path) {
                // Nobody writes it now who comes this way, since the draft is ours.
                Ok(found) if head(&found).version == *expected => {
                    fs::rename(draft, path)?;
                    Ok(true)
                }
                Err(cause) if !is_missing(&cause) => Err(cause),
                _ => Ok(false),
            },
        });
        match written.map_err(|cause| self.failure("write", key, &cause))? {
            Some(version) => Ok(Swap::Done(version)),
            None => Ok(Swap::Refused),
        }
    }

    pub(super) fn delete(&self, key: &str) -> Result<(), Failure> {
        let path = self.path(key)?;
        for path in [draft_of(&path), path] {
            match fs::remove_file(&path) {
                Err(cause) if !is_missing(&cause) => return Err(self.failure("remove", key, &cause)),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, prefix: &str, after: Option<&str>) -> Result<PageOf, Failure> {
        let mut keys = Vec::new();
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.walk(folder, prefix, after.unwrap_or_default(), &mut keys)
            .map_err(|cause| self.failure("list", folder, &cause))?;
        keys.sort_unstable();
        let more = keys.len() > PAGE;
        keys.truncate(PAGE);
        let next = keys.last().filter(|_| more).cloned();
        let mut objects = Vec::with_capacity(keys.len());
        for key in keys {
            // One that was removed meanwhile is not there.
            objects.extend(self.head(&key)?.map(|head| Listed { key, head }));
        }
        Ok(PageOf { objects, next })
    }

    /// Gathers the keys below a folder that begin so and come after this one.
    fn walk(&self, folder: &str, prefix: &str, after: &str, keys: &mut Vec<String>) -> io::Result<()> {
        let entries = match fs::read_dir(self.0.join(folder)) {
            Err(cause) if is_missing(&cause) => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let may_begin_so = key.starts_with(prefix) || prefix.starts_with(&key);
            if !may_begin_so || is_draft(&name) {
                continue;
            }
            let kind = entry.file_type()?;
            // Links count as what they lead to, but a folder only if it is one: no walk in a circle.
            if kind.is_dir() {
                self.walk(&key, prefix, after, keys)?;
            } else if key.starts_with(prefix) && key.as_str() > after {
                keys.push(key);
            }
        }
        Ok(())
    }

    fn open(&self, key: &str) -> Result<Option<(File, Head)>, Failure> {
        let opened = File::open(self.path(key)?).and_then(|file| file.metadata().map(|found| (file, found)));
        match opened {
            Ok((file, found)) if found.is_file() => Ok(Some((file, head(&found)))),
            Ok(_) => Ok(None),
            Err(cause) if is_missing(&cause) => Ok(None),
            Err(cause) => Err(self.failure("open", key, &cause)),
        }
    }

    fn path(&self, key: &str) -> Result<PathBuf, Failure> {
        let mut parts = key.split('/');
        if parts.any(|part| matches!(part, "" | "." | "..") || part.contains('\0') || is_draft(part)) {
            return Err(Failure::Broken(format!("{key:?} cannot be the name of a file in a folder")));
        }
        Ok(self.0.join(key))
    }

    /// Writes a draft, and gives it its name if `name` says so. The version, if that was done.
    fn write(
        &self,
        key: &str,
        pieces: &[Bytes],
        name: impl Fn(&Path, &Path) -> io::Result<bool>,
    ) -> io::Result<Option<Version>> {
        let path = self.path(key).map_err(|failure| io::Error::other(failure.to_string()))?;
        let folder = path.parent().unwrap_or(&self.0);
        make_folders(folder)?;
        let draft = draft_of(&path);
        let mut file = own(&draft)?;
        let named = file.set_len(0).and_then(|()| {
            pieces.iter().try_for_each(|piece| file.write_all(piece))?;
            file.sync_all()?;
            name(&draft, &path)
        });
        if !matches!(named, Ok(true)) {
            // It is ours as long as we hold its lock.
            let _ = fs::remove_file(&draft);
        }
        if !named? {
            return Ok(None);
        }
        let version = head(&file.metadata()?).version;
        File::open(folder)?.sync_all()?;
        Ok(Some(version))
    }

    fn failure(&self, doing: &str, key: &str, cause: &io::Error) -> Failure {
        let what = format!("cannot {doing} {}: {}", self.0.join(key).display(), unnumbered(cause));
        match cause.kind() {
            // Room can be made, and a mount can come back.
            ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::TimedOut => Failure::Away(what),
            _ => Failure::Denied(what),
        }
    }
}

/// Opens a draft that nobody else is writing.
fn own(draft: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_NOFOLLOW)
            .open(draft)?;
        file.lock()?;
        // Its last owner may have renamed or removed it before we got the lock.
        match fs::metadata(draft) {
            Ok(found) if found.ino() == file.metadata()?.ino() => return Ok(file),
            Err(cause) if !is_missing(&cause) => return Err(cause),
            _ => {}
        }
    }
}

fn draft_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{}{name}{}", DRAFT.0, DRAFT.1))
}

fn is_draft(name: &str) -> bool {
    name.starts_with(DRAFT.0) && name.ends_with(DRAFT.1)
}

/// Makes a folder and those that it is in. That they are there is on the disk.
fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else { return Ok(()) };
    make_folders(parent)?;
    match fs::create_dir(folder) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => return Err(cause),
        _ => {}
    }
    File::open(parent)?.sync_all()
}

fn head(found: &fs::Metadata) -> Head {
    let (seconds, nanos) = (found.mtime(), found.mtime_nsec());
    let modified = chrono::DateTime::from_timestamp(seconds, u32::try_from(nanos).unwrap_or(0));
    Head {
        size: found.size(),
        version: Version(format!("{:x}-{:x}-{seconds:x}.{nanos:x}", found.ino(), found.size())),
        modified: modified.unwrap_or_default(),
    }
}

fn is_missing(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::super::Bucket;
    use super::*;

    fn bucket() -> (tempfile::TempDir, Bucket) {
        let folder = tempfile::tempdir().expect("it is there");
        let bucket = Bucket::open(&format!("file://{}/a/b", folder.path().display())).expect("it is there");
        (folder, bucket)
    }

    fn keys(bucket: &Bucket, prefix: &str) -> Vec<String> {
        bucket.list(prefix).flat_map(|page| page.expect("it is there")).map(|listed| listed.key).collect()
    }

    fn version(bucket: &Bucket, key: &str) -> Version {
        bucket.head(key).expect("it is there").expect("it is there").version
    }

    #[test]
    fn what_is_put_is_got() {
        let (_folder, bucket) = bucket();
        assert!(bucket.get("x/y").expect("it is there").is_none());
        bucket.put("x/y", Bytes::from_static(b"hello")).expect("it is there");
        let object = bucket.get("x/y").expect("it is there").expect("it is there");
        assert_eq!((&object.bytes[..], object.version), (&b"hello"[..], version(&bucket, "x/y")));
        assert!(bucket.get("x").expect("it is there").is_none(), "a folder is no object");
        assert!(bucket.get("x/y/z").expect("it is there").is_none());
        bucket.delete("x/y").expect("it is there");
        bucket.delete("x/y").expect("it is there");
        assert!(bucket.head("x/y").expect("it is there").is_none());
    }

    #[test]
    fn a_range_is_of_the_version_that_is_expected() {
        let (_folder, bucket) = bucket();
        bucket.put("k", Bytes::from_static(b"hello")).expect("it is there");
        let old = version(&bucket, "k");
        assert_eq!(&bucket.read("k", 1..3, Some(&old)).expect("it is there")[..], b"el");
        assert_eq!(&bucket.read("k", 3..9, None).expect("it is there")[..], b"lo");
        bucket.put("k", Bytes::from_static(b"world")).expect("it is there");
        assert_eq!(bucket.read("k", 1..3, Some(&old)), Err(Failure::Changed));
        assert!(matches!(bucket.read("no", 0..1, None), Err(Failure::Missing(_))));
    }

    #[test]
    fn only_one_of_many_makes_an_object_and_only_one_replaces_it() {
        let (_folder, bucket) = bucket();
        let race = |expected: Option<Version>| {
            let done = std::thread::scope(|scope| {
                let tries = [0; 8].map(|_| {
                    scope.spawn(|| {
                        bucket.put_if("k", Bytes::from_static(b"x"), expected.as_ref()).expect("it is there")
                    })
                });
                tries.map(|thread| thread.join().expect("it is there"))
            });
            let done: Vec<&Swap> = done.iter().filter(|swap| **swap != Swap::Refused).collect();
            assert_eq!(done, [&Swap::Done(version(&bucket, "k"))]);
        };
        race(None);
        let first = version(&bucket, "k");
        race(Some(first.clone()));
        assert_ne!(version(&bucket, "k"), first);
        assert_eq!(keys(&bucket, ""), ["k"], "no draft is left");
        assert_eq!(fs::read_dir(bucket.folder().expect("it is there")).expect("it is there").count(), 1);
    }

    #[test]
    fn a_listing_is_sorted_and_comes_in_pages() {
        let (_folder, bucket) = bucket();
        assert_eq!(keys(&bucket, ""), [""; 0]);
        for key in ["b/1", "a-2", "a/1", "a/2/3"] {
            bucket.put(key, Bytes::new()).expect("it is there");
        }
        fs::write(bucket.folder().expect("it is there").join("a/.half.draft"), "").expect("it is there");
        assert_eq!(keys(&bucket, ""), ["a-2", "a/1", "a/2/3", "b/1"]);
        assert_eq!(keys(&bucket, "a"), ["a-2", "a/1", "a/2/3"]);
        assert_eq!(keys(&bucket, "a/2"), ["a/2/3"]);
        assert_eq!(keys(&bucket, "c/"), [""; 0]);
        let folder = bucket.folder().expect("it is there").join("many");
        fs::create_dir(&folder).expect("it is there");
        let many: Vec<String> = (0..PAGE + 5).map(|number| format!("many/{number:05}")).collect();
        for key in &many {
            File::create(bucket.folder().expect("it is there").join(key)).expect("it is there");
        }
        let pages: Vec<Vec<Listed>> = bucket.list("many/").map(|page| page.expect("it is there")).collect();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [PAGE, 5]);
        assert_eq!(keys(&bucket, "many/"), many);
    }

    #[test]
    fn what_a_killed_writer_left_is_used_up_by_the_next_one() {
        let (_folder, bucket) = bucket();
        bucket.put("k", Bytes::from_static(b"old")).expect("it is there");
        fs::write(bucket.folder().expect("it is there").join(".k.draft"), "much longer than what comes")
            .expect("it is there");
        bucket.put("k", Bytes::from_static(b"new")).expect("it is there");
        assert_eq!(&bucket.get("k").expect("it is there").expect("it is there").bytes[..], b"new");
        assert_eq!(fs::read_dir(bucket.folder().expect("it is there")).expect("it is there").count(), 1);
    }

    #[test]
    fn a_key_does_not_lead_out_of_the_folder() {
        let (_folder, bucket) = bucket();
        for key in ["../x", "a/../../x", "/x", "a//x", "", "a/.x.draft"] {
            assert!(
                matches!(bucket.put(key, Bytes::new()), Err(Failure::Denied(_) | Failure::Broken(_))),
                "{key}"
            );
        }
    }
}
