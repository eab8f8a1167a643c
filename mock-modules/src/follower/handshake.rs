//! The five lines from the module's side, and every way to get its two wrong.
//!
//! `put_off` gives back what is to be done at once, so that each answer has one place for its delay and one for itself.
use partenza_probe::{mac, signals::SignalName};
use serde_json::{Map, Value};

use super::{EXIT_PROTOCOL, Follower, GARBAGE, HANDSHAKE_LIMIT, KeyState, Later, Note, Stage};
use crate::{
    channel::Order,
    deviations::{HelloWord, LaunchWord, NonceOf, ProveWord, ReadyWord, WrongMac},
};

impl Follower {
    pub(super) fn launched(&mut self) {
        let delay = self.deviations.launch.as_ref().and_then(|launch| launch.delay);
        if self.put_off(delay, Later::Launch).is_some() {
            self.launch();
        }
    }

    pub(super) fn launch(&mut self) {
        self.handle_signals();
        let launch = self.deviations.launch.clone().unwrap_or_default();
        if let Some(signals) = launch.ignore {
            self.order(Order::Ignore { signals });
        }
        if let Some(fork) = launch.fork {
            self.order(Order::Fork(fork));
        }
        match (launch.does, launch.exit, launch.signal) {
            (Some(LaunchWord::Hang), ..) => return self.last_order(Order::Hang),
            (Some(LaunchWord::Close), ..) => return self.last_order(Order::Close),
            (None, Some(code), _) => return self.last_order(Order::Exit { code }),
            (None, None, Some(signal)) => return self.last_order(Order::Raise { signal }),
            (None, None, None) => {}
        }
        if let Some(method) = launch.early {
            self.send(
                &method,
                &format!(
                    "{{\"jsonrpc\":\"2.0\",\"method\":{},\"params\":{{}}}}\n",
                    Value::from(&*method)
                ),
            );
        }
        self.stage = Stage::Hello;
        self.order(Order::ReadKey);
        self.order(Order::StartReading);
    }

    /// Tells the puppet what to do about signals. One that follows the contract exits on TERM unasked.
    pub(super) fn handle_signals(&mut self) {
        let signals = self.deviations.signals.clone().unwrap_or_default();
        if !signals.ignore.is_empty() {
            self.order(Order::Ignore {
                signals: signals.ignore,
            });
        }
        if !signals.default.is_empty() {
            self.order(Order::Restore {
                signals: signals.default,
            });
        }
    }

    pub(super) fn got_key(&mut self, raw: &[u8], eof: bool) {
        self.note(Note::Key {
            raw: raw.to_vec(),
            eof,
        });
        let digits = raw
            .strip_suffix(b"\n")
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(mac::unhex_32) {
            Some(key) => self.key = KeyState::Known(key),
            None if matches!(self.key, KeyState::Known(_)) => {}
            None => {
                self.key = KeyState::Missing;
                self.surprise("the secret pipe does not hold 64 lower-case hexadecimal digits and an LF");
            }
        }
    }

    pub(super) fn got_first(&mut self, method: &str, id: Option<i64>, message: &Value, raw: Vec<u8>) {
        let (Some(id), "hello") = (id, method) else {
            return self.give_up("the first line is not a `hello` with an integer id");
        };
        let offers = |version: &Value| version == "1.0";
        if !message["params"]["versions"]
            .as_array()
            .is_some_and(|versions| versions.iter().any(offers))
        {
            self.surprise("`hello` does not offer version 1.0");
        }
        let theirs = message["params"]["nonce"].as_str().unwrap_or_default();
        let reused = || self.previous.as_ref().and_then(|previous| previous.nonce.clone());
        let nonce = match self.deviations.hello.as_ref().and_then(|hello| hello.nonce) {
            Some(NonceOf::Reused) => reused().unwrap_or_else(|| theirs.to_owned()),
            None => mac::hex(&self.derive(b"nonce")),
        };
        self.lines.l1 = raw;
        let delay = self.deviations.hello.as_ref().and_then(|hello| hello.delay);
        if let Some(Later::AnswerHello { id, nonce }) = self.put_off(delay, Later::AnswerHello { id, nonce })
        {
            self.answer_hello(id, &nonce);
        }
    }

