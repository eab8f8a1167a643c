//! The life of modules on a virtual clock: boot, handshake, readiness, ends, restarts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use common::{Hello, MS, Proof, SECOND, World};
use partenza_reference_core::machine::{ExitStatus, Signal};
use serde_json::json;

const EXACT: &str = "restart: {jitter: 0}\n";

#[test]
fn a_system_boots_in_the_order_of_its_dependencies_and_becomes_ready() {
    let mut world = World::new(&[("db", ""), ("web", "requires: [db]\n"), ("log", "")]).boot();
    world.run(SECOND);
    for module in ["db", "web", "log"] {
        assert_eq!(
            world.path(module),
            ["pending", "initializing", "ready"],
            "{module}"
        );
        assert_eq!(world.methods(module), ["hello", "prove", "live"]);
    }
    assert_eq!(world.system(), ["starting", "ready"]);
    assert_eq!(world.spawned[0].0, 0);
    assert_eq!(
        world.spawned[1].1.module.as_str(),
        "log",
        "boot.independent-in-parallel"
    );
    assert_eq!(world.times("web", "initializing"), world.times("db", "ready"));
    let spec = &world.spawned[0].1;
    assert_eq!(spec.environment[0], ("PATH".to_owned(), "/bin".to_owned()));
    assert!(
        spec.environment.iter().all(|(name, _)| name != "SECRET"),
        "launch.environment-allow-list"
    );
    assert_eq!(world.statuses["db"]["pid"], 101);
}

#[test]
fn a_wrong_or_missing_proof_ends_the_group_and_is_not_retried() {
    for proof in [Proof::Wrong, Proof::Missing] {
        let mut world = World::new(&[("liar", "restart: always\n"), ("honest", "")])
            .script("liar", |s| s.proof = proof.clone())
            .boot();
        world.run(60 * SECOND);
        assert_eq!(
            world.path("liar"),
            ["pending", "initializing", "stopping(auth)", "failed(auth)"]
        );
        assert_eq!(world.of_type("security")[0]["code"], "auth-failed");
        assert_eq!(world.signals[0].3, Signal::Kill);
        assert_eq!(world.statuses["liar"]["exit"], json!({"signal": "SIGKILL"}));
        assert_eq!(world.state("honest"), "ready");
        assert_eq!(world.system(), ["starting", "degraded"]);
        assert_eq!(
            world.ask("start", json!({"module": "liar"}))["result"]["state"],
            "pending"
        );
        assert_eq!(world.generation("liar"), Some(2));
    }
}

#[test]
fn whatever_is_not_the_expected_reply_is_a_protocol_failure() {
    let l2 = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"version\":\"1.0\",\"nonce\":\"{}\"}}}}\n",
        "ab".repeat(32)
    );
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"hello\n".to_vec(), "protocol"),
        ([b'x'; 5000].to_vec(), "protocol"),
        (format!("{l2}{l2}").into_bytes(), "protocol"),
        (l2.replace("\"id\":1", "\"id\":2").into_bytes(), "protocol"),
        (l2.replace("ab", "AB").into_bytes(), "protocol"),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"message\":\"\"}}\n".to_vec(),
            "protocol",
        ),
        (
            b"{\"jsonrpc\":\"2.0\",\"method\":\"ready\"}\n".to_vec(),
            "protocol",
        ),
        (l2.replace("\"1.0\"", "\"2.0\"").into_bytes(), "version"),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"no\"}}\n".to_vec(),
            "version",
        ),
    ];
    for (bytes, reason) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let mut world = World::new(&[("bad", "restart: never\n")])
            .script("bad", |s| s.hello = Hello::Raw(bytes))
            .boot();
        world.run(SECOND);
        let stopping = format!("stopping({reason})");
        let failed = format!("failed({reason})");
        assert_eq!(
            world.path("bad"),
            ["pending", "initializing", &stopping, &failed],
            "{shown}"
        );
        let code = if reason == "version" {
            "version-unsupported"
        } else {
            "protocol-violation"
        };
        assert_eq!(world.of_type("protocol")[0]["code"], code, "{shown}");
        assert!(!world.methods("bad").contains(&"live"));
    }
}

#[test]
fn silence_and_closing_end_the_handshake() {
    let mut world = World::new(&[
        ("mute", "handshake_timeout: 2s\nrestart: never\n"),
        ("shut", "restart: never\n"),
    ])
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
    let mut world = World::new(&[("slow", "start_timeout: 3s\nrestart: never\n")])
        .script("slow", |s| s.ready_after = None)
        .boot();
    world.run(2 * SECOND);
    world.says(
        "slow",
        &json!({"jsonrpc": "2.0", "method": "extend", "params": {"ms": 5000}}),
    );
    world.run(4 * SECOND);
    assert_eq!(world.state("slow"), "initializing");
    world.run(2 * SECOND);
    assert_eq!(world.path("slow").last().unwrap(), "failed(timeout)");
    assert_eq!(world.times("slow", "stopping"), [7000]);
}

