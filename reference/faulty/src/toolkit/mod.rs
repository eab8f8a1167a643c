//! What faults are made of: hooks between machine and kernel, and shorthands for the usual ones.
//!
//! It owns the mechanics (lines, handshakes, event numbers, timers) and refuses to know any fault.

mod agenda;
mod control;
mod fault;
mod line;
mod modules;
mod saboteur;
mod shorthand;
mod wire;
mod zombies;

pub(crate) use agenda::{Desk, Task, command};
pub(crate) use fault::{ANY, Fault, call};
pub(crate) use line::Line;
pub(crate) use modules::{add_need, names, remove_module};
pub(crate) use saboteur::Saboteur;
pub(crate) use shorthand::instead_of;
pub(crate) use wire::{Phase, hex};
