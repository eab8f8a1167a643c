//! The verb `kill-matrix`: proves that the checks can fail.
//!
//! A suite in which nothing can turn red certifies nothing. So every fault of `suites/faults.yaml` is built into an
//! orchestrator, all cases are played against each of them in real processes, and the matrix says which checks turned
//! red. A fault kills its check when that check fails and no other check does, except those that it lists under `also`.
//! Owns the plays and the matrix; which faults exist is data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::rc::Rc;

use partenza_reports::log::{CheckRecord, Level, Outcome};
use partenza_spec_map::{Fault, Spec};
use serde_json::json;
use tokio::task::LocalSet;

use super::args::KillMatrixArguments;
use super::output::{self, Failure};
use super::{exit, input};
use crate::engine::EngineOptions;
use crate::run::bundled::{Bundled, mentions, substitute};
use crate::run::select::{Facts, Filter, Plan, plan};
use crate::run::{Played, PlayedCheck, Progress, Results, play_case, record, schedule, settle};
use crate::suite::{Case, Library};
use crate::target::{TargetFile, become_subreaper};

/// The suite of the checks that are made in every case.
const MONITORS: &str = "monitor";

/// How many cases run side by side for each processor.
const JOBS: usize = 8;

pub(crate) fn act(arguments: &KillMatrixArguments) -> Result<u8, Failure> {
    let library = input::library()?;
    let target = input::target(arguments.target.as_deref(), Bundled::Faulty, None)?;
    if !mentions(&target, "fault") {
        return Err(Failure::new(
            exit::USAGE,
            "no command of the target holds `{fault}`, so it cannot be told which one to have",
        ));
    }
    let faults = wanted(record::faults(&library), &arguments.fault)?;
    let spec = Spec::embedded();
    let claims = |need: &str| target.claims(need);
    let facts = Facts {
        claims: &claims,
        orchestrator: true,
    };
    let plan = plan(&library, &record::monitors(), &spec, &facts, &Filter::default());
    become_subreaper().map_err(|error| Failure::harness("become the parent of orphans", error))?;

    let jobs = input::jobs(arguments.jobs, JOBS);
    let mut engine = EngineOptions::new(input::this_program()?, vec!["mock".to_owned()]);
    engine.jobs = jobs;
    engine.seed = input::seed(arguments.seed)?;
    let stage = Stage {
        library: &library,
        plan: &plan,
        engine,
        jobs,
        own_suites: arguments.own_suites,
        progress: !arguments.json,
    };
    let targets: Vec<Rc<TargetFile>> = faults
        .iter()
        .map(|fault| {
            let mut target = target.clone();
            substitute(&mut target, "fault", &fault.name);
            Rc::new(target)
        })
        .collect();
    let results = input::runtime()?.block_on(LocalSet::new().run_until(stage.play(&targets, &faults)));
    let rows: Vec<Row> = faults
        .into_iter()
        .zip(results)
        .map(|(fault, results)| {
            let mut records = settle(&plan, &results);
            records.retain(|record| stage.concerns(&fault, &record.check));
            row(fault, &records)
        })
        .collect();
    let matrix = Matrix::new(rows, &plan, !arguments.fault.is_empty());
    if arguments.json {
        output::print_json(&matrix.json())?;
    } else {
        output::print(&matrix.text())?;
    }
    Ok(if matrix.is_good() {
        exit::CONFORMANT
    } else {
        exit::NON_CONFORMANT
    })
}

fn wanted(all: Vec<Fault>, names: &[String]) -> Result<Vec<Fault>, Failure> {
    for name in names {
        if !all.iter().any(|fault| fault.name == *name) {
            let near = partenza_spec_map::join::nearest(name, all.iter().map(|fault| fault.name.as_str()));
            let hint = near
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            return Err(Failure::new(
                exit::USAGE,
                format!("there is no fault `{name}`{hint}"),
            ));
        }
    }
    let faults: Vec<Fault> = all
        .into_iter()
        .filter(|fault| names.is_empty() || names.contains(&fault.name))
        .collect();
    if faults.is_empty() {
        return Err(Failure::new(
            exit::INCOMPLETE,
            "suites/faults.yaml names no fault, so nothing is proven",
        ));
    }
    Ok(faults)
}

struct Stage<'a> {
    library: &'a Library,
    plan: &'a Plan,
    engine: EngineOptions,
    jobs: usize,
    own_suites: bool,
    progress: bool,
}

