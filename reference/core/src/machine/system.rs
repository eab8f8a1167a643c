//! The system as a whole: its boot, its state, and its ordered end.

use serde_json::json;

use super::effect::{Effect, Level};
use super::engine::{Machine, clip};
use super::instance::{Ending, Standing};
use super::state::{Reason, State, Trigger};
use super::timer::Timer;
use crate::manifest::{Entrypoint, Startup};

/// The state of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SystemState {
    /// At least one eager module may still become ready.
    #[default]
    Starting,
    /// Every eager module is where it should be.
    Ready,
    /// At least one eager module needs somebody, and none is still starting.
    Degraded,
    /// An ordered shutdown has begun.
    Stopping,
    /// Everything has ended.
    Stopped,
}

impl SystemState {
    /// The word of the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// What is known of the system as a whole; sums, so that nobody has to look at every module.
#[derive(Debug, Default)]
pub(super) struct System {
    pub(super) state: SystemState,
    booted: bool,
    settled: bool,
    starting: usize,
    bad: usize,
    /// Modules with processes, or about to have some.
    pub(super) running: usize,
    /// For each module, by how many edges running modules still depend on it. Filled when the shutdown begins.
    holding: Vec<usize>,
}

impl System {
    pub(super) fn shutting_down(&self) -> bool {
        matches!(self.state, SystemState::Stopping | SystemState::Stopped)
    }

    pub(super) fn count(&mut self, old: Standing, new: Standing) {
        match old {
            Standing::Starting => self.starting -= 1,
            Standing::Bad => self.bad -= 1,
            Standing::Aside | Standing::Fine => {}
        }
        match new {
            Standing::Starting => self.starting += 1,
            Standing::Bad => self.bad += 1,
            Standing::Aside | Standing::Fine => {}
        }
    }
}

impl Machine {
    /// `boot.initial-states-announced`, `boot.disabled-not-launched`, `discovery.ghost-flagged`,
    /// `discovery.invalid-flagged`, `discovery.ghost-not-fatal`
    pub(super) fn boot(&mut self) {
        if self.system.booted {
            return;
        }
        self.system.booted = true;
        self.emit(json!({"type": "system", "state": SystemState::Starting.name()}));
        for i in 0..self.modules.len() {
            let instance = &mut self.modules[i];
            let (state, reason) = match instance.spec.entrypoint_state {
                _ if !instance.spec.enabled => (State::Disabled, None),
                Entrypoint::Missing => (State::Ghost, Some(Reason::Ghost)),
                Entrypoint::NotExecutable => (State::Invalid, Some(Reason::Config)),
                Entrypoint::Executable => (State::Pending, None),
            };
            let path = &instance.spec.entrypoint;
            instance.detail = match state {
                State::Ghost => Some(clip(&format!("{path} does not exist"))),
                State::Invalid => Some(clip(&format!("{path} is not an executable file"))),
                _ => None,
            };
            instance.state = state;
            instance.reason = reason;
            instance.since = self.now;
            // A new module is marked as not written and stands in no queue yet.
            self.dirty.push(i);
            self.changed.push_back(i);
            self.announce(i, None, None);
        }
        for i in 0..self.modules.len() {
            if self.modules[i].spec.startup == Startup::Eager {
                self.want(i);
            }
        }
    }

    /// `boot.system-ready-event`, `boot.system-degraded-event`. Returns whether the boot has come to rest just now.
    pub(super) fn announce_system(&mut self) -> bool {
        if !self.system.booted || self.system.shutting_down() || self.system.starting > 0 {
            return false;
        }
        let state = if self.system.bad > 0 {
            SystemState::Degraded
        } else {
            SystemState::Ready
        };
        if self.system.state != state {
            self.enter(state);
        }
        !std::mem::replace(&mut self.system.settled, true)
    }

    pub(super) fn want_deferred(&mut self) {
        for i in 0..self.modules.len() {
            if self.modules[i].spec.startup == Startup::Deferred {
                self.want(i);
            }
        }
    }

    fn enter(&mut self, state: SystemState) {
        self.system.state = state;
        self.emit(json!({"type": "system", "state": state.name()}));
        self.log(None, Level::Info, format!("the system is {}", state.name()));
    }

    /// Begins the ordered shutdown; a second request changes nothing (`role.shutdown-idempotent`).
    ///
    /// A module is asked when the last one that depends on it has ended (`stop.reverse-order`), and those that do not
    /// depend on each other are asked at once (`stop.independent-in-parallel`).
    pub(super) fn shutdown(&mut self, who: &str) {
        if self.system.shutting_down() {
            return;
        }
        self.log(None, Level::Info, format!("shutting down ({who})"));
        self.enter(SystemState::Stopping);
        self.system.holding = (0..self.modules.len())
            .map(|i| {
                let dependents = self.dependents[i].iter();
                dependents
                    .filter(|dependent| self.modules[dependent.module].run.is_some())
                    .count()
            })
            .collect();
        for i in 0..self.modules.len() {
            match self.modules[i].state {
                State::Pending | State::Restarting => {
                    self.disarm(i, &[Timer::Backoff]);
                    self.shift(i, Trigger::StopRequested, State::Stopped, Some(Reason::Shutdown));
                }
                State::Crashed => {
                    self.shift(i, Trigger::StopRequested, State::Stopping, Some(Reason::Shutdown));
                    self.modules[i].ending = Ending::Stay(Reason::Shutdown);
                }
                State::Initializing | State::Ready | State::Degraded | State::Unhealthy => {
                    self.stop_if_free(i)
                }
                State::Stopping
                | State::Disabled
                | State::Stopped
                | State::Failed
                | State::Ghost
                | State::Invalid => {}
            }
        }
    }

    fn stop_if_free(&mut self, i: usize) {
        if self.system.holding[i] == 0 && self.modules[i].state.runs() {
            self.stop(
                i,
                Trigger::StopRequested,
                Reason::Shutdown,
                Ending::Stay(Reason::Shutdown),
            );
        }
    }

    /// A module has no processes any more: during a shutdown this may be what others have waited for.
    pub(super) fn ended(&mut self, i: usize) {
        if !self.system.shutting_down() {
            return;
        }
        for need in 0..self.modules[i].needs.len() {
            let on = self.modules[i].needs[need].on;
            self.system.holding[on] -= 1;
            self.stop_if_free(on);
        }
    }

    /// `role.shutdown-exits-zero`, `role.shutdown-leaves-no-process`
    pub(super) fn exit_when_empty(&mut self) {
        if self.system.state == SystemState::Stopping && self.system.running == 0 {
            self.enter(SystemState::Stopped);
            self.out.push(Effect::Exit { code: 0 });
        }
    }
}
