//! Which of the remembered sources a file is.
//!
//! [`recognise`] decides for all files of a run at once, because the identity of a file can depend on where
//! another one went: after a rotation, the old name belongs to a new file only because the old content is
//! found elsewhere.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::HEAD_BYTES;
use super::identity::{Candidate, Container, Hash16, Inode, hash16, head_hash, if_it_is_new};
use crate::error::{Error, ErrorKind, Result};

/// Under another name, a file is recognised only by at least this much content, or as a whole.
const PROOF_BYTES_MIN: u64 = 4 << 10;

/// A source from an earlier run, as stored in the destination.
#[derive(Clone, Debug)]
pub struct Known {
    /// The name under which it was last seen.
    pub name: String,
    /// The number of bytes of its beginning that were hashed.
    pub head_len: u32,
    /// Their hash.
    pub head_hash: Hash16,
    /// How far it is committed.
    pub position: u64,
    /// The number of bytes before the position that were hashed.
    pub tail_len: u32,
    /// Their hash.
    pub tail_hash: Hash16,
    /// Whether it is committed to its end.
    pub complete: bool,
    /// The archives in which it was seen.
    pub containers: Vec<Container>,
    /// Its device and inode when it was last seen.
    pub inode: Option<Inode>,
}

impl Candidate {
    /// Whether its archive or object is one that `known` came in.
    fn was_seen_in(&self, known: &Known) -> bool {
        self.fingerprint.container.is_some_and(|own| known.containers.contains(&own))
    }

    /// Whether the file contains what `known` had committed, at the same places.
    fn holds(&self, known: &Known) -> Result<bool> {
        let fingerprint = &self.fingerprint;
        // The same archive, or version of an object, has the same content: nothing needs to be read.
        if self.was_seen_in(known) {
            return Ok(true);
        }
        if fingerprint.size.is_some_and(|size| size < known.position) || fingerprint.head_len < known.head_len
        {
            return Ok(false);
        }
        let is_same_head = match (fingerprint.head_len == known.head_len, &self.stream) {
            (true, _) => fingerprint.head_hash == known.head_hash,
            (false, Some(_)) => self.head_of_stream(known.head_len) == Some(known.head_hash),
            (false, None) => {
                let source = self.open_again()?;
                head_hash(&source, known.head_len, fingerprint)? == known.head_hash
            }
        };
        // The head of a short source covers its tail; that of a stream is compared while reading.
        if !is_same_head || known.position <= u64::from(known.head_len) || self.stream.is_some() {
            return Ok(is_same_head);
        }
        let Some(probe) = self.probe(known.position)? else { return Ok(false) };
        Ok(probe.last(u64::from(known.tail_len)).is_some_and(|tail| hash16(tail) == known.tail_hash))
    }

    /// For a file that holds what `known` had committed: whether the file with the name of `known` still does
    /// too.
    pub fn is_copy_of(&self, known: &Known) -> Result<bool> {
        match self.beside(Path::new(&known.name)) {
            Ok(Some(own)) => own.holds(known),
            Ok(None) => Ok(false),
            Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => Err(error),
            // A file that cannot be read proves nothing.
            Err(_) => Ok(false),
        }
    }
}

/// The identity of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recognised {
    /// It is new.
    New,
    /// It is this known source (an index), under its name or another.
    Known(usize),
    /// All of it is a copy of a known source, which is another file of this run or was loaded from elsewhere.
    DuplicateOf(String),
    /// It is where a known source was, and is no longer that source.
    Changed(String),
}

/// Decides the identity of each of `files`.
pub fn recognise(files: &[Candidate], known: &[Known], allow_duplicates: bool) -> Vec<Result<Recognised>> {
    recognise_beside(files, known, &HashSet::new(), allow_duplicates)
}

/// The same if these are not all files of the run: `beside` are the hashed names of all. A source remembered
/// under such a name is left to the file that has it.
pub fn recognise_beside(
    files: &[Candidate],
    known: &[Known],
    beside: &HashSet<u64>,
    allow_duplicates: bool,
) -> Vec<Result<Recognised>> {
    let mut search = Search::new(files, known, allow_duplicates);
    search.leave(beside);
    let mut decided: Vec<Option<Result<Recognised>>> = files.iter().map(|_| None).collect();
    // First the files that are where they were, then those that moved: a file in the place of another source
    // is new only if that source is found elsewhere.
    let steps = [
        Search::in_place,
        Search::by_name,
        Search::by_container,
        Search::by_content,
        Search::by_inode,
        Search::by_displacement,
    ];
    for step in steps {
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
    // An object is only left unread because something is remembered of it; that was so a moment ago.
    for (file, decision) in files.iter().zip(&mut decided).filter(|(file, _)| file.is_unread()) {
        decision.get_or_insert_with(|| {
            Err(Error::source(
                &file.path,
                "it was forgotten during the run. To load it, run the same command again",
            ))
        });
    }
    // The rest are copies, changed files, or new.
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
            (None, Some(index)) => Recognised::Changed(how_changed(file, &known[index])),
            (None, None) => Recognised::New,
        });
        if matches!(decision, Ok(Recognised::New)) && file.fingerprint.size != Some(0) {
            new_here.entry(file.fingerprint.head_hash).or_default().push(index);
        }
        decided[index] = Some(decision);
    }
    decided.into_iter().map(|decision| decision.expect("every file was decided")).collect()
}

