//! A folder for one measurement, removed along with it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};

/// Distinguishes folders within this process.
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that only this user can look into.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Creates one in the place for temporary files (`TMPDIR`).
    pub(super) fn new() -> Result<Folder> {
        loop {
            let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("logmill-bench-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder(path)),
                // Left behind by a killed process with the same number.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::file("make the folder", &path, cause)),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
