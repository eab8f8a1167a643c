//! A running orchestrator for tests: started, watched by its own log, and ended whatever happens.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// A directory with module files, and the orchestrator that may run on it.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    running: Option<Child>,
    log: Option<Receiver<String>>,
    pub(crate) seen: Vec<String>,
}

/// Longer than any step takes on a loaded machine, shorter than patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

impl Scene {
    /// A scene with these module files (name without `.yaml`, text). `{module}` is the path of the shell module.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let modules = folder.path().join("modules");
        fs::create_dir(&modules).unwrap();
        let program = folder.path().join("module.sh");
        fs::write(&program, include_str!("module.sh")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text) in files {
            let text = text.replace("{module}", program.to_str().unwrap());
            fs::write(modules.join(format!("{name}.yaml")), text).unwrap();
        }
        Self {
            folder,
            running: None,
            log: None,
            seen: Vec::new(),
        }
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    pub(crate) fn modules(&self) -> PathBuf {
        self.folder.path().join("modules")
    }

    /// Starts the orchestrator and waits until it listens.
    pub(crate) fn boot(&mut self) {
        let mut child = Command::new(cargo_bin("partenza"))
            .args(["run", "--modules"])
            .arg(self.modules())
            .arg("--runtime")
            .arg(self.runtime())
            .env("SECRET_OF_THE_HOST", "must not pass")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.log = Some(lines(child.stderr.take().unwrap()));
        self.running = Some(child);
        self.wait_for_log("listens at");
    }

    /// Waits for a log line that contains the text, and returns it.
    pub(crate) fn wait_for_log(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.log.as_ref().unwrap().recv_timeout(left) else {
                panic!("no `{text}` in the log:\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Runs a client command and returns exit code, standard output and standard error.
    pub(crate) fn ask(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(cargo_bin("partenza"))
            .args(arguments)
            .arg("--runtime")
            .arg(self.runtime())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// A client command that has to succeed.
    pub(crate) fn tell(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.ask(arguments);
        assert_eq!(code, 0, "partenza {arguments:?}\n{out}{err}");
        out
    }

    /// The status object of a module.
    pub(crate) fn status(&self, module: &str) -> Value {
        let answer: Value = serde_json::from_str(&self.tell(&["status", module, "--json"])).unwrap();
        answer["module"].clone()
    }

    /// Reads events from the first one on until one fits, and returns it.
    pub(crate) fn wait_for_event(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let mut stream = UnixStream::connect(self.runtime().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events\",\"params\":{}}\n")
            .unwrap();
        let mut told = Vec::new();
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let message: Value = serde_json::from_str(&line).unwrap();
            if fits(&message["params"]) {
                return message["params"].clone();
            }
            told.push(line);
        }
        panic!("the event did not come:\n{}", told.join("\n"));
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().id()
    }

    /// Sends a signal to the orchestrator and waits for its end.
    pub(crate) fn end(&mut self, signal: Signal) -> i32 {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
        self.wait()
    }

    /// Waits for the orchestrator's end; its log ends with it.
    pub(crate) fn wait(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        let log = self.log.take().unwrap();
        while let Ok(line) = log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        assert!(
            Instant::now() < deadline,
            "the orchestrator goes on:\n{}",
            self.seen.join("\n")
        );
        self.running.take().unwrap().wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // An ordered end first, so that a failed test leaves no module behind.
            let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM);
            let deadline = Instant::now() + PATIENCE;
            if let Some(log) = self.log.take() {
                while log
                    .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                    .is_ok()
                {}
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a process exists and has not ended.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn lines(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
