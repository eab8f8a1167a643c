//! Predicates over small traces written by hand: each has to accept the right one and refuse the wrong one.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::trace::{Entry, Kind};
use super::view::{Keys, State, View};
use super::{describe, judge};
use crate::suite::read_predicate_for_tests;

/// A trace from times in milliseconds, actors, kinds and data.
fn trace(entries: &[(u64, &str, Kind, Value)]) -> Vec<Entry> {
    let entry = |(ms, actor, kind, data): &(u64, &str, Kind, Value)| Entry {
        t_us: ms * 1000,
        actor: (*actor).to_owned(),
        kind: *kind,
        data: data.clone(),
    };
    entries.iter().map(entry).collect()
}

fn line(method: &str, generation: u64, message: Value) -> Value {
    json!({"generation": generation, "method": method, "line": message.to_string(), "message": message})
}

fn usual() -> Vec<Entry> {
    trace(&[
        (0, "orchestrator", Kind::Start, json!({"pid": 1})),
        (
            1,
            "a",
            Kind::Launch,
            json!({"generation": 1, "pid": 10, "snapshot": {"umask": "0077", "pid": 10, "sid": 10}}),
        ),
        (
            2,
            "b",
            Kind::Launch,
            json!({"generation": 1, "pid": 11, "snapshot": {"umask": "0022", "pid": 11, "sid": 1}}),
        ),
        (
            3,
            "a",
            Kind::Rx,
            line("hello", 1, json!({"params": {"nonce": "n1", "boot": "x"}})),
        ),
        (
            4,
            "b",
            Kind::Rx,
            line("hello", 1, json!({"params": {"nonce": "n1", "boot": "x"}})),
        ),
        (5, "a", Kind::Tx, line("ready", 1, json!({}))),
        (
            6,
            "a",
            Kind::Event,
            json!({"type": "state", "module": "a", "to": "ready", "seq": 1}),
        ),
        (
            7,
            "harness",
            Kind::Status,
            json!({"modules": [{"id": "a", "state": "ready"}, {"id": "b", "state": "failed"}]}),
        ),
        (
            107,
            "a",
            Kind::Rx,
            line("shutdown", 1, json!({"params": {"deadline_ms": 2000}})),
        ),
        (108, "control", Kind::Ask, json!({"label": "x", "line": "…"})),
        (
            109,
            "control",
            Kind::Reply,
            json!({"label": "x", "line": "…", "message": {"error": {"code": -32601}}}),
        ),
        (207, "a", Kind::Signal, json!({"generation": 1, "name": "TERM"})),
        (210, "a", Kind::Exit, json!({"generation": 1, "pid": 10})),
        (
            211,
            "a",
            Kind::Launch,
            json!({"generation": 2, "pid": 12, "snapshot": {"umask": "0077", "pid": 12, "sid": 12}}),
        ),
        (
            212,
            "a",
            Kind::Rx,
            line("hello", 2, json!({"params": {"nonce": "n2", "boot": "x"}})),
        ),
        (300, "orchestrator", Kind::End, json!({"code": 2})),
    ])
}

fn state(claim: &Value, trace: &[Entry], status_since: usize) -> State {
    let predicate = read_predicate_for_tests(claim, &["a", "b"]);
    assert!(!describe(&predicate, &str::to_owned).is_empty());
    let looked = RefCell::new(0);
    let processes = |module: &str| {
        *looked.borrow_mut() += 1;
        if module == "b" {
            vec!["pid 11".to_owned()]
        } else {
            Vec::new()
        }
    };
    let view = View {
        trace,
        status_since,
        keys: &Keys::new(),
        expand: &str::to_owned,
        output: &|| "error[PZ101]: unknown key".to_owned(),
        processes: &processes,
        time_scale: 1.0,
    };
    judge(&predicate, &view).state
}

