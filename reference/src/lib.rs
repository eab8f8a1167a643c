//! The shell of the reference orchestrator `partenza`: hands, ears and a command line.
//!
//! # Theory of operation
//!
//! Every decision is taken by the pure core, `partenza-reference-core`, which turns events into effects. This crate
//! carries effects out and reports events; it decides nothing about modules. One thread owns everything:
//!
//! - [`event_loop`] waits, gathers what happened, feeds it to the machine and hands the effects to the kernel;
//! - [`kernel`] keeps what the effects refer to: processes and their groups, module sockets, log pipes, control
//!   connections, probes, and the runtime directory;
//! - [`sys`] talks to the operating system, and is the only place with `unsafe` code;
//! - [`cli`] is the command line: the orchestrator itself, and the client of its control socket.
//!
//! No call waits except the one in the loop. Whatever a peer can fill has a bound, and what exceeds the bound costs that
//! peer and nobody else.
//!
//! [`Interpose`] stands between machine and kernel. The program `partenza` puts [`Direct`] there, which changes nothing.

#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test that cannot be set up has to fail")
)]

pub mod cli;
pub mod event_loop;
pub mod interpose;
pub mod kernel;
pub mod sys;

pub use interpose::{Direct, Interpose};
pub use kernel::Kernel;
pub use sys::{Launch, Passed};
