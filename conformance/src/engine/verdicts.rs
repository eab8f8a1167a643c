//! Has the checks of a case judged, in the right order and at the right moment.
//!
//! What can be awaited is judged again at every change of the trace until it holds or its deadline has passed; what has an
//! `until` is judged at that occurrence; what claims that something never happens is judged last. What the results mean
//! for a report is in `records`.

use std::cell::OnceCell;
use std::time::Duration;

use partenza_probe::proc::{self, Process};
use partenza_reports::log::CheckRecord;
use serde_json::Value;
use tokio::time::Instant;

use super::play::Stage;
use super::records::{StepFailure, story};
use super::teardown;
use crate::judge::find::find;
use crate::judge::judge;
use crate::judge::trace::{Entry, Kind};
use crate::judge::view::{Finding, State, View};
use crate::suite::{Check, Predicate};

/// How long a check waits for what it claims, before the time scale.
const CHECK_DEADLINE: Duration = Duration::from_secs(5);

/// Paths and processes change without an event that the harness could await; they are looked at again this often.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Some members of the status change without an event; it is asked for again this often.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How long checks are still looked at after a step has failed.
const LAST_LOOK: Duration = Duration::from_millis(250);

/// A check that has come to a result.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) id: String,
    pub(crate) finding: Finding,
    pub(crate) t_us: u64,
}

/// The living processes of the case with the module that each carries in its environment; listed once per look, because
/// many checks ask for them at the same moment.
type Living = OnceCell<Vec<(Process, Vec<String>)>>;

