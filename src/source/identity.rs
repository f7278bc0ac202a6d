//! Which file this is: sources are known by their content, not by their name.
//!
//! With a source we keep the hash of its first bytes (the head) and, with each checkpoint,
//! the hash of the bytes just before it (the tail), both with the length that was hashed.
//! A file is that source if both lengths, hashed again, give the same: growth changes
//! neither. Names, inodes and times prove nothing; logs are renamed, copied back, cut and
//! written anew under the old name.
//!
//! [`recognise`] decides for all files of a run at once, because who a file is can depend
//! on where another one went: after a rotation, the old name belongs to a new file only
//! because the old content is found elsewhere.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::framing::Framing;
use super::{Found, Medium, Source, first_record};
use crate::error::{Error, Result};
use crate::span::Span;
use crate::stop::Stop;

/// How much of the beginning of a source is hashed.
pub const HEAD_BYTES: u32 = 64 << 10;

/// How many bytes before a position are hashed with a checkpoint.
pub const TAIL_BYTES: usize = 4096;

/// Under another name, a file is only recognised by at least this much content, or whole.
const PROOF_BYTES_MIN: u64 = 4 << 10;

/// The first 16 bytes of BLAKE3: what is stored of a content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hash16(pub [u8; 16]);

/// Hashes bytes whose hash is stored.
pub fn hash16(bytes: &[u8]) -> Hash16 {
    stored(&blake3::hash(bytes))
}

fn stored(hash: &blake3::Hash) -> Hash16 {
    Hash16(*hash.as_bytes().first_chunk().expect("32 bytes have a first 16"))
}

/// What a file is recognised by before anything of it is loaded. All but the container is
/// about decompressed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its size, if that is known before it is read.
    pub size: Option<u64>,
    /// How many bytes of its beginning are hashed.
    pub head_len: u32,
    /// Their hash.
    pub head_hash: Hash16,
    /// It begins with text in which carriage returns stand and no newline.
    pub has_only_returns: bool,
    /// The archive that it comes in. One that was seen before is not inflated again to see
    /// what is in it.
    pub container: Option<Container>,
}

/// An archive, known by its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// Its size.
    pub size: u64,
    /// The hash of its first bytes.
    pub head_hash: Hash16,
    /// The hash of its last bytes.
    pub tail_hash: Hash16,
}

/// What stands around a position of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The bytes before it, at most as many as are hashed with a checkpoint.
    tail: Vec<u8>,
    /// The next bytes, at most two.
    pub next: Vec<u8>,
}

impl Probe {
    /// The last `length` bytes before the position, if so many were kept.
    pub fn last(&self, length: u64) -> Option<&[u8]> {
        let start = self.tail.len().checked_sub(usize::try_from(length).ok()?)?;
        Some(&self.tail[start..])
    }
}

impl Source {
    /// What this file is recognised by. One in an encoding that is not read is refused here,
    /// before anything is remembered of it.
    pub fn fingerprint(self: &Arc<Source>) -> Result<Fingerprint> {
        if let Some(size) = self.size() {
            let head_len = u32::try_from(size.min(u64::from(HEAD_BYTES))).expect("at most HEAD_BYTES");
            let head = self.read(Span::new(0, u64::from(head_len)))?;
            first_record(&self.path, &head)?;
            return Ok(Fingerprint {
                size: Some(size),
                head_len,
                head_hash: hash16(&head),
                has_only_returns: has_only_returns(&head),
                container: None,
            });
        }
        // A byte more, to see whether that is all.
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
            has_only_returns: has_only_returns(&head),
            container: self.container()?,
        };
        if let Medium::Stream(slot) = &self.medium {
            feed.put_back(head);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(feed);
        }
        Ok(fingerprint)
    }

    /// The hash of the first bytes of a stream that nobody has read yet. They were put back
    /// when its fingerprint was taken.
    fn head_of_stream(&self, length: u32) -> Option<Hash16> {
        let Medium::Stream(slot) = &self.medium else { return None };
        let feed = slot.lock().unwrap_or_else(PoisonError::into_inner);
        feed.as_ref()?.put_back_bytes().get(..length as usize).map(hash16)
    }

    fn container(&self) -> Result<Option<Container>> {
        if self.is_stream() || !self.is_compressed() {
            return Ok(None);
        }
        let size = self.raw_size();
        let head = self.read(Span::new(0, size.min(u64::from(HEAD_BYTES))))?;
        let tail = self.read(Span::new(size.saturating_sub(TAIL_BYTES as u64), size))?;
        Ok(Some(Container { size, head_hash: hash16(&head), tail_hash: hash16(&tail) }))
    }

    /// Looks at what stands around `position`, inflating up to it where that is the only
    /// way. `None` if the file ends before.
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

