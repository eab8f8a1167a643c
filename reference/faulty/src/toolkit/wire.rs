//! The man in the middle of a handshake.
//!
//! A fault that alters L1 or L2 breaks every proof that follows, because proofs are over the raw lines. So this file
//! keeps both transcripts, the machine's and the module's, and makes each proof anew for the side that gets it. A proof
//! that is wrong stays wrong, unless the fault says that it is trusted.

use std::collections::HashMap;

use partenza_reference_core::ModuleId;
use partenza_reference_core::wire::{Key, mac};
use serde_json::{Value, json};

use super::agenda::Desk;
use super::fault::{Fault, matches};
use super::line::{Line, object, split};

/// What the orchestrator waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// L2.
    Hello,
    /// L4.
    Proof,
    /// Anything.
    Live,
}

/// Whose line it is.
#[derive(Debug, Clone)]
pub(crate) struct At {
    pub(crate) module: ModuleId,
    pub(crate) generation: u64,
    pub(crate) phase: Phase,
    /// The key that the module was given.
    pub(crate) key: [u8; 32],
    /// The lines of the handshake so far, as the module has seen them.
    pub(crate) seen: Vec<u8>,
}

/// A proof that is not the right one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof<'a> {
    /// What the module sent, if anything.
    pub(crate) given: Option<&'a str>,
    /// What it should have sent.
    pub(crate) right: &'a str,
    /// What the orchestrator sent in L3.
    pub(crate) offered: &'a str,
}

#[derive(Debug)]
struct Exchange {
    machine_key: [u8; 32],
    module_key: [u8; 32],
    machine_view: Vec<u8>,
    module_view: Vec<u8>,
    offered: String,
    phase: Phase,
    partial: Vec<u8>,
    /// A line grew longer than any line may be; from there on nothing is looked at.
    torn: bool,
}

/// The exchanges of all launches.
#[derive(Debug, Default)]
pub(super) struct Wires {
    exchanges: HashMap<(ModuleId, u64), Exchange>,
}

impl Wires {
    /// A launch, with the key of the machine and that of the module.
    pub(super) fn begin(&mut self, module: &ModuleId, generation: u64, machine: &[u8], module_secret: &[u8]) {
        let machine_key = unhex(machine).unwrap_or_default();
        let exchange = Exchange {
            machine_key,
            module_key: unhex(module_secret).unwrap_or(machine_key),
            machine_view: Vec::new(),
            module_view: Vec::new(),
            offered: String::new(),
            phase: Phase::Hello,
            partial: Vec::new(),
            torn: false,
        };
        self.exchanges.insert((module.clone(), generation), exchange);
    }

