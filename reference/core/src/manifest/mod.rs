//! Module files: from bytes to checked modules.
//!
//! One function, [`load`], serves the offline check and the boot. It reports every problem of every file in one run.

mod decode;
mod decode_edges;
mod decode_policy;
mod diagnostic;
pub mod duration;
mod fields;
mod load;
mod model;
mod resolve;
mod yaml;

pub use diagnostic::{Diagnostic, Severity, escape, nearest};
pub use load::{Entrypoint, EntrypointProbe, Loaded, MAX_FILE_BYTES, empty_directory, load, unreadable};
pub use model::{
    Condition, Health, HealthProbe, Module, OnRestart, OnUnhealthy, Permissions, Policy, Provided,
    Requirement, Restart, Startup, Target,
};
pub use resolve::{Edge, resolve};
