//! A launch as an orchestrator does it, and a side channel as the harness keeps it, both with plain blocking calls.
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    process::{Child, Command as Program, ExitStatus, Stdio},
    time::Duration,
};

use partenza_mock_modules::channel::{Command, Order, PuppetEvent, to_line};

/// The key that every launch gets.
pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
/// Nothing in these tests takes this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// One connection of the side channel.
pub(crate) struct Channel {
    lines: BufReader<UnixStream>,
    last_id: u64,
}

impl Channel {
    pub(crate) fn next(&mut self) -> Option<PuppetEvent> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            // A process that died with unread commands resets its connection.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("the puppet says nothing: {error}"),
        }
    }

    pub(crate) fn send(&mut self, order: Order) -> u64 {
        self.last_id += 1;
        let command = Command {
            id: self.last_id,
            order,
        };
        self.lines.get_ref().write_all(&to_line(&command)).unwrap();
        self.last_id
    }

    /// Sends an order, waits for its acknowledgement, and gives back what came before it.
    pub(crate) fn order(&mut self, order: Order) -> Vec<PuppetEvent> {
        let wanted = self.send(order);
        let mut before = Vec::new();
        loop {
            match self.next() {
                Some(PuppetEvent::Done { id, error }) if id == wanted => {
                    assert_eq!(error, None);
                    return before;
                }
                Some(event) => before.push(event),
                None => panic!("the puppet is gone; before: {before:?}"),
            }
        }
    }
}

/// A puppet and everything it was given.
pub(crate) struct Launch {
    pub(crate) child: Child,
    pub(crate) wire: UnixStream,
    pub(crate) listener: UnixListener,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) stdout: io::PipeReader,
}

impl Launch {
    /// Launches the program through a shell, which moves the descriptors to where the contract wants them.
    pub(crate) fn new(moves: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("channel");
        let listener = UnixListener::bind(&path).unwrap();
        let (wire, theirs) = UnixStream::pair().unwrap();
        wire.set_read_timeout(Some(PATIENCE)).unwrap();
        let (key, mut fill) = io::pipe().unwrap();
        fill.write_all(KEY.as_bytes()).unwrap();
        drop(fill);
        let (stdout, writer) = io::pipe().unwrap();
        let script = format!(
            "cd / && umask 077 && exec 3<&0 4<&1 1>&2 2>/dev/null 0</dev/null && {moves} exec \"$0\" \"$@\""
        );
        let child = Program::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_mock-module"), "--channel"])
            .arg(&path)
            .args(["--name", "web", "further"])
            .env_clear()
            .envs([
                ("PARTENZA_FD", "3"),
                ("PARTENZA_SECRET_FD", "4"),
                ("PARTENZA_RUNTIME_DIR", "/tmp"),
            ])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(key))
            .stderr(Stdio::from(writer))
            .spawn()
            .unwrap();
        Self {
            child,
            wire,
            listener,
            directory,
            stdout,
        }
    }

    pub(crate) fn accept(&self) -> Channel {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Channel {
            lines: BufReader::new(stream),
            last_id: 0,
        }
    }

    /// The connection of the puppet, past its hello.
    pub(crate) fn greeted(&self) -> Channel {
        let mut channel = self.accept();
        assert!(matches!(channel.next(), Some(PuppetEvent::Hello { .. })));
        channel
    }

    pub(crate) fn kill(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn read_wire(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.wire.read_exact(&mut bytes).unwrap();
        bytes
    }

    pub(crate) fn channel_path(&self) -> PathBuf {
        self.directory.path().join("channel")
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
