//! Runs a selection of cases against a target, writes the event log, and sums up.
//!
//! # How a run goes
//! The [`select`] plan says which cases run and why the others do not. The cases are shuffled by the seed and played side
//! by side ([`schedule`]); what each observed goes into the event log as soon as it has ended. A case that was red and
//! missed a deadline beside others is played again, alone, once: load is then no excuse and no accusation. At last every
//! declared check gets exactly one record ([`settle`]), the baseline is held against them, and the one verdict function
//! decides.
//!
//! The module owns that order of things. It refuses to know what happens inside a case.

pub mod baseline;
pub mod bundled;
mod go;
pub mod log;
mod progress;
pub mod record;
pub mod schedule;
pub mod select;
mod settle;

use std::path::PathBuf;
use std::rc::Rc;

use partenza_reports::log::{CheckRecord, Record};

pub use go::{Finished, play_case, run};
pub use progress::Progress;
pub use settle::{Results, settle};

use crate::suite::Library;
use crate::target::TargetFile;
use baseline::Baseline;
use select::Filter;

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The judged.
    pub target: Rc<TargetFile>,
    /// The suites.
    pub library: Rc<Library>,
    /// Which part of them.
    pub filter: Filter,
    /// How many cases run side by side.
    pub jobs: usize,
    /// The seed of the order.
    pub seed: u64,
    /// The program that plays a puppet.
    pub mock: PathBuf,
    /// Its arguments before `--channel`.
    pub mock_args: Vec<String>,
    /// Whether a SHOULD that failed is red.
    pub strict: bool,
    /// What is known not to pass.
    pub baseline: Option<Baseline>,
    /// Whether a terminal may be told what runs.
    pub progress: bool,
}

/// What one play of a case brought.
#[derive(Debug, Clone, Default)]
pub struct Played {
    /// What its checks and the monitors reported.
    pub checks: Vec<PlayedCheck>,
    /// Its records for the log, checks excepted; empty once they have been written.
    pub records: Vec<Record>,
    /// How many of them were trace records.
    pub traces: u64,
    /// Why the target could not be started or reached at all.
    pub cannot_run: Option<String>,
}

/// What one check reported.
#[derive(Debug, Clone)]
pub struct PlayedCheck {
    /// The record.
    pub record: CheckRecord,
    /// Whether it is red in a case that missed a deadline, so that playing it alone may tell load from fault.
    pub by_deadline: bool,
}
