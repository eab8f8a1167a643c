//! What a run has to decide before it starts: which cases run, and which declared checks do not, and why.
//!
//! Owns the filter, the gating by claims and the declared denominator: every check of every suite is in the plan, with a
//! reason where it will not run, so that nothing can disappear between the suites and the verdict.

use std::collections::BTreeSet;

use partenza_reports::log::{CheckRecord, Level, Outcome};
use partenza_spec_map::{Spec, Subject};

use crate::suite::{Case, Control, Library};

/// A monitor, as the plan has to know it: its check and the requirements that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monitor {
    /// The full id of its check.
    pub check: String,
    /// The requirements.
    pub requirements: Vec<String>,
}

/// The user's selection; an empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(pub Vec<String>);

impl Filter {
    /// Whether a pattern names this check: its id, the beginning of its id up to a `/`, a requirement that it shows, or
    /// the beginning of that up to a `.`. A `*` stands for anything.
    #[must_use]
    pub fn selects(&self, check: &str, requirements: &[String]) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|pattern| {
                names(pattern, check, '/') || requirements.iter().any(|id| names(pattern, id, '.'))
            })
    }
}

fn names(pattern: &str, id: &str, separator: char) -> bool {
    if pattern.contains('*') {
        return glob(pattern, id);
    }
    id.strip_prefix(pattern.trim_end_matches(separator))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(separator))
}

/// Whether the parts of a pattern between its stars occur in the text in this order, the first at its beginning and the
/// last at its end.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// What the plan knows of the target.
pub struct Facts<'a> {
    /// Whether the target claims a class, profile or extension, or has a check command.
    pub claims: &'a dyn Fn(&str) -> bool,
    /// Whether it is an orchestrator.
    pub orchestrator: bool,
}

/// A declared check, and why it does not run if it does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// The record as far as it is known now; its outcome counts only when `runs` is false.
    pub record: CheckRecord,
    /// Full ids of the checks that have to pass for a pass of this one to mean anything.
    pub controls: Vec<String>,
    /// Whether it is to report.
    pub runs: bool,
}

/// What a run has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The names of the cases that run, in the order of the suites.
    pub cases: Vec<String>,
    /// Every check of every suite.
    pub checks: Vec<Declared>,
    /// Every monitor, as a check.
    pub monitors: Vec<Declared>,
    /// Whether only a selection runs, so that a monitor may find nothing to watch.
    pub filtered: bool,
}

/// Makes the plan.
#[must_use]
pub fn plan(
    library: &Library,
    monitors: &[Monitor],
    spec: &Spec,
    facts: &Facts<'_>,
    filter: &Filter,
) -> Plan {
    let mut checks: Vec<Declared> = library
        .checks()
        .map(|(case, check)| {
            let id = check.name(case);
            let controls = check.controls.iter().filter_map(|control| match control {
                Control::Check(id) => Some(id.clone()),
                Control::Module(_) => None,
            });
            let mut record = CheckRecord::new(case.name(), &id, level(spec, &check.shows), Outcome::Pass);
            record.requirements.clone_from(&check.shows);
            let mut declared = Declared {
                record,
                controls: controls.collect(),
                runs: true,
            };
            if let Some((outcome, reason)) = unclaimed(case, &declared.record, spec, facts) {
                declared.exclude(outcome, reason);
            }
            declared
        })
        .collect();

    // A pattern that names nothing but a monitor asks for that monitor, which has to watch every case.
    let watch_all = filter.0.iter().any(|pattern| {
        let one = Filter(vec![pattern.clone()]);
        let names = |check: &str, requirements: &[String]| one.selects(check, requirements);
        monitors
            .iter()
            .any(|monitor| names(&monitor.check, &monitor.requirements))
            && !checks
                .iter()
                .any(|declared| names(&declared.record.check, &declared.record.requirements))
    });
    let selected = with_controls(&checks, |declared| {
        filter.selects(&declared.record.check, &declared.record.requirements)
    });
    let mut cases: Vec<String> = Vec::new();
    for declared in &mut checks {
        let wanted = selected.contains(&declared.record.check);
        if declared.runs && (wanted || watch_all) && cases.last() != Some(&declared.record.case) {
            cases.push(declared.record.case.clone());
        }
        if declared.runs && !wanted {
            declared.exclude(Outcome::Filtered, "the filter leaves it out".to_owned());
        }
    }
    let monitors = monitors.iter().map(|monitor| {
        let case = monitor
            .check
            .rsplit_once('/')
            .map_or("monitor/every-case", |(case, _)| case);
        let level = level(spec, &monitor.requirements);
        let mut record = CheckRecord::new(case, &monitor.check, level, Outcome::Pass);
        record.requirements.clone_from(&monitor.requirements);
        let mut declared = Declared {
            record,
            controls: Vec::new(),
            runs: true,
        };
        let requirements = monitor.requirements.iter().filter_map(|id| spec.requirement(id));
        let classes: Vec<&str> = requirements
            .map(|requirement| requirement.class.as_str())
            .collect();
        if !facts.orchestrator {
            declared.exclude(
                Outcome::NotApplicable,
                "it watches an orchestrator, and the target is a module".to_owned(),
            );
        } else if !classes.is_empty() && !classes.iter().any(|class| (facts.claims)(class)) {
            let class = classes.first().copied().unwrap_or_default();
            declared.exclude(
                Outcome::NotClaimed,
                format!("the target does not claim `{class}`"),
            );
        } else if cases.is_empty() {
            declared.exclude(Outcome::Filtered, "no case runs that it could watch".to_owned());
        }
        declared
    });
    Plan {
        monitors: monitors.collect(),
        cases,
        checks,
        filtered: !filter.0.is_empty(),
    }
}

