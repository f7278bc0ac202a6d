//! Reading what may be silent for long, but not through a request to stop.
//!
//! A read from a pipe ends when its writer likes, and a signal does not interrupt it. So we
//! ask the system first whether there is something to read, and ask again and again.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, ErrorKind};
use crate::stop::Stop;

/// How long a request to stop may go unseen.
const LOOK_MS: u8 = 100;

/// A pipe, or whatever else can be waited for.
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
