//! Whether suites make sense as a whole: names that exist, ids that are unique, rejections that have a positive control.
//!
//! Works on the model alone. Its findings are bound to lines by the library, which knows the files.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Action, Actor, Case, Check, Control, Pattern, Predicate, Step, Suite, Verb};
use super::read::{Help, Problem, suggest};
use super::tree::{Path, Segment};

/// What a target can claim that a case may need, beside extensions (which have a slash in their name).
const NEEDS: [&str; 9] = [
    "minimal",
    "core",
    "full",
    "check-command",
    "pid1",
    "rootless",
    "resource-control",
    "sandbox",
    "switching",
];

/// Finds what is wrong in each suite; the outer key is its position in `suites`.
pub(crate) fn validate(suites: &[Suite], requirements: Option<&BTreeSet<String>>) -> Vec<(usize, Problem)> {
    let mut checks: BTreeMap<String, &Check> = BTreeMap::new();
    let mut problems = Vec::new();
    for suite in suites {
        for case in &suite.cases {
            for check in &case.checks {
                checks.entry(check.name(case)).or_insert(check);
            }
        }
    }
    let mut seen_suites = BTreeSet::new();
    for (at, suite) in suites.iter().enumerate() {
        let mut found = Findings::default();
        if !seen_suites.insert(&suite.id) || suite.id == "monitor" {
            found.add(
                vec![key("suite")],
                format!("the suite id `{}` is taken", suite.id),
                None,
            );
        }
        let mut seen_cases = BTreeSet::new();
        for (index, case) in suite.cases.iter().enumerate() {
            found.base = vec![key("cases"), Segment::Index(index)];
            if !seen_cases.insert(&case.id) {
                found.add(
                    vec![key("id")],
                    format!("the case `{}` stands in this suite twice", case.id),
                    None,
                );
            }
            check_case(case, &checks, requirements, &mut found);
        }
        problems.extend(found.problems.into_iter().map(|problem| (at, problem)));
    }
    problems
}

#[derive(Default)]
struct Findings {
    base: Path,
    problems: Vec<Problem>,
}

impl Findings {
    fn add(&mut self, path: Path, message: String, help: Option<Help>) {
        let path = self.base.iter().cloned().chain(path).collect();
        self.problems.push(Problem { path, message, help });
    }
}

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}

fn check_case(
    case: &Case,
    all: &BTreeMap<String, &Check>,
    requirements: Option<&BTreeSet<String>>,
    found: &mut Findings,
) {
    if case.needs.is_empty() {
        found.add(
            vec![key("needs")],
            "a case needs at least the class `minimal`".into(),
            None,
        );
    }
    for need in &case.needs {
        if !NEEDS.contains(&need.as_str()) && !need.contains('/') {
            let help = suggest(need, NEEDS.into_iter());
            found.add(
                vec![key("needs")],
                format!("`{need}` is nothing that a target claims"),
                help,
            );
        }
    }
    if case.steps.is_empty() || case.checks.is_empty() {
        found.add(
            vec![key("steps")],
            "a case has at least one step and one check".into(),
            None,
        );
    }
    let mut labels = BTreeSet::new();
    for (index, step) in case.steps.iter().enumerate() {
        check_step(
            case,
            step,
            &mut labels,
            &[key("steps"), Segment::Index(index)],
            found,
        );
    }
    let mut seen = BTreeSet::new();
    for (index, check) in case.checks.iter().enumerate() {
        let at = vec![key("checks"), Segment::Index(index)];
        let within = |name: &str| at.iter().cloned().chain([key(name)]).collect::<Path>();
        if !seen.insert(&check.id) {
            found.add(
                within("id"),
                format!("the check `{}` stands in this case twice", check.id),
                None,
            );
        }
        if check.shows.is_empty() {
            found.add(
                within("shows"),
                "a check shows at least one requirement".into(),
                None,
            );
        }
        for id in &check.shows {
            if let Some(known) = requirements
                && !known.contains(id)
            {
                let help = suggest(id, known.iter().map(String::as_str));
                found.add(
                    within("shows"),
                    format!("`{id}` is no requirement of the specification"),
                    help,
                );
            }
        }
        let mut unknown = BTreeSet::new();
        check.that.for_each_module(&mut |module| {
            if !case.modules.contains_key(module) {
                unknown.insert(module.to_owned());
            }
        });
        for module in unknown {
            found.add(
                within("that"),
                format!("this case has no module `{module}`"),
                nearest_module(case, &module),
            );
        }
        let mut references = BTreeSet::new();
        check.that.for_each_label(&mut |label| {
            if !labels.contains(label) {
                references.insert(label.to_owned());
            }
        });
        for label in references {
            let help = suggest(&label, labels.iter().map(String::as_str));
            found.add(
                within("that"),
                format!("no step of this case is called `{label}`"),
                help,
            );
        }
        if let Some(until) = &check.until {
            check_pattern(case, until, &within("until"), found);
        }
        check_controls(case, check, all, &at, found);
    }
}

fn nearest_module(case: &Case, name: &str) -> Option<Help> {
    suggest(name, case.modules.keys().map(String::as_str))
}

