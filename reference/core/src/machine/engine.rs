//! The machine itself: what it holds, how an event runs through it, and the one way to change a state.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

use super::deps::Dependent;
use super::effect::{Effect, Level};
use super::event::Event;
use super::instance::{Instance, Standing, exit_json};
use super::state::{Reason, State, Trigger};
use super::system::System;
use super::table::successors;
use super::timer::{Deadlines, Timer};
use crate::control::Journal;
use crate::id::{ConnId, ModuleId};
use crate::manifest::{Loaded, escape};
use crate::plan::Plan;
use crate::wire::line::Splitter;

/// What the machine has to know about the world it runs in. All randomness and all surroundings enter here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The version of the program, for `hello.orchestrator` (`partenza/<version>`) and status.
    pub version: String,
    /// A fresh random UUID of this boot, lower case (`handshake.hello-boot-constant`).
    pub boot: String,
    /// The orchestrator's own pid.
    pub pid: u32,
    /// The seed of the back-off jitter.
    pub seed: u64,
    /// The orchestrator's environment; the machine picks the allowed names from it.
    pub environment: Vec<(String, String)>,
    /// The absolute runtime directory. Each module gets `{runtime}/modules/<id>`.
    pub runtime_dir: String,
}

/// The whole orchestrator without its hands.
#[derive(Debug)]
pub struct Machine {
    pub(super) settings: Settings,
    /// `partenza/<version>`
    pub(super) program: String,
    /// In byte order of the ids; the index is a module's name inside the machine.
    pub(super) modules: Vec<Instance>,
    pub(super) index: HashMap<ModuleId, usize>,
    /// For each module, who depends on it.
    pub(super) dependents: Vec<Vec<Dependent>>,
    pub(super) plan: Plan,
    pub(super) journal: Journal,
    pub(super) conns: HashMap<ConnId, Splitter>,
    pub(super) system: System,
    pub(super) deadlines: Deadlines,
    /// The time of the event that is being handled.
    pub(super) now: u64,
    /// Modules whose neighbours have to be looked at.
    pub(super) changed: VecDeque<usize>,
    /// Modules whose status has to be written.
    pub(super) dirty: Vec<usize>,
    pub(super) out: Vec<Effect>,
    /// How many times chance was asked.
    pub(super) drawn: u64,
}

impl Machine {
    /// A machine for these modules. Call it only when `loaded` holds no error.
    pub fn new(settings: Settings, loaded: Loaded) -> Self {
        let plan = Plan::new(&loaded);
        let mut dependents: Vec<Vec<Dependent>> = loaded.modules.iter().map(|_| Vec::new()).collect();
        for (module, edges) in loaded.edges.iter().enumerate() {
            for (need, edge) in edges.iter().enumerate() {
                dependents[edge.on].push(Dependent { module, need });
            }
        }
        // When one module is lost by several edges, the strongest of them acts first and the others find it done.
        for list in &mut dependents {
            list.sort_by_key(|one| {
                (
                    one.module,
                    loaded.edges[one.module][one.need].on_restart.weakness(),
                )
            });
        }
        let modules: Vec<Instance> = loaded
            .modules
            .into_iter()
            .zip(loaded.edges)
            .map(|(spec, edges)| Instance::new(spec, edges))
            .collect();
        Self {
            program: format!("partenza/{}", settings.version),
            index: modules
                .iter()
                .enumerate()
                .map(|(i, module)| (module.spec.id.clone(), i))
                .collect(),
            settings,
            modules,
            dependents,
            plan,
            journal: Journal::default(),
            conns: HashMap::new(),
            system: System::default(),
            deadlines: Deadlines::default(),
            now: 0,
            changed: VecDeque::new(),
            dirty: Vec::new(),
            out: Vec::new(),
            drawn: 0,
        }
    }

