//! The judge: predicates and monitors over the trace of a case.
//!
//! [`trace`] is the record, [`find`] finds occurrences in it, [`predicate`] judges what checks claim, [`describe`] says the
//! same in words, and [`monitors`] watch every case. Nothing here starts, sends or waits: what was recorded is judged, and
//! the plan of the orchestrator is never recomputed.

mod describe;
pub mod find;
pub mod monitors;
mod occurrences;
mod outside;
mod predicate;
pub mod requirements;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod view;

pub use describe::describe;
pub(crate) use outside::ending;
pub use predicate::judge;
