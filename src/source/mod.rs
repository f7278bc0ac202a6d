//! Sources: files to chunks of whole records. Knows bytes and newlines only.
//!
//! A source is opened once per run. What it held at that moment is what the run loads:
//! bytes that are appended meanwhile wait for the next run, and bytes that change under us
//! are noticed before they are committed ([`Source::still_holds`]).
//!
//! There are two ways to a chunk, and both give the same [`Chunk`]: a window of a memory
//! map (`map`) for large plain files, and owned blocks (`read`) for everything that is
//! small, cannot be mapped or should not be. What a chunk *is*, is in `chunk`; nothing
//! here looks inside a line.

mod chunk;
mod discover;
mod identity;
mod line;
#[expect(unsafe_code, reason = "mapping a file that others may change; the module comment is the contract")]
mod map;
mod read;

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

pub use chunk::{Body, Bytes, Chunk, Chunks, TAIL_BYTES};
pub use discover::{Found, Order, Pattern, Selection, discover};
pub use identity::{Candidate, Fingerprint, HEAD_BYTES, Hash16, Known, Recognised, hash16, recognise};
pub use line::{Line, Lines, is_blank};

use crate::error::{Error, Result};
use crate::span::Span;

/// How sources are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes after which a chunk ends at the next newline.
    pub chunk_bytes: usize,
    /// Bytes of a file that are mapped at a time.
    pub window_bytes: usize,
    /// A longer record is never in memory at once, and is a reject.
    pub record_bytes_max: usize,
    /// Whether large plain files are mapped at all.
    pub mmap: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            chunk_bytes: 1 << 20,
            // Small enough that two windows and two batches stay far below the bound on
            // memory, large enough that mapping costs nothing (a window is 6 ms per GB).
            window_bytes: 16 << 20,
            record_bytes_max: 16 << 20,
            mmap: true,
        }
    }
}

/// A plain file, opened.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    /// What the file was when it was opened.
    seen: Stamp,
    /// Set once the file was seen to move: from then on every batch is compared.
    moved: AtomicBool,
}

/// The cheap signs by which a change of a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: (i64, i64),
    /// The file was written to so recently that the clock of the file system may not have
    /// ticked since: an unchanged stamp proves nothing.
    fresh: bool,
}

/// The coarsest clock of a file system that we trust to tell two writes apart.
const STAMP_TICK: Duration = Duration::from_secs(2);

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
    /// Opens a plain file.
    pub fn open(path: &Path) -> Result<Source> {
        let file = File::open(path).map_err(|cause| Error::file("open", path, cause))?;
        let metadata = file.metadata().map_err(|cause| Error::file("look at", path, cause))?;
        if !metadata.is_file() {
            return Err(Error::source(path, "not a plain file; give files, directories or patterns"));
        }
        Ok(Source { path: path.to_owned(), file, seen: Stamp::of(&metadata), moved: AtomicBool::new(false) })
    }

    /// The file as the person named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size when it was opened. The run loads these bytes and no more.
    pub fn size(&self) -> u64 {
        self.seen.size
    }

    /// Where the first record starts: behind a byte order mark. A file of another encoding is
    /// refused here, with one word, rather than as a million bad records.
    pub fn first_record(&self) -> Result<u64> {
        let mut start = [0; 4];
        let start = &mut start[..usize::try_from(self.size().min(4)).expect("at most four")];
        self.read_into(0, start)?;
        let encoding = match start {
            [0xef, 0xbb, 0xbf, ..] => return Ok(3),
            [0xff, 0xfe, 0, 0] | [0, 0, 0xfe, 0xff] => "UTF-32",
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
            _ => return Ok(0),
        };
        Err(Error::source(
            &self.path,
            format!(
                "it is {encoding}, and logs are read as UTF-8; convert it first (iconv -f {encoding} -t UTF-8)"
            ),
        ))
    }

    /// Whether the file still begins as it did when `fingerprint` was taken.
    pub(crate) fn begins_like(&self, fingerprint: &Fingerprint) -> Result<bool> {
        if self.size() < u64::from(fingerprint.head_len) {
            return Ok(false);
        }
        let mut head = vec![0; fingerprint.head_len as usize];
        self.read_into(0, &mut head)?;
        Ok(hash16(&head) == fingerprint.head_hash)
    }

    /// A chunk without records, for a source of which nothing is left to read.
    pub(crate) fn nothing_at(&self, position: u64) -> Result<Chunk> {
        let start = position.saturating_sub(TAIL_BYTES as u64);
        let tail = self.read(Span::new(start, position))?;
        let end = tail.len();
        let bytes = Bytes::of_block(Arc::new(tail), end, end);
        Ok(Chunk { span: Span::new(position, position), body: Body::Records(bytes) })
    }

    /// Reads a range again.
    pub fn read(&self, span: Span) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(span.len()).expect("a range that fits into memory")];
        self.read_into(span.start, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` from `offset`; a file that ends before is an error that says so.
    pub(crate) fn read_into(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|cause| match cause.kind() {
            std::io::ErrorKind::UnexpectedEof => self
                .changed(format_args!("it has become shorter than the {} bytes that it had", self.seen.size)),
            _ => Error::file("read", &self.path, cause),
        })
    }

    /// Whether the file can have changed since it was opened, judged by its size and its
    /// time of modification. Costs one system call.
    pub(crate) fn may_have_moved(&self) -> Result<bool> {
        if self.moved.load(Ordering::Relaxed) || self.seen.fresh {
            return Ok(true);
        }
        let metadata = self.file.metadata().map_err(|cause| Error::file("look at", &self.path, cause))?;
        let moved = Stamp { fresh: false, ..Stamp::of(&metadata) } != self.seen;
        if moved {
            self.moved.store(true, Ordering::Relaxed);
        }
        Ok(moved)
    }

    /// Reads `span` again and compares it with the XXH3 of what was parsed.
    pub(crate) fn still_holds(&self, span: Span, hash: u64) -> Result<()> {
        // By pieces, so that a record of any length can be checked in little memory.
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        let mut buffer = vec![0; usize::try_from(span.len().min(1 << 20)).expect("at most a MiB")];
        let mut offset = span.start;
        while offset < span.end {
            let take =
                usize::try_from((span.end - offset).min(buffer.len() as u64)).expect("at most the buffer");
            self.read_into(offset, &mut buffer[..take])?;
            hasher.update(&buffer[..take]);
            offset += take as u64;
        }
        if hasher.digest() == hash {
            return Ok(());
        }
        Err(self.changed(format_args!("bytes {}..{} are not those that were parsed", span.start, span.end)))
    }

    fn changed(&self, how: std::fmt::Arguments<'_>) -> Error {
        Error::source(
            &self.path,
            format!(
                "the file changed while it was being loaded: {how}. Nothing of the change was committed; let the writer finish, or copy the file, and run again"
            ),
        )
    }
}
