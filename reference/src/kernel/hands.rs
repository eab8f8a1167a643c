//! [`Kernel`]: carries out effects and gathers events.
//!
//! It owns every resource of a run. It refuses to decide: what an effect says is done, what happens is reported, and
//! the only judgement is about bounds.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use partenza_reference_core::machine::{Effect, Event, LaunchSpec, Level, Signal};
use partenza_reference_core::wire::Key;
use partenza_reference_core::{ConnId, ModuleId};
use zeroize::Zeroize;

use super::channel::Channels;
use super::control::Control;
use super::group::{Ended, Groups};
use super::launch::prepare;
use super::log::{Form, Log};
use super::output::Outputs;
use super::probe::{Around, Probes};
use super::runtime::Runtime;
use super::token::Token;
use crate::interpose::Interpose;
use crate::sys::clock::Clock;
use crate::sys::net::listen_at;
use crate::sys::poll::{Interest, Poller, Ready};
use crate::sys::signal::{Arrived, Signals, become_subreaper};
use crate::sys::spawn::{SpawnError, Spawner};

/// Why an orchestrator could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The runtime directory cannot be used.
    #[error("cannot use the runtime directory {path}: {source}")]
    Runtime {
        /// The directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The control socket cannot be made.
    #[error("cannot listen at {path}: {source}")]
    Control {
        /// The socket.
        path: String,
        /// Why.
        source: Errno,
    },
    /// The kernel refuses something that every orchestrator needs.
    #[error("cannot {what}: {source}")]
    Kernel {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: Errno,
    },
}

/// The resources of one run.
#[derive(Debug)]
pub struct Kernel {
    clock: Clock,
    poller: Poller,
    signals: Signals,
    spawner: Spawner,
    runtime: Runtime,
    log: Log,
    control: Control,
    groups: Groups,
    channels: Channels,
    outputs: Outputs,
    probes: Probes,
    /// The living launches; a launch leaves when its group is empty.
    launches: HashMap<(ModuleId, u64), u64>,
    names: HashMap<u64, (ModuleId, u64)>,
    next_launch: u64,
    waiting_launches: VecDeque<LaunchSpec>,
    raised: VecDeque<Event>,
    exit: Option<i32>,
    ready: Vec<Ready>,
}

impl Kernel {
    /// Takes over signals, children, and the runtime directory, and listens.
    pub(crate) fn start(runtime_dir: &Path, json: bool, verbose: bool) -> Result<Self, StartError> {
        let kernel = |what| move |source| StartError::Kernel { what, source };
        let path = || runtime_dir.display().to_string();
        let runtime = Runtime::take(runtime_dir).map_err(|source| StartError::Runtime { path: path(), source })?;
        let poller = Poller::new().map_err(kernel("make an epoll set"))?;
        let signals = Signals::take_over().map_err(kernel("take over the signals"))?;
        poller
            .add(&signals, Token::Signals.encode(), Interest::READ)
            .map_err(kernel("watch the signals"))?;
        become_subreaper().map_err(kernel("become the parent of orphans"))?;
        let spawner = Spawner::new().map_err(|failed| StartError::Kernel {
            what: "prepare for launches",
            source: Errno::from_raw(failed.errno),
        })?;
        let socket = runtime.socket();
        let control = listen_at(&socket)
            .and_then(|listener| Control::new(&poller, listener))
            .map_err(|source| StartError::Control { path: socket.display().to_string(), source })?;
        Ok(Self {
            clock: Clock::start(),
            groups: Groups::new(path()),
            poller,
            signals,
            spawner,
            runtime,
            log: Log::new(Form { json, verbose }),
            control,
            channels: Channels::default(),
            outputs: Outputs::default(),
            probes: Probes::default(),
            launches: HashMap::new(),
            names: HashMap::new(),
            next_launch: 0,
            waiting_launches: VecDeque::new(),
            raised: VecDeque::new(),
            exit: None,
            ready: Vec::new(),
        })
    }

    /// Microseconds since boot.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The runtime directory of this run.
    pub fn runtime_dir(&self) -> &Path {
        self.runtime.path()
    }

    /// The path of the control socket.
    pub fn control_path(&self) -> std::path::PathBuf {
        self.runtime.socket()
    }

    /// The pid of a launch's leader, until it is reaped.
    pub fn leader(&self, module: &ModuleId, generation: u64) -> Option<u32> {
        self.groups.leader(self.launch_of(module, generation)?)
    }

