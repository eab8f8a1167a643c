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

use std::{collections::HashMap, time::Duration};

use partenza_probe::frame::LineSplitter;
use serde_json::Value;

use crate::{
    channel::{Command, Order, PuppetEvent},
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
    _todo: (),
}

impl Follower {
    /// A follower for a puppet that is about to say `hello` on the side channel.
    #[must_use]
    pub fn new(_setup: Setup) -> Self {
        todo!()
    }

    /// Takes in one report of the puppet. The first has to be its `hello`.
    pub fn handle(&mut self, _event: &PuppetEvent) -> Vec<Action> {
        todo!()
    }

    /// Takes in the end of a timer that an earlier answer asked for. A token that is no longer of use does nothing.
    pub fn timer(&mut self, _token: TimerToken) -> Vec<Action> {
        todo!()
    }

    /// Makes the module do what a step of the script says.
    pub fn perform(&mut self, _deed: &Deed) -> Vec<Action> {
        todo!()
    }

    /// What a later launch of the same module may reuse.
    #[must_use]
    pub fn memory(&self) -> Memory {
        todo!()
    }

    /// The session key, once the fourth line is sent.
    #[must_use]
    pub fn session_key(&self) -> Option<[u8; 32]> {
        todo!()
    }
}
