//! A real boot of real modules, as whatever user runs the test.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use common::{PATIENCE, Scene, lives};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

fn file(id: &str, more: &str) -> String {
    format!("id: {id}\nversion: 1.0.0\nentrypoint: '{{module}}'\nstop_timeout: 2s\n{more}")
}

#[test]
fn a_shell_module_becomes_ready_restarts_and_shuts_down() {
    let mut scene = Scene::new(&[("web", &file("web", ""))]);
    scene.boot();
    assert!(scene.tell(&["start", "web"]).contains("ready"));
    let first = scene.status("web");
    assert_eq!(
        (&first["state"], &first["generation"]),
        (&json!("ready"), &json!(1))
    );

    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(scene.runtime()), 0o700);
    assert_eq!(mode(scene.runtime().join("control.sock")), 0o600);
    assert_eq!(mode(scene.runtime().join("modules/web")), 0o700);

    assert!(scene.tell(&["restart", "web"]).contains("ready"));
    let second = scene.status("web");
    assert_eq!(second["generation"], json!(2));
    assert_ne!(first["pid"], second["pid"]);
    assert!(!lives(u32::try_from(first["pid"].as_u64().unwrap()).unwrap()));

    assert!(scene.tell(&["stop", "web"]).contains("stopped"));
    assert!(scene.tell(&["stop", "web"]).contains("already stopped"));
    assert!(scene.tell(&["status"]).contains("web"));
    assert!(
        scene
            .tell(&["events", "--no-follow"])
            .contains("web: initializing -> ready")
    );

    assert!(scene.tell(&["shutdown"]).contains("has ended"));
    assert_eq!(scene.wait(), 0);
    assert!(!scene.runtime().exists(), "nothing is left behind");
}

#[test]
fn sigterm_is_an_ordered_shutdown() {
    let mut scene = Scene::new(&[("web", &file("web", ""))]);
    scene.boot();
    scene.tell(&["start", "web"]);
    let pid = u32::try_from(scene.status("web")["pid"].as_u64().unwrap()).unwrap();
    assert_eq!(scene.end(Signal::SIGTERM), 0);
    assert!(!lives(pid));
    assert!(!scene.runtime().exists());
}

#[test]
fn a_module_that_leaves_its_session_is_still_ended() {
    let mut scene = Scene::new(&[(
        "web",
        &file("web", "args: [escape]\nstop_timeout: 500ms\n").replace("stop_timeout: 2s\n", ""),
    )]);
    scene.boot();
    let line = scene.wait_for_log("escaped ");
    let escaped: u32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    scene.tell(&["start", "web"]);
    assert!(lives(escaped));
    let leader = scene.status("web")["pid"].as_u64().unwrap();
    assert_ne!(leader, u64::from(escaped));
    scene.tell(&["stop", "web"]);
    assert!(!lives(escaped), "stopped means that the group is empty");
    assert_eq!(scene.end(Signal::SIGINT), 0);
}

