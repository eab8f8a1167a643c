//! Standard error as a place that may be slow, full or gone, and never holds us up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::unistd::write;

use super::net::Moved;
use super::poll::is_writable;

/// Standard error. We share it with others, so its flags stay as they are: readiness is asked before every write, and a
/// write is no larger than what a ready pipe takes at once.
#[derive(Debug)]
pub(crate) struct Output(io::Stderr);

impl Output {
    pub(crate) fn new() -> Self {
        Self(io::stderr())
    }

    /// Writes the beginning of `bytes` if that needs no waiting.
    pub(crate) fn write(&self, bytes: &[u8]) -> Moved {
        if !is_writable(self.0.as_fd()) {
            return Moved::NotNow;
        }
        let chunk = bytes.get(..ATOMIC).unwrap_or(bytes);
        match write(&self.0, chunk) {
            Ok(0) | Err(Errno::EAGAIN | Errno::EINTR) => Moved::NotNow,
            Ok(count) => Moved::Bytes(count),
            Err(_) => Moved::Ended,
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `PIPE_BUF` of Linux: a pipe that is ready takes this much.
const ATOMIC: usize = 4096;
