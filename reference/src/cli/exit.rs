//! The exit codes of `partenza`. They are an interface: scripts rely on them.

/// Done.
pub const OK: u8 = 0;
/// The orchestrator refused, or the module did not get where it was sent.
pub const FAILED: u8 = 1;
/// The module files hold errors; nothing was started.
pub const CONFIGURATION: u8 = 2;
/// There is no module of that name.
pub const NO_SUCH_MODULE: u8 = 3;
/// It did not happen in time; it may still happen.
pub const TIMEOUT: u8 = 4;
/// The command line makes no sense.
pub const USAGE: u8 = 64;
/// No orchestrator answers.
pub const UNREACHABLE: u8 = 69;
/// A fault of `partenza` itself or of the system below it.
pub const INTERNAL: u8 = 70;
