//! The run itself; the story is told in the module above.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Instant;

use partenza_reports::log::{Record, RunEndRecord};
use partenza_reports::{Report, verdict};
use partenza_spec_map::Spec;
use tokio::task::LocalSet;

use super::baseline::Effect;
use super::log::EventLog;
use super::select::{Facts, Plan, plan};
use super::settle::give_up;
use super::{Played, PlayedCheck, Progress, Results, RunOptions, record, schedule, settle};
use crate::cli::exit;
use crate::engine::{EngineOptions, Tell, run_case};
use crate::suite::{Action, Case};
use crate::target::{Role, TargetFile};

/// A target that cannot be started in this many cases, one after the other, is given up.
const PATIENCE: usize = 3;

/// More cases than this that missed a deadline are not load, and playing them all again alone would take too long.
const SECOND_PLAYS: usize = 24;

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The run, as its log tells it.
    pub report: Report,
    /// What the baseline says.
    pub baseline: Effect,
    /// Why the target could not be run, with its last words.
    pub cannot_run: Option<String>,
    /// Whether the filter selected nothing.
    pub nothing_selected: bool,
    /// The exit code of the harness.
    pub exit_code: u8,
}

/// Runs a selection of cases against a target.
///
/// # Errors
/// When the event log cannot be written.
pub async fn run(options: &RunOptions, mut log: EventLog) -> io::Result<Finished> {
    let began = Instant::now();
    let spec = Spec::embedded();
    let plan = make_plan(options, &spec);
    log.write(record::head(options))?;
    let (checks, faults) = (record::checks(&options.library), record::faults(&options.library));
    // What the join complains about is the business of the gates; a run reports where it stands.
    for row in spec.join(&checks, &faults, &mut Vec::new()) {
        log.write(Record::Requirement(record::requirement(&spec, &row)))?;
    }

    let mut stage = Stage {
        options,
        log: &mut log,
        results: Results::new(),
        broken: None,
    };
    let cannot_run = LocalSet::new().run_until(stage.play(&plan)).await;
    let results = stage.results;
    if let Some(error) = stage.broken {
        return Err(error);
    }

    let records = match &cannot_run {
        Some(why) => give_up(&plan, why),
        None => settle(&plan, &results),
    };
    let baseline = options
        .baseline
        .as_ref()
        .map(|baseline| baseline.hold(&records, &record::today()))
        .unwrap_or_default();
    let judged = verdict::judge(&records, options.strict);
    let unexcused = records
        .iter()
        .filter(|check| !(check.outcome.is_red() && baseline.excused.contains_key(&check.check)));
    let code = verdict::exit_code(verdict::judge(unexcused, options.strict));
    let exit_code = match (cannot_run.is_some(), code) {
        (true, _) => exit::TARGET,
        (false, exit::NON_CONFORMANT) => code,
        (false, _) if !baseline.problems.is_empty() => exit::BASELINE,
        (false, _) => code,
    };
    let counts = verdict::counts(&records);
    let nothing_selected = !options.filter.0.is_empty() && plan.cases.is_empty();
    for check in records {
        log.write(Record::Check(check))?;
    }
    let duration_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    log.write(Record::RunEnd(RunEndRecord {
        verdict: judged,
        exit_code,
        duration_us,
        counts,
    }))?;
    Ok(Finished {
        report: log.finish()?,
        baseline,
        cannot_run,
        nothing_selected,
        exit_code,
    })
}

fn make_plan(options: &RunOptions, spec: &Spec) -> Plan {
    let claims = |need: &str| options.target.claims(need);
    let facts = Facts {
        claims: &claims,
        orchestrator: options.target.role == Role::Orchestrator,
    };
    plan(
        &options.library,
        &record::monitors(),
        spec,
        &facts,
        &options.filter,
    )
}

struct Stage<'a> {
    options: &'a RunOptions,
    log: &'a mut EventLog,
    results: Results,
    broken: Option<io::Error>,
}

