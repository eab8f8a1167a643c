//! The life of modules on a virtual clock: boot, handshake, readiness, ends, restarts, dependencies, shutdown.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use common::{Health, Hello, MS, Proof, SECOND, World};
use partenza_reference_core::machine::{Event, ExitStatus, Signal};
use serde_json::json;

const EXACT: &str = "restart: {jitter: 0}\n";

#[test]
fn a_system_boots_in_the_order_of_its_dependencies_and_becomes_ready() {
    let mut world = World::new(&[("db", ""), ("web", "requires: [db]\n"), ("log", "")]).boot();
    world.run(SECOND);
    for module in ["db", "web", "log"] {
        assert_eq!(world.path(module), ["pending", "initializing", "ready"], "{module}");
        assert_eq!(world.methods(module), ["hello", "prove", "live"]);
    }
    assert_eq!(world.system(), ["starting", "ready"]);
    assert_eq!(world.spawned[0].0, 0);
    assert_eq!(world.spawned[1].1.module.as_str(), "log", "boot.independent-in-parallel");
    assert_eq!(world.times("web", "initializing"), world.times("db", "ready"));
    let spec = &world.spawned[0].1;
    assert_eq!(spec.environment[0], ("PATH".to_owned(), "/bin".to_owned()));
    assert!(spec.environment.iter().all(|(name, _)| name != "SECRET"), "launch.environment-allow-list");
    assert_eq!(world.statuses["db"]["pid"], 101);
}

#[test]
fn a_wrong_or_missing_proof_ends_the_group_and_is_not_retried() {
    for proof in [Proof::Wrong, Proof::Missing] {
        let mut world =
            World::new(&[("liar", "restart: always\n"), ("honest", "")]).script("liar", |s| s.proof = proof.clone()).boot();
        world.run(60 * SECOND);
        assert_eq!(world.path("liar"), ["pending", "initializing", "stopping(auth)", "failed(auth)"]);
        assert_eq!(world.of_type("security")[0]["code"], "auth-failed");
        assert_eq!(world.signals[0].3, Signal::Kill);
        assert_eq!(world.statuses["liar"]["exit"], json!({"signal": "SIGKILL"}));
        assert_eq!(world.state("honest"), "ready");
        assert_eq!(world.system(), ["starting", "degraded"]);
        assert_eq!(world.ask("start", json!({"module": "liar"}))["result"]["state"], "pending");
        assert_eq!(world.generation("liar"), Some(2));
    }
}

#[test]
fn whatever_is_not_the_expected_reply_is_a_protocol_failure() {
    let l2 = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"version\":\"1.0\",\"nonce\":\"{}\"}}}}\n", "ab".repeat(32));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"hello\n".to_vec(), "protocol"),
        ([b'x'; 5000].to_vec(), "protocol"),
        (format!("{l2}{l2}").into_bytes(), "protocol"),
        (l2.replace("\"id\":1", "\"id\":2").into_bytes(), "protocol"),
        (l2.replace("ab", "AB").into_bytes(), "protocol"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"message\":\"\"}}\n".to_vec(), "protocol"),
        (b"{\"jsonrpc\":\"2.0\",\"method\":\"ready\"}\n".to_vec(), "protocol"),
        (l2.replace("\"1.0\"", "\"2.0\"").into_bytes(), "version"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"no\"}}\n".to_vec(), "version"),
    ];
    for (bytes, reason) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let mut world = World::new(&[("bad", "restart: never\n")]).script("bad", |s| s.hello = Hello::Raw(bytes)).boot();
        world.run(SECOND);
        let stopping = format!("stopping({reason})");
        let failed = format!("failed({reason})");
        assert_eq!(world.path("bad"), ["pending", "initializing", &stopping, &failed], "{shown}");
        let code = if reason == "version" { "version-unsupported" } else { "protocol-violation" };
        assert_eq!(world.of_type("protocol")[0]["code"], code, "{shown}");
        assert!(!world.methods("bad").contains(&"live"));
    }
}

#[test]
fn silence_and_closing_end_the_handshake() {
    let mut world = World::new(&[("mute", "handshake_timeout: 2s\nrestart: never\n"), ("shut", "restart: never\n")])
        .script("mute", |s| s.hello = Hello::Silent)
        .script("shut", |s| s.hello = Hello::Close)
        .boot();
    world.run(10 * SECOND);
    assert_eq!(world.path("mute").last().unwrap(), "failed(timeout)");
    assert_eq!(world.times("mute", "stopping"), [2000]);
    assert_eq!(world.path("shut").last().unwrap(), "failed(protocol)");
}

