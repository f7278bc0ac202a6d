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

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Source;
use crate::error::Result;

/// How much of the beginning of a source is hashed.
pub const HEAD_BYTES: u32 = 64 << 10;

/// Under another name, a file is only recognised by at least this much content, or whole.
const PROOF_BYTES_MIN: u64 = 4 << 10;

/// The first 16 bytes of BLAKE3: what is stored of a content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hash16(pub [u8; 16]);

/// Hashes bytes whose hash is stored.
pub fn hash16(bytes: &[u8]) -> Hash16 {
    let hash = blake3::hash(bytes);
    Hash16(*hash.as_bytes().first_chunk().expect("32 bytes have a first 16"))
}

/// What a file is recognised by before anything of it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its size.
    pub size: u64,
    /// How many bytes of its beginning are hashed.
    pub head_len: u32,
    /// Their hash.
    pub head_hash: Hash16,
}

impl Source {
    /// What this file is recognised by.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let head_len = u32::try_from(self.size().min(u64::from(HEAD_BYTES))).expect("at most HEAD_BYTES");
        Ok(Fingerprint { size: self.size(), head_len, head_hash: self.hash_range(0, head_len)? })
    }

    fn hash_range(&self, start: u64, length: u32) -> Result<Hash16> {
        let mut bytes = vec![0; length as usize];
        self.read_into(start, &mut bytes)?;
        Ok(hash16(&bytes))
    }
}

/// A source that was seen in an earlier run, as the destination remembers it.
#[derive(Clone, Debug)]
pub struct Known {
    /// The name under which it was last seen.
    pub name: String,
    /// Its size then.
    pub size: u64,
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
}

/// A file of this run.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The file.
    pub path: PathBuf,
    /// The name under which it is remembered.
    pub name: String,
    /// What it is recognised by.
    pub fingerprint: Fingerprint,
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

/// Decides who each of `files` is. Reads heads and tails of the files, nothing else.
pub fn recognise(files: &[Candidate], known: &[Known], allow_duplicates: bool) -> Vec<Result<Recognised>> {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, source) in known.iter().enumerate() {
        by_name.entry(&source.name).or_default().push(index);
    }
    let mut decided: Vec<Option<Result<Recognised>>> = files.iter().map(|_| None).collect();
    let mut taken = vec![false; known.len()];

    // First those that stand where they stood.
    for (file, decision) in files.iter().zip(&mut decided) {
        let same_name = by_name.get(file.name.as_str()).map_or(&[][..], Vec::as_slice);
        let committed = same_name.iter().find_map(|&index| {
            if taken[index] || known[index].position == 0 {
                return None;
            }
            match holds(&file.path, &file.fingerprint, &known[index]) {
                Ok(true) => Some(Ok(index)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            }
        });
        // A source that has committed nothing is matched by its name alone.
        let fresh = || same_name.iter().copied().find(|&index| !taken[index] && known[index].position == 0);
        match committed.or_else(|| fresh().map(Ok)) {
            Some(Ok(index)) => {
                taken[index] = true;
                *decision = Some(Ok(Recognised::Known(index)));
            }
            Some(Err(error)) => *decision = Some(Err(error)),
            None => {}
        }
    }

    // Then those that moved. The longest match wins: a short log can be the beginning of a
    // longer one.
    let mut moved: Vec<usize> =
        (0..known.len()).filter(|&index| !taken[index] && known[index].position > 0).collect();
    moved.sort_by_key(|&index| std::cmp::Reverse(known[index].position));
    for (file, decision) in files.iter().zip(&mut decided).filter(|(_, decision)| decision.is_none()) {
        match find_moved(file, known, &moved, &taken) {
            Ok(Some(index)) => {
                taken[index] = true;
                *decision = Some(Ok(Recognised::Known(index)));
            }
            Ok(None) => {}
            Err(error) => *decision = Some(Err(error)),
        }
    }

    // What is left is a copy, a file that was changed, or new.
    let mut new_here: HashMap<(u64, Hash16), Vec<usize>> = HashMap::new();
    for index in 0..files.len() {
        if decided[index].is_some() {
            continue;
        }
        let file = &files[index];
        let decision =
            if allow_duplicates { Ok(None) } else { find_duplicate(file, files, known, &new_here) };
        decided[index] = Some(decision.map(|duplicate| {
            match duplicate {
                Some(of) => Recognised::DuplicateOf(of),
                None => match by_name
                    .get(file.name.as_str())
                    .and_then(|same| same.iter().find(|&&index| !taken[index]))
                {
                    Some(&index) => Recognised::Changed(how_changed(&file.fingerprint, &known[index])),
                    None => Recognised::New,
                },
            }
        }));
        if matches!(decided[index], Some(Ok(Recognised::New))) && file.fingerprint.size > 0 {
            new_here.entry((file.fingerprint.size, file.fingerprint.head_hash)).or_default().push(index);
        }
    }
    decided.into_iter().map(|decision| decision.expect("every file was decided")).collect()
}

