//! Health probes against real listeners and real commands.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use common::{Scene, lives};
use nix::sys::signal::Signal;
use serde_json::Value;

fn file(probe: &str) -> String {
    format!(
        "id: web\nversion: 1.0.0\nentrypoint: '{{module}}'\nstop_timeout: 2s\n\
         health: {{probe: {probe}, interval: 50ms, timeout: 400ms, failures: 1, on_unhealthy: keep}}\n"
    )
}

/// Boots one module with this probe and returns the first result.
fn first_result(probe: &str) -> Value {
    let mut scene = Scene::new(&[("web", &file(probe))]);
    scene.boot();
    let result = scene.wait_for_event(|event| event["type"] == "health");
    assert_eq!(scene.end(Signal::SIGTERM), 0);
    result
}

/// Answers every HTTP request with this status line.
fn serve_http(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
        }
    });
    port
}

/// A port where nobody listens: it was free a moment ago, and ports are not given out again at once.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[test]
fn a_command_decides_by_its_exit_status() {
    assert_eq!(first_result("{command: [/bin/true]}")["ok"], true);
    let failed = first_result("{command: [/bin/sh, -c, 'exit 3']}");
    assert_eq!(
        (&failed["ok"], failed["detail"].as_str()),
        (&Value::Bool(false), Some("exit status 3"))
    );
}

#[test]
fn a_command_that_hangs_is_ended_with_all_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! >{}; wait", note.display());
    let mut scene = Scene::new(&[("web", &file(&format!("{{command: [/bin/sh, -c, '{script}']}}")))]);
    scene.boot();
    let result = scene.wait_for_event(|event| event["type"] == "health");
    assert_eq!(
        (&result["ok"], result["detail"].as_str()),
        (&Value::Bool(false), Some("timed out"))
    );
    assert_eq!(scene.end(Signal::SIGTERM), 0);
    let pid: u32 = std::fs::read_to_string(&note).unwrap().trim().parse().unwrap();
    assert!(!lives(pid));
}

#[test]
fn a_connection_over_tcp_is_enough() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    assert_eq!(first_result(&format!("{{tcp: '127.0.0.1:{port}'}}"))["ok"], true);
    let refused = first_result(&format!("{{tcp: '127.0.0.1:{}'}}", free_port()));
    assert_eq!(
        (&refused["ok"], refused["detail"].as_str()),
        (&Value::Bool(false), Some("connection refused"))
    );
}

#[test]
fn an_http_status_decides() {
    assert_eq!(
        first_result(&format!(
            "{{http: 'http://127.0.0.1:{}/health'}}",
            serve_http("200 OK")
        ))["ok"],
        true
    );
    let failed = first_result(&format!(
        "{{http: 'http://localhost:{}/'}}",
        serve_http("503 Busy")
    ));
    assert_eq!(
        (&failed["ok"], failed["detail"].as_str()),
        (&Value::Bool(false), Some("HTTP status 503"))
    );
}

#[test]
fn a_server_that_accepts_and_says_nothing_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let failed = first_result(&format!("{{http: 'http://127.0.0.1:{port}/'}}"));
    assert_eq!(
        (&failed["ok"], failed["detail"].as_str()),
        (&Value::Bool(false), Some("timed out"))
    );
}

#[test]
fn a_connection_over_a_unix_socket_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(
        first_result(&format!("{{unix: '{}'}}", path.display()))["ok"],
        true
    );
    assert_eq!(first_result("{unix: /nonexistent/api.sock}")["ok"], false);
}