#[test]
fn a_module_that_never_becomes_ready_is_ended_and_extend_moves_the_deadline() {
    let mut world = World::new(&[("slow", "start_timeout: 3s\nrestart: never\n")]).script("slow", |s| s.ready_after = None).boot();
    world.run(2 * SECOND);
    world.says("slow", &json!({"jsonrpc": "2.0", "method": "extend", "params": {"ms": 5000}}));
    world.run(4 * SECOND);
    assert_eq!(world.state("slow"), "initializing");
    world.run(2 * SECOND);
    assert_eq!(world.path("slow").last().unwrap(), "failed(timeout)");
    assert_eq!(world.times("slow", "stopping"), [7000]);
}

#[test]
fn a_failed_exec_is_final() {
    let mut world = World::new(&[("gone", "restart: always\n")]).script("gone", |s| s.exec_fails = true).boot();
    world.run(60 * SECOND);
    assert_eq!(world.path("gone"), ["pending", "initializing", "failed(exec)"]);
    assert!(world.status("gone")["detail"].as_str().unwrap().contains("exec failed: ENOENT"));
}

#[test]
fn a_clean_exit_completes_and_always_restarts() {
    let script = |s: &mut common::Script| s.exits_after = Some((2 * MS, ExitStatus::Code(0)));
    let mut world = World::new(&[("job", EXACT), ("loop", "restart: {policy: always, jitter: 0, limit: 2}\n")])
        .script("job", script)
        .script("loop", script)
        .boot();
    world.run(10 * SECOND);
    assert_eq!(world.path("job"), ["pending", "initializing", "ready", "stopping(completed)", "stopped(completed)"]);
    assert_eq!(world.path("loop").last().unwrap(), "failed(limit)");
    assert_eq!(world.spawned.iter().filter(|(_, spec)| spec.module.as_str() == "loop").count(), 3);
    assert_eq!(world.statuses["job"]["exit"], json!({"code": 0}));
}

#[test]
fn a_clean_exit_before_the_handshake_completes_nothing() {
    let mut world = World::new(&[("job", ""), ("after", "requires: [{module: job, condition: completed}]\n")])
        .script("job", |s| {
            s.hello = Hello::Silent;
            s.dies_after = Some((MS, ExitStatus::Code(0)));
        })
        .boot();
    world.run(10 * SECOND);
    assert_eq!(world.path("job").last().unwrap(), "failed(exit)");
    assert_eq!(world.state("after"), "pending");
}

#[test]
fn crashes_are_retried_with_growing_delays_until_the_limit() {
    let restart = "restart: {delay: 100ms, factor: 2, max_delay: 300ms, jitter: 0, limit: 4, window: 60s}\n";
    let mut world = World::new(&[("bad", restart)]).script("bad", |s| s.exits_after = Some((MS, ExitStatus::Code(3)))).boot();
    world.run(60 * SECOND);
    let delays: Vec<_> =
        world.journal.iter().filter(|e| e["to"] == "restarting").map(|e| e["delay_ms"].as_u64().unwrap()).collect();
    assert_eq!(delays, [100, 200, 300, 300]);
    assert_eq!(world.path("bad").last().unwrap(), "failed(limit)");
    assert_eq!(world.status("bad")["restarts"], 4);
    assert_eq!(world.spawned.len(), 5);
    let gaps: Vec<_> = world.spawned.windows(2).map(|pair| (pair[1].0 - pair[0].0) / MS).collect();
    assert!(gaps.iter().zip(&delays).all(|(gap, delay)| gap >= delay), "{gaps:?}");
    world.ask("start", json!({"module": "bad"}));
    assert_eq!(world.status("bad")["restarts"], 0, "restart.counters-reset-by-operator");
    world.run(60 * SECOND);
    assert_eq!(world.spawned.len(), 10);
}