    pub(super) fn answer_hello(&mut self, id: i64, nonce: &str) {
        self.memory.nonce = Some(nonce.to_owned());
        let provides = Value::from(self.provides.clone());
        let members = format!(
            "\"version\":\"1.0\",\"provides\":{provides},\"features\":[\"health\"],\"extensions\":[],\"nonce\":\"{nonce}\""
        );
        let honest = result_line(id, &members);
        let hello = self.deviations.hello.clone().unwrap_or_default();
        let answer = match hello.does {
            Some(HelloWord::Silence) => return self.stage = Stage::Mute,
            Some(HelloWord::Close) => return self.last_order(Order::Close),
            Some(HelloWord::Hang) => return self.last_order(Order::Hang),
            Some(HelloWord::Garbage) => Answer::of(GARBAGE),
            Some(HelloWord::Oversize) => Answer::of(oversize(id, &members)),
            Some(HelloWord::Bytewise) => Answer {
                bytewise: true,
                ..Answer::of(honest)
            },
            Some(HelloWord::Twice) => Answer {
                twice: true,
                ..Answer::of(honest)
            },
            None => match self.ending_or(hello.exit, hello.signal, hello.error, hello.raw, id) {
                Generic::Ended => return,
                Generic::Instead(text) => Answer::of(text),
                Generic::Nothing => Answer::of(
                    hello
                        .result
                        .map_or(honest, |changes| merged(id, &members, &changes)),
                ),
            },
        };
        self.lines.l2 = answer.line.clone();
        self.stage = Stage::Prove;
        self.give("hello", &answer);
        if self.deviations.ready.as_ref().and_then(|ready| ready.does) == Some(ReadyWord::Early) {
            self.send("ready", READY);
        }
    }

    pub(super) fn got_second(&mut self, method: &str, id: Option<i64>, message: &Value, raw: Vec<u8>) {
        let (Some(id), "prove") = (id, method) else {
            return self.give_up("the line after `hello` is not a `prove` with an integer id");
        };
        let KeyState::Known(key) = self.key else {
            return self.refuse_proof("there is no key to check the proof with");
        };
        let right = mac::hex(&mac::orchestrator_proof(&key, &self.lines.l1, &self.lines.l2));
        let given = message["params"]["mac"].as_str();
        if given != Some(&right) {
            let found = given.map_or_else(
                || "none".to_owned(),
                |given| format!("`{}`", given.escape_debug()),
            );
            return self.refuse_proof(&format!("expected the proof `{right}`, found {found}"));
        }
        self.lines.l3 = raw;
        let proof = mac::module_proof(&key, &self.lines.l1, &self.lines.l2, &self.lines.l3);
        let honest = result_line(id, &format!("\"mac\":\"{}\"", mac::hex(&proof)));
        let [l1, l2, l3] = [&self.lines.l1, &self.lines.l2, &self.lines.l3];
        self.session_key = Some(mac::session_key(&key, l1, l2, l3, honest.as_bytes()));
        let delay = self.deviations.prove.as_ref().and_then(|prove| prove.delay);
        let later = Later::AnswerProve {
            id,
            proof: mac::hex(&proof),
        };
        if let Some(Later::AnswerProve { id, proof }) = self.put_off(delay, later) {
            self.answer_prove(id, &proof);
        }
    }

    pub(super) fn answer_prove(&mut self, id: i64, proof: &str) {
        self.memory.proof = Some(proof.to_owned());
        let members = format!("\"mac\":\"{proof}\"");
        let honest = result_line(id, &members);
        let prove = self.deviations.prove.clone().unwrap_or_default();
        let answer = match prove.does {
            Some(ProveWord::Silence) => return self.stage = Stage::Mute,
            Some(ProveWord::Close) => return self.last_order(Order::Close),
            Some(ProveWord::Hang) => return self.last_order(Order::Hang),
            Some(ProveWord::Garbage) => Answer::of(GARBAGE),
            Some(ProveWord::Oversize) => Answer::of(oversize(id, &members)),
            Some(ProveWord::Bytewise) => Answer {
                bytewise: true,
                ..Answer::of(honest)
            },
            Some(ProveWord::Twice) => Answer {
                twice: true,
                ..Answer::of(honest)
            },
            None => match self.ending_or(prove.exit, prove.signal, prove.error, prove.raw, id) {
                Generic::Ended => return,
                Generic::Instead(text) => Answer::of(text),
                Generic::Nothing => Answer::of(match prove.mac {
                    None => honest,
                    Some(WrongMac::Missing) => result_line(id, ""),
                    Some(wrong) => result_line(id, &format!("\"mac\":\"{}\"", self.wrong_mac(wrong, proof))),
                }),
            },
        };
        self.stage = Stage::Live;
        self.give("prove", &answer);
    }