    /// Sends any signal to a launch's leader alone.
    pub fn signal_leader(&mut self, module: &ModuleId, generation: u64, signal: i32) {
        if let Some(launch) = self.launch_of(module, generation) {
            self.groups.signal_leader(launch, signal);
        }
    }

    /// Sends any signal to every process of a launch.
    pub fn signal_group(&mut self, module: &ModuleId, generation: u64, signal: i32) {
        if let Some(launch) = self.launch_of(module, generation) {
            self.groups.signal(launch, signal);
        }
    }

    /// Tells the machine something, after what it is being told now.
    pub fn raise(&mut self, event: Event) {
        self.raised.push_back(event);
    }

    /// Carries out one effect.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Spawn(spec) => self.waiting_launches.push_back(spec),
            Effect::Send { module, generation, bytes } => {
                if let Some(launch) = self.launch_of(&module, generation) {
                    self.raised.extend(self.channels.send(&self.poller, launch, &bytes));
                }
            }
            Effect::Hangup { module, generation } => {
                if let Some(launch) = self.launch_of(&module, generation) {
                    self.channels.close(&self.poller, launch);
                }
            }
            Effect::SignalGroup { module, generation, signal } => {
                let number = match signal {
                    Signal::Term => libc::SIGTERM,
                    Signal::Kill => libc::SIGKILL,
                };
                self.signal_group(&module, generation, number);
            }
            Effect::Probe { module, generation, probe, timeout_us } => {
                let deadline = self.now().saturating_add(timeout_us);
                let mut around =
                    Around { poller: &self.poller, spawner: &mut self.spawner, groups: &mut self.groups };
                self.raised.extend(self.probes.start(&mut around, (module, generation), probe, deadline));
            }
            Effect::Reply { conn, bytes } => self.raised.extend(self.control.reply(&self.poller, conn, &bytes)),
            Effect::Notify { conn, bytes } => self.control.notify(conn, &bytes),
            Effect::DropControl { conn } => self.raised.extend(self.control.hang_up(&self.poller, conn)),
            Effect::WriteStatus { module, json } => {
                let now = self.now();
                self.runtime.queue_status(module, json, now);
            }
            Effect::Log { module, level, text } => self.log.note(module.as_ref(), level, &text),
            Effect::Exit { code } => self.exit = Some(code),
        }
    }

    /// Whether the machine has asked to exit, and how.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.exit
    }

    /// The next event that carrying out effects has caused.
    pub(crate) fn next_raised(&mut self) -> Option<Event> {
        self.raised.pop_front()
    }

    pub(crate) fn has_waiting_launches(&self) -> bool {
        !self.waiting_launches.is_empty()
    }

    /// The deadlines that are the kernel's own.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        [self.probes.next_deadline(), self.runtime.status_deadline()].into_iter().flatten().min()
    }

    /// Waits until something happens or `deadline` comes, and gathers what happened.
    pub(crate) fn wait(&mut self, deadline: Option<u64>, interpose: &mut impl Interpose) -> Result<(), Errno> {
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
                    let wanted = self.names.get(&launch).is_none_or(|(module, _)| interpose.reads_output(module));
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
                    let around =
                        Around { poller: &self.poller, spawner: &mut self.spawner, groups: &mut self.groups };
                    self.probes.progress(&around, number, &mut self.raised);
                }
            }
        }
        self.ready = ready;
        if children {
            self.reap(now);
        }
        let around = Around { poller: &self.poller, spawner: &mut self.spawner, groups: &mut self.groups };
        self.probes.expire(&around, now, &mut self.raised);
        if self.runtime.status_deadline().is_some_and(|deadline| deadline <= now) {
            self.write_status();
        }
        Ok(())
    }

    /// Starts the launch that has waited longest.
    pub(crate) fn launch_next(&mut self, interpose: &mut impl Interpose) {
        let Some(spec) = self.waiting_launches.pop_front() else { return };
        let (module, generation) = (spec.module.clone(), spec.generation);
        match self.launch(&spec, interpose) {
            Ok((pid, key, nonce)) => self.raise(Event::Spawned { module, generation, pid, key, nonce }),
            Err(SpawnError { stage, errno }) => {
                self.runtime.remove_module_dir(&module);
                self.raise(Event::SpawnFailed { module, generation, stage: stage.to_owned(), errno });
            }
        }
    }

    fn launch(
        &mut self,
        spec: &LaunchSpec,
        interpose: &mut impl Interpose,
    ) -> Result<(u32, Key, [u8; 32]), SpawnError> {
        let mut bytes = [0; 32];
        let mut nonce = [0; 32];
        let random = |_| SpawnError::new("getrandom", Errno::EIO);
        getrandom::fill(&mut bytes).map_err(random)?;
        getrandom::fill(&mut nonce).map_err(random)?;
        let key = Key::new(bytes);
        bytes.zeroize();
        let mut secret = key.pipe_line().to_vec();
        interpose.secret(spec, &mut secret);
        let prepared = prepare(spec, &secret, &self.spawner);
        secret.zeroize();
        let mut prepared = prepared?;
        let no_dir = |error: io::Error| SpawnError {
            stage: "runtime directory",
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        };
        self.runtime.make_module_dir(&spec.module).map_err(no_dir)?;
        interpose.launch(spec, &mut prepared.launch);
        let launch = self.next_launch;
        self.next_launch += 1;
        let pid = self.spawner.spawn(&prepared.launch)?;
        // From here on the child exists, so nothing may fail without ending it.
        self.groups.add(launch, pid, spec.module.clone(), spec.generation);
        self.launches.insert((spec.module.clone(), spec.generation), launch);
        self.names.insert(launch, (spec.module.clone(), spec.generation));
        drop(prepared.launch);
        let now = self.now();
        let (module, generation) = (spec.module.clone(), spec.generation);
        let watched = self
            .channels
            .add(&self.poller, launch, prepared.socket, module, generation)
            .and_then(|()| self.outputs.add(&self.poller, launch, prepared.output, spec.module.clone(), now));
        if let Err(errno) = watched {
            // Its socket is closed or will never be read: the machine sees a module that ends without a word.
            self.log.note(Some(&spec.module), Level::Error, &format!("cannot watch the module: {errno}"));
            self.groups.signal(launch, libc::SIGKILL);
        }
        Ok((pid, key, nonce))
    }

    fn reap(&mut self, now: u64) {
        for ended in self.groups.reap() {
            match ended {
                Ended::Leader { launch, status } => {
                    self.channels.read_rest(&self.poller, launch, &mut self.raised);
                    self.outputs.read_rest(&self.poller, launch, now, &mut self.log);
                    let Some((module, generation)) = self.names.get(&launch).cloned() else { continue };
                    let around =
                        Around { poller: &self.poller, spawner: &mut self.spawner, groups: &mut self.groups };
                    self.probes.cancel(&around, &module, generation);
                    self.raise(Event::Exited { module, generation, status });
                }
                Ended::Group { launch } => {
                    self.channels.read_rest(&self.poller, launch, &mut self.raised);
                    self.channels.close(&self.poller, launch);
                    self.outputs.read_rest(&self.poller, launch, now, &mut self.log);
                    let Some((module, generation)) = self.names.remove(&launch) else { continue };
                    self.launches.remove(&(module.clone(), generation));
                    self.runtime.remove_module_dir(&module);
                    self.raise(Event::GroupEmpty { module, generation });
                }
                Ended::Probe { probe, status } => {
                    let around =
                        Around { poller: &self.poller, spawner: &mut self.spawner, groups: &mut self.groups };
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
            self.log.note(None, Level::Warn, &format!("cannot write a status file: {error}"));
        }
    }

    /// Gives up everything: no process, no socket and no file of this run remains.
    pub(crate) fn finish(mut self, interpose: &mut impl Interpose) {
        self.control.stop_listening(&self.poller);
        self.end_turn();
        let latest = self.now() + SWEEP_US;
        while self.groups.sweep() && self.now() < latest {
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

    fn launch_of(&self, module: &ModuleId, generation: u64) -> Option<u64> {
        self.launches.get(&(module.clone(), generation)).copied()
    }

    /// Writes a line to the log.
    pub fn note(&mut self, module: Option<&ModuleId>, level: Level, text: &str) {
        self.log.note(module, level, text);
    }

    /// Queues bytes on a control connection as a reply.
    pub fn reply(&mut self, conn: ConnId, bytes: &[u8]) {
        self.raised.extend(self.control.reply(&self.poller, conn, bytes));
    }
}

/// How many status files are written between two looks at the world.
const STATUS_PER_TURN: usize = 32;

/// How long the end of the run may wait for processes that were killed.
const SWEEP_US: u64 = 2_000_000;

const SWEEP_PAUSE_US: u64 = 10_000;
