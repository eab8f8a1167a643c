//! The judged: what it is, where it runs, and the ownership of its processes.
//!
//! A [`TargetFile`] says how to start a target and what it claims. [`CaseDirs`] gives every case a private, fresh
//! place. A [`Subject`] is one running target: the harness started it, proves that whoever answers is that very
//! process, and takes down the whole tree at the end, saying what was left behind. Nothing here knows what a target
//! ought to do, and nothing here waits without a deadline.
mod dirs;
mod file;
mod output;
mod process;
mod spawn;
#[cfg(test)]
mod tests;
mod tree;

pub use dirs::{CaseDirs, Placeholders};
pub use file::{Claims, Role, TargetFile};
pub use process::{CommandReport, EndReport, Leftover, Subject, become_subreaper, run_command};
pub use spawn::{Ending, SubjectError};
