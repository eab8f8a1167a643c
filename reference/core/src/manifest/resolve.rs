//! From the names under `requires` to edges between modules, and the problems that only all files together show.
//!
//! Everything here is iterative and linear in modules plus requirements (a logarithm aside): a chain of ten thousand
//! modules needs no deeper stack than a chain of two.

use std::collections::{BTreeMap, VecDeque};

use super::diagnostic::{Diagnostic, nearest};
use super::model::{Condition, Module, OnRestart, Provided, Requirement, Target};
use super::yaml::Place;
use crate::id::ModuleId;

/// A dependency of one module on another.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The index of the module that is depended on.
    pub on: usize,
    /// What has to hold before the launch.
    pub condition: Condition,
    /// What its loss does.
    pub on_restart: OnRestart,
    /// Whether the module goes on without it.
    pub optional: bool,
    /// The interface, when the file names one: `log/basic@^1.0`.
    pub interface: Option<String>,
    place: Place,
}

/// Resolves the requirements of `modules`, which are sorted by id. The edges come back in the same order.
///
/// Implements `provider.interface-satisfied`, `provider.selection-deterministic` and the refusals of chapter 4.4.
pub fn resolve(modules: &[Module]) -> (Vec<Vec<Edge>>, Vec<Diagnostic>) {
    let mut providers: BTreeMap<&str, Vec<(usize, &Provided)>> = BTreeMap::new();
    for (index, module) in modules.iter().enumerate().filter(|(_, module)| module.enabled) {
        for provided in &module.provides {
            providers
                .entry(&provided.interface)
                .or_default()
                .push((index, provided));
        }
    }
    let mut problems = Vec::new();
    let mut edges = Vec::with_capacity(modules.len());
    for (index, module) in modules.iter().enumerate() {
        let mut own = Vec::with_capacity(module.requires.len());
        for requirement in &module.requires {
            match resolve_one(modules, &providers, index, requirement) {
                Ok(found) => own.extend(found),
                Err(problem) => problems.push(*problem),
            }
        }
        edges.push(own);
    }
    problems.extend(cycles(modules, &edges));
    (edges, problems)
}

fn resolve_one(
    modules: &[Module],
    providers: &BTreeMap<&str, Vec<(usize, &Provided)>>,
    index: usize,
    requirement: &Requirement,
) -> Result<Option<Edge>, Box<Diagnostic>> {
    let file = &modules[index].file;
    let (on, interface) = match &requirement.target {
        Target::Module(id) => {
            let found = modules.binary_search_by(|module| module.id.cmp(id)).ok();
            if found == Some(index) {
                let message = format!("`{id}` requires itself");
                return Err(Box::new(Diagnostic::error(
                    "PZ117",
                    file,
                    requirement.place,
                    message,
                )));
            }
            if found.is_none() && !requirement.optional {
                return Err(Box::new(unknown_module(file, requirement.place, id, modules)));
            }
            (found, None)
        }
        Target::Interface { name, range, written } => {
            let all = providers
                .get(name.as_str())
                .map(Vec::as_slice)
                .unwrap_or_default();
            // Providers are listed in the order of their ids, so that the first match is the smallest.
            let found = all
                .iter()
                .find(|(i, provided)| *i != index && range.matches(&provided.version));
            if found.is_none() && !requirement.optional {
                let problem = unsatisfied(modules, file, requirement.place, name, written, all, providers);
                return Err(Box::new(problem));
            }
            (found.map(|(i, _)| *i), Some(format!("{name}@{written}")))
        }
    };
    Ok(on.map(|on| Edge {
        on,
        condition: requirement.condition,
        on_restart: requirement.on_restart,
        optional: requirement.optional,
        interface,
        place: requirement.place,
    }))
}

