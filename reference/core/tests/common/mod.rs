//! A simulated shell: it carries out effects on a virtual clock, and its modules follow the contract except where a test
//! tells them not to. Everything is decided by the order of a queue, so that a run can be repeated exactly.
#![allow(dead_code, reason = "each test binary uses another part of the simulation")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod look;
mod script;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use hmac::{Hmac, KeyInit, Mac};
use partenza_reference_core::machine::{Effect, Event, ExitStatus, LaunchSpec, Machine, Settings, Signal};
use partenza_reference_core::manifest::{Entrypoint, EntrypointProbe, Loaded, load};
use partenza_reference_core::wire::Key;
use partenza_reference_core::{ConnId, ModuleId};
use serde_json::{Value, json};
use sha2::Sha256;

pub(crate) use script::{Health, Hello, Proof, Script};

pub(crate) const MS: u64 = 1000;
pub(crate) const SECOND: u64 = 1_000_000;
/// The connection on which the simulation listens to the events.
const LISTENER: ConnId = ConnId(1);
/// The connection on which tests ask.
const ASKER: ConnId = ConnId(2);

/// One simulated process group.
#[derive(Debug)]
struct Group {
    generation: u64,
    script: Script,
    key: [u8; 32],
    transcript: Vec<u8>,
    leader: bool,
    leftovers: bool,
    open: bool,
    live: bool,
    shutdown_seen: Option<u64>,
}

enum Later {
    Deliver(Event),
    Send(ModuleId, u64, Vec<u8>),
    Exit(ModuleId, u64, ExitStatus),
    Empty(ModuleId, u64),
}

pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) now: u64,
    pub(crate) scripts: BTreeMap<String, Script>,
    groups: BTreeMap<ModuleId, Group>,
    later: BTreeMap<u64, Later>,
    order: BinaryHeap<Reverse<(u64, u64)>>,
    counter: u64,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    /// Every event notification, in order.
    pub(crate) journal: Vec<Value>,
    /// Replies on the asking connection.
    pub(crate) replies: Vec<Value>,
    /// Every line that a module received: (time, module, generation, message).
    pub(crate) received: Vec<(u64, String, u64, Value)>,
    /// Every signal: (time, module, generation, signal).
    pub(crate) signals: Vec<(u64, String, u64, Signal)>,
    pub(crate) spawned: Vec<(u64, LaunchSpec)>,
    pub(crate) statuses: BTreeMap<String, Value>,
    pub(crate) exit: Option<(u64, i32)>,
    pub(crate) dropped: Vec<ConnId>,
    /// Checks that have to hold after every event.
    shutdown_began: bool,
}

struct AllThere;

impl EntrypointProbe for AllThere {
    fn inspect(&self, path: &str) -> Entrypoint {
        match path {
            "/bin/ghost" => Entrypoint::Missing,
            "/bin/invalid" => Entrypoint::NotExecutable,
            _ => Entrypoint::Executable,
        }
    }
}

/// Loads module files given as text; ids name the files.
pub(crate) fn load_texts(texts: &[(&str, String)]) -> Loaded {
    let files: Vec<_> = texts
        .iter()
        .map(|(name, text)| (format!("m/{name}.yaml"), text.clone().into_bytes()))
        .collect();
    load(&files, &AllThere)
}

/// A module file with the usual lines and these further ones.
pub(crate) fn file(id: &str, more: &str) -> String {
    format!("id: {id}\nversion: 1.0.0\nentrypoint: /bin/true\n{more}")
}

impl World {
    pub(crate) fn new(modules: &[(&str, &str)]) -> Self {
        Self::seeded(modules, 7)
    }

    pub(crate) fn seeded(modules: &[(&str, &str)], seed: u64) -> Self {
        let texts: Vec<_> = modules.iter().map(|(id, more)| (*id, file(id, more))).collect();
        let loaded = load_texts(&texts);
        for diagnostic in &loaded.diagnostics {
            println!("{diagnostic}");
        }
        assert!(!loaded.has_errors());
        Self::of(loaded, seed)
    }