fn check_pattern(case: &Case, pattern: &Pattern, at: &[Segment], found: &mut Findings) {
    if let Some(module) = pattern.module()
        && !case.modules.contains_key(module)
    {
        found.add(
            at.to_vec(),
            format!("this case has no module `{module}`"),
            nearest_module(case, module),
        );
    }
}

fn check_step(case: &Case, step: &Step, labels: &mut BTreeSet<String>, at: &[Segment], found: &mut Findings) {
    match &step.action {
        Action::Await(pattern) => check_pattern(case, pattern, at, found),
        Action::Do { module, .. } => match case.modules.get(module) {
            None => found.add(
                at.to_vec(),
                format!("this case has no module `{module}`"),
                nearest_module(case, module),
            ),
            Some(declared) if !declared.puppet => {
                found.add(
                    at.to_vec(),
                    format!("`{module}` is no puppet and does nothing on command"),
                    None,
                );
            }
            Some(_) => {}
        },
        Action::Control { label, .. } | Action::CheckCommand { label } => {
            if !labels.insert(label.clone()) {
                let help = Some(Help::from("name the step with `as: LABEL`"));
                found.add(
                    at.to_vec(),
                    format!("two steps of this case are called `{label}`"),
                    help,
                );
            }
            if matches!(step.action, Action::CheckCommand { .. })
                && !case.needs.iter().any(|n| n == "check-command")
            {
                let message = "a case with a check-command step needs `check-command`".into();
                found.add(vec![key("needs")], message, None);
            }
        }
        Action::Check(id) => {
            if !case.checks.iter().any(|check| check.id == *id) {
                let help = suggest(id, case.checks.iter().map(|check| check.id.as_str()));
                found.add(at.to_vec(), format!("this case has no check `{id}`"), help);
            }
        }
        Action::Together(steps) => {
            for (index, inner) in steps.iter().enumerate() {
                let path: Path = at
                    .iter()
                    .cloned()
                    .chain([key("together"), Segment::Index(index)])
                    .collect();
                check_step(case, inner, labels, &path, found);
            }
        }
        Action::Boot | Action::BootRefused | Action::Signal(_) => {}
    }
}

fn check_controls(
    case: &Case,
    check: &Check,
    all: &BTreeMap<String, &Check>,
    at: &[Segment],
    found: &mut Findings,
) {
    let path: Path = at.iter().cloned().chain([key("control")]).collect();
    if check.that.is_rejection() && check.controls.is_empty() {
        let message = format!(
            "`{}` claims that something is refused or absent, and has no positive control",
            check.id
        );
        let help = "add `control:` with an honest module that a step drives to ready, or with a check that is no rejection";
        found.add(at.to_vec(), message, Some(help.into()));
    }
    for control in &check.controls {
        match control {
            Control::Module(name) => {
                let honest = case
                    .modules
                    .get(name)
                    .is_some_and(super::model::Module::is_honest);
                if !honest {
                    found.add(
                        path.clone(),
                        format!("`{name}` does not follow the contract everywhere"),
                        None,
                    );
                } else if !case.steps.iter().any(|step| drives_to_ready(step, name)) {
                    found.add(
                        path.clone(),
                        format!("no step waits until `{name}` is ready"),
                        None,
                    );
                }
            }
            Control::Check(name) => match all.get(name) {
                None => {
                    let help = suggest(name, all.keys().map(String::as_str))
                        .filter(|h| matches!(h, Help::Nearest(_)));
                    found.add(
                        path.clone(),
                        format!("there is neither a module nor a check `{name}`"),
                        help,
                    );
                }
                Some(other) if other.that.is_rejection() => {
                    found.add(
                        path.clone(),
                        format!("`{name}` is itself a rejection and controls nothing"),
                        None,
                    );
                }
                Some(_) => {}
            },
        }
    }
}

fn drives_to_ready(step: &Step, name: &str) -> bool {
    match &step.action {
        Action::Await(Pattern {
            actor: Actor::Module(module),
            verb,
            ..
        }) if module == name => match verb {
            Verb::Reaches(state) => state == "ready" || state == "degraded",
            Verb::Sent(method) => method == "ready",
            Verb::Received(method) => method == "live" || method == "shutdown" || method == "health.check",
            _ => false,
        },
        Action::Together(steps) => steps.iter().any(|step| drives_to_ready(step, name)),
        _ => false,
    }
}

impl Predicate {
    /// Calls `visit` with every step label that the predicate names.
    fn for_each_label(&self, visit: &mut dyn FnMut(&str)) {
        let mut of_pattern = |pattern: &Pattern| {
            if let Actor::Control(label) = &pattern.actor {
                visit(label);
            }
        };
        match self {
            Self::Run { of, .. } | Self::Reply { of, .. } => visit(of),
            Self::Occurs(patterns) | Self::Order(patterns) => patterns.iter().for_each(of_pattern),
            Self::Never(pattern) => of_pattern(pattern),
            Self::Gap { from, to, .. } => [from, to].into_iter().for_each(of_pattern),
            Self::All(all) | Self::Any(all) => all.iter().for_each(|p| p.for_each_label(visit)),
            _ => {}
        }
    }
}