    fn wrong_mac(&self, wrong: WrongMac, proof: &str) -> String {
        let KeyState::Known(key) = self.key else {
            return String::new();
        };
        let l1 = String::from_utf8_lossy(&self.lines.l1);
        match wrong {
            WrongMac::Random => mac::hex(&self.derive(b"random proof")),
            WrongMac::Reused => self
                .previous
                .as_ref()
                .and_then(|previous| previous.proof.clone())
                .unwrap_or_else(|| {
                    let another = l1.replace("\"nonce\":\"", "\"nonce\":\"0");
                    mac::hex(&mac::module_proof(
                        &key,
                        another.as_bytes(),
                        &self.lines.l2,
                        &self.lines.l3,
                    ))
                }),
            WrongMac::Truncated => proof[..32].to_owned(),
            WrongMac::Reflected => mac::hex(&mac::orchestrator_proof(&key, &self.lines.l1, &self.lines.l2)),
            WrongMac::Uppercase => proof.to_uppercase(),
            WrongMac::Empty | WrongMac::Missing => String::new(),
            WrongMac::OtherKey => {
                let other = self.derive(b"another key");
                mac::hex(&mac::module_proof(
                    &other,
                    &self.lines.l1,
                    &self.lines.l2,
                    &self.lines.l3,
                ))
            }
        }
    }

    /// The deviations that both answers share and that are not words.
    fn ending_or(
        &mut self,
        exit: Option<i32>,
        signal: Option<SignalName>,
        error: Option<i64>,
        raw: Option<String>,
        id: i64,
    ) -> Generic {
        if let Some(code) = exit {
            self.last_order(Order::Exit { code });
            return Generic::Ended;
        }
        if let Some(signal) = signal {
            self.last_order(Order::Raise { signal });
            return Generic::Ended;
        }
        error
            .map(|code| error_line(id, code))
            .or(raw)
            .map_or(Generic::Nothing, Generic::Instead)
    }

    fn give(&mut self, method: &str, answer: &Answer) {
        self.send_bytes(method, &answer.line, answer.bytewise);
        if answer.twice {
            self.send_bytes(method, &answer.line, false);
        }
    }

    fn refuse_proof(&mut self, detail: &str) {
        self.note(Note::OrchestratorProofWrong {
            detail: detail.to_owned(),
        });
        self.last_order(Order::Exit { code: EXIT_PROTOCOL });
    }

    pub(super) fn give_up(&mut self, detail: &str) {
        self.surprise(detail);
        self.last_order(Order::Exit { code: EXIT_PROTOCOL });
    }

    /// 32 bytes for one purpose, the same in every run with the same seed.
    fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        mac::hmac_sha256(&self.randomness, &[purpose])
    }
}

enum Generic {
    Ended,
    Instead(String),
    Nothing,
}

struct Answer {
    line: Vec<u8>,
    bytewise: bool,
    twice: bool,
}

impl Answer {
    fn of(line: impl Into<String>) -> Self {
        Self {
            line: line.into().into_bytes(),
            bytewise: false,
            twice: false,
        }
    }
}

/// The announcement of readiness.
pub(super) const READY: &str = "{\"jsonrpc\":\"2.0\",\"method\":\"ready\",\"params\":{}}\n";

/// A line with a result of these members.
pub(super) fn result_line(id: i64, members: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{{members}}}}}\n")
}

/// A line with an error.
pub(super) fn error_line(id: i64, code: i64) -> String {
    let message = match code {
        -32601 => "method not found",
        -32603 => "internal error",
        _ => "refused by the script",
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":{code},\"message\":\"{message}\"}}}}\n")
}

/// An honest line with so much padding that it is one byte longer than allowed.
fn oversize(id: i64, members: &str) -> String {
    let bare = result_line(id, &format!("{members},\"pad\":\"\"")).len();
    let pad = "x".repeat((HANDSHAKE_LIMIT + 1).saturating_sub(bare));
    result_line(id, &format!("{members},\"pad\":\"{pad}\""))
}

/// The honest result with the script's changes.
fn merged(id: i64, members: &str, changes: &Map<String, Value>) -> String {
    let mut result: Map<String, Value> = serde_json::from_str(&format!("{{{members}}}")).unwrap_or_default();
    for (key, value) in changes {
        if value.is_null() {
            result.remove(key);
        } else {
            result.insert(key.clone(), value.clone());
        }
    }
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{}}}\n",
        Value::Object(result)
    )
}