/// Whether the file at `path` holds what `known` had committed, at the same places.
fn holds(path: &Path, fingerprint: &Fingerprint, known: &Known) -> Result<bool> {
    if fingerprint.size < known.position || fingerprint.size < u64::from(known.head_len) {
        return Ok(false);
    }
    let mut source = None;
    let head_hash = if fingerprint.head_len == known.head_len {
        fingerprint.head_hash
    } else {
        source.get_or_insert(Source::open(path)?).hash_range(0, known.head_len)?
    };
    if head_hash != known.head_hash {
        return Ok(false);
    }
    // The head of a short source covers its tail.
    if known.position <= u64::from(known.head_len) {
        return Ok(true);
    }
    let source = match source {
        Some(source) => source,
        None => Source::open(path)?,
    };
    let tail_hash = source.hash_range(known.position - u64::from(known.tail_len), known.tail_len)?;
    Ok(tail_hash == known.tail_hash)
}

fn find_moved(file: &Candidate, known: &[Known], moved: &[usize], taken: &[bool]) -> Result<Option<usize>> {
    // Heads of other lengths than the file's own are hashed at most once each.
    let mut heads: HashMap<u32, Hash16> =
        HashMap::from([(file.fingerprint.head_len, file.fingerprint.head_hash)]);
    let mut head: Option<Vec<u8>> = None;
    for &index in moved {
        let source = &known[index];
        if taken[index]
            || !is_proof(source, file.fingerprint.size)
            || file.fingerprint.size < u64::from(source.head_len)
        {
            continue;
        }
        let hash = match heads.get(&source.head_len) {
            Some(&hash) => hash,
            None => {
                let head = match &mut head {
                    Some(head) => head,
                    None => head.insert(read_head(file)?),
                };
                let hash = hash16(&head[..source.head_len as usize]);
                heads.insert(source.head_len, hash);
                hash
            }
        };
        if hash == source.head_hash && holds(&file.path, &file.fingerprint, source)? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn read_head(file: &Candidate) -> Result<Vec<u8>> {
    let mut head = vec![0; file.fingerprint.head_len as usize];
    Source::open(&file.path)?.read_into(0, &mut head)?;
    Ok(head)
}

/// Whether what is stored of `known` is enough to say of a file with another name that it
/// is the same: a banner that every file of a service begins with is not.
fn is_proof(known: &Known, size: u64) -> bool {
    u64::from(known.head_len) + u64::from(known.tail_len) >= PROOF_BYTES_MIN || size == known.position
}

/// The name of a source that all of `file` is a copy of.
fn find_duplicate(
    file: &Candidate,
    files: &[Candidate],
    known: &[Known],
    new_here: &HashMap<(u64, Hash16), Vec<usize>>,
) -> Result<Option<String>> {
    if file.fingerprint.size == 0 {
        return Ok(None);
    }
    for source in known.iter().filter(|source| source.complete && source.position == file.fingerprint.size) {
        if holds(&file.path, &file.fingerprint, source)? {
            return Ok(Some(source.name.clone()));
        }
    }
    // Both files are at hand, so nothing is left to trust: they are compared whole.
    let same_start = new_here.get(&(file.fingerprint.size, file.fingerprint.head_hash));
    for &other in same_start.map_or(&[][..], Vec::as_slice) {
        if same_bytes(&file.path, &files[other].path)? {
            return Ok(Some(files[other].name.clone()));
        }
    }
    Ok(None)
}

fn same_bytes(one: &Path, other: &Path) -> Result<bool> {
    let (one, other) = (Source::open(one)?, Source::open(other)?);
    if one.size() != other.size() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut offset = 0;
    while offset < one.size() {
        let take = usize::try_from((one.size() - offset).min(left.len() as u64)).expect("at most the buffer");
        one.read_into(offset, &mut left[..take])?;
        other.read_into(offset, &mut right[..take])?;
        if left[..take] != right[..take] {
            return Ok(false);
        }
        offset += take as u64;
    }
    Ok(true)
}

fn how_changed(fingerprint: &Fingerprint, known: &Known) -> String {
    let how = if fingerprint.size < known.position {
        format!(
            "it has {} bytes now, but was loaded up to byte {} (truncated or replaced?)",
            fingerprint.size, known.position
        )
    } else {
        format!(
            "it was loaded up to byte {}, and what stands before that is not what was loaded (rewritten?)",
            known.position
        )
    };
    format!(
        "{how}. Nothing of it was loaded; if it is a new file under an old name, `logmill forget` the old one first"
    )
}

#[cfg(test)]
mod tests {
    use super::super::chunk::TAIL_BYTES;
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().expect("a directory"))
        }

        fn file(&self, name: &str, content: &[u8]) -> Candidate {
            let path = self.0.path().join(name);
            std::fs::write(&path, content).expect("written");
            let fingerprint = Source::open(&path).expect("opened").fingerprint().expect("read");
            Candidate { path, name: name.to_owned(), fingerprint }
        }
    }

    /// A source called `name` of which `position` bytes were loaded when it was `content`.
    fn known(name: &str, content: &[u8], position: usize) -> Known {
        let head_len = content.len().min(HEAD_BYTES as usize);
        let tail_len = position.min(TAIL_BYTES) as u32;
        Known {
            name: name.to_owned(),
            size: content.len() as u64,
            head_len: head_len as u32,
            head_hash: hash16(&content[..head_len]),
            position: position as u64,
            tail_len,
            tail_hash: hash16(&content[position - tail_len as usize..position]),
            complete: position == content.len(),
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
