//! What tests do with the simulation between its events: speak for a module or the operator, and look at what has come
//! of it. It also owns the invariants that hold after every event.

use partenza_reference_core::ModuleId;
use partenza_reference_core::machine::{Event, ExitStatus};
use serde_json::{Value, json};

use super::{ASKER, Later, World, line_of};

impl World {
    /// A message from a module.
    pub(crate) fn says(&mut self, module: &str, value: &Value) {
        self.sends(module, &line_of(value));
    }

    pub(crate) fn sends(&mut self, module: &str, bytes: &[u8]) {
        let id = ModuleId::try_from(module).unwrap();
        let generation = self.groups[&id].generation;
        self.feed(Event::Bytes {
            module: id,
            generation,
            bytes: bytes.to_vec(),
        });
    }

    pub(crate) fn generation(&self, module: &str) -> Option<u64> {
        self.groups.get(module).map(|group| group.generation)
    }

    pub(crate) fn dies(&mut self, module: &str, status: ExitStatus) {
        let id = ModuleId::try_from(module).unwrap();
        let generation = self.groups[&id].generation;
        self.at(self.now, Later::Exit(id, generation, status));
        self.run(0);
    }

    pub(crate) fn overflow(&mut self, module: &str) {
        let id = ModuleId::try_from(module).unwrap();
        let generation = self.groups[&id].generation;
        self.feed(Event::Overflow {
            module: id,
            generation,
        });
    }

    /// Asks on the control socket and returns the reply.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.raw(&line_of(
            &json!({"jsonrpc": "2.0", "id": "q", "method": method, "params": params}),
        ))
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Value {
        let before = self.replies.len();
        self.feed(Event::ControlBytes {
            conn: ASKER,
            bytes: bytes.to_vec(),
        });
        self.replies.get(before).cloned().unwrap_or(Value::Null)
    }

    pub(crate) fn status(&self, module: &str) -> &Value {
        &self.statuses[module]
    }

    pub(crate) fn state(&self, module: &str) -> &str {
        self.statuses[module]["state"].as_str().unwrap()
    }

    /// The states that a module has passed, with reasons: `ready`, `failed(limit)`.
    pub(crate) fn path(&self, module: &str) -> Vec<String> {
        let states = self
            .journal
            .iter()
            .filter(|e| e["type"] == "state" && e["module"] == module);
        states
            .map(|e| match e["reason"].as_str() {
                Some(reason) => format!("{}({reason})", e["to"].as_str().unwrap()),
                None => e["to"].as_str().unwrap().to_owned(),
            })
            .collect()
    }

    /// When a module reached a state, each time.
    pub(crate) fn times(&self, module: &str, state: &str) -> Vec<u64> {
        let states = self
            .journal
            .iter()
            .filter(|e| e["type"] == "state" && e["module"] == module && e["to"] == state);
        states.map(|e| e["at_ms"].as_u64().unwrap()).collect()
    }

    pub(crate) fn system(&self) -> Vec<&str> {
        let events = self.journal.iter().filter(|e| e["type"] == "system");
        events.map(|e| e["state"].as_str().unwrap()).collect()
    }

    pub(crate) fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.journal.iter().filter(|e| e["type"] == kind).collect()
    }

    pub(crate) fn methods(&self, module: &str) -> Vec<&str> {
        let lines = self.received.iter().filter(|(_, m, _, _)| m == module);
        lines
            .filter_map(|(_, _, _, line)| line["method"].as_str())
            .collect()
    }

    /// What has to hold after every event.
    pub(super) fn check_invariants(&mut self) {
        for (position, event) in self
            .journal
            .iter()
            .enumerate()
            .skip(self.journal.len().saturating_sub(64))
        {
            assert_eq!(
                event["seq"].as_u64().unwrap(),
                position as u64 + 1,
                "control.events-sequence"
            );
        }
        if self
            .journal
            .last()
            .is_some_and(|e| e["type"] == "system" && e["state"] == "stopping")
        {
            self.shutdown_began = true;
        }
        if self.statuses.len() > 50 {
            // The large systems of `scale` are about size.
            return;
        }
        for (id, status) in &self.statuses {
            let state = status["state"].as_str().unwrap();
            let group = self.groups.get(id.as_str());
            match state {
                // stop.stopped-means-empty
                "pending" | "restarting" | "stopped" | "failed" | "disabled" | "ghost" | "invalid" => {
                    assert!(group.is_none(), "{id} is {state} and has processes");
                }
                "ready" => assert!(group.unwrap().live, "lifecycle.ready-needs-handshake"),
                "initializing" | "stopping" | "crashed" => {
                    assert!(
                        self.machine.next_deadline().is_some(),
                        "{id} is {state} and nothing has a deadline"
                    );
                }
                _ => {}
            }
        }
    }
}
