//! The handshake, from the orchestrator's side: five lines, one struct per awaited message.
//!
//! ```text
//! L1 O->M hello {versions, …, nonce}          Handshake begins: ExpectHello holds the key
//! L2 M->O {version, …, nonce}                 ExpectHello::reply   -> L3 and ExpectProof
//! L3 O->M prove {mac over L1 L2}
//! L4 M->O {mac over L1 L2 L3}                 ExpectProof::reply   -> Established; the key is erased
//! L5 O->M live
//! ```
//! Each struct is consumed by the line that it waits for, so that no line can be taken twice and no step can be left
//! out. What a wrong line leads to is in [`Refusal`]: everything but the one expected reply is refused
//! (`handshake.early-message-refused`, `handshake.garbage-refused`, `handshake.wrong-id-refused`,
//! `handshake.error-reply-refused`).

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::key::Key;
use super::message::{self, Message};
use super::{hex, mac};

/// The only version of the protocol that is spoken.
pub const VERSION: &str = "1.0";

/// What L1 tells the module.
#[derive(Debug, Clone, Serialize)]
pub struct Hello<'a> {
    /// The offered versions (`handshake.hello-versions`).
    pub versions: &'a [&'a str],
    /// Name and version of the program.
    pub orchestrator: &'a str,
    /// The id of this boot (`handshake.hello-boot-constant`).
    pub boot: &'a str,
    /// The module's id (`handshake.hello-names-module`).
    pub module: &'a str,
    /// The generation (`handshake.hello-generation`).
    pub generation: u64,
    /// The digest of the module file (`handshake.hello-manifest-digest`).
    pub manifest: &'a str,
    /// What the module is granted.
    pub grants: &'a [&'a str],
    /// The offered extensions.
    pub extensions: &'a [&'a str],
    /// 64 hex digits (`handshake.nonce-fresh`).
    pub nonce: String,
}

/// A line that ends the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of failure it is.
    pub kind: RefusalKind,
    /// A text for the event. It never holds key or proof (`secret.not-in-logs`).
    pub detail: String,
}

/// What a refused line leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The proof is absent or wrong: kill, `failed`, no retry.
    Auth,
    /// The line is not the expected one: kill, then the restart policy.
    Protocol,
    /// No common version: as protocol, with its own reason.
    Version,
}

/// L1 is sent, L2 is awaited.
#[derive(Debug)]
pub struct ExpectHello {
    key: Key,
    nonce: [u8; 32],
    transcript: Vec<u8>,
}

/// L3 is sent, L4 is awaited.
#[derive(Debug)]
pub struct ExpectProof {
    key: Key,
    transcript: Vec<u8>,
    offer: Offer,
}

/// What the module said in L2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// The interfaces that it provides; `None` when it said nothing about them.
    pub provides: Option<Vec<String>>,
    /// The optional features that it has.
    pub features: Vec<String>,
}

/// Both sides have proved themselves.
#[derive(Debug)]
pub struct Established {
    /// The session key, for channels.
    pub session: Key,
    /// What the module said in L2.
    pub offer: Offer,
}

/// Begins a handshake: L1 as bytes, and what waits for its answer (`handshake.hello-first`).
pub fn begin(key: Key, nonce: [u8; 32], hello: &Hello<'_>) -> (Vec<u8>, ExpectHello) {
    let l1 = message::request(1, "hello", hello);
    let expect = begun(key, nonce, l1.clone());
    (l1, expect)
}

/// What waits for the answer to this L1, whoever wrote it.
pub fn begun(key: Key, nonce: [u8; 32], l1: Vec<u8>) -> ExpectHello {
    ExpectHello {
        key,
        nonce,
        transcript: l1,
    }
}

/// The nonce as L1 carries it.
pub fn nonce_text(nonce: &[u8; 32]) -> String {
    hex::encode(nonce)
}