/// PZ108 (`deps.unknown-module-refused`, `deps.unknown-module-suggests`).
pub(super) fn unknown_module(file: &str, place: Place, id: &ModuleId, modules: &[Module]) -> Diagnostic {
    let problem = Diagnostic::error("PZ108", file, place, format!("there is no module `{id}`"));
    match nearest(id.as_str(), modules.iter().map(|module| module.id.as_str())) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// PZ110 (`provider.unsatisfied-interface-refused`).
fn unsatisfied(
    modules: &[Module],
    file: &str,
    place: Place,
    name: &str,
    written: &str,
    all: &[(usize, &Provided)],
    providers: &BTreeMap<&str, Vec<(usize, &Provided)>>,
) -> Diagnostic {
    let message = format!("no enabled module provides `{name}` in a version that matches `{written}`");
    let problem = Diagnostic::error("PZ110", file, place, message);
    let offers: Vec<_> = all
        .iter()
        .take(5)
        .map(|(i, p)| format!("`{}` provides {}", modules[*i].id, p.written_version))
        .collect();
    match nearest(name, providers.keys().copied()) {
        _ if !offers.is_empty() => problem.help(offers.join(", ")),
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// PZ109 (`deps.cycle-refused`, `deps.cycle-printed`): one problem for each cycle that a walk along the remaining edges
/// ends in, with the whole path.
fn cycles(modules: &[Module], edges: &[Vec<Edge>]) -> Vec<Diagnostic> {
    let remaining = unordered(edges);
    let mut walk_of = vec![usize::MAX; modules.len()];
    let mut problems = Vec::new();
    for start in (0..modules.len()).filter(|index| remaining[*index]) {
        let mut path: Vec<usize> = Vec::new();
        let mut at = start;
        while walk_of[at] == usize::MAX {
            walk_of[at] = start;
            path.push(at);
            // A module that remains depends on at least one that remains: otherwise it would have been ordered.
            let Some(next) = edges[at].iter().map(|edge| edge.on).find(|on| remaining[*on]) else {
                break;
            };
            at = next;
        }
        if walk_of[at] != start {
            continue;
        }
        let begin = path.iter().position(|index| *index == at).unwrap_or(0);
        let cycle = &mut path[begin..];
        // The smallest id comes first, wherever the walk entered.
        let smallest = cycle
            .iter()
            .enumerate()
            .min_by_key(|(_, index)| **index)
            .map_or(0, |(position, _)| position);
        cycle.rotate_left(smallest);
        problems.push(cycle_problem(modules, edges, cycle));
    }
    problems
}

fn cycle_problem(modules: &[Module], edges: &[Vec<Edge>], cycle: &[usize]) -> Diagnostic {
    let mut names: Vec<&str> = cycle.iter().map(|index| modules[*index].id.as_str()).collect();
    names.push(names[0]);
    let next = cycle.get(1).copied().unwrap_or(cycle[0]);
    let place = edges[cycle[0]]
        .iter()
        .find(|edge| edge.on == next)
        .map_or(super::yaml::START, |edge| edge.place);
    let message = format!("modules require each other in a circle: {}", names.join(" -> "));
    Diagnostic::error("PZ109", &modules[cycle[0]].file, place, message)
}

/// Marks the modules that cannot be ordered: those on a cycle and those that depend on one.
fn unordered(edges: &[Vec<Edge>]) -> Vec<bool> {
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); edges.len()];
    let mut missing = vec![0_usize; edges.len()];
    for (index, own) in edges.iter().enumerate() {
        missing[index] = own.len();
        for edge in own {
            dependents[edge.on].push(index);
        }
    }
    let mut free: VecDeque<usize> = (0..edges.len()).filter(|index| missing[*index] == 0).collect();
    while let Some(index) = free.pop_front() {
        for dependent in &dependents[index] {
            missing[*dependent] -= 1;
            if missing[*dependent] == 0 {
                free.push_back(*dependent);
            }
        }
    }
    missing.into_iter().map(|count| count > 0).collect()
}
