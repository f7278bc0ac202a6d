//! Sources: files to chunks of whole records. Knows bytes, and what separates records.
//!
//! A source is opened once per run. The run loads what it held at that moment: bytes that are appended
//! meanwhile wait for the next run, and bytes that change are detected before they are committed
//! (`Source::still_holds`).
//!
//! There are two ways to make chunks, and both give the same [`Chunk`]: windows of a memory map (`windows`)
//! for large plain files, and owned blocks (`read`) for everything that is small, compressed, a stream, an
//! object in a bucket, or must not be mapped. `chunk` defines what a chunk *is*; only `framing` looks inside
//! a record.

mod chunk;
mod chunks;
mod discover;
mod feed;
mod found;
mod framing;
mod identity;
mod inflate;
mod letters;
mod listing;
#[expect(unsafe_code, reason = "mapping a file that others may change; the module comment is the contract")]
mod map;
mod object;
mod open;
mod patient;
mod place;
mod preamble;
mod reach;
mod read;
mod recognise;
mod starts;
mod stdin;
mod stranger;
mod windows;

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use nix::sys::statfs::FsType;

pub use chunk::{Body, Bytes, Chunk, Start};
pub use chunks::Chunks;
pub use discover::{Discovered, discover};
pub use found::{Found, Order, Pattern, Selection, apart, is_in_bucket};
pub use framing::{
    Framed, Framing, Objects, Parts, Quotes, Records, Runtime, RuntimeLine, is_blank, unescape,
};
pub use identity::{
    Candidate, Container, Fingerprint, HEAD_BYTES, Hash16, Inode, Last, Probe, TAIL_BYTES, hash16,
};
pub use letters::{LETTERS, LETTERS_LOCK};
pub use listing::{find, means};
pub use place::Places;
pub use preamble::Preamble;
pub use reach::{Opened, Reach};
pub use recognise::{Known, Recognised, recognise, recognise_beside};
pub use starts::record_start_behind;
pub use stranger::{Stranger, of_head as stranger_of_head};

use crate::error::{Error, ErrorKind, Result};
use crate::span::Span;
use crate::stop::Stop;
use feed::Feed;
use inflate::{Archive, Codec};
use object::OpenObject;
use patient::Patient;

#[derive(Clone, Debug)]
pub struct Settings {
    pub framing: Framing,
    /// The number of bytes after which a chunk ends with the current record.
    pub chunk_bytes: usize,
    /// The maximum number of lines in a chunk.
    pub lines_max: usize,
    /// The number of bytes of a file that are mapped at a time.
    pub window_bytes: usize,
    /// A chunk also ends at the first record after each multiple of this.
    pub border_bytes: Option<u64>,
    /// A longer record is never whole in memory, and is a reject.
    pub record_bytes_max: usize,
    /// Whether large plain files are mapped at all.
    pub mmap: bool,
    /// A smaller file is read: mapping and unmapping costs more than copying it.
    pub map_bytes_min: u64,
    /// A longer record is followed only up to about this size. For readers that only inspect a source.
    pub follow_bytes_max: u64,
    /// Whether files are still being written: a last record that may continue then waits.
    pub growing: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            framing: Framing::Lines,
            chunk_bytes: 1 << 20,
            // A record's result has a size of its own, and a reject with its reasons is a hundred times as
            // large as the two bytes of the shortest line.
            lines_max: 16 << 10,
            // Small enough that two windows and two batches stay far below the memory bound, large enough
            // that mapping costs nothing (mapping in windows takes 6 ms per GB).
            window_bytes: 16 << 20,
            border_bytes: None,
            record_bytes_max: 16 << 20,
            mmap: true,
            map_bytes_min: 256 << 10,
            follow_bytes_max: u64::MAX,
            growing: false,
        }
    }
}

impl Settings {
    /// Where to cut `bytes`, which start on a record start at `offset` of the source; `None` if no record
    /// ends here. With `rest_is_record` the rest is a record even without an end.
    fn cut(&self, offset: u64, bytes: &[u8], rest_is_record: bool) -> Option<usize> {
        let to_border = self.border_bytes.map(|every| usize::try_from(every - offset % every));
        let chunk_bytes = match to_border {
            Some(Ok(to_border)) => self.chunk_bytes.min(to_border),
            _ => self.chunk_bytes,
        };
        self.framing.cut(bytes, chunk_bytes, self.lines_max, rest_is_record)
    }

