//! Readiness: an epoll set whose wait has microsecond deadlines.
//!
//! It owns the set and translates events into the caller's tokens. No timer descriptor exists: the wait itself carries
//! the deadline, so that an idle orchestrator is never woken.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

/// What a descriptor is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Data or an end can be read.
    pub(crate) read: bool,
    /// There is room to write.
    pub(crate) write: bool,
}

impl Interest {
    /// Only reading.
    pub(crate) const READ: Self = Self {
        read: true,
        write: false,
    };
    /// Only writing.
    pub(crate) const WRITE: Self = Self {
        read: false,
        write: true,
    };
    /// Both.
    pub(crate) const BOTH: Self = Self {
        read: true,
        write: true,
    };

    fn flags(self) -> EpollFlags {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, self.read);
        flags.set(EpollFlags::EPOLLOUT, self.write);
        flags
    }
}

/// One descriptor that is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// The token given at registration.
    pub(crate) token: u64,
    /// There is something to read, or an end, or an error to collect.
    pub(crate) read: bool,
    /// There is room to write, or an error to collect.
    pub(crate) write: bool,
}

/// The epoll set.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: Epoll,
    buffer: Vec<libc::epoll_event>,
    /// Whether the kernel has `epoll_pwait2` (5.11).
    precise: bool,
}

impl Poller {
    pub(crate) fn new() -> nix::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            buffer: vec![libc::epoll_event { events: 0, u64: 0 }; BATCH],
            precise: true,
        })
    }

    pub(crate) fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> nix::Result<()> {
        self.epoll.add(fd, EpollEvent::new(interest.flags(), token))
    }

    pub(crate) fn change(&self, fd: impl AsFd, token: u64, interest: Interest) -> nix::Result<()> {
        self.epoll
            .modify(fd, &mut EpollEvent::new(interest.flags(), token))
    }

    /// Takes a descriptor out of the set. Closing its last copy does the same, but a copy may live in a child.
    pub(crate) fn remove(&self, fd: &OwnedFd) {
        // The only failure is that it was never in the set, which is what the caller wants.
        let _ = self.epoll.delete(fd);
    }

    /// As [`remove`](Self::remove), for a descriptor of somebody else's.
    pub(crate) fn delete(&self, fd: impl AsFd) -> nix::Result<()> {
        self.epoll.delete(fd)
    }

    /// Waits until something is ready or `timeout_us` has passed; `None` waits without end. A signal that interrupts
    /// the wait yields an empty answer.
    pub(crate) fn wait(&mut self, timeout_us: Option<u64>, ready: &mut Vec<Ready>) -> nix::Result<()> {
        ready.clear();
        let count = match self.wait_raw(timeout_us) {
            Ok(count) => count,
            Err(Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        ready.extend(self.buffer.iter().take(count).map(|event| {
            let events = event.events;
            let failed = events & (libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0;
            Ready {
                token: event.u64,
                read: failed || events & libc::EPOLLIN as u32 != 0,
                write: failed || events & libc::EPOLLOUT as u32 != 0,
            }
        }));
        Ok(())
    }

    fn wait_raw(&mut self, timeout_us: Option<u64>) -> nix::Result<usize> {
        let epoll = self.epoll.0.as_fd().as_raw_fd();
        let room = i32::try_from(self.buffer.len()).unwrap_or(i32::MAX);
        if self.precise {
            let time = timeout_us.map(|us| libc::timespec {
                tv_sec: libc::time_t::try_from(us / 1_000_000).unwrap_or(libc::time_t::MAX),
                tv_nsec: libc::c_long::try_from(us % 1_000_000 * 1000).unwrap_or(0),
            });
            let time_pointer = time.as_ref().map_or(ptr::null(), ptr::from_ref);
            let no_mask: *const libc::sigset_t = ptr::null();
            // SAFETY: `buffer` holds `room` initialised events and outlives the call; `time_pointer` is null or points
            // to `time`, which lives to the end of this block; a null mask means that the mask stays as it is, and
            // its size is then not looked at.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    epoll,
                    self.buffer.as_mut_ptr(),
                    room,
                    time_pointer,
                    no_mask,
                    8_usize,
                )
            };
            match Errno::result(result) {
                Err(Errno::ENOSYS | Errno::EPERM) => self.precise = false,
                other => return other.map(|count| usize::try_from(count).unwrap_or(0)),
            }
        }
        // Rounded up, because a wake-up before the deadline would find nothing to do and ask again.
        let millis = timeout_us.map_or(-1, |us| i32::try_from(us.div_ceil(1000)).unwrap_or(i32::MAX));
        // SAFETY: `buffer` holds `room` initialised events and outlives the call.
        let result = unsafe { libc::epoll_wait(epoll, self.buffer.as_mut_ptr(), room, millis) };
        Errno::result(result).map(|count| usize::try_from(count).unwrap_or(0))
    }
}

/// Whether one descriptor takes bytes right now.
pub(crate) fn is_writable(fd: BorrowedFd<'_>) -> bool {
    let mut asked = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one pollfd is passed and one is announced; it lives on this stack frame.
    let result = unsafe { libc::poll(&raw mut asked, 1, 0) };
    result == 1 && asked.revents & libc::POLLOUT != 0
}

/// How many events one wait fetches. It bounds the length of a turn, not the number of descriptors.
const BATCH: usize = 128;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use nix::fcntl::OFlag;
    use nix::unistd::pipe2;

    use super::*;

    #[test]
    fn a_deadline_ends_the_wait_and_not_before() {
        let mut poller = Poller::new().unwrap();
        let mut ready = Vec::new();
        let before = Instant::now();
        poller.wait(Some(3_000), &mut ready).unwrap();
        assert!(ready.is_empty());
        assert!(before.elapsed().as_micros() >= 3_000);
    }

    #[test]
    fn tokens_come_back_with_their_readiness() {
        let mut poller = Poller::new().unwrap();
        let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
        poller.add(&write, 7, Interest::WRITE).unwrap();
        poller.add(&read, 9, Interest::READ).unwrap();
        let mut ready = Vec::new();
        poller.wait(Some(0), &mut ready).unwrap();
        assert_eq!(
            ready
                .iter()
                .map(|r| (r.token, r.read, r.write))
                .collect::<Vec<_>>(),
            [(7, false, true)]
        );
        poller.remove(&write);
        drop(write);
        poller.wait(Some(0), &mut ready).unwrap();
        assert!(ready.iter().any(|r| r.token == 9 && r.read));
    }
}
