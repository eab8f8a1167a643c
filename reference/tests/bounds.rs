//! Peers without measure: each costs itself and nobody else.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]

mod common;

use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use common::Scene;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn file(id: &str, word: &str) -> String {
    format!("id: {id}\nversion: 1.0.0\nentrypoint: '{{module}}'\nargs: [{word}]\nstop_timeout: 2s\n")
}

#[test]
fn a_module_that_prints_without_end_is_cut_short_in_the_log() {
    let mut scene = Scene::new(&[("loud", &file("loud", "chatter")), ("web", &file("web", "quiet"))]);
    scene.boot();
    scene.wait_for_log("loud: warning: suppressed ");
    assert!(scene.tell(&["restart", "web"]).contains("ready"));
    assert!(scene.tell(&["stop", "loud"]).contains("stopped"));
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn a_module_that_floods_its_socket_delays_nobody() {
    let mut scene = Scene::new(&[("loud", &file("loud", "flood")), ("web", &file("web", "quiet"))]);
    scene.boot();
    scene.tell(&["start", "loud"]);
    for _ in 0..3 {
        assert!(scene.tell(&["restart", "web"]).contains("ready"));
    }
    assert!(scene.tell(&["stop", "loud"]).contains("stopped"));
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let scene = Scene::new(&[("loud", &file("loud", "chatter"))]);
    let mut child = Command::new(cargo_bin("partenza"))
        .args(["run", "--modules"])
        .arg(scene.modules())
        .arg("--runtime")
        .arg(scene.runtime())
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while !scene.runtime().join("control.sock").exists() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    for _ in 0..3 {
        assert!(scene.tell(&["restart", "loud"]).contains("ready"));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
