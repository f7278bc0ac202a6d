//! A folder for one measurement, which goes away with it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};

/// Told apart within this process.
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that nobody else may look into.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one where temporary files go (`TMPDIR`).
    pub(super) fn new() -> Result<Folder> {
        loop {
            let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("logmill-bench-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder(path)),
                // Of a process that had our number, and was killed.
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
