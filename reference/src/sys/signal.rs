//! Signals as descriptors, and signals to processes.
//!
//! The orchestrator blocks every signal for its whole life and reads the few that it wants from a descriptor. No handler
//! exists, hence nothing can run between two instructions, and a child that is not yet its own program can do
//! nothing but what its code says. Blocking SIGPIPE instead of ignoring it matters: an ignored signal would stay
//! ignored in every module.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

/// What woke the orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// A child changed its state.
    Child,
    /// SIGTERM or SIGINT, with its number.
    Shutdown(i32),
}

/// The descriptor from which the signals are read.
#[derive(Debug)]
pub(crate) struct Signals(SignalFd);

impl Signals {
    /// Takes over the signals of this process. Call it once, while there is one thread.
    pub(crate) fn take_over() -> nix::Result<Self> {
        // By number, because the real-time signals have no names and can be ignored as well.
        for number in 1..=libc::SIGRTMAX() {
            let is_fault = Signal::try_from(number).is_ok_and(is_fault);
            if !is_fault && !matches!(number, libc::SIGKILL | libc::SIGSTOP) {
                // SAFETY: the default action is no code of ours. It is set before the mask below, so a signal that
                // was ignored and arrives in between acts as it would on any program. The numbers that the C
                // library keeps for itself are refused, and it never ignores them.
                unsafe { libc::signal(number, libc::SIG_DFL) };
            }
        }
        let mut blocked = SigSet::all();
        // A fault in our own code has to end us where it happens.
        Signal::iterator()
            .filter(|signal| is_fault(*signal))
            .for_each(|signal| blocked.remove(signal));
        blocked.thread_set_mask()?;
        let mut wanted = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
            wanted.add(signal);
        }
        Ok(Self(SignalFd::with_flags(
            &wanted,
            SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
        )?))
    }

    /// The next signal that is pending, if any.
    pub(crate) fn next(&self) -> Option<Arrived> {
        let info = self.0.read_signal().ok().flatten()?;
        let number = i32::try_from(info.ssi_signo).unwrap_or(0);
        Some(if number == libc::SIGCHLD {
            Arrived::Child
        } else {
            Arrived::Shutdown(number)
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Makes orphans of our descendants our children, so that none can hide from us by a double fork.
pub(crate) fn become_subreaper() -> nix::Result<()> {
    prctl::set_child_subreaper(true)
}

/// Sends a signal to a process group. That the group is gone is no failure.
pub(crate) fn to_group(leader: u32, signal: i32) {
    let Ok(group) = i32::try_from(leader) else { return };
    // A group number of 0 or 1 would reach ourselves or everybody.
    if group > 1 {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        let result = unsafe { libc::kill(-group, signal) };
        debug_assert!(result == 0 || matches!(Errno::last(), Errno::ESRCH | Errno::EPERM));
    }
}

/// Sends a signal to one child of ours that was not reaped yet, whose number can therefore not be somebody else's.
pub(crate) fn to_child(pid: u32, signal: i32) {
    let Ok(pid) = i32::try_from(pid) else { return };
    if pid > 1 {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        let _ = unsafe { libc::kill(pid, signal) };
    }
}

/// Sends a signal to a process that may end at any moment. `still_meant` is asked after the process was pinned, so
/// that a number which was used again in between is not hit.
pub(crate) fn to_stranger(pid: u32, signal: i32, still_meant: impl FnOnce() -> bool) {
    let Some(number) = i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw)
    else {
        return;
    };
    match pidfd_open(number, PidfdFlags::empty()) {
        Ok(pinned) => {
            let signal = rustix::process::Signal::from_named_raw(signal);
            if let Some(signal) = signal.filter(|_| still_meant()) {
                // The process may have ended since: that is what most signals here are for.
                let _ = pidfd_send_signal(&pinned, signal);
            }
        }
        // A kernel before 5.3 has no pidfds; the window is then as small as it can be.
        Err(rustix::io::Errno::NOSYS) if still_meant() => to_child(pid, signal),
        Err(_) => {}
    }
}

fn is_fault(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::SIGSEGV
            | Signal::SIGBUS
            | Signal::SIGFPE
            | Signal::SIGILL
            | Signal::SIGTRAP
            | Signal::SIGABRT
            | Signal::SIGSYS
    )
}
