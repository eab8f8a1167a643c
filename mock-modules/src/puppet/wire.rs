//! The puppet's end of the wire: bytes in, bytes out, nothing understood, nothing blocked on.
use std::{
    collections::VecDeque,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, send},
};
use partenza_probe::mac;

use crate::channel::{CLOSED_BY_PEER, PuppetEvent};

/// Bytes written in one go, so that a flood does not keep the puppet from hearing commands.
const TURN: usize = 256 * 1024;

/// What is to be acknowledged: the command's id, and why it failed.
type Acknowledgement = (u64, Option<String>);

#[derive(Debug)]
struct Outgoing {
    id: u64,
    bytes: Vec<u8>,
    position: usize,
    rounds: u64,
    bytewise: bool,
}

#[derive(Debug)]
pub(super) struct Wire {
    fd: Option<OwnedFd>,
    reading: bool,
    queue: VecDeque<Outgoing>,
}

impl Wire {
    pub(super) fn new(fd: Option<OwnedFd>) -> Self {
        Self {
            fd,
            reading: false,
            queue: VecDeque::new(),
        }
    }

    pub(super) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading
    }

    /// Whether everything is written.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn set_reading(&mut self, reading: bool) -> Result<(), String> {
        if self.fd.is_none() && reading {
            return Err("the wire is not open".to_owned());
        }
        self.reading = reading;
        Ok(())
    }

    pub(super) fn queue(&mut self, id: u64, bytes: Vec<u8>, rounds: u64, bytewise: bool) {
        self.queue.push_back(Outgoing {
            id,
            bytes,
            position: 0,
            rounds,
            bytewise,
        });
    }

    /// Reads once. Only called when there is something to read, so that it does not block.
    pub(super) fn read(&mut self) -> Option<PuppetEvent> {
        let fd = self.fd.as_ref()?;
        let mut buffer = [0; 65536];
        match nix::unistd::read(fd, &mut buffer) {
            Ok(0) => {
                self.reading = false;
                Some(PuppetEvent::Eof)
            }
            Ok(count) => Some(PuppetEvent::Rx {
                hex: mac::hex(&buffer[..count]),
            }),
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            // A peer that died with unread bytes resets the connection. For the module it is the end all the same.
            Err(Errno::ECONNRESET) => {
                self.reading = false;
                Some(PuppetEvent::Eof)
            }
            Err(error) => {
                self.reading = false;
                Some(PuppetEvent::Trouble {
                    detail: format!("the wire cannot be read: {error}"),
                })
            }
        }
    }

    /// Writes what the orchestrator takes, and gives back what is finished.
    pub(super) fn write(&mut self) -> Vec<Acknowledgement> {
        let mut finished = Vec::new();
        let mut written = 0;
        while let Some(front) = self.queue.front_mut() {
            if front.rounds == 0 || front.bytes.is_empty() {
                finished.push((front.id, None));
                self.queue.pop_front();
                continue;
            }
            let Some(fd) = &self.fd else {
                finished.push((front.id, Some("the wire is not open".to_owned())));
                self.queue.pop_front();
                continue;
            };
            if written >= TURN {
                break;
            }
            let end = if front.bytewise {
                front.position + 1
            } else {
                front.bytes.len()
            };
            match write_some(fd, &front.bytes[front.position..end]) {
                Ok(count) => {
                    written += count;
                    front.position += count;
                    if front.position == front.bytes.len() {
                        front.position = 0;
                        front.rounds -= 1;
                    }
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(error) => {
                    let reason = match error {
                        Errno::EPIPE | Errno::ECONNRESET => CLOSED_BY_PEER.to_owned(),
                        other => other.to_string(),
                    };
                    finished.push((front.id, Some(reason)));
                    self.queue.pop_front();
                }
            }
        }
        finished
    }

    /// Closes the wire; what was not written is given back as failed.
    pub(super) fn close(&mut self) -> Vec<Acknowledgement> {
        self.fd = None;
        self.reading = false;
        self.queue
            .drain(..)
            .map(|left| (left.id, Some("the wire was closed first".to_owned())))
            .collect()
    }
}

/// Never blocks on a socket. An orchestrator that hands over something else gets plain writes; that it does so is for
/// the snapshot to show.
fn write_some(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    match send(
        fd.as_raw_fd(),
        bytes,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
    ) {
        Err(Errno::ENOTSOCK) => nix::unistd::write(fd, &bytes[..bytes.len().min(4096)]),
        other => other,
    }
}
