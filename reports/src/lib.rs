//! Turns one event log into reports, and decides what a run means.
//!
//! # Theory of operation
//! A run of the harness leaves one event log ([`log`]), and that log is the truth: it is read back into a [`Report`],
//! [`verdict`] decides what it says about the target, and every rendering ([`junit`], [`summary`], [`json`]) is derived
//! from the same two. The crate owns the shapes of the log's records, *the* verdict function, and the renderings. It
//! refuses to know how checks are run, reads no specification, and opens no file and no connection of its own.

mod json;
mod junit;
pub mod log;
mod model;
#[cfg(test)]
mod sample;
mod summary;
#[cfg(test)]
mod tests;
pub mod text;
pub mod verdict;

pub use json::json;
pub use junit::{JunitError, junit};
pub use model::{Options, ReadError, Report, Standing, trace_line};
pub use summary::summary;
