//! What the effects refer to: processes, sockets, pipes, connections, probes and files, each with its bounds.
//!
//! It owns every resource of the running orchestrator and refuses to decide what happens to a module.

mod channel;
mod control;
mod group;
mod hands;
mod launch;
mod log;
mod output;
mod probe;
mod probe_http;
mod runtime;
mod start;
mod token;
mod turn;

pub use hands::{Kernel, StartError};