    /// If no record ends within this many bytes, one is too long: the bound, plus its line end and the bytes
    /// that confirm the end.
    fn reach(&self) -> usize {
        self.record_bytes_max + 2 + self.framing.look_ahead()
    }
}

/// Whether a file of size 0 gives bytes when it is read, and has not just grown. It would count as empty.
fn yields_more_than_its_size(file: &File) -> bool {
    let gives = file.read_at(&mut [0], 0).is_ok_and(|read| read > 0);
    gives && file.metadata().is_ok_and(|metadata| metadata.len() == 0)
}

/// A file, an object or a stream, opened.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    medium: Medium,
    stop: Stop,
}

#[derive(Debug)]
enum Medium {
    /// A file that can be read again.
    File(OpenFile),
    /// The same in a bucket, and how its bytes are to be interpreted.
    Object(OpenObject, Codec),
    /// An input that can be read once: reading consumes it.
    Stream(Mutex<Option<Feed>>),
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    codec: Codec,
    inode: Inode,
    /// The state of the file when it was opened.
    seen: Stamp,
    /// Set once the file was seen to change: from then on every batch is compared.
    moved: AtomicBool,
    /// It is on another machine, where a map is slow and can vanish.
    is_remote: bool,
}

/// Cheap indicators of a change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: (i64, i64),
    /// The file was written so recently that the file system's clock may not have ticked since: an unchanged
    /// stamp proves nothing.
    fresh: bool,
}

/// Up to this much is read again before a commit despite a request to stop: enough for all but the longest
/// records.
const AGAIN_BYTES_MAX: u64 = 64 << 20;

/// The coarsest file system clock that is trusted to distinguish two writes.
const STAMP_TICK: Duration = Duration::from_secs(2);

/// The name of the standard input.
pub const STDIN: &str = "-";

/// How much of the standard input may be previewed before it is read. It stays in memory until then.
const STDIN_AHEAD_BYTES: usize = 8 << 20;

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        let fresh = metadata
            .modified()
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok())
            .is_none_or(|age| age < STAMP_TICK);
        Stamp { size: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()), fresh }
    }
}

impl Source {
    /// Opens a file, a FIFO, or (`-`) the standard input, by its path.
    pub fn open(path: &Path) -> Result<Source> {
        Source::open_found(&Found::of_path(path), &Stop::default())
    }

    /// Opens a found file. A wait ends at a request to stop.
    pub fn open_found(found: &Found, stop: &Stop) -> Result<Source> {
        let path = &found.path;
        if is_in_bucket(path) {
            return Source::open_object(found, stop);
        }
        if path == Path::new(STDIN) {
            let stdin = stdin::open(stop).map_err(|cause| Error::file("open", path, cause))?;
            return Source::of_stream(path, stdin, stop);
        }
        let file = open::open(found).map_err(|cause| Error::file("open", path, cause))?;
        let metadata = file.metadata().map_err(|cause| Error::file("look at", path, cause))?;
        let kind = metadata.file_type();
        if (kind.is_fifo() || kind.is_char_device()) && found.is_named() {
            return Source::of_stream(path, Patient::new(file, stop), stop);
        }
        if !kind.is_file() {
            return Err(Error::source(
                path,
                "neither a file nor a stream; give files, directories or patterns",
            ));
        }
        if metadata.len() == 0 && yields_more_than_its_size(&file) {
            return Err(Error::source(
                path,
                "its size is 0, but there is something in it, as in files of /proc; load it as a stream: \
                 cat FILE | logmill load -",
            ));
        }
        let is_remote = is_remote(&file);
        let file = OpenFile {
            file,
            codec: Codec::Plain,
            inode: Inode { device: metadata.dev(), number: metadata.ino() },
            seen: Stamp::of(&metadata),
            moved: AtomicBool::new(false),
            is_remote,
        };
        let mut source = Source { path: path.clone(), medium: Medium::File(file), stop: stop.clone() };
        let mut start = [0; inflate::DETECT_BYTES];
        let start = &mut start[..usize::try_from(metadata.len())
            .map_or(inflate::DETECT_BYTES, |size| size.min(inflate::DETECT_BYTES))];
        source.read_into(0, start)?;
        let detected = Codec::detect(start).map_err(|archive| unreadable(path, archive))?;
        if let Medium::File(file) = &mut source.medium {
            file.codec = detected;
        }
        Ok(source)
    }

