//! [`Kernel`]: carries out effects and gathers events.
//!
//! It owns every resource of a run. It refuses to decide: what an effect says is done, what happens is reported, and
//! the only judgement is about bounds.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use partenza_reference_core::machine::{Effect, Event, LaunchSpec, Level, Signal};
use partenza_reference_core::{ConnId, ModuleId};

use super::channel::Channels;
use super::control::Control;
use super::group::Groups;
use super::log::{Form, Log};
use super::output::Outputs;
use super::probe::{Around, Probes};
use super::runtime::Runtime;
use super::token::Token;
use crate::sys::clock::Clock;
use crate::sys::net::listen_at;
use crate::sys::poll::{Interest, Poller, Ready};
use crate::sys::signal::{Signals, become_subreaper};
use crate::sys::spawn::Spawner;

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
    pub(super) clock: Clock,
    pub(super) poller: Poller,
    pub(super) signals: Signals,
    pub(super) spawner: Spawner,
    pub(super) runtime: Runtime,
    pub(super) log: Log,
    pub(super) control: Control,
    pub(super) groups: Groups,
    pub(super) channels: Channels,
    pub(super) outputs: Outputs,
    pub(super) probes: Probes,
    /// The living launches; a launch leaves when its group is empty.
    pub(super) launches: HashMap<(ModuleId, u64), u64>,
    pub(super) names: HashMap<u64, (ModuleId, u64)>,
    pub(super) next_launch: u64,
    pub(super) waiting_launches: VecDeque<LaunchSpec>,
    pub(super) raised: VecDeque<Event>,
    pub(super) exit: Option<i32>,
    pub(super) ready: Vec<Ready>,
}

impl Kernel {
    /// Takes over signals, children, and the runtime directory, and listens.
    pub(crate) fn start(runtime_dir: &Path, json: bool, verbose: bool) -> Result<Self, StartError> {
        let path = || runtime_dir.display().to_string();
        let runtime =
            Runtime::take(runtime_dir).map_err(|source| StartError::Runtime { path: path(), source })?;
        let parts = Parts::make(&runtime).inspect_err(|_| runtime.clean_up())?;
        Ok(Self {
            clock: Clock::start(),
            groups: Groups::new(path()),
            poller: parts.poller,
            signals: parts.signals,
            spawner: parts.spawner,
            runtime,
            log: Log::new(Form { json, verbose }),
            control: parts.control,
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
    pub fn control_path(&self) -> PathBuf {
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
            Effect::Send {
                module,
                generation,
                bytes,
            } => {
                if let Some(launch) = self.launch_of(&module, generation) {
                    self.raised
                        .extend(self.channels.send(&self.poller, launch, &bytes));
                }
            }
            Effect::Hangup { module, generation } => {
                if let Some(launch) = self.launch_of(&module, generation) {
                    self.channels.close(&self.poller, launch);
                }
            }
            Effect::SignalGroup {
                module,
                generation,
                signal,
            } => {
                let number = match signal {
                    Signal::Term => libc::SIGTERM,
                    Signal::Kill => libc::SIGKILL,
                };
                self.signal_group(&module, generation, number);
            }
            Effect::Probe {
                module,
                generation,
                probe,
                timeout_us,
            } => {
                let deadline = self.now().saturating_add(timeout_us);
                let mut around = Around {
                    poller: &self.poller,
                    spawner: &mut self.spawner,
                    groups: &mut self.groups,
                };
                self.raised.extend(
                    self.probes
                        .start(&mut around, (module, generation), probe, deadline),
                );
            }
            Effect::Reply { conn, bytes } => {
                self.raised.extend(self.control.reply(&self.poller, conn, &bytes))
            }
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

    pub(crate) fn has_raised(&self) -> bool {
        !self.raised.is_empty()
    }

    pub(crate) fn has_waiting_launches(&self) -> bool {
        !self.waiting_launches.is_empty()
    }

    /// The deadlines that are the kernel's own.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        [self.probes.next_deadline(), self.runtime.status_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn launch_of(&self, module: &ModuleId, generation: u64) -> Option<u64> {
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

/// What can fail at the start, made before anything depends on it.
struct Parts {
    poller: Poller,
    signals: Signals,
    spawner: Spawner,
    control: Control,
}

impl Parts {
    fn make(runtime: &Runtime) -> Result<Self, StartError> {
        let kernel = |what| move |source| StartError::Kernel { what, source };
        let poller = Poller::new().map_err(kernel("make an epoll set"))?;
        let signals = Signals::take_over().map_err(kernel("take over the signals"))?;
        let token = Token::Signals.encode();
        poller
            .add(&signals, token, Interest::READ)
            .map_err(kernel("watch the signals"))?;
        become_subreaper().map_err(kernel("become the parent of orphans"))?;
        let spawner = Spawner::new().map_err(|failed| StartError::Kernel {
            what: "prepare for launches",
            source: Errno::from_raw(failed.errno),
        })?;
        let socket = runtime.socket();
        let control = listen_at(&socket)
            .and_then(|listener| Control::new(&poller, listener))
            .map_err(|source| StartError::Control {
                path: socket.display().to_string(),
                source,
            })?;
        Ok(Self {
            poller,
            signals,
            spawner,
            control,
        })
    }
}