/// The last record that a file had when it was read, and what has come behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// The record, with its line end if it had one.
    pub bytes: Vec<u8>,
    /// Whether that is all of it. Of a line that is too long, only its end is looked at.
    pub is_whole: bool,
    /// The bytes behind it, as many as show whether it goes on.
    pub next: Vec<u8>,
    /// Whether nothing comes behind those.
    pub ends: bool,
}

/// A longer last record is not looked at as a whole: no reader would have taken it.
const LAST_BYTES_MAX: u64 = 64 << 20;

/// Whether lines seem to end as they did on the classic Mac. One return at the end of all is a
/// line end that lost its newline.
fn has_only_returns(head: &[u8]) -> bool {
    let head = head.strip_suffix(b"\r").unwrap_or(head);
    memchr::memchr(b'\r', head).is_some() && memchr::memchr(b'\n', head).is_none()
}

/// A source that was seen in an earlier run, as the destination remembers it.
#[derive(Clone, Debug)]
pub struct Known {
    /// The name under which it was last seen.
    pub name: String,
    /// How many bytes of its beginning were hashed.
    pub head_len: u32,
    /// Their hash.
    pub head_hash: Hash16,
    /// How far it is committed.
    pub position: u64,
    /// How many bytes before the position were hashed.
    pub tail_len: u32,
    /// Their hash.
    pub tail_hash: Hash16,
    /// Whether it was committed to its end.
    pub complete: bool,
    /// The archives in which it was seen.
    pub containers: Vec<Container>,
}

/// A file of this run.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The file.
    pub path: PathBuf,
    /// The name under which it is remembered.
    pub name: String,
    /// How it was found.
    found: Found,
    /// When to stop reading it.
    stop: Stop,
    /// What it is recognised by.
    pub fingerprint: Fingerprint,
    /// What was opened to see that, where it can be read only once.
    pub stream: Option<Arc<Source>>,
    /// What was found at positions of the file. To look may mean to inflate all before.
    probes: Arc<Mutex<HashMap<u64, Option<Probe>>>>,
}

impl Candidate {
    /// Opens a file and takes its fingerprint.
    pub fn open(found: &Found, stop: &Stop) -> Result<Candidate> {
        let source = Arc::new(Source::open_found(found, stop)?);
        let fingerprint = source.fingerprint()?;
        let stream = source.is_stream().then_some(source);
        Ok(Candidate {
            path: found.path.clone(),
            name: found.name.clone(),
            found: found.clone(),
            stop: stop.clone(),
            fingerprint,
            stream,
            probes: Arc::default(),
        })
    }