    fn open_object(found: &Found, stop: &Stop) -> Result<Source> {
        let path = &found.path;
        let Some(object) = &found.object else { return Err(Error::source(path, "there is no such object")) };
        let open = OpenObject::open(object, stop)?;
        let codec = Codec::detect(&open.start).map_err(|archive| unreadable(path, archive))?;
        Ok(Source { path: path.clone(), medium: Medium::Object(open, codec), stop: stop.clone() })
    }

    /// Opens it for a preview, after which all of it can still be read. For the standard input this is only
    /// its beginning; the second value says whether more follows.
    pub fn preview(found: &Found, stop: &Stop) -> Result<(Source, bool)> {
        let path = &found.path;
        if path != Path::new(STDIN) {
            return Ok((Source::open_found(found, stop)?, false));
        }
        let (ahead, is_all) =
            stdin::look_ahead(STDIN_AHEAD_BYTES, stop).map_err(|cause| match cause.downcast::<Error>() {
                Ok(ours) => ours,
                Err(cause) => Error::file("read", path, cause),
            })?;
        Ok((Source::of_stream(path, std::io::Cursor::new(ahead), stop)?, !is_all))
    }

    fn of_stream(path: &Path, stream: impl Read + Send + 'static, stop: &Stop) -> Result<Source> {
        let feed = Feed::of_stream(path, stream)?;
        let medium = Medium::Stream(Mutex::new(Some(feed)));
        Ok(Source { path: path.to_owned(), medium, stop: stop.clone() })
    }

    /// A source whose records were read long ago: its name, and nothing to read.
    pub fn was_read(path: &Path) -> Source {
        let medium = Medium::Stream(Mutex::new(None));
        Source { path: path.to_owned(), medium, stop: Stop::default() }
    }

    /// A range of any kind of file, or of an object. An archive is inflated from its start for it.
    pub fn read_anew(path: &Path, offset: u64, length: u64, reach: &Reach) -> Result<Vec<u8>> {
        if !is_in_bucket(path) && !path.is_file() {
            return Err(Error::source(path, "there is no file of this name any more"));
        }
        let source = Arc::new(Source::open_found(&listing::find(path, reach)?, reach.stop())?);
        if source.codec() == Codec::Plain {
            return source.read(Span::new(offset, offset + length));
        }
        let mut feed = source.feed(0)?;
        let mut passed = vec![0; 256 << 10];
        let mut left = offset;
        while left > 0 {
            let piece = usize::try_from(left).map_or(passed.len(), |left| left.min(passed.len()));
            match feed.fill(&source, &mut passed[..piece])? {
                0 => return Err(source.shrank()),
                filled => left -= filled as u64,
            }
        }
        let mut bytes = vec![0; usize::try_from(length).expect("a record that fits into memory")];
        match feed.fill(&source, &mut bytes)? {
            filled if filled == bytes.len() => Ok(bytes),
            _ => Err(source.shrank()),
        }
    }

    /// Its first lines, at least `bytes_min` if it has them; or the beginning of a line that is longer than
    /// `bytes_max`. Also whether that is all. A stream loses them.
    pub fn beginning(self: &Arc<Source>, bytes_min: usize, bytes_max: usize) -> Result<(Vec<u8>, bool)> {
        let mut feed = self.feed(0)?;
        let mut bytes = Vec::new();
        let mut goal = bytes_min;
        let is_all = loop {
            let old = bytes.len();
            bytes.resize(goal, 0);
            let filled = feed.fill(self, &mut bytes[old..])?;
            bytes.truncate(old + filled);
            let is_all = bytes.len() < goal;
            if is_all || goal >= bytes_max || memchr::memchr(b'\n', &bytes[old..]).is_some() {
                break is_all;
            }
            goal = (2 * goal).min(bytes_max);
        };
        let first = usize::try_from(first_record(&self.path, &bytes)?).expect("a few bytes");
        if !is_all && let Some(newline) = memchr::memrchr(b'\n', &bytes) {
            bytes.truncate(newline + 1);
        }
        bytes.drain(..first);
        Ok((bytes, is_all))
    }

