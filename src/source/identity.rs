//! Which file this is: sources are identified by their content, not by their name.
//!
//! A source is stored with the hash of its first bytes (the head) and, with each checkpoint, the hash of the
//! bytes just before it (the tail), both with the length that was hashed. A file is that source if both
//! lengths, hashed again, give the same hashes: growth changes neither. Names, inodes and times prove
//! nothing; logs are renamed, copied back, truncated and rewritten under the old name. Only if there is too
//! little content to prove anything does the same inode with that content count.
//!
//! This file covers what can be learned from a file by reading it. Which of the remembered sources it is, is
//! decided in `recognise`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::framing::Framing;
use super::object::Object;
use super::{Found, Medium, Source, first_record};
use crate::error::Result;
use crate::span::Span;
use crate::stop::Stop;

/// How many bytes at the beginning of a source are hashed.
pub const HEAD_BYTES: u32 = 64 << 10;

/// How many bytes before a position are hashed with a checkpoint.
pub const TAIL_BYTES: usize = 4096;

/// The first 16 bytes of BLAKE3: the stored form of a content hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hash16(pub [u8; 16]);

/// Hashes bytes whose hash is stored.
pub fn hash16(bytes: &[u8]) -> Hash16 {
    stored(&blake3::hash(bytes))
}

fn stored(hash: &blake3::Hash) -> Hash16 {
    Hash16(*hash.as_bytes().first_chunk().expect("32 bytes have a first 16"))
}

/// What a file is recognised by before anything of it is loaded. All but the container refers to decompressed
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its size, if known before it is read.
    pub size: Option<u64>,
    /// The number of bytes of its beginning that are hashed.
    pub head_len: u32,
    /// Their hash.
    pub head_hash: Hash16,
    /// The hash of its first line, or of as much of it as is in the head: a source can be looked up by it,
    /// however long it becomes. `None` as long as that line may continue.
    pub first_line: Option<Hash16>,
    /// It begins with text that has carriage returns and no newline.
    pub has_only_returns: bool,
    /// The archive or the object that it comes in. One that was seen before is not read again to learn its
    /// content.
    pub container: Option<Container>,
    /// It is compressed.
    pub is_compressed: bool,
    /// Its device and inode. A stream has none.
    pub inode: Option<Inode>,
}

/// The location of a file, whatever its name. The numbers are reused: a deleted file leaves its inode to the
/// next one, and devices are renumbered when a machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub number: u64,
}

/// An archive, identified by its own bytes; or an object, identified by its URL and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// Its size.
    pub size: u64,
    /// The hash of its first bytes, or of the URL.
    pub head_hash: Hash16,
    /// The hash of its last bytes, or of the version.
    pub tail_hash: Hash16,
}

impl Container {
    fn of(object: &Object) -> Container {
        let hash = |what, text: &str| hash16(format!("{what}\0{text}").as_bytes());
        Container {
            size: object.size(),
            head_hash: hash("object", &object.url()),
            tail_hash: hash("version", object.version()),
        }
    }
}

impl Found {
    /// The data that it is recognised by without being opened. Only objects have any.
    pub fn container(&self) -> Option<Container> {
        self.object.as_ref().map(Container::of)
    }
}

impl Fingerprint {
    /// The fingerprint of an object that is known to be loaded completely: it is not read.
    fn unread(container: Container) -> Fingerprint {
        Fingerprint {
            size: None,
            head_len: 0,
            head_hash: hash16(b""),
            first_line: None,
            has_only_returns: false,
            container: Some(container),
            is_compressed: false,
            inode: None,
        }
    }
}

/// The surroundings of a position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The bytes before it, at most as many as are hashed with a checkpoint.
    tail: Vec<u8>,
    /// The next bytes, at most two.
    pub next: Vec<u8>,
}

impl Probe {
    /// The last `length` bytes before the position, if that many were kept.
    pub fn last(&self, length: u64) -> Option<&[u8]> {
        let start = self.tail.len().checked_sub(usize::try_from(length).ok()?)?;
        Some(&self.tail[start..])
    }
}