impl Stage<'_> {
    /// A step that says `check: id`: waits here until it holds, and remembers the result.
    pub(crate) async fn check_now(&self, id: &str, deadline: Instant) {
        let checks: Vec<&Check> = self.case.checks.iter().filter(|check| check.id == id).collect();
        self.await_checks(&checks, Some(deadline)).await;
    }

    /// Judges everything, ends the orchestrator, and judges the monitors.
    pub(crate) async fn conclude(
        &mut self,
        failure: Option<StepFailure>,
    ) -> (Vec<CheckRecord>, Vec<CheckRecord>) {
        let case = self.case;
        let done =
            |stage: &Self, check: &Check| stage.judged.borrow().iter().any(|judged| judged.id == check.id);
        let open: Vec<&Check> = case.checks.iter().filter(|check| !done(self, check)).collect();
        let (awaited, last): (Vec<&Check>, Vec<&Check>) = open
            .into_iter()
            .partition(|check| check.until.is_some() || !check.that.is_never());
        // After a failed step nothing more is waited for, but what the status says already is still worth knowing.
        let patience = failure.as_ref().map(|_| Instant::now() + self.scaled(LAST_LOOK));
        self.options.tell.say("what its checks claim");
        self.await_checks(&awaited, patience).await;
        // The story of an `until` that never came has to be told before the end of the case adds its own entries.
        let untold = story(&self.world.trace());
        self.judge_last(&last, failure.is_none());
        self.options.tell.say("the end of the orchestrator");
        let aftermath = teardown::end(self).await;
        let checks = self.records(failure.as_ref(), &untold);
        let monitors = aftermath
            .map(|aftermath| self.monitors(&aftermath))
            .unwrap_or_default();
        (checks, monitors)
    }

    /// Judges these checks at every change until each is decided; `until` overrides their own deadlines.
    async fn await_checks(&self, checks: &[&Check], until: Option<Instant>) {
        let own = |check: &Check| Instant::now() + self.scaled(check.within.unwrap_or(CHECK_DEADLINE));
        let mut open: Vec<(&Check, Instant)> = checks
            .iter()
            .map(|check| (*check, until.unwrap_or_else(|| own(check))))
            .collect();
        let status_since = self.world.trace().len();
        let mut asked: Option<(Instant, usize)> = None;
        loop {
            let now = Instant::now();
            let wants_status = open.iter().any(|(check, _)| mentions_status(&check.that));
            if wants_status
                && asked.is_none_or(|(at, from)| now >= at + ASK_AGAIN || self.has_event_since(from))
            {
                asked = Some((now, self.world.trace().len()));
                self.status_wanted.notify_one();
            }
            let over = self.world.over();
            let finish = |deadline: Instant| over.map_or(deadline, |over| deadline.min(over));
            let living = Living::new();
            open.retain(|(check, deadline)| {
                let late = now >= finish(*deadline);
                match self.judge_once(check, status_since, &living) {
                    Some(finding) if finding.state != State::NotYet || late => {
                        let missed = finding.state == State::NotYet && until.is_none() && over.is_none();
                        self.decide(check, finding, missed);
                        false
                    }
                    // Its `until` never came: it stays undecided.
                    _ => !late,
                }
            });
            let Some(next) = open.iter().map(|(_, deadline)| finish(*deadline)).min() else {
                return;
            };
            let polled = open.iter().any(|(check, _)| mentions_outside(&check.that));
            let again = [(polled, now + LOOK_AGAIN), (wants_status, now + ASK_AGAIN)];
            let wake = again
                .into_iter()
                .filter(|(wanted, _)| *wanted)
                .map(|(_, at)| at)
                .fold(next, Instant::min);
            self.world.change(wake).await;
        }
    }

    fn has_event_since(&self, from: usize) -> bool {
        self.world.trace()[from..]
            .iter()
            .any(|entry| entry.kind == Kind::Event)
    }

    /// Judges a check as things are. While its `until` has not come there is nothing to say, except that it is contradicted
    /// already: what contradicts a claim often keeps its `until` from coming.
    fn judge_once(&self, check: &Check, status_since: usize, living: &Living) -> Option<Finding> {
        let come = match &check.until {
            None => Some(usize::MAX),
            Some(until) => {
                let until = self.observable(until);
                find(&self.world.trace(), &until, &|text| self.expand(text)).map(|at| at + 1)
            }
        };
        // The status is reported after the fact, so that it is never part of what came before an occurrence.
        let end = match come {
            Some(end) if !mentions_status(&check.that) => end,
            _ => usize::MAX,
        };
        let mut finding = self.with_view(status_since, living, |view| judge(&check.that, &view.until(end)));
        if come.is_none() {
            return (finding.state == State::Broken).then_some(finding);
        }
        // A status reply may still be on its way when the `until` has just come. Anything else is decided at that moment.
        if check.until.is_some() && finding.state == State::NotYet && !mentions_status(&check.that) {
            finding.state = State::Broken;
        }
        Some(finding)
    }

    fn decide(&self, check: &Check, finding: Finding, missed: bool) {
        if missed {
            self.missed_deadline.set(true);
        }
        let t_us = self.world.elapsed_us();
        self.judged.borrow_mut().push(Judged {
            id: check.id.clone(),
            finding,
            t_us,
        });
    }

    /// Judges what claims an absence. After a failed step only a contradiction counts.
    fn judge_last(&self, checks: &[&Check], complete: bool) {
        let living = Living::new();
        for check in checks {
            let finding = self.with_view(0, &living, |view| judge(&check.that, view));
            if complete || finding.state == State::Broken {
                self.decide(check, finding, false);
            }
        }
    }

    fn with_view<T>(&self, status_since: usize, living: &Living, look: impl FnOnce(&View<'_>) -> T) -> T {
        let trace = self.world.trace();
        let keys = self.world.keys.borrow();
        let output = || {
            self.subject
                .as_ref()
                .map(crate::target::Subject::output)
                .unwrap_or_default()
        };
        let processes = |module: &str| self.processes(module, living);
        look(&View {
            trace: &trace,
            status_since,
            keys: &keys,
            expand: &|text| self.expand(text),
            output: &output,
            processes: &processes,
            time_scale: self.target.time_scale * self.options.time_scale,
        })
    }

    /// The living processes of a module: those that it reported, and those that carry its name in their environment.
    fn processes(&self, module: &str, living: &Living) -> Vec<String> {
        let living = living.get_or_init(|| {
            let Some(subject) = &self.subject else {
                return Vec::new();
            };
            let all = subject
                .processes()
                .into_iter()
                .filter(|p| p.is_alive() && p.pid != subject.pid());
            all.map(|process| (process.clone(), proc::environ(process.pid)))
                .collect()
        });
        let trace = self.world.trace();
        let reported = |pid: i32| {
            let of_module = |e: &&Entry| e.is(module, Kind::Launch) || e.is(module, Kind::Forked);
            let same = |e: &Entry| e.data.get("pid").and_then(Value::as_i64) == Some(i64::from(pid));
            trace.iter().filter(of_module).any(same)
        };
        let marked = format!("PARTENZA_MODULE={module}");
        let belongs = |(p, environ): &&(Process, Vec<String>)| reported(p.pid) || environ.contains(&marked);
        let show =
            |(p, _): &(Process, Vec<String>)| format!("pid {} ({}) in session {}", p.pid, p.comm, p.sid);
        living.iter().filter(belongs).map(show).collect()
    }
}

fn mentions(predicate: &Predicate, wanted: &dyn Fn(&Predicate) -> bool) -> bool {
    match predicate {
        Predicate::All(all) | Predicate::Any(all) => all.iter().any(|p| mentions(p, wanted)),
        other => wanted(other),
    }
}

fn mentions_status(predicate: &Predicate) -> bool {
    mentions(predicate, &|p| matches!(p, Predicate::Status { .. }))
}

/// Whether the predicate looks at something that changes without an entry in the trace.
fn mentions_outside(predicate: &Predicate) -> bool {
    mentions(predicate, &|p| match p {
        Predicate::NoProcess { .. } | Predicate::Path(_) => true,
        Predicate::Orchestrator(facts) | Predicate::BootRun(facts) => facts.output.is_some(),
        _ => false,
    })
}
