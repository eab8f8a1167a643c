//! The command line: `partenza run` and its offline relatives, and the client of the control socket.
//!
//! It owns words, tables and exit codes. It refuses to hold knowledge about modules: loading is the core's, and what runs
//! is asked over the socket as any other program would ask.

mod act;
mod args;
mod client;
mod entry;
mod events;
pub mod exit;
mod load;
mod run;
mod say;
mod status;

pub use entry::main;