    /// Lines of the machine: what the module gets instead.
    pub(super) fn outgoing(
        &mut self,
        fault: &mut Fault,
        desk: &mut Desk<'_>,
        module: &ModuleId,
        generation: u64,
        bytes: &[u8],
    ) -> Vec<u8> {
        let Some(exchange) = self.exchanges.get_mut(&(module.clone(), generation)) else {
            return bytes.to_vec();
        };
        let mut result = Vec::new();
        for raw in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut line = Line::read(raw);
            let method = line.method().to_owned();
            match method.as_str() {
                "hello" | "prove" => exchange.machine_view.extend_from_slice(raw),
                _ => {}
            }
            if method == "prove" {
                let proof = hex(&mac::mac(
                    &Key::new(exchange.module_key),
                    mac::ORCHESTRATOR,
                    &exchange.module_view,
                ));
                line = line.edited(|json| json["params"]["mac"] = Value::from(proof));
            }
            let at = exchange.at(module, generation);
            let mut lines = vec![line];
            for (_, hook) in fault
                .outgoing
                .iter_mut()
                .filter(|(name, _)| matches(name, module.as_str()))
            {
                lines = lines.into_iter().flat_map(|line| hook(desk, &at, line)).collect();
            }
            if let Some(sent) = lines.iter().rfind(|line| line.method() == method) {
                match method.as_str() {
                    "hello" => exchange.module_view.clone_from(&sent.raw),
                    "prove" => {
                        exchange.module_view.extend_from_slice(&sent.raw);
                        exchange.offered = sent.params()["mac"].as_str().unwrap_or_default().to_owned();
                    }
                    _ => {}
                }
            }
            result.extend(lines.into_iter().flat_map(|line| line.raw));
        }
        result
    }

    /// Bytes of the module: what the machine gets instead, line by line.
    pub(super) fn incoming(
        &mut self,
        fault: &mut Fault,
        desk: &mut Desk<'_>,
        module: &ModuleId,
        generation: u64,
        bytes: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let Some(exchange) = self.exchanges.get_mut(&(module.clone(), generation)) else {
            return vec![bytes];
        };
        if exchange.torn {
            return vec![bytes];
        }
        let lines = split(&mut exchange.partial, &bytes);
        let mut result = Vec::new();
        for line in lines {
            let heard = line.raw.clone();
            let at = exchange.at(module, generation);
            let mut lines = vec![line];
            for (_, hook) in fault
                .incoming
                .iter_mut()
                .filter(|(name, _)| matches(name, module.as_str()))
            {
                lines = lines.into_iter().flat_map(|line| hook(desk, &at, line)).collect();
            }
            for mut line in lines {
                match (exchange.phase, line.is_reply(), line.id()) {
                    (Phase::Hello, true, Some(1)) => {
                        exchange.machine_view.extend_from_slice(&line.raw);
                        exchange.module_view.extend_from_slice(&heard);
                        exchange.phase = Phase::Proof;
                    }
                    (Phase::Proof, true, Some(2)) => {
                        line = exchange.judge(fault, &at, line);
                        exchange.phase = Phase::Live;
                    }
                    _ => {}
                }
                result.push(line.raw);
            }
        }
        let most = if exchange.phase == Phase::Live {
            LIVE_LINE
        } else {
            HANDSHAKE_LINE
        };
        if exchange.partial.len() > most {
            exchange.torn = true;
            result.push(std::mem::take(&mut exchange.partial));
        }
        result
    }

    /// The end of the module's stream: what it had not finished.
    pub(super) fn rest(&mut self, module: &ModuleId, generation: u64) -> Vec<u8> {
        let exchange = self.exchanges.get_mut(&(module.clone(), generation));
        exchange
            .map(|exchange| std::mem::take(&mut exchange.partial))
            .unwrap_or_default()
    }
}

impl Exchange {
    fn at(&self, module: &ModuleId, generation: u64) -> At {
        let (phase, key, seen) = (self.phase, self.module_key, self.module_view.clone());
        At {
            module: module.clone(),
            generation,
            phase,
            key,
            seen,
        }
    }

    /// L4 as the machine has to get it.
    fn judge(&self, fault: &mut Fault, at: &At, line: Line) -> Line {
        let right = hex(&mac::mac(
            &Key::new(self.module_key),
            mac::MODULE,
            &self.module_view,
        ));
        let given = line.json.pointer("/result/mac").and_then(Value::as_str);
        let proof = Proof {
            given,
            right: &right,
            offered: &self.offered,
        };
        let trusted = given == Some(right.as_str())
            || fault
                .trusts
                .iter_mut()
                .filter(|(name, _)| matches(name, at.module.as_str()))
                .any(|(_, hook)| hook(at, &proof));
        if !trusted {
            return line;
        }
        let awaited = hex(&mac::mac(
            &Key::new(self.machine_key),
            mac::MODULE,
            &self.machine_view,
        ));
        line.edited(|json| {
            object(json, "result").insert("mac".to_owned(), json!(awaited));
        })
    }
}

/// Lower-case digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(line: &[u8]) -> Option<[u8; 32]> {
    let digits = std::str::from_utf8(line.get(..64)?).ok()?;
    let mut bytes = [0; 32];
    for (position, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(position * 2..position * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

const HANDSHAKE_LINE: usize = 4096;
const LIVE_LINE: usize = 65_536;
