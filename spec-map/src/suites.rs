//! A light reader of the suites: the ids of their checks and of the requirements that they show, and nothing else.
//!
//! The full reader belongs to the harness, which cannot be used from here. What a suite means is its business.

use serde::Deserialize;

use crate::join::{Check, Fault};
use crate::problem::Problem;
use crate::tree::Tree;

/// Where the faults are, counted from the root of the repository.
pub const FAULTS: &str = "suites/faults.yaml";

/// Where the requirements of the monitors are. The monitors themselves are code of the harness, and a test there holds
/// this file against them.
pub const MONITORS: &str = "spec-map/monitors.yaml";

/// The checks of every suite of a tree, and those of the monitors.
pub fn checks(tree: &Tree, problems: &mut Vec<Problem>) -> Vec<Check> {
    let mut checks = monitors(tree, problems);
    for (file, text) in tree
        .iter()
        .filter(|(path, _)| path.starts_with("suites/") && path.as_str() != FAULTS)
    {
        match serde_yaml::from_str::<Suite>(text) {
            Ok(suite) => suite.collect(file, &mut checks),
            Err(error) => problems.push(unreadable(file, &error)),
        }
    }
    checks
}

fn monitors(tree: &Tree, problems: &mut Vec<Problem>) -> Vec<Check> {
    let Some(text) = tree.get(MONITORS) else {
        return Vec::new();
    };
    match serde_yaml::from_str::<Vec<MonitorEntry>>(text) {
        Ok(entries) => entries
            .into_iter()
            .map(|entry| Check {
                id: entry.check,
                requirements: entry.shows,
                file: MONITORS.to_owned(),
            })
            .collect(),
        Err(error) => {
            problems.push(unreadable(MONITORS, &error));
            Vec::new()
        }
    }
}

/// The faults of a tree.
pub fn faults(tree: &Tree, problems: &mut Vec<Problem>) -> Vec<Fault> {
    let Some(text) = tree.get(FAULTS) else {
        return Vec::new();
    };
    match parse_faults(text) {
        Ok(faults) => faults,
        Err(error) => {
            problems.push(unreadable(FAULTS, &error));
            Vec::new()
        }
    }
}

/// Reads the list of faults.
///
/// # Errors
/// When it is not such a list.
pub fn parse_faults(text: &str) -> Result<Vec<Fault>, serde_yaml::Error> {
    let entries: Option<Vec<FaultEntry>> = serde_yaml::from_str(text)?;
    let fault = |entry: FaultEntry| Fault {
        name: entry.fault,
        about: entry.about,
        kills: entry.kills,
        also: entry.also,
    };
    Ok(entries.unwrap_or_default().into_iter().map(fault).collect())
}

fn unreadable(file: &str, error: &serde_yaml::Error) -> Problem {
    Problem::at(
        file,
        error.location().map_or(0, |place| place.line()),
        error.to_string(),
    )
}

#[derive(Deserialize)]
struct FaultEntry {
    fault: String,
    #[serde(default)]
    about: String,
    kills: String,
    #[serde(default)]
    also: Vec<String>,
}

#[derive(Deserialize)]
struct MonitorEntry {
    check: String,
    shows: Vec<String>,
}

#[derive(Deserialize)]
struct Suite {
    suite: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    #[serde(default)]
    checks: Vec<CheckEntry>,
}

#[derive(Deserialize)]
struct CheckEntry {
    id: String,
    shows: Shows,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shows {
    One(String),
    Several(Vec<String>),
}

impl Suite {
    fn collect(self, file: &str, checks: &mut Vec<Check>) {
        for case in self.cases {
            for check in case.checks {
                let requirements = match check.shows {
                    Shows::One(id) => vec![id],
                    Shows::Several(ids) => ids,
                };
                let id = format!("{}/{}/{}", self.suite, case.id, check.id);
                checks.push(Check {
                    id,
                    requirements,
                    file: file.to_owned(),
                });
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn checks_and_faults_are_read() {
        let mut tree = Tree::new();
        let suite = "suite: s\nabout: x\ncases:\n- id: c\n  steps: [boot]\n  checks:\n  - {id: k, shows: a.b, that: {}}\n  - {id: l, shows: [a.b, a.c], that: {}}\n";
        tree.insert("suites/s.yaml".to_owned(), suite.to_owned());
        tree.insert(
            FAULTS.to_owned(),
            "- {fault: f, about: x, kills: s/c/k}\n".to_owned(),
        );
        let mut problems = Vec::new();
        let checks = checks(&tree, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(checks[1].id, "s/c/l");
        assert_eq!(checks[1].requirements, ["a.b", "a.c"]);
        assert_eq!(faults(&tree, &mut problems)[0].kills, "s/c/k");
    }

    #[test]
    fn an_unreadable_suite_is_a_problem() {
        let mut tree = Tree::new();
        tree.insert("suites/s.yaml".to_owned(), "suite: s\n".to_owned());
        tree.insert(FAULTS.to_owned(), "fault: f\n".to_owned());
        let mut problems = Vec::new();
        assert!(checks(&tree, &mut problems).is_empty());
        assert!(faults(&tree, &mut problems).is_empty());
        let mut text = problems.iter().map(ToString::to_string);
        assert!(text.next().unwrap().contains("missing field `cases`"));
        assert!(text.next().unwrap().starts_with("suites/faults.yaml:1"));
    }
}
