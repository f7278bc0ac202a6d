//! `bench generate`: writes a data set to a file, with its hash.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::dataset::{self, Recipe};
use crate::error::{Error, Result};
use crate::report::{BenchDataset, Exit, Head};

/// Generates the records of a recipe, and writes them to a new file.
pub fn generate(recipe: Recipe, path: &Path) -> Result<BenchDataset> {
    if !recipe.shape.is_written_as(recipe.format) {
        return Err(Error::usage(format!(
            "--shape {} is JSON, and --format {} is not; take ndjson or json",
            recipe.shape.name(),
            recipe.format.name()
        )));
    }
    let failed = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AlreadyExists => Error::usage(format!(
            "{} already exists and is not overwritten; name another file, or remove it",
            path.display()
        )),
        _ => Error::file("write records to", path, cause),
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path).map_err(failed)?;
    let mut out = Hashed { out: file, hash: blake3::Hasher::new() };
    // Half a data set has another hash, but its name does not show it.
    let made = dataset::write(recipe, &mut out).inspect_err(|_| drop(std::fs::remove_file(path)));
    let made = made.map_err(failed)?;
    Ok(BenchDataset {
        head: Head::new("bench generate", None, Exit::Success),
        file: path.display().to_string(),
        format: recipe.format.name().to_owned(),
        shape: recipe.shape.name().to_owned(),
        seed: recipe.seed,
        records: made.records,
        bytes: made.bytes,
        bad: made.bad,
        duplicates: made.duplicates,
        blake3: out.hash.finalize().to_hex().to_string(),
    })
}

/// A writer that hashes what passes through it.
struct Hashed<W> {
    out: W,
    hash: blake3::Hasher,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