    /// The file, opened again. Between then and now the name may have come to stand for
    /// another: that is an error.
    pub fn reopen(&self) -> Result<Arc<Source>> {
        if let Some(stream) = &self.stream {
            return Ok(Arc::clone(stream));
        }
        let source = self.open_again()?;
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
                "the file was replaced just now; run again to load what stands there",
            )),
        }
    }

    fn open_again(&self) -> Result<Arc<Source>> {
        Ok(Arc::new(Source::open_found(&self.found, &self.stop)?))
    }

    /// The hashes of the beginnings of the file that are so long, the shortest first. It is
    /// opened and read once for all of them. Not for streams.
    fn head_hashes(&self, lengths: &[u32]) -> Result<Vec<Hash16>> {
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

    /// What stands around a position; `None` if the file ends before. Not for streams.
    pub fn probe(&self, position: u64) -> Result<Option<Probe>> {
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(probe) = probes.get(&position) {
            return Ok(probe.clone());
        }
        let probe = self.open_again()?.probe(position)?;
        probes.insert(position, probe.clone());
        Ok(probe)
    }

    /// The record at `span`, and what stands behind it. `None` if it is too long to be looked at.
    pub fn last_record(&self, mut span: std::ops::Range<u64>, framing: &Framing) -> Result<Option<Last>> {
        let is_whole = span.end - span.start <= LAST_BYTES_MAX;
        if !is_whole {
            // Whether a line goes on shows at its end, however long it is.
            let (Framing::Lines | Framing::Commented(_)) = framing else { return Ok(None) };
            span.start = span.end - TAIL_BYTES as u64;
        }
        let source = Arc::new(Source::open(&self.path)?);
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

    /// Whether the file holds what `known` had committed, at the same places.
    fn holds(&self, known: &Known) -> Result<bool> {
        let fingerprint = &self.fingerprint;
        // The same archive holds the same: nothing needs to be inflated to see that.
        if fingerprint.container.is_some_and(|own| known.containers.contains(&own)) {
            return Ok(true);
        }
        if fingerprint.size.is_some_and(|size| size < known.position) || fingerprint.head_len < known.head_len
        {
            return Ok(false);
        }
        let is_same_head = match (fingerprint.head_len == known.head_len, &self.stream) {
            (true, _) => fingerprint.head_hash == known.head_hash,
            (false, Some(stream)) => stream.head_of_stream(known.head_len) == Some(known.head_hash),
            (false, None) => {
                let source = self.open_again()?;
                head_hash(&source, known.head_len, fingerprint)? == known.head_hash
            }
        };
        // The head of a short source covers its tail; that of a stream is compared on the way.
        if !is_same_head || known.position <= u64::from(known.head_len) || self.stream.is_some() {
            return Ok(is_same_head);
        }
        let Some(probe) = self.probe(known.position)? else { return Ok(false) };
        Ok(probe.last(u64::from(known.tail_len)).is_some_and(|tail| hash16(tail) == known.tail_hash))
    }
}

/// The hash of the first `length` bytes of a file whose fingerprint is known.
fn head_hash(source: &Arc<Source>, length: u32, fingerprint: &Fingerprint) -> Result<Hash16> {
    if length == fingerprint.head_len {
        return Ok(fingerprint.head_hash);
    }
    let mut head = vec![0; length as usize];
    let filled = source.feed(0)?.fill(source, &mut head)?;
    Ok(hash16(&head[..filled]))
}

/// Who a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// It was never seen.
    New,
    /// It is this known source (an index), under its name or another.
    Known(usize),
    /// All of it is already a known source, which another file of this run is, or which
    /// was loaded from elsewhere.
    DuplicateOf(String),
    /// It stands where a known source stood, and is not that source any more.
    Changed(String),
}

