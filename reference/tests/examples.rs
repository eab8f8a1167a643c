//! The example modules that the repository ships, run for real: POSIX sh and Python's standard library.
//!
//! The test owns that `examples/modules/` works as given; only the folder of the entrypoint and the pace of the health
//! checks are changed. It refuses to skip: Python 3 belongs to the machine that the README asks for.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]

mod common;

use std::fs;
use std::path::Path;

use common::{Scene, lives};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

fn example(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/modules")
        .canonicalize()
        .unwrap();
    let text = fs::read_to_string(folder.join(format!("{name}.yaml"))).unwrap();
    let (installed, slow) = ("/usr/local/libexec/partenza", "interval: 5s");
    assert!(
        text.contains(installed) && text.contains(slow),
        "{name}.yaml has changed its form"
    );
    text.replace(installed, folder.to_str().unwrap())
        .replace(slow, "interval: 200ms")
}

fn pid(status: &Value) -> u32 {
    u32::try_from(status["pid"].as_u64().unwrap()).unwrap()
}

fn ready(module: &str, generation: u64) -> impl Fn(&Value) -> bool {
    move |event| event["module"] == *module && event["to"] == "ready" && event["generation"] == generation
}

fn healthy(module: &str, generation: u64) -> impl Fn(&Value) -> bool {
    move |event| {
        event["type"] == "health"
            && event["module"] == *module
            && event["generation"] == generation
            && event["ok"] == true
    }
}

#[test]
fn the_sh_and_the_python_module_live_through_handshake_health_restart_and_shutdown() {
    let mut scene = Scene::new(&[("beacon", &example("beacon")), ("clock", &example("clock"))]);
    scene.boot();

    // Handshake and readiness; `clock` requires `beacon`, so it comes second.
    let beacon_ready = scene.wait_for_event(ready("beacon", 1));
    let clock_ready = scene.wait_for_event(ready("clock", 1));
    assert!(beacon_ready["seq"].as_u64() < clock_ready["seq"].as_u64());
    assert_eq!(scene.status("clock")["provides"], json!(["example/clock@1.0"]));

    // Health checks over the wire.
    scene.wait_for_event(healthy("beacon", 1));
    scene.wait_for_event(healthy("clock", 1));

    // A crash: the orchestrator launches it again, with a fresh generation and a fresh handshake.
    let crashed = pid(&scene.status("beacon"));
    kill(Pid::from_raw(crashed.try_into().unwrap()), Signal::SIGKILL).unwrap();
    scene.wait_for_event(ready("beacon", 2));
    scene.wait_for_event(healthy("beacon", 2));
    assert!(!lives(crashed));

    // A restart that the operator asks for.
    assert!(scene.tell(&["restart", "clock"]).contains("ready"));
    assert_eq!(scene.status("clock")["generation"], json!(2));

    // An ordered shutdown: both are asked and both answer, the dependent first.
    let pids = [pid(&scene.status("beacon")), pid(&scene.status("clock"))];
    scene.tell(&["shutdown"]);
    assert_eq!(scene.wait(), 0);
    assert!(!pids.into_iter().any(lives));
    let said = |text: &str| scene.seen.iter().rposition(|line| line.contains(text)).unwrap();
    assert!(said("clock: asked to stop: shutdown") < said("beacon: asked to stop: shutdown"));
}