#[test]
fn jitter_is_bounded_and_differs() {
    let restart = "restart: {delay: 100ms, factor: 1, jitter: 0.5, limit: 100, window: 60s}\n";
    let restart = restart.replace("limit: 100", "limit: 20");
    let mut world = World::new(&[("bad", &restart)]).script("bad", |s| s.exits_after = Some((MS, ExitStatus::Signal(11)))).boot();
    world.run(60 * SECOND);
    let delays: std::collections::BTreeSet<_> =
        world.journal.iter().filter(|e| e["to"] == "restarting").map(|e| e["delay_ms"].as_u64().unwrap()).collect();
    assert!(delays.iter().all(|delay| (50..=150).contains(delay)), "{delays:?}");
    assert!(delays.len() > 5);
    assert_eq!(world.path("bad")[2], "crashed(signal)");
}

#[test]
fn counters_are_reset_after_stability() {
    let restart = "restart: {delay: 100ms, jitter: 0, reset_after: 5s}\n";
    let mut world = World::new(&[("web", restart)]).boot();
    world.run(SECOND);
    world.dies("web", ExitStatus::Code(1));
    world.run(SECOND);
    assert_eq!((world.state("web"), &world.status("web")["restarts"]), ("ready", &json!(1)));
    world.run(5 * SECOND);
    assert_eq!(world.status("web")["restarts"], 0);
    world.dies("web", ExitStatus::Code(1));
    assert_eq!(world.journal.last().unwrap()["delay_ms"], 100);
}

#[test]
fn stopping_asks_first_then_terms_then_kills() {
    let mut world = World::new(&[("deaf", "stop_timeout: 4s\n")])
        .script("deaf", |s| {
            s.stops_after = None;
            s.heeds_term = false;
        })
        .boot();
    world.run(SECOND);
    let reply = world.ask("stop", json!({"module": "deaf"}));
    assert_eq!(reply["result"], json!({"module": "deaf", "state": "stopping"}));
    let (_, _, _, shutdown) = world.received.last().unwrap();
    assert_eq!(shutdown["params"], json!({"reason": "operator", "deadline_ms": 4000}));
    world.run(10 * SECOND);
    let signals: Vec<_> = world.signals.iter().map(|(at, _, _, signal)| (at / MS, *signal)).collect();
    assert_eq!(signals, [(3000, Signal::Term), (5000, Signal::Kill)]);
    assert_eq!(world.path("deaf").last().unwrap(), "stopped(operator)");
    world.ask("stop", json!({"module": "deaf"}));
    assert_eq!(world.path("deaf").last().unwrap(), "stopped(operator)", "control.stop-idempotent");
}

#[test]
fn leftovers_are_swept_before_the_next_launch() {
    let mut world = World::new(&[("fork", EXACT)])
        .script("fork", |s| {
            s.leftovers = Some(100 * SECOND);
            s.heeds_term = false;
        })
        .boot();
    world.run(SECOND);
    world.dies("fork", ExitStatus::Code(1));
    assert_eq!(world.state("fork"), "crashed");
    world.run(4 * SECOND);
    assert_eq!(world.state("fork"), "crashed");
    world.run(2 * SECOND);
    assert_eq!(world.state("fork"), "ready");
    assert_eq!(world.generation("fork"), Some(2));
}

#[test]
fn the_operator_can_cancel_and_hasten_a_delay() {
    let restart = "restart: {delay: 10s, jitter: 0, window: 300s}\n";
    let mut world = World::new(&[("web", restart)]).boot();
    world.run(SECOND);
    world.dies("web", ExitStatus::Code(1));
    assert_eq!(world.state("web"), "restarting");
    assert_eq!(world.ask("stop", json!({"module": "web"}))["result"]["state"], "stopped");
    world.run(20 * SECOND);
    assert_eq!(world.state("web"), "stopped");
    assert_eq!(world.ask("restart", json!({"module": "web"}))["result"]["state"], "pending");
    world.run(SECOND);
    assert_eq!(world.state("web"), "ready");
    world.dies("web", ExitStatus::Code(1));
    world.ask("start", json!({"module": "web"}));
    world.run(SECOND);
    assert_eq!((world.state("web"), world.generation("web")), ("ready", Some(3)));
}

#[test]
fn wishes_during_a_stop_are_remembered() {
    let mut world = World::new(&[("web", "")]).script("web", |s| s.stops_after = Some(SECOND)).boot();
    world.run(SECOND);
    world.ask("stop", json!({"module": "web"}));
    assert_eq!(world.ask("start", json!({"module": "web"}))["result"]["state"], "stopping");
    world.run(2 * SECOND);
    assert_eq!((world.state("web"), world.generation("web")), ("ready", Some(2)));
    world.ask("restart", json!({"module": "web"}));
    world.ask("stop", json!({"module": "web"}));
    world.run(2 * SECOND);
    assert_eq!(world.path("web").last().unwrap(), "stopped(operator)");
}

