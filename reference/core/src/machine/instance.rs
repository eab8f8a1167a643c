//! One module at run time: its state, its present generation, and what it waits for.
//!
//! Data only; every change goes through `Machine`, which checks the table.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::event::{ExitStatus, SignalName};
use super::state::{Reason, State};
use super::timer::Slots;
use crate::manifest::{Condition, Edge, Module};
use crate::wire::Key;
use crate::wire::handshake::{ExpectHello, ExpectProof};
use crate::wire::line::Splitter;

/// One module at run time.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) spec: Module,
    pub(super) state: State,
    pub(super) reason: Option<Reason>,
    pub(super) detail: Option<String>,
    /// When the state last changed.
    pub(super) since: u64,
    /// The number of the last launch of this boot.
    pub(super) generation: u64,
    /// The processes of the present generation; `None` when there are none.
    pub(super) run: Option<Run>,
    /// How the last generation ended.
    pub(super) exit: Option<ExitStatus>,
    /// Whether the module is to be launched when its conditions hold.
    pub(super) wanted: bool,
    /// What becomes of it when its group is empty. Meaningful in `stopping` and `crashed`.
    pub(super) ending: Ending,
    /// Automatic restarts since the counters were last reset.
    pub(super) restarts: u32,
    /// When the last restarts were decided, within the window.
    pub(super) history: VecDeque<u64>,
    /// Its dependencies.
    pub(super) needs: Vec<Need>,
    /// Required dependencies whose condition does not hold.
    pub(super) missing: usize,
    /// Dependencies, optional ones among them, that keep it from being launched.
    pub(super) blocking: usize,
    /// Required dependencies whose condition will not hold by itself.
    pub(super) hopeless: usize,
    pub(super) timers: Slots,
    /// How it counts for the state of the system.
    pub(super) standing: Standing,
    /// Whether its status has changed since it was last written.
    pub(super) dirty: bool,
}

/// A dependency and what is known of it.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) on: usize,
    pub(super) edge: Edge,
    pub(super) met: bool,
    pub(super) hopeless: bool,
}

impl Need {
    /// Whether it keeps its module from being launched. An optional one does so only while it can still come.
    pub(super) fn blocks(&self) -> bool {
        !(self.met || self.edge.optional && self.hopeless)
    }

    pub(super) fn is_missing(&self) -> bool {
        !self.met && !self.edge.optional
    }

    pub(super) fn is_hopeless(&self) -> bool {
        self.is_missing() && self.hopeless
    }
}

/// The processes of one launch.
#[derive(Debug)]
pub(super) struct Run {
    /// The leader, while it lives.
    pub(super) pid: Option<u32>,
    /// The leader's pid also after its end, for the exit event.
    pub(super) leader: u32,
    pub(super) phase: Phase,
    pub(super) splitter: Splitter,
    /// The id of the next request to the module.
    pub(super) next_id: i64,
    /// Whether this generation has become ready.
    pub(super) was_ready: bool,
    /// Whether it last reported itself as degraded.
    pub(super) self_degraded: bool,
    pub(super) health: HealthRun,
    /// Ignored messages that were recorded; bounded, so that a module cannot flush the event ring.
    pub(super) ignored: u32,
    /// How often the group was sent SIGKILL.
    pub(super) kills: u32,
}

/// How far the wire of a generation has come. Each phase owns what it waits with.
#[derive(Debug)]
pub(super) enum Phase {
    /// The shell has been asked to launch it and has not answered.
    Spawning,
    /// L1 is sent.
    Hello(Box<ExpectHello>),
    /// L3 is sent.
    Proof(Box<ExpectProof>),
    /// L5 is sent.
    Live {
        /// The session key, for channels.
        session: Box<Key>,
    },
    /// Nothing more is read or written.
    Closed,
}

/// The health checks of one generation.
#[derive(Debug, Default)]
pub(super) struct HealthRun {
    pub(super) outstanding: Option<Check>,
    /// The interval has passed while a check was still running.
    pub(super) due: bool,
    pub(super) failures: u32,
    pub(super) successes: u32,
    /// It has passed the configured number of checks in a row.
    pub(super) passed: bool,
}

/// A running health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// A request with this id.
    Wire(i64),
    /// A probe by the shell.
    External,
}

/// What becomes of a module when its group is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// `stopped`, as asked.
    Stay(Reason),
    /// `pending`: the operator wants it again.
    Again,
    /// `pending`: its dependency has to come back first.
    Park,
    /// The restart policy decides.
    Failure(Reason),
    /// It was live and exited with status 0: `stopped`, unless the policy is `always`.
    Completed,
    /// `failed`, never retried.
    Fatal(Reason),
}

