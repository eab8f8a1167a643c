//! How the puppet takes signals: it blocks them and reads them from a descriptor, so that there is no handler and no
//! race, and every one of them is reported before anything is done about it.
use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::sys::{
    signal::{SigSet, Signal, raise},
    signalfd::{SfdFlags, SignalFd},
};
use partenza_probe::signals::SignalName;

use crate::raw;

/// The signals that a puppet notices. The others keep their default action.
pub(super) const NOTICED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
];

/// What follows the report of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Nothing.
    Ignore,
    /// An exit with this code.
    Exit(i32),
    /// What the system does by default.
    Default,
}

#[derive(Debug)]
pub(super) struct Reactions {
    descriptor: SignalFd,
    table: BTreeMap<i32, Reaction>,
}

impl Reactions {
    /// Starts to notice signals. A module that follows the contract ends on TERM.
    pub(super) fn install() -> io::Result<Self> {
        let mut noticed = SigSet::empty();
        let mut table = BTreeMap::new();
        for signal in NOTICED {
            // A signal that was ignored by inheritance would be thrown away before the descriptor saw it.
            raw::set_ignored(signal, false)?;
            noticed.add(signal);
            let reaction = match signal {
                Signal::SIGTERM => Reaction::Exit(0),
                Signal::SIGCONT => Reaction::Ignore,
                _ => Reaction::Default,
            };
            table.insert(signal as i32, reaction);
        }
        noticed.thread_block()?;
        let descriptor = SignalFd::with_flags(&noticed, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { descriptor, table })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The next signal that has arrived.
    pub(super) fn next(&mut self) -> io::Result<Option<(SignalName, Reaction)>> {
        let Some(info) = self.descriptor.read_signal()? else {
            return Ok(None);
        };
        let number = i32::try_from(info.ssi_signo).unwrap_or(0);
        let reaction = self.table.get(&number).copied().unwrap_or(Reaction::Ignore);
        Ok(SignalName::from_number(number).map(|name| (name, reaction)))
    }

    pub(super) fn set(&mut self, signals: &[SignalName], reaction: Reaction) -> Result<(), String> {
        for name in signals {
            if !NOTICED.contains(&name.as_nix()) {
                return Err(format!("{name} is not one of the signals that a puppet notices"));
            }
            self.table.insert(name.number(), reaction);
        }
        Ok(())
    }

    /// Suffers a signal's default action. Comes back only if that is not the end, or when a stop is over.
    pub(super) fn raise(&mut self, name: SignalName) -> io::Result<()> {
        let signal = name.as_nix();
        if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            raw::set_ignored(signal, false)?;
        }
        let set = SigSet::from(signal);
        set.thread_unblock()?;
        raise(signal)?;
        if NOTICED.contains(&signal) {
            set.thread_block()?;
        }
        Ok(())
    }
}