impl ExpectHello {
    /// Takes L2 with its LF; gives L3 and what waits for its answer (`handshake.orchestrator-proves-first`).
    pub fn reply(mut self, line: &[u8]) -> Result<(Vec<u8>, ExpectProof), Refusal> {
        let result = match message::read(line) {
            Ok(Message::Result { id: 1, result }) => result,
            Ok(Message::Error {
                id: Some(1),
                code: VERSION_ERROR,
                message,
            }) => {
                return Err(Refusal {
                    kind: RefusalKind::Version,
                    detail: format!("the module refused: {message}"),
                });
            }
            other => return Err(unexpected("hello", other)),
        };
        match result.get("version").and_then(Value::as_str) {
            Some(VERSION) => {}
            Some(other) => {
                let detail = format!("the module chose version `{other}`, which was not offered");
                return Err(Refusal {
                    kind: RefusalKind::Version,
                    detail,
                });
            }
            None => return Err(protocol("the reply to hello names no version")),
        }
        let nonce = result
            .get("nonce")
            .and_then(Value::as_str)
            .and_then(hex::decode_32);
        match nonce {
            None => {
                return Err(protocol(
                    "the nonce of the module is not 64 lower-case hex digits",
                ));
            }
            // `handshake.replayed-nonce`
            Some(nonce) if nonce == self.nonce => return Err(protocol("the module sent our own nonce back")),
            Some(_) => {}
        }
        let offer = Offer {
            provides: texts(&result, "provides")?,
            features: texts(&result, "features")?.unwrap_or_default(),
        };
        texts(&result, "extensions")?;
        self.transcript.extend_from_slice(line);
        let proof = hex::encode(&mac::mac(&self.key, mac::ORCHESTRATOR, &self.transcript));
        let l3 = message::request(2, "prove", json!({"mac": proof}));
        self.transcript.extend_from_slice(&l3);
        Ok((
            l3,
            ExpectProof {
                key: self.key,
                transcript: self.transcript,
                offer,
            },
        ))
    }
}

impl ExpectProof {
    /// Takes L4 with its LF. The key is erased either way (`handshake.module-proof-verified`, `handshake.key-erased`).
    pub fn reply(mut self, line: &[u8]) -> Result<Established, Refusal> {
        let result = match message::read(line) {
            Ok(Message::Result { id: 2, result }) => result,
            other => return Err(unexpected("prove", other)),
        };
        let auth = |detail: &str| Refusal {
            kind: RefusalKind::Auth,
            detail: detail.to_owned(),
        };
        let Some(proof) = result.get("mac") else {
            return Err(auth("the module sent no proof"));
        };
        let Some(proof) = proof.as_str().and_then(hex::decode_32) else {
            return Err(auth("the proof of the module is not 64 lower-case hex digits"));
        };
        if !mac::equal(&proof, &mac::mac(&self.key, mac::MODULE, &self.transcript)) {
            return Err(auth("the proof of the module is wrong"));
        }
        self.transcript.extend_from_slice(line);
        let session = Key::new(mac::mac(&self.key, mac::SESSION, &self.transcript));
        Ok(Established {
            session,
            offer: self.offer,
        })
    }
}

fn texts(result: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Refusal> {
    let wrong = || protocol(&format!("`{name}` in the reply to hello is no list of texts"));
    match result.get(name) {
        None => Ok(None),
        Some(Value::Array(items)) => {
            let read = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(wrong);
            items.iter().map(read).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(wrong()),
    }
}

fn protocol(detail: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Protocol,
        detail: detail.to_owned(),
    }
}

fn unexpected(awaited: &str, got: Result<Message, message::BadMessage>) -> Refusal {
    let got = match got {
        Err(error) => error.to_string(),
        Ok(Message::Request { method, .. }) => format!("it sent the request `{method}`"),
        Ok(Message::Notification { method, .. }) => format!("it sent the notification `{method}`"),
        Ok(Message::Result { id, .. }) => format!("it answered the id {id}"),
        Ok(Message::Error { code, message, .. }) => format!("it answered with error {code}: {message}"),
    };
    protocol(&format!("the reply to {awaited} was awaited: {got}"))
}

const VERSION_ERROR: i64 = -32001;