    pub(crate) fn of(loaded: Loaded, seed: u64) -> Self {
        let settings = Settings {
            version: "0.1.0".to_owned(),
            boot: "2b9f7d0e-5f0a-4c4e-9d52-6f1c1b3a8e01".to_owned(),
            pid: 1,
            seed,
            environment: vec![
                ("PATH".to_owned(), "/bin".to_owned()),
                ("SECRET".to_owned(), "x".to_owned()),
            ],
            runtime_dir: "/run/p".to_owned(),
        };
        Self {
            machine: Machine::new(settings, loaded),
            now: 0,
            scripts: BTreeMap::new(),
            groups: BTreeMap::new(),
            later: BTreeMap::new(),
            order: BinaryHeap::new(),
            counter: 0,
            events: BinaryHeap::new(),
            journal: Vec::new(),
            replies: Vec::new(),
            received: Vec::new(),
            signals: Vec::new(),
            spawned: Vec::new(),
            statuses: BTreeMap::new(),
            exit: None,
            dropped: Vec::new(),
            shutdown_began: false,
        }
    }

    pub(crate) fn script(mut self, module: &str, change: impl FnOnce(&mut Script)) -> Self {
        change(self.scripts.entry(module.to_owned()).or_default());
        self
    }

    /// Boots and listens.
    pub(crate) fn boot(mut self) -> Self {
        self.feed(Event::ControlBytes {
            conn: LISTENER,
            bytes: b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events\"}\n".to_vec(),
        });
        self.feed(Event::Boot);
        self
    }

    /// Feeds one event and carries out what follows at once.
    pub(crate) fn feed(&mut self, event: Event) {
        let effects = self.machine.handle(self.now, event);
        for effect in effects {
            self.carry_out(effect);
        }
        self.check_invariants();
    }

    fn at(&mut self, time: u64, later: Later) {
        self.counter += 1;
        self.later.insert(self.counter, later);
        self.order.push(Reverse((time, self.counter)));
    }

