//! What the machine asks the shell to do.
//!
//! The shell carries out effects in the order of the returned list and decides nothing itself. An effect that names a
//! generation which has already gone is a no-op.

use crate::id::{ConnId, ModuleId};

/// One thing for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a process as the specification says, then answer with `Spawned` or `SpawnFailed`, exactly one of them,
    /// either at once (fed to the machine after the effects of this list) or later.
    Spawn(LaunchSpec),
    /// Append these bytes (whole lines) to the module's outbound queue and write what the socket takes. When the queue
    /// would exceed 256 KiB: drop it, send `Overflow`.
    Send {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
        /// One or more complete lines, each with its LF.
        bytes: Vec<u8>,
    },
    /// Drop the outbound queue and close the orchestrator's end of the socket. No `Bytes` and no `Eof` of this
    /// generation may follow.
    Hangup {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
    },
    /// Send the signal to every process of the group: the process group, the session, and every descendant that
    /// left it (`stop.whole-group`, `stop.session-escapees`). For [`Signal::Kill`] the shell keeps sweeping until the
    /// group is empty, so that a process which forks while it is being killed does not survive.
    SignalGroup {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
        /// The signal.
        signal: Signal,
    },
    /// Run one external health probe and answer with exactly one `ProbeDone`. A probe that outlives `timeout_us` is
    /// ended (a command with its whole group) and answered with `ok: false`, detail `timed out`. When the generation
    /// ends while the probe runs, the shell ends the probe; the answer may then be left out.
    Probe {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
        /// What to do.
        probe: ProbeSpec,
        /// How long it may take, in microseconds.
        timeout_us: u64,
    },
    /// Queue a reply on a control connection. Never dropped; when the connection's queue exceeds the shell's bound, the
    /// shell closes the connection and sends `ControlClosed`.
    Reply {
        /// The connection.
        conn: ConnId,
        /// One or more complete lines.
        bytes: Vec<u8>,
    },
    /// Queue an event notification on a control connection. It may be dropped when the connection's queue is full;
    /// see [`Event::ControlLost`](super::Event::ControlLost) (`control.peer-cannot-block`).
    Notify {
        /// The connection.
        conn: ConnId,
        /// Exactly one complete line.
        bytes: Vec<u8>,
    },
    /// Write out what is queued for the connection as far as it goes without waiting, and close it.
    DropControl {
        /// The connection.
        conn: ConnId,
    },
    /// Replace `{runtime}/status/<module>.json` with this text: write a temporary file, rename it
    /// (`control.status-files`). The shell may merge several writes of the same module and keep the last.
    WriteStatus {
        /// The module.
        module: ModuleId,
        /// The status object, one line without LF.
        json: String,
    },
    /// Write one line to the orchestrator's log. The shell adds time and, for a module, its id, and escapes control
    /// characters: the text may hold what a peer sent.
    Log {
        /// The module that the line is about, if any.
        module: Option<ModuleId>,
        /// How grave it is.
        level: Level,
        /// The text.
        text: String,
    },
    /// Everything has ended. Flush the control queues without waiting for slow peers, remove the socket and exit with
    /// this status (`role.shutdown-exits-zero`). Always the last effect; no event is wanted after it.
    Exit {
        /// The exit status.
        code: i32,
    },
}

/// Everything that the shell needs to launch a module. The shell adds nothing to it and leaves nothing out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchSpec {
    /// The module.
    pub module: ModuleId,
    /// The generation: 1 at the first launch of a boot (`unit.generation-counts`).
    pub generation: u64,
    /// The absolute path of the program. Also `argv[0]`.
    pub entrypoint: String,
    /// `argv[1..]`, unchanged (`launch.argv-unchanged`).
    pub args: Vec<String>,
    /// The **complete** environment (`launch.environment-allow-list`); the shell adds no variable.
    pub environment: Vec<(String, String)>,
    /// The module's private directory, which the shell makes with mode 0700 before `exec` (`launch.runtime-dir-private`).
    pub runtime_dir: String,
    /// The number of the module's end of the socket pair.
    pub protocol_fd: i32,
    /// The number of the read end of the pipe that holds the key's 64 hex digits and LF, write end closed.
    pub secret_fd: i32,
    /// The file mode creation mask.
    pub umask: u32,
    /// The working directory.
    pub working_directory: String,
    /// Whether the child starts a session of its own; always true.
    pub new_session: bool,
}

/// The signals that the machine sends to groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

impl Signal {
    /// The name with its prefix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Kill => "SIGKILL",
        }
    }
}

/// An external health probe. The wire probe is no such: the machine does it itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeSpec {
    /// Run this program with these arguments and the module's environment without the `PARTENZA_*FD` variables;
    /// success is exit status 0 (`health.command-probe`).
    Command {
        /// The program and its arguments; never empty.
        argv: Vec<String>,
        /// The complete environment.
        environment: Vec<(String, String)>,
    },
    /// `GET` the path from this server; success is status 200 (`health.http-probe`).
    Http {
        /// Host name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// The request target, beginning with `/`.
        path: String,
    },
    /// Connect (`health.tcp-probe`).
    Tcp {
        /// Host name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// Connect to a stream socket at this path (`health.unix-probe`).
    Unix {
        /// The absolute path.
        path: String,
    },
}

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Details for whoever looks for a fault.
    Debug,
    /// The normal course of things.
    Info,
    /// Something that somebody should look at.
    Warn,
    /// Something failed.
    Error,
}