impl Stage<'_> {
    /// Plays every case of the plan; gives back why the target cannot be run, if it cannot.
    async fn play(&mut self, plan: &Plan) -> Option<String> {
        let all: BTreeMap<String, &Case> = self
            .options
            .library
            .cases()
            .map(|placed| (placed.case.name(), placed.case))
            .collect();
        let planned = plan.cases.iter().filter_map(|name| all.get(name));
        let mut cases: Vec<Rc<Case>> = planned.map(|case| Rc::new((*case).clone())).collect();
        schedule::shuffle(&mut cases, self.options.seed);
        if let Some(why) = self.play_first(&mut cases).await {
            return Some(why);
        }
        self.play_all(cases.clone(), self.options.jobs).await;
        if self.options.jobs == 1 || self.broken.is_some() {
            return None;
        }
        cases.retain(|case| self.is_late(&case.name()));
        if cases.len() > SECOND_PLAYS {
            self.leave_alone(&cases);
        } else {
            self.play_again(cases).await;
        }
        None
    }

    /// Plays cases that begin with a boot, one after the other, until the target is met in one; they are taken out of
    /// `cases`. Gives back why it cannot be run when it was met in none of a few.
    async fn play_first(&mut self, cases: &mut Vec<Rc<Case>>) -> Option<String> {
        let mut why = None;
        for _ in 0..PATIENCE {
            let boots =
                |case: &Rc<Case>| matches!(case.steps.first().map(|step| &step.action), Some(Action::Boot));
            let Some(at) = cases.iter().position(boots) else {
                break;
            };
            let case = cases.remove(at);
            let name = case.name();
            self.play_all(vec![case], 1).await;
            match self.results.get(&name) {
                Some(Ok(played)) if played.cannot_run.is_some() => why.clone_from(&played.cannot_run),
                _ => return None,
            }
        }
        why
    }

    async fn play_all(&mut self, cases: Vec<Rc<Case>>, jobs: usize) {
        let names: Vec<String> = cases.iter().map(|case| case.name()).collect();
        let progress = Rc::new(Progress::new(cases.len(), self.options.progress));
        let engine = engine_options(self.options, jobs);
        let target = &self.options.target;
        let start = |_, case: Rc<Case>| {
            let (target, mut engine, progress) = (Rc::clone(target), engine.clone(), Rc::clone(&progress));
            let (line, name) = (Rc::clone(&progress), case.name());
            engine.tell = Tell::to(move |what| line.wait(&name, what));
            async move {
                progress.start(&case.name());
                let played = play_case(&case, &target, &engine).await;
                progress.end(&case.name());
                played
            }
        };
        let (log, results, broken) = (&mut *self.log, &mut self.results, &mut self.broken);
        schedule::bounded(cases, jobs, start, |position, mut result| {
            let name = &names[position];
            if let Ok(played) = &mut result {
                for record in std::mem::take(&mut played.records) {
                    if let Err(error) = log.write(record) {
                        *broken = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
            results.insert(name.clone(), result);
            ControlFlow::Continue(())
        })
        .await;
        progress.finish();
    }

    fn is_late(&self, case: &str) -> bool {
        let played = self.results.get(case).and_then(|result| result.as_ref().ok());
        played.is_some_and(|played| played.checks.iter().any(|check| check.by_deadline))
    }

    /// Plays each case again, alone, and puts the second result of what was late in the place of the first.
    async fn play_again(&mut self, late: Vec<Rc<Case>>) {
        let first: Vec<(String, Played)> = late
            .iter()
            .filter_map(|case| {
                self.results
                    .remove(&case.name())?
                    .ok()
                    .map(|played| (case.name(), played))
            })
            .collect();
        self.play_all(late, 1).await;
        for (name, mut before) in first {
            let Some(Ok(again)) = self.results.get(&name) else {
                self.results.insert(name, Ok(before));
                continue;
            };
            let offset = before.traces;
            for check in before.checks.iter_mut().filter(|check| check.by_deadline) {
                if let Some(second) = again
                    .checks
                    .iter()
                    .find(|other| other.record.check == check.record.check)
                {
                    check.record = second.record.clone();
                    check.record.attempts = 2;
                    // The log holds the trace of both plays, one after the other.
                    check
                        .record
                        .evidence
                        .iter_mut()
                        .for_each(|number| *number += offset);
                }
            }
            self.results.insert(name, Ok(before));
        }
    }

    fn leave_alone(&mut self, late: &[Rc<Case>]) {
        let note = format!(
            "{} cases missed a deadline, too many to play them again alone",
            late.len()
        );
        for case in late {
            let Some(Ok(played)) = self.results.get_mut(&case.name()) else {
                continue;
            };
            for check in played.checks.iter_mut().filter(|check| check.by_deadline) {
                let before = check
                    .record
                    .detail
                    .take()
                    .map(|text| format!("{text}\n"))
                    .unwrap_or_default();
                check.record.detail = Some(format!("{before}{note}"));
            }
        }
    }
}

fn engine_options(options: &RunOptions, jobs: usize) -> EngineOptions {
    let mut engine = EngineOptions::new(options.mock.clone(), options.mock_args.clone());
    engine.seed = options.seed;
    engine.jobs = jobs;
    engine
}

/// Plays one case once.
pub async fn play_case(case: &Case, target: &TargetFile, engine: &EngineOptions) -> Played {
    let mut records = Vec::new();
    let report = run_case(case, target, engine, &mut |record| records.push(record)).await;
    let late = report.missed_deadline;
    let checks = report.checks.into_iter().chain(report.monitors).map(|record| {
        let by_deadline = late && record.outcome.is_red();
        PlayedCheck { record, by_deadline }
    });
    let traces = records
        .iter()
        .filter(|record| matches!(record, Record::Trace(_)))
        .count() as u64;
    Played {
        checks: checks.collect(),
        records,
        traces,
        cannot_run: report.target_cannot_run,
    }
}
