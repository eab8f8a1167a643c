//! Modules together on a virtual clock: dependencies, health, shutdown, control.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod common;

use common::{Health, MS, SECOND, World};
use partenza_reference_core::machine::{Event, ExitStatus};
use serde_json::json;

const EXACT: &str = "restart: {jitter: 0}\n";

#[test]
fn health_over_the_wire() {
    let health = "health: {probe: wire, interval: 1s, timeout: 200ms, failures: 3, successes: 2, on_unhealthy: keep}\n";
    let mut world = World::new(&[("web", health)]).boot();
    world.run(500 * MS);
    assert_eq!(
        world.received.iter().find(|r| r.3["method"] == "live").unwrap().3["params"]["health_interval_ms"],
        1000
    );
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
    let checks: Vec<_> = world
        .received
        .iter()
        .filter(|r| r.3["method"] == "health.check")
        .map(|r| r.0)
        .collect();
    assert!(
        checks.windows(2).all(|pair| pair[1] - pair[0] >= SECOND),
        "{checks:?}"
    );
}

#[test]
fn an_unhealthy_module_is_restarted() {
    let health = "restart: {jitter: 0}\nhealth: {probe: {tcp: '127.0.0.1:1'}, interval: 1s, failures: 2}\n";
    let mut world = World::new(&[("web", health)])
        .script("web", |s| s.health = Health::Error)
        .boot();
    world.run(1500 * MS);
    assert_eq!(
        world.path("web")[2..],
        [
            "ready",
            "unhealthy(health)",
            "stopping(health)",
            "restarting(health)",
            "pending",
            "initializing",
            "ready"
        ]
    );
    assert_eq!(world.of_type("health").len(), 3);
}

