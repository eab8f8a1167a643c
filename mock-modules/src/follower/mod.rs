//! The judge's half of a module: it follows the contract through a puppet, and leaves it where the script says so.
//!
//! One follower is one launch of one module. It is fed with what the puppet reports and answers with actions: commands
//! for the puppet, timers for the engine, notes for the record. It does no I/O and reads no clock, so that every
//! deviation is tested byte by byte. The honest parts are as literal as the chapter: the lines are written out as text,
//! and what is proved is proved over the raw bytes that arrived.
//!
//! `Note::Sent` is given when a message is handed to the puppet, before it reaches the wire. In the record a message is
//! therefore never later than its effect.
mod handshake;
mod live;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use partenza_probe::{
    frame::{Line, LineSplitter},
    json::parse_strict,
    mac,
};
use serde_json::Value;

use crate::{
    channel::{CLOSED_BY_PEER, Command, Order, PuppetEvent},
    deed::Deed,
    deviations::Deviations,
};

/// What a follower is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The module's id.
    pub name: String,
    /// Which launch this is, from 1.
    pub generation: u32,
    /// The script's `except:`, for all generations.
    pub deviations: Deviations,
    /// 32 bytes from the run's seeded generator. Everything that has to be random is made from them.
    pub nonce: [u8; 32],
    /// What the module says that it provides, as in its module file: `log/basic@1.0`.
    pub provides: Vec<String>,
    /// What the previous launch of the same module left, see [`Follower::memory`].
    pub previous: Option<Memory>,
}

/// What a module that cheats across launches remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub(crate) nonce: Option<String>,
    pub(crate) proof: Option<String>,
}

/// What the engine has to do for a follower, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send this to the puppet.
    Command(Command),
    /// Call [`Follower::timer`] with this token after this time.
    After(Duration, TimerToken),
    /// Write this into the record.
    Note(Note),
}

/// Names one timer of one follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerToken(pub u64);

/// Something worth a line in the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A message was sent. An answer goes by the name of what it answers: the answer to `hello` is `hello`.
    Sent {
        /// The method; `raw` for scripted bytes that are no message.
        method: String,
        /// The bytes with their LF.
        raw: Vec<u8>,
    },
    /// A request or a notification came from the orchestrator.
    Received {
        /// The method; empty when the line has none.
        method: String,
        /// The bytes with their LF.
        raw: Vec<u8>,
        /// The message, or null when the line is not JSON.
        message: Value,
    },
    /// The orchestrator answered a request of the module.
    Answered {
        /// The method that was asked.
        method: String,
        /// The bytes with their LF.
        raw: Vec<u8>,
        /// The message.
        message: Value,
    },
    /// The key that the module was launched with. For the secret monitor; never write it into a report.
    Key {
        /// The bytes of the pipe as they were.
        raw: Vec<u8>,
        /// Whether the pipe was closed behind them.
        eof: bool,
    },
    /// All five lines are through.
    HandshakeComplete,
    /// The orchestrator's proof does not hold; the module exits with 76.
    OrchestratorProofWrong {
        /// What was found instead.
        detail: String,
    },
    /// The orchestrator did something that the contract does not allow.
    ProtocolSurprise {
        /// One sentence.
        detail: String,
    },
    /// The wire came to its end.
    WireClosed,
    /// A signal reached the module.
    GotSignal {
        /// Its name without `SIG`.
        name: String,
    },
    /// The module has a child now.
    Forked {
        /// Its process id.
        pid: i32,
    },
    /// The puppet could not do what it was told: a fault of the harness or of the launch.
    PuppetTrouble {
        /// One sentence.
        detail: String,
    },
}

/// One launch of one module. See the top of this file.
#[derive(Debug)]
pub struct Follower {
    name: String,
    deviations: Deviations,
    generation: u32,
    randomness: [u8; 32],
    provides: Vec<String>,
    previous: Option<Memory>,
    stage: Stage,
    key: KeyState,
    lines: Lines,
    splitter: LineSplitter,
    /// What arrived before it could be dealt with.
    inbox: VecDeque<Line>,
    memory: Memory,
    session_key: Option<[u8; 32]>,
    said_ready: bool,
    wire_closed: bool,
    health_checks: u32,
    /// Requests of the module that are still unanswered, by id.
    asked: BTreeMap<i64, String>,
    timers: BTreeMap<u64, Later>,
    last_timer: u64,
    last_command: u64,
    actions: Vec<Action>,
}