    /// Takes one event at `now` (microseconds since boot, never going back) and says what to do.
    pub fn handle(&mut self, now: u64, event: Event) -> Vec<Effect> {
        self.now = self.now.max(now);
        self.dispatch(event);
        self.settle();
        // What has arrived counts before a deadline that has passed meanwhile: the loop may just have been late.
        while let Some((_, module, timer)) = self.due() {
            self.modules[module].timers[timer as usize] = None;
            self.elapsed(module, timer);
            self.settle();
        }
        self.write_statuses();
        self.exit_when_empty();
        std::mem::take(&mut self.out)
    }

    /// When a `Tick` is wanted at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        // `handle` has just thrown away what does not count.
        self.deadlines.first()
    }

    /// The state of a module, for tests and for tools that embed the core.
    pub fn state_of(&self, id: &str) -> Option<State> {
        self.index.get(id).map(|i| self.modules[*i].state)
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Boot => self.boot(),
            Event::Spawned {
                module,
                generation,
                pid,
                key,
                nonce,
            } => {
                if let Some(i) = self.living(&module, generation) {
                    self.spawned(i, pid, key, nonce);
                }
            }
            Event::SpawnFailed {
                module,
                generation,
                stage,
                errno,
            } => {
                if let Some(i) = self.living(&module, generation) {
                    self.spawn_failed(i, &stage, errno);
                }
            }
            Event::Bytes {
                module,
                generation,
                bytes,
            } => {
                if let Some(i) = self.launched(&module, generation) {
                    self.received(i, &bytes);
                }
            }
            Event::Eof { module, generation } => {
                if let Some(i) = self.launched(&module, generation) {
                    self.closed(i);
                }
            }
            Event::Exited {
                module,
                generation,
                status,
            } => {
                if let Some(i) = self.launched(&module, generation) {
                    self.exited(i, status);
                }
            }
            Event::GroupEmpty { module, generation } => {
                if let Some(i) = self.launched(&module, generation) {
                    self.group_empty(i);
                }
            }
            Event::Overflow { module, generation } => {
                if let Some(i) = self.launched(&module, generation) {
                    self.overflowed(i);
                }
            }
            Event::ProbeDone {
                module,
                generation,
                ok,
                detail,
            } => {
                if let Some(i) = self.launched(&module, generation) {
                    self.probe_done(i, ok, &detail);
                }
            }
            Event::Tick => {}
            Event::ControlBytes { conn, bytes } => self.control_bytes(conn, &bytes),
            Event::ControlClosed { conn } => {
                self.conns.remove(&conn);
                self.journal.unsubscribe(conn);
            }
            Event::ControlLost { conn, count } => {
                let lost = self.journal.lost(conn, self.now, count);
                self.out.extend(lost);
            }
            Event::ShutdownSignal { signal } => self.shutdown(&super::event::SignalName(signal).to_string()),
        }
    }

    /// The module, when this generation of it is the one that has processes.
    fn living(&self, module: &ModuleId, generation: u64) -> Option<usize> {
        let i = *self.index.get(module)?;
        let instance = &self.modules[i];
        (instance.run.is_some() && instance.generation == generation).then_some(i)
    }

    /// The same, once the shell has reported the launch: before that nothing of it can have happened.
    fn launched(&self, module: &ModuleId, generation: u64) -> Option<usize> {
        let i = self.living(module, generation)?;
        self.modules[i]
            .run
            .as_ref()
            .is_some_and(|run| run.leader != 0)
            .then_some(i)
    }

    fn due(&mut self) -> Option<(u64, usize, Timer)> {
        let modules = &self.modules;
        let earliest = self
            .deadlines
            .earliest(|module, timer| modules[module].timers[timer as usize]);
        earliest.filter(|(at, _, _)| *at <= self.now)
    }

    fn elapsed(&mut self, i: usize, timer: Timer) {
        match timer {
            Timer::Handshake => self.handshake_elapsed(i),
            Timer::Start => self.start_elapsed(i),
            Timer::Term => self.term_elapsed(i),
            Timer::Kill => self.kill_elapsed(i),
            Timer::Backoff => self.backoff_elapsed(i),
            Timer::Stable => self.stable_elapsed(i),
            Timer::Health => self.health_elapsed(i),
            Timer::HealthReply => self.health_reply_elapsed(i),
            Timer::Exit => self.exit_elapsed(i),
        }
    }

    pub(super) fn arm(&mut self, i: usize, timer: Timer, at: u64) {
        self.deadlines.set(&mut self.modules[i].timers, i, timer, at);
    }

    pub(super) fn disarm(&mut self, i: usize, timers: &[Timer]) {
        for timer in timers {
            self.modules[i].timers[*timer as usize] = None;
        }
    }

    /// The one way to change a state. A pair that the table does not have is a bug of this crate: it is logged and
    /// changes nothing, because going on in a known state is safer than going on in an impossible one.
    pub(super) fn shift(&mut self, i: usize, trigger: Trigger, to: State, reason: Option<Reason>) -> bool {
        self.shift_with(i, trigger, to, reason, None)
    }

    pub(super) fn shift_with(
        &mut self,
        i: usize,
        trigger: Trigger,
        to: State,
        reason: Option<Reason>,
        delay_us: Option<u64>,
    ) -> bool {
        let from = self.modules[i].state;
        if !successors(from, trigger).contains(&to) {
            debug_assert!(false, "{} on {} to {}", from.name(), trigger.name(), to.name());
            let text = format!(
                "bug: no row from {} on {} to {}",
                from.name(),
                trigger.name(),
                to.name()
            );
            self.log(Some(i), Level::Error, text);
            return false;
        }
        let instance = &mut self.modules[i];
        instance.state = to;
        // The event carries the reason that the status will show.
        instance.reason = match (to, reason) {
            (State::Pending, None) if instance.is_parked() => Some(Reason::Dependency),
            _ => reason,
        };
        let reason = instance.reason;
        instance.detail = None;
        instance.since = self.now;
        if to == State::Ready {
            let at = self.now.saturating_add(instance.spec.restart.reset_after);
            self.arm(i, Timer::Stable, at);
        } else {
            self.disarm(i, &[Timer::Stable]);
        }
        self.announce(i, Some(from), delay_us);
        self.touch(i);
        if to == State::Failed && self.modules[i].spec.critical {
            // `recovery.critical-alert`
            let module = &self.modules[i].spec.id;
            let alert =
                json!({"type": "alert", "module": module.as_str(), "reason": reason.map(Reason::name)});
            self.emit(alert);
        }
        true
    }

    /// Emits the state event of a module.
    pub(super) fn announce(&mut self, i: usize, from: Option<State>, delay_us: Option<u64>) {
        let instance = &self.modules[i];
        let mut event = json!({
            "type": "state",
            "module": instance.spec.id.as_str(),
            "from": from.map(State::name),
            "to": instance.state.name(),
            "reason": instance.reason.map(Reason::name),
            "generation": instance.generation,
        });
        if let Some(delay) = delay_us {
            event["delay_ms"] = Value::from(delay / 1000);
        }
        self.emit(event);
    }

    /// Records an event and sends it to whoever listens (`control.events-sequence`, `control.events-live`).
    pub(super) fn emit(&mut self, event: Value) {
        self.journal.record(self.now, event, &mut self.out);
    }

    /// Emits an event about a generation, with a code and a detail.
    pub(super) fn emit_incident(&mut self, i: usize, kind: &str, code: &str, detail: &str) {
        let instance = &self.modules[i];
        let event = json!({
            "type": kind,
            "module": instance.spec.id.as_str(),
            "generation": instance.generation,
            "code": code,
            "detail": clip(detail),
        });
        self.emit(event);
    }

    pub(super) fn log(&mut self, i: Option<usize>, level: Level, text: String) {
        let module = i.map(|i| self.modules[i].spec.id.clone());
        self.out.push(Effect::Log { module, level, text });
    }

    pub(super) fn set_detail(&mut self, i: usize, detail: &str) {
        self.modules[i].detail = Some(clip(detail));
        self.mark(i);
    }

    /// Notes that the neighbours of a module have to be looked at, and its status to be written.
    pub(super) fn touch(&mut self, i: usize) {
        self.changed.push_back(i);
        self.mark(i);
    }

    /// Notes that the status of a module has to be written.
    pub(super) fn mark(&mut self, i: usize) {
        if !self.modules[i].dirty {
            self.modules[i].dirty = true;
            self.dirty.push(i);
        }
    }

    /// `control.status-files`
    fn write_statuses(&mut self) {
        for i in std::mem::take(&mut self.dirty) {
            self.modules[i].dirty = false;
            let effect = Effect::WriteStatus {
                module: self.modules[i].spec.id.clone(),
                json: self.status_json(i).to_string(),
            };
            self.out.push(effect);
        }
    }

    /// The status object (`control.status-shape`, `recovery.failure-is-visible`, `provider.offers-confirmed`).
    pub(super) fn status_json(&self, i: usize) -> Value {
        let instance = &self.modules[i];
        let waiting_for: Vec<&str> = instance
            .waits_for()
            .into_iter()
            .map(|on| self.modules[on].spec.id.as_str())
            .collect();
        let mut provides: Vec<String> = Vec::new();
        for provided in &instance.spec.provides {
            let shown = provided.shown();
            if !provides.contains(&shown) {
                provides.push(shown);
            }
        }
        let detail = instance.detail.clone().or_else(|| self.waiting_detail(i));
        json!({
            "id": instance.spec.id.as_str(),
            "version": instance.spec.version.to_string(),
            "state": instance.state.name(),
            "reason": instance.reason.map(Reason::name),
            "detail": detail,
            "generation": instance.generation,
            "pid": instance.run.as_ref().and_then(|run| run.pid),
            "restarts": instance.restarts,
            "since_ms": instance.since / 1000,
            "waiting_for": waiting_for,
            "provides": provides,
            "exit": instance.exit.map(exit_json),
        })
    }

    /// What a module that waits for a dependency waits for, in words.
    fn waiting_detail(&self, i: usize) -> Option<String> {
        let instance = &self.modules[i];
        if instance.reason != Some(Reason::Dependency) {
            return None;
        }
        let need = instance.needs.iter().find(|need| need.is_missing())?;
        let on = &self.modules[need.on];
        if instance.state == State::Degraded {
            return Some(format!("{} is lost", on.spec.id));
        }
        let why = on
            .reason
            .map(|reason| format!(": {}", reason.name()))
            .unwrap_or_default();
        Some(format!(
            "waits for {}, which is {}{why}",
            on.spec.id,
            on.state.name()
        ))
    }

    /// Whether the module counts for the state of the system, and how. Called whenever that may have changed.
    pub(super) fn recount(&mut self, i: usize) {
        let instance = &self.modules[i];
        let new = self.standing_of(instance);
        let old = instance.standing;
        if old != new {
            self.modules[i].standing = new;
            self.system.count(old, new);
        }
    }

    fn standing_of(&self, instance: &Instance) -> Standing {
        if !instance.spec.enabled || instance.spec.startup != crate::manifest::Startup::Eager {
            return Standing::Aside;
        }
        match instance.state {
            State::Pending | State::Degraded | State::Stopped
                if instance.reason == Some(Reason::Dependency) =>
            {
                Standing::Bad
            }
            State::Pending | State::Initializing | State::Crashed | State::Restarting | State::Stopping => {
                Standing::Starting
            }
            State::Ready | State::Degraded | State::Stopped => Standing::Fine,
            State::Unhealthy | State::Failed | State::Ghost | State::Invalid => Standing::Bad,
            State::Disabled => Standing::Aside,
        }
    }

    /// A number from 0 to 1 that depends on nothing but the seed and the number of draws (splitmix64).
    pub(super) fn chance(&mut self) -> f64 {
        self.drawn += 1;
        let mut z = self
            .settings
            .seed
            .wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        #[expect(clippy::cast_precision_loss, reason = "the 53 upper bits fit exactly")]
        let unit = (z >> 11) as f64 / (1_u64 << 53) as f64;
        unit
    }
}

/// Makes a text from outside fit for an event or a status object: one line, at most 1024 characters.
pub(super) fn clip(text: &str) -> String {
    escape(&text.chars().take(1000).collect::<String>())
        .chars()
        .take(1024)
        .collect()
}