impl Source {
    /// The fingerprint of this file. A file in an unsupported encoding is refused here, before anything is
    /// remembered of it.
    pub fn fingerprint(self: &Arc<Source>) -> Result<Fingerprint> {
        if let Some(size) = self.size() {
            let head_len = u32::try_from(size.min(u64::from(HEAD_BYTES))).expect("at most HEAD_BYTES");
            let head = self.read(Span::new(0, u64::from(head_len)))?;
            first_record(&self.path, &head)?;
            return Ok(Fingerprint {
                size: Some(size),
                head_len,
                head_hash: hash16(&head),
                first_line: first_line(&head),
                has_only_returns: has_only_returns(&head),
                container: self.container()?,
                is_compressed: false,
                inode: self.inode(),
            });
        }
        // One byte more, to see whether that is all.
        let mut head = vec![0; HEAD_BYTES as usize + 1];
        let mut feed = self.feed(0)?;
        let filled = feed.fill(self, &mut head)?;
        head.truncate(filled);
        first_record(&self.path, &head)?;
        let is_all = filled <= HEAD_BYTES as usize && !feed.has_failed();
        let head_len = filled.min(HEAD_BYTES as usize);
        let fingerprint = Fingerprint {
            size: is_all.then_some(filled as u64),
            head_len: u32::try_from(head_len).expect("at most HEAD_BYTES"),
            head_hash: hash16(&head[..head_len]),
            first_line: first_line(&head[..head_len]),
            has_only_returns: has_only_returns(&head),
            container: self.container()?,
            is_compressed: !self.is_stream(),
            inode: self.inode(),
        };
        if let Medium::Stream(slot) = &self.medium {
            feed.put_back(head);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(feed);
        }
        Ok(fingerprint)
    }

    /// The first bytes of an unread stream. They were put back when its fingerprint was taken.
    fn beginning_of_stream(&self) -> Vec<u8> {
        let Medium::Stream(slot) = &self.medium else { return Vec::new() };
        let feed = slot.lock().unwrap_or_else(PoisonError::into_inner);
        feed.as_ref().map_or(Vec::new(), |feed| feed.put_back_bytes().to_vec())
    }

    /// The record at `span` of a stream, and what follows it. The stream is read up to there, and returned
    /// again from a little before. `None` if that was returned already.
    fn last_record_of_stream(
        &self,
        mut span: std::ops::Range<u64>,
        framing: &Framing,
    ) -> Result<Option<Last>> {
        let Medium::Stream(slot) = &self.medium else { return Ok(None) };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = span.end - span.start <= LAST_BYTES_MAX;
        if !is_whole {
            let Framing::Lines = framing else { return Ok(None) };
            span.start = span.end - TAIL_BYTES as u64;
        }
        let keep_from = span.start.saturating_sub(TAIL_BYTES as u64);
        let Some(feed) = slot.as_mut().filter(|feed| feed.position() <= keep_from) else { return Ok(None) };
        let goal = span.end + framing.next_bytes() as u64;
        let mut window = Vec::new();
        while feed.position() < goal {
            let take = usize::try_from((goal - feed.position()).min(1 << 20)).expect("at most a MiB");
            let old = window.len();
            window.resize(old + take, 0);
            let filled = feed.fill(self, &mut window[old..])?;
            window.truncate(old + filled);
            if filled < take {
                break;
            }
            let first = feed.position() - window.len() as u64;
            let excess = keep_from.saturating_sub(first).min(window.len() as u64);
            window.drain(..usize::try_from(excess).expect("within the window"));
        }
        let ends = feed.position() < goal && !feed.has_failed();
        let first = feed.position() - window.len() as u64;
        let place = |offset: u64| {
            usize::try_from(offset.saturating_sub(first)).unwrap_or(usize::MAX).min(window.len())
        };
        let (start, end) = (place(span.start), place(span.end));
        let (bytes, next) = (window[start..end].to_vec(), window[end..].to_vec());
        feed.put_back(window);
        Ok(Some(Last { bytes, is_whole, next, ends }))
    }

    /// Its device and inode, if it is a file.
    fn inode(&self) -> Option<Inode> {
        match &self.medium {
            Medium::File(file) => Some(file.inode),
            _ => None,
        }
    }

    fn container(&self) -> Result<Option<Container>> {
        if let Medium::Object(open, _) = &self.medium {
            return Ok(Some(Container::of(&open.object)));
        }
        if self.is_stream() || !self.is_compressed() {
            return Ok(None);
        }
        let size = self.raw_size();
        let head = self.read(Span::new(0, size.min(u64::from(HEAD_BYTES))))?;
        let tail = self.read(Span::new(size.saturating_sub(TAIL_BYTES as u64), size))?;
        Ok(Some(Container { size, head_hash: hash16(&head), tail_hash: hash16(&tail) }))
    }

