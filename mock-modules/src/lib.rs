//! The puppet module that the judge drives, and the ways in which it can break the contract.
//!
//! Two halves that never meet in one process. The [`puppet`] is what an orchestrator launches: it starts in about a
//! millisecond, takes a snapshot of what it was given, connects to the judge's side channel and does what it is told.
//! The [`Follower`] is the judge's half: it holds the key, speaks the module contract through the puppet, and leaves the
//! contract exactly where a script's [`Deviations`] say so. It does no I/O and reads no clock. What travels between the
//! two is in [`channel`].
//!
//! This crate sends what a script says and notes what came back; it never judges. It shares nothing with the reference.
#![deny(unsafe_code)]
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that cannot go on should stop at that very line"
    )
)]

pub mod catalogue;
pub mod channel;
pub mod deed;
pub mod deviations;
pub mod follower;
pub mod puppet;
mod raw;
pub mod session;

pub use catalogue::{Fault, catalogue};
pub use deed::Deed;
pub use deviations::Deviations;
pub use follower::{Action, Follower, Memory, Note, Setup, TimerToken};
pub use session::own_session;
