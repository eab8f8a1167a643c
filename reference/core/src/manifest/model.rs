//! A checked module, as the plan and the machine see it. Plain data; every duration is in microseconds.

use semver::{Version, VersionReq};

use super::load::Entrypoint;
use super::yaml::Place;
use crate::id::ModuleId;

/// One checked module file.
#[derive(Debug, Clone)]
pub struct Module {
    /// The id.
    pub id: ModuleId,
    /// The module's own version.
    pub version: Version,
    /// A line for people.
    pub description: Option<String>,
    /// The absolute path of the program.
    pub entrypoint: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The file's own environment, in the order of the file.
    pub environment: Vec<(String, String)>,
    /// The interfaces that it provides.
    pub provides: Vec<Provided>,
    /// What it requires, in the order of the file.
    pub requires: Vec<Requirement>,
    /// When it is launched again.
    pub restart: Restart,
    /// The health check, if any.
    pub health: Option<Health>,
    /// From the launch to a valid L4.
    pub handshake_timeout: u64,
    /// From the launch to `ready`.
    pub start_timeout: u64,
    /// From the request to stop to SIGKILL.
    pub stop_timeout: u64,
    /// When it is launched.
    pub startup: Startup,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Whether its failure alerts.
    pub critical: bool,
    /// Accepted and checked; edition text to follow.
    pub permissions: Permissions,
    /// Accepted and checked; edition text to follow.
    pub sidecars: Vec<ModuleId>,
    /// Accepted and checked; edition text to follow.
    pub fallback_module: Option<ModuleId>,
    /// `sha256:<64hex>` of the bytes of the file, for `hello` (`handshake.hello-manifest-digest`).
    pub digest: String,
    /// The file that it was read from.
    pub file: String,
    /// What is at the entrypoint's path.
    pub entrypoint_state: Entrypoint,
}

/// An interface and its version: `log/basic@1.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provided {
    /// The name: `log/basic`.
    pub interface: String,
    /// The version as it is written: `1.0`.
    pub written_version: String,
    /// The version for comparison, filled up with zeros.
    pub version: Version,
}

impl Provided {
    /// `log/basic@1.0`
    pub fn shown(&self) -> String {
        format!("{}@{}", self.interface, self.written_version)
    }
}

/// One entry of `requires`.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// What is required.
    pub target: Target,
    /// What has to hold before the launch.
    pub condition: Condition,
    /// What a loss of it does to the module.
    pub on_restart: OnRestart,
    /// Whether it may be missing.
    pub optional: bool,
    pub(crate) place: Place,
}

/// What an entry of `requires` names.
#[derive(Debug, Clone)]
pub enum Target {
    /// A module by its id.
    Module(ModuleId),
    /// An interface in a range of versions.
    Interface {
        /// The name.
        name: String,
        /// The range.
        range: VersionReq,
        /// The range as it is written.
        written: String,
    },
}

/// What has to hold of a dependency before a module is launched (`deps.condition-*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Its process was launched.
    Started,
    /// It is ready or degraded. The default (`deps.default-condition-ready`).
    Ready,
    /// It is ready or degraded and has passed as many checks in a row as it needs, where it has a health check.
    Healthy,
    /// It was live and has exited with status 0 unasked.
    Completed,
}

/// What the loss or the restart of a dependency does to a running module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRestart {
    /// It goes on, degraded. The default (`recovery.keep-degrades`).
    Keep,
    /// It is stopped and launched again when the dependency is back (`recovery.restart-edge`).
    Restart,
    /// It is stopped for good (`recovery.stop-edge`).
    Stop,
}

impl OnRestart {
    /// The order in which edges prevail: 0 is the strongest.
    pub(crate) fn weakness(self) -> u8 {
        match self {
            Self::Stop => 0,
            Self::Restart => 1,
            Self::Keep => 2,
        }
    }
}

/// When a module is launched again by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Restart {
    /// After which ends.
    pub policy: Policy,
    /// The first delay.
    pub delay: u64,
    /// The longest delay, also with jitter.
    pub max_delay: u64,
    /// What the delay is multiplied with from one restart to the next.
    pub factor: f64,
    /// The share of the delay by which chance may change it.
    pub jitter: f64,
    /// How many restarts are allowed in the window.
    pub limit: u32,
    /// The window.
    pub window: u64,
    /// How long a module has to be ready until the counters are reset.
    pub reset_after: u64,
}

/// The restart policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// After every end that nobody asked for.
    Always,
    /// After a failure only. The default.
    OnFailure,
    /// Never.
    Never,
}

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How to ask.
    pub probe: HealthProbe,
    /// From one check to the next.
    pub interval: u64,
    /// How long one check may take.
    pub timeout: u64,
    /// How many failures in a row make it unhealthy.
    pub failures: u32,
    /// How many successes in a row make it healthy again.
    pub successes: u32,
    /// What being unhealthy leads to.
    pub on_unhealthy: OnUnhealthy,
}

/// How health is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthProbe {
    /// The request `health.check` on the module's own socket.
    Wire,
    /// A command.
    Command(Vec<String>),
    /// An HTTP request.
    Http {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
        /// Request target.
        path: String,
    },
    /// A TCP connection.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A connection to a Unix socket.
    Unix(String),
}

/// What being unhealthy leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnhealthy {
    /// The module is stopped and the restart policy decides. The default.
    Restart,
    /// It is only shown.
    Keep,
}

/// When a module is launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Startup {
    /// With the system.
    Eager,
    /// After the system is ready.
    Deferred,
    /// When somebody asks for it.
    OnDemand,
}

/// What a module may do. Accepted and checked; edition text to follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The user to run as.
    pub run_as: Option<String>,
    /// Capability names.
    pub capabilities: Vec<String>,
}

impl Restart {
    /// The delay before the restart with this number (from 0) since the counters were reset, without jitter
    /// (`restart.delay-grows`, `restart.delay-capped`).
    pub fn nominal_delay(&self, nth: u32) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "durations are at most 24 hours, far below 2^53 microseconds"
        )]
        let (delay, cap) = (self.delay as f64, self.max_delay as f64);
        let grown = delay * self.factor.powi(i32::try_from(nth).unwrap_or(i32::MAX));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and `max_delay`"
        )]
        let capped = grown.min(cap) as u64;
        capped
    }
}