/// How far the module has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not begun to read.
    Launch,
    /// It waits for L1.
    Hello,
    /// It waits for L3.
    Prove,
    /// It waits for L5.
    Live,
    /// All five lines are through.
    Running,
    /// It says nothing any more, whatever it hears.
    Mute,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyState {
    Awaited,
    Known([u8; 32]),
    Missing,
}

/// The lines that the proofs are made over, with their LFs.
#[derive(Debug, Default)]
struct Lines {
    l1: Vec<u8>,
    l2: Vec<u8>,
    l3: Vec<u8>,
}

/// What was put off.
#[derive(Clone, Debug)]
enum Later {
    Launch,
    AnswerHello { id: i64, nonce: String },
    AnswerProve { id: i64, proof: String },
    SayReady,
    AnswerHealth { id: i64 },
    AnswerShutdown { id: i64 },
}

impl Follower {
    /// A follower for a puppet that is about to say `hello` on the side channel.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            name: setup.name,
            deviations: setup.deviations.in_generation(setup.generation),
            generation: setup.generation,
            randomness: setup.nonce,
            provides: setup.provides,
            previous: setup.previous,
            stage: Stage::Launch,
            key: KeyState::Awaited,
            lines: Lines::default(),
            splitter: LineSplitter::new(LIVE_LIMIT),
            inbox: VecDeque::new(),
            memory: Memory::default(),
            session_key: None,
            said_ready: false,
            wire_closed: false,
            health_checks: 0,
            asked: BTreeMap::new(),
            timers: BTreeMap::new(),
            last_timer: 0,
            last_command: 0,
            actions: Vec::new(),
        }
    }

    /// Takes in one report of the puppet. The first has to be its `hello`.
    pub fn handle(&mut self, event: &PuppetEvent) -> Vec<Action> {
        match event {
            PuppetEvent::Hello { .. } => self.launched(),
            PuppetEvent::Key { hex, eof } => self.got_key(&mac::unhex(hex).unwrap_or_default(), *eof),
            PuppetEvent::Rx { hex } => {
                let lines = self.splitter.push(&mac::unhex(hex).unwrap_or_default());
                self.inbox.extend(lines);
                if self.splitter.over_long() {
                    self.surprise("a line is longer than 65536 bytes");
                }
            }
            PuppetEvent::Eof => {
                if let Some(rest) = self.splitter.finish() {
                    let length = rest.length;
                    self.surprise(format!(
                        "the wire ended inside a line, after {length} bytes without an LF"
                    ));
                }
                self.wire_ended();
            }
            PuppetEvent::Done {
                error: Some(error), ..
            } if error == CLOSED_BY_PEER => self.wire_ended(),
            PuppetEvent::Signal { name } => self.note(Note::GotSignal { name: name.clone() }),
            PuppetEvent::Forked { pid } => self.note(Note::Forked { pid: *pid }),
            PuppetEvent::Done {
                id,
                error: Some(error),
            } => {
                self.note(Note::PuppetTrouble {
                    detail: format!("command {id} failed: {error}"),
                });
            }
            PuppetEvent::Trouble { detail } => self.note(Note::PuppetTrouble {
                detail: detail.clone(),
            }),
            PuppetEvent::Done { error: None, .. } | PuppetEvent::ForkHello { .. } => {}
        }
        self.take_lines();
        std::mem::take(&mut self.actions)
    }

    /// Takes in the end of a timer that an earlier answer asked for. A token that is no longer of use does nothing.
    pub fn timer(&mut self, TimerToken(token): TimerToken) -> Vec<Action> {
        if let Some(later) = self.timers.remove(&token)
            && self.stage != Stage::Mute
        {
            match later {
                Later::Launch => self.launch(),
                Later::AnswerHello { id, nonce } => self.answer_hello(id, &nonce),
                Later::AnswerProve { id, proof } => self.answer_prove(id, &proof),
                Later::SayReady => self.say_ready(),
                Later::AnswerHealth { id } => self.answer_health(id),
                Later::AnswerShutdown { id } => self.answer_shutdown(id),
            }
        }
        self.take_lines();
        std::mem::take(&mut self.actions)
    }

    /// Makes the module do what a step of the script says.
    pub fn perform(&mut self, deed: &Deed) -> Vec<Action> {
        self.do_deed(deed);
        std::mem::take(&mut self.actions)
    }

    /// What a later launch of the same module may reuse.
    #[must_use]
    pub fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// The session key, once the orchestrator's proof has been accepted.
    #[must_use]
    pub fn session_key(&self) -> Option<[u8; 32]> {
        self.session_key
    }

    /// The module's name, as it was set up.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which launch this is.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The orchestrator's end of the wire is closed, which shows in reading or in writing, whatever comes first.
    fn wire_ended(&mut self) {
        if !self.wire_closed {
            self.note(Note::WireClosed);
        }
        self.wire_closed = true;
        self.stage = Stage::Mute;
    }

    fn take_lines(&mut self) {
        // Without the key, the orchestrator's proof cannot be looked at.
        while !(self.stage == Stage::Launch || self.stage == Stage::Prove && self.key == KeyState::Awaited) {
            let Some(line) = self.inbox.pop_front() else {
                return;
            };
            self.receive(line);
        }
    }

    fn receive(&mut self, line: Line) {
        let message = match parse_strict(&line.raw) {
            Ok(strict) if strict.value.is_object() => strict.value,
            Ok(_) => return self.not_understood(line.raw, "a line is JSON, but not an object"),
            Err(fault) => return self.not_understood(line.raw, &format!("a line is {fault}")),
        };
        let id = message["id"].as_i64();
        let Some(method) = message["method"].as_str().map(str::to_owned) else {
            return self.answered(id, line.raw, message);
        };
        self.note(Note::Received {
            method: method.clone(),
            raw: line.raw.clone(),
            message: message.clone(),
        });
        match self.stage {
            Stage::Hello => self.got_first(&method, id, &message, line.raw),
            Stage::Prove => self.got_second(&method, id, &message, line.raw),
            Stage::Live => self.got_fifth(&method, id),
            Stage::Running => self.got_live(&method, id),
            Stage::Launch | Stage::Mute => {}
        }
    }

    fn not_understood(&mut self, raw: Vec<u8>, detail: &str) {
        self.note(Note::Received {
            method: String::new(),
            raw,
            message: Value::Null,
        });
        self.surprise(detail);
    }

    fn answered(&mut self, id: Option<i64>, raw: Vec<u8>, message: Value) {
        if let Some(method) = id.and_then(|id| self.asked.remove(&id)) {
            return self.note(Note::Answered { method, raw, message });
        }
        self.note(Note::Received {
            method: String::new(),
            raw,
            message,
        });
        self.surprise("an answer to something that was not asked");
    }

    /// Hands a line to the puppet and notes what it is.
    fn send(&mut self, method: &str, line: &str) {
        self.send_bytes(method, line.as_bytes(), false);
    }

    fn send_bytes(&mut self, method: &str, raw: &[u8], bytewise: bool) {
        self.note(Note::Sent {
            method: method.to_owned(),
            raw: raw.to_vec(),
        });
        self.order(Order::Tx {
            hex: mac::hex(raw),
            bytewise,
        });
    }

    fn order(&mut self, order: Order) {
        self.last_command += 1;
        self.actions.push(Action::Command(Command {
            id: self.last_command,
            order,
        }));
    }

    /// Orders something after which the module neither speaks nor listens.
    fn last_order(&mut self, order: Order) {
        self.order(order);
        self.stage = Stage::Mute;
    }

    fn note(&mut self, note: Note) {
        self.actions.push(Action::Note(note));
    }

    fn surprise(&mut self, detail: impl Into<String>) {
        self.note(Note::ProtocolSurprise {
            detail: detail.into(),
        });
    }

    /// Does it now, or after a delay.
    fn put_off(&mut self, delay: Option<Duration>, later: Later) -> Option<Later> {
        let Some(delay) = delay else { return Some(later) };
        self.last_timer += 1;
        self.timers.insert(self.last_timer, later);
        self.actions
            .push(Action::After(delay, TimerToken(self.last_timer)));
        None
    }
}

/// The longest line of a live wire, LF included.
const LIVE_LIMIT: usize = 65536;
/// The longest line before the fifth.
const HANDSHAKE_LIMIT: usize = 4096;
/// What a module exits with when the orchestrator cannot prove itself.
const EXIT_PROTOCOL: i32 = 76;
/// A line that is not JSON.
const GARBAGE: &str = "this is not JSON\n";