#[test]
fn a_stop_before_the_process_is_there_is_carried_out() {
    let mut world = World::new(&[("web", "")]).script("web", |s| s.heeds_term = true).boot();
    world.ask("stop", json!({"module": "web"}));
    world.run(SECOND);
    assert_eq!(world.path("web"), ["pending", "initializing", "stopping(operator)", "stopped(operator)"]);
    assert!(world.methods("web").is_empty(), "it was never greeted");
}

#[test]
fn live_messages_of_every_kind() {
    let mut world = World::new(&[("web", EXACT)]).boot();
    world.run(SECOND);
    world.sends("web", b" { \"method\" : \"status\" , \"params\":{\"state\":\"degraded\",\"detail\":\"cold\"},\"jsonrpc\":\"2.0\"}\r\n");
    assert_eq!((world.state("web"), &world.status("web")["detail"]), ("degraded", &json!("cold")));
    world.says("web", &json!({"jsonrpc": "2.0", "method": "status", "params": {"state": "ready"}}));
    assert_eq!(world.state("web"), "ready");
    let before = world.path("web").len();
    for quiet in [
        json!({"jsonrpc": "2.0", "method": "ready"}),
        json!({"jsonrpc": "2.0", "method": "alive"}),
        json!({"jsonrpc": "2.0", "method": "dance", "params": {}}),
        json!({"jsonrpc": "2.0", "method": "log", "params": {"level": "info", "message": "x"}}),
        json!({"jsonrpc": "2.0", "id": 77, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 5, "method": "registry.lookup", "params": {}}),
    ] {
        world.says("web", &quiet);
    }
    assert_eq!(world.path("web").len(), before);
    let (_, _, _, reply) = world.received.last().unwrap();
    assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(5), &json!(-32601)));
    assert_eq!(world.of_type("protocol")[0]["code"], "ignored-message");
    world.sends("web", b"{\"jsonrpc\":\"2.0\",\"method\":\"alive\",\"method\":\"log\"}\n");
    assert_eq!(world.state("web"), "stopping");
    world.run(0);
    assert_eq!(world.path("web").last().unwrap(), "restarting(protocol)");
}

#[test]
fn a_module_that_does_not_read_is_overloaded() {
    let mut world = World::new(&[("web", "restart: never\n")]).boot();
    world.run(SECOND);
    world.overflow("web");
    world.run(SECOND);
    assert_eq!(world.path("web").last().unwrap(), "failed(overload)");
    assert_eq!(world.of_type("protocol")[0]["code"], "overloaded");
}

#[test]
fn health_over_the_wire() {
    let health = "health: {probe: wire, interval: 1s, timeout: 200ms, failures: 3, successes: 2, on_unhealthy: keep}\n";
    let mut world = World::new(&[("web", health)]).boot();
    world.run(500 * MS);
    assert_eq!(world.received.iter().find(|r| r.3["method"] == "live").unwrap().3["params"]["health_interval_ms"], 1000);
    world.scripts.entry("web".to_owned()).or_default().health = Health::Silent;
    world.run(2 * SECOND);
    assert_eq!(world.state("web"), "ready", "two failures are not three");
    world.run(SECOND);
    assert_eq!(world.path("web").last().unwrap(), "unhealthy(health)");
    world.scripts.get_mut("web").unwrap().health = Health::Degraded;
    world.run(SECOND);
    assert_eq!(world.state("web"), "unhealthy");
    world.run(SECOND);
    assert_eq!(world.state("web"), "degraded");
    world.scripts.get_mut("web").unwrap().health = Health::Ready;
    world.run(SECOND);
    assert_eq!(world.state("web"), "ready");
    let checks: Vec<_> = world.received.iter().filter(|r| r.3["method"] == "health.check").map(|r| r.0).collect();
    assert!(checks.windows(2).all(|pair| pair[1] - pair[0] >= SECOND), "{checks:?}");
}

#[test]
fn an_unhealthy_module_is_restarted() {
    let health = "restart: {jitter: 0}\nhealth: {probe: {tcp: '127.0.0.1:1'}, interval: 1s, failures: 2}\n";
    let mut world = World::new(&[("web", health)]).script("web", |s| s.health = Health::Error).boot();
    world.run(1500 * MS);
    assert_eq!(
        world.path("web")[2..],
        ["ready", "unhealthy(health)", "stopping(health)", "restarting(health)", "pending", "initializing", "ready"]
    );
    assert_eq!(world.of_type("health").len(), 3);
}

