//! The standard input, which can be previewed before it is read.
//!
//! A process has only one, so bytes that were read ahead are kept for the process, too: the next caller that
//! opens it gets them first.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, PoisonError};

use super::patient::Patient;
use crate::stop::Stop;

static AHEAD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The first bytes of the standard input, and whether they are all.
pub(super) fn look_ahead(bytes_max: usize, stop: &Stop) -> io::Result<(Vec<u8>, bool)> {
    let mut ahead = AHEAD.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = bytes_max.saturating_sub(ahead.len()) as u64;
    let read = Patient::new(unbuffered()?, stop).take(missing).read_to_end(&mut ahead)? as u64;
    Ok((ahead.clone(), read < missing))
}

/// The standard input from its beginning.
pub(super) fn open(stop: &Stop) -> io::Result<impl Read + Send + use<>> {
    let mut ahead = AHEAD.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(io::Cursor::new(std::mem::take(&mut *ahead)).chain(Patient::new(unbuffered()?, stop)))
}

/// A caller that waits for more must know that nothing is buffered elsewhere.
fn unbuffered() -> io::Result<File> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}