#[test]
fn a_module_that_does_not_listen_is_killed_at_its_stop_timeout_even_if_it_is_stopped() {
    let files = file("web", "args: [deaf]\n").replace("stop_timeout: 2s", "stop_timeout: 400ms");
    let mut scene = Scene::new(&[("web", &files)]);
    scene.boot();
    scene.tell(&["start", "web"]);
    let pid = i32::try_from(scene.status("web")["pid"].as_u64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    scene.tell(&["stop", "web"]);
    assert_eq!(scene.status("web")["exit"], json!({"signal": "SIGKILL"}));
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn a_liar_fails_and_the_others_go_on() {
    let mut scene = Scene::new(&[
        ("honest", &file("honest", "")),
        ("liar", &file("liar", "args: [liar]\n")),
    ]);
    scene.boot();
    scene.tell(&["start", "honest"]);
    let (code, _, err) = scene.ask(&["restart", "liar"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("failed (auth)"), "{err}");
    assert_eq!(scene.status("honest")["state"], json!("ready"));
    let (code, _, err) = scene.ask(&["start", "honset"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("did you mean `honest`?"), "{err}");
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn a_wait_that_takes_too_long_says_what_it_waits_for() {
    let db = "id: db\nversion: 1.0.0\nentrypoint: /bin/sleep\nargs: ['1000']\nrestart: never\nhandshake_timeout: 5m\nstart_timeout: 5m\nstop_timeout: 100ms\n";
    let mut scene = Scene::new(&[("db", db), ("web", &file("web", "requires: [db]\n"))]);
    scene.boot();
    let (code, _, err) = scene.ask(&["start", "web", "--timeout", "300ms"]);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("waiting for db"), "{err}");
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn the_environment_is_the_allow_list_and_the_files_own() {
    let mut scene = Scene::new(&[(
        "web",
        &file("web", "args: [environ]\nenvironment: {COLOUR: green}\n"),
    )]);
    scene.boot();
    scene.wait_for_log("web: serving");
    let log = scene.seen.join("\n");
    for wanted in [
        "COLOUR=green",
        "PARTENZA_MODULE=web",
        "PARTENZA_GENERATION=1",
        "PARTENZA_FD=3",
        "PARTENZA_SECRET_FD=4",
    ] {
        assert!(log.contains(wanted), "{wanted} in\n{log}");
    }
    assert!(!log.contains("SECRET_OF_THE_HOST"), "{log}");
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn a_program_that_cannot_be_executed_is_reported_with_its_step() {
    let mut scene = Scene::new(&[("web", &file("web", ""))]);
    // Executable by its mode, yet in no format that the kernel knows.
    fs::write(scene.folder.path().join("module.sh"), "\u{1}\u{2}").unwrap();
    scene.boot();
    let (code, _, err) = scene.ask(&["restart", "web"]);
    assert_eq!(code, 1, "{err}");
    let status = scene.status("web");
    assert_eq!(
        (&status["state"], &status["reason"]),
        (&json!("failed"), &json!("exec"))
    );
    assert!(
        status["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("exec")),
        "{status}"
    );
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn a_second_orchestrator_is_kept_out_and_a_dead_one_replaced() {
    let mut scene = Scene::new(&[("web", &file("web", ""))]);
    scene.boot();
    let second = assert_cmd::Command::cargo_bin("partenza")
        .unwrap()
        .args(["run", "--modules"])
        .arg(scene.modules())
        .arg("--runtime")
        .arg(scene.runtime())
        .assert()
        .code(1);
    assert!(String::from_utf8_lossy(&second.get_output().stderr).contains("another orchestrator"));
    assert!(scene.tell(&["start", "web"]).contains("ready"));
    assert_eq!(scene.end(Signal::SIGKILL), -1);
    assert!(scene.runtime().join("control.sock").exists());
    scene.boot();
    assert!(scene.tell(&["start", "web"]).contains("ready"));
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn status_files_hold_the_same_object() {
    let mut scene = Scene::new(&[("web", &file("web", ""))]);
    scene.boot();
    scene.tell(&["start", "web"]);
    let path = scene.runtime().join("status/web.json");
    let deadline = Instant::now() + PATIENCE;
    let told = scene.status("web");
    loop {
        let written: Option<Value> = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if written.as_ref() == Some(&told) {
            break;
        }
        assert!(Instant::now() < deadline, "{written:?} is not {told}");
        std::thread::yield_now();
    }
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn a_client_that_never_reads_delays_nobody() {
    let mut scene = Scene::new(&[("web", &file("web", ""))]);
    scene.boot();
    scene.tell(&["start", "web"]);
    let mut deaf = UnixStream::connect(scene.runtime().join("control.sock")).unwrap();
    deaf.set_nonblocking(true).unwrap();
    let line = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":{}}\n";
    for _ in 0..10_000 {
        // It fails once both buffers are full or the orchestrator has had enough; both are what is wanted.
        if deaf.write_all(line).is_err() {
            break;
        }
    }
    let mut other = UnixStream::connect(scene.runtime().join("control.sock")).unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    other.write_all(line).unwrap();
    let mut answer = String::new();
    BufReader::new(other).read_line(&mut answer).unwrap();
    assert!(answer.contains("\"web\""), "{answer}");
    assert_eq!(scene.end(Signal::SIGTERM), 0);
}

#[test]
fn strays_with_an_empty_environment_do_not_survive_the_orchestrator() {
    let mut scene = Scene::new(&[("web", &file("web", ""))]);
    let script = fs::read_to_string(scene.folder.path().join("module.sh")).unwrap();
    let stray = "echo \"stray $(exec 3<&-; env -i setsid sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!')\"\n";
    let script = script.replace("echo \"serving\"", &format!("{stray}echo \"serving\""));
    fs::write(scene.folder.path().join("module.sh"), script).unwrap();
    scene.boot();
    let line = scene.wait_for_log("stray ");
    let stray: u32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(lives(stray));
    assert_eq!(scene.end(Signal::SIGTERM), 0);
    assert!(!lives(stray));
}