#[test]
fn each_predicate_accepts_and_refuses() {
    use State::{Broken, Holds, NotYet};
    let table = [
        (json!({"a": {"state": "ready"}}), Holds),
        (json!({"b": {"state": "ready"}}), NotYet),
        (json!({"a": {"processes": "none"}}), Holds),
        (json!({"b": {"processes": "none"}}), NotYet),
        (json!({"a": {"launches": 2}}), Holds),
        (json!({"a": {"launches": 1}}), Broken),
        (json!({"a": {"launches": 3}}), NotYet),
        (
            json!({"a": {"received": "hello", "where": {"/params/nonce": "n2"}}}),
            Holds,
        ),
        (
            json!({"a": {"received.1": "hello", "where": {"/params/nonce": "n2"}}}),
            NotYet,
        ),
        (json!({"a": {"received": "hello", "count": 2}}), Holds),
        (json!({"a": {"never-received": "live"}}), Holds),
        (json!({"a": {"never-received": "shutdown"}}), Broken),
        (
            json!({"a": {"every": "hello", "is": {"/params/boot": "x"}}}),
            Holds,
        ),
        (
            json!({"a": {"every": "hello", "is": {"/params/nonce": "n1"}}}),
            Broken,
        ),
        (
            json!({"a": {"launch": {"/umask": "0077", "/sid": {"same-as": "/pid"}}}}),
            Holds,
        ),
        (json!({"b": {"launch": {"/umask": "0077"}}}), NotYet),
        (json!({"a": {"launch.3": {"/umask": "0077"}}}), NotYet),
        (json!({"a": {"never-signal": "KILL"}}), Holds),
        (json!({"a": {"never-signal": "TERM"}}), Broken),
        (json!({"event": {"type": "state", "to": "ready"}}), Holds),
        (json!({"event": {"type": "state", "to": "failed"}}), NotYet),
        (json!({"never-event": {"type": "state", "to": "failed"}}), Holds),
        (json!({"never-event": {"type": "state", "to": "ready"}}), Broken),
        (json!({"never": "b exited"}), Holds),
        (json!({"never": "a exited"}), Broken),
        (json!({"occurs": ["a launched #2", "orchestrator exited"]}), Holds),
        (json!({"occurs": ["a launched #3"]}), NotYet),
        (
            json!({"order": ["a received shutdown", "a got-signal TERM", "a exited"]}),
            Holds,
        ),
        (json!({"order": ["a exited", "a received shutdown"]}), Broken),
        (json!({"order": ["a exited", "b exited"]}), NotYet),
        (
            json!({"gap": {"from": "a received shutdown", "to": "a got-signal TERM", "at-least": "100ms", "at-most": "150ms"}}),
            Holds,
        ),
        (
            json!({"gap": {"from": "a received shutdown", "to": "a got-signal TERM", "at-least": "150ms"}}),
            Broken,
        ),
        (
            json!({"gap": {"from": "a received shutdown", "to": "a got-signal TERM", "at-most": "50ms"}}),
            Broken,
        ),
        (
            json!({"gap": {"from": "a exited", "to": "a received shutdown", "at-most": "9s"}}),
            Broken,
        ),
        (json!({"overlap": ["a", "b"]}), Holds),
        (json!({"orchestrator": {"exit": 2, "output": "PZ101"}}), Holds),
        (json!({"orchestrator": {"exit": 0}}), Broken),
        (json!({"orchestrator": {"alive": true}}), Broken),
        (json!({"boot": {"output": {"matches": "PZ999"}}}), Broken),
        (json!({"reply": {"of": "x", "error": {"/code": -32601}}}), Holds),
        (json!({"reply": {"of": "x", "result": {}}}), Broken),
        (json!({"reply": {"of": "x", "closed": true}}), NotYet),
        (json!({"path": {"at": "/", "kind": "directory"}}), Holds),
        (json!({"path": {"at": "/no/such/path", "exists": false}}), Holds),
        (json!({"path": {"at": "/", "exists": false}}), NotYet),
        (
            json!({"distinct": {"of": "a", "received": "hello", "pointer": "/params/nonce"}}),
            Holds,
        ),
        (
            json!({"distinct": {"of": ["a", "b"], "received": "hello", "pointer": "/params/nonce"}}),
            Broken,
        ),
        (
            json!({"same": {"of": ["a", "b"], "received": "hello", "pointer": "/params/boot"}}),
            Holds,
        ),
        (json!({"same": {"of": ["a", "b"], "launch": "/umask"}}), Broken),
        (
            json!({"any": [{"never": "a exited"}, {"never": "b exited"}]}),
            Holds,
        ),
        (
            json!({"all": [{"never": "a exited"}, {"never": "b exited"}]}),
            Broken,
        ),
        (json!({"a": {"state": "ready"}, "b": {"state": "ready"}}), NotYet),
    ];
    let trace = usual();
    for (claim, expected) in table {
        assert_eq!(state(&claim, &trace, 0), expected, "{claim}");
    }
}

#[test]
fn an_old_status_says_nothing_about_the_present() {
    assert_eq!(
        state(&json!({"a": {"state": "ready"}}), &usual(), 8),
        State::NotYet
    );
}

#[test]
fn modules_that_waited_for_each_other_do_not_overlap() {
    let late = trace(&[
        (1, "a", Kind::Launch, json!({"generation": 1})),
        (2, "a", Kind::Tx, line("ready", 1, json!({}))),
        (3, "b", Kind::Launch, json!({"generation": 1})),
    ]);
    assert_eq!(state(&json!({"overlap": ["a", "b"]}), &late, 0), State::Broken);
}
