//! Text for standard output, in any amount and without ever blocking the puppet.
use std::{io, os::fd::AsFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A pipe that `poll` calls writable takes this much without blocking.
const PIECE: usize = 4096;
const TEXT: &[u8] = b"a mock module writes this line over and over, as it was told to\n";

/// An order to fill standard output, in progress.
#[derive(Debug)]
pub(super) struct Flood {
    id: u64,
    left: u64,
    column: usize,
}

impl Flood {
    pub(super) fn new(id: u64, bytes: u64) -> Self {
        Self {
            id,
            left: bytes,
            column: 0,
        }
    }

    /// Writes what fits. When all is written or writing failed, gives back the id to acknowledge.
    pub(super) fn write(&mut self) -> Option<(u64, Option<String>)> {
        let stdout = io::stdout();
        while self.left > 0 {
            let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::ZERO) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some((self.id, Some(error.to_string()))),
            }
            let size = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
            let piece: Vec<u8> = TEXT
                .iter()
                .copied()
                .cycle()
                .skip(self.column)
                .take(size)
                .collect();
            match nix::unistd::write(&stdout, &piece) {
                Ok(count) => {
                    self.left -= count as u64;
                    self.column = (self.column + count) % TEXT.len();
                }
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return None,
                Err(error) => return Some((self.id, Some(error.to_string()))),
            }
        }
        Some((self.id, None))
    }
}
