//! The trace of a case: one totally ordered record of everything that was seen and done.
//!
//! It is the only thing that predicates and monitors judge. It holds facts and no opinions, and nothing in it is secret:
//! the launch keys are kept beside it. Entries are numbered by their position, and evidence refers to those numbers.

use partenza_reports::log::TraceRecord;
use serde_json::Value;

/// What kind of fact an entry is. The comments name the members of its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The harness begins a step: `text`.
    Step,
    /// The orchestrator was started: `pid`, `command`.
    Start,
    /// The harness signalled the orchestrator: `signal`.
    Signalled,
    /// The orchestrator ended: `code` or `signal`.
    End,
    /// What the orchestrator printed, once it has ended: `text`.
    Output,
    /// A puppet reported for work: `generation`, `pid`, `snapshot`.
    Launch,
    /// The puppet read the secret pipe: `generation`, `length`, `eof`, `hex_digits`, `newline`.
    Key,
    /// The puppet received a request or notification: `generation`, `method`, `line`, `message`.
    Rx,
    /// The puppet received the answer to its own request: as `Rx`.
    Answer,
    /// The puppet sent something: `generation`, `method`, `line`.
    Tx,
    /// Both proofs were exchanged and found right: `generation`.
    Handshake,
    /// The orchestrator's proof was wrong: `generation`, `detail`.
    ProofWrong,
    /// The orchestrator did what the contract does not allow: `generation`, `detail`.
    Surprise,
    /// The puppet saw the end of the wire: `generation`.
    Eof,
    /// A signal reached the puppet: `generation`, `name`.
    Signal,
    /// The puppet forked: `generation`, `pid`.
    Forked,
    /// The puppet's process ended: `generation`, `pid`.
    Exit,
    /// A forked child ended: `pid`.
    ChildExit,
    /// The puppet could not do what it was told: `generation`, `detail`.
    Trouble,
    /// A control request was sent: `label`, `line`.
    Ask,
    /// A control request was answered: `label`, `line`, `message`.
    Reply,
    /// A control connection was closed by the orchestrator: `label`.
    Closed,
    /// The orchestrator emitted an event: the event's own members.
    Event,
    /// The orchestrator reported the status of all modules: the result's own members.
    Status,
    /// The check command ended: `label`, `code` or `signal`, `output`.
    Run,
    /// Anything else that helps a reader: `text`.
    Note,
}

impl Kind {
    /// The name that the event log uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Start => "start",
            Self::Signalled => "signalled",
            Self::End => "end",
            Self::Output => "output",
            Self::Launch => "launch",
            Self::Key => "key",
            Self::Rx => "rx",
            Self::Answer => "answer",
            Self::Tx => "tx",
            Self::Handshake => "handshake",
            Self::ProofWrong => "proof-wrong",
            Self::Surprise => "surprise",
            Self::Eof => "eof",
            Self::Signal => "signal",
            Self::Forked => "forked",
            Self::Exit => "exit",
            Self::ChildExit => "child-exit",
            Self::Trouble => "trouble",
            Self::Ask => "ask",
            Self::Reply => "reply",
            Self::Closed => "closed",
            Self::Event => "event",
            Self::Status => "status",
            Self::Run => "run",
            Self::Note => "note",
        }
    }
}

/// One fact.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Microseconds since the case began.
    pub t_us: u64,
    /// A module, `orchestrator`, `control` or `harness`.
    pub actor: String,
    /// What kind of fact.
    pub kind: Kind,
    /// The fact.
    pub data: Value,
}

impl Entry {
    /// A member of the data as text; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.data.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The generation that the entry belongs to, when it belongs to one.
    pub fn generation(&self) -> Option<u64> {
        self.data.get("generation").and_then(Value::as_u64)
    }

    /// Whether it is of this module and kind.
    pub fn is(&self, module: &str, kind: Kind) -> bool {
        self.kind == kind && self.actor == module
    }

    /// The entry on one line, for the detail of a report.
    pub fn summary(&self) -> String {
        let what = match self.kind {
            Kind::Rx | Kind::Answer | Kind::Tx | Kind::Ask | Kind::Reply => {
                self.text("line").trim_end().to_owned()
            }
            Kind::Launch => {
                let number = |name| self.data.get(name).cloned().unwrap_or_default();
                format!("generation {} pid {}", number("generation"), number("pid"))
            }
            Kind::Step | Kind::Note | Kind::Output => self.text("text").to_owned(),
            _ => self.data.to_string(),
        };
        let millis = self.t_us / 1000;
        let micros = self.t_us % 1000;
        format!(
            "{millis:>6}.{micros:03} ms  {:<14} {:<10} {}",
            self.actor,
            self.kind.as_str(),
            clip(&what, 300)
        )
    }

    /// The entry as a record of the event log.
    pub fn record(&self, case: &str) -> TraceRecord {
        TraceRecord {
            case: case.to_owned(),
            t_us: self.t_us,
            actor: self.actor.clone(),
            kind: self.kind.as_str().to_owned(),
            data: self.data.clone(),
        }
    }
}

/// Cuts a text to `limit` characters, saying that it did.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}
