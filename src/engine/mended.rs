//! Mended bytes: exported letters after a person has edited them.
//!
//! Objects as `dead-letters export` writes them, one per line and in any order; or, with a second file of
//! ids, one record per line. Only the places of the bytes are kept in memory.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::pipeline::Mended;

/// A file of mended letters.
#[derive(Debug)]
pub(super) struct MendedFile {
    path: PathBuf,
    file: File,
    is_raw: bool,
    /// The line of each letter, by id.
    lines: HashMap<i64, Line>,
}

/// A line of the file.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Counted from one.
    number: usize,
    /// The offset of its first byte.
    start: u64,
    /// Without its line end.
    length: usize,
}

/// The parts of an object that are read; the rest is for people.
#[derive(Deserialize)]
struct Object {
    id: i64,
    raw: Option<String>,
    raw_base64: Option<String>,
}

/// A letter, from its object. One that was too long to be kept has no bytes, and is tried with those of its
/// source.
struct Letter {
    id: i64,
    bytes: Option<Vec<u8>>,
}

/// The file of ids that belongs to a file of records.
pub(super) fn ids_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".ids");
    name.into()
}

impl MendedFile {
    /// Reads the places of all letters. A line that cannot be read is reported with its number, and nothing
    /// is done.
    pub(super) fn open(path: &Path) -> Result<MendedFile> {
        let file = File::open(path).map_err(|cause| Error::file("read", path, cause))?;
        let beside = ids_beside(path);
        let is_raw = beside.exists();
        let mut mended = MendedFile { path: path.to_owned(), file, is_raw, lines: HashMap::new() };
        let ids = if is_raw { ids(&beside)? } else { Vec::new() };
        let file = mended.file.try_clone().map_err(|cause| Error::file("read", path, cause))?;
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        let (mut start, mut number) = (0, 0);
        loop {
            line.clear();
            let read =
                reader.read_until(b'\n', &mut line).map_err(|cause| Error::file("read", path, cause))?;
            if read == 0 {
                break;
            }
            let length = line.strip_suffix(b"\n").map_or(read, <[u8]>::len);
            number += 1;
            let id = match is_raw {
                true => ids.get(number - 1).copied(),
                false if line.trim_ascii().is_empty() => None,
                // The bytes are checked too, before anything is done.
                false => Some(letter(path, number, &line)?.id),
            };
            if let Some(id) = id
                && let Some(first) = mended.lines.insert(id, Line { number, start, length })
            {
                return Err(Error::usage(format!(
                    "{}:{number}: letter {id} is in line {}, too; keep the one that is meant",
                    path.display(),
                    first.number
                )));
            }
            start += read as u64;
        }
        if is_raw && number != ids.len() {
            return Err(Error::usage(format!(
                "{} has {number} lines, and {} has {} ids: a line was added or lost, so records and ids no \
                 longer match; export them again",
                path.display(),
                beside.display(),
                ids.len()
            )));
        }
        Ok(mended)
    }

    /// The ids of its letters; if `ids` are given, only these, all of which must exist.
    pub(super) fn among(&self, ids: &[i64]) -> Result<Vec<i64>> {
        if let Some(id) = ids.iter().find(|id| !self.lines.contains_key(id)) {
            let path = self.path.display();
            return Err(Error::usage(format!("{path} has no dead letter {id}; leave out its --id")));
        }
        let mut among: Vec<i64> =
            if ids.is_empty() { self.lines.keys().copied().collect() } else { ids.to_vec() };
        among.sort_unstable();
        Ok(among)
    }
}

/// Reads the line with this number.
fn letter(path: &Path, number: usize, line: &[u8]) -> Result<Letter> {
    let refused = |why: String| Error::usage(format!("{}:{number}: {why}", path.display()));
    let Object { id, raw, raw_base64 } = serde_json::from_slice(line).map_err(|error| {
        refused(format!("no object of `dead-letters export`, which has an id and raw: {error}"))
    })?;
    let bytes = match (raw, raw_base64) {
        (Some(_), Some(_)) => {
            return Err(refused(format!(
                "letter {id} has both raw and raw_base64; keep the one that is meant"
            )));
        }
        (Some(raw), None) => Some(raw.into_bytes()),
        (None, Some(base64)) => Some(
            STANDARD
                .decode(base64)
                .map_err(|error| refused(format!("raw_base64 of letter {id} is not base64: {error}")))?,
        ),
        (None, None) => None,
    };
    Ok(Letter { id, bytes })
}

fn ids(path: &Path) -> Result<Vec<i64>> {
    let text = std::fs::read_to_string(path).map_err(|cause| Error::file("read", path, cause))?;
    let ids = text.lines().enumerate().map(|(number, line)| {
        line.trim().parse().map_err(|_| {
            Error::usage(format!("{}:{}: not the id of a dead letter", path.display(), number + 1))
        })
    });
    ids.collect()
}

impl Mended for MendedFile {
    fn of(&mut self, id: i64) -> Result<Option<Vec<u8>>> {
        let Some(&line) = self.lines.get(&id) else { return Ok(None) };
        let mut bytes = vec![0; line.length];
        let read = self.file.read_exact_at(&mut bytes, line.start);
        read.map_err(|cause| Error::file("read", &self.path, cause))?;
        if self.is_raw {
            return Ok(Some(bytes));
        }
        Ok(letter(&self.path, line.number, &bytes)?.bytes)
    }
}