impl Stage<'_> {
    /// Whether a case or check of this name is held against the fault.
    fn concerns(&self, fault: &Fault, name: &str) -> bool {
        let suite = |id: &str| id.split('/').next().unwrap_or(id).to_owned();
        // A monitor watches every case.
        let wide = !self.own_suites || suite(&fault.kills) == MONITORS;
        let mut named = fault.also.iter().chain([&fault.kills]);
        wide || suite(name) == MONITORS || named.any(|id| suite(id) == suite(name))
    }

    /// Plays all cases against all targets; one map of results for each target.
    async fn play(&self, targets: &[Rc<TargetFile>], faults: &[Fault]) -> Vec<Results> {
        let cases: Vec<Rc<Case>> = self
            .library
            .cases()
            .filter(|placed| self.plan.cases.contains(&placed.case.name()))
            .map(|placed| Rc::new(placed.case.clone()))
            .collect();
        let mut pairs: Vec<(usize, Rc<Case>)> = Vec::new();
        for (at, fault) in faults.iter().enumerate() {
            let concerned = cases.iter().filter(|case| self.concerns(fault, &case.name()));
            pairs.extend(concerned.map(|case| (at, Rc::clone(case))));
        }
        schedule::shuffle(&mut pairs, self.engine.seed);
        let mut all = vec![Results::new(); targets.len()];
        self.play_pairs(targets, pairs.clone(), self.jobs, &mut all).await;
        // What is red only because everything ran at once is no stray: a case in which a check is red that its fault does not
        // name is played again beside very few others.
        let stray = |pair: &&(usize, Rc<Case>)| strays(&all, &faults[pair.0], pair);
        let astray: Vec<_> = pairs.iter().filter(stray).cloned().collect();
        self.play_pairs(targets, astray, (self.jobs / 8).max(1), &mut all)
            .await;
        all
    }

    async fn play_pairs(
        &self,
        targets: &[Rc<TargetFile>],
        pairs: Vec<(usize, Rc<Case>)>,
        jobs: usize,
        all: &mut [Results],
    ) {
        let names: Vec<(usize, String)> = pairs.iter().map(|(at, case)| (*at, case.name())).collect();
        let progress = Rc::new(Progress::new(pairs.len(), self.progress));
        let start = |_, (at, case): (usize, Rc<Case>)| {
            let (target, progress) = (Rc::clone(&targets[at]), Rc::clone(&progress));
            let mut engine = self.engine.clone();
            engine.jobs = jobs;
            async move {
                progress.start(&case.name());
                let mut played: Played = play_case(&case, &target, &engine).await;
                progress.end(&case.name());
                // The matrix needs no traces, and there would be very many.
                played.records = Vec::new();
                played
            }
        };
        schedule::bounded(pairs, jobs, start, |position, result| {
            let (at, name) = &names[position];
            all[*at].insert(name.clone(), result);
            ControlFlow::Continue(())
        })
        .await;
        progress.finish();
    }
}

fn checks<'a>(all: &'a [Results], (at, case): &(usize, Rc<Case>)) -> &'a [PlayedCheck] {
    match all[*at].get(&case.name()) {
        Some(Ok(played)) => &played.checks,
        Some(Err(_)) | None => &[],
    }
}

fn strays(all: &[Results], fault: &Fault, pair: &(usize, Rc<Case>)) -> bool {
    checks(all, pair).iter().any(|check| {
        let id = &check.record.check;
        check.record.outcome == Outcome::Fail && *id != fault.kills && !fault.also.contains(id)
    })
}

/// What one fault did.
struct Row {
    fault: Fault,
    /// The checks that failed.
    red: BTreeSet<String>,
    /// Those of them that neither `kills` nor `also` names.
    stray: Vec<String>,
    /// Whether the check that it has to kill failed.
    hit: bool,
    /// What came out of that check instead.
    came: String,
}

fn row(fault: Fault, records: &[CheckRecord]) -> Row {
    // A check that could not come to a result is no proof in either direction; one that the harness lost is a mistake.
    let is_red = |record: &&CheckRecord| matches!(record.outcome, Outcome::Fail | Outcome::HarnessError);
    let red: BTreeSet<String> = records
        .iter()
        .filter(is_red)
        .map(|record| record.check.clone())
        .collect();
    let stray = red
        .iter()
        .filter(|id| **id != fault.kills && !fault.also.contains(id))
        .cloned()
        .collect();
    let target = records.iter().find(|record| record.check == fault.kills);
    let hit = target.is_some_and(|record| record.outcome == Outcome::Fail);
    let came = target
        .map_or("not declared", |record| record.outcome.as_str())
        .to_owned();
    Row {
        fault,
        red,
        stray,
        hit,
        came,
    }
}

