//! The state machine of the orchestrator: events in, effects out.

mod effect;
mod event;

pub use effect::{Effect, LaunchSpec, Level, ProbeSpec, Signal};
pub use event::{Event, ExitStatus, SignalName};

use crate::manifest::Loaded;

/// What the machine has to know about the world it runs in. All randomness and all surroundings enter here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The version of the program, for `hello.orchestrator` (`partenza/<version>`) and status.
    pub version: String,
    /// A fresh random UUID of this boot, lower case (`handshake.hello-boot-constant`).
    pub boot: String,
    /// The orchestrator's own pid.
    pub pid: u32,
    /// The seed of the back-off jitter.
    pub seed: u64,
    /// The orchestrator's environment; the machine picks the allowed names from it.
    pub environment: Vec<(String, String)>,
    /// The absolute runtime directory. Each module gets `{runtime}/modules/<id>`.
    pub runtime_dir: String,
}

/// The whole orchestrator without its hands.
#[derive(Debug)]
pub struct Machine;

impl Machine {
    /// A machine for these modules. Call it only when `loaded` holds no error.
    pub fn new(_settings: Settings, _loaded: Loaded) -> Self {
        Self
    }

    /// Takes one event at `now` (microseconds since boot, never going back) and says what to do.
    pub fn handle(&mut self, _now: u64, _event: Event) -> Vec<Effect> {
        Vec::new()
    }

    /// When a `Tick` is wanted at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }
}
