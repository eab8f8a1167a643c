//! The pure core of the reference orchestrator `partenza`.
//!
//! # Theory of operation
//!
//! The core owns every decision and no resource. It reads module files that somebody else opened ([`manifest`]), orders
//! them ([`plan`]), speaks the wire protocol in bytes that somebody else moves ([`wire`]), and turns events into
//! effects ([`machine`]). It refuses to do I/O, to look at a clock, to draw random numbers and to start threads: all of
//! these enter as arguments, so that a run can be repeated exactly. `clippy.toml` beside this crate holds the line.
//!
//! All times are microseconds since the boot on a clock that never goes back.

#![forbid(unsafe_code)]

mod control;
pub mod id;
pub mod machine;
pub mod manifest;
pub mod plan;
pub mod wire;

pub use id::{ConnId, ModuleId};