/// The matrix and what it proves.
struct Matrix {
    rows: Vec<Row>,
    must: Vec<String>,
    killed: BTreeSet<String>,
    unkilled: Vec<String>,
    imprecise: BTreeMap<String, Vec<String>>,
    /// Whether only some faults were played, so that nothing can be said about the others' checks.
    partial: bool,
}

impl Matrix {
    fn new(rows: Vec<Row>, plan: &Plan, partial: bool) -> Self {
        let declared = plan.checks.iter().chain(&plan.monitors);
        let must: Vec<String> = declared
            .filter(|declared| declared.runs && declared.record.level == Level::Must)
            .map(|declared| declared.record.check.clone())
            .filter(|id| !partial || rows.iter().any(|row| row.fault.kills == *id))
            .collect();
        let precise = |row: &&Row| row.hit && row.stray.is_empty();
        let killed: BTreeSet<String> = rows
            .iter()
            .filter(precise)
            .map(|row| row.fault.kills.clone())
            .collect();
        let unkilled = must.iter().filter(|id| !killed.contains(*id)).cloned().collect();
        let imprecise = rows
            .iter()
            .filter(|row| !row.stray.is_empty())
            .map(|row| (row.fault.name.clone(), row.stray.clone()))
            .collect();
        Self {
            rows,
            must,
            killed,
            unkilled,
            imprecise,
            partial,
        }
    }

    fn is_good(&self) -> bool {
        self.unkilled.is_empty() && self.rows.iter().all(|row| row.hit && row.stray.is_empty())
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "partial": self.partial,
            "must_checks": self.must,
            "killed": self.killed,
            "unkilled": self.unkilled,
            "imprecise": self.imprecise,
            "faults": self.rows.iter().map(|row| json!({
                "fault": row.fault.name,
                "about": row.fault.about,
                "kills": row.fault.kills,
                "killed": row.hit && row.stray.is_empty(),
                "outcome": row.came,
                "red": row.red,
                "stray": row.stray,
            })).collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let word = match (row.hit, row.stray.is_empty()) {
                (true, true) => "killed   ",
                (true, false) => "imprecise",
                (false, _) => "MISSED   ",
            };
            let _ = writeln!(text, "{word} {}  {}", row.fault.name, row.fault.kills);
            if !row.hit {
                let _ = writeln!(text, "            it came out as: {}", row.came);
            }
            for stray in &row.stray {
                let _ = writeln!(text, "            also red: {stray}");
            }
        }
        let _ = writeln!(
            text,
            "\n{} MUST checks, {} killed, {} unkilled, {} imprecise faults",
            self.must.len(),
            self.must.len() - self.unkilled.len(),
            self.unkilled.len(),
            self.imprecise.len(),
        );
        for id in &self.unkilled {
            let _ = writeln!(text, "  no fault kills {id}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kills: &str, also: &[&str]) -> Fault {
        Fault {
            name: "bad".to_owned(),
            about: String::new(),
            kills: kills.to_owned(),
            also: also.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    fn records(outcomes: &[(&str, Outcome)]) -> Vec<CheckRecord> {
        outcomes
            .iter()
            .map(|(id, outcome)| CheckRecord::new("s/c", *id, Level::Must, *outcome))
            .collect()
    }

    #[test]
    fn a_fault_kills_exactly_its_check() {
        let red = records(&[
            ("s/c/a", Outcome::Fail),
            ("s/c/b", Outcome::Fail),
            ("s/c/c", Outcome::Blocked),
        ]);
        for (kills, also, hit, stray) in [
            ("s/c/a", &["s/c/b"][..], true, 0),
            ("s/c/a", &[][..], true, 1),
            ("s/c/c", &["s/c/a", "s/c/b"][..], false, 0),
            ("s/c/x", &[][..], false, 2),
        ] {
            let row = row(fault(kills, also), &red);
            assert_eq!((row.hit, row.stray.len()), (hit, stray), "{kills}");
        }
    }
}