#[test]
fn dependents_of_a_failure_are_parked_and_start_when_it_is_back() {
    let mut world =
        World::new(&[("db", "restart: never\n"), ("web", "requires: [db]\n"), ("top", "requires: [web]\n"), ("log", "")])
            .script("db", |s| s.exits_after = Some((0, ExitStatus::Code(1))))
            .boot();
    world.run(SECOND);
    for module in ["web", "top"] {
        assert_eq!((world.state(module), &world.status(module)["reason"]), ("pending", &json!("dependency")), "{module}");
    }
    assert_eq!(world.status("web")["waiting_for"], json!(["db"]));
    assert_eq!(world.system(), ["starting", "degraded"]);
    world.scripts.get_mut("db").unwrap().exits_after = None;
    world.ask("start", json!({"module": "db"}));
    world.run(SECOND);
    assert_eq!((world.state("web"), world.state("top")), ("ready", "ready"));
    assert_eq!(world.system(), ["starting", "degraded", "ready"]);
}

#[test]
fn edges_keep_restart_and_stop() {
    let mut world = World::new(&[
        ("db", EXACT),
        ("kept", "requires: [{module: db, on_restart: keep}]\n"),
        ("again", "requires: [{module: db, on_restart: restart}]\n"),
        ("ends", "requires: [{module: db, on_restart: stop}]\n"),
        ("top", "requires: [again]\n"),
    ])
    .boot();
    world.run(SECOND);
    world.dies("db", ExitStatus::Code(1));
    assert_eq!((world.state("kept"), &world.status("kept")["reason"]), ("degraded", &json!("dependency")));
    world.run(SECOND);
    assert_eq!(world.path("kept")[2..], ["ready", "degraded(dependency)", "ready"]);
    assert_eq!(
        world.path("again")[2..],
        ["ready", "stopping(dependency)", "pending(dependency)", "initializing", "ready"]
    );
    assert_eq!(world.path("ends").last().unwrap(), "stopped(dependency)");
    assert_eq!(world.path("top")[2..], ["ready", "degraded(dependency)", "ready"]);
    assert_eq!(world.generation("kept"), Some(1));
}

#[test]
fn conditions_started_healthy_and_completed() {
    let mut world = World::new(&[
        ("db", "health: {probe: wire, interval: 1s, successes: 2}\n"),
        ("early", "requires: [{module: db, condition: started}]\n"),
        ("well", "requires: [{module: db, condition: healthy}]\n"),
        ("job", ""),
        ("after", "requires: [{module: job, condition: completed}]\n"),
    ])
    .script("db", |s| s.ready_after = Some(500 * MS))
    .script("job", |s| s.exits_after = Some((300 * MS, ExitStatus::Code(0))))
    .boot();
    world.run(5 * SECOND);
    assert!(world.times("early", "initializing")[0] < 500);
    assert_eq!(world.times("well", "initializing"), [1500]);
    assert_eq!(world.times("after", "initializing"), world.times("job", "stopped"));
    assert_eq!(world.system(), ["starting", "ready"]);
}

#[test]
fn optional_dependencies_are_waited_for_only_while_they_can_come() {
    let mut world = World::new(&[
        ("ok", ""),
        ("bad", "restart: never\n"),
        ("web", "requires: [{module: ok, optional: true}, {module: bad, optional: true}, {module: none, optional: true}]\n"),
    ])
    .script("ok", |s| s.ready_after = Some(500 * MS))
    .script("bad", |s| s.exec_fails = true)
    .boot();
    world.run(2 * SECOND);
    assert_eq!(world.state("web"), "ready");
    assert!(world.times("web", "initializing")[0] >= 500);
    world.ask("stop", json!({"module": "ok"}));
    world.run(SECOND);
    assert_eq!(world.state("web"), "ready");
}