/// The known sources, and which of them have found their file. There can be many of both, so no step compares
/// each source with each file.
struct Search<'k> {
    known: &'k [Known],
    allow_duplicates: bool,
    /// The names of all files of the run,
    present: HashSet<&'k str>,
    /// and the files by their inodes.
    here: HashMap<Inode, &'k Candidate>,
    taken: Vec<bool>,
    names: HashMap<&'k str, Vec<usize>>,
    /// Sources of which too little is stored to prove anything, by inode: that the same inode holds their
    /// content is enough. Small logs rotate.
    inodes: HashMap<Inode, Vec<usize>>,
    containers: HashMap<Container, Vec<usize>>,
    /// Sources that have committed something, by their heads.
    heads: HashMap<(u32, Hash16), Vec<usize>>,
    /// The lengths of these heads, and how many sources of each have not found their file.
    head_lens: BTreeMap<u32, usize>,
    /// Sources that were committed to their end, by the position of that end.
    complete: HashMap<u64, Vec<usize>>,
}

impl<'k> Search<'k> {
    fn new(files: &'k [Candidate], known: &'k [Known], allow_duplicates: bool) -> Search<'k> {
        let present = files.iter().map(|file| file.name.as_str()).collect();
        let here = files.iter().filter_map(|file| Some((file.fingerprint.inode?, file))).collect();
        let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut inodes: HashMap<Inode, Vec<usize>> = HashMap::new();
        let mut containers: HashMap<Container, Vec<usize>> = HashMap::new();
        let mut heads: HashMap<(u32, Hash16), Vec<usize>> = HashMap::new();
        let mut head_lens: BTreeMap<u32, usize> = BTreeMap::new();
        let mut complete: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, source) in known.iter().enumerate() {
            names.entry(&source.name).or_default().push(index);
            if source.position == 0 {
                continue;
            }
            if let Some(inode) = source.inode.filter(|_| !is_proof(source)) {
                inodes.entry(inode).or_default().push(index);
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
        Search {
            known,
            allow_duplicates,
            present,
            here,
            taken,
            names,
            inodes,
            containers,
            heads,
            head_lens,
            complete,
        }
    }

    /// Leaves the sources with these names to other files, unless the file with that name is here.
    fn leave(&mut self, beside: &HashSet<u64>) {
        for index in 0..self.known.len() {
            let name = self.known[index].name.as_str();
            if beside.contains(&xxh3_64(name.as_bytes())) && !self.present.contains(name) {
                self.take(index);
            }
        }
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

    /// The sources that begin as the file does; with `all`, also those that have found their file.
    fn same_head(&self, file: &Candidate, all: bool) -> Result<Vec<usize>> {
        let lengths = self.head_lens.range(..=file.fingerprint.head_len);
        let lengths: Vec<u32> =
            lengths.filter(|(_, waiting)| all || **waiting > 0).map(|(length, _)| *length).collect();
        let heads: Vec<(u32, Hash16)> = match &file.stream {
            Some(_) => {
                let head = |length| Some((length, file.head_of_stream(length)?));
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

    /// The source that was seen in the same archive, which then need not be decompressed.
    fn by_container(&self, file: &Candidate) -> Result<Option<usize>> {
        let found = file.fingerprint.container.and_then(|container| self.containers.get(&container));
        Ok(found.and_then(|found| found.iter().copied().find(|&index| !self.taken[index])))
    }

    /// The source that had the same inode and the same name. Comes first: a file with several names is the
    /// source under the name that it has.
    fn in_place(&self, file: &Candidate) -> Result<Option<usize>> {
        let Some(inode) = file.fingerprint.inode else { return Ok(None) };
        let same_place = self.same_name(file).iter().copied();
        self.longest_held(file, same_place.filter(|&index| self.known[index].inode == Some(inode)))
    }

    /// The source with the same name.
    fn by_name(&self, file: &Candidate) -> Result<Option<usize>> {
        let same_name = self.same_name(file);
        if let Some(named) = self.longest_held(file, same_name.iter().copied())? {
            if self.has_moved(&self.known[named], file)? {
                return Ok(None);
            }
            // All streams share a name: another source that this one holds more of is the better match.
            if file.stream.is_some()
                && let Some(other) = self.by_content(file)?
                && self.known[other].position > self.known[named].position
            {
                return Ok(Some(other));
            }
            // A small one can be a banner that the file also has, while it is another small log.
            let same_inode = self.same_inode(file).iter().copied();
            return self.longest_held(file, std::iter::once(named).chain(same_inode));
        }
        // A source that has committed nothing is matched by its name alone, if the file was read.
        let is_it = |known: &Known| known.position == 0 && (!file.is_unread() || file.was_seen_in(known));
        Ok(same_name.iter().copied().find(|&index| !self.taken[index] && is_it(&self.known[index])))
    }

    /// Whether the file of a small source is here under another name, unchanged: `file` has its old name, and
    /// only begins as it does.
    fn has_moved(&self, known: &Known, file: &Candidate) -> Result<bool> {
        if is_proof(known) || known.inode == file.fingerprint.inode {
            return Ok(false);
        }
        match known.inode.and_then(|inode| self.here.get(&inode)) {
            Some(old) => old.holds(known),
            None => Ok(false),
        }
    }

    /// The small source that had the same inode.
    fn by_inode(&self, file: &Candidate) -> Result<Option<usize>> {
        self.longest_held(file, self.same_inode(file).iter().copied())
    }

    fn same_inode(&self, file: &Candidate) -> &[usize] {
        let found = file.fingerprint.inode.and_then(|inode| self.inodes.get(&inode));
        found.map_or(&[][..], Vec::as_slice)
    }

    fn same_name(&self, file: &Candidate) -> &[usize] {
        self.names.get(file.name.as_str()).map_or(&[][..], Vec::as_slice)
    }

    /// Of some sources that have not found their file, the one of which this file holds the most: a short log
    /// can be the beginning of a longer one.
    fn longest_held(&self, file: &Candidate, sources: impl Iterator<Item = usize>) -> Result<Option<usize>> {
        let mut sources: Vec<usize> =
            sources.filter(|&index| !self.taken[index] && self.known[index].position > 0).collect();
        sources.sort_by_key(|&index| (std::cmp::Reverse(self.known[index].position), index));
        sources.dedup();
        for index in sources {
            if file.holds(&self.known[index])? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The source that had another name. Of a stream only the beginning is checked; the bytes before the
    /// checkpoint are compared while reading.
    fn by_content(&self, file: &Candidate) -> Result<Option<usize>> {
        if file.stream.is_some() && self.allow_duplicates {
            return Ok(None);
        }
        // The longest first, because a short log can be the beginning of a longer one.
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

    /// The source whose name now belongs to another file, and whose whole content this file holds. That is
    /// too little to prove anything by itself; but a banner that begins every such log would also be in the
    /// file that now has the name.
    fn by_displacement(&self, file: &Candidate) -> Result<Option<usize>> {
        if file.stream.is_some() {
            return Ok(None);
        }
        let mut found = self.same_head(file, false)?;
        found.retain(|&index| self.present.contains(self.known[index].name.as_str()));
        self.longest_held(file, found.into_iter())
    }

    /// The source whose place this file has taken, without being that source.
    fn displaced_by(&self, file: &Candidate) -> Option<usize> {
        if file.stream.is_some() {
            return None;
        }
        self.same_name(file).iter().copied().find(|&index| !self.taken[index])
    }

    /// The name of a source of which `file` is a complete copy.
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
            // A longer stream would have to be read first, and then it is too late.
            if file.stream.is_some() && fingerprint.size.is_none() {
                return Err(begins_as(file, &source.name));
            }
        }
        // Both files are at hand, so no trust is needed: they are compared as a whole.
        let same_start = new_here.get(&fingerprint.head_hash);
        for &other in same_start.map_or(&[][..], Vec::as_slice) {
            let other = &files[other];
            let sizes = (fingerprint.size, other.fingerprint.size);
            let can_be = !matches!(sizes, (Some(one), Some(two)) if one != two);
            let is_same = match (can_be, &file.stream, &other.stream) {
                (false, ..) => false,
                (true, None, None) => same_bytes(file, other)?,
                // Their heads are their whole content.
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

/// Whether enough is stored of `known` to say that a file with another name is the same: a banner that begins
/// every file of a service is not.
fn is_proof(known: &Known) -> bool {
    u64::from(known.head_len) + u64::from(known.tail_len) >= PROOF_BYTES_MIN
}

/// The error about a stream that may be a copy of what this run loads.
fn begins_as(stream: &Candidate, name: &str) -> Error {
    Error::source(
        &stream.path,
        format!(
            "it begins like {name}, which is also in this run, and only reading it would show whether it \
            is the same; load \
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

fn how_changed(file: &Candidate, known: &Known) -> String {
    let position = known.position;
    let how = match file.fingerprint.size {
        Some(size) if size < position => {
            format!("it has {size} bytes now, but was loaded up to byte {position} (truncated or replaced?)")
        }
        _ => format!(
            "it was loaded up to byte {position}, and what stands before that is not what was loaded (rewritten?)"
        ),
    };
    format!("{how}. Nothing of it was loaded; {}", if_it_is_new(&file.path))
}

#[cfg(test)]
mod tests;
