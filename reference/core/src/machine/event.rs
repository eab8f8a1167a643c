//! What the shell tells the machine.
//!
//! Each variant says exactly when the shell sends it. The machine believes the shell and distrusts every peer: bytes
//! are raw, and an event that names a generation other than the living one is ignored.

use std::fmt;

use crate::id::{ConnId, ModuleId};
use crate::wire::Key;

/// Something that happened outside, in the order in which the loop saw it.
#[derive(Debug)]
pub enum Event {
    /// The loop runs and the control socket listens. Sent once, first. The machine announces the initial states and
    /// starts what can start.
    Boot,
    /// A launch succeeded up to and including `exec`. The shell has drawn a fresh `key` and `nonce` from the kernel's
    /// generator for this launch and has put the key into the child's secret pipe. The shell sends `Spawned` before
    /// any other event of this generation.
    Spawned {
        /// The module.
        module: ModuleId,
        /// The generation named by the [`Effect::Spawn`](super::Effect::Spawn).
        generation: u64,
        /// The pid of the leader.
        pid: u32,
        /// The launch key. The machine erases it after the handshake.
        key: Key,
        /// The orchestrator's nonce for this handshake.
        nonce: [u8; 32],
    },
    /// A launch failed; it is sent **instead of** `Spawned`. No process of this generation is left, the shell has
    /// reaped the child itself, and neither `Exited` nor `GroupEmpty` follows.
    SpawnFailed {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
        /// What failed: `fork`, `exec`, `setsid`, `socketpair`, ….
        stage: String,
        /// The error number of the failed call.
        errno: i32,
    },
    /// Bytes arrived on the module's socket, in any split. The shell reads at most a fixed amount per turn so that
    /// no module can hold the loop (`faulty.flood-contained`).
    Bytes {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
        /// What was read; never empty.
        bytes: Vec<u8>,
    },
    /// The module closed its socket (or the socket failed). Sent at most once, after the last `Bytes`.
    Eof {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
    },
    /// The leader ended and was reaped. The shell first reads what is left in the socket and sends it as `Bytes`,
    /// so that a last message is not lost. Sent exactly once per `Spawned`.
    Exited {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
        /// How the leader ended.
        status: ExitStatus,
    },
    /// No process of the group exists any more, including those that left its session, and all are reaped. Sent
    /// exactly once per `Spawned`, after `Exited`.
    GroupEmpty {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
    },
    /// The queue of bytes towards the module would exceed its bound (256 KiB). The shell has dropped the queue.
    Overflow {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
    },
    /// The answer to an [`Effect::Probe`](super::Effect::Probe); exactly one per probe, at the latest at its timeout.
    ProbeDone {
        /// The module.
        module: ModuleId,
        /// The generation.
        generation: u64,
        /// Whether the probe succeeded in time.
        ok: bool,
        /// A short text for people: `exit status 1`, `connection refused`, `timed out`.
        detail: String,
    },
    /// The deadline that [`Machine::next_deadline`](super::Machine::next_deadline) named has come. A needless `Tick`
    /// does no harm.
    Tick,
    /// Bytes arrived on a control connection, in any split. The first `ControlBytes` makes the connection known.
    ControlBytes {
        /// The connection.
        conn: ConnId,
        /// What was read; never empty.
        bytes: Vec<u8>,
    },
    /// A control connection is gone, whoever closed it, also after [`Effect::DropControl`](super::Effect::DropControl).
    ControlClosed {
        /// The connection.
        conn: ConnId,
    },
    /// The shell had to drop [`Effect::Notify`](super::Effect::Notify) lines because the peer does not read. It is
    /// sent once the queue of the connection has run empty; the machine then answers with a `lost` marker.
    /// From the first dropped line up to this event the shell drops every `Notify` of the connection.
    ControlLost {
        /// The connection.
        conn: ConnId,
        /// How many lines were dropped.
        count: u64,
    },
    /// SIGTERM or SIGINT reached the orchestrator (`role.sigterm-shuts-down`).
    ShutdownSignal {
        /// The signal's number, for the log.
        signal: i32,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this status.
    Code(i32),
    /// It was ended by the signal with this number.
    Signal(i32),
}

impl ExitStatus {
    /// Whether this is exit status 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "exit status {code}"),
            Self::Signal(number) => write!(out, "killed by {}", SignalName(*number)),
        }
    }
}

/// A signal number, shown by its Linux name: `SIGKILL`, `SIGRTMIN+3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalName(pub i32);

impl fmt::Display for SignalName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = usize::try_from(self.0).unwrap_or(usize::MAX);
        match SIGNAL_NAMES.get(index) {
            Some(name) if !name.is_empty() => write!(out, "SIG{name}"),
            Some(_) | None if (34..=64).contains(&self.0) => write!(out, "SIGRTMIN+{}", self.0 - 34),
            Some(_) | None => write!(out, "SIG{}", self.0),
        }
    }
}

/// The names of the signals 1 to 31 as on every Linux architecture but Alpha, MIPS, PA-RISC and SPARC.
const SIGNAL_NAMES: [&str; 32] = [
    "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
