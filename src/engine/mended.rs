//! Mended bytes: what a person has made of exported letters.
//!
//! Objects as `dead-letters export` writes them, one on a line and in any order; or, where a file of
//! ids stands beside, one record on each line. Only the places of the bytes are kept in memory.

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
    /// By id, where its line stands, and how long it is.
    lines: HashMap<i64, (u64, usize)>,
}

/// What is read of an object; the rest is for people.
#[derive(Deserialize)]
struct Object {
    id: i64,
    raw: Option<String>,
    raw_base64: Option<String>,
}

/// The file of ids that stands beside a file of records.
pub(super) fn ids_beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".ids");
    name.into()
}

impl MendedFile {
    /// Reads where everything stands. What cannot be read is told with its line, and nothing is done.
    pub(super) fn open(path: &Path) -> Result<MendedFile> {
        let file = File::open(path).map_err(|cause| Error::file("read", path, cause))?;
        let beside = ids_beside(path);
        let is_raw = beside.exists();
        let mut mended = MendedFile { path: path.to_owned(), file, is_raw, lines: HashMap::new() };
        let ids = if is_raw { ids(&beside)? } else { Vec::new() };
        let file = mended.file.try_clone().map_err(|cause| Error::file("read", path, cause))?;
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        let (mut at, mut number) = (0, 0);
        loop {
            line.clear();
            let read =
                reader.read_until(b'\n', &mut line).map_err(|cause| Error::file("read", path, cause))?;
            if read == 0 {
                break;
            }
            let length = line.strip_suffix(b"\n").map_or(read, <[u8]>::len);
            let id = match is_raw {
                true => ids.get(number).copied(),
                false if line.trim_ascii().is_empty() => None,
                false => Some(object(path, number, &line)?.id),
            };
            number += 1;
            if let Some(id) = id
                && mended.lines.insert(id, (at, length)).is_some()
            {
                return Err(Error::usage(format!(
                    "{}:{number}: letter {id} stands here twice; keep the one that is meant",
                    path.display()
                )));
            }
            at += read as u64;
        }
        if is_raw && number != ids.len() {
            return Err(Error::usage(format!(
                "{} has {number} lines, and {} has {} ids: a line was added or lost, and which record is which is \
                 not to be told; export them again",
                path.display(),
                beside.display(),
                ids.len()
            )));
        }
        Ok(mended)
    }

    /// The ids of its letters; of these only, if there are any.
    pub(super) fn among(&self, ids: &[i64]) -> Vec<i64> {
        let mut among: Vec<i64> =
            self.lines.keys().copied().filter(|id| ids.is_empty() || ids.contains(id)).collect();
        among.sort_unstable();
        among
    }
}

fn object(path: &Path, number: usize, line: &[u8]) -> Result<Object> {
    serde_json::from_slice(line).map_err(|error| {
        let place = format!("{}:{}", path.display(), number + 1);
        Error::usage(format!("{place}: no object of `dead-letters export`, which has an id and raw: {error}"))
    })
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
        let Some(&(at, length)) = self.lines.get(&id) else { return Ok(None) };
        let mut line = vec![0; length];
        self.file.read_exact_at(&mut line, at).map_err(|cause| Error::file("read", &self.path, cause))?;
        if self.is_raw {
            return Ok(Some(line));
        }
        let Object { raw, raw_base64, .. } = object(&self.path, 0, &line)?;
        match (raw, raw_base64) {
            (Some(_), Some(_)) => Err(Error::usage(format!(
                "{}: letter {id} has both raw and raw_base64; keep the one that is meant",
                self.path.display()
            ))),
            (Some(raw), None) => Ok(Some(raw.into_bytes())),
            (None, Some(base64)) => STANDARD.decode(base64).map(Some).map_err(|error| {
                Error::usage(format!(
                    "{}: raw_base64 of letter {id} is no base64: {error}",
                    self.path.display()
                ))
            }),
            // It was too long to be kept, and is tried as its source has it.
            (None, None) => Ok(None),
        }
    }
}
