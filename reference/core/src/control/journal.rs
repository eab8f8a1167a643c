//! The record of events and who listens to it.
//!
//! It owns the numbers of the events and a ring of the last ones as finished lines. The bounded queue of each
//! listener is the shell's; when it had to drop lines, the ring gives back what it still has, and a `lost` marker
//! stands for the rest (`control.events-sequence`, `control.events-since`).

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::id::ConnId;
use crate::machine::Effect;
use crate::wire::message;

/// How many events are retained.
const RETAINED: usize = 4096;

/// The record.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The number of the newest event; 0 before the first.
    last: u64,
    ring: VecDeque<Box<[u8]>>,
    listeners: BTreeSet<ConnId>,
}

impl Journal {
    /// The number of the newest event.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Numbers an event, keeps it, and sends it to everyone who listens.
    pub(crate) fn record(&mut self, now: u64, mut event: Value, out: &mut Vec<Effect>) {
        self.last += 1;
        event["seq"] = Value::from(self.last);
        event["at_ms"] = Value::from(now / 1000);
        let line = message::notification("event", event);
        for conn in &self.listeners {
            out.push(Effect::Notify {
                conn: *conn,
                bytes: line.clone(),
            });
        }
        if self.ring.len() == RETAINED {
            self.ring.pop_front();
        }
        self.ring.push_back(line.into_boxed_slice());
    }

    /// Sends what is retained after `since`, and from then on everything. A connection that listens already is sent
    /// nothing twice.
    pub(crate) fn subscribe(&mut self, conn: ConnId, since: u64, now: u64, out: &mut Vec<Effect>) {
        if self.listeners.insert(conn) {
            self.replay(conn, since, now, out);
        }
    }

    /// Forgets a listener.
    pub(crate) fn unsubscribe(&mut self, conn: ConnId) {
        self.listeners.remove(&conn);
    }

    /// The shell has dropped the last `count` lines for a listener and has room again.
    pub(crate) fn lost(&mut self, conn: ConnId, now: u64, count: u64) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.listeners.contains(&conn) {
            self.replay(conn, self.last.saturating_sub(count), now, &mut out);
        }
        out
    }

    fn replay(&self, conn: ConnId, since: u64, now: u64, out: &mut Vec<Effect>) {
        let gone = self.last - u64::try_from(self.ring.len()).unwrap_or(self.last);
        if since < gone {
            // A reply is never dropped, and neither may be the word that something was.
            let marker = json!({"seq": gone, "at_ms": now / 1000, "type": "lost", "count": gone - since});
            out.push(Effect::Reply {
                conn,
                bytes: message::notification("event", marker),
            });
        }
        let skip = usize::try_from(since.saturating_sub(gone)).unwrap_or(usize::MAX);
        for line in self.ring.iter().skip(skip) {
            out.push(Effect::Notify {
                conn,
                bytes: line.to_vec(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqs(effects: &[Effect]) -> Vec<(u64, bool)> {
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap()["params"].clone();
        let seq = |effect: &Effect| match effect {
            Effect::Notify { bytes, .. } => (read(bytes)["seq"].as_u64().unwrap(), false),
            Effect::Reply { bytes, .. } => {
                assert_eq!(read(bytes)["type"], "lost");
                (read(bytes)["seq"].as_u64().unwrap(), true)
            }
            other => panic!("{other:?}"),
        };
        effects.iter().map(seq).collect()
    }

    #[test]
    fn a_listener_gets_the_rest_and_then_what_is_new() {
        let (mut journal, mut out) = (Journal::default(), Vec::new());
        let conn = ConnId(1);
        for _ in 0..3 {
            journal.record(5000, json!({"type": "x"}), &mut out);
        }
        assert!(out.is_empty(), "nobody listens yet");
        journal.subscribe(conn, 1, 0, &mut out);
        journal.record(6000, json!({"type": "x"}), &mut out);
        assert_eq!(seqs(&out), [(2, false), (3, false), (4, false)]);
        assert_eq!(
            seqs(&journal.lost(conn, 0, 2)),
            [(3, false), (4, false)],
            "what was dropped comes again"
        );
        out.clear();
        journal.subscribe(conn, 0, 0, &mut out);
        assert!(out.is_empty(), "nothing twice");
        journal.unsubscribe(conn);
        journal.record(7000, json!({"type": "x"}), &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn what_is_gone_is_marked() {
        let (mut journal, mut out) = (Journal::default(), Vec::new());
        for _ in 0..RETAINED + 10 {
            journal.record(0, json!({"type": "x"}), &mut out);
        }
        journal.subscribe(ConnId(1), 3, 0, &mut out);
        let got = seqs(&out);
        assert_eq!(got[0], (10, true));
        assert_eq!(got[1], (11, false));
        assert_eq!(got.len(), RETAINED + 1);
        let mut out = Vec::new();
        journal.subscribe(ConnId(2), 1_000_000, 0, &mut out);
        assert!(
            out.is_empty(),
            "a number from the future is no reason for anything old"
        );
    }
}
