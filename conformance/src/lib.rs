//! Decides whether an orchestrator or a module is Partenza-conformant.
//!
//! # Theory of operation
//! [`cli`] reads the command line. [`target`] knows the judged: its file, its start and its stop. [`suite`] loads the
//! scripted suites, which are data; [`engine`] plays one case of them against one fresh instance of the target and
//! records what happens; [`judge`] turns the record into the outcomes of checks. [`run`] schedules the cases, writes the
//! event log and sums up. What the log means is decided in `partenza-reports`, and nowhere else.
//!
//! The crate refuses to know any implementation: it never uses a crate of the reference, and starts the judged only as a
//! program that a target file names.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that cannot go on should stop at that very line"
    )
)]

pub mod cli;
pub mod engine;
pub mod input_error;
pub mod judge;
pub mod run;
pub mod suite;
pub mod target;
