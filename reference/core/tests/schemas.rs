//! Everything that the core writes, against the schemas of `spec/schemas`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use std::collections::BTreeMap;

use common::{Health, MS, Proof, SECOND, World};
use jsonschema::Validator;
use partenza_reference_core::machine::ExitStatus;
use serde_json::{Value, json};

fn schema(text: &str) -> Validator {
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

fn assert_valid(validator: &Validator, value: &Value) {
    let problems: Vec<String> = validator
        .iter_errors(value)
        .map(|error| error.to_string())
        .collect();
    assert!(problems.is_empty(), "{value}\n{problems:#?}");
}

/// A run in which nearly everything happens that can happen.
fn eventful() -> World {
    let mut world = World::new(&[
        ("db", "health: {probe: wire, interval: 1s}\nprovides: [sql/basic@1.0]\nrestart: {jitter: 0.1}\n"),
        ("web", "requires: [{interface: sql/basic, version: '^1.0'}]\nhealth: {probe: {unix: /x}, interval: 1s, failures: 1}\n"),
        ("liar", "critical: true\n"),
        ("parked", "requires: [liar]\n"),
        ("job", ""),
        ("off", "enabled: false\n"),
    ])
    .script("liar", |s| s.proof = Proof::Wrong)
    .script("job", |s| s.exits_after = Some((5 * MS, ExitStatus::Code(0))))
    .boot();
    world.run(2 * SECOND);
    world.says("db", &json!({"jsonrpc": "2.0", "method": "status", "params": {"state": "degraded", "detail": "x\u{1b}\ny"}}));
    world.says(
        "db",
        &json!({"jsonrpc": "2.0", "id": 4, "method": "weather.today"}),
    );
    world.says("db", &json!({"jsonrpc": "2.0", "id": 99, "result": {}}));
    world.dies("db", ExitStatus::Signal(11));
    world.run(2 * SECOND);
    world.scripts.entry("web".to_owned()).or_default().health = Health::Error;
    world.run(2 * SECOND);
    world.sends("db", b"nonsense\n");
    world.run(2 * SECOND);
    world
}

#[test]
fn events_status_objects_and_wire_lines_fit_their_schemas() {
    let mut world = eventful();
    let status = world.ask("status", json!({}));
    world.ask("shutdown", json!({}));
    world.run(60 * SECOND);
    assert!(world.exit.is_some());

    let event = schema(include_str!("../../../spec/schemas/event.schema.json"));
    let mut kinds = BTreeMap::new();
    for entry in &world.journal {
        assert_valid(&event, entry);
        *kinds.entry(entry["type"].as_str().unwrap()).or_insert(0) += 1;
    }
    for kind in [
        "state", "launch", "exit", "security", "protocol", "health", "system", "alert",
    ] {
        assert!(kinds.contains_key(kind), "{kind} is missing from {kinds:?}");
    }
    let object = schema(include_str!("../../../spec/schemas/status.schema.json"));
    for value in world.statuses.values() {
        assert_valid(&object, value);
    }
    assert_valid(
        &schema(include_str!(
            "../../../spec/schemas/control/status.result.schema.json"
        )),
        &status["result"],
    );

    let envelope = schema(include_str!("../../../spec/schemas/wire/envelope.schema.json"));
    let params: BTreeMap<&str, Validator> = [
        (
            "hello",
            include_str!("../../../spec/schemas/wire/hello.params.schema.json"),
        ),
        (
            "prove",
            include_str!("../../../spec/schemas/wire/prove.params.schema.json"),
        ),
        (
            "live",
            include_str!("../../../spec/schemas/wire/live.params.schema.json"),
        ),
        (
            "health.check",
            include_str!("../../../spec/schemas/wire/health.check.params.schema.json"),
        ),
        (
            "shutdown",
            include_str!("../../../spec/schemas/wire/shutdown.params.schema.json"),
        ),
    ]
    .into_iter()
    .map(|(method, text)| (method, schema(text)))
    .collect();
    for (_, _, _, line) in &world.received {
        assert_valid(&envelope, line);
        if let Some(method) = line["method"].as_str() {
            assert_valid(&params[method], &line["params"]);
        }
    }
}

#[test]
fn control_replies_fit_their_schemas() {
    let mut world = eventful();
    for (method, params, text) in [
        (
            "status",
            json!({"module": "db"}),
            include_str!("../../../spec/schemas/control/status.result.schema.json"),
        ),
        (
            "start",
            json!({"module": "liar"}),
            include_str!("../../../spec/schemas/control/start.result.schema.json"),
        ),
        (
            "stop",
            json!({"module": "web"}),
            include_str!("../../../spec/schemas/control/stop.result.schema.json"),
        ),
        (
            "restart",
            json!({"module": "job"}),
            include_str!("../../../spec/schemas/control/restart.result.schema.json"),
        ),
        (
            "events",
            json!({}),
            include_str!("../../../spec/schemas/control/events.result.schema.json"),
        ),
        (
            "plan",
            json!({}),
            include_str!("../../../spec/schemas/control/plan.result.schema.json"),
        ),
        (
            "shutdown",
            json!({"reason": "x"}),
            include_str!("../../../spec/schemas/control/shutdown.result.schema.json"),
        ),
    ] {
        let reply = world.ask(method, params);
        assert_valid(&schema(text), &reply["result"]);
    }
    for line in [
        "{",
        "[]",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"stop\"}",
    ] {
        world.raw(format!("{line}\n").as_bytes());
    }
    world.ask("start", json!({"module": "dbb"}));
    let envelope = schema(include_str!("../../../spec/schemas/control/envelope.schema.json"));
    for reply in &world.replies {
        assert_valid(&envelope, reply);
    }
}
