//! What the results of a case mean for a report: outcome, blame, expected beside received, and the story of what failed.
//!
//! A step that failed does not turn a check red: it makes it `prerequisite-failed`, with what was awaited and the last
//! things that were seen. A refusal whose positive control did not hold is `blocked`.

use partenza_reports::log::{Blame, CheckRecord, Outcome};

use super::play::Stage;
use super::{CaseReport, teardown};
use crate::judge::requirements::strongest;
use crate::judge::trace::{Entry, Kind};
use crate::judge::view::State;
use crate::judge::{describe, monitors};
use crate::suite::{Case, Check, Control};

/// How many of the last entries a story tells.
const STORY: usize = 8;

/// Why a step did not come about.
#[derive(Debug, Clone)]
pub(crate) struct StepFailure {
    pub(crate) reason: String,
    detail: String,
    blame: Blame,
    evidence: Vec<u64>,
}

impl StepFailure {
    pub(crate) fn new(stage: &Stage<'_>, reason: String) -> Self {
        let trace = stage.world.trace();
        let from = trace.len().saturating_sub(STORY);
        // A puppet in trouble means that the harness could not play its part.
        let trouble = trace[from..].iter().any(|entry| entry.kind == Kind::Trouble);
        let blame = if trouble {
            Blame::Counterpart
        } else {
            Blame::Subject
        };
        let evidence = (from..trace.len()).map(|at| at as u64).collect();
        let mut detail = story(&trace);
        drop(trace);
        let words = stage
            .subject
            .as_ref()
            .map(|subject| subject.last_lines(6))
            .unwrap_or_default();
        if !words.is_empty() {
            detail.push_str("\nlast words of the orchestrator:\n  ");
            detail.push_str(&words.join("\n  "));
        }
        Self {
            reason,
            detail,
            blame,
            evidence,
        }
    }

    /// Tells a record why it could not be judged.
    fn tell(&self, record: &mut CheckRecord) {
        record.blame = Some(self.blame);
        record.detail = Some(format!("{}\n{}", self.reason, self.detail));
        record.evidence.clone_from(&self.evidence);
    }
}

/// The last entries, one on each line.
pub(crate) fn story(trace: &[Entry]) -> String {
    let last = trace
        .iter()
        .skip(trace.len().saturating_sub(STORY))
        .map(Entry::summary);
    last.collect::<Vec<_>>().join("\n")
}

/// One record for each check of a case that could not be played at all for the machine's sake.
pub(crate) fn all_environment(case: &Case, reason: &str) -> CaseReport {
    let checks = case.checks.iter().map(|check| {
        let mut record = new_record(case, check, Outcome::Environment);
        record.blame = Some(Blame::Environment);
        record.detail = Some(reason.to_owned());
        record
    });
    CaseReport {
        checks: checks.collect(),
        ..CaseReport::default()
    }
}

fn new_record(case: &Case, check: &Check, outcome: Outcome) -> CheckRecord {
    let level = strongest(check.shows.iter().map(String::as_str));
    let mut record = CheckRecord::new(case.name(), check.name(case), level, outcome);
    record.requirements.clone_from(&check.shows);
    record
}

impl Stage<'_> {
    /// One record for each check of the case.
    pub(crate) fn records(&self, failure: Option<&StepFailure>, untold: &str) -> Vec<CheckRecord> {
        let checks = &self.case.checks;
        let mut records: Vec<CheckRecord> = checks
            .iter()
            .map(|check| self.record(check, failure, untold))
            .collect();
        for (index, check) in checks.iter().enumerate() {
            if records[index].outcome != Outcome::Pass {
                continue;
            }
            if let Some(missing) = check
                .controls
                .iter()
                .find_map(|control| self.missing_control(control, &records))
            {
                let record = &mut records[index];
                record.detail = Some(format!("{missing}, so that the refusal proves nothing"));
                record.outcome = Outcome::Blocked;
                record.blame = Some(Blame::Subject);
                // A control that a failed step kept from holding is the step's story, not the control's.
                if let Some(failure) = failure {
                    record.outcome = Outcome::PrerequisiteFailed;
                    failure.tell(record);
                }
            }
        }
        records
    }

    /// Why a positive control did not hold. One in another case is held against the results of the run, by the run.
    fn missing_control(&self, control: &Control, records: &[CheckRecord]) -> Option<String> {
        match control {
            Control::Module(name) => {
                let trace = self.world.trace();
                let ready = trace
                    .iter()
                    .any(|e| e.is(name, Kind::Tx) && e.text("method") == "ready");
                (!ready).then(|| format!("the control `{name}` never became ready"))
            }
            Control::Check(name) => records
                .iter()
                .find(|record| record.check == *name && record.outcome != Outcome::Pass)
                .map(|record| format!("the control `{name}` is {}", record.outcome)),
        }
    }

    fn record(&self, check: &Check, failure: Option<&StepFailure>, untold: &str) -> CheckRecord {
        let judged = self.judged.borrow();
        let judged = judged.iter().find(|judged| judged.id == check.id);
        let mut expected = describe(&check.that, &|text| self.expand(text));
        if let Some(until) = &check.until {
            expected = format!("{expected} (until `{until}`)");
        }
        let outcome = match (judged.map(|judged| judged.finding.state), failure) {
            (Some(State::Holds), _) => Outcome::Pass,
            (Some(State::Broken), _) | (Some(State::NotYet), None) => Outcome::Fail,
            (Some(State::NotYet) | None, _) => Outcome::PrerequisiteFailed,
        };
        let mut record = new_record(self.case, check, outcome);
        record.expected = Some(expected);
        if let Some(judged) = judged {
            record.actual = Some(judged.finding.actual.clone());
            record.evidence = judged.finding.evidence.iter().map(|at| *at as u64).collect();
            record.t_us = judged.t_us;
        }
        match (outcome, failure) {
            (Outcome::Pass, _) => {}
            (Outcome::PrerequisiteFailed, Some(failure)) => {
                failure.tell(&mut record);
            }
            (Outcome::PrerequisiteFailed, None) => {
                let until = check.until.as_ref().map(ToString::to_string).unwrap_or_default();
                record.blame = Some(Blame::Subject);
                record.detail = Some(format!("`{until}` did not come\n{untold}"));
            }
            _ => {
                record.blame = Some(Blame::Subject);
                record.detail = (!check.about.is_empty()).then(|| check.about.clone());
            }
        }
        record
    }

    /// One record for each monitor that had something to judge by.
    pub(crate) fn monitors(&self, aftermath: &teardown::Aftermath) -> Vec<CheckRecord> {
        let trace = self.world.trace();
        let keys = self.world.keys.borrow();
        let proc_texts = self.world.proc_texts.borrow();
        let material = monitors::Material {
            case: self.case,
            trace: &trace,
            keys: &keys,
            proc_texts: &proc_texts,
            aftermath,
        };
        let record = |verdict: monitors::Verdict| {
            let monitor = verdict.monitor;
            let level = strongest(monitor.shows.iter().copied());
            let mut record = CheckRecord::new(self.case.name(), monitor.check, level, verdict.outcome);
            record.requirements = monitor.shows.iter().map(|id| (*id).to_owned()).collect();
            record.blame = verdict.blame;
            record.expected = Some(monitor.expected.to_owned());
            record.actual = Some(verdict.actual);
            record.detail = verdict.detail;
            record.evidence = verdict.evidence.iter().map(|at| *at as u64).collect();
            record.t_us = verdict.evidence.first().map_or(0, |at| trace[*at].t_us);
            record
        };
        monitors::judge_all(&material).into_iter().map(record).collect()
    }
}