    /// Reads the surroundings of `position`, inflating up to it if that is the only way. `None` if the file
    /// ends before.
    fn probe(self: &Arc<Source>, position: u64) -> Result<Option<Probe>> {
        let first = position.saturating_sub(TAIL_BYTES as u64);
        let mut feed = self.feed(first)?;
        let mut window = Vec::new();
        let goal = position + 2;
        while feed.position() < goal {
            let take = usize::try_from((goal - feed.position()).min(1 << 20)).expect("at most a MiB");
            let old = window.len();
            window.resize(old + take, 0);
            let filled = feed.fill(self, &mut window[old..])?;
            window.truncate(old + filled);
            if filled < take {
                break;
            }
            let excess = window.len().saturating_sub(TAIL_BYTES + 2);
            window.drain(..excess);
        }
        let Some(behind) = feed.position().checked_sub(position) else { return Ok(None) };
        let next = window.split_off(window.len() - usize::try_from(behind).expect("at most two"));
        window.drain(..window.len().saturating_sub(TAIL_BYTES));
        Ok(Some(Probe { tail: window, next }))
    }
}

/// The last record that a file had when it was read, and what was appended since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// The record, with its line end if it had one.
    pub bytes: Vec<u8>,
    /// Whether that is the whole record. Of a line that is too long, only the end is read.
    pub is_whole: bool,
    /// The bytes after it, as many as show whether it continues.
    pub next: Vec<u8>,
    /// Whether nothing follows those.
    pub ends: bool,
}

/// A longer last record is not read as a whole: no reader would have accepted it.
const LAST_BYTES_MAX: u64 = 64 << 20;

/// The hash of the first line of a head, without its line end.
fn first_line(head: &[u8]) -> Option<Hash16> {
    let line = match memchr::memchr(b'\n', head) {
        Some(end) => head[..end].strip_suffix(b"\r").unwrap_or(&head[..end]),
        None if head.len() >= HEAD_BYTES as usize => head,
        None => return None,
    };
    Some(hash16(line))
}

/// Whether lines seem to end as on the classic Mac OS. A single carriage return at the very end is a line end
/// that lost its newline.
fn has_only_returns(head: &[u8]) -> bool {
    let head = head.strip_suffix(b"\r").unwrap_or(head);
    memchr::memchr(b'\r', head).is_some() && memchr::memchr(b'\n', head).is_none()
}

/// A file of this run.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The file.
    pub path: PathBuf,
    /// The name under which it is stored.
    pub name: String,
    /// How it was found.
    found: Found,
    /// The request to stop reading it.
    stop: Stop,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The source opened for that, if it can be read only once.
    pub stream: Option<Arc<Source>>,
    /// Its first bytes.
    beginning: Arc<[u8]>,
    /// The surroundings of positions read so far. Reading them may mean inflating everything before.
    probes: Arc<Mutex<HashMap<u64, Option<Probe>>>>,
}

impl Candidate {
    /// Opens a file and takes its fingerprint.
    pub fn open(found: &Found, stop: &Stop) -> Result<Candidate> {
        let is_finished = found.object.as_ref().filter(|object| object.is_finished);
        if let Some(object) = is_finished {
            return Ok(Candidate::new(found, stop, Fingerprint::unread(Container::of(object))));
        }
        let source = Arc::new(Source::open_found(found, stop)?);
        let fingerprint = source.fingerprint()?;
        let beginning = source.beginning_of_stream().into();
        let stream = source.is_stream().then_some(source);
        Ok(Candidate { beginning, stream, ..Candidate::new(found, stop, fingerprint) })
    }

    fn new(found: &Found, stop: &Stop, fingerprint: Fingerprint) -> Candidate {
        Candidate {
            beginning: Arc::default(),
            path: found.path.clone(),
            name: found.name.clone(),
            found: found.clone(),
            stop: stop.clone(),
            fingerprint,
            stream: None,
            probes: Arc::default(),
        }
    }

    /// Whether it is in a bucket.
    pub fn is_object(&self) -> bool {
        self.found.object.is_some()
    }

    /// Whether nothing of it was read, because all of it was loaded before.
    pub(super) fn is_unread(&self) -> bool {
        self.found.object.as_ref().is_some_and(|object| object.is_finished)
    }

    /// The file, opened again. If its name has come to stand for another file in the meantime, that is an
    /// error.
    pub fn reopen(&self) -> Result<Arc<Source>> {
        if let Some(stream) = &self.stream {
            return Ok(Arc::clone(stream));
        }
        let source = self.open_again()?;
        if self.is_object() {
            // Only the listed version is read.
            return Ok(source);
        }
        let now = source.fingerprint()?;
        let before = &self.fingerprint;
        let begins_alike = match now.head_len >= before.head_len {
            true => head_hash(&source, before.head_len, &now)? == before.head_hash,
            false => false,
        };
        let is_same = begins_alike && now.size >= before.size && now.container == before.container;
        match is_same {
            true => Ok(source),
            false => Err(crate::error::Error::source(
                &self.path,
                "the file was replaced during the run. To load the new one, run the same command again",
            )),
        }
    }

