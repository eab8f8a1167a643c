//! The run as one JSON document, for programs that do not want to read an event log.
//!
//! Owns the keys of that document. Everything in it is derived from the log.

use serde_json::{Map, Value, json};

use crate::log::{CheckRecord, Outcome};
use crate::model::{Options, Report, Standing};
use crate::verdict;

/// Renders a run as JSON.
#[must_use]
pub fn json(report: &Report, options: &Options) -> Value {
    let run = &report.run;
    let counts = verdict::counts(&report.checks);
    let counts: Map<String, Value> = Outcome::ALL
        .iter()
        .map(|o| (o.as_str().to_owned(), json!(counts.get(o).copied().unwrap_or(0))))
        .collect();
    json!({
        "verdict": report.verdict(options.strict),
        "exit_code": report.end.as_ref().map(|end| end.exit_code),
        "strict": options.strict,
        "complete_log": report.end.is_some(),
        "target": run.target,
        "harness": run.harness,
        "spec": run.spec,
        "selection": run.selection,
        "seed": run.seed,
        "jobs": run.jobs,
        "started_at": run.started_at,
        "duration_us": report.end.as_ref().map(|end| end.duration_us),
        "overhead": report.overhead(),
        "cases": report.cases.values().map(|case| json!({
            "id": case.case,
            "duration_us": case.duration_us,
            "necessary_wait_us": case.necessary_wait_us,
        })).collect::<Vec<_>>(),
        "machine": run.machine,
        "digests": run.digests,
        "counts": counts,
        "requirements": report.requirements.iter().map(|requirement| json!({
            "id": requirement.id,
            "version": requirement.version,
            "level": requirement.level,
            "chapter": requirement.chapter,
            "standing": report.standing(requirement).as_str(),
            "reason": requirement.reason,
            "checks": report.checks_of(&requirement.id).map(|check| &check.check).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "standings": standings(report),
        "checks": report.checks.iter().map(|check| entry(check, options)).collect::<Vec<_>>(),
    })
}

fn standings(report: &Report) -> Map<String, Value> {
    let of = |standing: Standing| {
        report
            .requirements
            .iter()
            .filter(|one| report.standing(one) == standing)
            .count()
    };
    Standing::ALL
        .iter()
        .map(|standing| (standing.as_str().to_owned(), json!(of(*standing))))
        .collect()
}

fn entry(check: &CheckRecord, options: &Options) -> Value {
    let mut entry = json!(check);
    entry["id"] = json!(check.check);
    if let Some(excuse) = options.excused.get(&check.check) {
        entry["excused"] = json!(excuse);
    }
    if let Some(members) = entry.as_object_mut() {
        members.remove("check");
    }
    entry
}