#[test]
fn a_failed_exec_is_final() {
    let mut world = World::new(&[("gone", "restart: always\n")])
        .script("gone", |s| s.exec_fails = true)
        .boot();
    world.run(60 * SECOND);
    assert_eq!(world.path("gone"), ["pending", "initializing", "failed(exec)"]);
    assert!(
        world.status("gone")["detail"]
            .as_str()
            .unwrap()
            .contains("exec: ENOENT")
    );
}

#[test]
fn a_clean_exit_completes_and_always_restarts() {
    let script = |s: &mut common::Script| s.exits_after = Some((2 * MS, ExitStatus::Code(0)));
    let mut world = World::new(&[
        ("job", EXACT),
        ("loop", "restart: {policy: always, jitter: 0, limit: 2}\n"),
    ])
    .script("job", script)
    .script("loop", script)
    .boot();
    world.run(10 * SECOND);
    assert_eq!(
        world.path("job"),
        [
            "pending",
            "initializing",
            "ready",
            "stopping(completed)",
            "stopped(completed)"
        ]
    );
    assert_eq!(world.path("loop").last().unwrap(), "failed(limit)");
    assert_eq!(
        world
            .spawned
            .iter()
            .filter(|(_, spec)| spec.module.as_str() == "loop")
            .count(),
        3
    );
    assert_eq!(world.statuses["job"]["exit"], json!({"code": 0}));
}

#[test]
fn a_clean_exit_before_the_handshake_completes_nothing() {
    let mut world = World::new(&[
        ("job", "restart: never\n"),
        ("again", ""),
        ("after", "requires: [{module: job, condition: completed}]\n"),
    ])
    .script("job", early_exit)
    .script("again", early_exit)
    .boot();
    world.run(10 * SECOND);
    assert_eq!(
        world.path("job"),
        ["pending", "initializing", "crashed(exit)", "failed(exit)"]
    );
    assert_eq!(world.status("job")["exit"], json!({"code": 0}));
    assert_eq!(world.path("again").last().unwrap(), "failed(limit)");
    assert_eq!(
        world.status("again")["detail"],
        "PZ210: 5 restarts within 1m; the last failure was exit status 0 before it was live"
    );
    assert_eq!(world.state("after"), "pending");
}

fn early_exit(script: &mut common::Script) {
    script.hello = Hello::Silent;
    script.dies_after = Some((MS, ExitStatus::Code(0)));
}

#[test]
fn crashes_are_retried_with_growing_delays_until_the_limit() {
    let restart = "restart: {delay: 100ms, factor: 2, max_delay: 300ms, jitter: 0, limit: 4, window: 60s}\n";
    let mut world = World::new(&[("bad", restart)])
        .script("bad", |s| s.exits_after = Some((MS, ExitStatus::Code(3))))
        .boot();
    world.run(60 * SECOND);
    let delays: Vec<_> = world
        .journal
        .iter()
        .filter(|e| e["to"] == "restarting")
        .map(|e| e["delay_ms"].as_u64().unwrap())
        .collect();
    assert_eq!(delays, [100, 200, 300, 300]);
    assert_eq!(world.path("bad").last().unwrap(), "failed(limit)");
    assert_eq!(world.status("bad")["restarts"], 4);
    assert_eq!(world.spawned.len(), 5);
    let gaps: Vec<_> = world
        .spawned
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0) / MS)
        .collect();
    assert!(
        gaps.iter().zip(&delays).all(|(gap, delay)| gap >= delay),
        "{gaps:?}"
    );
    world.ask("start", json!({"module": "bad"}));
    assert_eq!(
        world.status("bad")["restarts"],
        0,
        "restart.counters-reset-by-operator"
    );
    world.run(60 * SECOND);
    assert_eq!(world.spawned.len(), 10);
}

#[test]
fn jitter_is_bounded_and_differs() {
    let restart = "restart: {delay: 100ms, factor: 1, jitter: 0.5, limit: 100, window: 60s}\n";
    let restart = restart.replace("limit: 100", "limit: 20");
    let mut world = World::new(&[("bad", &restart)])
        .script("bad", |s| s.exits_after = Some((MS, ExitStatus::Signal(11))))
        .boot();
    world.run(60 * SECOND);
    let delays: std::collections::BTreeSet<_> = world
        .journal
        .iter()
        .filter(|e| e["to"] == "restarting")
        .map(|e| e["delay_ms"].as_u64().unwrap())
        .collect();
    assert!(
        delays.iter().all(|delay| (50..=150).contains(delay)),
        "{delays:?}"
    );
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
    assert_eq!(
        (world.state("web"), &world.status("web")["restarts"]),
        ("ready", &json!(1))
    );
    world.run(5 * SECOND);
    assert_eq!(world.status("web")["restarts"], 0);
    world.dies("web", ExitStatus::Code(1));
    assert_eq!(world.journal.last().unwrap()["delay_ms"], 100);
}