#[test]
fn ghosts_invalid_and_disabled_modules_are_announced_and_not_launched() {
    let texts = vec![
        ("ghost", common::file("ghost", "").replace("/bin/true", "/bin/ghost")),
        ("invalid", common::file("invalid", "").replace("/bin/true", "/bin/invalid")),
        ("off", common::file("off", "enabled: false\n")),
        ("on", common::file("on", "")),
        ("needs", common::file("needs", "requires: [ghost]\n")),
    ];
    let loaded = common::load_texts(&texts);
    let codes: Vec<_> = loaded.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, ["PZ115", "PZ116"]);
    let mut world = World::of(loaded, 1).boot();
    world.run(SECOND);
    assert_eq!(world.path("ghost"), ["ghost(ghost)"]);
    assert_eq!(world.path("invalid"), ["invalid(config)"]);
    assert_eq!(world.path("off"), ["disabled(config)"]);
    assert_eq!((world.state("on"), world.state("needs")), ("ready", "pending"));
    assert_eq!(world.status("needs")["reason"], "dependency");
    assert_eq!(world.system(), ["starting", "degraded"]);
    for module in ["ghost", "invalid", "off"] {
        assert_eq!(world.ask("start", json!({"module": module}))["error"]["code"], -32007);
        assert!(world.ask("stop", json!({"module": module}))["result"].is_object());
    }
}

#[test]
fn shutdown_is_ordered_parallel_and_final() {
    let mut world = World::new(&[
        ("db", ""),
        ("web", "requires: [db]\n"),
        ("api", "requires: [db]\n"),
        ("back", "restart: {delay: 10s, window: 600s}\n"),
    ])
    .script("web", |s| s.stops_after = Some(300 * MS))
    .script("api", |s| s.stops_after = Some(200 * MS))
    .boot();
    world.run(SECOND);
    world.dies("back", ExitStatus::Code(1));
    assert_eq!(world.ask("shutdown", json!({}))["result"], json!({}));
    world.feed(Event::ShutdownSignal { signal: 15 });
    assert_eq!(world.ask("start", json!({"module": "back"}))["error"]["code"], -32005);
    world.run(10 * SECOND);
    let asked = |module: &str| world.received.iter().find(|r| r.1 == module && r.3["method"] == "shutdown").unwrap().0;
    assert_eq!(asked("web"), asked("api"));
    assert_eq!(asked("db"), asked("web") + 300 * MS, "stop.reverse-order");
    assert_eq!(world.path("back").last().unwrap(), "stopped(shutdown)");
    assert_eq!(world.system(), ["starting", "ready", "stopping", "stopped"]);
    assert_eq!(world.exit.unwrap().1, 0);
}

#[test]
fn a_critical_failure_alerts() {
    let mut world = World::new(&[("db", "critical: true\nrestart: never\n")]).boot();
    world.run(SECOND);
    world.dies("db", ExitStatus::Signal(9));
    assert_eq!(world.of_type("alert")[0]["reason"], "signal");
    assert_eq!(world.status("db")["exit"], json!({"signal": "SIGKILL"}));
}

#[test]
fn deferred_and_on_demand_modules() {
    let mut world = World::new(&[
        ("eager", "requires: [lib]\n"),
        ("late", "startup: deferred\n"),
        ("asked", "startup: on-demand\n"),
        ("lib", "startup: on-demand\n"),
    ])
    .boot();
    world.run(SECOND);
    assert_eq!(world.state("asked"), "pending");
    assert_eq!(world.state("lib"), "ready");
    assert!(world.times("late", "initializing")[0] >= world.times("eager", "ready")[0]);
    world.ask("start", json!({"module": "asked"}));
    world.run(SECOND);
    assert_eq!(world.state("asked"), "ready");
}

#[test]
fn control_requests_are_answered_in_the_shape_of_their_schema() {
    let mut world = World::new(&[("db", "provides: [sql/basic@1.0]\n"), ("web", "requires: [db]\n")]).boot();
    world.run(SECOND);
    let status = world.ask("status", json!({}))["result"].clone();
    assert_eq!(status["orchestrator"]["state"], "ready");
    assert_eq!(status["modules"].as_array().unwrap().len(), 2);
    assert_eq!(world.ask("status", json!({"module": "db"}))["result"]["module"], *world.status("db"));
    let unknown = world.ask("start", json!({"module": "wbe"}));
    assert_eq!(unknown["error"]["code"], -32003);
    assert_eq!(unknown["error"]["data"]["suggestion"], "web");
    assert_eq!(world.ask("plan", json!({}))["result"]["order"], json!(["db", "web"]));
    assert_eq!(world.raw(b"nonsense\n")["error"]["code"], -32700);
    assert!(world.raw(&[b'x'; 70_000]).is_null());
    assert_eq!(world.dropped.len(), 1);
}
