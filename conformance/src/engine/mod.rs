//! Plays one case against one fresh instance of the target and records what happens.
//!
//! [`run_case`] makes the private directory, starts the orchestrator, plays the puppets, goes through the steps, has the
//! checks and monitors judged, and ends the orchestrator. Many cases may run as futures on one thread: nothing here blocks
//! or is global. The engine decides nothing about right or wrong; that is in [`crate::judge`].

mod control;
mod expand;
mod listeners;
mod play;
mod puppets;
mod records;
mod setup;
mod teardown;
mod verdicts;
mod world;

pub(crate) use teardown::Aftermath;

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use partenza_reports::log::{CaseEndRecord, CaseStartRecord, CheckRecord, Record};
use tokio::task::LocalSet;

use crate::suite::Case;
use crate::target::TargetFile;

/// How cases are run.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The program that plays a puppet.
    pub mock: PathBuf,
    /// Its arguments before `--channel` and `--name`.
    pub mock_args: Vec<String>,
    /// Whatever has to be random is made from this.
    pub seed: u64,
    /// By how much deadlines are multiplied, on top of the target's own factor.
    pub time_scale: f64,
    /// How many cases run side by side; deadlines grow a little with it.
    pub jobs: usize,
    /// Keep the private directory of the case.
    pub keep: bool,
    /// Who wants to know what a case waits for.
    pub tell: Tell,
}

/// Somebody who is told what a case waits for at the moment; by default nobody is.
#[derive(Clone, Default)]
pub struct Tell(Option<Rc<Listener>>);

type Listener = dyn Fn(&str);

impl Tell {
    /// Tells this listener.
    pub fn to(listener: impl Fn(&str) + 'static) -> Self {
        Self(Some(Rc::new(listener)))
    }

    fn say(&self, what: &str) {
        if let Some(listener) = &self.0 {
            listener(what);
        }
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "somebody" } else { "nobody" })
    }
}

impl EngineOptions {
    /// Options that are right for one case alone, with this program as the puppet.
    pub fn new(mock: PathBuf, mock_args: Vec<String>) -> Self {
        Self {
            mock,
            mock_args,
            seed: 0,
            time_scale: 1.0,
            jobs: 1,
            keep: false,
            tell: Tell::default(),
        }
    }
}

/// What a case came to.
#[derive(Debug, Clone, Default)]
pub struct CaseReport {
    /// One record for each check of the case.
    pub checks: Vec<CheckRecord>,
    /// One record for each monitor that has something to say about this case.
    pub monitors: Vec<CheckRecord>,
    /// Why the target could not be started or reached, when that is so.
    pub target_cannot_run: Option<String>,
    /// Whether a deadline was missed, so that running the case again alone may tell load from fault.
    pub missed_deadline: bool,
    /// The private directory, when it was kept.
    pub dir: Option<PathBuf>,
    /// How long the case took.
    pub duration_us: u64,
    /// How much of that was waiting.
    pub necessary_wait_us: u64,
}

/// Runs one case. `sink` gets the `case-start`, `trace` and `case-end` records; the checks are in the report, because a
/// control in another case, a second attempt or the sum over all cases may still change them.
pub async fn run_case(
    case: &Case,
    target: &TargetFile,
    options: &EngineOptions,
    sink: &mut dyn FnMut(Record),
) -> CaseReport {
    // The tasks of a case live in a set of their own and end with it.
    let tasks = LocalSet::new();
    let (report, trace) = tasks.run_until(play::play(case, target, options)).await;
    drop(tasks);
    let name = case.name();
    let dir = report.dir.as_ref().map(|dir| dir.display().to_string());
    sink(Record::CaseStart(CaseStartRecord {
        case: name.clone(),
        dir,
    }));
    for entry in trace {
        sink(Record::Trace(entry.record(&name)));
    }
    sink(Record::CaseEnd(CaseEndRecord {
        case: name,
        duration_us: report.duration_us,
        necessary_wait_us: report.necessary_wait_us,
    }));
    report
}
