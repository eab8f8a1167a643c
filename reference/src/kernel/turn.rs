//! One turn of the loop, seen from the kernel: wait, gather what happened, and write what was queued.
//!
//! It owns the fairness between peers: each that is ready is served once, with a bounded amount, before any is served
//! again. It refuses to carry anything out that the machine did not ask for, but writing status files and logs.

use nix::errno::Errno;
use partenza_reference_core::machine::{Event, Level};

use super::group::Ended;
use super::hands::Kernel;
use super::probe::Around;
use super::token::Token;
use crate::interpose::Interpose;
use crate::sys::poll::Ready;
use crate::sys::signal::Arrived;

impl Kernel {
    /// Waits until something happens or `deadline` comes, and gathers what happened.
    pub(crate) fn wait(
        &mut self,
        deadline: Option<u64>,
        interpose: &mut impl Interpose,
    ) -> Result<(), Errno> {
        let mut ready = std::mem::take(&mut self.ready);
        // Status files are for quiet moments: one more look comes first, and only if it finds nothing they are written.
        if self.runtime.has_status() && deadline.is_none_or(|deadline| deadline > self.now()) {
            self.poller.wait(Some(0), &mut ready)?;
            if ready.is_empty() {
                self.write_status();
                self.ready = ready;
                return Ok(());
            }
        } else {
            let timeout = deadline.map(|deadline| deadline.saturating_sub(self.now()));
            self.poller.wait(timeout, &mut ready)?;
        }
        self.groups.begin_turn();
        let now = self.now();
        let mut children = false;
        for one in &ready {
            children |= self.serve(one, now, interpose);
        }
        self.ready = ready;
        if children {
            self.reap(now, interpose);
        }
        let around = Around {
            poller: &self.poller,
            spawner: &mut self.spawner,
            groups: &mut self.groups,
        };
        self.probes.expire(&around, now, &mut self.raised);
        if self
            .runtime
            .status_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.write_status();
        }
        Ok(())
    }

    /// Serves one descriptor that is ready, once. The answer is whether children have ended.
    fn serve(&mut self, one: &Ready, now: u64, interpose: &mut impl Interpose) -> bool {
        let mut children = false;
        match Token::decode(one.token) {
            Some(Token::Signals) => {
                while let Some(arrived) = self.signals.next() {
                    match arrived {
                        Arrived::Child => children = true,
                        Arrived::Shutdown(signal) => self.raise(Event::ShutdownSignal { signal }),
                    }
                }
            }
            Some(Token::Listener) => self.control.accept(&self.poller),
            Some(Token::Log) | None => {}
            Some(Token::Channel(launch)) => {
                if one.write {
                    self.channels.write(&self.poller, launch);
                }
                if one.read {
                    self.channels.read(&self.poller, launch, &mut self.raised);
                }
            }
            Some(Token::Output(launch)) => {
                let wanted = self
                    .names
                    .get(&launch)
                    .is_none_or(|(module, _)| interpose.reads_output(module));
                if wanted {
                    self.outputs.read(&self.poller, launch, now, &mut self.log);
                } else {
                    self.outputs.ignore(&self.poller, launch);
                }
            }
            Some(Token::Control(number)) => {
                if one.write {
                    self.control.ready_to_write(number);
                }
                if one.read {
                    self.control.read(&self.poller, number, &mut self.raised);
                }
            }
            Some(Token::Probe(number)) => {
                let around = Around {
                    poller: &self.poller,
                    spawner: &mut self.spawner,
                    groups: &mut self.groups,
                };
                self.probes.progress(&around, number, &mut self.raised);
            }
        }
        children
    }

    fn reap(&mut self, now: u64, interpose: &mut impl Interpose) {
        for ended in self.groups.reap(interpose) {
            match ended {
                Ended::Leader { launch, status } => {
                    self.channels.read_rest(&self.poller, launch, &mut self.raised);
                    self.outputs.read_rest(&self.poller, launch, now, &mut self.log);
                    let Some((module, generation)) = self.names.get(&launch).cloned() else {
                        continue;
                    };
                    let around = Around {
                        poller: &self.poller,
                        spawner: &mut self.spawner,
                        groups: &mut self.groups,
                    };
                    self.probes.cancel(&around, &module, generation);
                    self.raise(Event::Exited {
                        module,
                        generation,
                        status,
                    });
                }
                Ended::Group { launch } => {
                    self.channels.read_rest(&self.poller, launch, &mut self.raised);
                    self.channels.close(&self.poller, launch);
                    self.outputs.read_rest(&self.poller, launch, now, &mut self.log);
                    let Some((module, generation)) = self.names.remove(&launch) else {
                        continue;
                    };
                    self.launches.remove(&(module.clone(), generation));
                    self.runtime.remove_module_dir(&module);
                    self.raise(Event::GroupEmpty { module, generation });
                }
                Ended::Probe { probe, status } => {
                    let around = Around {
                        poller: &self.poller,
                        spawner: &mut self.spawner,
                        groups: &mut self.groups,
                    };
                    self.probes.exited(&around, probe, status, &mut self.raised);
                }
            }
        }
    }

    /// Writes what the turn has produced for others.
    pub(crate) fn end_turn(&mut self) {
        self.control.flush(&self.poller, &mut self.raised);
        self.log.flush(&self.poller);
    }

    fn write_status(&mut self) {
        if let Err(error) = self.runtime.write_status(STATUS_PER_TURN) {
            self.log
                .note(None, Level::Warn, &format!("cannot write a status file: {error}"));
        }
    }

    /// Gives up everything: no process, no socket and no file of this run remains.
    pub(crate) fn finish(mut self, interpose: &mut impl Interpose) {
        self.control.stop_listening(&self.poller);
        self.end_turn();
        let latest = self.now() + SWEEP_US;
        while interpose.sweeps() && self.groups.sweep() && self.now() < latest {
            // SIGCHLD ends this wait; the bound is for a process that the kernel itself cannot end.
            let mut ready = Vec::new();
            while self.signals.next().is_some() {}
            if self.poller.wait(Some(SWEEP_PAUSE_US), &mut ready).is_err() {
                break;
            }
        }
        let now = self.now();
        self.outputs.read_all(&self.poller, now, &mut self.log);
        self.log.flush(&self.poller);
        if interpose.cleans_up() {
            self.runtime.clean_up();
        }
    }
}

/// How many status files are written between two looks at the world.
const STATUS_PER_TURN: usize = 32;

/// How long the end of the run may wait for processes that were killed.
const SWEEP_US: u64 = 2_000_000;

const SWEEP_PAUSE_US: u64 = 10_000;