impl Declared {
    fn exclude(&mut self, outcome: Outcome, reason: String) {
        self.runs = false;
        self.record.outcome = outcome;
        self.record.detail = Some(reason);
    }
}

/// The selected checks and, since a rejection proves nothing without it, the control of each.
fn with_controls(checks: &[Declared], selects: impl Fn(&Declared) -> bool) -> BTreeSet<String> {
    let mut selected: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<&Declared> = checks.iter().filter(|declared| selects(declared)).collect();
    while let Some(declared) = open.pop() {
        if selected.insert(declared.record.check.clone()) {
            open.extend(
                checks
                    .iter()
                    .filter(|other| declared.controls.contains(&other.record.check)),
            );
        }
    }
    selected
}

/// Why the target's claims keep a check from running, if they do.
fn unclaimed(case: &Case, record: &CheckRecord, spec: &Spec, facts: &Facts<'_>) -> Option<(Outcome, String)> {
    if !facts.orchestrator {
        return Some((
            Outcome::NotApplicable,
            "the case judges an orchestrator, and the target is a module".to_owned(),
        ));
    }
    if let Some(need) = case.needs.iter().find(|need| !(facts.claims)(need)) {
        let text = match need.as_str() {
            "check-command" => "the target file names no `check` command".to_owned(),
            need => format!("the target does not claim `{need}`"),
        };
        return Some((Outcome::NotClaimed, text));
    }
    let requirements = record.requirements.iter().filter_map(|id| spec.requirement(id));
    for requirement in requirements.filter(|requirement| requirement.subject == Subject::Orchestrator) {
        if !(facts.claims)(&requirement.class) {
            let text = format!(
                "the target does not claim `{}`, to which `{}` belongs",
                requirement.class, requirement.id
            );
            return Some((Outcome::NotClaimed, text));
        }
    }
    // A class is no claim to what is truly optional; a profile or an extension is.
    let classes = ["minimal", "core", "full"];
    if record.level == Level::May && case.needs.iter().all(|need| classes.contains(&need.as_str())) {
        return Some((
            Outcome::NotClaimed,
            "it is optional, and the target claims nothing beyond its class".to_owned(),
        ));
    }
    None
}

