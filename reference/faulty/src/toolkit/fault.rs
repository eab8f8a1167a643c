//! A fault: hooks, most of them for one module.

use partenza_reference::{Kernel, Launch};
use partenza_reference_core::ConnId;
use partenza_reference_core::machine::{Effect, Event, LaunchSpec};
use partenza_reference_core::manifest::Loaded;
use serde_json::{Map, Value};

use super::agenda::Desk;
use super::line::Line;
use super::wire::{At, Proof};
use super::zombies::Spared;

/// The module name that stands for every module.
pub(crate) const ANY: &str = "*";

pub(super) type When = Box<dyn Fn(&Loaded) -> bool>;
pub(super) type OnBoot = Box<dyn FnMut(&mut Desk<'_>)>;
pub(super) type OnOutput = Box<dyn FnMut(&str) -> bool>;
pub(super) type OnLoaded = Box<dyn FnMut(&mut Loaded)>;
pub(super) type OnSecret = Box<dyn FnMut(&LaunchSpec, &mut Vec<u8>)>;
pub(super) type OnLaunch = Box<dyn FnMut(&LaunchSpec, &mut Launch)>;
pub(super) type OnEvent = Box<dyn FnMut(&mut Desk<'_>, Event) -> Vec<Event>>;
pub(super) type OnEffect = Box<dyn FnMut(&mut Desk<'_>, Effect) -> Vec<Effect>>;
pub(super) type OnLine = Box<dyn FnMut(&mut Desk<'_>, &At, Line) -> Vec<Line>>;
pub(super) type OnProof = Box<dyn FnMut(&At, &Proof<'_>) -> bool>;
pub(super) type OnJournal = Box<dyn FnMut(Map<String, Value>) -> Vec<Map<String, Value>>>;
pub(super) type OnNumbered = Box<dyn FnMut(&mut Map<String, Value>) -> bool>;
pub(super) type OnStatus = Box<dyn FnMut(&mut Map<String, Value>)>;
pub(super) type OnFile = Box<dyn FnMut(&mut Map<String, Value>) -> bool>;
pub(super) type OnRequest = Box<dyn FnMut(&mut Desk<'_>, ConnId, Line) -> Vec<Line>>;
pub(super) type OnReply = Box<dyn FnMut(&mut Desk<'_>, ConnId, &Value, Value) -> Option<Value>>;

/// One way to be wrong. The hooks of a kind run in the order in which they were added.
#[derive(Default)]
pub(crate) struct Fault {
    pub(super) when: Vec<When>,
    pub(super) loaded: Vec<OnLoaded>,
    pub(super) secret: Vec<(&'static str, OnSecret)>,
    pub(super) launch: Vec<(&'static str, OnLaunch)>,
    pub(super) events: Vec<OnEvent>,
    pub(super) effects: Vec<OnEffect>,
    pub(super) outgoing: Vec<(&'static str, OnLine)>,
    pub(super) incoming: Vec<(&'static str, OnLine)>,
    pub(super) trusts: Vec<(&'static str, OnProof)>,
    pub(super) journal: Vec<OnJournal>,
    pub(super) numbered: Vec<OnNumbered>,
    pub(super) status: Vec<(&'static str, OnStatus)>,
    pub(super) file: Vec<(&'static str, OnFile)>,
    pub(super) requests: Vec<OnRequest>,
    pub(super) replies: Vec<(&'static str, OnReply)>,
    pub(super) boot: Vec<OnBoot>,
    pub(super) reads_output: Option<OnOutput>,
    pub(super) exit: Option<Box<dyn FnMut(u8) -> u8>>,
    pub(super) control_mode: Option<u32>,
    pub(super) spared: Option<Spared>,
    pub(super) leaves_processes: bool,
    pub(super) leaves_files: bool,
}

impl Fault {
    /// No fault yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The fault shows only for directories of which this holds.
    pub(crate) fn when(mut self, holds: impl Fn(&Loaded) -> bool + 'static) -> Self {
        self.when.push(Box::new(holds));
        self
    }

    /// Changes what was loaded, errors included, before it is looked at.
    pub(crate) fn loaded(mut self, hook: impl FnMut(&mut Loaded) + 'static) -> Self {
        self.loaded.push(Box::new(hook));
        self
    }

    /// Changes what goes into the secret pipe, and with it the key that the handshake is about.
    pub(crate) fn secret(
        mut self,
        module: &'static str,
        hook: impl FnMut(&LaunchSpec, &mut Vec<u8>) + 'static,
    ) -> Self {
        self.secret.push((module, Box::new(hook)));
        self
    }

    pub(crate) fn launch(
        mut self,
        module: &'static str,
        hook: impl FnMut(&LaunchSpec, &mut Launch) + 'static,
    ) -> Self {
        self.launch.push((module, Box::new(hook)));
        self
    }

    pub(crate) fn event(mut self, hook: impl FnMut(&mut Desk<'_>, Event) -> Vec<Event> + 'static) -> Self {
        self.events.push(Box::new(hook));
        self
    }

    pub(crate) fn effect(mut self, hook: impl FnMut(&mut Desk<'_>, Effect) -> Vec<Effect> + 'static) -> Self {
        self.effects.push(Box::new(hook));
        self
    }

    /// Each line from the orchestrator to the module. The handshake is kept consistent with the change.
    pub(crate) fn outgoing(
        mut self,
        module: &'static str,
        hook: impl FnMut(&mut Desk<'_>, &At, Line) -> Vec<Line> + 'static,
    ) -> Self {
        self.outgoing.push((module, Box::new(hook)));
        self
    }

    /// Each line from the module, before the machine sees it. The handshake is kept consistent with the change.
    pub(crate) fn incoming(
        mut self,
        module: &'static str,
        hook: impl FnMut(&mut Desk<'_>, &At, Line) -> Vec<Line> + 'static,
    ) -> Self {
        self.incoming.push((module, Box::new(hook)));
        self
    }

    /// Accepts wrong proofs of which this holds.
    pub(crate) fn trusts(
        mut self,
        module: &'static str,
        hook: impl FnMut(&At, &Proof<'_>) -> bool + 'static,
    ) -> Self {
        self.trusts.push((module, Box::new(hook)));
        self
    }

    /// What becomes of an event that clients are told: nothing, one, or several. Numbers stay without gaps.
    pub(crate) fn journal(
        mut self,
        hook: impl FnMut(Map<String, Value>) -> Vec<Map<String, Value>> + 'static,
    ) -> Self {
        self.journal.push(Box::new(hook));
        self
    }

    /// Changes an event with its final number, or drops it (`false`) and leaves a gap.
    pub(crate) fn numbered(mut self, hook: impl FnMut(&mut Map<String, Value>) -> bool + 'static) -> Self {
        self.numbered.push(Box::new(hook));
        self
    }

    /// Changes the status object of a module, in replies and in its file.
    pub(crate) fn status(
        mut self,
        module: &'static str,
        hook: impl FnMut(&mut Map<String, Value>) + 'static,
    ) -> Self {
        self.status.push((module, Box::new(hook)));
        self
    }

    /// Changes the status file of a module, or does not write it (`false`).
    pub(crate) fn file(
        mut self,
        module: &'static str,
        hook: impl FnMut(&mut Map<String, Value>) -> bool + 'static,
    ) -> Self {
        self.file.push((module, Box::new(hook)));
        self
    }

    /// Each complete line on the control socket.
    pub(crate) fn request(
        mut self,
        hook: impl FnMut(&mut Desk<'_>, ConnId, Line) -> Vec<Line> + 'static,
    ) -> Self {
        self.requests.push(Box::new(hook));
        self
    }

    /// Each reply on the control socket to a request with this method (with `ANY`: to anything), beside its request.
    pub(crate) fn reply(
        mut self,
        method: &'static str,
        hook: impl FnMut(&mut Desk<'_>, ConnId, &Value, Value) -> Option<Value> + 'static,
    ) -> Self {
        self.replies.push((method, Box::new(hook)));
        self
    }

    /// Once, when the loop begins.
    pub(crate) fn boot(mut self, hook: impl FnMut(&mut Desk<'_>) + 'static) -> Self {
        self.boot.push(Box::new(hook));
        self
    }

    /// Whether the output of a module is read.
    pub(crate) fn reads_output(mut self, hook: impl FnMut(&str) -> bool + 'static) -> Self {
        self.reads_output = Some(Box::new(hook));
        self
    }

    /// Changes the exit status of the program, whatever command it was.
    pub(crate) fn exit(mut self, hook: impl FnMut(u8) -> u8 + 'static) -> Self {
        self.exit = Some(Box::new(hook));
        self
    }

    pub(crate) fn control_mode(mut self, mode: u32) -> Self {
        self.control_mode = Some(mode);
        self
    }

    /// Processes that live at the end are left alone.
    pub(crate) fn leaves_processes(mut self) -> Self {
        self.leaves_processes = true;
        self
    }

    /// The runtime directory stays as it is at the end.
    pub(crate) fn leaves_files(mut self) -> Self {
        self.leaves_files = true;
        self
    }

    /// Whether the lines of a module have to be looked at.
    pub(super) fn watches(&self, module: &str) -> bool {
        let lines = self.outgoing.iter().chain(&self.incoming).map(|(name, _)| *name);
        let keys = self
            .secret
            .iter()
            .map(|(name, _)| *name)
            .chain(self.trusts.iter().map(|(name, _)| *name));
        lines.chain(keys).any(|name| matches(name, module))
    }
}

/// Whether a hook is for this module.
pub(super) fn matches(name: &str, module: &str) -> bool {
    name == ANY || name == module
}

/// A task for the kernel, in the form that [`Task`](super::Task) wants.
pub(crate) fn call(call: impl FnOnce(&mut Kernel) + 'static) -> super::Task {
    super::Task::Call(Box::new(call))
}