    /// Whole lines from about this place of a plain file, up to this many bytes.
    pub fn lines_at(self: &Arc<Source>, at: u64, bytes_max: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; bytes_max];
        let filled = self.feed(at)?.fill(self, &mut bytes)?;
        bytes.truncate(filled);
        bytes.truncate(memchr::memrchr(b'\n', &bytes).map_or(0, |newline| newline + 1));
        let first = memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |newline| newline + 1);
        bytes.drain(..first);
        Ok(bytes)
    }

    /// The file as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its decompressed size; `None` if only reading it will tell.
    pub fn size(&self) -> Option<u64> {
        match &self.medium {
            Medium::File(file) if file.codec == Codec::Plain => Some(file.seen.size),
            Medium::Object(open, Codec::Plain) => Some(open.object.size()),
            _ => None,
        }
    }

    /// The size of the file when it was opened, compressed as it is. 0 for a stream.
    pub fn raw_size(&self) -> u64 {
        match &self.medium {
            Medium::File(file) => file.seen.size,
            Medium::Object(open, _) => open.object.size(),
            Medium::Stream(_) => 0,
        }
    }

    /// Whether it can be read only once.
    pub fn is_stream(&self) -> bool {
        matches!(self.medium, Medium::Stream(_))
    }

    /// Whether its bytes are inflated.
    pub fn is_compressed(&self) -> bool {
        self.codec() != Codec::Plain
    }

    fn codec(&self) -> Codec {
        match &self.medium {
            Medium::File(file) => file.codec,
            Medium::Object(_, codec) => *codec,
            // Known to the stream's feed.
            Medium::Stream(_) => Codec::Plain,
        }
    }

    fn file(&self) -> &File {
        match &self.medium {
            Medium::File(file) => &file.file,
            _ => unreachable!("only a file of this machine is mapped and read by position"),
        }
    }

    /// Whether large parts of it can be mapped.
    fn can_be_mapped(&self) -> bool {
        matches!(&self.medium, Medium::File(file) if file.codec == Codec::Plain && !file.is_remote)
    }

    /// Its bytes from `position`, or from the start if they must be inflated.
    fn feed(self: &Arc<Source>, position: u64) -> Result<Feed> {
        match &self.medium {
            Medium::File(_) | Medium::Object(..) => Feed::of_file(self, position),
            Medium::Stream(feed) => {
                let mut feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
                feed.take().ok_or_else(|| Error::source(&self.path, "a stream can be read only once"))
            }
        }
    }

    /// Whether the bytes of a record can be read again from the source at any time. Otherwise its chunk must
    /// be kept until it is committed.
    pub fn can_be_read_again(&self) -> bool {
        matches!(&self.medium, Medium::File(file) if file.codec == Codec::Plain)
    }

    /// Reads a range of a plain file again.
    pub fn read(&self, span: Span) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(span.len()).expect("a range that fits into memory")];
        self.read_into(span.start, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` from `offset` of the file; an error if the file ends before.
    pub(crate) fn read_into(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        if let Medium::Object(open, _) = &self.medium {
            return match open.read_into(offset, buffer, &self.stop)? {
                true => Ok(()),
                false => Err(self.shrank()),
            };
        }
        self.file().read_exact_at(buffer, offset).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::UnexpectedEof => self.shrank(),
            _ => Error::file("read", &self.path, cause),
        })
    }

    /// Whether the file may have changed since it was opened, judged by its size and modification time. Costs
    /// one system call. An object's bytes all come from one version.
    pub(crate) fn may_have_moved(&self) -> Result<bool> {
        let Medium::File(file) = &self.medium else { return Ok(false) };
        if file.moved.load(Ordering::Relaxed) || file.seen.fresh && file.codec == Codec::Plain {
            return Ok(true);
        }
        let metadata = file.file.metadata().map_err(|cause| Error::file("look at", &self.path, cause))?;
        let moved = Stamp { fresh: file.seen.fresh, ..Stamp::of(&metadata) } != file.seen;
        if moved {
            file.moved.store(true, Ordering::Relaxed);
        }
        Ok(moved)
    }

    /// Called at every piece of a long read: fails at a request to stop, and when the bytes are no longer
    /// wanted.
    pub(crate) fn go_on(&self) -> Result<()> {
        still_wanted(&self.path, &self.stop)
    }

    fn stop(&self) -> &Stop {
        &self.stop
    }

    /// Reads `span` again and compares it with the XXH3 of what was parsed.
    pub(crate) fn still_holds(&self, span: Span, hash: u64) -> Result<()> {
        if self.is_compressed() {
            // Its checksums vouch for what was inflated so far, but not for what comes.
            return Err(self.changed(format_args!("its size or modification time changed")));
        }
        // In pieces, so that a record of any length can be checked in little memory.
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        let mut buffer = vec![0; usize::try_from(span.len().min(1 << 20)).expect("at most a MiB")];
        let mut offset = span.start;
        while offset < span.end {
            let take =
                usize::try_from((span.end - offset).min(buffer.len() as u64)).expect("at most the buffer");
            // Work in progress at a request to stop is committed, unless that takes long.
            if offset - span.start >= AGAIN_BYTES_MAX {
                self.go_on()?;
            }
            self.read_into(offset, &mut buffer[..take])?;
            hasher.update(&buffer[..take]);
            offset += take as u64;
        }
        if hasher.digest() == hash {
            return Ok(());
        }
        Err(self.changed(format_args!("bytes {}..{} are not those that were parsed", span.start, span.end)))
    }

    fn shrank(&self) -> Error {
        self.changed(format_args!("it is now shorter than the {} bytes that it had", self.raw_size()))
    }

    fn changed(&self, how: std::fmt::Arguments<'_>) -> Error {
        Error::source(
            &self.path,
            format!(
                "the file changed while it was being loaded: {how}. Nothing of the change was committed; let the writer finish, or copy the file, and run the same command again"
            ),
        )
    }
}

/// Fails at a request to stop, and when what is read of `path` is no longer wanted.
fn still_wanted(path: &Path, stop: &Stop) -> Result<()> {
    match (stop.asked(), stop.is_abandoned()) {
        (Some(signal), _) => Err(ErrorKind::Stopped(signal).into()),
        (None, true) => Err(Error::file("read", path, std::io::ErrorKind::BrokenPipe.into())),
        (None, false) => Ok(()),
    }
}

fn unreadable(path: &Path, Archive { name, pipe }: Archive) -> Error {
    let path_shown = path.display();
    Error::source(
        path,
        format!(
            "it is a {name} archive, which is not read; give logmill what is in it: {pipe} {path_shown} | logmill load -j JOB -"
        ),
    )
}

/// Where the first record starts, by the first bytes of a source (four, or as many as there are): after a
/// byte order mark. Another encoding is refused here, once, instead of becoming a million bad records.
pub(crate) fn first_record(path: &Path, start: &[u8]) -> Result<u64> {
    let encoding = match start {
        [0xef, 0xbb, 0xbf, ..] => return Ok(3),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        // Without a mark, judged by the first two characters of a text that begins with ASCII.
        [1..=0x7f, 0, 1..=0x7f, 0, ..] => "UTF-16LE",
        [0, 1..=0x7f, 0, 1..=0x7f, ..] => "UTF-16BE",
        _ if inflate::is_tar(start) => return Err(unreadable(path, inflate::TAR)),
        _ => return Ok(0),
    };
    Err(Error::source(
        path,
        format!(
            "it is {encoding}, and logs are read as UTF-8; convert it first (iconv -f {encoding} -t UTF-8)"
        ),
    ))
}

/// Whether a file is on a file system of another machine or of a user process: mapping it is slow, and raises
/// SIGBUS when the connection breaks.
fn is_remote(file: &File) -> bool {
    nix::sys::statfs::fstatfs(file).is_ok_and(|system| is_of_others(system.filesystem_type()))
}

/// The types of such file systems, by the kernel's numbers.
fn is_of_others(kind: FsType) -> bool {
    use nix::sys::statfs::{AFS_SUPER_MAGIC, FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC};
    const CIFS: i64 = 0xff53_4d42;
    const SMB2: i64 = 0xfe53_4d42;
    const CEPH: i64 = 0x00c3_6400;
    const NINE_P: i64 = 0x0102_1997;
    const LUSTRE: i64 = 0x0bd0_0bd0;
    const GPFS: i64 = 0x4750_4653;
    [AFS_SUPER_MAGIC, FUSE_SUPER_MAGIC, NFS_SUPER_MAGIC, SMB_SUPER_MAGIC].contains(&kind)
        || [CIFS, SMB2, CEPH, NINE_P, LUSTRE, GPFS].contains(&kind.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_another_machine_is_not_mapped() {
        for kind in
            [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400, 0x5346_414f]
        {
            assert!(is_of_others(FsType(kind)), "{kind:x}");
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs.
        for kind in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert!(!is_of_others(FsType(kind)), "{kind:x}");
        }
    }
}