/// How a module counts for the state of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not at all: disabled, or not eager.
    Aside,
    /// It may still become ready.
    Starting,
    /// It is where it should be.
    Fine,
    /// It needs somebody.
    Bad,
}

impl Instance {
    /// A module as it is before the boot.
    pub(super) fn new(spec: Module, edges: Vec<Edge>) -> Self {
        let needs: Vec<Need> = edges
            .into_iter()
            .map(|edge| Need {
                on: edge.on,
                edge,
                met: false,
                hopeless: false,
            })
            .collect();
        let missing = needs.iter().filter(|need| need.is_missing()).count();
        Self {
            spec,
            state: State::Pending,
            reason: None,
            detail: None,
            since: 0,
            generation: 0,
            run: None,
            exit: None,
            wanted: false,
            ending: Ending::Stay(Reason::Operator),
            restarts: 0,
            history: VecDeque::new(),
            missing,
            blocking: needs.len(),
            hopeless: 0,
            needs,
            timers: Slots::default(),
            standing: Standing::Aside,
            dirty: true,
        }
    }

    /// Whether the condition holds (`deps.condition-started`, `deps.condition-ready`, `deps.condition-healthy`,
    /// `deps.condition-completed`).
    pub(super) fn satisfies(&self, condition: Condition) -> bool {
        let done = self.reason == Some(Reason::Completed);
        let completed = self.state == State::Stopped && done;
        let ready = matches!(self.state, State::Ready | State::Degraded);
        match condition {
            Condition::Started => {
                // A module that has done its work has been started, too, also while its last processes end.
                completed
                    || self.state == State::Stopping && done
                    || self.state.runs() && self.run.as_ref().is_some_and(|run| run.pid.is_some())
            }
            Condition::Ready => ready,
            Condition::Healthy => {
                ready
                    && (self.spec.health.is_none() || self.run.as_ref().is_some_and(|run| run.health.passed))
            }
            Condition::Completed => completed,
        }
    }

    /// Whether the condition goes on holding for a dependent that was launched on it and still runs: a probe that fails
    /// takes `ready` from nobody, and what was completed once was completed.
    pub(super) fn upholds(&self, condition: Condition) -> bool {
        match condition {
            Condition::Ready => self.state == State::Unhealthy,
            Condition::Completed => true,
            Condition::Started | Condition::Healthy => false,
        }
    }

    /// The counters begin anew.
    pub(super) fn forgive(&mut self) {
        self.restarts = 0;
        self.history.clear();
    }

    /// Whether it is `pending` because of a dependency that cannot arrive without help.
    pub(super) fn is_parked(&self) -> bool {
        self.wanted && self.hopeless > 0
    }

    /// Whether nothing will change without somebody doing something.
    pub(super) fn is_hopeless(&self) -> bool {
        match self.state {
            State::Stopped | State::Failed | State::Disabled | State::Ghost | State::Invalid => true,
            State::Pending => !self.wanted || self.hopeless > 0,
            State::Initializing
            | State::Ready
            | State::Degraded
            | State::Unhealthy
            | State::Crashed
            | State::Restarting
            | State::Stopping => false,
        }
    }

    /// Notes what is known of one dependency, and keeps the sums.
    pub(super) fn learn(&mut self, need: usize, met: bool, hopeless: bool) {
        let need = &mut self.needs[need];
        self.blocking -= usize::from(need.blocks());
        self.missing -= usize::from(need.is_missing());
        self.hopeless -= usize::from(need.is_hopeless());
        need.met = met;
        need.hopeless = hopeless;
        self.blocking += usize::from(need.blocks());
        self.missing += usize::from(need.is_missing());
        self.hopeless += usize::from(need.is_hopeless());
    }

    /// The dependencies whose conditions do not hold, each once.
    pub(super) fn waits_for(&self) -> Vec<usize> {
        let listed = |need: &&Need| match self.state {
            State::Pending => need.blocks(),
            State::Initializing | State::Ready | State::Degraded | State::Unhealthy | State::Restarting => {
                need.is_missing()
            }
            State::Crashed
            | State::Disabled
            | State::Stopping
            | State::Stopped
            | State::Failed
            | State::Ghost
            | State::Invalid => false,
        };
        let mut on: Vec<usize> = self.needs.iter().filter(listed).map(|need| need.on).collect();
        on.sort_unstable();
        on.dedup();
        on
    }
}

/// `{"code": n}` or `{"signal": "SIGKILL"}` (`lifecycle.exit-status-shown`).
pub(super) fn exit_json(status: ExitStatus) -> Value {
    match status {
        ExitStatus::Code(code) => json!({"code": code}),
        ExitStatus::Signal(number) => json!({"signal": SignalName(number).to_string()}),
    }
}
