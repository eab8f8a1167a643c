//! The states of a module, what can happen to it, and the one table that says what leads where.
//!
//! The table is `spec/states.yaml` in the form of an exhaustive match: a pair that is missing does not compile, and a
//! test compares every cell with the specification (`lifecycle.states-only-by-table`).

/// The state of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Wanted and not launched.
    Pending,
    /// Launched and not ready; the handshake happens here.
    Initializing,
    /// It serves.
    Ready,
    /// It serves less than it should.
    Degraded,
    /// Its probe has failed.
    Unhealthy,
    /// It ended by itself with a failure; what it left behind is being ended.
    Crashed,
    /// Ended; it will be launched again when its delay has passed.
    Restarting,
    /// Its file says so.
    Disabled,
    /// Being ended.
    Stopping,
    /// Ended until the operator asks.
    Stopped,
    /// Ended with a failure that is not retried.
    Failed,
    /// Its entrypoint does not exist.
    Ghost,
    /// Its entrypoint cannot be executed.
    Invalid,
}

/// What happens to a module, as far as its state is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// Its conditions hold and it is being started.
    Launch,
    /// It could not be started.
    ExecFailed,
    /// It sent `ready`.
    BecameReady,
    /// It reported the state degraded.
    SelfDegraded,
    /// It reported the state ready.
    SelfReady,
    /// Its probe failed often enough.
    ProbeFailed,
    /// Its probe succeeded often enough.
    ProbeRecovered,
    /// A required dependency was lost.
    DependencyLost,
    /// All required dependencies hold again.
    DependencyBack,
    /// Its leader exited unasked with status 0, after it was live.
    ExitedClean,
    /// Its leader ended unasked in another way.
    ExitedFailure,
    /// Its proof was absent or wrong.
    AuthFailure,
    /// It broke the rules of the wire.
    ProtocolFailure,
    /// Its proof did not arrive in time.
    HandshakeTimeout,
    /// It was not ready in time.
    StartTimeout,
    /// Somebody wants it ended.
    StopRequested,
    /// The operator wants it ended and launched again.
    RestartRequested,
    /// The operator wants it launched.
    StartRequested,
    /// The last process of its group has been reaped.
    GroupEmpty,
    /// Its delay has passed.
    BackoffElapsed,
}

/// Why a module is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// No valid proof.
    Auth,
    /// A breach of the rules of the wire.
    Protocol,
    /// No version in common.
    Version,
    /// Could not be executed.
    Exec,
    /// Exited with a failure.
    Exit,
    /// Ended by a signal.
    Signal,
    /// Not ready in time.
    Timeout,
    /// The probe failed.
    Health,
    /// Restarted too often.
    Limit,
    /// A dependency is lost or missing.
    Dependency,
    /// A command.
    Operator,
    /// The system ends.
    Shutdown,
    /// Its work is done.
    Completed,
    /// It did not read what was sent to it.
    Overload,
    /// Its file.
    Config,
    /// The entrypoint is missing.
    Ghost,
}

impl State {
    /// Every state, in the order of the specification.
    pub const ALL: [Self; 13] = [
        Self::Pending,
        Self::Initializing,
        Self::Ready,
        Self::Degraded,
        Self::Unhealthy,
        Self::Crashed,
        Self::Restarting,
        Self::Disabled,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
        Self::Ghost,
        Self::Invalid,
    ];

    /// The word of the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Initializing => "initializing",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Crashed => "crashed",
            Self::Restarting => "restarting",
            Self::Disabled => "disabled",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Ghost => "ghost",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the module runs and nobody has begun to end it.
    pub fn runs(self) -> bool {
        matches!(
            self,
            Self::Initializing | Self::Ready | Self::Degraded | Self::Unhealthy
        )
    }

    /// Whether the module runs and has become ready.
    pub fn serves(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded | Self::Unhealthy)
    }
}

impl Trigger {
    /// Every trigger, in the order of the specification.
    pub const ALL: [Self; 20] = [
        Self::Launch,
        Self::ExecFailed,
        Self::BecameReady,
        Self::SelfDegraded,
        Self::SelfReady,
        Self::ProbeFailed,
        Self::ProbeRecovered,
        Self::DependencyLost,
        Self::DependencyBack,
        Self::ExitedClean,
        Self::ExitedFailure,
        Self::AuthFailure,
        Self::ProtocolFailure,
        Self::HandshakeTimeout,
        Self::StartTimeout,
        Self::StopRequested,
        Self::RestartRequested,
        Self::StartRequested,
        Self::GroupEmpty,
        Self::BackoffElapsed,
    ];

    /// The word of the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Launch => "launch",
            Self::ExecFailed => "exec-failed",
            Self::BecameReady => "became-ready",
            Self::SelfDegraded => "self-degraded",
            Self::SelfReady => "self-ready",
            Self::ProbeFailed => "probe-failed",
            Self::ProbeRecovered => "probe-recovered",
            Self::DependencyLost => "dependency-lost",
            Self::DependencyBack => "dependency-back",
            Self::ExitedClean => "exited-clean",
            Self::ExitedFailure => "exited-failure",
            Self::AuthFailure => "auth-failure",
            Self::ProtocolFailure => "protocol-failure",
            Self::HandshakeTimeout => "handshake-timeout",
            Self::StartTimeout => "start-timeout",
            Self::StopRequested => "stop-requested",
            Self::RestartRequested => "restart-requested",
            Self::StartRequested => "start-requested",
            Self::GroupEmpty => "group-empty",
            Self::BackoffElapsed => "backoff-elapsed",
        }
    }
}

impl Reason {
    /// The word of the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Protocol => "protocol",
            Self::Version => "version",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
            Self::Health => "health",
            Self::Limit => "limit",
            Self::Dependency => "dependency",
            Self::Operator => "operator",
            Self::Shutdown => "shutdown",
            Self::Completed => "completed",
            Self::Overload => "overload",
            Self::Config => "config",
            Self::Ghost => "ghost",
        }
    }
}
