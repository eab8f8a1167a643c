//! What a fault can do from within a hook: act at once, later, or speak to the machine.

use std::collections::VecDeque;

use partenza_reference::Kernel;
use partenza_reference_core::machine::{Effect, Event};
use partenza_reference_core::{ConnId, ModuleId};
use serde_json::json;

use super::line::Line;

/// Something to be done later. None of it passes through the hooks again.
pub(crate) enum Task {
    Do(Effect),
    Tell(Event),
    Call(Box<dyn FnOnce(&mut Kernel)>),
}

/// What is still to be done.
#[derive(Default)]
pub(super) struct Agenda {
    later: Vec<(u64, Task)>,
    told: VecDeque<Event>,
}

impl Agenda {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.later.iter().map(|(at, _)| *at).min()
    }

    pub(super) fn tick(&mut self, now: u64, kernel: &mut Kernel) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.later)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.later = later;
        for (_, task) in due {
            match task {
                Task::Do(effect) => kernel.perform(effect),
                Task::Tell(event) => self.tell(kernel, event),
                Task::Call(call) => call(kernel),
            }
        }
    }

    /// Events that go to the machine before anything else.
    pub(super) fn told(&mut self) -> Vec<Event> {
        self.told.drain(..).collect()
    }

    fn tell(&mut self, kernel: &mut Kernel, event: Event) {
        self.told.push_back(event);
        // It does nothing but wake the machine, which is then told.
        kernel.raise(Event::Tick);
    }
}

/// The surroundings of a hook.
pub(crate) struct Desk<'a> {
    pub(super) now: u64,
    pub(crate) kernel: &'a mut Kernel,
    pub(super) agenda: &'a mut Agenda,
}

impl Desk<'_> {
    /// Does something after this many milliseconds.
    pub(crate) fn after(&mut self, milliseconds: u64, task: Task) {
        self.agenda.later.push((self.now + milliseconds * 1000, task));
    }

    /// Does something at once.
    pub(crate) fn perform(&mut self, effect: Effect) {
        self.kernel.perform(effect);
    }

    /// Tells the machine something after what it is being told now.
    pub(crate) fn tell(&mut self, event: Event) {
        self.agenda.tell(self.kernel, event);
    }

    /// Sends a line to a module behind the machine's back.
    pub(crate) fn send(&mut self, module: &ModuleId, generation: u64, line: &Line) {
        self.perform(Effect::Send {
            module: module.clone(),
            generation,
            bytes: line.raw.clone(),
        });
    }

    /// Tells the machine that an operator wants something; nobody hears the answer.
    pub(crate) fn command(&mut self, method: &str, module: &str) {
        self.tell(command(method, module));
    }
}

/// A request of an operator who does not exist.
pub(crate) fn command(method: &str, module: &str) -> Event {
    let line = Line::of(json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"module": module}}));
    Event::ControlBytes {
        conn: ConnId(u64::MAX),
        bytes: line.raw,
    }
}