    pub(super) fn open_again(&self) -> Result<Arc<Source>> {
        Ok(Arc::new(Source::open_found(&self.found, &self.stop)?))
    }

    /// Another file, which this run does not load; `None` if it can be read only once.
    pub(super) fn beside(&self, path: &Path) -> Result<Option<Candidate>> {
        let found = Found::of_path(path);
        if found.is_stream() {
            return Ok(None);
        }
        Candidate::open(&found, &self.stop).map(Some)
    }

    /// The hashes of the file's beginnings of these lengths, the shortest first. The file is opened and read
    /// once for all of them. Not for streams.
    pub(super) fn head_hashes(&self, lengths: &[u32]) -> Result<Vec<Hash16>> {
        let fingerprint = &self.fingerprint;
        let length = match lengths {
            [] => return Ok(Vec::new()),
            [only] if *only == fingerprint.head_len => return Ok(vec![fingerprint.head_hash]),
            [.., longest] => *longest as usize,
        };
        let source = self.open_again()?;
        let mut head = vec![0; length];
        let filled = source.feed(0)?.fill(&source, &mut head)?;
        let (mut hasher, mut hashed) = (blake3::Hasher::new(), 0);
        let hashes = lengths.iter().map(|&length| {
            let end = filled.min(length as usize);
            hasher.update(&head[hashed..end]);
            hashed = end;
            stored(&hasher.finalize())
        });
        Ok(hashes.collect())
    }

    /// The hash of the first bytes of a stream, if that many were read.
    pub(super) fn head_of_stream(&self, length: u32) -> Option<Hash16> {
        self.beginning.get(..length as usize).map(hash16)
    }

    /// The surroundings of a position; `None` if the file ends before. Not for streams.
    pub fn probe(&self, position: u64) -> Result<Option<Probe>> {
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(probe) = probes.get(&position) {
            return Ok(probe.clone());
        }
        let probe = self.open_again()?.probe(position)?;
        probes.insert(position, probe.clone());
        Ok(probe)
    }

    /// The record at `span`, and what follows it. `None` if it is too long to be read.
    pub fn last_record(&self, mut span: std::ops::Range<u64>, framing: &Framing) -> Result<Option<Last>> {
        if let Some(stream) = &self.stream {
            return stream.last_record_of_stream(span, framing);
        }
        let is_whole = span.end - span.start <= LAST_BYTES_MAX;
        if !is_whole {
            // The end of a line, however long, shows whether it continues.
            let (Framing::Lines | Framing::Commented(_)) = framing else { return Ok(None) };
            span.start = span.end - TAIL_BYTES as u64;
        }
        let source = self.open_again()?;
        let mut feed = source.feed(span.start)?;
        let mut buffer = vec![0; 1 << 20];
        while feed.position() < span.start {
            let left = usize::try_from(span.start - feed.position()).unwrap_or(usize::MAX);
            let take = left.min(buffer.len());
            if feed.fill(&source, &mut buffer[..take])? < take {
                break;
            }
        }
        let length = usize::try_from(span.end - span.start).expect("at most LAST_BYTES_MAX");
        let mut bytes = vec![0; length + framing.next_bytes()];
        let filled = feed.fill(&source, &mut bytes)?;
        let ends = filled < bytes.len();
        bytes.truncate(filled);
        let next = bytes.split_off(length.min(filled));
        Ok(Some(Last { bytes, is_whole, next, ends }))
    }

    /// Whether the file ends at `position`.
    pub(crate) fn ends_at(&self, position: u64) -> Result<bool> {
        match self.fingerprint.size {
            Some(size) => Ok(size == position),
            None if self.stream.is_some() => Ok(false),
            None => Ok(self.probe(position)?.is_some_and(|probe| probe.next.is_empty())),
        }
    }
}

/// The hash of the first `length` bytes of a file whose fingerprint is known.
pub(super) fn head_hash(source: &Arc<Source>, length: u32, fingerprint: &Fingerprint) -> Result<Hash16> {
    if length == fingerprint.head_len {
        return Ok(fingerprint.head_hash);
    }
    let mut head = vec![0; length as usize];
    let filled = source.feed(0)?.fill(source, &mut head)?;
    Ok(hash16(&head[..filled]))
}

/// The advice for a file that has taken the name of one that was loaded.
pub(super) fn if_it_is_new(path: &Path) -> String {
    format!(
        "if it is a new file under an old name, `logmill forget -j JOB {}` forgets the old one, whose rows stay",
        path.display()
    )
}
