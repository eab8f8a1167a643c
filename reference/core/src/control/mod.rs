//! The control socket (chapter 6.2): requests in, replies and events out. The machine decides; this module reads and writes.

mod journal;
mod request;

pub(crate) use journal::Journal;
pub(crate) use request::{Command, Id, MAX_LINE, Problem, Request, error, read, result};
