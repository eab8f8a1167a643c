//! The one file of the judge's side that may use `unsafe`.
//!
//! Everything here is a thin, safe function over something the standard library does not offer: what the process was
//! given before the runtime changed it, a descriptor known only by its number, a fork, a signal's disposition, and a
//! session of its own for a child. Each block says why it is sound.
#![allow(
    unsafe_code,
    reason = "these calls exist in no safe form; the rest of the crate denies unsafe code"
)]

use std::{
    fs, io,
    os::{
        fd::{BorrowedFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        signal::{SigHandler, Signal, signal},
        socket::{AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt},
    },
    unistd::{ForkResult, fork as nix_fork, setsid},
};

/// Bit n is set when descriptor n (0, 1 or 2) was closed at the start of the process.
static CLOSED_AT_START: AtomicU8 = AtomicU8::new(0);
/// Whether SIGPIPE was ignored at the start of the process.
static PIPE_IGNORED_AT_START: AtomicBool = AtomicBool::new(false);

/// Runs before the runtime, which opens `/dev/null` in place of closed standard descriptors and ignores SIGPIPE. Both
/// would falsify the snapshot.
#[used]
// SAFETY: the section holds pointers to `extern "C"` functions that the C library calls once before `main`, with
// arguments that the function is free to ignore. The function touches nothing that needs initialising.
#[unsafe(link_section = ".init_array")]
static LOOK_BEFORE_THE_RUNTIME: extern "C" fn() = look_before_the_runtime;

extern "C" fn look_before_the_runtime() {
    for fd in 0..=2 {
        // SAFETY: F_GETFD only asks about a number; it is defined for descriptors that are not open.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
            CLOSED_AT_START.fetch_or(1 << fd, Ordering::Relaxed);
        }
    }
    // SAFETY: `sigaction` is a plain structure for which all zeros is a valid value.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with a null new action the call only writes the old one into `old`, which is valid for writing.
    let asked = unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut old) };
    PIPE_IGNORED_AT_START.store(asked == 0 && old.sa_sigaction == libc::SIG_IGN, Ordering::Relaxed);
}

/// Whether a standard descriptor was closed when this program was executed.
pub(crate) fn was_closed_at_start(fd: i32) -> bool {
    (0..=2).contains(&fd) && CLOSED_AT_START.load(Ordering::Relaxed) & (1 << fd) != 0
}

/// Whether SIGPIPE was ignored when this program was executed.
pub(crate) fn was_pipe_ignored_at_start() -> bool {
    PIPE_IGNORED_AT_START.load(Ordering::Relaxed)
}

/// Takes over a descriptor that was inherited under a number. Each number can be taken over once.
///
/// # Errors
/// When nothing is open under that number, it is a standard descriptor, or it was taken before.
pub(crate) fn adopt(fd: i32) -> io::Result<OwnedFd> {
    static TAKEN: AtomicU8 = AtomicU8::new(0);
    // The contract allows numbers up to 9 only, so that a byte with an offset of 3 nearly holds them all.
    let bit = match fd {
        3..=9 => 1_u8 << (fd - 3),
        _ => {
            return Err(io::Error::other(format!(
                "descriptor {fd} is not in the range 3 to 9"
            )));
        }
    };
    // SAFETY: F_GETFD only asks about a number; it is defined for descriptors that are not open.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
        return Err(io::Error::last_os_error());
    }
    if TAKEN.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Err(io::Error::other(format!("descriptor {fd} is already in use")));
    }
    // SAFETY: the descriptor is open, was inherited and not opened by this program (the puppet calls this before it
    // opens anything that lives on), and `TAKEN` makes sure that no second owner is ever made.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What kind of socket a descriptor is, such as `unix-stream`; `None` when it is not a socket.
pub(crate) fn socket_kind(fd: i32) -> Option<String> {
    // SAFETY: F_GETFD only asks about a number; it is defined for descriptors that are not open.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: the descriptor is open, and nothing in this single-threaded program closes it during this function.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    let kind = match getsockopt(&fd, sockopt::SockType).ok()? {
        SockType::Stream => "stream",
        SockType::Datagram => "datagram",
        SockType::SeqPacket => "seqpacket",
        _ => "other",
    };
    let address: SockaddrStorage = getsockname(std::os::fd::AsRawFd::as_raw_fd(&fd)).ok()?;
    let family = match address.family() {
        Some(AddressFamily::Unix) => "unix",
        Some(AddressFamily::Inet | AddressFamily::Inet6) => "inet",
        _ => "other",
    };
    Some(format!("{family}-{kind}"))
}

/// Forks. `None` is the child.
///
/// # Errors
/// When the kernel refuses, or when the process has more than one thread.
pub(crate) fn fork() -> io::Result<Option<i32>> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a process with threads is not forked"));
    }
    // SAFETY: the process has one thread, as was just counted, so that the child's memory is in a consistent state and
    // the child may do whatever a process may do.
    match unsafe { nix_fork() }? {
        ForkResult::Parent { child } => Ok(Some(child.as_raw())),
        ForkResult::Child => Ok(None),
    }
}

/// Ignores a signal, or gives it back its default action.
pub(crate) fn set_ignored(which: Signal, ignored: bool) -> Result<(), Errno> {
    let action = if ignored {
        SigHandler::SigIgn
    } else {
        SigHandler::SigDfl
    };
    // SAFETY: neither action is a function, so that nothing of this program can run in the context of a signal. The
    // puppet installs no other handler whose loss could matter.
    unsafe { signal(which, action) }.map(drop)
}

/// See [`crate::own_session`].
pub(crate) fn own_session(command: &mut Command) -> &mut Command {
    let clean = || {
        setsid()?;
        for number in 1..32 {
            // KILL and STOP cannot be set, and need not be: an error here means nothing.
            // SAFETY: the default action is not a function of this program.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
        let (first, last, flags) = (3 as libc::c_uint, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        // SAFETY: the call only marks descriptors of this process, which is about to be replaced. A kernel without it
        // refuses, and the descriptors stay as the harness found them.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
        Ok(())
    };
    // SAFETY: the closure runs in the forked child before exec. It makes system calls, allocates nothing and takes no
    // lock.
    unsafe { command.pre_exec(clean) }
}
