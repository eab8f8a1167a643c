//! The order of messages on each connection: `hello`, `prove`, `live`, then the rest.
//!
//! A small state machine for each launch, fed with what the puppet received and sent. It judges the orchestrator only
//! as far as the module gave it a right reason: what follows a module's own violation is the business of the cases about it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Found, Material};
use crate::judge::trace::{Entry, Kind, clip};

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Nothing was sent.
    Begin,
    /// `hello` was received.
    Hello,
    /// `hello` was answered.
    Answered,
    /// `prove` was received.
    Prove,
    /// `prove` was answered.
    Proved,
    /// `live` was received.
    Live,
}

struct Connection {
    phase: Phase,
    open: BTreeSet<i64>,
}

pub(super) fn judge(material: &Material<'_>) -> Option<Found> {
    let mut connections: BTreeMap<(String, u64), Connection> = BTreeMap::new();
    for (at, entry) in material.trace.iter().enumerate() {
        if !matches!(entry.kind, Kind::Rx | Kind::Tx | Kind::ProofWrong) {
            continue;
        }
        let generation = entry.generation().unwrap_or(1);
        let key = (entry.actor.clone(), generation);
        let connection = connections.entry(key).or_insert_with(|| Connection {
            phase: Phase::Begin,
            open: BTreeSet::new(),
        });
        let fault = match entry.kind {
            Kind::Rx => connection.receive(entry),
            Kind::Tx => {
                connection.send(entry);
                Ok(())
            }
            Kind::ProofWrong => Err("the orchestrator's proof is wrong".to_owned()),
            _ => Ok(()),
        };
        if let Err(fault) = fault {
            let actual = if entry.kind == Kind::Rx {
                entry.text("line").trim_end()
            } else {
                entry.text("detail")
            };
            return Some(Found::bad(clip(actual, 600), [at]).saying(fault));
        }
    }
    (!connections.is_empty()).then(|| Found::good(format!("{} connections", connections.len())))
}

impl Connection {
    fn receive(&mut self, entry: &Entry) -> Result<(), String> {
        let method = entry.text("method");
        let id = entry.data.pointer("/message/id").and_then(Value::as_i64);
        let next = match (self.phase, method) {
            (Phase::Begin, "hello") => Phase::Hello,
            (Phase::Answered, "prove") => Phase::Prove,
            (Phase::Proved, "live") => Phase::Live,
            (Phase::Live, "hello" | "prove" | "live") => return Err(format!("`{method}` came after `live`")),
            (Phase::Live, _) => Phase::Live,
            (phase, method) => return Err(format!("`{method}` came while the connection was at {phase:?}")),
        };
        self.phase = next;
        match id {
            None if matches!(method, "hello" | "prove") => {
                Err(format!("`{method}` is a request and has no id"))
            }
            Some(id) if !self.open.insert(id) => Err(format!("the id {id} is still in use")),
            _ => Ok(()),
        }
    }

    fn send(&mut self, entry: &Entry) {
        let message: Value = serde_json::from_str(entry.text("line")).unwrap_or(Value::Null);
        if message.get("method").is_none()
            && let Some(id) = message.get("id").and_then(Value::as_i64)
        {
            self.open.remove(&id);
        }
        // Anything that goes by the name of the reply counts: whether it was a right one, other cases ask.
        match (self.phase, entry.text("method")) {
            (Phase::Hello, "hello") => self.phase = Phase::Answered,
            (Phase::Prove, "prove") => self.phase = Phase::Proved,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(kind: Kind, method: &str, id: Option<i64>) -> Entry {
        let message = json!({"id": id, "method": if kind == Kind::Rx { json!(method) } else { Value::Null }});
        let line = if kind == Kind::Rx {
            json!({"method": method})
        } else {
            json!({"id": id})
        }
        .to_string();
        let data = json!({"generation": 1, "method": method, "line": line, "message": message});
        Entry {
            t_us: 0,
            actor: "web".into(),
            kind,
            data,
        }
    }

    fn run(entries: &[Entry]) -> Result<(), String> {
        let mut connection = Connection {
            phase: Phase::Begin,
            open: BTreeSet::new(),
        };
        for entry in entries {
            match entry.kind {
                Kind::Rx => connection.receive(entry)?,
                _ => connection.send(entry),
            }
        }
        Ok(())
    }

    #[test]
    fn the_order_of_the_contract() {
        let good = [
            entry(Kind::Rx, "hello", Some(1)),
            entry(Kind::Tx, "hello", Some(1)),
            entry(Kind::Rx, "prove", Some(2)),
            entry(Kind::Tx, "prove", Some(2)),
            entry(Kind::Rx, "live", None),
            entry(Kind::Rx, "health.check", Some(3)),
            entry(Kind::Rx, "shutdown", Some(4)),
        ];
        assert_eq!(run(&good), Ok(()));
        assert!(run(&good[2..]).is_err(), "prove before hello");
        let mut early = good.to_vec();
        early.swap(3, 4);
        assert!(run(&early).is_err(), "live before the module's proof");
        let mut twice = good.to_vec();
        twice[6] = entry(Kind::Rx, "shutdown", Some(3));
        assert!(run(&twice).is_err(), "an id in flight is used again");
    }
}