#[test]
fn what_is_forgiven_counts_for_no_limit() {
    let restart = "restart: {delay: 100ms, jitter: 0, limit: 1, window: 1h, reset_after: 5s}\n";
    let mut world = World::new(&[("web", restart)]).boot();
    for _ in 0..3 {
        world.run(6 * SECOND);
        world.dies("web", ExitStatus::Code(1));
        assert_eq!(world.state("web"), "restarting");
    }
    world.run(SECOND);
    world.dies("web", ExitStatus::Code(1));
    assert_eq!(world.state("web"), "failed");
    assert_eq!(
        world.status("web")["detail"],
        "PZ210: 1 restart within 1h; the last failure was exit status 1"
    );
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
    assert_eq!(
        shutdown["params"],
        json!({"reason": "operator", "deadline_ms": 4000})
    );
    world.run(10 * SECOND);
    let signals: Vec<_> = world
        .signals
        .iter()
        .map(|(at, _, _, signal)| (at / MS, *signal))
        .collect();
    assert_eq!(signals, [(3000, Signal::Term), (5000, Signal::Kill)]);
    assert_eq!(world.path("deaf").last().unwrap(), "stopped(operator)");
    assert_eq!(world.status("deaf")["detail"], "PZ213: killed after 4000 ms");
    world.ask("stop", json!({"module": "deaf"}));
    assert_eq!(
        world.path("deaf").last().unwrap(),
        "stopped(operator)",
        "control.stop-idempotent"
    );
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
    assert_eq!(
        world.ask("stop", json!({"module": "web"}))["result"]["state"],
        "stopped"
    );
    world.run(20 * SECOND);
    assert_eq!(world.state("web"), "stopped");
    assert_eq!(
        world.ask("restart", json!({"module": "web"}))["result"]["state"],
        "pending"
    );
    world.run(SECOND);
    assert_eq!(world.state("web"), "ready");
    world.dies("web", ExitStatus::Code(1));
    world.ask("start", json!({"module": "web"}));
    world.run(SECOND);
    assert_eq!((world.state("web"), world.generation("web")), ("ready", Some(3)));
}

#[test]
fn wishes_during_a_stop_are_remembered() {
    let mut world = World::new(&[("web", "")])
        .script("web", |s| s.stops_after = Some(SECOND))
        .boot();
    world.run(SECOND);
    world.ask("stop", json!({"module": "web"}));
    assert_eq!(
        world.ask("start", json!({"module": "web"}))["result"]["state"],
        "stopping"
    );
    world.run(2 * SECOND);
    assert_eq!((world.state("web"), world.generation("web")), ("ready", Some(2)));
    world.ask("restart", json!({"module": "web"}));
    world.ask("stop", json!({"module": "web"}));
    world.run(2 * SECOND);
    assert_eq!(world.path("web").last().unwrap(), "stopped(operator)");
}

#[test]
fn a_stop_before_the_process_is_there_is_carried_out() {
    let mut world = World::new(&[("web", "")])
        .script("web", |s| s.heeds_term = true)
        .boot();
    world.ask("stop", json!({"module": "web"}));
    world.run(SECOND);
    assert_eq!(
        world.path("web"),
        [
            "pending",
            "initializing",
            "stopping(operator)",
            "stopped(operator)"
        ]
    );
    assert!(world.methods("web").is_empty(), "it was never greeted");
}

#[test]
fn live_messages_of_every_kind() {
    let mut world = World::new(&[("web", EXACT)]).boot();
    world.run(SECOND);
    world.sends("web", b" { \"method\" : \"status\" , \"params\":{\"state\":\"degraded\",\"detail\":\"cold\"},\"jsonrpc\":\"2.0\"}\r\n");
    assert_eq!(
        (world.state("web"), &world.status("web")["detail"]),
        ("degraded", &json!("cold"))
    );
    world.says(
        "web",
        &json!({"jsonrpc": "2.0", "method": "status", "params": {"state": "ready"}}),
    );
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
    assert_eq!(
        (&reply["id"], &reply["error"]["code"]),
        (&json!(5), &json!(-32601))
    );
    assert_eq!(world.of_type("protocol")[0]["code"], "ignored-message");
    world.sends(
        "web",
        b"{\"jsonrpc\":\"2.0\",\"method\":\"alive\",\"method\":\"log\"}\n",
    );
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
