//! The judge's own eyes and hands.
//!
//! This crate splits a byte stream into lines without losing a byte, computes the proofs of the handshake over raw
//! lines, reads JSON so strictly that a repeated member is seen, and reads `/proc`. It owns no opinion: it reports
//! what is there and leaves the verdict to others. It shares no line with the reference orchestrator, so that a bug
//! in one of them cannot hide behind the same bug in the other; both are pinned to the vectors in `spec/vectors`.
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that cannot go on should stop at that very line"
    )
)]

pub mod duration;
pub mod frame;
pub mod json;
pub mod mac;
pub mod proc;
pub mod signals;