/// The strongest level among requirements. What is unknown binds as a MUST, so that nothing is judged too mildly.
pub(crate) fn level(spec: &Spec, ids: &[String]) -> Level {
    let of = |id: &String| match spec.requirement(id).map(|requirement| requirement.level) {
        Some(partenza_spec_map::Level::May) => Level::May,
        Some(partenza_spec_map::Level::Should) => Level::Should,
        Some(partenza_spec_map::Level::Must) | None => Level::Must,
    };
    ids.iter().map(of).min().unwrap_or(Level::Must)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_checks_and_requirements() {
        let requirements = ["handshake.nonce-fresh".to_owned()];
        for (pattern, expected) in [
            ("s/c/k", true),
            ("s/c", true),
            ("s/", true),
            ("s", true),
            ("s/cc", false),
            ("/c/k", false),
            ("*/k", true),
            ("s/*/k", true),
            ("*c*", true),
            ("s/*/x", false),
            ("*", true),
            ("handshake", true),
            ("handshake.nonce-fresh", true),
            ("handshake.nonce", false),
            ("handshake.nonce*", true),
            ("k", false),
        ] {
            assert_eq!(
                Filter(vec![pattern.to_owned()]).selects("s/c/k", &requirements),
                expected,
                "{pattern}"
            );
        }
        assert!(Filter::default().selects("s/c/k", &[]));
    }

    const SUITE: &str = "suite: s
about: x
cases:
  - id: base
    needs: [minimal]
    modules: { a: { follows: contract } }
    steps: [boot, { a: sent ready }]
    checks:
      - { id: works, shows: role.sigterm-shuts-down, that: { a: { received: live } } }
  - id: core
    needs: [core]
    modules: { a: { follows: contract } }
    steps: [boot, { a: sent ready }]
    checks:
      - { id: other, shows: role.reaps-children, that: { a: { received: live } } }
      - id: never
        shows: role.sigterm-shuts-down
        that: { a: { never-received: shutdown } }
        control: s/base/works
";

    fn planned(class: &str, orchestrator: bool, filter: &[&str]) -> Plan {
        let library = Library::from_texts(&[("suites/s.yaml", SUITE)], None).unwrap();
        let claims = |need: &str| need == "minimal" || need == class;
        let facts = Facts {
            claims: &claims,
            orchestrator,
        };
        let monitor = |id: &str, shows: &str| Monitor {
            check: id.to_owned(),
            requirements: vec![shows.to_owned()],
        };
        let monitors = [
            monitor("monitor/every-case/one", "role.shutdown-exits-zero"),
            monitor("monitor/every-case/two", "control.events-sequence"),
        ];
        let filter = Filter(filter.iter().map(|pattern| (*pattern).to_owned()).collect());
        plan(&library, &monitors, &Spec::embedded(), &facts, &filter)
    }

    fn outcomes(plan: &Plan) -> Vec<(&str, Outcome)> {
        let all = plan.checks.iter().chain(&plan.monitors);
        let short = |declared: &Declared| declared.record.check.rfind('/').map_or(0, |at| at + 1);
        all.map(|declared| (&declared.record.check[short(declared)..], declared.record.outcome))
            .collect()
    }

    #[test]
    fn what_is_not_claimed_does_not_run_and_says_so() {
        use Outcome::{NotApplicable, NotClaimed, Pass};
        let names = ["works", "other", "never", "one", "two"];
        for (class, orchestrator, expected) in [
            ("core", true, [Pass; 5]),
            ("minimal", true, [Pass, NotClaimed, NotClaimed, Pass, NotClaimed]),
            ("level-0", false, [NotApplicable; 5]),
        ] {
            let plan = planned(class, orchestrator, &[]);
            assert_eq!(
                outcomes(&plan),
                names.into_iter().zip(expected).collect::<Vec<_>>(),
                "{class}"
            );
            assert!(
                plan.checks
                    .iter()
                    .all(|declared| declared.runs == declared.record.detail.is_none())
            );
        }
    }

    #[test]
    fn a_selection_brings_its_controls_and_nothing_else() {
        use Outcome::{Filtered, Pass};
        let plan = planned("core", true, &["s/core/never"]);
        assert_eq!(plan.cases, ["s/base", "s/core"]);
        assert_eq!(
            outcomes(&plan)[..3],
            [("works", Pass), ("other", Filtered), ("never", Pass)]
        );
    }

    #[test]
    fn a_monitor_that_is_named_watches_every_case() {
        let plan = planned("core", true, &["monitor/every-case/two"]);
        assert_eq!(plan.cases, ["s/base", "s/core"]);
        assert!(plan.checks.iter().all(|declared| !declared.runs));
        assert!(planned("core", true, &["nothing"]).cases.is_empty());
    }
}