/// Decides who each of `files` is.
pub fn recognise(files: &[Candidate], known: &[Known], allow_duplicates: bool) -> Vec<Result<Recognised>> {
    let mut search = Search::new(known, allow_duplicates);
    let mut decided: Vec<Option<Result<Recognised>>> = files.iter().map(|_| None).collect();
    // First those that stand where they stood, then those that moved: who stands where
    // another one stood is new only if that one is found elsewhere.
    for step in [Search::by_name, Search::by_container, Search::by_content] {
        for (file, decision) in files.iter().zip(&mut decided).filter(|(_, decision)| decision.is_none()) {
            *decision = match step(&search, file) {
                Ok(None) => None,
                Ok(Some(index)) => {
                    search.take(index);
                    Some(Ok(Recognised::Known(index)))
                }
                Err(error) => Some(Err(error)),
            };
        }
    }
    // What is left is a copy, a file that was changed, or new.
    let mut new_here: HashMap<Hash16, Vec<usize>> = HashMap::new();
    for index in 0..files.len() {
        if decided[index].is_some() {
            continue;
        }
        let file = &files[index];
        let duplicate = match allow_duplicates {
            true => Ok(None),
            false => search.find_duplicate(file, files, &new_here),
        };
        let decision = duplicate.map(|duplicate| match (duplicate, search.displaced_by(file)) {
            (Some(of), _) => Recognised::DuplicateOf(of),
            (None, Some(index)) => Recognised::Changed(how_changed(&file.fingerprint, &known[index])),
            (None, None) => Recognised::New,
        });
        if matches!(decision, Ok(Recognised::New)) && file.fingerprint.size != Some(0) {
            new_here.entry(file.fingerprint.head_hash).or_default().push(index);
        }
        decided[index] = Some(decision);
    }
    decided.into_iter().map(|decision| decision.expect("every file was decided")).collect()
}

/// The known sources, and which of them have found their file. There can be many of both, so
/// nothing here looks at each source for each file.
struct Search<'k> {
    known: &'k [Known],
    allow_duplicates: bool,
    taken: Vec<bool>,
    names: HashMap<&'k str, Vec<usize>>,
    containers: HashMap<Container, Vec<usize>>,
    /// Those that have committed something, by their heads.
    heads: HashMap<(u32, Hash16), Vec<usize>>,
    /// The lengths of these heads, and how many of each have not found their file.
    head_lens: BTreeMap<u32, usize>,
    /// Those that were committed to their end, by where that was.
    complete: HashMap<u64, Vec<usize>>,
}

impl<'k> Search<'k> {
    fn new(known: &'k [Known], allow_duplicates: bool) -> Search<'k> {
        let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut containers: HashMap<Container, Vec<usize>> = HashMap::new();
        let mut heads: HashMap<(u32, Hash16), Vec<usize>> = HashMap::new();
        let mut head_lens: BTreeMap<u32, usize> = BTreeMap::new();
        let mut complete: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, source) in known.iter().enumerate() {
            names.entry(&source.name).or_default().push(index);
            if source.position == 0 {
                continue;
            }
            for &container in &source.containers {
                containers.entry(container).or_default().push(index);
            }
            heads.entry((source.head_len, source.head_hash)).or_default().push(index);
            *head_lens.entry(source.head_len).or_default() += 1;
            if source.complete {
                complete.entry(source.position).or_default().push(index);
            }
        }
        let taken = vec![false; known.len()];
        Search { known, allow_duplicates, taken, names, containers, heads, head_lens, complete }
    }

    fn take(&mut self, index: usize) {
        let is_first = !std::mem::replace(&mut self.taken[index], true);
        if let Some(waiting) = self.head_lens.get_mut(&self.known[index].head_len)
            && is_first
            && self.known[index].position > 0
        {
            *waiting -= 1;
        }
    }

    /// The sources that begin as the file does; with `all`, also those that found their file.
    fn same_head(&self, file: &Candidate, all: bool) -> Result<Vec<usize>> {
        let lengths = self.head_lens.range(..=file.fingerprint.head_len);
        let lengths: Vec<u32> =
            lengths.filter(|(_, waiting)| all || **waiting > 0).map(|(length, _)| *length).collect();
        let heads: Vec<(u32, Hash16)> = match &file.stream {
            Some(stream) => {
                let head = |length| Some((length, stream.head_of_stream(length)?));
                lengths.into_iter().filter_map(head).collect()
            }
            None => {
                let hashes = file.head_hashes(&lengths)?;
                lengths.into_iter().zip(hashes).collect()
            }
        };
        let found = heads.iter().filter_map(|head| self.heads.get(head));
        Ok(found.flatten().copied().filter(|&index| all || !self.taken[index]).collect())
    }

