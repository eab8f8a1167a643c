//! The kernel, seen through safe functions.
//!
//! This folder is the only place of the program that holds `unsafe`, and the only one that makes system calls beyond
//! plain file reads. It owns descriptors, processes, signals and clocks; it refuses to know what a module is, to decide
//! anything, and to wait for anything except in [`poll::Poller::wait`].
//!
//! The process stays dumpable. `PR_SET_DUMPABLE` 0 would keep a module of the same user from reading our memory, but it
//! also gives `/proc/self` to root: a rootless orchestrator could then not be inspected by its own user, and a module of
//! the same user could still stop or replace it. Who needs that wall gives modules another user.

pub(crate) mod clock;
pub(crate) mod dir;
pub(crate) mod net;
pub(crate) mod out;
pub(crate) mod poll;
pub(crate) mod proc;
pub(crate) mod signal;
pub(crate) mod spawn;
pub(crate) mod user;

pub use spawn::{HIGHEST_TARGET, Launch, MOST_PASSED, Passed};
