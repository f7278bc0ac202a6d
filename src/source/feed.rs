//! Feeds: they supply blocks. Bytes of a source, from front to back, decompressed.
//!
//! A plain file is read by position, so that its end is the one it had when it was opened; an object is read
//! by ranges. A stream can be read only once: the bytes that were read to recognise it are returned again
//! before the rest.

use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::inflate::{Codec, DETECT_BYTES, Inflate};
use super::object::Ranges;
use super::{Medium, Source, unreadable};
use crate::error::{Error, Result};

/// Bytes from front to back.
pub(super) struct Feed {
    bytes: Box<dyn Read + Send>,
    /// Bytes that were read already and are to be returned first.
    before: io::Cursor<Vec<u8>>,
    codec: Codec,
    /// Bytes of the file, compressed or not, that were read.
    raw: Arc<AtomicU64>,
    /// Decompressed bytes that were returned.
    position: u64,
    /// An error that came after some bytes, which are returned first.
    failure: Option<io::Error>,
}

impl Feed {
    /// The bytes of a file or an object from `offset`; of a compressed one, from its start.
    pub(super) fn of_file(source: &Arc<Source>, offset: u64) -> Result<Feed> {
        let raw = Arc::new(AtomicU64::new(0));
        let offset = if source.codec() == Codec::Plain { offset } else { 0 };
        let feed = match &source.medium {
            Medium::Object(open, codec) => {
                Feed::new(*codec, Ranges::new(source, open, offset, Arc::clone(&raw)), raw)
            }
            _ => {
                let bytes = AtOffset { source: Arc::clone(source), offset, raw: Arc::clone(&raw) };
                Feed::new(source.codec(), bytes, raw)
            }
        };
        let mut feed = feed.map_err(|cause| Error::file("read", source.path(), cause))?;
        feed.position = offset;
        Ok(feed)
    }

    /// The bytes of an input that can be read once, whatever they turn out to be.
    pub(super) fn of_stream(path: &Path, mut stream: impl Read + Send + 'static) -> Result<Feed> {
        let failed = |cause| Error::file("read", path, cause);
        let mut start = Vec::new();
        (&mut stream).take(DETECT_BYTES as u64).read_to_end(&mut start).map_err(failed)?;
        let codec = Codec::detect(&start).map_err(|archive| unreadable(path, archive))?;
        let raw = Arc::new(AtomicU64::new(0));
        let bytes = Counting { stream: io::Cursor::new(start).chain(stream), raw: Arc::clone(&raw) };
        Feed::new(codec, bytes, raw).map_err(failed)
    }

    fn new(codec: Codec, bytes: impl Read + Send + 'static, raw: Arc<AtomicU64>) -> io::Result<Feed> {
        let bytes: Box<dyn Read + Send> = match codec {
            Codec::Plain => Box::new(bytes),
            codec => Box::new(Inflate::new(codec, bytes)?),
        };
        Ok(Feed { bytes, before: io::Cursor::default(), codec, raw, position: 0, failure: None })
    }

    /// Puts `bytes`, the last that were returned, back to be returned again first.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>) {
        self.position -= bytes.len() as u64;
        let handed_out = usize::try_from(self.before.position()).expect("a place in memory");
        bytes.extend_from_slice(&self.before.get_ref()[handed_out..]);
        self.before = io::Cursor::new(bytes);
    }

    /// Bytes that were put back and not returned again yet.
    pub(super) fn put_back_bytes(&self) -> &[u8] {
        self.before.get_ref()
    }

    /// Fills `buffer`; less only at the end.
    pub(super) fn fill(&mut self, source: &Source, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            // A few bytes can inflate to any number.
            source.go_on()?;
            let read = match self.before.read(&mut buffer[filled..]) {
                // Bytes that were put back come before the error that was met after them.
                Ok(0) => match self.failure.take() {
                    Some(failure) => Err(failure),
                    None => self.bytes.read(&mut buffer[filled..]),
                },
                read => read,
            };
            match read {
                Ok(0) => break,
                Ok(more) => {
                    filled += more;
                    self.position += more as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled > 0 => {
                    self.failure = Some(error);
                    break;
                }
                Err(error) => return Err(self.failed(source, error)),
            }
        }
        Ok(filled)
    }

    /// Whether an error follows the bytes returned so far.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Whether its bytes are those of the file.
    pub(super) fn is_plain(&self) -> bool {
        self.codec == Codec::Plain
    }

    /// Bytes of the file that were read so far.
    pub(super) fn raw(&self) -> u64 {
        self.raw.load(Ordering::Relaxed)
    }

    /// How many bytes were returned, from the start of the source.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn failed(&self, source: &Source, cause: io::Error) -> Error {
        match cause.downcast::<Error>() {
            Ok(ours) => ours,
            // An archive that the disk cannot read is not necessarily damaged.
            Err(cause) if self.codec == Codec::Plain || cause.raw_os_error().is_some() => {
                Error::file("read", source.path(), cause)
            }
            Err(cause) => {
                let (codec, position) = (self.codec.name(), self.position);
                let what = match cause.kind() {
                    io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
                    _ => cause.to_string(),
                };
                Error::source_at(
                    source.path(),
                    position,
                    format!(
                        "the {codec} data is damaged after byte {position} (decompressed): {what}. The records before \
                         that are loaded; when the file is complete, run the same command again"
                    ),
                )
            }
        }
    }
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes at {}", self.codec.name(), self.position)
    }
}

/// A file, read by position up to the size it had when it was opened.
struct AtOffset {
    source: Arc<Source>,
    offset: u64,
    raw: Arc<AtomicU64>,
}

impl Read for AtOffset {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An archive can have endlessly many empty members.
        self.source.go_on().map_err(io::Error::other)?;
        let left = self.source.raw_size().saturating_sub(self.offset);
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if take == 0 {
            return Ok(0);
        }
        let read = self.source.file().read_at(&mut buffer[..take], self.offset)?;
        if read == 0 {
            return Err(io::Error::other(self.source.shrank()));
        }
        self.offset += read as u64;
        self.raw.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A stream whose bytes are counted.
struct Counting<R> {
    stream: R,
    raw: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.raw.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