    /// The source that was seen in the same archive, which then need not be inflated.
    fn by_container(&self, file: &Candidate) -> Result<Option<usize>> {
        let found = file.fingerprint.container.and_then(|container| self.containers.get(&container));
        Ok(found.and_then(|found| found.iter().copied().find(|&index| !self.taken[index])))
    }

    /// The source that stood under the same name.
    fn by_name(&self, file: &Candidate) -> Result<Option<usize>> {
        let same_name = self.names.get(file.name.as_str()).map_or(&[][..], Vec::as_slice);
        for &index in same_name {
            if !self.taken[index] && self.known[index].position > 0 && file.holds(&self.known[index])? {
                return Ok(Some(index));
            }
        }
        // One that has committed nothing is matched by its name alone.
        Ok(same_name.iter().copied().find(|&index| !self.taken[index] && self.known[index].position == 0))
    }

    /// The source that stood under another name. Of a stream only the beginning is looked at; the
    /// bytes before the checkpoint are compared on the way.
    fn by_content(&self, file: &Candidate) -> Result<Option<usize>> {
        if file.stream.is_some() && self.allow_duplicates {
            return Ok(None);
        }
        // The longest first: a short log can be the beginning of a longer one.
        let mut found = self.same_head(file, false)?;
        found.sort_by_key(|&index| (std::cmp::Reverse(self.known[index].position), index));
        for index in found {
            let source = &self.known[index];
            if file.holds(source)? && (is_proof(source) || file.ends_at(source.position)?) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The source that this file stands in the place of, though it is not that source.
    fn displaced_by(&self, file: &Candidate) -> Option<usize> {
        if file.stream.is_some() {
            return None;
        }
        self.names.get(file.name.as_str())?.iter().copied().find(|&index| !self.taken[index])
    }

    /// The name of a source that all of `file` is a copy of.
    fn find_duplicate(
        &self,
        file: &Candidate,
        files: &[Candidate],
        new_here: &HashMap<Hash16, Vec<usize>>,
    ) -> Result<Option<String>> {
        let fingerprint = &file.fingerprint;
        if fingerprint.size == Some(0) {
            return Ok(None);
        }
        let same_archive = fingerprint.container.and_then(|container| self.containers.get(&container));
        let mut same_archive = same_archive.into_iter().flatten();
        if let Some(&index) = same_archive.find(|&&index| self.known[index].complete) {
            return Ok(Some(self.known[index].name.clone()));
        }
        let mut alike = match fingerprint.size {
            Some(size) => self.complete.get(&size).cloned().unwrap_or_default(),
            None => self.same_head(file, true)?,
        };
        alike.retain(|&index| self.known[index].complete);
        alike.sort_unstable();
        for source in alike.into_iter().map(|index| &self.known[index]) {
            if file.holds(source)? && file.ends_at(source.position)? {
                return Ok(Some(source.name.clone()));
            }
            // A longer stream would have to be read to know, and then it is too late.
            if file.stream.is_some() && fingerprint.size.is_none() {
                return Err(begins_as(file, &source.name));
            }
        }
        // Both files are at hand, so nothing is left to trust: they are compared whole.
        let same_start = new_here.get(&fingerprint.head_hash);
        for &other in same_start.map_or(&[][..], Vec::as_slice) {
            let other = &files[other];
            let sizes = (fingerprint.size, other.fingerprint.size);
            let can_be = !matches!(sizes, (Some(one), Some(two)) if one != two);
            let is_same = match (can_be, &file.stream, &other.stream) {
                (false, ..) => false,
                (true, None, None) => same_bytes(file, other)?,
                // Their heads are all that they hold.
                _ if fingerprint.size.is_some_and(|size| size <= u64::from(HEAD_BYTES)) => true,
                _ => return Err(begins_as(file, &other.name)),
            };
            if is_same {
                return Ok(Some(other.name.clone()));
            }
        }
        Ok(None)
    }
}

/// Whether what is stored of `known` is enough to say of a file with another name that it
/// is the same: a banner that every file of a service begins with is not.
fn is_proof(known: &Known) -> bool {
    u64::from(known.head_len) + u64::from(known.tail_len) >= PROOF_BYTES_MIN
}

/// What is said of a stream that may be a copy of what this run loads.
fn begins_as(stream: &Candidate, name: &str) -> Error {
    Error::source(
        &stream.path,
        format!(
            "it begins as {name} does, which this run has too, and only reading it would tell whether it is the same; load \
             one of them by itself, or with --allow-duplicates as a source of its own"
        ),
    )
}

fn same_bytes(one: &Candidate, other: &Candidate) -> Result<bool> {
    let (one, other) = (one.open_again()?, other.open_again()?);
    let (mut left, mut right) = (one.feed(0)?, other.feed(0)?);
    let (mut left_bytes, mut right_bytes) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let filled = left.fill(&one, &mut left_bytes)?;
        if right.fill(&other, &mut right_bytes)? != filled || left_bytes[..filled] != right_bytes[..filled] {
            return Ok(false);
        }
        if filled == 0 {
            return Ok(true);
        }
    }
}

fn how_changed(fingerprint: &Fingerprint, known: &Known) -> String {
    let position = known.position;
    let how = match fingerprint.size {
        Some(size) if size < position => {
            format!("it has {size} bytes now, but was loaded up to byte {position} (truncated or replaced?)")
        }
        _ => format!(
            "it was loaded up to byte {position}, and what stands before that is not what was loaded (rewritten?)"
        ),
    };
    format!(
        "{how}. Nothing of it was loaded; if it is a new file under an old name, `logmill forget` the old one first"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().expect("a directory"))
        }