    /// Runs until this time.
    pub(crate) fn run_until(&mut self, end: u64) {
        while self.exit.is_none() {
            let queued = self.order.peek().map(|Reverse((time, _))| *time);
            let deadline = self.machine.next_deadline();
            let next = match (queued, deadline) {
                (Some(a), Some(b)) => a.min(b),
                (Some(a), None) => a,
                (None, Some(b)) => b,
                (None, None) => break,
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if queued == Some(next) {
                let Reverse((_, number)) = self.order.pop().unwrap();
                let later = self.later.remove(&number).unwrap();
                self.happen(later);
            } else {
                self.feed(Event::Tick);
                let again = self.machine.next_deadline();
                assert!(
                    again.is_none_or(|at| at > self.now),
                    "a deadline that has passed must not stay"
                );
            }
        }
        self.now = self.now.max(end);
    }

    pub(crate) fn run(&mut self, time: u64) {
        self.run_until(self.now + time);
    }

    fn happen(&mut self, later: Later) {
        match later {
            Later::Deliver(event) => self.feed(event),
            Later::Send(module, generation, bytes) => {
                if self
                    .groups
                    .get(&module)
                    .is_some_and(|g| g.generation == generation && g.open && g.leader)
                {
                    self.feed(Event::Bytes {
                        module,
                        generation,
                        bytes,
                    });
                }
            }
            Later::Exit(module, generation, status) => {
                let Some(group) = self
                    .groups
                    .get_mut(&module)
                    .filter(|g| g.generation == generation && g.leader)
                else {
                    return;
                };
                group.leader = false;
                let was_open = std::mem::replace(&mut group.open, false);
                let leftovers = group.script.leftovers;
                if leftovers.is_some() {
                    group.leftovers = true;
                }
                if was_open {
                    self.feed(Event::Eof {
                        module: module.clone(),
                        generation,
                    });
                }
                self.feed(Event::Exited {
                    module: module.clone(),
                    generation,
                    status,
                });
                self.at(
                    self.now + leftovers.unwrap_or(0),
                    Later::Empty(module, generation),
                );
            }
            Later::Empty(module, generation) => {
                if self
                    .groups
                    .get(&module)
                    .is_some_and(|g| g.generation == generation && !g.leader)
                {
                    self.groups.remove(&module);
                    self.feed(Event::GroupEmpty { module, generation });
                }
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        assert!(self.exit.is_none(), "nothing comes after the exit: {effect:?}");
        match effect {
            Effect::Spawn(spec) => self.spawn(spec),
            Effect::Send {
                module,
                generation,
                bytes,
            } => self.module_receives(&module, generation, &bytes),
            Effect::Hangup { module, generation } => {
                if let Some(group) = self
                    .groups
                    .get_mut(&module)
                    .filter(|g| g.generation == generation)
                {
                    group.open = false;
                }
            }
            Effect::SignalGroup {
                module,
                generation,
                signal,
            } => {
                self.signals
                    .push((self.now, module.to_string(), generation, signal));
                let Some(group) = self.groups.get(&module).filter(|g| g.generation == generation) else {
                    return;
                };
                let number = match signal {
                    Signal::Term if group.script.heeds_term => 15,
                    Signal::Term => return,
                    Signal::Kill => 9,
                };
                if group.leader {
                    if let Some(group) = self.groups.get_mut(&module) {
                        group.script.leftovers = None;
                    }
                    self.at(
                        self.now,
                        Later::Exit(module, generation, ExitStatus::Signal(number)),
                    );
                } else {
                    self.at(self.now, Later::Empty(module, generation));
                }
            }
            Effect::Probe {
                module, generation, ..
            } => {
                let health = self
                    .scripts
                    .get(module.as_str())
                    .map_or(Health::Ready, |s| s.health.clone());
                let (ok, after) = match health {
                    Health::Ready | Health::Degraded => (true, MS),
                    Health::Error => (false, MS),
                    Health::Silent => (false, SECOND),
                };
                let detail = if ok { String::new() } else { "no".to_owned() };
                self.at(
                    self.now + after,
                    Later::Deliver(Event::ProbeDone {
                        module,
                        generation,
                        ok,
                        detail,
                    }),
                );
            }
            Effect::Reply { conn, bytes } | Effect::Notify { conn, bytes } => {
                for line in bytes.split_inclusive(|b| *b == b'\n') {
                    let value: Value = serde_json::from_slice(line).unwrap();
                    assert_eq!(line.last(), Some(&b'\n'));
                    if conn == ASKER {
                        self.replies.push(value);
                    } else if conn == LISTENER && value["method"] == "event" {
                        self.journal.push(value["params"].clone());
                    }
                }
            }
            Effect::DropControl { conn } => self.dropped.push(conn),
            Effect::WriteStatus { module, json } => {
                self.statuses
                    .insert(module.to_string(), serde_json::from_str(&json).unwrap());
            }
            Effect::Log { .. } => {}
            Effect::Exit { code } => {
                assert!(self.groups.is_empty(), "role.shutdown-leaves-no-process");
                self.exit = Some((self.now, code));
            }
        }
    }

    fn spawn(&mut self, spec: LaunchSpec) {
        assert!(
            !self.groups.contains_key(&spec.module),
            "unit.at-most-one-generation: {}",
            spec.module
        );
        assert!(!self.shutdown_began, "role.no-launch-after-shutdown");
        let script = self
            .scripts
            .get(spec.module.as_str())
            .cloned()
            .unwrap_or_default();
        let (module, generation) = (spec.module.clone(), spec.generation);
        self.spawned.push((self.now, spec));
        if script.exec_fails {
            let event = Event::SpawnFailed {
                module,
                generation,
                stage: "exec".to_owned(),
                errno: 2,
            };
            self.at(self.now, Later::Deliver(event));
            return;
        }
        let number = u8::try_from(self.spawned.len() % 251).unwrap();
        let key = [number; 32];
        let dies = script.dies_after;
        self.groups.insert(
            module.clone(),
            Group {
                generation,
                script,
                key,
                transcript: Vec::new(),
                leader: true,
                leftovers: false,
                open: true,
                live: false,
                shutdown_seen: None,
            },
        );
        let pid = 100 + u32::try_from(self.spawned.len()).unwrap();
        let event = Event::Spawned {
            module: module.clone(),
            generation,
            pid,
            key: Key::new(key),
            nonce: [number ^ 0xff; 32],
        };
        self.at(self.now, Later::Deliver(event));
        if let Some((after, status)) = dies {
            self.at(self.now + after, Later::Exit(module, generation, status));
        }
    }

    fn module_receives(&mut self, module: &ModuleId, generation: u64, bytes: &[u8]) {
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let message: Value = serde_json::from_slice(line).unwrap();
            self.received
                .push((self.now, module.to_string(), generation, message.clone()));
            let Some(group) = self
                .groups
                .get_mut(module)
                .filter(|g| g.generation == generation && g.leader)
            else {
                continue;
            };
            let now = self.now;
            let script = group.script.clone();
            let answer = match message["method"].as_str() {
                Some("hello") => {
                    group.transcript.extend_from_slice(line);
                    match script.hello {
                        Hello::Honest => {
                            let l2 = line_of(&json!({"jsonrpc": "2.0", "id": 1, "result": {
                                "version": "1.0", "nonce": "abcd".repeat(16)}}));
                            group.transcript.extend_from_slice(&l2);
                            Some(l2)
                        }
                        Hello::Silent => None,
                        Hello::Raw(bytes) => {
                            group.transcript.extend_from_slice(&bytes);
                            Some(bytes)
                        }
                        Hello::Close => {
                            group.open = false;
                            let event = Event::Eof {
                                module: module.clone(),
                                generation,
                            };
                            self.at(now, Later::Deliver(event));
                            None
                        }
                    }
                }
                Some("prove") => {
                    let expected = mac(&group.key, b"partenza/1 orchestrator\n", &group.transcript);
                    assert_eq!(
                        message["params"]["mac"],
                        hex(&expected),
                        "handshake.orchestrator-proof-correct"
                    );
                    group.transcript.extend_from_slice(line);
                    let proof = hex(&mac(&group.key, b"partenza/1 module\n", &group.transcript));
                    match script.proof {
                        Proof::Honest => Some(line_of(
                            &json!({"jsonrpc": "2.0", "id": 2, "result": {"mac": proof}}),
                        )),
                        Proof::Silent => None,
                        Proof::Wrong => Some(line_of(
                            &json!({"jsonrpc": "2.0", "id": 2, "result": {"mac": "0".repeat(64)}}),
                        )),
                        Proof::Missing => Some(line_of(&json!({"jsonrpc": "2.0", "id": 2, "result": {}}))),
                        Proof::Raw(bytes) => Some(bytes),
                    }
                }
                Some("live") => {
                    assert_eq!(script.proof, Proof::Honest, "handshake.no-live-to-liar");
                    group.live = true;
                    if let Some((after, status)) = script.exits_after {
                        self.at(now + after, Later::Exit(module.clone(), generation, status));
                    }
                    if let Some(after) = script.ready_after {
                        let ready = line_of(&json!({"jsonrpc": "2.0", "method": "ready"}));
                        self.at(now + after, Later::Send(module.clone(), generation, ready));
                    }
                    None
                }
                Some("health.check") => {
                    let health = self
                        .scripts
                        .get(module.as_str())
                        .map_or(Health::Ready, |s| s.health.clone());
                    let id = &message["id"];
                    match health {
                        Health::Ready => {
                            Some(json!({"jsonrpc": "2.0", "id": id, "result": {"state": "ready"}}))
                        }
                        Health::Degraded => {
                            Some(json!({"jsonrpc": "2.0", "id": id, "result": {"state": "degraded"}}))
                        }
                        Health::Error => {
                            Some(json!({"jsonrpc": "2.0", "id": id, "error": {"code": -1, "message": "no"}}))
                        }
                        Health::Silent => None,
                    }
                    .map(|value| line_of(&value))
                }
                Some("shutdown") => {
                    assert!(group.live, "nobody is asked before it is live");
                    group.shutdown_seen = Some(now);
                    if let Some(after) = script.stops_after {
                        self.at(
                            now + after,
                            Later::Exit(module.clone(), generation, ExitStatus::Code(0)),
                        );
                    }
                    None
                }
                _ => None,
            };
            if let Some(answer) = answer {
                self.at(now, Later::Send(module.clone(), generation, answer));
            }
        }
    }
}

pub(crate) fn line_of(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

fn mac(key: &[u8; 32], label: &[u8], transcript: &[u8]) -> Vec<u8> {
    let mut hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap();
    hmac.update(label);
    hmac.update(transcript);
    hmac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
