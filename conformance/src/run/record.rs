//! The head of an event log: who judges whom, by which requirements, on what machine.
//!
//! Owns the translation from what the harness holds into the records of the log.

use std::fs;
use std::thread::available_parallelism;
use std::time::SystemTime;

use partenza_reports::log::{
    ClaimsRecord, DigestsRecord, FORMAT, Level, MachineRecord, Program, Record, RequirementRecord, RunRecord,
    SelectionRecord, SpecRecord, Status, TargetRecord,
};
use partenza_spec_map::{Check, Fault, Row, Spec, Standing, tree};

use super::select::Monitor;
use super::{RunOptions, select};
use crate::judge;
use crate::suite::Library;
use crate::target::{Role, TargetFile};

/// The `run` record.
#[must_use]
pub fn head(options: &RunOptions) -> Record {
    Record::Run(Box::new(RunRecord {
        format: FORMAT,
        harness: Program {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        spec: SpecRecord {
            edition: partenza_spec_map::EDITION.to_owned(),
        },
        target: target(&options.target),
        seed: options.seed,
        jobs: u32::try_from(options.jobs).unwrap_or(u32::MAX),
        started_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        machine: machine(),
        selection: SelectionRecord {
            filter: options.filter.0.clone(),
        },
        digests: DigestsRecord {
            suites: options.library.digest().to_owned(),
            spec: tree::digest(),
        },
    }))
}

fn target(file: &TargetFile) -> TargetRecord {
    TargetRecord {
        name: file.name.clone(),
        version: file.version.clone(),
        claims: ClaimsRecord {
            class: file.claims.class.clone(),
            profiles: file.claims.profiles.clone(),
            extensions: file.claims.extensions.clone(),
        },
        role: match file.role {
            Role::Orchestrator => "orchestrator",
            Role::Module => "module",
        }
        .to_owned(),
        command: file.command.clone(),
    }
}

/// The facts about the machine that a result may depend on.
#[must_use]
pub fn machine() -> MachineRecord {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    MachineRecord {
        kernel: format!("Linux {}", release.trim()).trim().to_owned(),
        cpus: available_parallelism().map_or(0, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
        uid: nix::unistd::getuid().as_raw(),
    }
}

/// Today, `YYYY-MM-DD`.
#[must_use]
pub fn today() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now())
        .to_string()
        .chars()
        .take(10)
        .collect()
}

/// The monitors, with the requirements that they show.
#[must_use]
pub fn monitors() -> Vec<Monitor> {
    judge::monitors::catalogue()
        .iter()
        .map(|monitor| Monitor {
            check: monitor.check.to_owned(),
            requirements: monitor.shows.iter().map(|id| (*id).to_owned()).collect(),
        })
        .collect()
}

/// Every declared check, monitors included, as the join needs it.
#[must_use]
pub fn checks(library: &Library) -> Vec<Check> {
    let mut checks: Vec<Check> = library
        .cases()
        .flat_map(|placed| {
            placed.case.checks.iter().map(move |check| Check {
                id: check.name(placed.case),
                requirements: check.shows.clone(),
                file: placed.suite.file.clone(),
            })
        })
        .collect();
    checks.extend(monitors().into_iter().map(|monitor| Check {
        id: monitor.check,
        requirements: monitor.requirements,
        file: "the monitors".to_owned(),
    }));
    checks
}

/// Every fault, as the join needs it.
#[must_use]
pub fn faults(library: &Library) -> Vec<Fault> {
    let fault = |fault: &crate::suite::Fault| Fault {
        name: fault.fault.clone(),
        about: fault.about.clone(),
        kills: fault.kills.clone(),
        also: fault.also.clone(),
    };
    library.faults().iter().map(fault).collect()
}

/// One `requirement` record.
#[must_use]
pub fn requirement(spec: &Spec, row: &Row<'_>) -> RequirementRecord {
    let requirement = row.requirement;
    let (status, reason) = match &row.standing {
        Standing::Checked(_) => (Status::Checked, None),
        Standing::Untestable(reason) => (Status::Untestable, Some(reason.clone())),
        Standing::Todo(reason) => (Status::Todo, Some(reason.clone())),
    };
    RequirementRecord {
        id: requirement.id.clone(),
        version: requirement.version,
        level: level(spec, &requirement.id),
        subject: requirement.subject.as_str().to_owned(),
        class: requirement.class.clone(),
        sentence: requirement.sentence.clone(),
        chapter: requirement.section.clone(),
        status,
        reason,
    }
}

fn level(spec: &Spec, id: &str) -> Level {
    select::level(spec, &[id.to_owned()])
}
