//! Reads an input that may be silent for long, but reacts to a request to stop.
//!
//! A read from a pipe ends only when its writer sends something, and a signal does not interrupt it. So the
//! system is asked first, again and again, whether there is something to read.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, ErrorKind};
use crate::stop::Stop;

/// How long a request to stop may go unnoticed.
const LOOK_MS: u8 = 100;

/// A pipe, or anything else that can be waited for.
pub(super) struct Patient {
    file: File,
    stop: Stop,
}

impl Patient {
    pub(super) fn new(file: File, stop: &Stop) -> Patient {
        Patient { file, stop: stop.clone() }
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(signal) = self.stop.asked() {
                return Err(io::Error::other(Error::from(ErrorKind::Stopped(signal))));
            }
            if self.stop.is_abandoned() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let mut asked = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match poll(&mut asked, PollTimeout::from(LOOK_MS)) {
                Ok(0) | Err(nix::Error::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}