        fn file(&self, name: &str, content: &[u8]) -> Candidate {
            let path = self.0.path().join(name);
            std::fs::write(&path, content).expect("written");
            let found = Found { name: name.to_owned(), ..Found::of_path(&path) };
            Candidate::open(&found, &Stop::default()).expect("read")
        }
    }

    /// A source called `name` of which `position` bytes were loaded when it was `content`.
    fn known(name: &str, content: &[u8], position: usize) -> Known {
        let head_len = content.len().min(HEAD_BYTES as usize);
        let tail_len = position.min(TAIL_BYTES) as u32;
        Known {
            name: name.to_owned(),
            head_len: head_len as u32,
            head_hash: hash16(&content[..head_len]),
            position: position as u64,
            tail_len,
            tail_hash: hash16(&content[position - tail_len as usize..position]),
            complete: position == content.len(),
            containers: Vec::new(),
        }
    }

    fn log(seed: u64, bytes: usize) -> Vec<u8> {
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..bytes).map(|_| if rng.u8(..) < 4 { b'\n' } else { rng.alphanumeric() as u8 }).collect()
    }

    fn decide(files: &[Candidate], known: &[Known]) -> Vec<Recognised> {
        recognise(files, known, false).into_iter().map(|decision| decision.expect("readable")).collect()
    }

    #[test]
    fn a_file_that_grew_is_the_same_source() {
        let folder = Folder::new();
        for size in [10, 5_000, 100_000] {
            let mut content = log(1, size);
            let before = known("a", &content, size);
            content.extend_from_slice(b"more\n");
            assert_eq!(decide(&[folder.file("a", &content)], &[before]), [Recognised::Known(0)]);
        }
    }

    #[test]
    fn a_renamed_file_is_the_same_source_if_there_is_enough_of_it() {
        let folder = Folder::new();
        let content = log(1, 10_000);
        assert_eq!(
            decide(&[folder.file("b", &content)], &[known("a", &content, 6_000)]),
            [Recognised::Known(0)]
        );
        // A short one only whole: its bytes may be a banner.
        let short = log(2, 100);
        let longer = [&short[..], b"another log\n"].concat();
        assert_eq!(decide(&[folder.file("b", &short)], &[known("a", &short, 100)]), [Recognised::Known(0)]);
        assert_eq!(decide(&[folder.file("b", &longer)], &[known("a", &short, 100)]), [Recognised::New]);
    }

    #[test]
    fn a_rotation_moves_every_source_one_name_on() {
        let folder = Folder::new();
        let (one, two) = (log(1, 20_000), log(2, 30_000));
        let files =
            [folder.file("log", &log(3, 25_000)), folder.file("log.1", &one), folder.file("log.2", &two)];
        let before = [known("log", &one, 12_000), known("log.1", &two, 30_000)];
        assert_eq!(decide(&files, &before), [Recognised::New, Recognised::Known(0), Recognised::Known(1)]);
    }

    #[test]
    fn a_file_that_was_cut_or_rewritten_is_refused() {
        let folder = Folder::new();
        let content = log(1, 20_000);
        let before = || known("a", &content, 20_000);
        let cut = folder.file("a", &content[..15_000]);
        assert!(
            matches!(&decide(&[cut], &[before()])[0], Recognised::Changed(how) if how.contains("15000 bytes"))
        );
        let rewritten = folder.file("a", &log(9, 20_000));
        assert!(
            matches!(&decide(&[rewritten], &[before()])[0], Recognised::Changed(how) if how.contains("rewritten"))
        );
        // Also where only the bytes before the checkpoint differ, behind the head.
        let content = log(1, 200_000);
        let mut touched = content.clone();
        touched[199_000] ^= 1;
        let files = [folder.file("a", &touched)];
        assert!(matches!(decide(&files, &[known("a", &content, 200_000)])[0], Recognised::Changed(_)));
    }

    #[test]
    fn a_source_that_committed_nothing_is_known_by_its_name() {
        let folder = Folder::new();
        let before = known("a", &log(1, 9_000), 0);
        assert_eq!(
            decide(&[folder.file("a", &log(2, 500))], std::slice::from_ref(&before)),
            [Recognised::Known(0)]
        );
        assert_eq!(decide(&[folder.file("b", &log(1, 9_000))], &[before]), [Recognised::New]);
    }

    #[test]
    fn a_copy_is_recognised_and_the_same_banner_is_not_a_copy() {
        let folder = Folder::new();
        let content = log(1, 9_000);
        let files = [folder.file("a", &content), folder.file("b", &content)];
        assert_eq!(decide(&files, &[]), [Recognised::New, Recognised::DuplicateOf("a".into())]);
        assert_eq!(
            decide(&files, &[known("a", &content, 9_000)]),
            [Recognised::Known(0), Recognised::DuplicateOf("a".into())]
        );
        let banner = log(1, 70_000);
        let with = |end: &str| [&banner[..], end.as_bytes()].concat();
        let files = [folder.file("a", &with("one\n")), folder.file("b", &with("two\n"))];
        assert_eq!(decide(&files, &[]), [Recognised::New, Recognised::New]);
        let allowed = recognise(&[folder.file("a", &content), folder.file("b", &content)], &[], true);
        assert!(allowed.into_iter().all(|decision| decision.expect("readable") == Recognised::New));
    }

    #[test]
    fn of_two_sources_that_begin_alike_the_longer_match_wins() {
        let folder = Folder::new();
        let long = log(1, 150_000);
        let known = [known("short", &long[..100_000], 100_000), known("long", &long, 150_000)];
        assert_eq!(decide(&[folder.file("new name", &long)], &known), [Recognised::Known(1)]);
    }

    #[test]
    fn empty_files_are_never_copies() {
        let folder = Folder::new();
        let files = [folder.file("a", b""), folder.file("b", b"")];
        assert_eq!(decide(&files, &[known("a", b"", 0)]), [Recognised::Known(0), Recognised::New]);
    }
}
