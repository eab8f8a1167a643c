//! The control socket between its clients and the machine: requests, replies, events, status objects.
//!
//! Events carry numbers without gaps. When a fault drops or adds some, the numbers of all later ones move, and a client
//! that asks for the retained events is told the same as one that heard them live.

use std::collections::{BTreeMap, HashMap};

use partenza_reference_core::ConnId;
use serde_json::{Map, Value};

use super::agenda::Desk;
use super::fault::{Fault, matches};
use super::line::{Line, split};

/// What is known of the clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// Unfinished lines: one copy for listening in, and one that is withheld from the machine.
    heard: HashMap<ConnId, Vec<u8>>,
    held: HashMap<ConnId, Vec<u8>>,
    asked: HashMap<(ConnId, String), Value>,
    /// How many events became of one, where it is not one.
    counts: BTreeMap<u64, u64>,
}

impl Clients {
    /// Bytes of a client: what the machine gets instead.
    pub(super) fn incoming(
        &mut self,
        fault: &mut Fault,
        desk: &mut Desk<'_>,
        conn: ConnId,
        bytes: Vec<u8>,
    ) -> Vec<u8> {
        if fault.requests.is_empty() {
            for line in split(self.heard.entry(conn).or_default(), &bytes) {
                self.note(conn, &line);
            }
            return bytes;
        }
        let mut lines = split(self.held.entry(conn).or_default(), &bytes);
        lines.iter().for_each(|line| self.note(conn, line));
        for hook in &mut fault.requests {
            lines = lines
                .into_iter()
                .flat_map(|line| hook(desk, conn, line))
                .collect();
        }
        lines.into_iter().flat_map(|line| line.raw).collect()
    }

    pub(super) fn gone(&mut self, conn: ConnId) {
        self.heard.remove(&conn);
        self.held.remove(&conn);
        self.asked.retain(|(of, _), _| *of != conn);
    }

    /// Lines of the machine: what the client gets instead.
    pub(super) fn outgoing(
        &mut self,
        fault: &mut Fault,
        desk: &mut Desk<'_>,
        conn: ConnId,
        bytes: &[u8],
    ) -> Vec<Vec<u8>> {
        let mut result = Vec::new();
        for raw in bytes.split_inclusive(|byte| *byte == b'\n') {
            let line = Line::read(raw);
            if line.method() == "event" {
                result.extend(self.event(fault, line).into_iter().map(|line| line.raw));
            } else if let Some(line) = self.reply(fault, desk, conn, line) {
                result.push(line.raw);
            }
        }
        result
    }

    fn note(&mut self, conn: ConnId, line: &Line) {
        if let Some(id) = line.json.get("id") {
            self.asked.insert((conn, id.to_string()), line.json.clone());
        }
    }

    fn event(&mut self, fault: &mut Fault, line: Line) -> Vec<Line> {
        let Some(Value::Object(params)) = line.json.get("params").cloned() else {
            return vec![line];
        };
        let number = params.get("seq").and_then(Value::as_u64).unwrap_or_default();
        let mut events = vec![params];
        for hook in &mut fault.journal {
            events = events.into_iter().flat_map(&mut *hook).collect();
        }
        let count = u64::try_from(events.len()).unwrap_or_default();
        if count != 1 {
            self.counts.insert(number, count);
        }
        let mut lines = Vec::new();
        for (number, mut event) in (self.renumbered(number)..).zip(events) {
            event.insert("seq".to_owned(), Value::from(number));
            if fault.numbered.iter_mut().all(|hook| hook(&mut event)) {
                lines.push(line.clone().edited(|json| json["params"] = Value::Object(event)));
            }
        }
        lines
    }

    /// The number of an event after all that was dropped and added before it.
    fn renumbered(&self, number: u64) -> u64 {
        let before = || self.counts.range(..number).map(|(_, count)| *count);
        let dropped = u64::try_from(before().filter(|count| *count == 0).count()).unwrap_or_default();
        let added: u64 = before().map(|count| count.saturating_sub(1)).sum();
        (number + added).saturating_sub(dropped)
    }

    fn reply(&mut self, fault: &mut Fault, desk: &mut Desk<'_>, conn: ConnId, line: Line) -> Option<Line> {
        let id = line.json.get("id").unwrap_or(&Value::Null).to_string();
        let asked = self.asked.get(&(conn, id)).cloned().unwrap_or_default();
        let method = asked.get("method").and_then(Value::as_str).unwrap_or_default();
        let mut json = line.json.clone();
        if method == "events"
            && let Some(number) = json.pointer("/result/seq").and_then(Value::as_u64)
        {
            json["result"]["seq"] = Value::from(self.renumbered(number + 1).saturating_sub(1));
        }
        if let Some(Value::Array(modules)) = json.pointer_mut("/result/modules") {
            modules
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|module| status(fault, module));
        }
        if let Some(Value::Object(module)) = json.pointer_mut("/result/module") {
            status(fault, module);
        }
        for (_, hook) in fault.replies.iter_mut().filter(|(name, _)| matches(name, method)) {
            json = hook(desk, conn, &asked, json)?;
        }
        Some(line.edited(|old| *old = json))
    }
}

/// Changes one status object.
pub(super) fn status(fault: &mut Fault, module: &mut Map<String, Value>) {
    let id = module
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    for (_, hook) in fault.status.iter_mut().filter(|(name, _)| matches(name, &id)) {
        hook(module);
    }
}
