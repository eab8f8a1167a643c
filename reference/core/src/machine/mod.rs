//! The state machine of the orchestrator: events in, effects out.
//!
//! # How it works
//!
//! [`Machine::handle`] takes one event and runs in two phases. First the event changes the one module that it is about
//! (`conversation`, `ending`, `health`, `launch`, `operator`). Then `deps` carries the change along the edges: modules
//! whose state has changed stand in a queue, each of their dependents is looked at once, and what may start or has to
//! stop does so, which puts it in the queue in turn. Nothing recurses, and nothing looks at a module that is no neighbour
//! of a changed one, so that an event costs the same among ten modules and among ten thousand.
//!
//! Every change of state goes through one function that consults the table of [`successors`]. Whatever a peer
//! sends, there is no way around it.

mod conversation;
mod deps;
mod effect;
mod ending;
mod engine;
mod event;
mod health;
mod instance;
mod launch;
mod operator;
mod state;
mod system;
mod table;
mod timer;

pub use effect::{Effect, LaunchSpec, Level, ProbeSpec, Signal};
pub use engine::{Machine, Settings};
pub use event::{Event, ExitStatus, SignalName};
pub use state::{Reason, State, Trigger};
pub use system::SystemState;
pub use table::successors;