#[test]
fn dependents_of_a_failure_are_parked_and_start_when_it_is_back() {
    let mut world = World::new(&[
        ("db", "restart: never\n"),
        ("web", "requires: [db]\n"),
        ("top", "requires: [web]\n"),
        ("log", ""),
    ])
    .script("db", |s| s.exits_after = Some((0, ExitStatus::Code(1))))
    .boot();
    world.run(SECOND);
    for module in ["web", "top"] {
        assert_eq!(
            (world.state(module), &world.status(module)["reason"]),
            ("pending", &json!("dependency")),
            "{module}"
        );
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
    assert_eq!(
        (world.state("kept"), &world.status("kept")["reason"]),
        ("degraded", &json!("dependency"))
    );
    world.run(SECOND);
    assert_eq!(
        world.path("kept")[2..],
        ["ready", "degraded(dependency)", "ready"]
    );
    assert_eq!(
        world.path("again")[2..],
        [
            "ready",
            "stopping(dependency)",
            "pending(dependency)",
            "initializing",
            "ready"
        ]
    );
    assert_eq!(world.path("ends").last().unwrap(), "stopped(dependency)");
    assert_eq!(world.path("top")[2..], ["ready", "degraded(dependency)", "ready"]);
    assert_eq!(world.generation("kept"), Some(1));
}

#[test]
fn several_lost_edges_and_a_lost_dependency_in_the_state_of_the_system() {
    let mut world = World::new(&[
        ("db", "restart: never\n"),
        ("kept", "requires: [db]\n"),
        (
            "torn",
            "requires: [db, {module: db, condition: started, on_restart: restart}, {module: db, on_restart: stop}]\n",
        ),
        ("log", "restart: {delay: 3s, window: 300s, jitter: 0}\n"),
        ("user", "requires: [log]\n"),
    ])
    .boot();
    world.run(SECOND);
    world.dies("log", ExitStatus::Code(1));
    assert_eq!(world.state("user"), "degraded");
    assert_eq!(
        world.system(),
        ["starting", "ready"],
        "while one restarts, the state stays"
    );
    world.run(5 * SECOND);
    assert_eq!(world.system(), ["starting", "ready"]);
    world.dies("db", ExitStatus::Code(1));
    world.run(SECOND);
    assert_eq!(
        world.path("torn")[2..],
        ["ready", "stopping(dependency)", "stopped(dependency)"]
    );
    assert_eq!(world.status("kept")["detail"], "db is lost");
    assert_eq!(world.system(), ["starting", "ready", "degraded"]);
    // The dependent alone keeps the system degraded, and what the operator stops does not count.
    world.ask("stop", json!({"module": "torn"}));
    world.ask("start", json!({"module": "db"}));
    world.ask("start", json!({"module": "torn"}));
    world.run(SECOND);
    assert_eq!(world.system(), ["starting", "ready", "degraded", "ready"]);
    world.ask("stop", json!({"module": "torn"}));
    world.run(SECOND);
    assert_eq!(world.system().last(), Some(&"ready"));
}

#[test]
fn a_running_dependent_keeps_what_it_was_launched_on() {
    let probe = "health: {probe: wire, interval: 1s, failures: 1, on_unhealthy: keep}\n";
    let mut world = World::new(&[
        ("db", probe),
        ("web", "restart: {jitter: 0}\nrequires: [db]\n"),
        ("well", "requires: [{module: db, condition: healthy}]\n"),
        ("job", ""),
        ("after", "requires: [{module: job, condition: completed}]\n"),
        ("early", "requires: [{module: job, condition: started}]\n"),
    ])
    .script("job", |s| s.exits_after = Some((5 * MS, ExitStatus::Code(0))))
    .boot();
    world.run(SECOND / 2);
    world.scripts.entry("db".to_owned()).or_default().health = Health::Error;
    world.run(SECOND);
    assert_eq!(world.state("db"), "unhealthy");
    assert_eq!((world.state("web"), world.state("well")), ("ready", "degraded"));
    assert_eq!(world.system(), ["starting", "ready", "degraded"]);
    world.dies("web", ExitStatus::Code(1));
    world.run(SECOND);
    assert_eq!(
        (world.state("web"), &world.status("web")["reason"]),
        ("pending", &json!(null)),
        "nobody new is launched on it"
    );
    world.scripts.get_mut("db").unwrap().health = Health::Ready;
    world.run(2 * SECOND);
    assert_eq!((world.state("web"), world.state("well")), ("ready", "ready"));
    world.ask("start", json!({"module": "job"}));
    world.run(2 * MS);
    assert_eq!(world.state("job"), "ready");
    assert_eq!(world.path("after").last().unwrap(), "ready");
    assert_eq!(world.path("early").last().unwrap(), "ready");
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
    assert_eq!(
        world.times("after", "initializing"),
        world.times("job", "stopped")
    );
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
        (
            "ghost",
            common::file("ghost", "").replace("/bin/true", "/bin/ghost"),
        ),
        (
            "invalid",
            common::file("invalid", "").replace("/bin/true", "/bin/invalid"),
        ),
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
    assert_eq!(world.path("off"), ["disabled"]);
    assert_eq!((world.state("on"), world.state("needs")), ("ready", "pending"));
    assert_eq!(world.status("needs")["reason"], "dependency");
    assert_eq!(world.system(), ["starting", "degraded"]);
    for module in ["ghost", "invalid", "off"] {
        assert_eq!(
            world.ask("start", json!({"module": module}))["error"]["code"],
            -32007
        );
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
    assert_eq!(
        world.ask("start", json!({"module": "back"}))["error"]["code"],
        -32005
    );
    world.run(10 * SECOND);
    let asked = |module: &str| {
        world
            .received
            .iter()
            .find(|r| r.1 == module && r.3["method"] == "shutdown")
            .unwrap()
            .0
    };
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
    assert_eq!(
        world.ask("status", json!({"module": "db"}))["result"]["module"],
        *world.status("db")
    );
    let unknown = world.ask("start", json!({"module": "wbe"}));
    assert_eq!(unknown["error"]["code"], -32003);
    assert_eq!(unknown["error"]["data"]["suggestion"], "web");
    assert_eq!(
        world.ask("plan", json!({}))["result"]["order"],
        json!(["db", "web"])
    );
    assert_eq!(world.raw(b"nonsense\n")["error"]["code"], -32700);
    assert!(world.raw(&[b'x'; 70_000]).is_null());
    assert_eq!(world.dropped.len(), 1);
}
