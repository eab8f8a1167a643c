//! The wire between orchestrator and module: lines, strict JSON, messages, the handshake and its key.
//!
//! Everything here works on bytes that somebody else moves.

pub mod handshake;
pub(crate) mod hex;
pub mod json;
mod key;
pub mod line;
pub mod mac;
pub mod message;

pub use key::Key;
